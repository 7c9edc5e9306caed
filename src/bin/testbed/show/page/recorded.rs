//! A run's recording, read back: what happened, by index.
//!
//! `messages.jsonl` has what everybody could see; `node-logs/` what each node noticed,
//! with the time that the testbed put before each line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::nodes::cluster;
use crate::run::options::Options;
use crate::show::report::Outcome;
use hubcast::json::Json;

/// The most messages between nodes on a page.
///
/// Unit: messages. One takes about 80 bytes without its values, so they take
/// 2 MB; the standard run has 3400.
pub const MAX_MESSAGES: usize = 25_000;

/// The most client requests on a page.
///
/// Unit: requests. One takes about 45 bytes with its answer; the standard run
/// has 2000.
pub const MAX_REQUESTS: usize = 25_000;

/// The most values in all messages of a page together, repetitions counted.
///
/// Unit: values. One takes about 6 bytes; in the standard run there are 25 000.
pub const MAX_VALUES: usize = 250_000;

/// The most text of messages that are neither delta nor ack.
///
/// Unit: bytes. Another node's messages are shown as they were, up to this.
const MAX_RAW: usize = 400_000;

/// The most text of one such message. Unit: characters.
const MAX_RAW_LINE: usize = 600;

/// The most text of items that are no integers, each counted once.
///
/// Unit: bytes.
const MAX_LABELS: usize = 800_000;

/// The most text of one item, and of a request or answer that is shown. Unit: characters.
const MAX_LABEL: usize = 80;

/// The most stable latencies in the page's chart. Unit: values.
pub const MAX_STABLE: usize = 25_000;

/// How long after the last message on the page arrivals are still looked for.
///
/// Unit: microseconds. Longer than a message is on its way, unless the latency
/// was set to more.
const ARRIVAL_TIME: u64 = 5_000_000;

/// The largest integer that JavaScript's numbers hold without loss: 2^53 - 1.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// What happens, by number as in the page's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Send = 0,
    Receive = 1,
    Drop = 2,
    Request = 3,
    Reply = 4,
    Cut = 5,
    Heal = 6,
    Kill = 7,
    Start = 8,
    Pause = 9,
    Resume = 10,
}

/// What a message between nodes is, by number as in the page's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Delta = 0,
    Ack = 1,
    Retransmission = 2,
    Other = 3,
    /// An ack that names holes: it asks for a resend.
    Hole = 4,
    /// A digest.
    Sync = 5,
}

/// What a client asks for in this run, in the order of the numbers in the page's data.
pub fn requests(outcome: &Outcome<'_>) -> Vec<&'static str> {
    let kinds = outcome.counts.kinds.iter().map(|kind| kind.name);
    let before = ["other", "init", "topology"].into_iter();
    before.chain(kinds).chain(["stats"]).collect()
}

/// Whether what spreads are the integers that clients add. Other items the page
/// numbers as they come, and shows as the JSON that they are.
pub fn spreads_values(options: &Options) -> bool {
    ["broadcast", "g-set"].contains(&options.workload)
}

/// What spreads, in the user's words.
pub fn item(options: &Options) -> &'static str {
    match options.workload {
        "broadcast" | "g-set" => "value",
        "g-counter" | "pn-counter" => "sum",
        "kafka" => "record",
        "txn-rw-register" => "transaction",
        _ => "item",
    }
}

/// A message between nodes.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: i64,
    pub src: usize,
    pub dest: usize,
    pub kind: Kind,
    pub offset: i64,
    pub ack: i64,
    /// The header's fields: the two incarnations, the timestamp, its echo, and how long
    /// that was held. -1: not there.
    pub epoch: i64,
    pub peer: i64,
    pub ts: i64,
    pub echo: i64,
    pub held: i64,
    /// When the next slot is and how far apart they are. Unit: milliseconds.
    pub next: Option<(i64, i64)>,
    /// The holes that it names.
    pub missing: Vec<(i64, i64)>,
    pub probe: bool,
    pub values: Vec<i64>,
    pub raw: Option<String>,
}

/// A client's request.
#[derive(Clone, Debug)]
pub struct Request {
    pub node: usize,
    pub client: usize,
    pub what: usize,
    pub msg_id: i64,
    /// The value that is added.
    pub value: i64,
    /// How many values the answer shows.
    pub shown: i64,
    /// Request and answer as they were, where the above does not tell it.
    pub texts: [Option<String>; 2],
}

/// A partition. Only directions along the tree are kept: the others carry nothing.
#[derive(Clone, Debug)]
pub struct Cut {
    pub kind: String,
    pub directions: Vec<(usize, usize)>,
    /// How many directions were cut in all.
    pub all: usize,
}

/// Something that a node noticed, as its log tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    pub time: u64,
    pub node: usize,
    /// The event's place in [`NOTICED`].
    pub what: usize,
    /// The neighbour that it is about, if it is.
    pub peer: Option<usize>,
    /// The event's other fields, as they were.
    pub detail: String,
}

/// The events of a node's log that the page shows. Departures, holes, resends and
/// digests it sees in the messages.
pub const NOTICED: [&str; 13] = [
    "suspect",
    "healthy",
    "stand-in",
    "restarted",
    "promise-broken",
    "promise-kept",
    "restored",
    "raised",
    "torn",
    "from-the-past",
    "refused",
    "ignored",
    "dropped",
];

/// The most of these. Unit: events. One takes about 20 bytes.
const MAX_NOTICED: usize = 10_000;

/// What the page shows of a run: the events in their order, by index.
#[derive(Debug, Default)]
pub struct Trace {
    pub events: Vec<(u64, What, usize)>,
    pub messages: Vec<Sent>,
    pub requests: Vec<Request>,
    /// How many nodes and clients there are, and what those ask.
    pub count_of_nodes: usize,
    pub clients: usize,
    pub asks: Vec<&'static str>,
    /// Items that are no integers, by their text, and the texts in their order; `None`
    /// if the items are the values themselves.
    pub numbers: Option<BTreeMap<String, i64>>,
    pub labels: Vec<String>,
    pub label_bytes: usize,
    pub cuts: Vec<Cut>,
    /// Of each kill, start, pause and resume: the kind and the nodes.
    pub nodes: Vec<(String, Vec<i64>)>,
    /// What the nodes noticed, by time.
    pub noticed: Vec<Noticed>,
    /// Whether the logs say whom a node suspects: only if they go down to level info.
    pub has_beliefs: bool,
    pub values: usize,
    pub raw: usize,
    /// The moment from which on messages are left out.
    pub full_at: Option<u64>,
    /// Recording id -> index in `messages`.
    pub by_id: BTreeMap<i64, usize>,
    /// Client and `msg_id` -> index in `requests`.
    pub waiting: BTreeMap<(usize, i64), usize>,
    /// For each direction, one past the highest offset sent.
    pub streams: BTreeMap<(usize, usize), i64>,
}

impl Trace {
    /// Nothing yet.
    pub fn new(outcome: &Outcome<'_>) -> Trace {
        Trace {
            count_of_nodes: outcome.options.nodes,
            clients: outcome.options.clients(),
            asks: requests(outcome),
            numbers: (!spreads_values(outcome.options)).then(BTreeMap::new),
            ..Trace::default()
        }
    }

    pub fn read(self, recording: impl BufRead, parents: &[i64]) -> io::Result<Trace> {
        let mut trace = self;
        for line in recording.split(b'\n') {
            let line = line?;
            // The recording's own lines are JSON; a last one that says "truncated" has no time.
            let Ok(json) = Json::parse(&line) else {
                continue;
            };
            let Some(time) = int(&json, "t").and_then(|time| u64::try_from(time).ok()) else {
                continue;
            };
            if trace.full_at.is_some_and(|full| time > full + ARRIVAL_TIME) {
                break;
            }
            trace.event(time, &json, parents);
        }
        Ok(trace)
    }

    fn event(&mut self, time: u64, json: &Json<'_>, parents: &[i64]) {
        let id = int(json, "id").unwrap_or_default();
        let known = self.by_id.get(&id).copied();
        let event = match (json.get("event").and_then(Json::as_str), known) {
            (Some("send"), _) => {
                let Some(message) = json.get("message") else {
                    return;
                };
                self.send(time, id, message, parents.len())
            }
            (Some("recv"), Some(index)) => Some((What::Receive, index)),
            (Some("drop"), Some(index)) => Some((What::Drop, index)),
            (Some("cut"), _) if self.full_at.is_none() => {
                self.cuts.push(cut(json, parents));
                Some((What::Cut, self.cuts.len() - 1))
            }
            (Some("heal"), _) if self.full_at.is_none() => {
                Some((What::Heal, self.cuts.len().saturating_sub(1)))
            }
            (Some(event), _) if self.full_at.is_none() => self.trouble(event, json),
            _ => None,
        };
        self.events
            .extend(event.map(|(what, index)| (time, what, index)));
    }

    /// Nodes are killed, started, paused or resumed.
    fn trouble(&mut self, event: &str, json: &Json<'_>) -> Option<(What, usize)> {
        let what = match event {
            "kill" => What::Kill,
            "start" => What::Start,
            "pause" => What::Pause,
            "resume" => What::Resume,
            _ => return None,
        };
        let kind = json.get("kind").and_then(Json::as_str)?;
        let nodes = json.get("nodes").and_then(Json::as_array)?;
        let nodes = nodes.iter().filter_map(Json::as_int);
        self.nodes.push((kind.to_owned(), nodes.collect()));
        Some((what, self.nodes.len() - 1))
    }

    /// A message is sent: by a client, to one, or between two nodes.
    fn send(
        &mut self,
        time: u64,
        id: i64,
        message: &Json<'_>,
        nodes: usize,
    ) -> Option<(What, usize)> {
        let clients = self.clients;
        let index = |name: &str, first: char| {
            let name = message.get(name).and_then(Json::as_str)?;
            let index: usize = name.strip_prefix(first)?.parse().ok()?;
            let all = if first == 'c' { clients } else { nodes };
            (index < all).then_some(index)
        };
        let body = message.get("body")?;
        if let Some(client) = index("src", 'c') {
            return self.request(time, client, index("dest", 'n')?, body);
        }
        let src = index("src", 'n')?;
        let Some(dest) = index("dest", 'n') else {
            return self.reply(index("dest", 'c')?, body);
        };
        let sent = self.message(id, src, dest, message, body);
        let raw = sent.raw.as_ref().map_or(0, String::len);
        if self.messages.len() >= MAX_MESSAGES
            || self.values + sent.values.len() > MAX_VALUES
            || self.raw + raw > MAX_RAW
            || self.label_bytes > MAX_LABELS
        {
            self.full_at.get_or_insert(time);
        }
        if self.full_at.is_some() {
            return None;
        }
        self.values += sent.values.len();
        self.raw += raw;
        self.by_id.insert(id, self.messages.len());
        self.messages.push(sent);
        Some((What::Send, self.messages.len() - 1))
    }

    fn request(
        &mut self,
        time: u64,
        client: usize,
        node: usize,
        body: &Json<'_>,
    ) -> Option<(What, usize)> {
        if self.requests.len() >= MAX_REQUESTS {
            self.full_at.get_or_insert(time);
        }
        if self.full_at.is_some() {
            return None;
        }
        let what = body.get("type").and_then(Json::as_str).unwrap_or_default();
        let msg_id = int(body, "msg_id").unwrap_or(-1);
        self.waiting.insert((client, msg_id), self.requests.len());
        let what = self.asks.iter().position(|own| *own == what).unwrap_or(0);
        let value = int(body, "message").or_else(|| int(body, "element"));
        let text = self.text_of(what, body);
        self.requests.push(Request {
            node,
            client,
            what,
            msg_id,
            value: value.map_or(-1, safe),
            shown: -1,
            texts: [text, None],
        });
        Some((What::Request, self.requests.len() - 1))
    }

    fn reply(&mut self, client: usize, body: &Json<'_>) -> Option<(What, usize)> {
        let request = self.waiting.remove(&(client, int(body, "in_reply_to")?))?;
        let text = self.text_of(self.requests[request].what, body);
        self.requests[request].shown = int(body, "count").unwrap_or(-1);
        self.requests[request].texts[1] = text;
        Some((What::Reply, request))
    }

    /// Adds what the nodes noticed, from the logs in the run's folder. A log that is not
    /// there or no text tells nothing.
    pub fn read_logs(mut self, folder: &Path) -> Trace {
        for node in 0..self.count_of_nodes {
            let Ok(log) = File::open(crate::nodes::log_path(folder, &cluster::name(node))) else {
                continue;
            };
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                self.notice(node, &line);
            }
        }
        self.noticed.sort_by_key(|noticed| noticed.time);
        self.noticed.truncate(MAX_NOTICED);
        self
    }

    /// A line of a node's log, as `t=8.496123 level=warn event=suspect peer=n3 unacked=12`.
    fn notice(&mut self, node: usize, line: &str) {
        let parts = |line: &str| {
            let (time, rest) = line.strip_prefix("t=")?.split_once(" level=")?;
            let event = rest.split_once(" event=")?.1;
            let (event, fields) = event.split_once(' ').unwrap_or((event, ""));
            let time = time.parse::<f64>().ok().filter(|time| *time >= 0.0)?;
            Some((
                (time * 1e6).round() as u64,
                event.to_owned(),
                fields.to_owned(),
            ))
        };
        let Some((time, event, mut fields)) = parts(line) else {
            return;
        };
        self.has_beliefs |= event == "init";
        let Some(what) = NOTICED.iter().position(|own| *own == event) else {
            return;
        };
        let mut peer = None;
        if let Some(named) = fields.strip_prefix("peer=") {
            let (name, rest) = named.split_once(' ').unwrap_or((named, ""));
            peer = cluster::index(name).filter(|peer| *peer < self.count_of_nodes);
            fields = rest.to_owned();
        }
        self.noticed.push(Noticed {
            time,
            node,
            what,
            peer,
            detail: clip(&fields, MAX_LABEL),
        });
    }

    /// A request or its answer in short, if the page knows nothing else of it and there
    /// is room. The first three are told otherwise.
    fn text_of(&mut self, what: usize, body: &Json<'_>) -> Option<String> {
        if self.numbers.is_none() || what < 3 || self.raw > MAX_RAW {
            return None;
        }
        let text = clip(&body.to_string(), MAX_LABEL);
        self.raw += text.len();
        Some(text)
    }

    /// The number of what spreads; `None` if it is not what this run spreads.
    fn item(&mut self, json: &Json<'_>) -> Option<i64> {
        let Some(numbers) = &mut self.numbers else {
            return json.as_int().filter(|value| safe(*value) == *value);
        };
        let next = numbers.len() as i64;
        let number = *numbers.entry(json.to_string()).or_insert(next);
        if number == next {
            let label = clip(&json.to_string(), MAX_LABEL);
            self.label_bytes += label.len();
            self.labels.push(label);
        }
        Some(number)
    }

    fn message(
        &mut self,
        id: i64,
        src: usize,
        dest: usize,
        message: &Json<'_>,
        body: &Json<'_>,
    ) -> Sent {
        let field = |name| int(body, name).filter(|number| (0..=MAX_SAFE).contains(number));
        let (offset, ack) = (field("offset"), field("ack"));
        let listed = body.get("values").and_then(Json::as_array).unwrap_or(&[]);
        let values: Vec<i64> = listed.iter().filter_map(|json| self.item(json)).collect();
        let whole = offset.is_some() && ack.is_some() && values.len() == listed.len();
        let missing = pairs(body, "missing");
        let kind = match body.get("type").and_then(Json::as_str) {
            Some("ack") if whole && !missing.is_empty() => Kind::Hole,
            Some("ack") if whole => Kind::Ack,
            Some("sync") if field("epoch").is_some() => Kind::Sync,
            Some("delta") if whole => {
                let offset = offset.unwrap_or_default();
                let high = self.streams.entry((src, dest)).or_default();
                let end = offset.saturating_add(values.len() as i64);
                let again = end <= *high;
                *high = (*high).max(end);
                if again {
                    Kind::Retransmission
                } else {
                    Kind::Delta
                }
            }
            _ => Kind::Other,
        };
        let is_raw = matches!(kind, Kind::Other | Kind::Sync);
        let raw = is_raw.then(|| clip(&message.to_string(), MAX_RAW_LINE));
        let number = |name| field(name).unwrap_or(-1);
        Sent {
            id,
            src,
            dest,
            kind,
            offset: offset.unwrap_or(-1),
            ack: ack.unwrap_or(-1),
            epoch: number("epoch"),
            peer: number("peer"),
            ts: number("ts"),
            echo: number("echo"),
            held: number("held"),
            next: field("next").map(|next| (next, field("every").unwrap_or(next))),
            missing,
            probe: body.get("probe") == Some(&Json::Bool(true)),
            values,
            raw,
        }
    }
}

/// A text's beginning, with a sign that there is more.
fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

fn int(json: &Json<'_>, name: &str) -> Option<i64> {
    json.get(name).and_then(Json::as_int)
}

/// The integer that JavaScript would make of it.
pub fn safe(value: i64) -> i64 {
    value.clamp(-MAX_SAFE, MAX_SAFE)
}

/// A member that is an array of pairs of integers.
fn pairs(json: &Json<'_>, name: &str) -> Vec<(i64, i64)> {
    let pairs = json.get(name).and_then(Json::as_array).unwrap_or(&[]);
    let pair = |pair: &Json<'_>| match pair.as_array() {
        Some([Json::Int(first), Json::Int(second)]) => Some((*first, *second)),
        _ => None,
    };
    pairs.iter().filter_map(pair).collect()
}

fn cut(json: &Json<'_>, parents: &[i64]) -> Cut {
    let pairs = pairs(json, "src_dest").into_iter();
    let pairs: Vec<(usize, usize)> = pairs
        .map(|(src, dest)| (src as usize, dest as usize))
        .collect();
    let is_edge = |&(a, b): &(usize, usize)| {
        let parent = |node: usize| parents.get(node).copied().unwrap_or(-1);
        parent(a) == b as i64 || parent(b) == a as i64
    };
    Cut {
        kind: json
            .get("kind")
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned(),
        all: pairs.len(),
        directions: pairs.into_iter().filter(is_edge).collect(),
    }
}
