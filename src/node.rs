//! The state machine: messages and time go in, messages come out.
//!
//! A [`Node`] has no I/O, no clock, no threads and no randomness (*sans-IO*).
//! The poll loop drives it with real lines and a real clock, the testbed and
//! the tests with simulated ones, and all of them see the same behaviour: the
//! same inputs give the same outputs, byte for byte.
//!
//! What it does is soon told. A value that is new, whoever brought it, goes into
//! the set and onto every link but the one that it came from (*split horizon*).
//! Each direction of the tree has one *window*: it opens with the first value
//! that has somewhere to go and, when it closes, every link of that direction
//! sends what it has in one delta. Everything else, from acks to retransmission,
//! is the links' own business ([`crate::link`]).
//!
//! Why are the windows shared, and not one a link? With 24 windows each link
//! drifts to a phase of its own, and a value that must reach everybody waits
//! for the slowest of the 24. One window costs the same messages, and a value
//! waits for it once.
//!
//! A value that comes down from the parent hub was gathered there already, so it
//! closes the window towards the leaves at once.
//!
//! **Good news travels fast.** Any message from a suspect neighbour shows that
//! the network has healed. The node probes that neighbour and all its other
//! suspects now. This, not a short timer, is why a healed partition is over
//! soon, and why a standing one is cheap. A hub also probes its suspects in
//! turn, one every [`PROBE_TURN`], so that there soon is some news.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::config::Config;
use crate::interval_set::IntervalSet;
use crate::link::{Link, Segment, Timing};
use crate::log::{Level, Record};
use crate::message::{Body, ErrorCode, Message, Rejection};
use crate::time::Instant;
use crate::tree;

/// How often a hub with suspect neighbours probes one of them.
///
/// Unit: time. It is how long the end of a partition goes unnoticed at most, at
/// a price of four messages a second however many neighbours are cut off.
pub const PROBE_TURN: Duration = Duration::from_millis(250);

/// How much of a refused line is logged. Unit: bytes. A line can have 16 MiB.
const LOGGED_LINE: usize = 120;

/// The most log records that wait for [`Node::poll_log`]; beyond it new ones
/// are dropped. A driver takes them every turn, and one message makes one for
/// every link at most, so only a driver that never asks gets there.
const LOG_LIMIT: usize = 10_000;

/// A broadcast node, without its surroundings.
///
/// # The contract
///
/// - `now` never goes back from call to call.
/// - After any call of [`handle_line`](Node::handle_line),
///   [`handle_message`](Node::handle_message) or
///   [`handle_timeout`](Node::handle_timeout), take the messages with
///   [`poll_transmit`](Node::poll_transmit) until it gives `None`, and send them.
/// - When [`poll_timeout`](Node::poll_timeout) gives a moment, call
///   `handle_timeout` then or soon after. A moment that is not after `now` means
///   "at the end of this turn": as soon as the messages at hand are handled.
///   Calling it early or without need does no harm.
/// - `None` means that nothing will happen until a message comes.
#[derive(Clone, Debug)]
pub struct Node {
    config: Config,
    /// What the node is since `init`; before, it only waits for that.
    member: Option<Member>,
    /// Every value heard of.
    values: IntervalSet,
    outbox: VecDeque<Message>,
    log: VecDeque<Record>,
}

/// A node that knows who it is.
#[derive(Clone, Debug)]
struct Member {
    id: String,
    neighbours: Vec<Neighbour>,
    /// Name -> index in `neighbours`.
    index: BTreeMap<String, usize>,
    /// When the window towards the hub closes, if it is open.
    up_window: Option<Instant>,
    /// When the window towards the leaves closes, if it is open.
    down_window: Option<Instant>,
    /// Links may have something to say at the end of the turn that began then.
    turn: Option<Instant>,
    /// When the next suspect has its turn. Hubs only.
    probe_at: Option<Instant>,
    /// Where the search for the next suspect begins.
    probe_next: usize,
}

#[derive(Clone, Debug)]
struct Neighbour {
    id: String,
    is_parent: bool,
    link: Link<i64>,
}

impl Node {
    /// A node that waits for its `init`.
    pub fn new(config: Config) -> Node {
        Node {
            config,
            member: None,
            values: IntervalSet::new(),
            outbox: VecDeque::new(),
            log: VecDeque::new(),
        }
    }

    /// The values that the node has heard of.
    pub fn values(&self) -> &IntervalSet {
        &self.values
    }

    /// The neighbours and their links, in the order of the tree; none before `init`.
    pub fn links(&self) -> impl Iterator<Item = (&str, &Link<i64>)> {
        let members = self.member.iter();
        members.flat_map(|member| member.neighbours.iter().map(|n| (n.id.as_str(), &n.link)))
    }

    /// A line came in, without its line break. A bad one is logged and, where
    /// its sender can be told, answered with an error; nothing else changes.
    pub fn handle_line(&mut self, now: Instant, line: &[u8]) {
        match Message::decode(line) {
            Ok(message) => self.handle_message(now, message),
            Err(Rejection { text, reply }) => {
                self.log(Level::Warn, || {
                    let start = &line[..line.len().min(LOGGED_LINE)];
                    Record::new(Level::Warn, "refused")
                        .field("reason", &text)
                        .field("line", String::from_utf8_lossy(start))
                });
                self.outbox.extend(reply.map(|reply| *reply));
            }
        }
    }

    /// A message came in.
    pub fn handle_message(&mut self, now: Instant, message: Message) {
        let Message { src, dest, body } = message;
        if let Body::Init {
            msg_id,
            node_id,
            node_ids,
        } = body
        {
            return self.init(src, dest, msg_id, node_id, &node_ids);
        }
        let Some(member) = &self.member else {
            let text = "not initialised yet: init comes first";
            return self.refuse(src, dest, &body, ErrorCode::TemporarilyUnavailable, text);
        };
        if dest != member.id {
            let text = format!("this is {}, the message is to {dest}", member.id);
            return self.refuse(src, dest, &body, ErrorCode::MalformedRequest, &text);
        }
        match body {
            Body::Broadcast { msg_id, message } => {
                self.learn(now, message, None);
                self.reply(src, dest, msg_id, |in_reply_to| Body::BroadcastOk {
                    in_reply_to,
                });
            }
            Body::Read { msg_id } => {
                // A copy of the ranges; the values are only spelled out on the wire.
                if let Some(in_reply_to) = msg_id {
                    let messages = self.values.clone();
                    let body = Body::ReadOk {
                        in_reply_to,
                        messages,
                    };
                    self.outbox.push_back(Message {
                        src: dest,
                        dest: src,
                        body,
                    });
                }
            }
            Body::Topology { msg_id } => {
                self.reply(src, dest, msg_id, |in_reply_to| Body::TopologyOk {
                    in_reply_to,
                });
            }
            Body::Echo { msg_id, echo } => {
                self.reply(src, dest, msg_id, |in_reply_to| Body::EchoOk {
                    in_reply_to,
                    echo,
                });
            }
            Body::Stats { msg_id } => {
                let values = self.values.len();
                let links = self
                    .links()
                    .map(|(id, link)| (id.to_owned(), link.stats()))
                    .collect();
                self.reply(src, dest, msg_id, |in_reply_to| Body::StatsOk {
                    in_reply_to,
                    values,
                    links,
                });
            }
            Body::Delta {
                offset,
                values,
                ack,
                gap,
            } => {
                self.handle_segment(
                    now,
                    &src,
                    Segment {
                        offset,
                        items: values,
                        ack,
                        gap,
                    },
                );
            }
            Body::Ack { offset, ack, gap } => {
                self.handle_segment(
                    now,
                    &src,
                    Segment {
                        offset,
                        items: Vec::new(),
                        ack,
                        gap,
                    },
                );
            }
            // `decode` makes none of the others, but another driver might.
            other => {
                let text = format!("a node does not take {}", other.kind());
                self.ignore(&src, other.kind(), &text);
            }
        }
    }

    fn reply(
        &mut self,
        src: String,
        dest: String,
        msg_id: Option<i64>,
        body: impl FnOnce(i64) -> Body,
    ) {
        if let Some(in_reply_to) = msg_id {
            let body = body(in_reply_to);
            self.outbox.push_back(Message {
                src: dest,
                dest: src,
                body,
            });
        }
    }

    fn refuse(&mut self, src: String, dest: String, body: &Body, code: ErrorCode, text: &str) {
        self.ignore(&src, body.kind(), text);
        let text = text.to_owned();
        self.reply(src, dest, body.msg_id(), |in_reply_to| Body::Error {
            in_reply_to,
            code,
            text,
        });
    }

    fn ignore(&mut self, src: &str, kind: &str, reason: &str) {
        self.log(Level::Warn, || {
            Record::new(Level::Warn, "ignored")
                .field("type", kind)
                .field("from", src)
                .field("reason", reason)
        });
    }

    fn log(&mut self, level: Level, record: impl FnOnce() -> Record) {
        if level <= self.config.log && self.log.len() < LOG_LIMIT {
            self.log.push_back(record());
        }
    }

    fn init(&mut self, src: String, dest: String, msg_id: Option<i64>, id: String, ids: &[String]) {
        if let Some(member) = &self.member {
            let text = format!("this is {} already", member.id);
            return self.ignore(&src, "init", &text);
        }
        let member = match Member::new(&self.config, id, ids) {
            Ok(member) => member,
            Err(text) => {
                self.ignore(&src, "init", &text);
                let code = ErrorCode::MalformedRequest;
                return self.reply(src, dest, msg_id, |in_reply_to| Body::Error {
                    in_reply_to,
                    code,
                    text,
                });
            }
        };
        self.log(Level::Info, || {
            let parent = member
                .neighbours
                .iter()
                .find(|neighbour| neighbour.is_parent);
            Record::new(Level::Info, "init")
                .field("node", &member.id)
                .field("nodes", ids.len())
                .field("hub", parent.map_or("-", |parent| &parent.id))
                .field(
                    "children",
                    member.neighbours.iter().filter(|n| !n.is_parent).count(),
                )
        });
        // A node's replies come from the name it was given.
        let dest = if dest == member.id {
            dest
        } else {
            member.id.clone()
        };
        self.member = Some(member);
        self.reply(src, dest, msg_id, |in_reply_to| Body::InitOk {
            in_reply_to,
        });
    }

    /// Takes a value in; if it is news, it goes to all neighbours but `from`.
    fn learn(&mut self, now: Instant, value: i64, from: Option<usize>) {
        if !self.values.insert(value) {
            return;
        }
        let Some(member) = &mut self.member else {
            return;
        };
        let from_parent = from.is_some_and(|index| member.neighbours[index].is_parent);
        for (index, neighbour) in member.neighbours.iter_mut().enumerate() {
            if Some(index) == from {
                continue;
            }
            neighbour.link.push(value);
            if neighbour.is_parent {
                member.up_window.get_or_insert(now + self.config.up);
            } else if from_parent {
                member.down_window = Some(now);
            } else {
                member.down_window.get_or_insert(now + self.config.down);
            }
        }
    }

    fn handle_segment(&mut self, now: Instant, src: &str, segment: Segment<i64>) {
        let kind = if segment.items.is_empty() {
            "ack"
        } else {
            "delta"
        };
        let Some(member) = &mut self.member else {
            return;
        };
        let Some(&from) = member.index.get(src) else {
            return self.ignore(src, kind, "not a neighbour in the tree");
        };
        let link = &mut member.neighbours[from].link;
        let was_suspect = link.is_suspect();
        let gaps = link.stats().gaps;
        if let Err(error) = link.handle_segment(now, &segment) {
            return self.ignore(src, kind, &error.to_string());
        }
        let recovered = was_suspect && !link.is_suspect();
        let gap = (link.stats().gaps > gaps).then(|| link.received());
        member.turn.get_or_insert(now);
        if was_suspect {
            // Good news: the network has healed, perhaps not only here.
            for neighbour in &mut member.neighbours {
                neighbour.link.probe(now);
            }
        }
        for value in segment.items {
            self.learn(now, value, Some(from));
        }
        if recovered {
            self.log(Level::Info, || {
                Record::new(Level::Info, "healthy").field("peer", src)
            });
        }
        if let Some(missing) = gap {
            self.log(Level::Debug, || {
                Record::new(Level::Debug, "gap")
                    .field("peer", src)
                    .field("missing", missing)
                    .field("came", segment.offset)
            });
        }
    }

    /// Time has come to `now`: closes the windows and fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(member) = &mut self.member else {
            return;
        };
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let (up, down) = (due(member.up_window), due(member.down_window));
        let mut records = Vec::new();
        if up {
            member.up_window = None;
        }
        if down {
            member.down_window = None;
        }
        member.turn = None;
        member.probe_in_turn(now);
        for neighbour in &mut member.neighbours {
            let Neighbour {
                id,
                is_parent,
                link,
            } = neighbour;
            if if *is_parent { up } else { down } {
                link.release();
            }
            let was_suspect = link.is_suspect();
            link.handle_timeout(now);
            if link.is_suspect() && !was_suspect {
                records.push(
                    Record::new(Level::Warn, "suspect")
                        .field("peer", &*id)
                        .field("unacked", link.unacked()),
                );
            }
            while let Some(segment) = link.poll_transmit(now) {
                let Segment {
                    offset,
                    items,
                    ack,
                    gap,
                } = segment;
                let body = if items.is_empty() {
                    Body::Ack { offset, ack, gap }
                } else {
                    Body::Delta {
                        offset,
                        values: items,
                        ack,
                        gap,
                    }
                };
                self.outbox.push_back(Message {
                    src: member.id.clone(),
                    dest: id.clone(),
                    body,
                });
            }
        }
        member.schedule_probe(now);
        for record in records {
            self.log(Level::Warn, || record);
        }
    }

    /// The next message to send, in the order in which they became due.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Message> {
        self.outbox.pop_front()
    }

    /// When [`handle_timeout`](Node::handle_timeout) is due; `None`: not before
    /// another message has come.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let member = self.member.as_ref()?;
        let own = [
            member.turn,
            member.up_window,
            member.down_window,
            member.probe_at,
        ];
        let links = member
            .neighbours
            .iter()
            .map(|neighbour| neighbour.link.poll_timeout());
        own.into_iter().chain(links).flatten().min()
    }

    /// The next log record, if its level is one that is logged.
    #[must_use]
    pub fn poll_log(&mut self) -> Option<Record> {
        self.log.pop_front()
    }
}

impl Member {
    /// Finds the node's place in the tree. `Err` says what is wrong with the list.
    fn new(config: &Config, id: String, ids: &[String]) -> Result<Member, String> {
        let mut seen = BTreeMap::new();
        for (position, name) in ids.iter().enumerate() {
            if seen.insert(name, position).is_some() {
                return Err(format!(
                    "node_ids names {name} twice; each node has one name"
                ));
            }
        }
        let Some(&own) = seen.get(&id) else {
            return Err(format!("node_ids must name the node itself, {id}"));
        };
        let hubs = config.hubs.unwrap_or_else(|| tree::default_hubs(ids.len()));
        let place = tree::place(ids.len(), hubs, own);
        let timing = Timing {
            ack: config.ack,
            retry: config.retry,
        };
        let neighbour = |position: usize, is_parent| Neighbour {
            id: ids[position].clone(),
            is_parent,
            link: Link::new(timing, ((own as u64) << 32) | position as u64),
        };
        let parent = place.parent.map(|position| neighbour(position, true));
        let children = place
            .children
            .iter()
            .map(|&position| neighbour(position, false));
        let neighbours: Vec<_> = parent.into_iter().chain(children).collect();
        let named = neighbours.iter().enumerate();
        Ok(Member {
            index: named
                .map(|(index, neighbour)| (neighbour.id.clone(), index))
                .collect(),
            id,
            neighbours,
            up_window: None,
            down_window: None,
            turn: None,
            probe_at: None,
            probe_next: 0,
        })
    }

    fn is_hub(&self) -> bool {
        self.neighbours.iter().any(|neighbour| !neighbour.is_parent)
    }

    /// Probes the next suspect if it is time for that.
    fn probe_in_turn(&mut self, now: Instant) {
        if self.probe_at.is_none_or(|at| at > now) {
            return;
        }
        self.probe_at = None;
        let count = self.neighbours.len();
        for index in (0..count).map(|step| (self.probe_next + step) % count) {
            if self.neighbours[index].link.is_suspect() {
                self.neighbours[index].link.probe(now);
                self.probe_next = index + 1;
                return;
            }
        }
    }

    /// Keeps the turns going as long as a hub has a suspect.
    fn schedule_probe(&mut self, now: Instant) {
        let suspects = self
            .neighbours
            .iter()
            .any(|neighbour| neighbour.link.is_suspect());
        if !suspects {
            self.probe_at = None;
        } else if self.is_hub() {
            self.probe_at.get_or_insert(now + PROBE_TURN);
        }
    }
}
