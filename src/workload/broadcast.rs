//! "Tell everybody": a set of integers that only grows.
//!
//! | request | answer |
//! |---|---|
//! | `broadcast`, `message`: an integer | `broadcast_ok`: "I have it, and will not forget it" |
//! | `read` | `read_ok`, `messages`: all integers heard of, ascending, each once |
//! | `topology` | `topology_ok`: thanks for the advice, which hubcast does not take |
//! | `echo` | `echo_ok` |
//!
//! The set's merge is its union: a join if there ever was one.
//!
//! A `message` that is no integer is refused. Maelstrom sends none, and a set of
//! integers can be kept as ranges: a million of them in a few bytes.

use crate::interval_set::IntervalSet;
use crate::message::{Message, Refusal};
use crate::workload::{self, Effects, Ranges, Run, Workload, echo};

/// The most ranges of a digest.
///
/// Unit: ranges. Of up to 43 bytes each, they make a line of at most 180 kB. What a
/// digest leaves out is sent again: dense values have a few ranges, and for far-apart
/// ones a digest is as long as the values themselves.
const MAX_RANGES: usize = 4096;

/// Every value heard of.
#[derive(Clone, Debug, Default)]
pub struct Broadcast {
    values: IntervalSet,
}

impl Broadcast {
    /// The values.
    pub fn values(&self) -> &IntervalSet {
        &self.values
    }
}

impl Workload for Broadcast {
    type Item = i64;
    type Piece = Run;
    type Digest = Ranges;

    const REQUESTS: &'static [&'static str] = &["broadcast", "read", "topology", "echo"];

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, i64>,
    ) -> Result<(), Refusal> {
        match kind {
            "broadcast" => {
                let value = request.body.int("message")?;
                if self.values.insert(value) {
                    effects.spread(value);
                }
                effects.reply(request, "broadcast_ok", |_| ());
            }
            "read" => effects.reply(request, "read_ok", |body| {
                self.values.encode(body.field("messages"));
            }),
            "topology" => effects.reply(request, "topology_ok", |_| ()),
            "echo" => echo::echo(request, effects)?,
            _ => return Err(workload::unknown(kind, Self::REQUESTS)),
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
