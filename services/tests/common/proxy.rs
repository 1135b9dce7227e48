//! A TCP proxy between the program and its database, for faults that a test can switch on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections until it is cut.
pub struct Proxy {
    address: SocketAddr,
    /// Keeps the port while nobody listens there: else it might be given to somebody else.
    _port: TcpSocket,
    target: String,
    accepting: Option<JoinHandle<()>>,
    /// Whom all connections that there are listen to.
    cut: Arc<Mutex<watch::Sender<()>>>,
}

impl Proxy {
    /// Forwards to `target` (`host:port`) from a free port of its own.
    pub async fn start(target: &str) -> Self {
        let port = TcpSocket::new_v4().expect("a socket");
        port.set_reuseaddr(true).expect("an option");
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = port.local_addr().expect("address");
        let mut proxy = Self { address, _port: port, target: target.to_owned(), accepting: None, cut: Arc::default() };
        proxy.come_back().await;
        proxy
    }

    fn accept(&mut self, listener: TcpListener) {
        let (target, cut) = (self.target.clone(), self.cut.clone());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let (target, mut cut) = (target.clone(), lock(&cut).subscribe());
                tokio::spawn(async move {
                    let Ok(mut outer) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = cut.changed() => {}
                    }
                    // Whoever cuts waits for the end of this.
                    drop((inner, outer));
                    drop(cut);
                });
            }
        }));
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Cuts all connections that exist, and returns when they are cut; new ones are still accepted.
    pub async fn cut_connections(&self) {
        let before = std::mem::take(&mut *lock(&self.cut));
        before.send_replace(());
        before.closed().await;
    }

    /// As if the server had been stopped: cuts all connections and refuses new ones.
    pub async fn go_down(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // Its end is what counts, and that it was aborted is no news.
            let _ = accepting.await;
        }
        self.cut_connections().await;
    }

    /// As if the server had been started again.
    pub async fn come_back(&mut self) {
        // A process that another test is about to start has copies of all sockets for a moment.
        for _ in 0..6000 {
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.accept(listener);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} cannot be bound again", self.address);
    }
}

fn lock(cut: &Mutex<watch::Sender<()>>) -> MutexGuard<'_, watch::Sender<()>> {
    cut.lock().expect("nobody panics with it")
}
