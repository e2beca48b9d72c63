//! Plans: how a goal is to be reached, step by step.

use crate::{AgentId, Answer, Error, PlanId, PlanStepId, TaskId, entity, repository, text_enum};
use chrono::{DateTime, Utc};
use db_query::{asc, clock_timestamp, col, constant_null, desc};
use serde_json::Value;
use sqlx::PgConnection;
use std::panic::Location;

text_enum! {
    /// Where a plan stands.
    pub enum PlanStatus {
        /// It is being made.
        Draft = "draft",
        /// It is being followed.
        Active = "active",
        /// The goal is reached.
        Completed = "completed",
        /// The goal was not reached.
        Failed = "failed",
        /// Nobody follows it any more.
        Abandoned = "abandoned",
    }
    transitions {
        Draft => Active | Abandoned,
        Active => Completed | Failed | Abandoned,
        Failed => Active,
    }
}

text_enum! {
    /// Where a step stands.
    pub enum StepStatus {
        /// Not begun.
        Pending = "pending",
        /// Under way.
        Running = "running",
        /// Done.
        Done = "done",
        /// Left out.
        Skipped = "skipped",
        /// Not achieved.
        Failed = "failed",
    }
    transitions {
        Pending => Running | Skipped,
        Running => Done | Failed | Pending,
        Failed => Pending | Skipped,
        Skipped => Pending,
    }
}

entity! {
    /// A row of `plans`.
    pub struct Plan in "plans": Versioned, SoftDeletes;
    /// A plan to insert, a draft.
    struct NewPlan;

    id {
        /// Key.
        id: PlanId,
    }
    required {
        /// What is to be reached; not empty.
        goal: String,
    }
    optional {
        /// The task that it is for.
        task_id: TaskId,
        /// Who follows it.
        agent_id: AgentId,
    }
    status by database {
        /// Where it stands.
        status: PlanStatus,
    }
    database {
        /// When it became completed, failed or abandoned.
        completed_at: Option<DateTime<Utc>>,
        /// Changes so far.
        version: i64,
        /// When it was deleted.
        deleted_at: Option<DateTime<Utc>>,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
}

entity! {
    /// A row of `plan_steps`.
    pub struct PlanStep in "plan_steps";
    /// A step to insert.
    struct NewPlanStep;

    id {
        /// Key.
        id: PlanStepId,
    }
    required {
        /// The plan.
        plan_id: PlanId,
        /// Its place in the plan, from 1.
        position: i16,
        /// What is to be done; not empty.
        title: String,
    }
    default {
        /// The positions of the steps that come before it, all smaller than its own.
        depends_on: Vec<i16> = Vec::new(),
    }
    status by database {
        /// Where it stands.
        status: StepStatus,
    }
    database {
        /// What it gave.
        result: Option<Value>,
        /// Start of the latest attempt.
        started_at: Option<DateTime<Utc>>,
        /// When it became done, skipped or failed.
        completed_at: Option<DateTime<Utc>>,
        /// When it was inserted.
        created_at: DateTime<Utc>,
    }
}

/// A step of a plan that is not inserted yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What is to be done; not empty.
    pub title: String,
    /// The steps that come before it, by their number in the list, from 1.
    pub depends_on: Vec<i16>,
}

/// Inserts a plan with its steps, in the order given. Call it in a transaction.
///
/// # Errors
/// [`Error::UnknownStep`] when a step depends on itself, on a later one or on one that there is not, and
/// [`Error::TooMany`] for more steps than there are positions, both before anything is written; [`Error::Refused`] by a
/// constraint; [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn insert<'c>(conn: &'c mut PgConnection, new: &'c NewPlan, steps: &[Step]) -> Answer<'c, Plan> {
    let line = Location::caller();
    let rows = rows(new.id, steps);
    Box::pin(async move {
        let rows = rows?;
        let plan = repository::insert_at(line, conn, new).await?;
        repository::insert_many_at(line, conn, &rows).await?;
        Ok(plan)
    })
}

fn rows(plan: PlanId, steps: &[Step]) -> Result<Vec<NewPlanStep>, Error> {
    let mut rows = Vec::with_capacity(steps.len());
    for (position, step) in (1_usize..).zip(steps) {
        let position = i16::try_from(position).map_err(|_| Error::TooMany {
            table: "plan_steps",
            most: i16::MAX.unsigned_abs().into(),
            given: steps.len(),
        })?;
        if let Some(&depends_on) = step.depends_on.iter().find(|&&on| on < 1 || on >= position) {
            return Err(Error::UnknownStep { position, depends_on });
        }
        rows.push(NewPlanStep::new(plan, position, step.title.clone()).depends_on(step.depends_on.clone()));
    }
    Ok(rows)
}

/// Changes where a plan stands.
///
/// # Errors
/// [`Error::Transition`] when that may not follow, [`Error::NotFound`] without such a plan.
#[track_caller]
pub fn set_status(conn: &mut PgConnection, id: PlanId, to: PlanStatus) -> Answer<'_, Plan> {
    repository::set_status_with(conn, &id, to, |plan| match to {
        PlanStatus::Completed | PlanStatus::Failed | PlanStatus::Abandoned => {
            plan.set_expr("completed_at", clock_timestamp())
        }
        PlanStatus::Draft | PlanStatus::Active => plan.set_expr("completed_at", constant_null()),
    })
}

/// Changes where a step stands, and keeps what it gave.
///
/// # Errors
/// [`Error::Transition`] when that may not follow, [`Error::NotFound`] without such a step.
#[track_caller]
pub fn set_step_status<'c>(
    conn: &'c mut PgConnection,
    id: PlanStepId,
    to: StepStatus,
    result: Option<&Value>,
) -> Answer<'c, PlanStep> {
    repository::set_status_with(conn, &id, to, |step| {
        let step = match result {
            Some(result) => step.set("result", result),
            None => step,
        };
        match to {
            StepStatus::Pending => {
                step.set_expr("started_at", constant_null()).set_expr("completed_at", constant_null())
            }
            StepStatus::Running => step.set_expr("started_at", clock_timestamp()),
            StepStatus::Done | StepStatus::Skipped | StepStatus::Failed => {
                step.set_expr("completed_at", clock_timestamp())
            }
        }
    })
}

/// The first steps of a plan in order.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn steps(conn: &mut PgConnection, plan_id: PlanId, limit: u32) -> Answer<'_, Vec<PlanStep>> {
    repository::find(conn, |steps| {
        steps.filter(col("plan_id").eq(plan_id)).order_by(asc("position")).limit(limit)
    })
}

/// The steps that can begin: pending, and all that comes before them done or skipped. Pure, over all [`steps`] of the plan.
#[must_use]
pub fn ready(steps: &[PlanStep]) -> Vec<&PlanStep> {
    let settled = |position: &i16| {
        let step = steps.iter().find(|step| step.position == *position);
        step.is_some_and(|step| matches!(step.status, StepStatus::Done | StepStatus::Skipped))
    };
    let is_ready =
        |step: &&PlanStep| step.status == StepStatus::Pending && step.depends_on.iter().all(settled);
    steps.iter().filter(is_ready).collect()
}

/// Plans for a task, newest first.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn for_task(conn: &mut PgConnection, task_id: TaskId, limit: u32) -> Answer<'_, Vec<Plan>> {
    repository::find(conn, |plans| {
        plans
            .filter(col("task_id").eq(task_id))
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}
