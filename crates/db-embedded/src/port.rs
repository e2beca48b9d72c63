//! The TCP port that a server listens on besides its socket.

use crate::{Error, cluster::file, options::Tcp};
use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

/// Starts with the port that was asked for. A free port can be taken by another program before the server has it, so
/// that is tried again with another.
pub(crate) fn with_port<T>(
    tcp: Tcp,
    mut start: impl FnMut(Option<u16>) -> Result<T, Error>,
) -> Result<(T, Option<u16>), Error> {
    match tcp {
        Tcp::Off => Ok((start(None)?, None)),
        Tcp::Port(port) => {
            if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                && error.kind() == io::ErrorKind::AddrInUse
            {
                return Err(Error::PortTaken { port });
            }
            Ok((start(Some(port))?, Some(port)))
        }
        Tcp::Free => {
            let mut tries = 0;
            loop {
                let port = free_port()?;
                match start(Some(port)) {
                    Err(Error::PortTaken { .. }) if tries < 5 => tries += 1,
                    result => return Ok((result?, Some(port))),
                }
            }
        }
    }
}

fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(file("find a free port on", Path::new("127.0.0.1")))
}
