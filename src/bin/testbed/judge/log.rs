//! The judge of `kafka`: what a history of sends, polls and commits says about the
//! logs.
//!
//! These are the rules of Maelstrom's `kafka` workload (`jepsen.tests.kafka`), for
//! messages that are integers and sent once each. An *entry* is a message at an
//! offset of a key; it is *known* once its `send_ok` came or a poll showed it.
//!
//! - Inconsistent offsets: two messages at one offset of a key.
//! - Duplicates: one message at two offsets.
//! - Nonmonotonic polls. Internal: offsets that do not ascend within an answer.
//!   External: an answer from below the offset that was asked for. (A client asks
//!   from where it left off.) Nonmonotonic sends: of two sends of one client to a
//!   key, the second gets an offset that is not above the first's.
//! - Skips: an answer jumps over an offset at which there is an entry, wherever that
//!   was heard of and when. Internal: within the answer. External: between the
//!   offset asked for and the first one shown.
//! - Lost writes: an acknowledged message that no poll ever showed, though one showed
//!   a higher offset of its key.
//! - Aborted reads: a poll shows what was refused with a definite error. And strays:
//!   what nobody sent, or to another key.
//!
//! Stricter than Maelstrom:
//!
//! - In the end, *every* node's polls from the beginning show every known message.
//! - Committed offsets, which Maelstrom does not judge, never go back. What one node
//!   lists is at least what it acknowledged and listed before. In the end it is at
//!   least what anybody acknowledged. It is never more than what anybody committed.
//!
//! A poll may show fewer entries than there are, down to none, and gaps that nobody ever
//! filled are allowed: they are counted as a note. Positions are the clients' own: one
//! that begins anew simply asks from there.
//!
//! The *stable latency* of an entry is the set's, and at least 0. It begins when the entry
//! was known. It ends when the last poll began that should have shown the entry, but whose
//! answer ended before it. An answer may also end early because it is full. Nobody can see
//! that, so answers as long as the longest one yet prove nothing here.

use std::collections::{BTreeMap, BTreeSet};

use hubcast::interval_set::IntervalSet;

use super::{Mark, Peak, Problems, Verdict, lacks, plural};

/// Offsets by key: where to poll from, or what to commit.
pub type Offsets = BTreeMap<i64, i64>;

/// What a poll shows: for each key, pairs of an offset and a message.
pub type Entries = BTreeMap<i64, Vec<(i64, i64)>>;

/// Takes a history in, in the order in which it happens.
#[derive(Debug, Default)]
pub struct Log {
    messages: BTreeMap<i64, Message>,
    keys: BTreeMap<i64, Key>,
    /// What each node showed in the end, by its name, in their order.
    final_polls: Vec<(String, IntervalSet)>,
    /// The most entries that an answer has shown of a key.
    longest: usize,
    problems: Problems,
}

#[derive(Debug, Default)]
struct Message {
    key: i64,
    known: Option<Mark>,
    polled: bool,
    /// Where it is: one offset, if all is well.
    offsets: Vec<i64>,
    /// The code of the definite error that answered its send.
    refused: Option<i64>,
}

#[derive(Debug, Default)]
struct Key {
    /// What is at an offset: one message, if all is well.
    entries: BTreeMap<i64, Vec<i64>>,
    /// The highest offset that a poll has shown.
    polled: Option<i64>,
    /// By the offset before which answers ended, the last beginning of such a poll.
    ends: BTreeMap<i64, Mark>,
    skips: BTreeSet<Skip>,
    /// The last offset and message that each client was acknowledged.
    sent: BTreeMap<usize, (i64, i64)>,
    /// The highest offset that somebody wanted to commit, and the highest acknowledged.
    committed: [Option<i64>; 2],
    /// What each node has acknowledged or listed as committed.
    listed: BTreeMap<String, Option<Peak>>,
}

/// Where an answer jumped: from one offset to another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Skip {
    node: String,
    /// The first offset that was passed over, and the one shown instead.
    over: (i64, i64),
    /// Whether `over` begins where the client wanted to begin.
    external: bool,
}

impl Log {
    /// A client begins to send `message` to `key`.
    pub fn send_begins(&mut self, message: i64, key: i64) {
        self.messages.entry(message).or_default().key = key;
    }

    /// The `send_ok` for `message` has come: it is at this offset.
    pub fn send_ok(&mut self, answered: Mark, client: usize, message: i64, offset: i64) {
        let Some(sent) = self.messages.get_mut(&message) else {
            return;
        };
        sent.known.get_or_insert(answered);
        let key = sent.key;
        let last = self
            .keys
            .entry(key)
            .or_default()
            .sent
            .insert(client, (offset, message));
        if let Some((before, earlier)) = last.filter(|last| last.0 >= offset) {
            self.problems.note(format!(
                "sends of c{client} to key {key} go back: message {earlier} got offset {before}, \
                 and message {message} after it {offset}"
            ));
        }
        self.place(key, offset, message);
    }

    /// The send of `message` was answered with a definite error.
    pub fn send_refused(&mut self, message: i64, code: i64) {
        self.messages.entry(message).or_default().refused = Some(code);
    }

    /// Somebody says that `message` is at this offset.
    fn place(&mut self, key: i64, offset: i64, message: i64) {
        let (Some(sent), log) = (
            self.messages.get_mut(&message),
            self.keys.entry(key).or_default(),
        ) else {
            return;
        };
        if sent.offsets.contains(&offset) {
            return;
        }
        if let Some(other) = sent.offsets.first() {
            self.problems.note(format!(
                "message {message} is twice in key {key}, at offset {other} and at {offset}"
            ));
        }
        sent.offsets.push(offset);
        let here = log.entries.entry(offset).or_default();
        if let Some(other) = here.first() {
            self.problems.note(format!(
                "two messages are at offset {offset} of key {key}, {other} and {message}"
            ));
        }
        here.push(message);
    }

    /// `node` has answered a poll from the offsets in `asked` with `shown`.
    pub fn poll_ok(
        &mut self,
        [begun, answered]: [Mark; 2],
        node: &str,
        asked: &Offsets,
        shown: &Entries,
    ) {
        for key in shown.keys().filter(|&key| !asked.contains_key(key)) {
            self.problems.stricter(format!(
                "a poll at {node} shows key {key}, for which it was not asked"
            ));
        }
        for (&key, &from) in asked {
            let entries = shown.get(&key).map_or(&[][..], Vec::as_slice);
            let end = self.walk(node, key, from, entries);
            for &(offset, message) in entries {
                self.show(answered, node, key, (offset, message));
            }
            if entries.is_empty() || entries.len() < self.longest {
                let ends = &mut self.keys.entry(key).or_default().ends;
                let last = ends.entry(end).or_insert(begun);
                *last = begun.max(*last);
            }
            self.longest = self.longest.max(entries.len());
        }
    }

    /// Follows the offsets of an answer; gives the one behind them.
    fn walk(&mut self, node: &str, key: i64, from: i64, entries: &[(i64, i64)]) -> i64 {
        let log = self.keys.entry(key).or_default();
        let mut next = from;
        for (index, &(offset, _)) in entries.iter().enumerate() {
            let external = index == 0;
            if offset < next {
                self.problems.note(match external {
                    true => format!(
                        "a poll at {node} from offset {from} of key {key} goes back to {offset}"
                    ),
                    false => format!(
                        "a poll at {node} shows offset {offset} of key {key} after {}",
                        next - 1
                    ),
                });
            } else if offset > next {
                log.skips.insert(Skip {
                    node: node.to_owned(),
                    over: (next, offset),
                    external,
                });
            }
            next = next.max(offset.saturating_add(1));
        }
        log.polled = log.polled.max((next > from).then_some(next - 1));
        next
    }

    /// A poll shows an entry.
    fn show(&mut self, answered: Mark, node: &str, key: i64, (offset, message): (i64, i64)) {
        let strayed = match self.messages.get_mut(&message) {
            None => "nobody sent".to_owned(),
            Some(sent) if sent.key != key => format!("was sent to key {}", sent.key),
            Some(sent) => {
                sent.known.get_or_insert(answered);
                sent.polled = true;
                return self.place(key, offset, message);
            }
        };
        self.problems.stricter(format!(
            "a poll at {node} shows message {message} in key {key}, which {strayed}"
        ));
    }

    /// What a node showed of everything, after everything else: the polls of one node add
    /// up. They are polls like any other, for [`Log::poll_ok`].
    pub fn final_poll(&mut self, node: &str, shown: &Entries) {
        let known = self.final_polls.iter().position(|(name, _)| name == node);
        let index = known.unwrap_or_else(|| {
            self.final_polls.push((node.to_owned(), IntervalSet::new()));
            self.final_polls.len() - 1
        });
        for (_, message) in shown.values().flatten() {
            self.final_polls[index].1.insert(*message);
        }
    }

    /// A client begins to commit these offsets.
    pub fn commit_begins(&mut self, offsets: &Offsets) {
        for (&key, &offset) in offsets {
            let [wanted, _] = &mut self.keys.entry(key).or_default().committed;
            *wanted = (*wanted).max(Some(offset));
        }
    }

    /// `node` has acknowledged a commit.
    pub fn commit_ok(&mut self, when: [Mark; 2], node: &str, offsets: &Offsets) {
        for (&key, &offset) in offsets {
            let log = self.keys.entry(key).or_default();
            let [_, acknowledged] = &mut log.committed;
            *acknowledged = (*acknowledged).max(Some(offset));
            // A lower one than before is no fault: the client is behind another one.
            let _ = Peak::show(log.listed.entry(node.to_owned()).or_default(), when, offset);
        }
    }

    /// `node` has answered which offsets of these keys are committed; `is_last`: after
    /// everything else. A key that it leaves out has none.
    pub fn listed(
        &mut self,
        when: [Mark; 2],
        node: &str,
        is_last: bool,
        keys: impl Iterator<Item = i64>,
        listed: &Offsets,
    ) {
        for key in keys {
            let log = self.keys.entry(key).or_default();
            let offset = listed.get(&key).copied();
            let [wanted, acknowledged] = log.committed;
            let spelled = offset.map_or("nothing".into(), |offset| format!("offset {offset}"));
            let lists = format!("{node} lists {spelled} of key {key} as committed");
            if offset > wanted {
                let wanted = wanted.map_or("nothing".into(), |wanted| wanted.to_string());
                (self.problems).stricter(format!("{lists}, and the highest commit was {wanted}"));
            }
            let peak = log.listed.entry(node.to_owned()).or_default();
            // No offset is below 0, so none at all is.
            if let Some(before) = Peak::show(peak, when, offset.unwrap_or(-1)) {
                self.problems.stricter(format!(
                    "{lists}, and had acknowledged or listed {before} before"
                ));
            } else if let Some(final_) = acknowledged.filter(|_| is_last && offset < acknowledged) {
                (self.problems)
                    .stricter(format!("{lists} in the end, and {final_} was acknowledged"));
            }
        }
    }

    /// The verdict over everything so far. Values are messages.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict {
            item: "message",
            ..Verdict::default()
        };
        let mut problems = Problems::default();
        let mut lost = BTreeSet::new();
        let mut gaps = 0;
        self.judge_lost(&mut problems, &mut lost);
        problems.append(&self.problems);
        for (&key, log) in &self.keys {
            log.judge_skips(key, &mut problems);
            gaps += log.gaps();
        }
        for (&message, sent) in &self.messages {
            if let (Some(code), true) = (sent.refused, sent.polled) {
                problems.note(format!(
                    "message {message} is in a poll, though its send was refused with the \
                     definite error {code}"
                ));
            }
            let missed = sent.refused.is_none() && !sent.polled && !lost.contains(&message);
            verdict.never_read += usize::from(missed);
        }
        self.measure(&mut verdict);
        if gaps > 0 {
            let text = format!("{} below others had no message", plural(gaps, "offset"));
            verdict.notes.push(text);
        }
        verdict.problems = problems;
        verdict.lost = lost.into_iter().collect();
        verdict
    }

    /// Lost writes: by what others saw, and by what nodes show in the end.
    fn judge_lost(&self, problems: &mut Problems, lost: &mut BTreeSet<i64>) {
        let demanded = |sent: &&Message| sent.known.is_some() && sent.refused.is_none();
        for (&message, sent) in &self.messages {
            let Some(&offset) = sent.offsets.first().filter(|_| demanded(&sent)) else {
                continue;
            };
            let polled = self.keys.get(&sent.key).and_then(|log| log.polled);
            if let Some(polled) = polled.filter(|polled| !sent.polled && *polled > offset) {
                problems.note(format!(
                    "message {message} is lost: acknowledged at offset {offset} of key {}, it is \
                     in no poll, and offset {polled} is",
                    sent.key
                ));
                lost.insert(message);
            }
        }
        for polls in &self.final_polls {
            let known = self.messages.iter().filter(|(_, sent)| demanded(sent));
            let known = known.map(|(&message, _)| message);
            lost.extend(lacks(polls, "message", known, problems));
        }
    }

    /// The stable latencies of all entries that a poll has shown.
    fn measure(&self, verdict: &mut Verdict) {
        for log in self.keys.values() {
            let mut ends = log.ends.iter().peekable();
            let mut last_absent: Option<Mark> = None;
            for (offset, messages) in &log.entries {
                while let Some((_, &begun)) = ends.next_if(|end| end.0 <= offset) {
                    last_absent = last_absent.max(Some(begun));
                }
                let Some(message) = messages.first() else {
                    continue;
                };
                let sent = self.messages.get(message).filter(|sent| sent.polled);
                let Some(known) = sent.and_then(|sent| sent.known) else {
                    continue;
                };
                verdict.stable(*message, known, last_absent);
            }
        }
        verdict.stable_latencies.sort_unstable();
        verdict.by_value.sort_unstable();
    }
}

impl Key {
    /// Jumps over what is there, as is known by now.
    fn judge_skips(&self, key: i64, problems: &mut Problems) {
        for skip in &self.skips {
            let (first, shown) = skip.over;
            let Some((offset, messages)) = self.entries.range(first..shown).next() else {
                continue;
            };
            let place = match skip.external {
                true => format!(" from {first}"),
                false => String::new(),
            };
            problems.note(format!(
                "a poll at {}{place} skips offset {offset} of key {key}, message {}, and shows {shown}",
                skip.node, messages[0]
            ));
        }
    }

    /// How many offsets below the highest one have no message.
    fn gaps(&self) -> usize {
        let highest = self
            .entries
            .last_key_value()
            .map_or(-1, |(offset, _)| *offset);
        let filled = self.entries.range(0..).count();
        usize::try_from(highest.saturating_add(1)).map_or(0, |all| all.saturating_sub(filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    /// A history in which message 10 + i was acknowledged at offset i of key 1, at
    /// 10 + i ms, to client 0.
    fn acknowledged(messages: i64) -> Log {
        let mut log = Log::default();
        for index in 0..messages {
            log.send_begins(10 + index, 1);
            log.send_ok(Mark::at(10 + index as u64), 0, 10 + index, index);
        }
        log
    }

    /// The pairs of key 1.
    fn key_1(entries: &[(i64, i64)]) -> Entries {
        Entries::from([(1, entries.to_vec())])
    }

    /// A poll of key 1 that begins then and is answered a millisecond later.
    fn poll(log: &mut Log, at: u64, node: &str, from: i64, entries: &[(i64, i64)]) {
        let when = [at, at + 1].map(Mark::at);
        log.poll_ok(when, node, &Offsets::from([(1, from)]), &key_1(entries));
    }

    fn problems(log: &Log) -> Vec<String> {
        log.verdict().problems.all()
    }

    const THREE: [(i64, i64); 3] = [(0, 10), (1, 11), (2, 12)];

    #[test]
    fn polls_that_show_everything_in_order_are_valid() {
        let mut log = acknowledged(3);
        poll(&mut log, 100, "n1", 0, &THREE[..2]);
        poll(&mut log, 110, "n1", 2, &THREE[2..]);
        poll(&mut log, 120, "n1", 3, &[]);
        poll(&mut log, 130, "n2", 0, &THREE);
        for node in ["n1", "n2"] {
            log.final_poll(node, &key_1(&THREE[..1]));
            log.final_poll(node, &key_1(&THREE[1..]));
        }
        let verdict = log.verdict();
        assert_eq!(verdict.problems.all(), NONE);
        assert_eq!((verdict.lost, verdict.never_read), (vec![], 0));
    }

    #[test]
    fn an_acknowledged_message_that_a_later_poll_passes_over_is_lost() {
        let mut log = acknowledged(3);
        poll(&mut log, 100, "n1", 0, &THREE[..1]);
        poll(&mut log, 110, "n1", 2, &THREE[2..]);
        let verdict = log.verdict();
        assert_eq!(
            verdict.problems.all(),
            [
                "message 11 is lost: acknowledged at offset 1 of key 1, it is in no poll, and offset 2 is"
            ]
        );
        assert_eq!(verdict.lost, [11]);
    }

    #[test]
    fn a_known_message_that_one_nodes_final_poll_lacks_is_lost_whoever_shows_it() {
        let mut log = acknowledged(3);
        poll(&mut log, 100, "n1", 0, &THREE);
        log.final_poll("n1", &key_1(&THREE));
        log.final_poll("n2", &key_1(&THREE[..2]));
        let verdict = log.verdict();
        assert_eq!(
            verdict.problems.all(),
            ["n2 lacks 1 message that was known: 12"]
        );
        assert_eq!(verdict.lost, [12]);
    }

    #[test]
    fn a_message_without_an_answer_may_be_there_or_not_until_a_poll_shows_it() {
        let mut log = acknowledged(2);
        log.send_begins(12, 1);
        log.final_poll("n1", &key_1(&THREE[..2]));
        let verdict = log.verdict();
        assert_eq!(verdict.problems.all(), NONE);
        poll(&mut log, 100, "n2", 0, &THREE);
        assert_eq!(problems(&log), ["n1 lacks 1 message that was known: 12"]);
    }

    #[test]
    fn one_message_at_two_offsets_is_a_duplicate() {
        let mut log = acknowledged(2);
        poll(&mut log, 100, "n1", 0, &[(0, 10), (1, 11), (2, 10)]);
        poll(&mut log, 110, "n2", 0, &[(0, 10), (1, 11), (2, 10)]);
        assert_eq!(
            problems(&log),
            ["message 10 is twice in key 1, at offset 0 and at 2"],
            "once is enough"
        );
    }

    #[test]
    fn two_messages_at_one_offset_are_inconsistent_also_at_different_nodes() {
        let mut log = acknowledged(1);
        log.send_begins(11, 1);
        log.send_begins(12, 1);
        poll(&mut log, 100, "n1", 0, &[(0, 10), (1, 11)]);
        poll(&mut log, 110, "n2", 0, &[(0, 10), (1, 12)]);
        assert_eq!(
            problems(&log),
            ["two messages are at offset 1 of key 1, 11 and 12"]
        );
    }

    #[test]
    fn two_acknowledgements_of_one_offset_are_inconsistent() {
        let mut log = acknowledged(1);
        log.send_begins(11, 1);
        log.send_ok(Mark::at(50), 3, 11, 0);
        assert_eq!(
            problems(&log),
            ["two messages are at offset 0 of key 1, 10 and 11"]
        );
    }

    #[test]
    fn offsets_of_one_answer_must_ascend() {
        let mut log = acknowledged(3);
        poll(&mut log, 100, "n1", 0, &[(0, 10), (2, 12), (1, 11)]);
        assert_eq!(
            problems(&log)[0],
            "a poll at n1 shows offset 1 of key 1 after 2"
        );
    }

    #[test]
    fn an_answer_must_not_begin_before_the_offset_asked_for() {
        let mut log = acknowledged(3);
        poll(&mut log, 100, "n1", 1, &THREE);
        assert_eq!(
            problems(&log),
            ["a poll at n1 from offset 1 of key 1 goes back to 0"]
        );
    }

    #[test]
    fn an_answer_must_not_skip_what_exists_even_if_that_is_known_only_later() {
        let mut log = acknowledged(1);
        log.send_begins(11, 1);
        log.send_begins(12, 1);
        poll(&mut log, 100, "n1", 0, &[(0, 10), (2, 12)]);
        assert_eq!(problems(&log), NONE, "offset 1 might be a gap");
        assert_eq!(
            log.verdict().notes,
            ["1 offset below others had no message"]
        );
        poll(&mut log, 110, "n2", 0, &THREE);
        assert_eq!(
            problems(&log),
            ["a poll at n1 skips offset 1 of key 1, message 11, and shows 2"]
        );
    }

    #[test]
    fn an_answer_must_not_skip_what_stands_where_the_client_left_off() {
        let mut log = acknowledged(3);
        poll(&mut log, 100, "n1", 0, &THREE[..1]);
        poll(&mut log, 110, "n1", 1, &THREE[2..]);
        poll(&mut log, 120, "n2", 0, &THREE);
        assert_eq!(
            problems(&log),
            ["a poll at n1 from 1 skips offset 1 of key 1, message 11, and shows 2"]
        );
    }

    #[test]
    fn sends_of_one_client_must_get_ascending_offsets() {
        let mut log = acknowledged(2);
        log.send_begins(12, 1);
        log.send_begins(13, 1);
        log.send_ok(Mark::at(50), 1, 12, 3);
        assert_eq!(problems(&log), NONE, "the clients' offsets are independent");
        log.send_ok(Mark::at(60), 1, 13, 2);
        assert_eq!(
            problems(&log),
            ["sends of c1 to key 1 go back: message 12 got offset 3, and message 13 after it 2"]
        );
    }

    #[test]
    fn a_refused_message_must_not_appear() {
        let mut log = acknowledged(1);
        log.send_begins(11, 1);
        log.send_refused(11, 11);
        poll(&mut log, 100, "n1", 0, &THREE[..1]);
        log.final_poll("n1", &key_1(&THREE[..1]));
        assert_eq!(problems(&log), NONE);
        poll(&mut log, 110, "n2", 0, &THREE[..2]);
        assert_eq!(
            problems(&log),
            ["message 11 is in a poll, though its send was refused with the definite error 11"]
        );
    }

    #[test]
    fn a_stray_message_is_a_problem() {
        let mut log = acknowledged(1);
        log.send_begins(77, 2);
        poll(&mut log, 100, "n1", 0, &[(0, 10), (1, 99), (2, 77)]);
        assert_eq!(
            problems(&log),
            [
                "a poll at n1 shows message 99 in key 1, which nobody sent",
                "a poll at n1 shows message 77 in key 1, which was sent to key 2"
            ]
        );
    }

    #[test]
    fn a_key_that_nobody_asked_for_is_a_problem() {
        let mut log = acknowledged(1);
        let when = [100, 101].map(Mark::at);
        log.poll_ok(when, "n1", &Offsets::new(), &key_1(&[]));
        assert_eq!(
            problems(&log),
            ["a poll at n1 shows key 1, for which it was not asked"]
        );
    }

    /// A list of key 1 that is asked for then.
    fn list(log: &mut Log, at: u64, node: &str, offset: Option<i64>) {
        let listed = offset.map(|offset| (1, offset)).into_iter().collect();
        let when = [at, at + 1].map(Mark::at);
        log.listed(when, node, false, [1].into_iter(), &listed);
    }

    /// Key 1 was committed up to `offset` at n1, at 20 ms.
    fn committed(offset: i64) -> Log {
        let mut log = Log::default();
        let offsets = Offsets::from([(1, offset)]);
        log.commit_begins(&offsets);
        log.commit_ok([19, 20].map(Mark::at), "n1", &offsets);
        log
    }

    #[test]
    fn committed_offsets_that_only_grow_are_valid_and_may_lag_behind_elsewhere() {
        let mut log = committed(5);
        list(&mut log, 30, "n2", None);
        list(&mut log, 40, "n1", Some(5));
        log.commit_begins(&Offsets::from([(1, 7)]));
        list(&mut log, 50, "n2", Some(7));
        assert_eq!(problems(&log), NONE);
    }

    #[test]
    fn a_node_must_list_what_it_acknowledged() {
        let mut log = committed(5);
        list(&mut log, 30, "n1", Some(4));
        list(&mut log, 40, "n1", None);
        assert_eq!(
            problems(&log),
            [
                "n1 lists offset 4 of key 1 as committed, and had acknowledged or listed 5 before",
                "n1 lists nothing of key 1 as committed, and had acknowledged or listed 5 before"
            ]
        );
    }

    #[test]
    fn a_commit_below_an_earlier_one_does_not_take_it_back() {
        let mut log = committed(5);
        let lower = Offsets::from([(1, 3)]);
        log.commit_begins(&lower);
        log.commit_ok([30, 31].map(Mark::at), "n1", &lower);
        list(&mut log, 40, "n1", Some(5));
        assert_eq!(problems(&log), NONE);
        list(&mut log, 50, "n1", Some(3));
        assert_eq!(
            problems(&log),
            ["n1 lists offset 3 of key 1 as committed, and had acknowledged or listed 5 before"]
        );
    }

    #[test]
    fn a_node_must_not_list_more_than_anybody_committed() {
        let mut log = committed(5);
        list(&mut log, 30, "n2", Some(6));
        assert_eq!(
            problems(&log),
            ["n2 lists offset 6 of key 1 as committed, and the highest commit was 5"]
        );
    }

    #[test]
    fn in_the_end_every_node_must_list_what_anybody_acknowledged() {
        let mut log = committed(5);
        let when = [30, 31].map(Mark::at);
        for (node, offset) in [("n1", 5), ("n2", 4)] {
            log.listed(
                when,
                node,
                true,
                [1].into_iter(),
                &Offsets::from([(1, offset)]),
            );
        }
        assert_eq!(
            problems(&log),
            ["n2 lists offset 4 of key 1 as committed in the end, and 5 was acknowledged"]
        );
    }

    #[test]
    fn stable_latency_ends_where_the_last_poll_that_ended_before_the_entry_began() {
        // Messages 10, 11 and 12, known at 10, 11 and 12 ms.
        let mut log = acknowledged(3);
        poll(&mut log, 50, "n1", 0, &THREE);
        poll(&mut log, 111, "n2", 0, &THREE[..1]);
        poll(&mut log, 212, "n3", 2, &[]);
        poll(&mut log, 300, "n3", 2, &THREE[2..]);
        let verdict = log.verdict();
        assert_eq!(verdict.stable_latencies, [0, 100, 200]);
        assert_eq!(verdict.stale, 2);
        let values: Vec<i64> = verdict.by_value.iter().map(|value| value.0).collect();
        assert_eq!(values, [10, 11, 12]);
    }

    #[test]
    fn an_answer_as_long_as_the_longest_may_be_full_and_proves_no_absence() {
        let mut log = acknowledged(3);
        poll(&mut log, 100, "n1", 0, &THREE[..2]);
        poll(&mut log, 110, "n2", 0, &THREE[..2]);
        poll(&mut log, 120, "n2", 2, &THREE[2..]);
        assert_eq!(log.verdict().stable_latencies, [0, 0, 0]);
        poll(&mut log, 130, "n2", 1, &THREE[1..2]);
        assert_eq!(log.verdict().stable_latencies, [0, 0, 118]);
    }
}
