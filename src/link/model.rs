//! Every interleaving of one small link: a model checker over real [`Link`]s.
//!
//! The model has:
//! - two ends, and an item or two each way;
//! - a network that may deliver what is under way in any order, and drop and duplicate
//!   some of it;
//! - timers that fire at any moment;
//! - ends that start anew in the middle of it: with their memory, without, or with a
//!   clock that was set back. Messages of their former life are still under way then.
//!
//! A breadth-first search visits every state that can be reached within the
//! [`Bounds`]. Nothing is sampled.
//!
//! *Time* has no place in the search. A running timer may fire next, whatever its
//! deadline. Where a link looks at an age, both answers are tried. A message finds
//! either none, the first ones or all of the flights older than a round trip, and
//! the last probe as long ago ([`Step::Deliver`]). That only adds behaviours, so
//! what holds here holds under any clock. States that differ in counters, deadlines
//! or measured times alone are the same state.
//!
//! What a node adds to its links is here as it is in [`crate::gossip`] with a single
//! neighbour: the greeting, and the source of a node that catches up.
//!
//! In each state:
//! - whatever one end holds, the other one holds too, or it waits in the queue.
//!   This is not asked of an end that knows only the other's former life, or that
//!   waits for the other's digest. So an item is lost only with its last holder;
//! - nothing was received or acknowledged that was never sent; the same offset has the
//!   same item; a timestamp comes back to no other incarnation than its own;
//! - the marks are in order, and a timer runs if and only if an answer is awaited;
//! - a link refuses nothing that a link sent, but for voices from the past.
//!
//! From each state a network without further faults leads to an end where both sides
//! hold the same, all is acknowledged and quiet. There is one exception. Both started
//! anew, one does not greet the other since it heard the other's former life, and its
//! ack of that was lost. Then the next item makes it so.
//!
//! If any of this does not hold, the shortest way there is printed.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;
use crate::json::Json;

impl Item for u8 {
    const WHAT: &'static str = "a number";

    fn write(&self, out: &mut Vec<u8>) {
        crate::json::encode_int(i64::from(*self), out);
    }

    fn read(json: &Json<'_>) -> Option<u8> {
        json.as_int()?.try_into().ok()
    }
}

/// How far the search goes.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Items that each end sends. At most 4, since both ends' share a byte.
    items: [u8; 2],
    /// How often each end starts anew, and how it may.
    restarts: [u8; 2],
    starts: [&'static [Start]; 2],
    /// Messages that the network may drop.
    drops: u8,
    /// Messages that the network may duplicate.
    duplicates: u8,
    /// How often a retransmission timer may fire while messages are under way. With
    /// none under way it may fire at any time: a timeout is longer than a round trip,
    /// so the early ones are the exception, and each doubles the states.
    early: u8,
    /// The most messages under way at once, both directions together: two are enough
    /// for any of them to overtake another. What would send more waits.
    under_way: usize,
    /// Whether an item waits in its batch until that departs, a step of its own.
    batches: bool,
}

/// The first epoch of each end. A later start has a larger one, and after the clock was set
/// back a smaller one, but never one twice.
const FIRST: u64 = 10;

/// More steps than this from a state to quiet would be a loop.
const MAX_STEPS: usize = 200;

/// As many steps of a way that does not end well are told.
const TOLD_STEPS: usize = 12;

/// The moment at which everything happens, so long after zero that whatever happened
/// there is older than any round trip.
const NOW: Instant = Instant::from_millis(3_600_000);

/// When a timer is due that runs.
const LATER: Instant = Instant::from_millis(3_601_000);

/// The other end's items have this bit: an end calls its own ones 0 to 3, so that a
/// state and its mirror image look the same.
const OTHERS: u8 = 4;

/// A segment, and the items that its sender holds if it is a digest, as bits.
type Message = (Segment<u8>, u8);

/// One node, with its link and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct End {
    link: Link<u8>,
    /// Items that may still be pushed, and restarts to come.
    items: u8,
    restarts: u8,
    starts: &'static [Start],
    /// The next item to push.
    next: u8,
    /// The items that it holds, as bits.
    have: u8,
    /// As in [`crate::gossip`]: the greeting is to come; all is here that a
    /// neighbour held; the neighbour is the source of what is not.
    greets: bool,
    caught_up: bool,
    source: bool,
    /// What is under way from here.
    outbox: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    ends: [End; 2],
    drops: u8,
    duplicates: u8,
    early: u8,
    /// What a link refused that it must not.
    refused: Option<&'static str>,
}

/// What may happen next, and to which end.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An item comes from a client.
    Push(usize),
    /// The first item does not wait for its batch, and asks for an answer.
    Elicit(usize),
    /// The batch departs.
    Depart(usize),
    /// The ack delay is over.
    Ack(usize),
    /// The holes are older than the reordering.
    Hole(usize),
    /// The retransmission timeout is over.
    Retry(usize),
    /// The first second is over.
    Greet(usize),
    /// A process ends and the next one starts.
    Restart { end: usize, start: Start },
    /// A message arrives at the other end. There the first `old` flights are older
    /// than a round trip. So is the last probe, if there is such a flight at all.
    Deliver {
        src: usize,
        index: usize,
        old: usize,
    },
    /// The network loses a message.
    Drop { src: usize, index: usize },
    /// The network repeats a message.
    Duplicate { src: usize, index: usize },
}

/// How a process starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Start {
    /// It remembers what it held.
    Memory,
    /// It remembers nothing.
    Nothing,
    /// It remembers nothing, and the clock was set back.
    ClockBack,
}

fn items(bits: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |item| bits & 1 << item != 0)
}

impl End {
    fn new(items: u8, restarts: u8, starts: &'static [Start]) -> End {
        End {
            link: Link::new(FIRST, ACK_DELAY),
            items,
            restarts,
            starts,
            next: 0,
            have: 0,
            greets: false,
            caught_up: true,
            source: false,
            outbox: Vec::new(),
        }
    }

    fn push(&mut self, departs: bool) {
        self.have |= 1 << self.next;
        self.link.push(self.next);
        self.next += 1;
        self.items -= 1;
        if departs {
            self.link.release();
        }
    }

    fn greet(&mut self) {
        self.greets = false;
        if self.link.is_untouched() {
            self.link.ask_how_far();
        }
        self.caught_up |= !self.link.wants_sync();
    }

    fn restart(&mut self, start: Start) {
        self.restarts -= 1;
        let memory = start == Start::Memory;
        let epoch = match start {
            Start::ClockBack => self.link.epoch - 1,
            _ => self.link.epoch + 2,
        };
        self.link = Link::new(epoch, ACK_DELAY);
        (self.caught_up, self.source, self.greets) = (false, false, !memory);
        if memory {
            self.link.ask_what();
        } else {
            self.have = 0;
        }
    }

    /// It is named with a later epoch than its own.
    fn refute(&mut self, named: u64) {
        if let Some(epoch) = raised(self.link.epoch, named) {
            self.link.restart(epoch);
            (self.caught_up, self.source, self.greets) = (false, false, true);
        }
    }

    /// Gives why it refused the message though it must not.
    fn handle(&mut self, (mut segment, have): Message) -> Option<&'static str> {
        self.refute(segment.peer);
        segment.echo = segment.echo.map(|_| NOW.as_micros());
        match self.link.handle_segment(NOW, &segment) {
            Ok(_) => {}
            Err(LinkError::FromThePast { .. }) => return None,
            Err(LinkError::Wrong(_)) => return Some("a link refused what a link sent"),
        }
        for item in segment.items {
            self.have |= 1 << (item ^ OTHERS);
        }
        if segment.digest {
            self.caught_up |= self.link.is_level();
            if !self.caught_up && !self.source {
                self.link.ask_how_far();
                self.source = true;
            }
            if self.link.wants_digest() {
                self.link
                    .supply(NOW, items(self.have & !have.rotate_left(4)));
            }
        }
        None
    }

    /// The end of a turn: sends what there is to send.
    fn settle(&mut self) {
        self.link.handle_timeout(NOW);
        self.caught_up |= self.source && self.link.is_level();
        if !self.caught_up && (!self.source || self.link.is_suspect()) {
            // There is no other one to be the source instead.
            self.source = self.link.wants_sync();
            if self.source {
                self.link.ask_how_far();
            }
        }
        let may_sync = self.caught_up || self.source;
        while let Some(mut segment) = self.link.poll_transmit(NOW, may_sync) {
            // As long as time stands still, an incarnation is its own clock.
            segment.ts = segment.ts.map(|_| self.link.epoch);
            let have = if segment.digest { self.have } else { 0 };
            self.outbox.push((segment, have));
        }
        self.source &= !self.caught_up;
        self.forget();
    }

    /// Forgets what makes no difference: times, counts, the order under way.
    fn forget(&mut self) {
        self.outbox.sort_unstable();
        let link = &mut self.link;
        (link.stats, link.trip) = (LinkStats::default(), RoundTrip::default());
        link.wary = if link.wary > 0 { WARY } else { 0 };
        // Whoever was silent so often is asked first whether it is there.
        (link.timeouts, link.unreported) = (link.timeouts.min(SILENT), 0);
        (link.arrived_at, link.measured_at, link.probed_at) = (None, None, Some(NOW));
        for flight in &mut link.flights {
            (flight.at, flight.resent) = (NOW, false);
        }
        // A timer either runs or not.
        link.ack_at = link.ack_at.map(|_| LATER);
        link.retry_at = link.retry_at.map(|_| LATER);
        link.incoming.set_due(LATER);
    }

    /// The first flights and the last probe happened long ago.
    fn let_age(&mut self, flights: usize) {
        for flight in self.link.flights.iter_mut().take(flights) {
            flight.at = Instant::ZERO;
        }
        if flights > 0 {
            self.link.probed_at = None;
        }
    }

    /// What may be old or not when a message comes.
    fn ages(&self) -> usize {
        self.link
            .flights
            .len()
            .max(usize::from(self.link.is_suspect()))
    }

    /// The timers that run, in the order in which they usually fire.
    fn timers(&self, end: usize) -> impl Iterator<Item = Step> {
        let link = &self.link;
        let timers = [
            (link.released < link.end(), Step::Depart(end)),
            (link.incoming.due().is_some(), Step::Hole(end)),
            (link.ack_at.is_some(), Step::Ack(end)),
            (self.greets, Step::Greet(end)),
            (link.retry_at.is_some(), Step::Retry(end)),
        ];
        timers
            .into_iter()
            .filter(|(runs, _)| *runs)
            .map(|(_, step)| step)
    }
}

impl State {
    fn initial(bounds: Bounds) -> State {
        let of = |index: usize| (bounds.items[index], bounds.restarts[index]);
        let end = |index: usize| End::new(of(index).0, of(index).1, bounds.starts[index]);
        State {
            ends: [end(0), end(1)],
            drops: bounds.drops,
            duplicates: bounds.duplicates,
            early: bounds.early,
            refused: None,
        }
    }

    fn under_way(&self) -> usize {
        self.ends.iter().map(|end| end.outbox.len()).sum()
    }

    /// The state after a step.
    fn after(&self, step: Step, bounds: Bounds) -> State {
        let mut next = self.clone();
        let ends = &mut next.ends;
        let end = match step {
            Step::Push(end) => {
                ends[end].push(!bounds.batches);
                end
            }
            Step::Elicit(end) => {
                ends[end].link.elicit_ack();
                end
            }
            Step::Depart(end) => {
                ends[end].link.release();
                end
            }
            Step::Ack(end) => {
                ends[end].link.ack_at = Some(NOW);
                end
            }
            Step::Hole(end) => {
                ends[end].link.incoming.set_due(NOW);
                end
            }
            Step::Retry(end) => {
                ends[end].link.retry_at = Some(NOW);
                next.early = next.early.saturating_sub(u8::from(self.under_way() > 0));
                end
            }
            Step::Greet(end) => {
                ends[end].greet();
                end
            }
            Step::Restart { end, start } => {
                ends[end].restart(start);
                end
            }
            Step::Deliver { src, index, old } => {
                let message = ends[src].outbox.remove(index);
                next.deliver(1 - src, message, old);
                return next;
            }
            Step::Drop { src, index } => {
                ends[src].outbox.remove(index);
                next.drops -= 1;
                return next;
            }
            Step::Duplicate { src, index } => {
                let copy = ends[src].outbox[index].clone();
                ends[src].outbox.insert(index, copy);
                next.duplicates -= 1;
                return next;
            }
        };
        next.ends[end].settle();
        next
    }

    fn deliver(&mut self, end: usize, message: Message, old: usize) {
        self.ends[end].let_age(old);
        self.refused = self.refused.or(self.ends[end].handle(message));
        self.ends[end].settle();
    }

    /// Everything that may happen next.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let patient = self.under_way() > 0 && self.early == 0;
        for (end, at) in self.ends.iter().enumerate() {
            steps.extend((at.items > 0).then_some(Step::Push(end)));
            let is_first = at.link.nxt() == 0 && at.link.unacked() == 1;
            steps.extend(is_first.then_some(Step::Elicit(end)));
            let timers = at.timers(end);
            steps.extend(timers.filter(|step| !(patient && matches!(step, Step::Retry(_)))));
            if at.restarts > 0 {
                let starts = at.starts.iter();
                steps.extend(starts.map(|&start| Step::Restart { end, start }));
            }
            for index in 0..at.outbox.len() {
                let (src, same) = (end, |other: &Message| *other == at.outbox[index]);
                if at.outbox[..index].iter().any(same) {
                    // The same message again: the same step.
                    continue;
                }
                let ages = 0..=self.ends[1 - end].ages();
                steps.extend(ages.map(|old| Step::Deliver { src, index, old }));
                steps.extend((self.drops > 0).then_some(Step::Drop { src, index }));
                steps.extend((self.duplicates > 0).then_some(Step::Duplicate { src, index }));
            }
        }
        steps
    }

    /// What happens next when nothing goes wrong any more. What is under way arrives,
    /// and then what was sent meanwhile. When nothing is under way, all timers fire.
    /// `witness` sees each step. `None`: all is quiet.
    fn faultless(&self, bounds: Bounds, mut witness: impl FnMut(&str, &State)) -> Option<State> {
        let mut next = self.clone();
        if self.under_way() == 0 {
            let ends = self.ends.iter().enumerate();
            let timers: Vec<_> = ends.flat_map(|(end, at)| at.timers(end)).collect();
            timers.first()?;
            for step in timers {
                next = next.after(step, bounds);
                witness(&format!("{step:?}"), &next);
            }
            return Some(next);
        }
        next.ends.iter_mut().for_each(|end| end.outbox.clear());
        for (src, at) in self.ends.iter().enumerate() {
            for message in &at.outbox {
                // A hole is named again and again until what it names is old.
                let old = match message.0.missing[..] {
                    [] => 0,
                    _ => next.ends[1 - src].ages(),
                };
                next.deliver(1 - src, message.clone(), old);
                witness(&format!("{message:?} comes"), &next);
            }
        }
        Some(next)
    }

    /// A sentence about what must never be, if it is.
    fn fault(&self) -> Option<&'static str> {
        let pairs = [(0, 1), (1, 0)].map(|(a, b)| (&self.ends[a], &self.ends[b]));
        let fault = pairs.into_iter().find_map(|(a, b)| pair_fault(a, b));
        fault.or(self.refused)
    }

    /// The same for a state in which nothing happens any more.
    fn end_fault(&self) -> Option<&'static str> {
        let [a, b] = &self.ends;
        if a.have != b.have.rotate_left(4) {
            return Some("nothing happens any more, and they do not hold the same");
        }
        if !a.link.is_quiet() || !b.link.is_quiet() {
            return Some("nothing happens any more, and it is not quiet");
        }
        None
    }

    /// After a loss, one who is quiet and takes the other for a life that is over gets an item.
    fn reminded(&self, bounds: Bounds) -> Option<State> {
        let epochs = [1, 0].map(|other| self.ends[other].link.epoch);
        let mut ends = self.ends.iter().zip(epochs);
        let end = ends.position(|(end, epoch)| end.link.peer != 0 && end.link.peer != epoch)?;
        (self.drops < bounds.drops && self.end_fault().is_some()).then(|| {
            let mut next = self.clone();
            next.ends[end].items += 1;
            next.after(Step::Push(end), bounds)
        })
    }
}

/// What is wrong with the stream from `a` to `b`.
fn pair_fault(a: &End, b: &End) -> Option<&'static str> {
    let link = &a.link;
    let present = link.peer == 0 || link.peer == b.link.epoch;
    let asks = link.question == Some(Question::What);
    let queued = link.queue.iter().fold(0, |bits, item| bits | 1 << item);
    let there = b.have.rotate_left(4);
    let ends = link.flights.iter().map(|flight| flight.end);
    let marks = std::iter::once(link.una).chain(ends);
    let rules = [
        (
            !present || asks || a.have & !(queued | there) == 0,
            "an item is with one end alone, and it does not know",
        ),
        (
            b.link.peer != link.epoch || b.link.received() <= link.nxt(),
            "received what was never sent",
        ),
        (
            marks.is_sorted_by(|before, after| before < after) && link.nxt() <= link.end(),
            "the flights are out of order",
        ),
        (
            link.una <= link.released && link.released <= link.end(),
            "the marks cross",
        ),
        (
            link.retry_at.is_some() == link.is_awaiting(),
            "an answer is awaited without a timer, or it runs for none",
        ),
        (
            link.is_awaiting() || !link.is_suspect(),
            "a link is suspect that waits for nothing",
        ),
        (
            a.outbox.iter().all(|message| is_true(a, message)),
            "a message is not true",
        ),
    ];
    rules
        .into_iter()
        .find(|(holds, _)| !holds)
        .map(|(_, sentence)| sentence)
}

/// Whether a message that is under way from `a` says what `a` would stand by.
fn is_true(a: &End, (segment, have): &Message) -> bool {
    let link = &a.link;
    if segment.echo.is_some_and(|ts| ts != segment.peer) {
        // Only whose clock it was could make something of it.
        return false;
    }
    let mut items = segment.items.iter().zip(segment.offset..);
    let same = |(item, offset): (&u8, u64)| {
        offset < link.una || link.queue.get((offset - link.una) as usize) == Some(item)
    };
    let ack = segment.peer != link.peer || segment.ack <= link.received();
    let now = segment.una <= link.una && items.all(same) && ack && have & !a.have == 0;
    now || segment.epoch != link.epoch
}

/// What stands for a state: 128 bits of two independent hashes. Among the states
/// below, that two of them share one by accident has a chance of about 1 in 10^25.
/// The ends have no names: a state and its mirror image are one, and the order of
/// what is under way is none.
fn fingerprint(state: &State) -> u128 {
    let hash = |end: &End, salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        end.hash(&mut hasher);
        hasher.finish()
    };
    let whole = |salt| {
        let mut ends = [hash(&state.ends[0], salt), hash(&state.ends[1], salt)];
        ends.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (salt, ends, state.drops, state.duplicates, state.early).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    whole(1) << 64 | whole(2)
}

/// What was found about some states of the same depth.
#[derive(Default)]
struct Found {
    /// What can follow them: the fingerprints of both, and the state.
    next: Vec<(u128, u128, State)>,
    /// States that end well, and were not known to.
    ends_well: HashSet<u128>,
    /// The first of them that is at fault, and why.
    fault: Option<(State, &'static str)>,
}

impl Found {
    fn look(states: &[State], bounds: Bounds, known: &HashSet<u128>) -> Found {
        let mut found = Found::default();
        for state in states {
            let fault = match state.fault() {
                Some(sentence) => Err(sentence),
                None => found.ends_well(state, bounds, known),
            };
            if let Err(sentence) = fault {
                found.fault.get_or_insert((state.clone(), sentence));
            }
            let from = fingerprint(state);
            let next = state
                .steps()
                .into_iter()
                .map(|step| state.after(step, bounds));
            let next = next.filter(|next| next.under_way() <= bounds.under_way);
            (found.next).extend(next.map(|next| (from, fingerprint(&next), next)));
        }
        found
    }

    /// Whether a faultless network leads from here to a good end; if not, why.
    fn ends_well(
        &mut self,
        state: &State,
        bounds: Bounds,
        known: &HashSet<u128>,
    ) -> Result<(), &'static str> {
        let mut path = Vec::new();
        let mut here = state.clone();
        loop {
            let print = fingerprint(&here);
            if known.contains(&print) || self.ends_well.contains(&print) {
                break;
            }
            path.push(print);
            let mut fault = None;
            let witness = |_: &str, next: &State| fault = fault.or(next.fault());
            let next = here.faultless(bounds, witness);
            fault.map_or(Ok(()), Err)?;
            let Some(next) = next.or_else(|| here.reminded(bounds)) else {
                here.end_fault().map_or(Ok(()), Err)?;
                break;
            };
            here = next;
            if path.len() > MAX_STEPS {
                return Err("without faults it has no end");
            }
        }
        self.ends_well.extend(path);
        Ok(())
    }
}

/// A search under way.
struct Search {
    bounds: Bounds,
    /// Each state that was seen, and the one from which it was reached first.
    from: HashMap<u128, u128>,
    /// Of which it is known that they end well, so that each path is walked once.
    ends_well: HashSet<u128>,
}

impl Search {
    fn run(bounds: Bounds) {
        let initial = State::initial(bounds);
        let print = fingerprint(&initial);
        let mut search = Search {
            bounds,
            from: HashMap::from([(print, print)]),
            ends_well: HashSet::new(),
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut frontier = vec![initial];
        let (mut steps, mut depth) = (0u64, 0);
        while !frontier.is_empty() {
            let mut next_frontier = Vec::new();
            // Each processor takes a part.
            let parts = frontier.chunks(frontier.len().div_ceil(workers));
            let known = &search.ends_well;
            let found: Vec<Found> = std::thread::scope(|scope| {
                let parts = parts.map(|part| scope.spawn(|| Found::look(part, bounds, known)));
                let parts: Vec<_> = parts.collect();
                let found = parts.into_iter().map(|part| part.join().expect("no panic"));
                found.collect()
            });
            for part in found {
                if let Some((state, sentence)) = part.fault {
                    search.fail(&state, sentence);
                }
                search.ends_well.extend(part.ends_well);
                for (from, to, next) in part.next {
                    steps += 1;
                    if let Entry::Vacant(entry) = search.from.entry(to) {
                        entry.insert(from);
                        next_frontier.push(next);
                    }
                }
            }
            depth += 1;
            frontier = next_frontier;
        }
        println!("{bounds:?}");
        println!(
            "{} states up to {depth} steps deep, {steps} steps between them: all safe, all converge",
            search.from.len()
        );
    }

    /// Tells the shortest way to a state, and how it goes on.
    fn fail(&self, state: &State, sentence: &str) -> ! {
        let mut prints = vec![fingerprint(state)];
        while let Some(before) = self.from.get(&prints[0])
            && *before != prints[0]
        {
            prints.insert(0, *before);
        }
        let mut here = State::initial(self.bounds);
        for print in &prints[1..] {
            let steps = here.steps().into_iter();
            let mut nexts = steps.map(|step| (step, here.after(step, self.bounds)));
            let (step, next) = nexts
                .find(|(_, next)| fingerprint(next) == *print)
                .expect("each state was reached from the one before");
            here = next;
            tell(&format!("{step:?}"), &here);
        }
        eprintln!("from here on without faults");
        for _ in 0..TOLD_STEPS {
            let Some(next) = here.faultless(self.bounds, tell) else {
                break;
            };
            here = next;
        }
        panic!("{sentence}; {:?}", self.bounds);
    }
}

fn tell(step: &str, state: &State) {
    eprintln!("{step}");
    for (end, at) in state.ends.iter().enumerate() {
        let (l, have) = (&at.link, at.have);
        eprintln!(
            "    {end}: epoch {} peer {} have {have:08b} una {} nxt {} received {} {:?}{} \
             level {:?} caught up {} source {}",
            l.epoch,
            l.peer,
            l.una,
            l.nxt(),
            l.received(),
            l.question,
            if l.is_suspect() { " suspect" } else { "" },
            l.level,
            at.caught_up,
            at.source,
        );
        at.outbox
            .iter()
            .for_each(|message| eprintln!("        {message:?}"));
    }
}

/// A link between two that live: loss and reordering in both directions. With
/// [`RESTARTS`] small enough for every `cargo test`.
const ONE_LIFE: Bounds = Bounds {
    items: [2, 1],
    restarts: [0, 0],
    starts: [&[], &[]],
    drops: 1,
    duplicates: 1,
    early: 1,
    under_way: 2,
    batches: true,
};

/// Both ends start anew, at any time.
const RESTARTS: Bounds = Bounds {
    items: [1, 1],
    restarts: [1, 1],
    starts: [&[Start::Memory, Start::Nothing]; 2],
    drops: 1,
    duplicates: 0,
    early: 0,
    under_way: 2,
    batches: false,
};

/// One end's clock is set back, before or after the other one forgets who it was.
const CLOCK_BACK: Bounds = Bounds {
    starts: [&[Start::ClockBack], &[Start::Nothing]],
    ..RESTARTS
};

#[test]
fn every_state_of_one_life_is_safe_and_leads_to_both_ends_equal_acked_and_quiet() {
    Search::run(ONE_LIFE);
}

#[test]
fn every_state_with_restarts_is_safe_and_leads_to_both_ends_equal_acked_and_quiet() {
    Search::run(RESTARTS);
}

#[test]
fn every_state_with_a_clock_that_was_set_back_is_safe_and_leads_to_both_ends_equal_acked_and_quiet()
{
    // The item is with either end: with both, it takes ten times as long.
    for items in [[1, 0], [0, 1]] {
        Search::run(Bounds {
            items,
            ..CLOCK_BACK
        });
    }
}

/// `cargo test model -- --ignored --nocapture --test-threads 1`
#[test]
#[ignore = "takes minutes"]
fn every_state_of_a_longer_life_is_safe_and_leads_to_both_ends_equal_acked_and_quiet() {
    Search::run(Bounds {
        items: [2, 2],
        drops: 2,
        duplicates: 2,
        ..ONE_LIFE
    });
}

/// As above.
#[test]
#[ignore = "takes minutes"]
fn every_state_with_more_restarts_is_safe_and_leads_to_both_ends_equal_acked_and_quiet() {
    Search::run(Bounds {
        duplicates: 1,
        early: 1,
        ..RESTARTS
    });
}

/// As above.
#[test]
#[ignore = "takes minutes"]
fn every_state_with_all_kinds_of_starts_is_safe_and_leads_to_both_ends_equal_acked_and_quiet() {
    Search::run(Bounds {
        starts: [&[Start::Memory, Start::Nothing, Start::ClockBack]; 2],
        ..RESTARTS
    });
}
