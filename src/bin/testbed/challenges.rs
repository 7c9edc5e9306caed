//! All challenges of Gossip Glomers, one after the other, as a scoreboard.
//!
//! <https://fly.io/dist-sys/>: each names Maelstrom's options, and these are ours. What
//! the series leaves to Maelstrom's defaults is spelled out: 5 operations a second, no
//! latency.

use std::fmt::Write;
use std::time::Duration;

use crate::engine::Failure;
use crate::options::{self, Challenges, Command, Job, Options};
use crate::report::Measured;

/// A challenge.
#[derive(Clone, Copy, Debug)]
struct Challenge {
    /// As in the series' chapters.
    id: &'static str,
    /// The workload and its options.
    run: &'static str,
    /// Whether the series solves it with a key-value service of Maelstrom's, which the
    /// testbed does not have. hubcast needs none.
    needs_service: bool,
}

const fn challenge(id: &'static str, run: &'static str) -> Challenge {
    Challenge {
        id,
        run,
        needs_service: false,
    }
}

const fn with_service(id: &'static str, run: &'static str) -> Challenge {
    Challenge {
        id,
        run,
        needs_service: true,
    }
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
    with_service(
        "4",
        "g-counter --node-count 3 --rate 100 --latency 0 --nemesis partition",
    ),
    challenge(
        "5a",
        "kafka --node-count 1 --concurrency 2n --rate 1000 --latency 0",
    ),
    with_service(
        "5b",
        "kafka --node-count 2 --concurrency 2n --rate 1000 --latency 0",
    ),
    with_service(
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
    /// Why not, a sentence each.
    pub problems: Vec<String>,
}

impl Challenge {
    /// The run's options.
    fn options(&self, challenges: &Challenges) -> Result<Options, Failure> {
        let mut args: Vec<String> = vec!["workload".into()];
        args.extend(self.run.split_whitespace().map(String::from));
        if let Some(bin) = &challenges.bin {
            args.extend(["--bin".into(), bin.display().to_string()]);
        }
        let options = match options::parse(&args) {
            Ok(Command::Run(options)) => *options,
            Ok(_) => return Err(Failure::new("it is no run")),
            Err(error) => return Err(Failure::new(error.to_string())),
        };
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
        "{id:<11}{workload:<17}{nodes:>5}{rate:>7}  {verdict:<9}{messages:>12}{median:>12}{maximum:>12}\n"
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
    let (mut passed, mut failed, mut left_out) = (0, 0, 0);
    let mut why = String::new();
    for challenge in CHALLENGES {
        if challenge.needs_service && challenges.bin.is_some() {
            left_out += 1;
            tell(&challenge.row(["left out", "-", "-", "-"]));
            continue;
        }
        match challenge
            .options(challenges)
            .and_then(|options| run(&options))
        {
            Ok(ran) => {
                passed += u32::from(ran.passed);
                failed += u32::from(!ran.passed);
                tell(&ran_row(&challenge, &ran));
                for problem in ran.problems {
                    let _ = writeln!(why, "{}: {problem}", challenge.id);
                }
            }
            Err(failure) => {
                failed += 1;
                tell(&challenge.row(["FAIL", "-", "-", "-"]));
                let _ = writeln!(why, "{}: {failure}", challenge.id);
            }
        }
    }
    tell(
        "latency: stable latency for broadcast, else how soon the first kind of operation was answered\n",
    );
    if left_out > 0 {
        tell(
            "left out: needs a key-value service of Maelstrom's, which the testbed does not have\n",
        );
    }
    tell(&format!("\n{why}"));
    let verdict = ["FAIL", "PASS"][usize::from(failed == 0)];
    tell(&format!(
        "{verdict}: {passed} of {} passed",
        passed + failed
    ));
    let left_out = match left_out {
        0 => "\n".into(),
        left_out => format!(", {left_out} left out\n"),
    };
    tell(&left_out);
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
