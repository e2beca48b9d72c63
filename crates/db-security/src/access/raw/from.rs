//! What queries are from: tables, subqueries, functions and joins of them.

use super::{
    Reader, Touched, Understood,
    names::{self, Called},
    outputs::{Outputs, columns},
    refuse,
    scope::Item,
};
use db_query::Access;
use sqlparser::ast::{
    JoinConstraint, JoinOperator, TableAlias, TableFactor, TableFunctionArgs, TableWithJoins,
};

impl Reader {
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> Understood<()> {
        from.iter().try_for_each(|tables| self.joined(tables))
    }

    fn joined(&mut self, tables: &TableWithJoins) -> Understood<()> {
        let before = self.here().items.len();
        self.factor(&tables.relation)?;
        for join in &tables.joins {
            if join.global {
                return refuse("a global join");
            }
            self.factor(&join.relation)?;
            match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint)
                | JoinOperator::FullOuter(constraint)
                | JoinOperator::CrossJoin(constraint) => self.constraint(constraint, before)?,
                _ => return refuse("a join of another dialect"),
            }
        }
        Ok(())
    }

    fn constraint(&mut self, constraint: &JoinConstraint, before: usize) -> Understood<()> {
        match constraint {
            JoinConstraint::None => Ok(()),
            JoinConstraint::On(condition) => self.expr(condition),
            JoinConstraint::Using(columns) => {
                for column in columns {
                    self.bare(&names::single(column)?)?;
                }
                Ok(())
            }
            // By the columns that both sides have, whichever those are.
            JoinConstraint::Natural => {
                let tables: Vec<String> =
                    self.here().items[before..].iter().flat_map(|item| item.tables.clone()).collect();
                for table in tables {
                    self.note(&table, Access::Read, Touched::All);
                }
                Ok(())
            }
        }
    }

    /// A table that is read, or a common table expression.
    fn push_table(&mut self, name: Vec<String>, alias: Option<&TableAlias>) -> Understood<()> {
        let table = name.join(".");
        let cte = self.ctes.iter().rev().find(|(cte, _)| name.len() == 1 && *cte == table);
        let outputs = cte.map(|(_, outputs)| outputs.clone());
        let (called, given) = answers(alias, name)?;
        let mut item = Item { name: called, renamed: !given.is_empty(), ..Item::default() };
        item.outputs = outputs.clone().unwrap_or_else(|| Outputs::of_table(&table)).renamed(given);
        if outputs.is_none() {
            self.note(&table, Access::Read, Touched::Any);
            item.tables.push(table.clone());
            item.locks.push(table);
        }
        self.here().items.push(item);
        Ok(())
    }

    pub(super) fn factor(&mut self, factor: &TableFactor) -> Understood<()> {
        self.deeper(|reader| reader.factor_here(factor)).map_err(|error| error.near(factor))
    }

    fn factor_here(&mut self, factor: &TableFactor) -> Understood<()> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version: None,
                with_ordinality,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => match args {
                None if *with_ordinality => refuse("a table with ordinality"),
                None => self.push_table(names::path(name)?, alias.as_ref()),
                Some(TableFunctionArgs { args, settings: None }) => {
                    let called = match names::called(name, true)? {
                        Called::Function(function) => {
                            self.functions.insert(function.clone());
                            vec![function.rsplit('.').next().unwrap_or_default().to_owned()]
                        }
                        Called::Value | Called::Form => Vec::new(),
                    };
                    self.arguments(args)?;
                    self.push_derived(alias.as_ref(), called, Vec::new(), Outputs::unknown())
                }
                Some(_) => refuse("a table function with settings"),
            },
            TableFactor::Derived { lateral, subquery, alias, sample: None } => {
                let hidden = std::mem::replace(&mut self.here().hidden, !lateral);
                let locks = self.query(subquery);
                self.here().hidden = hidden;
                let (locks, outputs) = (locks?, std::mem::take(&mut self.last));
                self.push_derived(alias.as_ref(), Vec::new(), locks, outputs)
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality: _, alias } => {
                let Called::Function(function) = names::called(name, true)? else {
                    return refuse("a form of the grammar in FROM");
                };
                let called = function.rsplit('.').next().unwrap_or_default().to_owned();
                self.functions.insert(function);
                self.arguments(args)?;
                self.push_derived(alias.as_ref(), vec![called], Vec::new(), Outputs::unknown())
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: _,
            } => {
                self.functions.insert("unnest".to_owned());
                self.exprs(array_exprs)?;
                self.push_derived(alias.as_ref(), vec!["unnest".to_owned()], Vec::new(), Outputs::unknown())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let before = self.here().items.len();
                self.joined(table_with_joins)?;
                let Some(alias) = alias else { return Ok(()) };
                // The join has a name of its own, and its tables are known by it only; they stay, which asks for no less.
                let inner = &self.here().items[before..];
                let tables = inner.iter().flat_map(|item| item.tables.clone()).collect();
                let locks = inner.iter().flat_map(|item| item.locks.clone()).collect();
                let renamed = inner.iter().any(|item| item.renamed);
                let mut outputs = Outputs::of_all(inner.iter());
                if renamed {
                    outputs.tables.clear();
                }
                let (name, given) = answers(Some(alias), Vec::new())?;
                let renamed = renamed || !given.is_empty();
                let outputs = outputs.renamed(given);
                self.here().items.push(Item { name, tables, locks, renamed, outputs });
                Ok(())
            }
            _ => refuse("what is from something of another dialect, or from a sample"),
        }
    }

    fn push_derived(
        &mut self,
        alias: Option<&TableAlias>,
        name: Vec<String>,
        locks: Vec<String>,
        outputs: Outputs,
    ) -> Understood<()> {
        let (name, given) = answers(alias, name)?;
        let outputs = outputs.renamed(given);
        self.here().items.push(Item { name, locks, outputs, ..Item::default() });
        Ok(())
    }
}

/// The name that an item answers to, and the names that its columns get.
pub(super) fn answers(
    alias: Option<&TableAlias>,
    name: Vec<String>,
) -> Understood<(Vec<String>, Vec<String>)> {
    match alias {
        None => Ok((name, Vec::new())),
        Some(alias @ TableAlias { explicit: _, name, columns: _, at: None }) => {
            Ok((vec![names::fold(name)?], columns(alias)?))
        }
        Some(_) => refuse("an alias of another dialect"),
    }
}
