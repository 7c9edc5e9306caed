//! What a link counts, and where it stands.

use super::Link;
use crate::time::Instant;
use crate::workload::Item;

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
    /// Of those sent: because something in them may have been lost.
    pub retransmitted: u64,
    /// Of those sent: that name a hole.
    pub holes: u64,
    /// Of those received: with items, and none of them new.
    pub duplicates: u64,
}

impl LinkStats {
    /// Names and counts, in the order of the `stats_ok` reply; `unacked` items wait for their
    /// ack right now.
    pub fn counts(&self, unacked: u64) -> [(&'static str, u64); 8] {
        [
            ("sent", self.sent),
            ("acks", self.acks),
            ("syncs", self.syncs),
            ("received", self.received),
            ("retransmitted", self.retransmitted),
            ("holes", self.holes),
            ("duplicates", self.duplicates),
            ("unacked", unacked),
        ]
    }
}

/// Where a link stands, for tests.
#[derive(Clone, Debug)]
pub struct Marks {
    /// This node's incarnation, and the neighbour's; 0: not known yet.
    pub epochs: (u64, u64),
    /// Everything below this offset of the outgoing stream was acknowledged, or is not meant
    /// for this incarnation of the neighbour.
    pub una: u64,
    /// The next offset of the outgoing stream that was never sent.
    pub nxt: u64,
    /// Every item below this offset of the incoming stream has arrived.
    pub received: u64,
    /// Nothing is waiting: no item, no ack owed, no timer.
    pub is_quiet: bool,
    /// When the link has something to do.
    pub due: Option<Instant>,
    /// What it has counted.
    pub stats: LinkStats,
}

impl<I: Item> Link<I> {
    /// Where it stands.
    pub fn marks(&self) -> Marks {
        Marks {
            epochs: self.epochs(),
            una: self.una,
            nxt: self.nxt(),
            received: self.received(),
            is_quiet: self.is_quiet(),
            due: self.poll_timeout(),
            stats: self.stats,
        }
    }
}
