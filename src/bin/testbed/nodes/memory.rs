//! The nodes in memory, on a virtual clock.
//!
//! The same nodes, the same lines, the same engine: only the waiting is left out.
//! When everybody waits, the clock jumps to the next thing that is due. A run is
//! then as fast as the machine, and the same seed gives the same run, byte for
//! byte.

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use hubcast::time::Instant;

use super::cluster::{self, Cluster, Step};
use super::{Failure, Host, log_path, stamp};
use hubcast::config::Config;

/// A cluster without events of its own: the engine has the queue.
#[derive(Debug)]
pub struct Simulation {
    cluster: Cluster<Infallible>,
    logs: Vec<BufWriter<File>>,
}

impl Simulation {
    /// So many nodes with these settings. With a `folder` their logs go there.
    ///
    /// # Errors
    ///
    /// [`Failure`] if a log cannot be created.
    pub fn new(
        nodes: usize,
        config: &Config,
        folder: Option<&Path>,
    ) -> Result<Simulation, Failure> {
        let logs = (0..nodes).filter_map(|node| Some(log_path(folder?, &cluster::name(node))));
        Ok(Simulation {
            cluster: Cluster::new(nodes, config),
            logs: logs
                .map(|path| Ok(BufWriter::new(File::create(path)?)))
                .collect::<Result<_, Failure>>()?,
        })
    }

    /// From now on nodes get no [processor](Cluster::stall) at times.
    pub fn stall(&mut self, times: [Duration; 2], seed: u64) {
        self.cluster.stall(times, seed);
    }

    fn log(&mut self, node: usize) -> Result<(), Failure> {
        let stamp = stamp(self.cluster.now());
        while let Some(event) = self.cluster.noticed(node) {
            if let Some(log) = self.logs.get_mut(node) {
                writeln!(log, "{stamp}{event}")?;
            }
        }
        Ok(())
    }
}

impl Host for Simulation {
    fn now(&self) -> Instant {
        self.cluster.now()
    }

    fn send(&mut self, node: usize, line: &[u8]) -> Result<(), Failure> {
        self.cluster.tell(node, line);
        if let Some(refused) = self.cluster.refused() {
            return Err(Failure::new(refused));
        }
        self.log(node)
    }

    fn wait(&mut self, until: Instant) -> Result<Option<(usize, Vec<u8>)>, Failure> {
        while self.cluster.due().is_some_and(|due| due <= until) {
            match self.cluster.next() {
                Some(Step::Said(node, line)) => return Ok(Some((node, line))),
                Some(Step::Timer(node)) => self.log(node)?,
                Some(Step::Event(never)) => match never {},
                None => {}
            }
        }
        self.cluster.sleep(until);
        Ok(None)
    }

    fn kill(&mut self, node: usize) -> Result<(), Failure> {
        // Between two turns, when all is synced: there is nothing to draw.
        self.cluster.kill(node, 0);
        Ok(())
    }

    fn start(&mut self, node: usize) -> Result<(), Failure> {
        self.cluster.start(node);
        Ok(())
    }

    fn pause(&mut self, node: usize) -> Result<(), Failure> {
        self.cluster.pause(node);
        Ok(())
    }

    fn resume(&mut self, node: usize) -> Result<(), Failure> {
        self.cluster.resume(node);
        self.log(node)
    }

    fn post_mortem(&mut self, _node: usize) -> String {
        "it runs in memory; its log is in the run's folder".into()
    }
}
