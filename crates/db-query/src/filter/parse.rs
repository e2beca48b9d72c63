//! From JSON to a filter: every name is looked up, every value typed, every limit kept.

use super::{
    FilterError, FilterLimits,
    node::{Comparison, Node, Place, Test},
    scalar::{List, NoValue, Scalar, named, scalar},
};
use crate::{Field, Kind, Nearest, Table, catalogue::nearest};
use serde_json::{Map, Value};

/// Operators that join filters.
const JOINING: [&str; 4] = ["$and", "$or", "$nor", "$not"];

/// Operators that test a column.
const TESTING: [&str; 13] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$regex",
    "$contains",
    "$startsWith",
    "$not",
];

pub(super) struct Parser<'t> {
    table: &'t Table,
    limits: FilterLimits,
    comparisons: usize,
    value_bytes: std::cell::Cell<usize>,
    /// The keys and positions that lead to what is being read.
    at: Vec<String>,
}

impl<'t> Parser<'t> {
    pub(super) fn new(table: &'t Table, limits: FilterLimits) -> Self {
        Self { table, limits, comparisons: 0, value_bytes: std::cell::Cell::new(0), at: Vec::new() }
    }

    /// An object of columns and joining operators.
    pub(super) fn filter(&mut self, value: &Value) -> Result<Node, FilterError> {
        let Value::Object(members) = value else {
            return Err(self.shape("an object of columns and operators", value));
        };
        // Also one that says nothing takes room in the statement.
        self.count()?;
        let mut nodes = Vec::with_capacity(members.len());
        for (key, value) in members {
            nodes.push(self.inside(key, |parser| parser.member(key, value))?);
        }
        Ok(Node::All(nodes))
    }

    fn member(&mut self, key: &str, value: &Value) -> Result<Node, FilterError> {
        match key {
            "$and" => Ok(Node::All(self.filters(value)?)),
            "$or" => Ok(Node::Any(self.filters(value)?)),
            "$nor" => Ok(Node::Not(Box::new(Node::Any(self.filters(value)?)))),
            "$not" => Ok(Node::Not(Box::new(self.filter(value)?))),
            _ if key.starts_with('$') => Err(self.unknown(key, &JOINING)),
            _ => self.column(key, value),
        }
    }

    fn filters(&mut self, value: &Value) -> Result<Vec<Node>, FilterError> {
        let Value::Array(items) = value else { return Err(self.shape("a list of filters", value)) };
        if items.is_empty() {
            return Err(self.shape("a filter at least", value));
        }
        let mut nodes = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            nodes.push(self.inside(&format!("[{position}]"), |parser| parser.filter(item))?);
        }
        Ok(nodes)
    }

    /// `"column": value`, or `"column": {operators}`.
    fn column(&mut self, key: &str, value: &Value) -> Result<Node, FilterError> {
        let mut parts = key.split('.');
        let name = parts.next().unwrap_or_default();
        let field = self
            .table
            .field(name)
            .map_err(|source| FilterError::Column { at: self.place(), source: Box::new(source) })?;
        let path: Vec<String> = parts.map(str::to_owned).collect();
        if !path.is_empty() && field.kind() != Kind::Jsonb {
            return Err(FilterError::NoPath { at: self.place(), column: field.name() });
        }
        if path.len() > self.limits.depth {
            return Err(self.too_much(self.limits.depth, "keys in a path"));
        }
        if path.iter().any(|part| part.is_empty() || part.contains('\0')) {
            return Err(self.shape("a path without empty keys", &Value::String(key.to_owned())));
        }
        let place = Place { column: field.name(), path };
        match value {
            Value::Object(operators) if operators.keys().any(|key| key.starts_with('$')) => {
                self.tests(field, &place, operators)
            }
            value => self.test(field, &place, "$eq", value),
        }
    }

    /// Several operators on one column: all must hold.
    fn tests(
        &mut self,
        field: &'static Field,
        place: &Place,
        operators: &Map<String, Value>,
    ) -> Result<Node, FilterError> {
        if operators.is_empty() {
            return Err(self.shape("an operator at least", &Value::Object(operators.clone())));
        }
        let mut nodes = Vec::with_capacity(operators.len());
        for (operator, value) in operators {
            if operator == "$options" && operators.contains_key("$regex") {
                continue;
            }
            let node = self.inside(operator, |parser| match operator.as_str() {
                "$regex" => parser.regex(field, place, value, operators.get("$options")),
                operator => parser.test(field, place, operator, value),
            })?;
            nodes.push(node);
        }
        Ok(Node::All(nodes))
    }

    fn test(
        &mut self,
        field: &'static Field,
        place: &Place,
        operator: &str,
        value: &Value,
    ) -> Result<Node, FilterError> {
        if operator == "$not" {
            let Value::Object(operators) = value else {
                return Err(self.shape("an object of operators", value));
            };
            return Ok(Node::Not(Box::new(self.tests(field, place, operators)?)));
        }
        self.count()?;
        let is_json = field.kind() == Kind::Jsonb;
        let negated = |test| Node::Not(Box::new(Node::Test { place: place.clone(), test }));
        let test = match operator {
            "$eq" if value.is_null() && is_json => Test::JsonNull,
            "$eq" if value.is_null() => Test::Null,
            "$eq" => Test::Compare(Comparison::Equal, self.scalar(field, value)?),
            "$ne" if value.is_null() && is_json => return Ok(negated(Test::JsonNull)),
            "$ne" if value.is_null() => Test::NotNull,
            "$ne" => Test::NotEqual(self.scalar(field, value)?),
            "$gt" => self.ordered(field, Comparison::Greater, "$gt", value)?,
            "$gte" => self.ordered(field, Comparison::GreaterOrEqual, "$gte", value)?,
            "$lt" => self.ordered(field, Comparison::Less, "$lt", value)?,
            "$lte" => self.ordered(field, Comparison::LessOrEqual, "$lte", value)?,
            "$in" => self.list(field, value)?,
            "$nin" => return Ok(negated(self.list(field, value)?)),
            "$exists" => match value {
                Value::Bool(true) => Test::NotNull,
                Value::Bool(false) => Test::Null,
                other => return Err(self.shape("true or false", other)),
            },
            "$contains" => self.contains(field, place, value)?,
            "$startsWith" => Test::StartsWith(self.text(field, place, "$startsWith", value)?),
            other => return Err(self.unknown(other, &TESTING)),
        };
        Ok(Node::Test { place: place.clone(), test })
    }

    fn ordered(
        &self,
        field: &'static Field,
        comparison: Comparison,
        operator: &'static str,
        value: &Value,
    ) -> Result<Test, FilterError> {
        match field.kind() {
            Kind::Jsonb => {
                let type_name = match value {
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    _ => return Err(self.shape("a number or a text", value)),
                };
                Ok(Test::CompareJson(comparison, self.scalar(field, value)?, type_name))
            }
            // The order of a few texts is the alphabet's, not that of their meaning.
            Kind::OneOf(_)
            | Kind::Bool
            | Kind::TextArray
            | Kind::UuidArray
            | Kind::Int2Array
            | Kind::Tsvector
            | Kind::Interval
            | Kind::Bytea => Err(self.wrong_operator(field, operator)),
            _ => Ok(Test::Compare(comparison, self.scalar(field, value)?)),
        }
    }

    fn list(&self, field: &'static Field, value: &Value) -> Result<Test, FilterError> {
        let Value::Array(items) = value else { return Err(self.shape("a list of values", value)) };
        if items.len() > self.limits.list {
            return Err(self.too_much(self.limits.list, "values in a list"));
        }
        let is_json = field.kind() == Kind::Jsonb;
        let or_null = items.iter().any(Value::is_null);
        let scalars = items
            .iter()
            .filter(|item| is_json || !item.is_null())
            .map(|item| self.scalar(field, item))
            .collect::<Result<_, _>>()?;
        Ok(Test::In { list: List::new(field.kind(), scalars), or_null })
    }

    fn contains(&self, field: &'static Field, place: &Place, value: &Value) -> Result<Test, FilterError> {
        match field.kind() {
            Kind::Text | Kind::OneOf(_) => {
                Ok(Test::ContainsText(self.text(field, place, "$contains", value)?))
            }
            Kind::Jsonb => Ok(Test::ContainsJson(self.scalar(field, value)?)),
            kind @ (Kind::TextArray | Kind::UuidArray | Kind::Int2Array) => {
                let of = match kind {
                    Kind::TextArray => Kind::Text,
                    Kind::UuidArray => Kind::Uuid,
                    _ => Kind::Int2,
                };
                let items = if let Value::Array(items) = value {
                    items.as_slice()
                } else {
                    std::slice::from_ref(value)
                };
                if items.len() > self.limits.list {
                    return Err(self.too_much(self.limits.list, "values in a list"));
                }
                let scalars =
                    items.iter().map(|item| self.typed(field, of, item)).collect::<Result<_, _>>()?;
                Ok(Test::ContainsElement(List::new(of, scalars)))
            }
            _ => Err(self.wrong_operator(field, "$contains")),
        }
    }

    fn regex(
        &mut self,
        field: &'static Field,
        place: &Place,
        value: &Value,
        options: Option<&Value>,
    ) -> Result<Node, FilterError> {
        self.count()?;
        let any_case = match options {
            None => false,
            Some(Value::String(options)) if options.is_empty() => false,
            Some(Value::String(options)) if options == "i" => true,
            Some(other) => return Err(self.shape("\"i\" as $options", other)),
        };
        let pattern = self.text(field, place, "$regex", value)?;
        if pattern.len() > self.limits.regex_bytes {
            return Err(self.too_much(self.limits.regex_bytes, "bytes in a regular expression"));
        }
        if let Some(reason) = super::regex::fault(&pattern) {
            return Err(FilterError::Regex { at: self.place(), pattern, reason });
        }
        Ok(Node::Test { place: place.clone(), test: Test::Regex { pattern, any_case } })
    }

    /// A text for an operator that goes with texts only, or with what stands at a path.
    fn text(
        &self,
        field: &'static Field,
        place: &Place,
        operator: &'static str,
        value: &Value,
    ) -> Result<String, FilterError> {
        let is_text = matches!(field.kind(), Kind::Text | Kind::OneOf(_));
        if !is_text && (field.kind() != Kind::Jsonb || place.path.is_empty()) {
            return Err(self.wrong_operator(field, operator));
        }
        match self.typed(field, Kind::Text, value)? {
            Scalar::Text(text) => Ok(text),
            _ => Err(self.shape("a text", value)),
        }
    }

    fn scalar(&self, field: &'static Field, value: &Value) -> Result<Scalar, FilterError> {
        self.typed(field, field.kind(), value)
    }

    fn typed(&self, field: &'static Field, kind: Kind, value: &Value) -> Result<Scalar, FilterError> {
        if longest_text(value) > self.limits.text_bytes {
            return Err(self.too_much(self.limits.text_bytes, "bytes in a text"));
        }
        let bytes = self.value_bytes.get() + value.to_string().len();
        self.value_bytes.set(bytes);
        if bytes > self.limits.value_bytes {
            return Err(self.too_much(self.limits.value_bytes, "bytes in all values"));
        }
        if depth_of(value) > self.limits.depth {
            return Err(self.too_much(self.limits.depth, "levels in a value"));
        }
        scalar(kind, value).map_err(|NoValue(nearest)| FilterError::Value {
            at: self.place(),
            value: shown(value),
            column: field.name(),
            kind: named(field.kind()),
            nearest,
        })
    }

    fn inside<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        if self.at.len() > self.limits.depth * 2 {
            return Err(self.too_much(self.limits.depth, "levels"));
        }
        self.at.push(shown_text(key));
        let outcome = read(self);
        self.at.pop();
        outcome
    }

    fn count(&mut self) -> Result<(), FilterError> {
        self.comparisons += 1;
        if self.comparisons > self.limits.comparisons {
            return Err(self.too_much(self.limits.comparisons, "comparisons"));
        }
        Ok(())
    }

    fn place(&self) -> String {
        if self.at.is_empty() {
            return "the filter".to_owned();
        }
        self.at.join(".").replace(".[", "[")
    }

    fn shape(&self, expected: &'static str, found: &Value) -> FilterError {
        FilterError::Shape { at: self.place(), expected, found: shown(found) }
    }

    fn unknown(&self, operator: &str, known: &[&str]) -> FilterError {
        let nearest: Nearest = nearest(operator, known.iter().copied());
        FilterError::UnknownOperator { at: self.place(), operator: shown_text(operator), nearest }
    }

    fn wrong_operator(&self, field: &'static Field, operator: &'static str) -> FilterError {
        FilterError::OperatorForKind {
            at: self.place(),
            operator,
            column: field.name(),
            kind: named(field.kind()),
        }
    }

    fn too_much(&self, max: usize, what: &'static str) -> FilterError {
        FilterError::TooMuch { at: self.place(), max, what }
    }
}

fn longest_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(longest_text).max().unwrap_or(0),
        Value::Object(members) => {
            members.iter().map(|(key, value)| key.len().max(longest_text(value))).max().unwrap_or(0)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// A value as an error shows it.
fn shown(value: &Value) -> String {
    shown_text(&value.to_string())
}

fn shown_text(text: &str) -> String {
    const LENGTH: usize = 60;
    if text.chars().count() <= LENGTH {
        text.to_owned()
    } else {
        text.chars().take(LENGTH).chain(['…']).collect()
    }
}
