//! The testbed: a Maelstrom in a teacup.
//!
//! It starts real nodes, carries their messages over a simulated network, drives
//! clients, injects faults, judges the history and reports. Its options and
//! definitions are Maelstrom's. The machine needs cargo and nothing else.
//!
//! Its rooms, from top to bottom; each uses only those below it:
//!
//! | room | holds |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`commands`] | one file a command |
//! | [`show`] | the outcome for people: report, page |
//! | [`run`] | one run: options, clients, faults, observer, recording, stories |
//! | [`nodes`] | processes, and nodes in memory with their disks |
//! | [`load`] | what clients ask, one file a workload |
//! | [`judge`] | what the history says, one file a kind of workload |
//! | [`world`] | network, nemesis, services, topology, chance |
//!
//! One known difference to Maelstrom: its one receiving thread a node sleeps out
//! a delayed message before it hands over the client's request behind it. That
//! slows the clients of a busy hub and makes the median look better by some tens
//! of milliseconds. Ours does not.
//!
//! The judge is held against nodes that misbehave, each in a way of its own:
//! `tests/misbehaving/`.
#![deny(unsafe_code)]

use std::process::ExitCode;

mod cli;
mod commands;
mod judge;
mod load;
mod nodes;
mod run;
#[cfg(test)]
mod scenarios;
mod show;
mod world;

use cli::Command;
use commands::{agreement, bench, challenges, complain, frontier, job, say, scale, torture, trace};
use nodes::Failure;

/// Exit status for a run that was valid and within its limits.
const PASSED: u8 = 0;
/// Exit status for a run that was not.
const FAILED: u8 = 1;
/// Exit status for a command line that cannot be followed.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    ExitCode::from(follow(&args))
}

/// Does what the command line asks for; gives the exit status.
fn follow(args: &[String]) -> u8 {
    let command = match cli::parse(args) {
        Ok(command) => command,
        Err(error) => {
            complain(&error.to_string());
            return USAGE;
        }
    };
    let shown = |text| (text, true);
    status(match command {
        Command::Run(options) => job::main(&options).map(|passed| (String::new(), passed)),
        Command::Challenges(all) => challenges::main(&all).map(|passed| (String::new(), passed)),
        Command::Torture(torture) => Ok((String::new(), torture::main(&torture))),
        Command::Trace(file) => match trace::script(file.as_deref()) {
            Ok(story) => trace::tell(&story, file.as_deref()).map(shown),
            Err(reason) => {
                complain(&reason);
                return USAGE;
            }
        },
        Command::Frontier => frontier::main().map(shown),
        Command::Scale => scale::main().map(shown),
        Command::Agreement => agreement::main(),
        Command::Bench => bench::main().map(shown),
        Command::Help(text) => Ok(shown(text)),
    })
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// From top to bottom.
    const ROOMS: [&str; 8] = [
        "cli", "commands", "show", "run", "nodes", "load", "judge", "world",
    ];

    /// Gives each source file below a folder.
    fn sources(folder: &Path, take: &mut impl FnMut(&Path, &str)) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, take);
            } else if path.extension().is_some_and(|end| end == "rs") {
                take(&path, &std::fs::read_to_string(&path).expect("a source"));
            }
        }
    }

    #[test]
    fn a_room_uses_only_those_below_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/testbed");
        let mut arrows = 0;
        sources(&root, &mut |path, text| {
            let place = path.strip_prefix(&root).expect("below the root");
            let room = place.iter().next().expect("a name").to_string_lossy();
            let room = room.trim_end_matches(".rs");
            let Some(own) = ROOMS.iter().position(|known| *known == room) else {
                return;
            };
            // Tests may look around.
            let text = text.split("#[cfg(test)]").next().unwrap_or(text);
            for used in text.split("crate::").skip(1) {
                let used = used
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next();
                let below = ROOMS.iter().position(|known| Some(*known) == used);
                arrows += usize::from(below > Some(own));
                assert!(below >= Some(own), "{} uses {used:?}", place.display());
            }
        });
        assert!(arrows > 50, "{arrows} arrows were seen");
    }
}
