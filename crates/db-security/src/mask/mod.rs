//! Keeps personal data and secrets out of texts that are kept longer than they should be: logs, errors, what is shown.
//!
//! ```
//! use db_security::mask::Masker;
//!
//! let masker = Masker::new().tag("nickname");
//! assert_eq!(
//!     masker.text("ann@example.org could not reach postgres://app:hunter2@db/app"),
//!     "[email] could not reach postgres://app:***@db/app"
//! );
//! let mut values = serde_json::json!({"id": 7, "nickname": "annie", "api_key": "0815"});
//! masker.json(&mut values);
//! assert_eq!(values, serde_json::json!({"id": 7, "nickname": "***", "api_key": "***"}));
//! ```
//!
//! A mask is the second line: what is not written cannot be read. It finds what has a form (an address, a card's number, a token
//! with a prefix, a password in a URL) and what stands under a name that says what it is. It does not find a name in a sentence.

mod masker;
mod numbers;
mod patterns;
mod pem;
mod tags;
mod writer;

pub use masker::Masker;
pub use patterns::Pattern;
pub use writer::MaskedWriter;
