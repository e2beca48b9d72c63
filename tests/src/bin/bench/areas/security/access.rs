//! A decision: 1,000 rules over 50 tables and 20 roles, and a statement over two of the tables, one with a row condition.

use crate::{
    Failure,
    row::{Better, Row, Work},
};
use chrono::Utc;
use db_query::{Select, col, table_as};
use db_security::access::{Catalogue, ColumnKind, Decision, Policy, RelationKind, Request, Rules, Subject};
use std::{fmt::Write as _, hint::black_box, time::Instant};

const ROUNDS: usize = 100_000;
const TABLES: usize = 50;
const ROLES: usize = 20;

const DECISION: Work = Work {
    area: "security",
    work: "a decision among 1,000 rules, what the statement touches included: median (to be 5 or less)",
    peer: None,
    unit: "us",
    better: Better::Lower,
    goal: None,
};
const REFUSAL: Work = Work { work: "the same where it is refused", ..DECISION };

pub(super) fn run() -> Result<Vec<Row>, Failure> {
    let mut text = String::new();
    for role in 0..ROLES {
        writeln!(text, "[[roles]]\nname = \"role{role}\"")?;
    }
    for role in 0..ROLES {
        for table in 0..TABLES {
            writeln!(
                text,
                "[[rules]]\nname = \"r{role}t{table}\"\nroles = [\"role{role}\"]\neffect = \"allow\"\n\
                 permissions = [\"read\"]\ntable = \"t{table}\"\nrows = {{ tenant = {{ \"$subject\" = \"tenant\" }} }}"
            )?;
        }
    }
    let mut catalogue = Catalogue::new("public");
    let columns = [("id", ColumnKind::Integer), ("title", ColumnKind::Text), ("tenant", ColumnKind::Text)];
    for table in 0..=TABLES {
        catalogue = catalogue.with(&format!("t{table}"), RelationKind::Table, &columns)?;
    }
    let policy = Policy::new(&Rules::from_toml(&text)?, catalogue)?;
    let subject = Subject::new("role7").with("tenant", "acme")?;
    let allowed = decide(&policy, &subject, "t7", true)?;
    let refused = decide(&policy, &subject, "t50", false)?;
    Ok(vec![Row::new(&DECISION, &[allowed], &[]), Row::new(&REFUSAL, &[refused], &[])])
}

/// Median microseconds.
fn decide(policy: &Policy, subject: &Subject, table: &'static str, is_allowed: bool) -> Result<f64, Failure> {
    let statement = Select::from(table_as("t3", "a"))
        .join(table_as(table, "b"), col("a.id").eq_col("b.id"))
        .columns(["a.title", "b.title"])
        .filter(col("a.id").gt(7_i64))
        .build()?;
    let now = Utc::now();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let decision = policy.decide(subject, &Request::new(&statement.touches()), now);
        times.push(began.elapsed().as_secs_f64() * 1e6);
        if matches!(black_box(&decision), Decision::Allowed(_)) != is_allowed {
            return Err("the decision is another one".into());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
