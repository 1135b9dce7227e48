//! The tables `inventoryfolders` and `inventoryitems` in MariaDB and MySQL (schema.md section 6.4).

use async_trait::async_trait;
use gridshell_interfaces::inventory::{InventoryFolder, InventoryItem, ItemMove, asset_types};
use sqlx::mysql::{MySql, MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row, query, query_scalar};
use uuid::Uuid;

use super::tables::{FolderRow, ItemPlace, ItemRow, SqlResult, Tables, creator, read_id};
use crate::database::migrations::{Column, Schema, Table};

pub(super) const SCHEMA: Schema = Schema {
    version: 7,
    tables: &[
        Table {
            name: "inventoryfolders",
            create: &["CREATE TABLE IF NOT EXISTS inventoryfolders (
                folderName varchar(64) DEFAULT NULL,
                type smallint(6) NOT NULL DEFAULT 0,
                version int(11) NOT NULL DEFAULT 0,
                folderID char(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
                agentID char(36) DEFAULT NULL,
                parentFolderID char(36) DEFAULT NULL,
                PRIMARY KEY (folderID),
                KEY inventoryfolders_agentid (agentID),
                KEY inventoryfolders_parentFolderid (parentFolderID)
            ) ENGINE=InnoDB DEFAULT CHARSET=utf8"],
            columns: &[
                Column { name: "folderName", add: None },
                Column { name: "type", add: None },
                Column {
                    name: "version",
                    add: Some("ALTER TABLE inventoryfolders ADD COLUMN version int(11) NOT NULL DEFAULT 0"),
                },
                Column { name: "folderID", add: None },
                Column { name: "agentID", add: None },
                Column { name: "parentFolderID", add: None },
            ],
            repairs: &[],
        },
        Table {
            name: "inventoryitems",
            create: &["CREATE TABLE IF NOT EXISTS inventoryitems (
                assetID varchar(36) DEFAULT NULL,
                assetType int(11) DEFAULT NULL,
                inventoryName varchar(64) DEFAULT NULL,
                inventoryDescription varchar(128) DEFAULT NULL,
                inventoryNextPermissions int(10) unsigned DEFAULT NULL,
                inventoryCurrentPermissions int(10) unsigned DEFAULT NULL,
                invType int(11) DEFAULT NULL,
                creatorID varchar(255) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
                inventoryBasePermissions int(10) unsigned NOT NULL DEFAULT 0,
                inventoryEveryOnePermissions int(10) unsigned NOT NULL DEFAULT 0,
                salePrice int(11) NOT NULL DEFAULT 0,
                saleType tinyint(4) NOT NULL DEFAULT 0,
                creationDate int(11) NOT NULL DEFAULT 0,
                groupID varchar(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
                groupOwned tinyint(4) NOT NULL DEFAULT 0,
                flags int(11) unsigned NOT NULL DEFAULT 0,
                inventoryID char(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
                avatarID char(36) DEFAULT NULL,
                parentFolderID char(36) DEFAULT NULL,
                inventoryGroupPermissions int(10) unsigned NOT NULL DEFAULT 0,
                PRIMARY KEY (inventoryID),
                KEY inventoryitems_avatarid (avatarID),
                KEY inventoryitems_parentFolderid (parentFolderID)
            ) ENGINE=InnoDB DEFAULT CHARSET=utf8"],
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
                Column {
                    name: "salePrice",
                    add: Some("ALTER TABLE inventoryitems ADD COLUMN salePrice int(11) NOT NULL DEFAULT 0"),
                },
                Column {
                    name: "saleType",
                    add: Some("ALTER TABLE inventoryitems ADD COLUMN saleType tinyint(4) NOT NULL DEFAULT 0"),
                },
                Column {
                    name: "creationDate",
                    add: Some("ALTER TABLE inventoryitems ADD COLUMN creationDate int(11) NOT NULL DEFAULT 0"),
                },
                Column {
                    name: "groupID",
                    add: Some(
                        "ALTER TABLE inventoryitems ADD COLUMN groupID varchar(36) NOT NULL \
                         DEFAULT '00000000-0000-0000-0000-000000000000'",
                    ),
                },
                Column {
                    name: "groupOwned",
                    add: Some("ALTER TABLE inventoryitems ADD COLUMN groupOwned tinyint(4) NOT NULL DEFAULT 0"),
                },
                Column {
                    name: "flags",
                    add: Some("ALTER TABLE inventoryitems ADD COLUMN flags int(11) unsigned NOT NULL DEFAULT 0"),
                },
                Column { name: "inventoryID", add: None },
                Column { name: "avatarID", add: None },
                Column { name: "parentFolderID", add: None },
                Column {
                    name: "inventoryGroupPermissions",
                    add: Some(
                        "ALTER TABLE inventoryitems ADD COLUMN inventoryGroupPermissions int(10) unsigned NOT NULL DEFAULT 0",
                    ),
                },
            ],
            repairs: &[],
        },
    ],
    steps: &[],
};

/// Ids in one statement at most.
const CHUNK: usize = 8192;
/// Moves in one statement at most: the server compares each row with all of them.
const MOVE_CHUNK: usize = 256;

/// The columns of a [`FolderRow`]. Numbers are made equal, since old tables have some of them signed and some not.
const FOLDER: &str = "SELECT folderID, parentFolderID, agentID, CAST(type AS SIGNED), CAST(version AS SIGNED), folderName \
    FROM inventoryfolders WHERE ";
/// The columns of an [`ItemRow`].
const ITEM: &str = "SELECT inventoryID, assetID, CAST(assetType AS SIGNED), CAST(invType AS SIGNED), parentFolderID, avatarID, \
    creatorID, inventoryName, inventoryDescription, CAST(inventoryNextPermissions AS SIGNED), \
    CAST(inventoryCurrentPermissions AS SIGNED), CAST(inventoryBasePermissions AS SIGNED), \
    CAST(inventoryEveryOnePermissions AS SIGNED), CAST(inventoryGroupPermissions AS SIGNED), groupID, \
    CAST(groupOwned AS SIGNED), CAST(salePrice AS SIGNED), CAST(saleType AS SIGNED), CAST(flags AS SIGNED), \
    CAST(creationDate AS SIGNED) FROM inventoryitems WHERE ";
/// The columns of an [`ItemPlace`].
const PLACE: &str = "SELECT inventoryID, parentFolderID, avatarID, CAST(assetType AS SIGNED) FROM inventoryitems WHERE ";
// TRIM keeps the server from looking, or locking, through the root folders of all users.
const IS_TOP: &str = "TRIM(parentFolderID) = '00000000-0000-0000-0000-000000000000'";
const TOP_FOLDERS: &str = "SELECT folderID FROM inventoryfolders WHERE ";
const LOCK_FOLDERS: &str = "SELECT folderID FROM inventoryfolders WHERE folderID IN ";
const PERMISSIONS_OF_ASSET: &str =
    "SELECT CAST(inventoryCurrentPermissions AS SIGNED) FROM inventoryitems WHERE avatarID = ? AND assetID = ?";
const USERS_AFTER: &str = "(SELECT DISTINCT agentID AS user FROM inventoryfolders WHERE agentID > ? AND LENGTH(agentID) = 36 \
    ORDER BY 1 LIMIT ?) UNION (SELECT DISTINCT avatarID FROM inventoryitems WHERE avatarID > ? AND LENGTH(avatarID) = 36 \
    ORDER BY 1 LIMIT ?) ORDER BY 1 LIMIT ?";
const COUNT_USERS: &str = "SELECT COUNT(DISTINCT agentID) FROM inventoryfolders";
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
const RAISE_VERSIONS: &str = "UPDATE inventoryfolders SET version = version + ? WHERE folderID IN ";
const DELETE_ITEMS: &str = "DELETE FROM inventoryitems WHERE inventoryID IN ";
const DELETE_ITEMS_IN: &str = "DELETE FROM inventoryitems WHERE parentFolderID IN ";
const DELETE_FOLDERS: &str = "DELETE FROM inventoryfolders WHERE folderID IN ";

type MySqlQuery<'q> = Query<'q, MySql, MySqlArguments>;

pub(super) struct MySqlTables<'c>(pub(super) &'c mut MySqlConnection);

impl MySqlTables<'_> {
    async fn fetch_in<T>(&mut self, sql: &str, ids: &[Uuid], read: fn(&MySqlRow) -> SqlResult<T>) -> SqlResult<Vec<T>> {
        let mut found = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let rows = bind_all(query(AssertSqlSafe(with_places(sql, chunk))), chunk).fetch_all(&mut *self.0).await?;
            for row in &rows {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    async fn fetch_of<T>(
        &mut self,
        select: &str,
        condition: &str,
        user: Uuid,
        read: fn(&MySqlRow) -> SqlResult<T>,
    ) -> SqlResult<Vec<T>> {
        let rows = query(AssertSqlSafe(format!("{select}{condition}"))).bind(user.to_string()).fetch_all(&mut *self.0).await?;
        rows.iter().map(read).collect()
    }

    async fn execute_in(&mut self, sql: &str, ids: &[Uuid]) -> SqlResult<u64> {
        let mut affected = 0;
        for chunk in ids.chunks(CHUNK) {
            let statement = bind_all(query(AssertSqlSafe(with_places(sql, chunk))), chunk);
            affected += statement.execute(&mut *self.0).await?.rows_affected();
        }
        Ok(affected)
    }
}

/// How many parameters an `IN` has for so many ids: a power of two, so that there are few different statements to prepare.
fn places(ids: &[Uuid]) -> usize {
    ids.len().next_power_of_two()
}

fn with_places(sql: &str, ids: &[Uuid]) -> String {
    format!("{sql}({})", vec!["?"; places(ids)].join(","))
}

/// Binds the ids, and the last one again for each place that is left over.
fn bind_all<'q>(query: MySqlQuery<'q>, ids: &[Uuid]) -> MySqlQuery<'q> {
    let filled = ids.iter().chain(ids.last().into_iter().cycle()).take(places(ids));
    filled.fold(query, |query, id| query.bind(id.to_string()))
}

fn bind_item<'q>(query: MySqlQuery<'q>, item: &'q InventoryItem) -> MySqlQuery<'q> {
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

/// A text, also from a column without character set, in which old data may be no valid UTF-8.
fn text(row: &MySqlRow, index: usize) -> SqlResult<Option<String>> {
    let bytes: Option<&[u8]> = row.try_get(index)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn id(row: &MySqlRow, index: usize) -> SqlResult<Uuid> {
    let bytes: Option<&[u8]> = row.try_get(index)?;
    Ok(read_id(bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())))
}

fn read_folder(row: &MySqlRow) -> SqlResult<FolderRow> {
    Ok(FolderRow {
        id: id(row, 0)?,
        parent: id(row, 1)?,
        owner: id(row, 2)?,
        folder_type: row.try_get::<Option<i64>, _>(3)?.unwrap_or_default(),
        version: row.try_get::<Option<i64>, _>(4)?.unwrap_or_default(),
        name: text(row, 5)?.unwrap_or_default(),
    })
}

fn read_item(row: &MySqlRow) -> SqlResult<InventoryItem> {
    let read = ItemRow {
        id: id(row, 0)?,
        asset_id: id(row, 1)?,
        asset_type: row.try_get(2)?,
        inventory_type: row.try_get(3)?,
        folder: id(row, 4)?,
        owner: id(row, 5)?,
        creator: text(row, 6)?,
        name: text(row, 7)?,
        description: text(row, 8)?,
        next_permissions: row.try_get(9)?,
        current_permissions: row.try_get(10)?,
        base_permissions: row.try_get(11)?,
        everyone_permissions: row.try_get(12)?,
        group_permissions: row.try_get(13)?,
        group_id: id(row, 14)?,
        group_owned: row.try_get(15)?,
        sale_price: row.try_get(16)?,
        sale_type: row.try_get(17)?,
        flags: row.try_get(18)?,
        creation_date: row.try_get(19)?,
    };
    Ok(read.into())
}

fn read_place(row: &MySqlRow) -> SqlResult<ItemPlace> {
    Ok(ItemPlace {
        id: id(row, 0)?,
        folder: id(row, 1)?,
        owner: id(row, 2)?,
        asset_type: row.try_get::<Option<i64>, _>(3)?.unwrap_or_default(),
    })
}

#[async_trait]
impl Tables for MySqlTables<'_> {
    async fn lock_users(&mut self, users: &[Uuid]) -> SqlResult<bool> {
        // The root folder stands for the user. It is looked up first and then locked by its key: a search that locks would wait for
        // other users' rows on its way.
        let mut roots = self.fetch_in(&format!("{TOP_FOLDERS}{IS_TOP} AND agentID IN "), users, |row| id(row, 0)).await?;
        roots.sort();
        for chunk in roots.chunks(CHUNK) {
            let sql = format!("{} ORDER BY folderID FOR UPDATE", with_places(LOCK_FOLDERS, chunk));
            bind_all(query(AssertSqlSafe(sql)), chunk).fetch_all(&mut *self.0).await?;
        }
        Ok(true)
    }

    async fn skeleton(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        self.fetch_of(FOLDER, "agentID = ?", user, read_folder).await
    }

    async fn top_folders(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        self.fetch_of(FOLDER, &format!("agentID = ? AND {IS_TOP}"), user, read_folder).await
    }

    async fn folders(&mut self, ids: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch_in(&format!("{FOLDER}folderID IN "), ids, read_folder).await
    }

    async fn folders_in(&mut self, parents: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch_in(&format!("{FOLDER}parentFolderID IN "), parents, read_folder).await
    }

    async fn items(&mut self, ids: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_in(&format!("{ITEM}inventoryID IN "), ids, read_item).await
    }

    async fn items_in(&mut self, folders: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_in(&format!("{ITEM}parentFolderID IN "), folders, read_item).await
    }

    async fn places(&mut self, ids: &[Uuid]) -> SqlResult<Vec<ItemPlace>> {
        self.fetch_in(&format!("{PLACE}inventoryID IN "), ids, read_place).await
    }

    async fn places_of(&mut self, user: Uuid) -> SqlResult<Vec<ItemPlace>> {
        self.fetch_of(PLACE, "avatarID = ?", user, read_place).await
    }

    async fn active_gestures(&mut self, user: Uuid) -> SqlResult<Vec<InventoryItem>> {
        let condition = format!("avatarID = ? AND assetType = {} AND flags & 1", asset_types::GESTURE);
        self.fetch_of(ITEM, &condition, user, read_item).await
    }

    async fn permissions_of_asset(&mut self, user: Uuid, asset: Uuid) -> SqlResult<Vec<i64>> {
        let rows = query(PERMISSIONS_OF_ASSET).bind(user.to_string()).bind(asset.to_string()).fetch_all(&mut *self.0).await?;
        rows.iter().map(|row| Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or_default())).collect()
    }

    async fn users_after(&mut self, user: Option<Uuid>, count: u32) -> SqlResult<Vec<Uuid>> {
        let after = user.map(|user| user.to_string()).unwrap_or_default();
        let users = query(USERS_AFTER).bind(&after).bind(count).bind(&after).bind(count).bind(count);
        users.fetch_all(&mut *self.0).await?.iter().map(|row| id(row, 0)).collect()
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
        for chunk in moves.chunks(MOVE_CHUNK) {
            let ids: Vec<_> = chunk.iter().map(|item_move| item_move.item).collect();
            let cases = "WHEN ? THEN ? ".repeat(chunk.len());
            let set = format!("UPDATE inventoryitems SET parentFolderID = CASE inventoryID {cases}ELSE parentFolderID END");
            let sql = with_places(&format!("{set} WHERE inventoryID IN "), &ids);
            let statement = chunk.iter().fold(query(AssertSqlSafe(sql)), |query, item_move| {
                query.bind(item_move.item.to_string()).bind(item_move.folder.to_string())
            });
            bind_all(statement, &ids).execute(&mut *self.0).await?;
        }
        Ok(())
    }

    async fn raise_versions(&mut self, folders: &[Uuid], by: i64) -> SqlResult<()> {
        for chunk in folders.chunks(CHUNK) {
            let statement = query(AssertSqlSafe(with_places(RAISE_VERSIONS, chunk))).bind(by);
            bind_all(statement, chunk).execute(&mut *self.0).await?;
        }
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
