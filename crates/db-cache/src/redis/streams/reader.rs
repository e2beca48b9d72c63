//! Listens to the streams of a lane, over a connection of its own.

use super::command::{self, Entry};
use super::position::{Id, Look};
use super::{Fault, Hub, Place, key, prefix};
use crate::pub_sub::{Ear, Missed, Shift, after};
use crate::redis::dial::{Dialer, Link};
use crate::redis::fault::Meaning;
use crate::redis::options::Servers;
use crate::redis::slot;
use crate::stats::count;
use redis::{Pipeline, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Entries of all streams that one answer may hold, or one of each.
const ENTRIES: usize = 256;

/// A stream with those who listen to it.
struct Stream {
    key: String,
    ears: Vec<Arc<Ear<Place>>>,
}

/// As long as somebody listens to a channel of the lane.
pub(super) async fn run(hub: Arc<Hub>, lane: usize) {
    let mut shift = Shift::begin(&hub.lanes[lane].duty, || hub.board.wake_all());
    let mut changes = hub.lanes[lane].changes.subscribe();
    let mut failures = 0_u32;
    loop {
        if shift.is_over_unless(|| hub.board.has_any(|channel| hub.lane_of(channel) == lane)) {
            return;
        }
        let mut reader = Reader { hub: &hub, lane, has_heard: false };
        // Boxed, as it is long and seldom begun.
        if let Err(fault) = Box::pin(reader.listen(&mut changes)).await {
            failures = if reader.has_heard { 1 } else { failures.saturating_add(1) };
            count(&hub.board.counts.reconnects);
            tracing::warn!(reason = ?fault, "nothing is heard until redis answers; what it keeps is heard then");
            sleep(after(failures, rand::random())).await;
        }
    }
}

struct Reader<'a> {
    hub: &'a Arc<Hub>,
    lane: usize,
    has_heard: bool,
}

impl Reader<'_> {
    /// As long as the connection lasts, and those who listen are the same while it waits: what waits cannot be asked for more.
    async fn listen(&mut self, changes: &mut watch::Receiver<u64>) -> Result<(), Fault> {
        let link = self.dial().await?;
        loop {
            changes.borrow_and_update();
            let streams = self.streams();
            if streams.is_empty() {
                return Ok(());
            }
            let look_at = Instant::now() + self.hub.how.look_every;
            let Some(history) = self.look(&link, &streams).await? else { continue };
            while !changes.has_changed().unwrap_or(true) {
                let block = look_at.saturating_duration_since(Instant::now());
                if block.is_zero() {
                    break;
                }
                let answers = tokio::select! {
                    answers = self.read(&link, &streams, block) => answers?,
                    _ = changes.changed() => return Ok(()),
                };
                self.has_heard = true;
                if !deliver(&streams, answers, &history)? {
                    break;
                }
            }
        }
    }

    fn streams(&self) -> Vec<Stream> {
        let ours = |channel: &str| self.hub.lane_of(channel) == self.lane;
        let streams = self.hub.board.of(ours).into_iter();
        streams.map(|(channel, ears)| Stream { key: key(&channel), ears }).collect()
    }

    async fn dial(&self) -> Result<Link, Fault> {
        let options = &self.hub.store.options;
        let deadline = Instant::now() + options.connect_timeout;
        let dialer = match (&options.servers, self.hub.cluster()) {
            (_, Some(cluster)) => {
                let slot = slot::slot(&prefix(u16::try_from(self.lane).unwrap_or_default()));
                let map = cluster.known(deadline).await?;
                let master = map.master(slot);
                let nobody = || Fault::Refused(format!("CLUSTERDOWN slot {slot} is at no master"));
                Dialer::to_server(master.ok_or_else(nobody).inspect_err(|_| cluster.read_soon())?, options)
            }
            (Servers::Single(address), None) => Dialer::to_server(address, options),
            (_, None) => Dialer::to_master(options),
        };
        let dialer = dialer.map_err(|error| Fault::Unavailable(error.to_string()))?;
        let dialed = dialer.dial().await;
        dialed.inspect_err(|_| self.look_for_the_master())
    }

    /// Compares where everybody is with what the server has, and answers with its history; `None` when that has changed
    /// meanwhile.
    async fn look(&self, link: &Link, streams: &[Stream]) -> Result<Option<Arc<str>>, Fault> {
        let keys = streams.iter().map(|stream| stream.key.as_str());
        let pipeline = command::look_at_all(keys, self.hub.how.kept);
        let mut answers = self.ask(link, &pipeline, streams.len() + 1, Duration::ZERO).await?.into_iter();
        if let Some(Value::ServerError(error)) = answers.next() {
            return Err(Fault::of_reply(&error));
        }
        let looks =
            answers.map(|answer| self.told(&answer, command::looked)).collect::<Result<Vec<Look>, _>>()?;
        let Some(history) = looks.first().map(|look| Arc::clone(&look.history)) else { return Ok(None) };
        for (stream, look) in streams.iter().zip(&looks) {
            for ear in &stream.ears {
                let missed = ear.place.lock().look(look);
                tell(ear, missed);
            }
        }
        Ok(looks.iter().all(|look| look.history == history).then_some(history))
    }

    /// What comes within this time, and the history after that.
    async fn read(&self, link: &Link, streams: &[Stream], block: Duration) -> Result<(Value, Value), Fault> {
        let positions: Vec<(&str, Id)> = streams
            .iter()
            .filter_map(|stream| {
                // Whoever has heard more passes over what it knows.
                let first = stream.ears.iter().map(|ear| ear.place.lock().at).min()?;
                Some((stream.key.as_str(), first))
            })
            .collect();
        let most = (ENTRIES / positions.len().max(1)).max(1);
        let pipeline = command::read(&positions, most, block);
        let mut answers = self.ask(link, &pipeline, 2, block).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        let (entries, info) = (next(), next());
        if let Value::ServerError(_) = &entries {
            self.told(&entries, |answer| command::entries(answer.clone()))?;
        }
        Ok((entries, info))
    }

    /// A server that says nothing for longer than this is one that is lost.
    async fn ask(
        &self,
        link: &Link,
        pipeline: &Pipeline,
        count: usize,
        block: Duration,
    ) -> Result<Vec<Value>, Fault> {
        let limit = block.saturating_add(self.hub.store.options.command_timeout);
        let fault = match timeout(limit, link.wire.several(pipeline, count)).await {
            Ok(Ok(Value::Array(answers))) => return Ok(answers),
            Ok(Ok(_)) => Fault::Refused("an answer that Redis does not give".to_owned()),
            Ok(Err(error)) => Fault::Unavailable(format!("the connection broke: {error}")),
            Err(_) => Fault::Unavailable(format!("no answer within {limit:?}")),
        };
        self.look_for_the_master();
        Err(fault)
    }

    fn told<T>(&self, answer: &Value, read: impl FnOnce(&Value) -> Result<T, Fault>) -> Result<T, Fault> {
        if let Value::ServerError(error) = answer
            && matches!(Meaning::of(error), Meaning::Moved(_) | Meaning::ClusterDown | Meaning::NotMaster)
        {
            self.look_for_the_master();
        }
        read(answer)
    }

    /// Behind Sentinels every connection does.
    fn look_for_the_master(&self) {
        if let Some(cluster) = self.hub.cluster() {
            cluster.read_soon();
        }
    }
}

/// Tells everybody what is new to them; `false` where the history is another one, by which nothing is new.
fn deliver(streams: &[Stream], (read, info): (Value, Value), history: &str) -> Result<bool, Fault> {
    if command::history(&info)? != history {
        return Ok(false);
    }
    let by_key: HashMap<&str, &Stream> = streams.iter().map(|stream| (stream.key.as_str(), stream)).collect();
    for (key, entries) in command::entries(read)? {
        let Some(stream) = by_key.get(key.as_str()) else { continue };
        for Entry { id, message } in entries {
            let message: Option<Arc<[u8]>> = message.map(Into::into);
            for ear in &stream.ears {
                let Some(missed) = ear.place.lock().hear(id) else { continue };
                tell(ear, missed);
                if let Some(message) = &message {
                    ear.message(Arc::clone(message));
                }
            }
        }
    }
    Ok(true)
}

fn tell(ear: &Ear<Place>, missed: Option<Missed>) {
    if let Some(missed) = missed {
        ear.gap(missed);
    }
}
