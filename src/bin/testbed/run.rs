//! One run: clients, network and faults around some nodes, and what is recorded of it.

pub mod arguments;
pub mod engine;
pub mod observer;
pub mod options;
pub mod recording;
pub mod spread;
pub mod story;
pub mod trace;

use std::path::Path;

use crate::load;
use crate::nodes::flood::{self, Flooding};
use crate::nodes::memory::Simulation;
use crate::nodes::{Failure, Host};
use engine::{Engine, Finished};
use options::Options;
use recording::Recording;

/// Runs with the nodes that this host has.
///
/// # Errors
///
/// [`Failure`] as of the [engine](Engine::run).
pub fn run(
    options: &Options,
    nodes: &mut dyn Host,
    recording: Recording,
    show_progress: bool,
) -> Result<(Finished, Recording), Failure> {
    let load = load::of(options.workload, options.consistency, options.draws);
    let load = load.ok_or_else(|| Failure::new("the command line lets in no other workload"))?;
    Engine::new(options, load, nodes, recording, show_progress).run()
}

/// Runs with nodes in memory, on a virtual clock: hubcast's, or the lesson's first. With a
/// `folder` their logs go there.
///
/// # Errors
///
/// [`Failure`] for node options that hubcast would refuse, if a log cannot be created,
/// or as of the engine.
pub fn run_virtual(
    options: &Options,
    recording: Recording,
    folder: Option<&Path>,
    show_progress: bool,
) -> Result<(Finished, Recording), Failure> {
    let is_flood = |path: &Path| path.file_name().is_some_and(|name| name == flood::PROGRAM);
    if options.bin.as_deref().is_some_and(is_flood) {
        let mut nodes = Flooding::new(options.nodes);
        return run(options, &mut nodes, recording, show_progress);
    }
    let mut nodes = Simulation::new(
        options.nodes,
        &options::node_config(&options.program_args()).map_err(|e| Failure::new(e.to_string()))?,
        folder,
    )?;
    nodes.stall([options.stall, options.stall_every], options.seed);
    run(options, &mut nodes, recording, show_progress)
}

#[cfg(test)]
#[path = "../../../tests/misbehaving/node.rs"]
#[allow(dead_code, unsafe_code)] // Most of it is a process; here only the liar counts.
mod misbehaving;

#[cfg(test)]
mod tests {
    use super::misbehaving::{Fate, Liar};
    use super::*;
    use crate::show::report::Outcome;
    use crate::world::topology::Topology;
    use hubcast::time::Instant;
    use options::Job;
    use recording::in_scratch_folder;
    use std::time::Duration;

    fn played(job: Job, topology: Topology) -> (Finished, Options) {
        let options = Options {
            topology,
            virtual_time: true,
            bin: Some(flood::PROGRAM.into()),
            ..Options::new(job)
        };
        let (finished, _) = in_scratch_folder(|folder| {
            let recording = Recording::create(folder).expect("a folder for the run");
            run_virtual(&options, recording, None, false).expect("a run")
        });
        (finished, options)
    }

    #[test]
    fn flooding_a_quiet_grid_loses_nothing_and_says_each_value_56_times() {
        let (finished, _) = played(Job::Efficient, Topology::Grid);
        let (counts, verdict) = (&finished.counts, &finished.verdict);
        assert!(verdict.lost.is_empty() && counts.problems.all().is_empty());
        // 40 lines between neighbours, both ways; 24 hear it first and do not say it back.
        assert_eq!(counts.server.total, counts.kinds[0].begun * (2 * 40 - 24));
    }

    #[test]
    fn what_a_partition_drops_flooding_never_says_again() {
        let (finished, options) = played(Job::Partition, Topology::Tree(4));
        let broadcasts = finished.counts.kinds[0].begun as usize;
        let lost = finished.verdict.lost.len();
        assert!((1..broadcasts).contains(&lost), "{lost} of {broadcasts}");
        assert!(options.promise().is_none(), "it promises nothing");
    }

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
            while let Some((node, line)) = self.nodes.wait(until)? {
                let since = self.now() - Instant::ZERO;
                match self.liar.says(since, line.clone()) {
                    _ if node != self.at => return Ok(Some((node, line))),
                    Fate::Pass(line) | Fate::Answer(line) => return Ok(Some((node, line))),
                    _ => {}
                }
            }
            Ok(None)
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

    /// What is reported of a run in which node `at` lies so, and such a share of the
    /// messages is lost.
    fn report(job: Job, (mode, at): (&str, usize), loss: f64) -> (bool, String) {
        let options = Options {
            loss,
            virtual_time: true,
            ..Options::new(job)
        };
        let config = options::node_config(&options.program_args()).expect("settings");
        let nodes = Simulation::new(options.nodes, &config, None).expect("nodes");
        let liar = Liar::new(mode);
        let mut nodes = Lying { nodes, at, liar };
        let (finished, _) = in_scratch_folder(|folder| {
            let recording = Recording::create(folder).expect("a folder for the run");
            run(&options, &mut nodes, recording, false).expect("a run")
        });
        let outcome = Outcome {
            options: &options,
            counts: &finished.counts,
            verdict: &finished.verdict,
        };
        (outcome.measured().passes(&options), outcome.text())
    }

    #[test]
    fn a_node_that_hides_for_a_while_what_it_had_shown_meets_no_limit() {
        let (passed, text) = report(Job::Efficient, ("flaps", 3), 0.0);
        assert!(!passed && text.contains("valid"), "{text}");
        assert!(text.contains("3d not met, 3e not met"), "{text}");
    }

    #[test]
    fn a_node_that_loses_values_does_not_pass_wherever_it_stands() {
        for job in [Job::Efficient, Job::Partition] {
            for (at, says) in [(0, " lacks "), (3, "n3 lacks "), (24, "n24 lacks ")] {
                let (passed, text) = report(
                    job,
                    ("loses", at),
                    if job == Job::Efficient { 0.01 } else { 0.0 },
                );
                assert!(!passed && text.contains(says), "{text}");
            }
        }
    }
}
