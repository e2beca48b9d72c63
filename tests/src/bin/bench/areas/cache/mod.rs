//! The cache: what a hit costs in this process, what the source feels when many miss at once, and Redis.

mod query;
mod redis;
mod server;

use crate::{
    Failure,
    allocations::of_this_thread,
    measure::in_turns,
    row::{Better, Row, Work},
};
use db_cache::{Cache, Memory, Namespace, Policy};
use moka::sync::Cache as Moka;
use std::{
    future::{Future, pending},
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::timeout};

const PAIRS: usize = 9;
const ENTRIES: u64 = 1_000;
const GETS: u64 = 300_000;
const CALLERS: usize = 10_000;
const PROCESSES: usize = 8;
/// How long the source takes.
const SOURCE: Duration = Duration::from_millis(20);

const HIT: [Work; 2] = [
    Work {
        area: "cache",
        work: "hit in this process, its key made of two parts (to be 200 or less)",
        peer: Some("moka sync, its key a text that is made"),
        unit: "ns",
        better: Better::Lower,
        goal: Some(1.0),
    },
    Work {
        area: "cache",
        work: "hit in this process (to be 1 or less)",
        peer: Some("moka sync, its key a text that is made"),
        unit: "allocations",
        better: Better::Lower,
        goal: None,
    },
];
const STAMPEDE: [Work; 2] = [
    Work {
        area: "cache",
        work: "10,000 who miss one key at once, a source of 20 ms: loads (to be 1)",
        peer: Some("look, load, store"),
        unit: "loads",
        better: Better::Lower,
        goal: None,
    },
    Work {
        area: "cache",
        work: "the same: until all have it",
        peer: Some("look, load, store"),
        unit: "ms",
        better: Better::Lower,
        goal: None,
    },
];
const FLEET: Work = Work {
    area: "cache",
    work: "the same by a fleet of 8 that shares a store: loads (to be 1)",
    peer: None,
    unit: "loads",
    better: Better::Lower,
    goal: None,
};

pub(crate) async fn run() -> Result<Vec<Row>, Failure> {
    let numbers = open(None)?;
    let theirs: Moka<String, Arc<u64>> = Moka::new(ENTRIES * 2);
    for number in 0..ENTRIES {
        numbers.set(("user", number), number).await?;
        theirs.insert(format!("app:number:user:{number}"), Arc::new(number));
    }
    let ours = async || cost(async |number| Ok(numbers.get(("user", number)).await?.is_some())).await;
    let theirs =
        async || cost(async |number| Ok(theirs.get(&format!("app:number:user:{number}")).is_some())).await;
    let mut rows = in_turns(HIT, PAIRS, ours, theirs).await?;
    rows.extend(in_turns(STAMPEDE, PAIRS, async || stampede(1).await, async || cache_aside().await).await?);
    let mut fleet = Vec::new();
    for _ in 0..PAIRS {
        fleet.push(stampede(PROCESSES).await?[0]);
    }
    rows.push(Row::new(&FLEET, &fleet, &[]));
    rows.extend(query::run().await?);
    rows.extend(redis::run().await?);
    Ok(rows)
}

fn open(store: Option<Arc<Memory>>) -> Result<Namespace<u64>, Failure> {
    let builder = Cache::builder("app");
    let builder = match store {
        Some(store) => builder.shared(store),
        None => builder,
    };
    Ok(builder.build()?.namespace("number", Policy::fresh_for(Duration::from_secs(600)))?)
}

/// Nanoseconds and allocations of one.
async fn cost(get: impl AsyncFn(u64) -> Result<bool, Failure>) -> Result<[f64; 2], Failure> {
    let (began, counted) = (Instant::now(), of_this_thread());
    for at in 0..GETS {
        // Not one after the other.
        if !black_box(get(at.wrapping_mul(7_919) % ENTRIES).await?) {
            return Err("a value that was put is not there".into());
        }
    }
    let time = began.elapsed();
    let allocations = of_this_thread().allocations - counted.allocations;
    Ok([time.as_secs_f64() * 1e9, allocations as f64].map(|all| all / GETS as f64))
}

/// Ours, in so many processes.
async fn stampede(processes: usize) -> Result<[f64; 2], Failure> {
    let store = (processes > 1).then(|| Arc::new(Memory::new(16 << 20)));
    let fleet: Vec<_> = (0..processes).map(|_| open(store.clone())).collect::<Result<_, _>>()?;
    let loads = Arc::new(AtomicU64::new(0));
    let one = |caller: usize| {
        let (numbers, loads) = (fleet[caller % processes].clone(), Arc::clone(&loads));
        async move {
            let load = move || source(loads);
            numbers.get_or_load("k", load).await.is_ok_and(|value| value.is_some())
        }
    };
    let took = all(one).await?;
    Ok([loads.load(SeqCst) as f64, took])
}

/// As it is written by hand.
async fn cache_aside() -> Result<[f64; 2], Failure> {
    let (cache, loads) = (Moka::<String, Arc<u64>>::new(ENTRIES), Arc::new(AtomicU64::new(0)));
    let one = |_| {
        let (cache, loads) = (cache.clone(), Arc::clone(&loads));
        async move {
            if cache.get("k").is_some() {
                return true;
            }
            let Ok(Some(value)) = source(loads).await else { return false };
            cache.insert("k".to_owned(), Arc::new(value));
            true
        }
    };
    let took = all(one).await?;
    Ok([loads.load(SeqCst) as f64, took])
}

async fn source(loads: Arc<AtomicU64>) -> Result<Option<u64>, std::io::Error> {
    loads.fetch_add(1, SeqCst);
    let _ = timeout(SOURCE, pending::<()>()).await;
    Ok(Some(7))
}

/// Until all callers have it, in milliseconds.
async fn all<F: Future<Output = bool> + Send + 'static>(one: impl Fn(usize) -> F) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut callers: JoinSet<bool> = (0..CALLERS).map(one).collect();
    while let Some(had) = callers.join_next().await {
        if !had? {
            return Err("a caller had no value".into());
        }
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}
