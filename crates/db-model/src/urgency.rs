//! How urgent a mail or a question is, as people say it.

use crate::text_enum;

text_enum! {
    /// How urgent something is. In the database it is a text, which does not sort by urgency.
    pub enum Urgency {
        /// When there is time.
        Low = "low",
        /// Like most.
        Normal = "normal",
        /// Before most.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }
}
