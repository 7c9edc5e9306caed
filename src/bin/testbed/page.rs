//! The report page: a run that can be watched.
//!
//! After each run [`fn@write`] leaves two pictures beside `results.json`:
//!
//! | file | holds |
//! |---|---|
//! | `report.html` | verdict, replay, space-time diagram and charts in one file that needs no network |
//! | `messages.svg` | a space-time diagram of a short window: the first heal, or the first load |
//!
//! The page is a template, `page.html`, into which go its style (`page.css`), its
//! script (`page.js`) and, between them, the run's data: this module reads
//! `messages.jsonl` back and turns it around, from one object an event into one
//! array of integers a field. That is about a fifth of the size, and a browser reads
//! it in milliseconds. Everything else, from links to backlogs, the page works out
//! itself from these events, in their order.
//!
//! ```text
//! "events":   t    time since the event before, in microseconds
//!             e    0 send  1 receive  2 drop  3 client asks  4 node answers  5 cut  6 heal
//!                  7 kill  8 start  9 pause  10 resume
//!             i    of receive, drop and answer: which message
//! "messages": one entry a send, in the order of the sends
//! "clients":  one entry a request, likewise
//! "story":    of a [story](crate::story) alone, the sentences, each with its moment
//! ```
//!
//! Caveats. The page holds the run's beginning up to fixed limits
//! ([`MAX_MESSAGES`] and its neighbours), so that it stays below 5 MB however
//! long a run was; it says what it left out. Of a node that is not hubcast it
//! shows what the messages show, on a tree that this node does not have.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::checker::Verdict;
use crate::engine::{Counts, KindCounts};
use crate::options::{self, Job, Options};
use crate::report::{Outcome, compared, limits, verdict_text};
use crate::story::Story;
use crate::trace::Told;
use hubcast::json::{self, Json};
use hubcast::tree;

/// The page without its style, its script and its data: one language a file.
const TEMPLATE: &str = include_str!("page.html");

/// How the page looks.
const STYLE: &str = include_str!("page.css");

/// What the page does.
const SCRIPT: &str = include_str!("page.js");

/// The most messages between nodes on a page.
///
/// Unit: messages. One takes about 50 bytes without its values, so they take
/// 1.3 MB; the standard run has 4000.
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
const MAX_STABLE: usize = 25_000;

/// How long after the last message on the page arrivals are still looked for.
///
/// Unit: microseconds. Longer than a message is on its way, unless the latency
/// was set to more.
const ARRIVAL_TIME: u64 = 5_000_000;

/// The largest integer that JavaScript's numbers hold without loss: 2^53 - 1.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// What happens, by number as in the page's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
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
enum Kind {
    Delta = 0,
    Ack = 1,
    Retransmission = 2,
    Other = 3,
}

/// What a client asks for in this run, in the order of the numbers in the page's data.
fn requests(outcome: &Outcome<'_>) -> Vec<&'static str> {
    let kinds = outcome.counts.kinds.iter().map(|kind| kind.name);
    let before = ["other", "init", "topology"].into_iter();
    before.chain(kinds).chain(["stats"]).collect()
}

/// Where the load's first kind stands among these.
const FIRST_KIND: usize = 3;

/// Whether what spreads are the integers that clients add. Other items the page
/// numbers as they come, and shows as the JSON that they are.
fn spreads_values(options: &Options) -> bool {
    ["broadcast", "g-set"].contains(&options.workload)
}

/// What spreads, in the user's words.
fn item(options: &Options) -> &'static str {
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
struct Sent {
    id: i64,
    src: usize,
    dest: usize,
    kind: Kind,
    offset: i64,
    ack: i64,
    gap: bool,
    values: Vec<i64>,
    raw: Option<String>,
}

/// A client's request.
#[derive(Clone, Debug)]
struct Request {
    node: usize,
    client: usize,
    what: usize,
    msg_id: i64,
    /// The value that is added.
    value: i64,
    /// How many values the answer shows.
    shown: i64,
    /// Request and answer as they were, where the above does not tell it.
    texts: [Option<String>; 2],
}

/// A partition. Only directions along the tree are kept: the others carry nothing.
#[derive(Clone, Debug)]
struct Cut {
    kind: String,
    directions: Vec<(usize, usize)>,
    /// How many directions were cut in all.
    all: usize,
}

/// What the page shows of a run: the events in their order, by index.
#[derive(Debug, Default)]
struct Trace {
    events: Vec<(u64, What, usize)>,
    messages: Vec<Sent>,
    requests: Vec<Request>,
    /// How many clients there are, and what they ask.
    clients: usize,
    asks: Vec<&'static str>,
    /// Items that are no integers, by their text, and the texts in their order; `None`
    /// if the items are the values themselves.
    numbers: Option<BTreeMap<String, i64>>,
    labels: Vec<String>,
    label_bytes: usize,
    cuts: Vec<Cut>,
    /// Of each kill, start, pause and resume: the kind and the nodes.
    nodes: Vec<(String, Vec<i64>)>,
    values: usize,
    raw: usize,
    /// The moment from which on messages are left out.
    full_at: Option<u64>,
    /// Recording id -> index in `messages`.
    by_id: BTreeMap<i64, usize>,
    /// Client and `msg_id` -> index in `requests`.
    waiting: BTreeMap<(usize, i64), usize>,
    /// For each direction, one past the highest offset sent.
    streams: BTreeMap<(usize, usize), i64>,
}

/// Writes `report.html` and `messages.svg` into the run's folder, which holds
/// its `messages.jsonl` already.
///
/// # Errors
///
/// Whatever the file system says.
pub fn write(outcome: &Outcome<'_>, folder: &Path) -> io::Result<()> {
    let parents = parents(outcome.options);
    let recording = BufReader::new(File::open(folder.join("messages.jsonl"))?);
    let trace = Trace::new(outcome).read(recording, &parents)?;
    fs::write(
        folder.join("report.html"),
        page(outcome, &trace, &parents).as_bytes(),
    )?;
    fs::write(folder.join("messages.svg"), svg(&trace, outcome, &parents))
}

/// Writes `report.html` for a [story](crate::story) that was told with a recording in the
/// `folder`: its sentences are the replay's captions, and `Step` goes from one to the next.
///
/// # Errors
///
/// Whatever the file system says.
pub fn write_story(story: &Story, told: &Told, command: &str, folder: &Path) -> io::Result<()> {
    let options = Options {
        nodes: story.nodes,
        latency: story.latency,
        virtual_time: true,
        ..Options::new(Job::Efficient)
    };
    let kind = |name| KindCounts {
        name,
        ..KindCounts::default()
    };
    let mut counts = Counts {
        kinds: vec![kind("broadcast"), kind("read")],
        ..Counts::default()
    };
    counts.server.dropped = told.dropped;
    let outcome = Outcome {
        options: &options,
        counts: &counts,
        verdict: &Verdict::default(),
    };
    let parents = parents(&options);
    let recording = BufReader::new(File::open(folder.join("messages.jsonl"))?);
    let trace = Trace::new(&outcome).read(recording, &parents)?;
    let mut data = data(&outcome, &trace, &parents);
    // Behind the last member of the object.
    data.truncate(data.len() - "\n}".len());
    data += &format!(",\n\"story\":{}\n}}", story_json(told, command));
    let page = fill("a story", &told.text, &data);
    fs::write(folder.join("report.html"), page)
}

/// A story's sentences: for each its moment, its node and message (-1: none), whether
/// that has just ended its way, and the words.
fn story_json(told: &Told, command: &str) -> String {
    let sentences = told.sentences.iter().map(|sentence| {
        format!(
            "[{},{},{},{},{}]",
            sentence.at.as_micros(),
            sentence.node.map_or(-1, |node| node as i64),
            sentence.message.map_or(-1, |message| message as i64),
            u8::from(sentence.is_arrival),
            string(&sentence.words)
        )
    });
    let sentences: Vec<String> = sentences.collect();
    let command = string(command);
    format!(
        "{{\"command\":{command},\"sentences\":[{}]}}",
        sentences.join(",\n")
    )
}

/// Each node's parent in the tree, -1 for the root.
fn parents(options: &Options) -> Vec<i64> {
    let forced = options::node_config(&options.node_args)
        .ok()
        .and_then(|config| config.hubs);
    let hubs = forced.unwrap_or_else(|| tree::default_hubs(options.nodes));
    (0..options.nodes)
        .map(|index| {
            tree::place(options.nodes, hubs, index)
                .parent
                .map_or(-1, |parent| parent as i64)
        })
        .collect()
}

impl Trace {
    /// Nothing yet.
    fn new(outcome: &Outcome<'_>) -> Trace {
        Trace {
            clients: outcome.options.clients(),
            asks: requests(outcome),
            numbers: (!spreads_values(outcome.options)).then(BTreeMap::new),
            ..Trace::default()
        }
    }

    fn read(self, recording: impl BufRead, parents: &[i64]) -> io::Result<Trace> {
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
            let node = index("dest", 'n')?;
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
            return Some((What::Request, self.requests.len() - 1));
        }
        let src = index("src", 'n')?;
        let Some(dest) = index("dest", 'n') else {
            let reply = (index("dest", 'c')?, int(body, "in_reply_to")?);
            let request = self.waiting.remove(&reply)?;
            let text = self.text_of(self.requests[request].what, body);
            self.requests[request].shown = int(body, "count").unwrap_or(-1);
            self.requests[request].texts[1] = text;
            return Some((What::Reply, request));
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
        let kind = match body.get("type").and_then(Json::as_str) {
            Some("ack") if whole => Kind::Ack,
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
        let raw = (kind == Kind::Other).then(|| clip(&message.to_string(), MAX_RAW_LINE));
        Sent {
            id,
            src,
            dest,
            kind,
            offset: offset.unwrap_or(-1),
            ack: ack.unwrap_or(-1),
            gap: body.get("gap") == Some(&Json::Bool(true)),
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
fn safe(value: i64) -> i64 {
    value.clamp(-MAX_SAFE, MAX_SAFE)
}

fn cut(json: &Json<'_>, parents: &[i64]) -> Cut {
    let pairs = json
        .get("src_dest")
        .and_then(Json::as_array)
        .unwrap_or(&[])
        .iter()
        .filter_map(|pair| match pair.as_array() {
            Some([Json::Int(src), Json::Int(dest)]) => Some((*src as usize, *dest as usize)),
            _ => None,
        });
    let pairs: Vec<(usize, usize)> = pairs.collect();
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

// The page.

fn page(outcome: &Outcome<'_>, trace: &Trace, parents: &[i64]) -> String {
    let options = outcome.options;
    let title = format!(
        "{}, {} nodes, seed {}",
        options.title(),
        options.nodes,
        options.seed
    );
    fill(&title, &outcome.text(), &data(outcome, trace, parents))
}

/// The template with its gaps filled. `data` is JSON.
fn fill(title: &str, text: &str, data: &str) -> String {
    let (title, text, data) = (in_html(title), in_html(text), in_script(data));
    // In the template's order: what fills a gap is not searched for the next mark.
    let gaps = [
        ("<!--TITLE-->", title.as_str()),
        ("<!--STYLE-->", STYLE),
        ("<!--TEXT-->", &text),
        ("<!--DATA-->", &data),
        ("<!--SCRIPT-->", SCRIPT),
    ];
    let (mut page, mut rest) = (String::new(), TEMPLATE);
    for (mark, filling) in gaps {
        let Some((before, after)) = rest.split_once(mark) else {
            unreachable!("page.html has each mark once, in this order; a test fills it");
        };
        page += before;
        page += filling;
        rest = after;
    }
    page + rest
}

/// JSON that can stand inside a script element. In JSON a `<` occurs in strings
/// only, where it may be written as an escape; without it there is no
/// `</script>` and no `<!--`.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Text that can stand in HTML or SVG, in attributes too.
fn in_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// The run as the page reads it.
fn data(outcome: &Outcome<'_>, trace: &Trace, parents: &[i64]) -> String {
    let options = outcome.options;
    let measured = outcome.measured();
    let mut out = String::from("{");
    let mut member = |name: &str, json: &str| {
        let comma = if out.len() > 1 { "," } else { "" };
        let _ = write!(out, "{comma}\n\"{name}\":{json}");
    };
    member("results", &outcome.to_json().to_string());
    member("passes", &measured.passes(options).to_string());
    let verdict = verdict_text(&measured, options, &[]);
    member("verdict", &string(verdict.trim_end()));
    member("command", &string(&command_line(options)));
    member("settings", &settings(options));
    let limits_apply = !limits(options).is_empty();
    let limits = compared(options).iter().map(|limits| {
        let (per_op, median, maximum) = (limits.messages_per_op, limits.median, limits.maximum);
        format!("[{},{per_op},{median},{maximum}]", string(limits.name))
    });
    let limits: Vec<String> = limits.collect();
    member("limits", &format!("[{}]", limits.join(",")));
    member("limits_apply", &limits_apply.to_string());
    member("foreign", &options.bin.is_some().to_string());
    member("latency", &options.latency.as_micros().to_string());
    member("parent", &column(parents.iter().copied()));
    member("left_out", &left_out(outcome, trace));
    member("requests", &{
        let names: Vec<String> = trace.asks.iter().map(|name| string(name)).collect();
        format!("[{}]", names.join(","))
    });
    member("item", &string(item(options)));
    member(
        "items",
        &match trace.numbers {
            Some(_) => {
                let labels: Vec<String> = trace.labels.iter().map(|label| string(label)).collect();
                format!("[{}]", labels.join(","))
            }
            None => "null".into(),
        },
    );
    let cuts: Vec<String> = trace.cuts.iter().map(cut_json).collect();
    member("cuts", &format!("[{}]", cuts.join(",")));

    let nodes = trace.nodes.iter().map(|(kind, nodes)| {
        let nodes = column(nodes.iter().copied());
        format!("{{\"kind\":{},\"nodes\":{nodes}}}", string(kind))
    });
    let nodes: Vec<String> = nodes.collect();
    member("nodes", &format!("[{}]", nodes.join(",")));

    let events = &trace.events;
    let times = events.iter().map(|event| event.0 as i64);
    let indexed = |what| matches!(what, What::Receive | What::Drop | What::Reply);
    member(
        "events",
        &columns([
            ("t", differences(times)),
            ("e", column(events.iter().map(|event| event.1 as i64))),
            (
                "i",
                column(
                    events
                        .iter()
                        .filter(|event| indexed(event.1))
                        .map(|event| event.2 as i64),
                ),
            ),
        ]),
    );
    let messages = &trace.messages;
    let of = |field: fn(&Sent) -> i64| column(messages.iter().map(field));
    let gaps = (0..messages.len()).filter(|&index| messages[index].gap);
    let raw: Vec<String> = (messages.iter().enumerate())
        .filter_map(|(index, sent)| Some(format!("\"{index}\":{}", string(sent.raw.as_ref()?))))
        .collect();
    member(
        "messages",
        &columns([
            ("id", differences(messages.iter().map(|sent| sent.id))),
            ("src", of(|sent| sent.src as i64)),
            ("dest", of(|sent| sent.dest as i64)),
            ("kind", of(|sent| sent.kind as i64)),
            ("offset", of(|sent| sent.offset)),
            ("ack", of(|sent| sent.ack)),
            ("count", of(|sent| sent.values.len() as i64)),
            ("gap", column(gaps.map(|index| index as i64))),
            (
                "values",
                column(messages.iter().flat_map(|sent| sent.values.iter().copied())),
            ),
            ("raw", format!("{{{}}}", raw.join(","))),
        ]),
    );
    let requests = &trace.requests;
    let of = |field: fn(&Request) -> i64| column(requests.iter().map(field));
    let texts = |which: usize| {
        let texts = requests.iter().enumerate().filter_map(|(index, request)| {
            let text = request.texts[which].as_ref()?;
            Some(format!("\"{index}\":{}", string(text)))
        });
        let texts: Vec<String> = texts.collect();
        format!("{{{}}}", texts.join(","))
    };
    member(
        "clients",
        &columns([
            ("node", of(|request| request.node as i64)),
            ("client", of(|request| request.client as i64)),
            ("what", of(|request| request.what as i64)),
            ("msg_id", of(|request| request.msg_id)),
            ("value", of(|request| request.value)),
            ("shown", of(|request| request.shown)),
            ("asked", texts(0)),
            ("answered", texts(1)),
        ]),
    );
    let stable = outcome.verdict.by_value.iter().take(MAX_STABLE);
    let of = |field: fn(&(i64, hubcast::time::Instant, std::time::Duration)) -> i64| {
        column(stable.clone().map(field))
    };
    member(
        "stable",
        &columns([
            ("value", of(|entry| safe(entry.0))),
            ("known", of(|entry| entry.1.as_micros() as i64)),
            ("latency", of(|entry| entry.2.as_micros() as i64)),
        ]),
    );
    out + "\n}"
}

fn cut_json(cut: &Cut) -> String {
    let pairs = (cut.directions.iter()).flat_map(|&(src, dest)| [src as i64, dest as i64]);
    format!(
        "{{\"kind\":{},\"all\":{},\"pairs\":{}}}",
        string(&cut.kind),
        cut.all,
        column(pairs)
    )
}

/// A sentence on what the page does not show, or `null`.
fn left_out(outcome: &Outcome<'_>, trace: &Trace) -> String {
    let Some(full_at) = trace.full_at else {
        return "null".into();
    };
    string(&format!(
        "This page holds the first {} of {} messages between nodes, up to {:.1} s: at most {} \
         messages, {} client requests and {} {}s fit. Replay, diagram and charts end \
         there; the verdict is about the whole run, and messages.jsonl beside this page has everything.",
        trace.messages.len(),
        outcome.counts.server.total,
        full_at as f64 / 1e6,
        MAX_MESSAGES,
        MAX_REQUESTS,
        MAX_VALUES,
        item(outcome.options),
    ))
}

/// The command that repeats the run: what differs from the defaults.
fn command_line(options: &Options) -> String {
    let job = match options.job {
        // One challenge alone is a workload with its parameters.
        Job::Challenge(_) => Job::Workload,
        job => job,
    };
    let plain = Options::new(job);
    let mut line = format!("./run.sh {}", job.name());
    match job {
        Job::Workload => line += &format!(" {}", options.workload),
        _ if options.is_broadcast() => {}
        _ => line += &format!(" -w {}", options.workload),
    }
    let mut add = |differs: bool, text: String| {
        if differs {
            line.push(' ');
            line.push_str(&text);
        }
    };
    add(options.virtual_time, "--virtual".into());
    add(
        options.nodes != plain.nodes,
        format!("--node-count {}", options.nodes),
    );
    add(
        options.time_limit != plain.time_limit,
        format!("--time-limit {}", options.time_limit.as_secs_f64()),
    );
    add(
        options.rate != plain.rate,
        format!("--rate {}", options.rate),
    );
    add(
        options.concurrency != plain.concurrency,
        format!("--concurrency {}", options.concurrency.name()),
    );
    add(
        options.is_total && !plain.is_total,
        "--availability total".into(),
    );
    add(
        options.consistency != plain.consistency,
        format!("--consistency-models {}", options.consistency.name()),
    );
    add(
        options.latency != plain.latency,
        format!("--latency {}", options.latency.as_millis()),
    );
    add(
        options.latency_dist != plain.latency_dist,
        format!("--latency-dist {}", options.latency_dist.name()),
    );
    add(
        options.loss != plain.loss,
        format!("--loss {}", options.loss),
    );
    add(
        options.duplicate != plain.duplicate,
        format!("--duplicate {}", options.duplicate),
    );
    add(
        options.service != plain.service,
        format!("--service-ms {}", options.service.as_secs_f64() * 1e3),
    );
    add(
        options.topology != plain.topology,
        format!("--topology {}", options.topology.name()),
    );
    add(
        options.nemesis != plain.nemesis,
        format!("--nemesis {}", tools(options, ",")),
    );
    add(
        options.nemesis_interval != plain.nemesis_interval,
        format!(
            "--nemesis-interval {}",
            options.nemesis_interval.as_secs_f64()
        ),
    );
    add(
        options.quiet != plain.quiet,
        format!("--quiet {}", options.quiet.as_secs_f64()),
    );
    add(options.volatile, "--volatile".into());
    add(true, format!("--seed {}", options.seed));
    if let Some(bin) = &options.bin {
        add(true, format!("--bin {}", bin.display()));
    }
    add(
        !options.node_args.is_empty(),
        format!("-- {}", options.node_args.join(" ")),
    );
    line
}

/// What the nemesis does.
fn tools(options: &Options, between: &str) -> String {
    let names: Vec<&str> = options.nemesis.iter().map(|tool| tool.name()).collect();
    names.join(between)
}

/// Names and values of the run's settings, as an array of pairs.
fn settings(options: &Options) -> String {
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs_f64());
    let ms = |time: std::time::Duration| format!("{} ms", time.as_millis());
    let percent = |chance: f64| format!("{} %", chance * 100.0);
    let mut rows = vec![
        ("nodes", options.nodes.to_string()),
        ("load", seconds(options.time_limit)),
        ("operations a second", options.rate.to_string()),
        (
            "latency",
            format!("{}, {}", ms(options.latency), options.latency_dist.name()),
        ),
    ];
    if options.loss > 0.0 {
        rows.push(("lost", percent(options.loss)));
    }
    if options.duplicate > 0.0 {
        rows.push(("duplicated", percent(options.duplicate)));
    }
    if !options.nemesis.is_empty() {
        rows.push((
            "faults",
            format!(
                "{}, every {} or so",
                tools(options, " "),
                seconds(options.nemesis_interval)
            ),
        ));
    }
    rows.push(("quiet at the end", seconds(options.quiet)));
    rows.push(("seed", options.seed.to_string()));
    let clock = if options.virtual_time {
        "virtual, nodes in memory"
    } else {
        "real, one process a node"
    };
    rows.push(("clock", clock.into()));
    match (&options.bin, options::node_config(&options.node_args)) {
        (None, Ok(config)) => rows.extend([
            ("promised within", ms(config.within)),
            (
                "hubs",
                (config.hubs)
                    .unwrap_or_else(|| tree::default_hubs(options.nodes))
                    .to_string(),
            ),
        ]),
        (Some(bin), _) => rows.push(("node", bin.display().to_string())),
        (None, Err(_)) => {}
    }
    let rows: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("[{},{}]", string(name), string(value)))
        .collect();
    format!("[{}]", rows.join(","))
}

fn string(text: &str) -> String {
    let mut out = Vec::new();
    json::encode_str(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn columns<const N: usize>(members: [(&str, String); N]) -> String {
    let members = members.map(|(name, json)| format!("\"{name}\":{json}"));
    format!("{{{}}}", members.join(",\n"))
}

fn column(numbers: impl IntoIterator<Item = i64>) -> String {
    let mut out = vec![b'['];
    for number in numbers {
        if out.len() > 1 {
            out.push(b',');
        }
        json::encode_int(number, &mut out);
    }
    out.push(b']');
    String::from_utf8_lossy(&out).into_owned()
}

/// Each number minus the one before: small numbers are short.
fn differences(numbers: impl IntoIterator<Item = i64>) -> String {
    let mut before = 0;
    column(
        numbers
            .into_iter()
            .map(|number| number - std::mem::replace(&mut before, number)),
    )
}

// The static picture.

/// How much time the static picture shows. Unit: microseconds. Ten windows of
/// the hub, and slow enough for the eye to follow one value.
const SVG_TIME: u64 = 1_500_000;

/// What it shows before a heal. Unit: microseconds.
const SVG_BEFORE_HEAL: u64 = 400_000;

/// The most lanes in it; a taller picture is no picture any more.
const SVG_LANES: usize = 60;

/// The width of its time axis, a lane's height, and the margins left and above.
/// Unit: pixels.
const SVG_WIDTH: f64 = 1120.0;
const SVG_LANE: f64 = 20.0;
const SVG_LEFT: f64 = 44.0;
const SVG_TOP: f64 = 64.0;

/// The picture's own colours, those of the page, light and dark.
const SVG_STYLE: &str = "<style>
  text { font: 12px system-ui, sans-serif; fill: #5a636e }
  .title { font-size: 15px; font-weight: 600; fill: #1b2026 }
  .page { fill: #ffffff } .lane { stroke: #e3e6ea } .axis { stroke: #aab2bb }
  .m { fill: none; stroke-width: 1.2 }
  .delta { stroke: #0072b2 } .ack { stroke: #00896a; stroke-dasharray: 5 3 }
  .again { stroke: #b86e00; stroke-width: 2 } .other { stroke: #5a636e }
  .drop { stroke: #c8400a; stroke-width: 1.6; fill: none }
  .cut { fill: #c8400a; fill-opacity: .08 } .client { fill: #a2478a }
  @media (prefers-color-scheme: dark) {
    text { fill: #9aa5b1 } .title { fill: #e8ebee }
    .page { fill: #14181d } .lane { stroke: #272e36 } .axis { stroke: #59636e }
    .delta { stroke: #5db1f0 } .ack { stroke: #35c79d } .again { stroke: #f0b03f }
    .drop { stroke: #ff8050 } .cut { fill: #ff8050 } .client { fill: #dd94bd }
  }
</style>
";

/// `messages.svg`: the space-time diagram of the first heal, or else of the
/// first load. Time goes to the right, each node is a lane, a message a line.
fn svg(trace: &Trace, outcome: &Outcome<'_>, parents: &[i64]) -> String {
    let find = |wanted: fn(What) -> bool| {
        let event = trace.events.iter().find(|event| wanted(event.1));
        event.map(|event| event.0)
    };
    let heal = find(|what| what == What::Heal).map(|time| time.saturating_sub(SVG_BEFORE_HEAL));
    let start = heal.or_else(|| find(|what| what == What::Send));
    let start = start.unwrap_or_default();
    let end = start + SVG_TIME;
    let lanes = lanes(parents);
    let shown = lanes.len().min(SVG_LANES);
    let mut lane_of = vec![None; lanes.len()];
    for (lane, &node) in lanes.iter().take(shown).enumerate() {
        lane_of[node] = Some(SVG_TOP + SVG_LANE * (lane as f64 + 0.5));
    }
    let x = |time: u64| {
        let from_start = time as f64 - start as f64;
        SVG_LEFT + from_start / SVG_TIME as f64 * SVG_WIDTH
    };
    let (width, bottom) = (
        SVG_LEFT + SVG_WIDTH + 30.0,
        SVG_TOP + SVG_LANE * shown as f64,
    );
    let height = bottom + 30.0;
    let about = format!(
        "{}: messages between nodes from {:.2} s to {:.2} s{}",
        outcome.options.title(),
        start as f64 / 1e6,
        end as f64 / 1e6,
        if heal.is_some() {
            ", around the first heal"
        } else {
            ""
        }
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{0}\">\n\
         <title>{0}</title>\n{SVG_STYLE}<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"12\" y=\"24\">{0}</text>\n",
        in_html(&about)
    );
    svg_legend(&mut out, trace.asks.get(FIRST_KIND).unwrap_or(&"request"));
    let _ = writeln!(
        out,
        "<clipPath id=\"view\"><rect x=\"{SVG_LEFT}\" y=\"{SVG_TOP}\" width=\"{SVG_WIDTH}\" height=\"{}\"/></clipPath>",
        bottom - SVG_TOP
    );
    // Partitions lie behind everything else.
    let mut cut_since = None;
    let mut shade = |from: u64, to: u64| {
        let (from, to) = (x(from.max(start)), x(to.min(end)));
        if to > from {
            let _ = writeln!(
                out,
                "<rect class=\"cut\" x=\"{from:.1}\" y=\"{SVG_TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                to - from,
                bottom - SVG_TOP
            );
        }
    };
    for &(time, what, _) in &trace.events {
        match what {
            What::Cut => cut_since = Some(time),
            What::Heal => {
                if let Some(from) = cut_since.take() {
                    shade(from, time);
                }
            }
            _ => {}
        }
    }
    if let Some(from) = cut_since {
        shade(from, end);
    }
    for &node in lanes.iter().take(shown) {
        if let Some(y) = lane_of[node] {
            let _ = writeln!(
                out,
                "<path class=\"lane\" d=\"M{SVG_LEFT} {y}H{}\"/><text x=\"12\" y=\"{}\">n{node}</text>",
                SVG_LEFT + SVG_WIDTH,
                y + 4.0
            );
        }
    }
    for tick in 0..=SVG_TIME / 100_000 {
        let time = start + tick * 100_000;
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{:.1} {bottom}v4\"/>",
            x(time)
        );
        if tick.is_multiple_of(5) {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{:.2} s</text>",
                x(time),
                bottom + 19.0,
                time as f64 / 1e6
            );
        }
    }
    out.push_str("<g clip-path=\"url(#view)\">\n");
    svg_messages(&mut out, trace, (start, end), x, &lane_of);
    out.push_str("</g>\n");
    if shown < lanes.len() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">the first {shown} of {} nodes</text>",
            SVG_LEFT + SVG_WIDTH,
            24,
            lanes.len()
        );
    }
    out + "</svg>\n"
}

fn svg_legend(out: &mut String, request: &str) {
    let mut left = 12.0;
    for (class, name) in [
        ("m delta", "delta"),
        ("m ack", "ack alone"),
        ("m again", "retransmission"),
        ("drop", "dropped"),
        ("client", &format!("{request} of a client")),
    ] {
        let mark = match class {
            "drop" => format!("M{} 42l8 8m0 -8l-8 8", left + 8.0),
            "client" => format!("M{} 50l5 -8l5 8z", left + 8.0),
            _ => format!("M{left} 46h24"),
        };
        let _ = writeln!(
            out,
            "<path class=\"{class}\" d=\"{mark}\"/><text x=\"{}\" y=\"50\">{name}</text>",
            left + 30.0
        );
        left += 56.0 + 7.0 * name.len() as f64;
    }
}

/// Every message's line, and a mark for each of the clients' operations of the first kind.
fn svg_messages(
    out: &mut String,
    trace: &Trace,
    (start, end): (u64, u64),
    x: impl Fn(u64) -> f64,
    lane_of: &[Option<f64>],
) {
    let mut sent_at = vec![0; trace.messages.len()];
    for &(time, what, index) in &trace.events {
        match what {
            What::Send => sent_at[index] = time,
            What::Receive | What::Drop => {
                let sent = &trace.messages[index];
                let (Some(from), Some(to)) = (lane_of[sent.src], lane_of[sent.dest]) else {
                    continue;
                };
                if time < start || sent_at[index] > end {
                    continue;
                }
                let class = match sent.kind {
                    Kind::Delta => "delta",
                    Kind::Ack => "ack",
                    Kind::Retransmission => "again",
                    Kind::Other => "other",
                };
                let (x1, mut x2, mut y2) = (x(sent_at[index]), x(time), to);
                if what == What::Drop {
                    // It ends short of the lane that it does not reach.
                    x2 = x1 + (x2 - x1) * 0.9;
                    y2 = from + (to - from) * 0.9;
                    let _ = writeln!(
                        out,
                        "<path class=\"drop\" d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\"/>",
                        x2 - 3.0,
                        y2 - 3.0
                    );
                }
                let _ = writeln!(
                    out,
                    "<path class=\"m {class}\" d=\"M{x1:.1} {from:.1}L{x2:.1} {y2:.1}\"/>"
                );
            }
            What::Request if (start..=end).contains(&time) => {
                let request = &trace.requests[index];
                if let (Some(y), FIRST_KIND) = (lane_of[request.node], request.what) {
                    let _ = writeln!(
                        out,
                        "<path class=\"client\" d=\"M{:.1} {:.1}l4 -7l4 7z\"/>",
                        x(time) - 4.0,
                        y + 3.0
                    );
                }
            }
            _ => {}
        }
    }
}

/// The nodes from top to bottom: the root, its leaves, then each hub and its leaves.
fn lanes(parents: &[i64]) -> Vec<usize> {
    let children = |node: usize| {
        let own = move |&child: &usize| parents[child] == node as i64;
        (0..parents.len()).filter(own)
    };
    let is_hub: Vec<bool> = (0..parents.len())
        .map(|node| parents.contains(&(node as i64)))
        .collect();
    let mut lanes = Vec::new();
    for root in (0..parents.len()).filter(|&node| parents[node] < 0) {
        lanes.push(root);
        lanes.extend(children(root).filter(|&child| !is_hub[child]));
        for hub in children(root).filter(|&child| is_hub[child]) {
            lanes.push(hub);
            lanes.extend(children(hub));
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::Verdict;
    use crate::engine::{Counts, KindCounts};
    use crate::options::Job;

    const STAR: [i64; 3] = [-1, 0, 0];

    /// A run of three nodes with a message of each fate.
    const JOURNAL: &str = r#"{"t":5,"event":"send","id":1,"message":{"src":"c1","dest":"n1","body":{"type":"broadcast","msg_id":3,"message":7}}}
{"t":6,"event":"send","id":2,"message":{"src":"n1","dest":"c1","body":{"type":"broadcast_ok","in_reply_to":3}}}
{"t":6,"event":"send","id":3,"message":{"src":"n1","dest":"n0","body":{"type":"delta","offset":0,"values":[7],"ack":0}}}
{"t":106,"event":"recv","id":3}
{"t":200,"event":"cut","kind":"hub","src_dest":[[0,1],[1,0],[1,2]]}
{"t":256,"event":"send","id":4,"message":{"src":"n0","dest":"n2","body":{"type":"delta","offset":0,"values":[7],"ack":0}}}
{"t":356,"event":"drop","id":4,"why":"partition"}
{"t":400,"event":"send","id":5,"message":{"src":"n0","dest":"n2","body":{"type":"delta","offset":0,"values":[7],"ack":0,"gap":true}}}
{"t":450,"event":"heal"}
{"t":500,"event":"recv","id":5}
{"t":600,"event":"send","id":6,"message":{"src":"n2","dest":"n0","body":{"type":"ack","offset":0,"ack":1}}}
{"t":601,"event":"send","id":7,"message":{"src":"n2","dest":"n0","body":{"type":"gossip","text":"</script><!--"}}}
{"event":"truncated"}
"#;

    fn trace(recording: &str) -> Trace {
        let trace = outcome(Trace::new);
        trace
            .read(recording.as_bytes(), &STAR)
            .expect("reading from memory")
    }

    /// A finished run of which nothing is known, with three nodes.
    fn outcome<T>(work: impl FnOnce(&Outcome<'_>) -> T) -> T {
        let options = Options {
            nodes: 3,
            virtual_time: true,
            ..Options::new(Job::Partition)
        };
        let kind = |&name: &&'static str| KindCounts {
            name,
            ..KindCounts::default()
        };
        work(&Outcome {
            options: &options,
            counts: &Counts {
                kinds: ["broadcast", "read"].iter().map(kind).collect(),
                ..Counts::default()
            },
            verdict: &Verdict::default(),
        })
    }

    /// Start tags minus end tags and self-closing ones; attributes have quotes.
    fn is_balanced(xml: &str) -> bool {
        let mut open = Vec::new();
        for part in xml.split('<').skip(1) {
            let Some((tag, _)) = part.split_once('>') else {
                return false;
            };
            if tag.matches('"').count() % 2 != 0 {
                return false;
            }
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop() != Some(name) {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.extend(tag.split(' ').next());
            }
        }
        open.is_empty()
    }

    #[test]
    fn the_journal_comes_back_as_events_in_their_order() {
        let trace = trace(JOURNAL);
        let what: Vec<_> = trace
            .events
            .iter()
            .map(|event| (event.1, event.2))
            .collect();
        assert_eq!(
            what,
            [
                (What::Request, 0),
                (What::Reply, 0),
                (What::Send, 0),
                (What::Receive, 0),
                (What::Cut, 0),
                (What::Send, 1),
                (What::Drop, 1),
                (What::Send, 2),
                (What::Heal, 0),
                (What::Receive, 2),
                (What::Send, 3),
                (What::Send, 4),
            ]
        );
        let kinds: Vec<_> = trace.messages.iter().map(|sent| sent.kind).collect();
        use Kind::{Ack, Delta, Other, Retransmission};
        assert_eq!(kinds, [Delta, Delta, Retransmission, Ack, Other]);
        assert!(trace.messages[2].gap && !trace.messages[1].gap);
        // n1 and n2 are no neighbours: that direction carries nothing.
        assert_eq!(trace.cuts[0].directions, [(0, 1), (1, 0)]);
        assert_eq!(trace.cuts[0].all, 3);
    }

    #[test]
    fn the_embedded_data_is_json_whose_text_cannot_end_its_script() {
        outcome(|outcome| {
            let page = page(outcome, &trace(JOURNAL), &STAR);
            let begin = r#"<script type="application/json" id="data">"#;
            let (_, rest) = page.split_once(begin).expect("the data");
            let (data, rest) = rest.split_once("</script>").expect("its end");
            assert!(
                rest.contains("JSON.parse"),
                "the page's own script comes after"
            );
            let json = Json::parse(data.as_bytes()).expect("JSON");
            let messages = json.get("messages").expect("messages");
            let raw = messages.get("raw").and_then(|raw| raw.get("4"));
            let raw = raw.and_then(Json::as_str).expect("the foreign message");
            assert!(raw.contains("</script><!--"), "it is whole: {raw}");
            let ids = messages.get("id").and_then(Json::as_array).expect("ids");
            assert_eq!(ids[..2], [Json::Int(3), Json::Int(1)], "differences");
            assert_eq!(json.get("left_out"), Some(&Json::Null));
        });
    }

    #[test]
    fn what_fills_the_template_cannot_break_it() {
        let page = fill("a <b> & \"c\" <!--DATA-->", "<pre>", r#"{"x":"</script>"}"#);
        assert!(page.contains("a &lt;b&gt; &amp; &quot;c&quot; &lt;!--DATA--&gt;"));
        assert!(page.contains("&lt;pre&gt;"));
        assert!(page.contains(r#"{"x":"\u003c/script>"}"#));
        assert!(!page.contains("<!--"), "no mark is left");
        assert_eq!(
            page.matches("<script").count(),
            page.matches("</script>").count()
        );
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = fill("a run", "PASS", "{}");
        for part in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
            assert!(!page.contains(part), "{part}");
        }
    }

    #[test]
    fn beyond_the_limit_messages_are_left_out_and_the_page_says_so() {
        let mut recording = String::new();
        for id in 0..=MAX_MESSAGES as u64 {
            let _ = writeln!(
                recording,
                r#"{{"t":{id},"event":"send","id":{id},"message":{{"src":"n1","dest":"n0","body":{{"type":"ack","offset":0,"ack":0}}}}}}"#
            );
        }
        let _ = write!(
            recording,
            "{{\"t\":90000,\"event\":\"recv\",\"id\":0}}\n{{\"t\":90000,\"event\":\"recv\",\"id\":{MAX_MESSAGES}}}\n{{\"t\":9000000,\"event\":\"recv\",\"id\":1}}\n"
        );
        let trace = trace(&recording);
        assert_eq!(trace.messages.len(), MAX_MESSAGES);
        assert_eq!(trace.full_at, Some(MAX_MESSAGES as u64));
        let arrivals = trace.events.iter().filter(|event| event.1 == What::Receive);
        assert_eq!(
            arrivals.map(|event| event.2).collect::<Vec<_>>(),
            [0],
            "of what is there, what arrives soon; of what is not, nothing"
        );
        outcome(|outcome| {
            let note = left_out(outcome, &trace);
            assert!(note.contains("the first 25000 of"), "{note}");
            // The worst that the limits allow but for values: 50 bytes a message.
            assert!(page(outcome, &trace, &STAR).len() < 2_500_000);
        });
    }

    #[test]
    fn the_picture_is_well_formed_and_shows_every_fate() {
        outcome(|outcome| {
            let svg = svg(&trace(JOURNAL), outcome, &STAR);
            assert!(is_balanced(&svg), "{svg}");
            for class in ["m delta", "m ack", "m again", "drop", "cut", "client"] {
                let shown = svg.matches(&format!("class=\"{class}\"")).count();
                assert!(shown >= 1, "{class}");
            }
            assert!(svg.contains("around the first heal"));
        });
        assert!(is_balanced("<a x=\"1\"><b/></a>") && !is_balanced("<a><b></a>"));
    }

    #[test]
    fn an_empty_journal_makes_a_page_and_a_picture() {
        outcome(|outcome| {
            let empty = Trace::default();
            assert!(page(outcome, &empty, &STAR).contains("\"events\":{\"t\":[]"));
            assert!(is_balanced(&svg(&empty, outcome, &STAR)));
        });
    }

    #[test]
    fn the_command_names_what_differs_from_the_defaults() {
        let plain = Options::new(Job::Efficient);
        assert_eq!(command_line(&plain), "./run.sh efficient --seed 1");
        let other = Options {
            virtual_time: true,
            nodes: 50,
            loss: 0.05,
            node_args: vec!["--within-ms".into(), "585".into()],
            ..plain
        };
        assert_eq!(
            command_line(&other),
            "./run.sh efficient --virtual --node-count 50 --loss 0.05 --seed 1 -- --within-ms 585"
        );
    }

    #[test]
    fn lanes_hold_every_node_once_and_a_hub_above_its_leaves() {
        let parents: Vec<i64> = (0..50)
            .map(|node| {
                tree::place(50, 7, node)
                    .parent
                    .map_or(-1, |parent| parent as i64)
            })
            .collect();
        let lanes = lanes(&parents);
        let mut sorted = lanes.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        let lane = |node: i64| lanes.iter().position(|&each| each as i64 == node);
        assert!((1..50).all(|node| lane(parents[node as usize]) < lane(node)));
    }
}
