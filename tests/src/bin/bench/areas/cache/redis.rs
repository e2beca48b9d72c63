//! Redis: a command of many callers at once, a hundred keys at once, what it costs when it is away, and when it tells.

use super::{PAIRS, cost, server::Redis};
use crate::{
    Failure,
    measure::in_turns,
    row::{Better, Row, Work},
};
use ::redis::{AsyncCommands, aio::MultiplexedConnection};
use db_cache::{Cache, Namespace, Policy, RedisOptions, RedisStore, Track, Tracking};
use db_core::{KeyValue, Put, Secret, Version};
use deadpool_redis::{Config, Pool, Runtime};
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const TASKS: usize = 64;
/// GETs of each task.
const GETS: usize = 1_000;
/// Connections of the peer's pool: one for each task is the best that it can do, and more than most would give it.
const CONNECTIONS: usize = 16;
const KEYS: usize = 100;
const BATCHES: usize = 200;
const SINGLES: usize = 20;
const ENTRIES: u64 = 1_000;
/// Calls while it is away.
const AWAY: usize = 20_000;
const LONG: Duration = Duration::from_secs(600);

const GET: [Work; 1] = [Work {
    area: "cache",
    work: "GET of one of 100 keys by 64 tasks",
    peer: Some("deadpool-redis, a checkout of 16 connections for each"),
    unit: "commands/s",
    better: Better::Higher,
    goal: Some(5.0),
}];
const GET_SHARED: [Work; 1] = [Work {
    area: "cache",
    work: "GET of one of 100 keys by 64 tasks",
    peer: Some("redis-rs, one connection that all share"),
    unit: "commands/s",
    better: Better::Higher,
    goal: Some(0.8),
}];
const BATCH: [Work; 1] = [Work {
    area: "cache",
    work: "get_multi of 100 keys",
    peer: Some("100 times get_multi of one"),
    unit: "µs",
    better: Better::Lower,
    goal: None,
}];
const BATCH_RAW: [Work; 1] = [Work {
    area: "cache",
    work: "get_multi of 100 keys",
    peer: Some("redis-rs, MGET"),
    unit: "µs",
    better: Better::Lower,
    goal: None,
}];
const TRIPS: Work = Work {
    area: "cache",
    work: "get_multi of 100 keys: round trips (to be 1)",
    peer: None,
    unit: "round trips",
    better: Better::Lower,
    goal: None,
};
const HIT: [Work; 2] = [
    Work {
        area: "cache",
        work: "hit in this process while Redis tells of changes",
        peer: Some("the same while nobody does"),
        unit: "ns",
        better: Better::Lower,
        goal: None,
    },
    Work {
        area: "cache",
        work: "hit in this process while Redis tells of changes",
        peer: Some("the same while nobody does"),
        unit: "allocations",
        better: Better::Lower,
        goal: None,
    },
];
const COST_AWAY: Work = Work {
    area: "cache",
    work: "get_or_load of a source in memory while Redis is away: p99 (to be under 1000)",
    peer: None,
    unit: "µs",
    better: Better::Lower,
    goal: None,
};

pub(super) async fn run() -> Result<Vec<Row>, Failure> {
    let mut redis = Redis::start().await?;
    let store = Arc::new(store(&redis)?);
    let keys: Arc<Vec<String>> = Arc::new((0..KEYS).map(|number| format!("bench:key:{number}")).collect());
    let puts: Vec<_> =
        keys.iter().map(|key| Put { key, value: &[7; 100], version: Version(7), ttl: LONG }).collect();
    store.set_multi(&puts).await?;
    let pool =
        Config::from_url(redis.url()).builder()?.max_size(CONNECTIONS).runtime(Runtime::Tokio1).build()?;
    let shared = ::redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;

    let ours = async || all(&store, &keys, get).await;
    let mut rows = in_turns(GET, PAIRS, ours, async || all(&pool, &keys, get_by_checkout).await).await?;
    rows.extend(in_turns(GET_SHARED, PAIRS, ours, async || all(&shared, &keys, get_shared).await).await?);
    rows.extend(batches(&store, &shared, &keys).await?);
    rows.extend(hits(&redis).await?);
    rows.push(away(&mut redis).await?);
    Ok(rows)
}

fn store(redis: &Redis) -> Result<RedisStore, Failure> {
    Ok(RedisStore::new(&RedisOptions::from_url(&Secret::from(redis.url()))?)?)
}

async fn get(store: Arc<RedisStore>, key: String) -> Result<bool, Failure> {
    Ok(store.get_multi(&[&key]).await?[0].is_some())
}

async fn get_by_checkout(pool: Pool, key: String) -> Result<bool, Failure> {
    let mut connection = pool.get().await?;
    Ok(connection.get::<_, Option<Vec<u8>>>(key).await?.is_some())
}

async fn get_shared(mut connection: MultiplexedConnection, key: String) -> Result<bool, Failure> {
    Ok(connection.get::<_, Option<Vec<u8>>>(key).await?.is_some())
}

/// Commands a second, by all tasks together.
async fn all<S, F>(store: &S, keys: &Arc<Vec<String>>, one: fn(S, String) -> F) -> Result<[f64; 1], Failure>
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = Result<bool, Failure>> + Send + 'static,
{
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, keys) = (store.clone(), Arc::clone(keys));
        tasks.spawn(async move {
            for number in 0..GETS {
                if !one(store.clone(), keys[(task + number) % KEYS].clone()).await? {
                    return Err(Failure::from("a value that was put is not there"));
                }
            }
            Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok([(TASKS * GETS) as f64 / began.elapsed().as_secs_f64()])
}

async fn batches(
    store: &RedisStore,
    shared: &MultiplexedConnection,
    keys: &[String],
) -> Result<Vec<Row>, Failure> {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let together =
        async || mean(BATCHES, async || Ok(store.get_multi(&keys).await?.iter().all(Option::is_some))).await;
    let one_by_one = async || {
        let batch = async || {
            for key in &keys {
                store.get_multi(&[key]).await?;
            }
            Ok(true)
        };
        mean(SINGLES, batch).await
    };
    let raw = async || {
        let batch = async || {
            let found: Vec<Option<Vec<u8>>> = shared.clone().mget(&keys).await?;
            Ok(found.iter().all(Option::is_some))
        };
        mean(BATCHES, batch).await
    };
    let mut rows = in_turns(BATCH, PAIRS, together, one_by_one).await?;
    rows.extend(in_turns(BATCH_RAW, PAIRS, together, raw).await?);
    let before = store.statistics().round_trips;
    store.get_multi(&keys).await?;
    let trips = store.statistics().round_trips - before;
    rows.push(Row::new(&TRIPS, &[trips as f64], &[]));
    Ok(rows)
}

/// Microseconds of one.
async fn mean(times: usize, one: impl AsyncFn() -> Result<bool, Failure>) -> Result<[f64; 1], Failure> {
    let began = Instant::now();
    for _ in 0..times {
        if !one().await? {
            return Err("a value that was put is not there".into());
        }
    }
    Ok([began.elapsed().as_secs_f64() * 1e6 / times as f64])
}

async fn hits(redis: &Redis) -> Result<Vec<Row>, Failure> {
    let (told, _tracking) = warm(redis, true).await?;
    let (untold, _) = warm(redis, false).await?;
    let hit = async |numbers: &Namespace<u64>| {
        cost(async |number| Ok(numbers.get(("user", number)).await?.is_some())).await
    };
    in_turns(HIT, PAIRS, async || hit(&told).await, async || hit(&untold).await).await
}

/// A process that has all values.
async fn warm(redis: &Redis, tracks: bool) -> Result<(Namespace<u64>, Option<Tracking>), Failure> {
    let store = Arc::new(store(redis)?);
    let cache =
        Cache::builder(if tracks { "told" } else { "untold" }).shared(Arc::clone(&store) as _).build()?;
    let tracking = tracks.then(|| cache.track(&store, Track::default()));
    let mut policy = Policy::fresh_for(LONG);
    policy.local_ttl = LONG;
    let numbers = cache.namespace("number", policy)?;
    for number in 0..ENTRIES {
        numbers.set(("user", number), number).await?;
    }
    if let Some(tracking) = &tracking
        && !tracking.has_heard_all(Duration::from_secs(10)).await
    {
        return Err(format!("redis does not tell of changes: {tracking:?}").into());
    }
    for number in 0..ENTRIES {
        numbers.get(("user", number)).await?;
    }
    Ok((numbers, tracking))
}

async fn away(redis: &mut Redis) -> Result<Row, Failure> {
    let cache = Cache::builder("away").shared(Arc::new(store(redis)?)).build()?;
    let mut policy = Policy::fresh_for(LONG);
    // Each asks the store.
    (policy.local_bytes, policy.local_ttl) = (0, Duration::ZERO);
    let numbers = cache.namespace::<u64>("number", policy)?;
    redis.kill()?;
    let load = async |number: u64| {
        let began = Instant::now();
        numbers.get_or_load(number, move || async move { Ok::<_, std::io::Error>(Some(number)) }).await?;
        Ok::<_, Failure>(began.elapsed().as_secs_f64() * 1e6)
    };
    // The first ones find out.
    for number in 0..10 {
        load(number).await?;
    }
    let mut figures = Vec::new();
    for _ in 0..PAIRS {
        let mut times = Vec::with_capacity(AWAY);
        for number in 0..AWAY {
            times.push(load(number as u64).await?);
        }
        times.sort_by(f64::total_cmp);
        figures.push(times[AWAY * 99 / 100]);
    }
    Ok(Row::new(&COST_AWAY, &figures, &[]))
}
