//! `db migrate verify`: every way back is tried.

use crate::{expect, folder, migrate, write};
use db_testkit::empty_db;
use serde_json::json;

#[tokio::test]
async fn a_way_back_that_leaves_something_is_named_with_it() {
    empty_db(|fresh| async move {
        let folder = folder();
        let at = |arguments: &[&str]| migrate(fresh.url(), folder.path(), "m", arguments);
        write(folder.path(), "m/0001_a/up.sql", "CREATE TABLE a (id int, t text);");
        write(folder.path(), "m/0001_a/down.sql", "DROP TABLE a;");
        write(folder.path(), "m/0002_b/up.sql", "ALTER TABLE a DROP id;");
        write(folder.path(), "m/0002_b/down.sql", "ALTER TABLE a ADD id int;");
        expect(
            &at(&["verify"]),
            3,
            "unsafe  0002_b: the way back leaves a residue:\n    column public.a.id: after",
        );
        expect(&at(&["verify", "--ignore-column-order"]), 0, "2 migrations verified, 2 clean");
        expect(&at(&["status"]), 3, "pending  0001_a");

        write(folder.path(), "m/0003_c/up.sql", "CREATE INDEX a_t ON a (t);");
        write(folder.path(), "m/0003_c/meta.toml", "description = 'for good'");
        expect(&at(&["verify", "--ignore-column-order"]), 0, "note    0003_c: has no way back");
        expect(&at(&["verify", "--ignore-column-order", "--require-down"]), 3, "0003_c");
        let report = at(&["verify", "--json"]).json();
        assert_eq!(report["unsafe"], true);
        assert_eq!(report["irreversible"], json!(["0003_c"]));
        assert_eq!(report["migrations"][1]["verdict"]["kind"], "residue");

        write(folder.path(), "m/0003_c/up.sql", "CREATE INDEX a_t ON b (t);");
        expect(&at(&["verify"]), 1, "0003_c/up.sql:1");
    })
    .await;
}
