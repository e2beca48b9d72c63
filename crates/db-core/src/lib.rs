//! What every Cairn crate shares: how an error may be retried, how a secret is held, and the seams between layers.
//!
//! The crate does no I/O and knows no driver, runtime, clock or environment, so anything may depend on it.
//!
//! ```
//! use db_core::{Finding, Recorder, Retry, Secret, Status, NO_RECORDER};
//! use std::time::Duration;
//!
//! // A secret is written out in exactly one way.
//! let password = Secret::new("hunter2");
//! assert_eq!(format!("{password:?} {password}"), "*** ***");
//! assert_eq!(password.expose(), "hunter2");
//!
//! // An error's class says who may retry it, and what must be made anew first.
//! assert_eq!(Retry::of_sqlstate("40001"), Retry::Transaction);
//! assert_eq!(Retry::of_sqlstate("57P01"), Retry::Reconnect);
//! assert_eq!(Retry::of_sqlstate("23505"), Retry::Never);
//!
//! // Measurements go to a recorder; the one that keeps nothing is the default.
//! NO_RECORDER.timing("db.client.operation.duration", &[("db.operation.name", "SELECT")], Duration::from_millis(3));
//!
//! // A probe answers with a finding; the worst one is the verdict.
//! let findings = [Finding::healthy("pool"), Finding::new("replica", Status::Degraded, "lag 12 s")];
//! assert_eq!(Status::worst(findings.iter().map(|finding| finding.status)), Status::Degraded);
//! ```

mod audit;
mod causes;
mod census;
mod key_value;
mod password;
mod probe;
mod pub_sub;
mod recorder;
mod retry;
mod secret;

pub use audit::{AuditFact, AuditOutcome, AuditSink, NoAudit};
pub use causes::with_causes;
pub use census::{Census, Share};
pub use key_value::{Expected, KeyValue, KeyValueError, KeyValueLimits, Put, Stored, Version};
pub use password::{BoxError, PasswordProvider};
pub use probe::{Finding, Probe, Status};
pub use pub_sub::{Heard, PubSub, PubSubError, PubSubLimits, Subscription};
pub use recorder::{Label, NO_RECORDER, NoRecorder, Recorder};
pub use retry::{Classify, Retry};
pub use secret::Secret;
