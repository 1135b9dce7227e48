//! The changes of an inventory, each by the rules of inventory.md section 4. A change runs inside of one transaction; when it gives
//! false nothing was changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gridshell_interfaces::inventory::{FolderType, InventoryFolder, InventoryItem, ItemMove, ROOT_FOLDER_NAME, asset_types};
use uuid::Uuid;

use super::InventoryOptions;
use super::check::{self, Repair};
use super::system_folders;
use super::tables::{FolderRow, ItemPlace, SqlResult, Tables};
use super::tree::Tree;

/// A change.
#[derive(Clone, Debug)]
pub(super) enum Change {
    CreateUserInventory(Uuid),
    AddFolder(InventoryFolder),
    UpdateFolder(InventoryFolder),
    MoveFolder { id: Uuid, parent: Uuid, principal: Option<Uuid> },
    DeleteFolders { ids: Vec<Uuid>, principal: Option<Uuid> },
    PurgeFolder { id: Uuid, principal: Option<Uuid> },
    AddItem(InventoryItem),
    UpdateItem(InventoryItem),
    MoveItems { moves: Vec<ItemMove>, principal: Option<Uuid> },
    DeleteItems { ids: Vec<Uuid>, principal: Option<Uuid> },
    Repair { user: Uuid, repairs: Vec<Repair> },
}

impl Change {
    /// True when the change depends on that somebody has no folder yet, which no lock on rows can keep so.
    pub(super) fn needs_to_be_alone(&self) -> bool {
        matches!(self, Self::CreateUserInventory(_) | Self::Repair { .. })
    }

    /// Does it, or gives false.
    pub(super) async fn apply(&self, tables: &mut dyn Tables, options: InventoryOptions) -> SqlResult<bool> {
        match self {
            Self::CreateUserInventory(user) => create_user_inventory(tables, *user).await,
            Self::AddFolder(folder) => {
                tables.lock_users(&[folder.owner]).await?;
                add_folder(tables, folder).await
            }
            Self::UpdateFolder(folder) => update_folder(tables, folder).await,
            Self::MoveFolder { id, parent, principal } => move_folder(tables, *id, *parent, *principal).await,
            Self::DeleteFolders { ids, principal } => delete_folders(tables, ids, *principal).await,
            Self::PurgeFolder { id, principal } => purge_folder(tables, *id, *principal).await,
            Self::AddItem(item) => add_item(tables, item).await,
            Self::UpdateItem(item) => update_item(tables, item, options).await,
            Self::MoveItems { moves, principal } => move_items(tables, moves, *principal, options).await,
            Self::DeleteItems { ids, principal } => delete_items(tables, ids, *principal, options).await,
            Self::Repair { user, repairs } => check::repair(tables, *user, repairs).await,
        }
    }
}

/// Of folders without parent the root folder: the one with the name, else the first.
pub(super) fn root_of(mut top_folders: Vec<FolderRow>) -> Option<FolderRow> {
    let named = top_folders.iter().position(|folder| folder.name == ROOT_FOLDER_NAME);
    (!top_folders.is_empty()).then(|| top_folders.swap_remove(named.unwrap_or(0)))
}

/// The folder of a type of this owner directly in the root folder, or for type 8 the root folder itself.
pub(super) async fn folder_for_type(
    tables: &mut dyn Tables,
    root: FolderRow,
    folder_type: FolderType,
) -> SqlResult<Option<FolderRow>> {
    if folder_type == FolderType::ROOT {
        return Ok(Some(root));
    }
    let children = tables.folders_in(&[root.id]).await?;
    Ok(children.into_iter().find(|child| child.owner == root.owner && child.folder_type() == folder_type))
}

async fn create_user_inventory(tables: &mut dyn Tables, user: Uuid) -> SqlResult<bool> {
    tables.lock_users(&[user]).await?;
    let root = root_of(tables.top_folders(user).await?);
    let created = root.is_none();
    let root = match root {
        Some(root) => root.id,
        None => {
            let root = system_folders::new_root(user);
            tables.insert_folder(&root).await?;
            root.id
        }
    };
    let children = if created { Vec::new() } else { tables.folders_in(&[root]).await? };
    let present: Vec<_> = children.iter().filter(|child| child.owner == user).map(FolderRow::folder_type).collect();
    add_system_folders(tables, user, root, &present).await?;
    Ok(created)
}

/// Adds the system folders that are not among these types.
pub(super) async fn add_system_folders(tables: &mut dyn Tables, user: Uuid, root: Uuid, present: &[FolderType]) -> SqlResult<()> {
    let missing = system_folders::missing(user, root, present);
    for folder in &missing {
        tables.insert_folder(folder).await?;
    }
    let in_root = missing.iter().filter(|folder| folder.parent == root).count();
    raise_versions(tables, &[(root, in_root)]).await
}

/// Whoever changes the owner's inventory must have the lock.
async fn add_folder(tables: &mut dyn Tables, folder: &InventoryFolder) -> SqlResult<bool> {
    // The zero UUID is the parent of all root folders.
    if folder.id.is_nil() || folder.id == folder.parent {
        return Ok(false);
    }
    let known = tables.folders(&[folder.id, folder.parent]).await?;
    let parent_is_good = folder.parent.is_nil() || known.iter().any(|row| row.id == folder.parent && row.owner == folder.owner);
    if known.iter().any(|row| row.id == folder.id) || !parent_is_good {
        return Ok(false);
    }
    if folder.folder_type != FolderType::NONE {
        let Some(root) = root_of(tables.top_folders(folder.owner).await?) else { return Ok(false) };
        if root.id == folder.parent && folder_for_type(tables, root, folder.folder_type).await?.is_some() {
            return Ok(false);
        }
    }
    tables.insert_folder(folder).await?;
    raise_versions(tables, &[(folder.parent, 1)]).await?;
    Ok(true)
}

async fn update_folder(tables: &mut dyn Tables, folder: &InventoryFolder) -> SqlResult<bool> {
    tables.lock_users(&[folder.owner]).await?;
    let Some(stored) = tables.folders(&[folder.id]).await?.pop() else {
        return add_folder(tables, folder).await;
    };
    if stored.owner != folder.owner {
        return Ok(false);
    }
    let both = |folder_type| stored.folder_type() == folder_type && folder.folder_type == folder_type;
    let mut changed = stored.clone();
    if both(FolderType::NONE) || both(FolderType::OUTFIT) {
        if folder.parent != stored.parent && !may_move(tables, &stored, folder.parent).await? {
            return Ok(false);
        }
        changed.name.clone_from(&folder.name);
        changed.parent = folder.parent;
    } else if folder.version < stored.wire_version() {
        return Ok(false);
    }
    changed.raise_to(folder.version);
    tables.update_folder(&changed).await?;
    raise_each(tables, [stored.parent, changed.parent]).await?;
    Ok(true)
}

async fn move_folder(tables: &mut dyn Tables, id: Uuid, parent: Uuid, principal: Option<Uuid>) -> SqlResult<bool> {
    let Some(mut stored) = tables.folders(&[id]).await?.pop() else { return Ok(false) };
    if tables.lock_users(&[stored.owner]).await? {
        let Some(now) = tables.folders(&[id]).await?.pop() else { return Ok(false) };
        if now.owner != stored.owner {
            return Ok(false);
        }
        stored = now;
    }
    if principal.is_some_and(|principal| principal != stored.owner) || !may_move(tables, &stored, parent).await? {
        return Ok(false);
    }
    let moved = FolderRow { parent, ..stored.clone() };
    tables.update_folder(&moved).await?;
    raise_each(tables, [stored.parent, parent]).await?;
    Ok(true)
}

/// True when the folder can be put there: the parent exists, has the same owner, and is not inside of the folder.
async fn may_move(tables: &mut dyn Tables, folder: &FolderRow, parent: Uuid) -> SqlResult<bool> {
    if parent.is_nil() {
        return Ok(true);
    }
    let tree = Tree::new(&tables.skeleton(folder.owner).await?);
    Ok(tree.contains(parent) && !tree.is_inside(parent, folder.id))
}

async fn delete_folders(tables: &mut dyn Tables, ids: &[Uuid], principal: Option<Uuid>) -> SqlResult<bool> {
    let folders = tables.folders(ids).await?;
    let owners = owners(folders.iter().map(|folder| folder.owner), principal);
    tables.lock_users(&owners).await?;
    for owner in owners {
        let tree = Tree::new(&tables.skeleton(owner).await?);
        let mut doomed: Vec<_> = distinct(ids.iter().copied().filter(|id| tree.is_in_trash(*id)));
        doomed.extend(tree.inside(&doomed));
        if !doomed.is_empty() {
            tables.delete_items_in(&doomed).await?;
            tables.delete_folders(&doomed).await?;
        }
    }
    Ok(true)
}

async fn purge_folder(tables: &mut dyn Tables, id: Uuid, principal: Option<Uuid>) -> SqlResult<bool> {
    let Some(folder) = tables.folders(&[id]).await?.pop() else { return Ok(false) };
    if principal.is_some_and(|principal| principal != folder.owner) {
        return Ok(false);
    }
    tables.lock_users(&[folder.owner]).await?;
    let tree = Tree::new(&tables.skeleton(folder.owner).await?);
    if !tree.is_in_trash(id) {
        return Ok(false);
    }
    let inside = tree.inside(&[id]);
    let mut deleted = tables.delete_items_in(&[id]).await? > 0;
    if !inside.is_empty() {
        tables.delete_items_in(&inside).await?;
        tables.delete_folders(&inside).await?;
        deleted = true;
    }
    raise_versions(tables, &[(id, usize::from(deleted))]).await?;
    Ok(true)
}

async fn add_item(tables: &mut dyn Tables, item: &InventoryItem) -> SqlResult<bool> {
    tables.lock_users(&[item.owner]).await?;
    match tables.places(&[item.id]).await?.pop() {
        None => {
            tables.insert_item(item).await?;
            raise_versions(tables, &[(item.folder, 1)]).await?;
        }
        Some(place) if place.owner == item.owner => {
            tables.update_item(item).await?;
            raise_each(tables, [place.folder, item.folder]).await?;
        }
        Some(_) => return Ok(false),
    }
    Ok(true)
}

async fn update_item(tables: &mut dyn Tables, item: &InventoryItem, options: InventoryOptions) -> SqlResult<bool> {
    if !options.allow_delete && is_link(item.asset_type.into()) {
        return Ok(false);
    }
    let Some(mut stored) = tables.items(&[item.id]).await?.pop() else { return Ok(false) };
    if options.strict_owner && stored.owner != item.owner {
        return Ok(false);
    }
    if tables.lock_users(&[stored.owner]).await? {
        let Some(now) = tables.items(&[item.id]).await?.pop() else { return Ok(false) };
        if now.owner != stored.owner {
            return Ok(false);
        }
        stored = now;
    }
    let changed = InventoryItem {
        inventory_type: stored.inventory_type,
        asset_type: stored.asset_type,
        folder: stored.folder,
        creator_id: stored.creator_id,
        creator_data: stored.creator_data,
        owner: stored.owner,
        ..item.clone()
    };
    let invariants = |item: &InventoryItem| (item.inventory_type, item.asset_type, item.folder, item.owner);
    if invariants(&changed) != invariants(item)
        || changed.creator_id != item.creator_id
        || changed.creator_data != item.creator_data
    {
        tracing::warn!(
            item_id = %item.id,
            "[XINVENTORY SERVICE]: an update would change type, folder, creator or owner of an item; these stay as they are"
        );
    }
    tables.update_item(&changed).await?;
    raise_versions(tables, &[(changed.folder, 1)]).await?;
    Ok(true)
}

async fn move_items(
    tables: &mut dyn Tables,
    moves: &[ItemMove],
    principal: Option<Uuid>,
    options: InventoryOptions,
) -> SqlResult<bool> {
    let destinations: HashMap<Uuid, Uuid> = moves.iter().map(|item_move| (item_move.item, item_move.folder)).collect();
    let ids: Vec<_> = destinations.keys().copied().collect();
    let places = locked_places(tables, &ids, principal).await?;
    let known = tables.folders(&distinct(places.iter().map(|place| destinations[&place.id]))).await?;
    let owner_of: HashMap<_, _> = known.iter().map(|folder| (folder.id, folder.owner)).collect();
    let can_go = |place: &ItemPlace| {
        owner_of.get(&destinations[&place.id]).is_some_and(|owner| !options.strict_owner || *owner == place.owner)
    };
    if !places.iter().all(can_go) {
        return Ok(false);
    }
    // In the order of ids, so that two of these meet as rarely as possible on a server.
    let mut moves: Vec<_> = places.iter().map(|place| ItemMove { item: place.id, folder: destinations[&place.id] }).collect();
    moves.sort_by_key(|item_move| item_move.item);
    if !moves.is_empty() {
        tables.move_items(&moves).await?;
        raise_each(tables, places.iter().map(|place| place.folder).chain(moves.iter().map(|item_move| item_move.folder))).await?;
    }
    Ok(true)
}

async fn delete_items(
    tables: &mut dyn Tables,
    ids: &[Uuid],
    principal: Option<Uuid>,
    options: InventoryOptions,
) -> SqlResult<bool> {
    let mut places = locked_places(tables, &distinct(ids.iter().copied()), principal).await?;
    places.retain(|place| options.allow_delete || is_link(place.asset_type));
    if !places.is_empty() {
        let doomed: Vec<_> = places.iter().map(|place| place.id).collect();
        tables.delete_items(&doomed).await?;
        let mut losses: HashMap<Uuid, usize> = HashMap::new();
        for place in &places {
            *losses.entry(place.folder).or_default() += 1;
        }
        raise_versions(tables, &losses.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(true)
}

fn is_link(asset_type: i64) -> bool {
    [asset_types::LINK, asset_types::LINK_FOLDER].map(i64::from).contains(&asset_type)
}

/// Where those of these items are that exist and are the principal's, with their owners' inventories locked.
async fn locked_places(tables: &mut dyn Tables, ids: &[Uuid], principal: Option<Uuid>) -> SqlResult<Vec<ItemPlace>> {
    let mut places = tables.places(ids).await?;
    let owners = owners(places.iter().map(|place| place.owner), principal);
    if tables.lock_users(&owners).await? {
        places = tables.places(ids).await?;
    }
    places.retain(|place| owners.contains(&place.owner));
    Ok(places)
}

/// Those of these owners that the principal may act for, in order.
fn owners(owners: impl Iterator<Item = Uuid>, principal: Option<Uuid>) -> Vec<Uuid> {
    let owners: BTreeSet<_> = owners.filter(|owner| principal.is_none_or(|principal| principal == *owner)).collect();
    owners.into_iter().collect()
}

fn distinct(ids: impl Iterator<Item = Uuid>) -> Vec<Uuid> {
    ids.collect::<HashSet<_>>().into_iter().collect()
}

/// Raises the version of each of these folders once.
pub(super) async fn raise_each(tables: &mut dyn Tables, folders: impl IntoIterator<Item = Uuid>) -> SqlResult<()> {
    let folders: HashSet<_> = folders.into_iter().collect();
    raise_versions(tables, &folders.into_iter().map(|folder| (folder, 1)).collect::<Vec<_>>()).await
}

/// Adds to the versions of folders; one statement for each different number.
async fn raise_versions(tables: &mut dyn Tables, folders: &[(Uuid, usize)]) -> SqlResult<()> {
    let mut by_number: BTreeMap<usize, Vec<Uuid>> = BTreeMap::new();
    for (folder, number) in folders.iter().filter(|(folder, number)| *number > 0 && !folder.is_nil()) {
        by_number.entry(*number).or_default().push(*folder);
    }
    for (number, mut folders) in by_number {
        folders.sort();
        tables.raise_versions(&folders, i64::try_from(number).unwrap_or(i64::MAX)).await?;
    }
    Ok(())
}
