//! The envelope, and how a body is read and written.
//!
//! Maelstrom's protocol (its `doc/protocol.md`): one JSON object a line, with a
//! source, a destination and a body. A body has a type and, if it is a request,
//! a number to reply to:
//!
//! ```text
//! {"src":"c1","dest":"n3","body":{"type":"broadcast","msg_id":7,"message":42}}
//! {"src":"n3","dest":"c1","body":{"type":"broadcast_ok","in_reply_to":7}}
//! {"src":"n3","dest":"n0","body":{"type":"delta","offset":9,"values":[42],"ack":120}}
//! {"src":"n0","dest":"n3","body":{"type":"ack","offset":120,"ack":10}}
//! ```
//!
//! This module knows the envelope alone. What else a body holds is read with
//! [`Fields`] and written with [`json::Object`] by whom it concerns: a request by
//! its workload, a delta by the link.
//!
//! **`null` is absent**, in every field that may be left out: client libraries write it
//! for "none". [`Fields::get`] is the place where that is decided. In a field that must be
//! there `null` is a value like any other: an `echo` gives it back, and a `message` must
//! be an integer.
//!
//! Three rules for replies:
//!
//! - A request without `msg_id` is obeyed and not answered.
//! - `msg_id` is an integer, says Maelstrom. Anything else, `3.0` for one, is refused
//!   with error 12. That error's `in_reply_to` gives back the very JSON that came:
//!   whoever numbers requests in another way can only recognise what it sent.
//! - What has an `in_reply_to`, of whatever kind, is itself a reply. This node asks
//!   nobody anything, and answering answers would never end: it is ignored, and
//!   nobody is told.

use std::fmt;

use crate::json::{self, Json};

/// A line that was read: who says what to whom. Borrowed from the parsed line.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The sender's name: `n3` for a node, `c7` for a client.
    pub src: &'a str,
    /// The receiver's name.
    pub dest: &'a str,
    /// The number to reply to, as it came; `None`: no reply is wanted.
    pub msg_id: Option<&'a Json<'a>>,
    /// Whether the body answers another message. Such a body is never answered.
    pub is_reply: bool,
    /// What is said.
    pub body: Fields<'a>,
}

impl<'a> Message<'a> {
    /// Takes the envelope off a parsed line.
    ///
    /// # Errors
    ///
    /// A sentence, if there is no `src`, no `dest` or no `body` to be found.
    pub fn read(line: &'a Json<'a>) -> Result<Message<'a>, String> {
        if !matches!(line, Json::Object(_)) {
            return Err("a message is an object with src, dest and body".into());
        }
        let envelope = Fields(line);
        let body = envelope.object("body")?;
        Ok(Message {
            src: envelope.text("src")?,
            dest: envelope.text("dest")?,
            msg_id: body.get("msg_id"),
            is_reply: body.get("in_reply_to").is_some(),
            body,
        })
    }

    /// The body's name, its `type`.
    ///
    /// # Errors
    ///
    /// A sentence, if it has none.
    pub fn kind(&self) -> Result<&'a str, String> {
        self.body.text("type")
    }
}

/// Appends one line, line break included, whose body `fields` writes.
pub fn write(out: &mut Vec<u8>, src: &str, dest: &str, fields: impl FnOnce(&mut json::Object<'_>)) {
    json::object(out, |envelope| {
        envelope.text("src", src);
        envelope.text("dest", dest);
        envelope.object("body", fields);
    });
    out.push(b'\n');
}

/// The fields of an object. Each reader says what is wrong in the same words:
/// "x is missing; it must be ..." or "x must be ...".
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a Json<'a>);

/// What an integer must look like to be one.
const INTEGER: &str = "an integer from -9223372036854775808 to 9223372036854775807, written without fraction or exponent";

impl<'a> Fields<'a> {
    /// A field that may be left out; `None`: it is, or is null.
    pub fn get(self, name: &str) -> Option<&'a Json<'a>> {
        self.0
            .get(name)
            .filter(|value| !matches!(value, Json::Null))
    }

    /// A field that must be there, and `what` it must be: as `read` takes it.
    ///
    /// # Errors
    ///
    /// This and the following: a sentence that names the field and what it must be.
    pub fn read<T>(
        self,
        name: &str,
        what: impl fmt::Display,
        read: impl FnOnce(&'a Json<'a>) -> Option<T>,
    ) -> Result<T, String> {
        let Some(value) = self.0.get(name) else {
            return Err(format!("{name} is missing; it must be {what}"));
        };
        read(value).ok_or_else(|| format!("{name} must be {what}"))
    }

    /// An integer that fits an `i64`.
    pub fn int(self, name: &str) -> Result<i64, String> {
        self.read(name, INTEGER, Json::as_int)
    }

    /// A number that counts something. What arrives as an `i64` leaves half of
    /// `u64` as headroom, so sums of two cannot overflow.
    pub fn count(self, name: &str) -> Result<u64, String> {
        self.read(name, "an integer of at least 0", Json::as_count)
    }

    /// A field that may be left out, as one of the other readers takes it.
    pub fn optional<T>(
        self,
        name: &str,
        read: impl FnOnce(Self, &str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.get(name).map(|_| read(self, name)).transpose()
    }

    /// A string.
    pub fn text(self, name: &str) -> Result<&'a str, String> {
        self.read(name, "a string", Json::as_str)
    }

    /// True or false; false if it is not there.
    pub fn flag(self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!("{name} must be true or false")),
        }
    }

    /// An object's own fields.
    pub fn object(self, name: &str) -> Result<Fields<'a>, String> {
        self.read(name, "an object", |value| {
            matches!(value, Json::Object(_)).then_some(Fields(value))
        })
    }

    /// An array, each element read by `element`, which gets it as a field.
    pub fn list<T>(
        self,
        name: &str,
        what: &str,
        element: impl Fn(&'a Json<'a>) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        let array = format_args!("an array, each element {what}");
        let elements = self.read(name, array, Json::as_array)?;
        let read = elements.iter().map(element).collect::<Option<_>>();
        read.ok_or_else(|| format!("an element of {name} must be {what}"))
    }
}

/// Maelstrom's error codes, as far as the node uses them. All of them are
/// *definite*: the operation did not happen, and never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The node has no such request.
    NotSupported = 10,
    /// Not now; the node was not initialised yet.
    TemporarilyUnavailable = 11,
    /// A field is missing or not what it should be.
    MalformedRequest = 12,
}

/// A request that was not followed. No state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind of error.
    pub code: ErrorCode,
    /// What was wrong, where, and what would be right.
    pub text: String,
}

/// What a field reader says is the request's mistake.
impl From<String> for Refusal {
    fn from(text: String) -> Refusal {
        let code = ErrorCode::MalformedRequest;
        Refusal { code, text }
    }
}
