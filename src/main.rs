//! The node's process: arguments, the poll loop, exit codes.
//!
//! Exit status: 0 at the end of the input, 1 if stdin or stdout fail (a closed
//! stdout among that), 2 for wrong arguments.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use hubcast::config::{self, Command, Config};
use hubcast::node::Node;
use hubcast::stdio::{Arrival, Input, Line, MAX_LINE, Output};
use hubcast::time::Instant;
use hubcast::workload::{self, Workload, broadcast::Broadcast, echo::Echo};

/// Output is written early when a turn has made this much of it.
///
/// Unit: bytes. One write a turn is the rule; many large reads in one turn must
/// not add up in memory.
const FLUSH_AT: usize = 1 << 20;

const WELCOME: &str = r#"hubcast is a Maelstrom broadcast node: one JSON message a line. --help tells more, Ctrl-D ends it. Try:
{"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}
{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":2,"echo":"hello"}}
{"src":"c1","dest":"n1","body":{"type":"broadcast","msg_id":3,"message":42}}
{"src":"c1","dest":"n1","body":{"type":"read","msg_id":4}}
"#;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    match config::parse_args(&args) {
        Ok(Command::Help) => print(config::HELP),
        Ok(Command::Version) => print(concat!("hubcast ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Run(config)) => {
            let result = match config.workload {
                workload::Name::Broadcast => run::<Broadcast>(config),
                workload::Name::Echo => run::<Echo>(config),
            };
            match result {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    tell(&format!("level=error event=exit reason=\"{error}\"\n"));
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            tell(&format!("hubcast: {error}\n"));
            ExitCode::from(2)
        }
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes to stderr. If even that is closed, there is nobody left to tell.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Drives one [`Node`] with stdin, stdout and the clock, until the input ends.
fn run<W: Workload>(config: Config) -> io::Result<()> {
    let started = std::time::Instant::now();
    let clock = || Instant::ZERO + started.elapsed();
    let mut input = Input::stdin()?;
    let mut output = Output::stdout()?;
    let mut node = Node::<W>::new(config);
    let mut out = Vec::new();
    if io::stdin().is_terminal() {
        tell(WELCOME);
    }
    loop {
        let wait = node.poll_timeout().map(|deadline| deadline - clock());
        let arrival = input.wait_and_read(wait)?;
        let now = clock();
        while let Some(line) = input.lines.next_line() {
            handle(&mut node, now, line);
            drain(&mut node, &mut output, &mut out)?;
        }
        if arrival == Arrival::End
            && let Some(line) = input.lines.rest()
        {
            handle(&mut node, now, line);
        }
        node.end_turn(now);
        drain(&mut node, &mut output, &mut out)?;
        output.write_all(&out)?;
        out.clear();
        // A huge reply must not keep its memory for good.
        out.shrink_to(FLUSH_AT);
        if arrival == Arrival::End {
            return Ok(());
        }
    }
}

fn handle<W: Workload>(node: &mut Node<W>, now: Instant, line: Line<'_>) {
    match line {
        Line::Complete(line) => node.handle_line(now, line),
        Line::TooLong => tell(&format!(
            "level=warn event=refused reason=\"a line may have {MAX_LINE} bytes\"\n"
        )),
    }
}

/// Takes what the node has to say.
fn drain<W: Workload>(
    node: &mut Node<W>,
    output: &mut Output,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    while node.poll_transmit(out) {
        if out.len() >= FLUSH_AT {
            output.write_all(out)?;
            out.clear();
        }
    }
    while let Some(event) = node.poll_event() {
        tell(&format!("{event}\n"));
    }
    Ok(())
}
