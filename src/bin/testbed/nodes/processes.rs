//! The nodes as real processes on the real clock.
//!
//! Each node has three pipes, and a thread for each that has nothing to decide.
//! One moves lines from the node's stdout into the run's channel, one moves
//! lines into its stdin, one keeps its stderr. All decisions are made in the
//! engine, on one thread.
//!
//! Every buffer has a limit. What the nodes say waits in a channel of
//! `MAX_EVENTS` lines (each of 16 MiB at most), and then in their pipes. So a testbed that cannot
//! keep up slows the nodes down. What a node does not read waits in memory, up to `MAX_UNREAD`,
//! and then ends the run. Of its stderr `MAX_LOG` is kept, a piece of up to `READ_SIZE` at a
//! time: a node that floods its stderr must not take the processor from the run.
//!
//! However the testbed ends, it takes its nodes along. Dropping [`Processes`]
//! kills and reaps them, which covers errors and panics. Signals are remembered
//! by [`signals`] and end the run as an error does. Nodes have a process group
//! of their own, so Ctrl-C reaches the testbed alone. If the testbed itself is
//! killed outright, the nodes see the end of their input.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Failure, Host, cluster, log_path, place, stamp};
use crate::nodes::signals::{self, Group};
use crate::nodes::stalls::{Stall, Watch};
use hubcast::stdio::{self, Line, Lines};
use hubcast::time::Instant;

/// The most lines of all nodes that wait for the engine. Unit: lines.
const MAX_EVENTS: usize = 256;

/// The most that may wait for one node to read it. Unit: bytes. A healthy node
/// reads at once; one that has this much waiting never reads again.
const MAX_UNREAD: usize = 64 << 20;

/// The most that is kept of one node's stderr. Unit: bytes. The rest is read
/// and dropped, so that the node does not block.
const MAX_LOG: usize = 16 << 20;

/// How much of a node's stderr is read at once. Unit: bytes. A Linux pipe holds 64 KiB.
const READ_SIZE: usize = 64 << 10;

/// How many of its last stderr lines are shown of a node that died.
const LAST_LINES: usize = 10;

/// How much of the end of its stderr is remembered for that. Unit: bytes. Ten lines of a
/// stack trace take 1 kB.
const MAX_LAST: usize = 16 << 10;

/// How much is shown of a line that has no end. Unit: bytes. Enough to recognise it.
const MAX_SHOWN: usize = 200;

/// How long a node may take to exit once its input has ended, before it is killed.
const EXIT_TIME: Duration = Duration::from_secs(2);

/// How long a node that made the run fail may take to exit and be heard.
const LAST_WORDS_TIME: Duration = Duration::from_millis(200);

/// How long a node that has closed its outputs may take to exit: enough for the
/// system to end a process, which closes its files first.
const EXITING_TIME: Duration = Duration::from_millis(20);

/// How often a testbed that waits for a node's end looks whether it has come.
const END_INTERVAL: Duration = Duration::from_millis(2);

/// How often a waiting testbed looks whether a signal came.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);

/// Running nodes. Each leads a process group of its own.
#[derive(Debug)]
pub struct Processes {
    nodes: Vec<Process>,
    events: Receiver<Event>,
    started: std::time::Instant,
    watch: Watch,
    // What it takes to start a node again.
    sender: SyncSender<Event>,
    program: PathBuf,
    args: Vec<String>,
    logs: Vec<PathBuf>,
    log_stderr: bool,
}

#[derive(Debug)]
struct Process {
    /// How many were started at this place before.
    life: u64,
    group: Group,
    /// Lines for its stdin; `None` once its input has been ended.
    input: Option<Sender<Vec<u8>>>,
    unread: Arc<AtomicUsize>,
    /// The end of its stderr.
    last_said: Arc<Mutex<Vec<u8>>>,
    /// How long the line is that it has begun, and the beginning; `None`: it has said
    /// nothing at all.
    open_line: Arc<Mutex<Option<(usize, String)>>>,
    /// Which of its outputs are open: none, once it has exited and nothing that
    /// it has started holds on to them.
    outputs: Arc<Outputs>,
    /// Whether its stderr was open when it was killed; `Some` once it was.
    was_running: Option<bool>,
}

/// Whether somebody may still write to a node's stdout and stderr.
#[derive(Debug)]
struct Outputs {
    stdout: AtomicBool,
    stderr: AtomicBool,
}

impl Outputs {
    fn is_any_open(&self) -> bool {
        self.stdout.load(Ordering::Relaxed) || self.stderr.load(Ordering::Relaxed)
    }
}

/// Something that a node did in one of its lives.
#[derive(Debug)]
struct Event {
    node: usize,
    life: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Line(Vec<u8>),
    TooLong,
    /// The node has closed its stdout.
    Closed,
}

impl Processes {
    /// Starts one process a node, its stderr going to the run's folder, and to our own if
    /// `log_stderr`.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the program cannot be started or a log not be created.
    pub fn start(
        nodes: usize,
        program: &Path,
        args: Vec<String>,
        folder: &Path,
        log_stderr: bool,
    ) -> Result<Processes, Failure> {
        let (sender, events) = mpsc::sync_channel(MAX_EVENTS);
        let started = std::time::Instant::now();
        let mut processes = Processes {
            nodes: Vec::new(),
            events,
            started,
            watch: Watch::start(started),
            sender,
            program: program.to_owned(),
            args,
            logs: (0..nodes)
                .map(|node| log_path(folder, &cluster::name(node)))
                .collect(),
            log_stderr,
        };
        for index in 0..nodes {
            let node = processes.start_one(index, 0)?;
            processes.nodes.push(node);
        }
        Ok(processes)
    }

    fn start_one(&self, index: usize, life: u64) -> Result<Process, Failure> {
        let log = &self.logs[index];
        let opened = File::options().append(true).create(true).open(log);
        let log = opened.map_err(|error| Failure::new(format!("{}: {error}", place(log))))?;
        let sender = self.sender.clone();
        let log = Log {
            file: log,
            run_began: self.started,
            shown_as: self.log_stderr.then(|| cluster::name(index)),
        };
        let process = Process::start((index, life), &self.program, &self.args, log, sender);
        let process = process.map_err(|error| {
            let hint = start_hint(&error);
            Failure::new(format!(
                "cannot start {}: {error}{hint}",
                self.program.display()
            ))
        })?;
        self.watch.follow(index, process.group.id());
        Ok(process)
    }

    /// Ends the nodes' input and waits for them to exit; kills those that do
    /// not. How a node ends now says nothing about it: its work is done.
    pub fn stop(mut self) {
        for node in &mut self.nodes {
            node.input = None;
        }
        let deadline = std::time::Instant::now() + EXIT_TIME;
        while self.nodes.iter().any(|node| node.outputs.is_any_open())
            && std::time::Instant::now() < deadline
        {
            // What they still say would fill their pipes if nobody took it.
            while self.events.try_recv().is_ok() {}
            thread::sleep(END_INTERVAL);
        }
        // Those that closed everything may be exiting, the others get no more time.
        thread::sleep(EXITING_TIME);
    }
}

impl Host for Processes {
    fn now(&self) -> Instant {
        Instant::ZERO + self.started.elapsed()
    }

    fn send(&mut self, index: usize, line: &[u8]) -> Result<(), Failure> {
        let node = &mut self.nodes[index];
        let mut line = line.to_vec();
        line.push(b'\n');
        if node.unread.fetch_add(line.len(), Ordering::Relaxed) > MAX_UNREAD {
            let text = format!("does not read its input: more than {MAX_UNREAD} bytes wait for it");
            return Err(Failure::of(index, text));
        }
        // A writer that is gone belongs to a node that is gone: `wait` says so.
        if let Some(input) = &node.input {
            let _ = input.send(line);
        }
        Ok(())
    }

    fn wait(&mut self, until: Instant) -> Result<Option<(usize, Vec<u8>)>, Failure> {
        loop {
            if let Some(number) = signals::signal_received() {
                return Err(Failure::new(format!("interrupted by signal {number}")));
            }
            let time = (until - self.now()).min(SIGNAL_INTERVAL);
            let event = match self.events.recv_timeout(time) {
                // What a node said in a former life died with it.
                Ok(event) if event.life != self.nodes[event.node].life => continue,
                event => event.map(|event| (event.what, event.node)),
            };
            match event {
                Ok((What::Line(line), index)) => return Ok(Some((index, line))),
                Ok((What::TooLong, index)) => {
                    let text = format!(
                        "wrote a malformed line: more than {} bytes",
                        stdio::MAX_LINE
                    );
                    return Err(Failure::of(index, text));
                }
                Ok((What::Closed, index)) => {
                    let node = &mut self.nodes[index];
                    let text = match node.end() {
                        End::Itself(_) => "died",
                        End::Killed => "closed its stdout",
                    };
                    return Err(Failure::of(index, text));
                }
                Err(RecvTimeoutError::Timeout) if self.now() >= until => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("all nodes are gone"));
                }
            }
        }
    }

    fn kill(&mut self, index: usize) -> Result<(), Failure> {
        let node = &mut self.nodes[index];
        node.life += 1;
        node.input = None;
        node.group.end()?;
        Ok(())
    }

    fn start(&mut self, index: usize) -> Result<(), Failure> {
        self.nodes[index] = self.start_one(index, self.nodes[index].life + 1)?;
        Ok(())
    }

    fn pause(&mut self, index: usize) -> Result<(), Failure> {
        self.nodes[index].group.pause(true);
        Ok(())
    }

    fn resume(&mut self, index: usize) -> Result<(), Failure> {
        self.nodes[index].group.pause(false);
        Ok(())
    }

    fn stalls(&self) -> Vec<Stall> {
        self.watch.stalls()
    }

    fn unheard(&self, index: usize) -> String {
        match &*locked(&self.nodes[index].open_line) {
            Some((0, _)) => String::new(),
            Some((bytes, start)) => {
                format!("; it wrote {bytes} bytes without a line break: {start}")
            }
            // One that has ended has a better reason.
            None if self.nodes[index].outputs.stdout.load(Ordering::Relaxed) => {
                "; it wrote nothing on stdout (a program must flush each line)".into()
            }
            None => String::new(),
        }
    }

    fn post_mortem(&mut self, index: usize) -> String {
        let unheard = self.unheard(index);
        let node = &mut self.nodes[index];
        let end = match node.end() {
            End::Itself(status) => status,
            End::Killed => "it still runs".into(),
        };
        end + &unheard + &node.last_words()
    }
}

/// How a node that is at fault came to its end.
enum End {
    /// By itself, before we killed it.
    Itself(String),
    /// It ran until we killed it.
    Killed,
}

impl Process {
    fn start(
        (index, life): (usize, u64),
        program: &Path,
        args: &[String],
        log: Log<File>,
        events: SyncSender<Event>,
    ) -> io::Result<Process> {
        // From here on dropping the group ends the process, whatever fails.
        let mut group = Group::start(
            Command::new(program)
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        )?;
        let pipes = group.pipes();
        let (input, lines) = mpsc::channel();
        let node = Process {
            life,
            group,
            input: Some(input),
            unread: Arc::default(),
            last_said: Arc::default(),
            open_line: Arc::default(),
            outputs: Arc::new(Outputs {
                stdout: AtomicBool::new(true),
                stderr: AtomicBool::new(true),
            }),
            was_running: None,
        };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a pipe is missing"));
        };
        // The threads end with the pipes.
        let thread = thread::Builder::new;
        let unread = Arc::clone(&node.unread);
        thread().spawn(move || write_lines(stdin, &lines, &unread))?;
        let outputs = Arc::clone(&node.outputs);
        let open_line = Arc::clone(&node.open_line);
        thread().spawn(move || {
            let tell = |what| {
                let node = index;
                events.send(Event { node, life, what }).is_ok()
            };
            read_lines(stdout, &open_line, tell);
            outputs.stdout.store(false, Ordering::Relaxed);
            // Only now: whoever hears of it looks at the line above.
            tell(What::Closed);
        })?;
        let last_said = Arc::clone(&node.last_said);
        let outputs = Arc::clone(&node.outputs);
        let mut log = log;
        thread().spawn(move || {
            log.keep(stderr, &last_said);
            outputs.stderr.store(false, Ordering::Relaxed);
        })?;
        Ok(node)
    }

    /// Ends a node that is at fault, and gives how it ended.
    ///
    /// Whether it still runs cannot be asked without reaping it, and it must not
    /// be reaped before its group is killed. So it is killed first, after some
    /// time to exit and to have its last words read. Then its status tells: a
    /// process that had exited still has the old one. A status of SIGKILL is ours
    /// if its stderr was open until then; otherwise somebody else was first.
    fn end(&mut self) -> End {
        let deadline = std::time::Instant::now() + LAST_WORDS_TIME;
        while self.outputs.is_any_open() && std::time::Instant::now() < deadline {
            thread::sleep(END_INTERVAL);
        }
        thread::sleep(EXITING_TIME);
        let ran = self
            .was_running
            .get_or_insert(self.outputs.stderr.load(Ordering::Relaxed));
        match self.group.end() {
            Ok(status) if *ran && status.signal() == Some(signals::KILL) => End::Killed,
            Ok(status) => End::Itself(status.to_string()),
            Err(error) => End::Itself(format!("its end is not known: {error}")),
        }
    }

    /// The last stderr lines, for the end of a sentence.
    fn last_words(&self) -> String {
        let said = locked(&self.last_said);
        let said = String::from_utf8_lossy(said.trim_ascii_end());
        if said.is_empty() {
            return "; it left nothing on stderr".into();
        }
        let lines: Vec<&str> = said.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        format!("; its last lines on stderr:\n  {}", last.join("\n  "))
    }
}

/// What a mutex holds, also after a thread has panicked with it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What may be wrong with a program that the system does not start, for the end of a
/// sentence.
fn start_hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(ENOENT) => "; the interpreter that its first line (#!) names is not there",
        Some(ENOEXEC) => {
            "; a script needs a first line like #!/usr/bin/env python3, and a program must be \
             built for this machine"
        }
        Some(EACCES) => "; chmod +x makes it a program, if its folder may hold any",
        // The one for this process, and the one for the whole system.
        Some(EMFILE | ENFILE) => "; each node takes 4 open files: see ulimit -n",
        Some(EAGAIN) => "; each node takes a process and 3 threads: see ulimit -u",
        _ => "",
    }
}

// From <errno.h>; the same on Linux, macOS and the BSDs, but for the last.
const ENOENT: i32 = 2;
const ENOEXEC: i32 = 8;
const EACCES: i32 = 13;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EAGAIN: i32 = if cfg!(target_os = "linux") { 11 } else { 35 };

fn write_lines(mut stdin: impl Write, lines: &Receiver<Vec<u8>>, unread: &AtomicUsize) {
    while let Ok(line) = lines.recv() {
        if stdin.write_all(&line).is_err() {
            return;
        }
        unread.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

/// Gives the lines to the engine until there are no more, or nobody takes them.
fn read_lines(
    mut stdout: impl Read,
    open_line: &Mutex<Option<(usize, String)>>,
    tell: impl Fn(What) -> bool,
) {
    let mut lines = Lines::default();
    // Bytes since the last line: one without an end is told as it grows too long,
    // not when its end comes.
    let mut open = 0;
    while let Ok(count @ 1..) = lines.read_from(&mut stdout) {
        open += count;
        while let Some(line) = lines.next_line() {
            open = 0;
            let what = match line {
                Line::Complete(line) => What::Line(line.to_vec()),
                Line::TooLong => What::TooLong,
            };
            if !tell(what) {
                return;
            }
        }
        let start = lines.open_line();
        // Of a line that comes in many reads what was read last says as much.
        let start = String::from_utf8_lossy(&start[..start.len().min(MAX_SHOWN)]);
        *locked(open_line) = Some((open, start.into_owned()));
        if open > stdio::MAX_LINE {
            open = 0;
            if !tell(What::TooLong) {
                return;
            }
        }
    }
}

/// Where what a node says on stderr goes.
#[derive(Debug)]
struct Log<W> {
    file: W,
    run_began: std::time::Instant,
    /// The name before each line on our own stderr; `None`: it does not go there.
    shown_as: Option<String>,
}

impl<W: Write> Log<W> {
    /// Keeps what a node says, each line with the time when it came, and at hand the last
    /// of it.
    fn keep(&mut self, mut stderr: impl Read, last_said: &Mutex<Vec<u8>>) {
        let mut room = MAX_LOG;
        let mut piece = vec![0; READ_SIZE];
        let mut is_new = true;
        loop {
            let count = match stderr.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let said = &piece[..count];
            // A full disk, or a closed stderr of ours, must not stop the node.
            if room > 0 {
                let stamp = stamp(Instant::ZERO + self.run_began.elapsed());
                let lines = with_heads(said, &stamp, is_new);
                let kept = lines.len().min(room);
                let _ = self.file.write_all(&lines[..kept]);
                room -= kept;
            }
            if let Some(name) = &self.shown_as {
                let _ = io::stderr().write_all(&with_heads(said, &format!("{name}: "), is_new));
            }
            is_new = said.ends_with(b"\n");
            let mut last = locked(last_said);
            last.extend_from_slice(&said[count.saturating_sub(MAX_LAST)..]);
            let extra = last.len().saturating_sub(MAX_LAST);
            last.drain(..extra);
        }
    }
}

/// A piece of a text with a head before each line; before the first if it `is_new`.
fn with_heads(piece: &[u8], head: &str, is_new: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(2 * piece.len());
    for (index, line) in piece.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if is_new || index > 0 {
            text.extend_from_slice(head.as_bytes());
        }
        text.extend_from_slice(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it is written to.
    #[derive(Default)]
    struct Counting(Vec<u8>, usize);

    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A log that was kept of this, and what is at hand of it.
    fn kept(said: impl Read) -> (Counting, String) {
        let mut log = Log {
            file: Counting::default(),
            run_began: std::time::Instant::now(),
            shown_as: None,
        };
        let last = Mutex::default();
        log.keep(said, &last);
        let last = locked(&last);
        (log.file, String::from_utf8_lossy(&last).into_owned())
    }

    #[test]
    fn a_flood_on_stderr_is_written_in_pieces_and_only_so_much_of_it() {
        let flood = "many words\n".repeat(3 << 20);
        let (log, last) = kept(flood.as_bytes());
        assert_eq!(log.0.len(), MAX_LOG);
        assert!(log.1 <= MAX_LOG / READ_SIZE, "{} writes", log.1);
        assert_eq!(last.len(), MAX_LAST);
        assert!(last.ends_with("many words\nmany words\n"));
    }

    #[test]
    fn each_line_has_one_stamp_however_it_comes() {
        let said = b"one\ntw".chain(&b"o\nthree"[..]);
        let (log, last) = kept(said);
        let log = String::from_utf8(log.0).expect("text");
        let lines: Vec<&str> = log
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .collect();
        assert_eq!(
            (lines.join(" "), log.matches("t=").count()),
            ("one two three".into(), 3)
        );
        assert_eq!(last, "one\ntwo\nthree");
    }
}
