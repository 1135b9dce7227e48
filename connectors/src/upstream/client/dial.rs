//! From an address to a connected stream.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::runtime;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::stream::Stream;
use crate::upstream::Address;

/// Of a name with more IP addresses than this the first are tried.
const MAX_IP_ADDRESSES: usize = 8;

/// A stream to `address`, and the runtime whose I/O driver it lives on. The name is looked up each time, so that it may move; its IP
/// addresses are tried one after the other, each with an equal part of the time that is left.
pub(super) async fn connect(
    address: &Address,
    tls: Option<&TlsConnector>,
    until: Instant,
) -> Result<(Stream, runtime::Id), Failure> {
    let candidates = timeout_at(until, look_up(address)).await;
    let candidates = candidates.map_err(|_| Failure::not_sent("the name was not found in time"))??;
    let home = runtime::Handle::current().id();
    let mut reasons = Vec::new();
    for (number, candidate) in candidates.iter().enumerate() {
        let now = Instant::now();
        let share = until.saturating_duration_since(now) / u32::try_from(candidates.len() - number).unwrap_or(1);
        match timeout_at(now + share, open(address, *candidate, tls)).await {
            Ok(Ok(stream)) => return Ok((stream, home)),
            Ok(Err(error)) => reasons.push(format!("{candidate}: {error}")),
            Err(_) => reasons.push(format!("{candidate}: no connection in time")),
        }
    }
    Err(Failure::not_sent(reasons.join(", ")))
}

async fn look_up(address: &Address) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(ip) = address.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, address.port())]);
    }
    let found = lookup_host((address.host(), address.port())).await;
    let found = found.map_err(|error| Failure::not_sent(format!("the name was not found: {error}")))?;
    let mut candidates: Vec<SocketAddr> = Vec::new();
    for candidate in found {
        if !candidates.contains(&candidate) && candidates.len() < MAX_IP_ADDRESSES {
            candidates.push(candidate);
        }
    }
    if candidates.is_empty() {
        return Err(Failure::not_sent("the name has no IP address"));
    }
    Ok(candidates)
}

async fn open(address: &Address, candidate: SocketAddr, tls: Option<&TlsConnector>) -> io::Result<Stream> {
    let stream = TcpStream::connect(candidate).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls.filter(|_| address.is_https()) else {
        return Ok(Stream::Plain(stream));
    };
    let name = ServerName::try_from(address.host().to_owned()).map_err(io::Error::other)?;
    let stream = tls.connect(name, stream).await;
    let stream = stream.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?;
    Ok(Stream::Tls(Box::new(stream)))
}
