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
//! # Chapter 3: batching
//!
//! Without a window the hub sends each value alone (chapter 2, in
//! [`tree`]). Now let it wait 150 ms, the default, and then 350 ms:
//!
//! ```text
//! $ ./run.sh efficient --virtual
//! messages per operation                 1.96        < 30        93 %        < 20        90 %
//! stable latency, median               266 ms    < 400 ms        34 %   < 1000 ms        73 %
//! stable latency, maximum              349 ms    < 600 ms        42 %   < 2000 ms        83 %
//!
//! $ ./run.sh efficient --virtual -- --down-ms 350
//! messages per operation                 1.19        < 30        96 %        < 20        94 %
//! stable latency, median               360 ms    < 400 ms        10 %   < 1000 ms        64 %
//! stable latency, maximum              549 ms    < 600 ms         8 %   < 2000 ms        73 %
//! ```
//!
//! Read one number: 1.96. 50 values a second arrive. A window opens with the first,
//! stays open for 150 ms, and the next value comes some 20 ms later: 5.9 windows a
//! second, 24 deltas each, make 1.41 an operation. The way up costs 0.48, since 24 of
//! 25 values begin at a leaf. The rest are acks that found no ride. The maximum is a
//! promise: two hops of 100 ms and one window. The code: `learn` opens the window,
//! `handle_timeout` closes it.
//!
//! # Chapter 4: why the windows are shared
//!
//! Give each link a window of its own, and each drifts to a phase of its own. A value
//! must reach all 24, so it waits for the slowest: of 24 waits spread evenly over
//! 150 ms the longest is 144 ms on average, where one window makes it wait for 75.
//! The messages are the same. So a direction has one window, and closes it for all.
//!
//! A value that comes down from the parent hub was gathered there already, so it
//! closes the window towards the leaves at once.
//!
//! # Chapter 8: a partition, and good news
//!
//! ```text
//! $ ./run.sh partition --virtual --seed 10
//! partition              start       end    recovery
//! majority               2.3 s     4.2 s      460 ms
//! majorities-ring        7.0 s     8.1 s      610 ms
//! hub                   10.5 s    13.2 s      570 ms
//! one                   14.6 s    16.7 s      410 ms
//! minority-third        18.5 s    19.5 s      571 ms
//! median                                      570 ms
//! ```
//!
//! For 2.7 s nobody heard the hub. Its links turned suspect after 1.5 s (chapter 7, in
//! [`link`](crate::link)) and went quiet. Read one number: 570 ms after the heal every
//! node had everything, though each link's own next try was up to 3 s away.
//! `./run.sh trace` shows the same with one leaf, message by message.
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
use crate::json::Json;
use crate::link::{Link, Segment, Timing};
use crate::log::{self, Level, Record};
use crate::message::{Body, ErrorCode, Message, Rejection};
use crate::time::Instant;
use crate::tree;

/// How often a hub with suspect neighbours probes one of them.
///
/// Unit: time. It is how long the end of a partition goes unnoticed at most, at
/// a price of four messages a second however many neighbours are cut off.
pub const PROBE_TURN: Duration = Duration::from_millis(250);

/// How much of a refused line is looked at for the log. Unit: bytes. The log
/// clips it further.
const LOGGED_LINE: usize = 1000;

/// The most log records that wait for [`Node::poll_log`]; beyond it new ones
/// are dropped. A driver takes them every turn, and one message makes one for
/// every link at most, so only a driver that never asks gets there.
const LOG_LIMIT: usize = 10_000;

/// Links are asked for more as long as the outbox got fewer values than this from
/// them.
///
/// Unit: values of 8 bytes. Each link has at most a [`WINDOW`](crate::link::WINDOW)
/// of 16 384 to send, so no more than 256 KiB wait at once, however many links there
/// are. The values of an ordinary window fit, so that one look at the log after
/// `handle_timeout` tells all of it.
const OUTBOX_VALUES: usize = 16 << 10;

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
    /// After a timeout: when it was, and the first neighbour whose link was not yet
    /// asked what it has to send.
    asking: Option<(Instant, usize)>,
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
            asking: None,
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
            Err(Rejection { text, dest, reply }) => {
                self.log(Level::Warn, || {
                    let start = &line[..line.len().min(LOGGED_LINE)];
                    Record::new(Level::Warn, "refused")
                        .field("reason", &text)
                        .field("line", String::from_utf8_lossy(start))
                });
                // A line for somebody else is not ours to answer.
                if dest.is_some_and(|dest| self.is_for_me(&dest)) {
                    self.outbox.extend(reply.map(|reply| *reply));
                }
            }
        }
    }

    /// A message came in.
    pub fn handle_message(&mut self, now: Instant, message: Message) {
        let Message { src, dest, body } = message;
        if !self.is_for_me(&dest) {
            let text = format!("the message is to {}", log::clip(&dest));
            return self.ignore(&src, body.kind(), &text);
        }
        if let Body::Init {
            msg_id,
            node_id,
            node_ids,
        } = body
        {
            return self.init(src, dest, msg_id, node_id, &node_ids);
        }
        if self.member.is_none() {
            let text = "not initialised yet: init comes first";
            let code = ErrorCode::TemporarilyUnavailable;
            return self.refuse(src, dest, (body.kind(), body.msg_id()), code, text);
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

    /// Whether a node that knows its name is called `dest`. Before `init` it has
    /// none, and answers to whatever it is called: its pipe has nobody else.
    fn is_for_me(&self, dest: &str) -> bool {
        self.member.as_ref().is_none_or(|member| member.id == dest)
    }

    fn refuse(
        &mut self,
        src: String,
        dest: String,
        (kind, msg_id): (&str, Option<i64>),
        code: ErrorCode,
        text: &str,
    ) {
        self.ignore(&src, kind, text);
        let text = text.to_owned();
        self.reply(src, dest, msg_id, |in_reply_to| Body::Error {
            in_reply_to: Json::Int(in_reply_to),
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
        let member = if id == dest {
            Member::new(&self.config, id, ids)
        } else {
            Err(format!(
                "node_id must be {}, whom the init is for",
                log::clip(&dest)
            ))
        };
        let member = match member {
            Ok(member) => member,
            Err(text) => {
                let code = ErrorCode::MalformedRequest;
                return self.refuse(src, dest, ("init", msg_id), code, &text);
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
        let debug = self.config.log >= Level::Debug;
        let mut close = |window: &mut Option<Instant>, name| {
            *window = None;
            if debug {
                let record = Record::new(Level::Debug, "window-closes").field("towards", name);
                records.push((Level::Debug, record));
            }
        };
        if up {
            close(&mut member.up_window, "hub");
        }
        if down {
            close(&mut member.down_window, "leaves");
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
                let record = Record::new(Level::Warn, "suspect")
                    .field("peer", &*id)
                    .field("unacked", link.unacked());
                records.push((Level::Warn, record));
            }
        }
        member.schedule_probe(now);
        for (level, record) in records {
            self.log(level, || record);
        }
        self.asking = Some((now, 0));
        self.ask_links();
    }

    /// Fills the outbox with what the links have to say, up to [`OUTBOX_VALUES`]: a
    /// hub's window may have megabytes for each of hundreds of leaves.
    fn ask_links(&mut self) {
        let (Some((now, first)), Some(member)) = (self.asking.take(), &mut self.member) else {
            return;
        };
        let mut records = Vec::new();
        let mut values = 0;
        for (index, neighbour) in member.neighbours.iter_mut().enumerate().skip(first) {
            let link = &mut neighbour.link;
            let retransmitted = link.stats().retransmitted;
            while let Some(segment) = link.poll_transmit(now) {
                if link.stats().retransmitted > retransmitted {
                    let record = Record::new(Level::Debug, "retransmits")
                        .field("peer", &neighbour.id)
                        .field("offset", segment.offset)
                        .field("values", segment.items.len());
                    records.push(record);
                }
                values += segment.items.len();
                self.outbox.push_back(Message {
                    src: member.id.clone(),
                    dest: neighbour.id.clone(),
                    body: segment.into(),
                });
            }
            if values >= OUTBOX_VALUES {
                self.asking = Some((now, index + 1));
                break;
            }
        }
        for record in records {
            self.log(Level::Debug, || record);
        }
    }

    /// The next message to send, in the order in which they became due.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Message> {
        if self.outbox.is_empty() {
            self.ask_links();
        }
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

/// What a link sends is a delta, or an ack if it has no items.
impl From<Segment<i64>> for Body {
    fn from(segment: Segment<i64>) -> Body {
        let Segment {
            offset,
            items,
            ack,
            gap,
        } = segment;
        if items.is_empty() {
            return Body::Ack { offset, ack, gap };
        }
        Body::Delta {
            offset,
            values: items,
            ack,
            gap,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn message(src: &str, dest: &str, body: Body) -> Message {
        Message {
            src: src.into(),
            dest: dest.into(),
            body,
        }
    }

    /// Node `id` of a cluster of `nodes`, already initialised.
    fn node_of(config: Config, nodes: usize, id: &str) -> Node {
        let node_ids: Vec<String> = (0..nodes).map(|index| format!("n{index}")).collect();
        let mut node = Node::new(config);
        let init = Body::Init {
            msg_id: Some(1),
            node_id: id.into(),
            node_ids,
        };
        node.handle_message(ms(0), message("c0", id, init));
        let ready = message(id, "c0", Body::InitOk { in_reply_to: 1 });
        assert_eq!(drain(&mut node), [ready]);
        node
    }

    fn node(nodes: usize, id: &str) -> Node {
        node_of(Config::default(), nodes, id)
    }

    fn drain(node: &mut Node) -> Vec<Message> {
        std::iter::from_fn(|| node.poll_transmit()).collect()
    }

    /// Lets time come to `now`; gives what is sent, as (destination, body).
    fn at(node: &mut Node, now: Instant) -> Vec<(String, Body)> {
        node.handle_timeout(now);
        drain(node)
            .into_iter()
            .map(|message| (message.dest, message.body))
            .collect()
    }

    fn broadcast(node: &mut Node, now: Instant, id: &str, value: i64) -> Vec<Message> {
        let body = Body::Broadcast {
            msg_id: Some(9),
            message: value,
        };
        node.handle_message(now, message("c0", id, body));
        drain(node)
    }

    fn delta(offset: u64, values: &[i64], ack: u64) -> Body {
        Body::Delta {
            offset,
            values: values.to_vec(),
            ack,
            gap: false,
        }
    }

    fn ack(offset: u64, ack: u64) -> Body {
        Body::Ack {
            offset,
            ack,
            gap: false,
        }
    }

    fn values(node: &Node) -> Vec<i64> {
        node.values().iter().collect()
    }

    fn logged(node: &mut Node) -> String {
        let records = std::iter::from_fn(|| node.poll_log());
        records
            .map(|record| record.as_str().to_owned() + "\n")
            .collect()
    }

    fn error_code(node: &mut Node) -> Option<i64> {
        match drain(node).pop()?.body {
            Body::Error { code, .. } => Some(code.number()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn before_init_every_request_is_put_off() {
        let mut node = Node::new(Config::default());
        for kind in ["read", "topology", "stats"] {
            let line =
                format!(r#"{{"src":"c1","dest":"n1","body":{{"type":"{kind}","msg_id":1}}}}"#);
            node.handle_line(ms(0), line.as_bytes());
            assert_eq!(error_code(&mut node), Some(11), "{kind}");
        }
        node.handle_line(
            ms(0),
            br#"{"src":"c1","dest":"n1","body":{"type":"fly","msg_id":1}}"#,
        );
        assert_eq!(error_code(&mut node), Some(10));
    }

    #[test]
    fn an_init_that_makes_no_sense_is_refused_and_another_one_may_follow() {
        let mut node = Node::new(Config::default());
        for ids in [vec!["n1"], vec![], vec!["n0", "n1", "n1"], vec!["n0", "n0"]] {
            let node_ids = ids.into_iter().map(String::from).collect();
            let init = Body::Init {
                msg_id: Some(1),
                node_id: "n0".into(),
                node_ids,
            };
            node.handle_message(ms(0), message("c0", "n0", init));
            assert_eq!(error_code(&mut node), Some(12));
        }
        let node_ids = vec!["n0".into()];
        let init = Body::Init {
            msg_id: Some(1),
            node_id: "n0".into(),
            node_ids,
        };
        node.handle_message(ms(0), message("c0", "n0", init));
        assert_eq!(drain(&mut node).len(), 1);
    }

    #[test]
    fn a_second_init_is_ignored() {
        let mut node = node(25, "n3");
        logged(&mut node);
        let init = Body::Init {
            msg_id: Some(2),
            node_id: "n4".into(),
            node_ids: vec!["n4".into()],
        };
        node.handle_message(ms(0), message("c0", "n3", init));
        assert_eq!(drain(&mut node), []);
        assert!(logged(&mut node).contains("reason=\"this is n3 already\""));
        assert_eq!(node.links().next().map(|(id, _)| id), Some("n0"));
    }

    #[test]
    fn requests_are_answered_at_once() {
        let mut node = node(1, "n0");
        let bodies = broadcast(&mut node, ms(1), "n0", 7);
        assert_eq!(
            bodies,
            [message("n0", "c0", Body::BroadcastOk { in_reply_to: 9 })]
        );
        node.handle_message(ms(2), message("c5", "n0", Body::Read { msg_id: Some(3) }));
        let messages = [7].into_iter().collect();
        assert_eq!(
            drain(&mut node),
            [message(
                "n0",
                "c5",
                Body::ReadOk {
                    in_reply_to: 3,
                    messages
                }
            )]
        );
        node.handle_message(
            ms(3),
            message(
                "c5",
                "n0",
                Body::Broadcast {
                    msg_id: None,
                    message: 8,
                },
            ),
        );
        assert_eq!(drain(&mut node), [], "without a number there is no answer");
        assert_eq!(values(&node), [7, 8]);
        assert_eq!(node.poll_timeout(), None, "alone in the world");
    }

    #[test]
    fn a_line_to_somebody_else_is_logged_and_never_answered_whatever_it_is() {
        let mut node = node(2, "n0");
        logged(&mut node);
        for body in [
            r#"{"type":"broadcast","msg_id":1,"message":7}"#,
            r#"{"type":"broadcast","msg_id":1,"message":"x"}"#,
            r#"{"type":"read","msg_id":null}"#,
            r#"{"type":"fly","msg_id":1}"#,
            r#"{"msg_id":1}"#,
            r#"{"type":"init","msg_id":1,"node_id":"n9","node_ids":["n9"]}"#,
        ] {
            let line = format!(r#"{{"src":"c1","dest":"n9","body":{body}}}"#);
            node.handle_line(ms(1), line.as_bytes());
            assert_eq!(drain(&mut node), [], "{line}");
            assert_eq!(logged(&mut node).lines().count(), 1, "{line}");
        }
        assert_eq!(values(&node), []);
    }

    #[test]
    fn a_reply_is_logged_and_never_answered_before_init_neither() {
        for mut node in [Node::new(Config::default()), node(2, "n0")] {
            logged(&mut node);
            for kind in ["error", "read", "broadcast", "fly", "init", "delta"] {
                let line = format!(
                    r#"{{"src":"n1","dest":"n0","body":{{"type":"{kind}","msg_id":1,"in_reply_to":1,"message":7,"node_id":"n0","node_ids":["n0"],"offset":0,"values":[7],"ack":0}}}}"#
                );
                node.handle_line(ms(1), line.as_bytes());
                assert_eq!(drain(&mut node), [], "{line}");
                assert_eq!(logged(&mut node).lines().count(), 1, "{line}");
            }
            assert_eq!(values(&node), []);
        }
    }

    #[test]
    fn a_broadcast_with_a_msg_id_that_is_no_integer_is_answered_with_12_and_not_stored() {
        let mut node = node(2, "n0");
        for id in ["null", "3.0", "\"x\""] {
            let body = format!(r#"{{"type":"broadcast","msg_id":{id},"message":7}}"#);
            let line = format!(r#"{{"src":"c1","dest":"n0","body":{body}}}"#);
            node.handle_line(ms(1), line.as_bytes());
            assert_eq!(error_code(&mut node), Some(12), "{line}");
        }
        assert_eq!(values(&node), []);
    }

    #[test]
    fn an_init_in_another_name_is_refused_under_the_name_that_was_called() {
        let mut node = Node::new(Config::default());
        let line = br#"{"src":"c0","dest":"n0","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n0","n1"]}}"#;
        node.handle_line(ms(0), line);
        assert!(logged(&mut node).contains("node_id must be n0"));
        let said = drain(&mut node);
        assert_eq!((said.len(), said[0].src.as_str()), (1, "n0"));
        assert_eq!(said[0].body.kind(), "error");
        let line = br#"{"src":"c0","dest":"n0","body":{"type":"read","msg_id":2}}"#;
        node.handle_line(ms(0), line);
        assert_eq!(error_code(&mut node), Some(11), "it is still nobody");
    }

    #[test]
    fn a_leaf_tells_its_hub_at_the_end_of_the_turn() {
        let mut node = node(25, "n3");
        broadcast(&mut node, ms(5), "n3", 7);
        broadcast(&mut node, ms(5), "n3", 8);
        assert_eq!(node.poll_timeout(), Some(ms(5)));
        assert_eq!(at(&mut node, ms(5)), [("n0".into(), delta(0, &[7, 8], 0))]);
    }

    #[test]
    fn a_hub_gathers_for_all_leaves_in_one_window() {
        let mut node = node(4, "n0");
        broadcast(&mut node, ms(0), "n0", 1);
        node.handle_message(ms(100), message("n2", "n0", delta(0, &[2], 0)));
        assert_eq!(at(&mut node, ms(149)), []);
        assert_eq!(
            at(&mut node, ms(150)),
            [
                ("n1".into(), delta(0, &[1, 2], 0)),
                ("n2".into(), delta(0, &[1], 1)),
                ("n3".into(), delta(0, &[1, 2], 0)),
            ],
            "the first value opened the window; n2 does not hear its own"
        );
    }

    #[test]
    fn what_a_hub_has_for_many_leaves_is_made_while_it_is_taken_and_not_before() {
        let mut node = node(100, "n0");
        for value in 0..20_000 {
            broadcast(&mut node, ms(0), "n0", 7 * value);
        }
        node.handle_timeout(ms(150));
        let mut sent = BTreeMap::new();
        loop {
            let waiting: usize = node.outbox.iter().map(|message| count(&message.body)).sum();
            assert!(waiting <= OUTBOX_VALUES + crate::link::WINDOW, "{waiting}");
            let Some(message) = node.poll_transmit() else {
                break;
            };
            *sent.entry(message.dest).or_insert(0) += count(&message.body);
        }
        assert_eq!(sent.len(), 99);
        let full = |&values: &usize| values == crate::link::WINDOW;
        assert!(
            sent.values().all(full),
            "each leaf gets all it may: {sent:?}"
        );
    }

    fn count(body: &Body) -> usize {
        match body {
            Body::Delta { values, .. } => values.len(),
            _ => 0,
        }
    }

    #[test]
    fn a_value_from_the_only_leaf_goes_nowhere() {
        let mut node = node(2, "n0");
        node.handle_message(ms(0), message("n1", "n0", delta(0, &[5], 0)));
        assert_eq!(at(&mut node, ms(0)), []);
        assert_eq!(node.poll_timeout(), Some(ms(1000)), "only its ack is due");
    }

    #[test]
    fn a_value_is_passed_on_once_however_often_it_comes() {
        let mut node = node(4, "n0");
        node.handle_message(ms(0), message("n1", "n0", delta(0, &[5], 0)));
        at(&mut node, ms(150));
        node.handle_message(ms(200), message("n2", "n0", delta(0, &[5], 1)));
        broadcast(&mut node, ms(200), "n0", 5);
        assert!(
            at(&mut node, ms(400))
                .iter()
                .all(|(_, body)| body.kind() != "delta")
        );
    }

    #[test]
    fn what_comes_from_the_parent_was_gathered_there_and_goes_down_at_once() {
        let config = Config {
            hubs: Some(2),
            ..Config::default()
        };
        let mut node = node_of(config, 8, "n1");
        broadcast(&mut node, ms(0), "n1", 1);
        node.handle_message(ms(10), message("n0", "n1", delta(0, &[2], 0)));
        let sent = at(&mut node, ms(10));
        let leaves: Vec<_> = sent.iter().filter(|(to, _)| to != "n0").collect();
        assert_eq!(leaves.len(), 3);
        assert!(
            leaves.iter().all(|(_, body)| *body == delta(0, &[1, 2], 0)),
            "with what was waiting"
        );
        assert!(
            sent.contains(&("n0".into(), delta(0, &[1], 1))),
            "but not back up"
        );
    }

    #[test]
    fn values_beyond_a_gap_are_merged_and_the_rest_is_asked_for() {
        let mut node = node(4, "n0");
        node.handle_message(ms(0), message("n1", "n0", delta(2, &[7], 0)));
        assert_eq!(values(&node), [7]);
        let gap = Body::Ack {
            offset: 0,
            ack: 0,
            gap: true,
        };
        assert_eq!(at(&mut node, ms(0)), [("n1".into(), gap)]);
    }

    #[test]
    fn strangers_and_impossible_offsets_are_logged_and_ignored() {
        let mut node = node(25, "n3");
        logged(&mut node);
        for (src, body) in [
            ("n4", delta(0, &[66], 0)),
            ("c1", delta(0, &[66], 0)),
            ("n0", delta(0, &[66], 1)),
            ("n0", delta(1 << 40, &[66], 0)),
            ("n0", ack(i64::MAX as u64, 0)),
        ] {
            node.handle_message(ms(1), message(src, "n3", body));
            assert!(logged(&mut node).contains("event=ignored"), "{src}");
        }
        assert_eq!((values(&node), drain(&mut node)), (vec![], vec![]));
        assert_eq!(node.poll_timeout(), None);
    }

    #[test]
    fn bad_lines_are_logged_in_one_line_and_answered_where_possible() {
        let mut node = node(25, "n3");
        logged(&mut node);
        node.handle_line(ms(1), b"{\"src\":\n\"oops");
        assert_eq!(drain(&mut node), []);
        assert_eq!(logged(&mut node).lines().count(), 1);
        node.handle_line(
            ms(1),
            br#"{"src":"c1","dest":"n3","body":{"type":"broadcast","msg_id":4,"message":[]}}"#,
        );
        assert_eq!(error_code(&mut node), Some(12));
        assert_eq!(values(&node), []);
    }

    /// The root of 4 nodes, whose leaves have all turned suspect.
    fn hub_with_suspects() -> (Node, Instant) {
        let mut node = node(4, "n0");
        broadcast(&mut node, ms(0), "n0", 1);
        assert_eq!(at(&mut node, ms(150)).len(), 3);
        assert_eq!(at(&mut node, ms(1650)).len(), 3, "three probes");
        assert!(node.links().all(|(_, link)| link.is_suspect()));
        (node, ms(1650))
    }

    #[test]
    fn a_hub_probes_its_suspects_in_turn() {
        let (mut node, start) = hub_with_suspects();
        let mut probed = Vec::new();
        for turn in 1..=4 {
            for (to, body) in at(&mut node, start + PROBE_TURN * turn) {
                assert!(matches!(body, Body::Delta { gap: true, .. }));
                probed.push(to);
            }
        }
        assert_eq!(probed, ["n1", "n2", "n3", "n1"]);
    }

    #[test]
    fn good_news_from_one_suspect_makes_a_hub_probe_all_of_them() {
        let (mut node, start) = hub_with_suspects();
        let now = start + Duration::from_millis(300);
        at(&mut node, now);
        let now = now + Duration::from_millis(300);
        node.handle_message(now, message("n2", "n0", ack(0, 0)));
        let probed: Vec<_> = at(&mut node, now).into_iter().map(|(to, _)| to).collect();
        assert_eq!(probed, ["n1", "n2", "n3"]);
    }

    #[test]
    fn suspects_and_recoveries_are_logged() {
        let (mut node, start) = hub_with_suspects();
        assert!(logged(&mut node).contains("level=warn event=suspect peer=n2 unacked=1\n"));
        node.handle_message(start, message("n2", "n0", ack(0, 1)));
        assert!(logged(&mut node).contains("level=info event=healthy peer=n2\n"));
    }

    #[test]
    fn stats_count_each_link() {
        let (mut node, start) = hub_with_suspects();
        node.handle_message(start, message("c0", "n0", Body::Stats { msg_id: Some(5) }));
        let mut line = Vec::new();
        drain(&mut node)[0].encode(&mut line);
        let text = String::from_utf8(line).unwrap();
        let link = r#"{"peer":"n1","sent":2,"acks":0,"received":0,"retransmitted":1,"gaps":0,"duplicates":0,"unacked":1}"#;
        assert!(text.contains(link), "{text}");
        assert!(text.contains(r#""totals":{"sent":6,"#), "{text}");
    }

    /// Carries messages among `nodes` with 100 ms latency until nothing is left
    /// to do; gives how many messages it took and when the last one was sent.
    fn run_until_quiet(nodes: &mut [Node]) -> (usize, Instant) {
        let mut flying: VecDeque<(Instant, Message)> = VecDeque::new();
        let (mut sent, mut last) = (0, Instant::ZERO);
        loop {
            let arrival = flying.front().map(|(at, _)| *at);
            let timer = nodes.iter().filter_map(Node::poll_timeout).min();
            let Some(now) = arrival.into_iter().chain(timer).min() else {
                return (sent, last);
            };
            while flying.front().is_some_and(|(at, _)| *at <= now) {
                let (_, message) = flying.pop_front().unwrap();
                let index: usize = message.dest[1..].parse().unwrap();
                nodes[index].handle_message(now, message);
            }
            for node in nodes.iter_mut() {
                node.handle_timeout(now);
                for message in drain(node) {
                    (sent, last) = (sent + 1, now);
                    flying.push_back((now + Duration::from_millis(100), message));
                }
            }
        }
    }

    #[test]
    fn one_value_reaches_24_others_with_24_deltas_and_their_acks_and_then_all_is_quiet() {
        let mut nodes: Vec<Node> = (0..25)
            .map(|index| node(25, &format!("n{index}")))
            .collect();
        broadcast(&mut nodes[7], ms(0), "n7", 42);
        let (sent, last) = run_until_quiet(&mut nodes);
        assert!(nodes.iter().all(|node| values(node) == [42]));
        // Up: one delta, acknowledged alone. Down: 23 deltas and 23 acks.
        assert_eq!(sent, 2 * 24);
        assert_eq!(
            last,
            ms(100 + 150 + 100 + 1000),
            "the leaves' acks waited for a ride"
        );
        assert!(
            nodes.iter().all(|node| node.poll_timeout().is_none()),
            "no timer is left"
        );
        assert!(
            nodes
                .iter()
                .all(|node| node.links().all(|(_, link)| link.is_quiet()))
        );
    }
}
