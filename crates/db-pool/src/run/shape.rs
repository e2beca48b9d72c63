//! What can be told about a statement from its text alone: how to name it in a log without its values, and whether it may
//! change its session. Pure; both read PostgreSQL's tokens (manual, section 4.1) and nothing above them.

/// The statement's shape: literals and numbers become `?`, comments go, white space and control characters become one
/// space each; parameters and identifiers stay. Cut after `limit` bytes, with `…` in place of what is missing.
///
/// No literal passes, finished or not. Where it cannot be told how a literal ends (`'..\'` ends there or goes on, by
/// `standard_conforming_strings`), the shape ends.
pub(crate) fn shape(sql: &str, limit: usize) -> String {
    let mut shape = String::with_capacity(sql.len().min(limit) + '…'.len_utf8());
    let mut gap = false;
    for token in Tokens::of(sql) {
        if token.kind == Kind::Blank {
            gap = !shape.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            shape.push(' ');
        }
        match token.kind {
            Kind::Literal | Kind::Number => shape.push('?'),
            Kind::Unclear => shape.push_str("?…"),
            Kind::Blank | Kind::Word | Kind::Quoted | Kind::Other => {
                let text = sql[token.start..token.end].chars();
                shape.extend(text.map(|c| if c.is_control() { ' ' } else { c }));
            }
        }
        if shape.len() > limit {
            shape.truncate(shape.floor_char_boundary(limit));
            shape.push('…');
            break;
        }
    }
    shape
}

/// Whether the statement may leave something in its session, or its transaction, that outlives it: a setting, an
/// advisory lock, a temporary table, an open transaction. What is not known to leave nothing is taken to leave something;
/// what a function of the user's own does is not seen.
pub(crate) fn leaves_mark(sql: &str) -> bool {
    let mut tokens = Tokens::of(sql).filter(|token| token.kind != Kind::Blank);
    let mut word = || {
        let token = tokens.next().filter(|token| token.kind == Kind::Word);
        token.map_or("".as_bytes(), |token| &sql.as_bytes()[token.start..token.end])
    };
    let verb = word();
    let known = match verb.len() {
        3 if is(verb, "set") => is(word(), "local"),
        8 if is(verb, "rollback") => is(word(), "to"),
        4 => is(verb, "with") || is(verb, "show"),
        5 => is(verb, "merge") || is(verb, "table"),
        6 => ["select", "insert", "update", "delete", "values"].iter().any(|known| is(verb, known)),
        7 => is(verb, "explain") || is(verb, "release"),
        9 => is(verb, "savepoint"),
        _ => false,
    };
    if !known {
        return true;
    }
    let explained = is(verb, "explain");
    if !explained && !holds_suspects(sql.trim_end_matches([' ', '\n', ';']).as_bytes()) {
        return false;
    }
    let mut after_into = false;
    while let Some(token) = tokens.next() {
        let text = &sql.as_bytes()[token.start..token.end];
        let marks = match token.kind {
            Kind::Unclear => true,
            Kind::Other if text == b";" => return tokens.any(|token| &sql[token.start..token.end] != ";"),
            // Before version 15, `1into` is a number and a word.
            Kind::Number => text.iter().any(u8::is_ascii_alphabetic),
            // U&"..." can write any name in a way that is not seen here.
            Kind::Quoted => text[0] != b'"' || name_marks(&text[1..text.len() - 1]),
            Kind::Word if after_into && TEMPORARY.iter().any(|word| is(text, word)) => true,
            Kind::Word if explained && RUNNABLE.iter().any(|word| is(text, word)) => true,
            Kind::Word => name_marks(text),
            Kind::Blank | Kind::Literal | Kind::Other => false,
        };
        if marks {
            return true;
        }
        after_into = is(text, "into");
    }
    false
}

/// Whether the letters of anything that [`leaves_mark`] looks for occur at all, be it within a literal. Most statements
/// end here.
fn holds_suspects(text: &[u8]) -> bool {
    const INTO: u8 = 2;
    const TEMP: u8 = 4;
    let places = text.len().saturating_sub(3);
    let at = |n: usize| text.get(n..n + places).unwrap_or_default();
    let quads = at(0).iter().zip(at(1)).zip(at(2).iter().zip(at(3)));
    // Without a branch, and in bytes only, so that the compiler makes vectors of it. 0x20 makes a letter small, and a
    // `_` what no text holds.
    let found = quads.fold(0, |found, ((a, b), (c, d))| {
        let [a, b, c, d] = [a | 0x20, b | 0x20, c | 0x20, d | 0x20];
        let set = (a == b's') & (b == b'e') & (c == b't') & ((d == b'_' | 0x20) | (d == b's'));
        let pg = (a == b'p') & (b == b'g') & (c == b'_' | 0x20);
        let link = (a == b'd') & (b == b'b') & (c == b'l') & (d == b'i');
        let escaped = (a == b'&' | 0x20) & (b == b'"' | 0x20);
        let into = (a == b'i') & (b == b'n') & (c == b't') & (d == b'o');
        let temp = (a == b't') & (b == b'e') & (c == b'm') & (d == b'p');
        let (into, temp) = (u8::from(into) * INTO, u8::from(temp) * TEMP);
        found | u8::from(set | pg | link | escaped) | into | temp
    });
    found & 1 != 0 || found == INTO | TEMP || text.contains(&b';')
}

/// What makes the table of `SELECT ... INTO` the session's own.
const TEMPORARY: [&str; 4] = ["temp", "temporary", "local", "global"];

/// What `EXPLAIN ANALYZE` runs beside queries.
const RUNNABLE: [&str; 3] = ["create", "execute", "declare"];

/// Whether a function or a schema of this name is about the session.
fn name_marks(name: &[u8]) -> bool {
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b's') => is(name, "set_config") || is(name, "setseed") || is(name, "set_limit"),
        Some(b'd') => after(name, "dblink").is_some(),
        Some(b'p') => after(name, "pg_").is_some_and(|rest| {
            let lock = after(rest, "advisory_").or_else(|| after(rest, "try_advisory_"));
            lock.is_some_and(|lock| after(lock, "xact_").is_none())
                || ["temp", "settings", "replication_origin_", "create_", "copy_", "backup_", "start_backup"]
                    .iter()
                    .any(|start| after(rest, start).is_some())
        }),
        _ => false,
    }
}

fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

fn after<'a>(text: &'a [u8], start: &str) -> Option<&'a [u8]> {
    let (head, tail) = text.split_at_checked(start.len())?;
    is(head, start).then_some(tail)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// White space, control characters, comments.
    Blank,
    /// A keyword or an identifier.
    Word,
    /// An identifier in double quotes.
    Quoted,
    /// A string of any form.
    Literal,
    Number,
    /// An operator's character, a bracket, a parameter.
    Other,
    /// Something unfinished or ambiguous, up to the end of the text.
    Unclear,
}

#[derive(Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// PostgreSQL's tokens; each begins and ends at a char border, since every byte beyond ASCII is a word's.
struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let (kind, end) = match self.byte(start)? {
            0..=b' ' | 0x7f => (Kind::Blank, start + 1),
            byte if is_word(byte) && !byte.is_ascii_digit() && byte != b'$' => self.word(start),
            b'0'..=b'9' => (Kind::Number, self.number_end(start)),
            b'.' if self.byte(start + 1).is_some_and(|byte| byte.is_ascii_digit()) => {
                (Kind::Number, self.number_end(start))
            }
            b'\'' => self.string(start, Backslash::Unclear),
            b'"' => self.quoted(start),
            b'$' => self.dollar(start),
            b'-' if self.byte(start + 1) == Some(b'-') => (Kind::Blank, self.line_end(start)),
            b'/' if self.byte(start + 1) == Some(b'*') => (Kind::Blank, self.comment_end(start)),
            _ => (Kind::Other, start + 1),
        };
        self.at = end;
        Some(Token { kind, start, end })
    }
}

/// What a backslash in a string means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// It takes the next character with it.
    Escapes,
    /// That depends on a setting of the server.
    Unclear,
}

/// Whether the byte may stand within a word.
fn is_word(byte: u8) -> bool {
    const WORD: [bool; 256] = {
        let mut word = [false; 256];
        let mut byte = u8::MAX;
        while byte > 0 {
            word[byte as usize] =
                byte >= 0x80 || byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
            byte -= 1;
        }
        word
    };
    WORD[usize::from(byte)]
}

impl<'a> Tokens<'a> {
    fn of(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.sql.as_bytes().get(at).copied()
    }

    /// The first place from `at` on whose byte is not as wanted.
    fn skip(&self, at: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = &self.sql.as_bytes()[at..];
        at + rest.iter().position(|&byte| !wanted(byte)).unwrap_or(rest.len())
    }

    fn unclear(&self) -> (Kind, usize) {
        (Kind::Unclear, self.sql.len())
    }

    /// A word, or the literal or quoted identifier whose prefix it is.
    fn word(&self, start: usize) -> (Kind, usize) {
        let end = self.skip(start, is_word);
        if end > start + 1 {
            return (Kind::Word, end);
        }
        let next = |n| self.byte(end + n);
        match (self.sql.as_bytes()[start].to_ascii_lowercase(), next(0), next(1)) {
            (b'e', Some(b'\''), _) => self.string(end, Backslash::Escapes),
            (b'b' | b'n' | b'x', Some(b'\''), _) => self.string(end, Backslash::Unclear),
            (b'u', Some(b'&'), Some(b'\'')) => self.string(end + 1, Backslash::Unclear),
            (b'u', Some(b'&'), Some(b'"')) => self.quoted(end + 1),
            _ => (Kind::Word, end),
        }
    }

    /// From its opening quote.
    fn string(&self, open: usize, backslash: Backslash) -> (Kind, usize) {
        let mut at = open + 1;
        loop {
            at = self.skip(at.min(self.sql.len()), |byte| byte != b'\'' && byte != b'\\');
            match (self.byte(at), self.byte(at + 1)) {
                (None, _) => return self.unclear(),
                (Some(b'\''), Some(b'\'')) => at += 2,
                (Some(b'\''), _) => return (Kind::Literal, at + 1),
                (Some(_), Some(b'\'')) if backslash == Backslash::Unclear => return self.unclear(),
                // The escaped character may be longer than a byte, but no other byte of it is a quote.
                (Some(_), _) => at += 2,
            }
        }
    }

    fn quoted(&self, open: usize) -> (Kind, usize) {
        let mut at = open + 1;
        loop {
            at = self.skip(at, |byte| byte != b'"');
            match (self.byte(at), self.byte(at + 1)) {
                (None, _) => return self.unclear(),
                (_, Some(b'"')) => at += 2,
                _ => return (Kind::Quoted, at + 1),
            }
        }
    }

    /// A parameter, or a string between two equal `$tag$`.
    fn dollar(&self, start: usize) -> (Kind, usize) {
        if self.byte(start + 1).is_some_and(|byte| byte.is_ascii_digit()) {
            return (Kind::Other, self.skip(start + 1, |byte| byte.is_ascii_digit()));
        }
        let open = self.skip(start + 1, |byte| is_word(byte) && byte != b'$');
        if self.byte(open) != Some(b'$') {
            return (Kind::Other, start + 1);
        }
        let body = open + 1;
        let tag = &self.sql[start..body];
        self.sql[body..].find(tag).map_or(self.unclear(), |at| (Kind::Literal, body + at + tag.len()))
    }

    /// With whatever letters stick to it: what is no number is not let through either.
    fn number_end(&self, start: usize) -> usize {
        let mut at = start;
        loop {
            at = self.skip(at, |byte| byte == b'.' || is_word(byte) && byte != b'$');
            let signed = self.sql.as_bytes()[at - 1].eq_ignore_ascii_case(&b'e')
                && matches!(self.byte(at), Some(b'+' | b'-'))
                && self.byte(at + 1).is_some_and(|byte| byte.is_ascii_digit());
            if !signed {
                return at;
            }
            at += 1;
        }
    }

    fn line_end(&self, start: usize) -> usize {
        self.skip(start, |byte| byte != b'\n' && byte != b'\r')
    }

    /// Comments nest.
    fn comment_end(&self, start: usize) -> usize {
        let (mut at, mut depth) = (start + 2, 1);
        while depth > 0 {
            at = self.skip(at, |byte| byte != b'*' && byte != b'/');
            match (self.byte(at), self.byte(at + 1)) {
                (None, _) => return at,
                (Some(b'/'), Some(b'*')) => (at, depth) = (at + 2, depth + 1),
                (Some(b'*'), Some(b'/')) => (at, depth) = (at + 2, depth - 1),
                _ => at += 1,
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::{leaves_mark, shape};
    use proptest::prelude::*;

    fn check(sql: &str, expected: &str) {
        assert_eq!(shape(sql, 200), expected, "{sql}");
    }

    #[test]
    fn literals_and_numbers_become_question_marks() {
        check("SELECT 'a', 'it''s', ''", "SELECT ?, ?, ?");
        check("SELECT 1, -2.5, .5, 1e10, 1.5E-3, 0x1F, 1_000, 3.", "SELECT ?, -?, ?, ?, ?, ?, ?, ?");
        check(r"SELECT E'a\'b', e'\\', E'\\\'x'", "SELECT ?, ?, ?");
        check("SELECT B'01', x'1F', N'a', U&'\\0061', u&'a'", "SELECT ?, ?, ?, ?, ?");
        check("SELECT $$a$$, $t$a $$ b$t$, $é$x$é$", "SELECT ?, ?, ?");
        check("SELECT $$a$b$$, $a$x$b$a$", "SELECT ?, ?");
        check("SELECT 1-2, 1e-x, t.a+1", "SELECT ?-?, ?-x, t.a+?");
        check("SELECT r\n'a'", "SELECT r ?");
        check(r"CASE WHEN a THEN'b'ELSE'c\d'END", "CASE WHEN a THEN?ELSE?END");
    }

    #[test]
    fn identifiers_and_parameters_stay() {
        let sql =
            "SELECT t1.x2, \"x1\", \"a \"\" 'b'\", u&\"x\", a$1, é FROM \"T\".t WHERE id = $1 AND b = $23";
        check(sql, sql);
        check("SELECT $1$$secret$$, a -- $$\n$$secret$$", "SELECT $1?, a ?");
        check("SELECT a[1:2], x::int4, y->>'k', z @> $1", "SELECT a[?:?], x::int4, y->>?, z @> $1");
        check("SELECT $ tag, $tag", "SELECT $ tag, $tag");
    }

    #[test]
    fn comments_and_white_space_go() {
        check("  SELECT\t1 -- 'x'\r\n , /* a /* b */ 'c' */ 2 ;  ", "SELECT ? , ? ;");
        check("/* only */ -- this", "");
        check("-- a\rSELECT b", "SELECT b");
        check("a/**/b--", "a b");
        check("a/*/b*/c", "a c");
        check("SELECT a\u{7}\u{7f}b, \"a\nb\" - -1 / 2 * 3", "SELECT a b, \"a b\" - -? / ? * ?");
        check("SELECT a /* /* x */ secret", "SELECT a");
    }

    #[test]
    fn what_is_unfinished_or_unclear_ends_the_shape() {
        for sql in ["'x", "E'x\\'", "e'x\\", "$$x", "$a$x$b$ $a", "\"x 'y'", "u&'x", "u&\"x", "b'", "'x''"] {
            check(&format!("SELECT {sql}"), "SELECT ?…");
        }
        // Is this one literal, or two and a word?
        check(r"SELECT 'a\', secret, ' b'", "SELECT ?…");
        check(r"SELECT 'a\\', b, 'c\d'", "SELECT ?, b, ?");
    }

    #[test]
    fn the_shape_is_cut_at_a_char_border() {
        for (limit, expected) in [
            (0, "…"),
            (6, "SELECT…"),
            (7, "SELECT …"),
            (8, "SELECT …"),
            (9, "SELECT é…"),
            (12, "SELECT é, ?"),
            (11, "SELECT é, …"),
        ] {
            assert_eq!(shape("SELECT é, 1", limit), expected, "{limit}");
        }
        assert_eq!(shape("", 0), "");
    }

    #[track_caller]
    fn marks(expected: bool, statements: &[&str]) {
        for sql in statements {
            assert_eq!(leaves_mark(sql), expected, "{sql}");
        }
    }

    #[test]
    fn plain_statements_leave_nothing() {
        marks(
            false,
            &[
                "SELECT 1",
                "select * from tasks where id = $1",
                "\n /* a */ -- b\nSELECT 1 ; -- c\n;;",
                "INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id",
                "UPDATE t SET a = 'set_config'",
                "DELETE FROM t WHERE b = E'\\'; SET x = 1'",
                "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
                "WITH a AS (SELECT 1) SELECT * FROM a",
                "VALUES (1), (2)",
                "TABLE t",
                "SHOW work_mem",
                "EXPLAIN SELECT 1",
                "EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t",
                "SET LOCAL statement_timeout = 100",
                "set /* */ local role app",
                "SAVEPOINT a",
                "RELEASE SAVEPOINT a",
                "ROLLBACK TO a",
                "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)",
                "SELECT temp, local FROM sensors",
                "INSERT INTO sensors (temp, local) VALUES ($1, $2)",
                "SELECT a INTO copy FROM t",
                "SELECT $$;$$, ';', \";\" -- ; SET x = 1",
                "SELECT set_byte(a, 0, 1), pg_sleep(0.1), create_at FROM pg_class",
            ],
        );
    }

    #[test]
    fn what_may_leave_something_is_seen() {
        marks(
            true,
            &[
                "",
                ";",
                "-- SELECT",
                "BEGIN",
                "START TRANSACTION",
                "COMMIT",
                "ROLLBACK",
                "ROLLBACK AND CHAIN",
                "END",
                "SET x = 1",
                "SET SESSION x = 1",
                "SET",
                "RESET ALL",
                "DISCARD ALL",
                "LISTEN a",
                "PREPARE a AS SELECT 1",
                "EXECUTE a",
                "DECLARE a CURSOR WITH HOLD FOR SELECT 1",
                "CREATE TEMP TABLE t (a int)",
                "COPY t FROM STDIN",
                "LOCK t",
                "DO $$ BEGIN END $$",
                "CALL p()",
                "LOAD 'x'",
                "(SELECT 1)",
                "1",
                "SELECTS 1",
                "\"select\" 1",
                "é",
            ],
        );
    }

    #[test]
    fn a_query_that_leaves_something_is_seen() {
        marks(
            true,
            &[
                "SELECT set_config('a', 'b', false)",
                "SELECT pg_catalog.SET_CONFIG('a', 'b', false)",
                "SELECT \"set_config\"('a', 'b', false)",
                "SELECT U&\"set\\005fconfig\"('a', 'b', false)",
                "SELECT setseed(0.5)",
                "SELECT set_limit(0.5)",
                "SELECT pg_advisory_lock(1)",
                "SELECT pg_advisory_lock_shared(1)",
                "SELECT PG_TRY_advisory_lock(1)",
                "SELECT pg_try_advisory_lock_shared(1)",
                "SELECT pg_advisory_unlock_all()",
                "SELECT pg_replication_origin_session_setup('a')",
                "SELECT pg_create_logical_replication_slot('a', 'b', true)",
                "SELECT pg_backup_start('a')",
                "SELECT pg_start_backup('a')",
                "SELECT dblink_connect('a')",
                "SELECT * INTO TEMP t FROM s",
                "SELECT * INTO /* */ temporary TABLE t FROM s",
                "SELECT * INTO LOCAL TEMP t FROM s",
                "SELECT * INTO GLOBAL TEMP t FROM s",
                "SELECT * INTO pg_temp.t FROM s",
                "SELECT 1into temp t",
                "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1",
                "EXPLAIN ANALYZE EXECUTE a",
                "EXPLAIN ANALYZE DECLARE a CURSOR WITH HOLD FOR SELECT 1",
                "WITH a AS (SELECT pg_advisory_lock(1)) SELECT * FROM a",
                "INSERT INTO t SELECT set_config('a', 'b', false)",
            ],
        );
    }

    #[test]
    fn a_second_statement_and_what_cannot_be_read_are_seen() {
        marks(
            true,
            &[
                "SELECT 1; SELECT 1",
                "SELECT 1;SET x = 1",
                "SELECT ';'; SET x = 1",
                "SELECT $$;$$; SET x = 1",
                "SELECT E'\\''; SET x = 1 --'",
                "SELECT 1 /* ; */; BEGIN",
                "SET LOCAL x = 1; SET x = 1",
                "SELECT 'a; b",
                "SELECT $$a; b",
                "SELECT \"a; b",
                "SELECT 'a\\'; SET x = 1 --'",
            ],
        );
    }

    /// Every form of literal around a secret, and none of them finished when cut.
    fn literal(secret: &str) -> Vec<String> {
        let quoted = ["'", "E'", "e'", "B'", "x'", "N'", "U&'", "u&'", "'a''", "E'\\'", "'\\\\", "E'\\\\\\'"];
        let quoted = quoted.iter().map(|open| format!("{open}{secret}'"));
        let dollars = ["$$", "$a$", "$é_1$"].iter().map(|tag| format!("{tag} ' {secret}{tag}"));
        let others = [
            format!("/* {secret} */ 1"),
            format!("/* /* */ {secret} */ 1"),
            format!("-- {secret}\n1"),
            format!("12{secret}"),
            format!("1.5e-3{secret}"),
            format!("'a' \n '{secret}'"),
            format!("E'a' \n '\\'{secret}'"),
            format!("'a\\', {secret}, 'b'"),
            format!("'a\\', '{secret}'"),
        ];
        quoted.chain(dollars).chain(others).collect()
    }

    proptest! {
        #[test]
        fn no_literal_passes(
            secret in "zq[a-z0-9]{6,12}",
            before in prop::sample::subsequence(
                vec!["a", "'b'", "$1", "$1,", "\"c'\"", "1", "E'\\''", "$$'$$", "/*'*/", "--'\n", "-", "é", ".", "\"$$\""],
                0..8,
            ),
            glue in prop::sample::select(vec![" ", ",", "(", "\n", "+", "/**/"]),
            after in "[ ,;a-p0-9'$\"é]{0,12}",
            cut in any::<prop::sample::Index>(),
        ) {
            for literal in literal(&secret) {
                let sql = format!("{}{glue}{literal}{after}", before.join(" "));
                for text in [&sql[..], &sql[..sql.floor_char_boundary(cut.index(sql.len() + 1))]] {
                    let shape = shape(text, 1000);
                    // What is cut may have lost its end, but not its first letters.
                    prop_assert!(!shape.contains("zq"), "{text:?} -> {shape:?}");
                }
            }
        }

        #[test]
        fn any_text_can_be_read(
            text in prop_oneof![any::<String>(), "[a-eE'\"$\\\\;/*.0-9é \n-]{0,40}"],
            limit in 0_usize..60,
        ) {
            let shape = shape(&text, limit);
            prop_assert!(shape.len() <= limit + '…'.len_utf8());
            prop_assert!(!shape.contains(char::is_control));
            leaves_mark(&text);
            leaves_mark(&format!("SELECT {text}"));
        }

        #[test]
        fn a_mark_is_seen_wherever_it_stands(
            before in prop::sample::subsequence(
                vec!["a", "'b'", "$1", "\"c'\"", "1", "E'\\''", "$$'$$", "/*'*/", "--'\n", "-", "é", "(", ",", "'\\\\'"],
                0..10,
            ),
            mark in prop::sample::select(vec!["set_config('a', 'b', false)", "; SET x = 1", "pg_advisory_lock(1)"]),
        ) {
            let sql = format!("SELECT {} {mark}", before.join(" "));
            prop_assert!(leaves_mark(&sql), "{sql}");
        }
    }
}
