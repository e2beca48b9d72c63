//! `db audit run`, `sequence` and `checkpoint`.

use super::{args::SequenceArgs, at, keys};
use crate::{
    Exit, Failed,
    args::DatabaseArgs,
    database::{Missing, Target},
    output::{self, Format},
    stop::Stop,
};
use db_core::with_causes;
use db_security::audit::{
    CheckpointSigner, Sequenced, Sequencer, SequencerOptions, SequencerStats, SignedCheckpoint,
    last_checkpoint, sequence, sequence_despite_clock, status,
};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Events in one transaction.
const BATCH: u32 = 10_000;
/// How often is said what was done.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How long to wait for another process that has the log in hand, and how often to look.
const ELSEWHERE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const END_WITHIN: Duration = Duration::from_secs(30);
const KEEP_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(args: &SequenceArgs, format: Format) -> Result<Exit, Failed> {
    let target = Target::open(&args.database, Missing::Refuse, None).await?;
    let outcome = work(&target, args.despite_clock, format).await;
    target.close().await;
    outcome
}

async fn work(target: &Target, despite_clock: bool, format: Format) -> Result<Exit, Failed> {
    let stop = Stop::listen()?;
    let mut options = SequencerOptions::new().checkpoint_every(target.audit.checkpoint_every);
    if despite_clock {
        options = options.despite_clock();
    }
    if let Some(master) = keys::master(&target.audit).await? {
        options = options.master_key(master);
    } else {
        output::tell("no master key is configured: what triggers find personal waits in the inbox");
    }
    if let Some(signer) = keys::signer(&target.audit).await? {
        options = options.signer(signer);
    } else {
        output::tell("no signing key is configured: no checkpoints are signed");
    }
    for witness in db_facade::witnesses(&target.audit).await? {
        options = options.witness(witness);
    }
    let mut lease = target.database.pool().acquire().await?;
    let there = status(&mut lease).await?;
    drop(lease);
    let sequencer = Sequencer::start(target.database.pool().clone(), &options);
    output::print(
        format,
        &json!({ "log": there.origin, "size": there.size, "waiting": there.waiting }),
        || {
            format!(
                "{}: {} events, {} wait; giving them their places until Ctrl-C",
                there.origin, there.size, there.waiting
            )
        },
    );
    let mut told = SequencerStats::default();
    let mut tick = tokio::time::interval(TOLD_EVERY);
    loop {
        tokio::select! {
            () = stop.requested() => break,
            _ = tick.tick() => tell(format, &mut told, sequencer.stats()),
        }
    }
    let sent = sequencer.probe();
    let is_done = sequencer.close(END_WITHIN).await;
    let finding = sent.probe().await;
    if is_done {
        output::print(format, &json!({ "ended": true, "audit": finding.summary }), || {
            "ended; what has committed has its place, unless another process is at it".to_owned()
        });
        Ok(Exit::Done)
    } else {
        Err(Failed::new(format!("it has not ended within {END_WITHIN:?}; what is left waits in the inbox")))
    }
}

/// Says what was done since the last time, where something was.
fn tell(format: Format, told: &mut SequencerStats, now: SequencerStats) {
    if *told == now {
        return;
    }
    let object = json!({
        "moved": now.moved - told.moved,
        "repeated": now.repeated - told.repeated,
        "erased": now.erased - told.erased,
        "refused": now.refused - told.refused,
        "checkpoints": now.checkpoints - told.checkpoints,
        "unkept": now.unkept - told.unkept,
    });
    output::print(format, &object, || {
        format!(
            "{} events got their places, {} were there already, {} were put aside; {} checkpoints signed, {} not kept by a witness",
            now.moved - told.moved,
            now.repeated - told.repeated,
            now.refused - told.refused,
            now.checkpoints - told.checkpoints,
            now.unkept - told.unkept
        )
    });
    *told = now;
}

pub(super) async fn once(args: &SequenceArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, "what was moved has its place, and the rest waits", async |target| {
        let master = keys::master(&target.audit).await?;
        let (mut moved, mut again, mut is_elsewhere) = (0, 0, false);
        let patience = Instant::now() + ELSEWHERE;
        loop {
            let mut tx = target.database.pool().begin().await?;
            let done = if args.despite_clock {
                sequence_despite_clock(&mut tx, master.as_ref(), BATCH).await?
            } else {
                sequence(&mut tx, master.as_ref(), BATCH).await?
            };
            let Sequenced::Moved { events, repeated, is_drained, .. } = done else {
                tx.rollback().await?;
                is_elsewhere = Instant::now() >= patience;
                if is_elsewhere {
                    output::tell("another process gives events their places right now");
                    break;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            };
            tx.commit().await?;
            moved += events;
            again += repeated;
            if is_drained {
                break;
            }
        }
        let mut lease = target.database.pool().acquire().await?;
        let now = status(&mut lease).await?;
        let object = json!({ "moved": moved, "repeated": again, "size": now.size, "waiting": now.waiting, "unsealed": now.unsealed, "refused": now.refused });
        output::print(format, &object, || {
            format!("{moved} events got their places; the log has {}, and {} wait", now.size, now.waiting)
        });
        if now.unsealed > 0 && master.is_none() {
            output::tell(&format!("{} events wait for a master key, as they hold what is personal", now.unsealed));
        }
        if now.refused > 0 {
            output::tell(&format!("{} events were put aside, as they cannot be moved; `db audit status` says why", now.refused));
        }
        Ok(if is_elsewhere || now.refused > 0 { Exit::No } else { Exit::Done })
    })
    .await
}

pub(super) async fn checkpoint(args: &DatabaseArgs, format: Format) -> Result<Exit, Failed> {
    at(args, "nothing was signed", async |target| {
        let signer = keys::signer_or_refuse(&target.audit).await?;
        let signed = sign(target, &signer).await?;
        let is_new = signed.is_some();
        let mut lease = target.database.pool().acquire().await?;
        let last = match signed {
            Some(signed) => Some(signed),
            None => last_checkpoint(&mut lease).await?,
        };
        let Some(last) = last else {
            return Err(Failed::new("the log is empty, so there is nothing to sign: run `db audit sequence` first"));
        };
        if !is_new {
            output::tell("the log has not grown since this was signed");
        }
        let of = last.checkpoint();
        let object = json!({
            "is_new": is_new, "origin": of.origin, "size": of.size, "root": of.root.to_base64(), "note": last.note(),
        });
        output::print(format, &object, || format!("{}\n", last.note()));
        Ok(Exit::Done)
    })
    .await
}

/// Signs what the log is now, where it has grown, and has the configured witnesses keep it.
pub(super) async fn sign(
    target: &Target,
    signer: &CheckpointSigner,
) -> Result<Option<SignedCheckpoint>, Failed> {
    let mut tx = target.database.pool().begin().await?;
    let signed = db_security::audit::checkpoint(&mut tx, signer).await?;
    tx.commit().await?;
    if let Some(signed) = &signed {
        for witness in db_facade::witnesses(&target.audit).await? {
            let kept = timeout(KEEP_WITHIN, witness.keep(signed)).await;
            let kept = kept.unwrap_or_else(|_| Err(format!("it took more than {KEEP_WITHIN:?}").into()));
            kept.map_err(|error| {
                Failed::new(format!(
                    "signed, but {} has not kept it: {}",
                    witness.name(),
                    with_causes(&*error)
                ))
            })?;
        }
    }
    Ok(signed)
}
