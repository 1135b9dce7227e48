//! Numbers of the inventory: folder types, asset types with a meaning of their own here, permissions, limits.

use std::fmt;

/// Ids in one call at most. A user's whole inventory goes into it; the statements of a call are no longer than a database takes.
pub const MAX_IDS_OF_ONE_CALL: usize = 65_536;
/// Folders in one call of [`super::InventoryService::folders_content`] at most.
pub const MAX_FOLDERS_OF_ONE_CALL: usize = 16_384;

/// What a folder is for (inventory.md section 8). Any number can be stored and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderType(pub i16);

impl FolderType {
    /// A folder that a user made.
    pub const NONE: Self = Self(-1);
    /// Textures.
    pub const TEXTURE: Self = Self(0);
    /// Sounds.
    pub const SOUND: Self = Self(1);
    /// Calling cards.
    pub const CALLING_CARD: Self = Self(2);
    /// Landmarks.
    pub const LANDMARK: Self = Self(3);
    /// Clothing.
    pub const CLOTHING: Self = Self(5);
    /// Objects.
    pub const OBJECT: Self = Self(6);
    /// Notecards.
    pub const NOTECARD: Self = Self(7);
    /// The root of a user's inventory.
    pub const ROOT: Self = Self(8);
    /// Scripts.
    pub const SCRIPT: Self = Self(10);
    /// Body parts.
    pub const BODY_PART: Self = Self(13);
    /// The trash: what is in it may be deleted.
    pub const TRASH: Self = Self(14);
    /// Snapshots.
    pub const SNAPSHOT: Self = Self(15);
    /// What came back from regions.
    pub const LOST_AND_FOUND: Self = Self(16);
    /// Animations.
    pub const ANIMATION: Self = Self(20);
    /// Gestures.
    pub const GESTURE: Self = Self(21);
    /// Favorites.
    pub const FAVORITES: Self = Self(23);
    /// Links to what is worn.
    pub const CURRENT_OUTFIT: Self = Self(46);
    /// An outfit that a user made; unlike other typed folders there may be many.
    pub const OUTFIT: Self = Self(47);
    /// Outfits.
    pub const MY_OUTFITS: Self = Self(48);
    /// Environment settings.
    pub const SETTINGS: Self = Self(56);
    /// Materials.
    pub const MATERIAL: Self = Self(57);
    /// What a travelling user has along on other grids.
    pub const SUITCASE: Self = Self(100);
}

impl fmt::Display for FolderType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Asset types of items that have a meaning to the inventory itself (inventory.md section 4).
pub mod asset_types {
    /// A gesture.
    pub const GESTURE: i32 = 21;
    /// A link to an item.
    pub const LINK: i32 = 24;
    /// A link to a folder.
    pub const LINK_FOLDER: i32 = 25;
}

/// Bits of permission masks (inventory.md section 5). The service stores and returns them, and enforces none.
pub mod permissions {
    /// May be given away.
    pub const TRANSFER: u32 = 0x2000;
    /// May be changed.
    pub const MODIFY: u32 = 0x4000;
    /// May be copied.
    pub const COPY: u32 = 0x8000;
    /// May be taken to other grids.
    pub const EXPORT: u32 = 0x1_0000;
    /// May be moved.
    pub const MOVE: u32 = 0x8_0000;
    /// Everything but export.
    pub const FULL: u32 = TRANSFER | MODIFY | COPY | MOVE;
    /// The largest mask, and the largest flags, that can be stored (schema.md section 4).
    pub const LARGEST: u32 = 0x7FFF_FFFF;
}
