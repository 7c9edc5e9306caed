//! The event loop of a run: network, clients and nemesis around some nodes.
//!
//! One loop for two worlds. A [`Host`] owns the nodes and the clock: real
//! processes on the real clock, or [`Node`](hubcast::node::Node)s in memory on a
//! virtual one. The loop only knows lines that go in, lines that come out, and a
//! queue of things to do at their time. A virtual run is the same run with the
//! waiting left out.
//!
//! Maelstrom's services are servers like the nodes, but here, not at the host: latency, loss
//! and the counting of messages are the same for them, and no fault touches them.
//!
//! A run has phases: `init` to all, answered by all; `topology` likewise; load
//! for the time limit; heal; quiet; each client's last questions. Then everything that
//! is judged is there, and the nodes are asked for their links' counters, which
//! only the report shows: whatever they do with that question is no fault.

mod faults;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::judge::{Mark, Problems, Verdict};
use crate::load::{Call, Load, Operation};
use crate::nodes::cluster;
use crate::nodes::stalls::Stall;
use crate::nodes::{Failure, Host};
use crate::run::observer::Observer;
use crate::run::options::Options;
use crate::run::recording::Recording;
use crate::run::spread::Spread;
use crate::world::nemesis::Nemesis;
use crate::world::network::Network;
use crate::world::rng::Rng;
use crate::world::services::{self, Services};
pub use faults::Fault;
use faults::Seat;
use hubcast::json::{self, Json, Object, encode_str};
use hubcast::time::Instant;

/// How long a client waits for an answer. Maelstrom's, too.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for an answer to `stats`, which not every node gives.
const STATS_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a node may take to answer `init` and `topology`: enough for a slow
/// language's start on a busy machine.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that may be under way between nodes.
///
/// Unit: bytes of lines. A thousand nodes with a second of latency have some MB;
/// a node that sends this much is in a loop, and the run ends before the
/// machine's memory does.
const MAX_UNDER_WAY: usize = 256 << 20;

/// How often the progress line is redrawn.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// What is said of a node that writes something else than a message.
const MALFORMED: &str = "wrote a malformed line";

/// Maelstrom's error codes that say "definitely not done". The others are
/// indefinite: 0 (timeout) and 13 (crash) by their meaning, and those from 1000 on,
/// which nodes make up, since nobody says otherwise.
/// <https://github.com/jepsen-io/maelstrom/blob/main/resources/errors.edn>
const DEFINITE_ERRORS: [i64; 9] = [1, 10, 11, 12, 14, 20, 21, 22, 30];

/// Messages between servers, by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerMessages {
    /// All that were sent, lost ones included.
    pub total: u64,
    /// With values.
    pub delta: u64,
    /// Acks alone.
    pub ack: u64,
    /// Digests.
    pub sync: u64,
    /// Deltas with nothing but what the same node had sent the same way before.
    pub retransmitted: u64,
    /// Lost, or dropped by a partition.
    pub dropped: u64,
    /// Delivered twice.
    pub duplicated: u64,
}

/// How the operations of one kind ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Answered as asked.
    pub ok: u64,
    /// Refused with a definite error: not done, for certain. Or a question without effect
    /// that nobody answered.
    pub failed: u64,
    /// Anything else: no answer in time, an indefinite error, an answer that is
    /// none. Done or not, nobody knows.
    pub indeterminate: u64,
}

impl Outcomes {
    /// All operations that ended.
    pub fn all(&self) -> u64 {
        self.ok + self.failed + self.indeterminate
    }
}

/// What became of the operations of one kind.
#[derive(Clone, Debug, Default)]
pub struct KindCounts {
    /// The kind's name.
    pub name: &'static str,
    /// How many were begun.
    pub begun: u64,
    /// How they ended.
    pub outcomes: Outcomes,
    /// Why the first reply was refused that Maelstrom refuses, if one was.
    pub refused: Option<String>,
    /// How long each took that was answered as asked.
    pub latency: Vec<Duration>,
}

/// What was counted and measured in a run.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Client operations begun, the last questions included.
    pub ops: u64,
    /// Operations that nobody answered in time.
    pub timeouts: u64,
    /// The operations by kind, in the load's order.
    pub kinds: Vec<KindCounts>,
    /// Messages between servers.
    pub server: ServerMessages,
    /// Messages between servers that the busiest node sent and was sent.
    pub busiest_node: u64,
    /// What the nodes' links counted themselves (`stats`), summed by name; empty
    /// if the nodes do not know that request.
    pub links: BTreeMap<String, i64>,
    /// The faults, in the order of time.
    pub faults: Vec<Fault>,
    /// When the machine gave the run no processor.
    pub stalls: Vec<Stall>,
    /// When the last operation before the quiet was begun.
    pub last_op: Option<Instant>,
    /// When the last message between servers was sent.
    pub last_message: Option<Instant>,
    /// What clients and nodes did wrong.
    pub problems: Problems,
}

/// A finished run.
#[derive(Debug)]
pub struct Finished {
    /// What was counted.
    pub counts: Counts,
    /// What the judge says.
    pub verdict: Verdict,
}

/// Something to do at its time.
#[derive(Debug)]
enum Event {
    /// It has crossed the network.
    Deliver(Packet),
    /// It is its turn at the node's door.
    Enter(Packet),
    NextOperation,
    ClientTimeout {
        client: usize,
        msg_id: i64,
    },
    Nemesis,
    /// Reads of the observer's, after the end of this fault.
    Observe {
        fault: usize,
    },
    /// The same while this fault lasts.
    Watch {
        fault: usize,
    },
    /// A node that was started again is told who it is, and should have answered.
    Init {
        node: usize,
        life: i64,
    },
    InitTimeout {
        node: usize,
        life: i64,
    },
    EndOfLoad,
    FinalReads,
    Progress,
}

/// A message between servers under way. The services' indices follow the nodes'.
#[derive(Clone, Debug)]
struct Packet {
    id: u64,
    src: usize,
    dest: usize,
    line: Vec<u8>,
}

/// What a client asks.
#[derive(Clone, Debug)]
enum Question {
    Init,
    Topology,
    /// The load's.
    Load(Operation),
    /// For the report, after everything else. No operation of the workload.
    Stats,
}

/// One client, tied to one node: client c to node c modulo their number. It does one
/// thing after the other.
#[derive(Debug)]
struct Client {
    last_msg_id: i64,
    /// The number of its question, the question, and when it was asked.
    waiting: Option<(i64, Question, Mark)>,
    /// How many last questions it was asked.
    last_questions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Init,
    Topology,
    Load,
    Quiet,
    Final,
    Stats,
}

/// A run in progress.
pub struct Engine<'a> {
    options: &'a Options,
    host: &'a mut dyn Host,
    recording: Recording,
    node_ids: Vec<String>,
    /// Where a name stands: the nodes, and behind them the services.
    node_index: BTreeMap<String, usize>,
    services: Services,
    queue: BTreeMap<(Instant, u64), Event>,
    queued: u64,
    phase: Phase,
    /// When the load began.
    begun: Instant,
    network: Network,
    nemesis: Nemesis,
    /// The directions that are cut now.
    cut: Vec<(usize, usize)>,
    seats: Vec<Seat>,
    start_rng: Rng,
    /// The fault whose end the nodes have to get over.
    recovering: Option<usize>,
    /// What spreads in the fault that began last, until it ends or something else happens.
    spread: Option<Spread>,
    load: Box<dyn Load>,
    /// How many operations were begun and ended.
    marks: u64,
    clients: Vec<Client>,
    client_rng: Rng,
    /// Operations that found every client busy.
    backlog: u64,
    message_ids: u64,
    /// Bytes of the packets in the queue.
    under_way: usize,
    /// For each (source, destination), one past the highest offset sent.
    streams: BTreeMap<(usize, usize), u64>,
    /// For each node, the messages between servers that it sent and was sent.
    loads: Vec<u64>,
    observer: Observer,
    counts: Counts,
    show_progress: bool,
    /// When the progress line was drawn last, by the machine's clock.
    drawn: Option<std::time::Instant>,
}

impl<'a> Engine<'a> {
    /// A run that has not begun.
    pub fn new(
        options: &'a Options,
        load: Box<dyn Load>,
        host: &'a mut dyn Host,
        recording: Recording,
        show_progress: bool,
    ) -> Engine<'a> {
        let node_ids = options.node_ids();
        let servers = options.nodes + services::NAMES.len();
        let names = node_ids.iter().map(String::as_str).chain(services::NAMES);
        let node_index = names.map(String::from).zip(0..).collect();
        let client = |_| Client {
            last_msg_id: 0,
            waiting: None,
            last_questions: 0,
        };
        let kind = |&name: &&'static str| KindCounts {
            name,
            ..KindCounts::default()
        };
        Engine {
            options,
            host,
            recording,
            node_ids,
            node_index,
            services: Services::new(options.seed),
            queue: BTreeMap::new(),
            queued: 0,
            phase: Phase::Init,
            begun: Instant::ZERO,
            network: Network::new(servers, options.weather(), options.seed),
            nemesis: Nemesis::new(
                &options.nemesis,
                options.nemesis_kind,
                options.nemesis_interval,
                options.seed,
            ),
            cut: Vec::new(),
            seats: (0..options.nodes).map(|_| Seat::new()).collect(),
            start_rng: Rng::new(options.seed, "starts"),
            recovering: None,
            spread: None,
            marks: 0,
            clients: (0..options.clients()).map(client).collect(),
            client_rng: Rng::new(options.seed, "clients"),
            backlog: 0,
            message_ids: 0,
            under_way: 0,
            streams: BTreeMap::new(),
            loads: vec![0; servers],
            observer: Observer::new(options.nodes),
            counts: Counts {
                kinds: load.kinds().iter().map(kind).collect(),
                ..Counts::default()
            },
            load,
            show_progress,
            drawn: None,
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// [`Failure`] if a node dies, says what is no message, or does not answer
    /// `init`; if files cannot be written; if a signal comes.
    pub fn run(mut self) -> Result<(Finished, Recording), Failure> {
        let result = self.run_phases();
        if self.drawn.is_some() {
            // The progress line goes.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        self.recording.flush()?;
        if let Err(failure) = result {
            let Some(node) = failure.node else {
                return Err(failure);
            };
            let end = self.host.post_mortem(node);
            let mut text = format!("{} {}; {end}", self.node_ids[node], failure.text);
            if failure.text.starts_with(MALFORMED) {
                text += "\nMaelstrom hears nothing more of a node that has written such a line";
            }
            text += &self.early_text(node);
            if let Some(first) = self.counts.problems.list(true, true).first() {
                text += &format!("\nthe first problem before that: {first}");
            }
            return Err(Failure::of(node, text));
        }
        let stalls = self.host.stalls().into_iter();
        self.counts.stalls = stalls.filter(|stall| stall.end >= self.begun).collect();
        let finished = Finished {
            counts: self.counts,
            verdict: self.load.verdict(),
        };
        Ok((finished, self.recording))
    }

    fn run_phases(&mut self) -> Result<(), Failure> {
        if self.show_progress {
            self.at(Instant::ZERO, Event::Progress);
        }
        self.each_node(|| Question::Init)?;
        loop {
            self.progress();
            if let Err(failure) = self.work_off_queue() {
                self.forgive(failure)?;
            }
            if self.all_idle() {
                match self.phase {
                    Phase::Init if self.load.advises() => {
                        self.phase = Phase::Topology;
                        self.each_node(|| Question::Topology)?;
                    }
                    Phase::Init | Phase::Topology => self.begin_load(),
                    Phase::Final => self.begin_stats()?,
                    Phase::Stats => return Ok(()),
                    Phase::Load | Phase::Quiet => {}
                }
            }
            // While a client waits its timeout is in the queue, and in every
            // other phase the next phase is, so the queue is never empty.
            let until = self.queue.keys().next().map_or(Instant::ZERO, |key| key.0);
            let heard = self.host.wait(until).and_then(|said| match said {
                Some((node, line)) => self.handle_line(node, line),
                None => Ok(()),
            });
            if let Err(failure) = heard {
                self.forgive(failure)?;
            }
        }
    }

    /// Does what is due.
    fn work_off_queue(&mut self) -> Result<(), Failure> {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= self.host.now()
        {
            let ((due, _), event) = entry.remove_entry();
            self.handle(due, event)?;
        }
        Ok(())
    }

    /// Asks for the links' counters. The verdict's data is complete.
    fn begin_stats(&mut self) -> Result<(), Failure> {
        self.phase = Phase::Stats;
        for client in 0..self.node_ids.len() {
            if let Err(failure) = self.begin(client, Question::Stats) {
                self.forgive(failure)?;
            }
        }
        Ok(())
    }

    /// The node that a client talks to.
    fn node_of(&self, client: usize) -> usize {
        client % self.node_ids.len()
    }

    /// This moment's place in the history.
    fn mark(&mut self, time: Instant) -> Mark {
        self.marks += 1;
        Mark {
            index: self.marks,
            time,
        }
    }

    /// A failure of a node ends the run, unless all that is judged is over.
    fn forgive(&mut self, failure: Failure) -> Result<(), Failure> {
        match failure.node {
            Some(node) if self.phase == Phase::Stats => {
                // It need not answer any more.
                self.clients[node].waiting = None;
                Ok(())
            }
            _ => Err(failure),
        }
    }

    fn at(&mut self, time: Instant, event: Event) {
        self.queued += 1;
        self.queue.insert((time, self.queued), event);
    }

    fn all_idle(&self) -> bool {
        self.clients.iter().all(|client| client.waiting.is_none())
    }

    fn begin_load(&mut self) {
        let now = self.host.now();
        (self.phase, self.begun) = (Phase::Load, now);
        let pause = self.operation_pause();
        self.at(now + pause, Event::NextOperation);
        self.at(now + self.options.time_limit, Event::EndOfLoad);
        if !self.options.nemesis.is_empty() {
            let pause = self.nemesis.pause();
            self.at(now + pause, Event::Nemesis);
        }
    }

    fn operation_pause(&mut self) -> Duration {
        Duration::from_secs_f64(self.client_rng.fraction() * 2.0 / self.options.rate)
    }

    /// What was `due` happens. The next operation and the next fault are counted from
    /// that: a machine that is late would thin the load out else.
    fn handle(&mut self, due: Instant, event: Event) -> Result<(), Failure> {
        let now = self.host.now();
        match event {
            Event::Deliver(packet) => self.deliver(now, packet)?,
            Event::Enter(packet) => self.enter(now, packet)?,
            Event::NextOperation => {
                if self.phase == Phase::Load {
                    let pause = self.operation_pause();
                    self.at(due + pause, Event::NextOperation);
                    self.backlog += 1;
                    self.begin_waiting_operations()?;
                }
            }
            Event::ClientTimeout { client, msg_id } => self.client_timeout(now, client, msg_id)?,
            Event::Nemesis => {
                if self.phase == Phase::Load {
                    let pause = self.nemesis.pause();
                    self.at(due + pause, Event::Nemesis);
                    self.nemesis(now)?;
                }
            }
            Event::Observe { fault } => self.observe(now, fault)?,
            Event::Watch { fault } => self.watch(now, fault)?,
            Event::Init { node, life } => self.init_again(now, node, life)?,
            Event::InitTimeout { node, life } => self.init_timeout(node, life)?,
            Event::EndOfLoad => {
                self.phase = Phase::Quiet;
                self.backlog = 0;
                self.end_faults(now)?;
                self.at(now + self.options.quiet, Event::FinalReads);
            }
            Event::FinalReads => {
                // Operations still waiting from before have timed out by now,
                // or do as soon as their time has come.
                if self.all_idle() {
                    self.phase = Phase::Final;
                    self.observer.stop();
                    for client in 0..self.clients.len() {
                        self.ask_last(client)?;
                    }
                } else {
                    self.at(now + Duration::from_millis(100), Event::FinalReads);
                }
            }
            Event::Progress => {
                // The line is drawn wherever the loop is; this wakes it.
                self.at(now + PROGRESS_INTERVAL, Event::Progress);
            }
        }
        Ok(())
    }

    /// Draws the progress line if the last one is old. A virtual clock may stand still for
    /// minutes, so it is the machine's that counts.
    fn progress(&mut self) {
        let is_old = |drawn: std::time::Instant| drawn.elapsed() >= PROGRESS_INTERVAL;
        if !self.show_progress || !self.drawn.is_none_or(is_old) {
            return;
        }
        self.drawn = Some(std::time::Instant::now());
        let nodes = self.node_ids.len();
        let line = match self.phase {
            Phase::Init | Phase::Topology => {
                format!("{nodes} nodes start: {} messages", self.message_ids)
            }
            _ => format!(
                "{nodes} nodes {:6.1} s {:6} operations, {:.2} messages per operation {}",
                self.host.now().as_secs_f64(),
                self.counts.ops,
                self.counts.server.total as f64 / self.counts.ops.max(1) as f64,
                self.faults_now(),
            ),
        };
        let _ = write!(io::stderr(), "\r\x1b[K{line}");
    }

    // The clients.

    /// The first client of each node asks this.
    fn each_node(&mut self, operation: impl Fn() -> Question) -> Result<(), Failure> {
        (0..self.node_ids.len()).try_for_each(|client| self.begin(client, operation()))
    }

    /// A client asks one more last question, if the load has one.
    fn ask_last(&mut self, client: usize) -> Result<(), Failure> {
        let asked = self.clients[client].last_questions;
        let Some(operation) = self.load.last(client, asked) else {
            return Ok(());
        };
        self.clients[client].last_questions += 1;
        self.begin(client, Question::Load(operation))
    }

    /// Starts operations as long as there are some to start and free clients.
    fn begin_waiting_operations(&mut self) -> Result<(), Failure> {
        while self.backlog > 0 {
            let free: Vec<usize> = (0..self.clients.len())
                .filter(|&client| self.clients[client].waiting.is_none())
                .collect();
            if free.is_empty() {
                return Ok(());
            }
            self.backlog -= 1;
            let client = free[self.client_rng.below(free.len() as u64) as usize];
            self.counts.last_op = Some(self.host.now());
            let operation = self.load.next(client, &mut self.client_rng);
            self.begin(client, Question::Load(operation))?;
        }
        Ok(())
    }

    fn begin(&mut self, client: usize, question: Question) -> Result<(), Failure> {
        self.progress();
        let (now, node) = (self.host.now(), self.node_of(client));
        let mark = self.mark(now);
        let name = format!("c{client}");
        let kind = self.kind(&question);
        let timeout = match &question {
            Question::Init | Question::Topology => INIT_TIMEOUT,
            Question::Load(asked) => {
                self.recording.operation(now, &name, "invoke", |line| {
                    line.word("op", kind);
                    write_fields(asked.told(), line);
                })?;
                self.counts.ops += 1;
                self.counts.kinds[asked.kind].begun += 1;
                CLIENT_TIMEOUT
            }
            Question::Stats => STATS_TIMEOUT,
        };
        self.clients[client].last_msg_id += 1;
        let msg_id = self.clients[client].last_msg_id;
        self.at(now + timeout, Event::ClientTimeout { client, msg_id });
        let line = cluster::line(&name, &self.node_ids[node], |body| {
            body.word("type", kind);
            body.int("msg_id", msg_id);
            match &question {
                Question::Init => {
                    body.text("node_id", &self.node_ids[node]);
                    body.list("node_ids", &self.node_ids, |id, out| encode_str(id, out));
                }
                Question::Topology => self.topology(body),
                Question::Load(asked) => write_fields(&asked.fields, body),
                Question::Stats => {}
            }
        });
        self.clients[client].waiting = Some((msg_id, question, mark));
        self.message_ids += 1;
        self.recording.send(now, self.message_ids, &line)?;
        self.hand(now, node, None, line)
    }

    /// The request's type.
    fn kind(&self, question: &Question) -> &'static str {
        match question {
            Question::Init => "init",
            Question::Topology => "topology",
            Question::Load(asked) => self.load.kinds()[asked.kind],
            Question::Stats => "stats",
        }
    }

    /// The advice of a `topology` message, which hubcast does not take.
    fn topology(&self, body: &mut Object<'_>) {
        body.object("topology", |topology| {
            for (index, name) in self.node_ids.iter().enumerate() {
                let advised = self
                    .options
                    .topology
                    .advised(self.node_ids.len(), index)
                    .into_iter();
                let advised = advised.map(|near| Json::String(self.node_ids[near].as_str().into()));
                Json::Array(advised.collect()).encode(topology.any_field(name));
            }
        });
    }

    fn client_timeout(&mut self, now: Instant, client: usize, msg_id: i64) -> Result<(), Failure> {
        let node = self.node_of(client);
        let waiting = &mut self.clients[client].waiting;
        let Some((_, question, _)) = waiting.take_if(|(id, ..)| *id == msg_id) else {
            return Ok(());
        };
        let kind = self.kind(&question);
        let Question::Load(asked) = question else {
            if matches!(question, Question::Stats) {
                // Another node than ours need not know the request.
                return Ok(());
            }
            let text = format!("did not answer {kind} within {} s", INIT_TIMEOUT.as_secs());
            return Err(Failure::of(node, text));
        };
        self.counts.timeouts += 1;
        let outcomes = &mut self.counts.kinds[asked.kind].outcomes;
        match asked.only_asks {
            true => outcomes.failed += 1,
            false => outcomes.indeterminate += 1,
        }
        if self.phase == Phase::Final {
            let (name, time) = (&self.node_ids[node], CLIENT_TIMEOUT.as_secs());
            let unheard = self.host.unheard(node);
            self.counts.problems.stricter(format!(
                "{name} did not answer its final {kind} within {time} s{unheard}"
            ));
        }
        self.recording
            .operation(now, &format!("c{client}"), "timeout", |_| ())?;
        self.begin_waiting_operations()
    }

    /// What node `src` says to a client.
    fn handle_reply(
        &mut self,
        now: Instant,
        src: usize,
        client: usize,
        body: &Json<'_>,
    ) -> Result<(), Failure> {
        if self.phase == Phase::Stats {
            self.take_stats(src, body);
            return Ok(());
        }
        let (clients, nodes) = (self.clients.len(), self.node_ids.len());
        let name = &self.node_ids[src];
        let Some(reply) = body
            .get("in_reply_to")
            .filter(|reply| **reply != Json::Null)
        else {
            self.counts
                .problems
                .stricter(format!("{name} told c{client} {body}, in reply to nothing"));
            return Ok(());
        };
        let Some(reply) = reply.as_int() else {
            self.counts.problems.stricter(format!(
                "{name} answered with in_reply_to {reply}, which is no integer"
            ));
            return Ok(());
        };
        if client == clients + src {
            self.observed(now, src, reply, body);
            return Ok(());
        }
        if client == clients + nodes + src {
            return self.started(now, src, reply, body);
        }
        if client >= clients || self.node_of(client) != src {
            self.counts
                .problems
                .stricter(format!("{name} answered c{client}, which asked it nothing"));
            return Ok(());
        }
        if !(1..=self.clients[client].last_msg_id).contains(&reply) {
            self.counts.problems.stricter(format!(
                "{name} answered with in_reply_to {reply}, which was never asked"
            ));
            return Ok(());
        }
        match (self.clients[client].waiting).take_if(|(id, ..)| *id == reply) {
            Some((_, question, begun)) => self.answer(now, client, question, begun, body),
            // Too late: the client has given up. Or twice, which tells nothing new.
            None => Ok(()),
        }
    }

    /// Adds what the links say of themselves, if that is what the node says.
    fn take_stats(&mut self, src: usize, body: &Json<'_>) {
        let Some(waiting) = &self.clients[src].waiting else {
            return;
        };
        if body.get("in_reply_to").and_then(Json::as_int) != Some(waiting.0) {
            return;
        }
        self.clients[src].waiting = None;
        if let Some(Json::Object(totals)) = body.get("totals") {
            for (field, count) in totals {
                let sum = self.counts.links.entry(field.to_string()).or_default();
                *sum = sum.saturating_add(count.as_int().unwrap_or(0));
            }
        }
    }

    /// The answer to an operation.
    fn answer(
        &mut self,
        now: Instant,
        client: usize,
        question: Question,
        begun: Mark,
        body: &Json<'_>,
    ) -> Result<(), Failure> {
        let (asked, kind) = (
            self.kind(&question),
            body.get("type").and_then(Json::as_str),
        );
        let is_ok = kind.and_then(|kind| kind.strip_suffix("_ok")) == Some(asked);
        match question {
            Question::Load(asked) if is_ok => {
                let ended = self.mark(now);
                let call = Call {
                    client,
                    node: &self.node_ids[self.node_of(client)],
                    begun,
                    ended,
                    is_last: self.phase == Phase::Final,
                };
                let taken = match refusal(body, self.load.fields(asked.kind)) {
                    Some(why) => Err(why),
                    None => self.load.ok(&call, &asked, body),
                };
                match taken {
                    Ok(()) => self.succeeded(now, client, &asked, begun, body)?,
                    Err(why) => self.refused(now, client, &asked, &why, body)?,
                }
                if self.phase == Phase::Final {
                    self.ask_last(client)?;
                }
            }
            Question::Load(asked) => self.not_done(now, client, &asked, body)?,
            Question::Topology if is_ok => {
                if let Some(why) = refusal(body, &[]) {
                    let text = format!("{why}: {body}; Maelstrom refuses that and ends the run");
                    return Err(Failure::of(self.node_of(client), text));
                }
            }
            // Maelstrom looks at nothing but the type of an `init_ok`.
            _ if is_ok => {}
            _ => {
                let text = unexpected(body, asked);
                return Err(Failure::of(self.node_of(client), text));
            }
        }
        self.begin_waiting_operations()
    }

    fn succeeded(
        &mut self,
        now: Instant,
        client: usize,
        asked: &Operation,
        begun: Mark,
        body: &Json<'_>,
    ) -> Result<(), Failure> {
        let counts = &mut self.counts.kinds[asked.kind];
        counts.outcomes.ok += 1;
        counts.latency.push(now - begun.time);
        if let (Some(spread), Some(value)) = (&mut self.spread, self.load.given(asked)) {
            spread.give(now, client % self.node_ids.len(), value);
        }
        let name = format!("c{client}");
        self.recording.operation(now, &name, "ok", |line| {
            line.word("op", counts.name);
            write_fields(asked.told(), line);
            self.load.answer(body, line);
        })?;
        Ok(())
    }

    /// An operation was answered with a reply that Maelstrom refuses. It may have happened,
    /// and nobody is told.
    fn refused(
        &mut self,
        now: Instant,
        client: usize,
        asked: &Operation,
        why: &str,
        body: &Json<'_>,
    ) -> Result<(), Failure> {
        let node = &self.node_ids[self.node_of(client)];
        let text = format!("{node} {why}: {body}; Maelstrom refuses the reply");
        let counts = &mut self.counts.kinds[asked.kind];
        counts.outcomes.indeterminate += 1;
        counts.refused.get_or_insert_with(|| text.clone());
        self.counts.problems.stricter(text);
        let client = format!("c{client}");
        Ok((self.recording).operation(now, &client, "info", |_| ())?)
    }

    /// An operation was answered with an error, or with something else.
    fn not_done(
        &mut self,
        now: Instant,
        client: usize,
        asked: &Operation,
        body: &Json<'_>,
    ) -> Result<(), Failure> {
        let name = self.node_ids[self.node_of(client)].clone();
        let kind = self.load.kinds()[asked.kind];
        let is_error = body.get("type").and_then(Json::as_str) == Some("error");
        let code = body.get("code").and_then(Json::as_int);
        let definite = code.filter(|code| is_error && DEFINITE_ERRORS.contains(code));
        let outcomes = &mut self.counts.kinds[asked.kind].outcomes;
        match definite {
            Some(code) => {
                outcomes.failed += 1;
                self.load.failed(asked, code);
            }
            None => outcomes.indeterminate += 1,
        }
        if !is_error {
            return self.refused(now, client, asked, &wrong_type(kind), body);
        } else if code.is_none() {
            self.counts
                .problems
                .stricter(format!("{name} answered an error without a code: {body}"));
        } else if self.phase == Phase::Final {
            self.counts
                .problems
                .stricter(format!("{name} answered its final {kind} with {body}"));
        }
        let event = if definite.is_some() { "fail" } else { "info" };
        let client = format!("c{client}");
        self.recording.operation(now, &client, event, |line| {
            if let Some(code) = code {
                line.int("code", code);
            }
        })?;
        Ok(())
    }

    // The network.

    /// A node has said a line.
    fn handle_line(&mut self, src: usize, line: Vec<u8>) -> Result<(), Failure> {
        let now = self.host.now();
        let malformed = |what: &str| {
            let start = String::from_utf8_lossy(&line[..line.len().min(200)]);
            Failure::of(src, format!("{MALFORMED}: {what}: {start}"))
        };
        let name = &self.node_ids[src];
        if line.trim_ascii().is_empty() {
            return Err(malformed("it is blank, and each line must be a message"));
        }
        let json = Json::parse(&line).map_err(|error| malformed(&error.to_string()))?;
        if let Json::Object(members) = &json {
            let known = ["id", "src", "dest", "body"];
            if let Some((key, _)) = members.iter().find(|(key, _)| !known.contains(&&**key)) {
                let what = format!("it has the key {key}, and a message has id, src, dest, body");
                return Err(malformed(&what));
            }
        }
        if json.get("id").is_some_and(|id| id.as_int().is_none()) {
            return Err(malformed("id must be an integer, or not there"));
        }
        if json.get("src").and_then(Json::as_str) != Some(name) {
            return Err(malformed("src must be its own name"));
        }
        let Some(body @ Json::Object(_)) = json.get("body") else {
            return Err(malformed("body must be an object"));
        };
        let Some(dest) = json.get("dest").and_then(Json::as_str) else {
            return Err(malformed("dest must be a string"));
        };
        if let Some(&dest) = self.node_index.get(dest) {
            self.count(now, src, dest, body);
            return self.transmit(now, src, dest, line);
        }
        let client = dest.strip_prefix('c').and_then(|index| index.parse().ok());
        // Behind the clients' numbers each node has an observer's and one that starts it again.
        let all = self.clients.len() + 2 * self.node_ids.len();
        let Some(client) = client.filter(|&index: &usize| index < all) else {
            let services = services::NAMES.join(", ");
            return Err(malformed(&format!(
                "dest is no node, no client and no service ({services})"
            )));
        };
        if client < self.clients.len() {
            self.message_ids += 1;
            let id = self.message_ids;
            let short = self.load.shortened(body).map(|body| {
                let mut short = Vec::new();
                json::object(&mut short, |message| {
                    message.text("src", name);
                    message.text("dest", dest);
                    message.value("body", &body);
                });
                short
            });
            self.recording
                .send(now, id, short.as_ref().unwrap_or(&line))?;
        }
        self.handle_reply(now, src, client, body)
    }

    /// A message between servers sets out.
    fn transmit(
        &mut self,
        now: Instant,
        src: usize,
        dest: usize,
        line: Vec<u8>,
    ) -> Result<(), Failure> {
        self.message_ids += 1;
        let id = self.message_ids;
        self.recording.send(now, id, &line)?;
        let copies = self.network.send();
        self.counts.server.duplicated += u64::from(copies[1].is_some());
        if copies[0].is_none() {
            self.counts.server.dropped += 1;
            self.recording.dropped(now, id, "loss")?;
        }
        self.under_way += line.len() * copies.iter().flatten().count();
        if self.under_way > MAX_UNDER_WAY {
            let text = format!("sent too much: more than {MAX_UNDER_WAY} bytes are under way");
            // A service's answer is its asker's doing.
            let node = if src < self.node_ids.len() { src } else { dest };
            return Err(Failure::of(node, text));
        }
        let packet = Packet {
            id,
            src,
            dest,
            line,
        };
        for delay in copies.into_iter().flatten() {
            self.at(now + delay, Event::Deliver(packet.clone()));
        }
        Ok(())
    }

    /// A message has reached a service, which answers at once.
    fn serve(&mut self, now: Instant, asked: Packet) -> Result<(), Failure> {
        self.recording.recv(now, asked.id)?;
        let Ok(json) = Json::parse(&asked.line) else {
            return Ok(());
        };
        let Some(body) = json.get("body") else {
            return Ok(());
        };
        let (service, client) = (asked.dest - self.node_ids.len(), &self.node_ids[asked.src]);
        let answer = self.services.answer(service, client, body);
        let line = cluster::line(services::NAMES[service], client, |message| {
            write_fields(&answer, message);
            // As in Maelstrom: null for who gave no number.
            message.value("in_reply_to", body.get("msg_id").unwrap_or(&Json::Null));
        });
        self.count(now, asked.dest, asked.src, &Json::Null);
        self.transmit(now, asked.dest, asked.src, line)
    }

    /// Counts a message between servers; services are servers, as in Maelstrom.
    fn count(&mut self, now: Instant, src: usize, dest: usize, body: &Json<'_>) {
        for node in [src, dest] {
            self.loads[node] += 1;
            if node >= self.node_ids.len() {
                continue;
            }
            self.counts.busiest_node = self.counts.busiest_node.max(self.loads[node]);
        }
        let server = &mut self.counts.server;
        server.total += 1;
        self.counts.last_message = Some(now);
        match body.get("type").and_then(Json::as_str) {
            Some("ack") => server.ack += 1,
            Some("sync") => server.sync += 1,
            Some("delta") => {
                server.delta += 1;
                let values = body.get("values").and_then(Json::as_array).unwrap_or(&[]);
                // Another node's deltas may be something else altogether.
                let offset = body.get("offset").and_then(Json::as_int);
                if let Some(Ok(offset)) = offset.map(u64::try_from) {
                    let high = self.streams.entry((src, dest)).or_default();
                    let end = offset.saturating_add(values.len() as u64);
                    server.retransmitted += u64::from(end <= *high);
                    *high = (*high).max(end);
                }
            }
            // Another node's own messages: they count, and that is all we know.
            _ => {}
        }
    }
}

fn write_fields(fields: &[(&'static str, Json<'_>)], object: &mut Object<'_>) {
    for (name, value) in fields {
        object.value(name, value);
    }
}

fn wrong_type(kind: &str) -> String {
    format!("sent something else where {kind}_ok was expected")
}

/// Why Maelstrom refuses a reply with this body, if it does: its replies are closed
/// schemas (`defrpc` in its client.clj). Besides the usual fields there may be these.
fn refusal(body: &Json<'_>, fields: &[&str]) -> Option<String> {
    let Json::Object(members) = body else {
        return None;
    };
    let kind = body.get("type").and_then(Json::as_str).unwrap_or("");
    members.iter().find_map(|(name, value)| match &**name {
        "type" | "in_reply_to" => None,
        "msg_id" if value.as_int().is_some() => None,
        "msg_id" => Some(format!(
            "sent a {kind} whose msg_id, {value}, is no integer"
        )),
        name if fields.contains(&name) => None,
        name => Some(format!(
            "sent a {kind} with the field {name}, which it must not have (disallowed-key)"
        )),
    })
}

fn unexpected(body: &Json<'_>, kind: &str) -> String {
    format!("answered {body} where {kind}_ok was expected")
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::load;
    use crate::run::options::Job;
    use crate::run::recording::in_scratch_folder;

    /// Nodes that ask a service before they answer a client, on a virtual clock.
    struct Asking {
        service: &'static str,
        now: Instant,
        said: VecDeque<(usize, Vec<u8>)>,
        asked: Vec<Vec<u8>>,
    }

    impl Host for Asking {
        fn now(&self) -> Instant {
            self.now
        }

        fn send(&mut self, node: usize, line: &[u8]) -> Result<(), Failure> {
            let json = Json::parse(line).expect("a message");
            let body = json.get("body").expect("a body");
            let (name, kind) = (cluster::name(node), body.get("type").and_then(Json::as_str));
            let said = match (kind, body.get("in_reply_to").and_then(Json::as_int)) {
                (Some("ts_ok"), Some(place)) => {
                    let asked = &self.asked[place as usize];
                    reply(&name, &Json::parse(asked).expect("a message"))
                }
                (Some("echo"), _) => {
                    self.asked.push(line.to_vec());
                    cluster::line(&name, self.service, |body| {
                        body.word("type", "ts");
                        body.int("msg_id", self.asked.len() as i64 - 1);
                    })
                }
                _ => reply(&name, &json),
            };
            self.said.push_back((node, said));
            Ok(())
        }

        fn wait(&mut self, until: Instant) -> Result<Option<(usize, Vec<u8>)>, Failure> {
            let said = self.said.pop_front();
            if said.is_none() {
                self.now = until;
            }
            Ok(said)
        }

        fn kill(&mut self, _: usize) -> Result<(), Failure> {
            Ok(())
        }

        fn start(&mut self, _: usize) -> Result<(), Failure> {
            Ok(())
        }

        fn pause(&mut self, _: usize) -> Result<(), Failure> {
            Ok(())
        }

        fn resume(&mut self, _: usize) -> Result<(), Failure> {
            Ok(())
        }

        fn post_mortem(&mut self, _: usize) -> String {
            "it is a test's".into()
        }
    }

    /// The same body back, as its `_ok`.
    fn reply(name: &str, asked: &Json<'_>) -> Vec<u8> {
        let text = |json: &Json<'_>, name| json.get(name).and_then(Json::as_str).map(String::from);
        let body = asked.get("body").expect("a body");
        let client = text(asked, "src").expect("an asker");
        cluster::line(name, &client, |answer| {
            answer.text(
                "type",
                &format!("{}_ok", text(body, "type").expect("a type")),
            );
            answer.value("in_reply_to", body.get("msg_id").expect("a number"));
            if let Some(echo) = body.get("echo") {
                answer.value("echo", echo);
            }
        })
    }

    /// What comes of an echo through this service, with these options.
    fn echo_through(service: &'static str, words: &str) -> Result<Finished, Failure> {
        let words: Vec<String> = words.split_whitespace().map(String::from).collect();
        let options = Options {
            workload: "echo",
            ..Options::new(Job::Workload)
        };
        let options = options.with(&words).expect("options");
        let mut nodes = Asking {
            service,
            now: Instant::ZERO,
            said: VecDeque::new(),
            asked: Vec::new(),
        };
        in_scratch_folder(|folder| {
            let recording = Recording::create(folder).expect("a folder for the run");
            let load =
                load::of("echo", options.consistency, load::Draws::default()).expect("a load");
            let run = Engine::new(&options, load, &mut nodes, recording, false).run();
            run.map(|(finished, _)| finished)
        })
    }

    #[test]
    fn a_service_answers_after_two_latencies_and_both_messages_are_between_servers() {
        let finished = echo_through("lin-tso", "--node-count 5 --latency 100").expect("a run");
        let echo = &finished.counts.kinds[0];
        assert!(echo.begun > 100 && echo.outcomes.ok == echo.begun);
        assert!(echo.latency.iter().all(|time| time.as_millis() == 200));
        assert_eq!(finished.counts.server.total, 2 * echo.begun);
        assert_eq!(finished.counts.server.dropped, 0);
    }

    #[test]
    fn a_partition_does_not_cut_a_service_off_and_loss_strikes_its_messages_too() {
        let cuts = "--node-count 5 --nemesis partition --nemesis-interval 1";
        let finished = echo_through("lin-tso", cuts).expect("a run");
        assert!(finished.counts.faults.len() > 5);
        assert_eq!(finished.counts.server.dropped, 0);
        let finished = echo_through("lin-tso", "--node-count 5 --loss 0.2").expect("a run");
        let (sent, lost) = (finished.counts.server.total, finished.counts.server.dropped);
        assert!((sent / 10..sent / 3).contains(&lost), "{lost} of {sent}");
    }

    #[test]
    fn a_message_to_a_service_that_does_not_exist_ends_the_run_and_names_those_that_do() {
        let failure = echo_through("big-kv", "--node-count 1").expect_err("no such service");
        let words = "dest is no node, no client and no service (lin-kv, seq-kv, lww-kv, lin-tso)";
        assert!(failure.text.contains(words), "{}", failure.text);
        assert!(failure.text.contains("big-kv"), "{}", failure.text);
    }
}
