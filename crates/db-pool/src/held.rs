//! A connection with its seat at the gate, in the hands of a lease or of a task that puts it in order. However it ends,
//! the seat is given up once.

use crate::{conn::Conn, gate::Seat, recover::Recovering, shared::Shared, stats::tally};
use std::{sync::Arc, time::Instant};

/// A seat at the gate. Dropped, it is given up, and the connection that had it counts as closed.
pub(crate) struct Place {
    shared: Arc<Shared>,
    seat: Option<Seat>,
}

impl Place {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Gives the seat to a connection again.
    pub(crate) fn join(self, conn: Box<Conn>) -> Held {
        Held { conn: Some(conn), place: self }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            tally(&self.shared.counters.closes);
            give_up(&self.shared, seat);
        }
    }
}

/// A connection on its seat. Dropped as it is, the connection is closed as unusable.
pub(crate) struct Held {
    // Declared first: the connection is closed before its seat is free.
    conn: Option<Box<Conn>>,
    place: Place,
}

const TAKEN: &str = "held until it is taken";

impl Held {
    pub(crate) fn new(shared: Arc<Shared>, conn: Box<Conn>, seat: Seat) -> Self {
        Self { conn: Some(conn), place: Place { shared, seat: Some(seat) } }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.place.shared
    }

    pub(crate) fn conn(&self) -> &Conn {
        self.conn.as_ref().expect(TAKEN)
    }

    pub(crate) fn conn_mut(&mut self) -> &mut Conn {
        self.conn.as_mut().expect(TAKEN)
    }

    pub(crate) fn shared_and_conn(&mut self) -> (&Shared, &mut Conn) {
        (&self.place.shared, self.conn.as_mut().expect(TAKEN))
    }

    /// Lends the connection on.
    pub(crate) fn give_back(mut self) {
        let (Some(mut conn), Some(seat)) = (self.conn.take(), self.place.seat.take()) else { return };
        let shared = &self.place.shared;
        let now = shared.clock.now();
        conn.idle_since = now;
        let after = shared.gate.put(conn, seat, now, Instant::now);
        shared.settle(after);
    }

    /// Gives up the seat and keeps the connection outside the count.
    pub(crate) fn leave(mut self) -> Recovering {
        let conn = self.conn.take().expect(TAKEN);
        let recovering = Recovering::new(Arc::clone(&self.place.shared), conn);
        if let Some(seat) = self.place.seat.take() {
            give_up(&self.place.shared, seat);
        }
        recovering
    }

    /// Takes the connection off its seat for as long as the [`Place`] is held.
    pub(crate) fn part(mut self) -> (Place, Box<Conn>) {
        let conn = self.conn.take().expect(TAKEN);
        let place = Place { shared: Arc::clone(&self.place.shared), seat: self.place.seat.take() };
        (place, conn)
    }

    /// Gives up the seat; the connection is the caller's from now on, and counts as closed.
    pub(crate) fn take(mut self) -> Box<Conn> {
        self.conn.take().expect(TAKEN)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.place.shared.discarding(&conn);
        }
    }
}

fn give_up(shared: &Arc<Shared>, seat: Seat) {
    let after = shared.gate.lose(seat, Instant::now());
    shared.settle(after);
}
