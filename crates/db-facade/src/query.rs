//! Statements whose answers are kept until a commit changes what they read.

use crate::{Database, Error};
use db_cache::{Namespace, Policy, Reads, TableTag};
use db_pool::Pool;
use db_query::Statement;
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use sqlx::{FromRow, postgres::PgRow};
use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// What keys of answers begin with, after the application.
const NAMESPACE: &str = "query";
/// Room in this process for the answers of one type that are fresh for one time.
const LOCAL_BYTES: usize = 8 << 20;
/// How long the first of all statements waits until changes are followed; then it is not cached.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// For how long it is taken for granted what a statement reads.
const KNOWN_FOR: Duration = Duration::from_secs(60);
const LEARN_WITHIN: Duration = Duration::from_secs(1);
/// Statements, and kinds of answers, of which something is known. With more of them all is learnt anew.
const MOST: usize = 4_096;

/// A statement about to be run: see [`Database::query`].
#[must_use = "nothing runs before `all`, `one` or `optional` is called"]
#[derive(Debug)]
pub struct Query<'q> {
    db: &'q Database,
    statement: &'q Statement,
}

/// A statement whose answer may be a kept one: see [`Query::cached`].
#[must_use = "nothing runs before `all` or `optional` is called"]
#[derive(Debug)]
pub struct Cached<'q> {
    query: Query<'q>,
    ttl: Duration,
}

/// What is known of statements.
#[derive(Default)]
pub(crate) struct Queries {
    /// By their text.
    known: Mutex<HashMap<Box<str>, Known>>,
    namespaces: Mutex<HashMap<(TypeId, Duration), Arc<dyn Any + Send + Sync>>>,
    bypassed: AtomicU64,
}

#[derive(Clone)]
struct Known {
    /// `None` where not all of what it reads tells of its changes.
    tags: Option<Arc<[TableTag]>>,
    until: Instant,
}

impl Database {
    /// A statement, with typed rows.
    ///
    /// ```no_run
    /// # async fn example(db: &db_facade::Database) -> Result<(), Box<dyn std::error::Error>> {
    /// use db_facade::db_query::{Select, col};
    /// use std::time::Duration;
    ///
    /// let dear = Select::from("items").columns(["id", "price"]).filter(col("price").gt(100_i64)).limit(50).build()?;
    /// let rows = db.query(&dear).cached(Duration::from_secs(300)).all::<(i64, i64)>().await?;
    /// # drop(rows); Ok(()) }
    /// ```
    pub fn query<'q>(&'q self, statement: &'q Statement) -> Query<'q> {
        Query { db: self, statement }
    }

    /// How many statements were to be cached, and ran uncached: changes were not followed, or not all of what they read tells
    /// of its changes.
    #[must_use]
    pub fn uncached_queries(&self) -> u64 {
        self.cached.queries.bypassed.load(Relaxed)
    }
}

impl<'q> Query<'q> {
    /// All rows.
    ///
    /// # Errors
    /// [`Error::Query`].
    ///
    /// # Cancel safety
    /// The statement is stopped on the server.
    pub async fn all<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<Vec<T>, Error> {
        self.db.pool().run(self.statement.clone()).all().await.map_err(Error::Query)
    }

    /// The first row.
    ///
    /// # Errors
    /// [`Error::Query`], also where there is none.
    ///
    /// # Cancel safety
    /// The statement is stopped on the server.
    pub async fn one<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<T, Error> {
        self.db.pool().run(self.statement.clone()).one().await.map_err(Error::Query)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// [`Error::Query`].
    ///
    /// # Cancel safety
    /// The statement is stopped on the server.
    pub async fn optional<T: for<'r> FromRow<'r, PgRow> + Send>(self) -> Result<Option<T>, Error> {
        self.db.pool().run(self.statement.clone()).optional().await.map_err(Error::Query)
    }

    /// The same, whose answer is kept under its text and values for this time at most, and is untrue at the first commit
    /// that changes a table which it reads, by whatever program.
    ///
    /// For that the tables must be watched ([`Cache::watch_tables`](db_cache::Cache::watch_tables), `db cache watch`); views
    /// are looked through, and changes are followed from the first use on. Where a table is not watched, a function may
    /// answer otherwise the next time, or changes are not heard of at present, the statement runs as if this had not been
    /// said, and is counted ([`Database::uncached_queries`]). Another process hears of a commit some milliseconds
    /// after; whoever must not read what was before one waits for it: [`Database::has_seen`].
    pub fn cached(self, ttl: Duration) -> Cached<'q> {
        Cached { query: self, ttl }
    }
}

impl Cached<'_> {
    /// All rows.
    ///
    /// # Errors
    /// [`Error::Query`] and [`Error::Load`].
    ///
    /// # Cancel safety
    /// A load goes on: it is for others too.
    pub async fn all<T>(self) -> Result<Arc<Vec<T>>, Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let Some((namespace, key, tags)) = self.place::<Vec<T>>().await else {
            return self.query.all().await.map(Arc::new);
        };
        let (pool, statement) = (self.query.db.pool().clone(), self.query.statement.clone());
        let load = move || async move { pool.run(statement).all::<T>().await.map(Some) };
        let rows = load_with(&namespace, &tags, key, load).await?;
        // A load always has some, if none.
        Ok(rows.unwrap_or_default())
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// Those of [`all`](Self::all).
    ///
    /// # Cancel safety
    /// That of [`all`](Self::all).
    pub async fn optional<T>(self) -> Result<Option<Arc<T>>, Error>
    where
        T: for<'r> FromRow<'r, PgRow> + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let Some((namespace, key, tags)) = self.place::<T>().await else {
            return Ok(self.query.optional().await?.map(Arc::new));
        };
        let (pool, statement): (Pool, _) = (self.query.db.pool().clone(), self.query.statement.clone());
        let load = move || async move { pool.run(statement).optional::<T>().await };
        load_with(&namespace, &tags, key, load).await
    }

    /// Where its answer is kept; `None` where it may not be.
    async fn place<V>(&self) -> Option<(Namespace<V>, String, Arc<[TableTag]>)>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let Query { db, statement } = self.query;
        let found = async {
            let digest = statement.digest()?;
            let following = db.cached.following();
            if !following.is_current() && !following.is_following(FIRST_LOOK).await {
                return None;
            }
            // It may have followed once and be cut off now.
            if !following.is_current() {
                return None;
            }
            let tags = db.cached.queries.tags(db, statement).await?;
            Some((db.cached.queries.namespace::<V>(db, self.ttl)?, key::<V>(digest), tags))
        };
        let found = found.await;
        if found.is_none() {
            db.cached.queries.bypassed.fetch_add(1, Relaxed);
        }
        found
    }
}

async fn load_with<V, F, L>(
    namespace: &Namespace<V>,
    tags: &[TableTag],
    key: String,
    load: F,
) -> Result<Option<Arc<V>>, Error>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce() -> L + Send + 'static,
    L: Future<Output = Result<Option<V>, db_pool::Error>> + Send + 'static,
{
    let loaded = match namespace.tagged(tags) {
        Ok(tagged) => tagged.get_or_load(key, load).await,
        // It reads more tables than a value may have tags.
        Err(_) => return load().await.map(|value| value.map(Arc::new)).map_err(Error::Query),
    };
    Ok(loaded?)
}

/// One type of answer is not read as another.
fn key<V>(digest: [u8; 32]) -> String {
    let hash = Sha256::new().chain_update(digest).chain_update(type_name::<V>()).finalize();
    hash.iter().fold(String::with_capacity(64), |mut key, byte| {
        use fmt::Write;
        // A String takes every write.
        let _ = write!(key, "{byte:02x}");
        key
    })
}

impl Queries {
    /// The tags of all that it reads; `None` where not all of it tells of its changes.
    async fn tags(&self, db: &Database, statement: &Statement) -> Option<Arc<[TableTag]>> {
        let now = Instant::now();
        if let Some(known) = self.known.lock().get(statement.sql()).filter(|known| now < known.until) {
            return known.tags.clone();
        }
        let tags = timeout(LEARN_WITHIN, learn(db, statement)).await.ok()??;
        let tags = tags.ok().map(Arc::from);
        let mut known = self.known.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(statement.sql().into(), Known { tags: tags.clone(), until: now + KNOWN_FOR });
        tags
    }

    fn namespace<V>(&self, db: &Database, ttl: Duration) -> Option<Namespace<V>>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let mut namespaces = self.namespaces.lock();
        let id = (TypeId::of::<V>(), ttl);
        if let Some(known) = namespaces.get(&id) {
            return known.downcast_ref::<Namespace<V>>().cloned();
        }
        let mut policy = Policy::fresh_for(ttl);
        policy.local_bytes = LOCAL_BYTES;
        // It is known that there is no row, too.
        policy.negative_ttl = Some(ttl);
        let namespace = db.cache().namespace::<V>(NAMESPACE, policy);
        let namespace = namespace.inspect_err(|error| tracing::warn!(error = %error, "not cached")).ok()?;
        if namespaces.len() >= MOST {
            namespaces.clear();
        }
        namespaces.insert(id, Arc::new(namespace.clone()));
        Some(namespace)
    }
}

/// What the statement reads, by the catalogue; nothing where that cannot be asked.
async fn learn(db: &Database, statement: &Statement) -> Option<Result<Vec<TableTag>, ()>> {
    let touches = statement.touches();
    if touches.iter().any(|touch| touch.access.is_write()) {
        return Some(Err(()));
    }
    let relations: Vec<&str> = touches.iter().map(|touch| touch.table.as_str()).collect();
    let functions = statement.functions();
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    let query = db_cache::Query { relations: &relations, functions: &functions };
    let mut lease = db.pool().acquire().await.ok()?;
    match db.cache().reads(&mut lease, query).await.ok()? {
        Reads::Told(tags) => Some(Ok(tags)),
        Reads::Untold(untold) => {
            let why = untold.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            tracing::warn!(sql = statement.sql(), "not cached: {why}");
            Some(Err(()))
        }
    }
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queries").field("bypassed", &self.bypassed).finish_non_exhaustive()
    }
}
