//! Passwords: hashed with argon2id, compared without telling how near one was.
//!
//! Hashing takes tens of milliseconds and 19 MiB by intent, so call it on a thread that may block, not on one that polls
//! futures; `tokio::task::spawn_blocking` has some. Parameters: OWASP Password Storage Cheat Sheet, argon2id with 19 MiB,
//! 2 passes, 1 lane.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::PasswordHash as Phc,
};
use db_core::Secret;
use std::fmt;

/// Fewer characters are too easy to try out.
const MIN_CHARS: usize = 8;

/// Longer passwords only serve to keep us busy.
const MAX_BYTES: usize = 1_024;

/// Memory, in KiB, and passes over it.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;

/// A hash of a password, as `$argon2id$…`. Its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct PasswordHash(String);

/// A password that is not accepted. It is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// It is too short.
    #[error("the password has {chars} characters, and needs {min} or more")]
    TooShort {
        /// How many it has.
        chars: usize,
        /// How many it needs.
        min: usize,
    },
    /// It is too long.
    #[error("the password has {bytes} bytes, and may have {max}")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// The machine cannot hash it: no memory, or no random numbers.
    #[error("the password cannot be hashed")]
    Unhashable,
}

impl PasswordHash {
    /// Hashes a password with a salt of its own. Blocks for tens of milliseconds.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn of(password: &Secret) -> Result<Self, PasswordError> {
        let text = password.expose();
        let chars = text.chars().count();
        if chars < MIN_CHARS {
            return Err(PasswordError::TooShort { chars, min: MIN_CHARS });
        }
        if text.len() > MAX_BYTES {
            return Err(PasswordError::TooLong { bytes: text.len(), max: MAX_BYTES });
        }
        let hashed = hasher().and_then(|hasher| hasher.hash_password(text.as_bytes()).ok());
        hashed.map(|hash| Self(hash.to_string())).ok_or(PasswordError::Unhashable)
    }

    /// Whether it is the hash of this password. Blocks for tens of milliseconds.
    #[must_use]
    pub fn is_of(&self, password: &Secret) -> bool {
        let text = password.expose();
        if text.len() > MAX_BYTES {
            return false;
        }
        // The parameters are those in the hash.
        let (Ok(hash), Some(hasher)) = (Phc::new(&self.0), hasher()) else { return false };
        hasher.verify_password(text.as_bytes(), &hash).is_ok()
    }

    /// Whether it was made with weaker parameters than today's: hash the password anew while it is at hand.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        let Ok(hash) = Phc::new(&self.0) else { return true };
        match Params::try_from(&hash) {
            Ok(params) => params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES,
            Err(_) => true,
        }
    }

    /// A hash that no password has, for the same work where there is no user to compare with: whether an address is known
    /// must not show in how long an answer takes.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        ))
    }
}

fn hasher() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::{PasswordError, PasswordHash};
    use db_core::Secret;

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let password = Secret::new("correct horse");
        let hash = PasswordHash::of(&password).expect("long enough");
        assert!(hash.is_of(&password));
        assert!(!hash.is_of(&Secret::new("correct horsf")));
        assert_ne!(hash, PasswordHash::of(&password).expect("long enough"), "each has a salt of its own");
        assert!(!hash.is_outdated());
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(format!("{hash:?}"), "PasswordHash(***)");
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused_untold() {
        let refused = |text: &str| PasswordHash::of(&Secret::new(text)).expect_err("refused");
        assert_eq!(refused("sevench"), PasswordError::TooShort { chars: 7, min: 8 });
        assert_eq!(refused(&"x".repeat(1_025)), PasswordError::TooLong { bytes: 1_025, max: 1_024 });
        assert!(!refused("sevench").to_string().contains("sevench"));
    }

    #[test]
    fn nobody_has_a_hash_that_costs_the_same_and_fits_no_password() {
        let nobody = PasswordHash::of_nobody();
        assert!(!nobody.is_outdated(), "it has today's parameters");
        assert!(!nobody.is_of(&Secret::new("")));
    }

    #[test]
    fn weaker_hashes_are_outdated() {
        let weak = "$argon2id$v=19$m=8192,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(PasswordHash(weak.to_owned()).is_outdated());
        assert!(PasswordHash("$argon2id$rubbish".to_owned()).is_outdated());
        assert!(!PasswordHash("$argon2id$rubbish".to_owned()).is_of(&Secret::new("rubbish!")));
    }
}
