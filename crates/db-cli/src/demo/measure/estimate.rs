//! Functions, nesting and branches of languages that are not parsed: words are counted, and blocks by braces or by
//! indentation. It says how files compare, not what a compiler would count.

use super::Shape;
use tokei::LanguageType;

const BRANCHES: [&str; 13] = [
    "if", "elif", "elsif", "elseif", "for", "foreach", "while", "until", "case", "when", "catch", "except",
    "rescue",
];
const FUNCTIONS: [&str; 8] = ["def", "func", "function", "fn", "sub", "fun", "proc", "defun"];
const COMMENTS: [&str; 6] = ["//", "#", "--", "*", "/*", ";"];

/// Whether a language has functions and branches that are worth an estimate; prose, data and markup have not.
pub(super) fn is_code(language: LanguageType) -> bool {
    use LanguageType as L;
    matches!(
        language,
        L::Rust
            | L::C
            | L::CHeader
            | L::Cpp
            | L::CppHeader
            | L::CSharp
            | L::Clojure
            | L::Dart
            | L::Elixir
            | L::Erlang
            | L::Go
            | L::Groovy
            | L::Haskell
            | L::Java
            | L::JavaScript
            | L::Jsx
            | L::Julia
            | L::Kotlin
            | L::Lua
            | L::ObjectiveC
            | L::OCaml
            | L::Perl
            | L::Php
            | L::PowerShell
            | L::Python
            | L::R
            | L::Ruby
            | L::Scala
            | L::Sh
            | L::Bash
            | L::Fish
            | L::Zsh
            | L::Sql
            | L::Swift
            | L::Tcl
            | L::Tsx
            | L::TypeScript
            | L::Vue
            | L::Zig
    )
}

pub(super) fn shape(text: &str) -> Shape {
    let mut shape = Shape::default();
    for line in text.lines().map(str::trim).filter(|line| !is_comment(line)) {
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
            if BRANCHES.contains(&word) {
                shape.complexity += 1;
            } else if FUNCTIONS.contains(&word) {
                shape.functions += 1;
            }
        }
        shape.complexity += count(line, "&&") + count(line, "||");
    }
    // As every function counts one in McCabe's measure.
    shape.complexity += shape.functions;
    shape.max_complexity = shape.complexity;
    shape.max_nesting = nesting(text);
    shape
}

fn is_comment(line: &str) -> bool {
    COMMENTS.iter().any(|mark| line.starts_with(mark))
}

fn count(line: &str, what: &str) -> u32 {
    u32::try_from(line.matches(what).count()).unwrap_or(u32::MAX)
}

/// Braces where the text has some on every tenth line, else indentation.
fn nesting(text: &str) -> u32 {
    let lines = text.lines().count();
    if text.matches('{').count() * 10 >= lines.max(1) { brace_depth(text) } else { indentation(text) }
}

fn brace_depth(text: &str) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0);
    for byte in text.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The deepest line in units of the narrowest indentation; a tab is a unit.
fn indentation(text: &str) -> u32 {
    let width = |line: &str| line.bytes().take_while(|&byte| byte == b' ').count();
    let filled = || text.lines().filter(|line| !line.trim().is_empty());
    let unit = filled().map(width).filter(|&width| width >= 2).min().unwrap_or(4);
    let depth = |line: &str| {
        let tabs = line.bytes().take_while(|&byte| byte == b'\t').count();
        tabs + width(line) / unit
    };
    u32::try_from(filled().map(depth).max().unwrap_or(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::shape;

    fn check(text: &str, functions: u32, nesting: u32, complexity: u32) {
        let shape = shape(text);
        assert_eq!(
            (shape.functions, shape.max_nesting, shape.complexity),
            (functions, nesting, complexity),
            "{text}"
        );
    }

    #[test]
    fn counts_words_and_blocks() {
        check("", 0, 0, 0);
        check("def a():\n    if b:\n        for c in d:\n            pass\n", 1, 3, 3);
        check("function a() {\n  if (b && c) {\n  }\n}\n", 1, 2, 3);
        check("# if it rains\n// for now\nprofile = 1\n", 0, 0, 0);
        check("\tif x\n\t\ty\n", 0, 2, 1);
    }
}
