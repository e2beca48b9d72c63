//! `db migrate snapshot` and `drift`: a database that was changed by hand, and files that cannot be read.

use crate::{expect, folder, migrate, on, write};
use db_testkit::empty_db;
use serde_json::json;

#[tokio::test]
async fn what_was_changed_by_hand_is_told() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int);");
        write(folder.path(), "m/0001_a/down.sql", "DROP TABLE a;");
        expect(&at(&["up"]), 0, "1 migration applied");
        expect(&at(&["drift"]), 0, "no drift");
        expect(&at(&["snapshot", "--output", "now.txt"]), 0, "written to now.txt");
        expect(&at(&["snapshot", "--output", "made.txt", "--from-migrations"]), 0, "written to made.txt");
        let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file");
        assert_eq!(file("now.txt"), file("made.txt"));
        expect(&at(&["snapshot"]), 0, "column public.a.id");

        let mut conn = fresh.connect().await;
        sqlx::raw_sql("ALTER TABLE a ADD COLUMN hasty int").execute(&mut conn).await.expect("altered");
        let drift = at(&["drift", "--json"]);
        assert_eq!(
            (drift.code, &drift.json()["drift"]),
            (Some(3), &json!(["column public.a.hasty is extra"]))
        );
        expect(&at(&["drift", "--snapshot", "now.txt"]), 3, "column public.a.hasty is extra");
        sqlx::raw_sql("ALTER TABLE a DROP COLUMN hasty; ALTER TABLE a DROP id; ALTER TABLE a ADD id int")
            .execute(&mut conn)
            .await
            .expect("altered");
        expect(&at(&["drift", "--snapshot", "now.txt"]), 0, "no drift");
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_is_named_with_its_line() {
    empty_db(|fresh| async move {
        let folder = folder();
        let drift = |file: &str| on(fresh.url(), folder.path(), &["migrate", "drift", "--snapshot", file]);
        write(folder.path(), "newer.txt", "schema snapshot, format 2\n");
        write(folder.path(), "damaged.txt", "schema snapshot, format 1\ntable public.a\nnonsense\n");
        write(folder.path(), "binary.txt", [0xff, 0xfe]);
        expect(&drift("newer.txt"), 2, "newer.txt: line 1 is \"schema snapshot, format 2\"");
        expect(&drift("damaged.txt"), 2, "damaged.txt: line 3 is \"nonsense\"");
        expect(&drift("binary.txt"), 2, "cannot read the snapshot binary.txt");
        expect(&drift("absent.txt"), 2, "cannot read the snapshot absent.txt");
    })
    .await;
}
