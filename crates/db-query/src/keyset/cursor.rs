//! Cursors: where a page ends, in a form that a client can keep but neither read into nor change.

use super::Keyset;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use db_core::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// The form below; a cursor of another version is refused like one of another list.
const VERSION: u8 = 1;

/// Bytes of the signature that a cursor carries: half of it, as RFC 2104 allows.
const SIGNATURE_BYTES: usize = 16;

/// A longer cursor is not looked at.
const MAX_BYTES: usize = 16 * 1024;

/// Bytes before the values: version, kind, fingerprint of the order.
const HEAD_BYTES: usize = 10;

/// What cursors are signed with; the same in every process that serves a list.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl CursorKey {
    /// From a secret of 16 bytes or more.
    ///
    /// # Errors
    /// [`CursorError::ShortKey`].
    pub fn new(secret: &Secret) -> Result<Self, CursorError> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < 16 {
            return Err(CursorError::ShortKey);
        }
        Hmac::new_from_slice(bytes).map(Self).map_err(|_| CursorError::ShortKey)
    }

    /// A key of this process: its cursors are refused by every other, and after a restart.
    ///
    /// # Errors
    /// [`CursorError::NoRandomness`] where the operating system gives none.
    pub fn random() -> Result<Self, CursorError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| CursorError::NoRandomness)?;
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| CursorError::ShortKey)
    }

    fn sign(&self, bound_to: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // The length keeps the two apart.
        mac.update(&(bound_to.len() as u64).to_le_bytes());
        mac.update(bound_to.as_bytes());
        mac.update(body);
        mac
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(***)")
    }
}

/// Why a cursor does not serve. None of it says what would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// It is not of our making, or was changed, or belongs to somebody else.
    #[error("the cursor is not one that this service gave out; begin again without it")]
    Forged,
    /// It is of our making, but for another order of the list.
    #[error("the cursor belongs to another sort order; begin again without it")]
    OtherOrder,
    /// The secret is too short to sign with.
    #[error("the secret for cursors has to have 16 bytes or more")]
    ShortKey,
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// The values of the sort keys do not fit into a cursor.
    #[error("the sort keys of a row take more than {max} bytes, too many for a cursor")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The server's answer lacks the cursor's column, or has something else in it.
    #[error("the rows do not bring what a cursor is made of; select them with Pages::select")]
    NoPosition,
}

/// Which page is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Last,
    After,
    Before,
}

impl Place {
    const ALL: [Self; 4] = [Self::First, Self::Last, Self::After, Self::Before];

    /// Whether the list is read from its end.
    pub(super) fn is_backwards(self) -> bool {
        matches!(self, Self::Last | Self::Before)
    }
}

/// A place in a list, as text for the client. It holds the values of the sort keys, signed but not hidden: do not sort by
/// what a client may not see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn seal(
        key: &CursorKey,
        bound_to: &str,
        keyset: &Keyset,
        place: Place,
        position: &[Option<String>],
    ) -> Result<Self, CursorError> {
        let mut body = vec![VERSION, place as u8];
        body.extend(keyset.fingerprint().to_le_bytes());
        if !position.is_empty() {
            serde_json::to_writer(&mut body, position).map_err(|_| CursorError::NoPosition)?;
        }
        let signature = key.sign(bound_to, &body).finalize().into_bytes();
        body.extend(&signature[..SIGNATURE_BYTES]);
        let text = URL_SAFE_NO_PAD.encode(body);
        if text.len() > MAX_BYTES {
            return Err(CursorError::TooLong { max: MAX_BYTES });
        }
        Ok(Self(text))
    }

    pub(super) fn open(
        key: &CursorKey,
        bound_to: &str,
        keyset: &Keyset,
        text: &str,
    ) -> Result<(Place, Vec<Option<String>>), CursorError> {
        if text.len() > MAX_BYTES {
            return Err(CursorError::Forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Forged)?;
        let end = bytes.len().checked_sub(SIGNATURE_BYTES).ok_or(CursorError::Forged)?;
        let (body, signature) = bytes.split_at(end);
        // Nothing of it is read before it is known to be ours.
        key.sign(bound_to, body).verify_truncated_left(signature).map_err(|_| CursorError::Forged)?;
        let (head, values) = body.split_at_checked(HEAD_BYTES).ok_or(CursorError::Forged)?;
        let of_this = head[0] == VERSION && head[2..] == keyset.fingerprint().to_le_bytes();
        let place = Place::ALL.into_iter().find(|&place| place as u8 == head[1]);
        let place = place.filter(|_| of_this).ok_or(CursorError::OtherOrder)?;
        let position: Vec<Option<String>> = if values.is_empty() {
            Vec::new()
        } else {
            serde_json::from_slice(values).map_err(|_| CursorError::OtherOrder)?
        };
        let expected = if matches!(place, Place::First | Place::Last) { 0 } else { keyset.keys.len() };
        if position.len() != expected {
            return Err(CursorError::OtherOrder);
        }
        Ok((place, position))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Cursor {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
