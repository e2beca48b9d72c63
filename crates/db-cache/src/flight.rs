//! Loads that are under way, one for a key in this process; whoever wants the same waits for it.

use crate::LoadError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What came of a load.
pub(crate) type Landed<V> = Result<Option<Arc<V>>, LoadError>;

/// Loads that are under way.
pub(crate) struct Flights<V> {
    most: usize,
    under_way: Mutex<UnderWay<V>>,
}

struct UnderWay<V> {
    by_key: HashMap<Box<str>, watch::Receiver<Option<Landed<V>>>>,
    /// Those too that were forgotten and go on.
    count: usize,
}

/// Waits for a load.
pub(crate) struct Passenger<V>(watch::Receiver<Option<Landed<V>>>);

/// Whoever loads. Dropped without having landed, as by a panic, it says so to those who wait.
pub(crate) struct Pilot<V> {
    flights: Arc<Flights<V>>,
    key: Box<str>,
    landed: watch::Sender<Option<Landed<V>>>,
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

    pub(crate) fn board(self: &Arc<Self>, key: &str) -> Boarding<V> {
        let mut under_way = self.under_way.lock();
        if let Some(landed) = under_way.by_key.get(key) {
            return Boarding::Joined(Passenger(landed.clone()));
        }
        if under_way.count >= self.most {
            return Boarding::Full(under_way.count);
        }
        let (sender, landed) = watch::channel(None);
        under_way.by_key.insert(key.into(), landed.clone());
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
    /// Gives those who wait what came of it.
    pub(crate) fn land(self, landed: Landed<V>) {
        self.landed.send_replace(Some(landed));
    }
}

impl<V> Drop for Pilot<V> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way.lock();
        under_way.count -= 1;
        // One that was forgotten may have been followed by another.
        if under_way.by_key.get(&self.key).is_some_and(|landed| landed.same_channel(&self.landed.subscribe()))
        {
            under_way.by_key.remove(&self.key);
        }
    }
}

impl<V> Passenger<V> {
    /// # Cancel safety
    /// The load goes on.
    pub(crate) async fn landed(mut self) -> Landed<V> {
        match self.0.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or(Err(LoadError::Panicked)),
            Err(_) => Err(LoadError::Panicked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Boarding, Flights};
    use crate::LoadError;
    use std::sync::Arc;

    #[tokio::test]
    async fn one_loads_and_the_others_wait() {
        let flights = Flights::<u32>::new(1);
        let Boarding::First(pilot, first) = flights.board("a") else { panic!("nobody loads yet") };
        let Boarding::Joined(second) = flights.board("a") else { panic!("somebody loads") };
        assert!(matches!(flights.board("b"), Boarding::Full(1)));
        pilot.land(Ok(Some(Arc::new(7))));
        for passenger in [first, second] {
            assert_eq!(passenger.landed().await.expect("it landed").as_deref(), Some(&7));
        }
        assert!(matches!(flights.board("b"), Boarding::First(..)));
    }

    #[tokio::test]
    async fn a_pilot_that_is_lost_tells() {
        let flights = Flights::<u32>::new(2);
        let Boarding::First(pilot, passenger) = flights.board("a") else { panic!("nobody loads yet") };
        drop(pilot);
        assert!(matches!(passenger.landed().await, Err(LoadError::Panicked)));
        assert!(matches!(flights.board("a"), Boarding::First(..)));
    }

    #[tokio::test]
    async fn one_that_was_forgotten_goes_on_beside_the_next() {
        let flights = Flights::<u32>::new(2);
        let Boarding::First(old, waits) = flights.board("a") else { panic!("nobody loads yet") };
        flights.forget("a");
        let Boarding::First(new, _) = flights.board("a") else { panic!("the old one is forgotten") };
        old.land(Ok(None));
        assert_eq!(waits.landed().await.expect("it landed"), None);
        assert!(matches!(flights.board("a"), Boarding::Joined(_)), "the new one is still there");
        drop(new);
        assert!(matches!(flights.board("a"), Boarding::First(..)));
    }
}
