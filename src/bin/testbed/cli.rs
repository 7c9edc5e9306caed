//! The command line: which commands there are, and what is wrong with another one.

use std::path::PathBuf;

use hubcast::config::UsageError;

use crate::commands::challenges::{self, Challenges};
use crate::commands::torture::{self, Torture};
use crate::load;
use crate::run::arguments;
use crate::run::options::{self, DEFAULT_SEED, Job, Options};
use crate::run::story;

/// The commands, a few words for each. `run.sh` prints it without a testbed, and takes a
/// word at the beginning of a line, behind two spaces, for a command's name.
const COMMANDS: &str = include_str!("cli/usage.txt");

/// What `--help` says behind the options of a run.
const OF_A_RUN: &str = "
node options, behind --
  --within-ms --hubs --data-dir --log; see hubcast --help. hubcast is also given
  --workload, and --data-dir where it is killed; another node (--bin) neither

A run leaves its files in target/runs/COMMAND/ (workload's in workload-W/, a
challenge's in challenges/3d/ and so on); report.html shows it. A second run of
the same command at the same time is refused.
";

/// What `--help` says behind `command`; of all commands if it is none.
pub fn help(command: &str) -> String {
    let options = match command {
        "efficient" | "partition" | "crash" | "workload" => {
            arguments::usage(&options::rows(), &Options::new(Job::Efficient)) + OF_A_RUN
        }
        "challenges" => arguments::usage(&challenges::rows(), &Challenges::default()),
        "trace" => return story::HELP.into(),
        "torture" => arguments::usage(&torture::rows(), &Torture::default()),
        _ => String::new(),
    };
    // Its own lines of the list: the one with its name, and those that go on.
    let mut is_own = false;
    let own = COMMANDS.lines().filter(|line| {
        if let Some(text) = line.strip_prefix("  ") {
            let name = text.split(' ').next().unwrap_or_default();
            is_own = if name.is_empty() {
                is_own
            } else {
                name == command
            };
        } else {
            is_own = false;
        }
        is_own
    });
    let own: Vec<&str> = own.collect();
    match own.is_empty() {
        true => COMMANDS.into(),
        false if options.is_empty() => format!("{}\nIt takes no options.\n", own.join("\n")),
        false => format!("{}\n\noptions\n{options}", own.join("\n")),
    }
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run a job.
    Run(Box<Options>),
    /// Run all challenges.
    Challenges(Challenges),
    /// Run drawn lives under faults.
    Torture(Torture),
    /// Tell the story in this file, or the one that is built in.
    Trace(Option<PathBuf>),
    /// Messages against latency.
    Frontier,
    /// Clusters of many sizes.
    Scale,
    /// Real against virtual time.
    Agreement,
    /// Requests a second, memory.
    Bench,
    /// Print this.
    Help(String),
}

/// Reads the arguments behind the program's name.
///
/// # Errors
///
/// [`UsageError`] for an unknown command or option, a missing or bad value, and
/// for node options that hubcast would refuse (unless another node is tested).
pub fn parse(args: &[String]) -> Result<Command, UsageError> {
    let (job, rest) = match args.split_first() {
        Some((job, rest)) => (job.as_str(), rest),
        None => ("--help", args),
    };
    let mut before = rest.iter().take_while(|arg| *arg != "--");
    if before.any(|arg| arg == "--help" || arg == "-h") {
        return Ok(Command::Help(help(job)));
    }
    let options = Options::new(match job {
        "efficient" => Job::Efficient,
        "partition" => Job::Partition,
        "crash" => Job::Crash,
        "workload" => return workload(rest),
        "challenges" => return challenges(rest),
        "torture" => {
            let mut torture = Torture::default();
            return match arguments::parse(&torture::rows(), rest, &mut torture)? {
                [] => Ok(Command::Torture(torture)),
                _ => usage("torture takes no node options".into()),
            };
        }
        "trace" => return trace(rest),
        "frontier" => return alone(job, rest, Command::Frontier),
        "scale" => return alone(job, rest, Command::Scale),
        "agreement" => return alone(job, rest, Command::Agreement),
        "bench" => return alone(job, rest, Command::Bench),
        "--help" | "-h" | "help" => return Ok(Command::Help(help(""))),
        other => {
            return usage(format!(
                "unknown command '{other}'; --help tells which there are"
            ));
        }
    });
    run(options, rest)
}

/// A run with these options, changed by the arguments.
fn run(options: Options, args: &[String]) -> Result<Command, UsageError> {
    Ok(Command::Run(Box::new(options.with(args)?)))
}

/// `workload NAME`.
fn workload(args: &[String]) -> Result<Command, UsageError> {
    let (name, rest) = match args.split_first() {
        Some((name, rest)) => (name.as_str(), rest),
        None => ("", args),
    };
    let Some(name) = load::NAMES.iter().find(|known| **known == name) else {
        let names = load::NAMES.join(", ");
        return usage(format!(
            "workload takes one of these names first, not '{name}': {names}"
        ));
    };
    let options = Options {
        workload: name,
        ..Options::new(Job::Workload)
    };
    match run(options, rest)? {
        Command::Run(options) if options.workload != *name => usage(format!(
            "workload {name} runs {name}; leave '-w {}' out",
            options.workload
        )),
        command => Ok(command),
    }
}

fn challenges(args: &[String]) -> Result<Command, UsageError> {
    let mut challenges = Challenges::default();
    if !arguments::parse(&challenges::rows(), args, &mut challenges)?.is_empty() {
        return usage("challenges takes no node options".into());
    }
    if challenges.virtual_time && (challenges.maelstrom || challenges.bin.is_some()) {
        return usage(options::NOT_IN_MEMORY.into());
    }
    if challenges.maelstrom && challenges.seed != DEFAULT_SEED {
        return usage("Maelstrom has no --seed; leave it out".into());
    }
    Ok(Command::Challenges(challenges))
}

/// A story takes a file and no options.
fn trace(args: &[String]) -> Result<Command, UsageError> {
    match args {
        [] => Ok(Command::Trace(None)),
        [option, ..] if option.starts_with('-') => usage(format!(
            "trace takes a story's file and no options, not '{option}'; see trace --help"
        )),
        [file] => Ok(Command::Trace(Some(file.into()))),
        [_, more, ..] => usage(format!(
            "trace takes one story's file, not '{more}' as well"
        )),
    }
}

/// A command that takes no options.
fn alone(name: &str, args: &[String], command: Command) -> Result<Command, UsageError> {
    match args.first().map(String::as_str) {
        None => Ok(command),
        Some(other) => usage(format!("{name} takes no options, not '{other}' either")),
    }
}

fn usage<T>(text: String) -> Result<T, UsageError> {
    Err(UsageError(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::nemesis::Tool;
    use std::time::Duration;

    #[test]
    fn the_usage_page_names_every_option_and_its_default_and_fits_a_terminal() {
        for (command, part) in [
            ("", "\n  efficient   25 nodes, 100 ms"),
            ("", "\n  lesson      runs every command"),
            (
                "efficient",
                "  --node-count N           nodes (default 25)\n",
            ),
            (
                "crash",
                "constant, uniform, exponential or jvm (constant)\n",
            ),
            ("workload", "partition, kill or pause, several with commas"),
            (
                "torture",
                "  --runs N                 how many (default 1000)\n",
            ),
            ("bench", "It takes no options."),
        ] {
            let help = help(command);
            assert!(help.contains(part), "{command}, {part}:\n{help}");
            assert!(help.lines().all(|line| line.len() <= 80), "{help}");
            assert!(
                command.is_empty() || !help.contains("  partition   "),
                "{help}"
            );
        }
    }

    fn parse_line(line: &str) -> Result<Command, UsageError> {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        parse(&args)
    }

    fn options(line: &str) -> Options {
        match parse_line(line) {
            Ok(Command::Run(options)) => *options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_stands_behind_two_dashes_goes_to_the_nodes() {
        let options = options("efficient --node-count 50 --rate 200 -- --within-ms 300");
        assert_eq!((options.nodes, options.rate), (50, 200.0));
        assert_eq!(options.node_args, ["--within-ms", "300"]);
    }

    #[test]
    fn partition_is_efficient_with_a_nemesis() {
        assert!(options("efficient").nemesis.is_empty());
        assert_eq!(options("partition").nemesis, [Tool::Partition]);
        let mixture = options("efficient --nemesis pause,partition,pause").nemesis;
        assert_eq!(mixture, [Tool::Partition, Tool::Pause]);
    }

    #[test]
    fn crash_keeps_journals_in_a_folder_of_its_own_unless_told_otherwise() {
        assert_eq!(options("crash").nemesis, Tool::ALL);
        assert!(options("crash").needs_data_dir());
        for line in [
            "crash --volatile",
            "crash --bin /bin/cat",
            "crash -- --data-dir mine",
            "partition",
        ] {
            assert!(!options(line).needs_data_dir(), "{line}");
        }
        let mut options = options("crash -- --log debug");
        options.data_dir = Some("data".into());
        assert_eq!(
            options.program_args().join(" "),
            "--log debug --data-dir data"
        );
    }

    #[test]
    fn a_bad_command_line_is_refused_with_what_would_be_right() {
        for (line, part) in [
            ("fly", "unknown command 'fly'; --help tells"),
            ("efficient --loss 2", "from 0 to 1, not '2'"),
            ("efficient --service-ms -1", "from 0 to 1000, not '-1'"),
            ("efficient --loss NaN", "from 0 to 1, not 'NaN'"),
            (
                "efficient --latency-dist flat",
                "constant, uniform, exponential or jvm",
            ),
            ("efficient --nemesis fire", "partition, kill or pause"),
            (
                "efficient --stall-ms 25",
                "a real machine stalls the nodes by itself",
            ),
            (
                "efficient --virtual --bin target/release/flood --stall-ms 25",
                "--stall-ms is for hubcast in memory",
            ),
            ("efficient --stall-every 0", "from 0.001"),
            ("efficient --maelstrom --latency-dist jvm", "by itself"),
            (
                "partition --nemesis-kind fire",
                "first-three, hub-unheard, hub-deaf, minority or all, not 'fire'",
            ),
            (
                "crash --nemesis-kind all",
                "one-way, first-three, hub-unheard, hub-deaf for partition, not 'all'",
            ),
            (
                "crash --nemesis kill --nemesis-kind one-way",
                "majority, all, hub, first-three for kill, not 'one-way'",
            ),
            ("efficient --nemesis-kind hub", "for runs with a --nemesis"),
            ("efficient --volatile", "--volatile is for crash"),
            (
                "workload",
                "workload takes one of these names first, not '': broadcast, echo",
            ),
            ("workload sing", "not 'sing': broadcast, echo"),
            (
                "workload echo -w kafka",
                "workload echo runs echo; leave '-w kafka' out",
            ),
            (
                "efficient --key-count 0",
                "--key-count takes a whole number from 1 to 30",
            ),
            (
                "efficient --virtual --log-stderr",
                "nodes in memory have no stderr",
            ),
            ("challenges --only 3f", "--only takes 1, 2, 3a,"),
            ("efficient -w sing", "-w takes broadcast, echo"),
            (
                "efficient --concurrency 2m",
                "or 1n, 2n and so on for so many a node, not '2m'",
            ),
            ("efficient --concurrency 0n", "from 1 to 100000"),
            (
                "efficient --concurrency 24",
                "each of 25 nodes has a client at least",
            ),
            (
                "efficient --availability most",
                "--availability takes total, or a share from 0 to 1 like 0.9, not 'most'",
            ),
            ("efficient -- --workload echo", "give it -w NAME"),
            (
                "challenges --virtual --bin x",
                "--virtual runs hubcast in memory",
            ),
            ("challenges --maelstrom --seed 7", "Maelstrom has no --seed"),
            ("challenges -- --hubs 5", "challenges takes no node options"),
            ("efficient --seed", "needs a value"),
            ("efficient --what", "unknown option '--what'"),
            (
                "efficient --virtual --bin /bin/cat",
                "broadcast with --bin target/release/flood",
            ),
            ("trace --what", "no options, not '--what'; see trace --help"),
            ("trace one two", "one story's file, not 'two' as well"),
            (
                "efficient -- --hubs 0",
                "node option: --hubs takes a whole number from 1",
            ),
        ] {
            let UsageError(text) = parse_line(line).expect_err(line);
            assert!(text.contains(part), "{line}: {text}");
        }
    }

    #[test]
    fn hubcast_is_told_its_workload_and_another_node_is_not() {
        assert_eq!(
            options("workload echo").program_args(),
            ["--workload", "echo"]
        );
        assert!(options("workload broadcast").program_args().is_empty());
        assert!(options("workload echo --bin x").program_args().is_empty());
        let args = options("partition -w echo -- --hubs 2").program_args();
        assert_eq!(args.join(" "), "--workload echo --hubs 2");
    }

    #[test]
    fn the_command_that_repeats_a_run_names_the_seed_and_what_differs_from_the_defaults() {
        for line in [
            "efficient --seed 1",
            "workload g-set --node-count 3 --seed 2",
            "crash -w txn-rw-register --node-count 50 --time-limit 7.5 --rate 20 \
             --concurrency 2n --key-count 3 --max-writes-per-key 8 --max-txn-length 2 --latency 30 --latency-dist uniform --loss 0.05 --duplicate 0.01 \
             --service-ms 0.5 --topology tree3 --nemesis partition,kill --nemesis-kind hub --nemesis-interval 3 \
             --stall-ms 25 --stall-every 3 --volatile --availability 0.9 --consistency-models read-uncommitted --quiet 0 \
             --virtual --seed 7 -- --within-ms 585",
            "partition --seed 3 --bin target/release/flood --maelstrom",
        ] {
            assert_eq!(options(line).command_line(), format!("./run.sh {line}"));
        }
        let usual = "efficient --rate 100 --availability 1 --workload broadcast";
        let usual = options(usual).command_line();
        assert_eq!(usual, "./run.sh efficient --seed 1");
    }

    #[test]
    fn clients_are_counted_as_maelstrom_does() {
        let clients = |line: &str| options(line).clients();
        assert_eq!(clients("efficient"), 25);
        assert_eq!(clients("workload echo --concurrency 2n --node-count 3"), 6);
        assert_eq!(clients("workload echo --concurrency 7 --node-count 3"), 7);
    }

    #[test]
    fn a_workload_keeps_journals_where_its_nodes_are_killed() {
        assert!(options("workload echo --nemesis kill,pause").needs_data_dir());
        assert!(!options("workload echo --nemesis pause").needs_data_dir());
        assert!(!options("workload echo --nemesis kill --volatile").needs_data_dir());
    }

    #[test]
    fn the_limits_are_judged_in_the_challenges_own_network_only() {
        assert!(!options("efficient").is_other_network());
        assert!(!options("efficient --seed 3 --time-limit 60").is_tuned());
        assert!(options("efficient -- --within-ms 350").is_tuned());
        assert!(options("efficient -- --hubs 5").is_tuned());
        assert!(!options("efficient -- --log debug").is_tuned());
        assert!(!options("efficient -- --within-ms 400 --data-dir mine").is_tuned());
        assert!(options("efficient --bin x -- --fast").is_tuned());
        assert!(options("efficient --loss 0.05").is_other_network());
        assert!(options("efficient --service-ms 0.5").is_other_network());
        assert!(options("efficient --virtual --stall-ms 25").is_other_network());
        assert!(options("partition").is_other_network());
    }

    /// The promise and the latest that passes, in milliseconds.
    fn promise(line: &str) -> Option<(f64, Option<f64>)> {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let promise = options(line).promise()?;
        Some((ms(promise.within), promise.allowed.map(ms)))
    }

    #[test]
    fn a_promise_is_judged_where_it_is_given_and_can_be_kept() {
        let line = "efficient --virtual";
        assert_eq!(promise(line), Some((400.0, Some(400.0))));
        assert_eq!(promise("efficient"), Some((400.0, Some(410.0))));
        let line = "efficient --virtual --service-ms 0.5 -- --within-ms 585";
        assert_eq!(promise(line), Some((585.0, Some(597.0))), "24 at the door");
        for line in [
            "partition",
            "efficient --loss 0.01",
            "efficient --latency-dist uniform",
            "efficient --virtual --stall-ms 25",
            "efficient --maelstrom",
            "efficient --latency 201",
            "efficient -- --hubs 5 --within-ms 399",
        ] {
            assert_eq!(promise(line).map(|promise| promise.1), Some(None), "{line}");
        }
        assert_eq!(promise("efficient --bin other"), None);
    }

    #[test]
    fn the_network_takes_a_hop_less_where_there_is_no_second_leaf() {
        let network = |line: &str| options(line).promise().map(|p| p.network.as_millis());
        assert_eq!(network("efficient --node-count 1"), Some(0));
        assert_eq!(network("efficient --node-count 2"), Some(100));
        assert_eq!(network("efficient"), Some(200));
        assert_eq!(network("efficient -- --hubs 5"), Some(400));
    }
}
