//! A story of five nodes, told event by event: `./run.sh trace`.
//!
//! Some values, one lost message, one partition and one restart, in virtual time. Each
//! line has the clock, a space-time diagram (a lane a node, time going down) and, in
//! plain words, who did what and why. The nodes are the real ones; the words come from
//! what they say, on the wire and in their events. What is said about the future (when
//! a batch departs, when the next try is) is asked of a copy of the node, which lives
//! on alone: a node without I/O can be copied, and its clock be put forward.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hubcast::config::Config;
use hubcast::event::{Event, Level, Towards};
use hubcast::interval_set::IntervalSet;
use hubcast::json::Json;
use hubcast::link::{ACK_DELAY, Segment, Sync};
use hubcast::message::Message;
use hubcast::time::Instant;
use hubcast::workload::broadcast::Broadcast;

use crate::cluster::{self, Cluster, Step};

/// How many nodes the story has.
const NODES: usize = 5;

/// What a message takes from node to node: as in Gossip Glomers.
const LATENCY: Duration = Duration::from_millis(100);

/// How far a copy of a node looks ahead. Longer than any timer of the story.
const AHEAD: Duration = Duration::from_secs(5);

/// The columns of one lane of the diagram.
const LANE: usize = 5;

/// A lane's colours on a terminal: delta green, ack blue, loss red, rest plain.
const COLOURS: [(Tone, &str); 4] = [
    (Tone::Delta, "\x1b[32m"),
    (Tone::Ack, "\x1b[34m"),
    (Tone::Trouble, "\x1b[31m"),
    (Tone::Scene, "\x1b[1m"),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tone {
    Plain,
    Delta,
    Ack,
    Trouble,
    Scene,
}

/// What the author does to the nodes.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A client gives a node a value.
    Broadcast(usize, i64),
    /// The network loses the next message that the first sends the second.
    LoseNext(usize, usize),
    /// One node is cut off from all others.
    Cut(usize),
    /// And connected again.
    Heal,
    /// A node stops, and starts anew with nothing in its memory.
    Restart(usize),
}

/// The story, in milliseconds.
const STORY: [(u64, Act); 10] = [
    (0, Act::Broadcast(1, 11)),
    (0, Act::LoseNext(0, 4)),
    (60, Act::Broadcast(2, 12)),
    (500, Act::Broadcast(3, 13)),
    (2500, Act::Cut(3)),
    (2600, Act::Broadcast(0, 14)),
    (2700, Act::Broadcast(3, 15)),
    (4500, Act::Broadcast(1, 16)),
    (4800, Act::Heal),
    (9000, Act::Restart(2)),
];

/// What is to come.
#[derive(Debug)]
enum Cue {
    Act(Act),
    Deliver(Packet),
}

/// A line between nodes that is under way, as it is and as it reads.
#[derive(Debug)]
struct Packet {
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
}

/// Why a node has a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Client,
    Timer,
    /// A neighbour's message.
    Heard {
        from: usize,
        names_holes: bool,
        probe: bool,
    },
}

struct Stage {
    cluster: Cluster<Broadcast, Cue>,
    lose: Option<(usize, usize)>,
    cut: Option<usize>,
    cause: Cause,
    /// Who just became suspect: what follows is its first probe.
    timed_out: Option<String>,
    /// Since when the first waits for the second to acknowledge something new.
    waits: BTreeMap<(usize, usize), Instant>,
    /// One past the last offset that the first sent the second.
    sent: BTreeMap<(usize, usize), u64>,
    /// How long an ack waits for a ride.
    ack_delay: Duration,
    messages: u64,
    colour: bool,
    text: String,
}

/// Tells the story. With `colour`, lines are coloured for a terminal.
pub fn story(colour: bool) -> String {
    let config = Config {
        log: Level::Debug,
        ..Config::default()
    };
    let mut stage = Stage {
        cluster: Cluster::new(NODES, &config),
        lose: None,
        cut: None,
        cause: Cause::Client,
        timed_out: None,
        waits: BTreeMap::new(),
        sent: BTreeMap::new(),
        ack_delay: ACK_DELAY + config.within,
        messages: 0,
        colour,
        text: String::new(),
    };
    stage.play();
    stage.text
}

impl Stage {
    fn play(&mut self) {
        let lanes: String = (0..NODES)
            .map(|node| format!("n{node:<w$}", w = LANE - 1))
            .collect();
        let _ = writeln!(
            self.text,
            "   clock   {lanes} n0 is the hub, n1 to n4 are its leaves"
        );
        self.cluster.init();
        for (at, act) in STORY {
            let at = Instant::from_millis(at);
            self.cluster.at(at, Cue::Act(act));
        }
        while let Some(step) = self.cluster.next() {
            match step {
                Step::Event(Cue::Act(act)) => self.act(act),
                Step::Event(Cue::Deliver(packet)) => self.deliver(packet),
                Step::Timer(node) => {
                    self.cause = Cause::Timer;
                    self.noticed(node);
                }
                Step::Said(node, line) => self.send(node, line),
            }
        }
        let all: Vec<_> = (0..NODES).map(|node| self.values(node)).collect();
        let held: Vec<String> = all[0].iter().map(|value| value.to_string()).collect();
        let end = format!(
            "all is quiet: {} {} after {} messages",
            if all.iter().all(|values| *values == all[0]) {
                "all hold"
            } else {
                "not all hold"
            },
            held.join(" "),
            self.messages
        );
        self.line(Tone::Scene, &[], &end);
    }

    fn values(&self, node: usize) -> &IntervalSet {
        self.cluster.nodes()[node].workload().values()
    }

    /// One line: clock, lanes with `marks` in them, words.
    fn line(&mut self, tone: Tone, marks: &[(usize, char)], words: &str) {
        let mut lanes: Vec<char> = "|".chars().chain(" ".repeat(LANE - 1).chars()).collect();
        lanes = lanes.repeat(NODES);
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
        let clock = self.cluster.now().as_micros() as f64 / 1e6;
        let line = format!("{clock:>7.3} s  {lanes} {words}");
        let _ = writeln!(self.text, "{start}{}{end}", line.trim_end());
    }

    fn act(&mut self, act: Act) {
        self.cause = Cause::Client;
        match act {
            Act::Broadcast(node, value) => {
                let words =
                    format!("a client gives n{node} the value {value}; it is answered at once");
                self.line(Tone::Plain, &[(node, '@')], &words);
                self.tell(node, &cluster::broadcast(node, value), None);
            }
            Act::LoseNext(from, to) => self.lose = Some((from, to)),
            Act::Cut(node) => {
                self.cut = Some(node);
                let words = format!("PARTITION: n{node} is cut off from all others");
                self.line(Tone::Scene, &[(node, '#')], &words);
            }
            Act::Heal => {
                if let Some(node) = self.cut.take() {
                    let words = "HEAL: the network is whole again; nobody is told";
                    self.line(Tone::Scene, &[(node, '#')], words);
                }
            }
            Act::Restart(node) => {
                let words = format!("RESTART: n{node} stops and starts anew, its memory is gone");
                self.line(Tone::Scene, &[(node, '#')], &words);
                self.cluster.kill(node, 0);
                self.cluster.start(node);
                self.cluster.init_one(node);
                self.waits.retain(|(src, _), _| *src != node);
                self.sent.retain(|(src, _), _| *src != node);
                self.noticed(node);
            }
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let (src, dest) = (packet.src, packet.dest);
        if self.cut == Some(src) || self.cut == Some(dest) {
            let words = format!("{} for n{dest}: dropped by the partition", packet.what);
            return self.line(Tone::Trouble, &[(src, '|'), (dest, 'x')], &words);
        }
        let words = format!("n{dest} gets {}{}", packet.what, self.news(&packet));
        self.line(packet.tone, &[(src, '|'), (dest, '*')], &words);
        self.cause = Cause::Heard {
            from: src,
            names_holes: packet.names_holes,
            probe: packet.probe,
        };
        let una = self.una(dest, src);
        self.tell(dest, &packet.line, Some(src));
        if self.una(dest, src) != una {
            // Something new was acknowledged: the wait is over, or begins anew.
            let open = self.sent.get(&(dest, src)) > self.una(dest, src).as_ref();
            self.waits.remove(&(dest, src));
            if open {
                self.waits.insert((dest, src), self.cluster.now());
            }
        }
    }

    /// Below which offset the second has acknowledged what the first sent it.
    fn una(&self, node: usize, peer: usize) -> Option<u64> {
        let peer = cluster::name(peer);
        let mut links = self.cluster.nodes()[node].links();
        links.find(|(name, _)| *name == peer).map(|(_, l)| l.una())
    }

    fn is_suspect(&self, node: usize, peer: &str) -> bool {
        let mut links = self.cluster.nodes()[node].links();
        links.any(|(name, link)| name == peer && link.is_suspect())
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
    fn tell(&mut self, node: usize, line: &[u8], src: Option<usize>) {
        let towards = if node == 0 {
            Towards::Leaves
        } else {
            Towards::Hub
        };
        let waited = self.departure(node, towards).is_some();
        let suspect = src.is_some_and(|src| self.is_suspect(node, &cluster::name(src)));
        self.cluster.tell(node, line);
        if let Some(src) = src
            && suspect
            && self.is_suspect(node, &cluster::name(src))
        {
            let words = format!("n{node} hears from its suspect n{src}: tries that link at once");
            self.line(Tone::Scene, &[(node, '!')], &words);
        }
        if !waited && let Some(at) = self.departure(node, towards) {
            let wait = (at - self.cluster.now()).as_millis();
            let at = at.as_micros() as f64 / 1e6;
            let words = match towards {
                Towards::Leaves => {
                    format!("its batch begins: departs at {at:.3} s, in {wait} ms")
                }
                Towards::Hub => {
                    format!("holds it back until {at:.3} s: n0 gathers that long")
                }
            };
            self.line(Tone::Plain, &[(node, '[')], &words);
        }
        self.noticed(node);
    }

    /// When a node notices something for the first time from now on, if it hears
    /// nothing more: asked of a copy of it.
    fn foresee(&self, node: usize, what: impl Fn(&Event) -> bool) -> Option<Instant> {
        let mut copy = self.cluster.nodes()[node].clone();
        while copy.poll_event().is_some() {}
        let end = self.cluster.now() + AHEAD;
        while let Some(at) = copy.poll_timeout().filter(|at| *at <= end) {
            copy.end_turn(at);
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
            |event| matches!(event, Event::Departs { towards } if *towards == direction),
        )
    }

    /// What a node has noticed, in plain words.
    fn noticed(&mut self, node: usize) {
        while let Some(event) = self.cluster.noticed(node) {
            let words = match event {
                Event::Departs {
                    towards: Towards::Leaves,
                } => "its batch departs: one delta to each leaf that misses something".into(),
                Event::Suspect { peer, .. } => {
                    let waits = cluster::index(&peer).and_then(|p| self.waits.get(&(node, p)));
                    let since = waits.map_or(Duration::ZERO, |at| self.cluster.now() - *at);
                    let seconds = since.as_secs_f64();
                    let words = format!("no ack from {peer} for {seconds:.2} s: {peer} is suspect");
                    self.timed_out = Some(peer);
                    words
                }
                Event::Healthy { peer } => {
                    format!("{peer} has answered: it is healthy again, what waited goes")
                }
                Event::Hole { peer, missing, .. } => {
                    format!("offset {missing} is missing and overdue: asks {peer} for it")
                }
                Event::Resent {
                    peer,
                    offset,
                    items,
                } => self.resent(node, &peer, offset, items),
                Event::Restarted { peer } => {
                    format!("{peer} has a higher epoch: it has started anew")
                }
                Event::Sync { peer } => format!("tells {peer} in ranges what it holds"),
                // Nothing is refused on this stage. That a leaf's batch departs shows
                // in what it sends.
                _ => continue,
            };
            self.line(Tone::Plain, &[(node, '!')], &words);
        }
    }

    /// What is sent again, why, and when the next time is.
    fn resent(&mut self, node: usize, peer: &str, offset: u64, items: usize) -> String {
        let timed_out = self.timed_out.take().is_some_and(|suspect| suspect == peer);
        if !self.is_suspect(node, peer) {
            let why = match self.cause {
                Cause::Heard {
                    names_holes: true, ..
                } => "named as missing",
                _ => "it should have been acknowledged",
            };
            return format!("sends {peer} {items} items again, from {offset} on: {why}");
        }
        let why = match self.cause {
            Cause::Heard { .. } => "sign of life",
            _ if timed_out => "timeout",
            _ if node == 0 => "a hub's turn",
            _ => "its next try",
        };
        let again = |event: &Event| matches!(event, Event::Resent { peer: to, .. } if to == peer);
        let next = self.foresee(node, again);
        let next = next.map_or(String::new(), |at| {
            let seconds = (at - self.cluster.now()).as_secs_f64();
            format!(", next try in {seconds:.2} s")
        });
        format!("probes {peer} from {offset} on ({why}){next}")
    }

    fn send(&mut self, src: usize, line: Vec<u8>) {
        let Ok(packet) = read(src, line) else {
            return self.line(Tone::Trouble, &[(src, 'x')], "says what is no segment");
        };
        let dest = packet.dest;
        let now = self.cluster.now();
        self.messages += 1;
        let why = match self.cause {
            _ if !packet.only_acks => String::new(),
            Cause::Heard { from, probe, .. } if from == dest => match probe {
                true => ": was asked to answer at once".into(),
                false => ": tells at once what it has".into(),
            },
            _ => format!(
                ": for {} s nothing else went that way",
                self.ack_delay.as_secs_f64()
            ),
        };
        let words = format!("n{src} sends n{dest} {}{why}", packet.what);
        if let Some(end) = packet.end {
            self.waits.entry((src, dest)).or_insert(now);
            let sent = self.sent.entry((src, dest)).or_default();
            *sent = end.max(*sent);
        }
        if self.lose == Some((src, dest)) {
            self.lose = None;
            let words = format!("{words}; lost");
            return self.line(Tone::Trouble, &[(src, 'o')], &words);
        }
        self.line(packet.tone, &[(src, 'o')], &words);
        self.cluster.at(now + LATENCY, Cue::Deliver(packet));
    }
}

/// Reads a line of node `src` as what it must be, a segment or a digest for another
/// node.
fn read(src: usize, line: Vec<u8>) -> Result<Packet, String> {
    let json = Json::parse(&line).map_err(|error| error.to_string())?;
    let message = Message::read(&json)?;
    let kind = message.kind()?;
    let dest = cluster::index(message.dest).ok_or("it is to nobody there is")?;
    let mut packet = Packet {
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
    };
    if kind == "sync" {
        packet.probe = Sync::read(message.body)?.probe;
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
        packet.probe = segment.probe;
        if !segment.items.is_empty() {
            packet.tone = Tone::Delta;
            packet.end = Some(segment.offset + segment.items.len() as u64);
        }
        packet.items = segment.items;
    }
    if packet.probe {
        packet.what.push_str(", probe");
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

    #[test]
    fn the_story_ends_well_fits_a_terminal_and_is_always_the_same() {
        let story = story(false);
        assert!(story.ends_with("messages\n"), "{story}");
        assert!(
            story.contains("all is quiet: all hold 11 12 13 14 15 16 after"),
            "{story}"
        );
        for line in story.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert_eq!(story, super::story(false));
    }

    #[test]
    fn the_story_shows_what_it_promises() {
        let story = story(false);
        for part in [
            "its batch begins: departs at 2.795 s, in 195 ms",
            "ack 0; lost",
            "offset 0 is missing and overdue: asks n0 for it",
            "sends n4 3 items again, from 0 on: named as missing",
            "dropped by the partition",
            "no ack from n3 for 1.65 s: n3 is suspect",
            "(timeout), next try in 0.25 s",
            "(a hub's turn), next try in 0.25 s",
            "n3 hears from its suspect n0: tries that link at once",
            "healthy again",
            "n2 has a higher epoch: it has started anew",
            "n0 sends n2 sync [11-16]",
        ] {
            assert!(story.contains(part), "{part}:\n{story}");
        }
        assert!(!story.contains('\x1b') && super::story(true).contains("\x1b[31m"));
    }
}
