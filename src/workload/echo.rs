//! "Say it back": the series' first lesson, and the smallest workload: none.
//!
//! A node answers `echo` whatever it is for ([`Node`](crate::node::Node)), and this one is
//! for nothing else.

use crate::json::Json;
use crate::message::{Message, Refusal};
use crate::workload::{self, Effects, Item, Workload};

/// Answers nothing, holds nothing and spreads nothing.
#[derive(Clone, Debug, Default)]
pub struct Echo;

/// There is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Nothing {}

impl Item for Nothing {
    const WHAT: &'static str = "nothing: this workload spreads no items";

    fn write(&self, _out: &mut Vec<u8>) {
        match *self {}
    }

    fn read(_json: &Json<'_>) -> Option<Nothing> {
        None
    }
}

impl Workload for Echo {
    type Item = Nothing;
    type Piece = Nothing;
    type Digest = ();

    const REQUESTS: &'static [&'static str] = &[];

    fn request(
        &mut self,
        kind: &str,
        _request: &Message<'_>,
        _effects: &mut Effects<'_, Nothing>,
    ) -> Result<(), Refusal> {
        Err(workload::unknown(kind, Self::REQUESTS))
    }

    fn merge(&mut self, item: &Nothing) -> bool {
        match *item {}
    }

    fn digest(&self) {}

    fn missing(&self, _have: &()) -> Vec<Nothing> {
        Vec::new()
    }

    fn pieces(&self) -> impl Iterator<Item = Nothing> {
        std::iter::empty()
    }

    fn restore(&mut self, piece: &Nothing) {
        match *piece {}
    }

    fn len(&self) -> u64 {
        0
    }
}
