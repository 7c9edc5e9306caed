//! A link whose ends do not know what the other one has: digests, and who is who.

use super::*;

impl<I: Item> Link<I> {
    /// Nobody needs the link: nothing more goes either way but an answer to who asks.
    pub fn close(&mut self) {
        self.forget();
        self.incoming.hush();
    }

    /// What was queued is forgotten. Only the numbers that were sent are used up, so the stream
    /// stays within the window of a neighbour that has some of them.
    fn forget(&mut self) {
        self.una = self.nxt();
        self.queue.clear();
        self.flights.clear();
        self.released = self.una;
        (self.timeouts, self.probe_due, self.pinged) = (0, false, false);
        (self.retry_at, self.question, self.sync_due) = (None, None, false);
        self.level = None;
    }

    /// Asks what the neighbour holds, since nothing is known of that.
    pub fn ask_what(&mut self) {
        self.forget();
        (self.question, self.sync_due) = (Some(Question::What), true);
    }

    /// Asks the same of one that may not be there: first of all whether it is.
    pub fn seek(&mut self) {
        self.forget();
        (self.question, self.timeouts, self.probe_due) = (Some(Question::What), SILENT, true);
    }

    /// Asks whether the neighbour is there, to know that soon.
    pub fn ping(&mut self) {
        if !self.is_suspect() && !self.pinged {
            (self.pinged, self.probe_due) = (true, true);
        }
    }

    /// An answer took as long as `trip` from another one, and will from this one.
    pub fn expect(&mut self, trip: &RoundTrip) {
        self.trip = trip.clone();
    }

    /// Shows the neighbour what this node holds, and asks how far its stream goes with what
    /// that lacks: see [`is_level`](Link::is_level). Where it was asked, or all that is still
    /// to come, the link sees to that itself.
    pub fn ask_how_far(&mut self) {
        if self.question.is_none() && !self.is_behind() {
            (self.question, self.sync_due, self.level) = (Some(Question::HowFar), true, None);
        }
    }

    /// Whether nothing was ever sent or heard, or is about to be sent.
    pub fn is_untouched(&self) -> bool {
        self.peer == 0 && self.end() == 0 && self.question.is_none()
    }

    /// Whether what the neighbour's digest showed to be lacking here has come.
    pub fn is_level(&self) -> bool {
        self.level.is_some_and(|level| self.received() >= level)
    }

    /// Whether that is still to come.
    pub(super) fn is_behind(&self) -> bool {
        self.level.is_some_and(|level| self.received() < level)
    }

    /// Whether it has a digest to send, or waits for one, or for what one has promised:
    /// that may have been lost.
    pub fn wants_sync(&self) -> bool {
        self.sync_due || self.question.is_some() || self.is_behind()
    }

    /// A digest came. If the link [wants](Link::wants_digest) it, the caller must
    /// [supply](Link::supply) the link with what the neighbour lacks by it. Gives whether it
    /// answers what this node has asked.
    pub(super) fn handle_digest(&mut self, segment: &Segment<I>, news: &mut News) -> bool {
        if segment.probe {
            // It cannot help others before it has what waits for it here.
            self.sync_due = true;
            self.release();
        }
        if segment.end.is_none() && self.is_behind() {
            // It has forgotten what it had promised.
            (self.question, self.sync_due, self.level) = (Some(Question::HowFar), true, None);
        }
        // Who has heard nothing yet queues all that it holds, so that is an answer, too.
        let is_present = segment.peer == self.epoch || segment.peer == 0;
        let answers = is_present && segment.end.is_some();
        if answers {
            self.level = segment.end;
            // It holds more: so did this node, in another life.
            news.former_life |= self.is_behind();
            self.question.take_if(|q| *q == Question::HowFar);
        }
        answers
    }

    /// Whether the neighbour's digest is awaited, to be told what that lacks.
    pub fn wants_digest(&self) -> bool {
        self.question == Some(Question::What)
    }

    /// Queues what the neighbour lacks by the digest that it sent. It may go at once.
    pub fn supply(&mut self, now: Instant, items: impl IntoIterator<Item = I>) {
        self.queue.extend(items);
        // It may have been the neighbour's own question, and the answer is still to come.
        self.question = self.level.is_none().then_some(Question::HowFar);
        self.hear_answer(now);
        self.release();
    }

    /// Who is talking, and to whom?
    pub(super) fn recognise(&mut self, epoch: u64, peer: u64) -> News {
        let restarted = self.peer != 0 && epoch > self.peer;
        let former_life = peer != 0 && peer != self.epoch;
        if restarted || former_life && self.peer == 0 {
            // It may have more from that life than this one remembers.
            self.ask_what();
        }
        if restarted {
            self.incoming = Incoming::default();
            (self.arrived_at, self.echo, self.unreported) = (None, None, 0);
            (self.ack_at, self.ack_due) = (None, false);
        }
        self.peer = epoch;
        News {
            former_life,
            restarted,
            ..News::default()
        }
    }

    /// What goes with a digest.
    pub(super) fn sync(&mut self, now: Instant) -> Segment<I> {
        self.sync_due = false;
        let asks = self.question.is_some();
        if asks {
            self.probed_at = Some(now);
            self.retry_at = Some(now + self.timeout());
        }
        let ack = self.segment(now, self.nxt(), 0);
        self.stats.acks -= 1;
        self.stats.syncs += 1;
        Segment {
            digest: true,
            end: (!self.wants_digest()).then(|| self.end()),
            probe: asks,
            ..ack
        }
    }
}
