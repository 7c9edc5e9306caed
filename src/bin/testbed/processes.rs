//! The nodes as real processes on the real clock.
//!
//! Each node has three pipes, and a thread for each that has nothing to decide:
//! one moves lines from the node's stdout into the run's channel, one moves
//! lines into its stdin, one keeps its stderr. All decisions are made in the
//! [`Engine`](crate::engine::Engine), on one thread.
//!
//! Every buffer has a limit. What the nodes say waits in a channel of
//! `MAX_EVENTS` lines (each of 16 MiB at most), and then in their pipes: a testbed that cannot keep up
//! slows the nodes down. What a node does not read waits in memory, up to
//! `MAX_UNREAD`, and then ends the run. Of its stderr `MAX_LOG` is kept.
//!
//! However the testbed ends, it takes its nodes along: dropping [`Processes`]
//! kills and reaps them, which covers errors and panics, and signals are
//! remembered by [`hubcast::stdio`] and end the run as an error does. Nodes have a
//! process group of their own, so Ctrl-C reaches the testbed alone. If the
//! testbed itself is killed outright, the nodes see the end of their input.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::engine::{Failure, Host};
use crate::journal::Journal;
use crate::options::Options;
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

/// How many of its last stderr lines are shown of a node that died.
const LAST_LINES: usize = 10;

/// How long a node may take to exit once its input has ended, before it is killed.
const EXIT_TIME: Duration = Duration::from_secs(2);

/// How long a node that made the run fail may take to exit and be heard.
const LAST_WORDS_TIME: Duration = Duration::from_millis(200);

/// How often a waiting testbed looks whether a signal came.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);

/// Running nodes. Each leads a process group of its own.
#[derive(Debug)]
pub struct Processes {
    nodes: Vec<Process>,
    events: Receiver<Event>,
    started: std::time::Instant,
}

#[derive(Debug)]
struct Process {
    name: String,
    child: Child,
    /// Lines for its stdin; `None` once its input has been ended.
    input: Option<Sender<Vec<u8>>>,
    unread: Arc<AtomicUsize>,
    last_lines: Arc<Mutex<VecDeque<String>>>,
}

enum Event {
    Line(usize, Vec<u8>),
    TooLong(usize),
    /// The node has closed its stdout.
    Closed(usize),
}

impl Processes {
    /// Starts one process a node, its stderr going to the run's folder.
    ///
    /// # Errors
    ///
    /// [`Failure`] if the program cannot be started or a log not be created.
    pub fn start(options: &Options, program: &Path, folder: &Path) -> Result<Processes, Failure> {
        let (sender, events) = mpsc::sync_channel(MAX_EVENTS);
        let mut processes = Processes {
            nodes: Vec::new(),
            events,
            started: std::time::Instant::now(),
        };
        for (index, name) in options.node_ids().into_iter().enumerate() {
            let log = Journal::node_log(folder, &name);
            let log = File::create(&log)
                .map_err(|error| Failure::new(format!("{}: {error}", log.display())))?;
            let node = Process::start(
                index,
                name,
                program,
                &options.node_args,
                log,
                sender.clone(),
            )
            .map_err(|error| {
                Failure::new(format!(
                    "cannot start {}: {error} (each node takes 4 open files: see ulimit -n)",
                    program.display()
                ))
            })?;
            processes.nodes.push(node);
        }
        Ok(processes)
    }

    /// Ends the nodes' input and waits for them to exit; kills those that do
    /// not. Gives a sentence for each node that hubcast's users would not expect.
    pub fn stop(mut self) -> Vec<String> {
        for node in &mut self.nodes {
            node.input = None;
        }
        let deadline = std::time::Instant::now() + EXIT_TIME;
        let mut problems = Vec::new();
        for node in &mut self.nodes {
            loop {
                // What it still says would fill its pipe if nobody took it.
                while self.events.try_recv().is_ok() {}
                match node.child.try_wait() {
                    Ok(Some(status)) if status.success() => {}
                    Ok(Some(status)) => problems.push(format!(
                        "{} ended with {status} at the end of its input{}",
                        node.name,
                        node.last_words()
                    )),
                    _ if std::time::Instant::now() < deadline => {
                        thread::sleep(Duration::from_millis(2));
                        continue;
                    }
                    // Other nodes than ours may wait for more. `drop` kills it.
                    _ => {}
                }
                break;
            }
        }
        problems
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // With all that it has started. The rest fails only for a process that
        // is gone already.
        stdio::kill_group(&self.child);
        let _ = self.child.kill();
        let _ = self.child.wait();
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
            if let Some(number) = stdio::signal_received() {
                return Err(Failure::new(format!("interrupted by signal {number}")));
            }
            let time = (until - self.now()).min(SIGNAL_INTERVAL);
            match self.events.recv_timeout(time) {
                Ok(Event::Line(index, line)) => return Ok(Some((index, line))),
                Ok(Event::TooLong(index)) => {
                    let text = format!(
                        "wrote a malformed line: more than {} bytes",
                        stdio::MAX_LINE
                    );
                    return Err(Failure::of(index, text));
                }
                Ok(Event::Closed(index)) => return Err(Failure::of(index, "died")),
                Err(RecvTimeoutError::Timeout) if self.now() >= until => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("all nodes are gone"));
                }
            }
        }
    }

    fn post_mortem(&mut self, index: usize) -> String {
        let node = &mut self.nodes[index];
        // A node that just closed its stdout may still be exiting, and its last
        // words may still be in the pipe: give both a moment.
        thread::sleep(LAST_WORDS_TIME);
        let status = match node.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => "it still runs".into(),
        };
        status + &node.last_words()
    }
}

impl Process {
    fn start(
        index: usize,
        name: String,
        program: &Path,
        args: &[String],
        log: File,
        events: SyncSender<Event>,
    ) -> io::Result<Process> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (input, lines) = mpsc::channel();
        // From here on dropping the node ends the process, whatever fails.
        let node = Process {
            name,
            child,
            input: Some(input),
            unread: Arc::default(),
            last_lines: Arc::default(),
        };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a pipe is missing"));
        };
        // The threads end with the pipes.
        let thread = thread::Builder::new;
        let unread = Arc::clone(&node.unread);
        thread().spawn(move || write_lines(stdin, &lines, &unread))?;
        thread().spawn(move || read_lines(index, stdout, &events))?;
        let last_lines = Arc::clone(&node.last_lines);
        thread().spawn(move || keep_log(stderr, log, &last_lines))?;
        Ok(node)
    }

    /// The last stderr lines, for the end of a sentence.
    fn last_words(&self) -> String {
        let lines = match self.last_lines.lock() {
            Ok(lines) => lines,
            Err(poisoned) => poisoned.into_inner(),
        };
        if lines.is_empty() {
            return "; it left nothing on stderr".into();
        }
        let lines: Vec<String> = lines.iter().map(|line| format!("\n  {line}")).collect();
        format!("; its last lines on stderr:{}", lines.concat())
    }
}

fn write_lines(mut stdin: impl Write, lines: &Receiver<Vec<u8>>, unread: &AtomicUsize) {
    while let Ok(line) = lines.recv() {
        if stdin.write_all(&line).is_err() {
            return;
        }
        unread.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

fn read_lines(index: usize, mut stdout: impl io::Read, events: &SyncSender<Event>) {
    let mut lines = Lines::new();
    while !matches!(lines.read_from(&mut stdout), Ok(0) | Err(_)) {
        while let Some(line) = lines.next_line() {
            let event = match line {
                Line::Complete(line) => Event::Line(index, line.to_vec()),
                Line::TooLong => Event::TooLong(index),
            };
            if events.send(event).is_err() {
                return;
            }
        }
    }
    let _ = events.send(Event::Closed(index));
}

fn keep_log(stderr: impl io::Read, mut log: File, last_lines: &Mutex<VecDeque<String>>) {
    let mut stderr = BufReader::new(stderr);
    let mut room = MAX_LOG;
    let mut line = Vec::new();
    // A line without an end is cut into pieces, so that memory stays bounded.
    while let Ok(1..) = io::Read::take(&mut stderr, 64 << 10).read_until(b'\n', &mut line) {
        let kept = line.len().min(room);
        // A full disk must not stop the node.
        let _ = log.write_all(&line[..kept]);
        room -= kept;
        if let Ok(mut last) = last_lines.lock() {
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        }
        line.clear();
    }
}
