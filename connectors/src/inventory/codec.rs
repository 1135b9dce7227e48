//! What inventory requests and their answers look like, both directions (inventory.md sections 2 and 3).
//!
//! - [`Call`]: a request, from and to a form body; [`Method`] is which of them it is
//! - [`encode_folder`] and its like: the answers, each beside the function that reads it
//!
//! Folders and items have the same field names in requests and answers, so each has one list of fields (`record.rs`) for all four
//! ways.

mod answer;
mod error;
mod method;
mod record;
mod request;

pub use answer::{
    decode_asset_permissions, decode_created, decode_folder, decode_folder_content, decode_folders_content, decode_found_items,
    decode_item, decode_items, decode_result, decode_skeleton, encode_asset_permissions, encode_created, encode_folder,
    encode_folder_content, encode_folders_content, encode_item, encode_items, encode_result, encode_several_items,
    encode_skeleton,
};
pub use error::CodecError;
pub use method::Method;
pub use request::Call;

#[cfg(test)]
mod tests;
