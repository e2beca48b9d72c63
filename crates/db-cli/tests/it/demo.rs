//! The main job on small trees of every awkward kind.

use crate::{Answer, db, folder, run, write};
use db_embedded::{Mode, Options, Redis};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
};

fn counts(report: &Value) -> (Value, Value, Value, Value) {
    let field = |name: &str| report[name].clone();
    (field("files"), field("analysed"), field("unchanged"), field("packages"))
}

fn demo(folder: &Path, arguments: &[&str]) -> Answer {
    let all: Vec<&str> = ["demo", "tree", "--json"].into_iter().chain(arguments.iter().copied()).collect();
    run(folder, &all)
}

#[test]
fn an_awkward_tree_is_measured_all_the_same() {
    let folder = folder();
    let root = folder.path().join("tree");
    write(&root, "good/src/lib.rs", "fn a() { if true {} }\n");
    write(&root, "good/README.md", "# Good\n");
    write(&root, "bad/broken.rs", "fn a( {\n");
    write(&root, "bad/deep.rs", format!("fn a() {{ {} }}", "!".repeat(200_000)));
    write(&root, "bad/binary", [0_u8, 1, 2]);
    fs::write(root.join(OsStr::from_bytes(b"bad/caf\xe9.py")), "def a():\n    pass\n").expect("written");
    File::create(root.join("bad/huge.rs")).and_then(|file| file.set_len(100 << 20)).expect("a hole");
    symlink(&root, root.join("good/loop")).expect("linked");
    symlink("nowhere", root.join("good/dangling")).expect("linked");

    let first = demo(folder.path(), &[]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let report = first.json();
    assert_eq!(counts(&report), (json!(7), json!(7), json!(0), json!(2)), "{report}");
    assert_eq!(
        report["tasks"],
        json!({ "cancelled": 0, "completed": 7, "failed": 2, "in_progress": 0, "pending": 0 })
    );
    let failures = report["failures"].as_array().expect("a list");
    let reason = |task: &str| {
        let failed = failures.iter().find(|failed| failed["task"] == task);
        failed.map(|failed| failed["reason"].to_string()).unwrap_or_default()
    };
    assert!(reason("bad/broken.rs").contains("line 1"), "{failures:?}");
    assert!(reason("bad/huge.rs").contains("--max-file-size"), "{failures:?}");
    assert_eq!(report["health"]["status"], "healthy");
    let audit = &report["audit"];
    // The table that is audited from now on, the begin, five measured files, the end.
    assert_eq!((&audit["events"], &audit["verified"]), (&json!(8), &json!(8)), "{audit}");
    assert_eq!((&audit["flaws"], &audit["is_proved"]), (&json!(0), &json!(true)), "{audit}");
    let noted =
        run(folder.path(), &["audit", "search", "--entity", "code_analysis", "--actor", "db demo", "--json"]);
    assert!(noted.stdout.contains("good/src/lib.rs"), "{noted:?}");
    assert!(report["pool"]["acquires"].as_u64() > Some(0));
    assert!(report["tasks_per_second"].as_f64() > Some(0.0));
    assert!(
        report["top"]
            .as_array()
            .is_some_and(|top| top.iter().any(|file| file["file_path"] == "good/src/lib.rs"))
    );

    let second = demo(folder.path(), &[]).json();
    assert_eq!(counts(&second), (json!(7), json!(0), json!(7), json!(2)), "{second}");

    write(&root, "good/src/lib.rs", "fn a() { if true {} } fn b() {}\n");
    fs::remove_file(root.join("bad/binary")).expect("removed");
    let third = demo(folder.path(), &[]).json();
    assert_eq!(counts(&third), (json!(6), json!(1), json!(5), json!(2)), "{third}");

    let fresh = demo(folder.path(), &["--fresh"]).json();
    assert_eq!(counts(&fresh), (json!(6), json!(6), json!(0), json!(2)), "{fresh}");
}

#[test]
fn a_workspace_is_done_in_the_order_of_its_packages() {
    let folder = folder();
    let root = folder.path().join("tree");
    let package =
        |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{rest}");
    write(&root, "Cargo.toml", "[workspace]\nmembers = [\"base\", \"top\"]\nresolver = \"3\"\n");
    write(&root, "base/Cargo.toml", package("base", ""));
    write(&root, "base/src/lib.rs", "pub fn a() {}\n");
    write(&root, "top/Cargo.toml", package("top", "[dependencies]\nbase = { path = \"../base\" }\n"));
    write(&root, "top/src/lib.rs", "pub fn b() {}\n");
    let report = demo(folder.path(), &["--workers", "1"]).json();
    assert_eq!(counts(&report), (json!(5), json!(5), json!(0), json!(3)), "{report}");
    assert_eq!(report["tasks"]["completed"], 8, "{report}");
    // A change in the base is a change for all that stands on it.
    write(&root, "base/src/lib.rs", "pub fn a() { if true {} }\n");
    let report = demo(folder.path(), &[]).json();
    assert_eq!((&report["analysed"], &report["tasks"]["completed"]), (&json!(1), &json!(8 + 3)), "{report}");
}

#[test]
fn people_get_tables_and_programs_one_object() {
    let folder = folder();
    write(folder.path(), "tree/a.rs", "fn a() { if true {} }\n");
    let text = run(folder.path(), &["demo", "tree"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    for word in ["complexity", "a.rs", "files", "tasks", "pool", "cache", "healthy", "PostgreSQL"] {
        assert!(text.stdout.contains(word), "{word} is missing: {}", text.stdout);
    }
    assert!(!text.stdout.contains('\u{1b}') && !text.stderr.contains('\u{1b}'), "colours only on a terminal");
    let object = demo(folder.path(), &[]);
    assert_eq!(object.stdout.lines().count(), 1);
    for field in
        ["files", "packages", "tasks", "seconds", "tasks_per_second", "pool", "cache", "health", "top"]
    {
        assert!(!object.json()[field].is_null(), "{field}");
    }
}

#[test]
fn files_of_the_same_content_are_parsed_once_and_with_a_store_never_again() {
    let redis = Redis::start_blocking(&Options::new(Mode::Ephemeral)).expect("Redis");
    let folder = folder();
    let long = "fn a() { if true {} }\n".repeat(1_000);
    for path in ["tree/a.rs", "tree/b.rs", "tree/c/d.rs"] {
        write(folder.path(), path, &long);
    }
    write(folder.path(), "tree/broken.rs", format!("{long} fn b( {{"));
    write(folder.path(), "tree/short.rs", "fn a() {}\n");
    let fresh = |url: Option<&str>| {
        let mut command = db(folder.path(), ["demo", "tree", "--json", "--fresh"]);
        command.envs(url.map(|url| ("REDIS_URL", url)));
        Answer::from(command.output().expect("runs")).json()
    };
    let url = redis.url().expose();
    let (alone, first, second) = (fresh(None), fresh(Some(url)), fresh(Some(url)));
    let figures = |report: &Value| {
        let of = |name: &str| report["cache"][name].clone();
        (of("store"), of("loads"))
    };
    assert_eq!(figures(&alone), (json!("this process"), json!(2)), "{alone}");
    assert_eq!(figures(&first), (json!("redis"), json!(2)), "{first}");
    assert_eq!(figures(&second), (json!("redis"), json!(0)), "{second}");
    assert!(second["cache"]["hits"].as_u64() > Some(0) && second["cache"]["bytes"].as_u64() > Some(0));
    for report in [&first, &second] {
        assert_eq!((&report["top"], &report["failures"]), (&alone["top"], &alone["failures"]));
    }
    assert!(
        alone["failures"][0]["reason"].as_str().is_some_and(|reason| reason.contains("line 1001")),
        "{alone}"
    );
}

#[test]
fn a_state_that_grew_elsewhere_is_found_by_its_folder() {
    let folder = folder();
    write(folder.path(), "tree/a.rs", "fn a() {}\n");
    assert_eq!(demo(folder.path(), &["--data", "state"]).json()["analysed"], 1);
    assert_eq!(demo(folder.path(), &["--data", "state"]).json()["analysed"], 0);
    assert_eq!(demo(folder.path(), &[]).json()["analysed"], 1);

    let health =
        db(folder.path(), ["health", "--data", "state", "--json"]).output().map(Answer::from).expect("runs");
    assert_eq!((health.code, health.json()["status"].as_str()), (Some(0), Some("healthy")));
    let status = run(folder.path(), &["migrate", "status", "--data", "state", "--json"]);
    assert_eq!((status.code, &status.json()["pending"]), (Some(0), &json!([])), "{status:?}");
}

#[test]
fn a_file_that_breaks_and_is_mended_is_what_it_is_now() {
    let folder = folder();
    let tree = folder.path().join("tree");
    let analysed = || demo(folder.path(), &[]).json();
    write(&tree, "a.rs", "fn a() { if true {} }\n");
    assert_eq!((&analysed()["analysed"], &analysed()["top"][0]["file_path"]), (&json!(1), &json!("a.rs")));

    write(&tree, "a.rs", "fn a( {\n");
    let broken = analysed();
    assert_eq!(
        (&broken["analysed"], &broken["top"]),
        (&json!(1), &json!([])),
        "old measures are no measures"
    );
    assert_eq!(analysed()["analysed"], 0);

    write(&tree, "a.rs", "fn a() { if true {} if false {} }\n");
    assert_eq!(analysed()["analysed"], 1);
    let last = analysed();
    assert_eq!((&last["analysed"], &last["top"][0]["complexity"]), (&json!(0), &json!(3)));
}

#[test]
fn a_larger_limit_looks_again_at_what_was_too_large() {
    let folder = folder();
    write(folder.path(), "tree/a.rs", "fn a() {}\n".repeat(100));
    let small = demo(folder.path(), &["--max-file-size", "100"]).json();
    assert_eq!((&small["analysed"], &small["tasks"]["failed"]), (&json!(1), &json!(1)), "{small}");
    assert_eq!(demo(folder.path(), &["--max-file-size", "100"]).json()["analysed"], 0);
    let large = demo(folder.path(), &[]).json();
    assert_eq!((&large["analysed"], &large["failures"]), (&json!(1), &json!([])));
}
