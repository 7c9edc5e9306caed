//! The node that everybody writes first: tell all neighbours.
//!
//! The lesson begins with it. It solves the first half of the challenge: on a quiet
//! network every value reaches every node. Everything else is wrong, on purpose:
//!
//! - It says everything twice. Along each line of the grid a value goes there and,
//!   as a rule, back, since both ends heard of it from somebody else.
//! - Each value is a message of its own, and nothing waits for company.
//! - What is lost stays lost. It wants no acks, so it never knows, and it never says
//!   anything again. Its `broadcast_ok` is a promise that it does not keep.
//! - After a restart it knows nothing, not even its neighbours, and does not ask.
//!
//! ```text
//! ./run.sh efficient --bin target/release/flood --topology grid
//! ./run.sh partition --bin target/release/flood --topology tree4
//! ```

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};

use hubcast::json::{Json, encode_int};
use hubcast::message::{self, Message};

/// All that there is to it.
#[derive(Debug, Default)]
pub struct Flood {
    name: String,
    neighbours: Vec<String>,
    values: BTreeSet<i64>,
}

impl Flood {
    /// Follows one line; what it says goes to `out`. A request that it does not know it
    /// does not answer.
    ///
    /// # Errors
    ///
    /// A sentence, if the line is no message or lacks something.
    pub fn hear(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let json = Json::parse(line).map_err(|error| error.to_string())?;
        let Message {
            src, msg_id, body, ..
        } = Message::read(&json)?;
        let answer = match body.text("type")? {
            "init" => {
                self.name = body.text("node_id")?.into();
                "init_ok"
            }
            "topology" => {
                let advice = body.object("topology")?;
                let name = |name: &Json| name.as_str().map(String::from);
                self.neighbours = advice.list(&self.name, "a node's name", name)?;
                "topology_ok"
            }
            "broadcast" => {
                self.tell(body.int("message")?, src, out);
                "broadcast_ok"
            }
            "read" => "read_ok",
            _ => return Ok(()),
        };
        // Neighbours do not number what they say, so only clients are answered.
        let Some(msg_id) = msg_id else { return Ok(()) };
        message::write(out, &self.name, src, |body| {
            body.word("type", answer);
            body.value("in_reply_to", msg_id);
            if answer == "read_ok" {
                body.list("messages", &self.values, |value, out| {
                    encode_int(*value, out);
                });
            }
        });
        Ok(())
    }

    /// Tells a value, if it is new, to all neighbours but the one that it came from.
    fn tell(&mut self, value: i64, from: &str, out: &mut Vec<u8>) {
        if !self.values.insert(value) {
            return;
        }
        for neighbour in self.neighbours.iter().filter(|name| *name != from) {
            message::write(out, &self.name, neighbour, |body| {
                body.word("type", "broadcast");
                body.int("message", value);
            });
        }
    }
}

fn main() -> io::Result<()> {
    let (mut node, mut out) = (Flood::default(), Vec::new());
    for line in io::stdin().lock().split(b'\n') {
        if let Err(reason) = node.hear(&line?, &mut out) {
            eprintln!("ignored: {reason}");
        }
        io::stdout().write_all(&out)?;
        out.clear();
    }
    Ok(())
}
