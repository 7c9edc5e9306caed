//! `txn-rw-register`: transactions of one to four steps, each a read or a write of a
//! register.

use hubcast::json::{Json, Object};

use super::pool::Pool;
use super::{Call, Draws, Load, Operation};
use crate::judge::Verdict;
use crate::judge::txn::{Consistency, Registers, Step};

use crate::world::rng::Rng;

/// The most steps of an answer that is recorded whole. The last one has a step for
/// each key that there ever was.
const MAX_RECORDED: usize = 40;

/// Values that are unique for their keys, and their judge.
#[derive(Debug)]
pub struct Txn {
    pool: Pool,
    max_steps: u64,
    checker: Registers,
}

/// Steps as Maelstrom has them: `[["r",1,null],["w",2,5]]`.
fn steps(steps: &[Step]) -> Json<'static> {
    let step = |step: &Step| {
        let (kind, key, value) = match *step {
            Step::Read(key, value) => ("r", key, value),
            Step::Write(key, value) => ("w", key, Some(value)),
        };
        let value = value.map_or(Json::Null, Json::Int);
        Json::Array(vec![Json::String(kind.into()), Json::Int(key), value])
    };
    Json::Array(steps.iter().map(step).collect())
}

/// Reads them; `None` if they are something else.
fn read_steps(body: &Json<'_>) -> Option<Vec<Step>> {
    let steps = super::elements(body.get("txn")?)?.iter();
    let steps = steps.map(|step| match step.as_array()? {
        [Json::String(kind), Json::Int(key), value] => match (kind.as_ref(), value) {
            ("r", Json::Null) => Some(Step::Read(*key, None)),
            ("r", Json::Int(value)) => Some(Step::Read(*key, Some(*value))),
            ("w", Json::Int(value)) => Some(Step::Write(*key, *value)),
            _ => None,
        },
        _ => None,
    });
    steps.collect()
}

impl Txn {
    /// For a judge of this model.
    pub fn new(consistency: Consistency, draws: Draws) -> Txn {
        Txn {
            pool: Pool::new(draws),
            max_steps: draws.max_steps,
            checker: Registers::new(consistency),
        }
    }

    fn begin(&mut self, asked: Vec<Step>) -> Operation {
        let txn = steps(&asked);
        let only_asks = asked.iter().all(|step| matches!(step, Step::Read(..)));
        let number = self.checker.begins(asked);
        let name = Json::String(format!("T{number}").into());
        Operation {
            only_asks,
            id: number as i64,
            fields: vec![("txn", txn.clone())],
            told: Some(vec![("name", name), ("txn", txn)]),
            ..Operation::default()
        }
    }
}

impl Load for Txn {
    fn kinds(&self) -> &'static [&'static str] {
        &["txn"]
    }

    fn next(&mut self, _client: usize, rng: &mut Rng) -> Operation {
        let steps = (0..=rng.below(self.max_steps)).map(|_| {
            if rng.chance(0.5) {
                return Step::Read(self.pool.read(rng), None);
            }
            let (key, value) = self.pool.write(rng);
            Step::Write(key, value)
        });
        let steps = steps.collect();
        self.begin(steps)
    }

    fn last(&mut self, _client: usize, asked: usize) -> Option<Operation> {
        if asked > 0 {
            return None;
        }
        let keys = 0..self.pool.keys();
        Some(self.begin(keys.map(|key| Step::Read(key, None)).collect()))
    }

    fn fields(&self, _kind: usize) -> &'static [&'static str] {
        &["txn"]
    }

    fn ok(&mut self, call: &Call<'_>, asked: &Operation, body: &Json<'_>) -> Result<(), String> {
        let Some(steps) = read_steps(body) else {
            return Err("answered a transaction without its steps called txn".into());
        };
        let when = [call.begun, call.ended];
        (self.checker).done(when, call.node, call.is_last, asked.id as usize, steps);
        Ok(())
    }

    fn failed(&mut self, asked: &Operation, code: i64) {
        self.checker.refused(asked.id as usize, code);
    }

    fn answer(&self, body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(steps) = body.get("txn") {
            line.value("shown", steps);
        }
    }

    fn shortened(&self, body: &Json<'_>) -> Option<Json<'static>> {
        let count = super::elements(body.get("txn")?)?.len();
        (count > MAX_RECORDED).then(|| super::count("txn_ok", count))
    }

    fn verdict(&self) -> Verdict {
        self.checker.verdict()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{problems, spell};
    use super::*;

    /// Problems of a run against nodes with one state: `sees` says what a transaction on
    /// node 1 finds, given its number, the state, and that before the last write.
    fn run(
        sees: impl Fn(usize, &BTreeMap<i64, i64>, &BTreeMap<i64, i64>) -> BTreeMap<i64, i64>,
    ) -> Vec<String> {
        let (mut state, mut half) = (BTreeMap::new(), BTreeMap::new());
        let mut count = 0;
        problems(
            &mut Txn::new(Consistency::ReadCommitted, Draws::default()),
            |node, request| {
                let mut asked = read_steps(request).expect("steps");
                let mut seen = match node {
                    1 => sees(count, &state, &half),
                    _ => state.clone(),
                };
                count += 1;
                for step in &mut asked {
                    match step {
                        Step::Read(key, value) => *value = seen.get(key).copied(),
                        Step::Write(key, value) => {
                            half = state.clone();
                            seen.insert(*key, *value);
                            state.insert(*key, *value);
                        }
                    }
                }
                spell("txn_ok", |body| body.value("txn", &steps(&asked)))
            },
        )
    }

    #[test]
    fn no_transaction_is_longer_than_asked_for() {
        let draws = Draws {
            max_steps: 2,
            ..Draws::default()
        };
        let mut txn = Txn::new(Consistency::ReadCommitted, draws);
        let mut rng = Rng::new(1, "clients");
        let longest = (0..100).map(|_| {
            let body = Json::Object(vec![(
                "txn".into(),
                txn.next(0, &mut rng).fields[0].1.clone(),
            )]);
            read_steps(&body).expect("steps").len()
        });
        assert_eq!(longest.max(), Some(2));
    }

    #[test]
    fn nodes_that_run_one_transaction_after_the_other_are_valid() {
        assert_eq!(run(|_, state, _| state.clone()), [""; 0]);
    }

    #[test]
    fn a_node_that_shows_half_a_transaction_is_caught() {
        let problems = run(|count, state, half| if count < 900 { half } else { state }.clone());
        let torn = |problem: &String| problem.contains(" is torn: it shows T");
        let intermediate = |problem: &String| problem.ends_with("before it ended (G1b)");
        assert!(problems.iter().any(torn), "{problems:?}");
        assert!(problems.iter().any(intermediate), "{problems:?}");
    }

    #[test]
    fn a_node_that_forgets_a_key_is_caught() {
        let problems = run(|_, state, _| {
            let mut state = state.clone();
            state.retain(|key, _| *key != 9);
            state
        });
        let differs =
            |problem: &String| problem.starts_with("final reads of key 9 differ: n0 shows ");
        assert!(problems.iter().any(differs), "{problems:?}");
    }
}
