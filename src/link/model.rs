//! Every interleaving of one small link: a model checker over real [`Link`]s.
//!
//! Two ends, a few items each way, and a network that may deliver what is under
//! way in any order, drop and duplicate some of it, while timers may fire at any
//! moment. A breadth-first search visits every state that can be reached within
//! the bounds below. Nothing is sampled.
//!
//! *Time* has no place in the search: a running timer may fire next, whatever its
//! deadline, and the pause between two repetitions is over whenever that matters.
//! Both only add behaviours, so whatever holds here holds under any clock.
//! States that differ in counters or deadlines alone are the same state.
//!
//! In each state:
//! - no ack is ahead of what was received, and what was received is below what
//!   was sent;
//! - every item below `received` has been read, with no hole, and nothing else
//!   than what was sent was ever read; a read never shows less than the one before;
//! - a retransmission timer runs whenever something is in flight, and an ack is
//!   owed or was sent for whatever was received.
//!
//! From each state a network without further faults, first in first out, leads
//! to an end where both sides have everything, all is acknowledged and quiet.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;

/// Items that each end sends.
const ITEMS: u8 = 3;
/// Messages that the network may drop.
const DROPS: u8 = 2;
/// Messages that the network may duplicate.
const DUPLICATES: u8 = 2;
/// How often a retransmission timer may fire while messages are under way. With
/// none under way it may fire at any time: a timeout is longer than a round trip,
/// so the early ones are the exception, and each doubles the states.
const EARLY: u8 = 1;
/// The most messages under way at once, both directions together: two are enough
/// for any of them to overtake another. What would send more waits. (Three make
/// more than ten times the states, and minutes out of seconds.)
const UNDER_WAY: usize = 2;
/// More steps than this from a state to quiet would be a loop.
const MAX_STEPS: usize = 200;

const TIMING: Timing = Timing {
    ack: Duration::from_millis(1000),
    retry: Duration::from_millis(1500),
};

/// One end and what has been read from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct End {
    link: Link<u8>,
    /// Items that were pushed so far.
    pushed: u8,
    /// Items of the other end that were read, as bits.
    read: u8,
    /// What is under way from here, oldest first.
    outbox: Vec<Segment<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    ends: [End; 2],
    drops: u8,
    duplicates: u8,
    early: u8,
}

/// The moment at which everything happens.
const NOW: Instant = Instant::ZERO;

impl State {
    fn initial() -> State {
        let end = End {
            link: Link::new(TIMING, 0),
            pushed: 0,
            read: 0,
            outbox: Vec::new(),
        };
        State {
            ends: [end.clone(), end],
            drops: DROPS,
            duplicates: DUPLICATES,
            early: EARLY,
        }
    }

    /// Takes what the link of `end` sends now, and forgets what makes no difference.
    fn settle(&mut self, end: usize) {
        let End { link, outbox, .. } = &mut self.ends[end];
        link.handle_timeout(NOW);
        outbox.extend(std::iter::from_fn(|| link.poll_transmit(NOW)));
        outbox.sort_unstable();
        link.stats = LinkStats::default();
        link.repeated = None;
        link.timeouts = link.timeouts.min(1);
        link.unreported = 0;
        link.queue.shrink_to_fit();
        // A deadline is either there or not.
        link.ack_at = link.ack_at.map(|_| NOW + TIMING.ack);
        link.retry_at = link.retry_at.map(|_| NOW + TIMING.retry);
    }

    /// A batch departs with a new item.
    fn push(&mut self, end: usize) {
        let item = self.ends[end].pushed;
        self.ends[end].pushed += 1;
        self.ends[end].link.push(item);
        self.ends[end].link.release();
        self.settle(end);
    }

    fn fire_ack(&mut self, end: usize) {
        let link = &mut self.ends[end].link;
        link.ack_at = Some(NOW);
        self.settle(end);
    }

    fn fire_retry(&mut self, end: usize) {
        let link = &mut self.ends[end].link;
        link.retry_at = Some(NOW);
        self.settle(end);
    }

    /// The other end handles message `index` of those under way from `src`.
    fn deliver(&mut self, src: usize, index: usize) {
        let segment = self.ends[src].outbox.remove(index);
        let dest = &mut self.ends[1 - src];
        dest.link
            .handle_segment(NOW, &segment)
            .expect("a link never refuses what a link sent");
        for &item in &segment.items {
            dest.read |= 1 << item;
        }
        // Good news, as the node passes it on: a sign of life from a suspect.
        dest.link.probe(NOW);
        self.settle(1 - src);
    }

    /// All states that one step leads to.
    fn successors(&self) -> Vec<State> {
        let mut next = Vec::new();
        let empty = self.ends.iter().all(|end| end.outbox.is_empty());
        let mut step = |change: &dyn Fn(&mut State)| {
            let mut state = self.clone();
            change(&mut state);
            if state.ends.iter().map(|end| end.outbox.len()).sum::<usize>() <= UNDER_WAY {
                next.push(state);
            }
        };
        for end in 0..2 {
            let End {
                link,
                pushed,
                outbox,
                ..
            } = &self.ends[end];
            if *pushed < ITEMS {
                step(&|state| state.push(end));
            }
            if link.ack_at.is_some() {
                step(&|state| state.fire_ack(end));
            }
            if link.retry_at.is_some() && empty {
                step(&|state| state.fire_retry(end));
            } else if link.retry_at.is_some() && self.early > 0 {
                step(&|state| {
                    state.early -= 1;
                    state.fire_retry(end);
                });
            }
            for index in 0..outbox.len() {
                if outbox[..index].contains(&outbox[index]) {
                    // The same message again: the same step.
                    continue;
                }
                step(&|state| state.deliver(end, index));
                if self.drops > 0 {
                    step(&|state| {
                        state.drops -= 1;
                        state.ends[end].outbox.remove(index);
                    });
                }
                if self.duplicates > 0 {
                    step(&|state| {
                        state.duplicates -= 1;
                        let copy = state.ends[end].outbox[index].clone();
                        state.ends[end].outbox.push(copy);
                    });
                }
            }
        }
        next
    }

    /// The next step when nothing goes wrong any more: what is under way arrives
    /// in order, then timers fire. `None`: all is quiet.
    fn faultless_step(&self) -> Option<State> {
        let mut next = self.clone();
        for end in 0..2 {
            if !self.ends[end].outbox.is_empty() {
                next.deliver(end, 0);
                return Some(next);
            }
        }
        for end in 0..2 {
            let link = &self.ends[end].link;
            if link.ack_at.is_some() {
                next.fire_ack(end);
                return Some(next);
            }
            if link.retry_at.is_some() {
                next.fire_retry(end);
                return Some(next);
            }
        }
        None
    }

    fn check(&self) {
        for (here, there) in [(0, 1), (1, 0)] {
            let (a, b) = (&self.ends[here], &self.ends[there]);
            assert!(
                a.link.una <= b.link.received,
                "an ack is ahead of what was received: {self:?}"
            );
            assert!(
                b.link.received <= a.link.max,
                "received what was never sent: {self:?}"
            );
            assert!(
                a.link.max <= u64::from(a.pushed),
                "sent what was never pushed: {self:?}"
            );
            assert!(
                a.link.una <= a.link.nxt && a.link.nxt <= a.link.max,
                "marks cross: {self:?}"
            );
            let prefix = (1u8 << b.link.received) - 1;
            assert_eq!(
                b.read & prefix,
                prefix,
                "a hole below what was received: {self:?}"
            );
            assert!(
                b.read < 1 << a.pushed,
                "read what was never pushed: {self:?}"
            );
            let in_flight = a.link.nxt > a.link.una;
            assert!(
                !in_flight || a.link.retry_at.is_some(),
                "in flight without a timer: {self:?}"
            );
            for segment in &a.outbox {
                for (item, offset) in segment.items.iter().zip(segment.offset..) {
                    assert_eq!(
                        u64::from(*item),
                        offset,
                        "another item at its offset: {self:?}"
                    );
                }
                assert!(
                    segment.ack <= a.link.received,
                    "an ack of what has not come: {self:?}"
                );
            }
        }
    }

    fn check_end(&self) {
        for (here, there) in [(0, 1), (1, 0)] {
            let (a, b) = (&self.ends[here], &self.ends[there]);
            assert!(
                a.link.is_quiet(),
                "no step is left, and it is not quiet: {self:?}"
            );
            assert_eq!(
                b.read,
                (1u8 << a.pushed) - 1,
                "not everything has arrived: {self:?}"
            );
            assert_eq!(
                a.link.una,
                u64::from(a.pushed),
                "not all is acknowledged: {self:?}"
            );
        }
    }
}

/// What stands for a state: 128 bits of two independent hashes. Among the states
/// below, that two of them share one by accident has a chance of about 1 in 10^25.
/// The ends have no names: a state and its mirror image are one, and the order of
/// what is under way is none.
fn fingerprint(state: &State) -> u128 {
    let hash = |end: &End, salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        end.hash(&mut hasher);
        hasher.finish()
    };
    let whole = |salt| {
        let mut ends = [hash(&state.ends[0], salt), hash(&state.ends[1], salt)];
        ends.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (salt, ends, state.drops, state.duplicates, state.early).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    whole(1) << 64 | whole(2)
}

#[test]
fn every_state_that_can_be_reached_is_safe_and_leads_to_both_ends_equal_acked_and_quiet() {
    let mut visited = HashSet::from([fingerprint(&State::initial())]);
    // Of which it is known that they end well, so that each path is walked once.
    let mut ends_well = HashSet::new();
    let mut frontier = vec![State::initial()];
    let (mut steps, mut depth) = (0u64, 0);
    while !frontier.is_empty() {
        let mut next_frontier = Vec::new();
        for state in frontier {
            state.check();
            let mut path = Vec::new();
            let mut at = Some(state.clone());
            while let Some(here) = at.take() {
                let print = fingerprint(&here);
                if ends_well.contains(&print) {
                    break;
                }
                path.push(print);
                at = here.faultless_step();
                if at.is_none() {
                    here.check_end();
                }
                assert!(
                    path.len() < MAX_STEPS,
                    "without faults it has no end: {state:?}"
                );
            }
            ends_well.extend(path);
            for next in state.successors() {
                steps += 1;
                for (before, after) in state.ends.iter().zip(&next.ends) {
                    assert_eq!(before.read & !after.read, 0, "a read shows less: {next:?}");
                }
                if visited.insert(fingerprint(&next)) {
                    next_frontier.push(next);
                }
            }
        }
        depth += 1;
        frontier = next_frontier;
    }
    println!(
        "{} states up to {depth} steps deep, {steps} steps between them: all safe, all converge",
        visited.len()
    );
}
