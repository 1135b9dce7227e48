//! The file of one asset: everything about it, under one checksum (docs/edge-cache.md tells it field by field).
//!
//! What stands before the checksum has one right value only, and everything behind it is under the checksum, so no byte of a file can
//! change unnoticed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes};
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata};
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

const MAGIC: &[u8; 8] = b"gsAsset\n";
const VERSION: u32 = 1;
/// Magic and version.
const BEFORE_CHECKSUM: usize = 12;
/// Where what is under the checksum begins.
const CHECKED: usize = BEFORE_CHECKSUM + 16;
/// Where name, description, creator and content follow each other.
const TEXTS: usize = 88;

/// In the place of the creation date: not told.
const NO_DATE: i64 = i64::MIN;

/// The bits of the byte of marks.
const LOCAL: u8 = 1;
const TEMPORARY: u8 = 2;
const HAS_CREATOR: u8 = 4;

/// An asset as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The asset; its content is there.
    pub(super) asset: Asset,
    /// When it was asked for, to the millisecond.
    pub(super) fetched: SystemTime,
}

/// Why a file is not what was kept under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is no file of this cache")]
    Magic,
    #[error("it has version {0} of the format, and {VERSION} is known")]
    Version(u32),
    #[error("its length is wrong")]
    Length,
    #[error("its checksum is wrong")]
    Checksum,
    #[error("it is that of asset {0}")]
    OtherAsset(Uuid),
    #[error("a text in it is no UTF-8")]
    Text,
}

/// The file of an asset up to the content, which follows as it is. `None` for what a file cannot hold: an asset without content, or
/// texts of gigabytes.
pub(super) fn encode_head(metadata: &AssetMetadata, data: &Bytes, fetched: SystemTime) -> Option<Vec<u8>> {
    let creator = metadata.creator.as_deref().unwrap_or_default();
    let texts = [metadata.name.as_str(), &metadata.description, creator];
    let marks = [(metadata.local, LOCAL), (metadata.temporary, TEMPORARY), (metadata.creator.is_some(), HAS_CREATOR)];
    let fetched = fetched.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();

    let mut head = Vec::with_capacity(TEXTS + texts.iter().map(|text| text.len()).sum::<usize>());
    head.put_slice(MAGIC);
    head.put_u32_le(VERSION);
    // The checksum, as soon as it is known.
    head.put_bytes(0, CHECKED - BEFORE_CHECKSUM);
    head.put_slice(metadata.id.as_bytes());
    head.put_u64_le(u64::try_from(fetched).ok()?);
    head.put_i64_le(metadata.created.unwrap_or(NO_DATE));
    head.put_i32_le(metadata.flags.0);
    head.put_i8(metadata.asset_type);
    head.put_u8(marks.iter().filter(|(is_set, _)| *is_set).fold(0, |marks, (_, bit)| marks | bit));
    head.put_u16_le(0);
    for text in texts {
        head.put_u32_le(u32::try_from(text.len()).ok()?);
    }
    head.put_u64_le(data.len() as u64);
    for text in texts {
        head.put_slice(text.as_bytes());
    }

    let mut checksum = Xxh3::new();
    checksum.update(&head[CHECKED..]);
    checksum.update(data);
    head[BEFORE_CHECKSUM..CHECKED].copy_from_slice(&checksum.digest128().to_le_bytes());
    Some(head)
}

/// Reads the file of the asset `id`. The content is a part of `file`, not a copy.
pub(super) fn decode(file: &Bytes, id: Uuid) -> Result<Kept, Damage> {
    if !file.starts_with(MAGIC) {
        return Err(Damage::Magic);
    }
    let version = u32::from_le_bytes(field(file, MAGIC.len())?);
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    let checked = file.get(CHECKED..).ok_or(Damage::Length)?;
    if u128::from_le_bytes(field(file, BEFORE_CHECKSUM)?) != xxh3_128(checked) {
        return Err(Damage::Checksum);
    }
    // From here on the bytes are those that were written. They are looked at no less carefully.
    let found = Uuid::from_bytes(field(file, 28)?);
    if found != id {
        return Err(Damage::OtherAsset(found));
    }
    let fetched = UNIX_EPOCH.checked_add(Duration::from_millis(u64::from_le_bytes(field(file, 44)?))).ok_or(Damage::Length)?;
    let created = i64::from_le_bytes(field(file, 52)?);
    let [asset_type, marks] = field(file, 64)?;
    let mut start = TEXTS;
    let mut next = |length: u64| {
        let length = usize::try_from(length).map_err(|_| Damage::Length)?;
        let end = start.checked_add(length).filter(|end| *end <= file.len()).ok_or(Damage::Length)?;
        Ok(file.slice(std::mem::replace(&mut start, end)..end))
    };
    let name = next(u32::from_le_bytes(field(file, 68)?).into())?;
    let description = next(u32::from_le_bytes(field(file, 72)?).into())?;
    let creator = next(u32::from_le_bytes(field(file, 76)?).into())?;
    let data = next(u64::from_le_bytes(field(file, 80)?))?;
    if start != file.len() {
        return Err(Damage::Length);
    }
    let text = |bytes: Bytes| String::from_utf8(bytes.into()).map_err(|_| Damage::Text);
    let metadata = AssetMetadata {
        id,
        name: text(name)?,
        description: text(description)?,
        created: (created != NO_DATE).then_some(created),
        asset_type: i8::from_le_bytes([asset_type]),
        local: marks & LOCAL != 0,
        temporary: marks & TEMPORARY != 0,
        creator: if marks & HAS_CREATOR != 0 { Some(text(creator)?) } else { None },
        flags: AssetFlags(i32::from_le_bytes(field(file, 60)?)),
    };
    Ok(Kept { asset: Asset { metadata, data: Some(data) }, fetched })
}

/// The bytes of a field.
fn field<const LENGTH: usize>(file: &[u8], start: usize) -> Result<[u8; LENGTH], Damage> {
    file.get(start..).and_then(|rest| rest.first_chunk()).copied().ok_or(Damage::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let metadata = AssetMetadata {
            id: Uuid::from_u128(0x0a0b0c0d_1111_4222_8333_0102030405ff),
            name: "Möbel".to_owned(),
            description: String::new(),
            created: Some(1_500_000_000),
            asset_type: -2,
            local: false,
            temporary: true,
            creator: Some("me".to_owned()),
            flags: AssetFlags(0x4000_0002),
        };
        let asset = Asset { metadata, data: Some(Bytes::from_static(b"\0data\xff")) };
        Kept { asset, fetched: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123) }
    }

    fn file(kept: &Kept) -> Bytes {
        let data = kept.asset.data.clone().unwrap();
        let mut file = encode_head(&kept.asset.metadata, &data, kept.fetched).unwrap();
        file.extend_from_slice(&data);
        file.into()
    }

    #[test]
    fn the_layout_is_the_one_of_the_documentation() {
        let file = file(&kept());
        let expected: &[&[u8]] = &[
            b"\x0a\x0b\x0c\x0d\x11\x11\x42\x22\x83\x33\x01\x02\x03\x04\x05\xff",
            &1_700_000_000_123_u64.to_le_bytes(),
            &1_500_000_000_i64.to_le_bytes(),
            b"\x02\0\0\x40",
            b"\xfe\x06\0\0",
            b"\x06\0\0\0\0\0\0\0\x02\0\0\0",
            b"\x06\0\0\0\0\0\0\0",
            "Möbel".as_bytes(),
            b"me",
            b"\0data\xff",
        ];
        assert_eq!(file[..12], *b"gsAsset\n\x01\0\0\0");
        assert_eq!(file[28..], expected.concat());
        assert_eq!(file[12..28], xxh3_128(&file[28..]).to_le_bytes());
    }

    #[test]
    fn what_was_written_is_read() {
        let full = kept();
        let mut bare = kept();
        bare.asset.data = Some(Bytes::new());
        let metadata = &mut bare.asset.metadata;
        (metadata.creator, metadata.created, metadata.local, metadata.temporary) = (None, None, true, false);
        let mut no_creator_is_not_an_empty_one = bare.clone();
        no_creator_is_not_an_empty_one.asset.metadata.creator = Some(String::new());
        for kept in [full, bare, no_creator_is_not_an_empty_one] {
            assert_eq!(decode(&file(&kept), kept.asset.metadata.id), Ok(kept));
        }
    }

    #[test]
    fn no_bit_changes_unnoticed_and_nothing_is_missing_or_too_much() {
        let kept = kept();
        let (id, file) = (kept.asset.metadata.id, file(&kept));
        for bit in 0..file.len() * 8 {
            let mut flipped = file.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped.into(), id).is_err(), "bit {bit}");
        }
        for length in 0..file.len() {
            assert!(decode(&file.slice(..length), id).is_err(), "{length} bytes");
        }
        let longer = [&file[..], b"\0"].concat();
        assert_eq!(decode(&longer.into(), id), Err(Damage::Checksum));
        assert_eq!(decode(&file, Uuid::nil()), Err(Damage::OtherAsset(id)));
    }

    #[test]
    fn lengths_that_lie_under_a_right_checksum_are_errors() {
        let kept = kept();
        for position in [68, 72, 76, 80] {
            for value in [u32::MAX, 5000, 0] {
                let mut file = file(&kept).to_vec();
                file[position..position + 4].copy_from_slice(&value.to_le_bytes());
                let checksum = xxh3_128(&file[CHECKED..]).to_le_bytes();
                file[BEFORE_CHECKSUM..CHECKED].copy_from_slice(&checksum);
                let read = decode(&file.clone().into(), kept.asset.metadata.id);
                // The description is empty.
                assert_eq!(read.is_ok(), position == 72 && value == 0, "{value} at {position}: {read:?}");
            }
        }
    }
}
