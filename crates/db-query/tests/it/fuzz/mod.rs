//! Statements of any shape with hostile names and values: their text is that of the same shape with harmless ones, but for the
//! names, and each name stands where it belongs as it was given.
//!
//! `DB_FUZZ_CASES` says how many (a million unless told), `DB_FUZZ_SEED` where to begin. A failure tells the seed that
//! repeats it alone.

mod changes;
mod columns;
mod expressions;
mod filters;
mod judge;
mod lexer;
mod pages;
mod pieces;
mod selects;
mod server;
mod source;

use db_query::{BuildError, Pages, Select, Setting, Statement, all, set_local};
use db_testkit::fresh_db;
use expressions::condition;
use judge::Pattern;
use pages::Turn;
use source::{Given, Source};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

const CASES: u64 = 1_000_000;
const SEED: u64 = 0x00ca_124e;
/// Cases of one shape.
const VARIANTS: u64 = 8;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// A statement of any shape.
fn build(source: &Source, turns: &[Turn]) -> Result<Statement, BuildError> {
    match source.below(12) {
        0..=3 => selects::whole(source).build(),
        4 | 5 => changes::insert(source).build(),
        6 => changes::update(source).build(),
        7 => changes::delete(source).build(),
        8 => changes::merge(source),
        9 => set_local(&[(Setting::WorkMem, &source.text()), (Setting::LockTimeout, &source.text())]),
        10 => page(source, turns),
        _ => {
            let select = Select::from(&filters::TABLE).columns(all());
            let select = match source.filter() {
                Some(filter) => select.filter(filter.into_condition()),
                None => select,
            };
            select.filter(condition(source)).build()
        }
    }
}

fn page(source: &Source, turns: &[Turn]) -> Result<Statement, BuildError> {
    let turn = &turns[source.below(u32::try_from(turns.len()).expect("few")) as usize];
    let alias = source.coin().then(|| source.dotted());
    let keyset = alias.iter().fold(turn.keyset.clone(), |keyset, alias| keyset.alias(alias));
    let request = if source.is_hostile() { &turn.hostile } else { &turn.harmless };
    let select = Select::from(source.dotted().as_str()).columns(all()).filter(condition(source));
    Pages::new(keyset, pages::key()).select(select, request).build()
}

/// Tries one shape with hostile names, several times. Says how many were built, or what is wrong with one.
fn check(shape: u64, turns: &[Turn]) -> Result<u64, String> {
    let source = Source::harmless(shape);
    let harmless = build(&source, turns);
    let pattern = match &harmless {
        Ok(harmless) => Some(
            Pattern::of(harmless.sql(), source.names(), harmless.parameters())
                .map_err(|why| format!("{why}: {}", harmless.sql()))?,
        ),
        Err(_) => None,
    };
    let mut built = 0;
    for variant in 0..VARIANTS {
        let source = Source::hostile(shape, variant);
        let hostile = build(&source, turns);
        let given = source.into_given();
        let (hostile, harmless, pattern) = match (hostile, &harmless, &pattern) {
            (Ok(hostile), Ok(harmless), Some(pattern)) => (hostile, harmless, pattern),
            (Err(_), Err(_), _) => continue,
            (Err(_), Ok(_), _) if given.iter().any(Given::is_refused) => continue,
            (hostile, harmless, _) => return Err(format!("one is refused:\n{hostile:?}\n{harmless:?}")),
        };
        let verdict = pattern.check(hostile.sql(), hostile.parameters(), &given);
        verdict.map_err(|why| format!("{why}\n{}\n{}", hostile.sql(), harmless.sql()))?;
        if shape.is_multiple_of(64) {
            // Whoever reads what a statement touches must not fall over its names.
            assert_eq!(hostile.functions().is_empty(), harmless.functions().is_empty());
            assert_eq!(hostile.touches().is_empty(), harmless.touches().is_empty());
        }
        built += 1;
    }
    Ok(built)
}

#[tokio::test]
async fn finds_no_injection() {
    fresh_db(|db| async move {
        let turns = pages::turns(&mut db.connect().await).await;
        let (cases, first) = (number("DB_FUZZ_CASES", CASES), number("DB_FUZZ_SEED", SEED));
        let (next, built, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let run = || {
            loop {
                let done = next.fetch_add(1, Ordering::Relaxed);
                if done * VARIANTS >= cases || failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let shape = first.wrapping_add(done);
                let outcome = catch_unwind(AssertUnwindSafe(|| check(shape, &turns)));
                match outcome.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                    Ok(more) => built.fetch_add(more, Ordering::Relaxed),
                    Err(why) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err(format!("DB_FUZZ_SEED={shape} DB_FUZZ_CASES=1: {why}"));
                    }
                };
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            for thread in running {
                if let Err(failure) = thread.join().expect("the cases run") {
                    panic!("{failure}");
                }
            }
        });
        let built = built.into_inner();
        println!("{built} of {cases} cases were built");
        assert!(built * 4 >= cases * 3 || cases < 100, "only {built} of {cases} were built");
    })
    .await;
}
