//! `broadcast`: half of the operations tell a node a new value, half ask one for
//! all that it has heard of.

use hubcast::json::{Json, Object};
use hubcast::time::Instant;

use super::Load;
use crate::checker::{Checker, Mark, Verdict};
use crate::rng::Rng;

/// Values 0, 1, 2, ... and their judge.
#[derive(Debug, Default)]
pub struct Broadcast {
    next: i64,
    /// The values that were answered with `broadcast_ok`.
    accepted: Vec<i64>,
    checker: Checker,
}

/// What a client asks.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// Tell everybody this value.
    Broadcast(i64),
    /// What is there?
    Read(Mark),
}

impl Load for Broadcast {
    type Operation = Operation;

    const KINDS: &'static [&'static str] = &["broadcast", "read"];
    const ADVISES: bool = true;
    const SHOW: &'static str = "read";

    fn next(&mut self, now: Instant, rng: &mut Rng) -> Operation {
        if rng.chance(0.5) {
            let value = self.next;
            self.next += 1;
            self.checker.broadcast_begins(value);
            Operation::Broadcast(value)
        } else {
            self.last(now)
        }
    }

    fn last(&mut self, now: Instant) -> Operation {
        Operation::Read(self.checker.read_begins(now))
    }

    fn kind(operation: Operation) -> usize {
        match operation {
            Operation::Broadcast(_) => 0,
            Operation::Read(_) => 1,
        }
    }

    fn write(operation: Operation, body: &mut Object<'_>) {
        if let Operation::Broadcast(value) = operation {
            body.int("message", value);
        }
    }

    fn describe(operation: Operation, line: &mut Object<'_>) {
        if let Operation::Broadcast(value) = operation {
            line.int("value", value);
        }
    }

    fn ok(
        &mut self,
        now: Instant,
        operation: Operation,
        (node, is_last): (&str, bool),
        body: &Json<'_>,
    ) -> Result<(), String> {
        match operation {
            Operation::Broadcast(value) => {
                self.checker.broadcast_ok(now, value);
                self.accepted.push(value);
            }
            Operation::Read(begun) => {
                let Some(values) = Broadcast::shown(body) else {
                    return Err("answered a read without a list of integers called messages".into());
                };
                if is_last {
                    self.checker.final_read(node, &values);
                }
                self.checker.read_ok(now, begun, node, values);
            }
        }
        Ok(())
    }

    fn failed(&mut self, operation: Operation, code: i64) {
        if let Operation::Broadcast(value) = operation {
            self.checker.broadcast_refused(value, code);
        }
    }

    fn answer(body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(values) = Broadcast::shown(body) {
            line.list("ranges", ranges(&values), |(first, last), out| {
                hubcast::json::list(out, [first, last], hubcast::json::encode_int);
            });
        }
    }

    fn shortened(body: &Json<'_>) -> Option<Json<'static>> {
        // A read shows everything each time; the history has it as ranges.
        let count = body.get("messages")?.as_array()?.len();
        Some(Json::Object(vec![
            ("type".into(), Json::String("read_ok".into())),
            ("count".into(), Json::Int(count as i64)),
        ]))
    }

    fn accepted(&self) -> Vec<i64> {
        self.accepted.clone()
    }

    fn shown(body: &Json<'_>) -> Option<Vec<i64>> {
        let messages = body.get("messages")?.as_array()?;
        messages.iter().map(Json::as_int).collect()
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
