//! `db audit erase` and `replay`.

use super::{
    args::{EraseArgs, ReplayArgs},
    at,
    private::NewFile,
};
use crate::{
    Exit, Failed,
    confirm::agreed,
    database::Target,
    output::{self, Format},
};
use db_security::audit::{self, Erasure};
use serde_json::json;

const UNASKED: &str = "erasing somebody cannot be taken back: say --yes";

pub(super) async fn run(args: &EraseArgs, format: Format) -> Result<Exit, Failed> {
    let question =
        format!("Destroy the key of {}, so that nobody reads what events say of them?", args.subject);
    if !args.yes && !agreed(&question, UNASKED)? {
        output::print(format, &json!({ "erased": false }), || "nothing was erased".to_owned());
        return Ok(Exit::Done);
    }
    at(&args.database, "whether it was erased, `db audit search --entity subjects` tells", async |target| {
        // Before anything is destroyed: an erasure without its receipt is lost with the next restore.
        let mut file = args.receipt.as_deref().map(NewFile::create).transpose()?;
        let mut tx = target.database.pool().begin().await?;
        let erased = audit::erase(&mut tx, &args.subject, args.by.by.as_deref()).await?;
        if let Some(file) = &mut file {
            let text = serde_json::to_string_pretty(&erased);
            let text =
                text.map_err(|error| Failed::new(format!("the receipt cannot be written: {error}")))?;
            file.write(&format!("{text}\n"))?;
        }
        tx.commit().await?;
        if let Some(file) = file {
            file.keep()?;
        }
        finish(target, &erased).await;
        output::print(format, &json!({ "erased": !erased.keys.is_empty(), "receipt": erased }), || {
            tell(&erased)
        });
        Ok(Exit::Done)
    })
    .await
}

pub(super) async fn replay(args: &ReplayArgs, format: Format) -> Result<Exit, Failed> {
    let path = args.receipt.display();
    let text = std::fs::read_to_string(&args.receipt)
        .map_err(|error| Failed::usage(format!("{path} cannot be read: {error}")))?;
    let receipt: Erasure = serde_json::from_str(&text)
        .map_err(|error| Failed::usage(format!("{path} is no receipt: {error}")))?;
    at(&args.database, "run it again: what was erased stays so", async |target| {
        let mut tx = target.database.pool().begin().await?;
        let erased = audit::replay(&mut tx, &receipt, args.by.by.as_deref()).await?;
        tx.commit().await?;
        finish(target, &erased).await;
        output::print(format, &json!({ "erased": !erased.keys.is_empty(), "receipt": erased }), || {
            tell(&erased)
        });
        Ok(Exit::Done)
    })
    .await
}

/// The old version of a key's row lies in the table's file until it is vacuumed.
async fn finish(target: &Target, erased: &Erasure) {
    if erased.keys.is_empty() {
        return;
    }
    if let Err(error) = target.database.pool().run("VACUUM audit_keys").none().await {
        output::tell(&format!(
            "erased, but the old row lies in the table's file until somebody vacuums audit_keys: {error}"
        ));
    }
}

fn tell(erased: &Erasure) -> String {
    match erased.keys.len() {
        0 => format!("{}: there was no key to destroy", erased.subject),
        keys => format!(
            "{}: {keys} keys destroyed; what events say of them is read by nobody any more",
            erased.subject
        ),
    }
}
