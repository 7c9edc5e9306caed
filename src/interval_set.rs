//! A set of integers that costs memory by the run, not by the value.
//!
//! Broadcast values come in long unbroken runs: 0, 1, 2, ... A set that keeps
//! each run as one pair of ends holds a million of them in a few bytes. A set
//! of single values would take tens of megabytes.
//!
//! ```
//! use hubcast::interval_set::IntervalSet;
//!
//! let mut set = IntervalSet::new();
//! assert!(set.insert(1) && set.insert(3));
//! assert_eq!(set.ranges().count(), 2);
//! assert!(set.insert(2), "2 closes the hole");
//! assert!(!set.insert(2), "and is no news the second time");
//! assert_eq!(set.ranges().collect::<Vec<_>>(), [(1, 3)]);
//! ```

use std::collections::BTreeMap;

use crate::json;

/// A set of `i64`, kept as disjoint ranges that never touch one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// The first value of each range -> its last one. Two ranges always have at least
    /// one absent value between them.
    ranges: BTreeMap<i64, i64>,
    len: u64,
}

impl IntervalSet {
    /// The empty set.
    pub fn new() -> IntervalSet {
        IntervalSet::default()
    }

    /// Adds `value`; says whether it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        self.insert_range(value, value)
    }

    /// Adds all of `first` to `last`; says whether one of them is new. Takes as many
    /// steps as ranges become one by it, however many values they have.
    pub fn insert_range(&mut self, first: i64, mut last: i64) -> bool {
        // From above: the ranges that what is added overlaps or touches.
        while let Some((&from, to)) = self.ranges.range_mut(..=last.saturating_add(1)).next_back()
            && *to >= first.saturating_sub(1)
        {
            if from <= first {
                let more = last.max(*to).abs_diff(*to);
                *to = last.max(*to);
                self.len = self.len.saturating_add(more);
                return more > 0;
            }
            self.len -= from.abs_diff(*to) + 1;
            last = last.max(*to);
            self.ranges.remove(&from);
        }
        self.ranges.insert(first, last);
        let more = first.abs_diff(last).saturating_add(1);
        self.len = self.len.saturating_add(more);
        true
    }

    /// Whether `value` is in the set.
    pub fn contains(&self, value: i64) -> bool {
        let below = self.ranges.range(..=value).next_back();
        below.is_some_and(|(_, &last)| value <= last)
    }

    /// How many values the set holds.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges in ascending order, as (first, last), both included.
    pub fn ranges(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.ranges.iter().map(|(&first, &last)| (first, last))
    }

    /// The values in ascending order, each once.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.ranges().flat_map(|(first, last)| first..=last)
    }

    /// The values outside `ranges`, which are ascending and apart.
    pub fn without(&self, ranges: &[(i64, i64)]) -> Vec<i64> {
        let mut values = Vec::new();
        'own: for (mut first, last) in self.ranges() {
            let reaching = ranges.partition_point(|&(_, to)| to < first);
            for &(from, to) in ranges[reaching..]
                .iter()
                .take_while(|(from, _)| *from <= last)
            {
                values.extend(first..from);
                if to >= last {
                    continue 'own;
                }
                first = to + 1;
            }
            values.extend(first..=last);
        }
        values
    }

    /// Appends the values as a JSON array, ascending.
    pub fn encode(&self, out: &mut Vec<u8>) {
        json::encode_ranges(self.ranges(), out);
    }
}

impl FromIterator<i64> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> IntervalSet {
        let mut set = IntervalSet::new();
        for value in values {
            set.insert(value);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Numbers that look drawn: a linear congruential generator (Knuth's MMIX).
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, bound: u64) -> u64 {
            let (factor, term) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
            self.0 = self.0.wrapping_mul(factor).wrapping_add(term);
            ((u128::from(self.0) * u128::from(bound)) >> 64) as u64
        }
    }

    fn set(values: &[i64]) -> IntervalSet {
        values.iter().copied().collect()
    }

    #[test]
    fn a_dense_run_is_one_range_however_it_arrives() {
        for order in [[1, 2, 3, 4], [4, 3, 2, 1], [1, 3, 2, 4], [4, 1, 3, 2]] {
            assert_eq!(set(&order).ranges().collect::<Vec<_>>(), [(1, 4)]);
        }
    }

    #[test]
    fn ranges_that_are_put_back_make_the_set_that_they_came_from() {
        let mut draw = Draw(7);
        let values: Vec<i64> = (0..3000).map(|_| draw.below(9000) as i64 - 99).collect();
        let set = set(&values);
        let mut again = IntervalSet::new();
        for (first, last) in set.ranges() {
            again.insert_range(first, last);
        }
        assert_eq!(again, set);
        let mut shuffled = IntervalSet::new();
        for (first, last) in set.ranges().chain(set.ranges()).skip(99) {
            shuffled.insert_range(first, last);
        }
        assert_eq!(shuffled, set, "in any order, and twice");
    }

    #[test]
    fn a_clone_keeps_what_it_was_when_the_set_goes_on() {
        let mut set = set(&[1, 2, 9]);
        let before = set.clone();
        assert!(set.insert(3));
        assert_eq!(before.ranges().collect::<Vec<_>>(), [(1, 2), (9, 9)]);
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(1, 3), (9, 9)]);
    }

    #[test]
    fn far_apart_values_in_any_order_join_to_one_range_when_the_holes_are_filled() {
        let even = (0..5000).map(|value| 2 * value);
        let odd = (0..5000).map(|value| 2 * value + 1);
        for descending in [false, true] {
            let order = |values: Vec<i64>| -> Vec<i64> {
                if descending {
                    values.into_iter().rev().collect()
                } else {
                    values
                }
            };
            let mut set: IntervalSet = order(even.clone().collect()).into_iter().collect();
            assert_eq!(set.ranges().count(), 5000);
            assert!(
                order(odd.clone().collect())
                    .into_iter()
                    .all(|v| set.insert(v))
            );
            assert_eq!(set.ranges().collect::<Vec<_>>(), [(0, 9999)]);
        }
    }

    #[test]
    fn a_value_in_the_set_is_no_news() {
        let mut set = set(&[5, 6, 7]);
        assert!(!set.insert(5) && !set.insert(6) && !set.insert(7));
        assert_eq!(set.len(), 3);
    }

    #[test]
    fn the_ends_of_i64_have_no_neighbours_beyond() {
        let mut set = set(&[i64::MAX, i64::MIN]);
        assert!(!set.insert(i64::MAX) && !set.insert(i64::MIN));
        assert!(set.insert(i64::MAX - 1) && set.insert(i64::MIN + 1));
        assert_eq!(
            set.ranges().collect::<Vec<_>>(),
            [(i64::MIN, i64::MIN + 1), (i64::MAX - 1, i64::MAX)]
        );
        assert_eq!(set.iter().last(), Some(i64::MAX));
    }

    #[test]
    fn what_lies_outside_some_ranges_is_what_a_filter_finds() {
        for seed in 0..200 {
            let mut rng = Draw(seed);
            let held: IntervalSet = (0..60).map(|_| rng.below(100) as i64).collect();
            let other: IntervalSet = (0..60).map(|_| rng.below(100) as i64).collect();
            let ranges: Vec<_> = other.ranges().collect();
            let naive: Vec<i64> = held
                .iter()
                .filter(|&value| !other.contains(value))
                .collect();
            assert_eq!(held.without(&ranges), naive, "seed {seed}");
        }
        let ends = set(&[i64::MIN, 0, i64::MAX]);
        assert_eq!(ends.without(&[(i64::MIN, 5)]), [i64::MAX]);
        assert_eq!(ends.without(&[(i64::MIN, i64::MAX)]), []);
        assert_eq!(ends.without(&[(1, i64::MAX)]), [i64::MIN, 0]);
    }

    #[test]
    fn it_agrees_with_a_naive_set_after_every_insert() {
        for seed in 0..50 {
            let mut rng = Draw(seed);
            // Small universes join and split often; big ones stay sparse.
            let universe = [8, 64, 10_000, u64::MAX][(seed % 4) as usize];
            let mut fast = IntervalSet::new();
            let mut naive = BTreeSet::new();
            for _ in 0..[400, 400, 2000, 5000][(seed % 4) as usize] {
                let value = rng.below(universe) as i64;
                assert_eq!(fast.insert(value), naive.insert(value), "seed {seed}");
                assert_eq!(fast.len(), naive.len() as u64, "seed {seed}");
                let near = value.wrapping_add(1);
                assert_eq!(fast.contains(near), naive.contains(&near), "seed {seed}");
            }
            assert!(fast.iter().eq(naive.iter().copied()), "seed {seed}");
            let ranges: Vec<_> = fast.ranges().collect();
            assert!(
                ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0),
                "seed {seed}: ranges that touch must be one: {ranges:?}"
            );
        }
    }
}
