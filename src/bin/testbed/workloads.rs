//! The workloads by Maelstrom's names: for each its clients and judge, and its node.
//!
//! This table is the one place that knows them all. A new workload is a row.

use hubcast::workload as node;

use crate::engine::{Engine, Failure, Finished, Host};
use crate::load::{broadcast, counter, echo, kafka, txn, unique_ids};
use crate::options::Options;
use crate::recording::Recording;
use crate::simulation::Simulation;

/// One row: the name, the [load](crate::load::Load), and, if nodes in memory can do it, the node's
/// [`Workload`](hubcast::workload::Workload).
macro_rules! workloads {
    ($($name:literal => $load:ty $(, $node:ty)?;)*) => {
        /// Their names.
        pub const NAMES: &[&str] = &[$($name),*];

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
            match options.workload {
                $($name => Engine::<$load>::new(options, nodes, recording, show_progress).run(),)*
                other => Err(unknown(other)),
            }
        }

        /// Nodes in memory, on a virtual clock. With a `folder` their logs go there.
        ///
        /// # Errors
        ///
        /// [`Failure`] for node options that hubcast would refuse, if a log cannot be
        /// created, or if no such node can be had.
        fn in_memory(
            options: &Options,
            folder: Option<&std::path::Path>,
        ) -> Result<Box<dyn Host>, Failure> {
            match options.workload {
                $($($name => Ok(Box::new(Simulation::<$node>::new(options, folder)?)),)?)*
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

/// Runs with nodes in memory, on a virtual clock. With a `folder` their logs go there.
///
/// # Errors
///
/// [`Failure`] as of both steps.
pub fn run_virtual(
    options: &Options,
    recording: Recording,
    folder: Option<&std::path::Path>,
) -> Result<(Finished, Recording), Failure> {
    let mut nodes = in_memory(options, folder)?;
    run(options, &mut *nodes, recording, false)
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("no workload is called {name} here"))
}
