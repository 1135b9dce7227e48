//! Requests to the three faces of name2key: every request gets an answer, scripts never get something that they could take for a key,
//! and what the private face reads can be written and read again. The first byte chooses the face and the verb, the first line is the
//! target, the rest the body.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::http::{HeaderMap, Method, Request, Router, ServiceAuthentication, header};
use gridshell_connectors::name2key::codec::{self, Call, CodecError};
use gridshell_connectors::name2key::{
    GoslOptions, Name2KeyConnector, Name2KeyGoslConnector, Name2KeyWebConnector, RegistrationOptions, RegistrationPolicy, WebOptions,
};
use gridshell_connectors::wire::form::Form;
use gridshell_interfaces::name2key::{Grid, Imported, Name2KeyService, NameEntry, NameRows, NameSource, NameStatistics, Registration};
use gridshell_interfaces::{Result, ServiceError};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

/// Knows every name that begins with `a`, and every key with an even number.
#[derive(Debug)]
struct Half;

fn entry(name: &str, key: Uuid, grid: Option<&Grid>) -> NameEntry {
    let grid = grid.cloned().unwrap_or_default();
    NameEntry { key, name: name.to_owned(), grid, first_seen: 0, last_seen: 0, source: NameSource::Import, verified: false }
}

#[async_trait]
impl Name2KeyService for Half {
    async fn by_names(&self, names: &[&str], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        let known = |name: &&str| if name.starts_with('a') { vec![entry(name, Uuid::from_u128(2), asker)] } else { Vec::new() };
        Ok(names.iter().map(known).collect())
    }

    async fn by_keys(&self, keys: &[Uuid], asker: Option<&Grid>) -> Result<Vec<Vec<NameEntry>>> {
        let known = |key: &Uuid| if key.as_u128() % 2 == 0 { vec![entry("Ann Bee", *key, asker)] } else { Vec::new() };
        Ok(keys.iter().map(known).collect())
    }

    async fn by_prefix(&self, prefix: &str, _: usize) -> Result<Vec<NameEntry>> {
        Ok(vec![entry(prefix, Uuid::nil(), None)])
    }

    async fn register(&self, registration: &Registration) -> Result<bool> {
        registration.check()?;
        Ok(!registration.verified)
    }

    async fn import(&self, _: &Grid, _: &mut dyn NameRows) -> Result<Imported> {
        Err(ServiceError::refused("no imports here"))
    }

    async fn forget(&self, _: Uuid, _: Option<&Grid>) -> Result<u64> {
        Ok(1)
    }

    async fn entries_after(&self, after: Option<(Uuid, &str)>, _: usize) -> Result<Vec<NameEntry>> {
        Ok(if after.is_none() { vec![entry("Ann Bee", Uuid::nil(), None)] } else { Vec::new() })
    }

    async fn statistics(&self) -> Result<NameStatistics> {
        Ok(NameStatistics::default())
    }
}

/// One router for each face.
static FACES: LazyLock<[Router; 3]> = LazyLock::new(|| {
    let mut faces = [(); 3].map(|()| Router::new(Bytes::new()));
    let registration = RegistrationOptions { policy: RegistrationPolicy::Open, per_minute: 0 };
    Name2KeyGoslConnector::new(Arc::new(Half), GoslOptions { registration, ..GoslOptions::default() }).register(&mut faces[0]);
    Name2KeyWebConnector::new(Arc::new(Half), WebOptions::default()).register(&mut faces[1]);
    Name2KeyConnector::new(Arc::new(Half)).register(&mut faces[2], Arc::new(ServiceAuthentication::none(false)));
    faces
});

fn decode(body: &[u8]) -> std::result::Result<Call, CodecError> {
    let form = Form::decode(body)?;
    Call::decode(codec::Method::of(&form)?, &form)
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else { return };
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (target, body) = (String::from_utf8_lossy(&rest[..end]), rest.get(end + 1..).unwrap_or_default());
    let face = usize::from(first % 3);
    let method = [Method::GET, Method::POST, Method::HEAD, Method::PUT][usize::from(first / 3 % 4)].clone();
    let mut headers = HeaderMap::new();
    if first & 0x80 != 0 {
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-www-form-urlencoded"));
    }

    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let request = Request::new(method, &target, headers, Bytes::copy_from_slice(body), client);
    let is_of_scripts = face == 0 || request.path.starts_with("/name2key") || request.path.starts_with("/key2name");
    let answer = futures_executor::block_on(FACES[face].dispatch(request));
    assert!(answer.status.as_u16() < 500, "{}", answer.status);
    if face < 2 && is_of_scripts {
        assert_eq!(answer.content_type, "text/plain; charset=utf-8");
    }

    if let Ok(call) = decode(body) {
        assert_eq!(decode(&call.encode()).expect("our own request can be read"), call);
    }
    let _ = codec::decode_entries(body);
    let _ = codec::decode_answers(body, 2);
    let _ = codec::decode_registered(body);
    let _ = codec::decode_forgotten(body);
    let _ = codec::decode_statistics(body);
});
