//! Full text search in tables that have a column `search`.

use db_query::{Select, TextConfig, col, rank, value, websearch};

/// Keeps rows that match what somebody typed (words, `"phrases"`, `or`, `-not`), best first.
pub(crate) fn matching(select: Select, text: &str) -> Select {
    let query = || websearch(TextConfig::english(), value(text));
    select.filter(col("search").matches(query())).order_by(rank(col("search"), query()).desc())
}
