//! The disk cache of assets: what it promises as a service, and that nothing that happens to its folder makes a wrong answer.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{TestDatabase, asset, asset_battery};
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, AssetService};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use gridshell_services::asset::SqlAssetService;
use gridshell_services::asset::disk_cache::{CachedAssetOptions, CachedAssetService, DiskCache, DiskCacheError};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use uuid::Uuid;

const MEGABYTE: u64 = 1024 * 1024;

/// The service behind the cache: in memory, counts what it is asked, can be away, and can be held.
#[derive(Debug)]
struct Origin {
    assets: Mutex<HashMap<Uuid, Asset>>,
    asked: AtomicUsize,
    failure: Mutex<Option<ServiceError>>,
    /// A look-up that has found its answer takes one permit before it gives it.
    gate: Semaphore,
}

impl Origin {
    fn new(assets: &[Asset]) -> Arc<Self> {
        Arc::new(Self {
            assets: Mutex::new(assets.iter().map(|asset| (asset.metadata.id, asset.clone())).collect()),
            asked: AtomicUsize::new(0),
            failure: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    fn put(&self, asset: &Asset) {
        self.assets.lock().unwrap().insert(asset.metadata.id, asset.clone());
    }

    fn go_away(&self) {
        *self.failure.lock().unwrap() = Some(ServiceError::unavailable("the storage is away"));
    }

    fn come_back(&self) {
        *self.failure.lock().unwrap() = None;
    }

    fn ask(&self) -> Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.failure.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    /// How often it was asked since the last time.
    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl AssetService for Origin {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        self.ask()?;
        let found = self.assets.lock().unwrap().get(&id).cloned();
        self.gate.acquire().await.unwrap().forget();
        Ok(found)
    }

    async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        self.ask()?;
        let assets = self.assets.lock().unwrap();
        Ok(ids.iter().map(|id| assets.contains_key(id)).collect())
    }

    async fn store(&self, asset: Asset) -> Result<Uuid> {
        self.ask()?;
        let id = asset.metadata.id;
        self.assets.lock().unwrap().entry(id).or_insert(asset);
        Ok(id)
    }

    async fn update_content(&self, id: Uuid, data: Bytes) -> Result<bool> {
        self.ask()?;
        let mut assets = self.assets.lock().unwrap();
        assets.get_mut(&id).unwrap().data = Some(data);
        Ok(true)
    }

    async fn delete(&self, id: Uuid) -> Result<bool> {
        self.ask()?;
        self.assets.lock().unwrap().remove(&id);
        Ok(true)
    }
}

fn mutable(data: &'static str) -> Asset {
    let mut asset = asset(data);
    asset.metadata.flags = AssetFlags::MAPTILE;
    asset
}

fn open(folder: &Path, size: u64) -> Arc<DiskCache> {
    DiskCache::open(folder, size).expect("the folder can be used")
}

/// A service that asks again for what may change: always, or never in the time of a test.
fn cached(inner: &Arc<Origin>, disk: &Arc<DiskCache>, always_ask: bool, serve_stale: bool) -> CachedAssetService {
    let revalidate = if always_ask { Duration::ZERO } else { Duration::from_secs(86_400) };
    CachedAssetService::new(inner.clone(), disk.clone(), CachedAssetOptions { revalidate, serve_stale })
}

struct Subject {
    folder: TempDir,
    origin: Arc<Origin>,
    disk: Arc<DiskCache>,
    service: CachedAssetService,
}

impl Subject {
    async fn new(assets: &[Asset]) -> Self {
        let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::new(assets));
        let disk = open(folder.path(), 64 * MEGABYTE);
        disk.settled().await;
        let service = cached(&origin, &disk, false, false);
        Self { folder, origin, disk, service }
    }

    /// With all assets on the disk.
    async fn holding(assets: &[Asset]) -> Self {
        let subject = Self::new(assets).await;
        for asset in assets {
            assert_eq!(subject.service.get(asset.metadata.id).await.unwrap().as_ref(), Some(asset));
        }
        subject.disk.settled().await;
        assert_eq!((subject.disk.state().entries, subject.origin.asked()), (assets.len() as u64, assets.len()));
        subject
    }

    /// As after the end of the process.
    fn reopen(&mut self) {
        let unused = open(tempfile::tempdir().unwrap().path(), MEGABYTE);
        self.service = cached(&self.origin, &unused, false, false);
        // The lock goes with the last user.
        self.disk = unused;
        self.disk = open(self.folder.path(), 64 * MEGABYTE);
        self.service = cached(&self.origin, &self.disk, false, false);
    }

    fn file(&self, id: Uuid) -> PathBuf {
        let name = id.to_string();
        self.folder.path().join("v1").join(&name[..2]).join(&name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_promises_of_an_asset_service() {
    for test in TestDatabase::all().await {
        let database = test.open().await;
        let inner = Arc::new(SqlAssetService::open(database.clone()).await.expect("service"));
        let folder = tempfile::tempdir().unwrap();
        let disk = open(folder.path(), 512 * MEGABYTE);
        for revalidate in [Duration::ZERO, Duration::from_secs(60)] {
            let options = CachedAssetOptions { revalidate, serve_stale: false };
            let service = CachedAssetService::new(inner.clone(), disk.clone(), options);
            asset_battery::battery(&service, test.backend).await;
        }
        disk.settled().await;
        let state = disk.state();
        assert!(state.entries > 0 && (state.write_errors, state.read_errors, state.damaged) == (0, 0, 0), "{state:?}");
        database.close().await;
        test.remove().await;
    }
}

#[tokio::test]
async fn what_is_kept_needs_nobody_and_survives_a_restart() {
    let mut odd = asset(vec![7; 100_000]);
    odd.metadata.created = Some(1_234_567_890);
    odd.metadata.creator = None;
    odd.metadata.flags = AssetFlags::COLLECTABLE;
    let assets = [odd, asset(""), mutable("tile")];
    let mut subject = Subject::holding(&assets).await;
    subject.origin.go_away();
    for _ in 0..2 {
        for asset in &assets {
            let id = asset.metadata.id;
            assert_eq!(subject.service.get(id).await.unwrap().as_ref(), Some(asset));
            assert_eq!(subject.service.metadata(id).await.unwrap().as_ref(), Some(&asset.metadata));
            assert_eq!(subject.service.data(id).await.unwrap(), asset.data);
        }
        // What never changes exists; of what changes, and of others, the origin would be asked.
        let ids = [assets[0].metadata.id, assets[1].metadata.id];
        assert_eq!(subject.origin.asked(), 0);
        subject.disk.settled().await;
        assert_eq!(subject.service.get(ids[0]).await.unwrap().as_ref(), Some(&assets[0]));
        assert_eq!(subject.service.get(ids[1]).await.unwrap().as_ref(), Some(&assets[1]));
        assert_eq!(subject.service.exist(&ids).await.unwrap(), [true, true]);
        assert_eq!(subject.origin.asked(), 0);
        let error = subject.service.exist(&[ids[0], assets[2].metadata.id]).await.unwrap_err();
        assert_eq!((error.kind, subject.origin.asked()), (ErrorKind::Unavailable, 1));
        subject.reopen();
    }
    assert_eq!(subject.service.get(Uuid::nil()).await.unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn existence_is_asked_for_in_one_call() {
    let assets = [asset("a"), asset("b"), asset("c")];
    let subject = Subject::holding(&assets[..1]).await;
    subject.origin.put(&assets[1]);
    let ids = [Uuid::nil(), assets[0].metadata.id, assets[1].metadata.id, assets[2].metadata.id];
    assert_eq!(subject.service.exist(&ids).await.unwrap(), [false, true, true, false]);
    assert_eq!(subject.origin.asked(), 1);
}

#[tokio::test]
async fn no_damage_makes_a_wrong_answer() {
    let kept = asset("a small asset");
    let id = kept.metadata.id;
    let subject = Subject::holding(std::slice::from_ref(&kept)).await;
    let file = subject.file(id);
    let good = fs::read(&file).unwrap();
    let mut damages: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    damages.push([&good[..], b"x"].concat());
    for position in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = good.clone();
            damaged[position] ^= flip;
            damages.push(damaged);
        }
    }
    damages.push(vec![0; good.len()]);
    // A file of another asset under this name.
    let other = asset("another asset");
    subject.origin.put(&other);
    subject.service.get(other.metadata.id).await.unwrap();
    subject.disk.settled().await;
    damages.push(fs::read(subject.file(other.metadata.id)).unwrap());
    subject.origin.asked();

    let count = damages.len();
    for (number, damaged) in damages.into_iter().enumerate() {
        fs::write(&file, &damaged).unwrap();
        match number % 3 {
            0 => assert_eq!(subject.service.get(id).await.unwrap().as_ref(), Some(&kept), "damage {number}"),
            1 => assert_eq!(subject.service.data(id).await.unwrap(), kept.data, "damage {number}"),
            _ => {
                assert_eq!(subject.service.metadata(id).await.unwrap().as_ref(), Some(&kept.metadata), "damage {number}");
                subject.disk.settled().await;
                assert!(!file.exists(), "damage {number}");
                subject.service.get(id).await.unwrap();
            }
        }
        subject.disk.settled().await;
        // It has been put right meanwhile, up to the time of the fetch and the checksum.
        assert_eq!(fs::read(&file).unwrap()[52..], good[52..], "damage {number}");
    }
    assert_eq!(subject.disk.state().damaged, count as u64);
    assert_eq!(subject.disk.state().entries, 2);
    // A file that went away is no damage.
    fs::remove_file(&file).unwrap();
    assert_eq!(subject.service.get(id).await.unwrap(), Some(kept));
    assert_eq!(subject.disk.state().damaged, count as u64);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_or_removed_is_a_miss() {
    let kept = asset("x");
    let subject = Subject::holding(std::slice::from_ref(&kept)).await;
    let file = subject.file(kept.metadata.id);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    for _ in 0..3 {
        assert_eq!(subject.service.get(kept.metadata.id).await.unwrap().as_ref(), Some(&kept));
        subject.disk.settled().await;
    }
    let state = subject.disk.state();
    assert_eq!((state.read_errors, state.write_errors), (3, 3), "{state:?}");
    assert!(subject.service.delete(kept.metadata.id).await.unwrap());
    assert_eq!(subject.service.get(kept.metadata.id).await.unwrap(), None);
}

/// What the files take of the disk, in whole blocks.
fn usage(folder: &Path) -> u64 {
    let mut total = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // A file that is being written may go away.
        total += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => usage(&entry.path()),
            Ok(metadata) => metadata.len().div_ceil(4096) * 4096,
            Err(_) => 0,
        };
    }
    total
}

#[tokio::test]
async fn the_folder_never_takes_more_than_its_size() {
    const SIZE: u64 = 400_000;
    let assets: Vec<Asset> = (0..200_usize).map(|number| asset(vec![number as u8; 100 + number * 97])).collect();
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::new(&assets));
    let disk = open(folder.path(), SIZE);
    let service = cached(&origin, &disk, false, false);
    let favourite = &assets[3];
    for asset in &assets {
        service.get(asset.metadata.id).await.unwrap();
        disk.settled().await;
        service.get(favourite.metadata.id).await.unwrap();
        disk.settled().await;
        let (taken, counted) = (usage(folder.path()), disk.state().bytes);
        assert!(taken <= SIZE && taken == counted, "{taken} {counted}");
    }
    let state = disk.state();
    assert!(state.evicted > 100 && state.entries > 15 && state.bytes > SIZE - 24_000, "{state:?}");
    // Those used last are there, and the one used again and again.
    origin.go_away();
    for asset in assets[190..].iter().chain([favourite]) {
        assert_eq!(service.get(asset.metadata.id).await.unwrap().as_ref(), Some(asset));
    }
    assert_eq!(service.get(assets[4].metadata.id).await.unwrap_err().kind, ErrorKind::Unavailable);

    // The same holds when the operator makes it smaller, and the order is that of before.
    drop((service, disk));
    let last = assets[199].metadata.id;
    let path = folder.path().join("v1").join(&last.to_string()[..2]).join(last.to_string());
    let used = fs::metadata(&path).unwrap().modified().unwrap();
    fs::File::open(&path).unwrap().set_modified(used + Duration::from_secs(10)).unwrap();
    let disk = open(folder.path(), 200_000);
    disk.settled().await;
    assert!(usage(folder.path()) <= 200_000 && disk.state().bytes == usage(folder.path()), "{:?}", disk.state());
    assert!(path.exists());
}

#[tokio::test]
async fn what_is_too_large_is_served_and_not_kept() {
    let (small, large) = (asset(vec![1; 100_000]), asset(vec![2; 150_000]));
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::new(&[small.clone(), large.clone()]));
    let disk = open(folder.path(), MEGABYTE);
    let service = cached(&origin, &disk, false, false);
    for asset in [&small, &large] {
        assert_eq!(service.get(asset.metadata.id).await.unwrap().as_ref(), Some(asset));
    }
    disk.settled().await;
    assert_eq!((disk.state().entries, disk.state().not_kept), (1, 1));
}

#[tokio::test]
async fn a_change_during_a_fetch_is_not_followed_by_the_old_content() {
    enum Change {
        Update,
        Delete,
        Store,
    }
    for change in [Change::Update, Change::Delete, Change::Store] {
        let old = asset("old");
        let id = old.metadata.id;
        let subject = Subject::new(std::slice::from_ref(&old)).await;
        subject.origin.gate.forget_permits(Semaphore::MAX_PERMITS);
        let service = Arc::new(subject.service);
        let fetch = tokio::spawn({
            let service = service.clone();
            async move { service.get(id).await }
        });
        while subject.origin.asked() == 0 {
            tokio::task::yield_now().await;
        }
        let expected = match change {
            Change::Update => {
                assert!(service.update_content(id, Bytes::from_static(b"new")).await.unwrap());
                Some(Bytes::from_static(b"new"))
            }
            Change::Delete => {
                assert!(service.delete(id).await.unwrap());
                None
            }
            Change::Store => {
                assert_eq!(service.store(old.clone()).await.unwrap(), id);
                old.data.clone()
            }
        };
        subject.origin.gate.add_permits(100);
        assert_eq!(fetch.await.unwrap().unwrap().as_ref(), Some(&old), "it began before the change");
        subject.disk.settled().await;
        assert_eq!(subject.disk.state().entries, 0, "and is not kept");
        assert_eq!(service.data(id).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_change_of_what_is_kept_is_seen_at_once_and_after_a_restart() {
    let assets = [asset("first"), asset("second"), asset("third")];
    let ids = [0, 1, 2].map(|index: usize| assets[index].metadata.id);
    let mut subject = Subject::holding(&assets).await;
    assert!(subject.service.delete(ids[0]).await.unwrap());
    assert!(!subject.file(ids[0]).exists(), "before the answer");
    assert!(subject.service.update_content(ids[1], Bytes::from_static(b"new")).await.unwrap());
    assert!(!subject.file(ids[1]).exists(), "before the answer");
    // A change that fails may have been made nevertheless.
    subject.origin.go_away();
    assert_eq!(subject.service.delete(ids[2]).await.unwrap_err().kind, ErrorKind::Unavailable);
    subject.origin.come_back();
    for _ in 0..2 {
        assert_eq!(subject.service.get(ids[0]).await.unwrap(), None);
        assert_eq!(subject.service.exist(&ids).await.unwrap(), [false, true, true]);
        assert_eq!(subject.service.data(ids[1]).await.unwrap(), Some(Bytes::from_static(b"new")));
        assert_eq!(subject.service.data(ids[2]).await.unwrap(), Some(Bytes::from_static(b"third")));
        subject.disk.settled().await;
        subject.reopen();
    }
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_seen_too() {
    /// Deletes, and never says so.
    #[derive(Debug)]
    struct Silent(Arc<Origin>);

    #[async_trait]
    impl AssetService for Silent {
        async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
            self.0.get(id).await
        }
        async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
            self.0.exist(ids).await
        }
        async fn store(&self, asset: Asset) -> Result<Uuid> {
            self.0.store(asset).await
        }
        async fn delete(&self, id: Uuid) -> Result<bool> {
            self.0.delete(id).await?;
            std::future::pending().await
        }
    }

    let kept = asset("x");
    let id = kept.metadata.id;
    let subject = Subject::holding(std::slice::from_ref(&kept)).await;
    let options = CachedAssetOptions { revalidate: Duration::ZERO, serve_stale: false };
    let service = CachedAssetService::new(Arc::new(Silent(subject.origin.clone())), subject.disk.clone(), options);
    let mut deletion = service.delete(id);
    assert!(futures_util::poll!(&mut deletion).is_pending());
    assert_eq!(service.get(id).await.unwrap(), Some(kept), "the deletion is not answered yet");
    drop(deletion);
    assert_eq!(service.get(id).await.unwrap(), None);
}

#[tokio::test]
async fn what_may_change_is_asked_for_again() {
    let (tile, fixed) = (mutable("old tile"), asset("fixed"));
    let id = tile.metadata.id;
    let subject = Subject::holding(&[tile.clone(), fixed.clone()]).await;
    let always = cached(&subject.origin, &subject.disk, true, false);
    let mut new = tile.clone();
    new.data = Some(Bytes::from_static(b"new tile"));
    subject.origin.put(&new);
    assert_eq!(subject.service.get(id).await.unwrap(), Some(tile), "not yet");
    assert_eq!(subject.origin.asked(), 0);
    assert_eq!(always.get(id).await.unwrap().as_ref(), Some(&new));
    subject.disk.settled().await;
    assert_eq!(subject.service.get(id).await.unwrap().as_ref(), Some(&new), "it is kept in the place of the old one");
    assert_eq!(subject.origin.asked(), 1);
    assert_eq!(always.metadata(id).await.unwrap(), Some(new.metadata.clone()));
    assert_eq!(subject.origin.asked(), 1);

    subject.origin.go_away();
    assert_eq!(always.get(id).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(always.get(fixed.metadata.id).await.unwrap(), Some(fixed));
    subject.origin.come_back();
    subject.origin.assets.lock().unwrap().remove(&id);
    assert_eq!(always.metadata(id).await.unwrap(), None);
    assert!(!subject.file(id).exists(), "what is not there any more is not kept");
    assert_eq!(subject.service.get(id).await.unwrap(), None);
}

#[tokio::test]
async fn the_old_one_is_served_only_when_that_is_wanted_and_nobody_can_be_asked() {
    let tile = mutable("tile");
    let id = tile.metadata.id;
    let subject = Subject::holding(std::slice::from_ref(&tile)).await;
    let stale = cached(&subject.origin, &subject.disk, true, true);
    subject.origin.go_away();
    assert_eq!(stale.get(id).await.unwrap().as_ref(), Some(&tile));
    assert_eq!(stale.data(id).await.unwrap(), tile.data);
    assert_eq!(stale.metadata(id).await.unwrap().as_ref(), Some(&tile.metadata));
    assert_eq!(subject.disk.state().stale, 3);
    assert_eq!(stale.get(Uuid::nil()).await.unwrap_err().kind, ErrorKind::Unavailable, "never kept");
    *subject.origin.failure.lock().unwrap() = Some(ServiceError::internal("a lost table"));
    assert_eq!(stale.get(id).await.unwrap_err().kind, ErrorKind::Internal);
    subject.origin.come_back();
    subject.origin.assets.lock().unwrap().remove(&id);
    assert_eq!(stale.get(id).await.unwrap(), None);
    assert!(!subject.file(id).exists());
}

#[tokio::test]
async fn a_disk_that_fails_stops_nothing_and_is_tried_again() {
    let assets: Vec<Asset> = (0..6_u8).map(|number| asset(vec![number; 5000])).collect();
    let subject = Subject::new(&assets).await;
    // Even root cannot make a file below a file.
    let temporary = subject.folder.path().join("v1/tmp");
    fs::remove_dir(&temporary).unwrap();
    fs::write(&temporary, "").unwrap();
    for asset in &assets {
        assert_eq!(subject.service.get(asset.metadata.id).await.unwrap().as_ref(), Some(asset));
    }
    subject.disk.settled().await;
    let state = subject.disk.state();
    assert_eq!((state.write_errors, state.entries, state.bytes), (6, 0, 0));
    fs::remove_file(&temporary).unwrap();
    for asset in &assets {
        subject.service.get(asset.metadata.id).await.unwrap();
    }
    subject.disk.settled().await;
    assert_eq!(subject.disk.state().entries, 6);
    assert_eq!(usage(subject.folder.path()), subject.disk.state().bytes);
}

#[tokio::test]
async fn the_operator_may_empty_the_folder_and_leave_things_in_it() {
    let assets = [asset("a"), asset("b")];
    let mut subject = Subject::holding(&assets).await;
    fs::remove_dir_all(subject.folder.path().join("v1")).unwrap();
    for _ in 0..2 {
        for asset in &assets {
            assert_eq!(subject.service.get(asset.metadata.id).await.unwrap().as_ref(), Some(asset));
        }
        subject.disk.settled().await;
    }
    assert_eq!((subject.origin.asked(), subject.disk.state().entries, subject.disk.state().damaged), (2, 2, 0));
    fs::write(subject.folder.path().join("v1/tmp/new"), "half a file").unwrap();
    fs::write(subject.folder.path().join("notes.txt"), "mine").unwrap();
    subject.reopen();
    subject.disk.settled().await;
    assert!(!subject.folder.path().join("v1/tmp/new").exists(), "what a killed process was writing");
    assert_eq!(subject.disk.state().entries, 2);
    subject.disk.clear().await;
    assert_eq!((subject.disk.state().entries, subject.disk.state().bytes), (0, 0));
    assert_eq!(usage(&subject.folder.path().join("v1")), 0);
    assert_eq!(fs::read_to_string(subject.folder.path().join("notes.txt")).unwrap(), "mine");
    assert_eq!(subject.service.get(assets[0].metadata.id).await.unwrap().as_ref(), Some(&assets[0]));
    assert_eq!(subject.origin.asked(), 1);
}

#[tokio::test]
async fn a_folder_has_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), MEGABYTE);
    let error = DiskCache::open(folder.path(), MEGABYTE).unwrap_err();
    assert!(matches!(error, DiskCacheError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    drop(first);
    drop(open(folder.path(), MEGABYTE));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = DiskCache::open(&file, MEGABYTE).unwrap_err();
    assert!(matches!(error, DiskCacheError::Unusable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_writers_and_changes_at_once() {
    const ROUNDS: usize = 300;
    // Each asset's content is its id again and again, and a number that a change makes larger.
    let content = |id: Uuid, number: u32| Bytes::from([id.as_bytes().repeat(400), number.to_be_bytes().to_vec()].concat());
    let assets: Vec<Asset> = (0..8)
        .map(|_| {
            let mut asset = asset("");
            asset.data = Some(content(asset.metadata.id, 0));
            asset
        })
        .collect();
    let (folder, origin) = (tempfile::tempdir().unwrap(), Origin::new(&assets));
    // Room for some of them only.
    let disk = open(folder.path(), 80_000);
    let service = Arc::new(cached(&origin, &disk, false, false));
    let tasks = assets.iter().map(|asset| {
        let (service, id) = (service.clone(), asset.metadata.id);
        tokio::spawn(async move {
            for round in 0..ROUNDS as u32 {
                let reads = (0..3).map(|_| service.data(id));
                for read in futures_util::future::join_all(reads).await {
                    assert_eq!(read.unwrap(), Some(content(id, round)), "what was answered is seen by all who ask later");
                }
                assert!(service.update_content(id, content(id, round + 1)).await.unwrap());
            }
        })
    });
    for task in futures_util::future::join_all(tasks.collect::<Vec<_>>()).await {
        task.unwrap();
    }
    disk.settled().await;
    let state = disk.state();
    assert_eq!((state.damaged, state.write_errors), (0, 0), "{state:?}");
    assert!(state.bytes <= 80_000 && state.bytes == usage(folder.path()), "{state:?}");
}

#[tokio::test]
async fn metadata_alone_is_not_kept() {
    #[derive(Debug)]
    struct MetadataOnly(AssetMetadata);

    #[async_trait]
    impl AssetService for MetadataOnly {
        async fn get(&self, _id: Uuid) -> Result<Option<Asset>> {
            Err(ServiceError::internal("the content is not asked for"))
        }
        async fn metadata(&self, _id: Uuid) -> Result<Option<AssetMetadata>> {
            Ok(Some(self.0.clone()))
        }
        async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
            Ok(vec![true; ids.len()])
        }
        async fn store(&self, asset: Asset) -> Result<Uuid> {
            Ok(asset.metadata.id)
        }
        async fn delete(&self, _id: Uuid) -> Result<bool> {
            Ok(true)
        }
    }

    let (folder, metadata) = (tempfile::tempdir().unwrap(), asset("").metadata);
    let disk = open(folder.path(), MEGABYTE);
    let options = CachedAssetOptions { revalidate: Duration::ZERO, serve_stale: false };
    let service = CachedAssetService::new(Arc::new(MetadataOnly(metadata.clone())), disk.clone(), options);
    assert_eq!(service.metadata(metadata.id).await.unwrap(), Some(metadata));
    disk.settled().await;
    assert_eq!(disk.state().entries, 0);
}
