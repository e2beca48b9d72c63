//! `postgres://user:password@host:port,host:port/database?parameter=value`, as libpq reads it, but strict.
//!
//! Source: PostgreSQL documentation, "Connection URIs". What libpq leaves to chance (a second `@`, a `/` inside a
//! password) is refused, since there the rest of a password would pass for a host or a database. No problem found here
//! shows any part of the URL but a known parameter's name and a value that resembles one of its words.

use super::percent;
use crate::error::{Problem, ProblemKind};
use crate::host::Address;
use crate::parse::{self, Part, Raw, invalid};
use crate::span::Bare;
use crate::value::Value;
use crate::{hint, mask, schema};

/// PostgreSQL's port.
pub(crate) const PORT: u16 = 5432;

/// Query parameters and the keys behind them.
const PARAMETERS: [(&str, &str); 13] = [
    ("host", "database.host"),
    ("port", "database.port"),
    ("user", "database.user"),
    ("password", "database.password"),
    ("dbname", "database.name"),
    ("sslmode", "database.ssl_mode"),
    ("sslrootcert", "database.ssl_root_cert"),
    ("sslcert", "database.ssl_cert"),
    ("sslkey", "database.ssl_key"),
    ("application_name", "database.application_name"),
    ("connect_timeout", "database.connect_timeout"),
    ("target_session_attrs", "database.target_session_attrs"),
    ("options", "database.options"),
];

/// Names from other drivers' URLs that may be printed although they are unknown here.
const FOREIGN: [&str; 15] = [
    "pwd",
    "passwd",
    "pass",
    "ssl",
    "sslpassword",
    "schema",
    "connection_limit",
    "pool_timeout",
    "pgbouncer",
    "sslcompression",
    "keepalives",
    "channel_binding",
    "gssencmode",
    "statement_cache_capacity",
    "client_encoding",
];

/// Parses a whole URL into the keys that it names.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, Vec<Problem>> {
    let rest = after_scheme(text).map_err(|problem| vec![problem])?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let ambiguous = authority.matches('@').count() > 1 || tail.contains('@');
    if ambiguous {
        let fix = "percent-encode the user and the password: @ as %40, / as %2F, ? as %3F, : as %3A";
        return Err(vec![
            invalid("an @ too many, so the end of the password is unclear", fix).value(mask::MASK),
        ]);
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let mut parts = Vec::new();
    let mut problems = Vec::new();
    let (credentials, servers) = authority.rsplit_once('@').unwrap_or(("", authority));
    for found in [
        self::credentials(credentials, &mut parts),
        hosts(servers, &mut parts),
        database(path.trim_start_matches('/'), &mut parts),
        parameters(query, &mut parts),
    ] {
        problems.extend(found.err().into_iter().flatten());
    }
    problems.extend(repeated(&mut parts));
    if problems.is_empty() { Ok(parts) } else { Err(problems) }
}

fn after_scheme(text: &str) -> Result<&str, Problem> {
    let form = "write postgres://user:password@host:port/database";
    if text.contains(char::is_whitespace) || text.contains(char::is_control) {
        let problem = if text.contains('=') && !text.contains("://") {
            invalid("the keyword=value form, not a URL", form)
        } else {
            invalid("holds white space or control characters", "percent-encode them: a space is %20")
        };
        return Err(problem.value(mask::MASK));
    }
    match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
        Some(rest) => Ok(rest),
        None if text.starts_with("postgresql+") || text.starts_with("postgres+") => {
            Err(invalid("the scheme names a driver", "write postgresql:// alone").value(mask::MASK))
        }
        None if text.contains("://") => {
            Err(invalid("the scheme is neither postgres nor postgresql", form).value(mask::MASK))
        }
        None => Err(invalid("the scheme is missing", form).value(mask::MASK)),
    }
}

fn credentials(text: &str, parts: &mut Vec<Part>) -> Result<(), Vec<Problem>> {
    let (user, password) =
        text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let mut problems = Vec::new();
    for (key, part) in
        [("database.user", Some(user).filter(|user| !user.is_empty())), ("database.password", password)]
    {
        let Some(part) = part else { continue };
        match percent::decode(part) {
            Some(decoded) => match part_of(key, Bare::Refused, decoded) {
                Ok(more) => parts.extend(more),
                Err(more) => problems.extend(more),
            },
            None => problems.push(bad_escape(if key == "database.user" { "user" } else { "password" })),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Reads `host:port,host:port`; a missing port is PostgreSQL's, and implied when none is written.
pub(crate) fn hosts(text: &str, parts: &mut Vec<Part>) -> Result<(), Vec<Problem>> {
    if text.is_empty() {
        return Ok(());
    }
    let mut addresses = Vec::new();
    let mut ports = Vec::new();
    for (at, server) in text.split(',').enumerate() {
        let (name, port) = split_port(server);
        let name = percent::decode(name).and_then(|name| Address::parse(&name));
        let Some(address) = name else {
            let what = format!("host {} is not a host name", at + 1);
            return Err(vec![
                invalid(what, "check what stands between @ and /, and percent-encode").value(mask::MASK),
            ]);
        };
        match port.map(str::parse::<u16>) {
            None => ports.push(None),
            Some(Ok(port)) if port > 0 => ports.push(Some(port)),
            Some(_) => {
                let what = format!("the port of host {} is not a port", at + 1);
                let fix = "give 1 to 65535; if it is a password, the @host behind it is missing";
                return Err(vec![invalid(what, fix).value(mask::MASK)]);
            }
        }
        addresses.push(address);
    }
    parts.push(Part::new("database.host", Value::Addresses(addresses)));
    if ports.iter().all(Option::is_none) {
        parts.push(Part::implied("database.port", Value::Ports(vec![PORT])));
    } else {
        let ports = ports.into_iter().map(|port| port.unwrap_or(PORT)).collect();
        parts.push(Part::new("database.port", Value::Ports(ports)));
    }
    Ok(())
}

/// The last colon outside brackets separates the port.
fn split_port(server: &str) -> (&str, Option<&str>) {
    match server.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (server, None),
    }
}

fn database(text: &str, parts: &mut Vec<Part>) -> Result<(), Vec<Problem>> {
    if text.is_empty() {
        return Ok(());
    }
    if text.contains('/') {
        return Err(vec![
            invalid("a / in the database's name", "percent-encode it as %2F").value(mask::MASK),
        ]);
    }
    let decoded = percent::decode(text).ok_or_else(|| vec![bad_escape("database")])?;
    parts.extend(part_of("database.name", Bare::Refused, decoded)?);
    Ok(())
}

fn parameters(query: &str, parts: &mut Vec<Part>) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (at, pair) in query.split('&').enumerate().filter(|(_, pair)| !pair.is_empty()) {
        match parameter(at + 1, pair) {
            Ok(more) => parts.extend(more),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn parameter(place: usize, pair: &str) -> Result<Vec<Part>, Vec<Problem>> {
    let Some((name, value)) = pair.split_once('=') else {
        let fix = "write name=value, and & inside a value as %26";
        return Err(vec![invalid(format!("parameter {place} has no ="), fix).value(mask::MASK)]);
    };
    let known = PARAMETERS.iter().find(|(parameter, _)| *parameter == name);
    let Some((_, key)) = known else { return Err(vec![unknown(place, name)]) };
    let decoded = percent::decode(value).ok_or_else(|| vec![bad_escape(name)])?;
    // libpq counts the connect timeout in seconds.
    part_of(key, Bare::Seconds, decoded).map_err(|problems| {
        let named = |mut problem: Problem| {
            problem.what = format!("parameter {name}: {}", problem.what).into();
            problem
        };
        problems.into_iter().map(named).collect()
    })
}

/// The name is printed only when it resembles a known one: it may be a piece of a password.
fn unknown(place: usize, name: &str) -> Problem {
    let names = || PARAMETERS.iter().map(|(parameter, _)| *parameter);
    let near = hint::nearest(name, names());
    let shown = if near.is_some() || FOREIGN.contains(&name) { mask::shown(name) } else { place.to_string() };
    let near = match name {
        "ssl" => Some("sslmode"),
        "pwd" | "passwd" | "pass" => Some("password"),
        _ => near,
    };
    let fix = "leave it out; known are host, port, user, password, dbname, sslmode, sslrootcert, sslcert, sslkey, \
               application_name, connect_timeout, target_session_attrs and options";
    Problem::new(ProblemKind::Unknown, format!("unknown parameter {shown}"), fix).value(mask::MASK).hint(near)
}

fn part_of(key: &str, bare: Bare, text: String) -> Result<Vec<Part>, Vec<Problem>> {
    parse::parse(schema::key(key), bare, &Raw::Text(text))
}

fn bad_escape(place: &str) -> Problem {
    let fix = "write % itself as %25, and two hexadecimal digits behind every other %";
    invalid(format!("the {place} holds a % that is no valid escape"), fix).value(mask::MASK)
}

/// A key that the URL names twice must have one value; the implied one and the doubles are dropped.
fn repeated(parts: &mut Vec<Part>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut kept: Vec<Part> = Vec::new();
    for part in parts.drain(..) {
        match kept.iter_mut().find(|other| other.key.name == part.key.name) {
            None => kept.push(part),
            Some(other) if other.implied => *other = part,
            Some(other) if part.implied || other.value.agrees(&part.value) => {}
            Some(_) => {
                let what = format!("names {} twice, with two values", part.key.name);
                problems.push(Problem::new(ProblemKind::Conflict, what, "leave one out").value(mask::MASK));
            }
        }
    }
    *parts = kept;
    problems
}

#[cfg(test)]
mod tests;
