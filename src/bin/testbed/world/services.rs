//! Maelstrom's services: nodes of the network that other people's solutions ask.
//!
//! | name | requests | what it promises |
//! |---|---|---|
//! | `lin-kv` | `read`, `write`, `cas` | each request sees all that were answered before it |
//! | `seq-kv` | the same | one order for all; a client may see an old state, and never one older than it has seen |
//! | `lww-kv` | the same | two replicas with a clock each; a later time wins when they meet |
//! | `lin-tso` | `ts` | each answer is larger than the one before, from 0 |
//!
//! The rules are those of Maelstrom's `doc/services.md` and `src/maelstrom/service.clj`.
//! Three of them surprise:
//!
//! - `seq-kv` first tries a request on an old state. If that changes nothing (a read, a
//!   `cas` that fails, a `write` of what is there), the old state answers. Anything else
//!   happens on the newest state, and then its client has seen that.
//! - `lww-kv` does not know `create_if_not_exists`.
//! - A missing `key`, `value`, `from` or `to` is null, and null is a value like any other.
//!
//! One thing differs. To a request that a service does not know Maelstrom's gives no answer
//! at all; here the error 10 says so. So whoever waits learns why.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::world::rng::Rng;
use hubcast::json::Json;

/// The services' names. The other functions name a service by its place here.
pub const NAMES: [&str; 4] = ["lin-kv", "seq-kv", "lww-kv", "lin-tso"];

/// How many states `seq-kv` remembers. Maelstrom's number.
const STATES: u64 = 32;

/// How many replicas `lww-kv` has. Maelstrom's number; its documentation says 5, its code 2.
const REPLICAS: usize = 2;

/// Maelstrom's error codes.
const NOT_SUPPORTED: i64 = 10;
const KEY_DOES_NOT_EXIST: i64 = 20;
const PRECONDITION_FAILED: i64 = 22;

/// The fields of an answer's body, without `in_reply_to`.
pub type Answer = Vec<(&'static str, Json<'static>)>;

/// The four services. They have no clock and no I/O: the same requests in the same order
/// and the same seed, the same answers.
#[derive(Debug)]
pub struct Services {
    lin: Versions,
    seq: Versions,
    /// The state that each client of `seq-kv` has seen last.
    seen: BTreeMap<String, u64>,
    replicas: [Replica; REPLICAS],
    time: i64,
    rng: Rng,
}

impl Services {
    /// Services that nobody has asked anything.
    pub fn new(seed: u64) -> Services {
        Services {
            lin: Versions::default(),
            seq: Versions::default(),
            seen: BTreeMap::new(),
            replicas: Default::default(),
            time: 0,
            rng: Rng::new(seed, "services"),
        }
    }

    /// What `service`, a place in [`NAMES`], answers to this `body` of a message from `client`.
    pub fn answer(&mut self, service: usize, client: &str, body: &Json<'_>) -> Answer {
        let kind = body.get("type").and_then(Json::as_str).unwrap_or_default();
        match (NAMES[service], kind) {
            ("lin-kv", "read" | "write" | "cas") => self.lin.change(body),
            ("seq-kv", "read" | "write" | "cas") => self.sequential(client, body),
            ("lww-kv", "read" | "write" | "cas") => self.last_write_wins(body),
            ("lin-tso", "ts") => {
                self.time += 1;
                vec![("type", word("ts_ok")), ("ts", Json::Int(self.time - 1))]
            }
            (name, _) => {
                let knows = if name == "lin-tso" {
                    "ts"
                } else {
                    "read, write, cas"
                };
                let text =
                    format!("{name} knows {knows}, not {kind}; Maelstrom's would not answer");
                error(NOT_SUPPORTED, text)
            }
        }
    }

    fn sequential(&mut self, client: &str, body: &Json<'_>) -> Answer {
        let newest = self.seq.newest;
        let oldest = newest.saturating_sub(STATES - 1);
        let seen = self.seen.entry(client.to_owned()).or_default();
        let state = (*seen).max(oldest);
        let state = state + self.rng.below(newest - state + 1);
        let current = self.seq.at(&text_of(body, "key"), state);
        let (value, answer) = decide(body, current, true);
        if value.is_none() || value.as_ref() == current {
            *seen = state;
            return answer;
        }
        let answer = self.seq.change(body);
        *seen = self.seq.newest;
        answer
    }

    fn last_write_wins(&mut self, body: &Json<'_>) -> Answer {
        let mut any = || self.rng.below(REPLICAS as u64) as usize;
        let [from, to, replica] = [any(), any(), any()];
        let source = self.replicas[from].clone();
        self.replicas[to].merge(source);
        self.replicas[replica].change(body)
    }
}

/// A store that remembers its last [`STATES`] states.
#[derive(Debug, Default)]
struct Versions {
    /// The newest state's number.
    newest: u64,
    /// For each key its values, each with the first state that has it.
    keys: BTreeMap<String, Vec<(u64, Json<'static>)>>,
}

impl Versions {
    /// The value of `key` in a state.
    fn at(&self, key: &str, state: u64) -> Option<&Json<'static>> {
        let values = self.keys.get(key)?.iter();
        Some(&values.rev().find(|(first, _)| *first <= state)?.1)
    }

    /// A request happens on the newest state, and the next state begins.
    fn change(&mut self, body: &Json<'_>) -> Answer {
        let key = text_of(body, "key");
        let (value, answer) = decide(body, self.at(&key, self.newest), true);
        self.newest += 1;
        if let Some(value) = value {
            let values = self.keys.entry(key).or_default();
            values.push((self.newest, value));
            // Of the values that are too old one is left: the oldest state still has it.
            let oldest = self.newest.saturating_sub(STATES - 1);
            let old = values.iter().filter(|(first, _)| *first <= oldest).count();
            values.drain(..old.saturating_sub(1));
        }
        answer
    }
}

/// One of `lww-kv`'s stores, with its Lamport clock.
#[derive(Clone, Debug, Default)]
struct Replica {
    clock: u64,
    keys: BTreeMap<String, (u64, Json<'static>)>,
}

impl Replica {
    fn merge(&mut self, other: Replica) {
        self.clock = self.clock.max(other.clock);
        for (key, theirs) in other.keys {
            match self.keys.get_mut(&key) {
                Some(own) if own.0 > theirs.0 => {}
                // Of two values with the same time the other's wins, as in Maelstrom.
                Some(own) => *own = theirs,
                None => drop(self.keys.insert(key, theirs)),
            }
        }
    }

    fn change(&mut self, body: &Json<'_>) -> Answer {
        let key = text_of(body, "key");
        let current = self.keys.get(&key).map(|(_, value)| value);
        let (value, answer) = decide(body, current, false);
        if let Some(value) = value {
            self.keys.insert(key, (self.clock, value));
            self.clock += 1;
        }
        answer
    }
}

/// What a request does to a key that has this value: writes another, or not; and the answer.
fn decide(
    body: &Json<'_>,
    current: Option<&Json<'static>>,
    may_create: bool,
) -> (Option<Json<'static>>, Answer) {
    let missing = || (None, error(KEY_DOES_NOT_EXIST, "key does not exist".into()));
    match (body.get("type").and_then(Json::as_str), current) {
        (Some("write"), _) => (Some(field(body, "value")), vec![("type", word("write_ok"))]),
        (Some("cas"), Some(value)) if field(body, "from") != *value => {
            let text = format!("current value {value} is not {}", field(body, "from"));
            (None, error(PRECONDITION_FAILED, text))
        }
        (Some("cas"), current) => {
            let create = field(body, "create_if_not_exists");
            // As in Clojure: all but null and false is true.
            let creates = may_create && !matches!(create, Json::Null | Json::Bool(false));
            if current.is_none() && !creates {
                return missing();
            }
            (Some(field(body, "to")), vec![("type", word("cas_ok"))])
        }
        (_, Some(value)) => (
            None,
            vec![("type", word("read_ok")), ("value", value.clone())],
        ),
        (_, None) => missing(),
    }
}

fn word(word: &'static str) -> Json<'static> {
    Json::String(Cow::Borrowed(word))
}

fn error(code: i64, text: String) -> Answer {
    let text = Json::String(text.into());
    vec![
        ("type", word("error")),
        ("code", Json::Int(code)),
        ("text", text),
    ]
}

/// A field of a request; null if it is not there.
fn field(body: &Json<'_>, name: &str) -> Json<'static> {
    body.get(name).map_or(Json::Null, ordered)
}

/// The same as text.
fn text_of(body: &Json<'_>, name: &str) -> String {
    field(body, name).to_string()
}

/// The value with the members of its objects in the order of their names, each once: objects
/// that say the same are equal. A number that is no integer is equal to the same text only.
fn ordered(json: &Json<'_>) -> Json<'static> {
    match json {
        Json::Array(elements) => Json::Array(elements.iter().map(ordered).collect()),
        Json::Object(members) => {
            let members = members.iter();
            let by_name: BTreeMap<String, Json<'static>> = members
                .map(|(name, value)| (name.to_string(), ordered(value)))
                .collect();
            let members = by_name.into_iter();
            Json::Object(members.map(|(name, value)| (name.into(), value)).collect())
        }
        other => other.to_static(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a service answers to a body, as text.
    fn ask(services: &mut Services, service: &str, client: &str, body: &str) -> String {
        let place = NAMES
            .iter()
            .position(|name| *name == service)
            .expect(service);
        let body = Json::parse(body.as_bytes()).expect(body);
        let answer = services.answer(place, client, &body);
        let members = answer.into_iter().map(|(name, value)| (name.into(), value));
        Json::Object(members.collect()).to_string()
    }

    /// Asks in this order; each answer must be the one beside it.
    fn goes(service: &str, history: &[(&str, &str)]) {
        let mut services = Services::new(1);
        for (body, answer) in history {
            assert_eq!(
                ask(&mut services, service, "n0", body),
                *answer,
                "{service}: {body}"
            );
        }
    }

    const READ: &str = r#"{"type":"read","key":"x"}"#;
    const MISSING: &str = r#"{"type":"error","code":20,"text":"key does not exist"}"#;

    fn write(value: i64) -> String {
        format!(r#"{{"type":"write","key":"x","value":{value}}}"#)
    }

    fn shows(value: i64) -> String {
        format!(r#"{{"type":"read_ok","value":{value}}}"#)
    }

    /// The value that an answer to a read shows; 0 if there is none yet.
    fn value(answer: &str) -> i64 {
        let json = Json::parse(answer.as_bytes()).expect("an answer");
        json.get("value").and_then(Json::as_int).unwrap_or(0)
    }

    #[test]
    fn one_client_sees_its_own_writes_in_lin_kv_and_seq_kv() {
        for service in ["lin-kv", "seq-kv"] {
            goes(
                service,
                &[
                    (READ, MISSING),
                    (r#"{"type":"cas","key":"x","from":1,"to":2}"#, MISSING),
                    (
                        r#"{"type":"write","key":"x","value":1}"#,
                        r#"{"type":"write_ok"}"#,
                    ),
                    (READ, r#"{"type":"read_ok","value":1}"#),
                    (
                        r#"{"type":"cas","key":"x","from":1,"to":2}"#,
                        r#"{"type":"cas_ok"}"#,
                    ),
                    (
                        r#"{"type":"cas","key":"x","from":1,"to":3}"#,
                        r#"{"type":"error","code":22,"text":"current value 2 is not 1"}"#,
                    ),
                    (READ, r#"{"type":"read_ok","value":2}"#),
                ],
            );
        }
    }

    #[test]
    fn a_cas_may_create_a_key_and_not_overwrite_one() {
        let create = r#"{"type":"cas","key":"x","from":0,"to":5,"create_if_not_exists":true}"#;
        let refused = r#"{"type":"error","code":22,"text":"current value 5 is not 0"}"#;
        goes(
            "lin-kv",
            &[(create, r#"{"type":"cas_ok"}"#), (create, refused)],
        );
        let unwilling = r#"{"type":"cas","key":"x","from":0,"to":5,"create_if_not_exists":false}"#;
        goes("lin-kv", &[(unwilling, MISSING)]);
        goes("lww-kv", &[(create, MISSING)]);
    }

    #[test]
    fn keys_and_values_may_be_any_json() {
        let text = r#"{"type":"read","key":"1"}"#;
        goes(
            "lin-kv",
            &[
                (
                    r#"{"type":"write","key":1,"value":{"b":[1.5],"a":null}}"#,
                    r#"{"type":"write_ok"}"#,
                ),
                (text, MISSING),
                (
                    r#"{"type":"cas","key":1,"from":{"a":null,"b":[1.5]},"to":null}"#,
                    r#"{"type":"cas_ok"}"#,
                ),
                (
                    r#"{"type":"read","key":1}"#,
                    r#"{"type":"read_ok","value":null}"#,
                ),
                (
                    r#"{"type":"write","key":{"k":1,"l":2},"value":7}"#,
                    r#"{"type":"write_ok"}"#,
                ),
                (
                    r#"{"type":"read","key":{"l":2,"k":1}}"#,
                    r#"{"type":"read_ok","value":7}"#,
                ),
                (r#"{"type":"write","value":8}"#, r#"{"type":"write_ok"}"#),
                (
                    r#"{"type":"read","key":null}"#,
                    r#"{"type":"read_ok","value":8}"#,
                ),
            ],
        );
    }

    #[test]
    fn what_a_service_does_not_know_is_refused_with_10() {
        for (service, kind) in [("lin-kv", "ts"), ("seq-kv", "delete"), ("lin-tso", "read")] {
            let answer = ask(
                &mut Services::new(1),
                service,
                "n0",
                &format!(r#"{{"type":"{kind}"}}"#),
            );
            let names = answer.contains(service) && answer.contains(kind);
            assert!(answer.contains(r#""code":10"#) && names, "{answer}");
        }
    }

    #[test]
    fn lin_kv_shows_every_client_the_last_write() {
        let (mut services, mut rng, mut last) = (Services::new(1), Rng::new(1, "test"), 0);
        for step in 1..=2000 {
            let client = format!("n{}", rng.below(5));
            match rng.below(3) {
                0 => {
                    ask(&mut services, "lin-kv", &client, &write(step));
                    last = step;
                }
                1 => {
                    let from = if rng.chance(0.5) { last } else { last + 1 };
                    let cas = format!(r#"{{"type":"cas","key":"x","from":{from},"to":{step}}}"#);
                    let answer = ask(&mut services, "lin-kv", &client, &cas);
                    let done = answer == r#"{"type":"cas_ok"}"#;
                    assert_eq!(done, from == last && last > 0, "{cas}: {answer}");
                    last = if done { step } else { last };
                }
                _ => assert_eq!(value(&ask(&mut services, "lin-kv", &client, READ)), last),
            }
        }
        assert!(last > 1000, "the last of many writes");
    }

    #[test]
    fn seq_kv_shows_old_states_and_never_goes_back_for_a_client() {
        let mut services = Services::new(1);
        let (mut shown, mut old, mut fresh) = ([0; 3], 0, 0);
        for step in 1..=500 {
            ask(&mut services, "seq-kv", "writer", &write(step));
            for (client, shown) in shown.iter_mut().enumerate() {
                // One reads seldom: what it had seen is long forgotten.
                if client == 2 && step % 100 > 0 {
                    continue;
                }
                let now = value(&ask(&mut services, "seq-kv", &format!("n{client}"), READ));
                assert!(now >= *shown, "{client} goes back from {shown} to {now}");
                assert!(now > step - STATES as i64, "{now} is too old at {step}");
                *shown = now;
                old += u32::from(now < step);
                fresh += u32::from(now == step);
            }
        }
        assert!(
            old > 200 && fresh > 50,
            "{old} old states, {fresh} fresh ones"
        );
    }

    #[test]
    fn a_client_of_seq_kv_that_changes_something_has_caught_up() {
        let mut services = Services::new(1);
        for step in 1..=200 {
            ask(&mut services, "seq-kv", "n0", &write(step));
            let barrier = format!(r#"{{"type":"write","key":"n1","value":{step}}}"#);
            ask(&mut services, "seq-kv", "n1", &barrier);
            assert_eq!(ask(&mut services, "seq-kv", "n1", READ), shows(step));
            // So has one whose cas would have succeeded on an old state only.
            let cas = format!(r#"{{"type":"cas","key":"x","from":{},"to":-1}}"#, step - 1);
            let answer = ask(&mut services, "seq-kv", "n2", &cas);
            assert!(!answer.contains("cas_ok"), "{answer}");
        }
    }

    #[test]
    fn seq_kv_may_put_a_write_of_what_was_there_into_the_past() {
        // The history of Maelstrom's documentation.
        let outcomes = (0..100).map(|seed| {
            let mut services = Services::new(seed);
            ask(&mut services, "seq-kv", "n1", &write(1));
            ask(
                &mut services,
                "seq-kv",
                "n2",
                r#"{"type":"cas","key":"x","from":1,"to":2}"#,
            );
            ask(&mut services, "seq-kv", "n1", &write(1));
            value(&ask(&mut services, "seq-kv", "n2", READ))
        });
        let two = outcomes.filter(|shown| *shown == 2).count();
        assert!((20..100).contains(&two), "{two} of 100 show 2");
    }

    #[test]
    fn lww_kv_may_lose_a_write_and_its_replicas_agree_in_the_end() {
        let mut lost = 0;
        for seed in 0..100 {
            let mut services = Services::new(seed);
            for step in 1..=3 {
                ask(&mut services, "lww-kv", "n0", &write(step));
            }
            // Each request merges two replicas.
            let mut reads = (0..40).map(|_| value(&ask(&mut services, "lww-kv", "n0", READ)));
            let (reads, last) = (reads.by_ref().take(30).last(), reads.collect::<Vec<_>>());
            assert!(
                last.iter().all(|shown| Some(*shown) == reads),
                "{seed}: {last:?}"
            );
            lost += u32::from(reads != Some(3));
        }
        assert!((5..60).contains(&lost), "{lost} of 100 lost the last write");
    }

    #[test]
    fn a_replica_that_has_heard_of_a_write_gives_the_next_one_a_later_time() {
        let change = |replica: &mut Replica, body: &str| {
            replica.change(&Json::parse(body.as_bytes()).expect(body));
        };
        let [mut one, mut other] = [Replica::default(), Replica::default()];
        for step in 1..=3 {
            change(&mut one, &write(step));
        }
        other.merge(one.clone());
        change(&mut other, &write(4));
        one.merge(other);
        assert_eq!(one.keys[r#""x""#].1, Json::Int(4));
    }

    #[test]
    fn lin_tso_strictly_grows_from_0() {
        let mut services = Services::new(1);
        for expected in 0..100 {
            let client = ["n0", "n1"][expected % 2];
            let answer = ask(&mut services, "lin-tso", client, r#"{"type":"ts"}"#);
            assert_eq!(answer, format!(r#"{{"type":"ts_ok","ts":{expected}}}"#));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_answers() {
        let history = |seed| {
            let mut services = Services::new(seed);
            let ask = |step: i64| {
                ask(&mut services, "seq-kv", "n0", &write(step));
                ask(&mut services, "seq-kv", "n1", READ)
            };
            (0..50).map(ask).collect::<Vec<_>>()
        };
        assert_eq!(history(1), history(1));
        assert_ne!(history(1), history(2));
    }
}
