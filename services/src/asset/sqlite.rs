//! The table `assets` in an SQLite file. Columns are called differently there and have hardly any types (schema.md section 6.1).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetMetadata};
use gridshell_interfaces::ids::parse_uuid;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query, query_as, query_scalar};
use uuid::Uuid;

use super::{AssetRow, AssetTable, ReadRow};
use crate::database::migrations::{Column, Schema, Table};
use crate::database::{GroupRead, Result, SqliteDatabase};

pub(super) const SCHEMA: Schema = Schema {
    version: 6,
    tables: &[Table {
        name: "assets",
        create: &["CREATE TABLE IF NOT EXISTS assets (
            UUID NOT NULL PRIMARY KEY,
            Name,
            Description,
            Type,
            Local,
            Temporary,
            asset_flags INTEGER NOT NULL DEFAULT 0,
            CreatorID varchar(128) DEFAULT '',
            Data
        )"],
        columns: &[
            Column { name: "UUID", add: None },
            Column { name: "Name", add: None },
            Column { name: "Description", add: None },
            Column { name: "Type", add: None },
            Column { name: "Local", add: Some("ALTER TABLE assets ADD COLUMN Local") },
            Column { name: "Temporary", add: Some("ALTER TABLE assets ADD COLUMN Temporary") },
            Column { name: "asset_flags", add: Some("ALTER TABLE assets ADD COLUMN asset_flags INTEGER NOT NULL DEFAULT 0") },
            Column { name: "CreatorID", add: Some("ALTER TABLE assets ADD COLUMN CreatorID varchar(128) DEFAULT ''") },
            Column { name: "Data", add: None },
        ],
        repairs: &[],
    }],
    steps: &[],
};

const GET: &str = "SELECT CAST(Name AS TEXT), CAST(Description AS TEXT), CAST(Type AS INTEGER), CAST(Local AS INTEGER), \
    CAST(Temporary AS INTEGER), asset_flags, CAST(CreatorID AS TEXT), Data, UUID FROM assets \
    WHERE UUID IN (SELECT value FROM json_each(?))";
const METADATA: &str = "SELECT CAST(Name AS TEXT), CAST(Description AS TEXT), CAST(Type AS INTEGER), CAST(Local AS INTEGER), \
    CAST(Temporary AS INTEGER), asset_flags, CAST(CreatorID AS TEXT) FROM assets WHERE UUID = ?";
const EXISTING: &str = "SELECT UUID FROM assets WHERE UUID IN (SELECT value FROM json_each(?))";
const DATA: &str = "SELECT UUID, Data FROM assets WHERE UUID IN (SELECT value FROM json_each(?))";
const INSERT: &str = "INSERT INTO assets (UUID, Name, Description, Type, Local, Temporary, asset_flags, CreatorID, Data) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
const REPLACE: &str = "INSERT INTO assets (UUID, Name, Description, Type, Local, Temporary, asset_flags, CreatorID, Data) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (UUID) DO UPDATE SET Name = excluded.Name, \
    Description = excluded.Description, Type = excluded.Type, Local = excluded.Local, Temporary = excluded.Temporary, \
    asset_flags = excluded.asset_flags, CreatorID = excluded.CreatorID, Data = excluded.Data";
const DELETE: &str = "DELETE FROM assets WHERE UUID = ?";

#[derive(Debug)]
pub(super) struct Assets {
    database: SqliteDatabase,
    /// Look-ups of whole assets, and of contents only.
    gets: GroupRead<Uuid, Asset>,
    data: GroupRead<Uuid, Bytes>,
}

impl Assets {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        // Half of the connections: the other processors are busy with what is done with the answers, and fewer queries at once are
        // longer ones, with fewer ways back and forth.
        let queries = (database.parallel_reads() / 2).max(1);
        Self { database, gets: GroupRead::new(queries), data: GroupRead::new(queries) }
    }

    async fn get_all(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Asset>> {
        let ids = json(&ids);
        self.database
            .read(move |connection| {
                let ids = ids.clone();
                Box::pin(async move {
                    let mut assets = HashMap::new();
                    for row in query(GET).bind(ids).fetch_all(connection).await? {
                        if let Some(id) = parse_uuid(row.try_get(8)?) {
                            let data = read_data(row.try_get(7)?);
                            assets.insert(id, Asset { metadata: read_row(&row)?.metadata(id), data: Some(data) });
                        }
                    }
                    Ok(assets)
                })
            })
            .await
    }

    async fn all_data(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Bytes>> {
        let ids = json(&ids);
        self.database
            .read(move |connection| {
                let ids = ids.clone();
                Box::pin(async move {
                    let found: Vec<(String, Option<Vec<u8>>)> = query_as(DATA).bind(ids).fetch_all(connection).await?;
                    Ok(found.into_iter().filter_map(|(id, data)| Some((parse_uuid(&id)?, read_data(data)))).collect())
                })
            })
            .await
    }

    async fn write(&self, sql: &'static str, row: Arc<AssetRow>) -> Result<()> {
        self.database
            .write(move |connection| {
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
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

fn read_row(row: &SqliteRow) -> Result<ReadRow, sqlx::Error> {
    Ok(ReadRow {
        name: row.try_get(0)?,
        description: row.try_get(1)?,
        asset_type: row.try_get(2)?,
        local: row.try_get::<Option<i64>, _>(3)?.map(|flag| flag != 0),
        temporary: row.try_get::<Option<i64>, _>(4)?.map(|flag| flag != 0),
        flags: row.try_get(5)?,
        creator: row.try_get(6)?,
    })
}

/// NULL in a row of an old version is no content.
fn read_data(data: Option<Vec<u8>>) -> Bytes {
    data.unwrap_or_default().into()
}

/// The ids as a JSON array, so that any number of them is one parameter of one statement.
fn json(ids: &[Uuid]) -> String {
    let quoted: Vec<_> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    format!("[{}]", quoted.join(","))
}

#[async_trait]
impl AssetTable for Assets {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        self.gets.get(id, |ids| self.get_all(ids)).await
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        self.database
            .read(move |connection| {
                Box::pin(async move {
                    let row = query(METADATA).bind(id.to_string()).fetch_optional(connection).await?;
                    row.map(|row| Ok(read_row(&row)?.metadata(id))).transpose()
                })
            })
            .await
    }

    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        self.data.get(id, |ids| self.all_data(ids)).await
    }

    async fn existing(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let ids = json(ids);
        self.database
            .read(move |connection| {
                let ids = ids.clone();
                Box::pin(async move {
                    let found: Vec<String> = query_scalar(EXISTING).bind(ids).fetch_all(connection).await?;
                    Ok(found.iter().filter_map(|id| parse_uuid(id)).collect())
                })
            })
            .await
    }

    async fn contents(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Bytes>> {
        self.all_data(ids.to_vec()).await
    }

    async fn insert(&self, row: Arc<AssetRow>) -> Result<()> {
        self.write(INSERT, row).await
    }

    async fn replace(&self, row: Arc<AssetRow>) -> Result<()> {
        self.write(REPLACE, row).await
    }

    async fn delete(&self, id: Uuid) -> Result<()> {
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    query(DELETE).bind(id.to_string()).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }
}
