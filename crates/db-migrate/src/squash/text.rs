//! Makes a migration's script of what `pg_dump` writes. Pure.

/// Settings at the top that are the migration engine's to choose, or for `pg_dump` only.
const NOT_OURS: [&str; 5] = [
    "SET statement_timeout ",
    "SET lock_timeout ",
    "SET idle_in_transaction_session_timeout ",
    "SET transaction_timeout ",
    "SET row_security ",
];
/// Emptied for the session; a tool that looks for its own history afterwards would not find it.
const SEARCH_PATH: &str = "SELECT pg_catalog.set_config('search_path', '', false);";
const SEARCH_PATH_LOCALLY: &str = "SELECT pg_catalog.set_config('search_path', '', true);";
/// Between the settings and what they are for.
const FIRST_OBJECT: &str = "--\n-- Name: ";
const END: &str = "--\n-- PostgreSQL database dump complete\n--";

/// The script without what concerns only the run of `pg_dump`: its versions, its time limits, psql's commands. Between
/// its first and its last object nothing is touched, as that may be part of a function or of a row.
pub(super) fn as_migration(dump: &str) -> String {
    let end = dump.rfind(END).unwrap_or(dump.len());
    let head = dump[..end].find(FIRST_OBJECT).unwrap_or(end);
    let mut script = String::with_capacity(dump.len());
    for line in dump[..head].lines().filter(|line| !is_left_out(line)) {
        script.push_str(if line == SEARCH_PATH { SEARCH_PATH_LOCALLY } else { line });
        script.push('\n');
    }
    script.push('\n');
    script.push_str(dump[head..end].trim_end());
    script.push('\n');
    script
}

fn is_left_out(line: &str) -> bool {
    line.is_empty()
        || line.starts_with("--")
        || line.starts_with('\\')
        || NOT_OURS.iter().any(|setting| line.starts_with(setting))
}

#[cfg(test)]
mod tests {
    use super::as_migration;

    #[test]
    fn what_concerns_only_the_dump_is_left_out() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15.18\n\n\
                    SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n\
                    SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n\n\
                    --\n-- Name: a; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE TABLE public.a (\n    id integer\n);\n\n\n\
                    --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n";
        let expected = "SET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', true);\n\n\
                        --\n-- Name: a; Type: TABLE; Schema: public; Owner: -\n--\n\nCREATE TABLE public.a (\n    id integer\n);\n";
        assert_eq!(as_migration(dump), expected);
    }
}
