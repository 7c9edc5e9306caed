//! What a hub tells its children of its departures, and what a child hears of them.

use super::*;

impl<I: Item> Gossip<I> {
    /// The parent has departed, and says when the next departure is, or does not.
    pub(super) fn hear_departure(&mut self, now: Instant, parent: usize, segment: &Segment<I>) {
        let ms = Duration::from_millis;
        let announces = segment.next.map(|(next, every)| (ms(next), ms(every)));
        let trip = self.neighbours[parent].link.round_trip();
        self.aim.hear(now, announces, trip);
        if let Some(up_at) = &mut self.up_at {
            let waited = self.oldest.map_or(Duration::ZERO, |oldest| now - oldest);
            *up_at = self.aim.due(now, waited).min(*up_at);
        }
    }

    /// Says once that the network takes more than the promise, and once that it does
    /// not any more.
    pub(super) fn say_if_short(&mut self, events: &mut Events) {
        if self.timetable.is_kept() == self.short {
            self.short = !self.short;
            let within = self.timetable.within().as_millis() as u64;
            let network = self.timetable.longest().as_millis() as u64;
            events.push(match self.short {
                true => Event::PromiseBroken(within, network),
                false => Event::PromiseKept(within, network),
            });
        }
    }

    /// What a delta to a child tells of the next departure.
    pub(super) fn announce(&mut self) -> Option<(u64, u64)> {
        let announced = match self.parent() {
            Some(_) => self.aim.announce(self.now),
            None => self.timetable.announce(self.now),
        };
        announced.map(|(next, every)| (next.as_millis() as u64, every.as_millis() as u64))
    }
}
