//! A cluster: each command goes to the node that has its slot, and follows the slot when that has moved.

use super::{
    Part,
    address::RedisAddress,
    dial::Dialer,
    fault::{Fault, Meaning},
    map::Map,
    node::{Ask, Node},
    options::{RedisOptions, RedisOptionsError, Servers},
    statistics::Counts,
};
use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

/// A slot that is on its way is found within two; more than that is a cluster at odds with itself, which takes a moment
/// to agree.
const MOST_REDIRECTS: u32 = 6;
/// Who has which slot is asked no more often than this.
const READ_AGAIN: Duration = Duration::from_millis(500);

pub(crate) struct Cluster {
    seeds: Vec<RedisAddress>,
    options: RedisOptions,
    nodes: Mutex<HashMap<RedisAddress, Arc<Node>>>,
    map: Mutex<Known>,
    reading: AtomicBool,
    /// Told at the end of each reading.
    readings: watch::Sender<u64>,
    counts: Arc<Counts>,
}

struct Known {
    map: Option<Arc<Map>>,
    /// Why there is none, or none that is newer.
    fault: Option<Fault>,
    read_at: Option<Instant>,
}

/// Where a part is to be sent.
#[derive(Clone)]
enum At {
    ItsMaster,
    Moved(RedisAddress),
    /// For this once.
    Asking(RedisAddress),
}

impl Cluster {
    pub(crate) fn new(options: &RedisOptions, counts: &Arc<Counts>) -> Result<Arc<Self>, RedisOptionsError> {
        let Servers::Cluster { seeds } = &options.servers else {
            return Err(RedisOptionsError::Conflict { what: "no nodes of a cluster are given" });
        };
        Ok(Arc::new(Self {
            seeds: seeds.clone(),
            options: options.clone(),
            nodes: Mutex::new(HashMap::new()),
            map: Mutex::new(Known { map: None, fault: None, read_at: None }),
            reading: AtomicBool::new(false),
            readings: watch::Sender::new(0),
            counts: Arc::clone(counts),
        }))
    }

    /// Sends each part to its node, one round trip to each, all at once; the answers are in the parts' order.
    pub(crate) async fn run(
        self: &Arc<Self>,
        parts: &[Part],
        deadline: Instant,
    ) -> Result<Vec<Value>, Fault> {
        let mut answers = vec![Value::Nil; parts.len()];
        let mut due: Vec<(usize, At)> = (0..parts.len()).map(|part| (part, At::ItsMaster)).collect();
        for round in 0_u32.. {
            let shares = self.shares(parts, &due, deadline).await?;
            let asked = shares.iter().map(|share| share.ask(parts, deadline));
            let mut again = Vec::new();
            for (share, answered) in shares.iter().zip(join_all(asked).await) {
                let answered = answered.inspect_err(|_| self.read_soon())?;
                for ((part, _), answer) in share.due.iter().zip(answered) {
                    if let Some(at) = self.elsewhere(&answer, &share.address) {
                        again.push((*part, at));
                    }
                    answers[*part] = answer;
                }
            }
            if again.is_empty() || round == MOST_REDIRECTS {
                break;
            }
            self.counts.redirects.add(again.len() as u64);
            due = again;
            if round > 0 {
                // 2 ms and twice as long each time, 62 ms in all.
                let until = Instant::now() + Duration::from_millis(1 << round);
                sleep_until(until.min(deadline)).await;
            }
        }
        Ok(answers)
    }

    /// The node of each master.
    pub(crate) async fn masters(self: &Arc<Self>, deadline: Instant) -> Result<Vec<Arc<Node>>, Fault> {
        self.known(deadline).await?.masters().iter().map(|address| self.node(address)).collect()
    }

    /// What is due by the node that it goes to.
    async fn shares(
        self: &Arc<Self>,
        parts: &[Part],
        due: &[(usize, At)],
        deadline: Instant,
    ) -> Result<Vec<Share>, Fault> {
        let map = self.known(deadline).await?;
        let mut shares: Vec<Share> = Vec::new();
        for (part, at) in due {
            let slot = parts[*part].slot;
            let (address, asking) = match at {
                At::ItsMaster => (map.master(slot), false),
                At::Moved(address) => (Some(address), false),
                At::Asking(address) => (Some(address), true),
            };
            let Some(address) = address else {
                self.read_soon();
                return Err(Fault::Refused(format!("CLUSTERDOWN slot {slot} is at no master")));
            };
            match shares.iter_mut().find(|share| share.address == *address) {
                Some(share) => share.due.push((*part, asking)),
                None => {
                    let node = self.node(address)?;
                    shares.push(Share { address: address.clone(), node, due: vec![(*part, asking)] });
                }
            }
        }
        Ok(shares)
    }

    /// Where it must be sent again, if it must.
    fn elsewhere(self: &Arc<Self>, answer: &Value, teller: &RedisAddress) -> Option<At> {
        let Value::ServerError(error) = answer else { return None };
        match Meaning::of(error) {
            Meaning::Moved(to) => {
                self.read_soon();
                teller.told_by(&to).map(At::Moved)
            }
            Meaning::Ask(to) => teller.told_by(&to).map(At::Asking),
            Meaning::TryAgain => Some(At::ItsMaster),
            Meaning::ClusterDown | Meaning::NotMaster => {
                self.read_soon();
                None
            }
            _ => None,
        }
    }

    fn node(&self, address: &RedisAddress) -> Result<Arc<Node>, Fault> {
        let mut nodes = self.nodes.lock();
        if let Some(node) = nodes.get(address) {
            return Ok(Arc::clone(node));
        }
        let dialer = Dialer::to_server(address, &self.options);
        let dialer = dialer.map_err(|error| Fault::Unavailable(error.to_string()))?;
        let node = Node::new(dialer, &self.options, &self.counts);
        nodes.insert(address.clone(), Arc::clone(&node));
        Ok(node)
    }

    /// The map as it is known, or the first one when it is there.
    pub(crate) async fn known(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Map>, Fault> {
        let mut readings = self.readings.subscribe();
        loop {
            self.read_unless_known();
            let (map, fault) = {
                let known = self.map.lock();
                (known.map.clone(), known.fault.clone())
            };
            match (map, fault) {
                (Some(map), _) => return Ok(map),
                (None, Some(fault)) => {
                    self.counts.refused.add(1);
                    return Err(fault);
                }
                (None, None) => {}
            }
            if timeout_at(deadline, readings.changed()).await.is_err() {
                self.counts.timeouts.add(1);
                let waited = self.options.command_timeout;
                return Err(Fault::Unavailable(format!("no node tells of its cluster within {waited:?}")));
            }
        }
    }

    fn read_unless_known(self: &Arc<Self>) {
        if self.map.lock().map.is_none() {
            self.read_soon();
        }
    }

    /// Reads the map anew in the background, unless that is being done or was done just now.
    pub(crate) fn read_soon(self: &Arc<Self>) {
        let now = Instant::now();
        let due = |at: Instant| now.duration_since(at) >= READ_AGAIN;
        if !self.map.lock().read_at.is_none_or(due) || self.reading.swap(true, Relaxed) {
            return;
        }
        tokio::spawn(read(Arc::downgrade(self)));
    }

    /// Asks masters that are known, then the seeds: the first that tells is believed.
    pub(crate) async fn read_map(self: &Arc<Self>) -> Result<Map, Fault> {
        let mut addresses = self.map.lock().map.as_ref().map(|map| map.masters()).unwrap_or_default();
        let more: Vec<_> = self.seeds.iter().filter(|seed| !addresses.contains(seed)).cloned().collect();
        addresses.extend(more);
        let mut command = Cmd::new();
        command.arg("CLUSTER").arg("SLOTS");
        let mut last = Fault::Unavailable("no node of the cluster is known".to_owned());
        for address in &addresses {
            let deadline = Instant::now() + self.options.connect_timeout;
            let told = match self.node(address) {
                Ok(node) => node.ask(Ask::One(command.clone()), deadline).await,
                Err(fault) => Err(fault),
            };
            match told.and_then(|answer| Map::read(&answer, address)) {
                Ok(map) => return Ok(map),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    /// Nodes that are gone go, with their connections; seeds stay.
    fn keep(&self, map: &Map) {
        let masters = map.masters();
        self.nodes.lock().retain(|address, _| masters.contains(address) || self.seeds.contains(address));
    }
}

async fn read(cluster: Weak<Cluster>) {
    let Some(cluster) = cluster.upgrade() else { return };
    let reading = Reading(cluster);
    let read = reading.0.read_map().await;
    let mut known = reading.0.map.lock();
    known.read_at = Some(Instant::now());
    match read {
        Ok(map) => {
            reading.0.keep(&map);
            known.map = Some(Arc::new(map));
            known.fault = None;
        }
        Err(fault) => known.fault = Some(fault),
    }
}

/// However it ends, the next may begin.
struct Reading(Arc<Cluster>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.reading.store(false, Relaxed);
        self.0.readings.send_modify(|readings| *readings += 1);
    }
}

/// What one node is asked in one round trip.
struct Share {
    address: RedisAddress,
    node: Arc<Node>,
    /// Parts, and whether each is asked for out of turn.
    due: Vec<(usize, bool)>,
}

impl Share {
    async fn ask(&self, parts: &[Part], deadline: Instant) -> Result<Vec<Value>, Fault> {
        if let [(part, false)] = self.due[..] {
            return Ok(vec![self.node.ask(Ask::One(parts[part].command.clone()), deadline).await?]);
        }
        let mut pipeline = Pipeline::with_capacity(self.due.len() * 2);
        for (part, asking) in &self.due {
            if *asking {
                pipeline.cmd("ASKING");
            }
            pipeline.add_command(parts[*part].command.clone());
        }
        let count = pipeline.len();
        let answers = match self.node.ask(Ask::Several(&pipeline, count), deadline).await? {
            Value::Array(answers) => answers,
            answer => vec![answer],
        };
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or(Value::Nil);
        Ok(self
            .due
            .iter()
            .map(|(_, asking)| {
                if *asking {
                    next();
                }
                next()
            })
            .collect())
    }
}
