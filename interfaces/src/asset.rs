//! The asset service: immutable named blobs (textures, sounds, notecards, objects, ...), each known by a UUID.

mod types;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

pub use types::{asset_type_name, asset_type_of_content_type, asset_type_of_name, content_type_of};

use crate::Result;

/// Everything about an asset but its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetMetadata {
    /// The id that it is asked for by.
    pub id: Uuid,
    /// Name; at most 64 UTF-16 units are stored.
    pub name: String,
    /// Description; at most 64 UTF-16 units are stored.
    pub description: String,
    /// Seconds since 1970, UTC; `None` where the store does not tell (the plain database service never does, assets.md
    /// section 2).
    pub created: Option<i64>,
    /// The asset type number (assets.md section 10); -1 is unknown.
    pub asset_type: i8,
    /// The uploader said that it should stay in the region. Stored and given back, without effect here.
    pub local: bool,
    /// The uploader said that it is short-lived. Stored and given back, without effect here.
    pub temporary: bool,
    /// Who made it: a UUID, or free text (`uuid;url/First Last`, `url;First Last`). `None` where the store has no such column.
    pub creator: Option<String>,
    /// What may be done with it.
    pub flags: AssetFlags,
}

/// An asset: metadata and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Everything but the content.
    pub metadata: AssetMetadata,
    /// The content. `None` is "not given", which no store takes; zero bytes are a content like any other.
    pub data: Option<Bytes>,
}

/// The flag bits of an asset (assets.md section 2). Other bits can come out of an old database and are carried along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetFlags(pub i32);

impl AssetFlags {
    /// No flag.
    pub const NORMAL: AssetFlags = AssetFlags(0);
    /// A region's map tile: may be deleted by regions.
    pub const MAPTILE: AssetFlags = AssetFlags(1);
    /// The content may change.
    pub const REWRITABLE: AssetFlags = AssetFlags(2);
    /// May be removed when nobody refers to it.
    pub const COLLECTABLE: AssetFlags = AssetFlags(4);

    /// The known flags with their names on the wire, in the order in which they are written.
    pub const NAMES: [(AssetFlags, &'static str); 3] =
        [(Self::MAPTILE, "Maptile"), (Self::REWRITABLE, "Rewritable"), (Self::COLLECTABLE, "Collectable")];

    /// True when all bits of `other` are set.
    pub fn contains(self, other: AssetFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// True when the content may change: a map tile is drawn anew, a rewritable asset is written anew. All others never change.
    pub fn may_change(self) -> bool {
        self.contains(Self::MAPTILE) || self.contains(Self::REWRITABLE)
    }

    /// The names joined by one blank, as on the wire: `Maptile Collectable`, or `Normal`. `None` when a bit has no name.
    pub fn names(self) -> Option<String> {
        let known = Self::NAMES.iter().fold(0, |bits, (flag, _)| bits | flag.0);
        if self.0 & !known != 0 {
            return None;
        }
        let names: Vec<_> = Self::NAMES.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name).collect();
        Some(if names.is_empty() { "Normal".to_owned() } else { names.join(" ") })
    }
}

/// Stores and gives out assets.
///
/// Assets are immutable: storing an id that exists already changes nothing and succeeds. When `store` returns `Ok` the asset is
/// durable and every later look-up, on any instance over the same store, finds it.
#[async_trait]
pub trait AssetService: Send + Sync + fmt::Debug {
    /// The whole asset, or `None` when there is none of this id. A fault of the store is an error, never `None`.
    async fn get(&self, id: Uuid) -> Result<Option<Asset>>;

    /// Everything but the content.
    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        Ok(self.get(id).await?.map(|asset| asset.metadata))
    }

    /// The content only.
    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        Ok(self.get(id).await?.map(|asset| asset.data.unwrap_or_default()))
    }

    /// For each id whether there is such an asset, in the same order. One query, however long the list.
    async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>>;

    /// Stores the asset unless its id exists already; gives the id under which it can be found from now on.
    ///
    /// # Errors
    /// `Refused` when the store will not take it: no content, a creator that is too long, text that a column cannot hold.
    async fn store(&self, asset: Asset) -> Result<Uuid>;

    /// Puts new content into an existing asset. False when it was not done, which is what every service of ROBUST answers
    /// (assets.md section 4).
    async fn update_content(&self, _id: Uuid, _data: Bytes) -> Result<bool> {
        Ok(false)
    }

    /// Deletes the asset. True also when there was none (assets.md section 6).
    async fn delete(&self, id: Uuid) -> Result<bool>;
}
