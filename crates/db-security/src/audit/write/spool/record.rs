//! An event as it lies in a file of the spool.

use crate::audit::{Event, Outcome, event::Personal, personal::SubjectKey};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// An event as it lies in a file.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    id: Uuid,
    occurred_at: i64,
    actor: Option<String>,
    request: Option<String>,
    action: String,
    entity_type: String,
    entity_id: Option<String>,
    outcome: String,
    old_values: Option<Value>,
    new_values: Option<Value>,
    details: Option<Value>,
    subject: Option<String>,
    /// Encrypted by a key that is made of the master key.
    personal: Option<String>,
}

impl Record {
    /// `key` encrypts what is personal; without one that is left out, and whoever takes events sees to it that there is one.
    pub(super) fn of(event: &Event, key: Option<&SubjectKey>) -> Self {
        let sealed = event.personal.as_ref().zip(key).map(|(personal, key)| {
            BASE64.encode(key.seal(Uuid::nil(), event.id, personal.values.to_string().as_bytes()).personal)
        });
        Self {
            id: event.id,
            occurred_at: event.occurred_at.timestamp_micros(),
            actor: event.actor.clone(),
            request: event.request.clone(),
            action: event.action.clone(),
            entity_type: event.entity_type.clone(),
            entity_id: event.entity_id.clone(),
            outcome: event.outcome.as_str().to_owned(),
            old_values: event.old_values.clone(),
            new_values: event.new_values.clone(),
            details: event.details.clone(),
            subject: event.personal.as_ref().map(|personal| personal.subject.clone()),
            personal: sealed,
        }
    }

    /// The event, where one of these keys opens what is personal.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn into_event(self, keys: &[SubjectKey]) -> Result<Event, String> {
        let personal = match (self.subject, self.personal) {
            (Some(subject), Some(sealed)) => {
                if keys.is_empty() {
                    return Err("it holds personal data, and no master key is configured".to_owned());
                }
                let sealed = BASE64.decode(sealed).map_err(|error| error.to_string())?;
                let opened = keys.iter().find_map(|key| key.open(Uuid::nil(), self.id, &sealed)).ok_or(
                    "it holds personal data under another master key; give that as audit.former_master_key",
                )?;
                let values = serde_json::from_slice(&opened.text).map_err(|error| error.to_string())?;
                Some(Personal { subject, values })
            }
            _ => None,
        };
        Ok(Event {
            id: self.id,
            occurred_at: DateTime::from_timestamp_micros(self.occurred_at)
                .ok_or("a time that no calendar has")?,
            actor: self.actor,
            request: self.request,
            action: self.action,
            entity_type: self.entity_type,
            entity_id: self.entity_id,
            outcome: self.outcome.parse::<Outcome>().map_err(|error| error.to_string())?,
            old_values: self.old_values,
            new_values: self.new_values,
            details: self.details,
            personal,
        })
    }
}
