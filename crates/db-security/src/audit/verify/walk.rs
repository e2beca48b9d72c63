//! Walks over the log, stretch by stretch, on two connections at once.

use super::{
    Verdict, Verification,
    flaw::{Flaw, Flaws},
    keys::{self, Told},
    leaves::explain,
    snapshot::Snapshot,
    stretch::{Signed, bounds, checkpoints, read_stretch, read_stretch_on},
    stubs, tiles,
};
use crate::audit::{
    Checkpoint, Error, Hash, SignedCheckpoint,
    log::{State, origin, state},
    tree::{Frontier, TILE, needs, peaks},
};
use db_pool::Pool;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::{Executor as _, PgConnection, Row as _};

/// Stretches that are read at once.
const AT_ONCE: usize = 2;
/// Height of a tile.
const TILE_HEIGHT: u32 = TILE.trailing_zeros();

/// Verifies the log as it is now, and answers with all that is wrong with it. Events that come meanwhile are left for the next
/// time. `tell` hears how many of how many leaves are done.
///
/// It takes up to three connections of the pool, all of which see the log as it was at the beginning, and memory for some
/// 200,000 events.
///
/// # Errors
/// [`Error::Pool`], [`Error::Database`], [`Error::NotThere`]: that it could not be verified. What is wrong with it is no error.
///
/// # Cancel safety
/// Nothing is written.
pub async fn verify(
    pool: &Pool,
    by: &Verification,
    mut tell: impl FnMut(u64, u64),
) -> Result<Verdict, Error> {
    let mut snapshot = Snapshot::take(pool).await?;
    let conn = snapshot.session();
    let log = state(conn).await?;
    let mut walk = Walk::default();
    let size = walk.size_of(conn, &log).await?;
    walk.strangers(conn, &log, size).await?;
    let (start, mut frontier) = walk.start(conn, by, &log, size).await?;
    let mut outside = walk.outside(conn, by, &log, size, start).await?;
    // What is signed of just this size is met although no leaf may follow.
    walk.grow(&mut frontier, &[], &[], &mut outside, by, &log);
    tiles::check_lengths(conn, log.first_leaf, size, &mut walk.flaws).await?;
    let mut verdict = Verdict {
        size,
        root: Hash::of_nothing(),
        first_leaf: start,
        events: 0,
        checkpoints: 0,
        passed_over: walk.passed_over,
        personal: 0,
        erased: 0,
        flaws: Vec::new(),
        flaw_count: 0,
        waiting: log.waiting,
    };
    let (name, master) = (snapshot.name(), by.master.clone());
    // With one connection all is read on the session that keeps the moment.
    let at_once = at_once(pool);
    let mut alone = bounds(start, size).into_iter();
    let beside: Vec<_> = if at_once == 0 { Vec::new() } else { alone.by_ref().collect() };
    let mut stretches = stream::iter(beside)
        .map(|stretch| {
            let (pool, name, master) = (pool.clone(), name.clone(), master.clone());
            // On a task of its own each, so that hashing goes on beside the reading of the next.
            Task(tokio::spawn(async move { read_stretch(&pool, &name, master.as_ref(), stretch).await }))
        })
        .buffered(at_once.max(1));
    let mut last_time = i64::MIN;
    loop {
        let stretch = match (stretches.try_next().await?, alone.next()) {
            (Some(stretch), _) => stretch,
            (None, Some(stretch)) => read_stretch_on(snapshot.session(), by.master.as_ref(), stretch).await?,
            (None, None) => break,
        };
        if stretch.first_time < last_time {
            walk.flaws.add(Flaw::BackInTime { leaf: stretch.from });
        }
        last_time = last_time.max(stretch.last_time);
        for (size, signed) in stretch.signed {
            outside.entry(size).or_default().extend(signed);
        }
        verdict.events += stretch.events;
        verdict.personal += stretch.personal;
        explain(&stretch.compared.odd, &stretch.compared.absent, &stretch.compared.stored, &mut walk.flaws);
        stretch.flaws.into_iter().for_each(|flaw| walk.flaws.add(flaw));
        walk.told.add(stretch.told);
        walk.grow(&mut frontier, &stretch.compared.leaves, &stretch.nodes, &mut outside, by, &log);
        tell(frontier.size() - start, size - start);
        // A session that nobody asks for long may be ended as idle, and the moment with it.
        snapshot.session().execute("SELECT").await.map_err(Error::while_trying("go on at one moment"))?;
    }
    drop(stretches);
    let conn = snapshot.session();
    tiles::check_upper(conn, &mut walk.flaws).await?;
    verdict.erased = keys::check(conn, by.master.as_ref(), &walk.told, &mut walk.flaws).await?;
    verdict.root = frontier.root();
    verdict.checkpoints = walk.checkpoints;
    (verdict.flaws, verdict.flaw_count) = walk.flaws.into_parts();
    snapshot.end().await?;
    Ok(verdict)
}

/// Stretches that are read at once, beside the session that keeps the moment.
fn at_once(pool: &Pool) -> usize {
    usize::try_from(pool.stats().max_size.saturating_sub(1)).map_or(AT_ONCE, |room| room.min(AT_ONCE))
}

/// A task that ends with whoever waits for it.
struct Task<T>(tokio::task::JoinHandle<Result<T, Error>>);

impl<T> Future for Task<T> {
    type Output = Result<T, Error>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::Closed),
            },
        })
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Default)]
struct Walk {
    flaws: Flaws,
    told: Told,
    checkpoints: u64,
    passed_over: u64,
    sound_until: u64,
}

impl Walk {
    /// How many leaves the tree has, whatever the log says of it.
    async fn size_of(&mut self, conn: &mut PgConnection, log: &State) -> Result<u64, Error> {
        let last: Option<(i64, i32)> = sqlx::query_as(
            "SELECT tile, length(hashes) FROM audit_tiles WHERE level = 0 ORDER BY tile DESC LIMIT 1",
        )
        .fetch_optional(conn)
        .await
        .map_err(Error::while_trying("read the tree"))?;
        let hash_bytes = Hash::LEN as u64;
        let is = last.map_or(0, |(tile, bytes)| {
            u64::try_from(tile).unwrap_or(0) * TILE + u64::try_from(bytes).unwrap_or(0) / hash_bytes
        });
        // Where all leaves have left by retention, their full tiles have too.
        let is = is.max(log.first_leaf.min(log.size) / TILE * TILE);
        if is != log.size {
            self.flaws.add(Flaw::SizeAltered { says: log.size, is });
        }
        Ok(is)
    }

    /// Events where none can be.
    async fn strangers(&mut self, conn: &mut PgConnection, log: &State, size: u64) -> Result<(), Error> {
        if log.next_leaf <= size && !log.has_early {
            return Ok(());
        }
        let rows = sqlx::query(
            "SELECT leaf, id FROM audit_events WHERE (leaf >= $1 AND leaf < $2) OR leaf < $3 ORDER BY leaf LIMIT 100",
        )
        .bind(signed(size))
        .bind(signed(log.next_leaf))
        .bind(signed(log.first_leaf))
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("look for events beyond the log"))?;
        for row in rows {
            let leaf = u64::try_from(row.get::<i64, _>(0)).unwrap_or(0);
            self.flaws.add(Flaw::Inserted { leaf, id: row.get(1) });
        }
        Ok(())
    }

    /// Checkpoints that the walk will meet, of witnesses and of the size that it begins with; those of sizes that the log does not have
    /// are flaws at once, also where the database itself has them.
    async fn outside(
        &mut self,
        conn: &mut PgConnection,
        by: &Verification,
        log: &State,
        size: u64,
        start: u64,
    ) -> Result<Signed, Error> {
        let (mut met, unread) = checkpoints(conn, start, start).await?;
        let (beyond, more_unread) = checkpoints(conn, size + 1, u64::MAX).await?;
        unread.into_iter().chain(more_unread).for_each(|flaw| self.flaws.add(flaw));
        for checkpoint in by.witnessed.iter().chain(&by.from).chain(beyond.values().flatten()) {
            let said = checkpoint.checkpoint();
            if said.origin != origin(log.log_id) {
                self.flaws.add(Flaw::OtherLog { size: said.size, origin: said.origin.clone() });
            } else if said.size > size {
                if self.is_signed(by, checkpoint) {
                    self.flaws.add(Flaw::Truncated { signed: said.size, size });
                }
            } else if said.size < start {
                self.passed_over += 1;
            } else {
                met.entry(said.size).or_default().push(checkpoint.clone());
            }
        }
        Ok(met)
    }

    /// Where the walk begins, and the tree up to there.
    async fn start(
        &mut self,
        conn: &mut PgConnection,
        by: &Verification,
        log: &State,
        size: u64,
    ) -> Result<(u64, Frontier), Error> {
        let asked = by.from.as_ref().map_or(0, |from| from.checkpoint().size);
        let start = asked.max(log.first_leaf).min(size);
        let held = tiles::read(conn, &needs::for_root(start)).await?;
        // What is missing is named with its tile, and then no checkpoint agrees.
        let nodes = peaks(start).map(|peak| held.node(peak).unwrap_or_else(|_| Hash::of_nothing()));
        let frontier = Frontier::new(start, nodes.collect());
        let claimed = stubs::check(conn, log.first_leaf, &mut self.flaws).await?;
        if let Some(root) = claimed
            && start == log.first_leaf
            && root != frontier.root().as_bytes()
        {
            self.flaws.add(Flaw::StubDiffers { through_leaf: start - 1 });
        }
        Ok((start, frontier))
    }

    /// Appends leaves to the tree, and compares it with what was signed at the sizes that it comes by.
    fn grow(
        &mut self,
        frontier: &mut Frontier,
        leaves: &[Hash],
        nodes: &[Option<Hash>],
        signed: &mut Signed,
        by: &Verification,
        log: &State,
    ) {
        let from = frontier.size();
        let mut nodes = nodes.iter();
        let mut rest = leaves;
        loop {
            let at = frontier.size();
            while let Some(entry) = signed.first_entry().filter(|entry| *entry.key() <= at) {
                let is_now = *entry.key() == at;
                for checkpoint in entry.remove() {
                    if is_now {
                        self.meet(&checkpoint, frontier, by, log);
                    }
                }
            }
            let Some((first, others)) = rest.split_first() else { break };
            let next_signed = signed.first_key_value().map_or(u64::MAX, |(size, _)| *size);
            // Nodes are those over the full tiles of the stretch, of which the first may be cut.
            let node = if at.is_multiple_of(TILE) && at - from + TILE <= leaves.len() as u64 {
                nodes.next().copied().flatten()
            } else {
                None
            };
            match node.filter(|_| next_signed >= at + TILE) {
                Some(node) => {
                    frontier.push_full(TILE_HEIGHT, node);
                    rest = rest.get(usize::try_from(TILE).unwrap_or(usize::MAX)..).unwrap_or_default();
                }
                None => {
                    frontier.push(*first);
                    rest = others;
                }
            }
        }
    }

    fn meet(&mut self, checkpoint: &SignedCheckpoint, frontier: &Frontier, by: &Verification, log: &State) {
        let Checkpoint { origin: of, size, root } = checkpoint.checkpoint();
        if *of != origin(log.log_id) {
            self.flaws.add(Flaw::OtherLog { size: *size, origin: of.clone() });
            return;
        }
        if !self.is_signed(by, checkpoint) {
            return;
        }
        if *root == frontier.root() {
            self.checkpoints += 1;
            self.sound_until = *size;
        } else {
            self.flaws.add(Flaw::CheckpointDiffers {
                size: *size,
                sound_until: self.sound_until,
                signed: root.to_base64(),
                is: frontier.root().to_base64(),
            });
        }
    }

    /// Whether one of the keys has signed it; without keys, whether it says so is not known and not asked.
    fn is_signed(&mut self, by: &Verification, checkpoint: &SignedCheckpoint) -> bool {
        let mut why = None;
        for verifier in &by.verifiers {
            match verifier.verify(checkpoint) {
                Ok(()) => return true,
                Err(error) => why = why.or(Some(error)),
            }
        }
        match why {
            None => true,
            Some(error) => {
                let size = checkpoint.checkpoint().size;
                self.flaws.add(Flaw::NotSigned { size, why: error.to_string() });
                false
            }
        }
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
