//! The outcome of a run: verdict, limits, table and `results.json`.

use std::fmt::Write;
use std::time::Duration;

use crate::judge::{Verdict, name_some, plural, quantile};
use crate::run::arguments;
use crate::run::engine::{Counts, Fault, KindCounts};
use crate::run::options::{Job, Options};
use crate::run::spread;
use crate::world::nemesis::Tool;
use hubcast::json::Json;
use hubcast::time::Instant;

/// What a challenge of Gossip Glomers allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The challenge.
    pub name: &'static str,
    /// Fewer messages between servers per operation than this.
    pub messages_per_op: f64,
    /// A median stable latency below this. Unit: milliseconds.
    pub median: u64,
    /// A maximum stable latency below this. Unit: milliseconds.
    pub maximum: u64,
}

/// Challenge 3d, "Efficient Broadcast, Part I".
pub const LIMITS_3D: Limits = Limits {
    name: "3d",
    messages_per_op: 30.0,
    median: 400,
    maximum: 600,
};

/// Challenge 3e, "Efficient Broadcast, Part II".
pub const LIMITS_3E: Limits = Limits {
    name: "3e",
    messages_per_op: 20.0,
    median: 1000,
    maximum: 2000,
};

/// The limits of the challenge that is run; both, as the standard run is in both's setting.
pub fn limits(options: &Options) -> &'static [Limits] {
    match options.job {
        Job::Challenge("3d") => &[LIMITS_3D],
        Job::Challenge("3e") => &[LIMITS_3E],
        Job::Challenge(_) | Job::Workload => &[],
        _ if !options.is_broadcast() || options.is_other_network() => &[],
        _ => &[LIMITS_3D, LIMITS_3E],
    }
}

/// The limits that a run is held against for comparison, also where they do not apply.
pub fn compared(options: &Options) -> &'static [Limits] {
    match options.job {
        Job::Efficient | Job::Partition | Job::Crash if options.is_broadcast() => {
            &[LIMITS_3D, LIMITS_3E]
        }
        _ => limits(options),
    }
}

/// Those of them that decide: with other settings of node or load 3e's.
fn deciding(options: &Options) -> &'static [Limits] {
    match limits(options) {
        [_, second] if options.is_tuned() => std::slice::from_ref(second),
        limits => limits,
    }
}

/// The figures that the challenges are about, ours or the real Maelstrom's.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Nothing lost, nothing wrong.
    pub valid: bool,
    /// Messages between servers per client operation.
    pub messages_per_op: f64,
    /// Quantiles 0, 0.5, 0.95, 0.99 and 1 of the stable latency in
    /// milliseconds; `None` if no value became stable.
    pub stable_latency: Option<[u64; 5]>,
    /// What of it is judged.
    pub judged: Judged,
    /// Which part of all operations succeeded; `None` where it is judged by
    /// somebody else.
    pub availability: Option<f64>,
}

/// Which latencies the limits and the promise are held against.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// All.
    All,
    /// Those of the values that no stall of the machine touched; their quantiles.
    Untouched(Option<[u64; 5]>),
    /// None: the machine stalled too much, for so many milliseconds at worst. Only a
    /// median that this cannot explain is judged.
    Not(u64),
}

/// The quantiles in [`Measured::stable_latency`].
pub const QUANTILES: [(&str, f64); 5] = [
    ("p0", 0.0),
    ("p50", 0.5),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p100", 1.0),
];

impl Measured {
    /// The latencies that count.
    fn latencies(&self) -> Option<[u64; 5]> {
        match self.judged {
            Judged::All => self.stable_latency,
            Judged::Untouched(latencies) => latencies,
            Judged::Not(_) => None,
        }
    }

    /// Whether the figures are within a challenge's limits; `None`: nobody can tell.
    pub fn meets(&self, limits: &Limits) -> Option<bool> {
        if let (Judged::Not(longest), Some([_, median, ..])) = (&self.judged, self.stable_latency) {
            let is_slow = median >= limits.median + longest * MOST_STALLS;
            let is_bad = is_slow || self.messages_per_op >= limits.messages_per_op;
            return is_bad.then_some(false);
        }
        let within = |[_, median, _, _, max]: [u64; 5]| {
            self.messages_per_op < limits.messages_per_op
                && median < limits.median
                && max < limits.maximum
        };
        Some(self.latencies().is_some_and(within))
    }

    /// Whether as many operations succeeded as are demanded: all in `efficient`, which cuts
    /// nobody off, so there is no excuse. Maelstrom demands only what was asked for;
    /// `is_strict`: we do.
    pub fn is_available(&self, options: &Options, is_strict: bool) -> bool {
        let is_own = options.job == Job::Efficient && options.availability == 1.0;
        let is_demanded = is_strict || !is_own;
        let share = self.availability.filter(|_| is_demanded);
        share.is_none_or(|part| part >= options.availability)
    }

    /// Whether the promise was kept; `None` where it is not judged.
    pub fn keeps_promise(&self, options: &Options) -> Option<bool> {
        let allowed = options.promise()?.allowed?;
        let [.., max] = self.latencies()?;
        Some(Duration::from_millis(max) <= allowed)
    }

    /// Whether the run passes: valid, available, as early as promised, and within the
    /// [`limits`] that count for it.
    pub fn passes(&self, options: &Options) -> bool {
        self.valid
            && self.is_available(options, options.is_strict())
            && self.keeps_promise(options) != Some(false)
            && (deciding(options).iter()).all(|limits| self.meets(limits) != Some(false))
    }
}

/// How long the nodes may take to make up for a stall, at least.
///
/// Unit: time. What missed a departure may go with the next one, a promise later; what
/// was taken for lost is sent again after a second.
const LEAST_AFTERMATH: Duration = Duration::from_secs(1);

/// How many of the longest stalls may make half of all values late.
///
/// Unit: times the longest stall. A value crosses two edges and is read once; a median
/// that is later than this is the node's.
const MOST_STALLS: u64 = 3;

/// The most stalls that `results.json` names.
const MAX_STALLS: usize = 20;

/// A finished run with its meaning.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// What was run.
    pub options: &'a Options,
    /// What was counted.
    pub counts: &'a Counts,
    /// What the judge says.
    pub verdict: &'a Verdict,
}

impl Outcome<'_> {
    /// The figures that count.
    pub fn measured(&self) -> Measured {
        let sorted = &self.verdict.stable_latencies;
        let kinds = || self.counts.kinds.iter().map(|kind| kind.outcomes);
        let all: u64 = kinds().map(|outcomes| outcomes.all()).sum();
        let ok: u64 = kinds().map(|outcomes| outcomes.ok).sum();
        Measured {
            valid: self.problems().is_empty(),
            availability: (all > 0).then(|| ok as f64 / all as f64),
            messages_per_op: self.counts.server.total as f64 / self.counts.ops.max(1) as f64,
            stable_latency: quantiles(sorted),
            judged: self.judged(),
        }
    }

    /// What the machine's stalls leave to be judged.
    fn judged(&self) -> Judged {
        let by_value = &self.verdict.by_value;
        let left: Vec<_> = by_value
            .iter()
            .filter(|entry| !self.is_touched(entry))
            .collect();
        if left.len() == by_value.len() {
            return Judged::All;
        }
        if left.len() * 2 < by_value.len() {
            let longest = self.counts.stalls.iter().map(|stall| stall.time).max();
            return Judged::Not(longest.unwrap_or_default().as_millis() as u64);
        }
        let latencies = left.iter().map(|(.., latency)| latency.as_millis() as u64);
        let mut latencies: Vec<u64> = latencies.collect();
        latencies.sort_unstable();
        Judged::Untouched(quantiles(&latencies))
    }

    /// Whether a stall may have delayed a value: while it spread, or so shortly before
    /// that the nodes were still making up for it.
    fn is_touched(&self, &(_, known, latency): &(i64, Instant, Duration)) -> bool {
        let promised = self.options.promise().map(|promise| promise.within);
        let aftermath = promised.unwrap_or_default().max(LEAST_AFTERMATH);
        let mut stalls = self.counts.stalls.iter();
        stalls.any(|stall| stall.start() <= known + latency && known <= stall.end + aftermath)
    }

    /// What the machine did to the run, in words; `None`: nothing.
    fn stalls_text(&self, measured: &Measured) -> Option<String> {
        let stalls = &self.counts.stalls;
        let worst = stalls.iter().max_by_key(|stall| stall.time)?;
        let who = match worst.node {
            Some(node) => format!("n{node}"),
            None => "the testbed".into(),
        };
        let by_value = &self.verdict.by_value;
        let touched = by_value.iter().filter(|entry| self.is_touched(entry));
        let what = match (measured.judged.clone(), self.verdict.item) {
            (Judged::All, _) | (_, "") => "that touched nothing that is judged".into(),
            (Judged::Untouched(_), item) => format!(
                "what took {} of {} {item}s longer is not judged",
                touched.count(),
                by_value.len()
            ),
            (Judged::Not(_), _) => "promise and limits of latency are not judged \
                                 (--virtual needs no quiet machine)"
                .into(),
        };
        Some(format!(
            "the machine stalled {} (at {:.1} s {who} got no processor for {} ms): {what}",
            plural(stalls.len(), "time"),
            worst.end.as_secs_f64(),
            worst.time.as_millis()
        ))
    }

    /// Everything that makes the run invalid, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for KindCounts {
            name,
            outcomes,
            refused,
            ..
        } in &self.counts.kinds
        {
            if outcomes.ok == 0 && outcomes.all() > 0 {
                let why = refused
                    .as_ref()
                    .map_or(String::new(), |why| format!(": {why}"));
                problems.push(format!("no {name} succeeded, of {}{why}", outcomes.all()));
            }
        }
        let lost = &self.verdict.lost;
        if !lost.is_empty() {
            let item = self.verdict.item;
            let (values, were) = (plural(lost.len(), item), ["were", "was"]);
            let were = were[usize::from(lost.len() == 1)];
            problems.push(format!("{values} {were} lost: {}", name_some(lost)));
        }
        let ours = self.options.is_strict();
        problems.extend(self.verdict.problems.list(true, ours));
        problems.extend(self.counts.problems.list(true, ours));
        problems
    }

    /// What Maelstrom lets pass, where that decides: a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.options.is_strict() {
            notes.extend(self.verdict.problems.list(false, true));
            notes.extend(self.counts.problems.list(false, true));
            if !self.measured().is_available(self.options, true) {
                notes.push("some operations failed, and in efficient all should succeed".into());
            }
        }
        notes
    }

    /// How long clients waited for the answers to the load's first kind of operation:
    /// the median and the maximum.
    pub fn answers(&self) -> Option<[Duration; 2]> {
        let mut sorted = self.counts.kinds.first()?.latency.clone();
        sorted.sort_unstable();
        Some([quantile(&sorted, 0.5)?, quantile(&sorted, 1.0)?])
    }

    /// The median of the recoveries that were seen.
    fn median_recovery(&self) -> Option<Duration> {
        let faults = self.counts.faults.iter();
        let mut times: Vec<Duration> = faults.filter_map(|each| each.recovery).collect();
        times.sort_unstable();
        quantile(&times, 0.5)
    }

    /// From the last operation before the quiet to the last message between nodes.
    fn quiet_after(&self) -> Option<Duration> {
        Some(self.counts.last_message? - self.counts.last_op?)
    }

    /// `results.json`.
    pub fn to_json(&self) -> Json<'static> {
        let (counts, options, measured) = (self.counts, self.options, self.measured());
        let stable = measured.stable_latency.map(|values| {
            let names = QUANTILES.iter().map(|(name, _)| *name);
            object(names.zip(values.map(int)))
        });
        let availability = measured
            .availability
            .map(|part| Json::Number(format!("{:.5}", floor(part, 5)).into()));
        let links = (counts.links.iter())
            .map(|(name, count)| (name.clone().into(), Json::Int(*count)))
            .collect();
        let lost = self.verdict.lost.iter().map(|&value| Json::Int(value));
        let limits = compared(options)
            .iter()
            .map(|each| (each.name, or_null(measured.meets(each).map(Json::Bool))));
        object([
            ("valid", Json::Bool(measured.valid)),
            ("command", Json::String(options.job.name().into())),
            ("seed", Json::Number(options.seed.to_string().into())),
            ("workload", Json::String(options.workload.into())),
            ("virtual", Json::Bool(options.virtual_time)),
            ("nodes", int(options.nodes as u64)),
            ("node_args", strings(options.node_args.clone())),
            ("ops", int(counts.ops)),
            ("broadcasts", int(self.begun("broadcast"))),
            ("timeouts", int(counts.timeouts)),
            ("operations", self.operations_json()),
            ("availability", or_null(availability)),
            ("msgs_per_op", float(measured.messages_per_op)),
            ("server_messages", self.server_json()),
            ("links", Json::Object(links)),
            ("quiet_after_ms", or_null(self.quiet_after().map(ms))),
            ("stable_latency_ms", or_null(stable)),
            (
                "client_latency_ms",
                object((counts.kinds.iter()).map(|kind| (kind.name, latency(&kind.latency)))),
            ),
            ("item", Json::String(self.verdict.item.into())),
            ("lost", Json::Array(lost.collect())),
            ("stale", int(self.verdict.stale as u64)),
            ("never_read", int(self.verdict.never_read as u64)),
            ("faults", self.faults_json(None)),
            ("partitions", self.faults_json(Some(Tool::Partition))),
            (
                "median_recovery_ms",
                or_null(self.median_recovery().map(ms)),
            ),
            ("promise", self.promise_json(&measured)),
            ("limits", object(limits)),
            ("stalls", self.stalls_json()),
            (
                "latency_judged",
                Json::Bool(!matches!(measured.judged, Judged::Not(_))),
            ),
            ("problems", strings(self.problems())),
            ("stricter", strings(self.notes())),
        ])
    }

    /// The longest first.
    fn stalls_json(&self) -> Json<'static> {
        let mut stalls = self.counts.stalls.clone();
        stalls.sort_by_key(|stall| std::cmp::Reverse(stall.time));
        let stalls = stalls.iter().take(MAX_STALLS).map(|stall| {
            object([
                ("node", or_null(stall.node.map(|node| int(node as u64)))),
                ("end_s", float(stall.end.as_secs_f64())),
                ("ms", ms(stall.time)),
            ])
        });
        Json::Array(stalls.collect())
    }

    /// `null` for a node that promises nothing; `kept` is `null` where nobody judges.
    fn promise_json(&self, measured: &Measured) -> Json<'static> {
        let promise = self.options.promise().map(|promise| {
            object([
                ("within_ms", ms(promise.within)),
                ("network_ms", ms(promise.network)),
                ("allowed_ms", or_null(promise.allowed.map(ms))),
                (
                    "kept",
                    or_null(measured.keeps_promise(self.options).map(Json::Bool)),
                ),
            ])
        });
        or_null(promise)
    }

    /// How many operations of a kind were begun; 0 where the load has no such kind.
    fn begun(&self, name: &str) -> u64 {
        let mut kinds = self.counts.kinds.iter();
        kinds
            .find(|kind| kind.name == name)
            .map_or(0, |kind| kind.begun)
    }

    fn operations_json(&self) -> Json<'static> {
        object(self.counts.kinds.iter().map(|kind| {
            let counts = [
                ("ok", int(kind.outcomes.ok)),
                ("failed", int(kind.outcomes.failed)),
                ("indeterminate", int(kind.outcomes.indeterminate)),
            ];
            (kind.name, object(counts))
        }))
    }

    fn server_json(&self) -> Json<'static> {
        let server = self.counts.server;
        object([
            ("total", int(server.total)),
            ("delta", int(server.delta)),
            ("ack", int(server.ack)),
            ("sync", int(server.sync)),
            ("retransmitted", int(server.retransmitted)),
            ("dropped", int(server.dropped)),
            ("duplicated", int(server.duplicated)),
        ])
    }

    /// The faults, or the partitions alone, which other programs read. What `given`,
    /// `reached` and the two times of `spread` mean stands in [`spread`].
    fn faults_json(&self, only: Option<Tool>) -> Json<'static> {
        let faults = self.counts.faults.iter();
        let faults = faults.filter(|fault| only.is_none_or(|only| fault.tool == only));
        let faults = faults.map(|fault| {
            let end = fault.end.map(|end| float(end.as_secs_f64()));
            let nodes = fault.nodes.iter().map(|&node| int(node as u64));
            let what = [
                ("fault", Json::String(fault.tool.name().into())),
                ("nodes", Json::Array(nodes.collect())),
            ];
            let row = [
                ("kind", Json::String(fault.kind.into())),
                ("start_s", float(fault.start.as_secs_f64())),
                ("end_s", or_null(end)),
                ("recovery_ms", or_null(fault.recovery.map(ms))),
                ("given", int(fault.given as u64)),
                ("reached", int(fault.took.len() as u64)),
                (
                    "spread_median_ms",
                    or_null(quantile(&fault.took, 0.5).map(ms)),
                ),
                ("spread_max_ms", or_null(quantile(&fault.took, 1.0).map(ms))),
            ];
            let what = what.into_iter().filter(|_| only.is_none());
            object(what.chain(row))
        });
        Json::Array(faults.collect())
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let (counts, measured) = (self.counts, self.measured());
        let mut text = table(&measured, self.options);
        text += &self.answers_text();
        text += &self.operations_text();
        let server = counts.server;
        let deltas = format!(
            "{} messages between nodes: {} deltas ({} with nothing new)",
            server.total, server.delta, server.retransmitted
        );
        let mut messages = vec![deltas, format!("{} acks alone", server.ack)];
        if server.sync > 0 {
            messages.push(format!("{} digests", server.sync));
        }
        messages.push(format!("{} dropped", server.dropped));
        messages.push(format!("{} duplicated", server.duplicated));
        text += &listed(&messages);
        let Verdict { item, lost, .. } = self.verdict;
        if !item.is_empty() {
            let (lost, stale) = (lost.len(), self.verdict.stale);
            let never_read = self.verdict.never_read;
            let _ = writeln!(text, "{lost} {item}s lost, {never_read} never read");
            if stale > 0 {
                let _ = writeln!(
                    text,
                    "{stale} stale: some read missed them at first, as on any network with latency"
                );
            }
        }
        let notes = self.notes();
        for note in &notes {
            let _ = writeln!(text, "stricter than Maelstrom: {note}");
        }
        if !notes.is_empty() {
            let count = plural(notes.len(), "note");
            let _ = writeln!(
                text,
                "{count} of rules that Maelstrom does not have; --strict lets them decide"
            );
        }
        if !lost.is_empty() && !self.options.is_strict() {
            let _ = writeln!(
                text,
                "Maelstrom may let the loss pass by luck: there the last read decides, here every node's"
            );
        }
        for note in &self.verdict.notes {
            let _ = writeln!(text, "{note}");
        }
        if !counts.links.is_empty() {
            let links = counts.links.iter();
            let mut links: Vec<_> = links
                .map(|(name, count)| match name.as_str() {
                    // The testbed has its own word for what was not new.
                    "retransmitted" => format!("{count} sent again after a timeout or a loss"),
                    name => format!("{count} {name}"),
                })
                .collect();
            links[0].insert_str(0, "what the nodes' links counted: ");
            text += &listed(&links);
        }
        if let Some(time) = self.quiet_after() {
            let _ = writeln!(
                text,
                "the last message between nodes was sent {:.2} s after the last operation",
                time.as_secs_f64()
            );
        }
        if !self.options.nemesis.is_empty() {
            text += &self.faults_text();
        }
        if let Some(stalls) = self.stalls_text(&measured) {
            let _ = writeln!(text, "{stalls}");
        }
        text.push('\n');
        text + &verdict_text(&measured, self.options, &self.problems())
    }

    /// How long clients waited.
    fn answers_text(&self) -> String {
        let kinds = self.counts.kinds.iter();
        let rows = kinds.flat_map(|KindCounts { name, latency, .. }| {
            let mut sorted = latency.clone();
            sorted.sort_unstable();
            let row = |(label, p)| {
                let time = quantile(&sorted, p)?;
                let shown = format!("{:.1} ms", time.as_secs_f64() * 1e3);
                Some((format!("{name} answered in, {label}"), shown))
            };
            [("median", 0.5), ("maximum", 1.0)].map(row)
        });
        let rows: Vec<(String, String)> = rows.flatten().collect();
        let width = rows.iter().map(|(name, _)| name.len() + 1).max();
        let width = width.unwrap_or_default().max(NAME_COLUMN);
        let rows = rows.iter();
        rows.map(|(name, shown)| format!("{name:<width$}{shown:>11}\n"))
            .collect()
    }

    /// How the operations ended.
    fn operations_text(&self) -> String {
        let kinds = self.counts.kinds.iter();
        let longest = kinds.map(|kind| several(kind.name).len() + 1).max();
        let width = longest.unwrap_or(0).max(18);
        let mut text = format!(
            "\n{:<width$}{:>10}{:>10}{:>16}{:>14}\n",
            "operations", "ok", "failed", "indeterminate", "availability"
        );
        for KindCounts { name, outcomes, .. } in &self.counts.kinds {
            let available = outcomes.ok as f64 / outcomes.all().max(1) as f64;
            let _ = writeln!(
                text,
                "{:<width$}{:>10}{:>10}{:>16}{:>14}",
                several(name),
                outcomes.ok,
                outcomes.failed,
                outcomes.indeterminate,
                percent(available),
            );
        }
        text.push('\n');
        text
    }

    /// The faults and what it took to get over them.
    fn faults_text(&self) -> String {
        // With one tool its name stands above, and not in every row.
        let only = match self.options.nemesis[..] {
            [only] => Some(only.name()),
            _ => None,
        };
        let width = if only.is_some() { 18 } else { 26 };
        // Where every fault was too short nothing is said of what spread meanwhile.
        let is_measured = self.counts.faults.iter().any(|fault| fault.given > 0);
        let row = |name: &str, start: &str, end: &str, recovery: &str, spread: [&str; 2]| {
            let [reached, took] = spread;
            let spread = format!("{reached:>10}{took:>16}");
            let spread = if is_measured { spread.as_str() } else { "" };
            let row = format!("{name:<width$}{start:>10}{end:>10}{recovery:>12}{spread}");
            String::from(row.trim_end()) + "\n"
        };
        let head = only.unwrap_or("fault");
        let mut text = String::from("\n");
        text += &row(head, "start", "end", "recovery", ["reached", "took"]);
        for fault in &self.counts.faults {
            let recovery = match fault.recovery {
                Some(time) => format!("{} ms", time.as_millis()),
                None if fault.interrupted => "interrupted".into(),
                None if fault.unjudged => "not judged".into(),
                None => "not seen".into(),
            };
            let time = |time: Option<f64>| time.map_or("-".into(), |time| format!("{time:.1} s"));
            text += &row(
                &match only {
                    Some(_) => fault.kind.to_owned(),
                    None => format!("{} {}", fault.tool.name(), fault.kind),
                },
                &time(Some(fault.start.as_secs_f64())),
                &time(fault.end.map(|end| end.as_secs_f64())),
                &recovery,
                [&reached(fault), &took(fault)],
            );
        }
        if let Some(median) = self.median_recovery() {
            let median = format!("{} ms", median.as_millis());
            text += &row("median", "", "", &median, ["", ""]);
        }
        if is_measured {
            let (after, before) = (
                spread::SETTLING.as_secs_f64(),
                spread::PATIENCE.as_secs_f64(),
            );
            let _ = writeln!(
                text,
                "reached: values that were on all connected nodes before the fault's end, of those \
                 given\nfrom {after} s after its start to {before} s before its end; took: median \
                 and maximum"
            );
        }
        text
    }
}

/// Of the values given during a fault, how many reached their component.
fn reached(fault: &Fault) -> String {
    match fault.given {
        0 => "-".into(),
        given => format!("{}/{given}", fault.took.len()),
    }
}

/// How long these took: median and maximum.
fn took(fault: &Fault) -> String {
    let part = |p| quantile(&fault.took, p).map(|time| time.as_millis());
    match (part(0.5), part(1.0)) {
        (Some(median), Some(maximum)) => format!("{median}/{maximum} ms"),
        _ => "-".into(),
    }
}

/// What several operations of a kind are called.
fn several(kind: &str) -> String {
    let s = if kind.ends_with('s') { "" } else { "s" };
    format!("{kind}{s}")
}

/// Rounds down to so many decimals: what is not everything must not look like it.
fn floor(part: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (part * scale).floor() / scale
}

fn percent(part: f64) -> String {
    if part >= 1.0 {
        return "100 %".into();
    }
    format!("{:.2} %", floor(part, 4) * 100.0)
}

/// The table of figures, and of the limits where they apply.
pub fn table(measured: &Measured, options: &Options) -> String {
    let limits = limits(options);
    let mut text = String::new();
    let heads = limits
        .iter()
        .flat_map(|each| [format!("{}'s limit", each.name), "headroom".into()]);
    line(&mut text, "", "measured", heads);
    let mut row = |name: &str, value: f64, shown: String, limit: fn(&Limits) -> f64, unit: &str| {
        let cells = limits.iter().flat_map(|each| {
            let headroom = (1.0 - value / limit(each)) * 100.0;
            [
                format!("< {}{unit}", limit(each)),
                format!("{headroom:.0} %"),
            ]
        });
        line(&mut text, name, &shown, cells);
    };
    let value = measured.messages_per_op;
    row(
        "messages per operation",
        value,
        format!("{value:.2}"),
        |limits| limits.messages_per_op,
        "",
    );
    if let Some([_, median, _, _, max]) = measured.stable_latency {
        row(
            "stable latency, median",
            median as f64,
            format!("{median} ms"),
            |limits| limits.median as f64,
            " ms",
        );
        row(
            "stable latency, maximum",
            max as f64,
            format!("{max} ms"),
            |limits| limits.maximum as f64,
            " ms",
        );
        text += &promise_row(options);
    }
    text
}

/// What hubcast promised, below the maximum that was measured.
fn promise_row(options: &Options) -> String {
    let Some(promise) = options.promise() else {
        return String::new();
    };
    let mut text = String::new();
    line(&mut text, "promised within", &shown(promise.within), []);
    if promise.within < promise.network {
        let took = shown(promise.network);
        text.insert_str(
            text.len() - 1,
            &format!("  not to be had: the network takes {took}"),
        );
    }
    text
}

/// Milliseconds, with a fraction where there is one.
fn shown(time: Duration) -> String {
    format!("{} ms", time.as_micros() as f64 / 1e3)
}

/// Says whether the run passes, by which limits, and if not, why not.
pub fn verdict_text(measured: &Measured, options: &Options, problems: &[String]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    let met = limits(options).iter().map(|limits| {
        let met = match measured.meets(limits) {
            Some(true) => "met",
            Some(false) => "not met",
            None => "not judged",
        };
        format!("{} {met}", limits.name)
    });
    let met = met.collect::<Vec<_>>().join(", ");
    let judged = match limits(options) {
        [] if matches!(options.job, Job::Workload | Job::Challenge(_)) => String::new(),
        [] if !options.is_broadcast() => String::new(),
        [] => "; the challenges' limits do not apply to this network".into(),
        [_] => format!("; {met}"),
        _ if matches!(measured.judged, Judged::Not(_)) => format!("; {met}"),
        _ if options.is_tuned() => {
            format!("; {met}; judged by 3e's limits, as settings were given")
        }
        _ => format!("; {met}; judged by both"),
    };
    let pass = ["FAIL", "PASS"][usize::from(measured.passes(options))];
    let valid = ["not valid", "valid"][usize::from(measured.valid)];
    let available = match measured.availability {
        Some(part) if !measured.is_available(options, options.is_strict()) => {
            let who = match options.job {
                Job::Efficient => "efficient".into(),
                _ => format!("--availability {}", options.availability_name()),
            };
            format!(
                "; {} of the operations succeeded, and {who} demands {}",
                percent(part),
                percent(options.availability)
            )
        }
        _ => String::new(),
    };
    let broken = match (options.promise(), measured.latencies()) {
        (Some(promise), Some([.., max])) if measured.keeps_promise(options) == Some(false) => {
            let allowed = match promise.allowed {
                Some(allowed) if allowed > promise.within => {
                    format!(", {} at the latest", shown(allowed))
                }
                _ => String::new(),
            };
            let within = shown(promise.within);
            format!("; a value took {max} ms, and the node promised {within}{allowed}")
        }
        _ => String::new(),
    };
    let _ = writeln!(text, "{pass}: {valid}{available}{broken}{judged}");
    text
}

/// How wide the names of figures are at least. Unit: characters.
const NAME_COLUMN: usize = 25;

/// How wide a terminal is at least. Unit: characters.
const WIDTH: usize = 80;

/// Parts of a sentence in lines that fit, each part whole.
fn listed(parts: &[String]) -> String {
    let glued: Vec<String> = parts
        .iter()
        .map(|part| part.replace(' ', "\u{a0}"))
        .collect();
    let lines = arguments::wrap(&glued.join(", "), WIDTH);
    lines.join("\n").replace('\u{a0}', " ") + "\n"
}

fn line(text: &mut String, name: &str, value: &str, cells: impl IntoIterator<Item = String>) {
    let _ = write!(text, "{name:<NAME_COLUMN$}{value:>11}");
    for cell in cells {
        let _ = write!(text, "{cell:>11}");
    }
    text.push('\n');
}

/// The [`QUANTILES`] of what is sorted, if there is anything.
fn quantiles(sorted: &[u64]) -> Option<[u64; 5]> {
    (!sorted.is_empty()).then(|| QUANTILES.map(|(_, p)| quantile(sorted, p).unwrap_or_default()))
}

fn int(count: u64) -> Json<'static> {
    Json::Int(count as i64)
}

fn float(number: f64) -> Json<'static> {
    Json::Number(format!("{number:.3}").into())
}

/// Milliseconds.
fn ms(time: Duration) -> Json<'static> {
    float(time.as_secs_f64() * 1000.0)
}

fn or_null(value: Option<Json<'static>>) -> Json<'static> {
    value.unwrap_or(Json::Null)
}

fn strings(texts: Vec<String>) -> Json<'static> {
    let texts = texts.into_iter().map(|text| Json::String(text.into()));
    Json::Array(texts.collect())
}

/// What clients waited.
fn latency(times: &[Duration]) -> Json<'static> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let part = |p| or_null(quantile(&sorted, p).map(ms));
    object(QUANTILES.map(|(name, p)| (name, part(p))))
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Json<'static>)>) -> Json<'static> {
    let members = members
        .into_iter()
        .map(|(name, value)| (name.to_owned().into(), value));
    Json::Object(members.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::stalls::Stall;

    fn measured(max: u64) -> Measured {
        Measured {
            valid: true,
            messages_per_op: 1.0,
            stable_latency: Some([0, 250, 350, 390, max]),
            judged: Judged::All,
            availability: Some(1.0),
        }
    }

    /// The same in virtual time with these node arguments.
    fn options(args: &str) -> Options {
        Options {
            virtual_time: true,
            node_args: args.split_whitespace().map(String::from).collect(),
            ..Options::new(Job::Efficient)
        }
    }

    #[test]
    fn a_maximum_above_the_promise_fails_with_a_sentence() {
        let options = options("");
        assert!(measured(400).passes(&options) && !measured(401).passes(&options));
        let text = verdict_text(&measured(401), &options, &[]);
        let says = "FAIL: valid; a value took 401 ms, and the node promised 400 ms; 3d met";
        assert!(text.starts_with(says), "{text}");
        let real = Options {
            virtual_time: false,
            ..options
        };
        assert!(measured(410).passes(&real) && !measured(411).passes(&real));
        let text = verdict_text(&measured(411), &real, &[]);
        assert!(
            text.contains("promised 400 ms, 410 ms at the latest;"),
            "{text}"
        );
    }

    #[test]
    fn a_share_of_the_operations_may_be_demanded() {
        let demanding = |availability| Options {
            availability,
            ..Options::new(Job::Workload)
        };
        let measured = Measured {
            availability: Some(0.95),
            ..measured(390)
        };
        assert!(measured.passes(&demanding(0.9)) && !measured.passes(&demanding(1.0)));
        let text = verdict_text(&measured, &demanding(0.97), &[]);
        let says = "95.00 % of the operations succeeded, and --availability 0.97 demands 97.00 %";
        assert!(text.contains(says), "{text}");
    }

    #[test]
    fn the_promise_stands_below_the_maximum_also_where_it_is_not_to_be_had() {
        let text = table(&measured(390), &options("--within-ms 585"));
        let last = text.lines().next_back();
        assert_eq!(last, Some("promised within               585 ms"));
        let options = options("--within-ms 150");
        let text = table(&measured(390), &options);
        let row = "150 ms  not to be had: the network takes 200 ms\n";
        assert!(text.ends_with(row), "{text}");
        assert!(measured(390).passes(&options), "nobody could keep that");
    }

    /// A run of ten values, 1 s apart, the last of which took long, on a machine that
    /// stalled then.
    fn stalled(stalls: &[(u64, u64)]) -> Measured {
        let at = Instant::from_millis;
        let latency = |value| Duration::from_millis(if value == 9 { 700 } else { 300 });
        let by_value = (0..10).map(|value| (value, at(value as u64 * 1000), latency(value)));
        let stall = |&(end, time): &(u64, u64)| Stall {
            node: Some(3),
            end: at(end),
            time: Duration::from_millis(time),
        };
        let verdict = Verdict {
            item: "value",
            stable_latencies: [vec![300; 9], vec![700]].concat(),
            by_value: by_value.collect(),
            ..Verdict::default()
        };
        let counts = Counts {
            stalls: stalls.iter().map(stall).collect(),
            ..Counts::default()
        };
        let options = Options::new(Job::Efficient);
        let outcome = Outcome {
            options: &options,
            counts: &counts,
            verdict: &verdict,
        };
        outcome.measured()
    }

    #[test]
    fn what_a_stall_of_the_machine_touched_is_not_judged_and_the_rest_is() {
        let options = Options::new(Job::Efficient);
        let untouched = stalled(&[(2500, 20)]);
        assert_eq!(
            untouched.judged,
            Judged::Untouched(Some([300, 300, 700, 700, 700]))
        );
        assert!(!untouched.passes(&options), "the late value is another one");
        let touched = stalled(&[(9300, 20)]);
        assert_eq!(touched.judged, Judged::Untouched(Some([300; 5])));
        assert!(touched.passes(&options));
        assert!(!stalled(&[]).passes(&options));
    }

    #[test]
    fn a_machine_that_stalls_all_the_time_lets_no_latency_be_judged() {
        let options = Options::new(Job::Efficient);
        let measured = stalled(&[(1000, 20), (3000, 20), (5000, 20), (7000, 20)]);
        assert_eq!(measured.judged, Judged::Not(20));
        assert!(measured.passes(&options));
        let text = verdict_text(&measured, &options, &[]);
        assert_eq!(text, "PASS: valid; 3d not judged, 3e not judged\n");
        let many = Measured {
            messages_per_op: 31.0,
            ..measured.clone()
        };
        assert!(!many.passes(&options), "messages are judged on any machine");
        let slow = Measured {
            stable_latency: Some([0, 460, 500, 550, 590]),
            ..stalled(&[(1000, 20), (3000, 20), (5000, 20), (7000, 20)])
        };
        assert!(
            !slow.passes(&options),
            "no stall of 20 ms makes so many so late"
        );
    }
}
