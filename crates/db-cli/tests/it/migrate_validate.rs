//! `db migrate validate --json`: the exit code that it prints is the one that it ends with.

use crate::{folder, run, write};

#[test]
fn the_printed_exit_code_is_the_real_one() {
    let folder = folder();
    write(folder.path(), "m/0001_a/up.sql", "SELECT 'never closed;");
    for arguments in [["--dir", "m"], ["--dir", "nowhere"]] {
        let answer = run(folder.path(), &[&["migrate", "validate", "--json"], &arguments[..]].concat());
        assert_eq!(answer.code, Some(3), "{answer:?}");
        assert_eq!(answer.json()["exit"], 3, "{answer:?}");
    }
}
