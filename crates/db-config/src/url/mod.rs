//! Connection URLs: PostgreSQL's, Redis', and lists of replicas.

pub(crate) mod percent;
pub(crate) mod postgres;
pub(crate) mod redis;

use crate::error::Problem;
use crate::host::Address;
use crate::mask;
use crate::parse::{Part, invalid};
use crate::value::{ReplicaAddress, Value};

/// Parses the replicas of a list: URLs, or `host`, `host:port`.
///
/// # Errors
/// One problem or more for each item that is neither; items are named by their place, never by their text.
pub(crate) fn replicas(items: &[String]) -> Result<Vec<ReplicaAddress>, Vec<Problem>> {
    let mut replicas = Vec::new();
    let mut problems = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match replica(item) {
            Ok(more) => replicas.extend(more),
            Err(more) => problems.extend(more.into_iter().map(|mut problem| {
                problem.what = format!("replica {}: {}", at + 1, problem.what).into();
                problem
            })),
        }
    }
    if problems.is_empty() { Ok(replicas) } else { Err(problems) }
}

/// Splits at white space and commas, except at those between the hosts of one URL.
///
/// # Errors
/// When URLs stand beside bare hosts: such a host may be the rest of a password with a comma or a space in it.
pub(crate) fn split_list(text: &str) -> Result<Vec<String>, Vec<Problem>> {
    let items = split(text);
    if is_url(text) && !items.iter().all(|item| is_url(item)) {
        let fix = "write every one as a URL, and commas and spaces in a password as %2C and %20";
        return Err(vec![invalid("URLs and other words in one list", fix).value(mask::MASK)]);
    }
    Ok(items)
}

fn split(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        // Only inside one word may a comma belong to a URL, and only before its path.
        let mut open = false;
        for piece in word.split(',').filter(|piece| !piece.is_empty()) {
            match items.last_mut() {
                Some(last) if open && !is_url(piece) => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => items.push(piece.to_owned()),
            }
            open = (open || is_url(piece)) && !after_scheme(piece).contains(['/', '?']);
        }
    }
    items
}

fn after_scheme(text: &str) -> &str {
    text.split_once("://").map_or(text, |(_, rest)| rest)
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

fn replica(item: &str) -> Result<Vec<ReplicaAddress>, Vec<Problem>> {
    let parts = if is_url(item) {
        postgres::parse(item)?
    } else if item.contains(['@', '/', '=', '?']) && !item.starts_with('/') {
        let fix = "write postgres://user@host:port/database, or host:port";
        return Err(vec![invalid("neither a URL nor host:port", fix).value(mask::MASK)]);
    } else {
        let mut parts = Vec::new();
        postgres::hosts(item, &mut parts)?;
        parts
    };
    assemble(parts)
}

fn assemble(parts: Vec<Part>) -> Result<Vec<ReplicaAddress>, Vec<Problem>> {
    let (mut addresses, mut ports) = (Vec::new(), Vec::new());
    let (mut database, mut user, mut password) = (None, None, None);
    let mut problems = Vec::new();
    for part in parts {
        match (part.key.name, part.value) {
            ("database.host", Value::Addresses(found)) => addresses = found,
            ("database.port", Value::Ports(found)) => ports = found,
            ("database.name", Value::Text(found)) => database = Some(found),
            ("database.user", Value::Text(found)) => user = Some(found),
            ("database.password", Value::Secret(found)) => password = Some(found),
            (key, _) => {
                let what = format!("{key} holds for all servers");
                problems.push(invalid(what, "leave the parameter out and set the key once"));
            }
        }
    }
    if addresses.is_empty() {
        problems.push(invalid("names no host", "write postgres://host:port").value(mask::MASK));
    }
    if ports.len() > 1 && ports.len() != addresses.len() {
        problems.push(invalid("the ports do not match the hosts", "give one port, or one for each host"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(postgres::PORT);
    let each = |(at, address): (usize, Address)| ReplicaAddress {
        address,
        port: port(at),
        database: database.clone(),
        user: user.clone(),
        password: password.clone(),
    };
    Ok(addresses.into_iter().enumerate().map(each).collect())
}

#[cfg(test)]
mod tests {
    use super::{replicas, split_list};

    #[test]
    fn replicas_are_urls_or_hosts() {
        for (text, expected) in [
            (
                "postgres://u:hunter2@r1:5433,r2/app, postgresql://r3",
                "u:***@r1:5433/app u:***@r2:5432/app r3:5432",
            ),
            ("postgres://r1/a,postgres://r2?port=1", "r1:5432/a r2:1"),
            ("r1:6000, r2 r3,[::1]:1", "r1:6000 r2:5432 r3:5432 [::1]:1"),
        ] {
            let found = replicas(&split_list(text).unwrap()).unwrap();
            let shown: Vec<String> = found.iter().map(super::ReplicaAddress::shown).collect();
            assert_eq!(shown.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_may_be_the_rest_of_a_password_is_no_host() {
        for text in ["postgres://h?password=a,hunter2", "postgres://u:a hunter2@h", "hunter2,postgres://h"] {
            let problem = split_list(text).unwrap_err()[0].to_string();
            assert!(problem.starts_with("`***`: URLs and other words"), "{problem}");
        }
    }

    #[test]
    fn a_wrong_replica_is_named_by_its_place() {
        for item in ["u:hunter2@h", "postgres://", "postgres://h?sslmode=require", "h:port", "h:1:2"] {
            let problems = replicas(&["ok".to_owned(), item.to_owned()]).unwrap_err();
            let text = problems[0].to_string();
            assert!(text.contains("replica 2: ") && !text.contains("hunter2"), "{item}: {text}");
        }
    }
}
