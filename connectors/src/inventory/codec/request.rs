//! Requests: form bodies, both directions (inventory.md section 3).

use std::collections::HashSet;

use bytes::Bytes;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::inventory::{InventoryFolder, InventoryItem, ItemMove, MAX_FOLDERS_OF_ONE_CALL, MAX_IDS_OF_ONE_CALL};
use uuid::Uuid;

use super::error::CodecError;
use super::method::Method;
use super::record::{FieldWriter, id, parse_number, read_folder, read_item, required, write_folder, write_item};
use crate::wire::WireError;
use crate::wire::form::{Form, FormWriter};

/// A request. Where there is a `principal`, it is the user for whom it is made, `None` when it names nobody: on the wire then the
/// zero UUID, something that is no UUID, or, where it is optional, nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the `Method` of its name, with that method's parameters")]
pub enum Call {
    CreateUserInventory { user: Uuid },
    GetInventorySkeleton { user: Uuid },
    GetRootFolder { user: Uuid },
    GetFolderForType { user: Uuid, folder_type: i32 },
    GetFolderContent { principal: Option<Uuid>, folder: Uuid },
    GetMultipleFoldersContent { principal: Option<Uuid>, folders: Vec<Uuid> },
    GetFolderItems { principal: Option<Uuid>, folder: Uuid },
    AddFolder(InventoryFolder),
    UpdateFolder(InventoryFolder),
    MoveFolder { principal: Option<Uuid>, folder: Uuid, parent: Uuid },
    DeleteFolders { principal: Option<Uuid>, folders: Vec<Uuid> },
    PurgeFolder { principal: Option<Uuid>, folder: Uuid },
    AddItem(Box<InventoryItem>),
    UpdateItem(Box<InventoryItem>),
    MoveItems { principal: Option<Uuid>, moves: Vec<ItemMove> },
    DeleteItems { principal: Option<Uuid>, items: Vec<Uuid> },
    GetItem { principal: Option<Uuid>, item: Uuid },
    GetMultipleItems { principal: Option<Uuid>, items: Vec<Uuid> },
    GetFolder { principal: Option<Uuid>, folder: Uuid },
    GetActiveGestures { user: Uuid },
    GetAssetPermissions { user: Uuid, asset: Uuid },
}

impl Call {
    /// Reads the parameters of an operation.
    ///
    /// # Errors
    /// One is missing or malformed, a list is too long, or lists that belong together differ in length.
    pub fn decode(method: Method, form: &Form<'_>) -> Result<Self, CodecError> {
        let user = || lenient_id(form, "PRINCIPAL");
        let principal = || Ok::<_, CodecError>(Some(lenient_id(form, "PRINCIPAL")?).filter(|id| !id.is_nil()));
        let optional_principal = || form.get("PRINCIPAL").and_then(parse_uuid).filter(|id| !id.is_nil());
        Ok(match method {
            Method::CreateUserInventory => Self::CreateUserInventory { user: id(form, "PRINCIPAL")? },
            Method::GetInventorySkeleton => Self::GetInventorySkeleton { user: id(form, "PRINCIPAL")? },
            Method::GetRootFolder => Self::GetRootFolder { user: user()? },
            Method::GetFolderForType => {
                // What is no number counts as 0, which is the type of the Textures folder.
                Self::GetFolderForType { user: user()?, folder_type: parse_number(required(form, "TYPE")?).unwrap_or_default() }
            }
            Method::GetFolderContent => Self::GetFolderContent { principal: principal()?, folder: lenient_id(form, "FOLDER")? },
            Method::GetMultipleFoldersContent => {
                Self::GetMultipleFoldersContent { principal: principal()?, folders: counted_folders(form)? }
            }
            Method::GetFolderItems => Self::GetFolderItems { principal: principal()?, folder: lenient_id(form, "FOLDER")? },
            Method::AddFolder => Self::AddFolder(read_folder(form)?),
            Method::UpdateFolder => Self::UpdateFolder(read_folder(form)?),
            // The original takes a parent that is no UUID for the zero UUID, and the folder then goes where no viewer shows it.
            Method::MoveFolder => {
                Self::MoveFolder { principal: principal()?, folder: lenient_id(form, "ID")?, parent: id(form, "ParentID")? }
            }
            Method::DeleteFolders => Self::DeleteFolders { principal: principal()?, folders: listed_ids(form, "FOLDERS")? },
            Method::PurgeFolder => Self::PurgeFolder { principal: optional_principal(), folder: lenient_id(form, "ID")? },
            Method::AddItem => Self::AddItem(Box::new(read_item(form)?)),
            Method::UpdateItem => Self::UpdateItem(Box::new(read_item(form)?)),
            Method::MoveItems => Self::MoveItems { principal: principal()?, moves: moves(form)? },
            Method::DeleteItems => Self::DeleteItems { principal: principal()?, items: listed_ids(form, "ITEMS")? },
            Method::GetItem => Self::GetItem { principal: optional_principal(), item: lenient_id(form, "ID")? },
            Method::GetMultipleItems => several_items(form)?,
            Method::GetFolder => Self::GetFolder { principal: optional_principal(), folder: lenient_id(form, "ID")? },
            Method::GetActiveGestures => Self::GetActiveGestures { user: user()? },
            Method::GetAssetPermissions => Self::GetAssetPermissions { user: user()?, asset: lenient_id(form, "ASSET")? },
        })
    }

    /// The operation.
    pub fn method(&self) -> Method {
        match self {
            Self::CreateUserInventory { .. } => Method::CreateUserInventory,
            Self::GetInventorySkeleton { .. } => Method::GetInventorySkeleton,
            Self::GetRootFolder { .. } => Method::GetRootFolder,
            Self::GetFolderForType { .. } => Method::GetFolderForType,
            Self::GetFolderContent { .. } => Method::GetFolderContent,
            Self::GetMultipleFoldersContent { .. } => Method::GetMultipleFoldersContent,
            Self::GetFolderItems { .. } => Method::GetFolderItems,
            Self::AddFolder(_) => Method::AddFolder,
            Self::UpdateFolder(_) => Method::UpdateFolder,
            Self::MoveFolder { .. } => Method::MoveFolder,
            Self::DeleteFolders { .. } => Method::DeleteFolders,
            Self::PurgeFolder { .. } => Method::PurgeFolder,
            Self::AddItem(_) => Method::AddItem,
            Self::UpdateItem(_) => Method::UpdateItem,
            Self::MoveItems { .. } => Method::MoveItems,
            Self::DeleteItems { .. } => Method::DeleteItems,
            Self::GetItem { .. } => Method::GetItem,
            Self::GetMultipleItems { .. } => Method::GetMultipleItems,
            Self::GetFolder { .. } => Method::GetFolder,
            Self::GetActiveGestures { .. } => Method::GetActiveGestures,
            Self::GetAssetPermissions { .. } => Method::GetAssetPermissions,
        }
    }

    /// The request's body. A call with an empty list of folders to delete, or of items to delete or move, has none that anybody
    /// understands, since an empty list leaves no trace in a form: there is nothing to ask then.
    pub fn encode(&self) -> Bytes {
        let mut form = FormWriter::new();
        self.method().write(&mut form);
        match self {
            Self::CreateUserInventory { user }
            | Self::GetInventorySkeleton { user }
            | Self::GetRootFolder { user }
            | Self::GetActiveGestures { user } => form.id("PRINCIPAL", *user),
            Self::GetFolderForType { user, folder_type } => {
                form.id("PRINCIPAL", *user);
                form.number("TYPE", *folder_type);
            }
            Self::GetFolderContent { principal, folder } | Self::GetFolderItems { principal, folder } => {
                form.id("PRINCIPAL", principal.unwrap_or_default());
                form.id("FOLDER", *folder);
            }
            Self::GetMultipleFoldersContent { principal, folders } => {
                form.id("PRINCIPAL", principal.unwrap_or_default());
                form.text("FOLDERS", &with_commas(folders));
                form.number("COUNT", folders.len());
            }
            Self::AddFolder(folder) | Self::UpdateFolder(folder) => write_folder(&mut form, folder),
            Self::MoveFolder { principal, folder, parent } => {
                form.id("ParentID", *parent);
                form.id("ID", *folder);
                form.id("PRINCIPAL", principal.unwrap_or_default());
            }
            Self::DeleteFolders { principal, folders } => {
                form.id("PRINCIPAL", principal.unwrap_or_default());
                form.list("FOLDERS", folders.iter().map(Uuid::to_string));
            }
            Self::AddItem(item) | Self::UpdateItem(item) => write_item(&mut form, item),
            Self::MoveItems { principal, moves } => {
                form.id("PRINCIPAL", principal.unwrap_or_default());
                form.list("IDLIST", moves.iter().map(|one| one.item.to_string()));
                form.list("DESTLIST", moves.iter().map(|one| one.folder.to_string()));
            }
            Self::DeleteItems { principal, items } => {
                form.id("PRINCIPAL", principal.unwrap_or_default());
                form.list("ITEMS", items.iter().map(Uuid::to_string));
            }
            Self::GetMultipleItems { principal, items } => {
                form.id("PRINCIPAL", principal.unwrap_or_default());
                form.text("ITEMS", &with_commas(items));
                form.number("COUNT", items.len());
            }
            Self::PurgeFolder { principal, folder: id }
            | Self::GetItem { principal, item: id }
            | Self::GetFolder { principal, folder: id } => {
                form.id("ID", *id);
                if let Some(principal) = principal {
                    form.id("PRINCIPAL", *principal);
                }
            }
            Self::GetAssetPermissions { user, asset } => {
                form.id("PRINCIPAL", *user);
                form.id("ASSET", *asset);
            }
        }
        form.finish()
    }
}

fn with_commas(ids: &[Uuid]) -> String {
    ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",")
}

/// A UUID where a malformed one is the zero UUID, which nobody has.
fn lenient_id(form: &Form<'_>, name: &'static str) -> Result<Uuid, CodecError> {
    Ok(parse_uuid(required(form, name)?).unwrap_or_default())
}

/// A list of UUIDs to work through; malformed ones are skipped.
fn listed_ids(form: &Form<'_>, name: &'static str) -> Result<Vec<Uuid>, CodecError> {
    let texts = form.list(name).ok_or(CodecError::Missing(name))?;
    at_most(MAX_IDS_OF_ONE_CALL, texts.len(), "ids in one request")?;
    Ok(texts.iter().filter_map(|text| parse_uuid(text)).collect())
}

/// Items with their destinations, paired by position. The original skips a malformed item but not its destination, so that all items
/// after it go where others should; and it takes superfluous destinations. Nobody means either, so nothing is moved then.
fn moves(form: &Form<'_>) -> Result<Vec<ItemMove>, CodecError> {
    let items = form.list("IDLIST").ok_or(CodecError::Missing("IDLIST"))?;
    let folders = form.list("DESTLIST").ok_or(CodecError::Missing("DESTLIST"))?;
    if items.len() != folders.len() {
        return Err(CodecError::Count { what: "destinations", expected: items.len(), found: folders.len() });
    }
    at_most(MAX_IDS_OF_ONE_CALL, items.len(), "ids in one request")?;
    let strict = |name, text: &str| parse_uuid(text).ok_or_else(|| WireError::value(name, "UUID", text));
    let pairs = items.iter().zip(folders);
    pairs.map(|(item, folder)| Ok(ItemMove { item: strict("IDLIST", item)?, folder: strict("DESTLIST", folder)? })).collect()
}

/// The folders of `FOLDERS`, as many as `COUNT` says, each once (inventory.md section 3). A malformed id, and each that is missing for
/// the count, is the zero UUID.
fn counted_folders(form: &Form<'_>) -> Result<Vec<Uuid>, CodecError> {
    let text = required(form, "FOLDERS")?;
    let count_text = required(form, "COUNT")?;
    // What is no number counts as 0.
    let count = parse_number::<i32>(count_text).unwrap_or_default();
    let count = usize::try_from(count).map_err(|_| WireError::value("COUNT", "number of folders", count_text))?;
    at_most(MAX_FOLDERS_OF_ONE_CALL, count, "folders in one request")?;
    let mut given = vec![Uuid::nil(); count];
    for (at, id) in text.split(',').map(parse_uuid).enumerate() {
        match (id, given.get_mut(at)) {
            (Some(id), Some(place)) => *place = id,
            (Some(_), None) => return Err(CodecError::Count { what: "folders", expected: count, found: at + 1 }),
            (None, _) => {}
        }
    }
    let mut seen = HashSet::with_capacity(count);
    given.retain(|id| seen.insert(*id));
    Ok(given)
}

/// The items of `ITEMS`, one for each position: what is malformed is the zero UUID, which nobody has. `COUNT` is not looked at, and
/// who asks as nobody that could be gets nothing, as in the newer version (inventory.md section 3).
fn several_items(form: &Form<'_>) -> Result<Call, CodecError> {
    let principal = required(form, "PRINCIPAL")?;
    let text = required(form, "ITEMS")?;
    let Some(principal) = parse_uuid(principal).filter(|_| !text.trim().is_empty()) else {
        return Ok(Call::GetMultipleItems { principal: None, items: Vec::new() });
    };
    at_most(MAX_IDS_OF_ONE_CALL, text.split(',').count(), "ids in one request")?;
    let items = text.split(',').map(|id| parse_uuid(id).unwrap_or_default()).collect();
    Ok(Call::GetMultipleItems { principal: Some(principal).filter(|id| !id.is_nil()), items })
}

fn at_most(limit: usize, count: usize, what: &'static str) -> Result<(), CodecError> {
    if count > limit { Err(WireError::TooMuch { what, limit }.into()) } else { Ok(()) }
}
