//! What a node notices: typed events, for its driver to print or to match on.
//!
//! The core does not print. A driver takes events with
//! [`poll_event`](crate::node::AnyNode::poll_event). The node's loop writes them to
//! stderr as logfmt, `level=warn event=suspect peer=n3 unacked=12`. Maelstrom and
//! the testbed collect them there, in a file a node. Nobody reads that text back.

use std::collections::VecDeque;
use std::fmt::{self, Display};

use crate::json::Json;

/// How much a node says. Each level includes those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing but what ends the node.
    Error,
    /// Refused input, a neighbour that does not answer.
    Warn,
    /// One line at start, recoveries. The default.
    Info,
    /// Every departure, every hole, every retransmission.
    Debug,
}

impl Level {
    /// All levels, fewest lines first, by their names on the command line and in the log.
    pub const ALL: [(&'static str, Level); 4] = [
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
    ];
}

/// Which neighbours a departure is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// The parent.
    Hub,
    /// The children.
    Leaves,
}

/// Something worth a line. `peer` is a neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node knows who it is: its name, how many nodes there are, its parent ("-" for
    /// the root), how many children it has.
    Init(String, usize, String, usize),
    /// The journal was read: how many items were in it, and the incarnation that begins.
    Restored(u64, u64),
    /// `peer` knows a later incarnation of this node, which it named: the clock was set
    /// back. The node goes on above that, in the incarnation that is told last, and all its
    /// links begin anew.
    Raised(String, u64, u64),
    /// The end of the journal was torn by a crash, and is cut off: which line, and what is
    /// wrong with it. Nothing that depended on it was ever said.
    Torn(String),
    /// The journal is long and could not be rewritten in short form, and why. It goes on in
    /// its long form, and the node tries again when that has doubled. Not the core's, but
    /// its driver's.
    NotRewritten(String),
    /// A line that is no message: what would be right, and the line's beginning. Nothing
    /// has changed.
    Refused(String, String),
    /// A message that cannot be followed: its type, its sender, and what would be right.
    /// Nothing has changed.
    Ignored(String, String, String),
    /// Nobody read stderr, so this many events were not written. Not the core's, but its
    /// driver's.
    Dropped(u64),
    /// `peer` does not answer; so many items wait for its ack.
    Suspect(String, usize),
    /// The suspect `peer` has acknowledged something new.
    Healthy(String),
    /// Another node stands in for the hub, or this one does, and that one has answered.
    StandIn(String),
    /// `peer` has started anew: what it had been sent may be gone.
    Restarted(String),
    /// The network takes longer than the promise: all departs at once. The promise, and
    /// the longest round trip that was measured. Unit: milliseconds.
    PromiseBroken(u64, u64),
    /// The network leaves something of the promise again. The same two.
    PromiseKept(u64, u64),
    /// A message came from an incarnation of `peer`, this one, that is over: it is late,
    /// or the neighbour's clock was set back. One ack answers it.
    FromThePast(String, u64),
    /// `peer` is told what this node holds, as a digest.
    Sync(String),
    /// Something was lost on its way from `peer`, and is asked for again: the first offset
    /// that has not arrived, and in how many ranges something is missing.
    Hole(String, u64, usize),
    /// A batch departs: each link of this direction sends what it has.
    Departs(Towards),
    /// Items that were sent before are sent again to `peer`: the first one's offset, and
    /// how many.
    Resent(String, u64, usize),
}

impl Event {
    /// How important it is, its name and those of its fields, and the fields.
    fn parts(&self) -> (Level, &'static str, Vec<&dyn Display>) {
        use Level::{Debug, Info, Warn};
        match self {
            Event::Init(node, nodes, hub, children) => {
                let fields = "init node nodes hub children";
                (Info, fields, vec![node, nodes, hub, children])
            }
            Event::Restored(items, epoch) => (Info, "restored items epoch", vec![items, epoch]),
            Event::Raised(peer, named, epoch) => {
                (Warn, "raised peer named epoch", vec![peer, named, epoch])
            }
            Event::Torn(damage) => (Warn, "torn journal", vec![damage]),
            Event::NotRewritten(reason) => (Warn, "not-rewritten reason", vec![reason]),
            Event::Refused(reason, line) => (Warn, "refused reason line", vec![reason, line]),
            Event::Ignored(kind, from, reason) => {
                (Warn, "ignored type from reason", vec![kind, from, reason])
            }
            Event::Dropped(records) => (Warn, "dropped records", vec![records]),
            Event::Suspect(peer, unacked) => (Warn, "suspect peer unacked", vec![peer, unacked]),
            Event::Healthy(peer) => (Info, "healthy peer", vec![peer]),
            Event::StandIn(peer) => (Info, "stand-in peer", vec![peer]),
            Event::Restarted(peer) => (Info, "restarted peer", vec![peer]),
            Event::PromiseBroken(within, network) => {
                (Warn, "promise-broken within network", vec![within, network])
            }
            Event::PromiseKept(within, network) => {
                (Info, "promise-kept within network", vec![within, network])
            }
            Event::FromThePast(peer, epoch) => {
                (Debug, "from-the-past peer epoch", vec![peer, epoch])
            }
            Event::Sync(peer) => (Debug, "sync peer", vec![peer]),
            Event::Hole(peer, missing, holes) => {
                (Debug, "hole peer missing holes", vec![peer, missing, holes])
            }
            Event::Departs(Towards::Hub) => (Debug, "departs towards", vec![&"hub"]),
            Event::Departs(Towards::Leaves) => (Debug, "departs towards", vec![&"leaves"]),
            Event::Resent(peer, offset, items) => {
                (Debug, "resent peer offset items", vec![peer, offset, items])
            }
        }
    }
}

/// As logfmt, in one line without its line break. A value with spaces, quotes or control
/// characters is quoted and escaped as in JSON, so that one event is always one line; a
/// long one is [clipped](clip).
impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (level, names, values) = self.parts();
        let (event, fields) = names.split_once(' ').unwrap_or((names, ""));
        debug_assert_eq!(fields.split(' ').count(), values.len(), "{names}");
        write!(f, "level={} event={event}", Level::ALL[level as usize].0)?;
        for (name, value) in fields.split(' ').zip(values) {
            let mut value = clip(&value.to_string());
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
            if value.is_empty() || !value.chars().all(plain) {
                value = Json::String(value.into()).to_string();
            }
            write!(f, " {name}={value}")?;
        }
        Ok(())
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

/// The most events that wait for [`poll_event`](crate::node::AnyNode::poll_event);
/// beyond it new ones are dropped. A driver takes them every turn of its loop, and
/// one message makes one for every link at most, so only a driver that never asks
/// gets there.
const MAX_WAITING: usize = 10_000;

/// The events that nobody has taken yet, of the levels that somebody wants.
#[derive(Clone, Debug)]
pub struct Events {
    level: Level,
    waiting: VecDeque<Event>,
}

impl Events {
    /// None yet; only those up to `level` will be kept.
    pub fn new(level: Level) -> Events {
        Events {
            level,
            waiting: VecDeque::new(),
        }
    }

    /// Adds one, if somebody wants it and there is room.
    pub fn push(&mut self, event: Event) {
        if event.parts().0 <= self.level && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(event);
        }
    }

    /// The oldest one.
    pub fn pop(&mut self) -> Option<Event> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_names_and_values() {
        let line = Event::Suspect("n3".into(), 12).to_string();
        assert_eq!(line, "level=warn event=suspect peer=n3 unacked=12");
    }

    fn refused(line: &str) -> String {
        Event::Refused("why".into(), line.into()).to_string()
    }

    #[test]
    fn a_value_that_would_break_the_line_is_quoted() {
        assert_eq!(
            refused("a \"b\"\nlevel=info"),
            r#"level=warn event=refused reason=why line="a \"b\"\nlevel=info""#
        );
        let long = refused(&"é".repeat(1000));
        assert!(long.ends_with("éé...") && long.chars().count() < 250);
        assert!(refused("").ends_with(r#" line="""#));
    }

    #[test]
    fn events_that_nobody_wants_or_takes_do_not_pile_up() {
        let mut events = Events::new(Level::Warn);
        events.push(Event::Healthy("n1".into()));
        assert_eq!(events.pop(), None);
        for unacked in 0..2 * MAX_WAITING {
            events.push(Event::Suspect("n1".into(), unacked));
        }
        assert_eq!(events.waiting.len(), MAX_WAITING);
    }
}
