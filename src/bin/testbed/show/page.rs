//! The report page: a run that can be watched.
//!
//! After each run [`fn@write`] leaves `report.html` beside `results.json`: replay,
//! space-time diagram, figures and charts in one file that needs no network. The key T
//! shows sentence, tree and diagram alone, on one screen, for a talk.
//!
//! The page is a template, `page.html`. Into it go its style (`page.css`), its
//! script (`page.js`) and, between them, the run's data. This module reads
//! `messages.jsonl` back and turns it around, from one object an event into one
//! array of integers a field. That is about a fifth of the size, and a browser reads
//! it in milliseconds. Everything else, from links to backlogs, the page works out
//! itself from these events, in their order.
//!
//! ```text
//! "events":   t    time since the event before, in microseconds
//!             e    0 send  1 receive  2 drop  3 client asks  4 node answers  5 cut  6 heal
//!                  7 kill  8 start  9 pause  10 resume
//!             i    of receive, drop and answer: which message
//! "messages": one entry a send, in the order of the sends
//! "clients":  one entry a request, likewise
//! "noticed":  what the nodes noticed themselves, from their logs: t, node, what, peer
//! "story":    of a [story](crate::run::story) alone, the sentences, each with its moment
//! ```
//!
//! Caveats. The page holds the run's beginning up to fixed limits
//! ([`recorded::MAX_MESSAGES`] and its neighbours). So it stays below 5 MB however long
//! a run was, and it says what it left out. Of a node that is not hubcast it shows what
//! the messages show, on a tree that this node does not have.

mod data;
mod picture;
mod recorded;

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use crate::judge::Verdict;
use crate::run::engine::{Counts, KindCounts};
use crate::run::options::{self, Job, Options};
use crate::run::story::Story;
use crate::run::trace::Told;
use crate::show::report::Outcome;
use data::{data, string};
use hubcast::tree;
use recorded::Trace;

/// The page without its style, its script and its data: one language a file.
const TEMPLATE: &str = include_str!("page.html");

/// How the page looks.
const STYLE: &str = include_str!("page.css");

/// What the page does.
const SCRIPT: &str = include_str!("page.js");

/// Writes `report.html` into the run's folder, which holds its `messages.jsonl` already.
///
/// # Errors
///
/// Whatever the file system says.
pub fn write(outcome: &Outcome<'_>, folder: &Path) -> io::Result<()> {
    let parents = parents(outcome.options);
    let recording = BufReader::new(File::open(folder.join("messages.jsonl"))?);
    let trace = Trace::new(outcome)
        .read(recording, &parents)?
        .read_logs(folder);
    let page = page(outcome, &trace, &parents);
    fs::write(folder.join("report.html"), page)
}

/// Writes `report.html` for a [story](crate::run::story) that was told with a recording in the
/// `folder`: its sentences are the replay's captions, and `Step` goes from one to the next.
/// And its [`picture`], `story.svg`.
///
/// # Errors
///
/// Whatever the file system says.
pub fn write_story(story: &Story, told: &Told, command: &str, folder: &Path) -> io::Result<()> {
    let options = Options {
        nodes: story.nodes,
        latency: story.latency,
        virtual_time: true,
        ..Options::new(Job::Efficient)
    };
    let kind = |name| KindCounts {
        name,
        ..KindCounts::default()
    };
    let mut counts = Counts {
        kinds: vec![kind("broadcast"), kind("read")],
        ..Counts::default()
    };
    counts.server.dropped = told.dropped;
    let outcome = Outcome {
        options: &options,
        counts: &counts,
        verdict: &Verdict::default(),
    };
    let parents = parents(&options);
    let recording = BufReader::new(File::open(folder.join("messages.jsonl"))?);
    let trace = Trace::new(&outcome)
        .read(recording, &parents)?
        .read_logs(folder);
    let mut data = data(&outcome, &trace, &parents);
    // Behind the last member of the object.
    data.truncate(data.len() - "\n}".len());
    data += &format!(",\n\"story\":{}\n}}", story_json(story, told, command));
    let page = fill("a story", &told.text, &data);
    fs::write(folder.join("report.html"), page)?;
    let picture = picture::picture(story, told, &trace);
    fs::write(folder.join("story.svg"), picture)
}

/// A story's script and its sentences: for each its moment, its node and message (-1:
/// none), whether that has just ended its way, and the words.
fn story_json(story: &Story, told: &Told, command: &str) -> String {
    let sentences = told.sentences.iter().map(|sentence| {
        format!(
            "[{},{},{},{},{}]",
            sentence.at.as_micros(),
            sentence.node.map_or(-1, |node| node as i64),
            sentence.message.map_or(-1, |message| message as i64),
            u8::from(sentence.is_arrival),
            string(&sentence.words)
        )
    });
    let sentences: Vec<String> = sentences.collect();
    let (command, script) = (string(command), string(story.script.trim_end()));
    format!(
        "{{\"command\":{command},\"script\":{script},\"sentences\":[{}]}}",
        sentences.join(",\n")
    )
}

/// Each node's parent in the tree, -1 for the root.
fn parents(options: &Options) -> Vec<i64> {
    let forced = options::node_config(&options.node_args)
        .ok()
        .and_then(|config| config.hubs);
    let hubs = forced.unwrap_or_else(|| tree::default_hubs(options.nodes));
    (0..options.nodes)
        .map(|index| {
            tree::place(options.nodes, hubs, index)
                .parent
                .map_or(-1, |parent| parent as i64)
        })
        .collect()
}

fn page(outcome: &Outcome<'_>, trace: &Trace, parents: &[i64]) -> String {
    let options = outcome.options;
    let title = format!(
        "{}, {} nodes, seed {}",
        options.title(),
        options.nodes,
        options.seed
    );
    fill(&title, &outcome.text(), &data(outcome, trace, parents))
}

/// The template with its gaps filled. `data` is JSON.
fn fill(title: &str, text: &str, data: &str) -> String {
    let (title, text, data) = (in_html(title), in_html(text), in_script(data));
    // In the template's order: what fills a gap is not searched for the next mark.
    let gaps = [
        ("<!--TITLE-->", title.as_str()),
        ("<!--STYLE-->", STYLE),
        ("<!--TEXT-->", &text),
        ("<!--DATA-->", &data),
        ("<!--SCRIPT-->", SCRIPT),
    ];
    let (mut page, mut rest) = (String::new(), TEMPLATE);
    for (mark, filling) in gaps {
        let Some((before, after)) = rest.split_once(mark) else {
            unreachable!("page.html has each mark once, in this order; a test fills it");
        };
        page += before;
        page += filling;
        rest = after;
    }
    page + rest
}

/// JSON that can stand inside a script element. In JSON a `<` occurs in strings
/// only, where it may be written as an escape; without it there is no
/// `</script>` and no `<!--`.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Text that can stand in HTML, in attributes too.
fn in_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// Names and values of the run's settings, as an array of pairs.
fn settings(options: &Options) -> String {
    let seconds = |time: std::time::Duration| format!("{} s", time.as_secs_f64());
    let ms = |time: std::time::Duration| format!("{} ms", time.as_millis());
    let percent = |chance: f64| format!("{} %", chance * 100.0);
    let mut rows = vec![
        ("nodes", options.nodes.to_string()),
        ("load", seconds(options.time_limit)),
        ("operations a second", options.rate.to_string()),
        (
            "latency",
            format!("{}, {}", ms(options.latency), options.latency_dist.name()),
        ),
    ];
    if options.loss > 0.0 {
        rows.push(("lost", percent(options.loss)));
    }
    if options.duplicate > 0.0 {
        rows.push(("duplicated", percent(options.duplicate)));
    }
    if !options.stall.is_zero() {
        rows.push(("stalls of a node", format!("up to {}", ms(options.stall))));
        rows.push(("stalls every", seconds(options.stall_every)));
    }
    if !options.nemesis.is_empty() {
        rows.push((
            "faults",
            format!(
                "{}, every {} or so",
                options.tools(" "),
                seconds(options.nemesis_interval)
            ),
        ));
    }
    rows.push(("quiet at the end", seconds(options.quiet)));
    rows.push(("seed", options.seed.to_string()));
    let clock = if options.virtual_time {
        "virtual, nodes in memory"
    } else {
        "real, one process a node"
    };
    rows.push(("clock", clock.into()));
    match (&options.bin, options::node_config(&options.node_args)) {
        (None, Ok(config)) => rows.extend([
            ("promised within", ms(config.within)),
            (
                "hubs",
                (config.hubs)
                    .unwrap_or_else(|| tree::default_hubs(options.nodes))
                    .to_string(),
            ),
        ]),
        (Some(bin), _) => rows.push(("node", bin.display().to_string())),
        (None, Err(_)) => {}
    }
    let rows: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("[{},{}]", string(name), string(value)))
        .collect();
    format!("[{}]", rows.join(","))
}

#[cfg(test)]
mod tests {
    use super::data::left_out;
    use super::recorded::{Kind, MAX_MESSAGES, Noticed, What};
    use super::*;
    use crate::judge::Verdict;
    use crate::run::engine::{Counts, KindCounts};
    use crate::run::options::Job;
    use crate::run::recording::in_scratch_folder;
    use hubcast::json::Json;
    use std::fmt::Write as _;

    const STAR: [i64; 3] = [-1, 0, 0];

    /// A run of three nodes with a message of each fate.
    const JOURNAL: &str = r#"{"t":5,"event":"send","id":1,"message":{"src":"c1","dest":"n1","body":{"type":"broadcast","msg_id":3,"message":7}}}
{"t":6,"event":"send","id":2,"message":{"src":"n1","dest":"c1","body":{"type":"broadcast_ok","in_reply_to":3}}}
{"t":6,"event":"send","id":3,"message":{"src":"n1","dest":"n0","body":{"type":"delta","offset":0,"values":[7],"ack":0}}}
{"t":106,"event":"recv","id":3}
{"t":200,"event":"cut","kind":"hub","src_dest":[[0,1],[1,0],[1,2]]}
{"t":256,"event":"send","id":4,"message":{"src":"n0","dest":"n2","body":{"type":"delta","offset":0,"values":[7],"ack":0}}}
{"t":356,"event":"drop","id":4,"why":"partition"}
{"t":400,"event":"send","id":5,"message":{"src":"n0","dest":"n2","body":{"type":"delta","offset":0,"values":[7],"ack":0,"next":193,"probe":true}}}
{"t":450,"event":"heal"}
{"t":500,"event":"recv","id":5}
{"t":600,"event":"send","id":6,"message":{"src":"n2","dest":"n0","body":{"type":"ack","offset":0,"ack":1}}}
{"t":600,"event":"send","id":8,"message":{"src":"n2","dest":"n0","body":{"type":"ack","epoch":9,"peer":7,"offset":0,"ack":1,"held":3,"missing":[[1,2]]}}}
{"t":600,"event":"send","id":9,"message":{"src":"n2","dest":"n0","body":{"type":"sync","epoch":9,"peer":7,"offset":0,"have":[]}}}
{"t":601,"event":"send","id":7,"message":{"src":"n2","dest":"n0","body":{"type":"gossip","text":"</script><!--"}}}
{"event":"truncated"}
"#;

    fn trace(recording: &str) -> Trace {
        let trace = outcome(Trace::new);
        trace
            .read(recording.as_bytes(), &STAR)
            .expect("reading from memory")
    }

    /// A finished run of which nothing is known, with three nodes.
    fn outcome<T>(work: impl FnOnce(&Outcome<'_>) -> T) -> T {
        let options = Options {
            nodes: 3,
            virtual_time: true,
            ..Options::new(Job::Partition)
        };
        let kind = |&name: &&'static str| KindCounts {
            name,
            ..KindCounts::default()
        };
        work(&Outcome {
            options: &options,
            counts: &Counts {
                kinds: ["broadcast", "read"].iter().map(kind).collect(),
                ..Counts::default()
            },
            verdict: &Verdict::default(),
        })
    }

    #[test]
    fn the_journal_comes_back_as_events_in_their_order() {
        let trace = trace(JOURNAL);
        let what: Vec<_> = trace
            .events
            .iter()
            .map(|event| (event.1, event.2))
            .collect();
        assert_eq!(
            what,
            [
                (What::Request, 0),
                (What::Reply, 0),
                (What::Send, 0),
                (What::Receive, 0),
                (What::Cut, 0),
                (What::Send, 1),
                (What::Drop, 1),
                (What::Send, 2),
                (What::Heal, 0),
                (What::Receive, 2),
                (What::Send, 3),
                (What::Send, 4),
                (What::Send, 5),
                (What::Send, 6),
            ]
        );
        let kinds: Vec<_> = trace.messages.iter().map(|sent| sent.kind).collect();
        use Kind::{Ack, Delta, Hole, Other, Retransmission, Sync};
        assert_eq!(
            kinds,
            [Delta, Delta, Retransmission, Ack, Hole, Sync, Other]
        );
        assert!(trace.messages[2].probe && !trace.messages[1].probe);
        assert_eq!(trace.messages[2].next, Some((193, 193)));
        assert_eq!(trace.messages[4].missing, [(1, 2)]);
        // n1 and n2 are no neighbours: that direction carries nothing.
        assert_eq!(trace.cuts[0].directions, [(0, 1), (1, 0)]);
        assert_eq!(trace.cuts[0].all, 3);
    }

    #[test]
    fn what_the_nodes_noticed_comes_from_their_logs_with_its_time() {
        let log = "t=0.000100 level=info event=init node=n0 nodes=3 hub=- children=2\n\
                   t=1.600000 level=warn event=suspect peer=n2 unacked=12\n\
                   no event\nlevel=info event=healthy peer=n2\n";
        let trace = in_scratch_folder(|folder| {
            fs::create_dir_all(folder.join("node-logs")).expect("a folder");
            fs::write(folder.join("node-logs/n0.log"), log).expect("a log");
            trace(JOURNAL).read_logs(folder)
        });
        assert!(trace.has_beliefs);
        let suspect = Noticed {
            time: 1_600_000,
            node: 0,
            what: 0,
            peer: Some(2),
            detail: "unacked=12".into(),
        };
        assert_eq!(trace.noticed, [suspect]);
    }

    #[test]
    fn the_embedded_data_is_json_whose_text_cannot_end_its_script() {
        outcome(|outcome| {
            let page = page(outcome, &trace(JOURNAL), &STAR);
            let begin = r#"<script type="application/json" id="data">"#;
            let (_, rest) = page.split_once(begin).expect("the data");
            let (data, rest) = rest.split_once("</script>").expect("its end");
            assert!(
                rest.contains("JSON.parse"),
                "the page's own script comes after"
            );
            let json = Json::parse(data.as_bytes()).expect("JSON");
            let messages = json.get("messages").expect("messages");
            let raw = messages.get("raw").and_then(|raw| raw.get("6"));
            let raw = raw.and_then(Json::as_str).expect("the foreign message");
            assert!(raw.contains("</script><!--"), "it is whole: {raw}");
            let ids = messages.get("id").and_then(Json::as_array).expect("ids");
            assert_eq!(ids[..2], [Json::Int(3), Json::Int(1)], "differences");
            assert_eq!(json.get("left_out"), Some(&Json::Null));
        });
    }

    #[test]
    fn what_fills_the_template_cannot_break_it() {
        let page = fill("a <b> & \"c\" <!--DATA-->", "<pre>", r#"{"x":"</script>"}"#);
        assert!(page.contains("a &lt;b&gt; &amp; &quot;c&quot; &lt;!--DATA--&gt;"));
        assert!(page.contains("&lt;pre&gt;"));
        assert!(page.contains(r#"{"x":"\u003c/script>"}"#));
        assert!(!page.contains("<!--"), "no mark is left");
        assert_eq!(
            page.matches("<script").count(),
            page.matches("</script>").count()
        );
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = fill("a run", "PASS", "{}");
        for part in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
            assert!(!page.contains(part), "{part}");
        }
    }

    #[test]
    fn beyond_the_limit_messages_are_left_out_and_the_page_says_so() {
        let mut recording = String::new();
        for id in 0..=MAX_MESSAGES as u64 {
            let _ = writeln!(
                recording,
                r#"{{"t":{id},"event":"send","id":{id},"message":{{"src":"n1","dest":"n0","body":{{"type":"ack","offset":0,"ack":0}}}}}}"#
            );
        }
        let _ = write!(
            recording,
            "{{\"t\":90000,\"event\":\"recv\",\"id\":0}}\n{{\"t\":90000,\"event\":\"recv\",\"id\":{MAX_MESSAGES}}}\n{{\"t\":9000000,\"event\":\"recv\",\"id\":1}}\n"
        );
        let trace = trace(&recording);
        assert_eq!(trace.messages.len(), MAX_MESSAGES);
        assert_eq!(trace.full_at, Some(MAX_MESSAGES as u64));
        let arrivals = trace.events.iter().filter(|event| event.1 == What::Receive);
        assert_eq!(
            arrivals.map(|event| event.2).collect::<Vec<_>>(),
            [0],
            "of what is there, what arrives soon; of what is not, nothing"
        );
        outcome(|outcome| {
            let note = left_out(outcome, &trace);
            assert!(note.contains("the first 25000 of"), "{note}");
            // The worst that the limits allow but for values: 80 bytes a message.
            assert!(page(outcome, &trace, &STAR).len() < 3_000_000);
        });
    }

    #[test]
    fn an_empty_journal_makes_a_page() {
        outcome(|outcome| {
            let empty = Trace::default();
            assert!(page(outcome, &empty, &STAR).contains("\"events\":{\"t\":[]"));
        });
    }
}
