//! The nodes of a run: processes on the real clock, or in memory on a virtual one.

pub mod cluster;
pub mod disk;
pub mod flood;
pub mod memory;
pub mod processes;
pub mod signals;
pub mod stalls;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hubcast::time::Instant;
use stalls::Stall;

/// Owns the nodes and the clock.
pub trait Host {
    /// The time since the run began.
    fn now(&self) -> Instant;

    /// Gives `line`, without its line break, to a node.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the node cannot take it any more.
    fn send(&mut self, node: usize, line: &[u8]) -> Result<(), Failure>;

    /// Waits until a node says a line, `until` at most; `None`: it is `until`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if a node has died or the run was interrupted.
    fn wait(&mut self, until: Instant) -> Result<Option<(usize, Vec<u8>)>, Failure>;

    /// Ends a node, at once and without a word (SIGKILL).
    ///
    /// # Errors
    ///
    /// [`Failure`] if that cannot be done, as of the following three.
    fn kill(&mut self, node: usize) -> Result<(), Failure>;

    /// Starts a node that was killed, with the same arguments.
    fn start(&mut self, node: usize) -> Result<(), Failure>;

    /// Stops a node where it is (SIGSTOP).
    fn pause(&mut self, node: usize) -> Result<(), Failure>;

    /// Lets a paused node go on (SIGCONT).
    fn resume(&mut self, node: usize) -> Result<(), Failure>;

    /// When the machine gave the run no processor.
    fn stalls(&self) -> Vec<Stall> {
        Vec::new()
    }

    /// Why nothing may have been heard of a node, for the end of a sentence: a line that it
    /// has begun and not ended.
    fn unheard(&self, _node: usize) -> String {
        String::new()
    }

    /// Whether a node still runs or how it ended, and its last words.
    fn post_mortem(&mut self, node: usize) -> String;
}

/// What ends a run before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The node that is to blame, if there is one.
    pub node: Option<usize>,
    /// What happened. It continues the node's name, if there is a node.
    pub text: String,
}

impl Failure {
    /// Something that no node did.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure {
            node: None,
            text: text.into(),
        }
    }

    /// Something that a node did: "n3" + " wrote ...".
    pub fn of(node: usize, text: impl Into<String>) -> Failure {
        Failure {
            node: Some(node),
            text: text.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(format!("cannot write the run's files: {error}"))
    }
}

/// A path as the user gave it, and from which folder it was taken.
pub fn place(path: &Path) -> String {
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() => {
            format!("{} (taken from {})", path.display(), folder.display())
        }
        _ => path.display().to_string(),
    }
}

/// Where a node's log goes, in the folder of its run.
pub fn log_path(folder: &Path, node: &str) -> PathBuf {
    folder.join("node-logs").join(format!("{node}.log"))
}

/// What stands before each line of a node's log.
pub fn stamp(now: Instant) -> String {
    format!("t={:.6} ", now.as_micros() as f64 / 1e6)
}
