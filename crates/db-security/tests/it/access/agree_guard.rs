//! What the guard answers is what the rules leave, whoever sees to it: the server, conditions in the statement, or for a text the
//! server alone.

use super::{
    SCHEMA,
    agree::{first_seed, rows_of},
    answer, obey,
    requests::Ask,
    role, rules, run,
};
use chrono::Utc;
use db_pool::{Pool, PoolConfig};
use db_query::{Access, Statement};
use db_security::access::{
    Applied, Catalogue, Decision, Guard, GuardError, GuardOptions, Guarded, Mode, Owner, Policy, Request,
};
use db_testkit::empty_db;
use rand::{SeedableRng, rngs::StdRng};
use sqlx::{Execute, FromRow, Row, ValueRef, postgres::PgConnectOptions, postgres::PgRow};
use std::{collections::BTreeMap, num::NonZeroU32, str::FromStr};

const POLICIES: u64 = 24;
const REQUESTS: usize = 12;

/// A row as it came, whatever its types.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bytes(Vec<Option<Vec<u8>>>);

impl<'r> FromRow<'r, PgRow> for Bytes {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
        let value = |at| {
            let raw = row.try_get_raw(at)?;
            let bytes = (!raw.is_null()).then(|| raw.as_bytes().map(<[u8]>::to_vec));
            bytes.transpose().map_err(sqlx::Error::Decode)
        };
        (0..row.len()).map(value).collect::<sqlx::Result<_>>().map(Self)
    }
}

fn sorted(rows: Vec<Bytes>) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut rows: Vec<_> = rows.into_iter().map(|row| row.0).collect();
    rows.sort();
    rows
}

/// What somebody gets for a statement, as it is and as a text; nothing of it lasts.
async fn asked(
    subject: &Guarded,
    statement: &Statement,
) -> [Result<Vec<Vec<Option<Vec<u8>>>>, GuardError>; 2] {
    let mut tx = subject.begin().await.expect("begun");
    let built = tx.run(statement).all::<Bytes>().await.map(sorted);
    tx.rollback().await.expect("undone");
    let mut tx = subject.begin().await.expect("begun");
    let values = statement.clone().take_arguments().expect("values").unwrap_or_default();
    let text = tx.run_sql(statement.sql(), values).all::<Bytes>().await.map(sorted);
    tx.rollback().await.expect("undone");
    [built, text]
}

#[tokio::test]
async fn the_guard_answers_what_the_rules_leave() {
    empty_db(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, SCHEMA).await;
        let (roles, login) = ([role(&db, "a"), role(&db, "b")], role(&db, "l"));
        run(&mut conn, &format!("CREATE ROLE {login} LOGIN")).await;
        let options = PgConnectOptions::from_str(db.url()).expect("a URL").username(&login);
        let pool = Pool::connect(&PoolConfig::new(options).max_size(NonZeroU32::MIN)).await.expect("connected");
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let first = first_seed();
        println!("DB_TEST_SEED={first}");
        for seed in first..first + POLICIES {
            let mut rng = StdRng::seed_from_u64(seed);
            let drawn = rules::random(&mut rng, &roles, Utc::now());
            let catalogue = Catalogue::read(&mut conn, "public").await.expect("a catalogue");
            let Ok(policy) = Policy::new(&drawn, catalogue) else { continue };
            run(&mut conn, "BEGIN").await;
            obey(&mut conn, &policy).await.expect("applied");
            run(&mut conn, &format!("GRANT {}, {} TO {login}; COMMIT", roles[0], roles[1])).await;
            let applied = Applied::read(&mut conn, &policy, Owner::Held).await.expect("read");
            let requests: Vec<_> = (0..REQUESTS)
                .map(|_| (Ask::random(&mut rng), rules::subject(&mut rng, &roles)))
                .filter(|(ask, _)| matches!(ask, Ask::Items { .. } | Ask::Count | Ask::Join | Ask::View(_) | Ask::Call))
                .collect();
            for is_held in [true, false] {
                let holds = if is_held { applied.clone() } else { Applied::nothing() };
                let guard = Guard::new(&pool, GuardOptions::new(Mode::Enforce), policy.clone(), holds);
                if !is_held {
                    // From here on only what stands in the statement can leave rows out.
                    run(&mut conn, "ALTER TABLE items DISABLE ROW LEVEL SECURITY; ALTER TABLE links DISABLE ROW LEVEL SECURITY").await;
                }
                for (ask, subject) in &requests {
                    let case = format!("seed {seed}, held {is_held}, {ask:?}, {:?}, {drawn:?}", subject.settings());
                    let statement = ask.statement();
                    let ((touches, qualified), functions) =
                        (statement.touches_and_qualified(), statement.functions());
                    let request = Request::new(&touches).functions(&functions).qualified(&qualified);
                    let decision = policy.decide(subject, &request, Utc::now());
                    let answers = asked(&guard.subject(subject).expect("a session"), &statement).await;
                    let Decision::Allowed(rows) = decision else {
                        for answer in answers {
                            assert!(matches!(answer, Err(GuardError::Refused(_))), "{answer:?}: {case}");
                        }
                        *seen.entry("refused").or_default() += 1;
                        continue;
                    };
                    let of = |table, access| rows_of(&rows, table, access);
                    let narrowed = ask.narrowed(
                        of("items", Access::Read),
                        of("links", Access::Read),
                        of("items", Access::Update),
                    );
                    let expected = answer(&mut conn, narrowed).await.expect("the owner may");
                    let names = ["built", "text"];
                    for (answer, name) in answers.into_iter().zip(names) {
                        let is_narrow = !rows.is_empty();
                        match answer {
                            Ok(answer) => {
                                assert!(is_held || !is_narrow || name == "built", "a text kept to nothing: {case}");
                                assert_eq!(answer, expected, "{name}: {case}");
                                *seen.entry(if is_narrow { "some rows" } else { "all rows" }).or_default() += 1;
                            }
                            // What cannot be kept to its rows is refused, and conditions need rights of their own.
                            Err(error) if !is_held && is_narrow && error.is_refusal() => {
                                *seen.entry("not kept").or_default() += 1;
                            }
                            Err(error) => panic!("{name}: {error:?}: {case}"),
                        }
                    }
                }
            }
            for role in &roles {
                run(&mut conn, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
            }
        }
        println!("{seen:?}");
        for what in ["refused", "some rows", "all rows", "not kept"] {
            assert!(seen.get(what).is_some_and(|count| *count >= 3), "too few of {what}, from seed {first}: {seen:?}");
        }
        pool.close().await;
        run(&mut conn, &format!("DROP ROLE {login}")).await;
    })
    .await;
}
