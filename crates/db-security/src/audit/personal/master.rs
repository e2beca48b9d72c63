//! The key that wraps all others.

use super::SubjectKey;
use crate::audit::Error;
use aes_gcm::{
    Aes256Gcm,
    aead::{Aead as _, KeyInit as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use db_core::Secret;
use sha2::{Digest as _, Sha256};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Bytes of a nonce of AES-GCM.
pub(super) const NONCE: usize = 12;

/// Wraps the keys of subjects (AES-256-GCM). Whoever has it and the database can read everything that is not erased; without it
/// nobody can.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Takes 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads 32 bytes in base64, as `openssl rand -base64 32` writes them, or as 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::MasterKey`].
    pub fn parse(text: &Secret) -> Result<Self, Error> {
        let text = text.expose().trim();
        let refused = |reason| Err(Error::MasterKey { reason });
        if text.is_empty() {
            return refused("it is empty");
        }
        let bytes = match (text.len(), BASE64.decode(text)) {
            (64, _) if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => from_hex(text),
            (_, Ok(bytes)) => Some(bytes),
            (_, Err(_)) => None,
        };
        let Some(bytes) = bytes.map(Zeroizing::new) else {
            return refused("it is neither base64 nor hexadecimal");
        };
        match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Ok(Self::from_bytes(bytes)),
            Err(_) => refused("it does not have 32 bytes; `openssl rand -base64 32` makes one"),
        }
    }

    /// Tells it from other keys, and nothing about it: a hash of it that is used for nothing else.
    pub(crate) fn check(&self) -> [u8; 32] {
        Sha256::new().chain_update("cairn-audit-master-check-v1\n").chain_update(*self.0).finalize().into()
    }

    /// A key for what is personal and waits on disk.
    pub(crate) fn spool_key(&self) -> SubjectKey {
        let hash = Sha256::new().chain_update("cairn-audit-spool-key-v1\n").chain_update(*self.0).finalize();
        SubjectKey::from_bytes(hash.into())
    }

    /// Wraps a subject's key: nonce, then ciphertext and tag. It opens for this key and this subject only.
    pub(crate) fn wrap(&self, id: Uuid, subject: &str, key: &SubjectKey) -> Vec<u8> {
        let nonce: [u8; NONCE] = rand::random();
        let aad = aad(id, subject);
        let payload = Payload { msg: key.as_bytes(), aad: &aad };
        let sealed =
            self.cipher().encrypt(&nonce.into(), payload).expect("32 bytes are less than AES-GCM's limit");
        [nonce.as_slice(), &sealed].concat()
    }

    /// What [`MasterKey::wrap`] wrapped; `None` where it was altered, or is another's.
    pub(crate) fn open(&self, id: Uuid, subject: &str, wrapped: &[u8]) -> Option<SubjectKey> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>()?;
        let aad = aad(id, subject);
        let key = self.cipher().decrypt(&(*nonce).into(), Payload { msg: sealed, aad: &aad }).ok()?;
        let key = Zeroizing::new(key);
        Some(SubjectKey::from_bytes(key.as_slice().try_into().ok()?))
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&(*self.0).into())
    }
}

fn aad(id: Uuid, subject: &str) -> Vec<u8> {
    [b"cairn-audit-key-v1\n".as_slice(), id.as_bytes(), subject.as_bytes()].concat()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::MasterKey;
    use crate::audit::personal::SubjectKey;
    use db_core::Secret;
    use uuid::Uuid;

    #[test]
    fn reads_what_people_make_keys_with() {
        let base64 =
            MasterKey::parse(&Secret::new("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n")).expect("base64");
        let hex = MasterKey::parse(&Secret::new("07".repeat(32))).expect("hexadecimal");
        assert_eq!(base64.check(), hex.check());
        assert_eq!(base64.check(), MasterKey::from_bytes([7; 32]).check());
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        for text in ["", "hunter2-secret", "BwcHBwcH", &"07".repeat(31)] {
            let error = MasterKey::parse(&Secret::new(text)).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_wrapped_key_opens_for_its_subject_only() {
        let (master, key, id) = (MasterKey::from_bytes([1; 32]), SubjectKey::random(), Uuid::now_v7());
        let wrapped = master.wrap(id, "ann", &key);
        assert_eq!(master.open(id, "ann", &wrapped).expect("hers").as_bytes(), key.as_bytes());
        assert!(master.open(id, "bob", &wrapped).is_none());
        assert!(master.open(Uuid::now_v7(), "ann", &wrapped).is_none());
        assert!(MasterKey::from_bytes([2; 32]).open(id, "ann", &wrapped).is_none());
        for at in 0..wrapped.len() {
            let mut altered = wrapped.clone();
            altered[at] ^= 1;
            assert!(master.open(id, "ann", &altered).is_none(), "byte {at}");
        }
        assert!(master.open(id, "ann", &wrapped[..20]).is_none());
    }
}
