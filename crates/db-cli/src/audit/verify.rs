//! `db audit verify`.

use super::{args::VerifyArgs, at, keys};
use crate::{
    Exit, Failed,
    database::Target,
    output::{self, Format},
};
use db_security::audit::{self, SignedCheckpoint, Verdict, Verification, parse_checkpoints};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fmt::Write,
    io::{IsTerminal, stderr},
    path::Path,
};

const BAR: &str = "{bar:30} {percent} %  {pos} of {len} events  ETA {eta}";

pub(super) async fn run(args: &VerifyArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, "nothing was changed", async |target| {
        let by = by(args, target).await?;
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style));
        let verdict = audit::verify(target.database.pool(), &by, |done, total| {
            if let Some(bar) = &bar {
                bar.set_length(total);
                bar.set_position(done);
            }
        })
        .await;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let verdict = verdict?;
        output::print(format, &verdict, || render(&verdict));
        Ok(if verdict.is_sound() { Exit::Done } else { Exit::No })
    })
    .await
}

async fn by(args: &VerifyArgs, target: &Target) -> Result<Verification, Failed> {
    let mut by = Verification::new();
    let verifiers = keys::verifiers(&target.audit, &args.keys.keys)?;
    let has_keys = !verifiers.is_empty();
    for verifier in verifiers {
        by = by.signed_by(verifier);
    }
    if let Some(master) = keys::master(&target.audit).await? {
        by = by.master_key(master);
    }
    let mut outside = 0;
    for path in &args.witnessed {
        for checkpoint in read(path)? {
            by = by.witnessed(checkpoint);
            outside += 1;
        }
    }
    // What was witnessed here is there to be compared with, unless others are named.
    if let Some(path) =
        target.audit.checkpoint_file.as_deref().filter(|path| args.witnessed.is_empty() && path.exists())
    {
        for checkpoint in read(path)? {
            by = by.witnessed(checkpoint);
            outside += 1;
        }
    }
    if let Some(path) = &args.from {
        let last = read(path)?.into_iter().max_by_key(|checkpoint| checkpoint.checkpoint().size);
        by = by.from(last.ok_or_else(|| Failed::usage(format!("{} has no checkpoint", path.display())))?);
        outside += 1;
    }
    if outside == 0 {
        output::tell(
            "no checkpoints from outside: whoever can write all of the database could have made this log anew",
        );
    } else if !has_keys {
        output::tell("no key: whether the checkpoints are signed as they should be is not verified");
    }
    Ok(by)
}

fn read(path: &Path) -> Result<Vec<SignedCheckpoint>, Failed> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failed::usage(format!("{} cannot be read: {error}", path.display())))?;
    let found = parse_checkpoints(&text);
    for (line, error) in &found.unreadable {
        output::tell(&format!(
            "{}, line {line}: passed over, as it is no checkpoint: {error}",
            path.display()
        ));
    }
    match found.unreadable.first() {
        Some((line, error)) if found.checkpoints.is_empty() => {
            Err(Failed::usage(format!("{} has no checkpoint; line {line}: {error}", path.display())))
        }
        _ => Ok(found.checkpoints),
    }
}

fn render(verdict: &Verdict) -> String {
    let mut text = String::new();
    for flaw in &verdict.flaws {
        let _ = writeln!(text, "{flaw}");
    }
    let Verdict {
        events,
        size,
        checkpoints,
        passed_over,
        personal,
        erased,
        waiting,
        flaw_count,
        first_leaf,
        ..
    } = verdict;
    if verdict.is_sound() {
        let _ = writeln!(
            text,
            "the log is what it was: {events} events compared, leaves {first_leaf} to before {size}"
        );
    } else {
        let _ = writeln!(
            text,
            "{flaw_count} flaws; {events} events compared, leaves {first_leaf} to before {size}"
        );
    }
    let _ = writeln!(text, "root {}", verdict.root.to_base64());
    let _ = writeln!(
        text,
        "{checkpoints} checkpoints agree, {passed_over} are from before leaf {first_leaf}; {personal} personal parts opened; {erased} keys erased; {waiting} events wait for a place"
    );
    text
}
