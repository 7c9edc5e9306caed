//! The incoming stream: what has arrived, and which holes are in it.
//!
//! Segments overtake one another and get lost, so what has arrived is everything
//! below its top but some holes. A hole is young at first: what is
//! missing may just be late. Once it is older than the reordering that the link
//! shows it is *due*, and its range is named to the sender. The sender sends it
//! again and nothing else: *selective repeat*. (RFC 2018 names what arrived;
//! naming what did not is shorter here.)

use std::time::Duration;

use super::BACKOFF_CAP;
use crate::time::Instant;

/// A range of offsets, the first and the last one, both included.
pub type Range = (u64, u64);

/// The most holes that one segment names.
///
/// Unit: ranges. Of up to 40 bytes each, so a line stays below 3 kB; the others are
/// named as soon as these were.
const MAX_NAMED: usize = 64;

/// When a hole is named that nobody needs.
const NEVER: Instant = Instant::from_micros(u64::MAX);

/// What has come of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Incoming {
    /// One past the highest offset heard of.
    top: u64,
    /// What is missing below, ascending.
    holes: Vec<Hole>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Hole {
    start: u64,
    /// One past its last offset.
    end: u64,
    /// When it is to be named (again), and how long after that once more.
    due: Instant,
    wait: Duration,
}

impl Incoming {
    /// Every offset below this one has arrived: the cumulative ack.
    pub fn received(&self) -> u64 {
        self.holes.first().map_or(self.top, |hole| hole.start)
    }

    /// Nothing below `una` is meant for us, or will ever come. Gives whether there is more
    /// beyond, which had arrived before that was known.
    pub fn begin(&mut self, una: u64) -> bool {
        let received = self.received();
        self.fill(0, una);
        self.top = self.top.max(una);
        self.received() > received.max(una)
    }

    /// The stream reaches up to `end`; what is missing of it is due at `due`.
    pub fn reach(&mut self, end: u64, due: Instant) {
        if end > self.top {
            let start = std::mem::replace(&mut self.top, end);
            let wait = Duration::ZERO;
            self.holes.push(Hole {
                start,
                end,
                due,
                wait,
            });
        }
    }

    /// The items from `start` up to `end` have come; gives how many of them are new.
    pub fn arrive(&mut self, start: u64, end: u64, due: Instant) -> u64 {
        self.reach(start, due);
        let beyond = end.saturating_sub(self.top);
        self.top = self.top.max(end);
        self.fill(start, end) + beyond
    }

    /// Takes a range out of the holes; gives how much of it was missing.
    fn fill(&mut self, start: u64, end: u64) -> u64 {
        let before = self.missing();
        let rest = self.holes.iter().flat_map(|&hole| {
            let below = (hole.start, hole.end.min(start));
            let above = (hole.start.max(end), hole.end);
            [below, above].map(|(start, end)| Hole { start, end, ..hole })
        });
        self.holes = rest.filter(|hole| hole.start < hole.end).collect();
        before - self.missing()
    }

    fn missing(&self) -> u64 {
        self.holes.iter().map(|hole| hole.end - hole.start).sum()
    }

    /// When the next hole is to be named; `None`: there is none.
    pub fn due(&self) -> Option<Instant> {
        let due = self.holes.iter().map(|hole| hole.due);
        due.filter(|due| *due < NEVER).min()
    }

    /// What is missing now will not be asked for.
    pub fn hush(&mut self) {
        self.holes.iter_mut().for_each(|hole| hole.due = NEVER);
    }

    /// The holes that are due. They are named again a round `trip` later if they are still
    /// there (the answer to a name may be lost, too), and then less and less often.
    pub fn name(&mut self, now: Instant, trip: Duration) -> Vec<Range> {
        let due = self.holes.iter_mut().filter(|hole| hole.due <= now);
        let named = due.take(MAX_NAMED).map(|hole| {
            hole.wait = (hole.wait + trip).min(BACKOFF_CAP.max(trip));
            hole.due = now + hole.wait;
            (hole.start, hole.end - 1)
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Incoming {
        /// As if every hole had been seen just now, and were to be named at `due`.
        pub fn set_due(&mut self, due: Instant) {
            for hole in &mut self.holes {
                (hole.due, hole.wait) = (due, Duration::ZERO);
            }
        }
    }

    const fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn missing(incoming: &Incoming) -> Vec<Range> {
        let holes = incoming.holes.iter();
        holes.map(|hole| (hole.start, hole.end - 1)).collect()
    }

    #[test]
    fn what_comes_in_order_leaves_no_hole() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.arrive(0, 3, ms(0)), 3);
        assert_eq!(incoming.arrive(3, 4, ms(0)), 1);
        assert_eq!(incoming.arrive(1, 4, ms(0)), 0, "nothing of it is new");
        assert_eq!((incoming.received(), incoming.due()), (4, None));
    }

    #[test]
    fn a_hole_is_filled_from_any_side_and_split_in_the_middle() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.arrive(10, 12, ms(7)), 2);
        assert_eq!(missing(&incoming), [(0, 9)]);
        assert_eq!(incoming.arrive(4, 6, ms(9)), 2);
        assert_eq!(missing(&incoming), [(0, 3), (6, 9)]);
        assert_eq!(incoming.arrive(3, 7, ms(9)), 2);
        assert_eq!(missing(&incoming), [(0, 2), (7, 9)]);
        assert_eq!(incoming.received(), 0);
        assert_eq!(incoming.arrive(0, 20, ms(9)), 3 + 3 + 8);
        assert_eq!((incoming.received(), incoming.top), (20, 20));
    }

    #[test]
    fn a_stream_that_is_said_to_be_longer_than_what_came_has_a_hole_at_its_end() {
        let mut incoming = Incoming::default();
        incoming.arrive(0, 2, ms(0));
        incoming.reach(5, ms(8));
        assert_eq!(
            (missing(&incoming), incoming.due()),
            (vec![(2, 4)], Some(ms(8)))
        );
    }

    const TRIP: Duration = Duration::from_millis(100);

    #[test]
    fn a_hole_is_named_when_it_is_due_and_again_if_it_stays() {
        let mut incoming = Incoming::default();
        incoming.arrive(1, 2, ms(10));
        incoming.arrive(3, 4, ms(20));
        assert_eq!(incoming.name(ms(9), TRIP), []);
        assert_eq!(incoming.name(ms(10), TRIP), [(0, 0)]);
        assert_eq!(incoming.name(ms(20), TRIP), [(2, 2)]);
        assert_eq!(incoming.due(), Some(ms(110)));
        assert_eq!(incoming.name(ms(120), TRIP), [(0, 0), (2, 2)]);
    }

    #[test]
    fn a_hole_is_named_again_after_a_round_trip_more_each_time_up_to_the_cap() {
        let pauses = |trip| {
            let mut incoming = Incoming::default();
            incoming.reach(1, ms(0));
            let pauses = (0..4).map(|_| {
                let now = incoming.due().expect("it is still missing");
                assert_eq!(incoming.name(now, trip), [(0, 0)]);
                (incoming.due().expect("again") - now).as_millis()
            });
            pauses.collect::<Vec<_>>()
        };
        assert_eq!(pauses(10 * TRIP), [1000, 2000, 3000, 3000]);
        let long = 2 * BACKOFF_CAP;
        assert_eq!(pauses(long), [6000; 4], "never sooner than an answer");
    }

    #[test]
    fn what_lies_below_the_begin_is_no_hole() {
        let mut incoming = Incoming::default();
        incoming.arrive(812, 820, ms(0));
        incoming.arrive(822, 823, ms(0));
        assert!(!incoming.begin(800), "what is beyond has not come");
        assert!(incoming.begin(812), "more has come");
        assert_eq!(
            (incoming.received(), missing(&incoming)),
            (820, vec![(820, 821)])
        );
        assert!(!incoming.begin(5));
        assert_eq!(incoming.received(), 820, "it never goes back");
        assert!(!incoming.begin(900));
        assert_eq!((incoming.received(), incoming.due()), (900, None));
    }

    #[test]
    fn one_segment_names_a_limited_number_of_holes() {
        let mut incoming = Incoming::default();
        for start in 0..200 {
            incoming.arrive(2 * start + 1, 2 * start + 2, ms(0));
        }
        assert_eq!(incoming.name(ms(0), TRIP).len(), MAX_NAMED);
        assert_eq!(incoming.name(ms(0), TRIP)[0], (128, 128), "the next ones");
    }
}
