//! "A number that nobody else has": challenge 2.
//!
//! | request | answer |
//! |---|---|
//! | `generate` | `generate_ok`, `id`: a string that was never given and never will be |
//! | `echo` | `echo_ok` |
//!
//! An id is made of three numbers, as Twitter's Snowflake did (2010):
//!
//! ```text
//! | 41 bits: milliseconds since 2020 | 10 bits: the node | 12 bits: a count |
//! ```
//!
//! **A string, not an integer:** the 63 bits are written as 16 hexadecimal digits,
//! `"058a3c5e91402001"`. JavaScript, and whoever else reads JSON's numbers into 64-bit
//! floating point, rounds integers above 2^53. Of a thousand ids nine were left (RFC
//! 8259, 6; Twitter added `id_str` for this reason). All ids have one length, so the ids
//! of a node are in the order in which they were given, as text, too.
//!
//! Two nodes differ in the middle, so nobody has to be asked, and a node that is cut
//! off from all others goes on: *total availability*. One node differs from itself in
//! time, which takes care:
//!
//! - The clock that counts is the one of the process, which only goes forward; the wall
//!   clock is read once, at the start ([`Place::epoch`]).
//! - The fourth thousand of ids in a millisecond is followed by the next millisecond,
//!   whether it has come or not: the count carries over, and nobody waits.
//! - A restart could find the wall clock set back, or the last life ahead of it. So the
//!   journal holds a *mark*: all that was given lies below it. A new life begins there.
//!   The mark is moved on by a second at a time, and so costs one record a second.
//!
//! Nothing spreads: there is nothing to join.
//!
//! **Caveat.** Without a journal the wall clock alone tells one life from another. If it
//! is set back before a restart, ids can repeat.

use crate::json::{self, Json};
use crate::message::{Message, Refusal};
use crate::time::Instant;
use crate::workload::{self, Effects, Item, Place, Route, Workload};

/// Where the milliseconds begin: 2020-01-01, UTC, as a wall clock. Unit: ms. With 41 bits
/// they last until 2089.
const BEGIN_MS: u64 = 1_577_836_800_000;

/// How many bits tell the node and the count. Unit: bits. More than 1024 nodes take some
/// of the count's.
const LOW_BITS: u32 = 22;
const COUNT_BITS: u32 = 12;

/// How far ahead the journal's mark is set. Unit: ms. So much is left out after a
/// restart; a shorter one would write more records.
const AHEAD_MS: u64 = 1000;

/// Gives ids.
#[derive(Clone, Debug, Default)]
pub struct UniqueIds {
    node: u64,
    count_bits: u32,
    /// What the wall clock said when the clock was at [`began`](UniqueIds::began), in ms.
    wall_ms: u64,
    began: Instant,
    /// The next id's milliseconds and count, if time does not go on.
    next: (u64, u64),
    /// What the journal says: all that was given has fewer milliseconds.
    mark: u64,
}

/// All ids given lie below so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl Item for Mark {
    const WHAT: &'static str = "a time in ms";

    fn write(&self, out: &mut Vec<u8>) {
        json::encode_int(self.0 as i64, out);
    }

    fn read(json: &Json<'_>) -> Option<Mark> {
        json.as_count().map(Mark)
    }

    fn route(&self) -> Route {
        Route::Journal
    }
}

impl UniqueIds {
    fn generate(&mut self, effects: &mut Effects<'_, Mark>) -> u64 {
        let now = self.wall_ms + (effects.now - self.began).as_millis() as u64;
        if now > self.next.0 {
            self.next = (now, 0);
        }
        let (ms, count) = self.next;
        self.next = match count + 1 {
            full if full >> self.count_bits > 0 => (ms + 1, 0),
            next => (ms, next),
        };
        if ms >= self.mark {
            self.mark = ms + AHEAD_MS;
            effects.spread(Mark(self.mark));
        }
        ms << LOW_BITS | self.node << self.count_bits | count
    }
}

impl Workload for UniqueIds {
    type Item = Mark;
    type Piece = Mark;
    type Digest = ();

    const REQUESTS: &'static [&'static str] = &["generate", "echo"];

    fn begin(&mut self, place: Place, now: Instant) {
        let node_bits = usize::BITS - place.nodes.saturating_sub(1).leading_zeros();
        self.count_bits = LOW_BITS.saturating_sub(node_bits).min(COUNT_BITS);
        self.node = place.index as u64;
        self.wall_ms = (place.epoch / 1000).saturating_sub(BEGIN_MS);
        self.began = now;
        self.next = (self.mark, 0);
    }

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, Mark>,
    ) -> Result<(), Refusal> {
        match kind {
            "generate" => {
                let id = self.generate(effects);
                effects.reply(request, "generate_ok", |body| {
                    let id = format!("\"{id:016x}\"");
                    body.field("id").extend_from_slice(id.as_bytes());
                });
            }
            _ => return workload::other::<Self>(kind, request, effects),
        }
        Ok(())
    }

    fn merge(&mut self, item: &Mark) -> bool {
        let news = item.0 > self.mark;
        self.mark = self.mark.max(item.0);
        news
    }

    fn digest(&self) {}

    fn missing(&self, _have: &()) -> Vec<Mark> {
        Vec::new()
    }

    fn pieces(&self) -> impl Iterator<Item = Mark> {
        (self.mark > 0).then_some(Mark(self.mark)).into_iter()
    }

    fn restore(&mut self, piece: &Mark) {
        self.merge(piece);
    }

    fn len(&self) -> u64 {
        self.mark.min(1)
    }
}
