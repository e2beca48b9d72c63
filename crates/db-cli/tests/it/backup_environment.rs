//! What PostgreSQL's programs are told of how to connect: what the command's own sessions are.

use crate::{db, folder, write};
use db_testkit::empty_db;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Stands for PostgreSQL's programs: tells its environment, and fails.
const TOOL: &str = "#!/bin/sh\n\
    if [ \"$1\" = --version ]; then echo \"x (PostgreSQL) 99.0\"; exit; fi\n\
    env > \"$(dirname \"$0\")/environment\"; exit 1\n";

#[tokio::test]
async fn pg_dump_keeps_what_sessions_use() {
    empty_db(|fresh| async move {
        let folder = folder();
        for name in ["tools/pg_dump", "tools/pg_restore"] {
            write(folder.path(), name, TOOL);
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(folder.path().join(name), executable).expect("chmod");
        }
        let output = db(folder.path(), ["backup", "create", "--tools", "tools"])
            .env("DATABASE_URL", fresh.url())
            .env("PGPASSFILE", "/a/pass file")
            .env("PGOPTIONS", "-c work_mem=5MB")
            .env("PGSERVICE", "nobody's")
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = fs::read_to_string(folder.path().join("tools/environment")).expect("pg_dump was run");
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines.contains(&"PGPASSFILE=/a/pass file"), "{told}");
        assert!(lines.contains(&"PGOPTIONS=-c work_mem=5MB"), "{told}");
        assert!(!told.contains("PGSERVICE"), "what sessions do not use: {told}");
    })
    .await;
}
