//! `view!`: rows that are only read.

/// Declares a view, or a table that is only read: its row, for [`repository::find`](crate::repository::find) and
/// [`repository::count`](crate::repository::count). Every column is one of the row.
///
/// ```
/// use db_model::{repository, view};
/// use db_query::{col, desc};
///
/// view! {
///     /// How many notes there are of each author.
///     pub struct Author in "note_authors" {
///         /// Who wrote them.
///         author: Option<String>,
///         /// How many.
///         notes: i64,
///     }
/// }
///
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), db_model::Error> {
/// let busy: Vec<Author> = repository::find(conn, |authors| {
///     authors.filter(col("notes").gt(100_i64)).order_by(desc("notes")).limit(10)
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! view {
    (
        $(#[$row_meta:meta])*
        $vis:vis struct $row:ident in $view:literal {
            $($(#[$meta:meta])* $column:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[$row_meta])*
        #[derive(Clone, Debug, PartialEq, ::sqlx::FromRow, ::serde::Serialize, ::serde::Deserialize)]
        $vis struct $row {
            $($(#[$meta])* pub $column: $type,)+
        }

        impl $crate::entity::Record for $row {
            const TABLE: &'static ::db_query::Table = &::db_query::Table::new($view, &[
                $($crate::entity::field::<$type>(stringify!($column)),)+
            ]);
            const COLUMNS: &'static [&'static str] = &[$(concat!($view, ".", stringify!($column)),)+];
        }
    };
}
