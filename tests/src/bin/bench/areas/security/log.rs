//! A log of a million events: getting them there, also while a transaction holds everything that was moved, verifying them, proving
//! one, and forgetting one subject among ten million.

use crate::{
    Failure,
    row::{Better, Row, Work},
};
use db_pool::Pool;
use db_security::audit::{Sequenced, Verification, erase, prove_inclusion, sequence, verify};
use std::time::Instant;

const EVENTS: i64 = 1_000_000;
const SUBJECTS: i64 = 10_000_000;
const BATCH: u32 = 10_000;
const ROUNDS: usize = 5;
const PROOFS: u64 = 2_000;

const RATE: Work = Work {
    area: "security",
    work: "events from the inbox into the log, 10,000 at once",
    peer: None,
    unit: "events/s",
    better: Better::Higher,
    goal: None,
};
const FLAT: Work = Work {
    work: "the same while a transaction holds all that was moved: the last fifth beside the first",
    unit: "of the rate",
    ..RATE
};
const VERIFY: Work =
    Work { work: "verifying a million events (to be 2 or less)", unit: "s", better: Better::Lower, ..RATE };
const PROOF: Work =
    Work { work: "a proof of inclusion among a million: median (to be 1 or less)", unit: "ms", ..VERIFY };
const ERASE: Work =
    Work { work: "forgetting one subject of ten million (to be 1 or less)", unit: "s", ..VERIFY };

pub(super) async fn run(pool: &Pool) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    fill(pool, EVENTS / 2).await?;
    rows.push(Row::new(&RATE, &[rate(&drain(pool).await?)], &[]));
    // It has a number of its own, so that nothing that comes after it may be cleared away.
    let mut holder = pool.begin().await?;
    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *holder).await?;
    fill(pool, EVENTS / 2).await?;
    let times = drain(pool).await?;
    holder.rollback().await?;
    let fifth = times.len() / 5;
    rows.push(Row::new(&FLAT, &[rate(&times[times.len() - fifth..]) / rate(&times[..fifth])], &[]));
    pool.run("VACUUM ANALYZE audit_events").none().await?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let verdict = verify(pool, &Verification::new(), |_, _| {}).await?;
        seconds.push(began.elapsed().as_secs_f64());
        if !verdict.is_sound() || verdict.events != EVENTS.unsigned_abs() {
            return Err(format!("the log is not sound: {:?}", verdict.flaws).into());
        }
    }
    rows.push(Row::new(&VERIFY, &seconds, &[]));
    rows.push(Row::new(&PROOF, &proofs(pool).await?, &[]));
    rows.push(Row::new(&ERASE, &forget(pool).await?, &[]));
    Ok(rows)
}

async fn fill(pool: &Pool, events: i64) -> Result<(), Failure> {
    let filling = sqlx::query(
        "INSERT INTO audit_inbox (actor, request, action, entity_type, entity_id, old_values, new_values) \
         SELECT 'ann', 'r' || n % 1000, 'update', 'things', n::text, '{\"state\": \"open\"}', \
         jsonb_build_object('state', 'done', 'number', n) FROM generate_series(1, $1) AS n",
    )
    .bind(events);
    pool.run(filling).none().await?;
    pool.run("ANALYZE audit_inbox").none().await?;
    Ok(())
}

/// Seconds of each full batch.
async fn drain(pool: &Pool) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        let mut tx = pool.begin().await?;
        let moved = sequence(&mut tx, None, BATCH).await?;
        tx.commit().await?;
        match moved {
            Sequenced::Moved { events: 0, .. } => return Ok(times),
            Sequenced::Moved { .. } => times.push(began.elapsed().as_secs_f64()),
            Sequenced::Elsewhere => return Err("somebody else has the log".into()),
        }
    }
}

fn rate(times: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred batches")]
    let events = times.len() as f64 * f64::from(BATCH);
    events / times.iter().sum::<f64>()
}

async fn proofs(pool: &Pool) -> Result<Vec<f64>, Failure> {
    let size = EVENTS.unsigned_abs();
    let mut lease = pool.acquire().await?;
    let mut times = Vec::new();
    for number in 0..PROOFS {
        let leaf = number.wrapping_mul(7_919_777) % size;
        let began = Instant::now();
        prove_inclusion(lease.vouched(), leaf, size).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

async fn forget(pool: &Pool) -> Result<Vec<f64>, Failure> {
    let filling = sqlx::query(
        "INSERT INTO audit_keys (id, subject, wrapped) \
         SELECT gen_random_uuid(), 'subject ' || n, decode(repeat('00', 60), 'hex') FROM generate_series(1, $1) AS n",
    )
    .bind(SUBJECTS);
    pool.run(filling).none().await?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let began = Instant::now();
        let mut tx = pool.begin().await?;
        let receipt = erase(&mut tx, &format!("subject {}", 1_234_567 + round * 1_000_003), None).await?;
        tx.commit().await?;
        times.push(began.elapsed().as_secs_f64());
        if receipt.keys.len() != 1 {
            return Err("the subject was not there".into());
        }
    }
    Ok(times)
}
