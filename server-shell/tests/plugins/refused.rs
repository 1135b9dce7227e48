//! What is refused, at which step, and that the program goes on without it (plugins.md section 5.9, items 2 and 3).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// Changes a byte of a plugin's file.
fn patch(file: &Path, at: usize, value: u8) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] = value;
    fs::write(file, bytes).unwrap();
}

#[test]
fn each_is_refused_at_its_step_and_the_server_goes_on() {
    let plugins = Plugins::new()
        .with("class", &[])
        .with("machine", &[])
        .with("program", &[])
        .with("unmarked", &["NO_NOTE"])
        .with("magic", &["NOTE_MAGIC=7"])
        .with("major0", &["NOTE_MAJOR=0"])
        .with("major2", &["NOTE_MAJOR=2"])
        .with("noentry", &["NO_ENTRY"])
        .with("othermajor", &["FUNCTION_MAJOR=2"])
        .with("otherminor", &["FUNCTION_MINOR=7"])
        .with("short", &["STRUCT_SIZE=16"])
        .with("byteless", &["STRUCT_SIZE=GS_PLUGIN_SIZE_1_0-1"])
        .with("nohandle", &["NO_HANDLE"])
        .with("null", &["ENTRY_NULL"])
        .with("seven", &["CREATE_STATUS=7"])
        .with("slow", &["SLOW_CREATE=60000"])
        .with("undefined", &["UNDEFINED"])
        .with("writable", &[])
        .with("hash", &[])
        .with("noservice", &["SERVICES=\"\""])
        .with("waits", &["NOT_BLOCKING"])
        // Its constructor ends the process that runs it.
        .with("crash", &["NO_NOTE", "CRASH"])
        .with("twin", &[])
        .with("good", &[]);
    patch(&plugins.path("class"), 4, 1);
    patch(&plugins.path("machine"), 18, 0xb7);
    patch(&plugins.path("program"), 16, 2);
    fs::set_permissions(plugins.path("writable"), fs::Permissions::from_mode(0o757)).unwrap();
    let directory = plugins.directory();
    fs::write(directory.join("libtext.so"), "no library at all\n".repeat(1000)).unwrap();
    fs::write(directory.join("libtiny.so"), "\x7fELF").unwrap();
    symlink(directory.join("libgood.so"), directory.join("liblink.so")).unwrap();
    fs::create_dir(directory.join("libfolder.so")).unwrap();
    fs::copy(directory.join("libgood.so"), directory.join("libother.so")).unwrap();
    fs::copy(directory.join("libgood.so"), directory.join("libunlisted.so")).unwrap();
    fs::hard_link(directory.join("libtwin.so"), directory.join("libtwin2.so")).unwrap();
    let more = ["text", "tiny", "link", "folder", "absent", "other", "twin2"];
    let mut ini =
        Plugins { files: plugins.files.iter().cloned().chain(more.map(|name| format!("lib{name}.so"))).collect(), ..plugins };
    ini.files.push("libunlisted.so".to_owned());
    let text_of = ini.ini(
        "[Plugin:hash]\nSha256 = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n[Plugin:slow]\nStartTimeout = 3\n",
    );
    let text_of =
        text_of.replace(", libunlisted.so\"", "\"").replace("[DatabaseService]", "path = \"/x/libgood.so\"\n[DatabaseService]");
    let shell = ini.start_with(&text_of);

    let sizes = "expected 4096 to 268435456 bytes, found";
    let table = gridshell_plugin_abi::Plugin::SIZE_1_0;
    for (name, message) in [
        ("unlisted", "at step 1: the name: expected one that [Plugins] Allow lists, found libclass.so, libmachine.so"),
        ("writable", "at step 2: the mode of the file: expected not writable by group or others, found 757 (code 2)"),
        ("link", "at step 2: the file: expected a regular file, found a symbolic link (code 2)"),
        ("folder", "at step 2: the file: expected a regular file, found "),
        ("absent", "at step 2: the file: expected one that can be opened, found "),
        ("tiny", &format!("at step 2: the size: {sizes} 4 bytes (code 2)")),
        ("hash", "at step 3: the SHA-256: expected 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, found "),
        ("text", "at step 4: the kind of file: expected an ELF file, found one that begins with \"no l\" (code 4)"),
        ("class", "at step 4: the class of the ELF file: expected 64 bits, found 32 bits (code 4)"),
        ("machine", "at step 4: the machine: expected x86_64, found aarch64 (number 183) (code 4)"),
        ("program", "at step 4: the kind of ELF file: expected a shared object (ET_DYN), found a program (ET_EXEC) (code 4)"),
        ("unmarked", "at step 4: the note of plugins: expected one in the section .note.gridshell.plugin, found none (code 4)"),
        ("crash", "at step 4: the note of plugins: expected one in the section .note.gridshell.plugin, found none (code 4)"),
        ("magic", "at step 4: the magic number of the note: expected 0x4c505347, found 0x7 (code 4)"),
        ("major0", "at step 4: the version: expected ABI 1.x (this server offers 1.0), found ABI 0.0 (code 4)"),
        ("major2", "at step 4: the version: expected ABI 1.x (this server offers 1.0), found ABI 2.0 (code 4)"),
        ("noentry", "found no gridshell_plugin_entry_v1 (code 4)"),
        ("twin2", "at step 5: the file: expected one that is not loaded yet, found libtwin.so, which is the same file (code 5)"),
        ("undefined", "at step 7: the system: expected that it loads the library, found "),
        ("undefined", "undefined symbol: gridshell_no_such_function (code 10)"),
        ("othermajor", "at step 8: the version functions: expected 1.0, as the note says, found 2.0 (code 21)"),
        ("otherminor", "at step 8: the version functions: expected 1.0, as the note says, found 1.7 (code 21)"),
        (
            "byteless",
            &format!(
                "at step 8: the entry function: expected a table of {table} bytes at least, found {} bytes (code 22)",
                table - 1
            ),
        ),
        (
            "short",
            &format!("at step 8: the entry function: expected a table of {table} bytes at least, found 16 bytes (code 22)"),
        ),
        ("nohandle", "at step 8: the entry function: expected the function handle, found a null pointer (code 22)"),
        ("null", "at step 8: the entry function: expected a table of functions, found null: the plugin refuses (code 22)"),
        ("other", "at step 9: the property name: expected \"other\", as the file is called, found \"good\" (code 30)"),
        ("noservice", "at step 9: the property services: expected names of services, separated by commas, found \"\" (code 30)"),
        (
            "waits",
            "at step 9: the property blocking: expected yes, since the plugin has the capability call-service, which waits, found no (code 30)",
        ),
        ("seven", "at step 10: create: expected status 0, found status 7; built with: cc "),
        ("slow", "at step 10: create: expected status 0, found nothing after 3 s; built with: cc "),
    ] {
        let output = shell.output();
        let start = format!("plugin lib{name}.so refused ");
        let lines: Vec<&str> = output.lines().filter(|line| line.contains(&start)).collect();
        assert!(
            lines.iter().any(|line| line.contains(message)),
            "{name}: {message:?} is not in {lines:#?}\nthe output:\n{output}"
        );
        assert!(output.contains(&format!("Failed to load lib{name}.so")), "{name}");
    }
    let path = "plugin /x/libgood.so refused at step 1: the name: expected a plain file name, found \"/x/libgood.so\" (code 1)";
    shell.wait_for_output(path);
    shell.wait_for_output("[PLUGIN seven]: will not be made");

    // All the same, the others answer.
    assert_eq!(text(&shell, "/good"), "hello from 1.0.0");
    assert_eq!(text(&shell, "/twin"), "hello from 1.0.0");
    assert_eq!(ask(&shell, "/seven").0, 404);
    assets_are_well(&shell);
    let list = console(&shell, "plugin list");
    assert!(
        list.contains("plugin libnull.so refused at step 8") && list.contains("plugin libtext.so refused at step 4"),
        "{list}"
    );
}

#[test]
fn a_folder_that_others_can_write_to_is_no_place_for_plugins() {
    let plugins = Plugins::new().with("good", &[]);
    fs::set_permissions(plugins.directory(), fs::Permissions::from_mode(0o775)).unwrap();
    let shell = plugins.start("");
    let message =
        "plugin libgood.so refused at step 2: the mode of the folder: expected not writable by group or others, found 775";
    shell.wait_for_output(message);
    assets_are_well(&shell);
}

#[test]
fn the_program_does_not_start_without_what_it_needs() {
    for (name, switches, step) in [("magic", ["NOTE_MAGIC=7"], 4), ("seven", ["CREATE_STATUS=7"], 10)] {
        let plugins = Plugins::new().with(name, &switches);
        let ini = plugins.ini(&format!("[Plugin:{name}]\nRequired = true\n"));
        let ini = ini.replace("${port}", &common::free_port().to_string()).replace("${admin}", "0");
        fs::write(plugins.folder.path().join("Robust.ini"), ini).unwrap();
        let (status, output) = common::run(plugins.folder.path(), &["-inifile=Robust.ini", "-console=none"]);
        assert_eq!(status, Some(1), "{output}");
        assert!(output.contains(&format!("plugin lib{name}.so refused at step {step}")), "{output}");
    }
}

#[test]
fn a_library_without_note_can_be_allowed_for_development() {
    let plugins = Plugins::new().with("unmarked", &["NO_NOTE"]);
    let ini = plugins.ini("").replace("[Plugins]", "[Plugins]\nAllowUnmarked = true");
    let shell = plugins.start_with(&ini);
    assert_eq!(text(&shell, "/unmarked"), "hello from 1.0.0");
    shell.wait_for_output("libunmarked.so has no note; it is loaded because of [Plugins] AllowUnmarked");
}
