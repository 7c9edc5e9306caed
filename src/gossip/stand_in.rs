//! While the hub is away: somebody stands in for it.
//!
//! All nodes know one order, that of `init`'s list, so there is nothing to elect. Whose hub is
//! suspect *seeks* those before itself in that order: one, then two, then four at once. The first
//! that answers stands in for the hub until that is healthy again. Who finds nobody before
//! itself seeks all behind it, so each component has a hub of its own. Whoever is needed *tells*
//! all behind it: those who had nothing to say would not notice that their hub is away.
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
            Tie::StandIn { needed, needs, .. } => lasts(needed) || lasts(needs),
        }
    }
}

/// Whether a need that has so many begins and ends has not ended.
fn lasts(need: u64) -> bool {
    need % 2 == 1
}

impl<I: Item> Gossip<I> {
    /// The node of this name, be it a neighbour or not: then its link is closed.
    pub(super) fn neighbour(&mut self, src: &str) -> Result<usize, String> {
        if let Some(&index) = self.index.get(src) {
            return Ok(index);
        }
        let position = self.position(src);
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

    /// Whether neighbour `from` needs this node. If so, or if one before this node asks whether
    /// it is there, the hub may be away: is it there? Whom this node seeks has answered: it
    /// stands in for the hub, or this node does. Whom nobody needs is answered, and forgotten
    /// again.
    pub(super) fn hear_need(
        &mut self,
        from: usize,
        segment: &Segment<I>,
        restarted: bool,
        events: &mut Events,
    ) {
        let Neighbour {
            id,
            tie,
            link,
            position,
            ..
        } = &mut self.neighbours[from];
        let was_open = tie.is_open();
        let Tie::StandIn {
            sought,
            needed,
            needs,
        } = tie
        else {
            return;
        };
        let known = if restarted { 0 } else { *needs };
        *needs = segment.need.max(known);
        let begins = *needs > known && lasts(*needs);
        if *sought && segment.peer == link.epochs().0 {
            *sought = false;
            *needed += 1;
            events.push(Event::StandIn(id.clone()));
        }
        let waits = *sought;
        let is_told = !was_open && segment.probe && *position < self.own;
        match (was_open, tie.is_open()) {
            (false, true) => link.ask_what(),
            (true, false) => link.close(),
            (false, false) if !waits => {
                link.close();
                if !segment.missing.is_empty() {
                    // It takes this link for open.
                    link.answer();
                }
            }
            _ => {}
        }
        if (begins || is_told) && self.parent().is_some() {
            self.neighbours[0].link.ping();
            self.touched.insert(0);
        }
    }

    /// At the end of a turn: seeks a stand-in where one is needed, and forgets those that are
    /// not.
    pub(super) fn stand_in(&mut self, now: Instant) {
        let is_needed = self.parent().is_some() && self.neighbours[0].link.is_silent();
        let is_due = self.seek_at.is_some_and(|at| at <= now);
        let is_touched = self.touched.range(self.in_tree..).next().is_some();
        let was_needed = std::mem::replace(&mut self.lacks_hub, is_needed);
        if is_needed == was_needed && !is_due && !is_touched {
            return;
        }
        let own = self.own;
        let loose = self.neighbours.iter().enumerate().skip(self.in_tree);
        let mut before = loose.filter(|(_, n)| n.position < own && n.tie.is_open());
        let found = before.find(|(_, n)| !n.link.is_suspect());
        let found = found.map(|(index, _)| index);
        let has_told = std::mem::take(&mut self.stands_in);
        for (index, n) in self.neighbours.iter_mut().enumerate().skip(self.in_tree) {
            let is_lost = n.tie.is_open() && n.link.is_suspect();
            let Tie::StandIn {
                sought,
                needed,
                needs,
            } = &mut n.tie
            else {
                continue;
            };
            let is_over = !is_needed || found.is_some_and(|found| found != index);
            if is_lost || is_over && (*sought || lasts(*needed)) {
                // The other end is told, unless it is suspect. If it needs this one still it
                // says so again, and is believed.
                let says = lasts(*needed) && !is_lost;
                *sought = false;
                *needed += *needed % 2;
                *needs -= u64::from(is_lost && lasts(*needs));
                if !lasts(*needs) {
                    n.link.close();
                }
                if says {
                    n.link.answer();
                }
                self.touched.insert(index);
            }
            self.stands_in |= lasts(*needs) && n.position > own;
        }
        if self.stands_in && !has_told {
            self.tell();
        }
        if !is_needed || found.is_some() {
            self.seek_at = None;
        } else if self.seek_at.is_none_or(|at| at <= now) {
            self.seek_more(now);
        }
    }

    /// Lets all behind it ask whether the hub is there: they are sought, and if this node needs
    /// them not, only for this turn.
    pub(super) fn tell(&mut self) {
        for position in self.own + 1..self.ids.len() {
            let index = self.index.get(&self.ids[position]);
            if index.is_none_or(|index| !self.neighbours[*index].tie.is_open()) {
                self.seek(position);
            }
        }
    }

    /// Seeks those who are next in the order. After the last ones it begins anew: whom it has
    /// given up may be there again.
    fn seek_more(&mut self, now: Instant) {
        let (own, nodes) = (self.own, self.ids.len());
        let hub = self.neighbours[0].position;
        let begins = self.seek_at.is_none() || self.sought == nodes;
        let from = if begins {
            usize::from(hub == 0)
        } else {
            self.sought
        };
        self.sought = match from < own {
            true => own.min((from * 2).max(1)),
            false => nodes,
        };
        for position in (from..self.sought).filter(|other| ![own, hub].contains(other)) {
            self.seek(position);
        }
        let patience = match self.sought < nodes {
            true => self.neighbours[0].link.round_trip().longest(),
            false => link::BACKOFF_CAP,
        };
        self.seek_at = Some(now + patience);
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
            && !lasts(*needed)
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
