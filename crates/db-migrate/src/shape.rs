//! Encoding and locale of a database: text sorts, compares and is stored by them, so a copy needs the same.

use crate::Error;
use sqlx::{FromRow, PgConnection};

/// What `CREATE DATABASE` must be told for a database like another.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[cfg_attr(feature = "backup", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Shape {
    encoding: String,
    collate: String,
    ctype: String,
    /// As in `pg_database`: `c` libc, `i` ICU, `b` built in; absent before PostgreSQL 15.
    provider: Option<String>,
    locale: Option<String>,
}

impl Shape {
    /// That of the session's database.
    pub(crate) async fn read(conn: &mut PgConnection) -> Result<Self, Error> {
        sqlx::query_as(
            "SELECT pg_encoding_to_char(encoding)::text AS encoding, datcollate::text AS collate, \
                    datctype::text AS ctype, to_jsonb(base) ->> 'datlocprovider' AS provider, \
                    coalesce(to_jsonb(base) ->> 'datlocale', to_jsonb(base) ->> 'daticulocale') AS locale \
             FROM pg_database AS base WHERE datname = current_database()",
        )
        .fetch_one(conn)
        .await
        .map_err(Error::during("read the database's encoding and locale"))
    }

    /// Makes an empty database of this shape.
    pub(crate) fn create_sql(&self, name: &str) -> String {
        let mut sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            quoted(name),
            literal(&self.encoding),
            literal(&self.collate),
            literal(&self.ctype)
        );
        if let Some(locale) = &self.locale {
            sql += &match self.provider.as_deref() {
                Some("i") => format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)),
                Some("b") => format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)),
                _ => String::new(),
            };
        }
        sql
    }
}

/// A name as SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string as SQL, whatever `standard_conforming_strings` is.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{Shape, literal, quoted};

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(literal(r"a'b\c"), r"E'a''b\\c'");
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }

    #[test]
    fn a_database_has_the_locale_of_the_other() {
        let shape = |provider: Option<&str>, locale: Option<&str>| Shape {
            encoding: "UTF8".to_owned(),
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            provider: provider.map(str::to_owned),
            locale: locale.map(str::to_owned),
        };
        let plain = "CREATE DATABASE \"x\" TEMPLATE template0 ENCODING E'UTF8' LC_COLLATE E'C' LC_CTYPE E'C'";
        assert_eq!(shape(None, None).create_sql("x"), plain);
        assert_eq!(shape(Some("c"), None).create_sql("x"), plain);
        let icu = shape(Some("i"), Some("de-DE")).create_sql("x");
        assert_eq!(icu, format!("{plain} LOCALE_PROVIDER icu ICU_LOCALE E'de-DE'"));
    }
}
