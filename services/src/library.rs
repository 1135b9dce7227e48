//! The library: folders and items from files of the operator, in memory (inventory.md section 7).
//!
//! A control file lists pairs of files, one with folders and one with items. What cannot be used is named in the log with file and
//! line, and left out; the rest is loaded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use gridshell_config::DocumentSection;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::inventory::{FolderType, InventoryFolder, InventoryItem};
use gridshell_interfaces::library::{LIBRARY_OWNER, LIBRARY_ROOT, LibraryService};
use uuid::Uuid;

use crate::list_file;

/// What may be done with an item: everything, also exporting.
const FULL_WITH_EXPORT: i32 = 0x9_E000;
/// What everyone may do with an item: everything but changing it.
const EVERYONE: i32 = 0x9_A000;

/// Where the library comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryOptions {
    /// `LibraryName`: the name of the root folder.
    pub name: String,
    /// `DefaultLibrary`: the control file.
    pub control_file: PathBuf,
}

impl Default for LibraryOptions {
    fn default() -> Self {
        Self { name: "OpenSim Library".to_owned(), control_file: PathBuf::from("inventory/Libraries.xml") }
    }
}

/// The library of files.
#[derive(Clone, Debug)]
pub struct FileLibraryService {
    folders: Vec<InventoryFolder>,
    items: HashMap<Uuid, Vec<InventoryItem>>,
    /// Folder and place of each item. An id can be in several folders; the first one counts.
    places: HashMap<Uuid, (Uuid, usize)>,
}

impl FileLibraryService {
    /// Loads the library. It always comes to an end: at worst with the root folder alone.
    pub async fn load(options: &LibraryOptions) -> Self {
        let mut loader = Loader::new(&options.name);
        loader.read_control_file(&options.control_file).await;
        let library = loader.finish();
        tracing::info!(
            folders = library.folders.len(),
            items = library.items.values().map(Vec::len).sum::<usize>(),
            "[LIBRARY]: loaded {}",
            options.control_file.display()
        );
        library
    }
}

impl LibraryService for FileLibraryService {
    fn folders(&self) -> &[InventoryFolder] {
        &self.folders
    }

    fn items_in(&self, folder: Uuid) -> &[InventoryItem] {
        self.items.get(&folder).map_or(&[], Vec::as_slice)
    }

    fn item(&self, id: Uuid) -> Option<&InventoryItem> {
        let (folder, place) = self.places.get(&id)?;
        self.items_in(*folder).get(*place)
    }
}

/// What has been loaded so far.
struct Loader {
    root: InventoryFolder,
    /// The folders in each folder, in the order of the files.
    children: HashMap<Uuid, Vec<InventoryFolder>>,
    items: HashMap<Uuid, Vec<InventoryItem>>,
    /// The creation date of all items.
    now: i32,
}

impl Loader {
    fn new(name: &str) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            root: InventoryFolder {
                id: LIBRARY_ROOT,
                parent: Uuid::nil(),
                owner: LIBRARY_OWNER,
                folder_type: FolderType::ROOT,
                version: 1,
                name: name.to_owned(),
            },
            children: HashMap::from([(LIBRARY_ROOT, Vec::new())]),
            items: HashMap::new(),
            // The field is 32 bits wide.
            now: i32::try_from(since_1970.as_secs()).unwrap_or(i32::MAX),
        }
    }

    async fn read_control_file(&mut self, file: &Path) {
        for section in read_sections(file).await {
            if section.get("RootVersion").is_some() {
                match number(&section, "RootVersion", 1) {
                    // The original cuts off what the field cannot hold.
                    Ok(version) => self.root.version = low_16_bits(version),
                    Err(mistake) => say(file, &section, &mistake),
                }
                continue;
            }
            for (key, is_folders) in [("foldersFile", true), ("itemsFile", false)] {
                let Some(name) = section.get(key) else {
                    say(file, &section, &format!("has no key '{key}'"));
                    continue;
                };
                let listed = list_file::beside(file, name);
                for entry in read_sections(&listed).await {
                    let added = if is_folders { self.add_folder(&entry) } else { self.add_item(&entry) };
                    if let Err(mistake) = added {
                        say(&listed, &entry, &mistake);
                    }
                }
            }
        }
    }

    fn add_folder(&mut self, section: &DocumentSection) -> Result<(), String> {
        let folder = InventoryFolder {
            id: id(section, "folderID", LIBRARY_ROOT)?,
            parent: id(section, "parentFolderID", LIBRARY_ROOT)?,
            owner: LIBRARY_OWNER,
            folder_type: FolderType(low_16_bits(number(section, "type", FolderType::ROOT.0.into())?).cast_signed()),
            version: low_16_bits(number(section, "version", 1)?),
            name: section.get("name").unwrap_or("unknown").to_owned(),
        };
        if self.children.contains_key(&folder.id) {
            return Err(format!("the folder {} is there already", folder.id));
        }
        let Some(siblings) = self.children.get_mut(&folder.parent) else {
            return Err(format!("its parent {} is not there; folders come after their parents", folder.parent));
        };
        let id = folder.id;
        siblings.push(folder);
        self.children.insert(id, Vec::new());
        Ok(())
    }

    fn add_item(&mut self, section: &DocumentSection) -> Result<(), String> {
        let item_id = id(section, "inventoryID", LIBRARY_ROOT)?;
        let name = section.get("name").unwrap_or_default();
        let inventory_type = number(section, "inventoryType", 0)?;
        let bits = |key, default| number(section, key, default).map(i32::cast_unsigned);
        let item = InventoryItem {
            id: item_id,
            asset_id: id(section, "assetID", item_id)?,
            asset_type: number(section, "assetType", inventory_type)?,
            inventory_type,
            folder: id(section, "folderID", LIBRARY_ROOT)?,
            owner: LIBRARY_OWNER,
            creator_id: LIBRARY_OWNER.to_string(),
            creator_data: String::new(),
            name: name.to_owned(),
            description: section.get("description").unwrap_or(name).to_owned(),
            next_permissions: bits("nextPermissions", FULL_WITH_EXPORT)?,
            current_permissions: bits("currentPermissions", FULL_WITH_EXPORT)?,
            base_permissions: bits("basePermissions", FULL_WITH_EXPORT)?,
            everyone_permissions: bits("everyonePermissions", EVERYONE)?,
            // The original reads the key of the base permissions here, too, with another default.
            group_permissions: bits("basePermissions", 0)?,
            group_id: Uuid::nil(),
            group_owned: false,
            sale_price: 0,
            sale_type: 0,
            flags: bits("flags", 0)?,
            creation_date: self.now,
        };
        if !self.children.contains_key(&item.folder) {
            return Err(format!("its folder {} is not there", item.folder));
        }
        let siblings = self.items.entry(item.folder).or_default();
        if siblings.iter().any(|sibling| sibling.id == item_id) {
            return Err(format!("the item {item_id} is in the folder already"));
        }
        siblings.push(item);
        Ok(())
    }

    /// Brings the folders into order.
    fn finish(mut self) -> FileLibraryService {
        let mut folders = vec![self.root];
        // Folders whose own folders are still to come; the next one is the last.
        let mut waiting = vec![LIBRARY_ROOT];
        while let Some(id) = waiting.pop() {
            let children = self.children.remove(&id).unwrap_or_default();
            waiting.extend(children.iter().rev().map(|child| child.id));
            folders.extend(children);
        }
        let mut places = HashMap::new();
        for folder in &folders {
            for (place, item) in self.items.get(&folder.id).into_iter().flatten().enumerate() {
                places.entry(item.id).or_insert((folder.id, place));
            }
        }
        FileLibraryService { folders, items: self.items, places }
    }
}

fn say(file: &Path, section: &DocumentSection, mistake: &str) {
    tracing::error!("[LIBRARY]: {}:{}: section '{}': {mistake}; left out", file.display(), section.line, section.name);
}

/// The sections of a file; none, and a log line, when it cannot be read.
async fn read_sections(file: &Path) -> Vec<DocumentSection> {
    list_file::read_sections(file).await.unwrap_or_else(|mistake| {
        tracing::error!("[LIBRARY]: {mistake}; the file is left out");
        Vec::new()
    })
}

fn id(section: &DocumentSection, key: &str, default: Uuid) -> Result<Uuid, String> {
    let Some(text) = section.get(key) else { return Ok(default) };
    parse_uuid(text).ok_or_else(|| format!("{key} '{text}' is no UUID"))
}

fn number(section: &DocumentSection, key: &str, default: i32) -> Result<i32, String> {
    let Some(text) = section.get(key) else { return Ok(default) };
    text.trim().parse().map_err(|_| format!("{key} '{text}' is no number"))
}

fn low_16_bits(number: i32) -> u16 {
    // The remainder fits.
    u16::try_from(number.rem_euclid(65_536)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, name: &str, sections: &[(&str, &[(&str, &str)])]) {
        let mut text = String::from("<Nini>\n");
        for (section, keys) in sections {
            text.push_str(&format!("<Section Name=\"{section}\">\n"));
            for (key, value) in *keys {
                text.push_str(&format!("<Key Name=\"{key}\" Value=\"{value}\"/>\n"));
            }
            text.push_str("</Section>\n");
        }
        text.push_str("</Nini>\n");
        std::fs::write(directory.join(name), text).expect("file");
    }

    fn folder_id(number: u128) -> Uuid {
        Uuid::from_u128(0xf0 << 120 | number)
    }

    async fn load(directory: &Path) -> FileLibraryService {
        let options = LibraryOptions { name: "Our Library".to_owned(), control_file: directory.join("Libraries.xml") };
        FileLibraryService::load(&options).await
    }

    #[tokio::test]
    async fn folders_and_items_with_their_defaults() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path();
        let ids: Vec<String> = (0..6).map(|number| folder_id(number).to_string()).collect();
        write(
            path,
            "Libraries.xml",
            &[
                ("Version", &[("RootVersion", "429")]),
                ("One", &[("foldersFile", "folders.xml"), ("itemsFile", "items.xml")]),
                ("Gone", &[("foldersFile", "no such file.xml"), ("itemsFile", "broken.xml")]),
                // The second section of a name does not count.
                ("One", &[("foldersFile", "never.xml"), ("itemsFile", "never.xml")]),
            ],
        );
        std::fs::write(path.join("broken.xml"), "<Nini>\n<Section Name=\"a\">\n</Nini>").expect("file");
        write(
            path,
            "folders.xml",
            &[
                ("a", &[("folderID", &ids[1]), ("name", "A"), ("type", "-1"), ("version", "7")]),
                ("b", &[("folderID", &ids[2])]),
                ("a in a", &[("folderID", &ids[3]), ("parentFolderID", &ids[1]), ("type", "3")]),
                ("a", &[("folderID", &ids[4]), ("name", "second section of a name")]),
                ("duplicate", &[("folderID", &ids[2]), ("name", "no")]),
                ("too early", &[("folderID", &ids[5]), ("parentFolderID", "99999999-0000-0000-0000-000000000000")]),
                ("bad number", &[("folderID", &ids[5]), ("type", "eight")]),
                ("bad id", &[("folderID", "x")]),
            ],
        );
        let item = "eeeeeeee-0000-0000-0000-000000000001";
        let second = "eeeeeeee-0000-0000-0000-000000000002";
        write(
            path,
            "items.xml",
            &[
                (
                    "plain",
                    &[("inventoryID", item), ("folderID", &ids[3]), ("name", "Plain &amp; simple"), ("inventoryType", "7")],
                ),
                (
                    "full",
                    &[
                        ("inventoryID", second),
                        ("assetID", item),
                        ("folderID", &ids[3]),
                        ("description", "d"),
                        ("assetType", "21"),
                        ("currentPermissions", "1"),
                        ("nextPermissions", "2"),
                        ("basePermissions", "3"),
                        ("everyonePermissions", "4"),
                        ("flags", "5"),
                    ],
                ),
                ("again", &[("inventoryID", item), ("folderID", &ids[3])]),
                ("homeless", &[("inventoryID", item), ("folderID", &ids[5])]),
                ("bad", &[("inventoryID", item), ("flags", "1.5")]),
            ],
        );
        let library = load(path).await;
        let folders: Vec<_> = library
            .folders()
            .iter()
            .map(|folder| (folder.id, folder.folder_type.0, folder.version, folder.name.as_str()))
            .collect();
        assert_eq!(
            folders,
            [
                (LIBRARY_ROOT, 8, 429, "Our Library"),
                (folder_id(1), -1, 7, "A"),
                (folder_id(2), 8, 1, "unknown"),
                (folder_id(3), 3, 1, "unknown"),
            ]
        );
        assert!(library.folders().iter().all(|folder| folder.owner == LIBRARY_OWNER));
        assert_eq!(library.folders()[3].parent, folder_id(1));
        let [plain, full] = library.items_in(folder_id(3)) else { panic!("two items") };
        assert_eq!((plain.name.as_str(), plain.description.as_str()), ("Plain & simple", "Plain & simple"));
        assert_eq!((plain.asset_id, plain.asset_type, plain.inventory_type), (plain.id, 7, 7));
        let masks = |item: &InventoryItem| {
            [
                item.current_permissions,
                item.next_permissions,
                item.base_permissions,
                item.everyone_permissions,
                item.group_permissions,
                item.flags,
            ]
        };
        assert_eq!(masks(plain), [647_168, 647_168, 647_168, 630_784, 0, 0]);
        assert_eq!(masks(full), [1, 2, 3, 4, 3, 5]);
        assert_eq!((full.asset_id, full.asset_type, full.inventory_type), (plain.id, 21, 0));
        assert_eq!(full.creator_id, LIBRARY_OWNER.to_string());
        assert_eq!(library.item(full.id), Some(full));
        assert_eq!(library.item(LIBRARY_ROOT), None);
        assert_eq!(library.items_in(LIBRARY_ROOT), []);
    }

    #[tokio::test]
    async fn without_a_control_file_there_is_the_root_folder() {
        let directory = tempfile::tempdir().expect("directory");
        let library = load(directory.path()).await;
        assert_eq!(library.folders().len(), 1);
        assert_eq!((library.folders()[0].id, library.folders()[0].version), (LIBRARY_ROOT, 1));
    }
}
