//! The nodes in memory, on a virtual clock.
//!
//! The same [`Node`]s, the same lines, the same engine: only the waiting is left
//! out. When everybody waits, the clock jumps to the next thing that is due. A
//! run is then as fast as the machine, and the same seed gives the same run,
//! byte for byte.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::engine::{Failure, Host};
use crate::journal::Journal;
use hubcast::config::Config;
use hubcast::node::Node;
use hubcast::time::Instant;

/// Nodes that share one virtual clock.
#[derive(Debug)]
pub struct Simulation {
    now: Instant,
    nodes: Vec<Node>,
    /// Each node's next deadline, as the queue `due` has it.
    deadlines: Vec<Option<Instant>>,
    due: BTreeSet<(Instant, usize)>,
    /// What nodes have said and nobody has heard yet.
    said: VecDeque<(usize, Vec<u8>)>,
    logs: Vec<BufWriter<File>>,
}

impl Simulation {
    /// Nodes that have not heard anything, at time zero. With a `folder` their
    /// logs go there.
    ///
    /// # Errors
    ///
    /// [`Failure`] if a log cannot be created.
    pub fn new(
        node_ids: &[String],
        config: &Config,
        folder: Option<&Path>,
    ) -> Result<Simulation, Failure> {
        let logs = node_ids
            .iter()
            .filter_map(|name| Some(Journal::node_log(folder?, name)));
        Ok(Simulation {
            now: Instant::ZERO,
            nodes: node_ids.iter().map(|_| Node::new(config.clone())).collect(),
            deadlines: vec![None; node_ids.len()],
            due: BTreeSet::new(),
            said: VecDeque::new(),
            logs: logs
                .map(|path| Ok(BufWriter::new(File::create(path)?)))
                .collect::<Result<_, Failure>>()?,
        })
    }

    /// The end of a node's turn: what is due now is done, what it says is heard.
    fn end_turn(&mut self, index: usize) -> Result<(), Failure> {
        let node = &mut self.nodes[index];
        if node
            .poll_timeout()
            .is_some_and(|deadline| deadline <= self.now)
        {
            node.handle_timeout(self.now);
        }
        while let Some(message) = node.poll_transmit() {
            let mut line = Vec::new();
            message.encode(&mut line);
            line.pop();
            self.said.push_back((index, line));
        }
        while let Some(record) = node.poll_log() {
            if let Some(log) = self.logs.get_mut(index) {
                writeln!(log, "{}", record.as_str())?;
            }
        }
        let deadline = node.poll_timeout();
        let known = std::mem::replace(&mut self.deadlines[index], deadline);
        if known != deadline {
            if let Some(known) = known {
                self.due.remove(&(known, index));
            }
            if let Some(deadline) = deadline {
                self.due.insert((deadline, index));
            }
        }
        Ok(())
    }
}

impl Host for Simulation {
    fn now(&self) -> Instant {
        self.now
    }

    fn send(&mut self, node: usize, line: &[u8]) -> Result<(), Failure> {
        self.nodes[node].handle_line(self.now, line);
        self.end_turn(node)
    }

    fn wait(&mut self, until: Instant) -> Result<Option<(usize, Vec<u8>)>, Failure> {
        loop {
            if let Some(line) = self.said.pop_front() {
                return Ok(Some(line));
            }
            match self.due.first() {
                Some(&(deadline, node)) if deadline <= until => {
                    self.now = self.now.max(deadline);
                    self.end_turn(node)?;
                }
                _ => {
                    self.now = self.now.max(until);
                    return Ok(None);
                }
            }
        }
    }

    fn post_mortem(&mut self, _node: usize) -> String {
        "it runs in memory; its log is in the run's folder".into()
    }
}
