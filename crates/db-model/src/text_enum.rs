//! Enums that the database holds as text: one list of names gives every way to write and read them.

/// Declares an enum whose variants are stored as the given text.
///
/// It gets `ALL`, `as_str`, `Display`, `FromStr`, serde, and sqlx's `Type`, `Encode` and `Decode`; a text that no
/// variant has is a decode error which names it. With `transitions` it is a [`Status`](crate::entity::Status).
///
/// ```
/// db_model::text_enum! {
///     /// Where a note stands.
///     pub enum NoteStatus {
///         /// Being written.
///         Draft = "draft",
///         /// For all to see.
///         Public = "public",
///         /// No longer wanted.
///         Gone = "gone",
///     }
///     transitions {
///         Draft => Public | Gone,
///         Public => Gone,
///     }
/// }
/// assert_eq!("public".parse(), Ok(NoteStatus::Public));
/// assert!(NoteStatus::Draft.can_become(NoteStatus::Gone));
/// assert!(!NoteStatus::Gone.can_become(NoteStatus::Draft));
/// ```
#[macro_export]
macro_rules! text_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }
        $(transitions { $($from:ident => $($to:ident)|+),+ $(,)? })?
    ) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::serde::Serialize, ::serde::Deserialize,
        )]
        $vis enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text that the database holds.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        $(
            impl $name {
                /// Whether `next` may follow; a trigger of the table says the same, and a test compares the two.
                #[must_use]
                pub const fn can_become(self, next: Self) -> bool {
                    $(if matches!(self, Self::$from) && matches!(next, $(Self::$to)|+) {
                        return true;
                    })+
                    false
                }
            }

            impl $crate::entity::Status for $name {
                const ALL: &'static [Self] = Self::ALL;

                fn can_become(self, next: Self) -> bool {
                    self.can_become(next)
                }

                fn as_str(self) -> &'static str {
                    self.as_str()
                }
            }
        )?

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::UnknownText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|item| item.as_str() == text).ok_or_else(|| {
                    $crate::UnknownText { type_name: stringify!($name), text: text.to_owned() }
                })
            }
        }

        impl ::sqlx::Type<::sqlx::Postgres> for $name {
            fn type_info() -> ::sqlx::postgres::PgTypeInfo {
                <str as ::sqlx::Type<::sqlx::Postgres>>::type_info()
            }

            fn compatible(info: &::sqlx::postgres::PgTypeInfo) -> bool {
                <str as ::sqlx::Type<::sqlx::Postgres>>::compatible(info)
            }
        }

        impl ::sqlx::postgres::PgHasArrayType for $name {
            fn array_type_info() -> ::sqlx::postgres::PgTypeInfo {
                <String as ::sqlx::postgres::PgHasArrayType>::array_type_info()
            }
        }

        impl ::sqlx::Encode<'_, ::sqlx::Postgres> for $name {
            fn encode_by_ref(
                &self,
                buffer: &mut ::sqlx::postgres::PgArgumentBuffer,
            ) -> Result<::sqlx::encode::IsNull, ::sqlx::error::BoxDynError> {
                <&str as ::sqlx::Encode<'_, ::sqlx::Postgres>>::encode(self.as_str(), buffer)
            }
        }

        impl<'r> ::sqlx::Decode<'r, ::sqlx::Postgres> for $name {
            fn decode(value: ::sqlx::postgres::PgValueRef<'r>) -> Result<Self, ::sqlx::error::BoxDynError> {
                Ok(<&str as ::sqlx::Decode<'r, ::sqlx::Postgres>>::decode(value)?.parse()?)
            }
        }

        impl $crate::entity::ColumnType for $name {
            const KIND: ::db_query::Kind = ::db_query::Kind::OneOf(&[$($text),+]);

            fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut ::db_query::Arrays<'_>) {
                arrays.column(name, values);
            }
        }

        impl $crate::entity::KeyPart for $name {}
    };
}
