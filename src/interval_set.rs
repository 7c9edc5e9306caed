//! A set of integers that costs memory by the run, not by the value.
//!
//! Broadcast values come in long unbroken runs: 0, 1, 2, ... A set that keeps
//! each run as one pair of ends holds a million of them in a few bytes, where
//! a set of single values would take tens of megabytes. Values that are all
//! far apart cost one tree entry each, as in any ordered set.
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
use std::ops::RangeInclusive;

use crate::json;

/// A set of `i64`, kept as disjoint ranges that never touch one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// First value of a range -> last value of it (both included). Two ranges
    /// always have at least one absent value between them.
    ranges: BTreeMap<i64, i64>,
    len: u64,
}

impl IntervalSet {
    /// The empty set.
    pub fn new() -> IntervalSet {
        IntervalSet::default()
    }

    /// Adds `value`; says whether it is new. O(log ranges).
    pub fn insert(&mut self, value: i64) -> bool {
        let below = self.ranges.range_mut(..=value).next_back();
        // A range that starts right above `value` is swallowed by what `value`
        // joins. There is nothing above i64::MAX.
        let above = value.checked_add(1);
        match below {
            Some((_, last)) if value <= *last => return false,
            Some((_, last)) if value - 1 == *last => {
                *last = value;
                let first_above = above.and_then(|first| self.ranges.remove(&first));
                if let Some(last_above) = first_above {
                    // The range below is still the last one that starts at or below `value`.
                    if let Some((_, last)) = self.ranges.range_mut(..=value).next_back() {
                        *last = last_above;
                    }
                }
            }
            _ => {
                let last = above
                    .and_then(|first| self.ranges.remove(&first))
                    .unwrap_or(value);
                self.ranges.insert(value, last);
            }
        }
        self.len += 1;
        true
    }

    /// Whether `value` is in the set.
    pub fn contains(&self, value: i64) -> bool {
        matches!(self.ranges.range(..=value).next_back(), Some((_, last)) if value <= *last)
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
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    /// The values in ascending order, each once.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.ranges()
            .flat_map(|(first, last)| RangeInclusive::new(first, last))
    }
}

impl IntervalSet {
    /// Appends the values as a JSON array, ascending.
    pub fn encode(&self, out: &mut Vec<u8>) {
        json::list(out, self.iter(), json::encode_int);
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
    fn it_agrees_with_a_naive_set_after_every_insert() {
        for seed in 0..50 {
            let mut rng = Draw(seed);
            // Small universes join and split often; big ones stay sparse.
            let universe = [8, 64, 1000, u64::MAX][(seed % 4) as usize];
            let mut fast = IntervalSet::new();
            let mut naive = BTreeSet::new();
            for _ in 0..400 {
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
