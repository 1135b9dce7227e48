//! The tables `inventoryfolders` and `inventoryitems` in PostgreSQL (schema.md sections 6.4 and 10).
//!
//! Which columns are `uuid` and which are text depends on the version of OpenSimulator that made the table, so the statements are
//! finished when it is known. Ids are always bound as `uuid`; the server makes text of them where a column is text.

use async_trait::async_trait;
use gridshell_interfaces::inventory::{InventoryFolder, InventoryItem, ItemMove, asset_types};
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row, query, query_scalar};
use uuid::Uuid;

use super::tables::{FolderRow, ItemPlace, ItemRow, SqlResult, Tables, creator, read_id};
use crate::database::migrations::{Column, RealColumn, Repair, Schema, Step, Table, find};
use crate::database::{DatabaseError, Result};

pub(super) const SCHEMA: Schema = Schema {
    version: 10,
    tables: &[
        Table {
            name: "inventoryfolders",
            create: &[
                r#"CREATE TABLE IF NOT EXISTS inventoryfolders (
                    "folderID" uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
                    "agentID" uuid,
                    "parentFolderID" uuid,
                    "folderName" varchar(64),
                    type smallint NOT NULL DEFAULT 0,
                    version integer NOT NULL DEFAULT 0,
                    CONSTRAINT pk__inventor__c2fabfb3173876ea PRIMARY KEY ("folderID")
                )"#,
                r#"CREATE INDEX IF NOT EXISTS owner ON inventoryfolders ("agentID")"#,
                r#"CREATE INDEX IF NOT EXISTS parent ON inventoryfolders ("parentFolderID")"#,
            ],
            columns: &[
                Column { name: "folderID", add: None },
                Column { name: "agentID", add: None },
                Column { name: "parentFolderID", add: None },
                Column { name: "folderName", add: None },
                Column { name: "type", add: None },
                Column {
                    name: "version",
                    add: Some("ALTER TABLE inventoryfolders ADD COLUMN version integer NOT NULL DEFAULT 0"),
                },
            ],
            repairs: &[],
        },
        Table {
            name: "inventoryitems",
            create: &[
                r#"CREATE TABLE IF NOT EXISTS inventoryitems (
                    "inventoryID" uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
                    "assetID" uuid,
                    "assetType" integer,
                    "parentFolderID" uuid,
                    "avatarID" uuid,
                    "inventoryName" varchar(64),
                    "inventoryDescription" varchar(128),
                    "inventoryNextPermissions" integer,
                    "inventoryCurrentPermissions" integer,
                    "invType" integer,
                    "creatorID" varchar(255) DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
                    "inventoryBasePermissions" integer NOT NULL DEFAULT 0,
                    "inventoryEveryOnePermissions" integer NOT NULL DEFAULT 0,
                    "salePrice" integer,
                    "saleType" smallint,
                    "creationDate" integer,
                    "groupID" uuid,
                    "groupOwned" boolean,
                    flags integer,
                    "inventoryGroupPermissions" integer NOT NULL DEFAULT 0,
                    CONSTRAINT pk__inventor__c4b7bc2220c1e124 PRIMARY KEY ("inventoryID")
                )"#,
                r#"CREATE INDEX IF NOT EXISTS ii2_folder ON inventoryitems ("parentFolderID")"#,
                r#"CREATE INDEX IF NOT EXISTS ii2_owner ON inventoryitems ("avatarID")"#,
            ],
            columns: &[
                Column { name: "inventoryID", add: None },
                Column { name: "assetID", add: None },
                Column { name: "assetType", add: None },
                Column { name: "parentFolderID", add: None },
                Column { name: "avatarID", add: None },
                Column { name: "inventoryName", add: None },
                Column { name: "inventoryDescription", add: None },
                Column { name: "inventoryNextPermissions", add: None },
                Column { name: "inventoryCurrentPermissions", add: None },
                Column { name: "invType", add: None },
                Column { name: "creatorID", add: None },
                Column { name: "inventoryBasePermissions", add: None },
                Column { name: "inventoryEveryOnePermissions", add: None },
                Column { name: "salePrice", add: Some(r#"ALTER TABLE inventoryitems ADD COLUMN "salePrice" integer"#) },
                Column { name: "saleType", add: Some(r#"ALTER TABLE inventoryitems ADD COLUMN "saleType" smallint"#) },
                Column { name: "creationDate", add: Some(r#"ALTER TABLE inventoryitems ADD COLUMN "creationDate" integer"#) },
                Column { name: "groupID", add: Some(r#"ALTER TABLE inventoryitems ADD COLUMN "groupID" uuid"#) },
                Column { name: "groupOwned", add: Some(r#"ALTER TABLE inventoryitems ADD COLUMN "groupOwned" boolean"#) },
                Column { name: "flags", add: Some("ALTER TABLE inventoryitems ADD COLUMN flags integer") },
                Column {
                    name: "inventoryGroupPermissions",
                    add: Some(r#"ALTER TABLE inventoryitems ADD COLUMN "inventoryGroupPermissions" integer NOT NULL DEFAULT 0"#),
                },
            ],
            // Creators from other grids are longer; the step may have failed (schema.md section 3).
            repairs: &[Repair {
                column: "creatorID",
                wrong_type: "character varying(128)",
                statement: r#"ALTER TABLE inventoryitems ALTER COLUMN "creatorID" TYPE varchar(255)"#,
            }],
        },
    ],
    steps: &[
        Step {
            version: 3,
            statements: &[
                r#"ALTER TABLE inventoryfolders ALTER COLUMN "folderID" DROP DEFAULT"#,
                r#"ALTER TABLE inventoryfolders ALTER COLUMN "folderID" TYPE uuid USING "folderID"::text::uuid,
                   ALTER COLUMN "agentID" TYPE uuid USING "agentID"::text::uuid,
                   ALTER COLUMN "parentFolderID" TYPE uuid USING "parentFolderID"::text::uuid"#,
            ],
        },
        Step {
            version: 4,
            statements: &[
                r#"ALTER TABLE inventoryitems ALTER COLUMN "inventoryID" DROP DEFAULT, ALTER COLUMN "groupID" DROP DEFAULT"#,
                r#"ALTER TABLE inventoryitems ALTER COLUMN "inventoryID" TYPE uuid USING "inventoryID"::text::uuid,
                   ALTER COLUMN "assetID" TYPE uuid USING "assetID"::text::uuid,
                   ALTER COLUMN "parentFolderID" TYPE uuid USING "parentFolderID"::text::uuid,
                   ALTER COLUMN "avatarID" TYPE uuid USING "avatarID"::text::uuid,
                   ALTER COLUMN "groupID" TYPE uuid USING "groupID"::text::uuid"#,
            ],
        },
        Step {
            version: 5,
            statements: &[r#"ALTER TABLE inventoryitems ALTER COLUMN "inventoryBasePermissions" SET DEFAULT 0,
                ALTER COLUMN "inventoryEveryOnePermissions" SET DEFAULT 0, ALTER COLUMN "inventoryGroupPermissions" SET DEFAULT 0"#],
        },
        Step { version: 9, statements: &[r#"ALTER TABLE inventoryitems ALTER COLUMN "creatorID" TYPE varchar(255)"#] },
    ],
};

// In the statements a word in braces is replaced by the type of the column, or of `saleType` by its name. The casts to text and
// bigint of what is read take whatever type a column has; a cast to text also drops the padding of char(n).

const FOLDER: &str = r#"SELECT "folderID"::text, "parentFolderID"::text, "agentID"::text, type::bigint, version::bigint,
    "folderName"::text FROM inventoryfolders WHERE "#;
const ITEM: &str = r#"SELECT "inventoryID"::text, "assetID"::text, "assetType"::bigint, "invType"::bigint, "parentFolderID"::text,
    "avatarID"::text, "creatorID"::text, "inventoryName"::text, "inventoryDescription"::text, "inventoryNextPermissions"::bigint,
    "inventoryCurrentPermissions"::bigint, "inventoryBasePermissions"::bigint, "inventoryEveryOnePermissions"::bigint,
    "inventoryGroupPermissions"::bigint, "groupID"::text, "groupOwned"::int::bigint, "salePrice"::bigint,
    "{saleType}"::bigint, flags::bigint, "creationDate"::bigint FROM inventoryitems WHERE "#;
const PLACE: &str = r#"SELECT "inventoryID"::text, "parentFolderID"::text, "avatarID"::text, "assetType"::bigint
    FROM inventoryitems WHERE "#;
const LOCK_USERS: &str = "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT unnest($1) AS key ORDER BY 1) AS keys";
const SKELETON: &str = r#""agentID" = $1::{folders.agentID}"#;
const TOP_FOLDERS: &str = r#""agentID" = $1::{folders.agentID}
    AND "parentFolderID"::text = '00000000-0000-0000-0000-000000000000'"#;
const FOLDERS: &str = r#""folderID" = ANY($1::{folders.folderID}[])"#;
const FOLDERS_IN: &str = r#""parentFolderID" = ANY($1::{folders.parentFolderID}[])"#;
const ITEMS: &str = r#""inventoryID" = ANY($1::{items.inventoryID}[])"#;
const ITEMS_IN: &str = r#""parentFolderID" = ANY($1::{items.parentFolderID}[])"#;
const ITEMS_OF: &str = r#""avatarID" = $1::{items.avatarID}"#;
const PERMISSIONS_OF_ASSET: &str = r#"SELECT "inventoryCurrentPermissions"::bigint FROM inventoryitems
    WHERE "avatarID" = $1::{items.avatarID} AND "assetID" = $2::{items.assetID}"#;
const FOLDER_OWNERS_AFTER: &str = r#"SELECT DISTINCT "agentID"::text FROM inventoryfolders
    WHERE "agentID" > $1::{folders.agentID} AND length("agentID"::text) = 36 ORDER BY 1 LIMIT $2"#;
const ITEM_OWNERS_AFTER: &str = r#"SELECT DISTINCT "avatarID"::text FROM inventoryitems
    WHERE "avatarID" > $1::{items.avatarID} AND length("avatarID"::text) = 36 ORDER BY 1 LIMIT $2"#;
const COUNT_USERS: &str = r#"SELECT count(DISTINCT "agentID") FROM inventoryfolders"#;
const INSERT_FOLDER: &str = r#"INSERT INTO inventoryfolders ("folderID", "parentFolderID", "agentID", type, version, "folderName")
    VALUES ($1::{folders.folderID}, $2::{folders.parentFolderID}, $3::{folders.agentID}, $4, $5, $6)"#;
const UPDATE_FOLDER: &str = r#"UPDATE inventoryfolders SET "parentFolderID" = $1::{folders.parentFolderID}, type = $2, version = $3,
    "folderName" = $4 WHERE "folderID" = $5::{folders.folderID}"#;
const INSERT_ITEM: &str = r#"INSERT INTO inventoryitems ("assetID", "assetType", "invType", "parentFolderID", "avatarID", "creatorID",
    "inventoryName", "inventoryDescription", "inventoryNextPermissions", "inventoryCurrentPermissions", "inventoryBasePermissions",
    "inventoryEveryOnePermissions", "inventoryGroupPermissions", "groupID", "groupOwned", "salePrice", "{saleType}", flags,
    "creationDate", "inventoryID") VALUES ($1::{items.assetID}, $2, $3, $4::{items.parentFolderID}, $5::{items.avatarID}, $6, $7, $8,
    $9, $10, $11, $12, $13, $14::{items.groupID}, $15::{items.groupOwned}, $16, $17, $18, $19, $20::{items.inventoryID})"#;
const UPDATE_ITEM: &str = r#"UPDATE inventoryitems SET "assetID" = $1::{items.assetID}, "assetType" = $2, "invType" = $3,
    "parentFolderID" = $4::{items.parentFolderID}, "avatarID" = $5::{items.avatarID}, "creatorID" = $6, "inventoryName" = $7,
    "inventoryDescription" = $8, "inventoryNextPermissions" = $9, "inventoryCurrentPermissions" = $10,
    "inventoryBasePermissions" = $11, "inventoryEveryOnePermissions" = $12, "inventoryGroupPermissions" = $13,
    "groupID" = $14::{items.groupID}, "groupOwned" = $15::{items.groupOwned}, "salePrice" = $16, "{saleType}" = $17, flags = $18,
    "creationDate" = $19 WHERE "inventoryID" = $20::{items.inventoryID}"#;
const MOVE_ITEMS: &str = r#"UPDATE inventoryitems SET "parentFolderID" = moves.folder FROM
    unnest($1::{items.inventoryID}[], $2::{items.parentFolderID}[]) AS moves(item, folder) WHERE "inventoryID" = moves.item"#;
const RAISE_VERSIONS: &str = r#"UPDATE inventoryfolders SET version = version + $1
    WHERE "folderID" = ANY($2::{folders.folderID}[])"#;
const DELETE_ITEMS: &str = r#"DELETE FROM inventoryitems WHERE "inventoryID" = ANY($1::{items.inventoryID}[])"#;
const DELETE_ITEMS_IN: &str = r#"DELETE FROM inventoryitems WHERE "parentFolderID" = ANY($1::{items.parentFolderID}[])"#;
const DELETE_FOLDERS: &str = r#"DELETE FROM inventoryfolders WHERE "folderID" = ANY($1::{folders.folderID}[])"#;

/// The columns whose type differs from database to database, by table.
const VARYING: [(&str, &[&str]); 2] = [
    ("folders", &["folderID", "parentFolderID", "agentID"]),
    ("items", &["inventoryID", "assetID", "parentFolderID", "avatarID", "groupID", "groupOwned"]),
];

/// What is to be put in for the words in braces.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    words: Vec<(String, String)>,
}

impl Dialect {
    /// `columns` are the real columns of the two tables.
    pub(super) fn new(columns: &[Vec<RealColumn>]) -> Result<Self> {
        let mut words = Vec::new();
        for ((table, names), columns) in VARYING.iter().zip(columns) {
            for name in *names {
                let real = find(columns, name).map(|column| column.column_type.as_str()).unwrap_or("missing");
                let cast = match real {
                    "uuid" | "boolean" => real,
                    "smallint" | "integer" | "bigint" => "int",
                    text if text.starts_with("character") || text == "text" => "text",
                    _ => {
                        return Err(DatabaseError::Schema(format!(
                            "the column '{name}' of the table 'inventory{table}' is {real}; an id must be uuid or text"
                        )));
                    }
                };
                words.push((format!("{{{table}.{name}}}"), cast.to_owned()));
            }
        }
        // An upgrade that failed long ago may have left it under another name (schema.md section 7).
        let sale_type = columns.get(1).and_then(|columns| find(columns, "saleType")).map_or("saleType", |column| &column.name);
        words.push(("{saleType}".to_owned(), sale_type.to_owned()));
        Ok(Self { words })
    }

    fn sql(&self, template: &str) -> AssertSqlSafe<String> {
        let fill = |sql: String, (word, value): &(String, String)| sql.replace(word, value);
        AssertSqlSafe(self.words.iter().fold(template.to_owned(), fill))
    }
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

pub(super) struct PostgresTables<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) dialect: &'c Dialect,
}

impl PostgresTables<'_> {
    async fn fetch_in<T>(
        &mut self,
        select: &str,
        condition: &str,
        ids: &[Uuid],
        read: fn(&PgRow) -> SqlResult<T>,
    ) -> SqlResult<Vec<T>> {
        let sql = self.dialect.sql(&format!("{select}{condition}"));
        query(sql).bind(ids.to_vec()).fetch_all(&mut *self.connection).await?.iter().map(read).collect()
    }

    async fn fetch_of<T>(
        &mut self,
        select: &str,
        condition: &str,
        user: Uuid,
        read: fn(&PgRow) -> SqlResult<T>,
    ) -> SqlResult<Vec<T>> {
        let sql = self.dialect.sql(&format!("{select}{condition}"));
        query(sql).bind(user).fetch_all(&mut *self.connection).await?.iter().map(read).collect()
    }

    async fn execute_in(&mut self, template: &str, ids: &[Uuid]) -> SqlResult<u64> {
        let sql = self.dialect.sql(template);
        Ok(query(sql).bind(ids.to_vec()).execute(&mut *self.connection).await?.rows_affected())
    }
}

fn bind_item<'q>(query: PgQuery<'q>, item: &'q InventoryItem) -> PgQuery<'q> {
    query
        .bind(item.asset_id)
        .bind(item.asset_type)
        .bind(item.inventory_type)
        .bind(item.folder)
        .bind(item.owner)
        .bind(creator(item))
        .bind(&item.name)
        .bind(&item.description)
        .bind(i64::from(item.next_permissions))
        .bind(i64::from(item.current_permissions))
        .bind(i64::from(item.base_permissions))
        .bind(i64::from(item.everyone_permissions))
        .bind(i64::from(item.group_permissions))
        .bind(item.group_id)
        .bind(item.group_owned)
        .bind(item.sale_price)
        .bind(i16::from(item.sale_type))
        .bind(i64::from(item.flags))
        .bind(item.creation_date)
        .bind(item.id)
}

fn id(row: &PgRow, index: usize) -> SqlResult<Uuid> {
    Ok(read_id(row.try_get(index)?))
}

fn read_folder(row: &PgRow) -> SqlResult<FolderRow> {
    Ok(FolderRow {
        id: id(row, 0)?,
        parent: id(row, 1)?,
        owner: id(row, 2)?,
        folder_type: row.try_get::<Option<i64>, _>(3)?.unwrap_or_default(),
        version: row.try_get::<Option<i64>, _>(4)?.unwrap_or_default(),
        name: row.try_get::<Option<String>, _>(5)?.unwrap_or_default(),
    })
}

fn read_item(row: &PgRow) -> SqlResult<InventoryItem> {
    let read = ItemRow {
        id: id(row, 0)?,
        asset_id: id(row, 1)?,
        asset_type: row.try_get(2)?,
        inventory_type: row.try_get(3)?,
        folder: id(row, 4)?,
        owner: id(row, 5)?,
        creator: row.try_get(6)?,
        name: row.try_get(7)?,
        description: row.try_get(8)?,
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

fn read_place(row: &PgRow) -> SqlResult<ItemPlace> {
    Ok(ItemPlace {
        id: id(row, 0)?,
        folder: id(row, 1)?,
        owner: id(row, 2)?,
        asset_type: row.try_get::<Option<i64>, _>(3)?.unwrap_or_default(),
    })
}

#[async_trait]
impl Tables for PostgresTables<'_> {
    async fn lock_users(&mut self, users: &[Uuid]) -> SqlResult<bool> {
        // Two users of one key would only wait for each other.
        let key = |user: &Uuid| {
            let (high, low) = user.as_u64_pair();
            (high ^ low).cast_signed()
        };
        query(LOCK_USERS).bind(users.iter().map(key).collect::<Vec<_>>()).execute(&mut *self.connection).await?;
        Ok(true)
    }

    async fn skeleton(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        self.fetch_of(FOLDER, SKELETON, user, read_folder).await
    }

    async fn top_folders(&mut self, user: Uuid) -> SqlResult<Vec<FolderRow>> {
        self.fetch_of(FOLDER, TOP_FOLDERS, user, read_folder).await
    }

    async fn folders(&mut self, ids: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch_in(FOLDER, FOLDERS, ids, read_folder).await
    }

    async fn folders_in(&mut self, parents: &[Uuid]) -> SqlResult<Vec<FolderRow>> {
        self.fetch_in(FOLDER, FOLDERS_IN, parents, read_folder).await
    }

    async fn items(&mut self, ids: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_in(ITEM, ITEMS, ids, read_item).await
    }

    async fn items_in(&mut self, folders: &[Uuid]) -> SqlResult<Vec<InventoryItem>> {
        self.fetch_in(ITEM, ITEMS_IN, folders, read_item).await
    }

    async fn places(&mut self, ids: &[Uuid]) -> SqlResult<Vec<ItemPlace>> {
        self.fetch_in(PLACE, ITEMS, ids, read_place).await
    }

    async fn places_of(&mut self, user: Uuid) -> SqlResult<Vec<ItemPlace>> {
        self.fetch_of(PLACE, ITEMS_OF, user, read_place).await
    }

    async fn active_gestures(&mut self, user: Uuid) -> SqlResult<Vec<InventoryItem>> {
        let condition = format!(r#"{ITEMS_OF} AND "assetType" = {} AND (flags & 1) = 1"#, asset_types::GESTURE);
        self.fetch_of(ITEM, &condition, user, read_item).await
    }

    async fn permissions_of_asset(&mut self, user: Uuid, asset: Uuid) -> SqlResult<Vec<i64>> {
        let permissions = query_scalar(self.dialect.sql(PERMISSIONS_OF_ASSET)).bind(user).bind(asset);
        let permissions: Vec<Option<i64>> = permissions.fetch_all(&mut *self.connection).await?;
        Ok(permissions.into_iter().map(Option::unwrap_or_default).collect())
    }

    async fn users_after(&mut self, user: Option<Uuid>, count: u32) -> SqlResult<Vec<Uuid>> {
        let mut users = Vec::new();
        for template in [FOLDER_OWNERS_AFTER, ITEM_OWNERS_AFTER] {
            // Of no user there is anything before the zero UUID but itself, which is nobody.
            let found = query_scalar(self.dialect.sql(template)).bind(user.unwrap_or_default()).bind(i64::from(count));
            let found: Vec<String> = found.fetch_all(&mut *self.connection).await?;
            users.extend(found.iter().map(|user| read_id(Some(user))));
        }
        users.sort();
        users.dedup();
        users.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(users)
    }

    async fn count_users(&mut self) -> SqlResult<i64> {
        query_scalar(COUNT_USERS).fetch_one(&mut *self.connection).await
    }

    async fn insert_folder(&mut self, folder: &InventoryFolder) -> SqlResult<()> {
        query(self.dialect.sql(INSERT_FOLDER))
            .bind(folder.id)
            .bind(folder.parent)
            .bind(folder.owner)
            .bind(folder.folder_type.0)
            .bind(i32::from(folder.version))
            .bind(&folder.name)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn update_folder(&mut self, folder: &FolderRow) -> SqlResult<()> {
        query(self.dialect.sql(UPDATE_FOLDER))
            .bind(folder.parent)
            .bind(folder.folder_type)
            .bind(folder.version)
            .bind(&folder.name)
            .bind(folder.id)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn insert_item(&mut self, item: &InventoryItem) -> SqlResult<()> {
        bind_item(query(self.dialect.sql(INSERT_ITEM)), item).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn update_item(&mut self, item: &InventoryItem) -> SqlResult<()> {
        bind_item(query(self.dialect.sql(UPDATE_ITEM)), item).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn move_items(&mut self, moves: &[ItemMove]) -> SqlResult<()> {
        let (items, folders): (Vec<_>, Vec<_>) = moves.iter().map(|item_move| (item_move.item, item_move.folder)).unzip();
        query(self.dialect.sql(MOVE_ITEMS)).bind(items).bind(folders).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn raise_versions(&mut self, folders: &[Uuid], by: i64) -> SqlResult<()> {
        query(self.dialect.sql(RAISE_VERSIONS)).bind(by).bind(folders.to_vec()).execute(&mut *self.connection).await?;
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
