//! The keys that clients work on: a few at a time, and fresh ones all the time.
//!
//! As Maelstrom draws them for `kafka` and `txn-rw-register` (`elle.txn/wr-txns`): each
//! key of the pool is twice as likely as the one before it, so that some are fought over
//! and some are hardly used; one that was written to often enough makes room for a
//! fresh one.

use crate::world::rng::Rng;

/// How many keys are in use at a time; Elle's default for this distribution.
pub const KEYS: usize = 10;

/// How often a key is written to before it makes room for a fresh one; Maelstrom's default.
const MAX_WRITES: i64 = 16;

/// Keys 0, 1, 2, ...
#[derive(Debug)]
pub struct Pool {
    /// The keys in use and how often each was written to.
    active: [(i64, i64); KEYS],
    /// The key that comes next.
    next: i64,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool {
            active: std::array::from_fn(|index| (index as i64, 0)),
            next: KEYS as i64,
        }
    }
}

impl Pool {
    /// How many keys there were so far: they are those from 0 up to, not including, this.
    pub fn keys(&self) -> i64 {
        self.next
    }

    /// The keys in use.
    pub fn active(&self) -> impl Iterator<Item = i64> + '_ {
        self.active.iter().map(|(key, _)| *key)
    }

    fn place(rng: &mut Rng) -> usize {
        // From 2 up to 2^(KEYS + 1): one number in two has the highest bit set, ...
        let drawn = 2 + rng.below((2 << KEYS) - 2);
        drawn.ilog2() as usize - 1
    }

    /// A key to read.
    pub fn read(&self, rng: &mut Rng) -> i64 {
        self.active[Pool::place(rng)].0
    }

    /// A key to write to, and which write to it this is, from 1.
    pub fn write(&mut self, rng: &mut Rng) -> (i64, i64) {
        let slot = &mut self.active[Pool::place(rng)];
        if slot.1 == MAX_WRITES {
            *slot = (self.next, 0);
            self.next += 1;
        }
        slot.1 += 1;
        *slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_twice_as_likely_as_the_one_before_and_fresh_ones_follow() {
        let (mut pool, mut rng) = (Pool::default(), Rng::new(1, "pool"));
        let mut counts = [0; KEYS];
        for _ in 0..10_000 {
            counts[pool.read(&mut rng) as usize] += 1;
        }
        assert!((4700..5300).contains(&counts[KEYS - 1]), "{counts:?}");
        assert!((2300..2700).contains(&counts[KEYS - 2]), "{counts:?}");
        assert!(counts[0] > 0, "{counts:?}");
        let mut writes = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let (key, value) = pool.write(&mut rng);
            assert!((1..=MAX_WRITES).contains(&value));
            assert!(writes.insert((key, value)), "a value is unique for its key");
        }
        assert!(pool.keys() > 60);
        assert_eq!(pool.active().count(), KEYS);
    }
}
