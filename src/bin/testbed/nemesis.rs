//! The nemesis: who is cut off from whom, and when.
//!
//! Starts and stops alternate at gaps drawn evenly from 0 to twice the interval,
//! as in Jepsen. Four of the five kinds are Jepsen's; the fifth, the hub alone,
//! is the worst that can happen to a hub tree.

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
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] = [
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

/// The sequence of gaps and kinds of one run.
#[derive(Debug)]
pub struct Nemesis {
    interval: Duration,
    rng: Rng,
}

impl Nemesis {
    /// The nemesis of the run with this seed.
    pub fn new(interval: Duration, seed: u64) -> Nemesis {
        Nemesis {
            interval,
            rng: Rng::new(seed, "nemesis"),
        }
    }

    /// The time until the next start or stop.
    pub fn gap(&mut self) -> Duration {
        self.interval.mul_f64(2.0 * self.rng.fraction())
    }

    /// The next partition: its kind and the directions that it forbids.
    pub fn partition(&mut self, nodes: usize) -> (Kind, Vec<(usize, usize)>) {
        let kind = Kind::ALL[self.rng.below(Kind::ALL.len() as u64) as usize];
        (kind, kind.directions(nodes, &mut self.rng))
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
    fn every_kind_leaves_a_single_node_alone() {
        for kind in Kind::ALL {
            assert_eq!(kind.directions(1, &mut Rng::new(1, "test")), []);
        }
    }
}
