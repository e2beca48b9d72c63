//! Signing in, sessions, profiles and preferences.

use chrono::{TimeDelta, Utc};
use db_core::Secret;
use db_model::password::PasswordHash;
use db_model::preference::{self, NewPreference};
use db_model::profile::{NewProfile, Profile};
use db_model::session::{self, Client, SessionToken};
use db_model::sign_in::{self, Account, Lockout, Verdict};
use db_model::user::{NewUser, User, UserStatus};
use db_model::{UserId, repository};
use db_testkit::fresh_db;
use serde_json::json;
use sqlx::PgConnection;
use std::time::Duration;

const PASSWORD: &str = "correct horse";

async fn ada(conn: &mut PgConnection) -> User {
    let new = NewUser::new("Ada@Example.org").username("ada").status(UserStatus::Active);
    let user = repository::insert(conn, &new).await.expect("inserted");
    let hash = PasswordHash::of(&Secret::new(PASSWORD)).expect("long enough");
    sign_in::set_password(conn, user.id, &hash).await.expect("there")
}

async fn try_in(conn: &mut PgConnection, login: &str, password: &str, lockout: Lockout) -> Verdict {
    let account: Account = sign_in::account(conn, login).await.expect("asked");
    let verdict = account.check(&Secret::new(password), Utc::now());
    sign_in::note(conn, &account, verdict, lockout).await.expect("noted")
}

async fn unlock(conn: &mut PgConnection) {
    crate::run(conn, "UPDATE users SET locked_until = now() - interval '1 s' WHERE locked_until IS NOT NULL")
        .await;
}

#[tokio::test]
async fn the_right_password_of_an_account_in_use_is_let_in() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let lockout = Lockout::default();
        assert_eq!(try_in(conn, "aDA@example.org", PASSWORD, lockout).await, Verdict::Right);
        assert_eq!(try_in(conn, "ADA", PASSWORD, lockout).await, Verdict::Right);
        assert_eq!(try_in(conn, "ada", "wrong horse", lockout).await, Verdict::Wrong);
        assert_eq!(try_in(conn, "eve", PASSWORD, lockout).await, Verdict::Wrong);
        let seen: User = repository::get(conn, &user.id).await.expect("asked").expect("there");
        assert_eq!((seen.failed_logins, seen.last_login_at.is_some()), (1, true));
        let suspended = UserStatus::Suspended;
        repository::set_status::<User>(conn, &user.id, suspended).await.expect("legal");
        assert_eq!(try_in(conn, "ada", PASSWORD, lockout).await, Verdict::NotActive { status: suspended });
        repository::soft_delete::<User>(conn, &user.id).await.expect("deleted");
        assert_eq!(try_in(conn, "ada", PASSWORD, lockout).await, Verdict::Wrong);
        // An account without a password has none that is right.
        repository::insert(conn, &NewUser::new("bob@example.org").status(UserStatus::Active))
            .await
            .expect("inserted");
        assert_eq!(try_in(conn, "bob@example.org", "", lockout).await, Verdict::Wrong);
    })
    .await;
}

#[tokio::test]
async fn wrong_passwords_lock_an_account_for_a_while() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let lockout = Lockout { after: 2, duration: Duration::from_secs(600) };
        assert_eq!(try_in(conn, "ada", "wrong horse", lockout).await, Verdict::Wrong);
        assert_eq!(try_in(conn, "ada", "wrong horse", lockout).await, Verdict::Wrong);
        let locked = try_in(conn, "ada", PASSWORD, lockout).await;
        assert!(matches!(locked, Verdict::Locked { until } if until > Utc::now()), "{locked:?}");
        let account = sign_in::account(conn, "ada").await.expect("asked");
        let later = Utc::now() + TimeDelta::seconds(601);
        assert_eq!(account.check(&Secret::new(PASSWORD), later), Verdict::Right);
        // Knocking at a locked door does not keep it locked.
        let before: User = repository::get(conn, &user.id).await.expect("asked").expect("there");
        try_in(conn, "ada", "wrong horse", lockout).await;
        let after: User = repository::get(conn, &user.id).await.expect("asked").expect("there");
        assert_eq!(before.locked_until, after.locked_until);
        unlock(conn).await;
        assert_eq!(
            sign_in::note(conn, &account, Verdict::Right, lockout).await.expect("noted"),
            Verdict::Right
        );
        let open: User = repository::get(conn, &user.id).await.expect("asked").expect("there");
        assert_eq!((open.failed_logins, open.locked_until), (0, None));
    })
    .await;
}

#[tokio::test]
async fn who_read_the_account_before_it_was_locked_stays_out() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let lockout = Lockout { after: 2, duration: Duration::from_secs(600) };
        let stale = sign_in::account(conn, "ada").await.expect("asked");
        let right = stale.check(&Secret::new(PASSWORD), Utc::now());
        assert_eq!(right, Verdict::Right);
        for _ in 0..2 {
            assert_eq!(try_in(conn, "ada", "wrong horse", lockout).await, Verdict::Wrong);
        }
        let locked: User = repository::get(conn, &user.id).await.expect("asked").expect("there");
        let until = locked.locked_until.expect("locked");
        // Neither right nor wrong does anything to the lock.
        for verdict in [right, Verdict::Wrong] {
            let told = sign_in::note(conn, &stale, verdict, lockout).await.expect("noted");
            assert_eq!(told, Verdict::Locked { until });
            let after: User = repository::get(conn, &user.id).await.expect("asked").expect("there");
            assert_eq!((after.failed_logins, after.locked_until), (2, Some(until)));
            assert_eq!(after.last_login_at, None);
        }
        unlock(conn).await;
        assert_eq!(sign_in::note(conn, &stale, right, lockout).await.expect("noted"), Verdict::Right);
        // Nor does who read it before it was suspended, or deleted, get in.
        let suspended = UserStatus::Suspended;
        repository::set_status::<User>(conn, &user.id, suspended).await.expect("legal");
        let told = sign_in::note(conn, &stale, right, lockout).await.expect("noted");
        assert_eq!(told, Verdict::NotActive { status: suspended });
        repository::soft_delete::<User>(conn, &user.id).await.expect("deleted");
        assert_eq!(sign_in::note(conn, &stale, right, lockout).await.expect("noted"), Verdict::Wrong);
    })
    .await;
}

#[tokio::test]
async fn counting_starts_again_when_a_lock_has_passed() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let lockout = Lockout { after: 2, duration: Duration::from_secs(600) };
        for _ in 0..2 {
            try_in(conn, "ada", "wrong horse", lockout).await;
        }
        unlock(conn).await;
        for (failures, is_locked) in [(1, false), (2, true)] {
            assert_eq!(try_in(conn, "ada", "wrong horse", lockout).await, Verdict::Wrong);
            let seen: User = repository::get(conn, &user.id).await.expect("asked").expect("there");
            assert_eq!((seen.failed_logins, seen.locked_until.is_some()), (failures, is_locked));
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_does_not_tell_the_row() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let no_role = User { role: String::new(), ..user.clone() };
        let no_time = session::start(conn, user.id, Duration::ZERO, Client::default());
        let no_time = no_time.await.map(drop).unwrap_err();
        let no_role = repository::update(conn, &no_role).await.map(drop).unwrap_err();
        for (error, constraint) in [(no_role, "users_role_check"), (no_time, "user_sessions_expires_check")] {
            assert_eq!(error.constraint(), Some(constraint));
            let mut told = format!("{error:?} {error:#?} {}", db_core::with_causes(&error));
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                told.push_str(&format!("{error} {error:?}"));
                cause = error.source();
            }
            // What the server tells in detail is the row, with the hash of the password or the token.
            assert!(told.contains("23514") && told.contains(constraint), "{told}");
            for secret in ["argon2", "\\x", "Failing row", &user.id.to_string()] {
                assert!(!told.contains(secret), "{secret}: {told}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_goes_on_until_it_ends() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let hour = Duration::from_secs(3_600);
        let client = Client { user_agent: Some("test"), ip: Some("::1") };
        let (session, token) = session::start(conn, user.id, hour, client).await.expect("started");
        let shown = token.to_secret();
        let read = SessionToken::parse(&shown).expect("our own");
        assert_eq!(session::find(conn, &read).await.expect("asked").map(|found| found.id), Some(session.id));
        let mut other = shown.expose().to_owned().into_bytes();
        other[0] ^= 1;
        let other = Secret::new(String::from_utf8(other).expect("still ASCII"));
        if let Ok(other) = SessionToken::parse(&other) {
            assert_eq!(session::find(conn, &other).await.expect("asked"), None);
        }
        assert!(SessionToken::parse(&Secret::new("short")).is_err());

        let (second, _) = session::start(conn, user.id, hour, Client::default()).await.expect("started");
        let newest = session::of_user(conn, user.id, 1).await.expect("asked");
        assert_eq!(newest.iter().map(|session| session.id).collect::<Vec<_>>(), [second.id]);
        assert_eq!(session::of_user(conn, user.id, 9).await.expect("asked").len(), 2);
        assert_eq!(session::revoke_all(conn, user.id, Some(session.id)).await.expect("asked"), 1);
        assert!(!session::revoke(conn, second.id).await.expect("asked"), "it was ended before");
        assert!(session::revoke(conn, session.id).await.expect("asked"));
        assert_eq!(session::find(conn, &token).await.expect("asked"), None);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_with_its_time_and_with_its_user() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let (short, over) = session::start(conn, user.id, Duration::from_micros(1), Client::default())
            .await
            .expect("started");
        assert_eq!(session::find(conn, &over).await.expect("asked"), None);
        let hour = Duration::from_secs(3_600);
        let (_, token) = session::start(conn, user.id, hour, Client::default()).await.expect("started");
        assert_eq!(session::delete_expired(conn, 10).await.expect("deleted"), 1);
        assert_eq!(repository::get::<session::Session>(conn, &short.id).await.expect("asked"), None);
        assert!(session::find(conn, &token).await.expect("asked").is_some());
        repository::set_status::<User>(conn, &user.id, UserStatus::Suspended).await.expect("legal");
        assert_eq!(session::find(conn, &token).await.expect("asked"), None);
        let error = session::start(conn, UserId::generate(), hour, Client::default()).await.unwrap_err();
        assert_eq!(error.constraint(), Some("user_sessions_user_id_fkey"));
    })
    .await;
}

#[tokio::test]
async fn neither_token_nor_password_is_kept_or_told() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        let (session, token) =
            session::start(conn, user.id, Duration::from_secs(60), Client::default()).await.expect("started");
        let account = sign_in::account(conn, "ada").await.expect("asked");
        let shown = token.to_secret();
        let kept: String = sqlx::query_scalar(
            "SELECT (SELECT jsonb_agg(to_jsonb(users)) FROM users)::text
                 || (SELECT jsonb_agg(to_jsonb(user_sessions)) FROM user_sessions)::text",
        )
        .fetch_one(&mut *conn)
        .await
        .expect("everything");
        let json = serde_json::to_string(&(&user, &session)).expect("JSON");
        for text in [kept, json, format!("{token:?} {session:?} {account:?} {user:?} {:?}", token.hash())] {
            assert!(!text.contains(shown.expose()) && !text.contains(PASSWORD), "{text}");
        }
        let told = format!("{account:?}");
        assert!(!told.contains("argon2"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn profiles_and_preferences_are_written_over() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        let user = ada(conn).await;
        repository::upsert(conn, &NewProfile::new(user.id).display_name("Ada")).await.expect("inserted");
        let profile = NewProfile::new(user.id).display_name("Ada L.").locale("pt-BR");
        let profile: Profile = repository::upsert(conn, &profile).await.expect("written over");
        assert_eq!((profile.display_name.as_deref(), profile.version), (Some("Ada L."), 2));
        let error = repository::upsert(conn, &NewProfile::new(user.id).locale("??")).await.unwrap_err();
        assert_eq!(error.constraint(), Some("user_profiles_locale_check"));
        for (key, value) in [("theme", json!("dark")), ("page", json!(50)), ("theme", json!("light"))] {
            repository::upsert(conn, &NewPreference::new(user.id, key, value)).await.expect("written");
        }
        assert_eq!(preference::of_user(conn, user.id, 1).await.expect("asked").len(), 1);
        let set = preference::of_user(conn, user.id, 9).await.expect("asked");
        let told: Vec<_> = set.iter().map(|set| (set.key.as_str(), &set.value, set.version)).collect();
        assert_eq!(told, [("page", &json!(50), 1), ("theme", &json!("light"), 2)]);
        let key = (user.id, "page".to_owned());
        repository::delete::<preference::Preference>(conn, &key).await.expect("deleted");
        assert_eq!(repository::get::<preference::Preference>(conn, &key).await.expect("asked"), None);
    })
    .await;
}
