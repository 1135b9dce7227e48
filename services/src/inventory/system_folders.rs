//! The folders that every user has (inventory.md section 4, CREATEUSERINVENTORY).

use gridshell_interfaces::inventory::{FolderType, InventoryFolder, ROOT_FOLDER_NAME};
use uuid::Uuid;

/// Type and name of the folders in the root folder, in the order in which they are made.
pub(super) const SYSTEM_FOLDERS: [(FolderType, &str); 18] = [
    (FolderType::ANIMATION, "Animations"),
    (FolderType::BODY_PART, "Body Parts"),
    (FolderType::CALLING_CARD, "Calling Cards"),
    (FolderType::CLOTHING, "Clothing"),
    (FolderType::CURRENT_OUTFIT, "Current Outfit"),
    (FolderType::FAVORITES, "Favorites"),
    (FolderType::GESTURE, "Gestures"),
    (FolderType::LANDMARK, "Landmarks"),
    (FolderType::LOST_AND_FOUND, "Lost And Found"),
    (FolderType::NOTECARD, "Notecards"),
    (FolderType::OBJECT, "Objects"),
    (FolderType::SNAPSHOT, "Photo Album"),
    (FolderType::SCRIPT, "Scripts"),
    (FolderType::SOUND, "Sounds"),
    (FolderType::TEXTURE, "Textures"),
    (FolderType::TRASH, "Trash"),
    (FolderType::SETTINGS, "Settings"),
    (FolderType::MATERIAL, "Materials"),
];

/// A root folder for a user.
pub(super) fn new_root(user: Uuid) -> InventoryFolder {
    new_folder(user, Uuid::nil(), FolderType::ROOT, ROOT_FOLDER_NAME)
}

/// The folders that are to be made in a root folder which has folders of these types: those that are missing, and those in them.
/// Versions are such as if they had been made one after the other.
pub(super) fn missing(user: Uuid, root: Uuid, present: &[FolderType]) -> Vec<InventoryFolder> {
    let mut folders = Vec::new();
    for (folder_type, name) in SYSTEM_FOLDERS.iter().filter(|(folder_type, _)| !present.contains(folder_type)) {
        let mut folder = new_folder(user, root, *folder_type, name);
        if *folder_type == FolderType::CALLING_CARD {
            let mut friends = new_folder(user, folder.id, FolderType::CALLING_CARD, "Friends");
            let all = new_folder(user, friends.id, FolderType::CALLING_CARD, "All");
            folder.version = 2;
            friends.version = 2;
            folders.extend([folder, friends, all]);
        } else {
            folders.push(folder);
        }
    }
    folders
}

fn new_folder(owner: Uuid, parent: Uuid, folder_type: FolderType, name: &str) -> InventoryFolder {
    InventoryFolder { id: Uuid::new_v4(), parent, owner, folder_type, version: 1, name: name.to_owned() }
}
