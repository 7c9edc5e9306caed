//! Cycles in a directed graph, of which the judge of transactions makes its case.
//!
//! Nodes are numbers from 0, and `edges[n]` are those to which n leads.

use std::collections::VecDeque;

/// The strongly connected components of at least two nodes: in each, every node leads
/// to every other one. Each ascending, and they by their first node.
///
/// Tarjan's algorithm ("Depth-first search and linear graph algorithms", 1972), with
/// the depth on the heap: a chain of a hundred thousand transactions is no recursion.
pub fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    // When a node was first seen, and the earliest seen one that it leads back to.
    let (mut seen, mut low) = (vec![UNSEEN; edges.len()], vec![UNSEEN; edges.len()]);
    let mut open = vec![false; edges.len()];
    let (mut count, mut stack, mut found) = (0, Vec::new(), Vec::new());
    for root in 0..edges.len() {
        // The path from the root: a node, and how many of its edges were followed.
        let mut path = match seen[root] {
            UNSEEN => vec![(root, 0)],
            _ => continue,
        };
        while let Some((node, followed)) = path.pop() {
            if followed == 0 {
                (seen[node], low[node], open[node]) = (count, count, true);
                count += 1;
                stack.push(node);
            }
            if let Some(&next) = edges[node].get(followed) {
                path.push((node, followed + 1));
                if seen[next] == UNSEEN {
                    path.push((next, 0));
                } else if open[next] {
                    low[node] = low[node].min(seen[next]);
                }
                continue;
            }
            if let Some(&(parent, _)) = path.last() {
                low[parent] = low[parent].min(low[node]);
            }
            if low[node] == seen[node] {
                let first = stack.iter().rposition(|&other| other == node).unwrap_or(0);
                let mut component = stack.split_off(first);
                for &member in &component {
                    open[member] = false;
                }
                component.sort_unstable();
                found.extend((component.len() > 1).then_some(component));
            }
        }
    }
    found.sort_unstable();
    found
}

/// The shortest way from the first node of a component back to it: its nodes, in order,
/// the first one once.
pub fn cycle(edges: &[Vec<usize>], component: &[usize]) -> Vec<usize> {
    let Some(&start) = component.first() else {
        return Vec::new();
    };
    let mut from = vec![None; edges.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &next in &edges[node] {
            if next == start {
                let mut way = vec![node];
                while let Some(before) = way.last().and_then(|&last: &usize| from[last]) {
                    way.push(before);
                }
                way.reverse();
                return way;
            }
            if from[next].is_none() && component.binary_search(&next).is_ok() {
                from[next] = Some(node);
                queue.push_back(next);
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, pairs: &[(usize, usize)]) -> Vec<Vec<usize>> {
        let mut edges = vec![Vec::new(); nodes];
        for &(from, to) in pairs {
            edges[from].push(to);
        }
        edges
    }

    #[test]
    fn a_graph_without_cycles_has_no_components() {
        let edges = graph(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(components(&edges), [[0; 0]; 0]);
    }

    #[test]
    fn two_cycles_that_do_not_meet_are_two_components() {
        let pairs = [(5, 1), (1, 3), (3, 5), (3, 2), (2, 4), (4, 2), (0, 1)];
        let edges = graph(6, &pairs);
        assert_eq!(components(&edges), [vec![1, 3, 5], vec![2, 4]]);
    }

    #[test]
    fn the_shortest_cycle_of_a_component_is_found() {
        let edges = graph(5, &[(0, 1), (1, 2), (2, 3), (3, 0), (1, 4), (4, 0)]);
        let all = components(&edges);
        assert_eq!(all, [[0, 1, 2, 3, 4]]);
        assert_eq!(cycle(&edges, &all[0]), [0, 1, 4]);
    }

    #[test]
    fn depth_does_not_matter() {
        let nodes = 200_000;
        let mut pairs: Vec<(usize, usize)> = (1..nodes).map(|node| (node - 1, node)).collect();
        assert_eq!(components(&graph(nodes, &pairs)).len(), 0);
        pairs.push((nodes - 1, 0));
        let edges = graph(nodes, &pairs);
        let all = components(&edges);
        assert_eq!(all[0].len(), nodes);
        assert_eq!(cycle(&edges, &all[0]).len(), nodes);
    }

    #[test]
    fn components_are_those_of_a_search_from_every_node() {
        let mut rng = crate::world::rng::Rng::new(1, "graphs");
        for _ in 0..200 {
            let nodes = 2 + rng.below(7) as usize;
            let mut draw = || rng.below(nodes as u64) as usize;
            let pairs: Vec<_> = (0..nodes + 2).map(|_| (draw(), draw())).collect();
            let mut leads = vec![vec![false; nodes]; nodes];
            for &(from, to) in &pairs {
                leads[from][to] = true;
            }
            for by in 0..nodes {
                for from in 0..nodes {
                    for to in 0..nodes {
                        leads[from][to] |= leads[from][by] && leads[by][to];
                    }
                }
            }
            let both = |a: usize, b: usize| a == b || leads[a][b] && leads[b][a];
            let mut expected: Vec<Vec<usize>> = (0..nodes)
                .map(|node| (0..nodes).filter(|&other| both(node, other)).collect())
                .filter(|component: &Vec<usize>| component.len() > 1)
                .collect();
            expected.sort();
            expected.dedup();
            assert_eq!(components(&graph(nodes, &pairs)), expected, "{pairs:?}");
        }
    }
}
