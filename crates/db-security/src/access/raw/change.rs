//! INSERT, UPDATE, DELETE and MERGE.

use super::{
    Reader, Touched, Understood,
    from::answers,
    names, refuse,
    scope::{Item, Scope},
};
use db_query::Access;
use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, DoUpdate, FromTable, Ident, Insert, Merge,
    MergeAction, MergeInsertExpr, MergeInsertKind, MergeUpdateExpr, MergeUpdateKind, ObjectName, OnConflict,
    OnConflictAction, OnInsert, OutputClause, TableFactor, TableObject, TableWithJoins, Update,
    UpdateTableFromKind,
};

impl Reader {
    pub(super) fn insert(&mut self, insert: &Insert) -> Understood<()> {
        let Insert {
            insert_token: _,
            optimizer_hints,
            or: None,
            ignore: false,
            into: true,
            table: TableObject::TableName(name),
            table_alias,
            columns,
            overwrite: false,
            source,
            assignments,
            partitioned: None,
            after_columns,
            has_table_keyword: false,
            on,
            returning,
            output: None,
            replace_into: false,
            priority: None,
            insert_alias: None,
            settings: None,
            format_clause: None,
            multi_table_insert_type: None,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause: None,
        } = insert
        else {
            return refuse("an INSERT of another dialect");
        };
        let empty = optimizer_hints.is_empty() && assignments.is_empty() && after_columns.is_empty();
        if !empty || !multi_table_into_clauses.is_empty() || !multi_table_when_clauses.is_empty() {
            return refuse("an INSERT of another dialect");
        }
        let path = names::path(name)?;
        let table = path.join(".");
        // What is inserted is read before the table is known by its name.
        if let Some(source) = source {
            self.query(source)?;
        }
        self.note(&table, Access::Insert, Touched::Any);
        for column in columns {
            self.note(&table, Access::Insert, Touched::One(&names::single(column)?));
        }
        if columns.is_empty() && source.is_some() {
            self.note(&table, Access::Insert, Touched::All);
        }
        let called = match table_alias {
            None => path,
            Some(alias) => vec![names::fold(&alias.alias)?],
        };
        let target = Item::target(called, &table);
        let scope = Scope { items: vec![target], ..Scope::default() };
        self.in_scope(scope, |reader| {
            if let Some(on) = on {
                reader.conflict(&table, on)?;
            }
            reader.projection(returning.as_deref().unwrap_or_default())
        })?;
        Ok(())
    }

    fn conflict(&mut self, table: &str, on: &OnInsert) -> Understood<()> {
        let OnInsert::OnConflict(OnConflict { conflict_target, action }) = on else {
            return refuse("ON DUPLICATE KEY");
        };
        match conflict_target {
            None => {}
            Some(ConflictTarget::Columns(columns)) => {
                for column in columns {
                    self.note(table, Access::Read, Touched::One(&names::fold(column)?));
                }
            }
            // Of the columns of the constraint, whichever those are.
            Some(ConflictTarget::OnConstraint(_)) => self.note(table, Access::Read, Touched::All),
        }
        let OnConflictAction::DoUpdate(DoUpdate { assignments, selection }) = action else { return Ok(()) };
        // To read of the row that was to be inserted, the server demands what it does for the table.
        self.here().items.push(Item::target(vec!["excluded".to_owned()], table));
        self.assignments(table, assignments)?;
        self.exprs(selection)?;
        self.here().items.pop();
        Ok(())
    }

    fn assignments(&mut self, table: &str, assignments: &[Assignment]) -> Understood<()> {
        for Assignment { target, value } in assignments {
            let columns: &[ObjectName] = match target {
                AssignmentTarget::ColumnName(column) => std::slice::from_ref(column),
                AssignmentTarget::Tuple(columns) => columns,
            };
            for column in columns {
                self.note(table, Access::Update, Touched::One(&names::single(column)?));
            }
            match value {
                sqlparser::ast::Expr::Tuple(values) => {
                    values.iter().try_for_each(|value| self.value(value))?;
                }
                value => self.value(value)?,
            }
        }
        Ok(())
    }

    /// The target of an UPDATE, DELETE or MERGE: a table that is not read unless a column of it is.
    fn target(&mut self, factor: &TableFactor) -> Understood<String> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
        } = factor
        else {
            return refuse("a change to what is no table");
        };
        if !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
            return refuse("a change to what is no table");
        }
        let path = names::path(name)?;
        let table = path.join(".");
        let (name, given) = answers(alias.as_ref(), path)?;
        if !given.is_empty() {
            return refuse("a change to a table with other names for its columns");
        }
        self.here().items.push(Item::target(name, &table));
        Ok(table)
    }

    fn lone_target(&mut self, tables: &TableWithJoins) -> Understood<String> {
        if !tables.joins.is_empty() {
            return refuse("a change to a join");
        }
        self.target(&tables.relation)
    }

    pub(super) fn update(&mut self, update: &Update) -> Understood<()> {
        let Update {
            update_token: _,
            optimizer_hints,
            table,
            assignments,
            from,
            selection,
            returning,
            output: None,
            or: None,
            order_by,
            limit: None,
        } = update
        else {
            return refuse("an UPDATE of another dialect");
        };
        if !optimizer_hints.is_empty() || !order_by.is_empty() {
            return refuse("an UPDATE of another dialect");
        }
        self.in_scope(Scope::default(), |reader| {
            let target = reader.lone_target(table)?;
            reader.note(&target, Access::Update, Touched::Any);
            match from {
                None => {}
                Some(UpdateTableFromKind::AfterSet(from)) => reader.from(from)?,
                Some(UpdateTableFromKind::BeforeSet(_)) => return refuse("FROM before SET"),
            }
            reader.assignments(&target, assignments)?;
            reader.exprs(selection)?;
            reader.projection(returning.as_deref().unwrap_or_default())
        })?;
        Ok(())
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Understood<()> {
        let Delete {
            delete_token: _,
            optimizer_hints,
            tables,
            from: FromTable::WithFromKeyword(from),
            using,
            selection,
            returning,
            output: None,
            order_by,
            limit: None,
        } = delete
        else {
            return refuse("a DELETE of another dialect");
        };
        let ([target], true) =
            (&from[..], tables.is_empty() && order_by.is_empty() && optimizer_hints.is_empty())
        else {
            return refuse("a DELETE of another dialect");
        };
        self.in_scope(Scope::default(), |reader| {
            let target = reader.lone_target(target)?;
            reader.note(&target, Access::Delete, Touched::All);
            reader.from(using.as_deref().unwrap_or_default())?;
            reader.exprs(selection)?;
            reader.projection(returning.as_deref().unwrap_or_default())
        })?;
        Ok(())
    }

    pub(super) fn merge(&mut self, merge: &Merge) -> Understood<()> {
        let Merge { merge_token: _, optimizer_hints, into: true, table, source, on, clauses, output } = merge
        else {
            return refuse("a MERGE of another dialect");
        };
        if !optimizer_hints.is_empty() {
            return refuse("a MERGE of another dialect");
        }
        self.in_scope(Scope::default(), |reader| {
            // The source does not see the target.
            reader.factor(source)?;
            let target = reader.target(table)?;
            reader.expr(on)?;
            for clause in clauses {
                reader.exprs(&clause.predicate)?;
                reader.merge_action(&target, &clause.action)?;
            }
            match output {
                None => Ok(()),
                Some(OutputClause::Returning { returning_token: _, select_items }) => {
                    reader.projection(select_items)
                }
                Some(OutputClause::Output { .. }) => refuse("OUTPUT"),
            }
        })?;
        Ok(())
    }

    fn merge_action(&mut self, target: &str, action: &MergeAction) -> Understood<()> {
        match action {
            MergeAction::DoNothing { .. } => Ok(()),
            MergeAction::Delete { .. } => {
                self.note(target, Access::Delete, Touched::All);
                Ok(())
            }
            MergeAction::Update(MergeUpdateExpr {
                update_token: _,
                kind: MergeUpdateKind::Set(assignments),
                update_predicate: None,
                delete_predicate: None,
            }) => self.assignments(target, assignments),
            MergeAction::Insert(MergeInsertExpr {
                insert_token: _,
                columns,
                kind_token: _,
                kind: MergeInsertKind::Values(values),
                insert_predicate: None,
            }) => {
                if columns.is_empty() {
                    self.note(target, Access::Insert, Touched::All);
                }
                for column in columns {
                    self.note(target, Access::Insert, Touched::One(&names::single(column)?));
                }
                self.values(values)
            }
            MergeAction::Update(_) | MergeAction::Insert(_) => refuse("a branch of MERGE of another dialect"),
        }
    }

    /// Columns that COPY names, or with none all of them.
    pub(super) fn copied(&mut self, table: &str, access: Access, columns: &[Ident]) -> Understood<()> {
        if columns.is_empty() {
            self.note(table, access, Touched::All);
        }
        for column in columns {
            self.note(table, access, Touched::One(&names::fold(column)?));
        }
        Ok(())
    }
}
