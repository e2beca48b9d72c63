//! Every await of an acquire, cut at every poll, in every combination of what the store and the last user may do. Whatever
//! was cut, the pool is whole afterwards: no gauge is off, and every connection that may exist can be had.

use crate::{config, eventually_idle};
use async_trait::async_trait;
use db_pool::{ConnectError, DirectStore, Fault, Lease, Live, Pool, Store};
use db_testkit::fresh_db;
use futures_util::{FutureExt, future::join_all, poll};
use sqlx::Connection;
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};
use tokio::{sync::Notify, task::yield_now};

/// What a step of the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Does {
    Well,
    Fail,
    /// Answers after some turns of the runtime.
    Slow,
    Never,
}

const ALL: [Does; 4] = [Does::Well, Does::Fail, Does::Slow, Does::Never];

/// A store that does as it is told.
struct Scripted {
    inner: DirectStore,
    open: AtomicU8,
    check: AtomicU8,
    retire: AtomicU8,
    changed: Notify,
}

impl Scripted {
    /// Plays the part; `false` is failure.
    async fn play(&self, part: &AtomicU8) -> bool {
        match ALL[part.load(Relaxed) as usize] {
            Does::Well => true,
            Does::Fail => false,
            Does::Slow => {
                for _ in 0..3 {
                    yield_now().await;
                }
                true
            }
            // Until the play is over; what it was asked for then fails.
            Does::Never => {
                while part.load(Relaxed) == Does::Never as u8 {
                    self.changed.notified().await;
                }
                false
            }
        }
    }

    fn script(&self, open: Does, check: Does, retire: Does) {
        self.open.store(open as u8, Relaxed);
        self.check.store(check as u8, Relaxed);
        self.retire.store(retire as u8, Relaxed);
        self.changed.notify_waiters();
    }
}

#[async_trait]
impl Store for Scripted {
    async fn open(&self) -> Result<Box<dyn Live>, ConnectError> {
        if self.play(&self.open).await {
            self.inner.open().await
        } else {
            Err(ConnectError::new(Fault::Server, "scripted", Duration::ZERO))
        }
    }

    async fn check(&self, connection: Box<dyn Live>) -> Option<Box<dyn Live>> {
        if self.play(&self.check).await { self.inner.check(connection).await } else { None }
    }

    async fn retire(&self, connection: Box<dyn Live>) {
        if self.play(&self.retire).await {
            self.inner.retire(connection).await;
        }
    }
}

/// How the last user leaves its connection.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    Clean,
    Marked,
    Transaction,
    RunningQuery,
    Unusable,
}

const LEAVES: [Leaves; 5] =
    [Leaves::Clean, Leaves::Marked, Leaves::Transaction, Leaves::RunningQuery, Leaves::Unusable];

async fn leave(mut lease: Lease, how: Leaves) {
    match how {
        Leaves::Clean => {}
        Leaves::Marked => drop(sqlx::query("SET work_mem = '1MB'").execute(&mut *lease).await),
        Leaves::Transaction => drop(lease.begin().await.expect("begun")),
        Leaves::RunningQuery => {
            // Polled until it is sent, then dropped.
            let mut query = pin!(sqlx::query("SELECT pg_sleep(600)").execute(&mut *lease));
            for _ in 0..3 {
                assert!(poll!(query.as_mut()).is_pending());
                yield_now().await;
            }
        }
        Leaves::Unusable => lease.discard_on_return(),
    }
}

/// What the acquire that is cut finds.
#[derive(Clone, Copy, Debug)]
enum Finds {
    Idle,
    Nothing,
    EveryoneBusy,
}

const SIZE: usize = 2;
const POLLS: usize = 6;

async fn check(pool: &Pool, store: &Scripted, finds: Finds, script: [Does; 3], leaves: Leaves, polls: usize) {
    let case = format!("{finds:?}, open/check/retire {script:?}, {leaves:?}, cut after {polls} polls");
    let mut busy = Vec::new();
    match finds {
        Finds::Idle => drop(pool.acquire().await.expect("one idles then")),
        Finds::Nothing => {
            for lease in join_all((0..SIZE).map(|_| pool.acquire())).await {
                lease.expect("all").close().await;
            }
        }
        Finds::EveryoneBusy => {
            let all = join_all((0..SIZE).map(|_| pool.acquire())).await;
            busy.extend(all.into_iter().map(|lease| lease.expect("all")));
        }
    }
    let [open, check, retire] = script;
    store.script(open, check, retire);
    {
        let mut acquire = pin!(pool.acquire());
        for turn in 0..polls {
            match poll!(acquire.as_mut()) {
                Poll::Ready(Ok(lease)) => {
                    leave(lease, leaves).await;
                    break;
                }
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {}
            }
            if turn == 1
                && let Some(lease) = busy.pop()
            {
                leave(lease, leaves).await;
            }
            yield_now().await;
        }
    }
    drop(busy);
    store.script(Does::Well, Does::Well, Does::Well);
    eventually_idle(&case, pool).await;
    let all = join_all((0..SIZE).map(|_| pool.acquire())).await;
    assert!(all.iter().all(Result::is_ok), "{case}: not every connection can be had: {all:?}");
    drop(all);
    eventually_idle(&case, pool).await;
}

/// One test for each way of leaving, so that they run side by side.
async fn walk(leaves: Leaves) {
    fresh_db(move |db| async move {
        let config = config(&db, u32::try_from(SIZE).expect("small"))
            // Every idle connection is checked.
            .check_after(Duration::ZERO)
            .connects_per_second(1_000_000.try_into().expect("not zero"))
            .connect_attempts(1.try_into().expect("not zero"))
            .breaker(db_pool::BreakerConfig::new().failures(1_000_000.try_into().expect("not zero")));
        let store = Arc::new(Scripted {
            inner: DirectStore::new(&config),
            open: AtomicU8::new(0),
            check: AtomicU8::new(0),
            retire: AtomicU8::new(0),
            changed: Notify::new(),
        });
        let pool = Pool::with_store(&config, Arc::clone(&store) as Arc<dyn Store>).await.expect("connected");
        for open in ALL {
            for polls in 0..POLLS {
                for retire in [Does::Well, Does::Never] {
                    check(&pool, &store, Finds::Nothing, [open, Does::Well, retire], leaves, polls).await;
                    check(&pool, &store, Finds::EveryoneBusy, [open, Does::Well, retire], leaves, polls)
                        .await;
                }
                for does in ALL {
                    check(&pool, &store, Finds::Idle, [open, does, Does::Well], leaves, polls).await;
                }
            }
        }
    })
    .await;
}

macro_rules! walks {
    ($($name:ident: $leaves:expr;)+) => {
        $(#[tokio::test]
        async fn $name() {
            walk($leaves).boxed_local().await;
        })+
    };
}

walks! {
    cut_anywhere_after_a_clean_return: LEAVES[0];
    cut_anywhere_after_a_marked_return: LEAVES[1];
    cut_anywhere_after_an_open_transaction: LEAVES[2];
    cut_anywhere_after_a_running_query: LEAVES[3];
    cut_anywhere_after_an_unusable_return: LEAVES[4];
}
