//! A reader that holds a table: nobody queues behind us for long, the blocker is named, and the change is in when it goes.

use crate::{NOTES, apply, item, run, set};
use db_migrate::{Event, Options, Server};
use db_testkit::empty_db;

#[tokio::test]
async fn it_is_tried_again_until_the_way_is_free_and_others_pass_meanwhile() {
    empty_db(|db| async move {
        let (mut conn, mut reader, mut writer) = (db.connect().await, db.connect().await, db.connect().await);
        apply(&mut conn, &[NOTES]).await.expect("applied");
        run(&mut reader, "BEGIN; SELECT * FROM notes").await;

        let all = set(&[NOTES, item("0002_alter", "ALTER TABLE notes ADD COLUMN more int;", "SELECT 1")]);
        let server = Some(Server::from_url(db.url()).expect("the kit's URL is one"));
        let options = Options { server, ..Options::default() };
        let (tell, mut told) = tokio::sync::mpsc::channel(64);
        let mut progress = |event: &Event<'_>| {
            if let Event::Blocked { attempt, blockers, .. } = event {
                let _ =
                    tell.try_send((*attempt, blockers.iter().map(ToString::to_string).collect::<Vec<_>>()));
            }
        };
        let work = db_migrate::apply(&mut conn, &all, &options, &mut progress);
        let others = async {
            for expected in 1..=3 {
                let (attempt, blockers) = told.recv().await.expect("it is told of each attempt");
                assert_eq!(attempt, expected);
                let [blocker] = blockers.as_slice() else { panic!("{blockers:?}") };
                assert!(blocker.contains("idle in transaction"), "{blocker}");
                assert!(blocker.ends_with("SELECT * FROM notes"), "{blocker}");
                // Between two attempts nobody is in a writer's way.
                run(&mut writer, "SET lock_timeout = '5s'; INSERT INTO notes VALUES (1)").await;
            }
            run(&mut reader, "ROLLBACK").await;
        };
        let (report, ()) = tokio::join!(work, others);
        assert_eq!(report.expect("the way is free").done.len(), 1);
    })
    .await;
}
