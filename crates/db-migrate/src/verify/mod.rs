//! Proves that every migration can be taken back and applied anew.

mod round_trip;
mod trail;

use crate::run::{Event, Options};
use crate::schema::{Difference, SnapshotOptions};
use crate::stage::{Stage, options_there, refuse_server_wide};
use crate::{Error, Migration, MigrationId, Migrations, Server, plan};
use round_trip::{Judge, Start};
use std::fmt;
use trail::Trail;

/// What came of the round trips.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// One for each migration, in the order in which they are applied.
    pub migrations: Vec<RoundTrip>,
    /// What came of taking back all that can be, the newest first, and applying it anew; `None` where that is fewer than
    /// two.
    pub whole: Option<Whole>,
}

/// Up, down and up again of one migration.
#[derive(Debug)]
pub struct RoundTrip {
    /// Its version.
    pub id: MigrationId,
    /// Its folder or file.
    pub label: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// Down and up of many migrations.
#[derive(Debug)]
pub struct Whole {
    /// How many: the last ones, back to one without a way back or with a wrong one.
    pub migrations: usize,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a round trip.
#[derive(Debug)]
pub enum Verdict {
    /// The way back restores the schema, and the way there makes the same again. A repeatable migration can be applied
    /// twice.
    Clean,
    /// There is no way back.
    NoDown,
    /// The way back fails.
    DownFails(Box<Error>),
    /// The way back leaves something behind, or takes too much along.
    Residue(Vec<Difference>),
    /// After the way back, the way there fails.
    AgainFails(Box<Error>),
    /// After the way back, the way there makes something else.
    AgainDiffers(Vec<Difference>),
}

impl Verdict {
    /// Whether something is wrong; to have no way back is not.
    #[must_use]
    pub const fn is_wrong(&self) -> bool {
        !matches!(self, Self::Clean | Self::NoDown)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::NoDown => f.write_str("has no way back"),
            Self::DownFails(error) => write!(f, "the way back fails: {}", db_core::with_causes(error)),
            Self::Residue(differences) => write!(f, "the way back leaves a residue:{}", list(differences)),
            Self::AgainFails(error) => {
                write!(f, "after the way back it cannot be applied again: {}", db_core::with_causes(error))
            }
            Self::AgainDiffers(differences) => {
                write!(f, "after the way back it makes something else:{}", list(differences))
            }
        }
    }
}

impl Verified {
    /// Whether a way back fails or leaves something behind.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        self.migrations.iter().any(|trip| trip.verdict.is_wrong())
            || self.whole.as_ref().is_some_and(|whole| whole.verdict.is_wrong())
    }

    /// Labels of those without a way back.
    #[must_use]
    pub fn irreversible(&self) -> Vec<&str> {
        let without = |trip: &&RoundTrip| matches!(trip.verdict, Verdict::NoDown);
        self.migrations.iter().filter(without).map(|trip| trip.label.as_str()).collect()
    }
}

/// Applies the migrations that the rules let to an empty scratch database of the server, each up, down and up again, with
/// a look at the whole schema after each; then takes back all that can be, and applies it anew. The server's database
/// itself is not touched.
///
/// A look is one statement, answered with a number. Only where that is not the one expected, another scratch database is
/// used, migrated to before that migration, and both schemas are read and compared; those after it are judged all the
/// same. It is a copy of one that is kept aside and only migrated on, so all ways back that are wrong cost together once
/// more what the migrations take, and each a copy.
///
/// # Errors
/// [`Error::Plan`], [`Error::ServerWide`], and what [`apply`](crate::apply) has where a way there fails: of what comes after it nothing can be
/// said.
///
/// # Cancel safety
/// The scratch databases are dropped; [`Scratch::settled`](crate::Scratch::settled) waits for that.
pub async fn verify(
    server: &Server,
    migrations: &Migrations,
    taking: &SnapshotOptions,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Verified, Error> {
    let plan = plan(migrations.as_slice(), &[], &options.rules)?;
    let steps: Vec<&Migration> = plan.steps.iter().map(|step| step.migration).collect();
    let scripts = steps.iter().flat_map(|step| [Some(&step.up), step.down.as_ref()]).flatten();
    refuse_server_wide(scripts, migrations.hooks(), options.server_wide)?;
    let options = options_there(server, options).await?;
    let mut judge = Judge::new(migrations, &steps, crate::drift::without_history(migrations, taking));
    let mut trail = Trail::new(server, migrations, &steps, &options);
    let outcome = async {
        let (mut stage, mut start) = (Stage::open(server, migrations).await?, Start::Anew);
        loop {
            let outcome = Box::pin(judge.judge(&mut stage.conn, start, &options, progress)).await;
            let Some(resume) = stage.end(outcome).await? else { return Ok(()) };
            let (other, settings) = Box::pin(trail.fork(resume.at, progress)).await?;
            (stage, start) = (other, Start::There(resume, settings));
        }
    };
    let outcome = Box::pin(outcome).await;
    trail.end(outcome).await?;
    Ok(judge.verified)
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("\n    {difference}")).collect()
}
