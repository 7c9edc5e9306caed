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
use hubcast::workload::{self, Workload, broadcast::Broadcast, echo::Echo};

use crate::cluster::{Cluster, Step};
use crate::engine::{Engine, Failure, Finished, Host};
use crate::journal::Journal;
use crate::options::{self, Options};

/// Runs in virtual time. With a `folder` the nodes' logs go there.
///
/// # Errors
///
/// [`Failure`] as of the [engine](Engine::run), for node options that hubcast
/// would refuse, or if a log cannot be created.
pub fn run(
    options: &Options,
    journal: Journal,
    folder: Option<&Path>,
) -> Result<(Finished, Journal), Failure> {
    let config = options::node_config(&options.node_args)
        .map_err(|error| Failure::new(error.to_string()))?;
    match config.workload {
        workload::Name::Broadcast => {
            let nodes = Simulation::<Broadcast>::new(options, &config, folder)?;
            finish(Engine::new(options, nodes, journal, false))
        }
        workload::Name::Echo => {
            let nodes = Simulation::<Echo>::new(options, &config, folder)?;
            finish(Engine::new(options, nodes, journal, false))
        }
    }
}

fn finish<H: Host>(engine: Engine<'_, H>) -> Result<(Finished, Journal), Failure> {
    let (finished, journal, _) = engine.run()?;
    Ok((finished, journal))
}

/// A cluster without events of its own: the engine has the queue.
#[derive(Debug)]
struct Simulation<W: Workload> {
    cluster: Cluster<W, Infallible>,
    logs: Vec<BufWriter<File>>,
}

impl<W: Workload> Simulation<W> {
    fn new(
        options: &Options,
        config: &hubcast::config::Config,
        folder: Option<&Path>,
    ) -> Result<Simulation<W>, Failure> {
        let names = options.node_ids();
        let logs = names
            .iter()
            .filter_map(|name| Some(Journal::node_log(folder?, name)));
        Ok(Simulation {
            cluster: Cluster::new(options.nodes, config),
            logs: logs
                .map(|path| Ok(BufWriter::new(File::create(path)?)))
                .collect::<Result<_, Failure>>()?,
        })
    }

    fn log(&mut self, node: usize) -> Result<(), Failure> {
        while let Some(event) = self.cluster.noticed(node) {
            if let Some(log) = self.logs.get_mut(node) {
                writeln!(log, "{event}")?;
            }
        }
        Ok(())
    }
}

impl<W: Workload> Host for Simulation<W> {
    fn now(&self) -> Instant {
        self.cluster.now()
    }

    fn send(&mut self, node: usize, line: &[u8]) -> Result<(), Failure> {
        self.cluster.tell(node, line);
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

    fn post_mortem(&mut self, _node: usize) -> String {
        "it runs in memory; its log is in the run's folder".into()
    }
}
