//! What is kept of the assets of other shells, in memory and on the disk.

use std::path::PathBuf;
use std::sync::Arc;

use gridshell_config::Reader;
use gridshell_connectors::asset::CacheOptions;
use gridshell_interfaces::asset::AssetService;
use gridshell_services::asset::disk_cache::{CachedAssetOptions, CachedAssetService, DiskCache};

use super::Planner;
use super::upstream::UpstreamPlan;
use crate::settings::AssetKeepingOptions;

/// What is kept, nothing opened.
#[derive(Clone, Debug)]
pub struct KeepingPlan {
    options: AssetKeepingOptions,
}

/// The plans so far, each with its section and whose assets they are about.
#[derive(Default)]
pub struct KnownAssetKeeping(Vec<(String, UpstreamPlan, KeepingPlan)>);

impl KeepingPlan {
    /// The options, with the mistakes that a type does not show.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let options = AssetKeepingOptions::read(reader)?;
        if options.disk_cache_megabytes == 0 {
            reader.error("DiskCacheMegabytes", "nothing can be kept in 0 megabytes; an empty DiskCache is none");
        }
        Some(Self { options })
    }

    /// The folder on the disk. Relative ones are those of the working directory.
    pub fn folder(&self) -> Option<PathBuf> {
        let folder = Some(&self.options.disk_cache).filter(|folder| !folder.is_empty())?;
        // Where there is no working directory the folder as written has to do for the comparison; opening it fails.
        Some(std::path::absolute(folder).unwrap_or_else(|_| folder.into()))
    }

    /// The key of an option that differs.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let (own, others) = (&self.options, &other.options);
        let differences = [
            ("DiskCache", self.folder() != other.folder()),
            ("DiskCacheMegabytes", own.disk_cache_megabytes != others.disk_cache_megabytes),
            ("RevalidateSeconds", own.revalidate != others.revalidate),
            ("MissingSeconds", own.missing != others.missing),
            ("ServeStale", own.serve_stale != others.serve_stale),
        ];
        differences.iter().find(|(_, differs)| *differs).map(|(key, _)| *key)
    }

    /// What the memory keeps, within the capacity that the connector has chosen.
    pub fn memory(&self, memory: CacheOptions) -> CacheOptions {
        CacheOptions {
            mutable_time: Some(self.options.revalidate.0),
            missing_time: self.options.missing.0,
            serve_stale: self.options.serve_stale,
            // A connection's buffers are larger than a small answer.
            copies: true,
            ..memory
        }
    }

    /// What the files may take of the disk, in bytes.
    pub fn disk_size(&self) -> u64 {
        self.options.disk_cache_megabytes.saturating_mul(1024 * 1024)
    }

    /// Whether both keep the same.
    pub fn is_equal(&self, other: &Self) -> bool {
        self.difference(other).is_none()
    }

    /// The service itself, or with the disk before it.
    pub fn before(&self, service: Arc<dyn AssetService>, disk: Option<&Arc<DiskCache>>) -> Arc<dyn AssetService> {
        let Some(disk) = disk else { return service };
        let options = CachedAssetOptions { revalidate: self.options.revalidate.0, serve_stale: self.options.serve_stale };
        Arc::new(CachedAssetService::new(service, disk.clone(), options))
    }
}

/// Checks a plan against those before it. Who asks the same shells shares one cache, since a cache must hear of every deletion, and so has
/// to want the same of it; and what is in a folder is of the same shells.
pub fn check_keeping(planner: &mut Planner<'_>, section: &str, upstreams: &UpstreamPlan, keeping: &KeepingPlan) -> Option<()> {
    let mistake = planner.asset_keeping.0.iter().find_map(|(known, known_upstreams, known_keeping)| {
        if upstreams == known_upstreams {
            let key = keeping.difference(known_keeping)?;
            return Some((
                key,
                format!("[{known}] asks the same shells and shares its cache with this one, but has another {key}"),
            ));
        }
        let folder = keeping.folder().filter(|folder| known_keeping.folder().as_ref() == Some(folder))?;
        Some(("DiskCache", format!("{} is that of [{known}], which asks other shells", folder.display())))
    });
    if let Some((key, message)) = mistake {
        planner.error(section, key, message);
        return None;
    }
    planner.asset_keeping.0.push((section.to_owned(), upstreams.clone(), keeping.clone()));
    Some(())
}
