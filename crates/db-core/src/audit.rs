//! The seam through which a crate tells that something was done, or was not allowed, by whom and to what.

/// Takes facts for an audit log. Whoever decides calls it on the hot path; the log's writer implements it.
///
/// It returns at once: it neither blocks nor waits nor fails, and an implementation that has no room drops the fact and
/// counts the drop. What must be on record before the work counts is recorded in the work's own transaction instead.
pub trait AuditSink: Send + Sync {
    /// Takes one fact; what it borrows is copied or dropped before this returns.
    fn note(&self, fact: &AuditFact<'_>);
}

/// Something that was done, or was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditFact<'a> {
    /// What, in words with dots: `access.refused`.
    pub action: &'a str,
    /// What kind of thing it was done to: `table`.
    pub entity_type: &'a str,
    /// Which one: `public.tasks`.
    pub entity_id: &'a str,
    /// Who did it, by whatever name the program has for them.
    pub actor: &'a str,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// A few further words, by name: never a value of a row or of a parameter.
    pub details: &'a [(&'static str, &'a str)],
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditOutcome {
    /// It was done.
    Success,
    /// It was tried and failed.
    Failure,
    /// It was not allowed.
    Denied,
}

/// Keeps nothing; what is used until somebody audits.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudit;

impl AuditSink for NoAudit {
    fn note(&self, _fact: &AuditFact<'_>) {}
}
