//! What the inventory needs from a dialect, and rows on their way in and out.

use async_trait::async_trait;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::inventory::{FolderType, InventoryFolder, InventoryItem, ItemMove, permissions};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use crate::text::cut;

/// Names of folders and items are cut at this many UTF-16 units (inventory.md section 2).
const MAX_NAME_UNITS: usize = 64;
/// Descriptions of items are cut at this many.
const MAX_DESCRIPTION_UNITS: usize = 128;
/// Longer creators are refused; the column of an SQLite file has no limit of its own.
const MAX_CREATOR_CHARS: usize = 255;
/// What the original writes for a creator from elsewhere whose name is not given.
const UNKNOWN_CREATOR: &str = "Unknown User";

/// The result of a statement.
pub(super) type SqlResult<T> = std::result::Result<T, sqlx::Error>;

/// The statements on the tables `inventoryfolders` and `inventoryitems`, in one dialect, on one connection. Lists of ids may have any
/// length and take one statement, or on MariaDB and MySQL one for some thousands.
#[async_trait]
pub(super) trait Tables: Send {
    /// Keeps other transactions out that change the inventories of these users, until the end of this one. True when others may
    /// have changed something since the transaction began.
    async fn lock_users(&mut self, users: &[Uuid]) -> SqlResult<bool>;

    /// All folders of a user.
    async fn skeleton(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>>;
    /// The folders of a user that have no parent.
    async fn top_folders(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>>;
    async fn folders(&mut self, ids: &[Uuid]) -> SqlResult<Vec<FolderRow>>;
    /// The folders directly in these.
    async fn folders_in(&mut self, parents: &[Uuid]) -> SqlResult<Vec<FolderRow>>;
    async fn items(&mut self, ids: &[Uuid]) -> SqlResult<Vec<InventoryItem>>;
    /// The items directly in these folders.
    async fn items_in(&mut self, folders: &[Uuid]) -> SqlResult<Vec<InventoryItem>>;
    /// Where these items are.
    async fn places(&mut self, ids: &[Uuid]) -> SqlResult<Vec<ItemPlace>>;
    /// Where all items of a user are.
    async fn places_of(&mut self, user: Uuid) -> SqlResult<Vec<ItemPlace>>;
    async fn active_gestures(&mut self, user: Uuid) -> SqlResult<Vec<InventoryItem>>;
    /// The current permissions of each item by which the user has the asset.
    async fn permissions_of_asset(&mut self, user: Uuid, asset: Uuid) -> SqlResult<Vec<i64>>;
    /// The owners of folders and items after this one, in order.
    async fn users_after(&mut self, user: Option<Uuid>, count: u32) -> SqlResult<Vec<Uuid>>;
    /// How many owners of folders there are.
    async fn count_users(&mut self) -> SqlResult<i64>;

    async fn insert_folder(&mut self, folder: &InventoryFolder) -> SqlResult<()>;
    /// Sets name, type, parent and version of a folder.
    async fn update_folder(&mut self, folder: &FolderRow) -> SqlResult<()>;
    async fn insert_item(&mut self, item: &InventoryItem) -> SqlResult<()>;
    /// Sets everything of an item.
    async fn update_item(&mut self, item: &InventoryItem) -> SqlResult<()>;
    async fn move_items(&mut self, moves: &[ItemMove]) -> SqlResult<()>;
    /// Adds to the versions of these folders.
    async fn raise_versions(&mut self, folders: &[Uuid], by: i64) -> SqlResult<()>;
    async fn delete_items(&mut self, ids: &[Uuid]) -> SqlResult<()>;
    /// Deletes the items directly in these folders; gives how many.
    async fn delete_items_in(&mut self, folders: &[Uuid]) -> SqlResult<u64>;
    async fn delete_folders(&mut self, ids: &[Uuid]) -> SqlResult<()>;
}

/// A folder as a table holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FolderRow {
    pub(super) id: Uuid,
    pub(super) parent: Uuid,
    pub(super) owner: Uuid,
    pub(super) folder_type: i64,
    /// All of it; the wire shows it modulo 65536.
    pub(super) version: i64,
    pub(super) name: String,
}

impl FolderRow {
    /// The type; numbers that the wire cannot carry are no type.
    pub(super) fn folder_type(&self) -> FolderType {
        i16::try_from(self.folder_type).map_or(FolderType::NONE, FolderType)
    }

    /// The version as the wire shows it.
    pub(super) fn wire_version(&self) -> u16 {
        // The remainder fits.
        u16::try_from(self.version.rem_euclid(65_536)).unwrap_or(u16::MAX)
    }

    /// Raises the version to this one of the wire, and leaves it where that is lower.
    pub(super) fn raise_to(&mut self, version: u16) {
        self.version += i64::from(version.saturating_sub(self.wire_version()));
    }
}

impl From<FolderRow> for InventoryFolder {
    fn from(row: FolderRow) -> Self {
        Self {
            id: row.id,
            parent: row.parent,
            owner: row.owner,
            folder_type: row.folder_type(),
            version: row.wire_version(),
            name: row.name,
        }
    }
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemPlace {
    pub(super) id: Uuid,
    pub(super) folder: Uuid,
    pub(super) owner: Uuid,
    pub(super) asset_type: i64,
}

/// An item as a table holds it. Old rows have NULL, or what no column should hold, nearly anywhere (schema.md section 8, 9).
#[derive(Clone, Debug)]
pub(super) struct ItemRow {
    pub(super) id: Uuid,
    pub(super) asset_id: Uuid,
    pub(super) asset_type: Option<i64>,
    pub(super) inventory_type: Option<i64>,
    pub(super) folder: Uuid,
    pub(super) owner: Uuid,
    pub(super) creator: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) next_permissions: Option<i64>,
    pub(super) current_permissions: Option<i64>,
    pub(super) base_permissions: Option<i64>,
    pub(super) everyone_permissions: Option<i64>,
    pub(super) group_permissions: Option<i64>,
    pub(super) group_id: Uuid,
    /// 0 or 1.
    pub(super) group_owned: Option<i64>,
    pub(super) sale_price: Option<i64>,
    pub(super) sale_type: Option<i64>,
    pub(super) flags: Option<i64>,
    pub(super) creation_date: Option<i64>,
}

impl From<ItemRow> for InventoryItem {
    fn from(row: ItemRow) -> Self {
        let (creator_id, creator_data) = split_creator(row.creator.unwrap_or_default());
        Self {
            id: row.id,
            asset_id: row.asset_id,
            asset_type: narrow(row.asset_type),
            inventory_type: narrow(row.inventory_type),
            folder: row.folder,
            owner: row.owner,
            creator_id,
            creator_data,
            name: row.name.unwrap_or_default(),
            description: row.description.unwrap_or_default(),
            next_permissions: bits(row.next_permissions),
            current_permissions: bits(row.current_permissions),
            base_permissions: bits(row.base_permissions),
            everyone_permissions: bits(row.everyone_permissions),
            group_permissions: bits(row.group_permissions),
            group_id: row.group_id,
            group_owned: row.group_owned.is_some_and(|flag| flag != 0),
            sale_price: narrow(row.sale_price),
            // The column is signed, and the original takes what it holds for a byte.
            sale_type: u8::try_from(row.sale_type.unwrap_or(0) & 0xff).unwrap_or(0),
            flags: bits(row.flags),
            creation_date: narrow(row.creation_date),
        }
    }
}

/// A number of 32 bits; one that does not fit becomes 0, as does NULL.
pub(super) fn narrow(number: Option<i64>) -> i32 {
    number.and_then(|number| i32::try_from(number).ok()).unwrap_or(0)
}

/// Bits of a column that may be signed or unsigned.
pub(super) fn bits(number: Option<i64>) -> u32 {
    let number = number.unwrap_or(0);
    u32::try_from(number).or_else(|_| i32::try_from(number).map(i32::cast_unsigned)).unwrap_or(0)
}

/// An id; what is none, like NULL and the empty text of old rows, is the zero UUID (schema.md section 4).
pub(super) fn read_id(text: Option<&str>) -> Uuid {
    text.and_then(parse_uuid).unwrap_or_default()
}

/// The column `creatorID` as creator id and creator data (inventory.md section 2).
fn split_creator(mut creator: String) -> (String, String) {
    let Some((id, data)) = creator.split_once(';') else { return (creator, String::new()) };
    let mut parts = data.splitn(3, ';');
    let data = [parts.next().unwrap_or_default(), ";", parts.next().unwrap_or(UNKNOWN_CREATOR)].concat();
    creator.truncate(id.len());
    (creator, data)
}

/// The column `creatorID` of an item.
pub(super) fn creator(item: &InventoryItem) -> String {
    if item.creator_data.is_empty() { item.creator_id.clone() } else { format!("{};{}", item.creator_id, item.creator_data) }
}

/// The folder as it is stored.
pub(super) fn storable_folder(mut folder: InventoryFolder) -> InventoryFolder {
    cut(&mut folder.name, MAX_NAME_UNITS);
    folder
}

/// The item as it is stored: texts cut.
///
/// # Errors
/// `Refused` when it holds a number that the original cannot read, or a creator that is too long.
pub(super) fn storable_item(mut item: InventoryItem) -> Result<InventoryItem> {
    let InventoryItem {
        next_permissions, current_permissions, base_permissions, everyone_permissions, group_permissions, ..
    } = item;
    for (what, bits) in [
        ("next permissions", next_permissions),
        ("current permissions", current_permissions),
        ("base permissions", base_permissions),
        ("everyone permissions", everyone_permissions),
        ("group permissions", group_permissions),
        ("flags", item.flags),
    ] {
        if bits > permissions::LARGEST {
            let message = format!("the {what} of item {} are {bits}, more than {}", item.id, permissions::LARGEST);
            return Err(ServiceError::refused(message));
        }
    }
    if creator(&item).chars().count() > MAX_CREATOR_CHARS {
        let message = format!("the creator of item {} is longer than {MAX_CREATOR_CHARS} characters", item.id);
        return Err(ServiceError::refused(message));
    }
    cut(&mut item.name, MAX_NAME_UNITS);
    cut(&mut item.description, MAX_DESCRIPTION_UNITS);
    if item.description.trim().is_empty() {
        item.description.clear();
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (String, String) {
        split_creator(text.to_owned())
    }

    #[test]
    fn creators_are_split_as_the_original_does() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(split("uuid"), pair("uuid", ""));
        assert_eq!(split(""), pair("", ""));
        assert_eq!(split("uuid;http://grid:8002/;John Doe"), pair("uuid", "http://grid:8002/;John Doe"));
        assert_eq!(split("uuid;http://grid:8002/"), pair("uuid", "http://grid:8002/;Unknown User"));
        assert_eq!(split("uuid;"), pair("uuid", ";Unknown User"));
        assert_eq!(split("uuid;a;b;c;d"), pair("uuid", "a;b"));
        assert_eq!(split(";;"), pair("", ";"));
    }

    #[test]
    fn versions_are_shown_modulo_65536_and_never_fall() {
        let mut row = FolderRow {
            id: Uuid::nil(),
            parent: Uuid::nil(),
            owner: Uuid::nil(),
            folder_type: 40_000,
            version: 70_000,
            name: String::new(),
        };
        assert_eq!((row.wire_version(), row.folder_type()), (4464, FolderType::NONE));
        row.raise_to(4465);
        assert_eq!(row.version, 70_001);
        row.raise_to(3);
        assert_eq!(row.version, 70_001);
        row.version = -1;
        assert_eq!(row.wire_version(), 65_535);
    }

    #[test]
    fn bits_are_read_signed_and_unsigned() {
        assert_eq!(bits(Some(4_294_967_295)), u32::MAX);
        assert_eq!(bits(Some(-1)), u32::MAX);
        assert_eq!(bits(Some(581_632)), 581_632);
        assert_eq!((bits(None), bits(Some(1 << 40))), (0, 0));
        assert_eq!((narrow(Some(-7)), narrow(Some(1 << 40)), narrow(None)), (-7, 0, 0));
    }
}
