//! Does the torture bite? Each mutant is the protocol with one mistake, and each
//! must be caught.
//!
//! A mutant is a patch to a copy of the sources, so nothing of it is in what is
//! shipped. That every patch still has its place is checked with the other tests;
//! building and hunting all of them takes minutes and is a command of its own:
//! `./run.sh mutants`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The most torture runs that a mutant may survive.
const RUNS: u32 = 2000;

struct Mutant {
    mistake: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
}

/// The torture cannot see these: they cost time or messages, or they show where a disk has
/// damage that no crash makes. The library's own tests must catch them.
const COSTLY_MUTANTS: &[Mutant] = &[
    Mutant {
        mistake: "the ack's delay is taken for the network's",
        file: "src/link/loss.rs",
        right: "let held = Duration::from_millis(segment.held);",
        wrong: "let held = Duration::ZERO;",
    },
    Mutant {
        mistake: "the round trip is never updated",
        file: "src/link/round_trip.rs",
        right: "self.smoothed = self.smoothed * 7 / 8 + time / 8;",
        wrong: "",
    },
    Mutant {
        mistake: "the echo of a former life is believed",
        file: "src/link.rs",
        right: "if for_us && !news.restarted {",
        wrong: "self.measure(now, segment);\n        if for_us && !news.restarted {",
    },
    Mutant {
        mistake: "the timestamp of a former life is sent back to the next one",
        file: "src/link/anti_entropy.rs",
        right: "(self.arrived_at, self.echo, self.unreported) = (None, None, 0);",
        wrong: "self.unreported = 0;",
    },
    Mutant {
        mistake: "a timestamp is sent back again and again",
        file: "src/link.rs",
        right: "echo: self.echo.take(),",
        wrong: "echo: self.echo,",
    },
    Mutant {
        mistake: "what is sent again has no timestamp",
        file: "src/link.rs",
        right: "ts: (count > 0).then(",
        wrong: "ts: (count > 0 && !self.is_suspect()).then(",
    },
    Mutant {
        mistake: "a raised epoch is not recorded",
        file: "src/node.rs",
        right: "journal::write_epoch(&mut self.records, epoch);\n        }\n        self.events",
        wrong: "}\n        self.events",
    },
    Mutant {
        mistake: "a digest's promise that was not kept is forgotten",
        file: "src/link/anti_entropy.rs",
        right: "let awaited = self.level.is_some() && !self.is_level();",
        wrong: "let awaited = false;",
    },
    Mutant {
        mistake: "a greeting holds the news back",
        file: "src/link/anti_entropy.rs",
        right: "self.greeting = true;",
        wrong: "",
    },
    Mutant {
        mistake: "the first item of all waits with the others",
        file: "src/gossip/departures.rs",
        right: "self.neighbours[child].link.elicit_ack();",
        wrong: "",
    },
    Mutant {
        mistake: "a batch departs as if nothing had been measured meanwhile",
        file: "src/gossip/timetable.rs",
        right: "self.due = began.map(|began| began + self.lazy_period());",
        wrong: "",
    },
    Mutant {
        mistake: "what has missed a departure waits for the next one",
        file: "src/gossip/timetable.rs",
        right: "self.by(now + margin(self.within, network.strays));",
        wrong: "",
    },
    Mutant {
        mistake: "who cannot know the slots yet counts as too late",
        file: "src/gossip/timetable.rs",
        right: "told + network.longest + MARGIN <= self.departed",
        wrong: "told <= self.departed",
    },
    Mutant {
        mistake: "what a sync covered is cut off like a torn end",
        file: "src/journal.rs",
        right: "if let Some(at) = mark_at_the_end(&self.tail, self.end) {",
        wrong: "if let Some(at) = None::<u64> {",
    },
    Mutant {
        mistake: "a mark is believed wherever it stands",
        file: "src/journal.rs",
        right: "(tail[start..] == mark(at)).then_some(at)",
        wrong: "Some(at)",
    },
    Mutant {
        mistake: "the end of a damaged short form is cut off",
        file: "src/journal.rs",
        right: "self.version == VERSION && self.found.short > self.marked",
        wrong: "self.version > VERSION && self.found.short > self.marked",
    },
    Mutant {
        mistake: "a rewriting without room is tried again every turn",
        file: "src/journal.rs",
        right: "self.limit = self.length.saturating_mul(2);",
        wrong: "",
    },
];

const MUTANTS: &[Mutant] = &[
    Mutant {
        mistake: "a counter adds what it should join",
        file: "src/workload/counter.rs",
        right: "item.up.max(known.0)",
        wrong: "item.up + known.0",
    },
    Mutant {
        mistake: "a message that has its place gets another one",
        file: "src/workload/log.rs",
        right: "placed.is_some_and(|placed| placed.contains(*count as i64))",
        wrong: "placed.is_some_and(|placed| placed.contains(*count as i64) && false)",
    },
    Mutant {
        mistake: "of two writers at one time the one heard last wins",
        file: "src/workload/txn.rs",
        right: "last.is_some_and(|last| last >= item.stamp)",
        wrong: "last.is_some_and(|last| last[0] > item.stamp[0] || last == item.stamp)",
    },
    Mutant {
        mistake: "half of a transaction is kept",
        file: "src/workload/txn.rs",
        right: "(item.writes.clone(), wins)",
        wrong: "(item.writes.clone().into_iter().take(wins).collect(), wins)",
    },
    Mutant {
        mistake: "the journal does not hear of the ids that were given",
        file: "src/workload/unique_ids.rs",
        right: "effects.spread(Mark(self.mark));",
        wrong: "",
    },
    Mutant {
        mistake: "an ack counts one too far",
        file: "src/link.rs",
        right: "ack: self.received(),",
        wrong: "ack: self.received() + 1,",
    },
    Mutant {
        mistake: "no retransmission",
        file: "src/link.rs",
        right: "self.timeouts = self.timeouts.saturating_add(1);\n            self.probe_due = true;",
        wrong: "self.timeouts = self.timeouts.saturating_add(1);",
    },
    Mutant {
        mistake: "a hole is taken for received",
        file: "src/link/incoming.rs",
        right: "self.holes.push(Hole { start, end, due });",
        wrong: "let _ = (start, due);",
    },
    Mutant {
        mistake: "a lost flight is not sent again",
        file: "src/link/loss.rs",
        right: "flight.lost |= overdue || missing;",
        wrong: "let _ = (overdue, missing);",
    },
    Mutant {
        mistake: "values from a neighbour go to no other",
        file: "src/gossip.rs",
        right: "if Some(index) == from || !its_way || !neighbour.link.push(item.clone()) {",
        wrong: "if from.is_some() || !neighbour.link.push(item.clone()) {",
    },
    Mutant {
        mistake: "a delta counts as received, but one value is not merged",
        file: "src/node.rs",
        right: "for item in &segment.items {",
        wrong: "for item in segment.items.iter().skip(1) {",
    },
    Mutant {
        mistake: "backoff without end",
        file: "src/link/loss.rs",
        right: "let interval = doubled.min(self.cap());",
        wrong: "let interval = doubled.max(self.cap());",
    },
    Mutant {
        mistake: "good news is ignored",
        file: "src/gossip.rs",
        right: "if news.healthy {",
        wrong: "if news.healthy && false {",
    },
    Mutant {
        mistake: "the interval set forgets what is above a value that comes again",
        file: "src/interval_set.rs",
        right: "*to = last.max(*to);",
        wrong: "*to = last;",
    },
    Mutant {
        mistake: "no flow control",
        file: "src/link.rs",
        right: "let count = self.released.saturating_sub(self.nxt).min(room);",
        wrong: "let count = self.released.saturating_sub(self.nxt);\n            let _ = room;",
    },
    Mutant {
        mistake: "the timer stops with the first ack",
        file: "src/link/loss.rs",
        right: "self.retry_at = (self.nxt > self.una).then(|| now + self.timeout());",
        wrong: "self.retry_at = None;",
    },
    Mutant {
        mistake: "an ack takes one item too few off the queue",
        file: "src/link/loss.rs",
        right: "self.queue.drain(..(segment.ack - self.una) as usize);",
        wrong: "self.queue.drain(..(segment.ack - self.una) as usize - 1);",
    },
    Mutant {
        mistake: "what comes from the parent does not go down",
        file: "src/gossip.rs",
        right: "if let Some(child) = down {",
        wrong: "if let Some(child) = down.filter(|_| !from_parent) {",
    },
    Mutant {
        mistake: "leaves look for their hub at the wrong place",
        file: "src/tree.rs",
        right: "parent: Some((index - hubs) % hubs),",
        wrong: "parent: Some((index - hubs + 1) % hubs),",
    },
    Mutant {
        mistake: "a suspect neighbour is never healthy again",
        file: "src/link/loss.rs",
        right: "self.timeouts = 0;\n            self.probe_due = false;",
        wrong: "self.probe_due = false;",
    },
    Mutant {
        mistake: "no ack is sent alone",
        file: "src/link.rs",
        right: "self.ack_due.then(|| Frame::Segment(self.bare_ack(now)))\n    }",
        wrong: "None\n    }",
    },
    Mutant {
        mistake: "an old epoch is believed",
        file: "src/link.rs",
        right: "if epoch < peer {",
        wrong: "if false {",
    },
    Mutant {
        mistake: "who is named with a later epoch keeps its own",
        file: "src/link.rs",
        right: "(epoch < named && above <= MAX_EPOCH).then_some(above)",
        wrong: "(epoch < named && above <= MAX_EPOCH && false).then_some(above)",
    },
    Mutant {
        mistake: "two lives of a node may raise their epochs to the same one",
        file: "src/link.rs",
        right: "named.saturating_add(1 + epoch % TOLD_APART)",
        wrong: "named.saturating_add(1)",
    },
    Mutant {
        mistake: "a voice from the past gets no answer",
        file: "src/link.rs",
        right: "self.ack_due = true;\n            return Err(LinkError::FromThePast { epoch, peer });",
        wrong: "return Err(LinkError::FromThePast { epoch, peer });",
    },
    Mutant {
        mistake: "the links go on in the epoch that is over",
        file: "src/node.rs",
        right: "self.gossip.restart(now, epoch, false);",
        wrong: "",
    },
    Mutant {
        mistake: "a new epoch is ignored",
        file: "src/link/anti_entropy.rs",
        right: "let restarted = self.peer != 0 && epoch > self.peer;",
        wrong: "let restarted = false;",
    },
    Mutant {
        mistake: "news go ahead of any digest, not of a greeting's alone",
        file: "src/link.rs",
        right: "if self.greeting {\n            // A delta greets",
        wrong: "if self.asking {\n            // A delta greets",
    },
    Mutant {
        mistake: "a digest has a hole",
        file: "src/workload/broadcast.rs",
        right: "Ranges(self.values.ranges().take(MAX_RANGES).collect())",
        wrong: "Ranges(self.values.ranges().map(|(first, last)| (first, last.saturating_add(1))).step_by(2).collect())",
    },
    Mutant {
        mistake: "a hole is never named",
        file: "src/link/incoming.rs",
        right: "(hole.start, hole.end - 1)\n        });\n        named.collect()",
        wrong: "(hole.start, hole.end - 1)\n        });\n        named.take(0).collect()",
    },
    Mutant {
        mistake: "where a stream begins is not told",
        file: "src/link/anti_entropy.rs",
        right: "self.incoming.begin(sync.offset);",
        wrong: "self.incoming.begin(0);",
    },
    Mutant {
        mistake: "an answer before the sync",
        file: "src/journal.rs",
        right: "self.disk.append(records)?;\n        self.disk.sync()?;",
        wrong: "self.disk.append(records)?;",
    },
    Mutant {
        mistake: "a torn line is taken for good",
        file: "src/journal.rs",
        right: "disk.truncate(found.length)?;",
        wrong: "",
    },
    Mutant {
        mistake: "an epoch is not counted up",
        file: "src/node.rs",
        right: "self.config.epoch.max(found.epoch + 1)",
        wrong: "self.config.epoch.max(found.epoch)",
    },
    Mutant {
        mistake: "a journal is rewritten in its place",
        file: "src/journal.rs",
        right: "self.disk.create()?;",
        wrong: "self.disk.truncate(0)?;",
    },
    Mutant {
        mistake: "a rewritten journal gets its name before it is stored",
        file: "src/journal.rs",
        right: "self.disk.append(&mark)?;\n        self.disk.sync()?;",
        wrong: "self.disk.append(&mark)?;",
    },
    Mutant {
        mistake: "the new name is not stored",
        file: "src/journal.rs",
        right: "self.disk.rename()?;\n                self.disk.sync_folder()?;",
        wrong: "self.disk.rename()?;",
    },
    Mutant {
        mistake: "a mark is written before the sync",
        file: "src/journal.rs",
        right: "self.disk.append(records)?;
        self.disk.sync()?;
        self.length += records.len() as u64;
        // It is not synced itself: that comes with the next records.
        let mark = mark(self.length);
        self.disk.append(&mark)?;",
        wrong: "self.disk.append(records)?;
        self.length += records.len() as u64;
        let mark = mark(self.length);
        self.disk.append(&mark)?;
        self.disk.sync()?;",
    },
    Mutant {
        mistake: "only a journal's last line may be torn",
        file: "src/journal.rs",
        right: "Some(damage) if !self.has_marks() => return Err(damage),",
        wrong: "Some(damage) if self.line > 0 => return Err(damage),",
    },
    Mutant {
        mistake: "a rewriting without room goes on in the new file",
        file: "src/journal.rs",
        right: "self.disk.discard();\n                self.limit",
        wrong: "self.limit",
    },
    Mutant {
        mistake: "what a crash left of a rewriting is not removed",
        file: "src/journal.rs",
        right: "disk.discard();\n        if found.torn",
        wrong: "if found.torn",
    },
    Mutant {
        mistake: "what comes from neighbours is not stored",
        file: "src/node.rs",
        right: "self.unsaved.push(item.clone());",
        wrong: "",
    },
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_mutant_has_its_place_in_the_sources() {
    for mutant in MUTANTS.iter().chain(COSTLY_MUTANTS) {
        let source = std::fs::read_to_string(root().join(mutant.file)).expect(mutant.file);
        let places = source.matches(mutant.right).count();
        assert_eq!(
            places, 1,
            "{}: {} in {}",
            mutant.mistake, mutant.right, mutant.file
        );
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder for the copy");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copied file");
        }
    }
}

/// Cargo in `folder`.
fn cargo(folder: &Path, command: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(command).current_dir(folder);
    cargo.args(["--offline", "--quiet", "--target-dir", "target"]);
    cargo
}

/// Builds the copy in `folder`.
fn build(folder: &Path) {
    let output = cargo(folder, &["build", "--bin", "testbed"]).output();
    let output = output.expect("cargo runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

/// The torture's report and whether it found nothing.
fn torture(folder: &Path, runs: u32) -> (String, bool) {
    // Cargo knows where a config file had it put what it built.
    let output = cargo(folder, &["run", "--bin", "testbed"])
        .args(["--", "torture", "--runs", &runs.to_string(), "--seed", "1"])
        .output()
        .expect("the testbed runs");
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.success(),
    )
}

/// Which of the library's tests fails first, if one does.
fn failing_test(folder: &Path) -> Option<String> {
    let output = cargo(folder, &["test", "--lib"]).output();
    let output = output.expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut failures = text.lines().skip_while(|line| *line != "failures:");
    let name = failures.find_map(|line| line.strip_prefix("---- "));
    (!output.status.success()).then(|| name.unwrap_or("it does not build").into())
}

/// What catches the mutant in the copy, in a few words; `None`: nothing does.
fn hunt(folder: &Path, costly: bool) -> Option<String> {
    if costly {
        return failing_test(folder).map(|name| format!("test {name}"));
    }
    build(folder);
    let (report, passed) = torture(folder, RUNS);
    // "FAIL: run 7 of 2000, seed 7: at 1.2 s: why"
    let first = report.lines().next().unwrap_or_default();
    let run = first.split_whitespace().nth(2).unwrap_or("?");
    let why = first.splitn(4, ": ").last().unwrap_or_default();
    let why: String = why.chars().take(60).collect();
    (!passed).then(|| format!("run {run:>4}  {why}"))
}

#[test]
#[ignore = "takes minutes: ./run.sh mutants"]
fn every_mutant_is_caught() {
    let folder = root().join("target/mutants");
    // Cargo.toml names a test, so the tests must be there, too.
    for part in ["src", "tests"] {
        let _ = std::fs::remove_dir_all(folder.join(part));
        copy(&root().join(part), &folder.join(part));
    }
    std::fs::copy(root().join("Cargo.toml"), folder.join("Cargo.toml")).expect("Cargo.toml");
    let mut escaped = Vec::new();
    let costly = COSTLY_MUTANTS.iter().map(|mutant| (mutant, true));
    let mutants = MUTANTS.iter().map(|mutant| (mutant, false)).chain(costly);
    for (mutant, costly) in mutants.clone() {
        let path = folder.join(mutant.file);
        let right = std::fs::read_to_string(&path).expect(mutant.file);
        std::fs::write(&path, right.replacen(mutant.right, mutant.wrong, 1)).expect(mutant.file);
        let started = Instant::now();
        let caught = hunt(&folder, costly);
        std::fs::write(&path, right).expect(mutant.file);
        if caught.is_none() {
            escaped.push(mutant.mistake);
        }
        let by = caught.unwrap_or("ESCAPED".into());
        println!("{:<55} {by}", mutant.mistake);
        assert!(
            started.elapsed().as_secs() < 600,
            "{}: a hunt without end",
            mutant.mistake
        );
    }
    let all = mutants.count();
    println!("{} of {all} mutants caught", all - escaped.len());
    assert!(escaped.is_empty(), "these escaped: {escaped:?}");
}
