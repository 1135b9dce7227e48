//! The request log of the console's `debug http in` (shell.md section 8.3).

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use gridshell_connectors::http::{Request, Response};

use crate::console::HttpDirection;

/// Logs requests in as much detail as its level says: 3 one line per request, 4 also how long it took, 5 also the first 200
/// characters of the bodies, 6 the whole bodies.
#[derive(Debug, Default)]
pub struct RequestLog {
    incoming: AtomicU8,
    /// Kept for the console; nothing here sends requests yet.
    outgoing: AtomicU8,
    count: AtomicU64,
}

/// One request, until it is answered.
#[must_use]
pub struct Entry {
    level: u8,
    number: u64,
    port: u16,
    started: Instant,
}

impl RequestLog {
    /// The level, 0 to 6.
    pub fn level(&self, direction: HttpDirection) -> u8 {
        self.level_of(direction).load(Ordering::Relaxed)
    }

    /// Sets the level, 0 to 6.
    pub fn set_level(&self, direction: HttpDirection, level: u8) {
        self.level_of(direction).store(level, Ordering::Relaxed);
    }

    fn level_of(&self, direction: HttpDirection) -> &AtomicU8 {
        match direction {
            HttpDirection::In => &self.incoming,
            HttpDirection::Out => &self.outgoing,
        }
    }

    /// Notes a request that came in.
    pub fn request(&self, port: u16, request: &Request) -> Entry {
        let level = self.level(HttpDirection::In);
        let mut entry = Entry { level, number: 0, port, started: Instant::now() };
        if level < 3 {
            return entry;
        }
        entry.number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let Entry { number, .. } = entry;
        tracing::info!(
            "[LOGHTTP] HTTP IN {number} :{port} {} {} from {}",
            request.method,
            request.path.escape_debug(),
            request.client
        );
        if level >= 5 {
            tracing::info!("[LOGHTTP] HTTP IN {number} :{port} body {}", excerpt(&request.body, level));
        }
        entry
    }
}

impl Entry {
    /// Notes the answer.
    pub fn answered(self, response: &Response) {
        let Self { level, number, port, started } = self;
        if level >= 4 {
            tracing::info!("[LOGHTTP] HTTP IN {number} :{port} took {}ms", started.elapsed().as_millis());
        }
        if level >= 5 {
            tracing::info!("[LOGHTTP] HTTP IN {number} :{port} answer {}", excerpt(response.body.bytes(), level));
        }
    }
}

fn excerpt(body: &[u8], level: u8) -> String {
    let text = String::from_utf8_lossy(body);
    let characters = if level >= 6 { usize::MAX } else { 200 };
    text.chars().take(characters).flat_map(char::escape_debug).collect()
}
