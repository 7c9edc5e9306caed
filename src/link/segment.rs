//! What goes over the wire between two neighbours.
//!
//! ```text
//! {"type":"delta","epoch":17,"peer":23,"offset":120,"values":[3,5,8],"ack":88,"ts":8446120,"echo":4031877,"held":40,"next":193,"every":386}
//! {"type":"ack","epoch":17,"peer":23,"offset":123,"ack":90,"echo":4031877,"held":12}
//! {"type":"ack","epoch":17,"peer":23,"offset":123,"ack":94,"held":3,"missing":[[94,97],[99,99]],"probe":true}
//! {"type":"sync","epoch":17,"peer":0,"offset":0,"ack":0,"held":0,"probe":true,"have":[[0,812],[815,900]]}
//! ```

use crate::json::{Json, Object};
use crate::link::{MAX_EPOCH, Range};
use crate::message::Fields;
use crate::workload::{Item, read_numbers, write_numbers};

/// A delta, an ack alone, or a digest. What the sender holds follows that as `have`, in the
/// words of the workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment<I> {
    /// The sender's incarnation; from 1 on.
    pub epoch: u64,
    /// The receiver's, as far as the sender knows; 0: not yet.
    pub peer: u64,
    /// Below this offset of the sender's stream the receiver lacks nothing. Left out if it
    /// is `offset`.
    pub una: u64,
    /// The place of the first item in the sender's stream; without items, that of the next
    /// one.
    pub offset: u64,
    /// The items.
    pub items: Vec<I>,
    /// Everything below this offset of the receiver's stream has arrived.
    pub ack: u64,
    /// What the sender's clock shows, if there are items or it asks whether the receiver is
    /// there. It comes back as an `echo` (RFC 7323, 3.2), and nobody else need understand it.
    /// Unit: microseconds.
    pub ts: Option<u64>,
    /// The `ts` of what came last from the receiver, if it was not sent back yet.
    pub echo: Option<u64>,
    /// How long ago that came. Unit: milliseconds, rounded down.
    pub held: u64,
    /// To a hub: how long the oldest item has waited since it was given. Unit: milliseconds,
    /// rounded down. Left out when 0.
    pub waited: u64,
    /// To a child: in how many milliseconds items have to be here for the next departure, and
    /// how far apart departures are. `None`: there is no timetable.
    pub next: Option<(u64, u64)>,
    /// Whether a digest goes with it.
    pub digest: bool,
    /// With a digest: one past the last offset that the sender has queued for the receiver,
    /// with all that this lacks. Left out as long as the sender does not know that.
    pub end: Option<u64>,
    /// To a node that is no neighbour in the tree: how often the sender has begun or ceased to
    /// need the receiver in place of its hub. It does while that is odd, and a lower number than
    /// known comes late. Left out when 0.
    pub need: u64,
    /// Holes in the receiver's stream, to be sent again. Left out when empty.
    pub missing: Vec<Range>,
    /// Asks for an answer at once; with a digest for the receiver's, and its `end`. Left out
    /// when false.
    pub probe: bool,
}

impl<I> Segment<I> {
    /// Its name on the wire.
    pub fn kind(&self) -> &'static str {
        match self.items.is_empty() {
            _ if self.digest => "sync",
            true => "ack",
            false => "delta",
        }
    }

    /// One past the place of the last item.
    pub fn top(&self) -> u64 {
        self.offset.saturating_add(self.items.len() as u64)
    }
}

impl<I: Item> Segment<I> {
    /// Reads the body of a `delta`, or of an `ack` or `sync`, which are without items; `have`
    /// excepted.
    ///
    /// # Errors
    ///
    /// A sentence that says which field is wrong.
    pub fn read(kind: &str, body: Fields<'_>) -> Result<Segment<I>, String> {
        let offset = body.count("offset")?;
        Ok(Segment {
            epoch: read_epoch(body, "epoch", 1)?,
            peer: read_epoch(body, "peer", 0)?,
            una: body.optional("una", Fields::count)?.unwrap_or(offset),
            offset,
            items: match kind {
                "delta" => body.list("values", I::WHAT, I::read)?,
                _ => Vec::new(),
            },
            ack: body.count("ack")?,
            ts: body.optional("ts", Fields::count)?,
            echo: body.optional("echo", Fields::count)?,
            held: body.optional("held", Fields::count)?.unwrap_or(0),
            waited: body.optional("waited", Fields::count)?.unwrap_or(0),
            next: body.optional("next", |body, next| {
                Ok((body.count(next)?, body.count("every")?))
            })?,
            digest: kind == "sync",
            end: body.optional("end", Fields::count)?,
            missing: body.optional("missing", read_missing)?.unwrap_or_default(),
            need: body.optional("need", Fields::count)?.unwrap_or(0),
            probe: body.flag("probe")?,
        })
    }

    /// Writes the body.
    pub fn write(&self, body: &mut Object<'_>) {
        body.word("type", self.kind());
        write(body, "epoch", self.epoch);
        write(body, "peer", self.peer);
        write(body, "una", (self.una != self.offset).then_some(self.una));
        write(body, "offset", self.offset);
        if !self.items.is_empty() {
            body.list("values", &self.items, I::write);
        }
        write(body, "ack", self.ack);
        write(body, "ts", self.ts);
        write(body, "echo", self.echo);
        write(body, "held", self.held);
        write(body, "waited", (self.waited > 0).then_some(self.waited));
        write(body, "next", self.next.map(|(next, _)| next));
        write(body, "every", self.next.map(|(_, every)| every));
        write(body, "end", self.end);
        if !self.missing.is_empty() {
            body.list("missing", &self.missing, |&(first, last), out| {
                write_numbers(&[first, last], out);
            });
        }
        write(body, "need", (self.need > 0).then_some(self.need));
        if self.probe {
            body.value("probe", &Json::Bool(true));
        }
    }
}

/// Writes a number, if there is one.
fn write(body: &mut Object<'_>, name: &'static str, number: impl Into<Option<u64>>) {
    if let Some(number) = number.into() {
        body.int(name, number as i64);
    }
}

fn read_epoch(body: Fields<'_>, name: &str, least: u64) -> Result<u64, String> {
    let what = format_args!("an integer from {least} to {MAX_EPOCH}");
    let is_one = |epoch: &u64| (least..=MAX_EPOCH).contains(epoch);
    body.read(name, what, |json| json.as_count().filter(is_one))
}

fn read_missing(body: Fields<'_>, name: &str) -> Result<Vec<Range>, String> {
    body.list(name, "a pair of offsets, the smaller one first", |range| {
        let [first, last] = read_numbers(range)?;
        (first <= last).then_some((first, last))
    })
}
