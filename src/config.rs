//! The node's settings and its command line.
//!
//! What a user sets is one promise: by when a value is to be everywhere. It is the
//! whole trade between messages and latency: the longer a hub may wait for company, the
//! fewer messages it sends ([`timetable`](crate::gossip::timetable)).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::event::Level;
use crate::workload;

/// What the node does when it is called with `--help`.
pub const HELP: &str = "\
hubcast: a broadcast node for Maelstrom. It reads one JSON message a line on
stdin, writes messages to stdout and logs to stderr.

usage: hubcast [OPTION]...
  --workload NAME broadcast (default), echo, unique-ids, g-set, g-counter, pn-counter,
                  kafka or txn-rw-register
  --within-ms MS  by when a value is to be everywhere; the node measures the network
                  and spends what is left on as few messages as it can (default 400)
  --hubs K        K hubs instead of 1 up to 2000 nodes and about sqrt(n) beyond
  --data-dir DIR  keep a journal in DIR, and remember everything after a restart
  --log LEVEL     error, warn, info or debug (default info)
  --help          this text
  --version       name and version
";

/// The longest time that a setting can name: an hour, in milliseconds. Longer
/// times serve nobody, and sums of a few of them stay far from overflow.
pub const MAX_MS: u64 = 3_600_000;

/// The most hubs that can be asked for. A cluster with fewer nodes has at most
/// one hub a node; the limit only catches slips of the finger.
pub const MAX_HUBS: usize = 100_000;

/// A node's settings. All nodes of a cluster must have the same `workload`, `hubs` and
/// `within`; the rest may differ from node to node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the node is for.
    pub workload: workload::Name,
    /// By when a value is to be everywhere on a healthy network: the promise. All
    /// nodes of a cluster must have the same.
    ///
    /// Default 400 ms: with 25 nodes and 100 ms a message, the median is inside
    /// challenge 3d's 400 ms with room to spare.
    pub within: Duration,
    /// How what the network leaves of that is spent. For tests; a user has the promise.
    pub pace: Pace,
    /// The number of this run of the node: another one than those of all runs before, and
    /// larger, as a rule. Not 0. A driver without a memory of its own takes the wall clock's
    /// microseconds.
    pub epoch: u64,
    /// The folder of the [journal](crate::journal), if there is one. Where it is is the
    /// driver's business; the node only asks whether there is one.
    pub data_dir: Option<PathBuf>,
    /// The number of hubs; `None`: [`default_hubs`](crate::tree::default_hubs).
    pub hubs: Option<usize>,
    /// The least important level that is logged.
    pub log: Level,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            workload: workload::Name::Broadcast,
            within: Duration::from_millis(400),
            pace: Pace::Cheaper,
            epoch: 1,
            data_dir: None,
            hubs: None,
            log: Level::Info,
        }
    }
}

/// How a hub and its children pass the time that the promise leaves; see
/// [`timetable`](crate::gossip::timetable).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Whichever costs fewer messages.
    Cheaper,
    /// Children send at once.
    Lazy,
    /// Children aim at slots.
    Timetable,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the node.
    Run(Config),
    /// Print [`HELP`].
    Help,
    /// Print name and version.
    Version,
}

/// A command line that cannot be followed; a sentence says what would be right.
/// Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads the arguments behind the program's name.
///
/// # Errors
///
/// [`UsageError`] for an unknown option, a missing or bad value, or settings
/// that contradict each other.
pub fn parse_args(args: &[String]) -> Result<Command, UsageError> {
    let mut config = Config::default();
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let mut value = || {
            let missing = || UsageError(format!("{option} needs a value; see --help"));
            args.next().map(String::as_str).ok_or_else(missing)
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--version" | "-V" => return Ok(Command::Version),
            "--within-ms" => {
                config.within = Duration::from_millis(whole(option, value()?, 0, MAX_MS)?);
            }
            "--pace" => {
                let paces = [("lazy", Pace::Lazy), ("timetable", Pace::Timetable)];
                config.pace = one_of(option, value()?, &paces)?;
            }
            "--hubs" => config.hubs = Some(whole(option, value()?, 1, MAX_HUBS as u64)? as usize),
            "--workload" => config.workload = one_of(option, value()?, &workload::Name::ALL)?,
            "--data-dir" => config.data_dir = Some(PathBuf::from(value()?)),
            "--log" => config.log = one_of(option, value()?, &Level::ALL)?,
            _ => return Err(UsageError(format!("unknown option '{option}'; see --help"))),
        }
    }
    Ok(Command::Run(config))
}

/// What is called `name`, of `all`.
fn one_of<T: Copy>(option: &str, name: &str, all: &[(&str, T)]) -> Result<T, UsageError> {
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, it)| *it).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
        let names = names.join(", ");
        UsageError(format!("{option} takes one of {names}, not '{name}'"))
    })
}

/// A whole number from `least` to `most`, both included.
///
/// # Errors
///
/// [`UsageError`] with the option's name, its range and what was given instead.
pub fn whole(option: &str, value: &str, least: u64, most: u64) -> Result<u64, UsageError> {
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(UsageError(format!(
            "{option} takes a whole number from {least} to {most}, not '{value}'"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, UsageError> {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        parse_args(&args)
    }

    fn refusal(line: &str) -> String {
        parse(line).expect_err(line).to_string()
    }

    #[test]
    fn no_arguments_mean_the_defaults() {
        assert_eq!(parse(""), Ok(Command::Run(Config::default())));
    }

    #[test]
    fn every_setting_can_be_given() {
        let line = "--workload echo --within-ms 1 --pace lazy --hubs 5 --data-dir data --log debug";
        let config = Config {
            workload: workload::Name::Echo,
            within: Duration::from_millis(1),
            pace: Pace::Lazy,
            data_dir: Some(PathBuf::from("data")),
            hubs: Some(5),
            log: Level::Debug,
            ..Config::default()
        };
        assert_eq!(parse(line), Ok(Command::Run(config)));
    }

    #[test]
    fn a_bad_command_line_is_refused_with_what_would_be_right() {
        assert_eq!(refusal("--fast"), "unknown option '--fast'; see --help");
        assert_eq!(refusal("--hubs"), "--hubs needs a value; see --help");
        assert!(refusal("--hubs 0").contains("from 1 to 100000, not '0'"));
        assert!(refusal("--within-ms -1").contains("from 0 to 3600000, not '-1'"));
        assert!(refusal("--within-ms 1.5").contains("not '1.5'"));
        assert!(refusal("--within-ms 3600001").contains("not '3600001'"));
        assert!(refusal("--workload sing").contains("not 'sing'"));
        assert!(refusal("--log loud").contains("one of error, warn, info, debug, not 'loud'"));
    }
}
