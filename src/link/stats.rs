//! What a link counts.

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
