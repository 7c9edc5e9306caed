//! What acks tell: the round trip, what was lost, and when to try again.

use super::*;

impl<I: Item> Link<I> {
    /// Gives whether the link was suspect and is healthy now.
    pub(super) fn handle_ack(&mut self, now: Instant, segment: &Segment<I>) -> bool {
        let news = segment.ack > self.una;
        if news {
            self.queue.drain(..(segment.ack - self.una) as usize);
            self.una = segment.ack;
            self.released = self.released.max(self.una);
            while self.flights.front().is_some_and(|f| f.end <= self.una) {
                self.flights.pop_front();
            }
        }
        let healthy = news && self.is_suspect() && !self.asking;
        if healthy {
            self.timeouts = 0;
            self.probe_due = false;
            self.release();
        }
        self.note_losses(now, segment);
        if news && !self.asking {
            // RFC 6298, 5.2 and 5.3: the timer stops when all is acknowledged, and
            // starts afresh when something was.
            self.retry_at = (self.nxt > self.una).then(|| now + self.timeout());
        }
        healthy
    }

    /// An echo tells when what it answers was sent, and how long it was held there. One
    /// sample a turn: what has waited together while this node was stopped tells of that
    /// one stop, however many messages it is (RFC 6298, 3: one sample a round trip).
    pub(super) fn measure(&mut self, now: Instant, segment: &Segment<I>) {
        let held = Duration::from_millis(segment.held);
        let sent_at = segment.echo.map(|ts| Instant::from_micros(ts) + held);
        // What is from the future this link has never sent.
        let sent_at = sent_at.filter(|at| *at <= now && self.measured_at != Some(now));
        if let Some(sent_at) = sent_at {
            self.measured_at = Some(now);
            self.trip.sample(now - sent_at);
        }
    }

    /// Marks what the segment shows to be lost: holes that it names, and the first
    /// flights if they should have been acknowledged by now. What was sent less than
    /// a round trip ago may just be late.
    pub(super) fn note_losses(&mut self, now: Instant, segment: &Segment<I>) {
        let longest = self.trip.longest();
        // An answer to a hole that was seen at once takes just a round trip.
        let tolerance = round_trip::GRANULARITY.max(self.trip.smoothed() / 8);
        let answered = self.spacing().saturating_sub(tolerance);
        let mut start = self.una;
        let mut overdue = true;
        for flight in &mut self.flights {
            let age = now - flight.at;
            // A guess may be wrong, but not twice.
            let guess = !self.trip.is_measured() && !flight.resent;
            overdue &= age > if guess { TRY_SPACING } else { longest };
            let named = |(first, last): &Range| *first < flight.end && *last >= start;
            let missing = age >= answered && segment.missing.iter().any(named);
            flight.lost |= overdue || missing;
            // What is behind a hole cannot be acknowledged, be it there or not.
            overdue &= !missing;
            if missing || overdue && !guess {
                self.wary = WARY;
            }
            start = flight.end;
        }
    }

    /// The least time between two tries that something heard causes.
    fn spacing(&self) -> Duration {
        match self.trip.is_measured() {
            true => self.trip.longest(),
            false => TRY_SPACING,
        }
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

    /// What waits goes at once, and asks for an answer at once (an *ack-eliciting* packet:
    /// RFC 9000, 13.2), so that the round trip is known soon.
    pub fn elicit_ack(&mut self) {
        self.probe_due = true;
    }

    /// The first unacked items again, whether lost or not, with the wish for an
    /// answer at once. What has not been sent yet rides along.
    pub(super) fn probe_segment(&mut self, now: Instant) -> Segment<I> {
        self.probed_at = Some(now);
        let count = self.fitting(self.una, MAX_ITEMS as u64);
        let end = self.una + count;
        let resent = !self.flights.is_empty();
        while self.flights.front().is_some_and(|flight| flight.end <= end) {
            self.flights.pop_front();
        }
        self.flights.push_front(Flight {
            end,
            at: now,
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
    pub(super) fn resend(&mut self, now: Instant) -> Option<Segment<I>> {
        let first = self.flights.iter().position(|flight| flight.lost)?;
        let start = first
            .checked_sub(1)
            .map_or(self.una, |before| self.flights[before].end);
        let mut end = start;
        // A flight fitted once; of more than one perhaps not all do.
        let fitting = start + self.fitting(start, self.nxt - start);
        for flight in self.flights.range_mut(first..) {
            if !flight.lost || end > start && flight.end > fitting {
                break;
            }
            (flight.lost, flight.resent, flight.at) = (false, true, now);
            end = flight.end;
        }
        self.stats.retransmitted += 1;
        self.retry_at = Some(now + self.timeout());
        Some(self.segment(now, start, end - start))
    }

    /// Whether a delta of `count` new items also carries again what is in flight.
    pub(super) fn repeats(&mut self, count: u64) -> bool {
        if self.wary == 0 {
            return false;
        }
        self.wary -= 1;
        let all = self.nxt - self.una + count;
        all <= REPEATED && self.fitting(self.una, all) == all
    }

    /// The longest time between two tries.
    pub(super) fn cap(&self) -> Duration {
        BACKOFF_CAP.max(self.trip.longest() * CAP_ROUND_TRIPS)
    }

    /// How long to wait for an answer: what a round trip takes at most, and the
    /// other side's ack delay, twice as long after each timeout (RFC 6298, 5.5), up
    /// to the cap. Of a backoff up to a quarter is taken off, a different part for
    /// each link and try.
    pub(super) fn timeout(&self) -> Duration {
        // A digest is answered at once.
        let delay = if self.asking {
            Duration::ZERO
        } else {
            self.ack_delay
        };
        let timeout = self.trip.longest() + delay;
        if self.timeouts == 0 {
            return timeout;
        }
        let doubled = timeout.saturating_mul(1 << self.timeouts.min(20));
        let interval = doubled.min(self.cap());
        // The core has no randomness: a hash of the link and the try has to do.
        let hash = (self.jitter ^ u64::from(self.timeouts)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        interval - interval / 4 * (hash >> 56) as u32 / 256
    }
}
