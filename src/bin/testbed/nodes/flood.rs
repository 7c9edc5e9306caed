//! The lesson's first node, [`Flood`], in memory on a virtual clock.
//!
//! `--virtual --bin target/release/flood`: the program's own source, without the
//! process around it. It has no timers, so the clock moves with the network alone.

use std::collections::{BTreeMap, VecDeque};

use hubcast::time::Instant;

use super::{Failure, Host};

#[path = "../../flood.rs"]
#[allow(dead_code)] // Its `main` is the program's.
mod program;
use program::Flood;

/// The program whose nodes these are.
pub const PROGRAM: &str = "flood";

/// Nodes that flood.
#[derive(Debug)]
pub struct Flooding {
    now: Instant,
    /// `None`: it is down.
    nodes: Vec<Option<Flood>>,
    said: VecDeque<(usize, Vec<u8>)>,
    /// For each paused node: what waits for it, as in a pipe.
    paused: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Flooding {
    /// So many, which have not heard anything.
    pub fn new(nodes: usize) -> Flooding {
        Flooding {
            now: Instant::ZERO,
            nodes: (0..nodes).map(|_| Some(Flood::default())).collect(),
            said: VecDeque::new(),
            paused: BTreeMap::new(),
        }
    }
}

impl Host for Flooding {
    fn now(&self) -> Instant {
        self.now
    }

    fn send(&mut self, node: usize, line: &[u8]) -> Result<(), Failure> {
        if let Some(waiting) = self.paused.get_mut(&node) {
            waiting.push(line.to_owned());
        } else if let Some(flood) = &mut self.nodes[node] {
            let mut out = Vec::new();
            // The program says on stderr why it ignores a line, and goes on, too.
            let _ = flood.hear(line, &mut out);
            let lines = out.split_inclusive(|&byte| byte == b'\n');
            self.said
                .extend(lines.map(|line| (node, line[..line.len() - 1].to_owned())));
        }
        Ok(())
    }

    fn wait(&mut self, until: Instant) -> Result<Option<(usize, Vec<u8>)>, Failure> {
        let said = self.said.pop_front();
        if said.is_none() {
            self.now = self.now.max(until);
        }
        Ok(said)
    }

    fn kill(&mut self, node: usize) -> Result<(), Failure> {
        self.nodes[node] = None;
        self.paused.remove(&node);
        Ok(())
    }

    fn start(&mut self, node: usize) -> Result<(), Failure> {
        self.nodes[node] = Some(Flood::default());
        Ok(())
    }

    fn pause(&mut self, node: usize) -> Result<(), Failure> {
        if self.nodes[node].is_some() {
            self.paused.entry(node).or_default();
        }
        Ok(())
    }

    fn resume(&mut self, node: usize) -> Result<(), Failure> {
        for line in self.paused.remove(&node).unwrap_or_default() {
            self.send(node, &line)?;
        }
        Ok(())
    }

    fn post_mortem(&mut self, _node: usize) -> String {
        "it runs in memory and says nothing of itself".into()
    }
}
