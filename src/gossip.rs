//! The neighbours: who hears of what, and when.
//!
//! An item that is news goes onto every link but the one that it came from (*split
//! horizon*), and there waits for its batch to depart. Each direction of the tree has
//! one batch: when it departs, every link of that direction sends what it has in one
//! delta. *When* is the business of the [`timetable`]: as late as the promise allows.
//! What comes down from the parent was gathered there already, so it departs at once, and
//! takes along what waited for it.
//!
//! **Good news travels fast.** When a suspect neighbour becomes healthy, both
//! directions between it and this node are proven: the network has healed, perhaps
//! not only there, so the other suspects are probed now. This, not a short timer, is
//! why a healed partition is over soon, and why a standing one is cheap. A message
//! from a suspect proves one direction alone, and only makes that link try again. A
//! hub also probes its suspects in rotation, one every [`PROBE_INTERVAL`], so that
//! there soon is some news.
//!
//! **Catching up.** A node that has lost its memory gets it back from its neighbours'
//! digests. A hub has many neighbours, who all hold the same: so it shows its own
//! digest to one of them, its *source*, first, and to the others when it has caught
//! up with that one. A node that has heard nothing from a neighbour for a while after
//! its start *greets* it with a digest; traffic makes that unnecessary.
//!
//! Everything else, from acks to retransmission, is the links' own business
//! ([`crate::link`]). The [lesson](crate::lesson) shows all of it at work: chapters 4, 5
//! and 10 to 13.
//!
//! Is it always the cheaper way, and does the promise hold when the load changes?
//! Tests print it: `cargo test --bin testbed promise -- --include-ignored
//! --nocapture --test-threads 1`.

mod catch_up;
mod departures;
pub mod timetable;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{Config, Pace};
use crate::event::{Event, Events, Towards};
use crate::link::{self, BACKOFF_CAP, Frame, Link, LinkError, News, Segment, Sync};
use crate::time::Instant;
use crate::tree;
use crate::workload::{Item, Route};
use timetable::{Aim, Timetable};

/// How often a hub with suspect neighbours probes one of them.
///
/// Unit: time. It is how long the end of a partition goes unnoticed at most, at
/// a price of four messages a second however many neighbours are cut off.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// How long after `init` a neighbour that nothing was heard of is greeted.
///
/// Unit: time. A loaded cluster has spoken by then on every link, and a node that
/// was restarted in an idle one is whole again soon after.
const GREETING_DELAY: Duration = Duration::from_secs(1);

/// A node's neighbours in the tree and what is between it and them.
#[derive(Clone, Debug)]
pub struct Gossip<I> {
    neighbours: Vec<Neighbour<I>>,
    /// How many nodes there are, and how many of them are hubs.
    nodes: usize,
    hubs: usize,
    /// Name -> index in `neighbours`.
    index: BTreeMap<String, usize>,
    /// When the batch towards the parent departs, if there is one.
    up_at: Option<Instant>,
    /// When the parent departs, as far as it says.
    aim: Aim,
    /// When the batch towards the children departs.
    timetable: Timetable,
    /// Whether the network leaves less than the promise, and that was said.
    short: bool,
    /// Since the last end of a turn a link may have something to say.
    touched: bool,
    /// When neighbours are greeted, and whether for the first time; `None`: it is done.
    greet_at: Option<(Instant, bool)>,
    /// How long after the first greeting the second one is: until then each end of a
    /// link in use has spoken twice, be it by delayed acks.
    second_greeting: Duration,
    /// Whether this incarnation holds all that one of its neighbours held.
    caught_up: bool,
    /// The neighbour with whom it catches up now, and until when that one may be silent.
    source: Option<(usize, Instant)>,
    /// When those are asked that have not told all yet, where all have to.
    gather_at: Option<Instant>,
    /// Sources in a row that said nothing.
    silent_sources: u32,
    /// When the next suspect is probed. Hubs only.
    probe_at: Option<Instant>,
    /// Where the search for the next suspect begins.
    probe_next: usize,
    /// The first neighbour that was not asked for frames in this round.
    unasked: usize,
    /// The moment of this round.
    now: Instant,
}

#[derive(Clone, Debug)]
struct Neighbour<I> {
    id: String,
    /// Its number in the list of all nodes.
    position: usize,
    is_parent: bool,
    /// When its first items came.
    spoke: Option<Instant>,
    link: Link<I>,
}

impl<I> Neighbour<I> {
    /// Whether what goes this way goes to this neighbour.
    fn is_on(&self, route: Route) -> bool {
        match route {
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
        let neighbour = |position: usize, is_parent| Neighbour {
            id: ids[position].clone(),
            position,
            is_parent,
            spoke: None,
            link: Link::new(
                config.epoch,
                link::ack_delay(config.within),
                ((own as u64) << 32) | position as u64,
            ),
        };
        // The root gathers for all, a hub below it for no more than comes from there.
        let children = place.children.len();
        let timetable = match place.parent {
            None => Timetable::new(config.within, config.pace, ids.len() - 1, children),
            Some(_) => Timetable::new(config.within, Pace::Lazy, children, children),
        };
        let rank = place.parent.map_or(0, |parent| {
            let siblings = tree::place(ids.len(), hubs, parent).children;
            siblings
                .iter()
                .take_while(|sibling| **sibling != own)
                .count()
        });
        let parent = place.parent.map(|position| neighbour(position, true));
        let children = place.children.iter();
        let children = children.map(|&position| neighbour(position, false));
        let neighbours: Vec<_> = parent.into_iter().chain(children).collect();
        let named = neighbours.iter().enumerate();
        Ok(Gossip {
            index: named
                .map(|(index, neighbour)| (neighbour.id.clone(), index))
                .collect(),
            greet_at: greeting(now, &neighbours),
            second_greeting: link::ack_delay(config.within) * 2,
            unasked: neighbours.len(),
            neighbours,
            nodes: ids.len(),
            hubs,
            up_at: None,
            aim: Aim::new(config.within, rank, !place.children.is_empty()),
            timetable,
            short: false,
            touched: false,
            caught_up: false,
            source: None,
            gather_at: None,
            silent_sources: 0,
            probe_at: None,
            probe_next: 0,
            now: Instant::ZERO,
        })
    }

    /// The neighbours and their links, the parent first, in the order of the tree.
    pub fn links(&self) -> impl Iterator<Item = (&str, &Link<I>)> {
        self.neighbours.iter().map(|n| (n.id.as_str(), &n.link))
    }

    /// The parent's name; `None` for the root.
    pub fn parent(&self) -> Option<&str> {
        let parent = self.neighbours.iter().find(|n| n.is_parent);
        parent.map(|parent| parent.id.as_str())
    }

    /// How many neighbours hang below.
    pub fn children(&self) -> usize {
        self.neighbours.iter().filter(|n| !n.is_parent).count()
    }

    /// Sends an item that is news on its [way](Item::route): to all neighbours but
    /// `from`, who brought it, as a rule.
    pub fn spread(&mut self, now: Instant, item: &I, from: Option<usize>) {
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
            self.touched = true;
            if neighbour.is_parent {
                let due = self.aim.due(now);
                let due = if route == Route::Up { now } else { due };
                self.up_at = Some(self.up_at.map_or(due, |at| at.min(due)));
            } else if first == Some(index) {
                neighbour.link.release();
            } else {
                down.get_or_insert(index);
            }
        }
        if let Some(child) = down {
            self.elicit_first(child);
            // What came for one of the children alone was not gathered for the others.
            self.goes_down(now, from_parent && first.is_none());
        }
    }

    /// The child that is this node, or has it below.
    fn towards(&self, node: usize) -> Option<usize> {
        let above = (node < self.nodes).then(|| tree::place(self.nodes, self.hubs, node).parent)?;
        let mut neighbours = self.neighbours.iter();
        neighbours.position(|n| !n.is_parent && (n.position == node || Some(n.position) == above))
    }

    fn neighbour(&self, src: &str) -> Result<usize, String> {
        let index = self.index.get(src).copied();
        index.ok_or_else(|| "not a neighbour in the tree".into())
    }

    /// Whether this node is a neighbour in the tree.
    pub fn knows(&self, src: &str) -> bool {
        self.index.contains_key(src)
    }

    /// A segment came from `src`. Gives the sender's index, for
    /// [`spread`](Gossip::spread); the caller merges the segment's items. `None`: it
    /// comes from the past, and its sender is told so.
    ///
    /// # Errors
    ///
    /// A sentence, if `src` is no neighbour or the segment cannot be right. Its
    /// items must not be merged then, and nothing has changed.
    pub fn handle_segment(
        &mut self,
        now: Instant,
        src: &str,
        segment: &Segment<I>,
        events: &mut Events,
    ) -> Result<Option<usize>, String> {
        let from = self.neighbour(src)?;
        let link = &mut self.neighbours[from].link;
        let before = link.received();
        let result = link.handle_segment(now, segment);
        self.touched = true;
        let Some(news) = present(src, result, events)? else {
            return Ok(None);
        };
        self.take_note(now, from, news, events);
        if self.neighbours[from].is_parent {
            self.hear_parent(now, from, segment, news);
        } else if !segment.items.is_empty() {
            self.hear_child(now, from, segment, before);
        }
        Ok(Some(from))
    }

    /// What a frame from neighbour `from` means for the others.
    fn take_note(&mut self, now: Instant, from: usize, news: News, events: &mut Events) {
        let neighbour = &mut self.neighbours[from];
        let peer = || neighbour.id.clone();
        if news.restarted {
            events.push(Event::Restarted(peer()));
            neighbour.spoke = None;
        }
        if news.healthy {
            events.push(Event::Healthy(peer()));
            for neighbour in &mut self.neighbours {
                neighbour.link.probe(now);
            }
        }
        if news.former_life && !self.caught_up {
            // The others knew that one, too, and hold what it held.
            let untouched = self
                .neighbours
                .iter_mut()
                .filter(|n| n.link.epochs().1 == 0);
            untouched.for_each(|neighbour| neighbour.link.ask());
        }
        if self.source.is_some_and(|(source, _)| source == from) {
            self.silent_sources = 0;
            self.source = Some((from, now + self.neighbours[from].link.patience()));
        }
    }

    /// The messages at hand have been handled: whatever is due at `now` becomes
    /// ready for [`poll_transmit`](Gossip::poll_transmit).
    pub fn end_turn(&mut self, now: Instant, events: &mut Events) {
        if !self.touched && self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.touched = false;
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if let Some((_, first)) = self.greet_at.take_if(|(at, _)| *at <= now) {
            self.greet(now, first);
        }
        let up = due(&mut self.up_at);
        self.measure_first();
        let down = self.timetable.due().is_some_and(|at| at <= now);
        if down {
            self.timetable.depart(now, self.network());
            self.say_if_short(events);
        }
        for (departs, towards) in [(up, Towards::Hub), (down, Towards::Leaves)] {
            if departs {
                events.push(Event::Departs(towards));
            }
        }
        self.probe_in_rotation(now);
        for neighbour in &mut self.neighbours {
            let link = &mut neighbour.link;
            if if neighbour.is_parent { up } else { down } {
                link.release();
            }
            let was_suspect = link.is_suspect();
            link.handle_timeout(now);
            if link.is_suspect() && !was_suspect {
                events.push(Event::Suspect(neighbour.id.clone(), link.unacked()));
            }
        }
        self.catch_up(now);
        self.gather_rest(now);
        if self.neighbours.iter().all(|n| !n.link.is_suspect()) {
            self.probe_at = None;
        } else if self.children() > 0 {
            self.probe_at.get_or_insert(now + PROBE_INTERVAL);
        }
        (self.unasked, self.now) = (0, now);
    }

    /// The next frame to send, and to whom.
    pub fn poll_transmit(&mut self, events: &mut Events) -> Option<(&str, Frame<I>)> {
        let next = self.announce();
        while let Some(neighbour) = self.neighbours.get_mut(self.unasked) {
            let link = &mut neighbour.link;
            let may_sync = self.caught_up || self.source.is_some_and(|(s, _)| s == self.unasked);
            let stats = link.stats();
            let Some(mut frame) = link.poll_transmit(self.now, may_sync) else {
                self.unasked += 1;
                continue;
            };
            let peer = || neighbour.id.clone();
            if let Frame::Segment(segment) = &mut frame {
                if !neighbour.is_parent && !segment.items.is_empty() {
                    segment.next = next;
                }
                if link.stats().retransmitted > stats.retransmitted {
                    events.push(Event::Resent(peer(), segment.offset, segment.items.len()));
                }
                if let Some((missing, _)) = segment.missing.first() {
                    events.push(Event::Hole(peer(), *missing, segment.missing.len()));
                }
            } else {
                events.push(Event::Sync(peer()));
            }
            return Some((&self.neighbours[self.unasked].id, frame));
        }
        None
    }

    /// When [`end_turn`](Gossip::end_turn) is due; `None`: not before another
    /// message has come.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let source = self
            .source
            .filter(|_| !self.caught_up)
            .map(|(_, until)| until);
        let own = [
            self.up_at,
            self.timetable.due(),
            self.probe_at,
            self.greet_at.map(|(at, _)| at),
            source,
            self.gather_at.filter(|_| self.caught_up),
        ];
        let links = self.neighbours.iter().map(|n| n.link.poll_timeout());
        own.into_iter().chain(links).flatten().min()
    }

    /// Probes the next suspect if it is time for that.
    fn probe_in_rotation(&mut self, now: Instant) {
        if self.probe_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let count = self.neighbours.len();
        for index in (0..count).map(|step| (self.probe_next + step) % count) {
            if self.neighbours[index].link.is_suspect() {
                self.neighbours[index].link.probe(now);
                self.probe_next = index + 1;
                return;
            }
        }
    }
}

/// When neighbours are greeted of whom nothing will be heard from `now` on.
fn greeting<I>(now: Instant, neighbours: &[Neighbour<I>]) -> Option<(Instant, bool)> {
    (!neighbours.is_empty()).then(|| (now + GREETING_DELAY, true))
}

/// Tells what cannot be right from a voice from the past, which is `None`.
fn present<T>(
    src: &str,
    result: Result<T, LinkError>,
    events: &mut Events,
) -> Result<Option<T>, String> {
    match result {
        Ok(news) => Ok(Some(news)),
        Err(LinkError::FromThePast { epoch, .. }) => {
            let peer = src.to_owned();
            events.push(Event::FromThePast(peer, epoch));
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}
