//! `db audit keygen` and `rewrap`.

use super::{
    args::{KeygenArgs, RewrapArgs},
    at, keys,
    private::NewFile,
};
use crate::{
    Exit, Failed,
    output::{self, Format},
};
use db_config::{CommandPassword, FileAccess, FilePassword};
use db_core::{PasswordProvider, Secret, with_causes};
use db_security::audit::{self, CheckpointSigner, MasterKey};
use serde_json::json;

pub(super) fn run(args: &KeygenArgs, format: Format) -> Result<Exit, Failed> {
    let (secret, public) = if args.master {
        (MasterKey::random_secret(), None)
    } else {
        let signer =
            CheckpointSigner::random(&args.name).map_err(|error| Failed::usage(error.to_string()))?;
        (signer.to_secret(), Some(signer.verifier().to_string()))
    };
    let mut file = NewFile::create(&args.out)?;
    file.write(&format!("{}\n", secret.expose()))?;
    file.keep()?;
    output::print(format, &json!({ "file": args.out, "public_key": public }), || {
        public.clone().unwrap_or_else(|| {
            format!("{}: a master key; whoever loses it loses all that it wraps", args.out.display())
        })
    });
    Ok(Exit::Done)
}

pub(super) async fn rewrap(args: &RewrapArgs, format: Format) -> Result<Exit, Failed> {
    at(&args.database, "the old master key holds, unless it was said", async |target| {
        let old = keys::master_or_refuse(&target.audit).await?;
        let new = keys::parsed_master(&new_key(args).await?)?;
        let mut tx = target.database.pool().begin().await?;
        let wrapped = audit::rewrap(&mut tx, &old, &new).await?;
        tx.commit().await?;
        output::print(format, &json!({ "rewrapped": wrapped }), || {
            format!("{wrapped} keys are wrapped anew; configure the new master key everywhere, as the old one is refused from now on")
        });
        Ok(Exit::Done)
    })
    .await
}

async fn new_key(args: &RewrapArgs) -> Result<Secret, Failed> {
    let given = match &args.new.new_key_file {
        Some(path) => FilePassword::new(path, FileAccess::Private).password().await,
        None => match CommandPassword::new(args.new.new_key_command.iter().cloned()) {
            Some(command) => command.password().await,
            None => Ok(None),
        },
    };
    match given {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(Failed::usage("--new-key-command names no program")),
        Err(error) => Err(Failed::usage(format!("the new master key: {}", with_causes(&*error)))),
    }
}
