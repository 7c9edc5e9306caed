//! What a node notices: typed events, for its driver to print or to match on.
//!
//! The core does not print. A driver takes events with
//! [`poll_event`](crate::node::AnyNode::poll_event); the node's loop writes them to
//! stderr as logfmt, `level=warn event=suspect peer=n3 unacked=12`, where Maelstrom
//! and the testbed collect them in a file a node. Nobody reads that text back.

use std::collections::VecDeque;
use std::fmt::{self, Display};

use crate::journal::Damage;
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
    /// Every departure, every hole, every retransmission.
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

/// Which neighbours a departure is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// The parent.
    Hub,
    /// The children.
    Leaves,
}

/// Something worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node knows who it is.
    Init {
        /// Its name.
        node: String,
        /// How many nodes there are.
        nodes: usize,
        /// Its parent, if it is not the root.
        hub: Option<String>,
        /// How many children it has.
        children: usize,
    },
    /// The journal was read.
    Restored {
        /// How many items were in it.
        items: u64,
        /// The incarnation that begins.
        epoch: u64,
    },
    /// A neighbour knows a later incarnation of this node: the clock was set back. The
    /// node goes on above that, and all its links begin anew.
    Raised {
        /// The neighbour.
        peer: String,
        /// The incarnation that it knows.
        named: u64,
        /// The one that begins.
        epoch: u64,
    },
    /// The end of the journal was torn by a crash, and is cut off. Nothing that depended
    /// on it was ever said.
    Torn {
        /// Which line, and what is wrong with it.
        damage: Damage,
    },
    /// The journal is long and could not be rewritten in short form. It goes on in its
    /// long form, and the node tries again when that has doubled. Not the core's, but its
    /// driver's.
    NotRewritten {
        /// What failed.
        reason: String,
    },
    /// A line that is no message. Nothing has changed.
    Refused {
        /// What was wrong, where, and what would be right.
        reason: String,
        /// The line's beginning.
        line: String,
    },
    /// A message that cannot be followed. Nothing has changed.
    Ignored {
        /// The body's type.
        kind: String,
        /// Who sent it.
        from: String,
        /// What was wrong, where, and what would be right.
        reason: String,
    },
    /// Nobody read stderr, so some events were not written. Not the core's, but its
    /// driver's.
    Dropped {
        /// How many.
        records: u64,
    },
    /// A neighbour does not answer.
    Suspect {
        /// The neighbour.
        peer: String,
        /// How many items wait for its ack.
        unacked: usize,
    },
    /// A suspect neighbour has acknowledged something new.
    Healthy {
        /// The neighbour.
        peer: String,
    },
    /// A neighbour has started anew: what it had been sent may be gone.
    Restarted {
        /// The neighbour.
        peer: String,
    },
    /// The network takes longer than the promise: all departs at once.
    PromiseBroken {
        /// The promise. Unit: milliseconds.
        within: u64,
        /// The longest round trip that was measured. Unit: milliseconds.
        network: u64,
    },
    /// The network leaves something of the promise again.
    PromiseKept {
        /// The promise. Unit: milliseconds.
        within: u64,
        /// The longest round trip that was measured. Unit: milliseconds.
        network: u64,
    },
    /// A message came from a neighbour's incarnation that is over: it is late, or the
    /// neighbour's clock was set back. One ack answers it.
    FromThePast {
        /// The neighbour.
        peer: String,
        /// That incarnation.
        epoch: u64,
    },
    /// What this node holds is told, as a digest.
    Sync {
        /// To whom.
        peer: String,
    },
    /// Something was lost on its way here, and is asked for again.
    Hole {
        /// The neighbour that sent it.
        peer: String,
        /// The first offset that has not arrived.
        missing: u64,
        /// In how many ranges something is missing.
        holes: usize,
    },
    /// A batch departs: each link of this direction sends what it has.
    Departs {
        /// The direction.
        towards: Towards,
    },
    /// Items that were sent before are sent again.
    Resent {
        /// To whom.
        peer: String,
        /// The first one's offset.
        offset: u64,
        /// How many.
        items: usize,
    },
}

impl Event {
    /// How important it is.
    pub fn level(&self) -> Level {
        match self {
            Event::Refused { .. }
            | Event::Ignored { .. }
            | Event::Dropped { .. }
            | Event::Torn { .. }
            | Event::NotRewritten { .. }
            | Event::Raised { .. }
            | Event::Suspect { .. }
            | Event::PromiseBroken { .. } => Level::Warn,
            Event::Init { .. }
            | Event::Restored { .. }
            | Event::Healthy { .. }
            | Event::Restarted { .. }
            | Event::PromiseKept { .. } => Level::Info,
            Event::FromThePast { .. }
            | Event::Sync { .. }
            | Event::Hole { .. }
            | Event::Departs { .. }
            | Event::Resent { .. } => Level::Debug,
        }
    }
}

/// As logfmt, in one line without its line break.
impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level().name();
        let mut line = |name: &str, fields: &[(&str, &dyn Display)]| {
            write!(f, "level={level} event={name}")?;
            fields
                .iter()
                .try_for_each(|(name, value)| field(f, name, *value))
        };
        match self {
            Event::Init {
                node,
                nodes,
                hub,
                children,
            } => {
                let hub: &dyn Display = hub.as_ref().map_or(&"-", |hub| hub);
                let counts: &[(&str, &dyn Display)] = &[
                    ("node", node),
                    ("nodes", nodes),
                    ("hub", hub),
                    ("children", children),
                ];
                line("init", counts)
            }
            Event::Restored { items, epoch } => {
                line("restored", &[("items", items), ("epoch", epoch)])
            }
            Event::Raised { peer, named, epoch } => line(
                "raised",
                &[("peer", peer), ("named", named), ("epoch", epoch)],
            ),
            Event::Torn { damage } => line("torn", &[("journal", damage)]),
            Event::NotRewritten { reason } => line("not-rewritten", &[("reason", reason)]),
            Event::Refused { reason, line: text } => {
                line("refused", &[("reason", reason), ("line", text)])
            }
            Event::Ignored { kind, from, reason } => line(
                "ignored",
                &[("type", kind), ("from", from), ("reason", reason)],
            ),
            Event::Dropped { records } => line("dropped", &[("records", records)]),
            Event::Suspect { peer, unacked } => {
                line("suspect", &[("peer", peer), ("unacked", unacked)])
            }
            Event::Healthy { peer } => line("healthy", &[("peer", peer)]),
            Event::Restarted { peer } => line("restarted", &[("peer", peer)]),
            Event::PromiseBroken { within, network } => line(
                "promise-broken",
                &[("within", within), ("network", network)],
            ),
            Event::PromiseKept { within, network } => {
                line("promise-kept", &[("within", within), ("network", network)])
            }
            Event::FromThePast { peer, epoch } => {
                line("from-the-past", &[("peer", peer), ("epoch", epoch)])
            }
            Event::Sync { peer } => line("sync", &[("peer", peer)]),
            Event::Hole {
                peer,
                missing,
                holes,
            } => line(
                "hole",
                &[("peer", peer), ("missing", missing), ("holes", holes)],
            ),
            Event::Departs { towards } => {
                let towards = match towards {
                    Towards::Hub => "hub",
                    Towards::Leaves => "leaves",
                };
                line("departs", &[("towards", &towards)])
            }
            Event::Resent {
                peer,
                offset,
                items,
            } => line(
                "resent",
                &[("peer", peer), ("offset", offset), ("items", items)],
            ),
        }
    }
}

/// ` name=value`. A value with spaces, quotes or control characters is quoted and
/// escaped as in JSON, so that one event is always one line; a long one is
/// [clipped](clip).
fn field(f: &mut fmt::Formatter<'_>, name: &str, value: &dyn Display) -> fmt::Result {
    let value = clip(&value.to_string());
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
    if !value.is_empty() && value.chars().all(plain) {
        return write!(f, " {name}={value}");
    }
    let mut quoted = Vec::new();
    json::encode_str(&value, &mut quoted);
    write!(f, " {name}={}", String::from_utf8_lossy(&quoted))
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
        if event.level() <= self.level && self.waiting.len() < MAX_WAITING {
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
        let event = Event::Suspect {
            peer: "n3".into(),
            unacked: 12,
        };
        assert_eq!(
            event.to_string(),
            "level=warn event=suspect peer=n3 unacked=12"
        );
    }

    fn refused(line: &str) -> String {
        let (reason, line) = ("why".into(), line.into());
        Event::Refused { reason, line }.to_string()
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
        events.push(Event::Healthy { peer: "n1".into() });
        assert_eq!(events.pop(), None);
        for unacked in 0..2 * MAX_WAITING {
            let peer = "n1".into();
            events.push(Event::Suspect { peer, unacked });
        }
        assert_eq!(events.waiting.len(), MAX_WAITING);
    }
}
