//! What the nodes hold after a fault, and [while](crate::run::spread) it lasts, seen from
//! outside.
//!
//! Of any node, ours or another one's, the testbed sees lines only, and what was
//! delivered to a node is not what it holds. So it asks: from the heal on, nodes
//! are sent reads of the testbed's own until each has shown every value that was
//! accepted before the heal. (The [load](crate::load::Load) knows which values these
//! are, and whether an answer shows them.) These reads are no operations of the
//! workload. They are not counted, stand in no file, and prove nothing but the
//! recovery. A read makes no node send anything to another one.

use std::time::Duration;

use hubcast::time::Instant;

/// The pause between two reads of one node, at least.
///
/// The recovery is known that much too late at most. Compared to its some hundred
/// milliseconds this is little, and so are a hundred reads a second for a node.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// How many values all answers together may show.
///
/// Unit: values a second; an answer takes about 30 ns a value to read. The standard
/// run, 25 nodes with a thousand values, asks at [`LEAST_PAUSE`]; a larger one more
/// seldom, so that asking does not slow down what is measured.
const MAX_VALUES: f64 = 2.5e6;

/// Asks the nodes what they hold, after each heal anew.
#[derive(Debug)]
pub struct Observer {
    /// How many things every node must show.
    required: usize,
    nodes: Vec<Asked>,
    last_msg_id: i64,
}

/// How far it is with one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To be asked next time.
    No,
    /// Under this number; not again before there is an answer.
    Waiting(i64),
    /// It has shown everything.
    Complete,
}

impl Observer {
    /// Nothing to ask yet.
    pub fn new(nodes: usize) -> Observer {
        Observer {
            required: 0,
            nodes: vec![Asked::Complete; nodes],
            last_msg_id: 0,
        }
    }

    /// From now on, all nodes are asked for so many values.
    pub fn begin(&mut self, required: usize) {
        self.required = required;
        self.nodes.fill(Asked::No);
    }

    /// Nobody is asked any more.
    pub fn stop(&mut self) {
        self.nodes.fill(Asked::Complete);
    }

    /// Whether some node has not shown everything yet.
    pub fn is_open(&self) -> bool {
        self.nodes.iter().any(|asked| *asked != Asked::Complete)
    }

    /// Whom to ask now, of those that are `wanted`, and under which message numbers.
    pub fn ask(&mut self, wanted: impl Fn(usize) -> bool) -> Vec<(usize, i64)> {
        let mut reads = Vec::new();
        for (node, asked) in self.nodes.iter_mut().enumerate() {
            if *asked == Asked::No && wanted(node) {
                self.last_msg_id += 1;
                *asked = Asked::Waiting(self.last_msg_id);
                reads.push((node, self.last_msg_id));
            }
        }
        reads
    }

    /// When to ask again.
    pub fn next(&self, now: Instant) -> Instant {
        let values = (self.required * self.nodes.len()) as f64;
        now + Duration::from_secs_f64(values / MAX_VALUES).max(LEAST_PAUSE)
    }

    /// A node has answered the read of this number, and holds everything, or not (`None`:
    /// it answered with an error, say). Says whether it was the last one to show everything.
    pub fn answered(&mut self, node: usize, in_reply_to: i64, holds: Option<bool>) -> bool {
        if self.nodes[node] != Asked::Waiting(in_reply_to) {
            return false;
        }
        let holds_all = holds == Some(true);
        self.nodes[node] = match holds_all {
            true => Asked::Complete,
            false => Asked::No,
        };
        holds_all && !self.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_node_to_show_everything_ends_the_recovery() {
        let mut observer = Observer::new(2);
        assert!(!observer.is_open(), "nothing has happened");
        observer.begin(2);
        assert_eq!(observer.ask(|_| true), [(0, 1), (1, 2)]);
        assert_eq!(
            observer.ask(|_| true),
            [],
            "each has a read that it must answer first"
        );
        assert!(!observer.answered(0, 1, Some(false)));
        assert!(!observer.answered(1, 2, Some(true)));
        assert_eq!(
            observer.ask(|_| true),
            [(0, 3)],
            "the other one has shown everything"
        );
        assert!(observer.answered(0, 3, Some(true)));
        assert!(!observer.is_open());
    }

    #[test]
    fn an_answer_from_before_the_heal_proves_nothing() {
        let mut observer = Observer::new(1);
        observer.begin(0);
        assert_eq!(observer.ask(|_| true), [(0, 1)]);
        observer.begin(0);
        assert!(!observer.answered(0, 1, Some(true)));
        assert_eq!(observer.ask(|_| true), [(0, 2)]);
        assert!(!observer.answered(0, 2, None), "an error shows nothing");
        assert_eq!(observer.ask(|_| true), [(0, 3)]);
        assert!(observer.answered(0, 3, Some(true)));
    }

    #[test]
    fn only_who_is_wanted_is_asked() {
        let mut observer = Observer::new(3);
        observer.begin(1);
        assert_eq!(observer.ask(|node| node != 1), [(0, 1), (2, 2)]);
        assert_eq!(observer.ask(|node| node == 1), [(1, 3)]);
    }

    #[test]
    fn a_large_run_is_asked_more_seldom() {
        let pause = |nodes, values| {
            let mut observer = Observer::new(nodes);
            observer.begin(values);
            observer.next(Instant::ZERO) - Instant::ZERO
        };
        assert_eq!(pause(25, 1000), Duration::from_millis(10));
        assert_eq!(pause(5, 10), Duration::from_millis(10));
        assert_eq!(pause(250, 10_000), Duration::from_secs(1));
    }
}
