//! Sizes, offsets and constants: what a C program prints of the header, and what Rust says.

use std::fmt::Write as _;
use std::process::Command;

use gridshell_plugin_abi::{self as abi, capability, property};

use super::{compiler, text};

fn size_of_member<S, M>(_: impl FnOnce(&S) -> &M) -> usize {
    size_of::<M>()
}

/// The lines of a struct. Does not compile when a member is left out.
macro_rules! lines {
    ($name:literal, $type:ident, $($member:ident),+) => {{
        let _all = |it: abi::$type| { let abi::$type { $($member: _),+ } = it; };
        let mut lines = vec![format!("{} {} {}", $name, size_of::<abi::$type>(), align_of::<abi::$type>())];
        $(lines.push(format!(
            "{}.{} {} {}",
            $name,
            stringify!($member),
            std::mem::offset_of!(abi::$type, $member),
            size_of_member(|it: &abi::$type| &it.$member),
        ));)+
        lines
    }};
}

fn layout_in_rust() -> Vec<String> {
    [
        lines!("gs_str", Str, ptr, len),
        lines!("gs_bytes", Bytes, ptr, len),
        lines!("gs_pair", Pair, name, value),
        lines!("gs_sink", Sink, ctx, write),
        lines!("gs_request", Request, struct_size, service, method, path, rest, query, headers, header_count, body, peer),
        lines!("gs_response", Response, struct_size, status, headers, header_count, body, owner_token),
        lines!("gs_config", Config, struct_size, section, entries, entry_count),
        lines!(
            "gs_host",
            Host,
            struct_size,
            abi_minor,
            ctx,
            log,
            config_get,
            now_ms,
            call_service,
            release_response,
            register_route,
            metric_add
        ),
        lines!(
            "gs_plugin",
            Plugin,
            struct_size,
            abi_minor,
            get_property,
            create,
            destroy,
            handle,
            release,
            reconfigure,
            health,
            command
        ),
        lines!("gs_note", Note, owner_size, content_size, kind, owner, magic, major, minor, pointer_size, flags),
    ]
    .concat()
}

fn constants_in_rust() -> Vec<String> {
    let numbers = [
        ("GS_ABI_MAJOR", i64::from(abi::ABI_MAJOR)),
        ("GS_ABI_MINOR", abi::ABI_MINOR.into()),
        ("GS_OK", abi::OK.into()),
        ("GS_NOT_SUPPORTED", abi::NOT_SUPPORTED.into()),
        ("GS_UNKNOWN", abi::UNKNOWN.into()),
        ("GS_REFUSED", abi::REFUSED.into()),
        ("GS_INVALID", abi::INVALID.into()),
        ("GS_UNAVAILABLE", abi::UNAVAILABLE.into()),
        ("GS_FAILED", abi::FAILED.into()),
        ("GS_PANIC", abi::PANIC.into()),
        ("GS_LOG_ERROR", abi::LOG_ERROR.into()),
        ("GS_LOG_WARN", abi::LOG_WARN.into()),
        ("GS_LOG_INFO", abi::LOG_INFO.into()),
        ("GS_LOG_DEBUG", abi::LOG_DEBUG.into()),
        ("GS_LOG_TRACE", abi::LOG_TRACE.into()),
        ("GS_REQUEST_SIZE_1_0", abi::Request::SIZE_1_0.into()),
        ("GS_RESPONSE_SIZE_1_0", abi::Response::SIZE_1_0.into()),
        ("GS_CONFIG_SIZE_1_0", abi::Config::SIZE_1_0.into()),
        ("GS_PLUGIN_SIZE_1_0", abi::Plugin::SIZE_1_0.into()),
        ("GS_HOST_SIZE_1_0", abi::Host::SIZE_1_0.into()),
        ("GS_NOTE_TYPE", abi::NOTE_TYPE.into()),
        ("GS_NOTE_MAGIC", abi::NOTE_MAGIC.into()),
    ];
    let texts = [
        ("GS_CAPABILITY_HTTP", capability::HTTP),
        ("GS_CAPABILITY_CONSOLE", capability::CONSOLE),
        ("GS_CAPABILITY_CALL_SERVICE", capability::CALL_SERVICE),
        ("GS_PROPERTY_NAME", property::NAME),
        ("GS_PROPERTY_VERSION", property::VERSION),
        ("GS_PROPERTY_AUTHOR", property::AUTHOR),
        ("GS_PROPERTY_LICENSE", property::LICENSE),
        ("GS_PROPERTY_SERVICES", property::SERVICES),
        ("GS_PROPERTY_CAPABILITIES", property::CAPABILITIES),
        ("GS_PROPERTY_THREADING", property::THREADING),
        ("GS_PROPERTY_PANIC", property::PANIC),
        ("GS_PROPERTY_BUILD", property::BUILD),
        ("GS_PROPERTY_SUPPORTS_UNLOAD", property::SUPPORTS_UNLOAD),
        ("GS_PROPERTY_CONFIG_KEYS", property::CONFIG_KEYS),
        ("GS_PROPERTY_BLOCKING", property::BLOCKING),
        ("GS_NOTE_SECTION", abi::NOTE_SECTION),
        ("GS_NOTE_OWNER", abi::NOTE_OWNER),
    ];
    let numbers = numbers.iter().map(|(name, number)| format!("{name} {number}"));
    numbers.chain(texts.iter().map(|(name, text)| format!("{name} \"{text}\""))).collect()
}

/// A C program that prints a line for each struct, member and constant of the header.
fn printer() -> String {
    let header = text::header();
    let mut program = String::from("#include <gridshell_plugin.h>\n#include <stdio.h>\nint main(void) {\n");
    let mut print = |what: &str, format: &str, value: &str| {
        writeln!(program, "printf(\"{what} {format}\\n\", {value});").expect("a text takes everything");
    };
    for (name, members) in text::structs(&header) {
        // C99 has no other way to ask for an alignment.
        print(&name, "%zu %zu", &format!("sizeof({name}), offsetof(struct {{ char first; {name} it; }}, it)"));
        for member in members {
            let value = format!("offsetof({name}, {member}), sizeof((({name} *)0)->{member})");
            print(&format!("{name}.{member}"), "%zu %zu", &value);
        }
    }
    for (name, is_text) in text::constants(&header) {
        match is_text {
            true => print(&name, "\\\"%s\\\"", &name),
            false => print(&name, "%lld", &format!("(long long){name}")),
        }
    }
    program + "return 0;\n}\n"
}

#[test]
fn sizes_offsets_and_constants_are_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, program) = (folder.path().join("print.c"), folder.path().join("print"));
    std::fs::write(&source, printer()).expect("written");
    compiler::run(compiler::c99().arg("-o").arg(&program).arg(&source));
    let output = compiler::run(&mut Command::new(&program));
    let printed = String::from_utf8(output.stdout).expect("text");

    let mut of_header: Vec<&str> = printed.lines().collect();
    let of_rust = [layout_in_rust(), constants_in_rust()].concat();
    let mut of_rust: Vec<&str> = of_rust.iter().map(String::as_str).collect();
    of_header.sort_unstable();
    of_rust.sort_unstable();
    assert_eq!(of_header, of_rust);
}
