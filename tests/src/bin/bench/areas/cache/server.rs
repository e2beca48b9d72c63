//! A Redis of the bench's own.

use crate::Failure;
use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{net::TcpStream, task::yield_now};

/// How long it may take to start.
const START: Duration = Duration::from_secs(10);

/// On a free port of this machine, writing nothing. Dropping it kills it.
pub(super) struct Redis {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    pub(super) async fn start() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("bench-redis-").tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| missing(&error))?;
        let redis = Self { child, port, _folder: folder };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            if began.elapsed() > START {
                return Err(format!("redis-server does not listen after {START:?}").into());
            }
            yield_now().await;
        }
        Ok(redis)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Nothing is lost where it is gone already.
        let _ = self.kill();
    }
}

fn missing(error: &io::Error) -> Failure {
    format!("redis-server cannot be started ({error}): install it, as by apt-get install redis-server").into()
}
