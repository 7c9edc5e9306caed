//! What a driver sees of a node: the contract.
//!
//! The eight workloads are eight types of nodes. A driver (the poll loop, the testbed)
//! knows none of them: so their code is compiled once, here, and not once a driver.

use std::any::Any;
use std::io;

use super::Node;
use crate::config::Config;
use crate::event::Event;
use crate::journal::{Disk, Journal};
use crate::link::Marks;
use crate::time::Instant;
use crate::workload::Name;
use crate::workload::broadcast::{Broadcast, GSet};
use crate::workload::counter::{GCounter, PnCounter};
use crate::workload::echo::Echo;
use crate::workload::log::Log;
use crate::workload::txn::Txn;
use crate::workload::unique_ids::UniqueIds;

/// A node without its surroundings, whatever its workload: what a driver sees.
///
/// # The contract
///
/// - `now` never goes back from call to call.
/// - A *turn* is some lines, maybe none, and the end of the turn. Call
///   [`handle_line`](AnyNode::handle_line) for each line at hand, then
///   [`end_turn`](AnyNode::end_turn). Then take the output with
///   [`poll_transmit`](AnyNode::poll_transmit) until there is none, and send it. The
///   output may be taken between the lines, too; replies are ready at once, and what
///   goes to neighbours at the end of the turn, so that it goes together.
/// - With a journal ([`Config::data_dir`]): after each line look whether the node
///   [wants its journal](AnyNode::wants_journal). It does once, when `init` has told it its
///   name: [open](AnyNode::open_journal) it before anything else.
/// - Before anything that `poll_transmit` gave leaves, take the records with
///   [`poll_persist`](AnyNode::poll_persist) and have them *stored*: synced, not only
///   written. The output promises that. If they cannot be stored, nothing that was
///   taken since the last time may leave, and the node is at its end.
/// - When the moment of [`poll_timeout`](AnyNode::poll_timeout) has come, a turn is due,
///   with or without lines. One that is not due does no harm. `None` means that
///   nothing will happen until a line comes.
/// - Take the events with [`poll_event`](AnyNode::poll_event) whenever you like. Of
///   those that nobody takes some thousand are kept.
pub trait AnyNode: std::fmt::Debug {
    /// A line came in, without its line break. A bad one makes an event and, where
    /// its sender can be told, an error reply; nothing else changes.
    fn handle_line(&mut self, now: Instant, line: &[u8]);

    /// The node's name, if it must be given what its journal holds before it goes on.
    fn wants_journal(&self) -> Option<&str>;

    /// Opens the journal on `disk`, as [`Journal::open`] does. The node goes on where it
    /// was, in its next incarnation.
    ///
    /// # Errors
    ///
    /// Those of [`Journal::open`]; the node is at its end then.
    fn open_journal(
        &mut self,
        now: Instant,
        disk: Box<dyn Disk>,
        least: u64,
    ) -> io::Result<Journal>;

    /// The lines at hand have been handled, and time has come to `now`.
    fn end_turn(&mut self, now: Instant);

    /// Appends to `out` what the journal must hold before any output leaves that was
    /// taken until now: one record for all items of a turn (*group commit*). False:
    /// there is nothing new.
    #[must_use]
    fn poll_persist(&mut self, out: &mut Vec<u8>) -> bool;

    /// The journal in short, record by record, if there is one.
    fn short_form(&self) -> Box<dyn Iterator<Item = Vec<u8>> + '_>;

    /// Appends the next output to `out`: one line for a neighbour, or all replies
    /// that are ready. False: there is none.
    #[must_use]
    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool;

    /// When a turn is due; `None`: not before a line has come.
    #[must_use]
    fn poll_timeout(&self) -> Option<Instant>;

    /// The next event, if its level is one that is wanted.
    #[must_use]
    fn poll_event(&mut self) -> Option<Event>;

    /// The neighbours, in the order of the tree, and where their links stand; none before
    /// `init`.
    fn links(&self) -> Vec<(&str, Marks)>;

    /// How many items it holds.
    fn items(&self) -> u64;

    /// A copy, to see what it would do.
    fn copy(&self) -> Box<dyn AnyNode>;

    /// The [`Node`] itself, for tests that look inside.
    fn as_any(&self) -> &dyn Any;
}

/// A node that waits for its `init`, for the workload that it is set to.
pub fn node(config: Config) -> Box<dyn AnyNode> {
    match config.workload {
        Name::Broadcast => Box::new(Node::<Broadcast>::new(config)),
        Name::Echo => Box::new(Node::<Echo>::new(config)),
        Name::UniqueIds => Box::new(Node::<UniqueIds>::new(config)),
        Name::GSet => Box::new(Node::<GSet>::new(config)),
        Name::GCounter => Box::new(Node::<GCounter>::new(config)),
        Name::PnCounter => Box::new(Node::<PnCounter>::new(config)),
        Name::Kafka => Box::new(Node::<Log>::new(config)),
        Name::Txn => Box::new(Node::<Txn>::new(config)),
    }
}
