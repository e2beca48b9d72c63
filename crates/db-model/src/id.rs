//! Keys of rows, one type a table, so that one cannot be passed for another.

/// Declares the key of a table: a UUID that is made here, so that other rows may refer to one before it is inserted.
///
/// ```
/// db_model::id! {
///     /// Key of a row of `notes`.
///     NoteId
/// }
/// let (first, second) = (NoteId::generate(), NoteId::generate());
/// assert_ne!(first, second);
/// assert_eq!(first.to_string().parse(), Ok(first));
/// ```
#[macro_export]
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
            ::serde::Serialize, ::serde::Deserialize, ::sqlx::Type,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(::uuid::Uuid);

        impl $name {
            /// A new key, version 7: later keys sort after earlier ones, so an index grows at its end.
            #[must_use]
            pub fn generate() -> Self {
                Self(::uuid::Uuid::now_v7())
            }

            /// The key as the database holds it.
            #[must_use]
            pub const fn as_uuid(&self) -> &::uuid::Uuid {
                &self.0
            }
        }

        impl From<::uuid::Uuid> for $name {
            fn from(id: ::uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for ::uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl $crate::entity::ColumnType for $name {
            const KIND: ::db_query::Kind = ::db_query::Kind::Uuid;

            fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut ::db_query::Arrays<'_>) {
                arrays.column(name, values);
            }
        }

        impl $crate::entity::KeyPart for $name {}
    };
}

id! {
    /// Key of a row of `tasks`.
    TaskId
}
id! {
    /// Key of a row of `task_executions`.
    ExecutionId
}
id! {
    /// Key of a row of `error_logs`.
    ErrorLogId
}
id! {
    /// Key of a row of `code_analysis`.
    CodeAnalysisId
}
id! {
    /// Key of a row of `pr_validations`.
    PrValidationId
}
id! {
    /// Key of a row of `audit_logs`.
    AuditLogId
}
id! {
    /// Key of a row of `users`.
    UserId
}
id! {
    /// Key of a row of `research_queries`.
    ResearchQueryId
}
id! {
    /// Key of a row of `research_results`.
    ResearchResultId
}
id! {
    /// Key of a row of `research_sources`.
    ResearchSourceId
}
id! {
    /// Key of a row of `knowledge_entries`.
    KnowledgeEntryId
}
id! {
    /// Key of a row of `agents`.
    AgentId
}
id! {
    /// Key of a row of `decisions`.
    DecisionId
}
id! {
    /// Key of a row of `plans`.
    PlanId
}
id! {
    /// Key of a row of `plan_steps`.
    PlanStepId
}
id! {
    /// Key of a row of `learning_events`.
    LearningEventId
}
id! {
    /// Key of a row of `learning_patterns`.
    LearningPatternId
}
id! {
    /// Key of a row of `security_events`.
    SecurityEventId
}
id! {
    /// Key of a row of `user_sessions`.
    SessionId
}
id! {
    /// Key of a row of `emails`.
    EmailId
}
id! {
    /// Key of a row of `email_threads`.
    EmailThreadId
}
id! {
    /// Key of a row of `email_attachments`.
    EmailAttachmentId
}
