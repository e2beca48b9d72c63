//! Channels over LISTEN and NOTIFY: what commits is heard, and every loss of the connection is a gap.

use crate::postgres::pool;
use crate::pub_sub::{Listener, listen, narrow, publish, said};
use db_cache::{Event, PostgresChannels, Topics};
use db_core::{PubSub, PubSubError};
use db_testkit::{FreshDb, Proxy, TransactionPooler, empty_db, eventually, pub_sub_conforms};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, Executor, PgConnection};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};

const LONG: Duration = Duration::from_secs(20);
/// What the connections that listen call themselves.
const LISTENS: &str = "listens";

fn at(url: &str) -> PgConnectOptions {
    url.parse().expect("a URL")
}

async fn channels(db: &FreshDb) -> PostgresChannels {
    PostgresChannels::new(pool(db, 2).await, at(db.url()).application_name(LISTENS)).deadline(LONG)
}

/// Ends the session that listens, as a failover does.
async fn cut_off(db: &FreshDb) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = $1";
    let ended: i64 =
        sqlx::query_scalar(end).bind(LISTENS).fetch_one(&mut db.connect().await).await.expect("ended");
    assert!(ended > 0, "somebody listened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    empty_db(|db| async move {
        let channels = channels(&db).await;
        pub_sub_conforms(&channels).await;
        let stats = channels.stats();
        assert_eq!((stats.subscriptions, stats.reconnects), (0, 0), "{stats:?}");
        eventually("nobody listens any more", || async {
            let listening = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = $1";
            let mut conn = db.connect().await;
            let left = sqlx::query_scalar(listening).bind(LISTENS).fetch_one(&mut conn).await;
            left.is_ok_and(|left: i64| left == 0)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_a_gap_for_everybody_and_what_comes_after_is_heard() {
    empty_db(|db| async move {
        let (away, here) = (channels(&db).await, channels(&db).await);
        let (mut one, mut other) = (listen(&away, "a").await, listen(&away, "b").await);
        for round in 1..4 {
            publish(&here, "a", "before").await;
            one.hears(&["before"]).await;
            cut_off(&db).await;
            one.hears_a_gap(None).await;
            other.hears_a_gap(None).await;
            publish(&here, "b", "after").await;
            other.hears(&["after"]).await;
            assert_eq!((one.at_once(), away.stats().reconnects), (None, round));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_published_in_a_transaction_is_heard_at_its_commit_or_never() {
    empty_db(|db| async move {
        let channels = channels(&db).await;
        let mut listener = listen(&channels, "c").await;
        let mut conn = db.connect().await;
        let mut tx = conn.begin().await.expect("begun");
        channels.publish_in(&mut tx, "c", b"rolled back").await.expect("published");
        tx.rollback().await.expect("rolled back");
        let mut tx = conn.begin().await.expect("begun");
        for _ in 0..2 {
            channels.publish_in(&mut tx, "c", b"committed").await.expect("published");
        }
        publish(&channels, "c", "meanwhile").await;
        listener.hears(&["meanwhile"]).await;
        tx.commit().await.expect("committed");
        listener.hears(&["committed", "committed"]).await;
        publish(&channels, "c", "last").await;
        listener.hears(&["last"]).await;

        let topics = Topics::new("shop", Arc::new(channels.clone())).expect("a name");
        let topic = topics.topic::<u64>("paid").expect("a name");
        let mut subscriber = topic.subscribe().await.expect("subscribed");
        let mut tx = conn.begin().await.expect("begun");
        let (channel, message) = topic.message(&7).expect("a number");
        channels.publish_in(&mut tx, channel, &message).await.expect("published");
        tx.commit().await.expect("committed");
        assert_eq!(subscriber.next().await, Event::Message(7));
    })
    .await;
}

#[tokio::test]
async fn one_that_is_too_slow_hears_how_many_it_missed() {
    empty_db(|db| async move {
        let channels = channels(&db).await.room(narrow(5));
        let (mut slow, mut quick) = (listen(&channels, "c").await, listen(&channels, "c").await);
        for number in 0..20 {
            publish(&channels, "c", &number.to_string()).await;
            quick.hears(&[&number.to_string()]).await;
        }
        slow.hears_a_gap(Some(15)).await;
        slow.hears(&["15", "16", "17", "18", "19"]).await;
    })
    .await;
}

#[tokio::test]
async fn what_nobody_can_read_may_have_been_for_anybody() {
    empty_db(|db| async move {
        let channels = channels(&db).await;
        let mut listener = listen(&channels, "c").await;
        let mut conn = db.connect().await;
        conn.execute("NOTIFY cairn_pub_sub, 'of another version'").await.expect("notified");
        conn.execute("NOTIFY something_else, 'is none of ours'").await.expect("notified");
        listener.hears_a_gap(None).await;
        publish(&channels, "c", "after").await;
        listener.hears(&["after"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_one_that_is_lost() {
    empty_db(|db| async move {
        let (proxy, options) = behind_proxy(&db).await;
        let soon = Duration::from_millis(300);
        let away = PostgresChannels::new(pool(&db, 1).await, options).deadline(LONG).heartbeat(soon, soon);
        let mut listener = listen(&away, "c").await;
        publish(&away, "c", "before").await;
        listener.hears(&["before"]).await;
        proxy.silence();
        publish(&away, "c", "into silence").await;
        listener.hears_a_gap(None).await;
        publish(&away, "c", "after").await;
        listener.hears(&["after"]).await;
    })
    .await;
}

/// There LISTEN is done by a session that somebody else has the next moment.
#[tokio::test]
async fn behind_a_pooler_of_transactions_subscribing_fails() {
    empty_db(|db| async move {
        let pooler = TransactionPooler::start(&db, 2).await;
        let channels =
            PostgresChannels::new(pool(&db, 1).await, at(&pooler.url(&db)).extra_float_digits(None));
        let channels = channels.deadline(LONG).heartbeat(LONG, Duration::from_millis(500));
        let subscribed = channels.subscribe("c").await.map(drop);
        let error = subscribed.expect_err("nothing would be heard");
        assert!(db_core::with_causes(&error).contains("pooler"), "{error:?}");
        assert_eq!(channels.stats().subscriptions, 0);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_no_secret_is() {
    empty_db(|db| async move {
        let nowhere = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(1).password("hunter2");
        let channels = PostgresChannels::new(pool(&db, 1).await, nowhere).deadline(LONG);
        for _ in 0..3 {
            let subscribed = channels.subscribe("c").await.map(drop);
            let error = subscribed.expect_err("nobody is there");
            let shown = format!("{error:?} {channels:?} {}", db_core::with_causes(&error));
            assert!(
                matches!(error, PubSubError::Unavailable { .. }) && !shown.contains("hunter2"),
                "{shown}"
            );
        }
        publish(&channels, "c", "by the pool").await;
        assert_eq!((channels.stats().subscriptions, channels.stats().published), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn what_a_transaction_cannot_do_is_told() {
    empty_db(|db| async move {
        let channels = channels(&db).await;
        let mut conn: PgConnection = db.connect().await;
        conn.execute("BEGIN").await.expect("begun");
        conn.execute("SELECT 1 / 0").await.expect_err("fails");
        let refused = channels.publish_in(&mut conn, "c", b"m").await;
        assert!(matches!(&refused, Err(PubSubError::Refused { .. })), "{refused:?}");
        assert_eq!(channels.stats().published, 0);
    })
    .await;
}

#[test]
fn a_runtime_that_ended_is_a_gap() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut listener: Option<(PostgresChannels, Listener)> = None;
    runtime().block_on(empty_db(|db| {
        let listener = &mut listener;
        async move {
            std::thread::scope(|scope| {
                let first = scope.spawn(|| {
                    runtime().block_on(async {
                        let channels = channels(&db).await;
                        let mut heard = listen(&channels, "c").await;
                        publish(&channels, "c", "first").await;
                        heard.hears(&["first"]).await;
                        (channels, heard)
                    })
                });
                *listener = Some(first.join().expect("no panic"));
            });
            let (_, mut heard) = listener.take().expect("it is there");
            let here = channels(&db).await;
            heard.hears_a_gap(None).await;
            publish(&here, "c", "second").await;
            assert_eq!(heard.next().await, said("second"));
        }
    }));
}

/// The test's server behind a relay that can fall silent, whether it listens on TCP or in a folder.
async fn behind_proxy(db: &FreshDb) -> (Proxy, PgConnectOptions) {
    let there = at(db.url());
    let target = match there.get_socket() {
        Some(folder) => forward(folder.join(format!(".s.PGSQL.{}", there.get_port()))).await,
        None => (there.get_host().to_owned(), there.get_port()),
    };
    let proxy = Proxy::start(target).await;
    let here = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(proxy.address().port())
        .username(there.get_username())
        .database(db.name())
        .ssl_mode(PgSslMode::Disable);
    (proxy, here)
}

/// A TCP port that leads to a socket in a folder.
async fn forward(socket: PathBuf) -> (String, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = UnixStream::connect(&socket).await.expect("the server listens");
            tokio::spawn(async move { drop(copy_bidirectional(&mut client, &mut server).await) });
        }
    });
    ("127.0.0.1".to_owned(), port)
}
