//! hubcast: a node for [Maelstrom](https://github.com/jepsen-io/maelstrom)
//! and Fly.io's Gossip Glomers, and a testbed to measure it. Rust, std only.
//!
//! # The tour
//!
//! **The job.** Some nodes, here 25. Clients hand values to any of them and ask
//! any of them what it has heard. Every value must reach every node, soon, with
//! few messages, over a network that takes 100 ms a message and may lose them
//! or fall apart for a while.
//!
//! **The shape.** The nodes form a *spanning tree* of two levels, a star: one hub,
//! 24 leaves ([`tree`]). A value goes to every neighbour but the one that it
//! came from, so each node gets it once.
//!
//! **The saving.** The hub does not pass on a value at once. The user says by when a
//! value must be everywhere. The node measures how much of this time the network takes.
//! In the rest the hub waits for more values, and sends all of them to each leaf in one
//! message ([`gossip`], [`timetable`](gossip::timetable)). The README draws one value's
//! journey. The answer to the client does not wait for any of this: a node keeps the
//! value and will not rest until its hub has it, so it can promise.
//!
//! **The safety.** Between two neighbours runs a *link*: a numbered stream in each
//! direction. Its acks are cumulative and ride on deltas. Holes are named and filled,
//! and items are sent again until acked ([`link`]). Its timeouts follow the round trip
//! that it measures. While a neighbour does not answer, it is *suspect* and only
//! probed now and then. A neighbour that starts anew is known by its *epoch*, and the
//! two tell each other what they hold.
//!
//! **The core and its edge.** All of this is *sans-IO*: it has no clock, no sockets,
//! no threads and no randomness. Lines and time are passed in, lines come out. Only
//! [`stdio`] and `main` (with the journal's files, `disk.rs`) touch the system. The testbed
//! (`src/bin/testbed/`, a program that uses this library) and the tests drive the same core in
//! other ways.
//!
//! # The lesson
//!
//! [`lesson`], chapter by chapter: predict, run, read one number, see the code that makes it
//! so, and take that out. `./run.sh trace` tells a story of five nodes message by message.
//!
//! # The rooms
//!
//! Arrows go down only: the node knows the workload and the gossip, the gossip its
//! links; a link knows no workload, a workload no link, and only `main` any I/O.
//!
//! | order | module | the idea in it |
//! |---|---|---|
//! | 1 | [`message`] | the envelope: who says what to whom, and which question it answers |
//! | 2 | [`workload`] | what the nodes are for; the law of merging; one file a workload |
//! | 3 | [`node`] | `init`, dispatch, replies; the contract of a sans-IO node |
//! | 4 | [`tree`] | who talks to whom, and why a star |
//! | 5 | [`gossip`] | batches, the timetable, split horizon, good news, catching up |
//! | 6 | [`link`] | reliable streams: incarnations, offsets, acks, holes, round trips, retransmission |
//! | 7 | [`journal`] | what survives a restart: records, and the order of steps |
//! | 8 | [`stdio`] and `main.rs` | the poll loop |
//! | 9 | [`interval_set`] | a million values in a few bytes |
//! | 10 | [`json`] | a parser one can read, and the one writer |
//! | 11 | [`event`], [`config`], [`time`] | what a node notices, settings, moments |
#![deny(unsafe_code)]
#![deny(missing_docs)]

#[cfg(not(unix))]
compile_error!("hubcast waits with poll(2), which only Unix systems have: Linux, macOS, the BSDs");

pub mod config;
pub mod event;
pub mod gossip;
pub mod interval_set;
pub mod journal;
pub mod json;
pub mod lesson;
pub mod link;
pub mod message;
pub mod node;
pub mod stdio;
pub mod time;
pub mod tree;
pub mod workload;
