//! `echo`: what a client says must come back as it was.

use hubcast::json::{Json, Object};

use super::{Call, Load, Operation};
use crate::judge::{Problems, Verdict};
use crate::world::rng::Rng;

/// Sentences with a random number in them, as Maelstrom's.
#[derive(Debug, Default)]
pub struct Echo {
    problems: Problems,
}

impl Load for Echo {
    fn kinds(&self) -> &'static [&'static str] {
        &["echo"]
    }

    fn next(&mut self, _client: usize, rng: &mut Rng) -> Operation {
        asks(format!("Please echo {}", rng.below(128)))
    }

    fn fields(&self, _kind: usize) -> &'static [&'static str] {
        &["echo"]
    }

    fn ok(&mut self, call: &Call<'_>, asked: &Operation, body: &Json<'_>) -> Result<(), String> {
        let (answer, said) = (body.get("echo"), &asked.fields[0].1);
        if answer != Some(said) {
            let answer = answer.map_or("nothing".into(), Json::to_string);
            let text = format!("{} gave back {answer} for {said}", call.node);
            self.problems.note(text);
        }
        Ok(())
    }

    fn answer(&self, body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(echo) = body.get("echo") {
            line.value("echo", echo);
        }
    }

    fn verdict(&self) -> Verdict {
        self.problems.verdict()
    }
}

fn asks(said: String) -> Operation {
    let said = Json::String(said.into());
    Operation {
        only_asks: true,
        fields: vec![("echo", said.clone())],
        told: Some(vec![("value", said)]),
        ..Operation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Mark;

    #[test]
    fn what_comes_back_must_be_what_was_said() {
        let mut load = Echo::default();
        let mark = Mark::at(0);
        let call = Call {
            client: 0,
            node: "n0",
            begun: mark,
            ended: mark,
            is_last: false,
        };
        for body in [r#"{"echo":"hello"}"#, r#"{"echo":["hello"]}"#, "{}"] {
            let body = Json::parse(body.as_bytes()).expect("JSON");
            load.ok(&call, &asks("hello".into()), &body)
                .expect("an answer");
        }
        let says = [
            r#"n0 gave back ["hello"] for "hello""#,
            r#"n0 gave back nothing for "hello""#,
        ];
        assert_eq!(load.verdict().problems.all(), says);
    }
}
