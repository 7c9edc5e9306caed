//! What workloads promise, after every step and in the end.
//!
//! What all of them promise follows from the law of joins. A node never forgets, so
//! what it held before is no news to it now. In the end all hold the same. The rest
//! each says for itself ([`Tortured`]).

use std::collections::{BTreeMap, BTreeSet};

use hubcast::json::Json;
use hubcast::message::Fields;
use hubcast::node::AnyNode;
use hubcast::workload::counter::Counter;
use hubcast::workload::log::{Log, LogItem};
use hubcast::workload::txn::Txn;
use hubcast::workload::unique_ids::UniqueIds;
use hubcast::workload::{Item, Workload};

use super::plan::Plan;
use crate::nodes::cluster::{self, inside};

/// A judge of one run.
pub trait Promises {
    /// A client asks node `node` for something that is made from `value`, in this line.
    fn request(&mut self, node: usize, value: i64) -> Vec<u8>;

    /// A neighbour's items, as they are on the wire, are delivered to a node.
    ///
    /// # Errors
    ///
    /// This and the following: which promise was broken.
    fn delivered(&mut self, node: usize, items: &[Json<'_>]) -> Result<(), String>;

    /// A node has answered a client.
    fn answered(&mut self, node: usize, body: &Json<'_>) -> Result<(), String>;

    /// A node was killed, and `forgets` everything or has a journal. Gives whether that
    /// cost it something that it had just heard.
    fn killed(&mut self, node: usize, forgets: bool) -> bool;

    /// It was started again, and this is what it has.
    fn started(&mut self, index: usize, node: &dyn AnyNode) -> Result<(), String>;

    /// A node that lives has had a turn.
    fn checked(&mut self, index: usize, node: &dyn AnyNode) -> Result<(), String>;

    /// Whether these of the nodes hold the same, where all of it spreads by itself.
    fn are_alike(&self, nodes: &[Box<dyn AnyNode>], component: &[usize]) -> bool;

    /// Whether all nodes hold everything.
    fn is_complete(&self, nodes: &[Box<dyn AnyNode>]) -> bool;

    /// All is quiet, and will stay so.
    fn finished(&self, nodes: &[Box<dyn AnyNode>]) -> Result<(), String>;

    /// How many things have died with the only node that held them.
    fn gone(&self) -> u64;
}

/// A workload whose state is a join, and what else it promises.
pub trait Tortured: Workload {
    /// What has to be remembered of what happened.
    type History: Default;

    /// Whether all nodes come to hold the same.
    const SPREADS: bool = true;

    /// The fields of the request number `number` that is made from `value`, as JSON.
    fn ask(history: &mut Self::History, number: u64, value: i64) -> String;

    /// Request `number` was answered.
    fn answered(history: &mut Self::History, number: u64, answer: Fields<'_>)
    -> Result<(), String>;

    /// Whether what a node holds can be.
    fn sound(&self, history: &mut Self::History) -> Result<(), String>;

    /// Whether all that was acknowledged is there in the end, if nobody `forgets`.
    fn whole(&self, history: &Self::History, forgets: bool) -> Result<(), String>;
}

/// The judge of everything but sets.
#[derive(Debug)]
pub struct Joined<W: Tortured> {
    forgets: bool,
    /// What each node held after its last turn.
    held: Vec<W>,
    shown: Vec<Vec<u8>>,
    requests: u64,
    history: W::History,
}

/// All that a node holds, written down.
fn shown<W: Workload>(state: &W) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in state.pieces() {
        piece.write(&mut text);
        text.push(b'\n');
    }
    text
}

/// Whether nothing of what was `held` is missing from a state.
fn remembers<W: Workload>(state: &[u8], held: &W) -> Result<(), String> {
    // Once more, with all that it holds now: then what it held adds nothing.
    let mut now = W::default();
    for line in state
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let json = Json::parse(line).map_err(|error| error.to_string())?;
        now.restore(&W::Piece::read(&json).ok_or("a piece that cannot be read back")?);
    }
    for piece in held.pieces() {
        now.restore(&piece);
        if shown(&now) != state {
            return Err(format!("it has forgotten {piece:?}"));
        }
    }
    Ok(())
}

impl<W: Tortured> Joined<W> {
    /// Before anything has happened.
    pub fn new(plan: &Plan) -> Joined<W> {
        Joined {
            forgets: plan.forgets(),
            held: (0..plan.nodes).map(|_| W::default()).collect(),
            shown: vec![Vec::new(); plan.nodes],
            requests: 0,
            history: W::History::default(),
        }
    }

    fn take(&mut self, index: usize, node: &dyn AnyNode) -> Result<(), String> {
        let state: &W = inside(node).workload();
        let text = shown(state);
        if text == self.shown[index] {
            return Ok(());
        }
        let mut joined = W::default();
        for piece in self.held[index].pieces().chain(state.pieces()) {
            joined.restore(&piece);
        }
        if shown(&joined) != text {
            return Err(match remembers(&text, &self.held[index]) {
                Err(why) => format!("n{index}: {why}"),
                Ok(()) => format!("n{index} holds what cannot be read back as it is"),
            });
        }
        state
            .sound(&mut self.history)
            .map_err(|why| format!("n{index}: {why}"))?;
        (self.held[index], self.shown[index]) = (joined, text);
        Ok(())
    }

    fn whole(&self, node: &dyn AnyNode) -> Result<(), String> {
        let state: &W = inside(node).workload();
        state.whole(&self.history, self.forgets)
    }
}

impl<W: Tortured> Promises for Joined<W> {
    fn request(&mut self, node: usize, value: i64) -> Vec<u8> {
        self.requests += 1;
        let fields = W::ask(&mut self.history, self.requests, value);
        let (dest, number) = (cluster::name(node), self.requests);
        format!(r#"{{"src":"c0","dest":"{dest}","body":{{"msg_id":{number},{fields}}}}}"#).into()
    }

    fn delivered(&mut self, _node: usize, _items: &[Json<'_>]) -> Result<(), String> {
        Ok(())
    }

    fn answered(&mut self, _node: usize, body: &Json<'_>) -> Result<(), String> {
        let fields = Fields(body);
        let number = fields.count("in_reply_to")?;
        if fields.text("type")? == "error" {
            // Temporarily unavailable: it was not done, and may be asked again.
            return match fields.int("code")? {
                11 => Ok(()),
                _ => Err("what was asked is right".into()),
            };
        }
        W::answered(&mut self.history, number, fields)
    }

    fn killed(&mut self, node: usize, forgets: bool) -> bool {
        if forgets {
            (self.held[node], self.shown[node]) = (W::default(), Vec::new());
        }
        true
    }

    fn started(&mut self, index: usize, node: &dyn AnyNode) -> Result<(), String> {
        self.take(index, node)
    }

    fn checked(&mut self, index: usize, node: &dyn AnyNode) -> Result<(), String> {
        self.take(index, node)
    }

    fn are_alike(&self, _nodes: &[Box<dyn AnyNode>], component: &[usize]) -> bool {
        let mut shown = component.iter().map(|&node| &self.shown[node]);
        !W::SPREADS || shown.all(|shown| *shown == self.shown[component[0]])
    }

    fn is_complete(&self, nodes: &[Box<dyn AnyNode>]) -> bool {
        let alike = self.shown.iter().all(|shown| *shown == self.shown[0]);
        !W::SPREADS || alike && self.whole(&*nodes[0]).is_ok()
    }

    fn finished(&self, nodes: &[Box<dyn AnyNode>]) -> Result<(), String> {
        for (index, node) in nodes.iter().enumerate() {
            if W::SPREADS && self.shown[index] != self.shown[0] {
                let held = |node: usize| String::from_utf8_lossy(&self.shown[node]);
                return Err(format!(
                    "all is quiet, and n{index} holds\n{}and n0\n{}",
                    held(index),
                    held(0)
                ));
            }
            let whole = self.whole(&**node);
            whole.map_err(|why| format!("all is quiet, and n{index} {why}"))?;
        }
        Ok(())
    }

    fn gone(&self) -> u64 {
        0
    }
}

impl Tortured for UniqueIds {
    type History = BTreeSet<String>;

    const SPREADS: bool = false;

    fn ask(_given: &mut BTreeSet<String>, _number: u64, _value: i64) -> String {
        r#""type":"generate""#.into()
    }

    fn answered(given: &mut BTreeSet<String>, _: u64, answer: Fields<'_>) -> Result<(), String> {
        let id = answer.text("id")?;
        match given.insert(id.to_owned()) {
            true => Ok(()),
            false => Err(format!("{id} was given before")),
        }
    }

    fn sound(&self, _given: &mut BTreeSet<String>) -> Result<(), String> {
        Ok(())
    }

    fn whole(&self, _given: &BTreeSet<String>, _forgets: bool) -> Result<(), String> {
        Ok(())
    }
}

/// What was added, and what of it was acknowledged.
#[derive(Debug, Default)]
pub struct Additions {
    asked: BTreeMap<u64, i64>,
    acked: BTreeSet<u64>,
}

impl Additions {
    /// The sum that there must be at least, and the one that there may be at most, if of
    /// these only those count for certain that `must`.
    fn bounds(&self, must: impl Fn(&u64) -> bool) -> (i128, i128) {
        self.asked
            .iter()
            .fold((0, 0), |(low, high), (number, &delta)| {
                let delta = i128::from(delta);
                match must(number) {
                    true => (low + delta, high + delta),
                    false => (low + delta.min(0), high + delta.max(0)),
                }
            })
    }

    fn check(&self, value: i128, must: impl Fn(&u64) -> bool) -> Result<(), String> {
        let (low, high) = self.bounds(must);
        match (low..=high).contains(&value) {
            true => Ok(()),
            false => Err(format!(
                "counts {value}, which must be from {low} to {high}"
            )),
        }
    }
}

impl<const DOWN: bool> Tortured for Counter<DOWN> {
    type History = Additions;

    fn ask(history: &mut Additions, number: u64, value: i64) -> String {
        let delta = value.rem_euclid(11) - if DOWN { 5 } else { 0 };
        history.asked.insert(number, delta);
        format!(r#""type":"add","delta":{delta}"#)
    }

    fn answered(history: &mut Additions, number: u64, _: Fields<'_>) -> Result<(), String> {
        history.acked.insert(number);
        Ok(())
    }

    fn sound(&self, history: &mut Additions) -> Result<(), String> {
        history.check(self.value(), |_| false)
    }

    fn whole(&self, history: &Additions, forgets: bool) -> Result<(), String> {
        history.check(self.value(), |number| {
            !forgets && history.acked.contains(number)
        })
    }
}

/// What was sent, and where it stands.
#[derive(Debug, Default)]
pub struct Places {
    /// The key of each send.
    sent: BTreeMap<u64, String>,
    /// The offset that was answered.
    acked: BTreeMap<u64, u64>,
    /// Key and offset -> the message that the first node showed there.
    seen: BTreeMap<(String, u64), String>,
    /// The other way round.
    place: BTreeMap<String, (String, u64)>,
}

/// What a log item's text is.
fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut text = Vec::new();
    write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

impl Tortured for Log {
    type History = Places;

    fn ask(history: &mut Places, number: u64, value: i64) -> String {
        let key = format!("k{}", value.rem_euclid(3));
        if value.rem_euclid(5) == 4 {
            return format!(
                r#""type":"commit_offsets","offsets":{{"{key}":{}}}"#,
                number / 2
            );
        }
        let request = format!(r#""type":"send","key":"{key}","msg":{number}"#);
        history.sent.insert(number, key);
        request
    }

    fn answered(history: &mut Places, number: u64, answer: Fields<'_>) -> Result<(), String> {
        if history.sent.contains_key(&number) {
            let offset = answer.count("offset")?;
            if let Some(before) = history.acked.insert(number, offset) {
                return Err(format!("it was answered before, with {before}"));
            }
        }
        Ok(())
    }

    fn sound(&self, history: &mut Places) -> Result<(), String> {
        for piece in self.pieces() {
            let LogItem::Entry(_, key, offset, msg) = piece else {
                continue;
            };
            let (place, msg) = ((key.to_string(), offset), msg.text().to_owned());
            let seen = history
                .seen
                .entry(place.clone())
                .or_insert_with(|| msg.clone());
            if *seen != msg {
                return Err(format!("shows {msg} at {place:?}, where {seen} was shown"));
            }
            let first = history
                .place
                .entry(msg.clone())
                .or_insert_with(|| place.clone());
            if *first != place {
                return Err(format!("shows {msg} at {place:?} and at {first:?}"));
            }
        }
        Ok(())
    }

    fn whole(&self, history: &Places, _forgets: bool) -> Result<(), String> {
        if let Some(send) = self
            .pieces()
            .find(|piece| matches!(piece, LogItem::Send(..)))
        {
            return Err(format!("has {send:?} without a place"));
        }
        for (number, offset) in &history.acked {
            let key = history.sent.get(number).map_or("", String::as_str);
            let found = self.entries(key, 0).find(|(at, _)| at == offset);
            let found = found.map(|(_, msg)| msg.text().to_owned());
            if found.as_ref() != Some(&number.to_string()) {
                return Err(format!("has {found:?} at {key} {offset}, not {number}"));
            }
        }
        Ok(())
    }
}

/// The transactions that were seen.
#[derive(Debug, Default)]
pub struct Transactions {
    /// As they were seen first, by their stamp.
    seen: BTreeMap<hubcast::workload::txn::Stamp, String>,
}

impl Tortured for Txn {
    type History = Transactions;

    fn ask(_history: &mut Transactions, number: u64, value: i64) -> String {
        let (one, other) = (value.rem_euclid(4), value.rem_euclid(5));
        format!(
            r#""type":"txn","txn":[["w",{one},"early"],["r",{other},null],["w",{one},{number}],["w",{other},{number}]]"#
        )
    }

    fn answered(_: &mut Transactions, number: u64, answer: Fields<'_>) -> Result<(), String> {
        let done = answer.read("txn", "the transaction", Some)?.to_string();
        match done.contains(&number.to_string()) {
            true => Ok(()),
            false => Err(format!("it answers {number} with {done}")),
        }
    }

    fn sound(&self, history: &mut Transactions) -> Result<(), String> {
        for committed in self.pieces() {
            let writes = text(|out| committed.write(out));
            if writes.contains("early") {
                return Err(format!("shows what was overwritten at once: {writes}"));
            }
            let seen = history
                .seen
                .entry(committed.stamp)
                .or_insert_with(|| writes.clone());
            if *seen != writes {
                return Err(format!("has torn {seen} to {writes}"));
            }
        }
        Ok(())
    }

    /// All that was ever seen stands, or something later does.
    fn whole(&self, history: &Transactions, forgets: bool) -> Result<(), String> {
        let mut again = Txn::default();
        let pieces: Vec<_> = self.pieces().collect();
        pieces.iter().for_each(|piece| again.restore(piece));
        for writes in history.seen.values().filter(|_| !forgets) {
            let json = Json::parse(writes.as_bytes()).map_err(|error| error.to_string())?;
            let committed = <Txn as Workload>::Item::read(&json).ok_or("no transaction")?;
            if again.merge(&committed) {
                return Err(format!("has lost {writes}"));
            }
        }
        Ok(())
    }
}
