//! What speaks for a format: the names of files, marks in them, and what else the project uses.

use super::builder::without_mark;
use super::lines::lines;
use super::tree::{File, Tree};
use super::{Format, dbmate, diesel, flyway, flyway_name, golang_migrate, goose, name, refinery, sqlx};
use crate::{MigrationId, SourceProblem};
use std::collections::BTreeSet;

/// A format that fits, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) format: Format,
    /// How many files or folders it would read.
    pub(crate) files: usize,
    pub(crate) because: String,
}

/// Every format that fits; the ones that fit no worse than another are all there.
pub(crate) fn claims(tree: &Tree) -> Vec<Claim> {
    let mut claims = prisma(tree);
    claims.extend(folders(tree));
    let marked = marked(tree);
    claims.extend(numbered(tree, marked.iter().map(|claim| claim.files).sum()));
    claims.extend(marked);
    let at_root: Vec<_> = tree.at_root().collect();
    claims.extend(lettered(tree, &at_root));
    if claims.is_empty() {
        claims.extend(lettered(tree, &tree.files.iter().collect::<Vec<_>>()));
    }
    claims
}

fn claim(format: Format, files: usize, because: impl Into<String>) -> Claim {
    Claim { format, files, because: because.into() }
}

fn prisma(tree: &Tree) -> Vec<Claim> {
    let folders: Vec<_> = in_root_folders(tree, "migration.sql").collect();
    let because = folders.first().map(|first| format!("{first} has a migration.sql"));
    because.into_iter().map(|because| claim(Format::Prisma, folders.len(), because)).collect()
}

fn in_root_folders<'t>(tree: &'t Tree, file: &'t str) -> impl Iterator<Item = &'t str> {
    tree.root_folders().filter(move |folder| tree.file(&format!("{folder}/{file}")).is_some())
}

/// Ours and Diesel's are folders with an `up.sql`; the names of the folders and of a third file tell which.
fn folders(tree: &Tree) -> Vec<Claim> {
    let has = |folder: &str, file: &str| tree.file(&format!("{folder}/{file}")).is_some();
    let scripted = |folder: &str| has(folder, "up.sql") || has(folder, "down.sql");
    let all: Vec<_> = tree.root_folders().filter(|folder| scripted(folder) || short(folder)).collect();
    let ours = all.iter().find(|folder| has(folder, "meta.toml"));
    let ours = ours.map(|folder| format!("{folder} has a meta.toml"));
    let short =
        all.iter().find(|folder| short(folder)).map(|folder| format!("{folder} begins with four digits"));
    let diesels = diesels(tree, &all);
    let project = clue(tree, Format::Diesel);
    let count = all.len();
    let cairn = |because| claim(Format::Cairn, count, because);
    let diesel = |because| claim(Format::Diesel, count, because);
    match (ours, diesels, short, project) {
        (Some(ours), Some(diesels), _, _) => vec![cairn(ours), diesel(diesels)],
        (Some(ours), None, _, _) => vec![cairn(ours)],
        (None, Some(diesels), _, _) => vec![diesel(diesels)],
        (None, None, Some(short), Some(project)) => vec![cairn(short), diesel(project)],
        (None, None, Some(short), None) => vec![cairn(short)],
        (None, None, None, project) => {
            let numbered = all.iter().find(|folder| name::digits(&diesel::version(folder)).is_some());
            let because = |folder| format!("{folder} has an up.sql and begins with a number");
            numbered.map(|folder| diesel(project.unwrap_or_else(|| because(folder)))).into_iter().collect()
        }
    }
}

/// Named with four digits, as ours are.
fn short(folder: &str) -> bool {
    MigrationId::parse_folder(folder).is_some() && folder.find('_') == Some(4)
}

fn diesels(tree: &Tree, folders: &[&str]) -> Option<String> {
    folders.iter().find_map(|folder| {
        let head = folder.split('_').next().unwrap_or_default();
        if tree.file(&format!("{folder}/metadata.toml")).is_some() {
            return Some(format!("{folder} has a metadata.toml"));
        }
        let dated =
            name::digits(head).is_some_and(|(digits, rest)| digits.len() >= 8 || rest.starts_with('-'));
        dated.then(|| format!("{folder} begins with a date and has an up.sql"))
    })
}

fn marked(tree: &Tree) -> Vec<Claim> {
    let of = |format, mark, marked: fn(&File) -> bool| {
        let files: Vec<_> =
            tree.at_root().filter(|file| file.name().ends_with(".sql") && marked(file)).collect();
        let because = files.first().map(|first| format!("{} has the mark {mark}", first.path));
        because.map(|because| claim(format, files.len(), because))
    };
    let goose = of(Format::Goose, "-- +goose Up", goose::has_mark).or_else(|| {
        let in_code = |file: &&File| goose::parse(file.name()).is_some_and(|name| name.in_code);
        let files: Vec<_> = tree.at_root().filter(in_code).collect();
        let first = files.first()?;
        Some(claim(Format::Goose, files.len(), format!("{} is a migration in Go", first.path)))
    });
    goose.into_iter().chain(of(Format::Dbmate, "-- migrate:up", dbmate::has_mark)).collect()
}

/// Names that begin with a number: sqlx's or golang-migrate's, unless most have marks of another tool.
fn numbered(tree: &Tree, marked: usize) -> Vec<Claim> {
    let named = |file: &&File| {
        let parts = file.name().strip_suffix(".sql").and_then(name::digits);
        parts.is_some_and(|(_, rest)| rest.starts_with('_'))
    };
    let files: Vec<_> = tree.at_root().filter(named).collect();
    let Some(first) = files.first().filter(|_| marked * 2 < files.len()) else { return Vec::new() };
    let simple: Vec<_> = files.iter().filter(|file| golang_migrate::parse(file.name()).is_none()).collect();
    let go = clue(tree, Format::GolangMigrate);
    let first = files.iter().find(|file| golang_migrate::parse(file.name()).is_some()).unwrap_or(first);
    if let (Some(go), true) = (&go, simple.len() * 2 < files.len()) {
        return vec![claim(
            Format::GolangMigrate,
            files.len(),
            format!("{} is one of a pair, and {go}", first.path),
        )];
    }
    // golang-migrate passes over a file that is not one of a pair; sqlx would apply it.
    let versions: BTreeSet<_> = files
        .iter()
        .filter_map(|file| golang_migrate::parse(file.name()))
        .map(|(version, ..)| version)
        .collect();
    let outnumbered = rust(tree).is_none() && simple.len() < versions.len();
    let because = match simple.first().filter(|_| !outnumbered) {
        Some(simple) => Some(format!("{} is named by a number and is not one of a pair", simple.path)),
        None => files.iter().find(|file| sqlx::has_mark(file)).map_or_else(
            || rust(tree).map(|rust| format!("{} is one of a pair, and {rust}", first.path)),
            |marked| Some(format!("{} begins with {}", marked.path, sqlx::NO_TRANSACTION)),
        ),
    };
    let golang = || format!("{} is one of a pair, and nothing here is written in Rust", first.path);
    vec![match because {
        Some(because) => claim(Format::Sqlx, files.len(), because),
        None => claim(Format::GolangMigrate, files.len(), golang()),
    }]
}

/// Names that begin with a letter: Flyway's or refinery's.
fn lettered(tree: &Tree, among: &[&File]) -> Vec<Claim> {
    let named = |file: &&&File| {
        let script = flyway_name::parse(file.name()).is_some_and(|name| !name.is_callback());
        script || refinery::parse(file.name()).is_some()
    };
    let files: Vec<_> = among.iter().filter(named).collect();
    let Some(first) = files.first() else { return Vec::new() };
    let flyways = flyway::sure_sign(tree).or_else(|| clue(tree, Format::Flyway));
    let refinerys = refinery_sign(tree).or_else(|| clue(tree, Format::Refinery));
    let flyway = |because| claim(Format::Flyway, files.len(), because);
    let refinery = |because| claim(Format::Refinery, files.len(), because);
    match (flyways, refinerys, rust(tree)) {
        (Some(flyways), Some(refinerys), _) => vec![flyway(flyways), refinery(refinerys)],
        (Some(flyways), None, _) => vec![flyway(flyways)],
        (None, Some(refinerys), _) => vec![refinery(refinerys)],
        (None, None, Some(rust)) if among.iter().any(|file| refinery::parse(file.name()).is_some()) => {
            vec![refinery(format!("{} is named like refinery's, and {rust}", first.path))]
        }
        (None, None, _) => vec![flyway(format!("{} is named like Flyway's", first.path))],
    }
}

fn refinery_sign(tree: &Tree) -> Option<String> {
    let rust = |file: &&File| {
        refinery::parse(file.name()).is_some_and(|name| name.language == refinery::Language::Rust)
    };
    let migration = tree.files.iter().find(rust).map(|file| format!("{} is a migration in Rust", file.path));
    migration.or_else(|| tree.file("mod.rs").map(|_| "mod.rs makes a Rust module of the folder".to_owned()))
}

/// A file above, a word in it, and the format that it speaks for.
const CLUES: [(&str, &str, Format); 14] = [
    (".sqlx", "", Format::Sqlx),
    ("sqlx.toml", "", Format::Sqlx),
    ("Cargo.toml", "refinery", Format::Refinery),
    ("refinery.toml", "", Format::Refinery),
    ("Cargo.toml", "diesel", Format::Diesel),
    ("diesel.toml", "", Format::Diesel),
    ("go.mod", "golang-migrate/migrate", Format::GolangMigrate),
    ("pom.xml", "flyway", Format::Flyway),
    ("build.gradle", "flyway", Format::Flyway),
    ("build.gradle.kts", "flyway", Format::Flyway),
    ("build.sbt", "flyway", Format::Flyway),
    ("flyway.conf", "", Format::Flyway),
    ("flyway.toml", "", Format::Flyway),
    ("schema.prisma", "", Format::Prisma),
];

/// The files above that are looked at.
pub(crate) fn is_clue(name: &str) -> bool {
    name == "Cargo.toml" || CLUES.iter().any(|(file, ..)| *file == name)
}

fn clue(tree: &Tree, format: Format) -> Option<String> {
    tree.around.iter().find_map(|nearby| {
        let speaks = |(file, word, of): &&(&str, &str, Format)| {
            *of == format && *file == nearby.name && nearby.text.contains(word)
        };
        let (file, word, _) = CLUES.iter().find(speaks)?;
        Some(if word.is_empty() {
            format!("there is a {file} above")
        } else {
            format!("{file} above has {word}")
        })
    })
}

fn rust(tree: &Tree) -> Option<String> {
    let rust = |name: &str| matches!(name, ".sqlx" | "sqlx.toml" | "Cargo.toml");
    tree.around
        .iter()
        .find(|nearby| rust(&nearby.name))
        .map(|nearby| format!("there is a {} above", nearby.name))
}

/// A tool whose migrations look like those of a format and are none, or are no SQL.
pub(crate) fn other_tool(tree: &Tree) -> Option<SourceProblem> {
    let other = |tool, because: String, instead| SourceProblem::OtherTool { tool, because, instead };
    if tree.file("meta/_journal.json").is_some() {
        let instead = "say --format sqlx to apply its files by their numbers";
        return Some(other("drizzle", "meta/_journal.json".to_owned(), instead));
    }
    let says = |words: &str| {
        let sql = tree.at_root().filter(|file| file.name().ends_with(".sql"));
        let mut marks =
            sql.flat_map(|file| lines(file.text().unwrap_or_default()).map(move |line| (file, line)));
        let said = |text: &str| without_mark(text).replace([' ', '\t'], "").to_lowercase().starts_with(words);
        let (file, line) = marks.find(|(_, line)| said(line.text()))?;
        Some(format!("{} at {}:{}", without_mark(line.text()).trim(), file.path, line.number))
    };
    if let Some(because) = says("--liquibaseformattedsql") {
        let instead = "they have marks for each change that only it understands; split them into files";
        return Some(other("Liquibase", because, instead));
    }
    if let Some(because) = says("--+migrateup") {
        let instead = "write +goose for +migrate, which means the same, and they are goose's";
        return Some(other("sql-migrate", because, instead));
    }
    None
}
