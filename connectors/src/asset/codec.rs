//! AssetBase and AssetMetadata documents, both directions (assets.md section 2).

use bytes::Bytes;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, asset_type_of_content_type, content_type_of};
use gridshell_interfaces::ids::parse_uuid;
use uuid::Uuid;

use crate::wire::dotnet::{DocumentWriter, Style, boolean, integer, nested_uuid};
use crate::wire::xml_reader::{XmlReader, XmlText};
use crate::wire::xml_writer::in_one_allocation;
use crate::wire::{WireError, base64, dotnet_date};

/// The type of an asset whose document does not tell: unknown.
const NO_TYPE: i8 = -1;

/// Writes an AssetBase document: indented to answer, compact to ask.
///
/// # Errors
/// [`WireError::NamelessFlags`] when a flag bit has no name.
pub fn encode_asset(asset: &Asset, style: Style) -> Result<Bytes, WireError> {
    let Asset { metadata, data } = asset;
    let (id, asset_type, flags) = (metadata.id.to_string(), metadata.asset_type.to_string(), flag_names(metadata.flags)?);
    Ok(in_one_allocation(|sink| {
        DocumentWriter::new(sink, style).root("AssetBase", |document| {
            if let Some(data) = data {
                document.base64("Data", data);
            }
            write_ids_and_texts(document, &id, metadata);
            document.text("Type", &asset_type);
            document.text("UploadAttempts", "0");
            write_rest(document, metadata, &flags);
        });
    }))
}

/// Writes an AssetMetadata document, indented.
///
/// # Errors
/// As [`encode_asset`].
pub fn encode_metadata(metadata: &AssetMetadata) -> Result<Bytes, WireError> {
    let (id, asset_type, flags) = (metadata.id.to_string(), metadata.asset_type.to_string(), flag_names(metadata.flags)?);
    let created = dotnet_date::write(metadata.created);
    Ok(in_one_allocation(|sink| {
        DocumentWriter::new(sink, Style::Indented).root("AssetMetadata", |document| {
            write_ids_and_texts(document, &id, metadata);
            document.text("CreationDate", &created);
            document.text("Type", &asset_type);
            document.text("ContentType", content_type_of(metadata.asset_type));
            write_rest(document, metadata, &flags);
        });
    }))
}

fn write_ids_and_texts(document: &mut DocumentWriter<'_>, id: &str, metadata: &AssetMetadata) {
    document.element("FullID", |full_id| full_id.text("Guid", id));
    document.text("ID", id);
    document.text("Name", &metadata.name);
    document.text("Description", &metadata.description);
}

fn write_rest(document: &mut DocumentWriter<'_>, metadata: &AssetMetadata, flags: &str) {
    document.boolean("Local", metadata.local);
    document.boolean("Temporary", metadata.temporary);
    if let Some(creator) = &metadata.creator {
        document.text("CreatorID", creator);
    }
    document.text("Flags", flags);
}

fn flag_names(flags: AssetFlags) -> Result<String, WireError> {
    flags.names().ok_or(WireError::NamelessFlags(flags.0))
}

/// An asset out of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedAsset {
    /// The asset. Its id is what `FullID` and `ID` made of each other in document order: an `ID` that is no UUID leaves it as it
    /// was.
    pub asset: Asset,
    /// What the original takes for the asset's `ID`: the id as text, or the text as sent when that is no UUID.
    pub id_text: String,
}

/// Reads an AssetBase document that a client sent. Without `CreatorID` the creator is empty.
///
/// # Errors
/// It breaks one of the reading rules of (assets.md section 2), or is nil ([`WireError::NilRoot`]).
pub fn decode_asset(body: &[u8]) -> Result<DecodedAsset, WireError> {
    let mut decoded = decode_asset_answer(body)?;
    decoded.asset.metadata.creator.get_or_insert_default();
    Ok(decoded)
}

/// Reads an AssetBase document that an upstream answered. Without `CreatorID` the creator is `None`: that is how a store without
/// creators answers (assets.md section 6).
///
/// # Errors
/// As [`decode_asset`].
pub fn decode_asset_answer(body: &[u8]) -> Result<DecodedAsset, WireError> {
    let document = XmlText::decode(body)?;
    let (metadata, data, id_text) = read_members(document.reader(), "AssetBase", &ASSET_BASE)?;
    Ok(DecodedAsset { asset: Asset { metadata, data }, id_text })
}

/// Whether a body is the whole AssetBase document of this asset, which need not be read to be passed on.
///
/// Looked at are its beginning, its end and its id; in a document of a usual form that is enough. One of another form is read.
///
/// # Errors
/// As [`decode_asset`]; and `WrongId` with the id that it is about.
pub fn check_document(body: &[u8], id: Uuid) -> Result<(), DocumentError> {
    if id_of_usual_document(body) == Some(id) {
        return Ok(());
    }
    let found = decode_asset_answer(body)?.asset.metadata.id;
    if found == id { Ok(()) } else { Err(DocumentError::WrongId(found)) }
}

/// A document is not that of an asset.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] WireError),
    /// It is about another asset.
    #[error("it is about {0}")]
    WrongId(Uuid),
}

/// The id of a document as ROBUST and gridshell write them: the content first, if there is any, and then the rest.
fn id_of_usual_document(body: &[u8]) -> Option<Uuid> {
    const BEGINNING: usize = 300;
    let whole = body.trim_ascii_end().strip_suffix(b"</AssetBase>")?;
    memchr::memmem::find(&whole[..whole.len().min(BEGINNING)], b"<AssetBase")?;
    // Nothing in base64 looks like an element, so the first end is that of the content.
    let rest = match memchr::memmem::find(whole, b"</Data>") {
        Some(end) => &whole[end..],
        None => whole,
    };
    let start = memchr::memmem::find(rest, b"<ID>")? + b"<ID>".len();
    let end = start + memchr::memmem::find(&rest[start..], b"</ID>")?;
    parse_uuid(std::str::from_utf8(&rest[start..end]).ok()?)
}

/// Reads an AssetMetadata document that an upstream answered. A `ContentType` sets the type to the first one with that MIME type,
/// as in the original, so 18 is read as 12. Without `CreatorID` the creator is `None`.
///
/// # Errors
/// As [`decode_asset`].
pub fn decode_metadata(body: &[u8]) -> Result<AssetMetadata, WireError> {
    let document = XmlText::decode(body)?;
    let (metadata, _, _) = read_members(document.reader(), "AssetMetadata", &ASSET_METADATA)?;
    Ok(metadata)
}

/// The elements of a document that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Data,
    FullId,
    Id,
    Name,
    Description,
    CreationDate,
    Type,
    ContentType,
    UploadAttempts,
    Local,
    Temporary,
    CreatorId,
    Flags,
}

const ASSET_BASE: [(&str, Member); 11] = [
    ("Data", Member::Data),
    ("FullID", Member::FullId),
    ("ID", Member::Id),
    ("Name", Member::Name),
    ("Description", Member::Description),
    ("Type", Member::Type),
    ("UploadAttempts", Member::UploadAttempts),
    ("Local", Member::Local),
    ("Temporary", Member::Temporary),
    ("CreatorID", Member::CreatorId),
    ("Flags", Member::Flags),
];

/// `SHA1` is always absent, and nobody would use it: it is passed over like an unknown element.
const ASSET_METADATA: [(&str, Member); 11] = [
    ("FullID", Member::FullId),
    ("ID", Member::Id),
    ("Name", Member::Name),
    ("Description", Member::Description),
    ("CreationDate", Member::CreationDate),
    ("Type", Member::Type),
    ("ContentType", Member::ContentType),
    ("Local", Member::Local),
    ("Temporary", Member::Temporary),
    ("CreatorID", Member::CreatorId),
    ("Flags", Member::Flags),
];

/// Reads the root and its members: of a repeated one the first counts, all that is not in `members` is passed over. Gives
/// metadata, data, and the text of `ID`.
fn read_members(
    mut reader: XmlReader<'_>,
    root: &'static str,
    members: &[(&str, Member)],
) -> Result<(AssetMetadata, Option<Bytes>, String), WireError> {
    reader.expect_root(root)?;
    let mut metadata = AssetMetadata {
        id: Uuid::nil(),
        name: String::new(),
        description: String::new(),
        created: None,
        asset_type: NO_TYPE,
        local: false,
        temporary: false,
        creator: None,
        flags: AssetFlags::NORMAL,
    };
    let mut data = None;
    // The text of an `ID` that is no UUID, as long as no `FullID` follows it.
    let mut free_id = None;
    let mut seen = Vec::with_capacity(members.len());

    while let Some(child) = reader.next_child()? {
        let member = members.iter().find(|(name, _)| child.is(name)).map(|(_, member)| *member);
        let Some(member) = member.filter(|member| !seen.contains(member)) else {
            reader.skip()?;
            continue;
        };
        seen.push(member);
        match member {
            Member::FullId => {
                metadata.id = nested_uuid(&mut reader)?;
                free_id = None;
            }
            Member::Type => metadata.asset_type = integer("Type", &reader.text()?)?,
            Member::UploadAttempts => {
                // Means nothing, but must be a number.
                integer::<i32>("UploadAttempts", &reader.text()?)?;
            }
            Member::Local => metadata.local = boolean("Local", &reader.text()?)?,
            Member::Temporary => metadata.temporary = boolean("Temporary", &reader.text()?)?,
            Member::Flags => metadata.flags = flags(&reader.text()?)?,
            Member::CreationDate => {
                let text = reader.text()?;
                metadata.created = dotnet_date::read(&text).ok_or_else(|| WireError::value("CreationDate", "date", &text))?;
            }
            // What follows can be nil, which leaves the default.
            _ if child.nil => reader.skip()?,
            Member::Data => {
                let text = reader.text()?;
                let bytes = base64::decode(text.as_bytes()).map_err(|_| WireError::value("Data", "base64", &text))?;
                data = Some(Bytes::from(bytes));
            }
            Member::Id => {
                let text = reader.text()?;
                match parse_uuid(&text) {
                    Some(id) => {
                        metadata.id = id;
                        free_id = None;
                    }
                    // An empty text counts as "not set".
                    None => free_id = Some(text.into_owned()).filter(|text| !text.is_empty()),
                }
            }
            Member::Name => metadata.name = reader.text()?.into_owned(),
            Member::Description => metadata.description = reader.text()?.into_owned(),
            Member::CreatorId => metadata.creator = Some(reader.text()?.into_owned()),
            Member::ContentType => {
                if let Some(asset_type) = asset_type_of_content_type(&reader.text()?) {
                    metadata.asset_type = asset_type;
                }
            }
        }
    }
    reader.finish()?;
    let id_text = free_id.unwrap_or_else(|| metadata.id.to_string());
    Ok((metadata, data, id_text))
}

/// Names separated by blanks; none is `Normal`.
fn flags(text: &str) -> Result<AssetFlags, WireError> {
    let known = |name: &str| match name {
        "Normal" => Some(AssetFlags::NORMAL),
        _ => AssetFlags::NAMES.iter().find(|(_, known)| *known == name).map(|(flag, _)| *flag),
    };
    text.split_whitespace().try_fold(AssetFlags::NORMAL, |flags, name| {
        let flag = known(name).ok_or_else(|| WireError::value("Flags", "flag name", name))?;
        Ok(AssetFlags(flags.0 | flag.0))
    })
}

#[cfg(test)]
mod tests;
