//! Takes one migration through the rules.

use super::change::{Change, Constraint};
use super::ignore::{self, Extent, Ignore};
use super::layout::Layout;
use super::registry::{LOSSY_DOWN, LintRule, NO_DOWN, NOT_PARSED, RISK};
use super::rules::{RULES, Rule, opaque};
use super::site::{Held, Sight, Site, Transaction};
use super::squawk::{self, InTransaction, Said};
use super::squawk_table::{Known, Treatment};
use super::state::State;
use super::understand::understand;
use super::{Finding, Fix, LintOptions, Linted, Severity, lock, report};
use crate::migration::Script;
use crate::script::Segment;
use crate::{Migration, Risk};
use squawk_syntax::ast::{AstNode, Stmt};
use squawk_syntax::{Parse, SourceFile};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// The rules that are asked, and how.
#[derive(Debug)]
pub(crate) struct Examiner<'a> {
    pub(super) options: &'a LintOptions,
    version: u32,
    pub(super) rules: Vec<&'static Rule>,
    pub(super) squawk: Vec<&'static Known>,
}

/// A finding before it is known whether it is ignored.
struct Raw {
    rule: &'static str,
    stands_for: &'static [&'static str],
    severity: Severity,
    /// `None` where it is about the file.
    statement: Option<usize>,
    at: Range<usize>,
    message: String,
    help: Option<String>,
    fix: Option<Fix>,
}

/// What is gathered on the way through a script.
#[derive(Default)]
struct Pass {
    found: Vec<Raw>,
    /// What would be found, by rule and statement, where nobody knew how big the tables are: for comments only.
    would: HashSet<(&'static str, usize)>,
    transaction: Transaction,
    segment: Option<usize>,
    /// The database before what the file rolls back itself.
    before: Option<State>,
}

impl<'a> Examiner<'a> {
    pub(crate) fn new(options: &'a LintOptions, version: u32) -> Self {
        let rules = RULES.iter().copied().filter(|rule| options.asks(rule.name, rule.asked)).collect();
        Self { options, version, rules, squawk: squawk::asked(options) }
    }

    /// Does what a script does, and says nothing.
    pub(crate) fn pass(&self, script: &Script, state: &mut State) {
        if script.statements().is_empty() && script.len() > 0 {
            return state.apply(&CODE);
        }
        let layout = Layout::of(script);
        lasting(script, &layout).iter().for_each(|change| state.apply(change));
    }

    pub(crate) fn migration(&self, migration: &Migration, state: &mut State) -> Linted {
        let script = &migration.up;
        let layout = Layout::of(script);
        let (ignores, unclear) = ignore::find(script, &layout);
        let mut pass = Pass::default();
        if script.statements().is_empty() && script.len() > 0 {
            // What a program does, nobody can tell.
            state.apply(&CODE);
            if self.rules.iter().any(|rule| rule.name == opaque::NAME) {
                pass.found.push(code());
            }
        } else {
            self.statements(script, &layout, &ignores, state, &mut pass);
        }
        self.ways_back(migration, &mut pass);
        let finding = |raw: Raw| Finding {
            rule: raw.rule,
            severity: raw.severity,
            migration: migration.label().to_owned(),
            file: script.file.clone(),
            span: layout.span(&raw.at),
            message: raw.message,
            help: raw.help,
            fix: raw.fix,
        };
        let (kept, ignored) = sift(std::mem::take(&mut pass.found), &ignores, &mut pass.would);
        let found = report::risk(kept.iter().map(|raw| raw.severity).max());
        let is_opaque = kept.iter().any(|raw| raw.rule == opaque::NAME);
        let mut findings: Vec<Finding> = kept.into_iter().map(finding).collect();
        // Of what cannot be looked into, nobody knows better than its author.
        findings.extend(self.understated(migration, found, &ignores, &layout));
        findings.extend(self.comments(migration, &ignores, &unclear, &pass.would));
        findings.sort_by(|a, b| (a.span, b.severity, a.rule).cmp(&(b.span, a.severity, b.rule)));
        findings.dedup();
        Linted {
            label: migration.label().to_owned(),
            file: script.file.clone(),
            risk: if is_opaque { found.max(Risk::Medium) } else { found },
            declared: migration.risk(),
            findings,
            ignored,
        }
    }

    fn statements(
        &self,
        script: &Script,
        layout: &Layout,
        ignores: &[Ignore],
        state: &mut State,
        pass: &mut Pass,
    ) {
        let segments = script.segments(&BTreeSet::new()).segments;
        let transaction = match segments.as_slice() {
            [Segment::Together { .. } | Segment::Undone { .. }] => InTransaction::Yes,
            _ => InTransaction::No,
        };
        let parsed = SourceFile::parse(&layout.text);
        let broken = self.broken(&parsed, layout, pass);
        let mut said = squawk::ask(&self.squawk, self.version, transaction, &parsed, layout);
        for statement in parsed.tree().stmts() {
            let start = super::understand::range(statement.syntax()).start;
            let at = layout.statement_at(start);
            let segment = segments.iter().position(|segment| segment.range().contains(&at));
            if pass.segment != segment {
                (pass.segment, pass.transaction) = (segment, Transaction::default());
                if let Some(before) = pass.before.take() {
                    *state = before;
                }
                let undone = segment.is_some_and(|segment| segments[segment].is_undone());
                pass.before = undone.then(|| state.clone());
            }
            let alone = segment.is_some_and(|segment| matches!(segments[segment], Segment::Alone(_)));
            let here: Vec<Said> = take(&mut said, |said| layout.statement_at(said.at.start) == at);
            let changes = understand(&statement);
            here.into_iter().for_each(|said| self.take(said, at, &changes, state, pass));
            let doubted = ignores
                .iter()
                .any(|ignore| matches!(ignore.of, Extent::File) || ignore.of == Extent::Statement(at));
            for (change, range) in &changes {
                let site = Site {
                    state: &*state,
                    sight: Sight::Seeing,
                    options: self.options,
                    version: self.version,
                    transaction: &pass.transaction,
                    change,
                    at: range.clone(),
                    text: &layout.text[layout.statements[at].clone()],
                    statement: at,
                    statements: script.len(),
                    alone,
                };
                if doubted {
                    let site = Site { sight: Sight::Blind, ..site.clone() };
                    let fires = self.rules.iter().filter(|rule| (rule.check)(&site).is_some());
                    pass.would.extend(fires.map(|rule| (rule.name, at)));
                }
                pass.found.extend(self.rules.iter().filter_map(|rule| own(rule, &site)));
                pass.transaction.take(change, state, at);
                state.apply(change);
            }
            if broken.contains(&at) {
                state.apply(&Change::Anything);
            }
        }
        if let Some(before) = pass.before.take() {
            *state = before;
        }
        said.into_iter().for_each(|said| {
            let at = layout.statement_at(said.at.start);
            self.take(said, at, &[], state, pass);
        });
    }

    /// The statements that are not understood.
    fn broken(&self, parsed: &Parse<SourceFile>, layout: &Layout, pass: &mut Pass) -> BTreeSet<usize> {
        let mut broken = BTreeSet::new();
        for error in parsed.errors() {
            let at = layout.statement_at(error.range().start().into());
            if broken.insert(at) && self.options.asks(NOT_PARSED.name, NOT_PARSED.asked) {
                let message = format!(
                    "this is not understood ({}): only some rules were asked",
                    error.message().to_lowercase()
                );
                let range = layout.statements.get(at).cloned().unwrap_or_default();
                pass.found.push(Raw { statement: Some(at), at: range, ..about(&NOT_PARSED, message) });
            }
        }
        broken
    }

    fn take(
        &self,
        said: Said,
        at: usize,
        changes: &[(Change, Range<usize>)],
        state: &State,
        pass: &mut Pass,
    ) {
        pass.would.insert((said.rule.name, at));
        let severity = match said.rule.treatment {
            Treatment::Sized(severity) => {
                let table = changes.iter().find_map(|(change, _)| change.table());
                let weight = table.map(|table| super::options::by_size(state.size(table), self.options.big));
                match weight {
                    Some(None) => return,
                    Some(Some(weight)) => weight.min(severity),
                    None => severity,
                }
            }
            _ => said.severity,
        };
        pass.found.push(Raw {
            rule: said.rule.name,
            stands_for: &[],
            severity,
            statement: Some(at),
            at: said.at,
            message: said.message,
            help: said.help,
            fix: said.fix,
        });
    }

    fn ways_back(&self, migration: &Migration, pass: &mut Pass) {
        if migration.down.is_none() && self.options.asks(NO_DOWN.name, NO_DOWN.asked) {
            pass.found.push(about(&NO_DOWN, "there is no way back".to_owned()));
        }
        let Some(down) =
            migration.down.as_ref().filter(|_| self.options.asks(LOSSY_DOWN.name, LOSSY_DOWN.asked))
        else {
            return;
        };
        let layout = Layout::of(down);
        let lost: Vec<String> = lasting(down, &layout)
            .into_iter()
            .filter_map(|change| match change {
                Change::DropTable { table, .. } => Some(table.to_string()),
                Change::DropColumn { table, column, .. } => Some(format!("{table}.{column}")),
                _ => None,
            })
            .collect();
        if !lost.is_empty() {
            pass.found.push(about(&LOSSY_DOWN, format!("the way back loses what is in {}", lost.join(", "))));
        }
    }

    fn understated(
        &self,
        migration: &Migration,
        computed: Risk,
        ignores: &[Ignore],
        layout: &Layout,
    ) -> Option<Finding> {
        let declared = migration.risk().filter(|declared| *declared < computed)?;
        let ignored =
            |ignore: &Ignore| ignore.of == Extent::File && ignore.rules.iter().any(|rule| rule == RISK.name);
        if !self.options.asks(RISK.name, RISK.asked) || ignores.iter().any(ignored) {
            return None;
        }
        Some(Finding {
            rule: RISK.name,
            severity: RISK.severity,
            migration: migration.label().to_owned(),
            file: migration.up.file.clone(),
            span: layout.span(&(0..0)),
            message: format!("the risk is declared as {declared}, and the findings amount to {computed}"),
            help: Some(format!("say risk = \"{computed}\", or settle the findings")),
            fix: None,
        })
    }
}

impl Transaction {
    /// Remembers what a change does until the transaction ends; called before the state knows of it.
    fn take(&mut self, change: &Change, state: &State, statement: usize) {
        for (table, mode) in lock::locks(change, state) {
            let size = state.size(&table);
            self.locks.push(Held { table, mode, statement, size });
        }
        match change {
            Change::AddEnumValue { name, value, .. } => self.enum_values.push((name.clone(), value.clone())),
            Change::AddConstraint { table, constraint } if !constraint.valid => {
                let named = |constraint: &Constraint| {
                    constraint
                        .name
                        .clone()
                        .unwrap_or_else(|| super::alter::constraint_name(constraint, &table.name))
                };
                self.unvalidated.push((state.called(table), named(constraint)));
            }
            _ => {}
        }
    }
}

/// What a script does, but for what it rolls back itself.
fn lasting(script: &Script, layout: &Layout) -> Vec<Change> {
    let undone = script.rolled_back();
    let at = |statement: &Stmt| layout.statement_at(super::understand::range(statement.syntax()).start);
    let stays = |statement: &Stmt| undone.is_empty() || !undone.contains(&at(statement));
    let statements = SourceFile::parse(&layout.text).tree().stmts().filter(stays);
    statements.flat_map(|statement| understand(&statement)).map(|(change, _)| change).collect()
}

const CODE: Change = Change::Opaque("this program");

fn code() -> Raw {
    let rule = &opaque::RULE;
    Raw {
        rule: rule.name,
        stands_for: rule.stands_for,
        severity: rule.severity,
        statement: None,
        at: 0..0,
        message: opaque::message("this program"),
        help: None,
        fix: None,
    }
}

/// Those that a comment does not ignore, and how many it does.
fn sift(
    found: Vec<Raw>,
    ignores: &[Ignore],
    would: &mut HashSet<(&'static str, usize)>,
) -> (Vec<Raw>, usize) {
    let all = found.len();
    let is_ignored = |raw: &Raw| {
        ignores.iter().any(|ignore| {
            let here = ignore.of == Extent::File
                || raw.statement.is_some_and(|at| ignore.of == Extent::Statement(at));
            let named = |rule: &String| rule == raw.rule || raw.stands_for.contains(&rule.as_str());
            here && (ignore.rules.is_empty() || ignore.rules.iter().any(named))
        })
    };
    would.extend(found.iter().map(|raw| (raw.rule, raw.statement.unwrap_or_default())));
    let kept: Vec<Raw> = found.into_iter().filter(|raw| !is_ignored(raw)).collect();
    let ignored = all - kept.len();
    (kept, ignored)
}

fn own(rule: &'static Rule, site: &Site<'_>) -> Option<Raw> {
    let found = (rule.check)(site)?;
    Some(Raw {
        rule: rule.name,
        stands_for: rule.stands_for,
        severity: found.severity,
        statement: Some(site.statement),
        at: site.at.clone(),
        message: found.message,
        help: found.help,
        fix: None,
    })
}

fn about(rule: &LintRule, message: String) -> Raw {
    Raw {
        rule: rule.name,
        stands_for: &[],
        severity: rule.severity,
        statement: None,
        at: 0..0,
        message,
        help: (!rule.instead.is_empty()).then(|| rule.instead.to_owned()),
        fix: None,
    }
}

/// Takes those out that fit.
fn take<T>(from: &mut Vec<T>, fits: impl Fn(&T) -> bool) -> Vec<T> {
    let (taken, left) = std::mem::take(from).into_iter().partition(fits);
    *from = left;
    taken
}
