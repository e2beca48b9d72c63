//! A server that is not there, or says no: what the caller is told, and that the pool gets over it.

use crate::{config, fake_server::FakeServer};
use async_trait::async_trait;
use db_core::{BoxError, Classify, PasswordProvider, Retry, Secret, with_causes};
use db_pool::{ConnectError, Error, Fault, Pool, PoolConfig};
use db_testkit::{Proxy, empty_db, eventually, fresh_db};
use std::{
    env,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

/// Long enough for any of these servers to say no on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn at(url: &str) -> PoolConfig {
    PoolConfig::from_url(url).expect("a URL").acquire_timeout(PATIENCE).max_size(1.try_into().expect("one"))
}

/// Connects in vain, and looks at what every such failure must have: the server, and no password.
async fn refusal(config: &PoolConfig, server: &str) -> ConnectError {
    let error = Pool::connect(config).await.expect_err("nobody can connect there");
    let shown = format!("{error} {error:?} {}", with_causes(&error));
    assert!(error.to_string().contains(server), "{server} is not named: {error}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(error.retry(), error.connect_error().expect("a failure to connect").retry());
    match error {
        Error::Connect(error) => error,
        other => panic!("no failure to connect: {other:?}"),
    }
}

async fn check(config: &PoolConfig, server: &str, fault: Fault, attempts: u32, retry: Retry) {
    let error = refusal(config, server).await;
    assert_eq!((error.fault, error.attempts, error.retry()), (fault, attempts, retry), "{error:?}");
    assert_eq!(error.sqlstate, None, "no server has answered");
}

/// A port of this machine that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

#[tokio::test]
async fn a_host_that_leads_nowhere_is_asked_for_once() {
    let config = at("postgresql://app:hunter2-secret@no-such-host.invalid:5432/app");
    check(&config, "no-such-host.invalid:5432/app", Fault::Unresolved, 1, Retry::Safe).await;
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_tried_three_times() {
    let server = format!("127.0.0.1:{}/app", free_port());
    let config = at(&format!("postgresql://app:hunter2-secret@{server}"));
    check(&config, &server, Fault::Refused, 3, Retry::Safe).await;
}

#[tokio::test]
async fn a_socket_folder_without_a_socket_is_tried_three_times() {
    let folder = env::temp_dir().join(format!("cairn-no-socket-{}", std::process::id()));
    let folder = folder.display();
    let config = at(&format!("postgresql:///app?user=app&password=hunter2-secret&host={folder}&port=5432"));
    check(&config, &format!("{folder}:5432/app"), Fault::Refused, 3, Retry::Safe).await;
}

#[tokio::test]
async fn a_silent_server_is_left_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("{}/app", listener.local_addr().expect("its address"));
    let config = at(&format!("postgresql://app:hunter2-secret@{server}?sslmode=disable"));
    let config = config.connect_timeout(Duration::from_millis(50));
    check(&config, &server, Fault::TimedOut, 1, Retry::Safe).await;
}

#[tokio::test]
async fn a_server_that_resets_is_tried_three_times() {
    let proxy = Proxy::start("127.0.0.1:1").await;
    proxy.refuse();
    let server = format!("{}/app", proxy.address());
    let config = at(&format!("postgresql://app:hunter2-secret@{server}?sslmode=disable"));
    check(&config, &server, Fault::Unreachable, 3, Retry::Safe).await;
    assert_eq!(proxy.traffic().connections, 3);
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_down() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        let config = at(&format!("{}?sslmode=require", server.url()));
        check(&config, &server.address().to_string(), Fault::Tls, 1, Retry::Never).await;
    })
    .await;
}

/// What the server says, what that means, how often it is asked, and what the caller may do.
const ANSWERS: [(&str, Fault, u32, Retry); 5] = [
    ("28P01", Fault::Password, 1, Retry::Never),
    ("28000", Fault::Denied, 1, Retry::Never),
    ("3D000", Fault::UnknownDatabase, 1, Retry::Never),
    ("53300", Fault::TooManyConnections, 3, Retry::Safe),
    ("XX000", Fault::Server, 1, Retry::Never),
];

#[tokio::test]
async fn what_the_server_says_is_passed_on() {
    empty_db(|db| async move {
        for (sqlstate, fault, attempts, retry) in ANSWERS {
            let server = FakeServer::start(&db).await;
            server.refuse(sqlstate);
            let error = refusal(&at(&server.url()), &server.address().to_string()).await;
            assert_eq!((error.fault, error.attempts, error.retry()), (fault, attempts, retry), "{error:?}");
            assert_eq!(error.sqlstate.as_deref(), Some(sqlstate));
            assert!(with_causes(&error).contains("says the fake server"), "{}", with_causes(&error));
            assert_eq!(server.asked(), attempts);
        }
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_retried() {
    fresh_db(|db| async move {
        let url = db.url().replace(db.name(), "no_such_database");
        let error = refusal(&at(&url), "no_such_database").await;
        assert_eq!((error.fault, error.attempts), (Fault::UnknownDatabase, 1));
        assert!(Pool::connect(&config(&db, 1)).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_server_that_starts_up_is_waited_for() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        server.refuse_next(&["57P03", "57P03"]);
        let pool = Pool::connect(&at(&server.url())).await.expect("it is ready now");
        let stats = pool.stats();
        assert_eq!((stats.opens, stats.open_failures, server.asked()), (1, 2, 3));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_takes_its_time_to_start_up_is_waited_for() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        // More than the breaker lets pass in a row, and more than the attempts at a server that refuses.
        server.refuse_next(&["57P03"; 8]);
        let pool = Pool::connect(&at(&server.url())).await.expect("it is ready now");
        assert_eq!((pool.stats().opens, server.asked()), (1, 9));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_never_ready_is_named_at_the_deadline() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        server.refuse("57P03");
        let config = at(&server.url()).acquire_timeout(Duration::from_millis(300));
        let error = Pool::connect(&config).await.expect_err("it is never ready");
        let behind = error.connect_error().expect("why");
        assert_eq!((behind.fault, behind.sqlstate.as_deref()), (Fault::NotReady, Some("57P03")), "{error:?}");
        assert_eq!(error.retry(), Retry::Safe);
    })
    .await;
}

/// Answers with another password each time.
#[derive(Debug, Default)]
struct Rotating(AtomicU32);

#[async_trait]
impl PasswordProvider for Rotating {
    async fn password(&self) -> Result<Option<Secret>, BoxError> {
        Ok(Some(Secret::new(format!("hunter2-{}", self.0.fetch_add(1, Relaxed)))))
    }
}

#[tokio::test]
async fn a_password_that_was_rotated_meanwhile_is_asked_for_once_more() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        let passwords = Arc::new(Rotating::default());
        let config = at(&server.url()).password(Arc::clone(&passwords) as Arc<dyn PasswordProvider>);
        server.refuse_next(&["28P01"]);
        let pool = Pool::connect(&config).await.expect("the second password is right");
        assert_eq!((passwords.0.load(Relaxed), server.asked(), pool.stats().open_failures), (2, 2, 0));

        server.refuse("28P01");
        assert_eq!(refusal(&config, &server.address().to_string()).await.fault, Fault::Password);
        assert_eq!(passwords.0.load(Relaxed), 4, "twice and no more");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    empty_db(|db| async move {
        let server = FakeServer::start(&db).await;
        let proxy = Proxy::start(server.address()).await;
        let pool = Pool::connect(&at(&proxy.url(&server.url()))).await.expect("connected");
        proxy.refuse();
        pool.acquire().await.expect("the idle one").close().await;
        let error = pool.acquire().await.expect_err("the server is gone");
        assert_eq!(error.connect_error().map(|error| error.fault), Some(Fault::Unreachable), "{error:?}");
        proxy.pass();
        eventually("a lease", || async { pool.acquire().await.is_ok() }).await;
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.waiting, stats.opening, stats.idle), (0, 0, 0, 1), "{stats:?}");
    })
    .await;
}
