//! Comparison operators: an enum that text parses into, never text that reaches SQL.

use crate::BuildError;
use std::str::FromStr;

/// A comparison between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `LIKE`
    Like,
    /// `NOT LIKE`
    NotLike,
    /// `ILIKE`
    ILike,
    /// `NOT ILIKE`
    NotILike,
    /// `^@`: the text starts with the other
    StartsWith,
    /// `~`, a POSIX regular expression
    Matches,
    /// `~*`, the same whatever the case
    MatchesAnyCase,
    /// `!~`, no match of the regular expression
    NotMatches,
    /// `!~*`, the same whatever the case
    NotMatchesAnyCase,
    /// `@>`: jsonb or array contains
    Contains,
    /// `<@`: jsonb or array is contained by
    ContainedBy,
    /// `?`: jsonb has the key
    HasKey,
    /// `?|`: jsonb has one of the keys
    HasAnyKey,
    /// `?&`: jsonb has all of the keys
    HasAllKeys,
    /// `&&`: arrays or ranges overlap
    Overlaps,
    /// `@@`: a text matches a search, or jsonb a path's condition
    Search,
    /// `@?`: a JSON path finds something
    PathExists,
    /// `IS DISTINCT FROM`
    IsDistinctFrom,
    /// `IS NOT DISTINCT FROM`
    IsNotDistinctFrom,
}

impl Op {
    /// Every operator, in the order of declaration.
    pub const ALL: &'static [Self] = &[
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Le,
        Self::Gt,
        Self::Ge,
        Self::Like,
        Self::NotLike,
        Self::ILike,
        Self::NotILike,
        Self::StartsWith,
        Self::Matches,
        Self::MatchesAnyCase,
        Self::NotMatches,
        Self::NotMatchesAnyCase,
        Self::Contains,
        Self::ContainedBy,
        Self::HasKey,
        Self::HasAnyKey,
        Self::HasAllKeys,
        Self::Overlaps,
        Self::Search,
        Self::PathExists,
        Self::IsDistinctFrom,
        Self::IsNotDistinctFrom,
    ];

    /// With a space on both sides.
    #[inline]
    pub(crate) const fn sql(self) -> &'static str {
        match self {
            Self::Eq => " = ",
            Self::Ne => " <> ",
            Self::Lt => " < ",
            Self::Le => " <= ",
            Self::Gt => " > ",
            Self::Ge => " >= ",
            Self::Like => " LIKE ",
            Self::NotLike => " NOT LIKE ",
            Self::ILike => " ILIKE ",
            Self::NotILike => " NOT ILIKE ",
            Self::StartsWith => " ^@ ",
            Self::Matches => " ~ ",
            Self::MatchesAnyCase => " ~* ",
            Self::NotMatches => " !~ ",
            Self::NotMatchesAnyCase => " !~* ",
            Self::Contains => " @> ",
            Self::ContainedBy => " <@ ",
            Self::HasKey => " ? ",
            Self::HasAnyKey => " ?| ",
            Self::HasAllKeys => " ?& ",
            Self::Overlaps => " && ",
            Self::Search => " @@ ",
            Self::PathExists => " @? ",
            Self::IsDistinctFrom => " IS DISTINCT FROM ",
            Self::IsNotDistinctFrom => " IS NOT DISTINCT FROM ",
        }
    }

    /// As PostgreSQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.sql().trim_ascii()
    }
}

impl FromStr for Op {
    type Err = BuildError;

    fn from_str(op: &str) -> Result<Self, BuildError> {
        let words = op.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        let words = match words.as_str() {
            "==" => "=",
            "!=" => "<>",
            other => other,
        };
        Self::ALL.iter().copied().find(|known| known.as_str() == words).ok_or_else(|| BuildError::UnknownOp {
            op: op.to_owned(),
            nearest: crate::catalogue::nearest(&words.to_lowercase(), Self::ALL.iter().map(|op| op.as_str())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Op;

    #[test]
    fn text_parses_or_is_refused() {
        assert_eq!("=".parse::<Op>(), Ok(Op::Eq));
        assert_eq!(" ILIKE ".parse::<Op>(), Ok(Op::ILike));
        for op in ["", "= 1 OR 1", "IN", "; --", "IS"] {
            assert!(op.parse::<Op>().is_err(), "{op:?}");
        }
    }
}
