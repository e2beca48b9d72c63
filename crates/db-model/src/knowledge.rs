//! What is held to be known: entries by topic, what they rest on, and what replaced them.

use crate::{
    Answer, KnowledgeEntryId, ResearchSourceId, entity, full_text, repository,
    research_source::ResearchSource,
};
use chrono::{DateTime, Utc};
use db_query::{Field, Kind, Op, asc, col, desc, now};
use sqlx::PgConnection;
use std::panic::Location;

entity! {
    /// A row of `knowledge_entries`.
    pub struct KnowledgeEntry in "knowledge_entries": Versioned, SoftDeletes;
    /// An entry to insert.
    struct NewKnowledgeEntry;
    fixed [supersedes];

    id {
        /// Key.
        id: KnowledgeEntryId,
    }
    required {
        /// What it is about; not empty.
        topic: String,
        /// What it says, in one line; not empty.
        title: String,
        /// What it says; not empty.
        content: String,
    }
    optional {
        /// How sure it is, from 0 to 1.
        confidence: f64,
        /// The entry that this one replaces.
        supersedes: KnowledgeEntryId,
        /// No longer held from this time on; `None` is until further notice.
        valid_until: DateTime<Utc>,
    }
    default {
        /// What it is found by.
        tags: Vec<String> = Vec::new(),
    }
    now {
        /// Held from this time on.
        valid_from: DateTime<Utc>,
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it was deleted.
        deleted_at: Option<DateTime<Utc>>,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
    hidden [Field::new("search", Kind::Tsvector)]
}

entity! {
    /// A row of `knowledge_entry_sources`: an entry rests on a source.
    pub struct KnowledgeSource in "knowledge_entry_sources";
    /// That an entry rests on a source.
    struct NewKnowledgeSource;

    key {
        /// The entry.
        entry_id: KnowledgeEntryId,
        /// What it rests on; while it does, the source cannot be deleted.
        source_id: ResearchSourceId,
    }
}

/// Inserts an entry together with what it rests on. Call it in a transaction.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) by a constraint, also for a source that there is not; [`Error::Database`](crate::Error::Database) when the server cannot be
/// asked.
#[track_caller]
pub fn insert<'c>(
    conn: &'c mut PgConnection,
    new: &'c NewKnowledgeEntry,
    sources: &[ResearchSourceId],
) -> Answer<'c, KnowledgeEntry> {
    let line = Location::caller();
    let links: Vec<_> = sources.iter().map(|&source| NewKnowledgeSource::new(new.id, source)).collect();
    Box::pin(async move {
        let entry = repository::insert_at(line, conn, new).await?;
        repository::insert_many_at(line, conn, &links).await?;
        Ok(entry)
    })
}

/// Inserts an entry in place of another, which is no longer held from then on. Call it in a transaction.
///
/// # Errors
/// [`Error::Stale`](crate::Error::Stale) when the other was changed since it was read, [`Error::NotFound`](crate::Error::NotFound) when it is gone.
#[track_caller]
pub fn replace<'c>(
    conn: &'c mut PgConnection,
    old: &KnowledgeEntry,
    new: NewKnowledgeEntry,
) -> Answer<'c, KnowledgeEntry> {
    let line = Location::caller();
    let mut old = old.clone();
    Box::pin(async move {
        let entry = repository::insert_at(line, conn, &new.supersedes(old.id)).await?;
        // Held for an instant at least, as the span must not be empty.
        old.valid_until = Some(entry.valid_from.max(old.valid_from + chrono::TimeDelta::microseconds(1)));
        repository::update_at(line, conn, &old).await?;
        Ok(entry)
    })
}

/// What an entry rests on, by key.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn sources(conn: &mut PgConnection, id: KnowledgeEntryId, limit: u32) -> Answer<'_, Vec<ResearchSource>> {
    repository::find(conn, |sources| {
        let of_entry = col("knowledge_entry_sources.source_id").eq_col("research_sources.id");
        sources
            .join("knowledge_entry_sources", of_entry)
            .filter(col("knowledge_entry_sources.entry_id").eq(id))
            .order_by(asc("research_sources.id"))
            .limit(limit)
    })
}

/// The entries on a topic that are held now, newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn on_topic<'c>(conn: &'c mut PgConnection, topic: &str, limit: u32) -> Answer<'c, Vec<KnowledgeEntry>> {
    repository::find(conn, |entries| {
        let held = col("valid_until").is_null().or(col("valid_until").cmp_to(Op::Gt, now()));
        entries
            .filter(col("topic").eq(topic))
            .filter(col("valid_from").cmp_to(Op::Le, now()))
            .filter(held)
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// Entries with all of the tags, newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn tagged<'c>(conn: &'c mut PgConnection, tags: &[&str], limit: u32) -> Answer<'c, Vec<KnowledgeEntry>> {
    repository::find(conn, |entries| {
        entries.filter(col("tags").cmp(Op::Contains, tags.to_vec())).order_by(desc("created_at")).limit(limit)
    })
}

/// Entries that match what somebody typed, best first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn search<'c>(conn: &'c mut PgConnection, text: &str, limit: u32) -> Answer<'c, Vec<KnowledgeEntry>> {
    repository::find(conn, |entries| full_text::matching(entries, text).limit(limit))
}

/// The entry that replaced another, if one did.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn replaced_by(conn: &mut PgConnection, id: KnowledgeEntryId) -> Answer<'_, Option<KnowledgeEntry>> {
    repository::find_one(conn, |entries| {
        entries.filter(col("supersedes").eq(id)).order_by(desc("created_at"))
    })
}
