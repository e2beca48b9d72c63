//! Whether the parser has left nothing out: it passes over some tokens without a word.

use super::{Understood, refuse};
use sqlparser::{
    ast::Statement,
    dialect::PostgreSqlDialect,
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

/// Whether what the parser has made of the tokens holds every name, number and string of them, and no other.
pub(super) fn keeps_all(tokens: &[TokenWithSpan], statements: &[Statement]) -> Understood<()> {
    let written: Vec<String> = statements.iter().map(ToString::to_string).collect();
    let again = Tokenizer::new(&PostgreSqlDialect {}, &written.join("; ")).tokenize();
    let Ok(again) = again else { return refuse("the parser cannot read what it has written") };
    let mut given: Vec<String> = tokens.iter().filter_map(|token| said(&token.token)).collect();
    let mut kept: Vec<String> = again.iter().filter_map(said).collect();
    given.sort_unstable();
    kept.sort_unstable();
    if given == kept { Ok(()) } else { refuse("the parser leaves something out, or adds something") }
}

/// What a token says that is not of the grammar.
fn said(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_some() => Some(format!("\"{}", word.value)),
        Token::Word(word) if word.keyword == Keyword::NoKeyword => Some(word.value.to_ascii_lowercase()),
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Some(format!("'{text}")),
        Token::DollarQuotedString(text) => Some(format!("'{}", text.value)),
        Token::Number(number, _) => Some(format!("1{number}")),
        Token::Placeholder(name) => Some(format!("${name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::keeps_all;
    use sqlparser::{
        dialect::PostgreSqlDialect,
        parser::Parser,
        tokenizer::{TokenWithSpan, Tokenizer},
    };

    fn tokens(text: &str) -> Vec<TokenWithSpan> {
        Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().expect("tokens")
    }

    #[test]
    fn a_statement_that_lacks_a_part_of_the_text_is_refused() {
        let statements =
            Parser::parse_sql(&PostgreSqlDialect {}, "SELECT a FROM t WHERE x = 'v'").expect("parsed");
        for (text, kept) in [
            ("SELECT a FROM t WHERE x = 'v'", true),
            ("select A  FROM t WHERE (x = 'v')", true),
            ("SELECT a FROM t, u WHERE x = 'v'", false),
            ("SELECT a FROM t WHERE x = 'w'", false),
            ("SELECT a FROM \"t\" WHERE x = 'v'", false),
            ("SELECT a FROM t", false),
        ] {
            assert_eq!(keeps_all(&tokens(text), &statements).is_ok(), kept, "{text}");
        }
    }
}
