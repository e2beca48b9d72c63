//! Who is asking is known to the server, in transactions too, and to nobody after.

use super::{Place, no_values, run, who};
use db_core::{Classify, Retry};
use db_pool::TransactionOptions;
use db_query::{Select, Update, asc, col, count_all};
use db_security::access::{GuardError, Mode, Subject};
use db_testkit::{empty_db, eventually};
use futures_util::StreamExt;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Attribute, actor, role and search path.
const SESSION: &str = "SELECT concat_ws('/', coalesce(current_setting('cairn.subject.who', true), ''),
    coalesce(current_setting('cairn.actor', true), ''), current_user, current_setting('search_path'))";

/// What it says where nobody is asking.
fn nobody(place: &Place) -> String {
    format!("//{}/\"$user\", public", place.login)
}

fn count() -> db_query::Statement {
    Select::from("items").columns(count_all().alias("n")).build().expect("valid")
}

#[tokio::test]
async fn subjects_are_apart_on_one_connection() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let (ann, bob) = (who(&guard, &place, "ann"), who(&guard, &place, "bob"));
        for _ in 0..3 {
            assert_eq!(ann.run(count()).scalar::<i64>().await.expect("hers"), 3);
            assert_eq!(bob.run(count()).scalar::<i64>().await.expect("his"), 2);
            let reader = guard.subject(&Subject::new(&place.reader)).expect("a session");
            let links = Select::from("links").columns(["id"]).order_by(asc("id")).build().expect("valid");
            let mut rows = reader.run(links).stream::<(i64,)>();
            assert_eq!(rows.next().await.expect("a row").expect("read"), (1,));
            drop(rows);
            // On behalf of nobody the login is not in the rules' roles at all, and sees nothing of theirs.
            let told: String = sqlx::query_scalar(SESSION).fetch_one(&pool).await.expect("asked");
            assert_eq!(told, nobody(&place));
        }
        assert_eq!(guard.stats().allowed, 9);
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn a_transaction_is_the_subjects_and_ends_with_a_refusal() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let ann = who(&guard, &place, "ann");
        let rename = |note: &str| Update::table("items").set("note", note).all_rows().build().expect("valid");
        let mut tx = ann.begin().await.expect("begun");
        assert_eq!(tx.run(rename("a")).none().await.expect("hers"), 3);
        let refused = tx.run_sql("DELETE FROM links", no_values()).none().await.expect_err("no rule");
        assert!(refused.is_refusal());
        // What was not sent has not ended the transaction.
        assert_eq!(tx.run(count()).scalar::<i64>().await.expect("hers"), 3);
        tx.commit().await.expect("committed");
        let options = TransactionOptions::new();
        let rolled = ann
            .transaction(&options, async |tx| {
                tx.run(rename("b")).none().await?;
                tx.run_sql("DELETE FROM links", no_values()).none().await
            })
            .await;
        assert!(matches!(rolled, Err(GuardError::Refused(_))), "{rolled:?}");
        let done = ann.transaction(&options, async |tx| tx.run(count()).scalar::<i64>().await).await;
        assert_eq!(done.expect("committed"), 3);
        let notes: Vec<Option<String>> =
            sqlx::query_scalar("SELECT note FROM items WHERE owner = 'ann' ORDER BY id")
                .fetch_all(&mut db.connect().await)
                .await
                .expect("read");
        assert!(notes.iter().all(|note| note.as_deref() == Some("a")), "{notes:?}");
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

#[tokio::test]
async fn a_role_that_the_login_may_not_take_is_named_with_what_to_do() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let revoke = format!("REVOKE \"{}\" FROM \"{}\"", place.agent, place.login);
        run(&mut db.connect().await, &revoke).await;
        let ann = who(&guard, &place, "ann");
        let by_itself = ann.run(count()).scalar::<i64>().await.expect_err("no member");
        let in_a_transaction = ann.begin().await.expect_err("no member");
        for error in [by_itself, in_a_transaction] {
            assert!(matches!(&error, GuardError::Role { sqlstate, .. } if sqlstate == "42501"), "{error:?}");
            let told = error.to_string();
            assert!(told.contains(&place.agent) && told.contains("GRANT it to the login"), "{told}");
            assert_eq!(error.retry(), Retry::Never);
        }
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}

/// Polls a future so many times, and drops it if it has not ended by then.
async fn cut_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn whoever_is_cut_leaves_nothing_of_the_subject() {
    empty_db(|db| async move {
        let place = Place::make(&db).await;
        let pool = place.pool(&db).await;
        let guard = place.guard(&pool, Mode::Enforce).await;
        let (ann, bob) = (who(&guard, &place, "ann"), who(&guard, &place, "bob"));
        let options = TransactionOptions::new();
        let update =
            Update::table("items").set("note", "cut").filter(col("id").gt(0_i64)).build().expect("valid");
        let (mut query, mut tx) = (false, false);
        for polls in 0..200 {
            query |= cut_after(polls, ann.run(count()).scalar::<i64>()).await.is_some();
            assert_eq!(bob.run(count()).scalar::<i64>().await.expect("his"), 2, "after {polls}");
            let work = ann.transaction(&options, async |tx| {
                tx.run(&update).none().await?;
                // It never ends well, so whatever was cut is undone.
                tx.run_sql("DELETE FROM links", no_values()).none().await
            });
            tx |= cut_after(polls, work).await.is_some();
            let told: String = sqlx::query_scalar(SESSION).fetch_one(&pool).await.expect("asked");
            assert_eq!(told, nobody(&place), "after {polls}");
            if query && tx {
                break;
            }
        }
        assert!(query && tx, "they never ended: {query} {tx}");
        eventually("all is back", || async { pool.stats().recovering == 0 && pool.stats().in_use == 0 })
            .await;
        let cut: i64 = sqlx::query_scalar("SELECT count(*) FROM items WHERE note = 'cut'")
            .fetch_one(&mut db.connect().await)
            .await
            .expect("counted");
        assert_eq!(cut, 0);
        pool.close().await;
        place.drop(&db).await;
    })
    .await;
}
