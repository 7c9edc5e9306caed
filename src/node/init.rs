//! `init`: how a node learns who it is and who the others are.

use super::Node;
use crate::event::{self, Event};
use crate::gossip::Gossip;
use crate::json::Json;
use crate::message::{ErrorCode, Message, Refusal};
use crate::time::Instant;
use crate::workload::{self, Effects, Place, Workload};

impl<W: Workload> Node<W> {
    /// What is told to whoever asks before `init`.
    pub(super) fn too_early(kind: &str) -> Refusal {
        let known = ["delta", "ack", "sync", "stats"];
        if !known.contains(&kind) && !W::REQUESTS.contains(&kind) {
            return workload::unknown(kind, W::REQUESTS);
        }
        Refusal {
            code: ErrorCode::TemporarilyUnavailable,
            text: "not initialised yet: init comes first".into(),
        }
    }

    /// Whoever did not hear the answer may ask again; what has begun does not begin anew.
    pub(super) fn init(&mut self, now: Instant, message: &Message<'_>) -> Result<(), Refusal> {
        let id = message.body.text("node_id")?;
        let read = |id: &Json<'_>| id.as_str().map(str::to_owned);
        let ids = message.body.list("node_ids", "a string", read)?;
        if id != message.dest {
            let dest = event::clip(message.dest);
            return Err(format!("node_id must be {dest}, whom the init is for").into());
        }
        let node_ids = format!("{ids:?}");
        match &self.node_ids {
            None => self.join(now, id, &ids)?,
            Some(known) if *known == node_ids => {}
            Some(known) => {
                let [known, asked] = [known, &node_ids].map(|ids| event::clip(ids));
                let text = "in the first init, and cannot become";
                return Err(format!("node_ids was {known} {text} {asked}").into());
            }
        }
        self.node_ids = Some(node_ids);
        let mut effects = Effects::<()>::new(now, &self.id, &mut self.replies);
        effects.reply(message, "init_ok", |_| ());
        Ok(())
    }

    fn join(&mut self, now: Instant, id: &str, ids: &[String]) -> Result<(), String> {
        self.gossip = Gossip::new(&self.config, now, id, ids)?;
        let parent = self.gossip.parent();
        self.place = Place {
            index: ids.iter().position(|other| other == id).unwrap_or(0),
            nodes: ids.len(),
            is_root: parent.is_none(),
            epoch: self.config.epoch,
        };
        self.id = id.to_owned();
        self.events.push(Event::Init(
            self.id.clone(),
            ids.len(),
            parent.unwrap_or("-").to_owned(),
            self.gossip.children(),
        ));
        self.wants_journal = self.config.data_dir.is_some();
        if !self.wants_journal {
            self.begin(now, false);
        }
        Ok(())
    }
}
