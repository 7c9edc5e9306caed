//! Messages: the envelope, every body the node understands or sends, and their
//! way to and from a line of JSON.
//!
//! Maelstrom's protocol (its `doc/protocol.md`): one JSON object a line, with a
//! source, a destination and a body. Read [`Body`] from top to bottom and you
//! have the whole conversation of a cluster:
//!
//! ```text
//! {"src":"c1","dest":"n3","body":{"type":"broadcast","msg_id":7,"message":42}}
//! {"src":"n3","dest":"c1","body":{"type":"broadcast_ok","in_reply_to":7}}
//! {"src":"n3","dest":"n0","body":{"type":"delta","offset":9,"values":[42],"ack":120}}
//! {"src":"n0","dest":"n3","body":{"type":"ack","offset":120,"ack":10}}
//! ```
//!
//! A line that is no message becomes a [`Rejection`], which carries the error
//! reply for its sender where the line says who that is.
//!
//! Two rules for replies, each decided once, here:
//!
//! - `msg_id` is an integer, says Maelstrom. Anything else, `null` and `3.0` among
//!   it, is refused with error 12, and that error's `in_reply_to` gives back the
//!   very JSON that came: whoever numbers requests in another way can only
//!   recognise what it sent.
//! - What has an `in_reply_to`, of whatever kind, is itself a reply. This node asks
//!   nobody anything, and answering answers would never end: it is refused, and
//!   nobody is told.

use crate::interval_set::IntervalSet;
use crate::json::{self, Json};
use crate::link::LinkStats;

/// One line: who says what to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The sender's name: `n3` for a node, `c7` for a client.
    pub src: String,
    /// The receiver's name.
    pub dest: String,
    /// What is said.
    pub body: Body,
}

/// Everything that nodes and clients say to each other.
///
/// `msg_id` numbers a request; a request without one is obeyed and not
/// answered. A reply names it in `in_reply_to`.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    // From a client, once, before everything else.
    /// "You are `node_id`, and these are all the nodes."
    Init {
        /// The number to reply to.
        msg_id: Option<i64>,
        /// The receiver's own name.
        node_id: String,
        /// All names, in the same order for every node.
        node_ids: Vec<String>,
    },
    /// "I am ready."
    InitOk {
        /// The request's number.
        in_reply_to: i64,
    },
    /// "You might talk to these neighbours": advice, which hubcast does not take.
    Topology {
        /// The number to reply to.
        msg_id: Option<i64>,
    },
    /// "Thank you."
    TopologyOk {
        /// The request's number.
        in_reply_to: i64,
    },

    // From clients, at any time.
    /// "Tell everybody `message`."
    Broadcast {
        /// The number to reply to.
        msg_id: Option<i64>,
        /// The value to spread.
        message: i64,
    },
    /// "I have it, and will not forget it."
    BroadcastOk {
        /// The request's number.
        in_reply_to: i64,
    },
    /// "What have you heard?"
    Read {
        /// The number to reply to.
        msg_id: Option<i64>,
    },
    /// "All of this": ascending, each value once.
    ReadOk {
        /// The request's number.
        in_reply_to: i64,
        /// The values.
        messages: IntervalSet,
    },
    /// "Say it back": the first lesson.
    Echo {
        /// The number to reply to.
        msg_id: Option<i64>,
        /// Any JSON.
        echo: Json<'static>,
    },
    /// What was asked to be said back.
    EchoOk {
        /// The request's number.
        in_reply_to: i64,
        /// The same JSON.
        echo: Json<'static>,
    },
    /// "How are your links?"
    Stats {
        /// The number to reply to.
        msg_id: Option<i64>,
    },
    /// Counters of every link, and how many values there are.
    StatsOk {
        /// The request's number.
        in_reply_to: i64,
        /// How many values the node holds.
        values: u64,
        /// Neighbour and counters, in the order of the tree.
        links: Vec<(String, LinkStats)>,
    },
    /// "I cannot", with Maelstrom's code and a sentence.
    Error {
        /// The request's number; what stood there if that is no number.
        in_reply_to: Json<'static>,
        /// Which kind of error.
        code: ErrorCode,
        /// What was wrong, and what would be right.
        text: String,
    },

    // Between neighbours in the tree: see the module `link`.
    /// "These are the values from `offset` on of my stream to you; I have yours
    /// below `ack`."
    Delta {
        /// The place of the first value in the sender's stream.
        offset: u64,
        /// One value or more. (With none it counts as an ack.)
        values: Vec<i64>,
        /// Cumulative: every value of the receiver's stream below this offset
        /// has arrived. It rides along: a piggybacked ack.
        ack: u64,
        /// "Something of yours may be missing here: send again from `ack`, and
        /// answer at once." Left out on the wire when false.
        gap: bool,
    },
    /// The same with nothing to send: an ack alone.
    Ack {
        /// Where the sender's stream stands; beyond what has arrived, it shows a loss.
        offset: u64,
        /// As in a delta.
        ack: u64,
        /// As in a delta.
        gap: bool,
    },
}

/// Maelstrom's error codes, as far as the node uses them. All of them are
/// *definite*: the operation did not happen, and never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 10: the node has no such request.
    NotSupported,
    /// 11: not now; the node was not initialised yet.
    TemporarilyUnavailable,
    /// 12: a field is missing or not what it should be.
    MalformedRequest,
}

impl ErrorCode {
    /// The number on the wire.
    pub fn number(self) -> i64 {
        match self {
            ErrorCode::NotSupported => 10,
            ErrorCode::TemporarilyUnavailable => 11,
            ErrorCode::MalformedRequest => 12,
        }
    }
}

/// A line that is no message of ours. No state has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// What was wrong, where, and what would be right.
    pub text: String,
    /// Whom the line was for, if it tells that.
    pub dest: Option<String>,
    /// The error reply for the sender, if the line tells who sent it and under
    /// which number.
    pub reply: Option<Box<Message>>,
}

impl Message {
    /// Reads one line, without its line break.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if the line is not JSON, has no valid envelope, a type that
    /// no request has, or a field that is missing or of the wrong kind.
    pub fn decode(line: &[u8]) -> Result<Message, Rejection> {
        let refuse = |text: String| Rejection {
            text,
            dest: None,
            reply: None,
        };
        let json = Json::parse(line).map_err(|error| refuse(error.to_string()))?;
        if !matches!(json, Json::Object(_)) {
            return Err(refuse(
                "a message is an object with src, dest and body".into(),
            ));
        }
        let src = text_field(&json, "src").map_err(refuse)?;
        let dest = text_field(&json, "dest").map_err(refuse)?;
        let body = match json.get("body") {
            Some(body @ Json::Object(_)) => body,
            _ => return Err(refuse("body must be an object".into())),
        };
        match decode_body(body) {
            Ok(body) => Ok(Message { src, dest, body }),
            Err((code, text)) => {
                let is_reply = body.get("in_reply_to").is_some();
                let msg_id = body.get("msg_id").filter(|_| !is_reply);
                let reply = msg_id.map(|msg_id| {
                    let body = Body::Error {
                        in_reply_to: msg_id.to_static(),
                        code,
                        text: text.clone(),
                    };
                    let (src, dest) = (dest.clone(), src);
                    Box::new(Message { src, dest, body })
                });
                Err(Rejection {
                    text,
                    dest: Some(dest),
                    reply,
                })
            }
        }
    }

    /// Appends the message as one line of JSON, line break included.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"src\":");
        json::encode_str(&self.src, out);
        out.extend_from_slice(b",\"dest\":");
        json::encode_str(&self.dest, out);
        out.extend_from_slice(b",\"body\":");
        self.body.encode(out);
        out.extend_from_slice(b"}\n");
    }
}

fn decode_body(body: &Json<'_>) -> Result<Body, (ErrorCode, String)> {
    let malformed = |text| (ErrorCode::MalformedRequest, text);
    if body.get("in_reply_to").is_some() {
        let text = "it has in_reply_to, and this node has asked nothing";
        return Err(malformed(text.into()));
    }
    let kind = body
        .get("type")
        .and_then(Json::as_str)
        .ok_or_else(|| malformed("body.type must be a string".into()))?;
    let msg_id = body.get("msg_id").map(|id| int(Some(id), "msg_id"));
    let msg_id = msg_id.transpose().map_err(malformed)?;
    let offset = |name| offset_field(body, name).map_err(malformed);
    let gap = || match body.get("gap") {
        None => Ok(false),
        Some(Json::Bool(gap)) => Ok(*gap),
        Some(_) => Err(malformed("gap must be true or false".into())),
    };
    Ok(match kind {
        "broadcast" => Body::Broadcast {
            msg_id,
            message: int(body.get("message"), "message").map_err(malformed)?,
        },
        "read" => Body::Read { msg_id },
        "delta" => Body::Delta {
            offset: offset("offset")?,
            values: elements(body, "values", int).map_err(malformed)?,
            ack: offset("ack")?,
            gap: gap()?,
        },
        "ack" => Body::Ack {
            offset: offset("offset")?,
            ack: offset("ack")?,
            gap: gap()?,
        },
        "init" => Body::Init {
            msg_id,
            node_id: text_field(body, "node_id").map_err(malformed)?,
            node_ids: elements(body, "node_ids", text).map_err(malformed)?,
        },
        "topology" => Body::Topology { msg_id },
        "echo" => Body::Echo {
            msg_id,
            echo: body
                .get("echo")
                .ok_or_else(|| malformed("echo is missing; any JSON would do".into()))?
                .to_static(),
        },
        "stats" => Body::Stats { msg_id },
        _ => {
            return Err((
                ErrorCode::NotSupported,
                format!(
                    "no request is called {}; there are init, topology, broadcast, read, echo and stats",
                    Json::String(crate::log::clip(kind).into())
                ),
            ));
        }
    })
}

fn text(value: Option<&Json<'_>>, name: &str) -> Result<String, String> {
    let text = value.and_then(Json::as_str);
    text.map(String::from)
        .ok_or_else(|| format!("{name} must be a string"))
}

fn text_field(object: &Json<'_>, name: &str) -> Result<String, String> {
    text(object.get(name), name)
}

fn int(value: Option<&Json<'_>>, name: &str) -> Result<i64, String> {
    value.and_then(Json::as_int).ok_or_else(|| {
        format!(
            "{name} must be an integer from {} to {}, written without fraction or exponent",
            i64::MIN,
            i64::MAX
        )
    })
}

/// An offset in a stream: an integer that is not negative. What arrives as an
/// `i64` leaves half of `u64` as headroom, so sums of two cannot overflow.
fn offset_field(object: &Json<'_>, name: &str) -> Result<u64, String> {
    let offset = object.get(name).and_then(Json::as_int);
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .ok_or_else(|| format!("{name} must be an integer of at least 0"))
}

/// The elements of the array `name`, each read by `element`.
fn elements<T>(
    object: &Json<'_>,
    name: &str,
    element: impl Fn(Option<&Json<'_>>, &str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Some(array) = object.get(name).and_then(Json::as_array) else {
        return Err(format!("{name} must be an array"));
    };
    let each = array.iter().map(|value| element(Some(value), name));
    each.collect::<Result<_, _>>()
        .map_err(|text| format!("an element of {text}"))
}

impl Body {
    /// The name of the body on the wire, its `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Init { .. } => "init",
            Body::InitOk { .. } => "init_ok",
            Body::Topology { .. } => "topology",
            Body::TopologyOk { .. } => "topology_ok",
            Body::Broadcast { .. } => "broadcast",
            Body::BroadcastOk { .. } => "broadcast_ok",
            Body::Read { .. } => "read",
            Body::ReadOk { .. } => "read_ok",
            Body::Echo { .. } => "echo",
            Body::EchoOk { .. } => "echo_ok",
            Body::Stats { .. } => "stats",
            Body::StatsOk { .. } => "stats_ok",
            Body::Error { .. } => "error",
            Body::Delta { .. } => "delta",
            Body::Ack { .. } => "ack",
        }
    }

    /// The number to reply to, if this is a request that has one.
    pub fn msg_id(&self) -> Option<i64> {
        match self {
            Body::Init { msg_id, .. }
            | Body::Topology { msg_id }
            | Body::Broadcast { msg_id, .. }
            | Body::Read { msg_id }
            | Body::Echo { msg_id, .. }
            | Body::Stats { msg_id } => *msg_id,
            _ => None,
        }
    }

    /// Appends the body as a JSON object.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(self.kind().as_bytes());
        out.push(b'"');
        match self {
            Body::Init {
                msg_id,
                node_id,
                node_ids,
            } => {
                opt_field("msg_id", *msg_id, out);
                str_field("node_id", node_id, out);
                list_field("node_ids", node_ids, out, |id, out| {
                    json::encode_str(id, out)
                });
            }
            Body::Topology { msg_id } | Body::Read { msg_id } | Body::Stats { msg_id } => {
                opt_field("msg_id", *msg_id, out);
            }
            Body::Broadcast { msg_id, message } => {
                opt_field("msg_id", *msg_id, out);
                int_field("message", *message, out);
            }
            Body::Echo { msg_id, echo } => {
                opt_field("msg_id", *msg_id, out);
                name("echo", out);
                echo.encode(out);
            }
            Body::InitOk { in_reply_to }
            | Body::TopologyOk { in_reply_to }
            | Body::BroadcastOk { in_reply_to } => int_field("in_reply_to", *in_reply_to, out),
            Body::ReadOk {
                in_reply_to,
                messages,
            } => {
                int_field("in_reply_to", *in_reply_to, out);
                name("messages", out);
                json::encode_ranges(messages.ranges(), out);
            }
            Body::EchoOk { in_reply_to, echo } => {
                int_field("in_reply_to", *in_reply_to, out);
                name("echo", out);
                echo.encode(out);
            }
            Body::StatsOk {
                in_reply_to,
                values,
                links,
            } => {
                int_field("in_reply_to", *in_reply_to, out);
                int_field("values", *values as i64, out);
                let mut totals = LinkStats::default();
                list_field("links", links, out, |(peer, stats), out| {
                    totals.add(stats);
                    out.push(b'{');
                    out.extend_from_slice(b"\"peer\":");
                    json::encode_str(peer, out);
                    for (field, count) in stats.fields() {
                        int_field(field, count as i64, out);
                    }
                    out.push(b'}');
                });
                name("totals", out);
                out.push(b'{');
                for (i, (field, count)) in totals.fields().into_iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    json::encode_str(field, out);
                    out.push(b':');
                    json::encode_int(count as i64, out);
                }
                out.push(b'}');
            }
            Body::Error {
                in_reply_to,
                code,
                text,
            } => {
                name("in_reply_to", out);
                in_reply_to.encode(out);
                int_field("code", code.number(), out);
                str_field("text", text, out);
            }
            Body::Delta {
                offset,
                values,
                ack,
                gap,
            } => {
                int_field("offset", *offset as i64, out);
                list_field("values", values.iter().copied(), out, json::encode_int);
                int_field("ack", *ack as i64, out);
                flag("gap", *gap, out);
            }
            Body::Ack { offset, ack, gap } => {
                int_field("offset", *offset as i64, out);
                int_field("ack", *ack as i64, out);
                flag("gap", *gap, out);
            }
        }
        out.push(b'}');
    }
}

/// `,"name":` with a name that needs no escapes.
fn name(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn int_field(field: &str, value: i64, out: &mut Vec<u8>) {
    name(field, out);
    json::encode_int(value, out);
}

fn opt_field(field: &str, value: Option<i64>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        int_field(field, value, out);
    }
}

fn str_field(field: &str, value: &str, out: &mut Vec<u8>) {
    name(field, out);
    json::encode_str(value, out);
}

fn flag(field: &str, value: bool, out: &mut Vec<u8>) {
    if value {
        name(field, out);
        out.extend_from_slice(b"true");
    }
}

fn list_field<T>(
    field: &str,
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut item: impl FnMut(T, &mut Vec<u8>),
) {
    name(field, out);
    out.push(b'[');
    for (i, each) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        item(each, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(body: &str) -> String {
        format!(r#"{{"id":3,"src":"c1","dest":"n0","body":{body}}}"#)
    }

    fn body(text: &str) -> Body {
        Message::decode(line(text).as_bytes()).expect(text).body
    }

    fn rejection(text: &str) -> Rejection {
        Message::decode(line(text).as_bytes()).expect_err(text)
    }

    #[test]
    fn requests_and_gossip_survive_the_way_to_the_wire_and_back() {
        let bodies = [
            Body::Init {
                msg_id: Some(1),
                node_id: "n0".into(),
                node_ids: vec!["n0".into(), "n\"1".into()],
            },
            Body::Topology { msg_id: Some(2) },
            Body::Broadcast {
                msg_id: None,
                message: i64::MIN,
            },
            Body::Read {
                msg_id: Some(i64::MAX),
            },
            Body::Echo {
                msg_id: Some(3),
                echo: Json::parse(br#"{"a":[1.50,"\u0000",null]}"#)
                    .unwrap()
                    .to_static(),
            },
            Body::Stats { msg_id: Some(4) },
            Body::Delta {
                offset: 120,
                values: vec![3, -5, 8],
                ack: 88,
                gap: false,
            },
            Body::Delta {
                offset: 0,
                values: vec![0],
                ack: 0,
                gap: true,
            },
            Body::Ack {
                offset: 123,
                ack: 90,
                gap: true,
            },
        ];
        for body in bodies {
            let message = Message {
                src: "a".into(),
                dest: "b\n".into(),
                body,
            };
            let mut wire = Vec::new();
            message.encode(&mut wire);
            assert_eq!(wire.pop(), Some(b'\n'));
            assert!(!wire.contains(&b'\n'), "one message, one line");
            assert_eq!(Message::decode(&wire), Ok(message));
        }
    }

    #[test]
    fn the_wire_looks_as_the_design_says() {
        let delta = Body::Delta {
            offset: 120,
            values: vec![3, 5, 8],
            ack: 88,
            gap: false,
        };
        let ack = Body::Ack {
            offset: 123,
            ack: 90,
            gap: true,
        };
        let read = Body::ReadOk {
            in_reply_to: 4,
            messages: [2, 1, -7].into_iter().collect(),
        };
        let wire = |body: &Body| {
            let mut out = Vec::new();
            body.encode(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            wire(&delta),
            r#"{"type":"delta","offset":120,"values":[3,5,8],"ack":88}"#
        );
        assert_eq!(
            wire(&ack),
            r#"{"type":"ack","offset":123,"ack":90,"gap":true}"#
        );
        assert_eq!(
            wire(&read),
            r#"{"type":"read_ok","in_reply_to":4,"messages":[-7,1,2]}"#
        );
    }

    #[test]
    fn fields_it_does_not_know_are_passed_over() {
        let known = body(r#"{"type":"read","msg_id":1,"colour":"red"}"#);
        assert_eq!(known, Body::Read { msg_id: Some(1) });
        assert_eq!(
            body(r#"{"type":"topology","msg_id":2,"topology":7}"#),
            Body::Topology { msg_id: Some(2) }
        );
    }

    #[test]
    fn a_bad_request_is_refused_with_a_reply_where_there_is_an_address() {
        let cases = [
            (
                r#"{"type":"fly","msg_id":1}"#,
                10,
                "no request is called \"fly\"",
            ),
            (
                r#"{"type":"broadcast","msg_id":1}"#,
                12,
                "message must be an integer",
            ),
            (
                r#"{"type":"broadcast","msg_id":1,"message":"x"}"#,
                12,
                "message must be an integer",
            ),
            (
                r#"{"type":"broadcast","msg_id":1,"message":1.0}"#,
                12,
                "without fraction",
            ),
            (
                r#"{"type":"broadcast","msg_id":1,"message":1e2}"#,
                12,
                "without fraction",
            ),
            (
                r#"{"type":"broadcast","msg_id":1,"message":9223372036854775808}"#,
                12,
                "from -9223372036854775808",
            ),
            (r#"{"type":"echo","msg_id":1}"#, 12, "echo is missing"),
            (
                r#"{"type":"init","msg_id":1,"node_id":"n0"}"#,
                12,
                "node_ids must be an array",
            ),
            (
                r#"{"type":"init","msg_id":1,"node_id":"n0","node_ids":[1]}"#,
                12,
                "an element of node_ids must be a string",
            ),
            (
                r#"{"type":"delta","msg_id":1,"offset":-1,"values":[],"ack":0}"#,
                12,
                "offset must be an integer of at least 0",
            ),
            (
                r#"{"type":"ack","msg_id":1,"offset":1,"ack":0,"gap":1}"#,
                12,
                "gap must be true or false",
            ),
            (r#"{"msg_id":1}"#, 12, "body.type must be a string"),
        ];
        for (text, number, part) in cases {
            let rejection = rejection(text);
            assert!(rejection.text.contains(part), "{text}: {}", rejection.text);
            let reply = rejection.reply.expect(text);
            assert_eq!((reply.src.as_str(), reply.dest.as_str()), ("n0", "c1"));
            match reply.body {
                Body::Error {
                    in_reply_to: Json::Int(1),
                    code,
                    ..
                } => assert_eq!(code.number(), number, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_msg_id_that_is_no_integer_is_refused_and_given_back_as_it_came() {
        for id in [
            "null",
            "3.0",
            "1e2",
            "\"x\"",
            "[1,{}]",
            "9223372036854775808",
        ] {
            for kind in ["broadcast", "read", "delta"] {
                let text = format!(r#"{{"type":"{kind}","message":1,"msg_id":{id}}}"#);
                let reply = rejection(&text).reply.expect(&text);
                let mut out = Vec::new();
                reply.encode(&mut out);
                let out = String::from_utf8(out).unwrap();
                let part = format!(
                    r#""in_reply_to":{id},"code":12,"text":"msg_id must be an integer from"#
                );
                assert!(out.contains(&part), "{text}: {out}");
            }
        }
    }

    #[test]
    fn what_has_an_in_reply_to_is_never_answered() {
        for id in ["1", "null", "1.0", "\"x\""] {
            for kind in ["\"error\"", "\"read\"", "\"fly\"", "7"] {
                let text = format!(r#"{{"type":{kind},"msg_id":1,"in_reply_to":{id}}}"#);
                assert_eq!(rejection(&text).reply, None, "{text}");
            }
        }
    }

    #[test]
    fn without_an_address_there_is_no_reply() {
        assert_eq!(rejection(r#"{"type":"fly"}"#).reply, None);
        for line in [
            "",
            "7",
            "[]",
            "{}",
            r#"{"src":"c1","dest":"n0"}"#,
            r#"{"src":1,"dest":"n0","body":{}}"#,
        ] {
            assert_eq!(
                Message::decode(line.as_bytes()).expect_err(line).reply,
                None,
                "{line}"
            );
        }
    }

    #[test]
    fn of_duplicate_names_the_last_counts_and_minus_zero_is_zero() {
        let last = body(r#"{"type":"broadcast","message":1,"message":2}"#);
        assert_eq!(
            last,
            Body::Broadcast {
                msg_id: None,
                message: 2
            }
        );
        let zero = body(r#"{"type":"broadcast","message":-0}"#);
        assert_eq!(
            zero,
            Body::Broadcast {
                msg_id: None,
                message: 0
            }
        );
    }
}
