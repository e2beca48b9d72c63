//! A server that listens on TCP and that a test may set up as it likes.

use db_embedded::{Mode, Options, Postgres};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

pub(crate) struct OwnServer {
    server: Postgres,
    pub(crate) port: u16,
    folder: PathBuf,
    hba: PathBuf,
}

impl OwnServer {
    pub(crate) async fn start() -> Self {
        let server = Postgres::start(Options::new(Mode::Ephemeral).any_port())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let url = server.tcp_url().expect("a port was asked for").expose().to_owned();
        let port = url.rsplit_once("127.0.0.1:").and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        let mut own = Self {
            port: port.expect("a port in the URL"),
            server,
            folder: PathBuf::new(),
            hba: PathBuf::new(),
        };
        own.folder = own.ask("SHOW data_directory").await.into();
        own.hba = own.ask("SHOW hba_file").await.into();
        own
    }

    /// As its superuser, over its socket.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.server.url().expose()).await.expect("connected")
    }

    pub(crate) async fn run(&self, sql: &str) {
        let mut conn = self.connect().await;
        raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut conn)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        conn.close().await.expect("closed");
    }

    async fn ask(&self, sql: &'static str) -> String {
        let mut conn = self.connect().await;
        sqlx::query_scalar(sql).fetch_one(&mut conn).await.expect("answered")
    }

    /// Puts a file beside its data that it alone may read; answers with its path.
    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        let owner = fs::metadata(&self.folder).expect("there");
        chown(path, Some(owner.uid()), Some(owner.gid())).expect("its owner's");
    }

    /// Says who may come in and how, for those who come by TCP; over the socket the superuser still may.
    pub(crate) async fn admit(&self, lines: &str) {
        fs::write(&self.hba, format!("local all all trust\n{lines}\n")).expect("written");
        self.give(&self.hba);
        self.run("SELECT pg_reload_conf()").await;
        // What was wrong with the file would be ignored in silence.
        let wrong = self.ask("SELECT coalesce(string_agg(error, ', '), '') FROM pg_hba_file_rules").await;
        assert_eq!(wrong, "", "{lines}");
    }

    /// How many were refused for their password so far, by what the server has logged.
    pub(crate) fn refused_passwords(&self) -> usize {
        let log = self.folder.parent().expect("a folder").join("postgres.log");
        let told = fs::read(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        String::from_utf8_lossy(&told).matches("password authentication failed").count()
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}
