//! A TCP proxy between the program and its database, for faults that a test can switch on.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections until it is cut.
pub struct Proxy {
    address: SocketAddr,
    target: String,
    accepting: Option<JoinHandle<()>>,
    cut: watch::Sender<()>,
}

impl Proxy {
    /// Forwards to `target` (`host:port`) from a free port of its own.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("address");
        let (cut, _) = watch::channel(());
        let mut proxy = Self { address, target: target.to_owned(), accepting: None, cut };
        proxy.accept(listener);
        proxy
    }

    fn accept(&mut self, listener: TcpListener) {
        let (target, cut) = (self.target.clone(), self.cut.clone());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let (target, mut cut) = (target.clone(), cut.subscribe());
                tokio::spawn(async move {
                    let Ok(mut outer) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        }));
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Cuts all connections that exist; new ones are still accepted.
    pub fn cut_connections(&self) {
        self.cut.send_replace(());
    }

    /// As if the server had been stopped: cuts all connections and refuses new ones.
    pub async fn go_down(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // Its end is what counts, and that it was aborted is no news.
            let _ = accepting.await;
        }
        self.cut_connections();
    }

    /// As if the server had been started again.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.accept(listener);
    }
}
