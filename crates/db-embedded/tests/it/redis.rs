//! Redis, over its socket.

use crate::is_running;
use db_embedded::{Mode, Options, Redis};
use std::{io::Write, os::unix::net::UnixStream};

#[tokio::test]
async fn redis_answers_and_goes_with_its_owner() {
    let redis = Redis::start(Options::new(Mode::Ephemeral)).await.unwrap_or_else(|error| panic!("{error}"));
    let socket = redis.url().expose().strip_prefix("redis+unix://").expect("a socket URL").to_owned();
    let mut stream = UnixStream::connect(&socket).expect("it listens");
    stream.write_all(b"PING\r\n").expect("it reads");
    let pid = redis.pid().expect("started here");
    assert!(is_running(pid));
    drop(redis);
    assert!(!is_running(pid), "the server must end");
    assert!(!std::path::Path::new(&socket).exists());
}
