//! A prune beside a backup that is being made: it stays, whatever it is at.

use crate::backup::Place;
use db_migrate::backup::{self, BackupEvent, KeepPolicy, Phase, Pruning, State};
use db_testkit::empty_db;
use std::num::NonZeroU32;

#[tokio::test]
async fn a_prune_leaves_what_is_being_made_until_its_very_end() {
    empty_db(|db| async move {
        let place = Place::of(&db);
        let policy = KeepPolicy { keep_last: NonZeroU32::MIN, keep_days: 0 };
        let mut phases = Vec::new();
        let mut pruning = |event: &BackupEvent<'_>| {
            let now = chrono::Utc::now() + chrono::TimeDelta::days(400);
            let removed = backup::prune(place.dir.path(), policy, now, Pruning::Remove).expect("pruned");
            assert_eq!(removed, [], "at {event}");
            if let BackupEvent::Finished { phase, .. } = event {
                phases.push(*phase);
            }
        };
        let options = backup::CreateOptions::default();
        let made = backup::create(&place.server, place.dir.path(), &options, &mut pruning).await;
        let (path, manifest) = made.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(phases, [Phase::Dump, Phase::Hash, Phase::Files]);
        assert!(manifest.files.iter().all(|file| !file.path.contains("in-progress")), "{manifest:?}");
        backup::verify_files(&path, &mut |_| {}).await.expect("every file is as it was written");
        let listed = backup::list(place.dir.path()).expect("listed");
        assert!(matches!(&listed[..], [entry] if matches!(entry.state, State::Intact(_))), "{listed:?}");
    })
    .await;
}
