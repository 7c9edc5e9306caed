//! When a batch departs: one promise, and two ways of spending it.
//!
//! The user says by when a value must be everywhere. The network takes its part of
//! that time, a round trip from leaf to hub to leaf; what is left is the *period*, in
//! which a hub may wait for company. Waiting is worth as many messages as it saves:
//! the *dynamic TCP acknowledgment problem* (Dooly, Goldman and Scott, 1998), and in
//! trees *delay-sensitive aggregation* (Oswald, Schmid and Wattenhofer, 2008).
//!
//! - **Lazy**, for few values: a child sends at once, and the hub's departure is due a
//!   period after the first value that it holds. With n children and x values a period
//!   that is x messages up and n down for each x + 1 values: 1 + n/(x + 1) a value.
//! - **Timetable**, for many: the hub departs at *slots*, a period apart, and says with
//!   each departure when the next one leaves. A child holds back what it has to say and
//!   sends it so as to arrive just before that: later would miss the slot, earlier gains
//!   nothing. So each child says one thing a period at most: with y = x/n, it is
//!   n (1 - e^-y) messages up and n down for x values.
//!
//! The hub counts what it passes on and takes the cheaper way.
//!
//! The clocks of two nodes need not agree, nor the two directions of a link be equal:
//! a child adds what the hub said to the moment at which it heard it, and takes the
//! round trip off, which it has measured. If all aimed at one moment they would crowd at
//! the hub's door (*incast*), and wait for each other there. So the arrivals are spread
//! over a stretch before the slot, and what the round trip strays widens the margin. An
//! ack tells how long the hub held what it acknowledges: nearly a whole period means
//! that it came too late, and the margin grows until a child sends at once. Worse
//! conditions cost messages, never the promise.

use std::time::Duration;

use crate::config::Pace;
use crate::link::{INITIAL, RoundTrip};
use crate::time::Instant;

/// What a machine may add to a promised moment: a timer that fires late, a busy core.
///
/// Unit: time. poll(2) counts in milliseconds, and a reply's `held` does, too.
pub const MARGIN: Duration = Duration::from_millis(5);

/// What part of the promise a child arrives before its slot at least.
///
/// Unit: a fraction's denominator. A missed slot costs a whole period, so the longer that
/// is, the more a child may pay not to miss it: 17 ms of 1700.
const CAUTION: u32 = 100;

/// How early a child is to be, where round trips stray so far.
fn margin(within: Duration, strays: Duration) -> Duration {
    strays.max(MARGIN).max(within / CAUTION)
}

/// How far apart two siblings' arrivals are.
///
/// Unit: time a sibling. Half of them have something to say in a period, so this is
/// half of what a slow door takes for a message; 24 of them take 6 ms of the period.
const STRETCH: Duration = Duration::from_micros(250);

/// For how many periods a timetable holds in which nobody used it.
///
/// Unit: periods. A child that hears nothing for so long sends at once.
const UNUSED_PERIODS: u32 = 3;

/// What part of the promise is left before anything is measured, if it is shorter than
/// the [first guess](INITIAL).
///
/// Unit: a fraction's denominator. The network may take five sixths of the promise
/// then; it lasts for the first round trip.
const UNMEASURED: u32 = 6;

/// How much longer a period must be to move the slots. Unit: time. They stay where
/// they are while they are in use, or children would aim at where they were.
const WORTH_MOVING: Duration = Duration::from_millis(10);

/// Over how many departures the rate is averaged. Unit: departures. Few, so as to
/// follow a load that changes.
const AVERAGED: u32 = 4;

/// When a hub departs, and what it tells its children of that.
#[derive(Clone, Debug)]
pub struct Timetable {
    within: Duration,
    /// Round trips between two leaves: 1 under one hub, 2 under several.
    trips: u32,
    children: u32,
    pace: Pace,
    /// The longest round trip measured, and how far one strays; `None`: none yet.
    network: Option<(Duration, Duration)>,
    /// When the batch departs, if there is one.
    due: Option<Instant>,
    /// The next slot and the period, while the timetable holds.
    slots: Option<(Instant, Duration)>,
    /// A slot, the period, and how long children may still aim at these since the
    /// timetable was given up: until the news of that and what they sent before it
    /// have crossed.
    given_up: Option<(Instant, Duration, Instant)>,
    /// Items passed on since the last departure, and when that was.
    items: u32,
    departed: Instant,
    /// Items a second, averaged over so many departures.
    rate: f64,
    averaged: u32,
}

impl Timetable {
    /// A hub's of so many `children`, between whose leaves there are so many round
    /// `trips`.
    pub fn new(within: Duration, pace: Pace, children: usize, trips: u32) -> Timetable {
        Timetable {
            within,
            trips,
            children: u32::try_from(children).unwrap_or(u32::MAX),
            pace,
            network: None,
            due: None,
            slots: None,
            given_up: None,
            items: 0,
            departed: Instant::ZERO,
            rate: 0.0,
            averaged: 0,
        }
    }

    /// The promise.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// When the batch departs, if there is one.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// An item has come that some child lacks.
    pub fn item(&mut self, now: Instant) {
        self.items += 1;
        if self.due.is_some() {
            return;
        }
        if let Some((next, period)) = &mut self.slots {
            if now > *next + *period * UNUSED_PERIODS {
                self.slots = None;
            } else {
                while *next < now {
                    *next = *next + *period;
                }
                self.due = Some(*next);
                return;
            }
        }
        let due = now + self.lazy_period();
        self.due = Some(self.aimed_at(now).map_or(due, |slot| slot.min(due)));
    }

    /// The next slot of a timetable that was given up, if children may still aim at it.
    fn aimed_at(&mut self, now: Instant) -> Option<Instant> {
        let (slot, period, until) = self.given_up.as_mut()?;
        while *slot < now && *slot < *until {
            *slot = *slot + *period;
        }
        (*slot >= now && *slot <= *until).then_some(*slot)
    }

    /// The batch departs now whenever it was due: what a parent has gathered came.
    pub fn hurry(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// Departs at `now`, with what is known of the `network` now: the longest round
    /// trip and how far one strays. Decides how the next period is spent.
    pub fn depart(&mut self, now: Instant, network: Option<(Duration, Duration)>) {
        self.due = None;
        self.network = network;
        let elapsed = (now - self.departed).as_secs_f64().max(1e-3);
        let rate = f64::from(std::mem::take(&mut self.items)) / elapsed;
        self.averaged = (self.averaged + 1).min(AVERAGED);
        self.rate += (rate - self.rate) / f64::from(self.averaged);
        self.departed = now;
        let was = self.slots.take();
        if !self.prefers_slots() {
            if let Some((next, period)) = was {
                let longest = network.map_or(Duration::ZERO, |(longest, _)| longest);
                self.given_up = Some((next, period, now + longest + period * 2));
            }
            return;
        }
        let period = self.slot_period();
        self.slots = Some(match was {
            Some((slot, old)) => {
                let moves = period < old || period > old + WORTH_MOVING;
                let period = if moves { period } else { old };
                let mut next = slot;
                while next <= now {
                    next = next + period;
                }
                (next, period)
            }
            None => (now + period, period),
        });
    }

    /// What the children are told at `now`: how long it is until the next departure,
    /// and how long from that to the one after it. `None`: they send at once.
    pub fn announce(&self, now: Instant) -> Option<(Duration, Duration)> {
        let (next, period) = self.slots?;
        Some((next - now, period))
    }

    /// Whether the network leaves anything of the promise.
    pub fn is_kept(&self) -> bool {
        self.network
            .is_none_or(|(longest, _)| self.within >= longest * self.trips + MARGIN)
    }

    /// How long a hub may gather if its children send at once.
    pub fn lazy_period(&self) -> Duration {
        match self.network {
            Some((longest, _)) => self.left(longest * self.trips + MARGIN),
            None => self.left((INITIAL * self.trips).min(self.within - self.within / UNMEASURED)),
        }
    }

    /// How long it may gather if its children aim at slots, with a margin.
    fn slot_period(&self) -> Duration {
        let (longest, strays) = self.network.unwrap_or_default();
        let margin = margin(self.within, strays) + STRETCH * self.children;
        self.left((longest + margin) * self.trips)
    }

    /// What is left of the promise, in whole milliseconds, as on the wire.
    fn left(&self, taken: Duration) -> Duration {
        let left = self.within.saturating_sub(taken);
        Duration::from_millis(left.as_millis() as u64)
    }

    /// Which of the two ways costs fewer messages a value.
    fn prefers_slots(&self) -> bool {
        match self.pace {
            Pace::Lazy => return false,
            Pace::Timetable => return !self.slot_period().is_zero() && self.network.is_some(),
            Pace::Cheaper => {}
        }
        let n = f64::from(self.children);
        let lazy = 1.0 + n / (self.rate * self.lazy_period().as_secs_f64() + 1.0);
        let x = self.rate * self.slot_period().as_secs_f64();
        let slots = n * (2.0 - (-x / n).exp()) / x;
        self.network.is_some() && x > 0.0 && slots < lazy
    }
}

/// When a child sends, so as to be at its hub just before a departure.
#[derive(Clone, Debug)]
pub struct Aim {
    within: Duration,
    /// How much earlier than the last one among its siblings.
    stretch: Duration,
    /// A moment at which to send, and how far apart they are; `None`: at once.
    grid: Option<(Instant, Duration)>,
    /// When a departure was last heard.
    heard: Instant,
    /// What was added to the margin since something came too late.
    late: Duration,
}

impl Aim {
    /// The aim of the child that is number `rank` of its siblings, from 0 on, and has
    /// the same promise to keep as its hub.
    pub fn new(within: Duration, rank: usize) -> Aim {
        Aim {
            within,
            stretch: STRETCH * u32::try_from(rank).unwrap_or(u32::MAX),
            grid: None,
            heard: Instant::ZERO,
            late: Duration::ZERO,
        }
    }

    /// A departure was heard at `now`, which `announces` the next one, or does not.
    pub fn hear(
        &mut self,
        now: Instant,
        announces: Option<(Duration, Duration)>,
        trip: &RoundTrip,
    ) {
        self.heard = now;
        self.grid = announces.and_then(|(next, period)| {
            let margin = margin(self.within, trip.strays()) + self.late + self.stretch;
            if !trip.is_measured() || margin >= period {
                return None;
            }
            // From here on in time: the hub's next departure, less the way there and
            // back. If that is past, the one after it.
            let early = trip.smoothed() + margin;
            let mut send = next;
            while send < early {
                send += period;
            }
            Some((now + (send - early), period))
        });
    }

    /// The hub held what this child sent last for so long before it departed.
    pub fn held(&mut self, held: Duration) {
        let Some((_, period)) = self.grid else {
            return;
        };
        if held > period * 3 / 4 {
            self.late = (self.late * 2).clamp(MARGIN, period);
        } else {
            self.late -= self.late / 8;
        }
    }

    /// When what has come up at `now` is to be sent.
    pub fn due(&self, now: Instant) -> Instant {
        let Some((first, period)) = self.grid else {
            return now;
        };
        if now > self.heard + period * (UNUSED_PERIODS + 1) {
            return now;
        }
        let mut due = first;
        while due < now {
            due = due + period;
        }
        due
    }

    /// What a hub that is itself a child tells its own children: until when it gathers.
    pub fn announce(&self, now: Instant) -> Option<(Duration, Duration)> {
        let (_, period) = self.grid?;
        Some((self.due(now) - now, period))
    }
}
