//! How much a decision counts.

use crate::access::{Decision, Policy, Refusal, Request, Subject, TableRows};
use chrono::{DateTime, Utc};
use std::str::FromStr;

/// What is done with what rules say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// What they refuse is not done.
    #[default]
    Enforce,
    /// Everything is done, and what they would have refused is told.
    Observe,
    /// They are not asked.
    Off,
}

impl FromStr for Mode {
    type Err = UnknownMode;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "enforce" => Ok(Self::Enforce),
            "observe" => Ok(Self::Observe),
            "off" => Ok(Self::Off),
            other => Err(UnknownMode { word: other.to_owned() }),
        }
    }
}

/// A word that is no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no mode of access rules: enforce, observe or off")]
pub struct UnknownMode {
    /// The word.
    pub word: String,
}

/// What is to be done with a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is done, on these rows of the tables that are listed.
    Done(Vec<TableRows>),
    /// It is done as it is; this is what the rules say of it.
    Observed(Decision),
    /// It is not done.
    Refused(Box<Refusal>),
}

impl Mode {
    /// Decides a request in this mode. What rules refuse, or would refuse, is also an event of `tracing`, with role and
    /// names and never a value.
    #[must_use]
    pub fn ask(
        self,
        policy: &Policy,
        subject: &Subject,
        request: &Request<'_>,
        now: DateTime<Utc>,
    ) -> Verdict {
        if self == Self::Off {
            return Verdict::Done(Vec::new());
        }
        match (self, policy.decide(subject, request, now)) {
            (Self::Observe, Decision::Allowed(rows)) if rows.is_empty() => Verdict::Done(rows),
            (Self::Observe, decision) => {
                match &decision {
                    Decision::Refused(refusal) => {
                        tracing::warn!(role = subject.role(), %refusal, "access rules would refuse a statement");
                    }
                    Decision::Allowed(_) => {
                        tracing::info!(
                            role = subject.role(),
                            "access rules would keep a statement to some rows"
                        );
                    }
                }
                Verdict::Observed(decision)
            }
            (_, Decision::Allowed(rows)) => Verdict::Done(rows),
            (_, Decision::Refused(refusal)) => {
                tracing::warn!(role = subject.role(), %refusal, "access rules refuse a statement");
                Verdict::Refused(refusal)
            }
        }
    }
}
