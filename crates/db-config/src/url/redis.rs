//! `redis://` URLs: checked as far as masking needs, then handed on as they are.

use super::percent;
use crate::error::Problem;
use crate::host::Address;
use crate::mask;
use crate::parse::invalid;

/// The URL without its credentials, and whether its scheme demands TLS.
///
/// # Errors
/// When host, port or database cannot be told from a password; nothing of the URL is shown then.
pub(crate) fn masked(text: &str) -> Result<(String, bool), Problem> {
    let refused =
        |what: &str| Err(invalid(what, "write redis://user:password@host:port/number").value(mask::MASK));
    if text.contains(char::is_whitespace) || text.contains(char::is_control) {
        return refused("holds white space or control characters");
    }
    let Some((scheme, rest)) = text.split_once("://") else { return refused("the scheme is missing") };
    if scheme == "redis+unix" {
        // A socket in the file system: no host, and nowhere to put a password.
        return match Address::parse(rest) {
            Some(Address::Directory(path)) => Ok((format!("{scheme}://{}", path.display()), false)),
            _ => refused("redis+unix:// is followed by the absolute path of a socket and nothing else"),
        };
    }
    if !matches!(scheme, "redis" | "rediss") {
        return refused("the scheme is none of redis, rediss and redis+unix");
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.matches('@').count() > 1 || tail.contains('@') {
        return refused("an @ too many, so the end of the password is unclear: percent-encode it");
    }
    let (credentials, server) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if credentials.is_some_and(|credentials| percent::decode(credentials).is_none()) {
        return refused("the password holds a % that is no valid escape");
    }
    let Some(server) = server_of(server) else {
        return refused("names no host, or its port is not a port; is the @host behind a password missing?");
    };
    let database = tail.trim_start_matches('/');
    if !database.chars().all(|c| c.is_ascii_digit()) {
        return refused("the database is not a number, or there are parameters");
    }
    let credentials = if credentials.is_some() { format!("{}@", mask::MASK) } else { String::new() };
    let database = if database.is_empty() { String::new() } else { format!("/{database}") };
    Ok((format!("{scheme}://{credentials}{server}{database}"), scheme == "rediss"))
}

fn server_of(text: &str) -> Option<String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => {
            (name, port.parse::<u16>().ok().filter(|port| *port > 0)?)
        }
        _ => (text, 6379),
    };
    match Address::parse(name)? {
        Address::Name(name) if name.contains(':') => Some(format!("[{name}]:{port}")),
        Address::Name(name) => Some(format!("{name}:{port}")),
        Address::Directory(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn masks_or_refuses() {
        for (url, expected) in [
            ("redis://localhost:6379/0", Some("redis://localhost:6379/0")),
            ("redis://h", Some("redis://h:6379")),
            ("redis+unix:///tmp/r.sock", Some("redis+unix:///tmp/r.sock")),
            ("redis+unix://:hunter2@/tmp/r.sock", None),
            ("rediss://:hunter2@h:1/2", Some("rediss://***@h:1/2")),
            ("redis://u:hunter2@[::1]", Some("redis://***@[::1]:6379")),
            ("redis://u:hunter2", None),
            ("redis://u:hun@ter2@h", None),
            ("redis://u:1/hunter2@h", None),
            ("redis://u:%zz@h", None),
            ("redis://h/hunter2", None),
            ("redis://h?password=hunter2", None),
            ("u:hunter2@h", None),
            ("http://u:hunter2@h", None),
        ] {
            let found = masked(url);
            assert_eq!(found.as_ref().ok().map(|(text, _)| text.as_str()), expected, "{url}");
            assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        }
    }
}
