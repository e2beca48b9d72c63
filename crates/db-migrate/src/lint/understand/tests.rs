//! What is read off statements.

use super::understand;
use crate::lint::catalogue::Cover;
use crate::lint::change::{Cascade, Change, ConstraintKind, How, Lock, Presence, Rows, Write};
use crate::lint::name::Name;
use squawk_syntax::SourceFile;

fn changes(sql: &str) -> Vec<Change> {
    let parsed = SourceFile::parse(sql);
    assert_eq!(parsed.errors(), [], "{sql}");
    parsed.tree().stmts().flat_map(|statement| understand(&statement)).map(|(change, _)| change).collect()
}

fn one(sql: &str) -> Change {
    let mut found = changes(sql);
    assert_eq!(found.len(), 1, "{sql}: {found:?}");
    found.remove(0)
}

fn t() -> Name {
    Name::parse("t").expect("a name")
}

#[test]
fn alterations_are_read() {
    let (table, column) = (t(), "a".to_owned());
    let presence = Presence::Demanded;
    for (sql, expected) in [
        ("ALTER TABLE t ALTER a SET NOT NULL", Change::SetNotNull { table: t(), column: column.clone() }),
        (
            "ALTER TABLE ONLY t DROP COLUMN IF EXISTS a CASCADE",
            Change::DropColumn {
                table: t(),
                column: column.clone(),
                presence: Presence::Lenient,
                cascade: Cascade::Cascade,
            },
        ),
        (
            "ALTER TABLE t ALTER COLUMN A TYPE varchar (20) USING a::text",
            Change::SetType {
                table: t(),
                column: column.clone(),
                to: "varchar (20)".into(),
                using: Some("a::text".into()),
            },
        ),
        ("ALTER TABLE t RENAME a TO b", Change::RenameColumn { table: t(), column, to: "b".into() }),
        ("ALTER TABLE t RENAME TO u", Change::RenameTable { table: t(), to: "u".into() }),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", Change::Validate { table: t(), name: "c".into() }),
        (
            "ALTER TABLE t DROP CONSTRAINT c",
            Change::DropConstraint { table: t(), name: "c".into(), presence },
        ),
        ("ALTER TABLE t SET LOGGED", Change::RewriteTable { table: t(), by: "SET LOGGED" }),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", Change::AlterTable { table: t() }),
        (
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            Change::DetachPartition {
                table: t(),
                partition: Name::parse("p").expect("a name"),
                how: How::Concurrently,
            },
        ),
    ] {
        assert_eq!(one(sql), expected, "{sql}");
    }
    assert_eq!(changes("ALTER TABLE t ADD b int, DROP c").len(), 2);
    assert_eq!(one("ALTER TABLE t ADD b int").table(), Some(&table));
}

#[test]
fn columns_and_constraints_are_read() {
    let Change::AddColumn { column, .. } =
        one("ALTER TABLE t ADD COLUMN b bigint NOT NULL DEFAULT nextval('s') REFERENCES u (id)")
    else {
        panic!("a column")
    };
    assert_eq!((column.kind.as_deref(), column.not_null), (Some("bigint"), true));
    assert_eq!(column.default.as_deref(), Some("nextval('s')"));
    assert!(matches!(&column.constraints[0].kind, ConstraintKind::ForeignKey { to } if to.name == "u"));
    assert_eq!(column.constraints[0].columns, ["b"]);
    let Change::AddConstraint { constraint, .. } =
        one("ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a, b) REFERENCES app.u NOT VALID")
    else {
        panic!("a constraint")
    };
    assert_eq!((constraint.name.as_deref(), constraint.valid), (Some("k"), false));
    assert_eq!(constraint.columns, ["a", "b"]);
    let Change::CreateTable(table) =
        one("CREATE TABLE app.t (id bigserial, a int CHECK (a > 1), PRIMARY KEY (id), UNIQUE (a))")
    else {
        panic!("a table")
    };
    assert_eq!((table.columns.len(), table.constraints.len(), table.complete), (2, 3, true));
    assert!(table.columns[0].not_null);
    assert_eq!(table.columns[0].filled_by, Some("a sequence"));
}

#[test]
fn writes_in_a_with_are_read() {
    let delete = Change::Write { table: t(), what: Write::Delete(Rows::All), from: vec![] };
    assert_eq!(
        changes("WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x"),
        [delete.clone(), Change::Other]
    );
    let found = changes("WITH x AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM x");
    assert_eq!((found.len(), &found[0]), (2, &delete));
}

#[test]
fn indexes_and_rows_are_read() {
    let Change::CreateIndex(index) =
        one("CREATE UNIQUE INDEX IF NOT EXISTS i ON t USING gin (A, lower(b)) WHERE a > 1;")
    else {
        panic!("an index")
    };
    assert_eq!(index.columns, [Some("a".to_owned()), None]);
    assert_eq!((index.method.as_str(), index.cover, index.unique), ("gin", Cover::Partial, true));
    assert_eq!(
        index.concurrently,
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t USING gin (A, lower(b)) WHERE a > 1;"
    );
    let from = vec![Name::parse("u").expect("a name")];
    for (sql, expected) in [
        ("UPDATE t SET a = 1", Change::Write { table: t(), what: Write::Update(Rows::All), from: vec![] }),
        (
            "DELETE FROM t USING u WHERE a = 1",
            Change::Write { table: t(), what: Write::Delete(Rows::Some), from: from.clone() },
        ),
        (
            "INSERT INTO t SELECT * FROM u",
            Change::Write { table: t(), what: Write::Insert, from: from.clone() },
        ),
        ("LOCK TABLE t IN SHARE MODE", Change::Lock { table: t(), mode: Lock::Share }),
        ("SET LOCAL search_path = app, \"X\"", Change::SearchPath(vec!["app".into(), "X".into()])),
        ("SET search_path TO app", Change::SearchPath(vec!["app".into()])),
        ("VACUUM FULL", Change::Repack { table: None, by: "VACUUM FULL" }),
        ("SELECT f()", Change::Anything),
        (
            "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
            Change::Write { table: t(), what: Write::Delete(Rows::Some), from },
        ),
        ("DROP SCHEMA s CASCADE", Change::DropSchema { schema: "s".into(), cascade: Cascade::Cascade }),
        ("DROP OWNED BY r", Change::DropOwned),
        ("DROP TYPE mood CASCADE", Change::DropKind { what: "type" }),
        ("DROP TYPE mood", Change::Other),
        ("ALTER INDEX i SET TABLESPACE s", Change::MoveIndex { index: Name::parse("i").expect("a name") }),
        ("SELECT 1", Change::Other),
        ("DO $$ BEGIN END $$", Change::Opaque("DO")),
        (
            "ALTER TYPE mood ADD VALUE 'sad'",
            Change::AddEnumValue {
                name: Name::parse("mood").expect("a name"),
                value: "sad".into(),
                presence: Presence::Demanded,
            },
        ),
    ] {
        assert_eq!(one(sql), expected, "{sql}");
    }
}
