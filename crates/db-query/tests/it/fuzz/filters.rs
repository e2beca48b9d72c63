//! Filters as clients send them: JSON with every operator, nested, with hostile keys and strings.
//!
//! What the parser refuses is harmless; what it takes must have the text of the same filter with harmless values.

use super::{pieces, source::CANARY};
use db_query::{Field, Filter, FilterLimits, Kind, Table};
use rand::{Rng, rngs::SmallRng};
use serde_json::{Map, Value, json};

/// Its names stand in the text on both sides.
pub(super) const TABLE: Table = Table::new(
    "docs",
    &[
        Field::new("title", Kind::Text),
        Field::new("it's -- a /* note", Kind::Text).nullable(),
        Field::new("n", Kind::Int8).nullable(),
        Field::new("share", Kind::Float8).nullable(),
        Field::new("done", Kind::Bool),
        Field::new("tags", Kind::TextArray),
        Field::new("metadata", Kind::Jsonb),
    ],
);

/// As a request's filter is read.
pub(super) fn parse(json: &Value) -> Option<Filter> {
    Filter::from_value(json, &TABLE, FilterLimits::default()).ok()
}

/// The same filter with another text for each hostile value; paths into jsonb stay, as they are values themselves.
pub(super) fn harmless(json: Value) -> Value {
    match json {
        Value::String(text) if text.ends_with(CANARY) => Value::String("v".to_owned()),
        Value::Array(items) => Value::Array(items.into_iter().map(harmless).collect()),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, harmless(value))).collect(),
        other => other,
    }
}

/// The operators that a filter can have.
const OPERATORS: [&str; 16] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$and",
    "$or",
    "$nor",
    "$not",
    "$exists",
    "$regex",
    "$contains",
    "$startsWith",
];

/// A filter of a few members; every string in it is hostile, and so are most keys.
pub(super) fn hostile_json(rng: &mut SmallRng) -> Value {
    let depth = pieces::below(rng, 4);
    object(rng, depth)
}

/// Columns and joining operators, most of them with what they take.
fn object(rng: &mut SmallRng, depth: u32) -> Value {
    let mut members = Map::new();
    for _ in 0..=pieces::below(rng, 2) {
        let (key, value) = match pieces::below(rng, 16) {
            0 => (pieces::text(rng).to_owned(), scalar(rng)),
            1 => (format!("${}", pieces::text(rng)), scalar(rng)),
            2..=6 if depth > 0 => joined(rng, depth - 1),
            7..=9 => {
                let path = pieces::text(rng).replace('.', "");
                (format!("metadata.{path}{CANARY}"), tests(rng, depth))
            }
            _ => {
                let field = TABLE.fields()[pieces::below(rng, 7) as usize];
                (field.name().to_owned(), tests(rng, depth))
            }
        };
        members.insert(key, value);
    }
    Value::Object(members)
}

fn joined(rng: &mut SmallRng, depth: u32) -> (String, Value) {
    let operator = ["$and", "$or", "$nor", "$not"][pieces::below(rng, 4) as usize];
    if operator == "$not" {
        return (operator.to_owned(), object(rng, depth));
    }
    let items = (0..=pieces::below(rng, 2)).map(|_| object(rng, depth)).collect();
    (operator.to_owned(), Value::Array(items))
}

/// A value, or operators with theirs.
fn tests(rng: &mut SmallRng, depth: u32) -> Value {
    if pieces::below(rng, 3) == 0 {
        return scalar(rng);
    }
    let operator = OPERATORS[pieces::below(rng, 16) as usize];
    let value = match operator {
        "$in" | "$nin" => Value::Array((0..pieces::below(rng, 3)).map(|_| scalar(rng)).collect()),
        "$exists" => Value::Bool(rng.random()),
        "$not" if depth > 0 => tests(rng, depth - 1),
        "$contains" => json!({ pieces::text(rng): scalar(rng) }),
        "$regex" | "$startsWith" => text(rng),
        _ => scalar(rng),
    };
    json!({ operator: value })
}

fn text(rng: &mut SmallRng) -> Value {
    Value::String(pieces::text(rng).to_owned() + CANARY)
}

fn scalar(rng: &mut SmallRng) -> Value {
    match pieces::below(rng, 8) {
        0 => Value::Null,
        1 => json!(rng.random::<i64>()),
        2 => json!(rng.random::<f64>()),
        3 => Value::Bool(rng.random()),
        _ => text(rng),
    }
}

#[test]
fn have_every_operator() {
    let mut rng: SmallRng = rand::SeedableRng::seed_from_u64(3);
    let all: String = (0..500).map(|_| hostile_json(&mut rng).to_string()).collect();
    for operator in OPERATORS {
        assert!(all.contains(&format!("\"{operator}\":")), "{operator}");
    }
}
