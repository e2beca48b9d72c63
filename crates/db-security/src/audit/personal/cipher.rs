//! What a subject's key does: it seals what an event says of the subject, beside the commitment that stands in the tree.

use super::master::NONCE;
use crate::audit::encode::{PERSONAL, commitment};
use aes_gcm::{
    Aes256Gcm,
    aead::{Aead as _, KeyInit as _, Payload},
};
use std::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A subject's key (AES-256-GCM).
#[derive(Clone)]
pub(crate) struct SubjectKey(Zeroizing<[u8; 32]>);

/// What is stored of what is personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The nonce; the salt and the text, encrypted; the tag.
    pub(crate) personal: Vec<u8>,
    /// What the tree holds of it.
    pub(crate) commitment: [u8; 32],
}

/// What was sealed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) salt: [u8; 32],
    pub(crate) text: Zeroizing<Vec<u8>>,
}

impl SubjectKey {
    pub(crate) fn random() -> Self {
        Self::from_bytes(rand::random())
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Seals a text of this event.
    pub(crate) fn seal(&self, key: Uuid, event: Uuid, text: &[u8]) -> Sealed {
        let (nonce, salt): ([u8; NONCE], [u8; 32]) = (rand::random(), rand::random());
        let open = Zeroizing::new([salt.as_slice(), text].concat());
        let aad = aad(key, event);
        let payload = Payload { msg: open.as_slice(), aad: &aad };
        let sealed =
            self.cipher().encrypt(&nonce.into(), payload).expect("events are bounded far below 64 GiB");
        Sealed { personal: [nonce.as_slice(), &sealed].concat(), commitment: commitment(&salt, text) }
    }

    /// What [`SubjectKey::seal`] sealed; `None` where it was altered, or is another event's.
    pub(crate) fn open(&self, key: Uuid, event: Uuid, personal: &[u8]) -> Option<Opened> {
        let (nonce, sealed) = personal.split_first_chunk::<NONCE>()?;
        let aad = aad(key, event);
        let open = self.cipher().decrypt(&(*nonce).into(), Payload { msg: sealed, aad: &aad }).ok()?;
        let open = Zeroizing::new(open);
        let (salt, text) = open.split_first_chunk::<32>()?;
        Some(Opened { salt: *salt, text: Zeroizing::new(text.to_vec()) })
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&(*self.0).into())
    }
}

impl Opened {
    /// Whether it is what the tree holds a commitment to.
    pub(crate) fn is_committed_to(&self, stored: &[u8]) -> bool {
        commitment(&self.salt, &self.text) == stored
    }
}

fn aad(key: Uuid, event: Uuid) -> Vec<u8> {
    [PERSONAL, key.as_bytes(), event.as_bytes()].concat()
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(***)")
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::SubjectKey;
    use uuid::Uuid;

    #[test]
    fn what_is_sealed_opens_for_its_event_only_and_is_what_was_committed_to() {
        let (key, id, event) = (SubjectKey::random(), Uuid::now_v7(), Uuid::now_v7());
        let sealed = key.seal(id, event, b"{\"email\": \"a@example.org\"}");
        let opened = key.open(id, event, &sealed.personal).expect("its own");
        assert_eq!(opened.text.as_slice(), b"{\"email\": \"a@example.org\"}");
        assert!(opened.is_committed_to(&sealed.commitment));
        assert!(key.open(id, Uuid::now_v7(), &sealed.personal).is_none(), "another event's");
        assert!(SubjectKey::random().open(id, event, &sealed.personal).is_none());
        let again = key.seal(id, event, b"{\"email\": \"a@example.org\"}");
        assert_ne!(again.commitment, sealed.commitment, "the salt is new");
        assert!(!opened.is_committed_to(&again.commitment));
    }
}
