//! `cargo xtask bench`: measures ours and the named peer side by side, in one run.
//!
//! An area is a file in `areas/`: it measures, and answers with rows. Figures are read, never asserted.

mod allocations;
mod areas;
mod machine;
mod measure;
mod one_by_one;
mod roles;
mod row;
mod show;

use areas::AREAS;
use lexopt::{Arg, Parser};
use std::{env, error::Error, ffi::OsString, process::ExitCode};

const HELP: &str = "\
Measures the system side by side with the named peers, on this machine, in one run.

Usage: cargo xtask bench [AREA…] [--json]

Areas:
  startup   An ephemeral PostgreSQL: start, first answer, stop; against initdb, pg_ctl and psql by hand
  pool      The pool: a cycle of it, point selects through it, memory, being watched; against deadpool, bb8, sqlx
  query     The builder: processor time and allocations of a statement; against sea-query, sqlx, and no builder at all
  cache     The cache: a hit in this process, many who miss at once, Redis; against moka, look, load, store by hand, redis-rs, deadpool
  migrate   Migrations: applying, planning and linting many, writers beside one that waits, a proved backup; against sqlx's migrator
  security  Auditing, verifying, proving, deciding; against tables that are not audited, supa_audit, one INSERT an event
  demo      The demonstration on sources of the cargo registry; against one transaction a task over sqlx's pool

  --json    One object: machine, versions, rows

Each row is the median of its pairs, taken in turns: ours, theirs, ours, theirs. `ratio` is above 1 where ours is
better, and is left out below five pairs; `goal` is the ratio to reach. A row without a peer has ours alone.

Exit codes: 0 done, 1 failed, 2 usage.
";

/// What an area fails with: a figure that cannot be taken ends the run.
type Failure = Box<dyn Error + Send + Sync>;

enum Asked {
    Help,
    Bench { areas: Vec<String>, json: bool },
}

/// As in the `db` command, so that memory is what it is there.
#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    roles::play(&arguments).unwrap_or_else(bench)
}

#[tokio::main]
async fn bench() -> ExitCode {
    let (areas, json) = match parse(Parser::from_env()) {
        Ok(Asked::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Bench { areas, json }) => (areas, json),
        Err(error) => {
            eprintln!("error: {error}; --help tells what there is");
            return ExitCode::from(2);
        }
    };
    match run(&areas, json).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: Parser) -> Result<Asked, lexopt::Error> {
    let (mut areas, mut json) = (Vec::new(), false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
            Arg::Long("json") => json = true,
            Arg::Value(area) if AREAS.contains(&area.to_string_lossy().as_ref()) => {
                areas.push(area.to_string_lossy().into_owned());
            }
            Arg::Value(area) => {
                return Err(format!("there is no area {}", area.to_string_lossy()).into());
            }
            other => return Err(other.unexpected()),
        }
    }
    if areas.is_empty() {
        areas = AREAS.iter().map(ToString::to_string).collect();
    }
    Ok(Asked::Bench { areas, json })
}

async fn run(areas: &[String], json: bool) -> Result<(), Failure> {
    let (machine, versions) = (machine::machine(), machine::versions());
    let mut rows = Vec::new();
    for area in areas {
        eprintln!("measuring {area}…");
        rows.extend(areas::run(area).await?);
    }
    let text =
        if json { show::json(&machine, &versions, &rows)? } else { show::table(&machine, &versions, &rows) };
    println!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Asked, parse};
    use lexopt::Parser;

    #[test]
    fn an_area_is_named_or_all_are_meant() {
        let Ok(Asked::Bench { areas, json }) = parse(Parser::from_args(["startup", "--json"])) else {
            panic!("it is understood")
        };
        assert_eq!((areas, json), (vec!["startup".to_owned()], true));
        assert!(
            matches!(parse(Parser::from_args([""; 0])), Ok(Asked::Bench { areas, .. }) if !areas.is_empty())
        );
        assert!(parse(Parser::from_args(["shutdown"])).is_err());
    }
}
