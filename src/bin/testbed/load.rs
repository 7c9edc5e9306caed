//! What the clients want of the nodes: the load of a run.
//!
//! The engine knows clients, their timeouts, the network and the
//! phases of a run. A [`Load`] knows what is asked, what an answer means, and what
//! all the answers together say. One file a workload, here and in the node.

mod broadcast;
mod counter;
mod echo;
mod kafka;
mod pool;
mod txn;
mod unique_ids;

use std::fmt::Debug;

use hubcast::json::{Json, Object};

use crate::judge::txn::Consistency;
use crate::judge::{Mark, Verdict};
use crate::world::rng::Rng;

/// The workloads, by Maelstrom's names.
pub const NAMES: [&str; 8] = [
    "broadcast",
    "echo",
    "unique-ids",
    "g-set",
    "g-counter",
    "pn-counter",
    "kafka",
    "txn-rw-register",
];

/// What the keys and the transactions of `kafka` and `txn-rw-register` are drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// How many keys are in use at a time: at least 1, at most [`MAX_KEYS`](Draws::MAX_KEYS).
    pub keys: usize,
    /// How often a key is written to before it makes room for a fresh one, at least 1.
    pub max_writes: u64,
    /// The most steps of a transaction, at least 1.
    pub max_steps: u64,
}

impl Draws {
    /// Each key is twice as likely as the one before it: of more than so many the first
    /// would never be drawn.
    pub const MAX_KEYS: u64 = 30;
}

/// Maelstrom's defaults; the number of keys is Elle's for this distribution.
impl Default for Draws {
    fn default() -> Draws {
        Draws {
            keys: 10,
            max_writes: 16,
            max_steps: 4,
        }
    }
}

/// The clients of this workload, before anybody has done anything; `None`: there is no
/// such workload. Transactions are judged by this model.
pub fn of(workload: &str, consistency: Consistency, draws: Draws) -> Option<Box<dyn Load>> {
    Some(match workload {
        "broadcast" => Box::new(broadcast::Broadcast::default()),
        "echo" => Box::new(echo::Echo::default()),
        "unique-ids" => Box::new(unique_ids::UniqueIds::default()),
        "g-set" => Box::new(broadcast::GSet::default()),
        "g-counter" => Box::new(counter::GCounter::default()),
        "pn-counter" => Box::new(counter::PnCounter::default()),
        "kafka" => Box::new(kafka::Kafka::new(draws)),
        "txn-rw-register" => Box::new(txn::Txn::new(consistency, draws)),
        _ => return None,
    })
}

/// An operation that has ended: by whom, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The client, by its number. It asks the same node all the time, one thing after
    /// the other.
    pub client: usize,
    /// The node that was asked.
    pub node: &'a str,
    /// When it began.
    pub begun: Mark,
    /// When it ended for the client.
    pub ended: Mark,
    /// Whether it is what [`last`](Load::last) gave.
    pub is_last: bool,
}

/// A body as it is recorded if it shows too much: its type, and how many things.
fn count(kind: &'static str, count: usize) -> Json<'static> {
    Json::Object(vec![
        ("type".into(), Json::String(kind.into())),
        ("count".into(), Json::Int(count as i64)),
    ])
}

/// Members of an object.
pub type Fields = Vec<(&'static str, Json<'static>)>;

/// What a client asks.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// Which of the [kinds](Load::kinds) it is.
    pub kind: usize,
    /// It only asks. What has no effect has failed if nobody answers, and is not
    /// indeterminate; Maelstrom's rule.
    pub only_asks: bool,
    /// By what the load knows it.
    pub id: i64,
    /// The request's fields, type and number excepted.
    pub fields: Fields,
    /// What the history says of it, where that is something else than its fields.
    pub told: Option<Fields>,
}

impl Operation {
    /// A question of this kind without fields.
    pub fn question(kind: usize) -> Operation {
        Operation {
            kind,
            only_asks: true,
            ..Operation::default()
        }
    }

    /// What the history says of it besides its kind.
    pub fn told(&self) -> &[(&'static str, Json<'static>)] {
        self.told.as_ref().unwrap_or(&self.fields)
    }
}

/// The elements of a list. Null is an empty one: Maelstrom takes it so, and Go's encoder
/// writes it for a nil slice.
fn elements<'a>(json: &'a Json<'a>) -> Option<&'a [Json<'a>]> {
    match json {
        Json::Null => Some(&[]),
        json => json.as_array(),
    }
}

/// One workload's clients and their judge.
pub trait Load: Debug {
    /// The kinds of operations, in the order of the report. A kind's name is its
    /// request's type, and with `_ok` behind it that of its answer.
    fn kinds(&self) -> &'static [&'static str];

    /// Whether nodes are advised a topology first, as Maelstrom does for `broadcast`.
    fn advises(&self) -> bool {
        false
    }

    /// A client's next operation.
    fn next(&mut self, client: usize, rng: &mut Rng) -> Operation;

    /// What a client asks in the end, after the quiet, when it was `asked` so many
    /// last questions before that; `None`: nothing, or nothing more. A client whose
    /// question was not answered as asked is asked no more.
    fn last(&mut self, _client: usize, _asked: usize) -> Option<Operation> {
        None
    }

    /// What the answer to a kind of operation has besides `type`, `in_reply_to` and
    /// `msg_id`. Maelstrom refuses an answer with anything else in it.
    fn fields(&self, kind: usize) -> &'static [&'static str];

    /// It was answered as asked, with these [fields](Load::fields) at most.
    ///
    /// # Errors
    ///
    /// What the node did, if that is no answer: nothing was taken in, and Maelstrom refuses
    /// it, too.
    fn ok(&mut self, call: &Call<'_>, asked: &Operation, body: &Json<'_>) -> Result<(), String>;

    /// It was answered with the definite error `code`: it has not happened, and
    /// never will. After any other end it may have happened, or happen yet.
    fn failed(&mut self, _asked: &Operation, _code: i64) {}

    /// What the history says of an answer besides its type.
    fn answer(&self, body: &Json<'_>, line: &mut Object<'_>);

    /// How a body is recorded that would be too long as it is.
    fn shortened(&self, _body: &Json<'_>) -> Option<Json<'static>> {
        None
    }

    // What every node must show once all faults are over, asked by the observer. A load
    // in which no answer could show it leaves this as it is: then no recovery is judged.

    /// From now on a node [holds](Load::holds) what is required if it shows all that was
    /// accepted so far. Gives how many things these are (the more, the more seldom nodes
    /// are asked); `None` if nothing that a node answers could show it.
    fn require(&mut self) -> Option<usize> {
        None
    }

    /// The request that makes a node show it: its type, and its fields.
    fn show(&self) -> (&'static str, Fields) {
        ("read", Vec::new())
    }

    /// Whether the answer shows all of it; `None` if it is no such answer.
    fn holds(&self, _body: &Json<'_>) -> Option<bool> {
        None
    }

    // What spreads while a fault lasts. A load without single values leaves this as it is:
    // then nothing is measured.

    /// The value that an operation gives, once it was answered as asked.
    fn given(&self, _asked: &Operation) -> Option<i64> {
        None
    }

    /// The values that an answer to [`show`](Load::show) shows.
    fn values(&self, _body: &Json<'_>) -> Option<Vec<i64>> {
        None
    }

    /// What all of it means.
    fn verdict(&self) -> Verdict;
}

#[cfg(test)]
mod tests {
    use super::*;
    /// A body of this type and these fields.
    pub fn spell(kind: &'static str, fields: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        hubcast::json::object(&mut out, |body| {
            body.word("type", kind);
            fields(body);
        });
        out
    }

    /// How many operations such a run has, the last questions excepted.
    const OPERATIONS: usize = 1000;

    /// What the judge says of a run of this load against three nodes that answer at once:
    /// `answer` gets the node's number and the request's body.
    pub fn problems(
        load: &mut dyn Load,
        mut answer: impl FnMut(usize, &Json<'_>) -> Vec<u8>,
    ) -> Vec<String> {
        const CLIENTS: usize = 3;
        let mut rng = Rng::new(1, "clients");
        let mut marks = 0;
        let mut mark = || {
            marks += 1;
            Mark::at(marks)
        };
        let mut ask = |load: &mut dyn Load, client, begun, operation: Operation, is_last| {
            let request = spell(load.kinds()[operation.kind], |body| {
                (operation.fields.iter()).for_each(|(name, value)| body.value(name, value));
            });
            let answer = answer(client, &Json::parse(&request).expect("a request"));
            let call = Call {
                client,
                node: &format!("n{client}"),
                begun,
                // Nothing else happens in between.
                ended: begun,
                is_last,
            };
            let answer = Json::parse(&answer).expect("an answer");
            load.ok(&call, &operation, &answer).expect("an answer");
        };
        for index in 0..OPERATIONS {
            let client = index % CLIENTS;
            let operation = load.next(client, &mut rng);
            ask(load, client, mark(), operation, false);
        }
        for client in 0..CLIENTS {
            let mut asked = 0;
            while let Some(operation) = load.last(client, asked) {
                ask(load, client, mark(), operation, true);
                asked += 1;
            }
        }
        load.verdict().problems.list(true, true)
    }
}
