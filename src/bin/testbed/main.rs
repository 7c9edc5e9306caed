//! The testbed: a Maelstrom in a teacup.
//!
//! It starts real nodes, carries their messages over a simulated network, drives
//! clients, injects faults, judges the history and reports, with Maelstrom's
//! options and definitions, on a machine that has cargo and nothing else.
//!
//! | module | holds |
//! |---|---|
//! | [`options`], [`arguments`] | commands and options; how rows of them are read |
//! | [`engine`] | the event loop: phases, clients, deliveries |
//! | [`network`] | latency, loss, duplication, cuts |
//! | [`nemesis`] | kinds of partitions and when they strike |
//! | [`observer`] | what the nodes hold after a partition |
//! | [`processes`] | nodes as real processes on the real clock |
//! | [`stalls`] | when the machine gave a run no processor |
//! | [`simulation`] | nodes in memory on a virtual clock |
//! | [`flooding`] | the same with the lesson's first node, `src/bin/flood.rs` |
//! | [`cluster`] | what the nodes in memory have in common |
//! | [`disk`] | their disks, which crash |
//! | [`story`], [`trace`] | a story's script, and how it is told, event by event |
//! | [`torture`] | thousands of drawn lives under faults |
//! | [`challenges`] | all of Gossip Glomers in one table |
//! | [`sweep`] | many runs in one table: frontier, scale, agreement |
//! | [`mod@bench`] | requests a second, memory |
//! | [`workloads`] | the workloads by name: load and node |
//! | [`load`] | what clients ask, and what the answers mean: one file a workload |
//! | [`checker`] | what a history says: stable, stale, lost |
//! | [`recording`] | the files of a run |
//! | [`page`] | `report.html` and `messages.svg`: the run to watch |
//! | [`report`] | limits, table, `results.json` |
//! | [`maelstrom`] | the same run on the real Maelstrom |
//! | [`signals`] | signals and process groups |
//! | [`rng`] | randomness from a seed |
//!
//! One known difference to Maelstrom: its one receiving thread a node sleeps out
//! a delayed message before it hands over the client's request behind it. That
//! slows the clients of a busy hub and makes the median look better by some tens
//! of milliseconds. Ours does not.
//!
//! The judge is held against nodes that misbehave, each in a way of its own:
//! `tests/misbehaving/`.
#![deny(unsafe_code)]

use std::fs::{File, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod arguments;
mod bench;
mod challenges;
mod checker;
mod cluster;
mod disk;
mod engine;
mod flooding;
mod load;
mod maelstrom;
mod nemesis;
mod network;
mod observer;
mod options;
mod page;
mod processes;
mod recording;
mod report;
mod rng;
#[cfg(test)]
mod scenarios;
mod signals;
mod simulation;
mod stalls;
mod story;
mod sweep;
mod torture;
mod trace;
mod workloads;

use challenges::Ran;
use engine::Failure;
use options::{Challenges, Command, Options};
use processes::Processes;
use recording::Recording;
use report::Outcome;
use story::Story;

/// Exit status for a run that was valid and within its limits.
const PASSED: u8 = 0;
/// Exit status for a run that was not.
const FAILED: u8 = 1;
/// Exit status for a command line that cannot be followed.
const USAGE: u8 = 2;

/// Where runs leave their files.
const RUNS: &str = "target/runs";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    ExitCode::from(follow(&args))
}

/// Does what the command line asks for; gives the exit status.
fn follow(args: &[String]) -> u8 {
    let options = match options::parse(args) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Challenges(challenges)) => {
            let passed = run_challenges(&challenges);
            return status(passed.map(|passed| (String::new(), passed)));
        }
        Ok(Command::Torture(torture)) => {
            return if torture::main(torture.runs, torture.seed, torture.shrink) {
                PASSED
            } else {
                FAILED
            };
        }
        Ok(Command::Trace(file)) => {
            return match script(file.as_deref()) {
                Ok(story) => status(tell(&story, file.as_deref())),
                Err(reason) => {
                    complain(&reason);
                    USAGE
                }
            };
        }
        Ok(Command::Frontier) => return status(frontier()),
        Ok(Command::Scale) => {
            let folder = Path::new(RUNS).join("scale");
            let report = lock("scale").and_then(|_lock| sweep::scale(&folder));
            return status(report.map(|text| (text, true)));
        }
        Ok(Command::Agreement) => {
            let folder = Path::new(RUNS).join("agreement");
            let report =
                lock("agreement").and_then(|_lock| sweep::agreement(&own_program()?, &folder));
            return status(report);
        }
        Ok(Command::Bench) => {
            let report = own_program().and_then(|node| bench::run(&node));
            return status(report.map(|text| (text, true)));
        }
        Ok(Command::Help(text)) => {
            say(&text);
            return PASSED;
        }
        Err(error) => {
            complain(&error.to_string());
            return USAGE;
        }
    };
    status(run(&options).map(|passed| (String::new(), passed)))
}

/// Prints a report and its verdict, or why there is none.
fn status(report: Result<(String, bool), Failure>) -> u8 {
    match report {
        Ok((text, passed)) => {
            say(&text);
            if passed { PASSED } else { FAILED }
        }
        Err(failure) => {
            complain(&failure.to_string());
            FAILED
        }
    }
}

/// The story in a file, or the one that is built in.
fn script(file: Option<&Path>) -> Result<Story, String> {
    let Some(path) = file else {
        return trace::TOUR
            .parse()
            .map_err(|bad| format!("the tour's {bad}"));
    };
    let text = std::fs::read_to_string(path);
    let text =
        text.map_err(|error| format!("cannot read the story {}: {error}", path.display()))?;
    let story = text.parse::<Story>();
    story.map_err(|bad| format!("{}, {bad}; see trace --help", path.display()))
}

/// A story as text, and as a page.
fn tell(story: &Story, file: Option<&Path>) -> Result<(String, bool), Failure> {
    let folder = Path::new(RUNS).join("trace");
    let _lock = lock("trace")?;
    // https://no-color.org: set and not empty means no colour.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = io::stdout().is_terminal() && !plain;
    let told = trace::tell(story, colour, Some(Recording::create(&folder)?))?;
    let name = file.map_or(String::new(), |path| format!(" {}", path.display()));
    page::write_story(story, &told, &format!("./run.sh trace{name}"), &folder)?;
    let page = folder.join("report.html");
    let text = format!(
        "{}to watch it step by step, open {}\n",
        told.text,
        page.display()
    );
    Ok((text, true))
}

/// The frontier's table; its plot goes to a file.
fn frontier() -> Result<(String, bool), Failure> {
    let folder = Path::new(RUNS).join("frontier");
    let _lock = lock("frontier")?;
    let (text, svg) = sweep::frontier(&folder)?;
    let path = folder.join("frontier.svg");
    std::fs::write(&path, svg)?;
    Ok((format!("{text}plot: {}\n", path.display()), true))
}

/// hubcast: next to the testbed itself, or what cargo built beside that with the profile
/// that the variable `NODE_PROFILE` names. `run.sh` has the testbed built in a minute and
/// the node as it is shipped.
fn own_program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(match std::env::var_os("NODE_PROFILE") {
        Some(profile) => own.with_file_name("..").join(profile).join("hubcast"),
        None => own.with_file_name("hubcast"),
    })
}

/// Makes sure that no other run of the command writes to the same folder while
/// the result lives. The lock is the system's, on an open file: it ends with the
/// process, however that ends, and nodes do not inherit it.
fn lock(command: &str) -> Result<File, Failure> {
    std::fs::create_dir_all(RUNS)?;
    // Beside the command's folder, which each run makes anew.
    let file = File::create(Path::new(RUNS).join(format!("{command}.lock")))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Failure::new(format!(
            "'{command}' is running here already, and both would write to {RUNS}/{command}/: \
             wait until it has ended"
        ))),
        // A file system without locks: then it is as it was before there were any.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(error.into()),
        Ok(()) => Ok(file),
    }
}

/// Runs a job and prints its report; says whether it passed.
fn run(options: &Options) -> Result<bool, Failure> {
    let options = &with_maelstrom(options.clone());
    say(&headline(options));
    let folder = match options.maelstrom {
        true => "maelstrom".to_owned(),
        false => options.folder(),
    };
    let _lock = lock(&folder)?;
    let (ran, text) = carry_out(options, &Path::new(RUNS).join(folder))?;
    say(&text);
    Ok(ran.passed)
}

/// Runs all challenges; says whether all passed.
fn run_challenges(challenges: &Challenges) -> Result<bool, Failure> {
    let _lock = lock("challenges")?;
    let run = |options: &Options| {
        let options = &with_maelstrom(options.clone());
        let (ran, _) = carry_out(options, &Path::new(RUNS).join(options.folder()))?;
        Ok(ran)
    };
    Ok(challenges::run(challenges, run, say))
}

/// The variable `MAELSTROM` asks for it, too.
fn with_maelstrom(mut options: Options) -> Options {
    let named = std::env::var_os("MAELSTROM").is_some_and(|path| !path.is_empty());
    options.maelstrom |= named && !options.virtual_time;
    options
}

/// Carries out a run whose files go to `folder`; gives what came of it, and the report.
fn carry_out(options: &Options, folder: &Path) -> Result<(Ran, String), Failure> {
    let mut options = options.clone();
    if options.maelstrom {
        return on_maelstrom(options, folder);
    }
    let recording = Recording::create(folder)?;
    if options.needs_data_dir() {
        options.data_dir = Some(folder.join("data").display().to_string());
    }
    let options = &options;
    let (finished, recording) = if options.virtual_time {
        match options.bin {
            // The command line lets no other in.
            Some(_) => flooding::run(options, recording)?,
            None => workloads::run_virtual(options, recording, Some(folder))?,
        }
    } else {
        signals::remember_signals();
        let mut nodes = Processes::start(options, &program(options)?, folder)?;
        let show_progress = io::stderr().is_terminal();
        let ran = workloads::run(options, &mut nodes, recording, show_progress)?;
        nodes.stop();
        ran
    };
    let outcome = Outcome {
        options,
        counts: &finished.counts,
        verdict: &finished.verdict,
    };
    recording.write("results.json", &format!("{}\n", outcome.to_json()))?;
    page::write(&outcome, folder)?;
    let measured = outcome.measured();
    let page = folder.join("report.html");
    let text = outcome.text() + &format!("to watch it, open {}\n", page.display());
    let ran = Ran {
        passed: measured.passes(options),
        answers: outcome.answers(),
        words: report::verdict_text(&measured, options, &outcome.problems()),
        measured,
    };
    Ok((ran, text))
}

/// The same on the real Maelstrom.
fn on_maelstrom(mut options: Options, folder: &Path) -> Result<(Ran, String), Failure> {
    // Maelstrom gives none, runs all nodes in one folder and deletes nothing.
    if options.needs_data_dir() {
        options.data_dir = Some("data".into());
        remove_folder(&folder.join("data"))?;
    }
    let options = &options;
    let measured = maelstrom::run(options, &program(options)?, folder)?;
    let words = report::verdict_text(&measured, options, &[]);
    let text = format!(
        "{}\n{words}Maelstrom's own files: {}/store/latest/\n",
        report::table(&measured, options),
        folder.display()
    );
    let ran = Ran {
        passed: measured.passes(options),
        answers: None,
        words,
        measured,
    };
    Ok((ran, text))
}

fn remove_folder(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::new(format!(
            "cannot empty {}: {error}",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The node's program: `--bin`, or `hubcast` next to the testbed itself.
fn program(options: &Options) -> Result<PathBuf, Failure> {
    let path = match &options.bin {
        Some(path) => path.clone(),
        None => own_program()?,
    };
    let found = std::fs::canonicalize(&path);
    found.map_err(|error| Failure::new(format!("no node program at {}: {error}", path.display())))
}

fn headline(options: &Options) -> String {
    let last = match options.maelstrom {
        // Maelstrom draws without a seed: no two runs are the same.
        true => "on Maelstrom".into(),
        false => format!("seed {}", options.seed),
    };
    let mut text = format!(
        "{}: {} nodes, {} ms {} latency, {} operations a second for {} s, {last}",
        options.title(),
        options.nodes,
        options.latency.as_millis(),
        options.latency_dist.name(),
        options.rate,
        options.time_limit.as_secs_f64(),
    );
    if options.loss > 0.0 || options.duplicate > 0.0 {
        text += &format!(
            ", {:.0} % lost, {:.0} % duplicated",
            options.loss * 100.0,
            options.duplicate * 100.0
        );
    }
    if options.volatile {
        text += ", without journals";
    }
    if !options.service.is_zero() {
        let service = options.service.as_secs_f64() * 1e3;
        text += &format!(", {service} ms a message at each door");
    }
    if !options.node_args.is_empty() {
        text += &format!("; nodes: {}", options.node_args.join(" "));
    }
    text + "\n\n"
}

/// Prints to stdout; a closed stdout is no reason to leave nodes behind.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "testbed: {text}");
}
