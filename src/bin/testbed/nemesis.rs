//! The nemesis: who is cut off from whom, and when.
//!
//! Starts and stops alternate at pauses drawn evenly from half the interval to one
//! and a half. (Jepsen draws from 0 to two: the same mean, but there some
//! partitions end before anybody notices, and some begin before the last one is
//! got over.) Kinds come in a drawn order, each once before any comes again, so
//! that a short run shows many. Four of the six are Jepsen's. The hub alone is
//! the worst that can happen to a hub tree; one direction only is what a
//! half-broken cable or a wrong firewall rule does.

use std::time::Duration;

use crate::rng::Rng;

/// A kind of partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One random node alone.
    One,
    /// A random third, rounded down, against the rest.
    MinorityThird,
    /// Two random halves.
    Majority,
    /// Every node sees a majority, and no two see the same one.
    MajoritiesRing,
    /// The root hub alone.
    Hub,
    /// A random half, the hub in it or not, is not heard by the others, and
    /// hears them.
    OneWay,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] = [
        Kind::One,
        Kind::MinorityThird,
        Kind::Majority,
        Kind::MajoritiesRing,
        Kind::Hub,
        Kind::OneWay,
    ];

    /// The kinds with a structure. The torture draws from these; its one-way cuts
    /// have none.
    pub const STRUCTURED: [Kind; 5] = [
        Kind::One,
        Kind::MinorityThird,
        Kind::Majority,
        Kind::MajoritiesRing,
        Kind::Hub,
    ];

    /// The name in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::One => "one",
            Kind::MinorityThird => "minority-third",
            Kind::Majority => "majority",
            Kind::MajoritiesRing => "majorities-ring",
            Kind::Hub => "hub",
            Kind::OneWay => "one-way",
        }
    }

    /// The directions (source, destination) that this partition of `nodes`
    /// nodes forbids.
    pub fn directions(self, nodes: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
        let mut order: Vec<usize> = (0..nodes).collect();
        rng.shuffle(&mut order);
        match self {
            Kind::One => split(&order, 1),
            Kind::MinorityThird => split(&order, (nodes.saturating_sub(1) / 3).max(1)),
            Kind::Majority => split(&order, nodes / 2),
            Kind::Hub => split(&(0..nodes).collect::<Vec<_>>(), 1),
            Kind::OneWay => {
                let (mute, others) = order.split_at(nodes / 2);
                let pairs = mute
                    .iter()
                    .flat_map(|&a| others.iter().map(move |&b| (a, b)));
                pairs.collect()
            }
            Kind::MajoritiesRing => {
                // Around a ring, each node sees itself and its nearest ones on
                // both sides, a majority together.
                let majority = nodes / 2 + 1;
                let before = majority / 2;
                let mut directions = Vec::new();
                for (here, &dest) in order.iter().enumerate() {
                    for step in majority..nodes {
                        let there = (here + nodes - before + step) % nodes;
                        directions.push((order[there], dest));
                    }
                }
                directions
            }
        }
    }
}

/// Both directions between the first `count` of `order` and the others.
fn split(order: &[usize], count: usize) -> Vec<(usize, usize)> {
    let (one, other) = order.split_at(count.min(order.len()));
    let pairs = one.iter().flat_map(|&a| other.iter().map(move |&b| (a, b)));
    pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
}

/// The sequence of pauses and kinds of one run.
#[derive(Debug)]
pub struct Nemesis {
    interval: Duration,
    rng: Rng,
    /// The kinds that come next, the last one first.
    deck: Vec<Kind>,
    last: Option<Kind>,
}

impl Nemesis {
    /// The nemesis of the run with this seed.
    pub fn new(interval: Duration, seed: u64) -> Nemesis {
        Nemesis {
            interval,
            rng: Rng::new(seed, "nemesis"),
            deck: Vec::new(),
            last: None,
        }
    }

    /// The time until the next start or stop.
    pub fn pause(&mut self) -> Duration {
        self.interval.mul_f64(0.5 + self.rng.fraction())
    }

    /// The next partition: its kind and the directions that it forbids.
    pub fn partition(&mut self, nodes: usize) -> (Kind, Vec<(usize, usize)>) {
        let kind = self.kind();
        (kind, kind.directions(nodes, &mut self.rng))
    }
}

impl Nemesis {
    /// The next kind: never the same one twice in a row.
    fn kind(&mut self) -> Kind {
        loop {
            if self.deck.is_empty() {
                self.deck = Kind::ALL.to_vec();
                self.rng.shuffle(&mut self.deck);
            }
            match self.deck.pop() {
                Some(kind) if self.last != Some(kind) => {
                    self.last = Some(kind);
                    return kind;
                }
                // A new deck that begins with the last one's end: shuffle again.
                _ => self.deck.clear(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// For each node, how many nodes it hears, itself included.
    fn audiences(kind: Kind, nodes: usize) -> Vec<usize> {
        let cut: BTreeSet<_> = kind
            .directions(nodes, &mut Rng::new(7, "test"))
            .into_iter()
            .collect();
        let hears = |dest| {
            (0..nodes)
                .filter(|&src| !cut.contains(&(src, dest)))
                .count()
        };
        (0..nodes).map(hears).collect()
    }

    #[test]
    fn splits_have_the_sizes_of_their_names() {
        let sorted = |kind| {
            let mut sizes = audiences(kind, 25);
            sizes.sort_unstable();
            sizes
        };
        assert_eq!(sorted(Kind::One)[..2], [1, 24]);
        assert_eq!(sorted(Kind::MinorityThird)[7..9], [8, 17]);
        assert_eq!(sorted(Kind::Majority)[11..13], [12, 13]);
        assert_eq!(audiences(Kind::Hub, 25)[..2], [1, 24], "the hub is node 0");
    }

    #[test]
    fn in_a_majorities_ring_everyone_hears_a_majority_and_no_two_the_same() {
        for nodes in 3..30 {
            assert!(
                audiences(Kind::MajoritiesRing, nodes)
                    .iter()
                    .all(|&n| n == nodes / 2 + 1)
            );
        }
        let cut = Kind::MajoritiesRing.directions(25, &mut Rng::new(7, "test"));
        let views: BTreeSet<Vec<usize>> = (0..25)
            .map(|dest| (0..25).filter(|&src| !cut.contains(&(src, dest))).collect())
            .collect();
        assert_eq!(views.len(), 25);
    }

    #[test]
    fn one_way_is_one_way() {
        let cut = Kind::OneWay.directions(25, &mut Rng::new(7, "test"));
        assert_eq!(cut.len(), 12 * 13);
        assert!(cut.iter().all(|&(src, dest)| !cut.contains(&(dest, src))));
    }

    #[test]
    fn all_kinds_come_before_any_comes_again_and_none_twice_in_a_row() {
        for seed in 0..100 {
            let mut nemesis = Nemesis::new(Duration::from_secs(2), seed);
            let kinds: Vec<Kind> = (0..60).map(|_| nemesis.partition(25).0).collect();
            for round in kinds.chunks(Kind::ALL.len()) {
                let names: BTreeSet<_> = round.iter().map(|kind| kind.name()).collect();
                assert_eq!(names.len(), Kind::ALL.len(), "seed {seed}: {round:?}");
            }
            assert!(kinds.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }

    #[test]
    fn pauses_have_the_mean_that_was_asked_for_and_are_never_very_short() {
        let mut nemesis = Nemesis::new(Duration::from_secs(2), 1);
        let pauses: Vec<f64> = (0..10_000).map(|_| nemesis.pause().as_secs_f64()).collect();
        let mean = pauses.iter().sum::<f64>() / pauses.len() as f64;
        assert!((1.95..2.05).contains(&mean), "{mean}");
        assert!(pauses.iter().all(|pause| (1.0..3.0).contains(pause)));
    }

    #[test]
    fn every_kind_leaves_a_single_node_alone() {
        for kind in Kind::ALL {
            assert_eq!(kind.directions(1, &mut Rng::new(1, "test")), []);
        }
    }
}
