//! The FastCGI listeners by plan.

use super::{ConnectorPlan, Planner};
use crate::fastcgi::{Address, SocketMode};
use crate::settings::{FastCgiListenerOptions, NetworkOptions};

const SECTION: &str = "FastCGI";

/// What is listened on over FastCGI.
pub struct FastCgiPlan {
    /// The ports whose connectors are served, and where.
    pub listeners: Vec<(u16, Address)>,
    /// Ports without an HTTP listener.
    pub only_ports: Vec<u16>,
    /// Who may use Unix sockets.
    pub mode: SocketMode,
    /// Connections that each listener has open at the same time.
    pub max_connections: usize,
}

/// Plans the listeners of `[FastCGI]`, over these connectors; `None` when they make no sense, which is collected.
pub fn plan_fastcgi(planner: &mut Planner<'_>, network: &NetworkOptions, connectors: &[ConnectorPlan]) -> Option<FastCgiPlan> {
    let FastCgiListenerOptions { listeners, only_ports, mode, max_connections } = planner.read(SECTION, |reader| {
        let options = FastCgiListenerOptions::read(reader)?;
        for (at, listener) in options.listeners.0.iter().enumerate() {
            if options.listeners.0[..at].iter().any(|earlier| earlier.address == listener.address) {
                reader.error("Listeners", format!("{} is there twice", listener.address));
            }
        }
        for port in &options.only_ports.0 {
            if !options.listeners.0.iter().any(|listener| listener.port.unwrap_or(network.port) == *port) {
                reader.error("OnlyPorts", format!("nothing would serve port {port}: no entry of Listeners is for it"));
            }
        }
        if options.max_connections == 0 {
            reader.error("MaxConnections", "0 would let nobody connect");
        }
        Some(options)
    })?;
    let listeners: Vec<_> =
        listeners.0.into_iter().map(|listener| (listener.port.unwrap_or(network.port), listener.address)).collect();
    // The REST console may be on these.
    let is_used = |port: u16| {
        port == network.port || port == network.console_port || connectors.iter().any(|connector| connector.port == port)
    };
    for (port, address) in listeners.iter().filter(|(port, _)| !is_used(*port)) {
        planner.warn(SECTION, "Listeners", format!("{address} serves port {port}, which no connector is on"));
    }
    Some(FastCgiPlan { listeners, only_ports: only_ports.0, mode, max_connections })
}
