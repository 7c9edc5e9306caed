//! When a batch departs: one promise, one rule, and a timetable where it pays.
//!
//! The user says by when a value must be everywhere. The network takes its part of that
//! time, a round trip from leaf to hub to leaf. What is left is the *period*, in which a
//! hub may wait for company. Waiting is worth as many messages as it saves: the *dynamic TCP
//! acknowledgment problem* (Dooly, Goldman and Scott, 1998), and in trees *delay-sensitive
//! aggregation* (Oswald, Schmid and Wattenhofer, 2008).
//!
//! **The rule.** A batch departs when its oldest value must: a period after that value was
//! given. Each delta to a hub tells how long its oldest value has `waited` already, so the
//! hub knows when that is, whoever held the value until then, and why.
//!
//! - **Lazy**, for few values: a child sends at once, so nothing has waited. With n children
//!   and x values a period that is x messages up and n down for each x + 1 values:
//!   1 + n/(x + 1) a value.
//! - **Timetable**, for many: the hub departs at *slots*, a period apart, and says with each
//!   departure when deltas have to be there for the `next` one. A child holds its values and
//!   sends them so as to arrive then. So it says one thing a period at most: with y = x/n,
//!   that is n (1 - e^-y) messages up and n down for x values.
//!
//! ```text
//!   hub     --|--------------------------------- margin |--
//!         slot \  next = 250, every 386          /'-----' next slot
//!               \                               /
//!   child   -----\------ holds its values -----/-----------
//!                heard                     heard + next - round trip
//! ```
//!
//! The hub counts what it passes on, and takes the cheaper way. The clocks of two nodes need
//! not agree, nor the two directions of a link be equal: only the round trip counts.
//!
//! **Machines stall**, messages are late, and 24 that aim at one moment crowd at the hub's
//! door (*incast*). What misses its slot must not wait for the next one: by the rule the hub
//! departs for it out of turn, at the price of one more message a child. So the *margin*
//! between the wanted arrival and the slot learns: each slot that something has missed makes
//! it [`LONGER`] than before, each other one a little [shorter](SHORTER). A longer margin is a
//! shorter period. So on a network without any longest round trip slots soon cost more than
//! they save, and are given up. Nobody need be told: what still arrives for them tells how
//! long it has waited.
//!
//! **Several hubs.** The root gathers for all. A hub below it sends up as a child does, and
//! tells its own children to be there before that. What comes down it passes on at once.
//!
//! **An uneven network** has no longest round trip: the longer one looks, the longer it
//! gets. So its tail takes three fifths at most of what a quick one leaves of the promise.
//! What is still later is late: worse conditions cost messages first, and then they cost time.

use std::time::Duration;

use crate::config::Pace;
use crate::link::{INITIAL, RoundTrip};
use crate::time::Instant;

/// What a machine may add to a promised moment: a timer that fires late, a busy core. The
/// least margin, too.
///
/// Unit: time. poll(2) counts in milliseconds, and what is said on the wire does, too.
pub const MARGIN: Duration = Duration::from_millis(5);

/// What part of a period after a slot something is still taken to have missed that.
///
/// Unit: a fraction's denominator. Children that are in time come in the last part of
/// a period, be they as careful as they like.
const MISSED: u32 = 4;

/// For what part of the period something is taken to have waited that is late already.
///
/// Unit: part of 1. With 1 it departs at once, and a partition's end costs a departure for
/// each node that was cut off: 2.05 messages per operation for 1.71.
const LATE: f64 = 0.75;

/// What part of the promise a child arrives before its slot at least.
///
/// Unit: a fraction's denominator. The longer a period is, the more it costs to miss it, and
/// the less to be early.
const CAUTION: u32 = 64;

/// By how much the margin grows when something has missed its slot.
///
/// Unit: time.
const LONGER: Duration = Duration::from_millis(5);

/// By what part of [`LONGER`] it shrinks when nothing has.
///
/// Unit: a fraction's denominator. So one slot in so many is missed where messages are as
/// late as they like: that costs a few messages in a hundred, and a longer margin would
/// cost more.
const SHORTER: u32 = 32;

/// What part of the promise is left to gather in before anything is measured, if it is
/// shorter than the [first guess](INITIAL).
///
/// Unit: a fraction's denominator, for each round trip in it. The network may take five
/// sixths of the promise then; it lasts for the first round trip.
const UNMEASURED: u32 = 6;

/// What part of the load before a departure still counts after it. Unit: part of 1. The last
/// four departures make up most of the average: few, so as to follow a load that changes.
const FADES: f64 = 0.75;

/// What part of what a quick round trip leaves of the promise is kept for gathering.
///
/// Unit: part of 1. An uneven network has no longest round trip: the longer one looks, the
/// longer it gets. With 100 ms on average and a promise of 400 ms this keeps some 150 ms,
/// be latency uniform or exponential: 2.0 to 2.4 messages per operation.
const KEPT: f64 = 0.4;

/// The round trips to a hub's neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The longest smoothed one: the farthest neighbour's.
    smoothed: Duration,
    /// How far one strays: the mean of all, or the worst moment of one link would be
    /// everybody's.
    strays: Duration,
}

impl Network {
    /// What was measured of some links; `None`: nothing yet.
    pub fn of<'a>(trips: impl Iterator<Item = &'a RoundTrip>) -> Option<Network> {
        let measured: Vec<_> = trips.filter(|trip| trip.is_measured()).collect();
        let smoothed = measured
            .iter()
            .map(|trip| trip.smoothed().saturating_sub(trip.strays() / 4))
            .max()?;
        let strays: Duration = measured.iter().map(|trip| trip.strays()).sum();
        Some(Network {
            smoothed,
            strays: strays / measured.len() as u32,
        })
    }

    /// What a round trip takes at most, but for the tail of an uneven network.
    pub fn longest(self) -> Duration {
        self.smoothed + self.strays / 2
    }

    /// A quick round trip: the smoothed one less two mean deviations. On an even network
    /// that is the longest one, too.
    fn quick(self) -> Duration {
        self.smoothed.saturating_sub(self.strays / 2)
    }
}

/// Moments a period apart.
#[derive(Clone, Copy, Debug)]
struct Slots {
    next: Instant,
    period: Duration,
}

impl Slots {
    /// The next one from `now` on.
    fn at(&mut self, now: Instant) -> Instant {
        while self.next < now {
            self.next = self.next + self.period;
        }
        self.next
    }
}

/// When a hub departs, and what it tells its children of that.
#[derive(Clone, Debug)]
pub struct Timetable {
    within: Duration,
    /// Round trips between two of the nodes below: 1 under one hub, 2 under several.
    trips: u32,
    /// How many nodes are below.
    below: u32,
    pace: Pace,
    /// `None`: nothing measured yet.
    network: Option<Network>,
    /// When the oldest item of the batch was given, if there is a batch.
    oldest: Option<Instant>,
    /// The departures, while the timetable holds.
    slots: Option<Slots>,
    /// What was added to the margin since something has missed its slot.
    late: Duration,
    /// Items passed on, and the seconds in which they came: both fade with each departure.
    items: f64,
    time: f64,
    departed: Instant,
    /// Items a second.
    rate: f64,
}

impl Timetable {
    /// A hub's with so many nodes `below`, of which so many are its `children`. If those
    /// are not all, the others are under hubs of their own.
    pub fn new(within: Duration, pace: Pace, below: usize, children: usize) -> Timetable {
        Timetable {
            within,
            trips: if below > children { 2 } else { 1 },
            below: u32::try_from(below).unwrap_or(u32::MAX),
            pace,
            network: None,
            oldest: None,
            slots: None,
            late: Duration::ZERO,
            items: 0.0,
            time: 0.0,
            departed: Instant::ZERO,
            rate: 0.0,
        }
    }

    /// The promise.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// When the batch departs, if there is one: with the next slot, or before that, if its
    /// oldest item must. What comes early for a slot waits for it: its way was the shorter one.
    pub fn due(&self) -> Option<Instant> {
        let oldest = self.oldest?;
        let network = self.network.unwrap_or_default().smoothed * self.trips;
        let latest = oldest + self.left(network) + MARGIN;
        let slot = self.slots.map(|slots| slots.next);
        let slot = slot.filter(|slot| *slot <= latest);
        Some(slot.unwrap_or(oldest + self.lazy_period()))
    }

    /// An item has come that some child lacks, and that has `waited` for so long already.
    pub fn item(&mut self, now: Instant, waited: Duration) {
        self.items += 1.0;
        // What has been lost on its way is late already, and seldom alone: it gathers company.
        let late = waited > self.within;
        let waited = if late {
            self.lazy_period().mul_f64(LATE)
        } else {
            waited
        };
        let mut given = now - waited;
        if let Some(slots) = &mut self.slots {
            let after = now - (slots.at(now) - slots.period);
            if !waited.is_zero() && after < slots.period / MISSED {
                // It was to be here for the last slot, so it was on its way for so much longer.
                given = given - after - self.margin();
            }
        }
        self.oldest = Some(self.oldest.map_or(given, |oldest| oldest.min(given)));
    }

    /// The batch departs with the next turn: what is in it was gathered elsewhere.
    pub fn gathered(&mut self) {
        self.oldest = Some(Instant::ZERO);
    }

    /// Whether nothing has departed or waits yet.
    pub fn is_new(&self) -> bool {
        self.time == 0.0 && self.oldest.is_none()
    }

    /// What is known of the network before the first departure that knows it.
    pub fn measure(&mut self, network: impl FnOnce() -> Option<Network>) {
        if self.network.is_none() {
            self.network = network();
        }
    }

    /// Departs at `now`, with what is known of the `network` now. Decides how the next
    /// period is spent.
    pub fn depart(&mut self, now: Instant, network: Option<Network>) {
        self.oldest = None;
        self.network = network;
        if self.slots.is_some_and(|slots| now < slots.next) {
            // Out of turn: something has missed the last slot.
            self.late = (self.late + LONGER).min(self.within);
            return;
        }
        self.late = self.late.saturating_sub(LONGER / SHORTER);
        self.time = self.time * FADES + (now - self.departed).as_secs_f64();
        self.departed = now;
        self.rate = self.items / self.time;
        self.items *= FADES;
        let slot = self.slots.map_or(now, |slots| slots.next);
        let period = self.slot_period();
        self.slots = self.prefers_slots().then(|| {
            let mut slots = Slots { next: slot, period };
            slots.at(now + Duration::from_micros(1));
            slots
        });
    }

    /// What the children are told at `now`: in how long deltas have to be there for the
    /// next departure, and how far apart departures are. `None`: they send at once.
    pub fn announce(&self, now: Instant) -> Option<(Duration, Duration)> {
        let slots = self.slots?;
        Some((
            (slots.next - now).saturating_sub(self.margin()),
            slots.period,
        ))
    }

    /// What a round trip takes at most, as far as it was measured.
    pub fn longest(&self) -> Duration {
        self.network.unwrap_or_default().longest()
    }

    /// Whether the network leaves anything of the promise.
    pub fn is_kept(&self) -> bool {
        self.network
            .is_none_or(|network| self.within >= (network.longest() + MARGIN) * self.trips)
    }

    /// How long a value may wait here and in its child together.
    pub fn lazy_period(&self) -> Duration {
        let Some(network) = self.network else {
            let least = self.within / (UNMEASURED * self.trips);
            return self.left(INITIAL * self.trips).max(least);
        };
        let quick = self.left(network.quick() * self.trips);
        self.left((network.longest() + MARGIN) * self.trips)
            .max(quick.mul_f64(KEPT))
    }

    /// The same, if its child holds it for a slot.
    fn slot_period(&self) -> Duration {
        self.left((self.longest() + self.margin()) * self.trips)
    }

    /// How long before a departure deltas have to be there for it.
    fn margin(&self) -> Duration {
        MARGIN + self.within / CAUTION + self.network.unwrap_or_default().strays + self.late
    }

    /// What is left of the promise, in whole milliseconds, as on the wire.
    fn left(&self, taken: Duration) -> Duration {
        let left = self.within.saturating_sub(taken);
        Duration::from_millis(left.as_millis() as u64)
    }

    /// Which of the two ways costs fewer messages a value.
    fn prefers_slots(&self) -> bool {
        let period = self.slot_period();
        if self.network.is_none() || period.is_zero() || self.pace != Pace::Cheaper {
            return self.pace == Pace::Timetable && !period.is_zero() && self.network.is_some();
        }
        let n = f64::from(self.below);
        let up = f64::from(self.trips);
        let lazy = up + n / (self.rate * self.lazy_period().as_secs_f64() + 1.0);
        let x = self.rate * period.as_secs_f64();
        x > 0.0 && n * (2.0 - (-x / n).exp()) / x < lazy
    }
}

/// When a child sends, so as to be at its hub just before a departure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aim {
    /// The moments at which to send; `None`: at once.
    slots: Option<Slots>,
}

impl Aim {
    /// A departure was heard at `now`. It `announces` when to be there for the next one, and
    /// how far apart they are, or does not.
    pub fn hear(
        &mut self,
        now: Instant,
        announces: Option<(Duration, Duration)>,
        trip: &RoundTrip,
    ) {
        let announces = announces.filter(|(_, period)| trip.is_measured() && !period.is_zero());
        self.slots = announces.map(|(mut next, period)| {
            // From here on in time: that moment, less the way there and back. If that is
            // past, the next one.
            while next < trip.smoothed() {
                next += period;
            }
            Slots {
                next: now + (next - trip.smoothed()),
                period,
            }
        });
    }

    /// When that is to be sent which has come up at `now` and has `waited` already.
    pub fn due(&mut self, now: Instant, waited: Duration) -> Instant {
        self.slots.as_mut().map_or(now, |slots| {
            let latest = now + slots.period.saturating_sub(waited);
            slots.at(now).min(latest)
        })
    }

    /// What a hub that is itself a child tells its own children at `now`, who have to be
    /// here a `margin` before it sends.
    pub fn announce(&mut self, now: Instant) -> Option<(Duration, Duration)> {
        let slots = self.slots.as_mut()?;
        Some(((slots.at(now) - now).saturating_sub(MARGIN), slots.period))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn trips(times: &[u64]) -> RoundTrip {
        let mut trip = RoundTrip::default();
        times.iter().for_each(|&time| trip.sample(ms(time)));
        trip
    }

    /// A root's with 24 children, a promise of 600 ms and this network.
    fn timetable(below: usize, network: &RoundTrip) -> Timetable {
        let mut timetable = Timetable::new(ms(600), Pace::Cheaper, below, 24);
        timetable.depart(at(0), Some(Network::default().and(network)));
        timetable
    }

    /// Departs at `now` with so many items.
    fn depart(timetable: &mut Timetable, now: u64, items: usize) {
        let network = timetable.network;
        (0..items).for_each(|_| timetable.item(at(now)));
        timetable.depart(at(now), network);
    }

    #[test]
    fn an_even_network_leaves_the_promise_less_its_longest_trip_and_a_margin() {
        let even = trips(&[200, 200, 200]);
        assert_eq!(timetable(24, &even).lazy_period(), ms(395));
        assert_eq!(timetable(99, &trips(&[200])).lazy_period(), ms(190));
    }

    #[test]
    fn a_batch_departs_later_or_sooner_when_the_network_is_not_as_it_was_thought_to_be() {
        for (within, thought, trip, due) in [(600, 107, 200, 402), (6000, 5007, 2000, 4002)] {
            let mut timetable = Timetable::new(ms(within), Pace::Cheaper, 24, 24);
            timetable.item(at(7));
            assert_eq!(timetable.due(), Some(at(thought)));
            timetable.measure(Network::default().and(&trips(&[trip])));
            assert_eq!(timetable.due(), Some(at(due)));
        }
    }

    #[test]
    fn the_tail_of_an_uneven_network_takes_a_part_of_the_period_at_most() {
        let uneven = trips(&[200, 50, 350, 60, 390, 20, 380, 200, 580]);
        let timetable = timetable(24, &uneven);
        assert!(uneven.peak() > ms(550), "{uneven:?}");
        assert!(timetable.lazy_period() > ms(150), "{timetable:?}");
    }

    #[test]
    fn many_values_bring_slots_and_few_take_them_back_but_the_children_are_waited_for() {
        let mut timetable = timetable(24, &trips(&[200]));
        depart(&mut timetable, 400, 200);
        let (next, period) = timetable.announce(at(400)).expect("slots");
        assert_eq!((next, period), (ms(386), ms(386)));
        let mut now = 1000;
        while timetable.announce(at(now)).is_some() {
            now += 1000;
            depart(&mut timetable, now, 1);
        }
        timetable.item(at(now + 1));
        let due = timetable.due().expect("it departs") - at(400);
        assert_eq!(due.as_millis() % 386, 0, "a former slot: {due:?}");
        depart(&mut timetable, 60_000, 1);
        timetable.item(at(60_001));
        assert_eq!(timetable.due(), Some(at(60_396)), "nobody aims at them now");
    }

    #[test]
    fn what_misses_a_departure_gets_one_of_its_own_if_it_could_have_known() {
        let mut timetable = timetable(24, &trips(&[200]));
        depart(&mut timetable, 400, 200);
        let again = |timetable: &Timetable, now: u64, spoke: u64| {
            let mut timetable = timetable.clone();
            timetable.item(at(now));
            timetable.hear(at(now), at(spoke));
            timetable.due()
        };
        assert_eq!(again(&timetable, 403, 0), Some(at(786)), "just announced");
        depart(&mut timetable, 786, 200);
        let later = at(789) + margin(ms(600), Duration::ZERO);
        assert_eq!(again(&timetable, 789, 0), Some(later), "a margin later");
        assert_eq!(
            again(&timetable, 789, 500),
            Some(at(1172)),
            "it cannot know"
        );
        assert_eq!(
            again(&timetable, 1100, 0),
            Some(at(1172)),
            "for the next one"
        );
        timetable.item(at(789));
        timetable.hear(at(789), at(0));
        depart(&mut timetable, 796, 0);
        let next = timetable.announce(at(796)).expect("slots");
        assert_eq!(next, (ms(376), ms(386)), "the slots stay where they are");
        assert_eq!(again(&timetable, 799, 0), Some(at(1172)), "once a slot");
    }

    #[test]
    fn what_misses_the_first_slot_of_a_far_network_could_not_know_it_and_waits_for_the_next() {
        let mut timetable = timetable(24, &trips(&[380]));
        depart(&mut timetable, 400, 200);
        let (next, period) = timetable.announce(at(400)).expect("slots");
        let slot = 400 + next.as_millis() as u64;
        assert!(
            next < ms(380),
            "an answer to the first departure comes too late"
        );
        depart(&mut timetable, slot, 200);
        timetable.item(at(slot + 3));
        timetable.hear(at(slot + 3), at(0));
        assert_eq!(timetable.due(), Some(at(slot) + period));
    }

    #[test]
    fn a_child_sends_so_as_to_arrive_just_before_a_slot() {
        let mut aim = Aim::new(ms(400), 4, false);
        assert_eq!(aim.due(at(7)), at(7), "nothing was heard");
        aim.hear(at(1000), Some((ms(300), ms(300))), &trips(&[200]));
        // 1300 is when an answer to that departure would be too late by 200 ms of trip,
        // 5 ms of margin and 1 ms of its rank.
        assert_eq!(aim.due(at(1001)), at(1094));
        assert_eq!(aim.due(at(1095)), at(1394));
        // Moved to 10 ms sooner: 1384 is over, and 1394 would be too late.
        aim.hear(at(1300), Some((ms(290), ms(290))), &trips(&[200]));
        assert_eq!(aim.due(at(1385)), at(1674));
        assert_eq!(aim.due(at(9000)), at(9000), "nothing was heard for long");
    }

    #[test]
    fn who_comes_too_late_is_earlier_from_then_on() {
        let trip = trips(&[200]);
        let mut aim = Aim::new(ms(400), 0, false);
        let departure = Some((ms(300), ms(300)));
        aim.hear(at(1000), departure, &trip);
        aim.held(at(1600), ms(5), ms(300), &trip);
        aim.held(at(2000), ms(595), ms(310), &trip);
        assert_eq!(
            aim.late,
            Duration::ZERO,
            "in time, also where the ack waited"
        );
        aim.held(at(2000), ms(295), ms(300), &trip);
        assert_eq!(aim.late, MARGIN);
        aim.held(at(2000), ms(195), ms(100), &trip);
        assert_eq!(aim.late, MARGIN * 2, "a hub that departs between its slots");
        aim.held(at(1300), ms(295), ms(300), &trip);
        assert_eq!(
            aim.late,
            MARGIN * 2,
            "it was sent before the slots were known"
        );
    }
}
