//! A log per key, in one order for all: challenges 5a to 5c (`kafka`).
//!
//! | request | answer |
//! |---|---|
//! | `send`, `key`: a string, `msg`: any JSON | `send_ok`, `offset`: its place in the key's log, from 0 on |
//! | `poll`, `offsets`: key -> from where | `poll_ok`, `msgs`: key -> `[[offset, msg], ...]`, without a gap |
//! | `commit_offsets`, `offsets`: key -> how far | `commit_offsets_ok` |
//! | `list_committed_offsets`, `keys` | `list_committed_offsets_ok`, `offsets`: key -> how far |
//! | `echo` | `echo_ok` |
//!
//! Two nodes that both give the next place to a message give it to two messages, and no
//! merge can mend that: an order is no join. So one decides, the root of the tree (*total
//! order by a fixed sequencer*: Défago, Schiper and Urbán, 2004). A message travels
//! there as a [`Send`](LogItem::Send), with its *origin*: node, incarnation and a number.
//! The root gives it the next offset and spreads an [`Entry`](LogItem::Entry), which tells
//! the origin, too: by that it knows its own and answers the client. Entries do join:
//! there is one for a place, whatever the order in which they arrive.
//!
//! **Once.** Whoever has an entry knows its origin, and ignores another `Send` from there:
//! so does a root that starts anew and reads its journal. A root without one asks all
//! neighbours what they hold before it decides anything
//! ([`settled`](Workload::settled)).
//!
//! **When.** A client waits for its offset, so a `Send` does not wait for the hub's next
//! departure. The entry goes back at once on the way to its origin. All others hear of
//! it when the hub departs.
//!
//! **Caveats.** Who is cut off from the root cannot send: its clients wait until they give
//! up, and the message may still get its place later. A `poll` works everywhere and always.
//! Who stands in for the hub passes on what has its place. It decides nothing: without the
//! root that takes a consensus, or a service that has one order, as Maelstrom's `lin-kv`.
//! Without a journal a root that is killed forgets what it had answered and nobody else had;
//! what another message gets that place, a journal prevents.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::verbatim::{self, Verbatim};
use crate::interval_set::IntervalSet;
use crate::json::{self, Json};
use crate::message::{ErrorCode, Fields, Message, Refusal};
use crate::time::Instant;
use crate::workload::{self, Digest, Effects, Item, Place, Route, Workload};

/// How long a key may be. Unit: bytes. Each item names it.
const MAX_KEY: usize = 4096;

/// How much one answer to `poll` holds, about.
///
/// Unit: bytes of messages. A line may have 16 MiB; what is left out is polled next.
const MAX_POLL: usize = 1 << 20;

/// How many sends may wait for the root.
///
/// Unit: messages. A node that is cut off remembers each; what comes on top of these is
/// refused, which is better than an answer that comes when nobody waits for it.
const MAX_WAITING: usize = 100_000;

/// The most keys of a digest. Unit: keys. What it leaves out is sent again.
const MAX_DIGEST: usize = 4096;

/// Which send of which node: its number, its incarnation, and its count.
pub type Origin = [u64; 3];

/// The logs of all keys.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// This node and incarnation, and how often it has sent.
    own: (u64, u64),
    sent: u64,
    /// This node gives the offsets.
    decides: bool,
    topics: BTreeMap<Arc<str>, Topic>,
    /// Node and incarnation -> which of its sends have an offset.
    placed: BTreeMap<(u64, u64), IntervalSet>,
    /// Sends without one.
    pending: BTreeMap<Origin, (Arc<str>, Verbatim)>,
    /// By its count, whose send has none, and the request's number. It does not survive a
    /// restart, and need not: nor does the question, for the client.
    waiting: BTreeMap<u64, (String, Json<'static>)>,
}

/// One key's log.
#[derive(Clone, Debug, Default)]
struct Topic {
    entries: BTreeMap<u64, (Origin, Verbatim)>,
    /// All offsets below are there.
    whole: u64,
    committed: Option<u64>,
}

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogItem {
    /// Up: this message wants an offset. `{"send":[3,17,0],"key":"k","msg":8}`
    Send(Origin, Arc<str>, Verbatim),
    /// Down: it has this one. `{"entry":[3,17,0],"key":"k","offset":5,"msg":8}`
    Entry(Origin, Arc<str>, u64, Verbatim),
    /// Somebody has come so far. `{"key":"k","committed":5}`
    Commit(Arc<str>, u64),
}

impl Item for LogItem {
    const WHAT: &'static str = "a send, an entry or a committed offset";

    fn write(&self, out: &mut Vec<u8>) {
        json::object(out, |item| match self {
            LogItem::Send(origin, key, msg) => {
                workload::write_numbers(origin, item.field("send"));
                item.text("key", key);
                item.field("msg").extend_from_slice(msg.text().as_bytes());
            }
            LogItem::Entry(origin, key, offset, msg) => {
                workload::write_numbers(origin, item.field("entry"));
                item.text("key", key);
                item.int("offset", *offset as i64);
                item.field("msg").extend_from_slice(msg.text().as_bytes());
            }
            LogItem::Commit(key, offset) => {
                item.text("key", key);
                item.int("committed", *offset as i64);
            }
        });
    }

    fn read(json: &Json<'_>) -> Option<LogItem> {
        let fields = Fields(json);
        let key = fields.text("key").ok()?.into();
        if let Ok(offset) = fields.count("committed") {
            return Some(LogItem::Commit(key, offset));
        }
        let msg = Verbatim::of(json.get("msg")?);
        match (json.get("send"), json.get("entry")) {
            (Some(origin), None) => Some(LogItem::Send(workload::read_numbers(origin)?, key, msg)),
            (None, Some(origin)) => {
                let offset = fields.count("offset").ok()?;
                let origin = workload::read_numbers(origin)?;
                Some(LogItem::Entry(origin, key, offset, msg))
            }
            _ => None,
        }
    }

    fn route(&self) -> Route {
        match self {
            LogItem::Send(..) => Route::Up,
            LogItem::Entry([node, ..], ..) => Route::First(*node as usize),
            LogItem::Commit(..) => Route::All,
        }
    }

    fn weight(&self) -> usize {
        match self {
            LogItem::Send(_, key, msg) | LogItem::Entry(_, key, _, msg) => key.len() + msg.weight(),
            LogItem::Commit(key, _) => key.len(),
        }
    }
}

/// Key -> how long its log is without a gap, and what is committed, from 1 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths(BTreeMap<Arc<str>, [u64; 2]>);

impl Digest for Lengths {
    const WHAT: &'static str = "for each key the length of its log, and one past what is committed";

    fn write(&self, out: &mut Vec<u8>) {
        json::object(out, |keys| {
            for (key, numbers) in &self.0 {
                workload::write_numbers(numbers, keys.any_field(key));
            }
        });
    }

    fn read(json: &Json<'_>) -> Option<Lengths> {
        let keys = json.as_object()?.iter();
        let keys = keys.map(|(key, json)| Some((Arc::from(&**key), workload::read_numbers(json)?)));
        keys.collect::<Option<_>>().map(Lengths)
    }
}

impl Log {
    /// A key's log from an offset on, as far as it is without a gap.
    pub fn entries(&self, key: &str, from: u64) -> impl Iterator<Item = (u64, &Verbatim)> {
        let topic = self.topics.get(key).into_iter();
        let whole = topic.flat_map(move |t| t.entries.range(from.min(t.whole)..t.whole));
        whole.map(|(&offset, (_, msg))| (offset, msg))
    }

    fn topic(&mut self, key: &Arc<str>) -> &mut Topic {
        self.topics.entry(key.clone()).or_default()
    }

    fn send(
        &mut self,
        request: &Message<'_>,
        effects: &mut Effects<'_, LogItem>,
    ) -> Result<(), Refusal> {
        let key = key_of(request.body.text("key")?)?;
        let msg = request.body.read("msg", "the message, any JSON", Some)?;
        let msg = Verbatim::take("msg", msg)?;
        if self.waiting.len() >= MAX_WAITING {
            return Err(Refusal {
                code: ErrorCode::TemporarilyUnavailable,
                text: format!("{MAX_WAITING} sends wait for the root already"),
            });
        }
        let origin = [self.own.0, self.own.1, self.sent];
        self.sent += 1;
        if let Some(msg_id) = request.msg_id {
            let asked = (request.src.to_owned(), msg_id.to_static());
            self.waiting.insert(origin[2], asked);
        }
        let item = LogItem::Send(origin, key, msg);
        self.merge(&item);
        if self.decides {
            self.decide(origin, effects);
        } else {
            effects.spread(item);
        }
        Ok(())
    }

    /// The root gives a send the next offset.
    fn decide(&mut self, origin: Origin, effects: &mut Effects<'_, LogItem>) {
        let Some((key, msg)) = self.pending.get(&origin).cloned() else {
            return;
        };
        let offset = self.topic(&key).whole;
        let entry = LogItem::Entry(origin, key, offset, msg);
        self.merge(&entry);
        self.answer(origin, offset, effects);
        effects.spread(entry);
    }

    /// The client that waits for this one's offset, if it is ours.
    fn answer(&mut self, origin: Origin, offset: u64, effects: &mut Effects<'_, LogItem>) {
        if origin[..2] == [self.own.0, self.own.1]
            && let Some((client, msg_id)) = self.waiting.remove(&origin[2])
        {
            let fields = |body: &mut json::Object<'_>| body.int("offset", offset as i64);
            effects.answer(&client, &msg_id, "send_ok", fields);
        }
    }

    fn poll(
        &self,
        request: &Message<'_>,
        effects: &mut Effects<'_, LogItem>,
    ) -> Result<(), Refusal> {
        let offsets = offsets(request)?;
        effects.reply(request, "poll_ok", |body| {
            body.object("msgs", |msgs| {
                let mut room = MAX_POLL;
                for (key, from) in offsets {
                    let fits = |(_, msg): &(u64, &Verbatim)| {
                        let fits = room > 0;
                        room = room.saturating_sub(msg.weight() + 1);
                        fits
                    };
                    let entries = self.entries(&key, from).take_while(fits);
                    json::list(msgs.any_field(&key), entries, |(offset, msg), out| {
                        verbatim::list([&offset.to_string(), msg.text()], out);
                    });
                }
            });
        });
        Ok(())
    }
}

fn key_of(key: &str) -> Result<Arc<str>, Refusal> {
    match key.len() {
        0..=MAX_KEY => Ok(key.into()),
        length => Err(format!("a key may be {MAX_KEY} bytes long, not {length}").into()),
    }
}

/// The field `offsets`: each key once.
fn offsets(request: &Message<'_>) -> Result<BTreeMap<Arc<str>, u64>, Refusal> {
    let what = "an object of key to offset, each an integer of at least 0";
    let offsets = request.body.read("offsets", what, |offsets| {
        let members = offsets.as_object()?.iter();
        let members = members.map(|(key, offset)| Some((&**key, offset.as_count()?)));
        members.collect::<Option<Vec<_>>>()
    })?;
    let member = |(key, offset)| Ok((key_of(key)?, offset));
    offsets.into_iter().map(member).collect()
}

impl Workload for Log {
    type Item = LogItem;
    type Piece = LogItem;
    type Digest = Lengths;

    const REQUESTS: &'static [&'static str] = &[
        "send",
        "poll",
        "commit_offsets",
        "list_committed_offsets",
        "echo",
    ];
    const ROOT_DECIDES: &'static [&'static str] = &["send"];

    fn begin(&mut self, place: Place, _now: Instant) {
        self.own = (place.index as u64, place.epoch);
    }

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, LogItem>,
    ) -> Result<(), Refusal> {
        match kind {
            "send" => self.send(request, effects)?,
            "poll" => self.poll(request, effects)?,
            "commit_offsets" => {
                for (key, offset) in offsets(request)? {
                    let item = LogItem::Commit(key, offset);
                    if self.merge(&item) {
                        effects.spread(item);
                    }
                }
                effects.reply(request, "commit_offsets_ok", |_| ());
            }
            "list_committed_offsets" => {
                let keys = request.body.list("keys", "a string", Json::as_str)?;
                effects.reply(request, "list_committed_offsets_ok", |body| {
                    body.object("offsets", |offsets| {
                        for key in keys {
                            let topic = self.topics.get(key);
                            if let Some(committed) = topic.and_then(|topic| topic.committed) {
                                json::encode_int(committed as i64, offsets.any_field(key));
                            }
                        }
                    });
                });
            }
            _ => return workload::other::<Self>(kind, request, effects),
        }
        Ok(())
    }

    fn merge(&mut self, item: &LogItem) -> bool {
        match item {
            LogItem::Send(origin @ [node, epoch, count], key, msg) => {
                let placed = self.placed.get(&(*node, *epoch));
                if placed.is_some_and(|placed| placed.contains(*count as i64)) {
                    return false;
                }
                let message = (key.clone(), msg.clone());
                self.pending.insert(*origin, message).is_none()
            }
            LogItem::Entry(origin @ [node, epoch, count], key, offset, msg) => {
                self.pending.remove(origin);
                let placed = self.placed.entry((*node, *epoch)).or_default();
                placed.insert(*count as i64);
                let topic = self.topic(key);
                // Two for one place are the work of a root that had lost its memory. All
                // must choose the same one.
                let known = topic.entries.get(offset);
                if known.is_some_and(|(known, _)| known <= origin) {
                    return false;
                }
                topic.entries.insert(*offset, (*origin, msg.clone()));
                while topic.entries.contains_key(&topic.whole) {
                    topic.whole += 1;
                }
                true
            }
            LogItem::Commit(key, offset) => {
                let committed = &mut self.topic(key).committed;
                let news = committed.is_none_or(|known| known < *offset);
                if news {
                    *committed = Some(*offset);
                }
                news
            }
        }
    }

    fn heard(&mut self, item: &LogItem, effects: &mut Effects<'_, LogItem>) {
        match item {
            LogItem::Send(origin, ..) if self.decides => self.decide(*origin, effects),
            LogItem::Entry(origin, _, offset, _) => self.answer(*origin, *offset, effects),
            _ => {}
        }
    }

    fn settled(&mut self, effects: &mut Effects<'_, LogItem>) {
        self.decides = true;
        let pending: Vec<Origin> = self.pending.keys().copied().collect();
        for origin in pending {
            self.decide(origin, effects);
        }
    }

    fn digest(&self) -> Lengths {
        let lengths = self.topics.iter().take(MAX_DIGEST);
        let length = |topic: &Topic| [topic.whole, topic.committed.map_or(0, |at| at + 1)];
        let lengths = lengths.map(|(key, topic)| (key.clone(), length(topic)));
        Lengths(lengths.collect())
    }

    fn missing(&self, have: &Lengths) -> Vec<LogItem> {
        let known = |key: &Arc<str>| have.0.get(key).copied().unwrap_or_default();
        let lacks = |item: &LogItem| match item {
            LogItem::Send(..) => true,
            LogItem::Entry(_, key, offset, _) => *offset >= known(key)[0],
            LogItem::Commit(key, offset) => *offset >= known(key)[1],
        };
        self.pieces().filter(lacks).collect()
    }

    fn pieces(&self) -> impl Iterator<Item = LogItem> {
        let pending = self.pending.iter();
        let sends =
            pending.map(|(origin, (key, msg))| LogItem::Send(*origin, key.clone(), msg.clone()));
        let topics = self.topics.iter();
        let entries = topics.flat_map(|(key, topic)| {
            let entries = topic.entries.iter().map(|(&offset, (origin, msg))| {
                LogItem::Entry(*origin, key.clone(), offset, msg.clone())
            });
            let committed = topic.committed;
            entries.chain(committed.map(|offset| LogItem::Commit(key.clone(), offset)))
        });
        sends.chain(entries)
    }

    fn restore(&mut self, piece: &LogItem) {
        self.merge(piece);
    }

    fn len(&self) -> u64 {
        let topic = |topic: &Topic| topic.entries.len() + usize::from(topic.committed.is_some());
        let placed: usize = self.topics.values().map(topic).sum();
        (placed + self.pending.len()) as u64
    }
}
