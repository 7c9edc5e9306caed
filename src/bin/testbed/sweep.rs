//! Many runs, one table: the frontier of batching, the scale of clusters, and
//! whether virtual and real time agree.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::engine::{Engine, Failure, Finished};
use crate::load::broadcast::Broadcast;
use crate::options::{Job, Options};
use crate::processes::Processes;
use crate::recording::Recording;
use crate::report::{Measured, Outcome};
use crate::simulation;
use hubcast::tree;

/// Runs in virtual time; the files go to `folder`, each run over the last one.
fn run_virtual(options: &Options, folder: &Path) -> Result<Finished, Failure> {
    let (finished, _) = simulation::run(options, Recording::create(folder)?, None)?;
    Ok(finished)
}

fn measured(options: &Options, finished: &Finished) -> Measured {
    let outcome = Outcome {
        options,
        counts: &finished.counts,
        verdict: &finished.verdict,
    };
    outcome.measured()
}

fn with_args(args: &[String]) -> Options {
    Options {
        virtual_time: true,
        node_args: args.to_vec(),
        ..Options::new(Job::Efficient)
    }
}

/// The median and the maximum of the stable latency.
fn latencies(measured: &Measured) -> (u64, u64) {
    measured
        .stable_latency
        .map_or((0, 0), |[_, median, _, _, max]| (median, max))
}

/// The times of gathering that the frontier tries, (up, down) in milliseconds.
const GATHER: [(u64, u64); 14] = [
    (0, 0),
    (0, 10),
    (0, 25),
    (0, 50),
    (0, 100),
    (0, 150),
    (0, 250),
    (0, 350),
    (0, 500),
    (0, 700),
    (0, 1000),
    (100, 250),
    (200, 600),
    (350, 900),
];

/// One point of the frontier.
struct Point {
    gather: (u64, u64),
    messages: f64,
    median: u64,
    max: u64,
}

/// Sweeps the times of gathering; gives the table and the plot as SVG.
///
/// The *floor* is what any broadcast through one gathering point must send down:
/// each of n - 1 nodes gets at least one message in every D - L, where D is the
/// worst latency and L the way to the hub and down, 2 x 100 ms: (n - 1) / ((D - L) rate).
///
/// # Errors
///
/// [`Failure`] if the run's files cannot be written.
pub fn frontier(folder: &Path) -> Result<(String, String), Failure> {
    let mut text = format!(
        "{:>6}{:>8}{:>24}{:>10}{:>10}{:>10}{:>10}\n",
        "up", "down", "messages per operation", "floor", "p50", "p95", "maximum"
    );
    let mut points = Vec::new();
    for gather in GATHER {
        let (up, down) = gather;
        let settings = format!("--up-ms {up} --down-ms {down} --ack-ms 2000 --retry-ms 3000");
        let options = with_args(&settings.split(' ').map(String::from).collect::<Vec<_>>());
        let measured = measured(&options, &run_virtual(&options, folder)?);
        let (median, max) = latencies(&measured);
        let p95 = measured.stable_latency.map_or(0, |quantiles| quantiles[2]);
        let floor = floor(&options, max);
        let _ = writeln!(
            text,
            "{up:>6}{down:>8}{:>24.2}{:>10}{:>7} ms{:>7} ms{:>7} ms",
            measured.messages_per_op,
            floor.map_or("-".into(), |floor| format!("{floor:.2}")),
            median,
            p95,
            max
        );
        points.push(Point {
            gather,
            messages: measured.messages_per_op,
            median,
            max,
        });
    }
    text += "floor: (n-1)/((D-L) rate), D the maximum, L two latencies. A batch only begins with a value, and\n\
             values come every 20 ms: where it does not wait much longer than that, the floor is none.\n";
    Ok((text, plot(&points)))
}

/// (n - 1) / ((D - L) rate), D being the maximum latency in milliseconds.
fn floor(options: &Options, max: u64) -> Option<f64> {
    let ways = 2 * options.latency.as_millis() as u64;
    let gathered = max.checked_sub(ways).filter(|&time| time > 0)?;
    Some((options.nodes - 1) as f64 / (gathered as f64 / 1000.0 * options.rate))
}

/// Messages per operation against latency, both on logarithmic axes.
fn plot(points: &[Point]) -> String {
    // The drawing area in pixels, and what its corners mean.
    let (left, right, top, bottom) = (70.0, 680.0, 50.0, 400.0);
    let (least_ms, most_ms, least, most) = (150.0_f64, 1600.0_f64, 0.4_f64, 15.0_f64);
    let x = |ms: f64| left + (ms / least_ms).ln() / (most_ms / least_ms).ln() * (right - left);
    let y = |messages: f64| bottom - (messages / least).ln() / (most / least).ln() * (bottom - top);
    let mut svg = String::from(concat!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 460\" font-family=\"sans-serif\" font-size=\"12\">\n",
        "<title>Messages per operation against stable latency</title>\n",
        "<rect width=\"720\" height=\"460\" fill=\"white\"/>\n",
        "<text x=\"70\" y=\"28\" font-size=\"15\">hubcast, 25 nodes, 100 ms: fewer messages or lower latency</text>\n",
    ));
    for ms in [200.0, 300.0, 400.0, 600.0, 1000.0, 1500.0] {
        let at = x(ms);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"418\" text-anchor=\"middle\">{ms} ms</text>"
        );
    }
    for messages in [0.5, 1.0, 2.0, 5.0, 10.0] {
        let at = y(messages);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"62\" y=\"{:.1}\" text-anchor=\"end\">{messages}</text>",
            at + 4.0
        );
    }
    let options = Options::new(Job::Efficient);
    let curve = (210..=1600)
        .step_by(10)
        .filter_map(|max| Some((max, floor(&options, max)?)));
    let curve: Vec<String> = curve
        .filter(|(_, floor)| (least..most).contains(floor))
        .map(|(max, floor)| format!("{:.1} {:.1}", x(max as f64), y(floor)))
        .collect();
    let _ = writeln!(
        svg,
        "<path d=\"M{}\" fill=\"none\" stroke=\"#999\" stroke-dasharray=\"5 4\"/>",
        curve.join("L")
    );
    for point in points {
        let (messages, (up, down)) = (y(point.messages), point.gather);
        let (median, max) = (x(point.median as f64), x(point.max as f64));
        let _ = writeln!(
            svg,
            "<path d=\"M{median:.1} {messages:.1}H{max:.1}\" stroke=\"#888\"/>\
             <circle cx=\"{median:.1}\" cy=\"{messages:.1}\" r=\"4\" fill=\"#0b7285\"/>\
             <circle cx=\"{max:.1}\" cy=\"{messages:.1}\" r=\"4\" fill=\"white\" stroke=\"#c2410c\" stroke-width=\"2\">\
             <title>up {up} ms, down {down} ms: {:.2} messages per operation, median {} ms, maximum {} ms</title></circle>",
            point.messages, point.median, point.max
        );
    }
    svg.push_str(concat!(
        "<circle cx=\"430\" cy=\"60\" r=\"4\" fill=\"#0b7285\"/><text x=\"442\" y=\"64\">median stable latency</text>\n",
        "<circle cx=\"430\" cy=\"80\" r=\"4\" fill=\"white\" stroke=\"#c2410c\" stroke-width=\"2\"/><text x=\"442\" y=\"84\">maximum</text>\n",
        "<path d=\"M420 100H438\" stroke=\"#999\" stroke-dasharray=\"5 4\"/><text x=\"442\" y=\"104\">floor (n-1)/((D-L) rate) at maximum D</text>\n",
        "<text x=\"375\" y=\"444\" text-anchor=\"middle\">stable latency</text>\n",
        "<text transform=\"translate(18 225) rotate(-90)\" text-anchor=\"middle\">messages per operation</text>\n",
        "</svg>\n",
    ));
    svg
}

/// Cluster sizes that the scale tries.
const SIZES: [usize; 5] = [25, 100, 400, 1000, 2000];

/// Runs clusters of growing size with one hub and with sqrt(n) hubs.
///
/// # Errors
///
/// [`Failure`] if the run's files cannot be written.
pub fn scale(folder: &Path) -> Result<String, Failure> {
    let mut text = format!(
        "{:>6}{:>6}{:>14}{:>18}{:>22}{:>10}{:>10}\n",
        "nodes",
        "hubs",
        "messages/op",
        "msgs/s and node",
        "busiest node, msgs/s",
        "median",
        "maximum"
    );
    for nodes in SIZES {
        for hubs in [1, (nodes as f64).sqrt().round() as usize] {
            let args = ["--hubs".to_owned(), hubs.to_string()];
            let options = Options {
                nodes,
                ..with_args(&args)
            };
            let finished = run_virtual(&options, folder)?;
            let measured = measured(&options, &finished);
            let (median, max) = latencies(&measured);
            let seconds = options.time_limit.as_secs_f64();
            let busiest = finished.counts.busiest_node as f64 / seconds;
            let _ = writeln!(
                text,
                "{nodes:>6}{hubs:>6}{:>14.2}{:>18.2}{busiest:>22.0}{median:>7} ms{max:>7} ms",
                measured.messages_per_op,
                finished.counts.server.total as f64 / seconds / nodes as f64,
            );
        }
    }
    let _ = writeln!(text, "default: one hub up to {} nodes", tree::ONE_HUB_LIMIT);
    Ok(text)
}

/// What the agreement runs: a name and the node's arguments.
const AGREEMENT: [(&str, &str); 3] = [
    ("default", ""),
    ("3d", "--within-ms 585"),
    ("3e", "--within-ms 1700"),
];

/// The most by which virtual and real messages per operation may differ, as a part.
const AGREEMENT_MESSAGES: f64 = 0.05;

/// The most by which virtual and real medians and maxima may differ.
///
/// Unit: milliseconds. Real processes on a busy machine are late by some.
const AGREEMENT_MS: u64 = 30;

/// Runs the same settings with real processes and in virtual time; gives the
/// table and whether they agree.
///
/// # Errors
///
/// [`Failure`] if a node dies or files cannot be written.
pub fn agreement(program: &Path, folder: &Path) -> Result<(String, bool), Failure> {
    let mut text = format!(
        "{:<10}{:>9}{:>24}{:>10}{:>10}\n",
        "settings", "time", "messages per operation", "median", "maximum"
    );
    let mut agrees = true;
    for (name, args) in AGREEMENT {
        let args: Vec<String> = args.split_whitespace().map(String::from).collect();
        let options = Options {
            quiet: Duration::from_secs(3),
            ..with_args(&args)
        };
        let recording = Recording::create(folder)?;
        let nodes = Processes::start(&options, program, folder)?;
        let (finished, _, nodes) =
            Engine::<_, Broadcast>::new(&options, nodes, recording, false).run()?;
        nodes.stop();
        let real = measured(&options, &finished);
        let simulated = measured(&options, &run_virtual(&options, folder)?);
        for (time, measured) in [("real", &real), ("virtual", &simulated)] {
            let (median, max) = latencies(measured);
            let _ = writeln!(
                text,
                "{name:<10}{time:>9}{:>24.3}{median:>7} ms{max:>7} ms",
                measured.messages_per_op
            );
        }
        let ((median, max), (other_median, other_max)) = (latencies(&real), latencies(&simulated));
        agrees &= (real.messages_per_op / simulated.messages_per_op - 1.0).abs()
            <= AGREEMENT_MESSAGES
            && median.abs_diff(other_median) <= AGREEMENT_MS
            && max.abs_diff(other_max) <= AGREEMENT_MS;
    }
    Ok((text, agrees))
}
