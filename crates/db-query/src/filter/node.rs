//! What a filter says, once it is known to be sound; it writes itself.

use super::scalar::{List, Scalar};
use crate::{Expr, col, writer::Writer};

/// A filter, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// All of them; none means that it holds for every row.
    All(Vec<Node>),
    /// At least one of them.
    Any(Vec<Node>),
    /// It is false or NULL.
    Not(Box<Node>),
    /// A test of a column, or of what stands at a path in it.
    Test { place: Place, test: Test },
}

/// A column, and the path into it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) column: &'static str,
    pub(super) path: Vec<String>,
}

/// What is asked of a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Compare(Comparison, Scalar),
    /// A JSON value of the same type compares so.
    CompareJson(Comparison, Scalar, &'static str),
    /// Equal, or both NULL; the other is a value.
    NotEqual(Scalar),
    Null,
    NotNull,
    /// Nothing is there, or JSON's null.
    JsonNull,
    In {
        list: List,
        or_null: bool,
    },
    Regex {
        pattern: String,
        any_case: bool,
    },
    ContainsText(String),
    ContainsJson(Scalar),
    ContainsElement(List),
    StartsWith(String),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn sql(self) -> &'static str {
        match self {
            Self::Equal => " = ",
            Self::Greater => " > ",
            Self::GreaterOrEqual => " >= ",
            Self::Less => " < ",
            Self::LessOrEqual => " <= ",
        }
    }
}

impl Node {
    /// Whether it holds for every row, or for none, whatever is in them; `None` where that depends on the row.
    pub(super) fn is_constant(&self) -> Option<bool> {
        let one = |nodes: &[Self], wanted| nodes.iter().any(|node| node.is_constant() == Some(wanted));
        let all = |nodes: &[Self], wanted| nodes.iter().all(|node| node.is_constant() == Some(wanted));
        match self {
            Self::All(nodes) if all(nodes, true) => Some(true),
            Self::All(nodes) if one(nodes, false) => Some(false),
            Self::Any(nodes) if one(nodes, true) => Some(true),
            Self::Any(nodes) if all(nodes, false) => Some(false),
            Self::Not(node) => node.is_constant().map(|holds| !holds),
            Self::Test { test: Test::In { list, or_null: false }, .. } if list.is_empty() => Some(false),
            Self::All(_) | Self::Any(_) | Self::Test { .. } => None,
        }
    }

    pub(super) fn write(self, alias: Option<&str>, writer: &mut Writer) {
        match self {
            Self::All(nodes) => write_joined(nodes, " AND ", alias, writer),
            Self::Any(nodes) => write_joined(nodes, " OR ", alias, writer),
            Self::Not(node) => {
                writer.push("(");
                node.write(alias, writer);
                writer.push(") IS NOT TRUE");
            }
            Self::Test { place, test } => test.write(&place, alias, writer),
        }
    }
}

fn write_joined(mut nodes: Vec<Node>, word: &'static str, alias: Option<&str>, writer: &mut Writer) {
    if nodes.len() == 1 {
        return nodes.remove(0).write(alias, writer);
    }
    if nodes.is_empty() {
        return writer.push("TRUE");
    }
    writer.push("(");
    for (position, node) in nodes.into_iter().enumerate() {
        if position > 0 {
            writer.push(word);
        }
        node.write(alias, writer);
    }
    writer.push(")");
}

impl Place {
    /// The column, or what stands at the path as JSON.
    fn write(&self, alias: Option<&str>, writer: &mut Writer) {
        self.write_as("(", " #> ", alias, writer);
    }

    /// The column, or what stands at the path as text.
    fn write_text(&self, alias: Option<&str>, writer: &mut Writer) {
        self.write_as("(", " #>> ", alias, writer);
    }

    fn write_as(&self, open: &'static str, op: &'static str, alias: Option<&str>, writer: &mut Writer) {
        if self.path.is_empty() {
            return self.write_column(alias, writer);
        }
        writer.push(open);
        self.write_column(alias, writer);
        writer.push(op);
        writer.bind(self.path.clone());
        writer.push(")");
    }

    fn write_column(&self, alias: Option<&str>, writer: &mut Writer) {
        match alias {
            Some(alias) => col(&format!("{alias}.{}", self.column)).write(writer),
            None => col(self.column).write(writer),
        }
    }
}

impl Test {
    fn write(self, place: &Place, alias: Option<&str>, writer: &mut Writer) {
        match self {
            Self::Compare(comparison, value) => {
                place.write(alias, writer);
                writer.push(comparison.sql());
                value.bind(writer);
            }
            Self::CompareJson(comparison, value, type_name) => {
                writer.push("(jsonb_typeof");
                if place.path.is_empty() {
                    writer.push("(");
                }
                place.write(alias, writer);
                if place.path.is_empty() {
                    writer.push(")");
                }
                writer.push(" = '");
                writer.push(type_name);
                writer.push("' AND ");
                place.write(alias, writer);
                writer.push(comparison.sql());
                value.bind(writer);
                writer.push(")");
            }
            Self::NotEqual(value) => {
                place.write(alias, writer);
                writer.push(" IS DISTINCT FROM ");
                value.bind(writer);
            }
            Self::Null => {
                place.write(alias, writer);
                writer.push(" IS NULL");
            }
            Self::NotNull => {
                place.write(alias, writer);
                writer.push(" IS NOT NULL");
            }
            Self::JsonNull => {
                writer.push("coalesce(");
                place.write(alias, writer);
                writer.push(", 'null') = 'null'");
            }
            Self::In { list, or_null } => {
                writer.push(if or_null { "(" } else { "" });
                place.write(alias, writer);
                writer.push(" = ANY(");
                list.bind(writer);
                writer.push(")");
                if or_null {
                    writer.push(" OR ");
                    place.write(alias, writer);
                    writer.push(" IS NULL)");
                }
            }
            Self::Regex { pattern, any_case } => {
                place.write_text(alias, writer);
                writer.push(if any_case { " ~* " } else { " ~ " });
                writer.bind(pattern);
            }
            Self::ContainsText(text) => {
                writer.push("strpos(");
                place.write_text(alias, writer);
                writer.push(", ");
                writer.bind(text);
                writer.push(") > 0");
            }
            Self::ContainsJson(value) => {
                place.write(alias, writer);
                writer.push(" @> ");
                value.bind(writer);
            }
            Self::ContainsElement(list) => {
                place.write(alias, writer);
                writer.push(" @> ");
                list.bind(writer);
            }
            Self::StartsWith(text) => {
                place.write_text(alias, writer);
                writer.push(" ^@ ");
                writer.bind(text);
            }
        }
    }
}
