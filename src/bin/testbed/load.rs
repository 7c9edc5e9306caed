//! What the clients want of the nodes: the load of a run.
//!
//! The [engine](crate::engine) knows clients, their timeouts, the network and the
//! phases of a run; a [`Load`] knows what is asked, what an answer means, and what
//! all the answers together say. One file a workload, here and in the node.

pub mod broadcast;

use std::fmt::Debug;

use hubcast::json::{Json, Object};
use hubcast::time::Instant;

use crate::checker::Verdict;
use crate::rng::Rng;

/// One workload's clients and their judge.
pub trait Load: Debug + Default {
    /// An operation, as it is remembered until its answer comes.
    type Operation: Copy + Debug;

    /// The kinds of operations, in the order of the report. A kind's name is its
    /// request's type, and with `_ok` behind it that of its answer.
    const KINDS: &'static [&'static str];

    /// Whether nodes are advised a topology first, as Maelstrom does for `broadcast`.
    const ADVISES: bool;

    /// A client's next operation, which begins now.
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Self::Operation;

    /// The question that each client asks in the end, after the quiet.
    fn last(&mut self, now: Instant) -> Self::Operation;

    /// Which of the [kinds](Load::KINDS) it is.
    fn kind(operation: Self::Operation) -> usize;

    /// Writes the request's fields, type and number excepted.
    fn write(operation: Self::Operation, body: &mut Object<'_>);

    /// What the history says of it besides its kind.
    fn describe(operation: Self::Operation, line: &mut Object<'_>);

    /// It was answered as asked, `by` this node; true: it is what
    /// [`last`](Load::last) gave.
    ///
    /// # Errors
    ///
    /// What the node did, if that is no answer at all; it ends the run.
    fn ok(
        &mut self,
        now: Instant,
        operation: Self::Operation,
        by: (&str, bool),
        body: &Json<'_>,
    ) -> Result<(), String>;

    /// It was answered with the definite error `code`: it has not happened, and
    /// never will. Of what is indeterminate nobody tells: it may have happened.
    fn failed(&mut self, operation: Self::Operation, code: i64);

    /// What the history says of an answer besides its type.
    fn answer(body: &Json<'_>, line: &mut Object<'_>);

    /// How a body is recorded that would be too long as it is.
    fn shortened(body: &Json<'_>) -> Option<Json<'static>>;

    /// What every node must show once all faults are over: what was accepted so
    /// far, each thing by a number.
    fn accepted(&self) -> Vec<i64>;

    /// The request that makes a node show what it holds.
    const SHOW: &'static str;

    /// What the answer to that shows; `None` if it is something else.
    fn shown(body: &Json<'_>) -> Option<Vec<i64>>;

    /// What all of it means.
    fn verdict(&self) -> Verdict;
}
