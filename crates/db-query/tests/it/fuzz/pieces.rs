//! Hostile text: what breaks out of quotes, comments and strings where somebody forgot about it.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::LazyLock;

const PIECES: [&str; 58] = [
    "\"",
    "\"\"",
    "\"\"\"",
    "'",
    "''",
    "\\",
    "\\'",
    "\\\"",
    "$1",
    "$2",
    "$99999",
    "$$",
    "$a$",
    "--",
    "-- ",
    "/*",
    "*/",
    "/*+",
    ";",
    "; DROP TABLE tasks; --",
    "' OR '1'='1",
    "\" FROM pg_authid --",
    "\n",
    "\r\n",
    "\t",
    " ",
    "(",
    ")",
    ",",
    "?",
    "??",
    "?|",
    "::",
    "::text",
    ":name",
    "@x",
    "E''",
    "E'",
    "U&\"\\0022\"",
    "U&'",
    "x'",
    "N'",
    "select",
    "SELECT",
    "from",
    "NULL",
    "DEFAULT",
    "user",
    "a",
    "id",
    "EXCLUDED",
    "{}",
    "[0]",
    "%s",
    "é",
    "☃",
    "😀",
    "\u{202e}\u{feff}\u{ff02}",
];

/// How many names, and how many texts, are made once and drawn from.
const POOL: u32 = 16_384;

/// Names without dots. Some are as long as can be, and a few cannot be one.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut rng = SmallRng::seed_from_u64(1);
    (0..POOL).map(|_| new_name(&mut rng)).collect()
});

/// Texts; they live as long as the program, like its constants.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut rng = SmallRng::seed_from_u64(2);
    (0..POOL).map(|_| new_text(&mut rng)).collect()
});

/// A number below another.
pub(super) fn below(rng: &mut SmallRng, end: u32) -> u32 {
    // As good as any here, and cheap without optimisation.
    u32::try_from((u64::from(rng.random::<u32>()) * u64::from(end)) >> 32).unwrap_or(0)
}

fn pick<'a>(rng: &mut SmallRng, from: &[&'a str]) -> &'a str {
    let length = u32::try_from(from.len()).unwrap_or(u32::MAX);
    from[below(rng, length) as usize]
}

/// Text of a few pieces.
pub(super) fn text(rng: &mut SmallRng) -> &'static str {
    &TEXTS[below(rng, POOL) as usize]
}

/// A name without dots.
pub(super) fn name(rng: &mut SmallRng) -> &'static str {
    &NAMES[below(rng, POOL) as usize]
}

/// A constant of the program, and a NUL in few.
pub(super) fn constant(rng: &mut SmallRng) -> &'static str {
    if below(rng, 256) == 0 { "a\0b" } else { text(rng) }
}

fn new_text(rng: &mut SmallRng) -> String {
    let mut text = String::new();
    for _ in 0..=below(rng, 3) {
        text.push_str(pick(rng, &PIECES));
    }
    text
}

fn new_name(rng: &mut SmallRng) -> String {
    match below(rng, 512) {
        0 => String::new(),
        1 => new_text(rng) + "\0",
        2 => "x".repeat(63) + pick(rng, &["\"", "x", "é"]),
        3..=9 => "\"".repeat(63),
        10..=19 => format!("{}\"", "é".repeat(31)),
        20..=29 => format!("{:-<63}", pick(rng, &["'", "a", "\"", "*", "$$"])),
        _ => new_text(rng),
    }
}
