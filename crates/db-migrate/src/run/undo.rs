//! What of a way back undoes a migration of which only the first statements are done. Pure.
//!
//! A way back is written for all of a migration. Half way, a `DROP TABLE` in it may mean the table that the migration was
//! about to replace.

use crate::migration::Script;
use crate::script::{Aim, Deed, Statement, aim};

/// What to make of a statement of the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undoing {
    /// It undoes what was done.
    Run,
    /// It undoes what was not.
    PassOver,
    /// Nothing tells, and it may remove what was there before.
    Refuse,
}

/// The statements of a script without those that it rolls back itself, and how many of the first `done` are among them.
pub(super) fn lasting(script: &Script, done: usize) -> (Vec<Statement>, usize) {
    let undone = script.rolled_back();
    let all = script.statements().iter().enumerate();
    let kept = all.filter(|(at, _)| !undone.contains(at)).map(|(_, statement)| statement.clone()).collect();
    (kept, done - undone.range(..done).count())
}

/// Decides of each statement of the way back, when the first `done` statements of the way there are.
pub(super) fn undoing(up: &[Statement], done: usize, down: &Statement) -> Undoing {
    if done == up.len() {
        return Undoing::Run;
    }
    let aims = |statements: &[Statement]| -> Vec<Aim> {
        statements.iter().filter_map(|statement| aim(&statement.text)).collect()
    };
    let (before, after) = (aims(&up[..done]), aims(&up[done..]));
    let Some(Aim { deed, name }) = aim(&down.text) else { return Undoing::Refuse };
    let is = |aims: &[Aim], wanted: Option<Deed>| {
        aims.iter().any(|aim| aim.name == name && wanted.is_none_or(|wanted| aim.deed == wanted))
    };
    match deed {
        Deed::Removes if is(&before, Some(Deed::Makes)) => Undoing::Run,
        Deed::Removes if is(&after, Some(Deed::Makes)) => Undoing::PassOver,
        Deed::Removes => Undoing::Refuse,
        Deed::Makes if is(&before, Some(Deed::Removes)) => Undoing::Run,
        Deed::Changes if is(&before, None) => Undoing::Run,
        Deed::Makes | Deed::Changes => Undoing::PassOver,
    }
}

#[cfg(test)]
mod tests {
    use super::{Undoing, undoing};
    use crate::script::split;

    #[test]
    fn only_what_was_done_is_undone() {
        let up = "CREATE INDEX CONCURRENTLY i ON users (a); ALTER TABLE users RENAME TO users_old; \
                  CREATE TABLE users (id int); CREATE INDEX CONCURRENTLY j ON users (id); INSERT INTO log VALUES (1);";
        let up = split(up, 1).expect("sound");
        let check = |done: usize, down: &str, expected: Undoing| {
            let down = split(down, 1).expect("sound");
            assert_eq!(undoing(&up, done, &down[0]), expected, "{down:?} after {done}");
        };
        check(1, "DROP TABLE users;", Undoing::PassOver);
        check(1, "ALTER TABLE users_old RENAME TO users;", Undoing::PassOver);
        check(1, "DROP INDEX i;", Undoing::Run);
        check(1, "DELETE FROM log;", Undoing::PassOver);
        check(1, "DROP TABLE others;", Undoing::Refuse);
        check(1, "DO $$ BEGIN END $$;", Undoing::Refuse);
        check(3, "DROP TABLE users;", Undoing::Run);
        check(5, "DROP TABLE others;", Undoing::Run);
    }
}
