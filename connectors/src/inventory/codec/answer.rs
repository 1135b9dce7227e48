//! Answers: `ServerResponse` documents, both directions (inventory.md sections 2, 3 and 9). Two styles: what a change answers is
//! indented, everything else compact.

use std::collections::HashMap;
use std::fmt::Write;

use bytes::Bytes;
use gridshell_interfaces::inventory::{FolderContent, InventoryFolder, InventoryItem};
use uuid::Uuid;

use super::error::CodecError;
use super::record::{FieldReader, id, number, read_folder, read_item, write_folder, write_item};
use crate::wire::server_response::{self, List, ServerResponseWriter, Value};

/// What stands in an answer to GETMULTIPLEITEMS for an item that was not found.
const NO_ITEM: &str = "NULL";

/// The answer to a change. With `false` it is the failure document as well, the answer to everything that went wrong.
pub fn encode_result(done: bool) -> Bytes {
    server_response::result_document(&[("RESULT", if done { "True" } else { "False" })])
}

/// The answer to CREATEUSERINVENTORY, of the other style: whether there was none before.
pub fn encode_created(created: bool) -> Bytes {
    let mut response = ServerResponseWriter::new();
    response.boolean("RESULT", created);
    response.finish()
}

/// Reads [`encode_created`]. The failure document says the same as "it existed already", but indented (inventory.md section 2): that
/// alone tells them apart.
///
/// # Errors
/// The document cannot be read, is the failure document, or says nothing of a result.
pub fn decode_created(body: &[u8]) -> Result<bool, CodecError> {
    const ROOT: &[u8] = b"<ServerResponse>";
    let created = decode_result(body)?;
    let behind_root = body.windows(ROOT.len()).position(|window| window == ROOT).and_then(|at| body.get(at + ROOT.len()));
    let is_indented = behind_root.is_some_and(u8::is_ascii_whitespace);
    if !created && is_indented { Err(CodecError::Failure) } else { Ok(created) }
}

/// Reads [`encode_result`] and [`encode_created`].
///
/// # Errors
/// The document cannot be read or says nothing of a result.
pub fn decode_result(body: &[u8]) -> Result<bool, CodecError> {
    let response = server_response::read(body)?;
    let result = response.text("RESULT").ok_or(CodecError::Missing("RESULT"))?;
    Ok(result.trim().eq_ignore_ascii_case("true"))
}

/// The answer to GETASSETPERMISSIONS.
pub fn encode_asset_permissions(permissions: u32) -> Bytes {
    let mut response = ServerResponseWriter::new();
    response.number("RESULT", permissions);
    response.finish()
}

/// Reads [`encode_asset_permissions`].
///
/// # Errors
/// The document cannot be read, is the failure document, or has no number.
pub fn decode_asset_permissions(body: &[u8]) -> Result<u32, CodecError> {
    let response = server_response::read(body)?;
    match response.text("RESULT") {
        Some(result) if result.trim().eq_ignore_ascii_case("false") => Err(CodecError::Failure),
        _ => number(&response, "RESULT"),
    }
}

/// The answer to GETROOTFOLDER, GETFOLDERFORTYPE and GETFOLDER.
pub fn encode_folder(folder: Option<&InventoryFolder>) -> Bytes {
    let mut response = ServerResponseWriter::new();
    if let Some(folder) = folder {
        put_folder(&mut response, "folder", folder);
    }
    response.finish()
}

/// Reads [`encode_folder`].
///
/// # Errors
/// The document cannot be read or is the failure document, or the folder lacks a field or has a malformed one.
pub fn decode_folder(body: &[u8]) -> Result<Option<InventoryFolder>, CodecError> {
    let response = read_look_up(body)?;
    response.list("folder").map(read_folder).transpose()
}

/// The answer to GETITEM.
pub fn encode_item(item: Option<&InventoryItem>) -> Bytes {
    let mut response = ServerResponseWriter::new();
    if let Some(item) = item {
        put_item(&mut response, "item", item);
    }
    response.finish()
}

/// Reads [`encode_item`].
///
/// # Errors
/// As [`decode_folder`].
pub fn decode_item(body: &[u8]) -> Result<Option<InventoryItem>, CodecError> {
    let response = read_look_up(body)?;
    response.list("item").map(read_answered_item).transpose()
}

/// The answer to GETINVENTORYSKELETON.
pub fn encode_skeleton(folders: &[InventoryFolder]) -> Bytes {
    let mut response = with_room_for(folders.len(), 0);
    put_folders(&mut response, folders);
    response.finish()
}

/// Reads [`encode_skeleton`].
///
/// # Errors
/// As [`decode_folder`]; also when the document has something, but no list of folders.
pub fn decode_skeleton(body: &[u8]) -> Result<Vec<InventoryFolder>, CodecError> {
    let response = read_look_up(body)?;
    match response.get("FOLDERS") {
        None if !response.entries().is_empty() => Err(CodecError::Missing("FOLDERS")),
        folders => read_folders(folders),
    }
}

/// The answer to GETFOLDERITEMS and GETACTIVEGESTURES.
pub fn encode_items(items: &[InventoryItem]) -> Bytes {
    let mut response = with_room_for(0, items.len());
    put_items(&mut response, items);
    response.finish()
}

/// Reads [`encode_items`].
///
/// # Errors
/// As [`decode_folder`]; also when the document has something, but no list of items.
pub fn decode_items(body: &[u8]) -> Result<Vec<InventoryItem>, CodecError> {
    let response = read_look_up(body)?;
    match response.get("ITEMS") {
        None if !response.entries().is_empty() => Err(CodecError::Missing("ITEMS")),
        items => read_items(items),
    }
}

/// The answer to GETMULTIPLEITEMS: one entry for each item asked for, in the same order. The client counts on that.
pub fn encode_several_items(items: &[Option<InventoryItem>]) -> Bytes {
    let mut response = ServerResponseWriter::new();
    let mut names = NumberedNames::new("item_");
    for item in items {
        match item {
            Some(item) => put_item(&mut response, names.next(), item),
            None => response.text(names.next(), NO_ITEM),
        }
    }
    response.finish()
}

/// Reads the items that [`encode_several_items`] has, in its order, whatever was asked for. Older versions of ROBUST answer in any
/// order and leave out what was not found (inventory.md section 4).
///
/// # Errors
/// As [`decode_folder`].
pub fn decode_found_items(body: &[u8]) -> Result<Vec<InventoryItem>, CodecError> {
    let response = read_look_up(body)?;
    response.entries().iter().filter_map(|(_, value)| value.list()).map(read_answered_item).collect()
}

/// The answer to GETFOLDERCONTENT. For a folder that was not found the id is the zero UUID, the version 0, and both lists are empty.
pub fn encode_folder_content(content: Option<&FolderContent>) -> Bytes {
    let (folders, items) = content.map_or((0, 0), |content| (content.folders.len(), content.items.len()));
    let mut response = with_room_for(folders, items);
    response.id("FID", content.map(|content| content.folder).unwrap_or_default());
    response.number("VERSION", content.map(|content| content.version).unwrap_or_default());
    put_content(&mut response, content);
    response.finish()
}

/// Reads [`encode_folder_content`]. The answer does not say whose the folder is; `owner` is taken for it. Lists that are absent are
/// empty.
///
/// # Errors
/// As [`decode_folder`].
pub fn decode_folder_content(body: &[u8], owner: Uuid) -> Result<Option<FolderContent>, CodecError> {
    let response = read_look_up(body)?;
    if response.entries().is_empty() { Ok(None) } else { read_content(&response, owner) }
}

/// The answer to GETMULTIPLEFOLDERSCONTENT: for each of the folders `asked` for, which must differ, its entry in `contents`. Where an
/// owner is not known, `principal` stands (inventory.md section 3).
pub fn encode_folders_content(asked: &[Uuid], contents: &[Option<FolderContent>], principal: Uuid) -> Bytes {
    let mut response = ServerResponseWriter::new();
    for (asked, content) in asked.iter().zip(contents) {
        let content = content.as_ref();
        let owner = content.map(|content| content.owner).filter(|owner| !owner.is_nil()).unwrap_or(principal);
        response.begin_list(&entry_name(*asked));
        response.id("FID", content.map(|content| content.folder).unwrap_or_default());
        response.number("VERSION", content.map(|content| content.version).unwrap_or_default());
        response.id("OWNER", owner);
        put_content(&mut response, content);
        response.end_list();
    }
    response.finish()
}

/// Reads [`encode_folders_content`], of an answer to a request for the folders `asked`; gives one entry for each. An answer without
/// anything says that none of them was found.
///
/// # Errors
/// As [`decode_folder`]; also when there is no entry for one of them.
pub fn decode_folders_content(body: &[u8], asked: &[Uuid]) -> Result<Vec<Option<FolderContent>>, CodecError> {
    let response = read_look_up(body)?;
    if response.entries().is_empty() {
        return Ok(vec![None; asked.len()]);
    }
    let entries: HashMap<&str, &Value> = response.entries().iter().map(|(name, value)| (name.as_str(), value)).collect();
    let entry = |asked: &Uuid| {
        let entry = entries.get(entry_name(*asked).as_str()).and_then(|value| value.list());
        let entry = entry.ok_or(CodecError::Missing("an F_ entry"))?;
        read_content(entry, id(entry, "OWNER")?)
    };
    asked.iter().map(entry).collect()
}

/// A writer with room for so many records of the usual length; a long answer that has to grow is copied each time.
fn with_room_for(folders: usize, items: usize) -> ServerResponseWriter {
    const FOLDER: usize = 320;
    const ITEM: usize = 1024;
    ServerResponseWriter::with_capacity(512 + folders * FOLDER + items * ITEM)
}

fn entry_name(folder: Uuid) -> String {
    format!("F_{folder}")
}

fn put_content(response: &mut ServerResponseWriter, content: Option<&FolderContent>) {
    put_folders(response, content.map(|content| content.folders.as_slice()).unwrap_or_default());
    put_items(response, content.map(|content| content.items.as_slice()).unwrap_or_default());
}

fn read_content(fields: &List, owner: Uuid) -> Result<Option<FolderContent>, CodecError> {
    let folder = id(fields, "FID")?;
    if folder.is_nil() {
        return Ok(None);
    }
    Ok(Some(FolderContent {
        folder,
        owner,
        version: number(fields, "VERSION")?,
        folders: read_folders(fields.get("FOLDERS"))?,
        items: read_items(fields.get("ITEMS"))?,
    }))
}

fn put_folders(response: &mut ServerResponseWriter, folders: &[InventoryFolder]) {
    response.begin_list("FOLDERS");
    let mut names = NumberedNames::new("folder_");
    for folder in folders {
        put_folder(response, names.next(), folder);
    }
    response.end_list();
}

fn put_items(response: &mut ServerResponseWriter, items: &[InventoryItem]) {
    response.begin_list("ITEMS");
    let mut names = NumberedNames::new("item_");
    for item in items {
        put_item(response, names.next(), item);
    }
    response.end_list();
}

fn put_folder(response: &mut ServerResponseWriter, name: &str, folder: &InventoryFolder) {
    response.begin_list(name);
    write_folder(response, folder);
    response.end_list();
}

fn put_item(response: &mut ServerResponseWriter, name: &str, item: &InventoryItem) {
    response.begin_list(name);
    write_item(response, item);
    response.end_list();
}

/// The folders of a list. Text in its place, or nothing, is an empty list (transport.md section 6).
fn read_folders(list: Option<&Value>) -> Result<Vec<InventoryFolder>, CodecError> {
    records(list).map(|folder| read_folder(folder.ok_or(CodecError::Missing("a folder"))?)).collect()
}

fn read_items(list: Option<&Value>) -> Result<Vec<InventoryItem>, CodecError> {
    records(list).map(|item| read_answered_item(item.ok_or(CodecError::Missing("an item"))?)).collect()
}

fn records(list: Option<&Value>) -> impl Iterator<Item = Option<&List>> {
    let entries = list.and_then(Value::list).map(List::entries).unwrap_or_default();
    entries.iter().map(|(_, value)| value.list())
}

/// An item of an answer, which may lack the creator's data (inventory.md section 9).
fn read_answered_item(item: &List) -> Result<InventoryItem, CodecError> {
    struct Answered<'a>(&'a List);

    impl FieldReader for Answered<'_> {
        fn field(&self, name: &str) -> Option<&str> {
            self.0.field(name).or((name == "CreatorData").then_some(""))
        }
    }

    read_item(&Answered(item))
}

/// The answer to a look-up, unless it is the failure document.
fn read_look_up(body: &[u8]) -> Result<List, CodecError> {
    let response = server_response::read(body)?;
    if response.get("RESULT").is_some() { Err(CodecError::Failure) } else { Ok(response) }
}

/// `item_0`, `item_1`, and so on, in one buffer.
struct NumberedNames {
    name: String,
    prefix: usize,
    next: usize,
}

impl NumberedNames {
    fn new(prefix: &str) -> Self {
        Self { name: prefix.to_owned(), prefix: prefix.len(), next: 0 }
    }

    fn next(&mut self) -> &str {
        self.name.truncate(self.prefix);
        // Writing to a String cannot fail.
        let _ = write!(self.name, "{}", self.next);
        self.next += 1;
        &self.name
    }
}
