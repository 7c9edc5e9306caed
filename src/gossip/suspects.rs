//! Suspects: how the end of their silence is noticed soon.
//!
//! **Good news travels fast.** When a suspect neighbour becomes healthy, both directions
//! between it and this node are proven. The network has healed, perhaps not only there, so the
//! other suspects are probed now. This, not a short timer, is why a healed partition is over
//! soon, and why a standing one is cheap. A message from a suspect proves one direction alone,
//! and only makes that link try again.
//!
//! A hub, or who stands in for one, also probes its suspects in *rotation*, one every
//! [`PROBE_INTERVAL`], so that there soon is some news.

use super::*;

/// How often a hub with suspect neighbours probes one of them.
///
/// Unit: time. It is how long the end of a partition goes unnoticed at most, at
/// a price of four messages a second however many neighbours are cut off.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(250);

impl<I: Item> Gossip<I> {
    /// A suspect is healthy again.
    pub(super) fn hear_good_news(&mut self, now: Instant) {
        self.timetable.heal(now);
        for &suspect in &self.suspects {
            self.neighbours[suspect].link.probe(now);
        }
        self.touched.extend(&self.suspects);
    }

    /// When the next suspect is probed.
    pub(super) fn set_rotation(&mut self) {
        if self.suspects.is_empty() {
            self.probe_at = None;
        } else if self.children() > 0 || self.stands_in && self.seek_at.is_some() {
            self.probe_at.get_or_insert(self.now + PROBE_INTERVAL);
        }
    }

    /// Probes the next suspect. A hub above that may just be slow is left to its link's timer,
    /// which each probe puts off.
    pub(super) fn probe_in_rotation(&mut self) {
        let is_due = |index: &&usize| {
            let neighbour = &self.neighbours[**index];
            !neighbour.is_parent || neighbour.link.is_silent()
        };
        let mut due = self.suspects.iter().filter(is_due);
        let first = due.clone().next();
        if let Some(&index) = due.find(|index| **index >= self.probe_next).or(first) {
            self.neighbours[index].link.probe(self.now);
            self.touched.insert(index);
            self.probe_next = index + 1;
        }
    }
}
