//! A story of five nodes, told event by event: `./run.sh trace`.
//!
//! Some values, one lost message, one partition, in virtual time. Each line has the
//! clock, a space-time diagram (a lane a node, time going down) and, in plain words,
//! who did what and why. The nodes are the real ones; the words come from what they
//! say, on the wire and in their debug log.

use std::fmt::Write;
use std::time::Duration;

use hubcast::config::Config;
use hubcast::event::{Event, Level, Towards};
use hubcast::interval_set::IntervalSet;
use hubcast::json::Json;
use hubcast::link::Segment;
use hubcast::message::Message;
use hubcast::workload::broadcast::Broadcast;

use crate::cluster::{self, Cluster, Step};

/// How many nodes the story has.
const NODES: usize = 5;

/// What a message takes from node to node: as in Gossip Glomers.
const LATENCY: Duration = Duration::from_millis(100);

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
}

/// The story, in milliseconds.
const STORY: [(u64, Act); 9] = [
    (0, Act::Broadcast(1, 11)),
    (0, Act::LoseNext(0, 4)),
    (60, Act::Broadcast(2, 12)),
    (500, Act::Broadcast(3, 13)),
    (2500, Act::Cut(3)),
    (2600, Act::Broadcast(0, 14)),
    (2700, Act::Broadcast(3, 15)),
    (4500, Act::Broadcast(1, 16)),
    (4800, Act::Heal),
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
    segment: Segment<i64>,
}

struct Stage {
    cluster: Cluster<Broadcast, Cue>,
    lose: Option<(usize, usize)>,
    cut: Option<usize>,
    /// Whether the hub gathers a batch, for the words when it begins.
    gathers: bool,
    /// Whether the last message delivered asked for an answer.
    asked: bool,
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
        gathers: false,
        asked: false,
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
            let at = hubcast::time::Instant::from_millis(at);
            self.cluster.at(at, Cue::Act(act));
        }
        while let Some(step) = self.cluster.next() {
            match step {
                Step::Event(Cue::Act(act)) => self.act(act),
                Step::Event(Cue::Deliver(packet)) => self.deliver(packet),
                Step::Timer(node) => {
                    self.asked = false;
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
        self.asked = false;
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
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let (src, dest) = (packet.src, packet.dest);
        let what = what(&packet.segment);
        if self.cut == Some(src) || self.cut == Some(dest) {
            let words = format!("{what} for n{dest}: dropped by the partition");
            return self.line(Tone::Trouble, &[(src, '|'), (dest, 'x')], &words);
        }
        let words = format!("n{dest} gets {what}{}", self.news(dest, &packet.segment));
        self.line(tone(&packet.segment), &[(src, '|'), (dest, '*')], &words);
        self.asked = packet.segment.probe;
        self.tell(dest, &packet.line, Some(src));
    }

    fn suspects(&self, node: usize) -> Vec<String> {
        let links = self.cluster.nodes()[node].links();
        let suspects = links.filter(|(_, link)| link.is_suspect());
        suspects.map(|(peer, _)| peer.to_owned()).collect()
    }

    /// How much of a segment is news to a node.
    fn news(&self, node: usize, segment: &Segment<i64>) -> &'static str {
        let values = segment.items.iter();
        let known = values.filter(|&&value| self.values(node).contains(value));
        match known.count() {
            0 => "",
            known if known == segment.items.len() => ": nothing new",
            _ => ": some of it new",
        }
    }

    /// Gives a node a line, of node `src` or of a client.
    fn tell(&mut self, node: usize, line: &[u8], src: Option<usize>) {
        let (known, suspects) = (self.values(node).len(), self.suspects(node));
        self.cluster.tell(node, line);
        if let Some(src) = src
            && suspects.contains(&cluster::name(src))
            && !self.suspects(node).is_empty()
        {
            let words =
                format!("n{node} hears from n{src} again: good news, probes its suspects now");
            self.line(Tone::Scene, &[(node, '!')], &words);
        }
        if node == 0 && self.values(node).len() > known && !self.gathers {
            self.gathers = true;
            let words = "its batch begins: waits 150 ms for company";
            self.line(Tone::Plain, &[(0, '[')], words);
        }
        self.noticed(node);
    }

    /// What a node has noticed, in plain words.
    fn noticed(&mut self, node: usize) {
        while let Some(event) = self.cluster.noticed(node) {
            let words = match event {
                Event::Departs {
                    towards: Towards::Leaves,
                } => {
                    self.gathers = false;
                    "its batch departs: one delta to each leaf that misses something".into()
                }
                Event::Suspect { peer, .. } => {
                    format!("no ack from {peer} for 1.5 s: {peer} is suspect from now on")
                }
                Event::Healthy { peer } => {
                    format!("{peer} has acknowledged something new: it is healthy again")
                }
                Event::Hole { missing, .. } => {
                    format!("{missing} is still missing: asks for it")
                }
                Event::Resent { peer, offset, .. } => {
                    let next = self.next_try(node, &peer);
                    format!("sends {peer} again what it has, from {offset} on{next}")
                }
                // Nothing refused on this stage; a leaf's batch departs at once, which
                // is not worth a line.
                _ => continue,
            };
            self.line(Tone::Plain, &[(node, '!')], &words);
        }
    }

    /// When a node tries a suspect neighbour again.
    fn next_try(&self, node: usize, peer: &str) -> String {
        let mut links = self.cluster.nodes()[node].links();
        let link = links.find(|(name, _)| *name == peer).map(|(_, link)| link);
        let next = link.and_then(|link| link.is_suspect().then_some(link.poll_timeout()?));
        next.map_or(String::new(), |at| {
            let seconds = (at - self.cluster.now()).as_secs_f64();
            format!(", next try in {seconds:.1} s")
        })
    }

    fn send(&mut self, src: usize, line: Vec<u8>) {
        let Ok(packet) = read(src, line) else {
            return self.line(Tone::Trouble, &[(src, 'x')], "says what is no segment");
        };
        let (dest, segment) = (packet.dest, &packet.segment);
        self.messages += 1;
        let alone = segment.items.is_empty() && segment.missing.is_empty();
        let why = match self.asked {
            _ if !alone => "",
            true => ": it was asked to answer at once",
            false => ": for a second nothing else went that way",
        };
        let words = format!("n{src} sends n{dest} {}{why}", what(segment));
        if self.lose == Some((src, dest)) {
            self.lose = None;
            let words = format!("{words}; the network loses it");
            return self.line(Tone::Trouble, &[(src, 'o')], &words);
        }
        self.line(tone(segment), &[(src, 'o')], &words);
        let arrival = self.cluster.now() + LATENCY;
        self.cluster.at(arrival, Cue::Deliver(packet));
    }
}

/// Reads a line of node `src` as what it must be, a segment for another node.
fn read(src: usize, line: Vec<u8>) -> Result<Packet, String> {
    let json = Json::parse(&line).map_err(|error| error.to_string())?;
    let message = Message::read(&json)?;
    let segment = Segment::read(message.kind()?, message.body)?;
    let dest = cluster::index(message.dest).ok_or("it is to nobody there is")?;
    drop(json);
    Ok(Packet {
        src,
        dest,
        line,
        segment,
    })
}

fn tone(segment: &Segment<i64>) -> Tone {
    if segment.items.is_empty() {
        Tone::Ack
    } else {
        Tone::Delta
    }
}

/// A segment in few words: what, from which offset on, and its ack.
fn what(segment: &Segment<i64>) -> String {
    let Segment {
        offset,
        items,
        ack,
        probe,
        ..
    } = segment;
    let asking = if *probe { ", probe" } else { "" };
    if items.is_empty() {
        return format!("ack {ack}{asking}");
    }
    let values: Vec<String> = items.iter().map(i64::to_string).collect();
    format!("delta {offset}:[{}], ack {ack}{asking}", values.join(" "))
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
            "its batch begins: waits 150 ms for company",
            "the network loses it",
            "asks for it",
            "dropped by the partition",
            "no ack from n3 for 1.5 s",
            "next try in",
            "good news, probes its suspects now",
            "healthy again",
        ] {
            assert!(story.contains(part), "{part}:\n{story}");
        }
        assert!(!story.contains('\x1b') && super::story(true).contains("\x1b[31m"));
    }
}
