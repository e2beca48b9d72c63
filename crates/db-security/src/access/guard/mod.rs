//! Runs what subjects ask for on a pool: decided by the rules, kept to the rows that they show, in a session that is the
//! subject's.

mod admit;
mod applied;
mod error;
mod recent;
mod run;
mod tell;
mod transaction;

pub use applied::Applied;
pub use error::GuardError;
pub use run::GuardedRun;
pub use tell::{Denial, GuardStats};
pub use transaction::{GuardedTransaction, Within};

use crate::access::{
    Catalogue, Error, Finding, Mode, Owner, Policy, Rules, Severity, Subject, check, compile,
};
use admit::Asking;
use chrono::Utc;
use db_core::{AuditSink, NoAudit};
use db_pool::{Pool, SessionSettings};
use db_query::Statement;
use run::Text;
use sqlx::postgres::PgArguments;
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use tell::{Counters, Teller};

/// How a [`Guard`] reads rules and what it does with them.
#[derive(Clone)]
pub struct GuardOptions {
    /// How much a decision counts.
    pub mode: Mode,
    /// Whether policies hold the owners of tables too.
    pub owner: Owner,
    /// The schema of names without one.
    pub default_schema: String,
    /// Who is told of what is refused.
    pub sink: Arc<dyn AuditSink>,
}

impl GuardOptions {
    /// In this mode, with owners held, `public` for names without a schema, and nobody told but `tracing`.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, owner: Owner::Held, default_schema: "public".to_owned(), sink: Arc::new(NoAudit) }
    }
}

impl fmt::Debug for GuardOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, owner, default_schema, sink: _ } = self;
        let mut shown = f.debug_struct("GuardOptions");
        shown.field("mode", mode).field("owner", owner).field("default_schema", default_schema);
        shown.finish_non_exhaustive()
    }
}

/// Access rules that are enforced on a pool. Cloning it is cheap, and every clone is the same guard.
///
/// In enforce mode a statement is decided before it is sent; what rules refuse never reaches the server. It runs as the
/// subject's role, with the subject's attributes (`cairn.subject.NAME`) and the actor (`cairn.actor`) in the session, so the
/// server's own rights and row-level security hold as well. Rows that rules do not show are absent: the server leaves them
/// out where it holds to the rules ([`Applied`], read at the start and by [`reload`](Self::reload)), and where it does not,
/// conditions are written into the statement, or it is refused if that cannot be.
///
/// In observe mode everything is done as the pool's login, with the same settings; what rules have against it is told. Where
/// the mode is off nothing is asked and nothing is set.
///
/// ```no_run
/// # async fn example(pool: &db_pool::Pool, rules: &db_security::access::Rules) -> Result<(), Box<dyn std::error::Error>> {
/// use db_query::{Select, col};
/// use db_security::access::{Guard, GuardOptions, Mode, Subject};
///
/// let guard = Guard::open(pool, GuardOptions::new(Mode::Enforce), rules).await?;
/// let ann = guard.subject(&Subject::new("agent").with("tenant", "acme")?)?.actor("ann")?;
/// let open = Select::from("tasks").columns(["title"]).filter(col("status").eq("open")).build()?;
/// let titles: Vec<(String,)> = ann.run(&open).all().await?;
/// # drop(titles); Ok(()) }
/// ```
#[derive(Clone)]
pub struct Guard {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Pool,
    options: GuardOptions,
    rules: RwLock<Arc<InForce>>,
    counters: Counters,
}

/// The rules that count at present.
struct InForce {
    policy: Policy,
    applied: Applied,
    findings: Vec<Finding>,
}

impl Guard {
    /// A guard by a policy that was made elsewhere, and by what of it the caller knows to hold in the database. It looks for no
    /// way past the rules; [`open`](Self::open) does.
    #[must_use]
    pub fn new(pool: &Pool, options: GuardOptions, policy: Policy, applied: Applied) -> Self {
        let in_force = InForce { policy, applied, findings: Vec::new() };
        Self::with(pool, options, in_force)
    }

    /// Puts rules together with what the database of the pool has, and looks how it holds to them.
    ///
    /// # Errors
    /// [`GuardError::Rules`]: [`Error::Rules`] where the rules do not fit the database, [`Error::Bypassed`] where in enforce mode
    /// somebody gets past them ([`check`] finds errors); [`GuardError::Pool`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn open(pool: &Pool, options: GuardOptions, rules: &Rules) -> Result<Self, GuardError> {
        let in_force = in_force(pool, &options, rules).await?;
        Ok(Self::with(pool, options, in_force))
    }

    fn with(pool: &Pool, options: GuardOptions, in_force: InForce) -> Self {
        let rules = RwLock::new(Arc::new(in_force));
        let shared = Shared { pool: pool.clone(), options, rules, counters: Counters::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Reads database and rules anew; statements that are decided from now on go by them. After an error those count that did
    /// before.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    ///
    /// # Cancel safety
    /// Dropped, it has changed nothing.
    pub async fn reload(&self, rules: &Rules) -> Result<(), GuardError> {
        let in_force = in_force(&self.shared.pool, &self.shared.options, rules).await?;
        *self.shared.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        Ok(())
    }

    /// What was found when the rules were read: ways past them, drift.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.in_force().findings.clone()
    }

    /// How much a decision counts.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.options.mode
    }

    /// What became of statements so far.
    #[must_use]
    pub fn stats(&self) -> GuardStats {
        self.shared.counters.stats()
    }

    /// A handle that runs statements on behalf of a subject, whose role is told as the actor.
    ///
    /// # Errors
    /// [`GuardError::Pool`] for what no session can carry: more than 31 attributes, values of more than 1 MiB.
    pub fn subject(&self, subject: &Subject) -> Result<Guarded, GuardError> {
        Guarded::new(self.clone(), Arc::new(subject.clone()), Arc::from(subject.role()))
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.shared.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("mode", &self.mode())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

async fn in_force(pool: &Pool, options: &GuardOptions, rules: &Rules) -> Result<InForce, GuardError> {
    let mut lease = pool.acquire().await?;
    let catalogue = Catalogue::read(&mut lease, &options.default_schema).await?;
    let policy = Policy::new(rules, catalogue)?;
    let findings = check(&mut lease, &policy, options.owner).await?;
    drop(lease);
    let errors = findings.iter().filter(|finding| finding.severity() == Severity::Error);
    let errors: Vec<Finding> = errors.cloned().collect();
    if options.mode == Mode::Enforce && !errors.is_empty() {
        return Err(Error::Bypassed { findings: errors }.into());
    }
    for finding in &findings {
        tracing::warn!(%finding, remedy = finding.remedy(), "access rules may be passed by");
    }
    let differences: Vec<_> = findings.iter().filter_map(Finding::difference).cloned().collect();
    let applied = Applied::of(&compile(&policy, options.owner), &differences);
    Ok(InForce { policy, applied, findings })
}

/// Statements on behalf of a subject. Cheap to clone.
#[derive(Clone)]
pub struct Guarded {
    guard: Guard,
    subject: Arc<Subject>,
    actor: Arc<str>,
    /// Its sessions are the subject's.
    pool: Pool,
}

impl Guarded {
    fn new(guard: Guard, subject: Arc<Subject>, actor: Arc<str>) -> Result<Self, GuardError> {
        let pool = match guard.mode() {
            Mode::Off => guard.shared.pool.clone(),
            mode => {
                let mut session = SessionSettings::new().set("cairn.actor", &*actor)?;
                for (name, value) in subject.settings() {
                    session = match (&*name, mode) {
                        ("role", Mode::Enforce) => session.role(value)?,
                        // What the rules refuse is to go through, so the login does it.
                        ("role", _) => session,
                        _ => session.set(&name, value)?,
                    };
                }
                guard.shared.pool.with_session(session)
            }
        };
        Ok(Self { guard, subject, actor, pool })
    }

    /// The same, with whoever acts in the role as the actor: in the session (`cairn.actor`) and in what is told.
    ///
    /// # Errors
    /// Those of [`Guard::subject`].
    pub fn actor(self, actor: &str) -> Result<Self, GuardError> {
        Self::new(self.guard, self.subject, Arc::from(actor))
    }

    /// Runs a statement of the subject, if the rules let it, on the rows that they show.
    #[track_caller]
    pub fn run(&self, statement: impl ToStatement) -> GuardedRun<'_> {
        let run = match self.admit(statement) {
            Ok(statement) => Ok(self.pool.run(statement)),
            Err(error) => Err(error),
        };
        GuardedRun { run, guarded: self.clone() }
    }

    /// Runs a text of SQL with its values, one statement. What it would do is read off it; where that cannot be understood, or
    /// where rules show only some rows and the server does not hold to that, enforce mode refuses it. Reading takes
    /// some tens of microseconds, longer for texts of many kilobytes.
    #[track_caller]
    pub fn run_sql(&self, text: &str, arguments: PgArguments) -> GuardedRun<'_> {
        let run = match self.admit_sql(text, arguments) {
            Ok(text) => Ok(self.pool.run(text)),
            Err(error) => Err(error),
        };
        GuardedRun { run, guarded: self.clone() }
    }

    /// On whose behalf.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    fn pool(&self) -> &Pool {
        &self.pool
    }

    fn asking<T>(&self, ask: impl FnOnce(&Asking<'_>) -> Result<T, GuardError>) -> Result<T, GuardError> {
        let in_force = self.guard.in_force();
        ask(&Asking {
            policy: &in_force.policy,
            applied: &in_force.applied,
            mode: self.guard.mode(),
            subject: &self.subject,
            now: Utc::now(),
            teller: self.teller(),
        })
    }

    fn teller(&self) -> Teller<'_> {
        Teller {
            counters: &self.guard.shared.counters,
            sink: &*self.guard.shared.options.sink,
            role: self.subject.role(),
            actor: &self.actor,
        }
    }

    fn admit(&self, statement: impl ToStatement) -> Result<Statement, GuardError> {
        if self.guard.mode() == Mode::Off {
            return Ok(statement.to_statement());
        }
        self.asking(|asking| asking.statement(statement.to_statement()))
    }

    fn admit_sql(&self, text: &str, arguments: PgArguments) -> Result<Text, GuardError> {
        if self.guard.mode() != Mode::Off {
            self.asking(|asking| asking.sql(text))?;
        }
        Ok(Text { sql: text.to_owned(), arguments: Some(arguments) })
    }

    /// That the role is one of the rules', before a transaction is begun as it.
    fn check_known(&self) -> Result<(), GuardError> {
        if self.guard.mode() == Mode::Off { Ok(()) } else { self.asking(|asking| asking.known()) }
    }

    /// A failure of what was sent; a refusal of the server's is told.
    fn judge(&self, error: db_pool::Error) -> GuardError {
        let error = GuardError::from(error);
        if self.guard.mode() == Mode::Enforce && error.is_refusal() {
            self.teller().refused_by_server();
        }
        error
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("guard", &self.guard)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// A statement that is handed over, or lent to be copied.
pub trait ToStatement {
    /// The statement.
    fn to_statement(self) -> Statement;
}

impl ToStatement for Statement {
    fn to_statement(self) -> Statement {
        self
    }
}

impl ToStatement for &Statement {
    fn to_statement(self) -> Statement {
        self.clone()
    }
}
