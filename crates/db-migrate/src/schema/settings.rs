//! Settings on which the text of values and definitions depends, pinned so that it is the same everywhere.

/// Name and value. With an empty `search_path` every name is written qualified, and nobody's function stands before
/// the server's.
pub(crate) const PINNED: [(&str, &str); 9] = [
    ("search_path", ""),
    ("extra_float_digits", "1"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("xmlbinary", "base64"),
    ("quote_all_identifiers", "off"),
];

/// Pins them until the transaction ends, keeping what they were for [`unpin`].
pub(super) fn pin() -> String {
    let one = |(name, value): &(&str, &str)| {
        format!(
            "set_config('db_migrate.{name}', current_setting('{name}'), true), set_config('{name}', '{value}', true)"
        )
    };
    format!("SELECT {}", PINNED.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Gives them back their values, in case the transaction goes on.
pub(super) fn unpin() -> String {
    let one = |(name, _): &(&str, &str)| {
        format!("set_config('{name}', current_setting('db_migrate.{name}'), true)")
    };
    format!("SELECT {}", PINNED.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Pins them until the session ends.
#[cfg(feature = "backup")]
pub(crate) fn pin_for_session() -> String {
    let one = |(name, value): &(&str, &str)| format!("set_config('{name}', '{value}', false)");
    format!("SELECT {}", PINNED.iter().map(one).collect::<Vec<_>>().join(", "))
}
