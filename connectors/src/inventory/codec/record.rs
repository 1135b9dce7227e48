//! The fields of a folder and of an item: the same names and formats in forms and in `ServerResponse` documents (inventory.md
//! section 2).

use gridshell_interfaces::ids::parse_uuid;
use gridshell_interfaces::inventory::{FolderType, InventoryFolder, InventoryItem};
use uuid::Uuid;

use super::error::CodecError;
use crate::wire::WireError;
use crate::wire::form::{Form, FormWriter};
use crate::wire::server_response::{List, ServerResponseWriter};

/// Takes the fields of a record.
pub(super) trait FieldWriter {
    fn text(&mut self, name: &str, value: &str);

    fn number(&mut self, name: &str, value: impl itoa::Integer);

    fn id(&mut self, name: &str, value: Uuid);

    fn boolean(&mut self, name: &str, value: bool) {
        self.text(name, if value { "True" } else { "False" });
    }
}

impl FieldWriter for ServerResponseWriter {
    fn text(&mut self, name: &str, value: &str) {
        Self::text(self, name, value);
    }

    fn number(&mut self, name: &str, value: impl itoa::Integer) {
        Self::number(self, name, value);
    }

    fn id(&mut self, name: &str, value: Uuid) {
        Self::id(self, name, value);
    }
}

impl FieldWriter for FormWriter {
    fn text(&mut self, name: &str, value: &str) {
        Self::text(self, name, value);
    }

    fn number(&mut self, name: &str, value: impl itoa::Integer) {
        Self::text(self, name, itoa::Buffer::new().format(value));
    }

    fn id(&mut self, name: &str, value: Uuid) {
        Self::text(self, name, value.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }
}

/// Gives the fields of a record as they were sent.
pub(super) trait FieldReader {
    fn field(&self, name: &str) -> Option<&str>;
}

impl FieldReader for Form<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

impl FieldReader for List {
    fn field(&self, name: &str) -> Option<&str> {
        self.text(name)
    }
}

/// Writes a folder's fields in the order of an answer.
pub(super) fn write_folder(out: &mut impl FieldWriter, folder: &InventoryFolder) {
    out.id("ParentID", folder.parent);
    out.number("Type", folder.folder_type.0);
    out.number("Version", folder.version);
    out.text("Name", &folder.name);
    out.id("Owner", folder.owner);
    out.id("ID", folder.id);
}

/// Reads a folder's fields; all of them must be there.
pub(super) fn read_folder(fields: &impl FieldReader) -> Result<InventoryFolder, CodecError> {
    Ok(InventoryFolder {
        parent: id(fields, "ParentID")?,
        folder_type: FolderType(number(fields, "Type")?),
        version: number(fields, "Version")?,
        name: text(fields, "Name")?,
        owner: id(fields, "Owner")?,
        id: id(fields, "ID")?,
    })
}

/// Writes an item's fields in the order of an answer.
pub(super) fn write_item(out: &mut impl FieldWriter, item: &InventoryItem) {
    out.id("AssetID", item.asset_id);
    out.number("AssetType", item.asset_type);
    out.number("BasePermissions", item.base_permissions);
    out.number("CreationDate", item.creation_date);
    out.text("CreatorId", &item.creator_id);
    out.text("CreatorData", &item.creator_data);
    out.number("CurrentPermissions", item.current_permissions);
    out.text("Description", &item.description);
    out.number("EveryOnePermissions", item.everyone_permissions);
    out.number("Flags", item.flags);
    out.id("Folder", item.folder);
    out.id("GroupID", item.group_id);
    out.boolean("GroupOwned", item.group_owned);
    out.number("GroupPermissions", item.group_permissions);
    out.id("ID", item.id);
    out.number("InvType", item.inventory_type);
    out.text("Name", &item.name);
    out.number("NextPermissions", item.next_permissions);
    out.id("Owner", item.owner);
    out.number("SalePrice", item.sale_price);
    out.number("SaleType", item.sale_type);
}

/// Reads an item's fields; all of them must be there.
pub(super) fn read_item(fields: &impl FieldReader) -> Result<InventoryItem, CodecError> {
    Ok(InventoryItem {
        asset_id: id(fields, "AssetID")?,
        asset_type: number(fields, "AssetType")?,
        base_permissions: number(fields, "BasePermissions")?,
        creation_date: number(fields, "CreationDate")?,
        creator_id: text(fields, "CreatorId")?,
        creator_data: text(fields, "CreatorData")?,
        current_permissions: number(fields, "CurrentPermissions")?,
        description: text(fields, "Description")?,
        everyone_permissions: number(fields, "EveryOnePermissions")?,
        flags: number(fields, "Flags")?,
        folder: id(fields, "Folder")?,
        group_id: id(fields, "GroupID")?,
        group_owned: boolean(fields, "GroupOwned")?,
        group_permissions: number(fields, "GroupPermissions")?,
        id: id(fields, "ID")?,
        inventory_type: number(fields, "InvType")?,
        name: text(fields, "Name")?,
        next_permissions: number(fields, "NextPermissions")?,
        owner: id(fields, "Owner")?,
        sale_price: number(fields, "SalePrice")?,
        sale_type: number(fields, "SaleType")?,
    })
}

/// A field as it was sent.
pub(super) fn required<'a>(fields: &'a impl FieldReader, name: &'static str) -> Result<&'a str, CodecError> {
    fields.field(name).ok_or(CodecError::Missing(name))
}

/// A text; one of blanks only is empty (inventory.md section 2).
fn text(fields: &impl FieldReader, name: &'static str) -> Result<String, CodecError> {
    let text = required(fields, name)?;
    Ok(if text.trim().is_empty() { String::new() } else { text.to_owned() })
}

/// A UUID where a malformed one is an error.
pub(super) fn id(fields: &impl FieldReader, name: &'static str) -> Result<Uuid, CodecError> {
    let text = required(fields, name)?;
    parse_uuid(text).ok_or_else(|| WireError::value(name, "UUID", text).into())
}

/// A decimal number that fits its type: a sign and blanks around it are permitted, nothing else (inventory.md section 2).
pub(super) fn number<T: TryFrom<i64>>(fields: &impl FieldReader, name: &'static str) -> Result<T, CodecError> {
    let text = required(fields, name)?;
    parse_number(text).ok_or_else(|| WireError::value(name, std::any::type_name::<T>(), text).into())
}

/// The number that a text is, if it is one that fits.
pub(super) fn parse_number<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let digits = text.trim_matches(|character| matches!(character, '\t'..='\r' | ' '));
    T::try_from(digits.parse::<i64>().ok()?).ok()
}

/// `True` or `False` in any case, blanks around it.
fn boolean(fields: &impl FieldReader, name: &'static str) -> Result<bool, CodecError> {
    let text = required(fields, name)?;
    match text.trim() {
        value if value.eq_ignore_ascii_case("true") => Ok(true),
        value if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(WireError::value(name, "boolean", text).into()),
    }
}
