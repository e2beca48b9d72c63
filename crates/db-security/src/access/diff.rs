//! Where the database is not as the rules want it, and what would make it so. Pure.

use crate::access::{
    Actual, Desired, Effect, Error, Granted, Object, Owner, TableName,
    desired::{MARK, PREFIX, RowPolicy, comment_sql},
    name::quoted,
};
use std::fmt;

/// One way in which the database is not as the rules want it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// A role of the rules is not there.
    RoleMissing {
        /// The role.
        role: String,
        /// The comment that it gets.
        comment: String,
    },
    /// A role of the rules is held to none.
    RoleUnsafe {
        /// The role.
        role: String,
        /// What it is.
        why: String,
    },
    /// A role of the rules has what another role may do as well.
    Member {
        /// The role.
        role: String,
        /// The other.
        of: String,
    },
    /// A right that the rules give is not there.
    Missing(Granted),
    /// A right that no rule gives.
    Excess {
        /// The right.
        granted: Granted,
        /// Whether it is ours to take back: the role is one that we made, or the rules say who may call the function.
        is_ours: bool,
        /// Rights to columns that PostgreSQL takes back with one to their table, and that rules give.
        columns: Vec<Granted>,
    },
    /// A right that may be passed on to others.
    PassedOn(Granted),
    /// Row-level security is off for a table with conditions.
    RowSecurityOff {
        /// The table.
        table: TableName,
    },
    /// Its owner is not held to it.
    RowSecurityNotForced {
        /// The table.
        table: TableName,
    },
    /// Row-level security is on for a table for which rules have no conditions, so it hides what they show.
    RowSecurityUnwanted {
        /// The table.
        table: TableName,
        /// Whether it is ours to switch off: the table has only policies of ours, which are to go.
        is_ours: bool,
    },
    /// A policy is not there, or does not say what its rule does.
    Policy {
        /// The table.
        table: TableName,
        /// The policy.
        name: String,
        /// Whether there is one of the name.
        state: PolicyState,
        /// Whether it shows rows or hides them.
        effect: Effect,
        /// The statement that makes it.
        create: String,
        /// What its comment begins with.
        mark: String,
    },
    /// A policy of ours that no rule needs.
    PolicyExcess {
        /// The table.
        table: TableName,
        /// The policy.
        name: String,
    },
    /// A policy of somebody else's: a permissive one shows more than the rules do, another one less.
    PolicyForeign {
        /// The table.
        table: TableName,
        /// The policy.
        name: String,
        /// Whether it shows more.
        is_permissive: bool,
    },
}

/// What a policy of a rule is like in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyState {
    /// Not there.
    Missing,
    /// Of the rule as it was.
    Outdated,
    /// Changed by hand after it was made.
    Altered,
}

impl Difference {
    /// The table whose rows it is about, where the server does not show those that the rules show.
    pub(crate) fn of_rows(&self) -> Option<&TableName> {
        match self {
            Self::RowSecurityOff { table }
            | Self::Policy { table, .. }
            | Self::PolicyExcess { table, .. }
            | Self::PolicyForeign { table, is_permissive: true, .. } => Some(table),
            _ => None,
        }
    }

    /// The role that no policy holds, where that is what it is about.
    pub(crate) fn of_role(&self) -> Option<&str> {
        match self {
            Self::RoleUnsafe { role, .. } | Self::Member { role, .. } | Self::RoleMissing { role, .. } => {
                Some(role)
            }
            _ => None,
        }
    }

    /// Whether the database lets more than the rules do.
    #[must_use]
    pub fn grants_more(&self) -> bool {
        match self {
            // What hides rows is missed by those who should not see them.
            Self::Policy { state, effect, .. } => *state != PolicyState::Missing || *effect == Effect::Deny,
            Self::RoleUnsafe { .. }
            | Self::Member { .. }
            | Self::Excess { .. }
            | Self::PassedOn(_)
            | Self::RowSecurityOff { .. }
            | Self::RowSecurityNotForced { .. }
            | Self::PolicyExcess { .. } => true,
            Self::PolicyForeign { is_permissive, .. } => *is_permissive,
            Self::RoleMissing { .. } | Self::Missing(_) | Self::RowSecurityUnwanted { .. } => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleMissing { role, .. } => write!(f, "role {role} is missing"),
            Self::RoleUnsafe { role, why } => write!(f, "role {role} {why}, so no rule holds it"),
            Self::Member { role, of } => {
                write!(f, "role {role} is a member of {of}, and may do what that may")
            }
            Self::Missing(granted) => write!(f, "missing: {granted}"),
            Self::Excess { granted, .. } => write!(f, "no rule gives {granted}"),
            Self::PassedOn(granted) => write!(f, "it may be passed on: {granted}"),
            Self::RowSecurityOff { table } => write!(f, "row-level security of {table} is off"),
            Self::RowSecurityNotForced { table } => {
                write!(f, "row-level security of {table} does not hold its owner")
            }
            Self::RowSecurityUnwanted { table, .. } => {
                write!(f, "row-level security of {table} is on, and no rule has a condition")
            }
            Self::Policy { table, name, state, .. } => match state {
                PolicyState::Missing => write!(f, "policy {name} of {table} is missing"),
                PolicyState::Outdated => write!(f, "policy {name} of {table} is of a rule as it was"),
                PolicyState::Altered => write!(f, "policy {name} of {table} was changed by hand"),
            },
            Self::PolicyExcess { table, name } => write!(f, "policy {name} of {table} is of no rule"),
            Self::PolicyForeign { table, name, is_permissive: true } => {
                write!(f, "policy {name} of {table} is not ours and shows more rows")
            }
            Self::PolicyForeign { table, name, .. } => {
                write!(f, "policy {name} of {table} is not ours and hides rows")
            }
        }
    }
}

/// Compares what the database should have with what it has.
#[must_use]
pub fn diff(desired: &Desired, actual: &Actual) -> Vec<Difference> {
    let mut found = Vec::new();
    roles(desired, actual, &mut found);
    grants(desired, actual, &mut found);
    row_security(desired, actual, &mut found);
    policies(desired, actual, &mut found);
    found
}

fn roles(desired: &Desired, actual: &Actual, found: &mut Vec<Difference>) {
    for (role, comment) in &desired.roles {
        let Some(there) = actual.roles.get(role) else {
            found.push(Difference::RoleMissing { role: role.clone(), comment: comment.clone() });
            continue;
        };
        let owned = || there.owns.iter().find(|table| desired.governed.contains(*table));
        let why = there.unsafe_as.clone().or_else(|| owned().map(|table| format!("owns {table}")));
        found.extend(why.map(|why| Difference::RoleUnsafe { role: role.clone(), why }));
        let member = |of: &String| Difference::Member { role: role.clone(), of: of.clone() };
        found.extend(there.member_of.iter().map(member));
    }
}

fn grants(desired: &Desired, actual: &Actual, found: &mut Vec<Difference>) {
    for granted in actual.grants.difference(&desired.grants) {
        let is_governed_function =
            matches!(&granted.object, Object::Function(function) if desired.functions.contains(function));
        let goes_along = |column: &&Granted| {
            matches!((&granted.object, &column.object), (Object::Table(table), Object::Column(of, _)) if table == of)
                && (&granted.role, &granted.privilege) == (&column.role, &column.privilege)
        };
        let columns: Vec<Granted> = desired.grants.iter().filter(goes_along).cloned().collect();
        match &granted.role {
            Some(role) => {
                let is_ours = is_governed_function || actual.roles.get(role).is_some_and(|role| role.is_ours);
                found.push(Difference::Excess { granted: granted.clone(), is_ours, columns });
            }
            // Everybody may call a new function: that is so until a rule is about it.
            None if matches!(granted.object, Object::Function(_)) && !is_governed_function => {}
            None => {
                found.push(Difference::Excess {
                    granted: granted.clone(),
                    is_ours: is_governed_function,
                    columns,
                });
            }
        }
    }
    let passed_on = actual.passing_on.intersection(&desired.grants);
    found.extend(passed_on.map(|granted| Difference::PassedOn(granted.clone())));
    found.extend(
        desired.grants.difference(&actual.grants).map(|granted| Difference::Missing(granted.clone())),
    );
}

fn row_security(desired: &Desired, actual: &Actual, found: &mut Vec<Difference>) {
    for (table, there) in &actual.tables {
        let is_wanted = desired.row_security.contains(table);
        if is_wanted && !there.has_row_security {
            found.push(Difference::RowSecurityOff { table: table.clone() });
        }
        if is_wanted && !there.is_forced && desired.owner == Owner::Held {
            found.push(Difference::RowSecurityNotForced { table: table.clone() });
        }
        let mut policies = actual.policies.iter().filter(|((of, _), _)| of == table).peekable();
        let has_ours = policies.peek().is_some();
        let is_ours = has_ours && policies.all(|((_, name), policy)| is_ours(name, &policy.comment));
        if !is_wanted && there.has_row_security && (is_ours || desired.governed.contains(table)) {
            found.push(Difference::RowSecurityUnwanted { table: table.clone(), is_ours });
        }
    }
}

fn policies(desired: &Desired, actual: &Actual, found: &mut Vec<Difference>) {
    for (key, RowPolicy { create, effect, mark }) in &desired.policies {
        let state = match actual.policies.get(key) {
            None => PolicyState::Missing,
            Some(there) if !there.comment.starts_with(mark.as_str()) => PolicyState::Outdated,
            Some(there) if there.comment != sealed(mark, &there.reads) => PolicyState::Altered,
            Some(_) => continue,
        };
        let ((table, name), create, mark) = (key.clone(), create.clone(), mark.clone());
        found.push(Difference::Policy { table, name, state, effect: *effect, create, mark });
    }
    for ((table, name), there) in &actual.policies {
        let key = (table.clone(), name.clone());
        if desired.policies.contains_key(&key) {
            continue;
        }
        let (table, name) = key;
        if is_ours(&name, &there.comment) {
            found.push(Difference::PolicyExcess { table, name });
        } else if desired.governed.contains(&table) {
            found.push(Difference::PolicyForeign { table, name, is_permissive: there.is_permissive });
        }
    }
}

fn is_ours(name: &str, comment: &str) -> bool {
    name.starts_with(PREFIX) && comment.starts_with(MARK)
}

/// The comment of a policy: what it was made of, and what the server makes of it.
pub(crate) fn sealed(mark: &str, reads: &str) -> String {
    format!("{mark}, reads {reads}")
}

/// What is done with rights and policies of others that let more than the rules do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// They stay, and stay a difference.
    #[default]
    Keep,
    /// They go.
    Revoke,
}

/// One statement of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub(crate) sql: String,
    /// The policy that the statement makes, and what its comment begins with.
    pub(crate) seal: Option<(TableName, String, String)>,
}

impl Step {
    /// The statement, to show.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    const fn plain(sql: String) -> Self {
        Self { sql, seal: None }
    }
}

/// What makes the database what the rules want; nothing of others is dropped, unless it lets more and `foreign` says so.
///
/// # Errors
/// [`Error::UnsafeRole`] for a role that no rule would hold: a superuser, one with BYPASSRLS or CREATEROLE, an owner of a
/// governed table.
pub fn plan(differences: &[Difference], foreign: Foreign) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for difference in differences {
        match difference {
            Difference::RoleUnsafe { role, why } => {
                return Err(Error::UnsafeRole { role: role.clone(), why: why.clone() });
            }
            Difference::RoleMissing { role, comment } => {
                let role = quoted(role);
                steps.push(Step::plain(format!("CREATE ROLE {role} NOLOGIN NOINHERIT NOBYPASSRLS")));
                steps.push(Step::plain(comment_sql(&format!("ROLE {role}"), comment)));
            }
            Difference::Member { role, of } if foreign == Foreign::Revoke => {
                steps.push(Step::plain(format!("REVOKE {} FROM {}", quoted(of), quoted(role))));
            }
            Difference::Excess { granted, is_ours, columns } if *is_ours || foreign == Foreign::Revoke => {
                steps.push(Step::plain(granted.revoke_sql()));
                steps.extend(columns.iter().map(|column| Step::plain(column.grant_sql())));
            }
            Difference::PassedOn(granted) => steps.push(Step::plain(granted.revoke_passing_on_sql())),
            Difference::Missing(granted) => steps.push(Step::plain(granted.grant_sql())),
            Difference::RowSecurityOff { table } => steps.push(alter(table, "ENABLE")),
            Difference::RowSecurityNotForced { table } => steps.push(alter(table, "FORCE")),
            Difference::RowSecurityUnwanted { table, is_ours: true } => {
                steps.push(alter(table, "DISABLE"));
                steps.push(alter(table, "NO FORCE"));
            }
            Difference::Policy { table, name, state, effect: _, create, mark } => {
                if *state != PolicyState::Missing {
                    steps.push(drop_policy(table, name));
                }
                steps.push(Step {
                    sql: create.clone(),
                    seal: Some((table.clone(), name.clone(), mark.clone())),
                });
            }
            Difference::PolicyExcess { table, name } => steps.push(drop_policy(table, name)),
            Difference::PolicyForeign { table, name, is_permissive: true } if foreign == Foreign::Revoke => {
                steps.push(drop_policy(table, name));
            }
            Difference::Member { .. }
            | Difference::Excess { .. }
            | Difference::RowSecurityUnwanted { .. }
            | Difference::PolicyForeign { .. } => {}
        }
    }
    Ok(steps)
}

fn alter(table: &TableName, what: &str) -> Step {
    Step::plain(format!("ALTER TABLE {} {what} ROW LEVEL SECURITY", table.sql()))
}

fn drop_policy(table: &TableName, name: &str) -> Step {
    Step::plain(format!("DROP POLICY {} ON {}", quoted(name), table.sql()))
}
