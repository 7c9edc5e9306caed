//! One neighbour: a numbered stream in each direction, TCP in miniature.
//!
//! The network may lose, repeat, delay and reorder messages, and cut two nodes
//! off from each other for as long as it likes. A link makes a reliable stream
//! out of that, with as few messages as it can.
//!
//! # Chapter 5: offsets and cumulative acks
//!
//! **Outgoing.** Items wait in a queue until the other side has acknowledged
//! them. Each has an *offset*, its number in the stream. Four marks move along
//! the stream, from left to right:
//!
//! ```text
//!         una            nxt        released       end
//!   .......|==============|------------|.............|
//!   gone   |   in flight  | goes next  | waits in    |
//!          |              |            | its batch   |
//!          '--------------- the queue ---------------'
//! ```
//!
//! A [`Segment`] carries the items from one offset on, of up to
//! [`MAX_ITEMS`], with at most [`WINDOW`] items in flight (flow control).
//!
//! **Acks** are *cumulative*: "I have everything below this offset." Each
//! segment carries one (*piggybacked*), so a busy link spends no message on
//! acks. Only when nothing else went that way for the *ack delay* is one sent
//! alone (*delayed ack*, RFC 1122 section 4.2.3.2).
//!
//! ```text
//! $ ./run.sh efficient --virtual -- --ack-ms 100
//! messages per operation                 3.24        < 30        89 %        < 20        84 %
//! 6494 messages between nodes: 3788 deltas, 2706 acks alone; 0 retransmitted, 0 dropped, 0 duplicated
//!
//! $ ./run.sh efficient --virtual -- --ack-ms 1000
//! messages per operation                 1.96        < 30        93 %        < 20        90 %
//! 3934 messages between nodes: 3788 deltas, 146 acks alone; 0 retransmitted, 0 dropped, 0 duplicated
//! ```
//!
//! Read one number: 2706 acks alone shrink to 146 when they may wait for a ride. A leaf
//! sends two values a second, so within a second most acks find one; and being
//! cumulative, the one that goes speaks for all before it.
//!
//! # Chapter 6: loss and the gap rule
//!
//! **Loss, seen by the receiver.** A segment that starts beyond what has
//! arrived shows a *gap*: the answer says so at once, and the sender goes back
//! to the missing offset (go-back-N). Once for each missing offset, however
//! many segments show it.
//!
//! ```text
//! $ ./run.sh efficient --virtual --loss 0.05
//! messages per operation                 2.16
//! stable latency, median               331 ms
//! stable latency, maximum             3202 ms
//! the nodes' links say: 309 acks, 26 duplicates, 476 gaps, 4100 received, 218 retransmitted, 4019 sent, 0 unacked
//! ```
//!
//! Read one number: 218 retransmissions for 228 lost messages, and 0 unacked at the
//! end. Down, the next delta shows the gap within 170 ms. Up, a leaf may have nothing
//! more to say for a while, and if the answer is lost, too, it takes the next chapter:
//! hence the maximum.
//!
//! # Chapter 7: retransmission and backoff
//!
//! **Loss, seen by the sender.** When no ack came for the *retransmission
//! timeout* (RFC 6298; a setting here, since the network's latency is no
//! secret), the first unacked items are sent again: a *probe*. The link is now
//! *suspect*: nothing but probes goes out, further and further apart (backoff),
//! so a dead link costs next to nothing. The first ack of something new makes
//! it healthy, and everything that has waited follows at once.
//!
//! A probe carries the gap flag: what the other side sent in the meantime has
//! very likely been lost as well. It answers at once, and what it has in flight
//! itself is its answer: both directions recover in one round trip.
//!
//! ```text
//! $ ./run.sh efficient --virtual --loss 0.05 -- --ack-ms 100 --retry-ms 400
//! messages per operation                 3.35
//! stable latency, median               329 ms
//! stable latency, maximum             1233 ms
//! ```
//!
//! Change one thing, and the maximum falls from 3.2 s to 1.2 s: a loss is noticed after
//! 0.4 s instead of 1.5. The price is the acks, which must come sooner than the timeout.
//!
//! A link does not know what an item means, and does not keep what arrives: it
//! only counts. Its owner merges the items, duplicates and all.
//!
//! Caveats. An ack means "in the neighbour's memory": a node that restarts has
//! forgotten its streams. The queue of a neighbour that never comes back grows
//! by every item, at 8 bytes a value.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::json::{Json, Object};
use crate::message::Fields;
use crate::time::Instant;
use crate::workload::Item;

/// The most items in one segment.
///
/// Unit: items. 1024 values of up to 20 digits make a line of at most 22 kB:
/// below a pipe's 64 KiB, and far below the limit on a line.
pub const MAX_ITEMS: usize = 1024;

/// The most full segments in flight, and so how much a sender may have to repeat.
const SEGMENTS_IN_FLIGHT: usize = 16;

/// The most items in flight (sent and not acknowledged).
///
/// Unit: items. A receiver acknowledges at once when [`MAX_ITEMS`] items wait for
/// their ack, so with a round trip of 200 ms this lets 80 000 items a second
/// through. It also bounds what a receiver believes: an offset further ahead
/// than this cannot have been sent.
pub const WINDOW: usize = SEGMENTS_IN_FLIGHT * MAX_ITEMS;

/// The least time between two repetitions that a message causes: probes after
/// good news, and resends after a gap.
///
/// Unit: time. A bit more than the round trip of 200 ms that Gossip Glomers
/// ask for, so that the answer to the last one would have come.
pub const ROUND_TRIP: Duration = Duration::from_millis(250);

/// The longest time between two tries on a suspect link (the backoff's cap).
///
/// Unit: time. Long, and a partition costs nothing; short, and its end is
/// noticed soon where no hub probes. A longer `retry` setting counts instead.
pub const BACKOFF_CAP: Duration = Duration::from_secs(3);

/// A link's two delays, from the node's [`Config`](crate::config::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// How long an ack may wait for something to ride on.
    pub ack: Duration,
    /// The retransmission timeout; more than `ack` and a round trip.
    pub retry: Duration,
}

/// What goes over the wire: a delta, or an ack alone if it has no items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment<T> {
    /// The place of the first item in the sender's stream; without items, where
    /// that stream stands.
    pub offset: u64,
    /// The items.
    pub items: Vec<T>,
    /// Everything below this offset of the receiver's stream has arrived.
    pub ack: u64,
    /// Asks to send again from `ack`, and to answer at once.
    pub gap: bool,
}

impl<T: Item> Segment<T> {
    /// Reads the body of a `delta`, or of an `ack`, which is one without items.
    ///
    /// # Errors
    ///
    /// A sentence that says which field is wrong.
    pub fn read(kind: &str, body: Fields<'_>) -> Result<Segment<T>, String> {
        Ok(Segment {
            offset: body.count("offset")?,
            items: match kind {
                "delta" => body.list("values", T::WHAT, T::read)?,
                _ => Vec::new(),
            },
            ack: body.count("ack")?,
            gap: body.flag("gap")?,
        })
    }

    /// Writes the body.
    pub fn write(&self, body: &mut Object<'_>) {
        body.word("type", self.kind());
        body.int("offset", self.offset as i64);
        if !self.items.is_empty() {
            body.list("values", &self.items, T::write);
        }
        body.int("ack", self.ack as i64);
        if self.gap {
            body.value("gap", &Json::Bool(true));
        }
    }
}

impl<T> Segment<T> {
    /// Its name on the wire.
    pub fn kind(&self) -> &'static str {
        if self.items.is_empty() {
            "ack"
        } else {
            "delta"
        }
    }
}

/// A segment that cannot be right. The link has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// It acknowledges what was never sent.
    AckBeyondSent {
        /// The segment's ack.
        ack: u64,
        /// One past the last offset ever sent.
        sent: u64,
    },
    /// Its items are further ahead than a neighbour may send.
    BeyondWindow {
        /// One past the offset of the segment's last item.
        end: u64,
        /// The first offset that has not arrived.
        received: u64,
    },
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::AckBeyondSent { ack, sent } => {
                write!(
                    f,
                    "ack {ack} of a stream that has been sent below {sent} only"
                )
            }
            LinkError::BeyondWindow { end, received } => write!(
                f,
                "items up to offset {end}, where {received} is next and at most {WINDOW} are in flight"
            ),
        }
    }
}

impl std::error::Error for LinkError {}

/// Counters of one link, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkStats {
    /// Messages sent with values in them.
    pub sent: u64,
    /// Acks sent alone.
    pub acks: u64,
    /// Messages received and understood, acks included.
    pub received: u64,
    /// Of those sent: with a value that had been sent before.
    pub retransmitted: u64,
    /// Of those received: beyond a gap.
    pub gaps: u64,
    /// Of those received: with a value that had arrived before.
    pub duplicates: u64,
    /// Values that wait for their ack, right now.
    pub unacked: u64,
}

impl LinkStats {
    /// Names and counts, in the order of the `stats_ok` reply.
    pub fn fields(&self) -> [(&'static str, u64); 7] {
        [
            ("sent", self.sent),
            ("acks", self.acks),
            ("received", self.received),
            ("retransmitted", self.retransmitted),
            ("gaps", self.gaps),
            ("duplicates", self.duplicates),
            ("unacked", self.unacked),
        ]
    }

    /// Adds another link's counters.
    pub fn add(&mut self, other: &LinkStats) {
        self.sent += other.sent;
        self.acks += other.acks;
        self.received += other.received;
        self.retransmitted += other.retransmitted;
        self.gaps += other.gaps;
        self.duplicates += other.duplicates;
        self.unacked += other.unacked;
    }
}

/// One end of a link. Driven like the [`Node`](crate::node::Node): whatever
/// changed it, call [`poll_transmit`](Link::poll_transmit) until it gives
/// nothing, and [`handle_timeout`](Link::handle_timeout) when
/// [`poll_timeout`](Link::poll_timeout) is due.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link<T> {
    timing: Timing,
    /// Makes this link's jitter differ from its siblings'.
    jitter: u64,

    // The outgoing stream, its marks named as in RFC 9293, 3.3.1: una <= nxt <= max.
    /// The items from `una` on.
    queue: VecDeque<T>,
    /// The first offset that was not acknowledged.
    una: u64,
    /// The next offset to send. Goes back when something must be sent again.
    nxt: u64,
    /// One past the highest offset ever sent: what an ack can reach.
    max: u64,
    /// What lies below has departed and may be sent; the rest waits in a batch.
    released: u64,
    /// The retransmission timer. Runs whenever something is in flight.
    retry_at: Option<Instant>,
    /// Timeouts since the last ack of something new. Above 0: suspect.
    timeouts: u32,
    /// When something was last sent again, and from which offset on.
    repeated: Option<(Instant, u64)>,
    probe_due: bool,

    // The incoming stream.
    /// Every item below this offset has arrived.
    received: u64,
    /// Items that arrived since an ack was last sent.
    unreported: u64,
    /// When an ack goes out alone, unless something else goes before.
    ack_at: Option<Instant>,
    ack_due: bool,
    /// The missing offset for which a resend was asked last.
    gap_asked: Option<u64>,
    gap_due: bool,

    stats: LinkStats,
}

impl<T: Clone> Link<T> {
    /// A link on which nothing has been sent. `jitter` should differ from link
    /// to link, so that not all of them try again in the same moment.
    pub fn new(timing: Timing, jitter: u64) -> Link<T> {
        Link {
            timing,
            jitter,
            queue: VecDeque::new(),
            una: 0,
            nxt: 0,
            max: 0,
            released: 0,
            retry_at: None,
            timeouts: 0,
            repeated: None,
            probe_due: false,
            received: 0,
            unreported: 0,
            ack_at: None,
            ack_due: false,
            gap_asked: None,
            gap_due: false,
            stats: LinkStats::default(),
        }
    }

    /// Appends an item to the outgoing stream. It waits for [`release`](Link::release).
    pub fn push(&mut self, item: T) {
        self.queue.push_back(item);
    }

    /// The batch departs: everything pushed so far may go.
    pub fn release(&mut self) {
        self.released = self.end();
    }

    /// One past the offset of the last item pushed.
    fn end(&self) -> u64 {
        self.una + self.queue.len() as u64
    }

    /// Whether the retransmission timer fired and nothing new was acknowledged since.
    pub fn is_suspect(&self) -> bool {
        self.timeouts > 0
    }

    /// How many items wait for their ack.
    pub fn unacked(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is waiting: no item, no ack owed, no timer.
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.poll_timeout().is_none() && !self.gap_due
    }

    /// Everything below this offset of the incoming stream has arrived.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Everything below this offset of the outgoing stream was acknowledged.
    pub fn una(&self) -> u64 {
        self.una
    }

    /// The counters.
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            unacked: self.queue.len() as u64,
            ..self.stats
        }
    }

    /// A segment came from the neighbour. The caller merges its items, all of
    /// them, if and only if this returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if the segment cannot be right; nothing has changed then.
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment<T>) -> Result<(), LinkError> {
        let end = segment.offset.saturating_add(segment.items.len() as u64);
        if segment.ack > self.max {
            return Err(LinkError::AckBeyondSent {
                ack: segment.ack,
                sent: self.max,
            });
        }
        if end > self.received.saturating_add(WINDOW as u64) {
            return Err(LinkError::BeyondWindow {
                end,
                received: self.received,
            });
        }
        self.stats.received += 1;
        self.handle_ack(now, segment.ack);
        if segment.gap {
            self.handle_gap_flag(now, !segment.items.is_empty());
        }
        self.handle_items(now, segment.offset, end);
        Ok(())
    }

    fn handle_ack(&mut self, now: Instant, ack: u64) {
        if ack <= self.una {
            return;
        }
        // Not beyond the queue: `max` never is.
        self.queue.drain(..(ack - self.una) as usize);
        self.una = ack;
        self.nxt = self.nxt.max(ack);
        if self.is_suspect() {
            self.timeouts = 0;
            self.probe_due = false;
            self.release();
            // What this ack leaves open was sent into the void, most likely.
            self.nxt = self.una;
        }
        // RFC 6298, 5.2 and 5.3: the timer stops when all is acknowledged, and
        // starts afresh when something was.
        let in_flight = self.nxt > self.una;
        self.retry_at = in_flight.then(|| now + self.timing.retry);
    }

    /// The neighbour may miss something: go back to what it has, and answer.
    fn handle_gap_flag(&mut self, now: Instant, must_answer: bool) {
        if must_answer {
            self.ack_at = Some(now);
        }
        if self.is_suspect() {
            self.probe(now);
        } else if self.max > self.una && self.repeated_lately(now).is_none() {
            self.repeated = Some((now, self.una));
            self.nxt = self.una;
            // Nothing is in flight now; sending it again starts the timer afresh.
            self.retry_at = None;
        }
    }

    fn handle_items(&mut self, now: Instant, offset: u64, end: u64) {
        if offset > self.received {
            self.stats.gaps += 1;
            if self.gap_asked != Some(self.received) {
                self.gap_asked = Some(self.received);
                self.gap_due = true;
                self.ack_at = Some(now);
            }
            return;
        }
        let repeated = offset < self.received && end > offset;
        if end > self.received {
            self.unreported += end - self.received;
            self.received = end;
            self.ack_at.get_or_insert(now + self.timing.ack);
        }
        if repeated {
            // The sender missed our ack: it must not wait for the next one.
            self.stats.duplicates += 1;
            self.ack_at = Some(now);
        }
        if self.unreported >= MAX_ITEMS as u64 {
            // The sender may be waiting for room in its window.
            self.ack_at = Some(now);
        }
    }

    /// If what is unacked first was sent again less than a [`ROUND_TRIP`] ago: when
    /// that time is over. Its answer may still be on the way, or this question be
    /// older than it.
    fn repeated_lately(&self, now: Instant) -> Option<Instant> {
        let (at, offset) = self.repeated?;
        let next = at + ROUND_TRIP;
        (offset == self.una && next > now).then_some(next)
    }

    /// There was a sign of life: if the link is suspect, sends the first unacked
    /// items again now, or a [`ROUND_TRIP`] after it was last sent again.
    pub fn probe(&mut self, now: Instant) {
        if !self.is_suspect() {
            return;
        }
        match self.repeated_lately(now) {
            // That one may have been lost in the last moment of a partition, and
            // there need not be another sign of life.
            Some(next) => self.retry_at = Some(self.retry_at.map_or(next, |at| at.min(next))),
            None => self.probe_due = true,
        }
    }

    /// Time has come to `now`: fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_at = None;
            self.ack_due = true;
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.timeouts = self.timeouts.saturating_add(1);
            self.probe_due = true;
        }
    }

    /// When [`handle_timeout`](Link::handle_timeout) is due; `None`: never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.ack_at, self.retry_at].into_iter().flatten().min()
    }

    /// The next segment to send at `now`, if there is one.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Segment<T>> {
        if self.probe_due {
            self.probe_due = false;
            self.repeated = Some((now, self.una));
            // What was in flight is presumed lost: go back to the first item.
            self.nxt = self.una;
            self.gap_due = true;
            let count = self.queue.len().min(MAX_ITEMS);
            return Some(self.send(now, count));
        }
        let in_flight = (self.nxt - self.una) as usize;
        let ready = self.released.saturating_sub(self.nxt) as usize;
        let count = ready.min(MAX_ITEMS).min(WINDOW - in_flight);
        if count > 0 && !self.is_suspect() {
            return Some(self.send(now, count));
        }
        self.ack_due.then(|| self.send(now, 0))
    }

    /// The segment of `count` items from `nxt` on, with the ack on its back.
    fn send(&mut self, now: Instant, count: usize) -> Segment<T> {
        let from = (self.nxt - self.una) as usize;
        let segment = Segment {
            // An ack alone says how far the stream has ever come: if the
            // neighbour has less, it knows that it missed something.
            offset: if count > 0 { self.nxt } else { self.max },
            items: self.queue.range(from..from + count).cloned().collect(),
            ack: self.received,
            gap: std::mem::take(&mut self.gap_due),
        };
        self.ack_at = None;
        self.ack_due = false;
        self.unreported = 0;
        if count == 0 {
            self.stats.acks += 1;
            return segment;
        }
        self.stats.sent += 1;
        self.stats.retransmitted += u64::from(self.nxt < self.max);
        self.nxt += count as u64;
        self.max = self.max.max(self.nxt);
        if self.is_suspect() || self.retry_at.is_none() {
            self.retry_at = Some(now + self.retry_interval());
        }
        segment
    }

    /// How long to wait for an ack: the retry setting on a healthy link, twice
    /// as long after each timeout (RFC 6298, 5.5), up to the cap. Of a backoff
    /// up to a quarter is taken off, a different part for each link and try.
    fn retry_interval(&self) -> Duration {
        if self.timeouts == 0 {
            return self.timing.retry;
        }
        let cap = BACKOFF_CAP.max(self.timing.retry);
        let doubled = self.timing.retry.saturating_mul(1 << self.timeouts.min(20));
        let interval = doubled.min(cap);
        // The core has no randomness: a hash of the link and the try has to do.
        let hash = (self.jitter ^ u64::from(self.timeouts)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        interval - interval / 4 * (hash >> 56) as u32 / 256
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        ack: Duration::from_millis(1000),
        retry: Duration::from_millis(1500),
    };

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn link() -> Link<u32> {
        Link::new(TIMING, 1)
    }

    /// A link to which `items` were pushed and released, and what it sends at `now`.
    fn sending(now: Instant, items: std::ops::Range<u32>) -> (Link<u32>, Vec<Segment<u32>>) {
        let mut link = link();
        items.for_each(|item| link.push(item));
        link.release();
        let sent = drain(&mut link, now);
        (link, sent)
    }

    /// Lets time come to `now` and takes what the link sends.
    fn drain(link: &mut Link<u32>, now: Instant) -> Vec<Segment<u32>> {
        link.handle_timeout(now);
        std::iter::from_fn(|| link.poll_transmit(now)).collect()
    }

    fn delta(offset: u64, items: &[u32], ack: u64) -> Segment<u32> {
        Segment {
            offset,
            items: items.to_vec(),
            ack,
            gap: false,
        }
    }

    fn ack(offset: u64, ack: u64) -> Segment<u32> {
        delta(offset, &[], ack)
    }

    fn asking<T>(segment: Segment<T>) -> Segment<T> {
        Segment {
            gap: true,
            ..segment
        }
    }

    #[test]
    fn items_wait_for_their_departure_and_leave_as_one_batch() {
        let mut link = link();
        link.push(3);
        link.push(5);
        assert_eq!(drain(&mut link, ms(0)), []);
        link.release();
        link.push(8);
        assert_eq!(drain(&mut link, ms(0)), [delta(0, &[3, 5], 0)]);
        link.release();
        assert_eq!(drain(&mut link, ms(1)), [delta(2, &[8], 0)]);
    }

    #[test]
    fn a_long_queue_leaves_in_full_segments_up_to_the_window_and_goes_on_with_the_acks() {
        let count = WINDOW as u32 + 10;
        let (mut link, sent) = sending(ms(0), 0..count);
        assert_eq!(sent.len(), SEGMENTS_IN_FLIGHT);
        assert!(sent.iter().all(|segment| segment.items.len() == MAX_ITEMS));
        assert_eq!(link.handle_segment(ms(200), &ack(0, 4)), Ok(()));
        let more = drain(&mut link, ms(200));
        assert_eq!(
            more,
            [delta(
                WINDOW as u64,
                &[count - 10, count - 9, count - 8, count - 7],
                0
            )]
        );
    }

    #[test]
    fn an_ack_rides_on_the_next_delta() {
        let mut link = link();
        link.handle_segment(ms(0), &delta(0, &[1, 2], 0)).unwrap();
        link.push(7);
        link.release();
        assert_eq!(drain(&mut link, ms(500)), [delta(0, &[7], 2)]);
        assert_eq!(drain(&mut link, ms(1200)), [], "no ack is owed any more");
    }

    #[test]
    fn an_ack_without_a_ride_goes_alone_after_the_ack_delay() {
        let mut link = link();
        link.handle_segment(ms(0), &delta(0, &[1], 0)).unwrap();
        link.handle_segment(ms(600), &delta(1, &[2], 0)).unwrap();
        assert_eq!(
            link.poll_timeout(),
            Some(ms(1000)),
            "the first unreported item counts"
        );
        assert_eq!(drain(&mut link, ms(999)), []);
        assert_eq!(drain(&mut link, ms(1000)), [ack(0, 2)]);
        assert!(link.is_quiet());
    }

    #[test]
    fn a_full_segment_is_acknowledged_at_once_since_the_sender_may_wait_for_room() {
        let items = vec![9; MAX_ITEMS];
        let mut link = link();
        link.handle_segment(ms(0), &delta(0, &items, 0)).unwrap();
        assert_eq!(drain(&mut link, ms(0)), [ack(0, MAX_ITEMS as u64)]);
    }

    #[test]
    fn an_ack_alone_is_never_answered() {
        let mut link = link();
        link.handle_segment(ms(0), &ack(0, 0)).unwrap();
        assert!(link.is_quiet());
        assert_eq!(drain(&mut link, ms(5000)), []);
    }

    #[test]
    fn a_gap_is_asked_for_once_however_many_segments_show_it() {
        let mut link = link();
        link.handle_segment(ms(0), &delta(5, &[5], 0)).unwrap();
        assert_eq!(drain(&mut link, ms(0)), [asking(ack(0, 0))]);
        link.handle_segment(ms(10), &delta(6, &[6], 0)).unwrap();
        assert_eq!(drain(&mut link, ms(10)), []);
        link.handle_segment(ms(20), &delta(0, &[0, 1], 0)).unwrap();
        link.handle_segment(ms(30), &delta(6, &[6], 0)).unwrap();
        assert_eq!(
            drain(&mut link, ms(30)),
            [asking(ack(0, 2))],
            "another offset is missing"
        );
        assert_eq!(link.stats().gaps, 3);
    }

    #[test]
    fn an_ack_that_is_ahead_of_what_has_arrived_shows_a_gap_too() {
        let mut link = link();
        link.handle_segment(ms(0), &ack(3, 0)).unwrap();
        assert_eq!(drain(&mut link, ms(0)), [asking(ack(0, 0))]);
    }

    #[test]
    fn asked_for_a_gap_a_link_goes_back_to_it_and_sends_everything_from_there() {
        let (mut link, _) = sending(ms(0), 0..3);
        link.push(3);
        link.release();
        drain(&mut link, ms(10));
        link.handle_segment(ms(20), &asking(ack(0, 1))).unwrap();
        assert_eq!(drain(&mut link, ms(20)), [delta(1, &[1, 2, 3], 0)]);
        assert_eq!(link.stats().retransmitted, 1);
        assert_eq!(
            link.poll_timeout(),
            Some(ms(1520)),
            "its timer starts afresh"
        );
        link.handle_segment(ms(30), &asking(ack(0, 1))).unwrap();
        assert_eq!(drain(&mut link, ms(30)), [], "not twice in a round trip");
    }

    #[test]
    fn a_duplicate_is_answered_at_once() {
        let mut link = link();
        link.handle_segment(ms(0), &delta(0, &[1, 2], 0)).unwrap();
        drain(&mut link, ms(1000));
        link.handle_segment(ms(2000), &delta(0, &[1, 2], 0))
            .unwrap();
        assert_eq!(drain(&mut link, ms(2000)), [ack(0, 2)]);
        assert_eq!(link.stats().duplicates, 1);
    }

    #[test]
    fn a_segment_that_is_half_old_brings_its_new_half() {
        let mut link = link();
        link.handle_segment(ms(0), &delta(0, &[1, 2], 0)).unwrap();
        link.handle_segment(ms(1), &delta(1, &[2, 3], 0)).unwrap();
        assert_eq!(link.received(), 3);
        assert_eq!(drain(&mut link, ms(1)), [ack(0, 3)]);
    }

    #[test]
    fn acks_that_arrive_out_of_order_never_go_back() {
        let (mut link, _) = sending(ms(0), 0..4);
        link.handle_segment(ms(100), &ack(0, 3)).unwrap();
        link.handle_segment(ms(110), &ack(0, 1)).unwrap();
        assert_eq!((link.una(), link.unacked()), (3, 1));
    }

    #[test]
    fn without_an_ack_the_first_items_are_sent_again_and_the_link_is_suspect() {
        let (mut link, _) = sending(ms(0), 0..2);
        assert_eq!(drain(&mut link, ms(1499)), []);
        assert!(!link.is_suspect());
        assert_eq!(drain(&mut link, ms(1500)), [asking(delta(0, &[0, 1], 0))]);
        assert!(link.is_suspect());
    }

    #[test]
    fn an_ack_of_something_new_starts_the_retransmission_timer_afresh() {
        let (mut link, _) = sending(ms(0), 0..2);
        link.handle_segment(ms(1400), &ack(0, 1)).unwrap();
        assert_eq!(link.poll_timeout(), Some(ms(2900)));
        link.handle_segment(ms(1500), &ack(0, 2)).unwrap();
        assert_eq!(link.poll_timeout(), None, "all is acknowledged");
    }

    #[test]
    fn on_a_suspect_link_only_probes_go_out() {
        let (mut link, _) = sending(ms(0), 0..1);
        drain(&mut link, ms(1500));
        link.push(1);
        link.release();
        assert_eq!(drain(&mut link, ms(1600)), []);
        let next = link.poll_timeout().unwrap();
        assert_eq!(
            drain(&mut link, next),
            [asking(delta(0, &[0, 1], 0))],
            "what waits rides along"
        );
    }

    #[test]
    fn tries_back_off_to_the_cap_and_never_end() {
        let (mut link, _) = sending(ms(0), 0..1);
        let mut last = ms(0);
        for attempt in 0..200 {
            let next = link.poll_timeout().expect("it never gives up");
            assert_eq!(drain(&mut link, next).len(), 1);
            let pause = next - last;
            if attempt > 0 {
                assert!(pause <= BACKOFF_CAP, "{pause:?}");
                assert!(pause >= BACKOFF_CAP * 3 / 4, "{pause:?}");
            }
            last = next;
        }
        assert!(link.is_suspect());
    }

    #[test]
    fn two_links_do_not_try_again_in_step() {
        let pauses = |jitter| {
            let mut link = Link::<u32>::new(TIMING, jitter);
            link.timeouts = 1;
            let first = link.retry_interval();
            link.timeouts = 2;
            [first, link.retry_interval()]
        };
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn an_ack_makes_a_suspect_link_healthy_and_everything_follows_at_once() {
        let count = MAX_ITEMS as u32 * 3;
        let (mut link, _) = sending(ms(0), 0..count);
        link.push(count);
        drain(&mut link, ms(1500));
        link.handle_segment(ms(1700), &ack(0, MAX_ITEMS as u64))
            .unwrap();
        assert!(!link.is_suspect());
        let rest = drain(&mut link, ms(1700));
        let offsets: Vec<_> = rest
            .iter()
            .map(|segment| segment.offset / MAX_ITEMS as u64)
            .collect();
        assert_eq!(offsets, [1, 2, 3]);
        assert_eq!(
            rest[2].items,
            [count],
            "even what still waited in its batch"
        );
    }

    #[test]
    fn what_the_first_ack_after_a_partition_leaves_open_is_sent_again() {
        let (mut link, _) = sending(ms(0), 0..3);
        assert_eq!(
            drain(&mut link, ms(1500)).len(),
            1,
            "a probe with all three, lost"
        );
        // Sent before the probe: the neighbour had got the first one.
        link.handle_segment(ms(1600), &ack(0, 1)).unwrap();
        assert_eq!(drain(&mut link, ms(1600)), [delta(1, &[1, 2], 0)]);
    }

    #[test]
    fn a_gap_at_another_offset_is_filled_however_soon_after_the_last_one() {
        let (mut link, _) = sending(ms(0), 0..3);
        link.handle_segment(ms(200), &asking(ack(0, 1))).unwrap();
        assert_eq!(drain(&mut link, ms(200)).len(), 1);
        link.handle_segment(ms(210), &asking(ack(0, 2))).unwrap();
        assert_eq!(drain(&mut link, ms(210)), [delta(2, &[2], 0)]);
    }

    #[test]
    fn an_ack_of_nothing_new_leaves_a_suspect_link_suspect() {
        let (mut link, _) = sending(ms(0), 0..1);
        drain(&mut link, ms(1500));
        link.handle_segment(ms(1600), &ack(0, 0)).unwrap();
        assert!(link.is_suspect(), "the cut may have one direction only");
    }

    #[test]
    fn good_news_makes_a_suspect_link_probe_now_but_once_in_a_round_trip() {
        let (mut link, _) = sending(ms(0), 0..1);
        link.probe(ms(100));
        assert_eq!(
            drain(&mut link, ms(100)),
            [],
            "a healthy link has nothing to probe"
        );
        drain(&mut link, ms(1500));
        link.probe(ms(1900));
        assert_eq!(drain(&mut link, ms(1900)), [asking(delta(0, &[0], 0))]);
        link.probe(ms(1910));
        assert_eq!(drain(&mut link, ms(1910)), []);
        assert_eq!(
            link.poll_timeout(),
            Some(ms(2150)),
            "then as soon as it may"
        );
        assert_eq!(drain(&mut link, ms(2150)), [asking(delta(0, &[0], 0))]);
    }

    #[test]
    fn a_probe_is_answered_with_what_is_in_flight() {
        let (mut link, _) = sending(ms(0), 0..1);
        link.handle_segment(ms(1000), &asking(delta(0, &[9], 0)))
            .unwrap();
        assert_eq!(drain(&mut link, ms(1000)), [delta(0, &[0], 1)]);
    }

    #[test]
    fn a_probe_is_answered_with_an_ack_where_nothing_is_in_flight() {
        let mut link = link();
        link.handle_segment(ms(0), &asking(delta(0, &[9], 0)))
            .unwrap();
        assert_eq!(drain(&mut link, ms(0)), [ack(0, 1)]);
    }

    #[test]
    fn a_late_ack_of_the_first_transmission_counts_after_a_retransmission() {
        let (mut link, _) = sending(ms(0), 0..MAX_ITEMS as u32 + 5);
        assert_eq!(
            drain(&mut link, ms(1500)).len(),
            1,
            "back at the first item"
        );
        let all = MAX_ITEMS as u64 + 5;
        assert_eq!(link.handle_segment(ms(1510), &ack(0, all)), Ok(()));
        assert!(link.is_quiet());
    }

    #[test]
    fn what_cannot_be_right_is_refused_and_changes_nothing() {
        let (mut link, _) = sending(ms(0), 0..2);
        let before = link.clone();
        let beyond = LinkError::AckBeyondSent { ack: 3, sent: 2 };
        assert_eq!(link.handle_segment(ms(10), &ack(0, 3)), Err(beyond));
        let far = WINDOW as u64 + 1;
        let ahead = LinkError::BeyondWindow {
            end: far,
            received: 0,
        };
        assert_eq!(link.handle_segment(ms(10), &ack(far, 1)), Err(ahead));
        let huge = delta(u64::MAX, &[1], 1);
        assert!(link.handle_segment(ms(10), &huge).is_err(), "no overflow");
        assert_eq!(link, before);
    }
}
