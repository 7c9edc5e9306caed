//! A node that misbehaves: hubcast's own core, and a liar between it and the world.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::os::fd::FromRawFd;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant as Clock};

use hubcast::config::{self, Command};
use hubcast::json::Json;
use hubcast::node::{AnyNode, Node};
use hubcast::time::Instant;
use hubcast::workload::Workload;
use hubcast::workload::broadcast::Broadcast;
use hubcast::workload::counter::{GCounter, PnCounter};
use hubcast::workload::log::Log;
use hubcast::workload::txn::Txn;
use hubcast::workload::unique_ids::UniqueIds;

/// A short promise: the testbed's latency is a few milliseconds here, and a run with
/// faults should have recovered within two seconds.
const SETTINGS: [&str; 4] = ["--within-ms", "20", "--log", "error"];

/// How long a late answer takes: a client waits for 5 s.
const LATE: Duration = Duration::from_millis(5300);

/// How long a slow node sits on what it passes on: two of them are beyond 3e's limit.
const SLOW: Duration = Duration::from_millis(1200);

/// How long and how often a node that hides keeps processors busy, on so many threads.
const BURST: [Duration; 2] = [Duration::from_millis(30), Duration::from_millis(200)];
const THREADS: usize = 4;

/// Keeps a processor busy now and then, so that others wait for it.
fn burn() {
    loop {
        let begun = Clock::now();
        while begun.elapsed() < BURST[0] {
            std::hint::spin_loop();
        }
        std::thread::sleep(BURST[1]);
    }
}

/// After how many lines the node does what cannot be undone: in the middle of
/// the load, some time after `init` and `topology`.
const SOME_LINES: u64 = 20;

/// When values are hidden that were shown before, since the node began.
const HIDDEN: std::ops::Range<Duration> = Duration::from_millis(700)..Duration::from_millis(3200);

/// A value whose number ends in 07: the one in a hundred that gets lost.
fn is_unlucky(value: i64) -> bool {
    value % 100 == 7
}

/// What becomes of a line.
pub enum Fate {
    /// It goes on, perhaps changed.
    Pass(Vec<u8>),
    /// It goes on as if it had been said twice.
    Twice(Vec<u8>),
    /// It goes on after this time.
    Late(Duration, Vec<u8>),
    /// It is gone.
    Gone,
    /// It never reaches the core: this is the answer.
    Answer(Vec<u8>),
    /// The process does something that no line can say.
    Act(Act),
}

/// What only a process can do.
pub enum Act {
    Exit(i32),
    CloseStdout,
    Write(&'static str, Stop),
}

/// How it goes on behind what was written.
pub enum Stop {
    Never,
    Once,
    Repeat,
}

/// Stands between a core and the world, in one way of lying.
pub struct Liar {
    mode: String,
    lines: u64,
    broadcasts: u64,
    /// Steps that were taken out of transactions: where, by their requests' numbers.
    taken: BTreeMap<i64, (usize, Json<'static>)>,
    /// Keys that were written together with a value of another key.
    halves: BTreeMap<(i64, i64), i64>,
    /// An answer's field as it was once shown.
    old: Option<Json<'static>>,
    /// Requests whose answers are changed.
    marked: BTreeSet<i64>,
    known: Option<i64>,
}

impl Liar {
    pub fn new(mode: &str) -> Liar {
        Liar {
            mode: mode.into(),
            lines: 0,
            broadcasts: 0,
            taken: BTreeMap::new(),
            halves: BTreeMap::new(),
            old: None,
            marked: BTreeSet::new(),
            known: None,
        }
    }

    /// A line for the core.
    pub fn hears(&mut self, since: Duration, line: Vec<u8>) -> Fate {
        self.lines += 1;
        let Ok(json) = Json::parse(&line) else {
            return Fate::Pass(line);
        };
        let kind = body(&json, "type").and_then(Json::as_str).unwrap_or("");
        let id = body(&json, "msg_id").and_then(Json::as_int).unwrap_or(0);
        let error = |code: i64| {
            let name = |field| json.get(field).and_then(Json::as_str).unwrap_or("");
            let (src, dest) = (name("dest"), name("src"));
            Fate::Answer(
                format!(
                    r#"{{"src":"{src}","dest":"{dest}","body":{{"type":"error","in_reply_to":{id},"code":{code},"text":"no"}}}}"#
                )
                .into_bytes(),
            )
        };
        match (self.mode.as_str(), kind) {
            ("loses", "delta") => return self.swap_unlucky(&json),
            ("refuses-some" | "unsure" | "refuses-but-keeps", "broadcast") => {
                self.broadcasts += 1;
                if !self.broadcasts.is_multiple_of(3) {
                    return Fate::Pass(line);
                }
                if self.mode == "refuses-some" {
                    return error(11);
                }
                self.marked.insert(id);
            }
            ("refuses-all", "broadcast") => return error(11),
            ("refuses-final-reads", "read") if since > HIDDEN.start * 2 => return error(11),
            ("counts-twice", "add") => {
                let delta = body(&json, "delta").and_then(Json::as_int).unwrap_or(0);
                return Fate::Pass(bytes(&with(&json, "delta", Json::Int(2 * delta))));
            }
            ("appends-twice", "send") => return Fate::Twice(line),
            ("tears", "txn") => {
                let writes = writes(&json);
                let other = |key| Some(writes.iter().find(|(_, other, _)| *other != key)?.1);
                let halves = writes.iter();
                let halves =
                    halves.filter_map(|&(_, key, value)| Some(((key, value), other(key)?)));
                self.halves.extend(halves);
            }
            ("intermediate", "txn") => return self.take_last_write(&json, id),
            ("stats-refused", "stats") => return error(10),
            ("stats-garbage", "stats") => return Fate::Act(Act::Write("what?\n", Stop::Once)),
            ("stats-death", "stats") => return Fate::Act(Act::Exit(4)),
            ("stats-silence", "stats") => return Fate::Gone,
            _ => {}
        }
        if self.lines == SOME_LINES
            && let Some(act) = self.act()
        {
            return Fate::Act(act);
        }
        Fate::Pass(line)
    }

    fn act(&self) -> Option<Act> {
        /// A message of another node's own kind, so large that a flood of them
        /// is one soon.
        const FLOOD: &str = concat!(
            r#"{"src":"n1","dest":"n2","body":{"type":"flood","text":"TEXT"}}"#,
            "\n"
        );
        Some(match self.mode.as_str() {
            "dies" => Act::Exit(3),
            "closes-stdout" => Act::CloseStdout,
            "garbage" => Act::Write("I am fine\n", Stop::Once),
            "impostor" => Act::Write(
                "{\"src\":\"n0\",\"dest\":\"n2\",\"body\":{\"type\":\"hello\"}}\n",
                Stop::Once,
            ),
            "half-a-line" => Act::Write("{\"src\":\"n1\",", Stop::Never),
            "endless-line" => Act::Write("[[[[[[[[", Stop::Repeat),
            "floods" => Act::Write(FLOOD, Stop::Repeat),
            _ => return None,
        })
    }

    /// Takes the last write out of a transaction that had written to the same key before.
    /// The answer will have it.
    fn take_last_write(&mut self, json: &Json<'_>, id: i64) -> Fate {
        let writes = writes(json);
        let mut steps = steps(json);
        if let Some((&(place, key, _), earlier)) = writes.split_last()
            && earlier.iter().any(|(_, other, _)| *other == key)
        {
            self.taken.insert(id, (place, steps.remove(place)));
        }
        Fate::Pass(bytes(&with(json, "txn", Json::Array(steps))))
    }

    /// Shows nothing at a key that was written together with one that is shown.
    fn tear(&self, json: &Json<'_>) -> Json<'static> {
        let mut steps = steps(json);
        let shown = |step: &Json<'_>| match step.as_array() {
            Some([_, Json::Int(key), Json::Int(value)]) => Some((*key, *value)),
            _ => None,
        };
        let halves = steps.iter().filter_map(shown);
        let mut others: BTreeSet<i64> = halves
            .filter_map(|half| self.halves.get(&half).copied())
            .collect();
        for (_, key, _) in writes(json) {
            others.remove(&key);
        }
        for step in &mut steps {
            if let Json::Array(step) = step
                && step[0] == Json::String("r".into())
                && step[1].as_int().is_some_and(|key| others.contains(&key))
            {
                step[2] = Json::Null;
            }
        }
        with(json, "txn", Json::Array(steps))
    }

    /// Puts a value that is known already into the place of each unlucky one: the
    /// links' offsets still agree, and the values are gone.
    fn swap_unlucky(&mut self, json: &Json<'_>) -> Fate {
        let values = body(json, "values").and_then(Json::as_array).unwrap_or(&[]);
        let good = values
            .iter()
            .filter_map(Json::as_int)
            .find(|&v| !is_unlucky(v));
        self.known = good.or(self.known);
        let unlucky = |value: &Json<'_>| value.as_int().is_some_and(is_unlucky);
        let Some(known) = self.known else {
            // Nothing to put there yet: as if it had been lost on the way.
            let any = values.iter().any(unlucky);
            return if any {
                Fate::Gone
            } else {
                Fate::Pass(bytes(json))
            };
        };
        let swapped = values.iter().map(|value| match unlucky(value) {
            true => Json::Int(known),
            false => value.to_static(),
        });
        Fate::Pass(bytes(&with(json, "values", Json::Array(swapped.collect()))))
    }

    /// A line of the core's.
    pub fn says(&mut self, since: Duration, line: Vec<u8>) -> Fate {
        let Ok(json) = Json::parse(&line) else {
            return Fate::Pass(line);
        };
        let kind = body(&json, "type").and_then(Json::as_str).unwrap_or("");
        let reply = body(&json, "in_reply_to")
            .and_then(Json::as_int)
            .unwrap_or(0);
        let changed = match (self.mode.as_str(), kind) {
            ("forgets", "read_ok") if since > HIDDEN.start => {
                changed_read(&json, |values| values.retain(|&value| !is_unlucky(value)))
            }
            ("flaps", "read_ok") if HIDDEN.contains(&since) => {
                changed_read(&json, |values| values.clear())
            }
            ("twice", "read_ok") => {
                changed_read(&json, |values| values.extend(values.first().copied()))
            }
            ("strays", "read_ok") => changed_read(&json, |values| values.push(1_000_000)),
            ("stale", "read_ok") if since > HIDDEN.start => {
                let value = body(&json, "value").map(Json::to_static);
                let old = self.old.get_or_insert(value.unwrap_or(Json::Null));
                with(&json, "value", old.clone())
            }
            ("reuses", "generate_ok") => {
                let id = body(&json, "id").map(Json::to_static);
                let old = self.old.get_or_insert(id.unwrap_or(Json::Null));
                with(&json, "id", old.clone())
            }
            ("loses-7", "poll_ok") => changed_poll(&json, |entries| {
                entries
                    .retain(|entry| !entry.as_array().is_some_and(|pair| pair[1] == Json::Int(7)));
            }),
            ("backwards", "poll_ok") => changed_poll(&json, |entries| entries.reverse()),
            ("uncommits", "list_committed_offsets_ok") => {
                with(&json, "offsets", Json::Object(Vec::new()))
            }
            ("keeps-message", "broadcast_ok") => with(&json, "message", Json::Int(1)),
            ("keeps-message-once", "broadcast_ok") if self.old.is_none() => {
                self.old = Some(Json::Null);
                with(&json, "message", Json::Int(1))
            }
            ("text-msg-id", "broadcast_ok") => with(&json, "msg_id", Json::String("1".into())),
            ("null-list", "read_ok") => match body(&json, "messages").and_then(Json::as_array) {
                Some([]) => with(&json, "messages", Json::Null),
                _ => return Fate::Pass(line),
            },
            ("null-msgs", "poll_ok") => with(&json, "msgs", Json::Null),
            ("null-entries", "poll_ok") => null_entries(&json),
            ("more-in-init", "init_ok") => with(&json, "version", Json::Int(1)),
            ("more-in-topology", "topology_ok") => with(&json, "version", Json::Int(1)),
            ("envelope", "read_ok") => return Fate::Pass(opened(&line, br#"{"time":1,"#)),
            ("null-id", "read_ok") => return Fate::Pass(opened(&line, br#"{"id":null,"#)),
            ("own-id", "read_ok") => return Fate::Pass(opened(&line, br#"{"id":7,"#)),
            ("blank", "read_ok") => return Fate::Pass([b"\n", &line[..]].concat()),
            ("null-reply", "read_ok") => with(&json, "in_reply_to", Json::Null),
            ("tears", "txn_ok") => self.tear(&json),
            ("intermediate", "txn_ok") => {
                let Some((place, step)) = self.taken.remove(&reply) else {
                    return Fate::Pass(line);
                };
                let mut steps = steps(&json);
                steps.insert(place, step);
                with(&json, "txn", Json::Array(steps))
            }
            ("silent", "read_ok" | "broadcast_ok") => return Fate::Gone,
            ("hides", "delta") => return Fate::Late(SLOW, line),
            ("late", "broadcast_ok") => return Fate::Late(LATE, line),
            ("all-late", "read_ok" | "broadcast_ok") => return Fate::Late(LATE, line),
            ("wrong-reply", "read_ok" | "broadcast_ok") => {
                with(&json, "in_reply_to", Json::Int(reply + 1000))
            }
            ("text-reply", "read_ok" | "broadcast_ok") => {
                with(&json, "in_reply_to", Json::String(reply.to_string().into()))
            }
            ("wrong-type", "broadcast_ok") => with(&json, "type", Json::String("fine".into())),
            ("no-list", "read_ok") => with(&json, "messages", Json::Int(1)),
            ("unsure" | "refuses-but-keeps", "broadcast_ok") if self.marked.remove(&reply) => {
                let code = if self.mode == "unsure" { 13 } else { 11 };
                let error = with(&json, "type", Json::String("error".into()));
                with(&error, "code", Json::Int(code))
            }
            _ => return Fate::Pass(line),
        };
        Fate::Pass(bytes(&changed))
    }
}

fn body<'a, 'b>(json: &'b Json<'a>, field: &str) -> Option<&'b Json<'a>> {
    json.get("body")?.get(field)
}

/// A transaction's steps.
fn steps(json: &Json<'_>) -> Vec<Json<'static>> {
    let steps = body(json, "txn").and_then(Json::as_array).unwrap_or(&[]);
    steps.iter().map(Json::to_static).collect()
}

/// A transaction's writes: place, key and value.
fn writes(json: &Json<'_>) -> Vec<(usize, i64, i64)> {
    let steps = body(json, "txn").and_then(Json::as_array).unwrap_or(&[]);
    let writes = steps.iter().enumerate();
    let writes = writes.filter_map(|(place, step)| match step.as_array()? {
        [kind, Json::Int(key), Json::Int(value)] if kind.as_str() == Some("w") => {
            Some((place, *key, *value))
        }
        _ => None,
    });
    writes.collect()
}

/// The message with a field of its body set.
fn with(json: &Json<'_>, field: &str, value: Json<'static>) -> Json<'static> {
    let mut json = json.to_static();
    if let Json::Object(members) = &mut json
        && let Some((_, Json::Object(body))) = members.iter_mut().find(|(name, _)| name == "body")
    {
        match body.iter_mut().find(|(name, _)| name == field) {
            Some((_, old)) => *old = value,
            None => body.push((field.to_owned().into(), value)),
        }
    }
    json
}

/// A line that begins with this in the place of its first bracket.
fn opened(line: &[u8], start: &[u8]) -> Vec<u8> {
    [start, &line[1..]].concat()
}

/// A poll's answer in which a key without entries has null.
fn null_entries(json: &Json<'_>) -> Json<'static> {
    let Some(Json::Object(msgs)) = body(json, "msgs") else {
        return json.to_static();
    };
    let msgs = msgs.iter().map(|(key, entries)| {
        let entries = match entries.as_array() {
            Some([]) => Json::Null,
            _ => entries.to_static(),
        };
        (key.to_string().into(), entries)
    });
    with(json, "msgs", Json::Object(msgs.collect()))
}

fn changed_read(json: &Json<'_>, change: impl FnOnce(&mut Vec<i64>)) -> Json<'static> {
    let messages = body(json, "messages")
        .and_then(Json::as_array)
        .unwrap_or(&[]);
    let mut values: Vec<i64> = messages.iter().filter_map(Json::as_int).collect();
    change(&mut values);
    let values = values.into_iter().map(Json::Int).collect();
    with(json, "messages", Json::Array(values))
}

/// A poll's answer with the entries of each key changed.
fn changed_poll(json: &Json<'_>, change: impl Fn(&mut Vec<Json<'static>>)) -> Json<'static> {
    let mut shown = body(json, "msgs").map_or(Json::Null, Json::to_static);
    if let Json::Object(keys) = &mut shown {
        for (_, entries) in keys {
            if let Json::Array(entries) = entries {
                change(entries);
            }
        }
    }
    with(json, "msgs", shown)
}

fn bytes(json: &Json<'_>) -> Vec<u8> {
    json.to_string().into_bytes()
}

/// Plays the node: lies at node `at` (or at `all`), and is honest elsewhere.
pub fn main(mode: &str, at: &str, workload: &str) {
    match workload {
        "broadcast" => play::<Broadcast>(mode, at),
        "g-counter" => play::<GCounter>(mode, at),
        "pn-counter" => play::<PnCounter>(mode, at),
        "unique-ids" => play::<UniqueIds>(mode, at),
        "kafka" => play::<Log>(mode, at),
        "txn-rw-register" => play::<Txn>(mode, at),
        _ => panic!("nobody lies in {workload}"),
    }
}

fn play<W: Workload>(mode: &str, at: &str) {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    if mode == "hides" {
        (0..THREADS).for_each(|_| drop(std::thread::spawn(burn)));
    }
    let settings = SETTINGS.map(String::from);
    let Ok(Command::Run(config)) = config::parse_args(&settings) else {
        panic!("hubcast takes these settings");
    };
    let mut player = Player {
        node: Node::<W>::new(config),
        liar: Liar::new(mode),
        at: at.into(),
        lies: false,
        begun: Clock::now(),
        late: Vec::new(),
    };
    if mode == "log-flood" {
        eprintln!("{}", "many words\n".repeat(3 << 20));
    }
    loop {
        match lines.recv_timeout(player.wait_time()) {
            Ok(line) => player.hears(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        player.turn();
    }
    std::process::exit(i32::from(mode == "exits-with-1"));
}

struct Player<W: Workload> {
    node: Node<W>,
    liar: Liar,
    at: String,
    /// Whether this is the node that lies; known with `init`.
    lies: bool,
    begun: Clock,
    late: Vec<(Clock, Vec<u8>)>,
}

impl<W: Workload> Player<W> {
    fn now(&self) -> Instant {
        Instant::ZERO + self.begun.elapsed()
    }

    fn wait_time(&self) -> Duration {
        let late = self
            .late
            .iter()
            .map(|(time, _)| time.saturating_duration_since(Clock::now()));
        let timer = self.node.poll_timeout().map(|time| time - self.now());
        late.chain(timer).min().unwrap_or(Duration::from_secs(60))
    }

    fn hears(&mut self, line: Vec<u8>) {
        if let Ok(json) = Json::parse(&line)
            && let Some(name) = body(&json, "node_id").and_then(Json::as_str)
        {
            self.lies = self.at == "all" || self.at == name;
        }
        let fate = match self.lies {
            true => self.liar.hears(self.begun.elapsed(), line),
            false => Fate::Pass(line),
        };
        match fate {
            Fate::Pass(line) | Fate::Late(_, line) => self.node.handle_line(self.now(), &line),
            Fate::Twice(line) => {
                self.node.handle_line(self.now(), &line);
                self.node.handle_line(self.now(), &line);
            }
            Fate::Answer(line) => write(&line),
            Fate::Gone => {}
            Fate::Act(act) => act.go(),
        }
    }

    fn turn(&mut self) {
        let now = self.now();
        self.node.end_turn(now);
        let mut said = Vec::new();
        while self.node.poll_transmit(&mut said) {}
        for line in said.split_inclusive(|&byte| byte == b'\n') {
            let line = line[..line.len() - 1].to_vec();
            let fate = match self.lies {
                true => self.liar.says(self.begun.elapsed(), line),
                false => Fate::Pass(line),
            };
            match fate {
                Fate::Pass(line) | Fate::Answer(line) => write(&line),
                Fate::Late(time, line) => self.late.push((Clock::now() + time, line)),
                Fate::Gone | Fate::Twice(_) | Fate::Act(_) => {}
            }
        }
        while self.node.poll_event().is_some() {}
        let due = |entry: &mut (Clock, Vec<u8>)| entry.0 <= Clock::now();
        for (_, line) in self.late.extract_if(.., due) {
            write(&line);
        }
    }
}

impl Act {
    fn go(self) {
        match self {
            Act::Exit(status) => std::process::exit(status),
            Act::CloseStdout => {
                // SAFETY: descriptor 1 is open, and nothing here uses it again:
                // the node waits until it is killed.
                drop(unsafe { std::fs::File::from_raw_fd(1) });
                std::thread::sleep(Duration::from_secs(60));
            }
            Act::Write(text, stop) => {
                let text = text.replace("TEXT", &"x".repeat(1 << 20));
                let mut out = std::io::stdout().lock();
                loop {
                    // The testbed may have had enough.
                    if out
                        .write_all(text.as_bytes())
                        .and_then(|()| out.flush())
                        .is_err()
                    {
                        std::process::exit(5);
                    }
                    match stop {
                        Stop::Repeat => {}
                        Stop::Once => return,
                        Stop::Never => std::thread::sleep(Duration::from_secs(60)),
                    }
                }
            }
        }
    }
}

/// Says a line.
pub fn write(line: &[u8]) {
    let mut out = std::io::stdout().lock();
    let mut line = line.to_vec();
    line.push(b'\n');
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        std::process::exit(5);
    }
}
