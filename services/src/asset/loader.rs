//! The default asset set: files of the operator that are stored at start (assets.md section 8).
//!
//! A control file lists sets, a set file lists assets, an asset names a data file. An asset is written when its id does not exist
//! or its content differs, so a run that was interrupted is completed by the next, and a run with nothing new only reads.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt;
use gridshell_config::DocumentSection;
use gridshell_interfaces::Result;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata};
use gridshell_interfaces::ids::parse_uuid;
use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use super::SqlAssetService;
use crate::list_file::{beside, read_file, read_sections};

/// The creator of all assets of the default set (assets.md section 8).
const CREATOR: &str = "11111111-1111-0000-0000-000100bba000";
/// Assets that are compared in one query, and whose contents are in memory at once.
const BATCH: usize = 50;
/// Assets that are written at once.
const CONCURRENT_WRITES: usize = 16;
/// Larger data files are not stored; the largest body that an upload may have is about as long (assets.md section 1).
const MAX_DATA_BYTES: u64 = 78_905_344;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Set files that were read.
    pub sets: usize,
    /// Assets listed in them.
    pub total: usize,
    /// Assets that were new or had changed.
    pub written: usize,
    /// Assets that were there already.
    pub unchanged: usize,
    /// Assets left out because of a mistake in their entry, a missing file, or because the store refused them.
    pub skipped: usize,
}

/// An asset of a set, before its data is read.
struct Entry {
    id: Uuid,
    name: String,
    asset_type: i8,
    /// `None`: an asset of zero bytes.
    file: Option<PathBuf>,
}

/// Stores the assets of all sets that the control file lists. Mistakes in the files are logged and left out. On a terminal a bar
/// shows the progress.
///
/// # Errors
/// When the database fails; what was written until then stays.
pub async fn load_default_assets(service: &SqlAssetService, control_file: &Path) -> Result<LoadSummary> {
    let mut summary = LoadSummary::default();
    let entries = read_sets(control_file, &mut summary).await;
    let bar = progress_bar(entries.len());
    for batch in entries.chunks(BATCH) {
        load_batch(service, batch, &mut summary).await?;
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    tracing::info!(
        sets = summary.sets,
        total = summary.total,
        written = summary.written,
        unchanged = summary.unchanged,
        skipped = summary.skipped,
        "[ASSET LOADER]: default assets loaded"
    );
    Ok(summary)
}

async fn read_sets(control_file: &Path, summary: &mut LoadSummary) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // The last of several entries with one id counts, as if they had been written one after the other.
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    let sets = read_sections(control_file).await.unwrap_or_else(|mistake| {
        tracing::error!("[ASSET LOADER]: {mistake}");
        Vec::new()
    });
    for set in sets {
        let Some(file) = set.get("file") else {
            tracing::error!(set = set.name, "[ASSET LOADER]: {}: the set has no key 'file'", control_file.display());
            continue;
        };
        let set_file = beside(control_file, file);
        let sections = match read_sections(&set_file).await {
            Ok(sections) => sections,
            Err(mistake) => {
                tracing::error!("[ASSET LOADER]: {mistake}");
                continue;
            }
        };
        summary.sets += 1;
        summary.total += sections.len();
        for section in &sections {
            match read_entry(section, &set_file) {
                Err(mistake) => {
                    summary.skipped += 1;
                    tracing::error!(asset = section.name, "[ASSET LOADER]: {}: {mistake}", set_file.display());
                }
                Ok(entry) => match places.insert(entry.id, entries.len()) {
                    None => entries.push(entry),
                    Some(place) => {
                        summary.skipped += 1;
                        tracing::warn!(asset_id = %entry.id, "[ASSET LOADER]: the asset is listed twice; the later entry counts");
                        places.insert(entry.id, place);
                        entries[place] = entry;
                    }
                },
            }
        }
    }
    entries
}

fn read_entry(section: &DocumentSection, set_file: &Path) -> std::result::Result<Entry, String> {
    let id = match section.get("assetID") {
        Some(text) => parse_uuid(text).ok_or_else(|| format!("assetID '{text}' is no UUID"))?,
        // As in the original: a new asset at each start, which nothing can refer to.
        None => Uuid::new_v4(),
    };
    let asset_type = match section.get("assetType") {
        Some(text) => text.trim().parse().map_err(|_| format!("assetType '{text}' is no number from -128 to 127"))?,
        None => 0,
    };
    let file = section.get("fileName").filter(|name| !name.is_empty()).map(|name| beside(set_file, name));
    Ok(Entry { id, name: section.get("name").unwrap_or_default().to_owned(), asset_type, file })
}

async fn load_batch(service: &SqlAssetService, batch: &[Entry], summary: &mut LoadSummary) -> Result<()> {
    let ids: Vec<Uuid> = batch.iter().map(|entry| entry.id).collect();
    let stored = service.contents(&ids).await?;
    let mut changed = Vec::new();
    for entry in batch {
        let data = match &entry.file {
            None => Bytes::new(),
            Some(file) => match read_file(file, MAX_DATA_BYTES).await {
                Ok(data) => data.into(),
                Err(error) => {
                    summary.skipped += 1;
                    tracing::error!(asset_id = %entry.id, %error, "[ASSET LOADER]: cannot read {}", file.display());
                    continue;
                }
            },
        };
        if stored.get(&entry.id) == Some(&data) {
            summary.unchanged += 1;
        } else {
            changed.push(asset(entry, data));
        }
    }
    let mut writes =
        futures_util::stream::iter(changed.into_iter().map(|asset| service.replace(asset))).buffer_unordered(CONCURRENT_WRITES);
    while let Some(written) = writes.next().await {
        match written {
            Ok(()) => summary.written += 1,
            Err(error) if error.kind == gridshell_interfaces::ErrorKind::Refused => {
                summary.skipped += 1;
                tracing::error!(%error, "[ASSET LOADER]: the store refused an asset");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn asset(entry: &Entry, data: Bytes) -> Asset {
    Asset {
        metadata: AssetMetadata {
            id: entry.id,
            name: entry.name.clone(),
            description: String::new(),
            created: None,
            asset_type: entry.asset_type,
            local: false,
            temporary: false,
            creator: Some(CREATOR.to_owned()),
            flags: AssetFlags::NORMAL,
        },
        data: Some(data),
    }
}

fn progress_bar(length: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64).with_message("Default assets");
    // A style that does not parse would only look different.
    match ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
