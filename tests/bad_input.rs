//! Bad input, systematically: the grammar of JSON case by case, mutations of valid
//! messages, and noise between good ones. Nothing may panic, overflow or change
//! what the node holds.
//!
//! The cases follow the order of RFC 8259's sections; each is decided there, or by
//! the table in the documentation of `hubcast::json`.

use hubcast::config::Config;
use hubcast::event::{Event, Level};
use hubcast::json::Json;
use hubcast::node::{AnyNode, Node};
use hubcast::time::Instant;
use hubcast::workload::{Workload, broadcast::Broadcast};

#[path = "../src/bin/testbed/world/rng.rs"]
#[allow(dead_code)] // The testbed uses all of it.
mod rng;
use rng::Rng;

/// How many mutated messages are tried; `MUTATIONS=50000000` tries more.
const MUTATIONS: u64 = 1_000_000;

const ACCEPTED: &[&[u8]] = &[
    // Structure and white space.
    b"[]",
    b"{}",
    b" [ ] ",
    b"\t{\n}\r",
    b"[1,2,3]",
    b"[[[]]]",
    b"[[],{}]",
    b"null",
    b"true",
    b"false",
    b"0",
    b"\"\"",
    b"{\"a\":[{\"b\":null}]}",
    b"[ 1 , 2 ]",
    b"{\"a\" : 1 , \"b\" : 2}",
    b"{\"\":0}",
    b"{\"a\":1,\"a\":2}",
    b"{\"a\":1,\"a\":1}",
    b"[null,1,\"1\",{}]",
    b"{\"a\\u0000b\":1}",
    // Numbers.
    b"-0",
    b"-1",
    b"1.5",
    b"-0.5",
    b"0.0",
    b"1e5",
    b"1E5",
    b"1e+5",
    b"1e-5",
    b"0e0",
    b"0e+1",
    b"-0e-1",
    b"123456789012345678901234567890",
    b"1e400",
    b"-1e-400",
    b"0.1e1",
    b"20e1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"0.00000000000000000000000000000000000001",
    // Strings.
    b"\"a\"",
    b"\"\\\"\"",
    b"\"\\\\\"",
    b"\"\\/\"",
    b"\"\\b\\f\\n\\r\\t\"",
    b"\"\\u0000\"",
    b"\"\\u001f\"",
    b"\"\\uABCD\"",
    b"\"\\uabcd\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\uDBFF\\uDFFF\"",
    b"\"\\uFFFF\"",
    b"\"\\ufeff\"",
    b"\"\x7f\"",
    "\"\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}\"".as_bytes(),
    "\"\u{2028}\u{2029}\"".as_bytes(),
    b"\"\\\\u0000\"",
    b"\"/\"",
    b"\"/* no comment */\"",
    b"\"\\u0022\"",
];

const REFUSED: &[&[u8]] = &[
    // Nothing, or too little.
    b"",
    b" ",
    b"[",
    b"{",
    b"]",
    b"}",
    b"[1",
    b"[1,",
    b"{\"a\"",
    b"{\"a\":",
    b"{\"a\":1",
    b"{\"a\":1,",
    b"\"",
    b"\"a",
    b"n",
    b"nul",
    b"t",
    b"tru",
    b"f",
    b"fals",
    b"-",
    // Too much, or in the wrong place.
    b"[]]",
    b"{}}",
    b"[][]",
    b"1 2",
    b"nulll",
    b"truefalse",
    b"[1]x",
    b"{\"a\":1}#",
    b"[,]",
    b"[1,]",
    b"[,1]",
    b"[1,,2]",
    b"[1 2]",
    b"{,}",
    b"{\"a\":1,}",
    b"{\"a\":1,,\"b\":2}",
    b"{\"a\" 1}",
    b"{\"a\"::1}",
    b"{:1}",
    b"{a:1}",
    b"{1:1}",
    b"{'a':1}",
    b"{null:1}",
    b"{\"a\":1 \"b\":2}",
    b"[1}",
    b"{\"a\":1]",
    b"{[]:1}",
    b"[\"a\":1]",
    b"{\"a\"}",
    b"[(1)]",
    b"<null>",
    b"[*]",
    b"{\"a\":/*c*/1}",
    b"// c\n1",
    b"1;",
    b"[1]\x00",
    b"\x00",
    b"[\x0c]",
    b"\xc2\xa01",
    b"\xe2\x81\xa0[]",
    // Words.
    b"True",
    b"NULL",
    b"nil",
    b"undefined",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"-NaN",
    b"inf",
    // Numbers.
    b"01",
    b"-01",
    b"00",
    b"+1",
    b"++1",
    b"--1",
    b"1.",
    b".1",
    b"-.1",
    b"-1.",
    b"1.e1",
    b"1e",
    b"1E+",
    b"1e1.5",
    b"1ee1",
    b"0x1",
    b"1x",
    b"1_000",
    b"1,000",
    b"0e",
    b"1 000",
    b"- 1",
    b"1e 1",
    b"\xef\xbc\x91",
    b"1f",
    b"0b1",
    b"1.2.3",
    // Strings.
    b"'a'",
    b"\"\\\"",
    b"\"\\x41\"",
    b"\"\\a\"",
    b"\"\\0\"",
    b"\"\\'\"",
    b"\"\\u\"",
    b"\"\\u1\"",
    b"\"\\u12\"",
    b"\"\\u123\"",
    b"\"\\u123g\"",
    b"\"\\u 123\"",
    b"\"\\u-123\"",
    b"\"\\U0041\"",
    b"\"\n\"",
    b"\"\t\"",
    b"\"\x00\"",
    b"\"\x1f\"",
    b"\"a\" b",
    b"\"\\ud800\"",
    b"\"\\udfff\"",
    b"\"\\ud800\\ud800\"",
    b"\"\\ud800x\"",
    b"\"\\ud800\\\"",
    b"\"\\ud800\\u\"",
    b"\"\\udc00\\ud800\"",
    b"a",
    b"\\u0022a\\u0022",
    b"\"\\\xc3\xa9\"",
    // Encodings: bare continuation, overlong, surrogates, beyond Unicode, cut off, UTF-16, byte order marks.
    b"\"\x80\"",
    b"\"\xc0\x80\"",
    b"\"\xe0\x80\x80\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xf8\x88\x80\x80\x80\"",
    b"\"\xe2\x82\"",
    b"\"\xff\"",
    b"\xfe\xff\x00[\x00]",
    b"\xff\xfe[\x00]\x00",
    b"\xef\xbb\xbf[]",
    b"\"\xc3\"",
    b"[\xe9]",
];

#[test]
fn what_the_grammar_allows_is_accepted_and_comes_back_the_same() {
    for text in ACCEPTED {
        let shown = String::from_utf8_lossy(text);
        let value = Json::parse(text).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut again = Vec::new();
        value.encode(&mut again);
        assert_eq!(Json::parse(&again).as_ref(), Ok(&value), "{shown}");
    }
}

#[test]
fn what_the_grammar_does_not_allow_is_refused() {
    for text in REFUSED {
        assert!(
            Json::parse(text).is_err(),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn every_beginning_of_a_valid_text_is_refused_without_harm() {
    let text = br#"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n"],"b":{"c":null,"d":[true,false]}}"#;
    assert!(Json::parse(text).is_ok());
    for end in 0..text.len() {
        assert!(Json::parse(&text[..end]).is_err(), "{end} bytes of it");
    }
}

#[test]
fn nesting_bombs_of_every_shape_are_refused() {
    for bomb in ["[", "{\"\":", "[[],", "[{\"a\":", "{\"a\":["] {
        let text = bomb.repeat((16 << 20) / bomb.len());
        let error = Json::parse(text.as_bytes()).expect_err(bomb);
        assert!(error.expected.contains("128 nested"), "{bomb}: {error}");
    }
}

/// One valid message of each kind that a node takes.
const VALID: &[&str] = &[
    r#"{"id":1,"src":"c1","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n0","n1","n2"]}}"#,
    r#"{"src":"c1","dest":"n1","body":{"type":"topology","msg_id":2,"topology":{"n1":["n0"],"n0":["n1"]}}}"#,
    r#"{"src":"c1","dest":"n1","body":{"type":"broadcast","msg_id":3,"message":1000}}"#,
    r#"{"src":"c1","dest":"n1","body":{"type":"read","msg_id":4}}"#,
    r#"{"src":"c1","dest":"n1","body":{"type":"echo","msg_id":5,"echo":{"a":[1.5,"\u00e9\ud83d\ude00"]}}}"#,
    r#"{"src":"c1","dest":"n1","body":{"type":"stats","msg_id":6}}"#,
    r#"{"src":"n0","dest":"n1","body":{"type":"delta","offset":0,"values":[3,-5,8],"ack":0,"gap":true}}"#,
    r#"{"src":"n0","dest":"n1","body":{"type":"ack","offset":3,"ack":0}}"#,
];

/// Bytes and pieces that matter to a parser.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "-",
    "0",
    "9223372036854775808",
    "1e999",
    ".",
    "e",
    "null",
    "true",
    "\n",
    "\0",
    " ",
    "é",
    "\u{10ffff}",
    "\"type\":\"delta\"",
    "\"gap\":1",
    "\"ack\":9223372036854775807",
    "\"offset\":9223372036854775807",
    "\"values\":[]",
    "n0",
    "n1",
];

fn mutate(rng: &mut Rng) -> Vec<u8> {
    let mut line = VALID[rng.below(VALID.len() as u64) as usize]
        .as_bytes()
        .to_vec();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(line.len() as u64 + 1) as usize;
        let to = at + rng.below((line.len() - at) as u64 + 1).min(12) as usize;
        match rng.below(5) {
            0 if at < line.len() => line[at] = rng.next() as u8,
            1 if at < line.len() => line[at] ^= 1 << rng.below(8),
            2 => drop(line.drain(at..to)),
            3 => {
                let again = line[at..to].to_vec();
                drop(line.splice(at..at, again));
            }
            _ => {
                let piece = PIECES[rng.below(PIECES.len() as u64) as usize];
                drop(line.splice(at..at, piece.bytes()));
            }
        }
    }
    line
}

/// A node of three that has not heard anything.
fn node() -> Node<Broadcast> {
    let mut node = Node::new(Config {
        log: Level::Warn,
        ..Config::default()
    });
    node.handle_line(Instant::ZERO, VALID[0].as_bytes());
    assert!(said(&mut node).contains("init_ok"));
    node
}

/// All that the node has to say.
fn said(node: &mut Node<Broadcast>) -> String {
    let mut out = Vec::new();
    while node.poll_transmit(&mut out) {}
    String::from_utf8(out).expect("a node speaks UTF-8")
}

/// How many values a line brings at most.
fn brings(line: &[u8]) -> u64 {
    let Ok(json) = Json::parse(line) else {
        return 0;
    };
    let body = json.get("body");
    let values = body.and_then(|body| body.get("values")?.as_array());
    1.max(values.map_or(0, |values| values.len() as u64))
}

#[test]
fn a_million_mutated_messages_neither_kill_a_node_nor_teach_it_what_was_not_sent() {
    let mutations = std::env::var("MUTATIONS")
        .ok()
        .and_then(|count| count.parse().ok());
    let rng = &mut Rng::new(1, "mutations");
    let mut node = node();
    let mut refused = 0;
    for number in 0..mutations.unwrap_or(MUTATIONS) {
        let line = mutate(rng);
        let now = Instant::from_millis(number);
        let before = node.workload().len();
        node.handle_line(now, &line);
        refused += u64::from(matches!(node.poll_event(), Some(Event::Refused(..))));
        assert!(
            node.workload().len() - before <= brings(&line),
            "{}",
            String::from_utf8_lossy(&line)
        );
        node.end_turn(now);
        while node.poll_event().is_some() {}
        for line in said(&mut node).lines() {
            let json = Json::parse(line.as_bytes());
            assert!(json.is_ok(), "whatever it hears, it says JSON: {line}");
        }
        assert!(
            node.poll_timeout().is_none_or(|next| next > now),
            "no busy loop"
        );
    }
    let share = refused as f64 / mutations.unwrap_or(MUTATIONS) as f64;
    assert!(
        (0.3..0.95).contains(&share),
        "mutations hit both sides: {share}"
    );
}

#[test]
fn noise_between_good_messages_takes_no_answer_away() {
    let rng = &mut Rng::new(2, "noise");
    let mut node = node();
    for number in 0..100_000 {
        let mut noise: Vec<u8> = (0..rng.below(60)).map(|_| rng.next() as u8).collect();
        noise.retain(|&byte| byte != b'\n');
        node.handle_line(Instant::ZERO, &noise);
        assert_eq!(said(&mut node), "", "noise has no address");
        let good = format!(
            r#"{{"src":"c1","dest":"n1","body":{{"type":"broadcast","msg_id":{number},"message":{number}}}}}"#
        );
        node.handle_line(Instant::ZERO, good.as_bytes());
        let answer = said(&mut node);
        let number = format!(r#""in_reply_to":{number}}}"#);
        assert!(answer.contains(&number), "every good message is answered");
    }
    assert_eq!(node.workload().len(), 100_000);
}
