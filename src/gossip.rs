//! The neighbours: who hears of what, and when.
//!
//! An item that is news goes onto every link but the one that it came from (*split
//! horizon*), and there waits for its batch to depart. Each direction of the tree
//! has one batch: the first item that has somewhere to go sets its departure, and
//! then every link of that direction sends what it has in one delta. What comes
//! down from the parent was gathered there already, so it departs at once.
//!
//! **Good news travels fast.** Any message from a suspect neighbour shows that
//! the network has healed. The node probes that neighbour and all its other
//! suspects now. This, not a short timer, is why a healed partition is over
//! soon, and why a standing one is cheap. A hub also probes its suspects in
//! rotation, one every [`PROBE_INTERVAL`], so that there soon is some news.
//!
//! Everything else, from acks to retransmission, is the links' own business
//! ([`crate::link`]).
//!
//! # Chapter 3: batching
//!
//! Without batching the hub sends each value alone (chapter 2, in
//! [`tree`]). Now let it wait 150 ms, the default, and then 350 ms:
//!
//! ```text
//! $ ./run.sh efficient --virtual
//! messages per operation                 1.96        < 30        93 %        < 20        90 %
//! stable latency, median               266 ms    < 400 ms        34 %   < 1000 ms        73 %
//! stable latency, maximum              349 ms    < 600 ms        42 %   < 2000 ms        83 %
//!
//! $ ./run.sh efficient --virtual -- --down-ms 350
//! messages per operation                 1.19        < 30        96 %        < 20        94 %
//! stable latency, median               360 ms    < 400 ms        10 %   < 1000 ms        64 %
//! stable latency, maximum              549 ms    < 600 ms         8 %   < 2000 ms        73 %
//! ```
//!
//! Read one number: 1.96. 50 values a second arrive. A batch begins with the first,
//! departs 150 ms later, and the next value comes some 20 ms after that: 5.9 batches a
//! second, 24 deltas each, make 1.41 an operation. The way up costs 0.48, since 24 of
//! 25 values begin at a leaf. The rest are acks that found no ride. The maximum is a
//! promise: two hops of 100 ms and the wait for one batch. The code: `spread` sets
//! the departure, `end_turn` is it.
//!
//! # Chapter 4: why the batches are shared
//!
//! Give each link batches of its own, and each drifts to a phase of its own. A value
//! must reach all 24, so it waits for the slowest: of 24 waits spread evenly over
//! 150 ms the longest is 144 ms on average, where one batch makes it wait for 75.
//! The messages are the same. So a direction has one batch, which departs for all.
//!
//! A value that comes down from the parent hub was gathered there already, so it
//! makes the batch towards the leaves depart at once.
//!
//! # Chapter 8: a partition, and good news
//!
//! ```text
//! $ ./run.sh partition --virtual --seed 10
//! partition              start       end    recovery
//! majority               2.3 s     4.2 s      460 ms
//! majorities-ring        7.0 s     8.1 s      610 ms
//! hub                   10.5 s    13.2 s      570 ms
//! one                   14.6 s    16.7 s      410 ms
//! minority-third        18.5 s    19.5 s      571 ms
//! median                                      570 ms
//! ```
//!
//! For 2.7 s nobody heard the hub. Its links turned suspect after 1.5 s (chapter 7, in
//! [`link`](crate::link)) and went quiet. Read one number: 570 ms after the heal every
//! node had everything, though each link's own next try was up to 3 s away.
//! `./run.sh trace` shows the same with one leaf, message by message.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Config;
use crate::event::{Event, Events, Towards};
use crate::link::{Link, Segment, Timing};
use crate::time::Instant;
use crate::tree;
use crate::workload::Item;

/// How often a hub with suspect neighbours probes one of them.
///
/// Unit: time. It is how long the end of a partition goes unnoticed at most, at
/// a price of four messages a second however many neighbours are cut off.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// A node's neighbours in the tree and what is between it and them.
#[derive(Clone, Debug)]
pub struct Gossip<I> {
    neighbours: Vec<Neighbour<I>>,
    /// Name -> index in `neighbours`.
    index: BTreeMap<String, usize>,
    /// How long a batch gathers towards the parent, and towards the children.
    gather: (Duration, Duration),
    /// When the batch towards the parent departs, if there is one.
    up_at: Option<Instant>,
    /// When the batch towards the children departs, if there is one.
    down_at: Option<Instant>,
    /// Since the last end of a turn a link may have something to say.
    touched: bool,
    /// When the next suspect is probed. Hubs only.
    probe_at: Option<Instant>,
    /// Where the search for the next suspect begins.
    probe_next: usize,
    /// The first neighbour that was not asked for segments in this round.
    unasked: usize,
    /// The moment of this round.
    now: Instant,
}

#[derive(Clone, Debug)]
struct Neighbour<I> {
    id: String,
    is_parent: bool,
    link: Link<I>,
}

impl<I: Item> Gossip<I> {
    /// The neighbours of node `id` in the tree of the nodes `ids`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the list.
    pub fn new(config: &Config, id: &str, ids: &[String]) -> Result<Gossip<I>, String> {
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
        let timing = Timing {
            ack: config.ack,
            retry: config.retry,
        };
        let neighbour = |position: usize, is_parent| Neighbour {
            id: ids[position].clone(),
            is_parent,
            link: Link::new(timing, ((own as u64) << 32) | position as u64),
        };
        let parent = place.parent.map(|position| neighbour(position, true));
        let children = place.children.iter();
        let children = children.map(|&position| neighbour(position, false));
        let neighbours: Vec<_> = parent.into_iter().chain(children).collect();
        let named = neighbours.iter().enumerate();
        Ok(Gossip {
            index: named
                .map(|(index, neighbour)| (neighbour.id.clone(), index))
                .collect(),
            unasked: neighbours.len(),
            neighbours,
            gather: (config.up, config.down),
            up_at: None,
            down_at: None,
            touched: false,
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

    /// Sends an item that is news to all neighbours but `from`, who brought it.
    pub fn spread(&mut self, now: Instant, item: &I, from: Option<usize>) {
        let (up, down) = self.gather;
        let from_parent = from.is_some_and(|index| self.neighbours[index].is_parent);
        for (index, neighbour) in self.neighbours.iter_mut().enumerate() {
            if Some(index) == from {
                continue;
            }
            neighbour.link.push(item.clone());
            self.touched = true;
            if neighbour.is_parent {
                self.up_at.get_or_insert(now + up);
            } else if from_parent {
                self.down_at = Some(now);
            } else {
                self.down_at.get_or_insert(now + down);
            }
        }
    }

    /// A segment came from `src`. Gives the sender's index, for
    /// [`spread`](Gossip::spread); the caller merges the segment's items.
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
    ) -> Result<usize, String> {
        let from = self.index.get(src).copied();
        let from = from.ok_or("not a neighbour in the tree")?;
        let link = &mut self.neighbours[from].link;
        let was_suspect = link.is_suspect();
        let gaps = link.stats().gaps;
        let result = link.handle_segment(now, segment);
        result.map_err(|error| error.to_string())?;
        self.touched = true;
        let peer = || src.to_owned();
        if was_suspect && !link.is_suspect() {
            events.push(Event::Healthy { peer: peer() });
        }
        if link.stats().gaps > gaps {
            events.push(Event::Gap {
                peer: peer(),
                missing: link.received(),
                came: segment.offset,
            });
        }
        if was_suspect {
            // Good news: the network has healed, perhaps not only here.
            for neighbour in &mut self.neighbours {
                neighbour.link.probe(now);
            }
        }
        Ok(from)
    }

    /// The messages at hand have been handled: whatever is due at `now` becomes
    /// ready for [`poll_transmit`](Gossip::poll_transmit).
    pub fn end_turn(&mut self, now: Instant, events: &mut Events) {
        if !self.touched && self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.touched = false;
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        let (up, down) = (due(&mut self.up_at), due(&mut self.down_at));
        for (departs, towards) in [(up, Towards::Hub), (down, Towards::Leaves)] {
            if departs {
                events.push(Event::Departs { towards });
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
                events.push(Event::Suspect {
                    peer: neighbour.id.clone(),
                    unacked: link.unacked(),
                });
            }
        }
        if self.neighbours.iter().all(|n| !n.link.is_suspect()) {
            self.probe_at = None;
        } else if self.children() > 0 {
            self.probe_at.get_or_insert(now + PROBE_INTERVAL);
        }
        (self.unasked, self.now) = (0, now);
    }

    /// The next segment to send, and to whom.
    pub fn poll_transmit(&mut self, events: &mut Events) -> Option<(&str, Segment<I>)> {
        while let Some(neighbour) = self.neighbours.get_mut(self.unasked) {
            let link = &mut neighbour.link;
            let retransmitted = link.stats().retransmitted;
            let Some(segment) = link.poll_transmit(self.now) else {
                self.unasked += 1;
                continue;
            };
            if link.stats().retransmitted > retransmitted {
                events.push(Event::Resent {
                    peer: neighbour.id.clone(),
                    offset: segment.offset,
                    items: segment.items.len(),
                });
            }
            return Some((&self.neighbours[self.unasked].id, segment));
        }
        None
    }

    /// When [`end_turn`](Gossip::end_turn) is due; `None`: not before another
    /// message has come.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = [self.up_at, self.down_at, self.probe_at];
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
