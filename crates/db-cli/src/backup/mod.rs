//! `db backup`.

pub(crate) mod args;
mod progress;
mod render;

use crate::{
    Exit, Failed,
    args::DatabaseArgs,
    confirm::agreed,
    database::{Missing, Place},
    output::{self, Format},
    stop::unless_stopped,
};
use args::{BackupAction, BackupArgs, CreateArgs, FolderArgs, PruneArgs, RestoreArgs, ToolArgs, VerifyArgs};
use chrono::Utc;
use db_migrate::backup::{self, BackupError, Entry, KeepPolicy, OpenSessions, Pruning, Target, Verified};
use db_migrate::{Scratch, Server};
use progress::Shown;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Scratch databases that a killed command left; a verification does not take that long.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn run(args: &BackupArgs, format: Format) -> Result<Exit, Failed> {
    match &args.action {
        BackupAction::Create(args) => create(args, format).await,
        BackupAction::List(args) => list(args, format),
        BackupAction::Verify(args) => verify(args, format).await,
        BackupAction::Restore(args) => restore(args, format).await,
        BackupAction::Prune(args) => prune(args, format),
    }
}

/// A backup that `db migrate` makes before it does what is risky: proved, or nothing is migrated.
pub(crate) async fn before_risky(server: &Server, dir: &Path, tools: &ToolArgs) -> Result<PathBuf, Failed> {
    let mut shown = Shown::new();
    let (path, _) =
        backup::create(server, dir, &tools.create_options(), &mut |event| shown.show(event)).await?;
    prove(server, &path, tools).await?;
    drop(shown);
    output::tell(&format!("backed up and proved: {}", path.display()));
    Ok(path)
}

async fn create(args: &CreateArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, "a backup that was not finished is removed", async |server| {
        let mut shown = Shown::new();
        let (path, manifest) =
            backup::create(server, &args.folder.dir, &args.options(), &mut |event| shown.show(event)).await?;
        drop(shown);
        let verified = if args.verify { Some(prove(server, &path, &args.tools).await?) } else { None };
        render::created(format, &path, &manifest, verified.as_ref());
        Ok(Exit::Done)
    })
    .await
}

fn list(args: &FolderArgs, format: Format) -> Result<Exit, Failed> {
    let entries = backup::list(&args.dir)?;
    render::list(format, &args.dir, &entries);
    Ok(if entries.iter().any(Entry::is_intact) { Exit::Done } else { Exit::No })
}

async fn verify(args: &VerifyArgs, format: Format) -> Result<Exit, Failed> {
    let path = named(&args.folder.dir, &args.backup)?;
    let outcome = if args.files_only {
        let mut shown = Shown::new();
        backup::verify_files(&path, &mut |event| shown.show(event))
            .await
            .map(|()| None)
            .map_err(Unproved::Backup)
    } else {
        let mut outcome = Ok(None);
        let exit = at(&args.database, "nothing is left of its scratch database", async |server| {
            outcome = prove(server, &path, &args.tools).await.map(Some);
            Ok(Exit::Done)
        })
        .await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
        outcome
    };
    match outcome {
        Ok(verified) => {
            render::verified(format, &path, verified.as_ref());
            Ok(Exit::Done)
        }
        Err(Unproved::Backup(error)) if is_answer(&error) => {
            output::print_error(&Failed::from(error).answering(Exit::No), format);
            Ok(Exit::No)
        }
        Err(unproved) => Err(unproved.into()),
    }
}

/// Why a backup was not proved.
enum Unproved {
    Backup(BackupError),
    Sweep(db_migrate::Error),
}

impl From<Unproved> for Failed {
    fn from(unproved: Unproved) -> Self {
        match unproved {
            Unproved::Backup(error) => error.into(),
            Unproved::Sweep(error) => error.into(),
        }
    }
}

async fn prove(server: &Server, path: &Path, tools: &ToolArgs) -> Result<Verified, Unproved> {
    for name in Scratch::sweep(server, LEFT_OVER).await.map_err(Unproved::Sweep)? {
        output::tell(&format!("dropped the scratch database {name}, which a killed command had left"));
    }
    let mut shown = Shown::new();
    let options = tools.restore_options();
    backup::verify(server, path, &options, &mut |event| shown.show(event)).await.map_err(Unproved::Backup)
}

/// Whether it says that the backup is not what it should be, rather than that nobody could look.
fn is_answer(error: &BackupError) -> bool {
    matches!(error, BackupError::Damaged { .. } | BackupError::Differs { .. } | BackupError::Manifest { .. })
}

async fn restore(args: &RestoreArgs, format: Format) -> Result<Exit, Failed> {
    let path = named(&args.folder.dir, &args.backup)?;
    let sessions = if args.end_sessions { OpenSessions::Terminate } else { OpenSessions::Refuse };
    let target = args.to.into.as_deref().map_or(Target::Replace(sessions), Target::Into);
    let place = Place::open(&args.database, Missing::Refuse).await?;
    // Asked before Ctrl-C is listened for: who presses it instead of an answer wants no clean end of anything.
    if let Target::Replace(_) = target
        && !args.yes
    {
        let question = format!("Replace {} by {}?", place.server.database(), path.display());
        let elsewhere =
            "replacing a database is not done unasked: say --yes, or --into DATABASE for a new one";
        if !agreed(&question, elsewhere)? {
            output::tell("nothing was restored");
            place.close().await;
            return Ok(Exit::Failed);
        }
    }
    within(place, "a database that had not got its name yet is dropped", async |server| {
        let mut shown = Shown::new();
        let options = args.tools.restore_options();
        let restored =
            backup::restore(server, &path, target, &options, &mut |event| shown.show(event)).await?;
        drop(shown);
        render::restored(format, &path, &restored);
        Ok(Exit::Done)
    })
    .await
}

fn prune(args: &PruneArgs, format: Format) -> Result<Exit, Failed> {
    let policy = KeepPolicy { keep_last: args.keep_last, keep_days: args.keep_days };
    let pruning = if args.dry_run { Pruning::DryRun } else { Pruning::Remove };
    let removals = backup::prune(&args.folder.dir, policy, Utc::now(), pruning)?;
    render::pruned(format, pruning, &removals);
    Ok(Exit::Done)
}

/// Works with the server until it is done or Ctrl-C is pressed; what is left then is told.
async fn at(
    args: &DatabaseArgs,
    left: &str,
    work: impl AsyncFnOnce(&Server) -> Result<Exit, Failed>,
) -> Result<Exit, Failed> {
    within(Place::open(args, Missing::Refuse).await?, left, work).await
}

async fn within(
    place: Place,
    left: &str,
    work: impl AsyncFnOnce(&Server) -> Result<Exit, Failed>,
) -> Result<Exit, Failed> {
    let outcome = unless_stopped(left, Box::pin(work(&place.server))).await?;
    place.close().await;
    outcome.unwrap_or(Ok(Exit::Interrupted))
}

/// The folder of a backup by its name, or of the newest that could be restored.
fn named(dir: &Path, name: &str) -> Result<PathBuf, Failed> {
    if name != "latest" {
        return Ok(dir.join(name));
    }
    let newest = backup::list(dir)?.into_iter().find(Entry::is_intact);
    newest.map(|entry| entry.path).ok_or_else(|| {
        Failed::new(format!(
            "there is no backup in {} that could be restored: make one by `db backup create`",
            dir.display()
        ))
    })
}
