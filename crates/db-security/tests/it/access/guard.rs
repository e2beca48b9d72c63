//! Statements of subjects through the guard, with real roles: what is refused never reaches the server, refused rows are absent.

mod built_in;
mod drift;
mod left_behind;
mod raw;
mod row_functions;
mod rows;
mod same_name;
mod sessions;

use super::{SCHEMA, obey, role, run};
use db_core::{AuditFact, AuditOutcome, AuditSink};
use db_pool::{Pool, PoolConfig};
use db_security::access::{
    Applied, Catalogue, Guard, GuardError, GuardOptions, Guarded, Mode, Owner, Policy, Refusal, Rules,
    Subject,
};
use db_testkit::FreshDb;
use parking_lot::Mutex;
use sqlx::postgres::{PgArguments, PgConnectOptions};
use std::{num::NonZeroU32, str::FromStr, sync::Arc};

/// What was told to whoever audits: action, entity, actor, outcome.
#[derive(Default)]
struct Told(Mutex<Vec<(String, String, String, AuditOutcome)>>);

impl AuditSink for Told {
    fn note(&self, fact: &AuditFact<'_>) {
        let entity = format!("{} {}", fact.entity_type, fact.entity_id);
        assert!(fact.details.iter().all(|(_, text)| !text.contains("hush")), "{fact:?}");
        self.0.lock().push((fact.action.to_owned(), entity, fact.actor.to_owned(), fact.outcome));
    }
}

/// A database with rules that were applied to it, and a login of a service that may act as their roles.
struct Place {
    agent: String,
    reader: String,
    login: String,
    rules: Rules,
    told: Arc<Told>,
}

impl Place {
    async fn make(db: &FreshDb) -> Self {
        Self::with_rules(db, "", "").await
    }

    /// The same with more in the database, and with more rules, in which AGENT stands for the role.
    async fn with_rules(db: &FreshDb, schema: &str, rules: &str) -> Self {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        run(&mut conn, schema).await;
        let (agent, reader, login) = (role(db, "a"), role(db, "r"), role(db, "l"));
        let more = rules.replace("AGENT", &agent);
        let rules = format!(
            r#"
            [[roles]]
            name = "{agent}"
            [[roles]]
            name = "{reader}"
            [[rules]]
            name = "own"
            roles = ["{agent}"]
            effect = "allow"
            permissions = ["read", "write", "delete"]
            table = "items"
            rows = {{ owner = {{ "$subject" = "who" }} }}
            [[rules]]
            name = "some-links"
            roles = ["{reader}"]
            effect = "allow"
            permissions = ["read"]
            table = "links"
            columns = ["id", "kind"]
            rows = {{ item = {{ "$lt" = 4 }} }}
            {more}
            "#
        );
        let rules = Rules::from_toml(&rules).expect("readable");
        let catalogue = Catalogue::read(&mut conn, "public").await.expect("a catalogue");
        let policy = Policy::new(&rules, catalogue).expect("sound");
        run(&mut conn, &format!("CREATE ROLE \"{login}\" LOGIN; DROP VIEW shown")).await;
        run(&mut conn, "BEGIN").await;
        obey(&mut conn, &policy).await.expect("applied");
        run(&mut conn, "COMMIT").await;
        run(&mut conn, &format!("GRANT \"{agent}\", \"{reader}\" TO \"{login}\"")).await;
        Self { agent, reader, login, rules, told: Arc::default() }
    }

    async fn pool(&self, db: &FreshDb) -> Pool {
        let options = PgConnectOptions::from_str(db.url()).expect("a URL").username(&self.login);
        let config = PoolConfig::new(options).max_size(NonZeroU32::MIN);
        Pool::connect(&config).await.expect("connected")
    }

    fn options(&self, mode: Mode) -> GuardOptions {
        GuardOptions { sink: Arc::clone(&self.told) as Arc<dyn AuditSink>, ..GuardOptions::new(mode) }
    }

    async fn guard(&self, pool: &Pool, mode: Mode) -> Guard {
        Guard::open(pool, self.options(mode), &self.rules).await.expect("open")
    }

    /// A guard that takes nothing of the rules to hold in the database.
    async fn blind(&self, db: &FreshDb, pool: &Pool) -> Guard {
        let catalogue = Catalogue::read(&mut db.connect().await, "public").await.expect("a catalogue");
        let policy = Policy::new(&self.rules, catalogue).expect("sound");
        Guard::new(pool, self.options(Mode::Enforce), policy, Applied::nothing())
    }

    fn subject(&self, who: &str) -> Subject {
        Subject::new(&self.agent).with("who", who).expect("sound")
    }

    fn told(&self) -> Vec<(String, String, String, AuditOutcome)> {
        std::mem::take(&mut *self.told.0.lock())
    }

    /// The roles are the whole server's.
    async fn drop(self, db: &FreshDb) {
        let mut conn = db.connect().await;
        for role in [&self.login, &self.agent, &self.reader] {
            run(&mut conn, &format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
        }
    }
}

fn no_values() -> PgArguments {
    PgArguments::default()
}

/// Statements that the server has run of everybody but the test, by the counts of their tables.
async fn is_refused(run: db_security::access::GuardedRun<'_>, case: &str) -> GuardError {
    let error = run.all::<(i64,)>().await.expect_err(case);
    assert!(error.is_refusal(), "{case}: {error:?}");
    error
}

fn who(guard: &Guard, place: &Place, who: &str) -> Guarded {
    guard.subject(&place.subject(who)).expect("a session").actor(who).expect("an actor")
}

fn refused_by_rules(error: &GuardError) -> &Refusal {
    match error {
        GuardError::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

async fn applied(db: &FreshDb, rules: &Rules) -> (Policy, Applied) {
    let mut conn = db.connect().await;
    let catalogue = Catalogue::read(&mut conn, "public").await.expect("a catalogue");
    let policy = Policy::new(rules, catalogue).expect("sound");
    let applied = Applied::read(&mut conn, &policy, Owner::Held).await.expect("read");
    (policy, applied)
}
