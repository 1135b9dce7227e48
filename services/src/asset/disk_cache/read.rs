//! Reading a file whole: at once where the system has it in memory, else in a thread for blocking work.
//!
//! A hand-over to another thread and back costs more than reading a texture out of the page cache. So the caller's thread asks for what
//! is there without waiting for the disk; only when something is not there, another thread waits for it, and the caller's thread serves
//! others meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{ReadWriteFlags, preadv2};

/// The bytes of a file, `None` when there is none.
///
/// # Errors
/// Also when it is no file; and `FileTooLarge` when it is longer than `longest`.
pub(super) async fn read(path: PathBuf, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let reading = match open_now(&path).map(|file| Reading::begin(file, longest)).transpose()? {
        Some(mut reading) => {
            if reading.read_what_is_in_memory() {
                return Ok(Some(reading.buffer));
            }
            Some(reading)
        }
        None => None,
    };
    let finished = tokio::task::spawn_blocking(move || {
        let mut reading = match reading {
            Some(reading) => reading,
            None => match File::open(&path) {
                Ok(file) => Reading::begin(file, longest)?,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        reading.read_the_rest()?;
        Ok(Some(reading.buffer))
    });
    finished.await.map_err(io::Error::other)?
}

/// Opens a file if that takes nothing from the disk. Every failure is left to [`File::open`]: an old kernel does not know the call, and
/// a file that does not exist may take a look at the disk.
fn open_now(path: &Path) -> Option<File> {
    openat2(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::CACHED).ok().map(File::from)
}

struct Reading {
    file: File,
    buffer: Vec<u8>,
    filled: usize,
}

impl Reading {
    fn begin(file: File, longest: u64) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        if metadata.len() > longest {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let length = usize::try_from(metadata.len()).map_err(io::Error::other)?;
        Ok(Self { file, buffer: vec![0; length], filled: 0 })
    }

    /// True when that was all of it. Every failure is left to who waits: most are "it is not in memory", or a file system that does not
    /// know the question.
    fn read_what_is_in_memory(&mut self) -> bool {
        while self.filled < self.buffer.len() {
            let rest = &mut [IoSliceMut::new(&mut self.buffer[self.filled..])];
            match preadv2(&self.file, rest, self.filled as u64, ReadWriteFlags::NOWAIT) {
                Ok(0) | Err(_) => return false,
                Ok(read) => self.filled += read,
            }
        }
        true
    }

    /// A file that has become shorter meanwhile ends there.
    fn read_the_rest(&mut self) -> io::Result<()> {
        while self.filled < self.buffer.len() {
            match self.file.read_at(&mut self.buffer[self.filled..], self.filled as u64) {
                Ok(0) => self.buffer.truncate(self.filled),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, content: &[u8]) -> PathBuf {
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        path
    }

    #[tokio::test]
    async fn a_file_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
        let path = file(&folder, &content);
        assert_eq!(read(path.clone(), 300_000).await.unwrap(), Some(content));
        assert_eq!(read(path, 299_999).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(folder.path().join("nothing"), 10).await.unwrap(), None);
        assert!(read(folder.path().to_owned(), u64::MAX).await.unwrap_err().to_string().contains("no file"));
        assert_eq!(read(file(&folder, b""), 10).await.unwrap(), Some(Vec::new()));
    }

    #[test]
    fn what_is_not_in_memory_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, &[7; 10_000]);
        // As if the system had had the first page only.
        let mut reading = Reading::begin(File::open(&path).unwrap(), 10_000).unwrap();
        reading.buffer[..4096].fill(7);
        reading.filled = 4096;
        reading.read_the_rest().unwrap();
        assert_eq!(reading.buffer, [7; 10_000]);
        // And as if it had become shorter.
        let mut reading = Reading::begin(File::open(&path).unwrap(), 10_000).unwrap();
        std::fs::write(&path, [7; 100]).unwrap();
        assert!(!reading.read_what_is_in_memory());
        reading.read_the_rest().unwrap();
        assert_eq!(reading.buffer, [7; 100]);
    }
}
