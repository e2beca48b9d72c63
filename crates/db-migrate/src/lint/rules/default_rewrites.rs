//! A column whose value is computed for every row that is there.

use super::{Asked, Rule};
use crate::lint::Severity;
use crate::lint::change::Change;
use crate::lint::name::identifier;
use crate::lint::site::{Found, Site};

pub(super) const RULE: Rule = Rule {
    name: "default-rewrites",
    severity: Severity::Error,
    asked: Asked::ByDefault,
    says: "ADD COLUMN with a volatile default, an identity or a generated value writes every row anew",
    instead: "add the column without it, set the default, and fill in batches",
    stands_for: &["adding-field-with-default"],
    check,
};

/// The functions that give the same answer throughout a statement, so that one value serves all rows.
const STABLE: &[&str] = &[
    "now",
    "current_setting",
    "current_user",
    "current_schema",
    "to_char",
    "to_date",
    "to_timestamp",
    "lower",
    "upper",
    "length",
    "abs",
    "round",
    "coalesce",
    "array",
    "row",
    "jsonb_build_object",
    "jsonb_build_array",
    "json_build_object",
    "json_build_array",
    "make_interval",
    "make_date",
    "date_trunc",
    "decode",
    "encode",
    "md5",
    "concat",
    "repeat",
    "replace",
    "statement_timestamp",
    "transaction_timestamp",
    "timezone",
    "array_fill",
    "to_jsonb",
    "to_json",
    "greatest",
    "least",
    "nullif",
    "text",
    "date",
    "point",
    "box",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "numeric",
    "varchar",
    "char",
    "interval",
    "timestamp",
    "timestamptz",
    "bit",
    "varbit",
    "cast",
    "in",
    "and",
    "or",
    "not",
];

fn check(site: &Site<'_>) -> Option<Found> {
    let Change::AddColumn { table, column, .. } = site.change else { return None };
    let why = match (column.filled_by, &column.default) {
        (Some("a virtual expression"), _) | (None, None) => return None,
        (Some(by), _) => format!("{by} gives each row its own value"),
        (None, Some(default)) => format!("{} may give each row another value", volatile(default)?),
    };
    let severity = site.weigh(table)?;
    let message =
        format!("reads and writes of {} wait while every row is written anew: {why}", site.sized(table));
    let (table, name) = (site.sql(table), identifier(&column.name));
    let kind = column.kind.as_deref().unwrap_or("..");
    Some(Found::new(severity, message).help(match &column.default {
        Some(default) => format!(
            "ALTER TABLE {table} ADD COLUMN {name} {kind}; ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {default}; \
             then fill it in batches"
        ),
        None => format!("ALTER TABLE {table} ADD COLUMN {name} ..; fill it by a trigger and in batches"),
    }))
}

/// The first function of an expression that is not known to be stable.
fn volatile(expression: &str) -> Option<String> {
    let mut text = String::new();
    let mut quoted = false;
    // What is in quotes calls nothing.
    for character in expression.chars() {
        quoted ^= character == '\'';
        text.push(if quoted { ' ' } else { character });
    }
    text.match_indices('(').find_map(|(at, _)| {
        let before = text[..at].trim_end();
        let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '.' | '"');
        let start = before.rfind(|character| !is_name(character)).map_or(0, |at| at + 1);
        let name = before[start..].rsplit('.').next().unwrap_or_default().to_lowercase();
        let is_limit = before[..start].trim_end().ends_with("::");
        (!name.is_empty() && !is_limit && !STABLE.contains(&name.as_str())).then(|| format!("{name}()"))
    })
}

#[cfg(test)]
mod tests {
    use super::{RULE, volatile};
    use crate::lint::tests::{Expect, check};

    #[test]
    fn one_value_for_all_rows_is_quick() {
        check(
            &RULE,
            "",
            &[
                (
                    "ALTER TABLE big ADD COLUMN x uuid DEFAULT gen_random_uuid()",
                    Expect::Error("gen_random_uuid()"),
                ),
                ("ALTER TABLE big ADD COLUMN x bigserial", Expect::Error("a sequence gives each row")),
                (
                    "ALTER TABLE big ADD COLUMN x int GENERATED ALWAYS AS (a + 1) STORED",
                    Expect::Error("a generated expression"),
                ),
                (
                    "ALTER TABLE big ADD COLUMN x int GENERATED ALWAYS AS IDENTITY",
                    Expect::Error("an identity"),
                ),
                ("ALTER TABLE big ADD COLUMN x int NOT NULL DEFAULT 0", Expect::Nothing),
                ("ALTER TABLE big ADD COLUMN x timestamptz DEFAULT now()", Expect::Nothing),
                ("ALTER TABLE small ADD COLUMN x uuid DEFAULT gen_random_uuid()", Expect::Nothing),
            ],
        );
    }

    #[test]
    fn only_calls_are_volatile() {
        for (expression, expected) in [
            ("'f(x)'::text", None),
            ("pg_catalog.now()", None),
            ("(1 + 2) * 3", None),
            ("'a'::varchar(10)", None),
            ("1::app.kind(3)", None),
            ("date_trunc('day', clock_timestamp())", Some("clock_timestamp()")),
            ("app.next_id()", Some("next_id()")),
        ] {
            assert_eq!(volatile(expression).as_deref(), expected, "{expression}");
        }
    }
}
