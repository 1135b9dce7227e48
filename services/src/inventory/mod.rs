//! The inventory service on the tables `inventoryfolders` and `inventoryitems` (inventory.md section 4, schema.md section 6.4).
//!
//! `changes.rs` holds the rules; a change is one transaction. Changes to the inventory of one user wait for each other, those of
//! different users do not (but for SQLite, which writes one thing after the other).

mod changes;
pub mod check;
mod mysql;
mod postgres;
mod sqlite;
mod system_folders;
mod tables;
mod tree;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use gridshell_interfaces::inventory::{
    FolderContent, FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove, MAX_FOLDERS_OF_ONE_CALL,
    MAX_IDS_OF_ONE_CALL,
};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use crate::database::migrations::{self, Store};
use crate::database::{self, BorrowedConnection, Database, Isolation, MySqlDatabase, PostgresDatabase, SqliteDatabase};
use changes::{Change, folder_for_type, root_of};
use mysql::MySqlTables;
use postgres::{Dialect, PostgresTables};
use sqlite::SqliteTables;
use tables::{FolderRow, SqlResult, Tables, bits, storable_folder, storable_item};

/// The tables and versions of the inventory store in MariaDB, MySQL and PostgreSQL.
pub static STORE: Store =
    Store { name: "InventoryStore", sqlite: sqlite::SCHEMA, mysql: mysql::SCHEMA, postgres: postgres::SCHEMA };

/// The same tables in SQLite have another name there (schema.md section 6.4).
pub static SQLITE_STORE: Store =
    Store { name: "XInventoryStore", sqlite: sqlite::SCHEMA, mysql: mysql::SCHEMA, postgres: postgres::SCHEMA };

/// How the service behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InventoryOptions {
    /// `AllowDelete`: folders and items may be deleted. Where not, only links are (inventory.md section 5).
    pub allow_delete: bool,
    /// `StrictOwner`: what belongs to another user than the principal is not there for it. Where not, the principal is ignored in
    /// look-ups, moves and deletions, as newer versions of ROBUST do (inventory.md section 4), and the content of a folder without a
    /// row is given.
    pub strict_owner: bool,
}

impl Default for InventoryOptions {
    fn default() -> Self {
        Self { allow_delete: true, strict_owner: true }
    }
}

/// The local inventory service: OpenSimulator's own two tables in an SQL database.
#[derive(Clone, Debug)]
pub struct SqlInventoryService {
    place: Place,
    options: InventoryOptions,
}

/// Where the tables are.
#[derive(Clone, Debug)]
enum Place {
    Sqlite(SqliteDatabase),
    MySql(MySqlDatabase),
    Postgres(PostgresDatabase, Arc<Dialect>),
}

impl SqlInventoryService {
    /// Creates or upgrades the tables, and gives the service on them.
    ///
    /// # Errors
    /// When the database fails or its tables cannot be worked with.
    pub async fn open(database: Database, options: InventoryOptions) -> database::Result<Self> {
        let store = if matches!(database, Database::Sqlite(_)) { &SQLITE_STORE } else { &STORE };
        let columns = migrations::prepare(&database, store).await?;
        let place = match database {
            Database::Sqlite(database) => Place::Sqlite(database),
            Database::MySql(database) => Place::MySql(database),
            Database::Postgres(database) => Place::Postgres(database, Arc::new(Dialect::new(&columns)?)),
        };
        Ok(Self { place, options })
    }

    /// Asks something on one connection. The question may be asked twice, when the connection proves to be dead.
    async fn read<T, F>(&self, question: F) -> database::Result<T>
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut dyn Tables) -> BoxFuture<'t, SqlResult<T>> + Send + Sync + 'static,
    {
        let question = Arc::new(question);
        match &self.place {
            Place::Sqlite(database) => {
                let runtime = tokio::runtime::Handle::current();
                let read = database.read_aside(move |connection| runtime.block_on(question(&mut SqliteTables(connection))));
                read.await
            }
            Place::MySql(database) => {
                let run = database.run(move |connection| {
                    let question = Arc::clone(&question);
                    Box::pin(async move { question(&mut MySqlTables(connection)).await })
                });
                run.await
            }
            Place::Postgres(database, dialect) => {
                let dialect = Arc::clone(dialect);
                let run = database.run(move |connection| {
                    let (question, dialect) = (Arc::clone(&question), Arc::clone(&dialect));
                    Box::pin(async move { question(&mut PostgresTables { connection, dialect: &dialect }).await })
                });
                run.await
            }
        }
    }

    /// Does a change in one transaction.
    async fn change(&self, change: Change) -> database::Result<bool> {
        let options = self.options;
        match &self.place {
            Place::Sqlite(database) => {
                let write = database.write(move |connection| {
                    Box::pin(async move {
                        let mut connection = BorrowedConnection::new(connection).await?;
                        Ok(change.apply(&mut SqliteTables(connection.get()), options).await?)
                    })
                });
                write.await
            }
            Place::MySql(database) => {
                let isolation = if change.needs_to_be_alone() { Isolation::Serializable } else { Isolation::ReadCommitted };
                let change = Arc::new(change);
                let transaction = database.transaction(isolation, move |connection| {
                    let change = Arc::clone(&change);
                    Box::pin(async move { change.apply(&mut MySqlTables(connection), options).await })
                });
                transaction.await
            }
            Place::Postgres(database, dialect) => {
                let (change, dialect) = (Arc::new(change), Arc::clone(dialect));
                let transaction = database.transaction(move |connection| {
                    let (change, dialect) = (Arc::clone(&change), Arc::clone(&dialect));
                    Box::pin(async move { change.apply(&mut PostgresTables { connection, dialect: &dialect }, options).await })
                });
                transaction.await
            }
        }
    }

    /// Whom the principal of a request restricts it to.
    fn restriction(&self, principal: Option<Uuid>) -> Option<Uuid> {
        principal.filter(|principal| self.options.strict_owner && !principal.is_nil())
    }
}

/// True when something of this owner may be shown.
fn may_see(restriction: Option<Uuid>, owner: Uuid) -> bool {
    restriction.is_none_or(|principal| principal == owner)
}

fn check_length(what: &str, length: usize, limit: usize) -> Result<()> {
    if length > limit {
        return Err(ServiceError::invalid(format!("{length} {what} in one call are too many; {limit} are allowed")));
    }
    Ok(())
}

#[async_trait]
impl InventoryService for SqlInventoryService {
    async fn create_user_inventory(&self, user: Uuid) -> Result<bool> {
        let created = self.change(Change::CreateUserInventory(user)).await;
        created.map_err(|error| error.during(format_args!("creating the inventory of {user}")))
    }

    async fn skeleton(&self, user: Uuid) -> Result<Vec<InventoryFolder>> {
        let folders = self.read(move |tables| tables.skeleton(user)).await;
        let folders = folders.map_err(|error| error.during(format_args!("reading the folders of {user}")))?;
        Ok(folders.into_iter().map(InventoryFolder::from).collect())
    }

    async fn root_folder(&self, user: Uuid) -> Result<Option<InventoryFolder>> {
        let folders = self.read(move |tables| tables.top_folders(user)).await;
        let folders = folders.map_err(|error| error.during(format_args!("reading the root folder of {user}")))?;
        Ok(root_of(folders).map(InventoryFolder::from))
    }

    async fn folder_for_type(&self, user: Uuid, folder_type: FolderType) -> Result<Option<InventoryFolder>> {
        let found = self
            .read(move |tables| {
                Box::pin(async move {
                    let Some(root) = root_of(tables.top_folders(user).await?) else { return Ok(None) };
                    folder_for_type(tables, root, folder_type).await
                })
            })
            .await;
        let found = found.map_err(|error| error.during(format_args!("reading the folder of {user} for type {folder_type}")))?;
        Ok(found.map(InventoryFolder::from))
    }

    async fn folders_content(&self, folders: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<FolderContent>>> {
        check_length("folders", folders.len(), MAX_FOLDERS_OF_ONE_CALL)?;
        // The zero UUID is the parent of all users' root folders.
        let asked: Arc<[Uuid]> = folders.iter().copied().filter(|folder| !folder.is_nil()).collect();
        let read = self
            .read(move |tables| {
                let asked = Arc::clone(&asked);
                Box::pin(async move {
                    // The versions first: a change in between shows a version that is too old, which makes the viewer ask again.
                    let rows = tables.folders(&asked).await?;
                    let children = tables.folders_in(&asked).await?;
                    Ok((rows, children, tables.items_in(&asked).await?))
                })
            })
            .await;
        let (rows, children, items) =
            read.map_err(|error| error.during(format_args!("reading the content of {} folders", folders.len())))?;
        let restriction = self.restriction(principal);
        let contents = Contents::new(rows, children, items, restriction);
        Ok(contents.in_order(folders, restriction, self.options.strict_owner))
    }

    async fn folder_items(&self, folder: Uuid, principal: Option<Uuid>) -> Result<Vec<InventoryItem>> {
        if folder.is_nil() {
            return Ok(Vec::new());
        }
        let items = self.read(move |tables| Box::pin(async move { tables.items_in(&[folder]).await })).await;
        let mut items = items.map_err(|error| error.during(format_args!("reading the items in folder {folder}")))?;
        let restriction = self.restriction(principal);
        items.retain(|item| may_see(restriction, item.owner));
        Ok(items)
    }

    async fn folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<Option<InventoryFolder>> {
        let found = self.read(move |tables| Box::pin(async move { tables.folders(&[id]).await })).await;
        let mut found = found.map_err(|error| error.during(format_args!("reading folder {id}")))?;
        let restriction = self.restriction(principal);
        Ok(found.pop().filter(|folder| may_see(restriction, folder.owner)).map(InventoryFolder::from))
    }

    async fn items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<InventoryItem>>> {
        check_length("items", ids.len(), MAX_IDS_OF_ONE_CALL)?;
        let asked: Arc<[Uuid]> = ids.into();
        let found = self
            .read(move |tables| {
                let asked = Arc::clone(&asked);
                Box::pin(async move { tables.items(&asked).await })
            })
            .await;
        let found = found.map_err(|error| error.during(format_args!("reading {} items", ids.len())))?;
        let restriction = self.restriction(principal);
        let visible = found.into_iter().filter(|item| may_see(restriction, item.owner));
        let mut by_id: HashMap<Uuid, InventoryItem> = visible.map(|item| (item.id, item)).collect();
        let mut left: HashMap<Uuid, usize> = HashMap::with_capacity(ids.len());
        for id in ids {
            *left.entry(*id).or_default() += 1;
        }
        // An id may be asked for several times; the last one takes the item itself.
        let mut take = |id: &Uuid| {
            let left = left.get_mut(id)?;
            *left -= 1;
            if *left == 0 { by_id.remove(id) } else { by_id.get(id).cloned() }
        };
        Ok(ids.iter().map(&mut take).collect())
    }

    async fn active_gestures(&self, user: Uuid) -> Result<Vec<InventoryItem>> {
        let gestures = self.read(move |tables| tables.active_gestures(user)).await;
        gestures.map_err(|error| error.during(format_args!("reading the active gestures of {user}")))
    }

    async fn asset_permissions(&self, user: Uuid, asset: Uuid) -> Result<u32> {
        let permissions = self.read(move |tables| tables.permissions_of_asset(user, asset)).await;
        let permissions =
            permissions.map_err(|error| error.during(format_args!("reading the permissions of {user} on asset {asset}")))?;
        Ok(permissions.into_iter().fold(0, |all, permissions| all | bits(Some(permissions))))
    }

    async fn add_folder(&self, folder: InventoryFolder) -> Result<bool> {
        let id = folder.id;
        let added = self.change(Change::AddFolder(storable_folder(folder))).await;
        added.map_err(|error| error.during(format_args!("adding folder {id}")))
    }

    async fn update_folder(&self, folder: InventoryFolder) -> Result<bool> {
        let id = folder.id;
        let updated = self.change(Change::UpdateFolder(storable_folder(folder))).await;
        updated.map_err(|error| error.during(format_args!("updating folder {id}")))
    }

    async fn move_folder(&self, id: Uuid, parent: Uuid, principal: Option<Uuid>) -> Result<bool> {
        let moved = self.change(Change::MoveFolder { id, parent, principal: self.restriction(principal) }).await;
        moved.map_err(|error| error.during(format_args!("moving folder {id} into {parent}")))
    }

    async fn delete_folders(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool> {
        check_length("folders", ids.len(), MAX_IDS_OF_ONE_CALL)?;
        if !self.options.allow_delete {
            return Ok(false);
        }
        let deleted = self.change(Change::DeleteFolders { ids: ids.to_vec(), principal: self.restriction(principal) }).await;
        deleted.map_err(|error| error.during(format_args!("deleting {} folders", ids.len())))
    }

    async fn purge_folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<bool> {
        if !self.options.allow_delete {
            return Ok(false);
        }
        let purged = self.change(Change::PurgeFolder { id, principal: self.restriction(principal) }).await;
        purged.map_err(|error| error.during(format_args!("deleting what is in folder {id}")))
    }

    async fn add_item(&self, item: InventoryItem) -> Result<bool> {
        let id = item.id;
        let added = self.change(Change::AddItem(storable_item(item)?)).await;
        added.map_err(|error| error.during(format_args!("adding item {id}")))
    }

    async fn update_item(&self, item: InventoryItem) -> Result<bool> {
        let id = item.id;
        let updated = self.change(Change::UpdateItem(storable_item(item)?)).await;
        updated.map_err(|error| error.during(format_args!("updating item {id}")))
    }

    async fn move_items(&self, moves: &[ItemMove], principal: Option<Uuid>) -> Result<bool> {
        check_length("moves", moves.len(), MAX_IDS_OF_ONE_CALL)?;
        let moved = self.change(Change::MoveItems { moves: moves.to_vec(), principal: self.restriction(principal) }).await;
        moved.map_err(|error| error.during(format_args!("moving {} items", moves.len())))
    }

    async fn delete_items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool> {
        check_length("items", ids.len(), MAX_IDS_OF_ONE_CALL)?;
        let deleted = self.change(Change::DeleteItems { ids: ids.to_vec(), principal: self.restriction(principal) }).await;
        deleted.map_err(|error| error.during(format_args!("deleting {} items", ids.len())))
    }
}

/// What several folders hold, by folder.
struct Contents {
    rows: HashMap<Uuid, FolderRow>,
    folders: HashMap<Uuid, Vec<InventoryFolder>>,
    items: HashMap<Uuid, Vec<InventoryItem>>,
}

impl Contents {
    fn new(rows: Vec<FolderRow>, children: Vec<FolderRow>, mut items: Vec<InventoryItem>, restriction: Option<Uuid>) -> Self {
        let mut contents =
            Self { rows: rows.into_iter().map(|row| (row.id, row)).collect(), folders: HashMap::new(), items: HashMap::new() };
        for child in children.into_iter().filter(|child| may_see(restriction, child.owner)) {
            contents.folders.entry(child.parent).or_default().push(child.into());
        }
        items.retain(|item| may_see(restriction, item.owner));
        // Nearly always one folder is asked for, and its items need not be moved.
        match items.first().map(|first| first.folder) {
            Some(folder) if items.iter().all(|item| item.folder == folder) => {
                contents.items.insert(folder, items);
            }
            _ => items.into_iter().for_each(|item| contents.items.entry(item.folder).or_default().push(item)),
        }
        contents
    }

    fn in_order(mut self, ids: &[Uuid], restriction: Option<Uuid>, needs_row: bool) -> Vec<Option<FolderContent>> {
        let mut given = HashSet::new();
        let mut content = |id: Uuid| {
            let row = self.rows.remove(&id);
            if id.is_nil() || !given.insert(id) || (needs_row && row.is_none()) {
                return None;
            }
            if row.as_ref().is_some_and(|row| !may_see(restriction, row.owner)) {
                return None;
            }
            Some(FolderContent {
                folder: id,
                owner: row.as_ref().map(|row| row.owner).unwrap_or_default(),
                version: row.as_ref().map_or(0, FolderRow::wire_version),
                folders: self.folders.remove(&id).unwrap_or_default(),
                items: self.items.remove(&id).unwrap_or_default(),
            })
        };
        ids.iter().map(|id| content(*id)).collect()
    }
}
