//! Inventory requests: any body is read or refused, and what was read can be written and read again. The same bytes as an answer are
//! read or refused, too.
#![no_main]

use gridshell_connectors::inventory::codec::{
    Call, CodecError, Method, decode_asset_permissions, decode_found_items, decode_items, decode_result, decode_skeleton,
};
use gridshell_connectors::wire::form::Form;
use libfuzzer_sys::fuzz_target;

fn decode(body: &[u8]) -> Result<Call, CodecError> {
    let form = Form::decode(body)?;
    Call::decode(Method::of(&form)?, &form)
}

/// An empty list leaves no trace in a form.
fn has_empty_list(call: &Call) -> bool {
    match call {
        Call::DeleteFolders { folders: ids, .. } | Call::DeleteItems { items: ids, .. } => ids.is_empty(),
        Call::MoveItems { moves, .. } => moves.is_empty(),
        _ => false,
    }
}

fuzz_target!(|body: &[u8]| {
    if let Ok(call) = decode(body)
        && !has_empty_list(&call)
    {
        assert_eq!(decode(&call.encode()).expect("our own request can be read"), call);
    }
    let _ = decode_result(body);
    let _ = decode_asset_permissions(body);
    let _ = decode_skeleton(body);
    let _ = decode_items(body);
    let _ = decode_found_items(body);
});
