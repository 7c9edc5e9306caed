//! While the hub is away: somebody stands in for it.
//!
//! All nodes know one order, that of `init`'s list, so there is nothing to elect. Whose hub is
//! suspect *seeks* those before itself in that order: one, then two, then four at once. The first
//! that answers stands in for the hub until that is healthy again. Who finds nobody before
//! itself seeks all behind it: so each component has a hub of its own, and those who had nothing
//! to say hear of it, too.
//!
//! To seek costs an ack that asks for an answer, not a digest. A link to a stand-in is opened
//! like one to a neighbour that has started anew: by the digests of both. Each segment on it says
//! whether its sender `need`s it. It is closed when no end does, and forgotten when it is
//! suspect. Items travel on it as on any other: to all neighbours but the one that they came
//! from. Merging makes a second way harmless.

use super::*;

/// How a node is tied to another one. It is a neighbour while that `is_open`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    Tree,
    /// This node seeks it, needs it, or is needed by it, in place of the hub. A need is the
    /// number of its begins and ends: odd while it lasts.
    StandIn {
        sought: bool,
        needed: u64,
        needs: u64,
    },
}

impl Tie {
    /// Not yet.
    pub(super) const NEW: Tie = Tie::StandIn {
        sought: false,
        needed: 0,
        needs: 0,
    };

    pub(super) fn is_open(self) -> bool {
        match self {
            Tie::Tree => true,
            Tie::StandIn { needed, needs, .. } => needed % 2 == 1 || needs % 2 == 1,
        }
    }
}

impl<I: Item> Gossip<I> {
    /// The node of this name, be it a neighbour or not: then its link is closed.
    pub(super) fn neighbour(&mut self, src: &str) -> Result<usize, String> {
        if let Some(&index) = self.index.get(src) {
            return Ok(index);
        }
        let position = self.ids.iter().position(|id| id == src);
        let position = position.filter(|position| *position != self.own);
        let position = position.ok_or("not another node of the cluster")?;
        let Some(Neighbour { link, .. }) = self.neighbours.first() else {
            return Err("alone in the world".into());
        };
        let mut new = Link::new(link.epochs().0, link::ack_delay(self.within));
        new.expect(link.round_trip());
        self.index.insert(src.to_owned(), self.neighbours.len());
        self.neighbours.push(Neighbour {
            id: src.to_owned(),
            position,
            is_parent: position < self.own,
            tie: Tie::NEW,
            link: new,
            timer: None,
        });
        Ok(self.neighbours.len() - 1)
    }

    /// Whether neighbour `from` needs this node. If so, is our own hub there?
    pub(super) fn hear_need(&mut self, from: usize, segment: &Segment<I>) {
        let Neighbour { tie, link, .. } = &mut self.neighbours[from];
        let was_open = tie.is_open();
        let Tie::StandIn { needs, .. } = tie else {
            return;
        };
        let is_new_life = segment.epoch > link.epochs().1;
        if segment.epoch < link.epochs().1 || !is_new_life && segment.need <= *needs {
            return;
        }
        *needs = segment.need;
        match (was_open, tie.is_open()) {
            (false, true) => link.ask_what(),
            (true, false) => link.close(),
            _ => {}
        }
        if segment.need % 2 == 1 && self.parent().is_some() {
            self.neighbours[0].link.ping();
            self.touched.insert(0);
        }
    }

    /// Whom this node seeks has answered: it stands in for the hub, or this node does. Whom
    /// nobody needs is answered, and forgotten again.
    pub(super) fn hear_sought(&mut self, from: usize, segment: &Segment<I>, events: &mut Events) {
        let Neighbour { id, tie, link, .. } = &mut self.neighbours[from];
        let is_open = tie.is_open();
        let Tie::StandIn { sought, needed, .. } = tie else {
            return;
        };
        if *sought && segment.peer == link.epochs().0 {
            *sought = false;
            *needed += 1;
            link.ask_what();
            events.push(Event::StandIn(id.clone()));
        } else if !*sought && !is_open {
            // It is answered, and nothing else: also if it takes this link for open.
            link.close();
            if !segment.missing.is_empty() {
                link.answer();
            }
        }
    }

    /// At the end of a turn: seeks a stand-in where one is needed, and forgets those that are
    /// not.
    pub(super) fn stand_in(&mut self, now: Instant) {
        let needed = self.parent().is_some() && self.neighbours[0].link.is_silent();
        if !needed && self.neighbours.len() == self.in_tree {
            self.seek_at = None;
            return;
        }
        let own = self.own;
        let loose = self.neighbours[self.in_tree..].iter();
        let mut found = loose.filter(|n| n.position < own && n.tie.is_open());
        let found = found.find(|n| !n.link.is_suspect()).map(|n| n.position);
        let hub = self.neighbours[0].position;
        for (index, n) in self.neighbours.iter_mut().enumerate().skip(self.in_tree) {
            let Tie::StandIn {
                sought,
                needed: mine,
                needs,
            } = &mut n.tie
            else {
                continue;
            };
            let is_lost = (*mine % 2 == 1 || *needs % 2 == 1) && n.link.is_suspect();
            let is_over = !needed || found.is_some_and(|found| found != n.position);
            if is_lost || is_over && (*sought || *mine % 2 == 1) {
                // The other end is told, unless it is suspect.
                let says = *mine % 2 == 1 && !is_lost;
                *sought = false;
                *mine += *mine % 2;
                // Whoever needs it still says so again, and is believed.
                *needs -= u64::from(is_lost) * (*needs % 2);
                if *needs % 2 == 0 {
                    n.link.close();
                }
                if says {
                    n.link.answer();
                }
                self.touched.insert(index);
            }
        }
        if !needed || found.is_some() {
            (self.sought, self.seek_at) = (usize::from(hub == 0), None);
        } else if self.seek_at.is_none_or(|at| at <= now) {
            // After the last ones it begins anew: whom it has given up may be there again.
            let from = self.sought % self.ids.len();
            let to = match from < own {
                true => own.min((from * 2).max(1)),
                false => self.ids.len(),
            };
            for position in (from..to).filter(|other| *other != own && *other != hub) {
                self.seek(position);
            }
            self.sought = to;
            let patience = match to < self.ids.len() {
                true => self.neighbours[0].link.round_trip().longest(),
                false => link::BACKOFF_CAP,
            };
            self.seek_at = Some(now + patience);
        }
    }

    fn seek(&mut self, position: usize) {
        let id = self.ids[position].clone();
        let Ok(index) = self.neighbour(&id) else {
            return;
        };
        let Neighbour { tie, link, .. } = &mut self.neighbours[index];
        let is_open = tie.is_open();
        if let Tie::StandIn { sought, needed, .. } = tie
            && !*sought
            && *needed % 2 == 0
        {
            if is_open {
                *needed += 1;
            } else {
                *sought = true;
                link.seek();
            }
            self.touched.insert(index);
        }
    }
}
