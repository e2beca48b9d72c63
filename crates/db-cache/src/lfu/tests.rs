//! The cache against models: what it may never do, and what it is for.

use super::{Change, Counters, Lfu};
use proptest::{collection::vec, prelude::*};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LATER: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug)]
enum Step {
    Get(u8),
    Insert { key: u8, weight: usize, for_millis: u64 },
    Replace(u8),
    Put { key: u8, weight: usize },
    Remove(u8),
    RemoveEven,
    Pass { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..24_u8;
    prop_oneof![
        6 => key.clone().prop_map(Step::Get),
        6 => (key.clone(), 0..40_usize, 0..30_u64)
            .prop_map(|(key, weight, for_millis)| Step::Insert { key, weight, for_millis }),
        2 => key.clone().prop_map(Step::Replace),
        2 => (key.clone(), 0..40_usize).prop_map(|(key, weight)| Step::Put { key, weight }),
        1 => key.prop_map(Step::Remove),
        1 => Just(Step::RemoveEven),
        1 => (0..20_u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

fn name(key: u8) -> String {
    format!("key {key}")
}

fn is_even(name: &str) -> bool {
    name.ends_with(['0', '2', '4', '6', '8'])
}

proptest! {
    /// A cache may forget; it may not make up, bring back or hold too much.
    #[test]
    fn what_it_answers_is_what_was_put_last(
        capacity in 1..200_usize,
        heaviest in 1..40_usize,
        steps in vec(step(), 1..400),
    ) {
        let lfu = Lfu::new(capacity, heaviest);
        let mut model: BTreeMap<u8, (u64, Instant)> = BTreeMap::new();
        let mut now = Instant::now();
        prop_assert_eq!(lfu.capacity(), capacity);
        for (number, step) in steps.into_iter().enumerate() {
            let value = number as u64;
            model.retain(|_, (_, until)| *until > now);
            match step {
                Step::Get(key) => {
                    let found = lfu.get(&name(key), now);
                    let known = model.get(&key).map(|(value, _)| *value);
                    prop_assert!(found.is_none() || found == known, "{found:?} for {known:?}");
                }
                Step::Insert { key, weight, for_millis } => {
                    let until = now + Duration::from_millis(for_millis);
                    lfu.insert(&name(key), value, weight, until, now);
                    model.insert(key, (value, until));
                }
                Step::Replace(key) => {
                    let mut seen = None;
                    lfu.update(&name(key), now, |found| {
                        seen = found.copied();
                        Change::Replace(value)
                    });
                    let known = model.get_mut(&key);
                    prop_assert!(seen.is_none() || seen == known.as_ref().map(|(value, _)| *value));
                    match known {
                        Some((known, _)) if seen.is_some() => *known = value,
                        _ => { model.remove(&key); }
                    }
                }
                Step::Put { key, weight } => {
                    lfu.update(&name(key), now, |_| Change::Put { value, weight, expires_at: now + LATER });
                    model.insert(key, (value, now + LATER));
                }
                Step::Remove(key) => {
                    let was = lfu.remove(&name(key), now);
                    prop_assert!(!was || model.contains_key(&key));
                    model.remove(&key);
                }
                Step::RemoveEven => {
                    let most = model.keys().filter(|key| is_even(&name(**key))).count() as u64;
                    prop_assert!(lfu.remove_where(now, |name, _| is_even(name)) <= most);
                    model.retain(|key, _| !is_even(&name(*key)));
                }
                Step::Pass { millis } => now += Duration::from_millis(millis),
            }
            prop_assert!(lfu.weight() <= capacity, "{} of {capacity}", lfu.weight());
            let held: usize = lfu.shards.iter().map(|shard| shard.lock().len()).sum();
            prop_assert_eq!(lfu.len(), held);
        }
        lfu.remove_where(now, |_, _| true);
        prop_assert_eq!((lfu.len(), lfu.weight()), (0, 0));
    }

    /// What fits is kept, whatever the order of its use.
    #[test]
    fn nothing_goes_while_there_is_room(keys in vec(0..50_u8, 1..300)) {
        let (lfu, now) = (Lfu::new(50 * 7, 50 * 7), Instant::now());
        for key in &keys {
            if lfu.get(&name(*key), now).is_none() {
                lfu.insert(&name(*key), *key, 7, now + LATER, now);
            }
        }
        for key in &keys {
            prop_assert_eq!(lfu.get(&name(*key), now), Some(*key));
        }
        prop_assert_eq!(lfu.counters(), Counters::default());
    }
}

#[test]
fn what_is_too_heavy_is_refused_with_what_it_was_to_replace() {
    let (lfu, now) = (Lfu::new(100, 100), Instant::now());
    lfu.insert("key", 1, 60, now + LATER, now);
    lfu.insert("key", 2, 101, now + LATER, now);
    assert_eq!(lfu.get("key", now), None);
    assert_eq!(lfu.counters(), Counters { rejections: 1, ..Counters::default() });
    lfu.insert("key", 3, 100, now + LATER, now);
    assert_eq!((lfu.get("key", now), lfu.weight()), (Some(3), 100));
}

#[test]
fn what_has_expired_is_a_miss_and_is_swept() {
    let (lfu, now) = (Lfu::new(1_000_000, 1_000_000), Instant::now());
    for key in 0..100 {
        lfu.insert(&format!("short {key}"), key, 10, now + Duration::from_millis(5), now);
    }
    let then = now + Duration::from_millis(5);
    assert_eq!(lfu.get("short 7", then), None);
    assert_eq!((lfu.len(), lfu.counters().expirations), (99, 1), "met and removed");
    assert!(!lfu.remove("short 8", then), "what has expired is not there");
    for key in 0..50 {
        lfu.insert(&format!("long {key}"), key, 10, then + LATER, then);
    }
    assert_eq!((lfu.len(), lfu.counters().expirations), (50, 100), "inserts sweep what nobody meets");
}

#[test]
fn what_weighs_nothing_is_bounded_too() {
    let (lfu, now) = (Lfu::new(10, 1), Instant::now());
    for key in 0..1_000 {
        lfu.insert(&format!("{key}"), key, 0, now + LATER, now);
    }
    assert!(lfu.len() <= 10, "{}", lfu.len());
}

#[test]
fn an_update_is_one_step_among_threads() {
    let lfu = Arc::new(Lfu::new(1_000_000, 10));
    let now = Instant::now();
    let add = |found: Option<&u64>| match found {
        Some(sum) => Change::Replace(sum + 1),
        None => Change::Put { value: 1, weight: 10, expires_at: now + LATER },
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for step in 0..2_000 {
                    lfu.update(&format!("sum {}", step % 7), now, add);
                    lfu.insert(&format!("other {step}"), 0, 100, now + LATER, now);
                    lfu.remove_where(now, |key, _| key == "other 5");
                }
            });
        }
    });
    let sum: u64 = (0..7).filter_map(|key| lfu.get(&format!("sum {key}"), now)).sum();
    assert_eq!(sum, 8_000);
}

/// A value that looks into the cache when it goes; under the lock it would wait for itself.
#[test]
fn values_are_dropped_when_no_lock_is_held() {
    #[derive(Clone)]
    struct Looks(Arc<Lfu<Arc<Looks>>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            let _ = (self.0.len(), self.0.weight());
        }
    }
    let (lfu, now) = (Arc::new(Lfu::new(3, 1)), Instant::now());
    for key in 0..20 {
        let until = now + Duration::from_millis(key);
        lfu.insert(&format!("{}", key % 7), Arc::new(Looks(Arc::clone(&lfu))), 1, until, now);
        lfu.get(&format!("{}", key % 5), now + Duration::from_millis(9));
        lfu.remove(&format!("{}", key % 3), now);
    }
    lfu.remove_where(now, |_, _| true);
    assert_eq!(lfu.len(), 0);
}

#[test]
fn shards_are_large_enough_for_the_heaviest() {
    assert_eq!(Lfu::<()>::new(1_000, 1_000).shards.len(), 1);
    assert_eq!(Lfu::<()>::new(0, 0).shards.len(), 1);
    let lfu = Lfu::<()>::new(1_000_003, 30_000);
    assert!(lfu.shards.iter().all(|shard| shard.lock().capacity() >= 8 * 30_000));
    assert_eq!(lfu.capacity(), 1_000_003);
}

/// Half of the accesses are a scan that never comes back to anything.
#[test]
fn it_beats_plain_lru_on_popular_keys_with_a_scan_among_them() {
    const CAPACITY: usize = 1_000;
    let trace = zipf_with_scans(20_000, 200_000);
    let (lfu, now) = (Lfu::new(CAPACITY, CAPACITY), Instant::now());
    let mut lru = Lru { capacity: CAPACITY, ..Lru::default() };
    let (mut of_lfu, mut of_lru) = (0, 0);
    for key in &trace {
        let name = key.to_string();
        if lfu.get(&name, now).is_some() {
            of_lfu += 1;
        } else {
            lfu.insert(&name, (), 1, now + LATER, now);
        }
        of_lru += u32::from(lru.is_hit(*key));
    }
    println!("hits of {}: W-TinyLFU {of_lfu}, LRU {of_lru}", trace.len());
    assert!(of_lfu * 10 > of_lru * 13, "W-TinyLFU {of_lfu}, LRU {of_lru}: less than 1.3 times as many");
}

/// The window is for what is asked for at the moment, whatever it is worth in the long run.
#[test]
fn what_is_asked_for_now_stays_though_all_others_are_popular() {
    let (lfu, now) = (Lfu::new(1_000, 1_000), Instant::now());
    for key in (0..20).flat_map(|_| 0..990) {
        let name = key.to_string();
        if lfu.get(&name, now).is_none() {
            lfu.insert(&name, (), 1, now + LATER, now);
        }
    }
    lfu.insert("now", (), 1, now + LATER, now);
    for key in 0..100 {
        assert!(lfu.get("now", now).is_some(), "gone after {key} others");
        lfu.insert(&format!("other {key}"), (), 1, now + LATER, now);
    }
}

/// A walk that spares everything it meets begins again, rather than let in whoever comes.
#[test]
fn nobody_goes_whom_everybody_asks_for() {
    let (lfu, now) = (Lfu::new(50, 50), Instant::now());
    lfu.insert("popular", (), 30, now + LATER, now);
    for round in 0..200 {
        for _ in 0..3 {
            assert!(lfu.get("popular", now).is_some(), "gone after {round} others");
        }
        lfu.insert(&format!("other {round}"), (), 30, now + LATER, now);
    }
}

/// What was popular makes way for what is: the counts are halved in time.
#[test]
fn it_follows_when_other_keys_become_popular() {
    let (lfu, now) = (Lfu::new(100, 100), Instant::now());
    let hits = |keys: std::ops::Range<u32>, rounds: u32| {
        let mut hits = 0;
        for key in (0..rounds).flat_map(|_| keys.clone()) {
            let name = key.to_string();
            match lfu.get(&name, now) {
                Some(()) => hits += 1,
                None => lfu.insert(&name, (), 1, now + LATER, now),
            }
        }
        hits
    };
    hits(0..80, 50);
    hits(1_000..1_080, 30);
    assert!(hits(1_000..1_080, 10) > 700, "of 800");
}

/// Keys by Zipf's law with exponent 0.9, and between any two of them one that is never asked for again.
fn zipf_with_scans(keys: u32, accesses: usize) -> Vec<u32> {
    let mut sums = Vec::new();
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += 1.0 / f64::from(rank).powf(0.9);
        sums.push(sum);
    }
    let mut random = StdRng::seed_from_u64(7);
    let mut trace = Vec::new();
    for scanned in 0..u32::try_from(accesses / 2).expect("few") {
        let at = random.random_range(0.0..sum);
        trace.push(u32::try_from(sums.partition_point(|sum| *sum < at)).expect("few"));
        trace.push(keys + scanned);
    }
    trace
}

/// The last ones used, by a queue of uses in which old ones are skipped.
#[derive(Default)]
struct Lru {
    capacity: usize,
    last_use: HashMap<u32, u64>,
    uses: VecDeque<(u32, u64)>,
    clock: u64,
}

impl Lru {
    fn is_hit(&mut self, key: u32) -> bool {
        self.clock += 1;
        self.uses.push_back((key, self.clock));
        let hit = self.last_use.insert(key, self.clock).is_some();
        while self.last_use.len() > self.capacity {
            let (key, at) = self.uses.pop_front().expect("as many uses as keys");
            if self.last_use.get(&key) == Some(&at) {
                self.last_use.remove(&key);
            }
        }
        hit
    }
}
