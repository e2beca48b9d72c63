//! What the database has that rules may be about: tables, views, functions.

mod read;

/// The types of a function `p` as GRANT takes them, whatever the search path: those of PostgreSQL by their usual names, others
/// with their schema.
macro_rules! function_types {
    () => {
        "coalesce((SELECT string_agg(
             CASE WHEN tn.nspname = 'pg_catalog' THEN pg_catalog.format_type(t.oid, NULL)
                  ELSE quote_ident(tn.nspname) || '.' || quote_ident(t.typname) END, ', ' ORDER BY a.place)
           FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)
           JOIN pg_catalog.pg_type AS t ON t.oid = a.type
           JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.typnamespace), '')"
    };
}
pub(crate) use function_types;

use crate::access::{Problem, TableName, built_in::BuiltIn, name::name_fault};
use std::collections::{BTreeMap, BTreeSet};

/// What the database has that rules may be about.
///
/// It is a picture of one moment: read it anew after the schema has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    pub(crate) default_schema: String,
    pub(crate) schemas: BTreeSet<String>,
    pub(crate) relations: BTreeMap<TableName, Relation>,
    pub(crate) functions: BTreeMap<String, Function>,
    /// The names of PostgreSQL's own functions.
    pub(crate) built_in: BTreeMap<String, BuiltIn>,
}

/// A table or view.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    pub(crate) kind: RelationKind,
    pub(crate) columns: BTreeMap<String, ColumnKind>,
    /// Sequences that new rows take numbers from, as `schema.name`.
    pub(crate) sequences: BTreeSet<TableName>,
    pub(crate) is_partition: bool,
    /// What a view with its caller's rights reads.
    pub(crate) reads: BTreeMap<TableName, BTreeSet<String>>,
}

/// What kind of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelationKind {
    /// A table, partitioned or not.
    Table,
    /// A view that reads with the rights of its owner.
    View,
    /// A view that reads with the rights of its caller (`security_invoker`, PostgreSQL 15).
    InvokerView,
    /// A materialised view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
}

impl RelationKind {
    /// As errors call it.
    pub(crate) const fn named(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View | Self::InvokerView => "view",
            Self::MaterializedView => "materialised view",
            Self::ForeignTable => "foreign table",
        }
    }
}

/// What a column holds, as far as conditions of rows can be about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnKind {
    /// `boolean`
    Bool,
    /// `smallint`, `integer` or `bigint`
    Integer,
    /// `double precision`
    Float,
    /// `text` or `character varying`
    Text,
    /// `uuid`
    Uuid,
    /// `timestamp with time zone`
    Time,
    /// Another type, by its name; it can only be NULL or not.
    Other(String),
}

impl ColumnKind {
    /// The kind of a type, as `format_type` writes it.
    pub(crate) fn of(type_name: &str) -> Self {
        match type_name.split('(').next().unwrap_or_default() {
            "boolean" => Self::Bool,
            "smallint" | "integer" | "bigint" => Self::Integer,
            "double precision" => Self::Float,
            "text" | "character varying" => Self::Text,
            "uuid" => Self::Uuid,
            _ if type_name == "timestamp with time zone" => Self::Time,
            _ => Self::Other(type_name.to_owned()),
        }
    }
}

/// A function, procedure or aggregate outside PostgreSQL's own schemas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Function {
    /// `schema.name`
    pub(crate) name: TableName,
    /// Its types, as `integer, text`.
    pub(crate) types: String,
}

impl Function {
    /// `"schema"."name"(types)`
    pub(crate) fn sql(&self) -> String {
        format!("{}({})", self.name.sql(), self.types)
    }

    /// `schema.name(types)`
    pub(crate) fn signature(&self) -> String {
        format!("{}({})", self.name, self.types)
    }
}

impl Catalogue {
    /// A database without anything; names without a schema are of the given one, which is `public` in most.
    #[must_use]
    pub fn new(default_schema: &str) -> Self {
        Self {
            default_schema: default_schema.to_owned(),
            schemas: BTreeSet::new(),
            relations: BTreeMap::new(),
            functions: BTreeMap::new(),
            built_in: BTreeMap::new(),
        }
    }

    /// Adds a table, or a view that reads with its owner's rights, with its columns and what they hold.
    ///
    /// # Errors
    /// [`Problem::Name`] for a name that PostgreSQL cannot have, or with a dot.
    pub fn with(
        mut self,
        name: &str,
        kind: RelationKind,
        columns: &[(&str, ColumnKind)],
    ) -> Result<Self, Problem> {
        let name = TableName::parse(name, &self.default_schema)?;
        let columns = columns.iter().map(|(column, kind)| ((*column).to_owned(), kind.clone())).collect();
        let relation = Relation {
            kind,
            columns,
            sequences: BTreeSet::new(),
            is_partition: false,
            reads: BTreeMap::new(),
        };
        self.add(name, relation);
        Ok(self)
    }

    /// Adds a function, with its types as PostgreSQL writes them: `integer, text`.
    ///
    /// # Errors
    /// [`Problem::Name`] for a name or types that PostgreSQL cannot have.
    pub fn with_function(mut self, name: &str, types: &str) -> Result<Self, Problem> {
        let name = TableName::parse(name, &self.default_schema)?;
        self.add_function(name, types)?;
        Ok(self)
    }

    pub(crate) fn add(&mut self, name: TableName, relation: Relation) {
        self.schemas.insert(name.schema().to_owned());
        self.relations.insert(name, relation);
    }

    /// Types stand in GRANT as they are, so they may only have what names of types have.
    pub(crate) fn add_function(&mut self, name: TableName, types: &str) -> Result<(), Problem> {
        let is_fit = |char: char| char.is_alphanumeric() || " _,.\"[]()".contains(char);
        if !types.chars().all(is_fit) || types.matches('"').count() % 2 == 1 || !is_closed(types) {
            return Err(Problem::Name { name: types.to_owned(), reason: "it is no list of types" });
        }
        self.schemas.insert(name.schema().to_owned());
        let function = Function { name, types: types.to_owned() };
        self.functions.insert(function.signature(), function);
        Ok(())
    }

    /// The table that a name means.
    pub(crate) fn find(&self, name: &str) -> Option<(&TableName, &Relation)> {
        let name = TableName::parse(name, &self.default_schema).ok()?;
        self.relations.get_key_value(&name)
    }

    /// The functions that a name without types means.
    pub(crate) fn functions_named(&self, name: &str) -> impl Iterator<Item = &Function> {
        let name = TableName::parse(name, &self.default_schema).ok();
        self.functions.values().filter(move |function| Some(&function.name) == name.as_ref())
    }

    /// Whether a column's name can stand in a condition.
    pub(crate) fn can_be_named(column: &str) -> bool {
        name_fault(column).is_none() && !column.contains('"')
    }
}

/// Whether each parenthesis is closed after it was opened.
fn is_closed(types: &str) -> bool {
    let mut depth = 0_i32;
    for char in types.chars() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}
