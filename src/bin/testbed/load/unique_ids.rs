//! `unique-ids`: each answer has an `id` that no other answer has, whoever gave it and
//! however often a node was started in between. Any JSON may be an id.

use std::collections::BTreeMap;

use hubcast::json::{Json, Object};

use super::{Call, Load, Operation};
use crate::judge::{Problems, Verdict};
use crate::world::rng::Rng;

/// All ids that were given.
#[derive(Debug, Default)]
pub struct UniqueIds {
    /// Each id as its JSON, and who gave it first.
    given: BTreeMap<String, String>,
    problems: Problems,
}

impl Load for UniqueIds {
    fn kinds(&self) -> &'static [&'static str] {
        &["generate"]
    }

    /// It does not only ask: an id that was made and not heard of is used up.
    fn next(&mut self, _client: usize, _rng: &mut Rng) -> Operation {
        Operation::default()
    }

    fn fields(&self, _kind: usize) -> &'static [&'static str] {
        &["id"]
    }

    fn ok(&mut self, call: &Call<'_>, _asked: &Operation, body: &Json<'_>) -> Result<(), String> {
        let Some(id) = body.get("id") else {
            return Err("answered generate without an id".into());
        };
        if let Some(first) = self.given.get(&id.to_string()) {
            let node = call.node;
            self.problems.note(match first == node {
                true => format!("{node} gave the id {id} twice"),
                false => format!("{node} gave the id {id}, which {first} had given before"),
            });
        }
        self.given.insert(id.to_string(), call.node.to_owned());
        Ok(())
    }

    fn answer(&self, body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(id) = body.get("id") {
            line.value("id", id);
        }
    }

    fn verdict(&self) -> Verdict {
        self.problems.verdict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Mark;

    /// What is said of these answers, each by a node.
    fn problems(answers: &[(&str, &str)]) -> Vec<String> {
        let mut load = UniqueIds::default();
        for (index, (node, body)) in answers.iter().enumerate() {
            let mark = Mark::at(index as u64);
            let call = Call {
                client: 0,
                node,
                begun: mark,
                ended: mark,
                is_last: false,
            };
            let body = Json::parse(body.as_bytes()).expect("JSON");
            load.ok(&call, &Operation::default(), &body)
                .expect("an answer");
        }
        load.verdict().problems.all()
    }

    #[test]
    fn ids_of_any_form_pass_as_long_as_they_differ() {
        let answers = [
            ("n0", r#"{"id":1}"#),
            ("n1", r#"{"id":"1"}"#),
            ("n1", r#"{"id":[1,"n1"]}"#),
            ("n1", r#"{"id":[1,"n2"]}"#),
            ("n2", r#"{"id":null}"#),
        ];
        assert_eq!(problems(&answers), Vec::<String>::new());
    }

    #[test]
    fn an_id_that_was_given_before_is_a_problem_whoever_gave_it() {
        let answers = [
            ("n0", r#"{"id":"\u0041"}"#),
            ("n0", r#"{"id":7}"#),
            ("n0", r#"{"id":7}"#),
            ("n1", r#"{"id":"A"}"#),
        ];
        let says = [
            "n0 gave the id 7 twice",
            r#"n1 gave the id "A", which n0 had given before"#,
        ];
        assert_eq!(problems(&answers), says);
    }
}
