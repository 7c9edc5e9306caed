//! `echo`: what a client says must come back as it was.

use hubcast::json::{Json, Object};

use super::{Call, Load};
use crate::checker::{Problems, Verdict};
use crate::options::Options;
use crate::rng::Rng;

/// Sentences with a random number in them, as Maelstrom's.
#[derive(Debug)]
pub struct Echo {
    problems: Problems,
}

impl Load for Echo {
    /// What is said.
    type Operation = String;
    type Required = ();

    const KINDS: &'static [&'static str] = &["echo"];

    fn new(_options: &Options) -> Echo {
        Echo {
            problems: Problems::default(),
        }
    }

    fn next(&mut self, _client: usize, rng: &mut Rng) -> String {
        format!("Please echo {}", rng.below(128))
    }

    fn only_asks(_said: &String) -> bool {
        true
    }

    fn write(said: &String, body: &mut Object<'_>) {
        body.text("echo", said);
    }

    fn describe(said: &String, line: &mut Object<'_>) {
        line.text("value", said);
    }

    fn ok(&mut self, call: &Call<'_>, said: &String, body: &Json<'_>) -> Result<(), String> {
        let answer = body.get("echo");
        if answer.and_then(Json::as_str) != Some(said) {
            let answer = answer.map_or("nothing".into(), Json::to_string);
            let said = Json::String(said.as_str().into());
            let text = format!("{} gave back {answer} for {said}", call.node);
            self.problems.note(text);
        }
        Ok(())
    }

    fn answer(body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(echo) = body.get("echo") {
            line.value("echo", echo);
        }
    }

    fn verdict(&self) -> Verdict {
        self.problems.verdict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::Mark;
    use crate::options::Job;

    #[test]
    fn what_comes_back_must_be_what_was_said() {
        let mut load = Echo::new(&Options::new(Job::Workload));
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
            load.ok(&call, &"hello".into(), &body).expect("an answer");
        }
        let says = [
            r#"n0 gave back ["hello"] for "hello""#,
            r#"n0 gave back nothing for "hello""#,
        ];
        assert_eq!(load.verdict().problems, says);
    }
}
