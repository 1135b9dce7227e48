//! The open sessions of the REST console and their life (shell.md section 9.5).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// Sessions that may be open; one more closes the one that was read longest ago.
pub const MAX_SESSIONS: usize = 100;

/// One client.
pub struct Session {
    /// The number of the last line that it got.
    pub seen: u64,
    /// True until it got its first lines.
    pub first_read: bool,
    last_read: Instant,
    /// Polls that are held open for it.
    held: usize,
}

/// All clients. Sessions that expired are gone for every method.
pub struct Sessions {
    open: HashMap<Uuid, Session>,
    expiry: Duration,
}

impl Sessions {
    /// None yet; a session ends this long after it was last read.
    pub fn new(expiry: Duration) -> Self {
        Self { open: HashMap::new(), expiry }
    }

    /// Opens a session.
    pub fn open(&mut self) -> Uuid {
        self.expire();
        if self.open.len() >= MAX_SESSIONS {
            let oldest = self.open.iter().min_by_key(|(_, session)| session.last_read).map(|(id, _)| *id);
            oldest.map(|id| self.open.remove(&id));
        }
        let id = Uuid::new_v4();
        self.open.insert(id, Session { seen: 0, first_read: true, last_read: Instant::now(), held: 0 });
        id
    }

    /// The session of this id.
    pub fn get(&mut self, id: Uuid) -> Option<&mut Session> {
        self.expire();
        self.open.get_mut(&id)
    }

    /// Begins a poll; false when there is no such session. A session does not expire while a poll is held.
    pub fn hold(&mut self, id: Uuid) -> bool {
        let session = self.get(id);
        session.map(|session| session.held += 1).is_some()
    }

    /// Ends a poll.
    pub fn release(&mut self, id: Uuid) {
        if let Some(session) = self.open.get_mut(&id) {
            session.held -= 1;
            session.last_read = Instant::now();
        }
    }

    /// Closes a session, if there is such a one.
    pub fn close(&mut self, id: Uuid) {
        self.open.remove(&id);
    }

    fn expire(&mut self) {
        let now = Instant::now();
        self.open.retain(|_, session| session.held > 0 || now - session.last_read < self.expiry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRY: Duration = Duration::from_secs(500);

    #[tokio::test(start_paused = true)]
    async fn reading_keeps_a_session_alive() {
        let mut sessions = Sessions::new(EXPIRY);
        let (read, idle) = (sessions.open(), sessions.open());
        assert!(sessions.hold(read));
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(sessions.get(idle).is_none());
        sessions.release(read);
        tokio::time::advance(Duration::from_secs(499)).await;
        assert!(sessions.get(read).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!sessions.hold(read));
    }

    #[tokio::test(start_paused = true)]
    async fn one_session_too_many_closes_the_oldest() {
        let mut sessions = Sessions::new(EXPIRY);
        let mut ids = Vec::new();
        for _ in 0..=MAX_SESSIONS {
            ids.push(sessions.open());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(sessions.get(ids[0]).is_none());
        assert!(ids[1..].iter().all(|id| sessions.get(*id).is_some()));
    }
}
