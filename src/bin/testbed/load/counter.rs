//! `g-counter` and `pn-counter`: half of the operations add a number to a sum, half ask
//! a node for it.

use std::marker::PhantomData;

use hubcast::json::{Json, Object};

use super::{Call, Load, Operation};
use crate::judge::Verdict;
use crate::judge::counter::Counter;
use crate::world::rng::Rng;

/// What is added.
pub trait Deltas: std::fmt::Debug {
    /// The least number that is added.
    const LEAST: i64;
}

/// The most that is added, Maelstrom's: its numbers are from -5 up to, not including, 5.
const MOST: i64 = 4;

/// Nothing is subtracted.
#[derive(Debug)]
pub struct Growing;

impl Deltas for Growing {
    const LEAST: i64 = 0;
}

/// Half of the numbers are subtracted.
#[derive(Debug)]
pub struct Both;

impl Deltas for Both {
    const LEAST: i64 = -5;
}

/// `g-counter`.
pub type GCounter = Sum<Growing>;

/// `pn-counter`.
pub type PnCounter = Sum<Both>;

/// Small numbers and their judge.
#[derive(Debug)]
pub struct Sum<D> {
    checker: Counter,
    deltas: PhantomData<D>,
}

const ADD: usize = 0;
const READ: usize = 1;

impl<D> Default for Sum<D> {
    fn default() -> Sum<D> {
        Sum {
            checker: Counter::default(),
            deltas: PhantomData,
        }
    }
}

impl<D: Deltas> Load for Sum<D> {
    fn kinds(&self) -> &'static [&'static str] {
        &["add", "read"]
    }

    fn next(&mut self, _client: usize, rng: &mut Rng) -> Operation {
        if !rng.chance(0.5) {
            return Operation::question(READ);
        }
        let delta = D::LEAST + rng.below((MOST - D::LEAST + 1) as u64) as i64;
        self.checker.add_begins(delta);
        Operation {
            kind: ADD,
            id: delta,
            fields: vec![("delta", Json::Int(delta))],
            ..Operation::default()
        }
    }

    fn last(&mut self, _client: usize, asked: usize) -> Option<Operation> {
        (asked == 0).then(|| Operation::question(READ))
    }

    fn fields(&self, kind: usize) -> &'static [&'static str] {
        match kind {
            ADD => &[],
            _ => &["value"],
        }
    }

    fn ok(&mut self, call: &Call<'_>, asked: &Operation, body: &Json<'_>) -> Result<(), String> {
        if asked.kind == ADD {
            self.checker.add_ok(asked.id);
            return Ok(());
        }
        let Some(sum) = body.get("value").and_then(Json::as_int) else {
            return Err("answered a read without an integer called value".into());
        };
        if call.is_last {
            self.checker.final_read(call.node, sum);
        }
        (self.checker).read_ok([call.begun, call.ended], call.node, sum);
        Ok(())
    }

    fn failed(&mut self, asked: &Operation, _code: i64) {
        if asked.kind == ADD {
            self.checker.add_refused(asked.id);
        }
    }

    fn answer(&self, body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(sum) = body.get("value") {
            line.value("value", sum);
        }
    }

    fn verdict(&self) -> Verdict {
        self.checker.verdict()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, spell};
    use super::*;

    /// Problems of a run against nodes with one sum: `counts` says how often the nth
    /// addition counts, and `shows` what node 1 makes of the sum.
    fn run<D: Deltas>(counts: impl Fn(u64) -> i64, shows: impl Fn(i64) -> i64) -> Vec<String> {
        let (mut sum, mut added) = (0, 0);
        problems(&mut Sum::<D>::default(), |node, request| {
            let Some(delta) = request.get("delta").and_then(Json::as_int) else {
                let shown = if node == 1 { shows(sum) } else { sum };
                return spell("read_ok", |body| body.int("value", shown));
            };
            added += 1;
            sum += delta * counts(added);
            spell("add_ok", |_| ())
        })
    }

    #[test]
    fn nodes_that_add_everything_once_are_valid() {
        assert_eq!(run::<Growing>(|_| 1, |sum| sum), [""; 0]);
        assert_eq!(run::<Both>(|_| 1, |sum| sum), [""; 0]);
    }

    #[test]
    fn a_node_that_shows_an_old_sum_is_caught() {
        let problems = run::<Growing>(|_| 1, |sum| sum.min(20));
        assert!(problems[0].starts_with("n1's final read shows 20, and the acknowledged"));
        assert!(problems[1].starts_with("final reads differ: n0 shows "));
    }

    #[test]
    fn a_node_that_counts_an_addition_twice_is_caught() {
        let twice = |added| if added % 7 == 3 { 2 } else { 1 };
        let problems = run::<Growing>(twice, |sum| sum);
        assert!(
            problems[0].starts_with("n0's final read shows "),
            "{problems:?}"
        );
    }
}
