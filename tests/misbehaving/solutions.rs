//! Solutions of challenges 4 and 5b as people publish them: the nodes remember next to
//! nothing and leave the work to Maelstrom's key-value services.
//!
//! | mode | how |
//! |---|---|
//! | `one-key` | one sum in seq-kv, changed by `cas` until it succeeds; read now and then |
//! | `key-a-node` | a sum for each node in seq-kv; who reads adds them up, read now and then |
//! | `barrier` | as `one-key`, and a write of something new before each read, to catch up |
//! | `careless` | as `barrier`, and takes a `cas` that failed for one that succeeded |
//! | `big-kv` | as `barrier`, with a service that does not exist |
//! | `log-entries` | the next offset of a log in lin-kv by `cas`, and a key for each entry |
//! | `log-value` | a log is one value in lin-kv, appended to by `cas` |

use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use hubcast::json::Json;

/// How often a node reads what it shows, when nobody asks anything. In `seq-kv` each time
/// may show an old state; 20 times a second, the newest comes soon.
const REFRESH: Duration = Duration::from_millis(50);

/// The most entries of a key that an answer to a poll shows.
const PAGE: i64 = 8;

/// One of these nodes: it does one thing after the other.
struct Solution {
    mode: String,
    lines: Receiver<Vec<u8>>,
    name: String,
    nodes: Vec<String>,
    /// What came while it waited for a service.
    waiting: VecDeque<Json<'static>>,
    last_id: i64,
    /// The sums that it read or wrote last, by key.
    sums: BTreeMap<String, i64>,
}

/// Plays one until the end of input.
pub fn main(mode: &str) {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().split(b'\n').map_while(Result::ok);
        lines.map_while(|line| sender.send(line).ok()).count()
    });
    let mut node = Solution {
        mode: mode.into(),
        lines,
        name: String::new(),
        nodes: Vec::new(),
        waiting: VecDeque::new(),
        last_id: 0,
        sums: BTreeMap::new(),
    };
    loop {
        match node
            .waiting
            .pop_front()
            .map(Ok)
            .unwrap_or_else(|| node.hear(REFRESH))
        {
            Ok(request) => node.answer(&request),
            Err(mpsc::RecvTimeoutError::Timeout) => node.refresh(),
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A field of a message's body.
fn field<'a>(message: &'a Json<'static>, name: &str) -> &'a Json<'static> {
    let body = message.get("body").expect("a body");
    body.get(name).unwrap_or(&Json::Null)
}

fn text(json: &Json<'_>) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn int(json: &Json<'_>) -> i64 {
    json.as_int().unwrap_or(0)
}

impl Solution {
    fn hear(&self, time: Duration) -> Result<Json<'static>, mpsc::RecvTimeoutError> {
        let line = self.lines.recv_timeout(time)?;
        Ok(Json::parse(&line).expect("a message").to_static())
    }

    /// Says something; `fields` are the members of the body.
    fn say(&self, dest: &str, fields: &str) {
        let name = &self.name;
        let line = format!(r#"{{"src":"{name}","dest":"{dest}","body":{{{fields}}}}}"#);
        super::node::write(line.as_bytes());
    }

    /// Asks a service all of this at once; the answers, in the same order.
    fn ask(&mut self, service: &str, questions: &[String]) -> Vec<Json<'static>> {
        let first = self.last_id + 1;
        for fields in questions {
            self.last_id += 1;
            self.say(service, &format!(r#"{fields},"msg_id":{}"#, self.last_id));
        }
        let mut answers: Vec<Json<'static>> = vec![Json::Null; questions.len()];
        let mut missing = questions.len();
        while missing > 0 {
            let Ok(message) = self.hear(Duration::from_secs(60)) else {
                std::process::exit(0);
            };
            match field(&message, "in_reply_to").as_int() {
                Some(id) => {
                    answers[(id - first) as usize] = message;
                    missing -= 1;
                }
                None => self.waiting.push_back(message),
            }
        }
        answers
    }

    /// The values of these keys; null where there is none.
    fn read(&mut self, service: &str, keys: &[String]) -> Vec<Json<'static>> {
        let questions = keys
            .iter()
            .map(|key| format!(r#""type":"read","key":"{key}""#));
        let answers = self.ask(service, &questions.collect::<Vec<_>>());
        answers
            .iter()
            .map(|answer| field(answer, "value").clone())
            .collect()
    }

    /// Changes a value until nobody else changed it meanwhile. Gives what it was.
    fn update(
        &mut self,
        service: &str,
        key: &str,
        change: impl Fn(&Json<'static>) -> Json<'static>,
    ) -> Json<'static> {
        loop {
            let before = self.read(service, &[key.to_owned()]).remove(0);
            let to = change(&before);
            let cas = format!(
                r#""type":"cas","key":"{key}","from":{before},"to":{to},"create_if_not_exists":true"#
            );
            let answer = self.ask(service, &[cas]).remove(0);
            match field(&answer, "code").as_int() {
                None => return before,
                Some(22) if self.mode == "careless" => return before,
                Some(22) => {}
                Some(code) => panic!("{service} answered the error {code}"),
            }
        }
    }

    /// Reads the sums that it shows.
    fn refresh(&mut self) {
        let keys = match self.mode.as_str() {
            "one-key" | "barrier" | "careless" => vec!["sum".to_owned()],
            "key-a-node" => self.nodes.clone(),
            _ => return,
        };
        let values = self.read("seq-kv", &keys);
        for (key, value) in keys.into_iter().zip(values) {
            let sum = self.sums.entry(key).or_default();
            *sum = int(&value).max(*sum);
        }
    }

    fn answer(&mut self, request: &Json<'static>) {
        let kind = text(field(request, "type"));
        let rest = match kind.as_str() {
            "init" => {
                self.name = text(field(request, "node_id"));
                let nodes = field(request, "node_ids").as_array().unwrap_or(&[]);
                self.nodes = nodes.iter().map(text).collect();
                String::new()
            }
            "add" => {
                self.add(int(field(request, "delta")));
                String::new()
            }
            "read" => {
                if self.mode != "one-key" && self.mode != "key-a-node" {
                    self.catch_up();
                }
                format!(r#","value":{}"#, self.sums.values().sum::<i64>())
            }
            "send" => {
                let offset = self.append(&text(field(request, "key")), field(request, "msg"));
                format!(r#","offset":{offset}"#)
            }
            "poll" => format!(r#","msgs":{}"#, self.poll(field(request, "offsets"))),
            "commit_offsets" => {
                for (key, offset) in field(request, "offsets").as_object().unwrap_or(&[]) {
                    let offset = int(offset);
                    let later = |before: &Json<'_>| Json::Int(offset.max(int(before)));
                    self.update("lin-kv", &format!("commit/{key}"), later);
                }
                String::new()
            }
            "list_committed_offsets" => {
                format!(r#","offsets":{}"#, self.committed(field(request, "keys")))
            }
            // Questions that are not for this node.
            _ => return,
        };
        let (client, id) = (
            text(request.get("src").expect("src")),
            field(request, "msg_id"),
        );
        self.say(
            &client,
            &format!(r#""type":"{kind}_ok","in_reply_to":{id}{rest}"#),
        );
    }

    fn add(&mut self, delta: i64) {
        if self.mode == "key-a-node" {
            let sum = self.sums.entry(self.name.clone()).or_default();
            *sum += delta;
            let write = format!(r#""type":"write","key":"{}","value":{sum}"#, self.name);
            self.ask("seq-kv", &[write]);
            return;
        }
        let service = if self.mode == "big-kv" {
            "big-kv"
        } else {
            "seq-kv"
        };
        let before = self.update(service, "sum", |sum| Json::Int(int(sum) + delta));
        self.sums.insert("sum".into(), int(&before) + delta);
    }

    /// After a write of something new even `seq-kv` shows this node the newest state.
    fn catch_up(&mut self) {
        let (name, unique) = (&self.name, self.last_id);
        let write = format!(r#""type":"write","key":"barrier-{name}","value":{unique}"#);
        self.ask("seq-kv", &[write]);
        self.refresh();
    }

    fn append(&mut self, key: &str, message: &Json<'static>) -> i64 {
        if self.mode == "log-value" {
            let with = |log: &Json<'static>| {
                let log = log.as_array().unwrap_or(&[]).iter().chain([message]);
                Json::Array(log.cloned().collect())
            };
            let before = self.update("lin-kv", &format!("log/{key}"), with);
            return before.as_array().unwrap_or(&[]).len() as i64;
        }
        let next = |next: &Json<'_>| Json::Int(int(next) + 1);
        let offset = int(&self.update("lin-kv", &format!("next/{key}"), next));
        let write = format!(r#""type":"write","key":"log/{key}/{offset}","value":{message}"#);
        self.ask("lin-kv", &[write]);
        offset
    }

    fn poll(&mut self, offsets: &Json<'static>) -> Json<'static> {
        let offsets = offsets.as_object().unwrap_or(&[]);
        let mut shown: Vec<_> = offsets
            .iter()
            .map(|(key, _)| (key.clone(), Vec::new()))
            .collect();
        let pair = |offset, message| Json::Array(vec![Json::Int(offset), message]);
        if self.mode == "log-value" {
            let keys: Vec<String> = offsets
                .iter()
                .map(|(key, _)| format!("log/{key}"))
                .collect();
            let logs = self.read("lin-kv", &keys);
            for (place, log) in logs.iter().enumerate() {
                let from = int(&offsets[place].1);
                let log = log.as_array().unwrap_or(&[]).iter().cloned();
                let entries = (0..).zip(log).filter(|(offset, _)| *offset >= from);
                shown[place].1 = entries
                    .map(|(offset, message)| pair(offset, message))
                    .collect();
            }
        } else {
            // An entry of each key after another, until one is not there.
            let mut open: Vec<usize> = (0..offsets.len()).collect();
            for step in 0..PAGE {
                let at = |place: &usize| int(&offsets[*place].1) + step;
                let key = |place: &usize| format!("log/{}/{}", offsets[*place].0, at(place));
                let keys: Vec<String> = open.iter().map(key).collect();
                let found = open.iter().copied().zip(self.read("lin-kv", &keys));
                let found: Vec<_> = found
                    .filter(|(_, message)| *message != Json::Null)
                    .collect();
                open = found.iter().map(|(place, _)| *place).collect();
                for (place, message) in found {
                    shown[place].1.push(pair(at(&place), message));
                }
            }
        }
        let shown = shown
            .into_iter()
            .map(|(key, entries)| (key, Json::Array(entries)));
        Json::Object(shown.collect())
    }

    fn committed(&mut self, keys: &Json<'static>) -> Json<'static> {
        let keys: Vec<String> = keys.as_array().unwrap_or(&[]).iter().map(text).collect();
        let stored: Vec<String> = keys.iter().map(|key| format!("commit/{key}")).collect();
        let offsets = keys.into_iter().zip(self.read("lin-kv", &stored));
        let offsets = offsets.filter(|(_, offset)| *offset != Json::Null);
        Json::Object(offsets.map(|(key, offset)| (key.into(), offset)).collect())
    }
}
