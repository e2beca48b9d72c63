//! The tables of autonomous services as typed rows, and the migrations that make them.
//!
//! One aggregate a module: the row, what is needed for a new one, and the questions that are asked of it. What any table can
//! do is in [`repository`]: read, page, insert by the thousand, upsert, update unless somebody else was faster, change a
//! status as far as its rules allow, mark as deleted and restore. [`relation`] loads what belongs to many rows at once, and
//! [`n_plus_one`] finds the loop that does not. A service declares tables of its own with [`entity!`].
//!
//! Every function takes a `PgConnection` that the caller owns, so that several of them may share one transaction.
//!
//! ```no_run
//! use db_model::task::{self, NewTask, StatusChange, TaskFilter};
//! use db_model::{Priority, TaskStatus};
//! use std::time::Duration;
//!
//! # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), Box<dyn std::error::Error>> {
//! let migrations = db_migrate::Migrations::embedded(db_model::MIGRATIONS)?;
//! db_migrate::apply(conn, &migrations, &db_migrate::Options::default(), &mut |_| {}).await?;
//!
//! let new = NewTask::new("Measure src/lib.rs").priority(Priority::new(7)?).queue("files");
//! let task = task::insert(conn, &new).await?;
//! task::set_status(conn, task.id, &StatusChange::Start { worker: "w1", lease: Duration::from_secs(30) }).await?;
//! task::set_status(conn, task.id, &StatusChange::Complete { result: None }).await?;
//!
//! let done = TaskFilter { status: Some(TaskStatus::Completed), ..TaskFilter::default() };
//! let tasks = task::list(conn, &done).await?;
//! let mut executions = task::EXECUTIONS.of(&tasks);
//! for task in &tasks {
//!     // Asks for those of all tasks at the first, and not again.
//!     println!("{} {} attempts", task.title, executions.get(conn, &task.id).await?.len());
//! }
//! # Ok(())
//! # }
//! ```

pub mod agent;
pub mod agent_metric;
pub mod audit_log;
mod catalogue;
pub mod code_analysis;
pub mod decision;
pub mod entity;
mod error;
pub mod error_log;
pub mod execution;
mod full_text;
mod id;
pub mod knowledge;
pub mod learning;
pub mod mail;
pub mod n_plus_one;
pub mod password;
pub mod plan;
pub mod pr_validation;
pub mod preference;
mod priority;
pub mod profile;
pub mod relation;
pub mod repository;
pub mod research;
pub mod research_source;
mod run;
mod seconds;
pub mod security_event;
pub mod session;
pub mod sign_in;
pub mod system_config;
pub mod task;
mod text_enum;
mod urgency;
pub mod user;
pub mod views;

pub use catalogue::CATALOGUE;
pub use code_analysis::AnalysisMethod;
pub use error::{DriverError, Error, UnknownText};
pub use error_log::ErrorType;
pub use execution::ExecutionStatus;
pub use id::{
    AgentId, AuditLogId, CodeAnalysisId, DecisionId, EmailAttachmentId, EmailId, EmailThreadId, ErrorLogId,
    ExecutionId, KnowledgeEntryId, LearningEventId, LearningPatternId, PlanId, PlanStepId, PrValidationId,
    ResearchQueryId, ResearchResultId, ResearchSourceId, SecurityEventId, SessionId, TaskId, UserId,
};
pub use pr_validation::PrValidationStatus;
pub use priority::{Priority, PriorityError};
pub use seconds::Seconds;
pub use task::TaskStatus;
pub use urgency::Urgency;
pub use user::UserStatus;

use std::pin::Pin;

/// What a function of this crate that asks the server returns: a future that any runtime's thread may poll.
///
/// It is no `async fn`, as those cannot see the line that called them; see [`n_plus_one`].
pub type Answer<'c, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'c>>;

/// The migrations of this schema, oldest first, as they were when this crate was compiled.
pub const MIGRATIONS: &[db_migrate::Embedded] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));
