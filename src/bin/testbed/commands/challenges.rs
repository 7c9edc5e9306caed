//! All challenges of Gossip Glomers, one after the other, as a scoreboard.
//!
//! <https://fly.io/dist-sys/>: each names Maelstrom's options, and these are ours. What
//! the series leaves to Maelstrom's defaults is spelled out: 5 operations a second, no
//! latency.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{RUNS, job, lock, say};
use crate::load;
use crate::nodes::Failure;
use crate::run::arguments::Row;
use crate::run::arguments::Takes::{Nothing, Text, Whole};
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
    /// The node's program; `None`: hubcast.
    pub bin: Option<PathBuf>,
}

impl Default for Challenges {
    fn default() -> Challenges {
        Challenges {
            virtual_time: false,
            maelstrom: false,
            seed: DEFAULT_SEED,
            bin: None,
        }
    }
}

/// The options of `challenges`.
/// The options of `challenges`.
pub fn rows() -> [Row<Challenges>; 4] {
    [
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
            help: "another node for all of them; Maelstrom's services (seq-kv, ...) are there",
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
            bin: challenges.bin.clone(),
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

/// Runs all challenges and `tell`s row after row; gives whether all pass. `run` carries
/// out one of them.
pub fn run(
    challenges: &Challenges,
    run: impl Fn(&Options) -> Result<Ran, Failure>,
    mut tell: impl FnMut(&str),
) -> bool {
    tell(&row(
        "challenge",
        ["workload", "nodes", "rate"],
        ["verdict", "messages/op", "median", "maximum"],
    ));
    let (mut passed, mut failed) = (0, 0);
    let mut why = String::new();
    for challenge in CHALLENGES {
        match challenge
            .options(challenges)
            .and_then(|options| run(&options))
        {
            Ok(ran) => {
                passed += u32::from(ran.passed);
                failed += u32::from(!ran.passed);
                tell(&ran_row(&challenge, &ran));
                for line in ran.words.lines().filter(|_| !ran.passed) {
                    let _ = writeln!(why, "{}: {line}", challenge.id);
                }
            }
            Err(failure) => {
                failed += 1;
                tell(&challenge.row(["FAIL", "-", "-", "-"]));
                let _ = writeln!(why, "{}: {failure}", challenge.id);
            }
        }
    }
    tell("median and maximum: of the stable latency for broadcast, for others of how soon\n");
    tell("the first kind of operation was answered\n");
    tell(&format!("\n{why}"));
    let verdict = ["FAIL", "PASS"][usize::from(failed == 0)];
    tell(&format!(
        "{verdict}: {passed} of {} passed\n",
        passed + failed
    ));
    failed == 0
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

/// Runs all challenges; says whether all passed.
///
/// # Errors
///
/// [`Failure`] if they are running here already.
pub fn main(challenges: &Challenges) -> Result<bool, Failure> {
    let _lock = lock("challenges")?;
    let run = |options: &Options| {
        let options = &job::with_maelstrom(options.clone());
        let (ran, _) = job::carry_out(options, &Path::new(RUNS).join(options.folder()))?;
        Ok(ran)
    };
    Ok(self::run(challenges, run, say))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::options::Concurrency;
    use crate::show::report;
    use crate::show::report::Judged;

    /// What is told of all challenges if each run comes out like this.
    fn board(challenges: &Challenges, outcome: fn(&Options) -> Result<Ran, Failure>) -> String {
        let mut text = String::new();
        let passed = run(challenges, outcome, |told| text += told);
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
        assert!(alone.latency.is_zero() && alone.nemesis.is_empty() && !alone.is_total);
    }

    #[test]
    fn a_row_shows_what_counts_there_and_the_end_says_why_it_failed() {
        let text = board(&Challenges::default(), ran);
        for row in [
            "1         echo                 1     5  FAIL            1.25    1.5 ms    7.0 ms\n",
            "3d        broadcast           25   100  PASS            1.25     90 ms    100 ms\n",
            "\n1: it is deaf\n",
            "\nFAIL: ",
        ] {
            assert!(text.contains(row), "{row}:\n{text}");
        }
        let mut rows = text.lines().take_while(|line| !line.is_empty());
        assert!(rows.all(|row| row.len() <= 80), "{text}");
        let dead = board(&Challenges::default(), |_| Err(Failure::of(0, "n0 died")));
        assert!(dead.contains("\n3a: n0 died\n"), "{dead}");
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
        assert!(text.ends_with("\nFAIL: 13 of 14 passed\n"), "{text}");
    }
}
