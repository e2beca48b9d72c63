//! The database as it is when a statement comes to it: the catalogue, and what the statements before have done. Pure.

use super::Catalogue;
use super::catalogue::{Index, Relation, RelationKind, Size};
use super::change::{Change, Constraint, ConstraintKind, NewIndex, NewTable, Presence, Write};
use super::name::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Whether what is not in the state is not in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// The state began with the catalogue, and nothing has happened since that a linter cannot read.
    Whole,
    Partial,
}

/// What a session alone sees, and before anything else.
pub(crate) const TEMPORARY: &str = "pg_temp";

#[derive(Clone, Debug)]
pub(crate) struct State {
    relations: BTreeMap<Name, Relation>,
    enums: BTreeMap<Name, Vec<String>>,
    schemas: BTreeSet<String>,
    search_path: Vec<String>,
    initial_path: Vec<String>,
    pub(crate) knowledge: Knowledge,
}

impl State {
    /// Of a database of which nothing is known.
    pub(crate) fn unknown(search_path: Option<&[String]>) -> Self {
        let search_path = search_path.map_or_else(|| vec!["public".to_owned()], <[String]>::to_vec);
        Self {
            relations: BTreeMap::new(),
            enums: BTreeMap::new(),
            schemas: BTreeSet::new(),
            initial_path: search_path.clone(),
            search_path,
            knowledge: Knowledge::Partial,
        }
    }

    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        Self {
            relations: catalogue.relations.clone(),
            enums: catalogue.enums.clone(),
            schemas: catalogue.schemas.clone(),
            search_path: catalogue.search_path.clone(),
            initial_path: catalogue.search_path.clone(),
            knowledge: Knowledge::Whole,
        }
    }

    /// The relation's full name, where it is known.
    pub(crate) fn resolve(&self, name: &Name) -> Option<Name> {
        if name.schema.is_some() {
            return self.relations.contains_key(name).then(|| name.clone());
        }
        let schemas = [TEMPORARY].into_iter().chain(self.search_path.iter().map(String::as_str));
        schemas.map(|schema| name.within(schema)).find(|full| self.relations.contains_key(full))
    }

    pub(crate) fn relation(&self, name: &Name) -> Option<&Relation> {
        self.relations.get(&self.resolve(name)?)
    }

    /// Its full name, or else the one it is given.
    pub(crate) fn called(&self, name: &Name) -> Name {
        self.resolve(name).unwrap_or_else(|| self.placed(name))
    }

    /// Where a relation of this name is made.
    pub(crate) fn placed(&self, name: &Name) -> Name {
        self.search_path.first().map_or_else(|| name.clone(), |schema| name.within(schema))
    }

    pub(crate) fn size(&self, name: &Name) -> Size {
        match self.relation(name) {
            Some(relation) => relation.size,
            // Where all is known, it is not there, and no rule about its size has anything to say.
            None if self.knowledge == Knowledge::Whole => Size::New,
            None => Size::Unknown,
        }
    }

    /// The index, and its table.
    pub(crate) fn index(&self, name: &Name) -> Option<(&Name, &Index)> {
        let schemas = name.schema.as_ref().map_or(self.search_path.as_slice(), std::slice::from_ref);
        schemas.iter().find_map(|schema| {
            let mut here = self.relations.iter().filter(|(table, _)| table.schema.as_ref() == Some(schema));
            here.find_map(|(table, relation)| Some((table, relation.index(&name.name)?)))
        })
    }

    /// Whether the values of an enum are known, and which they are.
    pub(crate) fn enumeration(&self, name: &Name) -> Option<&[String]> {
        let found = match name.schema {
            Some(_) => self.enums.get(name),
            None => self.search_path.iter().find_map(|schema| self.enums.get(&name.within(schema))),
        };
        found.map(Vec::as_slice)
    }

    /// Whether what is not in it is not in the database.
    pub(crate) fn is_whole(&self) -> bool {
        self.knowledge == Knowledge::Whole
    }

    pub(crate) fn relations(&self) -> impl Iterator<Item = (&Name, &Relation)> {
        self.relations.iter()
    }

    /// Whether it is certain that there is no such relation.
    pub(crate) fn lacks(&self, name: &Name) -> bool {
        // Schemas of the server's own are not in the catalogue.
        let known = name.schema.as_ref().is_none_or(|schema| self.schemas.contains(schema));
        self.knowledge == Knowledge::Whole && known && self.resolve(name).is_none()
    }

    /// A migration is over: what it set for its session is gone, and what it filled is of a size that nobody knows.
    pub(crate) fn end_migration(&mut self) {
        self.search_path.clone_from(&self.initial_path);
        for relation in
            self.relations.values_mut().filter(|relation| relation.filled && relation.size == Size::New)
        {
            relation.size = Size::Unknown;
        }
    }

    /// What there is has been deployed before: it is in use, and of the size that the catalogue tells.
    pub(crate) fn settle(&mut self, catalogue: Option<&Catalogue>) {
        for (name, relation) in &mut self.relations {
            let known = catalogue.and_then(|catalogue| catalogue.relations.get(name));
            relation.size = known.map_or(Size::Unknown, |known| known.size);
        }
    }

    /// Does what a statement does.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::CreateTable(table) => self.create_table(table),
            Change::CreateView { view } => {
                let name = self.placed(view);
                self.relations.entry(name).or_insert_with(|| Relation::new(RelationKind::View, Size::New));
            }
            Change::DropTable { table, .. } | Change::DropView { view: table, .. } => {
                self.resolve(table).and_then(|name| self.relations.remove(&name));
            }
            Change::RenameTable { table, to } => self.rename(table, |name| name.renamed(to)),
            Change::MoveTable { table, schema } => self.rename(table, |name| Name::new(schema, &name.name)),
            Change::CreateIndex(index) => self.create_index(index),
            Change::DropIndex { index, .. } => self.change_index(index, |indexes, name| {
                indexes.retain(|index| index.name != name);
            }),
            Change::RenameIndex { index, to } => self.change_index(index, |indexes, name| {
                indexes
                    .iter_mut()
                    .filter(|index| index.name == name)
                    .for_each(|index| index.name.clone_from(to));
            }),
            Change::Reindex { target: super::change::ReindexTarget::Index(index), .. } => {
                self.change_index(index, |indexes, name| {
                    indexes
                        .iter_mut()
                        .filter(|index| index.name == name)
                        .for_each(|index| index.valid = true);
                });
            }
            Change::CreateEnum { name, values } => {
                let name = self.placed(name);
                self.enums.insert(name, values.clone());
            }
            Change::Write { table, what: Write::Insert, from } => {
                let filled = !from.is_empty();
                self.edit(table, |relation| relation.filled |= filled);
            }
            Change::DropSchema { schema, .. } => {
                self.relations.retain(|name, _| name.schema.as_ref() != Some(schema));
                self.schemas.remove(schema);
            }
            Change::SearchPath(schemas) => self.search_path.clone_from(schemas),
            Change::Anything | Change::Opaque(_) | Change::DropOwned | Change::DropKind { .. } => {
                self.knowledge = Knowledge::Partial;
            }
            other => self.alter(other),
        }
    }

    fn alter(&mut self, change: &Change) {
        let Some(table) = change.table().cloned() else { return };
        if let Change::AttachPartition { partition, .. } = change {
            let parent = self.called(&table);
            self.edit(partition, |relation| relation.partition_of = Some(parent));
            return;
        }
        let to = match change {
            Change::AddConstraint { constraint, .. } => Some(self.full(constraint, &table)),
            _ => None,
        };
        self.edit(&table, |relation| super::alter::alter(relation, change, to));
    }

    fn edit(&mut self, name: &Name, edit: impl FnOnce(&mut Relation)) {
        if let Some(relation) = self.resolve(name).and_then(|name| self.relations.get_mut(&name)) {
            edit(relation);
        }
    }

    fn rename(&mut self, from: &Name, to: impl FnOnce(&Name) -> Name) {
        if let Some(name) = self.resolve(from)
            && let Some(relation) = self.relations.remove(&name)
        {
            self.relations.insert(to(&name), relation);
        }
    }

    fn create_table(&mut self, table: &NewTable) {
        let name = self.placed(&table.name);
        if table.presence == Presence::Lenient && self.relations.contains_key(&name) {
            return;
        }
        let kind = if table.partitioned { RelationKind::Partitioned } else { RelationKind::Table };
        let mut relation = Relation::new(kind, Size::New);
        relation.columns.clone_from(&table.columns);
        relation.complete = table.complete;
        relation.filled = table.filled;
        relation.partition_of = table.partition_of.as_ref().map(|parent| self.called(parent));
        for constraint in &table.constraints {
            let constraint = self.full(constraint, &table.name);
            super::alter::constrain(&mut relation, constraint);
        }
        self.relations.insert(name, relation);
    }

    fn create_index(&mut self, index: &NewIndex) {
        let made = Index {
            name: index.name.clone().unwrap_or_else(|| super::alter::index_name(index)),
            columns: index.columns.clone(),
            unique: index.unique,
            valid: true,
            method: index.method.clone(),
            cover: index.cover,
        };
        self.edit(&index.table, |relation| {
            if relation.index(&made.name).is_none() {
                relation.indexes.push(made);
            }
        });
    }

    fn change_index(&mut self, index: &Name, change: impl FnOnce(&mut Vec<Index>, &str)) {
        let Some(table) = self.index(index).map(|(table, _)| table.clone()) else { return };
        self.edit(&table, |relation| change(&mut relation.indexes, &index.name));
    }

    /// The constraint with its name, and with the full name of what it refers to.
    fn full(&self, constraint: &Constraint, table: &Name) -> Constraint {
        let mut full = constraint.clone();
        if let ConstraintKind::ForeignKey { to } = &mut full.kind {
            *to = self.called(to);
        }
        let name = full.name.take().unwrap_or_else(|| super::alter::constraint_name(constraint, &table.name));
        Constraint { name: Some(name), ..full }
    }
}
