//! The writer as whoever decides sees it: it takes facts, and never holds anybody up.

use super::AuditWriter;
use crate::audit::{Event, Outcome};
use db_core::{AuditFact, AuditOutcome, AuditSink};
use serde_json::Value;

impl AuditSink for AuditWriter {
    /// What finds no room is counted among the dropped, and what cannot be stored among the rejected.
    fn note(&self, fact: &AuditFact<'_>) {
        let outcome = match fact.outcome {
            AuditOutcome::Denied => Outcome::Denied,
            AuditOutcome::Failure => Outcome::Failure,
            _ => Outcome::Success,
        };
        let mut event = Event::new(fact.action, fact.entity_type).outcome(outcome);
        if !fact.entity_id.is_empty() {
            event = event.entity(fact.entity_id);
        }
        if !fact.actor.is_empty() {
            event = event.actor(fact.actor);
        }
        for (name, text) in fact.details {
            event = event.detail(*name, Value::String((*text).to_owned()));
        }
        if let Err(error) = self.try_record(event) {
            tracing::error!(%error, action = fact.action, "a fact cannot be audited");
        }
    }
}
