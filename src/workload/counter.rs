//! Counting together: challenge 4 (`g-counter`), and Maelstrom's `pn-counter`.
//!
//! | request | answer |
//! |---|---|
//! | `add`, `delta`: an integer, for `g-counter` at least 0 | `add_ok` |
//! | `read` | `read_ok`, `value`: the sum of all that was heard of |
//! | `echo` | `echo_ok` |
//!
//! To add twice what arrives twice would be wrong, and to add once what two nodes
//! merged, too: `+` is no join. So a node does not spread what was added. It spreads its
//! *own sum*, of which the greater one is the later one. The maximum is a join, and the
//! value is the sum of all nodes' maxima (Shapiro and others, 2011, 3.1.1). To go down
//! there is a second sum, of all that was taken away: *p* and *n*.
//!
//! A node that lost its memory must not begin again at 0 under its old name, for the
//! others' maximum would swallow what it adds. So each *incarnation* of a node has sums
//! of its own.

use std::collections::BTreeMap;

use crate::json::Json;
use crate::message::{Message, Refusal};
use crate::time::Instant;
use crate::workload::{self, Effects, Item, Place, Workload};

/// The largest sum of one incarnation.
///
/// Unit: whatever is counted. A thousandth of an `i64`, so that the sums of a thousand
/// incarnations can be written as an integer.
const MAX_SUM: u64 = i64::MAX as u64 / 1000;

/// A counter that goes up and, if `DOWN`, down.
#[derive(Clone, Debug, Default)]
pub struct Counter<const DOWN: bool> {
    /// This node and incarnation.
    own: (u64, u64),
    /// Node and incarnation -> what it has added, and taken away.
    sums: BTreeMap<(u64, u64), (u64, u64)>,
}

/// It only grows.
pub type GCounter = Counter<false>;

/// It goes up and down.
pub type PnCounter = Counter<true>;

/// What one incarnation of a node has counted: `[3,17,40,2]` is node 3, its 17th life, 40
/// up and 2 down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    owner: (u64, u64),
    up: u64,
    down: u64,
}

impl Item for Sums {
    const WHAT: &'static str = "a node's number, its epoch, what it added and what it took away";

    fn write(&self, out: &mut Vec<u8>) {
        let (node, epoch) = self.owner;
        workload::write_numbers(&[node, epoch, self.up, self.down], out);
    }

    fn read(json: &Json<'_>) -> Option<Sums> {
        let [node, epoch, up, down] = workload::read_numbers(json)?;
        let owner = (node, epoch);
        (up.max(down) <= MAX_SUM).then_some(Sums { owner, up, down })
    }
}

impl<const DOWN: bool> Counter<DOWN> {
    /// What has been counted, as far as it was heard of.
    pub fn value(&self) -> i128 {
        let sums = self.sums.values();
        sums.map(|&(up, down)| i128::from(up) - i128::from(down))
            .sum()
    }

    fn add(&mut self, delta: i64) -> Result<Sums, Refusal> {
        if delta < 0 && !DOWN {
            let text = "delta must be at least 0: this counter only grows";
            return Err(text.to_owned().into());
        }
        let (mut up, mut down) = self.sums.get(&self.own).copied().unwrap_or_default();
        let sum = if delta < 0 { &mut down } else { &mut up };
        *sum = sum.saturating_add(delta.unsigned_abs());
        if *sum > MAX_SUM {
            let text = format!("delta is too large: one node may count up to {MAX_SUM}");
            return Err(text.into());
        }
        let owner = self.own;
        Ok(Sums { owner, up, down })
    }
}

impl<const DOWN: bool> Workload for Counter<DOWN> {
    type Item = Sums;
    type Piece = Sums;
    type Digest = ();

    const REQUESTS: &'static [&'static str] = &["add", "read", "echo"];

    fn begin(&mut self, place: Place, _now: Instant) {
        self.own = (place.index as u64, place.epoch);
    }

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, Sums>,
    ) -> Result<(), Refusal> {
        match kind {
            "add" => {
                let sums = self.add(request.body.int("delta")?)?;
                if self.merge(&sums) {
                    effects.spread(sums);
                }
                effects.reply(request, "add_ok", |_| ());
            }
            "read" => effects.reply(request, "read_ok", |body| {
                let value = self.value().to_string();
                body.field("value").extend_from_slice(value.as_bytes());
            }),
            _ => return workload::other::<Self>(kind, request, effects),
        }
        Ok(())
    }

    fn merge(&mut self, item: &Sums) -> bool {
        let known = self.sums.get(&item.owner).copied().unwrap_or_default();
        let joined = (item.up.max(known.0), item.down.max(known.1));
        if joined != known {
            self.sums.insert(item.owner, joined);
        }
        joined != known
    }

    fn digest(&self) {}

    fn missing(&self, _have: &()) -> Vec<Sums> {
        self.pieces().collect()
    }

    fn pieces(&self) -> impl Iterator<Item = Sums> {
        let sums = self.sums.iter();
        sums.map(|(&owner, &(up, down))| Sums { owner, up, down })
    }

    fn restore(&mut self, piece: &Sums) {
        self.merge(piece);
    }

    fn len(&self) -> u64 {
        self.sums.len() as u64
    }
}
