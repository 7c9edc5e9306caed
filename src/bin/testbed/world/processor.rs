//! A node's processor on a busy machine: now and then it has none.
//!
//! What the real machine does to the nodes by itself (the stalls that real runs look out for),
//! drawn from the seed. A node's stalls depend on that and its starts alone, so two versions
//! of a node meet the same ones.

use std::time::Duration;

use crate::world::rng::Rng;
use hubcast::time::Instant;

/// When one node gets no processor.
#[derive(Clone, Debug)]
pub struct Processor {
    longest: Duration,
    every: Duration,
    rng: Rng,
    /// Start and end of the present stall, or of the next.
    stall: [Instant; 2],
}

impl Processor {
    /// Stalls of 0 to `longest`, and evenly 0 to twice `every` (which is not 0) from the
    /// end of one to the start of the next.
    pub fn new(node: usize, [longest, every]: [Duration; 2], seed: u64) -> Processor {
        let mut processor = Processor {
            longest,
            every,
            rng: Rng::new(seed, &format!("stalls of n{node}")),
            stall: [Instant::ZERO; 2],
        };
        processor.run(Instant::ZERO);
        processor
    }

    /// It runs at `now`, and draws when it stalls next.
    pub fn run(&mut self, now: Instant) {
        // 1 - fraction is never 0.
        let start = now + self.every.mul_f64(2.0 * (1.0 - self.rng.fraction()));
        self.stall = [start, start + self.longest.mul_f64(self.rng.fraction())];
    }

    /// Until when it is stalled at `now`, which never goes back; `None`: it runs.
    pub fn stalled(&mut self, now: Instant) -> Option<Instant> {
        while self.stall[1] <= now {
            self.run(self.stall[1]);
        }
        (self.stall[0] <= now).then_some(self.stall[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_are_as_long_and_as_far_apart_as_asked_and_each_node_has_its_own() {
        let stalls = |node| {
            let times = [Duration::from_millis(25), Duration::from_secs(2)];
            let mut processor = Processor::new(node, times, 1);
            let looks = (0..2_000_000).map(Instant::from_millis);
            let mut stalls: Vec<(Instant, Duration)> = looks
                .filter_map(|now| processor.stalled(now).map(|end| (end, end - now)))
                .collect();
            stalls.dedup_by_key(|(end, _)| *end);
            stalls
        };
        let own = stalls(3);
        assert!((900..1100).contains(&own.len()), "{} in 2000 s", own.len());
        let mean = own.iter().map(|(_, time)| *time).sum::<Duration>() / own.len() as u32;
        assert!((11..14).contains(&mean.as_millis()), "{mean:?}");
        let longest = own.iter().map(|(_, time)| time.as_millis()).max();
        assert!(
            (23..25).contains(&longest.unwrap_or_default()),
            "{longest:?}"
        );
        assert_ne!(own[0], stalls(4)[0]);
    }
}
