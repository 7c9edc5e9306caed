//! A story of five nodes, told event by event: `./run.sh trace`.
//!
//! Some values, one lost message, one partition, in virtual time. Each line has the
//! clock, a space-time diagram (a lane a node, time going down) and, in plain words,
//! who did what and why. The nodes are the real ones; the words come from what they
//! say, on the wire and in their debug log.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hubcast::config::Config;
use hubcast::log::Level;
use hubcast::message::{Body, Message};
use hubcast::node::Node;
use hubcast::time::Instant;

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

#[derive(Debug)]
enum Event {
    Act(Act),
    Deliver(Message),
}

struct Stage {
    now: Instant,
    nodes: Vec<Node>,
    queue: BTreeMap<(Instant, u64), Event>,
    queued: u64,
    lose: Option<(usize, usize)>,
    cut: Option<usize>,
    /// Whether the hub's window is open, for the words when it opens.
    window: bool,
    /// Whether the last message asked for an answer.
    asked: bool,
    messages: u64,
    colour: bool,
    text: String,
}

fn index(name: &str) -> usize {
    // Names on this stage are a letter and a number.
    name[1..].parse().unwrap_or(0)
}

/// Tells the story. With `colour`, lines are coloured for a terminal.
pub fn story(colour: bool) -> String {
    let config = Config {
        log: Level::Debug,
        ..Config::default()
    };
    let mut stage = Stage {
        now: Instant::ZERO,
        nodes: vec![Node::new(config); NODES],
        queue: BTreeMap::new(),
        queued: 0,
        lose: None,
        cut: None,
        window: false,
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
        let node_ids: Vec<String> = (0..NODES).map(|node| format!("n{node}")).collect();
        for node in 0..NODES {
            let node_id = format!("n{node}");
            let init = Body::Init {
                msg_id: None,
                node_id: node_id.clone(),
                node_ids: node_ids.clone(),
            };
            self.nodes[node].handle_message(
                self.now,
                Message {
                    src: "c0".into(),
                    dest: node_id,
                    body: init,
                },
            );
            while self.nodes[node].poll_log().is_some() {}
        }
        for (at, act) in STORY {
            self.at(Instant::from_millis(at), Event::Act(act));
        }
        loop {
            let event = self.queue.keys().next().map(|key| key.0);
            let timers = self.nodes.iter().enumerate();
            let timer = timers
                .filter_map(|(node, state)| Some((state.poll_timeout()?, node)))
                .min();
            match (event, timer) {
                (Some(at), timer) if timer.is_none_or(|(due, _)| at <= due) => {
                    self.now = at;
                    if let Some((_, event)) = self.queue.pop_first() {
                        self.event(event);
                    }
                }
                (_, Some((due, node))) => {
                    self.now = self.now.max(due);
                    self.turn(node);
                }
                _ => break,
            }
        }
        let held: Vec<String> = self.nodes[0]
            .values()
            .iter()
            .map(|value| value.to_string())
            .collect();
        let all = self
            .nodes
            .iter()
            .all(|node| node.values() == self.nodes[0].values());
        let end = format!(
            "all is quiet: {} {} after {} messages",
            if all { "all hold" } else { "not all hold" },
            held.join(" "),
            self.messages
        );
        self.line(Tone::Scene, &[], &end);
    }

    fn at(&mut self, time: Instant, event: Event) {
        self.queued += 1;
        self.queue.insert((time, self.queued), event);
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
        let clock = self.now.as_micros() as f64 / 1e6;
        let line = format!("{clock:>7.3} s  {lanes} {words}");
        let _ = writeln!(self.text, "{start}{}{end}", line.trim_end());
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Act(Act::Broadcast(node, value)) => {
                let words =
                    format!("a client gives n{node} the value {value}; it is answered at once");
                self.line(Tone::Plain, &[(node, '@')], &words);
                let body = Body::Broadcast {
                    msg_id: None,
                    message: value,
                };
                let message = Message {
                    src: "c0".into(),
                    dest: format!("n{node}"),
                    body,
                };
                self.receive(node, message);
            }
            Event::Act(Act::LoseNext(from, to)) => self.lose = Some((from, to)),
            Event::Act(Act::Cut(node)) => {
                self.cut = Some(node);
                self.line(
                    Tone::Scene,
                    &[(node, '#')],
                    &format!("PARTITION: n{node} is cut off from all others"),
                );
            }
            Event::Act(Act::Heal) => {
                if let Some(node) = self.cut.take() {
                    self.line(
                        Tone::Scene,
                        &[(node, '#')],
                        "HEAL: the network is whole again; nobody is told",
                    );
                }
            }
            Event::Deliver(message) => {
                let (src, dest) = (index(&message.src), index(&message.dest));
                let what = what(&message.body);
                if self.cut == Some(src) || self.cut == Some(dest) {
                    let words = format!("{what} for n{dest}: dropped by the partition");
                    return self.line(Tone::Trouble, &[(src, '|'), (dest, 'x')], &words);
                }
                let words = format!("n{dest} gets {what}{}", self.news(dest, &message.body));
                self.line(tone(&message.body), &[(src, '|'), (dest, '*')], &words);
                self.receive(dest, message);
            }
        }
    }

    /// How much of a delta is news to a node.
    fn news(&self, node: usize, body: &Body) -> &'static str {
        let Body::Delta { values, .. } = body else {
            return "";
        };
        let known = values
            .iter()
            .filter(|&&value| self.nodes[node].values().contains(value))
            .count();
        match known {
            0 => "",
            _ if known == values.len() => ": nothing new",
            _ => ": some of it new",
        }
    }

    fn receive(&mut self, node: usize, message: Message) {
        let suspects = |node: &Node| -> Vec<String> {
            let links = node.links().filter(|(_, link)| link.is_suspect());
            links.map(|(peer, _)| peer.to_owned()).collect()
        };
        let before = (suspects(&self.nodes[node]), self.nodes[node].values().len());
        let (src, asks) = (
            message.src.clone(),
            matches!(
                message.body,
                Body::Delta { gap: true, .. } | Body::Ack { gap: true, .. }
            ),
        );
        self.nodes[node].handle_message(self.now, message);
        if before.0.contains(&src) && !suspects(&self.nodes[node]).is_empty() {
            let words =
                format!("n{node} hears from {src} again: good news, probes its suspects now");
            self.line(Tone::Scene, &[(node, '!')], &words);
        }
        self.asked = asks;
        let news = self.nodes[node].values().len() > before.1;
        if node == 0 && news && !self.window {
            self.window = true;
            self.line(
                Tone::Plain,
                &[(0, '[')],
                "its window opens: waits 150 ms for company",
            );
        }
        if self.nodes[node]
            .poll_timeout()
            .is_some_and(|due| due <= self.now)
        {
            self.turn(node);
        }
        self.logs(node);
        self.asked = false;
    }

    /// What a node does at the end of its turn or when a timer is due.
    fn turn(&mut self, node: usize) {
        self.nodes[node].handle_timeout(self.now);
        self.logs(node);
        while let Some(message) = self.nodes[node].poll_transmit() {
            self.send(node, message);
        }
    }

    /// The node's own debug log, in plain words.
    fn logs(&mut self, node: usize) {
        while let Some(record) = self.nodes[node].poll_log() {
            let record = record.as_str().to_owned();
            let field = |name: &str| {
                let mut parts = record.split(' ');
                parts
                    .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
                    .unwrap_or("")
                    .to_owned()
            };
            let peer = field("peer");
            let words = match field("event").as_str() {
                "window-closes" if field("towards") == "leaves" => {
                    self.window = false;
                    "its window closes: one delta to each leaf that misses something".into()
                }
                // A leaf's window is its turn: not worth a line.
                "window-closes" => continue,
                "suspect" => format!("no ack from {peer} for 1.5 s: {peer} is suspect from now on"),
                "healthy" => format!("{peer} has acknowledged something new: it is healthy again"),
                "gap" => format!(
                    "that begins at {}, but {} is next: asks for it",
                    field("came"),
                    field("missing")
                ),
                "retransmits" => {
                    let next = self.nodes[node].links().find(|(name, _)| *name == peer);
                    let next = next
                        .and_then(|(_, link)| link.is_suspect().then_some(link.poll_timeout()?));
                    let next = next
                        .map(|at| format!(", next try in {:.1} s", (at - self.now).as_secs_f64()));
                    format!(
                        "sends {peer} again what it has, from {} on{}",
                        field("offset"),
                        next.unwrap_or_default()
                    )
                }
                _ => continue,
            };
            self.line(Tone::Plain, &[(node, '!')], &words);
        }
    }

    fn send(&mut self, src: usize, message: Message) {
        let dest = index(&message.dest);
        self.messages += 1;
        let why = match &message.body {
            Body::Ack { gap: false, .. } if self.asked => ": it was asked to answer at once",
            Body::Ack { gap: false, .. } => ": for a second nothing else went that way",
            _ => "",
        };
        let words = format!("n{src} sends n{dest} {}{why}", what(&message.body));
        if self.lose == Some((src, dest)) {
            self.lose = None;
            self.line(
                Tone::Trouble,
                &[(src, 'o')],
                &format!("{words}; the network loses it"),
            );
            return;
        }
        self.line(tone(&message.body), &[(src, 'o')], &words);
        self.at(self.now + LATENCY, Event::Deliver(message));
    }
}

fn tone(body: &Body) -> Tone {
    match body {
        Body::Delta { .. } => Tone::Delta,
        _ => Tone::Ack,
    }
}

/// A message in few words: what, from which offset on, and its ack.
fn what(body: &Body) -> String {
    let asking = |gap: &bool| if *gap { ", gap" } else { "" };
    match body {
        Body::Delta {
            offset,
            values,
            ack,
            gap,
        } => {
            let values: Vec<String> = values.iter().map(i64::to_string).collect();
            format!(
                "delta {offset}:[{}], ack {ack}{}",
                values.join(" "),
                asking(gap)
            )
        }
        Body::Ack { ack, gap, .. } => format!("ack {ack}{}", asking(gap)),
        other => other.kind().to_owned(),
    }
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
            "its window opens: waits 150 ms for company",
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
