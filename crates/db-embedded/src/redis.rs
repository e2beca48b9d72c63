//! Redis: given, found, or started; nothing it holds is kept.

use crate::{
    Error, Options, Way,
    account::RunAs,
    cluster::{file, tail},
    guardian::{Guardian, Server, StopSignal},
    install, private,
    scratch::Scratch,
};
use db_core::Secret;
use std::{
    fmt,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// A Redis to run against, over a unix socket. Dropping it stops what it started.
pub struct Redis {
    url: Secret,
    pid: Option<u32>,
    // The server goes before its folder.
    _server: Option<(Guardian, Scratch)>,
}

impl Redis {
    /// Finds or starts a server; the mode, port and data folder of `options` do not apply.
    ///
    /// # Errors
    /// [`Error::NoServer`] when there is no binary and none may be installed; else what kept it from starting.
    ///
    /// # Cancel safety
    /// A dropped future stops the server as soon as it is up.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(options: Options) -> Result<Self, Error> {
        match tokio::task::spawn_blocking(move || Self::start_blocking(&options)).await {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// The same for callers without a runtime.
    ///
    /// # Errors
    /// Those of [`Redis::start`].
    pub fn start_blocking(options: &Options) -> Result<Self, Error> {
        if let Some(url) = &options.url {
            return Ok(Self { url: url.clone(), pid: None, _server: None });
        }
        let missing = Way {
            name: "native binary",
            why: "no redis-server on PATH".to_owned(),
            fix: "install Redis from https://redis.io/docs/latest/operate/oss_and_stack/install".to_owned(),
        };
        let find = || options.search.program("redis-server");
        let program = install::find_or_install("Redis", missing, options, find).map_err(|closed| {
            let given = Way {
                name: "a given URL",
                why: "none was given".to_owned(),
                fix: "set REDIS_URL=redis://host:6379".to_owned(),
            };
            Error::NoServer { server: "Redis", ways: std::iter::once(given).chain(closed).collect() }
        })?;

        let run_as = RunAs::detect()?;
        let folder = Scratch::new(&run_as)?;
        let (socket, log) = (folder.path().join("redis.sock"), folder.path().join("redis.log"));
        let arguments =
            ["--port", "0", "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir"]
                .into_iter()
                .map(Into::into)
                .chain([folder.path().into(), "--unixsocket".into(), socket.clone().into()])
                .collect();
        let server = Server {
            program,
            arguments,
            run_as,
            log: private::create(&log).map_err(file("create", &log))?,
            stop_signal: StopSignal::Terminate,
        };
        let guardian = Guardian::start(server, &options.search)?;
        let deadline = Instant::now() + options.start_timeout;
        while !answers(&socket) {
            if let Some(status) = guardian.ended() {
                return Err(Error::Ended { server: "Redis", status: status.to_string(), log: tail(&log) });
            }
            if Instant::now() >= deadline {
                return Err(Error::NotReady {
                    server: "Redis",
                    waited: options.start_timeout,
                    log: tail(&log),
                });
            }
            thread::sleep(Duration::from_millis(5));
        }
        let url = Secret::new(format!("redis+unix://{}", socket.display()));
        Ok(Self { url, pid: Some(guardian.pid), _server: Some((guardian, folder)) })
    }

    /// The URL, as the `redis` crate reads it.
    #[must_use]
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// The server's process, where this handle started it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// Whether it answers a PING.
fn answers(socket: &Path) -> bool {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0_u8; 5];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer == *b"+PONG")
    };
    ask().unwrap_or(false)
}
