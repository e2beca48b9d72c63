//! Time spans: a number with its unit, and what a number without one means.

use std::time::Duration;

/// The longest span that is accepted: PostgreSQL keeps its timeouts as milliseconds in 31 bits.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 24 * 3600);

/// Nanoseconds of each unit that may be written.
const UNITS: [(&str, u128); 5] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// The unit that a number without a unit has. It belongs to the name under which the number was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// None: the unit must be written.
    Refused,
    Milliseconds,
    Seconds,
    /// Seconds with a decimal point, milliseconds without (`DB_QUERY_TIMEOUT`).
    SecondsWithPoint,
}

impl Bare {
    /// The unit of this number and the other one that may have been meant.
    fn units(self, number: &str) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Refused => None,
            Self::Milliseconds => Some(("ms", "s")),
            Self::Seconds => Some(("s", "ms")),
            Self::SecondsWithPoint => Some(if number.contains('.') { ("s", "ms") } else { ("ms", "s") }),
        }
    }

    /// For the generated reference.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Refused => "",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::SecondsWithPoint => "s with a decimal point, else ms",
        }
    }
}

/// The spans that a number without a unit may plausibly stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl Window {
    fn holds(&self, span: Duration) -> bool {
        (self.least..=self.most).contains(&span)
    }
}

/// Why a text is no span, in parts that hold nothing but numbers and units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not a number with a unit.
    Form,
    /// A bare number where the unit must be written.
    NoUnit,
    /// Below a millisecond or above [`LONGEST`].
    Range,
    /// A bare number that is only plausible in the other unit, or in neither.
    Implausible { as_read: Duration, unit: &'static str, meant: Option<String> },
}

/// Reads `500ms`, `30s`, `5m`, `1h`, `2d`, `1.5s`, `0`, or a bare number in the unit of its name.
///
/// # Errors
/// [`Fault`], by what is wrong.
pub(crate) fn parse(text: &str, bare: Bare, window: Window) -> Result<Duration, Fault> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..at], text[at..].trim_start());
    if unit.is_empty() {
        return parse_bare(number, bare, window);
    }
    let span = scaled(number, unit).ok_or(Fault::Form)?;
    in_range(span)
}

fn parse_bare(number: &str, bare: Bare, window: Window) -> Result<Duration, Fault> {
    let seconds = scaled(number, "s").ok_or(Fault::Form)?;
    if seconds.is_zero() {
        return Ok(Duration::ZERO);
    }
    let (unit, other) = bare.units(number).ok_or(Fault::NoUnit)?;
    let as_read = scaled(number, unit).ok_or(Fault::Form)?;
    if window.holds(as_read) {
        return Ok(as_read);
    }
    let meant = scaled(number, other).filter(|span| window.holds(*span)).map(|_| format!("{number}{other}"));
    Err(Fault::Implausible { as_read, unit, meant })
}

fn in_range(span: Duration) -> Result<Duration, Fault> {
    let fits = span.is_zero() || (Duration::from_millis(1)..=LONGEST).contains(&span);
    if fits { Ok(span) } else { Err(Fault::Range) }
}

/// The shortest exact form: `1h`, `90s`, `500ms`.
pub(crate) fn render(span: Duration) -> String {
    let nanos = span.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    for (unit, size) in UNITS[..4].iter().rev() {
        if nanos.is_multiple_of(*size) {
            return format!("{}{unit}", nanos / size);
        }
    }
    format!("{span:?}")
}

/// The number times the unit, exactly; `None` when it is no decimal number or beyond all bounds.
fn scaled(number: &str, unit: &str) -> Option<Duration> {
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let padded: u128 = format!("{fraction:0<9}").parse().ok()?;
    let nanos = whole.parse::<u128>().ok()? * size + padded * size / 1_000_000_000;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let below = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(Duration::new(seconds, below))
}

#[cfg(test)]
mod tests {
    use super::{Bare, Fault, Window, parse, render};
    use std::time::Duration;

    const WINDOW: Window = Window { least: Duration::from_millis(100), most: Duration::from_secs(6 * 3600) };

    fn check(text: &str, bare: Bare, expected: Result<u64, Fault>) {
        assert_eq!(parse(text, bare, WINDOW), expected.map(Duration::from_millis), "{text} {bare:?}");
    }

    fn implausible(as_read_ms: u64, unit: &'static str, meant: Option<&str>) -> Fault {
        Fault::Implausible {
            as_read: Duration::from_millis(as_read_ms),
            unit,
            meant: meant.map(str::to_owned),
        }
    }

    #[test]
    fn a_written_unit_is_taken_at_its_word() {
        check("500ms", Bare::Refused, Ok(500));
        check("30s", Bare::Milliseconds, Ok(30_000));
        check("30 s", Bare::Milliseconds, Ok(30_000));
        check("1.5s", Bare::Refused, Ok(1_500));
        check("5m", Bare::Refused, Ok(300_000));
        check("1h", Bare::Refused, Ok(3_600_000));
        check("30ms", Bare::Seconds, Ok(30));
        check("0", Bare::Refused, Ok(0));
    }

    #[test]
    fn a_bare_number_has_the_unit_of_its_name() {
        check("30000", Bare::Milliseconds, Ok(30_000));
        check("60", Bare::Seconds, Ok(60_000));
        check("30000", Bare::SecondsWithPoint, Ok(30_000));
        check("30.0", Bare::SecondsWithPoint, Ok(30_000));
        check("30", Bare::Refused, Err(Fault::NoUnit));
    }

    #[test]
    fn a_number_plausible_only_in_the_other_unit_is_asked_about() {
        check("30", Bare::Milliseconds, Err(implausible(30, "ms", Some("30s"))));
        check("30", Bare::SecondsWithPoint, Err(implausible(30, "ms", Some("30s"))));
        check("30000.0", Bare::SecondsWithPoint, Err(implausible(30_000_000, "s", Some("30000.0ms"))));
        check("60000", Bare::Seconds, Err(implausible(60_000_000, "s", Some("60000ms"))));
        check("999999999999", Bare::Milliseconds, Err(implausible(999_999_999_999, "ms", None)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "30sec", "1m30s", "-5s", "1e3", "1.2.3s", ".5s", "9999999999999s"] {
            check(text, Bare::Milliseconds, Err(Fault::Form));
        }
        check("0.5ms", Bare::Refused, Err(Fault::Range));
        check("25d", Bare::Refused, Err(Fault::Range));
    }

    #[test]
    fn renders_the_shortest_exact_form() {
        for (millis, expected) in
            [(0, "0s"), (1, "1ms"), (1_500, "1500ms"), (90_000, "90s"), (3_600_000, "1h")]
        {
            assert_eq!(render(Duration::from_millis(millis)), expected);
        }
    }
}
