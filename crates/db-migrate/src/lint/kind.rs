//! Whether a change of a column's type rewrites the table. Pure.
//!
//! Source: PostgreSQL documentation, ALTER TABLE, "Notes": no rewrite where the old type is binary coercible to the new
//! one and the contents are not changed; the casts' `prosupport` functions know when a longer limit changes nothing.

/// A type as PostgreSQL sees it: its name, and the numbers in parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    limits: Vec<u32>,
}

/// The ways to write a type of which something is known; the first is the one that is compared.
const NAMES: &[&[&str]] = &[
    &["varchar", "character varying", "char varying"],
    &["bpchar", "character", "char", "national character", "nchar"],
    &["text"],
    &["citext"],
    &["numeric", "decimal"],
    &["varbit", "bit varying"],
    &["bit"],
    &["timestamptz", "timestamp with time zone"],
    &["timestamp", "timestamp without time zone"],
    &["timetz", "time with time zone"],
    &["time", "time without time zone"],
    &["interval"],
    &["smallint", "int2"],
    &["integer", "int", "int4"],
    &["bigint", "int8"],
    &["real", "float4"],
    &["double precision", "float8"],
    &["boolean", "bool"],
    &["cidr"],
    &["inet"],
    &["uuid"],
    &["date"],
    &["bytea"],
    &["json"],
    &["jsonb"],
    &["xml"],
];

/// Whether `ALTER COLUMN .. TYPE` writes every row anew. What is not known is said to.
pub(crate) fn rewrites(from: &str, to: &str) -> bool {
    let (Some(from), Some(to)) = (parse(from), parse(to)) else { return !same(from, to) };
    let first = |kind: &Kind| kind.limits.first().copied();
    // No limit at all is the longest.
    let widens = |from: Option<u32>, to: Option<u32>| to.is_none_or(|to| from.is_some_and(|from| from <= to));
    match (from.name, to.name) {
        ("varchar" | "text", "text") | ("cidr", "inet") | ("citext", "text" | "citext") => false,
        ("text", "varchar") => !to.limits.is_empty(),
        ("varchar", "varchar") | ("varbit", "varbit") => !widens(first(&from), first(&to)),
        ("numeric", "numeric") => match (from.limits.as_slice(), to.limits.as_slice()) {
            (_, []) => false,
            ([], _) => true,
            (from, to) => from.get(1).unwrap_or(&0) != to.get(1).unwrap_or(&0) || from[0] > to[0],
        },
        ("timestamp", "timestamp")
        | ("timestamptz", "timestamptz")
        | ("time", "time")
        | ("timetz", "timetz")
        | ("interval", "interval") => !widens(Some(first(&from).unwrap_or(6)), Some(first(&to).unwrap_or(6))),
        (one, other) => one != other || from.limits != to.limits,
    }
}

fn same(from: &str, to: &str) -> bool {
    from.eq_ignore_ascii_case(to)
}

/// The name without blanks and limits, and the limits.
fn parse(text: &str) -> Option<Kind> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.trim().trim_start_matches("pg_catalog.");
    if lower.contains('[') || lower.contains(" array") {
        return None;
    }
    let (name, limits) = match lower.split_once('(') {
        Some((name, rest)) => {
            let (limits, after) = rest.split_once(')')?;
            (format!("{} {}", name.trim(), after.trim()), limits)
        }
        None => (lower.to_owned(), ""),
    };
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let known = NAMES.iter().find(|names| names.contains(&name.as_str()))?[0];
    let limits = limits.split(',').filter_map(|limit| limit.trim().parse().ok()).collect::<Vec<_>>();
    // `char` is `char(1)`.
    let limits = if known == "bpchar" && limits.is_empty() && name != "bpchar" { vec![1] } else { limits };
    Some(Kind { name: known, limits })
}

#[cfg(test)]
mod tests {
    use super::rewrites;

    #[test]
    fn only_some_changes_rewrite() {
        for (from, to, expected) in [
            ("character varying(10)", "varchar(20)", false),
            ("character varying(20)", "varchar (10)", true),
            ("character varying(20)", "varchar", false),
            ("character varying", "varchar(20)", true),
            ("varchar(20)", "text", false),
            ("text", "varchar", false),
            ("text", "varchar(20)", true),
            ("character(10)", "text", true),
            ("character(10)", "char(20)", true),
            ("integer", "bigint", true),
            ("int", "INT4", false),
            ("numeric(10,2)", "numeric(12, 2)", false),
            ("numeric(10,2)", "numeric(12,4)", true),
            ("numeric(10,2)", "decimal", false),
            ("numeric", "numeric(10,2)", true),
            ("timestamp(3) without time zone", "timestamp", false),
            ("timestamp without time zone", "timestamp(3)", true),
            ("timestamp without time zone", "timestamptz", true),
            ("timestamp with time zone", "timestamptz", false),
            ("cidr", "inet", false),
            ("inet", "cidr", true),
            ("json", "jsonb", true),
            ("text[]", "varchar[]", true),
            ("app.mood", "app.mood", false),
            ("app.mood", "text", true),
        ] {
            assert_eq!(rewrites(from, to), expected, "{from} -> {to}");
        }
    }
}
