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
//! The hub counts what it passes on and takes the cheaper way. It has to know the network
//! for that: so its very first item goes on to one child at once, and asks for an answer.
//!
//! The clocks of two nodes need not agree, nor the two directions of a link be equal:
//! a child adds what the hub said to the moment at which it heard it, and takes the
//! round trip off, which it has measured. If all aimed at one moment they would crowd at
//! the hub's door (*incast*), and wait for each other there. So the arrivals are spread
//! over a stretch before the slot, and what the round trip strays widens the margin. An
//! ack tells how long the hub had held what it acknowledges, and beside it stands when
//! the hub departs next: so the child learns how early it was. Nearly a whole period
//! means too late, and the margin grows until the child sends at once. The hub sees it, too:
//! what comes right after a slot, from a child that knew it, gets a departure of its own, or a
//! busy moment would cost a whole period.
//!
//! **Slots move** when the network becomes slower, and are given up when few values come.
//! The children hear of it later, and what they have sent is under way. So the hub departs
//! at the former slots, too, as long as something may arrive for them.
//!
//! **Two levels.** The root gathers for all. A hub below it sends up as a child does, and
//! tells its own children the moment until which it gathers: they aim at that. What
//! comes down it passes on at once. What came up from its children waits for that, since
//! the root has most often something for this hub, too; if not, it departs when the root's
//! delta should have been here.
//!
//! **An uneven network** has no longest round trip: the longer one looks, the longer it
//! gets. The promise is one for the longest trip of late, but the trips' tail takes three
//! fifths at most of what a quick one leaves. What is still later is late: worse
//! conditions cost messages first, and then they cost time.

use std::time::Duration;

use crate::config::Pace;
use crate::link::{INITIAL, RoundTrip};
use crate::time::Instant;

/// What a machine may add to a promised moment: a timer that fires late, a busy core.
///
/// Unit: time. poll(2) counts in milliseconds, and what is said on the wire does, too.
pub const MARGIN: Duration = Duration::from_millis(5);

/// What part of the promise a child arrives before its slot at least.
///
/// Unit: a fraction's denominator. A missed slot costs a whole period, so the longer that
/// is, the more a child may pay not to miss it: 19 ms of 1700.
const CAUTION: u32 = 90;

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
/// Unit: a fraction's denominator, for each round trip in it. The network may take five
/// sixths of the promise then; it lasts for the first round trip.
const UNMEASURED: u32 = 6;

/// How much longer a period must be to move the slots. Unit: time. They stay where
/// they are while they are in use, or children would aim at where they were.
const WORTH_MOVING: Duration = Duration::from_millis(10);

/// How much shorter than it could be a period is, for each round trip in it, so that the
/// least change of the network does not move the slots.
///
/// Unit: time. A reply's `held` is in whole milliseconds, and so is what is measured.
const SLACK: Duration = Duration::from_millis(1);

/// What part of a period round trips may stray for a timetable.
///
/// Unit: a fraction's denominator. On an uneven network some miss each slot, and what slots
/// save there is not worth their departure, or a period of waiting.
const UNEVEN: u32 = 12;

/// What part of a period after a slot something is still taken to have missed that.
///
/// Unit: a fraction's denominator. Children that are in time come in the last part of
/// a period, be they as careful as they like.
const MISSED: u32 = 4;

/// Over how many departures the rate is averaged. Unit: departures. Few, so as to
/// follow a load that changes.
const AVERAGED: u32 = 4;

/// What part of what a quick round trip leaves of the promise is kept for gathering.
///
/// Unit: part of 1. An uneven network has no longest round trip: the longer one looks, the
/// longer it gets. With 100 ms on average and a promise of 400 ms this keeps some 150 ms,
/// be latency uniform or exponential: 2.0 to 2.4 messages per operation.
const KEPT: f64 = 0.4;

/// The round trips to a hub's neighbours. Of each figure it is the greatest among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The longest of late.
    pub longest: Duration,
    /// The longest smoothed one.
    pub smoothed: Duration,
    /// How far one strays.
    pub strays: Duration,
}

impl Network {
    /// This and another link.
    pub fn and(self, trip: &RoundTrip) -> Network {
        Network {
            longest: self.longest.max(trip.peak()),
            smoothed: self.smoothed.max(trip.smoothed()),
            strays: self.strays.max(trip.strays()),
        }
    }

    /// A quick round trip: the smoothed one less two mean deviations. On an even network
    /// that is the longest one, too. Links with few samples have no deviation of their own
    /// yet, so it is the greatest of all links.
    fn quick(self) -> Duration {
        self.smoothed.saturating_sub(self.strays / 2)
    }
}

/// Slots: moments a period apart, as long as children may aim at them.
#[derive(Clone, Copy, Debug)]
struct Slots {
    next: Instant,
    period: Duration,
    /// Since when they have been announced.
    since: Instant,
    until: Instant,
}

impl Slots {
    /// The next one from `now` on.
    fn at(&mut self, now: Instant) -> Option<Instant> {
        while self.next < now && self.next < self.until {
            self.next = self.next + self.period;
        }
        (self.next >= now && self.next <= self.until).then_some(self.next)
    }
}

/// When a hub departs, and what it tells its children of that.
#[derive(Clone, Debug)]
pub struct Timetable {
    within: Duration,
    /// Round trips between two of the nodes below: 1 under one hub, 2 under several.
    trips: u32,
    /// How many nodes are below, and how many of them are this hub's own children.
    below: u32,
    children: u32,
    pace: Pace,
    /// `None`: nothing measured yet.
    network: Option<Network>,
    /// When the batch departs, if there is one.
    due: Option<Instant>,
    /// The slots, while the timetable holds.
    slots: Option<Slots>,
    /// Those at which children may still aim since they were moved or given up.
    former: Option<Slots>,
    /// Items passed on since the last departure, and when that was.
    items: u32,
    departed: Instant,
    /// The slots at which it departed last, until somebody is heard to have missed that.
    kept: Option<Slots>,
    /// The next departure is for those.
    again: bool,
    /// Items a second, averaged over so many departures.
    rate: f64,
    averaged: u32,
}

impl Timetable {
    /// A hub's with so many nodes `below`, of which so many are its `children`. If those
    /// are not all, the others are under hubs of their own.
    pub fn new(within: Duration, pace: Pace, below: usize, children: usize) -> Timetable {
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Timetable {
            within,
            trips: if below > children { 2 } else { 1 },
            below: number(below),
            children: number(children),
            pace,
            network: None,
            due: None,
            slots: None,
            former: None,
            items: 0,
            departed: Instant::ZERO,
            kept: None,
            again: false,
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
        let lazy = now + self.lazy_period();
        let grids = [&mut self.slots, &mut self.former].into_iter().flatten();
        let slots = grids.filter_map(|slots| slots.at(now));
        self.due = slots.chain([lazy]).min();
    }

    /// The batch departs at this moment at the latest.
    pub fn by(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// A child is heard at `now` that `spoke` for the first time then. If it knew when to
    /// be here for the last departure, and has missed that, the next one would be a
    /// period late: so there is another one, a margin later, for all that have missed it.
    /// One for each slot at most, since on an uneven network there are always some.
    pub fn hear(&mut self, now: Instant, spoke: Instant) {
        let network = self.network.unwrap_or_default();
        let missed = |slots: Slots| {
            // A departure told when the next ones are, and how far it is.
            let told = match spoke <= slots.since {
                true => slots.since,
                false => spoke + slots.period,
            };
            told + network.longest + MARGIN <= self.departed
                && now < self.departed + slots.period / MISSED
                && !self.is_uneven(slots.period)
        };
        if self.kept.is_some_and(missed) {
            (self.kept, self.again) = (None, true);
            self.by(now + margin(self.within, network.strays));
        }
    }

    /// Whether nothing has departed or waits yet.
    pub fn is_new(&self) -> bool {
        self.averaged == 0 && self.due.is_none()
    }

    /// Whether the network was measured.
    pub fn is_measured(&self) -> bool {
        self.network.is_some()
    }

    /// The first measure of the `network`: what waits may wait for longer or less long
    /// than was thought.
    pub fn measure(&mut self, network: Network) {
        let thought = Instant::ZERO + self.lazy_period();
        self.network = Some(network);
        let began = self.due.map(|due| Instant::ZERO + (due - thought));
        self.due = began.map(|began| began + self.lazy_period());
    }

    /// Departs at `now`, with what is known of the `network` now. Decides how the next
    /// period is spent.
    pub fn depart(&mut self, now: Instant, network: Option<Network>) {
        self.due = None;
        self.network = network;
        if std::mem::take(&mut self.again) {
            return;
        }
        self.kept = self.slots;
        let elapsed = (now - self.departed).as_secs_f64().max(1e-3);
        let rate = f64::from(std::mem::take(&mut self.items)) / elapsed;
        self.averaged = (self.averaged + 1).min(AVERAGED);
        self.rate += (rate - self.rate) / f64::from(self.averaged);
        self.departed = now;
        let since = self.slots.map_or(now, |slots| slots.since);
        let was = self.slots.take().or(self.former);
        let was = was.filter(|slots| now <= slots.until);
        if !self.prefers_slots() {
            self.former = was;
            return;
        }
        let longest = self.slot_period();
        let mut period = longest;
        let mut next = now + period;
        if let Some(was) = was {
            if longest + SLACK * self.trips < was.period || longest > was.period + WORTH_MOVING {
                // The children hear it on the way back of what was under way.
                let heard = (network.unwrap_or_default().longest + MARGIN * 2) * self.trips;
                let until = was.until.min(now + heard);
                self.former = Some(Slots { until, ..was });
            } else {
                period = was.period;
            }
            next = was.next;
            while next <= now {
                next = next + period;
            }
        }
        let crossing = network.unwrap_or_default().longest + period * (UNUSED_PERIODS + 2);
        self.slots = Some(Slots {
            next,
            period,
            since,
            until: now + crossing * self.trips,
        });
    }

    /// What the children are told at `now`: how long it is until the next departure,
    /// and how long from that to the one after it. `None`: they send at once.
    pub fn announce(&self, now: Instant) -> Option<(Duration, Duration)> {
        let slots = self.slots?;
        Some((slots.next - now, slots.period))
    }

    /// Whether the network leaves anything of the promise.
    pub fn is_kept(&self) -> bool {
        self.network
            .is_none_or(|network| self.within >= (network.longest + MARGIN) * self.trips)
    }

    /// How long a hub may gather if its children send at once.
    pub fn lazy_period(&self) -> Duration {
        let Some(network) = self.network else {
            let most = self.within - self.within / (UNMEASURED * self.trips);
            return self.left((INITIAL * self.trips).min(most));
        };
        let quick = self.left(network.quick() * self.trips);
        self.left((network.longest + MARGIN) * self.trips)
            .max(quick.mul_f64(KEPT))
    }

    /// How long it may gather if its children aim at slots, with a margin.
    fn slot_period(&self) -> Duration {
        let network = self.network.unwrap_or_default();
        let margin = margin(self.within, network.strays) + STRETCH * self.children;
        self.left((network.longest + margin + SLACK) * self.trips)
    }

    /// What is left of the promise, in whole milliseconds, as on the wire.
    fn left(&self, taken: Duration) -> Duration {
        let left = self.within.saturating_sub(taken);
        Duration::from_millis(left.as_millis() as u64)
    }

    /// Whether round trips stray too far for slots so far apart.
    fn is_uneven(&self, period: Duration) -> bool {
        self.network.unwrap_or_default().strays * UNEVEN > period
    }

    /// Which of the two ways costs fewer messages a value.
    fn prefers_slots(&self) -> bool {
        match self.pace {
            Pace::Lazy => return false,
            Pace::Timetable => return !self.slot_period().is_zero() && self.network.is_some(),
            Pace::Cheaper => {}
        }
        if self.is_uneven(self.slot_period()) {
            return false;
        }
        let n = f64::from(self.below);
        let up = f64::from(self.trips);
        let lazy = up + n / (self.rate * self.lazy_period().as_secs_f64() + 1.0);
        let x = self.rate * self.slot_period().as_secs_f64();
        let slots = n * (2.0 - (-x / n).exp()) / x;
        self.network.is_some() && x > 0.0 && slots < lazy
    }
}

/// When a child sends, so as to be at its hub just before a departure.
#[derive(Clone, Debug)]
pub struct Aim {
    within: Duration,
    /// Whether there are children that aim by what this node tells them.
    gathers: bool,
    /// How much earlier than the last one among its siblings.
    stretch: Duration,
    /// The moments at which to send; `None`: at once.
    slots: Option<Slots>,
    /// Those before they were moved, at which a hub's own children may still aim.
    former: Option<Slots>,
    /// What was added to the margin since something came too late.
    late: Duration,
}

impl Aim {
    /// The aim of the child that is number `rank` of its siblings, from 0 on, and has
    /// the same promise to keep as its hub, and `gathers` for children of its own or not.
    pub fn new(within: Duration, rank: usize, gathers: bool) -> Aim {
        Aim {
            within,
            gathers,
            stretch: STRETCH * u32::try_from(rank).unwrap_or(u32::MAX),
            slots: None,
            former: None,
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
        let was = self.slots.take();
        // A hub with the same promise never waits for longer than that.
        let announces = announces.filter(|(next, period)| *next.max(period) <= self.within);
        self.slots = announces.and_then(|(next, period)| {
            let margin = self.margin(trip);
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
            Some(Slots {
                next: now + (send - early),
                period,
                since: was
                    .filter(|was| was.period == period)
                    .map_or(now, |was| was.since),
                until: now + period * (UNUSED_PERIODS + 2),
            })
        });
        if self.slots.map(|slots| slots.period) != was.map(|slots| slots.period) {
            self.former = was.filter(|_| self.gathers);
        }
    }

    /// How much earlier than the hub's departure what is sent is to be there.
    fn margin(&self, trip: &RoundTrip) -> Duration {
        margin(self.within, trip.strays()) + self.late + self.stretch
    }

    /// It is heard at `now` that the hub had held what this child sent last for so long
    /// when it spoke, and would `next` go on after that.
    pub fn held(&mut self, now: Instant, held: Duration, next: Duration, trip: &RoundTrip) {
        let Some(Slots { period, since, .. }) = self.slots else {
            return;
        };
        if now - since < held + trip.longest() {
            // It was sent before the child knew of these slots.
            return;
        }
        // So long before one of the hub's departures it was there.
        let early = (held + next).as_micros() % period.as_micros();
        let missed = period - period / MISSED;
        if early > missed.as_micros() {
            self.late = (self.late * 2).clamp(MARGIN, period);
        } else {
            self.late -= self.late / 8;
        }
    }

    /// When what has come up at `now` is to be sent.
    pub fn due(&mut self, now: Instant) -> Instant {
        let Some(due) = self.slots.as_mut().and_then(|slots| slots.at(now)) else {
            return now;
        };
        let former = self.former.as_mut().and_then(|slots| slots.at(now));
        former.map_or(due, |former| former.min(due))
    }

    /// What a hub that is itself a child tells its own children: until when it gathers.
    pub fn announce(&mut self, now: Instant) -> Option<(Duration, Duration)> {
        let slots = self.slots.as_mut()?;
        Some((slots.at(now)? - now, slots.period))
    }

    /// When the departure is back for which what has come up at `now` was in time, if it
    /// waited below for the slots of these days. `None`: there were none.
    pub fn back(&self, now: Instant, trip: &RoundTrip) -> Option<Instant> {
        let mut slots = self.slots.or(self.former)?;
        // Those below hear of it, and give it up, later.
        slots.until = slots.until + slots.period * (UNUSED_PERIODS + 2);
        Some(slots.at(now)? + trip.peak() + self.margin(trip) + MARGIN)
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
