//! Any sequence of operations does on SQLite what it does on a plain model in memory, and leaves a tree.

mod common;

use std::collections::HashMap;

use common::TestDatabase;
use common::inventory_battery::{folder, item};
use gridshell_interfaces::inventory::{FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove, ROOT_FOLDER_NAME};
use gridshell_services::inventory::{InventoryOptions, SqlInventoryService};
use proptest::prelude::*;
use proptest::test_runner::Config;
use uuid::Uuid;

/// Folders and items that a sequence plays with; the numbers of an operation choose among them.
const FOLDERS: usize = 12;
const ITEMS: usize = 10;
const USERS: usize = 2;

/// Folders are chosen by number: the first ones are known beforehand, then come each user's root and trash, then the zero UUID and one
/// that nobody has at first.
const CHOICES: usize = FOLDERS + 2 * USERS + 2;

#[derive(Clone, Debug)]
enum Operation {
    Create { user: usize },
    AddFolder { id: usize, parent: usize, owner: usize, folder_type: i16 },
    UpdateFolder { id: usize, parent: usize, owner: usize, folder_type: i16, version: u16 },
    MoveFolder { id: usize, parent: usize, principal: Option<usize> },
    DeleteFolders { ids: Vec<usize>, principal: Option<usize> },
    PurgeFolder { id: usize, principal: Option<usize> },
    AddItem { id: usize, folder: usize, owner: usize },
    UpdateItem { id: usize, folder: usize, owner: usize },
    MoveItems { moves: Vec<(usize, usize)>, principal: Option<usize> },
    DeleteItems { ids: Vec<usize>, principal: Option<usize> },
}

fn operation() -> impl Strategy<Value = Operation> {
    let choice = || 0..CHOICES;
    let item = || 0..ITEMS;
    let user = || 0..USERS;
    let principal = || prop::option::of(0..USERS);
    let folder_type = || prop_oneof![6 => Just(-1_i16), 1 => Just(14), 1 => Just(47), 1 => Just(8), 1 => Just(16)];
    prop_oneof![
        1 => user().prop_map(|user| Operation::Create { user }),
        6 => (0..FOLDERS, choice(), user(), folder_type())
            .prop_map(|(id, parent, owner, folder_type)| Operation::AddFolder { id, parent, owner, folder_type }),
        2 => (choice(), choice(), user(), folder_type(), 0..30_u16).prop_map(|(id, parent, owner, folder_type, version)| {
            Operation::UpdateFolder { id, parent, owner, folder_type, version }
        }),
        6 => (choice(), choice(), principal()).prop_map(|(id, parent, principal)| Operation::MoveFolder { id, parent, principal }),
        1 => (prop::collection::vec(choice(), 0..3), principal())
            .prop_map(|(ids, principal)| Operation::DeleteFolders { ids, principal }),
        1 => (choice(), principal()).prop_map(|(id, principal)| Operation::PurgeFolder { id, principal }),
        4 => (item(), choice(), user()).prop_map(|(id, folder, owner)| Operation::AddItem { id, folder, owner }),
        2 => (item(), choice(), user()).prop_map(|(id, folder, owner)| Operation::UpdateItem { id, folder, owner }),
        2 => (prop::collection::vec((item(), choice()), 0..4), principal())
            .prop_map(|(moves, principal)| Operation::MoveItems { moves, principal }),
        1 => (prop::collection::vec(item(), 0..4), principal()).prop_map(|(ids, principal)| Operation::DeleteItems { ids, principal }),
    ]
}

/// The rules once more, as plainly as they can be written, without a thought for speed.
#[derive(Default)]
struct Model {
    folders: HashMap<Uuid, InventoryFolder>,
    items: HashMap<Uuid, InventoryItem>,
}

impl Model {
    fn raise(&mut self, folder: Uuid) {
        if let Some(folder) = self.folders.get_mut(&folder) {
            folder.version += 1;
        }
    }

    fn raise_both(&mut self, a: Uuid, b: Uuid) {
        self.raise(a);
        if a != b {
            self.raise(b);
        }
    }

    /// From a folder up to the top, with the folder itself.
    fn way_up(&self, mut id: Uuid) -> Vec<&InventoryFolder> {
        let mut way = Vec::new();
        while let Some(folder) = self.folders.get(&id) {
            way.push(folder);
            assert!(way.len() <= self.folders.len(), "a cycle");
            id = folder.parent;
        }
        way
    }

    fn in_trash(&self, id: Uuid) -> bool {
        let way = self.way_up(id);
        let Some(folder) = way.first() else { return false };
        if [FolderType::TRASH, FolderType::LOST_AND_FOUND].contains(&folder.folder_type) {
            return true;
        }
        way[1..]
            .iter()
            .find(|folder| [FolderType::TRASH, FolderType::ROOT].contains(&folder.folder_type))
            .is_some_and(|folder| folder.folder_type == FolderType::TRASH)
    }

    fn below(&self, id: Uuid) -> Vec<Uuid> {
        let inside = |folder: &&InventoryFolder| folder.id != id && self.way_up(folder.id).iter().any(|up| up.id == id);
        self.folders.values().filter(inside).map(|folder| folder.id).collect()
    }

    fn delete_items_in(&mut self, folder: Uuid) -> bool {
        let before = self.items.len();
        self.items.retain(|_, item| item.folder != folder);
        before > self.items.len()
    }

    fn may_move(&self, folder: &InventoryFolder, parent: Uuid) -> bool {
        let own = self.folders.get(&parent).is_some_and(|parent| parent.owner == folder.owner);
        parent.is_nil() || (own && !self.way_up(parent).iter().any(|up| up.id == folder.id))
    }

    fn add_folder(&mut self, folder: &InventoryFolder, root: Option<Uuid>) -> bool {
        let own_parent = self.folders.get(&folder.parent).is_some_and(|parent| parent.owner == folder.owner);
        if folder.id.is_nil() || self.folders.contains_key(&folder.id) || !(folder.parent.is_nil() || own_parent) {
            return false;
        }
        if folder.folder_type != FolderType::NONE {
            let Some(root) = root else { return false };
            let there = |other: &InventoryFolder| other.parent == root && other.folder_type == folder.folder_type;
            if root == folder.parent && (folder.folder_type == FolderType::ROOT || self.folders.values().any(there)) {
                return false;
            }
        }
        self.folders.insert(folder.id, folder.clone());
        self.raise(folder.parent);
        true
    }

    fn update_folder(&mut self, folder: &InventoryFolder, root: Option<Uuid>) -> bool {
        let Some(stored) = self.folders.get(&folder.id).cloned() else { return self.add_folder(folder, root) };
        if stored.owner != folder.owner {
            return false;
        }
        let mut changed = stored.clone();
        if stored.folder_type == folder.folder_type && [FolderType::NONE, FolderType::OUTFIT].contains(&folder.folder_type) {
            if folder.parent != stored.parent && !self.may_move(&stored, folder.parent) {
                return false;
            }
            changed.name.clone_from(&folder.name);
            changed.parent = folder.parent;
        } else if folder.version < stored.version {
            return false;
        }
        changed.version = stored.version.max(folder.version);
        let parent = changed.parent;
        self.folders.insert(folder.id, changed);
        self.raise_both(stored.parent, parent);
        true
    }

    fn move_folder(&mut self, id: Uuid, parent: Uuid, principal: Option<Uuid>) -> bool {
        let Some(folder) = self.folders.get(&id).cloned() else { return false };
        if principal.is_some_and(|principal| principal != folder.owner) || !self.may_move(&folder, parent) {
            return false;
        }
        self.folders.insert(id, InventoryFolder { parent, ..folder.clone() });
        self.raise_both(folder.parent, parent);
        true
    }

    fn delete_folders(&mut self, ids: &[Uuid], principal: Option<Uuid>) -> bool {
        let may =
            |folder: &&InventoryFolder| principal.is_none_or(|principal| principal == folder.owner) && self.in_trash(folder.id);
        let chosen: Vec<_> = ids.iter().filter_map(|id| self.folders.get(id)).filter(may).map(|folder| folder.id).collect();
        let doomed: Vec<_> = chosen.iter().flat_map(|id| self.below(*id)).chain(chosen.iter().copied()).collect();
        for id in doomed {
            self.delete_items_in(id);
            self.folders.remove(&id);
        }
        true
    }

    fn purge_folder(&mut self, id: Uuid, principal: Option<Uuid>) -> bool {
        let Some(folder) = self.folders.get(&id) else { return false };
        if principal.is_some_and(|principal| principal != folder.owner) || !self.in_trash(id) {
            return false;
        }
        let below = self.below(id);
        let deleted = self.delete_items_in(id) || !below.is_empty();
        for id in below {
            self.delete_items_in(id);
            self.folders.remove(&id);
        }
        if deleted {
            self.raise(id);
        }
        true
    }

    fn add_item(&mut self, item: &InventoryItem) -> bool {
        match self.items.get(&item.id).map(|stored| (stored.owner, stored.folder)) {
            Some((owner, _)) if owner != item.owner => return false,
            Some((_, folder)) => self.raise_both(folder, item.folder),
            None => self.raise(item.folder),
        }
        self.items.insert(item.id, item.clone());
        true
    }

    fn update_item(&mut self, item: &InventoryItem) -> bool {
        let Some(stored) = self.items.get(&item.id).filter(|stored| stored.owner == item.owner) else { return false };
        let folder = stored.folder;
        self.items.insert(item.id, InventoryItem { folder, ..item.clone() });
        self.raise(folder);
        true
    }

    fn move_items(&mut self, moves: &[ItemMove], principal: Option<Uuid>) -> bool {
        let mut last: HashMap<Uuid, Uuid> = moves.iter().map(|item_move| (item_move.item, item_move.folder)).collect();
        last.retain(|item, _| self.items.get(item).is_some_and(|item| principal.is_none_or(|principal| principal == item.owner)));
        let good =
            |item: &Uuid, folder: &Uuid| self.folders.get(folder).is_some_and(|folder| folder.owner == self.items[item].owner);
        if !last.iter().all(|(item, folder)| good(item, folder)) {
            return false;
        }
        let mut touched: Vec<Uuid> = Vec::new();
        for (id, folder) in last {
            let Some(item) = self.items.get_mut(&id) else { continue };
            touched.extend([item.folder, folder]);
            item.folder = folder;
        }
        touched.sort();
        touched.dedup();
        touched.into_iter().for_each(|folder| self.raise(folder));
        true
    }

    fn delete_items(&mut self, ids: &[Uuid], principal: Option<Uuid>) -> bool {
        for id in ids {
            if self.items.get(id).is_some_and(|item| principal.is_none_or(|principal| principal == item.owner))
                && let Some(item) = self.items.remove(id)
            {
                self.raise(item.folder);
            }
        }
        true
    }
}

/// One user's part of a world in which the same operations run on a service and on the model.
struct World<'s> {
    service: &'s SqlInventoryService,
    model: Model,
    users: Vec<Uuid>,
    folders: Vec<Uuid>,
    items: Vec<Uuid>,
    unknown: Uuid,
}

impl World<'_> {
    /// What of the service the model cannot foresee: the ids of system folders, and which of several roots counts.
    async fn learn(&mut self, user: Uuid) {
        for folder in self.service.skeleton(user).await.expect("skeleton") {
            self.model.folders.entry(folder.id).or_insert(folder);
        }
    }

    async fn root(&self, user: Uuid) -> Option<Uuid> {
        self.service.root_folder(user).await.expect("root").map(|folder| folder.id)
    }

    async fn choose(&self, choice: usize) -> Uuid {
        if let Some(id) = self.folders.get(choice) {
            return *id;
        }
        let unknown = self.unknown;
        match choice - FOLDERS {
            place if place < USERS => self.root(self.users[place]).await.unwrap_or(unknown),
            place if place < 2 * USERS => {
                let trash = self.service.folder_for_type(self.users[place - USERS], FolderType::TRASH).await.expect("trash");
                trash.map_or(unknown, |trash| trash.id)
            }
            place if place == 2 * USERS => Uuid::nil(),
            _ => unknown,
        }
    }

    async fn choose_all(&self, choices: &[usize]) -> Vec<Uuid> {
        let mut chosen = Vec::new();
        for choice in choices {
            chosen.push(self.choose(*choice).await);
        }
        chosen
    }

    fn folder(&self, id: Uuid, parent: Uuid, owner: usize, folder_type: i16, version: u16) -> InventoryFolder {
        let folder_type = FolderType(folder_type);
        InventoryFolder { id, folder_type, version, ..folder(self.users[owner], parent, &format!("version {version}")) }
    }

    fn item(&self, id: usize, folder: Uuid, owner: usize, name: &str) -> InventoryItem {
        let asset_id = Uuid::from_u128(0xa55e);
        InventoryItem { id: self.items[id], asset_id, creator_id: "creator".to_owned(), ..item(self.users[owner], folder, name) }
    }

    /// The results of the operation on the service and on the model.
    async fn run(&mut self, operation: &Operation) -> (bool, bool) {
        let service = self.service;
        let of = |principal: &Option<usize>| principal.map(|user| self.users[user]);
        let (done, expected) = match operation {
            Operation::Create { user } => {
                let user = self.users[*user];
                let (before, root) = (self.model.folders.len(), self.root(user).await);
                let done = service.create_user_inventory(user).await;
                self.learn(user).await;
                if let Some(root) = root {
                    // Each folder that was added to the root folder raised its version; those in other ones were new as well.
                    let added = self.model.folders.values().filter(|folder| folder.parent == root).count();
                    let now = service.folder(root, None).await.expect("root").expect("root");
                    let old = self.model.folders[&root].version;
                    assert!(
                        usize::from(now.version - old) <= added && (now.version > old) == (self.model.folders.len() > before)
                    );
                    self.model.folders.insert(root, now);
                }
                (done, root.is_none())
            }
            Operation::AddFolder { id, parent, owner, folder_type } => {
                let new = self.folder(self.folders[*id], self.choose(*parent).await, *owner, *folder_type, 1);
                let root = self.root(new.owner).await;
                (service.add_folder(new.clone()).await, self.model.add_folder(&new, root))
            }
            Operation::UpdateFolder { id, parent, owner, folder_type, version } => {
                let new = self.folder(self.choose(*id).await, self.choose(*parent).await, *owner, *folder_type, *version);
                let root = self.root(new.owner).await;
                (service.update_folder(new.clone()).await, self.model.update_folder(&new, root))
            }
            Operation::MoveFolder { id, parent, principal } => {
                let (id, parent, principal) = (self.choose(*id).await, self.choose(*parent).await, of(principal));
                (service.move_folder(id, parent, principal).await, self.model.move_folder(id, parent, principal))
            }
            Operation::DeleteFolders { ids, principal } => {
                let (ids, principal) = (self.choose_all(ids).await, of(principal));
                (service.delete_folders(&ids, principal).await, self.model.delete_folders(&ids, principal))
            }
            Operation::PurgeFolder { id, principal } => {
                let (id, principal) = (self.choose(*id).await, of(principal));
                (service.purge_folder(id, principal).await, self.model.purge_folder(id, principal))
            }
            Operation::AddItem { id, folder, owner } => {
                let new = self.item(*id, self.choose(*folder).await, *owner, "added");
                (service.add_item(new.clone()).await, self.model.add_item(&new))
            }
            Operation::UpdateItem { id, folder, owner } => {
                let new = self.item(*id, self.choose(*folder).await, *owner, "updated");
                (service.update_item(new.clone()).await, self.model.update_item(&new))
            }
            Operation::MoveItems { moves, principal } => {
                let (items, folders): (Vec<_>, Vec<_>) = moves.iter().copied().unzip();
                let folders = self.choose_all(&folders).await;
                let moves: Vec<_> =
                    items.iter().zip(folders).map(|(item, folder)| ItemMove { item: self.items[*item], folder }).collect();
                let principal = of(principal);
                (service.move_items(&moves, principal).await, self.model.move_items(&moves, principal))
            }
            Operation::DeleteItems { ids, principal } => {
                let (ids, principal) = (ids.iter().map(|id| self.items[*id]).collect::<Vec<_>>(), of(principal));
                (service.delete_items(&ids, principal).await, self.model.delete_items(&ids, principal))
            }
        };
        (done.expect("the service works"), expected)
    }

    /// The service holds what the model holds, and each folder reaches the top.
    async fn compare(&self) {
        let mut folders = Vec::new();
        for user in &self.users {
            folders.extend(self.service.skeleton(*user).await.expect("skeleton"));
        }
        folders.sort_by_key(|folder| folder.id);
        let mut expected: Vec<_> = self.model.folders.values().cloned().collect();
        expected.sort_by_key(|folder| folder.id);
        assert_eq!(folders, expected);
        for folder in &folders {
            let top = self.model.way_up(folder.id).last().expect("itself").parent;
            assert!(top.is_nil(), "{} does not reach a root", folder.id);
        }
        let items = self.service.items(&self.items, None).await.expect("items");
        let expected: Vec<_> = self.items.iter().map(|id| self.model.items.get(id).cloned()).collect();
        assert_eq!(items, expected);
    }
}

#[test]
fn any_sequence_of_operations_equals_the_model_sqlite() {
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let test = TestDatabase::sqlite();
    let database = runtime.block_on(test.open());
    let service = runtime.block_on(SqlInventoryService::open(database.clone(), InventoryOptions::default())).expect("service");
    let config = Config { cases: 150, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    proptest!(config, |(operations in prop::collection::vec(operation(), 1..60), with_inventory in any::<bool>())| {
        runtime.block_on(async {
            let ids = |count: usize| (0..count).map(|_| Uuid::new_v4()).collect::<Vec<_>>();
            let mut world =
                World { service: &service, model: Model::default(), users: ids(USERS), folders: ids(FOLDERS), items: ids(ITEMS), unknown: Uuid::new_v4() };
            for user in world.users.clone() {
                if with_inventory {
                    assert!(service.create_user_inventory(user).await.expect("create"));
                } else {
                    let root = InventoryFolder { name: ROOT_FOLDER_NAME.to_owned(), ..folder(user, Uuid::nil(), "") };
                    assert!(service.add_folder(root).await.expect("root"));
                }
                world.learn(user).await;
            }
            for operation in &operations {
                let (done, expected) = world.run(operation).await;
                assert_eq!(done, expected, "{operation:?}");
                world.compare().await;
            }
        });
    });
    runtime.block_on(database.close());
}
