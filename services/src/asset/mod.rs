//! The asset service on the table `assets` (assets.md section 6, schema.md section 6.1).

pub mod disk_cache;
mod loader;
mod mysql;
mod postgres;
mod sqlite;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, AssetService};
use gridshell_interfaces::{ErrorKind, Result, ServiceError};
use uuid::Uuid;

pub use loader::{LoadSummary, load_default_assets};

use crate::database::migrations::{self, Store};
use crate::database::{self, Database};

/// Names and descriptions are cut at this many UTF-16 units (schema.md section 4).
const MAX_TEXT_UNITS: usize = 64;
/// Longer creators are refused (assets.md section 4).
const MAX_CREATOR_CHARS: usize = 128;

/// The tables and versions of the asset store.
pub static STORE: Store = Store { name: "AssetStore", sqlite: sqlite::SCHEMA, mysql: mysql::SCHEMA, postgres: postgres::SCHEMA };

/// The local asset service: one row per asset in an SQL database, OpenSimulator's own table.
#[derive(Clone, Debug)]
pub struct SqlAssetService {
    table: Arc<dyn AssetTable>,
}

impl SqlAssetService {
    /// Creates or upgrades the table, and gives the service on it.
    ///
    /// # Errors
    /// When the database fails or its table `assets` cannot be worked with.
    pub async fn open(database: Database) -> database::Result<Self> {
        let columns = migrations::prepare(&database, &STORE).await?;
        let table: Arc<dyn AssetTable> = match database {
            Database::Sqlite(database) => Arc::new(sqlite::Assets::new(database)),
            Database::MySql(database) => Arc::new(mysql::Assets::new(database)),
            Database::Postgres(database) => Arc::new(postgres::Assets::new(database, &columns)?),
        };
        Ok(Self { table })
    }

    /// Stores the asset in place of one of the same id: content, name, type and times. Only for assets that the operator
    /// provides; what users upload never changes.
    ///
    /// # Errors
    /// `Refused` when the store will not take it, as [`AssetService::store`] does.
    pub async fn replace(&self, asset: Asset) -> Result<()> {
        let id = asset.metadata.id;
        let row = AssetRow::new(asset)?;
        self.table.replace(Arc::new(row)).await.map_err(|error| error.during(format_args!("replacing asset {id}")))
    }

    /// The contents of those of these assets that exist. One query; give it a bounded number of ids, since all contents are held
    /// in memory at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contents(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Bytes>> {
        self.table.contents(ids).await.map_err(|error| error.during(format_args!("reading {} assets", ids.len())))
    }
}

#[async_trait]
impl AssetService for SqlAssetService {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        self.table.get(id).await.map_err(|error| error.during(format_args!("reading asset {id}")))
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        self.table.metadata(id).await.map_err(|error| error.during(format_args!("reading the metadata of asset {id}")))
    }

    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        self.table.data(id).await.map_err(|error| error.during(format_args!("reading the data of asset {id}")))
    }

    async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        /// Bounds the size of a statement.
        const CHUNK: usize = 8192;
        let mut existing = HashSet::new();
        for chunk in ids.chunks(CHUNK) {
            let found = self.table.existing(chunk).await;
            existing.extend(found.map_err(|error| error.during(format_args!("looking for {} assets", ids.len())))?);
        }
        Ok(ids.iter().map(|id| existing.contains(id)).collect())
    }

    async fn store(&self, asset: Asset) -> Result<Uuid> {
        let id = asset.metadata.id;
        let refusal = match AssetRow::new(asset) {
            Err(refusal) => refusal,
            Ok(row) => match self.table.insert(Arc::new(row)).await {
                Ok(()) => return Ok(id),
                Err(error) => error.during(format_args!("storing asset {id}")),
            },
        };
        // What exists already is not looked at closer (assets.md section 4): nothing would be written anyway.
        if refusal.kind == ErrorKind::Refused && self.exist(&[id]).await? == [true] {
            return Ok(id);
        }
        Err(refusal)
    }

    async fn delete(&self, id: Uuid) -> Result<bool> {
        self.table.delete(id).await.map_err(|error| error.during(format_args!("deleting asset {id}")))?;
        Ok(true)
    }
}

/// The statements on the table, in one dialect.
#[async_trait]
trait AssetTable: Send + Sync + std::fmt::Debug {
    async fn get(&self, id: Uuid) -> database::Result<Option<Asset>>;
    async fn metadata(&self, id: Uuid) -> database::Result<Option<AssetMetadata>>;
    async fn data(&self, id: Uuid) -> database::Result<Option<Bytes>>;
    /// Those of these ids that exist. One query.
    async fn existing(&self, ids: &[Uuid]) -> database::Result<HashSet<Uuid>>;
    async fn contents(&self, ids: &[Uuid]) -> database::Result<HashMap<Uuid, Bytes>>;
    /// Adds the row, unless there is one of this id.
    async fn insert(&self, row: Arc<AssetRow>) -> database::Result<()>;
    /// Adds the row, or overwrites the one of this id.
    async fn replace(&self, row: Arc<AssetRow>) -> database::Result<()>;
    async fn delete(&self, id: Uuid) -> database::Result<()>;
}

/// A row as it is written.
#[derive(Debug)]
struct AssetRow {
    id: Uuid,
    name: String,
    description: String,
    asset_type: i8,
    local: bool,
    temporary: bool,
    flags: i32,
    creator: String,
    data: Bytes,
    /// Now, as seconds since 1970 UTC: both times of the row.
    time: i32,
}

impl AssetRow {
    fn new(asset: Asset) -> Result<Self> {
        let Asset { metadata, data } = asset;
        let id = metadata.id;
        let data = data.ok_or_else(|| ServiceError::refused(format!("asset {id} has no data")))?;
        let creator = metadata.creator.unwrap_or_default();
        if creator.chars().count() > MAX_CREATOR_CHARS {
            return Err(ServiceError::refused(format!(
                "the creator of asset {id} is longer than {MAX_CREATOR_CHARS} characters"
            )));
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            id,
            name: cut(metadata.name, "name", id),
            description: cut(metadata.description, "description", id),
            asset_type: metadata.asset_type,
            local: metadata.local,
            temporary: metadata.temporary,
            flags: metadata.flags.0,
            creator,
            data,
            // The columns are 32 bits wide.
            time: i32::try_from(since_1970.as_secs()).unwrap_or(i32::MAX),
        })
    }
}

/// Cuts a text at [`MAX_TEXT_UNITS`].
fn cut(mut text: String, what: &str, id: Uuid) -> String {
    if crate::text::cut(&mut text, MAX_TEXT_UNITS) {
        tracing::warn!(asset_id = %id, "[ASSET SERVICE]: {what} is longer than {MAX_TEXT_UNITS} characters and is cut");
    }
    text
}

/// The columns of a row that is read, but id and data, as wide as any dialect has them. NULL stands in rows of old versions.
struct ReadRow {
    name: Option<String>,
    description: Option<String>,
    asset_type: Option<i64>,
    local: Option<bool>,
    temporary: Option<bool>,
    flags: Option<i64>,
    creator: Option<String>,
}

impl ReadRow {
    fn metadata(self, id: Uuid) -> AssetMetadata {
        const UNKNOWN_TYPE: i8 = -1;
        AssetMetadata {
            id,
            name: self.name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            // The plain service never tells it (assets.md section 2).
            created: None,
            asset_type: self.asset_type.and_then(|number| i8::try_from(number).ok()).unwrap_or(UNKNOWN_TYPE),
            local: self.local.unwrap_or(false),
            temporary: self.temporary.unwrap_or(false),
            creator: Some(self.creator.unwrap_or_default()),
            flags: AssetFlags(self.flags.and_then(|bits| i32::try_from(bits).ok()).unwrap_or(0)),
        }
    }
}
