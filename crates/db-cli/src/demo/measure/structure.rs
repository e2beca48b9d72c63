//! Tells, before a recursive parser is called, whether it would go too deep.
//!
//! A parser of expressions calls itself for each nested bracket, and for each operator in a row: a hundred thousand `!`
//! are valid Rust and would end the process with a stack overflow. The lexer does not recurse, so its tokens can be
//! counted first: brackets in brackets, and tokens in a row without anything that ends an expression.

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream::IntoIter};

/// Brackets in brackets.
const MAX_DEPTH: usize = 256;
/// Tokens in a row; a bracket with all that is inside counts once.
const MAX_RUN: usize = 5_000;

/// Too deep for a parser that recurses, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooInvolved(pub(super) &'static str);

pub(super) fn check(tokens: &TokenStream) -> Result<(), TooInvolved> {
    let mut levels = vec![Level::new(tokens.clone())];
    while let Some(level) = levels.last_mut() {
        let Some(token) = level.tokens.next() else {
            levels.pop();
            continue;
        };
        level.count(&token);
        if level.run > MAX_RUN {
            return Err(TooInvolved("an expression of more than 5000 tokens, so not parsed"));
        }
        if let TokenTree::Group(group) = token {
            if levels.len() >= MAX_DEPTH {
                return Err(TooInvolved("nested deeper than 256 brackets, so not parsed"));
            }
            levels.push(Level::new(group.stream()));
        }
    }
    Ok(())
}

struct Level {
    tokens: IntoIter,
    run: usize,
    /// The last token was a block, which ends an expression unless `else` follows.
    after_block: bool,
}

impl Level {
    fn new(tokens: TokenStream) -> Self {
        Self { tokens: tokens.into_iter(), run: 0, after_block: false }
    }

    fn count(&mut self, token: &TokenTree) {
        let goes_on = matches!(token, TokenTree::Ident(word) if *word == "else");
        if self.after_block && !goes_on {
            self.run = 0;
        }
        self.after_block = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        let ends = matches!(token, TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ','));
        self.run = if ends { 0 } else { self.run + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use std::str::FromStr;

    fn is_fine(text: &str) -> bool {
        check(&proc_macro2::TokenStream::from_str(text).expect("tokens")).is_ok()
    }

    #[test]
    fn long_files_are_fine() {
        assert!(is_fine(&"fn a() { b(c, d); }\n".repeat(10_000)));
        assert!(is_fine(&format!("static A: [u8; 50000] = [{}];", "1,".repeat(50_000))));
    }

    #[test]
    fn what_would_overflow_a_stack_is_not() {
        for text in [
            format!("fn a() {{ {} }}", "!".repeat(100_000)),
            format!("fn a() {{ {}1 }}", "1+".repeat(100_000)),
            format!("fn a() {{ x{} }}", ".b()".repeat(100_000)),
            format!("fn a() {{ {} {{}} }}", "if x {} else ".repeat(100_000)),
            format!("{}{}", "(".repeat(100_000), ")".repeat(100_000)),
            format!("type A = {}u8;", "&".repeat(100_000)),
        ] {
            assert!(!is_fine(&text), "{}", &text[..40]);
        }
    }
}
