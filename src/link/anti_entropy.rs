//! A link whose ends do not know what the other one has: digests, and who is who.

use super::*;

impl<I: Item> Link<I> {
    /// Asks for the neighbour's digest, since nothing is known of what it has. What
    /// was queued is forgotten: the digest will tell. Only the numbers that were sent are
    /// used up: the stream stays within the window of a neighbour that has some of them.
    pub fn ask(&mut self) {
        self.queue.clear();
        self.flights.clear();
        (self.una, self.base, self.released) = (self.nxt, self.nxt, self.nxt);
        (self.asking, self.greeting, self.unplaced) = (true, false, true);
        (self.sync_due, self.level) = (true, None);
        (self.timeouts, self.probe_due, self.retry_at) = (0, false, None);
    }

    /// Greets a neighbour that never acknowledged anything, and for which nothing waits:
    /// with a digest, and if news come before that is answered, with those.
    pub fn greet(&mut self) {
        self.ask();
        self.greeting = true;
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

    /// Whether it has a digest to send, or waits for one, or for what one has promised:
    /// that may have been lost.
    pub fn wants_sync(&self) -> bool {
        let awaited = self.level.is_some() && !self.is_level();
        self.sync_due || self.asking || self.wants_level || awaited
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
    /// [`LinkError`] if it comes from the past.
    pub fn handle_sync(&mut self, sync: &Sync) -> Result<(News, bool), LinkError> {
        self.check_epoch(sync.epoch)?;
        let mut news = self.recognise(sync.epoch, sync.peer);
        self.stats.received += 1;
        let received = self.received();
        self.incoming.begin(sync.offset);
        self.unplaced &= sync.peer != self.epoch;
        if self.received() > received.max(sync.offset) {
            // What had come before we knew where it begins can be acknowledged now.
            self.ack_due = true;
        }
        if sync.probe {
            // It cannot help others before it has what waits for it here.
            self.sync_due = true;
            self.release();
        }
        if sync.peer == self.epoch && sync.end.is_some() {
            (self.level, self.wants_level) = (sync.end, false);
            // It holds more: so did this node, in another life.
            news.former_life |= !self.is_level();
        }
        Ok((news, self.asking))
    }

    /// Queues what the neighbour lacks by the digest that it sent. It may go at once.
    pub fn fill(&mut self, items: impl IntoIterator<Item = I>) {
        // For whom it greeted there was nothing here.
        if !std::mem::take(&mut self.greeting) {
            self.queue.extend(items);
        }
        self.asking = false;
        self.retry_at = None;
        self.timeouts = 0;
        self.release();
    }

    /// A voice from the past is answered: it may be that of a clock that was set back,
    /// and nothing else would tell it.
    pub(super) fn check_epoch(&mut self, epoch: u64) -> Result<(), LinkError> {
        let peer = self.peer;
        if epoch < peer {
            self.ack_due = true;
            return Err(LinkError::FromThePast { epoch, peer });
        }
        Ok(())
    }

    /// Who is talking, and to whom?
    pub(super) fn recognise(&mut self, epoch: u64, peer: u64) -> News {
        let restarted = self.peer != 0 && epoch > self.peer;
        let former_life = peer != 0 && peer != self.epoch;
        if former_life && self.peer == 0 {
            // It may have more from that life than this one remembers.
            self.ask();
        }
        if restarted {
            self.ask();
            self.incoming = Incoming::default();
            (self.arrived_at, self.echo, self.unreported) = (None, None, 0);
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

    /// The header of a digest.
    pub(super) fn sync(&mut self, now: Instant) -> Sync {
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
}
