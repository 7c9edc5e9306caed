//! What a run is: commands and options, with Maelstrom's names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hubcast::config::{self, Config, UsageError};
use hubcast::tree;

use crate::arguments::Takes::{Checked, Nothing, Number, Seconds, Text, Whole, Word, Words};
use crate::arguments::{self, Row, Takes};
use crate::flooding;
use crate::nemesis::Tool;
use crate::stalls;
use crate::workloads;

/// The commands, a few words for each. `run.sh` prints it without a testbed, and takes a
/// word at the beginning of a line, behind two spaces, for a command's name.
const COMMANDS: &str = include_str!("usage.txt");

/// What `--help` says behind the options of a run.
const OF_A_RUN: &str = "
node options, behind --
  --within-ms --hubs --data-dir --log; see hubcast --help. hubcast is also given
  --workload, and --data-dir where it is killed; another node (--bin) neither

A run leaves its files in target/runs/COMMAND/ (workload's in workload-W/, a
challenge's in challenges/3d/ and so on); report.html shows it. A second run of
the same command at the same time is refused.
";

/// What `--help` says behind `command`; of all commands if it is none.
pub fn help(command: &str) -> String {
    let options = match command {
        "efficient" | "partition" | "crash" | "workload" => {
            arguments::usage(&run_rows(), &Options::new(Job::Efficient)) + OF_A_RUN
        }
        "challenges" => arguments::usage(&challenge_rows(), &Challenges::default()),
        "trace" => return crate::story::HELP.into(),
        "torture" => arguments::usage(&torture_rows(), &Torture::default()),
        _ => String::new(),
    };
    // Its own lines of the list: the one with its name, and those that go on.
    let mut is_own = false;
    let own = COMMANDS.lines().filter(|line| {
        if let Some(text) = line.strip_prefix("  ") {
            let name = text.split(' ').next().unwrap_or_default();
            is_own = if name.is_empty() {
                is_own
            } else {
                name == command
            };
        } else {
            is_own = false;
        }
        is_own
    });
    let own: Vec<&str> = own.collect();
    match own.is_empty() {
        true => COMMANDS.into(),
        false if options.is_empty() => format!("{}\nIt takes no options.\n", own.join("\n")),
        false => format!("{}\n\noptions\n{options}", own.join("\n")),
    }
}

/// The options of `efficient`, `partition`, `crash` and `workload`.
fn run_rows() -> Vec<Row<Options>> {
    let rows = load_rows().into_iter().chain(network_rows());
    rows.chain(fault_rows()).chain(place_rows()).collect()
}

fn row(
    name: &'static str,
    takes: Takes<Options>,
    help: &'static str,
    value: fn(&Options) -> String,
) -> Row<Options> {
    Row {
        name,
        takes,
        help,
        value,
    }
}

/// What is asked of how many.
fn load_rows() -> [Row<Options>; 5] {
    [
        row(
            "-w",
            Word(
                "NAME",
                || workloads::NAMES.iter().map(|&name| name.into()).collect(),
                |o, place| o.workload = workloads::NAMES[place],
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
fn fault_rows() -> [Row<Options>; 6] {
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
            "--nemesis-interval",
            Seconds("S", 0.1, |o, time| o.nemesis_interval = time),
            "mean seconds from one start or end of a fault to the next (2 in `partition`, 1.5 in \
             `crash`, otherwise {}, Maelstrom's default)",
            |o| o.nemesis_interval.as_secs_f64().to_string(),
        ),
        row(
            "--volatile",
            Nothing(|o| o.volatile = true),
            "without journals also where nodes are killed: counts what is gone",
            |o| o.volatile.to_string(),
        ),
        row(
            "--availability",
            Word("total", || vec!["total".into()], |o, _| o.is_total = true),
            "every operation must succeed, as in `efficient`",
            |o| if o.is_total { "total" } else { "" }.into(),
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
fn place_rows() -> [Row<Options>; 4] {
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
            "--maelstrom",
            Nothing(|o| o.maelstrom = true),
            "run the real Maelstrom instead, found in MAELSTROM or on the PATH; \
             MAELSTROM=/path/to/maelstrom does it too",
            |o| o.maelstrom.to_string(),
        ),
    ]
}

fn path(path: &Option<PathBuf>) -> String {
    let path = path.as_ref().map(|path| path.display().to_string());
    path.unwrap_or_default()
}

/// What the torture depends on.
#[derive(Clone, Debug)]
pub struct Torture {
    /// How many runs.
    pub runs: u64,
    /// The first one's seed.
    pub seed: u64,
    /// Whether a failing one is made smaller.
    pub shrink: bool,
}

impl Default for Torture {
    fn default() -> Torture {
        Torture {
            runs: 1000,
            seed: 1,
            shrink: false,
        }
    }
}

/// The options of `torture`.
fn torture_rows() -> [Row<Torture>; 3] {
    [
        Row {
            name: "--runs",
            takes: Whole("N", [1, 1_000_000_000], |t, runs| t.runs = runs),
            help: "how many (default {})",
            value: |t| t.runs.to_string(),
        },
        Row {
            name: "--seed",
            takes: Whole("S", [0, u64::MAX], |t, seed| t.seed = seed),
            help: "the first one's seed ({})",
            value: |t| t.seed.to_string(),
        },
        Row {
            name: "--shrink",
            takes: Nothing(|t| t.shrink = true),
            help: "look for a smaller life that fails, too",
            value: |t| t.shrink.to_string(),
        },
    ]
}

/// How the challenges are run.
#[derive(Clone, Debug)]
pub struct Challenges {
    /// In virtual time.
    pub virtual_time: bool,
    /// On the real Maelstrom.
    pub maelstrom: bool,
    /// Each one's seed.
    pub seed: u64,
    /// The node's program; `None`: hubcast.
    pub bin: Option<PathBuf>,
}

impl Default for Challenges {
    fn default() -> Challenges {
        Challenges {
            virtual_time: false,
            maelstrom: false,
            seed: DEFAULT_SEED,
            bin: None,
        }
    }
}

/// The options of `challenges`.
fn challenge_rows() -> [Row<Challenges>; 4] {
    [
        Row {
            name: "--virtual",
            takes: Nothing(|c| c.virtual_time = true),
            help: "on a virtual clock: seconds instead of minutes",
            value: |c| c.virtual_time.to_string(),
        },
        Row {
            name: "--maelstrom",
            takes: Nothing(|c| c.maelstrom = true),
            help: "all of them on the real Maelstrom",
            value: |c| c.maelstrom.to_string(),
        },
        Row {
            name: "--seed",
            takes: Whole("N", [0, u64::MAX], |c, seed| c.seed = seed),
            help: "each one's seed ({})",
            value: |c| c.seed.to_string(),
        },
        Row {
            name: "--bin",
            takes: Text("PATH", |c, path| c.bin = Some(PathBuf::from(path))),
            help: "a node that needs no key-value service of Maelstrom's: 4, 5b and 5c are left \
                   out",
            value: |c| path(&c.bin),
        },
    ]
}

/// The most nodes of one run with real processes: three pipes and three threads each.
const MAX_PROCESSES: usize = 500;

/// The most nodes of one run in memory. The network keeps a byte for each pair.
const MAX_NODES: u64 = 10_000;

/// Mean time from one cut or heal to the next in `partition`.
///
/// Five partitions of its 20 s, each long enough for most links to turn suspect
/// (after 1.6 s, at 100 ms and the default promise) and followed by time enough to get over it (0.6 s).
const PARTITION_INTERVAL: Duration = Duration::from_secs(2);

/// The same in `crash`.
///
/// Twenty starts and ends in its 30 s, so each of the three tools comes several times,
/// and most recoveries have their time.
const CRASH_INTERVAL: Duration = Duration::from_millis(1500);

/// The seed, if none is given.
const DEFAULT_SEED: u64 = 1;

/// The node's option that says what it is for.
const WORKLOAD: &str = "--workload";

/// The node's option that names the folder of its journal.
const DATA_DIR: &str = "--data-dir";

/// The same elsewhere: Maelstrom's default.
const NEMESIS_INTERVAL: Duration = Duration::from_secs(10);

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

/// What transactions must not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Nothing of writes that overtake each other.
    ReadUncommitted,
    /// Besides, no value that was aborted, overwritten in its transaction, or part of half a one.
    ReadCommitted,
}

impl Consistency {
    /// All of them, from weak to strong.
    pub const ALL: [Consistency; 2] = [Consistency::ReadUncommitted, Consistency::ReadCommitted];

    /// The name on the command line, Maelstrom's too.
    pub fn name(self) -> &'static str {
        match self {
            Consistency::ReadUncommitted => "read-uncommitted",
            Consistency::ReadCommitted => "read-committed",
        }
    }
}

/// How latencies spread around their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Always the mean.
    Constant,
    /// Evenly from 0 to twice the mean.
    Uniform,
    /// Exponential: many short, a few very long.
    Exponential,
}

impl Distribution {
    /// All of them.
    pub const ALL: [Distribution; 3] = [
        Distribution::Constant,
        Distribution::Uniform,
        Distribution::Exponential,
    ];

    /// The name on the command line, Maelstrom's too.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::Constant => "constant",
            Distribution::Uniform => "uniform",
            Distribution::Exponential => "exponential",
        }
    }
}

/// Which neighbours the `topology` message advises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A square grid.
    Grid,
    /// A line.
    Line,
    /// A tree with this many children a node.
    Tree(usize),
    /// Everybody with everybody.
    Total,
}

impl Topology {
    /// Those that have a name.
    pub const ALL: [Topology; 6] = [
        Topology::Grid,
        Topology::Line,
        Topology::Tree(2),
        Topology::Tree(3),
        Topology::Tree(4),
        Topology::Total,
    ];

    /// The name on the command line, Maelstrom's too.
    pub fn name(self) -> String {
        match self {
            Topology::Grid => "grid".into(),
            Topology::Line => "line".into(),
            Topology::Tree(fan) => format!("tree{fan}"),
            Topology::Total => "total".into(),
        }
    }
}

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub struct Options {
    /// The job.
    pub job: Job,
    /// The workload, by its name in [`workloads`].
    pub workload: &'static str,
    /// How many nodes.
    pub nodes: usize,
    /// How long operations are started.
    pub time_limit: Duration,
    /// Operations a second.
    pub rate: f64,
    /// How many clients.
    pub concurrency: Concurrency,
    /// Whether every operation must succeed.
    pub is_total: bool,
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
    /// Mean time from one start or end of a fault to the next.
    pub nemesis_interval: Duration,
    /// Quiet before the final reads.
    pub quiet: Duration,
    /// Where all randomness comes from.
    pub seed: u64,
    /// The node's program; `None`: hubcast, next to the testbed.
    pub bin: Option<PathBuf>,
    /// Nodes in memory on a virtual clock.
    pub virtual_time: bool,
    /// Run the real Maelstrom.
    pub maelstrom: bool,
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
    /// constant latency without faults, and only if the network is faster than it.
    pub allowed: Option<Duration>,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run a job.
    Run(Box<Options>),
    /// Run all challenges.
    Challenges(Challenges),
    /// Run drawn lives under faults.
    Torture(Torture),
    /// Tell the story in this file, or the one that is built in.
    Trace(Option<PathBuf>),
    /// Messages against latency.
    Frontier,
    /// Clusters of many sizes.
    Scale,
    /// Real against virtual time.
    Agreement,
    /// Requests a second, memory.
    Bench,
    /// Print this.
    Help(String),
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
            is_total: job == Job::Efficient,
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
            nemesis_interval: match job {
                Job::Partition => PARTITION_INTERVAL,
                Job::Crash => CRASH_INTERVAL,
                _ => NEMESIS_INTERVAL,
            },
            quiet: Duration::from_secs(10),
            seed: DEFAULT_SEED,
            bin: None,
            virtual_time: false,
            maelstrom: false,
            node_args: Vec::new(),
            volatile: false,
            data_dir: None,
        }
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
        line += &arguments::spell(&run_rows(), self, &plain);
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
            || self.latency != plain.latency
            || self.latency_dist != plain.latency_dist
    }

    /// Whether node or load are set otherwise than by default: then 3e's limits
    /// are judged, and 3d's are shown.
    pub fn is_tuned(&self) -> bool {
        let plain = Options::new(Job::Efficient);
        !self.node_args.is_empty() || self.nodes != plain.nodes || self.rate != plain.rate
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

    /// The nodes' names: n0, n1, ...
    pub fn node_ids(&self) -> Vec<String> {
        (0..self.nodes).map(|index| format!("n{index}")).collect()
    }

    /// The indices of the neighbours that the `topology` message advises node `index`.
    pub fn advised(&self, index: usize) -> Vec<usize> {
        let n = self.nodes;
        let near = |candidates: &[Option<usize>]| {
            let inside = candidates.iter().flatten().copied();
            inside.filter(|&other| other < n).collect()
        };
        let below = index.checked_sub(1);
        match self.topology {
            Topology::Total => (0..n).filter(|&other| other != index).collect(),
            Topology::Line => near(&[below, Some(index + 1)]),
            Topology::Grid => {
                let side = (n as f64).sqrt().ceil() as usize;
                near(&[
                    Some(index + side),
                    index.checked_sub(side),
                    Some(index + 1).filter(|other| !other.is_multiple_of(side)),
                    below.filter(|_| !index.is_multiple_of(side)),
                ])
            }
            Topology::Tree(fan) => {
                let parent = below.map(|below| below / fan);
                let children = index * fan + 1..=index * fan + fan;
                near(
                    &parent
                        .into_iter()
                        .chain(children)
                        .map(Some)
                        .collect::<Vec<_>>(),
                )
            }
        }
    }
}

/// Reads the arguments behind the program's name.
///
/// # Errors
///
/// [`UsageError`] for an unknown command or option, a missing or bad value, and
/// for node options that hubcast would refuse (unless another node is tested).
pub fn parse(args: &[String]) -> Result<Command, UsageError> {
    let (job, rest) = match args.split_first() {
        Some((job, rest)) => (job.as_str(), rest),
        None => ("--help", args),
    };
    let mut before = rest.iter().take_while(|arg| *arg != "--");
    if before.any(|arg| arg == "--help" || arg == "-h") {
        return Ok(Command::Help(help(job)));
    }
    let options = Options::new(match job {
        "efficient" => Job::Efficient,
        "partition" => Job::Partition,
        "crash" => Job::Crash,
        "workload" => return workload(rest),
        "challenges" => return challenges(rest),
        "torture" => {
            let mut torture = Torture::default();
            return match arguments::parse(&torture_rows(), rest, &mut torture)? {
                [] => Ok(Command::Torture(torture)),
                _ => usage("torture takes no node options".into()),
            };
        }
        "trace" => return trace(rest),
        "frontier" => return alone(job, rest, Command::Frontier),
        "scale" => return alone(job, rest, Command::Scale),
        "agreement" => return alone(job, rest, Command::Agreement),
        "bench" => return alone(job, rest, Command::Bench),
        "--help" | "-h" | "help" => return Ok(Command::Help(help(""))),
        other => {
            return usage(format!(
                "unknown command '{other}'; --help tells which there are"
            ));
        }
    });
    run(options, rest)
}

/// `workload NAME`.
fn workload(args: &[String]) -> Result<Command, UsageError> {
    let (name, rest) = match args.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("", args),
    };
    let Some(name) = workloads::NAMES.iter().find(|known| **known == name) else {
        let names = workloads::NAMES.join(", ");
        return usage(format!(
            "workload takes one of these names first, not '{name}': {names}"
        ));
    };
    let options = Options {
        workload: name,
        ..Options::new(Job::Workload)
    };
    run(options, rest)
}

fn challenges(args: &[String]) -> Result<Command, UsageError> {
    let mut challenges = Challenges::default();
    if !arguments::parse(&challenge_rows(), args, &mut challenges)?.is_empty() {
        return usage("challenges takes no node options".into());
    }
    if challenges.virtual_time && (challenges.maelstrom || challenges.bin.is_some()) {
        return usage(NOT_IN_MEMORY.into());
    }
    if challenges.maelstrom && challenges.seed != DEFAULT_SEED {
        return usage("Maelstrom has no --seed; leave it out".into());
    }
    Ok(Command::Challenges(challenges))
}

/// Why `--virtual` goes with neither of these.
const NOT_IN_MEMORY: &str = "--virtual runs hubcast in memory; leave --bin and --maelstrom out";

/// A run with these options, changed by the arguments.
fn run(mut options: Options, args: &[String]) -> Result<Command, UsageError> {
    options.node_args = arguments::parse(&run_rows(), args, &mut options)?.to_vec();
    let program = options.bin.as_deref().and_then(Path::file_name);
    let is_in_memory = program.is_none_or(|name| {
        // The lesson's first node has one workload.
        name == flooding::PROGRAM && options.is_broadcast()
    });
    if options.virtual_time && (options.maelstrom || !is_in_memory) {
        return usage(format!(
            "{NOT_IN_MEMORY}, or run broadcast with --bin target/release/flood"
        ));
    }
    if options.volatile && !options.is_deadly() {
        return usage(
            "--volatile is for crash and other runs that kill nodes: elsewhere they keep no \
             journals anyway"
                .into(),
        );
    }
    if !options.virtual_time && options.nodes > MAX_PROCESSES {
        return usage(format!(
            "more than {MAX_PROCESSES} nodes run with --virtual only"
        ));
    }
    if options.clients() < options.nodes {
        return usage(format!(
            "--concurrency {} is too little: each of {} nodes has a client at least",
            options.concurrency.name(),
            options.nodes
        ));
    }
    if options.bin.is_none() {
        if options.node_args.iter().any(|arg| arg == WORKLOAD) {
            return usage(format!(
                "{WORKLOAD} is told to the nodes by the testbed: give it -w NAME"
            ));
        }
        node_config(&options.program_args())?;
    }
    Ok(Command::Run(Box::new(options)))
}

/// A story takes a file and no options.
fn trace(args: &[String]) -> Result<Command, UsageError> {
    match args {
        [] => Ok(Command::Trace(None)),
        [option, ..] if option.starts_with('-') => usage(format!(
            "trace takes a story's file and no options, not '{option}'; see trace --help"
        )),
        [file] => Ok(Command::Trace(Some(file.into()))),
        [_, more, ..] => usage(format!(
            "trace takes one story's file, not '{more}' as well"
        )),
    }
}

/// A command that takes no options.
fn alone(name: &str, args: &[String], command: Command) -> Result<Command, UsageError> {
    match args.first().map(String::as_str) {
        None => Ok(command),
        Some(other) => usage(format!("{name} takes no options, not '{other}' either")),
    }
}

/// The settings that hubcast would run with.
///
/// # Errors
///
/// [`UsageError`] where hubcast itself would refuse them.
pub fn node_config(args: &[String]) -> Result<Config, UsageError> {
    match config::parse_args(args) {
        Ok(config::Command::Run(config)) => Ok(config),
        Ok(_) => {
            usage("behind -- stand settings of the nodes; for help call ./run.sh --help".into())
        }
        Err(UsageError(text)) => usage(format!("node option: {text}")),
    }
}

fn usage<T>(text: String) -> Result<T, UsageError> {
    Err(UsageError(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_page_names_every_option_and_its_default_and_fits_a_terminal() {
        for (command, part) in [
            ("", "\n  efficient   25 nodes, 100 ms"),
            ("", "\n  lesson      runs every command"),
            (
                "efficient",
                "  --node-count N           nodes (default 25)\n",
            ),
            ("crash", "constant, uniform or exponential (constant)\n"),
            ("workload", "partition, kill or pause, several with commas"),
            (
                "torture",
                "  --runs N                 how many (default 1000)\n",
            ),
            ("bench", "It takes no options."),
        ] {
            let help = help(command);
            assert!(help.contains(part), "{command}, {part}:\n{help}");
            assert!(help.lines().all(|line| line.len() <= 80), "{help}");
            assert!(
                command.is_empty() || !help.contains("  partition   "),
                "{help}"
            );
        }
    }

    fn parse_line(line: &str) -> Result<Command, UsageError> {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        parse(&args)
    }

    fn options(line: &str) -> Options {
        match parse_line(line) {
            Ok(Command::Run(options)) => *options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_stands_behind_two_dashes_goes_to_the_nodes() {
        let options = options("efficient --node-count 50 --rate 200 -- --within-ms 300");
        assert_eq!((options.nodes, options.rate), (50, 200.0));
        assert_eq!(options.node_args, ["--within-ms", "300"]);
    }

    #[test]
    fn partition_is_efficient_with_a_nemesis() {
        assert!(options("efficient").nemesis.is_empty());
        assert_eq!(options("partition").nemesis, [Tool::Partition]);
        let mixture = options("efficient --nemesis pause,partition,pause").nemesis;
        assert_eq!(mixture, [Tool::Partition, Tool::Pause]);
    }

    #[test]
    fn crash_keeps_journals_in_a_folder_of_its_own_unless_told_otherwise() {
        assert_eq!(options("crash").nemesis, Tool::ALL);
        assert!(options("crash").needs_data_dir());
        for line in [
            "crash --volatile",
            "crash --bin /bin/cat",
            "crash -- --data-dir mine",
            "partition",
        ] {
            assert!(!options(line).needs_data_dir(), "{line}");
        }
        let mut options = options("crash -- --log debug");
        options.data_dir = Some("data".into());
        assert_eq!(
            options.program_args().join(" "),
            "--log debug --data-dir data"
        );
    }

    #[test]
    fn a_bad_command_line_is_refused_with_what_would_be_right() {
        for (line, part) in [
            ("fly", "unknown command 'fly'; --help tells"),
            ("efficient --loss 2", "from 0 to 1, not '2'"),
            ("efficient --service-ms -1", "from 0 to 1000, not '-1'"),
            ("efficient --loss NaN", "from 0 to 1, not 'NaN'"),
            (
                "efficient --latency-dist flat",
                "constant, uniform or exponential",
            ),
            ("efficient --nemesis fire", "partition, kill or pause"),
            ("efficient --volatile", "--volatile is for crash"),
            (
                "workload",
                "workload takes one of these names first, not '': broadcast, echo",
            ),
            ("workload sing", "not 'sing': broadcast, echo"),
            ("efficient -w sing", "-w takes broadcast, echo"),
            (
                "efficient --concurrency 2m",
                "or 1n, 2n and so on for so many a node, not '2m'",
            ),
            ("efficient --concurrency 0n", "from 1 to 100000"),
            (
                "efficient --concurrency 24",
                "each of 25 nodes has a client at least",
            ),
            (
                "efficient --availability most",
                "--availability takes total, not 'most'",
            ),
            ("efficient -- --workload echo", "give it -w NAME"),
            (
                "challenges --virtual --bin x",
                "--virtual runs hubcast in memory",
            ),
            ("challenges --maelstrom --seed 7", "Maelstrom has no --seed"),
            ("challenges -- --hubs 5", "challenges takes no node options"),
            ("efficient --seed", "needs a value"),
            ("efficient --what", "unknown option '--what'"),
            (
                "efficient --virtual --bin /bin/cat",
                "broadcast with --bin target/release/flood",
            ),
            ("trace --what", "no options, not '--what'; see trace --help"),
            ("trace one two", "one story's file, not 'two' as well"),
            (
                "efficient -- --hubs 0",
                "node option: --hubs takes a whole number from 1",
            ),
        ] {
            let UsageError(text) = parse_line(line).expect_err(line);
            assert!(text.contains(part), "{line}: {text}");
        }
    }

    #[test]
    fn hubcast_is_told_its_workload_and_another_node_is_not() {
        assert_eq!(
            options("workload echo").program_args(),
            ["--workload", "echo"]
        );
        assert!(options("workload broadcast").program_args().is_empty());
        assert!(options("workload echo --bin x").program_args().is_empty());
        let args = options("partition -w echo -- --hubs 2").program_args();
        assert_eq!(args.join(" "), "--workload echo --hubs 2");
    }

    #[test]
    fn the_command_that_repeats_a_run_names_the_seed_and_what_differs_from_the_defaults() {
        for line in [
            "efficient --seed 1",
            "workload g-set --node-count 3 --seed 2",
            "crash -w txn-rw-register --node-count 50 --time-limit 7.5 --rate 20 \
             --concurrency 2n --latency 30 --latency-dist uniform --loss 0.05 --duplicate 0.01 \
             --service-ms 0.5 --topology tree3 --nemesis partition,kill --nemesis-interval 3 \
             --volatile --availability total --consistency-models read-uncommitted --quiet 0 \
             --virtual --seed 7 -- --within-ms 585",
            "partition --seed 3 --bin target/release/flood --maelstrom",
        ] {
            assert_eq!(options(line).command_line(), format!("./run.sh {line}"));
        }
        let usual = "efficient --rate 100 --availability total";
        let usual = options(usual).command_line();
        assert_eq!(usual, "./run.sh efficient --seed 1");
    }

    #[test]
    fn clients_are_counted_as_maelstrom_does() {
        let clients = |line: &str| options(line).clients();
        assert_eq!(clients("efficient"), 25);
        assert_eq!(clients("workload echo --concurrency 2n --node-count 3"), 6);
        assert_eq!(clients("workload echo --concurrency 7 --node-count 3"), 7);
    }

    #[test]
    fn a_workload_keeps_journals_where_its_nodes_are_killed() {
        assert!(options("workload echo --nemesis kill,pause").needs_data_dir());
        assert!(!options("workload echo --nemesis pause").needs_data_dir());
        assert!(!options("workload echo --nemesis kill --volatile").needs_data_dir());
    }

    #[test]
    fn the_limits_are_judged_in_the_challenges_own_network_only() {
        assert!(!options("efficient").is_other_network());
        assert!(!options("efficient --seed 3 --time-limit 60").is_tuned());
        assert!(options("efficient -- --within-ms 350").is_tuned());
        assert!(options("efficient --loss 0.05").is_other_network());
        assert!(options("efficient --service-ms 0.5").is_other_network());
        assert!(options("partition").is_other_network());
    }

    /// The promise and the latest that passes, in milliseconds.
    fn promise(line: &str) -> Option<(f64, Option<f64>)> {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let promise = options(line).promise()?;
        Some((ms(promise.within), promise.allowed.map(ms)))
    }

    #[test]
    fn a_promise_is_judged_where_it_is_given_and_can_be_kept() {
        let line = "efficient --virtual";
        assert_eq!(promise(line), Some((400.0, Some(400.0))));
        assert_eq!(promise("efficient"), Some((400.0, Some(410.0))));
        let line = "efficient --virtual --service-ms 0.5 -- --within-ms 585";
        assert_eq!(promise(line), Some((585.0, Some(597.0))), "24 at the door");
        for line in [
            "partition",
            "efficient --loss 0.01",
            "efficient --latency-dist uniform",
            "efficient --maelstrom",
            "efficient --latency 201",
            "efficient -- --hubs 5 --within-ms 399",
        ] {
            assert_eq!(promise(line).map(|promise| promise.1), Some(None), "{line}");
        }
        assert_eq!(promise("efficient --bin other"), None);
    }

    #[test]
    fn the_network_takes_a_hop_less_where_there_is_no_second_leaf() {
        let network = |line: &str| options(line).promise().map(|p| p.network.as_millis());
        assert_eq!(network("efficient --node-count 1"), Some(0));
        assert_eq!(network("efficient --node-count 2"), Some(100));
        assert_eq!(network("efficient"), Some(200));
        assert_eq!(network("efficient -- --hubs 5"), Some(400));
    }

    #[test]
    fn advice_is_mutual_and_the_grid_has_four_neighbours_at_most() {
        for nodes in 1..30 {
            for topology in [
                Topology::Grid,
                Topology::Line,
                Topology::Tree(3),
                Topology::Total,
            ] {
                let options = Options {
                    nodes,
                    topology,
                    ..Options::new(Job::Efficient)
                };
                for index in 0..nodes {
                    let advised = options.advised(index);
                    assert!(
                        advised
                            .iter()
                            .all(|&other| options.advised(other).contains(&index))
                    );
                    assert!(topology != Topology::Grid || advised.len() <= 4);
                }
            }
        }
        let grid = Options::new(Job::Efficient);
        let edges: usize = (0..25).map(|index| grid.advised(index).len()).sum();
        assert_eq!(edges, 2 * 40);
    }
}
