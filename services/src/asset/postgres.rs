//! The table `assets` in PostgreSQL (schema.md section 6.1).
//!
//! The ids are `uuid`, but an upgrade that failed long ago may have left them as text; the type is looked up once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetMetadata};
use gridshell_interfaces::ids::parse_uuid;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{Row, query};
use uuid::Uuid;

use super::{AssetRow, AssetTable, ReadRow};
use crate::database::migrations::{Column, RealColumn, Repair, Schema, Step, Table, find};
use crate::database::{DatabaseError, PostgresDatabase, Result};

pub(super) const SCHEMA: Schema = Schema {
    version: 9,
    tables: &[Table {
        name: "assets",
        create: &[r#"CREATE TABLE IF NOT EXISTS assets (
            id uuid NOT NULL,
            name varchar(64) NOT NULL,
            description varchar(64) NOT NULL,
            "assetType" smallint NOT NULL,
            local boolean NOT NULL,
            temporary boolean NOT NULL,
            data bytea NOT NULL,
            create_time integer,
            access_time integer,
            asset_flags integer NOT NULL DEFAULT 0,
            creatorid varchar(128) NOT NULL DEFAULT '',
            CONSTRAINT assets_pkey PRIMARY KEY (id)
        )"#],
        columns: &[
            Column { name: "id", add: None },
            Column { name: "name", add: None },
            Column { name: "description", add: None },
            Column { name: "assetType", add: None },
            Column { name: "local", add: Some("ALTER TABLE assets ADD COLUMN local boolean NOT NULL DEFAULT false") },
            Column { name: "temporary", add: Some("ALTER TABLE assets ADD COLUMN temporary boolean NOT NULL DEFAULT false") },
            Column { name: "data", add: None },
            Column { name: "create_time", add: Some("ALTER TABLE assets ADD COLUMN create_time integer DEFAULT 0") },
            Column { name: "access_time", add: Some("ALTER TABLE assets ADD COLUMN access_time integer DEFAULT 0") },
            Column { name: "asset_flags", add: Some("ALTER TABLE assets ADD COLUMN asset_flags integer NOT NULL DEFAULT 0") },
            Column { name: "creatorid", add: Some("ALTER TABLE assets ADD COLUMN creatorid varchar(128) NOT NULL DEFAULT ''") },
        ],
        // Step 9 fails in OpenSimulator 0.9.2.2 (schema.md section 10), and creators from other grids are longer.
        repairs: &[Repair {
            column: "creatorid",
            wrong_type: "character varying(36)",
            statement: "ALTER TABLE assets ALTER COLUMN creatorid TYPE varchar(128)",
        }],
    }],
    steps: &[
        Step {
            version: 2,
            statements: &[
                "ALTER TABLE assets ALTER COLUMN local DROP DEFAULT, ALTER COLUMN temporary DROP DEFAULT",
                "ALTER TABLE assets ALTER COLUMN local TYPE boolean USING (local::text IN ('1', 't', 'true')), \
                 ALTER COLUMN temporary TYPE boolean USING (temporary::text IN ('1', 't', 'true'))",
            ],
        },
        // Step 3 gives the times a default, which step 4 of the original loses again.
        Step {
            version: 4,
            statements: &[
                "ALTER TABLE assets ALTER COLUMN id DROP DEFAULT",
                "ALTER TABLE assets ALTER COLUMN id TYPE uuid USING trim(id::text)::uuid",
            ],
        },
        Step { version: 5, statements: &["DELETE FROM assets WHERE id::text = 'dc4b9f0b-d008-45c6-96a4-01dd947ac621'"] },
        Step { version: 6, statements: &["ALTER TABLE assets ADD COLUMN IF NOT EXISTS asset_flags integer NOT NULL DEFAULT 0"] },
        Step {
            version: 7,
            statements: &["ALTER TABLE assets ADD COLUMN IF NOT EXISTS creatorid varchar(36) NOT NULL DEFAULT ''"],
        },
        Step { version: 9, statements: &["ALTER TABLE assets ALTER COLUMN creatorid TYPE varchar(128)"] },
    ],
};

// The casts to text and bigint take whatever type an old table has; a cast to text also drops the padding of char(n).
const GET: &str = r#"SELECT name::text, description::text, "assetType"::bigint, local::text, temporary::text,
    asset_flags::bigint, creatorid::text, data FROM assets WHERE id = $1"#;
const METADATA: &str = r#"SELECT name::text, description::text, "assetType"::bigint, local::text, temporary::text,
    asset_flags::bigint, creatorid::text FROM assets WHERE id = $1"#;
const DATA: &str = "SELECT data FROM assets WHERE id = $1";
const EXISTING: &str = "SELECT id::text FROM assets WHERE id = ANY($1)";
const CONTENTS: &str = "SELECT id::text, data FROM assets WHERE id = ANY($1)";
const INSERT: &str = r#"INSERT INTO assets (id, name, description, "assetType", local, temporary, asset_flags, creatorid, data,
    create_time, access_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT DO NOTHING"#;
const REPLACE: &str = r#"INSERT INTO assets (id, name, description, "assetType", local, temporary, asset_flags, creatorid, data,
    create_time, access_time) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, description = excluded.description, "assetType" = excluded."assetType", local = excluded.local,
    temporary = excluded.temporary, asset_flags = excluded.asset_flags, creatorid = excluded.creatorid, data = excluded.data,
    create_time = excluded.create_time, access_time = excluded.access_time"#;
const DELETE: &str = "DELETE FROM assets WHERE id = $1";

/// How ids are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdType {
    Uuid,
    Text,
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

impl IdType {
    fn bind(self, query: PgQuery<'_>, id: Uuid) -> PgQuery<'_> {
        match self {
            Self::Uuid => query.bind(id),
            Self::Text => query.bind(id.to_string()),
        }
    }

    fn bind_all<'q>(self, query: PgQuery<'q>, ids: &[Uuid]) -> PgQuery<'q> {
        match self {
            Self::Uuid => query.bind(ids.to_vec()),
            Self::Text => query.bind(ids.iter().map(Uuid::to_string).collect::<Vec<_>>()),
        }
    }
}

#[derive(Debug)]
pub(super) struct Assets {
    database: PostgresDatabase,
    id_type: IdType,
}

impl Assets {
    /// `columns` are the real columns of the tables of the store.
    pub(super) fn new(database: PostgresDatabase, columns: &[Vec<RealColumn>]) -> Result<Self> {
        let id = columns.first().and_then(|columns| find(columns, "id"));
        let id_type = match id.map(|column| column.column_type.as_str()) {
            Some("uuid") => IdType::Uuid,
            Some(text) if text.starts_with("character") || text == "text" => IdType::Text,
            other => {
                return Err(DatabaseError::Schema(format!(
                    "the column 'id' of the table 'assets' is {}; it must be uuid or text",
                    other.unwrap_or("missing")
                )));
            }
        };
        Ok(Self { database, id_type })
    }

    async fn write(&self, sql: &'static str, row: Arc<AssetRow>) -> Result<()> {
        let id_type = self.id_type;
        self.database
            .run(move |connection| {
                let row = Arc::clone(&row);
                Box::pin(async move {
                    id_type
                        .bind(query(sql), row.id)
                        .bind(&row.name)
                        .bind(&row.description)
                        .bind(i16::from(row.asset_type))
                        .bind(row.local)
                        .bind(row.temporary)
                        .bind(row.flags)
                        .bind(&row.creator)
                        .bind(&row.data[..])
                        .bind(row.time)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

fn read_row(row: &PgRow) -> Result<ReadRow, sqlx::Error> {
    let is_true = |text: &str| matches!(text, "true" | "t" | "1");
    Ok(ReadRow {
        name: row.try_get(0)?,
        description: row.try_get(1)?,
        asset_type: row.try_get(2)?,
        local: row.try_get::<Option<&str>, _>(3)?.map(is_true),
        temporary: row.try_get::<Option<&str>, _>(4)?.map(is_true),
        flags: row.try_get(5)?,
        creator: row.try_get(6)?,
    })
}

fn read_data(row: &PgRow, index: usize) -> Result<Bytes, sqlx::Error> {
    Ok(row.try_get::<Option<Vec<u8>>, _>(index)?.unwrap_or_default().into())
}

fn read_id(row: &PgRow) -> Result<Option<Uuid>, sqlx::Error> {
    Ok(row.try_get::<Option<&str>, _>(0)?.and_then(parse_uuid))
}

#[async_trait]
impl AssetTable for Assets {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        let id_type = self.id_type;
        self.database
            .run(move |connection| {
                Box::pin(async move {
                    let row = id_type.bind(query(GET), id).fetch_optional(connection).await?;
                    row.map(|row| Ok(Asset { metadata: read_row(&row)?.metadata(id), data: Some(read_data(&row, 7)?) }))
                        .transpose()
                })
            })
            .await
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        let id_type = self.id_type;
        self.database
            .run(move |connection| {
                Box::pin(async move {
                    let row = id_type.bind(query(METADATA), id).fetch_optional(connection).await?;
                    row.map(|row| Ok(read_row(&row)?.metadata(id))).transpose()
                })
            })
            .await
    }

    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        let id_type = self.id_type;
        self.database
            .run(move |connection| {
                Box::pin(async move {
                    let row = id_type.bind(query(DATA), id).fetch_optional(connection).await?;
                    row.map(|row| read_data(&row, 0)).transpose()
                })
            })
            .await
    }

    async fn existing(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let id_type = self.id_type;
        let ids: Arc<[Uuid]> = ids.into();
        self.database
            .run(move |connection| {
                let ids = Arc::clone(&ids);
                Box::pin(async move {
                    let rows = id_type.bind_all(query(EXISTING), &ids).fetch_all(connection).await?;
                    rows.iter().filter_map(|row| read_id(row).transpose()).collect()
                })
            })
            .await
    }

    async fn contents(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Bytes>> {
        let id_type = self.id_type;
        let ids: Arc<[Uuid]> = ids.into();
        self.database
            .run(move |connection| {
                let ids = Arc::clone(&ids);
                Box::pin(async move {
                    let mut found = HashMap::new();
                    for row in id_type.bind_all(query(CONTENTS), &ids).fetch_all(connection).await? {
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
        self.write(INSERT, row).await
    }

    async fn replace(&self, row: Arc<AssetRow>) -> Result<()> {
        self.write(REPLACE, row).await
    }

    async fn delete(&self, id: Uuid) -> Result<()> {
        let id_type = self.id_type;
        self.database
            .run(move |connection| Box::pin(async move { id_type.bind(query(DELETE), id).execute(connection).await.map(|_| ()) }))
            .await
    }
}
