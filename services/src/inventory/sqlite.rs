//! The tables `inventoryfolders` and `inventoryitems` in an SQLite file (schema.md section 6.4).
//!
//! Rows are read on a connection that is used directly: through sqlx each of them costs a trip from thread to thread.

use async_trait::async_trait;
use gridshell_interfaces::inventory::{InventoryFolder, InventoryItem, ItemMove, asset_types};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, params};
use uuid::Uuid;

use super::tables::{FolderRow, ItemPlace, ItemRow, SqlResult, Tables, creator, read_id};
use crate::database::direct;
use crate::database::migrations::{Column, Schema, Table};

pub(super) const SCHEMA: Schema = Schema {
    version: 2,
    tables: &[
        Table {
            name: "inventoryfolders",
            create: &[
                "CREATE TABLE IF NOT EXISTS inventoryfolders (
                    folderName varchar(64),
                    type integer,
                    version integer,
                    folderID varchar(36) PRIMARY KEY,
                    agentID varchar(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
                    parentFolderID varchar(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
                )",
                "CREATE INDEX IF NOT EXISTS inventoryfolders_agentid ON inventoryfolders (agentID)",
                "CREATE INDEX IF NOT EXISTS inventoryfolders_parentid ON inventoryfolders (parentFolderID)",
            ],
            columns: &[
                Column { name: "folderName", add: None },
                Column { name: "type", add: None },
                Column { name: "version", add: Some("ALTER TABLE inventoryfolders ADD COLUMN version integer DEFAULT 0") },
                Column { name: "folderID", add: None },
                Column { name: "agentID", add: None },
                Column { name: "parentFolderID", add: None },
            ],
            repairs: &[],
        },
        Table {
            name: "inventoryitems",
            create: &[
                "CREATE TABLE IF NOT EXISTS inventoryitems (
                    assetID varchar(36),
                    assetType integer,
                    inventoryName varchar(64),
                    inventoryDescription varchar(128),
                    inventoryNextPermissions integer,
                    inventoryCurrentPermissions integer,
                    invType integer,
                    creatorID varchar(128),
                    inventoryBasePermissions integer,
                    inventoryEveryOnePermissions integer,
                    salePrice integer DEFAULT 99,
                    saleType integer DEFAULT 0,
                    creationDate integer DEFAULT 2000,
                    groupID varchar(36) DEFAULT '00000000-0000-0000-0000-000000000000',
                    groupOwned integer DEFAULT 0,
                    flags integer DEFAULT 0,
                    inventoryID varchar(36) PRIMARY KEY,
                    avatarID varchar(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
                    parentFolderID varchar(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
                    inventoryGroupPermissions integer NOT NULL DEFAULT 0
                )",
                "CREATE INDEX IF NOT EXISTS inventoryitems_avatarid ON inventoryitems (avatarID)",
                "CREATE INDEX IF NOT EXISTS inventoryitems_parentfolderid ON inventoryitems (parentFolderID)",
            ],
            columns: &[
                Column { name: "assetID", add: None },
                Column { name: "assetType", add: None },
                Column { name: "inventoryName", add: None },
                Column { name: "inventoryDescription", add: None },
                Column { name: "inventoryNextPermissions", add: None },
                Column { name: "inventoryCurrentPermissions", add: None },
                Column { name: "invType", add: None },
                Column { name: "creatorID", add: None },
                Column { name: "inventoryBasePermissions", add: None },
                Column { name: "inventoryEveryOnePermissions", add: None },
                Column { name: "salePrice", add: Some("ALTER TABLE inventoryitems ADD COLUMN salePrice integer DEFAULT 99") },
                Column { name: "saleType", add: Some("ALTER TABLE inventoryitems ADD COLUMN saleType integer DEFAULT 0") },
                Column {
                    name: "creationDate",
                    add: Some("ALTER TABLE inventoryitems ADD COLUMN creationDate integer DEFAULT 2000"),
                },
                Column {
                    name: "groupID",
                    add: Some(
                        "ALTER TABLE inventoryitems ADD COLUMN groupID varchar(36) DEFAULT '00000000-0000-0000-0000-000000000000'",
                    ),
                },
                Column { name: "groupOwned", add: Some("ALTER TABLE inventoryitems ADD COLUMN groupOwned integer DEFAULT 0") },
                Column { name: "flags", add: Some("ALTER TABLE inventoryitems ADD COLUMN flags integer DEFAULT 0") },
                Column { name: "inventoryID", add: None },
                Column { name: "avatarID", add: None },
                Column { name: "parentFolderID", add: None },
                Column {
                    name: "inventoryGroupPermissions",
                    add: Some("ALTER TABLE inventoryitems ADD COLUMN inventoryGroupPermissions integer NOT NULL DEFAULT 0"),
                },
            ],
            repairs: &[],
        },
    ],
    // Version 2 of the original moves rows of an older table, which no file has (schema.md section 7).
    steps: &[],
};

/// The columns of a [`FolderRow`], in the order of [`read_folder`].
const FOLDER: &str = "SELECT folderID, parentFolderID, agentID, type, version, folderName FROM inventoryfolders WHERE ";
/// The columns of an [`ItemRow`], in the order of [`read_item`].
const ITEM: &str = "SELECT inventoryID, assetID, assetType, invType, parentFolderID, avatarID, creatorID, inventoryName, \
    inventoryDescription, inventoryNextPermissions, inventoryCurrentPermissions, inventoryBasePermissions, \
    inventoryEveryOnePermissions, inventoryGroupPermissions, groupID, groupOwned, salePrice, saleType, flags, creationDate \
    FROM inventoryitems WHERE ";
/// The columns of an [`ItemPlace`], in the order of [`read_place`].
const PLACE: &str = "SELECT inventoryID, parentFolderID, avatarID, assetType FROM inventoryitems WHERE ";
const PERMISSIONS_OF_ASSET: &str = "SELECT inventoryCurrentPermissions FROM inventoryitems WHERE avatarID = ? AND assetID = ?";
const USERS_AFTER: &str = "SELECT * FROM (SELECT DISTINCT agentID FROM inventoryfolders WHERE agentID > ?1 \
    AND length(agentID) = 36 ORDER BY agentID LIMIT ?2) UNION SELECT * FROM (SELECT DISTINCT avatarID FROM inventoryitems \
    WHERE avatarID > ?1 AND length(avatarID) = 36 ORDER BY avatarID LIMIT ?2) ORDER BY 1 LIMIT ?2";
const COUNT_USERS: &str = "SELECT count(DISTINCT agentID) FROM inventoryfolders";
const INSERT_FOLDER: &str = "INSERT INTO inventoryfolders (folderID, parentFolderID, agentID, type, version, folderName) \
    VALUES (?, ?, ?, ?, ?, ?)";
const UPDATE_FOLDER: &str =
    "UPDATE inventoryfolders SET parentFolderID = ?, type = ?, version = ?, folderName = ? WHERE folderID = ?";
const INSERT_ITEM: &str = "INSERT INTO inventoryitems (assetID, assetType, invType, parentFolderID, avatarID, creatorID, \
    inventoryName, inventoryDescription, inventoryNextPermissions, inventoryCurrentPermissions, inventoryBasePermissions, \
    inventoryEveryOnePermissions, inventoryGroupPermissions, groupID, groupOwned, salePrice, saleType, flags, creationDate, \
    inventoryID) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const UPDATE_ITEM: &str = "UPDATE inventoryitems SET assetID = ?, assetType = ?, invType = ?, parentFolderID = ?, avatarID = ?, \
    creatorID = ?, inventoryName = ?, inventoryDescription = ?, inventoryNextPermissions = ?, inventoryCurrentPermissions = ?, \
    inventoryBasePermissions = ?, inventoryEveryOnePermissions = ?, inventoryGroupPermissions = ?, groupID = ?, groupOwned = ?, \
    salePrice = ?, saleType = ?, flags = ?, creationDate = ? WHERE inventoryID = ?";
const MOVE_ITEMS: &str = "UPDATE inventoryitems SET parentFolderID = moves.value FROM json_each(?) AS moves \
    WHERE inventoryID = moves.key";
const RAISE_VERSIONS: &str = "UPDATE inventoryfolders SET version = coalesce(CAST(version AS INTEGER), 0) + ? \
    WHERE folderID IN (SELECT value FROM json_each(?))";
const DELETE_ITEMS: &str = "DELETE FROM inventoryitems WHERE inventoryID IN (SELECT value FROM json_each(?))";
const DELETE_ITEMS_IN: &str = "DELETE FROM inventoryitems WHERE parentFolderID IN (SELECT value FROM json_each(?))";
const DELETE_FOLDERS: &str = "DELETE FROM inventoryfolders WHERE folderID IN (SELECT value FROM json_each(?))";

/// The tables, on a connection that is used directly: nothing here ever waits.
pub(super) struct SqliteTables<'c>(pub(super) &'c mut Connection);

impl SqliteTables<'_> {
    /// Reads the rows that fulfil a condition with one parameter.
    fn fetch<T>(&self, select: &str, condition: &str, parameter: String, read: fn(&Row<'_>) -> T) -> SqlResult<Vec<T>> {
        self.query(&format!("{select}{condition}"), [parameter], read)
    }

    fn fetch_items(&self, condition: &str, parameter: String) -> SqlResult<Vec<InventoryItem>> {
        self.fetch(ITEM, condition, parameter, |row| read_item(row).into())
    }

    fn query<T>(&self, sql: &str, parameters: impl Params, read: fn(&Row<'_>) -> T) -> SqlResult<Vec<T>> {
        let query = || {
            let mut statement = self.0.prepare_cached(sql)?;
            statement.query_map(parameters, |row| Ok(read(row)))?.collect::<rusqlite::Result<_>>()
        };
        query().map_err(direct)
    }

    /// Runs a statement that changes something; gives how many rows it has changed.
    fn execute(&self, sql: &str, parameters: impl Params) -> SqlResult<u64> {
        let execute = || self.0.prepare_cached(sql)?.execute(parameters);
        execute().map(|rows| rows as u64).map_err(direct)
    }
}

fn read_folder(row: &Row<'_>) -> FolderRow {
    FolderRow {
        id: id(row, 0),
        parent: id(row, 1),
        owner: id(row, 2),
        folder_type: number(row, 3).unwrap_or_default(),
        version: number(row, 4).unwrap_or_default(),
        name: text(row, 5).unwrap_or_default(),
    }
}

fn read_item(row: &Row<'_>) -> ItemRow {
    ItemRow {
        id: id(row, 0),
        asset_id: id(row, 1),
        asset_type: number(row, 2),
        inventory_type: number(row, 3),
        folder: id(row, 4),
        owner: id(row, 5),
        creator: text(row, 6),
        name: text(row, 7),
        description: text(row, 8),
        next_permissions: number(row, 9),
        current_permissions: number(row, 10),
        base_permissions: number(row, 11),
        everyone_permissions: number(row, 12),
        group_permissions: number(row, 13),
        group_id: id(row, 14),
        group_owned: number(row, 15),
        sale_price: number(row, 16),
        sale_type: number(row, 17),
        flags: number(row, 18),
        creation_date: number(row, 19),
    }
}

fn read_place(row: &Row<'_>) -> ItemPlace {
    ItemPlace { id: id(row, 0), folder: id(row, 1), owner: id(row, 2), asset_type: number(row, 3).unwrap_or_default() }
}

// Columns of an SQLite file may hold values of any type, and those of old rows do.

/// A number; what is none, is 0 as SQLite's own casts have it.
fn number(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column).ok()? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number),
        // Out of range it becomes the nearest, which no field takes.
        ValueRef::Real(number) => Some(number as i64),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Some(std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))
        }
    }
}

/// A text; what is no UTF-8 in it becomes the replacement character.
fn text(row: &Row<'_>, column: usize) -> Option<String> {
    match row.get_ref(column).ok()? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(text).into_owned(),
        }),
    }
}

fn id(row: &Row<'_>, column: usize) -> Uuid {
    match row.get_ref(column) {
        Ok(ValueRef::Text(text) | ValueRef::Blob(text)) => read_id(std::str::from_utf8(text).ok()),
        _ => Uuid::nil(),
    }
}

/// The ids as a JSON array, so that any number of them is one parameter of one statement.
fn json(ids: &[Uuid]) -> String {
    let mut json = String::with_capacity(2 + 39 * ids.len());
    json.push('[');
    for (index, id) in ids.iter().enumerate() {
        json.push_str(if index == 0 { "\"" } else { ",\"" });
        json.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        json.push('"');
    }
    json.push(']');
    json
}

/// Runs a statement with the parameters of [`INSERT_ITEM`] and [`UPDATE_ITEM`].
fn put_item(tables: &SqliteTables<'_>, sql: &str, item: &InventoryItem) -> SqlResult<()> {
    let parameters = params![
        item.asset_id.to_string(),
        item.asset_type,
        item.inventory_type,
        item.folder.to_string(),
        item.owner.to_string(),
        creator(item),
        item.name,
        item.description,
        item.next_permissions,
        item.current_permissions,
        item.base_permissions,
        item.everyone_permissions,
        item.group_permissions,
        item.group_id.to_string(),
        item.group_owned,
        item.sale_price,
        item.sale_type,
        item.flags,
        item.creation_date,
        item.id.to_string(),
    ];
    tables.execute(sql, parameters).map(|_| ())
}

#[async_trait]
impl Tables for SqliteTables<'_> {
    async fn lock_users(&mut self, _users: &[Uuid]) -> SqlResult<bool> {
        // A write has the whole file for itself.
        Ok(false)
    }

    async fn skeleton(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        self.fetch(FOLDER, "agentID = ?", user.to_string(), read_folder)
    }

    async fn top_folders(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        // The plus keeps SQLite from looking through the root folders of all users.
        const TOP: &str = "agentID = ? AND +parentFolderID = '00000000-0000-0000-0000-000000000000'";
        self.fetch(FOLDER, TOP, user.to_string(), read_folder)
    }

    async fn folders(&mut self, ids: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch(FOLDER, "folderID IN (SELECT value FROM json_each(?))", json(ids), read_folder)
    }

    async fn folders_in(&mut self, parents: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch(FOLDER, "parentFolderID IN (SELECT value FROM json_each(?))", json(parents), read_folder)
    }

    async fn items(&mut self, ids: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_items("inventoryID IN (SELECT value FROM json_each(?))", json(ids))
    }

    async fn items_in(&mut self, folders: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_items("parentFolderID IN (SELECT value FROM json_each(?))", json(folders))
    }

    async fn places(&mut self, ids: &[Uuid]) -> SqlResult<Vec<ItemPlace>> {
        self.fetch(PLACE, "inventoryID IN (SELECT value FROM json_each(?))", json(ids), read_place)
    }

    async fn places_of(&mut self, user: Uuid) -> SqlResult<Vec<ItemPlace>> {
        self.fetch(PLACE, "avatarID = ?", user.to_string(), read_place)
    }

    async fn active_gestures(&mut self, user: Uuid) -> SqlResult<Vec<InventoryItem>> {
        let condition = format!("avatarID = ? AND assetType = {} AND flags & 1", asset_types::GESTURE);
        self.fetch_items(&condition, user.to_string())
    }

    async fn permissions_of_asset(&mut self, user: Uuid, asset: Uuid) -> SqlResult<Vec<i64>> {
        let parameters = [user.to_string(), asset.to_string()];
        self.query(PERMISSIONS_OF_ASSET, parameters, |row| number(row, 0).unwrap_or_default())
    }

    async fn users_after(&mut self, user: Option<Uuid>, count: u32) -> SqlResult<Vec<Uuid>> {
        let after = user.map(|user| user.to_string()).unwrap_or_default();
        self.query(USERS_AFTER, params![after, count], |row| id(row, 0))
    }

    async fn count_users(&mut self) -> SqlResult<i64> {
        let counts = self.query(COUNT_USERS, [], |row| number(row, 0).unwrap_or_default())?;
        Ok(counts.into_iter().sum())
    }

    async fn insert_folder(&mut self, folder: &InventoryFolder) -> SqlResult<()> {
        let parameters = params![
            folder.id.to_string(),
            folder.parent.to_string(),
            folder.owner.to_string(),
            folder.folder_type.0,
            folder.version,
            folder.name,
        ];
        self.execute(INSERT_FOLDER, parameters).map(|_| ())
    }

    async fn update_folder(&mut self, folder: &FolderRow) -> SqlResult<()> {
        let parameters =
            params![folder.parent.to_string(), folder.folder_type, folder.version, folder.name, folder.id.to_string()];
        self.execute(UPDATE_FOLDER, parameters).map(|_| ())
    }

    async fn insert_item(&mut self, item: &InventoryItem) -> SqlResult<()> {
        put_item(self, INSERT_ITEM, item)
    }

    async fn update_item(&mut self, item: &InventoryItem) -> SqlResult<()> {
        put_item(self, UPDATE_ITEM, item)
    }

    async fn move_items(&mut self, moves: &[ItemMove]) -> SqlResult<()> {
        let moves: Vec<_> = moves.iter().map(|item_move| format!("\"{}\":\"{}\"", item_move.item, item_move.folder)).collect();
        self.execute(MOVE_ITEMS, [format!("{{{}}}", moves.join(","))]).map(|_| ())
    }

    async fn raise_versions(&mut self, folders: &[Uuid], by: i64) -> SqlResult<()> {
        self.execute(RAISE_VERSIONS, params![by, json(folders)]).map(|_| ())
    }

    async fn delete_items(&mut self, ids: &[Uuid]) -> SqlResult<()> {
        self.execute(DELETE_ITEMS, [json(ids)]).map(|_| ())
    }

    async fn delete_items_in(&mut self, folders: &[Uuid]) -> SqlResult<u64> {
        self.execute(DELETE_ITEMS_IN, [json(folders)])
    }

    async fn delete_folders(&mut self, ids: &[Uuid]) -> SqlResult<()> {
        self.execute(DELETE_FOLDERS, [json(ids)]).map(|_| ())
    }
}
