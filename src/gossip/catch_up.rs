//! After a start: who is greeted, and from whom a node gets back what it lacks.

use super::*;

impl<I: Item> Gossip<I> {
    /// The node goes on as incarnation `epoch`: its journal was read, or a neighbour knows
    /// a later one than it had thought to be. It `remembers` what it held, or does not.
    pub fn restart(&mut self, now: Instant, epoch: u64, remembers: bool) {
        for Neighbour { link, .. } in &mut self.neighbours {
            link.restart(epoch);
            if remembers {
                // The neighbours have gone on meanwhile, and this node knows what it
                // lacks: all can be asked at once.
                link.ask();
            }
        }
        self.caught_up = remembers;
        self.touched |= remembers;
        (self.source, self.silent_sources, self.gather_at) = (None, 0, None);
        self.greet_at = greeting(now, &self.neighbours);
    }

    /// A digest came from `src`. Gives the sender's index if the caller must
    /// [`fill`](Gossip::fill) that link with what the digest lacks.
    ///
    /// # Errors
    ///
    /// A sentence, if `src` is no neighbour or the sync cannot be right; nothing
    /// has changed then.
    pub fn handle_sync(
        &mut self,
        now: Instant,
        src: &str,
        sync: &Sync,
        events: &mut Events,
    ) -> Result<Option<usize>, String> {
        let from = self.neighbour(src)?;
        let result = self.neighbours[from].link.handle_sync(sync);
        self.touched = true;
        let Some((news, wanted)) = present(src, result, events)? else {
            return Ok(None);
        };
        self.take_note(now, from, news, events);
        let link = &mut self.neighbours[from].link;
        self.caught_up |= link.is_level();
        if !self.caught_up && self.source.is_none() {
            link.catch_up();
            self.source = Some((from, now + link.patience()));
        }
        // As long as most of what this node lacks is still to come it cannot tell
        // what the others lack. It asks them again when it can.
        let ready = self.caught_up || self.source.is_some_and(|(source, _)| source == from);
        Ok((wanted && ready).then_some(from))
    }

    /// Sends neighbour `to` what it lacks, and all news from now on.
    pub fn fill(&mut self, to: usize, items: Vec<I>, events: &mut Events) {
        let neighbour = &mut self.neighbours[to];
        if neighbour.link.is_suspect() {
            let peer = neighbour.id.clone();
            events.push(Event::Healthy(peer));
        }
        let mut items = items;
        items.retain(|item| neighbour.is_on(item.route()));
        neighbour.link.fill(items);
    }

    /// Sees to it that this node comes to hold what all its neighbours hold, not only one
    /// of them: see [`is_level`](Gossip::is_level). Only before anything was sent or heard.
    pub fn gather(&mut self, now: Instant) {
        for Neighbour { link, .. } in &mut self.neighbours {
            link.catch_up();
        }
        self.gather_at = Some(now);
        self.touched = true;
    }

    /// With the first of them it catches up like everybody. Then the others are asked for
    /// what is still missing, all together, and again while they do not answer.
    pub(super) fn gather_rest(&mut self, now: Instant) {
        if !self.caught_up || self.gather_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let links = self.neighbours.iter_mut().map(|n| &mut n.link);
        let asked = links.filter(|link| !link.is_level()).map(|link| {
            link.catch_up();
            link.patience()
        });
        self.gather_at = asked.max().map(|patience| now + patience);
    }

    /// Whether all that the neighbours held when they were asked has come.
    pub fn is_level(&self) -> bool {
        self.neighbours.iter().all(|n| n.link.is_level())
    }

    /// Whether this node has caught up with one that held what the cluster holds; if
    /// not, sees to it that there is a source.
    pub(super) fn catch_up(&mut self, now: Instant) {
        if self.caught_up {
            return;
        }
        if let Some((source, until)) = self.source {
            self.caught_up = self.neighbours[source].link.is_level();
            if self.caught_up || until > now {
                return;
            }
        }
        // The next one that is to get a digest, those first that were heard of.
        let after = self.source.map_or(0, |(source, _)| source + 1);
        let count = self.neighbours.len();
        let order = (0..count).map(|step| (after + step) % count);
        let next = order
            .filter(|&index| self.neighbours[index].link.wants_sync())
            .min_by_key(|&index| self.neighbours[index].link.epochs().1 == 0);
        self.silent_sources = self.silent_sources.saturating_add(1);
        let patience = 1 << self.silent_sources.min(10);
        self.source = next.map(|index| {
            let link = &mut self.neighbours[index].link;
            link.catch_up();
            // A digest may be long, and the neighbour dead.
            (index, now + (link.patience() * patience).min(BACKOFF_CAP))
        });
    }

    /// Greets whoever was not heard of at the first time, and at the second one whoever
    /// does not know this incarnation. What is in flight to it will bring an answer.
    pub(super) fn greet(&mut self, now: Instant, first: bool) {
        for neighbour in &mut self.neighbours {
            let link = &mut neighbour.link;
            let unmet = !first && !link.is_met() && link.unacked() == 0 && !link.is_asking();
            if link.is_untouched() || unmet {
                link.greet();
            }
        }
        if first && self.neighbours.iter().any(|n| !n.link.is_met()) {
            self.greet_at = Some((now + self.second_greeting, false));
        }
        // If traffic came and went on all links, and nobody knew a former life, this is
        // a fresh start.
        self.caught_up |= self.neighbours.iter().all(|n| !n.link.wants_sync());
    }
}
