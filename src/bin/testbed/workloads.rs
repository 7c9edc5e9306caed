//! The workloads by Maelstrom's names: for each its clients and judge, and its node.
//!
//! This table is the one place that knows them all. A new workload is a row.

use hubcast::workload as node;

use crate::engine::{Engine, Failure, Finished};
use crate::load::{broadcast, counter, echo, kafka, txn, unique_ids};
use crate::options::Options;
use crate::processes::Processes;
use crate::recording::Recording;
use crate::simulation::Simulation;

/// One row: the name, the [load](crate::load::Load), and, if nodes in memory can do it, the node's
/// [`Workload`](hubcast::workload::Workload).
macro_rules! workloads {
    ($($name:literal => $load:ty $(, $node:ty)?;)*) => {
        /// Their names.
        pub const NAMES: &[&str] = &[$($name),*];

        /// Runs with these processes as nodes.
        ///
        /// # Errors
        ///
        /// [`Failure`] as of the [engine](Engine::run).
        pub fn run_real(
            options: &Options,
            nodes: Processes,
            recording: Recording,
            show_progress: bool,
        ) -> Result<(Finished, Recording), Failure> {
            match options.workload {
                $($name => {
                    let engine = Engine::<_, $load>::new(options, nodes, recording, show_progress);
                    let (finished, recording, nodes) = engine.run()?;
                    nodes.stop();
                    Ok((finished, recording))
                })*
                other => Err(unknown(other)),
            }
        }

        /// Runs with nodes in memory, on a virtual clock. With a `folder` their logs go there.
        ///
        /// # Errors
        ///
        /// [`Failure`] as of the [engine](Engine::run), for node options that hubcast
        /// would refuse, if a log cannot be created, or if no such node can be had.
        pub fn run_virtual(
            options: &Options,
            recording: Recording,
            folder: Option<&std::path::Path>,
        ) -> Result<(Finished, Recording), Failure> {
            match options.workload {
                $($($name => {
                    let nodes = Simulation::<$node>::new(options, folder)?;
                    let engine = Engine::<_, $load>::new(options, nodes, recording, false);
                    let (finished, recording, _) = engine.run()?;
                    Ok((finished, recording))
                })?)*
                other => Err(unknown(other)),
            }
        }
    };
}

workloads! {
    "broadcast" => broadcast::Broadcast, node::broadcast::Broadcast;
    "echo" => echo::Echo, node::echo::Echo;
    "unique-ids" => unique_ids::UniqueIds, node::unique_ids::UniqueIds;
    "g-set" => broadcast::GSet, node::g_set::GSet;
    "g-counter" => counter::GCounter, node::counter::GCounter;
    "pn-counter" => counter::PnCounter, node::counter::PnCounter;
    "kafka" => kafka::Kafka, node::log::Log;
    "txn-rw-register" => txn::Txn, node::txn::Txn;
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("no workload is called {name} here"))
}
