//! A service in memory, with as much of an inventory's rules as the connector's answers need.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use gridshell_interfaces::inventory::{
    FolderContent, FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove, ROOT_FOLDER_NAME, asset_types,
};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

/// Folders and items in the order in which they were added.
type State = (Vec<InventoryFolder>, Vec<InventoryItem>);

#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
    failure: Mutex<Option<ServiceError>>,
}

impl Memory {
    /// From now on every call fails with this, or none any more.
    pub fn fail_with(&self, error: Option<ServiceError>) {
        *self.failure.lock().unwrap() = error;
    }

    pub fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    fn access<T>(&self, work: impl FnOnce(&mut State) -> T) -> Result<T> {
        match self.failure.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(work(&mut self.state.lock().unwrap())),
        }
    }
}

fn sees(principal: Option<Uuid>, owner: Uuid) -> bool {
    principal.is_none_or(|principal| principal == owner)
}

fn root(folders: &[InventoryFolder], user: Uuid) -> Option<&InventoryFolder> {
    folders.iter().find(|folder| folder.owner == user && folder.parent.is_nil())
}

#[async_trait]
impl InventoryService for Memory {
    async fn create_user_inventory(&self, user: Uuid) -> Result<bool> {
        self.access(|(folders, _)| {
            let is_new = root(folders, user).is_none();
            if is_new {
                folders.push(InventoryFolder {
                    id: Uuid::from_u128(user.as_u128() ^ 0xffff),
                    parent: Uuid::nil(),
                    owner: user,
                    folder_type: FolderType::ROOT,
                    version: 1,
                    name: ROOT_FOLDER_NAME.to_owned(),
                });
            }
            is_new
        })
    }

    async fn skeleton(&self, user: Uuid) -> Result<Vec<InventoryFolder>> {
        self.access(|(folders, _)| folders.iter().filter(|folder| folder.owner == user).cloned().collect())
    }

    async fn root_folder(&self, user: Uuid) -> Result<Option<InventoryFolder>> {
        self.access(|(folders, _)| root(folders, user).cloned())
    }

    async fn folder_for_type(&self, user: Uuid, folder_type: FolderType) -> Result<Option<InventoryFolder>> {
        self.access(|(folders, _)| {
            let root = root(folders, user)?;
            if folder_type == FolderType::ROOT {
                return Some(root.clone());
            }
            folders.iter().find(|folder| folder.parent == root.id && folder.folder_type == folder_type).cloned()
        })
    }

    async fn folders_content(&self, asked: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<FolderContent>>> {
        self.access(|(folders, items)| {
            let by_id: HashMap<Uuid, &InventoryFolder> = folders.iter().map(|folder| (folder.id, folder)).collect();
            let content = |id: &Uuid| {
                let folder = by_id.get(id).filter(|folder| sees(principal, folder.owner))?;
                Some(FolderContent {
                    folder: folder.id,
                    owner: folder.owner,
                    version: folder.version,
                    folders: folders.iter().filter(|child| child.parent == folder.id).cloned().collect(),
                    items: items.iter().filter(|item| item.folder == folder.id).cloned().collect(),
                })
            };
            asked.iter().map(content).collect()
        })
    }

    async fn folder_items(&self, folder: Uuid, principal: Option<Uuid>) -> Result<Vec<InventoryItem>> {
        self.access(|(_, items)| {
            items.iter().filter(|item| item.folder == folder && sees(principal, item.owner)).cloned().collect()
        })
    }

    async fn folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<Option<InventoryFolder>> {
        self.access(|(folders, _)| folders.iter().find(|folder| folder.id == id && sees(principal, folder.owner)).cloned())
    }

    async fn items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<Vec<Option<InventoryItem>>> {
        self.access(|(_, items)| {
            let visible = items.iter().filter(|item| sees(principal, item.owner));
            let by_id: HashMap<Uuid, &InventoryItem> = visible.map(|item| (item.id, item)).collect();
            ids.iter().map(|id| by_id.get(id).copied().cloned()).collect()
        })
    }

    async fn active_gestures(&self, user: Uuid) -> Result<Vec<InventoryItem>> {
        self.access(|(_, items)| {
            let gestures = items.iter().filter(|item| item.asset_type == asset_types::GESTURE && item.flags & 1 != 0);
            gestures.filter(|item| item.owner == user).cloned().collect()
        })
    }

    async fn asset_permissions(&self, user: Uuid, asset: Uuid) -> Result<u32> {
        self.access(|(_, items)| {
            let items = items.iter().filter(|item| item.owner == user && item.asset_id == asset);
            items.fold(0, |permissions, item| permissions | item.current_permissions)
        })
    }

    async fn add_folder(&self, folder: InventoryFolder) -> Result<bool> {
        self.access(|(folders, _)| {
            let is_new = folders.iter().all(|other| other.id != folder.id);
            if is_new {
                folders.push(folder);
            }
            is_new
        })
    }

    async fn update_folder(&self, folder: InventoryFolder) -> Result<bool> {
        self.access(|(folders, _)| match folders.iter_mut().find(|other| other.id == folder.id) {
            Some(other) => {
                *other = folder;
                true
            }
            None => false,
        })
    }

    async fn move_folder(&self, id: Uuid, parent: Uuid, principal: Option<Uuid>) -> Result<bool> {
        self.access(|(folders, _)| match folders.iter_mut().find(|folder| folder.id == id && sees(principal, folder.owner)) {
            Some(folder) => {
                folder.parent = parent;
                true
            }
            None => false,
        })
    }

    async fn delete_folders(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool> {
        self.access(|(folders, _)| {
            folders.retain(|folder| !(ids.contains(&folder.id) && sees(principal, folder.owner)));
            true
        })
    }

    async fn purge_folder(&self, id: Uuid, principal: Option<Uuid>) -> Result<bool> {
        self.access(|(folders, items)| {
            let is_trash = |folder: &&InventoryFolder| folder.id == id && folder.folder_type == FolderType::TRASH;
            let found = folders.iter().find(is_trash).is_some_and(|folder| sees(principal, folder.owner));
            items.retain(|item| !(found && item.folder == id));
            found
        })
    }

    async fn add_item(&self, item: InventoryItem) -> Result<bool> {
        self.access(|(_, items)| {
            items.push(item);
            true
        })
    }

    async fn update_item(&self, item: InventoryItem) -> Result<bool> {
        self.access(|(_, items)| match items.iter_mut().find(|other| other.id == item.id) {
            Some(other) => {
                *other = item;
                true
            }
            None => false,
        })
    }

    async fn move_items(&self, moves: &[ItemMove], principal: Option<Uuid>) -> Result<bool> {
        self.access(|(_, items)| {
            let moves: HashMap<Uuid, Uuid> = moves.iter().map(|one| (one.item, one.folder)).collect();
            for item in items.iter_mut().filter(|item| sees(principal, item.owner)) {
                item.folder = moves.get(&item.id).copied().unwrap_or(item.folder);
            }
            true
        })
    }

    async fn delete_items(&self, ids: &[Uuid], principal: Option<Uuid>) -> Result<bool> {
        self.access(|(_, items)| {
            let ids: std::collections::HashSet<_> = ids.iter().collect();
            items.retain(|item| !(ids.contains(&item.id) && sees(principal, item.owner)));
            true
        })
    }
}
