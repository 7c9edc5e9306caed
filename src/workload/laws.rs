//! Every workload's merge is a join: the tests that hold them against the law.

use super::broadcast::{Broadcast, GSet};
use super::counter::{GCounter, PnCounter};
use super::log::Log;
use super::txn::Txn;
use super::unique_ids::UniqueIds;
use super::*;

/// Some numbers from a seed (xorshift): the core has none of its own.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }

    fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
        items
    }
}

/// What three nodes spread that get these requests in turn, with half of what the others
/// have spread before.
fn items_of<W: Workload>(requests: &[&str], draw: &mut Draw) -> Vec<W::Item> {
    let mut nodes: Vec<W> = (0..3).map(|_| W::default()).collect();
    for (index, node) in nodes.iter_mut().enumerate() {
        let place = Place {
            index,
            nodes: 3,
            is_root: index == 0,
            epoch: 1,
        };
        node.begin(place, Instant::ZERO);
    }
    let mut items = Vec::new();
    let mut replies = Vec::new();
    nodes[0].settled(&mut Effects::new(Instant::ZERO, "n0", &mut replies));
    for round in 0..20 {
        for (index, node) in nodes.iter_mut().enumerate() {
            let request = requests[draw.below(requests.len())].replace('#', &round.to_string());
            let line = format!(r#"{{"src":"c1","dest":"n{index}","body":{{{request}}}}}"#);
            let json = Json::parse(line.as_bytes()).expect(&line);
            let message = Message::read(&json).expect(&line);
            let mut effects = Effects::new(Instant::from_millis(round * 300), "n", &mut replies);
            let kind = message.kind().expect(&line);
            node.request(kind, &message, &mut effects).expect(&line);
            for item in items.iter().filter(|_| draw.below(2) == 0) {
                if node.merge(item) {
                    node.heard(item, &mut effects);
                }
            }
            items.extend(effects.items);
        }
    }
    items
}

/// The state, written down.
fn shown<W: Workload>(state: &W) -> String {
    let mut text = Vec::new();
    state.digest().write(&mut text);
    for piece in state.pieces() {
        text.push(b' ');
        piece.write(&mut text);
    }
    String::from_utf8(text).expect("UTF-8")
}

fn merged<'a, W: Workload>(items: impl IntoIterator<Item = &'a W::Item>) -> W
where
    W::Item: 'a,
{
    let mut state = W::default();
    for item in items {
        state.merge(item);
    }
    state
}

fn holds_for<W: Workload>(requests: &[&str]) {
    for seed in 1..=50 {
        let mut draw = Draw(seed);
        let items = items_of::<W>(requests, &mut draw);
        assert!(items.len() >= 5, "seed {seed}: too few items to tell");
        let all = shown(&merged::<W>(&items));
        // Commutative: any order.
        let order = draw.shuffled(&items);
        assert_eq!(shown(&merged::<W>(&order)), all, "seed {seed}: {order:?}");
        // Idempotent: again and again, and what comes again is no news.
        let mut twice = merged::<W>(order.iter().chain(&items));
        assert_eq!(shown(&twice), all, "seed {seed}: {order:?}");
        for item in &items {
            assert!(!twice.merge(item), "seed {seed}: {item:?} was there");
        }
        // Associative: two states that were merged from parts, joined by what one
        // lacks of the other.
        let (left, right) = order.split_at(draw.below(order.len()));
        let (mut left, right) = (merged::<W>(left), merged::<W>(right));
        for item in right.missing(&left.digest()) {
            left.merge(&item);
        }
        if items[0].route() != Route::Journal {
            assert_eq!(shown(&left), all, "seed {seed}: anti-entropy");
        }
        // And what is on the wire or in a journal is the same thing.
        let mut restored = W::default();
        for piece in merged::<W>(&items).pieces() {
            let mut text = Vec::new();
            piece.write(&mut text);
            let json = Json::parse(&text).expect("JSON");
            restored.restore(&W::Piece::read(&json).expect("a piece"));
        }
        assert_eq!(shown(&restored), all, "seed {seed}: the journal");
    }
}

#[test]
fn sets_are_joined_by_their_union() {
    holds_for::<Broadcast>(&[r#""type":"broadcast","message":#"#]);
    holds_for::<GSet>(&[r#""type":"add","element":#"#]);
}

#[test]
fn counters_are_joined_by_each_node_s_greatest_sums() {
    holds_for::<GCounter>(&[r#""type":"add","delta":#"#]);
    holds_for::<PnCounter>(&[r#""type":"add","delta":#"#, r#""type":"add","delta":-#"#]);
}

#[test]
fn marks_in_time_are_joined_by_the_latest() {
    holds_for::<UniqueIds>(&[r#""type":"generate""#; 2]);
}

#[test]
fn logs_are_joined_place_by_place_once_the_root_has_decided() {
    holds_for::<Log>(&[
        r#""type":"send","key":"a","msg":#"#,
        r#""type":"send","key":"b","msg":["any",{"json":#}]"#,
        r#""type":"commit_offsets","offsets":{"a":#}"#,
    ]);
}

#[test]
fn registers_are_joined_by_the_last_writer() {
    holds_for::<Txn>(&[
        r#""type":"txn","txn":[["w",1,#],["w",2,#]]"#,
        r#""type":"txn","txn":[["r",1,null],["w",2,#],["w",{"k":3},"x#"]]"#,
        r#""type":"txn","txn":[["w",[1],#],["w",[1],"last"]]"#,
    ]);
}
