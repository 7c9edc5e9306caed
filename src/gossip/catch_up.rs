//! After a start: who is greeted, and from whom a node gets back what it lacks.

use super::*;

impl<I: Item> Gossip<I> {
    /// The node goes on as incarnation `epoch`: its journal was read, or a neighbour knows
    /// a later one than it had thought to be. It `remembers` what it held, or does not.
    pub fn restart(&mut self, now: Instant, epoch: u64, remembers: bool) {
        for (index, Neighbour { link, tie, .. }) in self.neighbours.iter_mut().enumerate() {
            link.restart(epoch);
            if index >= self.in_tree {
                *tie = Tie::NEW;
            } else if remembers {
                // The neighbours have gone on meanwhile, and this node knows what it
                // lacks: all can be asked at once.
                link.ask_what();
            }
            self.touched.insert(index);
        }
        (self.caught_up, self.source) = (remembers, None);
        self.greet_at = Some(now + GREETING_DELAY);
    }

    /// A digest came from neighbour `from`.
    pub(super) fn hear_digest(&mut self, from: usize) {
        self.caught_up_if(self.neighbours[from].link.is_level());
        if !self.caught_up && self.source.is_none() {
            self.neighbours[from].link.ask_how_far();
            self.source = Some(from);
        }
    }

    /// Whether the digest that came from neighbour `from` is wanted: the caller must
    /// [`fill`](Gossip::fill) its link with what the digest lacks.
    pub fn wants_digest(&self, from: usize) -> bool {
        // As long as most of what this node lacks is still to come it cannot tell
        // what the others lack. It asks them again when it can.
        let ready = self.caught_up || self.source == Some(from) || from >= self.in_tree;
        ready && self.neighbours[from].link.wants_digest()
    }

    /// Sends neighbour `to` what it lacks, and all news from now on.
    pub fn fill(&mut self, now: Instant, to: usize, mut items: Vec<I>) {
        let neighbour = &mut self.neighbours[to];
        items.retain(|item| neighbour.is_on(item.route()));
        neighbour.link.supply(now, items);
    }

    /// Sees to it that this node comes to hold what all its neighbours hold, not only one
    /// of them: see [`is_level`](Gossip::is_level). Only before anything was sent or heard.
    pub fn gather(&mut self) {
        let tree = self.neighbours[..self.in_tree].iter_mut();
        for (index, Neighbour { link, .. }) in tree.enumerate() {
            link.ask_how_far();
            self.touched.insert(index);
        }
    }

    /// Whether all that the neighbours held when they were asked has come.
    pub fn is_level(&self) -> bool {
        let mut tree = self.neighbours[..self.in_tree].iter();
        tree.all(|n| n.link.is_level())
    }

    /// Notes whether this node has caught up with one that held what the cluster holds. If
    /// not, sees to it that there is a source: a neighbour that is to get a digest, if
    /// possible one that was heard of.
    pub(super) fn catch_up(&mut self) {
        if self.caught_up {
            return;
        }
        let source = self.source.map(|source| &self.neighbours[source].link);
        let is_silent = source.is_none_or(Link::is_silent);
        self.caught_up_if(source.is_some_and(Link::is_level));
        if !self.caught_up && is_silent {
            let after = self.source.map_or(0, |source| source + 1);
            let count = self.in_tree;
            let order = (0..count).map(|step| (after + step) % count);
            let next = order
                .filter(|&index| self.neighbours[index].link.wants_sync())
                .min_by_key(|&index| self.neighbours[index].link.epochs().1 == 0);
            self.source = next;
            if let Some(next) = next {
                self.neighbours[next].link.ask_how_far();
                self.touched.insert(next);
            }
        }
    }

    /// Asks whoever was not heard of what it holds.
    pub(super) fn greet(&mut self) {
        let tree = self.neighbours[..self.in_tree].iter_mut();
        for (index, Neighbour { link, .. }) in tree.enumerate() {
            if link.is_untouched() {
                link.ask_how_far();
                self.touched.insert(index);
            }
        }
        // If traffic came and went on all links, and nobody knew a former life, this is
        // a fresh start.
        let mut tree = self.neighbours[..self.in_tree].iter();
        self.caught_up_if(tree.all(|n| !n.link.wants_sync()));
    }

    /// If this node `has_caught_up` now, all others get what they were to get after that.
    fn caught_up_if(&mut self, has_caught_up: bool) {
        if has_caught_up && !self.caught_up {
            self.caught_up = true;
            self.touched.extend(0..self.neighbours.len());
        }
    }
}
