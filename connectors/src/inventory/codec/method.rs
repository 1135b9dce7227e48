//! The operations of the inventory connector.

use super::error::CodecError;
use crate::wire::WireError;
use crate::wire::form::{Form, FormWriter};

/// The operation that a request asks for, its key `METHOD` (inventory.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Make sure that a user has root and system folders.
    CreateUserInventory,
    /// All folders of a user.
    GetInventorySkeleton,
    /// The root folder of a user.
    GetRootFolder,
    /// The system folder of a type.
    GetFolderForType,
    /// What is in a folder.
    GetFolderContent,
    /// What is in each of several folders.
    GetMultipleFoldersContent,
    /// The items in a folder.
    GetFolderItems,
    /// Add a folder.
    AddFolder,
    /// Change a folder.
    UpdateFolder,
    /// Put a folder into another one.
    MoveFolder,
    /// Delete folders that are in the trash.
    DeleteFolders,
    /// Empty a folder that is in the trash.
    PurgeFolder,
    /// Add an item.
    AddItem,
    /// Change an item.
    UpdateItem,
    /// Put items into other folders.
    MoveItems,
    /// Delete items.
    DeleteItems,
    /// One item.
    GetItem,
    /// Several items.
    GetMultipleItems,
    /// One folder.
    GetFolder,
    /// The active gestures of a user.
    GetActiveGestures,
    /// What a user may do with an asset.
    GetAssetPermissions,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::CreateUserInventory,
        Self::GetInventorySkeleton,
        Self::GetRootFolder,
        Self::GetFolderForType,
        Self::GetFolderContent,
        Self::GetMultipleFoldersContent,
        Self::GetFolderItems,
        Self::AddFolder,
        Self::UpdateFolder,
        Self::MoveFolder,
        Self::DeleteFolders,
        Self::PurgeFolder,
        Self::AddItem,
        Self::UpdateItem,
        Self::MoveItems,
        Self::DeleteItems,
        Self::GetItem,
        Self::GetMultipleItems,
        Self::GetFolder,
        Self::GetActiveGestures,
        Self::GetAssetPermissions,
    ];

    /// The operation of a request. Case counts; of several `METHOD` the first does.
    ///
    /// # Errors
    /// There is none, or one that nobody knows.
    pub fn of(form: &Form<'_>) -> Result<Self, CodecError> {
        let name = form.get("METHOD").ok_or(CodecError::Missing("METHOD"))?;
        let known = Self::ALL.into_iter().find(|method| method.name() == name);
        known.ok_or_else(|| WireError::value("METHOD", "operation of the inventory", name).into())
    }

    /// Writes it into a request.
    pub(super) fn write(self, form: &mut FormWriter) {
        form.text("METHOD", self.name());
    }

    /// The value of `METHOD`.
    pub const fn name(self) -> &'static str {
        self.names().0
    }

    /// The same in lower case: its label in metrics.
    pub const fn operation(self) -> &'static str {
        self.names().1
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::CreateUserInventory => ("CREATEUSERINVENTORY", "createuserinventory"),
            Self::GetInventorySkeleton => ("GETINVENTORYSKELETON", "getinventoryskeleton"),
            Self::GetRootFolder => ("GETROOTFOLDER", "getrootfolder"),
            Self::GetFolderForType => ("GETFOLDERFORTYPE", "getfolderfortype"),
            Self::GetFolderContent => ("GETFOLDERCONTENT", "getfoldercontent"),
            Self::GetMultipleFoldersContent => ("GETMULTIPLEFOLDERSCONTENT", "getmultiplefolderscontent"),
            Self::GetFolderItems => ("GETFOLDERITEMS", "getfolderitems"),
            Self::AddFolder => ("ADDFOLDER", "addfolder"),
            Self::UpdateFolder => ("UPDATEFOLDER", "updatefolder"),
            Self::MoveFolder => ("MOVEFOLDER", "movefolder"),
            Self::DeleteFolders => ("DELETEFOLDERS", "deletefolders"),
            Self::PurgeFolder => ("PURGEFOLDER", "purgefolder"),
            Self::AddItem => ("ADDITEM", "additem"),
            Self::UpdateItem => ("UPDATEITEM", "updateitem"),
            Self::MoveItems => ("MOVEITEMS", "moveitems"),
            Self::DeleteItems => ("DELETEITEMS", "deleteitems"),
            Self::GetItem => ("GETITEM", "getitem"),
            Self::GetMultipleItems => ("GETMULTIPLEITEMS", "getmultipleitems"),
            Self::GetFolder => ("GETFOLDER", "getfolder"),
            Self::GetActiveGestures => ("GETACTIVEGESTURES", "getactivegestures"),
            Self::GetAssetPermissions => ("GETASSETPERMISSIONS", "getassetpermissions"),
        }
    }
}
