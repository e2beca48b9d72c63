//! The ways to get a password, each asked anew for every connection, so that rotation needs no restart.

mod callback;
#[cfg(feature = "command")]
mod command;
mod file;
mod fixed;

pub use callback::CallbackPassword;
#[cfg(feature = "command")]
pub use command::CommandPassword;
pub use file::FilePassword;
pub use fixed::StaticPassword;

use crate::FileAccess;
use crate::error::Problem;
use crate::merge::{Setting, Settings};
use crate::value::Value;
use db_core::{PasswordProvider, Secret};
use std::sync::Arc;

/// The longest password that a file or a command may give.
const LONGEST: usize = 64 * 1024;

/// The keys under which a secret may be given: itself, a file, a command.
pub(crate) const PASSWORD: [&str; 3] =
    ["database.password", "database.password_file", "database.password_command"];
pub(crate) const MASTER_KEY: [&str; 3] =
    ["audit.master_key", "audit.master_key_file", "audit.master_key_command"];
pub(crate) const FORMER_MASTER_KEY: [&str; 3] =
    ["audit.former_master_key", "audit.former_master_key_file", "audit.former_master_key_command"];
pub(crate) const SIGNING_KEY: [&str; 3] =
    ["audit.signing_key", "audit.signing_key_file", "audit.signing_key_command"];
pub(crate) const CHECKPOINT_WEBHOOK: [&str; 3] =
    ["audit.checkpoint_webhook", "audit.checkpoint_webhook_file", "audit.checkpoint_webhook_command"];

/// The provider that the settings ask for under these keys; `None` when they name no secret.
///
/// # Errors
/// When this build lacks what the setting needs.
pub(crate) fn of(
    settings: &Settings,
    [plain, file, command]: [&'static str; 3],
) -> Result<Option<Arc<dyn PasswordProvider>>, Problem> {
    let value = |key: &str| settings.get(key).map(|setting| &setting.value);
    if let Some(Value::Secret(secret)) = value(plain) {
        return Ok(Some(Arc::new(StaticPassword::new(secret.clone()))));
    }
    if let Some(Value::Path(path)) = value(file) {
        // Keys are always private: they are worth more than one password.
        if plain != PASSWORD[0] {
            return Ok(Some(Arc::new(FilePassword::private(path.clone()))));
        }
        let access = match value("database.password_file_access") {
            Some(Value::Word(word)) => FileAccess::of(word).unwrap_or(FileAccess::Private),
            _ => FileAccess::Private,
        };
        return Ok(Some(Arc::new(FilePassword::new(path.clone(), access))));
    }
    match settings.get(command) {
        Some(setting) => command_of(setting, command, file).map(Some),
        None => Ok(None),
    }
}

#[cfg(feature = "command")]
fn command_of(
    setting: &Setting,
    key: &'static str,
    _file: &str,
) -> Result<Arc<dyn PasswordProvider>, Problem> {
    let words = if let Value::Command(words) = &setting.value { words.as_slice() } else { &[] };
    let command = CommandPassword::new(words.iter().cloned()).ok_or_else(|| {
        let problem = crate::parse::invalid("names no program", "give a program and its arguments");
        problem.key(key).at(setting.source.clone())
    })?;
    Ok(Arc::new(command))
}

#[cfg(not(feature = "command"))]
fn command_of(
    setting: &Setting,
    key: &'static str,
    file: &str,
) -> Result<Arc<dyn PasswordProvider>, Problem> {
    let fix = format!("build db-config with the cargo feature `command`, or use {file}");
    let problem = crate::parse::invalid("this build runs no commands", fix);
    Err(problem.key(key).at(setting.source.clone()))
}

/// A password as a file or a command gives it: one trailing line break belongs to the medium, not to the password.
/// `Err` says why it is none.
fn from_output(bytes: Vec<u8>) -> Result<Secret, &'static str> {
    if bytes.len() > LONGEST {
        return Err("longer than 64 KiB");
    }
    // The bytes are wiped with the secret that takes them over; on the way out with an error they hold no password.
    let mut text = String::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    match text.as_str() {
        "" => Err("empty"),
        text if text.contains('\0') => Err("holds a NUL character"),
        _ => Ok(Secret::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::from_output;

    #[test]
    fn one_trailing_line_break_is_dropped() {
        for (bytes, expected) in [
            ("secret\n", Ok("secret")),
            ("secret\r\n", Ok("secret")),
            ("secret", Ok("secret")),
            (" sec ret \n\n", Ok(" sec ret \n")),
            ("\n", Err("empty")),
            ("", Err("empty")),
            ("a\0b", Err("holds a NUL character")),
        ] {
            let found = from_output(bytes.as_bytes().to_vec());
            let found = found.as_ref().map(db_core::Secret::expose).map_err(|why| *why);
            assert_eq!(found, expected, "{bytes:?}");
        }
        assert_eq!(from_output(vec![0xff]).err(), Some("not UTF-8"));
        assert_eq!(from_output(vec![b'a'; super::LONGEST + 1]).err(), Some("longer than 64 KiB"));
    }
}
