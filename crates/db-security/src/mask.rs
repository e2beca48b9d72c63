//! Keeps personal data and secrets out of texts.
