//! What `V1__name.sql.conf` says of one script of Flyway's.

use crate::TransactionMode;

/// What holds for one script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) mode: TransactionMode,
    /// Whether `${name}` is a placeholder.
    pub(super) replaces: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mode: TransactionMode::Auto, replaces: true }
    }
}

const KEYS: [&str; 4] = ["executeInTransaction", "placeholderReplacement", "encoding", "shouldExecute"];

/// What the text says on top of what holds for all scripts, and everything that is wrong with it, with its line.
pub(super) fn read(text: &str, mut settings: Settings) -> (Settings, Vec<(usize, String)>) {
    let mut wrong = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        if let Err(reason) = settings.set(key.trim(), value.trim()) {
            wrong.push((number, reason));
        }
    }
    (settings, wrong)
}

impl Settings {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key.strip_prefix("flyway.").unwrap_or(key), value.to_ascii_lowercase().as_str()) {
            ("executeInTransaction", "true") => self.mode = TransactionMode::Single,
            ("executeInTransaction", "false") => self.mode = TransactionMode::None,
            ("placeholderReplacement", "true") => self.replaces = true,
            ("placeholderReplacement", "false") => self.replaces = false,
            ("encoding", "utf-8" | "utf8") | ("shouldExecute", "true") => {}
            ("encoding", _) => {
                return Err(format!("the encoding {value:?} is not read: save the script as UTF-8"));
            }
            ("shouldExecute", _) => {
                return Err(
                    "shouldExecute is not evaluated: take the script out where it is not to run".to_owned()
                );
            }
            (key, _) if KEYS.contains(&key) => return Err(format!("{key} must be true or false")),
            (key, _) => return Err(unknown(key)),
        }
        Ok(())
    }
}

fn unknown(key: &str) -> String {
    let likeness = |known: &&str| strsim::jaro_winkler(key, known);
    let nearest = KEYS.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest {
        Some(near) if likeness(&near) > 0.7 => format!("unknown key {key:?}, did you mean {near:?}?"),
        _ => format!("unknown key {key:?}: known are {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, TransactionMode, read};

    #[test]
    fn reads_properties() {
        let text = "# alone\nexecuteInTransaction = FALSE\n\nencoding:UTF-8\nplaceholderReplacement=false\n";
        let expected = Settings { mode: TransactionMode::None, replaces: false };
        assert_eq!(read(text, Settings::default()), (expected, Vec::new()));
        assert_eq!(read("", Settings::default()), (Settings::default(), Vec::new()));
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        for (text, expected) in [
            (
                "executeintransaction=false",
                r#"unknown key "executeintransaction", did you mean "executeInTransaction"?"#,
            ),
            ("\nexecuteInTransaction=no", "executeInTransaction must be true or false"),
            ("encoding=ISO-8859-1", "the encoding \"ISO-8859-1\" is not read: save the script as UTF-8"),
            (
                "shouldExecute=${x}==1",
                "shouldExecute is not evaluated: take the script out where it is not to run",
            ),
        ] {
            let (_, wrong) = read(text, Settings::default());
            assert_eq!(wrong, [(text.lines().count(), expected.to_owned())], "{text}");
        }
    }
}
