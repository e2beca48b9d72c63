//! Redis as a store: one server, the master behind Sentinels, or a cluster.
//!
//! Commands share a few connections (see `node`), have a deadline each, and are refused at once while a server is away.

mod address;
mod breaker;
mod census;
mod cluster;
mod command;
mod dial;
mod fault;
mod lane;
mod map;
mod node;
mod options;
mod pending;
mod probe;
mod slot;
mod statistics;
mod streams;
mod tracking;
mod wire;

pub use address::RedisAddress;
pub use breaker::BreakerLimits;
pub use options::{RedisOptions, RedisOptionsError};
pub use statistics::RedisStatistics;
pub use streams::RedisStreams;
pub use tracking::{Track, Tracked, Tracking};

use async_trait::async_trait;
use cluster::Cluster;
use command::Way;
use db_core::{Expected, KeyValue, KeyValueError, KeyValueLimits, Put, Stored};
use dial::Dialer;
use fault::{Fault, Meaning};
use node::{Ask, Node};
use options::Servers;
use redis::{Cmd, Pipeline, Value};
use slot::Group;
use statistics::Counts;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const NAME: &str = "redis";
/// Of what others may want to read as well; a value of this length takes longer than a command may.
const LIMITS: KeyValueLimits = KeyValueLimits { key_bytes: 16 << 10, value_bytes: 16 << 20 };
/// Of a key that is told in an error.
const TOLD_CHARS: usize = 80;

/// Keeps bytes in Redis.
///
/// Nothing is connected until the first command. Cheap commands go out together with others that are under way, so that
/// one store is enough for a program.
pub struct RedisStore {
    servers: Fleet,
    options: RedisOptions,
    counts: Arc<Counts>,
}

enum Fleet {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

/// A command whose keys are all in one slot.
struct Part {
    slot: u16,
    command: Cmd,
}

impl RedisStore {
    /// A store by these options; it does no I/O.
    ///
    /// # Errors
    /// [`RedisOptionsError`] where they exclude each other, or say what the driver cannot do.
    pub fn new(options: &RedisOptions) -> Result<Self, RedisOptionsError> {
        options.check()?;
        let counts = Arc::new(Counts::default());
        let one = |dialer| Fleet::One(Node::new(dialer, options, &counts));
        let servers = match &options.servers {
            Servers::Single(address) => one(Dialer::to_server(address, options)?),
            Servers::Sentinel { .. } => one(Dialer::to_master(options)?),
            Servers::Cluster { .. } => Fleet::Cluster(Cluster::new(options, &counts)?),
        };
        Ok(Self { servers, options: options.clone(), counts })
    }

    /// What has come of its commands and connections so far.
    #[must_use]
    pub fn statistics(&self) -> RedisStatistics {
        self.counts.read()
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.command_timeout
    }

    /// Keys that can be asked for by one command.
    fn groups<'a>(&self, keys: impl ExactSizeIterator<Item = &'a str>) -> Vec<Group> {
        match &self.servers {
            Fleet::One(_) => vec![Group { slot: 0, positions: (0..keys.len()).collect() }],
            Fleet::Cluster(_) => slot::by_slot(keys),
        }
    }

    fn slot(&self, key: &str) -> u16 {
        match &self.servers {
            Fleet::One(_) => 0,
            Fleet::Cluster(_) => slot::slot(key),
        }
    }

    async fn run(&self, parts: Vec<Part>) -> Result<Vec<Value>, KeyValueError> {
        let deadline = self.deadline();
        let answers = match &self.servers {
            Fleet::One(node) => run_at(node, parts, deadline).await,
            Fleet::Cluster(cluster) => Box::pin(cluster.run(&parts, deadline)).await,
        };
        answers.map_err(|fault| fault.into_error(NAME))
    }

    async fn run_one(&self, slot: u16, command: Cmd) -> Result<Value, KeyValueError> {
        let answers = match &self.servers {
            // Nothing is put together for what is sent most often.
            Fleet::One(node) => node.ask(Ask::One(command), self.deadline()).await,
            Fleet::Cluster(cluster) => {
                let parts = [Part { slot, command }];
                // Boxed, so that a single server does not pay for the room.
                let answers = Box::pin(cluster.run(&parts, self.deadline())).await;
                answers.map(|answers| answers.into_iter().next().unwrap_or(Value::Nil))
            }
        };
        answers.map_err(|fault| fault.into_error(NAME))
    }

    /// Runs a script, in full when the server does not know it yet.
    async fn run_script(&self, key: &str, command: impl Fn(Way) -> Cmd) -> Result<Value, KeyValueError> {
        let slot = self.slot(key);
        let answer = self.run_one(slot, command(Way::Known)).await?;
        match &answer {
            Value::ServerError(error) if Meaning::of(error) == Meaning::NoScript => {
                self.run_one(slot, command(Way::InFull)).await
            }
            _ => Ok(answer),
        }
    }

    /// Each server that has keys.
    async fn masters(&self) -> Result<Vec<Arc<Node>>, KeyValueError> {
        let masters = match &self.servers {
            Fleet::One(node) => Ok(vec![Arc::clone(node)]),
            Fleet::Cluster(cluster) => cluster.masters(self.deadline()).await,
        };
        masters.map_err(|fault| fault.into_error(NAME))
    }

    async fn clear_at(&self, node: &Arc<Node>, prefix: &str) -> Result<u64, KeyValueError> {
        let asked = |fault: Fault| fault.into_error(NAME);
        let (mut cursor, mut removed) = (0, 0);
        loop {
            let scan = command::scan(cursor, prefix);
            let answer = node.ask(Ask::One(scan), self.deadline()).await.map_err(asked)?;
            let (next, keys) = command::scanned(answer, NAME)?;
            // What the pattern means is Redis's; what is removed is what we were asked for.
            let keys: Vec<&str> =
                keys.iter().map(String::as_str).filter(|key| key.starts_with(prefix)).collect();
            if !keys.is_empty() {
                removed += self.delete_multi(&keys).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(removed);
            }
        }
    }
}

async fn run_at(node: &Arc<Node>, mut parts: Vec<Part>, deadline: Instant) -> Result<Vec<Value>, Fault> {
    let count = parts.len();
    if let (1, Some(part)) = (count, parts.pop_if(|_| count == 1)) {
        return Ok(vec![node.ask(Ask::One(part.command), deadline).await?]);
    }
    let mut pipeline = Pipeline::with_capacity(count);
    for part in parts {
        pipeline.add_command(part.command);
    }
    match node.ask(Ask::Several(&pipeline, count), deadline).await? {
        Value::Array(answers) => Ok(answers),
        answer => Ok(vec![answer]),
    }
}

#[async_trait]
impl KeyValue for RedisStore {
    fn name(&self) -> &str {
        NAME
    }

    fn limits(&self) -> KeyValueLimits {
        LIMITS
    }

    async fn get_multi(&self, keys: &[&str]) -> Result<Vec<Option<Stored>>, KeyValueError> {
        check_keys(keys.iter().copied())?;
        if let [key] = keys {
            let answer = self.run_one(self.slot(key), command::get(keys)).await?;
            return command::stored(keys, answer, NAME);
        }
        let groups = if keys.is_empty() { vec![] } else { self.groups(keys.iter().copied()) };
        let of = |group: &Group| group.positions.iter().map(|at| keys[*at]).collect::<Vec<_>>();
        let parts: Vec<Part> =
            groups.iter().map(|group| Part { slot: group.slot, command: command::get(&of(group)) }).collect();
        let mut found = vec![None; keys.len()];
        if parts.is_empty() {
            return Ok(found);
        }
        for (group, answer) in groups.iter().zip(self.run(parts).await?) {
            for (at, stored) in group.positions.iter().zip(command::stored(&of(group), answer, NAME)?) {
                found[*at] = stored;
            }
        }
        Ok(found)
    }

    async fn set_multi(&self, puts: &[Put<'_>]) -> Result<(), KeyValueError> {
        puts.iter().try_for_each(check_put)?;
        if puts.is_empty() {
            return Ok(());
        }
        let parts: Vec<Part> =
            puts.iter().map(|put| Part { slot: self.slot(put.key), command: command::set(put) }).collect();
        self.run(parts).await?.iter().try_for_each(|answer| command::done(answer, NAME))
    }

    async fn delete_multi(&self, keys: &[&str]) -> Result<u64, KeyValueError> {
        check_keys(keys.iter().copied())?;
        if keys.is_empty() {
            return Ok(0);
        }
        let of = |group: &Group| group.positions.iter().map(|at| keys[*at]).collect::<Vec<_>>();
        let parts: Vec<Part> = self
            .groups(keys.iter().copied())
            .iter()
            .map(|group| Part { slot: group.slot, command: command::delete(&of(group)) })
            .collect();
        self.run(parts).await?.iter().map(|answer| command::count(answer, NAME)).sum()
    }

    async fn set_if(&self, expected: Expected, put: Put<'_>) -> Result<bool, KeyValueError> {
        check_put(&put)?;
        let answer = self.run_script(put.key, |way| command::set_if(expected, &put, way)).await?;
        Ok(command::count(&answer, NAME)? == 1)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, KeyValueError> {
        check_keys([key])?;
        let answer = self.run_script(key, |way| command::increment(key, by, ttl, way)).await?;
        command::sum(key, &answer, NAME)
    }

    async fn clear(&self, prefix: &str) -> Result<u64, KeyValueError> {
        let mut removed = 0;
        for master in self.masters().await? {
            removed += self.clear_at(&master, prefix).await?;
        }
        Ok(removed)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

fn check_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<(), KeyValueError> {
    keys.into_iter().try_for_each(|key| check("a key", key, key.len(), LIMITS.key_bytes))
}

fn check_put(put: &Put<'_>) -> Result<(), KeyValueError> {
    check_keys([put.key])?;
    check("a value", put.key, put.value.len(), LIMITS.value_bytes)
}

fn check(what: &'static str, key: &str, bytes: usize, most: usize) -> Result<(), KeyValueError> {
    if bytes <= most {
        return Ok(());
    }
    let key = key.chars().take(TOLD_CHARS).collect();
    Err(KeyValueError::TooLarge { store: NAME.to_owned(), what, key, bytes, most })
}
