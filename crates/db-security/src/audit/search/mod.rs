//! Finds events by who, what, when and what they say, page by page.

mod cursor;
mod run;
mod statement;

pub use run::SearchPage;

use super::{Error, Outcome};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// In which order events are found: by when they happened, and by their number where that is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchOrder {
    /// The latest first.
    #[default]
    NewestFirst,
    /// The earliest first.
    OldestFirst,
}

/// What to look for, in the log and in the inbox. Every event of the past is found once, whether it has its place or not.
///
/// One of subject, entity (kind and number), actor and action, the first of these that is given, and the span of time are read
/// from an index. All else is looked for among the events that those give, [`Search::look_at_most`] of them a page, so that
/// no search takes the database for long; a page says how far it has come, and the next goes on from there.
///
/// ```no_run
/// use db_security::audit::{Outcome, Search};
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), db_security::audit::Error> {
/// let search = Search::new().actor("ann").action("task.*").outcome(Outcome::Failure).limit(50);
/// let first = search.page(conn, None).await?;
/// for event in &first.events {
///     println!("{:?} {} {}", event.leaf, event.occurred_at, event.action);
/// }
/// if let Some(cursor) = &first.next {
///     let second = search.page(conn, Some(cursor)).await?;
///     println!("{} more", second.events.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Search {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entity_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entity_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) json_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leaves: Option<(i64, i64)>,
    pub(crate) order: SearchOrder,
    #[serde(skip)]
    pub(crate) limit: u32,
    #[serde(skip)]
    pub(crate) look: NonZeroU32,
}

/// Which actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Is(String),
    BeginsWith(String),
}

/// Events a page has at most.
const MAX_LIMIT: u32 = 1_000;

impl Default for Search {
    fn default() -> Self {
        Self {
            actor: None,
            action: None,
            entity_type: None,
            entity_id: None,
            outcome: None,
            request: None,
            subject: None,
            from: None,
            until: None,
            text: None,
            json_path: None,
            leaves: None,
            order: SearchOrder::NewestFirst,
            limit: 100,
            look: NonZeroU32::new(100_000).unwrap_or(NonZeroU32::MAX),
        }
    }
}

impl Search {
    /// All events, newest first, a hundred a page; a page looks at 100,000 events at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who did it.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// What was done: an action, or the beginning of one with a star behind it, as in `task.*`.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        let action = action.into();
        self.action = Some(match action.strip_suffix('*') {
            Some(beginning) => Action::BeginsWith(beginning.to_owned()),
            None => Action::Is(action),
        });
        self
    }

    /// To which kind of thing.
    pub fn entity_type(mut self, entity_type: impl Into<String>) -> Self {
        self.entity_type = Some(entity_type.into());
        self
    }

    /// To which one; with its kind an index finds it.
    pub fn entity_id(mut self, entity_id: impl Into<String>) -> Self {
        self.entity_id = Some(entity_id.into());
        self
    }

    /// How it ended.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// What it was a part of.
    pub fn request(mut self, request: impl Into<String>) -> Self {
        self.request = Some(request.into());
        self
    }

    /// Whom it is about.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// What happened at this time or later.
    pub fn from(mut self, from: DateTime<Utc>) -> Self {
        self.from = Some(from);
        self
    }

    /// What happened before this time.
    pub fn until(mut self, until: DateTime<Utc>) -> Self {
        self.until = Some(until);
        self
    }

    /// What has this text, in whatever case, in its actor, action or entity's id, or in the JSON text of its values and details,
    /// where a quotation mark stands as `\"`. What is personal is not looked into: it is encrypted.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// What has something at this path, a `jsonpath` of PostgreSQL, in its old values, new values or details, as in
    /// `$.plan ? (@ == "team")`.
    pub fn json_path(mut self, path: impl Into<String>) -> Self {
        self.json_path = Some(path.into());
        self
    }

    /// What stands in the log from this leaf through that one.
    pub fn leaves(mut self, from: u64, through: u64) -> Self {
        let leaf = |leaf| i64::try_from(leaf).unwrap_or(i64::MAX);
        self.leaves = Some((leaf(from), leaf(through)));
        self
    }

    /// Newest or oldest first.
    pub fn order(mut self, order: SearchOrder) -> Self {
        self.order = order;
        self
    }

    /// How many events a page has, 1 to 1,000.
    pub fn limit(mut self, events: u32) -> Self {
        self.limit = events;
        self
    }

    /// How many events a page looks at where no index answers.
    pub fn look_at_most(mut self, events: NonZeroU32) -> Self {
        self.look = events;
        self
    }

    /// What cannot be asked.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refused = |field, reason| Err(Error::Search { field, reason });
        if self.limit == 0 || self.limit > MAX_LIMIT {
            return refused("limit", "it is 1 to 1,000");
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return refused("until", "it is not after `from`, so nothing can be found");
        }
        let action = self.action.as_ref().map(|action| match action {
            Action::Is(text) | Action::BeginsWith(text) => text,
        });
        for (field, text) in [
            ("actor", self.actor.as_ref()),
            ("action", action),
            ("entity_type", self.entity_type.as_ref()),
            ("entity_id", self.entity_id.as_ref()),
            ("request", self.request.as_ref()),
            ("subject", self.subject.as_ref()),
            ("text", self.text.as_ref()),
            ("json_path", self.json_path.as_ref()),
        ] {
            if text.is_some_and(|text| text.contains('\0')) {
                return refused(field, "it holds a NUL character, which no event has");
            }
        }
        for (field, text) in [("text", &self.text), ("json_path", &self.json_path)] {
            if text.as_ref().is_some_and(String::is_empty) {
                return refused(field, "it is empty");
            }
        }
        Ok(())
    }
}
