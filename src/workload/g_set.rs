//! Maelstrom's `g-set`: a set that only grows, which is [`broadcast`](super::broadcast)
//! under other names.
//!
//! | request | answer |
//! |---|---|
//! | `add`, `element`: an integer | `add_ok` |
//! | `read` | `read_ok`, `value`: all elements, ascending, each once |
//! | `echo` | `echo_ok` |
//!
//! *G* is for grow-only. Nothing can be taken out of it: a union would bring it back
//! from whoever has not heard of that yet.

use crate::message::{Message, Refusal};
use crate::workload::broadcast::Broadcast;
use crate::workload::{self, Effects, Ranges, Run, Workload, echo};

/// Every element heard of.
#[derive(Clone, Debug, Default)]
pub struct GSet(pub Broadcast);

impl Workload for GSet {
    type Item = i64;
    type Piece = Run;
    type Digest = Ranges;

    const REQUESTS: &'static [&'static str] = &["add", "read", "echo"];

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, i64>,
    ) -> Result<(), Refusal> {
        match kind {
            "add" => {
                let element = request.body.int("element")?;
                if self.merge(&element) {
                    effects.spread(element);
                }
                effects.reply(request, "add_ok", |_| ());
            }
            "read" => effects.reply(request, "read_ok", |body| {
                self.0.values().encode(body.field("value"));
            }),
            "echo" => echo::echo(request, effects)?,
            _ => return Err(workload::unknown(kind, Self::REQUESTS)),
        }
        Ok(())
    }

    fn merge(&mut self, item: &i64) -> bool {
        self.0.merge(item)
    }

    fn digest(&self) -> Ranges {
        self.0.digest()
    }

    fn missing(&self, have: &Ranges) -> Vec<i64> {
        self.0.missing(have)
    }

    fn pieces(&self) -> impl Iterator<Item = Run> {
        self.0.pieces()
    }

    fn restore(&mut self, piece: &Run) {
        self.0.restore(piece);
    }

    fn len(&self) -> u64 {
        self.0.len()
    }
}
