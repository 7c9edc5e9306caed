//! A cluster in the hands of a plan.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use hubcast::event::Event as Noticed;
use hubcast::json::Json;
use hubcast::link::{self, Marks};
use hubcast::message::Message;
use hubcast::time::Instant;
use hubcast::workload::Name;
use hubcast::workload::broadcast::{Broadcast, GSet};
use hubcast::workload::counter::{GCounter, PnCounter};
use hubcast::workload::log::Log;
use hubcast::workload::txn::Txn;
use hubcast::workload::unique_ids::UniqueIds;

use super::Tally;
use super::plan::{MAX_DELAY, Plan, What};
use super::promises::{Joined, Promises};
use super::set::Set;
use crate::nodes::cluster::{self, Cluster, Step};
use crate::world::network::{Distribution, Network, Weather};
use crate::world::rng::Rng;

/// The most steps of a run. The largest runs have some hundred thousand; more
/// than this is a storm of messages that feeds itself.
const MAX_STEPS: u64 = 20_000_000;

/// A line between nodes that is under way, and what the judge needs of it.
#[derive(Clone, Debug)]
struct Packet {
    src: usize,
    dest: usize,
    /// The sender's incarnation, and the receiver's, as the sender knows it.
    epoch: u64,
    peer: u64,
    line: Rc<[u8]>,
    items: Rc<[Json<'static>]>,
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
    cluster: Cluster<Event>,
    network: Network,
    rng: Rng,
    /// How many faults pause a node, and how many keep it dead.
    pauses: Vec<u32>,
    deaths: Vec<u32>,
    /// Each node's incarnation, with all that it was told so far.
    epochs: Vec<u64>,
    /// The newest incarnation of its neighbours (second) that a node (first) heard of
    /// in this incarnation.
    heard: BTreeMap<(usize, usize), u64>,
    healed: bool,
    /// Since when nobody was cut off, paused, killed or came back.
    stood: Instant,
    /// When each node was last asked for something, and when that last was news to it.
    asked: Vec<Instant>,
    accepted: Vec<Instant>,
    /// What the workload promises.
    promises: Box<dyn Promises>,
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

/// Who judges this run.
fn promises(plan: &Plan) -> Box<dyn Promises> {
    match plan.config.workload {
        Name::Broadcast | Name::Echo => Box::new(Set::<Broadcast>::new(plan)),
        Name::GSet => Box::new(Set::<GSet>::new(plan)),
        Name::UniqueIds => Box::new(Joined::<UniqueIds>::new(plan)),
        Name::GCounter => Box::new(Joined::<GCounter>::new(plan)),
        Name::PnCounter => Box::new(Joined::<PnCounter>::new(plan)),
        Name::Kafka => Box::new(Joined::<Log>::new(plan)),
        Name::Txn => Box::new(Joined::<Txn>::new(plan)),
    }
}

/// As [`run`], and a panic is a failure like any other: it too has a seed.
pub fn run_caught(plan: &Plan) -> Result<Tally, String> {
    std::panic::catch_unwind(|| run(plan)).unwrap_or_else(|_| Err("a panic; see stderr".into()))
}

impl<'a> World<'a> {
    fn new(plan: &'a Plan) -> World<'a> {
        let weather = Weather {
            latency: plan.latency,
            latency_dist: plan.latency_dist,
            loss: plan.loss,
            duplicate: plan.duplicate,
            service: Duration::ZERO,
        };
        let mut cluster = Cluster::new(plan.nodes, &plan.config);
        cluster.rewrite_at(plan.least_long, plan.room);
        cluster.init();
        cluster.stall(plan.stalls, plan.seed);
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
            network: Network::new(plan.nodes, weather, plan.seed),
            rng: Rng::new(plan.seed, "reorder"),
            deaths: vec![0; plan.nodes],
            epochs: vec![plan.config.epoch; plan.nodes],
            heard: BTreeMap::new(),
            pauses: vec![0; plan.nodes],
            healed: false,
            stood: Instant::ZERO,
            asked: vec![Instant::ZERO; plan.nodes],
            accepted: vec![Instant::ZERO; plan.nodes],
            promises: promises(plan),
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
        self.promises.is_complete(self.cluster.nodes())
    }

    /// Nothing is left to do: then everything must be done.
    fn finish(&mut self, complete: Option<Instant>) -> Result<(), String> {
        self.promises.finished(self.cluster.nodes())?;
        for (index, node) in self.cluster.nodes().iter().enumerate() {
            let mut links = node.links().into_iter();
            if let Some((peer, _)) = links.find(|(_, link)| !link.is_quiet) {
                return Err(format!(
                    "no timer is left, and n{index} has unacked values for {peer}"
                ));
            }
        }
        let complete = complete.ok_or("the run ended before the heal")?;
        self.tally.recovery = (complete - self.plan.heal).div_duration_f64(self.plan.bound());
        self.tally.gone = self.promises.gone();
        self.tally.unwritten = self.cluster.unwritten();
        self.tally.stalling = u64::from(!self.plan.stalls[0].is_zero());
        self.tally.jvm = u64::from(self.plan.latency_dist == Distribution::Jvm);
        let links = self.cluster.nodes().iter().flat_map(|node| node.links());
        self.tally.retransmitted = links.map(|(_, link)| link.stats.retransmitted).sum();
        Ok(())
    }

    /// Who is to do something at `next`, though nothing is left to do.
    fn unquiet(&self, next: Instant) -> String {
        let nodes = self.cluster.nodes().iter().enumerate();
        let due = nodes.filter(|(_, node)| node.poll_timeout() == Some(next));
        let links =
            due.flat_map(|(index, node)| node.links().into_iter().map(move |link| (index, link)));
        let due = links.filter(|(_, (_, link))| link.due == Some(next));
        let names: Vec<String> = due
            .map(|(index, (peer, link))| format!("n{index} for {peer}: {link:?}"))
            .collect();
        format!(
            "every node has everything, and there is no quiet: at {next} s there is something to do at {names:?}"
        )
    }

    fn unfinished(&self) -> String {
        let nodes = self.cluster.nodes().iter();
        let held: Vec<u64> = nodes.map(|node| node.items()).collect();
        format!(
            "{:.1} s after the heal something is missing: of what was sent the nodes hold {held:?}",
            self.plan.bound().as_secs_f64(),
        )
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            // A client finds nobody there.
            Event::Values(node, _) if self.cluster.is_down(node) => Ok(()),
            Event::Values(node, values) => {
                self.tally.values += values.len() as u64;
                let lines = values
                    .iter()
                    .map(|&value| self.promises.request(node, value));
                let lines: Vec<Vec<u8>> = lines.collect();
                let held = self.cluster.nodes()[node].items();
                self.tell(node, &lines)?;
                self.asked[node] = self.cluster.now();
                if self.cluster.nodes()[node].items() > held {
                    self.accepted[node] = self.cluster.now();
                }
                Ok(())
            }
            Event::Deliver(packet) => self.deliver(&packet),
            Event::Begin(fault) => {
                self.look_at_components()?;
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
                    What::Kill {
                        nodes,
                        steps,
                        draw,
                        loses,
                        ..
                    } => {
                        for &index in nodes {
                            self.deaths[index] += 1;
                            if steps.is_none_or(|steps| !self.cluster.arm(index, steps)) {
                                self.kill(index, *draw, *loses);
                            }
                        }
                    }
                }
                Ok(())
            }
            Event::End(fault) => {
                self.look_at_components()?;
                self.end(fault)
            }
            Event::Heal => {
                // All faults end at the heal at the latest; loss, duplication
                // and reordering do now.
                self.look_at_components()?;
                self.healed = true;
                Ok(())
            }
        }
    }

    fn end(&mut self, fault: usize) -> Result<(), String> {
        match &self.plan.faults[fault].what {
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
            What::Kill {
                nodes,
                draw,
                clock,
                loses,
                ..
            } => {
                for &index in nodes {
                    self.deaths[index] -= 1;
                    if self.deaths[index] == 0 {
                        // It may have written nothing in all that time.
                        self.kill(index, *draw, *loses);
                        self.start(index, *clock, *loses)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Something is about to change. Some nodes have heard one another, and no others both
    /// ways, for [long enough](Plan::standing_bound). None of them was asked for anything for
    /// that long, and one has accepted something since they were so. Then they must hold
    /// the same. Without something accepted they need not: what nobody tries to send shows
    /// nobody that the hub is away.
    fn look_at_components(&mut self) -> Result<(), String> {
        let now = self.cluster.now();
        let since = std::mem::replace(&mut self.stood, now);
        let Some(bound) = self.plan.standing_bound() else {
            return Ok(());
        };
        if self.healed || now < since + bound {
            return Ok(());
        }
        let lives = |node: &usize| self.pauses[*node] + self.deaths[*node] == 0;
        let hear = |a: usize, b: usize| !self.network.is_cut(a, b) && !self.network.is_cut(b, a);
        let alive: Vec<usize> = (0..self.plan.nodes).filter(lives).collect();
        let around = |node: usize| {
            alive
                .iter()
                .copied()
                .filter(move |&other| hear(node, other))
        };
        for &first in &alive {
            let component: Vec<usize> = around(first).collect();
            let is_first = component[0] == first && component.len() > 1;
            let stands = |&node: &usize| around(node).eq(component.iter().copied());
            if !is_first || !component.iter().all(stands) {
                continue;
            }
            let rests = component
                .iter()
                .all(|&node| self.asked[node] + bound <= now);
            let speaks = component.iter().any(|&node| self.accepted[node] > since);
            if !rests || !speaks {
                continue;
            }
            self.tally.components += 1;
            if !self.promises.are_alike(self.cluster.nodes(), &component) {
                let nodes = component
                    .iter()
                    .map(|&node| self.cluster.nodes()[node].items());
                return Err(format!(
                    "n{component:?} have heard one another since {since} s, and do not hold the same: {:?}",
                    nodes.collect::<Vec<_>>()
                ));
            }
        }
        Ok(())
    }

    fn kill(&mut self, index: usize, draw: u64, loses: bool) {
        let in_write = self.cluster.is_down(index);
        self.cluster.kill(index, draw ^ index as u64);
        if loses {
            self.cluster.lose_journal(index);
        }
        let forgets = loses || !self.plan.is_durable();
        let unsaved = self.promises.killed(index, forgets);
        self.tally.in_write += u64::from(in_write && unsaved);
    }

    /// Starts a node again. With a journal it must hold what was stored, and may hold
    /// what was about to be.
    fn start(&mut self, index: usize, clock: Option<u64>, loses: bool) -> Result<(), String> {
        self.tally.restarts += 1;
        self.tally.restored += u64::from(self.plan.is_durable() && !loses);
        match clock {
            Some(clock) => self.cluster.start_at(index, clock),
            None => self.cluster.start(index),
        }
        self.tally.set_back += u64::from(clock.is_some());
        self.cluster.init_one(index);
        if let Some(refused) = self.cluster.refused() {
            return Err(refused.into());
        }
        let node = &*self.cluster.nodes()[index];
        self.promises.started(index, node)?;
        let epoch = node.links().first().map_or(0, |(_, link)| link.epochs.0);
        self.begin(index, epoch);
        self.check(index)
    }

    /// A node begins an incarnation, in which it has heard of nobody.
    fn begin(&mut self, index: usize, epoch: u64) {
        self.epochs[index] = epoch;
        self.heard.retain(|(node, _), _| *node != index);
    }

    fn deliver(&mut self, packet: &Packet) -> Result<(), String> {
        let Packet { src, dest, .. } = *packet;
        if self.network.is_cut(src, dest) {
            self.tally.cut_off += 1;
            return Ok(());
        }
        if self.cluster.is_down(dest) {
            return Ok(());
        }
        // Whoever is named with a later epoch begins anew above it.
        if let Some(epoch) = link::raised(self.epochs[dest], packet.peer) {
            self.begin(dest, epoch);
        }
        let heard = self.heard.entry((dest, src)).or_default();
        // A voice from the past is answered, and not believed.
        if packet.epoch >= *heard {
            *heard = packet.epoch;
            self.promises.delivered(dest, &packet.items)?;
        }
        self.tell(dest, &[&packet.line])
    }

    /// Gives a node some lines.
    fn tell<L: AsRef<[u8]>>(&mut self, node: usize, lines: &[L]) -> Result<(), String> {
        if self.cluster.is_down(node) {
            return Ok(());
        }
        self.cluster.tell_all(node, lines.iter().map(AsRef::as_ref));
        self.check(node)
    }

    /// A node says a line, to another node or to a client.
    fn send(&mut self, src: usize, line: &[u8]) -> Result<(), String> {
        let judged = self.read(src, line).map_err(|why| {
            let line = String::from_utf8_lossy(line);
            format!("n{src} says {line}, and {why}")
        });
        let Some(packet) = judged? else {
            return Ok(());
        };
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
        if self.cluster.is_held(index) {
            // It has not done anything yet.
            return Ok(());
        }
        self.tally.steps += 1;
        if self.cluster.is_down(index) {
            if self.deaths[index] == 0 {
                return Err(format!("n{index} has ended by itself"));
            }
            self.stood = self.cluster.now();
            return Ok(());
        }
        while let Some(event) = self.cluster.noticed(index) {
            self.tally.torn += u64::from(matches!(event, Noticed::Torn { .. }));
            self.tally.raised += u64::from(matches!(event, Noticed::Raised { .. }));
            // A root may have to wait for what a silent node holds, and says so.
            let waits = event.to_string().contains("the root has to hear first");
            if matches!(event, Noticed::Ignored { .. } | Noticed::Refused { .. }) && !waits {
                return Err(format!("n{index} had to refuse what it was told: {event}"));
            }
        }
        let node = &self.cluster.nodes()[index];
        self.promises.checked(index, &**node)?;
        let now = self.cluster.now();
        if let Some(timer) = node.poll_timeout().filter(|&timer| timer <= now) {
            return Err(format!(
                "n{index} wants to be woken at {timer} s, which is past"
            ));
        }
        let own = cluster::name(index);
        for (peer, link) in node.links() {
            let there = cluster::index(peer).ok_or("a peer without a number")?;
            let mut links = self.cluster.nodes()[there].links().into_iter();
            // Who stands in for a hub may be sought without knowing it yet.
            let Some((_, back)) = links.find(|(name, _)| *name == own) else {
                continue;
            };
            let same = link.epochs == (back.epochs.1, back.epochs.0);
            let ahead = |here: &Marks, there: &Marks| here.received > there.nxt;
            if same && (ahead(&link, &back) || ahead(&back, &link)) {
                return Err(format!(
                    "between n{index} and {peer} more was received than was sent"
                ));
            }
        }
        Ok(())
    }

    /// Reads a line of node `src` as what it must be: a segment or a digest for another
    /// node, or an answer to a client, which the promises judge.
    fn read(&mut self, src: usize, line: &[u8]) -> Result<Option<Packet>, String> {
        let json = Json::parse(line).map_err(|error| error.to_string())?;
        let message = Message::read(&json)?;
        if message.is_reply {
            self.promises.answered(src, message.body.0)?;
            return Ok(None);
        }
        let (epoch, peer) = (message.body.count("epoch")?, message.body.count("peer")?);
        let items = json.get("body").and_then(|body| body.get("values"));
        let items = items.and_then(Json::as_array).unwrap_or(&[]).iter();
        let items: Vec<Json<'static>> = items.map(Json::to_static).collect();
        Ok(Some(Packet {
            epoch,
            peer,
            src,
            dest: cluster::index(message.dest).ok_or("it is to nobody there is")?,
            line: line.into(),
            items: items.into(),
        }))
    }
}
