//! The whole store as W-Hat's export, page by page (name2key.md section 7.5).

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use gridshell_interfaces::Result;
use gridshell_interfaces::name2key::{Name2KeyService, NameEntry, canonical_name, resident_name};

use super::text::is_name;
use crate::http::{Body, Response, StatusCode};
use crate::name2key::face;

/// Entries that are in memory at one time.
const PAGE: usize = 2_000;

/// Answers with all entries.
///
/// # Errors
/// The service fails at once. When it fails later the connection is cut.
pub(super) async fn export(service: Arc<dyn Name2KeyService>) -> Result<Response> {
    let page = service.entries_after(None, PAGE).await?;
    let export = Export { service, page, last_line: String::new() };
    let pieces = stream::try_unfold(export, Export::next)
        // An empty piece would be the end of a chunked answer.
        .try_filter(|piece| std::future::ready(!piece.is_empty()))
        .map_err(|error| {
            tracing::error!(kind = ?error.kind, %error, "an export of names ends early: the name2key service failed");
            io::Error::other(error)
        });
    let body = Body::Stream { length: None, pieces: pieces.boxed() };
    Ok(Response { body, ..face::plain(StatusCode::OK, "") })
}

struct Export {
    service: Arc<dyn Name2KeyService>,
    /// What is written next; empty at the end.
    page: Vec<NameEntry>,
    /// A key that has one name on several grids stands there once.
    last_line: String,
}

impl Export {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        let Some(last) = self.page.last() else { return Ok(None) };
        let after = (last.key, last.grid.id());
        let mut piece = String::with_capacity(self.page.len() * 64);
        for entry in &self.page {
            let line = line(entry);
            if line != self.last_line {
                piece.push_str(&line);
                self.last_line = line;
            }
        }
        self.page = self.service.entries_after(Some((after.0, &after.1)), PAGE).await?;
        Ok(Some((piece.into(), self)))
    }
}

/// A line of the export. W-Hat's names are rebuilt from their canonical form, capitals and all; names that W-Hat cannot have keep the
/// form in which they were seen, in quotes.
fn line(entry: &NameEntry) -> String {
    match &entry.name {
        name if is_name(name) => format!("{},{}\n", entry.key, resident_name(&canonical_name(name))),
        other => format!("{},\"{}\"\n", entry.key, other.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use gridshell_interfaces::name2key::{Grid, NameSource};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn lines() {
        for (name, written) in [
            ("Masakazu Kojima", "Masakazu Kojima"),
            ("McCoy Smith", "Mccoy Smith"),
            ("governor.linden", "Governor Linden"),
            ("fake01", "Fake01 Resident"),
            ("a.resident", "A Resident"),
            ("Two  Spaces", "\"Two  Spaces\""),
            ("Ann, \"Bee\"", "\"Ann, \"\"Bee\"\"\""),
            ("Ñandú Ü", "\"Ñandú Ü\""),
            ("a.b.c", "\"a.b.c\""),
        ] {
            let entry = NameEntry {
                key: Uuid::from_u128(1),
                name: name.to_owned(),
                grid: Grid::default(),
                first_seen: 0,
                last_seen: 0,
                source: NameSource::Import,
                verified: false,
            };
            assert_eq!(line(&entry), format!("00000000-0000-0000-0000-000000000001,{written}\n"));
        }
    }
}
