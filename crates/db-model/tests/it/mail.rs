//! Mail: threads in whatever order messages come, people, attachments, opinions, sums.

use chrono::{DateTime, TimeDelta, Utc};
use db_model::mail::{
    self, Direction, Email, EmailSearch, EmailStatus, EmailThread, Filed, Incoming, NewEmail,
    NewEmailAnalysis, ParticipantRole, Sides, ThreadStatus, file,
};
use db_model::user::NewUser;
use db_model::{Error, Urgency, UserId, repository};
use db_testkit::fresh_db;
use serde_json::json;
use sqlx::{Connection, PgConnection};

async fn owner(conn: &mut PgConnection, email: &str) -> UserId {
    repository::insert(conn, &NewUser::new(email)).await.expect("inserted").id
}

fn message(user: UserId, id: &str, references: &[&str]) -> NewEmail {
    let references: Vec<_> = references.iter().map(|&id| id.to_owned()).collect();
    NewEmail::new(user, Direction::Inbound)
        .message_id(id)
        .reference_ids(references)
        .subject(format!("Re: {id}"))
}

async fn put(conn: &mut PgConnection, email: NewEmail) -> Filed {
    let mut tx = conn.begin().await.expect("a transaction");
    let filed = file(&mut tx, &Incoming::new(email)).await.expect("filed");
    tx.commit().await.expect("committed");
    filed
}

async fn ids(conn: &mut PgConnection, thread: &EmailThread) -> Vec<String> {
    let messages = mail::messages(conn, thread.id, 999).await.expect("asked");
    messages.into_iter().filter_map(|email| email.message_id).collect()
}

#[tokio::test]
async fn a_conversation_is_one_thread_in_whatever_order_it_comes() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        // a <- b <- c, and d that answers b by In-Reply-To alone.
        let orders: [[usize; 4]; 6] =
            [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 1, 3], [2, 0, 3, 1], [1, 3, 0, 2], [0, 3, 2, 1]];
        for (number, order) in orders.into_iter().enumerate() {
            let user = owner(conn, &format!("u{number}@example.org")).await;
            let mails = [
                message(user, "<a>", &[]),
                message(user, "<b>", &["<a>"]),
                message(user, "<c>", &["<a>", "<b>"]),
                message(user, "<d>", &[]).in_reply_to("<b>"),
            ];
            let mut last = None;
            for position in order {
                last = Some(put(conn, mails[position].clone()).await);
            }
            let thread = last.expect("four").thread;
            assert_eq!(thread.message_count, 4, "{order:?}");
            assert_eq!(mail::threads(conn, user, 9).await.expect("asked").len(), 1, "{order:?}");
            let mut found = ids(conn, &thread).await;
            found.sort();
            assert_eq!(found, ["<a>", "<b>", "<c>", "<d>"], "{order:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn strangers_stay_apart() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let (ada, bob) = (owner(conn, "ada@example.org").await, owner(conn, "bob@example.org").await);
        put(conn, message(ada, "<a>", &[])).await;
        // The same subject, no reference; a message without any id; an answer in another mailbox.
        let same = put(conn, message(ada, "<x>", &[]).subject("Re: <a>")).await;
        let bare = put(conn, NewEmail::new(ada, Direction::Inbound)).await;
        let other = put(conn, message(bob, "<b>", &["<a>"])).await;
        for filed in [&same, &bare, &other] {
            assert_eq!(filed.thread.message_count, 1);
        }
        assert_eq!(same.thread.subject, "<a>");
        assert_eq!(mail::threads(conn, ada, 9).await.expect("asked").len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_message_is_filed_once() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        let first = put(conn, message(user, "<a>", &[])).await;
        let again = put(conn, message(user, "<a>", &[])).await;
        assert_eq!((again.known, again.email.id, again.thread.message_count), (true, first.email.id, 1));
        // Not even a deleted one comes back.
        repository::soft_delete::<Email>(conn, &first.email.id).await.expect("deleted");
        assert!(put(conn, message(user, "<a>", &[])).await.known);
        assert_eq!(mail::search(conn, user, EmailSearch::default(), 9).await.expect("asked"), []);
        let mut tx = conn.begin().await.expect("a transaction");
        let nobody = Incoming::new(message(UserId::generate(), "<a>", &[]));
        assert!(matches!(file(&mut tx, &nobody).await, Err(Error::NotFound { table: "users", .. })));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_lost_its_thread_gets_one_again() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        let first = put(conn, message(user, "<a>", &[])).await;
        repository::delete::<EmailThread>(conn, &first.thread.id).await.expect("deleted");
        let again = put(conn, message(user, "<a>", &[])).await;
        assert_eq!((again.known, again.email.id, again.thread.message_count), (true, first.email.id, 1));
        assert_eq!(again.email.thread_id, Some(again.thread.id));
        // One that was never filed goes where its answer is.
        repository::insert(conn, &message(user, "<x>", &[])).await.expect("inserted");
        let answer = put(conn, message(user, "<y>", &["<x>"])).await;
        let filed = put(conn, message(user, " <x> ", &[])).await;
        assert_eq!((filed.thread.id, filed.thread.message_count), (answer.thread.id, 2));
        assert_eq!(put(conn, message(user, "<x>", &[])).await.thread, filed.thread, "nothing is written");
    })
    .await;
}

#[tokio::test]
async fn joining_threads_is_a_change() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        let before = [put(conn, message(user, "<a>", &[])).await, put(conn, message(user, "<b>", &[])).await];
        let joined = put(conn, message(user, "<c>", &["<a>", "<b>"])).await.thread;
        let kept = &before[usize::from(joined.id == before[1].thread.id)];
        let moved = &before[usize::from(joined.id == before[0].thread.id)];
        assert_eq!(joined.version, kept.thread.version + 2, "joined, and one more message");
        let after: Email = repository::get(conn, &moved.email.id).await.expect("asked").expect("there");
        assert_eq!((after.thread_id, after.version), (Some(joined.id), moved.email.version + 1));
        assert!(after.updated_at > moved.email.updated_at);
    })
    .await;
}

#[tokio::test]
async fn a_hostile_header_is_cut() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        // More than an index entry holds, and in no way to be made small.
        let long: String = (0..3_000_u32).map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761))).collect();
        let many: Vec<String> = (0..5_000).map(|number| format!("<{number}>")).collect();
        let mut references: Vec<&str> = vec![&long];
        references.extend(many.iter().map(String::as_str));
        let filed = put(conn, message(user, "<a>", &references).in_reply_to(long.clone())).await;
        let kept = &filed.email.reference_ids;
        assert_eq!((kept.len(), kept[0].as_str(), kept[1].as_str()), (100, "<0>", "<4901>"));
        assert_eq!(kept.last().map(String::as_str), Some("<4999>"));
        assert_eq!(put(conn, message(user, "<4999>", &[])).await.thread.message_count, 2);
    })
    .await;
}

#[tokio::test]
async fn more_people_than_places_are_refused_before_anything_is_written() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let user = owner(&mut conn, "ada@example.org").await;
        let all = (0..32_769).fold(Sides::default(), |sides, _| sides.to("a@example.org"));
        let mail = Incoming { sides: all, ..Incoming::new(message(user, "<a>", &[])) };
        let error = file(&mut conn, &mail).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "email_participants takes at most 32768 rows of a kind at once, not 32769"
        );
        assert_eq!(repository::count::<Email>(&mut conn, |emails| emails).await.expect("asked"), 0);
    })
    .await;
}

#[tokio::test]
async fn two_that_belong_together_and_come_at_once_make_one_thread() {
    fresh_db(|db| async move {
        let (mut one, mut two) = (db.connect().await, db.connect().await);
        let user = owner(&mut one, "ada@example.org").await;
        let (a, b) =
            (Incoming::new(message(user, "<a>", &[])), Incoming::new(message(user, "<b>", &["<a>"])));
        let mut first = one.begin().await.expect("a transaction");
        file(&mut first, &a).await.expect("filed");
        let second = async {
            let mut tx = two.begin().await.expect("a transaction");
            let filed = file(&mut tx, &b).await.expect("filed");
            tx.commit().await.expect("committed");
            filed
        };
        // It waits for the mailbox, so the first can only be committed beside it.
        let (filed, committed) = tokio::join!(second, first.commit());
        committed.expect("committed");
        assert_eq!(filed.thread.message_count, 2);
    })
    .await;
}

#[tokio::test]
async fn a_new_message_opens_its_thread() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        let at: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().expect("a time");
        let filed = put(conn, message(user, "<a>", &[]).received_at(at)).await;
        let closed =
            repository::set_status::<EmailThread>(conn, &filed.thread.id, ThreadStatus::Closed).await;
        assert_eq!(closed.expect("legal").status, ThreadStatus::Closed);
        let own = NewEmail { direction: Direction::Outbound, ..message(user, "<b>", &["<a>"]) };
        assert_eq!(put(conn, own.received_at(at)).await.thread.status, ThreadStatus::Closed);
        let earlier = at - TimeDelta::hours(1);
        let opened = put(conn, message(user, "<c>", &["<a>"]).received_at(earlier)).await.thread;
        assert_eq!(
            (opened.status, opened.first_message_at, opened.last_message_at),
            (ThreadStatus::Open, earlier, at)
        );
    })
    .await;
}

#[tokio::test]
async fn people_and_attachments_come_with_a_message() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        let sides = Sides::default()
            .with(ParticipantRole::From, "Bob@Example.org", Some("Bob".to_owned()))
            .to("ada@example.org")
            .to("eve@example.org")
            .cc("bob@example.org");
        let mail = Incoming { sides, ..Incoming::new(message(user, "<a>", &[])) };
        let mail = mail.attach(|file| file.filename("plan.pdf").content_type("application/pdf"), 12_345);
        let filed = file(conn, &mail).await.expect("filed");
        let people = mail::of_email(conn, filed.email.id, 9).await.expect("asked");
        let told: Vec<_> =
            people.iter().map(|one| (one.role.as_str(), one.position, one.address.as_str())).collect();
        assert_eq!(
            told,
            [
                ("cc", 0, "bob@example.org"),
                ("from", 0, "Bob@Example.org"),
                ("to", 0, "ada@example.org"),
                ("to", 1, "eve@example.org")
            ]
        );
        let attached = mail::attachments(conn, filed.email.id, 9).await.expect("asked");
        assert_eq!((attached[0].filename.as_deref(), attached[0].size_bytes), (Some("plan.pdf"), 12_345));
        let reply = Incoming {
            sides: Sides::default().to("bob@EXAMPLE.org"),
            ..Incoming::new(message(user, "<b>", &["<a>"]))
        };
        file(conn, &reply).await.expect("filed");
        assert_eq!(mail::messages(conn, filed.thread.id, 1).await.expect("asked").len(), 1);
        assert_eq!(mail::of_email(conn, filed.email.id, 1).await.expect("asked").len(), 1);
        assert_eq!(mail::of_thread(conn, filed.thread.id, 1).await.expect("asked").len(), 1);
        let thread = mail::of_thread(conn, filed.thread.id, 9).await.expect("asked");
        let told: Vec<_> = thread.iter().map(|one| (one.address.as_str(), one.messages)).collect();
        assert_eq!(told, [("bob@example.org", 2), ("ada@example.org", 1), ("eve@example.org", 1)]);
        assert_eq!(thread[0].name.as_deref(), Some("Bob"));
        assert_eq!(mail::with_address(conn, user, "BOB@example.org", 9).await.expect("asked").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn messages_are_found_by_what_is_known_of_them() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        let meeting = message(user, "<a>", &[]).subject("Important meeting").priority(Urgency::High);
        put(conn, meeting.labels(vec!["work".to_owned()])).await;
        let lunch =
            put(conn, message(user, "<b>", &[]).subject("Lunch").body_text("No meeting at all")).await;
        let found = async |conn: &mut PgConnection, wanted: EmailSearch<'_>| -> Vec<String> {
            let found = mail::search(conn, user, wanted, 9).await.expect("asked");
            found.into_iter().filter_map(|email| email.message_id).collect()
        };
        let all = EmailSearch::default();
        assert_eq!(found(conn, EmailSearch { text: Some("meetings"), ..all }).await, ["<a>", "<b>"]);
        assert_eq!(found(conn, EmailSearch { text: Some("meeting -lunch"), ..all }).await, ["<a>"]);
        assert_eq!(found(conn, EmailSearch { priority: Some(Urgency::High), ..all }).await, ["<a>"]);
        assert_eq!(found(conn, EmailSearch { label: Some("work"), ..all }).await, ["<a>"]);
        assert_eq!(found(conn, EmailSearch { until: Some(DateTime::UNIX_EPOCH), ..all }).await, [""; 0]);
        let read = repository::set_status::<Email>(conn, &lunch.email.id, EmailStatus::Read).await;
        assert_eq!(read.expect("legal").status, EmailStatus::Read);
        assert_eq!(found(conn, EmailSearch { status: Some(EmailStatus::Unread), ..all }).await, ["<a>"]);
        assert_eq!(mail::unread_count(conn, user).await.expect("asked"), 1);
        assert_eq!(mail::unread(conn, user, 9).await.expect("asked").len(), 1);
        let error =
            repository::set_status::<Email>(conn, &lunch.email.id, EmailStatus::Read).await.unwrap_err();
        assert!(matches!(error, Error::Transition { from: "read", to: "read", .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn mail_adds_up() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = owner(conn, "ada@example.org").await;
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let times =
            ["2026-03-01T10:00:00Z", "2026-03-01T10:10:00Z", "2026-03-02T09:00:00Z", "2026-03-09T00:00:00Z"];
        let question = put(conn, message(user, "<a>", &[]).received_at(at(times[0]))).await;
        let answer = NewEmail { direction: Direction::Outbound, ..message(user, "<b>", &[]) };
        put(conn, answer.in_reply_to("<a>").received_at(at(times[1])).status(EmailStatus::Read)).await;
        put(conn, message(user, "<c>", &[]).received_at(at(times[2])).status(EmailStatus::Spam)).await;
        put(conn, message(user, "<d>", &[]).received_at(at(times[3]))).await;
        let opinion = NewEmailAnalysis::new(question.email.id, "m1").importance(0.2).sentiment(-0.5);
        repository::upsert(conn, &opinion).await.expect("written");
        let opinion = NewEmailAnalysis::new(question.email.id, "m2").importance(0.8).entities(json!(["Bob"]));
        repository::upsert(conn, &opinion).await.expect("written over");

        let (from, until) = (at("2026-03-01T00:00:00Z"), at(times[3]));
        let sums = mail::statistics(conn, user, from, until).await.expect("asked");
        assert_eq!((sums.messages, sums.inbound, sums.outbound, sums.unread), (3, 2, 1, 1));
        assert_eq!((sums.spam, sums.replied, sums.analysed), (1, 0, 1));
        assert_eq!((sums.importance, sums.sentiment), (Some(0.8), None), "the latest opinion counts");
        assert_eq!(mail::days(conn, user, from, until, 1).await.expect("asked").len(), 1);
        let days = mail::days(conn, user, from, until, 9).await.expect("asked");
        let told: Vec<_> = days.iter().map(|day| (day.begins_at, day.inbound, day.outbound)).collect();
        assert_eq!(told, [(from, 1, 1), (from + TimeDelta::days(1), 1, 0)]);
        let answers = mail::response_times(conn, user, from, until).await.expect("asked");
        assert_eq!((answers.answered, answers.p50), (1, Some(600.0)));
        let important = mail::most_important(conn, user, 9).await.expect("asked");
        assert_eq!(important.iter().map(|email| email.id).collect::<Vec<_>>(), [question.email.id]);
        assert_eq!(mail::top_correspondents(conn, user, from, until, 9).await.expect("asked"), []);
        let error =
            repository::upsert(conn, &NewEmailAnalysis::new(question.email.id, "m").urgency(1.5)).await;
        assert_eq!(error.unwrap_err().constraint(), Some("email_analysis_urgency_check"));
    })
    .await;
}
