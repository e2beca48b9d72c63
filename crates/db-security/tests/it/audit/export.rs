//! What is written out can be verified by the file and a key alone, and whatever is altered in it is found.

use super::log::{drain, event, filled, master, pool, record_all, tamper};
use db_pool::Pool;
use db_security::audit::{
    CheckpointSigner, Error, Event, Export, ExportFlaw, ExportFormat, Exported, Found, Outcome, Search,
    SearchOrder, SignedCheckpoint, checkpoint, verify_export,
};
use db_testkit::fresh_db;
use serde_json::{Value, json};

fn signer() -> CheckpointSigner {
    CheckpointSigner::from_seed("example.org/log", &[3; 32]).expect("a name")
}

async fn sign(pool: &Pool) -> SignedCheckpoint {
    let mut tx = pool.begin().await.expect("begun");
    let signed = checkpoint(&mut tx, &signer()).await.expect("signed").expect("it has grown");
    tx.commit().await.expect("committed");
    signed
}

async fn write(pool: &Pool, export: &Export) -> (Exported, Vec<u8>) {
    let mut lease = pool.acquire().await.expect("a lease");
    let mut text = Vec::new();
    let exported = export.write(&mut lease, &mut text, |_| {}).await.expect("written");
    assert_eq!(exported.bytes, text.len() as u64);
    (exported, text)
}

fn check(text: &[u8]) -> Result<db_security::audit::CheckedExport, ExportFlaw> {
    verify_export(text, &[signer().verifier()])
}

fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

/// One of everything that an event may have, some of it hard to write.
async fn odd(pool: &Pool) {
    let events = [
        Event::new("a", "t"),
        Event::new("a", "t").new_values(Value::Null).old_values(json!({})),
        Event::new("a\n\"\\\u{2028}\u{1f600}", "t,;\t")
            .actor("=cmd|' /C calc'!A0")
            .entity("\"x\"")
            .request(" r "),
        event(7).detail("b", json!([1.5, -0.0, "é", null])).outcome(Outcome::Denied),
        Event::new("a", "t").personal("u1", json!({"email": "a@example.org", "n": [1, 2]})),
        Event::new("a", "t").personal("u2", json!("b")),
    ];
    record_all(pool, events).await;
    // Numbers that no other program would write so.
    const NUMBERS: &str = "INSERT INTO audit_inbox (action, entity_type, new_values) \
        VALUES ('a', 't', '{\"n\": 1.500000000000000000000000000000000001, \"m\": 1e300, \"k\": -0.0}')";
    pool.run(NUMBERS).none().await.expect("recorded");
    drain(pool).await;
}

#[tokio::test]
async fn every_line_is_verified_by_the_file_and_the_key_alone() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        odd(&pool).await;
        filled(&pool, 600).await;
        let signed = sign(&pool).await;
        record_all(&pool, [event(9_000)]).await;
        drain(&pool).await;
        record_all(&pool, [event(9_001)]).await;
        for order in [SearchOrder::NewestFirst, SearchOrder::OldestFirst] {
            let search = Search::new().order(order).limit(1);
            let export = Export::new(search, ExportFormat::Ndjson).with_proofs(signed.clone());
            let (exported, text) = write(&pool, &export).await;
            assert_eq!((exported.events, exported.uncovered), (607, 2));
            let checked = check(&text).expect("sound");
            assert_eq!((checked.events, checked.size, checked.personal), (607, 607, 0));
            assert_eq!(checked.signed_by, ["example.org/log"]);
            assert!(!String::from_utf8_lossy(&text).contains("example.org\""), "what is personal is sealed");
            let (exported, text) = write(&pool, &export.open_personal(master())).await;
            assert_eq!(exported.events, 607);
            assert!(String::from_utf8_lossy(&text).contains("a@example.org"));
            assert_eq!(check(&text).expect("sound").personal, 2);
        }
        let (exported, text) = write(&pool, &Export::new(Search::new(), ExportFormat::Ndjson)).await;
        assert_eq!((exported.events, exported.uncovered), (609, 0));
        assert!(lines(&text).iter().all(|line| line["id"].is_string()), "no lines but events");
        let some = Export::new(Search::new().subject("u2"), ExportFormat::Ndjson).with_proofs(signed);
        assert_eq!(check(&write(&pool, &some).await.1).expect("sound").events, 1);
    })
    .await;
}

#[tokio::test]
async fn one_altered_letter_anywhere_is_found() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        let about = Event::new("a", "t").personal("u1", json!({"email": "a@example.org"}));
        record_all(&pool, [event(7).detail("b", json!("c")), about]).await;
        drain(&pool).await;
        let export = Export::new(Search::new(), ExportFormat::Ndjson).with_proofs(sign(&pool).await);
        let (_, text) = write(&pool, &export.open_personal(master())).await;
        check(&text).expect("sound");
        for at in 0..text.len() {
            let mut altered = text.clone();
            // A letter in the other case, a digit or a sign as another.
            altered[at] ^= 0x20;
            assert!(check(&altered).is_err(), "byte {at}");
        }
        for end in (0..text.len()).step_by(7).chain([text.len() - 1]) {
            assert!(check(&text[..end]).is_err(), "cut off after {end}");
        }
    })
    .await;
}

/// Makes the last line fit what was altered, as somebody would who knows how.
fn refit(lines: &[String]) -> Vec<u8> {
    use sha2::Digest as _;
    let body: String = lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect();
    let sum: String = sha2::Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let end = json!({"end": {"events": lines.len() - 2, "sha256": sum}});
    format!("{body}{end}\n").into_bytes()
}

/// The same line with the hash of what it says.
fn rehashed(line: &str) -> String {
    const HASH: &str = ",\"leaf_hash\":\"";
    let (event, rest) = line.split_once(HASH).expect("an event");
    let found = event.strip_prefix("{\"event\":{\"event\":").expect("an event");
    let found: Found = serde_json::from_str(found).expect("an event");
    let (_, rest) = rest.split_once('"').expect("a hash");
    format!("{event}{HASH}{}\"{rest}", found.leaf_hash().expect("a leaf").to_base64())
}

#[tokio::test]
async fn whoever_alters_it_and_knows_how_it_is_made_is_found_too() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        odd(&pool).await;
        let export = Export::new(Search::new(), ExportFormat::Ndjson).with_proofs(sign(&pool).await);
        let (_, text) = write(&pool, &export.open_personal(master())).await;
        let whole: Vec<String> = String::from_utf8(text).expect("text").lines().map(str::to_owned).collect();
        check(&refit(&whole)).expect("this is how it is made");
        let with = |at: usize, old: &str, new: &str| {
            let mut lines = whole.clone();
            assert!(lines[at].contains(old), "{old} is not in {}", lines[at]);
            lines[at] = lines[at].replacen(old, new, 1);
            check(&refit(&lines))
        };
        let denied = whole.iter().position(|line| line.contains("\"denied\"")).expect("a line");
        let secret = whole.iter().position(|line| line.contains("a@example.org")).expect("a line");
        for (altered, is_event) in [
            (with(denied, "\"denied\"", "\"success\""), true),
            (with(denied, "\"number\": 7", "\"number\": 8"), true),
            (with(denied, "\"number\": 7", "\"number\":7"), true),
            (with(secret, "a@example.org", "b@example.org"), false),
            (with(denied, "\"leaf\":3", "\"leaf\":4"), true),
        ] {
            let flaw = altered.expect_err("altered");
            assert_eq!(matches!(flaw, ExportFlaw::Event { .. }), is_event, "{flaw}");
            assert_eq!(matches!(flaw, ExportFlaw::Personal { .. }), !is_event, "{flaw}");
        }
        // The hash of the leaf made to fit too: then only the way to the root tells.
        let mut forged = whole.clone();
        forged[denied] = rehashed(&whole[denied].replacen("\"denied\"", "\"success\"", 1));
        assert!(matches!(check(&refit(&forged)), Err(ExportFlaw::Event { leaf: 3, .. })));
        let mut twice = whole.clone();
        twice.insert(2, whole[1].clone());
        assert!(matches!(check(&refit(&twice)), Err(ExportFlaw::Order { line: 3, .. })));
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert!(matches!(check(&refit(&swapped)), Err(ExportFlaw::Order { .. })));
        let text = refit(&whole);
        let other = CheckpointSigner::from_seed("example.org/log", &[4; 32]).expect("a name");
        assert!(matches!(verify_export(&*text, &[other.verifier()]), Err(ExportFlaw::Checkpoint { .. })));
        assert!(matches!(verify_export(&*text, &[]), Err(ExportFlaw::NoKey)));
        assert!(
            verify_export(&*text, &[other.verifier(), signer().verifier()]).is_ok(),
            "one of them is enough"
        );
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_not_what_the_tree_has_is_not_written_out_as_proved() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        filled(&pool, 20).await;
        let export = Export::new(Search::new(), ExportFormat::Ndjson).with_proofs(sign(&pool).await);
        tamper(&pool, "UPDATE audit_events SET actor = 'eve' WHERE leaf = 7").await;
        let mut lease = pool.acquire().await.expect("a lease");
        let mut text = Vec::new();
        let refused = export.write(&mut lease, &mut text, |_| {}).await;
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn a_table_is_for_people() {
    fresh_db(|db| async move {
        let pool = pool(&db).await;
        odd(&pool).await;
        let search = Search::new().order(SearchOrder::OldestFirst);
        let export = Export::new(search, ExportFormat::Csv).with_proofs(sign(&pool).await);
        let (exported, text) = write(&pool, &export).await;
        assert_eq!(exported.events, 7);
        let mut table = csv::Reader::from_reader(&*text);
        let names = table.headers().expect("names").clone();
        let at = |name: &str| names.iter().position(|known| known == name).expect("a column");
        let rows: Vec<csv::StringRecord> = table.records().collect::<Result<_, _>>().expect("rows");
        assert_eq!(rows.len(), 7);
        let odd = rows.iter().find(|row| row[at("entity_type")].starts_with("t,;")).expect("a row");
        assert_eq!(&odd[at("actor")], "'=cmd|' /C calc'!A0", "no spreadsheet runs it");
        assert_eq!(&odd[at("action")], "a\n\"\\\u{2028}\u{1f600}");
        assert!(rows.iter().all(|row| row[at("leaf_hash")].len() == 64));
        assert_eq!(rows.iter().filter(|row| &row[at("personal")] == "sealed").count(), 2);
    })
    .await;
}
