//! A picture of a story: its space-time diagram as an SVG that stands alone.
//!
//! A lane a node, time going down, the words to the right, as in the text that is
//! printed. Each moment has a row of its own, so that its words have room; time in which
//! nothing happens is left out. It has its own background, so it reads the same on a
//! light and on a dark page.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use super::in_html;
use super::recorded::{Kind, Trace, What};
use crate::run::arguments::wrap;
use crate::run::story::Story;
use crate::run::trace::{Sentence, Told};

/// How wide it is. Unit: pixels, as are all below. What a README shows at full size.
const WIDTH: usize = 900;

/// Where the first lane is: right of the clock, and of what arrives at the hub.
const FIRST: usize = 150;

/// How far apart the lanes are at most, and how wide they are together at most.
const PITCH: usize = 56;
const LANES: usize = 300;

/// The height of a line of words, of 14 pixels each, and the least of a row.
const LINE: u64 = 20;

/// The height of a row while a message is on its way, and the most of any.
const FLIGHT: u64 = 56;

/// How wide a letter is, at most on the average: that of a wide font.
const LETTER: usize = 8;

/// How each kind is drawn: its name, its colour, its dashes.
const KINDS: [(&str, &str, &str); 6] = [
    ("delta", "#0072b2", "none"),
    ("ack alone", "#00896a", "6 3"),
    ("sent again", "#9c5c00", "none"),
    ("other", "#58616b", "none"),
    ("asks for a resend", "#806600", "2 3"),
    ("digest (sync)", "#6b4fc8", "9 3 2 3"),
];

/// What goes wrong.
const TROUBLE: &str = "#bb3a06";

struct Picture {
    out: String,
    /// Where each moment is. Unit of the moments: microseconds.
    rows: BTreeMap<u64, u64>,
    pitch: usize,
}

/// The picture of a story that was told and recorded.
pub fn picture(story: &Story, told: &Told, trace: &Trace) -> String {
    let pitch = PITCH.min(LANES / (story.nodes - 1));
    let words_at = FIRST + pitch * (story.nodes - 1) + 72;
    let mut rows: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for event in trace.events.iter().filter(|event| event.1 != What::Reply) {
        rows.entry(event.0).or_default();
    }
    for sentence in told.sentences.iter().filter(|each| each.message.is_none()) {
        let lines = wrap(&spoken(sentence), (WIDTH - words_at - 8) / LETTER);
        let row = rows.entry(sentence.at.as_micros()).or_default();
        row.extend(lines);
    }
    let remarks = story
        .script
        .lines()
        .map_while(|line| line.strip_prefix('#'));
    let title: Vec<&str> = remarks.map(str::trim).collect();
    let title = wrap(&title.join(" "), (WIDTH - 40) / 9);
    let mut picture = Picture {
        out: String::new(),
        rows: BTreeMap::new(),
        pitch,
    };
    let mut y = 40 + LINE * title.len() as u64;
    for (index, line) in title.iter().enumerate() {
        picture.text(
            20,
            30 + LINE * index as u64,
            "font-weight=\"600\" font-size=\"17\"",
            line,
        );
    }
    let top = y;
    for node in 0..story.nodes {
        let name = format!("n{node}");
        picture.text(
            picture.lane(node),
            y,
            "text-anchor=\"middle\" font-weight=\"600\"",
            &name,
        );
    }
    y += LINE + 4;
    let latency = (story.latency.as_micros() as u64).max(20_000);
    let mut before: Option<(u64, u64)> = None;
    for (&at, words) in &rows {
        if let Some((was, lines)) = before {
            let drawn = (at - was).saturating_mul(FLIGHT) / latency;
            y += drawn.min(FLIGHT).max(LINE * lines.max(1));
            if at - was > latency * 3 / 2 {
                picture.text(40, y - 12, "fill=\"#58616b\"", "\u{22EE}");
                y += LINE / 2;
            }
        }
        before = Some((at, words.len() as u64));
        picture.rows.insert(at, y);
        let clock = format!("{:.3} s", at as f64 / 1e6);
        picture.text(12, y + 5, "fill=\"#58616b\"", &clock);
        for (index, line) in words.iter().enumerate() {
            picture.text(words_at, y + 5 + LINE * index as u64, "", line);
        }
    }
    let bottom = y + LINE * before.map_or(1, |(_, lines)| lines.max(1));
    picture.lanes(story, trace, top + 8, bottom);
    picture.waits(&told.sentences);
    let labels = picture.messages(trace, latency);
    picture.marks(&told.sentences);
    for ((node, y), text) in labels {
        let (x, anchor) = match node {
            0 => (picture.lane(0) - 13, "end"),
            _ => (picture.lane(node) + 13, "start"),
        };
        let look = format!(
            "text-anchor=\"{anchor}\" fill=\"#0072b2\" stroke=\"#fff\" stroke-width=\"4\" \
             paint-order=\"stroke\" font-weight=\"600\""
        );
        picture.text(x, y + 5, &look, &text);
    }
    let height = picture.legend(trace, bottom + 16);
    let label = in_html(&title.join(" "));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"14\" fill=\"#1b2026\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"8\" fill=\"#fff\"/>\n{}</svg>\n",
        picture.out
    )
}

/// A sentence with the name of the node that it is about.
fn spoken(sentence: &Sentence) -> String {
    match sentence.node.map(|node| format!("n{node}")) {
        Some(name) if !"#@".contains(sentence.mark) && !sentence.words.starts_with(&name) => {
            format!("{name}: {}", sentence.words)
        }
        _ => sentence.words.clone(),
    }
}

impl Picture {
    fn text(&mut self, x: usize, y: u64, look: &str, words: &str) {
        let (words, space) = (in_html(words), if look.is_empty() { "" } else { " " });
        let _ = writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\"{space}{look}>{words}</text>"
        );
    }

    fn line(&mut self, from: (usize, u64), to: (usize, u64), look: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.out,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" {look}/>"
        );
    }

    fn bar(&mut self, node: usize, rows: Range<u64>, width: usize, colour: &str) {
        let (x, y, height) = (
            self.lane(node) - width / 2,
            rows.start,
            rows.end - rows.start,
        );
        let _ = writeln!(
            self.out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{colour}\"/>"
        );
    }

    fn dot(&mut self, x: usize, y: u64, radius: u64, colour: &str) {
        let _ = writeln!(
            self.out,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{colour}\"/>"
        );
    }

    fn lane(&self, node: usize) -> usize {
        FIRST + self.pitch * node
    }

    fn row(&self, at: u64) -> u64 {
        self.rows.get(&at).copied().unwrap_or_default()
    }

    /// The lanes, and behind them when the network was cut, and who was down.
    fn lanes(&mut self, story: &Story, trace: &Trace, top: u64, bottom: u64) {
        for (index, &(at, what, which)) in trace.events.iter().enumerate() {
            let (down, after) = match what {
                What::Cut => (None, What::Heal),
                What::Kill => (Some(&trace.nodes[which].1), What::Start),
                _ => continue,
            };
            let mut ends = trace.events[index..].iter().filter(|each| {
                each.1 == after && down.is_none_or(|nodes| trace.nodes[each.2].1 == *nodes)
            });
            let rows = self.row(at)..ends.next().map_or(bottom, |end| self.row(end.0));
            match down {
                None => (0..story.nodes)
                    .for_each(|node| self.bar(node, rows.clone(), self.pitch, "#f8e9e3")),
                Some(nodes) => (nodes.iter())
                    .for_each(|&node| self.bar(node as usize, rows.clone(), 8, "#e0a58e")),
            }
        }
        for node in 0..story.nodes {
            let x = self.lane(node);
            self.line((x, top), (x, bottom), "stroke=\"#aab2ba\"");
        }
    }

    /// How long what waits on a node for company waits.
    fn waits(&mut self, sentences: &[Sentence]) {
        for (index, begin) in sentences.iter().enumerate() {
            let (Some(node), '[') = (begin.node, begin.mark) else {
                continue;
            };
            let mut later = sentences[index..].iter().filter(|each| {
                let leaves = each.words.contains(" sends ") && each.words.contains(" delta ");
                each.node == begin.node && each.at > begin.at && (leaves || each.mark == '#')
            });
            if let Some(end) = later.next() {
                let rows = self.row(begin.at.as_micros())..self.row(end.at.as_micros());
                self.bar(node, rows, 16, "#a9d0ec");
            }
        }
    }

    /// The messages; gives the values that arrive, each with its node and its height.
    fn messages(&mut self, trace: &Trace, latency: u64) -> BTreeMap<(usize, u64), String> {
        let mut labels: BTreeMap<(usize, u64), Vec<i64>> = BTreeMap::new();
        let mut sent = vec![0; trace.messages.len()];
        for &(at, what, index) in &trace.events {
            match what {
                What::Send => sent[index] = at,
                What::Receive | What::Drop => {
                    let message = &trace.messages[index];
                    let (x1, y1) = (self.lane(message.src), self.row(sent[index]));
                    let (x2, y2) = (self.lane(message.dest), self.row(at));
                    let (_, colour, dashes) = KINDS[message.kind as usize];
                    let look = format!(
                        "stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\""
                    );
                    if what == What::Receive {
                        self.line((x1, y1), (x2, y2), &look);
                        self.dot(x2, y2, 4, colour);
                        let values = labels.entry((message.dest, y2)).or_default();
                        values.extend(&message.values);
                        continue;
                    }
                    // The network loses a message at once, and drops it at a cut or at a
                    // dead node's door when it gets there.
                    let (part, y2) = match at - sent[index] < latency {
                        true => (3, y1 + FLIGHT / 3),
                        false => (8, y1 + (y2 - y1) * 8 / 10),
                    };
                    let x2 = (x1 * (10 - part) + x2 * part) / 10;
                    self.line((x1, y1), (x2, y2), &look);
                    self.cross(x2, y2);
                }
                _ => {}
            }
        }
        let text = |values: Vec<i64>| {
            let listed: Vec<String> = values.iter().map(i64::to_string).collect();
            let listed = listed.join(" ");
            if listed.len() > 8 {
                return format!("{} values", values.len());
            }
            listed
        };
        let labels = labels.into_iter().filter(|(_, values)| !values.is_empty());
        labels
            .map(|(place, values)| (place, text(values)))
            .collect()
    }

    fn cross(&mut self, x: usize, y: u64) {
        let look = format!("stroke=\"{TROUBLE}\" stroke-width=\"2.5\"");
        self.line((x - 5, y - 5), (x + 5, y + 5), &look);
        self.line((x - 5, y + 5), (x + 5, y - 5), &look);
    }

    /// What clients, nodes and the author do.
    fn marks(&mut self, sentences: &[Sentence]) {
        for sentence in sentences.iter().filter(|each| each.message.is_none()) {
            let Some(node) = sentence.node else { continue };
            let (x, y) = (self.lane(node), self.row(sentence.at.as_micros()));
            let colour = match sentence.mark {
                '@' => "#a2478a",
                '#' => TROUBLE,
                _ => "#1b2026",
            };
            self.dot(x, y, 9, colour);
            let look = "text-anchor=\"middle\" font-weight=\"700\" fill=\"#fff\"";
            self.text(x, y + 5, look, &sentence.mark.to_string());
        }
    }

    /// What is what, in rows from `y` on; gives where the picture ends.
    fn legend(&mut self, trace: &Trace, mut y: u64) -> u64 {
        let kinds: Vec<Kind> = trace.messages.iter().map(|message| message.kind).collect();
        let mut x = 20;
        for (index, (name, colour, dashes)) in KINDS.iter().enumerate() {
            if !kinds.iter().any(|kind| *kind as usize == index) {
                continue;
            }
            let look =
                format!("stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"");
            self.line((x, y), (x + 30, y), &look);
            self.text(x + 38, y + 5, "", name);
            x += 54 + name.len() * LETTER;
        }
        if trace.events.iter().any(|event| event.1 == What::Drop) {
            self.cross(x + 8, y);
            self.text(x + 22, y + 5, "", "does not arrive");
        }
        y += LINE + 4;
        let words = "@ a client gives a value   [ waits for company   \
                     ! notices or decides something   # what the author does";
        self.text(20, y + 5, "xml:space=\"preserve\"", words);
        y + LINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::trace::tell;

    #[test]
    fn what_the_author_says_stands_in_the_picture_as_text() {
        let story: Story = "# A < B\n0 say <b> & </svg>".parse().expect("a story");
        let told = tell(&story, false, None).expect("nothing is recorded");
        let picture = picture(&story, &told, &Trace::default());
        for part in [">A &lt; B</text>", ">&lt;b&gt; &amp; &lt;/svg&gt;</text>"] {
            assert!(picture.contains(part), "{part}: {picture}");
        }
        assert_eq!(picture.matches("</svg>").count(), 1);
    }
}
