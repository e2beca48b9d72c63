//! `db access explain`.

use super::{args::ExplainArgs, with_policy};
use crate::{
    Exit, Failed,
    output::{self, Format},
    stop::unless_stopped,
};
use chrono::Utc;
use db_facade::db_security::access::{
    Decision, Effect, Explanation, NotUnderstood, RawTouches, Request, Rows, RuleTold, Subject, TableRows,
    read_sql,
};
use serde_json::{Value, json};

pub(super) async fn run(args: &ExplainArgs, format: Format) -> Result<Exit, Failed> {
    let subject = args.attributes.iter().try_fold(Subject::new(&args.role), |subject, (name, value)| {
        subject.with(name, value).map_err(|problem| Failed::usage(problem.to_string()))
    })?;
    let read = match read_sql(&args.sql).and_then(RawTouches::alone) {
        Ok(read) => read,
        Err(error) => return Ok(not_understood(&error, format)),
    };
    let truncates: Vec<String> = read.truncates.into_iter().collect();
    let definitions: Vec<String> = read.administers.into_iter().collect();
    let request = Request::new(&read.touches).functions(&read.functions).qualified(&read.qualified);
    let request = request.admin(&truncates).definitions(&definitions);
    let work = with_policy(&args.rules, async |_, policy| Ok(policy.explain(&subject, &request, Utc::now())));
    let Some(explained) = unless_stopped("nothing was changed", Box::pin(work)).await? else {
        return Ok(Exit::Interrupted);
    };
    let explained = explained?;
    output::print(format, &object(&explained), || text(&explained));
    Ok(match explained.decision {
        Decision::Allowed(_) => Exit::Done,
        Decision::Refused(_) => Exit::No,
    })
}

fn not_understood(error: &NotUnderstood, format: Format) -> Exit {
    let object = json!({ "allowed": false, "why": error.to_string(), "rules": [], "rows": [] });
    output::print(format, &object, || {
        format!("refused, as what it would do cannot be told: {error}\nobserve mode would run it, and tell")
    });
    Exit::No
}

fn effect(rule: &RuleTold) -> &'static str {
    match rule.effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

fn rows_of(decision: &Decision) -> &[TableRows] {
    match decision {
        Decision::Allowed(rows) => rows,
        Decision::Refused(_) => &[],
    }
}

fn object(explained: &Explanation) -> Value {
    let rule = |rule: &RuleTold| {
        json!({
            "rule": rule.rule,
            "effect": effect(rule),
            "permission": rule.permission.to_string(),
            "resource": rule.resource,
            "columns": rule.columns,
            "rows": rule.rows,
            "counts": rule.counts,
        })
    };
    let rows = |rows: &TableRows| {
        json!({
            "table": rows.table.to_string(),
            "access": access(rows),
            "none": rows.rows == Rows::None,
            "through": rows.through.as_ref().map(ToString::to_string),
        })
    };
    let why = match &explained.decision {
        Decision::Allowed(_) => None,
        Decision::Refused(refusal) => Some(refusal.to_string()),
    };
    json!({
        "allowed": why.is_none(),
        "why": why,
        "rules": explained.rules.iter().map(rule).collect::<Vec<_>>(),
        "rows": rows_of(&explained.decision).iter().map(rows).collect::<Vec<_>>(),
    })
}

fn access(rows: &TableRows) -> String {
    format!("{:?}", rows.access).to_lowercase()
}

fn text(explained: &Explanation) -> String {
    let mut lines = vec![match &explained.decision {
        Decision::Allowed(_) => "allowed".to_owned(),
        Decision::Refused(refusal) => format!("refused: {refusal}"),
    }];
    lines.extend(rows_of(&explained.decision).iter().map(|rows| {
        let which = match rows.rows {
            Rows::None => "no rows: no rule counts for these attributes at this time, or one denies all",
            Rows::Where(_) => "only rows that the rules below leave",
        };
        let through = rows.through.as_ref().map(|view| format!(" through {view}")).unwrap_or_default();
        format!("  {} {}{through}: {which}", access(rows), rows.table)
    }));
    lines.extend(explained.rules.iter().map(|rule| {
        let columns = rule.columns.iter().flatten().cloned().collect::<Vec<_>>().join(", ");
        let columns = if columns.is_empty() { String::new() } else { format!(" ({columns})") };
        let rows = rule.rows.as_ref().map(|rows| format!(" where {rows}")).unwrap_or_default();
        let counts = if rule.counts { "" } else { "; does not count for these attributes at this time" };
        format!(
            "rule {}: {} {} {}{columns}{rows}{counts}",
            rule.rule,
            effect(rule),
            rule.permission,
            rule.resource
        )
    }));
    lines.join("\n")
}
