//! What a session says of whoever is asking: settings that the policies and triggers of a database read, and a role.

use crate::{
    Error, Lease, Reset,
    conn::PlansOf,
    run::{
        send::{Keep, fresh, judged, plans_of_today, send, within},
        statement::Statement,
    },
};
use sqlx::{Executor, SqlStr, raw_sql};
use std::fmt;

/// Settings of a session and the role that it acts as, for [`Pool::with_session`](crate::Pool::with_session).
///
/// A setting is called `cairn.` and a name of letters, digits and `_`, and holds any text, such as the actor and the
/// request of an audited change. In SQL it is `current_setting('cairn.actor', true)`, which is NULL or empty where nobody
/// has set it.
///
/// ```
/// use db_pool::SessionSettings;
///
/// # fn main() -> Result<(), db_pool::Error> {
/// let alice = SessionSettings::new().set("cairn.actor", "alice")?.set("cairn.request", "7f3a")?.role("clerk")?;
/// assert_eq!(format!("{alice:?}"), r#"SessionSettings { names: ["cairn.actor", "cairn.request"], role: Some("clerk") }"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionSettings {
    given: Vec<Setting>,
    role: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
struct Setting {
    name: String,
    value: String,
}

/// What every name begins with, so that no setting of the server or of another extension can be named.
const PREFIX: &str = "cairn.";

/// Bytes of a name that the server keeps apart from others.
const MAX_NAME: usize = 63;

/// The most settings of one session.
const MAX_SETTINGS: usize = 32;

/// The most bytes of one value.
const MAX_VALUE: usize = 1 << 20;

impl SessionSettings {
    /// No setting, and the role that the pool logs in as.
    #[must_use]
    pub const fn new() -> Self {
        Self { given: Vec::new(), role: None }
    }

    /// Gives a setting its value, in place of the one that it was given before. Letters of the name are made small, as the
    /// server takes either for the same.
    ///
    /// # Errors
    /// [`Error::Setting`] when the name is not `cairn.` followed by names of ASCII letters, digits and `_`, with dots in
    /// between, each beginning with a letter or `_`, at most 63 bytes in all; when the value holds a NUL, which no text of
    /// the server can, or more than 1 MiB; when there are 32 settings already.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Result<Self, Error> {
        let name = parse_name(name)?;
        let value = value.into();
        if let Some(reason) = unfit(&value, MAX_VALUE, "its value is longer than 1 MiB") {
            return Err(Error::Setting { name, reason });
        }
        if let Some(before) = self.given.iter_mut().find(|setting| setting.name == name) {
            before.value = value;
        } else if self.given.len() < MAX_SETTINGS {
            self.given.push(Setting { name, value });
        } else {
            return Err(Error::Setting { name, reason: "a session holds at most 32 settings" });
        }
        Ok(self)
    }

    /// The role to act as, spelled as in `pg_roles`; the pool's login must be a member of it.
    ///
    /// # Errors
    /// [`Error::Setting`] for what no role is called: an empty name, one of more than 63 bytes or with a NUL, and `none`,
    /// which would mean the login itself.
    pub fn role(mut self, role: impl Into<String>) -> Result<Self, Error> {
        let role = role.into();
        let refused = unfit(&role, MAX_NAME, "no role has a name of more than 63 bytes").or_else(|| {
            (role.is_empty() || role == "none")
                .then_some("no role is called so; leave it out to act as the login")
        });
        if let Some(reason) = refused {
            return Err(Error::Setting { name: ROLE.to_owned(), reason });
        }
        self.role = Some(role);
        Ok(self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.role.is_none()
    }

    /// Names and values in the order in which they are set: the role last, since it might not be allowed to set the others.
    fn pairs(&self) -> (Vec<&str>, Vec<&str>) {
        let settings = self.given.iter().map(|setting| (&*setting.name, &*setting.value));
        settings.chain(self.role.iter().map(|role| (ROLE, &**role))).unzip()
    }
}

impl fmt::Debug for SessionSettings {
    /// The values may be personal, so they are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.given.iter().map(|setting| &setting.name).collect();
        f.debug_struct("SessionSettings").field("names", &names).field("role", &self.role).finish()
    }
}

/// What PostgreSQL calls the setting that `SET ROLE` changes.
const ROLE: &str = "role";

fn parse_name(name: &str) -> Result<String, Error> {
    let small = name.to_ascii_lowercase();
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let rest = small.strip_prefix(PREFIX);
    if name.len() <= MAX_NAME && rest.is_some_and(|rest| rest.split('.').all(is_part)) {
        return Ok(small);
    }
    let shown = name.chars().take(MAX_NAME).collect();
    Err(Error::Setting {
        name: shown,
        reason: "a name is cairn. and letters, digits and _, at most 63 bytes",
    })
}

/// Why a text cannot be sent.
fn unfit(text: &str, most: usize, too_long: &'static str) -> Option<&'static str> {
    if text.contains('\0') {
        return Some("its value holds a NUL");
    }
    (text.len() > most).then_some(too_long)
}

/// All of them or none: one statement, whose only texts are parameters. It sets nothing in a session that is not the one
/// which was greeted, and counts what it has set.
const SET: &str = "SELECT pg_catalog.count(pg_catalog.set_config(given.name, given.value, $3)) \
    FROM unnest($1::text[], $2::text[]) AS given (name, value) \
    WHERE $4::int4 IS NULL OR pg_catalog.pg_backend_pid() = $4";

/// How long settings hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Until the session is reset; in the session of this server process, and in no other.
    Session { backend: i32 },
    /// To the end of the transaction that is open.
    Transaction,
}

/// Puts the settings into the lease's session, and sees to it that it is reset however the lease ends. Not where the pool
/// never resets.
///
/// # Cancel safety
/// Cut, the session is reset before it is lent again, as it is after every such lease.
pub(crate) async fn dress(lease: &mut Lease, settings: &SessionSettings) -> Result<(), Error> {
    // A server that did not know the greeting would not know the reset.
    let Some(identity) = lease.held().conn().identity else { return Err(Error::SharedSession) };
    let role = settings.role.as_deref();
    if !plans_serve(lease, role) {
        forget_plans(lease, role).await?;
    }
    // Before anything is sent, so that no future that is dropped leaves half of it to the next user.
    lease.mark();
    apply(lease, settings, Scope::Session { backend: identity.pid }).await
}

/// Puts the settings into the transaction that is open; its end takes them away. What whoever works in it has set for longer
/// goes with the reset after the lease: a function may do that unseen, and the next to have the session may be another.
///
/// # Cancel safety
/// Cut, the transaction must be rolled back.
pub(crate) async fn dress_transaction(lease: &mut Lease, settings: &SessionSettings) -> Result<(), Error> {
    let role = settings.role.as_deref();
    // Behind a pooler, nobody knows for whom the session of this transaction has planned what.
    let is_shared = lease.held().shared().config.reset == Reset::Never;
    if !plans_serve(lease, role) || is_shared && role.is_some() {
        forget_plans(lease, role).await?;
    }
    lease.mark();
    apply(lease, settings, Scope::Transaction).await
}

/// Whether what the session has planned so far may serve this role, or with `None` the login. From here on its plans are
/// that role's, if they may.
pub(crate) fn plans_serve(lease: &mut Lease, role: Option<&str>) -> bool {
    let conn = lease.conn_mut();
    match (&conn.plans_of, role) {
        (PlansOf::Nobody, role) => {
            conn.plans_of = PlansOf::of(role);
            true
        }
        (PlansOf::Login, None) => true,
        (PlansOf::Role(before), Some(role)) => **before == *role,
        _ => false,
    }
}

/// Has the session forget what it has planned; what it has prepared stays.
///
/// # Cancel safety
/// Cut, the plans count as those of whoever had them, and the next one has them forgotten.
pub(crate) async fn forget_plans(lease: &mut Lease, role: Option<&str>) -> Result<(), Error> {
    const FORGET: &str = "DISCARD PLANS";
    let forgotten = within(lease, FORGET, async |lease| {
        match lease.vouched().execute(raw_sql(SqlStr::from_static(FORGET))).await {
            Ok(_) => Ok(()),
            Err(error) => Err(judged(lease, error).await),
        }
    });
    forgotten.await.map_err(|error| Error::of_statement(FORGET, error))?;
    lease.conn_mut().plans_of = PlansOf::of(role);
    Ok(())
}

async fn apply(lease: &mut Lease, settings: &SessionSettings, scope: Scope) -> Result<(), Error> {
    let (names, values) = settings.pairs();
    let expected = names.len();
    let backend = match scope {
        Scope::Session { backend } => Some(backend),
        Scope::Transaction => None,
    };
    let query = sqlx::query(SqlStr::from_static(SET));
    let query = query.bind(names).bind(values).bind(scope == Scope::Transaction).bind(backend);
    // Behind a pooler, the session of this transaction may not know what was prepared in that of the last.
    let query = query.persistent(lease.held().shared().config.reset != Reset::Never);
    let set = within(lease, "SELECT set_config", async |lease| {
        let mut statement = Statement::of(query)?;
        let answer = match scope {
            Scope::Session { .. } => fresh(lease, &mut statement, Keep::First).await?,
            Scope::Transaction => {
                plans_of_today(lease).await?;
                match send(lease.vouched(), &mut statement, Keep::First).await {
                    Ok(answer) => answer,
                    Err(error) => return Err(judged(lease, error).await),
                }
            }
        };
        sqlx::Row::try_get::<i64, _>(&answer.first.ok_or(sqlx::Error::RowNotFound)?, 0)
    });
    let set = set.await.map_err(|error| refused(settings, error))?;
    if usize::try_from(set) == Ok(expected) {
        return Ok(());
    }
    // Some other session has answered, and nothing was set in it; what the pool knows of this one is void.
    lease.discard_on_return();
    Err(Error::SharedSession)
}

/// Names the role where it is what the server refuses: 42501, the login is no member; 22023, there is none.
fn refused(settings: &SessionSettings, error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    match (&settings.role, code) {
        (Some(role), Some(sqlstate)) if matches!(&*sqlstate, "42501" | "22023") => {
            Error::Role { role: role.clone(), sqlstate, source: error }
        }
        _ => Error::of_statement("SELECT set_config", error),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_SETTINGS, MAX_VALUE, SessionSettings};
    use crate::Error;

    #[test]
    fn a_name_is_one_of_ours() {
        for (name, fits) in [
            ("cairn.subject", true),
            ("Cairn.Subject", true),
            ("cairn._a.b2", true),
            ("cairn", false),
            ("cairn.", false),
            ("cairn.a.", false),
            ("cairn..a", false),
            ("cairn.2a", false),
            ("cairn.a-b", false),
            ("cairn.a b", false),
            ("cairn.a'", false),
            ("cairn.ä", false),
            ("cairn.a\0", false),
            ("search_path", false),
            ("role", false),
            ("other.subject", false),
            ("cairn.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            let given = SessionSettings::new().set(name, "v");
            assert_eq!(given.is_ok(), fits, "{name:?}");
            assert!(fits || matches!(given, Err(Error::Setting { .. })), "{name:?}");
        }
    }

    #[test]
    fn a_role_is_one_that_can_be() {
        for role in ["", "none", "a\0b", &"r".repeat(64)] {
            let refused = SessionSettings::new().role(role);
            assert!(matches!(refused, Err(Error::Setting { .. })), "{role:?}");
        }
        assert!(SessionSettings::new().role("None").is_ok(), "a role may be called so");
    }

    #[test]
    fn what_no_text_can_hold_is_refused_unsaid() {
        for value in ["a\0secret".to_owned(), "s".repeat(MAX_VALUE + 1)] {
            let error = SessionSettings::new().set("cairn.a", value).expect_err("it cannot be sent");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_last_value_counts_and_the_role_comes_last() {
        let settings = || -> Result<SessionSettings, Error> {
            let settings = SessionSettings::new().role("clerk")?.set("cairn.b", "1")?.set("cairn.a", "2")?;
            settings.set("CAIRN.B", "3")
        };
        let settings = settings().expect("they fit");
        assert_eq!(settings.pairs(), (vec!["cairn.b", "cairn.a", "role"], vec!["3", "2", "clerk"]));
        assert!(!format!("{settings:?}").contains('3'), "{settings:?}");
    }

    #[test]
    fn there_are_not_too_many() {
        let full = (0..MAX_SETTINGS)
            .try_fold(SessionSettings::new(), |settings, n| settings.set(&format!("cairn.s{n}"), "v"));
        let full = full.expect("they fit");
        assert!(full.clone().set("cairn.s0", "again").is_ok());
        assert!(matches!(full.set("cairn.more", "v"), Err(Error::Setting { .. })));
    }
}
