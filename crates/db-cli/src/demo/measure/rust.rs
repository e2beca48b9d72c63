//! Rust's functions, nesting and cyclomatic complexity, from the syntax tree.
//!
//! Complexity is McCabe's (1976): one for a function, and one more for each `if`, `while`, `for`, `let … else`, `&&`,
//! `||`, and each arm of a `match` but the first. What macros are given is not parsed and not counted.

use super::{
    Shape,
    structure::{self, TooInvolved},
};
use proc_macro2::{Span, TokenStream};
use std::str::FromStr;
use syn::{
    BinOp, Expr, ExprBinary, ExprForLoop, ExprIf, ExprLoop, ExprMatch, ExprWhile, ImplItemFn, ItemFn, Local,
    TraitItemFn,
    visit::{self, Visit},
};

/// Why there is no shape.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Valid perhaps, but a parser that recurses would go too deep.
    Involved(&'static str),
    /// Not Rust.
    Syntax { line: usize, reason: String },
}

pub(super) fn shape(text: &str) -> Result<Shape, Refused> {
    let result = parse(text);
    // Positions of tokens refer to a thread's list of all texts it has parsed, which grows until it is cleared; nothing
    // that holds a position outlives `parse`.
    proc_macro2::extra::invalidate_current_thread_spans();
    result
}

fn parse(text: &str) -> Result<Shape, Refused> {
    let tokens =
        TokenStream::from_str(without_shebang(text)).map_err(|error| syntax(error.span(), &error))?;
    structure::check(&tokens).map_err(|TooInvolved(why)| Refused::Involved(why))?;
    let file: syn::File = syn::parse2(tokens).map_err(|error| syntax(error.span(), &error))?;
    let mut counter = Counter::default();
    counter.visit_file(&file);
    Ok(counter.shape)
}

fn syntax(at: Span, error: &dyn std::error::Error) -> Refused {
    Refused::Syntax { line: at.start().line, reason: error.to_string() }
}

/// Neither a byte order mark nor a `#!` line is part of the language; the line break stays, so that lines keep their
/// numbers.
fn without_shebang(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.starts_with("#!") || text[2..].trim_start().starts_with('[') {
        return text;
    }
    text.find('\n').map_or("", |end| &text[end..])
}

#[derive(Default)]
struct Counter {
    shape: Shape,
    /// Complexity of each function that is open; functions nest.
    open: Vec<u32>,
    nesting: u32,
}

impl Counter {
    fn function(&mut self, visit_body: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.nesting);
        self.open.push(1);
        visit_body(self);
        let complexity = self.open.pop().unwrap_or(1);
        self.nesting = outer;
        self.shape.functions += 1;
        self.shape.complexity += complexity;
        self.shape.max_complexity = self.shape.max_complexity.max(complexity);
    }

    /// Counts branches of the innermost function; what stands outside all functions is no function's.
    fn branch(&mut self, branches: usize) {
        if let Some(complexity) = self.open.last_mut() {
            *complexity += u32::try_from(branches).unwrap_or(u32::MAX);
        }
    }

    fn nested(&mut self, visit_inside: impl FnOnce(&mut Self)) {
        self.nesting += 1;
        self.shape.max_nesting = self.shape.max_nesting.max(self.nesting);
        visit_inside(self);
        self.nesting -= 1;
    }
}

impl<'ast> Visit<'ast> for Counter {
    fn visit_item_fn(&mut self, node: &'ast ItemFn) {
        self.function(|counter| visit::visit_item_fn(counter, node));
    }

    fn visit_impl_item_fn(&mut self, node: &'ast ImplItemFn) {
        self.function(|counter| visit::visit_impl_item_fn(counter, node));
    }

    fn visit_trait_item_fn(&mut self, node: &'ast TraitItemFn) {
        if node.default.is_some() {
            self.function(|counter| visit::visit_trait_item_fn(counter, node));
        }
    }

    fn visit_expr_if(&mut self, node: &'ast ExprIf) {
        self.branch(1);
        self.visit_expr(&node.cond);
        self.nested(|counter| counter.visit_block(&node.then_branch));
        match &node.else_branch {
            // A chain of `else if` is one level, however long.
            Some((_, next)) if matches!(**next, Expr::If(_)) => self.visit_expr(next),
            Some((_, last)) => self.nested(|counter| counter.visit_expr(last)),
            None => {}
        }
    }

    fn visit_expr_match(&mut self, node: &'ast ExprMatch) {
        self.branch(node.arms.len().saturating_sub(1));
        self.nested(|counter| visit::visit_expr_match(counter, node));
    }

    fn visit_expr_while(&mut self, node: &'ast ExprWhile) {
        self.branch(1);
        self.nested(|counter| visit::visit_expr_while(counter, node));
    }

    fn visit_expr_for_loop(&mut self, node: &'ast ExprForLoop) {
        self.branch(1);
        self.nested(|counter| visit::visit_expr_for_loop(counter, node));
    }

    fn visit_expr_loop(&mut self, node: &'ast ExprLoop) {
        self.nested(|counter| visit::visit_expr_loop(counter, node));
    }

    fn visit_expr_binary(&mut self, node: &'ast ExprBinary) {
        if matches!(node.op, BinOp::And(_) | BinOp::Or(_)) {
            self.branch(1);
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_local(&mut self, node: &'ast Local) {
        if node.init.as_ref().is_some_and(|init| init.diverge.is_some()) {
            self.branch(1);
        }
        visit::visit_local(self, node);
    }
}

#[cfg(test)]
mod tests {
    use super::{Refused, Shape, shape, without_shebang};

    fn check(text: &str, functions: u32, max_nesting: u32, complexity: u32, max_complexity: u32) {
        let expected = Shape { functions, max_nesting, complexity, max_complexity };
        assert_eq!(shape(text), Ok(expected), "{text}");
    }

    #[test]
    fn counts_as_mccabe_does() {
        check("", 0, 0, 0, 0);
        check("fn a() {}", 1, 0, 1, 1);
        check("fn a() { if x && y || z { } }", 1, 1, 4, 4);
        check("fn a() { if x { } else if y { } else { } }", 1, 1, 3, 3);
        check("fn a() { match x { 1 => {}, 2 => {}, _ => {} } }", 1, 1, 3, 3);
        check("fn a() { for x in y { while z { loop { } } } }", 1, 3, 3, 3);
        check("fn a() { let Some(x) = y else { return }; }", 1, 0, 2, 2);
        check("fn a() { if x { fn b() { if y { } } } }", 2, 1, 4, 2);
        check("impl A { fn a(&self) { if x {} } } trait B { fn b(); fn c() {} }", 2, 1, 3, 2);
        check("const A: u8 = if X { 1 } else { 2 };", 0, 1, 0, 0);
        check("fn a() { m! { if x { if y { } } } }", 1, 0, 1, 1);
    }

    #[test]
    fn what_precedes_the_language_is_passed_over() {
        check("\u{feff}fn a() {}", 1, 0, 1, 1);
        check("#!/usr/bin/env run\nfn a() {}", 1, 0, 1, 1);
        check("#![allow(unused)]\nfn a() {}", 1, 0, 1, 1);
        assert_eq!(without_shebang("#!only"), "");
    }

    #[test]
    fn errors_have_lines() {
        for (text, line) in [("fn a() {\n", 2), ("fn a() {}\n\n}", 3), ("fn a() {}\nlet x = 1;", 2)] {
            match shape(text) {
                Err(Refused::Syntax { line: told, .. }) => {
                    assert!(told.abs_diff(line) <= 1, "{text:?}: {told}");
                }
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}
