//! The neighbours: who hears of what, and when.
//!
//! An item that is news goes onto every link but the one that it came from (*split
//! horizon*), and there waits for its batch to depart. Each direction of the tree has
//! one batch: when it departs, every link of that direction sends what it has in one
//! delta. *When* is the business of the [`timetable`]: as late as the promise allows.
//! What comes down from the parent was gathered there already, so it departs at once, and
//! takes along what waited for it.
//!
//! **Suspects.** A link whose neighbour does not answer sends probes and nothing else. How the
//! end of that is noticed soon stands in `suspects`.
//!
//! **Catching up.** A node that has lost its memory gets it back from its neighbours'
//! digests. A hub has many neighbours, who all hold the same. So it first shows its
//! own digest to one of them, its *source*. The others get the digest when the hub
//! has caught up with its source. A node that has heard nothing from a neighbour for
//! a while after its start *greets* it with a digest; traffic makes that unnecessary.
//!
//! Everything else, from acks to retransmission, is the links' own business
//! ([`crate::link`]). The [lesson](crate::lesson) shows all of it at work, from
//! [batching](crate::lesson::batching) on.
//!
//! # What each mechanism is for
//!
//! From `./run.sh ablation`, as for the [links](crate::link): messages per operation.
//!
//! | mechanism | lost without it |
//! |---|---|
//! | a delta tells how long its oldest value has `waited` | 482 ms of the 400 promised; 2770 of 1700 on machines that stall |
//! | slots, where they pay | 585 ms: 1.12 messages for 1.03; 1700 ms: 0.66 for 0.37 |
//! | what misses its slot departs out of turn | 904 ms of 585, 2770 of 1700 on machines that stall |
//! | what comes early for a slot waits for it | 585 ms: 1.11 messages for 1.03 |
//! | a long way counts as waiting | 622 ms of 585 on machines that stall, not 593 |
//! | strays are the mean of all links | 2.21 messages for 1.71 on machines that stall |
//! | a part of the promise is kept for gathering | an uneven network: 3.37 messages for 2.15 |
//! | the first item of all measures the network | 1700 ms: 0.39 messages for 0.37 |
//! | what is sent again says that it is late | 5 % loss: 1.93 messages for 1.84 |
//! | what is late gathers company | partitions: 2.64 messages for 2.34 |
//! | ... and more of it when a partition ends | partitions, 20 seeds: 2.34 messages for 2.28 |
//! | good news | partitions: recovery takes up to 960 ms, not 590 |
//! | rotation | partitions: recovery takes up to 1120 ms, not 590 |
//! | a stand-in | while the hub is away nothing spreads |
//! | who is needed tells those behind it | a ring of majorities: a value takes up to 5.5 s or never comes, not 1.8 s |
//! | only an echo says that a hub is there | a deaf hub: 14.7 messages a value for 10.6 |
//! | one source of what was forgotten | a hub gets 24 times what it lost |
//! | greeting | a node that is restarted in an idle cluster stays empty |
//!
//! Is it always the cheaper way, and does the promise hold when the load changes?
//! Tests print it: `cargo test --bin testbed promise -- --include-ignored
//! --nocapture --test-threads 1`.

mod catch_up;
mod departures;
mod stand_in;
mod suspects;
pub mod timetable;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::{Config, Pace};
use crate::event::{Event, Events, Towards};
use crate::link::{self, Link, LinkError, Segment};
use crate::time::Instant;
use crate::tree;
use crate::workload::{Item, Route};
use stand_in::Tie;
pub use suspects::PROBE_INTERVAL;
use timetable::{Aim, Network, Timetable};

/// How long after `init` a neighbour that nothing was heard of is greeted.
///
/// Unit: time. A loaded cluster has spoken by then on every link, and a node that
/// was restarted in an idle one is whole again soon after.
const GREETING_DELAY: Duration = Duration::from_secs(1);

/// How long something has waited that is sent again.
///
/// Unit: milliseconds. More than any promise leaves to wait for.
const LONG_AGO: u64 = 1 << 32;

/// A node's neighbours in the tree and what is between it and them.
#[derive(Clone, Debug)]
pub struct Gossip<I> {
    /// Those in the tree, the parent first, and then the others, as they came.
    neighbours: Vec<Neighbour<I>>,
    /// How many are in the tree.
    in_tree: usize,
    /// All nodes, which of them this is, and how many of them are hubs.
    ids: Vec<String>,
    own: usize,
    hubs: usize,
    within: Duration,
    /// Whether the hub was away at the end of the last turn, and whether this node stood in for
    /// it for somebody behind.
    lacks_hub: bool,
    stands_in: bool,
    /// Below which number all nodes were sought, and when more are; `None`: none are sought.
    sought: usize,
    seek_at: Option<Instant>,
    /// Name -> index in `neighbours`.
    index: BTreeMap<String, usize>,
    /// When the batch towards the parent departs, if there is one.
    up_at: Option<Instant>,
    /// When the oldest item in it was given, and the oldest of the one that departed last.
    oldest: Option<Instant>,
    departed: Instant,
    /// The same of the batch towards the children that departed last.
    departed_down: Instant,
    /// When deltas have to be at the parent, as far as it says.
    aim: Aim,
    /// When the batch towards the children departs.
    timetable: Timetable,
    /// Whether the network leaves less than the promise, and that was said.
    short: bool,
    /// When the neighbours are greeted; `None`: it is done.
    greet_at: Option<Instant>,
    /// Whether this incarnation holds all that one of its neighbours held.
    caught_up: bool,
    /// The neighbour with whom it catches up now.
    source: Option<usize>,
    /// The neighbours that are suspect, when the next of them is probed (by hubs, and by who
    /// stands in for one), and where the search for that one begins.
    suspects: BTreeSet<usize>,
    probe_at: Option<Instant>,
    probe_next: usize,
    /// The neighbours' timers, and the neighbours to see to in this turn: one message costs
    /// as much among thousands of neighbours as among ten.
    timers: BTreeSet<(Instant, usize)>,
    touched: BTreeSet<usize>,
    /// Those that were not asked for frames yet since the end of the turn at `now`.
    unasked: BTreeSet<usize>,
    now: Instant,
}

#[derive(Clone, Debug)]
struct Neighbour<I> {
    id: String,
    /// Its number in the list of all nodes.
    position: usize,
    is_parent: bool,
    /// How it came to be one.
    tie: Tie,
    link: Link<I>,
    /// When the link has something to do: its entry in the timers.
    timer: Option<Instant>,
}

/// Whence items came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Came {
    /// The neighbour's index.
    pub from: usize,
    /// How long the oldest of them had waited there.
    waited: Duration,
    /// The round trip that ended with them, if any did.
    trip: Duration,
}

impl<I> Neighbour<I> {
    /// Whether what goes this way goes to this neighbour.
    fn is_on(&self, route: Route) -> bool {
        match route {
            _ if !self.tie.is_open() => false,
            Route::All | Route::First(_) => true,
            Route::Up => self.is_parent,
            Route::Journal => false,
        }
    }
}

impl<I: Item> Gossip<I> {
    /// The neighbours of node `id` in the tree of the nodes `ids`, which `init` named
    /// at `now`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the list.
    pub fn new(
        config: &Config,
        now: Instant,
        id: &str,
        ids: &[String],
    ) -> Result<Gossip<I>, String> {
        let mut seen = BTreeMap::new();
        for (position, name) in ids.iter().enumerate() {
            if seen.insert(name.as_str(), position).is_some() {
                return Err(format!(
                    "node_ids names {name} twice; each node has one name"
                ));
            }
        }
        let Some(&own) = seen.get(id) else {
            return Err(format!("node_ids must name the node itself, {id}"));
        };
        let hubs = config.hubs.unwrap_or_else(|| tree::default_hubs(ids.len()));
        let place = tree::place(ids.len(), hubs, own);
        // The root gathers for all, a hub below it for no more than comes from there.
        let children = place.children.len();
        let timetable = match place.parent {
            None => Timetable::new(config.within, config.pace, ids.len() - 1, children),
            Some(_) => Timetable::new(config.within, Pace::Lazy, children, children),
        };
        let parent = place.parent.map(|position| (position, true));
        let children = place.children.into_iter().map(|position| (position, false));
        let neighbours = parent.into_iter().chain(children);
        let neighbours: Vec<_> = neighbours
            .map(|(position, is_parent)| Neighbour {
                id: ids[position].clone(),
                position,
                is_parent,
                tie: Tie::Tree,
                link: Link::new(config.epoch, link::ack_delay(config.within)),
                timer: None,
            })
            .collect();
        let named = neighbours.iter().enumerate();
        Ok(Gossip {
            index: named
                .map(|(index, neighbour)| (neighbour.id.clone(), index))
                .collect(),
            greet_at: (!neighbours.is_empty()).then_some(now + GREETING_DELAY),
            in_tree: neighbours.len(),
            neighbours,
            ids: ids.to_vec(),
            own,
            hubs,
            within: config.within,
            lacks_hub: false,
            stands_in: false,
            sought: 0,
            seek_at: None,
            up_at: None,
            oldest: None,
            departed: Instant::ZERO,
            departed_down: Instant::ZERO,
            aim: Aim::default(),
            timetable,
            short: false,
            caught_up: false,
            source: None,
            suspects: BTreeSet::new(),
            probe_at: None,
            probe_next: 0,
            timers: BTreeSet::new(),
            touched: BTreeSet::new(),
            unasked: BTreeSet::new(),
            now: Instant::ZERO,
        })
    }

    /// The neighbours and their links, the parent first, in the order of the tree; those
    /// last that stand in for a hub, or have.
    pub fn links(&self) -> impl Iterator<Item = (&str, &Link<I>)> {
        self.neighbours.iter().map(|n| (n.id.as_str(), &n.link))
    }

    /// The parent's name; `None` for the root.
    pub fn parent(&self) -> Option<&str> {
        let parent = self.neighbours[..self.in_tree].first();
        let parent = parent.filter(|n| n.is_parent);
        parent.map(|parent| parent.id.as_str())
    }

    /// How many neighbours hang below.
    pub fn children(&self) -> usize {
        self.in_tree - usize::from(self.parent().is_some())
    }

    /// A neighbour that does not answer, if there is one.
    pub fn suspect(&self) -> Option<&str> {
        let first = self.suspects.first().filter(|index| **index < self.in_tree);
        first.map(|&index| self.neighbours[index].id.as_str())
    }

    /// Sends an item that is news on its [way](Item::route): to all neighbours but the one
    /// who brought it, as a rule. `None`: it was made here and now.
    pub fn spread(&mut self, now: Instant, item: &I, came: Option<Came>) {
        let from = came.map(|came| came.from);
        let Came { waited, trip, .. } = came.unwrap_or_default();
        let from_parent = from.is_some_and(|index| self.neighbours[index].is_parent);
        let route = item.route();
        let first = match route {
            Route::First(node) => self.towards(node),
            _ => None,
        };
        let mut down = None;
        for (index, neighbour) in self.neighbours.iter_mut().enumerate() {
            let its_way = neighbour.is_on(route);
            if Some(index) == from || !its_way || !neighbour.link.push(item.clone()) {
                continue;
            }
            if neighbour.is_parent {
                let keeps_slots = neighbour.tie == Tie::Tree && !neighbour.link.is_suspect();
                let due = match keeps_slots && route != Route::Up {
                    true => self.aim.due(now, waited),
                    false => now,
                };
                self.up_at = Some(self.up_at.map_or(due, |at| at.min(due)));
                // What the hub had gathered must not be gathered again by who stands in for it.
                let given = now - if from_parent { self.within } else { waited };
                self.oldest = Some(self.oldest.map_or(given, |oldest| oldest.min(given)));
            } else if first == Some(index) {
                neighbour.link.release();
                self.touched.insert(index);
            } else {
                down.get_or_insert(index);
            }
        }
        let Some(child) = down else { return };
        if self.timetable.is_new() && self.parent().is_none() {
            // The very first item goes to one child at once, and asks for an answer (RFC 9000,
            // 13.2: ack-eliciting), so that a root soon knows what the network takes.
            self.neighbours[child].link.elicit_ack();
            self.touched.insert(child);
        }
        // What came for one of the children alone was not gathered for the others.
        match from_parent && first.is_none() {
            true => self.timetable.gathered(),
            false => self.timetable.item(now, waited, trip),
        }
    }

    /// The child that is this node, or has it below.
    fn towards(&self, node: usize) -> Option<usize> {
        let nodes = self.ids.len();
        let above = (node < nodes).then(|| tree::place(nodes, self.hubs, node).parent)?;
        let mut tree = self.neighbours[..self.in_tree].iter();
        tree.position(|n| {
            let is_there = n.position == node || Some(n.position) == above;
            is_there && !n.is_parent && !n.link.is_suspect()
        })
    }

    /// Which one of the other nodes this is.
    fn position(&self, src: &str) -> Option<usize> {
        let position = self.ids.iter().position(|id| id == src);
        position.filter(|position| *position != self.own)
    }

    /// Whether this is another node of the cluster.
    pub fn knows(&self, src: &str) -> bool {
        self.position(src).is_some()
    }

    /// A segment came from `src`. Gives whence its items came, for
    /// [`spread`](Gossip::spread); the caller merges the segment's items. `None`: it
    /// comes from the past, and its sender is told so.
    ///
    /// # Errors
    ///
    /// A sentence, if `src` is no node or the segment cannot be right. Its
    /// items must not be merged then, and nothing has changed.
    pub fn handle_segment(
        &mut self,
        now: Instant,
        src: &str,
        segment: &Segment<I>,
        events: &mut Events,
    ) -> Result<Option<Came>, String> {
        let from = self.neighbour(src)?;
        self.touched.insert(from);
        let neighbour = &mut self.neighbours[from];
        let is_hub = neighbour.is_parent && neighbour.tie == Tie::Tree;
        let hears_departure = is_hub && !segment.items.is_empty();
        let link = &mut neighbour.link;
        let peer = src.to_owned();
        // A stand-in that holds more need not have it from a former life of this node.
        let may_tell = from < self.in_tree || segment.peer != link.epochs().0;
        let news = match link.handle_segment(now, segment) {
            Ok(news) => news,
            Err(LinkError::FromThePast { epoch, .. }) => {
                events.push(Event::FromThePast(peer, epoch));
                return Ok(None);
            }
            Err(LinkError::Wrong(text)) => return Err(text),
        };
        if news.restarted {
            events.push(Event::Restarted(peer.clone()));
        }
        if news.healthy && from < self.in_tree {
            events.push(Event::Healthy(peer));
            self.hear_good_news(now);
        }
        if news.former_life && may_tell && !self.caught_up {
            // The others knew that one, too, and hold what it held.
            let tree = self.neighbours[..self.in_tree].iter_mut();
            for (index, neighbour) in tree.enumerate() {
                if neighbour.link.epochs().1 == 0 && !neighbour.link.wants_digest() {
                    neighbour.link.ask_what();
                    self.touched.insert(index);
                }
            }
        }
        if hears_departure {
            self.hear_departure(now, from, segment);
        }
        if segment.digest && from < self.in_tree {
            self.hear_digest(from);
        }
        self.hear_need(from, segment, news.restarted, events);
        Ok(Some(Came {
            from,
            waited: Duration::from_millis(segment.waited),
            trip: news.trip.unwrap_or_default(),
        }))
    }

    /// The messages at hand have been handled: whatever is due at `now` becomes
    /// ready for [`poll_transmit`](Gossip::poll_transmit).
    pub fn end_turn(&mut self, now: Instant, events: &mut Events) {
        if self.touched.is_empty() && self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.now = now;
        let is_due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if is_due(&mut self.greet_at) {
            self.greet();
        }
        if is_due(&mut self.up_at) {
            self.departed = self.oldest.take().unwrap_or(now);
            self.release(true, events);
        }
        let trips = self.neighbours.iter().map(|n| n.link.round_trip());
        let network = || Network::of(trips);
        self.timetable.measure(network.clone());
        if self.timetable.due().is_some_and(|at| at <= now) {
            self.departed_down = self.timetable.oldest().unwrap_or(now);
            self.timetable.depart(now, network());
            self.say_if_short(events);
            self.release(false, events);
        }
        if is_due(&mut self.probe_at) {
            self.probe_in_rotation();
        }
        while let Some(&(_, index)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.touched.insert(index);
            self.neighbours[index].timer = None;
            self.timers.pop_first();
        }
        let mut lost_hub = false;
        for &index in &self.touched {
            let neighbour = &mut self.neighbours[index];
            let link = &mut neighbour.link;
            link.handle_timeout(now);
            let is_news = link.is_suspect() && self.suspects.insert(index);
            if is_news && index < self.in_tree {
                lost_hub |= !neighbour.is_parent && neighbour.position < self.hubs;
                events.push(Event::Suspect(neighbour.id.clone(), link.unacked()));
            }
        }
        self.catch_up();
        self.stand_in(now);
        if lost_hub {
            // Its leaves need not have noticed.
            self.tell();
        }
        self.unasked.append(&mut self.touched);
    }

    /// A batch departs, to the parent or to the children.
    fn release(&mut self, up: bool, events: &mut Events) {
        let towards = if up { Towards::Hub } else { Towards::Leaves };
        events.push(Event::Departs(towards));
        let there = self.neighbours.iter_mut().enumerate();
        for (index, neighbour) in there.filter(|(_, n)| n.is_parent == up) {
            neighbour.link.release();
            self.touched.insert(index);
        }
    }

    /// The next segment to send, and to whom.
    pub fn poll_transmit(&mut self, events: &mut Events) -> Option<(&str, Segment<I>)> {
        let next = self.announce();
        while let Some(&index) = self.unasked.first() {
            let neighbour = &mut self.neighbours[index];
            let link = &mut neighbour.link;
            let may_sync = match neighbour.tie {
                Tie::Tree => self.caught_up || self.source == Some(index),
                tie => tie.is_open(),
            };
            let resent = link.stats().retransmitted;
            let Some(mut segment) = link.poll_transmit(self.now, may_sync) else {
                self.unasked.pop_first();
                self.set_timer(index);
                continue;
            };
            let peer = neighbour.id.clone();
            let resent = link.stats().retransmitted > resent;
            if !segment.items.is_empty() {
                match neighbour.is_parent {
                    // What is sent again was given long ago.
                    true if resent => segment.waited = LONG_AGO,
                    true => segment.waited = (self.now - self.departed).as_millis() as u64,
                    false if neighbour.tie == Tie::Tree => segment.next = next,
                    false => segment.waited = (self.now - self.departed_down).as_millis() as u64,
                }
            }
            segment.need = match neighbour.tie {
                Tie::Tree => 0,
                Tie::StandIn { needed, .. } => needed,
            };
            if resent {
                let (offset, items) = (segment.offset, segment.items.len());
                events.push(Event::Resent(peer.clone(), offset, items));
            }
            if segment.digest {
                events.push(Event::Sync(peer.clone()));
            }
            if let Some((missing, _)) = segment.missing.first() {
                events.push(Event::Hole(peer, *missing, segment.missing.len()));
            }
            return Some((&self.neighbours[index].id, segment));
        }
        None
    }

    /// All was said to this neighbour: notes when there is more, and how it is.
    fn set_timer(&mut self, index: usize) {
        let neighbour = &mut self.neighbours[index];
        let at = neighbour.link.poll_timeout();
        if neighbour.timer != at {
            let was = std::mem::replace(&mut neighbour.timer, at);
            was.map(|was| self.timers.remove(&(was, index)));
            self.timers.extend(at.map(|at| (at, index)));
        }
        if !neighbour.link.is_suspect() {
            self.suspects.remove(&index);
        }
        self.set_rotation();
    }

    /// When [`end_turn`](Gossip::end_turn) is due; `None`: not before another
    /// message has come.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let link = self.timers.first().map(|(at, _)| *at);
        let own = [self.up_at, self.probe_at, self.greet_at, self.seek_at];
        let all = own.into_iter().chain([self.timetable.due(), link]);
        all.flatten().min()
    }
}
