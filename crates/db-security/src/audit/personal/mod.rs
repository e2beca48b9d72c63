//! What events say of people: encrypted by a key of each person's own, so that who is to be forgotten is so by the end of one
//! key. The tree holds a commitment to it, not it, so every proof stays.

mod cipher;
mod erase;
mod master;
mod ring;

pub(crate) use cipher::{Opened, Sealed, SubjectKey};
pub(crate) use erase::ERASED;
pub use erase::{Erasure, erase, replay};
pub use master::MasterKey;
pub(crate) use ring::{Keys, SealedFor, Wanted, keys_for};
pub use ring::{check_master_key, rewrap};
