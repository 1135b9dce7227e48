//! Writing all names to a file that W-Hat's readers and `import` take (name2key.md section 7.5).

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use gridshell_interfaces::name2key::{Grid, Name2KeyService, NameEntry};

/// Entries that are read at once.
const PAGE: usize = 5000;

/// What is written.
pub struct ExportOptions {
    /// Only entries of this grid.
    pub grid: Option<Grid>,
    /// Every entry with all that is known, not only each key with its name.
    pub all: bool,
}

/// Writes to a file, by its ending compressed (`.gz`, `.bz2`), or to standard output. The file appears when it is complete. Gives
/// how many lines it has.
///
/// # Errors
/// A fault of the store, or the file cannot be written; an older file of this name is then as it was.
pub async fn export(service: &dyn Name2KeyService, file: Option<&Path>, options: &ExportOptions) -> Result<u64> {
    let Some(file) = file else {
        let mut out = BufWriter::new(io::stdout());
        let lines = write_all(service, options, &mut out).await?;
        out.flush().context("the output cannot be written")?;
        return Ok(lines);
    };
    let part = PathBuf::from(format!("{}.part", file.display()));
    let written = write_file(service, options, file, &part).await;
    let written = written.and_then(|lines| fs::rename(&part, file).map(|()| lines).map_err(Into::into));
    if written.is_err() {
        // What was written so far is of no use. It may not be there at all.
        let _ = fs::remove_file(&part);
    }
    written.with_context(|| format!("cannot export to {}", file.display()))
}

async fn write_file(service: &dyn Name2KeyService, options: &ExportOptions, file: &Path, part: &Path) -> Result<u64> {
    let plain = BufWriter::new(File::create(part)?);
    let (lines, mut plain) = match file.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            let mut out = GzEncoder::new(plain, flate2::Compression::default());
            (write_all(service, options, &mut out).await?, out.finish()?)
        }
        Some("bz2") => {
            let mut out = BzEncoder::new(plain, bzip2::Compression::best());
            (write_all(service, options, &mut out).await?, out.finish()?)
        }
        _ => {
            let mut out = plain;
            (write_all(service, options, &mut out).await?, out)
        }
    };
    plain.flush()?;
    plain.get_ref().sync_all()?;
    Ok(lines)
}

async fn write_all(service: &dyn Name2KeyService, options: &ExportOptions, out: &mut (dyn Write + Send)) -> Result<u64> {
    let (mut after, mut lines) = (None, 0);
    // The entry of the key that is being read, as far as it is read: all grids of a key follow each other.
    let mut best: Option<NameEntry> = None;
    loop {
        let page = service.entries_after(after.as_ref().map(|(key, grid): &(_, String)| (*key, grid.as_str())), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.key, last.grid.id()));
        for entry in page.into_iter().filter(|entry| options.grid.as_ref().is_none_or(|grid| entry.grid.is(grid))) {
            if options.all {
                writeln!(out, "{}", full_line(&entry))?;
                lines += 1;
                continue;
            }
            match &mut best {
                Some(known) if known.key == entry.key => {
                    if entry.last_seen > known.last_seen {
                        *known = entry;
                    }
                }
                _ => {
                    if let Some(done) = best.replace(entry) {
                        writeln!(out, "{},{}", done.key, field(&done.name))?;
                        lines += 1;
                    }
                }
            }
        }
    }
    if let Some(done) = best {
        writeln!(out, "{},{}", done.key, field(&done.name))?;
        lines += 1;
    }
    Ok(lines)
}

fn full_line(entry: &NameEntry) -> String {
    let NameEntry { key, name, grid, first_seen, last_seen, source, verified } = entry;
    format!("{key},{},{},{first_seen},{last_seen},{},{verified}", field(name), field(&grid.0), source.name())
}

/// A text as a CSV field: in quotes where it has to be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) || text.trim() != text {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_have_to_be() {
        for (text, expected) in [
            ("Ann Bee", "Ann Bee"),
            ("Ann, Bee", "\"Ann, Bee\""),
            ("Ann \"A\" Bee", "\"Ann \"\"A\"\" Bee\""),
            (" Ann", "\" Ann\""),
            ("", ""),
        ] {
            assert_eq!(field(text), expected);
        }
    }
}
