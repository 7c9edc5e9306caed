//! The state machine: lines and time go in, lines come out.
//!
//! A [`Node`] has no I/O, no clock, no threads and no randomness (*sans-IO*).
//! The poll loop drives it with real lines and a real clock, the testbed and
//! the tests with simulated ones. All of them see the same behaviour: the same
//! inputs give the same outputs, byte for byte.
//!
//! It knows who it is and who may be answered, and passes everything else on:
//! a client's request to the [workload](crate::workload), a neighbour's message
//! to the [gossip](crate::gossip). What the one spreads the other carries.

mod any;
mod init;

use std::any::Any;

use crate::config::Config;
use crate::event::{self, Event, Events};
use crate::gossip::Gossip;
use crate::journal::{self, Disk, Found, Journal};
use crate::json::{self, Json};
use crate::link::{self, Link, LinkStats, Marks, Segment};
use crate::message::{self, ErrorCode, Message, Refusal};
use crate::time::Instant;
use crate::workload::{Digest, Effects, Place, Workload};

pub use any::{AnyNode, node};

/// How much of a refused line is kept for its event. Unit: bytes. The event
/// clips it further.
const REFUSED_LINE: usize = 1000;

/// How much room for replies is kept from turn to turn. Unit: bytes. Enough for
/// all small ones of a turn.
const REPLIES_ROOM: usize = 64 << 10;

/// A node of one workload. Drivers know it as [`AnyNode`], which has the contract.
#[derive(Clone, Debug)]
pub struct Node<W: Workload> {
    config: Config,
    workload: W,
    /// The list of all nodes as `init` brought it, to compare a second one with. `None`: it
    /// is awaited. Until then the node has no name, and is alone.
    node_ids: Option<String>,
    id: String,
    place: Place,
    gossip: Gossip<W::Item>,
    /// The root waits for what all others hold before it decides for them.
    settling: bool,
    /// Lines for clients.
    replies: Vec<u8>,
    /// Records for the journal, and the items of the next one.
    records: Vec<u8>,
    unsaved: Vec<W::Item>,
    /// Whether the journal is awaited.
    wants_journal: bool,
    events: Events,
}

impl<W: Workload> AnyNode for Node<W> {
    fn handle_line(&mut self, now: Instant, line: &[u8]) {
        let json = match Json::parse(line) {
            Ok(json) => json,
            Err(error) => return self.refuse(line, error.to_string()),
        };
        let message = match Message::read(&json) {
            Ok(message) => message,
            Err(reason) => return self.refuse(line, reason),
        };
        if let Err(refusal) = self.handle_message(now, &message) {
            self.ignore(&message, &refusal.text);
            // To whoever did not say init yet, under the name by which it asked.
            let mut effects = Effects::<()>::new(now, message.dest, &mut self.replies);
            effects.reply(&message, "error", |body| {
                body.int("code", refusal.code as i64);
                body.text("text", &refusal.text);
            });
        }
    }

    fn wants_journal(&self) -> Option<&str> {
        self.wants_journal.then_some(self.id.as_str())
    }

    fn open_journal(
        &mut self,
        now: Instant,
        disk: Box<dyn Disk>,
        least: u64,
    ) -> std::io::Result<Journal> {
        let (journal, found) = Journal::open(disk, &self.id, least)?;
        self.restore(now, found);
        Ok(journal)
    }

    fn end_turn(&mut self, now: Instant) {
        if self.settling && self.gossip.is_level() {
            self.settle(now);
        }
        self.gossip.end_turn(now, &mut self.events);
    }

    fn poll_persist(&mut self, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.append(&mut self.records);
        journal::write_items(out, &self.unsaved);
        self.unsaved.clear();
        out.len() > start
    }

    fn short_form(&self) -> Box<dyn Iterator<Item = Vec<u8>> + '_> {
        Box::new(journal::short_form(
            &self.id,
            self.config.epoch,
            &self.workload,
        ))
    }

    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.replies.is_empty() {
            out.append(&mut self.replies);
            // A huge reply must not keep its room here for good.
            self.replies.shrink_to(REPLIES_ROOM);
            return true;
        }
        let Some((peer, segment)) = self.gossip.poll_transmit(&mut self.events) else {
            return false;
        };
        message::write(out, &self.id, peer, |body| {
            segment.write(body);
            if segment.digest {
                self.workload.digest().write(body.field("have"));
            }
        });
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.gossip.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    fn links(&self) -> Vec<(&str, Marks)> {
        let links = self.gossip.links();
        links.map(|(peer, link)| (peer, link.marks())).collect()
    }

    fn items(&self) -> u64 {
        self.workload.len()
    }

    fn copy(&self) -> Box<dyn AnyNode> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<W: Workload> Node<W> {
    /// A node that waits for its `init`.
    pub fn new(config: Config) -> Node<W> {
        let alone = Gossip::new(&config, Instant::ZERO, "", &[String::new()]);
        Node {
            events: Events::new(config.log),
            config,
            workload: W::default(),
            node_ids: None,
            id: String::new(),
            place: Place::default(),
            gossip: alone.expect("the list names the node, and nobody twice"),
            settling: false,
            replies: Vec::new(),
            records: Vec::new(),
            unsaved: Vec::new(),
            wants_journal: false,
        }
    }

    /// What it has in common with the others.
    pub fn workload(&self) -> &W {
        &self.workload
    }

    /// The neighbours and their links, in the order of the tree; none before `init`.
    pub fn links(&self) -> impl Iterator<Item = (&str, &Link<W::Item>)> {
        self.gossip.links()
    }

    /// What was found in the journal, be it nothing. The node goes on where it was, in
    /// its next incarnation.
    pub fn restore(&mut self, now: Instant, found: Found<W>) {
        self.wants_journal = false;
        // The count holds even if the clock goes back; the clock, even if the journal
        // was lost and the neighbours remember what it counted.
        self.config.epoch = self.config.epoch.max(found.epoch + 1);
        let epoch = self.config.epoch;
        if found.length == 0 {
            journal::write_head(&mut self.records, &self.id);
        }
        journal::write_epoch(&mut self.records, epoch);
        self.workload = found.workload;
        let items = self.workload.len();
        self.gossip.restart(now, epoch, items > 0);
        if let Some(damage) = found.torn {
            self.events.push(Event::Torn(damage.to_string()));
        }
        self.events.push(Event::Restored(items, epoch));
        self.begin(now, found.epoch > 0);
    }

    fn handle_message(&mut self, now: Instant, message: &Message<'_>) -> Result<(), Refusal> {
        let is_known = self.node_ids.is_some();
        if is_known && message.dest != self.id {
            let (id, dest) = (&self.id, event::clip(message.dest));
            self.ignore(message, &format!("this is {id}, the message is to {dest}"));
            return Ok(());
        }
        if message.is_reply {
            self.ignore(message, "it answers a question that was not asked");
            return Ok(());
        }
        let kind = message.kind()?;
        if message.msg_id.is_some() {
            message.body.int("msg_id")?;
        }
        match kind {
            "init" => self.init(now, message)?,
            _ if !is_known => return Err(Self::too_early(kind)),
            "delta" | "ack" | "sync" => self.handle_segment(now, kind, message)?,
            "stats" => self.stats(now, message),
            _ => {
                if self.settling
                    && W::ROOT_DECIDES.contains(&kind)
                    && let Some(silent) = self.gossip.suspect()
                {
                    return Err(Refusal {
                        code: ErrorCode::TemporarilyUnavailable,
                        text: format!(
                            "the root has to hear first what {silent} holds, which is silent"
                        ),
                    });
                }
                let mut effects = Effects::new(now, &self.id, &mut self.replies);
                self.workload.request(kind, message, &mut effects)?;
                let items = effects.items;
                self.spread(now, items);
            }
        }
        Ok(())
    }

    /// What the workload has made itself goes to all neighbours, and into the journal.
    fn spread(&mut self, now: Instant, items: Vec<W::Item>) {
        for item in items {
            self.gossip.spread(now, &item, None);
            if self.config.data_dir.is_some() {
                self.unsaved.push(item);
            }
        }
    }

    /// The node knows its place and its incarnation. A root that decides for all has to
    /// hear first what all others hold, unless it `knows` what it had decided.
    fn begin(&mut self, now: Instant, knows: bool) {
        self.place.epoch = self.config.epoch;
        self.workload.begin(self.place, now);
        self.settling = !W::ROOT_DECIDES.is_empty() && self.place.is_root;
        if self.settling && !knows {
            self.gossip.gather();
        } else {
            self.settle(now);
        }
    }

    /// The root has what it waited for.
    fn settle(&mut self, now: Instant) {
        if std::mem::take(&mut self.settling) {
            let mut effects = Effects::new(now, &self.id, &mut self.replies);
            self.workload.settled(&mut effects);
            let items = effects.items;
            self.spread(now, items);
        }
    }

    /// A neighbour knows this node as incarnation `named`. If that is a later one, the
    /// clock was set back, and the node goes on above it: else it would be a voice from the
    /// past for good. It keeps all that it holds, and does not know what the others do.
    /// The workload is not told: it goes on in the same memory, and what it has numbered
    /// with its first epoch is still its own.
    fn refute(&mut self, now: Instant, src: &str, named: u64) {
        let Some(epoch) = link::raised(self.config.epoch, named) else {
            return;
        };
        if !self.gossip.knows(src) {
            return;
        }
        self.config.epoch = epoch;
        if self.config.data_dir.is_some() {
            journal::write_epoch(&mut self.records, epoch);
        }
        self.events
            .push(Event::Raised(src.to_owned(), named, epoch));
        self.gossip.restart(now, epoch, false);
        if self.settling {
            self.gossip.gather();
        }
    }

    fn handle_segment(
        &mut self,
        now: Instant,
        kind: &str,
        message: &Message<'_>,
    ) -> Result<(), Refusal> {
        let segment = Segment::read(kind, message.body)?;
        let have = match segment.digest {
            true => Some((message.body).read("have", W::Digest::WHAT, W::Digest::read)?),
            false => None,
        };
        self.refute(now, message.src, segment.peer);
        let events = &mut self.events;
        match (self.gossip).handle_segment(now, message.src, &segment, events) {
            Ok(None) => {}
            Ok(Some(came)) => {
                let mut effects = Effects::new(now, &self.id, &mut self.replies);
                for item in &segment.items {
                    if self.workload.merge(item) {
                        if self.config.data_dir.is_some() {
                            self.unsaved.push(item.clone());
                        }
                        self.gossip.spread(now, item, Some(came));
                        self.workload.heard(item, &mut effects);
                    }
                }
                if let Some(have) = have.filter(|_| self.gossip.wants_digest(came.from)) {
                    self.gossip
                        .fill(now, came.from, self.workload.missing(&have));
                }
                let items = effects.items;
                self.spread(now, items);
            }
            Err(text) => self.ignore(message, &text),
        }
        Ok(())
    }

    /// Counters of every link, and how many items there are.
    fn stats(&mut self, now: Instant, message: &Message<'_>) {
        let links = self.gossip.links();
        let links: Vec<_> = links
            .map(|(peer, link)| (peer, link.stats().counts(link.unacked() as u64)))
            .collect();
        let mut totals = LinkStats::default().counts(0);
        for (_, counts) in &links {
            let pairs = totals.iter_mut().zip(counts);
            pairs.for_each(|(total, count)| total.1 += count.1);
        }
        let write = |object: &mut json::Object<'_>, counts: &[(&'static str, u64)]| {
            counts
                .iter()
                .for_each(|(name, count)| object.int(name, *count as i64));
        };
        let mut effects = Effects::<()>::new(now, &self.id, &mut self.replies);
        effects.reply(message, "stats_ok", |body| {
            body.int("values", self.workload.len() as i64);
            body.list("links", &links, |(peer, counts), out| {
                json::object(out, |link| {
                    link.text("peer", peer);
                    write(link, counts);
                });
            });
            body.object("totals", |object| write(object, &totals));
        });
    }

    fn refuse(&mut self, line: &[u8], reason: String) {
        let start = &line[..line.len().min(REFUSED_LINE)];
        let line = String::from_utf8_lossy(start).into_owned();
        self.events.push(Event::Refused(reason, line));
    }

    fn ignore(&mut self, message: &Message<'_>, reason: &str) {
        self.events.push(Event::Ignored(
            event::clip(message.kind().unwrap_or("-")),
            event::clip(message.src),
            reason.to_owned(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gossip::PROBE_INTERVAL;
    use crate::workload::broadcast::Broadcast;
    use std::time::Duration;

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A line that was said, as (destination, body).
    type Said = (String, String);

    fn line(src: &str, dest: &str, body: &str) -> String {
        format!(r#"{{"src":"{src}","dest":"{dest}","body":{{{body}}}}}"#)
    }

    /// What the node says, each line checked to be in its name.
    fn drain(node: &mut Node<Broadcast>) -> Vec<Said> {
        let mut out = Vec::new();
        while node.poll_transmit(&mut out) {}
        let text = String::from_utf8(out).expect("UTF-8");
        let said = text.lines().map(|line| {
            let json = Json::parse(line.as_bytes()).expect(line);
            let message = Message::read(&json).expect(line);
            if node.node_ids.is_some() {
                assert_eq!(message.src, node.id);
            }
            let body = message.body.0.to_string();
            (message.dest.to_owned(), body[1..body.len() - 1].to_owned())
        });
        said.collect()
    }

    /// Gives the node a line; the replies are those of the middle of a turn.
    fn tell(node: &mut Node<Broadcast>, now: Instant, src: &str, body: &str) -> Vec<Said> {
        let id = match node.node_ids {
            Some(_) => node.id.clone(),
            None => "n0".to_owned(),
        };
        node.handle_line(now, line(src, &id, body).as_bytes());
        drain(node)
    }

    /// Ends a turn; gives what is sent.
    fn at(node: &mut Node<Broadcast>, now: Instant) -> Vec<Said> {
        node.end_turn(now);
        drain(node)
    }

    /// Node `id` of a cluster of `nodes`, already initialised.
    fn node_of(config: Config, nodes: usize, id: &str) -> Node<Broadcast> {
        let ids: Vec<String> = (0..nodes).map(|n| format!(r#""n{n}""#)).collect();
        let mut node = Node::new(config);
        let body = format!(
            r#""type":"init","msg_id":1,"node_id":"{id}","node_ids":[{}]"#,
            ids.join(",")
        );
        node.handle_line(ms(0), line("c0", id, &body).as_bytes());
        assert_eq!(
            drain(&mut node),
            [said("c0", r#""type":"init_ok","in_reply_to":1"#)]
        );
        events(&mut node);
        node
    }

    fn node(nodes: usize, id: &str) -> Node<Broadcast> {
        node_of(Config::default(), nodes, id)
    }

    fn said(to: &str, body: &str) -> Said {
        (to.into(), body.into())
    }

    /// The delta as it is sent at `now`.
    fn stamped(now: Instant, delta: &str) -> String {
        let stamp = format!(r#""ts":{},"held""#, now.as_micros());
        delta.replace(r#""held""#, &stamp)
    }

    fn broadcast(node: &mut Node<Broadcast>, now: Instant, value: i64) {
        let body = format!(r#""type":"broadcast","msg_id":9,"message":{value}"#);
        let ok = said("c0", r#""type":"broadcast_ok","in_reply_to":9"#);
        assert_eq!(tell(node, now, "c0", &body), [ok]);
    }

    /// A delta between two nodes of epoch 1 that know each other.
    fn delta(offset: u64, values: &[i64], ack: u64) -> String {
        let values = format!("{values:?}").replace(' ', "");
        format!(
            r#""type":"delta","epoch":1,"peer":1,"offset":{offset},"values":{values},"ack":{ack},"held":0"#
        )
    }

    /// The same from one that has not heard of the other yet.
    fn first(values: &[i64]) -> String {
        delta(0, values, 0).replace(r#""peer":1"#, r#""peer":0"#)
    }

    fn ack(offset: u64, ack: u64) -> String {
        format!(r#""type":"ack","epoch":1,"peer":1,"offset":{offset},"ack":{ack},"held":0"#)
    }

    fn values(node: &Node<Broadcast>) -> Vec<i64> {
        node.workload().values().iter().collect()
    }

    fn events(node: &mut Node<Broadcast>) -> Vec<Event> {
        std::iter::from_fn(|| node.poll_event()).collect()
    }

    fn ignored(node: &mut Node<Broadcast>) -> String {
        match events(node).as_slice() {
            [Event::Ignored(_, _, reason) | Event::Refused(reason, _)] => reason.clone(),
            other => panic!("one event was expected: {other:?}"),
        }
    }

    #[test]
    fn before_init_every_request_is_put_off() {
        let mut node = Node::new(Config::default());
        for kind in ["read", "topology", "stats", "broadcast", "delta"] {
            let said = tell(
                &mut node,
                ms(0),
                "c1",
                &format!(r#""type":"{kind}","msg_id":1"#),
            );
            assert!(
                said[0].1.contains(r#""in_reply_to":1,"code":11"#),
                "{said:?}"
            );
        }
        let said = tell(&mut node, ms(0), "c1", r#""type":"fly","msg_id":1"#);
        assert!(said[0].1.contains(r#""code":10"#), "{said:?}");
        assert!(at(&mut node, ms(0)).is_empty() && node.poll_timeout().is_none());
    }

    #[test]
    fn an_init_that_makes_no_sense_is_refused_and_another_one_may_follow() {
        let mut node = Node::<Broadcast>::new(Config::default());
        for (id, ids) in [
            ("n0", r#"["n1"]"#),
            ("n0", "[]"),
            ("n0", r#"["n0","n1","n1"]"#),
            ("n0", r#"["n0",7]"#),
            ("n1", r#"["n0","n1"]"#),
        ] {
            let init = format!(r#""type":"init","msg_id":1,"node_id":"{id}","node_ids":{ids}"#);
            let said = tell(&mut node, ms(0), "c0", &init);
            assert!(said[0].1.contains(r#""code":12"#), "{init}: {said:?}");
        }
        let init = r#""type":"init","msg_id":1,"node_id":"n0","node_ids":["n0"]"#;
        let ok = said("c0", r#""type":"init_ok","in_reply_to":1"#);
        assert_eq!(tell(&mut node, ms(0), "c0", init), [ok]);
    }

    #[test]
    fn a_second_init_is_answered_if_it_says_the_same_and_changes_nothing() {
        let mut node = node(3, "n2");
        broadcast(&mut node, ms(5), 7);
        let before = format!("{node:?}");
        let init = r#""type":"init","msg_id":2,"node_ids": ["n0","n\u0031","n2"],"node_id":"n2""#;
        let ok = said("c0", r#""type":"init_ok","in_reply_to":2"#);
        assert_eq!(tell(&mut node, ms(6), "c0", init), [ok]);
        for (id, ids, why) in [
            (
                "n2",
                r#"["n0","n2"]"#,
                r#"node_ids was [\"n0\", \"n1\", \"n2\"] in the first init, and cannot become [\"n0\", \"n2\"]"#,
            ),
            (
                "n1",
                r#"["n0","n1","n2"]"#,
                "node_id must be n2, whom the init is for",
            ),
            ("n2", "[]", "node_ids was"),
        ] {
            let init = format!(r#""type":"init","msg_id":3,"node_id":"{id}","node_ids":{ids}"#);
            let said = tell(&mut node, ms(6), "c0", &init);
            assert!(said[0].1.contains(r#""code":12"#), "{said:?}");
            assert!(said[0].1.contains(why), "{said:?}");
            ignored(&mut node);
        }
        assert_eq!(format!("{node:?}"), before);
    }

    #[test]
    fn requests_are_answered_at_once() {
        let mut node = node(1, "n0");
        broadcast(&mut node, ms(1), 7);
        let read = r#""type":"read","msg_id":3"#;
        let ok = r#""type":"read_ok","in_reply_to":3,"messages":[7]"#;
        assert_eq!(tell(&mut node, ms(2), "c5", read), [said("c5", ok)]);
        let quiet = r#""type":"broadcast","message":8"#;
        assert_eq!(
            tell(&mut node, ms(3), "c5", quiet),
            [],
            "no number, no answer"
        );
        assert_eq!(values(&node), [7, 8]);
        assert_eq!(node.poll_timeout(), None, "alone in the world");
    }

    #[test]
    fn a_node_neither_follows_nor_answers_what_is_not_for_it() {
        let mut node = node(2, "n0");
        for body in [
            r#""type":"broadcast","msg_id":9,"message":7"#,
            r#""msg_id":9"#,
        ] {
            node.handle_line(ms(1), line("c0", "n1", body).as_bytes());
            assert_eq!(ignored(&mut node), "this is n0, the message is to n1");
        }
        for body in [
            r#""type":"error","in_reply_to":1,"msg_id":2,"code":13,"text":"oh""#,
            r#""type":"broadcast","in_reply_to":"x","msg_id":3,"message":7"#,
        ] {
            assert_eq!(tell(&mut node, ms(1), "c0", body), []);
            assert!(ignored(&mut node).contains("not asked"));
        }
        assert_eq!((values(&node), drain(&mut node)), (vec![], vec![]));
    }

    #[test]
    fn a_number_that_is_no_integer_is_refused_and_echoed_as_it_came() {
        let mut node = node(1, "n0");
        for id in ["3.0", r#""x""#, "9223372036854775808", "[1]"] {
            let body = format!(r#""type":"broadcast","msg_id":{id},"message":7"#);
            let said = tell(&mut node, ms(1), "c0", &body);
            assert!(
                said[0]
                    .1
                    .contains(&format!(r#""in_reply_to":{id},"code":12"#)),
                "{said:?}"
            );
            assert!(ignored(&mut node).starts_with("msg_id must be an integer from"));
        }
        assert_eq!(values(&node), []);
    }

    #[test]
    fn null_is_absent_wherever_a_field_may_be_left_out() {
        let mut node = node(2, "n0");
        let body = r#""type":"broadcast","msg_id":1,"in_reply_to":null,"message":7"#;
        let ok = said("c0", r#""type":"broadcast_ok","in_reply_to":1"#);
        assert_eq!(tell(&mut node, ms(0), "c0", body), [ok]);
        let body = r#""type":"broadcast","msg_id":null,"message":8"#;
        assert_eq!(tell(&mut node, ms(0), "c0", body), [], "no number");
        let absent = r#""held":null,"una":null,"ts":null,"echo":null,"waited":null,"next":null,"missing":null"#;
        let first = delta(0, &[9], 0).replace(r#""held":0"#, absent);
        tell(&mut node, ms(0), "n1", &format!(r#"{first},"probe":null"#));
        let sync = r#""type":"sync","epoch":1,"peer":1,"offset":1,"ack":0,"have":[],"end":null"#;
        tell(&mut node, ms(0), "n1", &format!(r#"{sync},"probe":null"#));
        assert_eq!((values(&node), events(&mut node)), (vec![7, 8, 9], vec![]));
        let echo = r#""type":"echo","msg_id":2,"echo":null"#;
        let back = said("c0", r#""type":"echo_ok","in_reply_to":2,"echo":null"#);
        assert_eq!(tell(&mut node, ms(0), "c0", echo), [back]);
    }

    #[test]
    fn bad_requests_are_answered_with_what_would_be_right() {
        let mut node = node(1, "n0");
        for (body, part) in [
            (
                r#""type":"fly""#,
                r#""code":10,"text":"no request is called \"fly\"; there are"#,
            ),
            (
                r#""type":"broadcast""#,
                "message is missing; it must be an integer",
            ),
            (
                r#""type":"broadcast","message":"x""#,
                "message must be an integer",
            ),
            (
                r#""type":"broadcast","message":1e2"#,
                "without fraction or exponent",
            ),
            (
                r#""type":"echo""#,
                "echo is missing; it must be what is to come back, any JSON",
            ),
            (
                r#""type":"delta","epoch":0,"offset":1"#,
                "epoch must be an integer from 1 to 4611686018427387904",
            ),
            (
                r#""type":"ack","epoch":1,"peer":9223372036854775807,"offset":0,"ack":0"#,
                "peer must be an integer from 0 to 4611686018427387904",
            ),
            (
                r#""type":"delta","epoch":1,"peer":0,"offset":-1,"values":[],"ack":0"#,
                "offset must be an integer of at least 0",
            ),
            (
                r#""type":"delta","epoch":1,"peer":0,"offset":1,"values":[1.5],"ack":0"#,
                "an element of values must be an integer",
            ),
            (
                r#""type":"ack","epoch":1,"peer":0,"offset":1,"ack":0,"held":0,"probe":1"#,
                "probe must be true or false",
            ),
            (
                r#""type":"ack","epoch":1,"peer":0,"offset":1,"ack":0,"held":0,"missing":[[2,1]]"#,
                "an element of missing must be a pair of offsets",
            ),
            (
                r#""type":"delta","epoch":1,"peer":0,"offset":1,"ack":0"#,
                "values is missing; it must be an array, each element an integer",
            ),
            (
                r#""type":"sync","epoch":1,"peer":0,"offset":0,"ack":0,"have":[[3,1]]"#,
                "have must be ranges, each its first and last integer",
            ),
            (
                r#""type":"sync","epoch":1,"peer":0,"offset":0,"ack":0"#,
                "have is missing; it must be ranges",
            ),
            (r#""type":7"#, "type must be a string"),
            (r#""kind":7"#, "type is missing; it must be a string"),
        ] {
            let said = tell(&mut node, ms(1), "c1", &format!(r#"{body},"msg_id":1"#));
            assert_eq!(said.len(), 1, "{body}");
            assert!(said[0].1.contains(part), "{body}: {said:?}");
            events(&mut node);
        }
    }

    #[test]
    fn lines_that_are_no_message_make_an_event_and_no_answer() {
        let mut node = node(25, "n3");
        for bad in [
            "",
            "7",
            "{}",
            "{\"src\":\n\"oops",
            r#"{"src":"c1","dest":"n3"}"#,
            r#"{"src":1,"dest":"n3","body":{"msg_id":1}}"#,
        ] {
            node.handle_line(ms(1), bad.as_bytes());
            let events = events(&mut node);
            assert!(
                matches!(events[..], [Event::Refused(..)]),
                "{bad}: {events:?}"
            );
        }
        assert_eq!(drain(&mut node), []);
    }

    #[test]
    fn a_leaf_tells_its_hub_at_the_end_of_the_turn() {
        let mut node = node(25, "n3");
        broadcast(&mut node, ms(5), 7);
        broadcast(&mut node, ms(5), 8);
        let delta = stamped(ms(5), &first(&[7, 8]));
        assert_eq!(at(&mut node, ms(5)), [said("n0", &delta)]);
    }

    #[test]
    fn who_waits_for_nothing_any_more_is_not_woken() {
        let mut node = node(25, "n3");
        broadcast(&mut node, ms(5), 7);
        at(&mut node, ms(5));
        tell(&mut node, ms(205), "n0", &ack(0, 1));
        assert_eq!(
            at(&mut node, ms(1000)),
            [],
            "no greeting where one has talked"
        );
        assert_eq!(node.poll_timeout(), None);
    }

    #[test]
    fn what_is_sent_again_says_that_it_is_late() {
        let mut node = node(25, "n3");
        broadcast(&mut node, ms(5), 7);
        at(&mut node, ms(5));
        at(&mut node, ms(1000));
        let timeout = node.poll_timeout().expect("a retransmission timer");
        let again = at(&mut node, timeout);
        assert!(again[0].1.contains(r#""waited":4294967296"#), "{again:?}");
    }

    #[test]
    fn who_has_forgotten_all_asks_one_neighbour_first_and_then_the_others() {
        for talk in [&["n1"][..], &["n1", "n2", "n3"]] {
            let config = Config {
                epoch: 9,
                ..Config::default()
            };
            let mut node = node_of(config, 4, "n0");
            // They talk to its first life.
            for leaf in talk {
                tell(&mut node, ms(100), leaf, &ack(0, 0));
            }
            let mut asked = |now| {
                let sent = at(&mut node, now).into_iter();
                let asked = sent.filter(|(_, body)| body.contains(r#""probe":true,"have""#));
                let asked: Vec<_> = asked.map(|(to, _)| to).collect();
                let answer =
                    r#""type":"sync","epoch":1,"peer":9,"offset":0,"ack":0,"end":0,"have":[]"#;
                tell(&mut node, now, "n1", answer);
                asked
            };
            assert_eq!(asked(ms(100)), ["n1"], "{talk:?}");
            assert_eq!(asked(ms(300)), ["n2", "n3"], "{talk:?}");
        }
    }

    /// A delta that asks for an answer at once.
    fn probe(now: Instant, body: &str) -> String {
        stamped(now, body) + r#","probe":true"#
    }

    #[test]
    fn a_hub_gathers_for_all_leaves_in_one_batch() {
        let mut node = node(4, "n0");
        broadcast(&mut node, ms(0), 1);
        at(&mut node, ms(0));
        tell(&mut node, ms(50), "n2", &delta(0, &[2], 0));
        assert_eq!(at(&mut node, ms(65)), []);
        let rest = delta(1, &[2], 0).replace(r#""offset""#, r#""una":0,"offset""#);
        let rest = stamped(ms(66), &rest).replace(r#""peer":1"#, r#""peer":0"#);
        let its_own = delta(0, &[1], 1).replace(r#""held":0"#, r#""held":16"#);
        let its_own = stamped(ms(66), &its_own);
        let both = stamped(ms(66), &first(&[1, 2]));
        assert_eq!(
            at(&mut node, ms(66)),
            [said("n1", &rest), said("n2", &its_own), said("n3", &both)],
            "the first value set the departure; n2 does not hear its own"
        );
    }

    #[test]
    fn the_first_item_goes_to_one_child_at_once_to_learn_how_long_an_answer_takes() {
        let mut node = node(4, "n0");
        broadcast(&mut node, ms(0), 1);
        let first = probe(ms(0), &first(&[1]));
        assert_eq!(at(&mut node, ms(0)), [said("n1", &first)]);
        let answer = format!(r#"{},"echo":0"#, ack(0, 1));
        tell(&mut node, ms(20), "n1", &answer);
        assert_eq!(at(&mut node, ms(373)), [], "the network took 20 ms of 400");
        let to: Vec<_> = at(&mut node, ms(374))
            .into_iter()
            .map(|said| said.0)
            .collect();
        assert_eq!(to, ["n2", "n3"]);
        broadcast(&mut node, ms(900), 2);
        assert_eq!(at(&mut node, ms(900)), [], "and that was the only one");
    }

    #[test]
    fn a_value_from_the_only_leaf_goes_nowhere() {
        let mut node = node(2, "n0");
        tell(&mut node, ms(0), "n1", &delta(0, &[5], 0));
        assert_eq!(at(&mut node, ms(0)), []);
        assert_eq!(node.poll_timeout(), Some(ms(1000)), "only its ack is due");
    }

    #[test]
    fn a_value_is_passed_on_once_however_often_it_comes() {
        let mut node = node(4, "n0");
        tell(&mut node, ms(0), "n1", &delta(0, &[5], 0));
        at(&mut node, ms(150));
        tell(&mut node, ms(200), "n2", &delta(0, &[5], 1));
        broadcast(&mut node, ms(200), 5);
        let later = at(&mut node, ms(400));
        assert!(later.iter().all(|(_, body)| !body.contains("delta")));
    }

    #[test]
    fn what_comes_from_the_parent_was_gathered_there_and_goes_down_at_once() {
        let config = Config {
            hubs: Some(2),
            ..Config::default()
        };
        let mut node = node_of(config, 8, "n1");
        broadcast(&mut node, ms(0), 1);
        tell(&mut node, ms(10), "n0", &delta(0, &[2], 0));
        let sent = at(&mut node, ms(10));
        let leaves: Vec<_> = sent.iter().filter(|(to, _)| to != "n0").collect();
        assert_eq!(leaves.len(), 3, "{sent:?}");
        let down = stamped(ms(10), &first(&[1, 2]));
        assert!(
            leaves.iter().all(|(_, body)| *body == down),
            "with what was waiting"
        );
        let up = stamped(ms(10), &delta(0, &[1], 1)) + r#","waited":10"#;
        assert!(sent.contains(&said("n0", &up)), "but not back up");
    }

    #[test]
    fn values_beyond_a_hole_are_merged_and_the_rest_is_asked_for() {
        let mut node = node(4, "n0");
        let beyond = delta(2, &[7], 0).replace(r#""offset""#, r#""una":0,"offset""#);
        tell(&mut node, ms(0), "n1", &beyond);
        assert_eq!(values(&node), [7]);
        let on = probe(ms(0), &first(&[7]));
        let said_at_once = at(&mut node, ms(0));
        assert_eq!(said_at_once, [said("n2", &on)], "it may just be late");
        at(&mut node, ms(150));
        let due = node.poll_timeout().expect("the hole has its time");
        let ack = ack(0, 0).replace(r#""held":0"#, r#""held":250"#);
        let hole = format!(r#"{ack},"missing":[[0,1]]"#);
        assert_eq!(at(&mut node, due), [said("n1", &hole)], "{due}");
    }

    #[test]
    fn strangers_and_impossible_offsets_make_an_event_and_nothing_else() {
        let mut node = node(25, "n3");
        for (src, body) in [
            ("n25", delta(0, &[66], 0)),
            ("c1", delta(0, &[66], 0)),
            ("n0", delta(0, &[66], 1)),
            (
                "n0",
                delta(9, &[66], 0).replace(r#""offset""#, r#""una":10,"offset""#),
            ),
            (
                "n0",
                delta(1 << 40, &[66], 0).replace(r#""offset""#, r#""una":1,"offset""#),
            ),
        ] {
            tell(&mut node, ms(1), src, &body);
            ignored(&mut node);
        }
        assert_eq!((values(&node), drain(&mut node)), (vec![], vec![]));
        assert_eq!(node.poll_timeout(), Some(ms(1000)), "its greeting");
    }

    /// What a node says from `from` on, until it says something to `peer` for which this
    /// `holds`; and when that was.
    fn until(
        node: &mut Node<Broadcast>,
        from: Instant,
        peer: &str,
        holds: impl Fn(&str) -> bool,
    ) -> (Instant, Vec<Said>) {
        let (mut now, mut all) = (from, Vec::new());
        for _ in 0..50 {
            all.extend(at(node, now));
            if all.iter().any(|(to, body)| to == peer && holds(body)) {
                return (now, all);
            }
            now = node.poll_timeout().expect("there is more to come");
        }
        panic!("nothing of the kind to {peer}: {all:?}");
    }

    #[test]
    fn a_node_that_is_no_neighbour_is_answered_and_then_forgotten_again() {
        let mut node = node(5, "n3");
        let asks = ack(0, 0).replace(r#""peer":1"#, r#""peer":0,"probe":true"#);
        tell(&mut node, ms(1), "n4", &asks);
        assert_eq!(at(&mut node, ms(1)), [said("n4", &ack(0, 0))]);
        broadcast(&mut node, ms(2), 7);
        let (_, said) = until(&mut node, ms(2), "n0", |body| body.contains("[7]"));
        assert!(said.iter().all(|(to, _)| to == "n0"), "{said:?}");
    }

    #[test]
    fn whose_hub_is_suspect_seeks_who_is_before_itself_and_that_one_stands_in_until_it_is_back() {
        let mut node = node(5, "n2");
        broadcast(&mut node, ms(0), 7);
        // Nobody answers that.
        let (now, said) = until(&mut node, ms(0), "n1", |_| true);
        let sought: Vec<_> = said.iter().filter(|(to, _)| to == "n1").collect();
        assert_eq!(sought.len(), 1);
        assert!(
            sought[0].1.contains(r#""type":"ack""#),
            "no digest: {sought:?}"
        );
        assert!(!said.iter().any(|(to, _)| to == "n3"), "nobody behind it");

        tell(&mut node, now, "n1", &ack(0, 0));
        assert!(events(&mut node).contains(&Event::StandIn("n1".into())));
        let (_, said) = until(&mut node, now, "n1", |body| body.contains("sync"));
        assert!(said[0].1.contains(r#""need":1"#), "{said:?}");
        let sync = r#""type":"sync","epoch":1,"peer":1,"offset":0,"ack":0,"end":0,"have":[]"#;
        tell(&mut node, now, "n1", sync);
        until(&mut node, now, "n1", |body| {
            body.contains(r#""values":[7]"#)
        });
        tell(&mut node, now, "n1", &ack(0, 1));
        broadcast(&mut node, now, 8);
        until(&mut node, now, "n1", |body| {
            body.contains(r#""values":[8]"#)
        });

        tell(&mut node, now, "n1", &ack(0, 2));
        at(&mut node, now);

        tell(&mut node, now, "n0", &ack(0, 1));
        let said = at(&mut node, now);
        let told = said.iter().find(|(to, _)| to == "n1");
        let (_, told) = told.expect("it is told that it is needed no more");
        assert!(told.contains(r#""need":2"#), "{told}");
        broadcast(&mut node, now, 9);
        let (_, said) = until(&mut node, now, "n0", |body| body.contains("9]"));
        let to_n1 = |(to, body): &Said| to == "n1" && body.contains("9]");
        assert!(!said.iter().any(to_n1), "{said:?}");
    }

    #[test]
    fn who_finds_nobody_before_itself_seeks_all_behind_and_stands_in_for_each_that_answers() {
        let mut node = node(4, "n1");
        broadcast(&mut node, ms(0), 7);
        let (now, said) = until(&mut node, ms(0), "n3", |_| true);
        assert!(said.iter().any(|(to, _)| to == "n2"));
        for peer in ["n2", "n3"] {
            tell(&mut node, now, peer, &ack(0, 0));
            let said = at(&mut node, now);
            let shows = |said: &Said| said.0 == peer && said.1.contains("sync");
            assert!(said.iter().any(shows), "{peer}: {said:?}");
        }
        let sync = r#""type":"sync","epoch":1,"peer":1,"offset":0,"ack":0,"end":0,"have":[]"#;
        for peer in ["n2", "n3"] {
            tell(&mut node, now, peer, sync);
            until(&mut node, now, peer, |body| {
                body.contains(r#""values":[7]"#)
            });
        }
    }

    #[test]
    fn who_stands_in_for_its_hub_probes_it_in_rotation_as_a_hub_does_its_leaves() {
        let mut node = node(4, "n1");
        broadcast(&mut node, ms(0), 7);
        let (now, _) = until(&mut node, ms(0), "n3", |_| true);
        let needs = r#""type":"sync","epoch":1,"peer":1,"offset":0,"ack":0,"need":1,"probe":true,"have":[]"#;
        tell(&mut node, now, "n3", needs);
        let probes_hub = |(to, body): &Said| to == "n0" && body.contains("probe");
        let turns = (1..=8).map(|turn| at(&mut node, now + PROBE_INTERVAL * turn));
        let probes = turns.filter(|said| said.iter().any(probes_hub)).count();
        assert!(
            probes >= 4,
            "{probes} in two seconds, and its timer alone would send none"
        );
    }

    #[test]
    fn who_is_needed_tells_all_behind_it_and_who_is_told_asks_whether_its_own_hub_is_there() {
        let mut node = node(5, "n2");
        let asks = ack(0, 0).replace(r#""peer":1"#, r#""peer":0,"probe":true"#);
        let asks_hub = |(to, body): &Said| to == "n0" && body.contains("probe");
        tell(&mut node, ms(1), "n3", &asks);
        let said = at(&mut node, ms(1));
        assert!(!said.iter().any(asks_hub), "one behind it seeks: {said:?}");
        let needs = r#""type":"sync","epoch":1,"peer":1,"offset":0,"ack":0,"need":1,"probe":true,"have":[]"#;
        tell(&mut node, ms(2), "n3", needs);
        let said = at(&mut node, ms(2));
        assert!(said.iter().any(asks_hub), "it is needed: {said:?}");
        let told: Vec<_> = said.iter().map(|(to, _)| to.as_str()).collect();
        assert!(told.contains(&"n4") && !told.contains(&"n1"), "{said:?}");
        let (mut told, now) = (super::tests::node(5, "n4"), ms(3));
        tell(&mut told, now, "n2", &asks);
        let said = at(&mut told, now);
        assert!(said.iter().any(asks_hub), "{said:?}");
    }

    /// An ack alone, to incarnation `peer`.
    fn ack_to(peer: u64) -> String {
        ack(0, 0).replace(r#""peer":1"#, &format!(r#""peer":{peer}"#))
    }

    #[test]
    fn whoever_is_named_with_a_later_epoch_goes_on_above_it_and_tells_what_it_holds() {
        let mut node = node(4, "n2");
        broadcast(&mut node, ms(0), 7);
        at(&mut node, ms(0));
        for (src, peer) in [("n4", 41), ("n0", i64::MAX as u64), ("n0", link::MAX_EPOCH)] {
            tell(&mut node, ms(1), src, &ack_to(peer));
            let raised = |event: &Event| matches!(event, Event::Raised(..));
            assert!(!events(&mut node).iter().any(raised), "{src} {peer}");
        }
        tell(&mut node, ms(200), "n0", &ack_to(41));
        let raised = Event::Raised("n0".into(), 41, 43);
        assert_eq!(events(&mut node), [raised]);
        let said_then = at(&mut node, ms(200));
        let sync = r#""type":"sync","epoch":43,"peer":1,"offset":0,"ack":0,"held":0,"probe":true,"have":[[7,7]]"#;
        assert_eq!(said_then[0], said("n0", sync), "as after a restart");
        let late = r#""type":"sync","epoch":1,"peer":41,"offset":0,"ack":0,"end":1,"have":[]"#;
        tell(&mut node, ms(201), "n0", late);
        assert_eq!(events(&mut node), [], "it is above that already");
    }

    #[test]
    fn a_raised_epoch_is_recorded_before_anything_is_said_in_it() {
        let config = Config {
            data_dir: Some("memory".into()),
            ..Config::default()
        };
        let mut node = Node::<Broadcast>::new(config);
        let init = r#""type":"init","node_id":"n1","node_ids":["n0","n1"]"#;
        node.handle_line(ms(0), line("c0", "n1", init).as_bytes());
        node.restore(
            ms(0),
            Found {
                workload: Broadcast::default(),
                epoch: 0,
                length: 0,
                short: 0,
                torn: None,
            },
        );
        let mut records = Vec::new();
        assert!(node.poll_persist(&mut records));
        records.clear();
        tell(&mut node, ms(5), "n0", &ack_to(41));
        assert!(
            at(&mut node, ms(5))
                .iter()
                .all(|(_, body)| body.contains(r#""epoch":43"#))
        );
        assert!(node.poll_persist(&mut records));
        assert!(String::from_utf8_lossy(&records).contains(r#"{"epoch":43}"#));
    }

    #[test]
    fn a_voice_from_the_past_is_answered_once_with_the_epoch_that_is_known() {
        let mut node = node(4, "n0");
        let body = |epoch| ack_to(1).replace(r#""epoch":1"#, &format!(r#""epoch":{epoch}"#));
        tell(&mut node, ms(0), "n2", &body(9));
        at(&mut node, ms(0));
        tell(&mut node, ms(1), "n2", &body(8));
        assert_eq!(at(&mut node, ms(1)), [said("n2", &ack_to(9))]);
        assert_eq!(at(&mut node, ms(500)), []);
    }

    /// The root of 4 nodes, whose leaves have all turned suspect.
    fn hub_with_suspects() -> (Node<Broadcast>, Instant) {
        let mut node = node(4, "n0");
        broadcast(&mut node, ms(0), 1);
        assert_eq!(at(&mut node, ms(150)).len(), 3);
        let timeout = at(&mut node, ms(1000)).len();
        assert_eq!(timeout, 0, "nobody needs a greeting");
        let start = node.poll_timeout().expect("a retransmission timer");
        assert_eq!(at(&mut node, start).len(), 3, "three probes");
        assert!(node.links().all(|(_, link)| link.is_suspect()));
        (node, start)
    }

    #[test]
    fn a_hub_probes_its_suspects_in_rotation() {
        let (mut node, start) = hub_with_suspects();
        let mut probed = Vec::new();
        for count in 1..=4 {
            for (to, body) in at(&mut node, start + PROBE_INTERVAL * count) {
                assert!(body.contains(r#""probe":true"#), "{body}");
                probed.push(to);
            }
        }
        assert_eq!(probed, ["n1", "n2", "n3", "n1"]);
    }

    #[test]
    fn good_news_from_one_suspect_makes_a_hub_probe_all_of_them() {
        let (mut node, start) = hub_with_suspects();
        let now = start + Duration::from_millis(600);
        at(&mut node, now);
        let now = now + Duration::from_millis(600);
        tell(&mut node, now, "n2", &ack(0, 1));
        let probed: Vec<_> = at(&mut node, now).into_iter().map(|(to, _)| to).collect();
        assert_eq!(probed, ["n1", "n3"], "n2 itself is healthy");
    }

    #[test]
    fn a_sign_of_life_that_proves_one_direction_makes_a_hub_try_that_link_alone() {
        let (mut node, start) = hub_with_suspects();
        let now = start + Duration::from_millis(600);
        at(&mut node, now);
        tell(
            &mut node,
            now + Duration::from_millis(600),
            "n2",
            &ack(0, 0),
        );
        let sent = at(&mut node, now + Duration::from_millis(600));
        assert!(sent.iter().any(|(to, _)| to == "n2"));
        assert!(node.links().all(|(_, link)| link.is_suspect()));
    }

    #[test]
    fn suspects_and_recoveries_are_events() {
        let (mut node, start) = hub_with_suspects();
        let suspect = Event::Suspect("n2".into(), 1);
        assert!(events(&mut node).contains(&suspect));
        tell(&mut node, start, "n2", &ack(0, 1));
        assert_eq!(events(&mut node), [Event::Healthy("n2".into())]);
    }

    #[test]
    fn stats_count_each_link() {
        let (mut node, start) = hub_with_suspects();
        let said = tell(&mut node, start, "c0", r#""type":"stats","msg_id":5"#);
        let link = r#"{"peer":"n1","sent":2,"acks":0,"syncs":0,"received":0,"retransmitted":1,"holes":0,"duplicates":0,"unacked":1}"#;
        assert!(said[0].1.contains(link), "{said:?}");
        assert!(said[0].1.contains(r#""values":1,"#), "{said:?}");
        assert!(said[0].1.contains(r#""totals":{"sent":6,"#), "{said:?}");
    }

    #[test]
    fn a_root_that_has_not_heard_all_refuses_to_decide_and_says_who_is_silent() {
        let mut node = Node::<crate::workload::log::Log>::new(Config::default());
        let mut tell = |now: Instant, src: &str, body: &str| {
            node.handle_line(now, line(src, "n0", body).as_bytes());
            node.end_turn(now);
            let mut out = Vec::new();
            while node.poll_transmit(&mut out) {}
            String::from_utf8(out).expect("UTF-8")
        };
        let init = r#""type":"init","node_id":"n0","node_ids":["n0","n1","n2"]"#;
        tell(ms(0), "c0", init);
        let level = r#""type":"sync","epoch":1,"peer":1,"offset":0,"ack":0,"end":0,"have":{}"#;
        tell(ms(200), "n1", level);
        let send = r#""type":"send","msg_id":1,"key":"k","msg":7"#;
        tell(ms(4000), "n1", level);
        let refused = tell(ms(8000), "c1", send);
        assert!(
            refused.contains(r#""code":11"#) && refused.contains("what n2 holds"),
            "{refused}"
        );
        tell(ms(9000), "n2", level);
        assert!(tell(ms(9001), "c1", send).contains(r#""type":"send_ok""#));
    }

    #[test]
    fn a_node_that_says_what_cannot_be_right_is_not_believed_to_need_this_one_either() {
        let mut node = node(4, "n2");
        at(&mut node, ms(0));
        let wrong = delta(9, &[66], 0).replace(r#""offset""#, r#""una":10,"need":1,"offset""#);
        tell(&mut node, ms(1), "n3", &wrong);
        ignored(&mut node);
        assert_eq!((values(&node), at(&mut node, ms(1))), (vec![], vec![]));
    }
}
