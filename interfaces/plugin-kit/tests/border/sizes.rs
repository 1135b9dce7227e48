//! Servers of other minor versions: structs that are shorter or longer than those that the kit knows. None is shorter than in version
//! 1.0, and all that are at least as long are used.

use std::ptr;

use gridshell_plugin::abi::{self, Config, Host, Request, Response, Str};

use super::server::{Said, Server, plugin, request, table};

/// A struct of a server that is newer than the kit.
#[repr(C)]
struct Newer<T> {
    known: T,
    unknown: [u64; 4],
}

impl<T> Newer<T> {
    const SIZE: u32 = size_of::<Self>() as u32;

    fn new(known: T) -> Self {
        Self { known, unknown: [u64::MAX; 4] }
    }
}

#[test]
fn requests() {
    let server = Server::create(&[]).expect("made");
    let answer = |size: u32| {
        let request = Newer::new(Request { struct_size: size, ..request("/x") });
        let mut response = Response::EMPTY;
        // SAFETY: all that is handed over lives during the call, and is as long as it says.
        let status = unsafe { server.call_handle((&raw const request).cast(), &mut response) };
        let body = (status == abi::OK).then(|| {
            // SAFETY: it was filled in; it is read, and then released once.
            unsafe {
                let body = response.body.as_slice().expect("a body").to_vec();
                plugin().release.expect("required")(ptr::null_mut(), &mut response);
                String::from_utf8(body).expect("text")
            }
        });
        (status, body)
    };
    assert_eq!(answer(Request::SIZE_1_0 - 1), (abi::INVALID, None));
    assert_eq!(answer(0), (abi::INVALID, None));
    for size in [Request::SIZE_1_0, size_of::<Request>() as u32, Newer::<Request>::SIZE] {
        let (status, body) = answer(size);
        assert_eq!(status, abi::OK, "{size}");
        assert!(body.is_some_and(|body| body.contains("path: \"/x\"") && body.contains("peer: \"127.0.0.1\"")), "{size}");
    }
}

#[test]
fn responses() {
    let server = Server::create(&[]).expect("made");
    for size in [0, Response::SIZE_1_0 - 1, Response::SIZE_1_0, size_of::<Response>() as u32, Newer::<Response>::SIZE] {
        let mut response = Newer::new(Response { struct_size: size, ..Response::EMPTY });
        let pointer = (&raw mut response).cast();
        // SAFETY: all that is handed over lives during the call, and is as long as it says.
        let status = unsafe { server.call_handle(&request("/x"), pointer) };
        let filled = &response.known;
        if size < Response::SIZE_1_0 {
            assert_eq!((status, filled.status, filled.owner_token), (abi::INVALID, 0, ptr::null_mut()), "{size}");
            continue;
        }
        assert_eq!((status, filled.status, filled.header_count, filled.struct_size), (abi::OK, 201, 2, size));
        assert!(filled.body.len > 0 && !filled.owner_token.is_null());
        // SAFETY: it was filled in, and is released once; a second time finds nothing.
        unsafe {
            let release = plugin().release.expect("required");
            release(ptr::null_mut(), pointer);
            release(ptr::null_mut(), pointer);
        }
        let emptied = &response.known;
        assert!(emptied.owner_token.is_null() && emptied.body.ptr.is_null() && emptied.struct_size == size);
        assert_eq!(response.unknown, [u64::MAX; 4], "what the kit does not know, it does not touch");
    }
}

#[test]
fn configurations() {
    let server = Server::create(&[]).expect("made");
    let entry = abi::Pair { name: Str::new("OnCreate"), value: Str::new("yes") };
    for size in [0, Config::SIZE_1_0 - 1, Config::SIZE_1_0, size_of::<Config>() as u32, Newer::<Config>::SIZE] {
        let config = Config { struct_size: size, section: Str::new("Plugin:probe"), entries: &raw const entry, entry_count: 1 };
        let config = Newer::new(config);
        let expected = if size < Config::SIZE_1_0 { abi::INVALID } else { abi::OK };
        // SAFETY: all that is handed over lives during the call, and is as long as it says.
        assert_eq!(unsafe { server.call_reconfigure((&raw const config).cast()) }, expected, "{size}");
    }
}

#[test]
fn tables() {
    let said = Said::default();
    let section = Str::new("Plugin:probe");
    let config = Config { struct_size: Config::SIZE_1_0, section, entries: ptr::null(), entry_count: 0 };
    for size in [0, Host::SIZE_1_0 - 1, Host::SIZE_1_0, size_of::<Host>() as u32, Newer::<Host>::SIZE] {
        let host = Newer::new(Host { struct_size: size, ..table(&said) });
        let mut instance = ptr::null_mut();
        // SAFETY: all that is handed over lives until the instance has ended, and is as long as it says.
        unsafe {
            let status = plugin().create.expect("required")((&raw const host).cast(), &config, &mut instance);
            assert_eq!(status, if size < Host::SIZE_1_0 { abi::INVALID } else { abi::OK }, "{size}");
            plugin().destroy.expect("required")(instance);
        }
    }
}
