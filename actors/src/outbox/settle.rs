//! What the server has of the ledger: found out at the beginning of a session, and looked at
//! again from time to time.

use super::speaker::Speaker;
use crate::clock;
use resus_bus::nats::NatsError;
use resus_core::moment::rfc3339;
use resus_core::outbox::{Loss, Mark, Verdict, judge};
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;

impl Speaker<'_> {
    /// Finds out what the server has.
    pub(super) async fn settle(&mut self) -> Result<(), NatsError> {
        let link = self.link.to_string();
        let now_unix_ms = clock::now().unix_ms;
        self.hold_until = self.inner.published.load(Relaxed);
        self.forget_a_mark_of_another_ledger().await?;
        let Some(facts) = self.session.ledger_facts(self.kept.get(), now_unix_ms).await? else {
            // A server that keeps nothing needs no history; what came while it was away it gets.
            let known = self.kept.get().filter(|mark| mark.link == link).map(|mark| mark.pos);
            self.pos = known.unwrap_or_else(|| self.inner.board.ledger_pos());
            self.sent_pos = self.pos;
            self.inner.bus_status.acknowledged(self.pos);
            return Ok(());
        };
        let verdict = judge(self.kept.get(), &link, &facts, now_unix_ms);
        self.stream_created.clone_from(&facts.created);
        self.oldest = facts.oldest;
        let behind = match verdict {
            Verdict::GoOn { pos, stream_seq } => {
                self.pos = pos;
                stream_seq
            }
            Verdict::Anew { loss } => {
                if let Some(loss) = loss {
                    self.tell_loss(loss).await?;
                }
                self.begin_anew();
                0
            }
        };
        self.sent_pos = self.pos;
        self.inner.bus_status.acknowledged(self.pos);
        self.present = self.session.ledger_has(&self.namespace, behind).await?;
        Ok(())
    }

    /// An operator may have accepted that the history is gone, or brought an older ledger back:
    /// then what the mark says of positions is of no use.
    async fn forget_a_mark_of_another_ledger(&mut self) -> Result<(), NatsError> {
        let Some(mark) = self.kept.get().filter(|mark| mark.pos > 0).cloned() else { return Ok(()) };
        let page = self.pages.after(mark.pos - 1).await.map_err(NatsError::Failed)?;
        let is_there = match page.events.first() {
            Some((pos, event)) => *pos == mark.pos && *event.event_id == *mark.event_id,
            None => false,
        };
        if !is_there {
            tracing::warn!(pos = mark.pos, "the ledger is not the one that was published; beginning anew");
            self.kept.forget();
        }
        Ok(())
    }

    /// From the beginning of the ledger, with a mark in this stream.
    pub(super) fn begin_anew(&mut self) {
        self.pos = 0;
        self.put_mark(0, String::new(), 0);
    }

    pub(super) async fn tell_loss(&mut self, loss: Loss) -> Result<(), NatsError> {
        let at = rfc3339(clock::now().unix_ms);
        let what = format!("{} (found at {at}); its events are sent again from the ledger", loss.as_str());
        self.inner.bus_status.alarm("BUS_DATA_LOST", what.clone());
        if let Err(error) = self.session.forget_duplicates().await {
            tracing::warn!(%error, "the server may take events for duplicates for two minutes");
        }
        self.say_of_node("alarm", json!({ "code": "BUS_DATA_LOST", "message": what })).await
    }

    /// Compares the stream with the mark. A stream that has lost something ends the session: the
    /// next one makes it anew and finds out what is missing.
    pub(super) async fn check(&mut self) -> Result<(), NatsError> {
        let now = clock::now();
        let facts = self.session.ledger_facts(self.kept.get(), now.unix_ms).await?;
        let Some(facts) = facts else {
            return match self.session.could_be_better().await {
                true => Err(NatsError::Failed("JetStream is there now".to_owned())),
                false => Ok(()),
            };
        };
        match judge(self.kept.get(), &self.link.to_string(), &facts, now.unix_ms) {
            Verdict::GoOn { .. } | Verdict::Anew { loss: None } => {
                self.oldest = facts.oldest;
                if let Some(mark) = self.kept.get().filter(|mark| mark.oldest != facts.oldest) {
                    self.kept.put(Mark { oldest: facts.oldest, ..mark.clone() }, now.mono_ms);
                }
                Ok(())
            }
            Verdict::Anew { loss: Some(loss) } => Err(NatsError::Failed(loss.as_str().to_owned())),
        }
    }
}
