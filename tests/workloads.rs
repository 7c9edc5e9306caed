//! What clients see of each workload: some nodes in one process, whose messages cross at
//! once, unless they are cut off.

use std::collections::VecDeque;

use hubcast::config::Config;
use hubcast::journal::{Journal, LEAST_LONG};
use hubcast::json::Json;
use hubcast::message::Message;
use hubcast::node::{AnyNode, Node};
use hubcast::time::Instant;
use hubcast::workload::Workload;
use hubcast::workload::broadcast::GSet;
use hubcast::workload::counter::{GCounter, PnCounter};
use hubcast::workload::log::Log;
use hubcast::workload::txn::Txn;
use hubcast::workload::unique_ids::UniqueIds;

mod memory;
use memory::Memory;

/// Some nodes, with a clock that goes when it is told to.
struct Nodes<W: Workload> {
    nodes: Vec<Node<W>>,
    now: Instant,
    /// Nodes whose messages get lost, to them and from them.
    cut: Vec<usize>,
    /// Bodies that clients were sent.
    answers: Vec<String>,
    /// From, to, and what.
    under_way: VecDeque<(usize, usize, String)>,
}

impl<W: Workload> Nodes<W> {
    fn new(count: usize) -> Nodes<W> {
        Nodes::with(count, &Config::default())
    }

    fn with(count: usize, config: &Config) -> Nodes<W> {
        let mut nodes = Nodes {
            nodes: Vec::new(),
            now: Instant::ZERO,
            cut: Vec::new(),
            answers: Vec::new(),
            under_way: VecDeque::new(),
        };
        for index in 0..count {
            nodes.nodes.push(Node::new(config.clone()));
            nodes.init(index, count);
        }
        nodes
    }

    fn init(&mut self, index: usize, count: usize) {
        let ids: Vec<String> = (0..count).map(|n| format!("\"n{n}\"")).collect();
        let ids = ids.join(",");
        self.tell(
            index,
            &format!(r#""type":"init","msg_id":1,"node_id":"n{index}","node_ids":[{ids}]"#),
        );
    }

    /// The node is started anew, in its next incarnation, with nothing in its memory.
    fn restart(&mut self, index: usize, epoch: u64) {
        let config = Config {
            epoch,
            ..Config::default()
        };
        self.nodes[index] = Node::new(config);
        self.init(index, self.nodes.len());
    }

    fn tell(&mut self, node: usize, body: &str) {
        let line = format!(r#"{{"src":"c1","dest":"n{node}","body":{{{body}}}}}"#);
        self.nodes[node].handle_line(self.now, line.as_bytes());
    }

    /// What a node answers at once: the last answer's body.
    fn ask(&mut self, node: usize, body: &str) -> String {
        self.tell(node, &format!("{body},\"msg_id\":7"));
        let before = self.answers.len();
        self.turn(node);
        match self.answers.get(before..) {
            Some([.., last]) => last.clone(),
            _ => "nothing".into(),
        }
    }

    fn turn(&mut self, node: usize) {
        self.nodes[node].end_turn(self.now);
        let mut out = Vec::new();
        while self.nodes[node].poll_transmit(&mut out) {}
        for line in String::from_utf8(out).expect("UTF-8").lines() {
            let json = Json::parse(line.as_bytes()).expect(line);
            let message = Message::read(&json).expect(line);
            match message.dest.strip_prefix('n') {
                Some(dest) => {
                    let dest = dest.parse().expect(line);
                    self.under_way.push_back((node, dest, line.to_owned()));
                }
                None => self.answers.push(message.body.0.to_string()),
            }
        }
    }

    /// Lets everything happen that happens in so many milliseconds.
    fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            (0..self.nodes.len()).for_each(|node| self.turn(node));
            while let Some((src, dest, line)) = self.under_way.pop_front() {
                if !self.cut.contains(&src) && !self.cut.contains(&dest) {
                    self.nodes[dest].handle_line(self.now, line.as_bytes());
                    self.turn(dest);
                }
            }
            self.now = self.now + std::time::Duration::from_millis(1);
        }
    }
}

/// All ids are strings of one length, which no client rounds.
fn id_of(answer: &str) -> String {
    let json = Json::parse(answer.as_bytes()).expect(answer);
    let id = json.get("id").and_then(Json::as_str).expect(answer);
    assert_eq!(id.len(), 16, "{id}");
    id.to_owned()
}

#[test]
fn ids_differ_between_nodes_and_within_a_moment_however_many_are_asked_for() {
    let mut nodes = Nodes::<UniqueIds>::new(3);
    let mut ids = Vec::new();
    for _ in 0..10_000 {
        for node in 0..3 {
            ids.push(id_of(&nodes.ask(node, r#""type":"generate""#)));
        }
    }
    nodes.run_ms(5);
    ids.push(id_of(&nodes.ask(0, r#""type":"generate""#)));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn ids_never_come_again_after_a_restart_with_a_clock_that_was_set_back() {
    let mut memory = Memory::default();
    let mut ids = Vec::new();
    for clock in [1_800_000_000_000_000, 1_700_000_000_000_000, 1] {
        let config = Config {
            epoch: clock,
            data_dir: Some("memory".into()),
            ..Config::default()
        };
        let mut nodes = Nodes::<UniqueIds>::with(1, &config);
        let Ok((_, found)) = Journal::open(Box::new(memory.clone()), "n0", LEAST_LONG) else {
            panic!("a journal");
        };
        nodes.nodes[0].restore(Instant::ZERO, found);
        for _ in 0..5000 {
            ids.push(id_of(&nodes.ask(0, r#""type":"generate""#)));
        }
        let _ = nodes.nodes[0].poll_persist(&mut memory.bytes);
    }
    assert!(
        ids.is_sorted_by(|a, b| a < b),
        "each is larger than those before"
    );
}

#[test]
fn a_g_set_shows_everywhere_what_was_added_anywhere() {
    let mut nodes = Nodes::<GSet>::new(3);
    nodes.ask(1, r#""type":"add","element":5"#);
    nodes.ask(2, r#""type":"add","element":3"#);
    nodes.run_ms(1000);
    for node in 0..3 {
        let read = nodes.ask(node, r#""type":"read""#);
        assert!(read.contains(r#""value":[3,5]"#), "{read}");
    }
    let refused = nodes.ask(0, r#""type":"broadcast","message":3"#);
    assert!(refused.contains(r#""code":10"#), "{refused}");
}

#[test]
fn counters_add_up_and_one_that_restarted_without_memory_does_not_eat_what_it_adds() {
    let mut nodes = Nodes::<PnCounter>::new(3);
    nodes.ask(1, r#""type":"add","delta":10"#);
    nodes.ask(2, r#""type":"add","delta":-4"#);
    nodes.run_ms(1000);
    nodes.restart(1, 2);
    nodes.ask(1, r#""type":"add","delta":1"#);
    nodes.run_ms(4000);
    for node in 0..3 {
        let read = nodes.ask(node, r#""type":"read""#);
        assert!(read.contains(r#""value":7"#), "{read}");
    }
}

#[test]
fn a_counter_that_only_grows_refuses_to_shrink_and_any_counter_to_overflow() {
    let mut nodes = Nodes::<GCounter>::new(1);
    let refused = nodes.ask(0, r#""type":"add","delta":-1"#);
    assert!(
        refused.contains(r#""code":12"#) && refused.contains("only grows"),
        "{refused}"
    );
    let refused = nodes.ask(0, r#""type":"add","delta":9223372036854775807"#);
    assert!(refused.contains("too large"), "{refused}");
    let read = nodes.ask(0, r#""type":"read""#);
    assert!(read.contains(r#""value":0"#), "{read}");
}

const SEND: &str = r#""type":"send","key":"k","msg":"#;
const POLL: &str = r#""type":"poll","offsets":{"k":0}"#;

#[test]
fn sends_get_their_places_from_the_root_and_all_nodes_show_the_same_log() {
    let mut nodes = Nodes::<Log>::new(3);
    nodes.run_ms(5);
    assert!(nodes.ask(0, &format!("{SEND}1")).contains(r#""offset":0"#));
    assert_eq!(nodes.ask(2, &format!("{SEND}[2,null]")), "nothing", "yet");
    nodes.run_ms(1);
    let answer = nodes.answers.last().expect("an answer");
    assert!(answer.contains(r#""offset":1"#), "at once: {answer}");
    let early = nodes.ask(1, POLL);
    assert!(!early.contains("[1,[2,null]]"), "in the next slot: {early}");
    nodes.run_ms(1000);
    for node in 0..3 {
        let polled = nodes.ask(node, POLL);
        let all = r#""msgs":{"k":[[0,1],[1,[2,null]]]}"#;
        assert!(polled.contains(all), "{polled}");
    }
    let polled = nodes.ask(1, r#""type":"poll","offsets":{"k":1,"other":5}"#);
    let rest = r#""msgs":{"k":[[1,[2,null]]],"other":[]}"#;
    assert!(polled.contains(rest), "{polled}");
}

#[test]
fn committed_offsets_never_go_back_and_are_known_everywhere() {
    let mut nodes = Nodes::<Log>::new(2);
    let commit = r#""type":"commit_offsets","offsets":{"k":"#;
    assert!(
        nodes
            .ask(1, &format!("{commit}9}}"))
            .contains("commit_offsets_ok")
    );
    nodes.run_ms(1000);
    nodes.ask(0, &format!("{commit}4}}"));
    for node in 0..2 {
        let list = nodes.ask(node, r#""type":"list_committed_offsets","keys":["k","x"]"#);
        assert!(list.contains(r#""offsets":{"k":9}"#), "{list}");
    }
    let refused = nodes.ask(0, &format!("{commit}-1}}"));
    assert!(refused.contains(r#""code":12"#), "{refused}");
}

#[test]
fn a_request_without_what_it_needs_is_told_what_that_is() {
    let offsets = "an object of key to offset, each an integer of at least 0";
    let mut nodes = Nodes::<Log>::new(1);
    for (request, text) in [
        (
            r#""type":"poll""#,
            format!("offsets is missing; it must be {offsets}"),
        ),
        (
            r#""type":"poll","offsets":[1]"#,
            format!("offsets must be {offsets}"),
        ),
        (
            r#""type":"poll","offsets":null"#,
            format!("offsets must be {offsets}"),
        ),
        (
            r#""type":"commit_offsets","offsets":{"k":"1"}"#,
            format!("offsets must be {offsets}"),
        ),
        (
            r#""type":"list_committed_offsets""#,
            "keys is missing; it must be an array, each element a string".into(),
        ),
        (
            r#""type":"list_committed_offsets","keys":[1]"#,
            "an element of keys must be a string".into(),
        ),
        (
            r#""type":"send","key":"k""#,
            "msg is missing; it must be the message, any JSON".into(),
        ),
        (
            r#""type":"send","msg":1"#,
            "key is missing; it must be a string".into(),
        ),
    ] {
        let refused = nodes.ask(0, request);
        let says = format!(r#""code":12,"text":"{text}""#);
        assert!(refused.contains(&says), "{request}: {refused}");
    }
    let mut nodes = Nodes::<Txn>::new(1);
    let operation = r#"[\"r\", key, null] or [\"w\", key, value]"#;
    for (request, text) in [
        (
            r#""type":"txn""#,
            format!("txn is missing; it must be an array, each element {operation}"),
        ),
        (
            r#""type":"txn","txn":{}"#,
            format!("txn must be an array, each element {operation}"),
        ),
        (
            r#""type":"txn","txn":[["append",1,2]]"#,
            format!("an element of txn must be {operation}"),
        ),
    ] {
        let refused = nodes.ask(0, request);
        assert!(refused.contains(&text), "{request}: {refused}");
    }
}

#[test]
fn a_send_from_behind_a_cut_waits_and_is_stored_once() {
    let mut nodes = Nodes::<Log>::new(3);
    nodes.run_ms(2000);
    nodes.cut = vec![2];
    nodes.ask(2, &format!("{SEND}5"));
    nodes.run_ms(8000);
    assert!(
        nodes
            .answers
            .iter()
            .all(|answer| !answer.contains("send_ok"))
    );
    nodes.cut.clear();
    nodes.run_ms(4000);
    let answered = |nodes: &Nodes<Log>| {
        let answers = nodes.answers.iter();
        answers.filter(|answer| answer.contains("send_ok")).count()
    };
    assert_eq!(answered(&nodes), 1);
    for node in 0..3 {
        let polled = nodes.ask(node, POLL);
        assert!(polled.contains(r#""k":[[0,5]]"#), "{polled}");
    }
}

/// Three nodes whose clocks can be set back.
fn late<W: Workload>() -> Nodes<W> {
    let config = Config {
        epoch: LATE,
        ..Config::default()
    };
    Nodes::with(3, &config)
}

/// What a clock shows, and what it shows after it was set back. Unit: microseconds.
const LATE: u64 = 1_800_000_000_000_000;
const EARLY: u64 = 1_700_000_000_000_000;

#[test]
fn what_is_counted_before_an_epoch_is_raised_counts_once_and_so_does_what_comes_after() {
    for node in [0, 1] {
        let mut nodes = late::<PnCounter>();
        nodes.ask(node, r#""type":"add","delta":10"#);
        nodes.run_ms(2000);
        nodes.restart(node, EARLY);
        nodes.ask(node, r#""type":"add","delta":1"#);
        nodes.run_ms(2500);
        nodes.ask(node, r#""type":"add","delta":-3"#);
        nodes.run_ms(2500);
        for reader in 0..3 {
            let read = nodes.ask(reader, r#""type":"read""#);
            assert!(read.contains(r#""value":8"#), "n{node}, n{reader}: {read}");
        }
    }
}

#[test]
fn a_send_that_waits_while_the_epoch_is_raised_is_stored_and_answered_once() {
    for node in [0, 1] {
        let mut nodes = late::<Log>();
        nodes.ask(node, &format!("{SEND}1"));
        nodes.run_ms(2000);
        nodes.restart(node, EARLY);
        nodes.ask(node, &format!("{SEND}2"));
        nodes.ask(2, &format!("{SEND}3"));
        nodes.run_ms(2500);
        let answers = nodes.answers.iter();
        let answers = answers.filter(|answer| answer.contains("send_ok"));
        assert_eq!(answers.count(), 3, "n{node}");
        for reader in 0..3 {
            let polled = nodes.ask(reader, POLL);
            let all = [r#"[[0,1],[1,2],[2,3]]"#, r#"[[0,1],[1,3],[2,2]]"#];
            assert!(
                all.iter().any(|all| polled.contains(all)),
                "n{node}, n{reader}: {polled}"
            );
        }
    }
}

#[test]
fn ids_go_on_in_their_order_when_the_epoch_is_raised() {
    let mut nodes = late::<UniqueIds>();
    nodes.run_ms(2000);
    nodes.restart(1, EARLY);
    let mut ids = Vec::new();
    for _ in 0..3000 {
        ids.push(id_of(&nodes.ask(1, r#""type":"generate""#)));
        nodes.run_ms(1);
    }
    let (_, link) = nodes.nodes[1].links().next().expect("its hub");
    assert!(link.epochs().0 > LATE, "it was raised meanwhile");
    assert!(ids.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_root_without_memory_gives_no_place_twice_though_its_questions_get_lost() {
    let mut nodes = Nodes::<Log>::new(3);
    for msg in 0..5 {
        nodes.ask(1, &format!("{SEND}{msg}"));
        nodes.run_ms(10);
    }
    nodes.run_ms(1000);
    nodes.restart(0, 2);
    nodes.cut = vec![0];
    nodes.ask(0, &format!("{SEND}\"new\""));
    nodes.run_ms(100);
    nodes.cut = vec![1];
    nodes.ask(2, &format!("{SEND}\"newer\""));
    nodes.run_ms(4000);
    let polled = nodes.ask(0, POLL);
    assert!(!polled.contains("new"), "n1 may know more: {polled}");
    nodes.cut.clear();
    nodes.run_ms(4000);
    for node in 0..3 {
        let polled = nodes.ask(node, POLL);
        let all = [
            r#"[[0,0],[1,1],[2,2],[3,3],[4,4],[5,"new"],[6,"newer"]]"#,
            r#"[[0,0],[1,1],[2,2],[3,3],[4,4],[5,"newer"],[6,"new"]]"#,
        ];
        assert!(
            all.iter().any(|all| polled.contains(all)),
            "n{node}: {polled}"
        );
    }
}

#[test]
fn a_transaction_reads_its_own_writes_and_spreads_only_the_last_ones() {
    let mut nodes = Nodes::<Txn>::new(2);
    let done = nodes.ask(
        0,
        r#""type":"txn","txn":[["r",1,null],["w",1,"a"],["r",1,null],["w",1,"b"],["w",[2],{"c":1.50}]]"#,
    );
    let filled = r#""txn":[["r",1,null],["w",1,"a"],["r",1,"a"],["w",1,"b"],["w",[2],{"c":1.50}]]"#;
    assert!(done.contains(filled), "{done}");
    nodes.run_ms(1000);
    let done = nodes.ask(1, r#""type":"txn","txn":[["r",[2],null],["r",1,null]]"#);
    let seen = r#""txn":[["r",[2],{"c":1.50}],["r",1,"b"]]"#;
    assert!(done.contains(seen), "{done}");
    let refused = nodes.ask(0, r#""type":"txn","txn":[["w",1,5],["append",1,2]]"#);
    assert!(refused.contains(r#""code":12"#), "{refused}");
    let done = nodes.ask(0, r#""type":"txn","txn":[["r",1,null]]"#);
    assert!(
        done.contains(r#"["r",1,"b"]"#),
        "nothing was written: {done}"
    );
}

#[test]
fn whoever_has_read_a_value_writes_later_and_ties_are_decided_alike_everywhere() {
    let mut nodes = Nodes::<Txn>::new(3);
    for node in 0..3 {
        nodes.ask(node, &format!(r#""type":"txn","txn":[["w","k",{node}]]"#));
    }
    nodes.run_ms(1000);
    for node in 0..3 {
        let done = nodes.ask(node, r#""type":"txn","txn":[["r","k",null]]"#);
        assert!(done.contains(r#"["r","k",2]"#), "the highest node: {done}");
    }
    nodes.ask(
        1,
        r#""type":"txn","txn":[["r","k",null],["w","k","later"]]"#,
    );
    nodes.run_ms(1000);
    let done = nodes.ask(2, r#""type":"txn","txn":[["r","k",null]]"#);
    assert!(done.contains("later"), "{done}");
}
