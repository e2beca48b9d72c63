//! Tables are audited as they are told to be, and what cannot be is told before anything is written.

use super::log::{master, pool};
use db_pool::Pool;
use db_security::audit::{
    AuditedTable, Drift, Error, TableAudit, TableError, Unfit, audited_tables, disable, enable,
};
use db_testkit::fresh_db;
use sqlx::{AssertSqlSafe, Executor as _};

async fn run(pool: &Pool, sql: &str) {
    let mut lease = pool.acquire().await.expect("a lease");
    lease
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn people(pool: &Pool) {
    const MAKE: &str = "CREATE TABLE people (id int, region text, email text, secret text, \"Odd, \"\"name\" int, \
        PRIMARY KEY (region, id)); CREATE SCHEMA app; CREATE TABLE app.orders (id int PRIMARY KEY)";
    run(pool, MAKE).await;
}

async fn tables(pool: &Pool) -> Vec<AuditedTable> {
    let mut lease = pool.acquire().await.expect("a lease");
    audited_tables(&mut lease, Some(&master())).await.expect("listed")
}

async fn begin(pool: &Pool, audit: TableAudit) -> Result<String, Error> {
    let mut lease = pool.acquire().await.expect("a lease");
    enable(&mut lease, &audit).await
}

async fn noted(pool: &Pool) -> i64 {
    pool.run("SELECT count(*) FROM audit_inbox").scalar().await.expect("counted")
}

#[tokio::test]
async fn what_was_told_is_what_is_listed() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        people(&pool).await;
        assert!(tables(&pool).await.is_empty());
        let audit = TableAudit::new("people")
            .entity_type("persons")
            .exclude(["secret", "Odd, \"name"])
            .personal(["email"])
            .subject("id");
        assert_eq!(begin(&pool, audit).await.expect("begun"), "people");
        assert_eq!(begin(&pool, TableAudit::new("app.orders")).await.expect("begun"), "app.orders");
        let [orders, people] = &tables(&pool).await[..] else { panic!("two") };
        assert_eq!((orders.table.as_str(), orders.entity_type.as_str()), ("app.orders", "orders"));
        assert_eq!((people.table.as_str(), people.entity_type.as_str()), ("people", "persons"));
        assert_eq!(people.keys, ["region", "id"]);
        assert_eq!(people.excluded, ["secret", "Odd, \"name"]);
        assert_eq!(
            (people.personal.as_slice(), people.subject.as_deref()),
            (&["email".to_owned()][..], Some("id"))
        );
        assert!(people.drift.is_empty() && orders.drift.is_empty(), "{people:?} {orders:?}");
        let mut lease = pool.acquire().await.expect("a lease");
        assert_eq!(disable(&mut lease, "people").await.expect("ended"), ("people".to_owned(), true));
        assert_eq!(disable(&mut lease, "people").await.expect("ended"), ("people".to_owned(), false));
        drop(lease);
        assert_eq!(tables(&pool).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_told_before_anything_is_written() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        people(&pool).await;
        run(&pool, "CREATE VIEW seen AS TABLE people; CREATE MATERIALIZED VIEW kept AS TABLE people; CREATE SEQUENCE counts").await;
        let before = noted(&pool).await;
        let no_table = |table: &str, nearest: Option<&str>| TableError::NoTable {
            table: table.to_owned(),
            nearest: nearest.map(str::to_owned),
        };
        let no_column = |column: &str, nearest: Option<&str>| TableError::NoColumn {
            table: "people".to_owned(),
            column: column.to_owned(),
            nearest: nearest.map(str::to_owned),
        };
        let unfit = |column: &str, why| TableError::Column {
            table: "people".to_owned(),
            column: column.to_owned(),
            why,
        };
        let people = || TableAudit::new("people");
        for (audit, expected) in [
            (TableAudit::new("peopel"), no_table("peopel", Some("people"))),
            (TableAudit::new("People"), no_table("People", Some("people"))),
            (TableAudit::new("zzz"), no_table("zzz", None)),
            (TableAudit::new(""), no_table("", None)),
            (TableAudit::new("people; DROP TABLE people"), no_table("people; DROP TABLE people", Some("people"))),
            (people().exclude(["secrt"]), no_column("secrt", Some("secret"))),
            (people().personal(["mail"]), no_column("mail", Some("email"))),
            (people().personal(["email"]).subject("ids"), no_column("ids", Some("id"))),
            (people().exclude(["id"]), unfit("id", Unfit::ExcludedKey)),
            (people().personal(["region"]), unfit("region", Unfit::PersonalKey)),
            (people().personal(["email"]).exclude(["email"]), unfit("email", Unfit::ExcludedAndPersonal)),
            (people().personal(["email"]).subject("email"), unfit("email", Unfit::PersonalSubject)),
            (people().subject("id"), TableError::IdleSubject { table: "people".to_owned() }),
        ] {
            let refused = begin(&pool, audit).await;
            let Err(Error::Table(error)) = refused else { panic!("{expected}: {refused:?}") };
            assert_eq!(error, expected);
        }
        for own in ["seen", "kept", "counts", "audit_inbox", "audit_events", "audit_keys"] {
            let refused = begin(&pool, TableAudit::new(own)).await;
            assert!(matches!(refused, Err(Error::Table(TableError::NoRows { .. }))), "{own}: {refused:?}");
        }
        let refused = begin(&pool, people().entity_type("")).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "entity_type", .. })), "{refused:?}");
        assert_eq!(noted(&pool).await, before);
        assert!(tables(&pool).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_is_not_as_it_was_told_is_listed_so() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        people(&pool).await;
        let audit = TableAudit::new("people").exclude(["secret"]).personal(["email"]);
        begin(&pool, audit).await.expect("begun");
        let mut lease = pool.acquire().await.expect("a lease");
        let listed = audited_tables(&mut lease, None).await.expect("listed");
        assert_eq!(listed[0].drift, [Drift::NoMasterKey]);
        drop(lease);
        for (alter, expected) in [
            (
                "ALTER TABLE people DISABLE TRIGGER audit_row_changed",
                Drift::SwitchedOff { trigger: "audit_row_changed".to_owned() },
            ),
            (
                "ALTER TABLE people ENABLE TRIGGER audit_row_changed",
                Drift::SwitchedOff { trigger: "audit_row_changed".to_owned() },
            ),
            (
                "ALTER TABLE people ENABLE REPLICA TRIGGER audit_table_truncated",
                Drift::SwitchedOff { trigger: "audit_table_truncated".to_owned() },
            ),
            ("DROP TRIGGER audit_table_truncated ON people", Drift::TruncateUnnoted),
            ("ALTER TABLE people DROP COLUMN secret", Drift::ColumnGone { column: "secret".to_owned() }),
            (
                "ALTER TABLE people DROP CONSTRAINT people_pkey, ADD PRIMARY KEY (id)",
                Drift::KeyChanged {
                    noted: vec!["region".to_owned(), "id".to_owned()],
                    is: vec!["id".to_owned()],
                },
            ),
        ] {
            run(&pool, alter).await;
            let listed = tables(&pool).await;
            assert!(listed[0].drift.contains(&expected), "{alter}: {listed:?}");
        }
        let again = TableAudit::new("people").personal(["email"]);
        begin(&pool, again).await.expect("begun anew");
        assert_eq!(tables(&pool).await[0].drift, []);
    })
    .await;
}

#[tokio::test]
async fn a_partitioned_table_is_listed_once() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(
            &pool,
            "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); \
            CREATE TABLE parts_few PARTITION OF parts FOR VALUES FROM (0) TO (9)",
        )
        .await;
        begin(&pool, TableAudit::new("parts")).await.expect("begun");
        let listed = tables(&pool).await;
        assert_eq!(listed.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["parts"]);
        assert!(listed[0].drift.is_empty(), "{listed:?}");
    })
    .await;
}

#[tokio::test]
async fn a_partition_that_is_emptied_is_noted_and_one_that_is_switched_off_is_listed() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        run(
            &pool,
            "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); \
            CREATE TABLE parts_few PARTITION OF parts FOR VALUES FROM (0) TO (9)",
        )
        .await;
        begin(&pool, TableAudit::new("parts").entity_type("zäh")).await.expect("begun");
        run(&pool, "TRUNCATE parts_few").await;
        let emptied: i64 = pool
            .run("SELECT count(*) FROM audit_inbox WHERE action = 'truncate' AND details = '{\"partition\": \"public.parts_few\"}'")
            .scalar()
            .await
            .expect("counted");
        assert_eq!(emptied, 1);
        let off = |trigger: &str| Drift::PartitionSwitchedOff {
            partition: "parts_few".to_owned(),
            trigger: trigger.to_owned(),
        };
        for trigger in ["audit_row_changed", "audit_table_truncated"] {
            run(&pool, &format!("ALTER TABLE parts_few DISABLE TRIGGER {trigger}")).await;
            assert_eq!(tables(&pool).await[0].drift, [off(trigger)]);
            run(&pool, &format!("ALTER TABLE parts_few ENABLE ALWAYS TRIGGER {trigger}")).await;
        }
        run(&pool, "CREATE TABLE parts_more PARTITION OF parts FOR VALUES FROM (9) TO (99)").await;
        let unnoted = Drift::PartitionTruncateUnnoted { partition: "parts_more".to_owned() };
        assert_eq!(tables(&pool).await[0].drift, [unnoted]);
        begin(&pool, TableAudit::new("parts").entity_type("zäh")).await.expect("begun again");
        assert_eq!(tables(&pool).await[0].drift, []);
        let mut lease = pool.acquire().await.expect("a lease");
        assert!(disable(&mut lease, "parts").await.expect("ended").1);
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audit\\_%' AND tgrelid::regclass::text LIKE 'parts%'")
            .fetch_one(&mut *lease)
            .await
            .expect("counted");
        assert_eq!(left, 0);
        let kinds: Vec<String> = sqlx::query_scalar("SELECT DISTINCT entity_type FROM audit_inbox WHERE action = 'audit.disable'")
            .fetch_all(&mut *lease)
            .await
            .expect("read");
        assert_eq!(kinds, ["zäh"]);
    })
    .await;
}

#[tokio::test]
async fn a_trigger_of_that_name_that_is_somebody_elses_stays() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        people(&pool).await;
        run(
            &pool,
            "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
            CREATE TRIGGER audit_row_changed AFTER INSERT ON people EXECUTE FUNCTION mine(); \
            CREATE TRIGGER audit_table_truncated AFTER TRUNCATE ON people EXECUTE FUNCTION mine()",
        )
        .await;
        let mut lease = pool.acquire().await.expect("a lease");
        assert!(!disable(&mut lease, "people").await.expect("nothing").1);
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audit\\_%' AND tgrelid = 'people'::regclass",
        )
        .fetch_one(&mut *lease)
        .await
        .expect("counted");
        assert_eq!(left, 2);
    })
    .await;
}
