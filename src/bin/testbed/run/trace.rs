//! A story of some nodes, told event by event: `./run.sh trace [FILE]`.
//!
//! A [script](crate::run::story) says what is done to the nodes; they play it in virtual
//! time. Each line has the clock, a space-time diagram (a lane a node, time going down)
//! and, in plain words, who did what and why. The nodes are the real ones; the words
//! come from what they say, on the wire and in their events. What is said about the future
//! (when a batch departs, when the next try is) is asked of a copy of the node, which
//! lives on alone. A node without I/O can be copied, and its clock can be put forward. So
//! the answer holds as long as the node hears nothing else, and whatever moves it is told,
//! with its reason.
//!
//! A node that is down loses what is sent to it: a process that is gone has no inbox. (A
//! run such as `./run.sh crash` keeps ten messages until it is back, as Maelstrom does.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::time::Duration;

use hubcast::config::Config;
use hubcast::event::{Event, Level, Towards};
use hubcast::interval_set::IntervalSet;
use hubcast::json::Json;
use hubcast::link::{self, BACKOFF_CAP, Link, Segment};
use hubcast::message::{Fields, Message};
use hubcast::time::Instant;
use hubcast::workload::broadcast::Broadcast;

use crate::nodes::cluster::{self, Cluster, Step};
use crate::run::arguments;
use crate::run::recording::Recording;
use crate::run::story::{Act, Story};

/// The story that is told without a script.
pub const TOUR: &str = include_str!("../../../../tests/stories/tour.story");

/// How long a story without an `end` goes on after its last event while the nodes are
/// not quiet: somebody who is cut off for good is probed for good.
///
/// Unit: time. Longer than three tries of a leaf, and than what follows a restart.
const PATIENCE: Duration = Duration::from_secs(10);

/// The columns of one lane of the diagram.
const LANE: usize = 5;

/// The columns before the first lane: the clock.
const CLOCK: usize = 11;

/// The most columns of a line.
const WIDTH: usize = 100;

/// A lane's colours on a terminal: delta green, ack blue, loss red, rest plain.
const COLOURS: [(Tone, &str); 4] = [
    (Tone::Delta, "\x1b[32m"),
    (Tone::Ack, "\x1b[34m"),
    (Tone::Trouble, "\x1b[31m"),
    (Tone::Scene, "\x1b[1m"),
];

/// What the marks mean.
const LEGEND: &str = "\
@ a client gives a value     o sends    *<--- arrives    x--- is lost    # what the author does
[ waits for company          ! notices or decides something; the reason stands behind it
";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tone {
    Plain,
    Delta,
    Ack,
    Trouble,
    Scene,
}

/// What is to come.
#[derive(Debug)]
enum Cue {
    Act(Act),
    Deliver(Packet),
}

/// A line between nodes that is under way, as it is and as it reads.
#[derive(Debug)]
struct Packet {
    /// Its number in the recording, and among the messages between nodes, from 0 on.
    id: u64,
    number: u64,
    src: usize,
    dest: usize,
    line: Vec<u8>,
    /// In few words: what, from which offset on, and its ack.
    what: String,
    tone: Tone,
    items: Vec<i64>,
    /// One past the last offset of its items; `None`: it has none.
    end: Option<u64>,
    /// It is an ack alone, and that is all that it says.
    only_acks: bool,
    names_holes: bool,
    probe: bool,
    /// Its sender needs the other one in the hub's place.
    need: bool,
}

/// Why a node has a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    /// A client or the author.
    Author,
    Timer,
    /// A neighbour's message.
    Heard {
        from: usize,
        names_holes: bool,
        probe: bool,
    },
}

/// When a node tries a suspect again by that link's own timer, and why then.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    at: Option<Instant>,
    why: &'static str,
}

/// A story that was told.
#[derive(Debug, Default)]
pub struct Told {
    /// As it is printed.
    pub text: String,
    /// Its sentences one by one.
    pub sentences: Vec<Sentence>,
    /// How many messages did not arrive.
    pub dropped: u64,
}

/// One event in plain words.
#[derive(Clone, Debug)]
pub struct Sentence {
    /// When.
    pub at: Instant,
    /// Who did it.
    pub node: Option<usize>,
    /// The mark on its lane; a blank if there is none.
    pub mark: char,
    /// The message that it is about: its number among those between nodes, from 0 on.
    pub message: Option<u64>,
    /// Whether that has just ended its way.
    pub is_arrival: bool,
    /// The words.
    pub words: String,
}

struct Stage {
    cluster: Cluster<Cue>,
    /// When the curtain rose: the story's clock begins then.
    began: Duration,
    nodes: usize,
    latency: Duration,
    journal: bool,
    lose: Vec<(usize, usize)>,
    /// The directions in which nothing passes.
    cut: BTreeSet<(usize, usize)>,
    cause: Cause,
    plans: BTreeMap<(usize, usize), Plan>,
    /// Since when a node waits for an answer to a digest.
    asked: BTreeMap<(usize, usize), Instant>,
    /// Since when the first waits for the second to acknowledge something new.
    waits: BTreeMap<(usize, usize), Instant>,
    /// One past the last offset that the first sent the second.
    sent: BTreeMap<(usize, usize), u64>,
    /// How long an ack waits for a ride.
    ack_delay: Duration,
    messages: u64,
    /// How many lines were recorded.
    lines: u64,
    /// The values that clients wait to see answered, by the number of the request.
    asked_for: BTreeMap<i64, i64>,
    /// The values that were answered.
    given: BTreeSet<i64>,
    /// The message that is talked about.
    about: Option<u64>,
    recording: Option<Recording>,
    /// What has become of the recording.
    recorded: io::Result<()>,
    colour: bool,
    told: Told,
}

/// Tells a story. With `colour`, lines are coloured for a terminal.
///
/// # Errors
///
/// Whatever the file system says about the recording.
pub fn tell(story: &Story, colour: bool, recording: Option<Recording>) -> io::Result<Told> {
    let config = Config {
        log: Level::Debug,
        within: story.within,
        // In memory a journal needs a name, and no folder.
        data_dir: story.journal.then(|| "journals".into()),
        ..Config::default()
    };
    let mut stage = Stage {
        cluster: Cluster::new(story.nodes, &config),
        began: Duration::ZERO,
        nodes: story.nodes,
        latency: story.latency,
        journal: story.journal,
        lose: Vec::new(),
        cut: BTreeSet::new(),
        cause: Cause::Author,
        plans: BTreeMap::new(),
        asked: BTreeMap::new(),
        waits: BTreeMap::new(),
        sent: BTreeMap::new(),
        ack_delay: link::ack_delay(story.within),
        messages: 0,
        lines: 0,
        asked_for: BTreeMap::new(),
        given: BTreeSet::new(),
        about: None,
        recording,
        recorded: Ok(()),
        colour,
        told: Told::default(),
    };
    stage.begin(story);
    let last = story.acts.last();
    let last = last.map_or(Instant::ZERO, |(at, _)| *at);
    let how = stage.play(last + stage.began + PATIENCE);
    stage.end(how);
    stage.record(|recording, _| recording.flush());
    stage.recorded.map(|()| stage.told)
}

impl Stage {
    fn begin(&mut self, story: &Story) {
        self.cluster.init();
        // With journals they have noticed already that these are empty.
        (0..self.nodes).for_each(|node| drop(self.drain(node)));
        if story.warm {
            self.warm_up();
        }
        self.told.text.push_str(LEGEND);
        let lanes: String = (0..self.nodes)
            .map(|node| format!("n{node:<w$}", w = LANE - 1))
            .collect();
        let leaves = match self.nodes {
            2 => "n1 is its leaf".into(),
            3 => "n1 and n2 are its leaves".into(),
            nodes => format!("n1 to n{} are its leaves", nodes - 1),
        };
        let ms = self.latency.as_millis();
        let words = format!("n0 is the hub, {leaves}; a message takes {ms} ms");
        let _ = writeln!(self.told.text, "   clock   {lanes} {words}");
        for (at, act) in &story.acts {
            self.cluster.at(*at + self.began, Cue::Act(act.clone()));
        }
    }

    /// Each node is given a value, behind the curtain, until all is quiet.
    fn warm_up(&mut self) {
        let recording = self.recording.take();
        (0..self.nodes).for_each(|node| self.broadcast(node, node as i64 + 1));
        self.play(Instant::ZERO + PATIENCE * 100);
        self.began = self.cluster.now() - Instant::ZERO;
        (self.recording, self.told) = (recording, Told::default());
        (self.messages, self.lines) = (0, 0);
        self.given.clear();
    }

    /// Plays until `end`, or until all is over. Gives how that is.
    fn play(&mut self, end: Instant) -> &'static str {
        while self.cluster.due().is_some_and(|due| due <= end)
            && let Some(step) = self.cluster.next()
        {
            match step {
                Step::Event(Cue::Act(Act::End)) => return "the end",
                Step::Event(Cue::Act(act)) => self.act(act),
                Step::Event(Cue::Deliver(packet)) => self.deliver(packet),
                Step::Timer(node) => {
                    self.cause = Cause::Timer;
                    let events = self.drain(node);
                    self.noticed(node, events);
                }
                Step::Said(node, line) => self.send(node, line),
            }
        }
        match self.cluster.due() {
            None => "all is quiet",
            Some(_) => "so it goes on",
        }
    }

    /// A moment on the story's clock.
    fn clock(&self, at: Instant) -> f64 {
        (at - self.began).as_micros() as f64 / 1e6
    }

    /// The last line: who holds what.
    fn end(&mut self, how: &str) {
        let list = |values: &[i64]| {
            let values: Vec<String> = values.iter().map(i64::to_string).collect();
            values.join(" ")
        };
        let mut short: Vec<String> = Vec::new();
        let mut lost: Vec<i64> = self.given.iter().copied().collect();
        for node in 0..self.nodes {
            if self.cluster.is_down(node) {
                short.push(format!("n{node} is down"));
                continue;
            }
            let held = self.values(node);
            lost.retain(|value| !held.contains(*value));
            let lacks = self.given.iter().copied();
            let lacks: Vec<i64> = lacks.filter(|value| !held.contains(*value)).collect();
            if !lacks.is_empty() {
                short.push(format!("n{node} lacks {}", list(&lacks)));
            }
        }
        let given: Vec<i64> = self.given.iter().copied().collect();
        let mut verdict = match (given.is_empty(), short.is_empty()) {
            (true, _) => "there was nothing to tell".into(),
            (_, true) => format!("all hold {}", list(&given)),
            (_, false) => format!("of {} {}", list(&given), short.join(", ")),
        };
        if !lost.is_empty() {
            verdict = format!("nobody holds {}, which was answered", list(&lost));
        }
        let words = format!("{how} after {} messages: {verdict}", self.messages);
        self.line(Tone::Scene, &[], &words);
    }

    fn values(&self, node: usize) -> &IntervalSet {
        self.cluster.node::<Broadcast>(node).workload().values()
    }

    fn record(&mut self, what: impl FnOnce(&mut Recording, Instant) -> io::Result<()>) {
        if let (Some(recording), Ok(())) = (&mut self.recording, &self.recorded) {
            self.recorded = what(recording, self.cluster.now() - self.began);
        }
    }

    /// A line is under way; gives its number.
    fn record_send(&mut self, line: &[u8]) -> u64 {
        self.lines += 1;
        let id = self.lines;
        self.record(|recording, now| recording.send(now, id, line));
        id
    }

    /// One event: clock, lanes with `marks` in them, words, on as many lines as they need.
    fn line(&mut self, tone: Tone, marks: &[(usize, char)], words: &str) {
        self.told.sentences.push(Sentence {
            at: self.cluster.now() - self.began,
            node: marks.last().map(|(node, _)| *node),
            mark: marks.last().map_or(' ', |(_, mark)| *mark),
            message: self.about,
            is_arrival: marks.len() == 2,
            words: words.into(),
        });
        let mut lanes: Vec<char> = "|".chars().chain(" ".repeat(LANE - 1).chars()).collect();
        lanes = lanes.repeat(self.nodes);
        let plain: String = lanes.iter().collect();
        if let [(from, _), (to, head)] = marks {
            // An arrival: a line from lane to lane.
            let (left, right) = (from.min(to) * LANE, from.max(to) * LANE);
            for (at, cell) in lanes.iter_mut().enumerate().take(right).skip(left + 1) {
                *cell = if at % LANE == 0 { '+' } else { '-' };
            }
            let before = if from < to { right - 1 } else { left + 1 };
            lanes[before] = if *head == 'x' {
                'x'
            } else if from < to {
                '>'
            } else {
                '<'
            };
        }
        for (lane, mark) in marks {
            lanes[lane * LANE] = if *mark == 'x' { '|' } else { *mark };
        }
        let lanes: String = lanes.into_iter().collect();
        let start = COLOURS.iter().find(|(own, _)| self.colour && *own == tone);
        let (start, end) = start.map_or(("", ""), |(_, code)| (*code, "\x1b[0m"));
        let clock = format!("{:>7.3} s  ", self.clock(self.cluster.now()));
        let room = WIDTH - CLOCK - LANE * self.nodes - 1;
        for (index, words) in arguments::wrap(words, room).iter().enumerate() {
            let (clock, lanes) = match index {
                0 => (clock.as_str(), &lanes),
                _ => ("", &plain),
            };
            let line = format!("{clock:CLOCK$}{lanes} {words}");
            let _ = writeln!(self.told.text, "{start}{}{end}", line.trim_end());
        }
    }

    fn act(&mut self, act: Act) {
        self.cause = Cause::Author;
        let (node, words) = match act {
            Act::Broadcast(node, value) => return self.broadcast(node, value),
            Act::LoseNext(from, to) => return self.lose.push((from, to)),
            Act::Say(text) => return self.line(Tone::Scene, &[], &text),
            // `play` ends with it.
            Act::End => return,
            Act::Isolate(node) => {
                let others = (0..self.nodes).filter(|other| *other != node);
                let both = others.flat_map(|other| [(node, other), (other, node)]);
                let both: Vec<(usize, usize)> = both.collect();
                self.cut_off("one", both);
                let words = format!("PARTITION: n{node} is cut off from all others");
                (node, words)
            }
            Act::Cut(src, dest) => {
                self.cut_off("one-way", [(src, dest)]);
                let words = format!("ONE-WAY CUT: what n{src} sends n{dest} does not arrive");
                (src, words)
            }
            Act::Heal => {
                let count = |node: usize| self.cut.iter().filter(|(src, _)| *src == node).count();
                let node = (0..self.nodes).max_by_key(|node| count(*node));
                let node = node.unwrap_or_default();
                self.cut.clear();
                self.record(Recording::heal);
                let words = "HEAL: the network is whole again; nobody is told";
                (node, words.into())
            }
            Act::Kill(node) => {
                self.cluster.kill(node, 0);
                self.record(|recording, now| recording.nodes(now, "kill", "one", &[node]));
                self.waits.retain(|(src, _), _| *src != node);
                self.sent.retain(|(src, _), _| *src != node);
                self.plans.retain(|(src, _), _| *src != node);
                self.asked.retain(|(src, _), _| *src != node);
                let left = match self.journal {
                    true => "its memory is gone, its journal is not",
                    false => "its memory is gone",
                };
                (node, format!("KILL: n{node} stops without a word; {left}"))
            }
            Act::Start(node) => {
                self.record(|recording, now| recording.nodes(now, "start", "one", &[node]));
                (node, format!("START: n{node} starts anew"))
            }
        };
        self.line(Tone::Scene, &[(node, '#')], &words);
        if words.starts_with("START") {
            self.cluster.start(node);
            self.cluster.init_one(node);
            let events = self.drain(node);
            self.noticed(node, events);
        }
    }

    fn cut_off(&mut self, kind: &'static str, more: impl IntoIterator<Item = (usize, usize)>) {
        if !self.cut.is_empty() {
            // That cut goes on in this one.
            self.record(Recording::heal);
        }
        self.cut.extend(more);
        let cut: Vec<(usize, usize)> = self.cut.iter().copied().collect();
        self.record(|recording, now| recording.cut(now, kind, &cut));
    }

    fn broadcast(&mut self, node: usize, value: i64) {
        let answer = match self.cluster.is_down(node) {
            true => "it is down, so nobody takes it",
            false => "it is answered at once",
        };
        let words = format!("a client gives n{node} the value {value}; {answer}");
        self.line(Tone::Plain, &[(node, '@')], &words);
        let msg_id = self.lines as i64;
        self.asked_for.insert(msg_id, value);
        let request = cluster::line(&format!("c{node}"), &cluster::name(node), |body| {
            body.word("type", "broadcast");
            body.int("msg_id", msg_id);
            body.int("message", value);
        });
        self.record_send(&request);
        self.hand(node, &request, None);
    }

    /// A client has its answer.
    fn answered(&mut self, line: &[u8]) {
        self.record_send(line);
        let Ok(json) = Json::parse(line) else { return };
        let body = json.get("body");
        let reply = body.and_then(|body| body.get("in_reply_to"));
        let value = reply.and_then(Json::as_int);
        let value = value.and_then(|reply| self.asked_for.remove(&reply));
        self.given.extend(value);
    }

    fn deliver(&mut self, packet: Packet) {
        let (src, dest) = (packet.src, packet.dest);
        let id = packet.id;
        self.about = Some(packet.number);
        let gone = match () {
            () if self.cut.contains(&(src, dest)) => {
                Some(("partition", "dropped by the cut".into()))
            }
            () if self.cluster.is_down(dest) => Some(("down", format!("dropped, n{dest} is down"))),
            () => None,
        };
        if let Some((why, words)) = gone {
            self.told.dropped += 1;
            self.record(|recording, now| recording.dropped(now, id, why));
            let words = format!("{} for n{dest}: {words}", packet.what);
            self.line(Tone::Trouble, &[(src, '|'), (dest, 'x')], &words);
            self.about = None;
            return;
        }
        self.record(|recording, now| recording.recv(now, id));
        let words = format!("n{dest} gets {}{}", packet.what, self.news(&packet));
        self.line(packet.tone, &[(src, '|'), (dest, '*')], &words);
        self.about = None;
        self.cause = Cause::Heard {
            from: src,
            names_holes: packet.names_holes,
            probe: packet.probe,
        };
        let una = self.una(dest, src);
        self.hand(dest, &packet.line, Some(src));
        self.asked.remove(&(dest, src));
        let open = self.sent.get(&(dest, src)) > self.una(dest, src).as_ref();
        if self.una(dest, src) != una || !open {
            // Something new was acknowledged, or nothing was to be: the wait is over, or
            // begins anew.
            self.waits.remove(&(dest, src));
            if open {
                self.waits.insert((dest, src), self.cluster.now());
            }
        }
    }

    fn link(&self, node: usize, peer: usize) -> Option<&Link<i64>> {
        let peer = cluster::name(peer);
        let mut links = self.cluster.node::<Broadcast>(node).links();
        links.find(|(name, _)| *name == peer).map(|(_, link)| link)
    }

    /// Below which offset the second has acknowledged what the first sent it.
    fn una(&self, node: usize, peer: usize) -> Option<u64> {
        self.link(node, peer).map(|link| link.marks().una)
    }

    /// Whether the first knows how far it is to the second.
    fn is_measured(&self, node: usize, peer: usize) -> bool {
        let link = self.link(node, peer);
        link.is_some_and(|link| link.round_trip().is_measured())
    }

    fn is_suspect(&self, node: usize, peer: usize) -> bool {
        self.link(node, peer).is_some_and(Link::is_suspect)
    }

    /// How much of a message is news to whom it is for.
    fn news(&self, packet: &Packet) -> &'static str {
        let items = packet.items.iter();
        let known = items.filter(|&&value| self.values(packet.dest).contains(value));
        match known.count() {
            0 => "",
            known if known == packet.items.len() => ": nothing new",
            _ => ": some of it new",
        }
    }

    /// Gives a node a line, of node `src` or of a client.
    fn hand(&mut self, node: usize, line: &[u8], src: Option<usize>) {
        let towards = if node == 0 {
            Towards::Leaves
        } else {
            Towards::Hub
        };
        let waited = self.departure(node, towards);
        let knew_the_way = src.is_none_or(|src| self.is_measured(node, src));
        let suspect = src.filter(|src| self.is_suspect(node, *src));
        self.cluster.tell(node, line);
        let events = self.drain(node);
        if let Some(src) = suspect.filter(|src| self.is_suspect(node, *src)) {
            let words = format!("n{node} hears from its suspect n{src}: a sign of life");
            self.line(Tone::Scene, &[(node, '!')], &words);
        }
        // By less than the clock of the story shows is no move.
        let has_moved = |at: &Instant| {
            waited.is_none_or(|was| was.max(*at) - was.min(*at) >= Duration::from_millis(1))
        };
        if let Some(at) = self.departure(node, towards).filter(has_moved) {
            let wait = (at - self.cluster.now()).as_millis();
            let at = self.clock(at);
            let words = match (towards, waited, src) {
                (Towards::Leaves, None, _) => {
                    format!("its batch begins: departs at {at:.3} s, in {wait} ms")
                }
                (Towards::Hub, None, _) => {
                    format!("holds it back until {at:.3} s: n0 gathers that long")
                }
                (_, Some(_), src) => {
                    let by = src.map_or("the client".into(), cluster::name);
                    let how = match src.is_some_and(|src| self.is_measured(node, src)) {
                        true if !knew_the_way => "answer measures the way and",
                        _ => "message",
                    };
                    format!("{by}'s {how} moves its batch: departs at {at:.3} s, in {wait} ms")
                }
            };
            self.line(Tone::Plain, &[(node, '[')], &words);
        }
        self.noticed(node, events);
    }

    /// What a node has noticed in its last turn.
    fn drain(&mut self, node: usize) -> Vec<Event> {
        let events: Vec<Event> = std::iter::from_fn(|| self.cluster.noticed(node)).collect();
        for event in &events {
            self.record(|recording, now| recording.log(now, &cluster::name(node), event));
        }
        events
    }

    /// How far a copy of a node looks ahead: longer than any of its timers.
    fn ahead(&self) -> Instant {
        self.cluster.now() + BACKOFF_CAP + self.ack_delay + self.latency * 10
    }

    /// When a node notices something for the first time from now on, if it hears
    /// nothing more: asked of a copy of it.
    fn foresee(&self, node: usize, what: impl Fn(&Event) -> bool) -> Option<Instant> {
        let mut copy = self.cluster.nodes()[node].copy();
        while copy.poll_event().is_some() {}
        let end = self.ahead();
        while let Some(at) = copy.poll_timeout().filter(|at| *at <= end) {
            copy.end_turn(at);
            let _ = copy.poll_persist(&mut Vec::new());
            while copy.poll_transmit(&mut Vec::new()) {}
            while let Some(event) = copy.poll_event() {
                if what(&event) {
                    return Some(at);
                }
            }
        }
        None
    }

    /// When the batch of a node departs, if there is one.
    fn departure(&self, node: usize, direction: Towards) -> Option<Instant> {
        self.foresee(
            node,
            |event| matches!(event, Event::Departs(towards) if *towards == direction),
        )
    }

    /// When a node tries a suspect by that link's own timer: asked of a copy of the link.
    fn own_try(&self, node: usize, peer: usize) -> Option<Instant> {
        let mut copy = self.link(node, peer)?.clone();
        let end = self.ahead();
        while let Some(at) = copy.poll_timeout().filter(|at| *at <= end) {
            copy.handle_timeout(at);
            while let Some(segment) = copy.poll_transmit(at, true) {
                if segment.probe && !segment.digest {
                    return Some(at);
                }
            }
        }
        None
    }

    /// What a node has noticed, in plain words.
    fn noticed(&mut self, node: usize, events: Vec<Event>) {
        for event in &events {
            // Nothing is refused on this stage. That a leaf's batch departs shows in
            // what it sends.
            if let Some(words) = self.words(node, event, &events) {
                self.line(Tone::Plain, &[(node, '!')], &words);
            }
        }
        self.plan(node, &events);
    }

    fn words(&mut self, node: usize, event: &Event, turn: &[Event]) -> Option<String> {
        Some(match event {
            Event::Departs(Towards::Leaves) => {
                "its batch departs: one delta to each leaf that misses something".into()
            }
            Event::Suspect(peer, _) => {
                let key = (node, cluster::index(peer).unwrap_or_default());
                let (what, since) = match self.asked.get(&key) {
                    Some(at) => ("answer", Some(at)),
                    None => ("ack", self.waits.get(&key)),
                };
                let since = since.map_or(Duration::ZERO, |at| self.cluster.now() - *at);
                let seconds = since.as_secs_f64();
                format!("no {what} from {peer} for {seconds:.2} s: {peer} is suspect")
            }
            Event::Healthy(peer) => {
                format!("{peer} has answered: it is healthy again, what waited goes")
            }
            Event::Hole(peer, missing, _) => {
                format!("offset {missing} is missing and overdue: asks {peer} for it")
            }
            Event::Resent(peer, offset, items) => self.resent(node, peer, *offset, *items, turn),
            Event::StandIn(peer) => {
                // Of the two it is the one before the other in the list.
                let first = cluster::index(peer).unwrap_or_default().min(node);
                format!("{peer} has answered: n{first} stands in for n0")
            }
            Event::Restarted(peer) => format!("{peer} has a higher epoch: it has started anew"),
            Event::Sync(peer) => self.digest(node, peer, turn),
            Event::Restored(items, epoch) => {
                format!("reads its journal: {items} values; its incarnation {epoch} begins")
            }
            Event::FromThePast(peer, _) => {
                format!("that was said by a former incarnation of {peer}: only answered")
            }
            Event::Raised(peer, named, epoch) => format!(
                "{peer} knows its incarnation {named}: the clock was set back; {epoch} begins"
            ),
            Event::PromiseBroken(within, network) => format!(
                "a round trip takes {network} ms of the promised {within}: all departs at once"
            ),
            Event::PromiseKept(within, network) => format!(
                "a round trip takes {network} ms of the promised {within}: batches may wait again"
            ),
            _ => return None,
        })
    }

    /// Why a digest is sent.
    fn digest(&mut self, node: usize, peer: &str, turn: &[Event]) -> String {
        let index = cluster::index(peer).unwrap_or_default();
        let key = (node, index);
        let restarted = |event: &Event| matches!(event, Event::Restarted(p) if p == peer);
        let stands_in = |event: &Event| matches!(event, Event::StandIn(p) if p == peer);
        let is_heard = self
            .link(node, index)
            .is_some_and(|link| link.epochs().1 > 0);
        let why = match self.cause {
            _ if turn.iter().any(restarted) => "it may lack all of it",
            _ if turn.iter().any(stands_in) => "it may lack some of it",
            Cause::Heard { from, probe, .. } if from == index && probe => "was asked",
            Cause::Heard { .. } => "it knew a former incarnation",
            _ if self.asked.contains_key(&key) => "no answer: again",
            Cause::Author => "it may lack what came since",
            Cause::Timer if is_heard => "does it know this incarnation?",
            Cause::Timer => "greeting: nothing heard yet",
        };
        self.asked.entry(key).or_insert(self.cluster.now());
        format!("tells {peer} in ranges what it holds ({why})")
    }

    /// What is sent again, why, and when the next time is.
    fn resent(&self, node: usize, peer: &str, offset: u64, items: usize, turn: &[Event]) -> String {
        let index = cluster::index(peer).unwrap_or_default();
        if !self.is_suspect(node, index) {
            let healthy = |event: &Event| matches!(event, Event::Healthy(p) if p == peer);
            let why = match self.cause {
                _ if turn.iter().any(healthy) => "most likely sent into the void",
                Cause::Heard {
                    names_holes: true, ..
                } => "a hole, named as missing",
                _ => "should be acknowledged by now",
            };
            let items = match items {
                1 => "an item".into(),
                items => format!("{items} items"),
            };
            return format!("sends {peer} {items} again, from {offset} on: {why}");
        }
        let timed_out = |event: &Event| matches!(event, Event::Suspect(p, _) if p == peer);
        let plan = self.plans.get(&(node, index));
        let plan = plan.filter(|plan| plan.at == Some(self.cluster.now()));
        let why = match (self.cause, plan) {
            (Cause::Heard { from, .. }, _) if from == index => "sign of life",
            (Cause::Heard { .. }, _) => "good news",
            _ if turn.iter().any(timed_out) => "timeout",
            (_, Some(plan)) => plan.why,
            _ => "a hub's turn",
        };
        let again = |event: &Event| matches!(event, Event::Resent(to, ..) if to == peer);
        let next = self.foresee(node, again);
        let next = next.map_or(String::new(), |at| {
            let seconds = (at - self.cluster.now()).as_secs_f64();
            format!("; no answer: again in {seconds:.2} s")
        });
        format!("probes {peer} from {offset} on ({why}){next}")
    }

    /// Looks up when the links' own next tries are, and says so if something that was
    /// heard has brought one forward.
    fn plan(&mut self, node: usize, events: &[Event]) {
        for peer in (0..self.nodes).filter(|peer| *peer != node) {
            let key = (node, peer);
            if !self.is_suspect(node, peer) {
                self.plans.remove(&key);
                continue;
            }
            let name = cluster::name(peer);
            let tried = |event: &Event| matches!(event, Event::Resent(peer, ..) if *peer == name);
            let tried = events.iter().any(tried);
            let at = self.own_try(node, peer);
            let before = self.plans.get(&key).copied();
            let mut plan = Plan {
                at,
                why: "its next try",
            };
            if let Some(before) = before.filter(|_| !tried) {
                plan.why = before.why;
                if at.is_some() && before.at.is_none_or(|before| at < Some(before)) {
                    plan.why = match self.cause {
                        Cause::Heard { from, .. } if from != peer => "good news",
                        Cause::Heard { .. } => "sign of life",
                        _ => "a hub's turn",
                    };
                    let at = self.clock(at.unwrap_or_default());
                    let why = plan.why;
                    let words = format!(
                        "{why}: tries {name} at {at:.3} s, a round trip after the last try"
                    );
                    self.line(Tone::Plain, &[(node, '!')], &words);
                }
            }
            self.plans.insert(key, plan);
        }
    }

    fn send(&mut self, src: usize, line: Vec<u8>) {
        if is_for_client(&line) {
            return self.answered(&line);
        }
        let id = self.record_send(&line);
        let Ok(mut packet) = read(src, line) else {
            return self.line(Tone::Trouble, &[(src, 'x')], "says what is no segment");
        };
        let dest = packet.dest;
        let now = self.cluster.now();
        (packet.id, packet.number) = (id, self.messages);
        self.about = Some(self.messages);
        self.messages += 1;
        let measures = packet.probe && packet.end.is_some() && !self.is_suspect(src, dest);
        let why = match self.cause {
            _ if !packet.only_acks && measures => ": how far is it?".into(),
            _ if !packet.only_acks => String::new(),
            // Only while the hub is away do two leaves talk to each other.
            _ if packet.probe && 0 < dest && dest < src => ": can it stand in for n0?".into(),
            _ if packet.probe && 0 < src && src < dest => ": is it without n0, too?".into(),
            _ if packet.probe => ": is it there?".into(),
            Cause::Heard { from, probe, .. } if from == dest => match probe {
                true => ": was asked to answer at once".into(),
                false => ": tells at once what it has".into(),
            },
            Cause::Heard { .. } if src > 0 && dest > 0 && !packet.need => {
                ": needs it no longer".into()
            }
            _ => format!(
                ": for {} s nothing else went that way",
                self.ack_delay.as_secs_f64()
            ),
        };
        let words = format!("n{src} sends n{dest} {}{why}", packet.what);
        if packet.end.is_some() || packet.probe {
            self.waits.entry((src, dest)).or_insert(now);
        }
        if let Some(end) = packet.end {
            let sent = self.sent.entry((src, dest)).or_default();
            *sent = end.max(*sent);
        }
        if let Some(index) = self.lose.iter().position(|pair| *pair == (src, dest)) {
            self.lose.remove(index);
            self.told.dropped += 1;
            self.record(|recording, now| recording.dropped(now, id, "loss"));
            let words = format!("{words}; lost");
            self.line(Tone::Trouble, &[(src, 'o')], &words);
        } else {
            self.line(packet.tone, &[(src, 'o')], &words);
            self.cluster.at(now + self.latency, Cue::Deliver(packet));
        }
        self.about = None;
    }
}

fn is_for_client(line: &[u8]) -> bool {
    let json = Json::parse(line);
    let message = json.as_ref().map(Message::read);
    matches!(message, Ok(Ok(message)) if message.dest.starts_with('c'))
}

/// Reads a line of node `src` as what it must be, a segment or a digest for another
/// node.
fn read(src: usize, line: Vec<u8>) -> Result<Packet, String> {
    let json = Json::parse(&line).map_err(|error| error.to_string())?;
    let message = Message::read(&json)?;
    let kind = message.kind()?;
    let dest = cluster::index(message.dest).ok_or("it is to nobody there is")?;
    let mut packet = Packet {
        id: 0,
        number: 0,
        src,
        dest,
        line: Vec::new(),
        what: String::new(),
        tone: Tone::Ack,
        items: Vec::new(),
        end: None,
        only_acks: false,
        names_holes: false,
        probe: false,
        need: false,
    };
    if kind == "sync" {
        packet.probe = message.body.flag("probe")?;
        packet.need = message.body.optional("need", Fields::count)?.unwrap_or(0) % 2 == 1;
        let have = message.body.list("have", "a range", |range| {
            let ends = range.as_array()?.iter().map(Json::as_int);
            let ends: Option<Vec<i64>> = ends.collect();
            Some(format!(
                "{}-{}",
                ends.as_ref()?.first()?,
                ends.as_ref()?.last()?
            ))
        })?;
        packet.what = format!("sync [{}]", have.join(" "));
    } else {
        let segment = Segment::read(kind, message.body)?;
        packet.what = what(&segment);
        packet.only_acks = segment.items.is_empty() && segment.missing.is_empty();
        packet.names_holes = !segment.missing.is_empty();
        (packet.probe, packet.need) = (segment.probe, segment.need % 2 == 1);
        if !segment.items.is_empty() {
            packet.tone = Tone::Delta;
            packet.end = Some(segment.offset + segment.items.len() as u64);
        }
        packet.items = segment.items;
    }
    if packet.probe {
        packet.what.push_str(", probe");
    }
    if packet.need {
        packet.what.push_str(", need");
    }
    drop(json);
    packet.line = line;
    Ok(packet)
}

/// A segment in few words: what, from which offset on, its ack, and what it misses.
fn what(segment: &Segment<i64>) -> String {
    let Segment {
        offset, items, ack, ..
    } = segment;
    let mut what = format!("ack {ack}");
    if !items.is_empty() {
        let values: Vec<String> = items.iter().map(i64::to_string).collect();
        what = format!("delta {offset}:[{}], ack {ack}", values.join(" "));
    }
    if let Some((next, _)) = segment.next {
        let _ = write!(what, ", next {next}");
    }
    for (first, last) in &segment.missing {
        let _ = write!(what, ", missing {first}-{last}");
    }
    what
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tour(colour: bool) -> String {
        let story = TOUR.parse().expect("a story");
        tell(&story, colour, None)
            .expect("nothing is recorded")
            .text
    }

    #[test]
    fn the_tour_ends_well_and_is_always_the_same() {
        let story = tour(false);
        assert!(
            story.ends_with(" messages: all hold 11 12 13 14 15 16\n"),
            "{story}"
        );
        assert_eq!(story, tour(false));
        assert!(!story.contains('\x1b') && tour(true).contains("\x1b[31m"));
    }

    #[test]
    fn the_tour_shows_what_it_promises() {
        let story = tour(false);
        for part in [
            "its batch begins: departs at 2.794 s, in 194 ms",
            "ack 0; lost",
            "offset 0 is missing and overdue: asks n0 for it",
            "sends n4 2 items again, from 0 on: a hole, named as missing",
            "dropped by the cut",
            "no ack from n3 for 1.61 s: n3 is suspect",
            "(timeout); no answer: again in 0.25 s",
            "(a hub's turn); no answer: again in 0.25 s",
            "n3 hears from its suspect n0: a sign of life",
            "healthy again",
            "n2 has a higher epoch: it has started anew",
            "n0 sends n2 sync [11-16]",
        ] {
            assert!(story.contains(part), "{part}:\n{story}");
        }
    }
}
