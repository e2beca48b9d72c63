//! What somebody vouches for is accepted, and nothing is run for it.

use crate::{NOTES, apply, item, set, tables};
use db_migrate::{Embedded, Error, Options, Problem};
use db_testkit::empty_db;

const TAGS: Embedded = item("0002_tags", "CREATE TABLE tags (id int);", "DROP TABLE tags;");

#[tokio::test]
async fn accepts_what_was_edited_and_forgets_what_is_missing() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        apply(&mut conn, &[NOTES, TAGS]).await.expect("applied");
        let edited = Embedded { up: "CREATE TABLE notes (id int, text text); -- why", ..NOTES };
        apply(&mut conn, &[edited]).await.expect_err("it was edited, and one is missing");

        let options = Options::default();
        let accepted =
            db_migrate::repair(&mut conn, &set(&[edited]), &options, &mut |_| {}).await.expect("accepted");
        let [Problem::Edited { diff: Some(diff), .. }, Problem::Missing { label }] = accepted.as_slice()
        else {
            panic!("{accepted:?}")
        };
        assert!(diff.contains("+CREATE TABLE notes (id int, text text); -- why"), "{diff}");
        assert_eq!(label, "0002_tags");
        assert!(apply(&mut conn, &[edited]).await.expect("nothing is wrong any more").done.is_empty());
        assert_eq!(tables(&mut conn).await, ["notes", "tags"]);
    })
    .await;
}

#[tokio::test]
async fn a_baseline_takes_what_is_there_as_migrated() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        let (all, options) = (set(&[NOTES, TAGS]), Options::default());
        let unknown = db_migrate::baseline(&mut conn, &all, "7", &options, &mut |_| {}).await;
        assert!(matches!(unknown, Err(Error::Plan(_))), "{unknown:?}");
        let taken = db_migrate::baseline(&mut conn, &all, "1", &options, &mut |_| {}).await.expect("taken");
        assert_eq!(taken, ["0001_notes"]);
        apply(&mut conn, &[NOTES, TAGS]).await.expect("the rest is applied");
        assert_eq!(tables(&mut conn).await, ["tags"]);
        let again = db_migrate::baseline(&mut conn, &all, "2", &options, &mut |_| {}).await;
        assert!(matches!(again, Err(Error::NotEmpty { .. })), "{again:?}");
    })
    .await;
}
