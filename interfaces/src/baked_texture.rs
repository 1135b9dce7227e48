//! The baked texture service: an avatar's baked appearance, kept as one opaque document per avatar (assets.md section 12).

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use crate::Result;

/// Keeps one document per avatar, byte for byte, without looking into it.
#[async_trait]
pub trait BakedTextureService: Send + Sync {
    /// The document of this avatar, or `None` when none is stored.
    async fn get(&self, agent: Uuid) -> Result<Option<Bytes>>;

    /// Stores the document of this avatar in place of an earlier one. When this returns `Ok` it is on disk.
    async fn store(&self, agent: Uuid, document: Bytes) -> Result<()>;

    /// Deletes the document of this avatar; false when there was none.
    async fn delete(&self, agent: Uuid) -> Result<bool>;
}
