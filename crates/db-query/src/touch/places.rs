//! What is done to the rows of a table at each place where a statement names it.

use super::{Access, Item, Role, Survey};

impl Survey<'_> {
    /// What is done to the rows of a table where it is named, at the span of this number.
    pub(crate) fn accesses_at(&self, position: usize) -> Vec<Access> {
        let Some(item) = self.items.iter().find(|item| item.position == position) else { return Vec::new() };
        let Some(access) = item.access else { return Vec::new() };
        let other = match access {
            Access::Read if self.is_locked(item) => Some(Access::Update),
            Access::Update | Access::Delete | Access::Insert if self.is_read(item) => Some(Access::Read),
            _ => None,
        };
        std::iter::once(access).chain(other).collect()
    }

    /// Whether a column of the statement's target is named to be read, or may be.
    fn is_read(&self, target: &Item) -> bool {
        self.state.spans.iter().any(|span| {
            if !self.sees(span.scope, target.scope) {
                return false;
            }
            let mut parts = span.parts(&self.state.text);
            match span.role {
                Role::Column | Role::SortKey => {
                    let is_row = target.answers_to(&parts);
                    parts.pop();
                    is_row || parts.is_empty() || target.answers_to(&parts)
                }
                Role::Star if parts.is_empty() => span.scope == target.scope,
                Role::Star => target.answers_to(&parts),
                Role::Excluded => target.access == Some(Access::Insert),
                _ => false,
            }
        })
    }

    /// Whether rows of a table in FROM are locked, by its own query or by one around it.
    fn is_locked(&self, item: &Item) -> bool {
        let is_named = |scope: u8, names: &dyn Fn(&[String]) -> bool| {
            let locks =
                self.state.spans.iter().filter(|span| span.role == Role::Locked && span.scope == scope);
            locks.map(|span| span.parts(&self.state.text)).any(|name| name.is_empty() || names(&name))
        };
        if is_named(item.scope, &|name| item.answers_to(name)) {
            return true;
        }
        let mut scope = item.scope;
        while let Some(derived) = self.state.derived.iter().find(|derived| derived.body == scope) {
            if is_named(derived.scope, &|name| name == [derived.alias.as_str()]) {
                return true;
            }
            scope = derived.scope;
        }
        false
    }
}
