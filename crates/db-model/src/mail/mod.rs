//! Mail: messages, the threads they make, who wrote to whom, what is attached, what models think of it, and what it adds up
//! to. Every message is in the mailbox of one user.
//!
//! ```no_run
//! use db_model::mail::{Direction, Incoming, NewEmail, Sides, file};
//!
//! # async fn example(conn: &mut sqlx::PgConnection, user: db_model::UserId) -> Result<(), Box<dyn std::error::Error>> {
//! let email = NewEmail::new(user, Direction::Inbound)
//!     .message_id("<2@example.org>")
//!     .in_reply_to("<1@example.org>")
//!     .subject("Re: Lunch");
//! let mail = Incoming { sides: Sides::default().from("ada@example.org").to("bob@example.org"), ..Incoming::new(email) };
//! // In a transaction: the message, its thread, its people and its attachments belong together.
//! let filed = file(conn, &mail).await?;
//! println!("message {} in thread {}", filed.email.id, filed.thread.id);
//! # Ok(())
//! # }
//! ```

mod analysis;
mod attachment;
mod email;
mod file;
mod participant;
mod statistics;
mod thread;

pub use analysis::{EmailAnalysis, NewEmailAnalysis, most_important};
pub use attachment::{EmailAttachment, NewEmailAttachment, attachments};
pub use email::{Direction, Email, EmailSearch, EmailStatus, NewEmail, search, unread, unread_count};
pub use file::{Filed, Incoming, file};
pub use participant::{
    Correspondent, EmailParticipant, NewEmailParticipant, ParticipantRole, Sides, of_email, of_thread,
    with_address,
};
pub use statistics::{
    Day, MailStatistics, ResponseTimes, days, response_times, statistics, top_correspondents,
};
pub use thread::{EmailThread, NewEmailThread, ThreadStatus, messages, threads};
