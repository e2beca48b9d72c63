//! Reads and writes rows of any [`Entity`].
//!
//! Each function takes the connection, so that several of them may share a transaction. Names and values reach the
//! server through [`db_query`] only. Where a function takes a closure over a [`Select`], it adds conditions, order and limit:
//!
//! ```no_run
//! use db_model::{entity::WithDeleted, repository, user::{NewUser, User}};
//! use db_query::{col, desc};
//!
//! # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), db_model::Error> {
//! let ada = repository::insert(conn, &NewUser::new("ada@example.org").username("ada")).await?;
//! let admins: Vec<User> = repository::find(conn, |users| {
//!     users.filter(col("role").eq("admin")).order_by(desc("created_at")).limit(20)
//! })
//! .await?;
//! assert!(!repository::exists::<User>(conn, |users| users.filter(col("email").eq("eve@example.org"))).await?);
//!
//! let gone: User = repository::soft_delete(conn, &ada.id).await?;
//! assert_eq!(repository::get::<User>(conn, &ada.id).await?, None);
//! assert_eq!(repository::get::<WithDeleted<User>>(conn, &ada.id).await?, Some(WithDeleted(gone)));
//! # Ok(())
//! # }
//! ```
//!
//! Every future can be dropped: its statement either took effect or did not, and the caller's transaction, if there is
//! one, is to be rolled back.

mod copy;
mod insert;
mod read;
mod status;
mod write;

pub(crate) use insert::{insert_at, insert_many_at};
pub(crate) use read::{find_one_at, get_at};
pub(crate) use write::update_at;

pub use copy::copy_in;
pub use insert::{insert, insert_many, upsert, upsert_many};
pub use read::{count, exists, find, find_one, get, get_many, page};
pub use status::{set_status, set_status_with};
pub use write::{delete, restore, soft_delete, update};

use crate::entity::{Entity, Record};
use db_query::{Select, Update, col, constant, now};

/// Leaves out rows that are deleted.
pub(crate) fn visible<R: Record>(select: Select) -> Select {
    if R::HIDES_DELETED {
        // With the table's name, as a caller may join others.
        select.filter(col(&format!("{}.deleted_at", R::TABLE.name())).is_null())
    } else {
        select
    }
}

/// Changes rows that are not deleted, and notes it.
fn touch<E: Entity>(update: Update) -> Update {
    let update = counted::<E>(update);
    if E::HIDES_DELETED { update.filter(col("deleted_at").is_null()) } else { update }
}

/// Notes a change in the columns that are there for it.
fn counted<E: Entity>(mut update: Update) -> Update {
    if E::COUNTS_VERSIONS {
        update = update.set_expr("version", col("version") + constant(1_i64));
    }
    if E::NOTES_CHANGES {
        update = update.set_expr("updated_at", now());
    }
    update
}
