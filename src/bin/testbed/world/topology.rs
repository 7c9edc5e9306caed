//! The neighbours that Maelstrom's `topology` message advises.

/// Which neighbours the `topology` message advises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// A square grid.
    Grid,
    /// A line.
    Line,
    /// A tree with this many children a node.
    Tree(usize),
    /// Everybody with everybody.
    Total,
}

impl Topology {
    /// Those that have a name.
    pub const ALL: [Topology; 6] = [
        Topology::Grid,
        Topology::Line,
        Topology::Tree(2),
        Topology::Tree(3),
        Topology::Tree(4),
        Topology::Total,
    ];

    /// The name on the command line, Maelstrom's too.
    pub fn name(self) -> String {
        match self {
            Topology::Grid => "grid".into(),
            Topology::Line => "line".into(),
            Topology::Tree(fan) => format!("tree{fan}"),
            Topology::Total => "total".into(),
        }
    }

    /// The indices of the neighbours that node `index` of `n` is advised.
    pub fn advised(self, n: usize, index: usize) -> Vec<usize> {
        let near = |candidates: &[Option<usize>]| {
            let inside = candidates.iter().flatten().copied();
            inside.filter(|&other| other < n).collect()
        };
        let below = index.checked_sub(1);
        match self {
            Topology::Total => (0..n).filter(|&other| other != index).collect(),
            Topology::Line => near(&[below, Some(index + 1)]),
            Topology::Grid => {
                let side = (n as f64).sqrt().ceil() as usize;
                near(&[
                    Some(index + side),
                    index.checked_sub(side),
                    Some(index + 1).filter(|other| !other.is_multiple_of(side)),
                    below.filter(|_| !index.is_multiple_of(side)),
                ])
            }
            Topology::Tree(fan) => {
                let parent = below.map(|below| below / fan);
                let children = index * fan + 1..=index * fan + fan;
                near(
                    &parent
                        .into_iter()
                        .chain(children)
                        .map(Some)
                        .collect::<Vec<_>>(),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_mutual_and_the_grid_has_four_neighbours_at_most() {
        for nodes in 1..30 {
            for topology in Topology::ALL {
                for index in 0..nodes {
                    let advised = topology.advised(nodes, index);
                    let mut advised_back =
                        (advised.iter()).map(|&other| topology.advised(nodes, other));
                    assert!(advised_back.all(|back| back.contains(&index)));
                    assert!(topology != Topology::Grid || advised.len() <= 4);
                }
            }
        }
        let edges = (0..25).map(|index| Topology::Grid.advised(25, index).len());
        assert_eq!(edges.sum::<usize>(), 2 * 40);
    }
}
