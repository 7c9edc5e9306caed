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
//! door (*incast*). So a child aims at a moment a *margin* before the slot: the more the round
//! trips stray, the longer. A longer margin is a shorter period. What misses its slot all the
//! same must not wait for the next one. By the rule the hub departs for it out of turn, at the
//! price of one more message a child. (A margin that grew with each miss saved less than 4 % of
//! the messages where nodes stall for 150 ms, and nothing elsewhere.)
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

/// What a machine may add to a promised moment: a timer that fires late, a busy core.
///
/// Unit: time. Of values on machines that stall now and then one in a thousand is late with
/// it; each ms more costs 0.4 % more messages at the default promise.
pub const MARGIN: Duration = Duration::from_millis(6);

/// For what part of the period something is taken to have waited that is late already.
///
/// Unit: part of 1. With 1 it departs at once, and a partition's end costs a departure for
/// each node that was cut off: 2.64 messages per operation for 2.34.
const LATE: f64 = 0.9;

/// What part of the promise a child arrives before its slot at least.
///
/// Unit: a fraction's denominator. The longer a period is, the more it costs to miss its slot,
/// and the less to be early: 8 ms of 585, 23 of 1700.
const CAUTION: u32 = 75;

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
    /// The longest smoothed one, the farthest neighbour's, less a mean deviation: of many links
    /// one always has had a slow moment, which lengthens both.
    smoothed: Duration,
    /// How far one strays, four mean deviations: the mean of all, or the worst moment of one
    /// link would be everybody's.
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

    /// What a round trip takes at most, but for the tail of an uneven network: two mean
    /// deviations more. Four would cost 1 % more messages where machines stall, and save none of
    /// the values that are late there.
    pub fn longest(self) -> Duration {
        self.smoothed + self.strays / 2
    }

    /// A quick round trip: two mean deviations less. On an even network that is the longest
    /// one, too.
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
    /// Until when what comes late waits for more that does.
    heals_until: Instant,
    /// It was gathered elsewhere.
    gathered: bool,
    /// The departures, while the timetable holds.
    slots: Option<Slots>,
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
            gathered: false,
            heals_until: Instant::ZERO,
            slots: None,
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
        if self.gathered {
            return Some(Instant::ZERO);
        }
        let oldest = self.oldest?;
        let network = self.network.unwrap_or_default().smoothed * self.trips;
        let latest = oldest + self.left(network) + MARGIN;
        let slot = self.slots.map(|slots| slots.next);
        let slot = slot.filter(|slot| *slot <= latest);
        Some(slot.unwrap_or(oldest + self.lazy_period(Duration::ZERO)))
    }

    /// When the oldest item of the batch was given.
    pub fn oldest(&self) -> Option<Instant> {
        self.oldest
    }

    /// An item has come that some child lacks, and that has `waited` for so long already. A
    /// round trip that ended with it took as much as `trip`.
    pub fn item(&mut self, now: Instant, waited: Duration, trip: Duration) {
        self.items += 1.0;
        // What has been lost on its way is late already, and seldom alone: it gathers company.
        let was_lost = waited > self.within;
        let waited = match was_lost {
            true if now < self.heals_until => Duration::ZERO,
            true => self.lazy_period(Duration::ZERO).mul_f64(LATE),
            false => waited,
        };
        // What was on its way for longer than is reckoned with has waited there.
        let late = trip.saturating_sub(self.longest());
        let late = self.lazy_period(Duration::ZERO) - self.lazy_period(late);
        let given = now - waited - late;
        if self.oldest.is_none()
            && let Some(slots) = &mut self.slots
        {
            slots.at(now);
        }
        self.oldest = Some(self.oldest.map_or(given, |oldest| oldest.min(given)));
    }

    /// A silent child has answered, and others may soon: for a promise's time what comes late
    /// waits a whole period for what they bring. Without that a partition's end costs three
    /// departures in 0.2 s.
    pub fn heal(&mut self, now: Instant) {
        self.heals_until = now + self.within;
    }

    /// The batch departs with the next turn: what is in it was gathered elsewhere.
    pub fn gathered(&mut self) {
        self.gathered = true;
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
        (self.oldest, self.gathered) = (None, false);
        self.network = network;
        if self.slots.is_some_and(|slots| now < slots.next) {
            // Out of turn: something has missed the last slot.
            return;
        }
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

    /// How long a value may wait here and in its child together, if it was `late` on its way.
    fn lazy_period(&self, late: Duration) -> Duration {
        let Some(network) = self.network else {
            let most = self.within - self.within / (UNMEASURED * self.trips);
            return self.left((INITIAL * self.trips).min(most));
        };
        let quick = self.left(network.quick() * self.trips);
        self.left((network.longest() + MARGIN) * self.trips + late)
            .max(quick.mul_f64(KEPT))
    }

    /// The same, if its child holds it for a slot.
    fn slot_period(&self) -> Duration {
        self.left((self.longest() + self.margin()) * self.trips)
    }

    /// How long before a departure deltas have to be there for it.
    fn margin(&self) -> Duration {
        MARGIN + self.within / CAUTION + self.network.unwrap_or_default().strays
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
        let lazy = up + n / (self.rate * self.lazy_period(Duration::ZERO).as_secs_f64() + 1.0);
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
        times.iter().for_each(|&time| trip.sample(ms(time), false));
        trip
    }

    /// A root's with 24 children, a promise of 600 ms and this network.
    fn timetable(below: usize, network: &RoundTrip) -> Timetable {
        let mut timetable = Timetable::new(ms(600), Pace::Cheaper, below, 24);
        timetable.depart(at(0), Network::of([network].into_iter()));
        timetable
    }

    /// Departs when it is time for so many items that are given at `now`. Gives when.
    fn depart(timetable: &mut Timetable, now: u64, items: usize) -> u64 {
        (0..items).for_each(|_| timetable.item(at(now), ms(0), ms(0)));
        let due = timetable.due().expect("it departs");
        timetable.depart(due, timetable.network);
        due.as_micros() / 1000
    }

    /// When it departs if something comes now that has waited so long.
    fn due(timetable: &Timetable, now: u64, waited: u64) -> u64 {
        let mut timetable = timetable.clone();
        timetable.item(at(now), ms(waited), ms(0));
        timetable.due().expect("it departs").as_micros() / 1000
    }

    /// One that has departed just now, with slots from now on, and when the next one is.
    fn with_slots() -> (Timetable, u64, u64) {
        let mut timetable = timetable(24, &trips(&[200]));
        let now = depart(&mut timetable, 5, 200);
        let slot = timetable.slots.expect("slots").next.as_micros() / 1000;
        (timetable, now, slot)
    }

    #[test]
    fn an_even_network_leaves_the_promise_less_its_trip_and_a_margin() {
        let even = trips(&[200, 200, 200]);
        assert_eq!(timetable(24, &even).lazy_period(ms(0)), ms(394));
        assert_eq!(timetable(99, &trips(&[200])).lazy_period(ms(0)), ms(188));
    }

    #[test]
    fn one_link_that_strays_does_not_take_everybodys_period() {
        let (even, odd) = (trips(&[200]), trips(&[200, 230, 170, 240, 160]));
        let period = |links: Vec<&RoundTrip>| {
            let mut timetable = timetable(24, &even);
            timetable.depart(at(0), Network::of(links.into_iter()));
            timetable.lazy_period(ms(0))
        };
        let (of_all, of_one) = (
            period([&odd].into_iter().chain([&even; 23]).collect()),
            period(vec![&odd]),
        );
        assert!(
            of_all > ms(385) && of_one < ms(370),
            "{of_all:?} {of_one:?}"
        );
    }

    #[test]
    fn a_batch_departs_later_or_sooner_when_the_network_is_not_as_it_was_thought_to_be() {
        for (within, thought, trip, due) in [(600, 107, 200, 401), (6000, 5007, 2000, 4001)] {
            let mut timetable = Timetable::new(ms(within), Pace::Cheaper, 24, 24);
            timetable.item(at(7), ms(0), ms(0));
            assert_eq!(timetable.due(), Some(at(thought)));
            timetable.measure(|| Network::of([&trips(&[trip])].into_iter()));
            assert_eq!(timetable.due(), Some(at(due)));
        }
    }

    #[test]
    fn the_tail_of_an_uneven_network_takes_a_part_of_the_period_at_most() {
        let uneven = trips(&[200, 50, 350, 60, 390, 20, 380, 200, 580]);
        let timetable = timetable(24, &uneven);
        assert!(timetable.lazy_period(ms(0)) > ms(150), "{timetable:?}");
    }

    #[test]
    fn a_batch_departs_when_its_oldest_item_must() {
        let timetable = timetable(24, &trips(&[200]));
        assert_eq!(due(&timetable, 1000, 0), 1394);
        assert_eq!(due(&timetable, 1000, 300), 1094);
    }

    #[test]
    fn what_is_late_already_gathers_company_for_a_tenth_of_the_period() {
        let timetable = timetable(24, &trips(&[200]));
        assert_eq!(due(&timetable, 10_000, 9000), 10_000 + 394 / 10);
    }

    #[test]
    fn many_values_bring_slots_and_few_take_them_back() {
        let (mut timetable, mut now, slot) = with_slots();
        let (next, period) = timetable.announce(at(now)).expect("slots");
        assert_eq!(period, ms(386));
        assert_eq!(next, ms(slot - now) - timetable.margin());
        while timetable.announce(at(now)).is_some() {
            now = depart(&mut timetable, now + 1000, 1);
        }
        assert!(now < 20_000, "{now}");
        assert_eq!(due(&timetable, now + 1, 0), now + 395);
    }

    #[test]
    fn what_comes_before_a_slot_waits_for_it_be_it_late_or_early() {
        let (timetable, _, slot) = with_slots();
        for (before, waited) in [(14, 386), (2, 386), (19, 386), (100, 0)] {
            assert_eq!(due(&timetable, slot - before, waited), slot, "{before}");
        }
    }

    #[test]
    fn what_misses_a_slot_departs_out_of_turn_when_its_oldest_item_must() {
        let (mut timetable, now, slot) = with_slots();
        assert_eq!(depart(&mut timetable, now, 200), slot);
        assert_eq!(due(&timetable, slot + 3, 385), slot + 3 + 394 - 385);
        assert_eq!(due(&timetable, slot + 3, 200), slot + 3 + 394 - 200);
        let next = timetable.slots.expect("slots").next.as_micros() / 1000;
        assert_eq!(due(&timetable, slot + 3, 0), next, "it was just given");
        timetable.item(at(slot + 3), ms(385), ms(0));
        timetable.depart(at(slot + 10), timetable.network);
        let (there, period) = timetable.announce(at(slot + 10)).expect("slots");
        let to_next = (there + timetable.margin()).as_millis() as u64;
        assert_eq!(slot + 10 + to_next, next, "the slots stay where they are");
        assert_eq!(period, ms(386));
    }

    #[test]
    fn what_is_late_gathers_company_for_a_tenth_of_a_period_or_for_all_of_it_when_a_partition_ends()
    {
        let mut timetable = timetable(24, &trips(&[200]));
        assert_eq!(due(&timetable, 1000, 5000), 1000 + 39);
        timetable.heal(at(990));
        assert_eq!(due(&timetable, 1000, 5000), 1000 + 394);
        assert_eq!(due(&timetable, 1600, 5000), 1600 + 39, "that was long ago");
    }

    #[test]
    fn what_was_long_on_its_way_departs_sooner_but_not_for_the_tail_of_an_uneven_network() {
        let uneven = trips(&[200, 50, 350, 60, 390, 20, 380, 200, 580]);
        for (network, sooner) in [(trips(&[200]), 40), (uneven, 0)] {
            let due = |late: u64| {
                let mut timetable = timetable(24, &network);
                let trip = timetable.longest() + ms(late);
                timetable.item(at(1000), ms(0), trip);
                timetable.due().expect("it departs")
            };
            assert_eq!(due(0) - due(40), ms(sooner));
        }
    }

    #[test]
    fn a_child_sends_so_as_to_arrive_in_time() {
        let mut aim = Aim::default();
        assert_eq!(aim.due(at(7), ms(0)), at(7), "nothing was heard");
        aim.hear(at(1000), Some((ms(294), ms(300))), &trips(&[200]));
        assert_eq!(aim.due(at(1001), ms(0)), at(1094));
        assert_eq!(aim.due(at(1095), ms(0)), at(1394));
        assert_eq!(aim.due(at(1095), ms(200)), at(1195), "a period at most");
        aim.hear(at(1300), Some((ms(190), ms(300))), &trips(&[200]));
        assert_eq!(
            aim.due(at(1301), ms(0)),
            at(1590),
            "too late for the next one"
        );
        aim.hear(at(1400), None, &trips(&[200]));
        assert_eq!(aim.due(at(1401), ms(0)), at(1401));
    }

    #[test]
    fn who_has_not_measured_its_way_sends_at_once() {
        let mut aim = Aim::default();
        aim.hear(at(1000), Some((ms(294), ms(300))), &RoundTrip::default());
        assert_eq!(aim.due(at(1001), ms(0)), at(1001));
    }
}
