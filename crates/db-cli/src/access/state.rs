//! `db access plan`, `apply`, `diff` and `check`.

use super::{
    args::{ApplyArgs, PlanArgs, RulesArgs},
    with_policy,
};
use crate::{
    Exit, Failed,
    confirm::agreed,
    output::{self, Format},
    stop::unless_stopped,
};
use db_facade::db_security::access::{
    Actual, Difference, Finding, Foreign, Policy, Severity, Step, apply, check, compile, diff, plan,
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

const UNASKED: &str =
    "applying rules changes rights and policies: say --yes, after a look at `db access plan`";
const AS_IT_IS: &str = "the database is as the rules want it";

impl PlanArgs {
    fn foreign(&self) -> Foreign {
        if self.revoke_foreign { Foreign::Revoke } else { Foreign::Keep }
    }
}

async fn differences(
    conn: &mut PgConnection,
    policy: &Policy,
    args: &RulesArgs,
) -> Result<Vec<Difference>, Failed> {
    let actual = Actual::read(conn, policy).await?;
    Ok(diff(&compile(policy, args.owner()), &actual))
}

fn told(differences: &[Difference]) -> Vec<Value> {
    let one = |difference: &Difference| json!({ "difference": difference.to_string(), "grants_more": difference.grants_more() });
    differences.iter().map(one).collect()
}

fn listed(differences: &[Difference]) -> String {
    let one = |difference: &Difference| {
        let mark = if difference.grants_more() { "error" } else { "     " };
        format!("{mark}  {difference}")
    };
    differences.iter().map(one).collect::<Vec<_>>().join("\n")
}

pub(super) async fn show_diff(args: &RulesArgs, format: Format) -> Result<Exit, Failed> {
    let work = with_policy(args, async |conn, policy| differences(conn, policy, args).await);
    let Some(found) = unless_stopped("nothing was changed", Box::pin(work)).await? else {
        return Ok(Exit::Interrupted);
    };
    let found = found?;
    output::print(format, &json!({ "differences": told(&found) }), || match found.as_slice() {
        [] => AS_IT_IS.to_owned(),
        found => listed(found),
    });
    Ok(if found.is_empty() { Exit::Done } else { Exit::No })
}

async fn steps(conn: &mut PgConnection, policy: &Policy, args: &PlanArgs) -> Result<Vec<Step>, Failed> {
    let found = differences(conn, policy, &args.rules).await?;
    Ok(plan(&found, args.foreign())?)
}

fn statements(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(Step::sql).collect()
}

pub(super) async fn plan_only(args: &PlanArgs, format: Format) -> Result<Exit, Failed> {
    let work = with_policy(&args.rules, async |conn, policy| {
        let found = differences(conn, policy, &args.rules).await?;
        Ok((plan(&found, args.foreign())?, found))
    });
    let Some(planned) = unless_stopped("nothing was changed", Box::pin(work)).await? else {
        return Ok(Exit::Interrupted);
    };
    let (steps, found) = planned?;
    let object = json!({ "statements": statements(&steps), "differences": told(&found) });
    output::print(format, &object, || match (steps.as_slice(), found.len()) {
        ([], 0) => AS_IT_IS.to_owned(),
        ([], kept) => {
            format!("nothing is to be done; {kept} differences of others are kept, see `db access diff`")
        }
        (steps, _) => statements(steps).iter().map(|sql| format!("{sql};")).collect::<Vec<_>>().join("\n"),
    });
    Ok(if steps.is_empty() { Exit::Done } else { Exit::No })
}

pub(super) async fn apply_plan(args: &ApplyArgs, format: Format) -> Result<Exit, Failed> {
    let rules = &args.plan.rules;
    // A file that cannot be used is told before anybody is asked.
    rules.read()?;
    if !args.yes
        && !agreed("Make roles, rights and policies of the database as the rules want them?", UNASKED)?
    {
        output::print(format, &json!({ "applied": false }), || "nothing was changed".to_owned());
        return Ok(Exit::Done);
    }
    let work = with_policy(rules, async |conn, policy| {
        let mut tx = conn.begin().await?;
        let steps = steps(&mut tx, policy, &args.plan).await?;
        apply(&mut tx, &steps, args.lock_timeout).await?;
        tx.commit().await?;
        Ok((steps, differences(conn, policy, rules).await?))
    });
    let left =
        "it was one transaction: nothing was changed, unless it had come to its commit; see `db access diff`";
    let Some(done) = unless_stopped(left, Box::pin(work)).await? else { return Ok(Exit::Interrupted) };
    let (steps, left) = done?;
    let object = json!({ "applied": true, "statements": statements(&steps), "left": told(&left) });
    output::print(format, &object, || {
        let done = match steps.len() {
            0 => "nothing was to be done".to_owned(),
            count => format!("{count} statements done, all at once"),
        };
        match left.as_slice() {
            [] => format!("{done}; {AS_IT_IS}"),
            left => format!("{done}; kept, as it is of others (see --revoke-foreign):\n{}", listed(left)),
        }
    });
    Ok(if left.is_empty() { Exit::Done } else { Exit::No })
}

pub(super) async fn show_check(args: &RulesArgs, format: Format) -> Result<Exit, Failed> {
    let work = with_policy(args, async |conn, policy| Ok(check(conn, policy, args.owner()).await?));
    let Some(found) = unless_stopped("nothing was changed", Box::pin(work)).await? else {
        return Ok(Exit::Interrupted);
    };
    let found = found?;
    let objects: Vec<Value> = found.iter().map(|finding| {
        json!({ "finding": finding.to_string(), "severity": word(finding), "remedy": finding.remedy() })
    }).collect();
    output::print(format, &json!({ "findings": objects }), || {
        let line = |finding: &Finding| {
            format!("{:7}  {finding}\n         to do: {}", word(finding), finding.remedy())
        };
        match found.as_slice() {
            [] => "no drift, and no way past the rules was found".to_owned(),
            found => found.iter().map(line).collect::<Vec<_>>().join("\n"),
        }
    });
    let is_no =
        |finding: &Finding| finding.severity() == Severity::Error || matches!(finding, Finding::Drift(_));
    Ok(if found.iter().any(is_no) { Exit::No } else { Exit::Done })
}

fn word(finding: &Finding) -> &'static str {
    match finding.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
