//! Transactions on registers, available whatever happens: challenges 6a to 6c
//! (`txn-rw-register`).
//!
//! | request | answer |
//! |---|---|
//! | `txn`, `txn`: `[["r", key, null], ["w", key, value], ...]` | `txn_ok`, `txn`: the same, with what the reads saw |
//! | `echo` | `echo_ok` |
//!
//! A key is any JSON, and so is a value; what was never written is `null`.
//!
//! A transaction runs at once, on what this node holds, and nobody else is asked: *total
//! availability*. What it wrote travels as one item, and is merged in one step. So nobody
//! ever sees half of a transaction, or what it wrote and then overwrote itself: that is
//! *read committed*, and more (Bailis and others, "Highly available transactions", 2013).
//!
//! When two write one key, the later one wins, everywhere the same. "Later" is a *Lamport
//! timestamp* (Lamport, 1978): one more than all that the node had seen, and the
//! node's number where two are equal. So who has read a value and writes is later than
//! that value. The greater timestamp wins, key by key: a maximum, and so a join
//! (*last writer wins*).
//!
//! A transaction is kept as long as one of its writes stands, and whole: a
//! neighbour that lacks it must not see half of it, either.
//!
//! **Caveat.** Two that run at the same time in two places do not see one another. One
//! of two "add one to what I read" is lost: that is what availability costs, and what
//! consensus is for.

use std::collections::BTreeMap;

use super::verbatim::{self, Verbatim};
use crate::json::{self, Json};
use crate::message::{Message, Refusal};
use crate::time::Instant;
use crate::workload::{self, Effects, Item, Place, Workload};

/// How much the writes of one transaction may hold. Unit: bytes of keys and values. They
/// travel in one item, and a line may have 16 MiB.
const MAX_WRITES: usize = 1 << 20;

/// A Lamport clock's reading, the node and its incarnation: in this order greater means
/// later. The incarnation tells a node that has lost its memory from itself.
pub type Stamp = [u64; 3];

/// What was written, by key.
pub type Writes = BTreeMap<Verbatim, Verbatim>;

/// Registers, and the transactions that wrote what is in them.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    /// This node and incarnation.
    own: (u64, u64),
    /// The greatest clock reading that was seen.
    clock: u64,
    /// Key -> the transaction that wrote it last.
    keys: BTreeMap<Verbatim, Stamp>,
    /// Those transactions, and of how many keys they are the last.
    live: BTreeMap<Stamp, (Writes, usize)>,
}

/// All writes of a transaction: `[clock, node, epoch, [[key, value], ...]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// When.
    pub stamp: Stamp,
    /// The last value of each key that it wrote.
    pub writes: Writes,
}

impl Item for Committed {
    const WHAT: &'static str =
        "a transaction: its clock, node and epoch, and [key, value] for each key";

    fn write(&self, out: &mut Vec<u8>) {
        let [clock, node, epoch] = self.stamp.map(|number| number.to_string());
        let mut writes = Vec::new();
        json::list(&mut writes, &self.writes, |(key, value), out| {
            verbatim::list([key.text(), value.text()], out);
        });
        verbatim::list(
            [&clock, &node, &epoch, &String::from_utf8_lossy(&writes)],
            out,
        );
    }

    fn read(json: &Json<'_>) -> Option<Committed> {
        let [clock, node, epoch, writes] = json.as_array()? else {
            return None;
        };
        let writes = writes
            .as_array()?
            .iter()
            .map(|write| match write.as_array()? {
                [key, value] => Some((Verbatim::of(key), Verbatim::of(value))),
                _ => None,
            });
        Some(Committed {
            stamp: [clock.as_count()?, node.as_count()?, epoch.as_count()?],
            writes: writes.collect::<Option<_>>()?,
        })
    }

    fn weight(&self) -> usize {
        let writes = self.writes.iter();
        writes
            .map(|(key, value)| key.weight() + value.weight())
            .sum()
    }
}

/// What an element of `txn` must be.
const OPERATION: &str = r#"["r", key, null] or ["w", key, value]"#;

/// One operation of a transaction: a key, and what is written there, or a read.
fn operation(json: &Json<'_>) -> Result<(Verbatim, Option<Verbatim>), Refusal> {
    let (key, value) = match json.as_array().unwrap_or_default() {
        [Json::String(what), key, _] if what == "r" => (key, None),
        [Json::String(what), key, value] if what == "w" => (key, Some(value)),
        _ => return Err(format!("an element of txn must be {OPERATION}").into()),
    };
    let value = value.map(|value| Verbatim::take("a value", value));
    Ok((Verbatim::take("a key", key)?, value.transpose()?))
}

impl Txn {
    /// What a key holds.
    pub fn get(&self, key: &Verbatim) -> Option<&Verbatim> {
        let (writes, _) = self.live.get(self.keys.get(key)?)?;
        writes.get(key)
    }

    fn run(
        &mut self,
        request: &Message<'_>,
        effects: &mut Effects<'_, Committed>,
    ) -> Result<(), Refusal> {
        let what = format!("an array, each element {OPERATION}");
        let operations = request.body.read("txn", &what, Json::as_array)?;
        let operations: Vec<_> = operations.iter().map(operation).collect::<Result<_, _>>()?;
        let mut writes = Writes::new();
        let mut done = Vec::new();
        json::list(&mut done, operations, |(key, written), out| {
            let (what, shown) = match &written {
                Some(value) => (r#""w""#, Some(value)),
                None => (r#""r""#, writes.get(&key).or_else(|| self.get(&key))),
            };
            verbatim::list(
                [what, key.text(), shown.map_or("null", Verbatim::text)],
                out,
            );
            if let Some(value) = written {
                writes.insert(key, value);
            }
        });
        if !writes.is_empty() {
            let stamp = [self.clock + 1, self.own.0, self.own.1];
            let item = Committed { stamp, writes };
            if item.weight() > MAX_WRITES {
                return Err(format!("a transaction may write {MAX_WRITES} bytes").into());
            }
            self.merge(&item);
            effects.spread(item);
        }
        effects.reply(request, "txn_ok", |body| {
            body.field("txn").extend_from_slice(&done);
        });
        Ok(())
    }
}

impl Workload for Txn {
    type Item = Committed;
    type Piece = Committed;
    type Digest = ();

    const REQUESTS: &'static [&'static str] = &["txn", "echo"];

    fn begin(&mut self, place: Place, _now: Instant) {
        self.own = (place.index as u64, place.epoch);
    }

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, Committed>,
    ) -> Result<(), Refusal> {
        match kind {
            "txn" => self.run(request, effects),
            _ => workload::other::<Self>(kind, request, effects),
        }
    }

    fn merge(&mut self, item: &Committed) -> bool {
        self.clock = self.clock.max(item.stamp[0]);
        let mut wins = 0;
        for key in item.writes.keys() {
            let last = self.keys.get(key).copied();
            if last.is_some_and(|last| last >= item.stamp) {
                continue;
            }
            self.keys.insert(key.clone(), item.stamp);
            wins += 1;
            if let Some((last, (_, standing))) =
                last.and_then(|last| Some((last, self.live.get_mut(&last)?)))
            {
                *standing -= 1;
                if *standing == 0 {
                    self.live.remove(&last);
                }
            }
        }
        if wins > 0 {
            self.live.insert(item.stamp, (item.writes.clone(), wins));
        }
        wins > 0
    }

    fn digest(&self) {}

    fn missing(&self, _have: &()) -> Vec<Committed> {
        self.pieces().collect()
    }

    fn pieces(&self) -> impl Iterator<Item = Committed> {
        self.live.iter().map(|(&stamp, (writes, _))| Committed {
            stamp,
            writes: writes.clone(),
        })
    }

    fn restore(&mut self, piece: &Committed) {
        self.merge(piece);
    }

    fn len(&self) -> u64 {
        self.keys.len() as u64
    }
}
