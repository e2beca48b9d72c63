//! Redis does not tell, or not any more: nothing old is given out, and all is as before when it tells again.

use crate::common::{Source, ms, plain, read};
use crate::redis_server::{LONG, Server, options};
use crate::redis_tracking::{KEY, Process, SOON, often, untold};
use db_cache::Track;
use db_testkit::{Proxy, eventually};

/// Ends every connection that is told of changes.
pub(crate) fn kill_trackers(server: &Server) -> usize {
    let clients = server.cli(&["CLIENT", "LIST"]);
    let field = |line: &str, name: &str| {
        let field = line.split(' ').find_map(|field| field.strip_prefix(name));
        field.unwrap_or_default().to_owned()
    };
    let trackers = clients.lines().filter(|line| field(line, "flags=").contains('t'));
    trackers.filter(|line| server.cli(&["CLIENT", "KILL", "ID", &field(line, "id=")]) == "1").count()
}

#[tokio::test]
async fn a_connection_that_is_killed_while_a_key_changes_is_no_harm() {
    let server = Server::start(&[]);
    let one = Process::start(&options(&server.url()), untold(), often()).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    for round in 1..=5 {
        one.keeps(&source, round).await;
        assert_eq!(kill_trackers(&server), 1);
        server.cli(&["DEL", KEY]);
        one.hears_all().await;
        let tracked = one.tracking.tracked();
        assert_eq!((tracked.gaps, tracked.refusal), (round, None));
        assert!(tracked.losses >= round);
        assert_eq!(read(&one.numbers, &source).await, Some(round + 1));
    }
}

#[tokio::test]
async fn what_changes_while_nobody_is_told_is_dropped() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(("127.0.0.1", server.port())).await;
    let one = Process::start(&options(&format!("redis://{}", proxy.address())), untold(), often()).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    // As a router does that has forgotten a connection.
    proxy.silence();
    server.cli(&["DEL", KEY]);
    assert!(!one.tracking.has_heard_all(ms(100)).await, "nothing is heard");
    proxy.pass();
    one.hears_all().await;
    assert_eq!(one.tracking.tracked().gaps, 1);
    assert_eq!(read(&one.numbers, &source).await, Some(2));
    one.keeps(&source, 2).await;
}

#[tokio::test]
async fn while_redis_is_paused_nothing_is_given_out_unasked() {
    let server = Server::start(&[]);
    let one = Process::start(&options(&server.url()), untold(), often()).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    server.pause();
    eventually("the source is asked", async || {
        let before = source.asked();
        read(&one.numbers, &source).await;
        source.asked() > before
    })
    .await;
    for _ in 0..5 {
        let before = source.asked();
        assert_eq!(read(&one.numbers, &source).await, Some(before + 1), "each time from then on");
    }
    server.go_on();
    one.hears_all().await;
    eventually("values are kept again", async || {
        read(&one.numbers, &source).await;
        let before = one.numbers.stats().local_hits;
        read(&one.numbers, &source).await;
        one.numbers.stats().local_hits > before
    })
    .await;
    assert!(one.tracking.tracked().losses > 0, "{:?}", one.tracking);
}

#[tokio::test]
async fn a_connection_that_ends_takes_the_trust_with_it() {
    let mut server = Server::start(&[]);
    let mut how = often();
    how.trust_for = LONG;
    let one = Process::start(&options(&server.url()), untold(), how).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    one.keeps(&source, 1).await;
    server.kill();
    eventually("the source is asked", async || read(&one.numbers, &source).await > Some(1)).await;
    server.start_again();
    one.hears_all().await;
    eventually("values are kept again", async || {
        let before = one.numbers.stats().local_hits;
        read(&one.numbers, &source).await;
        one.numbers.stats().local_hits > before
    })
    .await;
}

#[tokio::test]
async fn one_that_is_not_there_yet_is_tracked_when_it_comes() {
    let mut server = Server::stopped(&[]);
    let one = Process::begin(&options(&server.url()), untold(), often());
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1), "the source is there");
    assert!(!one.tracking.is_tracking(ms(1)).await);
    server.start_again();
    one.hears_all().await;
    assert_eq!(one.tracking.tracked().gaps, 0, "nothing was kept before");
    eventually("the store is used", async || {
        read(&one.numbers, &source).await;
        one.numbers.stats().local_hits > 0
    })
    .await;
}

/// Whoever does not tell is told of, and values have a time of their own.
async fn refuses(server: &Server, url: &str, how: Track) -> Process {
    let mut policy = plain(LONG);
    policy.local_ttl = LONG;
    let one = Process::begin(&options(url), policy, how);
    eventually("it is told", async || one.tracking.tracked().refusal.is_some()).await;
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    let trips = one.store.statistics().round_trips;
    assert_eq!((read(&one.numbers, &source).await, one.store.statistics().round_trips), (Some(1), trips));
    server.cli(&["DEL", KEY]);
    assert_eq!(read(&one.numbers, &source).await, Some(1), "nobody told it");
    assert!(!one.tracking.has_heard_all(ms(1)).await);
    one
}

#[tokio::test]
async fn one_that_cannot_tell_is_told_of() {
    for (command, told) in [("HELLO", "HELLO"), ("CLIENT", "unknown command")] {
        // As versions before 6 are.
        let server = Server::start(&["--rename-command", command, ""]);
        let one = refuses(&server, &server.url(), often()).await;
        let refusal = one.tracking.tracked().refusal.expect("as it was");
        assert!(refusal.contains(told), "{refusal}");
        assert_eq!(one.tracking.tracked().losses, 0);
    }
}

#[tokio::test]
async fn one_that_may_not_tell_us_is_told_of_and_tried_again() {
    let server = Server::start(&[]);
    let allow = |what: &str| {
        let told = server.cli(&["ACL", "SETUSER", "cache", "on", ">hunter2", "~app:*", "+@all", what]);
        assert_eq!(told, "OK");
    };
    allow("-client|tracking");
    let url = format!("redis://cache:hunter2@127.0.0.1:{}", server.port());
    let mut how = often();
    how.refused_for = ms(50);
    let one = refuses(&server, &url, how).await;
    let shown = format!("{:?} {:?}", one.tracking, one.tracking.tracked());
    assert!(shown.contains("NOPERM") && !shown.contains("hunter2"), "{shown}");
    allow("+client|tracking");
    assert!(one.tracking.is_tracking(SOON).await);
    let tracked = one.tracking.tracked();
    assert_eq!((tracked.refusal, tracked.gaps), (None, 0));
    let source = Source::new();
    assert_eq!(read(&one.numbers, &source).await, Some(1));
    assert_eq!(source.asked(), 1, "what was kept until then is dropped");
    one.keeps(&source, 1).await;
    server.cli(&["DEL", KEY]);
    one.hears_all().await;
    assert_eq!(read(&one.numbers, &source).await, Some(2));
}
