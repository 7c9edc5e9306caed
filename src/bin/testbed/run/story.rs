//! The scripts that `./run.sh trace` plays: a line an event.
//!
//! ```text
//! # One message is lost, and found out by the next.
//! nodes 5
//! 0 broadcast n1 11
//! 0 lose n0 n4
//! 500 broadcast n3 13
//! ```
//!
//! The usage page, [`HELP`], is the reference. A script is small and written by hand, so
//! whatever is not as it should be is refused, with its line and what would be right.

use std::fmt;
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use hubcast::time::Instant;

/// What `./run.sh trace --help` says.
pub const HELP: &str = "\
usage: ./run.sh trace [FILE]

Plays a story of a few nodes in virtual time and tells it event by event, with
every reason; without FILE the one in tests/stories/tour.story. The same story
is in target/runs/trace/report.html, to be watched step by step (key T: on one
screen, for a talk), and in story.svg beside it, a picture.

settings, before the first event
  nodes N                 n0, the hub, and its leaves: 2 to 9 in all (5)
  latency MS              what a message takes between nodes, 0 to 2000 ms (100)
  within MS               the nodes' --within-ms, 0 to 10000 (400)
  journal                 the nodes keep journals, and so remember after a start
  warm                    they have met before: each was given one value, which
                          all have by now (1 to N), and has measured its links

events: their time in ms, not before the line above, 600000 at most
  0 broadcast n1 11       a client gives n1 the value 11
  0 lose n0 n4            the next message that n0 sends n4 is lost
  0 cut n3                nothing passes between n3 and all others
  0 cut n3 n0             nothing passes from n3 to n0; the other way it does
  0 heal                  everything passes again
  0 kill n2               n2 stops, without a word; until it starts again, what
                          is sent to it is dropped. (In a run with kills, such
                          as ./run.sh crash, ten messages wait for it.)
  0 start n2              it starts again
  0 say TEXT              the author's own words
  0 end                   the story ends here; else when all is quiet, and 10 s
                          after its last event at the latest

A # and what follows it is a remark. Stories to read and change: tests/stories/.
";

/// The latest moment of an event. Unit: milliseconds.
///
/// Ten minutes: a hub that probes somebody who is gone says something four times a
/// second, and nobody reads on for longer.
const LATEST: u64 = 600_000;

/// What the author does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A client gives a node a value.
    Broadcast(usize, i64),
    /// The network loses the next message that the first sends the second.
    LoseNext(usize, usize),
    /// One node is cut off from all others.
    Isolate(usize),
    /// What the first sends the second does not arrive.
    Cut(usize, usize),
    /// All are connected again.
    Heal,
    /// A node stops.
    Kill(usize),
    /// It starts again.
    Start(usize),
    /// The author's own words.
    Say(String),
    /// The curtain falls.
    End,
}

/// A script that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// How many nodes.
    pub nodes: usize,
    /// What a message takes from node to node.
    pub latency: Duration,
    /// The nodes' promise.
    pub within: Duration,
    /// Whether the nodes keep journals.
    pub journal: bool,
    /// Whether they have met before.
    pub warm: bool,
    /// What happens, in the order of time.
    pub acts: Vec<(Instant, Act)>,
    /// The script itself.
    pub script: String,
}

/// A line that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Which one, from 1 on.
    line: usize,
    /// What is wrong with it, and what would be right.
    reason: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl FromStr for Story {
    type Err = BadLine;

    fn from_str(text: &str) -> Result<Story, BadLine> {
        let mut story = Story {
            nodes: 5,
            latency: Duration::from_millis(100),
            within: Duration::from_millis(400),
            journal: false,
            warm: false,
            acts: Vec::new(),
            script: text.into(),
        };
        let mut state = State::default();
        for (line, text) in (1..).zip(text.lines()) {
            let bad = |reason| BadLine { line, reason };
            story.line(text, &mut state).map_err(bad)?;
        }
        Ok(story)
    }
}

/// What the lines so far have come to.
#[derive(Debug, Default)]
struct State {
    down: Vec<usize>,
    is_cut: bool,
    is_over: bool,
}

impl Story {
    fn line(&mut self, text: &str, state: &mut State) -> Result<(), String> {
        let text = text.split('#').next().unwrap_or_default().trim();
        let mut words = Words(text.split_whitespace());
        let Some(first) = words.0.next() else {
            return Ok(());
        };
        let is_time = first.starts_with(|c: char| c.is_ascii_digit());
        if !is_time {
            self.set(first, &mut words)?;
            return words.end();
        }
        let at = number("a time in ms", first, 0, LATEST)?;
        let at = Instant::from_millis(at);
        if let Some((before, _)) = self.acts.last().filter(|(before, _)| *before > at) {
            let before = before.as_micros() / 1000;
            return Err(format!(
                "a story goes forward: {first} ms is before the {before} ms of the event above"
            ));
        }
        if state.is_over {
            return Err("nothing comes behind the end".into());
        }
        let act = self.act(&mut words, text)?;
        words.end()?;
        state.allows(&act)?;
        self.acts.push((at, act));
        Ok(())
    }

    fn set(&mut self, name: &str, words: &mut Words<'_>) -> Result<(), String> {
        if !["nodes", "latency", "within", "journal", "warm"].contains(&name) {
            return Err(format!(
                "'{name}' is neither a time in ms nor a setting: nodes, latency, within, journal \
                 or warm"
            ));
        }
        if !self.acts.is_empty() {
            return Err(format!("'{name}' stands before the first event"));
        }
        let ms = Duration::from_millis;
        match name {
            "nodes" => self.nodes = words.number("nodes", 2, 9)? as usize,
            "latency" => self.latency = ms(words.number("latency in ms", 0, 2_000)?),
            "within" => self.within = ms(words.number("within, in ms,", 0, 10_000)?),
            "journal" => self.journal = true,
            _ => self.warm = true,
        }
        Ok(())
    }

    fn act(&self, words: &mut Words<'_>, text: &str) -> Result<Act, String> {
        Ok(match words.0.next().unwrap_or_default() {
            "broadcast" => {
                let node = words.node(self.nodes)?;
                let value = words.0.next().unwrap_or_default();
                let value = value.parse().map_err(|_| {
                    format!("a value is an integer, not '{value}': broadcast n{node} 11")
                })?;
                Act::Broadcast(node, value)
            }
            "lose" => {
                let (src, dest) = (words.node(self.nodes)?, words.node(self.nodes)?);
                Act::LoseNext(src, different(src, dest)?)
            }
            "cut" => {
                let src = words.node(self.nodes)?;
                match words.0.clone().next() {
                    None => Act::Isolate(src),
                    Some(_) => Act::Cut(src, different(src, words.node(self.nodes)?)?),
                }
            }
            "heal" => Act::Heal,
            "kill" => Act::Kill(words.node(self.nodes)?),
            "start" => Act::Start(words.node(self.nodes)?),
            "say" => {
                let (_, said) = text.split_once("say").unwrap_or_default();
                words.0.by_ref().for_each(drop);
                match said.trim() {
                    "" => return Err("say what? Text stands behind it".into()),
                    said => Act::Say(said.into()),
                }
            }
            "end" => Act::End,
            other => {
                return Err(format!(
                    "an event is broadcast, lose, cut, heal, kill, start, say or end, not '{other}'"
                ));
            }
        })
    }
}

impl State {
    /// Whether something can be done now; takes note of it.
    fn allows(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Kill(node) if self.down.contains(node) => {
                return Err(format!("n{node} is down already: start n{node} first"));
            }
            Act::Kill(node) => self.down.push(*node),
            Act::Start(node) if !self.down.contains(node) => {
                return Err(format!("n{node} runs: kill n{node} first"));
            }
            Act::Start(node) => self.down.retain(|down| down != node),
            Act::Isolate(_) | Act::Cut(..) => self.is_cut = true,
            Act::Heal if !self.is_cut => {
                return Err("nothing is cut, so there is nothing to heal".into());
            }
            Act::Heal => self.is_cut = false,
            Act::End => self.is_over = true,
            Act::Broadcast(..) | Act::LoseNext(..) | Act::Say(_) => {}
        }
        Ok(())
    }
}

/// The words of a line that were not read yet.
struct Words<'a>(SplitWhitespace<'a>);

impl Words<'_> {
    fn number(&mut self, what: &str, least: u64, most: u64) -> Result<u64, String> {
        number(what, self.0.next().unwrap_or_default(), least, most)
    }

    fn node(&mut self, nodes: usize) -> Result<usize, String> {
        let name = self.0.next().unwrap_or_default();
        let index = name.strip_prefix('n').and_then(|index| index.parse().ok());
        index
            .filter(|index| *index < nodes)
            .ok_or_else(|| format!("a node is one of n0 to n{}, not '{name}'", nodes - 1))
    }

    fn end(&mut self) -> Result<(), String> {
        match self.0.next() {
            None => Ok(()),
            Some(word) => Err(format!(
                "'{word}' is too much here; a remark stands behind #"
            )),
        }
    }
}

fn number(what: &str, word: &str, least: u64, most: u64) -> Result<u64, String> {
    match word.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!(
            "{what} is a whole number from {least} to {most}, not '{word}'"
        )),
    }
}

fn different(src: usize, dest: usize) -> Result<usize, String> {
    match src == dest {
        false => Ok(dest),
        true => Err(format!(
            "n{src} says nothing to itself: two nodes are needed"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_with_its_settings_remarks_and_events() {
        let text = "# A story.\nnodes 3\n latency 50 # fast\nwithin 200\njournal\nwarm\n\n\
            0 broadcast n1 -11\n0 lose n0 n2\n20 cut n2\n20 cut n1 n0\n30 heal\n\
            40 kill n2\n50 start n2 # again\n60 say  Hear, hear!\n70 end";
        let story: Story = text.parse().expect("a story");
        assert_eq!((story.nodes, story.journal, story.warm), (3, true, true));
        assert_eq!(story.latency, Duration::from_millis(50));
        assert_eq!(story.within, Duration::from_millis(200));
        let acts: Vec<Act> = story.acts.iter().map(|(_, act)| act.clone()).collect();
        let expected = [
            Act::Broadcast(1, -11),
            Act::LoseNext(0, 2),
            Act::Isolate(2),
            Act::Cut(1, 0),
            Act::Heal,
            Act::Kill(2),
            Act::Start(2),
            Act::Say("Hear, hear!".into()),
            Act::End,
        ];
        assert_eq!(acts, expected);
        assert_eq!(story.acts[6].0, Instant::from_millis(50));
    }

    #[test]
    fn a_wrong_line_is_refused_with_its_number_and_what_would_be_right() {
        for (text, says) in [
            (
                "\n0 broadcast n5 1",
                "line 2: a node is one of n0 to n4, not 'n5'",
            ),
            (
                "0 broadcast n1",
                "a value is an integer, not '': broadcast n1 11",
            ),
            (
                "0 shout n1",
                "broadcast, lose, cut, heal, kill, start, say or end, not 'shout'",
            ),
            ("0", "start, say or end, not ''"),
            ("soon heal", "'soon' is neither a time in ms nor a setting"),
            (
                "1.5 heal",
                "a time in ms is a whole number from 0 to 600000, not '1.5'",
            ),
            (
                "9 cut n1\n8 heal",
                "line 2: a story goes forward: 8 ms is before the 9 ms",
            ),
            ("0 cut n1 n1", "n1 says nothing to itself"),
            (
                "0 cut n1 n2 n3",
                "'n3' is too much here; a remark stands behind #",
            ),
            ("0 heal", "nothing is cut"),
            ("0 start n1", "n1 runs: kill n1 first"),
            ("0 kill n1\n1 kill n1", "n1 is down already"),
            ("0 end\n1 heal", "nothing comes behind the end"),
            ("0 say # nothing", "say what?"),
            ("nodes 1", "nodes is a whole number from 2 to 9, not '1'"),
            (
                "latency",
                "latency in ms is a whole number from 0 to 2000, not ''",
            ),
            (
                "0 say x\njournal",
                "line 2: 'journal' stands before the first event",
            ),
        ] {
            let bad = text.parse::<Story>().expect_err(text).to_string();
            assert!(bad.contains(says), "{text}: {bad}");
        }
    }
}
