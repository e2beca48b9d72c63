//! `entity!`: one list of columns gives the row, the row to insert, and what the repository has to know.

/// Declares a table: the row that is read, the row to insert, and the [`Entity`](crate::entity::Entity) between them.
///
/// Columns stand in sections that say how they come about; sections may be left out, but not change places. Comments
/// become the documentation of both structs' fields.
///
/// | section | in the row | in `New…` | written by `update` |
/// |---|---|---|---|
/// | `id { id: UserId }` | yes | yes, made by `UserId::generate()` | no |
/// | `key { user_id: UserId, key: String }` | yes | yes, an argument of `new` | no |
/// | `serial { id: i64 }` | yes | no, the database counts | no |
/// | `required { email: String }` | yes | yes, an argument of `new` | yes |
/// | `secret { token_hash: TokenHash }` | no | yes, an argument of `new` | no |
/// | `optional { username: String }` | yes, as `Option<String>` | yes, `None` unless set | yes |
/// | `default { role: String = "member".into() }` | yes | yes, with this value unless set | yes |
/// | `status { status: UserStatus = UserStatus::Pending }` | yes | yes, with this value unless set | no: `set_status` does |
/// | `status by database { status: TaskStatus }` | yes | no, the database knows how a row starts | no |
/// | `now { received_at: DateTime<Utc> }` | yes | yes, as `Option`; `None` is the transaction's time | yes |
/// | `database { version: i64 }` | yes | no, the database knows | no |
/// | `hidden [Field::new("search", Kind::Tsvector)]` | no | no | no |
///
/// * `fixed [user_id];` names columns that never change once they are inserted, though they stand in a section that
///   `update` writes.
/// * `conflict [url];` names the columns of a unique constraint: with it rows can be upserted.
/// * Behind the table's name stand capabilities: `Versioned` for a table with `version`, `SoftDeletes` for one with
///   `deleted_at`. Leaving one out for a table that has the column does not compile.
/// * A `secret` needs a type whose `Debug` does not tell it.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use db_model::{entity, id, repository};
///
/// id! {
///     /// Key of a row of `notes`.
///     NoteId
/// }
///
/// entity! {
///     /// Something to remember.
///     pub struct Note in "notes": Versioned;
///     /// A note to insert.
///     struct NewNote;
///
///     id {
///         /// Key.
///         id: NoteId,
///     }
///     required {
///         /// What to remember.
///         text: String,
///     }
///     optional {
///         /// Who wrote it.
///         author: String,
///     }
///     database {
///         /// Changes so far.
///         version: i64,
///         /// When it was written.
///         created_at: DateTime<Utc>,
///     }
/// }
///
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), db_model::Error> {
/// let mut note = repository::insert(conn, &NewNote::new("Buy milk").author("Ada")).await?;
/// note.text.push_str(" and bread");
/// // Fails if somebody else was faster.
/// repository::update(conn, &note).await?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! entity {
    (@key $only:ty) => { $only };
    (@key $($part:ty),+) => { ($($part),+) };
    (@shown $self:ident $column:ident $($field:ident)*) => {
        $(if $column == stringify!($field) {
            return Some($crate::entity::show(&$self.$field));
        })*
    };
    (@sets $self:ident $update:ident $fixed:ident $($field:ident)*) => {
        $(if const { !$crate::entity::has_name($fixed, stringify!($field)) } {
            $update = $update.set(stringify!($field), &$self.$field);
        })*
    };
    (@capability $row:ident Versioned) => {
        impl $crate::entity::Versioned for $row {
            fn version(&self) -> i64 {
                self.version
            }
        }
    };
    (@capability $row:ident SoftDeletes) => {
        impl $crate::entity::SoftDeletes for $row {
            fn deleted_at(&self) -> Option<::chrono::DateTime<::chrono::Utc>> {
                self.deleted_at
            }
        }
    };
    (
        $(#[$row_meta:meta])*
        $vis:vis struct $row:ident in $table:literal $(: $($capability:ident),+)?;
        $(#[$new_meta:meta])*
        struct $new:ident;
        $(fixed [$($fixed:ident),+ $(,)?];)?
        $(conflict [$($conflict:ident),+ $(,)?];)?

        $(id { $(#[$id_meta:meta])* $id:ident: $id_type:ty $(,)? })?
        $(key { $($(#[$key_meta:meta])* $key:ident: $key_type:ty),+ $(,)? })?
        $(serial { $(#[$serial_meta:meta])* $serial:ident: $serial_type:ty $(,)? })?
        $(required { $($(#[$required_meta:meta])* $required:ident: $required_type:ty),+ $(,)? })?
        $(secret { $($(#[$secret_meta:meta])* $secret:ident: $secret_type:ty),+ $(,)? })?
        $(optional { $($(#[$optional_meta:meta])* $optional:ident: $optional_type:ty),+ $(,)? })?
        $(default { $($(#[$default_meta:meta])* $default:ident: $default_type:ty = $default_value:expr),+ $(,)? })?
        $(status { $(#[$status_meta:meta])* $status:ident: $status_type:ty = $status_value:expr $(,)? })?
        $(status by database { $(#[$state_meta:meta])* $state:ident: $state_type:ty $(,)? })?
        $(now { $($(#[$now_meta:meta])* $now:ident: $now_type:ty),+ $(,)? })?
        $(database { $($(#[$database_meta:meta])* $database:ident: $database_type:ty),+ $(,)? })?
        $(hidden [$($hidden:expr),+ $(,)?])?
    ) => {
        $(#[$row_meta])*
        #[derive(Clone, Debug, PartialEq, ::sqlx::FromRow, ::serde::Serialize, ::serde::Deserialize)]
        $vis struct $row {
            $($(#[$id_meta])* pub $id: $id_type,)?
            $($($(#[$key_meta])* pub $key: $key_type,)+)?
            $($(#[$serial_meta])* pub $serial: $serial_type,)?
            $($($(#[$required_meta])* pub $required: $required_type,)+)?
            $($($(#[$optional_meta])* pub $optional: Option<$optional_type>,)+)?
            $($($(#[$default_meta])* pub $default: $default_type,)+)?
            $($(#[$status_meta])* pub $status: $status_type,)?
            $($(#[$state_meta])* pub $state: $state_type,)?
            $($($(#[$now_meta])* pub $now: $now_type,)+)?
            $($($(#[$database_meta])* pub $database: $database_type,)+)?
        }

        $(#[$new_meta])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $new {
            $($(#[$id_meta])* pub $id: $id_type,)?
            $($($(#[$key_meta])* pub $key: $key_type,)+)?
            $($($(#[$required_meta])* pub $required: $required_type,)+)?
            $($($(#[$secret_meta])* pub $secret: $secret_type,)+)?
            $($($(#[$optional_meta])* pub $optional: Option<$optional_type>,)+)?
            $($($(#[$default_meta])* pub $default: $default_type,)+)?
            $($(#[$status_meta])* pub $status: $status_type,)?
            $($(
                $(#[$now_meta])*
                ///
                /// `None` means the time of the transaction.
                pub $now: Option<$now_type>,
            )+)?
        }

        impl $new {
            #[doc = concat!("A row of `", $table, "` with what it cannot do without.")]
            #[must_use]
            #[allow(clippy::new_without_default, clippy::too_many_arguments, reason = "as the table has it")]
            pub fn new(
                $($($key: impl Into<$key_type>,)+)?
                $($($required: impl Into<$required_type>,)+)?
                $($($secret: impl Into<$secret_type>,)+)?
            ) -> Self {
                Self {
                    $($id: <$id_type>::generate(),)?
                    $($($key: $key.into(),)+)?
                    $($($required: $required.into(),)+)?
                    $($($secret: $secret.into(),)+)?
                    $($($optional: None,)+)?
                    $($($default: $default_value,)+)?
                    $($status: $status_value,)?
                    $($($now: None,)+)?
                }
            }

            $(
                #[doc = concat!("Sets `", stringify!($id), "`.")]
                #[must_use]
                pub fn $id(self, $id: impl Into<$id_type>) -> Self {
                    Self { $id: $id.into(), ..self }
                }
            )?
            $($(
                #[doc = concat!("Sets `", stringify!($optional), "`.")]
                #[must_use]
                pub fn $optional(self, $optional: impl Into<$optional_type>) -> Self {
                    Self { $optional: Some($optional.into()), ..self }
                }
            )+)?
            $($(
                #[doc = concat!("Sets `", stringify!($default), "`.")]
                #[must_use]
                pub fn $default(self, $default: impl Into<$default_type>) -> Self {
                    Self { $default: $default.into(), ..self }
                }
            )+)?
            $(
                #[doc = concat!("Sets `", stringify!($status), "`.")]
                #[must_use]
                pub fn $status(self, $status: $status_type) -> Self {
                    Self { $status, ..self }
                }
            )?
            $($(
                #[doc = concat!("Sets `", stringify!($now), "`.")]
                #[must_use]
                pub fn $now(self, $now: $now_type) -> Self {
                    Self { $now: Some($now), ..self }
                }
            )+)?
        }

        impl $crate::entity::Record for $row {
            const TABLE: &'static ::db_query::Table = &::db_query::Table::new($table, &[
                $($crate::entity::field::<$id_type>(stringify!($id)),)?
                $($($crate::entity::field::<$key_type>(stringify!($key)),)+)?
                $($crate::entity::field::<$serial_type>(stringify!($serial)),)?
                $($($crate::entity::field::<$required_type>(stringify!($required)),)+)?
                $($($crate::entity::field::<$secret_type>(stringify!($secret)),)+)?
                $($($crate::entity::field::<Option<$optional_type>>(stringify!($optional)),)+)?
                $($($crate::entity::field::<$default_type>(stringify!($default)),)+)?
                $($crate::entity::field::<$status_type>(stringify!($status)),)?
                $($crate::entity::field::<$state_type>(stringify!($state)),)?
                $($($crate::entity::field::<$now_type>(stringify!($now)),)+)?
                $($($crate::entity::field::<$database_type>(stringify!($database)),)+)?
                $($($hidden,)+)?
            ]);
            const COLUMNS: &'static [&'static str] = &[
                $(concat!($table, ".", stringify!($id)),)?
                $($(concat!($table, ".", stringify!($key)),)+)?
                $(concat!($table, ".", stringify!($serial)),)?
                $($(concat!($table, ".", stringify!($required)),)+)?
                $($(concat!($table, ".", stringify!($optional)),)+)?
                $($(concat!($table, ".", stringify!($default)),)+)?
                $(concat!($table, ".", stringify!($status)),)?
                $(concat!($table, ".", stringify!($state)),)?
                $($(concat!($table, ".", stringify!($now)),)+)?
                $($(concat!($table, ".", stringify!($database)),)+)?
            ];
        }

        impl $crate::entity::Entity for $row {
            type Key = $crate::entity!(@key $($id_type)? $($($key_type),+)? $($serial_type)?);
            const KEY: &'static [&'static str] = &[
                $(stringify!($id))? $($(stringify!($key)),+)? $(stringify!($serial))?
            ];

            fn key(&self) -> Self::Key {
                ($(self.$id)? $($(self.$key.clone()),+)? $(self.$serial)?)
            }

            #[allow(unused_mut, dead_code, reason = "not every table has a column to update")]
            fn write_sets(&self, mut update: ::db_query::Update) -> ::db_query::Update {
                const FIXED: &[&str] = &[$($(stringify!($fixed)),+)?];
                $crate::entity!(@sets self update FIXED
                    $($($required)+)? $($($optional)+)? $($($default)+)? $($($now)+)?
                );
                update
            }

            fn shown(&self, column: &str) -> Option<String> {
                $crate::entity!(@shown self column
                    $($id)? $($($key)+)? $($($required)+)? $($($optional)+)? $($($default)+)? $($($now)+)?
                );
                None
            }
        }

        impl $crate::entity::Insertable for $new {
            type Row = $row;
            const COLUMNS: &'static [&'static str] = &[
                $(stringify!($id),)?
                $($(stringify!($key),)+)?
                $($(stringify!($required),)+)?
                $($(stringify!($secret),)+)?
                $($(stringify!($optional),)+)?
                $($(stringify!($default),)+)?
                $(stringify!($status),)?
                $($(stringify!($now),)+)?
            ];
            const NOW: &'static [&'static str] = &[$($(stringify!($now)),+)?];
            const FIXED: &'static [&'static str] =
                &[$(stringify!($status),)? $($(stringify!($fixed)),+)?];

            fn write_row(&self, row: &mut ::db_query::Row<'_>) {
                $(row.value(&self.$id);)?
                $($(row.value(&self.$key);)+)?
                $($(row.value(&self.$required);)+)?
                $($(row.value(&self.$secret);)+)?
                $($(row.value(&self.$optional);)+)?
                $($(row.value(&self.$default);)+)?
                $(row.value(&self.$status);)?
                $($(row.expr(::db_query::coalesce((
                    ::db_query::value(&self.$now), ::db_query::now(),
                )));)+)?
            }

            fn write_arrays(rows: &[Self], arrays: &mut ::db_query::Arrays<'_>) {
                use $crate::entity::ColumnType;
                $(<$id_type>::write_array(
                    stringify!($id), rows.iter().map(|row| Some(&row.$id)).collect(), arrays,
                );)?
                $($(<$key_type>::write_array(
                    stringify!($key), rows.iter().map(|row| Some(&row.$key)).collect(), arrays,
                );)+)?
                $($(<$required_type>::write_array(
                    stringify!($required), rows.iter().map(|row| Some(&row.$required)).collect(), arrays,
                );)+)?
                $($(<$secret_type>::write_array(
                    stringify!($secret), rows.iter().map(|row| Some(&row.$secret)).collect(), arrays,
                );)+)?
                $($(<$optional_type>::write_array(
                    stringify!($optional), rows.iter().map(|row| row.$optional.as_ref()).collect(), arrays,
                );)+)?
                $($(<$default_type>::write_array(
                    stringify!($default), rows.iter().map(|row| Some(&row.$default)).collect(), arrays,
                );)+)?
                $(<$status_type>::write_array(
                    stringify!($status), rows.iter().map(|row| Some(&row.$status)).collect(), arrays,
                );)?
                $($(<$now_type>::write_array(
                    stringify!($now), rows.iter().map(|row| row.$now.as_ref()).collect(), arrays,
                );)+)?
            }

            fn write_tuple(
                &self,
                #[allow(unused_variables, reason = "not every table has a time to fill in")]
                now: ::chrono::DateTime<::chrono::Utc>,
                tuple: &mut $crate::entity::Tuple<'_>,
            ) -> Result<(), ::sqlx::error::BoxDynError> {
                $(tuple.push(&self.$id)?;)?
                $($(tuple.push(&self.$key)?;)+)?
                $($(tuple.push(&self.$required)?;)+)?
                $($(tuple.push(&self.$secret)?;)+)?
                $($(tuple.push(&self.$optional)?;)+)?
                $($(tuple.push(&self.$default)?;)+)?
                $(tuple.push(&self.$status)?;)?
                $($(tuple.push(&self.$now.unwrap_or(now))?;)+)?
                Ok(())
            }

            fn shown(&self, column: &str) -> Option<String> {
                $crate::entity!(@shown self column
                    $($id)? $($($key)+)? $($($required)+)? $($($optional)+)? $($($default)+)? $($status)? $($($now)+)?
                );
                None
            }
        }

        $(impl $crate::entity::Upserts for $new {
            const CONFLICT: &'static [&'static str] = &[$(stringify!($conflict)),+];
        })?

        $(impl $crate::entity::HasStatus for $row {
            type Status = $status_type;
            const STATUS: &'static str = stringify!($status);

            fn status(&self) -> $status_type {
                self.$status
            }
        })?

        $(impl $crate::entity::HasStatus for $row {
            type Status = $state_type;
            const STATUS: &'static str = stringify!($state);

            fn status(&self) -> $state_type {
                self.$state
            }
        })?

        $($($crate::entity!(@capability $row $capability);)+)?

        const _: () = {
            const HAS: &[&str] = &[$($(stringify!($capability)),+)?];
            const TABLE: &::db_query::Table = <$row as $crate::entity::Record>::TABLE;
            assert!(
                $crate::entity::has_column(TABLE, "version") == $crate::entity::has_name(HAS, "Versioned"),
                "a table is Versioned if, and only if, it has a column `version`",
            );
            assert!(
                $crate::entity::has_column(TABLE, "deleted_at") == $crate::entity::has_name(HAS, "SoftDeletes"),
                "a table is SoftDeletes if, and only if, it has a column `deleted_at`",
            );
            $($(assert!(
                $crate::entity::has_column(TABLE, stringify!($fixed)),
                concat!("no column `", stringify!($fixed), "` to be fixed"),
            );)+)?
            $($(assert!(
                $crate::entity::has_column(TABLE, stringify!($conflict)),
                concat!("no column `", stringify!($conflict), "` to conflict"),
            );)+)?
        };
    };
}
