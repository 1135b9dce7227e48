//! The library: folders and items that the operator gives to every user, read-only (inventory.md section 7).

use std::fmt;

use uuid::{Uuid, uuid};

use crate::inventory::{InventoryFolder, InventoryItem};

/// The id of the library's root folder.
pub const LIBRARY_ROOT: Uuid = uuid!("00000112-000f-0000-0000-000100bba000");
/// The owner and creator of everything in the library.
pub const LIBRARY_OWNER: Uuid = uuid!("11111111-1111-0000-0000-000100bba000");

/// Gives out the library. It is in memory, loaded once.
pub trait LibraryService: Send + Sync + fmt::Debug {
    /// All folders: the root folder first, and the folders in one folder before what is deeper.
    fn folders(&self) -> &[InventoryFolder];

    /// The items directly in a folder.
    fn items_in(&self, folder: Uuid) -> &[InventoryItem];

    /// One item.
    fn item(&self, id: Uuid) -> Option<&InventoryItem>;
}
