//! What a run depends on: options, with Maelstrom's names, as rows of a table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hubcast::config::{self, Config, UsageError};
use hubcast::tree;

use crate::judge::txn::Consistency;
use crate::load;
use crate::nodes::flood;
use crate::nodes::stalls;
use crate::run::arguments::Takes::{Checked, Nothing, Number, Seconds, Text, Whole, Word, Words};
use crate::run::arguments::{self, Row, Takes};
use crate::world::nemesis::Tool;
use crate::world::network::{Distribution, Weather};
use crate::world::topology::Topology;

/// The options of `efficient`, `partition`, `crash` and `workload`.
pub fn rows() -> Vec<Row<Options>> {
    let rows = load_rows().into_iter().chain(network_rows());
    rows.chain(fault_rows()).chain(place_rows()).collect()
}

/// A row of the table.
pub fn row<T>(
    name: &'static str,
    takes: Takes<T>,
    help: &'static str,
    value: fn(&T) -> String,
) -> Row<T> {
    Row {
        name,
        takes,
        help,
        value,
    }
}

/// What is asked of how many.
fn load_rows() -> [Row<Options>; 8] {
    [
        row(
            "-w, --workload",
            Word(
                "NAME",
                || load::NAMES.iter().map(|&name| name.into()).collect(),
                |o, place| o.workload = load::NAMES[place],
            ),
            "({})",
            |o| o.workload.into(),
        ),
        row(
            "--node-count",
            Whole("N", [1, MAX_NODES], |o, nodes| o.nodes = nodes as usize),
            "nodes (default {})",
            |o| o.nodes.to_string(),
        ),
        row(
            "--time-limit",
            Seconds("S", 1.0, |o, time| o.time_limit = time),
            "seconds of load ({})",
            |o| o.time_limit.as_secs_f64().to_string(),
        ),
        row(
            "--rate",
            Number("R", [0.1, 100_000.0], |o, rate| o.rate = rate),
            "operations a second; of broadcast half are reads ({})",
            |o| o.rate.to_string(),
        ),
        row(
            "--concurrency",
            Checked("C", |o, text| {
                o.concurrency = Concurrency::read(text)?;
                Ok(())
            }),
            "clients, each of which does one thing after the other: 2n is two a node ({})",
            |o| o.concurrency.name(),
        ),
        row(
            "--key-count",
            Whole("N", [1, load::Draws::MAX_KEYS], |o, keys| {
                o.draws.keys = keys as usize;
            }),
            "kafka, txn-rw-register: keys in use at a time ({})",
            |o| o.draws.keys.to_string(),
        ),
        row(
            "--max-writes-per-key",
            Whole("N", [1, u32::MAX as u64], |o, writes| {
                o.draws.max_writes = writes;
            }),
            "writes to a key before it makes room for a fresh one ({})",
            |o| o.draws.max_writes.to_string(),
        ),
        row(
            "--max-txn-length",
            Whole("N", [1, 1000], |o, steps| o.draws.max_steps = steps),
            "txn-rw-register: steps of a transaction at most ({})",
            |o| o.draws.max_steps.to_string(),
        ),
    ]
}

/// What carries their messages.
fn network_rows() -> [Row<Options>; 6] {
    [
        row(
            "--latency",
            Whole("MS", [0, 60_000], |o, ms| {
                o.latency = Duration::from_millis(ms);
            }),
            "mean latency between two nodes ({})",
            |o| o.latency.as_millis().to_string(),
        ),
        row(
            "--latency-dist",
            Word(
                "D",
                || Distribution::ALL.map(|each| each.name().into()).into(),
                |o, place| o.latency_dist = Distribution::ALL[place],
            ),
            "({})",
            |o| o.latency_dist.name().into(),
        ),
        row(
            "--loss",
            Number("P", [0.0, 1.0], |o, chance| o.loss = chance),
            "chance of a message to be lost, 0 to 1 ({})",
            |o| o.loss.to_string(),
        ),
        row(
            "--duplicate",
            Number("P", [0.0, 1.0], |o, chance| o.duplicate = chance),
            "chance of a message to arrive twice, 0 to 1 ({})",
            |o| o.duplicate.to_string(),
        ),
        row(
            "--service-ms",
            Number("MS", [0.0, 1000.0], |o, ms| {
                o.service = Duration::from_secs_f64(ms / 1e3);
            }),
            "the time that a node's inbox takes for each message of another node, one after \
             another ({})",
            |o| (o.service.as_secs_f64() * 1e3).to_string(),
        ),
        row(
            "--topology",
            Word(
                "T",
                || Topology::ALL.map(Topology::name).into(),
                |o, place| o.topology = Topology::ALL[place],
            ),
            "({}): the advice given to nodes, which hubcast does not take",
            |o| o.topology.name(),
        ),
    ]
}

/// What goes wrong, and what must not.
fn fault_rows() -> [Row<Options>; 9] {
    [
        row(
            "--nemesis",
            Words(
                "KINDS",
                || Tool::ALL.map(|tool| tool.name().into()).into(),
                |o, places| o.nemesis = places.iter().map(|&place| Tool::ALL[place]).collect(),
            ),
            "cut the network, kill and restart nodes, pause them (partition in `partition`, all \
             three in `crash`). hubcast keeps journals where it is killed",
            |o| o.tools(","),
        ),
        row(
            "--nemesis-kind",
            Word(
                "KIND",
                || kinds().into_iter().map(String::from).collect(),
                |o, place| o.nemesis_kind = Some(kinds()[place]),
            ),
            "({}): all faults are of this kind",
            |o| o.nemesis_kind.unwrap_or("drawn").into(),
        ),
        row(
            "--nemesis-interval",
            Seconds("S", 0.1, |o, time| o.nemesis_interval = time),
            "mean seconds from one start or end of a fault to the next (2 in `partition`, 1.5 in \
             `crash`, otherwise {}, Maelstrom's default)",
            |o| o.nemesis_interval.as_secs_f64().to_string(),
        ),
        row(
            "--stall-ms",
            Number("MS", [0.0, 1000.0], |o, ms| {
                o.stall = Duration::from_secs_f64(ms / 1e3);
            }),
            "each node gets no processor for up to so long at times ({}; with --virtual only: a \
             real machine does it by itself)",
            |o| (o.stall.as_secs_f64() * 1e3).to_string(),
        ),
        row(
            "--stall-every",
            Seconds("S", 0.001, |o, time| o.stall_every = time),
            "mean seconds from the end of a node's stall to its next one ({})",
            |o| o.stall_every.as_secs_f64().to_string(),
        ),
        row(
            "--volatile",
            Nothing(|o| o.volatile = true),
            "without journals also where nodes are killed: counts what is gone",
            |o| o.volatile.to_string(),
        ),
        row(
            "--availability",
            Checked("A", |o, text| {
                o.availability = match text {
                    "total" => 1.0,
                    share => {
                        arguments::number("--availability", share, 0.0, 1.0).map_err(|_| {
                            UsageError(format!(
                                "--availability takes total, or a share from 0 to 1 like 0.9, not \
                             '{share}'"
                            ))
                        })?
                    }
                };
                Ok(())
            }),
            "the share of operations that must succeed: total, as in `efficient`, or 0.9 and so \
             on",
            Options::availability_name,
        ),
        row(
            "--consistency-models",
            Word(
                "M",
                || Consistency::ALL.map(|each| each.name().into()).into(),
                |o, place| o.consistency = Consistency::ALL[place],
            ),
            "({}): what transactions must not show",
            |o| o.consistency.name().into(),
        ),
        row(
            "--quiet",
            Seconds("S", 0.0, |o, time| o.quiet = time),
            "seconds of quiet before the final reads ({})",
            |o| o.quiet.as_secs_f64().to_string(),
        ),
    ]
}

/// Where it runs.
fn place_rows() -> [Row<Options>; 6] {
    [
        row(
            "--virtual",
            Nothing(|o| o.virtual_time = true),
            "nodes in memory on a virtual clock: the same run without the waiting, the same \
             bytes for the same seed",
            |o| o.virtual_time.to_string(),
        ),
        row(
            "--seed",
            Whole("N", [0, u64::MAX], |o, seed| o.seed = seed),
            "everything random comes from it ({})",
            |o| o.seed.to_string(),
        ),
        row(
            "--bin",
            Text("PATH", |o, path| o.bin = Some(PathBuf::from(path))),
            "the node to test (hubcast); target/release/flood is the lesson's first, and the only \
             other one that --virtual takes",
            |o| path(&o.bin),
        ),
        row(
            "--strict",
            Nothing(|o| o.strict = true),
            "judge the node of --bin by all rules, as hubcast is, not by Maelstrom's alone",
            |o| o.strict.to_string(),
        ),
        row(
            "--log-stderr",
            Nothing(|o| o.log_stderr = true),
            "shows on stderr, too, what the nodes say on theirs (processes only)",
            |o| o.log_stderr.to_string(),
        ),
        row(
            "--maelstrom",
            Nothing(|o| o.maelstrom = true),
            "run the real Maelstrom instead, found in MAELSTROM or on the PATH; \
             MAELSTROM=/path/to/maelstrom does it too",
            |o| o.maelstrom.to_string(),
        ),
    ]
}

/// A path as it stands behind an option.
pub fn path(path: &Option<PathBuf>) -> String {
    let path = path.as_ref().map(|path| path.display().to_string());
    path.unwrap_or_default()
}

/// The most nodes of one run with real processes: three pipes and three threads each.
const MAX_PROCESSES: usize = 500;

/// The most nodes of one run in memory. The network keeps a byte for each pair.
const MAX_NODES: u64 = 10_000;

/// Mean time from one cut or heal to the next in `partition`.
///
/// Five partitions of its 20 s. Each is long enough for most links to turn suspect (after 1.6 s,
/// at 100 ms and the default promise). After each there is time enough to get over it (0.6 s).
const PARTITION_INTERVAL: Duration = Duration::from_secs(2);

/// The same in `crash`.
///
/// Twenty starts and ends in its 30 s, so each of the three tools comes several times,
/// and most recoveries have their time.
const CRASH_INTERVAL: Duration = Duration::from_millis(1500);

/// The seed, if none is given.
pub const DEFAULT_SEED: u64 = 1;

/// The node's option that says what it is for.
const WORKLOAD: &str = "--workload";

/// The node's option that names the folder of its journal.
const DATA_DIR: &str = "--data-dir";

/// The same elsewhere: Maelstrom's default.
const NEMESIS_INTERVAL: Duration = Duration::from_secs(10);

/// Mean time from the end of a node's stall to its next one.
///
/// Unit: time. Often enough for each of 25 nodes to meet some ten in a run of 20 s, and
/// rare enough for two to meet seldom.
const STALL_EVERY: Duration = Duration::from_secs(2);

/// Why `--virtual` goes with neither of these.
pub const NOT_IN_MEMORY: &str = "--virtual runs hubcast in memory; leave --bin and --maelstrom out";

/// Which job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Messages per operation and latency against the limits.
    Efficient,
    /// The same under partitions.
    Partition,
    /// The same while nodes are killed and paused, too.
    Crash,
    /// Any workload, without limits.
    Workload,
    /// This challenge of Gossip Glomers, with its own limits.
    Challenge(&'static str),
}

impl Job {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Job::Efficient => "efficient",
            Job::Partition => "partition",
            Job::Crash => "crash",
            Job::Workload => "workload",
            Job::Challenge(_) => "challenges",
        }
    }
}

/// The most clients of a run.
const MAX_CLIENTS: u64 = 100_000;

/// How many clients there are, in Maelstrom's words: `10`, or `2n`, two a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// So many.
    All(usize),
    /// So many a node.
    EachNode(usize),
}

impl Concurrency {
    fn read(text: &str) -> Result<Concurrency, UsageError> {
        let wrong = || {
            UsageError(format!(
                "--concurrency takes a number of clients from 1 to {MAX_CLIENTS}, or 1n, 2n and so \
                 on for so many a node, not '{text}'"
            ))
        };
        let (number, concurrency): (_, fn(usize) -> Concurrency) = match text.strip_suffix('n') {
            Some(number) => (number, Concurrency::EachNode),
            None => (text, Concurrency::All),
        };
        let number = config::whole("--concurrency", number, 1, MAX_CLIENTS).map_err(|_| wrong())?;
        Ok(concurrency(number as usize))
    }

    /// As on the command line.
    pub fn name(self) -> String {
        match self {
            Concurrency::All(clients) => clients.to_string(),
            Concurrency::EachNode(clients) => format!("{clients}n"),
        }
    }
}

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub struct Options {
    /// The job.
    pub job: Job,
    /// The workload, by its name in [`load::NAMES`].
    pub workload: &'static str,
    /// How many nodes.
    pub nodes: usize,
    /// How long operations are started.
    pub time_limit: Duration,
    /// Operations a second.
    pub rate: f64,
    /// How many clients.
    pub concurrency: Concurrency,
    /// The share of the operations that must succeed, from 0 to 1.
    pub availability: f64,
    /// What keys and transactions are drawn from.
    pub draws: load::Draws,
    /// What transactions must not show.
    pub consistency: Consistency,
    /// Mean latency between nodes.
    pub latency: Duration,
    /// How it spreads.
    pub latency_dist: Distribution,
    /// Chance of a message to be lost.
    pub loss: f64,
    /// Chance of a message to arrive twice.
    pub duplicate: f64,
    /// How long a node's inbox is busy with each message of another node.
    pub service: Duration,
    /// The advice given to nodes.
    pub topology: Topology,
    /// What the nemesis does, in the order of [`Tool::ALL`].
    pub nemesis: Vec<Tool>,
    /// Of which kind all faults are; `None`: kinds are drawn.
    pub nemesis_kind: Option<&'static str>,
    /// Mean time from one start or end of a fault to the next.
    pub nemesis_interval: Duration,
    /// The longest time for which a node gets no processor.
    pub stall: Duration,
    /// Mean time between two of these.
    pub stall_every: Duration,
    /// Quiet before the final reads.
    pub quiet: Duration,
    /// Where all randomness comes from.
    pub seed: u64,
    /// The node's program; `None`: hubcast, next to the testbed.
    pub bin: Option<PathBuf>,
    /// Nodes in memory on a virtual clock.
    pub virtual_time: bool,
    /// Rules that are stricter than Maelstrom's decide for another node than hubcast, too.
    pub strict: bool,
    /// Run the real Maelstrom.
    pub maelstrom: bool,
    /// Show what the nodes say on stderr.
    pub log_stderr: bool,
    /// The node's arguments, behind `--`.
    pub node_args: Vec<String>,
    /// Without journals, whatever happens.
    pub volatile: bool,
    /// Where the nodes keep their journals, if the run says where.
    pub data_dir: Option<String>,
}

/// What hubcast promises, and what that means in this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// By when a value is to be everywhere.
    pub within: Duration,
    /// What the network alone takes from leaf to leaf.
    pub network: Duration,
    /// The latest that passes; `None` if the promise is not judged: it is given for
    /// constant latency without faults and stalls, and only if the network is faster than it.
    pub allowed: Option<Duration>,
}

impl Options {
    /// The defaults of a job: the challenge's setting.
    pub fn new(job: Job) -> Options {
        Options {
            job,
            workload: "broadcast",
            nodes: 25,
            time_limit: match job {
                Job::Crash => Duration::from_secs(30),
                _ => Duration::from_secs(20),
            },
            rate: 100.0,
            concurrency: Concurrency::EachNode(1),
            availability: f64::from(u8::from(job == Job::Efficient)),
            draws: load::Draws::default(),
            consistency: Consistency::ReadCommitted,
            latency: Duration::from_millis(100),
            latency_dist: Distribution::Constant,
            loss: 0.0,
            duplicate: 0.0,
            service: Duration::ZERO,
            topology: Topology::Grid,
            nemesis: match job {
                Job::Partition => vec![Tool::Partition],
                Job::Crash => Tool::ALL.to_vec(),
                _ => Vec::new(),
            },
            nemesis_kind: None,
            nemesis_interval: match job {
                Job::Partition => PARTITION_INTERVAL,
                Job::Crash => CRASH_INTERVAL,
                _ => NEMESIS_INTERVAL,
            },
            stall: Duration::ZERO,
            stall_every: STALL_EVERY,
            quiet: Duration::from_secs(10),
            seed: DEFAULT_SEED,
            bin: None,
            virtual_time: false,
            strict: false,
            maelstrom: false,
            log_stderr: false,
            node_args: Vec::new(),
            volatile: false,
            data_dir: None,
        }
    }

    /// These options, changed by the arguments.
    ///
    /// # Errors
    ///
    /// [`UsageError`] for an unknown option, a missing or bad value, and options that
    /// contradict each other.
    pub fn with(mut self, args: &[String]) -> Result<Options, UsageError> {
        let usage = |text: String| Err(UsageError(text));
        self.node_args = arguments::parse(&rows(), args, &mut self)?.to_vec();
        let program = self.bin.as_deref().and_then(Path::file_name);
        let is_in_memory = program.is_none_or(|name| {
            // The lesson's first node has one workload.
            name == flood::PROGRAM && self.is_broadcast()
        });
        if self.virtual_time && (self.maelstrom || !is_in_memory) {
            return usage(format!(
                "{NOT_IN_MEMORY}, or run broadcast with --bin target/release/flood"
            ));
        }
        if !self.stall.is_zero() && (!self.virtual_time || self.bin.is_some()) {
            return usage(
                "--stall-ms is for hubcast in memory, with --virtual: a real machine stalls the \
                 nodes by itself"
                    .into(),
            );
        }
        if self.maelstrom && self.latency_dist == Distribution::Jvm {
            return usage(
                "--latency-dist jvm is what the real Maelstrom does by itself: run it with \
                 constant"
                    .into(),
            );
        }
        if self.log_stderr && self.virtual_time {
            return usage(
                "nodes in memory have no stderr: leave --log-stderr or --virtual out; their logs \
                 are in the run's node-logs/"
                    .into(),
            );
        }
        if self.volatile && !self.is_deadly() {
            return usage(
                "--volatile is for crash and other runs that kill nodes: elsewhere they keep no \
                 journals anyway"
                    .into(),
            );
        }
        if let Some(kind) = self.nemesis_kind {
            if self.nemesis.is_empty() {
                return usage("--nemesis-kind is for runs with a --nemesis".into());
            }
            let mut tools = self.nemesis.iter();
            if let Some(tool) = tools.find(|tool| !tool.kinds().contains(&kind)) {
                return usage(format!(
                    "--nemesis-kind takes {} for {}, not '{kind}'",
                    tool.kinds().join(", "),
                    tool.name()
                ));
            }
        }
        if !self.virtual_time && self.nodes > MAX_PROCESSES {
            return usage(format!(
                "more than {MAX_PROCESSES} nodes run with --virtual only"
            ));
        }
        if self.clients() < self.nodes {
            return usage(format!(
                "--concurrency {} is too little: each of {} nodes has a client at least",
                self.concurrency.name(),
                self.nodes
            ));
        }
        if self.bin.is_none() {
            if self.node_args.iter().any(|arg| arg == WORKLOAD) {
                return usage(format!(
                    "{WORKLOAD} is told to the nodes by the testbed: give it -w NAME"
                ));
            }
            node_config(&self.program_args())?;
        }
        Ok(self)
    }

    /// What the node's program is called with.
    pub fn program_args(&self) -> Vec<String> {
        // Broadcast is hubcast's default, and another node may not know the option.
        let name = (self.bin.is_none() && !self.is_broadcast()).then_some(self.workload);
        let workload = name.into_iter().flat_map(|name| [WORKLOAD, name]);
        let folder = self.data_dir.iter();
        let folder = folder.flat_map(|folder| [DATA_DIR.into(), folder.clone()]);
        let own = self.node_args.iter().cloned();
        workload
            .map(String::from)
            .chain(own)
            .chain(folder)
            .collect()
    }

    /// Whether rules that are stricter than Maelstrom's decide, and are not only noted.
    pub fn is_strict(&self) -> bool {
        self.strict || self.bin.is_none()
    }

    /// The share of the operations that must succeed, as on the command line.
    pub fn availability_name(&self) -> String {
        match self.availability {
            0.0 => String::new(),
            1.0 => "total".into(),
            share => share.to_string(),
        }
    }

    /// Whether it is the workload `broadcast`, which the limits are about.
    pub fn is_broadcast(&self) -> bool {
        self.workload == "broadcast"
    }

    /// What is run, for a headline.
    pub fn title(&self) -> String {
        match self.job {
            Job::Workload => format!("workload {}", self.workload),
            Job::Challenge(id) => format!("challenge {id}, {}", self.workload),
            job if self.is_broadcast() => job.name().into(),
            job => format!("{} -w {}", job.name(), self.workload),
        }
    }

    /// The command that repeats the run: what differs from the defaults, and the seed.
    pub fn command_line(&self) -> String {
        let job = match self.job {
            // One challenge alone is a workload with its parameters.
            Job::Challenge(_) => Job::Workload,
            job => job,
        };
        let mut plain = Options::new(job);
        plain.seed = !self.seed;
        let mut line = format!("./run.sh {}", job.name());
        if job == Job::Workload {
            line = line + " " + self.workload;
            plain.workload = self.workload;
        }
        line += &arguments::spell(&rows(), self, &plain);
        if !self.node_args.is_empty() {
            line += &format!(" -- {}", self.node_args.join(" "));
        }
        line
    }

    /// What the nemesis does.
    pub fn tools(&self, between: &str) -> String {
        let names: Vec<&str> = self.nemesis.iter().map(|tool| tool.name()).collect();
        names.join(between)
    }

    /// The run's folder below `target/runs`.
    pub fn folder(&self) -> String {
        match self.job {
            Job::Workload => format!("workload-{}", self.workload),
            Job::Challenge(id) => format!("challenges/{id}"),
            job => job.name().into(),
        }
    }

    /// Whether the nodes keep journals in a folder of the run's.
    pub fn needs_data_dir(&self) -> bool {
        let given = self.node_args.iter().any(|arg| arg == DATA_DIR);
        // Another node may not know what that is.
        self.is_deadly() && !self.volatile && self.bin.is_none() && !given
    }

    /// Whether nodes are killed, or might be.
    fn is_deadly(&self) -> bool {
        self.job == Job::Crash || self.nemesis.contains(&Tool::Kill)
    }

    /// Whether the network is another one than the challenges': then their
    /// limits are shown, and not judged.
    pub fn is_other_network(&self) -> bool {
        let plain = Options::new(Job::Efficient);
        !self.nemesis.is_empty()
            || self.loss > 0.0
            || self.duplicate > 0.0
            || !self.service.is_zero()
            || !self.stall.is_zero()
            || self.latency != plain.latency
            || self.latency_dist != plain.latency_dist
    }

    /// Whether node or load are set otherwise than by default: then 3e's limits
    /// are judged, and 3d's are shown. How much a node logs and where it keeps its journal
    /// is no such setting; what another node's arguments do nobody knows.
    pub fn is_tuned(&self) -> bool {
        let plain = Options::new(Job::Efficient);
        let (usual, given) = (Config::default(), node_config(&self.node_args).ok());
        let has_set = match self.bin {
            None => given.is_some_and(|c| (c.within, c.hubs) != (usual.within, usual.hubs)),
            Some(_) => !self.node_args.is_empty(),
        };
        has_set || self.nodes != plain.nodes || self.rate != plain.rate
    }

    /// By when hubcast promises to have a value everywhere. Another node promises
    /// nothing.
    pub fn promise(&self) -> Option<Promise> {
        let config = match self.bin {
            None => node_config(&self.node_args).ok()?,
            Some(_) => return None,
        };
        let hubs = config.hubs.unwrap_or(tree::default_hubs(self.nodes));
        // From leaf to leaf, over the root and, if there are others, two more hubs.
        let hops = match hubs.min(self.nodes) {
            1 => self.nodes.min(3) as u32 - 1,
            _ => 4,
        };
        let (within, network) = (config.within, self.latency * hops);
        let is_steady = self.latency_dist == Distribution::Constant
            && self.loss == 0.0
            && self.duplicate == 0.0
            && self.stall.is_zero()
            && self.nemesis.is_empty();
        // All others may be at the door of the last in line, and what real processes
        // are late by is the machine's. (Maelstrom's threads are later at times.)
        let door = self.service * (self.nodes as u32 - 1);
        let machine = if self.virtual_time {
            Duration::ZERO
        } else {
            stalls::MARGIN
        };
        Some(Promise {
            within,
            network,
            allowed: (self.job == Job::Efficient
                && is_steady
                && !self.maelstrom
                && within >= network)
                .then_some(within + door + machine),
        })
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        match self.concurrency {
            Concurrency::All(clients) => clients,
            Concurrency::EachNode(clients) => clients * self.nodes,
        }
    }

    /// What the network is like.
    pub fn weather(&self) -> Weather {
        Weather {
            latency: self.latency,
            latency_dist: self.latency_dist,
            loss: self.loss,
            duplicate: self.duplicate,
            service: self.service,
        }
    }

    /// The nodes' names: n0, n1, ...
    pub fn node_ids(&self) -> Vec<String> {
        (0..self.nodes).map(|index| format!("n{index}")).collect()
    }
}

/// The kinds of faults of all tools, each once.
fn kinds() -> Vec<&'static str> {
    let mut kinds = Tool::Partition.kinds();
    let victims = Tool::Kill.kinds().into_iter();
    kinds.extend(victims.filter(|kind| !Tool::Partition.kinds().contains(kind)));
    kinds
}

/// The settings that hubcast would run with.
///
/// # Errors
///
/// [`UsageError`] where hubcast itself would refuse them.
pub fn node_config(args: &[String]) -> Result<Config, UsageError> {
    match config::parse_args(args) {
        Ok(config::Command::Run(config)) => Ok(config),
        Ok(_) => Err(UsageError(
            "behind -- stand settings of the nodes; for help call ./run.sh --help".into(),
        )),
        Err(UsageError(text)) => Err(UsageError(format!("node option: {text}"))),
    }
}
