//! A plan that was made for one role serves no other: what it asked for when it was made, it would not ask for again.

use crate::{config, eventually_idle};
use db_pool::{Error, Pool, Reset, SessionSettings};
use db_testkit::{FreshDb, empty_db};

/// The planner puts it into its caller's plan, and asks there and then whether that role may call it.
const CALL: &str = "SELECT allowed_to_some()";

/// Two roles of this test's own, of which the first may call the function.
struct Roles {
    may: String,
    may_not: String,
}

impl Roles {
    async fn make(db: &FreshDb) -> Self {
        let roles = Self { may: format!("m_{}", db.name()), may_not: format!("n_{}", db.name()) };
        let sql = format!(
            "DROP ROLE IF EXISTS \"{0}\"; DROP ROLE IF EXISTS \"{1}\"; CREATE ROLE \"{0}\"; CREATE ROLE \"{1}\";
             CREATE FUNCTION allowed_to_some() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7';
             REVOKE ALL ON FUNCTION allowed_to_some() FROM PUBLIC; GRANT EXECUTE ON FUNCTION allowed_to_some() TO \"{0}\"",
            roles.may, roles.may_not
        );
        run(db, sql).await;
        roles
    }

    async fn drop(self, db: &FreshDb) {
        for role in [self.may, self.may_not] {
            run(db, format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
        }
    }
}

async fn run(db: &FreshDb, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut db.connect().await).await.expect("run");
}

fn handle(pool: &Pool, role: &str) -> Pool {
    pool.with_session(SessionSettings::new().role(role).expect("a role"))
}

fn refused(outcome: Result<i32, Error>, case: &str) {
    match outcome {
        Err(Error::Statement { sqlstate, .. }) => assert_eq!(sqlstate.as_deref(), Some("42501"), "{case}"),
        other => panic!("{case}: {other:?}"),
    }
}

#[tokio::test]
async fn a_plan_of_one_role_is_not_run_by_another() {
    empty_db(async |db| {
        let roles = Roles::make(&db).await;
        let pool = Pool::connect(&config(&db, 1)).await.expect("connected");
        let (may, may_not) = (handle(&pool, &roles.may), handle(&pool, &roles.may_not));
        for round in 0..3 {
            assert_eq!(may.run(sqlx::query(CALL)).scalar::<i32>().await.expect("may"), 7);
            refused(may_not.run(sqlx::query(CALL)).scalar().await, &format!("a statement, round {round}"));
            let mut tx = may.begin().await.expect("begun");
            assert_eq!(tx.lease().run(sqlx::query(CALL)).scalar::<i32>().await.expect("may"), 7);
            tx.commit().await.expect("committed");
            let mut tx = may_not.begin().await.expect("begun");
            refused(
                tx.lease().run(sqlx::query(CALL)).scalar().await,
                &format!("a transaction, round {round}"),
            );
            drop(tx);
            // The login may; a plan of its own is no plan for others either.
            assert_eq!(pool.run(sqlx::query(CALL)).scalar::<i32>().await.expect("a superuser may"), 7);
            refused(
                may_not.run(sqlx::query(CALL)).scalar().await,
                &format!("after the login, round {round}"),
            );
            assert_eq!(may.run(sqlx::query(CALL)).scalar::<i32>().await.expect("may again"), 7);
        }
        eventually_idle("it came back", &pool).await;
        assert!(pool.try_acquire().is_none(), "its plans are another's, and to forget them takes waiting");
        assert_eq!(pool.run(sqlx::query(CALL)).scalar::<i32>().await.expect("a superuser may"), 7);
        assert!(pool.try_acquire().is_some());
        assert_eq!(pool.stats().opens, 1, "one connection has served them all");
        pool.close().await;
        roles.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn nor_where_the_pool_cannot_know_whose_session_it_is() {
    empty_db(async |db| {
        let roles = Roles::make(&db).await;
        let pool = Pool::connect(&config(&db, 1).reset(Reset::Never)).await.expect("connected");
        let (may, may_not) = (handle(&pool, &roles.may), handle(&pool, &roles.may_not));
        for _ in 0..2 {
            let mut tx = may.begin().await.expect("begun");
            assert_eq!(tx.lease().run(sqlx::query(CALL)).scalar::<i32>().await.expect("may"), 7);
            tx.commit().await.expect("committed");
            let mut tx = may_not.begin().await.expect("begun");
            refused(tx.lease().run(sqlx::query(CALL)).scalar().await, "another role");
            drop(tx);
        }
        pool.close().await;
        roles.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn one_role_keeps_its_plans() {
    empty_db(async |db| {
        let roles = Roles::make(&db).await;
        let pool = Pool::connect(&config(&db, 1)).await.expect("connected");
        let may = handle(&pool, &roles.may);
        // Of each prepared statement the server counts the plans that were made for any values.
        let plans =
            "SELECT coalesce(sum(generic_plans), 0)::int8 FROM pg_prepared_statements WHERE statement = $1";
        for _ in 0..3 {
            assert_eq!(may.run(sqlx::query(CALL)).scalar::<i32>().await.expect("may"), 7);
        }
        let uses: i64 = may.run(sqlx::query(plans).bind(CALL)).scalar().await.expect("counted");
        assert_eq!(uses, 3, "it was prepared once and run by the same plan");
        pool.close().await;
        roles.drop(&db).await;
    })
    .await;
}
