//! Whether virtual and real time agree.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::frontier::{in_virtual_time, latencies, measured, with_args};
use super::{RUNS, lock, own_program};
use crate::nodes::Failure;
use crate::nodes::processes::Processes;
use crate::run::options::Options;
use crate::run::recording::Recording;
use crate::run::run;

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

/// The table, and whether they agree.
///
/// # Errors
///
/// [`Failure`] if a run or its files fail.
pub fn main() -> Result<(String, bool), Failure> {
    let _lock = lock("agreement")?;
    agreement(&own_program()?, &Path::new(RUNS).join("agreement"))
}

/// Runs the same settings with real processes and in virtual time; gives the
/// table and whether they agree.
///
/// # Errors
///
/// [`Failure`] if a node dies or files cannot be written.
fn agreement(program: &Path, folder: &Path) -> Result<(String, bool), Failure> {
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
        let mut nodes = Processes::start(
            options.nodes,
            program,
            options.program_args(),
            folder,
            false,
        )?;
        let (finished, _) = run(&options, &mut nodes, recording, false)?;
        nodes.stop();
        let real = measured(&options, &finished);
        let simulated = measured(&options, &in_virtual_time(&options, folder)?);
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
