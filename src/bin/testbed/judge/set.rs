//! The judge of sets that only grow: what a history says about the values.
//!
//! This is Jepsen's `set-full` checker, which Maelstrom uses for broadcast, read
//! by read instead of over a stored history.
//!
//! - A value is *known* from the moment its `broadcast_ok` came, or the first
//!   read that showed it was answered.
//! - It is *stable* when reads begun after the last one that missed it show it.
//!   Its *stable latency* is the start of the last read that missed it, minus
//!   the moment it was known, at least 0. Above 0, it was *stale*.
//! - It is *lost* when it was known, and is missing from a read that began after
//!   that and after the last read that showed it.
//! - Otherwise nobody ever read it.
//!
//! Stricter than Maelstrom, and for somebody else's node only a note:
//!
//! - a value twice in one read, and a value that nobody sent;
//! - a value whose broadcast was refused with a *definite* error, and appears: "definitely
//!   not done" was the answer. An *indefinite* error or a timeout promises nothing; such a
//!   value may appear, and once it does it is known.
//!
//! Stricter, and decisive for every node: each known value must be in *every* node's final
//! read. Jepsen asks only for the last of all reads, and a node that drops what it should
//! keep passes there as long as another one reads after it.
//!
//! # What the figures mean
//!
//! *Messages per operation* divides the messages between nodes by all operations, and
//! half of these are reads, which cost none: a value costs twice the figure. More reads
//! make it look better, and a higher rate does, too, since more values share a batch.
//!
//! *Stable latency* begins when a client knows that its value was accepted. A node that
//! held back its `broadcast_ok` until all others had the value would measure 0. That is
//! why the report shows how long the clients waited: here a fraction of a millisecond.
//! It ends at the last *read* that missed the value, so with few reads it is too small
//! by the pause between two reads (20 ms here). The median also hides the tail: look at
//! the maximum. And when the network is cut, it measures the cut.
//!
//! Reads count where they begin, since that is when the node was asked; two
//! operations that overlap prove nothing against each other.

use std::collections::{BTreeMap, BTreeSet};

use hubcast::interval_set::IntervalSet;

use super::{Mark, Problems, Verdict, lacks};

#[derive(Clone, Copy, Debug, Default)]
struct Element {
    /// Since when somebody knows that it was accepted.
    known: Option<Mark>,
    /// The beginning of the last read that showed it.
    last_present: Option<Mark>,
    /// The beginning of the last read that missed it.
    last_absent: Option<Mark>,
    /// The code of the definite error that answered its broadcast.
    refused: Option<i64>,
}

/// Takes a history in, in the order in which it happens.
#[derive(Debug, Default)]
pub struct Set {
    elements: BTreeMap<i64, Element>,
    /// What each node showed in its final read, by its name, in their order.
    final_reads: Vec<(String, IntervalSet)>,
    problems: Problems,
}

impl Set {
    /// A client begins to broadcast `value`.
    pub fn broadcast_begins(&mut self, value: i64) {
        self.elements.entry(value).or_default();
    }

    /// The `broadcast_ok` for `value` has come.
    pub fn broadcast_ok(&mut self, now: Mark, value: i64) {
        let element = self.elements.entry(value).or_default();
        element.known.get_or_insert(now);
    }

    /// The broadcast of `value` was answered with a definite error.
    pub fn broadcast_refused(&mut self, value: i64, code: i64) {
        self.elements.entry(value).or_default().refused = Some(code);
    }

    /// The last read of a node, after everything else: what it shows is what it
    /// holds. Its values also go to [`Set::read_ok`], like any read's.
    pub fn final_read(&mut self, node: &str, values: &[i64]) {
        let mut shown = IntervalSet::new();
        for &value in values {
            shown.insert(value);
        }
        self.final_reads.push((node.to_owned(), shown));
    }

    /// A read was answered with `values` by `node`.
    pub fn read_ok(&mut self, [begun, answered]: [Mark; 2], node: &str, mut values: Vec<i64>) {
        if !values.is_sorted() {
            values.sort_unstable();
        }
        for pair in values.windows(2).filter(|pair| pair[0] == pair[1]) {
            let text = format!("a read at {node} shows {} twice", pair[0]);
            self.problems.stricter(text);
        }
        values.dedup();
        // Both sides ascend: one pass over the elements meets every value.
        let mut values = values.into_iter().peekable();
        let problems = &mut self.problems;
        let mut unsent = |value| {
            problems.stricter(format!("a read at {node} shows {value}, which nobody sent"));
        };
        for (&value, element) in &mut self.elements {
            while let Some(stray) = values.next_if(|&shown| shown < value) {
                unsent(stray);
            }
            if values.next_if_eq(&value).is_some() {
                element.known.get_or_insert(answered);
                element.last_present = element.last_present.max(Some(begun));
            } else {
                element.last_absent = element.last_absent.max(Some(begun));
            }
        }
        for stray in values {
            unsent(stray);
        }
    }

    /// The verdict over everything so far.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict {
            item: "value",
            ..Verdict::default()
        };
        let mut problems = self.problems.clone();
        let mut lost = BTreeSet::new();
        for read in &self.final_reads {
            let known = (self.elements.iter()).filter(|(_, element)| element.is_demanded());
            let known = known.map(|(&value, _)| value);
            lost.extend(lacks(read, verdict.item, known, &mut problems));
        }
        for (&value, element) in &self.elements {
            if let (Some(code), Some(_)) = (element.refused, element.last_present) {
                let text = format!(
                    "{value} is in a read, though its broadcast was refused with the definite error {code}"
                );
                problems.stricter(text);
            }
            if element.refused.is_none() && element.judge(value, &mut verdict) {
                lost.insert(value);
            }
        }
        verdict.problems = problems;
        verdict.lost = lost.into_iter().collect();
        verdict.stable_latencies.sort_unstable();
        verdict
    }
}

impl Element {
    /// Whether every node must hold it in the end.
    fn is_demanded(&self) -> bool {
        self.known.is_some() && self.refused.is_none()
    }

    /// Adds what its reads say to the verdict; gives whether it is lost.
    fn judge(&self, value: i64, verdict: &mut Verdict) -> bool {
        if self.last_present.is_some() && self.last_present > self.last_absent {
            // Shown by a read, so it is known.
            let Some(known) = self.known else {
                return false;
            };
            verdict.stable(value, known, self.last_absent);
            return false;
        }
        let lost =
            self.known.is_some() && self.last_absent.is_some() && self.last_absent > self.known;
        verdict.never_read += usize::from(!lost);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantile;
    use super::*;

    fn ms(millis: u64) -> Mark {
        Mark::at(millis)
    }

    /// A checker that has seen value 7 broadcast and acknowledged at 100 ms.
    fn known_at_100() -> Set {
        let mut checker = Set::default();
        checker.broadcast_begins(7);
        checker.broadcast_ok(ms(100), 7);
        checker
    }

    /// A read that begins and is answered at once.
    fn read(checker: &mut Set, at: u64, values: &[i64]) {
        checker.read_ok([ms(at), ms(at)], "n1", values.to_vec());
    }

    #[test]
    fn a_value_that_every_later_read_shows_is_stable_at_once() {
        let mut checker = known_at_100();
        read(&mut checker, 150, &[7]);
        let verdict = checker.verdict();
        assert_eq!((verdict.stable_latencies, verdict.stale), (vec![0], 0));
    }

    #[test]
    fn stable_latency_ends_where_the_last_read_that_missed_the_value_began() {
        let mut checker = known_at_100();
        read(&mut checker, 150, &[7]);
        checker.read_ok([ms(340), ms(900)], "n2", vec![]);
        read(&mut checker, 950, &[7]);
        let verdict = checker.verdict();
        assert_eq!((verdict.stable_latencies, verdict.stale), (vec![240], 1));
        assert_eq!(verdict.lost, []);
    }

    #[test]
    fn a_value_missing_after_the_last_read_that_showed_it_is_lost() {
        let mut checker = known_at_100();
        read(&mut checker, 150, &[7]);
        read(&mut checker, 200, &[]);
        assert_eq!(checker.verdict().lost, [7]);
    }

    #[test]
    fn a_known_value_that_no_read_shows_is_lost() {
        let mut checker = known_at_100();
        read(&mut checker, 200, &[]);
        assert_eq!(checker.verdict().lost, [7]);
    }

    #[test]
    fn a_value_that_one_nodes_final_read_lacks_is_lost_whoever_reads_last() {
        let mut checker = Set::default();
        for value in 0..9 {
            checker.broadcast_begins(value);
            checker.broadcast_ok(ms(100), value);
        }
        let everything: Vec<i64> = (0..9).collect();
        read(&mut checker, 200, &[0, 8]);
        read(&mut checker, 300, &everything);
        assert_eq!(checker.verdict().lost, []);
        checker.final_read("n1", &[0, 8]);
        checker.final_read("n2", &everything[..8]);
        checker.final_read("n3", &everything);
        let verdict = checker.verdict();
        assert_eq!(verdict.lost, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            verdict.problems.all(),
            [
                "n1 lacks 7 values that were known: 1, 2, 3, 4, 5 and 2 more",
                "n2 lacks 1 value that was known: 8"
            ]
        );
    }

    #[test]
    fn a_refused_value_is_not_demanded_and_must_not_appear() {
        let mut checker = known_at_100();
        checker.broadcast_begins(8);
        checker.broadcast_refused(8, 11);
        read(&mut checker, 200, &[7]);
        checker.final_read("n1", &[7]);
        let verdict = checker.verdict();
        assert_eq!(verdict.problems.all(), Vec::<String>::new());
        assert_eq!((verdict.lost.len(), verdict.never_read), (0, 0));
        read(&mut checker, 300, &[7, 8]);
        assert_eq!(
            checker.verdict().problems.all(),
            ["8 is in a read, though its broadcast was refused with the definite error 11"]
        );
    }

    #[test]
    fn a_read_that_began_before_the_value_was_known_proves_nothing() {
        let mut checker = Set::default();
        checker.broadcast_begins(7);
        checker.broadcast_ok(ms(100), 7);
        checker.read_ok([ms(90), ms(300)], "n1", vec![]);
        let verdict = checker.verdict();
        assert_eq!((verdict.lost.len(), verdict.never_read), (0, 1));
    }

    #[test]
    fn of_two_reads_at_once_the_one_that_began_later_decides() {
        let mut checker = known_at_100();
        checker.read_ok([ms(210), ms(220)], "n2", vec![7]);
        checker.read_ok([ms(200), ms(230)], "n1", vec![]);
        let verdict = checker.verdict();
        assert_eq!(verdict.lost, []);
        assert_eq!(verdict.stable_latencies, [100]);
    }

    #[test]
    fn a_value_without_an_answer_is_known_once_a_read_shows_it() {
        let mut checker = Set::default();
        checker.broadcast_begins(7);
        read(&mut checker, 100, &[]);
        assert_eq!(
            checker.verdict().never_read,
            1,
            "not lost: nobody was promised anything"
        );
        read(&mut checker, 200, &[7]);
        read(&mut checker, 260, &[]);
        read(&mut checker, 300, &[7]);
        assert_eq!(checker.verdict().stable_latencies, [60]);
    }

    #[test]
    fn duplicates_and_values_that_nobody_sent_are_problems() {
        let mut checker = known_at_100();
        read(&mut checker, 200, &[7, 3, 7, 9]);
        assert_eq!(
            checker.verdict().problems.all(),
            [
                "a read at n1 shows 7 twice",
                "a read at n1 shows 3, which nobody sent",
                "a read at n1 shows 9, which nobody sent"
            ]
        );
    }

    #[test]
    fn quantiles_are_jepsens() {
        assert_eq!(quantile::<u64>(&[], 0.5), None);
        assert_eq!(quantile(&[5], 0.99), Some(5));
        assert_eq!(quantile(&[1, 2, 3, 4], 0.5), Some(3));
        assert_eq!(quantile(&[1, 2, 3, 4], 0.0), Some(1));
        assert_eq!(quantile(&[1, 2, 3, 4], 1.0), Some(4));
    }
}
