//! Clusters of many sizes, with one hub and with many.
//!
//! `./run.sh scale` shows why one hub serves so many. With more hubs a value crosses four
//! edges. At 100 ms these take all of the default promise, so nothing is left to gather
//! in. A cluster of several hubs wants a promise well above four latencies.
//!
//! ```text
//!  nodes  hubs  messages/op  msgs/s and node  busiest, msgs/s    median   maximum
//!     25     1         1.65             6.61              165    279 ms    394 ms
//!     25     5        10.43            41.88              390    325 ms    399 ms
//!    100     1         5.49             5.71              571    282 ms    394 ms
//!    100    10        43.32            45.10              880    371 ms    408 ms
//!    400     1        18.63             5.55             2219    283 ms    394 ms
//!    400    20       157.97            47.04             1862    382 ms    408 ms
//!   1000     1        37.02             5.52             5520    283 ms    394 ms
//!   1000    32       321.88            47.99             3049    383 ms    408 ms
//!   2000     1        55.35             5.51            11020    283 ms    394 ms
//!   2000    45       485.25            48.31             4324    384 ms    408 ms
//! default: one hub up to 2000 nodes
//! ```

use std::fmt::Write;
use std::path::Path;

use super::frontier::{in_virtual_time, latencies, measured, with_args};
use super::{RUNS, lock};
use crate::nodes::Failure;
use crate::run::options::Options;
use hubcast::tree;

/// Cluster sizes that the scale tries.
const SIZES: [usize; 5] = [25, 100, 400, 1000, 2000];

/// The table.
///
/// # Errors
///
/// [`Failure`] if a run or its files fail.
pub fn main() -> Result<String, Failure> {
    let _lock = lock("scale")?;
    scale(&Path::new(RUNS).join("scale"))
}

/// Runs clusters of growing size with one hub and with sqrt(n) hubs.
///
/// # Errors
///
/// [`Failure`] if the run's files cannot be written.
fn scale(folder: &Path) -> Result<String, Failure> {
    let mut text = format!(
        "{:>6}{:>6}{:>13}{:>17}{:>17}{:>10}{:>10}\n",
        "nodes", "hubs", "messages/op", "msgs/s and node", "busiest, msgs/s", "median", "maximum"
    );
    for nodes in SIZES {
        for hubs in [1, (nodes as f64).sqrt().round() as usize] {
            let args = ["--hubs".to_owned(), hubs.to_string()];
            let options = Options {
                nodes,
                ..with_args(&args)
            };
            let finished = in_virtual_time(&options, folder)?;
            let measured = measured(&options, &finished);
            let (median, max) = latencies(&measured);
            let seconds = options.time_limit.as_secs_f64();
            let busiest = finished.counts.busiest_node as f64 / seconds;
            let _ = writeln!(
                text,
                "{nodes:>6}{hubs:>6}{:>13.2}{:>17.2}{busiest:>17.0}{median:>7} ms{max:>7} ms",
                measured.messages_per_op,
                finished.counts.server.total as f64 / seconds / nodes as f64,
            );
        }
    }
    let _ = writeln!(text, "default: one hub up to {} nodes", tree::ONE_HUB_LIMIT);
    Ok(text)
}
