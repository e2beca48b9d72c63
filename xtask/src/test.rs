//! `test`: every test, against servers that are found or started.

use crate::{
    cargo,
    exit::{Exit, Failed},
    help, machine,
    metadata::Metadata,
};
use lexopt::{Arg, Parser};
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The servers, for the tests that need them.
const POSTGRES: &str = "DB_TEST_POSTGRES_URL";
const REDIS: &str = "DB_TEST_REDIS_URL";
/// Told to the second half of ourselves, which `db up` runs beside the servers.
const INSIDE: &str = "--inside";

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    servers: Servers,
    no_install: bool,
    runner: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Servers {
    /// Those that are named, else our own.
    #[default]
    Any,
    Native,
    Url,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runner {
    Nextest,
    CargoTest,
}

pub(crate) fn main(mut args: Parser) -> Result<Exit, Failed> {
    let mut raw = args.raw_args()?.peekable();
    if raw.next_if(|arg| arg == INSIDE).is_some() {
        return Err(machine::become_program(&mut beside_servers(raw.collect())?));
    }
    match parse(Parser::from_args(raw))? {
        None => Ok(help::show(help::TEST)),
        Some(options) => run(&options),
    }
}

/// `None` when help is asked for.
fn parse(mut args: Parser) -> Result<Option<Options>, Failed> {
    let mut options = Options::default();
    loop {
        // What stands behind `--` is not ours to understand.
        if args.try_raw_args().is_some_and(|raw| raw.peek().is_some_and(|next| next == "--")) {
            options.runner = args.raw_args()?.skip(1).collect();
            return Ok(Some(options));
        }
        match args.next()? {
            None => return Ok(Some(options)),
            Some(Arg::Short('h') | Arg::Long("help")) => return Ok(None),
            Some(Arg::Long("no-install")) => options.no_install = true,
            Some(Arg::Long("servers")) => {
                options.servers = match args.value()?.to_string_lossy().as_ref() {
                    "native" => Servers::Native,
                    "url" => Servers::Url,
                    other => {
                        return Err(Failed::usage(format!(
                            "--servers {other}: there are `native` and `url`"
                        )));
                    }
                }
            }
            Some(Arg::Value(value)) => {
                let value = value.to_string_lossy();
                return Err(Failed::usage(format!("{value}: what is for the runner stands behind --")));
            }
            Some(other) => return Err(other.unexpected().into()),
        }
    }
}

/// The doctests come first, as the runner's summary is the last word; cargo's own runner has them with it.
fn run(options: &Options) -> Result<Exit, Failed> {
    if options.servers == Servers::Url && env::var_os(POSTGRES).is_none() {
        return Err(Failed::usage(format!("--servers url, and {POSTGRES} is not set")));
    }
    // Known before anything is built: a build may put another program in our place.
    let ourselves = env::current_exe().map_err(Failed::at("cannot find this program"))?;
    let runner = runner(options)?;
    let doctests = if runner == Runner::Nextest && options.runner.is_empty() { run_doctests()? } else { 0 };
    let tests = run_tests(options, &ourselves, command_line(runner, &options.runner))?;
    if doctests != 0 {
        eprintln!("the doctests failed, see above");
    }
    Ok(if tests == Exit::Of(0) { Exit::Of(doctests) } else { tests })
}

fn run_doctests() -> Result<u8, Failed> {
    machine::status(&mut cargo::command(["test", "--doc", "--workspace", "--quiet", "--no-fail-fast"]))
}

fn run_tests(options: &Options, ourselves: &Path, tests: Vec<OsString>) -> Result<Exit, Failed> {
    if options.servers == Servers::Url {
        return machine::status(&mut beside_servers(tests)?).map(Exit::Of);
    }
    let mut up = Command::new(built_db()?);
    up.args(["up", "--ephemeral"]);
    if options.no_install {
        up.arg("--no-install");
    }
    if options.servers == Servers::Native {
        up.env_remove(POSTGRES).env_remove(REDIS);
    }
    up.arg("--").arg(ourselves).args(["test", INSIDE]).args(tests);
    machine::status(&mut up).map(Exit::Of)
}

/// Says what runs against which servers, and answers with the runner.
fn beside_servers(tests: Vec<OsString>) -> Result<Command, Failed> {
    let metadata = cargo::metadata()?;
    let named = |variable| env::var(variable).ok().map(|url| masked(&url));
    println!("{}", servers(&metadata, named(POSTGRES), named(REDIS)));
    Ok(cargo::command(tests))
}

/// cargo-nextest, obtained if need be; cargo's own where it may not be.
fn runner(options: &Options) -> Result<Runner, Failed> {
    const INSTALL: [&str; 3] = ["install", "--locked", "cargo-nextest"];
    if cargo::has("nextest") {
        return Ok(Runner::Nextest);
    }
    if options.no_install {
        eprintln!("cargo-nextest is missing and --no-install is given: `cargo test` runs the tests");
        return Ok(Runner::CargoTest);
    }
    if !machine::may_install("cargo-nextest, the test runner,", &format!("cargo {}", INSTALL.join(" "))) {
        eprintln!("`cargo test` runs the tests");
        return Ok(Runner::CargoTest);
    }
    match machine::status(&mut cargo::command(INSTALL))? {
        0 => Ok(Runner::Nextest),
        code => Err(Failed::new(format!("cargo {} ended with code {code}", INSTALL.join(" ")))),
    }
}

/// The runner's arguments for cargo. Whoever names packages does not mean the workspace.
fn command_line(runner: Runner, args: &[OsString]) -> Vec<OsString> {
    let mut line: Vec<OsString> = match runner {
        Runner::Nextest => vec!["nextest".into(), "run".into()],
        Runner::CargoTest => vec!["test".into()],
    };
    let names_packages = args.iter().any(|arg| {
        let arg = arg.to_string_lossy();
        arg.starts_with("-p") || arg.starts_with("--package")
    });
    if !names_packages {
        line.push("--workspace".into());
    }
    line.extend(args.iter().cloned());
    line
}

/// Builds the `db` command, and answers with where it is.
fn built_db() -> Result<PathBuf, Failed> {
    let arguments = [
        "build",
        "--quiet",
        "--package",
        "db-cli",
        "--bin",
        "db",
        "--message-format",
        "json-render-diagnostics",
    ];
    let output = cargo::command(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(Failed::at("cannot run cargo"))?;
    if !output.status.success() {
        return Err(Failed::new("the db command, which starts the servers, does not build"));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let built = said.lines().rev().find_map(executable);
    built.ok_or_else(|| Failed::new("cargo does not say where it has put the db command"))
}

/// The program that one of cargo's messages tells of.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message.get("executable")?.as_str().map(PathBuf::from)
}

/// One line: which suites run against which servers.
fn servers(metadata: &Metadata, postgres: Option<String>, redis: Option<String>) -> String {
    let users = |of: &[&str]| {
        let uses = |name: &str| of.contains(&name);
        let users: Vec<_> = metadata
            .members()
            .filter(|package| uses(&package.name) || package.dependencies.iter().any(|edge| uses(&edge.name)))
            .map(|package| package.name.as_str())
            .collect();
        if users.is_empty() { "no suite yet".to_owned() } else { users.join(", ") }
    };
    let postgres = postgres.unwrap_or_else(|| "one of each process's own".to_owned());
    let mut line = format!("PostgreSQL ({postgres}) serves the suites of {}", users(&["db-testkit"]));
    if let Some(redis) = redis {
        line += &format!("; Redis ({redis}) those of {}", users(&["redis", "deadpool-redis"]));
    }
    line + "; the others need no server"
}

/// A URL without its password; of its parameters, only the socket's folder is told.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => authority.to_owned(),
    };
    let socket = parameters.split('&').find(|parameter| parameter.starts_with("host="));
    let socket = socket.map(|socket| format!("?{socket}")).unwrap_or_default();
    format!("{scheme}://{authority}{path}{socket}")
}

#[cfg(test)]
mod tests {
    use super::{Options, Parser, Runner, Servers, command_line, executable, masked, parse, servers};
    use crate::{
        exit::Failed,
        metadata::{Dependency, Metadata, Package},
    };
    use std::path::PathBuf;

    fn parsed(args: &[&str]) -> Result<Option<Options>, Failed> {
        parse(Parser::from_args(args))
    }

    #[test]
    fn what_stands_behind_the_dashes_is_the_runners() {
        let options = parsed(&["--no-install", "--servers", "native", "--", "--help", "-p", "it"]);
        let expected = Options {
            servers: Servers::Native,
            no_install: true,
            runner: vec!["--help".into(), "-p".into(), "it".into()],
        };
        assert_eq!(options.expect("it is understood"), Some(expected));
        assert_eq!(parsed(&["--help"]).expect("it is understood"), None);
        for wrong in [&["--servers", "docker"][..], &["--servers"], &["it"], &["--release"]] {
            assert!(matches!(parsed(wrong), Err(Failed::Usage(_))), "{wrong:?}");
        }
    }

    #[test]
    fn named_packages_are_not_the_workspace() {
        let line = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(Into::into).collect();
            command_line(Runner::Nextest, &args).join(" ".as_ref()).into_string().expect("UTF-8")
        };
        assert_eq!(line(&[]), "nextest run --workspace");
        assert_eq!(line(&["cancel"]), "nextest run --workspace cancel");
        assert_eq!(line(&["-p", "it"]), "nextest run -p it");
    }

    #[test]
    fn the_built_program_is_found_in_cargos_messages() {
        let message = r#"{"reason":"compiler-artifact","executable":"/t/debug/db"}"#;
        assert_eq!(executable(message), Some(PathBuf::from("/t/debug/db")));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
    }

    #[test]
    fn a_password_is_not_printed() {
        for (url, shown) in [
            ("postgresql://me:pass%40@host:5432/db?password=x", "postgresql://me@host:5432/db"),
            ("postgresql://host/db", "postgresql://host/db"),
            ("postgresql:///db?password=x&host=/tmp/s", "postgresql:///db?host=/tmp/s"),
            ("redis://:secret@host", "redis://@host"),
            ("host=a password=b", "***"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn the_suites_of_each_server_are_named() {
        let uses = |of: &str| Dependency { name: of.into(), ..Dependency::default() };
        let package = |name: &str, of: &str| Package {
            name: name.into(),
            member: true,
            dependencies: vec![uses(of)],
            ..Package::default()
        };
        let packages = vec![package("db-pool", "db-testkit"), package("db-config", "toml")];
        let metadata = Metadata { packages, ..Metadata::default() };
        assert_eq!(
            servers(&metadata, Some("a".into()), Some("b".into())),
            "PostgreSQL (a) serves the suites of db-pool; Redis (b) those of no suite yet; the others need no server"
        );
    }
}
