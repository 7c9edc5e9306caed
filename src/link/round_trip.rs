//! How long an answer takes: the estimate of RFC 6298, from the acks' own word.
//!
//! Items carry a [timestamp](crate::link::Segment::ts), which the next segment from
//! there sends back (RFC 7323, 3.2), and says how long it was
//! [held](crate::link::Segment::held), as in QUIC (RFC 9000, 13.2.5). What is left of
//! the time since then is one sample of the round trip. What was sent twice had another
//! timestamp each time, so it tells as much (no need of *Karn's rule*, RFC 6298, 3).
//!
//! The timestamp of what came *last* is sent back, not the highest one: where messages
//! overtake one another that one would always be a quick one's.

use std::time::Duration;

/// What a round trip is taken for before the first sample.
///
/// Unit: time. RFC 6298, 2.1: long enough for any network that answers at all, or
/// the first items of each link would be sent twice.
pub const INITIAL: Duration = Duration::from_secs(1);

/// The least spread that is reckoned with.
///
/// Unit: time. RFC 6298 calls it the clock's granularity: here it is what a busy
/// machine adds to an even network now and then.
const GRANULARITY: Duration = Duration::from_millis(10);

/// How far one sample may be above the smoothed one.
///
/// Unit: times. A node that was stopped for a while takes its own sleep for the
/// network's, and would wait as long for everything from then on. A network that has
/// become slow is believed all the same, after some samples.
const OUTLIER: u32 = 2;

/// The measured round trip of one link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoundTrip {
    sampled: bool,
    smoothed: Duration,
    /// The mean deviation. RFC 6298 guesses it at the first sample, since its timeout is all that
    /// protects from sending twice. Here an ack delay of a second comes on top of each timeout.
    variance: Duration,
}

impl Default for RoundTrip {
    /// Nothing measured yet.
    fn default() -> RoundTrip {
        RoundTrip {
            sampled: false,
            smoothed: INITIAL,
            // RFC 6298 has a half of the first sample. That of a guess is less: it also is the
            // age of 250 ms at which a hole is named and an item counts as lost.
            variance: INITIAL / 16,
        }
    }
}

impl RoundTrip {
    /// One round trip took this long (RFC 6298, 2.2 and 2.3). A much longer one than
    /// those before counts as less. So does a first one that took longer than it was guessed to, if
    /// it `was_dead` silence that ended with it: that tells nothing of the network yet.
    pub fn sample(&mut self, time: Duration, was_dead: bool) {
        if !self.sampled && (!was_dead || time <= INITIAL) {
            (self.sampled, self.smoothed) = (true, time);
            self.variance = Duration::ZERO;
            return;
        }
        let time = time.min(self.smoothed * OUTLIER);
        let deviation = self.smoothed.abs_diff(time);
        self.variance = self.variance * 3 / 4 + deviation / 4;
        self.smoothed = self.smoothed * 7 / 8 + time / 8;
    }

    /// The smoothed round trip; a second before the first sample.
    pub fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// How far a round trip strays from the smoothed one at most: four times the mean
    /// deviation.
    pub fn strays(&self) -> Duration {
        self.variance * 4
    }

    /// The same, as far as it is reckoned with.
    pub fn spread(&self) -> Duration {
        self.strays().max(GRANULARITY)
    }

    /// What has not come back after this long does not come any more.
    pub fn longest(&self) -> Duration {
        self.smoothed + self.spread()
    }

    /// Whether there was a sample.
    pub fn is_measured(&self) -> bool {
        self.sampled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// An even network's.
    fn even() -> RoundTrip {
        let mut trip = RoundTrip::default();
        (0..50).for_each(|_| trip.sample(ms(200), false));
        trip
    }

    #[test]
    fn the_first_sample_is_believed_and_the_following_ones_are_smoothed() {
        let mut trip = RoundTrip::default();
        assert_eq!((trip.smoothed(), trip.is_measured()), (ms(1000), false));
        trip.sample(ms(200), false);
        assert_eq!((trip.smoothed(), trip.is_measured()), (ms(200), true));
        assert_eq!(trip.strays(), ms(0), "one sample does not stray");
        trip.sample(ms(120), false);
        assert_eq!((trip.smoothed(), trip.spread()), (ms(190), ms(80)));
    }

    #[test]
    fn a_first_sample_that_ends_a_silence_is_believed_only_if_it_is_no_longer_than_the_guess() {
        let mut trip = RoundTrip::default();
        trip.sample(ms(7000), true);
        assert_eq!((trip.smoothed(), trip.is_measured()), (ms(1125), false));
        trip.sample(ms(900), true);
        assert_eq!((trip.smoothed(), trip.is_measured()), (ms(900), true));
        let mut slow = RoundTrip::default();
        slow.sample(ms(7000), false);
        assert_eq!(slow.smoothed(), ms(7000), "nothing was silent");
    }

    #[test]
    fn one_sleep_is_not_taken_for_a_slow_network_and_a_slow_network_is_believed() {
        let mut trip = even();
        trip.sample(ms(2600), false);
        assert_eq!(
            trip.longest(),
            ms(425),
            "as if it had been twice the one before"
        );
        let count = (1..100).find(|_| {
            trip.sample(ms(2600), false);
            trip.longest() > ms(2600)
        });
        assert_eq!(count, Some(10), "{trip:?}");
    }

    #[test]
    fn an_even_network_leaves_no_spread_but_the_machines() {
        assert_eq!(even().longest(), ms(210));
    }
}
