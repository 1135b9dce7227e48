//! Asset types: their numbers, names and MIME types (assets.md section 10).

const OCTET_STREAM: &str = "application/octet-stream";

/// Number, name, MIME type that is written, MIME type that is also understood.
const ASSET_TYPES: [(i8, &str, &str, Option<&str>); 28] = [
    (-2, "OSMaterial", "application/llsd+xml", None),
    (-1, "Unknown", "application/octet-stream", None),
    (0, "Texture", "image/x-j2c", Some("image/jp2")),
    (1, "Sound", "audio/ogg", Some("application/ogg")),
    (2, "CallingCard", "application/vnd.ll.callingcard", Some("application/x-metaverse-callingcard")),
    (3, "Landmark", "application/vnd.ll.landmark", Some("application/x-metaverse-landmark")),
    (5, "Clothing", "application/vnd.ll.clothing", Some("application/x-metaverse-clothing")),
    (6, "Object", "application/vnd.ll.primitive", Some("application/x-metaverse-primitive")),
    (7, "Notecard", "application/vnd.ll.notecard", Some("application/x-metaverse-notecard")),
    (8, "Folder", "application/vnd.ll.folder", None),
    (10, "LSLText", "application/vnd.ll.lsltext", Some("application/x-metaverse-lsl")),
    (11, "LSLBytecode", "application/vnd.ll.lslbyte", Some("application/x-metaverse-lso")),
    (12, "TextureTGA", "image/tga", None),
    (13, "Bodypart", "application/vnd.ll.bodypart", Some("application/x-metaverse-bodypart")),
    (17, "SoundWAV", "audio/x-wav", None),
    (18, "ImageTGA", "image/tga", None),
    (19, "ImageJPEG", "image/jpeg", None),
    (20, "Animation", "application/vnd.ll.animation", Some("application/x-metaverse-animation")),
    (21, "Gesture", "application/vnd.ll.gesture", Some("application/x-metaverse-gesture")),
    (22, "Simstate", "application/x-metaverse-simstate", None),
    (24, "Link", "application/vnd.ll.link", None),
    (25, "LinkFolder", "application/vnd.ll.linkfolder", None),
    (26, "MarketplaceFolder", "application/octet-stream", None),
    (49, "Mesh", "application/vnd.ll.mesh", None),
    (56, "Settings", "application/octet-stream", None),
    (57, "Material", "application/llsd+xml", None),
    (58, "GLTF", "application/octet-stream", None),
    (59, "GLTF_bin", "application/octet-stream", None),
];

/// The MIME type of an asset type; `application/octet-stream` for a number without one.
pub fn content_type_of(asset_type: i8) -> &'static str {
    ASSET_TYPES.iter().find(|row| row.0 == asset_type).map_or(OCTET_STREAM, |row| row.2)
}

/// The first asset type with this MIME type (`image/tga` is 12, `application/llsd+xml` is 57); `None` when no type has it, and for
/// `application/octet-stream`, which says nothing.
pub fn asset_type_of_content_type(content_type: &str) -> Option<i8> {
    if content_type == OCTET_STREAM {
        return None;
    }
    // Types below zero have no MIME type of their own to be known by: `application/llsd+xml` means 57, not -2.
    ASSET_TYPES.iter().find(|row| row.0 >= 0 && (row.2 == content_type || row.3 == Some(content_type))).map(|row| row.0)
}

/// The name of an asset type, or `None` for a number without one.
pub fn asset_type_name(asset_type: i8) -> Option<&'static str> {
    ASSET_TYPES.iter().find(|row| row.0 == asset_type).map(|row| row.1)
}

/// The asset type of this name, in any letter case.
pub fn asset_type_of_name(name: &str) -> Option<i8> {
    ASSET_TYPES.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_content_types_read_as_the_first_type() {
        assert_eq!(asset_type_of_content_type("image/tga"), Some(12));
        assert_eq!(asset_type_of_content_type("application/llsd+xml"), Some(57));
        assert_eq!(asset_type_of_content_type("image/jp2"), Some(0));
        assert_eq!(asset_type_of_content_type(OCTET_STREAM), None);
    }

    #[test]
    fn numbers_without_a_row_are_octet_streams() {
        assert_eq!(content_type_of(100), OCTET_STREAM);
        assert_eq!(content_type_of(-2), "application/llsd+xml");
        assert_eq!(content_type_of(49), "application/vnd.ll.mesh");
    }
}
