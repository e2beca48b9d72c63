//! A connection that hears of changes.

use crate::redis::{
    address::RedisAddress,
    fault::{Fault, Meaning},
    options::{RedisOptions, RedisOptionsError},
};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, ProtocolVersion, PushInfo, RedisError, Value};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::timeout;

/// Why changes are not heard of.
#[derive(Debug)]
pub(super) enum End {
    /// For now.
    Lost(String),
    /// The server does not tell of them, or not this user.
    Refused(String),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(reason) | Fault::Refused(reason) => Self::Lost(reason),
        }
    }
}

/// To one server.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) address: RedisAddress,
    connection: MultiplexedConnection,
}

impl Line {
    /// Connects, and hears of all keys that begin with this prefix from when it is ready. What the server says is handed on
    /// in its order, and before any answer that comes after it.
    pub(super) async fn open(
        address: &RedisAddress,
        options: &RedisOptions,
        prefix: &str,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Self, End> {
        let limit = options.connect_timeout;
        let client = client(address, options).map_err(|error| End::Lost(error.to_string()))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(None)
            .set_push_sender(move |push| -> Result<(), Infallible> {
                hear(push);
                Ok(())
            });
        let opened = timeout(limit, client.get_multiplexed_async_connection_with_config(&config)).await;
        let late = || End::Lost(format!("no connection to {address} within {limit:?}"));
        let connection = opened.map_err(|_| late())?.map_err(|error| refused_or_lost(&error, address))?;
        let line = Self { address: address.clone(), connection };
        let mut track = redis::cmd("CLIENT");
        track.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(prefix);
        line.ask(&track, limit).await?;
        Ok(line)
    }

    pub(super) async fn ask(&self, command: &Cmd, within: Duration) -> Result<Value, End> {
        let address = &self.address;
        let mut connection = self.connection.clone();
        let answered = timeout(within, connection.send_packed_command(command)).await;
        match answered.map_err(|_| End::Lost(format!("no answer from {address} within {within:?}")))? {
            Ok(Value::ServerError(error)) => {
                let text = format!("{address}: {} {}", error.code(), error.details().unwrap_or_default());
                match Meaning::of(&error) {
                    Meaning::Other => Err(End::Refused(text)),
                    _ => Err(End::Lost(text)),
                }
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(End::Lost(format!("the connection to {address} broke: {error}"))),
        }
    }
}

/// As others connect, but that the server may speak unasked.
fn client(address: &RedisAddress, options: &RedisOptions) -> Result<Client, RedisOptionsError> {
    let info = options.info(address, &options.login, options.database)?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let refused = |_| RedisOptionsError::Address { address: address.to_string() };
    Client::open(info.set_redis_settings(settings)).map_err(refused)
}

fn refused_or_lost(error: &RedisError, address: &RedisAddress) -> End {
    // The driver knows the words of some versions only.
    let is_unknown = error.detail().is_some_and(|detail| detail.starts_with("unknown command"));
    if is_unknown
        || error.kind() == ErrorKind::RESP3NotSupported
        || matches!(error.code(), Some("NOPERM" | "NOPROTO"))
    {
        return End::Refused(format!("{address}: {error}"));
    }
    Fault::of_connecting(error, &address.to_string()).into()
}
