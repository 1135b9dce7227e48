//! The tables `inventoryfolders` and `inventoryitems` in an SQLite file (schema.md section 6.4).
//!
//! Rows are read as one JSON document for a whole result: values that come one by one each cost a trip through the driver.

use async_trait::async_trait;
use gridshell_interfaces::inventory::{InventoryFolder, InventoryItem, ItemMove, asset_types};
use serde::de::DeserializeOwned;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Row, Sqlite, query, query_scalar};
use uuid::Uuid;

use super::tables::{FolderRow, ItemPlace, ItemRow, SqlResult, Tables, creator, read_id};
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

/// One document of all rows that follow, each a list in the order of [`FolderRow`]'s fields. The casts take whatever old rows hold.
const FOLDER: &str = "SELECT json_group_array(json_array(CAST(folderID AS TEXT), CAST(parentFolderID AS TEXT), \
    CAST(agentID AS TEXT), CAST(type AS INTEGER), CAST(version AS INTEGER), CAST(folderName AS TEXT))) \
    FROM inventoryfolders WHERE ";
/// The same for [`ItemRow`].
const ITEM: &str = "SELECT json_group_array(json_array(CAST(inventoryID AS TEXT), CAST(assetID AS TEXT), \
    CAST(assetType AS INTEGER), CAST(invType AS INTEGER), CAST(parentFolderID AS TEXT), CAST(avatarID AS TEXT), \
    CAST(creatorID AS TEXT), CAST(inventoryName AS TEXT), CAST(inventoryDescription AS TEXT), \
    CAST(inventoryNextPermissions AS INTEGER), CAST(inventoryCurrentPermissions AS INTEGER), \
    CAST(inventoryBasePermissions AS INTEGER), CAST(inventoryEveryOnePermissions AS INTEGER), \
    CAST(inventoryGroupPermissions AS INTEGER), CAST(groupID AS TEXT), CAST(groupOwned AS INTEGER), \
    CAST(salePrice AS INTEGER), CAST(saleType AS INTEGER), CAST(flags AS INTEGER), CAST(creationDate AS INTEGER))) \
    FROM inventoryitems WHERE ";
/// The same for [`ItemPlace`].
const PLACE: &str = "SELECT json_group_array(json_array(CAST(inventoryID AS TEXT), CAST(parentFolderID AS TEXT), \
    CAST(avatarID AS TEXT), CAST(assetType AS INTEGER))) FROM inventoryitems WHERE ";
const PERMISSIONS_OF_ASSET: &str =
    "SELECT CAST(inventoryCurrentPermissions AS INTEGER) FROM inventoryitems WHERE avatarID = ? AND assetID = ?";
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

type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

pub(super) struct SqliteTables<'c>(pub(super) &'c mut SqliteConnection);

impl SqliteTables<'_> {
    /// Reads the document of the rows that fulfil a condition with one parameter.
    async fn fetch<T: DeserializeOwned>(&mut self, select: &str, condition: &str, parameter: String) -> SqlResult<Vec<T>> {
        let row = query(AssertSqlSafe(format!("{select}{condition}"))).bind(parameter).fetch_one(&mut *self.0).await?;
        let document: &[u8] = row.try_get(0)?;
        // Old rows may hold what is no UTF-8.
        serde_json::from_str(&String::from_utf8_lossy(document)).map_err(|error| sqlx::Error::Decode(error.into()))
    }

    async fn fetch_items(&mut self, condition: &str, parameter: String) -> SqlResult<Vec<InventoryItem>> {
        let rows: Vec<ItemRow> = self.fetch(ITEM, condition, parameter).await?;
        Ok(rows.into_iter().map(InventoryItem::from).collect())
    }

    async fn execute_in(&mut self, sql: &'static str, ids: &[Uuid]) -> SqlResult<u64> {
        Ok(query(sql).bind(json(ids)).execute(&mut *self.0).await?.rows_affected())
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

fn bind_item<'q>(query: SqliteQuery<'q>, item: &'q InventoryItem) -> SqliteQuery<'q> {
    query
        .bind(item.asset_id.to_string())
        .bind(item.asset_type)
        .bind(item.inventory_type)
        .bind(item.folder.to_string())
        .bind(item.owner.to_string())
        .bind(creator(item))
        .bind(&item.name)
        .bind(&item.description)
        .bind(item.next_permissions)
        .bind(item.current_permissions)
        .bind(item.base_permissions)
        .bind(item.everyone_permissions)
        .bind(item.group_permissions)
        .bind(item.group_id.to_string())
        .bind(item.group_owned)
        .bind(item.sale_price)
        .bind(item.sale_type)
        .bind(item.flags)
        .bind(item.creation_date)
        .bind(item.id.to_string())
}

#[async_trait]
impl Tables for SqliteTables<'_> {
    async fn lock_users(&mut self, _users: &[Uuid]) -> SqlResult<bool> {
        // A write has the whole file for itself.
        Ok(false)
    }

    async fn skeleton(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        self.fetch(FOLDER, "agentID = ?", user.to_string()).await
    }

    async fn top_folders(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        // The plus keeps SQLite from looking through the root folders of all users.
        const TOP: &str = "agentID = ? AND +parentFolderID = '00000000-0000-0000-0000-000000000000'";
        self.fetch(FOLDER, TOP, user.to_string()).await
    }

    async fn folders(&mut self, ids: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch(FOLDER, "folderID IN (SELECT value FROM json_each(?))", json(ids)).await
    }

    async fn folders_in(&mut self, parents: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch(FOLDER, "parentFolderID IN (SELECT value FROM json_each(?))", json(parents)).await
    }

    async fn items(&mut self, ids: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_items("inventoryID IN (SELECT value FROM json_each(?))", json(ids)).await
    }

    async fn items_in(&mut self, folders: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_items("parentFolderID IN (SELECT value FROM json_each(?))", json(folders)).await
    }

    async fn places(&mut self, ids: &[Uuid]) -> SqlResult<Vec<ItemPlace>> {
        self.fetch(PLACE, "inventoryID IN (SELECT value FROM json_each(?))", json(ids)).await
    }

    async fn places_of(&mut self, user: Uuid) -> SqlResult<Vec<ItemPlace>> {
        self.fetch(PLACE, "avatarID = ?", user.to_string()).await
    }

    async fn active_gestures(&mut self, user: Uuid) -> SqlResult<Vec<InventoryItem>> {
        let condition = format!("avatarID = ? AND assetType = {} AND flags & 1", asset_types::GESTURE);
        self.fetch_items(&condition, user.to_string()).await
    }

    async fn permissions_of_asset(&mut self, user: Uuid, asset: Uuid) -> SqlResult<Vec<i64>> {
        let permissions = query_scalar(PERMISSIONS_OF_ASSET).bind(user.to_string()).bind(asset.to_string());
        let permissions: Vec<Option<i64>> = permissions.fetch_all(&mut *self.0).await?;
        Ok(permissions.into_iter().map(Option::unwrap_or_default).collect())
    }

    async fn users_after(&mut self, user: Option<Uuid>, count: u32) -> SqlResult<Vec<Uuid>> {
        let after = user.map(|user| user.to_string()).unwrap_or_default();
        let users: Vec<String> = query_scalar(USERS_AFTER).bind(after).bind(count).fetch_all(&mut *self.0).await?;
        Ok(users.iter().map(|user| read_id(Some(user))).collect())
    }

    async fn count_users(&mut self) -> SqlResult<i64> {
        query_scalar(COUNT_USERS).fetch_one(&mut *self.0).await
    }

    async fn insert_folder(&mut self, folder: &InventoryFolder) -> SqlResult<()> {
        query(INSERT_FOLDER)
            .bind(folder.id.to_string())
            .bind(folder.parent.to_string())
            .bind(folder.owner.to_string())
            .bind(folder.folder_type.0)
            .bind(folder.version)
            .bind(&folder.name)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn update_folder(&mut self, folder: &FolderRow) -> SqlResult<()> {
        query(UPDATE_FOLDER)
            .bind(folder.parent.to_string())
            .bind(folder.folder_type)
            .bind(folder.version)
            .bind(&folder.name)
            .bind(folder.id.to_string())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn insert_item(&mut self, item: &InventoryItem) -> SqlResult<()> {
        bind_item(query(INSERT_ITEM), item).execute(&mut *self.0).await?;
        Ok(())
    }

    async fn update_item(&mut self, item: &InventoryItem) -> SqlResult<()> {
        bind_item(query(UPDATE_ITEM), item).execute(&mut *self.0).await?;
        Ok(())
    }

    async fn move_items(&mut self, moves: &[ItemMove]) -> SqlResult<()> {
        let moves: Vec<_> = moves.iter().map(|item_move| format!("\"{}\":\"{}\"", item_move.item, item_move.folder)).collect();
        query(MOVE_ITEMS).bind(format!("{{{}}}", moves.join(","))).execute(&mut *self.0).await?;
        Ok(())
    }

    async fn raise_versions(&mut self, folders: &[Uuid], by: i64) -> SqlResult<()> {
        query(RAISE_VERSIONS).bind(by).bind(json(folders)).execute(&mut *self.0).await?;
        Ok(())
    }

    async fn delete_items(&mut self, ids: &[Uuid]) -> SqlResult<()> {
        self.execute_in(DELETE_ITEMS, ids).await.map(|_| ())
    }

    async fn delete_items_in(&mut self, folders: &[Uuid]) -> SqlResult<u64> {
        self.execute_in(DELETE_ITEMS_IN, folders).await
    }

    async fn delete_folders(&mut self, ids: &[Uuid]) -> SqlResult<()> {
        self.execute_in(DELETE_FOLDERS, ids).await.map(|_| ())
    }
}
