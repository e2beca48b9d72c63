//! One thing of a schema, such as a table or a column.

use std::fmt;

/// One thing that a migration can make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Qualified, and quoted where SQL needs it.
    pub name: String,
    /// What there is to know about it, by name; what is as usual is left out.
    pub properties: Vec<(String, String)>,
}

impl Object {
    /// The value of a property, unless it is as usual.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it goes with this table or view, being a part of it.
    pub(super) fn is_part_of(&self, whole: &Self) -> bool {
        let inside = || self.name.strip_prefix(&whole.name).is_some_and(|rest| rest.starts_with('.'));
        whole.kind.has_parts() && self.kind.is_part() && inside()
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Declares the kinds with their text, in the order in which a snapshot lists them.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $text:literal,)+) => {
        /// What an object is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// Its name, as in "materialized view".
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)+
                }
            }
        }
    };
}

kinds! {
    /// A namespace.
    Schema = "schema",
    /// An extension; what it owns is not listed.
    Extension = "extension",
    /// A language of functions.
    Language = "language",
    /// A way to store tables or indexes.
    AccessMethod = "access method",
    /// A collation.
    Collation = "collation",
    /// An enum, composite, domain, range or base type.
    Type = "type",
    /// A function.
    Function = "function",
    /// A procedure.
    Procedure = "procedure",
    /// An aggregate.
    Aggregate = "aggregate",
    /// An operator.
    Operator = "operator",
    /// What an index needs to know of a type.
    OperatorClass = "operator class",
    /// Operator classes that work together.
    OperatorFamily = "operator family",
    /// A cast.
    Cast = "cast",
    /// A sequence; its value is not listed.
    Sequence = "sequence",
    /// A table, partitioned, foreign or plain.
    Table = "table",
    /// A view.
    View = "view",
    /// A materialised view.
    MaterializedView = "materialized view",
    /// A column of a table or view.
    Column = "column",
    /// A constraint of a table.
    Constraint = "constraint",
    /// An index.
    Index = "index",
    /// Extended statistics.
    Statistics = "statistics",
    /// A trigger of a table.
    Trigger = "trigger",
    /// A rewrite rule of a table or view.
    Rule = "rule",
    /// A row security policy.
    Policy = "policy",
    /// A text search configuration.
    TextSearchConfiguration = "text search configuration",
    /// A text search dictionary.
    TextSearchDictionary = "text search dictionary",
    /// A publication.
    Publication = "publication",
    /// A trigger on DDL.
    EventTrigger = "event trigger",
    /// A foreign data wrapper.
    ForeignDataWrapper = "foreign data wrapper",
    /// A foreign server.
    ForeignServer = "foreign server",
    /// Privileges on one object, a property for each who has some.
    Privileges = "privileges on",
    /// The comment on one object.
    Comment = "comment on",
}

impl Kind {
    pub(super) fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }

    fn has_parts(self) -> bool {
        matches!(self, Self::Table | Self::View | Self::MaterializedView)
    }

    fn is_part(self) -> bool {
        matches!(self, Self::Column | Self::Constraint | Self::Trigger | Self::Rule | Self::Policy)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
