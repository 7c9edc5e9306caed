//! `kafka`: clients append messages to logs, poll them from where they left off, and
//! commit how far they have come.
//!
//! The clients are Maelstrom's (`maelstrom.workload.kafka`). Half of the operations are
//! a `send`, half a `poll`. Who has polled something commits it next. Now and then a
//! client asks for committed offsets (`list_committed_offsets`). Half of these times it
//! has forgotten its positions and goes on from the committed offsets, as a client that
//! crashed does.
//!
//! Two things differ. Every request is an operation of its own here, where Maelstrom
//! counts a poll and its commit as one. And a client polls all keys in use, not only those
//! that it was assigned at random: so it is seen how soon a message is everywhere.

use std::collections::BTreeMap;

use hubcast::json::{Json, Object};

use super::pool::Pool;
use super::{Call, Draws, Fields, Load, Operation};
use crate::judge::Verdict;
use crate::judge::log::{Entries, Log, Offsets};
use crate::world::rng::Rng;

/// How often a client asks for committed offsets. Maelstrom's.
const LISTS: f64 = 1.0 / 64.0;

/// The most last questions of a client: more than there are entries, for whom one is shown at a
/// time. A node that always has more would never come to an end.
const MAX_LAST: usize = 100_000;

/// The most entries of an answer that is recorded whole.
const MAX_RECORDED: usize = 40;

/// Messages 0, 1, 2, ... and their judge.
#[derive(Debug, Default)]
pub struct Kafka {
    pool: Pool,
    messages: i64,
    clients: BTreeMap<usize, Client>,
    /// The last acknowledged offset of each key.
    accepted: Offsets,
    /// The same when a fault ended: who shows these entries has all before them.
    required: Offsets,
    checker: Log,
}

/// What a client remembers.
#[derive(Debug, Default)]
struct Client {
    /// From where it polls next, by key; where it has none, from 0.
    positions: Offsets,
    /// What it has polled and not committed yet.
    polled: Offsets,
    /// The last polls: from where on, and whether the last one showed anything.
    end: Offsets,
    has_more: bool,
    has_listed: bool,
}

const SEND: usize = 0;
const POLL: usize = 1;
const COMMIT: usize = 2;
const LIST: usize = 3;

/// So much is there, or so far I have come, by key.
fn by_offsets(kind: usize, offsets: &Offsets) -> Operation {
    Operation {
        kind,
        only_asks: kind == POLL,
        fields: vec![("offsets", offsets_json(offsets))],
        ..Operation::default()
    }
}

/// How far has a client come with these keys? `anew`: it goes on from there.
fn list(keys: impl Iterator<Item = i64>, anew: bool) -> Operation {
    let keys = keys.map(|key| Json::String(key.to_string().into()));
    Operation {
        kind: LIST,
        only_asks: true,
        id: anew.into(),
        fields: vec![("keys", Json::Array(keys.collect()))],
        ..Operation::default()
    }
}

fn offsets_json(offsets: &Offsets) -> Json<'static> {
    let members = offsets.iter();
    let members = members.map(|(key, offset)| (key.to_string().into(), Json::Int(*offset)));
    Json::Object(members.collect())
}

/// The members of an object, by keys that are integers in strings; `None` if it is
/// something else.
fn by_key<T>(json: &Json<'_>, read: impl Fn(&Json<'_>) -> Option<T>) -> Option<BTreeMap<i64, T>> {
    let Json::Object(members) = json else {
        return None;
    };
    let read = |(key, value): &(_, Json<'_>)| {
        let key: &std::borrow::Cow<'_, str> = key;
        Some((key.parse().ok()?, read(value)?))
    };
    members.iter().map(read).collect()
}

fn read_offsets(offsets: &Json<'_>) -> Option<Offsets> {
    by_key(offsets, |offset| offset.as_int())
}

fn read_entries(body: &Json<'_>) -> Option<Entries> {
    let pair = |pair: &Json<'_>| match pair.as_array()? {
        [Json::Int(offset), Json::Int(message)] => Some((*offset, *message)),
        _ => None,
    };
    by_key(body.get("msgs")?, |pairs| {
        super::elements(pairs)?.iter().map(pair).collect()
    })
}

/// Goes on behind what was shown. Says whether there was anything.
fn advance(positions: &mut Offsets, shown: &Entries) -> bool {
    for (&key, entries) in shown {
        if let Some(highest) = entries.iter().map(|(offset, _)| *offset).max() {
            let position = positions.entry(key).or_default();
            *position = highest.saturating_add(1).max(*position);
        }
    }
    shown.values().any(|entries| !entries.is_empty())
}

impl Kafka {
    /// For so many keys.
    pub fn new(draws: Draws) -> Kafka {
        Kafka {
            pool: Pool::new(draws),
            ..Kafka::default()
        }
    }

    /// The keys in use and those that were just before.
    fn recent(&self) -> Vec<i64> {
        let first = self.pool.keys() - 2 * self.pool.active().count() as i64;
        let mut keys: Vec<i64> = (first.max(0)..self.pool.keys()).collect();
        keys.extend(self.pool.active().filter(|&key| key < first));
        keys.sort_unstable();
        keys
    }

    fn poll_ok(&mut self, call: &Call<'_>, asked: &Offsets, shown: &Entries) {
        (self.checker).poll_ok([call.begun, call.ended], call.node, asked, shown);
        let client = self.clients.entry(call.client).or_default();
        if call.is_last {
            self.checker.final_poll(call.node, shown);
            client.has_more = advance(&mut client.end, shown);
            return;
        }
        advance(&mut client.positions, shown);
        for (&key, entries) in shown {
            if let Some(highest) = entries.iter().map(|(offset, _)| *offset).max() {
                client.polled.insert(key, highest);
            }
        }
    }
}

impl Load for Kafka {
    fn kinds(&self) -> &'static [&'static str] {
        &["send", "poll", "commit_offsets", "list_committed_offsets"]
    }

    fn next(&mut self, client: usize, rng: &mut Rng) -> Operation {
        let recent = self.recent();
        let client = self.clients.entry(client).or_default();
        if !client.polled.is_empty() {
            let offsets = std::mem::take(&mut client.polled);
            self.checker.commit_begins(&offsets);
            return by_offsets(COMMIT, &offsets);
        }
        if rng.chance(LISTS) {
            return list(recent.into_iter(), rng.chance(0.5));
        }
        if rng.chance(0.5) {
            let (key, _) = self.pool.write(rng);
            let message = self.messages;
            self.messages += 1;
            self.checker.send_begins(message, key);
            let key = Json::String(key.to_string().into());
            return Operation {
                kind: SEND,
                id: message,
                fields: vec![("key", key), ("msg", Json::Int(message))],
                ..Operation::default()
            };
        }
        let from = |key| client.positions.get(&key).copied().unwrap_or(0);
        let offsets = recent.into_iter().map(|key| (key, from(key))).collect();
        by_offsets(POLL, &offsets)
    }

    fn last(&mut self, client: usize, asked: usize) -> Option<Operation> {
        let keys = 0..self.pool.keys();
        let client = self.clients.entry(client).or_default();
        if asked == 0 {
            client.end = keys.map(|key| (key, 0)).collect();
            return Some(by_offsets(POLL, &client.end));
        }
        if client.has_more && asked < MAX_LAST {
            return Some(by_offsets(POLL, &client.end));
        }
        (!client.has_listed).then(|| {
            client.has_listed = true;
            list(keys, false)
        })
    }

    fn fields(&self, kind: usize) -> &'static [&'static str] {
        match kind {
            SEND => &["offset"],
            POLL => &["msgs"],
            COMMIT => &[],
            _ => &["offsets"],
        }
    }

    fn ok(&mut self, call: &Call<'_>, asked: &Operation, body: &Json<'_>) -> Result<(), String> {
        let when = [call.begun, call.ended];
        let offsets = || read_offsets(&asked.fields[0].1).unwrap_or_default();
        match asked.kind {
            SEND => {
                let Some(offset) = body.get("offset").and_then(Json::as_int) else {
                    return Err("answered a send without an integer called offset".into());
                };
                (self.checker).send_ok(call.ended, call.client, asked.id, offset);
                let key = asked.fields[0].1.as_str().and_then(|key| key.parse().ok());
                let last = self.accepted.entry(key.unwrap_or_default()).or_default();
                *last = offset.max(*last);
            }
            POLL => {
                let Some(shown) = read_entries(body) else {
                    return Err(
                        "answered a poll without msgs: for each of the keys asked for, \
                                pairs of an offset and an integer that was sent"
                            .into(),
                    );
                };
                self.poll_ok(call, &offsets(), &shown);
            }
            COMMIT => self.checker.commit_ok(when, call.node, &offsets()),
            _ => {
                let Some(listed) = body.get("offsets").and_then(read_offsets) else {
                    return Err("answered list_committed_offsets without offsets: \
                                for each of the keys asked for an integer"
                        .into());
                };
                let keys = asked.fields[0].1.as_array().unwrap_or(&[]).iter();
                let keys = keys.filter_map(|key| key.as_str()?.parse().ok());
                (self.checker).listed(when, call.node, call.is_last, keys, &listed);
                if asked.id != 0 {
                    let client = self.clients.entry(call.client).or_default();
                    (client.positions, client.polled) = (listed, Offsets::new());
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, asked: &Operation, code: i64) {
        if asked.kind == SEND {
            self.checker.send_refused(asked.id, code);
        }
    }

    fn answer(&self, body: &Json<'_>, line: &mut Object<'_>) {
        if let Some(offset) = body.get("offset") {
            line.value("offset", offset);
        }
        if let Some(shown) = body.get("msgs") {
            line.value("msgs", shown);
        }
        if let Some(listed) = body.get("offsets") {
            line.value("listed", listed);
        }
    }

    fn shortened(&self, body: &Json<'_>) -> Option<Json<'static>> {
        let count: usize = read_entries(body)?.values().map(Vec::len).sum();
        (count > MAX_RECORDED).then(|| super::count("poll_ok", count))
    }

    fn require(&mut self) -> Option<usize> {
        self.required.clone_from(&self.accepted);
        Some(self.required.len())
    }

    fn show(&self) -> (&'static str, Fields) {
        ("poll", vec![("offsets", offsets_json(&self.required))])
    }

    fn holds(&self, body: &Json<'_>) -> Option<bool> {
        let shown = read_entries(body)?;
        let holds = |(key, offset): (&i64, &i64)| {
            let first = shown.get(key).and_then(|entries| entries.first());
            first.is_some_and(|(first, _)| first == offset)
        };
        Some(self.required.iter().all(holds))
    }

    fn verdict(&self) -> Verdict {
        let mut verdict = self.checker.verdict();
        if verdict.stable_latencies.is_empty() {
            verdict
                .problems
                .note("no message was both acknowledged and polled".into());
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, spell};
    use super::*;

    /// Logs and committed offsets that all nodes share, and in which something may be wrong.
    #[derive(Default)]
    struct Logs {
        entries: Entries,
        committed: Offsets,
        /// How many entries of a key an answer shows at most.
        page: Option<usize>,
    }

    fn offsets(request: &Json<'_>) -> Offsets {
        let offsets = request.get("offsets").and_then(read_offsets);
        offsets.expect("offsets")
    }

    impl Logs {
        fn answer(&mut self, request: &Json<'_>) -> Vec<u8> {
            match request.get("type").and_then(Json::as_str) {
                Some("send") => {
                    let key = request.get("key").and_then(Json::as_str).expect("a key");
                    let log = self.entries.entry(key.parse().expect("a number"));
                    let log = log.or_default();
                    let offset = log.last().map_or(0, |entry| entry.0 + 1);
                    let message = request.get("msg").and_then(Json::as_int);
                    log.push((offset, message.expect("a message")));
                    spell("send_ok", |body| body.int("offset", offset))
                }
                Some("poll") => {
                    let asked = offsets(request);
                    spell("poll_ok", |body| self.show(&asked, body))
                }
                Some("commit_offsets") => {
                    for (key, offset) in offsets(request) {
                        let committed = self.committed.entry(key).or_default();
                        *committed = offset.max(*committed);
                    }
                    spell("commit_offsets_ok", |_| ())
                }
                _ => spell("list_committed_offsets_ok", |body| {
                    body.value("offsets", &offsets_json(&self.committed));
                }),
            }
        }

        fn show(&self, asked: &Offsets, body: &mut Object<'_>) {
            body.object("msgs", |msgs| {
                for (key, from) in asked {
                    let log = self.entries.get(key).map_or(&[][..], Vec::as_slice);
                    let log = log.iter().filter(|(offset, _)| offset >= from);
                    let page = self.page.unwrap_or(usize::MAX);
                    let pairs = log.take(page).map(|&(offset, message)| {
                        Json::Array(vec![Json::Int(offset), Json::Int(message)])
                    });
                    Json::Array(pairs.collect()).encode(msgs.any_field(&key.to_string()));
                }
            });
        }
    }

    /// Problems of a run in which `goes_wrong` is called before each request, with the logs, the
    /// node and the request.
    fn run(
        page: Option<usize>,
        mut goes_wrong: impl FnMut(&mut Logs, usize, &Json<'_>),
    ) -> Vec<String> {
        let mut logs = Logs {
            page,
            ..Logs::default()
        };
        problems(&mut Kafka::default(), |node, request| {
            goes_wrong(&mut logs, node, request);
            logs.answer(request)
        })
    }

    #[test]
    fn nodes_that_share_a_log_are_valid() {
        assert_eq!(run(None, |_, _, _| ()), [""; 0]);
    }

    #[test]
    fn nodes_that_show_a_few_entries_at_a_time_are_valid() {
        assert_eq!(run(Some(3), |_, _, _| ()), [""; 0]);
    }

    #[test]
    fn a_node_that_loses_a_message_is_caught() {
        let problems = run(None, |logs, _, _| {
            for log in logs.entries.values_mut() {
                // Others follow, or its offset would be given again.
                let last = log.last().copied();
                log.retain(|entry| entry.1 != 7 || last == Some(*entry));
            }
        });
        let lacks = "n1 lacks 1 message that was known: 7".to_owned();
        assert!(problems.contains(&lacks), "{problems:?}");
    }

    #[test]
    fn a_send_that_is_stored_twice_is_caught() {
        let mut done = false;
        let problems = run(None, |logs, _, _| {
            let twice = logs.entries.iter_mut().find(|(_, log)| !log.is_empty());
            if let Some((_, log)) = twice.filter(|_| !done) {
                log.push((1, log[0].1));
                done = true;
            }
        });
        assert!(problems[0].contains(" is twice in key "), "{problems:?}");
    }

    #[test]
    fn a_node_that_forgets_committed_offsets_is_caught() {
        let problems = run(None, |logs, node, request| {
            let kind = request.get("type").and_then(Json::as_str);
            if node == 1 && kind == Some("list_committed_offsets") {
                logs.committed.clear();
            }
        });
        let forgot = "as committed, and had acknowledged or listed ";
        assert!(problems[0].contains(forgot), "{problems:?}");
    }

    #[test]
    fn a_node_has_recovered_when_it_shows_the_last_accepted_entry_of_each_key() {
        let load = Kafka {
            required: Offsets::from([(1, 4), (2, 0)]),
            ..Kafka::default()
        };
        let holds = |text: &str| {
            let body = Json::parse(text.as_bytes()).expect("JSON");
            load.holds(&body)
        };
        assert_eq!(
            holds(r#"{"msgs":{"1":[[4,9],[5,8]],"2":[[0,3]]}}"#),
            Some(true)
        );
        assert_eq!(holds(r#"{"msgs":{"1":[[4,9]],"2":[]}}"#), Some(false));
        assert_eq!(holds(r#"{"msgs":{"1":[[4,9]]}}"#), Some(false));
        assert_eq!(holds(r#"{"type":"error"}"#), None);
    }
}
