//! A dry run that does not get its lock: the blocker is named, nobody waits behind it, and it gives up in time.

use crate::rehearse::{everything, server};
use crate::{NOTES, apply, item, run, set};
use db_migrate::{Course, Embedded, Error, Event, On, Options, rehearse};
use db_testkit::empty_db;
use std::time::Duration;

const FIRST: Embedded = item("0002_first", "CREATE INDEX notes_id ON notes (id);", "SELECT 1");
const ALTER: Embedded = item("0003_alter", "ALTER TABLE other ADD COLUMN more int;", "SELECT 1");

#[tokio::test]
async fn everything_is_rolled_back_before_a_pause() {
    empty_db(|db| async move {
        let (mut conn, mut reader, mut writer) = (db.connect().await, db.connect().await, db.connect().await);
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut conn, "CREATE TABLE other (id int)").await;
        run(&mut reader, "BEGIN; SELECT * FROM other").await;
        let all = set(&[NOTES, FIRST, ALTER]);
        let options = Options { server: Some(server(&db)), ..Options::default() };
        let (tell, mut told) = tokio::sync::mpsc::channel(64);
        let mut progress = |event: &Event<'_>| {
            if let Event::Blocked { label, blockers, .. } = event {
                let names: Vec<String> = blockers.iter().map(ToString::to_string).collect();
                let _ = tell.try_send(((*label).to_owned(), names));
            }
        };
        let server = server(&db);
        let work = rehearse(&server, &all, &Course::Up, On::Here, &options, &mut progress);
        let others = async {
            let (label, blockers) = told.recv().await.expect("it is told");
            assert_eq!(label, "0003_alter");
            assert!(blockers[0].ends_with("SELECT * FROM other"), "{blockers:?}");
            // The index of the first migration keeps writers out until it is rolled back.
            run(&mut writer, "SET lock_timeout = '5s'; INSERT INTO notes VALUES (1)").await;
            run(&mut reader, "ROLLBACK").await;
        };
        let (rehearsal, ()) = tokio::join!(work, others);
        let rehearsal = rehearsal.expect("a report");
        assert!(rehearsal.failed.is_none(), "{rehearsal:?}");
        assert!(rehearsal.attempts > 1 && rehearsal.blockers.len() == 1, "{rehearsal:?}");
        assert_eq!(rehearsal.migrations.len(), 2, "those of the last attempt");
    })
    .await;
}

#[tokio::test]
async fn it_gives_up_at_the_deadline_and_names_who_was_in_the_way() {
    empty_db(|db| async move {
        let (mut conn, mut reader) = (db.connect().await, db.connect().await);
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut conn, "CREATE TABLE other (id int)").await;
        let before = everything(&mut conn).await;
        run(&mut reader, "BEGIN; SELECT * FROM other").await;
        let options = Options {
            server: Some(server(&db)),
            lock_deadline: Duration::from_millis(300),
            ..Options::default()
        };
        let all = set(&[NOTES, FIRST, ALTER]);
        let rehearsal = rehearse(&server(&db), &all, &Course::Up, On::Auto, &options, &mut |_| {}).await;
        let rehearsal = rehearsal.expect("a report");
        let Some(Error::Statement(error)) = &rehearsal.failed else { panic!("{rehearsal:?}") };
        assert_eq!(error.sqlstate, "55P03");
        assert!(error.blockers[0].contains("SELECT * FROM other"), "{error}");
        assert_eq!(everything(&mut conn).await, before);
    })
    .await;
}
