//! `db access`.

pub(crate) mod args;
mod explain;
mod state;

use crate::{
    Exit, Failed,
    database::{self, Missing, Place},
    output::Format,
};
use args::{AccessAction, AccessArgs, OwnerWord, RulesArgs};
use db_facade::{
    access_rules,
    db_security::access::{Catalogue, Owner, Policy, Rules},
};
use sqlx::{Connection, PgConnection};

pub(crate) async fn run(args: &AccessArgs, format: Format) -> Result<Exit, Failed> {
    match &args.action {
        AccessAction::Plan(args) => state::plan_only(args, format).await,
        AccessAction::Apply(args) => state::apply_plan(args, format).await,
        AccessAction::Diff(args) => state::show_diff(args, format).await,
        AccessAction::Check(args) => state::show_check(args, format).await,
        AccessAction::Explain(args) => explain::run(args, format).await,
    }
}

impl RulesArgs {
    fn owner(&self) -> Owner {
        match self.owner {
            OwnerWord::Held => Owner::Held,
            OwnerWord::Free => Owner::Free,
        }
    }

    /// The rules of the file; what is wrong with it is told before a server is asked.
    fn read(&self) -> Result<Rules, Failed> {
        let configured = match &self.rules {
            Some(_) => None,
            None => database::load(&self.database.settings)?.access.rules,
        };
        let Some(path) = self.rules.as_ref().or(configured.as_ref()) else {
            return Err(Failed::usage("no rules: give --rules FILE, or set DB_ACCESS_RULES"));
        };
        Ok(access_rules(path)?)
    }
}

/// Does the work with a session and the rules as they are for its database, and disconnects whatever comes of it.
async fn with_policy<T>(
    args: &RulesArgs,
    work: impl AsyncFnOnce(&mut PgConnection, &Policy) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let rules = args.read()?;
    let (place, mut conn) = Place::open_session(&args.database, Missing::Refuse).await?;
    let outcome = async {
        let catalogue = Catalogue::read(&mut conn, &args.schema).await?;
        let policy = Policy::new(&rules, catalogue)?;
        work(&mut conn, &policy).await
    };
    let outcome = outcome.await;
    // What it says at its end changes nothing of the outcome.
    let _ = conn.close().await;
    place.close().await;
    outcome
}
