//! Nodes in memory on a virtual clock: what the simulation, the torture, the
//! trace and the tests have in common.
//!
//! A [`Cluster`] knows the nodes, the time, the nodes' timers and a queue of its
//! owner's own events. It has no network: what a node says is handed to the owner,
//! who carries it, loses it or puts it off by queueing an event. When nothing is
//! due the clock jumps to whatever is due next.
//!
//! ```text
//!   owner --- tell(node, line) ---> nodes --- Step::Said(node, line) ---> owner
//!   owner --- at(time, event) ----> queue --- Step::Event(event) -------> owner
//! ```
//!
//! Nothing here is random but [stalls](Cluster::stall), which come from a seed, so the
//! same calls give the same steps. Of things due
//! at the same moment what was said comes first, then timers, by node, and then
//! events, in the order in which they were queued.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use hubcast::config::Config;
use hubcast::event;
use hubcast::journal::{Journal, LEAST_LONG};
use hubcast::json::Object;
use hubcast::message;
use hubcast::node::{AnyNode, Node, node};
use hubcast::time::Instant;
use hubcast::workload::Workload;

use crate::nodes::disk::Disk;
use crate::world::processor::Processor;

/// A second, as epochs count it. Unit: microseconds.
const SECOND: u64 = 1_000_000;

/// The most that a node may say in one turn.
///
/// Unit: bytes. A reply of a million values has 20 MB; a node that says more is in a loop,
/// which would take all of the machine's memory.
const MAX_SAID: usize = 1 << 30;

/// What happens next.
#[derive(Debug)]
pub enum Step<E> {
    /// The time of one of the owner's events has come.
    Event(E),
    /// A node had a turn because a timer of its own was due, or a stall was over; or it will
    /// have it when its stall is over.
    Timer(usize),
    /// A node says a line; it comes without its line break.
    Said(usize, Vec<u8>),
}

/// Nodes that share a virtual clock.
#[derive(Debug)]
pub struct Cluster<E> {
    now: Instant,
    nodes: Vec<Box<dyn AnyNode>>,
    queue: BTreeMap<(Instant, u64), E>,
    /// How many events were ever queued: keeps those of one moment in order.
    queued: u64,
    timers: BTreeSet<(Instant, usize)>,
    /// Each node's entry in `timers`.
    timer_of: Vec<Option<Instant>>,
    said: VecDeque<(usize, Vec<u8>)>,
    paused: BTreeSet<usize>,
    /// When the nodes are stalled; empty: never.
    processors: Vec<Processor>,
    /// For each paused or stalled node: what waits for it, as in a pipe.
    waiting: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The nodes that are down.
    down: BTreeSet<usize>,
    config: Config,
    /// With journals: each node's disk, and its journal while it is open.
    disks: Vec<Disk>,
    journals: Vec<Option<Journal>>,
    /// From which length on journals are rewritten, and how often one had no room for that.
    least_long: u64,
    unwritten: u64,
    /// What a node says that refuses its journal, which no crash should make it do.
    refused: Option<String>,
}

/// A node's name.
pub fn name(index: usize) -> String {
    format!("n{index}")
}

/// The node with this name, if it is one.
pub fn index(name: &str) -> Option<usize> {
    name.strip_prefix('n')?.parse().ok()
}

/// A message as a line, without its line break.
pub fn line(src: &str, dest: &str, body: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut line = Vec::new();
    message::write(&mut line, src, dest, body);
    line.pop();
    line
}

/// The line that gives a node a value and asks for no answer.
#[cfg(test)]
pub fn broadcast(node: usize, value: i64) -> Vec<u8> {
    line("c0", &name(node), |body| {
        body.word("type", "broadcast");
        body.int("message", value);
    })
}

/// A node, for a look inside.
pub fn inside<W: Workload>(node: &dyn AnyNode) -> &Node<W> {
    let node = node.as_any().downcast_ref();
    node.expect("its workload is the one that it was made for")
}

impl<E> Cluster<E> {
    /// So many nodes, at time zero, which have not heard anything.
    pub fn new(nodes: usize, config: &Config) -> Cluster<E> {
        Cluster {
            now: Instant::ZERO,
            nodes: (0..nodes).map(|_| node(config.clone())).collect(),
            queue: BTreeMap::new(),
            queued: 0,
            timers: BTreeSet::new(),
            timer_of: vec![None; nodes],
            said: VecDeque::new(),
            paused: BTreeSet::new(),
            processors: Vec::new(),
            waiting: BTreeMap::new(),
            down: BTreeSet::new(),
            config: config.clone(),
            disks: match config.data_dir {
                Some(_) => (0..nodes).map(|_| Disk::default()).collect(),
                None => Vec::new(),
            },
            journals: (0..nodes).map(|_| None).collect(),
            least_long: LEAST_LONG,
            unwritten: 0,
            refused: None,
        }
    }

    /// From now on journals are rewritten at this length already, and if there is a `room`,
    /// there is only that much for their short form.
    pub fn rewrite_at(&mut self, length: u64, room: Option<usize>) {
        self.least_long = length;
        for disk in &self.disks {
            room.inspect(|&room| disk.limit_room(room));
        }
    }

    /// From now on each node gets no processor at times: for up to the first of `times`, at
    /// gaps whose mean is the second. It is as if it were paused so long. If the first is 0
    /// nothing happens.
    pub fn stall(&mut self, times: [Duration; 2], seed: u64) {
        if !times[0].is_zero() {
            let nodes = 0..self.nodes.len();
            self.processors = nodes
                .map(|node| Processor::new(node, times, seed))
                .collect();
        }
    }

    /// How often a journal could not be rewritten for want of room.
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// Tells each node who it is and who the others are; they need not answer.
    pub fn init(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.init_one(node));
    }

    /// Tells one node who it is and who the others are.
    pub fn init_one(&mut self, node: usize) {
        let names: Vec<String> = (0..self.nodes.len()).map(name).collect();
        let init = line("c0", &names[node], |body| {
            body.word("type", "init");
            body.text("node_id", &names[node]);
            body.list("node_ids", &names, |name, out| {
                hubcast::json::encode_str(name, out);
            });
        });
        self.tell(node, &init);
    }

    /// Ends a node's life: what it knew and what waited for it is gone. What is told to
    /// it is lost until it [starts](Cluster::start) again. `draw` decides what is left on
    /// its disk of what was not synced.
    pub fn kill(&mut self, node: usize, draw: u64) {
        self.down.insert(node);
        self.paused.remove(&node);
        self.waiting.remove(&node);
        self.set_timer(node, None);
        self.journals[node] = None;
        if let Some(disk) = self.disks.get(node) {
            disk.crash(draw);
        }
    }

    /// The node will die by itself while it writes to its disk, in so many steps. It is
    /// [down](Cluster::is_down) then, and can be [killed](Cluster::kill) properly. False:
    /// it has no disk.
    pub fn arm(&mut self, node: usize, steps: u64) -> bool {
        let disk = self.disks.get(node);
        disk.map(|disk| disk.arm(steps)).is_some()
    }

    /// Starts a node that was killed, with nothing in its memory. It has to be told who
    /// it is.
    pub fn start(&mut self, node: usize) {
        if self.disks.is_empty() {
            // With a journal the node counts its lives itself: the clock stands still.
            self.config.epoch += 1;
        }
        self.start_at(node, self.config.epoch);
    }

    /// The same, when the clock shows this. The other nodes' clock stays as it is.
    pub fn start_at(&mut self, index: usize, epoch: u64) {
        self.down.remove(&index);
        if let Some(processor) = self.processors.get_mut(index) {
            // It starts, so it has one.
            processor.run(self.now);
        }
        self.nodes[index] = node(Config {
            epoch,
            ..self.config.clone()
        });
    }

    /// What a node that is down has stored is gone.
    pub fn lose_journal(&mut self, node: usize) {
        if let Some(disk) = self.disks.get_mut(node) {
            *disk = Disk::default();
            // A clock that stood still would show again what a journal has counted.
            self.config.epoch += SECOND;
        }
    }

    /// What a node says that refuses its journal.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Whether a node neither reads nor acts now, since it is paused or stalled.
    pub fn is_held(&mut self, node: usize) -> bool {
        self.paused.contains(&node) || self.stalled(node).is_some()
    }

    fn stalled(&mut self, node: usize) -> Option<Instant> {
        self.processors.get_mut(node)?.stalled(self.now)
    }

    /// Whether a node is down.
    pub fn is_down(&self, node: usize) -> bool {
        self.down.contains(&node)
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Box<dyn AnyNode>] {
        &self.nodes
    }

    /// One of them, for a look inside.
    pub fn node<W: Workload>(&self, node: usize) -> &Node<W> {
        inside(&*self.nodes[node])
    }

    /// The next event that a node has noticed.
    pub fn noticed(&mut self, node: usize) -> Option<event::Event> {
        self.nodes[node].poll_event()
    }

    /// Queues an event. One whose time is past comes up at once.
    pub fn at(&mut self, time: Instant, event: E) {
        self.queued += 1;
        self.queue.insert((time, self.queued), event);
    }

    /// Gives a node a line, which is a turn of its own, unless the node is
    /// [held](Cluster::is_held): then the line waits.
    pub fn tell(&mut self, node: usize, line: &[u8]) {
        self.tell_all(node, [line]);
    }

    /// The same with lines that lie in its pipe together: they are one turn.
    pub fn tell_all<'a>(&mut self, node: usize, lines: impl IntoIterator<Item = &'a [u8]>) {
        if self.down.contains(&node) {
            return;
        }
        if self.is_held(node) || self.waiting.contains_key(&node) {
            let waiting = self.waiting.entry(node).or_default();
            waiting.extend(lines.into_iter().map(<[u8]>::to_owned));
            return self.wake(node);
        }
        for line in lines {
            self.hear(node, line);
        }
        self.turn(node);
    }

    fn hear(&mut self, node: usize, line: &[u8]) {
        self.nodes[node].handle_line(self.now, line);
        let (Some(_), Some(disk)) = (self.nodes[node].wants_journal(), self.disks.get(node)) else {
            return;
        };
        let disk = Box::new(disk.clone());
        match self.nodes[node].open_journal(self.now, disk, self.least_long) {
            Ok(journal) => self.journals[node] = Some(journal),
            Err(error) => {
                self.down.insert(node);
                if error.kind() == io::ErrorKind::InvalidData {
                    self.refused = Some(format!("n{node} refuses its journal: {error}"));
                }
            }
        }
    }

    /// Stops a node: it neither reads nor acts until it may [`resume`](Cluster::resume).
    pub fn pause(&mut self, node: usize) {
        if self.down.contains(&node) {
            return;
        }
        self.paused.insert(node);
        self.set_timer(node, None);
    }

    /// A paused node goes on, with one turn for all that has waited for it.
    pub fn resume(&mut self, node: usize) {
        self.paused.remove(&node);
        self.wake(node);
    }

    /// A node has one turn for all that has waited for it: now, or when its stall is over,
    /// or not before it is resumed.
    fn wake(&mut self, node: usize) {
        if self.down.contains(&node) || self.paused.contains(&node) {
            return;
        }
        if let Some(end) = self.stalled(node) {
            return self.set_timer(node, Some(end));
        }
        for line in self.waiting.remove(&node).unwrap_or_default() {
            self.hear(node, &line);
        }
        self.turn(node);
    }

    /// When there will be a next step; `None`: there is nothing left to happen.
    pub fn due(&self) -> Option<Instant> {
        if !self.said.is_empty() {
            return Some(self.now);
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        let event = self.queue.first_key_value().map(|((at, _), _)| *at);
        timer.into_iter().chain(event).min()
    }

    /// The next step; time moves on to it.
    pub fn next(&mut self) -> Option<Step<E>> {
        if let Some((node, line)) = self.said.pop_front() {
            return Some(Step::Said(node, line));
        }
        let due = self.due()?;
        self.sleep(due);
        match self.timers.first() {
            Some(&(at, node)) if at <= due => {
                self.wake(node);
                Some(Step::Timer(node))
            }
            _ => Some(Step::Event(self.queue.pop_first()?.1)),
        }
    }

    /// Lets time pass in which nothing is due.
    pub fn sleep(&mut self, until: Instant) {
        self.now = self.now.max(until);
    }

    /// Ends a node's turn and takes what it says.
    fn turn(&mut self, node: usize) {
        if self.down.contains(&node) {
            return;
        }
        let mut said = Vec::new();
        self.nodes[node].end_turn(self.now);
        while self.nodes[node].poll_transmit(&mut said) {
            assert!(said.len() < MAX_SAID, "n{node} has no end of things to say");
        }
        if !self.persist(node) {
            self.down.insert(node);
            return self.set_timer(node, None);
        }
        let lines = said.split_inclusive(|&byte| byte == b'\n');
        let lines = lines.map(|line| (node, line[..line.len() - 1].to_owned()));
        self.said.extend(lines);
        self.set_timer(node, self.nodes[node].poll_timeout());
    }

    /// Stores what a node is about to promise; false: it crashed meanwhile.
    fn persist(&mut self, node: usize) -> bool {
        let mut records = Vec::new();
        match &mut self.journals[node] {
            Some(journal) if self.nodes[node].poll_persist(&mut records) => {
                let node = &self.nodes[node];
                match journal.store(&records, || node.short_form()) {
                    Ok(None) => true,
                    Ok(Some(error)) if error.kind() == io::ErrorKind::StorageFull => {
                        self.unwritten += 1;
                        true
                    }
                    Ok(Some(_)) | Err(_) => false,
                }
            }
            _ => true,
        }
    }

    fn set_timer(&mut self, node: usize, timer: Option<Instant>) {
        let known = std::mem::replace(&mut self.timer_of[node], timer);
        if known != timer {
            known.map(|at| self.timers.remove(&(at, node)));
            timer.map(|at| self.timers.insert((at, node)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubcast::json::Json;
    use hubcast::message::Message;
    use hubcast::workload::broadcast::Broadcast;

    fn cluster(nodes: usize) -> Cluster<(usize, Vec<u8>)> {
        let mut cluster = Cluster::new(nodes, &Config::default());
        cluster.init();
        cluster
    }

    /// Carries messages with 100 ms latency until nothing is left to do; gives how
    /// many messages it took and when the last one was sent.
    fn run_until_quiet(cluster: &mut Cluster<(usize, Vec<u8>)>) -> (usize, Instant) {
        let (mut sent, mut last) = (0, Instant::ZERO);
        while let Some(step) = cluster.next() {
            match step {
                Step::Event((node, line)) => cluster.tell(node, &line),
                Step::Timer(_) => {}
                Step::Said(_, line) => {
                    let json = Json::parse(&line).expect("JSON");
                    let dest = Message::read(&json).expect("a message").dest;
                    let dest = index(dest).expect("a node");
                    (sent, last) = (sent + 1, cluster.now());
                    cluster.at(last + Duration::from_millis(100), (dest, line));
                }
            }
        }
        (sent, last)
    }

    #[test]
    fn one_value_reaches_24_others_with_24_deltas_and_their_acks_and_then_all_is_quiet() {
        let mut cluster = cluster(25);
        run_until_quiet(&mut cluster);
        let start = cluster.now();
        cluster.tell(7, &broadcast(7, 42));
        let (sent, last) = run_until_quiet(&mut cluster);
        let holds = |node| {
            cluster
                .node::<Broadcast>(node)
                .workload()
                .values()
                .iter()
                .eq([42])
        };
        assert!((0..25).all(holds));
        // Up: one delta, acknowledged alone. Down: 23 deltas and 23 acks.
        assert_eq!(sent, 2 * 24);
        assert_eq!(
            last - start,
            Duration::from_millis(100 + 400 / 6 + 100 + 1400),
            "the leaves' acks waited for a ride"
        );
        let mut links = cluster.nodes().iter().flat_map(|node| node.links());
        assert!(links.all(|(_, link)| link.is_quiet));
    }

    /// Two nodes, of which one is just stalled and has been told of two values meanwhile;
    /// and when its stall ends.
    fn stalled() -> (Cluster<()>, Instant) {
        let mut cluster = Cluster::new(2, &Config::default());
        cluster.init();
        cluster.stall([Duration::from_millis(40), Duration::from_secs(2)], 1);
        while !cluster.is_held(0) {
            cluster.sleep(cluster.now() + Duration::from_millis(1));
        }
        cluster.tell(0, &broadcast(0, 7));
        cluster.tell(0, &broadcast(0, 8));
        let end = cluster.due().expect("its end");
        assert!(end > cluster.now());
        (cluster, end)
    }

    #[test]
    fn what_a_stalled_node_is_told_waits_for_the_end_of_the_stall() {
        let (mut cluster, end) = stalled();
        cluster.sleep(end);
        cluster.tell(0, &broadcast(0, 9));
        let Some(Step::Said(0, line)) = cluster.next() else {
            panic!("a turn for all that has waited, in its order");
        };
        assert!(String::from_utf8_lossy(&line).contains("[7,8,9]"));
    }

    #[test]
    fn a_stalled_nodes_timer_waits_for_the_end_of_the_stall() {
        let (mut cluster, end) = stalled();
        cluster.waiting.clear();
        cluster.set_timer(0, Some(cluster.now()));
        let begun = cluster.now();
        assert!(matches!(cluster.next(), Some(Step::Timer(0))));
        assert_eq!((cluster.now(), cluster.due()), (begun, Some(end)));
    }

    #[test]
    fn the_end_of_a_stall_wakes_neither_a_paused_node_nor_a_dead_one() {
        let (mut cluster, end) = stalled();
        cluster.pause(0);
        assert_eq!(cluster.timer_of[0], None);
        cluster.resume(0);
        assert_eq!(cluster.timer_of[0], Some(end), "it is stalled still");
        cluster.kill(0, 0);
        cluster.sleep(end);
        assert_eq!(cluster.timer_of[0], None);
        cluster.start(0);
        assert!(!cluster.is_held(0), "a new life begins with a processor");
        cluster.init_one(0);
        assert!(cluster.waiting.is_empty() && cluster.node::<Broadcast>(0).items() == 0);
    }

    #[test]
    fn what_a_paused_node_is_told_waits_and_its_timers_too() {
        let mut cluster = cluster(2);
        cluster.tell(0, &broadcast(0, 0));
        run_until_quiet(&mut cluster);
        cluster.tell(0, &broadcast(0, 1));
        cluster.pause(0);
        cluster.tell(0, &broadcast(0, 2));
        assert_eq!(cluster.due(), None, "the batch does not depart");
        cluster.sleep(cluster.now() + Duration::from_millis(500));
        cluster.resume(0);
        let Some(Step::Said(0, line)) = cluster.next() else {
            panic!("a turn for all that has waited");
        };
        assert!(String::from_utf8_lossy(&line).contains("[1,2]"));
        assert!(
            matches!(cluster.next(), Some(Step::Timer(0))),
            "{cluster:?}"
        );
    }
}
