//! The run as the page reads it: one array of integers a field.

use std::collections::BTreeSet;
use std::time::Duration;

use super::recorded::{
    Cut, MAX_MESSAGES, MAX_REQUESTS, MAX_STABLE, MAX_VALUES, NOTICED, Noticed, Request, Sent,
    Trace, What, item, safe,
};
use super::settings;
use crate::show::report::{Outcome, compared, limits, verdict_text};
use hubcast::json;
use hubcast::time::Instant;

/// The run as the page reads it.
pub fn data(outcome: &Outcome<'_>, trace: &Trace, parents: &[i64]) -> String {
    let options = outcome.options;
    let mut members = about(outcome);
    let mut member = |name: &'static str, json: String| members.push((name, json));
    member("parent", column(parents.iter().copied()));
    member("left_out", left_out(outcome, trace));
    member("requests", list(trace.asks.iter().map(|name| string(name))));
    member("item", string(item(options)));
    let labels =
        (trace.numbers.as_ref()).map(|_| list(trace.labels.iter().map(|text| string(text))));
    member("items", labels.unwrap_or("null".into()));
    member("cuts", list(trace.cuts.iter().map(cut_json)));
    let nodes = trace.nodes.iter().map(|(kind, nodes)| {
        let nodes = column(nodes.iter().copied());
        format!("{{\"kind\":{},\"nodes\":{nodes}}}", string(kind))
    });
    member("nodes", list(nodes));
    member("events", events(trace));
    member("messages", messages(&trace.messages));
    member("clients", clients(&trace.requests));
    member("beliefs", trace.has_beliefs.to_string());
    member("noticed", noticed(trace));
    member("stable", stable(outcome));
    let members: Vec<String> = (members.iter())
        .map(|(name, json)| format!("\"{name}\":{json}"))
        .collect();
    format!("{{\n{}\n}}", members.join(",\n"))
}

/// What was run, and how it ended.
fn about(outcome: &Outcome<'_>) -> Vec<(&'static str, String)> {
    let options = outcome.options;
    let measured = outcome.measured();
    let verdict = verdict_text(&measured, options, &[]);
    let bounds = compared(options).iter().map(|limits| {
        let (per_op, median, maximum) = (limits.messages_per_op, limits.median, limits.maximum);
        format!("[{},{per_op},{median},{maximum}]", string(limits.name))
    });
    vec![
        ("results", outcome.to_json().to_string()),
        ("passes", measured.passes(options).to_string()),
        ("verdict", string(verdict.trim_end())),
        ("command", string(&options.command_line())),
        ("settings", settings(options)),
        ("limits", list(bounds)),
        ("limits_apply", (!limits(options).is_empty()).to_string()),
        ("foreign", options.bin.is_some().to_string()),
        ("latency", options.latency.as_micros().to_string()),
    ]
}

fn events(trace: &Trace) -> String {
    let events = &trace.events;
    let indexed = |what| matches!(what, What::Receive | What::Drop | What::Reply);
    let indices = events.iter().filter(|event| indexed(event.1));
    columns([
        ("t", differences(events.iter().map(|event| event.0 as i64))),
        ("e", column(events.iter().map(|event| event.1 as i64))),
        ("i", column(indices.map(|event| event.2 as i64))),
    ])
}

fn messages(messages: &[Sent]) -> String {
    let of = |field: fn(&Sent) -> i64| column(messages.iter().map(field));
    // An incarnation of a real node is a number of 16 digits.
    let epochs = messages.iter().flat_map(|sent| [sent.epoch, sent.peer]);
    let epochs: Vec<i64> = BTreeSet::from_iter(epochs).into_iter().collect();
    let epoch = |number: i64| epochs.binary_search(&number).unwrap_or_default() as i64;
    let probes = (0..messages.len()).filter(|&index| messages[index].probe);
    let values = messages.iter().flat_map(|sent| sent.values.iter().copied());
    let missing = |sent: &Sent| {
        let pairs = sent.missing.iter().flat_map(|&(first, last)| [first, last]);
        (!sent.missing.is_empty()).then(|| column(pairs))
    };
    let next = |sent: &Sent| sent.next.map(|(next, every)| format!("[{next},{every}]"));
    columns([
        ("id", differences(messages.iter().map(|sent| sent.id))),
        ("src", of(|sent| sent.src as i64)),
        ("dest", of(|sent| sent.dest as i64)),
        ("kind", of(|sent| sent.kind as i64)),
        ("offset", of(|sent| sent.offset)),
        ("ack", of(|sent| sent.ack)),
        ("count", of(|sent| sent.values.len() as i64)),
        ("epochs", column(epochs.iter().copied())),
        (
            "epoch",
            column(messages.iter().map(|sent| epoch(sent.epoch))),
        ),
        ("peer", column(messages.iter().map(|sent| epoch(sent.peer)))),
        ("ts", of(|sent| sent.ts)),
        ("echo", of(|sent| sent.echo)),
        ("held", of(|sent| sent.held)),
        ("next", sparse(messages, next)),
        ("missing", sparse(messages, missing)),
        ("probe", column(probes.map(|index| index as i64))),
        ("values", column(values)),
        (
            "raw",
            sparse(messages, |sent| sent.raw.as_deref().map(string)),
        ),
    ])
}

fn clients(requests: &[Request]) -> String {
    let of = |field: fn(&Request) -> i64| column(requests.iter().map(field));
    let texts = |which: usize| sparse(requests, |each| each.texts[which].as_deref().map(string));
    columns([
        ("node", of(|request| request.node as i64)),
        ("client", of(|request| request.client as i64)),
        ("what", of(|request| request.what as i64)),
        ("msg_id", of(|request| request.msg_id)),
        ("value", of(|request| request.value)),
        ("shown", of(|request| request.shown)),
        ("asked", texts(0)),
        ("answered", texts(1)),
    ])
}

/// What the nodes noticed, as far as the page goes.
fn noticed(trace: &Trace) -> String {
    let end = trace.full_at.unwrap_or(u64::MAX);
    let noticed = trace.noticed.iter().take_while(|each| each.time <= end);
    let noticed: Vec<&Noticed> = noticed.collect();
    let of = |field: fn(&Noticed) -> i64| column(noticed.iter().map(|each| field(each)));
    let detail = |each: &&Noticed| (!each.detail.is_empty()).then(|| string(&each.detail));
    columns([
        ("names", list(NOTICED.iter().map(|name| string(name)))),
        (
            "t",
            differences(noticed.iter().map(|each| each.time as i64)),
        ),
        ("node", of(|each| each.node as i64)),
        ("what", of(|each| each.what as i64)),
        ("peer", of(|each| each.peer.map_or(-1, |peer| peer as i64))),
        ("detail", sparse(&noticed, detail)),
    ])
}

fn stable(outcome: &Outcome<'_>) -> String {
    let stable = outcome.verdict.by_value.iter().take(MAX_STABLE);
    let of = |field: fn(&(i64, Instant, Duration)) -> i64| column(stable.clone().map(field));
    columns([
        ("value", of(|entry| safe(entry.0))),
        ("known", of(|entry| entry.1.as_micros() as i64)),
        ("latency", of(|entry| entry.2.as_micros() as i64)),
    ])
}

fn cut_json(cut: &Cut) -> String {
    let pairs = (cut.directions.iter()).flat_map(|&(src, dest)| [src as i64, dest as i64]);
    format!(
        "{{\"kind\":{},\"all\":{},\"pairs\":{}}}",
        string(&cut.kind),
        cut.all,
        column(pairs)
    )
}

/// A sentence on what the page does not show, or `null`.
pub fn left_out(outcome: &Outcome<'_>, trace: &Trace) -> String {
    let Some(full_at) = trace.full_at else {
        return "null".into();
    };
    string(&format!(
        "This page holds the first {} of {} messages between nodes, up to {:.1} s: at most {} \
         messages, {} client requests and {} {}s fit. Replay, diagram and charts end \
         there; the verdict is about the whole run, and messages.jsonl beside this page has everything.",
        trace.messages.len(),
        outcome.counts.server.total,
        full_at as f64 / 1e6,
        MAX_MESSAGES,
        MAX_REQUESTS,
        MAX_VALUES,
        item(outcome.options),
    ))
}

pub fn string(text: &str) -> String {
    let mut out = Vec::new();
    json::encode_str(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// An array of what is JSON already.
fn list(members: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", Vec::from_iter(members).join(","))
}

/// Of the few that have something: by index.
fn sparse<T>(all: &[T], of: impl Fn(&T) -> Option<String>) -> String {
    let members = all.iter().enumerate();
    let members = members.filter_map(|(index, each)| Some(format!("\"{index}\":{}", of(each)?)));
    let members: Vec<String> = members.collect();
    format!("{{{}}}", members.join(","))
}

fn columns<const N: usize>(members: [(&str, String); N]) -> String {
    let members = members.map(|(name, json)| format!("\"{name}\":{json}"));
    format!("{{{}}}", members.join(",\n"))
}

fn column(numbers: impl IntoIterator<Item = i64>) -> String {
    let mut out = vec![b'['];
    for number in numbers {
        if out.len() > 1 {
            out.push(b',');
        }
        json::encode_int(number, &mut out);
    }
    out.push(b']');
    String::from_utf8_lossy(&out).into_owned()
}

/// Each number minus the one before: small numbers are short.
fn differences(numbers: impl IntoIterator<Item = i64>) -> String {
    let mut before = 0;
    column(
        numbers
            .into_iter()
            .map(|number| number - std::mem::replace(&mut before, number)),
    )
}
