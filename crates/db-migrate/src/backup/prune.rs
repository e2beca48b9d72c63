//! Removes backups that a policy does not keep.

use super::BackupError;
use super::list::{Entry, State, list};
use super::partial;
use chrono::{DateTime, TimeDelta, Utc};
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

/// Which backups to keep; one that either rule keeps is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepPolicy {
    /// So many of the newest intact ones.
    pub keep_last: NonZeroU32,
    /// Those not older than so many days.
    pub keep_days: u32,
}

/// Whether to remove anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// Only say what would be.
    DryRun,
    /// Do it.
    Remove,
}

/// A folder that is removed, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Its name.
    pub name: String,
    /// Why it is not kept.
    pub why: &'static str,
}

/// Decides what is not kept. Always kept are the newest intact backup and the newest verified one, what is being made,
/// and, while nothing is intact, everything else too.
#[must_use]
pub fn plan_prune(entries: &[Entry], policy: KeepPolicy, now: DateTime<Utc>) -> Vec<Removal> {
    let mut newest_first: Vec<_> = entries.iter().collect();
    newest_first.sort_by_key(|entry| std::cmp::Reverse(entry.created_at));
    let newest_verified = newest_first.iter().position(|entry| entry.is_intact() && entry.verified.is_some());
    let some_intact = newest_first.iter().any(|entry| entry.is_intact());
    let mut intact = 0;
    let mut removals = Vec::new();
    for (at, entry) in newest_first.into_iter().enumerate() {
        let young = is_young(entry, policy.keep_days, now);
        intact += u32::from(entry.is_intact());
        let why = match entry.state {
            State::Intact(_) if intact <= policy.keep_last.get() || young || newest_verified == Some(at) => {
                None
            }
            State::Intact(_) => Some("older than the policy keeps"),
            State::Damaged { .. } if !young && some_intact => Some("damaged"),
            State::Abandoned => Some("never finished"),
            State::Damaged { .. } | State::Unfinished => None,
        };
        removals.extend(why.map(|why| Removal { name: entry.name.clone(), why }));
    }
    removals
}

/// Removes what the policy does not keep, and answers with it. Only folders that [`list`] knows are touched.
///
/// # Errors
/// [`BackupError::File`] when a folder cannot be read or removed; the ones before it are gone then.
pub fn prune(
    dir: &Path,
    policy: KeepPolicy,
    now: DateTime<Utc>,
    pruning: Pruning,
) -> Result<Vec<Removal>, BackupError> {
    let entries = list(dir)?;
    let removals = plan_prune(&entries, policy, now);
    if pruning == Pruning::Remove {
        for removal in &removals {
            remove(&dir.join(&removal.name))?;
        }
    }
    Ok(removals)
}

/// Under the name of an unfinished one first: what is half removed must not look like a damaged backup.
fn remove(folder: &Path) -> Result<(), BackupError> {
    let doomed = partial::folder_of(folder);
    if doomed != folder {
        fs::rename(folder, &doomed).map_err(BackupError::file("rename", folder))?;
    }
    fs::remove_dir_all(&doomed).map_err(BackupError::file("remove", doomed))
}

/// Of unknown age is young.
fn is_young(entry: &Entry, days: u32, now: DateTime<Utc>) -> bool {
    entry.created_at.is_none_or(|at| now - at <= TimeDelta::days(days.into()))
}

#[cfg(test)]
mod tests {
    use super::{Entry, KeepPolicy, State, plan_prune};
    use crate::backup::verify::Verified;
    use crate::backup::{Manifest, manifest};
    use chrono::{DateTime, TimeDelta, Utc};
    use std::num::NonZeroU32;
    use std::path::PathBuf;

    fn now() -> DateTime<Utc> {
        "2026-06-01T00:00:00Z".parse().expect("a time")
    }

    fn intact() -> State {
        State::Intact(Box::new(a_manifest()))
    }

    fn a_manifest() -> Manifest {
        let schema = [].into_iter().collect::<crate::schema::Snapshot>();
        let shape = serde_json::json!({ "encoding": "UTF8", "collate": "C", "ctype": "C" });
        manifest::begin(now(), "a", serde_json::from_value(shape).expect("a shape"), schema.fingerprint())
    }

    fn verified() -> Verified {
        let text =
            r#"{"at":"2026-06-01T00:00:00Z","server_version_num":1,"scratch":"","rows":0,"manifest":""}"#;
        serde_json::from_str(text).expect("a finding")
    }

    /// Backups by age in days, with what they are: intact, verified, damaged, unfinished, abandoned.
    fn check(backups: &[(i64, char)], keep_last: u32, keep_days: u32, removed: &[i64]) {
        let entry = |(age, kind): &(i64, char)| Entry {
            name: age.to_string(),
            path: PathBuf::new(),
            created_at: Some(now() - TimeDelta::days(*age)),
            state: match kind {
                'd' => State::Damaged { reason: String::new() },
                'u' => State::Unfinished,
                'a' => State::Abandoned,
                _ => intact(),
            },
            verified: (*kind == 'v').then(verified),
        };
        let entries: Vec<_> = backups.iter().map(entry).collect();
        let keep_last = NonZeroU32::new(keep_last).expect("one at least");
        let found = plan_prune(&entries, KeepPolicy { keep_last, keep_days }, now());
        let found: Vec<i64> = found.iter().map(|removal| removal.name.parse().expect("an age")).collect();
        assert_eq!(found, removed, "{backups:?}, last {keep_last}, days {keep_days}");
    }

    #[test]
    fn keeps_what_either_rule_keeps() {
        let five = [(1, 'i'), (2, 'i'), (3, 'i'), (4, 'i'), (5, 'i')];
        check(&five, 2, 0, &[3, 4, 5]);
        check(&five, 1, 3, &[4, 5]);
        check(&five, 9, 0, &[]);
        check(&five, 1, 9, &[]);
        check(&[(5, 'i'), (1, 'i'), (3, 'i')], 1, 0, &[3, 5]);
    }

    #[test]
    fn never_removes_the_last_that_could_be_restored() {
        check(&[(100, 'i')], 1, 0, &[]);
        check(&[(1, 'i'), (2, 'i'), (100, 'v'), (200, 'v')], 1, 0, &[2, 200]);
        check(&[(1, 'd'), (100, 'i')], 1, 0, &[1]);
        check(&[(1, 'd'), (2, 'd')], 1, 0, &[]);
    }

    #[test]
    fn damaged_ones_go_with_age_and_abandoned_ones_at_once() {
        check(&[(1, 'i'), (2, 'd'), (9, 'd')], 1, 5, &[9]);
        check(&[(0, 'a'), (0, 'u'), (1, 'i')], 1, 5, &[0]);
        check(&[(1, 'a')], 1, 5, &[1]);
    }
}
