//! What acks tell: the round trip, what was lost, and when to try again.

use super::*;

impl<I: Item> Link<I> {
    /// Gives whether something new was acknowledged.
    pub(super) fn handle_ack(&mut self, ack: u64) -> bool {
        let new = ack.saturating_sub(self.una);
        self.queue.drain(..new as usize);
        self.una += new;
        self.released = self.released.max(self.una);
        let gone = self.flights.partition_point(|f| f.end <= self.una);
        self.flights.drain(..gone);
        new > 0
    }

    /// What was awaited has come, or some of it: RFC 6298, 5.2 and 5.3. Gives whether the link
    /// was suspect.
    pub(super) fn hear_answer(&mut self, now: Instant) -> bool {
        let was_suspect = std::mem::take(&mut self.timeouts) > 0;
        self.pinged = false;
        if was_suspect {
            self.probe_due = false;
            self.release();
        }
        self.retry_at = self.is_awaiting().then(|| now + self.timeout());
        was_suspect
    }

    /// Whether the neighbour owes an answer: an ack, a digest, or what that has promised.
    pub(super) fn is_awaiting(&self) -> bool {
        let asks = self.question.is_some() || self.pinged;
        asks || !self.flights.is_empty() || self.is_behind()
    }

    /// An echo tells when what it answers was sent, and how long it was held there. One
    /// sample a turn: what has waited together while this node was stopped tells of that
    /// one stop. How many messages it is does not matter (RFC 6298, 3: one sample a
    /// round trip).
    pub(super) fn measure(&mut self, now: Instant, segment: &Segment<I>) -> Option<Duration> {
        let held = Duration::from_millis(segment.held);
        let sent_at = Instant::from_micros(segment.echo?) + held;
        // What is from the future this link has never sent.
        if sent_at > now || self.measured_at == Some(now) {
            return None;
        }
        self.measured_at = Some(now);
        self.trip.sample(now - sent_at, self.is_suspect());
        Some(now - sent_at)
    }

    /// Marks what the segment shows to be lost: holes that it names, and the first
    /// flights if they should have been acknowledged by now.
    pub(super) fn note_losses(&mut self, now: Instant, segment: &Segment<I>) {
        let (longest, spacing) = (self.trip.longest(), self.spacing());
        // An answer to a hole that was seen at once takes just a round trip.
        let quick = spacing.min(self.trip.smoothed()) * 7 / 8;
        let mut start = self.una;
        let mut overdue = true;
        for flight in &mut self.flights {
            let age = now - flight.at;
            // Named, and not for a former try: what was sent again less than a round trip ago
            // may just be late.
            let named = |(first, last): &Range| *first < flight.end && *last >= start;
            let missing = age >= quick && segment.missing.iter().any(named);
            // Sent longer than a round trip ago, or than that is guessed to be: a guess may be
            // wrong, but not twice.
            overdue &= age > if flight.resent { longest } else { spacing };
            if overdue || missing {
                (flight.lost, self.wary) = (true, WARY);
            }
            // What is behind a hole cannot be acknowledged, be it there or not.
            overdue &= !missing;
            start = flight.end;
        }
    }

    /// The least time between two tries that something heard causes, and the age at which items
    /// count as lost for the first time. Before a measure it is what a round trip may stray:
    /// 250 ms, or a leaf whose first value is lost in a cut waits 2.7 s for its timer.
    fn spacing(&self) -> Duration {
        match self.trip.is_measured() {
            true => self.trip.longest(),
            false => self.trip.spread(),
        }
    }

    /// The first run of lost flights.
    pub(super) fn lost(&self) -> Option<(u64, u64)> {
        let first = self.flights.iter().position(|flight| flight.lost)?;
        let before = first.checked_sub(1).map(|before| self.flights[before].end);
        let run = self.flights.range(first..);
        let last = run.take_while(|flight| flight.lost).last()?;
        Some((before.unwrap_or(self.una), last.end))
    }

    /// There was a sign of life: if the link is suspect, tries it now, or a round
    /// trip after the last try.
    pub fn probe(&mut self, now: Instant) {
        if !self.is_suspect() {
            return;
        }
        let next = self.probed_at.map(|at| at + self.spacing());
        match next.filter(|next| *next > now) {
            // That one may have been lost in the last moment of a partition, and
            // there need not be another sign of life.
            Some(next) => self.retry_at = Some(self.retry_at.map_or(next, |at| at.min(next))),
            None => self.probe_due = true,
        }
    }

    /// Something is to be said soon, be it an ack alone.
    pub fn answer(&mut self) {
        self.ack_due = true;
    }

    /// What waits goes at once, and asks for an answer at once.
    pub fn elicit_ack(&mut self) {
        self.probe_due = true;
    }

    /// The first unacked items again, whether lost or not, with the wish for an
    /// answer at once. What has not been sent yet rides along.
    pub(super) fn probe_segment(&mut self, now: Instant) -> Segment<I> {
        self.probed_at = Some(now);
        self.stats.retransmitted += u64::from(!self.flights.is_empty());
        self.retry_at = Some(now + self.timeout());
        let mut segment = match self.queue.is_empty() {
            true => self.segment(now, self.una, 0),
            false => self.send(now, self.una, self.end()),
        };
        (segment.probe, segment.ts) = (true, Some(now.as_micros()));
        segment
    }

    /// Whether a delta of `count` new items also carries again what is in flight.
    pub(super) fn repeats(&mut self, count: u64) -> bool {
        if self.wary == 0 {
            return false;
        }
        self.wary -= 1;
        let all = self.nxt() - self.una + count;
        all <= REPEATED && self.fitting(self.una, all) == all
    }

    /// How long to wait for an answer: what a round trip takes at most, and the
    /// other side's ack delay. It is twice as long after each timeout (RFC 6298,
    /// 5.5), up to [`BACKOFF_CAP`].
    pub(super) fn timeout(&self) -> Duration {
        // A question is answered at once.
        let delay = match self.question.is_some() || self.pinged {
            true => Duration::ZERO,
            false => self.ack_delay,
        };
        let timeout = self.trip.longest() + delay;
        match self.timeouts {
            0 => timeout,
            tries => timeout.saturating_mul(1 << tries.min(20)).min(BACKOFF_CAP),
        }
    }
}
