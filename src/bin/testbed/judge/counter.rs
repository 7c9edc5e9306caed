//! The judge of `g-counter` and `pn-counter`: what a history of additions says
//! about the sums.
//!
//! This is Maelstrom's `pn-counter` checker. What was acknowledged counts; what was
//! refused with a definite error does not; each indeterminate addition may have
//! happened or not. So the sums that a *final* read may show are a set: the
//! acknowledged sum, and for each indeterminate addition all of them once more,
//! moved by it. One of 5 next to a sum of 20 allows 20 and 25, not 22.
//!
//! Three rules are stricter than Maelstrom's, which looks at nothing but each final
//! read by itself:
//!
//! - All final reads are equal: after the quiet, nodes that know the same additions
//!   show the same sum.
//! - A read during the run shows no less than everything negative that had begun by
//!   its answer, and no more than everything positive.
//! - Where nothing is ever subtracted (`g-counter`), one node's reads never go back,
//!   one begun after the other's answer. A restart is no excuse: a sum that was shown
//!   is a promise, and a journal keeps it.
//!
//! What it cannot see: an addition that is counted twice and another one of the same
//! size that is missing look like nothing at all.

use std::collections::BTreeMap;

use super::{Mark, Peak, Problems, Verdict};

/// Takes a history in, in the order in which it happens.
#[derive(Debug, Default)]
pub struct Counter {
    /// All that was ever begun by sign: what a read may show if all of it counts.
    begun: (i64, i64),
    /// What was acknowledged.
    sum: i64,
    /// The additions that have begun and are neither acknowledged nor refused: how
    /// many of each size.
    open: BTreeMap<i64, u64>,
    /// The highest sum that each node has shown.
    highest: BTreeMap<String, Option<Peak>>,
    final_reads: Vec<(String, i64)>,
    problems: Problems,
}

impl Counter {
    /// A client begins to add `delta`.
    pub fn add_begins(&mut self, delta: i64) {
        self.begun.0 += delta.min(0);
        self.begun.1 += delta.max(0);
        *self.open.entry(delta).or_default() += 1;
    }

    /// The `add_ok` of an addition of `delta` has come.
    pub fn add_ok(&mut self, delta: i64) {
        self.sum += delta;
        self.end(delta);
    }

    /// An addition of `delta` was refused with a definite error.
    pub fn add_refused(&mut self, delta: i64) {
        self.begun.0 -= delta.min(0);
        self.begun.1 -= delta.max(0);
        self.end(delta);
    }

    fn end(&mut self, delta: i64) {
        if let Some(open) = self.open.get_mut(&delta) {
            *open = open.saturating_sub(1);
        }
    }

    /// A read was answered with `value` by `node`.
    pub fn read_ok(&mut self, [begun, answered]: [Mark; 2], node: &str, value: i64) {
        let (least, most) = self.begun;
        if !(least..=most).contains(&value) {
            self.problems.stricter(format!(
                "a read at {node} shows {value}, and all additions begun so far allow {least} to {most}"
            ));
        }
        let peak = self.highest.entry(node.to_owned()).or_default();
        if let Some(before) = Peak::show(peak, [begun, answered], value)
            && least == 0
        {
            self.problems.stricter(format!(
                "reads at {node} go back, from {before} to {value}, and nothing was subtracted"
            ));
        }
    }

    /// The last read of a node, after everything else. It is also a read like any
    /// other, for [`Counter::read_ok`].
    pub fn final_read(&mut self, node: &str, value: i64) {
        self.final_reads.push((node.to_owned(), value));
    }

    /// The sums that are possible in the end, as ranges, both ends included,
    /// ascending and apart.
    fn acceptable(&self) -> Vec<(i64, i64)> {
        let mut ranges = vec![(self.sum, self.sum)];
        for (&delta, &count) in &self.open {
            for _ in 0..count {
                ranges = with(&ranges, delta);
            }
        }
        ranges
    }

    /// The verdict over everything so far. A sum names no values, so none is lost:
    /// everything that is wrong is a sentence.
    pub fn verdict(&self) -> Verdict {
        let mut problems = Problems::default();
        let acceptable = self.acceptable();
        for (node, value) in &self.final_reads {
            let fits = |&(first, last): &(i64, i64)| (first..=last).contains(value);
            if !acceptable.iter().any(fits) {
                problems.note(format!(
                    "{node}'s final read shows {value}, and the acknowledged additions make {}",
                    spell(self.sum, &acceptable)
                ));
            }
        }
        for pair in self.final_reads.windows(2) {
            if let [(one, shows), (other, instead)] = pair
                && shows != instead
            {
                problems.stricter(format!(
                    "final reads differ: {one} shows {shows}, {other} shows {instead}"
                ));
            }
        }
        if self.final_reads.is_empty() {
            problems.note("no node answered its final read".into());
        }
        problems.append(&self.problems);
        problems.verdict()
    }
}

/// The same sums, and each once more, moved by `delta`.
fn with(ranges: &[(i64, i64)], delta: i64) -> Vec<(i64, i64)> {
    let moved = ranges.iter().map(|(a, b)| (a + delta, b + delta));
    let mut all: Vec<_> = ranges.iter().copied().chain(moved).collect();
    all.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (first, last) in all {
        match merged.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// "20", or "20, with the indeterminate ones 18 to 20 or 25".
fn spell(sum: i64, ranges: &[(i64, i64)]) -> String {
    if ranges == [(sum, sum)] {
        return sum.to_string();
    }
    let spelled: Vec<String> = (ranges.iter())
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first} to {last}"),
        })
        .collect();
    let spelled = spelled.join(" or ");
    format!("{sum}, with the indeterminate ones {spelled}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history in which these additions were acknowledged.
    fn acknowledged(deltas: &[i64]) -> Counter {
        let mut counter = Counter::default();
        for &delta in deltas {
            counter.add_begins(delta);
            counter.add_ok(delta);
        }
        counter
    }

    /// A read that begins at this time and is answered before anything else happens.
    fn read(counter: &mut Counter, at: u64, node: &str, value: i64) {
        counter.read_ok([at, at + 1].map(Mark::at), node, value);
    }

    fn finally(mut counter: Counter, values: &[i64]) -> Vec<String> {
        for (index, &value) in values.iter().enumerate() {
            counter.final_read(&format!("n{index}"), value);
        }
        counter.verdict().problems.all()
    }

    #[test]
    fn final_reads_of_the_acknowledged_sum_are_valid() {
        assert_eq!(finally(acknowledged(&[5, -2, 4]), &[7, 7]), [""; 0]);
    }

    #[test]
    fn a_final_read_that_lacks_an_addition_is_a_problem() {
        let problems = finally(acknowledged(&[5, 2]), &[5, 5]);
        assert_eq!(
            problems[0],
            "n0's final read shows 5, and the acknowledged additions make 7"
        );
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_final_read_that_counts_an_addition_twice_is_a_problem() {
        assert_eq!(
            finally(acknowledged(&[4]), &[8]),
            ["n0's final read shows 8, and the acknowledged additions make 4"]
        );
    }

    #[test]
    fn an_indeterminate_addition_may_have_happened_or_not_but_not_in_part() {
        let history = || {
            let mut counter = acknowledged(&[20]);
            counter.add_begins(5);
            counter.add_begins(-1);
            counter
        };
        for sum in [19, 20, 24, 25] {
            assert_eq!(finally(history(), &[sum]), [""; 0], "{sum}");
        }
        assert_eq!(
            finally(history(), &[22]),
            [
                "n0's final read shows 22, and the acknowledged additions make 20, \
                 with the indeterminate ones 19 to 20 or 24 to 25"
            ]
        );
    }

    #[test]
    fn an_indeterminate_addition_must_be_the_same_everywhere() {
        let mut counter = acknowledged(&[20]);
        counter.add_begins(5);
        assert_eq!(
            finally(counter, &[20, 25, 25]),
            ["final reads differ: n0 shows 20, n1 shows 25"]
        );
    }

    #[test]
    fn a_refused_addition_must_not_count() {
        let history = || {
            let mut counter = acknowledged(&[3]);
            counter.add_begins(4);
            counter.add_refused(4);
            counter
        };
        assert_eq!(finally(history(), &[3]), [""; 0]);
        assert_eq!(
            finally(history(), &[7]),
            ["n0's final read shows 7, and the acknowledged additions make 3"]
        );
    }

    #[test]
    fn a_read_of_more_than_was_ever_begun_is_a_problem() {
        let mut counter = acknowledged(&[3]);
        counter.add_begins(-2);
        read(&mut counter, 10, "n1", -2);
        read(&mut counter, 20, "n1", 3);
        read(&mut counter, 30, "n1", 0);
        read(&mut counter, 40, "n1", 4);
        assert_eq!(
            finally(counter, &[1]),
            ["a read at n1 shows 4, and all additions begun so far allow -2 to 3"]
        );
    }

    #[test]
    fn a_read_may_lag_behind_at_one_node_but_not_go_back_there() {
        let mut counter = acknowledged(&[3, 4]);
        read(&mut counter, 50, "n1", 7);
        read(&mut counter, 60, "n2", 3);
        read(&mut counter, 70, "n2", 4);
        read(&mut counter, 80, "n1", 3);
        assert_eq!(
            finally(counter, &[7]),
            ["reads at n1 go back, from 7 to 3, and nothing was subtracted"]
        );
    }

    #[test]
    fn two_reads_at_once_may_answer_in_any_order() {
        let mut counter = acknowledged(&[3, 4]);
        read(&mut counter, 90, "n1", 7);
        counter.read_ok([80, 100].map(Mark::at), "n1", 3);
        assert_eq!(finally(counter, &[7]), [""; 0]);
    }

    #[test]
    fn a_sum_from_which_something_is_subtracted_may_go_back() {
        let mut counter = acknowledged(&[3, -1]);
        read(&mut counter, 100, "n1", 3);
        read(&mut counter, 110, "n1", 2);
        assert_eq!(finally(counter, &[2]), [""; 0]);
    }

    #[test]
    fn a_history_without_final_reads_proves_nothing() {
        assert_eq!(
            finally(acknowledged(&[1]), &[]),
            ["no node answered its final read"]
        );
    }
}
