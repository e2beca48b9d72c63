//! Keys as they are configured.

use crate::Failed;
use db_config::AuditConfig;
use db_core::{PasswordProvider, Secret, with_causes};
use db_security::audit::{CheckpointSigner, CheckpointVerifier, MasterKey};
use std::sync::Arc;

const NO_MASTER_KEY: &str = "no master key is configured: set DB_AUDIT_MASTER_KEY_FILE, DB_AUDIT_MASTER_KEY_COMMAND or \
    DB_AUDIT_MASTER_KEY; `db audit keygen --master` makes one";
const NO_SIGNING_KEY: &str = "no signing key is configured: set DB_AUDIT_SIGNING_KEY_FILE, DB_AUDIT_SIGNING_KEY_COMMAND or \
    DB_AUDIT_SIGNING_KEY; `db audit keygen` makes one";

pub(super) async fn master(config: &AuditConfig) -> Result<Option<MasterKey>, Failed> {
    match given(config.master_key.as_ref(), "audit.master_key").await? {
        Some(secret) => Ok(Some(parsed_master(&secret)?)),
        None => Ok(None),
    }
}

pub(super) async fn master_or_refuse(config: &AuditConfig) -> Result<MasterKey, Failed> {
    master(config).await?.ok_or_else(|| Failed::usage(NO_MASTER_KEY))
}

pub(super) fn parsed_master(secret: &Secret) -> Result<MasterKey, Failed> {
    Ok(MasterKey::parse(secret)?)
}

pub(super) async fn signer(config: &AuditConfig) -> Result<Option<CheckpointSigner>, Failed> {
    let Some(secret) = given(config.signing_key.as_ref(), "audit.signing_key").await? else {
        return Ok(None);
    };
    let signer = CheckpointSigner::parse(&secret);
    signer.map(Some).map_err(|error| Failed::usage(format!("audit.signing_key: {error}")))
}

pub(super) async fn signer_or_refuse(config: &AuditConfig) -> Result<CheckpointSigner, Failed> {
    signer(config).await?.ok_or_else(|| Failed::usage(NO_SIGNING_KEY))
}

/// Those that were given, or else those that are configured.
pub(super) fn verifiers(config: &AuditConfig, given: &[String]) -> Result<Vec<CheckpointVerifier>, Failed> {
    let (texts, from) =
        if given.is_empty() { (&config.public_keys[..], "audit.public_keys") } else { (given, "--key") };
    let parsed = texts.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, db_security::audit::NoteError>>()
        .map_err(|error| Failed::usage(format!("{from}: {error}")))
}

/// What a provider gives; one that is configured and gives nothing has failed.
async fn given(provider: Option<&Arc<dyn PasswordProvider>>, name: &str) -> Result<Option<Secret>, Failed> {
    let Some(provider) = provider else { return Ok(None) };
    match provider.password().await {
        Ok(Some(secret)) if !secret.is_empty() => Ok(Some(secret)),
        Ok(_) => Err(Failed::usage(format!("{name} is empty"))),
        Err(error) => Err(Failed::usage(format!("{name}: {}", with_causes(&*error)))),
    }
}
