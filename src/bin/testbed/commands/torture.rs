//! Thousands of short lives under faults, each drawn from a seed.
//!
//! A run has two phases, as in TigerBeetle's simulator. While faults last, only
//! *safety* is asked for, after every single step. No node holds a value that
//! nobody sent, and none forgets one. No ack is ahead of what was received, and
//! no node says what its neighbour must refuse. Then the network heals, and
//! *liveness* is asked for. Within a [bound](Plan::bound) every node holds every
//! value, every link is quiet, no timer is left and no message is under way.
//!
//! While faults last there is liveness within components: nodes that heard one another, and no
//! others both ways, for [long enough](Plan::standing_bound), hold the same, wherever their hub
//! is. It is looked at whenever a fault begins or ends, where nobody was asked for anything
//! meanwhile and one of them has accepted something since.
//!
//! Faults:
//! - loss, duplication and reordering;
//! - cuts of all kinds, which overlap and may have one direction only;
//! - nodes that are paused (they neither read nor act; what is sent to them waits, as in a
//!   pipe);
//! - nodes that get no processor for some milliseconds now and then, before the heal and
//!   after it;
//! - nodes that are killed;
//! - disks that keep any pages of what was not synced;
//! - disks without room to rewrite a journal.
//!
//! What is killed starts again, often with a clock that was set back, and sometimes without
//! its journal. Load: single values and bursts that are dense, sparse, negative, huge or
//! repeated.
//!
//! Every other life is one of broadcast, the rest are of the other workloads: what each
//! promises is in `promises.rs`. In a thousand lives this happens (`./run.sh torture`):
//!
//! ```text
//! 1000 runs in 77.7 s on 2 processors, seeds from 1 on: no failure
//!      1554554 values given to nodes
//!      1417130 messages between nodes
//!        53600 lost
//!        48708 duplicated
//!        55374 held back
//!       255821 dropped by cuts
//!         1800 cuts
//!          256 pauses
//!            6 components that had long stood, and held the same
//!          241 lives in which nodes stalled now and then
//!          202 lives with delays as of a JVM
//!         2229 restarts with nothing remembered
//!         7003 restarts with a journal
//!         4654 clocks that were set back
//!          187 epochs raised above one that a neighbour knew
//!         2344 crashes in the middle of a write
//!         3218 torn ends of journals cut off
//!         4929 journals not rewritten for want of room
//!        11346 values died with the only node that held them
//!       169631 retransmitted
//!      1584529 steps, safety checked after each
//! the slowest recovery took 87 % of its bound
//! PASS
//! ```
//!
//! A [`Plan`] is plain data, so a failing one can be made smaller.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::has_screen;
use crate::run::arguments::Row;
use crate::run::arguments::Takes::{Nothing, Whole};

mod plan;
mod promises;
mod set;
mod world;

use plan::{Plan, shrink};
use world::run_caught;

/// What the torture depends on.
#[derive(Clone, Debug)]
pub struct Torture {
    /// How many runs.
    pub runs: u64,
    /// The first one's seed.
    pub seed: u64,
    /// Whether a failing one is made smaller.
    pub shrink: bool,
}

impl Default for Torture {
    fn default() -> Torture {
        Torture {
            runs: 1000,
            seed: 1,
            shrink: false,
        }
    }
}

/// The options of `torture`.
/// The options of `torture`.
pub fn rows() -> [Row<Torture>; 3] {
    [
        Row {
            name: "--runs",
            takes: Whole("N", [1, 1_000_000_000], |t, runs| t.runs = runs),
            help: "how many (default {})",
            value: |t| t.runs.to_string(),
        },
        Row {
            name: "--seed",
            takes: Whole("S", [0, u64::MAX], |t, seed| t.seed = seed),
            help: "the first one's seed ({})",
            value: |t| t.seed.to_string(),
        },
        Row {
            name: "--shrink",
            takes: Nothing(|t| t.shrink = true),
            help: "look for a smaller life that fails, too",
            value: |t| t.shrink.to_string(),
        },
    ]
}

/// What happened in a run that went well.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Values given to nodes.
    pub values: u64,
    /// Messages between nodes.
    pub messages: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Held back to reorder them.
    pub reordered: u64,
    /// Dropped by a cut.
    pub cut_off: u64,
    /// Cuts.
    pub cuts: u64,
    /// Pauses.
    pub pauses: u64,
    /// Components that stood long enough to hold the same.
    pub components: u64,
    /// Lives in which nodes got no processor at times.
    pub stalling: u64,
    /// Lives with delays as of a JVM.
    pub jvm: u64,
    /// Nodes that were killed and started again.
    pub restarts: u64,
    /// Of these, with a journal.
    pub restored: u64,
    /// Of these, killed in the middle of a write.
    pub in_write: u64,
    /// Restarts with a clock that was set back.
    pub set_back: u64,
    /// Epochs that were raised above one that a neighbour knew.
    pub raised: u64,
    /// Torn ends that were cut off.
    pub torn: u64,
    /// Journals that could not be rewritten for want of room.
    pub unwritten: u64,
    /// Values that died with the only node that held them.
    pub gone: u64,
    /// Values sent again by a link, in messages.
    pub retransmitted: u64,
    /// Steps after which safety was checked.
    pub steps: u64,
    /// From the heal until every node held everything, as a share of the bound.
    pub recovery: f64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.values += other.values;
        self.messages += other.messages;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.cut_off += other.cut_off;
        self.cuts += other.cuts;
        self.pauses += other.pauses;
        self.components += other.components;
        self.stalling += other.stalling;
        self.jvm += other.jvm;
        self.restarts += other.restarts;
        self.restored += other.restored;
        self.set_back += other.set_back;
        self.raised += other.raised;
        self.in_write += other.in_write;
        self.torn += other.torn;
        self.unwritten += other.unwritten;
        self.gone += other.gone;
        self.retransmitted += other.retransmitted;
        self.steps += other.steps;
        self.recovery = self.recovery.max(other.recovery);
    }
}

/// Runs the plans of `runs` seeds from `seed` on, on all processors, and prints
/// what happened. Gives whether all went well.
pub fn main(torture: &Torture) -> bool {
    let Torture {
        runs,
        seed,
        shrink: shrinks,
    } = *torture;
    let started = std::time::Instant::now();
    let next = AtomicU64::new(0);
    let total = Mutex::new((Tally::default(), 0u64));
    let failures: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let show_progress = has_screen(&io::stderr());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let run_number = next.fetch_add(1, Ordering::Relaxed);
                    // One failure is enough: the later seeds are not begun.
                    let failed = failures.lock().is_ok_and(|failures| !failures.is_empty());
                    if run_number >= runs || failed {
                        return;
                    }
                    let run_seed = seed.wrapping_add(run_number);
                    match run_caught(&Plan::draw(run_seed)) {
                        Ok(tally) => {
                            let Ok(mut total) = total.lock() else { return };
                            total.0.add(&tally);
                            total.1 += 1;
                            if show_progress && total.1 % 100 == 0 {
                                let _ = write!(io::stderr(), "\r{} of {runs} runs", total.1);
                            }
                        }
                        Err(text) => {
                            let Ok(mut failures) = failures.lock() else {
                                return;
                            };
                            failures.insert(run_number, text);
                        }
                    }
                }
            });
        }
    });
    if show_progress {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let (Ok((total, done)), Ok(failures)) = (total.into_inner(), failures.into_inner()) else {
        return false;
    };
    let text = match failures.first_key_value() {
        Some((number, failure)) => failure_text(*number, runs, seed, failure, shrinks),
        None => {
            let time = started.elapsed().as_secs_f64();
            format!(
                "{done} runs in {time:.1} s on {workers} processors, seeds from {seed} on: no failure\n{total}PASS\n"
            )
        }
    };
    let _ = io::stdout().write_all(text.as_bytes());
    failures.is_empty()
}

/// What went wrong in run `number` of `runs`, and how to see it again.
fn failure_text(number: u64, runs: u64, seed: u64, failure: &str, shrinks: bool) -> String {
    let seed = seed.wrapping_add(number);
    let plan = Plan::draw(seed);
    let mut text = format!(
        "FAIL: run {} of {runs}, seed {seed}: {failure}\n{plan}again: ./run.sh torture --runs 1 --seed {seed}\n",
        number + 1
    );
    if !shrinks {
        return text + &format!("smaller: ./run.sh torture --runs 1 --seed {seed} --shrink\n");
    }
    let small = shrink(&plan, |plan| run_caught(plan).is_err());
    let failure = run_caught(&small).err().unwrap_or_default();
    text += &format!("a smaller one that fails: {failure}\n{small}");
    if small.values.len() <= 20 {
        for (at, node, value) in &small.values {
            text += &format!("  {at} s: n{node} is given {value}\n");
        }
    }
    text
}

/// The sums of many runs, a line each.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (count, name) in [
            (self.values, "values given to nodes"),
            (self.messages, "messages between nodes"),
            (self.lost, "lost"),
            (self.duplicated, "duplicated"),
            (self.reordered, "held back"),
            (self.cut_off, "dropped by cuts"),
            (self.cuts, "cuts"),
            (self.pauses, "pauses"),
            (
                self.components,
                "components that had long stood, and held the same",
            ),
            (self.stalling, "lives in which nodes stalled now and then"),
            (self.jvm, "lives with delays as of a JVM"),
            (
                self.restarts - self.restored,
                "restarts with nothing remembered",
            ),
            (self.restored, "restarts with a journal"),
            (self.set_back, "clocks that were set back"),
            (self.raised, "epochs raised above one that a neighbour knew"),
            (self.in_write, "crashes in the middle of a write"),
            (self.torn, "torn ends of journals cut off"),
            (self.unwritten, "journals not rewritten for want of room"),
            (self.gone, "values died with the only node that held them"),
            (self.retransmitted, "retransmitted"),
            (self.steps, "steps, safety checked after each"),
        ] {
            writeln!(f, "{count:>12} {name}")?;
        }
        let share = self.recovery * 100.0;
        writeln!(f, "the slowest recovery took {share:.0} % of its bound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use world::run;

    #[test]
    fn a_few_hundred_drawn_lives_keep_every_promise() {
        let mut total = Tally::default();
        for seed in 0..400 {
            let plan = Plan::draw(seed);
            match run(&plan) {
                Ok(tally) => total.add(&tally),
                Err(text) => panic!("{text}\n{plan}again: ./run.sh torture --runs 1 --seed {seed}"),
            }
        }
        let faults = [
            total.lost,
            total.duplicated,
            total.reordered,
            total.cut_off,
            total.pauses,
        ];
        assert!(
            faults.iter().all(|&count| count > 100) && total.stalling > 50 && total.jvm > 50,
            "every fault has struck: {total:?}"
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_life() {
        assert_eq!(Plan::draw(5), Plan::draw(5));
        assert_eq!(run(&Plan::draw(5)), run(&Plan::draw(5)));
    }

    #[test]
    fn a_failing_plan_shrinks_to_what_makes_it_fail() {
        let plan = (0..)
            .map(Plan::draw)
            .find(|plan| plan.faults.len() > 2 && plan.nodes > 9);
        let plan = plan.expect("most plans are like this");
        let (culprit, fault) = (plan.values[plan.values.len() / 2], plan.faults[1].clone());
        let fails = |plan: &Plan| {
            plan.values
                .iter()
                .any(|(at, _, value)| (*at, *value) == (culprit.0, culprit.2))
                && plan.faults.iter().any(|other| other.start == fault.start)
                && plan.nodes >= 3
        };
        let small = shrink(&plan, fails);
        assert_eq!(
            (small.values.len(), small.faults.len(), small.nodes),
            (1, 1, 3)
        );
        assert_eq!(
            (small.loss, small.duplicate, small.reorder),
            (0.0, 0.0, 0.0)
        );
    }
}
