//! Rules drawn at random over the tables of the tests.

use chrono::{DateTime, Duration, Utc};
use db_security::access::{AttributeName, Effect, Permission, Resource, Role, Rule, Rules, Subject};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Rules for two roles, of which the second may include the first.
pub(super) fn random(rng: &mut StdRng, roles: &[String; 2], now: DateTime<Utc>) -> Rules {
    let role = |name: &String, includes: Vec<String>| Role {
        name: name.clone(),
        description: "it's a test's".to_owned(),
        includes,
        line: None,
    };
    let includes = if rng.random_bool(0.5) { vec![roles[0].clone()] } else { Vec::new() };
    let count = rng.random_range(2..=6);
    let rules = (0..count).map(|at| rule(rng, at, roles, now)).collect();
    Rules { roles: vec![role(&roles[0], Vec::new()), role(&roles[1], includes)], rules }
}

fn rule(rng: &mut StdRng, at: usize, roles: &[String; 2], now: DateTime<Utc>) -> Rule {
    let resource = match rng.random_range(0..10) {
        0..=4 => Resource::Table("items".to_owned()),
        5 => Resource::Table("public.links".to_owned()),
        6 => Resource::Schema("public".to_owned()),
        7 => Resource::Table("asked".to_owned()),
        8 => Resource::Table("shown".to_owned()),
        _ => Resource::Function("twice(integer)".to_owned()),
    };
    let is_items = resource == Resource::Table("items".to_owned());
    let is_plain = !matches!(&resource, Resource::Table(name) if name == "asked" || name == "shown")
        && !matches!(resource, Resource::Function(_));
    let permissions: BTreeSet<Permission> = match &resource {
        Resource::Function(_) => BTreeSet::from([Permission::Execute]),
        _ if !is_plain => BTreeSet::from([Permission::Read]),
        _ => {
            let all = [Permission::Read, Permission::Read, Permission::Write, Permission::Delete];
            (0..rng.random_range(1..4)).filter_map(|_| all.choose(rng).copied()).collect()
        }
    };
    let has_columns = is_items && !permissions.contains(&Permission::Delete) && rng.random_bool(0.3);
    let effect = if rng.random_bool(0.2) { Effect::Deny } else { Effect::Allow };
    let is_conditional = is_plain && !(has_columns && effect == Effect::Deny);
    let columns = has_columns.then(|| {
        let some =
            ["id", "owner", "team", "open", "due", "note"].into_iter().filter(|_| rng.random_bool(0.6));
        let mut some: BTreeSet<String> = some.map(str::to_owned).collect();
        some.insert("id".to_owned());
        some
    });
    let is_links = resource == Resource::Table("public.links".to_owned());
    let rows = match rng.random_bool(0.6) {
        true if is_items && is_conditional => Some(filter(rng, 0)),
        true if is_links => Some(link_filter(rng)),
        _ => None,
    };
    let mut when = BTreeMap::new();
    if is_conditional && rng.random_bool(0.15) {
        when.insert(AttributeName::parse("dept").expect("a name"), "it's sales".to_owned());
    }
    let time = |rng: &mut StdRng| {
        let days = if rng.random_bool(0.5) { -5 } else { 5 };
        let at = now + Duration::days(days);
        DateTime::from_timestamp_micros(at.timestamp_micros()).expect("a time")
    };
    let valid_from = (is_conditional && rng.random_bool(0.1)).then(|| time(rng));
    let valid_until = (is_conditional && valid_from.is_none() && rng.random_bool(0.1)).then(|| time(rng));
    let roles =
        if rng.random_bool(0.2) { roles.to_vec() } else { vec![roles[rng.random_range(0..2)].clone()] };
    let name = format!("rule-{at}");
    Rule {
        name,
        roles,
        when,
        effect,
        permissions,
        resource,
        columns,
        rows,
        valid_from,
        valid_until,
        line: None,
    }
}

/// A filter of links.
fn link_filter(rng: &mut StdRng) -> Value {
    let filters = [
        json!({ "kind": "a" }),
        json!({ "kind": { "$ne": "a" } }),
        json!({ "item": { "$subject": "team" } }),
        json!({ "item": { "$lt": 5 }, "kind": { "$exists": true } }),
    ];
    filters.choose(rng).expect("one").clone()
}

/// A filter of items.
pub(super) fn filter(rng: &mut StdRng, depth: usize) -> Value {
    if depth < 2 && rng.random_bool(0.35) {
        let (one, other) = (filter(rng, depth + 1), filter(rng, depth + 1));
        return match rng.random_range(0..4) {
            0 => json!({ "$and": [one, other] }),
            1 => json!({ "$or": [one, other] }),
            2 => json!({ "$nor": [one, other] }),
            _ => json!({ "$not": one }),
        };
    }
    let who = json!({ "$subject": "who" });
    let team = json!({ "$subject": "team" });
    let filters = [
        json!({ "owner": who }),
        json!({ "owner": { "$ne": who } }),
        json!({ "owner": { "$in": [who, "cat"] } }),
        json!({ "team": team }),
        json!({ "team": { "$nin": [1, team] } }),
        json!({ "team": { "$gt": team } }),
        json!({ "owner": null }),
        json!({ "owner": { "$ne": "ann" } }),
        json!({ "owner": { "$in": ["ann", null] } }),
        json!({ "owner": { "$in": [] } }),
        json!({ "team": { "$gte": 2, "$lt": 3 } }),
        json!({ "open": true }),
        json!({ "open": { "$ne": true } }),
        json!({ "open": { "$subject": "flag" } }),
        json!({ "due": { "$lt": "2026-06-30T00:00:00.5Z" } }),
        json!({ "due": { "$exists": false } }),
        json!({ "note": { "$startsWith": "a" } }),
        json!({ "note": { "$contains": "'" } }),
        json!({ "note": "back\\slash" }),
        json!({ "id": { "$lte": 5 } }),
        json!({}),
    ];
    filters.choose(rng).expect("one").clone()
}

/// Somebody in one of the roles, with some attributes; a few that are no value of what they are compared with.
pub(super) fn subject(rng: &mut StdRng, roles: &[String; 2]) -> Subject {
    let mut subject = Subject::new(&roles[rng.random_range(0..2)]);
    let attributes: [(&str, &[&str]); 4] = [
        ("who", &["", "ann", "bob", "it's"]),
        ("team", &["1", "2", "-2", "two", "", "99999999999999999999"]),
        ("flag", &["true", "false", "t"]),
        ("dept", &["it's sales", "else", ""]),
    ];
    for (name, values) in attributes {
        if rng.random_bool(0.75) {
            subject = subject.with(name, values.choose(rng).expect("one")).expect("an attribute");
        }
    }
    subject
}
