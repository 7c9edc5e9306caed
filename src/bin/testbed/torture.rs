//! Thousands of short lives under faults, each drawn from a seed.
//!
//! A run has two phases, as in TigerBeetle's simulator. While faults last, only
//! *safety* is asked for, after every single step: no node holds a value that
//! nobody sent, none forgets one, no ack is ahead of what was received, and no
//! node says what its neighbour must refuse. Then the network heals, and
//! *liveness* is asked for: within a [bound](Plan::bound) every node holds every
//! value, every link is quiet, no timer is left and no message is under way.
//!
//! Faults: loss, duplication, reordering, cuts of all kinds that overlap and may
//! have one direction only, and nodes that are paused (they neither read nor
//! act; what is sent to them waits, as in a pipe). Load: single values and
//! bursts that are dense, sparse, negative, huge or repeated.
//!
//! A [`Plan`] is plain data, so a failing one can be made smaller.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hubcast::config::{Config, Pace};
use hubcast::event::{Event as Noticed, Level};
use hubcast::interval_set::IntervalSet;
use hubcast::json::Json;
use hubcast::link::{ACK_DELAY, BACKOFF_CAP, Link, Segment, Sync};
use hubcast::message::Message;
use hubcast::node::Node;
use hubcast::time::Instant;
use hubcast::tree;
use hubcast::workload::{Workload, broadcast::Broadcast};

use crate::cluster::{self, Cluster, Step};
use crate::nemesis::Kind;
use crate::network::Network;
use crate::options::{Distribution, Job, Options};
use crate::rng::Rng;

/// The most nodes of a run. Enough for a tree of eight hubs.
const MAX_NODES: u64 = 60;

/// The longest that a message is held back to reorder it, and the cap on one
/// latency: an exponential one could otherwise outlast any bound.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// How soon after the end of a plain partition every node must have everything.
///
/// Unit: time. The next probe of the hub's rotation (250 ms), five latencies of at
/// most 100 ms (probe, answer, probes to all, answers, and down), the batch's
/// 150 ms, and another probe for a neighbour that was probed in vain just before.
const PROMPT: Duration = Duration::from_millis(1300);

/// How much longer a run with a long cut takes.
///
/// Unit: time. After this long an unlimited backoff of 1.5 s has come to pauses of
/// more than a minute.
const LONG_CUT: Duration = Duration::from_secs(100);

/// The most steps of a run. The largest runs have some hundred thousand; more
/// than this is a storm of messages that feeds itself.
const MAX_STEPS: u64 = 20_000_000;

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
    },
}

/// Everything that a run depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed that it was drawn from; also decides what the network does.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// The nodes' settings.
    pub config: Config,
    /// From which length on journals are rewritten, if there are some. Unit: bytes.
    pub least_long: u64,
    /// Mean latency.
    pub latency: Duration,
    /// How it spreads.
    pub latency_dist: Distribution,
    /// Chance of loss.
    pub loss: f64,
    /// Chance of duplication.
    pub duplicate: f64,
    /// Chance of being held back for up to 2 s more.
    pub reorder: f64,
    /// When, at which node, which value: in the order of time.
    pub values: Vec<(Instant, usize, i64)>,
    /// The faults.
    pub faults: Vec<Fault>,
    /// When the network heals.
    pub heal: Instant,
    /// Whether this is the partition of the README: the hub alone, in a network
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
            latency: ms(rng, 0, 300),
            latency_dist: Distribution::ALL[rng.below(3) as usize],
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
        plan
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
        }
    }

    /// How long after the heal every node must hold every value.
    ///
    /// What is still under way may be late. Then each hop (two under one hub, four
    /// at most) may have to wait for a retransmission that was just put off (the
    /// backoff's cap), for the probe, its answer and what follows, and for a batch.
    pub fn bound(&self) -> Duration {
        if self.prompt {
            return PROMPT;
        }
        let ways = self.latency.min(MAX_DELAY) * 4;
        let hop = self.patience() + ways + self.config.within;
        MAX_DELAY * 2 + hop * if self.hubs() > 1 { 4 } else { 2 }
    }

    /// When all must be quiet, if every node held everything at `complete`. After
    /// that and after the last late message there may be one more delayed ack, and
    /// one more retransmission if the settings invite one.
    fn quiet_by(&self, complete: Instant) -> Instant {
        let last = complete.max(self.heal + MAX_DELAY * 2);
        last + ACK_DELAY + self.config.within + self.patience() + self.latency.min(MAX_DELAY) * 4
    }

    /// The longest that a link waits until it tries again: the backoff's cap, which
    /// is three of the longest round trips that it can have measured.
    fn patience(&self) -> Duration {
        let trip = match self.latency_dist {
            Distribution::Constant => self.latency * 2,
            _ => self.latency * 8,
        };
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
        writeln!(
            f,
            "  {} nodes under {} hubs; --within-ms {} ({:?})",
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
        writeln!(
            f,
            "  {} values until {} s, when all heals",
            self.values.len(),
            self.heal
        )?;
        if self.config.data_dir.is_some() {
            writeln!(f, "  journals, rewritten from {} bytes on", self.least_long)?;
        }
        for fault in &self.faults {
            let what = match &fault.what {
                What::Pause(node) => format!("pause of n{node}"),
                What::Kill { nodes, steps, .. } => {
                    let when =
                        steps.map_or(String::new(), |steps| format!(" {steps} writes later"));
                    format!("{} are killed{when}", named(nodes))
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

/// What happened in a run that went well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Values given to nodes.
    pub values: u64,
    /// Messages between nodes.
    pub messages: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Held back to reorder them.
    pub reordered: u64,
    /// Dropped by a cut.
    pub cut_off: u64,
    /// Cuts.
    pub cuts: u64,
    /// Pauses.
    pub pauses: u64,
    /// Nodes that were killed and started again.
    pub restarts: u64,
    /// Of these, with a journal.
    pub restored: u64,
    /// Of these, killed in the middle of a write.
    pub in_write: u64,
    /// Torn ends that were cut off.
    pub torn: u64,
    /// Values that died with the only node that held them.
    pub gone: u64,
    /// Values sent again by a link, in messages.
    pub retransmitted: u64,
    /// Steps after which safety was checked.
    pub steps: u64,
    /// From the heal until every node held everything, as a share of the bound.
    pub recovery: f64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.values += other.values;
        self.messages += other.messages;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.cut_off += other.cut_off;
        self.cuts += other.cuts;
        self.pauses += other.pauses;
        self.restarts += other.restarts;
        self.restored += other.restored;
        self.in_write += other.in_write;
        self.torn += other.torn;
        self.gone += other.gone;
        self.retransmitted += other.retransmitted;
        self.steps += other.steps;
        self.recovery = self.recovery.max(other.recovery);
    }
}

/// A line between nodes that is under way, and what the judge needs of it.
#[derive(Clone, Debug)]
struct Packet {
    src: usize,
    dest: usize,
    /// The sender's incarnation.
    epoch: u64,
    line: Rc<[u8]>,
    values: Rc<[i64]>,
}

#[derive(Debug)]
enum Event {
    Values(usize, Vec<i64>),
    Deliver(Packet),
    Begin(usize),
    End(usize),
    Heal,
}

/// A cluster in the hands of a plan.
struct World<'a> {
    plan: &'a Plan,
    cluster: Cluster<Broadcast, Event>,
    network: Network,
    rng: Rng,
    /// How many faults pause a node, and how many keep it dead.
    pauses: Vec<u32>,
    deaths: Vec<u32>,
    /// The newest incarnation of its neighbours (second) that a node (first) heard of
    /// in this life.
    heard: BTreeMap<(usize, usize), u64>,
    healed: bool,
    /// All values given to nodes so far.
    given: IntervalSet,
    /// What each node must hold: what was given or delivered to it in this life.
    model: Vec<IntervalSet>,
    /// What reached a node, and is not known to be stored there or was not read yet.
    unsure: Vec<Vec<i64>>,
    /// What a node held that died, and no other one will hold: it may come back with
    /// what was under way, and need not.
    gone: BTreeSet<i64>,
    tally: Tally,
}

/// Runs a plan to its end.
///
/// # Errors
///
/// A sentence that says which promise was broken, by whom and when.
pub fn run(plan: &Plan) -> Result<Tally, String> {
    let mut world = World::new(plan);
    let result = world.run();
    result.map_err(|text| format!("at {} s: {text}", world.cluster.now()))?;
    Ok(world.tally)
}

/// As [`run`], and a panic is a failure like any other: it too has a seed.
fn run_caught(plan: &Plan) -> Result<Tally, String> {
    std::panic::catch_unwind(|| run(plan)).unwrap_or_else(|_| Err("a panic; see stderr".into()))
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan) -> World<'a> {
        let options = Options {
            nodes: plan.nodes,
            latency: plan.latency,
            latency_dist: plan.latency_dist,
            loss: plan.loss,
            duplicate: plan.duplicate,
            seed: plan.seed,
            ..Options::new(Job::Efficient)
        };
        let mut cluster = Cluster::new(plan.nodes, &plan.config);
        cluster.rewrite_at(plan.least_long);
        cluster.init();
        // What a burst brings lies in the node's pipe together.
        for burst in plan.values.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (at, node, _) = burst[0];
            let values = burst.iter().map(|(.., value)| *value).collect();
            cluster.at(at, Event::Values(node, values));
        }
        for (index, fault) in plan.faults.iter().enumerate() {
            cluster.at(fault.start, Event::Begin(index));
            cluster.at(fault.end, Event::End(index));
        }
        cluster.at(plan.heal, Event::Heal);
        World {
            plan,
            cluster,
            network: Network::new(&options),
            rng: Rng::new(plan.seed, "reorder"),
            deaths: vec![0; plan.nodes],
            heard: BTreeMap::new(),
            gone: BTreeSet::new(),
            unsure: vec![Vec::new(); plan.nodes],
            pauses: vec![0; plan.nodes],
            healed: false,
            given: IntervalSet::new(),
            model: vec![IntervalSet::new(); plan.nodes],
            tally: Tally::default(),
        }
    }

    fn run(&mut self) -> Result<(), String> {
        let bound = self.plan.heal + self.plan.bound();
        let mut complete = None;
        for _ in 0..MAX_STEPS {
            let Some(next) = self.cluster.due() else {
                return self.finish(complete);
            };
            match complete {
                None if next > bound => return Err(self.unfinished()),
                Some(complete) if next > self.plan.quiet_by(complete) => {
                    return Err(self.unquiet(next));
                }
                _ => {}
            }
            match self.cluster.next() {
                Some(Step::Event(event)) => self.handle(event)?,
                Some(Step::Timer(index)) => self.check(index)?,
                Some(Step::Said(index, line)) => self.send(index, &line)?,
                None => {}
            }
            if self.healed && complete.is_none() && self.is_complete() {
                complete = Some(self.cluster.now());
            }
        }
        Err(format!("{MAX_STEPS} steps and no end: a storm"))
    }

    fn is_complete(&self) -> bool {
        let mut nodes = self.cluster.nodes().iter();
        let demanded = self.given.len() - self.gone.len() as u64;
        nodes.all(|node| node.workload().len() == demanded)
    }

    /// Nothing is left to do: then everything must be done.
    fn finish(&mut self, complete: Option<Instant>) -> Result<(), String> {
        for (index, node) in self.cluster.nodes().iter().enumerate() {
            let values = node.workload().values();
            let demanded = |value: &i64| !self.gone.contains(value);
            let missing = |value: &i64| !values.contains(*value) && demanded(value);
            if let Some(missing) = self.given.iter().find(missing) {
                return Err(format!("all is quiet, and n{index} misses {missing}"));
            }
            if let Some((peer, _)) = node.links().find(|(_, link)| !link.is_quiet()) {
                return Err(format!(
                    "no timer is left, and n{index} has unacked values for {peer}"
                ));
            }
        }
        let complete = complete.ok_or("the run ended before the heal")?;
        self.tally.recovery = (complete - self.plan.heal).div_duration_f64(self.plan.bound());
        self.tally.gone = self.gone.len() as u64;
        let links = self.cluster.nodes().iter().flat_map(Node::links);
        self.tally.retransmitted = links.map(|(_, link)| link.stats().retransmitted).sum();
        Ok(())
    }

    /// Who is to do something at `next`, though nothing is left to do.
    fn unquiet(&self, next: Instant) -> String {
        let nodes = self.cluster.nodes().iter().enumerate();
        let due = nodes.filter(|(_, node)| node.poll_timeout() == Some(next));
        let links = due.flat_map(|(index, node)| node.links().map(move |link| (index, link)));
        let due = links.filter(|(_, (_, link))| link.poll_timeout() == Some(next));
        let names: Vec<String> = due
            .map(|(index, (peer, link))| format!("n{index} for {peer}: {link:?}"))
            .collect();
        format!(
            "every node has everything, and there is no quiet: at {next} s there is something to do at {names:?}"
        )
    }

    fn unfinished(&self) -> String {
        let nodes = self.cluster.nodes().iter();
        let held: Vec<u64> = nodes.map(|node| node.workload().len()).collect();
        format!(
            "{:.1} s after the heal something is missing; of {} values the nodes hold {held:?}",
            self.plan.bound().as_secs_f64(),
            self.given.len()
        )
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            // A client finds nobody there.
            Event::Values(node, _) if self.cluster.is_down(node) => Ok(()),
            Event::Values(node, values) => {
                self.tally.values += values.len() as u64;
                for &value in &values {
                    self.given.insert(value);
                }
                let lines = values.iter().map(|&value| cluster::broadcast(node, value));
                self.tell(node, &lines.collect::<Vec<_>>(), &values)
            }
            Event::Deliver(packet) => self.deliver(&packet),
            Event::Begin(fault) => {
                match &self.plan.faults[fault].what {
                    What::Cut(_, directions) => {
                        self.tally.cuts += 1;
                        self.network.cut(directions);
                    }
                    What::Pause(index) => {
                        self.tally.pauses += 1;
                        self.pauses[*index] += 1;
                        self.cluster.pause(*index);
                    }
                    What::Kill { nodes, steps, draw } => {
                        for &index in nodes {
                            self.deaths[index] += 1;
                            if steps.is_none_or(|steps| !self.cluster.arm(index, steps)) {
                                self.kill(index, *draw);
                            }
                        }
                    }
                }
                Ok(())
            }
            Event::End(fault) => match &self.plan.faults[fault].what {
                What::Cut(_, directions) => {
                    self.network.heal(directions);
                    Ok(())
                }
                What::Pause(index) => {
                    self.pauses[*index] -= 1;
                    if self.pauses[*index] > 0 {
                        return Ok(());
                    }
                    self.cluster.resume(*index);
                    self.check(*index)
                }
                What::Kill { nodes, draw, .. } => {
                    for &index in nodes {
                        self.deaths[index] -= 1;
                        if self.deaths[index] == 0 {
                            // It may have written nothing in all that time.
                            self.kill(index, *draw);
                            self.start(index)?;
                        }
                    }
                    Ok(())
                }
            },
            Event::Heal => {
                // All faults end at the heal at the latest; loss, duplication
                // and reordering do now.
                self.healed = true;
                Ok(())
            }
        }
    }

    fn kill(&mut self, index: usize, draw: u64) {
        let in_write = self.cluster.is_down(index);
        self.cluster.kill(index, draw ^ index as u64);
        self.heard.retain(|(node, _), _| *node != index);
        let mut lost = std::mem::take(&mut self.model[index]);
        if self.is_durable() {
            // Without this it is stored, and will be there again.
            let unsure: IntervalSet = self.unsure[index].iter().copied().collect();
            let stored = lost.iter().filter(|value| !unsure.contains(*value));
            self.model[index] = stored.collect();
            lost = unsure;
            self.tally.in_write += u64::from(in_write && !lost.is_empty());
        }
        let held = |value: &i64| self.model.iter().any(|model| model.contains(*value));
        self.gone.extend(lost.iter().filter(|value| !held(value)));
    }

    fn is_durable(&self) -> bool {
        self.plan.config.data_dir.is_some()
    }

    /// Starts a node again. With a journal it must hold what was stored, and may hold
    /// what was about to be.
    fn start(&mut self, index: usize) -> Result<(), String> {
        self.tally.restarts += 1;
        self.tally.restored += u64::from(self.is_durable());
        self.cluster.start(index);
        self.cluster.init_one(index);
        if let Some(refused) = self.cluster.refused() {
            return Err(refused.into());
        }
        let values = self.cluster.nodes()[index].workload().values();
        let model = &mut self.model[index];
        if let Some(missing) = model.iter().find(|value| !values.contains(*value)) {
            return Err(format!(
                "n{index} has restarted without {missing}, which was stored"
            ));
        }
        for value in std::mem::take(&mut self.unsure[index]) {
            if values.contains(value) {
                self.gone.remove(&value);
                model.insert(value);
            }
        }
        self.check(index)
    }

    fn deliver(&mut self, packet: &Packet) -> Result<(), String> {
        let Packet { src, dest, .. } = *packet;
        if self.network.is_cut(src, dest) {
            self.tally.cut_off += 1;
            return Ok(());
        }
        let heard = self.heard.entry((dest, src)).or_default();
        // A voice from the past is ignored.
        let present = packet.epoch >= *heard && !self.cluster.is_down(dest);
        if present {
            *heard = packet.epoch;
        }
        let values = if present { &packet.values[..] } else { &[] };
        self.tell(dest, &[&packet.line], values)
    }

    /// Gives a node lines that bring it these values.
    fn tell<L: AsRef<[u8]>>(
        &mut self,
        node: usize,
        lines: &[L],
        values: &[i64],
    ) -> Result<(), String> {
        if self.cluster.is_down(node) {
            return Ok(());
        }
        for &value in values {
            self.gone.remove(&value);
            if self.model[node].insert(value) {
                self.unsure[node].push(value);
                if !self.given.contains(value) {
                    return Err(format!("n{node} is told of {value}, which nobody sent"));
                }
            }
        }
        self.cluster.tell_all(node, lines.iter().map(AsRef::as_ref));
        if self.cluster.is_paused(node) {
            // It has not read that yet.
            return Ok(());
        }
        self.check(node)
    }

    /// A node says a line: to another node, as these nodes are asked nothing.
    fn send(&mut self, src: usize, line: &[u8]) -> Result<(), String> {
        let packet = read(src, line).map_err(|why| {
            let line = String::from_utf8_lossy(line);
            format!("n{src} says {line}, and {why}")
        })?;
        self.tally.messages += 1;
        let now = self.cluster.now();
        if self.healed {
            let delay = self.plan.latency.min(MAX_DELAY);
            self.cluster.at(now + delay, Event::Deliver(packet));
            return Ok(());
        }
        let copies = self.network.send();
        self.tally.lost += u64::from(copies[0].is_none());
        self.tally.duplicated += u64::from(copies[1].is_some());
        for delay in copies.into_iter().flatten() {
            let mut delay = delay.min(MAX_DELAY);
            if self.rng.chance(self.plan.reorder) {
                self.tally.reordered += 1;
                delay += MAX_DELAY.mul_f64(self.rng.fraction());
            }
            self.cluster.at(now + delay, Event::Deliver(packet.clone()));
        }
        Ok(())
    }

    /// Safety, after a turn of node `index`.
    fn check(&mut self, index: usize) -> Result<(), String> {
        self.tally.steps += 1;
        if self.cluster.is_down(index) {
            if self.deaths[index] == 0 {
                return Err(format!("n{index} has ended by itself"));
            }
            return Ok(());
        }
        self.unsure[index].clear();
        while let Some(event) = self.cluster.noticed(index) {
            self.tally.torn += u64::from(matches!(event, Noticed::Torn { .. }));
            if matches!(event, Noticed::Ignored { .. } | Noticed::Refused { .. }) {
                return Err(format!("n{index} had to refuse what it was told: {event}"));
            }
        }
        let node = &self.cluster.nodes()[index];
        if node.workload().len() != self.model[index].len() {
            return Err(format!(
                "n{index} holds {} values; {} were given or delivered to it",
                node.workload().len(),
                self.model[index].len()
            ));
        }
        let now = self.cluster.now();
        if let Some(timer) = node.poll_timeout().filter(|&timer| timer <= now) {
            return Err(format!(
                "n{index} wants to be woken at {timer} s, which is past"
            ));
        }
        let own = cluster::name(index);
        for (peer, link) in node.links() {
            let there = cluster::index(peer).ok_or("a peer without a number")?;
            let mut links = self.cluster.nodes()[there].links();
            let Some((_, back)) = links.find(|(name, _)| *name == own) else {
                return Err(format!(
                    "n{index} has a link to {peer}, and {peer} has none back"
                ));
            };
            let same = link.epochs() == (back.epochs().1, back.epochs().0);
            let ahead = |here: &Link<i64>, there: &Link<i64>| {
                here.una() > here.begin() && here.una() > there.received()
            };
            if same && (ahead(link, back) || ahead(back, link)) {
                return Err(format!(
                    "between n{index} and {peer} an ack is ahead of what was received"
                ));
            }
        }
        Ok(())
    }
}

/// Reads a line of node `src` as what it must be, a segment for another node.
fn read(src: usize, line: &[u8]) -> Result<Packet, String> {
    let json = Json::parse(line).map_err(|error| error.to_string())?;
    let message = Message::read(&json)?;
    let (epoch, values) = match message.kind()? {
        "sync" => (Sync::read(message.body)?.epoch, Vec::new()),
        kind => {
            let segment = Segment::<i64>::read(kind, message.body)?;
            (segment.epoch, segment.items)
        }
    };
    Ok(Packet {
        epoch,
        src,
        dest: cluster::index(message.dest).ok_or("it is to nobody there is")?,
        line: line.into(),
        values: values.into(),
    })
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

/// Runs the plans of `runs` seeds from `seed` on, on all processors, and prints
/// what happened. Gives whether all went well.
pub fn main(runs: u64, seed: u64, shrinks: bool) -> bool {
    let started = std::time::Instant::now();
    let next = AtomicU64::new(0);
    let total = Mutex::new((Tally::default(), 0u64));
    let failures: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let show_progress = io::stderr().is_terminal();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let run_number = next.fetch_add(1, Ordering::Relaxed);
                    // One failure is enough: the later seeds are not begun.
                    let failed = failures.lock().is_ok_and(|failures| !failures.is_empty());
                    if run_number >= runs || failed {
                        return;
                    }
                    let run_seed = seed.wrapping_add(run_number);
                    match run_caught(&Plan::draw(run_seed)) {
                        Ok(tally) => {
                            let Ok(mut total) = total.lock() else { return };
                            total.0.add(&tally);
                            total.1 += 1;
                            if show_progress && total.1 % 100 == 0 {
                                let _ = write!(io::stderr(), "\r{} of {runs} runs", total.1);
                            }
                        }
                        Err(text) => {
                            let Ok(mut failures) = failures.lock() else {
                                return;
                            };
                            failures.insert(run_number, text);
                        }
                    }
                }
            });
        }
    });
    if show_progress {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let (Ok((total, done)), Ok(failures)) = (total.into_inner(), failures.into_inner()) else {
        return false;
    };
    let text = match failures.first_key_value() {
        Some((number, failure)) => failure_text(*number, runs, seed, failure, shrinks),
        None => {
            let time = started.elapsed().as_secs_f64();
            format!(
                "{done} runs in {time:.1} s on {workers} processors, seeds from {seed} on: no failure\n{total}PASS\n"
            )
        }
    };
    let _ = io::stdout().write_all(text.as_bytes());
    failures.is_empty()
}

/// What went wrong in run `number` of `runs`, and how to see it again.
fn failure_text(number: u64, runs: u64, seed: u64, failure: &str, shrinks: bool) -> String {
    let seed = seed.wrapping_add(number);
    let plan = Plan::draw(seed);
    let mut text = format!(
        "FAIL: run {} of {runs}, seed {seed}: {failure}\n{plan}again: ./run.sh torture --runs 1 --seed {seed}\n",
        number + 1
    );
    if !shrinks {
        return text + &format!("smaller: ./run.sh torture --runs 1 --seed {seed} --shrink\n");
    }
    let small = shrink(&plan, |plan| run_caught(plan).is_err());
    let failure = run_caught(&small).err().unwrap_or_default();
    text += &format!("a smaller one that fails: {failure}\n{small}");
    if small.values.len() <= 20 {
        for (at, node, value) in &small.values {
            text += &format!("  {at} s: n{node} is given {value}\n");
        }
    }
    text
}

/// The sums of many runs, a line each.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, name) in [
            (self.values, "values given to nodes"),
            (self.messages, "messages between nodes"),
            (self.lost, "lost"),
            (self.duplicated, "duplicated"),
            (self.reordered, "held back"),
            (self.cut_off, "dropped by cuts"),
            (self.cuts, "cuts"),
            (self.pauses, "pauses"),
            (
                self.restarts - self.restored,
                "restarts with nothing remembered",
            ),
            (self.restored, "restarts with a journal"),
            (self.in_write, "crashes in the middle of a write"),
            (self.torn, "torn ends of journals cut off"),
            (self.gone, "values died with the only node that held them"),
            (self.retransmitted, "retransmitted"),
            (self.steps, "steps, safety checked after each"),
        ] {
            writeln!(f, "{count:>12} {name}")?;
        }
        let share = self.recovery * 100.0;
        writeln!(f, "the slowest recovery took {share:.0} % of its bound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_hundred_drawn_lives_keep_every_promise() {
        let mut total = Tally::default();
        for seed in 0..400 {
            let plan = Plan::draw(seed);
            match run(&plan) {
                Ok(tally) => total.add(&tally),
                Err(text) => panic!("{text}\n{plan}again: ./run.sh torture --runs 1 --seed {seed}"),
            }
        }
        let faults = [
            total.lost,
            total.duplicated,
            total.reordered,
            total.cut_off,
            total.pauses,
        ];
        assert!(
            faults.iter().all(|&count| count > 100),
            "every fault has struck: {total:?}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_life() {
        assert_eq!(Plan::draw(5), Plan::draw(5));
        assert_eq!(run(&Plan::draw(5)), run(&Plan::draw(5)));
    }

    #[test]
    fn a_failing_plan_shrinks_to_what_makes_it_fail() {
        let plan = (0..)
            .map(Plan::draw)
            .find(|plan| plan.faults.len() > 2 && plan.nodes > 9);
        let plan = plan.expect("most plans are like this");
        let (culprit, fault) = (plan.values[plan.values.len() / 2], plan.faults[1].clone());
        let fails = |plan: &Plan| {
            plan.values
                .iter()
                .any(|(at, _, value)| (*at, *value) == (culprit.0, culprit.2))
                && plan.faults.iter().any(|other| other.start == fault.start)
                && plan.nodes >= 3
        };
        let small = shrink(&plan, fails);
        assert_eq!(
            (small.values.len(), small.faults.len(), small.nodes),
            (1, 1, 3)
        );
        assert_eq!(
            (small.loss, small.duplicate, small.reorder),
            (0.0, 0.0, 0.0)
        );
    }
}
