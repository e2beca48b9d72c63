//! Rules about who may do what: decided in this process, and compiled to roles, rights and row-level security, so that the
//! server holds to them too. What they mean is in `docs/access.md`.
//!
//! ```
//! use chrono::Utc;
//! use db_query::{Select, col};
//! use db_security::access::{Catalogue, ColumnKind, Decision, Policy, RelationKind, Request, Rules, Subject};
//!
//! let rules = Rules::from_toml(r#"
//!     [[roles]]
//!     name = "agent"
//!
//!     [[rules]]
//!     name = "own-tasks"
//!     roles = ["agent"]
//!     effect = "allow"
//!     permissions = ["read"]
//!     table = "tasks"
//!     rows = { tenant = { "$subject" = "tenant" } }
//! "#)?;
//! let columns = [("title", ColumnKind::Text), ("tenant", ColumnKind::Text)];
//! // From a server: `Catalogue::read(&mut conn, "public").await?`
//! let catalogue = Catalogue::new("public").with("tasks", RelationKind::Table, &columns)?;
//! let policy = Policy::new(&rules, catalogue)?;
//!
//! let statement = Select::from("tasks").columns(["title"]).filter(col("tenant").is_not_null()).build()?;
//! let subject = Subject::new("agent").with("tenant", "acme")?;
//! let decision = policy.decide(&subject, &Request::new(&statement.touches()), Utc::now());
//! assert!(matches!(decision, Decision::Allowed(rows) if rows.len() == 1));
//! let other = Subject::new("visitor");
//! assert!(matches!(policy.decide(&other, &Request::new(&statement.touches()), Utc::now()), Decision::Refused(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`compile`] says what the database should have, [`Actual::read`] what it has, [`diff`] where they differ, [`plan`] what
//! to do about it; [`apply`] does it, and [`check`] looks for what would let somebody past it. [`Guard`] runs statements of
//! subjects on a pool: it decides, adds the conditions of rows, and sets the session to the subject.

mod actual;
mod apply;
mod built_in;
mod catalogue;
mod check;
mod condition;
mod decide;
mod desired;
mod diff;
mod error;
mod explain;
mod file;
mod guard;
mod json;
mod literal;
mod mode;
mod name;
mod nearest;
mod policy;
mod raw;
mod refusal;
mod rule;
mod subject;

pub use actual::Actual;
pub use apply::apply;
pub use catalogue::{Catalogue, ColumnKind, Function, Relation, RelationKind};
pub use check::{Finding, Severity, check};
pub use condition::RowCondition;
pub use decide::{Decision, Request, Rows, TableRows};
pub use desired::{Desired, Granted, Object, Owner, compile};
pub use diff::{Difference, Foreign, PolicyState, Step, diff, plan};
pub use error::{Error, Fault, Problem};
pub use explain::{Explanation, RuleTold};
pub use guard::{
    Applied, Denial, Guard, GuardError, GuardOptions, GuardStats, Guarded, GuardedRun, GuardedTransaction,
    ToStatement, Within,
};
pub use mode::{Mode, UnknownMode, Verdict};
pub use name::{AttributeName, TableName};
pub use nearest::Nearest;
pub use policy::Policy;
pub use raw::{NotUnderstood, RawTouches, read_sql};
pub use refusal::Refusal;
pub use rule::{Effect, Permission, Resource, Role, Rule, Rules};
pub use subject::Subject;
