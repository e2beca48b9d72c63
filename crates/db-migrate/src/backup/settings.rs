//! What belongs to a database but is not in it: owner, privileges, settings, limits, comment.

use crate::Error;
use crate::scratch::execute;
use crate::shape::{literal, quoted};
use sqlx::{FromRow, PgConnection};

/// Their values are lists that are stored ready for SQL; everything else is stored as plain text.
const LISTS: [&str; 5] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Gives a database what another one has; `conn` may be in neither.
pub(super) async fn carry_over(conn: &mut PgConnection, from: &str, to: &str) -> Result<(), Error> {
    let statements = statements(conn, from, to).await?;
    for sql in statements {
        execute(conn, sql).await.map_err(Error::during(format!("give {to} the settings of {from}")))?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Base {
    owner: String,
    connection_limit: i32,
    comment: Option<String>,
    has_privileges: bool,
}

#[derive(FromRow)]
struct Setting {
    role: Option<String>,
    setting: String,
}

#[derive(FromRow)]
struct Grant {
    /// `None` for everybody.
    grantee: Option<String>,
    privilege: String,
    grantable: bool,
}

async fn statements(conn: &mut PgConnection, from: &str, to: &str) -> Result<Vec<String>, Error> {
    let during = || Error::during(format!("read the settings of {from}"));
    let base: Base = sqlx::query_as(
        "SELECT pg_get_userbyid(datdba)::text AS owner, datconnlimit AS connection_limit, \
                shobj_description(oid, 'pg_database') AS comment, datacl IS NOT NULL AS has_privileges \
         FROM pg_database WHERE datname = $1",
    )
    .bind(from)
    .fetch_one(&mut *conn)
    .await
    .map_err(during())?;
    let settings: Vec<Setting> = sqlx::query_as(
        "SELECT CASE WHEN setrole <> 0 THEN pg_get_userbyid(setrole)::text END AS role, setting \
         FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase, unnest(setconfig) AS setting \
         WHERE datname = $1",
    )
    .bind(from)
    .fetch_all(&mut *conn)
    .await
    .map_err(during())?;
    let grants: Vec<Grant> = sqlx::query_as(
        "SELECT CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee)::text END AS grantee, \
                privilege_type AS privilege, is_grantable AS grantable \
         FROM pg_database, aclexplode(datacl) WHERE datname = $1",
    )
    .bind(from)
    .fetch_all(conn)
    .await
    .map_err(during())?;

    let mut sql = vec![format!("ALTER DATABASE {} OWNER TO {}", quoted(to), quoted(&base.owner))];
    if base.has_privileges {
        let everybody = format!("PUBLIC, {}", quoted(&base.owner));
        sql.push(format!("REVOKE ALL ON DATABASE {} FROM {everybody}", quoted(to)));
        sql.extend(grants.iter().map(|grant| grant.sql(to)));
    }
    sql.extend(settings.iter().filter_map(|setting| setting.sql(to)));
    sql.extend(base.comment.map(|text| format!("COMMENT ON DATABASE {} IS {}", quoted(to), literal(&text))));
    // Last, since it may keep our own sessions out.
    sql.push(format!("ALTER DATABASE {} CONNECTION LIMIT {}", quoted(to), base.connection_limit));
    Ok(sql)
}

impl Grant {
    fn sql(&self, database: &str) -> String {
        let to = self.grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), quoted);
        let option = if self.grantable { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {} ON DATABASE {} TO {to}{option}", self.privilege, quoted(database))
    }
}

impl Setting {
    fn sql(&self, database: &str) -> Option<String> {
        let (name, value) = self.setting.split_once('=')?;
        let whose = match &self.role {
            Some(role) => format!("ROLE {} IN DATABASE {}", quoted(role), quoted(database)),
            None => format!("DATABASE {}", quoted(database)),
        };
        let value =
            if LISTS.contains(&name) && !value.is_empty() { value.to_owned() } else { literal(value) };
        Some(format!("ALTER {whose} SET {} TO {value}", parts_quoted(name)))
    }
}

/// A name such as `app.tenant` is quoted part by part.
fn parts_quoted(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::Setting;

    #[test]
    fn settings_are_written_as_they_were_stored() {
        let check = |role: Option<&str>, setting: &str, expected: &str| {
            let setting = Setting { role: role.map(str::to_owned), setting: setting.to_owned() };
            assert_eq!(setting.sql("d").as_deref(), Some(expected));
        };
        check(
            None,
            r#"search_path="$user", public"#,
            r#"ALTER DATABASE "d" SET "search_path" TO "$user", public"#,
        );
        check(None, "search_path=", r#"ALTER DATABASE "d" SET "search_path" TO E''"#);
        check(None, "app.motto=it's=so", r#"ALTER DATABASE "d" SET "app"."motto" TO E'it''s=so'"#);
        check(Some("R"), "work_mem=8MB", r#"ALTER ROLE "R" IN DATABASE "d" SET "work_mem" TO E'8MB'"#);
    }
}
