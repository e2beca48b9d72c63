//! Channels over LISTEN and NOTIFY of PostgreSQL.
//!
//! One connection hears everything that this way is published in the database. PostgreSQL keeps nothing for a
//! connection that is gone, so that every loss of it is a gap. It is known to hear by an echo: it notifies itself,
//! and whatever committed before that comes before the echo does.

use super::board::{Board, Listening};
use super::duty::{Duty, Shift, after};
use super::inbox::Missed;
use super::{PubSubStats, Room, payload};
use crate::beside::Beside;
use crate::stats::count;
use async_trait::async_trait;
use db_core::{BoxError, Heard, PasswordProvider, PubSub, PubSubError, PubSubLimits, Retry, Subscription};
use db_pool::Pool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const NAME: &str = "postgres";
/// The bell of all channels: their names are text of any kind, and this is none of them.
const BELL: &str = "cairn_pub_sub";
/// The bell that a process rings for itself, followed by its number.
const ECHO: &str = "cairn_pub_sub_echo";
const DEADLINE: Duration = Duration::from_secs(1);
const ECHO_EVERY: Duration = Duration::from_secs(5);
const ECHO_WITHIN: Duration = Duration::from_secs(5);

const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// A [`PubSub`] over LISTEN and NOTIFY, for those who have no other server to publish by.
///
/// Whoever listens has a connection of its own for all its subscriptions, by session and not through a pooler that hands
/// out sessions by the transaction: there subscribing fails, as nothing would be heard. Every message of the database reaches
/// every process that listens, so this is for hundreds of messages a second and no more. Nothing is kept for a connection that is
/// lost: its subscribers hear of a gap whose size is not known. A server that says nothing is one that is lost, after ten
/// seconds at most.
#[derive(Clone)]
pub struct PostgresChannels {
    hub: Arc<Hub>,
}

struct Hub {
    pool: Pool,
    beside: Beside,
    how: How,
    board: Arc<Board<()>>,
    duty: Duty,
    state: watch::Sender<State>,
    /// Told of each that comes or goes.
    changes: watch::Sender<u64>,
}

#[derive(Clone, Copy)]
struct How {
    room: Room,
    deadline: Duration,
    echo_every: Duration,
    echo_within: Duration,
}

#[derive(Default)]
struct State {
    /// The echo that was sent last, and the one that was heard last.
    sent: u64,
    heard: u64,
    /// Connections that were lost, or did not come about.
    losses: u64,
    /// Why the last one was.
    fault: Option<Fault>,
}

#[derive(Clone)]
struct Fault {
    is_refusal: bool,
    reason: String,
}

impl PostgresChannels {
    /// Publishes over the pool, and listens by connections of its own to the same database. Takes names up to 255 bytes, and
    /// messages up to 5,700. Nothing is connected until the first subscription.
    #[must_use]
    pub fn new(pool: Pool, connect: PgConnectOptions) -> Self {
        let how = How {
            room: Room::default(),
            deadline: DEADLINE,
            echo_every: ECHO_EVERY,
            echo_within: ECHO_WITHIN,
        };
        Self { hub: Arc::new(Hub::new(pool, Beside { connect, password: None }, how)) }
    }

    /// A password that is asked for before each connection, so that it may change meanwhile. To be chosen before anybody
    /// listens.
    #[must_use]
    pub fn password(self, password: Arc<dyn PasswordProvider>) -> Self {
        let beside = Beside { password: Some(password), ..self.hub.beside.clone() };
        Self { hub: Arc::new(Hub::new(self.hub.pool.clone(), beside, self.hub.how)) }
    }

    /// How much may wait for a subscriber. To be chosen before anybody listens.
    #[must_use]
    pub fn room(self, room: Room) -> Self {
        self.with(|how| how.room = room)
    }

    /// How long publishing or subscribing may take, the wait for a connection included; a second unless another is chosen. To
    /// be chosen before anybody listens.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        self.with(|how| how.deadline = deadline)
    }

    /// How often the connection that listens is tried, and how long it may take to answer: together the longest that a loss
    /// goes unnoticed. Each is 5 s unless another is chosen. To be chosen before anybody listens.
    #[must_use]
    pub fn heartbeat(self, every: Duration, within: Duration) -> Self {
        self.with(|how| (how.echo_every, how.echo_within) = (every, within))
    }

    fn with(self, change: impl FnOnce(&mut How)) -> Self {
        let mut how = self.hub.how;
        change(&mut how);
        Self { hub: Arc::new(Hub::new(self.hub.pool.clone(), self.hub.beside.clone(), how)) }
    }

    /// Publishes at the commit of the transaction that this connection is in, and never if it is rolled back.
    ///
    /// # Errors
    /// [`PubSubError`]; of all but [`TooLarge`](PubSubError::TooLarge) the transaction may have failed.
    ///
    /// # Cancel safety
    /// Roll the transaction back.
    pub async fn publish_in(
        &self,
        tx: &mut PgConnection,
        channel: &str,
        message: &[u8],
    ) -> Result<(), PubSubError> {
        self.hub.board.takes(channel, message)?;
        let payload = payload::write(rand::random(), channel, message);
        let done = sqlx::query(NOTIFY).bind(BELL).bind(payload).execute(tx).await;
        done.map_err(|error| Fault::of(&error).into_error())?;
        count(&self.hub.board.counts.published);
        Ok(())
    }

    /// What has come of them so far.
    #[must_use]
    pub fn stats(&self) -> PubSubStats {
        self.hub.board.stats()
    }
}

impl fmt::Debug for PostgresChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresChannels").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[async_trait]
impl PubSub for PostgresChannels {
    fn name(&self) -> &str {
        NAME
    }

    fn limits(&self) -> PubSubLimits {
        self.hub.board.limits()
    }

    async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), PubSubError> {
        let hub = &self.hub;
        hub.board.takes(channel, message)?;
        let payload = payload::write(rand::random(), channel, message);
        let statement = sqlx::query(NOTIFY).bind(BELL).bind(payload);
        let deadline = hub.how.deadline;
        let sent = hub.pool.run(statement).acquire_timeout(deadline).timeout(deadline).none();
        match timeout(deadline, sent).await {
            Ok(sent) => sent.map_err(error_of)?,
            Err(elapsed) => return Err(unavailable(elapsed)),
        };
        count(&hub.board.counts.published);
        Ok(())
    }

    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, PubSubError> {
        let hub = &self.hub;
        hub.board.takes(channel, &[])?;
        let heeding = Heeding { listening: hub.board.listen(channel, ())?, told: Told(Arc::clone(hub)) };
        let mut state = hub.state.subscribe();
        let (sent, losses) = {
            let state = state.borrow_and_update();
            (state.sent, state.losses)
        };
        hub.changed();
        hub.keep();
        // One that was sent after that: whatever committed before it has come before it.
        let settled = state.wait_for(|state| state.heard > sent || state.losses > losses);
        let fault = match timeout(hub.how.deadline, settled).await {
            Ok(Ok(state)) if state.heard > sent => None,
            Ok(Ok(state)) => state.fault.clone(),
            Ok(Err(_)) | Err(_) => Some(Fault::late(hub.how.deadline)),
        };
        match fault {
            None => {
                // Nobody knew until here that it listens.
                heeding.listening.clear();
                Ok(Box::new(heeding))
            }
            Some(fault) => Err(fault.into_error()),
        }
    }
}

/// What is first goes first: the hub is told when it has gone.
struct Heeding {
    listening: Listening<()>,
    told: Told,
}

struct Told(Arc<Hub>);

#[async_trait]
impl Subscription for Heeding {
    async fn next(&mut self) -> Heard {
        self.listening.next(|| self.told.0.keep()).await
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.0.changed();
    }
}

impl Hub {
    fn new(pool: Pool, beside: Beside, how: How) -> Self {
        Self {
            pool,
            beside,
            how,
            board: Arc::new(Board::new(NAME, payload::LIMITS, how.room)),
            duty: Duty::default(),
            state: watch::Sender::default(),
            changes: watch::Sender::default(),
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn keep(self: &Arc<Self>) {
        self.duty.keep(|| drop(tokio::spawn(run(Arc::clone(self)))));
    }

    /// As long as the connection lasts and somebody listens.
    async fn listen(&self, changes: &mut watch::Receiver<u64>) -> Result<(), sqlx::Error> {
        let How { echo_every, echo_within, .. } = self.how;
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(echo_within);
        let pool = pool.connect_lazy_with(within(echo_within, self.beside.options()).await?);
        let mut listener = within(echo_within, PgListener::connect_with(&pool)).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        let echo = format!("{ECHO}_{:016x}", rand::random::<u64>());
        within(echo_within, listener.listen_all([BELL, &echo])).await?;
        // Whatever committed before this is lost to those who were there.
        self.board.for_each(|ear| ear.gap(Missed::UNKNOWN));
        loop {
            // Whoever subscribes from here on has an echo of its own.
            changes.borrow_and_update();
            if !self.board.has_any(|_| true) {
                return Ok(());
            }
            self.hear_an_echo(&mut listener, &echo).await?;
            let until = Instant::now() + echo_every;
            while Instant::now() < until {
                tokio::select! {
                    heard = listener.try_recv() => self.hear(&heard?.ok_or_else(lost)?),
                    _ = changes.changed() => break,
                    () = sleep(until.saturating_duration_since(Instant::now())) => {}
                }
            }
        }
    }

    async fn hear_an_echo(&self, listener: &mut PgListener, echo: &str) -> Result<(), sqlx::Error> {
        let limit = self.how.echo_within;
        let mut number = 0;
        self.state.send_modify(|state| {
            state.sent += 1;
            number = state.sent;
        });
        let mark = number.to_string();
        // Both are ours, and in one round trip nothing has to be in the same session as something before it.
        let notify = AssertSqlSafe(format!("NOTIFY {echo}, '{mark}'"));
        within(limit, sqlx::raw_sql(notify).execute(&mut *listener)).await?;
        loop {
            let heard = within(limit, listener.try_recv()).await?.ok_or_else(lost)?;
            if heard.channel() == echo && heard.payload() == mark {
                self.state.send_modify(|state| state.heard = number);
                return Ok(());
            }
            self.hear(&heard);
        }
    }

    fn hear(&self, notification: &PgNotification) {
        if notification.channel() != BELL {
            return;
        }
        match payload::read(notification.payload()) {
            Some((channel, message)) => self.board.deliver(&channel, &message),
            // Whoever wrote it, it may have been for anybody.
            None => self.board.for_each(|ear| ear.gap(Missed::UNKNOWN)),
        }
    }
}

async fn run(hub: Arc<Hub>) {
    let mut shift = Shift::begin(&hub.duty, || hub.board.wake_all());
    let mut changes = hub.changes.subscribe();
    let mut failures = 0_u32;
    loop {
        let heard = hub.state.borrow().heard;
        let ended = hub.listen(&mut changes).await;
        if let Err(error) = &ended {
            count(&hub.board.counts.reconnects);
            tracing::warn!(error = db_core::with_causes(error), "nothing is heard until PostgreSQL answers");
            hub.state.send_modify(|state| {
                failures = if state.heard > heard { 1 } else { failures.saturating_add(1) };
                state.fault = Some(Fault::of(error));
                state.losses += 1;
            });
        }
        if shift.is_over_unless(|| hub.board.has_any(|_| true)) {
            return;
        }
        if ended.is_err() {
            tokio::select! {
                () = sleep(after(failures, rand::random())) => {}
                // Whoever subscribes now has an attempt of its own.
                _ = changes.changed() => {}
            }
        }
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let late = format!("nothing was heard within {limit:?}; is there a pooler that hands out sessions by the transaction?");
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, late)))
    })
}

fn lost() -> sqlx::Error {
    sqlx::Error::Io(io::Error::from(io::ErrorKind::ConnectionAborted))
}

impl Fault {
    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(told) => {
                let retry = told.code().map_or(Retry::Never, |code| Retry::of_sqlstate(&code));
                Self { is_refusal: retry != Retry::Reconnect, reason: told.to_string() }
            }
            other => Self { is_refusal: false, reason: db_core::with_causes(other) },
        }
    }

    fn late(limit: Duration) -> Self {
        Self { is_refusal: false, reason: format!("nothing was heard within {limit:?}") }
    }

    fn into_error(self) -> PubSubError {
        if self.is_refusal {
            return PubSubError::Refused { store: NAME.to_owned(), reason: self.reason };
        }
        unavailable(self.reason)
    }
}

fn error_of(error: db_pool::Error) -> PubSubError {
    match &error {
        // Another connection may have better luck: a server that goes, or a line that broke.
        db_pool::Error::Statement { retry: Retry::Reconnect, .. } => unavailable(error),
        db_pool::Error::Statement { source, .. } => {
            PubSubError::Refused { store: NAME.to_owned(), reason: source.to_string() }
        }
        // No connection was to be had, or no answer in time.
        _ => unavailable(error),
    }
}

fn unavailable(source: impl Into<BoxError>) -> PubSubError {
    PubSubError::Unavailable { store: NAME.to_owned(), source: source.into() }
}
