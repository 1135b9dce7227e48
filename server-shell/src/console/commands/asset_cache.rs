//! `show asset cache` and `asset cache clear`, which are ours: what is kept of assets, in memory and on the disk.

use std::sync::Arc;

use async_trait::async_trait;
use gridshell_connectors::asset::CacheState;
use gridshell_services::asset::disk_cache::DiskCacheState;

use crate::console::command::{Command, CommandHandler, CommandResult, Commands};
use crate::console::output::Output;
use crate::wiring::SharedAssets;

const CATEGORY: &str = "Assets";

/// Registers the commands for all asset services.
pub fn register_asset_cache_commands(commands: &Commands, services: &[SharedAssets]) {
    let services: Arc<[SharedAssets]> = services.into();
    let command = Command::new(CATEGORY, "show asset cache", "show asset cache", "Show what is kept of assets");
    let command = command.with_long_help(
        "Hits are requests answered from there, misses those for which somebody else was asked. Missing: it was remembered that there is no \
         such asset. Stale: an old answer, since nobody could be asked.",
    );
    let shown = services.clone();
    commands.register(command, move |_: &[String], output: &Output| {
        if shown.is_empty() {
            output.line("This shell has no asset service");
        }
        for assets in &*shown {
            let disk = assets.disk.as_ref().map(|disk| disk.state());
            lines(&assets.place, &assets.cache.state(), disk.as_ref()).iter().for_each(|line| output.line(line));
        }
        Ok(())
    });
    let command = Command::new(CATEGORY, "asset cache clear", "asset cache clear", "Forget all assets that are kept");
    commands.register(command, Clear { services });
}

struct Clear {
    services: Arc<[SharedAssets]>,
}

#[async_trait]
impl CommandHandler for Clear {
    async fn run(&self, _arguments: &[String], output: &Output) -> CommandResult {
        for assets in &*self.services {
            // The disk first: what is in memory may come from there.
            if let Some(disk) = &assets.disk {
                disk.clear().await;
                let left = disk.state().entries;
                if left > 0 {
                    output.line(&format!("{left} files could not be removed, or have come since; the log tells of failures"));
                }
            }
            assets.cache.clear();
            output.line(&format!("Nothing is kept any more of the assets of {}", assets.place));
        }
        Ok(())
    }
}

fn lines(place: &str, memory: &CacheState, disk: Option<&DiskCacheState>) -> Vec<String> {
    let CacheState { entries, bytes, capacity, hits, misses, missing, stale } = memory;
    let of = |bytes: &u64, size: &u64| format!("{:.1} of {:.1} MB", megabytes(*bytes), megabytes(*size));
    let mut lines = vec![
        format!("Assets of {place}"),
        format!("  Memory: {entries} answers, {}", of(bytes, capacity)),
        format!("    {hits} hits, {misses} misses, {missing} missing, {stale} stale"),
    ];
    if let Some(disk) = disk {
        let DiskCacheState { entries, bytes, size, hits, misses, stale, .. } = disk;
        let note = if disk.is_complete { "" } else { "; the folder is being looked through" };
        lines.push(format!("  Disk: {entries} assets, {}{note}", of(bytes, size)));
        lines.push(format!("    {hits} hits, {misses} misses, {stale} stale"));
        let DiskCacheState { damaged, evicted, not_kept, read_errors, write_errors, .. } = disk;
        lines.push(format!(
            "    {evicted} evicted, {not_kept} not kept, {damaged} damaged, {read_errors} read errors, {write_errors} write errors"
        ));
    }
    lines
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_a_few_lines() {
        let memory = CacheState { entries: 3, bytes: 1_572_864, capacity: 67_108_864, hits: 10, misses: 4, missing: 2, stale: 1 };
        let expected =
            ["Assets of http://a:8003", "  Memory: 3 answers, 1.5 of 64.0 MB", "    10 hits, 4 misses, 2 missing, 1 stale"];
        assert_eq!(lines("http://a:8003", &memory, None), expected);
        let disk = DiskCacheState {
            entries: 5,
            bytes: 1_048_576,
            size: 10_737_418_240,
            is_complete: false,
            hits: 6,
            misses: 7,
            stale: 8,
            damaged: 9,
            evicted: 10,
            not_kept: 11,
            read_errors: 12,
            write_errors: 13,
        };
        assert_eq!(
            lines("x", &memory, Some(&disk))[3..],
            [
                "  Disk: 5 assets, 1.0 of 10240.0 MB; the folder is being looked through",
                "    6 hits, 7 misses, 8 stale",
                "    10 evicted, 11 not kept, 9 damaged, 12 read errors, 13 write errors",
            ]
        );
        let looked_through = lines("x", &memory, Some(&DiskCacheState { is_complete: true, ..disk }));
        assert_eq!(looked_through[3], "  Disk: 5 assets, 1.0 of 10240.0 MB");
    }
}
