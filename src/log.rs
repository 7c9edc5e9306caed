//! Log lines in logfmt: `level=warn event=suspect peer=n3 unacked=12`.
//!
//! The core does not print. It makes records that its driver takes with
//! [`poll_log`](crate::node::Node::poll_log); the node's loop writes them to
//! stderr, where Maelstrom and the testbed collect them in a file a node.

use std::fmt::{Display, Write};

use crate::json;

/// How much a node says. Each level includes those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing but what ends the node.
    Error,
    /// Refused input, a neighbour that does not answer.
    Warn,
    /// One line at start, recoveries. The default.
    Info,
    /// Every window that closes, every gap, every retransmission.
    Debug,
}

impl Level {
    /// All levels, fewest lines first.
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Debug];

    /// The name on the command line and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The level with this name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// How much of a value is logged. Unit: characters. A message may have 16 MiB,
/// and a log is for people.
const MAX_VALUE: usize = 200;

/// The beginning of `text`, up to 200 characters.
pub fn clip(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// One log line without its line break, built field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    line: String,
}

impl Record {
    /// Starts the line `level=... event=...`.
    pub fn new(level: Level, event: &str) -> Record {
        Record {
            line: format!("level={} event={event}", level.name()),
        }
    }

    /// Adds ` name=value`. A value with spaces, quotes or control characters is
    /// quoted and escaped as in JSON, so that one record is always one line; a
    /// long one is [clipped](clip).
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Display) -> Record {
        let value = clip(&value.to_string());
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
        // Writing to a String cannot fail.
        if !value.is_empty() && value.chars().all(plain) {
            let _ = write!(self.line, " {name}={value}");
        } else {
            let mut quoted = Vec::new();
            json::encode_str(&value, &mut quoted);
            let _ = write!(self.line, " {name}={}", String::from_utf8_lossy(&quoted));
        }
        self
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        &self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_of_names_and_values() {
        let record = Record::new(Level::Warn, "suspect")
            .field("peer", "n3")
            .field("unacked", 12);
        assert_eq!(
            record.as_str(),
            "level=warn event=suspect peer=n3 unacked=12"
        );
    }

    #[test]
    fn a_value_that_would_break_the_line_is_quoted() {
        let record = Record::new(Level::Warn, "refused").field("line", "a \"b\"\nlevel=info");
        assert_eq!(
            record.as_str(),
            r#"level=warn event=refused line="a \"b\"\nlevel=info""#
        );
        let long = Record::new(Level::Warn, "refused").field("line", "é".repeat(1000));
        assert!(long.as_str().ends_with("éé...") && long.as_str().chars().count() < 240);
        let empty = Record::new(Level::Warn, "refused").field("line", "");
        assert_eq!(empty.as_str(), r#"level=warn event=refused line="""#);
    }
}
