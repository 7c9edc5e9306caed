//! The edge to the operating system: wait, read, frame, write.
//!
//! One call waits for everything there is to wait for: poll(2) sleeps until
//! stdin has something or the node's next deadline has come. No thread, no
//! sleep, no busy wait: a node with nothing to do uses no processor time.
//!
//! Poll and a buffered reader do not mix. `std::io::Stdin` reads ahead into a
//! buffer of its own, so poll would say "nothing there" while a message lies in
//! that buffer. We read the descriptor ourselves into [`Lines`].
//!
//! ```text
//! loop:   timeout = node.poll_timeout() - now       no deadline: for ever
//!         poll(stdin, timeout)                      the only place to wait
//!         read once; every complete line -> node.handle_line(now, line)
//!         node.end_turn(now)                        timers that are due fire
//!         node.poll_transmit() ... -> one write
//! ```
//!
//! A node without a deadline waits for ever: the lesson shows
//! [how one can see that](crate::lesson::the_poll_loop).
//!
//! Writing blocks. When the reader of our stdout is slow the pipe fills up, and
//! the node waits. It reads nothing more, so nothing piles up in it
//! (*backpressure*), and no message is torn or lost.
//!
//! Logging does not block. A log that nobody reads must not keep a node from
//! answering. So [`LogOutput`] writes after the replies, and only as much as there
//! is room for. It counts the records that it had to drop.
//!
//! This is the only module with `unsafe` code: `poll` and `fcntl` have no
//! counterpart in std.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::{c_int, c_short};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::event::Event;

/// The longest line that is read.
///
/// Unit: bytes. A `delta` has at most 22 kB and a client's request some hundred;
/// 16 MiB leaves room for the `topology` of a huge cluster. The rest of a longer
/// line is read and dropped.
pub const MAX_LINE: usize = 16 << 20;

/// How much is read at once. Unit: bytes. A Linux pipe holds 64 KiB.
const READ_SIZE: usize = 64 << 10;

/// How much of the log waits for room in stderr; records beyond it are dropped.
///
/// Unit: bytes. A Linux pipe holds as much again; it takes what a turn of bad lines
/// makes, and no more memory than a read.
const MAX_LOG: usize = 64 << 10;

/// How much is written to stderr at once when poll(2) says that there is room.
///
/// Unit: bytes. POSIX promises that a pipe with any room has it for PIPE_BUF bytes,
/// so a write of that much does not block. The least PIPE_BUF there is, 512, is
/// that of macOS; Linux has 4096.
const LOG_WRITE: usize = 512;

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

#[cfg(target_os = "linux")]
type NumberOfFds = std::ffi::c_ulong;
#[cfg(not(target_os = "linux"))]
type NumberOfFds = std::ffi::c_uint;

unsafe extern "C" {
    fn poll(fds: *mut PollFd, count: NumberOfFds, timeout: c_int) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

/// From POSIX `<poll.h>`; the same on Linux, macOS and the BSDs.
const POLLIN: c_short = 1;
const POLLOUT: c_short = 4;

/// Waits until one of `fds` is ready for its events or `timeout` is over (`None`:
/// for ever). All false: the time is over, or a signal came.
fn wait<const N: usize>(
    fds: [(BorrowedFd<'_>, c_short); N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let timeout = match timeout {
        None => -1,
        // Rounded up: waking a bit early would mean waking twice.
        Some(time) => c_int::try_from(time.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX),
    };
    let mut entries = fds.map(|(fd, events)| PollFd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    });
    // SAFETY: `entries` are N valid pollfds, laid out as in <poll.h>, that live and
    // are not otherwise used during the call; the count says N.
    let ready = unsafe { poll(entries.as_mut_ptr(), N as NumberOfFds, timeout) };
    if ready >= 0 {
        return Ok(entries.map(|entry| entry.revents != 0));
    }
    let error = io::Error::last_os_error();
    if error.kind() == ErrorKind::Interrupted {
        return Ok([false; N]);
    }
    Err(error)
}

/// A standard stream without std's buffers. Nothing else may use it from now on.
fn unbuffered(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Whether a read or write did nothing and may be tried again: a signal came, or somebody
/// made the descriptor non-blocking.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

/// What [`Input::wait_and_read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes, now in [`Input::lines`].
    Bytes,
    /// Nothing; the time is over.
    Nothing,
    /// The end of the input.
    End,
}

/// Standard input, as lines.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// What has been read and not taken.
    pub lines: Lines,
}

impl Input {
    /// Standard input. Nothing else may read it from now on.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be duplicated.
    pub fn stdin() -> io::Result<Input> {
        Ok(Input {
            file: unbuffered(io::stdin())?,
            lines: Lines::default(),
        })
    }

    /// Waits for input, `timeout` at most (`None`: for ever), and reads what is there.
    /// What waits in `log` is written as soon as there is room.
    ///
    /// # Errors
    ///
    /// Whatever poll(2) or read(2) say, interruptions excepted.
    pub fn wait_and_read(
        &mut self,
        timeout: Option<Duration>,
        log: &mut LogOutput,
    ) -> io::Result<Arrival> {
        let stdin = (self.file.as_fd(), POLLIN);
        let ready = if log.is_empty() {
            wait([stdin], timeout)?[0]
        } else {
            let [ready, room] = wait([stdin, (log.file.as_fd(), POLLOUT)], timeout)?;
            if room {
                log.flush(Duration::ZERO);
            }
            ready
        };
        if !ready {
            return Ok(Arrival::Nothing);
        }
        match self.lines.read_from(&mut self.file) {
            Ok(0) => Ok(Arrival::End),
            Ok(_) => Ok(Arrival::Bytes),
            Err(error) if is_nothing(&error) => Ok(Arrival::Nothing),
            Err(error) => Err(error),
        }
    }
}

/// One piece of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its line break.
    Complete(&'a [u8]),
    /// A line of more than [`MAX_LINE`] bytes was dropped.
    TooLong,
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Below: taken already.
    taken: usize,
    /// Below: known to have no line break that was not taken. A long line that
    /// comes in many pieces is searched once, not once a piece.
    searched: usize,
    /// In the rest of a line that was too long.
    dropping: bool,
}

impl Lines {
    /// Reads once. Gives the number of bytes; 0 is the end, which ends a line that has begun.
    ///
    /// # Errors
    ///
    /// Those of `source`; nothing is lost then.
    pub fn read_from(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.buffer.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_SIZE, 0);
        let result = source.read(&mut self.buffer[filled..]);
        let read = *result.as_ref().unwrap_or(&0);
        self.buffer.truncate(filled + read);
        if matches!(result, Ok(0)) && (self.dropping || filled > 0) {
            self.buffer.push(b'\n');
        }
        result
    }

    /// The next complete line, if there is one.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        let rest = &self.buffer[self.searched..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            self.searched = self.buffer.len();
            if self.dropping || self.buffer.len() - self.taken > MAX_LINE {
                self.dropping = true;
                self.taken = self.buffer.len();
            }
            return None;
        };
        let (start, end) = (self.taken, self.searched + length);
        self.taken = end + 1;
        self.searched = end + 1;
        if std::mem::take(&mut self.dropping) || end - start > MAX_LINE {
            return Some(Line::TooLong);
        }
        let line = &self.buffer[start..end];
        Some(Line::Complete(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// What was read of a line whose end has not come.
    pub fn open_line(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }
}

/// Standard output, without a buffer of its own.
#[derive(Debug)]
pub struct Output {
    file: File,
}

impl Output {
    /// Standard output. Nothing else may write to it from now on.
    ///
    /// # Errors
    ///
    /// If stdout was closed when the process started, or cannot be duplicated.
    pub fn stdout() -> io::Result<Output> {
        if STDOUT_WAS_CLOSED.load(Ordering::Relaxed) {
            return Err(io::Error::new(ErrorKind::BrokenPipe, "stdout is closed"));
        }
        let file = unbuffered(io::stdout())?;
        Ok(Output { file })
    }

    /// Writes all of `bytes`, in one write if the pipe has room, and waits for
    /// room if it has not, even if somebody made the descriptor non-blocking.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if nobody reads any more; whatever else write(2) says.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_nothing(&error) => {
                    wait([(self.file.as_fd(), POLLOUT)], None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the process was started without a stdout (`hubcast >&-`).
///
/// Before `main`, std opens /dev/null in the place of a closed descriptor, so that
/// no file gets its number and the output by mistake. From then on it looks like the
/// /dev/null that somebody chose, and a whole output would go nowhere unnoticed. So
/// this is asked before std is at it, where the system's loader calls [`look`].
/// (Flags do not tell: std opens it for reading and writing, and so do parents who
/// mean it, Python's `subprocess.DEVNULL` for one.)
static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: both sections hold pointers to functions that the loader calls once each,
// before `main`. This one needs nothing that std sets up there.
#[used]
#[cfg_attr(
    target_vendor = "apple",
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    /// From POSIX `<fcntl.h>`; the same on every Unix.
    const F_GETFD: c_int = 1;
    // SAFETY: fcntl(2) with this command takes no further argument and touches no
    // memory. It fails only if the descriptor is not open.
    let closed = unsafe { fcntl(1, F_GETFD) } == -1;
    STDOUT_WAS_CLOSED.store(closed, Ordering::Relaxed);
}

/// Standard error for a log: never waits for its reader.
///
/// The descriptor itself stays blocking: it is shared with whoever started the
/// process, and a non-blocking one would take them by surprise. Instead poll(2) is
/// asked before each small write.
#[derive(Debug)]
pub struct LogOutput {
    file: File,
    /// Whole records that wait for room, but for what was written of the first one.
    waiting: VecDeque<u8>,
    /// How many were dropped since that was last told.
    dropped: u64,
}

impl LogOutput {
    /// Standard error. Nothing else should write to it from now on.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be duplicated.
    pub fn stderr() -> io::Result<LogOutput> {
        Ok(LogOutput {
            file: unbuffered(io::stderr())?,
            waiting: VecDeque::new(),
            dropped: 0,
        })
    }

    /// Whether nothing waits for room.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }

    /// Adds `text`, some whole lines, to what waits. If that is too much even after
    /// what there is room for was written, it is dropped and counted as one record.
    pub fn push(&mut self, text: &str) {
        let fits = |log: &LogOutput| log.waiting.len() + text.len() < MAX_LOG;
        if !fits(self) || self.dropped > 0 {
            self.flush(Duration::ZERO);
        }
        if self.dropped == 0 && fits(self) {
            self.waiting.extend(text.as_bytes());
            self.waiting.push_back(b'\n');
        } else {
            self.dropped += 1;
        }
    }

    /// Writes what there is room for, and waits for more room for `patience` at
    /// most in all. A log that cannot be written at all is nobody's: it is dropped.
    pub fn flush(&mut self, patience: Duration) {
        let started = Instant::now();
        while !self.is_empty() {
            if self.waiting.is_empty() {
                let records = std::mem::take(&mut self.dropped);
                self.waiting
                    .extend(Event::Dropped(records).to_string().as_bytes());
                self.waiting.push_back(b'\n');
            }
            let patience = patience.saturating_sub(started.elapsed());
            let room = wait([(self.file.as_fd(), POLLOUT)], Some(patience));
            if matches!(room, Ok([false])) {
                return;
            }
            let (piece, _) = self.waiting.as_slices();
            let piece = &piece[..piece.len().min(LOG_WRITE)];
            match room.and_then(|_| self.file.write(piece)) {
                Ok(written) => drop(self.waiting.drain(..written)),
                // Somebody else filled it in between, or a signal came: next time.
                Err(error) if is_nothing(&error) => return,
                Err(_) => self.waiting.clear(),
            }
        }
    }
}
