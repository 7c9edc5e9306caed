//! The judges: what a history of operations says.
//!
//! One file a kind of workload: [`set`] (broadcast and g-set), [`counter`], [`log`]
//! (kafka), [`txn`] with its [`graph`]. Here is what they have in common.

pub mod counter;
mod graph;
pub mod log;
pub mod set;
pub mod txn;

use std::time::Duration;

use hubcast::interval_set::IntervalSet;
use hubcast::time::Instant;

/// When an operation was begun or answered: its place in the history (which
/// decides what came before what) and its time (which measures).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// How many beginnings and ends were before it in the run.
    pub index: u64,
    /// When that was.
    pub time: Instant,
}

/// The highest number that was shown so far, where numbers never go back.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    value: i64,
    since: Mark,
}

impl Peak {
    /// A question that began and was answered then was answered with `value`. Gives the
    /// higher number that had been shown before it began, if there is one.
    pub fn show(peak: &mut Option<Peak>, [begun, answered]: [Mark; 2], value: i64) -> Option<i64> {
        match peak {
            Some(high) if value < high.value => (begun > high.since).then_some(high.value),
            Some(high) if value == high.value => None,
            _ => {
                let since = answered;
                *peak = Some(Peak { value, since });
                None
            }
        }
    }
}

/// The most problems that are spelled out; beyond it they are only counted.
const MAX_PROBLEMS: usize = 20;

/// The most values of a problem that are spelled out; beyond it they are only counted.
pub const MAX_NAMED: usize = 5;

/// The longest sentence that is kept whole. Unit: characters. What a node says may be as
/// long as a line may be.
const MAX_PROBLEM: usize = 400;

/// What is wrong, a sentence each, up to a limit: by Maelstrom's rules, and by ours that
/// are stricter. For somebody else's node only the former decide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems {
    /// With each whether it is ours alone.
    named: Vec<(String, bool)>,
    /// How many more there were, Maelstrom's and ours.
    more: [u64; 2],
}

impl Problems {
    /// Maelstrom calls this invalid.
    pub fn note(&mut self, text: String) {
        self.add(text, false);
    }

    /// Maelstrom lets this pass.
    pub fn stricter(&mut self, text: String) {
        self.add(text, true);
    }

    fn add(&mut self, text: String, is_ours: bool) {
        let alike = self.named.iter().filter(|(_, ours)| *ours == is_ours);
        if alike.count() < MAX_PROBLEMS {
            let text = match text.char_indices().nth(MAX_PROBLEM) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            };
            self.named.push((text, is_ours));
        } else {
            self.more[usize::from(is_ours)] += 1;
        }
    }

    /// Those of another list, behind these.
    pub fn append(&mut self, other: &Problems) {
        for (text, is_ours) in &other.named {
            self.add(text.clone(), *is_ours);
        }
        for (more, others) in self.more.iter_mut().zip(other.more) {
            *more += others;
        }
    }

    /// The sentences, and how many more there would be: those that are Maelstrom's, and
    /// those that are ours alone, as asked.
    pub fn list(&self, maelstroms: bool, ours: bool) -> Vec<String> {
        let wanted = [maelstroms, ours];
        let named = self.named.iter();
        let named = named.filter(|(_, is_ours)| wanted[usize::from(*is_ours)]);
        let more: u64 = (self.more.iter().zip(wanted))
            .map(|(more, wanted)| if wanted { *more } else { 0 })
            .sum();
        let more = (more > 0).then(|| format!("and {more} more like these"));
        named.map(|(text, _)| text.clone()).chain(more).collect()
    }

    /// All sentences.
    #[cfg(test)]
    pub fn all(&self) -> Vec<String> {
        self.list(true, true)
    }

    /// The verdict where nothing but problems tells.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            problems: self.clone(),
            ..Verdict::default()
        }
    }
}

/// What the judge found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What one of these is called, in the user's words; empty where the following
    /// fields mean nothing and only problems tell.
    pub item: &'static str,
    /// Values that were known and then forgotten, or missing from some node's
    /// final read, ascending.
    pub lost: Vec<i64>,
    /// How many values were stable only some time after they were known.
    pub stale: usize,
    /// How many values no read showed.
    pub never_read: usize,
    /// Stable latencies, ascending, in whole milliseconds as in Maelstrom.
    pub stable_latencies: Vec<u64>,
    /// Each value's moment of being known and its stable latency, in the order of values.
    pub by_value: Vec<(i64, Instant, Duration)>,
    /// Everything else that is wrong.
    pub problems: Problems,
    /// What is worth knowing and no fault, a sentence each.
    pub notes: Vec<String>,
}

impl Verdict {
    /// A value is stable that was `known` then, and of which the last read that missed
    /// it, if one did, began then.
    fn stable(&mut self, value: i64, known: Mark, last_absent: Option<Mark>) {
        let latency = last_absent.map_or(Duration::ZERO, |absent| absent.time - known.time);
        self.stable_latencies.push(latency.as_millis() as u64);
        self.stale += usize::from(latency.as_millis() > 0);
        self.by_value.push((value, known.time, latency));
    }
}

/// Which of the `known` values a node does not show in the end; they are a problem.
fn lacks(
    (node, shown): &(String, IntervalSet),
    item: &str,
    known: impl Iterator<Item = i64>,
    problems: &mut Problems,
) -> Vec<i64> {
    let lacks: Vec<i64> = known.filter(|&value| !shown.contains(value)).collect();
    if !lacks.is_empty() {
        problems.note(format!(
            "{node} lacks {} that {} known: {}",
            plural(lacks.len(), item),
            if lacks.len() == 1 { "was" } else { "were" },
            name_some(&lacks)
        ));
    }
    lacks
}

/// The first few of some values, and how many more there are.
pub fn name_some(values: &[i64]) -> String {
    let named: Vec<String> = (values.iter().take(MAX_NAMED))
        .map(i64::to_string)
        .collect();
    let named = named.join(", ");
    match values.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// "1 value", "2 values".
pub fn plural(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// Quantile `p` of ascending values: the one at index min(n - 1, floor(n p)),
/// as in Jepsen; `None` if there are no values.
pub fn quantile<T: Copy>(sorted: &[T], p: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[last.min((sorted.len() as f64 * p) as usize)])
}

#[cfg(test)]
impl Mark {
    /// In hand-made histories no two things happen at once.
    pub fn at(millis: u64) -> Mark {
        Mark {
            index: millis,
            time: Instant::from_millis(millis),
        }
    }
}
