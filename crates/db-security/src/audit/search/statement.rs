//! The statement of a search: constants of this file, and parameters.

use super::{Action, Search, SearchOrder, cursor::Position};
use crate::audit::{Found, short::short};
use sqlx::{Postgres, QueryBuilder};

/// What an index answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Subject,
    Entity,
    Actor,
    Action,
    Time,
}

impl Search {
    fn anchor(&self) -> Anchor {
        if self.subject.is_some() {
            Anchor::Subject
        } else if self.entity_type.is_some() && self.entity_id.is_some() {
            Anchor::Entity
        } else if self.actor.is_some() {
            Anchor::Actor
        } else if matches!(self.action, Some(Action::Is(_))) {
            Anchor::Action
        } else {
            Anchor::Time
        }
    }

    /// Whether an index answers all of it.
    pub(super) fn is_plain(&self) -> bool {
        let has = |given: bool, anchors: &[Anchor]| !given || anchors.contains(&self.anchor());
        has(self.actor.is_some(), &[Anchor::Actor])
            && has(self.action.is_some(), &[Anchor::Action])
            && has(self.entity_type.is_some(), &[Anchor::Entity])
            && has(self.entity_id.is_some(), &[Anchor::Entity])
            && [self.request.is_some(), self.text.is_some(), self.json_path.is_some(), self.outcome.is_some()]
                == [false; 4]
            && self.leaves.is_none()
    }

    /// So many events behind a position, with a last column that tells whether they are what is looked for. Where not all are, the
    /// last event that was looked at comes too, so that it is known how far that was, and a column with how many they were.
    pub(super) fn statement(&self, behind: Option<Position>, events: u32) -> QueryBuilder<Postgres> {
        self.statement_after("SELECT ", behind, events)
    }

    /// The same behind other first words, which end in SELECT.
    pub(super) fn statement_after(
        &self,
        first: &'static str,
        behind: Option<Position>,
        events: u32,
    ) -> QueryBuilder<Postgres> {
        let mut sql = QueryBuilder::new(first);
        sql.push(Found::TEXTS);
        if self.is_plain() {
            sql.push(", true, count(*) OVER () FROM (");
            self.candidates(&mut sql, behind, events);
            sql.push(") AS candidates");
        } else {
            sql.push(", is_hit, looked FROM (SELECT *, count(*) OVER () AS looked, row_number() OVER (");
            self.push_order(&mut sql);
            sql.push(") AS place, coalesce(");
            self.push_match(&mut sql);
            sql.push(", false) AS is_hit FROM (");
            self.candidates(&mut sql, behind, events);
            sql.push(") AS candidates) AS seen WHERE is_hit OR place = looked");
        }
        self.push_order(&mut sql);
        sql
    }

    /// What an index gives, of the log and of the inbox.
    fn candidates(&self, sql: &mut QueryBuilder<Postgres>, behind: Option<Position>, events: u32) {
        sql.push("(SELECT ").push(Found::OF_LOG).push(" FROM audit_events WHERE true");
        self.push_anchor(sql, behind);
        self.push_order(sql);
        sql.push(" LIMIT ").push_bind(i64::from(events));
        sql.push(") UNION ALL (SELECT ")
            .push(Found::OF_INBOX)
            .push(" FROM audit_inbox WHERE ")
            .push(Found::NOT_REPEATED);
        self.push_anchor(sql, behind);
        self.push_order(sql);
        sql.push(" LIMIT ").push_bind(i64::from(events)).push(")");
        self.push_order(sql);
        sql.push(" LIMIT ").push_bind(i64::from(events));
    }

    fn push_order(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(match self.order {
            SearchOrder::NewestFirst => " ORDER BY occurred_at DESC, id DESC",
            SearchOrder::OldestFirst => " ORDER BY occurred_at, id",
        });
    }

    fn push_anchor(&self, sql: &mut QueryBuilder<Postgres>, behind: Option<Position>) {
        match self.anchor() {
            Anchor::Subject => push_name(sql, " AND subject = ", self.subject.as_ref()),
            Anchor::Entity => {
                push_name(sql, " AND entity_type = ", self.entity_type.as_ref());
                push_name(sql, " AND entity_id = ", self.entity_id.as_ref());
            }
            Anchor::Actor => push_name(sql, " AND actor = ", self.actor.as_ref()),
            Anchor::Action => push_name(sql, " AND action = ", self.exact_action()),
            Anchor::Time => {}
        }
        if let Some(from) = self.from {
            sql.push(" AND occurred_at >= ").push_bind(from);
        }
        if let Some(until) = self.until {
            sql.push(" AND occurred_at < ").push_bind(until);
        }
        if let Some(Position { occurred_at, id }) = behind {
            sql.push(match self.order {
                SearchOrder::NewestFirst => " AND (occurred_at, id) < (",
                SearchOrder::OldestFirst => " AND (occurred_at, id) > (",
            });
            sql.push_bind(occurred_at).push(", ").push_bind(id).push(")");
        }
    }

    fn exact_action(&self) -> Option<&String> {
        match &self.action {
            Some(Action::Is(action)) => Some(action),
            _ => None,
        }
    }

    /// All conditions: those that an index has answered hold once more.
    fn push_match(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("true");
        push_name(sql, " AND actor = ", self.actor.as_ref());
        push_name(sql, " AND action = ", self.exact_action());
        push_name(sql, " AND entity_type = ", self.entity_type.as_ref());
        push_name(sql, " AND entity_id = ", self.entity_id.as_ref());
        push_is(sql, " AND request = ", self.request.as_ref());
        if let Some(Action::BeginsWith(beginning)) = &self.action {
            sql.push(" AND starts_with(action, ").push_bind(beginning.clone()).push(")");
        }
        if let Some(outcome) = self.outcome {
            sql.push(" AND outcome = ").push_bind(outcome.as_str());
        }
        if let Some((from, through)) = self.leaves {
            sql.push(" AND leaf BETWEEN ").push_bind(from).push(" AND ").push_bind(through);
        }
        if let Some(text) = &self.text {
            sql.push(" AND strpos(lower(concat_ws(E'\\n', actor, action, entity_id, old_values, new_values, details)), lower(");
            sql.push_bind(text.clone()).push(")) > 0");
        }
        if let Some(path) = &self.json_path {
            // As `@?`, but a variable that nobody has set is an error, and not NULL.
            for (before, column) in [(" AND (", "old_values"), (" OR ", "new_values"), (" OR ", "details")] {
                sql.push(before).push("coalesce(jsonb_path_exists(").push(column).push(", ");
                sql.push_bind(path.clone()).push("::text::jsonpath, '{}', true), false)");
            }
            sql.push(")");
        }
    }
}

/// A name as it stands in the log.
fn push_name(sql: &mut QueryBuilder<Postgres>, before: &'static str, value: Option<&String>) {
    if let Some(value) = value {
        sql.push(before).push_bind(short(value).into_owned());
    }
}

fn push_is(sql: &mut QueryBuilder<Postgres>, before: &'static str, value: Option<&String>) {
    if let Some(value) = value {
        sql.push(before).push_bind(value.clone());
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{Outcome, Search};

    #[test]
    fn what_an_index_answers_is_plain_and_all_else_is_looked_for() {
        let plain = [
            Search::new(),
            Search::new().actor("a"),
            Search::new().action("a"),
            Search::new().subject("a"),
            Search::new().entity_type("a").entity_id("b"),
        ];
        for search in plain {
            assert!(search.is_plain(), "{search:?}");
        }
        let looked_for = [
            Search::new().actor("a").action("b"),
            Search::new().action("a.*"),
            Search::new().entity_type("a"),
            Search::new().entity_id("a"),
            Search::new().subject("a").entity_type("b"),
            Search::new().subject("a").entity_type("b").entity_id("c"),
            Search::new().outcome(Outcome::Denied),
            Search::new().request("a"),
            Search::new().text("a"),
            Search::new().json_path("$.a"),
            Search::new().leaves(1, 2),
        ];
        for search in looked_for {
            assert!(!search.is_plain(), "{search:?}");
        }
    }

    #[test]
    fn what_users_write_is_never_in_the_text() {
        let search = Search::new()
            .actor("Zq7X")
            .action("Zq7X*")
            .entity_type("Zq7X")
            .entity_id("Zq7X")
            .request("Zq7X")
            .text("Zq7X")
            .json_path("$.Zq7X");
        for search in [search.clone().subject("Zq7X"), search] {
            let built = search.statement(None, 10);
            assert!(!built.sql().as_str().contains("Zq7X"), "{}", built.sql().as_str());
        }
    }
}
