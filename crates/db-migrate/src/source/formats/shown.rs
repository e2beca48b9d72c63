//! For tests: what a format makes of files, as lines of text.

use super::builder::{Contents, UNREAD};
use super::tree::tests::tree;
use super::{Format, understand};
use crate::TransactionMode;
use crate::source::draft::{Draft, Kind, Text};
use crate::source::template::Variables;

/// Expects these drafts, hooks, problems and notes of the files; a draft is
/// `version|name|label|file:line up|file:line down`, with its kind and mode where they are not the usual ones.
pub(super) fn check(format: Format, files: &[(&str, &str)], expected: &[&str]) {
    check_with(format, files, &variables(), expected);
}

pub(super) fn check_with(format: Format, files: &[(&str, &str)], variables: &Variables, expected: &[&str]) {
    assert_eq!(lines(&understand(format, &tree(files), variables)), expected, "{files:?}");
}

/// `name` is set, and the environment has `HOME`.
pub(super) fn variables() -> Variables {
    let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    Variables { set: pair("name", "value"), environment: pair("HOME", "/root") }
}

fn lines(contents: &Contents) -> Vec<String> {
    let drafts = contents.drafts.iter().map(draft);
    let hooks = contents.hooks.iter().map(|hook| format!("{:?} {}", hook.when, text(Some(&hook.text))));
    let problems = contents.problems.iter().map(|problem| format!("! {problem}"));
    let notes = contents.notes.iter().map(|note| format!("? {note}"));
    drafts.chain(hooks).chain(problems).chain(notes).collect()
}

fn draft(draft: &Draft) -> String {
    let Draft { version, name, label, up, down, .. } = draft;
    let mut shown = format!("{version}|{name}|{label}|{}|{}", text(up.as_ref()), text(down.as_ref()));
    if draft.kind != Kind::Versioned {
        shown.push_str(&format!("|{:?}", draft.kind));
    }
    if draft.mode != TransactionMode::Auto {
        shown.push_str(&format!("|{:?}", draft.mode));
    }
    if let Some(meta) = draft.meta.as_ref().filter(|meta| !meta.is_empty()) {
        shown.push_str(&format!("|meta {meta}"));
    }
    shown
}

fn text(text: Option<&Text>) -> String {
    text.map_or_else(
        || "-".to_owned(),
        |text| {
            if text.sql == UNREAD {
                return "unread".to_owned();
            }
            let original =
                text.original.as_ref().map(|original| format!(" from {original:?}")).unwrap_or_default();
            format!("{}:{} {:?}{original}", text.file, text.line, text.sql)
        },
    )
}
