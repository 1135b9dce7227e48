//! The copies of plugins that were loaded anew: each is a file of its own, named by its hash.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};

use super::Plan;
use crate::plugins::{CheckedFile, PluginPlan, check_file_in};

/// How the names of copies end, and those of copies that are not finished.
const FINISHED: &str = "so";
const UNFINISHED: &str = "new";

/// Copies a file that was checked, so that it has a path that was not loaded yet; else the system gives back the code that it has
/// (plugins.md section 5.7). The copy is checked like the file.
pub fn copy(checked: &CheckedFile, plan: &PluginPlan) -> Result<CheckedFile> {
    let folder = &plan.copies;
    let in_folder = || format!("cannot keep a copy of {} in {}", plan.file, folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(in_folder)?;
    let name = format!("{}.{FINISHED}", checked.sha256);
    write(&folder.join(&name), &checked.bytes).with_context(in_folder)?;
    Ok(check_file_in(folder, &name, &plan.file, plan.permission.allow_unmarked, Some(&checked.sha256))?)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED);
    // What a program that was killed has left.
    let _ = fs::remove_file(&unfinished);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// Removes the copies that an earlier run of the program has left, before the first plugin is loaded. That something cannot be removed is
/// said in the log, and no reason to stop.
pub async fn remove_old_copies(plan: &Plan) {
    // One folder is for all plugins.
    let Some(folder) = plan.plugins.first().map(|plugin| plugin.copies.clone()) else { return };
    if let Err(error) = tokio::task::spawn_blocking(move || remove_old(&folder)).await {
        tracing::error!(%error, "[PLUGINS]: no thread to remove old copies of plugins in");
    }
}

/// Removes nothing but files that are named as copies are.
///
/// Another shell that has the same folder is not harmed: it keeps a descriptor of each copy that it has loaded, so that the file itself
/// stays as long as the shell. Only a reload at this very moment may fail there, and can be repeated.
fn remove_old(folder: &Path) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            tracing::warn!(%error, "[PLUGINS]: cannot look for old copies of plugins in {}", folder.display());
            return;
        }
    };
    let mut removed = 0;
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_name().to_str().is_some_and(is_copy) => match fs::remove_file(entry.path()) {
                Ok(()) => removed += 1,
                Err(error) => tracing::warn!(%error, "[PLUGINS]: cannot remove the old copy {}", entry.path().display()),
            },
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "[PLUGINS]: cannot look at all old copies in {}", folder.display()),
        }
    }
    if removed > 0 {
        tracing::info!("[PLUGINS]: removed {removed} copies of plugins that an earlier run has left in {}", folder.display());
    }
}

/// Whether a file is called like a copy: 64 hexadecimal digits, as hashes are written here.
fn is_copy(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, end)| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        hash.len() == 64 && hash.bytes().all(is_digit) && [FINISHED, UNFINISHED].contains(&end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let hash = "0123456789abcdef".repeat(4);
        let copies = [format!("{hash}.so"), format!("{hash}.new"), format!("{}.so", "0".repeat(64))];
        let others = [
            format!("{hash}.txt"),
            format!("{hash}.so.new"),
            hash.clone(),
            format!("{}.so", hash.to_uppercase()),
            format!("{}.so", &hash[1..]),
            format!("0{hash}.so"),
            format!("g{}.so", &hash[1..]),
            "libgood.so".to_owned(),
        ];
        for name in copies.iter().chain(&others) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        // It has a copy's name and cannot be removed; the rest is, all the same.
        let stays = format!("{}.so", "f".repeat(64));
        fs::create_dir(folder.path().join(&stays)).unwrap();
        remove_old(folder.path());
        let mut left: Vec<String> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        let mut expected: Vec<String> = others.into_iter().chain([stays]).collect();
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_folder_that_is_none_is_no_reason_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        remove_old(&folder.path().join("absent"));
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        remove_old(&file);
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }
}
