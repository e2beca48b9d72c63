//! Statements whose answers are kept until a commit changes what they read.

use crate::{Database, Error};
use db_cache::{LoadError, Namespace, Policy, Reads, Told};
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
const LOCAL_BYTES: usize = 4 << 20;
/// How long the first of all statements waits until changes are followed; then it is not cached.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// For how long it is taken for granted what a statement reads.
const KNOWN_FOR: Duration = Duration::from_secs(60);
const LEARN_WITHIN: Duration = Duration::from_secs(1);
/// Statements of which something is known. With more of them all is learnt anew.
const MOST: usize = 4_096;
/// Kinds of answers, by their type and the time for which they are fresh; of more none are kept.
const MOST_KINDS: usize = 64;
/// Where nothing bounds a statement.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

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
    told: Option<Arc<Told>>,
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
    /// A change of the schema (a view that is replaced, a partition that is attached) is heard of within a minute.
    /// What serde skips is not kept.
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
        let Some(place) = self.place::<Vec<T>>().await else {
            return self.query.all().await.map(Arc::new);
        };
        let (pool, statement) = (self.query.db.pool().clone(), self.query.statement.clone());
        let load = move || async move { pool.run(statement).all::<T>().await.map(Some) };
        match place.load(load).await {
            // A load always has some, if none.
            Ok(Some(rows)) => Ok(rows.unwrap_or_default()),
            Ok(None) => self.query.all().await.map(Arc::new),
            Err(error) => Err(error),
        }
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
        let Some(place) = self.place::<T>().await else {
            return Ok(self.query.optional().await?.map(Arc::new));
        };
        let (pool, statement) = (self.query.db.pool().clone(), self.query.statement.clone());
        let load = move || async move { pool.run(statement).optional::<T>().await };
        match place.load(load).await? {
            Some(row) => Ok(row),
            None => Ok(self.query.optional().await?.map(Arc::new)),
        }
    }

    /// Where its answer is kept; `None` where it may not be.
    async fn place<V>(&self) -> Option<Place<V>>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let Query { db, statement } = self.query;
        let found = async {
            let digest = statement.digest()?;
            if !db.cached.is_current(FIRST_LOOK).await {
                return None;
            }
            let told = db.cached.queries.told(db, statement).await?;
            let namespace = db.cached.queries.namespace::<V>(db, self.ttl)?;
            Some(Place { namespace, key: key::<V>(digest, &told), told })
        };
        let found = found.await;
        if found.is_none() {
            db.cached.queries.bypassed.fetch_add(1, Relaxed);
        }
        found
    }
}

/// Where an answer is kept.
struct Place<V> {
    namespace: Namespace<V>,
    key: String,
    told: Arc<Told>,
}

impl<V> Place<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// `None` where the database is to be asked as if nothing were kept.
    async fn load<F, L>(&self, load: F) -> Result<Option<Option<Arc<V>>>, Error>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, db_pool::Error>> + Send + 'static,
    {
        // It may read more tables than a value may have tags.
        let Ok(tagged) = self.namespace.tagged(&self.told.tags) else { return Ok(None) };
        match tagged.get_or_load(&self.key, load).await {
            Ok(value) => Ok(Some(value)),
            Err(LoadError::Shed { .. } | LoadError::TimedOut { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// One type of answer is not read as another, nor what was asked with other rights, in other schemas or of other tables.
fn key<V>(digest: [u8; 32], told: &Told) -> String {
    let asked = format!("{} {:?} {}", type_name::<V>(), told.tags, told.scope);
    let hash = Sha256::new().chain_update(digest).chain_update(asked).finalize();
    hash.iter().fold(String::with_capacity(64), |mut key, byte| {
        use fmt::Write;
        // A String takes every write.
        let _ = write!(key, "{byte:02x}");
        key
    })
}

impl Queries {
    /// What all that it reads is told by; `None` where not all of it tells of its changes, or nobody knows yet.
    async fn told(&self, db: &Database, statement: &Statement) -> Option<Arc<Told>> {
        let now = Instant::now();
        {
            let mut known = self.known.lock();
            if known.len() >= MOST {
                known.clear();
            }
            match known.get_mut(statement.sql()) {
                Some(known) if now < known.until => return known.told.clone(),
                // One learns, and the others go on with what was known.
                Some(known) => known.until = now + LEARN_WITHIN,
                None => {
                    known.insert(statement.sql().into(), Known { told: None, until: now + LEARN_WITHIN });
                }
            }
        }
        let told = timeout(LEARN_WITHIN, learn(db, statement)).await.ok()??;
        let told = told.ok().map(Arc::new);
        self.known
            .lock()
            .insert(statement.sql().into(), Known { told: told.clone(), until: now + KNOWN_FOR });
        told
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
        if namespaces.len() >= MOST_KINDS {
            return None;
        }
        let mut policy = Policy::fresh_for(ttl);
        policy.local_bytes = LOCAL_BYTES;
        // It is known that there is no row, too.
        policy.negative_ttl = Some(ttl);
        // The pool lets in as many as it can serve, and each waits as it would without a cache.
        policy.max_loads = usize::MAX;
        policy.hard_timeout = db.cached.load_timeout.unwrap_or(LONGEST);
        let namespace = db.cache().namespace::<V>(NAMESPACE, policy);
        let namespace = namespace.inspect_err(|error| tracing::warn!(error = %error, "not cached")).ok()?;
        namespaces.insert(id, Arc::new(namespace.clone()));
        Some(namespace)
    }
}

/// What the statement reads, by the catalogue; nothing where that cannot be asked.
async fn learn(db: &Database, statement: &Statement) -> Option<Result<Told, ()>> {
    let touches = statement.touches();
    if touches.iter().any(|touch| touch.access.is_write()) || statement.asks_for_the_time() {
        return Some(Err(()));
    }
    let relations: Vec<&str> = touches.iter().map(|touch| touch.table.as_str()).collect();
    let functions = statement.functions();
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    let query = db_cache::Query { relations: &relations, functions: &functions };
    let mut lease = db.pool().acquire().await.ok()?;
    match db.cache().reads(&mut lease, query).await.ok()? {
        Reads::Told(told) => Some(Ok(told)),
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
