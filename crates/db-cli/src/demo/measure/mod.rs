//! Measures one file: lines by language for all, functions and complexity for Rust by its grammar, for others by estimate.

mod estimate;
mod rust;
mod structure;

use db_model::AnalysisMethod;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    borrow::Cow,
    fmt::Write,
    fs::File,
    io::{self, Read},
    path::Path,
};
use tokei::{Config, LanguageType};

/// Rust files above this are estimated: a syntax tree takes up to sixty times the memory of its text.
const LARGEST_PARSED: u64 = 1 << 20;
/// Smaller files are parsed sooner than they are hashed and looked up.
const LEAST_HASHED: usize = 16 << 10;
/// What is looked at to tell text from binary.
const SNIFFED: usize = 8 << 10;

/// What was measured in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Measures {
    /// The language, where it is known.
    pub language: Option<Cow<'static, str>>,
    /// All lines.
    pub lines: usize,
    /// Lines with code.
    pub code: usize,
    /// Lines with comments only.
    pub comments: usize,
    /// Empty lines.
    pub blanks: usize,
    /// What the functions are like.
    pub shape: Shape,
    /// How the shape was found.
    pub method: Method,
    /// Why a better method did not serve.
    pub note: Option<String>,
}

/// Functions, nesting and branches of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Shape {
    /// Functions with a body.
    pub functions: u32,
    /// Deepest nesting of blocks that branch or loop.
    pub max_nesting: u32,
    /// Sum of the functions' cyclomatic complexity.
    pub complexity: u32,
    /// That of the most complex function; of the whole file where functions are not told apart.
    pub max_complexity: u32,
}

/// How a file was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Method {
    /// By its grammar.
    Syn,
    /// By keywords and indentation.
    Estimate,
    /// Lines only.
    #[default]
    Text,
    /// Size only.
    Binary,
}

impl From<Method> for AnalysisMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Syn => Self::Syn,
            Method::Estimate => Self::Estimate,
            Method::Text => Self::Text,
            Method::Binary => Self::Binary,
        }
    }
}

/// Why a file has no measures.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    /// It is larger than what is read.
    #[error("has {size} bytes, more than the {limit} that are read; raise --max-file-size")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// It is no valid source of its language.
    #[error("is no valid {language}: line {line}: {reason}")]
    Syntax {
        /// The language.
        language: &'static str,
        /// The line, from 1.
        line: usize,
        /// The parser's reason.
        reason: String,
    },
}

/// Reads and measures a file of at most `limit` bytes. It may keep a processor busy, and needs a large stack.
///
/// # Errors
/// A [`MeasureError`] when the file cannot be read or parsed.
pub fn measure(path: &Path, limit: u64) -> Result<Measures, MeasureError> {
    Source::read(path, limit)?.measure()
}

/// A file as it was read.
#[derive(Debug)]
pub struct Source {
    language: Option<LanguageType>,
    bytes: Vec<u8>,
}

impl Source {
    /// Reads a file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`MeasureError::Read`] and [`MeasureError::TooLarge`].
    pub fn read(path: &Path, limit: u64) -> Result<Self, MeasureError> {
        let bytes = read(path, limit)?;
        Ok(Self { language: LanguageType::from_path(path, &Config::default()), bytes })
    }

    /// What its measures depend on, besides this program: its language and a hash of what is in it. `None` where it is
    /// measured as quickly as it is hashed.
    #[must_use]
    pub fn digest(&self) -> Option<(&'static str, String)> {
        let language = self.language?;
        let is_parsed = language == LanguageType::Rust || estimate::is_code(language);
        if !is_parsed || self.bytes.len() < LEAST_HASHED {
            return None;
        }
        let hash = Sha256::digest(&self.bytes);
        let hex = hash.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Some((language.name(), hex))
    }

    /// Measures it. It may keep a processor busy, and needs a large stack.
    ///
    /// # Errors
    /// [`MeasureError::Syntax`].
    pub fn measure(&self) -> Result<Measures, MeasureError> {
        measured(&self.bytes, self.language)
    }
}

fn measured(bytes: &[u8], language: Option<LanguageType>) -> Result<Measures, MeasureError> {
    if bytes.iter().take(SNIFFED).any(|&byte| byte == 0) {
        return Ok(Measures { method: Method::Binary, ..Measures::default() });
    }
    let Some(language) = language else {
        let (lines, blanks) = count_lines(bytes);
        return Ok(Measures { lines, code: lines - blanks, blanks, ..Measures::default() });
    };
    let stats = language.parse_from_slice(bytes, &Config::default()).summarise();
    let measures = Measures {
        language: Some(Cow::Borrowed(language.name())),
        lines: stats.lines(),
        code: stats.code,
        comments: stats.comments,
        blanks: stats.blanks,
        ..Measures::default()
    };
    let text = String::from_utf8_lossy(bytes);
    match language {
        LanguageType::Rust => rust_shape(measures, &text),
        language if estimate::is_code(language) => {
            Ok(Measures { shape: estimate::shape(&text), method: Method::Estimate, ..measures })
        }
        _ => Ok(measures),
    }
}

fn rust_shape(measures: Measures, text: &str) -> Result<Measures, MeasureError> {
    let estimated = |note: String| Measures {
        shape: estimate::shape(text),
        method: Method::Estimate,
        note: Some(note),
        ..measures.clone()
    };
    if text.len() as u64 > LARGEST_PARSED {
        return Ok(estimated(format!("larger than {LARGEST_PARSED} bytes, so not parsed")));
    }
    match rust::shape(text) {
        Ok(shape) => Ok(Measures { shape, method: Method::Syn, ..measures }),
        Err(rust::Refused::Involved(note)) => Ok(estimated(note.to_owned())),
        Err(rust::Refused::Syntax { line, reason }) => {
            Err(MeasureError::Syntax { language: "Rust", line, reason })
        }
    }
}

/// Reads no more than the limit, whatever the file's size was said to be.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, MeasureError> {
    let file = File::open(path).map_err(MeasureError::Read)?;
    let size = file.metadata().map_err(MeasureError::Read)?.len();
    if size > limit {
        return Err(MeasureError::TooLarge { size, limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(limit + 1).read_to_end(&mut bytes).map_err(MeasureError::Read)?;
    let size = bytes.len() as u64;
    if size > limit { Err(MeasureError::TooLarge { size, limit }) } else { Ok(bytes) }
}

fn count_lines(bytes: &[u8]) -> (usize, usize) {
    let mut lines = bytes.split(|&byte| byte == b'\n').collect::<Vec<_>>();
    // What ends in a line break has no line after it.
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let blanks = lines.iter().filter(|line| line.iter().all(u8::is_ascii_whitespace)).count();
    (lines.len(), blanks)
}

#[cfg(test)]
mod tests {
    use super::{MeasureError, Measures, Method, Source, count_lines, measure};
    use std::fs;

    fn check(name: &str, content: &[u8]) -> Result<Measures, MeasureError> {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join(name);
        fs::write(&path, content).expect("written");
        measure(&path, 1_000)
    }

    #[test]
    fn each_kind_of_file_has_its_method() {
        for (name, content, method, language, lines) in [
            ("a.rs", "fn a() {\n    // why\n}\n", Method::Syn, Some("Rust"), 3),
            ("a.py", "def a():\n    pass\n", Method::Estimate, Some("Python"), 2),
            ("a.md", "# Title\n\ntext\n", Method::Text, Some("Markdown"), 3),
            ("a.unknown", "one\n\ntwo", Method::Text, None, 3),
            ("a.bin", "\0\u{1}", Method::Binary, None, 0),
            ("empty", "", Method::Text, None, 0),
        ] {
            let measures = check(name, content.as_bytes()).expect(name);
            assert_eq!(
                (measures.method, measures.language.as_deref(), measures.lines),
                (method, language, lines),
                "{name}"
            );
        }
    }

    #[test]
    fn what_takes_long_is_known_by_its_content_and_language() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let digest = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).expect("written");
            Source::read(&path, 1 << 20).expect("read").digest()
        };
        let long = "fn a() {}\n".repeat(2_000);
        let first = digest("a.rs", &long);
        assert!(first.as_ref().is_some_and(|(language, hash)| *language == "Rust" && hash.len() == 64));
        assert_eq!(digest("b.rs", &long), first);
        assert_ne!(digest("a.c", &long), first);
        assert_ne!(digest("c.rs", &format!("{long} ")), first);
        assert_eq!(
            (digest("d.rs", "fn a() {}\n"), digest("a.md", &long), digest("unknown", &long)),
            (None, None, None)
        );
    }

    #[test]
    fn broken_rust_is_told_with_its_line() {
        let error = check("a.rs", b"fn a() {}\nfn b( {}\n").expect_err("broken");
        assert!(matches!(error, MeasureError::Syntax { line: 2, .. }), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert!(matches!(
            check("a.rs", &[b' '; 2_000]),
            Err(MeasureError::TooLarge { size: 2_000, limit: 1_000 })
        ));
        assert!(matches!(measure("/nowhere".as_ref(), 10), Err(MeasureError::Read(_))));
        assert!(matches!(measure("/".as_ref(), 1 << 20), Err(MeasureError::Read(_))));
    }

    #[test]
    fn lines_are_counted_as_editors_do() {
        for (text, expected) in
            [("", (0, 0)), ("a", (1, 0)), ("a\n", (1, 0)), ("a\n\nb\n", (3, 1)), ("\n", (1, 1))]
        {
            assert_eq!(count_lines(text.as_bytes()), expected, "{text:?}");
        }
    }
}
