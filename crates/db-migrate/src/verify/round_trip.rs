//! Goes there, back and there again, as far as one scratch database serves.

use super::{RoundTrip, Verdict, Verified, Whole};
use crate::run::{Direction, Event, Options, Rest, Runner, Settings, hooks};
use crate::schema::{Snapshot, SnapshotOptions, diff, digest, snapshot};
use crate::{Error, Kind, Migration, Migrations};
use sqlx::PgConnection;

/// Judges migrations one after the other.
pub(super) struct Judge<'j> {
    migrations: &'j Migrations,
    steps: &'j [&'j Migration],
    taking: SnapshotOptions,
    pub(super) verified: Verified,
}

/// What a scratch database has when the judge comes to it.
pub(super) enum Start {
    /// Nothing.
    Anew,
    /// The migrations before that to go on with, and what their session had set.
    There(Resume, Settings),
}

/// Where to go on in another scratch database.
#[derive(Debug)]
pub(super) struct Resume {
    /// The first migration that is not to be applied there yet.
    pub(super) at: usize,
    /// What it left behind in the old one.
    wrong: Option<Wrong>,
}

/// A schema that is not what it should be.
#[derive(Debug)]
enum Wrong {
    /// After the way back.
    Residue(Snapshot),
    /// After the second way there.
    Again(Snapshot),
}

/// What came of one round trip.
enum Trip {
    /// The database is as after the first way there.
    Judged(Verdict),
    /// The database is not to be used any more; what is wrong is known.
    Spoilt(Verdict),
    /// The same; what is wrong is seen by comparing.
    Wrong(Wrong),
}

impl<'j> Judge<'j> {
    pub(super) fn new(
        migrations: &'j Migrations,
        steps: &'j [&'j Migration],
        taking: SnapshotOptions,
    ) -> Self {
        let verified = Verified { migrations: Vec::with_capacity(steps.len()), whole: None };
        Self { migrations, steps, taking, verified }
    }

    /// Goes on to the end or until another database is needed.
    pub(super) async fn judge(
        &mut self,
        conn: &mut PgConnection,
        start: Start,
        options: &Options,
        tell: &mut (dyn FnMut(&Event<'_>) + Send),
    ) -> Result<Option<Resume>, Error> {
        let mut runner = Runner::open(conn, self.migrations.history(), options, tell).await?;
        let hooks = self.migrations.hooks();
        let at = match start {
            Start::Anew => {
                hooks::run(runner.conn, &hooks.before_all).await?;
                0
            }
            Start::There(Resume { at, wrong }, settings) => {
                settings.restore(runner.conn).await?;
                match wrong {
                    Some(wrong) => {
                        self.compare(&mut runner, at, wrong).await?;
                        at + 1
                    }
                    None => at,
                }
            }
        };
        let mut before = digest(runner.conn, &self.taking).await?;
        for index in at..self.steps.len() {
            let (label, total) = (&self.steps[index].label, self.steps.len());
            (runner.tell)(&Event::Started { label, position: index + 1, total });
            if !hooks.before_each.is_empty() {
                hooks::run(runner.conn, &hooks.before_each).await?;
                before = digest(runner.conn, &self.taking).await?;
            }
            let (trip, after) = self.trip(&mut runner, self.steps[index], &before).await?;
            before = after;
            match trip {
                Trip::Judged(verdict) => self.note(index, verdict),
                Trip::Spoilt(verdict) => {
                    self.note(index, verdict);
                    return Ok(Some(Resume { at: index + 1, wrong: None }));
                }
                Trip::Wrong(wrong) => return Ok(Some(Resume { at: index, wrong: Some(wrong) })),
            }
            hooks::run(runner.conn, &hooks.after_each).await?;
        }
        hooks::run(runner.conn, &hooks.after_all).await?;
        self.verified.whole = self.whole(&mut runner).await?;
        Ok(None)
    }

    /// There, back, and there again; what the schema is after the first way there.
    async fn trip(
        &self,
        runner: &mut Runner<'_>,
        step: &Migration,
        before: &str,
    ) -> Result<(Trip, String), Error> {
        runner.run(step, Direction::Up, Rest::default()).await?;
        let there = digest(runner.conn, &self.taking).await?;
        if step.down.is_some() {
            if let Err(error) = runner.run(step, Direction::Down, Rest::default()).await {
                let verdict = Verdict::DownFails(Box::new(error));
                let as_before = digest(runner.conn, &self.taking).await? == there;
                return Ok((if as_before { Trip::Judged(verdict) } else { Trip::Spoilt(verdict) }, there));
            }
            if digest(runner.conn, &self.taking).await? != before {
                let residue = snapshot(runner.conn, &self.taking).await?;
                return Ok((Trip::Wrong(Wrong::Residue(residue)), there));
            }
        } else if step.kind != Kind::Repeatable {
            return Ok((Trip::Judged(Verdict::NoDown), there));
        }
        if let Err(error) = runner.run(step, Direction::Up, Rest::default()).await {
            return Ok((Trip::Spoilt(Verdict::AgainFails(Box::new(error))), there));
        }
        if digest(runner.conn, &self.taking).await? != there {
            let again = snapshot(runner.conn, &self.taking).await?;
            return Ok((Trip::Wrong(Wrong::Again(again)), there));
        }
        Ok((Trip::Judged(Verdict::Clean), there))
    }

    /// Says in what a schema is wrong, by one that is right; applies the migration then.
    async fn compare(&mut self, runner: &mut Runner<'_>, at: usize, wrong: Wrong) -> Result<(), Error> {
        let step = self.steps[at];
        let hooks = self.migrations.hooks();
        hooks::run(runner.conn, &hooks.before_each).await?;
        let before = snapshot(runner.conn, &self.taking).await?;
        runner.run(step, Direction::Up, Rest::default()).await?;
        let verdict = match wrong {
            Wrong::Residue(residue) => Verdict::Residue(diff(&before, &residue)),
            Wrong::Again(again) => {
                let there = snapshot(runner.conn, &self.taking).await?;
                Verdict::AgainDiffers(diff(&there, &again))
            }
        };
        self.note(at, verdict);
        hooks::run(runner.conn, &hooks.after_each).await
    }

    fn note(&mut self, at: usize, verdict: Verdict) {
        let Migration { id, label, .. } = self.steps[at];
        self.verified.migrations.push(RoundTrip { id: id.clone(), label: label.clone(), verdict });
    }

    /// Back from the end as far as the ways back are known to be right, and there again.
    async fn whole(&self, runner: &mut Runner<'_>) -> Result<Option<Whole>, Error> {
        let trips = self.steps.iter().zip(&self.verified.migrations).rev();
        let back: Vec<&Migration> = trips
            .filter(|(step, _)| step.kind != Kind::Repeatable)
            .take_while(|(_, trip)| matches!(trip.verdict, Verdict::Clean))
            .map(|(step, _)| *step)
            .collect();
        if back.len() < 2 {
            return Ok(None);
        }
        let before = snapshot(runner.conn, &self.taking).await?;
        let whole = |verdict| Ok(Some(Whole { migrations: back.len(), verdict }));
        for step in &back {
            if let Err(error) = runner.run(step, Direction::Down, Rest::default()).await {
                return whole(Verdict::DownFails(Box::new(error)));
            }
        }
        for step in back.iter().rev() {
            if let Err(error) = runner.run(step, Direction::Up, Rest::default()).await {
                return whole(Verdict::AgainFails(Box::new(error)));
            }
        }
        let differences = diff(&before, &snapshot(runner.conn, &self.taking).await?);
        whole(if differences.is_empty() { Verdict::Clean } else { Verdict::AgainDiffers(differences) })
    }
}
