//! Which of PostgreSQL's own functions a subject may call: those that only work with the values that they are given.

/// Functions whose answer is not one of their arguments alone (`STABLE` or `VOLATILE`), and that still show and change nothing
/// that rules are about: time, random numbers, text and JSON in the session's format, its own settings.
///
/// It is a list of what is let, for a version of PostgreSQL yet to come has functions that nobody here has looked at.
/// <https://www.postgresql.org/docs/current/functions.html>
const HARMLESS: &[&str] = &[
    "age",
    "array_sample",
    "array_shuffle",
    "array_to_json",
    "array_to_string",
    "clock_timestamp",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "current_database",
    "current_schema",
    "current_schemas",
    "current_setting",
    "date",
    "date_add",
    "date_part",
    "date_subtract",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_range",
    "extract",
    "format",
    "format_type",
    "gen_random_uuid",
    "generate_series",
    "get_current_ts_config",
    "json_agg",
    "json_agg_strict",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_object_agg_strict",
    "json_object_agg_unique",
    "json_object_agg_unique_strict",
    "json_populate_record",
    "json_populate_recordset",
    "json_to_record",
    "json_to_recordset",
    "json_to_tsvector",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_object_agg_strict",
    "jsonb_object_agg_unique",
    "jsonb_object_agg_unique_strict",
    "jsonb_path_exists_tz",
    "jsonb_path_match_tz",
    "jsonb_path_query_array_tz",
    "jsonb_path_query_first_tz",
    "jsonb_path_query_tz",
    "jsonb_populate_record",
    "jsonb_populate_recordset",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "jsonb_to_tsvector",
    "length",
    "make_timestamptz",
    "money",
    "now",
    "numeric",
    "overlaps",
    "pg_client_encoding",
    "pg_collation_for",
    "pg_column_compression",
    "pg_column_size",
    "pg_input_error_info",
    "pg_input_is_valid",
    "pg_is_in_recovery",
    "pg_typeof",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "random",
    "random_normal",
    "row_to_json",
    "statement_timestamp",
    "time",
    "timeofday",
    "timestamp",
    "timestamptz",
    "timetz",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "transaction_timestamp",
    "ts_headline",
    "ts_parse",
    "ts_token_type",
    "uuidv4",
    "uuidv7",
    "version",
    "websearch_to_tsquery",
    "xml_is_well_formed",
];

/// Names that begin so are of functions that run a statement which they are given as a text, or read tables by their name; some
/// are of extensions. A text that calls one is not understood, as what it touches stands in a value.
const RUNNERS: &[&str] = &[
    "connectby",
    "crosstab",
    "cursor_to_xml",
    "database_to_xml",
    "dblink",
    "query_to_xml",
    "schema_to_xml",
    "table_to_xml",
    "ts_rewrite",
    "ts_stat",
    "xpath_table",
];

/// Whether a subject may call PostgreSQL's own functions of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// All of them.
    Open,
    /// None of them, for one at least does what no rule sees: which is called, the name does not tell.
    Closed,
}

impl BuiltIn {
    /// `is_public`: the server lets everybody call all functions of the name. `is_immutable`: it has it that each works with
    /// nothing but its arguments.
    pub(crate) fn of(name: &str, is_public: bool, is_immutable: bool) -> Self {
        let is_open =
            is_public && (is_immutable || HARMLESS.binary_search(&name).is_ok()) && !runs_text(name);
        if is_open { Self::Open } else { Self::Closed }
    }
}

/// Whether functions of a name run what they are given as a text.
pub(crate) fn runs_text(name: &str) -> bool {
    RUNNERS.iter().any(|runner| name.starts_with(runner))
}

#[cfg(test)]
mod tests {
    use super::{BuiltIn, HARMLESS};

    #[test]
    fn the_list_is_searched_in_its_order() {
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn what_nobody_has_looked_at_is_closed() {
        for (name, is_public, is_immutable, expected) in [
            ("lower", true, true, BuiltIn::Open),
            ("now", true, false, BuiltIn::Open),
            ("now", false, false, BuiltIn::Closed),
            ("made_tomorrow", true, false, BuiltIn::Closed),
            ("set_config", true, false, BuiltIn::Closed),
            ("query_to_xml", true, true, BuiltIn::Closed),
            ("pg_read_file", false, true, BuiltIn::Closed),
        ] {
            assert_eq!(BuiltIn::of(name, is_public, is_immutable), expected, "{name}");
        }
    }
}
