//! The simulated network between nodes: latency, loss, duplication, cuts, doors.
//!
//! As in Maelstrom, latency counts from server to server only, loss strikes when
//! a message is sent, and a cut when it would be delivered, per direction.

use std::time::Duration;

use crate::world::rng::Rng;
use hubcast::time::Instant;

/// How latencies spread around their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Always the mean.
    Constant,
    /// Evenly from 0 to twice the mean.
    Uniform,
    /// Exponential: many short, a few very long.
    Exponential,
    /// The mean is the least. Each message is later by what a busy JVM adds, as on the
    /// real Maelstrom: mostly 0 to 2 ms, now and then much more.
    Jvm,
}

/// Which share of the messages a [JVM](Distribution::Jvm) delays for long.
///
/// With the mean below it puts the 99th percentile some 13 ms and the greatest of
/// thousands of delays 40 to 90 ms above the latency. Measured on the real Maelstrom: 3 to
/// 57 ms, and 11 to 87.
const JVM_LONG: f64 = 0.03;

/// How long a JVM delays the other messages, at most.
const JVM_SHORT: Duration = Duration::from_millis(2);

/// How much longer, on average, those that are delayed for long.
const JVM_MEAN: Duration = Duration::from_millis(10);

/// The longest delay by a JVM.
pub const JVM_MAX: Duration = Duration::from_millis(90);

impl Distribution {
    /// All of them.
    pub const ALL: [Distribution; 4] = [
        Distribution::Constant,
        Distribution::Uniform,
        Distribution::Exponential,
        Distribution::Jvm,
    ];

    /// The name on the command line, Maelstrom's too but for the last.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::Constant => "constant",
            Distribution::Uniform => "uniform",
            Distribution::Exponential => "exponential",
            Distribution::Jvm => "jvm",
        }
    }
}

/// What a network is like.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The mean latency between two nodes.
    pub latency: Duration,
    /// How latencies spread around that.
    pub latency_dist: Distribution,
    /// The chance of a message to be lost, and to arrive twice; 0 to 1.
    pub loss: f64,
    /// See `loss`.
    pub duplicate: f64,
    /// How long a node's inbox takes for each message, one after another.
    pub service: Duration,
}

/// Decides what becomes of each message.
#[derive(Debug)]
pub struct Network {
    nodes: usize,
    weather: Weather,
    rng: Rng,
    /// For each (destination, source) how many cuts forbid it; cuts may overlap.
    cuts: Vec<u8>,
    /// For each node, from when on its inbox takes the next message.
    doors: Vec<Instant>,
}

impl Network {
    /// An uncut network between so many nodes.
    pub fn new(nodes: usize, weather: Weather, seed: u64) -> Network {
        Network {
            nodes,
            weather,
            rng: Rng::new(seed, "network"),
            cuts: vec![0; nodes * nodes],
            doors: vec![Instant::ZERO; nodes],
        }
    }

    /// After which delays a message arrives that is sent now: never (lost),
    /// once, or twice (duplicated).
    pub fn send(&mut self) -> [Option<Duration>; 2] {
        if self.rng.chance(self.weather.loss) {
            return [None, None];
        }
        let first = self.delay();
        let second = self
            .rng
            .chance(self.weather.duplicate)
            .then(|| self.delay());
        [Some(first), second]
    }

    /// When a message that arrives at `dest` at `now` is handed over. One follows
    /// another, in the order of arrival, and each keeps the door busy for a while.
    /// `None`: at once, as there is no door.
    pub fn door(&mut self, now: Instant, dest: usize) -> Option<Instant> {
        if self.weather.service.is_zero() {
            return None;
        }
        let turn = now.max(self.doors[dest]);
        self.doors[dest] = turn + self.weather.service;
        Some(turn)
    }

    fn delay(&mut self) -> Duration {
        let fraction = self.rng.fraction();
        match self.weather.latency_dist {
            Distribution::Constant => self.weather.latency,
            Distribution::Uniform => self.weather.latency.mul_f64(2.0 * fraction),
            // The inverse of the distribution function; 1 - fraction is never 0.
            Distribution::Exponential => self.weather.latency.mul_f64(-(1.0 - fraction).ln()),
            Distribution::Jvm => {
                let rest = 1.0 - fraction;
                let late = match rest < JVM_LONG {
                    true => JVM_SHORT + JVM_MEAN.mul_f64(-(rest / JVM_LONG).ln()),
                    false => JVM_SHORT.mul_f64(fraction / (1.0 - JVM_LONG)),
                };
                self.weather.latency + late.min(JVM_MAX)
            }
        }
    }

    /// Whether messages from `src` are dropped at `dest` now.
    pub fn is_cut(&self, src: usize, dest: usize) -> bool {
        self.cuts[dest * self.nodes + src] > 0
    }

    /// Drops what goes along these directions (source, destination) from now on.
    pub fn cut(&mut self, directions: &[(usize, usize)]) {
        for &(src, dest) in directions {
            self.cuts[dest * self.nodes + src] += 1;
        }
    }

    /// Takes back one [`cut`](Network::cut) of the same directions.
    pub fn heal(&mut self, directions: &[(usize, usize)]) {
        for &(src, dest) in directions {
            self.cuts[dest * self.nodes + src] -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network of 100 ms, changed.
    fn network(change: impl FnOnce(&mut Weather)) -> Network {
        let mut weather = Weather {
            latency: Duration::from_millis(100),
            latency_dist: Distribution::Constant,
            loss: 0.0,
            duplicate: 0.0,
            service: Duration::ZERO,
        };
        change(&mut weather);
        Network::new(25, weather, 1)
    }

    fn mean_and_max(mut network: Network) -> (f64, f64) {
        let delays: Vec<f64> = (0..20_000)
            .map(|_| network.send()[0].expect("no loss").as_secs_f64() * 1000.0)
            .collect();
        let max = delays.iter().copied().fold(0.0, f64::max);
        (delays.iter().sum::<f64>() / delays.len() as f64, max)
    }

    #[test]
    fn each_distribution_has_the_mean_that_was_asked_for() {
        assert_eq!(mean_and_max(network(|_| ())), (100.0, 100.0));
        let (mean, max) = mean_and_max(network(|o| o.latency_dist = Distribution::Uniform));
        assert!(
            (98.0..102.0).contains(&mean) && (195.0..200.0).contains(&max),
            "{mean} {max}"
        );
        let (mean, max) = mean_and_max(network(|o| o.latency_dist = Distribution::Exponential));
        assert!((97.0..103.0).contains(&mean) && max > 600.0, "{mean} {max}");
    }

    #[test]
    fn a_jvm_adds_a_millisecond_or_two_and_to_one_message_in_a_hundred_much_more() {
        let mut network = network(|o| o.latency_dist = Distribution::Jvm);
        let mut delays: Vec<f64> = (0..100_000)
            .map(|_| network.send()[0].expect("no loss").as_secs_f64() * 1000.0)
            .collect();
        let max = |run: &[f64]| run.iter().copied().fold(0.0, f64::max);
        let few = delays.chunks(1000).map(max).fold(f64::MAX, f64::min);
        assert!(few >= 115.0, "the maximum of a short run: {few}");
        delays.sort_by(f64::total_cmp);
        let [least, p95, p99, max] = [0, 95_000, 99_000, 99_999].map(|rank| delays[rank]);
        assert!(least >= 100.0 && p95 <= 102.0, "{least} {p95}");
        assert!((105.0..125.0).contains(&p99), "{p99}");
        assert!((170.0..=190.0).contains(&max), "{max}");
    }

    #[test]
    fn loss_and_duplication_strike_as_often_as_asked() {
        let mut network = network(|o| (o.loss, o.duplicate) = (0.1, 0.2));
        let copies: Vec<usize> = (0..20_000)
            .map(|_| network.send().iter().flatten().count())
            .collect();
        let share = |n| copies.iter().filter(|&&c| c == n).count() as f64 / 20_000.0;
        assert!((0.09..0.11).contains(&share(0)), "{}", share(0));
        assert!((0.17..0.19).contains(&share(2)), "{}", share(2));
    }

    #[test]
    fn a_door_hands_over_one_message_after_another_and_each_node_has_its_own() {
        let mut network = network(|o| o.service = Duration::from_micros(500));
        let mut door = |micros, dest| {
            let turn = network.door(Instant::from_micros(micros), dest);
            turn.expect("a door").as_micros()
        };
        let turns = [door(1000, 0), door(1000, 0), door(1100, 0)];
        assert_eq!(turns, [1000, 1500, 2000]);
        assert_eq!(door(1100, 1), 1100, "another node's door");
        assert_eq!(door(9000, 0), 9000, "the door has been free for long");
    }

    #[test]
    fn without_a_service_time_there_is_no_door() {
        assert_eq!(network(|_| ()).door(Instant::from_millis(7), 0), None);
    }

    #[test]
    fn cuts_have_a_direction_and_may_overlap() {
        let mut network = network(|_| ());
        network.cut(&[(1, 2)]);
        network.cut(&[(1, 2), (2, 3)]);
        assert!(network.is_cut(1, 2) && !network.is_cut(2, 1));
        network.heal(&[(1, 2)]);
        assert!(network.is_cut(1, 2), "one of two cuts is left");
        network.heal(&[(1, 2), (2, 3)]);
        assert!(!network.is_cut(1, 2) && !network.is_cut(2, 3));
    }
}
