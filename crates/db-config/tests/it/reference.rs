//! The generated reference is the schema's.

use std::path::Path;

/// To make it anew: `UPDATE_REFERENCE=1 cargo nextest run -p db-config --all-features reference`.
#[test]
fn the_reference_is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let expected = db_config::reference();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/configuration.md is stale: run this test with UPDATE_REFERENCE=1");
}
