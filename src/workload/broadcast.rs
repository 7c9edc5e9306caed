//! "Tell everybody": a set of integers that only grows.
//!
//! | request | answer |
//! |---|---|
//! | `broadcast`, `message`: an integer | `broadcast_ok`: "I have it, and will not forget it" |
//! | `read` | `read_ok`, `messages`: all integers heard of, ascending, each once |
//! | `topology` | `topology_ok`: thanks for the advice, which hubcast does not take |
//! | `echo` | `echo_ok` |
//!
//! Maelstrom's `g-set` (*G* is for grow-only) is the same under other names:
//!
//! | request | answer |
//! |---|---|
//! | `add`, `element`: an integer | `add_ok` |
//! | `read` | `read_ok`, `value`: all elements, ascending, each once |
//! | `echo` | `echo_ok` |
//!
//! The set's merge is its union: a join if there ever was one. Nothing can be taken out of
//! it: a union would bring it back from whoever has not heard of that yet.
//!
//! A `message` that is no integer is refused. Maelstrom sends none, and a set of
//! integers can be kept as ranges: a million of them in a few bytes.

use crate::interval_set::IntervalSet;
use crate::message::{Message, Refusal};
use crate::workload::{self, Effects, Ranges, Run, Workload};

/// The most ranges of a digest.
///
/// Unit: ranges. Of up to 43 bytes each, they make a line of at most 180 kB. What a
/// digest leaves out is sent again: dense values have a few ranges, and for far-apart
/// ones a digest is as long as the values themselves.
const MAX_RANGES: usize = 4096;

/// Every value heard of; if `G_SET`, with the requests of `g-set`.
#[derive(Clone, Debug, Default)]
pub struct Set<const G_SET: bool> {
    values: IntervalSet,
}

/// The set that `broadcast` tells of.
pub type Broadcast = Set<false>;

/// The set of `g-set`.
pub type GSet = Set<true>;

impl<const G_SET: bool> Set<G_SET> {
    /// The values.
    pub fn values(&self) -> &IntervalSet {
        &self.values
    }
}

impl<const G_SET: bool> Workload for Set<G_SET> {
    type Item = i64;
    type Piece = Run;
    type Digest = Ranges;

    const REQUESTS: &'static [&'static str] = match G_SET {
        true => &["add", "read", "echo"],
        false => &["broadcast", "read", "topology", "echo"],
    };

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, i64>,
    ) -> Result<(), Refusal> {
        let (add, field, add_ok, shown) = match G_SET {
            true => ("add", "element", "add_ok", "value"),
            false => ("broadcast", "message", "broadcast_ok", "messages"),
        };
        match kind {
            _ if kind == add => {
                let value = request.body.int(field)?;
                if self.values.insert(value) {
                    effects.spread(value);
                }
                effects.reply(request, add_ok, |_| ());
            }
            "read" => effects.reply(request, "read_ok", |body| {
                self.values.encode(body.field(shown));
            }),
            "topology" if !G_SET => effects.reply(request, "topology_ok", |_| ()),
            _ => return workload::other::<Self>(kind, request, effects),
        }
        Ok(())
    }

    fn merge(&mut self, item: &i64) -> bool {
        self.values.insert(*item)
    }

    fn digest(&self) -> Ranges {
        Ranges(self.values.ranges().take(MAX_RANGES).collect())
    }

    fn missing(&self, have: &Ranges) -> Vec<i64> {
        self.values.without(&have.0)
    }

    fn pieces(&self) -> impl Iterator<Item = Run> {
        self.values.ranges().map(|(first, last)| Run(first, last))
    }

    fn restore(&mut self, &Run(first, last): &Run) {
        self.values.insert_range(first, last);
    }

    fn len(&self) -> u64 {
        self.values.len()
    }
}
