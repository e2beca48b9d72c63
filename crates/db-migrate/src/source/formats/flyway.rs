//! Files of Flyway: `V1.2__name.sql`, `U1.2__name.sql`, `R__name.sql`, `B1.2__name.sql` and callbacks, in the directory
//! and every folder below.
//!
//! As Flyway's `ResourceNameParser` and `MigrationVersion` read them, with its default prefixes. A name that it does not
//! understand is passed over there, since `validateMigrationNaming` is off by default.

use super::builder::{Blank, Builder, Keyed};
use super::flyway_name::{Name, Role, Version, parse};
use super::flyway_settings::{Settings, read};
use super::flyway_values::{Known, known};
use super::hook::Hook;
use super::name::meant;
use super::tree::{File, Tree};
use super::{Format, Note};
use crate::SourceProblem;
use crate::source::draft::{Draft, Kind, Text};
use std::collections::BTreeMap;

/// The files with what their placeholders stand for.
struct Project<'t> {
    tree: &'t Tree,
    known: Known,
}

/// A callback with its description, by which those of one event are ordered.
type Described = (String, Hook);

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let mut versioned = Vec::new();
    let mut repeatable = Vec::new();
    let mut undos = BTreeMap::new();
    let mut hooks: Vec<Described> = Vec::new();
    let project = Project { tree, known: known(tree, builder) };
    for file in &tree.files {
        let Some(name) = parse(file.name()) else {
            pass_over(file, builder);
            continue;
        };
        match &name.role {
            Role::Versioned(version) => {
                versioned.push(keyed((version.clone(), false), name.clone(), file, &project, builder));
            }
            Role::Baseline(version) => {
                versioned.push(keyed((version.clone(), true), name.clone(), file, &project, builder));
            }
            Role::Repeatable => repeatable.push(keyed(name.name.clone(), name, file, &project, builder)),
            Role::Undo(version) => take_undo(version.clone(), file, &mut undos, builder),
            Role::Callback(_) | Role::OtherCallback => hooks.extend(hook(&name, file, &project, builder)),
        }
    }
    give_undos(&mut versioned, undos, &project, builder);
    builder.order(versioned);
    builder.order(repeatable);
    let by = |(name, hook): &Described| (hook.when, name.clone(), hook.text.file.clone());
    hooks.sort_by_key(by);
    builder.contents.hooks = hooks.into_iter().map(|(_, hook)| hook).collect();
}

fn pass_over(file: &File, builder: &mut Builder<'_>) {
    match file.name().strip_suffix(".java").or_else(|| file.name().strip_suffix(".kt")) {
        Some(class) if parse(&format!("{class}.sql")).is_some_and(|name| !name.is_callback()) => {
            builder.problem(SourceProblem::InCode { file: file.path.clone() });
        }
        _ if meant(file.name()) => builder.ignored(&file.path),
        _ => {}
    }
}

fn keyed<K>(key: K, name: Name, file: &File, project: &Project<'_>, builder: &mut Builder<'_>) -> Keyed<K> {
    let settings = settings(file, project, builder);
    let (version, kind) = match name.role {
        Role::Repeatable => (format!("R__{}", name.raw), Kind::Repeatable),
        Role::Baseline(version) => (version.text, Kind::Baseline),
        Role::Versioned(version) | Role::Undo(version) => (version.text, Kind::Versioned),
        Role::Callback(_) | Role::OtherCallback => (String::new(), Kind::Versioned),
    };
    let draft = Draft {
        version,
        kind,
        name: name.name,
        label: file.path.strip_suffix(".sql").unwrap_or(&file.path).to_owned(),
        mode: settings.mode,
        single_by: "executeInTransaction=true out of its .conf",
        up: Some(text(file, settings, project, builder)),
        ..Draft::default()
    };
    Keyed { key, file: file.path.clone(), draft }
}

fn take_undo<'t>(
    version: Version,
    file: &'t File,
    undos: &mut BTreeMap<Version, &'t File>,
    builder: &mut Builder<'_>,
) {
    match undos.get(&version) {
        Some(first) => {
            let (first, second) = (first.path.clone(), file.path.clone());
            builder.problem(SourceProblem::Duplicate { first, second });
        }
        None => {
            undos.insert(version, file);
        }
    }
}

fn give_undos(
    versioned: &mut [Keyed<(Version, bool)>],
    mut undos: BTreeMap<Version, &File>,
    project: &Project<'_>,
    builder: &mut Builder<'_>,
) {
    for Keyed { key: (version, baseline), draft, .. } in versioned {
        if let Some(file) = (!*baseline).then(|| undos.remove(version)).flatten() {
            let settings = settings(file, project, builder);
            draft.down = Some(text(file, settings, project, builder));
        }
    }
    for file in undos.values() {
        builder.note(Note::new(&file.path, "it undoes a version that is not there, so it is never run"));
    }
}

fn hook(name: &Name, file: &File, project: &Project<'_>, builder: &mut Builder<'_>) -> Option<Described> {
    let Role::Callback(when) = name.role else {
        let text = "not run: of Flyway's callbacks only those before and after migrate, and before and after each \
                    migrate, have something that they can be called for";
        builder.note(Note::new(&file.path, text));
        return None;
    };
    let settings = settings(file, project, builder);
    let text = text(file, settings, project, builder);
    Some((name.name.clone(), Hook { when, text }))
}

fn settings(file: &File, project: &Project<'_>, builder: &mut Builder<'_>) -> Settings {
    let general = Settings { replaces: project.known.replaces, ..Settings::default() };
    let Some(conf) = project.tree.file(&format!("{}.conf", file.path)) else { return general };
    let Some(text) = builder.raw(conf) else { return general };
    let (settings, wrong) = read(text, general);
    for (line, reason) in wrong {
        builder.mark(&conf.path, line, reason);
    }
    settings
}

/// A blank script is one that does nothing, and is recorded all the same.
fn text(file: &File, settings: Settings, project: &Project<'_>, builder: &mut Builder<'_>) -> Text {
    if !settings.replaces {
        return builder.whole_as_it_is(file, Blank::Allowed);
    }
    let own = [("flyway:filename", file.name())];
    let known = project.known.values.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(own);
    builder.filled_wholly(file, &project.known.marks, &known.collect())
}

/// What only Flyway has among files that are named as refinery's are too.
pub(super) fn sure_sign(tree: &Tree) -> Option<String> {
    let versions: Vec<_> = tree.files.iter().filter_map(|file| Some((file, parse(file.name())?))).collect();
    versions.iter().find_map(|(file, name)| {
        let path = &file.path;
        Some(match &name.role {
            Role::Repeatable => format!("{path} is a repeatable migration of {}'s", Format::Flyway),
            Role::Baseline(_) => format!("{path} is a baseline of {}'s", Format::Flyway),
            Role::Callback(_) | Role::OtherCallback => {
                format!("{path} is a callback of {}'s", Format::Flyway)
            }
            Role::Versioned(version) if version.text.contains('.') => {
                format!("{path} has a version of several numbers")
            }
            Role::Undo(version) => {
                let undone = |other: &Name| matches!(&other.role, Role::Versioned(done) if done == version);
                let (of, _) = versions.iter().find(|(_, other)| undone(other))?;
                format!("{} is named like Flyway's, and {path} undoes it", of.path)
            }
            Role::Versioned(_) => {
                tree.file(&format!("{path}.conf"))?;
                format!("{path} has settings of its own in {path}.conf")
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_flyway_does() {
        check(
            Format::Flyway,
            &[
                ("V10__c.sql", "C"),
                ("sub/V2__b_b.sql", "\u{feff}B ${name} ${flyway:filename}"),
                ("V1_1__a.sql", "A"),
                ("V1_1__a.sql.conf", "executeInTransaction=false"),
                ("U1.01__back.sql", "U"),
                ("B2__base.sql", "S"),
                ("R__b_view.sql", "R2"),
                ("R__a_view.sql", "R1"),
                ("afterMigrate__z.sql", "H2"),
                ("beforeMigrate.sql", "H1"),
                ("a/afterMigrate__z.sql", "H4"),
                ("b/afterMigrate__a_b.sql", "H3"),
                ("z/afterMigrate.sql", "H0"),
                ("V7.sql", "N"),
                ("V7_1.sql", ""),
                ("V3__literal.sql", "${x}"),
                ("V3__literal.sql.conf", "placeholderReplacement=false"),
            ],
            &[
                r#"1.1|a|V1_1__a|V1_1__a.sql:1 "A"|U1.01__back.sql:1 "U"|None"#,
                concat!(
                    r#"2|b b|sub/V2__b_b|sub/V2__b_b.sql:1 "B value V2__b_b.sql" "#,
                    r#"from "\u{feff}B ${name} ${flyway:filename}"|-"#
                ),
                r#"2|base|B2__base|B2__base.sql:1 "S"|-|Baseline"#,
                r#"3|literal|V3__literal|V3__literal.sql:1 "${x}"|-"#,
                r#"7||V7|V7.sql:1 "N"|-"#,
                r#"7.1||V7_1|V7_1.sql:1 ""|-"#,
                r#"10|c|V10__c|V10__c.sql:1 "C"|-"#,
                r#"R__a_view|a view|R__a_view|R__a_view.sql:1 "R1"|-|Repeatable"#,
                r#"R__b_view|b view|R__b_view|R__b_view.sql:1 "R2"|-|Repeatable"#,
                r#"BeforeAll beforeMigrate.sql:1 "H1""#,
                r#"AfterAll z/afterMigrate.sql:1 "H0""#,
                r#"AfterAll b/afterMigrate__a_b.sql:1 "H3""#,
                r#"AfterAll a/afterMigrate__z.sql:1 "H4""#,
                r#"AfterAll afterMigrate__z.sql:1 "H2""#,
            ],
        );
    }

    #[test]
    fn says_what_is_wrong() {
        check(
            Format::Flyway,
            &[
                ("V1__a.sql", "\n-- ${who}\n${flyway:user}"),
                ("V1.0__b.sql", "B"),
                ("U3__c.sql", "C"),
                ("V2_d.sql", "D"),
                ("V4__e.java", ""),
                ("V5__f.sql", " "),
                ("V6__g.sql", "G"),
                ("V6__g.sql.conf", "\nexecuteInTransactions=false"),
                ("afterClean.sql", "A"),
                ("notes.sql", "N"),
            ],
            &[
                r#"1.0|b|V1.0__b|V1.0__b.sql:1 "B"|-"#,
                r#"5|f|V5__f|V5__f.sql:1 " "|-"#,
                r#"6|g|V6__g|V6__g.sql:1 "G"|-"#,
                "! V1__a.sql:2: ${who} has no value: set it with --set who=VALUE",
                "! V1__a.sql:3: ${flyway:user} has no value: set it with --set flyway:user=VALUE",
                "! V4__e.java is a migration in code: write it as SQL of the same version, or take it out and register it \
                 with the program that migrates",
                "! V6__g.sql.conf:2: unknown key \"executeInTransactions\", did you mean \"executeInTransaction\"?",
                "! V1.0__b.sql and V1__a.sql have the same number: give the newer one the next free number",
                "? V2_d.sql: ignored, as flyway does: its names are like V1.2__core_tables.sql",
                "? afterClean.sql: not run: of Flyway's callbacks only those before and after migrate, and before and after \
                 each migrate, have something that they can be called for",
                "? U3__c.sql: it undoes a version that is not there, so it is never run",
            ],
        );
    }
}
