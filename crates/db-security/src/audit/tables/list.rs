//! Which tables note their changes, and whether they still do as they were told.

use super::arguments::Arguments;
use crate::audit::{Error, MasterKey, personal::check_master_key};
use serde::Serialize;
use sqlx::{PgConnection, Row as _};
use std::fmt;

/// A table that notes its changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditedTable {
    /// Its name as the server writes it.
    pub table: String,
    /// What events call the kind of entity.
    pub entity_type: String,
    /// The columns that name a row.
    pub keys: Vec<String>,
    /// Columns that are left out.
    pub excluded: Vec<String>,
    /// Columns that are noted for the subject's key only.
    pub personal: Vec<String>,
    /// The column that names the subject.
    pub subject: Option<String>,
    /// Where it is not as it was told to be.
    pub drift: Vec<Drift>,
}

/// How a table is not what it was when its audit began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "drift", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Drift {
    /// Somebody has switched a trigger off, or so that it does not fire for what a session writes as a replica.
    SwitchedOff {
        /// Which trigger.
        trigger: String,
    },
    /// TRUNCATE is not noted: its trigger is gone.
    TruncateUnnoted,
    /// Somebody has switched a trigger of a partition off, or so that it does not fire for what a session writes as a replica.
    PartitionSwitchedOff {
        /// Which partition.
        partition: String,
        /// Which trigger.
        trigger: String,
    },
    /// TRUNCATE of a partition by its own name is not noted: it was attached since, and [`enable`](super::enable) has not been called
    /// again.
    PartitionTruncateUnnoted {
        /// Which partition.
        partition: String,
    },
    /// What the trigger was told cannot be read: it is not by [`enable`](super::enable).
    Foreign,
    /// The primary key is another one.
    KeyChanged {
        /// The columns that events name rows by.
        noted: Vec<String>,
        /// The columns of the primary key.
        is: Vec<String>,
    },
    /// A column is gone that is spoken of.
    ColumnGone {
        /// Which.
        column: String,
    },
    /// Columns are personal, and there is no master key: their events wait in the inbox.
    NoMasterKey,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwitchedOff { trigger } => write!(f, "its trigger {trigger} is switched off, or partly so"),
            Self::TruncateUnnoted => f.write_str("TRUNCATE is not noted: its trigger is gone"),
            Self::PartitionSwitchedOff { partition, trigger } => {
                write!(f, "the trigger {trigger} of its partition {partition} is switched off, or partly so")
            }
            Self::PartitionTruncateUnnoted { partition } => {
                write!(f, "TRUNCATE of its partition {partition} is not noted: enable its audit again")
            }
            Self::Foreign => f.write_str("its trigger has arguments that are not ours"),
            Self::KeyChanged { noted, is } => {
                write!(
                    f,
                    "its primary key is ({}), and events name rows by ({})",
                    is.join(", "),
                    noted.join(", ")
                )
            }
            Self::ColumnGone { column } => write!(f, "its column {column} is gone"),
            Self::NoMasterKey => f.write_str("it has personal columns, and no master key is configured"),
        }
    }
}

/// One row a table: a trigger of a partition is that of its parent.
const LIST: &str = "\
SELECT audited.tgrelid::regclass::text, audited.tgargs, audited.tgenabled, truncated.tgenabled,
    ARRAY(SELECT attname::text FROM pg_attribute
        WHERE attrelid = audited.tgrelid AND attnum > 0 AND NOT attisdropped),
    ARRAY(SELECT attname::text FROM pg_index CROSS JOIN unnest(indkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute ON attrelid = indrelid AND attnum = number
        WHERE indrelid = audited.tgrelid AND indisprimary ORDER BY place),
    ARRAY(SELECT relid::text FROM pg_partition_tree(audited.tgrelid)
        JOIN pg_trigger AS part ON part.tgrelid = relid AND part.tgname = audited.tgname AND part.tgfoid = audited.tgfoid
        WHERE relid <> audited.tgrelid AND part.tgenabled <> 'A' ORDER BY 1),
    ARRAY(SELECT relid::text FROM pg_partition_tree(audited.tgrelid)
        JOIN pg_trigger AS part ON part.tgrelid = relid AND part.tgname = 'audit_table_truncated' AND NOT part.tgisinternal
        WHERE relid <> audited.tgrelid AND part.tgenabled <> 'A' ORDER BY 1),
    ARRAY(SELECT relid::text FROM pg_partition_tree(audited.tgrelid) JOIN pg_class ON pg_class.oid = relid
        WHERE relid <> audited.tgrelid AND relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_trigger AS part
            WHERE part.tgrelid = relid AND part.tgname = 'audit_table_truncated' AND NOT part.tgisinternal) ORDER BY 1)
FROM pg_trigger AS audited
LEFT JOIN pg_trigger AS truncated ON truncated.tgrelid = audited.tgrelid
    AND truncated.tgname = 'audit_table_truncated' AND NOT truncated.tgisinternal
WHERE audited.tgname = 'audit_row_changed' AND NOT audited.tgisinternal AND audited.tgparentid = 0
ORDER BY 1";

/// Fires whatever a session says it is.
const ALWAYS: i8 = b'A'.cast_signed();

/// Tables that note their changes, and where they are not as they were told to be. `master` is the key that is configured.
///
/// # Errors
/// [`Error::WrongMasterKey`], [`Error::NotThere`], [`Error::Database`].
///
/// # Cancel safety
/// Nothing is written.
pub async fn audited_tables(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
) -> Result<Vec<AuditedTable>, Error> {
    if let Some(master) = master {
        check_master_key(conn, master).await?;
    }
    let rows = sqlx::query(LIST)
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("read which tables are audited"))?;
    let tables = rows.iter().map(|row| {
        let noted = Noted {
            row_trigger: row.get(2),
            truncate_trigger: row.get(3),
            columns: row.get(4),
            keys: row.get(5),
            parts_off: row.get(6),
            parts_truncate_off: row.get(7),
            parts_unnoted: row.get(8),
        };
        table(row.get(0), Arguments::parse(row.get(1)), &noted, master.is_some())
    });
    Ok(tables.collect())
}

/// What the catalogue says beside the arguments.
struct Noted {
    row_trigger: i8,
    truncate_trigger: Option<i8>,
    columns: Vec<String>,
    keys: Vec<String>,
    /// Partitions whose triggers do not always fire, and those that have none for TRUNCATE.
    parts_off: Vec<String>,
    parts_truncate_off: Vec<String>,
    parts_unnoted: Vec<String>,
}

/// Compares what was told with what there is.
fn table(name: String, told: Option<Arguments>, noted: &Noted, has_master: bool) -> AuditedTable {
    let mut drift = Vec::new();
    let off = |trigger: &str| Drift::SwitchedOff { trigger: trigger.to_owned() };
    if noted.row_trigger != ALWAYS {
        drift.push(off("audit_row_changed"));
    }
    match noted.truncate_trigger {
        None => drift.push(Drift::TruncateUnnoted),
        Some(ALWAYS) => {}
        Some(_) => drift.push(off("audit_table_truncated")),
    }
    for (trigger, partitions) in
        [("audit_row_changed", &noted.parts_off), ("audit_table_truncated", &noted.parts_truncate_off)]
    {
        drift.extend(partitions.iter().map(|partition| Drift::PartitionSwitchedOff {
            partition: partition.clone(),
            trigger: trigger.to_owned(),
        }));
    }
    let unnoted = noted.parts_unnoted.iter();
    drift.extend(unnoted.map(|partition| Drift::PartitionTruncateUnnoted { partition: partition.clone() }));
    let Some(told) = told else {
        drift.push(Drift::Foreign);
        return AuditedTable {
            table: name,
            entity_type: String::new(),
            keys: Vec::new(),
            excluded: Vec::new(),
            personal: Vec::new(),
            subject: None,
            drift,
        };
    };
    if told.keys != noted.keys {
        drift.push(Drift::KeyChanged { noted: told.keys.clone(), is: noted.keys.clone() });
    }
    let spoken_of = told.excluded.iter().chain(&told.personal).chain(&told.subject);
    let gone = spoken_of.filter(|column| !noted.columns.contains(column));
    drift.extend(gone.map(|column| Drift::ColumnGone { column: column.clone() }));
    if !told.personal.is_empty() && !has_master {
        drift.push(Drift::NoMasterKey);
    }
    let Arguments { entity_type, keys, excluded, personal, subject } = told;
    AuditedTable { table: name, entity_type, keys, excluded, personal, subject, drift }
}
