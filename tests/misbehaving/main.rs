//! Can the judge be fooled? Nodes that misbehave, each in a way of its own, and
//! for each the verdict that it must get and the words that must say why.
//!
//! This program has two lives. Called by cargo it goes through the cases. The testbed calls it
//! with `--bin`, as `misbehaving node MODE WHERE WORKLOAD`. Then it is such a node (`node.rs`),
//! or one that asks Maelstrom's services, as published solutions do (`solutions.rs`; their WHERE
//! is `services`). So it needs no interpreter and no program beside it.

mod node;
mod solutions;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
/// How many cases run at once. Most of them wait most of the time.
const AT_ONCE: usize = 24;

/// The case that begins first: those from here on wait for clients' timeouts.
const LONG: &str = "Maelstrom: answers null";

/// How often a case is tried whose latency is judged, until the machine lets it be judged.
const TRIES: usize = 5;

/// A node that misbehaves, and what must come of it.
struct Case {
    /// What it does.
    name: &'static str,
    /// The same for `node.rs`: how, and at which node.
    mode: &'static str,
    at: &'static str,
    /// The testbed's command and further options.
    run: &'static str,
    passes: bool,
    /// What the testbed must say, in one line.
    says: &'static str,
}

const fn case(
    name: &'static str,
    [mode, at, run]: [&'static str; 3],
    passes: bool,
    says: &'static str,
) -> Case {
    Case {
        name,
        mode,
        at,
        run,
        passes,
        says,
    }
}

const PASS: bool = true;
const FAIL: bool = false;

/// 25 nodes, as many values as it takes for some to end in 07, and partitions.
const LOSES_E: &str = "efficient --node-count 25 --time-limit 2 --rate 200 --quiet 1";
const LOSES_P: &str =
    "partition --node-count 25 --time-limit 2 --rate 200 --quiet 2 --nemesis-interval 0.4";
/// The challenges' own latency, so that their limits are judged. Such cases run alone:
/// the others keep the machine busy, and then latency is not judged.
const SLOW: &str = "efficient --time-limit 3 --latency 100 --quiet 1";

/// Challenges 4 and 5b, shorter. Those that refresh what they show need some quiet.
const COUNTER: &str = "workload g-counter --node-count 3 --rate 100 --latency 0 --time-limit 3 \
                       --quiet 3 --nemesis partition --nemesis-interval 0.5";
const LOG: &str = "workload kafka --node-count 2 --concurrency 2n --rate 1000 --latency 0 \
                   --time-limit 2";

/// Transactions enough for some to write twice.
const TXN: &str = "workload txn-rw-register --rate 400";

const CASES: &[Case] = &[
    case(
        "does nothing wrong",
        ["honest", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "loses at the hub",
        ["loses", "n0", LOSES_E],
        FAIL,
        " lacks ",
    ),
    case("loses at n3", ["loses", "n3", LOSES_E], FAIL, "n3 lacks "),
    case(
        "loses at n24",
        ["loses", "n24", LOSES_E],
        FAIL,
        "n24 lacks ",
    ),
    case(
        "loses at the hub",
        ["loses", "n0", LOSES_P],
        FAIL,
        " lacks ",
    ),
    case("loses at n3", ["loses", "n3", LOSES_P], FAIL, "n3 lacks "),
    case(
        "loses at n24",
        ["loses", "n24", LOSES_P],
        FAIL,
        "n24 lacks ",
    ),
    case(
        "forgets at n3",
        ["forgets", "n3", "partition"],
        FAIL,
        "n3 lacks 1 value that was known: 7",
    ),
    case(
        "shows a value twice",
        ["twice", "n1", "partition"],
        FAIL,
        "a read at n1 shows 0 twice",
    ),
    case(
        "shows a stray value",
        ["strays", "n1", "partition"],
        FAIL,
        "a read at n1 shows 1000000, which nobody sent",
    ),
    case(
        "sits on what it passes on, and keeps the machine busy",
        ["hides", "all", SLOW],
        FAIL,
        "; 3d not met, 3e not met",
    ),
    case(
        "Maelstrom: answers null",
        ["null-reply", "n1", "partition"],
        PASS,
        "stricter than Maelstrom: n1 told c1 ",
    ),
    case(
        "never answers",
        ["silent", "all", "partition"],
        FAIL,
        "problem: no broadcast succeeded, of ",
    ),
    case(
        "never answers at n2",
        ["silent", "n2", "partition"],
        FAIL,
        "n2 did not answer its final read within 5 s",
    ),
    case(
        "answers all too late",
        ["all-late", "all", "efficient"],
        FAIL,
        "problem: no read succeeded, of ",
    ),
    case(
        "answers broadcasts too late at n1",
        ["late", "n1", "partition"],
        PASS,
        "PASS: valid",
    ),
    case(
        "answers broadcasts too late at n1",
        ["late", "n1", "efficient"],
        FAIL,
        "of the operations succeeded, and efficient demands 100 %",
    ),
    case(
        "a wrong in_reply_to",
        ["wrong-reply", "n1", "efficient"],
        FAIL,
        "n1 answered with in_reply_to 100",
    ),
    case(
        "an in_reply_to that is no integer",
        ["text-reply", "n1", "efficient"],
        FAIL,
        "which is no integer",
    ),
    case(
        "answers a broadcast with something else",
        ["wrong-type", "n1", "partition"],
        FAIL,
        "where broadcast_ok was expected",
    ),
    case(
        "answers a read without a list",
        ["no-list", "n1", "partition"],
        FAIL,
        "answered a read without a list of integers",
    ),
    case(
        "refuses every third broadcast",
        ["refuses-some", "all", "partition"],
        PASS,
        "PASS: valid",
    ),
    case(
        "refuses every third broadcast",
        ["refuses-some", "all", "efficient"],
        FAIL,
        "FAIL: valid; ",
    ),
    case(
        "refuses all broadcasts",
        ["refuses-all", "all", "partition"],
        FAIL,
        "problem: no broadcast succeeded, of ",
    ),
    case(
        "refuses broadcasts and keeps them",
        ["refuses-but-keeps", "all", "partition"],
        FAIL,
        "though its broadcast was refused with the definite error 11",
    ),
    case(
        "is unsure about broadcasts and keeps them",
        ["unsure", "all", "partition"],
        PASS,
        "PASS: valid",
    ),
    case(
        "refuses its final read",
        ["refuses-final-reads", "n1", "partition"],
        FAIL,
        "n1 answered its final read with",
    ),
    case(
        "dies",
        ["dies", "n1", "partition"],
        FAIL,
        "n1 died; exit status: 3",
    ),
    case(
        "exits with 1 at the end of its input",
        ["exits-with-1", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "closes its stdout",
        ["closes-stdout", "n1", "partition"],
        FAIL,
        "n1 closed its stdout; it still runs",
    ),
    case(
        "floods its neighbour",
        ["floods", "n1", "partition --latency 20000"],
        FAIL,
        "n1 sent too much: more than 268435456 bytes are under way",
    ),
    case(
        "floods its stderr",
        ["log-flood", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "writes a line without an end",
        ["endless-line", "n1", "partition"],
        FAIL,
        "n1 wrote a malformed line: more than 16777216 bytes",
    ),
    case(
        "stops in the middle of a line",
        ["half-a-line", "n1", "partition"],
        FAIL,
        "n1 did not answer its final read within 5 s; it wrote 12 bytes without a line break: ",
    ),
    case(
        "writes garbage",
        ["garbage", "n1", "partition"],
        FAIL,
        "n1 wrote a malformed line: not JSON at byte 0",
    ),
    case(
        "speaks in another's name",
        ["impostor", "n1", "partition"],
        FAIL,
        "n1 wrote a malformed line: src must be its own name",
    ),
    case(
        "refuses the unknown type stats",
        ["stats-refused", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "answers stats with garbage",
        ["stats-garbage", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "dies of stats",
        ["stats-death", "n3", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "does not answer stats",
        ["stats-silence", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "does nothing wrong",
        ["honest", "all", "workload g-counter"],
        PASS,
        "PASS: valid",
    ),
    case(
        "counts by cas on one key of seq-kv",
        ["one-key", "services", COUNTER],
        PASS,
        "PASS: valid",
    ),
    case(
        "counts in a key a node of seq-kv",
        ["key-a-node", "services", COUNTER],
        PASS,
        "PASS: valid",
    ),
    case(
        "counts by cas, and writes before it reads",
        ["barrier", "services", COUNTER],
        PASS,
        "PASS: valid",
    ),
    case(
        "takes a cas that failed for one that succeeded",
        ["careless", "services", COUNTER],
        FAIL,
        "'s final read shows ",
    ),
    case(
        "asks a service that does not exist",
        ["big-kv", "services", COUNTER],
        FAIL,
        "dest is no node, no client and no service (lin-kv, seq-kv, lww-kv, lin-tso)",
    ),
    case(
        "keeps a log's entries one by one in lin-kv",
        ["log-entries", "services", LOG],
        PASS,
        "PASS: valid",
    ),
    case(
        "keeps a log as one value in lin-kv",
        ["log-value", "services", LOG],
        PASS,
        "PASS: valid",
    ),
    case(
        "shows an old sum",
        ["stale", "n1", "workload g-counter"],
        FAIL,
        "n1's final read shows ",
    ),
    case(
        "does nothing wrong",
        ["honest", "all", "workload pn-counter"],
        PASS,
        "PASS: valid",
    ),
    case(
        "counts additions twice",
        ["counts-twice", "n1", "workload pn-counter"],
        FAIL,
        "n0's final read shows ",
    ),
    case(
        "does nothing wrong",
        ["honest", "all", "workload unique-ids"],
        PASS,
        "PASS: valid",
    ),
    case(
        "gives an id again",
        ["reuses", "n1", "workload unique-ids"],
        FAIL,
        "n1 gave the id ",
    ),
    case(
        "does nothing wrong",
        ["honest", "all", "workload kafka"],
        PASS,
        "PASS: valid",
    ),
    case(
        "loses a message",
        ["loses-7", "n1", "workload kafka"],
        FAIL,
        "n1 lacks 1 message that was known: 7",
    ),
    case(
        "loses a message everywhere",
        ["loses-7", "all", "workload kafka --rate 400"],
        FAIL,
        "message 7 is lost: acknowledged at offset ",
    ),
    case(
        "skips a message in the middle",
        ["loses-7", "n1", "workload kafka"],
        FAIL,
        ", message 7, and shows ",
    ),
    case(
        "appends messages twice",
        ["appends-twice", "n1", "workload kafka"],
        FAIL,
        " is twice in key ",
    ),
    case(
        "shows a log backwards",
        ["backwards", "n1", "workload kafka"],
        FAIL,
        "a poll at n1 shows offset ",
    ),
    case(
        "forgets committed offsets",
        ["uncommits", "n1", "workload kafka"],
        FAIL,
        "as committed, and had acknowledged or listed ",
    ),
    case(
        "does nothing wrong",
        ["honest", "all", "workload txn-rw-register"],
        PASS,
        "PASS: valid",
    ),
    case(
        "shows half a transaction",
        ["tears", "all", TXN],
        FAIL,
        " is torn: it shows T",
    ),
    case(
        "shows an intermediate value",
        ["intermediate", "n1", TXN],
        FAIL,
        " before it ended (G1b)",
    ),
    case(
        "Maelstrom: shows a value twice",
        ["twice", "n1", "partition"],
        PASS,
        "stricter than Maelstrom: a read at n1 shows 0 twice",
    ),
    case(
        "Maelstrom: shows a stray value",
        ["strays", "n1", "partition"],
        PASS,
        "stricter than Maelstrom: a read at n1 shows 1000000, which nobody sent",
    ),
    case(
        "Maelstrom: tears a transaction",
        [
            "tears",
            "all",
            "workload txn-rw-register --rate 400 --time-limit 3",
        ],
        PASS,
        "stricter than Maelstrom: T",
    ),
    case(
        "Maelstrom: shows an intermediate value",
        ["intermediate", "n1", TXN],
        FAIL,
        " before it ended (G1b)",
    ),
    case(
        "Maelstrom: forgets committed offsets",
        ["uncommits", "n1", "workload kafka --rate 400"],
        PASS,
        "stricter than Maelstrom: n1 lists nothing of key",
    ),
    case(
        "Maelstrom: forgets a value",
        ["forgets", "n3", "partition"],
        FAIL,
        "Maelstrom may let the loss pass by luck",
    ),
    case(
        "Maelstrom: leaves the message in each broadcast_ok",
        ["keeps-message", "all", "efficient"],
        FAIL,
        "problem: no broadcast succeeded, of ",
    ),
    case(
        "Maelstrom: leaves the message in each broadcast_ok",
        ["keeps-message", "all", "efficient"],
        FAIL,
        " sent a broadcast_ok with the field message, which it must not have (disallowed-key)",
    ),
    case(
        "Maelstrom: leaves the message in one broadcast_ok",
        ["keeps-message-once", "n1", "partition"],
        PASS,
        "stricter than Maelstrom: n1 sent a broadcast_ok with the field message",
    ),
    case(
        "Maelstrom: numbers its replies with text",
        ["text-msg-id", "all", "efficient"],
        FAIL,
        r#" sent a broadcast_ok whose msg_id, "1", is no integer"#,
    ),
    case(
        "Maelstrom: has null for an empty list",
        ["null-list", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "has null for an empty list",
        ["null-list", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "Maelstrom: shows no list",
        ["no-list", "all", "efficient"],
        FAIL,
        "problem: no read succeeded, of ",
    ),
    case(
        "Maelstrom: has null for no entries",
        ["null-entries", "all", "workload kafka"],
        PASS,
        "PASS: valid",
    ),
    case(
        "Maelstrom: has null for all logs",
        ["null-msgs", "all", "workload kafka"],
        FAIL,
        "problem: no poll succeeded, of ",
    ),
    case(
        "Maelstrom: says more in its init_ok",
        ["more-in-init", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "Maelstrom: says more in its topology_ok",
        ["more-in-topology", "n1", "efficient"],
        FAIL,
        "n1 sent a topology_ok with the field version, which it must not have",
    ),
    case(
        "Maelstrom: has another key in the envelope",
        ["envelope", "n1", "efficient"],
        FAIL,
        "it has the key time, and a message has id, src, dest, body",
    ),
    case(
        "Maelstrom: has null for the envelope's id",
        ["null-id", "n1", "efficient"],
        FAIL,
        "id must be an integer, or not there",
    ),
    case(
        "Maelstrom: has an id in the envelope",
        ["own-id", "all", "efficient"],
        PASS,
        "PASS: valid",
    ),
    case(
        "Maelstrom: writes a blank line",
        ["blank", "n1", "efficient"],
        FAIL,
        "n1 wrote a malformed line: it is blank, and each line must be a message",
    ),
];

/// What a case's name begins with that Maelstrom's rules alone judge.
const LENIENT: &str = "Maelstrom: ";

/// What every case runs with; what a case says itself comes later and counts.
const SMALL: &str = "--node-count 5 --time-limit 1 --latency 2 --quiet 1";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, mode, at, workload] = args.as_slice()
        && command == "node"
    {
        return match at.as_str() {
            "services" => solutions::main(mode),
            _ => node::main(mode, at, workload),
        };
    }
    if args.iter().any(|arg| arg == "--ignored") {
        return;
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let chosen: Vec<usize> = (0..CASES.len())
        .filter(|&index| {
            filters.is_empty() || filters.iter().any(|part| name(index).contains(*part))
        })
        .collect();
    if args.iter().any(|arg| arg == "--list") {
        for index in chosen {
            println!("{}: test", name(index));
        }
        return;
    }
    let results = run_all(&chosen);
    let failed = results.iter().filter(|(_, right)| !right).count();
    for (text, _) in &results {
        println!("{text}");
    }
    println!(
        "misbehaving nodes: {} passed, {failed} failed",
        results.len() - failed
    );
    std::process::exit(i32::from(failed > 0));
}

fn name(index: usize) -> String {
    let case = &CASES[index];
    let (job, _) = words(case);
    format!("{} ({job})", case.name)
}

/// What a case calls the testbed for, and the workload.
fn words(case: &Case) -> (&str, &str) {
    let mut words = case.run.split(' ');
    match (words.next(), words.next()) {
        (Some("workload"), Some(workload)) => (workload, workload),
        (job, _) => (job.unwrap_or_default(), "broadcast"),
    }
}

/// Runs the cases; gives for each, in their order, a line and whether it went as
/// it must.
fn run_all(chosen: &[usize]) -> Vec<(String, bool)> {
    let first = CASES.iter().position(|case| case.name == LONG).unwrap_or(0);
    let is_judged = |index: &&usize| CASES[**index].run == SLOW;
    let (alone, chosen): (Vec<usize>, Vec<usize>) = chosen.iter().partition(is_judged);
    let alone = alone.into_iter().map(|index| (index, run_alone(index)));
    let (next, results) = (AtomicUsize::new(0), Mutex::new(alone.collect::<Vec<_>>()));
    let (early, late): (Vec<usize>, Vec<usize>) = chosen.iter().partition(|&&index| index >= first);
    let chosen = [early, late].concat();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&index) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run(index);
                    results.lock().expect("no panic").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panic");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs a case whose latency is judged, again if it was not: a machine may be busy.
fn run_alone(index: usize) -> (String, bool) {
    for _ in 1..TRIES {
        let result = run(index);
        if result.1 || !result.0.contains("not judged") {
            return result;
        }
    }
    run(index)
}

/// Runs a case; gives the line about it.
fn run(index: usize) -> (String, bool) {
    let case = &CASES[index];
    let (passed, output) = run_real(index, case);
    let says = case.says;
    let verdict = if passed { "PASS" } else { "FAIL" };
    let line = output.lines().find(|line| line.contains(says));
    let right = passed == case.passes && line.is_some();
    let mark = if right { "ok   " } else { "WRONG" };
    let mut text = format!(
        "{mark} {}: {verdict}, {}",
        name(index),
        line.unwrap_or("without the words")
    );
    if !right {
        text += &format!("\nexpected '{says}' in:\n{output}");
    }
    (text, right)
}

/// A folder of its own for a run.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("misbehaving")
        .join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Real processes; gives whether the testbed lets them pass, and what it says.
fn run_real(index: usize, case: &Case) -> (bool, String) {
    let (job, options) = case.run.split_once(' ').unwrap_or((case.run, ""));
    let options: Vec<&str> = options.split_whitespace().collect();
    // The workload's name comes first.
    let name = usize::from(job == "workload");
    let folder = folder(&index.to_string());
    let output = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg(job)
        .args(&options[..name])
        .args(SMALL.split(' '))
        .args(&options[name..])
        .args((!case.name.starts_with(LENIENT)).then_some("--strict"))
        .arg("--bin")
        .arg(std::env::current_exe().expect("our own path"))
        .args(["--", "node", case.mode, case.at, words(case).1])
        .current_dir(&folder)
        .env_remove("MAELSTROM")
        .stdin(Stdio::null())
        .output()
        .expect("the testbed starts");
    // A flood leaves hundreds of megabytes.
    let _ = std::fs::remove_dir_all(&folder);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text)
}
