//! Notes as others write and read them, and notes that are none.

use super::{Checkpoint, CheckpointSigner, CheckpointVerifier, NoteError, SignedCheckpoint};
use crate::audit::Hash;
use db_core::Secret;

/// The key of Go's own example (golang.org/x/mod/sumdb/note).
const GO_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const GO_PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fn signer() -> CheckpointSigner {
    CheckpointSigner::from_seed("example.org/log", &[3; 32]).expect("a name")
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "cairn-audit/x".to_owned(), size: 17, root: Hash::of_leaf(b"root") }
}

#[test]
fn keys_are_those_of_signed_notes() {
    let signer = CheckpointSigner::parse(&Secret::new(GO_SECRET)).expect("Go's example");
    assert_eq!(signer.verifier().to_string(), GO_PUBLIC);
    assert_eq!(GO_PUBLIC.parse(), Ok(signer.verifier()));
    assert_eq!(signer.to_secret().expose(), GO_SECRET);
    assert!(!format!("{signer:?}").contains("AYEK"));
}

#[test]
fn what_is_signed_is_read_and_verified() {
    let signed = signer().sign(&checkpoint());
    let read: SignedCheckpoint = signed.note().parse().expect("what was written");
    assert_eq!(read, signed);
    assert_eq!(read.checkpoint(), &checkpoint());
    assert_eq!(signer().verifier().verify(&read), Ok(()));
    let another = CheckpointSigner::from_seed("example.org/log", &[4; 32]).expect("a name").verifier();
    assert!(matches!(another.verify(&read), Err(NoteError::NotSigned { size: 17, .. })));
}

#[test]
fn whatever_is_altered_is_found() {
    let note = signer().sign(&checkpoint()).note().to_owned();
    for (at, old) in note.char_indices() {
        let mut altered = note.clone();
        altered.replace_range(at..at + old.len_utf8(), if old == 'A' { "B" } else { "A" });
        let verified = altered.parse::<SignedCheckpoint>().and_then(|read| signer().verifier().verify(&read));
        assert!(verified.is_err(), "letter {at}: {altered}");
    }
}

#[test]
fn what_is_no_key_is_refused_without_repeating_it() {
    for text in
        ["", "hunter2-secret", "PRIVATE+KEY+a+00000000+hunter2-secret", &GO_SECRET[..GO_SECRET.len() - 4]]
    {
        let error = CheckpointSigner::parse(&Secret::new(text)).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    assert!(GO_PUBLIC.replace("c74f20a3", "c74f20a4").parse::<CheckpointVerifier>().is_err());
    assert!(CheckpointSigner::from_seed("a b", &[0; 32]).is_err());
}
