//! Where the password comes from, asked anew each time.

use db_config::{CallbackPassword, Error, FileAccess, FilePassword, Loader};
use db_core::{PasswordProvider, Secret};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

async fn asked(provider: &dyn PasswordProvider) -> Option<String> {
    provider.password().await.unwrap().map(|secret| secret.expose().to_owned())
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    chmod(path, 0o600);
}

#[cfg(unix)]
fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_password_in_place() {
    let config = Loader::new().env([("DATABASE_URL", "postgres://u:p%40ss@h")]).load().unwrap();
    assert_eq!(asked(&*config.postgres.password).await.as_deref(), Some("p@ss"));
    assert_eq!(asked(&*Loader::new().load().unwrap().postgres.password).await, None);
    let config = Loader::new().env([("DB_PASSWORD", "")]).load().unwrap();
    assert_eq!(asked(&*config.postgres.password).await, None);
}

#[tokio::test]
async fn a_replica_has_its_own_password_or_the_primarys() {
    let config = Loader::new()
        .env([
            ("DATABASE_URL", "postgres://u:first@h"),
            ("DB_READ_REPLICAS", "postgres://r1 postgres://r:second@r2"),
        ])
        .load()
        .unwrap();
    let [one, two] = &config.postgres.read_replicas[..] else { panic!("{config:?}") };
    assert_eq!(asked(&*one.password).await.as_deref(), Some("first"));
    assert_eq!(asked(&*two.password).await.as_deref(), Some("second"));
}

#[tokio::test]
async fn a_file_is_read_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    private(&path, "first\n");
    let config = Loader::new().set("database.password_file", path.display().to_string()).load().unwrap();
    assert_eq!(asked(&*config.postgres.password).await.as_deref(), Some("first"));
    private(&path, "second\r\n");
    assert_eq!(asked(&*config.postgres.password).await.as_deref(), Some("second"));
    std::fs::remove_file(&path).unwrap();
    let error = config.postgres.password.password().await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    assert!(matches!(error.downcast_ref(), Some(Error::PasswordFile { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    private(&path, "hunter2");
    chmod(&path, 0o644);
    let error = FilePassword::new(&path, FileAccess::Private).password().await.unwrap_err().to_string();
    assert!(error.contains("others may read it; chmod 0600") && !error.contains("hunter2"), "{error}");
    assert_eq!(asked(&FilePassword::new(&path, FileAccess::Any)).await.as_deref(), Some("hunter2"));
    let error = FilePassword::new(directory.path(), FileAccess::Any).password().await.unwrap_err();
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[tokio::test]
async fn a_callback_is_asked_each_time_and_wins_over_every_layer() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let callback = CallbackPassword::new(move || {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Some(Secret::new(format!("token{call}")))) }
    });
    let config =
        Loader::new().env([("DB_PASSWORD_FILE", "/nowhere")]).password(Arc::new(callback)).load().unwrap();
    assert_eq!(asked(&*config.postgres.password).await.as_deref(), Some("token0"));
    assert_eq!(asked(&*config.postgres.password).await.as_deref(), Some("token1"));
    let text = config.explain().to_string();
    assert!(text.contains("set in code password provider") && !text.contains("/nowhere"), "{text}");
}

#[tokio::test]
async fn a_later_layer_replaces_the_way_the_password_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".env");
    std::fs::write(&path, "DB_PASSWORD_FILE=/nowhere\n").unwrap();
    let config = Loader::new().dotenv(&path).env([("DB_PASSWORD", "later")]).load().unwrap();
    assert_eq!(asked(&*config.postgres.password).await.as_deref(), Some("later"));
}

#[tokio::test]
async fn the_keys_of_the_audit_log_are_given_as_a_password_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    private(&path, "first\n");
    let config = Loader::new()
        .env([("DB_AUDIT_MASTER_KEY", "wraps"), ("DB_AUDIT_PUBLIC_KEYS", "a+1+x, b+2+y,")])
        .set("audit.signing_key_file", path.display().to_string())
        .load()
        .unwrap();
    let audit = &config.audit;
    assert_eq!(asked(audit.master_key.as_deref().unwrap()).await.as_deref(), Some("wraps"));
    let signing = audit.signing_key.as_deref().unwrap();
    assert_eq!(asked(signing).await.as_deref(), Some("first"));
    private(&path, "second\n");
    assert_eq!(asked(signing).await.as_deref(), Some("second"));
    assert_eq!(audit.public_keys, ["a+1+x", "b+2+y"]);
    assert_eq!(audit.checkpoint_every, std::time::Duration::from_secs(60));
    assert!(audit.checkpoint_file.is_none() && audit.checkpoint_webhook.is_none() && audit.spool.is_none());
    assert!(audit.sequence);
    let none = Loader::new().load().unwrap().audit;
    assert!(none.master_key.is_none() && none.signing_key.is_none() && none.public_keys.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_with_a_key_is_private_whatever_holds_for_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    private(&path, "hunter2");
    chmod(&path, 0o644);
    let config = Loader::new()
        .set("audit.master_key_file", path.display().to_string())
        .set("database.password_file_access", "any")
        .load()
        .unwrap();
    let error = config.audit.master_key.unwrap().password().await.unwrap_err().to_string();
    assert!(error.contains("others may read it") && !error.contains("hunter2"), "{error}");
}
