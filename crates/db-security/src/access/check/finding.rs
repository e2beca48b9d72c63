//! What may let somebody past the rules, how much it matters and what to do about it.

use crate::access::Difference;
use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It may let somebody past the rules, depending on what somebody else does.
    Warning,
    /// It lets somebody past the rules, or the rules do not hold.
    Error,
}

/// What may let somebody past the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The database is not as the rules want it.
    Drift(Difference),
    /// Whoever runs this is held to no rule.
    Bypasses {
        /// The current user.
        user: String,
        /// A superuser, or one with BYPASSRLS.
        why: &'static str,
    },
    /// Whoever runs this may act as a role that is held to no rule.
    Becomes {
        /// The current user.
        user: String,
        /// The role.
        role: String,
        /// A superuser, one with BYPASSRLS, or one that PostgreSQL gives rights to all data.
        why: String,
    },
    /// A role of the rules, or PUBLIC, has a right to what is PostgreSQL's own that it does not give by itself.
    SystemRight {
        /// The role.
        role: String,
        /// The right, as GRANT has it.
        privilege: String,
        /// The table, column or function.
        object: String,
    },
    /// Whoever runs this owns a governed table.
    Owns {
        /// The current user.
        user: String,
        /// The table.
        table: String,
        /// Whether row-level security holds its owner.
        is_forced: bool,
    },
    /// A view reads a governed table with its owner's rights, whoever reads the view.
    View {
        /// The view.
        view: String,
        /// The table.
        table: String,
        /// A role of the rules, or PUBLIC, that may read the view.
        reader: Option<String>,
    },
    /// A function runs with its owner's rights, and a role of the rules may call it.
    DefinerFunction {
        /// The function.
        function: String,
        /// The role, or PUBLIC.
        role: String,
    },
    /// A function that rules name may become a part of its caller's plan, and a plan that a session keeps asks nobody else
    /// whether they may call it.
    InlinedFunction {
        /// The function.
        function: String,
    },
    /// A login may take several roles of the rules, so it may choose by which it is held.
    SeveralRoles {
        /// The login.
        login: String,
        /// The roles.
        roles: Vec<String>,
    },
    /// A partition or child of a governed table has rules of its own, or none: whoever has a right to it gets past those of
    /// the table.
    Child {
        /// The child.
        child: String,
        /// The table.
        table: String,
        /// Who has a right to it.
        role: String,
    },
    /// What is made from now on is granted by itself.
    DefaultPrivilege {
        /// To whom.
        role: String,
        /// What kind of thing: tables, functions.
        kind: &'static str,
    },
    /// A role of the rules, or PUBLIC, may make tables in a schema, where they hide those that are meant.
    Create {
        /// The role.
        role: String,
        /// The schema.
        schema: String,
    },
    /// A role of the rules, or PUBLIC, may make schemas, and what it likes in them.
    CreateSchema {
        /// The role.
        role: String,
        /// The database.
        database: String,
    },
}

impl Finding {
    /// The difference, where it is drift.
    pub(crate) fn difference(&self) -> Option<&Difference> {
        if let Self::Drift(difference) = self { Some(difference) } else { None }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Drift(difference) if difference.grants_more() => Severity::Error,
            Self::Drift(_)
            | Self::Owns { is_forced: true, .. }
            | Self::SeveralRoles { .. }
            | Self::InlinedFunction { .. }
            | Self::View { reader: None, .. }
            | Self::DefaultPrivilege { .. }
            | Self::Create { .. }
            | Self::CreateSchema { .. } => Severity::Warning,
            Self::Bypasses { .. }
            | Self::Becomes { .. }
            | Self::SystemRight { .. }
            | Self::Owns { .. }
            | Self::View { .. }
            | Self::DefinerFunction { .. }
            | Self::Child { .. } => Severity::Error,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Drift(Difference::RoleUnsafe { role, .. }) => {
                format!("take that from role {role}, or let the rules name another role")
            }
            Self::Drift(difference) if difference.grants_more() => {
                "apply the rules, and revoke what is not theirs".to_owned()
            }
            Self::Drift(_) => "apply the rules".to_owned(),
            Self::Bypasses { .. } => "let the service connect as a role that is neither".to_owned(),
            Self::Becomes { user, role, .. } => format!("REVOKE {role} FROM {user}"),
            Self::SystemRight { role, privilege, object } => {
                format!("REVOKE {privilege} ON {object} FROM {role}, as a superuser")
            }
            Self::Owns { .. } => "let the service connect as a role that owns nothing".to_owned(),
            Self::View { view, .. } => {
                format!(
                    "ALTER VIEW {view} SET (security_invoker = true), or make its owner a role that the rules hold"
                )
            }
            Self::DefinerFunction { function, role } => {
                format!("name function {function} in a rule, or REVOKE EXECUTE on it FROM {role}")
            }
            Self::InlinedFunction { function } => {
                format!(
                    "write function {function} in plpgsql, or give it a SET clause, where sessions serve several roles; those of db-pool forget plans between two"
                )
            }
            Self::SeveralRoles { login, .. } => {
                format!(
                    "give each role a login of its own, where {login} is used by anybody who may write SQL"
                )
            }
            Self::Child { child, role, .. } => format!("REVOKE ALL ON {child} FROM {role}"),
            Self::DefaultPrivilege { role, kind } => {
                format!("ALTER DEFAULT PRIVILEGES REVOKE ALL ON {kind} FROM {role}")
            }
            Self::Create { role, schema } => format!("REVOKE CREATE ON SCHEMA {schema} FROM {role}"),
            Self::CreateSchema { role, database } => {
                format!("REVOKE CREATE ON DATABASE {database} FROM {role}")
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drift(difference) => write!(f, "{difference}"),
            Self::Bypasses { user, why } => write!(f, "current user {user} {why}, and is held to no rule"),
            Self::Becomes { user, role, why } => {
                write!(f, "current user {user} may act as {role}, which {why} and is held to no rule")
            }
            Self::SystemRight { role, privilege, object } => {
                write!(f, "{role} has {privilege} on {object}, which PostgreSQL gives nobody by itself")
            }
            Self::Owns { user, table, is_forced: true } => {
                write!(f, "current user {user} owns {table}: it may change its policies and rights")
            }
            Self::Owns { user, table, .. } => {
                write!(f, "current user {user} owns {table}, and row-level security does not hold it")
            }
            Self::View { view, table, reader: Some(reader) } => {
                write!(
                    f,
                    "view {view} shows rows of {table} to {reader} with the rights of its owner, past the conditions of the rules"
                )
            }
            Self::View { view, table, reader: None } => {
                write!(f, "view {view} reads {table} with the rights of its owner")
            }
            Self::DefinerFunction { function, role } => {
                write!(
                    f,
                    "function {function} runs with the rights of its owner, and {role} may call it without a rule"
                )
            }
            Self::InlinedFunction { function } => {
                write!(
                    f,
                    "function {function} is in SQL: a prepared statement that one role ran calls it for the next one too"
                )
            }
            Self::SeveralRoles { login, roles } => {
                write!(f, "login {login} may take any of the roles {}", roles.join(", "))
            }
            Self::Child { child, table, role } => {
                write!(
                    f,
                    "{role} may reach rows of {table} by its child {child}, past the rules of the table"
                )
            }
            Self::DefaultPrivilege { role, kind } => write!(f, "new {kind} are granted to {role} by default"),
            Self::Create { role, schema } => write!(f, "{role} may make tables in schema {schema}"),
            Self::CreateSchema { role, database } => {
                write!(f, "{role} may make schemas in database {database}")
            }
        }
    }
}
