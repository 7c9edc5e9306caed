//! "Say it back": the series' first lesson, and the smallest workload.

use crate::json::Json;
use crate::message::{Message, Refusal};
use crate::workload::{self, Effects, Item, Workload};

/// Answers `echo`. Holds nothing and spreads nothing.
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

    const REQUESTS: &'static [&'static str] = &["echo"];

    fn request(
        &mut self,
        kind: &str,
        request: &Message<'_>,
        effects: &mut Effects<'_, Nothing>,
    ) -> Result<(), Refusal> {
        workload::other::<Self>(kind, request, effects)
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

/// Gives back what came, whatever JSON that is.
///
/// # Errors
///
/// [`Refusal`] if nothing came.
pub fn echo<I>(request: &Message<'_>, effects: &mut Effects<'_, I>) -> Result<(), Refusal> {
    let echo = request
        .body
        .read("echo", "what is to come back, any JSON", Some)?;
    effects.reply(request, "echo_ok", |body| body.value("echo", echo));
    Ok(())
}
