//! A database that does not hold to the rules: enforce does not begin, observe tells, and what held is known by table.

use super::{Place, applied, no_values, run, who};
use db_security::access::{Error, Finding, Guard, GuardError, Mode, Rules, TableName};
use db_testkit::empty_db;

#[tokio::test]
async fn enforce_does_not_begin_where_somebody_gets_past() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let mut conn = db.connect().await;
        let name = TableName::parse("items", "public").expect("a name");
        let guard = place.guard(&pool, Mode::Enforce).await;
        let ann = who(&guard, &place, "ann");
        assert!(applied(&db, &place.rules).await.1.holds(&place.agent, &name));
        for (by_hand, back, is_of_rows) in [
            ("ALTER TABLE items DISABLE ROW LEVEL SECURITY", "ALTER TABLE items ENABLE ROW LEVEL SECURITY", true),
            ("CREATE POLICY other ON items USING (true)", "DROP POLICY other ON items", true),
            ("GRANT SELECT ON links TO PUBLIC", "REVOKE SELECT ON links FROM PUBLIC", false),
            ("CREATE VIEW open AS SELECT id FROM items; GRANT SELECT ON open TO PUBLIC", "DROP VIEW open", false),
        ] {
            run(&mut conn, by_hand).await;
            for refused in [
                Guard::open(&pool, place.options(Mode::Enforce), &place.rules).await.map(drop),
                guard.reload(&place.rules).await,
            ] {
                match refused.expect_err(by_hand) {
                    GuardError::Rules(Error::Bypassed { findings }) => {
                        assert!(findings.iter().all(|finding| !finding.remedy().is_empty()), "{findings:?}");
                    }
                    other => panic!("{by_hand}: {other:?}"),
                }
            }
            // What counted before goes on to count, and what is observed is told.
            assert!(ann.run_sql("SELECT id FROM links", no_values()).none().await.is_err(), "{by_hand}");
            let watching = place.guard(&pool, Mode::Observe).await;
            assert!(!watching.findings().is_empty(), "{by_hand}");
            let holds = applied(&db, &place.rules).await.1.holds(&place.agent, &name);
            assert_eq!(holds, !is_of_rows, "{by_hand}");
            run(&mut conn, back).await;
        }
        guard.reload(&place.rules).await.expect("as the rules have it");
        // The superuser of the tests is held to nothing.
        let own = db_pool::Pool::connect_url(db.url()).await.expect("connected");
        let refused = Guard::open(&own, place.options(Mode::Enforce), &place.rules).await.expect_err("a superuser");
        assert!(
            matches!(&refused, GuardError::Rules(Error::Bypassed { findings })
                if findings.iter().any(|finding| matches!(finding, Finding::Bypasses { .. }))),
            "{refused:?}"
        );
        own.close().await;
        let absent = Rules::from_toml(
            "[[roles]]\nname = \"x\"\n[[rules]]\nname = \"n\"\nroles = [\"x\"]\neffect = \"allow\"\npermissions = [\"read\"]\ntable = \"itms\"",
        );
        let refused = Guard::open(&pool, place.options(Mode::Observe), &absent.expect("readable")).await;
        assert!(matches!(refused, Err(GuardError::Rules(Error::Rules { .. }))), "{refused:?}");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
