//! The lesson, a book of short chapters: how such a protocol works underneath.
//!
//! Its chapters are Markdown files, `src/lesson/`, so that they can be read where the
//! sources are. Here `links.md` makes their links lead to these pages, and is written by
//! a test (`tests/lesson.rs`): of two definitions of a link the first one counts.
//!
// The chapters show parts of functions, which are no whole Rust.
#![allow(rustdoc::invalid_rust_codeblocks)]
#![doc = include_str!("lesson/links.md")]
#![doc = include_str!("lesson/README.md")]

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/01-reading-a-story.md")]
pub mod reading_a_story {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/02-flooding.md")]
pub mod flooding {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/03-it-loses.md")]
pub mod it_loses {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/04-the-tree.md")]
pub mod the_tree {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/05-batching.md")]
pub mod batching {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/06-offsets-and-acks.md")]
pub mod offsets_and_acks {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/07-round-trips.md")]
pub mod round_trips {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/08-the-timetable.md")]
pub mod the_timetable {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/09-holes.md")]
pub mod holes {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/10-timeouts.md")]
pub mod timeouts {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/11-good-news.md")]
pub mod good_news {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/12-when-the-hub-is-away.md")]
pub mod when_the_hub_is_away {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/13-one-way-cuts.md")]
pub mod one_way_cuts {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/14-incarnations.md")]
pub mod incarnations {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/15-anti-entropy.md")]
pub mod anti_entropy {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/16-durability.md")]
pub mod durability {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/17-joins.md")]
pub mod joins {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/18-the-log.md")]
pub mod the_log {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/19-transactions.md")]
pub mod transactions {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/20-the-poll-loop.md")]
pub mod the_poll_loop {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/21-figures-that-fool.md")]
pub mod figures_that_fool {}

#[doc = include_str!("lesson/links.md")]
#[doc = include_str!("lesson/22-how-we-know.md")]
pub mod how_we_know {}
