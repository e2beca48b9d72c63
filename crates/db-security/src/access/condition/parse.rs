//! From JSON to a condition: every column is looked up, every value typed, every limit kept.

use super::{Condition, Node, Test, Value, ValueKind};
use crate::access::{
    AttributeName, ColumnKind, Nearest, Problem,
    catalogue::{Catalogue, Relation},
    literal::{Literal, is_text, is_time},
};
use chrono::DateTime;
use db_query::Op;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Operators inside operators.
const DEPTH: usize = 16;
/// Comparisons and joining operators in all.
const COMPARISONS: usize = 256;
/// Values in one list.
const LIST: usize = 1_000;
/// Bytes of one text.
const TEXT_BYTES: usize = 4_096;

const JOINING: [&str; 4] = ["$and", "$or", "$nor", "$not"];
const TESTING: [&str; 12] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$contains",
    "$startsWith",
    "$not",
];
const SUBJECT: &str = "$subject";

/// Reads a filter of a table's rows.
///
/// # Errors
/// [`Problem::Rows`], which says where in the filter.
pub(crate) fn parse(json: &Json, relation: &Relation) -> Result<Condition, Problem> {
    let mut parser =
        Parser { relation, at: Vec::new(), count: 0, attributes: Vec::new(), columns: BTreeSet::new() };
    let root = parser.filter(json)?;
    Ok(Condition { root, attributes: parser.attributes, columns: parser.columns })
}

struct Parser<'a> {
    relation: &'a Relation,
    /// The keys and positions that lead to what is being read.
    at: Vec<String>,
    count: usize,
    attributes: Vec<(AttributeName, ValueKind)>,
    columns: BTreeSet<String>,
}

impl Parser<'_> {
    fn filter(&mut self, json: &Json) -> Result<Node<Value>, Problem> {
        let Json::Object(members) = json else {
            return Err(self.wrong("there should be an object of columns and operators"));
        };
        self.count()?;
        let mut nodes = Vec::with_capacity(members.len());
        for (key, value) in members {
            nodes.push(self.inside(key, |parser| parser.member(key, value))?);
        }
        Ok(Node::All(nodes))
    }

    fn member(&mut self, key: &str, value: &Json) -> Result<Node<Value>, Problem> {
        match key {
            "$and" => Ok(Node::All(self.filters(value)?)),
            "$or" => Ok(Node::Any(self.filters(value)?)),
            "$nor" => Ok(Node::Not(Box::new(Node::Any(self.filters(value)?)))),
            "$not" => Ok(Node::Not(Box::new(self.filter(value)?))),
            _ if key.starts_with('$') => Err(self.unknown("there is no such operator here", key, JOINING)),
            _ => self.column(key, value),
        }
    }

    fn filters(&mut self, value: &Json) -> Result<Vec<Node<Value>>, Problem> {
        let items = match value {
            Json::Array(items) if !items.is_empty() => items,
            _ => return Err(self.wrong("there should be a list of filters, one at least")),
        };
        let read = |(position, item)| self.inside(&format!("[{position}]"), |parser| parser.filter(item));
        items.iter().enumerate().map(read).collect()
    }

    fn column(&mut self, column: &str, value: &Json) -> Result<Node<Value>, Problem> {
        let relation = self.relation;
        let Some(kind) = relation.columns.get(column) else {
            return Err(self.unknown(
                "there is no such column",
                column,
                relation.columns.keys().map(String::as_str),
            ));
        };
        if !Catalogue::can_be_named(column) {
            return Err(self.wrong("a column with a dot or a quote in its name cannot stand in a condition"));
        }
        self.columns.insert(column.to_owned());
        match value {
            Json::Object(operators) if !operators.contains_key(SUBJECT) => {
                self.tests(column, kind, operators)
            }
            value => self.test(column, kind, "$eq", value),
        }
    }

    /// Several operators on one column: all must hold.
    fn tests(
        &mut self,
        column: &str,
        kind: &ColumnKind,
        operators: &Map<String, Json>,
    ) -> Result<Node<Value>, Problem> {
        if operators.is_empty() {
            return Err(self.wrong("there should be an operator at least"));
        }
        let mut nodes = Vec::with_capacity(operators.len());
        for (operator, value) in operators {
            nodes.push(self.inside(operator, |parser| parser.test(column, kind, operator, value))?);
        }
        Ok(Node::All(nodes))
    }

    fn test(
        &mut self,
        column: &str,
        kind: &ColumnKind,
        operator: &str,
        value: &Json,
    ) -> Result<Node<Value>, Problem> {
        if operator == "$not" {
            let Json::Object(operators) = value else {
                return Err(self.wrong("there should be an object of operators"));
            };
            return Ok(Node::Not(Box::new(self.tests(column, kind, operators)?)));
        }
        self.count()?;
        let node = |test| Node::Test { column: column.to_owned(), test };
        let test = match operator {
            "$eq" if value.is_null() => Test::Null,
            "$ne" if value.is_null() => Test::NotNull,
            "$eq" => Test::Compare(Op::Eq, self.value(kind, value)?),
            "$ne" => Test::NotEqual(self.value(kind, value)?),
            "$gt" => self.ordered(kind, Op::Gt, value)?,
            "$gte" => self.ordered(kind, Op::Ge, value)?,
            "$lt" => self.ordered(kind, Op::Lt, value)?,
            "$lte" => self.ordered(kind, Op::Le, value)?,
            "$in" => self.list(kind, value)?,
            "$nin" => return Ok(Node::Not(Box::new(node(self.list(kind, value)?)))),
            "$exists" => match value {
                Json::Bool(true) => Test::NotNull,
                Json::Bool(false) => Test::Null,
                _ => return Err(self.wrong("there should be true or false")),
            },
            "$contains" => Test::ContainsText(self.text(kind, value)?),
            "$startsWith" => Test::StartsWith(self.text(kind, value)?),
            other => return Err(self.unknown("there is no such operator here", other, TESTING)),
        };
        Ok(node(test))
    }

    fn ordered(&mut self, kind: &ColumnKind, op: Op, value: &Json) -> Result<Test<Value>, Problem> {
        if *kind == ColumnKind::Bool {
            return Err(self.wrong("the operator does not go with true and false"));
        }
        Ok(Test::Compare(op, self.value(kind, value)?))
    }

    fn list(&mut self, kind: &ColumnKind, value: &Json) -> Result<Test<Value>, Problem> {
        let Json::Array(items) = value else { return Err(self.wrong("there should be a list of values")) };
        if items.len() > LIST {
            return Err(self.wrong("more than 1000 values in a list"));
        }
        let or_null = items.iter().any(Json::is_null);
        let found = items.iter().filter(|item| !item.is_null()).map(|item| self.value(kind, item));
        Ok(Test::In { list: found.collect::<Result<_, _>>()?, kind: self.value_kind(kind)?, or_null })
    }

    fn text(&mut self, kind: &ColumnKind, value: &Json) -> Result<Value, Problem> {
        if *kind != ColumnKind::Text {
            return Err(self.wrong("the operator goes with texts only"));
        }
        self.value(kind, value)
    }

    fn value_kind(&self, kind: &ColumnKind) -> Result<ValueKind, Problem> {
        match kind {
            ColumnKind::Bool => Ok(ValueKind::Bool),
            ColumnKind::Integer => Ok(ValueKind::Integer),
            ColumnKind::Float => Ok(ValueKind::Float),
            ColumnKind::Text => Ok(ValueKind::Text),
            ColumnKind::Uuid => Ok(ValueKind::Uuid),
            ColumnKind::Time => Ok(ValueKind::Time),
            ColumnKind::Other(name) => {
                Err(self.wrong(&format!("a column of type {name} can only be NULL or not")))
            }
        }
    }

    fn value(&mut self, column: &ColumnKind, value: &Json) -> Result<Value, Problem> {
        let kind = self.value_kind(column)?;
        if let Json::Object(members) = value {
            return self.subject(kind, members);
        }
        let literal = match (kind, value) {
            (ValueKind::Bool, Json::Bool(flag)) => Some(Literal::Bool(*flag)),
            (ValueKind::Integer, Json::Number(number)) => number.as_i64().map(Literal::Integer),
            (ValueKind::Float, Json::Number(number)) => number.as_f64().map(Literal::Float),
            (ValueKind::Text, Json::String(text)) if is_text(text) && text.len() <= TEXT_BYTES => {
                Some(Literal::Text(text.clone()))
            }
            (ValueKind::Uuid, Json::String(text)) => Uuid::try_parse(text).ok().map(Literal::Uuid),
            (ValueKind::Time, Json::String(text)) => {
                let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
                time.filter(|time| is_time(*time)).map(Literal::Time)
            }
            _ => None,
        };
        literal.map(Value::Literal).ok_or_else(|| {
            self.wrong(match kind {
                ValueKind::Bool => "the column holds true or false",
                ValueKind::Integer => "the column holds integers",
                ValueKind::Float => "the column holds numbers",
                ValueKind::Text => "the column holds texts; one has 4096 bytes at most, and no NUL",
                ValueKind::Uuid => "the column holds UUIDs",
                ValueKind::Time => {
                    "the column holds times; they are as in RFC 3339, to the microsecond, from the year 1 on"
                }
            })
        })
    }

    /// `{"$subject": "attribute"}`
    fn subject(&mut self, kind: ValueKind, members: &Map<String, Json>) -> Result<Value, Problem> {
        let (Some(Json::String(name)), 1) = (members.get(SUBJECT), members.len()) else {
            return Err(self.wrong(r#"there should be a value, or {"$subject": "attribute"}"#));
        };
        let attribute = AttributeName::parse(name)
            .map_err(|_| self.wrong("an attribute has 1 to 40 of a-z, 0-9 and _, and no digit first"))?;
        if matches!(kind, ValueKind::Float | ValueKind::Time) {
            return Err(self.wrong("an attribute is a text, an integer, a UUID, or true or false"));
        }
        let named = (attribute.clone(), kind);
        if !self.attributes.contains(&named) {
            self.attributes.push(named);
        }
        Ok(Value::Subject(attribute, kind))
    }

    fn inside<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        if self.at.len() > DEPTH {
            return Err(self.wrong("more than 16 levels"));
        }
        self.at.push(key.chars().take(60).collect());
        let outcome = read(self);
        self.at.pop();
        outcome
    }

    fn count(&mut self) -> Result<(), Problem> {
        self.count += 1;
        if self.count > COMPARISONS { Err(self.wrong("more than 256 comparisons")) } else { Ok(()) }
    }

    fn wrong(&self, reason: &str) -> Problem {
        Problem::Rows { at: self.place(), reason: reason.to_owned(), nearest: Nearest::default() }
    }

    fn unknown<'k>(&self, reason: &str, name: &str, known: impl IntoIterator<Item = &'k str>) -> Problem {
        Problem::Rows { at: self.place(), reason: reason.to_owned(), nearest: Nearest::of(name, known) }
    }

    fn place(&self) -> String {
        if self.at.is_empty() { "the filter".to_owned() } else { self.at.join(".").replace(".[", "[") }
    }
}
