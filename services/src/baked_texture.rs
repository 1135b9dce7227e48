//! The baked texture service on files, one per avatar (assets.md section 12).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::baked_texture::BakedTextureService;
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

/// Keeps each document in a file below a base directory, laid out as the original does.
#[derive(Clone, Debug)]
pub struct FileBakedTextureService {
    base_directory: PathBuf,
}

impl FileBakedTextureService {
    /// A service below this directory (`BaseDirectory`), which is created when the first document is stored.
    pub fn new(base_directory: impl Into<PathBuf>) -> Self {
        Self { base_directory: base_directory.into() }
    }

    /// `11111111-2222-...` is `11/11/11/11-2/11111111-2222-...` (assets.md section 12).
    fn path(&self, agent: Uuid) -> PathBuf {
        let id = agent.to_string();
        [&id[0..2], &id[2..4], &id[4..6], &id[6..10], &id].iter().fold(self.base_directory.clone(), |path, part| path.join(part))
    }
}

#[async_trait]
impl BakedTextureService for FileBakedTextureService {
    async fn get(&self, agent: Uuid) -> Result<Option<Bytes>> {
        let path = self.path(agent);
        match tokio::fs::read(&path).await {
            Ok(document) => Ok(Some(document.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable("reading", &path, &error)),
        }
    }

    async fn store(&self, agent: Uuid, document: Bytes) -> Result<()> {
        let path = self.path(agent);
        on_disk(move || write(&path, &document).map_err(|error| unavailable("writing", &path, &error))).await
    }

    async fn delete(&self, agent: Uuid) -> Result<bool> {
        let path = self.path(agent);
        on_disk(move || match fs::remove_file(&path) {
            Ok(()) => sync_parent(&path).map(|()| true).map_err(|error| unavailable("deleting", &path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(unavailable("deleting", &path, &error)),
        })
        .await
    }
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ServiceError::internal(format!("baked textures: {error}")))?
}

fn unavailable(action: &str, path: &Path, error: &io::Error) -> ServiceError {
    ServiceError::unavailable(format!("{action} {}: {error}", path.display()))
}

/// Puts the document in place as a whole: readers and a power cut see the old one or the new one, never a part.
fn write(path: &Path, document: &[u8]) -> io::Result<()> {
    // Apart for writes at the same time, and for those of other processes.
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let directory = parent(path);
    create_directories(directory)?;
    let temporary = directory.join(format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(document)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = placed {
        // What is left of it is only litter; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_parent(path)
}

/// Like `create_dir_all`, and makes the new directories themselves durable.
fn create_directories(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    create_directories(parent(directory))?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_parent(directory),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

/// The directory that holds a path; the working directory for a bare name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use gridshell_interfaces::ErrorKind;

    use super::*;

    const AGENT: Uuid = Uuid::from_u128(0x11111111_2222_3333_4444_55555555abcd);

    #[tokio::test]
    async fn documents_are_kept_where_the_original_keeps_them() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let service = FileBakedTextureService::new(directory.path().join("bakes"));
        assert_eq!(service.get(AGENT).await.expect("get"), None);
        assert!(!service.delete(AGENT).await.expect("delete"));

        service.store(AGENT, Bytes::from_static(b"<first/>")).await.expect("store");
        let file = directory.path().join("bakes/11/11/11/11-2/11111111-2222-3333-4444-55555555abcd");
        assert_eq!(fs::read(&file).expect("file"), b"<first/>");

        service.store(AGENT, Bytes::from_static(b"\x00\xff")).await.expect("store again");
        assert_eq!(service.get(AGENT).await.expect("get"), Some(Bytes::from_static(b"\x00\xff")));
        let names: Vec<_> =
            fs::read_dir(parent(&file)).expect("directory").map(|entry| entry.expect("entry").file_name()).collect();
        assert_eq!(names, [AGENT.to_string().as_str()], "no temporary file is left");

        assert!(service.delete(AGENT).await.expect("delete"));
        assert_eq!(service.get(AGENT).await.expect("get"), None);
    }

    #[tokio::test]
    async fn stores_at_the_same_time_leave_one_whole_document() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let service = FileBakedTextureService::new(directory.path());
        let documents: Vec<Bytes> = (0..8_u8).map(|byte| vec![byte; 50_000].into()).collect();
        let stores = documents.iter().map(|document| service.store(AGENT, document.clone()));
        for stored in futures_util::future::join_all(stores).await {
            stored.expect("store");
        }
        let kept = service.get(AGENT).await.expect("get").expect("a document");
        assert!(documents.contains(&kept));
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_unavailable() {
        let directory = tempfile::tempdir().expect("temporary directory");
        // A plain file where a directory must be.
        let base = directory.path().join("bakes");
        fs::write(&base, b"").expect("file");
        let service = FileBakedTextureService::new(base);
        assert_eq!(service.store(AGENT, Bytes::new()).await.expect_err("store").kind, ErrorKind::Unavailable);
        assert_eq!(service.get(AGENT).await.expect_err("get").kind, ErrorKind::Unavailable);
    }
}
