//! The judge of `txn-rw-register`: what a history of transactions says about the
//! registers.
//!
//! This is Elle's `rw-register` checker (Kingsbury and Alvaro, "Elle: inferring isolation
//! anomalies from experimental observations", 2020), as Maelstrom uses it. Each value is
//! written to a key once, so a read names the transaction that it read from. What
//! counts are a transaction's *external* reads (its first of a key, before it wrote there)
//! and external writes (its last to a key). A transaction is *committed* if it was
//! acknowledged, or if somebody read what it wrote. The phenomena have Adya's names
//! ("Weak consistency", 1999).
//!
//! - Internal: a transaction reads something else than what it wrote itself.
//! - Strays: a value that nobody wrote.
//! - Aborted reads (G1a): a value of a transaction refused with a definite error.
//! - Intermediate reads (G1b): a value that its transaction overwrote itself.
//! - Dirty writes (G0) and circular information flow (G1c): cycles of dependencies, of
//!   writes alone (*ww*: one version overwrites another) or with reads (*wr*: one reads
//!   what another wrote).
//!
//! # What is known of a key's versions
//!
//! Registers do not show their history, so their order is inferred, and only this much:
//!
//! - Nothing (`null`) comes before everything.
//! - Writes follow reads: a transaction that reads one version and writes another has put
//!   it behind. Elle's `wfr-keys`; Maelstrom asks for these two and no more.
//! - The last is the last: if all final reads agree, what they show comes behind every
//!   other committed version of the key. Ours; it finds nodes that settle for the one
//!   write of a transaction and against the other.
//!
//! For the following rules also, and for nothing else:
//!
//! - What a node had shown or written before a transaction began there comes before what that
//!   one writes (Elle's `sequential-keys`, with nodes for processes): its state only moves
//!   on.
//!
//! # How strict it is
//!
//! Read uncommitted (`--consistency-models`) forbids G0 alone; what is said of aborted and
//! intermediate reads, of circular information flow and of torn reads is not judged then.
//! Read committed forbids all of the above but internal inconsistency and strays. And
//! stricter than that, and so no word of Maelstrom's: a node that runs each transaction at once on its own state promises more, and it is
//! judged:
//!
//! - Two reads of a key in one transaction, without a write in between, agree.
//! - Atomic visibility: if a transaction sees one write of another, it sees no version
//!   of a second key that is known to be older than the other's write there. A read of an
//!   older version is *torn* (fractured: Bailis et al., "Scalable atomic visibility with
//!   RAMP transactions", 2014).
//! - A node's state does not go back: a read shows no version that is known to be older
//!   than what the same node had shown or written before.
//! - Nothing is lost: a key that was written is not empty in the end, and what it shows is
//!   not what somebody had read and overwritten.
//! - All nodes' final reads agree, key by key.
//!
//! # How soon it is everywhere
//!
//! A transaction is known from its `txn_ok` or the first read of a write of it. Its
//! *stable latency* ends where the last external read began that showed a version known to
//! be older. Where the order of versions is unknown nothing is measured, so the figures
//! are a lower bound.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Mark, Problems, Verdict, graph};

/// How far an order of versions is followed back. It only has to end if a node shows
/// nonsense; a key is written some dozen times.
const MAX_CHAIN: usize = 1000;

/// One step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// What is at this key? The value that was read is there after the answer.
    Read(i64, Option<i64>),
    /// Put this value there.
    Write(i64, i64),
}

/// What transactions must not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Nothing of writes that overtake each other.
    ReadUncommitted,
    /// Besides, no value that was aborted, overwritten in its transaction, or part of half a one.
    ReadCommitted,
}

impl Consistency {
    /// All of them, from weak to strong.
    pub const ALL: [Consistency; 2] = [Consistency::ReadUncommitted, Consistency::ReadCommitted];

    /// The name on the command line, Maelstrom's too.
    pub fn name(self) -> &'static str {
        match self {
            Consistency::ReadUncommitted => "read-uncommitted",
            Consistency::ReadCommitted => "read-committed",
        }
    }
}

/// Takes a history in, in the order in which it happens.
#[derive(Debug)]
pub struct Registers {
    asked: Consistency,
    txns: Vec<Txn>,
    problems: Problems,
}

#[derive(Debug)]
struct Txn {
    steps: Vec<Step>,
    outcome: Outcome,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    /// Nobody knows, or not yet.
    Open,
    /// Acknowledged, with its beginning and end.
    Done {
        node: String,
        when: [Mark; 2],
        is_last: bool,
    },
    /// Refused with this definite error.
    Refused(i64),
}

impl Registers {
    /// A history in which nothing has happened, to be judged by this model.
    pub fn new(asked: Consistency) -> Registers {
        Registers {
            asked,
            txns: Vec::new(),
            problems: Problems::default(),
        }
    }

    /// A client begins a transaction; gives its number. Its values are the first ones to
    /// be written to their keys under that name.
    pub fn begins(&mut self, steps: Vec<Step>) -> usize {
        let outcome = Outcome::Open;
        self.txns.push(Txn { steps, outcome });
        self.txns.len() - 1
    }

    /// `node` has answered transaction `number` with these steps; `is_last`: it was asked
    /// after everything else.
    pub fn done(
        &mut self,
        when: [Mark; 2],
        node: &str,
        is_last: bool,
        number: usize,
        steps: Vec<Step>,
    ) {
        let txn = &mut self.txns[number];
        let same = |(asked, done): (&Step, &Step)| match (asked, done) {
            (Step::Read(asked, _), Step::Read(done, _)) => asked == done,
            (asked, done) => asked == done,
        };
        if steps.len() != txn.steps.len() || !txn.steps.iter().zip(&steps).all(same) {
            self.problems.stricter(format!(
                "{node} answered T{number}, {}, with other steps: {}",
                Spelled(&txn.steps),
                Spelled(&steps)
            ));
        }
        txn.steps = steps;
        let node = node.to_owned();
        txn.outcome = Outcome::Done {
            node,
            when,
            is_last,
        };
    }

    /// Transaction `number` was answered with a definite error.
    pub fn refused(&mut self, number: usize, code: i64) {
        self.txns[number].outcome = Outcome::Refused(code);
    }

    /// The verdict over everything so far. Values are transactions' numbers.
    pub fn verdict(&self) -> Verdict {
        let mut case = Case::new(self);
        case.judge_reads();
        case.judge_final();
        case.judge_cycles();
        if case.demands_committed {
            case.judge_torn();
            case.judge_moves();
        }
        case.measure();
        case.problems.append(&case.final_problems);
        let mut verdict = case.verdict;
        verdict.problems = case.problems;
        verdict
    }
}

impl Txn {
    /// Its first read of each key that it had not written to before, by key.
    fn reads(&self) -> BTreeMap<i64, Option<i64>> {
        let (mut reads, mut written) = (BTreeMap::new(), BTreeSet::new());
        for step in &self.steps {
            match *step {
                Step::Read(key, value) if !written.contains(&key) => {
                    reads.entry(key).or_insert(value);
                }
                Step::Read(..) => {}
                Step::Write(key, _) => {
                    written.insert(key);
                }
            }
        }
        reads
    }

    /// Its last write to each key, by key.
    fn writes(&self) -> BTreeMap<i64, i64> {
        let writes = self.steps.iter().filter_map(|step| match *step {
            Step::Write(key, value) => Some((key, value)),
            Step::Read(..) => None,
        });
        writes.collect()
    }

    /// Who answered it, if somebody did.
    fn done(&self) -> Option<(&str, [Mark; 2], bool)> {
        match &self.outcome {
            Outcome::Done {
                node,
                when,
                is_last,
            } => Some((node, *when, *is_last)),
            _ => None,
        }
    }
}

/// Why one transaction comes behind another one.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// It read this value of this key.
    Read(i64, i64),
    /// It read that value and overwrote it with this one.
    Overwrote(i64, i64, i64),
    /// In the end the key has its second value, not the first.
    Last(i64, i64, i64),
}

/// Dependencies: which transaction comes behind which, and why.
type Edges = BTreeMap<(usize, usize), Why>;

/// All that the history says, put in order.
struct Case<'a> {
    /// Whether read committed was asked for.
    demands_committed: bool,
    txns: &'a [Txn],
    reads: Vec<BTreeMap<i64, Option<i64>>>,
    writes: Vec<BTreeMap<i64, i64>>,
    /// Who wrote a value to a key, intermediate ones included.
    writer: BTreeMap<(i64, i64), usize>,
    committed: Vec<bool>,
    /// What all final reads of a key agree on, if they do.
    last: BTreeMap<i64, Option<i64>>,
    /// What the node had at a key when a transaction that writes to it began.
    previous: BTreeMap<(usize, i64), Option<i64>>,
    /// Reads that show something else than their node had before they began: which
    /// transaction, which key, what it had and what it shows.
    moves: Vec<(usize, i64, Option<i64>, Option<i64>)>,
    problems: Problems,
    /// Those of the final reads, of which each node may have many: they come last.
    final_problems: Problems,
    verdict: Verdict,
}

impl<'a> Case<'a> {
    fn new(history: &'a Registers) -> Case<'a> {
        let txns = &history.txns;
        let mut writer = BTreeMap::new();
        for (number, txn) in txns.iter().enumerate() {
            for step in &txn.steps {
                if let Step::Write(key, value) = *step {
                    writer.insert((key, value), number);
                }
            }
        }
        let reads: Vec<_> = (txns.iter())
            .map(|txn| txn.done().map(|_| txn.reads()).unwrap_or_default())
            .collect();
        let mut committed: Vec<bool> = txns.iter().map(|txn| txn.done().is_some()).collect();
        for (&key, value) in reads.iter().flatten() {
            let from = value.and_then(|value| writer.get(&(key, value)));
            if let Some(&from) = from.filter(|&&from| txns[from].outcome == Outcome::Open) {
                committed[from] = true;
            }
        }
        let mut case = Case {
            demands_committed: history.asked == Consistency::ReadCommitted,
            txns,
            reads,
            writes: txns.iter().map(Txn::writes).collect(),
            writer,
            committed,
            last: BTreeMap::new(),
            previous: BTreeMap::new(),
            moves: Vec::new(),
            problems: history.problems.clone(),
            final_problems: Problems::default(),
            verdict: Verdict {
                item: "transaction",
                ..Verdict::default()
            },
        };
        if case.demands_committed {
            case.follow_nodes();
        }
        case
    }

    /// Goes through the history as each node saw it.
    fn follow_nodes(&mut self) {
        let mut moments: Vec<(Mark, bool, usize)> = Vec::new();
        for (number, txn) in self.txns.iter().enumerate() {
            if let Some((_, [begun, ended], _)) = txn.done() {
                moments.extend([(begun, true, number), (ended, false, number)]);
            }
        }
        // What begins at the same moment as something ends was not after it.
        moments.sort_unstable_by_key(|&(mark, begins, number)| (mark, !begins, number));
        let mut has: BTreeMap<(&str, i64), Option<i64>> = BTreeMap::new();
        for (_, begins, number) in moments {
            let (txns, reads, writes) = (self.txns, &self.reads[number], &self.writes[number]);
            let Some((node, ..)) = txns[number].done() else {
                continue;
            };
            if !begins {
                has.extend(reads.iter().map(|(&key, &value)| ((node, key), value)));
                has.extend(
                    writes
                        .iter()
                        .map(|(&key, &value)| ((node, key), Some(value))),
                );
                continue;
            }
            for &key in writes.keys() {
                if let Some(&value) = has.get(&(node, key)) {
                    self.previous.insert((number, key), value);
                }
            }
            for (&key, &shown) in reads {
                if let Some(&had) = has.get(&(node, key)).filter(|&&had| had != shown) {
                    self.moves.push((number, key, had, shown));
                }
            }
        }
    }

    /// Nodes' states that went back.
    fn judge_moves(&mut self) {
        for (number, key, had, shown) in std::mem::take(&mut self.moves) {
            let Some(version) = had.filter(|&had| self.is_older(key, shown, had)) else {
                continue;
            };
            let node = self.txns[number].done().map_or("", |done| done.0);
            self.problems.stricter(format!(
                "T{number} at {node} goes back: key {key} shows {}, and {node} had {version} there before",
                spell(shown)
            ));
        }
    }

    /// Who committed this value as its last word on this key.
    fn version(&self, key: i64, value: i64) -> Option<usize> {
        let number = *self.writer.get(&(key, value))?;
        let is_version = self.committed[number] && self.writes[number].get(&key) == Some(&value);
        is_version.then_some(number)
    }

    /// Each read by itself.
    fn judge_reads(&mut self) {
        for (number, txn) in self.txns.iter().enumerate() {
            let Some((node, ..)) = txn.done() else {
                continue;
            };
            let mut known: BTreeMap<i64, (Option<i64>, bool)> = BTreeMap::new();
            for step in &txn.steps {
                let (key, value) = match *step {
                    Step::Write(key, value) => {
                        known.insert(key, (Some(value), true));
                        continue;
                    }
                    Step::Read(key, value) => (key, value),
                };
                let before = known.get(&key).copied();
                known.entry(key).or_insert((value, false));
                let (is_ours, problem) = match before {
                    Some((before, _)) if before == value => continue,
                    Some((before, true)) => (
                        true,
                        format!(
                            "wrote {} to key {key} and then read {} from it",
                            spell(before),
                            spell(value)
                        ),
                    ),
                    Some((before, false)) if self.demands_committed => (
                        true,
                        format!(
                            "read key {key} twice, {} and then {}, and wrote nothing to it in between",
                            spell(before),
                            spell(value)
                        ),
                    ),
                    Some(_) => continue,
                    None => match value.and_then(|value| self.strange(number, key, value)) {
                        Some(strange) => strange,
                        None => continue,
                    },
                };
                let problem = format!("T{number} at {node} {problem}");
                match is_ours {
                    true => self.problems.stricter(problem),
                    false => self.problems.note(problem),
                }
            }
        }
    }

    /// What is wrong with reading this value there, if anything is, and whether only we
    /// say so.
    fn strange(&self, reader: usize, key: i64, value: i64) -> Option<(bool, String)> {
        let read = format!("read {value} from key {key}, which");
        let Some(&writer) = self.writer.get(&(key, value)) else {
            return Some((true, format!("{read} nobody wrote")));
        };
        let last = self.writes[writer].get(&key).copied();
        match self.txns[writer].outcome {
            _ if writer == reader => Some((true, format!("{read} it wrote only afterwards"))),
            _ if !self.demands_committed => None,
            Outcome::Refused(code) => Some((
                false,
                format!(
                    "{read} T{writer} wrote, and T{writer} was refused with the definite error {code} (G1a)"
                ),
            )),
            _ if last != Some(value) => Some((
                false,
                format!(
                    "{read} T{writer} overwrote with {} before it ended (G1b)",
                    spell(last)
                ),
            )),
            _ => None,
        }
    }

    /// The final reads: whether they agree, and what is not there that must be.
    fn judge_final(&mut self) {
        let mut first: BTreeMap<i64, (&str, Option<i64>)> = BTreeMap::new();
        let mut disagree = BTreeSet::new();
        for (txn, reads) in self.txns.iter().zip(&self.reads) {
            let Some((node, _, true)) = txn.done() else {
                continue;
            };
            for (&key, &value) in reads {
                let (other, shows) = *first.entry(key).or_insert((node, value));
                if shows != value {
                    disagree.insert(key);
                    self.final_problems.stricter(format!(
                        "final reads of key {key} differ: {other} shows {}, {node} shows {}",
                        spell(shows),
                        spell(value)
                    ));
                }
            }
        }
        if first.is_empty() {
            self.final_problems
                .note("no node answered its final read".into());
        }
        first.retain(|key, _| !disagree.contains(key));
        self.last = first
            .iter()
            .map(|(&key, &(_, value))| (key, value))
            .collect();
        let mut lost = BTreeSet::new();
        for (number, writes) in self.writes.iter().enumerate() {
            for (&key, &value) in writes.iter().filter(|_| self.committed[number]) {
                let Some(last) = first.get(&key).map(|(_, last)| *last) else {
                    continue;
                };
                match last {
                    None => {
                        self.final_problems.note(format!(
                            "key {key} is empty in the end, and T{number} wrote {value} to it"
                        ));
                        lost.insert(number as i64);
                    }
                    Some(last) if last != value && self.before(key, value) == Some(Some(last)) => {
                        self.final_problems.stricter(format!(
                            "key {key} is {last} in the end, and T{number} overwrote that with {value}"
                        ));
                    }
                    Some(_) => continue,
                }
                // What they show is not the last version.
                self.last.remove(&key);
            }
        }
        self.verdict.lost = lost.into_iter().collect();
    }

    /// The dependencies between writes, and those of reads on writes; the former also by
    /// what is last in the end, if that is to count.
    fn edges(&self, with_last: bool) -> [Edges; 2] {
        let [mut ww, mut wr] = [Edges::new(), Edges::new()];
        for (number, reads) in self.reads.iter().enumerate() {
            for (&key, value) in reads {
                let Some(value) = *value else {
                    continue;
                };
                let Some(from) = self.version(key, value).filter(|&from| from != number) else {
                    continue;
                };
                wr.entry((from, number)).or_insert(Why::Read(key, value));
                if let Some(&next) = self.writes[number].get(&key) {
                    let why = Why::Overwrote(key, value, next);
                    ww.entry((from, number)).or_insert(why);
                }
            }
        }
        for (number, writes) in self.writes.iter().enumerate() {
            let counts = with_last && self.committed[number];
            for (&key, &value) in writes.iter().filter(|_| counts) {
                let Some(last) = self.last.get(&key).copied().flatten() else {
                    continue;
                };
                if let Some(to) = self.version(key, last).filter(|&to| to != number) {
                    let why = Why::Last(key, value, last);
                    ww.entry((number, to)).or_insert(why);
                }
            }
        }
        [ww, wr]
    }

    /// Cycles by Maelstrom's order of versions, and those that only ours shows.
    fn judge_cycles(&mut self) {
        let mut blamed = BTreeSet::new();
        for with_last in [false, true] {
            let [ww, wr] = self.edges(with_last);
            let both: Edges = wr.into_iter().chain(ww.clone()).collect();
            self.judge_cycles_of("dirty write (G0)", &ww, with_last, &mut blamed);
            if self.demands_committed {
                let name = "circular information flow (G1c)";
                self.judge_cycles_of(name, &both, with_last, &mut blamed);
            }
        }
    }

    /// A cycle of writes is one of writes and reads, too: who is `blamed` already is not
    /// blamed again.
    fn judge_cycles_of(
        &mut self,
        name: &str,
        edges: &Edges,
        is_ours: bool,
        blamed: &mut BTreeSet<usize>,
    ) {
        let mut leads = vec![Vec::new(); self.txns.len()];
        for &(from, to) in edges.keys() {
            leads[from].push(to);
        }
        for component in graph::components(&leads) {
            if component.iter().any(|number| blamed.contains(number)) {
                continue;
            }
            let way = graph::cycle(&leads, &component);
            let steps = way.iter().zip(way.iter().cycle().skip(1));
            let steps = steps.filter_map(|(&from, &to)| Some((from, to, edges.get(&(from, to))?)));
            let told: Vec<String> = steps.map(|(from, to, why)| why.tell(from, to)).collect();
            let problem = format!("{name}: {}", told.join("; "));
            match is_ours {
                true => self.problems.stricter(problem),
                false => self.problems.note(problem),
            }
            blamed.extend(component);
        }
    }

    /// The version of `key` that whoever wrote `value` to it had read before, or that its
    /// node had.
    fn before(&self, key: i64, value: i64) -> Option<Option<i64>> {
        let writer = self.version(key, value)?;
        let read = self.reads[writer].get(&key);
        read.or_else(|| self.previous.get(&(writer, key))).copied()
    }

    /// Whether `older` is known to come before `value`, of `key`.
    fn is_older(&self, key: i64, older: Option<i64>, value: i64) -> bool {
        let Some(older) = older else {
            return true;
        };
        if older == value {
            return false;
        }
        if self.last.get(&key) == Some(&Some(value)) && self.version(key, older).is_some() {
            return true;
        }
        let mut behind = value;
        for _ in 0..MAX_CHAIN {
            match self.before(key, behind) {
                Some(Some(before)) if before == older => return true,
                Some(Some(before)) => behind = before,
                _ => return false,
            }
        }
        false
    }

    /// Reads that see one half of a transaction.
    fn judge_torn(&mut self) {
        for (number, reads) in self.reads.iter().enumerate() {
            let mut told = BTreeSet::new();
            for (&key, value) in reads {
                let Some((value, writer)) =
                    value.and_then(|value| Some((value, self.version(key, value)?)))
                else {
                    continue;
                };
                if writer == number {
                    continue;
                }
                let torn = self.writes[writer].iter().find_map(|(&other, &half)| {
                    let shown = *reads.get(&other)?;
                    (shown != Some(half) && self.is_older(other, shown, half))
                        .then_some((other, half, shown))
                });
                if let Some((other, half, shown)) = torn.filter(|_| told.insert(writer)) {
                    let node = self.txns[number].done().map_or("", |done| done.0);
                    self.problems.stricter(format!(
                        "T{number} at {node} is torn: it shows T{writer}'s write of {value} to key {key}, \
                         and key {other} as it was before T{writer} wrote {half}: {}",
                        spell(shown)
                    ));
                }
            }
        }
    }

    /// Stable latencies, of transactions of which somebody read something.
    fn measure(&mut self) {
        // When a version was first shown, and when the last read began that showed it.
        let mut shown: BTreeMap<(i64, Option<i64>), (Mark, Mark)> = BTreeMap::new();
        for (txn, reads) in self.txns.iter().zip(&self.reads) {
            let Some((_, [begun, ended], _)) = txn.done() else {
                continue;
            };
            for (&key, &value) in reads {
                let (first, last) = shown.entry((key, value)).or_insert((ended, begun));
                (*first, *last) = (ended.min(*first), begun.max(*last));
            }
        }
        for (number, writes) in self.writes.iter().enumerate() {
            if writes.is_empty() || !self.committed[number] {
                continue;
            }
            let read = (writes.iter()).filter_map(|(&k, &v)| Some(shown.get(&(k, Some(v)))?.0));
            let answered = self.txns[number].done().map(|(_, [_, ended], _)| ended);
            let Some(first) = read.min() else {
                self.verdict.never_read += 1;
                continue;
            };
            let known = answered.map_or(first, |answered| answered.min(first));
            let last_absent = (writes.iter())
                .filter(|&(&key, &value)| shown.contains_key(&(key, Some(value))))
                .filter_map(|(&key, &value)| self.last_absent(&shown, key, value));
            let last_absent = last_absent.max();
            self.verdict.stable(number as i64, known, last_absent);
        }
        self.verdict.stable_latencies.sort_unstable();
    }

    /// The beginning of the last read of `key` that showed what is older than `value`.
    fn last_absent(
        &self,
        shown: &BTreeMap<(i64, Option<i64>), (Mark, Mark)>,
        key: i64,
        value: i64,
    ) -> Option<Mark> {
        let of_key = shown.range((key, None)..=(key, Some(i64::MAX)));
        let older = of_key.filter(|((_, other), _)| self.is_older(key, *other, value));
        older.map(|(_, (_, last))| *last).max()
    }
}

impl Why {
    fn tell(self, from: usize, to: usize) -> String {
        match self {
            Why::Read(key, value) => {
                format!("T{from} wrote {value} to key {key}, which T{to} read")
            }
            Why::Overwrote(key, value, next) => {
                format!(
                    "T{from} wrote {value} to key {key}, which T{to} read and overwrote with {next}"
                )
            }
            Why::Last(key, value, last) => {
                format!("T{from} wrote {value} to key {key}, which in the end is T{to}'s {last}")
            }
        }
    }
}

/// "5", or "nothing".
fn spell(value: Option<i64>) -> String {
    value.map_or("nothing".into(), |value| value.to_string())
}

/// Steps as in Maelstrom: `[["r",1,null],["w",2,5]]`.
struct Spelled<'a>(&'a [Step]);

impl fmt::Display for Spelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.0.iter().map(|step| match *step {
            Step::Read(key, None) => format!("[\"r\",{key},null]"),
            Step::Read(key, Some(value)) => format!("[\"r\",{key},{value}]"),
            Step::Write(key, value) => format!("[\"w\",{key},{value}]"),
        });
        write!(f, "[{}]", steps.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    /// A read that showed this value.
    fn r(key: i64, value: i64) -> Step {
        Step::Read(key, Some(value))
    }

    /// A read that showed nothing.
    fn nil(key: i64) -> Step {
        Step::Read(key, None)
    }

    fn w(key: i64, value: i64) -> Step {
        Step::Write(key, value)
    }

    /// A history of transactions one after the other, 10 ms apart, each at a node of its own, and then final
    /// reads of these registers at two nodes.
    fn history(txns: &[&[Step]], last: &[Step]) -> Registers {
        let mut registers = Registers::new(Consistency::ReadCommitted);
        for (index, steps) in txns.iter().enumerate() {
            let at = 10 * index as u64;
            run(
                &mut registers,
                [at, at + 1],
                &format!("n{index}"),
                false,
                steps,
            );
        }
        for node in ["n8", "n9"] {
            run(&mut registers, [1000, 1001], node, true, last);
        }
        registers
    }

    /// A transaction that is answered so.
    fn run(registers: &mut Registers, at: [u64; 2], node: &str, is_last: bool, steps: &[Step]) {
        let asked = steps.iter().map(|step| match *step {
            Step::Read(key, _) => Step::Read(key, None),
            write => write,
        });
        let number = registers.begins(asked.collect());
        registers.done(at.map(Mark::at), node, is_last, number, steps.to_vec());
    }

    fn problems(txns: &[&[Step]], last: &[Step]) -> Vec<String> {
        history(txns, last).verdict().problems.all()
    }

    #[test]
    fn a_serial_history_is_valid() {
        let txns: [&[Step]; 4] = [
            &[nil(1), w(1, 1), r(1, 1), w(2, 1)],
            &[r(1, 1), r(2, 1), w(2, 2)],
            &[w(2, 3), w(2, 4), nil(3), nil(3)],
            &[r(2, 4), w(1, 2), r(1, 2)],
        ];
        let last = [r(1, 2), r(2, 4), nil(3)];
        let verdict = history(&txns, &last).verdict();
        assert_eq!(verdict.problems.all(), NONE);
        assert_eq!(verdict.lost, []);
    }

    #[test]
    fn stale_reads_and_blind_writes_that_cross_are_valid() {
        // Two nodes that had not heard of one another.
        let txns: [&[Step]; 4] = [
            &[w(1, 1), nil(2)],
            &[w(2, 1), nil(1)],
            &[nil(1), nil(2)],
            &[w(1, 2), w(2, 2)],
        ];
        assert_eq!(problems(&txns, &[r(1, 2), r(2, 2)]), NONE);
    }

    #[test]
    fn a_transaction_must_read_what_it_wrote() {
        assert_eq!(
            problems(&[&[w(1, 1)], &[w(1, 2), r(1, 1)]], &[r(1, 2)]),
            ["T1 at n1 wrote 2 to key 1 and then read 1 from it"]
        );
    }

    #[test]
    fn two_reads_of_a_key_in_one_transaction_must_agree() {
        assert_eq!(
            problems(&[&[w(1, 1)], &[nil(1), r(1, 1)]], &[r(1, 1)]),
            ["T1 at n1 read key 1 twice, nothing and then 1, and wrote nothing to it in between"]
        );
    }

    #[test]
    fn a_value_that_nobody_wrote_is_a_problem() {
        assert_eq!(
            problems(&[&[w(1, 1)], &[r(1, 9)]], &[r(1, 1)]),
            ["T1 at n1 read 9 from key 1, which nobody wrote"]
        );
    }

    #[test]
    fn a_transaction_must_not_read_what_it_writes_only_afterwards() {
        assert_eq!(
            problems(&[&[r(1, 1), w(1, 1)]], &[r(1, 1)])[0],
            "T0 at n0 read 1 from key 1, which it wrote only afterwards"
        );
    }

    #[test]
    fn a_value_of_a_refused_transaction_must_not_be_read() {
        let mut registers = Registers::new(Consistency::ReadCommitted);
        let number = registers.begins(vec![w(1, 1)]);
        registers.refused(number, 30);
        run(&mut registers, [10, 11], "n1", false, &[nil(1)]);
        run(&mut registers, [20, 21], "n1", true, &[nil(1)]);
        assert_eq!(registers.verdict().problems.all(), NONE);
        run(&mut registers, [30, 31], "n2", false, &[r(1, 1)]);
        assert_eq!(
            registers.verdict().problems.all(),
            ["T3 at n2 read 1 from key 1, which T0 wrote, \
                 and T0 was refused with the definite error 30 (G1a)"]
        );
    }

    #[test]
    fn a_transaction_without_an_answer_may_have_happened_or_not() {
        let with = |steps: &[Step]| {
            let mut registers = Registers::new(Consistency::ReadCommitted);
            registers.begins(vec![w(1, 1), w(2, 1)]);
            run(&mut registers, [10, 11], "n1", true, steps);
            registers.verdict().problems.all()
        };
        assert_eq!(with(&[nil(1), nil(2)]), NONE);
        assert_eq!(with(&[r(1, 1), r(2, 1)]), NONE);
        assert_eq!(
            with(&[r(1, 1), nil(2)]).len(),
            2,
            "torn, and the other half is lost"
        );
    }

    #[test]
    fn a_value_that_its_transaction_overwrote_must_not_be_read_by_others() {
        assert_eq!(
            problems(&[&[w(1, 1), r(1, 1), w(1, 2)], &[r(1, 1)]], &[r(1, 2)]),
            ["T1 at n1 read 1 from key 1, which T0 overwrote with 2 before it ended (G1b)"]
        );
    }

    #[test]
    fn two_transactions_that_overwrite_one_another_are_a_dirty_write() {
        let txns: [&[Step]; 2] = [&[w(1, 1), r(2, 2), w(2, 1)], &[r(1, 1), w(1, 2), w(2, 2)]];
        assert_eq!(
            problems(&txns, &[r(1, 2), r(2, 1)]),
            [
                "dirty write (G0): T0 wrote 1 to key 1, which T1 read and overwrote with 2; \
                 T1 wrote 2 to key 2, which T0 read and overwrote with 1"
            ]
        );
    }

    #[test]
    fn nodes_that_settle_for_half_of_each_of_two_transactions_are_a_dirty_write() {
        assert_eq!(
            problems(
                &[&[w(1, 1), w(2, 1)], &[w(1, 2), w(2, 2)]],
                &[r(1, 2), r(2, 1)]
            )[0],
            "dirty write (G0): T0 wrote 1 to key 1, which in the end is T1's 2; \
             T1 wrote 2 to key 2, which in the end is T0's 1"
        );
    }

    #[test]
    fn two_transactions_that_read_one_another_are_circular_information_flow() {
        assert_eq!(
            problems(
                &[&[r(2, 1), w(1, 1)], &[r(1, 1), w(2, 1)]],
                &[r(1, 1), r(2, 1)]
            ),
            [
                "circular information flow (G1c): T0 wrote 1 to key 1, which T1 read; \
                 T1 wrote 1 to key 2, which T0 read"
            ]
        );
    }

    #[test]
    fn a_cycle_through_three_transactions_is_found_and_told_once() {
        let txns: [&[Step]; 3] = [
            &[r(3, 1), w(1, 1)],
            &[r(1, 1), w(2, 1)],
            &[r(2, 1), w(3, 1)],
        ];
        assert_eq!(
            problems(&txns, &[r(1, 1), r(2, 1), r(3, 1)]),
            [
                "circular information flow (G1c): T0 wrote 1 to key 1, which T1 read; \
                 T1 wrote 1 to key 2, which T2 read; T2 wrote 1 to key 3, which T0 read"
            ]
        );
    }

    #[test]
    fn a_cycle_that_needs_an_antidependency_is_no_problem_under_read_committed() {
        // Write skew: each read what the other one overwrote.
        let txns: [&[Step]; 2] = [&[nil(2), w(1, 1)], &[nil(1), w(2, 1)]];
        assert_eq!(problems(&txns, &[r(1, 1), r(2, 1)]), NONE);
    }

    #[test]
    fn a_read_of_one_half_of_a_transaction_is_torn() {
        assert_eq!(
            problems(
                &[&[w(1, 1), w(2, 1)], &[r(1, 1), nil(2)]],
                &[r(1, 1), r(2, 1)]
            ),
            ["T1 at n1 is torn: it shows T0's write of 1 to key 1, \
                 and key 2 as it was before T0 wrote 1: nothing"]
        );
    }

    #[test]
    fn a_read_is_torn_too_if_writes_that_follow_reads_say_so() {
        let txns: [&[Step]; 4] = [
            &[w(2, 1)],
            &[r(2, 1), w(2, 2)],
            &[r(2, 2), w(1, 1), w(2, 3)],
            &[r(1, 1), r(2, 1)],
        ];
        assert_eq!(
            problems(&txns, &[r(1, 1), r(2, 3)]),
            ["T3 at n3 is torn: it shows T2's write of 1 to key 1, \
                 and key 2 as it was before T2 wrote 3: 1"]
        );
    }

    #[test]
    fn a_read_is_torn_too_if_the_end_says_so() {
        let txns: [&[Step]; 3] = [&[w(2, 1)], &[w(1, 1), w(2, 2)], &[r(1, 1), r(2, 1)]];
        assert_eq!(
            problems(&txns, &[r(1, 1), r(2, 2)]),
            ["T2 at n2 is torn: it shows T1's write of 1 to key 1, \
                 and key 2 as it was before T1 wrote 2: 1"]
        );
    }

    #[test]
    fn under_read_uncommitted_only_writes_must_not_cross() {
        let judge = |txns: &[&[Step]], last: &[Step]| {
            let mut registers = history(txns, last);
            registers.asked = Consistency::ReadUncommitted;
            registers.verdict().problems.all()
        };
        let torn: [&[Step]; 2] = [&[w(1, 1), w(2, 1)], &[r(1, 1), nil(2), r(2, 1)]];
        assert_eq!(judge(&torn, &[r(1, 1), r(2, 1)]), NONE);
        let intermediate: [&[Step]; 2] = [&[w(1, 1), w(1, 2)], &[r(1, 1)]];
        assert_eq!(judge(&intermediate, &[r(1, 2)]), NONE);
        let circular: [&[Step]; 2] = [&[r(2, 1), w(1, 1)], &[r(1, 1), w(2, 1)]];
        assert_eq!(judge(&circular, &[r(1, 1), r(2, 1)]), NONE);
        let dirty: [&[Step]; 2] = [&[w(1, 1), w(2, 1)], &[w(1, 2), w(2, 2)]];
        assert_eq!(judge(&dirty, &[r(1, 2), r(2, 1)]).len(), 1);
    }

    #[test]
    fn a_read_with_a_version_that_may_be_newer_is_not_torn() {
        let txns: [&[Step]; 4] = [
            &[w(1, 1), w(2, 1)],
            &[w(2, 2)],
            &[r(1, 1), r(2, 2)],
            &[w(2, 3)],
        ];
        assert_eq!(problems(&txns, &[r(1, 1), r(2, 3)]), NONE);
    }

    #[test]
    fn a_node_that_shows_again_what_was_overwritten_there_goes_back() {
        let mut registers = history(&[], &[nil(2)]);
        let steps = [[w(1, 1)], [w(1, 2)], [r(1, 1)], [w(1, 3)]];
        for (at, steps) in (10..).step_by(10).zip(&steps) {
            run(&mut registers, [at, at + 1], "n1", false, steps);
        }
        assert_eq!(
            registers.verdict().problems.all(),
            ["T4 at n1 goes back: key 1 shows 1, and n1 had 2 there before"]
        );
    }

    #[test]
    fn another_node_may_lag_behind_and_two_at_once_may_see_what_they_like() {
        let mut registers = history(&[&[w(1, 1)], &[w(1, 2)]], &[r(1, 2)]);
        run(&mut registers, [30, 31], "n0", false, &[r(1, 1)]);
        run(&mut registers, [5, 32], "n1", false, &[r(1, 1)]);
        assert_eq!(registers.verdict().problems.all(), NONE);
    }

    #[test]
    fn final_reads_must_agree() {
        let mut registers = history(&[&[w(1, 1)], &[w(1, 2)]], &[r(1, 2)]);
        run(&mut registers, [2000, 2001], "n3", true, &[r(1, 1)]);
        assert_eq!(
            registers.verdict().problems.all(),
            ["final reads of key 1 differ: n8 shows 2, n3 shows 1"]
        );
    }

    #[test]
    fn a_written_key_that_is_empty_in_the_end_lost_the_write() {
        let verdict = history(&[&[w(1, 1)]], &[nil(1)]).verdict();
        assert_eq!(
            verdict.problems.all(),
            ["key 1 is empty in the end, and T0 wrote 1 to it"]
        );
        assert_eq!(verdict.lost, [0]);
    }

    #[test]
    fn a_key_that_in_the_end_is_what_somebody_overwrote_is_a_problem_that_maelstrom_lets_pass() {
        let verdict = history(&[&[w(1, 1)], &[r(1, 1), w(1, 2)]], &[r(1, 1)]).verdict();
        assert_eq!(
            verdict.problems.list(false, true),
            ["key 1 is 1 in the end, and T1 overwrote that with 2"]
        );
        assert_eq!(verdict.problems.list(true, false), [""; 0]);
        assert_eq!(verdict.lost, [0; 0]);
    }

    #[test]
    fn an_answer_with_other_steps_is_a_problem() {
        let mut registers = Registers::new(Consistency::ReadCommitted);
        let number = registers.begins(vec![nil(1), w(2, 5)]);
        let when = [10, 11].map(Mark::at);
        registers.done(when, "n1", false, number, vec![nil(1), w(2, 6)]);
        assert_eq!(
            registers.verdict().problems.all()[0],
            "n1 answered T0, [[\"r\",1,null],[\"w\",2,5]], with other steps: \
             [[\"r\",1,null],[\"w\",2,6]]"
        );
    }

    #[test]
    fn a_history_without_final_reads_proves_nothing() {
        let mut registers = Registers::new(Consistency::ReadCommitted);
        run(&mut registers, [10, 11], "n1", false, &[w(1, 1)]);
        assert_eq!(
            registers.verdict().problems.all(),
            ["no node answered its final read"]
        );
    }

    #[test]
    fn stable_latency_ends_where_the_last_read_of_something_older_began() {
        let txns: [&[Step]; 6] = [
            &[w(1, 1)],          // known at 1 ms
            &[nil(1)],           // begun at 10 ms
            &[r(1, 1), w(1, 2)], // known at 21 ms
            &[nil(1)],           // begun at 30 ms
            &[r(1, 1)],          // begun at 40 ms
            &[r(1, 2)],
        ];
        let verdict = history(&txns, &[r(1, 2)]).verdict();
        assert_eq!(verdict.problems.all(), NONE);
        let by_value: Vec<(i64, u128)> = (verdict.by_value.iter())
            .map(|(number, _, latency)| (*number, latency.as_millis()))
            .collect();
        assert_eq!(by_value, [(0, 29), (2, 19)]);
        assert_eq!((verdict.stale, verdict.never_read), (2, 0));
    }
}
