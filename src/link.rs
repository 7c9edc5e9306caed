//! One neighbour: a numbered stream in each direction, TCP in miniature.
//!
//! The network may lose, repeat, delay and reorder messages. It may cut two nodes
//! off from each other for as long as it likes. A node may stop and start anew with
//! nothing in its memory. A link makes a reliable stream out of that, with as few
//! messages as it can. TCP, SCTP and QUIC are the models.
//!
//! **Outgoing.** Items wait in a queue until the other side has acknowledged them.
//! Each has an *offset*, its number in the stream. The marks have the names of RFC
//! 9293, 3.3.1:
//!
//! ```text
//!         una            nxt        released       end
//!   .......|==============|------------|.............|
//!   gone   |   in flight  | goes next  | waits in    |
//!          |              |            | its batch   |
//!          '--------------- the queue ---------------'
//! ```
//!
//! There is one way to send: a run of the queue, from any offset on, in one [`Segment`].
//! News, what was lost, a probe and a repetition differ in where the run begins. What was
//! sent is remembered as *flights*: where each ends, and when it was last sent. At most
//! [`WINDOW`] items are in flight (flow control).
//!
//! Each segment also says `una`: below this offset the receiver lacks nothing. So a stream
//! has no beginning to be agreed on. Whoever hears of it later counts from `una`.
//!
//! **Acks** are *cumulative*: "I have everything below this offset." Each segment
//! carries one (*piggybacked*). Only when nothing else went that way for the
//! *ack delay* is one sent alone (*delayed ack*, RFC 1122, 4.2.3.2). What
//! arrives out of order is counted at once (`incoming.rs`), and the
//! holes are named in `missing`, so nothing is sent twice but what was lost.
//!
//! **Loss** is noticed in three ways, the quickest counts:
//! - the receiver sees a hole, and names it once it is older than the reordering
//!   that the link shows (RFC 9002, 6.1.2). If it stays, the receiver names it again after
//!   one round trip, then after two, and so on up to [`BACKOFF_CAP`];
//! - a segment comes more than a round trip after this node sent something, and does not
//!   acknowledge it (RFC 9002, 6.1.2). Before a round trip was measured 250 ms count
//!   instead, once for each item;
//! - nothing comes at all for the *retransmission timeout*, which is what a round
//!   trip takes at most, as [measured](RoundTrip), and the ack delay (RFC 6298).
//!   Then the link is *suspect*: only *probes* go out, further and further apart
//!   (backoff), which ask for an answer at once. The first ack of something new makes
//!   it healthy, and everything that has waited follows.
//!
//! Each of them takes its time, and what is sent instead may be lost as well. So a
//! link that has lost something of late begins each delta where the acks end, as long as
//! that makes it no message more. The next delta fills the hole unasked (*redundancy*,
//! RFC 2198 for sound).
//!
//! **Incarnations.** One run of a process is an incarnation, and its number, the
//! *epoch*, is larger than those before. Each segment tells its sender's epoch and the
//! receiver's as far as it is known (`peer`; compare SCTP's verification tag). So:
//! - offsets belong to the sender's epoch. Its stream goes on as long as it lives;
//!   for a new incarnation of the receiver only `una` is a later one;
//! - acks belong to the receiver's epoch: those for a former incarnation count nothing;
//! - a higher epoch than known is a restart. Nothing is known then of what the other
//!   side has, so what was queued for it goes, and the link asks;
//! - a lower one is a voice from the past. Nothing of it is believed, and one ack answers
//!   it. Where it was only late, that ack is like any other;
//! - it may also be a new life whose clock was set back. The ack names the higher epoch as
//!   its `peer`, and who is named with a higher epoch than its own [raises](raised) its own
//!   above that. So a node refutes that it is over, as one refutes in SWIM that it is
//!   suspect. It does so with a higher incarnation number, which only the node itself may
//!   choose (Das, Gupta and Motivala, 2002, 4.2). All its links begin anew then, as after a
//!   restart.
//!
//! **One question** serves greeting, catching up and restarts (*anti-entropy*): a segment
//! with this node's *digest*, the summary of what it holds, and `probe`. It asks: how far
//! does your stream go with all that I lack? The answer is the neighbour's digest and that
//! `end`. When all below `end` has come the link is *level*; until then a timer runs, and
//! the link asks again. Who knows nothing of the neighbour waits with its own items for
//! the digest, which shows what the neighbour lacks.
//!
//! There is no handshake: the first segment goes to whoever is there, `peer` 0.
//!
//! A link does not know what an item means, and does not keep what arrives: it
//! only counts. Its owner merges the items, duplicates and all.
//!
//! The [lesson](crate::lesson) shows all of it at work, from [offsets and
//! acks](crate::lesson::offsets_and_acks) on.
//!
//! # What each mechanism is for
//!
//! The mutant is the link without the mechanism. `./run.sh mutants` shows what notices it, and
//! `./run.sh ablation` prints most of these figures: messages are per operation.
//!
//! | mechanism | why | lost without it | mutant |
//! |---|---|---|---|
//! | `una` in every segment | a new life of the neighbour need not have the stream's beginning | no life of torture survives | no segment tells where its stream begins |
//! | delayed ack | most acks find a ride within a second | 3.26 messages for 1.67 | an ack is held back for nobody |
//! | `held` | the ack's delay is not the network's | 2.87 messages for 1.67 | the ack's delay is taken for the network's |
//! | no first sample after silence | the silence of a dead node tells nothing of the network | crashes: 2.23 messages for 2.14 | a first sample that ends a silence is believed |
//! | one sample is at most twice the smoothed one | one stop is not a slow network | crashes: recovery takes up to 1250 ms, not 700 | one long round trip counts in full |
//! | one sample a turn | what waited together tells of one stop | crashes: 2.26 messages for 2.14 | one stop of this node is many samples |
//! | 250 ms before a measure | a second is a guess for the worst network | a leaf whose first value is lost in a cut waits 2.7 s | before a measure tries are as far apart as guessed |
//! | holes are named | only what was lost is sent again | values are missing under loss | a hole is never named |
//! | named less and less often | whoever should fill it may be gone | a message every 0.24 s, for ever | a hole is named again and again as often |
//! | what is young is not sent again | it was repeated already, and is on its way | an uneven network: 2.22 messages for 2.15 | a hole that is named is sent again, however young |
//! | an overdue ack is a loss | the last items before a pause leave no hole | 5 % loss: p99 1291 ms for 787 | an ack that is overdue shows no loss |
//! | repetition after a loss | the next delta fills the hole unasked | 5 % loss: 1.98 messages for 1.84, p99 909 ms for 787 | after a loss nothing is repeated unasked |
//! | backoff | a long cut is cheap | partitions: 2.47 messages for 2.34 | tries do not back off |
//! | a sign of life makes a suspect link try | the cut may be over | partitions: recovery takes up to 830 ms, not 590 | a sign of life is ignored |
//! | window | memory and bursts are bounded | 80 of 150 lives of torture survive | no flow control |
//! | a promised `end` has a timer | what was promised may be lost | the model finds a state without an end | a promise of a digest has no timer |
//! | the question stays until `end` is told | a digest may be the neighbour's own question | 49 of 150 lives of torture survive | who was asked while it asked is not asked again |
//! | an old epoch is refused | its numbers belong to another stream | 48 of 150 lives of torture survive | an old epoch is believed |
//! | a voice from the past is answered | its clock may have been set back | such a node is never heard again | a voice from the past gets no answer |

mod anti_entropy;
mod incoming;
mod loss;
mod round_trip;
mod segment;
mod stats;

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Instant;
use crate::workload::Item;
use incoming::Incoming;
pub use incoming::Range;
pub use round_trip::{INITIAL, RoundTrip};
pub use segment::Segment;
pub use stats::{LinkStats, Marks};

/// The most items in one segment.
///
/// Unit: items. 1024 values of up to 20 digits make a line of at most 22 kB:
/// below a pipe's 64 KiB, and far below the limit on a line.
pub const MAX_ITEMS: usize = 1024;

/// How heavy the items of one segment may be together, unless it is a single one.
///
/// Unit: bytes, as [`Item::weight`]. Integers weigh nothing and are counted; what clients
/// made as long as they liked must not add up to a line that nobody reads.
const MAX_WEIGHT: usize = 1 << 20;

/// The most items in flight (sent and not acknowledged).
///
/// Unit: items. Sixteen full segments. A receiver acknowledges at once when
/// [`MAX_ITEMS`] items wait for their ack. So with a round trip of 200 ms this lets
/// 80 000 items a second through. It also bounds what a receiver believes: an offset
/// further ahead than this cannot have been sent.
pub const WINDOW: u64 = 16 * MAX_ITEMS as u64;

/// How long an ack may wait for a delta to ride on beyond one period of the timetable,
/// where a second period is not longer.
///
/// Unit: time. A leaf of 25 with 100 operations a second sends two values a second,
/// so most acks find a ride within one. It delays nothing but the sender's notice
/// that all is well: losses show sooner.
const ACK_DELAY: Duration = Duration::from_secs(1);

/// How long an ack may wait where a value may take so long to be everywhere: for two of
/// a timetable's departures at least.
pub fn ack_delay(within: Duration) -> Duration {
    within + within.max(ACK_DELAY)
}

/// The longest time between two tries on a suspect link (the backoff's cap), and between two
/// times that a hole is named.
///
/// Unit: time. Long, and a partition costs nothing; short, and its end is noticed
/// soon where no hub probes.
pub const BACKOFF_CAP: Duration = Duration::from_secs(3);

/// After so many timeouts a neighbour is not shown the digest any more before it answers.
///
/// Unit: timeouts. One digest may get lost.
const SILENT: u32 = 2;

/// After a loss, so many deltas repeat what is in flight, if it is little.
///
/// Unit: deltas. A link that loses one in a hundred is wary half of the time, one on
/// which something got lost once is soon as before.
const WARY: u32 = 64;

/// The most items of a delta that repeats some.
///
/// Unit: items. With up to 20 digits each they fit into one packet of 1500 bytes, so
/// they cost the network next to nothing; and a stream under load is left alone.
const REPEATED: u64 = 64;

/// The largest epoch that is believed.
///
/// Unit: microseconds, if a clock made it. No clock shows the year 148 000, so whoever
/// names a larger one is mistaken: that message is refused, and changes nothing. Must fit
/// an `i64`, as all numbers on the wire do.
pub const MAX_EPOCH: u64 = 1 << 62;

/// By how much less than this two lives of a node raise their epochs differently.
///
/// Unit: microseconds. Neighbours that know different lives may name the same epoch to
/// two later ones, which must not become the same. The microsecond of the second in which
/// each began tells them apart.
const TOLD_APART: u64 = 1_000_000;

/// The epoch in which a node goes on whose own is `epoch`, if a neighbour names it
/// `named`. `None`: it stays as it is.
pub fn raised(epoch: u64, named: u64) -> Option<u64> {
    let above = named.saturating_add(1 + epoch % TOLD_APART);
    (epoch < named && above <= MAX_EPOCH).then_some(above)
}

/// Why a segment was refused. The link has not changed, but for the answer that it owes a
/// voice from the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// It comes from an incarnation that is known to be over.
    FromThePast {
        /// The segment's epoch.
        epoch: u64,
        /// That of the neighbour now.
        peer: u64,
    },
    /// It cannot be right: a sentence that says why.
    Wrong(String),
}

/// Some items that were sent together and not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flight {
    /// One past its last offset. The first one is where the flight before ends.
    end: u64,
    /// When it was last sent.
    at: Instant,
    /// That was not the first time.
    resent: bool,
    /// To be sent again.
    lost: bool,
}

/// What a neighbour is asked, until it answers. Either goes with this node's own digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Question {
    /// How far does your stream go with all that I lack?
    HowFar,
    /// And what do you hold? Nothing is known of that, so nothing is queued before the answer.
    What,
}

/// What a segment or a digest changed, for the link's owner to act on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The neighbour talks to a former incarnation of this node: there was one.
    pub former_life: bool,
    /// The link was suspect and is healthy now.
    pub healthy: bool,
    /// The neighbour has started anew.
    pub restarted: bool,
    /// The round trip that ended with it, if it brings an echo.
    pub trip: Option<Duration>,
}

/// One end of a link. Whatever changed it, call
/// [`poll_transmit`](Link::poll_transmit) until it gives nothing, and
/// [`handle_timeout`](Link::handle_timeout) when
/// [`poll_timeout`](Link::poll_timeout) is due.
///
/// ```text
///   unknown --a segment--> in order --restart--> asking what --digest--> asking how far
///                             ^                       |                        |
///                             |                       '--digest with end--.    | digest
///                             |                                           v    v with end
///                             '------ all below end has come ------------- behind
/// ```
///
/// | state | in the fields | what is sent |
/// |---|---|---|
/// | unknown | `peer` is 0 | deltas, to whoever is there |
/// | asking what | `question` is `What` | its digest, and no items |
/// | asking how far | `question` is `HowFar` | its digest, and items as in order |
/// | behind | not all below `level` has come | items as in order |
/// | in order | none of these | items as they depart, acks |
///
/// [`ask_how_far`](Link::ask_how_far) and [`ask_what`](Link::ask_what) lead from any state to
/// that question. A link that waits for an answer of any kind has a timer (`retry_at`).
/// When that fires the link is suspect in addition (`timeouts` is above 0): it sends
/// nothing but acks and digests, if it asks, or else probes, until an answer comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link<I> {
    /// This node's incarnation, and the neighbour's; 0: not known yet.
    epoch: u64,
    peer: u64,
    /// How long an ack may wait for a ride, at both ends.
    ack_delay: Duration,

    // Anti-entropy.
    question: Option<Question>,
    /// This node's digest is to be sent, as a question, an answer or both.
    sync_due: bool,
    /// The answer: one past the last offset of the neighbour's stream when it knew this
    /// node's digest.
    level: Option<u64>,

    // The outgoing stream.
    /// The items from `una` on.
    queue: VecDeque<I>,
    /// The first offset that was not acknowledged, and is meant for this incarnation of
    /// the neighbour.
    una: u64,
    /// What lies below has departed and may be sent; the rest waits in its batch.
    released: u64,
    /// What is in flight, from `una` on.
    flights: VecDeque<Flight>,
    /// The retransmission timer. Runs whenever an answer is awaited.
    retry_at: Option<Instant>,
    /// Timeouts since the last answer. Above 0: suspect.
    timeouts: u32,
    /// An answer is to be asked for at once, and when that was last done.
    probe_due: bool,
    /// Whether the neighbour is there is asked, and it has not answered.
    pinged: bool,
    probed_at: Option<Instant>,
    /// So many more deltas repeat what is in flight. Above 0: something was lost of late.
    wary: u32,
    trip: RoundTrip,
    /// When a round trip was last measured.
    measured_at: Option<Instant>,

    // The incoming stream.
    incoming: Incoming,
    /// When items last came, and their timestamp, if it was not sent back yet.
    arrived_at: Option<Instant>,
    echo: Option<u64>,
    /// Items that arrived since an ack was last sent.
    unreported: u64,
    /// When an ack goes out alone, unless something else goes before.
    ack_at: Option<Instant>,
    ack_due: bool,

    stats: LinkStats,
}

impl<I: Item> Link<I> {
    /// A link on which nothing has been sent, in incarnation `epoch` (from 1 on). Both
    /// ends hold an ack back for `ack_delay` at most.
    pub fn new(epoch: u64, ack_delay: Duration) -> Link<I> {
        Link {
            epoch,
            peer: 0,
            ack_delay,
            question: None,
            sync_due: false,
            level: None,
            queue: VecDeque::new(),
            una: 0,
            released: 0,
            flights: VecDeque::new(),
            retry_at: None,
            timeouts: 0,
            probe_due: false,
            pinged: false,
            probed_at: None,
            wary: 0,
            trip: RoundTrip::default(),
            measured_at: None,
            incoming: Incoming::default(),
            arrived_at: None,
            echo: None,
            unreported: 0,
            ack_at: None,
            ack_due: false,
            stats: LinkStats::default(),
        }
    }

    /// This node is in another incarnation than was thought. Both streams begin anew; what
    /// was measured and counted stays.
    pub fn restart(&mut self, epoch: u64) {
        let (trip, stats) = (self.trip.clone(), self.stats);
        *self = Link {
            trip,
            stats,
            ..Link::new(epoch, self.ack_delay)
        };
    }

    /// Appends an item to the outgoing stream, where it waits for
    /// [`release`](Link::release). False: the neighbour's digest is awaited, and
    /// will show whether it lacks the item.
    pub fn push(&mut self, item: I) -> bool {
        if self.is_suspect() && self.queue.len() >= MAX_ITEMS {
            // More than one probe carries: its digest will tell, when it answers.
            self.seek();
        }
        let accepts = self.question != Some(Question::What);
        if accepts {
            self.queue.push_back(item);
        }
        accepts
    }

    /// The batch departs: everything pushed so far may go.
    pub fn release(&mut self) {
        self.released = self.end();
    }

    /// One past the offset of the last item pushed.
    fn end(&self) -> u64 {
        self.una + self.queue.len() as u64
    }

    /// The next new offset to send.
    fn nxt(&self) -> u64 {
        self.flights.back().map_or(self.una, |flight| flight.end)
    }

    /// Whether the retransmission timer fired and nothing was answered since.
    pub fn is_suspect(&self) -> bool {
        self.timeouts > 0
    }

    /// The same, where it is no guess: before a measure one answer may just be slow, unless others
    /// miss the neighbour, too.
    pub fn is_silent(&self) -> bool {
        self.timeouts > u32::from(!self.trip.is_measured() && !self.pinged)
    }

    /// How many items wait for their ack.
    pub fn unacked(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is waiting: no item, no ack owed, no timer.
    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.poll_timeout().is_none() && !self.sync_due
    }

    /// Every item below this offset of the incoming stream has arrived.
    pub fn received(&self) -> u64 {
        self.incoming.received()
    }

    /// The incarnations at both ends: this node's, and the neighbour's as far as it
    /// is known (0: not yet).
    pub fn epochs(&self) -> (u64, u64) {
        (self.epoch, self.peer)
    }

    /// What was measured.
    pub fn round_trip(&self) -> &RoundTrip {
        &self.trip
    }

    /// The counters.
    pub fn stats(&self) -> &LinkStats {
        &self.stats
    }

    /// A segment came from the neighbour. The caller merges its items, all of them,
    /// if and only if this returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if the segment cannot be right.
    pub fn handle_segment(
        &mut self,
        now: Instant,
        segment: &Segment<I>,
    ) -> Result<News, LinkError> {
        let for_us = segment.peer == self.epoch;
        self.check(segment, for_us)?;
        let mut news = self.recognise(segment.epoch, segment.peer);
        // That tells the sender who is here now.
        self.ack_due |= news.former_life;
        self.stats.received += 1;
        if self.retry_at.is_some_and(|at| at < now) {
            // The timer has slept, and this node with it. What waited meanwhile measures nothing.
            self.measured_at = Some(now);
        }
        let mut answered = false;
        if for_us && !news.restarted {
            news.trip = self.measure(now, segment);
            answered = self.handle_ack(segment.ack);
        }
        if for_us || segment.peer == 0 {
            // Who has heard nothing yet shows that even the very first may be lost.
            self.note_losses(now, segment);
        }
        let new = self.handle_items(now, segment);
        // Where nothing was sent that could be acknowledged, items may be what was awaited. And
        // where nothing is awaited any more, whoever brought the last of it, no timer runs on.
        let is_fed = for_us && new > 0 && !self.pinged;
        answered |= self.flights.is_empty() && (is_fed || !self.is_awaiting());
        // A hub that hears nobody talks all the same: only what echoes the question answers it.
        let echo = segment.echo.map(Instant::from_micros);
        let is_there = for_us && echo.is_some() && echo >= self.probed_at;
        answered |= is_there && self.pinged;
        let told = segment.digest && self.handle_digest(segment, &mut news);
        let asks_anew = is_there && self.question.is_some() && self.timeouts >= SILENT;
        self.sync_due |= asks_anew;
        if told || asks_anew || answered && self.question.is_none() {
            news.healthy = self.hear_answer(now);
        } else {
            // A sign of life, maybe of one direction only: a suspect is tried.
            self.probe(now);
        }
        Ok(news)
    }

    fn check(&mut self, segment: &Segment<I>, for_us: bool) -> Result<(), LinkError> {
        let (epoch, peer) = (segment.epoch, self.peer);
        if epoch < peer {
            // It may come from a clock that was set back, and nothing else would tell it.
            self.ack_due = true;
            return Err(LinkError::FromThePast { epoch, peer });
        }
        let (ack, nxt) = (segment.ack, self.nxt());
        let (una, offset, end) = (segment.una, segment.offset, segment.top());
        let text = if for_us && ack > nxt {
            format!("ack {ack} of a stream that has been sent below {nxt} only")
        } else if offset < una || end > una.saturating_add(WINDOW) {
            format!(
                "items from offset {offset} up to {end}, where {una} were acknowledged and at \
                 most {WINDOW} are in flight"
            )
        } else {
            return Ok(());
        };
        Err(LinkError::Wrong(text))
    }

    /// Gives how many of the items are new.
    fn handle_items(&mut self, now: Instant, segment: &Segment<I>) -> u64 {
        let due = now + self.trip.spread();
        let begins = self.incoming.begin(segment.una);
        let new = if segment.items.is_empty() {
            // An ack alone says how far the stream has come.
            self.incoming.reach(segment.offset, due);
            0
        } else {
            self.incoming.arrive(segment.offset, segment.top(), due)
        };
        if segment.ts.is_some() || !segment.items.is_empty() {
            (self.arrived_at, self.echo) = (Some(now), segment.ts);
        }
        self.stats.duplicates += u64::from(new == 0 && !segment.items.is_empty());
        self.unreported += new;
        if new > 0 {
            self.ack_at.get_or_insert(now + self.ack_delay);
        }
        // A sender that has filled a segment may wait for room in its window.
        self.ack_due |= begins || self.unreported >= MAX_ITEMS as u64;
        self.ack_due |= segment.probe && !segment.digest;
        new
    }

    /// Time has come to `now`: fires the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ack_due |= self.ack_at.take_if(|at| *at <= now).is_some();
        self.ack_due |= self.incoming.due().is_some_and(|at| at <= now);
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.timeouts = self.timeouts.saturating_add(1);
            self.probe_due = true;
            if self.is_behind() && self.question.is_none() {
                // It may have been an old promise that came late: it is asked for again.
                (self.question, self.level) = (Some(Question::HowFar), None);
            }
        }
    }

    /// When [`handle_timeout`](Link::handle_timeout) is due; `None`: never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.ack_at, self.retry_at, self.incoming.due()];
        timers.into_iter().flatten().min()
    }

    /// The next segment to send at `now`, if there is one. A digest only where it
    /// `may_sync`; else the wish for one is kept.
    pub fn poll_transmit(&mut self, now: Instant, may_sync: bool) -> Option<Segment<I>> {
        let probes = std::mem::take(&mut self.probe_due);
        // A digest may be long, so who does not answer it is asked first whether it is there.
        let shows = self.question.is_some() && self.timeouts < SILENT;
        self.sync_due |= probes && shows;
        if self.sync_due && may_sync {
            return Some(self.sync(now));
        }
        let owes = self.is_awaiting() || !self.queue.is_empty();
        let segment = match probes && !shows && owes {
            true => Some(self.probe_segment(now)),
            false => self.news(now),
        };
        segment.or_else(|| self.ack_due.then(|| self.segment(now, self.nxt(), 0)))
    }

    /// What was lost, again, or what has departed, as far as the window has room for it.
    /// Nothing for a suspect.
    fn news(&mut self, now: Instant) -> Option<Segment<I>> {
        if self.is_suspect() {
            return None;
        }
        let (una, nxt) = (self.una, self.nxt());
        if let Some((start, end)) = self.lost() {
            self.stats.retransmitted += 1;
            let again = |flight: &Flight| flight.lost && flight.resent;
            if !self.flights.iter().any(again) {
                // It gets its time; if it is lost again, the timer runs on.
                self.retry_at = None;
            }
            return Some(self.send(now, start, end));
        }
        let count = self.released.saturating_sub(nxt).min(una + WINDOW - nxt);
        let count = self.fitting(nxt, count);
        (count > 0).then(|| {
            let start = if self.repeats(count) { una } else { nxt };
            self.send(now, start, nxt + count)
        })
    }

    /// How many items from `start` on go into one segment, `most` at most.
    fn fitting(&self, start: u64, most: u64) -> u64 {
        let most = most.min(MAX_ITEMS as u64);
        let mut room = MAX_WEIGHT;
        let items = self.queue.range((start - self.una) as usize..);
        let fitting = items.take(most as usize).take_while(|item| {
            // One item may be as heavy as it likes.
            let fits = room > 0;
            room = room.saturating_sub(item.weight());
            fits
        });
        fitting.count() as u64
    }

    /// Sends the items from `start` up to `end`, or as many of them as fit, be they in
    /// flight already or not.
    fn send(&mut self, now: Instant, start: u64, end: u64) -> Segment<I> {
        let end = start + self.fitting(start, end - start);
        let at = self.flights.partition_point(|flight| flight.end <= start);
        let to = self.flights.partition_point(|flight| flight.end <= end);
        let flight = Flight {
            end,
            at: now,
            // Those that lie in it wholly are one flight now. What finds no room of the next
            // one stays as old as it is.
            resent: self.flights.drain(at..to).len() > 0,
            lost: false,
        };
        self.flights.insert(at, flight);
        self.retry_at.get_or_insert(now + self.timeout());
        self.segment(now, start, end - start)
    }

    /// The segment of `count` items from `start` on, with the ack on its back.
    fn segment(&mut self, now: Instant, start: u64, count: u64) -> Segment<I> {
        let from = (start - self.una) as usize;
        let missing = self.incoming.name(now, self.trip.longest());
        self.stats.holes += u64::from(!missing.is_empty());
        match count {
            0 => self.stats.acks += 1,
            _ => self.stats.sent += 1,
        }
        (self.ack_at, self.unreported) = (None, 0);
        // If there are more holes than one segment names, the next one follows.
        self.ack_due = self.incoming.due().is_some_and(|at| at <= now);
        let items = self.queue.range(from..from + count as usize);
        let held = self.arrived_at.map_or(Duration::ZERO, |at| now - at);
        Segment {
            epoch: self.epoch,
            peer: self.peer,
            una: self.una,
            offset: start,
            ts: (count > 0).then(|| now.as_micros()),
            items: items.cloned().collect(),
            ack: self.received(),
            echo: self.echo.take(),
            held: held.as_millis() as u64,
            waited: 0,
            next: None,
            digest: false,
            end: None,
            missing,
            need: 0,
            probe: false,
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
