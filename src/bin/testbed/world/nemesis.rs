//! The nemesis: who is cut off from whom, killed or paused, and when.
//!
//! Starts and stops alternate at pauses drawn evenly from half the interval to one
//! and a half. (Jepsen draws from 0 to two. The mean is the same, but there some partitions
//! end before anybody notices, and some begin before the last one is got over.) Kinds come in
//! a drawn order. Each comes once before any comes again, so a short run shows many. Four of
//! the six that are drawn are Jepsen's. The hub alone is the worst that can happen to a hub
//! tree; one direction only is what a half-broken cable or a wrong firewall rule does.
//!
//! With several tools their faults come in turn, and one in four gets company: a
//! fault of another kind begins before it ends. (Jepsen has an independent sequence a
//! tool; then something is nearly always wrong, and no recovery is seen.)

use std::time::Duration;

use crate::world::rng::Rng;

/// A kind of partition. The first six are drawn; the others come only where they are
/// asked for.
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
    /// The first three nodes of the list, who hear each other, against the rest.
    FirstThree,
    /// The hub is heard by nobody, and hears all.
    HubUnheard,
    /// The hub hears nobody, and is heard by all.
    HubDeaf,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 9] = [
        Kind::One,
        Kind::MinorityThird,
        Kind::Majority,
        Kind::MajoritiesRing,
        Kind::Hub,
        Kind::OneWay,
        Kind::FirstThree,
        Kind::HubUnheard,
        Kind::HubDeaf,
    ];

    /// How many of them are drawn, the first ones.
    const DRAWN: usize = 6;

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
            Kind::FirstThree => "first-three",
            Kind::HubUnheard => "hub-unheard",
            Kind::HubDeaf => "hub-deaf",
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
            Kind::FirstThree => split(&(0..nodes).collect::<Vec<_>>(), 3),
            Kind::HubUnheard => (1..nodes).map(|other| (0, other)).collect(),
            Kind::HubDeaf => (1..nodes).map(|other| (other, 0)).collect(),
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

/// What the nemesis does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Cuts the network.
    Partition,
    /// Kills nodes, and starts them again.
    Kill,
    /// Stops nodes where they are, and lets them go on.
    Pause,
}

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 3] = [Tool::Partition, Tool::Kill, Tool::Pause];

    /// The name on the command line, Maelstrom's too.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Partition => "partition",
            Tool::Kill => "kill",
            Tool::Pause => "pause",
        }
    }

    /// The names of its kinds of faults.
    pub fn kinds(self) -> Vec<&'static str> {
        match self {
            Tool::Partition => Kind::ALL.map(Kind::name).into(),
            Tool::Kill | Tool::Pause => Victims::ALL.map(Victims::name).into(),
        }
    }
}

/// Who is killed or paused. The first four kinds are drawn; the others come only where
/// they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victims {
    /// One random node.
    One,
    /// A random third, rounded down.
    Minority,
    /// The least random majority.
    Majority,
    /// All nodes at once.
    All,
    /// The root hub.
    Hub,
    /// The first three nodes of the list.
    FirstThree,
}

impl Victims {
    /// All kinds.
    pub const ALL: [Victims; 6] = [
        Victims::One,
        Victims::Minority,
        Victims::Majority,
        Victims::All,
        Victims::Hub,
        Victims::FirstThree,
    ];

    /// How many of them are drawn, the first ones.
    const DRAWN: usize = 4;

    /// The name in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Victims::One => "one",
            Victims::Minority => "minority",
            Victims::Majority => "majority",
            Victims::All => "all",
            Victims::Hub => "hub",
            Victims::FirstThree => "first-three",
        }
    }

    /// Who they are, of so many nodes, ascending.
    fn draw(self, nodes: usize, rng: &mut Rng) -> Vec<usize> {
        let mut order: Vec<usize> = (0..nodes).collect();
        if !matches!(self, Victims::Hub | Victims::FirstThree) {
            rng.shuffle(&mut order);
        }
        order.truncate(match self {
            Victims::One | Victims::Hub => 1,
            Victims::FirstThree => 3,
            Victims::Minority => (nodes.saturating_sub(1) / 3).max(1),
            Victims::Majority => nodes / 2 + 1,
            Victims::All => nodes,
        });
        order.sort_unstable();
        order
    }
}

/// A fault that begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Strike {
    /// These directions are cut.
    Partition(Kind, Vec<(usize, usize)>),
    /// These nodes are killed.
    Kill(Victims, Vec<usize>),
    /// These nodes are paused.
    Pause(Victims, Vec<usize>),
}

impl Strike {
    /// What is done.
    pub fn tool(&self) -> Tool {
        match self {
            Strike::Partition(..) => Tool::Partition,
            Strike::Kill(..) => Tool::Kill,
            Strike::Pause(..) => Tool::Pause,
        }
    }

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Strike::Partition(kind, _) => kind.name(),
            Strike::Kill(victims, _) | Strike::Pause(victims, _) => victims.name(),
        }
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A fault begins.
    Begin(Strike),
    /// The fault of this tool ends.
    End(Tool),
}

/// Kinds in a drawn order, each once before any comes again, and never the same one
/// twice in a row.
#[derive(Debug)]
struct Deck<T> {
    all: Vec<T>,
    /// Those that come next, the last one first.
    cards: Vec<T>,
    last: Option<T>,
}

impl<T: Copy + PartialEq> Deck<T> {
    fn new(all: &[T]) -> Deck<T> {
        Deck {
            all: all.to_vec(),
            cards: Vec::new(),
            last: None,
        }
    }

    fn draw(&mut self, rng: &mut Rng) -> T {
        if let [only] = self.all[..] {
            return only;
        }
        loop {
            if self.cards.is_empty() {
                self.cards.clone_from(&self.all);
                rng.shuffle(&mut self.cards);
            }
            match self.cards.pop() {
                Some(card) if self.last != Some(card) => {
                    self.last = Some(card);
                    return card;
                }
                // A new deck that begins with the last one's end: shuffle again.
                _ => self.cards.clear(),
            }
        }
    }
}

/// How often a fault of another kind begins before the one that stands ends, where
/// there are several tools. Most have their own recovery then, and some come together.
const COMPANY: f64 = 0.25;

/// The sequence of pauses and faults of one run.
#[derive(Debug)]
pub struct Nemesis {
    interval: Duration,
    rng: Rng,
    tools: Deck<Tool>,
    partitions: Deck<Kind>,
    kills: Deck<Victims>,
    pauses: Deck<Victims>,
    /// The faults that stand, the oldest first.
    standing: Vec<Tool>,
}

impl Nemesis {
    /// The nemesis of the run with this seed. Without tools it has nothing to do. With a
    /// `kind`, which each of the tools must [have](Tool::kinds), no other comes.
    pub fn new(tools: &[Tool], kind: Option<&str>, interval: Duration, seed: u64) -> Nemesis {
        let place = |names: &[&str]| names.iter().position(|name| Some(*name) == kind);
        let kinds = match place(&Tool::Partition.kinds()) {
            Some(place) => &Kind::ALL[place..=place],
            None => &Kind::ALL[..Kind::DRAWN],
        };
        let victims = match place(&Tool::Kill.kinds()) {
            Some(place) => &Victims::ALL[place..=place],
            None => &Victims::ALL[..Victims::DRAWN],
        };
        Nemesis {
            interval,
            rng: Rng::new(seed, "nemesis"),
            tools: Deck::new(tools),
            partitions: Deck::new(kinds),
            kills: Deck::new(victims),
            pauses: Deck::new(victims),
            standing: Vec::new(),
        }
    }

    /// The time until the next start or stop.
    pub fn pause(&mut self) -> Duration {
        self.interval.mul_f64(0.5 + self.rng.fraction())
    }

    /// What comes next, among so many nodes.
    pub fn act(&mut self, nodes: usize) -> Act {
        let begins = match self.standing.len() {
            0 => true,
            1 => self.tools.all.len() > 1 && self.rng.chance(COMPANY),
            _ => false,
        };
        if !begins && let Some(tool) = self.end() {
            return Act::End(tool);
        }
        let tool = self.tools.draw(&mut self.rng);
        self.standing.push(tool);
        let rng = &mut self.rng;
        Act::Begin(match tool {
            Tool::Partition => {
                let kind = self.partitions.draw(rng);
                Strike::Partition(kind, kind.directions(nodes, rng))
            }
            Tool::Kill => {
                let victims = self.kills.draw(rng);
                Strike::Kill(victims, victims.draw(nodes, rng))
            }
            Tool::Pause => {
                let victims = self.pauses.draw(rng);
                Strike::Pause(victims, victims.draw(nodes, rng))
            }
        })
    }

    /// Ends the oldest fault that stands.
    pub fn end(&mut self) -> Option<Tool> {
        (!self.standing.is_empty()).then(|| self.standing.remove(0))
    }

    /// Whether no fault stands.
    pub fn is_idle(&self) -> bool {
        self.standing.is_empty()
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
            let mut nemesis = Nemesis::new(&[Tool::Partition], None, Duration::from_secs(2), seed);
            let acts = (0..120).map(|_| nemesis.act(25));
            let kinds: Vec<&str> = acts
                .filter_map(|act| match act {
                    Act::Begin(strike) => Some(strike.kind()),
                    Act::End(_) => None,
                })
                .collect();
            assert_eq!(kinds.len(), 60, "starts and ends alternate");
            for round in kinds.chunks(Kind::DRAWN) {
                let names: BTreeSet<_> = round.iter().collect();
                assert_eq!(names.len(), Kind::DRAWN, "seed {seed}: {round:?}");
            }
            assert!(kinds.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }

    #[test]
    fn pauses_have_the_mean_that_was_asked_for_and_are_never_very_short() {
        let mut nemesis = Nemesis::new(&[Tool::Partition], None, Duration::from_secs(2), 1);
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

    #[test]
    fn with_several_tools_all_come_in_turn_and_two_faults_at_most_stand_together() {
        let mut nemesis = Nemesis::new(&Tool::ALL, None, Duration::from_secs(1), 7);
        let (mut standing, mut begun, mut together) = (Vec::new(), Vec::new(), 0);
        for _ in 0..600 {
            match nemesis.act(25) {
                Act::Begin(strike) => {
                    assert!(!standing.contains(&strike.tool()), "one of a kind");
                    standing.push(strike.tool());
                    begun.push(strike.tool());
                }
                Act::End(tool) => standing.retain(|other| *other != tool),
            }
            assert!(standing.len() <= 2);
            together += usize::from(standing.len() == 2);
            assert_eq!(nemesis.is_idle(), standing.is_empty());
        }
        for tool in Tool::ALL {
            let count = begun.iter().filter(|other| **other == tool).count();
            assert!(count.abs_diff(begun.len() / 3) <= 1, "{tool:?}: {count}");
        }
        assert!(together > 30, "{together}");
    }

    #[test]
    fn victims_are_as_many_as_their_names_say() {
        let count = |victims: Victims, nodes| victims.draw(nodes, &mut Rng::new(1, "test")).len();
        let counts = |nodes| Victims::ALL.map(|victims| count(victims, nodes));
        assert_eq!(counts(25), [1, 8, 13, 25, 1, 3]);
        assert_eq!(counts(1), [1; 6]);
    }

    #[test]
    fn a_kind_that_is_asked_for_is_the_only_one_that_comes() {
        let interval = Duration::from_secs(1);
        let mut nemesis = Nemesis::new(&Tool::ALL, Some("first-three"), interval, 1);
        for _ in 0..50 {
            match nemesis.act(25) {
                Act::Begin(Strike::Partition(kind, cut)) => {
                    assert_eq!((kind, cut.len()), (Kind::FirstThree, 2 * 3 * 22));
                }
                Act::Begin(Strike::Kill(_, nodes) | Strike::Pause(_, nodes)) => {
                    assert_eq!(nodes, [0, 1, 2]);
                }
                Act::End(_) => {}
            }
        }
    }
}
