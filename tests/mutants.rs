//! Do the tests bite? Each mutant is the protocol with one mistake, and each must be
//! caught: by the torture, by a test, or a mechanism that is switched off by either.
//!
//! A mutant is a patch to a copy of the sources. That every patch still has its place is
//! checked with the other tests. Building and hunting all of them takes minutes and is a
//! command of its own: `./run.sh mutants`. For those that have some words in their
//! names: `./run.sh mutants "good news"`.

mod patched;

use std::process::Command;
use std::time::Instant;

use patched::{Copy, MECHANISMS, Patch};

/// The most torture runs that a mutant may survive.
const RUNS: u32 = 2000;

/// The torture cannot see these, or not in every life. They cost time or messages, or they show
/// where a disk has damage that no crash makes, or only while a hub is away for long. The
/// library's own tests must catch them.
const COSTLY_MUTANTS: &[Patch] = &[
    Patch {
        mistake: "the round trip is never updated",
        file: "src/link/round_trip.rs",
        right: "self.smoothed = self.smoothed * 7 / 8 + time / 8;",
        wrong: "",
    },
    Patch {
        mistake: "the echo of a former life is believed",
        file: "src/link.rs",
        right: "if for_us && !news.restarted {",
        wrong: "self.measure(now, segment);\n        if for_us && !news.restarted {",
    },
    Patch {
        mistake: "the timestamp of a former life is sent back to the next one",
        file: "src/link/anti_entropy.rs",
        right: "(self.arrived_at, self.echo, self.unreported) = (None, None, 0);",
        wrong: "self.unreported = 0;",
    },
    Patch {
        mistake: "the timer runs on when nothing is awaited",
        file: "src/link/loss.rs",
        right: "self.retry_at = self.is_awaiting().then(|| now + self.timeout());",
        wrong: "self.retry_at = Some(now + self.timeout());",
    },
    Patch {
        mistake: "a timestamp is sent back again and again",
        file: "src/link.rs",
        right: "echo: self.echo.take(),",
        wrong: "echo: self.echo,",
    },
    Patch {
        mistake: "what is sent again has no timestamp",
        file: "src/link.rs",
        right: "ts: (count > 0).then(",
        wrong: "ts: (count > 0 && !self.is_suspect()).then(",
    },
    Patch {
        mistake: "a raised epoch is not recorded",
        file: "src/node.rs",
        right: "journal::write_epoch(&mut self.records, epoch);\n        }\n        self.events",
        wrong: "}\n        self.events",
    },
    Patch {
        mistake: "values go back to where they came from",
        file: "src/gossip.rs",
        right: "if Some(index) == from || !its_way",
        wrong: "if !its_way",
    },
    Patch {
        mistake: "a batch does not wait",
        file: "src/gossip/timetable.rs",
        right: "slot.unwrap_or(oldest + self.lazy_period(Duration::ZERO))",
        wrong: "slot.unwrap_or(oldest)",
    },
    Patch {
        mistake: "the timetable is not heard",
        file: "src/gossip/departures.rs",
        right: "segment.next.map(|(next, every)| (ms(next), ms(every)))",
        wrong: "segment.next.map(|(next, every)| (ms(next), ms(every))).filter(|_| false)",
    },
    Patch {
        mistake: "a sign of life is taken for good news",
        file: "src/link.rs",
        right: "if told || asks_anew || answered && self.question.is_none() {",
        wrong: "if true {",
    },
    Patch {
        mistake: "a greeting holds the news back",
        file: "src/link/anti_entropy.rs",
        right: "is_behind() {\n            (self.question, self.sync_due, self.level) = (Some(Question::HowFar)",
        wrong: "is_behind() {\n            (self.question, self.sync_due, self.level) = (Some(Question::What)",
    },
    Patch {
        mistake: "a batch departs as if nothing had been measured meanwhile",
        file: "src/gossip/timetable.rs",
        right: "self.network = network();",
        wrong: "drop(network());",
    },
    Patch {
        mistake: "what a sync covered is cut off like a torn end",
        file: "src/journal.rs",
        right: "if let Some(at) = mark_at_the_end(&self.tail, self.end) {",
        wrong: "if let Some(at) = None::<u64> {",
    },
    Patch {
        mistake: "a mark is believed wherever it stands",
        file: "src/journal.rs",
        right: "(tail[start..] == mark(at)).then_some(at)",
        wrong: "Some(at)",
    },
    Patch {
        mistake: "the end of a damaged short form is cut off",
        file: "src/journal.rs",
        right: "self.version == VERSION && self.found.short > self.marked",
        wrong: "self.version > VERSION && self.found.short > self.marked",
    },
    Patch {
        mistake: "a rewriting without room is tried again every turn",
        file: "src/journal.rs",
        right: "self.limit = self.length.saturating_mul(2);",
        wrong: "",
    },
    Patch {
        mistake: "news are queued before the digest that tells what is lacking",
        file: "src/link.rs",
        right: "let accepts = self.question != Some(Question::What);",
        wrong: "let accepts = true;",
    },
    Patch {
        mistake: "what was queued for a former life of the neighbour goes to the next one",
        file: "src/link/anti_entropy.rs",
        right: "self.queue.clear();",
        wrong: "",
    },
    Patch {
        mistake: "a stand-in never passes on",
        file: "src/gossip.rs",
        right: "_ if !self.tie.is_open() => false,",
        wrong: "_ if self.tie != Tie::Tree => false,",
    },
    Patch {
        mistake: "two stand in for each other for ever",
        file: "src/gossip/stand_in.rs",
        right: "loose.filter(|(_, n)| n.position < own && n.tie.is_open());",
        wrong: "loose.filter(|(_, n)| n.tie.is_open());",
    },
    Patch {
        mistake: "a stand-in is never left",
        file: "src/gossip/stand_in.rs",
        right: "let is_over = !is_needed || found.is_some_and(|found| found != index);",
        wrong: "let is_over = found.is_some_and(|found| found != index);",
    },
    Patch {
        mistake: "whoever is sought is shown a digest",
        file: "src/gossip/stand_in.rs",
        right: "link.seek();",
        wrong: "link.ask_what();",
    },
    Patch {
        mistake: "a closed link names its holes",
        file: "src/link/anti_entropy.rs",
        right: "self.incoming.hush();",
        wrong: "",
    },
    Patch {
        mistake: "a link to a suspect queues without bound",
        file: "src/link.rs",
        right: "self.seek();",
        wrong: "",
    },
    Patch {
        mistake: "a timer that has moved rings all the same",
        file: "src/gossip.rs",
        right: "was.map(|was| self.timers.remove(&(was, index)));",
        wrong: "let _ = was;",
    },
];

/// The torture must catch these.
const MUTANTS: &[Patch] = &[
    Patch {
        mistake: "a counter adds what it should join",
        file: "src/workload/counter.rs",
        right: "item.up.max(known.0)",
        wrong: "item.up + known.0",
    },
    Patch {
        mistake: "a message that has its place gets another one",
        file: "src/workload/log.rs",
        right: "placed.is_some_and(|placed| placed.contains(*count as i64))",
        wrong: "placed.is_some_and(|placed| placed.contains(*count as i64) && false)",
    },
    Patch {
        mistake: "of two writers at one time the one heard last wins",
        file: "src/workload/txn.rs",
        right: "last.is_some_and(|last| last >= item.stamp)",
        wrong: "last.is_some_and(|last| last[0] > item.stamp[0] || last == item.stamp)",
    },
    Patch {
        mistake: "half of a transaction is kept",
        file: "src/workload/txn.rs",
        right: "(item.writes.clone(), wins)",
        wrong: "(item.writes.clone().into_iter().take(wins).collect(), wins)",
    },
    Patch {
        mistake: "the journal does not hear of the ids that were given",
        file: "src/workload/unique_ids.rs",
        right: "effects.spread(Mark(self.mark));",
        wrong: "",
    },
    Patch {
        mistake: "an ack counts one too far",
        file: "src/link.rs",
        right: "ack: self.received(),",
        wrong: "ack: self.received() + 1,",
    },
    Patch {
        mistake: "no retransmission",
        file: "src/link.rs",
        right: "self.timeouts = self.timeouts.saturating_add(1);\n            self.probe_due = true;",
        wrong: "self.timeouts = self.timeouts.saturating_add(1);",
    },
    Patch {
        mistake: "a hole is taken for received",
        file: "src/link/incoming.rs",
        right: "self.holes.push(Hole {",
        wrong: "drop(Hole {",
    },
    Patch {
        mistake: "a lost flight is not sent again",
        file: "src/link/loss.rs",
        right: ".position(|flight| flight.lost)?;",
        wrong: ".position(|flight| flight.lost && false)?;",
    },
    Patch {
        mistake: "values from a neighbour go to no other",
        file: "src/gossip.rs",
        right: "if Some(index) == from || !its_way || !neighbour.link.push(item.clone()) {",
        wrong: "if from.is_some() || !neighbour.link.push(item.clone()) {",
    },
    Patch {
        mistake: "a delta counts as received, but one value is not merged",
        file: "src/node.rs",
        right: "for item in &segment.items {",
        wrong: "for item in segment.items.iter().skip(1) {",
    },
    Patch {
        mistake: "backoff without end",
        file: "src/link/loss.rs",
        right: "saturating_mul(1 << tries.min(20)).min(BACKOFF_CAP)",
        wrong: "saturating_mul(1 << tries.min(20))",
    },
    Patch {
        mistake: "the interval set forgets what is above a value that comes again",
        file: "src/interval_set.rs",
        right: "*to = last.max(*to);",
        wrong: "*to = last;",
    },
    Patch {
        mistake: "the timer stops with the first ack",
        file: "src/link/loss.rs",
        right: "self.retry_at = self.is_awaiting().then(|| now + self.timeout());",
        wrong: "self.retry_at = None;",
    },
    Patch {
        mistake: "an ack takes one item too few off the queue",
        file: "src/link/loss.rs",
        right: "self.queue.drain(..new as usize);",
        wrong: "self.queue.drain(..new.saturating_sub(1) as usize);",
    },
    Patch {
        mistake: "what comes from the parent does not go down",
        file: "src/gossip.rs",
        right: "let Some(child) = down else { return };",
        wrong: "let Some(child) = down.filter(|_| !from_parent) else { return };",
    },
    Patch {
        mistake: "leaves look for their hub at the wrong place",
        file: "src/tree.rs",
        right: "parent: Some((index - hubs) % hubs),",
        wrong: "parent: Some((index - hubs + 1) % hubs),",
    },
    Patch {
        mistake: "a suspect neighbour is never healthy again",
        file: "src/link/loss.rs",
        right: "std::mem::take(&mut self.timeouts) > 0;",
        wrong: "self.timeouts > 0;",
    },
    Patch {
        mistake: "no ack is sent alone",
        file: "src/link.rs",
        right: "self.ack_due.then(|| self.segment(",
        wrong: "(self.ack_due && false).then(|| self.segment(",
    },
    Patch {
        mistake: "an old epoch is believed",
        file: "src/link.rs",
        right: "if epoch < peer {",
        wrong: "if false {",
    },
    Patch {
        mistake: "who is named with a later epoch keeps its own",
        file: "src/link.rs",
        right: "(epoch < named && above <= MAX_EPOCH).then_some(above)",
        wrong: "(epoch < named && above <= MAX_EPOCH && false).then_some(above)",
    },
    Patch {
        mistake: "two lives of a node may raise their epochs to the same one",
        file: "src/link.rs",
        right: "named.saturating_add(1 + epoch % TOLD_APART)",
        wrong: "named.saturating_add(1)",
    },
    Patch {
        mistake: "a voice from the past gets no answer",
        file: "src/link.rs",
        right: "self.ack_due = true;\n            return Err(LinkError::FromThePast { epoch, peer });",
        wrong: "return Err(LinkError::FromThePast { epoch, peer });",
    },
    Patch {
        mistake: "the links go on in the epoch that is over",
        file: "src/node.rs",
        right: "self.gossip.restart(now, epoch, false);",
        wrong: "",
    },
    Patch {
        mistake: "a new epoch is ignored",
        file: "src/link/anti_entropy.rs",
        right: "let restarted = self.peer != 0 && epoch > self.peer;",
        wrong: "let restarted = false;",
    },
    Patch {
        mistake: "a digest has a hole",
        file: "src/workload/broadcast.rs",
        right: "Ranges(self.values.ranges().take(MAX_RANGES).collect())",
        wrong: "Ranges(self.values.ranges().map(|(first, last)| (first, last.saturating_add(1))).step_by(2).collect())",
    },
    Patch {
        mistake: "an answer before the sync",
        file: "src/journal.rs",
        right: "self.disk.append(records)?;\n        self.disk.sync()?;",
        wrong: "self.disk.append(records)?;",
    },
    Patch {
        mistake: "a torn line is taken for good",
        file: "src/journal.rs",
        right: "disk.truncate(found.length)?;",
        wrong: "",
    },
    Patch {
        mistake: "an epoch is not counted up",
        file: "src/node.rs",
        right: "self.config.epoch.max(found.epoch + 1)",
        wrong: "self.config.epoch.max(found.epoch)",
    },
    Patch {
        mistake: "a journal is rewritten in its place",
        file: "src/journal.rs",
        right: "self.disk.create()?;",
        wrong: "self.disk.truncate(0)?;",
    },
    Patch {
        mistake: "a rewritten journal gets its name before it is stored",
        file: "src/journal.rs",
        right: "self.disk.append(&mark)?;\n        self.disk.sync()?;",
        wrong: "self.disk.append(&mark)?;",
    },
    Patch {
        mistake: "the new name is not stored",
        file: "src/journal.rs",
        right: "self.disk.rename()?;\n                self.disk.sync_folder()?;",
        wrong: "self.disk.rename()?;",
    },
    Patch {
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
    Patch {
        mistake: "only a journal's last line may be torn",
        file: "src/journal.rs",
        right: "Some(damage) if !self.has_marks() => return Err(damage),",
        wrong: "Some(damage) if self.line > 0 => return Err(damage),",
    },
    Patch {
        mistake: "a rewriting without room goes on in the new file",
        file: "src/journal.rs",
        right: "self.disk.discard();\n                self.limit",
        wrong: "self.limit",
    },
    Patch {
        mistake: "what a crash left of a rewriting is not removed",
        file: "src/journal.rs",
        right: "disk.discard();\n        if found.torn",
        wrong: "if found.torn",
    },
    Patch {
        mistake: "what comes from neighbours is not stored",
        file: "src/node.rs",
        right: "self.unsaved.push(item.clone());",
        wrong: "",
    },
    Patch {
        mistake: "a link whose timer rings is not seen to",
        file: "src/gossip.rs",
        right: "self.timers.first().filter(|(at, _)| *at <= now) {\n            self.touched.insert(index);",
        wrong: "self.timers.first().filter(|(at, _)| *at <= now) {",
    },
    Patch {
        mistake: "a link whose batch departs is not seen to",
        file: "src/gossip.rs",
        right: "neighbour.link.release();\n            self.touched.insert(index);\n        }\n    }",
        wrong: "neighbour.link.release();\n            let _ = index;\n        }\n    }",
    },
];

/// What the lesson takes out of its flooding node and of the judge. The testbed's own tests must
/// catch these.
const TESTBED_MUTANTS: &[Patch] = &[
    Patch {
        mistake: "who floods tells the one that told it, too",
        file: "src/bin/flood.rs",
        right: "self.neighbours.iter().filter(|name| *name != from)",
        wrong: "self.neighbours.iter().filter(|_| !from.is_empty())",
    },
    Patch {
        mistake: "a value takes until the last read that shows it",
        file: "src/bin/testbed/judge/set.rs",
        right: "verdict.stable(value, known, self.last_absent);",
        wrong: "verdict.stable(value, known, self.last_present);",
    },
];

/// Which of these tests fails first, if one does.
fn first_of(copy: &Copy, tests: &[&str]) -> Option<String> {
    let output = copy.cargo(&["test"]).args(tests).output();
    let output = output.expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut failures = text.lines().skip_while(|line| *line != "failures:");
    let name = failures.find_map(|line| line.strip_prefix("---- "));
    let name = name.map(|name| name.trim_end_matches(" stdout ----"));
    (!output.status.success()).then(|| format!("test {}", name.unwrap_or("it does not build")))
}

/// Which of the library's tests, or of the workloads'. Without the link's model, which takes as
/// long as all others together.
fn failing_test(copy: &Copy) -> Option<String> {
    first_of(copy, &["--lib", "--", "--skip", "link::model"])
        .or_else(|| first_of(copy, &["--test", "workloads"]))
}

fn failing_testbed(copy: &Copy) -> Option<String> {
    first_of(copy, &["--bin", "testbed", "--", "run::tests", "judge::"])
}

/// Which run of torture fails, in a few words.
fn failing_run(copy: &Copy) -> Option<String> {
    let (run, why) = copy.torture(&copy.testbed().expect("a testbed"), RUNS)?;
    let why: String = why.chars().take(60).collect();
    Some(format!("run {run:>4}  {why}"))
}

/// What must catch a mutant: gives what does, if anything does.
type Hunt = fn(&Copy) -> Option<String>;

/// All mutants, each with its hunt.
fn mutants() -> impl Iterator<Item = (&'static Patch, Hunt)> {
    let either: Hunt = |copy| failing_test(copy).or_else(|| failing_run(copy));
    let by = |mutants: &'static [Patch], hunt| mutants.iter().map(move |mutant| (mutant, hunt));
    by(MUTANTS, failing_run as Hunt)
        .chain(by(COSTLY_MUTANTS, failing_test))
        .chain(by(TESTBED_MUTANTS, failing_testbed))
        .chain(by(MECHANISMS, either))
}

/// What the chapters of the lesson run that take this mutant's mechanism out.
fn commands_of(mutant: &Patch) -> Vec<String> {
    let chapters = std::fs::read_dir(patched::root().join("src/lesson")).expect("a lesson");
    let mut chapters: Vec<_> = chapters.map(|file| file.expect("one").path()).collect();
    chapters.sort();
    let texts = chapters.iter().map(std::fs::read_to_string);
    let command = |text: String| {
        let lines: Vec<_> = text.lines().collect();
        let names = |line: &&str| {
            let name = line.split_once("./run.sh mutants \"");
            name.and_then(|(_, name)| name.split('"').next())
                .is_some_and(|name| mutant.mistake.contains(name))
        };
        let at = lines.iter().position(names)?;
        // Its own command, if one follows, or else the chapter's.
        let is_command = |line: &&&str| line.starts_with("./run.sh ");
        let own = lines[at + 1..].iter().take(4).find(is_command);
        let command = own.or_else(|| lines.iter().find(is_command))?;
        Some(command.trim_start_matches("./run.sh ").to_owned())
    };
    texts
        .filter_map(|text| command(text.expect("a chapter")))
        .collect()
}

/// Shows what the mutant changes in what these commands print: two columns.
fn take_out(copy: &Copy, mutant: &Patch) {
    let commands = commands_of(mutant);
    if commands.is_empty() {
        return;
    }
    let print = |copy: &Copy| -> Vec<String> {
        let testbed = copy.testbed().expect("a testbed");
        let run = |command: &String| {
            let mut testbed = Command::new(&testbed);
            let args = command.split_whitespace();
            let output = testbed.args(args).current_dir(&copy.folder).output();
            String::from_utf8_lossy(&output.expect("the testbed runs").stdout).into_owned()
        };
        commands.iter().map(run).collect()
    };
    let (right, wrong) = (print(copy), copy.with(mutant, print));
    for (command, (right, wrong)) in commands.iter().zip(right.iter().zip(&wrong)) {
        // What only one of them prints: the lines of a story may be others from then on.
        let only = |these: &str, others: &str| -> Vec<String> {
            let lines = these
                .lines()
                .filter(|&line| others.lines().all(|l| l != line));
            lines.map(str::to_owned).collect()
        };
        let (right, wrong) = (only(right, wrong), only(wrong, right));
        let width = right.iter().map(|line| line.chars().count() + 2).max();
        let width = width.unwrap_or_default().max(12);
        println!("./run.sh {command}\n{:<width$}with the mistake", "as it is");
        for index in 0..right.len().max(wrong.len()) {
            let [right, wrong] = [&right, &wrong].map(|lines| lines.get(index));
            let [right, wrong] = [right, wrong].map(|line| line.map_or("", String::as_str));
            println!("{right:<width$}{wrong}");
        }
        println!();
    }
}

#[test]
fn every_mutant_has_its_place_in_the_sources() {
    let lost = mutants().filter(|(mutant, _)| patched::places(mutant) != 1);
    let lost = lost.map(|(mutant, _)| format!("{}: {:?}", mutant.mistake, mutant.right));
    let lost: Vec<_> = lost.collect();
    assert!(lost.is_empty(), "not there, or not once: {lost:#?}");
}

#[test]
#[ignore = "takes minutes: ./run.sh mutants"]
fn every_mutant_is_caught() {
    let chosen: Vec<_> = patched::chosen(mutants(), |(mutant, _)| mutant).collect();
    let copy = Copy::new("mutants");
    let mut escaped = Vec::new();
    for (mutant, hunt) in &chosen {
        if chosen.len() < 4 {
            take_out(&copy, mutant);
        }
        let started = Instant::now();
        let caught = copy.with(mutant, hunt);
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
    let caught = chosen.len() - escaped.len();
    println!("{caught} of {} mutants caught", chosen.len());
    assert!(escaped.is_empty(), "these escaped: {escaped:?}");
}
