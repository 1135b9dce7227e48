//! FastCGI listeners (name2key.md section 6.3): a web server passes requests on, and any connector of the shell answers them, just as
//! over HTTP. The program is a FastCGI 1.0 responder.
//!
//! Whoever reaches the socket is believed like the web server itself: it says who the client is.

mod address;
mod cgi;
mod connection;
mod record;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gridshell_connectors::http::Router;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use address::{Address, ListenerNames, Ports, SocketMode};
pub use socket::{DescriptorZero, NoSocket};

use crate::answering::{Answerer, Current, Limits};
use crate::request_log::RequestLog;
use connection::{Connection, Interruption};
use socket::ListeningSocket;

/// How long accepting pauses when the system has no room for another connection.
const BREATH: Duration = Duration::from_millis(100);

/// Where a listener listens and how.
pub struct FastCgiOptions {
    /// The port whose connectors it serves.
    pub port: u16,
    /// Where it listens.
    pub address: Address,
    /// Who may use its Unix socket.
    pub mode: SocketMode,
    /// Connections that are open at the same time; further ones wait.
    pub max_connections: usize,
    /// Threads that serve requests.
    pub workers: usize,
    /// What bounds a request.
    pub limits: Limits,
    /// Proxies before the web server whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// A running listener.
pub struct FastCgiListener {
    /// Where it listens.
    pub address: Address,
    current: Arc<Current>,
    stopping: watch::Sender<bool>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    _threads: Threads,
}

/// The threads of a listener. To wait for them when they are dropped is not allowed in asynchronous code; [`FastCgiListener::stop`]
/// waits for their work.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl FastCgiListener {
    /// Opens the socket and serves, on threads of its own. `given` is the socket for [`Address::DescriptorZero`].
    ///
    /// # Errors
    /// The address is taken or not permitted.
    pub fn start(
        options: FastCgiOptions,
        router: Arc<Router>,
        log: Arc<RequestLog>,
        given: Option<DescriptorZero>,
    ) -> io::Result<Self> {
        let FastCgiOptions { port, address, mode, max_connections, workers, limits, trusted_proxies } = options;
        let backlog = limits.backlog;
        let current = Arc::new(Current::new(Answerer::new(port, router, limits, trusted_proxies, log)));
        let runtime = Builder::new_multi_thread().worker_threads(workers).thread_name("fastcgi").enable_all().build()?;
        let handle = runtime.handle().clone();
        let threads = Threads(Some(runtime));
        let socket = {
            let _within = handle.enter();
            ListeningSocket::open(&address, mode, backlog, given)?
        };
        let stopping = watch::Sender::new(false);
        let accepting = handle.spawn(accept(socket, current.clone(), max_connections, stopping.subscribe()));
        Ok(Self { address, current, stopping, accepting: Mutex::new(Some(accepting)), _threads: threads })
    }

    /// Who answers the requests that begin now.
    pub fn answerer(&self) -> Arc<Answerer> {
        self.current.answerer()
    }

    /// Answers the requests that begin from now on with other connectors, of another port, and limits. Who may use the socket, how many connections it takes
    /// and its threads stay as they were at its start.
    pub fn change(&self, port: u16, router: Arc<Router>, limits: Limits, trusted_proxies: Vec<IpAddr>) {
        self.current.change(port, router, limits, trusted_proxies);
    }

    /// Accepts no more connections, finishes the requests under way, and returns.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting
            && let Err(error) = accepting.await
        {
            tracing::warn!(listener = %self.address, %error, "a FastCGI listener ended with an error");
        }
    }
}

/// Accepts and serves connections until the stop, then waits for those that are left as long as they may take.
async fn accept(socket: ListeningSocket, current: Arc<Current>, max_connections: usize, mut stopping: watch::Receiver<bool>) {
    let port = current.answerer().port;
    let mut connections = JoinSet::new();
    let stop = stopping.clone();
    let mut stopped = pin!(async move {
        // That the other end is gone means the same.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    });
    loop {
        tokio::select! {
            () = &mut stopped => break,
            Some(ended) = connections.join_next() => tell_of_panic(ended),
            accepted = socket.accept(), if connections.len() < max_connections => match accepted {
                Ok(stream) => {
                    let connection = Connection::new(stream, current.clone(), max_connections, stop.clone());
                    connections.spawn(serve(connection, port));
                }
                Err(error) => {
                    tracing::warn!(port, %error, "cannot accept a FastCGI connection");
                    tokio::time::sleep(BREATH).await;
                }
            },
        }
    }
    drop(socket);
    let finish = async {
        while let Some(ended) = connections.join_next().await {
            tell_of_panic(ended);
        }
    };
    if tokio::time::timeout(current.answerer().limits.stop_time, finish).await.is_err() {
        tracing::warn!(port, left = connections.len(), "requests over FastCGI did not end in time; they are given up");
        connections.shutdown().await;
    }
}

async fn serve(connection: Connection, port: u16) {
    match connection.serve().await {
        Ok(()) => {}
        // Clients that go away are everyday life.
        Err(reason @ (Interruption::Aborted | Interruption::Closed | Interruption::Failed(_))) => {
            tracing::debug!(port, %reason, "a FastCGI connection has ended");
        }
        Err(reason) => tracing::warn!(port, %reason, "closed a FastCGI connection"),
    }
}

fn tell_of_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a FastCGI connection has failed");
    }
}
