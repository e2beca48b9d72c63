//! `db audit erase` and `replay`.

use super::{
    args::{EraseArgs, ReplayArgs},
    at, failed,
    private::NewFile,
};
use crate::{
    Exit, Failed,
    confirm::agreed,
    database::Target,
    output::{self, Format},
};
use db_core::with_causes;
use db_security::audit::{self, Erasure};
use serde_json::json;
use sqlx::PgConnection;

const LOCKED: &str = "a transaction that writes to the log has been open for 30 s, so nothing was erased: run it again when that has ended";
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
        prepare(&mut tx).await?;
        let erased = audit::erase(&mut tx, &args.subject, args.by.by.as_deref()).await;
        let erased = erased.map_err(|error| failed(error, LOCKED))?;
        if let Some(mut file) = file.take() {
            let text = serde_json::to_string_pretty(&erased);
            let text =
                text.map_err(|error| Failed::new(format!("the receipt cannot be written: {error}")))?;
            file.write(&format!("{text}\n"))?;
            // From here on it stays: nobody knows what has become of a commit that was not heard of.
            file.keep()?;
        }
        if let Err(error) = tx.commit().await {
            let how = args.receipt.as_deref().map_or_else(
                || "run it again".to_owned(),
                |path| format!("`db audit replay {}` makes sure", path.display()),
            );
            return Err(Failed::new(format!(
                "whether it was erased is not known ({}): {how}",
                with_causes(&error)
            )));
        }
        finish(target, &erased).await;
        output::print(
            format,
            &json!({ "erased": !erased.keys.is_empty() || erased.waiting > 0, "receipt": erased }),
            || tell(&erased),
        );
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
        prepare(&mut tx).await?;
        let erased = audit::replay(&mut tx, &receipt, args.by.by.as_deref()).await;
        let erased = erased.map_err(|error| failed(error, LOCKED))?;
        tx.commit().await?;
        finish(target, &erased).await;
        output::print(
            format,
            &json!({ "erased": !erased.keys.is_empty() || erased.waiting > 0, "receipt": erased }),
            || tell(&erased),
        );
        Ok(Exit::Done)
    })
    .await
}

/// Whoever has made a key and does not commit is not waited for without end.
async fn prepare(conn: &mut PgConnection) -> Result<(), Failed> {
    sqlx::query("SET LOCAL lock_timeout = '30s'").execute(conn).await?;
    Ok(())
}

/// The old versions of a key's row, and of events that waited, lie in the tables' files until those are vacuumed.
async fn finish(target: &Target, erased: &Erasure) {
    let mut tables = Vec::new();
    if !erased.keys.is_empty() {
        tables.push("audit_keys");
    }
    if erased.waiting > 0 {
        tables.push("audit_inbox");
    }
    for table in tables {
        let vacuum = sqlx::AssertSqlSafe(format!("VACUUM {table}"));
        if let Err(error) = target.database.pool().run(vacuum).none().await {
            output::tell(&format!(
                "erased, but old rows lie in the table's file until somebody vacuums {table}: {error}"
            ));
        }
    }
}

fn tell(erased: &Erasure) -> String {
    let keys = match (erased.keys.len(), erased.before.is_empty()) {
        _ if erased.is_first => {
            "there was no key to destroy; what happened before now and comes later will not be readable"
                .to_owned()
        }
        (0, true) => "there was nothing left to destroy".to_owned(),
        (0, false) => "their key was destroyed before".to_owned(),
        (keys, _) => format!("{keys} keys destroyed; what events say of them is read by nobody any more"),
    };
    let waiting = match erased.waiting {
        0 => String::new(),
        waiting => format!("; so did {waiting} events lose it that had no place in the log yet"),
    };
    format!("{}: {keys}{waiting}", erased.subject)
}
