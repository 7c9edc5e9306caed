//! hubcast: a broadcast node for [Maelstrom](https://github.com/jepsen-io/maelstrom)
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
//! **The saving.** The hub does not pass on a value at once. It waits for 150 ms
//! for others, and sends all of them to each leaf in one message ([`node`]). This
//! is one value's journey, from a client of n7 to a client of n3:
//!
//! ```text
//!  clock      c7        n7              n0 (hub)             n3         c3
//!    0 ms     |-- 42 -->|                  |                  |          |
//!             |<-- ok --|                  |                  |          |
//!             |         |--- delta [42] -->|                  |          |
//!             |         |  (up: at once)   |                  |          |
//!  100 ms     |         |                  | window opens     |          |
//!             |         |                  | (down: 150 ms)   |          |
//!             |         |                  | 43, 44 arrive    |          |
//!  250 ms     |         |                  |-- delta [42,43,44] --> ...  |
//!             |         |<-- delta [43,44],|                  |          |
//!             |         |    ack of 42 ----|                  |          |
//!  350 ms     |         |                  |                  | has 42   |
//!             |         |                  |                  |<- read --|
//!             |         |                  |                  |- 42.. -->|
//! ```
//!
//! The answer to the client does not wait for any of this: n7 keeps the value
//! and will not rest until its hub has it, so it can promise.
//!
//! **The safety.** Between two neighbours runs a *link*: a numbered stream in
//! each direction, with cumulative acks that ride on deltas, gaps that are
//! asked for, and retransmission until acked ([`link`]). While a neighbour does
//! not answer, it is *suspect* and only probed now and then. The first sign of
//! life makes everybody try again at once.
//!
//! **The core and its edge.** All of this is *sans-IO*: `json`, `message`,
//! `tree`, `interval_set`, `link` and `node` have no clock, no sockets, no
//! threads and no randomness. Messages and time are passed in, messages come
//! out. Only [`stdio`] and `main` touch the system; the [`testbed`] and the
//! tests drive the same core in other ways.
//!
//! # The chapters
//!
//! In the manner of Maelstrom's own guide: run something, read one number, explain it,
//! change one thing, run again. Every command runs as written, and what it prints here
//! it prints there: `--virtual` runs depend on nothing but their seed.
//!
//! | chapter | where |
//! |---|---|
//! | 1 flooding, and why not; 2 the hub tree | [`tree`] |
//! | 3 batching; 4 why the windows are shared | [`node`] |
//! | 5 offsets and cumulative acks; 6 loss and the gap rule; 7 retransmission and backoff | [`link`] |
//! | 8 a partition, and good news | [`node`] |
//! | 9 the poll loop | [`stdio`] |
//! | 10 what the figures mean, and how they fool people | [`testbed::checker`] |
//! | 11 limits and caveats | below |
//!
//! `./run.sh trace` tells all of it as a story of five nodes.
//!
//! # Where to read on
//!
//! | order | module | the idea in it |
//! |---|---|---|
//! | 1 | [`message`] | the conversation: every message there is |
//! | 2 | [`tree`] | who talks to whom, and why a star |
//! | 3 | [`node`] | windows, split horizon, good news; the contract of a sans-IO node |
//! | 4 | [`link`] | reliable streams: offsets, acks, gaps, retransmission |
//! | 5 | [`stdio`] and `main.rs` | the poll loop |
//! | 6 | [`interval_set`] | a million values in a few bytes |
//! | 7 | [`json`] | a parser one can read |
//! | 8 | [`config`], [`log`], [`time`] | settings, log lines, moments |
//! | 9 | [`testbed`] | how all of it is measured and shaken |
//!
//! # Chapter 11: limits and caveats
//!
//! - Memory only. A node that is restarted has forgotten its values and its
//!   streams, and its neighbours do not notice. Maelstrom does not restart nodes.
//! - The hub is a single point of delay. While it is cut off nothing spreads, and
//!   there is no election. Nothing is lost: everything follows when it is back.
//! - Trust. Nodes believe what their neighbours say, as far as it makes sense.
#![deny(unsafe_code)]
#![deny(missing_docs)]

#[cfg(not(unix))]
compile_error!("hubcast waits with poll(2), which only Unix systems have: Linux, macOS, the BSDs");

pub mod config;
pub mod event;
pub mod gossip;
pub mod interval_set;
pub mod json;
pub mod link;
pub mod message;
pub mod node;
pub mod stdio;
pub mod time;
pub mod tree;
pub mod workload;
