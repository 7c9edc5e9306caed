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

use hubcast::time::Instant;

use crate::cluster::{Cluster, Step};
use crate::engine::{Failure, Host};
use crate::options::{self, Options};
use crate::recording::Recording;

/// A cluster without events of its own: the engine has the queue.
#[derive(Debug)]
pub struct Simulation {
    cluster: Cluster<Infallible>,
    logs: Vec<BufWriter<File>>,
}

impl Simulation {
    /// Nodes as the options say. With a `folder` their logs go there.
    ///
    /// # Errors
    ///
    /// [`Failure`] for node options that hubcast would refuse, or if a log cannot be
    /// created.
    pub fn new(options: &Options, folder: Option<&Path>) -> Result<Simulation, Failure> {
        let config = options::node_config(&options.program_args())
            .map_err(|error| Failure::new(error.to_string()))?;
        let names = options.node_ids();
        let logs = names
            .iter()
            .filter_map(|name| Some(Recording::node_log(folder?, name)));
        Ok(Simulation {
            cluster: Cluster::new(options.nodes, &config),
            logs: logs
                .map(|path| Ok(BufWriter::new(File::create(path)?)))
                .collect::<Result<_, Failure>>()?,
        })
    }

    fn log(&mut self, node: usize) -> Result<(), Failure> {
        let stamp = Recording::stamp(self.cluster.now());
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

#[cfg(test)]
#[path = "../../../tests/misbehaving/node.rs"]
#[allow(dead_code, unsafe_code)] // Most of it is a process; here only the liar counts.
mod misbehaving;

#[cfg(test)]
mod tests {
    use super::misbehaving::{Fate, Liar};
    use super::*;
    use crate::engine::Engine;
    use crate::load;
    use crate::options::Job;
    use crate::recording::in_scratch_folder;
    use crate::report::Outcome;
    use std::time::Duration;

    /// Nodes in memory, one of them behind a liar.
    struct Lying {
        nodes: Simulation,
        at: usize,
        liar: Liar,
    }

    impl Host for Lying {
        fn now(&self) -> Instant {
            self.nodes.now()
        }

        fn send(&mut self, node: usize, line: &[u8]) -> Result<(), Failure> {
            if node != self.at {
                return self.nodes.send(node, line);
            }
            match self.liar.hears(Duration::ZERO, line.to_vec()) {
                Fate::Pass(line) => self.nodes.send(node, &line),
                _ => Ok(()),
            }
        }

        fn wait(&mut self, until: Instant) -> Result<Option<(usize, Vec<u8>)>, Failure> {
            self.nodes.wait(until)
        }

        fn kill(&mut self, node: usize) -> Result<(), Failure> {
            self.nodes.kill(node)
        }

        fn start(&mut self, node: usize) -> Result<(), Failure> {
            self.nodes.start(node)
        }

        fn pause(&mut self, node: usize) -> Result<(), Failure> {
            self.nodes.pause(node)
        }

        fn resume(&mut self, node: usize) -> Result<(), Failure> {
            self.nodes.resume(node)
        }

        fn post_mortem(&mut self, node: usize) -> String {
            self.nodes.post_mortem(node)
        }
    }

    /// What is reported of a run in which node `at` loses one value in a hundred.
    fn report(job: Job, at: usize) -> (bool, String) {
        let options = Options {
            // As it was found: one message in a hundred is lost, too.
            loss: if job == Job::Efficient { 0.01 } else { 0.0 },
            virtual_time: true,
            ..Options::new(job)
        };
        let nodes = Simulation::new(&options, None).expect("nodes");
        let liar = Liar::new("loses");
        let mut nodes = Lying { nodes, at, liar };
        let (finished, _) = in_scratch_folder(|folder| {
            let recording = Recording::create(folder).expect("a folder for the run");
            let load = Box::new(load::broadcast::Broadcast::default());
            let engine = Engine::new(&options, load, &mut nodes, recording, false);
            engine.run().expect("a run")
        });
        let outcome = Outcome {
            options: &options,
            counts: &finished.counts,
            verdict: &finished.verdict,
        };
        (outcome.measured().passes(&options), outcome.text())
    }

    #[test]
    fn a_node_that_loses_values_does_not_pass_wherever_it_stands() {
        for job in [Job::Efficient, Job::Partition] {
            for (at, says) in [(0, " lacks "), (3, "n3 lacks "), (24, "n24 lacks ")] {
                let (passed, text) = report(job, at);
                assert!(!passed && text.contains(says), "{text}");
            }
        }
    }
}
