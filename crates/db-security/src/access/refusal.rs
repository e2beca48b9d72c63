//! Why something may not be done.

use crate::access::Permission;

/// Why something may not be done, and what would be needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The role is none of the rules'.
    #[error("there is no rule for role {role:?}, so it may do nothing")]
    UnknownRole {
        /// The role.
        role: String,
    },
    /// No rule allows it.
    #[error(
        "no rule lets role {role:?} {permission} {resource}{}; a rule with permissions = [\"{permission}\"] on it would",
        shown(columns)
    )]
    NotAllowed {
        /// The role.
        role: String,
        /// What is missing.
        permission: Permission,
        /// The table or function.
        resource: String,
        /// The columns that no rule allows; empty where that is all of it.
        columns: Vec<String>,
    },
    /// A rule denies it.
    #[error("rule {rule:?} denies role {role:?} to {permission} {resource}{}", shown(columns))]
    Denied {
        /// The rule.
        rule: String,
        /// The role.
        role: String,
        /// What it denies.
        permission: Permission,
        /// The table or function.
        resource: String,
        /// The columns that it denies; empty where that is all of it.
        columns: Vec<String>,
    },
    /// A function that would do what no rule can see.
    #[error(
        "function {function:?} of PostgreSQL may do what no rule sees (run SQL, read or change what others share, change who \
         asks); a rule can give a function of your own that calls it"
    )]
    Sly {
        /// The function.
        function: String,
    },
    /// A name behind that of a table, which is no column of it: PostgreSQL would call a function of that name with the row.
    #[error(
        "{column:?} is not known to be a column of {}, and may be a function that is called with the row; name a column that is \
         there, and reload the rules where it is new",
        of_what(tables)
    )]
    NoColumn {
        /// The name.
        column: String,
        /// The tables that it might be of; none where it is of a subquery or a function.
        tables: Vec<String>,
    },
    /// A definition is changed, to which no rule gives a right.
    #[error(
        "role {role:?} may not change the definition of {resource}, which is its owner's and given by no rule"
    )]
    Definition {
        /// The role.
        role: String,
        /// The table, view or index.
        resource: String,
    },
    /// New rows, which no rule allows for these attributes at this time.
    #[error("no rule that counts for these attributes at this time lets role {role:?} insert into {table}")]
    NotNow {
        /// The role.
        role: String,
        /// The table.
        table: String,
    },
}

impl Refusal {
    /// What it is about: a kind of thing and its name.
    pub(crate) fn about(&self) -> (&'static str, &str) {
        match self {
            Self::UnknownRole { role } => ("role", role),
            Self::NotAllowed { permission: Permission::Execute, resource, .. }
            | Self::Denied { permission: Permission::Execute, resource, .. } => ("function", resource),
            Self::NotAllowed { resource, .. }
            | Self::Denied { resource, .. }
            | Self::Definition { resource, .. } => ("table", resource),
            Self::Sly { function } | Self::NoColumn { column: function, .. } => ("function", function),
            Self::NotNow { table, .. } => ("table", table),
        }
    }
}

fn of_what(tables: &[String]) -> String {
    if tables.is_empty() { "a subquery or a function's rows".to_owned() } else { tables.join(" or ") }
}

fn shown(columns: &[String]) -> String {
    if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) }
}
