//! Comparison operators: an enum that text parses into, never text that reaches SQL.

use crate::BuildError;
use std::str::FromStr;

/// A comparison between a column and a value.
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
    /// `ILIKE`
    ILike,
    /// `~`, a POSIX regular expression
    Matches,
    /// `@>`: jsonb or array contains
    Contains,
    /// `<@`: jsonb or array is contained by
    ContainedBy,
    /// `?`: jsonb has the key
    HasKey,
    /// `&&`: arrays overlap
    Overlaps,
}

impl Op {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Eq => " = ",
            Self::Ne => " <> ",
            Self::Lt => " < ",
            Self::Le => " <= ",
            Self::Gt => " > ",
            Self::Ge => " >= ",
            Self::Like => " LIKE ",
            Self::ILike => " ILIKE ",
            Self::Matches => " ~ ",
            Self::Contains => " @> ",
            Self::ContainedBy => " <@ ",
            Self::HasKey => " ? ",
            Self::Overlaps => " && ",
        }
    }
}

impl FromStr for Op {
    type Err = BuildError;

    fn from_str(op: &str) -> Result<Self, BuildError> {
        Ok(match op.trim().to_ascii_lowercase().as_str() {
            "=" | "==" => Self::Eq,
            "<>" | "!=" => Self::Ne,
            "<" => Self::Lt,
            "<=" => Self::Le,
            ">" => Self::Gt,
            ">=" => Self::Ge,
            "like" => Self::Like,
            "ilike" => Self::ILike,
            "~" => Self::Matches,
            "@>" => Self::Contains,
            "<@" => Self::ContainedBy,
            "?" => Self::HasKey,
            "&&" => Self::Overlaps,
            _ => return Err(BuildError::Op { op: op.to_owned() }),
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
