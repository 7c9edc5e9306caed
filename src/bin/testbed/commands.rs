//! The commands, one file each.

pub mod agreement;
pub mod bench;
pub mod challenges;
pub mod frontier;
pub mod job;
pub mod maelstrom;
pub mod scale;
pub mod torture;
pub mod trace;

use std::fs::{File, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::nodes::Failure;

/// Where runs leave their files.
pub const RUNS: &str = "target/runs";

/// hubcast, next to the testbed itself. If the variable `NODE_PROFILE` names a profile,
/// hubcast is what cargo built beside the testbed with this profile. So `run.sh` has the
/// testbed built in a minute and the node as it is shipped.
pub fn own_program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(match std::env::var_os("NODE_PROFILE") {
        Some(profile) => own.with_file_name("..").join(profile).join("hubcast"),
        None => own.with_file_name("hubcast"),
    })
}

/// Makes sure that no other run of the command writes to the same folder while
/// the result lives. The lock is the system's, on an open file: it ends with the
/// process, however that ends, and nodes do not inherit it.
pub fn lock(command: &str) -> Result<File, Failure> {
    std::fs::create_dir_all(RUNS)?;
    // Beside the command's folder, which each run makes anew.
    let file = File::create(Path::new(RUNS).join(format!("{command}.lock")))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Failure::new(format!(
            "'{command}' is running here already, and both would write to {RUNS}/{command}/: \
             wait until it has ended"
        ))),
        // A file system without locks: then it is as it was before there were any.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(error.into()),
        Ok(()) => Ok(file),
    }
}

/// Whether a stream of ours can show colours and lines that are drawn anew.
pub fn has_screen(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}

/// Prints to stdout; a closed stdout is no reason to leave nodes behind.
pub fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Says on stderr what is wrong.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "testbed: {text}");
}
