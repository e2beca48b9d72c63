//! Full-text search: a text as a vector of words, what somebody typed as a query, how well the two match.

use super::{Condition, Expr, Operand, function::Call, operator::Binary};
use crate::{BuildError, Op, writer::Writer};

/// A text search configuration: which words count, and what they are reduced to.
///
/// It stands in the text as a constant, because an index on `to_tsvector(config, column)` serves no other form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextConfig(String);

impl TextConfig {
    /// By name: `simple`, `english`, `german` …; of letters, digits and underscores.
    ///
    /// # Errors
    /// [`BuildError::Ident`] for anything else.
    pub fn parse(name: &str) -> Result<Self, BuildError> {
        crate::ident::check(name)?;
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(Self(name.to_owned()));
        }
        Err(BuildError::Ident {
            name: name.to_owned(),
            reason: "it is no name of a text search configuration",
        })
    }

    /// `simple`: every word as it is.
    #[must_use]
    pub fn simple() -> Self {
        Self("simple".to_owned())
    }

    /// `english`
    #[must_use]
    pub fn english() -> Self {
        Self("english".to_owned())
    }
}

impl Expr for TextConfig {
    fn write(self, writer: &mut Writer) {
        writer.push("'");
        // Only letters, digits and underscores, as `parse` made sure.
        writer.state().text.push_str(&self.0);
        writer.push("'");
    }
}

/// `to_tsvector(config, text)`
pub fn to_tsvector<E: Expr>(config: TextConfig, text: Operand<E>) -> Operand<Call<(TextConfig, E)>> {
    Operand(Call::known("to_tsvector", (config, text.0)))
}

/// What somebody typed into a search field: words, `"phrases"`, `or`, `-not`. No text is an error.
pub fn websearch<E: Expr>(config: TextConfig, text: Operand<E>) -> Operand<Call<(TextConfig, E)>> {
    Operand(Call::known("websearch_to_tsquery", (config, text.0)))
}

/// `ts_rank_cd(vector, query)`: how well they match, by how close the words stand.
pub fn rank<V: Expr, Q: Expr>(vector: Operand<V>, query: Operand<Q>) -> Operand<Call<(V, Q)>> {
    Operand(Call::known("ts_rank_cd", (vector.0, query.0)))
}

/// `ts_headline(config, text, query)`: the places of the text that match.
pub fn headline<E: Expr, Q: Expr>(
    config: TextConfig,
    text: Operand<E>,
    query: Operand<Q>,
) -> Operand<Call<(TextConfig, E, Q)>> {
    Operand(Call::known("ts_headline", (config, text.0, query.0)))
}

impl<T: Expr> Operand<T> {
    /// `expr @@ query`: the vector that the expression is matches the search.
    pub fn matches<Q: Expr>(self, query: Operand<Q>) -> Condition<Binary<T, Q>> {
        self.cmp_to(Op::Search, query)
    }
}
