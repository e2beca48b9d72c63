//! What happened: an event, as it is recorded.

use super::{Error, short::MAX_BYTES};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{fmt, time::Duration};
use uuid::Uuid;

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    #[default]
    Success,
    /// It was tried and failed.
    Failure,
    /// It was not allowed.
    Denied,
}

impl Outcome {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        [Self::Success, Self::Failure, Self::Denied]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| UnknownOutcome { text: text.to_owned() })
    }
}

/// No outcome is called so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an outcome is success, failure or denied, not `{text}`")]
pub struct UnknownOutcome {
    text: String,
}

/// Something that was done, tried or refused. It has its time and its number from the moment it is made.
///
/// ```
/// use db_security::audit::Event;
/// use serde_json::json;
///
/// let event = Event::update("users", "42", json!({"plan": "free"}), json!({"plan": "team"}))
///     .actor("ann")
///     .request("req-7")
///     .personal("user-42", json!({"email": "ann@example.org"}));
/// assert_eq!(event.action(), "update");
/// ```
#[derive(Clone, PartialEq)]
#[must_use = "an event that is not recorded is lost"]
pub struct Event {
    pub(crate) id: Uuid,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) actor: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) action: String,
    pub(crate) entity_type: String,
    pub(crate) entity_id: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) old_values: Option<Value>,
    pub(crate) new_values: Option<Value>,
    pub(crate) details: Option<Value>,
    pub(crate) personal: Option<Personal>,
}

/// What an event says of somebody, for the key of that somebody only.
#[derive(Clone, PartialEq)]
pub(crate) struct Personal {
    pub(crate) subject: String,
    pub(crate) values: Value,
}

impl Event {
    /// Of any kind: what was done, and to which kind of thing, as in `invoice.sent` and `invoices`.
    pub fn new(action: impl Into<String>, entity_type: impl Into<String>) -> Self {
        let now = Utc::now();
        Self {
            id: Uuid::now_v7(),
            // The server holds microseconds: what would be hashed otherwise could never be found again.
            occurred_at: now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now),
            actor: None,
            request: None,
            action: action.into(),
            entity_type: entity_type.into(),
            entity_id: None,
            outcome: Outcome::Success,
            old_values: None,
            new_values: None,
            details: None,
            personal: None,
        }
    }

    /// Something was made, and this is what it is.
    pub fn create(entity_type: impl Into<String>, id: impl Into<String>, values: Value) -> Self {
        Self::new("create", entity_type).entity(id).new_values(values)
    }

    /// Something was changed, from this to that.
    pub fn update(entity_type: impl Into<String>, id: impl Into<String>, old: Value, new: Value) -> Self {
        Self::new("update", entity_type).entity(id).old_values(old).new_values(new)
    }

    /// Something was removed that was this.
    pub fn delete(entity_type: impl Into<String>, id: impl Into<String>, values: Value) -> Self {
        Self::new("delete", entity_type).entity(id).old_values(values)
    }

    /// Something was looked at.
    pub fn read(entity_type: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new("read", entity_type).entity(id)
    }

    /// Somebody has signed in, or tried to.
    pub fn login(actor: impl Into<String>, outcome: Outcome) -> Self {
        let actor = actor.into();
        Self::new("login", "sessions").entity(actor.clone()).actor(actor).outcome(outcome)
    }

    /// A program has started, stopped, or done something by itself.
    pub fn system(what: impl fmt::Display) -> Self {
        Self::new(format!("system.{what}"), "system")
    }

    /// Somebody has begun a task.
    pub fn task_start(task: impl fmt::Display) -> Self {
        Self::new("task.start", "tasks").entity(task.to_string())
    }

    /// A task was completed, in this time.
    pub fn task_complete(task: impl fmt::Display, duration: Duration) -> Self {
        Self::new("task.complete", "tasks")
            .entity(task.to_string())
            .detail("seconds", json!(duration.as_secs_f64()))
    }

    /// A task has failed, after this time.
    pub fn task_fail(task: impl fmt::Display, duration: Duration, why: impl Into<String>) -> Self {
        let event = Self::new("task.fail", "tasks").entity(task.to_string()).outcome(Outcome::Failure);
        event.detail("seconds", json!(duration.as_secs_f64())).detail("error", Value::String(why.into()))
    }

    /// Which one of its kind.
    pub fn entity(mut self, id: impl Into<String>) -> Self {
        self.entity_id = Some(id.into());
        self
    }

    /// Who did it: a name that may stay for as long as the log, so not one that a person could ask to have forgotten.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// What it was a part of: the number of a request, a run, a trace.
    pub fn request(mut self, request: impl Into<String>) -> Self {
        self.request = Some(request.into());
        self
    }

    /// How it ended; a success unless this is called.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// What it was before.
    pub fn old_values(mut self, values: Value) -> Self {
        self.old_values = Some(values);
        self
    }

    /// What it is since.
    pub fn new_values(mut self, values: Value) -> Self {
        self.new_values = Some(values);
        self
    }

    /// What else is known, besides what was said before under other names. No secrets.
    pub fn detail(mut self, name: impl Into<String>, value: Value) -> Self {
        match &mut self.details {
            Some(Value::Object(details)) => {
                details.insert(name.into(), value);
            }
            _ => self.details = Some(Value::Object(Map::from_iter([(name.into(), value)]))),
        }
        self
    }

    /// What it says of a person, encrypted by that person's own key and readable until they are erased. `subject` is an
    /// opaque name that may stay.
    pub fn personal(mut self, subject: impl Into<String>, values: Value) -> Self {
        self.personal = Some(Personal { subject: subject.into(), values });
        self
    }

    /// When it happened, where that was not just now. Cut to microseconds, which is what the log holds.
    pub fn occurred_at(mut self, at: DateTime<Utc>) -> Self {
        self.occurred_at = at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at);
        self
    }

    /// Its number, by which it is found in the log.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// What was done.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        const FIXED: usize = 128;
        let texts = [&self.actor, &self.request, &self.entity_id]
            .into_iter()
            .flatten()
            .map(String::len)
            .sum::<usize>();
        let values = [&self.old_values, &self.new_values, &self.details].into_iter().flatten();
        let personal = self.personal.as_ref();
        FIXED
            + self.action.len()
            + self.entity_type.len()
            + texts
            + values.chain(personal.map(|personal| &personal.values)).map(size_of_json).sum::<usize>()
            + personal.map_or(0, |personal| personal.subject.len())
    }

    /// Whether the server can store it: it would refuse the batch in which the event goes.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (field, text) in [("action", &self.action), ("entity_type", &self.entity_type)] {
            if text.is_empty() {
                return Err(Error::Invalid { field, reason: "it is empty" });
            }
        }
        let personal = self.personal.as_ref();
        if personal.is_some_and(|personal| personal.subject.is_empty()) {
            return Err(Error::Invalid { field: "subject", reason: "it is empty" });
        }
        // It has a key by that name. Other names are cut as the event gets its place, as no event is lost for a name.
        if personal.is_some_and(|personal| personal.subject.len() > MAX_BYTES) {
            return Err(Error::Invalid { field: "subject", reason: "it is longer than 1,000 bytes" });
        }
        for (field, text) in [
            ("actor", self.actor.as_deref()),
            ("request", self.request.as_deref()),
            ("action", Some(self.action.as_str())),
            ("entity_type", Some(self.entity_type.as_str())),
            ("entity_id", self.entity_id.as_deref()),
            ("subject", personal.map(|personal| personal.subject.as_str())),
        ] {
            if text.is_some_and(|text| text.contains('\0')) {
                return Err(Error::Invalid { field, reason: NUL });
            }
        }
        for (field, values) in [
            ("old_values", self.old_values.as_ref()),
            ("new_values", self.new_values.as_ref()),
            ("details", self.details.as_ref()),
        ] {
            if values.is_some_and(|values| !is_flat(values, MAX_DEPTH)) {
                return Err(Error::Invalid { field, reason: DEEP });
            }
            if values.is_some_and(holds_nul) {
                return Err(Error::Invalid { field, reason: NUL });
            }
        }
        if personal.is_some_and(|personal| !is_flat(&personal.values, MAX_DEPTH)) {
            return Err(Error::Invalid { field: "personal", reason: DEEP });
        }
        Ok(())
    }
}

const NUL: &str = "it holds a NUL character, which PostgreSQL does not store in text or jsonb";

/// How deep values may nest. Whoever reads JSON has a limit, many of 128, and a value stands in others on its way.
const MAX_DEPTH: u32 = 100;
const DEEP: &str = "it nests deeper than 100 levels, which readers of JSON refuse";

/// Whether it nests no deeper than so many levels.
fn is_flat(value: &Value, levels: u32) -> bool {
    let below = |value| is_flat(value, levels - 1);
    match value {
        Value::Array(values) => levels > 0 && values.iter().all(below),
        Value::Object(fields) => levels > 0 && fields.values().all(below),
        _ => true,
    }
}

/// About how long its text is.
fn size_of_json(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 12,
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|value| size_of_json(value) + 2).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + size_of_json(value) + 6).sum::<usize>() + 2
        }
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what it says: that is for those who may read the log.
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("action", &self.action)
            .field("entity_type", &self.entity_type)
            .finish_non_exhaustive()
    }
}
