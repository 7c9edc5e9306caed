//! What the neighbours tell of departures and are told, and what was measured of them.

use super::timetable::Network;
use super::*;

impl<I: Item> Gossip<I> {
    /// The very first item of all goes to a child at once, so that a root soon knows what
    /// the network takes.
    pub(super) fn elicit_first(&mut self, child: usize) {
        if self.timetable.is_new() && self.parent().is_none() {
            self.neighbours[child].link.elicit_ack();
        }
    }

    /// And when it does, what waits departs when it should.
    pub(super) fn measure_first(&mut self) {
        if !self.timetable.is_measured()
            && self.parent().is_none()
            && let Some(network) = self.network()
        {
            self.timetable.measure(network);
        }
    }

    /// Something waits for the children, and maybe the parent has gathered it.
    pub(super) fn goes_down(&mut self, now: Instant, gathered: bool) {
        let parent = self.neighbours.iter().find(|n| n.is_parent);
        let back = parent.and_then(|parent| self.aim.back(now, parent.link.round_trip()));
        match back {
            _ if gathered => self.timetable.by(now),
            Some(back) => self.timetable.by(back),
            None => self.timetable.item(now),
        }
    }

    /// Items came from a child, of whose stream there had been everything `before`. A
    /// departure that they have missed is made up for.
    pub(super) fn hear_child(
        &mut self,
        now: Instant,
        child: usize,
        segment: &Segment<I>,
        before: u64,
    ) {
        let neighbour = &mut self.neighbours[child];
        let spoke = *neighbour.spoke.get_or_insert(now);
        // What was lost and sent again was late before.
        let new = neighbour.link.received().checked_sub(before);
        if segment.offset == before && new == Some(segment.items.len() as u64) {
            self.timetable.hear(now, spoke);
        }
    }

    /// What the parent says of its departures.
    pub(super) fn hear_parent(
        &mut self,
        now: Instant,
        parent: usize,
        segment: &Segment<I>,
        news: News,
    ) {
        if segment.items.is_empty() {
            return;
        }
        let ms = Duration::from_millis;
        let announces = segment.next.map(|(next, every)| (ms(next), ms(every)));
        let trip = self.neighbours[parent].link.round_trip();
        if let Some((next, _)) = announces.filter(|_| news.acked) {
            self.aim.held(now, ms(segment.held), next, trip);
        }
        self.aim.hear(now, announces, trip);
        if let Some(up_at) = &mut self.up_at {
            *up_at = self.aim.due(now).min(*up_at);
        }
    }

    /// What was measured of the neighbours; `None`: nothing yet.
    pub(super) fn network(&self) -> Option<Network> {
        let trips = self.neighbours.iter().map(|n| n.link.round_trip());
        let trips = trips.filter(|trip| trip.is_measured());
        trips.fold(None, |network, trip| {
            Some(network.unwrap_or_default().and(trip))
        })
    }

    /// Says once that the network takes more than the promise, and once that it does
    /// not any more.
    pub(super) fn say_if_short(&mut self, events: &mut Events) {
        if self.timetable.is_kept() == self.short {
            self.short = !self.short;
            let within = self.timetable.within().as_millis() as u64;
            let network = self.network().unwrap_or_default().longest.as_millis() as u64;
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
        // Rounded up, or a child would send too early, and a value wait too long.
        let ms = |time: Duration| time.as_micros().div_ceil(1000) as u64;
        announced.map(|(next, every)| (ms(next), ms(every)))
    }
}
