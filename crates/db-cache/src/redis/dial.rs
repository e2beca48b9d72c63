//! How a connection comes about: to one server, or to the one that Sentinels call the master.
//!
//! A connection is one that has answered, so that a server which accepts and says nothing, still loads or wants a
//! password is none.

use super::{
    address::RedisAddress,
    fault::Fault,
    options::{Login, RedisOptions, RedisOptionsError, Servers},
    wire::Wire,
};
use deadpool_redis::{Manager, Pool, PoolError};
use parking_lot::Mutex;
use redis::{AsyncConnectionConfig, Client, Pipeline, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What waits for its turn at the socket; more callers than that wait for a place, not for long.
const QUEUED: usize = 1_024;

/// A connection that many commands share.
pub(crate) struct Link {
    pub(crate) wire: Arc<Wire>,
    /// Its place in the pool.
    place: Option<deadpool_redis::Connection>,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Taken out for good: it goes because it is broken, and must not come back to the next who connects.
        drop(self.place.take().map(deadpool_redis::Connection::take));
    }
}

/// Makes connections.
pub(crate) struct Dialer {
    to: To,
    connect_timeout: Duration,
}

enum To {
    Server(Server),
    Master(Box<Sentinels>),
}

struct Server {
    address: RedisAddress,
    pool: Pool,
}

struct Sentinels {
    /// The one that answered last comes first.
    sentinels: Mutex<Vec<(RedisAddress, Client)>>,
    master: String,
    options: RedisOptions,
    /// The server that they named last.
    server: Mutex<Option<(RedisAddress, Pool)>>,
}

impl Dialer {
    pub(crate) fn to_server(
        address: &RedisAddress,
        options: &RedisOptions,
    ) -> Result<Self, RedisOptionsError> {
        let server = Server { address: address.clone(), pool: pool(address, options)? };
        Ok(Self { to: To::Server(server), connect_timeout: options.connect_timeout })
    }

    pub(crate) fn to_master(options: &RedisOptions) -> Result<Self, RedisOptionsError> {
        let Servers::Sentinel { sentinels, master, login } = &options.servers else {
            return Err(RedisOptionsError::Conflict { what: "no Sentinels are given" });
        };
        let client = |address: &RedisAddress| Ok((address.clone(), client(address, options, login, 0)?));
        let sentinels = sentinels.iter().map(client).collect::<Result<_, RedisOptionsError>>()?;
        let sentinels = Sentinels {
            sentinels: Mutex::new(sentinels),
            master: master.clone(),
            options: options.clone(),
            server: Mutex::new(None),
        };
        Ok(Self { to: To::Master(Box::new(sentinels)), connect_timeout: options.connect_timeout })
    }

    /// Where it connects to: the server, or whom the Sentinels call the master.
    pub(crate) async fn address(&self) -> Result<RedisAddress, Fault> {
        match &self.to {
            To::Server(server) => Ok(server.address.clone()),
            To::Master(sentinels) => sentinels.find(self.connect_timeout).await,
        }
    }

    pub(crate) fn has_sentinels(&self) -> bool {
        matches!(self.to, To::Master(_))
    }

    /// Connects, and hears that it is served. Takes no longer than `connect_timeout` for each of its two steps, finding
    /// the server and reaching it.
    ///
    /// # Cancel safety
    /// What has come about by then is closed.
    pub(crate) async fn dial(&self) -> Result<Link, Fault> {
        match &self.to {
            To::Server(server) => {
                within(self.connect_timeout, &server.address, reach(&server.pool, &server.address)).await
            }
            To::Master(sentinels) => {
                let address = sentinels.find(self.connect_timeout).await?;
                let pool = sentinels.pool(&address)?;
                within(self.connect_timeout, &address, reach_master(&pool, &address)).await
            }
        }
    }
}

impl Sentinels {
    /// Asks them one after the other, each for its part of the time.
    async fn find(&self, within: Duration) -> Result<RedisAddress, Fault> {
        let sentinels = self.sentinels.lock().clone();
        let each = within / u32::try_from(sentinels.len()).unwrap_or(u32::MAX).max(1);
        let mut faults = Vec::new();
        for (place, (address, client)) in sentinels.iter().enumerate() {
            let asked = timeout(each, ask_sentinel(client, &self.master, each)).await;
            match asked.unwrap_or_else(|_| Err(format!("no answer within {each:?}"))) {
                Ok((host, port)) => {
                    self.sentinels.lock().swap(0, place);
                    let told = address.neighbour(&host, port);
                    return told.ok_or_else(|| Fault::Unavailable(format!("{address} names no host")));
                }
                Err(reason) => faults.push(format!("{address}: {reason}")),
            }
        }
        Err(Fault::Unavailable(format!(
            "no Sentinel names the master {:?}: {}",
            self.master,
            faults.join("; ")
        )))
    }

    fn pool(&self, address: &RedisAddress) -> Result<Pool, Fault> {
        let mut server = self.server.lock();
        if let Some((known, pool)) = &*server
            && known == address
        {
            return Ok(pool.clone());
        }
        let pool = pool(address, &self.options).map_err(|error| Fault::Unavailable(error.to_string()))?;
        *server = Some((address.clone(), pool.clone()));
        Ok(pool)
    }
}

async fn ask_sentinel(client: &Client, master: &str, each: Duration) -> Result<(String, u16), String> {
    let text = |error: redis::RedisError| error.to_string();
    let config = config(each);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(text)?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
    let told: Option<(String, u16)> = command.query_async(&mut connection).await.map_err(text)?;
    told.ok_or_else(|| "it knows no such master".to_owned())
}

async fn within<T>(
    limit: Duration,
    address: &RedisAddress,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let late = |_| Err(Fault::Unavailable(format!("no connection to {address} within {limit:?}")));
    timeout(limit, work).await.unwrap_or_else(late)
}

async fn reach(pool: &Pool, address: &RedisAddress) -> Result<Link, Fault> {
    let mut place = pool.get().await.map_err(|error| connecting(&error, address))?;
    let answer = place.send_packed_command(&redis::cmd("PING")).await;
    heard(answer, address)?;
    Ok(Link { wire: Arc::new(Wire::new(place.clone())), place: Some(place) })
}

/// A Sentinel may not have heard yet that its master is none any more.
async fn reach_master(pool: &Pool, address: &RedisAddress) -> Result<Link, Fault> {
    let link = reach(pool, address).await?;
    let mut role = Pipeline::new();
    role.cmd("ROLE");
    let answer = match link.wire.several(&role, 1).await {
        Ok(Value::Array(mut answers)) if answers.len() == 1 => Ok(answers.remove(0)),
        other => other,
    };
    let answer = heard(answer, address)?;
    let first = match &answer {
        Value::Array(parts) => parts.first(),
        _ => None,
    };
    match first {
        Some(Value::BulkString(role)) if role == b"master" => Ok(link),
        _ => Err(Fault::Unavailable(format!(
            "{address} is a replica, though the Sentinels call it the master"
        ))),
    }
}

fn heard(answer: redis::RedisResult<Value>, address: &RedisAddress) -> Result<Value, Fault> {
    match answer {
        Ok(Value::ServerError(error)) => Err(Fault::of_reply(&error)),
        Ok(answer) => Ok(answer),
        Err(error) => Err(Fault::of_connecting(&error, &address.to_string())),
    }
}

fn connecting(error: &PoolError, address: &RedisAddress) -> Fault {
    match error {
        PoolError::Backend(error) => Fault::of_connecting(error, &address.to_string()),
        other => Fault::Unavailable(format!("no connection to {address}: {other}")),
    }
}

/// Only a limit and the way to connect: nothing is ever given back to it, so that nothing is checked on the way out.
fn pool(address: &RedisAddress, options: &RedisOptions) -> Result<Pool, RedisOptionsError> {
    let refused = || RedisOptionsError::Address { address: address.to_string() };
    let client = client(address, options, &options.login, options.database)?;
    let config = config(options.connect_timeout);
    let manager =
        Manager::new_with_config(client.get_connection_info().clone(), config).map_err(|_| refused())?;
    let most = usize::try_from(options.max_connections.get()).unwrap_or(usize::MAX);
    Pool::builder(manager).max_size(most).build().map_err(|_| refused())
}

fn client(
    address: &RedisAddress,
    options: &RedisOptions,
    login: &Login,
    database: u32,
) -> Result<Client, RedisOptionsError> {
    let info = options.info(address, login, database)?;
    Client::open(info).map_err(|_| RedisOptionsError::Address { address: address.to_string() })
}

/// The deadline of a command is its caller's.
fn config(connect_timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUED)
}
