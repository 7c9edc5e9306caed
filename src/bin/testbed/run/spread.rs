//! How values spread while a fault lasts.
//!
//! Two nodes are connected if both run, neither is paused, and no cut forbids either
//! direction between them. A component is all nodes that are connected, directly or over
//! others. A one-way cut separates like one in both directions: over such an edge nothing
//! can be acknowledged.
//!
//! The figures of a fault:
//!
//! | figure | meaning |
//! |---|---|
//! | given | The values that clients gave, by their `ok`, from [`SETTLING`] after the fault's start to [`PATIENCE`] before its end, to nodes of a component of two or more. |
//! | reached | How many of them every node of that component was seen to hold before the fault's end. |
//! | median, maximum | Of those that reached: the time from the `ok` to that moment. |
//!
//! If another fault begins or ends meanwhile, the components change: that moment counts as
//! this fault's end. The last values are left out, whether they reached or not. If they
//! counted, no node could reach all. If only those that reached counted, a short fault
//! would flatter.
//!
//! Nodes are asked what they hold, as for the [recovery](crate::run::observer).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hubcast::time::Instant;

/// From when on values count, after a fault's start: by then the nodes should have
/// noticed it.
pub const SETTLING: Duration = Duration::from_secs(2);

/// How long before a fault's end a value is given at least, to count. It is the longest
/// that a value is allowed to take to its component, in the worst kind of fault.
pub const PATIENCE: Duration = Duration::from_millis(2500);

/// The pause between two questions to one node, at least.
///
/// A value's time is known that much too late at most. It is longer than the
/// [observer's](crate::run::observer) own, as a fault lasts longer than a recovery.
pub const PAUSE: Duration = Duration::from_millis(20);

/// The values given during one fault.
#[derive(Debug)]
pub struct Spread {
    /// The fault, by its place in the run.
    pub fault: usize,
    /// Those of two nodes or more; none before [`SETTLING`] is over.
    pub components: Vec<BTreeSet<usize>>,
    values: BTreeMap<i64, Given>,
}

/// A value that was given.
#[derive(Debug)]
struct Given {
    at: Instant,
    /// Who of its component has not shown it.
    lacking: BTreeSet<usize>,
    /// `None`: it has not reached all.
    took: Option<Duration>,
}

impl Spread {
    /// Of this fault, which begins.
    pub fn new(fault: usize) -> Spread {
        Spread {
            fault,
            components: Vec::new(),
            values: BTreeMap::new(),
        }
    }

    /// `node` has accepted a value.
    pub fn give(&mut self, now: Instant, node: usize, value: i64) {
        let mut components = self.components.iter();
        if let Some(component) = components.find(|component| component.contains(&node)) {
            let (lacking, took) = (component.clone(), None);
            let at = now;
            self.values.insert(value, Given { at, lacking, took });
        }
    }

    /// Whether there is a value that `node` should hold and has not shown.
    pub fn awaits(&self, node: usize) -> bool {
        (self.values.values()).any(|given| given.lacking.contains(&node))
    }

    /// `node` shows that it holds these, in any order.
    pub fn shows(&mut self, now: Instant, node: usize, mut values: Vec<i64>) {
        values.sort_unstable();
        for (value, given) in &mut self.values {
            if values.binary_search(value).is_ok()
                && given.lacking.remove(&node)
                && given.lacking.is_empty()
            {
                given.took = Some(now - given.at);
            }
        }
    }

    /// At the fault's end: how many values were given, and how long each took that
    /// reached, ascending.
    pub fn end(self, now: Instant) -> (usize, Vec<Duration>) {
        let counts = |given: &Given| given.at + PATIENCE <= now;
        let values: Vec<Given> = self.values.into_values().filter(counts).collect();
        let mut took: Vec<Duration> = values.iter().filter_map(|given| given.took).collect();
        took.sort_unstable();
        (values.len(), took)
    }
}

/// The components of two or more among these running nodes; `is_open` tells whether a
/// direction is not cut.
pub fn components(
    mut left: BTreeSet<usize>,
    is_open: impl Fn(usize, usize) -> bool,
) -> Vec<BTreeSet<usize>> {
    let mut components = Vec::new();
    while let Some(first) = left.pop_first() {
        let (mut component, mut next) = (BTreeSet::from([first]), vec![first]);
        while let Some(node) = next.pop() {
            left.retain(|&other| {
                let is_near = is_open(node, other) && is_open(other, node);
                if is_near {
                    component.insert(other);
                    next.push(other);
                }
                !is_near
            });
        }
        if component.len() > 1 {
            components.push(component);
        }
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::nemesis::Kind;
    use crate::world::rng::Rng;

    /// How many nodes each component of 25 has, while these are down and such a cut stands.
    fn sizes(down: &[usize], kind: Option<Kind>) -> Vec<usize> {
        let rng = &mut Rng::new(7, "test");
        let cut = kind.map(|kind| kind.directions(25, rng));
        let cut = cut.unwrap_or_default();
        let up = (0..25).filter(|node| !down.contains(node)).collect();
        let components = components(up, |src, dest| !cut.contains(&(src, dest)));
        let mut sizes: Vec<usize> = components.iter().map(BTreeSet::len).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn a_component_is_whoever_is_connected_over_others_and_one_node_alone_is_none() {
        assert_eq!(sizes(&[], None), [25]);
        assert_eq!(sizes(&[0, 3], None), [23]);
        assert_eq!(sizes(&[], Some(Kind::Hub)), [24]);
        assert_eq!(sizes(&[3], Some(Kind::FirstThree)), [3, 21]);
        assert_eq!(sizes(&[], Some(Kind::Majority)), [12, 13]);
        assert_eq!(sizes(&(0..25).collect::<Vec<_>>(), None), []);
    }

    #[test]
    fn a_ring_of_majorities_is_connected_over_others() {
        assert_eq!(sizes(&[], Some(Kind::MajoritiesRing)), [25]);
    }

    #[test]
    fn a_one_way_cut_separates() {
        assert_eq!(sizes(&[], Some(Kind::HubUnheard)), [24]);
        assert_eq!(sizes(&[], Some(Kind::HubDeaf)), [24]);
        assert_eq!(sizes(&[], Some(Kind::OneWay)), [12, 13]);
    }

    /// A fault of 10 s that separates node 2 from two others: nodes 0 and 1 are connected.
    fn spread() -> Spread {
        let mut spread = Spread::new(0);
        spread.components = vec![BTreeSet::from([0, 1])];
        spread
    }

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_value_takes_from_its_ok_until_the_last_node_of_its_component_shows_it() {
        let mut spread = spread();
        spread.give(at(3000), 1, 7);
        spread.give(at(3000), 0, 8);
        spread.shows(at(3100), 1, vec![8, 7]);
        assert!(spread.awaits(0) && !spread.awaits(1) && !spread.awaits(2));
        spread.shows(at(3300), 1, vec![8, 7]);
        spread.shows(at(3400), 0, vec![7]);
        assert!(spread.awaits(0), "8 is not there");
        spread.shows(at(3900), 0, vec![9, 8, 7]);
        let took = [400, 900].map(Duration::from_millis);
        assert_eq!(spread.end(at(10_000)), (2, took.to_vec()));
    }

    #[test]
    fn what_is_given_too_early_too_late_or_to_a_node_alone_does_not_count() {
        let mut early = Spread::new(0);
        early.give(at(1999), 0, 1);
        assert_eq!(early.end(at(10_000)), (0, vec![]));
        let mut spread = spread();
        spread.give(at(3000), 2, 1);
        spread.give(at(7500), 0, 2);
        spread.give(at(7501), 0, 3);
        for node in [0, 1] {
            spread.shows(at(7600), node, vec![3]);
        }
        assert_eq!(spread.end(at(10_000)), (1, vec![]));
    }
}
