//! What a person is shown of a key.

use crate::common::{cache, ms, plain, store};
use db_cache::{Encoding, InspectedValue};
use db_core::{KeyValue, Put, Version};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn a_value_is_shown_with_what_is_known_of_it() {
    let store = store();
    let cache = cache(&store);
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let mut policy = plain(Duration::from_secs(60));
        (policy.encoding, policy.schema, policy.compress_from_bytes) = (encoding, 7, Some(100));
        let texts = cache.namespace::<BTreeMap<String, String>>("text", policy).expect("a policy");
        let value = BTreeMap::from([("de".to_owned(), "lang ".repeat(100))]);
        let tagged = texts.tagged([("user", 7)]).expect("a tag");
        tagged.set(("a:b", 1), value.clone()).await.expect("set");

        // Text and numbers are the same text.
        let shown = cache.inspect("text", ("a:b", "1")).await.expect("asked").expect("there");
        let InspectedValue::Json(json) = &shown.value else { panic!("{shown:?}") };
        assert_eq!(serde_json::from_str::<BTreeMap<String, String>>(json).expect("JSON"), value);
        assert_eq!((shown.encoding, shown.schema, shown.is_compressed), (Some(encoding), 7, true));
        assert_eq!((shown.key.as_str(), shown.leased_until), ("app:text:a%3ab:1", None));
        let tags: Vec<_> = shown.tags.iter().map(|tag| (tag.name.as_str(), tag.holds)).collect();
        assert_eq!(tags, [("user:7", true)]);
        let now = SystemTime::now();
        assert!(shown.is_good(now) && !shown.is_good(now + Duration::from_secs(61)), "{shown:?}");

        cache.delete_tags([("user", 7)]).await.expect("deleted");
        let shown = cache.inspect("text", ("a:b", 1)).await.expect("asked").expect("there still");
        assert!(!shown.tags[0].holds && !shown.is_good(now), "{shown:?}");
    }
}

#[tokio::test]
async fn what_is_no_value_is_told_apart() {
    let store = store();
    let cache = cache(&store);
    let inspect = async |namespace: &str| cache.inspect(namespace, "k").await.expect("asked");
    assert_eq!(inspect("none").await, None);
    let put = async |key, value: &[u8]| {
        store.set_multi(&[Put { key, value, version: Version(1), ttl: ms(60_000) }]).await.expect("set");
    };
    for (bytes, expected) in [
        (&[9; 50][..], "layout is 9"),
        (&[1; 5][..], "5 bytes are cut short"),
        (&[], "empty"),
        (&[[1, 2].as_slice(), &[0; 32], b"{nonsense"].concat(), "no JSON"),
    ] {
        put("app:odd:k", bytes).await;
        let shown = inspect("odd").await.expect("there");
        let InspectedValue::Unreadable(why) = &shown.value else { panic!("{shown:?}") };
        assert!(why.contains(expected), "{why}");
        assert!(!shown.is_good(SystemTime::now()));
    }
    let mut policy = plain(ms(60_000));
    policy.negative_ttl = Some(ms(60_000));
    let numbers = cache.namespace::<u64>("absent", policy).expect("a policy");
    let nothing = numbers.get_or_load("k", || async { Ok::<_, std::io::Error>(None) }).await;
    assert_eq!(nothing.expect("loaded"), None);
    assert_eq!(inspect("absent").await.expect("there").value, InspectedValue::Absent);
    let hits = cache.counter("hits", ms(60_000)).expect("a name");
    hits.add("k", 5).await.expect("counted");
    assert_eq!(inspect("hits").await.expect("there").value, InspectedValue::Number(5));
    assert!(cache.inspect("No Name", "k").await.is_err());
}
