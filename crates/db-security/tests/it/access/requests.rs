//! Requests that the tests make: each as a statement, with room for the conditions that a decision adds.

use db_query::{
    Condition, Delete, Expr, Insert, Lock, OnConflict, Select, Statement, Update, Writer, col, constant,
    count_all, func, holds, table_as,
};
use db_security::access::{RowCondition, Rows};
use rand::{Rng, rngs::StdRng};

/// What is asked of the database.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// These columns of items, where the team is at least that; locked or not.
    Items {
        columns: Vec<&'static str>,
        least: Option<i32>,
        is_locked: bool,
    },
    Count,
    Join,
    /// What a view shows.
    View(&'static str),
    Call,
    Update {
        column: &'static str,
        is_filtered: bool,
    },
    Delete {
        is_filtered: bool,
    },
    Insert {
        columns: Vec<&'static str>,
        is_returned: bool,
    },
    /// An insert of a row that does not conflict, with what would be done if it did.
    Upsert,
    InsertLink,
}

const COLUMNS: [&str; 6] = ["id", "owner", "team", "open", "due", "note"];

/// The rows that a decision leaves, as a condition.
pub(super) struct Narrow(pub(super) Option<Rows>, pub(super) &'static str);

impl Expr for Narrow {
    fn write(self, writer: &mut Writer) {
        match self.0 {
            None => constant(true).write(writer),
            Some(Rows::None) => constant(false).write(writer),
            Some(Rows::Where(condition)) => RowCondition::alias(condition, self.1).write(writer),
        }
    }
}

pub(super) fn narrow(rows: Option<Rows>, alias: &'static str) -> Condition<Narrow> {
    holds(Narrow(rows, alias))
}

fn some_columns(rng: &mut StdRng) -> Vec<&'static str> {
    let columns: Vec<&str> = COLUMNS.into_iter().filter(|_| rng.random_bool(0.5)).collect();
    if columns.is_empty() { vec!["id"] } else { columns }
}

impl Ask {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        match rng.random_range(0..13) {
            0..=2 => Self::Items {
                columns: some_columns(rng),
                least: rng.random_bool(0.5).then(|| rng.random_range(1..4)),
                is_locked: rng.random_bool(0.2),
            },
            3 => Self::Count,
            4 => Self::Join,
            5 => Self::View(if rng.random_bool(0.5) { "shown" } else { "asked" }),
            6 => Self::Call,
            7 | 8 => Self::Update {
                column: ["owner", "note", "team"][rng.random_range(0..3)],
                is_filtered: rng.random_bool(0.6),
            },
            9 => Self::Delete { is_filtered: rng.random_bool(0.5) },
            10 => {
                let mut columns = some_columns(rng);
                if !columns.contains(&"id") {
                    columns.push("id");
                }
                Self::Insert { columns, is_returned: rng.random_bool(0.4) }
            }
            11 => Self::Upsert,
            _ => Self::InsertLink,
        }
    }

    /// The statement as somebody asks for it.
    pub(super) fn statement(&self) -> Statement {
        self.narrowed(None, None, None)
    }

    /// The statement on some rows only: of items, of links, and of what is changed.
    pub(super) fn narrowed(
        &self,
        items: Option<Rows>,
        links: Option<Rows>,
        changed: Option<Rows>,
    ) -> Statement {
        let built = match self {
            Self::Items { columns, least, is_locked } => {
                let mut select = Select::from(table_as("items", "i"));
                for column in columns {
                    select = select.columns(col(&format!("i.{column}")));
                }
                if let Some(least) = least {
                    select = select.filter(col("i.team").ge(*least));
                }
                if *is_locked {
                    select = select.lock(Lock::for_update());
                }
                select.filter(narrow(items, "i")).filter(narrow(changed, "i")).build()
            }
            Self::Count => {
                Select::from("items").columns(count_all().alias("n")).filter(narrow(items, "items")).build()
            }
            Self::Join => Select::from(table_as("items", "i"))
                .columns(("i.id", "l.kind"))
                .join(table_as("links", "l"), col("l.item").eq_col("i.id"))
                .filter(narrow(items, "i"))
                .filter(narrow(links, "l"))
                .build(),
            Self::View("asked") if links.is_some() => {
                Select::from("links").columns(["id", "kind"]).filter(narrow(links, "links")).build()
            }
            Self::View(view) => {
                Select::from(*view).columns(["id", if *view == "shown" { "owner" } else { "kind" }]).build()
            }
            Self::Call => Select::of(func("twice", constant(2)).alias("four")).build(),
            Self::Update { column, is_filtered } => {
                let update = Update::table("items");
                let update = match *column {
                    "team" => update.set("team", 2_i32),
                    column => update.set(column, "ann"),
                };
                let update =
                    if *is_filtered { update.filter(col("team").le(2_i32)) } else { update.all_rows() };
                update.filter(narrow(items, "items")).filter(narrow(changed, "items")).build()
            }
            Self::Delete { is_filtered } => {
                let delete = Delete::from("items");
                let delete =
                    if *is_filtered { delete.filter(col("owner").is_not_null()) } else { delete.all_rows() };
                delete.filter(narrow(items, "items")).filter(narrow(changed, "items")).build()
            }
            Self::Insert { columns, is_returned } => {
                let insert = Insert::into("items", columns).row(|row| {
                    for column in columns {
                        match *column {
                            "id" => row.value(99_i64),
                            "team" => row.value(2_i32),
                            "open" => row.value(true),
                            "due" => row.expr(
                                constant("2026-02-02 00:00:00+00").cast(db_query::SqlType::Timestamptz),
                            ),
                            _ => row.value("ann"),
                        };
                    }
                });
                if *is_returned { insert.returning(["note"]).build() } else { insert.build() }
            }
            Self::Upsert => Insert::into("items", &["id", "note"])
                .row(|row| {
                    row.value(99_i64).value("ann");
                })
                .on_conflict(OnConflict::columns(&["id"]).update(&["note"]))
                .build(),
            Self::InsertLink => Insert::into("links", &["item", "kind"])
                .row(|row| {
                    row.value(1_i64).value("a");
                })
                .build(),
        };
        built.expect("a sound statement")
    }
}
