//! Loads that are under way, one for a key in this process; whoever wants the same waits for it.

use crate::LoadError;
use crate::local::Ticket;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What came of a load.
pub(crate) type Landed<V> = Result<Option<Arc<V>>, LoadError>;

/// The same, and a ticket from before it was found: it is no older than what was known then.
type Arrival<V> = (Landed<V>, Option<Ticket>);

/// Loads that are under way.
pub(crate) struct Flights<V> {
    most: usize,
    under_way: Mutex<UnderWay<V>>,
}

struct UnderWay<V> {
    by_key: HashMap<Box<str>, Flight<V>>,
    /// Those too that were forgotten and go on.
    count: usize,
}

struct Flight<V> {
    landed: watch::Receiver<Option<Arrival<V>>>,
    /// Those of its tags: when one is spoiled, it is of no use to whoever comes now.
    tags: Box<[Ticket]>,
}

/// Waits for a load.
pub(crate) struct Passenger<V>(watch::Receiver<Option<Arrival<V>>>);

/// Whoever loads. Dropped without having landed, as by a panic, it says so to those who wait.
pub(crate) struct Pilot<V> {
    flights: Arc<Flights<V>>,
    key: Box<str>,
    landed: watch::Sender<Option<Arrival<V>>>,
}

/// How a load is had.
pub(crate) enum Boarding<V> {
    /// Somebody else loads.
    Joined(Passenger<V>),
    /// We are to.
    First(Pilot<V>, Passenger<V>),
    /// So many are under way that nobody is to.
    Full(usize),
}

impl<V> Flights<V> {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, under_way: Mutex::new(UnderWay { by_key: HashMap::new(), count: 0 }) })
    }

    /// `tags` are tickets for the tags, and `is_spoiled` knows of those of another.
    pub(crate) fn board(
        self: &Arc<Self>,
        key: &str,
        tags: Vec<Ticket>,
        is_spoiled: impl Fn(Ticket) -> bool,
    ) -> Boarding<V> {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.by_key.get(key)
            && !flight.tags.iter().any(|ticket| is_spoiled(*ticket))
        {
            return Boarding::Joined(Passenger(flight.landed.clone()));
        }
        if under_way.count >= self.most {
            return Boarding::Full(under_way.count);
        }
        let (sender, landed) = watch::channel(None);
        let flight = Flight { landed: landed.clone(), tags: tags.into() };
        under_way.by_key.insert(key.into(), flight);
        under_way.count += 1;
        Boarding::First(
            Pilot { flights: Arc::clone(self), key: key.into(), landed: sender },
            Passenger(landed),
        )
    }

    /// Whoever comes from now on does not wait for the load of this key that is under way, but has a new one begun.
    pub(crate) fn forget(&self, key: &str) {
        self.under_way.lock().by_key.remove(key);
    }

    pub(crate) fn forget_all(&self) {
        self.under_way.lock().by_key.clear();
    }
}

impl<V> Pilot<V> {
    /// Gives those who wait what came of it. Whoever comes from now on, even one of them again, finds another.
    pub(crate) fn land(&self, landed: Landed<V>, as_of: Ticket) {
        self.leave(&mut self.flights.under_way.lock());
        self.landed.send_replace(Some((landed, Some(as_of))));
    }

    fn leave(&self, under_way: &mut UnderWay<V>) {
        // One that was forgotten may have been followed by another.
        let is_this = |flight: &Flight<V>| flight.landed.same_channel(&self.landed.subscribe());
        if under_way.by_key.get(&self.key).is_some_and(is_this) {
            under_way.by_key.remove(&self.key);
        }
    }
}

impl<V> Drop for Pilot<V> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way.lock();
        under_way.count -= 1;
        self.leave(&mut under_way);
    }
}

impl<V> Passenger<V> {
    /// # Cancel safety
    /// The load goes on.
    pub(crate) async fn landed(mut self) -> (Landed<V>, Option<Ticket>) {
        let landed = self.0.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        landed.unwrap_or((Err(LoadError::Panicked), None))
    }
}

#[cfg(test)]
mod tests {
    use super::{Boarding, Flights};
    use crate::LoadError;
    use crate::local::{Local, Ticket};
    use std::sync::Arc;

    fn board(flights: &Arc<Flights<u32>>, key: &str) -> Boarding<u32> {
        flights.board(key, Vec::new(), |_| false)
    }

    fn ticket() -> Ticket {
        Local::<u32>::new(0).ticket("a")
    }

    #[tokio::test]
    async fn one_whose_tag_is_spoiled_is_joined_by_nobody() {
        let (flights, tags) = (Flights::<u32>::new(2), Local::<()>::new(0));
        let board = || flights.board("a", vec![tags.ticket("t")], |ticket| tags.is_spoiled(ticket));
        let Boarding::First(..) = board() else { panic!("nobody loads yet") };
        let Boarding::First(_pilot, _) = board() else { panic!("the first has ended") };
        assert!(matches!(board(), Boarding::Joined(_)));
        tags.spoil("t", tokio::time::Instant::now());
        assert!(matches!(board(), Boarding::First(..)));
    }

    #[tokio::test]
    async fn one_loads_and_the_others_wait() {
        let flights = Flights::<u32>::new(1);
        let Boarding::First(pilot, first) = board(&flights, "a") else { panic!("nobody loads yet") };
        let Boarding::Joined(second) = board(&flights, "a") else { panic!("somebody loads") };
        assert!(matches!(board(&flights, "b"), Boarding::Full(1)));
        pilot.land(Ok(Some(Arc::new(7))), ticket());
        drop(pilot);
        for passenger in [first, second] {
            assert_eq!(passenger.landed().await.0.expect("it landed").as_deref(), Some(&7));
        }
        assert!(matches!(board(&flights, "b"), Boarding::First(..)));
    }

    #[tokio::test]
    async fn a_pilot_that_is_lost_tells() {
        let flights = Flights::<u32>::new(2);
        let Boarding::First(pilot, passenger) = board(&flights, "a") else { panic!("nobody loads yet") };
        drop(pilot);
        assert!(matches!(passenger.landed().await.0, Err(LoadError::Panicked)));
        assert!(matches!(board(&flights, "a"), Boarding::First(..)));
    }

    #[tokio::test]
    async fn one_that_was_forgotten_goes_on_beside_the_next() {
        let flights = Flights::<u32>::new(2);
        let Boarding::First(old, waits) = board(&flights, "a") else { panic!("nobody loads yet") };
        flights.forget("a");
        let Boarding::First(new, _) = board(&flights, "a") else { panic!("the old one is forgotten") };
        old.land(Ok(None), ticket());
        assert_eq!(waits.landed().await.0.expect("it landed"), None);
        assert!(matches!(board(&flights, "a"), Boarding::Joined(_)), "the new one is still there");
        drop(new);
        assert!(matches!(board(&flights, "a"), Boarding::First(..)));
    }
}
