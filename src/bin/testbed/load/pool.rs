//! The keys that clients work on: a few at a time, and fresh ones all the time.
//!
//! Maelstrom draws keys in the same way for `kafka` and `txn-rw-register`
//! (`elle.txn/wr-txns`). Each key of the pool is twice as likely as the one before it,
//! so some are fought over and some are hardly used. A key that was written to often
//! enough makes room for a fresh one.

use super::Draws;
use crate::world::rng::Rng;

/// Keys 0, 1, 2, ...
#[derive(Debug)]
pub struct Pool {
    /// The keys in use and how often each was written to.
    active: Vec<(i64, i64)>,
    /// The key that comes next.
    next: i64,
    max_writes: i64,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new(Draws::default())
    }
}

impl Pool {
    /// So many keys, none of them written to.
    pub fn new(draws: Draws) -> Pool {
        let next = draws.keys as i64;
        Pool {
            active: (0..next).map(|key| (key, 0)).collect(),
            next,
            max_writes: draws.max_writes as i64,
        }
    }

    /// How many keys there were so far: they are those from 0 up to, not including, this.
    pub fn keys(&self) -> i64 {
        self.next
    }

    /// The keys in use.
    pub fn active(&self) -> impl Iterator<Item = i64> + '_ {
        self.active.iter().map(|(key, _)| *key)
    }

    fn place(&self, rng: &mut Rng) -> usize {
        // From 2 up to 2^(keys + 1): one number in two has the highest bit set, ...
        let drawn = 2 + rng.below((2 << self.active.len()) - 2);
        drawn.ilog2() as usize - 1
    }

    /// A key to read.
    pub fn read(&self, rng: &mut Rng) -> i64 {
        self.active[self.place(rng)].0
    }

    /// A key to write to, and which write to it this is, from 1.
    pub fn write(&mut self, rng: &mut Rng) -> (i64, i64) {
        let place = self.place(rng);
        let slot = &mut self.active[place];
        if slot.1 == self.max_writes {
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

    const KEYS: usize = 10;

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
            assert!((1..=16).contains(&value));
            assert!(writes.insert((key, value)), "a value is unique for its key");
        }
        assert!(pool.keys() > 60);
        assert_eq!(pool.active().count(), KEYS);
    }

    #[test]
    fn as_many_keys_as_asked_for_are_in_use_and_each_is_written_to_as_often() {
        let draws = Draws {
            keys: 3,
            max_writes: 2,
            ..Draws::default()
        };
        let (mut pool, mut rng) = (Pool::new(draws), Rng::new(1, "pool"));
        let writes: Vec<_> = (0..100).map(|_| pool.write(&mut rng)).collect();
        assert!(writes.iter().all(|&(_, write)| write <= 2), "{writes:?}");
        assert!(pool.keys() > 40, "{writes:?}");
        assert_eq!(pool.active().count(), 3);
    }
}
