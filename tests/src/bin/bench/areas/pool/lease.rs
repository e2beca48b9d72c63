//! A lease in the caller's hands: `&mut *lease`, after which the pool resets the session in the background, and
//! `&mut lease`, after which it need not.

use super::{
    bed::Bed,
    peers::{POINT, Selects, ours, sqlx_default},
    select::compare,
};
use crate::{
    Failure,
    row::{Better, Row, Work},
};
use db_pool::Pool;
use sqlx::PgPool;

const RAW: Work = Work {
    area: "pool",
    work: "acquire, select on &mut *lease (reset after), 8 tasks on 16",
    peer: Some("sqlx's pool: acquire, select"),
    unit: "queries/s",
    better: Better::Higher,
    goal: None,
};
const SEEN: Work = Work { work: "acquire, select on &mut lease, 8 tasks on 16", ..RAW };

pub(super) async fn run(bed: &Bed) -> Result<Vec<Row>, Failure> {
    let (ours, theirs) = (ours(bed.url()).await?, Held(sqlx_default(bed.url()).await?));
    let (raw, seen) = (Raw(ours.clone()), Seen(ours));
    let mut rows = compare(RAW, 8, &raw, &theirs).await?;
    let work = "acquire, select on &mut *lease (reset after), 32 tasks on 16";
    rows.extend(compare(Work { work, ..RAW }, 32, &raw, &theirs).await?);
    rows.extend(compare(SEEN, 8, &seen, &theirs).await?);
    let work = "acquire, select on &mut lease, 32 tasks on 16";
    rows.extend(compare(Work { work, ..SEEN }, 32, &seen, &theirs).await?);
    Ok(rows)
}

#[derive(Clone)]
struct Raw(Pool);

impl Selects for Raw {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        let mut lease = self.0.acquire().await?;
        Ok(sqlx::query_as(POINT).bind(key).fetch_one(&mut *lease).await?)
    }
}

#[derive(Clone)]
struct Seen(Pool);

impl Selects for Seen {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        let mut lease = self.0.acquire().await?;
        Ok(sqlx::query_as(POINT).bind(key).fetch_one(&mut lease).await?)
    }
}

#[derive(Clone)]
struct Held(PgPool);

impl Selects for Held {
    async fn select(&self, key: i64) -> Result<(i64, String), Failure> {
        let mut conn = self.0.acquire().await?;
        Ok(sqlx::query_as(POINT).bind(key).fetch_one(&mut *conn).await?)
    }
}
