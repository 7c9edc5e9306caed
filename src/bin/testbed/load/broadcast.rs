//! `broadcast`, and `g-set`, which is the same with other names: half of the operations
//! tell a node a new value, half ask one for all that it has heard of.

use std::marker::PhantomData;

use hubcast::json::{Json, Object};

use super::{Call, Load, Operation};
use crate::judge::Verdict;
use crate::judge::set::Set;
use crate::world::rng::Rng;

/// What the requests of a set of integers that only grows are called.
pub trait Names: std::fmt::Debug {
    /// The requests' types: the one that adds, and `read`.
    const KINDS: &'static [&'static str];
    /// The field of the value that is added.
    const VALUE: &'static str;
    /// The field of the answer with all of them.
    const VALUES: &'static str = Self::ANSWER[0];
    /// All fields of that answer.
    const ANSWER: &'static [&'static str];
    /// As [`Load::advises`].
    const ADVISES: bool;
}

/// The workload `broadcast`.
#[derive(Debug)]
pub struct BroadcastNames;

impl Names for BroadcastNames {
    const KINDS: &'static [&'static str] = &["broadcast", "read"];
    const VALUE: &'static str = "message";
    const ANSWER: &'static [&'static str] = &["messages"];
    const ADVISES: bool = true;
}

/// The workload `g-set`.
#[derive(Debug)]
pub struct SetNames;

impl Names for SetNames {
    const KINDS: &'static [&'static str] = &["add", "read"];
    const VALUE: &'static str = "element";
    const ANSWER: &'static [&'static str] = &["value"];
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
    /// Those that a node must show to have recovered from a fault, ascending.
    required: Vec<i64>,
    checker: Set,
    names: PhantomData<N>,
}

/// The values that an answer shows; `None` if it is something else.
fn shown<N: Names>(body: &Json<'_>) -> Option<Vec<i64>> {
    let values = super::elements(body.get(N::VALUES)?)?;
    values.iter().map(Json::as_int).collect()
}

const ADD: usize = 0;
const READ: usize = 1;

impl<N> Default for Growing<N> {
    fn default() -> Growing<N> {
        Growing {
            next: 0,
            accepted: Vec::new(),
            required: Vec::new(),
            checker: Set::default(),
            names: PhantomData,
        }
    }
}

impl<N: Names> Load for Growing<N> {
    fn kinds(&self) -> &'static [&'static str] {
        N::KINDS
    }

    fn advises(&self) -> bool {
        N::ADVISES
    }

    fn next(&mut self, _client: usize, rng: &mut Rng) -> Operation {
        if !rng.chance(0.5) {
            return Operation::question(READ);
        }
        let value = self.next;
        self.next += 1;
        self.checker.broadcast_begins(value);
        Operation {
            kind: ADD,
            id: value,
            fields: vec![(N::VALUE, Json::Int(value))],
            told: Some(vec![("value", Json::Int(value))]),
            ..Operation::default()
        }
    }

    fn last(&mut self, _client: usize, asked: usize) -> Option<Operation> {
        (asked == 0).then(|| Operation::question(READ))
    }

    fn fields(&self, kind: usize) -> &'static [&'static str] {
        match kind {
            ADD => &[],
            _ => N::ANSWER,
        }
    }

    fn ok(&mut self, call: &Call<'_>, asked: &Operation, body: &Json<'_>) -> Result<(), String> {
        if asked.kind == ADD {
            self.checker.broadcast_ok(call.ended, asked.id);
            self.accepted.push(asked.id);
            return Ok(());
        }
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
        Ok(())
    }

    fn failed(&mut self, asked: &Operation, code: i64) {
        if asked.kind == ADD {
            self.checker.broadcast_refused(asked.id, code);
        }
    }

    fn answer(&self, body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(values) = shown::<N>(body) {
            line.list("ranges", ranges(&values), |(first, last), out| {
                hubcast::json::list(out, [first, last], hubcast::json::encode_int);
            });
        }
    }

    fn shortened(&self, body: &Json<'_>) -> Option<Json<'static>> {
        // A read shows everything each time; the history has it as ranges.
        let count = super::elements(body.get(N::VALUES)?)?.len();
        Some(super::count("read_ok", count))
    }

    fn require(&mut self) -> Option<usize> {
        self.required.clone_from(&self.accepted);
        self.required.sort_unstable();
        Some(self.required.len())
    }

    fn holds(&self, body: &Json<'_>) -> Option<bool> {
        let mut values = shown::<N>(body)?;
        values.sort_unstable();
        // Both ascend: one pass finds every required value.
        let mut shown = values.into_iter();
        Some((self.required.iter()).all(|value| shown.by_ref().any(|seen| seen == *value)))
    }

    fn given(&self, asked: &Operation) -> Option<i64> {
        (asked.kind == ADD).then_some(asked.id)
    }

    fn values(&self, body: &Json<'_>) -> Option<Vec<i64>> {
        shown::<N>(body)
    }

    fn verdict(&self) -> Verdict {
        let mut verdict = self.checker.verdict();
        if verdict.stable_latencies.is_empty() {
            verdict
                .problems
                .note("no value was both acknowledged and read".into());
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

    #[test]
    fn a_node_has_recovered_when_it_shows_all_that_was_accepted_in_any_order() {
        let load = GSet {
            required: vec![3, 7],
            ..GSet::default()
        };
        let holds = |text: &str| {
            let body = Json::parse(text.as_bytes()).expect("JSON");
            load.holds(&body)
        };
        assert_eq!(holds(r#"{"value":[9,7,3]}"#), Some(true));
        assert_eq!(holds(r#"{"value":[7,9]}"#), Some(false));
        assert_eq!(holds(r#"{"messages":[3,7]}"#), None, "broadcast's name");
    }
}
