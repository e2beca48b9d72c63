//! Tasks with their dependencies, checked before anything is written. Pure.

use crate::Error;
use db_model::{TaskId, task::NewTask};
use std::collections::{HashMap, HashSet};

/// What a task does when one that it depends on fails or is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It is cancelled as well.
    Block,
    /// It runs all the same.
    Continue,
}

impl OnFailure {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Continue => "continue",
        }
    }
}

/// `task` waits until `depends_on` is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The one that waits; it must be in the plan.
    pub task: TaskId,
    /// The one that it waits for; in the plan, or in the database already.
    pub depends_on: TaskId,
    /// What a failure does.
    pub on_failure: OnFailure,
}

impl Edge {
    /// `task` runs after `depends_on` has completed, and is cancelled if that fails.
    #[must_use]
    pub fn block(task: TaskId, depends_on: TaskId) -> Self {
        Self { task, depends_on, on_failure: OnFailure::Block }
    }

    /// `task` runs after `depends_on` is settled, however it ended.
    #[must_use]
    pub fn proceed(task: TaskId, depends_on: TaskId) -> Self {
        Self { task, depends_on, on_failure: OnFailure::Continue }
    }
}

/// Tasks and edges without a circle.
#[derive(Clone, Debug)]
pub struct Plan {
    tasks: Vec<NewTask>,
    edges: Vec<Edge>,
}

impl Plan {
    /// Checks tasks and edges. An edge that is given twice counts once.
    ///
    /// # Errors
    /// [`Error::Cycle`] with the titles along the circle, [`Error::Duplicate`], [`Error::UnknownDependent`].
    pub fn new(tasks: Vec<NewTask>, edges: Vec<Edge>) -> Result<Self, Error> {
        let mut positions = HashMap::with_capacity(tasks.len());
        for (position, task) in tasks.iter().enumerate() {
            if positions.insert(task.id, position).is_some() {
                return Err(Error::Duplicate { task: task.id });
            }
        }
        let mut seen = HashSet::with_capacity(edges.len());
        let edges: Vec<Edge> =
            edges.into_iter().filter(|edge| seen.insert((edge.task, edge.depends_on))).collect();
        let mut needs: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
        for edge in &edges {
            let Some(&task) = positions.get(&edge.task) else {
                return Err(Error::UnknownDependent { task: edge.task });
            };
            // What is in the database already cannot wait for a task that is only now made.
            if let Some(&depends_on) = positions.get(&edge.depends_on) {
                needs[task].push(depends_on);
            }
        }
        match find_cycle(&needs) {
            None => Ok(Self { tasks, edges }),
            Some(cycle) => Err(Error::Cycle {
                path: cycle.into_iter().map(|position| tasks[position].title.clone()).collect(),
            }),
        }
    }

    /// The tasks, in the order in which they were given.
    #[must_use]
    pub fn tasks(&self) -> &[NewTask] {
        &self.tasks
    }

    /// The edges, each once.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Unseen,
    Open,
    Done,
}

/// A circle as positions, the first also the last; depth first, without recursion, so that a long chain is no danger.
fn find_cycle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut marks = vec![Mark::Unseen; needs.len()];
    for start in 0..needs.len() {
        if marks[start] != Mark::Unseen {
            continue;
        }
        let mut path = vec![(start, 0)];
        marks[start] = Mark::Open;
        while let Some((position, next)) = path.last_mut() {
            let Some(&need) = needs[*position].get(*next) else {
                marks[*position] = Mark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match marks[need] {
                Mark::Done => {}
                Mark::Unseen => {
                    marks[need] = Mark::Open;
                    path.push((need, 0));
                }
                Mark::Open => {
                    let from = path.iter().position(|&(position, _)| position == need).unwrap_or(0);
                    let circle = path[from..].iter().map(|&(position, _)| position);
                    return Some(circle.chain([need]).collect());
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Edge, Plan};
    use crate::Error;
    use db_model::{TaskId, task::NewTask};

    /// Tasks a, b, c …, and edges as pairs of positions: (who waits, for whom).
    fn check(tasks: usize, edges: &[(usize, usize)]) -> Result<Plan, Error> {
        let titles = ('a'..='z').map(String::from);
        let tasks: Vec<NewTask> = titles.take(tasks).map(NewTask::new).collect();
        let edges = edges.iter().map(|&(task, on)| Edge::block(tasks[task].id, tasks[on].id)).collect();
        Plan::new(tasks, edges)
    }

    fn circle(result: Result<Plan, Error>) -> String {
        match result {
            Err(Error::Cycle { path }) => path.join(" -> "),
            other => panic!("no circle: {other:?}"),
        }
    }

    #[test]
    fn a_circle_is_named() {
        assert_eq!(circle(check(3, &[(0, 1), (1, 2), (2, 0)])), "a -> b -> c -> a");
        assert_eq!(circle(check(4, &[(0, 1), (1, 2), (2, 1), (0, 3)])), "b -> c -> b");
        assert_eq!(circle(check(1, &[(0, 0)])), "a -> a");
    }

    #[test]
    fn what_only_meets_again_is_no_circle() {
        let plan = check(4, &[(0, 1), (0, 2), (1, 3), (2, 3), (0, 1)]).expect("a diamond");
        assert_eq!(plan.edges().len(), 4, "an edge counts once");
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let tasks: Vec<NewTask> = (0..100_000).map(|number| NewTask::new(number.to_string())).collect();
        let edges = tasks.windows(2).map(|pair| Edge::block(pair[1].id, pair[0].id)).collect();
        assert!(Plan::new(tasks, edges).is_ok());
    }

    #[test]
    fn strangers_may_be_waited_for_but_cannot_be_made_to_wait() {
        let stranger = TaskId::generate();
        let task = NewTask::new("a");
        assert!(Plan::new(vec![task.clone()], vec![Edge::block(task.id, stranger)]).is_ok());
        let backwards = Plan::new(vec![task.clone()], vec![Edge::block(stranger, task.id)]);
        assert!(matches!(backwards, Err(Error::UnknownDependent { task }) if task == stranger));
        assert!(matches!(Plan::new(vec![task.clone(), task], vec![]), Err(Error::Duplicate { .. })));
    }
}
