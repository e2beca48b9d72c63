//! Whether a row's types are its columns': COPY's binary format converts nothing, and where two types have the same
//! length (`int8` and `timestamp`) the server could not even tell.

use crate::{CopyError, Error};
use sqlx::{
    Column as _, Postgres, Statement, Type, TypeInfo,
    postgres::{PgStatement, PgTypeInfo, PgTypeKind},
};

/// The columns of a COPY, as a row type's `describe` sees them.
#[derive(Debug)]
pub struct CopyTypes<'c> {
    columns: &'c [CopyColumn],
    direction: Direction,
    fields: usize,
    mismatch: Option<Error>,
}

impl CopyTypes<'_> {
    /// Says that the next field is a `T`. Called once for each field, in their order.
    pub fn push<T: Type<Postgres>>(&mut self) -> &mut Self {
        if let Some(column) = self.columns.get(self.fields) {
            let field = T::type_info();
            let fits = T::compatible(&column.type_info)
                && (self.direction == Direction::Out || is_complete(&column.type_info, &field));
            if !fits && self.mismatch.is_none() {
                self.mismatch = Some(Error::Copy(CopyError::Type {
                    column: column.name.clone(),
                    column_type: column.type_info.name().to_owned(),
                    field_type: field.name().to_owned(),
                }));
            }
        }
        self.fields += 1;
        self
    }
}

/// A column of a COPY.
#[derive(Debug)]
pub(crate) struct CopyColumn {
    pub(crate) name: String,
    type_info: PgTypeInfo,
}

/// Which way the rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// How a row type names its fields' types.
pub(crate) type Describe = fn(&mut CopyTypes<'_>);

pub(crate) fn columns_of(statement: &PgStatement) -> Vec<CopyColumn> {
    let column = |column: &sqlx::postgres::PgColumn| CopyColumn {
        name: column.name().to_owned(),
        type_info: column.type_info().clone(),
    };
    statement.columns().iter().map(column).collect()
}

pub(crate) fn check(columns: &[CopyColumn], direction: Direction, describe: Describe) -> Result<(), Error> {
    let mut types = CopyTypes { columns, direction, fields: 0, mismatch: None };
    describe(&mut types);
    if types.fields != columns.len() {
        return Err(Error::Copy(CopyError::Width { fields: types.fields, columns: columns.len() }));
    }
    types.mismatch.map_or(Ok(()), Err)
}

/// The column at this place, for a message.
pub(crate) fn name_of(columns: &[CopyColumn], index: usize) -> String {
    columns.get(index).map_or_else(|| format!("number {}", index + 1), |column| column.name.clone())
}

/// Whether sqlx's encoder writes the whole value. For a bound parameter it fills in two things later, which a COPY
/// never comes to: that a JSON value goes to a `json` column, and the OID of a type known by its name only.
fn is_complete(column: &PgTypeInfo, field: &PgTypeInfo) -> bool {
    match column.kind() {
        PgTypeKind::Composite(_) => false,
        PgTypeKind::Array(_) if field.oid().is_none() => false,
        _ => !matches!(column.name(), "JSON" | "JSON[]"),
    }
}
