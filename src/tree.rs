//! The static two-level hub tree: who talks to whom.
//!
//! A value must cross at least one edge to reach each of the other n - 1 nodes. So
//! without batching n - 1 messages a value is the floor. A *spanning tree* reaches the
//! floor: it has exactly n - 1 edges and no cycle, so nothing is ever sent to a node
//! that has it already. (The lesson's chapter is [the tree](crate::lesson::the_tree).)
//!
//! Which spanning tree? Every hop costs a network latency, so the shallowest:
//! a star. Any two leaves are two hops apart. One node in the middle, the
//! *hub*, can gather the values of all others and send them on together: most
//! of the saving comes from that.
//!
//! ```text
//!             n0                          n0                 root hub
//!       .--.--'|'--.--.              .----'|'----.
//!      n1 n2  ... n23 n24         ..n0    n1     n2          level one: hubs
//!                                        .'|'.  .'|'.
//!       25 nodes, one hub                 ...    ...         level two: leaves
//! ```
//!
//! A hub's work grows with its leaves: it sends some 5 messages a second to each
//! with the default promise and a value now and then. What would about sqrt(n)
//! hubs change? See `./run.sh scale`; `commands/scale.rs` has its table.
//!
//! Two more hops take a second round trip off the promise, whatever the size, so less
//! of it is left to gather in. All that they buy is a less busy hub. So there is one
//! hub as long as it has little to do ([`ONE_HUB_LIMIT`]). Beyond that there are about
//! sqrt(n) hubs with about sqrt(n) leaves each. The first hub is the root, and a value
//! crosses at most four edges. The root hub has leaves of its own, as every hub.
//!
//! The tree is a pure function of the node list, which Maelstrom gives to all
//! nodes in the same order: nothing needs to be agreed on. While a hub is
//! away, the same order says who stands in for it. Maelstrom's own `topology` is advice, and
//! a worse tree.

/// Up to this many nodes one hub serves all.
///
/// Unit: nodes. With the default promise 2000 nodes mean about 11 000 messages a second for
/// the hub (`./run.sh scale`), where `./run.sh bench` shows it handle more than a million
/// of the simplest ones. A message costs as much among 2000 neighbours as among 25. With
/// several hubs 100 ms a message would leave nothing of the promise to gather in, and all
/// together would send nine times as much.
pub const ONE_HUB_LIMIT: usize = 2000;

/// A node's place: its parent hub, if it has one, and its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index in the node list of the hub above; `None` for the root.
    pub parent: Option<usize>,
    /// Indices of the nodes below, ascending; empty for a leaf.
    pub children: Vec<usize>,
}

/// How many hubs a cluster of `nodes` has when nobody forces a number: 1 up to
/// [`ONE_HUB_LIMIT`], then the square root, rounded.
pub fn default_hubs(nodes: usize) -> usize {
    if nodes <= ONE_HUB_LIMIT {
        1
    } else {
        (nodes as f64).sqrt().round() as usize
    }
}

/// The place of node `index` in the tree of `nodes` nodes under `hubs` hubs.
///
/// Nodes 0 to hubs - 1 are the hubs, and node 0 is the root. The leaves are
/// dealt to the hubs in turn, so two hubs differ by one leaf at most. `hubs` is
/// brought into 1 ..= nodes.
///
/// # Panics
///
/// If `index` is not below `nodes`.
pub fn place(nodes: usize, hubs: usize, index: usize) -> Place {
    assert!(index < nodes, "node {index} of a cluster of {nodes}");
    let hubs = hubs.clamp(1, nodes);
    if index >= hubs {
        return Place {
            parent: Some((index - hubs) % hubs),
            children: Vec::new(),
        };
    }
    let other_hubs = if index == 0 { 1..hubs } else { 1..1 };
    let own_leaves = (hubs + index..nodes).step_by(hubs);
    Place {
        parent: (index > 0).then_some(0),
        children: other_hubs.chain(own_leaves).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shape worth a look for `nodes` nodes: the defaults and the extremes.
    fn hub_counts(nodes: usize) -> [usize; 5] {
        let root = (nodes as f64).sqrt().round() as usize;
        [1, 2, root, nodes / 2, nodes]
    }

    #[test]
    fn every_tree_of_1_to_2000_nodes_spans_them_without_a_cycle_in_two_levels() {
        for nodes in 1..=2000 {
            for hubs in hub_counts(nodes) {
                let places: Vec<Place> = (0..nodes).map(|i| place(nodes, hubs, i)).collect();
                let case = format!("{nodes} nodes, {hubs} hubs");
                assert_eq!(places[0].parent, None, "{case}: node 0 is the root");
                let mut edges = 0;
                for (index, here) in places.iter().enumerate() {
                    edges += here.children.len();
                    for &child in &here.children {
                        // Both ends know of the edge, and edges lead to larger
                        // numbers only, so there is no cycle.
                        assert_eq!(places[child].parent, Some(index), "{case}");
                        assert!(child > index, "{case}");
                    }
                    if let Some(parent) = here.parent {
                        let grandparent = places[parent].parent;
                        assert!(
                            grandparent.is_none_or(|root| root == 0),
                            "{case}: two levels"
                        );
                    }
                }
                // Every node but the root is somebody's child once: with n - 1
                // edges and no cycle, all are connected.
                assert_eq!(edges, nodes - 1, "{case}");
            }
        }
    }

    #[test]
    fn two_hubs_differ_by_one_leaf_at_most() {
        for nodes in 1..=500 {
            for hubs in hub_counts(nodes) {
                let hubs = hubs.clamp(1, nodes);
                let mut leaves = vec![0; hubs];
                for leaf in hubs..nodes {
                    leaves[place(nodes, hubs, leaf).parent.unwrap()] += 1;
                }
                let (least, most) = (leaves.iter().min(), leaves.iter().max());
                assert!(
                    most.unwrap() - least.unwrap() <= 1,
                    "{nodes} nodes, {hubs} hubs"
                );
            }
        }
    }

    #[test]
    fn up_to_2000_nodes_every_other_node_is_a_leaf_of_the_first() {
        for nodes in 1..=2000 {
            assert_eq!(default_hubs(nodes), 1);
            let root = place(nodes, default_hubs(nodes), 0);
            assert_eq!(root.children, (1..nodes).collect::<Vec<_>>());
        }
    }

    #[test]
    fn beyond_2000_nodes_there_are_about_sqrt_n_hubs() {
        assert_eq!(default_hubs(2001), 45);
        assert_eq!(default_hubs(10_000), 100);
    }

    #[test]
    fn hubs_hang_under_the_first_and_all_have_leaves() {
        let root = place(100, 10, 0);
        assert_eq!(
            root.children.len(),
            9 + 9,
            "nine hubs and its own nine leaves"
        );
        assert_eq!(
            place(100, 10, 3).children,
            [13, 23, 33, 43, 53, 63, 73, 83, 93]
        );
    }

    #[test]
    fn a_forced_number_of_hubs_is_brought_into_range() {
        assert_eq!(place(5, 0, 0), place(5, 1, 0));
        assert_eq!(place(5, 99, 0), place(5, 5, 0));
        assert_eq!(place(1, 7, 0).children, []);
    }
}
