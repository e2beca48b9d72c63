//! What a statement demands of the session and the transaction around it, told by its first words.

/// How a statement must be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// Like any other.
    Plain,
    /// By itself: the server refuses it inside a transaction.
    Outside,
    /// It begins a transaction of the file's own.
    Begin,
    /// It ends that.
    Commit,
    /// It rolls back a transaction.
    Rollback,
    /// It splits a transaction, or keeps it for later, which leaves no way to say what was applied.
    Split,
    /// It reads rows from the client, and none follow it.
    CopyFromClient,
    /// It reads the rows that follow it.
    CopyIn,
    /// It sets something for the rest of the session.
    Session,
    /// It makes something that is gone with the session.
    Temporary,
    /// A command of psql's.
    Meta,
}

/// The first words of a statement, and whether each is outside of parentheses.
pub(super) struct Words<'a>(Vec<(&'a str, bool)>);

impl<'a> Words<'a> {
    pub(super) fn new(words: Vec<(&'a str, bool)>) -> Self {
        Self(words)
    }

    /// Whether it makes a routine, whose body may be statements.
    pub(super) fn makes_routine(&self) -> bool {
        let mut words = self.outer().filter(|word| !matches(word, "OR") && !matches(word, "REPLACE"));
        words.next().is_some_and(|word| matches(word, "CREATE"))
            && words.next().is_some_and(|word| matches(word, "FUNCTION") || matches(word, "PROCEDURE"))
    }

    fn outer(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(|(_, outer)| *outer).map(|(word, _)| *word)
    }

    fn upper(&self) -> Vec<String> {
        self.outer().map(str::to_ascii_uppercase).collect()
    }

    fn any(&self, wanted: &[&str]) -> bool {
        self.0.iter().any(|(word, _)| wanted.iter().any(|wanted| matches(word, wanted)))
    }
}

fn matches(word: &str, upper: &str) -> bool {
    word.eq_ignore_ascii_case(upper)
}

/// What the words say. The server has the last word: what is not known here (a subscription with a slot, a procedure
/// that commits) fails there with SQLSTATE 25001 or 2D000, and is then sent again by itself.
pub(super) fn classify(words: &Words<'_>) -> Class {
    let Some(first) = words.outer().next() else { return Class::Plain };
    // Most statements are told by their first word, without looking at the others.
    if !FIRST.iter().any(|known| matches(first, known)) {
        return Class::Plain;
    }
    let upper = words.upper();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    match upper.as_slice() {
        ["BEGIN", ..] | ["START", "TRANSACTION", ..] => Class::Begin,
        ["COMMIT" | "END", rest @ ..] if chains(rest) => Class::Split,
        ["COMMIT" | "ROLLBACK", "PREPARED", ..] | ["PREPARE", "TRANSACTION", ..] => Class::Split,
        ["COMMIT" | "END", ..] => Class::Commit,
        ["ROLLBACK" | "ABORT", rest @ ..] if chains(rest) => Class::Split,
        ["ROLLBACK" | "ABORT", rest @ ..] if !rest.contains(&"TO") => Class::Rollback,
        ["COPY", rest @ ..] if rest.windows(2).any(|pair| pair == ["FROM", "STDIN"]) => Class::CopyFromClient,
        ["SET", "LOCAL" | "TRANSACTION" | "CONSTRAINTS", ..] => Class::Plain,
        ["SET" | "RESET" | "LISTEN", ..] | ["DISCARD", _] if upper != ["DISCARD", "ALL"] => Class::Session,
        ["SELECT", ..] => {
            if words.any(&["set_config"]) {
                Class::Session
            } else {
                Class::Plain
            }
        }
        ["CREATE", rest @ ..] if is_temporary(rest) => Class::Temporary,
        ["PREPARE" | "DECLARE", ..] => Class::Temporary,
        _ if is_outside(words, &upper) => Class::Outside,
        _ => Class::Plain,
    }
}

/// First words of the statements that have rules.
const FIRST: [&str; 21] = [
    "ABORT",
    "ALTER",
    "BEGIN",
    "CLUSTER",
    "COMMIT",
    "COPY",
    "CREATE",
    "DECLARE",
    "DISCARD",
    "DROP",
    "END",
    "LISTEN",
    "PREPARE",
    "REINDEX",
    "RESET",
    "ROLLBACK",
    "SELECT",
    "SET",
    "START",
    "VACUUM",
    "CHECKPOINT",
];

/// Whether another transaction follows at once.
fn chains(words: &[&str]) -> bool {
    words.contains(&"CHAIN") && !words.contains(&"NO")
}

fn is_temporary(after_create: &[&str]) -> bool {
    after_create
        .iter()
        .take_while(|word| !matches!(**word, "TABLE" | "VIEW" | "SEQUENCE"))
        .take(4)
        .any(|word| matches!(*word, "TEMP" | "TEMPORARY"))
}

fn is_outside(words: &Words<'_>, upper: &[&str]) -> bool {
    match upper {
        ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
        | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
        | ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..]
        | ["VACUUM", ..]
        | ["ALTER", "SYSTEM", ..]
        | ["CLUSTER"]
        | ["CLUSTER", "VERBOSE"]
        | ["DISCARD", "ALL"] => true,
        ["ALTER", "DATABASE", rest @ ..] => rest.contains(&"TABLESPACE"),
        ["ALTER", "TABLE", rest @ ..] => {
            rest.contains(&"DETACH") && rest.contains(&"PARTITION") && rest.last() == Some(&"CONCURRENTLY")
        }
        ["REINDEX", ..] => words.any(&["CONCURRENTLY", "DATABASE", "SYSTEM", "SCHEMA"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Class;
    use crate::script::split;

    fn check(class: Class, statements: &[&str]) {
        for sql in statements {
            let found = split(sql, 1).expect("everything is closed");
            assert_eq!(found.len(), 1, "{sql}");
            assert_eq!(found[0].class, class, "{sql}");
        }
    }

    #[test]
    fn knows_what_needs_no_transaction() {
        check(
            Class::Outside,
            &[
                "CREATE INDEX CONCURRENTLY i ON t (a)",
                "create /* now */ unique index concurrently if not exists i on t (a)",
                "DROP INDEX CONCURRENTLY i",
                "REINDEX TABLE CONCURRENTLY t",
                "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
                "REINDEX SCHEMA public",
                "VACUUM",
                "VACUUM (ANALYZE) t",
                "ALTER SYSTEM SET work_mem = '4MB'",
                "CREATE DATABASE d",
                "DROP DATABASE d",
                "ALTER DATABASE d SET TABLESPACE s",
                "CREATE TABLESPACE s LOCATION '/s'",
                "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
                "CLUSTER",
                "DISCARD ALL",
            ],
        );
    }

    #[test]
    fn knows_a_transaction_of_the_file() {
        check(Class::Begin, &["BEGIN", "begin work", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE"]);
        check(Class::Commit, &["COMMIT", "END", "commit and no chain"]);
        check(Class::Rollback, &["ROLLBACK", "ABORT", "rollback work", "ROLLBACK AND NO CHAIN"]);
        check(Class::Split, &["PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'"]);
        check(Class::Split, &["COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "ABORT WORK AND CHAIN"]);
        check(Class::Plain, &["ROLLBACK TO SAVEPOINT s", "SAVEPOINT s", "RELEASE s"]);
    }

    #[test]
    fn knows_what_stays_with_the_session() {
        check(
            Class::Session,
            &[
                "SET search_path = app",
                "SET SESSION statement_timeout = 0",
                "RESET ALL",
                "SELECT pg_catalog.set_config('search_path', '', false)",
            ],
        );
        check(Class::Plain, &["SET LOCAL lock_timeout = '1s'", "SET CONSTRAINTS ALL DEFERRED", "SELECT 1"]);
        check(
            Class::Temporary,
            &[
                "CREATE TEMP TABLE t (a int)",
                "CREATE LOCAL TEMPORARY VIEW v AS SELECT 1",
                "PREPARE p AS SELECT 1",
            ],
        );
    }

    #[test]
    fn knows_a_copy_from_the_client() {
        check(Class::CopyFromClient, &["COPY t (a) FROM STDIN WITH (FORMAT csv)"]);
        check(Class::Plain, &["COPY t FROM '/tmp/file'"]);
    }

    #[test]
    fn leaves_the_rest_alone() {
        check(
            Class::Plain,
            &[
                "CREATE INDEX i ON t (a)",
                "CREATE INDEX concurrently_idx ON t (a)",
                "INSERT INTO t VALUES ('VACUUM; CREATE INDEX CONCURRENTLY')",
                "DO $$ BEGIN PERFORM 1; COMMIT; END $$",
                "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
                "REINDEX TABLE t",
                "CLUSTER t USING i",
                "ALTER DATABASE d SET work_mem = '4MB'",
                "ALTER TABLE t DETACH PARTITION p",
                "CREATE TABLE temp (a int)",
                "CREATE UNLOGGED TABLE t (temp int)",
            ],
        );
    }
}
