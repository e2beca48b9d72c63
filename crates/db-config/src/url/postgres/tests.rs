//! The URL forms that work, and that no refused one shows what it holds.

use super::parse;

/// Keys and values, an implied one in brackets, the password exposed.
fn read(text: &str) -> Result<String, String> {
    let parts =
        parse(text).map_err(|problems| problems.iter().map(ToString::to_string).collect::<String>())?;
    let shown = parts.iter().map(|part| {
        let value = match &part.value {
            crate::value::Value::Secret(secret) => secret.expose().to_owned(),
            value => value.shown(),
        };
        let name = part.key.name.trim_start_matches("database.");
        if part.implied { format!("[{name}={value}]") } else { format!("{name}={value}") }
    });
    Ok(shown.collect::<Vec<_>>().join(" "))
}

#[test]
fn reads_what_libpq_reads() {
    for (url, expected) in [
        ("postgres://", ""),
        ("postgresql://h", "host=h [port=5432]"),
        ("postgres://u@h/app", "user=u host=h [port=5432] name=app"),
        ("postgres://u:p@h:1/app", "user=u password=p host=h port=1 name=app"),
        ("postgres://u:a:b#c@h:1", "user=u password=a:b#c host=h port=1"),
        ("postgres://u:p%40s%2Fs%25@h:1", "user=u password=p@s/s% host=h port=1"),
        ("postgres://u:@h:1", "user=u password= host=h port=1"),
        ("postgres://h1:1,h2:2/app", "host=h1,h2 port=1,2 name=app"),
        ("postgres://h1,h2:2", "host=h1,h2 port=5432,2"),
        ("postgres://[::1]:6000/app", "host=::1 port=6000 name=app"),
        ("postgres://[::1]", "host=::1 [port=5432]"),
        ("postgres://%2Ftmp:6000/app", "host=/tmp port=6000 name=app"),
        ("postgres:///app?host=/var/run/postgresql", "name=app host=/var/run/postgresql"),
        ("postgres:///?user=u&password=p%26q&dbname=app&port=6000", "user=u password=p&q name=app port=6000"),
        (
            "postgres://h?port=6000&sslmode=verify-full&sslrootcert=/ca.pem",
            "host=h port=6000 ssl_mode=verify-full ssl_root_cert=/ca.pem",
        ),
        (
            "postgres://h:1?application_name=a%20b&connect_timeout=10&target_session_attrs=read-write",
            "host=h port=1 application_name=a b connect_timeout=10s target_session_attrs=read-write",
        ),
        ("postgres://h:1/?options=-c%20a%3D5", "host=h port=1 options=-c a=5"),
        ("postgres://h:1/app?dbname=app", "host=h port=1 name=app"),
    ] {
        assert_eq!(read(url).as_deref(), Ok(expected), "{url}");
    }
}

#[test]
fn refuses_the_rest_and_shows_none_of_it() {
    for (url, expected) in [
        ("postgres://u:hunter@2hunter@h", "an @ too many"),
        ("postgres://u:12/hunter2@h/app", "an @ too many"),
        ("postgres://u:hunter2?x@h/app", "an @ too many"),
        ("postgres://u:hunter2", "the @host behind it is missing"),
        ("postgres://u:p@hunter2 /app", "white space"),
        ("postgres://u:hunter%2@h", "the password holds a %"),
        ("postgres://u:hunter2%", "not a port"),
        ("postgres://hunter%zz@h", "the user holds a %"),
        ("u:hunter2@h/app", "the scheme is missing"),
        ("mysql://u:hunter2@h", "neither postgres nor postgresql"),
        ("postgresql+asyncpg://u:hunter2@h", "names a driver"),
        ("host=h password=hunter2", "keyword=value"),
        ("postgres://h?pwd=hunter2", "did you mean password?"),
        ("postgres://h?sslpassword=hunter2", "unknown parameter sslpassword"),
        ("postgres://h?hunter2=x", "unknown parameter 1"),
        ("postgres://h?password=a&hunter2", "parameter 2 has no ="),
        ("postgres://h?sslmod=require", "did you mean sslmode?"),
        ("postgres://h?sslmode=hunter2", "parameter sslmode: unknown word"),
        ("postgres://h?target_session_attrs=readwrite", "did you mean read-write?"),
        ("postgres://h/app/hunter2", "a / in the database"),
        ("postgres://h:0", "not a port"),
        ("postgres://u:hunter2@h?password=hunter3", "twice"),
        ("postgres://h1?host=h2", "names database.host twice"),
        ("postgres://h1,,h2", "host 2 is not a host name"),
    ] {
        let error = read(url).expect_err(url);
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("hunter"), "{url}: {error}");
    }
}

#[test]
fn finds_all_problems_at_once() {
    let error = read("postgres://u:%@h:x/a%?sslmode=no&nothing").unwrap_err();
    for part in
        ["the password holds", "port of host 1", "the database holds", "parameter sslmode", "parameter 2"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
}
