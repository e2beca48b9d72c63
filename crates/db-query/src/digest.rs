//! A name for a statement with its values, under which its answer may be kept.

use crate::Statement;
use sha2::{Digest, Sha256};
use sqlx::{Arguments, postgres::PgArguments};
use std::{
    fmt::{self, Write},
    sync::LazyLock,
};

impl Statement {
    /// A number for the text and its values: two statements have the same one only if they ask for the same (SHA-256).
    /// `None` where that cannot be told: the values are sent already, or the driver does not show them.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        let arguments = self.arguments().filter(|_| *ARE_SHOWN)?;
        let mut hasher = Sha256::new();
        // The text has a length, so that none of it can pass for values.
        hasher.update(self.sql().len().to_le_bytes());
        hasher.update(self.sql());
        Some(finished(hasher, arguments))
    }
}

/// The driver gives its arguments to nobody but the server, and shows their types and bytes in `Debug`: so that is what is
/// hashed, and nothing is where it ever shows less.
static ARE_SHOWN: LazyLock<bool> = LazyLock::new(|| {
    let digest = |number: i64, text: &str| {
        let mut arguments = PgArguments::default();
        let added = arguments.add(number).is_ok() && arguments.add(text).is_ok();
        added.then(|| finished(Sha256::new(), &arguments))
    };
    let (one, same) = (digest(1, "a"), digest(1, "a"));
    one.is_some() && one == same && one != digest(2, "a") && one != digest(1, "b")
});

fn finished(hasher: Sha256, arguments: &PgArguments) -> [u8; 32] {
    let mut hashing = Hashing(hasher);
    // Hashing does not fail, and an argument that is not shown whole fails the check above.
    let _ = write!(hashing, "{arguments:?}");
    hashing.0.finalize().into()
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Select, Statement, col};
    use proptest::{prop_assert_eq, proptest};
    use sqlx::Execute;

    fn statement(table: &str, title: &str, ids: &[i64], bytes: Vec<u8>) -> Statement {
        let statement = Select::from(table)
            .columns(["id"])
            .filter(col("title").eq(title))
            .filter(col("id").any(ids.to_vec()));
        statement.filter(col("raw").eq(bytes)).build().expect("a statement")
    }

    #[test]
    fn the_same_text_with_the_same_values_has_the_same() {
        let digest = |statement: &Statement| statement.digest().expect("the values are there");
        let one = statement("tasks", "a", &[1, 2], vec![0; 100]);
        assert_eq!(digest(&one), digest(&one.clone()));
        for other in [
            statement("mails", "a", &[1, 2], vec![0; 100]),
            statement("tasks", "b", &[1, 2], vec![0; 100]),
            statement("tasks", "a", &[1, 3], vec![0; 100]),
            statement("tasks", "a", &[1], vec![0; 100]),
            statement("tasks", "a", &[1, 2], vec![0; 101]),
        ] {
            assert_ne!(digest(&one), digest(&other));
        }
        let mut null = vec![0; 99];
        null.push(1);
        assert_ne!(digest(&one), digest(&statement("tasks", "a", &[1, 2], null)), "to the last byte");
    }

    #[test]
    fn values_that_are_gone_have_none() {
        let mut statement = statement("tasks", "a", &[1], vec![]);
        let _ = statement.take_arguments().expect("they are there");
        assert_eq!(statement.digest(), None);
    }

    proptest! {
        #[test]
        fn others_have_another(one: (String, Vec<i64>, Vec<u8>), other: (String, Vec<i64>, Vec<u8>)) {
            let digest = |(title, ids, bytes): &(String, Vec<i64>, Vec<u8>)| {
                statement("tasks", title, ids, bytes.clone()).digest()
            };
            // PostgreSQL's text holds no NUL, but it is encoded all the same.
            prop_assert_eq!(digest(&one) == digest(&other), one == other);
        }
    }
}
