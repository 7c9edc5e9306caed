//! The static picture, `messages.svg`.

use std::fmt::Write as _;

use super::in_html;
use super::recorded::{FIRST_KIND, Kind, Sent, Trace, What};
use crate::show::report::Outcome;

/// How much time the static picture shows. Unit: microseconds. Seven batches of
/// the hub, and slow enough for the eye to follow one value.
const SVG_TIME: u64 = 1_500_000;

/// What it shows before a heal. Unit: microseconds.
const SVG_BEFORE_HEAL: u64 = 400_000;

/// The most lanes in it; a taller picture is no picture any more.
const SVG_LANES: usize = 60;

/// The width of its time axis, a lane's height, and the margins left and above.
/// Unit: pixels.
const SVG_WIDTH: f64 = 1120.0;
const SVG_LANE: f64 = 20.0;
const SVG_LEFT: f64 = 44.0;
const SVG_TOP: f64 = 64.0;

/// The picture's own colours, those of the page, light and dark.
const SVG_STYLE: &str = "<style>
  text { font: 12px system-ui, sans-serif; fill: #5a636e }
  .title { font-size: 15px; font-weight: 600; fill: #1b2026 }
  .page { fill: #ffffff } .lane { stroke: #e3e6ea } .axis { stroke: #aab2bb }
  .m { fill: none; stroke-width: 1.2 }
  .delta { stroke: #0072b2 } .ack { stroke: #00896a; stroke-dasharray: 5 3 }
  .again { stroke: #9c5c00; stroke-width: 2 } .other { stroke: #5a636e }
  .hole { stroke: #806600; stroke-width: 2; stroke-dasharray: 1.5 3 }
  .sync { stroke: #6b4fc8; stroke-width: 2; stroke-dasharray: 9 3 2 3 }
  .slot { stroke: #7e8892; stroke-dasharray: 2 2 }
  .drop { stroke: #bb3a06; stroke-width: 1.6; fill: none }
  .cut { fill: #bb3a06; fill-opacity: .08 } .client { fill: #a2478a }
  @media (prefers-color-scheme: dark) {
    text { fill: #9aa5b1 } .title { fill: #e8ebee }
    .page { fill: #14181d } .lane { stroke: #272e36 } .axis { stroke: #59636e }
    .delta { stroke: #5db1f0 } .ack { stroke: #35c79d } .again { stroke: #f0b03f }
    .hole { stroke: #e6d35c } .sync { stroke: #b5a3ff } .slot { stroke: #6f7b87 }
    .drop { stroke: #ff8050 } .cut { fill: #ff8050 } .client { fill: #dd94bd }
  }
</style>
";

/// `messages.svg`: the space-time diagram of the first heal, or else of the
/// first load. Time goes to the right, each node is a lane, a message a line.
pub fn svg(trace: &Trace, outcome: &Outcome<'_>, parents: &[i64]) -> String {
    let find = |wanted: fn(What) -> bool| {
        let event = trace.events.iter().find(|event| wanted(event.1));
        event.map(|event| event.0)
    };
    let heal = find(|what| what == What::Heal).map(|time| time.saturating_sub(SVG_BEFORE_HEAL));
    let start = heal.or_else(|| find(|what| what == What::Send));
    let view = View::new(start.unwrap_or_default(), parents);
    let (width, height) = (SVG_LEFT + SVG_WIDTH + 30.0, view.bottom + 30.0);
    let about = format!(
        "{}: messages between nodes from {:.2} s to {:.2} s{}",
        outcome.options.title(),
        view.start as f64 / 1e6,
        view.end as f64 / 1e6,
        heal.map_or("", |_| ", around the first heal")
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{0}\">\n\
         <title>{0}</title>\n{SVG_STYLE}<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"12\" y=\"24\">{0}</text>\n",
        in_html(&about)
    );
    svg_legend(&mut out, trace.asks.get(FIRST_KIND).unwrap_or(&"request"));
    let _ = writeln!(
        out,
        "<clipPath id=\"view\"><rect x=\"{SVG_LEFT}\" y=\"{SVG_TOP}\" width=\"{SVG_WIDTH}\" height=\"{}\"/></clipPath>",
        view.bottom - SVG_TOP
    );
    view.partitions(&mut out, trace);
    view.axes(&mut out);
    out.push_str("<g clip-path=\"url(#view)\">\n");
    view.slots(&mut out, trace);
    view.messages(&mut out, trace);
    out.push_str("</g>\n");
    if view.shown.len() < parents.len() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">the first {} of {} nodes</text>",
            SVG_LEFT + SVG_WIDTH,
            24,
            view.shown.len(),
            parents.len()
        );
    }
    out + "</svg>\n"
}

/// What part of a run is shown, and where it stands in the picture.
struct View {
    start: u64,
    end: u64,
    /// The nodes from top to bottom, and each node's height.
    shown: Vec<usize>,
    lane_of: Vec<Option<f64>>,
    bottom: f64,
}

impl View {
    fn new(start: u64, parents: &[i64]) -> View {
        let mut shown = lanes(parents);
        shown.truncate(SVG_LANES);
        let mut lane_of = vec![None; parents.len()];
        for (lane, &node) in shown.iter().enumerate() {
            lane_of[node] = Some(SVG_TOP + SVG_LANE * (lane as f64 + 0.5));
        }
        View {
            start,
            end: start + SVG_TIME,
            bottom: SVG_TOP + SVG_LANE * shown.len() as f64,
            shown,
            lane_of,
        }
    }

    fn x(&self, time: u64) -> f64 {
        let from_start = time as f64 - self.start as f64;
        SVG_LEFT + from_start / SVG_TIME as f64 * SVG_WIDTH
    }

    /// Partitions lie behind everything else.
    fn partitions(&self, out: &mut String, trace: &Trace) {
        let mut shade = |from: u64, to: u64| {
            let from = self.x(from.max(self.start));
            let width = self.x(to.min(self.end)) - from;
            let height = self.bottom - SVG_TOP;
            if width > 0.0 {
                let _ = writeln!(
                    out,
                    "<rect class=\"cut\" x=\"{from:.1}\" y=\"{SVG_TOP}\" width=\"{width:.1}\" height=\"{height:.1}\"/>",
                );
            }
        };
        let mut cut_since = None;
        for &(time, what, _) in &trace.events {
            match what {
                What::Cut => cut_since = Some(time),
                What::Heal => {
                    if let Some(from) = cut_since.take() {
                        shade(from, time);
                    }
                }
                _ => {}
            }
        }
        if let Some(from) = cut_since {
            shade(from, self.end);
        }
    }

    /// The lanes with their names, and the time.
    fn axes(&self, out: &mut String) {
        for &node in &self.shown {
            let Some(y) = self.lane_of[node] else {
                continue;
            };
            let _ = writeln!(
                out,
                "<path class=\"lane\" d=\"M{SVG_LEFT} {y}H{}\"/><text x=\"12\" y=\"{}\">n{node}</text>",
                SVG_LEFT + SVG_WIDTH,
                y + 4.0
            );
        }
        let bottom = self.bottom;
        for tick in 0..=SVG_TIME / 100_000 {
            let time = self.start + tick * 100_000;
            let x = self.x(time);
            let _ = write!(out, "<path class=\"axis\" d=\"M{x:.1} {bottom}v4\"/>");
            if tick.is_multiple_of(5) {
                let _ = writeln!(
                    out,
                    "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{:.2} s</text>",
                    bottom + 19.0,
                    time as f64 / 1e6
                );
            }
        }
    }

    /// The slots that hubs announce, on the lanes of those that aim at them.
    fn slots(&self, out: &mut String, trace: &Trace) {
        for &(time, what, index) in &trace.events {
            let sent = match what {
                What::Send => &trace.messages[index],
                _ => continue,
            };
            let (Some((next, _)), Some(y)) = (sent.next, self.lane_of[sent.dest]) else {
                continue;
            };
            let slot = time + next as u64 * 1000;
            if (self.start..=self.end).contains(&slot) {
                let (x, top) = (self.x(slot), y - SVG_LANE / 2.0);
                let _ = writeln!(
                    out,
                    "<path class=\"slot\" d=\"M{x:.1} {top:.1}v{SVG_LANE}\"/>"
                );
            }
        }
    }

    /// Every message's line, and a mark for each of the clients' operations of the first kind.
    fn messages(&self, out: &mut String, trace: &Trace) {
        let mut sent_at = vec![0; trace.messages.len()];
        for &(time, what, index) in &trace.events {
            match what {
                What::Send => sent_at[index] = time,
                What::Receive | What::Drop => {
                    let sent = &trace.messages[index];
                    if time >= self.start && sent_at[index] <= self.end {
                        self.message(out, sent, (sent_at[index], time), what == What::Drop);
                    }
                }
                What::Request if (self.start..=self.end).contains(&time) => {
                    let request = &trace.requests[index];
                    if let (Some(y), FIRST_KIND) = (self.lane_of[request.node], request.what) {
                        let _ = writeln!(
                            out,
                            "<path class=\"client\" d=\"M{:.1} {:.1}l4 -7l4 7z\"/>",
                            self.x(time) - 4.0,
                            y + 3.0
                        );
                    }
                }
                _ => {}
            }
        }
    }

    fn message(&self, out: &mut String, sent: &Sent, (start, end): (u64, u64), is_gone: bool) {
        let (Some(from), Some(to)) = (self.lane_of[sent.src], self.lane_of[sent.dest]) else {
            return;
        };
        let class = match sent.kind {
            Kind::Delta => "delta",
            Kind::Ack => "ack",
            Kind::Retransmission => "again",
            Kind::Other => "other",
            Kind::Hole => "hole",
            Kind::Sync => "sync",
        };
        let (x1, mut x2, mut y2) = (self.x(start), self.x(end), to);
        if is_gone {
            // It ends short of the lane that it does not reach.
            x2 = x1 + (x2 - x1) * 0.9;
            y2 = from + (to - from) * 0.9;
            let _ = writeln!(
                out,
                "<path class=\"drop\" d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\"/>",
                x2 - 3.0,
                y2 - 3.0
            );
        }
        let _ = writeln!(
            out,
            "<path class=\"m {class}\" d=\"M{x1:.1} {from:.1}L{x2:.1} {y2:.1}\"/>"
        );
    }
}

fn svg_legend(out: &mut String, request: &str) {
    let mut left = 12.0;
    for (class, name) in [
        ("m delta", "delta"),
        ("m ack", "ack alone"),
        ("m again", "retransmission"),
        ("m hole", "asks for a resend"),
        ("m sync", "digest"),
        ("slot", "slot"),
        ("drop", "dropped"),
        ("client", &format!("{request} of a client")),
    ] {
        let mark = match class {
            "drop" => format!("M{} 42l8 8m0 -8l-8 8", left + 8.0),
            "client" => format!("M{} 50l5 -8l5 8z", left + 8.0),
            "slot" => format!("M{} 38v14", left + 12.0),
            _ => format!("M{left} 46h24"),
        };
        let _ = writeln!(
            out,
            "<path class=\"{class}\" d=\"{mark}\"/><text x=\"{}\" y=\"50\">{name}</text>",
            left + 30.0
        );
        left += 50.0 + 6.4 * name.len() as f64;
    }
}

/// The nodes from top to bottom: the root, its leaves, then each hub and its leaves.
pub fn lanes(parents: &[i64]) -> Vec<usize> {
    let children = |node: usize| {
        let own = move |&child: &usize| parents[child] == node as i64;
        (0..parents.len()).filter(own)
    };
    let is_hub: Vec<bool> = (0..parents.len())
        .map(|node| parents.contains(&(node as i64)))
        .collect();
    let mut lanes = Vec::new();
    for root in (0..parents.len()).filter(|&node| parents[node] < 0) {
        lanes.push(root);
        lanes.extend(children(root).filter(|&child| !is_hub[child]));
        for hub in children(root).filter(|&child| is_hub[child]) {
            lanes.push(hub);
            lanes.extend(children(hub));
        }
    }
    lanes
}
