//! Sources of research: one row a URL, with how far it can be trusted.

use crate::{Answer, ResearchSourceId, entity, repository};
use chrono::{DateTime, Utc};
use db_query::{asc, col};
use serde_json::{Value, json};
use sqlx::PgConnection;

entity! {
    /// A row of `research_sources`.
    pub struct ResearchSource in "research_sources": Versioned;
    /// A source to insert, or to write over what is known of its URL.
    struct NewResearchSource;
    conflict [url];

    id {
        /// Key.
        id: ResearchSourceId,
    }
    required {
        /// Where it is; 1 to 2,048 bytes, one row each.
        url: String,
    }
    optional {
        /// What it calls itself.
        title: String,
        /// Who publishes it.
        publisher: String,
        /// Who wrote it.
        author: String,
        /// When it was published.
        published_at: DateTime<Utc>,
        /// How far it can be trusted, from 0 to 1.
        credibility: f64,
        /// When it was last found to be there and as described.
        validated_at: DateTime<Utc>,
    }
    default {
        /// What it is: `web`, `paper`, `book` …; not empty.
        kind: String = "web".to_owned(),
        /// What else is known.
        metadata: Value = json!({}),
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
}

/// The source at a URL.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn by_url<'c>(conn: &'c mut PgConnection, url: &str) -> Answer<'c, Option<ResearchSource>> {
    repository::find_one(conn, |sources| sources.filter(col("url").eq(url)))
}

/// Sources that nobody has validated, oldest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn unvalidated(conn: &mut PgConnection, limit: u32) -> Answer<'_, Vec<ResearchSource>> {
    repository::find(conn, |sources| {
        sources
            .filter(col("validated_at").is_null())
            .order_by(asc("created_at"))
            .order_by(asc("id"))
            .limit(limit)
    })
}
