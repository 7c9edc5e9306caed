//! `unique-ids`: each answer has an `id` that no other answer has, whoever gave it and
//! however often a node was started in between. Any JSON may be an id.

use std::collections::BTreeMap;

use hubcast::json::{Json, Object};

use super::{Call, Load};
use crate::checker::{Mark, Problems, Verdict};
use crate::options::Options;
use crate::rng::Rng;

/// All ids that were given.
#[derive(Debug)]
pub struct UniqueIds {
    /// Each id as its JSON, and who gave it first.
    given: BTreeMap<String, String>,
    problems: Problems,
}

impl Load for UniqueIds {
    type Operation = ();
    type Required = ();

    const KINDS: &'static [&'static str] = &["generate"];

    fn new(_options: &Options) -> UniqueIds {
        UniqueIds {
            given: BTreeMap::new(),
            problems: Problems::default(),
        }
    }

    fn next(&mut self, _begun: Mark, _client: usize, _rng: &mut Rng) {}

    fn last(&mut self, _begun: Mark, _client: usize, _asked: usize) -> Option<()> {
        None
    }

    fn kind((): &()) -> usize {
        0
    }

    fn only_asks((): &()) -> bool {
        // An id that was made and not heard of is used up.
        false
    }

    fn write((): &(), _body: &mut Object<'_>) {}

    fn describe((): &(), _line: &mut Object<'_>) {}

    fn ok(&mut self, call: &Call<'_>, (): &(), body: &Json<'_>) -> Result<(), String> {
        let Some(id) = body.get("id") else {
            return Err("answered generate without an id".into());
        };
        if let Some(first) = self.given.get(&id.to_string()) {
            let node = call.node;
            let whose = match first == node {
                true => "before".to_owned(),
                false => format!("as {first} had before"),
            };
            self.problems
                .note(format!("{node} gave the id {id} {whose}"));
        }
        self.given.insert(id.to_string(), call.node.to_owned());
        Ok(())
    }

    fn failed(&mut self, _call: &Call<'_>, (): &(), _code: i64) {}

    fn answer(body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(id) = body.get("id") {
            line.value("id", id);
        }
    }

    fn verdict(&self) -> Verdict {
        Verdict {
            problems: self.problems.list(),
            ..Verdict::default()
        }
    }
}
