//! The workloads by Maelstrom's names, and the clients and the judge of each.
//!
//! This table is the one place that knows them all. A new workload is a row.

use crate::engine::{Engine, Failure, Finished, Host};
use crate::load::{Load, broadcast, counter, echo, kafka, txn, unique_ids};
use crate::options::Options;
use crate::recording::Recording;
use crate::simulation::Simulation;

/// Their names.
pub const NAMES: [&str; 8] = [
    "broadcast",
    "echo",
    "unique-ids",
    "g-set",
    "g-counter",
    "pn-counter",
    "kafka",
    "txn-rw-register",
];

/// The clients of a run, before anybody has done anything.
///
/// # Errors
///
/// [`Failure`] if the name is none of these.
fn load(options: &Options) -> Result<Box<dyn Load>, Failure> {
    Ok(match options.workload {
        "broadcast" => Box::new(broadcast::Broadcast::default()),
        "echo" => Box::new(echo::Echo::default()),
        "unique-ids" => Box::new(unique_ids::UniqueIds::default()),
        "g-set" => Box::new(broadcast::GSet::default()),
        "g-counter" => Box::new(counter::GCounter::default()),
        "pn-counter" => Box::new(counter::PnCounter::default()),
        "kafka" => Box::new(kafka::Kafka::default()),
        "txn-rw-register" => Box::new(txn::Txn::new(options.consistency)),
        name => return Err(Failure::new(format!("no workload is called {name} here"))),
    })
}

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
    Engine::new(options, load(options)?, nodes, recording, show_progress).run()
}

/// Runs with nodes in memory, on a virtual clock. With a `folder` their logs go there.
///
/// # Errors
///
/// [`Failure`] for node options that hubcast would refuse, if a log cannot be created,
/// or as of the engine.
pub fn run_virtual(
    options: &Options,
    recording: Recording,
    folder: Option<&std::path::Path>,
) -> Result<(Finished, Recording), Failure> {
    let mut nodes = Simulation::new(options, folder)?;
    run(options, &mut nodes, recording, false)
}
