//! AssetBase and AssetMetadata documents: any bytes are read or refused, and an asset that was read can be written and read again.
#![no_main]

use gridshell_connectors::asset::codec::{decode_asset, decode_metadata, encode_asset};
use gridshell_connectors::wire::dotnet::Style;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let _ = decode_metadata(body);
    if let Ok(decoded) = decode_asset(body) {
        let document = encode_asset(&decoded.asset, Style::Indented).expect("flags that were read have names");
        let again = decode_asset(&document).expect("our own document can be read");
        assert_eq!(again.asset.metadata.id, decoded.asset.metadata.id);
        assert_eq!(again.asset.data, decoded.asset.data);
    }
});
