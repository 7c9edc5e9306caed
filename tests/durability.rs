//! The contract between a node and whoever keeps its journal.

use std::collections::BTreeSet;

use hubcast::config::Config;
use hubcast::journal::{Journal, LEAST_LONG};
use hubcast::node::{AnyNode, Node};
use hubcast::time::Instant;
use hubcast::workload::broadcast::Broadcast;

mod memory;
use memory::Memory;

fn config(data_dir: bool) -> Config {
    Config {
        data_dir: data_dir.then(|| "data".into()),
        ..Config::default()
    }
}

fn tell(node: &mut Node<Broadcast>, src: &str, body: &str) {
    let line = format!(r#"{{"src":"{src}","dest":"n0","body":{{{body}}}}}"#);
    node.handle_line(Instant::ZERO, line.as_bytes());
}

const INIT: &str = r#""type":"init","msg_id":1,"node_id":"n0","node_ids":["n0","n1"]"#;

/// A node that was started on what is in `memory`.
fn started(memory: &Memory) -> Node<Broadcast> {
    let mut node = Node::new(config(true));
    assert_eq!(node.wants_journal(), None, "it has no name yet");
    tell(&mut node, "c0", INIT);
    assert_eq!(node.wants_journal(), Some("n0"));
    let Ok((_, found)) = Journal::open(Box::new(memory.clone()), "n0", LEAST_LONG) else {
        panic!("a journal");
    };
    node.restore(Instant::ZERO, found);
    assert_eq!(node.wants_journal(), None);
    node
}

/// What is to be stored now.
fn records(node: &mut Node<Broadcast>) -> String {
    let mut out = Vec::new();
    while node.poll_persist(&mut out) {}
    let text = String::from_utf8(out).expect("UTF-8");
    // Without the checksums.
    let lines = text.lines().map(|line| &line[9..]);
    lines.collect::<Vec<_>>().join(" ")
}

fn said(node: &mut Node<Broadcast>) -> String {
    let mut out = Vec::new();
    node.end_turn(Instant::ZERO);
    while node.poll_transmit(&mut out) {}
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_start_is_stored_and_all_news_of_a_turn_in_one_record_whoever_brought_it() {
    let mut node = started(&Memory::default());
    let start = r#"{"journal":2,"node":"n0"} {"epoch":1}"#;
    assert_eq!(records(&mut node), start);
    tell(
        &mut node,
        "c0",
        r#""type":"broadcast","msg_id":2,"message":7"#,
    );
    let delta = r#""type":"delta","epoch":1,"peer":0,"offset":0,"values":[7,8],"ack":0,"held":0"#;
    tell(&mut node, "n1", delta);
    tell(
        &mut node,
        "c0",
        r#""type":"broadcast","msg_id":3,"message":8"#,
    );
    tell(&mut node, "c0", r#""type":"read","msg_id":4"#);
    assert_eq!(records(&mut node), r#"{"items":[7,8]}"#);
    assert_eq!(records(&mut node), "", "once");
    tell(&mut node, "c0", r#""type":"read","msg_id":5"#);
    assert_eq!(records(&mut node), "", "a read costs no write");
}

#[test]
fn a_node_that_comes_back_holds_what_it_held_and_asks_its_neighbours_at_once() {
    let mut first = started(&Memory::default());
    tell(&mut first, "c0", r#""type":"broadcast","message":7"#);
    let mut memory = Memory::default();
    while first.poll_persist(&mut memory.bytes) {}
    let mut second = started(&memory);
    assert!(second.workload().values().iter().eq([7]));
    assert_eq!(records(&mut second), r#"{"epoch":2}"#);
    let said = said(&mut second);
    assert!(said.contains(r#""type":"init_ok""#), "{said}");
    let sync = r#""type":"sync","epoch":2,"peer":0,"#;
    assert!(said.contains(sync) && said.contains("[[7,7]]"), "{said}");
}

#[test]
fn an_epoch_is_above_the_last_one_and_not_below_the_clock() {
    let mut epochs = BTreeSet::new();
    let mut memory = Memory::default();
    for clock in [1000, 5, 3000] {
        let mut node = Node::<Broadcast>::new(Config {
            epoch: clock,
            ..config(true)
        });
        tell(&mut node, "c0", INIT);
        let Ok((_, found)) = Journal::open(Box::new(memory.clone()), "n0", LEAST_LONG) else {
            panic!("a journal");
        };
        node.restore(Instant::ZERO, found);
        while node.poll_persist(&mut memory.bytes) {}
        epochs.insert(node.links().next().expect("a neighbour").1.epochs().0);
    }
    assert_eq!(epochs, BTreeSet::from([1000, 1001, 3000]));
}

#[test]
fn without_a_journal_nothing_is_to_be_stored_and_nothing_awaited() {
    let mut node = Node::new(config(false));
    tell(&mut node, "c0", INIT);
    assert_eq!(node.wants_journal(), None);
    tell(&mut node, "c0", r#""type":"broadcast","message":7"#);
    assert_eq!(records(&mut node), "");
}
