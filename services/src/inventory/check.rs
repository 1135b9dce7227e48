//! Looks for what is wrong with a user's inventory, and puts it right.
//!
//! [`SqlInventoryService::check`] gives what it found, and what would be done about it; [`SqlInventoryService::repair`] does exactly
//! that, in one transaction, unless something has changed meanwhile. Nothing is ever lost by it: what cannot be reached goes to the
//! user's Lost And Found.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use gridshell_interfaces::Result;
use gridshell_interfaces::inventory::{FolderType, ItemMove, ROOT_FOLDER_NAME};
use uuid::Uuid;

use super::SqlInventoryService;
use super::changes::{Change, add_system_folders, raise_each};
use super::system_folders::{SYSTEM_FOLDERS, new_root};
use super::tables::{FolderRow, ItemPlace, SqlResult, Tables};
use super::tree::{Top, Tree};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The user has no root folder.
    NoRoot,
    /// There are several folders without parent, and none has the name of a root folder; this one is most likely the root folder.
    UnnamedRoot(Uuid),
    /// The root folder has no folder of this type.
    MissingSystemFolder(FolderType),
    /// The root folder has several folders of this system type.
    DuplicateSystemFolder {
        /// The type.
        folder_type: FolderType,
        /// The folder that has more in it, and stays.
        kept: Uuid,
        /// Another one.
        extra: Uuid,
    },
    /// A folder beside the root folder, where no viewer shows it.
    ExtraTopFolder(Uuid),
    /// A folder whose parent does not exist, or belongs to another user.
    OrphanFolder {
        /// The folder.
        folder: Uuid,
        /// Its parent.
        parent: Uuid,
    },
    /// Folders that are inside of each other; one of them.
    Cycle(Uuid),
    /// An item whose folder does not exist, or belongs to another user.
    OrphanItem {
        /// The item.
        item: Uuid,
        /// Its folder.
        folder: Uuid,
    },
}

/// Something that is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A root folder is made.
    CreateRoot,
    /// The folder gets the name of a root folder.
    NameRoot(Uuid),
    /// The system folder of this type is made.
    CreateSystemFolder(FolderType),
    /// The folder is put into the root folder, as its folder of this type.
    Reattach {
        /// The folder.
        folder: Uuid,
        /// Its type.
        folder_type: FolderType,
    },
    /// What is in one folder is put into the other; the empty folder is deleted.
    Merge {
        /// The folder that is deleted.
        from: Uuid,
        /// The folder that stays.
        into: Uuid,
    },
    /// The folder, with all that is in it, is put into Lost And Found.
    RescueFolder(Uuid),
    /// The items are put into Lost And Found.
    RescueItems(Vec<Uuid>),
}

/// What a look at a user's inventory gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The user.
    pub user: Uuid,
    /// How many folders the user has.
    pub folders: usize,
    /// How many items the user has.
    pub items: usize,
    /// What is wrong; nothing when all is well.
    pub findings: Vec<Finding>,
    /// What would be done about it, in this order.
    pub repairs: Vec<Repair>,
}

impl SqlInventoryService {
    /// Looks at a user's inventory. Changes nothing. A user without any folder or item has no inventory, and nothing is wrong with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check(&self, user: Uuid) -> Result<Report> {
        let report = self.read(move |tables| Box::pin(report(tables, user))).await;
        report.map_err(|error| error.during(format_args!("checking the inventory of {user}")))
    }

    /// Does what the report says, all of it or nothing. False, and nothing is done, when the inventory has changed such that
    /// something else would have to be done now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn repair(&self, report: &Report) -> Result<bool> {
        let change = Change::Repair { user: report.user, repairs: report.repairs.clone() };
        let done = self.change(change).await;
        done.map_err(|error| error.during(format_args!("repairing the inventory of {}", report.user)))
    }

    /// Up to `count` of the users who have folders or items, in the order of their ids, from after this one on; none at the end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users_after(&self, user: Option<Uuid>, count: u32) -> Result<Vec<Uuid>> {
        let users = self.read(move |tables| tables.users_after(user, count)).await;
        users.map_err(|error| error.during("listing the users with an inventory"))
    }

    /// How many users have folders.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_users(&self) -> Result<u64> {
        let count = self.read(|tables| tables.count_users()).await;
        count.map(|count| u64::try_from(count).unwrap_or(0)).map_err(|error| error.during("counting the users with an inventory"))
    }
}

async fn report(tables: &mut dyn Tables, user: Uuid) -> SqlResult<Report> {
    let folders = tables.skeleton(user).await?;
    let items = tables.places_of(user).await?;
    let (findings, repairs) = look(&folders, &items);
    Ok(Report { user, folders: folders.len(), items: items.len(), findings, repairs })
}

/// Does these repairs if they are what has to be done.
pub(super) async fn repair(tables: &mut dyn Tables, user: Uuid, repairs: &[Repair]) -> SqlResult<bool> {
    tables.lock_users(&[user]).await?;
    let folders = tables.skeleton(user).await?;
    let items = tables.places_of(user).await?;
    if look(&folders, &items).1 != repairs {
        return Ok(false);
    }
    if repairs.is_empty() {
        return Ok(true);
    }
    let root = match root_among(&folders) {
        Some(root) => root.id,
        None => {
            let root = new_root(user);
            tables.insert_folder(&root).await?;
            root.id
        }
    };
    let is_wanted = |folder_type: &FolderType| repairs.contains(&Repair::CreateSystemFolder(*folder_type));
    let present: Vec<_> = SYSTEM_FOLDERS.iter().map(|(folder_type, _)| *folder_type).filter(|known| !is_wanted(known)).collect();
    add_system_folders(tables, user, root, &present).await?;
    for repair in repairs {
        match repair {
            Repair::CreateRoot | Repair::CreateSystemFolder(_) => {}
            Repair::NameRoot(folder) => name_root(tables, *folder).await?,
            Repair::Reattach { folder, .. } => put_folder(tables, *folder, root).await?,
            Repair::Merge { from, into } => merge(tables, *from, *into).await?,
            Repair::RescueFolder(folder) => {
                let lost_and_found = lost_and_found(tables, user, root).await?;
                put_folder(tables, *folder, lost_and_found).await?;
            }
            Repair::RescueItems(items) => {
                let lost_and_found = lost_and_found(tables, user, root).await?;
                put_items(tables, items, lost_and_found).await?;
            }
        }
    }
    Ok(true)
}

async fn name_root(tables: &mut dyn Tables, id: Uuid) -> SqlResult<()> {
    for folder in tables.folders(&[id]).await? {
        tables.update_folder(&FolderRow { name: ROOT_FOLDER_NAME.to_owned(), ..folder }).await?;
    }
    Ok(())
}

async fn lost_and_found(tables: &mut dyn Tables, user: Uuid, root: Uuid) -> SqlResult<Uuid> {
    let children = tables.folders_in(&[root]).await?;
    let found = children.into_iter().find(|child| child.owner == user && child.folder_type() == FolderType::LOST_AND_FOUND);
    // It is there: the repairs begin with making what is missing.
    found.map(|folder| folder.id).ok_or(sqlx::Error::RowNotFound)
}

async fn put_folder(tables: &mut dyn Tables, id: Uuid, parent: Uuid) -> SqlResult<()> {
    for folder in tables.folders(&[id]).await? {
        let old_parent = folder.parent;
        // A second root in the tree would only confuse viewers.
        let is_root = folder.folder_type() == FolderType::ROOT;
        let folder_type = if is_root { FolderType::NONE.0.into() } else { folder.folder_type };
        tables.update_folder(&FolderRow { parent, folder_type, ..folder }).await?;
        raise_each(tables, [old_parent, parent]).await?;
    }
    Ok(())
}

async fn put_items(tables: &mut dyn Tables, items: &[Uuid], folder: Uuid) -> SqlResult<()> {
    let moves: Vec<_> = items.iter().map(|item| ItemMove { item: *item, folder }).collect();
    tables.move_items(&moves).await?;
    raise_each(tables, [folder]).await
}

async fn merge(tables: &mut dyn Tables, from: Uuid, into: Uuid) -> SqlResult<()> {
    for mut child in tables.folders_in(&[from]).await? {
        child.parent = into;
        tables.update_folder(&child).await?;
    }
    let items: Vec<_> = tables.items_in(&[from]).await?.iter().map(|item| item.id).collect();
    put_items(tables, &items, into).await?;
    tables.delete_folders(&[from]).await
}

/// What is wrong, and what is to be done. The same for the same rows in any order.
fn look(folders: &[FolderRow], items: &[ItemPlace]) -> (Vec<Finding>, Vec<Repair>) {
    let (mut findings, mut repairs) = (Vec::new(), Vec::new());
    if folders.is_empty() && items.is_empty() {
        return (findings, repairs);
    }
    let tree = Tree::new(folders);
    let tops = tree.tops();
    let parents: HashMap<_, _> = folders.iter().map(|folder| (folder.id, folder)).collect();
    let root = root_among(folders);
    match root {
        None => {
            findings.push(Finding::NoRoot);
            repairs.push(Repair::CreateRoot);
        }
        Some(root) if root.name != ROOT_FOLDER_NAME && folders.iter().filter(|folder| folder.parent.is_nil()).count() > 1 => {
            findings.push(Finding::UnnamedRoot(root.id));
            repairs.push(Repair::NameRoot(root.id));
        }
        Some(_) => {}
    }

    let distinct_tops: BTreeSet<_> = tops.values().map(|top| top_key(*top)).collect();
    let mut orphans: Vec<Uuid> = Vec::new();
    let mut to_rescue: Vec<Uuid> = Vec::new();
    for (_, id) in distinct_tops {
        let folder = parents[&id];
        match tops[&id] {
            Top::Root(_) if root.is_some_and(|root| root.id == id) || folder.folder_type() == FolderType::SUITCASE => {}
            Top::Root(_) => {
                findings.push(Finding::ExtraTopFolder(id));
                to_rescue.push(id);
            }
            Top::Orphan(_) => {
                findings.push(Finding::OrphanFolder { folder: id, parent: folder.parent });
                orphans.push(id);
            }
            Top::Cycle(_) => {
                findings.push(Finding::Cycle(id));
                to_rescue.push(id);
            }
        }
    }

    let mut load: HashMap<Uuid, usize> = HashMap::new();
    for holder in folders.iter().map(|folder| folder.parent).chain(items.iter().map(|item| item.folder)) {
        *load.entry(holder).or_default() += 1;
    }
    let mut by_type: BTreeMap<FolderType, Vec<Uuid>> = BTreeMap::new();
    for child in folders.iter().filter(|folder| root.is_some_and(|root| folder.parent == root.id && folder.id != root.id)) {
        by_type.entry(child.folder_type()).or_default().push(child.id);
    }
    for (folder_type, _) in &SYSTEM_FOLDERS {
        let mut present = by_type.remove(folder_type).unwrap_or_default();
        // The fullest one first; of equally full ones the one with the smallest id.
        present.sort_by_key(|id| (std::cmp::Reverse(load.get(id).copied().unwrap_or(0)), *id));
        let mut present = present.into_iter();
        let Some(kept) = present.next() else {
            findings.push(Finding::MissingSystemFolder(*folder_type));
            let orphan = orphans.iter().position(|orphan| parents[orphan].folder_type() == *folder_type);
            repairs.push(match orphan {
                Some(place) => Repair::Reattach { folder: orphans.remove(place), folder_type: *folder_type },
                None => Repair::CreateSystemFolder(*folder_type),
            });
            continue;
        };
        for extra in present {
            findings.push(Finding::DuplicateSystemFolder { folder_type: *folder_type, kept, extra });
            repairs.push(Repair::Merge { from: extra, into: kept });
        }
    }

    repairs.extend(orphans.into_iter().chain(to_rescue).map(Repair::RescueFolder));
    let mut lost: Vec<_> = items.iter().filter(|item| !tree.contains(item.folder)).collect();
    lost.sort_by_key(|item| item.id);
    findings.extend(lost.iter().map(|item| Finding::OrphanItem { item: item.id, folder: item.folder }));
    if !lost.is_empty() {
        repairs.push(Repair::RescueItems(lost.iter().map(|item| item.id).collect()));
    }
    (findings, repairs)
}

/// The root folder: the folder without parent that has its name, else its type, else any, but no suitcase. Of several the one with the
/// smallest id.
fn root_among(folders: &[FolderRow]) -> Option<&FolderRow> {
    let top = folders.iter().filter(|folder| folder.parent.is_nil());
    let likely = top.filter(|folder| folder.name == ROOT_FOLDER_NAME || folder.folder_type() != FolderType::SUITCASE);
    likely.min_by_key(|folder| (folder.name != ROOT_FOLDER_NAME, folder.folder_type() != FolderType::ROOT, folder.id))
}

/// Sorts what is found by kind, then by id.
fn top_key(top: Top) -> (u8, Uuid) {
    match top {
        Top::Root(id) => (0, id),
        Top::Orphan(id) => (1, id),
        Top::Cycle(id) => (2, id),
    }
}

fn type_name(folder_type: FolderType) -> &'static str {
    SYSTEM_FOLDERS.iter().find(|(known, _)| *known == folder_type).map_or("?", |(_, name)| name)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoot => f.write_str("there is no root folder"),
            Self::UnnamedRoot(folder) => write!(f, "the root folder {folder} has another name, and is not alone"),
            Self::MissingSystemFolder(folder_type) => {
                write!(f, "the folder '{}' (type {folder_type}) is missing", type_name(*folder_type))
            }
            Self::DuplicateSystemFolder { folder_type, kept, extra } => {
                write!(f, "there are two folders '{}' (type {folder_type}): {kept} and {extra}", type_name(*folder_type))
            }
            Self::ExtraTopFolder(folder) => write!(f, "the folder {folder} is beside the root folder"),
            Self::OrphanFolder { folder, parent } => write!(f, "the folder {folder} is in {parent}, which does not exist"),
            Self::Cycle(folder) => write!(f, "the folder {folder} is inside of itself"),
            Self::OrphanItem { item, folder } => write!(f, "the item {item} is in the folder {folder}, which does not exist"),
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateRoot => f.write_str("make a root folder"),
            Self::NameRoot(folder) => write!(f, "name the folder {folder} '{ROOT_FOLDER_NAME}'"),
            Self::CreateSystemFolder(folder_type) => {
                write!(f, "make the folder '{}' (type {folder_type})", type_name(*folder_type))
            }
            Self::Reattach { folder, folder_type } => {
                write!(f, "put the folder {folder} into the root folder as '{}' (type {folder_type})", type_name(*folder_type))
            }
            Self::Merge { from, into } => write!(f, "put what is in the folder {from} into {into}, and delete {from}"),
            Self::RescueFolder(folder) => write!(f, "put the folder {folder} into Lost And Found"),
            Self::RescueItems(items) => write!(f, "put {} items into Lost And Found", items.len()),
        }
    }
}
