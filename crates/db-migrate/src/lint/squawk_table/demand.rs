//! The rules of squawk's that squawk itself asks on demand only.

use super::Treatment::Off;
use super::{Known, known};
use crate::lint::Severity::Hint;
use squawk_linter::Rule;

/// Those for people who let no such change pass.
pub(super) const DEMAND: &[Known] = &[
    known(Rule::BanDropTrigger, "ban-drop-trigger", Off(Hint), "a trigger is dropped", "as squawk has it"),
    known(
        Rule::BanAlterGeneratedExpression,
        "ban-alter-generated-expression",
        Off(Hint),
        "SET EXPRESSION writes the table anew",
        "as squawk has it",
    ),
    known(Rule::BanDropIndex, "ban-drop-index", Off(Hint), "an index is dropped", "as squawk has it"),
    known(Rule::BanSetDefault, "ban-set-default", Off(Hint), "a default is set", "as squawk has it"),
    known(
        Rule::BanDisableTrigger,
        "ban-disable-trigger",
        Off(Hint),
        "a trigger is disabled",
        "as squawk has it",
    ),
    known(
        Rule::BanReplicaIdentity,
        "ban-replica-identity",
        Off(Hint),
        "the replica identity is changed",
        "as squawk has it",
    ),
    known(Rule::BanDropPolicy, "ban-drop-policy", Off(Hint), "a policy is dropped", "as squawk has it"),
    known(Rule::BanRevoke, "ban-revoke", Off(Hint), "a privilege is revoked", "as squawk has it"),
    known(
        Rule::BanReplaceViewFunction,
        "ban-replace-view-function",
        Off(Hint),
        "a view or a function is replaced",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterPolicyCondition,
        "ban-alter-policy-condition",
        Off(Hint),
        "a policy's condition is changed",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterPolicyRoles,
        "ban-alter-policy-roles",
        Off(Hint),
        "a policy's roles are changed",
        "as squawk has it",
    ),
    known(Rule::BanCreatePolicy, "ban-create-policy", Off(Hint), "a policy is made", "as squawk has it"),
    known(
        Rule::BanAlterFunctionOptions,
        "ban-alter-function-options",
        Off(Hint),
        "a function's options are changed",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterViewOptions,
        "ban-alter-view-options",
        Off(Hint),
        "a view's options are changed",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterRoleOptions,
        "ban-alter-role-options",
        Off(Hint),
        "a role's options are changed",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterDatabaseOptions,
        "ban-alter-database-options",
        Off(Hint),
        "the database's options are changed",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterRowLevelSecurity,
        "ban-alter-row-level-security",
        Off(Hint),
        "row level security is changed",
        "as squawk has it",
    ),
    known(
        Rule::BanNewWriteRestriction,
        "ban-new-write-restriction",
        Off(Hint),
        "writes are restricted that were free",
        "as squawk has it",
    ),
    known(
        Rule::BanAddEnumValue,
        "ban-add-enum-value",
        Off(Hint),
        "a value is added to an enum",
        "as squawk has it",
    ),
    known(
        Rule::BanAddCompositeAttribute,
        "ban-add-composite-attribute",
        Off(Hint),
        "an attribute is added to a composite type",
        "as squawk has it",
    ),
    known(Rule::BanAddColumn, "ban-add-column", Off(Hint), "a column is added", "as squawk has it"),
    known(
        Rule::BanDetachInheritance,
        "ban-detach-inheritance",
        Off(Hint),
        "a table is taken out of its inheritance",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterSequenceValues,
        "ban-alter-sequence-values",
        Off(Hint),
        "a sequence's values are changed",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterSystemOptions,
        "ban-alter-system-options",
        Off(Hint),
        "the server's options are changed",
        "as squawk has it",
    ),
    known(
        Rule::BanAlterExtension,
        "ban-alter-extension",
        Off(Hint),
        "an extension is changed",
        "as squawk has it",
    ),
];
