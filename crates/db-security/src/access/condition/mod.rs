//! Conditions of rows: read once from a rule's filter, then written as text of a policy, or as a condition of db-query for one
//! subject. Both come from one tree, so that they say the same.
//!
//! The grammar is that of `db_query::Filter`, without regular expressions and paths into JSON; a value may also be
//! `{"$subject": "attribute"}`.

mod parse;
mod rows;
mod sql;

pub use rows::RowCondition;

use crate::access::{AttributeName, literal::Literal};
use std::collections::BTreeSet;
use uuid::Uuid;

pub(crate) use parse::parse;
pub(crate) use sql::{attribute_sql, condition_sql};

/// A filter, or a part of one. Its values are those of a rule, or those that they come to for one subject.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node<V> {
    /// All of them; none means that it holds for every row.
    All(Vec<Node<V>>),
    /// At least one of them.
    Any(Vec<Node<V>>),
    /// It is false or NULL.
    Not(Box<Node<V>>),
    Test {
        column: String,
        test: Test<V>,
    },
}

/// What is asked of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test<V> {
    Compare(db_query::Op, V),
    /// It is another value, or NULL.
    NotEqual(V),
    Null,
    NotNull,
    In {
        list: Vec<V>,
        kind: ValueKind,
        or_null: bool,
    },
    ContainsText(V),
    StartsWith(V),
}

/// What kind of value a column compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Bool,
    Integer,
    Float,
    Text,
    Uuid,
    Time,
}

/// A value of a rule's condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Literal(Literal),
    /// An attribute of the subject, as a value of this kind: text, integer, UUID, true or false.
    Subject(AttributeName, ValueKind),
}

/// A rule's condition of a table's rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) root: Node<Value>,
    /// The attributes that it names, and what they are read as.
    pub(crate) attributes: Vec<(AttributeName, ValueKind)>,
    /// The columns that it names.
    pub(crate) columns: BTreeSet<String>,
}

impl Condition {
    /// What it says for one subject; `None` where the subject lacks an attribute that it names, or has one that cannot be
    /// read as the column's kind.
    pub(crate) fn resolve<'a>(
        &self,
        attribute: impl Fn(&AttributeName) -> Option<&'a str>,
    ) -> Option<Node<Literal>> {
        self.root.resolve(&|name, kind| read(kind, attribute(name)?))
    }
}

impl Node<Value> {
    fn resolve(&self, read: &impl Fn(&AttributeName, ValueKind) -> Option<Literal>) -> Option<Node<Literal>> {
        let all = |nodes: &[Self]| nodes.iter().map(|node| node.resolve(read)).collect::<Option<Vec<_>>>();
        Some(match self {
            Self::All(nodes) => Node::All(all(nodes)?),
            Self::Any(nodes) => Node::Any(all(nodes)?),
            Self::Not(node) => Node::Not(Box::new(node.resolve(read)?)),
            Self::Test { column, test } => Node::Test { column: column.clone(), test: test.resolve(read)? },
        })
    }
}

impl Test<Value> {
    fn resolve(&self, read: &impl Fn(&AttributeName, ValueKind) -> Option<Literal>) -> Option<Test<Literal>> {
        let one = |value: &Value| match value {
            Value::Literal(literal) => Some(literal.clone()),
            Value::Subject(name, kind) => read(name, *kind),
        };
        Some(match self {
            Self::Compare(op, value) => Test::Compare(*op, one(value)?),
            Self::NotEqual(value) => Test::NotEqual(one(value)?),
            Self::Null => Test::Null,
            Self::NotNull => Test::NotNull,
            Self::In { list, kind, or_null } => {
                let list = list.iter().map(one).collect::<Option<_>>()?;
                Test::In { list, kind: *kind, or_null: *or_null }
            }
            Self::ContainsText(value) => Test::ContainsText(one(value)?),
            Self::StartsWith(value) => Test::StartsWith(one(value)?),
        })
    }
}

/// An attribute's text as a value; the same texts are values on the server, see [`attribute_sql`].
fn read(kind: ValueKind, text: &str) -> Option<Literal> {
    match kind {
        ValueKind::Text => Some(Literal::Text(text.to_owned())),
        ValueKind::Integer => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_one = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_one { text.parse().ok().map(Literal::Integer) } else { None }
        }
        ValueKind::Bool => match text {
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            _ => None,
        },
        // Of the several forms only the one with four hyphens.
        ValueKind::Uuid if text.len() == 36 => Uuid::try_parse(text).ok().map(Literal::Uuid),
        ValueKind::Uuid | ValueKind::Float | ValueKind::Time => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_what_the_column_holds_or_not_at_all() {
        for (kind, text, expected) in [
            (ValueKind::Integer, "-7", Some(Literal::Integer(-7))),
            (ValueKind::Integer, "+7", None),
            (ValueKind::Integer, " 7", None),
            (ValueKind::Integer, "1234567890123456789", None),
            (ValueKind::Integer, "-", None),
            (ValueKind::Integer, "٣", None),
            (ValueKind::Bool, "true", Some(Literal::Bool(true))),
            (ValueKind::Bool, "t", None),
            (ValueKind::Uuid, "{00000000-0000-0000-0000-000000000000}", None),
            (ValueKind::Uuid, "00000000000000000000000000000000", None),
            (ValueKind::Text, "it's", Some(Literal::Text("it's".to_owned()))),
        ] {
            assert_eq!(read(kind, text), expected, "{text:?}");
        }
    }
}
