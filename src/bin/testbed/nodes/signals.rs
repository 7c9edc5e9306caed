//! Signals and process groups: what the testbed needs of the system to take its
//! nodes along however it ends. Its only module with `unsafe` code: neither
//! `signal` nor the killing of a group has a counterpart in std.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};

unsafe extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn kill(process: c_int, number: c_int) -> c_int;
}

/// SIGKILL, the same on every Unix.
pub const KILL: c_int = 9;

/// The signal that came, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

extern "C" fn remember_signal(number: c_int) {
    SIGNAL.store(number, Ordering::Relaxed);
}

/// From now on SIGHUP, SIGINT (Ctrl-C) and SIGTERM do not end the process: they
/// are remembered for [`signal_received`].
pub fn remember_signals() {
    for number in [1, 2, 15] {
        // SAFETY: the handler only stores to an atomic, which a signal handler
        // may do; the three numbers are the same on every Unix.
        unsafe { signal(number, remember_signal) };
    }
}

/// A child process that leads a process group of its own.
///
/// It is ended in one order only: the group is killed, *then* the leader is
/// reaped. Until it is reaped its number belongs to it, even when it has exited;
/// afterwards the number may be given to a stranger, whose group a late kill
/// would hit. Nothing else can reap the child, since nothing else can reach it.
#[derive(Debug)]
pub struct Group {
    leader: Child,
    /// How the leader ended; `Some` once it is reaped.
    status: Option<ExitStatus>,
}

impl Group {
    /// Starts the leader of a new group.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Group> {
        let leader = command.process_group(0).spawn()?;
        Ok(Group {
            leader,
            status: None,
        })
    }

    /// The leader's process number.
    pub fn id(&self) -> u32 {
        self.leader.id()
    }

    /// The leader's pipes: stdin, stdout and stderr, each given once.
    pub fn pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        let leader = &mut self.leader;
        (
            leader.stdin.take(),
            leader.stdout.take(),
            leader.stderr.take(),
        )
    }

    /// How the leader ended by itself, if it has. Then it is reaped, and what it
    /// has started and left behind is out of reach.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    #[allow(dead_code)] // For the tests.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.leader.try_wait()?;
        }
        Ok(self.status)
    }

    /// Stops the whole group where it is, or lets it go on. Not once it was ended.
    pub fn pause(&self, stop: bool) {
        // SIGSTOP and SIGCONT.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const NUMBERS: [c_int; 2] = [19, 18];
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const NUMBERS: [c_int; 2] = [17, 19];
        if self.status.is_none()
            && let Ok(id @ 2..) = c_int::try_from(self.leader.id())
        {
            // SAFETY: as in `end`.
            unsafe { kill(-id, NUMBERS[usize::from(!stop)]) };
        }
    }

    /// Kills the leader and all that it has started in its group, and gives how
    /// the leader ended: by this, or by itself before. A second call only tells.
    ///
    /// # Errors
    ///
    /// If the system does not say how it ended.
    pub fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        if let Ok(id @ 2..) = c_int::try_from(self.leader.id()) {
            // SAFETY: kill(2) touches no memory of ours. The number is never 0, 1
            // or negative, which would mean others. It is the one of a group that
            // we made, and of a leader that is not reaped, so nobody else has it.
            unsafe { kill(-id, KILL) };
        }
        let status = self.leader.wait()?;
        self.status = Some(status);
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever wanted to know how it ended has asked before.
        let _ = self.end();
    }
}

/// The number of the last signal that came since [`remember_signals`].
pub fn signal_received() -> Option<i32> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => None,
        number => Some(number),
    }
}
