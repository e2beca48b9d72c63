//! Conditions of rows as db-query takes them, for one subject.

use super::{Node, Test, ValueKind};
use crate::access::{Rows, literal::Literal};
use db_query::{
    Column, Condition, Expr, Op, Operand, RowFilter, Writer, all_of, any_of, col, constant, func, holds,
    value,
};

/// Which rows of a table a subject may work on, as a condition of db-query; its values are parameters.
///
/// It holds or it does not: where the rules come to NULL it is false.
#[derive(Clone, PartialEq)]
pub struct RowCondition {
    /// One of them holds; none means that it is not asked.
    pub(crate) any: Vec<Node<Literal>>,
    /// Each of them is false, not NULL.
    pub(crate) none: Vec<Node<Literal>>,
    pub(crate) alias: Option<String>,
}

impl RowCondition {
    /// The name that the table goes by in the statement, where that has several.
    #[must_use]
    pub fn alias(self, alias: &str) -> Self {
        Self { alias: Some(alias.to_owned()), ..self }
    }

    /// The condition, to filter by.
    pub fn into_condition(self) -> Condition<Self> {
        holds(self)
    }
}

impl std::fmt::Debug for RowCondition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: they may be the subject's attributes.
        let (any, none) = (self.any.len(), self.none.len());
        f.debug_struct("RowCondition").field("any", &any).field("none", &none).finish_non_exhaustive()
    }
}

impl RowFilter for RowCondition {
    fn of(self, table: &str) -> Self {
        self.alias(table)
    }
}

/// What is left of the rows, as a condition: of none it is false.
impl RowFilter for Rows {
    fn of(self, table: &str) -> Self {
        match self {
            Self::None => Self::None,
            Self::Where(condition) => Self::Where(condition.of(table)),
        }
    }
}

impl Expr for Rows {
    fn write(self, writer: &mut Writer) {
        match self {
            Self::None => constant(false).write(writer),
            Self::Where(condition) => condition.write(writer),
        }
    }
}

impl Expr for RowCondition {
    fn write(self, writer: &mut Writer) {
        let alias = self.alias.as_deref();
        let mut parts = Vec::with_capacity(1 + self.none.len());
        if !self.any.is_empty() {
            let any = self.any.into_iter().map(|node| holds(Part::Node(node, alias))).collect();
            parts.push(holds(Part::Any(any)));
        }
        parts.extend(self.none.into_iter().map(|node| holds(Part::IsFalse(node, alias))));
        if parts.is_empty() {
            return constant(true).write(writer);
        }
        all_of(parts).is_true().write(writer);
    }
}

enum Part<'a> {
    Node(Node<Literal>, Option<&'a str>),
    IsFalse(Node<Literal>, Option<&'a str>),
    Any(Vec<Condition<Part<'a>>>),
}

impl Expr for Part<'_> {
    fn write(self, writer: &mut Writer) {
        match self {
            Self::Node(node, alias) => write(node, alias, writer),
            Self::IsFalse(node, alias) => (!holds(Self::Node(node, alias))).is_true().write(writer),
            Self::Any(parts) => any_of(parts).write(writer),
        }
    }
}

fn write(node: Node<Literal>, alias: Option<&str>, writer: &mut Writer) {
    let parts = |nodes: Vec<Node<Literal>>| nodes.into_iter().map(move |node| holds(Part::Node(node, alias)));
    match node {
        Node::All(nodes) if nodes.is_empty() => constant(true).write(writer),
        Node::Any(nodes) if nodes.is_empty() => constant(true).write(writer),
        Node::All(nodes) => all_of(parts(nodes)).write(writer),
        Node::Any(nodes) => any_of(parts(nodes)).write(writer),
        Node::Not(node) => holds(Part::Node(*node, alias)).is_not_true().write(writer),
        Node::Test { column, test } => {
            let name = alias.map_or_else(|| column.clone(), |alias| format!("{alias}.{column}"));
            write_test(&name, test, writer);
        }
    }
}

fn write_test(name: &str, test: Test<Literal>, writer: &mut Writer) {
    match test {
        Test::Compare(op, literal) => compare(col(name), op, literal, writer),
        Test::NotEqual(literal) => compare(col(name), Op::IsDistinctFrom, literal, writer),
        Test::Null => col(name).is_null().write(writer),
        Test::NotNull => col(name).is_not_null().write(writer),
        Test::In { list, kind, or_null: true } => {
            let of = Test::In { list, kind, or_null: false };
            let found = Node::Test { column: name.to_owned(), test: of };
            holds(Part::Node(found, None)).or(col(name).is_null()).write(writer);
        }
        Test::In { list, kind, or_null: false } => write_list(name, list, kind, writer),
        Test::ContainsText(literal) => {
            func("pg_catalog.strpos", (col(name), value(text_of(literal)))).gt(0_i32).write(writer);
        }
        Test::StartsWith(literal) => compare(col(name), Op::StartsWith, literal, writer),
    }
}

fn compare(column: Operand<Column<'_>>, op: Op, literal: Literal, writer: &mut Writer) {
    match literal {
        Literal::Bool(flag) => column.cmp(op, flag).write(writer),
        Literal::Integer(number) => column.cmp(op, number).write(writer),
        Literal::Float(number) => column.cmp(op, number).write(writer),
        Literal::Text(text) => column.cmp(op, text).write(writer),
        Literal::Uuid(id) => column.cmp(op, id).write(writer),
        Literal::Time(time) => column.cmp(op, time).write(writer),
    }
}

fn text_of(literal: Literal) -> String {
    match literal {
        Literal::Text(text) => text,
        // Reading gives texts only where a text is compared.
        _ => String::new(),
    }
}

fn write_list(name: &str, list: Vec<Literal>, kind: ValueKind, writer: &mut Writer) {
    macro_rules! any {
        ($variant:ident) => {{
            let values = list.into_iter().filter_map(|literal| match literal {
                Literal::$variant(value) => Some(value),
                _ => None,
            });
            col(name).any(values.collect::<Vec<_>>()).write(writer)
        }};
    }
    match kind {
        ValueKind::Bool => any!(Bool),
        ValueKind::Integer => any!(Integer),
        ValueKind::Float => any!(Float),
        ValueKind::Text => any!(Text),
        ValueKind::Uuid => any!(Uuid),
        ValueKind::Time => any!(Time),
    }
}
