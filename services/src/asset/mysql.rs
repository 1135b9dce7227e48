//! The table `assets` in MariaDB and MySQL (schema.md section 6.1).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetMetadata};
use gridshell_interfaces::ids::parse_uuid;
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Row, query, query_scalar};
use uuid::Uuid;

use super::{AssetRow, AssetTable, ReadRow};
use crate::database::migrations::{Column, Schema, Table};
use crate::database::{DatabaseError, MySqlDatabase, Result};

pub(super) const SCHEMA: Schema = Schema {
    version: 10,
    tables: &[Table {
        name: "assets",
        create: &["CREATE TABLE IF NOT EXISTS assets (
            name varchar(64) NOT NULL,
            description varchar(64) NOT NULL,
            assetType tinyint(4) NOT NULL,
            local tinyint(1) NOT NULL,
            temporary tinyint(1) NOT NULL,
            data longblob NOT NULL,
            id char(36) NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
            create_time int(11) DEFAULT 0,
            access_time int(11) DEFAULT 0,
            asset_flags int(11) NOT NULL DEFAULT 0,
            CreatorID varchar(128) NOT NULL DEFAULT '',
            PRIMARY KEY (id)
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8"],
        columns: &[
            Column { name: "name", add: None },
            Column { name: "description", add: None },
            Column { name: "assetType", add: None },
            Column { name: "local", add: Some("ALTER TABLE assets ADD COLUMN local tinyint(1) NOT NULL DEFAULT 0") },
            Column { name: "temporary", add: Some("ALTER TABLE assets ADD COLUMN temporary tinyint(1) NOT NULL DEFAULT 0") },
            Column { name: "data", add: None },
            Column { name: "id", add: None },
            Column { name: "create_time", add: Some("ALTER TABLE assets ADD COLUMN create_time int(11) DEFAULT 0") },
            Column { name: "access_time", add: Some("ALTER TABLE assets ADD COLUMN access_time int(11) DEFAULT 0") },
            Column { name: "asset_flags", add: Some("ALTER TABLE assets ADD COLUMN asset_flags int(11) NOT NULL DEFAULT 0") },
            Column { name: "CreatorID", add: Some("ALTER TABLE assets ADD COLUMN CreatorID varchar(128) NOT NULL DEFAULT ''") },
        ],
        repairs: &[],
    }],
    steps: &[],
};

const GET: &str = "SELECT name, description, assetType, local, temporary, asset_flags, CreatorID, data FROM assets WHERE id = ?";
const METADATA: &str = "SELECT name, description, assetType, local, temporary, asset_flags, CreatorID FROM assets WHERE id = ?";
const DATA: &str = "SELECT data FROM assets WHERE id = ?";
const EXISTING: &str = "SELECT id FROM assets WHERE id IN ";
const CONTENTS: &str = "SELECT id, data FROM assets WHERE id IN ";
const INSERT: &str = "INSERT INTO assets (id, name, description, assetType, local, temporary, asset_flags, CreatorID, data, \
    create_time, access_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const REPLACE: &str = "INSERT INTO assets (id, name, description, assetType, local, temporary, asset_flags, CreatorID, data, \
    create_time, access_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE name = VALUES(name), \
    description = VALUES(description), assetType = VALUES(assetType), local = VALUES(local), temporary = VALUES(temporary), \
    asset_flags = VALUES(asset_flags), CreatorID = VALUES(CreatorID), data = VALUES(data), \
    create_time = VALUES(create_time), access_time = VALUES(access_time)";
const DELETE: &str = "DELETE FROM assets WHERE id = ?";

#[derive(Debug)]
pub(super) struct Assets {
    database: MySqlDatabase,
}

impl Assets {
    pub(super) fn new(database: MySqlDatabase) -> Self {
        Self { database }
    }

    async fn write(&self, sql: &'static str, row: Arc<AssetRow>) -> Result<()> {
        let size = row.data.len();
        let written = self
            .database
            .run(move |connection| {
                let row = Arc::clone(&row);
                Box::pin(async move {
                    query(sql)
                        .bind(row.id.to_string())
                        .bind(&row.name)
                        .bind(&row.description)
                        .bind(row.asset_type)
                        .bind(row.local)
                        .bind(row.temporary)
                        .bind(row.flags)
                        .bind(&row.creator)
                        .bind(&row.data[..])
                        .bind(row.time)
                        .bind(row.time)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await;
        match written {
            Err(error) if error.is_connection_lost() => Err(self.too_large(size).await?.unwrap_or(error)),
            written => written,
        }
    }

    /// A server cuts the connection when a statement is longer than it takes. Says so when that is why.
    async fn too_large(&self, size: usize) -> Result<Option<DatabaseError>> {
        /// More than the other columns and the packet itself need.
        const OVERHEAD: u64 = 4096;
        let limit: u64 = self
            .database
            .run(|connection| Box::pin(query_scalar("SELECT CAST(@@max_allowed_packet AS UNSIGNED)").fetch_one(connection)))
            .await?;
        Ok((size as u64 + OVERHEAD > limit).then(|| {
            DatabaseError::Refused(format!(
                "{size} bytes are more than the server takes; raise its max_allowed_packet, which is {limit}"
            ))
        }))
    }
}

fn read_row(row: &MySqlRow) -> Result<ReadRow, sqlx::Error> {
    Ok(ReadRow {
        name: read_text(row, 0)?,
        description: read_text(row, 1)?,
        asset_type: row.try_get(2)?,
        local: row.try_get::<Option<i64>, _>(3)?.map(|flag| flag != 0),
        temporary: row.try_get::<Option<i64>, _>(4)?.map(|flag| flag != 0),
        flags: row.try_get(5)?,
        creator: read_text(row, 6)?,
    })
}

/// A text, also from a column without character set, in which old data may be no valid UTF-8.
fn read_text(row: &MySqlRow, index: usize) -> Result<Option<String>, sqlx::Error> {
    let bytes: Option<&[u8]> = row.try_get(index)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn read_data(row: &MySqlRow, index: usize) -> Result<Bytes, sqlx::Error> {
    Ok(row.try_get::<Option<Vec<u8>>, _>(index)?.unwrap_or_default().into())
}

/// Runs a statement that ends in `IN` for any number of ids. The number of parameters is a power of two, filled up with the last
/// id, so that there are few different statements to prepare.
async fn fetch_in(connection: &mut MySqlConnection, sql: &str, ids: &[Uuid]) -> Result<Vec<MySqlRow>, sqlx::Error> {
    let Some(last) = ids.last() else { return Ok(Vec::new()) };
    let places = ids.len().next_power_of_two();
    let sql = format!("{sql}({})", vec!["?"; places].join(","));
    let filled = ids.iter().chain(std::iter::repeat(last)).take(places);
    filled.fold(query(AssertSqlSafe(sql)), |query, id| query.bind(id.to_string())).fetch_all(connection).await
}

fn read_id(row: &MySqlRow) -> Result<Option<Uuid>, sqlx::Error> {
    Ok(read_text(row, 0)?.as_deref().and_then(parse_uuid))
}

#[async_trait]
impl AssetTable for Assets {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        self.database
            .run(move |connection| {
                Box::pin(async move {
                    let row = query(GET).bind(id.to_string()).fetch_optional(connection).await?;
                    row.map(|row| Ok(Asset { metadata: read_row(&row)?.metadata(id), data: Some(read_data(&row, 7)?) }))
                        .transpose()
                })
            })
            .await
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        self.database
            .run(move |connection| {
                Box::pin(async move {
                    let row = query(METADATA).bind(id.to_string()).fetch_optional(connection).await?;
                    row.map(|row| Ok(read_row(&row)?.metadata(id))).transpose()
                })
            })
            .await
    }

    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        self.database
            .run(move |connection| {
                Box::pin(async move {
                    let row = query(DATA).bind(id.to_string()).fetch_optional(connection).await?;
                    row.map(|row| read_data(&row, 0)).transpose()
                })
            })
            .await
    }

    async fn existing(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let ids: Arc<[Uuid]> = ids.into();
        self.database
            .run(move |connection| {
                let ids = Arc::clone(&ids);
                Box::pin(async move {
                    let rows = fetch_in(connection, EXISTING, &ids).await?;
                    rows.iter().filter_map(|row| read_id(row).transpose()).collect()
                })
            })
            .await
    }

    async fn contents(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Bytes>> {
        let ids: Arc<[Uuid]> = ids.into();
        self.database
            .run(move |connection| {
                let ids = Arc::clone(&ids);
                Box::pin(async move {
                    let mut found = HashMap::new();
                    for row in fetch_in(connection, CONTENTS, &ids).await? {
                        if let Some(id) = read_id(&row)? {
                            found.insert(id, read_data(&row, 1)?);
                        }
                    }
                    Ok(found)
                })
            })
            .await
    }

    async fn insert(&self, row: Arc<AssetRow>) -> Result<()> {
        match self.write(INSERT, row).await {
            // Somebody was first, perhaps we ourselves on a connection that was lost before the answer.
            Err(error) if error.is_unique_violation() => Ok(()),
            written => written,
        }
    }

    async fn replace(&self, row: Arc<AssetRow>) -> Result<()> {
        self.write(REPLACE, row).await
    }

    async fn delete(&self, id: Uuid) -> Result<()> {
        self.database
            .run(move |connection| {
                Box::pin(async move { query(DELETE).bind(id.to_string()).execute(connection).await.map(|_| ()) })
            })
            .await
    }
}
