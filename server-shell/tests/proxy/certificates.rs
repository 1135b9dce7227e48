//! Upstreams behind TLS whose certificates nobody has signed (shell.md section 7.6).

use std::fs;

use rcgen::CertifiedKey;
use tempfile::TempDir;

use crate::common::{Shell, asset_document};
use crate::{EDGE, QUICK, storage_on, without_cache_keys};

const ID: &str = "a55e7000-0000-4000-8000-0000000000a7";

#[test]
fn chain_and_name_are_checked_unless_the_operator_waives_it() {
    let folder = TempDir::new().unwrap();
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.path().join("grid.pem"), format!("{}{}", cert.pem(), signing_key.serialize_pem())).unwrap();
    let tls = "    https_main = true\n    cert_path = grid.pem\n[ServiceList]";
    let storage = Shell::start_in(folder, &storage_on("test.db").replace("[ServiceList]", tls));

    let edge = |host: &str, waived: &str| {
        let address = format!("https://{host}:{}", storage.port);
        let ini = without_cache_keys(&EDGE.replace("${upstreams}", &address).replace("${keys}", QUICK));
        Shell::start(&format!("[Startup]\n{waived}\n{ini}"))
    };
    let any_chain = "NoVerifyCertChain = true";
    let right_name = edge("localhost", any_chain);
    assert_eq!(right_name.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200, "{}", right_name.output());
    assert_eq!(edge("127.0.0.1", any_chain).get(&format!("/assets/{ID}")).status, 503, "it is for localhost");
    let anything = edge("127.0.0.1", &format!("{any_chain}\nNoVerifyCertHostname = true"));
    assert_eq!(anything.get(&format!("/assets/{ID}/data")).text(), "hello");
}
