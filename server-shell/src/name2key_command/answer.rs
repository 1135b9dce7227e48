//! Look-ups, statistics and the removal of entries, as the command line and the console say them.

use gridshell_interfaces::Result;
use gridshell_interfaces::name2key::{Grid, Name2KeyService, NameEntry, NameStatistics, split_grid};
use uuid::Uuid;

/// The most entries that are shown for the beginning of a name.
const MAX_OF_A_PREFIX: usize = 1000;

/// What is known of one thing that was asked for.
pub struct Found {
    /// What was asked for.
    pub asked: String,
    /// What is known of it, best first.
    pub matches: Vec<NameEntry>,
    /// There are more than these.
    pub more: bool,
}

impl Found {
    /// Looks up a name, a key, or with `*` at its end the beginning of a name. Matches of the grid `asker` come first.
    ///
    /// # Errors
    /// What the service gives.
    pub async fn look_up(service: &dyn Name2KeyService, asked: &str, asker: Option<&Grid>) -> Result<Self> {
        let (matches, more) = match asked.trim().strip_suffix('*') {
            Some(prefix) => {
                let mut matches = service.by_prefix(prefix, MAX_OF_A_PREFIX + 1).await?;
                let more = matches.len() > MAX_OF_A_PREFIX;
                matches.truncate(MAX_OF_A_PREFIX);
                (matches, more)
            }
            None => (matches_of(service, asked, asker).await?, false),
        };
        Ok(Self { asked: asked.to_owned(), matches, more })
    }

    /// For people, a line each.
    pub fn lines(&self) -> Vec<String> {
        if self.matches.is_empty() {
            return vec![format!("{}: unknown", self.asked)];
        }
        let mut lines: Vec<_> =
            self.matches.iter().map(|entry| format!("{} {}{}", entry.key, entry.name, grid_of(entry))).collect();
        if self.more {
            lines.push(format!("{}: there are more than these {MAX_OF_A_PREFIX}", self.asked));
        }
        lines
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let matches: Vec<_> = self.matches.iter().map(entry_json).collect();
        serde_json::json!({"asked": self.asked, "matches": matches, "more": self.more})
    }
}

fn grid_of(entry: &NameEntry) -> String {
    let grid = if entry.grid.0.is_empty() { "no grid" } else { &entry.grid.0 };
    let verified = if entry.verified { ", verified" } else { "" };
    format!(" ({grid}{verified})")
}

fn entry_json(entry: &NameEntry) -> serde_json::Value {
    serde_json::json!({
        "key": entry.key.to_string(),
        "name": entry.name,
        "grid": entry.grid.0,
        "first_seen": entry.first_seen,
        "last_seen": entry.last_seen,
        "source": entry.source.name(),
        "verified": entry.verified,
    })
}

/// The entries of a key, where the text is one, else of a name. A visitor's name, as in `Ann.Bee @grid.example`, means nobody from
/// elsewhere.
///
/// # Errors
/// What the service gives.
pub async fn matches_of(service: &dyn Name2KeyService, text: &str, asker: Option<&Grid>) -> Result<Vec<NameEntry>> {
    let text = text.trim();
    if let Some(key) = key_of(text) {
        return service.by_key(key, asker).await;
    }
    let (name, host) = split_grid(text);
    let mut matches = service.by_name(name, asker).await?;
    if let Some(host) = host.map(Grid) {
        matches.retain(|entry| entry.grid.is(&host));
    }
    Ok(matches)
}

/// A key as people write it, with its hyphens; 32 digits without them could be a name (name2key.md section 6.1).
fn key_of(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// What a store holds, for people.
pub fn statistics_lines(statistics: &NameStatistics) -> Vec<String> {
    let mut lines: Vec<_> = statistics
        .entries
        .iter()
        .map(|(grid, count)| format!("{}: {count} entries", if grid.is_empty() { "(no grid)" } else { grid }))
        .collect();
    let all: u64 = statistics.entries.iter().map(|(_, count)| count).sum();
    lines.push(format!("all grids: {all} entries"));
    lines.push(format!("names that more than one key has: {}", statistics.shared_names));
    if let Some(bytes) = statistics.bytes {
        lines.push(format!("size of the store: {:.1} MB", bytes as f64 / 1e6));
    }
    lines
}

/// The same for programs.
pub fn statistics_json(statistics: &NameStatistics) -> serde_json::Value {
    let grids: Vec<_> =
        statistics.entries.iter().map(|(grid, count)| serde_json::json!({"grid": grid, "entries": count})).collect();
    serde_json::json!({"grids": grids, "shared_names": statistics.shared_names, "bytes": statistics.bytes})
}

/// What was forgotten, in a sentence.
pub fn forgotten(key: Uuid, entries: u64) -> String {
    match entries {
        0 => format!("{key}: unknown"),
        1 => format!("{key}: 1 entry forgotten"),
        _ => format!("{key}: {entries} entries forgotten"),
    }
}
