//! Names as the server takes them: folded where they are not quoted, and refused where a reader might take them for
//! something else.

use super::{NotUnderstood, Understood, refuse};
use crate::access::built_in::runs_text;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

/// Words that PostgreSQL never takes for the name of a table or a column. Where the parser did, it has understood another
/// statement than the server would: `FROM ONLY t` is not a table ONLY.
/// <https://www.postgresql.org/docs/current/sql-keywords-appendix.html>
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// Words that are values, and look like functions to the parser.
const VALUES: &[&str] = &[
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
];

/// Forms that the grammar takes for itself; there is no function of that name to call without quotes.
const FORMS: &[&str] = &["array", "coalesce", "greatest", "grouping", "least", "nullif", "row"];

/// Longer names are cut by the server, and so meet others.
const MAX_NAME: usize = 63;

/// One part of a name.
pub(super) fn fold(ident: &Ident) -> Understood<String> {
    let name = match ident.quote_style {
        None => {
            let name = ident.value.to_ascii_lowercase();
            if RESERVED.contains(&&*name) {
                return Err(NotUnderstood::new("a reserved word where a name is due")
                    .at((ident.span.start.line, ident.span.start.column)));
            }
            name
        }
        Some('"') => ident.value.clone(),
        Some(_) => {
            return Err(NotUnderstood::new("a name in the quotes of a string")
                .at((ident.span.start.line, ident.span.start.column)));
        }
    };
    let plain = ident.quote_style.is_some() || name.is_ascii();
    if name.is_empty() || name.len() > MAX_NAME || !plain || name.contains(['.', '"', '\0']) {
        return Err(NotUnderstood::new("a name that is empty, long, or holds what parts names")
            .at((ident.span.start.line, ident.span.start.column)));
    }
    Ok(name)
}

/// A name of one or two parts.
pub(super) fn path(name: &ObjectName) -> Understood<Vec<String>> {
    let parts = idents(name)?.into_iter().map(fold).collect::<Understood<Vec<_>>>()?;
    if parts.is_empty() || parts.len() > 2 {
        return Err(NotUnderstood::new("a name of more than a schema and its object").near(name));
    }
    Ok(parts)
}

/// A name of a table that is changed.
pub(super) fn table(name: &ObjectName) -> Understood<String> {
    Ok(path(name)?.join("."))
}

/// A name of one part.
pub(super) fn single(name: &ObjectName) -> Understood<String> {
    match idents(name)?[..] {
        [ident] => fold(ident),
        _ => Err(NotUnderstood::new("a part of a column").near(name)),
    }
}

pub(super) fn idents(name: &ObjectName) -> Understood<Vec<&Ident>> {
    let parts = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => Ok(ident),
        ObjectNamePart::Function(_) => refuse("a name that is computed"),
    });
    parts.collect()
}

/// What is called by a name.
pub(super) enum Called {
    /// A value that SQL has a word for.
    Value,
    /// A form of the grammar.
    Form,
    /// A function.
    Function(String),
}

/// What a call without, or with, parentheses means.
pub(super) fn called(name: &ObjectName, parentheses: bool) -> Understood<Called> {
    let parts = idents(name)?;
    if let [ident] = parts[..]
        && ident.quote_style.is_none()
    {
        let word = ident.value.to_ascii_lowercase();
        if FORMS.contains(&&*word) && parentheses {
            return Ok(Called::Form);
        }
        if VALUES.contains(&&*word) {
            return Ok(Called::Value);
        }
        // The only reserved words that may be the name of a function.
        if matches!(&*word, "left" | "right") && parentheses {
            return Ok(Called::Function(word));
        }
    }
    if !parentheses {
        return Err(NotUnderstood::new("a word that is taken for a function").near(name));
    }
    let parts = path(name)?;
    let last = parts.last().map_or("", String::as_str);
    if runs_text(last) {
        return Err(NotUnderstood::new(format!("{last} runs what it is given as a text")).near(name));
    }
    Ok(Called::Function(parts.join(".")))
}
