//! The core's idea of time: microseconds since the driver started.
//!
//! The core never reads a clock. Whoever drives it (the poll loop, the testbed,
//! a test) passes `now` in, so a test can let an hour go by in no time at all.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment: whole microseconds since the driver's own zero.
///
/// Two moments of different drivers have nothing to do with each other.
/// Arithmetic saturates instead of wrapping; `u64::MAX` µs is 584 000 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's zero.
    pub const ZERO: Instant = Instant(0);

    /// The moment `micros` microseconds after zero.
    pub const fn from_micros(micros: u64) -> Instant {
        Instant(micros)
    }

    /// The moment `millis` milliseconds after zero.
    pub const fn from_millis(millis: u64) -> Instant {
        Instant(millis.saturating_mul(1000))
    }

    /// Microseconds since zero.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Seconds since zero, for people.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(micros))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    /// The time from `earlier` to `self`, or zero if `earlier` is the later one.
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_sub(micros))
    }
}

/// Seconds with six decimals, as in the log and the journal.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
