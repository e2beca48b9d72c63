//! Which statements are understood at all.

use super::{Reader, Understood, names, refuse};
use db_query::Access;
use sqlparser::ast::{
    AlterTable, AlterTableOperation, CascadeOption, CopySource, CopyTarget, DescribeAlias, DropBehavior,
    ObjectType, Statement, Truncate,
};

/// Reads a statement, which may stand in another.
pub(super) fn read(reader: &mut Reader, statement: &Statement) -> Understood<()> {
    match statement {
        Statement::Query(query) => reader.query(query).map(drop),
        Statement::Insert(insert) => reader.insert(insert),
        Statement::Update(update) => reader.update(update),
        Statement::Delete(delete) => reader.delete(delete),
        Statement::Merge(merge) => reader.merge(merge),
        Statement::Explain {
            describe_alias: DescribeAlias::Explain,
            analyze: _,
            verbose: _,
            query_plan: false,
            estimate: false,
            statement,
            format: _,
            options: _,
        } => match **statement {
            Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_)
            | Statement::Merge(_) => reader.statement(statement),
            _ => refuse("EXPLAIN of what is no query"),
        },
        Statement::Copy { source, to, target, options: _, legacy_options, values }
            if legacy_options.is_empty() && values.is_empty() =>
        {
            let access = match (to, target) {
                (true, CopyTarget::Stdout) => Access::Read,
                (false, CopyTarget::Stdin) => Access::Insert,
                _ => return refuse("COPY with a file or a program of the server"),
            };
            reader.copies = true;
            match source {
                CopySource::Table { table_name, columns } => {
                    reader.copied(&names::table(table_name)?, access, columns)
                }
                CopySource::Query(query) if *to => reader.query(query).map(drop),
                CopySource::Query(_) => refuse("COPY into a query"),
            }
        }
        Statement::Truncate(truncate) => read_truncate(reader, truncate),
        Statement::Drop {
            object_type:
                ObjectType::Table | ObjectType::View | ObjectType::MaterializedView | ObjectType::Index,
            if_exists: _,
            names,
            cascade: false,
            restrict: _,
            purge: false,
            temporary: false,
            table: None,
        } => {
            for name in names {
                let name = names::table(name)?;
                reader.administers.insert(name);
            }
            Ok(())
        }
        Statement::AlterTable(alter) => read_alter(reader, alter),
        _ => refuse("a statement that is no query and no change of rows"),
    }
}

fn read_truncate(reader: &mut Reader, truncate: &Truncate) -> Understood<()> {
    let Truncate {
        table_names,
        partitions: None,
        table: _,
        if_exists: false,
        identity: _,
        cascade,
        on_cluster: None,
    } = truncate
    else {
        return refuse("a TRUNCATE of another dialect");
    };
    if matches!(cascade, Some(CascadeOption::Cascade)) {
        return refuse("what CASCADE reaches");
    }
    for target in table_names {
        let table = names::table(&target.name)?;
        reader.truncates.insert(table);
    }
    Ok(())
}

fn read_alter(reader: &mut Reader, alter: &AlterTable) -> Understood<()> {
    let AlterTable {
        name,
        if_exists: _,
        only: _,
        operations,
        location: None,
        on_cluster: None,
        table_type: None,
        end_token: _,
    } = alter
    else {
        return refuse("an ALTER TABLE of another dialect");
    };
    for operation in operations {
        match operation {
            AlterTableOperation::DropColumn { drop_behavior, .. }
            | AlterTableOperation::DropConstraint { drop_behavior, .. }
                if !matches!(drop_behavior, Some(DropBehavior::Cascade)) => {}
            AlterTableOperation::RenameColumn { .. } | AlterTableOperation::RenameConstraint { .. } => {}
            _ => return refuse("a change of a table other than to drop or rename a part"),
        }
    }
    let table = names::table(name)?;
    reader.administers.insert(table);
    Ok(())
}
