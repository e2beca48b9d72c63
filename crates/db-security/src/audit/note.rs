//! Checkpoints: what the log's root was at a size, signed. They are written as C2SP's `tlog-checkpoint` and `signed-note`
//! have it, so that witnesses of other logs read them.

use super::Hash;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use db_core::Secret;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// The number that signed notes give Ed25519.
const ED25519: u8 = 1;
const SECRET_PREFIX: &str = "PRIVATE+KEY+";

/// Why a key, a note or a signature is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// No key of this form. The text is not repeated, as it may hold one.
    #[error("a {what} is written {form}: {reason}")]
    Key {
        /// Which kind of key.
        what: &'static str,
        /// How one is written.
        form: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// No checkpoint.
    #[error("line {line} of the checkpoint: {reason}")]
    Malformed {
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Nobody has signed it whom we know.
    #[error("the checkpoint of size {size} is not signed by {key}")]
    NotSigned {
        /// Which checkpoint.
        size: u64,
        /// The name of the key that should have signed.
        key: String,
    },
    /// It is signed in the name of a key, and not by it.
    #[error(
        "the signature of {key} under the checkpoint of size {size} is forged, or the checkpoint was altered"
    )]
    Forged {
        /// Which checkpoint.
        size: u64,
        /// The name of the key.
        key: String,
    },
}

/// Signs checkpoints. Whoever has it can make a log that never was, so keep it where the database's administrators are not.
#[derive(Clone)]
pub struct CheckpointSigner {
    name: KeyName,
    key: SigningKey,
}

impl CheckpointSigner {
    /// Makes one of 32 random bytes.
    ///
    /// # Errors
    /// [`NoteError::Key`] for a name that is empty or has white space or a plus sign.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let name = KeyName::parse(name)
            .ok_or(SIGNER.because("its name is empty, or has white space or a plus sign"))?;
        Ok(Self { name, key: SigningKey::from_bytes(seed) })
    }

    /// Reads `PRIVATE+KEY+<name>+<hash>+<key>`, as signed notes write it.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn parse(text: &Secret) -> Result<Self, NoteError> {
        let rest = text.expose().trim().strip_prefix(SECRET_PREFIX);
        let parts = rest.and_then(split_key).ok_or(SIGNER.because("it has other parts"))?;
        let seed = Zeroizing::new(key_bytes(parts.key).ok_or(SIGNER.because("its key is not Ed25519's"))?);
        let signer = Self::from_seed(parts.name, &seed)?;
        if signer.verifier().id_text() != parts.id {
            return Err(SIGNER.because("its hash belongs to another key: it was cut or mistyped"));
        }
        Ok(signer)
    }

    /// The text that [`CheckpointSigner::parse`] reads.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        let key = Zeroizing::new(encode_key(&self.key.to_bytes()));
        Secret::new(format!("{SECRET_PREFIX}{}+{}+{}", self.name.0, self.verifier().id_text(), *key))
    }

    /// What others check signatures by.
    #[must_use]
    pub fn verifier(&self) -> CheckpointVerifier {
        CheckpointVerifier { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Signs what a log was.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> SignedCheckpoint {
        let body = checkpoint.body();
        let verifier = self.verifier();
        let mut signed = verifier.id().to_vec();
        signed.extend_from_slice(&self.key.sign(body.as_bytes()).to_bytes());
        let note = format!("{body}\n\u{2014} {} {}\n", self.name.0, BASE64.encode(signed));
        SignedCheckpoint { checkpoint: checkpoint.clone(), note }
    }
}

impl fmt::Debug for CheckpointSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpointSigner").field("name", &self.name.0).finish_non_exhaustive()
    }
}

/// Checks who has signed a checkpoint. It is no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckpointVerifier {
    name: KeyName,
    key: VerifyingKey,
}

impl CheckpointVerifier {
    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name.0
    }

    /// What tells it from other keys of its name.
    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(self.name.0.as_bytes())
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.to_bytes())
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    fn id_text(&self) -> String {
        self.id().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks that this key has signed it.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`], [`NoteError::Forged`].
    pub fn verify(&self, signed: &SignedCheckpoint) -> Result<(), NoteError> {
        let size = signed.checkpoint.size;
        let (body, signatures) = signed.note.split_at(signed.body_length());
        let not_signed = NoteError::NotSigned { size, key: self.name.0.clone() };
        let mut found = Err(not_signed);
        for line in signatures.lines().skip(1) {
            let Some((name, bytes)) = signature_of(line) else { continue };
            if name != self.name.0 || bytes.first_chunk() != Some(&self.id()) {
                continue;
            }
            let signature = bytes.get(4..).and_then(|bytes| Signature::from_slice(bytes).ok());
            let is_theirs = signature
                .is_some_and(|signature| self.key.verify_strict(body.as_bytes(), &signature).is_ok());
            if !is_theirs {
                return Err(NoteError::Forged { size, key: self.name.0.clone() });
            }
            found = Ok(());
        }
        found
    }
}

impl FromStr for CheckpointVerifier {
    type Err = NoteError;

    /// Reads `<name>+<hash>+<key>`, as signed notes write it.
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let parts = split_key(text.trim()).ok_or(VERIFIER.because("it has other parts"))?;
        let name = KeyName::parse(parts.name)
            .ok_or(VERIFIER.because("its name is empty, or has white space or a plus sign"))?;
        let bytes = key_bytes(parts.key).ok_or(VERIFIER.because("its key is not Ed25519's"))?;
        let key = VerifyingKey::from_bytes(&bytes)
            .map_err(|_| VERIFIER.because("its key is no point of the curve"))?;
        let verifier = Self { name, key };
        if verifier.id_text() != parts.id {
            return Err(VERIFIER.because("its hash belongs to another key: it was cut or mistyped"));
        }
        Ok(verifier)
    }
}

impl fmt::Display for CheckpointVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name.0, self.id_text(), encode_key(&self.key.to_bytes()))
    }
}

impl fmt::Debug for CheckpointVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a log was: so many leaves, and the root over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }
}

/// A checkpoint with whatever signatures stand under it; [`CheckpointVerifier::verify`] says what they are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

impl SignedCheckpoint {
    /// What it says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The whole text.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Up to the empty line before the signatures.
    fn body_length(&self) -> usize {
        self.note.find("\n\n").map_or(self.note.len(), |at| at + 1)
    }
}

/// Bytes of a signature by Ed25519, behind those of its key's hash.
const SIGNATURE: usize = 4 + 64;

impl SignedCheckpoint {
    /// Whether some signature is as long as one must be: a note that was cut may end in a piece of one.
    pub(crate) fn has_whole_signature(&self) -> bool {
        let signatures = self.note[self.body_length()..].lines().filter_map(signature_of);
        signatures.map(|(_, bytes)| bytes.len()).any(|bytes| bytes >= SIGNATURE)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        let malformed = |line, reason| NoteError::Malformed { line, reason };
        let note = if note.ends_with('\n') { note.to_owned() } else { format!("{note}\n") };
        let Some((body, signatures)) = note.split_once("\n\n") else {
            return Err(malformed(1, "there is no empty line between what is signed and its signatures"));
        };
        let mut lines = body.split('\n');
        let origin =
            lines.next().filter(|origin| !origin.is_empty()).ok_or(malformed(1, "the origin is empty"))?;
        let size = lines.next().and_then(decimal).ok_or(malformed(2, "the size is no decimal number"))?;
        let root = lines.next().and_then(Hash::from_base64);
        let root = root.ok_or(malformed(3, "the root is not 32 bytes in base64"))?;
        let first = body.split('\n').count() + 2;
        for (place, line) in signatures.lines().enumerate() {
            if signature_of(line).is_none() {
                return Err(malformed(first + place, "it is no signature: a dash, a name, base64"));
            }
        }
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
        Ok(Self { checkpoint, note })
    }
}

/// A key's name: not empty, no white space, no plus sign.
#[derive(Clone, PartialEq, Eq)]
struct KeyName(String);

impl KeyName {
    fn parse(text: &str) -> Option<Self> {
        let is_plain =
            !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || letter == '+');
        is_plain.then(|| Self(text.to_owned()))
    }
}

struct KeyParts<'t> {
    name: &'t str,
    id: &'t str,
    key: &'t str,
}

/// Base64 may have plus signs, names and hashes have none.
fn split_key(text: &str) -> Option<KeyParts<'_>> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    Some(KeyParts { name, id, key })
}

fn key_bytes(text: &str) -> Option<[u8; 32]> {
    let bytes = Zeroizing::new(BASE64.decode(text).ok()?);
    match bytes.split_first() {
        Some((&ED25519, key)) => key.try_into().ok(),
        _ => None,
    }
}

fn encode_key(key: &[u8; 32]) -> String {
    let mut bytes = Zeroizing::new(vec![ED25519]);
    bytes.extend_from_slice(key);
    BASE64.encode(&*bytes)
}

/// The name and the bytes of a line under a note.
fn signature_of(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    Some((name, BASE64.decode(bytes).ok()?))
}

/// As it is written: without a sign, and without zeros before it.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// How one kind of key is written.
struct Form {
    what: &'static str,
    form: &'static str,
}

const SIGNER: Form = Form { what: "signing key", form: "PRIVATE+KEY+<name>+<hash>+<base64>" };
const VERIFIER: Form = Form { what: "public key", form: "<name>+<hash>+<base64>" };

impl Form {
    const fn because(&self, reason: &'static str) -> NoteError {
        NoteError::Key { what: self.what, form: self.form, reason }
    }
}

#[cfg(test)]
mod tests;
