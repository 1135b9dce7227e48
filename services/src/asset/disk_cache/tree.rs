//! Where the files are: `<folder>/v1/ab/<uuid>`, by the first two digits of the id (docs/edge-cache.md).

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uuid::Uuid;

/// The tree of files below a folder.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

/// What the look through the folder found of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) length: u64,
    pub(super) used: SystemTime,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.display().fmt(f)
    }
}

impl Tree {
    pub(super) fn below(folder: &Path) -> Self {
        Self { root: folder.join("v1") }
    }

    /// The file of an asset.
    pub(super) fn path(&self, id: Uuid) -> PathBuf {
        let mut buffer = Uuid::encode_buffer();
        let name: &str = id.hyphenated().encode_lower(&mut buffer);
        let mut path = PathBuf::with_capacity(self.root.as_os_str().len() + 44);
        path.push(&self.root);
        path.push(&name[..2]);
        path.push(name);
        path
    }

    fn temporary_folder(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Makes what is missing of the folders that are always there.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(self.temporary_folder())
    }

    /// Removes what an earlier process was writing when it ended.
    pub(super) fn remove_temporary_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.temporary_folder())? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// Writes a file that is not in its place yet.
    ///
    /// It is not synced: a file that a power cut tears does not pass its checksum, and is fetched again.
    pub(super) fn write_temporary(&self, parts: &[&[u8]]) -> io::Result<PathBuf> {
        // There is one writer, so one name is enough.
        let path = self.temporary_folder().join("new");
        let mut file = match File::create(&path) {
            // Somebody has emptied the folder.
            Err(error) if error.kind() == ErrorKind::NotFound => self.make().and_then(|()| File::create(&path)),
            created => created,
        }?;
        let written = parts.iter().try_for_each(|part| file.write_all(part));
        if let Err(error) = written {
            // The first error is the one to tell; what is left is overwritten by the next file.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(path)
    }

    /// Puts such a file in its place.
    pub(super) fn place(&self, temporary: &Path, id: Uuid) -> io::Result<()> {
        let path = self.path(id);
        let placed = match fs::rename(temporary, &path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::rename(temporary, &path))
            }
            placed => placed,
        };
        if placed.is_err() {
            // As above.
            let _ = fs::remove_file(temporary);
        }
        placed
    }

    /// Removes the file of an asset; one that is not there is no error.
    pub(super) fn remove(&self, id: Uuid) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Sets the time of a file.
    pub(super) fn touch(&self, id: Uuid, time: SystemTime) -> io::Result<()> {
        match File::open(self.path(id)) {
            Ok(file) => file.set_modified(time),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Looks through all folders. `between` is called between files, and may take files off what was found, or end the look by `false`.
    /// What cannot be read is told to `failed` and left out.
    pub(super) fn scan(
        &self,
        mut between: impl FnMut(&mut HashMap<Uuid, Found>) -> bool,
        mut failed: impl FnMut(io::Error),
    ) -> HashMap<Uuid, Found> {
        let mut all = HashMap::new();
        for digits in (0..=u8::MAX).map(|byte| format!("{byte:02x}")) {
            let entries = match fs::read_dir(self.root.join(&digits)) {
                Ok(entries) => entries,
                Err(error) => {
                    if error.kind() != ErrorKind::NotFound {
                        failed(error);
                    }
                    continue;
                }
            };
            for entry in entries {
                match entry.and_then(|entry| Self::found(&entry, &digits)) {
                    Ok(Some((id, found))) => {
                        all.insert(id, found);
                    }
                    Ok(None) => {}
                    Err(error) => {
                        failed(error);
                        break;
                    }
                }
                if !between(&mut all) {
                    return all;
                }
            }
        }
        all
    }

    /// What is not named as a file of ours is somebody else's, and is left alone.
    fn found(entry: &DirEntry, digits: &str) -> io::Result<Option<(Uuid, Found)>> {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(digits)) else { return Ok(None) };
        let Some(id) = Uuid::try_parse(name).ok().filter(|id| id.to_string() == name) else { return Ok(None) };
        let found = |metadata: Metadata| Some(Found { length: metadata.len(), used: metadata.modified().ok()? });
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(found(metadata).map(|found| (id, found))),
            // Not a file, or removed meanwhile.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const ID: Uuid = Uuid::from_u128(0xab00_0000_0000_0000_0000_0000_0000_0001);

    fn scan(tree: &Tree) -> HashMap<Uuid, Found> {
        tree.scan(|_| true, |error| panic!("{error}"))
    }

    fn tree() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::below(folder.path());
        tree.make().unwrap();
        (folder, tree)
    }

    #[test]
    fn a_file_is_placed_found_touched_and_removed() {
        let (folder, tree) = tree();
        let path = folder.path().join("v1/ab/ab000000-0000-0000-0000-000000000001");
        assert_eq!(tree.path(ID), path);
        for content in [["one", "1"], ["two", "22"]] {
            let temporary = tree.write_temporary(&content.map(str::as_bytes)).unwrap();
            tree.place(&temporary, ID).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content.concat());
        }
        let time = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        tree.touch(ID, time).unwrap();
        assert_eq!(scan(&tree), HashMap::from([(ID, Found { length: 5, used: time })]));
        tree.remove(ID).unwrap();
        tree.remove(ID).unwrap();
        tree.touch(ID, time).unwrap();
        assert!(!path.exists() && scan(&tree).is_empty());
    }

    #[test]
    fn the_scan_leaves_alone_what_is_not_ours() {
        let (folder, tree) = tree();
        for name in
            ["ab/AB000000-0000-0000-0000-000000000001", "cd/ab000000-0000-0000-0000-000000000001", "ab/notes.txt", "tmp/x"]
        {
            let path = folder.path().join("v1").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::create_dir_all(tree.path(ID)).unwrap();
        fs::create_dir(folder.path().join("v1/zz")).unwrap();
        assert_eq!(scan(&tree), HashMap::new());
        tree.remove_temporary_files().unwrap();
        assert!(!folder.path().join("v1/tmp/x").exists());
    }

    #[test]
    fn what_cannot_be_looked_through_is_left_out() {
        let (folder, tree) = tree();
        fs::write(folder.path().join("v1/00"), "no folder").unwrap();
        let temporary = tree.write_temporary(&[b"x"]).unwrap();
        tree.place(&temporary, ID).unwrap();
        let mut errors = Vec::new();
        let found = tree.scan(|_| true, |error| errors.push(error.kind()));
        assert_eq!((found.len(), errors), (1, vec![ErrorKind::NotADirectory]));
    }

    #[test]
    fn a_folder_that_is_emptied_meanwhile_is_made_again() {
        let (folder, tree) = tree();
        fs::remove_dir_all(folder.path()).unwrap();
        let temporary = tree.write_temporary(&[b"x"]).unwrap();
        tree.place(&temporary, ID).unwrap();
        assert_eq!(fs::read(tree.path(ID)).unwrap(), b"x");
    }
}
