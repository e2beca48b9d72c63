//! What a statement demands of the transaction around it, told by its first words.

use super::Statement;

/// Why a statement cannot be sent like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trait {
    /// The server refuses it inside a transaction.
    OutsideTransaction,
    /// It begins or ends a transaction, which is the runner's part.
    TransactionControl,
    /// It reads rows from the client, which has none to send.
    CopyFromClient,
}

impl Statement {
    /// What is special about the statement, if anything is.
    ///
    /// The server has the last word: what is not known here (a subscription with a slot, a procedure that commits)
    /// fails there with SQLSTATE 25001.
    pub(crate) fn special(&self) -> Option<Trait> {
        let outer: Vec<&str> =
            self.words.iter().filter(|(depth, _)| *depth == 0).map(|(_, word)| word.as_str()).collect();
        let outside = match outer.as_slice() {
            ["BEGIN" | "COMMIT" | "END" | "ABORT", ..] | ["START" | "PREPARE", "TRANSACTION", ..] => {
                return Some(Trait::TransactionControl);
            }
            ["ROLLBACK", rest @ ..] if !rest.contains(&"TO") => return Some(Trait::TransactionControl),
            ["COPY", rest @ ..] if rest.windows(2).any(|pair| pair == ["FROM", "STDIN"]) => {
                return Some(Trait::CopyFromClient);
            }
            ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
            | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
            | ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..]
            | ["VACUUM", ..]
            | ["ALTER", "SYSTEM", ..]
            | ["CLUSTER"]
            | ["CLUSTER", "VERBOSE"]
            | ["DISCARD", "ALL"] => true,
            ["ALTER", "DATABASE", rest @ ..] => rest.contains(&"TABLESPACE"),
            ["ALTER", "TABLE", rest @ ..] => rest.contains(&"DETACH") && rest.contains(&"CONCURRENTLY"),
            ["REINDEX", ..] => self
                .words
                .iter()
                .any(|(_, word)| matches!(word.as_str(), "CONCURRENTLY" | "DATABASE" | "SYSTEM" | "SCHEMA")),
            _ => false,
        };
        outside.then_some(Trait::OutsideTransaction)
    }

    /// Whether the statement waits for others without making anybody wait for it.
    pub(crate) fn is_concurrent(&self) -> bool {
        self.special() == Some(Trait::OutsideTransaction)
            && self.words.iter().any(|(_, word)| word == "CONCURRENTLY")
    }

    /// Its first words, for messages.
    pub(crate) fn summary(&self) -> String {
        let words: Vec<&str> = self.words.iter().take(4).map(|(_, word)| word.as_str()).collect();
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::Trait;
    use crate::script::split;

    fn check(sql: &str, expected: Option<Trait>) {
        let statements = split(sql).expect("everything is closed");
        assert_eq!(statements.len(), 1, "{sql}");
        assert_eq!(statements[0].special(), expected, "{sql}");
    }

    #[test]
    fn knows_what_needs_no_transaction() {
        for sql in [
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
        ] {
            check(sql, Some(Trait::OutsideTransaction));
        }
    }

    #[test]
    fn knows_who_ends_a_transaction() {
        for sql in
            ["BEGIN", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION 'x'"]
        {
            check(sql, Some(Trait::TransactionControl));
        }
        check("ROLLBACK TO SAVEPOINT s", None);
        check("PREPARE p AS SELECT 1", None);
    }

    #[test]
    fn knows_a_copy_from_the_client() {
        check("COPY t (a) FROM STDIN WITH (FORMAT csv)", Some(Trait::CopyFromClient));
        check("COPY t FROM '/tmp/file'", None);
    }

    #[test]
    fn leaves_the_rest_alone() {
        for sql in [
            "CREATE INDEX i ON t (a)",
            "CREATE INDEX concurrently_idx ON t (a)",
            "INSERT INTO t VALUES ('VACUUM; CREATE INDEX CONCURRENTLY')",
            "DO $$ BEGIN PERFORM 1; COMMIT; END $$",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "REINDEX TABLE t",
            "CLUSTER t USING i",
            "ALTER DATABASE d SET work_mem = '4MB'",
            "ALTER TABLE t DETACH PARTITION p",
        ] {
            check(sql, None);
        }
    }
}
