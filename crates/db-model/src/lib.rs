//! The tables of autonomous services, as typed rows.
