//! All challenges of Gossip Glomers, one after the other, as a scoreboard.
//!
//! <https://fly.io/dist-sys/>: each names Maelstrom's options, and these are ours. What
//! the series leaves to Maelstrom's defaults is spelled out: 5 operations a second, no
//! latency.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{RUNS, job, lock, say};
use crate::load;
use crate::nodes::{Failure, place, signals};
use crate::run::arguments::Takes::{Nothing, Text, Whole, Words};
use crate::run::arguments::{self, Row};
use crate::run::options::{DEFAULT_SEED, Job, Options, path};
use crate::show::report::Measured;

/// How the challenges are run.
#[derive(Clone, Debug)]
pub struct Challenges {
    /// In virtual time.
    pub virtual_time: bool,
    /// On the real Maelstrom.
    pub maelstrom: bool,
    /// Each one's seed.
    pub seed: u64,
    /// The node's program, or a folder of programs that are named after the challenges;
    /// `None`: hubcast.
    pub bin: Option<PathBuf>,
    /// The places of those to run, ascending; all of them if there are none.
    only: Vec<usize>,
}

impl Default for Challenges {
    fn default() -> Challenges {
        Challenges {
            virtual_time: false,
            maelstrom: false,
            seed: DEFAULT_SEED,
            bin: None,
            only: Vec::new(),
        }
    }
}

impl Challenges {
    fn chosen(&self) -> impl Iterator<Item = &'static Challenge> + '_ {
        let is_chosen = |place: &usize| self.only.is_empty() || self.only.contains(place);
        (0..CHALLENGES.len())
            .filter(is_chosen)
            .map(|place| &CHALLENGES[place])
    }

    /// The program for a challenge; `None`: there is none in the folder, which means 3d or
    /// 3d.py for 3d.
    fn bin_for(&self, id: &str) -> Option<PathBuf> {
        let bin = self.bin.as_ref()?;
        let Ok(entries) = std::fs::read_dir(bin) else {
            return Some(bin.clone());
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let is_its = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == id);
        // With several the first by name, as a listing shows them.
        paths.filter(is_its).min()
    }

    /// Whether there is a node for all that are asked for, before any is run.
    fn check_programs(&self) -> Result<(), Failure> {
        let Some(bin) = self.bin.as_deref().filter(|_| !self.virtual_time) else {
            return Ok(());
        };
        let found: Vec<_> = self.chosen().map(|each| self.bin_for(each.id)).collect();
        let is_missing = match self.only.is_empty() {
            true => found.iter().all(Option::is_none),
            false => found.iter().any(Option::is_none),
        };
        if is_missing {
            return Err(Failure::new(format!(
                "the folder {} has no program for {}: a program is named after its challenge, 3d \
                 or 3d.py",
                place(bin),
                self.chosen()
                    .map(|each| each.id)
                    .collect::<Vec<_>>()
                    .join(", ")
            )));
        }
        (found.iter().flatten()).try_for_each(|path| job::program(Some(path)).map(|_| ()))
    }
}

/// The options of `challenges`.
pub fn rows() -> [Row<Challenges>; 5] {
    [
        Row {
            name: "--only",
            takes: Words(
                "IDS",
                || CHALLENGES.map(|each| each.id.into()).into(),
                |c, places| c.only = places.to_vec(),
            ),
            help: "those alone",
            value: |c| {
                let ids: Vec<&str> = c.only.iter().map(|&place| CHALLENGES[place].id).collect();
                ids.join(",")
            },
        },
        Row {
            name: "--virtual",
            takes: Nothing(|c| c.virtual_time = true),
            help: "on a virtual clock: seconds instead of minutes",
            value: |c| c.virtual_time.to_string(),
        },
        Row {
            name: "--maelstrom",
            takes: Nothing(|c| c.maelstrom = true),
            help: "all of them on the real Maelstrom",
            value: |c| c.maelstrom.to_string(),
        },
        Row {
            name: "--seed",
            takes: Whole("N", [0, u64::MAX], |c, seed| c.seed = seed),
            help: "each one's seed ({})",
            value: |c| c.seed.to_string(),
        },
        Row {
            name: "--bin",
            takes: Text("PATH", |c, path| c.bin = Some(PathBuf::from(path))),
            help: "another node for all of them, or a folder of programs that are named after the \
                   challenges, 3d or 3d.py; Maelstrom's services (seq-kv, ...) are there",
            value: |c| path(&c.bin),
        },
    ]
}

/// A challenge.
#[derive(Clone, Copy, Debug)]
struct Challenge {
    /// As in the series' chapters.
    id: &'static str,
    /// The workload and its options.
    run: &'static str,
}

const fn challenge(id: &'static str, run: &'static str) -> Challenge {
    Challenge { id, run }
}

/// The challenges in the series' order. 3d and 3e have their limits besides; hubcast's
/// default promise is within both.
const CHALLENGES: [Challenge; 14] = [
    challenge(
        "1",
        "echo --node-count 1 --time-limit 10 --rate 5 --latency 0",
    ),
    challenge(
        "2",
        "unique-ids --node-count 3 --time-limit 30 --rate 1000 --latency 0 --availability total \
         --nemesis partition",
    ),
    challenge("3a", "broadcast --node-count 1 --rate 10 --latency 0"),
    challenge("3b", "broadcast --node-count 5 --rate 10 --latency 0"),
    challenge(
        "3c",
        "broadcast --node-count 5 --rate 10 --latency 0 --nemesis partition",
    ),
    challenge("3d", "broadcast --node-count 25 --rate 100 --latency 100"),
    challenge("3e", "broadcast --node-count 25 --rate 100 --latency 100"),
    challenge(
        "4",
        "g-counter --node-count 3 --rate 100 --latency 0 --nemesis partition",
    ),
    challenge(
        "5a",
        "kafka --node-count 1 --concurrency 2n --rate 1000 --latency 0",
    ),
    challenge(
        "5b",
        "kafka --node-count 2 --concurrency 2n --rate 1000 --latency 0",
    ),
    challenge(
        "5c",
        "kafka --node-count 2 --concurrency 2n --rate 1000 --latency 0",
    ),
    challenge(
        "6a",
        "txn-rw-register --node-count 1 --concurrency 2n --rate 1000 --latency 0 \
         --consistency-models read-uncommitted --availability total",
    ),
    challenge(
        "6b",
        "txn-rw-register --node-count 2 --concurrency 2n --rate 1000 --latency 0 \
         --consistency-models read-uncommitted --availability total --nemesis partition",
    ),
    challenge(
        "6c",
        "txn-rw-register --node-count 2 --concurrency 2n --rate 1000 --latency 0 \
         --consistency-models read-committed --availability total --nemesis partition",
    ),
];

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    /// The figures.
    pub measured: Measured,
    /// The median and the maximum of how long clients waited for the answers to the
    /// first kind of operation; `None` where that is not known.
    pub answers: Option<[Duration; 2]>,
    /// Whether it passes.
    pub passed: bool,
    /// The verdict in words, why not before it.
    pub words: String,
}

impl Challenge {
    /// The run's options.
    fn options(&self, challenges: &Challenges) -> Result<Options, Failure> {
        let mut words = self.run.split_whitespace();
        let name = words.next().unwrap_or_default();
        let args: Vec<String> = words.map(String::from).collect();
        let workload = load::NAMES.iter().find(|known| **known == name);
        let options = Options {
            workload: workload.ok_or_else(|| Failure::new("no such workload"))?,
            bin: challenges.bin_for(self.id),
            ..Options::new(Job::Workload)
        };
        let options = options.with(&args);
        let options = options.map_err(|error| Failure::new(error.to_string()))?;
        Ok(Options {
            job: Job::Challenge(self.id),
            virtual_time: challenges.virtual_time,
            maelstrom: challenges.maelstrom,
            seed: challenges.seed,
            ..options
        })
    }

    /// The words of its row that are known before.
    fn head(&self) -> [&'static str; 3] {
        let mut words = self.run.split_whitespace();
        let workload = words.next().unwrap_or_default();
        let after = |name: &str| {
            let mut words = self.run.split_whitespace().skip_while(|word| *word != name);
            words.nth(1).unwrap_or_default()
        };
        [workload, after("--node-count"), after("--rate")]
    }

    /// Why it is not run, if so.
    fn left_out(&self, challenges: &Challenges) -> Option<&'static str> {
        challenges.bin.as_ref()?;
        let has_none = challenges.bin_for(self.id).is_none();
        has_none.then_some("the folder has no program of its name")
    }

    fn row(&self, cells: [&str; 4]) -> String {
        row(self.id, self.head(), cells)
    }
}

fn row(id: &str, [workload, nodes, rate]: [&str; 3], cells: [&str; 4]) -> String {
    let [verdict, messages, median, maximum] = cells;
    format!(
        "{id:<10}{workload:<16}{nodes:>6}{rate:>6}  {verdict:<8}{messages:>12}{median:>10}{maximum:>10}\n"
    )
}

/// Runs the challenges and `tell`s row after row; gives whether all pass. `run` carries
/// out one of them.
///
/// # Errors
///
/// [`Failure`] if a signal came: none of the others is begun.
pub fn run(
    challenges: &Challenges,
    run: impl Fn(&Options) -> Result<Ran, Failure>,
    mut tell: impl FnMut(&str),
) -> Result<bool, Failure> {
    tell(&row(
        "challenge",
        ["workload", "nodes", "rate"],
        ["verdict", "messages/op", "median", "maximum"],
    ));
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), Vec::new());
    let mut why = String::new();
    for challenge in challenges.chosen() {
        if let Some(reason) = challenge.left_out(challenges) {
            left_out.push(reason);
            tell(&challenge.row(["left out", "-", "-", "-"]));
            continue;
        }
        match challenge
            .options(challenges)
            .and_then(|options| run(&options))
        {
            Ok(ran) => {
                passed += usize::from(ran.passed);
                failed.extend((!ran.passed).then_some(challenge.id));
                tell(&ran_row(challenge, &ran));
                for line in ran.words.lines().filter(|_| !ran.passed) {
                    let _ = writeln!(why, "{}: {line}", challenge.id);
                }
            }
            // It is nobody's mistake, and the others would not fare better.
            Err(_) if let Some(number) = signals::signal_received() => {
                return Err(Failure::new(format!(
                    "interrupted by signal {number} in challenge {}",
                    challenge.id
                )));
            }
            Err(failure) => {
                failed.push(challenge.id);
                tell(&challenge.row(["FAIL", "-", "-", "-"]));
                let _ = writeln!(why, "{}: {failure}", challenge.id);
            }
        }
    }
    tell("median and maximum: of the stable latency for broadcast, for others of how soon\n");
    tell("the first kind of operation was answered\n");
    for reason in BTreeSet::from_iter(&left_out) {
        tell(&format!("left out: {reason}\n"));
    }
    tell(&format!("\n{why}"));
    let is_good = failed.is_empty() && passed > 0;
    let verdict = ["FAIL", "PASS"][usize::from(is_good)];
    let all = passed + failed.len();
    tell(&format!("{verdict}: {passed} of {all} passed"));
    tell(&match left_out.len() {
        0 => "\n".into(),
        count => format!(", {count} left out\n"),
    });
    if !failed.is_empty() {
        let mut again = challenges.clone();
        again.only = (0..CHALLENGES.len())
            .filter(|&place| failed.contains(&CHALLENGES[place].id))
            .collect();
        let options = arguments::spell(&rows(), &again, &Challenges::default());
        tell(&format!("these again: ./run.sh challenges{options}\n"));
    }
    Ok(is_good)
}

/// The row of a challenge that was run to its end.
fn ran_row(challenge: &Challenge, ran: &Ran) -> String {
    let is_broadcast = challenge.head()[0] == "broadcast";
    let latency = match (ran.measured.stable_latency, ran.answers) {
        (Some([_, median, _, _, maximum]), _) if is_broadcast => {
            [median, maximum].map(|time| format!("{time} ms"))
        }
        (_, Some(answers)) => answers.map(|time| format!("{:.1} ms", time.as_secs_f64() * 1e3)),
        (_, None) => ["-", "-"].map(String::from),
    };
    let [median, maximum] = &latency;
    let verdict = ["FAIL", "PASS"][usize::from(ran.passed)];
    let messages = format!("{:.2}", ran.measured.messages_per_op);
    challenge.row([verdict, &messages, median, maximum])
}

/// Runs the challenges; says whether all passed.
///
/// # Errors
///
/// [`Failure`] if they are running here already, if `--bin` has no program for them, or if
/// a signal came.
pub fn main(challenges: &Challenges) -> Result<bool, Failure> {
    challenges.check_programs()?;
    let _lock = lock("challenges")?;
    let run = |options: &Options| {
        let options = &job::with_maelstrom(options.clone());
        let (ran, _) = job::carry_out(options, &Path::new(RUNS).join(options.folder()))?;
        Ok(ran)
    };
    self::run(challenges, run, say)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::options::Concurrency;
    use crate::run::recording::in_scratch_folder;
    use crate::show::report;
    use crate::show::report::Judged;

    /// What is told of all challenges if each run comes out like this.
    fn board(challenges: &Challenges, outcome: fn(&Options) -> Result<Ran, Failure>) -> String {
        let mut text = String::new();
        let passed = run(challenges, outcome, |told| text += told).expect("no signal");
        assert_eq!(passed, text.contains("\nPASS: "), "{text}");
        text
    }

    fn ran(options: &Options) -> Result<Ran, Failure> {
        let passed = options.workload != "echo";
        Ok(Ran {
            measured: Measured {
                valid: passed,
                messages_per_op: 1.25,
                stable_latency: Some([0, 90, 95, 99, 100]),
                judged: Judged::All,
                availability: Some(1.0),
            },
            answers: Some([Duration::from_micros(1500), Duration::from_millis(7)]),
            passed,
            words: "it is deaf\n".into(),
        })
    }

    #[test]
    fn a_challenge_has_the_series_own_parameters_and_its_own_limits() {
        let options = |id: &str| {
            let challenge = CHALLENGES.iter().find(|challenge| challenge.id == id);
            let options = challenge.expect(id).options(&Challenges::default());
            options.expect("options")
        };
        let broadcast = options("3e");
        assert_eq!((broadcast.nodes, broadcast.rate), (25, 100.0));
        assert_eq!(broadcast.latency, Duration::from_millis(100));
        assert_eq!(broadcast.folder(), "challenges/3e");
        let limits = |id: &str| report::limits(&options(id)).iter().map(|each| each.name);
        assert!(limits("3d").eq(["3d"]) && limits("3e").eq(["3e"]));
        assert!(limits("3c").next().is_none() && limits("1").next().is_none());
        let alone = options("3a");
        assert_eq!(
            (alone.nodes, alone.concurrency),
            (1, Concurrency::EachNode(1))
        );
        assert!(alone.latency.is_zero() && alone.nemesis.is_empty() && alone.availability == 0.0);
    }

    #[test]
    fn a_row_shows_what_counts_there_and_the_end_says_why_it_failed() {
        let text = board(&Challenges::default(), ran);
        for row in [
            "1         echo                 1     5  FAIL            1.25    1.5 ms    7.0 ms\n",
            "3d        broadcast           25   100  PASS            1.25     90 ms    100 ms\n",
            "\n1: it is deaf\n",
            "\nFAIL: 13 of 14 passed\nthese again: ./run.sh challenges --only 1\n",
        ] {
            assert!(text.contains(row), "{row}:\n{text}");
        }
        let mut rows = text.lines().take_while(|line| !line.is_empty());
        assert!(rows.all(|row| row.len() <= 80), "{text}");
        let dead = board(&Challenges::default(), |_| Err(Failure::of(0, "n0 died")));
        assert!(dead.contains("\n3a: n0 died\n"), "{dead}");
    }

    /// What the command line would make of it.
    fn challenges(line: &str) -> Challenges {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        match crate::cli::parse(&args) {
            Ok(crate::cli::Command::Challenges(challenges)) => challenges,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn only_those_asked_for_are_run_and_the_line_for_those_that_failed_runs_them_again() {
        let chosen = challenges("challenges --only 3d,1,3e --virtual");
        let text = board(&chosen, ran);
        let again = "these again: ./run.sh challenges --only 1 --virtual";
        assert!(
            text.ends_with(&format!("\nFAIL: 2 of 3 passed\n{again}\n")),
            "{text}"
        );
        let line = again.split_once("./run.sh ").expect("a command").1;
        assert!(challenges(line).chosen().map(|each| each.id).eq(["1"]));
    }

    #[test]
    fn a_folder_of_programs_has_one_for_each_challenge_or_that_is_left_out() {
        in_scratch_folder(|folder| {
            std::fs::create_dir_all(folder).expect("a folder");
            for name in ["3d", "3e.py", "3e.md5.txt", "node"] {
                std::fs::write(folder.join(name), "").expect("a program");
            }
            let all = challenges(&format!("challenges --bin {}", folder.display()));
            let text = board(&all, |options| {
                let Job::Challenge(id) = options.job else {
                    panic!("{options:?}");
                };
                let bin = options.bin.as_ref().and_then(|bin| bin.file_stem());
                assert!(bin.is_some_and(|name| name == id), "{options:?}");
                ran(options)
            });
            assert!(
                text.contains("\nPASS: 2 of 2 passed, 12 left out\n"),
                "{text}"
            );
            let missing = challenges(&format!("challenges --only 3c --bin {}", folder.display()));
            let refused = missing
                .check_programs()
                .expect_err("no program")
                .to_string();
            assert!(refused.contains("has no program for 3c: "), "{refused}");
            assert!(board(&missing, ran).contains("\nFAIL: 0 of 0 passed"));
        });
    }

    #[test]
    fn another_node_has_all_challenges_before_it_and_is_told_nothing() {
        let challenges = Challenges {
            bin: Some("other".into()),
            ..Challenges::default()
        };
        let text = board(&challenges, |options| {
            assert!(options.program_args().is_empty());
            ran(options)
        });
        for (id, workload) in [("4", "g-counter"), ("5b", "kafka"), ("5c", "kafka")] {
            assert!(text.contains(&format!("\n{id:<10}{workload}")), "{text}");
        }
        assert!(text.contains("\nFAIL: 13 of 14 passed\n"), "{text}");
    }
}
