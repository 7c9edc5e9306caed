//! How fast: the real node over real pipes, the parser and the encoder, hostile
//! lines, and memory.
//!
//! Everything is measured from outside, as a whole process, except parser and
//! encoder. Each figure is the median of five rounds. The requests are made before
//! the clock starts, and one thread writes while another only counts line breaks,
//! so that the node is the bottleneck and not its client.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::nodes::Failure;
use crate::nodes::signals::Group;
use crate::world::rng::Rng;
use hubcast::interval_set::IntervalSet;
use hubcast::json::{Json, Object, encode_str};
use hubcast::link::Segment;
use hubcast::message::{self, Message};
use hubcast::stdio;

/// How often each thing is measured.
const ROUNDS: usize = 5;

/// Requests of one round: half a second or so.
const REQUESTS: usize = 1_000_000;

/// Reads of one round, each of [`READ_VALUES`] values.
const READS: usize = 20_000;

/// Values that a read shows: what a node holds at the end of a standard run.
const READ_VALUES: i64 = 1000;

/// Deltas of one round, of [`DELTA_VALUES`] values each.
const DELTAS: usize = 200_000;

/// Values of a delta: what the hub gathers by default.
const DELTA_VALUES: usize = 8;

/// Where nodes keep their journals that are measured with one.
const JOURNAL: &str = "target/runs/bench";

/// Values far apart that a read shows: what costs most to spell out.
const SPARSE_VALUES: usize = 300_000;

/// A node, and its input and output. It is killed when the measurement ends,
/// however that is.
struct Node {
    process: Group,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Node {
    fn start(program: &Path) -> Result<Node, Failure> {
        Node::start_with(program, None)
    }

    /// One that keeps a journal in `folder`, which is emptied first.
    fn start_with(program: &Path, folder: Option<&Path>) -> Result<Node, Failure> {
        let mut command = Command::new(program);
        command.args(["--log", "error"]);
        if let Some(folder) = folder {
            let _ = std::fs::remove_dir_all(folder);
            command.arg("--data-dir").arg(folder);
        }
        let mut process = Group::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let (Some(stdin), Some(stdout), _) = process.pipes() else {
            return Err(Failure::new("a pipe is missing"));
        };
        Ok(Node {
            process,
            stdin,
            stdout,
        })
    }

    /// Writes `input` and reads until `enough` says so of what it is shown, piece
    /// by piece; gives the time it took and the bytes that came back.
    fn exchange_until(
        &mut self,
        input: &[u8],
        mut enough: impl FnMut(&[u8]) -> bool,
    ) -> Result<(Duration, usize), Failure> {
        let Node { stdin, stdout, .. } = self;
        let started = Instant::now();
        let bytes = std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            let mut buffer = vec![0; 1 << 20];
            let mut bytes = 0;
            loop {
                match stdout.read(&mut buffer) {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => {
                        bytes += count;
                        if enough(&buffer[..count]) {
                            return Some(bytes);
                        }
                    }
                }
            }
        });
        let time = started.elapsed();
        let bytes = bytes.ok_or_else(|| Failure::new("the node ended before its last answer"))?;
        Ok((time, bytes))
    }

    /// Writes `input` and reads that many lines.
    fn exchange(&mut self, input: &[u8], replies: usize) -> Result<(Duration, usize), Failure> {
        let mut lines = 0;
        self.exchange_until(input, |piece| {
            lines += piece.iter().filter(|&&byte| byte == b'\n').count();
            lines >= replies
        })
    }

    /// The most memory it ever had, in KiB; `None` where the system does not say.
    fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

fn line(out: &mut Vec<u8>, src: &str, kind: &'static str, fields: impl FnOnce(&mut Object<'_>)) {
    message::write(out, src, "n1", |body| {
        body.word("type", kind);
        fields(body);
    });
}

fn init(nodes: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    line(&mut out, "c0", "init", |body| {
        body.int("msg_id", 1);
        body.text("node_id", "n1");
        body.list("node_ids", nodes, |id, out| encode_str(id, out));
    });
    out
}

fn broadcasts(values: impl Iterator<Item = i64>) -> Vec<u8> {
    let mut out = Vec::new();
    for (value, id) in values.zip(2..) {
        line(&mut out, "c0", "broadcast", |body| {
            body.int("msg_id", id);
            body.int("message", value);
        });
    }
    out
}

fn reads(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for id in 0..count as i64 {
        line(&mut out, "c0", "read", |body| body.int("msg_id", id));
    }
    out
}

/// Deltas of n0, whose leaf n1 is, and an echo at the end, whose answer tells that
/// all of them were handled.
fn deltas() -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..DELTAS {
        let offset = (number * DELTA_VALUES) as u64;
        let segment = Segment {
            una: offset,
            offset,
            items: (offset as i64..).take(DELTA_VALUES).collect(),
            epoch: 1,
            peer: 0,
            ack: 0,
            ts: None,
            echo: None,
            held: 0,
            waited: 0,
            next: None,
            digest: false,
            end: None,
            need: 0,
            missing: Vec::new(),
            probe: false,
        };
        message::write(&mut out, "n0", "n1", |body| segment.write(body));
    }
    line(&mut out, "c0", "echo", |body| {
        body.int("msg_id", 2);
        body.value("echo", &Json::Null);
    });
    out
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// How many of `count` requests a new node answers in a second, after so many `first`
/// ones.
fn rate(
    (program, journal): (&Path, Option<&Path>),
    (first, first_count): (&[u8], usize),
    (requests, count): (&[u8], usize),
) -> Result<f64, Failure> {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let mut node = Node::start_with(program, journal)?;
        node.exchange(first, first_count)?;
        let (time, _) = node.exchange(requests, count)?;
        rates.push(count as f64 / time.as_secs_f64());
    }
    Ok(median(rates))
}

/// Bytes a second that `work`, which handles `bytes` of them, gets through.
fn throughput(bytes: usize, mut work: impl FnMut()) -> f64 {
    let figures = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        work();
        bytes as f64 / started.elapsed().as_secs_f64()
    });
    median(figures.collect())
}

/// Lines that are as bad as they can be for a parser, `size` bytes of each.
fn hostile(size: usize) -> [(&'static str, Vec<u8>); 6] {
    let fill = |open: &str, piece: &str, close: &str| {
        let count = (size - open.len() - close.len()) / piece.len();
        (open.to_owned() + &piece.repeat(count) + close).into_bytes()
    };
    [
        ("one long string", fill("\"", "a", "\"")),
        ("all escapes", fill("\"", "\\u00e9", "\"")),
        ("one long number", fill("", "1", "")),
        ("many numbers", fill("[", "0,", "0]")),
        ("many small arrays", fill("[", "[0],", "0]")),
        ("nothing but brackets", fill("", "[", "")),
    ]
}

/// Measures everything and gives the report.
///
/// # Errors
///
/// [`Failure`] if a node cannot be started or does not answer.
pub fn main() -> Result<String, Failure> {
    let program = &super::own_program()?;
    let parts = [
        requests_a_second(program)?,
        bytes_a_second(),
        hostile_lines(),
        memory(program)?,
    ];
    Ok(parts.concat())
}

fn row(name: &str, figure: String) -> String {
    format!("{name:<46}{figure:>16}\n")
}

fn megabytes(rate: f64) -> String {
    format!("{:.0} MB/s", rate / 1e6)
}

/// What a whole node gets through.
fn requests_a_second(program: &Path) -> Result<String, Failure> {
    let per_second = |rate: f64| format!("{:.2} M/s", rate / 1e6);
    let mut text = String::new();
    let alone = init(&["n1"]);
    let requests = broadcasts(0..REQUESTS as i64);
    let folder = Path::new(JOURNAL);
    for (name, journal) in [
        ("broadcasts read, kept and answered", None),
        ("the same with a journal", Some(folder)),
    ] {
        let node = (program, journal);
        let broadcast_rate = rate(node, (&alone, 1), (&requests, REQUESTS))?;
        text += &row(name, per_second(broadcast_rate));
    }

    let mut first = alone;
    first.extend(broadcasts(0..READ_VALUES));
    for (name, journal) in [("", None), (", with a journal", Some(folder))] {
        let node = (program, journal);
        let first = (&first[..], 1 + READ_VALUES as usize);
        let read_rate = rate(node, first, (&reads(READS), READS))?;
        text += &row(
            &format!("reads of {READ_VALUES} values{name}"),
            format!("{:.0} k/s", read_rate / 1e3),
        );
    }
    let _ = std::fs::remove_dir_all(folder);

    let deltas = deltas();
    let mut delta_rates = Vec::new();
    for _ in 0..ROUNDS {
        let mut node = Node::start(program)?;
        node.exchange(&init(&["n0", "n1"]), 1)?;
        // Acks of full batches come in between.
        let mut said = Vec::new();
        let (time, _) = node.exchange_until(&deltas, |piece| {
            said.extend_from_slice(piece);
            said.windows(7).any(|part| part == b"echo_ok")
        })?;
        delta_rates.push(DELTAS as f64 / time.as_secs_f64());
    }
    text += &row(
        &format!("deltas of {DELTA_VALUES} values"),
        per_second(median(delta_rates)),
    );

    Ok(text)
}

/// What the parser and the writer get through.
fn bytes_a_second() -> String {
    let mut text = String::new();
    let requests = broadcasts(0..100_000);
    let lines: Vec<&[u8]> = requests
        .trim_ascii_end()
        .split(|&byte| byte == b'\n')
        .collect();
    let bytes = lines.iter().map(|line| line.len()).sum();
    let decode = throughput(bytes, || {
        for line in &lines {
            let json = Json::parse(line);
            std::hint::black_box(json.is_ok_and(|json| Message::read(&json).is_ok()));
        }
    });
    text += &row("decoding broadcasts", megabytes(decode));
    let messages: IntervalSet = (0..1_000_000).collect();
    let read_ok = |out: &mut Vec<u8>| {
        line(out, "c0", "read_ok", |body| {
            messages.encode(body.field("messages"))
        });
    };
    let mut wire = Vec::new();
    read_ok(&mut wire);
    let parse = throughput(wire.len(), || {
        std::hint::black_box(Json::parse(&wire).is_ok());
    });
    text += &row("parsing a read of a million values", megabytes(parse));
    let size = wire.len();
    let encode = throughput(size, || {
        wire.clear();
        read_ok(&mut wire);
        std::hint::black_box(&wire);
    });
    text += &row("encoding a read of a million values", megabytes(encode));

    let mut rng = Rng::new(1, "sparse values");
    let sparse: IntervalSet = (0..SPARSE_VALUES)
        .map(|_| rng.below(10_000_000_000) as i64)
        .collect();
    wire.clear();
    sparse.encode(&mut wire);
    let encode = throughput(wire.len(), || {
        wire.clear();
        sparse.encode(&mut wire);
        std::hint::black_box(&wire);
    });
    text += &row(
        "encoding a read of 300 000 sparse values",
        megabytes(encode),
    );

    text
}

/// How long the longest lines keep the parser, and whether longer ones are slower.
fn hostile_lines() -> String {
    let mut text = String::new();
    let (small, large) = (hostile(1 << 20), hostile(stdio::MAX_LINE));
    for ((name, small), (_, large)) in small.iter().zip(&large) {
        let time = |line: &[u8]| {
            1.0 / throughput(line.len(), || {
                std::hint::black_box(Json::parse(line).is_ok());
            })
        };
        let (small, per_byte) = (time(small), time(large));
        let ms = per_byte * large.len() as f64 * 1e3;
        // A parser that is quadratic somewhere would be 16 times slower a byte.
        let ratio = per_byte / small;
        text += &row(
            &format!("16 MiB, {name}"),
            format!("{ms:.1} ms, x{ratio:.1}"),
        );
    }

    text
}

/// How much memory a node needs for many values.
fn memory(program: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let alone = init(&["n1"]);
    let million: Vec<u8> = [alone.clone(), broadcasts(0..1_000_000)].concat();
    let sparse: Vec<u8> = [alone, broadcasts((0..1_000_000).map(|value| value * 1000))].concat();
    let shown = |kib: Option<u64>| kib.map_or("-".into(), |kib| format!("{kib} KiB"));
    for (name, input) in [("dense", million), ("sparse", sparse)] {
        let mut node = Node::start(program)?;
        node.exchange(&input, 1_000_001)?;
        text += &row(
            &format!("peak memory, a million {name} values"),
            shown(node.peak_memory()),
        );
        let (_, reply) = node.exchange(&reads(1), 1)?;
        let reply = reply as u64 / 1024;
        let without = node.peak_memory().map(|kib| kib.saturating_sub(reply));
        text += &row(
            &format!("with one read of them, without the {reply} KiB reply"),
            shown(without),
        );
    }
    Ok(text)
}
