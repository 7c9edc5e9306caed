//! `broadcast`, and `g-set`, which is the same with other names: half of the operations
//! tell a node a new value, half ask one for all that it has heard of.

use std::marker::PhantomData;

use hubcast::json::{Json, Object};

use super::{Call, Load};
use crate::checker::{Checker, Verdict};
use crate::options::Options;
use crate::rng::Rng;

/// What the requests of a set of integers that only grows are called.
pub trait Names: std::fmt::Debug {
    /// The requests' types: the one that adds, and `read`.
    const KINDS: &'static [&'static str];
    /// The field of the value that is added.
    const VALUE: &'static str;
    /// The field of the answer with all of them.
    const VALUES: &'static str;
    /// As [`Load::ADVISES`].
    const ADVISES: bool;
}

/// The workload `broadcast`.
#[derive(Debug)]
pub struct BroadcastNames;

impl Names for BroadcastNames {
    const KINDS: &'static [&'static str] = &["broadcast", "read"];
    const VALUE: &'static str = "message";
    const VALUES: &'static str = "messages";
    const ADVISES: bool = true;
}

/// The workload `g-set`.
#[derive(Debug)]
pub struct SetNames;

impl Names for SetNames {
    const KINDS: &'static [&'static str] = &["add", "read"];
    const VALUE: &'static str = "element";
    const VALUES: &'static str = "value";
    const ADVISES: bool = false;
}

/// `broadcast`.
pub type Broadcast = Growing<BroadcastNames>;

/// `g-set`.
pub type GSet = Growing<SetNames>;

/// Values 0, 1, 2, ... and their judge.
#[derive(Debug)]
pub struct Growing<N> {
    next: i64,
    /// The values that were answered with `ok`.
    accepted: Vec<i64>,
    checker: Checker,
    names: PhantomData<N>,
}

/// What a client asks.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// Tell everybody this value.
    Add(i64),
    /// What is there?
    Read,
}

/// The values that an answer shows; `None` if it is something else.
fn shown<N: Names>(body: &Json<'_>) -> Option<Vec<i64>> {
    let values = body.get(N::VALUES)?.as_array()?;
    values.iter().map(Json::as_int).collect()
}

impl<N: Names> Load for Growing<N> {
    type Operation = Operation;
    /// Ascending.
    type Required = Vec<i64>;

    const KINDS: &'static [&'static str] = N::KINDS;
    const ADVISES: bool = N::ADVISES;

    fn new(_options: &Options) -> Growing<N> {
        Growing {
            next: 0,
            accepted: Vec::new(),
            checker: Checker::default(),
            names: PhantomData,
        }
    }

    fn next(&mut self, _client: usize, rng: &mut Rng) -> Operation {
        if !rng.chance(0.5) {
            return Operation::Read;
        }
        let value = self.next;
        self.next += 1;
        self.checker.broadcast_begins(value);
        Operation::Add(value)
    }

    fn last(&mut self, _client: usize, asked: usize) -> Option<Operation> {
        (asked == 0).then_some(Operation::Read)
    }

    fn kind(operation: &Operation) -> usize {
        match operation {
            Operation::Add(_) => 0,
            Operation::Read => 1,
        }
    }

    fn only_asks(operation: &Operation) -> bool {
        matches!(operation, Operation::Read)
    }

    fn write(operation: &Operation, body: &mut Object<'_>) {
        if let Operation::Add(value) = operation {
            body.int(N::VALUE, *value);
        }
    }

    fn describe(operation: &Operation, line: &mut Object<'_>) {
        if let Operation::Add(value) = operation {
            line.int("value", *value);
        }
    }

    fn ok(
        &mut self,
        call: &Call<'_>,
        operation: &Operation,
        body: &Json<'_>,
    ) -> Result<(), String> {
        match operation {
            Operation::Add(value) => {
                self.checker.broadcast_ok(call.ended, *value);
                self.accepted.push(*value);
            }
            Operation::Read => {
                let Some(values) = shown::<N>(body) else {
                    let name = N::VALUES;
                    return Err(format!(
                        "answered a read without a list of integers called {name}"
                    ));
                };
                if call.is_last {
                    self.checker.final_read(call.node, &values);
                }
                (self.checker).read_ok([call.begun, call.ended], call.node, values);
            }
        }
        Ok(())
    }

    fn failed(&mut self, operation: &Operation, code: i64) {
        if let Operation::Add(value) = operation {
            self.checker.broadcast_refused(*value, code);
        }
    }

    fn answer(body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(values) = shown::<N>(body) {
            line.list("ranges", ranges(&values), |(first, last), out| {
                hubcast::json::list(out, [first, last], hubcast::json::encode_int);
            });
        }
    }

    fn shortened(body: &Json<'_>) -> Option<Json<'static>> {
        // A read shows everything each time; the history has it as ranges.
        let count = body.get(N::VALUES)?.as_array()?.len();
        Some(super::count("read_ok", count))
    }

    fn accepted(&self) -> Option<Vec<i64>> {
        let mut accepted = self.accepted.clone();
        accepted.sort_unstable();
        Some(accepted)
    }

    fn count(required: &Vec<i64>) -> usize {
        required.len()
    }

    fn holds(&self, body: &Json<'_>, required: &Vec<i64>) -> Option<bool> {
        let mut values = shown::<N>(body)?;
        values.sort_unstable();
        // Both ascend: one pass finds every required value.
        let mut shown = values.into_iter();
        Some((required.iter()).all(|value| shown.by_ref().any(|seen| seen == *value)))
    }

    fn verdict(&self) -> Verdict {
        let mut verdict = self.checker.verdict();
        if verdict.stable_latencies.is_empty() {
            let text = "no value was both acknowledged and read".into();
            verdict.problems.insert(0, text);
        }
        verdict
    }
}

/// Values as ranges, both ends included, in their own order.
fn ranges(values: &[i64]) -> Vec<(i64, i64)> {
    let runs = values.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    runs.map(|run| (run[0], run[run.len() - 1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Job;

    #[test]
    fn a_node_has_recovered_when_it_shows_all_that_was_accepted_in_any_order() {
        let load = GSet::new(&Options::new(Job::Efficient));
        let holds = |text: &str| {
            let body = Json::parse(text.as_bytes()).expect("JSON");
            load.holds(&body, &vec![3, 7])
        };
        assert_eq!(holds(r#"{"value":[9,7,3]}"#), Some(true));
        assert_eq!(holds(r#"{"value":[7,9]}"#), Some(false));
        assert_eq!(holds(r#"{"messages":[3,7]}"#), None, "broadcast's name");
    }
}
