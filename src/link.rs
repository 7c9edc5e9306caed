//! One neighbour: a numbered stream in each direction, TCP in miniature.
//!
//! The network may lose, repeat, delay and reorder messages, and cut two nodes off
//! from each other for as long as it likes; and a node may stop and start anew with
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
//! A [`Segment`] carries the items from one offset on, with at most [`WINDOW`] items
//! in flight (flow control).
//!
//! **Acks** are *cumulative*: "I have everything below this offset." Each segment
//! carries one (*piggybacked*); only when nothing else went that way for the
//! *ack delay* is one sent alone (*delayed ack*, RFC 1122, 4.2.3.2). What
//! arrives out of order is counted at once (`incoming.rs`), and the
//! holes are named in `missing`, so nothing is sent twice but what was lost.
//!
//! **Loss** is noticed in three ways, the quickest counts:
//! - the receiver sees a hole, and names it once it is older than the reordering
//!   that the link shows (RFC 9002, 6.1.2);
//! - the sender gets a segment more than a round trip after it sent something, and
//!   that is still not acknowledged (RFC 9002, 6.1.2);
//! - nothing comes at all for the *retransmission timeout*, which is what a round
//!   trip takes at most, as [measured](RoundTrip), and the ack delay (RFC 6298).
//!   Then the link is *suspect*: only *probes* go out, further and further apart
//!   (backoff), which ask for an answer at once. The first ack of something new makes
//!   it healthy, and everything that has waited follows.
//!
//! **Incarnations.** One run of a process is an incarnation, and its number, the
//! *epoch*, is larger than those before. Each segment tells its sender's epoch and the
//! receiver's as far as it is known (`peer`; compare SCTP's verification tag). So:
//! - offsets belong to the sender's epoch. Its stream goes on as long as it lives;
//!   for a new incarnation of the receiver it just begins at a later offset;
//! - acks belong to the receiver's epoch: those for a former incarnation count nothing;
//! - a higher epoch than known is a restart. Nothing is known then of what the other
//!   side has, so what was queued for it goes, and the two exchange [`Sync`]s: *digests*
//!   of what they hold. Each then sends what the other lacks (*anti-entropy*);
//! - a lower one is a voice from the past, and ignored.
//!
//! There is no handshake: the first segment goes to whoever is there, `peer` 0.
//!
//! A link does not know what an item means, and does not keep what arrives: it
//! only counts. Its owner merges the items, duplicates and all.
//!
//! # Chapter 4: offsets and cumulative acks
//!
//! ```text
//! $ ./run.sh efficient --virtual
//! 3327 messages between nodes: 3259 deltas, 68 acks alone; 0 retransmitted, 0 dropped, 0 duplicated
//! ```
//!
//! Read one number: 68. Every delta is acknowledged, and 68 times in 20 s a message of
//! its own was needed for that: when nothing else went that way for the ack delay, which
//! is a second and the promise. All other acks rode on a delta that was due anyway. Since
//! an ack is cumulative, one stands for all before it, and a lost one costs nothing as
//! soon as the next arrives. The code: `segment` puts the ack on everything that leaves.
//!
//! # Chapter 5: round trips
//!
//! ```text
//! $ ./run.sh efficient --virtual --latency 10
//! messages per operation                 1.05
//! stable latency, median               189 ms
//! stable latency, maximum              391 ms
//! ```
//!
//! Read one number: 1.05, where a network of 100 ms took 1.66 for the same promise (chapter
//! 3, in [`gossip`](crate::gossip)). Nobody told the nodes that this one is faster. They
//! measured it: each ack says in `held` how long it was sat on, and what is left of the
//! time since the items left is the round trip. A shorter one leaves more of the promise
//! to gather in. The timeouts follow it, too. The code: `measure`, and [`RoundTrip`].
//!
//! # Chapter 6: loss and selective repeat
//!
//! ```text
//! $ ./run.sh efficient --virtual --loss 0.05
//! messages per operation                 1.82
//! stable latency, median               403 ms
//! stable latency, maximum             1716 ms
//! 3654 messages between nodes: 3442 deltas, 212 acks alone; 181 retransmitted, 193 dropped, 0 duplicated
//! the nodes' links say: 212 acks, 2 duplicates, 150 holes, 3461 received, 181 retransmitted, 3442 sent, 0 syncs, 0 unacked
//! ```
//!
//! Read one number: 2 duplicates. 193 messages were lost, 181 were sent again, and only
//! two of those told nothing new. A receiver that sees offset 2 where 0 is next merges
//! what came, names the hole, `"missing":[[0,1]]`, as soon as it is too old to be just
//! late, and gets that range and nothing else. If the answer is lost, too, it names the
//! hole again a round trip later. The code: `Incoming`, `note_losses`, `resend`.
//!
//! # Chapter 7: retransmission and backoff
//!
//! A hole shows when something comes behind it. If nothing comes, a timer has to do:
//!
//! ```text
//! $ ./run.sh trace
//!   4.445 s  !    |    |    |    |     no ack from n3 for 1.65 s: n3 is suspect
//!   4.445 s  !    |    |    |    |     probes n3 from 2 on (timeout), next try in 0.25 s
//! ```
//!
//! Read one number: 1.65 s. The round trip is 200 ms, and after a single sample 50 ms are
//! allowed for its straying; n3 may hold an ack back for 1.4 s. From now on n3 gets
//! nothing but probes, each of which carries all that fits and asks for an answer at
//! once. A leaf tries after about 3 s, then every 3 s, a bit earlier by a different part
//! on each link; a hub also has its turn of suspects, one every 250 ms, hence 0.25 s.
//! The code: `timeout`, `probe_segment`.
//!
//! # Chapter 11: incarnations
//!
//! ```text
//! $ ./run.sh trace
//!   9.000 s  |    |    #    |    |     RESTART: n2 stops and starts anew, its memory is gone
//!  10.000 s  |    |    !    |    |     tells n0 in ranges what it holds
//!  10.000 s  |    |    o    |    |     n2 sends n0 sync [], probe
//!  10.100 s  *<---+----|    |    |     n0 gets sync [], probe
//!  10.100 s  !    |    |    |    |     n2 has a higher epoch: it has started anew
//!  10.100 s  !    |    |    |    |     tells n2 in ranges what it holds
//!  10.100 s  o    |    |    |    |     n0 sends n2 sync [11-16]
//!  10.100 s  o    |    |    |    |     n0 sends n2 delta 5:[11 12 13 14 15 16], ack 0
//! ```
//!
//! Read one number: 5. The hub's stream to n2 had come to offset 5 and goes on there: no
//! number is used twice, so what is left of n2's former life cannot be mistaken for this
//! one's. n2 had heard nothing for a second after its start, so it greeted; with traffic
//! the first delta would have told the same. What it lacked came in one message. The code:
//! `recognise`, `handle_sync`, `fill`.

mod incoming;
#[cfg(test)]
mod model;
mod round_trip;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::time::Instant;
use incoming::Incoming;
pub use incoming::Range;
pub use round_trip::{INITIAL, RoundTrip};
pub use segment::{Segment, Sync};

/// The most items in one segment.
///
/// Unit: items. 1024 values of up to 20 digits make a line of at most 22 kB:
/// below a pipe's 64 KiB, and far below the limit on a line.
pub const MAX_ITEMS: usize = 1024;

/// The most items in flight (sent and not acknowledged).
///
/// Unit: items. Sixteen full segments: a receiver acknowledges at once when
/// [`MAX_ITEMS`] items wait for their ack, so with a round trip of 200 ms this lets
/// 80 000 items a second through. It also bounds what a receiver believes: an offset
/// further ahead than this cannot have been sent.
pub const WINDOW: u64 = 16 * MAX_ITEMS as u64;

/// How long an ack may wait for a delta to ride on, the period of the timetable
/// excepted.
///
/// Unit: time. A leaf of 25 with 100 operations a second sends two values a second,
/// so most acks find a ride within one. It delays nothing but the sender's notice
/// that all is well: losses show sooner.
pub const ACK_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two tries on a suspect link (the backoff's cap).
///
/// Unit: time. Long, and a partition costs nothing; short, and its end is noticed
/// soon where no hub probes. `CAP_ROUND_TRIPS` count instead if they are longer.
pub const BACKOFF_CAP: Duration = Duration::from_secs(3);

/// See [`BACKOFF_CAP`]. Unit: round trips. An answer needs one; with three a slow
/// network is not flooded by those who wait for it.
const CAP_ROUND_TRIPS: u32 = 3;

/// The least time between two tries that something heard causes (a sign of life, a
/// hole that is named), where no round trip was measured.
///
/// Unit: time. A bit more than the round trip of 200 ms that Gossip Glomers ask for.
const TRY_SPACING: Duration = Duration::from_millis(250);

/// How often the timeout of a healthy link doubles at most while its losses leave
/// nothing to measure (RFC 6298, 5.5). Unit: doublings. Twice as long is enough
/// for a network that has become slower, and holes and acks show losses sooner.
const MAX_BACKOFF: u32 = 1;

/// How often the time after which something counts as lost doubles at most while there
/// is doubt about the estimate and nothing to measure. Unit: doublings. Sixteen times
/// as long is more than any network strays; the timeout and the named holes remain.
const MAX_DOUBTS: u32 = 4;

/// How often a link whose round trip was never measured may take [`TRY_SPACING`] for
/// it. Unit: guesses. After a partition the second one may be needed; where it is far
/// too short all would be sent twice, and never measured.
const MAX_GUESSES: u32 = 2;

/// From how many on the flights that are still under way make a crowd.
///
/// Unit: flights. The first ack of a crowd is that of its quickest, and tells little
/// of the others. Few flights are those of a quiet link, which measures each one.
const CROWD: usize = 6;

/// A segment that cannot be right. The link has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// It comes from an incarnation that is known to be over.
    FromThePast {
        /// The segment's epoch.
        epoch: u64,
        /// That of the neighbour now.
        peer: u64,
    },
    /// It acknowledges what was never sent.
    AckBeyondSent {
        /// The segment's ack.
        ack: u64,
        /// One past the last offset ever sent.
        nxt: u64,
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
            LinkError::FromThePast { epoch, peer } => {
                write!(f, "epoch {epoch} is over: it is {peer} now")
            }
            LinkError::AckBeyondSent { ack, nxt } => write!(
                f,
                "ack {ack} of a stream that has been sent below {nxt} only"
            ),
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
    /// Messages sent with items in them.
    pub sent: u64,
    /// Acks sent alone.
    pub acks: u64,
    /// Digests sent.
    pub syncs: u64,
    /// Messages received and understood, acks and digests included.
    pub received: u64,
    /// Of those sent: with an item that had been sent before.
    pub retransmitted: u64,
    /// Of those sent: that name a hole.
    pub holes: u64,
    /// Of those received: with items, and none of them new.
    pub duplicates: u64,
    /// Items that wait for their ack, right now.
    pub unacked: u64,
}

impl LinkStats {
    /// Names and counts, in the order of the `stats_ok` reply.
    pub fn fields(&self) -> [(&'static str, u64); 8] {
        [
            ("sent", self.sent),
            ("acks", self.acks),
            ("syncs", self.syncs),
            ("received", self.received),
            ("retransmitted", self.retransmitted),
            ("holes", self.holes),
            ("duplicates", self.duplicates),
            ("unacked", self.unacked),
        ]
    }

    /// Adds another link's counters.
    pub fn add(&mut self, other: &LinkStats) {
        self.sent += other.sent;
        self.acks += other.acks;
        self.syncs += other.syncs;
        self.received += other.received;
        self.retransmitted += other.retransmitted;
        self.holes += other.holes;
        self.duplicates += other.duplicates;
        self.unacked += other.unacked;
    }
}

/// Some items that were sent together and not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flight {
    /// One past its last offset. The first one is where the flight before ends.
    end: u64,
    /// When it was sent, and when it was first.
    at: Instant,
    first_at: Instant,
    /// Sent more than once: its ack measures nothing.
    resent: bool,
    /// To be sent again.
    lost: bool,
}

/// What a segment changed, for its owner to act on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The neighbour talks to a former incarnation of this node: there was one.
    pub former_life: bool,
    /// The link was suspect and is healthy now.
    pub healthy: bool,
    /// The neighbour has started anew.
    pub restarted: bool,
    /// Something new was acknowledged.
    pub acked: bool,
}

/// What a link has to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<I> {
    /// Items and an ack, or an ack alone.
    Segment(Segment<I>),
    /// To be sent with a digest of what the node holds.
    Sync(Sync),
}

/// One end of a link. Whatever changed it, call
/// [`poll_transmit`](Link::poll_transmit) until it gives nothing, and
/// [`handle_timeout`](Link::handle_timeout) when
/// [`poll_timeout`](Link::poll_timeout) is due.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link<I> {
    /// This node's incarnation, and the neighbour's; 0: not known yet.
    epoch: u64,
    peer: u64,
    /// How long an ack may wait for a ride, at both ends.
    ack_delay: Duration,
    /// Makes this link's jitter differ from its siblings'.
    jitter: u64,
    /// The neighbour has named this incarnation.
    met: bool,

    // Anti-entropy.
    /// The neighbour's digest is wanted. Until it comes nothing is queued: it will
    /// tell what the neighbour lacks.
    asking: bool,
    sync_due: bool,
    /// It is also to say how far its stream goes with what this node lacks.
    wants_level: bool,
    /// That: one past its last offset, when it knew this node's digest.
    level: Option<u64>,

    // The outgoing stream: base <= una <= nxt.
    /// Where it begins for this incarnation of the neighbour.
    base: u64,
    /// The items from `una` on.
    queue: VecDeque<I>,
    /// The first offset that was not acknowledged.
    una: u64,
    /// The next new offset to send.
    nxt: u64,
    /// What lies below has departed and may be sent; the rest waits in its batch.
    released: u64,
    /// What is in flight, from `una` up to `nxt`.
    flights: VecDeque<Flight>,
    /// The retransmission timer. Runs whenever something is in flight or asked for.
    retry_at: Option<Instant>,
    /// Timeouts since the last answer. Above 0: suspect.
    timeouts: u32,
    /// Timeouts since the last sample of the round trip.
    backoff: u32,
    /// How often since then something was given up for the second time. The estimate
    /// may be too short, and as long as all is sent twice nothing shows how much.
    doubts: u32,
    /// How often something was given up that nothing measured could tell of.
    guesses: u32,
    probe_due: bool,
    probed_at: Option<Instant>,
    trip: RoundTrip,

    // The incoming stream.
    incoming: Incoming,
    /// When the newest of what the next ack acknowledges arrived.
    arrived_at: Option<Instant>,
    /// Items that arrived since an ack was last sent.
    unreported: u64,
    /// When an ack goes out alone, unless something else goes before.
    ack_at: Option<Instant>,
    ack_due: bool,

    stats: LinkStats,
}

impl<I: Clone> Link<I> {
    /// A link on which nothing has been sent, in incarnation `epoch` (from 1 on). Both
    /// ends hold an ack back for `ack_delay` at most. `jitter` should differ from link
    /// to link, so that not all of them try again in the same moment.
    pub fn new(epoch: u64, ack_delay: Duration, jitter: u64) -> Link<I> {
        Link {
            epoch,
            peer: 0,
            ack_delay,
            jitter,
            met: false,
            asking: false,
            sync_due: false,
            wants_level: false,
            level: None,
            base: 0,
            queue: VecDeque::new(),
            una: 0,
            nxt: 0,
            released: 0,
            flights: VecDeque::new(),
            retry_at: None,
            timeouts: 0,
            backoff: 0,
            doubts: 0,
            guesses: 0,
            probe_due: false,
            probed_at: None,
            trip: RoundTrip::default(),
            incoming: Incoming::default(),
            arrived_at: None,
            unreported: 0,
            ack_at: None,
            ack_due: false,
            stats: LinkStats::default(),
        }
    }

    /// This node's incarnation is another one than was thought. Only before anything
    /// was sent or heard.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Appends an item to the outgoing stream, where it waits for
    /// [`release`](Link::release). False: the neighbour's digest is awaited, and
    /// will show whether it lacks the item.
    pub fn push(&mut self, item: I) -> bool {
        if !self.asking {
            self.queue.push_back(item);
        }
        !self.asking
    }

    /// The batch departs: everything pushed so far may go.
    pub fn release(&mut self) {
        self.released = self.end();
    }

    /// One past the offset of the last item pushed.
    fn end(&self) -> u64 {
        self.una + self.queue.len() as u64
    }

    /// Whether the retransmission timer fired and nothing was answered since.
    pub fn is_suspect(&self) -> bool {
        self.timeouts > 0
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

    /// Everything below this offset of the outgoing stream was acknowledged.
    pub fn una(&self) -> u64 {
        self.una
    }

    /// Where the outgoing stream begins for this incarnation of the neighbour.
    pub fn begin(&self) -> u64 {
        self.base
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
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            unacked: self.queue.len() as u64,
            ..self.stats
        }
    }

    // Anti-entropy.

    /// Asks for the neighbour's digest, since nothing is known of what it has. What
    /// was queued is forgotten: the digest will tell.
    pub fn ask(&mut self) {
        self.nxt = self.end();
        self.queue.clear();
        self.flights.clear();
        (self.una, self.base, self.released) = (self.nxt, self.nxt, self.nxt);
        (self.asking, self.sync_due, self.level) = (true, true, None);
        (self.timeouts, self.probe_due, self.retry_at) = (0, false, None);
    }

    /// Whether the neighbour's digest is awaited.
    pub fn is_asking(&self) -> bool {
        self.asking
    }

    /// Whether the neighbour knows this incarnation. One that does not may have spoken
    /// to whoever is there, or to a former one, long ago.
    pub fn is_met(&self) -> bool {
        self.met
    }

    /// Whether nothing was ever sent or heard, or is about to be sent.
    pub fn is_untouched(&self) -> bool {
        self.peer == 0 && self.nxt == 0 && self.queue.is_empty() && !self.asking
    }

    /// Whether what the neighbour's digest showed to be lacking here has come.
    pub fn is_level(&self) -> bool {
        self.level.is_some_and(|level| self.received() >= level)
    }

    /// Whether it has a digest to send, or waits for one: that may have been lost.
    pub fn wants_sync(&self) -> bool {
        self.sync_due || self.asking || self.wants_level
    }

    /// Tells the neighbour what this node holds, and asks how far its stream goes
    /// with what that lacks: see [`is_level`](Link::is_level).
    pub fn catch_up(&mut self) {
        (self.sync_due, self.wants_level, self.level) = (true, true, None);
    }

    /// How long a neighbour may be silent that is asked something: twice what an
    /// answer takes at most, and no longer than a suspect waits for its next try.
    pub fn patience(&self) -> Duration {
        (self.trip.longest() * 2).min(BACKOFF_CAP)
    }

    /// A digest came. Gives what changed, and whether the caller must
    /// [`fill`](Link::fill) the link with what the neighbour lacks by that digest.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if it comes from the past; nothing has changed then.
    pub fn handle_sync(&mut self, sync: &Sync) -> Result<(News, bool), LinkError> {
        if sync.epoch < self.peer {
            let (epoch, peer) = (sync.epoch, self.peer);
            return Err(LinkError::FromThePast { epoch, peer });
        }
        let mut news = self.recognise(sync.epoch, sync.peer);
        self.stats.received += 1;
        let received = self.received();
        self.incoming.begin(sync.offset);
        if self.received() > received.max(sync.offset) {
            // What had come before we knew where it begins can be acknowledged now.
            self.ack_due = true;
        }
        self.sync_due |= sync.probe;
        if sync.peer == self.epoch && sync.end.is_some() {
            (self.level, self.wants_level) = (sync.end, false);
            // It holds more: so did this node, in another life.
            news.former_life |= !self.is_level();
        }
        Ok((news, self.asking))
    }

    /// Queues what the neighbour lacks by the digest that it sent. It may go at once.
    pub fn fill(&mut self, items: impl IntoIterator<Item = I>) {
        self.asking = false;
        self.retry_at = None;
        self.timeouts = 0;
        self.queue.extend(items);
        self.release();
    }

    /// Who is talking, and to whom?
    fn recognise(&mut self, epoch: u64, peer: u64) -> News {
        let restarted = self.peer != 0 && epoch > self.peer;
        let former_life = peer != 0 && peer != self.epoch;
        if former_life && self.peer == 0 {
            // It may have more from that life than this one remembers.
            self.ask();
        }
        if restarted {
            self.ask();
            self.incoming = Incoming::default();
            (self.arrived_at, self.unreported) = (None, 0);
            (self.ack_at, self.ack_due) = (None, false);
        }
        self.peer = epoch;
        self.met |= peer == self.epoch;
        News {
            former_life,
            restarted,
            healthy: false,
            acked: false,
        }
    }

    // The streams.

    /// A segment came from the neighbour. The caller merges its items, all of them,
    /// if and only if this returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if the segment cannot be right; nothing has changed then.
    pub fn handle_segment(
        &mut self,
        now: Instant,
        segment: &Segment<I>,
    ) -> Result<News, LinkError> {
        let end = segment.offset.saturating_add(segment.items.len() as u64);
        let for_us = segment.peer == self.epoch;
        self.check(segment, end, for_us)?;
        let mut news = self.recognise(segment.epoch, segment.peer);
        self.stats.received += 1;
        if for_us && !news.restarted {
            news.acked = segment.ack > self.una;
            news.healthy = self.handle_ack(now, segment);
            // It does not know where this stream begins: the sync that told it was
            // lost.
            self.sync_due |= segment.ack < self.base && !self.asking;
        }
        if self.is_suspect() {
            // A sign of life, maybe of one direction only: this link is tried.
            self.probe(now);
        }
        if end <= self.received().saturating_add(WINDOW) {
            self.handle_items(now, segment, end);
        }
        if news.former_life {
            // Tells the sender who is here now.
            self.ack_at = Some(now);
        }
        Ok(news)
    }

    fn check(&self, segment: &Segment<I>, end: u64, for_us: bool) -> Result<(), LinkError> {
        let (epoch, peer) = (segment.epoch, self.peer);
        if epoch < peer {
            return Err(LinkError::FromThePast { epoch, peer });
        }
        if for_us && segment.ack > self.nxt {
            let (ack, nxt) = (segment.ack, self.nxt);
            return Err(LinkError::AckBeyondSent { ack, nxt });
        }
        // A new incarnation's stream has nothing to do with the former one's. And
        // where this node's part of a stream begins may be yet to come, in a sync.
        let received = if epoch == peer { self.received() } else { 0 };
        let asks = self.asking || (peer == 0 && segment.peer != 0 && !for_us);
        if end > received.saturating_add(WINDOW) && !asks {
            return Err(LinkError::BeyondWindow { end, received });
        }
        Ok(())
    }

    /// Gives whether the link was suspect and is healthy now.
    fn handle_ack(&mut self, now: Instant, segment: &Segment<I>) -> bool {
        let news = segment.ack > self.una;
        if news {
            self.measure(now, segment);
            self.queue.drain(..(segment.ack - self.una) as usize);
            self.una = segment.ack;
            self.released = self.released.max(self.una);
        }
        let healthy = news && self.is_suspect() && !self.asking;
        if healthy {
            self.timeouts = 0;
            self.probe_due = false;
            self.release();
            // What this ack leaves open and should have come back was sent into the
            // void, most likely.
            let patience = self.spacing(self.trip.longest());
            for flight in &mut self.flights {
                flight.lost |= now - flight.at > patience;
            }
        }
        self.note_losses(now, segment);
        if news && !self.asking {
            // RFC 6298, 5.2 and 5.3: the timer stops when all is acknowledged, and
            // starts afresh when something was.
            self.retry_at = (self.nxt > self.una).then(|| now + self.timeout());
        }
        healthy
    }

    /// Takes the acknowledged flights away. The last of them measures the round trip
    /// if none of them was sent twice (Karn's rule).
    fn measure(&mut self, now: Instant, segment: &Segment<I>) {
        let mut acked = 0;
        let mut resent = false;
        let mut newest = None;
        while let Some(flight) = self.flights.front().filter(|f| f.end <= segment.ack) {
            acked += 1;
            resent |= flight.resent;
            newest = self.flights.pop_front();
        }
        let crowd = self.flights.len() > CROWD.max(acked);
        let took = |at| (now - at).saturating_sub(Duration::from_millis(segment.held));
        match newest {
            Some(flight) if !resent => {
                match crowd {
                    true => self.trip.quickest(took(flight.at)),
                    false => self.trip.sample(took(flight.at)),
                }
                (self.backoff, self.doubts) = (0, 0);
            }
            // At least a part of the first one that is left may be acknowledged.
            newest => {
                if let Some(flight) = newest.as_ref().or(self.flights.front()) {
                    self.trip.at_most(took(flight.first_at));
                }
            }
        }
    }

    /// Marks what the segment shows to be lost: holes that it names, and the first
    /// flights if they should have been acknowledged by now. What was sent less than
    /// a round trip ago may just be late.
    fn note_losses(&mut self, now: Instant, segment: &Segment<I>) {
        let longest = self.trip.longest();
        // An answer to a hole that was seen at once takes just a round trip.
        let tolerance = round_trip::GRANULARITY.max(self.trip.smoothed() / 8);
        let answered = self.spacing(longest.saturating_sub(tolerance));
        let doubled = longest * (1 << self.doubts.min(MAX_DOUBTS));
        let may_guess = !self.trip.is_measured() && self.guesses < MAX_GUESSES;
        let mut guessed = false;
        let mut start = self.una;
        let mut overdue = true;
        let mut doubtful = false;
        for flight in &mut self.flights {
            let age = now - flight.at;
            // A first guess may be wrong, but not twice.
            let guess = may_guess && !flight.resent;
            overdue &= age > if guess { TRY_SPACING } else { doubled };
            guessed |= overdue && guess && !flight.lost;
            doubtful |= overdue && flight.resent && !flight.lost;
            let named = |(first, last): &Range| *first < flight.end && *last >= start;
            let missing = age >= answered && segment.missing.iter().any(named);
            flight.lost |= overdue || missing;
            start = flight.end;
        }
        self.doubts += u32::from(doubtful);
        self.guesses += u32::from(guessed);
    }

    fn handle_items(&mut self, now: Instant, segment: &Segment<I>, end: u64) {
        let due = now + self.trip.spread();
        let received = self.received();
        let new = if segment.items.is_empty() {
            // An ack alone says how far the stream has come.
            self.incoming.reach(end, due);
            0
        } else {
            self.incoming.arrive(segment.offset, end, due)
        };
        if self.received() > received {
            self.arrived_at = Some(now);
        }
        if new > 0 {
            self.unreported += new;
            self.ack_at.get_or_insert(now + self.ack_delay);
        }
        let repeated = new == 0 && !segment.items.is_empty();
        self.stats.duplicates += u64::from(repeated);
        // A sender that repeats missed our ack and must not wait for the next one;
        // one that has filled a segment may wait for room in its window.
        if segment.probe || repeated || self.unreported >= MAX_ITEMS as u64 {
            self.ack_at = Some(now);
        }
    }

    /// The least time between two tries that something heard causes, if it is
    /// `measured` from the round trip.
    fn spacing(&self, measured: Duration) -> Duration {
        match self.trip.is_measured() {
            true => measured,
            false => TRY_SPACING,
        }
    }

    /// There was a sign of life: if the link is suspect, tries it now, or a round
    /// trip after the last try.
    pub fn probe(&mut self, now: Instant) {
        if !self.is_suspect() {
            return;
        }
        let next = self
            .probed_at
            .map(|at| at + self.spacing(self.trip.longest()));
        match next.filter(|next| *next > now) {
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
        if self.incoming.due().is_some_and(|at| at <= now) {
            self.ack_due = true;
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.timeouts = self.timeouts.saturating_add(1);
            self.backoff = self.backoff.saturating_add(1);
            self.probe_due = true;
        }
    }

    /// When [`handle_timeout`](Link::handle_timeout) is due; `None`: never.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = [self.ack_at, self.retry_at, self.incoming.due()];
        timers.into_iter().flatten().min()
    }

    /// The next frame to send at `now`, if there is one. A digest only where it
    /// `may_sync`; else the wish for one is kept.
    pub fn poll_transmit(&mut self, now: Instant, may_sync: bool) -> Option<Frame<I>> {
        if self.asking && std::mem::take(&mut self.probe_due) {
            self.sync_due = true;
        }
        if self.sync_due && may_sync {
            return Some(Frame::Sync(self.sync(now)));
        }
        if self.asking {
            return self.ack_due.then(|| Frame::Segment(self.bare_ack(now)));
        }
        if std::mem::take(&mut self.probe_due) && !self.queue.is_empty() {
            return Some(Frame::Segment(self.probe_segment(now)));
        }
        if !self.is_suspect() {
            if let Some(segment) = self.resend(now) {
                return Some(Frame::Segment(segment));
            }
            let room = WINDOW - (self.nxt - self.una);
            let count = self.released.saturating_sub(self.nxt).min(room);
            if count > 0 {
                return Some(Frame::Segment(self.send_new(now, count)));
            }
        }
        self.ack_due.then(|| Frame::Segment(self.bare_ack(now)))
    }

    /// The header of a digest.
    fn sync(&mut self, now: Instant) -> Sync {
        self.sync_due = false;
        self.stats.syncs += 1;
        if self.asking {
            self.probed_at = Some(now);
            self.retry_at = Some(now + self.timeout());
        }
        Sync {
            epoch: self.epoch,
            peer: self.peer,
            offset: self.base,
            end: (!self.asking).then(|| self.end()),
            probe: self.asking || self.wants_level,
        }
    }

    /// The first unacked items again, whether lost or not, with the wish for an
    /// answer at once. What has not been sent yet rides along.
    fn probe_segment(&mut self, now: Instant) -> Segment<I> {
        self.probed_at = Some(now);
        let count = self.queue.len().min(MAX_ITEMS) as u64;
        let end = self.una + count;
        let first_at = self.flights.front().map_or(now, |flight| flight.first_at);
        let resent = !self.flights.is_empty();
        while self.flights.front().is_some_and(|flight| flight.end <= end) {
            self.flights.pop_front();
        }
        self.flights.push_front(Flight {
            end,
            at: now,
            first_at,
            resent,
            lost: false,
        });
        self.nxt = self.nxt.max(end);
        // If this answers a probe the other side tries again by itself, and a timer
        // of our own would only double what a one-way cut costs.
        let next = match self.ack_due {
            true => self.cap() + self.trip.longest(),
            false => self.timeout(),
        };
        self.retry_at = Some(now + next);
        let mut segment = self.segment(now, self.una, count);
        segment.probe = true;
        self.stats.retransmitted += u64::from(resent);
        segment
    }

    /// The first run of lost flights, up to a full segment.
    fn resend(&mut self, now: Instant) -> Option<Segment<I>> {
        let first = self.flights.iter().position(|flight| flight.lost)?;
        let start = first
            .checked_sub(1)
            .map_or(self.una, |before| self.flights[before].end);
        let mut end = start;
        for flight in self.flights.range_mut(first..) {
            if !flight.lost || flight.end - start > MAX_ITEMS as u64 {
                break;
            }
            (flight.lost, flight.resent, flight.at) = (false, true, now);
            end = flight.end;
        }
        self.stats.retransmitted += 1;
        self.retry_at = Some(now + self.timeout());
        Some(self.segment(now, start, end - start))
    }

    fn send_new(&mut self, now: Instant, count: u64) -> Segment<I> {
        let count = count.min(MAX_ITEMS as u64);
        let start = self.nxt;
        self.nxt += count;
        self.flights.push_back(Flight {
            end: self.nxt,
            at: now,
            first_at: now,
            resent: false,
            lost: false,
        });
        if self.retry_at.is_none() {
            self.retry_at = Some(now + self.timeout());
        }
        self.segment(now, start, count)
    }

    fn bare_ack(&mut self, now: Instant) -> Segment<I> {
        self.segment(now, self.nxt, 0)
    }

    /// The segment of `count` items from `start` on, with the ack on its back.
    fn segment(&mut self, now: Instant, start: u64, count: u64) -> Segment<I> {
        let from = (start - self.una) as usize;
        let again = now + self.trip.longest();
        let missing = self.incoming.name(now, again);
        self.stats.holes += u64::from(!missing.is_empty());
        if count == 0 {
            self.stats.acks += 1;
        } else {
            self.stats.sent += 1;
        }
        (self.ack_at, self.unreported) = (None, 0);
        // If there are more holes than one segment names, the next one follows.
        self.ack_due = self.incoming.due().is_some_and(|at| at <= now);
        let held = self.arrived_at.map_or(Duration::ZERO, |at| now - at);
        Segment {
            epoch: self.epoch,
            peer: self.peer,
            offset: start,
            items: self
                .queue
                .range(from..from + count as usize)
                .cloned()
                .collect(),
            ack: self.received(),
            held: held.as_millis() as u64,
            next: None,
            missing,
            probe: false,
        }
    }

    /// The longest time between two tries.
    fn cap(&self) -> Duration {
        BACKOFF_CAP.max(self.trip.longest() * CAP_ROUND_TRIPS)
    }

    /// How long to wait for an answer: what a round trip takes at most, and the
    /// other side's ack delay, twice as long after each timeout (RFC 6298, 5.5), up
    /// to the cap. Of a backoff up to a quarter is taken off, a different part for
    /// each link and try.
    fn timeout(&self) -> Duration {
        // A digest is answered at once.
        let delay = if self.asking {
            Duration::ZERO
        } else {
            self.ack_delay
        };
        let timeout = self.trip.longest() + delay;
        if self.timeouts == 0 {
            let backoff = if self.trip.is_measured() {
                self.backoff
            } else {
                0
            };
            return timeout * (1 << backoff.min(MAX_BACKOFF));
        }
        let doubled = timeout.saturating_mul(1 << self.timeouts.min(20));
        let interval = doubled.min(self.cap());
        // The core has no randomness: a hash of the link and the try has to do.
        let hash = (self.jitter ^ u64::from(self.timeouts)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        interval - interval / 4 * (hash >> 56) as u32 / 256
    }
}
