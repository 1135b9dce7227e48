//! User name and password between shells (transport.md section 11.4).

use crate::common::{Shell, asset_document};
use crate::{address_of, edge_of, storage_on};

const ID: &str = "a55e7000-0000-4000-8000-0000000000f1";

fn keys(password: &str) -> String {
    format!("AuthType = BasicHttpAuthentication\n    HttpAuthUsername = region\n    HttpAuthPassword = {password}")
}

fn protected_storage() -> Shell {
    Shell::start(&storage_on("test.db").replace("[ServiceList]", &format!("    {}\n[ServiceList]", keys("secret"))))
}

#[test]
fn a_section_of_its_own_sends_credentials_that_the_edge_does_not_ask_for() {
    let storage = protected_storage();
    assert_eq!(storage.get(&format!("/assets/{ID}")).status, 401);
    let edge = |password: &str| {
        let ini = edge_of(&[&storage], "")
            .replace("\"OpenSim.Services.Connectors.dll:Asset", "\"Storage@OpenSim.Services.Connectors.dll:Asset");
        let address = address_of(&storage);
        Shell::start(&format!("{ini}\n[Storage]\n    AssetServerURI = \"{address}\"\n    {}\n", keys(password)))
    };
    let right = edge("secret");
    assert_eq!(right.post("/assets/", asset_document(ID, "aGVsbG8=").as_bytes()).status, 200, "{}", right.output());
    assert_eq!(right.get(&format!("/assets/{ID}/data")).text(), "hello");

    let wrong = edge("guess");
    assert_eq!(wrong.get(&format!("/assets/{ID}")).status, 500, "a mistake of the operator, not a missing asset");
    wrong.wait_for_output("check the user name and password of the upstream");
}

#[test]
fn the_same_keys_are_asked_of_clients_and_sent_on() {
    let storage = protected_storage();
    let edge =
        Shell::start(&edge_of(&[&storage], "").replace("[ServiceList]", &format!("    {}\n[ServiceList]", keys("secret"))));
    assert_eq!(edge.get(&format!("/assets/{ID}")).status, 401);
    let get = format!("GET /assets/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cmVnaW9uOnNlY3JldA==\r\n\r\n");
    assert_eq!(edge.exchange(get.as_bytes()).unwrap().status, 404, "the storage shell was asked, and does not have it");
}
