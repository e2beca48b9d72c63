//! `db audit export` and `verify-export`.

use super::{
    args::{ExportArgs, VerifyExportArgs, Written},
    at, keys,
    private::NewFile,
};
use crate::{
    Exit, Failed, database,
    database::Target,
    output::{self, Format},
};
use db_core::with_causes;
use db_security::audit::{
    Export, ExportFlaw, ExportFormat, SignedCheckpoint, last_checkpoint, verify_export,
};
use indicatif::ProgressBar;
use serde_json::json;
use std::{
    fs::File,
    io::{BufReader, IsTerminal, stderr},
};

pub(super) async fn run(args: &ExportArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, "what was written is removed", async |target| {
        let written = match args.written {
            Written::Ndjson => ExportFormat::Ndjson,
            Written::Csv => ExportFormat::Csv,
        };
        let mut export = Export::new(args.filters.search(), written);
        if args.open {
            export = export.open_personal(keys::master_or_refuse(&target.audit).await?);
        }
        let file = NewFile::create(&args.out)?;
        let mut lease = target.database.pool().acquire().await?;
        if args.proofs {
            export = export.with_proofs(checkpoint(target, &mut lease).await?);
        }
        let shown = Shown::new();
        let exported = export.write(&mut lease, &mut file.handle()?, |events| shown.show(events)).await?;
        drop(shown);
        file.keep()?;
        if exported.uncovered > 0 {
            output::tell(&format!(
                "{} events were left out, as the checkpoint does not cover them: run `db audit sequence` and `db audit checkpoint`",
                exported.uncovered
            ));
        }
        output::print(format, &json!({ "file": args.out, "exported": exported }), || {
            format!("{}: {} events, {} bytes", args.out.display(), exported.events, exported.bytes)
        });
        Ok(Exit::Done)
    })
    .await
}

/// What proofs are of: the log as it is now where it can be signed here, or as it was signed last.
pub(super) async fn checkpoint(
    target: &Target,
    conn: &mut sqlx::PgConnection,
) -> Result<SignedCheckpoint, Failed> {
    if let Some(signer) = keys::signer(&target.audit).await? {
        super::sequence::sign(target, &signer).await?;
    }
    let last = last_checkpoint(conn).await?;
    last.ok_or_else(|| db_security::audit::Error::NoCheckpoint.into())
}

pub(super) async fn verify(args: &VerifyExportArgs, format: Format) -> Result<Exit, Failed> {
    let config = database::load(&args.settings)?;
    let verifiers = keys::verifiers(&config.audit, &args.keys.keys)?;
    let file = File::open(&args.file)
        .map_err(|error| Failed::usage(format!("{} cannot be read: {error}", args.file.display())))?;
    let checked = tokio::task::spawn_blocking(move || verify_export(BufReader::new(file), &verifiers)).await;
    match checked.map_err(|error| Failed::new(format!("the verification has ended: {error}")))? {
        Ok(checked) => {
            output::print(format, &checked, || {
                format!(
                    "{}: {} events are in the log {} as it was signed at {} leaves by {}",
                    args.file.display(),
                    checked.events,
                    checked.origin,
                    checked.size,
                    checked.signed_by.join(", ")
                )
            });
            Ok(Exit::Done)
        }
        Err(ExportFlaw::NoKey) => {
            Err(Failed::usage("no key to verify by: give --key, or set DB_AUDIT_PUBLIC_KEYS"))
        }
        Err(flaw @ ExportFlaw::Read { .. }) => Err(Failed::new(with_causes(&flaw))),
        Err(flaw) => {
            let failed = Failed::new(format!("{}: {}", args.file.display(), with_causes(&flaw)));
            output::print_error(&failed.answering(Exit::No), format);
            Ok(Exit::No)
        }
    }
}

/// Shows on a terminal how many events were looked at.
pub(super) struct Shown(Option<ProgressBar>);

impl Shown {
    pub(super) fn new() -> Self {
        Self(stderr().is_terminal().then(ProgressBar::new_spinner))
    }

    pub(super) fn show(&self, events: u64) {
        if let Some(bar) = &self.0 {
            bar.set_message(format!("{events} events looked at"));
            bar.tick();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
