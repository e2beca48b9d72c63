//! Profiles: what users show of themselves.

use crate::{UserId, entity};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

entity! {
    /// A row of `user_profiles`, at most one a user.
    pub struct Profile in "user_profiles": Versioned;
    /// A profile to insert, or to write over the one there is.
    struct NewProfile;
    conflict [user_id];

    key {
        /// Whose it is.
        user_id: UserId,
    }
    optional {
        /// What the user wants to be called; not empty.
        display_name: String,
        /// Where a picture is.
        avatar_url: String,
        /// What the user says of themselves.
        bio: String,
    }
    default {
        /// Language, as in `en` or `pt-BR`.
        locale: String = "en".to_owned(),
        /// Time zone, as in `Europe/Berlin`.
        time_zone: String = "UTC".to_owned(),
        /// What else is known.
        attributes: Value = json!({}),
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
}
