//! Begins to audit a table, and ends it.

use super::error::{TableError, Unfit, nearest};
use crate::audit::Error;
use sqlx::{PgConnection, Row as _};

/// How a table's changes are noted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct TableAudit {
    table: String,
    entity_type: Option<String>,
    excluded: Vec<String>,
    personal: Vec<String>,
    subject: Option<String>,
}

impl TableAudit {
    /// All columns of this table, `name` or `schema.name`, written as the server has it. Events call the kind of entity by the table's
    /// name.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            entity_type: None,
            excluded: Vec::new(),
            personal: Vec::new(),
            subject: None,
        }
    }

    /// What events call the kind of entity.
    pub fn entity_type(mut self, entity_type: impl Into<String>) -> Self {
        self.entity_type = Some(entity_type.into());
        self
    }

    /// Leaves columns out: their values are noted nowhere, and a change of nothing else is no event.
    pub fn exclude<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.excluded.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Columns that are noted for the key of the row's subject only.
    pub fn personal<C: Into<String>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.personal.extend(columns.into_iter().map(Into::into));
        self
    }

    /// The column that names the subject; without it each row is a subject of its own.
    pub fn subject(mut self, column: impl Into<String>) -> Self {
        self.subject = Some(column.into());
        self
    }
}

/// A table as the catalogue has it.
struct Relation {
    oid: i64,
    /// As the server would write it.
    name: String,
    /// Without its schema.
    plain: String,
    kind: i8,
    /// Whether it is a part of the log itself.
    is_own: bool,
    columns: Vec<String>,
    keys: Vec<String>,
}

/// A name in parts at its dots, each part as it is.
const FIND: &str = "\
SELECT class.oid::int8, class.oid::regclass::text, relname::text, relkind,
    class.oid IN (SELECT own::regclass FROM unnest(ARRAY['audit_inbox', 'audit_events', 'audit_tree', 'audit_tiles',
        'audit_checkpoints', 'audit_keys', 'audit_stubs']) AS own)
    OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = class.oid AND inhparent = 'audit_events'::regclass),
    ARRAY(SELECT attname::text FROM pg_attribute
        WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
    ARRAY(SELECT attname::text FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE indrelid = class.oid AND indisprimary)
FROM pg_class AS class
WHERE class.oid = to_regclass(array_to_string(ARRAY(SELECT quote_ident(part)
    FROM unnest(string_to_array($1, '.')) WITH ORDINALITY AS parts (part, place) ORDER BY place), '.'))";

/// What could have been meant.
const NAMES: &str = "\
SELECT oid::regclass::text FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND NOT relispartition LIMIT 10000";

async fn relation(conn: &mut PgConnection, table: &str) -> Result<Relation, Error> {
    let there_is_none = |nearest| Error::Table(TableError::NoTable { table: table.to_owned(), nearest });
    if table.is_empty() || table.contains('\0') {
        return Err(there_is_none(None));
    }
    let row = sqlx::query(FIND)
        .bind(table)
        .fetch_optional(&mut *conn)
        .await
        .map_err(Error::while_trying("look for a table"))?;
    let Some(row) = row else {
        let names: Vec<String> = sqlx::query_scalar(NAMES)
            .fetch_all(conn)
            .await
            .map_err(Error::while_trying("read the names of tables"))?;
        return Err(there_is_none(nearest(table, names.iter().map(String::as_str))));
    };
    Ok(Relation {
        oid: row.get(0),
        name: row.get(1),
        plain: row.get(2),
        kind: row.get(3),
        is_own: row.get(4),
        columns: row.get(5),
        keys: row.get(6),
    })
}

/// Decides whether it can be done.
fn check(audit: &TableAudit, relation: &Relation) -> Result<(), TableError> {
    let table = || relation.name.clone();
    let kind = match u8::try_from(relation.kind).unwrap_or_default() {
        _ if relation.is_own => Some("it is a part of the audit log"),
        b'r' | b'p' => None,
        b'v' => Some("it is a view; audit the tables behind it"),
        b'm' => Some("it is a materialized view; audit the tables behind it"),
        b'f' => Some("it is a foreign table; audit it where it is"),
        _ => Some("it is not a table"),
    };
    if let Some(kind) = kind {
        return Err(TableError::NoRows { table: table(), kind });
    }
    for column in audit.excluded.iter().chain(&audit.personal).chain(&audit.subject) {
        if !relation.columns.contains(column) {
            let nearest = nearest(column, relation.columns.iter().map(String::as_str));
            return Err(TableError::NoColumn { table: table(), column: column.clone(), nearest });
        }
    }
    let unfit = |column: &String, why| TableError::Column { table: table(), column: column.clone(), why };
    if let Some(key) = audit.excluded.iter().find(|column| relation.keys.contains(column)) {
        return Err(unfit(key, Unfit::ExcludedKey));
    }
    if let Some(key) = audit.personal.iter().find(|column| relation.keys.contains(column)) {
        return Err(unfit(key, Unfit::PersonalKey));
    }
    if let Some(both) = audit.personal.iter().find(|column| audit.excluded.contains(column)) {
        return Err(unfit(both, Unfit::ExcludedAndPersonal));
    }
    match &audit.subject {
        Some(subject) if audit.personal.contains(subject) => Err(unfit(subject, Unfit::PersonalSubject)),
        Some(_) if audit.personal.is_empty() => Err(TableError::IdleSubject { table: table() }),
        _ => Ok(()),
    }
}

/// Has a table note each change of its rows from the caller's commit on, and notes that. Whatever held for the table before ends. Answers
/// with the table's name as the server writes it.
///
/// It waits for whoever writes to the table, and others wait behind it: set a `lock_timeout`.
///
/// # Errors
/// [`Error::Table`] before anything is written; [`Error::Invalid`] for an entity that is empty; [`Error::NotThere`],
/// [`Error::Database`].
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn enable(conn: &mut PgConnection, audit: &TableAudit) -> Result<String, Error> {
    let relation = relation(conn, &audit.table).await?;
    check(audit, &relation)?;
    let entity_type = audit.entity_type.as_ref().unwrap_or(&relation.plain);
    if entity_type.is_empty() || entity_type.contains('\0') {
        return Err(Error::Invalid { field: "entity_type", reason: "it is empty or holds a NUL character" });
    }
    sqlx::query("SELECT audit_enable_table($1::oid::regclass, $2, $3, $4, $5)")
        .bind(relation.oid)
        .bind(entity_type)
        .bind(&audit.excluded)
        .bind(&audit.personal)
        .bind(&audit.subject)
        .execute(conn)
        .await
        .map_err(Error::while_trying("begin to audit a table"))?;
    Ok(relation.name)
}

/// Ends what [`enable`] has begun, and notes that. Answers with the table's name as the server writes it, and whether there was
/// something to end.
///
/// # Errors
/// [`Error::Table`] for a table that is not there; [`Error::NotThere`], [`Error::Database`].
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn disable(conn: &mut PgConnection, table: &str) -> Result<(String, bool), Error> {
    let relation = relation(conn, table).await?;
    let was_on = sqlx::query_scalar("SELECT audit_disable_table($1::oid::regclass)")
        .bind(relation.oid)
        .fetch_one(conn)
        .await
        .map_err(Error::while_trying("end the audit of a table"))?;
    Ok((relation.name, was_on))
}
