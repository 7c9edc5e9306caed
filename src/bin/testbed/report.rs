//! The outcome of a run: verdict, limits, table and `results.json`.

use std::fmt::Write;
use std::time::Duration;

use crate::checker::{Verdict, quantile};
use crate::engine::{Counts, Partition};
use crate::options::Options;
use hubcast::json::Json;

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
    /// Whether the figures are within a challenge's limits.
    pub fn meets(&self, limits: &Limits) -> bool {
        self.messages_per_op < limits.messages_per_op
            && self.stable_latency.is_some_and(|[_, median, _, _, max]| {
                median < limits.median && max < limits.maximum
            })
    }

    /// Whether the run passes: valid, and within the limits that count for it.
    /// In the challenges' own setting these are both; with other settings of
    /// node or load 3e's; in another network none.
    pub fn passes(&self, options: &Options) -> bool {
        self.valid
            && (options.is_other_network()
                || self.meets(&LIMITS_3E) && (options.is_tuned() || self.meets(&LIMITS_3D)))
    }
}

/// A finished run with its meaning.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// What was run.
    pub options: &'a Options,
    /// What was counted.
    pub counts: &'a Counts,
    /// What the checker says.
    pub verdict: &'a Verdict,
}

impl Outcome<'_> {
    /// The figures that count.
    pub fn measured(&self) -> Measured {
        let sorted = &self.verdict.stable_latencies;
        let problems = self.problems();
        Measured {
            valid: problems.is_empty(),
            messages_per_op: self.counts.server.total as f64 / self.counts.ops.max(1) as f64,
            stable_latency: (!sorted.is_empty())
                .then(|| QUANTILES.map(|(_, p)| quantile(sorted, p).unwrap_or_default())),
        }
    }

    /// Everything that makes the run invalid, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.verdict.lost.is_empty() {
            let first: Vec<_> = self
                .verdict
                .lost
                .iter()
                .take(10)
                .map(i64::to_string)
                .collect();
            problems.push(format!(
                "{} values were lost, among them {}",
                self.verdict.lost.len(),
                first.join(", ")
            ));
        }
        if self.verdict.stable_latencies.is_empty() {
            problems.push("no value was both acknowledged and read".into());
        }
        // Of another node's protocol we cannot tell what its nodes hold.
        let unhealed = |partition: &&Partition| {
            partition.recovery.is_none() && !partition.interrupted && self.options.bin.is_none()
        };
        for partition in self.counts.partitions.iter().filter(unhealed) {
            problems.push(format!(
                "after the partition '{}' that began at {} s some node never got everything",
                partition.kind, partition.start
            ));
        }
        problems.extend_from_slice(&self.verdict.problems);
        problems.extend_from_slice(&self.counts.problems);
        problems
    }

    /// From the last operation before the quiet to the last message between nodes.
    fn quiet_after(&self) -> Option<Duration> {
        Some(self.counts.last_message? - self.counts.last_op?)
    }

    /// `results.json`.
    pub fn to_json(&self) -> Json<'static> {
        let (counts, options, measured) = (self.counts, self.options, self.measured());
        let int = |count: u64| Json::Int(count as i64);
        let float = |number: f64| Json::Number(format!("{number:.3}").into());
        let ms = |time: Duration| float(time.as_secs_f64() * 1000.0);
        let latency = |times: &[Duration]| {
            let mut sorted = times.to_vec();
            sorted.sort_unstable();
            let part = |p| quantile(&sorted, p).map_or(Json::Null, ms);
            object([("p50", part(0.5)), ("p100", part(1.0))])
        };
        let strings = |texts: Vec<String>| {
            Json::Array(
                texts
                    .into_iter()
                    .map(|text| Json::String(text.into()))
                    .collect(),
            )
        };
        let partitions = counts.partitions.iter().map(|partition| {
            object([
                ("kind", Json::String(partition.kind.into())),
                ("start_s", float(partition.start.as_secs_f64())),
                (
                    "end_s",
                    partition
                        .end
                        .map_or(Json::Null, |end| float(end.as_secs_f64())),
                ),
                ("recovery_ms", partition.recovery.map_or(Json::Null, ms)),
            ])
        });
        let stable = measured.stable_latency.map_or(Json::Null, |values| {
            let names = QUANTILES.iter().map(|(name, _)| *name);
            object(names.zip(values.map(int)))
        });
        object([
            ("valid", Json::Bool(measured.valid)),
            ("command", Json::String(options.job.name().into())),
            ("seed", Json::Number(options.seed.to_string().into())),
            ("virtual", Json::Bool(options.virtual_time)),
            ("nodes", int(options.nodes as u64)),
            ("node_args", strings(options.node_args.clone())),
            ("ops", int(counts.ops)),
            ("broadcasts", int(counts.broadcasts)),
            ("timeouts", int(counts.timeouts)),
            ("msgs_per_op", float(measured.messages_per_op)),
            (
                "server_messages",
                object([
                    ("total", int(counts.server.total)),
                    ("delta", int(counts.server.delta)),
                    ("ack", int(counts.server.ack)),
                    ("retransmitted", int(counts.server.retransmitted)),
                    ("dropped", int(counts.server.dropped)),
                    ("duplicated", int(counts.server.duplicated)),
                ]),
            ),
            (
                "links",
                Json::Object(
                    (counts.links.iter())
                        .map(|(name, count)| (name.clone().into(), Json::Int(*count)))
                        .collect(),
                ),
            ),
            ("quiet_after_ms", self.quiet_after().map_or(Json::Null, ms)),
            ("stable_latency_ms", stable),
            (
                "client_latency_ms",
                object([
                    ("broadcast", latency(&counts.broadcast_latency)),
                    ("read", latency(&counts.read_latency)),
                ]),
            ),
            (
                "lost",
                Json::Array(
                    self.verdict
                        .lost
                        .iter()
                        .map(|&value| Json::Int(value))
                        .collect(),
                ),
            ),
            ("stale", int(self.verdict.stale as u64)),
            ("never_read", int(self.verdict.never_read as u64)),
            ("partitions", Json::Array(partitions.collect())),
            (
                "limits",
                object(
                    [LIMITS_3D, LIMITS_3E]
                        .map(|limits| (limits.name, Json::Bool(measured.meets(&limits)))),
                ),
            ),
            ("problems", strings(self.problems())),
        ])
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let (counts, measured) = (self.counts, self.measured());
        let mut text = table(&measured, self.options);
        let answered = [
            ("broadcast answered in", &counts.broadcast_latency),
            ("read answered in", &counts.read_latency),
        ];
        for (name, times) in answered {
            let mut sorted = times.clone();
            sorted.sort_unstable();
            for (label, p) in [("median", 0.5), ("maximum", 1.0)] {
                if let Some(time) = quantile(&sorted, p) {
                    let shown = format!("{:.1} ms", time.as_secs_f64() * 1e3);
                    line(&mut text, &format!("{name}, {label}"), &shown, []);
                }
            }
        }
        let server = counts.server;
        let _ = write!(
            text,
            "\n{} operations ({} broadcasts, {} timeouts)\n\
             {} messages between nodes: {} deltas, {} acks alone; {} retransmitted, {} dropped, {} duplicated\n\
             {} values lost, {} stale, {} never read\n",
            counts.ops,
            counts.broadcasts,
            counts.timeouts,
            server.total,
            server.delta,
            server.ack,
            server.retransmitted,
            server.dropped,
            server.duplicated,
            self.verdict.lost.len(),
            self.verdict.stale,
            self.verdict.never_read,
        );
        if !counts.links.is_empty() {
            let links = counts.links.iter();
            let links: Vec<_> = links
                .map(|(name, count)| format!("{count} {name}"))
                .collect();
            let _ = writeln!(text, "the nodes' links say: {}", links.join(", "));
        }
        if let Some(time) = self.quiet_after() {
            let _ = writeln!(
                text,
                "the last message between nodes was sent {:.2} s after the last operation",
                time.as_secs_f64()
            );
        }
        if self.options.nemesis {
            let _ = writeln!(
                text,
                "\n{:<18}{:>10}{:>10}{:>12}",
                "partition", "start", "end", "recovery"
            );
            for partition in &counts.partitions {
                let recovery = match partition.recovery {
                    Some(time) => format!("{} ms", time.as_millis()),
                    None if partition.interrupted => "interrupted".into(),
                    None => "not seen".into(),
                };
                let time =
                    |time: Option<f64>| time.map_or("-".into(), |time| format!("{time:.1} s"));
                let _ = writeln!(
                    text,
                    "{:<18}{:>10}{:>10}{:>12}",
                    partition.kind,
                    time(Some(partition.start.as_secs_f64())),
                    time(partition.end.map(|end| end.as_secs_f64())),
                    recovery,
                );
            }
        }
        text.push('\n');
        text + &verdict_text(&measured, self.options, &self.problems())
    }
}

/// The table of figures, and of the limits where they apply.
pub fn table(measured: &Measured, options: &Options) -> String {
    let limits: &[Limits] = if options.is_other_network() {
        &[]
    } else {
        &[LIMITS_3D, LIMITS_3E]
    };
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
    }
    text
}

/// Says whether the run passes, by which limits, and if not, why not.
pub fn verdict_text(measured: &Measured, options: &Options, problems: &[String]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "problem: {problem}");
    }
    let met = |limits| {
        if measured.meets(limits) {
            "met"
        } else {
            "not met"
        }
    };
    let limits = format!("3d {}, 3e {}", met(&LIMITS_3D), met(&LIMITS_3E));
    let judged = if options.is_other_network() {
        "the challenges' limits do not apply to this network".into()
    } else if options.is_tuned() {
        format!("{limits}; judged by 3e's limits, as settings were given")
    } else {
        format!("{limits}; judged by both")
    };
    let _ = writeln!(
        text,
        "{}: {}; {judged}",
        if measured.passes(options) {
            "PASS"
        } else {
            "FAIL"
        },
        if measured.valid { "valid" } else { "not valid" },
    );
    text
}

fn line(text: &mut String, name: &str, value: &str, cells: impl IntoIterator<Item = String>) {
    let _ = write!(text, "{name:<32}{value:>11}");
    for cell in cells {
        let _ = write!(text, "{cell:>12}");
    }
    text.push('\n');
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Json<'static>)>) -> Json<'static> {
    let members = members
        .into_iter()
        .map(|(name, value)| (name.to_owned().into(), value));
    Json::Object(members.collect())
}
