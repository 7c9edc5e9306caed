//! `init`: how a node learns who it is and who the others are.

use super::{Identity, Node};
use crate::event::{self, Event};
use crate::gossip::Gossip;
use crate::json::Json;
use crate::message::{ErrorCode, Message, Refusal};
use crate::time::Instant;
use crate::workload::{self, Place, Workload};

impl<W: Workload> Node<W> {
    pub(super) fn before_init(
        &mut self,
        now: Instant,
        kind: &str,
        message: &Message<'_>,
    ) -> Result<(), Refusal> {
        if kind == "init" {
            return self.init(now, message);
        }
        let known = ["delta", "ack", "sync", "stats"];
        if !known.contains(&kind) && !W::REQUESTS.contains(&kind) {
            return Err(workload::unknown(kind, W::REQUESTS));
        }
        Err(Refusal {
            code: ErrorCode::TemporarilyUnavailable,
            text: "not initialised yet: init comes first".into(),
        })
    }

    fn init(&mut self, now: Instant, message: &Message<'_>) -> Result<(), Refusal> {
        let id = message.body.text("node_id")?;
        let ids = message
            .body
            .list("node_ids", "a string", |id| id.as_str().map(str::to_owned))?;
        if id != message.dest {
            let dest = event::clip(message.dest);
            return Err(format!("node_id must be {dest}, whom the init is for").into());
        }
        let gossip = Gossip::new(&self.config, now, id, &ids)?;
        self.events.push(Event::Init(
            id.to_owned(),
            ids.len(),
            gossip.parent().unwrap_or("-").to_owned(),
            gossip.children(),
        ));
        let place = Place {
            index: ids.iter().position(|other| other == id).unwrap_or(0),
            nodes: ids.len(),
            is_root: gossip.parent().is_none(),
            epoch: self.config.epoch,
        };
        self.identity = Some(Identity {
            id: id.to_owned(),
            node_ids: node_ids(message)?,
            place,
            gossip,
            settling: false,
        });
        self.wants_journal = self.config.data_dir.is_some();
        if !self.wants_journal {
            self.begin(now, false);
        }
        self.reply(message, "init_ok", |_| ());
        Ok(())
    }

    /// Whoever did not hear the answer may ask again; what has begun does not begin anew.
    pub(super) fn init_again(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        let Some(Identity {
            id,
            node_ids: known,
            ..
        }) = &self.identity
        else {
            return Ok(());
        };
        let asked = message.body.text("node_id")?;
        let differs = |name: &str, known: &str, asked: &str| {
            let [known, asked] = [known, asked].map(event::clip);
            format!("{name} was {known} in the first init, and cannot become {asked}")
        };
        if asked != id {
            return Err(differs("node_id", id, asked).into());
        }
        let asked = node_ids(message)?;
        if asked != *known {
            return Err(differs("node_ids", known, &asked).into());
        }
        self.reply(message, "init_ok", |_| ());
        Ok(())
    }
}

/// An `init`'s list of all nodes, as text that is the same for the same names.
fn node_ids(init: &Message<'_>) -> Result<String, String> {
    let read = |ids: &Json<'_>| Some(ids.to_string());
    init.body.read("node_ids", "an array of names", read)
}
