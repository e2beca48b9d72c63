//! The task that gives places, signs, and tells witnesses.

use super::log::{event, filled, master, pool, record_all, verified};
use async_trait::async_trait;
use db_core::{BoxError, Status};
use db_pool::Pool;
use db_security::audit::{
    CheckpointSigner, FileWitness, Sequencer, SequencerOptions, SignedCheckpoint, Verification, Witness,
    parse_checkpoints, verify,
};
use db_testkit::{eventually, fresh_db};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

const QUICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(600);

fn signer() -> CheckpointSigner {
    CheckpointSigner::from_seed("example.org/audit", &[1; 32]).expect("a name")
}

async fn size(pool: &Pool) -> i64 {
    pool.run("SELECT size FROM audit_tree").scalar().await.expect("read")
}

#[tokio::test]
async fn several_processes_have_one_and_the_log_is_one() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let options = SequencerOptions::new().interval(QUICK).max_events(7).master_key(master());
        let all: Vec<Sequencer> = (0..3).map(|_| Sequencer::start(pool.clone(), &options)).collect();
        let writers = (0..4_u64).map(|writer| {
            let pool = pool.clone();
            async move {
                for number in 0..20 {
                    record_all(&pool, [event(writer * 100 + number), event(writer * 100 + number + 50)])
                        .await;
                }
            }
        });
        futures_util::future::join_all(writers).await;
        eventually("all have their places", async || size(&pool).await == 160).await;
        let moved: u64 = all.iter().map(|one| one.stats().moved).sum();
        assert_eq!(moved, 160);
        let verdict = verified(&pool).await;
        assert!(verdict.is_sound() && verdict.events == 160, "{verdict:?}");
    })
    .await;
}

#[tokio::test]
async fn it_signs_what_the_log_is_and_has_others_keep_it() {
    fresh_db(|db| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("checkpoints");
        let pool = pool(&db).await;
        let options = SequencerOptions::new()
            .interval(QUICK)
            .signer(signer())
            .checkpoint_every(QUICK)
            .witness(Arc::new(FileWitness::new(&path)));
        let sequencer = Sequencer::start(pool.clone(), &options);
        for round in 1..=3_u64 {
            record_all(&pool, (0..10).map(event)).await;
            eventually("it is signed", async || {
                sequencer.nudge();
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let kept = parse_checkpoints(&text).checkpoints;
                kept.last().is_some_and(|last| last.checkpoint().size == round * 10)
            })
            .await;
        }
        assert!(sequencer.close(LONG).await);
        let text = std::fs::read_to_string(&path).expect("read");
        let kept = parse_checkpoints(&text).checkpoints;
        let by = kept.iter().fold(Verification::new().signed_by(signer().verifier()), |by, checkpoint| {
            by.witnessed(checkpoint.clone())
        });
        let verdict = verify(&pool, &by, |_, _| {}).await.expect("verified");
        assert!(verdict.is_sound() && verdict.checkpoints == 2 * kept.len() as u64, "{verdict:?}");
    })
    .await;
}

#[derive(Debug, Default)]
struct Fickle {
    is_there: AtomicBool,
    kept: parking_lot::Mutex<Vec<u64>>,
}

#[async_trait]
impl Witness for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }

    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError> {
        if !self.is_there.load(Relaxed) {
            return Err("away".into());
        }
        self.kept.lock().push(checkpoint.checkpoint().size);
        Ok(())
    }
}

#[tokio::test]
async fn a_witness_that_was_away_is_told_when_it_is_back() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 5).await;
        let witness = Arc::new(Fickle::default());
        let options = SequencerOptions::new()
            .interval(QUICK)
            .signer(signer())
            .checkpoint_every(QUICK)
            .witness(Arc::clone(&witness) as _);
        let sequencer = Sequencer::start(pool.clone(), &options);
        eventually("it has failed", async || sequencer.stats().unkept > 1).await;
        witness.is_there.store(true, Relaxed);
        eventually("it is kept", async || *witness.kept.lock() == [5]).await;
        // While it is away the log grows; then it is told of that, and of nothing that was before.
        witness.is_there.store(false, Relaxed);
        for size in [6, 7] {
            record_all(&pool, [event(size)]).await;
            let failures = sequencer.stats().unkept;
            eventually("it has failed", async || {
                sequencer.stats().checkpoints == size - 4 && sequencer.stats().unkept > failures + 1
            })
            .await;
        }
        witness.is_there.store(true, Relaxed);
        eventually("it is kept", async || *witness.kept.lock() == [5, 7]).await;
        let steady = sequencer.stats();
        assert!(sequencer.close(LONG).await);
        assert_eq!((*witness.kept.lock()).clone(), [5, 7], "{steady:?}");
    })
    .await;
}

#[tokio::test]
async fn what_a_process_has_signed_and_told_nobody_the_next_tells() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 5).await;
        super::tamper::signed(&pool).await;
        let witness = Arc::new(Fickle::default());
        witness.is_there.store(true, Relaxed);
        for signer in [CheckpointSigner::from_seed("example.org/other", &[2; 32]).expect("a name"), signer()]
        {
            let options = SequencerOptions::new().signer(signer).witness(Arc::clone(&witness) as _);
            assert!(witness.kept.lock().is_empty(), "what somebody else has signed is theirs to tell");
            assert!(Sequencer::start(pool.clone(), &options).close(LONG).await);
        }
        assert_eq!(*witness.kept.lock(), [5]);
    })
    .await;
}

/// Keeps nothing, and takes for ever.
#[derive(Debug)]
struct Stuck;

#[async_trait]
impl Witness for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    async fn keep(&self, _: &SignedCheckpoint) -> Result<(), BoxError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_witness_that_does_not_answer_holds_up_no_other() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 5).await;
        let witness = Arc::new(Fickle::default());
        witness.is_there.store(true, Relaxed);
        let options = SequencerOptions::new()
            .interval(QUICK)
            .signer(signer())
            .checkpoint_every(QUICK)
            .witness(Arc::new(Stuck))
            .witness(Arc::clone(&witness) as _);
        let _sequencer = Sequencer::start(pool.clone(), &options);
        eventually("it is kept", async || *witness.kept.lock() == [5]).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_in_its_way_is_told() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 5).await;
        let options = SequencerOptions::new().interval(QUICK);
        let sequencer = Sequencer::start(pool.clone(), &options);
        let probe = sequencer.probe();
        assert_eq!(probe.probe().await.status, Status::Healthy);
        pool.run("UPDATE audit_tree SET sequenced_at = clock_timestamp() + interval '1 hour'")
            .none()
            .await
            .expect("as if the clock had been set back");
        record_all(&pool, [event(1)]).await;
        eventually("it is told", async || {
            let finding = probe.probe().await;
            finding.status == Status::Unhealthy && finding.summary.contains("clock")
        })
        .await;
        pool.run("UPDATE audit_tree SET sequenced_at = clock_timestamp()").none().await.expect("set right");
        eventually("it is over", async || probe.probe().await.status == Status::Healthy).await;
        // Events that nobody moves.
        assert!(sequencer.close(LONG).await);
        pool.run(
            "INSERT INTO audit_inbox (action, entity_type, occurred_at) VALUES ('a', 't', now() - interval '2 minutes')",
        )
        .none()
        .await
        .expect("inserted");
        let finding = probe.probe().await;
        assert_eq!(finding.status, Status::Degraded, "{finding:?}");
    })
    .await;
}

#[tokio::test]
async fn what_comes_without_end_is_signed_and_the_task_can_be_closed() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        // Each event that gets its place makes another: the inbox never is empty.
        pool.run(
            "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO audit_inbox (action, entity_type) VALUES ('a', 't'); RETURN NULL; END $$",
        )
        .none()
        .await
        .expect("made");
        pool.run(
            "CREATE TRIGGER another AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION another()",
        )
        .none()
        .await
        .expect("made");
        record_all(&pool, (0..4).map(event)).await;
        let options =
            SequencerOptions::new().interval(QUICK).max_events(2).signer(signer()).checkpoint_every(QUICK);
        let sequencer = Sequencer::start(pool.clone(), &options);
        eventually("it is signed again and again", async || sequencer.stats().checkpoints > 2).await;
        assert!(sequencer.close(Duration::from_secs(30)).await);
    })
    .await;
}

#[derive(Debug, Default)]
struct Panicking {
    is_calm: AtomicBool,
}

#[async_trait]
impl Witness for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    async fn keep(&self, _: &SignedCheckpoint) -> Result<(), BoxError> {
        assert!(self.is_calm.load(Relaxed), "nobody has thought of this");
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_is_told_and_ends_nothing_and_a_task_that_is_gone_is_told() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        record_all(&pool, [event(1)]).await;
        let witness = Arc::new(Panicking::default());
        let options = SequencerOptions::new()
            .interval(QUICK)
            .signer(signer())
            .checkpoint_every(QUICK)
            .witness(Arc::clone(&witness) as _);
        let sequencer = Sequencer::start(pool.clone(), &options);
        let probe = sequencer.probe();
        eventually("it is told", async || {
            let finding = probe.probe().await;
            record_all(&pool, [event(2)]).await;
            finding.status == Status::Unhealthy && finding.summary.contains("thought of this")
        })
        .await;
        witness.is_calm.store(true, Relaxed);
        eventually("it goes on", async || {
            sequencer.nudge();
            probe.probe().await.status == Status::Healthy
        })
        .await;
        drop(sequencer);
        eventually("its end is told", async || {
            let finding = probe.probe().await;
            finding.status == Status::Unhealthy && finding.summary.contains("gone")
        })
        .await;
    })
    .await;
}
