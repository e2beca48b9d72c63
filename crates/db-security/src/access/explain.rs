//! What rules say of a request, and which of them have a say in it.

use crate::access::{
    Decision, Effect, Permission, Policy, Request, Subject, condition::condition_sql, policy::Bound,
};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// A decision with the rules that are about it, from [`Policy::explain`].
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// The rules of the subject's role for what is asked, in their own order; those that do not count at present among them.
    pub rules: Vec<RuleTold>,
}

/// A rule that is about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTold {
    /// Its name.
    pub rule: String,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Which of its permissions is asked for.
    pub permission: Permission,
    /// The table or function.
    pub resource: String,
    /// Its columns; `None` for all.
    pub columns: Option<BTreeSet<String>>,
    /// Which rows it is about, as SQL in which attributes are settings; `None` for all.
    pub rows: Option<String>,
    /// Whether it counts for these attributes at this time. A deny whose attributes are not known counts.
    pub counts: bool,
}

impl Policy {
    /// Decides a request, and says which rules are about it.
    #[must_use]
    pub fn explain(&self, subject: &Subject, request: &Request<'_>, now: DateTime<Utc>) -> Explanation {
        let mut rules = Vec::new();
        for bound in self.bound.iter().filter(|bound| bound.roles.contains(subject.role())) {
            self.tell_tables(bound, subject, request, now, &mut rules);
            self.tell_functions(bound, request, &mut rules);
        }
        Explanation { decision: self.decide(subject, request, now), rules }
    }

    fn tell_tables(
        &self,
        bound: &Bound,
        subject: &Subject,
        request: &Request<'_>,
        now: DateTime<Utc>,
        rules: &mut Vec<RuleTold>,
    ) {
        for (table, guard) in &bound.tables {
            let asked =
                request.permissions_on(|name| self.table(name).is_some_and(|at| self.governed[at] == *table));
            for permission in asked.into_iter().filter(|asked| bound.rule.permissions.contains(asked)) {
                rules.push(RuleTold {
                    rule: bound.rule.name.clone(),
                    effect: bound.rule.effect,
                    permission,
                    resource: table.to_string(),
                    columns: bound.rule.columns.clone(),
                    rows: guard.rows.as_ref().map(condition_sql),
                    counts: guard.counts(bound.rule.effect, subject, now),
                });
            }
        }
    }

    fn tell_functions(&self, bound: &Bound, request: &Request<'_>, rules: &mut Vec<RuleTold>) {
        let called = request.called().flat_map(|name| self.functions_named(name));
        for signature in called.filter(|signature| bound.functions.contains(signature)) {
            rules.push(RuleTold {
                rule: bound.rule.name.clone(),
                effect: bound.rule.effect,
                permission: Permission::Execute,
                resource: signature.clone(),
                columns: None,
                rows: None,
                counts: true,
            });
        }
    }
}
