//! An asset service that remembers on the disk what another one gave.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetMetadata, AssetService};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use uuid::Uuid;

use super::DiskCache;
use super::format::Kept;

/// How assets are kept whose content may change, those with the flags Maptile and Rewritable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedAssetOptions {
    /// How long they are served without asking the other service.
    pub revalidate: Duration,
    /// When the other service cannot be reached, what is older is served all the same.
    pub serve_stale: bool,
}

/// The assets of another service, with a cache on the disk before it.
///
/// What never changes is asked for once. An asset that the other service does not have is not remembered here.
#[derive(Debug)]
pub struct CachedAssetService {
    inner: Arc<dyn AssetService>,
    disk: Arc<DiskCache>,
    options: CachedAssetOptions,
}

impl CachedAssetService {
    /// A service before `inner`. All that `disk` holds must be of the same assets.
    pub fn new(inner: Arc<dyn AssetService>, disk: Arc<DiskCache>, options: CachedAssetOptions) -> Self {
        Self { inner, disk, options }
    }

    /// What is kept, if it can be served: else, as the error, what may be served if all else fails.
    async fn kept(&self, id: Uuid) -> std::result::Result<Asset, Option<Asset>> {
        let kept = self.disk.get(id).await;
        match kept {
            Some(kept) if is_current(&kept, SystemTime::now(), self.options.revalidate) => {
                self.disk.counts.hits.add();
                Ok(kept.asset)
            }
            old => {
                self.disk.counts.misses.add();
                Err(old.map(|kept| kept.asset))
            }
        }
    }

    /// What was fetched; or, where the other service fails and the operator wants that, what was kept.
    fn or_stale<T>(&self, id: Uuid, fetched: Result<Option<T>>, old: Option<T>) -> Result<Option<T>> {
        match (fetched, old) {
            (Err(error), Some(old)) if error.kind == ErrorKind::Unavailable && self.options.serve_stale => {
                self.tell_of_stale(id, &error);
                Ok(Some(old))
            }
            (fetched, _) => fetched,
        }
    }

    fn tell_of_stale(&self, id: Uuid, error: &ServiceError) {
        self.disk.counts.stale.add();
        if let Some(left_out) = self.disk.stale_logged.tell() {
            tracing::warn!(asset_id = %id, %error, left_out, "[ASSET CACHE]: an old asset is served, since it cannot be fetched anew");
        }
    }

    /// Makes a change, after which nothing of before is served. Also when the change fails, since it may be made nevertheless.
    async fn change<T>(&self, id: Uuid, change: impl Future<Output = T>) -> T {
        // Who asked may go away while the other service is at it.
        let unfinished = Unfinished { disk: &self.disk, id };
        let outcome = change.await;
        std::mem::forget(unfinished);
        self.disk.forget(id).await;
        outcome
    }
}

/// Whether a kept asset can be served without asking.
fn is_current(kept: &Kept, now: SystemTime, revalidate: Duration) -> bool {
    // A time in the future is a clock that was set back: nobody knows how old it is.
    !kept.asset.metadata.flags.may_change() || now.duration_since(kept.fetched).is_ok_and(|age| age < revalidate)
}

/// Forgets the asset of a change whose end nobody waited for.
struct Unfinished<'a> {
    disk: &'a DiskCache,
    id: Uuid,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.disk.forget_soon(self.id);
    }
}

#[async_trait]
impl AssetService for CachedAssetService {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        let old = match self.kept(id).await {
            Ok(asset) => return Ok(Some(asset)),
            Err(old) => old,
        };
        let (fetch, now) = (self.disk.begin_fetch(id), SystemTime::now());
        let fetched = self.inner.get(id).await;
        match &fetched {
            Ok(Some(asset)) => fetch.keep(asset, now),
            Ok(None) if old.is_some() => self.disk.forget(id).await,
            _ => {}
        }
        self.or_stale(id, fetched, old)
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        let old = match self.kept(id).await {
            Ok(asset) => return Ok(Some(asset.metadata)),
            Err(old) => old,
        };
        let fetched = self.inner.metadata(id).await;
        if old.is_some() && matches!(fetched, Ok(None)) {
            self.disk.forget(id).await;
        }
        self.or_stale(id, fetched, old.map(|old| old.metadata))
    }

    /// The whole asset is fetched, so that it can be kept.
    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        Ok(self.get(id).await?.map(|asset| asset.data.unwrap_or_default()))
    }

    /// Of what is kept and never changes, nobody is asked. A file of before the start counts from when it is first read: only its content
    /// tells what it is.
    async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        let mut exist: Vec<bool> = {
            let state = self.disk.shared.lock();
            ids.iter().map(|id| state.is_immutable(*id)).collect()
        };
        let unknown: Vec<Uuid> = ids.iter().zip(&exist).filter(|(_, is_kept)| !**is_kept).map(|(id, _)| *id).collect();
        if unknown.is_empty() {
            return Ok(exist);
        }
        let found = self.inner.exist(&unknown).await?;
        if found.len() != unknown.len() {
            let wrong = format!("{} answers to {} questions whether an asset exists", found.len(), unknown.len());
            return Err(ServiceError::internal(wrong));
        }
        exist.iter_mut().filter(|is_kept| !**is_kept).zip(found).for_each(|(exists, found)| *exists = found);
        Ok(exist)
    }

    async fn store(&self, asset: Asset) -> Result<Uuid> {
        let id = asset.metadata.id;
        let stored = self.change(id, self.inner.store(asset)).await?;
        if stored != id {
            self.disk.forget(stored).await;
        }
        Ok(stored)
    }

    async fn update_content(&self, id: Uuid, data: Bytes) -> Result<bool> {
        self.change(id, self.inner.update_content(id, data)).await
    }

    async fn delete(&self, id: Uuid) -> Result<bool> {
        self.change(id, self.inner.delete(id)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use gridshell_interfaces::asset::AssetFlags;

    use super::*;

    #[test]
    fn only_what_may_change_grows_old() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let kept = |flags| {
            let metadata = AssetMetadata {
                id: Uuid::nil(),
                name: String::new(),
                description: String::new(),
                created: None,
                asset_type: 0,
                local: false,
                temporary: false,
                creator: None,
                flags,
            };
            Kept { asset: Asset { metadata, data: None }, fetched: at(1000) }
        };
        let minute = Duration::from_secs(60);
        for flags in [AssetFlags::NORMAL, AssetFlags::COLLECTABLE] {
            assert!([0, 1000, 1_000_000].iter().all(|now| is_current(&kept(flags), at(*now), minute)));
        }
        for flags in [AssetFlags::MAPTILE, AssetFlags::REWRITABLE, AssetFlags(7)] {
            let current: Vec<_> = [999, 1000, 1059, 1060].map(|now| is_current(&kept(flags), at(now), minute)).into();
            assert_eq!(current, [false, true, true, false]);
            assert!(!is_current(&kept(flags), at(1000), Duration::ZERO));
        }
    }
}
