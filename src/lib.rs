//! hubcast: a broadcast node for Maelstrom and Gossip Glomers.
#![deny(unsafe_code)]
#![deny(missing_docs)]

#[cfg(not(unix))]
compile_error!("hubcast waits with poll(2), which only Unix systems have: Linux, macOS, the BSDs");

pub mod config;
pub mod interval_set;
pub mod json;
pub mod link;
pub mod log;
pub mod message;
pub mod node;
pub mod stdio;
pub mod testbed;
pub mod time;
pub mod tree;
