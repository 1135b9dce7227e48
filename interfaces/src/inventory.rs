//! The inventory service: what each user owns, as a tree of folders with items in them.

mod types;

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

pub use types::{FolderType, MAX_FOLDERS_OF_ONE_CALL, MAX_IDS_OF_ONE_CALL, asset_types, permissions};

use crate::Result;

/// The name by which a user's root folder is told from other folders without a parent (inventory.md section 4).
pub const ROOT_FOLDER_NAME: &str = "My Inventory";

/// A folder of somebody's inventory (inventory.md section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryFolder {
    /// The id that it is asked for by.
    pub id: Uuid,
    /// The folder in which it is; the zero UUID for a root folder.
    pub parent: Uuid,
    /// Whose it is.
    pub owner: Uuid,
    /// What it is for.
    pub folder_type: FolderType,
    /// Goes up by one with each change of what is in it, modulo 65536, as on the wire. Viewers compare it with their cache.
    pub version: u16,
    /// Name; at most 64 UTF-16 units are stored.
    pub name: String,
}

/// Something that a user owns: a name and permissions for an asset, or a link to another item or folder (inventory.md section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryItem {
    /// The id that it is asked for by.
    pub id: Uuid,
    /// The asset. Of a link ([`asset_types::LINK`], [`asset_types::LINK_FOLDER`]) the id of the item or folder that is meant.
    pub asset_id: Uuid,
    /// The type of the asset (assets.md section 10, and [`asset_types`]).
    pub asset_type: i32,
    /// The inventory type (inventory.md section 8).
    pub inventory_type: i32,
    /// The folder in which it is.
    pub folder: Uuid,
    /// Whose it is.
    pub owner: Uuid,
    /// Who made it: usually a UUID, but any text without `;` is kept.
    pub creator_id: String,
    /// Where the creator comes from, `url;First Last`; empty for a user of this grid. A text without `;` comes back with
    /// `;Unknown User` behind it, and what follows a second `;` is lost (inventory.md section 2).
    pub creator_data: String,
    /// Name; at most 64 UTF-16 units are stored.
    pub name: String,
    /// Description; at most 128 UTF-16 units are stored, and nothing when it is blank.
    pub description: String,
    /// What the next owner may do with it ([`permissions`]). Masks and flags above 0x7FFFFFFF can be read but not stored.
    pub next_permissions: u32,
    /// What the owner may do with it.
    pub current_permissions: u32,
    /// What anybody could ever be permitted.
    pub base_permissions: u32,
    /// What everyone may do with it.
    pub everyone_permissions: u32,
    /// What members of the group may do with it.
    pub group_permissions: u32,
    /// The group that it is shared with; the zero UUID for none.
    pub group_id: Uuid,
    /// The group owns it.
    pub group_owned: bool,
    /// The price at which it is for sale.
    pub sale_price: i32,
    /// How it is for sale: 0 not, 1 the original, 2 a copy, 3 the contents.
    pub sale_type: u8,
    /// Bits whose meaning depends on the type; bit 0 of a gesture says that it is active.
    pub flags: u32,
    /// When it was made, in seconds since 1970, UTC.
    pub creation_date: i32,
}

/// A folder with what is directly in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderContent {
    /// The folder.
    pub folder: Uuid,
    /// Whose folder it is; the zero UUID when there is no such folder.
    pub owner: Uuid,
    /// The version of the folder, 0 when there is no such folder.
    pub version: u16,
    /// Its sub folders, in no order.
    pub folders: Vec<InventoryFolder>,
    /// Its items, in no order.
    pub items: Vec<InventoryItem>,
}

/// Where an item shall go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemMove {
    /// The item.
    pub item: Uuid,
    /// The folder in which it shall be.
    pub folder: Uuid,
}

/// Keeps users' inventories.
///
/// **Principals.** Where a method takes a `principal`, it is the user for whom the request is made; `None`, or the zero UUID, when
/// the request names nobody, and then nothing is checked. What belongs to another user than the principal is treated as if it did
/// not exist. An implementation may have an option to ignore the principal, as newer versions of ROBUST do (inventory.md section 11).
///
/// **Answers.** A look-up that finds nothing is `None` or an empty list. A change that the rules of the inventory do not allow is
/// `Ok(false)`, and nothing was changed; the wire says `RESULT` False. `true` means that the change is durable.
///
/// **Errors** are `Refused` for values that cannot be stored (masks above 0x7FFFFFFF, texts that a column cannot hold), `Invalid` for
/// lists that are too long, `Unavailable` and `Internal` for the store. A fault of the store is never "not found" or `false`. After an
/// error nothing was changed.
///
/// Every method takes a bounded number of queries, however long its lists are.
#[async_trait]
pub trait InventoryService: Send + Sync + fmt::Debug {
    /// Makes sure that the user has a root folder and all system folders (inventory.md section 4, CREATEUSERINVENTORY). What exists
    /// stays; repeating it, also at the same time, adds nothing twice. True when there was no root folder before.
    async fn create_user_inventory(&self, user: Uuid) -> Result<bool>;

    /// All folders of the user, in no order.
    async fn skeleton(&self, user: Uuid) -> Result<Vec<InventoryFolder>>;

    /// The user's root folder: of the folders without parent the one called [`ROOT_FOLDER_NAME`], else any.
    async fn root_folder(&self, user: Uuid) -> Result<Option<InventoryFolder>>;

    /// The folder of this type directly in the user's root folder; for [`FolderType::ROOT`] the root folder itself, whatever type it
    /// has.
    async fn folder_for_type(&self, user: Uuid, folder_type: FolderType) -> Result<Option<InventoryFolder>>;

    /// What is directly in a folder. `None` for the zero UUID, and for a folder that does not exist or is not the principal's; an
    /// implementation that ignores principals may give the content of a folder that has no row itself.
    async fn folder_content(&self, folder: Uuid, principal: Option<Uuid>) -> Result<Option<FolderContent>> {
        Ok(self.folders_content(&[folder], principal).await?.pop().flatten())
    }

    /// What is directly in each of these folders, in the same order, as [`Self::folder_content`] gives it. A folder that is asked for
    /// again is `None` there.
    ///
    /// # Errors
    /// `Invalid` for more than [`MAX_FOLDERS_OF_ONE_CALL`] folders.
    async fn folders_content(&self, folders: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<FolderContent>>>;

    /// The items directly in a folder, in no order. None for the zero UUID.
    async fn folder_items(&self, folder: Uuid, principal: Option<Uuid>) -> Result<Vec<InventoryItem>>;

    /// One folder.
    async fn folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<Option<InventoryFolder>>;

    /// One item.
    async fn item(&self, id: Uuid, principal: Option<Uuid>) -> Result<Option<InventoryItem>> {
        Ok(self.items(&[id], principal).await?.pop().flatten())
    }

    /// Several items, in the order of the ids, one entry for each.
    ///
    /// # Errors
    /// `Invalid` for more than [`MAX_IDS_OF_ONE_CALL`] ids.
    async fn items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<InventoryItem>>>;

    /// The user's gestures that are active: asset type [`asset_types::GESTURE`] with bit 0 of the flags.
    async fn active_gestures(&self, user: Uuid) -> Result<Vec<InventoryItem>>;

    /// All bits of the current permissions of all items by which the user has the asset; 0 when there is none.
    async fn asset_permissions(&self, user: Uuid, asset: Uuid) -> Result<u32>;

    /// Adds a folder as it is. False when the id exists, when the parent is neither the zero UUID nor a folder of the same owner, and
    /// for a typed folder when the owner has no root folder or the root folder has one of this type already (inventory.md section 4,
    /// ADDFOLDER). The parent's version rises.
    async fn add_folder(&self, folder: InventoryFolder) -> Result<bool>;

    /// Changes a folder, or adds it when its id is unknown (inventory.md section 4, UPDATEFOLDER). Of a system folder only the version
    /// changes, and must not be lower than it is; of others name, type and parent change, under the conditions of
    /// [`Self::move_folder`], and the version stays where the new one is lower. False when the stored folder has another owner. The
    /// parent's version rises.
    async fn update_folder(&self, folder: InventoryFolder) -> Result<bool>;

    /// Puts a folder into another one, or with the zero UUID at the top. False when either does not exist or is not the principal's,
    /// when their owners differ, and when the folder would come to be inside of itself. The versions of both parents rise.
    async fn move_folder(&self, id: Uuid, parent: Uuid, principal: Option<Uuid>) -> Result<bool>;

    /// Deletes those of these folders that are in the trash, with everything in them. The others are left; that is no failure. False
    /// only where deleting is switched off (`AllowDelete`, inventory.md section 5).
    ///
    /// # Errors
    /// `Invalid` for more than [`MAX_IDS_OF_ONE_CALL`] ids.
    async fn delete_folders(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool>;

    /// Deletes everything in a folder that is in the trash, or is Trash or Lost And Found itself; the folder stays, and its version
    /// rises when there was something. False when it is elsewhere, does not exist or is not the principal's, and where deleting is
    /// switched off.
    async fn purge_folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<bool>;

    /// Stores an item, in place of one of the same id and owner. False when the id is another user's item. Whether its folder exists
    /// is not looked at, as in the original. The version of its folder rises, and of the one in which it was before.
    async fn add_item(&self, item: InventoryItem) -> Result<bool>;

    /// Changes an item but for its inventory type, asset type, folder, creator and owner, which stay as they are (inventory.md section
    /// 4, UPDATEITEM). False when there is no such item of this owner, and for links where deleting is switched off. The version of its
    /// folder rises.
    async fn update_item(&self, item: InventoryItem) -> Result<bool>;

    /// Puts items into other folders. Items that do not exist, or are not the principal's, are passed over. False, and nothing is moved,
    /// when a destination does not exist or belongs to another user than the item. The versions of the folders rise from which and to
    /// which something goes, once each. Of an item that is named twice the last destination counts.
    ///
    /// # Errors
    /// `Invalid` for more than [`MAX_IDS_OF_ONE_CALL`] moves.
    async fn move_items(&self, moves: &[ItemMove], principal: Option<Uuid>) -> Result<bool>;

    /// Deletes items; where deleting is switched off, links only. Always true: what does not exist, or is not the principal's, is passed
    /// over. The version of a folder rises by the number of items that it loses.
    ///
    /// # Errors
    /// `Invalid` for more than [`MAX_IDS_OF_ONE_CALL`] ids.
    async fn delete_items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool>;
}
