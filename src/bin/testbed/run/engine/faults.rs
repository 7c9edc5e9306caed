//! What the nemesis does to the nodes and the network, and what it takes to get over it.
//!
//! As in Maelstrom, a node that was killed is started again with the same arguments
//! and gets `init` again, but no `topology`. While a node is down or paused the oldest
//! messages for it are kept, and handed over when it is back. A client's request may
//! come before the `init`; whatever the node answers then counts. A client whose node
//! died waits for its answer until its time is over.

use std::time::Duration;

use super::{Engine, Event, INIT_TIMEOUT, Packet};
use crate::judge::plural;
use crate::nodes::Failure;
use crate::nodes::cluster;
use crate::run::spread::{self, Spread};
use crate::world::nemesis::{Act, Strike, Tool};
use hubcast::json::{Json, encode_str};
use hubcast::time::Instant;

/// How many messages are kept for a node that is down or paused. Maelstrom's number.
const MAX_KEPT: usize = 10;

/// How long it takes at most until a node that was started again gets its `init`.
///
/// Unit: time. Long enough for some client to be early, and short against what it
/// takes to get over a crash.
const INIT_DELAY: Duration = Duration::from_millis(50);

/// One fault as it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What was done.
    pub tool: Tool,
    /// To whom: the kind's name.
    pub kind: &'static str,
    /// The nodes that were killed or paused.
    pub nodes: Vec<usize>,
    /// When it began.
    pub start: Instant,
    /// When it ended: healed, started again, resumed.
    pub end: Option<Instant>,
    /// From the end until every node showed, asked for it, every value that had
    /// been accepted before the end; `None` if that did not happen.
    pub recovery: Option<Duration>,
    /// It did not happen since another fault began before, or was not over.
    pub interrupted: bool,
    /// Of the values given meanwhile, how many [count](crate::run::spread).
    pub given: usize,
    /// How long each of them took that reached its whole component, ascending.
    pub took: Vec<Duration>,
    /// Nobody looked: no answer of this workload could have shown it.
    pub unjudged: bool,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Paused,
    Down,
    /// Started again, and not initialised yet.
    Starting,
}

/// A node's place in the run, whoever sits there.
#[derive(Debug)]
pub struct Seat {
    state: State,
    /// How often it was started.
    lives: i64,
    /// Whether it was told in this life who it is, and how many messages it got before.
    is_told: bool,
    early: usize,
    /// The oldest messages that came meanwhile; those between nodes with their numbers.
    kept: Vec<(Option<u64>, Vec<u8>)>,
}

impl Seat {
    /// A node that was started with the run.
    pub fn new() -> Seat {
        Seat {
            state: State::Up,
            lives: 1,
            is_told: true,
            early: 0,
            kept: Vec::new(),
        }
    }
}

impl Engine<'_> {
    /// The next start or end of a fault.
    pub(super) fn nemesis(&mut self, now: Instant) -> Result<(), Failure> {
        match self.nemesis.act(self.options.nodes) {
            Act::Begin(strike) => self.strike(now, strike),
            Act::End(tool) => self.relent(now, tool),
        }
    }

    /// Ends all faults.
    pub(super) fn end_faults(&mut self, now: Instant) -> Result<(), Failure> {
        while let Some(tool) = self.nemesis.end() {
            self.relent(now, tool)?;
        }
        Ok(())
    }

    fn strike(&mut self, now: Instant, strike: Strike) -> Result<(), Failure> {
        // Whoever has not recovered by now does not before the next end.
        if let Some(fault) = self.recovering.take() {
            self.counts.faults[fault].interrupted = true;
        }
        self.observer.stop();
        self.end_spread(now);
        let (tool, kind) = (strike.tool(), strike.kind());
        let nodes = match strike {
            Strike::Partition(_, directions) => {
                self.recording.cut(now, kind, &directions)?;
                self.network.cut(&directions);
                self.cut = directions;
                Vec::new()
            }
            Strike::Kill(_, nodes) => {
                for &node in &nodes {
                    self.host.kill(node)?;
                    self.seats[node].state = State::Down;
                    // What it sends in its next life begins anew.
                    self.streams.retain(|(src, _), _| *src != node);
                }
                self.recording.nodes(now, "kill", kind, &nodes)?;
                nodes
            }
            Strike::Pause(_, mut nodes) => {
                nodes.retain(|&node| self.seats[node].state == State::Up);
                for &node in &nodes {
                    self.host.pause(node)?;
                    self.seats[node].state = State::Paused;
                }
                self.recording.nodes(now, "pause", kind, &nodes)?;
                nodes
            }
        };
        self.counts.faults.push(Fault {
            tool,
            kind,
            nodes,
            start: now,
            end: None,
            recovery: None,
            interrupted: false,
            given: 0,
            took: Vec::new(),
            unjudged: false,
        });
        let fault = self.counts.faults.len() - 1;
        self.spread = Some(Spread::new(fault));
        self.at(now + spread::SETTLING, Event::Watch { fault });
        Ok(())
    }

    fn end_spread(&mut self, now: Instant) {
        if let Some(spread) = self.spread.take() {
            let fault = &mut self.counts.faults[spread.fault];
            (fault.given, fault.took) = spread.end(now);
        }
    }

    fn relent(&mut self, now: Instant, tool: Tool) -> Result<(), Failure> {
        self.end_spread(now);
        let mut faults = self.counts.faults.iter();
        let open = faults.rposition(|fault| fault.tool == tool && fault.end.is_none());
        let Some(index) = open else {
            return Ok(());
        };
        let fault = &mut self.counts.faults[index];
        fault.end = Some(now);
        let (kind, nodes) = (fault.kind, fault.nodes.clone());
        match tool {
            Tool::Partition => {
                self.recording.heal(now)?;
                self.network.heal(&std::mem::take(&mut self.cut));
            }
            Tool::Kill => {
                for &node in &nodes {
                    self.start(now, node)?;
                }
                self.recording.nodes(now, "start", kind, &nodes)?;
            }
            Tool::Pause => {
                self.recording.nodes(now, "resume", kind, &nodes)?;
                for &node in &nodes {
                    // It may have been killed meanwhile.
                    if self.seats[node].state == State::Paused {
                        self.host.resume(node)?;
                        self.hand_over(now, node)?;
                    }
                }
            }
        }
        if self.nemesis.is_idle() {
            if let Some(count) = self.load.require() {
                self.observer.begin(count);
                self.recovering = Some(index);
                self.at(now, Event::Observe { fault: index });
            } else {
                self.counts.faults[index].unjudged = true;
            }
        } else {
            self.counts.faults[index].interrupted = true;
        }
        Ok(())
    }

    fn start(&mut self, now: Instant, node: usize) -> Result<(), Failure> {
        self.host.start(node)?;
        let seat = &mut self.seats[node];
        seat.state = State::Starting;
        seat.lives += 1;
        (seat.is_told, seat.early) = (false, 0);
        let life = seat.lives;
        let delay = INIT_DELAY.mul_f64(self.start_rng.fraction());
        self.at(now + delay, Event::Init { node, life });
        Ok(())
    }

    /// Tells a node that was started again who it is.
    pub(super) fn init_again(
        &mut self,
        now: Instant,
        node: usize,
        life: i64,
    ) -> Result<(), Failure> {
        if self.seats[node].state != State::Starting || self.seats[node].lives != life {
            return Ok(());
        }
        let operator = format!("c{}", self.clients.len() + self.node_ids.len() + node);
        let line = cluster::line(&operator, &self.node_ids[node], |body| {
            body.word("type", "init");
            body.int("msg_id", life);
            body.text("node_id", &self.node_ids[node]);
            body.list("node_ids", &self.node_ids, |id, out| encode_str(id, out));
        });
        self.seats[node].is_told = true;
        self.at(now + INIT_TIMEOUT, Event::InitTimeout { node, life });
        self.host.send(node, &line)
    }

    /// A node that was started again should have answered by now.
    pub(super) fn init_timeout(&self, node: usize, life: i64) -> Result<(), Failure> {
        let seat = &self.seats[node];
        if seat.state == State::Starting && seat.lives == life {
            let text = format!(
                "did not answer its second init within {} s",
                INIT_TIMEOUT.as_secs()
            );
            return Err(Failure::of(node, text));
        }
        Ok(())
    }

    /// A node that was started again has answered its `init`.
    pub(super) fn started(
        &mut self,
        now: Instant,
        node: usize,
        reply: i64,
        body: &Json<'_>,
    ) -> Result<(), Failure> {
        let seat = &self.seats[node];
        if seat.state != State::Starting || seat.lives != reply {
            return Ok(());
        }
        if body.get("type").and_then(Json::as_str) != Some("init_ok") {
            return Err(Failure::of(node, super::unexpected(body, "init")));
        }
        self.hand_over(now, node)
    }

    /// A node is back: it gets what was kept for it.
    fn hand_over(&mut self, now: Instant, node: usize) -> Result<(), Failure> {
        self.seats[node].state = State::Up;
        for (id, line) in std::mem::take(&mut self.seats[node].kept) {
            self.hand(now, node, id, line)?;
        }
        Ok(())
    }

    /// Hands a node a line, now or when it is back. `packet` is its number if it comes
    /// from another node.
    pub(super) fn hand(
        &mut self,
        now: Instant,
        node: usize,
        packet: Option<u64>,
        line: Vec<u8>,
    ) -> Result<(), Failure> {
        let seat = &mut self.seats[node];
        let is_early = seat.state == State::Starting && packet.is_none();
        seat.early += usize::from(is_early && !seat.is_told);
        if seat.state == State::Up || is_early {
            if let Some(id) = packet {
                self.recording.recv(now, id)?;
            }
            return self.host.send(node, &line);
        }
        if seat.kept.len() < MAX_KEPT {
            seat.kept.push((packet, line));
        } else if let Some(id) = packet {
            self.counts.server.dropped += 1;
            self.recording.dropped(now, id, "down")?;
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, now: Instant, packet: Packet) -> Result<(), Failure> {
        if packet.dest >= self.node_ids.len() {
            self.under_way -= packet.line.len();
            return self.serve(now, packet);
        }
        if self.network.is_cut(packet.src, packet.dest) {
            self.under_way -= packet.line.len();
            self.counts.server.dropped += 1;
            return Ok(self.recording.dropped(now, packet.id, "partition")?);
        }
        match self.network.door(now, packet.dest) {
            // Even if that is now: on a late real clock others may be due before it.
            Some(turn) => self.at(turn, Event::Enter(packet)),
            None => self.enter(now, packet)?,
        }
        Ok(())
    }

    pub(super) fn enter(&mut self, now: Instant, packet: Packet) -> Result<(), Failure> {
        self.under_way -= packet.line.len();
        self.hand(now, packet.dest, Some(packet.id), packet.line)
    }

    /// Asks those nodes that have not shown everything since the last fault's end.
    pub(super) fn observe(&mut self, now: Instant, fault: usize) -> Result<(), Failure> {
        // The next fault has its own questions.
        if self.recovering != Some(fault) || !self.observer.is_open() {
            return Ok(());
        }
        self.ask(now, |_| true)?;
        self.at(self.observer.next(now), Event::Observe { fault });
        Ok(())
    }

    /// Asks those nodes that have not shown every value given during this fault.
    pub(super) fn watch(&mut self, now: Instant, fault: usize) -> Result<(), Failure> {
        let Some(mut spread) = self.spread.take_if(|spread| spread.fault == fault) else {
            return Ok(());
        };
        if spread.components.is_empty() {
            let up = (0..self.seats.len()).filter(|&node| self.seats[node].state == State::Up);
            let is_open = |src, dest| !self.network.is_cut(src, dest);
            spread.components = spread::components(up.collect(), is_open);
            self.observer.begin(self.load.require().unwrap_or(0));
        }
        self.ask(now, |node| spread.awaits(node))?;
        self.spread = Some(spread);
        let next = self.observer.next(now).max(now + spread::PAUSE);
        self.at(next, Event::Watch { fault });
        Ok(())
    }

    /// Asks those of these nodes of whom no answer is awaited.
    fn ask(&mut self, now: Instant, wanted: impl Fn(usize) -> bool) -> Result<(), Failure> {
        let (kind, fields) = self.load.show();
        let ask = |(node, id): (usize, i64)| {
            let observer = format!("c{}", self.clients.len() + node);
            let line = cluster::line(&observer, &self.node_ids[node], |body| {
                body.word("type", kind);
                body.int("msg_id", id);
                super::write_fields(&fields, body);
            });
            (node, line)
        };
        let lines: Vec<_> = self.observer.ask(wanted).into_iter().map(ask).collect();
        for (node, line) in lines {
            self.hand(now, node, None, line)?;
        }
        Ok(())
    }

    /// A node has answered the observer. An error shows nothing.
    pub(super) fn observed(&mut self, now: Instant, node: usize, reply: i64, body: &Json<'_>) {
        if let Some(spread) = &mut self.spread {
            self.observer.answered(node, reply, None);
            spread.shows(now, node, self.load.values(body).unwrap_or_default());
            return;
        }
        let holds = self.load.holds(body);
        if self.recovering.is_some()
            && self.observer.answered(node, reply, holds)
            && let Some(fault) = self.recovering.take()
        {
            let fault = &mut self.counts.faults[fault];
            fault.recovery = fault.end.map(|end| now - end);
        }
    }

    /// What may have led a node astray that was started again and has not answered its
    /// `init`, for the end of a text.
    pub(super) fn early_text(&self, node: usize) -> String {
        let Seat { state, early, .. } = self.seats[node];
        if state != State::Starting || early == 0 {
            return String::new();
        }
        format!(
            "\nit was started again, and {} came before its init, as with Maelstrom: until init \
             a node must ignore a message or answer with error 11, and go on",
            plural(early, "message")
        )
    }

    /// What is wrong now, for the progress line.
    pub(super) fn faults_now(&self) -> String {
        let open = self
            .counts
            .faults
            .iter()
            .filter(|fault| fault.end.is_none());
        let names: Vec<String> = open
            .map(|fault| format!("{}: {}", fault.tool.name(), fault.kind))
            .collect();
        names.join(", ")
    }
}
