//! Conditions as text of a policy. Names of columns are quoted, values are literals, and attributes of the subject are asked
//! for once a statement.

use super::{Condition, Node, Test, Value, ValueKind};
use crate::access::{AttributeName, literal::quoted as text, name::quoted};
use db_query::Op;

/// The condition, which also needs each attribute that it names. It is true, false or NULL.
pub(crate) fn condition_sql(condition: &Condition) -> String {
    let mut out = String::new();
    for (attribute, kind) in &condition.attributes {
        out.push_str(&attribute_sql(attribute, *kind));
        out.push_str(" IS NOT NULL AND ");
    }
    out.push('(');
    write(&condition.root, &mut out);
    out.push(')');
    out
}

/// An attribute as a value of a kind, or NULL where it is none: the setting is missing, empty or says something else.
///
/// A scalar subquery without references is planned as an `InitPlan`: it runs once a statement, where `current_setting` would
/// run once a row.
pub(crate) fn attribute_sql(attribute: &AttributeName, kind: ValueKind) -> String {
    let setting = format!("pg_catalog.current_setting({}, true)", text(&attribute.setting()));
    let matching = |pattern: &str, cast: &str| {
        format!("(SELECT CASE WHEN {setting} ~ {} THEN {setting}::pg_catalog.{cast} END)", text(pattern))
    };
    match kind {
        // A setting that was reset is empty, and no longer NULL.
        ValueKind::Text => format!("(SELECT NULLIF({setting}, ''))"),
        ValueKind::Integer => matching("^-?[0-9]{1,18}$", "int8"),
        ValueKind::Bool => matching("^(true|false)$", "bool"),
        ValueKind::Uuid => matching("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", "uuid"),
        // Reading refuses them; nothing is equal to NULL.
        ValueKind::Float => "NULL::pg_catalog.float8".to_owned(),
        ValueKind::Time => "NULL::pg_catalog.timestamptz".to_owned(),
    }
}

fn write(node: &Node<Value>, out: &mut String) {
    match node {
        Node::All(nodes) => write_joined(nodes, " AND ", out),
        Node::Any(nodes) => write_joined(nodes, " OR ", out),
        Node::Not(node) => {
            out.push('(');
            write(node, out);
            out.push_str(") IS NOT TRUE");
        }
        Node::Test { column, test } => write_test(&quoted(column), test, out),
    }
}

fn write_joined(nodes: &[Node<Value>], word: &str, out: &mut String) {
    if nodes.is_empty() {
        return out.push_str("true");
    }
    out.push('(');
    for (position, node) in nodes.iter().enumerate() {
        if position > 0 {
            out.push_str(word);
        }
        write(node, out);
    }
    out.push(')');
}

fn write_test(column: &str, test: &Test<Value>, out: &mut String) {
    let written = match test {
        Test::Compare(op, value) => format!("{column} {} {}", op_sql(*op), value_sql(value)),
        Test::NotEqual(value) => format!("{column} IS DISTINCT FROM {}", value_sql(value)),
        Test::Null => format!("{column} IS NULL"),
        Test::NotNull => format!("{column} IS NOT NULL"),
        Test::In { list, kind, or_null } => {
            let values: Vec<String> = list.iter().map(value_sql).collect();
            let found =
                format!("{column} = ANY (ARRAY[{}]::pg_catalog.{}[])", values.join(", "), type_name(*kind));
            if *or_null { format!("({found} OR {column} IS NULL)") } else { found }
        }
        Test::ContainsText(value) => format!("pg_catalog.strpos({column}, {}) > 0", value_sql(value)),
        Test::StartsWith(value) => format!("{column} ^@ {}", value_sql(value)),
    };
    out.push_str(&written);
}

fn value_sql(value: &Value) -> String {
    match value {
        Value::Literal(literal) => literal.sql(),
        Value::Subject(attribute, kind) => attribute_sql(attribute, *kind),
    }
}

fn type_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Bool => "bool",
        ValueKind::Integer => "int8",
        ValueKind::Float => "float8",
        ValueKind::Text => "text",
        ValueKind::Uuid => "uuid",
        ValueKind::Time => "timestamptz",
    }
}

/// The few operators that reading gives.
fn op_sql(op: Op) -> &'static str {
    match op {
        Op::Gt => ">",
        Op::Ge => ">=",
        Op::Lt => "<",
        Op::Le => "<=",
        _ => "=",
    }
}
