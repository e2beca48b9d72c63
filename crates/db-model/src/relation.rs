//! Rows that belong to other rows, loaded for many at once: the first one asked for brings those of all.
//!
//! ```no_run
//! use db_model::task::{self, TaskFilter};
//!
//! # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), db_model::Error> {
//! let tasks = task::list(conn, &TaskFilter::default()).await?;
//! let mut executions = task::EXECUTIONS.of(&tasks);
//! let mut parents = task::PARENT.of(&tasks);
//! for task in &tasks {
//!     // Two statements in all, however many tasks there are.
//!     let attempts = executions.get(conn, &task.id).await?.len();
//!     let parent = parents.get(conn, task).await?;
//!     println!("{}: {attempts} attempts, part of {:?}", task.title, parent.map(|parent| &parent.title));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What is loaded stays as it was then, and in memory, until the batch is dropped: make the batch of one page, not of a
//! table.

use crate::{
    Answer,
    entity::{Entity, Key, KeyPart, Record},
    repository::visible,
    run::Call,
};
use db_query::{BuildError, Select, Statement, col};
use sqlx::PgConnection;
use std::{collections::HashMap, fmt};

/// Children of a parent: rows `C` that have the key of a `P` in a column.
pub struct HasMany<P: Entity, C: Record> {
    column: &'static str,
    parent_of: fn(&C) -> Option<P::Key>,
    arrange: fn(Select) -> Select,
}

impl<P: Entity<Key: KeyPart>, C: Record> HasMany<P, C> {
    /// By the column of the child that has the parent's key, and the same as the row has it. In no order.
    #[must_use]
    pub const fn new(column: &'static str, parent_of: fn(&C) -> Option<P::Key>) -> Self {
        Self { column, parent_of, arrange: |children| children }
    }

    /// The children in an order, or only some of them. A limit would be one for all parents together.
    #[must_use]
    pub const fn arranged(self, arrange: fn(Select) -> Select) -> Self {
        Self { arrange, ..self }
    }

    /// The children of these parents. Nothing is loaded yet.
    pub fn of<'p>(self, parents: impl IntoIterator<Item = &'p P>) -> Children<P, C> {
        let waiting = parents.into_iter().map(Entity::key).collect();
        Children { relation: self, waiting, loaded: HashMap::new() }
    }

    fn statement(&self, parents: &[P::Key]) -> Result<Statement, BuildError> {
        let children = visible::<C>(Select::from(C::TABLE).columns(C::COLUMNS));
        (self.arrange)(children.filter(col(self.column).any(parents.iter().map(Some).collect()))).build()
    }
}

/// The children of several parents; see [`HasMany::of`].
#[must_use = "nothing is loaded before it is asked for"]
pub struct Children<P: Entity, C: Record> {
    relation: HasMany<P, C>,
    /// Parents whose children are not loaded.
    waiting: Vec<P::Key>,
    loaded: HashMap<P::Key, Vec<C>>,
}

impl<P: Entity<Key: KeyPart>, C: Record + Sync> Children<P, C> {
    /// The children of one parent. The first call loads those of all; a parent that was not named to [`HasMany::of`] costs
    /// a statement of its own.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) when the server cannot be asked, or a row cannot be read; the next
    /// call tries again.
    #[track_caller]
    pub fn get<'c>(&'c mut self, conn: &'c mut PgConnection, parent: &P::Key) -> Answer<'c, &'c [C]> {
        let call = Call::new::<C>("read");
        let parent = parent.clone();
        Box::pin(async move {
            if !self.loaded.contains_key(&parent) {
                let mut parents = self.waiting.clone();
                if !parents.contains(&parent) {
                    parents.push(parent.clone());
                }
                let statement = self.relation.statement(&parents);
                let children = call.decode(&call.rows(conn, statement).await?)?;
                self.file(parents, children);
            }
            Ok(self.loaded.get(&parent).map(Vec::as_slice).unwrap_or_default())
        })
    }

    fn file(&mut self, parents: Vec<P::Key>, children: Vec<C>) {
        self.waiting.clear();
        for parent in parents {
            self.loaded.entry(parent).or_default();
        }
        for child in children {
            if let Some(parent) = (self.relation.parent_of)(&child) {
                self.loaded.entry(parent).or_default().push(child);
            }
        }
    }
}

impl<P: Entity, C: Record> fmt::Debug for HasMany<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HasMany").field("column", &self.column).finish_non_exhaustive()
    }
}

impl<P: Entity, C: Record> fmt::Debug for Children<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Children")
            .field("relation", &self.relation)
            .field("waiting", &self.waiting.len())
            .field("loaded", &self.loaded.len())
            .finish()
    }
}

/// The parent of a child: the row `P` whose key a `C` has.
pub struct BelongsTo<C, P: Entity> {
    parent_of: fn(&C) -> Option<P::Key>,
}

impl<C: 'static, P: Entity> BelongsTo<C, P> {
    /// By the parent's key as the child has it.
    #[must_use]
    pub const fn new(parent_of: fn(&C) -> Option<P::Key>) -> Self {
        Self { parent_of }
    }

    /// The parents of these children. Nothing is loaded yet.
    pub fn of<'p>(self, children: impl IntoIterator<Item = &'p C>) -> Parents<C, P> {
        let mut waiting: Vec<P::Key> = children.into_iter().filter_map(self.parent_of).collect();
        let mut seen = std::collections::HashSet::new();
        waiting.retain(|parent| seen.insert(parent.clone()));
        Parents { relation: self, waiting, loaded: HashMap::new() }
    }
}

/// The parents of several children; see [`BelongsTo::of`].
#[must_use = "nothing is loaded before it is asked for"]
pub struct Parents<C, P: Entity> {
    relation: BelongsTo<C, P>,
    /// Parents that are not loaded.
    waiting: Vec<P::Key>,
    /// `None` for a parent that is not there, or is deleted.
    loaded: HashMap<P::Key, Option<P>>,
}

impl<C: 'static, P: Entity + Sync> Parents<C, P> {
    /// The parent of one child, if it has one that is there. The first call loads those of all; one that was not named to
    /// [`BelongsTo::of`] costs a statement of its own.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) when the server cannot be asked, or a row cannot be read; the next
    /// call tries again.
    #[track_caller]
    pub fn get<'c>(&'c mut self, conn: &'c mut PgConnection, child: &C) -> Answer<'c, Option<&'c P>> {
        let call = Call::new::<P>("read");
        let parent = (self.relation.parent_of)(child);
        Box::pin(async move {
            let Some(parent) = parent else { return Ok(None) };
            if !self.loaded.contains_key(&parent) {
                let mut keys = self.waiting.clone();
                if !keys.contains(&parent) {
                    keys.push(parent.clone());
                }
                let select = visible::<P>(Select::from(P::TABLE).columns(P::COLUMNS));
                let statement = select.filter(P::Key::among(&keys, P::KEY)).build();
                let parents: Vec<P> = call.decode(&call.rows(conn, statement).await?)?;
                self.waiting.clear();
                self.loaded.extend(keys.into_iter().map(|key| (key, None)));
                self.loaded.extend(parents.into_iter().map(|parent| (parent.key(), Some(parent))));
            }
            Ok(self.loaded.get(&parent).and_then(Option::as_ref))
        })
    }
}

impl<C, P: Entity> fmt::Debug for BelongsTo<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BelongsTo").field("table", &P::TABLE.name()).finish_non_exhaustive()
    }
}

impl<C, P: Entity> fmt::Debug for Parents<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parents")
            .field("relation", &self.relation)
            .field("waiting", &self.waiting.len())
            .field("loaded", &self.loaded.len())
            .finish()
    }
}
