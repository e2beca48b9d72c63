//! Makes keys.

use super::{CheckpointSigner, MasterKey, NoteError};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use db_core::Secret;
use zeroize::Zeroizing;

impl CheckpointSigner {
    /// Makes a new one of random bytes; [`CheckpointSigner::to_secret`] is what to keep.
    ///
    /// # Errors
    /// [`NoteError::Key`] for a name that is empty or has white space or a plus sign.
    pub fn random(name: &str) -> Result<Self, NoteError> {
        Self::from_seed(name, &Zeroizing::new(rand::random()))
    }
}

impl MasterKey {
    /// A new key of random bytes, as [`MasterKey::parse`] reads it.
    #[must_use]
    pub fn random_secret() -> Secret {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        Secret::new(BASE64.encode(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{CheckpointSigner, MasterKey};

    #[test]
    fn keys_that_were_made_are_read_and_no_two_are_the_same() {
        let (one, two) = (MasterKey::random_secret(), MasterKey::random_secret());
        assert_ne!(one.expose(), two.expose());
        MasterKey::parse(&one).expect("a key");
        let signer = CheckpointSigner::random("log").expect("a name");
        let read = CheckpointSigner::parse(&signer.to_secret()).expect("a key");
        assert_eq!(read.verifier(), signer.verifier());
        assert_ne!(CheckpointSigner::random("log").expect("a name").verifier(), signer.verifier());
        assert!(CheckpointSigner::random("a b").is_err());
    }
}
