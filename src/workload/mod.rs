//! What the nodes are for: a workload answers requests from its own state and
//! spreads *items*.
//!
//! A [`Workload`] is a small state machine that knows nothing of neighbours or the
//! wire between nodes. Whatever it [spreads](Effects::spread) reaches every other
//! node's [`merge`](Workload::merge), by the tree and the links.
//!
//! | workload | solves | its items |
//! |---|---|---|
//! | [`echo`] | 1 | none |
//! | [`unique_ids`] | 2 | a mark in time, for the journal only |
//! | [`broadcast`] | 3a to 3e, and Maelstrom's `g-set` | integers |
//! | [`counter`] | 4, and Maelstrom's `pn-counter` | one node's sums |
//! | [`log`] | 5a to 5c | requests to the root, and what it made of them |
//! | [`txn`] | 6a to 6c | one transaction's writes |
//!
//! # The law
//!
//! Items arrive **at least once, in any order**: a link that loses its peer's
//! memory sends again, and a tree has no clock. So merging must be
//! *commutative*, *associative* and *idempotent*: the states form a *join
//! semilattice* and a merge is its join (Shapiro, Preguiça, Baquero and Zawirski,
//! "Conflict-free replicated data types", 2011). Then all nodes that have merged
//! the same items are in the same state, whatever happened on the way. A test holds
//! every workload against this law.
//!
//! What must not be merged by everybody in any order, such as the places in a log,
//! has to be decided by one node. An item may be a question that travels
//! [to the root](Route::Up), and what the root [made of it](Workload::heard) an item for
//! all.

pub mod broadcast;
pub mod counter;
pub mod echo;
#[cfg(test)]
mod laws;
pub mod log;
pub mod txn;
pub mod unique_ids;
pub mod verbatim;

use crate::json::{self, Json};
use crate::message::{self, ErrorCode, Message, Refusal};
use crate::time::Instant;

/// A state machine that many nodes hold together.
pub trait Workload: Clone + Default + std::fmt::Debug + 'static {
    /// What spreads. Small: each link keeps one until the neighbour has it. What must
    /// survive a restart is items, too: the journal keeps all that were news.
    type Item: Item;

    /// A piece of the short form in which a journal keeps all that it holds. Where
    /// there is no short form: an item.
    type Piece: Item;

    /// A short summary of what a node holds, for anti-entropy.
    type Digest: Digest;

    /// The names of its requests, for whoever asks for another one.
    const REQUESTS: &'static [&'static str];

    /// The requests that the root decides, in the order in which it hears of them. It has to
    /// know all that was decided before, so it [gathers](crate::gossip::Gossip::gather) that
    /// first, and refuses these requests as long as somebody does not answer.
    const ROOT_DECIDES: &'static [&'static str] = &[];

    /// The node knows its place, and what its journal held has been restored.
    fn begin(&mut self, _place: Place, _now: Instant) {}

    /// A client asks for something. `kind` is the request's name.
    ///
    /// # Errors
    ///
    /// [`Refusal`], to be answered with an error; the state has not changed then.
    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, Self::Item>,
    ) -> Result<(), Refusal>;

    /// Takes an item in; says whether it was news, and so should travel on. See
    /// the law above.
    fn merge(&mut self, item: &Self::Item) -> bool;

    /// A neighbour's item was news and is merged: what follows from it here.
    fn heard(&mut self, _item: &Self::Item, _effects: &mut Effects<'_, Self::Item>) {}

    /// Where the [root decides](Workload::ROOT_DECIDES): this is the root, and it holds
    /// all that was decided in its former lives, as far as anybody living knows.
    fn settled(&mut self, _effects: &mut Effects<'_, Self::Item>) {}

    /// A summary of what it holds. It may leave something out, but must not claim
    /// what is not there.
    fn digest(&self) -> Self::Digest;

    /// Items that make a node with this digest hold all that this one holds.
    fn missing(&self, have: &Self::Digest) -> Vec<Self::Item>;

    /// Everything that it holds, in short.
    fn pieces(&self) -> impl Iterator<Item = Self::Piece>;

    /// Takes a piece back in, as [`merge`](Workload::merge) does with an item.
    fn restore(&mut self, piece: &Self::Piece);

    /// How many items it holds.
    fn len(&self) -> u64;

    /// Whether it holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// [`broadcast`]
    Broadcast,
    /// [`echo`]
    Echo,
    /// [`unique_ids`]
    UniqueIds,
    /// [`broadcast`], with other names
    GSet,
    /// [`counter`], which only grows
    GCounter,
    /// [`counter`], which goes up and down
    PnCounter,
    /// [`log`]
    Kafka,
    /// [`txn`]
    Txn,
}

impl Name {
    /// All of them, by the names that Maelstrom gives them.
    pub const ALL: [(&'static str, Name); 8] = [
        ("broadcast", Name::Broadcast),
        ("echo", Name::Echo),
        ("unique-ids", Name::UniqueIds),
        ("g-set", Name::GSet),
        ("g-counter", Name::GCounter),
        ("pn-counter", Name::PnCounter),
        ("kafka", Name::Kafka),
        ("txn-rw-register", Name::Txn),
    ];
}

/// Where a node stands among the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its number in the list of all nodes, from 0 on: the same list for all.
    pub index: usize,
    /// How many there are.
    pub nodes: usize,
    /// Whether it is the root of the tree.
    pub is_root: bool,
    /// The incarnation with which this life began; no other life of the node has the same
    /// one. It is mostly larger than those before, but for a clock that was set back.
    pub epoch: u64,
}

/// Which way an item goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To all other nodes, with the next batch.
    All,
    /// To all other nodes, but on the way to this one, by its number, at once.
    First(usize),
    /// To the root, at once.
    Up,
    /// Nowhere: it is for this node's journal.
    Journal,
}

/// What a workload spreads, and its form on the wire.
pub trait Item: Clone + std::fmt::Debug + PartialEq + 'static {
    /// What [`read`](Item::read) expects, for error messages.
    const WHAT: &'static str;

    /// Appends it as JSON.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it; `None` if it is something else.
    fn read(json: &Json<'_>) -> Option<Self>;

    /// Which way it goes.
    fn route(&self) -> Route {
        Route::All
    }

    /// How much longer it is on the wire than a small one. Unit: bytes. So many of them go
    /// together that their sum stays bounded.
    fn weight(&self) -> usize {
        0
    }
}

/// A summary's form on the wire.
pub trait Digest: Sized {
    /// What [`read`](Digest::read) expects, for error messages.
    const WHAT: &'static str;

    /// Appends it as JSON.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads it; `None` if it is something else.
    fn read(json: &Json<'_>) -> Option<Self>;
}

/// Ranges of integers that are held, first and last, ascending and apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(pub Vec<(i64, i64)>);

impl Digest for Ranges {
    const WHAT: &'static str = "ranges, each its first and last integer, ascending and apart";

    fn write(&self, out: &mut Vec<u8>) {
        json::list(out, &self.0, |(first, last), out| {
            json::list(out, [*first, *last], json::encode_int);
        });
    }

    fn read(json: &Json<'_>) -> Option<Ranges> {
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for range in json.as_array()? {
            let [Json::Int(first), Json::Int(last)] = range.as_array()? else {
                return None;
            };
            let apart = ranges.last().is_none_or(|before| before.1 < *first);
            if first > last || !apart {
                return None;
            }
            ranges.push((*first, *last));
        }
        Some(Ranges(ranges))
    }
}

/// A run of integers, first and last: `[0,812]`, or `815` if it is one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run(pub i64, pub i64);

impl Item for Run {
    const WHAT: &'static str = "an integer, or the first and the last of a run";

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Run(first, last) if first == last => json::encode_int(first, out),
            Run(first, last) => json::list(out, [first, last], json::encode_int),
        }
    }

    fn read(json: &Json<'_>) -> Option<Run> {
        match json {
            Json::Int(value) => Some(Run(*value, *value)),
            _ => match json.as_array()? {
                [Json::Int(first), Json::Int(last)] if first <= last => Some(Run(*first, *last)),
                _ => None,
            },
        }
    }
}

/// Nothing is known, so everything is sent: for what has no short summary.
impl Digest for () {
    const WHAT: &'static str = "null";

    fn write(&self, out: &mut Vec<u8>) {
        Json::Null.encode(out);
    }

    fn read(json: &Json<'_>) -> Option<()> {
        matches!(json, Json::Null).then_some(())
    }
}

impl Item for i64 {
    const WHAT: &'static str = "an integer";

    fn write(&self, out: &mut Vec<u8>) {
        json::encode_int(*self, out);
    }

    fn read(json: &Json<'_>) -> Option<i64> {
        json.as_int()
    }
}

/// What a workload causes: replies and items to spread.
#[derive(Debug)]
pub struct Effects<'a, I> {
    /// The time.
    pub now: Instant,
    /// The node's own name.
    node: &'a str,
    /// Lines for clients.
    replies: &'a mut Vec<u8>,
    /// News for the neighbours.
    pub(crate) items: Vec<I>,
}

impl<'a, I> Effects<'a, I> {
    /// None yet, of the node called `node`. Replies are appended to `replies`.
    pub fn new(now: Instant, node: &'a str, replies: &'a mut Vec<u8>) -> Effects<'a, I> {
        Effects {
            now,
            node,
            replies,
            items: Vec::new(),
        }
    }

    /// Answers `request` with a body of this type and these fields, if it wants an answer.
    pub fn reply(
        &mut self,
        request: &Message<'_>,
        kind: &'static str,
        fields: impl FnOnce(&mut json::Object<'_>),
    ) {
        if let Some(msg_id) = request.msg_id {
            self.answer(request.src, msg_id, kind, fields);
        }
    }

    /// Answers what `client` has asked, now or before.
    pub fn answer(
        &mut self,
        client: &str,
        in_reply_to: &Json<'_>,
        kind: &'static str,
        fields: impl FnOnce(&mut json::Object<'_>),
    ) {
        message::write(self.replies, self.node, client, |body| {
            body.word("type", kind);
            body.value("in_reply_to", in_reply_to);
            fields(body);
        });
    }

    /// Sends `item` on its [way](Item::route). It is stored, too, if there is a journal.
    pub fn spread(&mut self, item: I) {
        self.items.push(item);
    }
}

/// Answers a request that all workloads have, which is `echo`, or none.
///
/// # Errors
///
/// [`Refusal`] if no one knows it.
pub(crate) fn other<W: Workload>(
    kind: &str,
    request: &Message<'_>,
    effects: &mut Effects<'_, W::Item>,
) -> Result<(), Refusal> {
    match kind {
        "echo" => echo::echo(request, effects),
        _ => Err(unknown(kind, W::REQUESTS)),
    }
}

/// Appends numbers below 2^63 as an array.
pub(crate) fn write_numbers(numbers: &[u64], out: &mut Vec<u8>) {
    json::list(out, numbers, |number, out| {
        json::encode_int(*number as i64, out)
    });
}

/// So many numbers, if `json` is an array of them.
pub(crate) fn read_numbers<const N: usize>(json: &Json<'_>) -> Option<[u64; N]> {
    let numbers = json.as_array()?.iter().map(Json::as_count);
    let numbers: Vec<u64> = numbers.collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// The refusal of a request that no one knows.
pub(crate) fn unknown(kind: &str, requests: &[&str]) -> Refusal {
    Refusal {
        code: ErrorCode::NotSupported,
        text: format!(
            "no request is called {}; there are init, stats, {}",
            Json::String(crate::event::clip(kind).into()),
            requests.join(", ")
        ),
    }
}
