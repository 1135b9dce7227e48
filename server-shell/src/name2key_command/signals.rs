//! Being told to stop.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, as Ctrl-C sends it, and SIGTERM. While this exists, and after it, they end nothing by themselves.
pub struct Signals {
    interrupted: Signal,
    terminated: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn listen() -> Result<Self> {
        Ok(Self {
            interrupted: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminated: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    /// Waits for one of them; gives the exit status that says so, 128 and the signal's number.
    pub async fn received(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupted.recv() => 130,
            _ = self.terminated.recv() => 143,
        }
    }
}
