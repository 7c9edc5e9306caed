//! What one life depends on, drawn from a seed; and how a failing one gets smaller.

use std::fmt;
use std::time::Duration;

use hubcast::config::{Config, Pace};
use hubcast::event::Level;
use hubcast::link::{self, BACKOFF_CAP};
use hubcast::time::Instant;
use hubcast::tree;
use hubcast::workload::Name;

use crate::nodes::cluster;
use crate::world::nemesis::Kind;
use crate::world::network::{Distribution, JVM_MAX};
use crate::world::rng::Rng;

/// The most nodes of a run. Enough for a tree of eight hubs.
const MAX_NODES: u64 = 60;

/// The longest that a message is held back to reorder it, and the cap on one
/// latency: an exponential one could otherwise outlast any bound.
pub const MAX_DELAY: Duration = Duration::from_secs(2);

/// How soon after the end of a plain partition every node must have everything.
///
/// Unit: time. The sum of:
/// - the next probe of the hub's rotation (250 ms),
/// - five latencies of at most 100 ms (probe, answer, probes to all, answers, and down),
/// - the batch's 150 ms,
/// - another probe for a neighbour that was probed in vain just before.
const PROMPT: Duration = Duration::from_millis(1300);

/// How much longer a run with a long cut takes.
///
/// Unit: time. After this long an unlimited backoff of 1.5 s has come to pauses of
/// more than a minute.
const LONG_CUT: Duration = Duration::from_secs(100);

/// The most requests in a life of another workload than broadcast.
const MAX_REQUESTS: usize = 80;

/// What all clocks show at first, as epochs. Unit: microseconds. Far from 0, so that they
/// can be set back.
const CLOCK: u64 = 1 << 40;

/// A fault and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When it begins.
    pub start: Instant,
    /// When it ends.
    pub end: Instant,
    /// What it is.
    pub what: What,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Messages along these directions (source, destination) are dropped.
    Cut(&'static str, Vec<(usize, usize)>),
    /// The node neither reads nor acts.
    Pause(usize),
    /// The nodes are killed, and at the end started again with what their journals
    /// hold, or nothing.
    Kill {
        /// Who.
        nodes: Vec<usize>,
        /// Not at once, but in the middle of a write to the disk, in so many steps.
        steps: Option<u64>,
        /// Decides what is left on the disk of what was not synced.
        draw: u64,
        /// What their clocks were set back to when they start again, if they were.
        clock: Option<u64>,
        /// Their journals, if there are some, are lost.
        loses: bool,
    },
}

/// Everything that a run depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed that it was drawn from; also decides what the network does.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// The nodes' settings, the workload among them.
    pub config: Config,
    /// From which length on journals are rewritten, if there are some. Unit: bytes.
    pub least_long: u64,
    /// How much room there is for their short form, if it is little. Unit: bytes.
    pub room: Option<usize>,
    /// Mean latency.
    pub latency: Duration,
    /// How it spreads.
    pub latency_dist: Distribution,
    /// The longest time for which a node gets no processor, now and later, and the mean time
    /// between two of these; the first is 0 where nothing stalls.
    pub stalls: [Duration; 2],
    /// Chance of loss.
    pub loss: f64,
    /// Chance of duplication.
    pub duplicate: f64,
    /// Chance of being held back for up to 2 s more.
    pub reorder: f64,
    /// When, at which node, which value: in the order of time. Where a workload has other
    /// things than values, they are made from it.
    pub values: Vec<(Instant, usize, i64)>,
    /// The faults.
    pub faults: Vec<Fault>,
    /// When the network heals.
    pub heal: Instant,
    /// Whether this is the plainest partition: the hub alone, in a network
    /// without other faults, with the default settings and a steady load. Then
    /// the design promises more than an end: 1.3 s.
    pub prompt: bool,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(seed: u64) -> Plan {
        let rng = &mut Rng::new(seed, "torture");
        let ms = |rng: &mut Rng, least: u64, most: u64| {
            Duration::from_millis(least + rng.below(most - least + 1))
        };
        let nodes = 1 + rng.below(MAX_NODES) as usize;
        let defaults = rng.chance(0.3);
        // The folder of the journals: there is none, and nobody looks for it.
        let data_dir = rng.chance(0.5).then(|| "memory".into());
        let config = if defaults {
            Config {
                data_dir,
                epoch: CLOCK,
                log: Level::Warn,
                ..Config::default()
            }
        } else {
            Config {
                within: ms(rng, 0, 2000),
                pace: [Pace::Cheaper, Pace::Lazy, Pace::Timetable][rng.below(3) as usize],
                hubs: rng
                    .chance(0.5)
                    .then(|| 1 + rng.below(nodes as u64) as usize),
                data_dir,
                epoch: CLOCK,
                log: Level::Warn,
                ..Config::default()
            }
        };
        let heal = Instant::ZERO + ms(rng, 2000, 20_000);
        let some = |rng: &mut Rng, most| {
            if rng.chance(0.5) {
                rng.fraction() * most
            } else {
                0.0
            }
        };
        let mut plan = Plan {
            seed,
            nodes,
            config,
            least_long: 1 << rng.below(12),
            room: None,
            latency: ms(rng, 0, 300),
            latency_dist: Distribution::ALL[rng.below(3) as usize],
            stalls: [Duration::ZERO; 2],
            loss: some(rng, 0.2),
            duplicate: some(rng, 0.2),
            reorder: some(rng, 0.2),
            values: Vec::new(),
            faults: Vec::new(),
            heal,
            prompt: false,
        };
        if rng.chance(0.1) {
            plan.make_prompt(rng);
            return plan;
        }
        plan.draw_values(rng);
        plan.draw_faults(rng);
        plan.draw_crashes(&mut Rng::new(seed, "crashes"));
        plan.draw_workload(&mut Rng::new(seed, "workload"));
        plan.draw_clocks(&mut Rng::new(seed, "clocks"));
        plan.draw_machine(&mut Rng::new(seed, "machine"));
        plan
    }

    /// Some live on a busy machine, which gives nodes no processor at times, and some get
    /// their messages from a JVM.
    fn draw_machine(&mut self, rng: &mut Rng) {
        if rng.chance(0.3) {
            self.stalls = [1 + rng.below(50), 100 + rng.below(3000)].map(Duration::from_millis);
        }
        if rng.chance(0.25) {
            self.latency_dist = Distribution::Jvm;
        }
    }

    /// Some start again with an earlier clock, and some without their journal. No clock
    /// shows the same microsecond twice.
    fn draw_clocks(&mut self, rng: &mut Rng) {
        let remembers = matches!(self.config.workload, Name::UniqueIds | Name::Kafka);
        let may_lose = self.is_durable() && !remembers;
        for fault in &mut self.faults {
            if let What::Kill { clock, loses, .. } = &mut fault.what {
                *loses = may_lose && rng.chance(0.2);
                *clock = rng.chance(0.5).then(|| 1 + rng.below(CLOCK - 1));
            }
        }
    }

    /// Every other life is one of broadcast.
    fn draw_workload(&mut self, rng: &mut Rng) {
        if rng.chance(0.5) {
            return;
        }
        let others = [
            Name::UniqueIds,
            Name::GSet,
            Name::GCounter,
            Name::PnCounter,
            Name::Kafka,
            Name::Txn,
        ];
        self.config.workload = others[rng.below(others.len() as u64) as usize];
        // All of a state is looked at after each step.
        let part = self.values.len().div_ceil(MAX_REQUESTS).max(1);
        self.values = self.values.iter().step_by(part).copied().collect();
        if matches!(self.config.workload, Name::UniqueIds | Name::Kafka) {
            // What these promise of a restart they promise with a journal only.
            self.config.data_dir = Some("memory".into());
        }
    }

    /// Whether a node that is killed remembers what it has said.
    pub fn is_durable(&self) -> bool {
        self.config.data_dir.is_some()
    }

    /// Whether what was acknowledged may be gone in the end: its node was killed, and had
    /// no journal, or lost it.
    pub fn forgets(&self) -> bool {
        let forgets = |fault: &Fault| match fault.what {
            What::Kill { loses, .. } => loses || !self.is_durable(),
            _ => false,
        };
        self.faults.iter().any(forgets)
    }

    /// Makes it a plan of which a prompt recovery is promised.
    fn make_prompt(&mut self, rng: &mut Rng) {
        self.prompt = true;
        self.nodes = self.nodes.max(3);
        self.config = Config {
            hubs: Some(1),
            log: Level::Warn,
            ..Config::default()
        };
        self.latency = self.latency.min(Duration::from_millis(100));
        self.latency_dist = Distribution::Constant;
        (self.loss, self.duplicate, self.reorder) = (0.0, 0.0, 0.0);
        self.heal = self.heal.max(Instant::from_millis(6000));
        // 20 values a second, every other one at the hub: a hub without news for
        // its leaves suspects nobody and probes nobody.
        for value in 0..self.heal.as_micros() / 50_000 {
            let at = Instant::from_micros(value * 50_000 + rng.below(50_000));
            let node = match value % 2 {
                0 => 0,
                _ => rng.below(self.nodes as u64) as usize,
            };
            self.values.push((at, node, value as i64));
        }
        self.values.sort_by_key(|(at, ..)| *at);
        let start = Instant::from_micros(rng.below(self.heal.as_micros() - 4_000_000));
        let what = What::Cut(Kind::Hub.name(), Kind::Hub.directions(self.nodes, rng));
        self.faults.push(Fault {
            start,
            end: self.heal,
            what,
        });
    }

    fn draw_values(&mut self, rng: &mut Rng) {
        let times = 1 + rng.below(200);
        let mut dense = 0;
        for _ in 0..times {
            let at = Instant::from_micros(rng.below(self.heal.as_micros()));
            let node = rng.below(self.nodes as u64) as usize;
            // One in a hundred is a burst, sometimes larger than a batch, and
            // rarely larger than the window.
            let count = match rng.below(1000) {
                0 => 20_000,
                1..=9 => 1 + rng.below(3000),
                _ => 1,
            };
            let kind = rng.below(5);
            for _ in 0..count {
                let value = match kind {
                    0 => rng.next() as i64,
                    1 => -(rng.below(100) as i64),
                    2 => [i64::MIN, i64::MAX, i64::MIN + 1, 1 << 62][rng.below(4) as usize],
                    3 if !self.values.is_empty() => {
                        self.values[rng.below(self.values.len() as u64) as usize].2
                    }
                    _ => {
                        dense += 1;
                        dense
                    }
                };
                self.values.push((at, node, value));
            }
        }
        self.values.sort_by_key(|(at, ..)| *at);
    }

    fn draw_faults(&mut self, rng: &mut Rng) {
        if rng.chance(0.05) {
            // A cut so long that a backoff without end would show.
            let kind = Kind::STRUCTURED[rng.below(Kind::STRUCTURED.len() as u64) as usize];
            let start = Instant::from_micros(rng.below(self.heal.as_micros()));
            let what = What::Cut(kind.name(), kind.directions(self.nodes, rng));
            self.heal = self.heal + LONG_CUT;
            self.faults.push(Fault {
                start,
                end: self.heal,
                what,
            });
        }
        for _ in 0..rng.below(6) {
            let start = Instant::from_micros(rng.below(self.heal.as_micros()));
            let end = start + Duration::from_millis(1 + rng.below(10_000));
            let end = end.min(self.heal);
            let what = match rng.below(8) {
                0 => What::Pause(rng.below(self.nodes as u64) as usize),
                1 => self.draw_kill(rng),
                2 => {
                    // Some directions, not both of a pair.
                    let all = (0..self.nodes).flat_map(|a| (0..self.nodes).map(move |b| (a, b)));
                    let directions = all.filter(|(a, b)| a != b && rng.chance(0.3)).collect();
                    What::Cut("one-way", directions)
                }
                kind => {
                    let kind = Kind::STRUCTURED[kind as usize - 3];
                    What::Cut(kind.name(), kind.directions(self.nodes, rng))
                }
            };
            self.faults.push(Fault { start, end, what });
        }
    }

    /// With journals, one in four is a life of crashes: only what is killed again shows
    /// how it came back from the crash before.
    fn draw_crashes(&mut self, rng: &mut Rng) {
        // What the shortest have fits, and what many values need does not.
        self.room = rng.chance(0.25).then(|| 1 << (6 + rng.below(6)));
        if self.config.data_dir.is_none() || !rng.chance(0.25) {
            return;
        }
        let mut start = Instant::ZERO;
        loop {
            start = start + Duration::from_millis(100 + rng.below(4000));
            let end = start + Duration::from_millis(1 + rng.below(1500));
            if end > self.heal {
                return;
            }
            let what = self.draw_kill(rng);
            self.faults.push(Fault { start, end, what });
        }
    }

    fn draw_kill(&self, rng: &mut Rng) -> What {
        let one = rng.below(self.nodes as u64) as usize;
        What::Kill {
            nodes: match rng.below(4) {
                0 => (0..self.nodes).collect(),
                1 => (0..self.nodes).filter(|_| rng.chance(0.4)).collect(),
                _ => vec![one],
            },
            // A turn writes and syncs; a rewriting has some seven steps more.
            steps: rng.chance(0.7).then(|| rng.below(20)),
            draw: rng.next(),
            clock: None,
            loses: false,
        }
    }

    /// How long after the heal every node must hold every value.
    ///
    /// What is still under way may be late. Then come the hops: two under one hub, four at
    /// most. Each may have to wait for a retransmission that was just put off (the
    /// backoff's cap), for the probe, its answer and what follows, and for a batch. Each of
    /// these five turns may be put off by a stall.
    pub fn bound(&self) -> Duration {
        if self.prompt {
            return PROMPT;
        }
        let ways = self.latency.min(MAX_DELAY) * 4;
        let hop = self.patience() + ways + self.config.within + self.stalls[0] * 5;
        MAX_DELAY * 2 + hop * if self.hubs() > 1 { 4 } else { 2 }
    }

    /// When all must be quiet, if every node held everything at `complete`. After
    /// that and after the last late message there may be one more delayed ack, and
    /// one more retransmission if the settings invite one.
    pub fn quiet_by(&self, complete: Instant) -> Instant {
        let last = complete.max(self.heal + MAX_DELAY * 2);
        last + link::ack_delay(self.config.within)
            + self.patience()
            + self.latency.min(MAX_DELAY) * 4
            + self.stalls[0] * 5
    }

    /// For how long nodes must have heard one another, and have been asked for nothing, until
    /// they hold the same, whoever is away. There is no such time (`None`) while messages get
    /// lost by chance, nor for what a root has to decide: that waits for the root.
    ///
    /// Who has something to say notices after an ack's delay that its hub is away. Then come
    /// two searches: its own, and that of the node that answers first. Each has rounds of
    /// one, two, four among at most 60 nodes, and each round takes one round trip. Add two
    /// pings, two digests and the way from end to end, with a batch at four nodes. All of
    /// this may begin when a link has just put off its next try, and what is held back comes
    /// later still.
    pub fn standing_bound(&self) -> Option<Duration> {
        let trips = self.patience() / 3 * (2 * 6 + 8);
        let promises = link::ack_delay(self.config.within) + self.config.within * 4;
        let is_sure = self.loss == 0.0 && self.config.workload != Name::Kafka;
        is_sure.then(|| trips + promises + self.patience() + MAX_DELAY * 2)
    }

    /// The longest that a link waits until it tries again: the backoff's cap, which
    /// is three of the longest round trips that it can have measured.
    fn patience(&self) -> Duration {
        let trip = match self.latency_dist {
            Distribution::Constant => self.latency * 2,
            Distribution::Jvm => (self.latency + JVM_MAX) * 2,
            _ => self.latency * 8,
        };
        let trip = trip + self.stalls[0] * 2;
        BACKOFF_CAP.max((trip + Duration::from_millis(500)) * 3)
    }

    fn hubs(&self) -> usize {
        self.config
            .hubs
            .unwrap_or_else(|| tree::default_hubs(self.nodes))
    }
}

/// The plan in some lines.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let names = Name::ALL.iter();
        let mut names = names.filter(|(_, workload)| *workload == config.workload);
        writeln!(
            f,
            "  {}: {} nodes under {} hubs; --within-ms {} ({:?})",
            names.next().map_or("?", |(name, _)| name),
            self.nodes,
            self.hubs(),
            config.within.as_millis(),
            config.pace,
        )?;
        writeln!(
            f,
            "  latency {:?} {:?}, {:.1} % lost, {:.1} % duplicated, {:.1} % held back",
            self.latency,
            self.latency_dist,
            self.loss * 100.0,
            self.duplicate * 100.0,
            self.reorder * 100.0
        )?;
        if !self.stalls[0].is_zero() {
            let [longest, every] = self.stalls;
            writeln!(
                f,
                "  each node stalls for up to {longest:?} every {every:?}"
            )?;
        }
        writeln!(
            f,
            "  {} values until {} s, when all heals",
            self.values.len(),
            self.heal
        )?;
        if self.is_durable() {
            let room = self
                .room
                .map_or(String::new(), |room| format!(", with room for {room} more"));
            writeln!(
                f,
                "  journals, rewritten from {} bytes on{room}",
                self.least_long
            )?;
        }
        for fault in &self.faults {
            let what = match &fault.what {
                What::Pause(node) => format!("pause of n{node}"),
                What::Kill {
                    nodes,
                    steps,
                    clock,
                    loses,
                    ..
                } => {
                    let when =
                        steps.map_or(String::new(), |steps| format!(" {steps} writes later"));
                    let loses = if *loses { ", lose their journals" } else { "" };
                    let clock =
                        clock.map_or(String::new(), |clock| format!(", start in epoch {clock}"));
                    format!("{} are killed{when}{loses}{clock}", named(nodes))
                }
                What::Cut(kind, directions) => {
                    format!("cut {kind}, {} directions", directions.len())
                }
            };
            writeln!(f, "  {} s to {} s: {what}", fault.start, fault.end)?;
        }
        Ok(())
    }
}

/// "n3 n4".
fn named(nodes: &[usize]) -> String {
    let names: Vec<String> = nodes.iter().map(|&node| cluster::name(node)).collect();
    names.join(" ")
}

/// Looks for a smaller plan that fails too: fewer faults, values, nodes, and a
/// kinder network. Every change is kept if the plan still `fails`.
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut plan = plan.clone();
    loop {
        let mut attempts: Vec<Plan> = Vec::new();
        for part in [2, 4, 8] {
            let length = plan.values.len().div_ceil(part);
            for start in (0..plan.values.len()).step_by(length.max(1)) {
                let mut fewer = plan.clone();
                fewer
                    .values
                    .drain(start..(start + length).min(plan.values.len()));
                attempts.push(fewer);
            }
        }
        for fault in 0..plan.faults.len() {
            let mut fewer = plan.clone();
            fewer.faults.remove(fault);
            attempts.push(fewer);
        }
        for nodes in [2, plan.nodes / 2, plan.nodes.saturating_sub(1)] {
            if (1..plan.nodes).contains(&nodes) {
                attempts.push(with_nodes(&plan, nodes));
            }
        }
        for change in [
            |plan: &mut Plan| plan.loss = 0.0,
            |plan: &mut Plan| plan.duplicate = 0.0,
            |plan: &mut Plan| plan.reorder = 0.0,
            |plan: &mut Plan| plan.latency_dist = Distribution::Constant,
            |plan: &mut Plan| plan.stalls = [Duration::ZERO; 2],
        ] {
            let mut kinder = plan.clone();
            change(&mut kinder);
            if kinder != plan {
                attempts.push(kinder);
            }
        }
        // Each attempt is smaller or kinder, so this ends.
        match attempts.into_iter().find(&fails) {
            Some(smaller) => plan = smaller,
            None => return plan,
        }
    }
}

/// The plan for fewer nodes: what happened at a node that is gone happens at
/// another one.
fn with_nodes(plan: &Plan, nodes: usize) -> Plan {
    let mut plan = plan.clone();
    plan.nodes = nodes;
    for (_, node, _) in &mut plan.values {
        *node %= nodes;
    }
    for fault in &mut plan.faults {
        match &mut fault.what {
            What::Pause(node) => *node %= nodes,
            What::Kill { nodes: killed, .. } => {
                killed.retain(|&node| node < nodes);
            }
            What::Cut(_, directions) => directions.retain(|&(a, b)| a < nodes && b < nodes),
        }
    }
    plan
}
