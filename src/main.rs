//! The node's process: arguments, the poll loop, exit codes.
//!
//! Exit status: 0 at the end of the input, 1 if stdin, stdout (a closed one, too) or
//! the journal fail, 2 for wrong arguments.

use std::io::{self, ErrorKind, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

mod disk;

use disk::Files;
use hubcast::config::{self, Command, Config};
use hubcast::event::{Event, Level};
use hubcast::journal::{Journal, LEAST_LONG};
use hubcast::json::Json;
use hubcast::node::{AnyNode, node};
use hubcast::stdio::{Arrival, Input, Line, LogOutput, MAX_LINE, Output};
use hubcast::time::Instant;

/// Output is written when there is this much of it, and at the end of a turn.
///
/// Unit: bytes. One write a turn is the rule; many large reads in one turn, or a hub's
/// batches for hundreds of leaves, must not add up in memory.
const FLUSH_AT: usize = 1 << 20;

/// How long a node that ends waits for somebody to read the rest of its log.
///
/// Unit: time. A reader that lives takes it in a moment; one that does not must not
/// keep the process. Well below the two seconds that the testbed gives a node.
const LAST_WORDS: Duration = Duration::from_millis(200);

const WELCOME: &str = r#"hubcast is a Maelstrom broadcast node: one JSON message a line. --help tells more, Ctrl-D ends it. Try:
{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}
{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":"hello"}}
{"src":"c1","dest":"n1","body":{"type":"broadcast","msg_id":3,"message":42}}
{"src":"c1","dest":"n1","body":{"type":"read","msg_id":4}}"#;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let done = match config::parse_args(&args) {
        Ok(Command::Help) => print(config::HELP),
        Ok(Command::Version) => print(concat!("hubcast ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Run(config)) => run(Config {
            epoch: wall_clock(),
            ..config
        }),
        Err(error) => {
            say(&format!("hubcast: {error}"));
            return ExitCode::from(2);
        }
    };
    if let Err(error) = done {
        // What waited before this has had its time.
        let reason = Json::String(error.to_string().into());
        say(&format!("level=error event=exit reason={reason}"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print(text: &str) -> io::Result<()> {
    Output::stdout()?.write_all(text.as_bytes())
}

/// The wall clock in microseconds: an epoch for a node that remembers none. A start
/// is later than the one before, unless somebody sets the clock back in between: then a
/// neighbour tells ([`hubcast::link::raised`]).
fn wall_clock() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_micros()).map_or(1, |micros| micros.max(1))
}

/// A last line to stderr. If nobody reads even that, there is nobody left to tell.
fn say(text: &str) {
    if let Ok(mut log) = LogOutput::stderr() {
        log.push(text);
        log.flush(LAST_WORDS);
    }
}

/// Drives one [node](AnyNode) with stdin, stdout and the clock, until the input ends.
fn run(config: Config) -> io::Result<()> {
    let mut input = Input::stdin()?;
    let mut process = Process {
        warns: config.log >= Level::Warn,
        data_dir: config.data_dir.clone(),
        journal: None,
        records: Vec::new(),
        node: node(config),
        output: Output::stdout()?,
        out: Vec::new(),
        log: LogOutput::stderr()?,
    };
    if io::stdin().is_terminal() {
        process.log.push(WELCOME);
        process.log.flush(Duration::ZERO);
    }
    let result = process.serve(&mut input);
    process.log.flush(LAST_WORDS);
    result
}

/// A node and the way out of it.
struct Process {
    node: Box<dyn AnyNode>,
    output: Output,
    /// What the node has said and nobody was told yet.
    out: Vec<u8>,
    /// Where the journal is, and the journal, once the node has a name.
    data_dir: Option<PathBuf>,
    journal: Option<Journal>,
    /// What is on its way there.
    records: Vec<u8>,
    log: LogOutput,
    /// Whether warnings are logged.
    warns: bool,
}

impl Process {
    /// The poll loop.
    fn serve(&mut self, input: &mut Input) -> io::Result<()> {
        let started = std::time::Instant::now();
        let clock = || Instant::ZERO + started.elapsed();
        loop {
            let wait = self.node.poll_timeout().map(|deadline| deadline - clock());
            let arrival = input.wait_and_read(wait, &mut self.log)?;
            let now = clock();
            while let Some(line) = input.lines.next_line() {
                self.handle(now, line)?;
                self.drain()?;
            }
            self.node.end_turn(now);
            self.drain()?;
            self.write()?;
            // Replies first: nobody waits for a log.
            self.log.flush(Duration::ZERO);
            if arrival == Arrival::End {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, now: Instant, line: Line<'_>) -> io::Result<()> {
        match line {
            // Nobody's message and nobody's mistake.
            Line::Complete([]) => {}
            Line::Complete(line) => {
                self.node.handle_line(now, line);
                self.open_journal(now)?;
            }
            Line::TooLong if self.warns => self.log.push(&format!(
                "level=warn event=refused reason=\"a line may have {MAX_LINE} bytes\""
            )),
            Line::TooLong => {}
        }
        Ok(())
    }

    /// Gives the node its journal if it wants it, which it does once.
    fn open_journal(&mut self, now: Instant) -> io::Result<()> {
        let (Some(id), Some(folder)) = (self.node.wants_journal(), &self.data_dir) else {
            return Ok(());
        };
        let files = Files::open(folder, id)?;
        let path = files.path().to_owned();
        let opened = self.node.open_journal(now, Box::new(files), LEAST_LONG);
        let journal = opened.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => io::Error::other(format!(
                "{}, {error}. What the node has promised cannot be told from this any more. \
                 To start with nothing, and with what the neighbours have, move the file away",
                path.display()
            )),
            _ => error,
        })?;
        self.journal = Some(journal);
        Ok(())
    }

    /// Takes what the node has to say, and writes it whenever it is a lot.
    fn drain(&mut self) -> io::Result<()> {
        while self.node.poll_transmit(&mut self.out) {
            if self.out.len() >= FLUSH_AT {
                self.write()?;
            }
        }
        while let Some(event) = self.node.poll_event() {
            self.log.push(&event.to_string());
        }
        Ok(())
    }

    /// Stores what the output promises, and then writes it.
    fn write(&mut self) -> io::Result<()> {
        if let Some(journal) = &mut self.journal
            && self.node.poll_persist(&mut self.records)
        {
            let failed = journal.store(&self.records, || self.node.short_form())?;
            if let Some(error) = failed.filter(|_| self.warns) {
                let reason = error.to_string();
                self.log.push(&Event::NotRewritten(reason).to_string());
            }
            self.records.clear();
            self.records.shrink_to(FLUSH_AT);
        }
        self.output.write_all(&self.out)?;
        self.out.clear();
        // A huge reply must not keep its memory for good.
        self.out.shrink_to(FLUSH_AT);
        Ok(())
    }
}
