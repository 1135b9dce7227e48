//! Inventories, end to end: over HTTP as a region asks (inventory.md), and as an operator looks at them, by `gridshell inventory check`
//! and at the console. And the library.

mod common;

use std::path::Path;

use common::rest_console::{self, command, open_session, read_until};
use common::{Answer, SQLITE, Shell, post_form, run, try_get};
use gridshell_connectors::inventory::codec;
use gridshell_interfaces::inventory::{FolderContent, FolderType, InventoryFolder};
use nix::sys::signal::Signal;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tempfile::TempDir;
use uuid::Uuid;

const ADA: Uuid = Uuid::from_u128(0xa1);
const BOB: Uuid = Uuid::from_u128(0xb1);
/// Somebody whose inventory is as it should be.
const CLEO: Uuid = Uuid::from_u128(0xc1);

/// Root folder, 18 system folders, and the two in Calling Cards (inventory.md section 4).
const FOLDERS_OF_A_NEW_USER: usize = 21;

const TRUE: &str = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>True</RESULT>\n</ServerResponse>";
const FAILURE: &str = "<?xml version=\"1.0\"?>\n<ServerResponse>\n  <RESULT>False</RESULT>\n</ServerResponse>";
const NOTHING: &str = "<?xml version=\"1.0\"?><ServerResponse />";

/// A shell's configuration with inventories; `keys` go into `[InventoryService]`.
fn ini(keys: &str) -> String {
    let listed = SQLITE.replace(
        "[ServiceList]\n",
        "[ServiceList]\n    InventoryInConnector = \"OpenSim.Server.Handlers.dll:XInventoryInConnector\"\n",
    );
    let service = "LocalServiceModule = \"OpenSim.Services.InventoryService.dll:XInventoryService\"";
    format!("{listed}\n[InventoryService]\n{service}\n{keys}\n")
}

/// A form to `/xinventory`; the answer has status 200 and the type that regions are used to, whatever it says.
fn ask(shell: &Shell, form: &str) -> Answer {
    let answer = post_form(shell, "/xinventory", form);
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/xml")), "{form}: {}", answer.head);
    answer
}

fn say(shell: &Shell, form: &str) -> String {
    ask(shell, form).text().to_owned()
}

fn skeleton(shell: &Shell, user: Uuid) -> Vec<InventoryFolder> {
    codec::decode_skeleton(&ask(shell, &format!("METHOD=GETINVENTORYSKELETON&PRINCIPAL={user}")).body).unwrap()
}

fn content(shell: &Shell, user: Uuid, folder: Uuid) -> FolderContent {
    let answer = ask(shell, &format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={user}&FOLDER={folder}"));
    codec::decode_folder_content(&answer.body, user).unwrap().unwrap()
}

fn of_type(folders: &[InventoryFolder], folder_type: FolderType) -> Uuid {
    folders
        .iter()
        .find(|folder| folder.folder_type == folder_type)
        .unwrap_or_else(|| panic!("no folder of type {folder_type}"))
        .id
}

/// As regions write it: what is empty has no `=`.
fn add_item_form(id: Uuid, owner: Uuid, folder: Uuid) -> String {
    format!(
        "AssetID={asset}&AssetType=7&Name=Note+%3Cone%3E+%26+%C3%A9&Owner={owner}&ID={id}&InvType=7&Folder={folder}&CreatorId={owner}\
         &CreatorData&Description&NextPermissions=581632&CurrentPermissions=647168&BasePermissions=647168\
         &EveryOnePermissions=0&GroupPermissions=0&GroupID={group}&GroupOwned=False&SalePrice=0&SaleType=0&Flags=0\
         &CreationDate=1700000000&METHOD=ADDITEM",
        asset = Uuid::from_u128(0xaa),
        group = Uuid::nil(),
    )
}

fn add_folder_form(id: Uuid, owner: Uuid, parent: Uuid) -> String {
    format!("ParentID={parent}&Type=-1&Version=1&Name=Letters&Owner={owner}&ID={id}&METHOD=ADDFOLDER")
}

#[test]
fn a_regions_day() {
    let mut shell = Shell::start(&ini(""));
    let create = format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={ADA}");
    assert_eq!(say(&shell, &create), "<?xml version=\"1.0\"?><ServerResponse><RESULT>True</RESULT></ServerResponse>");
    assert_eq!(say(&shell, &create), "<?xml version=\"1.0\"?><ServerResponse><RESULT>False</RESULT></ServerResponse>");
    let folders = skeleton(&shell, ADA);
    assert_eq!(folders.len(), FOLDERS_OF_A_NEW_USER, "the second call has added nothing: {folders:?}");
    let (root, trash) = (of_type(&folders, FolderType::ROOT), of_type(&folders, FolderType::TRASH));

    let (letters, drafts) = (Uuid::from_u128(0xf1), Uuid::from_u128(0xf2));
    assert_eq!(say(&shell, &add_folder_form(letters, ADA, root)), TRUE);
    assert_eq!(say(&shell, &add_folder_form(drafts, ADA, letters)), TRUE);
    assert_eq!(say(&shell, &add_folder_form(drafts, ADA, letters)), FAILURE, "the id is taken");
    assert_eq!(say(&shell, &add_folder_form(Uuid::from_u128(0xf3), ADA, Uuid::from_u128(0xfff))), FAILURE, "no such parent");
    let items = [1, 2, 3].map(|number| Uuid::from_u128(0x100 + number));
    for item in items {
        assert_eq!(say(&shell, &add_item_form(item, ADA, letters)), TRUE);
    }
    let before = content(&shell, ADA, letters);
    assert_eq!((before.items.len(), before.folders.len(), before.version), (3, 1, 5), "one for each of what came into it");
    let note = before.items.iter().find(|item| item.id == items[0]).unwrap();
    assert_eq!((note.name.as_str(), note.description.as_str(), note.creator_data.as_str()), ("Note <one> & é", "", ""));
    assert_eq!((note.current_permissions, note.folder, note.owner, note.creation_date), (647_168, letters, ADA, 1_700_000_000));

    let unequal = format!("METHOD=MOVEITEMS&PRINCIPAL={ADA}&IDLIST[]={}&IDLIST[]={}&DESTLIST[]={trash}", items[0], items[1]);
    assert_eq!(say(&shell, &unequal), FAILURE);
    assert_eq!(content(&shell, ADA, letters), before, "nothing was moved");
    let moves = format!("{unequal}&DESTLIST[]={trash}");
    assert_eq!(say(&shell, &moves), TRUE);
    assert_eq!(content(&shell, ADA, letters).items.len(), 1);
    assert_eq!(content(&shell, ADA, trash).items.len(), 2);

    let into = |folder: Uuid, parent: Uuid| format!("METHOD=MOVEFOLDER&PRINCIPAL={ADA}&ID={folder}&ParentID={parent}");
    assert_eq!(say(&shell, &into(letters, drafts)), FAILURE, "it would be inside of itself");
    let delete = format!("METHOD=DELETEFOLDERS&PRINCIPAL={ADA}&FOLDERS[]={letters}");
    assert_eq!(say(&shell, &delete), TRUE);
    assert_eq!(content(&shell, ADA, letters).folders.len(), 1, "it is not in the trash, so it stays");
    assert_eq!(say(&shell, &format!("METHOD=PURGEFOLDER&ID={root}")), FAILURE, "it is not in the trash");
    assert_eq!(say(&shell, &into(letters, trash)), TRUE);
    let trashed = content(&shell, ADA, trash);
    assert_eq!((trashed.folders.len(), trashed.items.len()), (1, 2));
    assert_eq!(say(&shell, &format!("METHOD=PURGEFOLDER&ID={trash}")), TRUE);

    // What was answered is on disk.
    shell.signal(Signal::SIGTERM);
    shell.restart();
    let purged = content(&shell, ADA, trash);
    assert_eq!((purged.folders.len(), purged.items.len()), (0, 0));
    assert!(purged.version > trashed.version, "{} after {}", purged.version, trashed.version);
    assert_eq!(skeleton(&shell, ADA).len(), FOLDERS_OF_A_NEW_USER, "with the folder went the one in it");
    for item in items {
        assert_eq!(say(&shell, &format!("METHOD=GETITEM&ID={item}&PRINCIPAL={ADA}")), NOTHING);
    }
}

/// Gives Ada and Bob inventories, and Ada an item in her root folder.
fn two_users(shell: &Shell) -> (Uuid, Uuid) {
    for user in [ADA, BOB] {
        say(shell, &format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={user}"));
    }
    let (root, item) = (of_type(&skeleton(shell, ADA), FolderType::ROOT), Uuid::from_u128(0x101));
    assert_eq!(say(shell, &add_item_form(item, ADA, root)), TRUE);
    (root, item)
}

#[test]
fn nobody_gets_what_is_anothers() {
    let shell = Shell::start(&ini(""));
    let (root, item) = two_users(&shell);
    let nil = Uuid::nil();
    for principal in [nil, ADA] {
        let answer = say(&shell, &format!("METHOD=GETITEM&ID={item}&PRINCIPAL={principal}"));
        assert!(answer.contains(&format!("<ID>{item}</ID>")), "{principal}: {answer}");
    }
    assert!(say(&shell, &format!("METHOD=GETITEM&ID={item}")).contains(&format!("<ID>{item}</ID>")), "nobody is named");
    assert_eq!(say(&shell, &format!("METHOD=GETITEM&ID={item}&PRINCIPAL={BOB}")), NOTHING);
    assert_eq!(say(&shell, &format!("METHOD=GETFOLDER&ID={root}&PRINCIPAL={BOB}")), NOTHING);
    assert_eq!(
        say(&shell, &format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={BOB}&ITEMS={item}&COUNT=1")),
        "<?xml version=\"1.0\"?><ServerResponse><item_0>NULL</item_0></ServerResponse>"
    );
    assert_eq!(
        say(&shell, &format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={BOB}&FOLDER={root}")),
        format!(
            "<?xml version=\"1.0\"?><ServerResponse><FID>{nil}</FID><VERSION>0</VERSION>\
             <FOLDERS type=\"List\" /><ITEMS type=\"List\" /></ServerResponse>"
        ),
        "as for an unknown folder"
    );
    assert_eq!(say(&shell, &format!("METHOD=DELETEITEMS&PRINCIPAL={BOB}&ITEMS[]={item}")), TRUE, "as for an unknown item");
    assert_eq!(say(&shell, &add_item_form(item, BOB, root)), FAILURE, "it is Ada's");
    assert_eq!(content(&shell, ADA, root).items.len(), 1, "and it still is");
    assert_eq!(content(&shell, ADA, root).items[0].owner, ADA);
    for principal in [nil, ADA, BOB] {
        let answer = say(&shell, &format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={principal}&FOLDER={nil}"));
        assert!(answer.contains("<FOLDERS type=\"List\" /><ITEMS type=\"List\" />"), "{principal}: {answer}");
    }
}

#[test]
fn owners_are_not_looked_at_when_the_operator_says_so() {
    let shell = Shell::start(&ini("StrictOwner = false"));
    let (root, item) = two_users(&shell);
    let answer = say(&shell, &format!("METHOD=GETITEM&ID={item}&PRINCIPAL={BOB}"));
    assert!(answer.contains(&format!("<ID>{item}</ID>")), "{answer}");
    assert_eq!(content(&shell, BOB, root).items.len(), 1);
    let nil = Uuid::nil();
    let answer = say(&shell, &format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={BOB}&FOLDER={nil}"));
    assert!(answer.contains("<FOLDERS type=\"List\" /><ITEMS type=\"List\" />"), "all users' root folders: {answer}");
    assert_eq!(say(&shell, &add_item_form(item, BOB, root)), FAILURE, "another's item is never replaced");
}

/// Runs statements on the database of a shell.
fn execute(folder: &Path, statements: &str) {
    on_database(folder, async |database| {
        database.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
    });
}

/// The first column of all rows, in their order.
fn texts(folder: &Path, select: &str) -> Vec<String> {
    on_database(folder, async |database| {
        let rows = database.fetch_all(AssertSqlSafe(select.to_owned())).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
}

fn on_database<T>(folder: &Path, work: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = SqliteConnectOptions::new().filename(folder.join("test.db")).connect().await.unwrap();
        let result = work(&mut database).await;
        database.close().await.unwrap();
        result
    })
}

/// One of each METHOD that reads, and some that write.
fn requests(root: Uuid, item: Uuid) -> Vec<String> {
    vec![
        format!("METHOD=GETINVENTORYSKELETON&PRINCIPAL={ADA}"),
        format!("METHOD=GETROOTFOLDER&PRINCIPAL={ADA}"),
        format!("METHOD=GETFOLDERFORTYPE&PRINCIPAL={ADA}&TYPE=14"),
        format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={ADA}&FOLDER={root}"),
        format!("METHOD=GETMULTIPLEFOLDERSCONTENT&PRINCIPAL={ADA}&FOLDERS={root}&COUNT=1"),
        format!("METHOD=GETFOLDERITEMS&PRINCIPAL={ADA}&FOLDER={root}"),
        format!("METHOD=GETITEM&ID={item}&PRINCIPAL={ADA}"),
        format!("METHOD=GETMULTIPLEITEMS&PRINCIPAL={ADA}&ITEMS={item}&COUNT=1"),
        format!("METHOD=GETFOLDER&ID={root}&PRINCIPAL={ADA}"),
        format!("METHOD=GETACTIVEGESTURES&PRINCIPAL={ADA}"),
        format!("METHOD=GETASSETPERMISSIONS&PRINCIPAL={ADA}&ASSET={item}"),
        format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={ADA}"),
        format!("METHOD=DELETEITEMS&PRINCIPAL={ADA}&ITEMS[]={item}"),
        add_folder_form(Uuid::from_u128(0xf1), ADA, root),
        add_item_form(Uuid::from_u128(0x102), ADA, root),
    ]
}

#[test]
fn a_fault_of_the_database_is_a_failure_and_never_an_empty_answer() {
    let shell = Shell::start(&ini(""));
    let (root, item) = two_users(&shell);
    let folder = shell.folder.path();
    execute(folder, "ALTER TABLE inventoryitems RENAME TO items_away; ALTER TABLE inventoryfolders RENAME TO folders_away");
    for request in requests(root, item) {
        assert_eq!(say(&shell, &request), FAILURE, "{request}");
    }
    let metrics = try_get(shell.admin_port, "/metrics").unwrap();
    for method in ["getitem", "getfoldercontent", "additem"] {
        let counted =
            format!("gridshell_requests_total{{connector=\"inventory\",method=\"{method}\",result=\"server_error\"}} 1\n");
        assert!(metrics.text().contains(&counted), "status 200 hides it from nobody: {counted}{}", metrics.text());
    }
    execute(folder, "ALTER TABLE items_away RENAME TO inventoryitems; ALTER TABLE folders_away RENAME TO inventoryfolders");
    assert_eq!(content(&shell, ADA, root).items.len(), 1, "what was refused was not done, and nothing is lost");
    for request in requests(root, item).iter().filter(|request| !request.starts_with("METHOD=CREATEUSERINVENTORY")) {
        assert_ne!(say(&shell, request), FAILURE, "{request}");
    }
}

const ORPHAN_FOLDER: Uuid = Uuid::from_u128(0x0f1);
const CYCLE: [Uuid; 2] = [Uuid::from_u128(0x0f2), Uuid::from_u128(0x0f3)];
const SECOND_TEXTURES: Uuid = Uuid::from_u128(0x0f4);
const ORPHAN_ITEM: Uuid = Uuid::from_u128(0x0e1);
const NO_FOLDER: Uuid = Uuid::from_u128(0x0ff);

/// A folder with the database of a shell that has ended: Ada's inventory has one fault of each kind, Cleo's has none.
fn damaged() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut shell = Shell::start(&ini(""));
    for user in [ADA, CLEO] {
        say(&shell, &format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={user}"));
    }
    assert_eq!(say(&shell, &add_item_form(ORPHAN_ITEM, ADA, NO_FOLDER)), TRUE, "as in the original the folder is not looked at");
    let (one, other) = (CYCLE[0], CYCLE[1]);
    let root = of_type(&skeleton(&shell, ADA), FolderType::ROOT);
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.wait().code(), Some(0));
    let insert = "INSERT INTO inventoryfolders (folderName, type, version, folderID, agentID, parentFolderID) VALUES";
    execute(
        shell.folder.path(),
        &format!(
            "{insert} ('lost', -1, 1, '{ORPHAN_FOLDER}', '{ADA}', '{NO_FOLDER}');
             {insert} ('round', -1, 1, '{one}', '{ADA}', '{other}'), ('and round', -1, 1, '{other}', '{ADA}', '{one}');
             {insert} ('Textures', 0, 1, '{SECOND_TEXTURES}', '{ADA}', '{root}');
             DELETE FROM inventoryfolders WHERE agentID = '{ADA}' AND type = 14"
        ),
    );
    for file in ["test.db", "Robust.ini"] {
        std::fs::copy(shell.folder.path().join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// Every row that the check looks at.
fn everything(folder: &Path) -> Vec<String> {
    texts(
        folder,
        "SELECT folderID || agentID || parentFolderID || type || version || folderName FROM inventoryfolders UNION ALL
         SELECT inventoryID || avatarID || parentFolderID FROM inventoryitems ORDER BY 1",
    )
}

fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    run(folder, &[&["inventory", "check"], arguments, &["-inifile=Robust.ini"]].concat())
}

/// The documents, one a line.
fn documents(output: &str) -> Vec<serde_json::Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// What is wrong with Ada's inventory, by kind.
const KINDS: [&str; 5] = ["cycle", "duplicate-system-folder", "missing-system-folder", "orphan-folder", "orphan-item"];

#[test]
fn a_check_finds_and_a_repair_puts_right() {
    let folder = damaged();
    let folder = folder.path();
    let before = everything(folder);
    let ada = ADA.to_string();

    let (status, output) = check(folder, &[&ada]);
    assert_eq!(status, Some(1), "{output}");
    for line in [
        format!("{ada}: 24 folders, 1 items, 5 findings"),
        format!("  the folder {ORPHAN_FOLDER} is in {NO_FOLDER}, which does not exist"),
        format!("  the folder {} is inside of itself", CYCLE[0]),
        "  the folder 'Trash' (type 14) is missing".to_owned(),
        format!("  the item {ORPHAN_ITEM} is in the folder {NO_FOLDER}, which does not exist"),
    ] {
        assert!(output.lines().any(|said| said == line), "{line:?} is not in:\n{output}");
    }
    assert!(output.contains("there are two folders 'Textures' (type 0)"), "{output}");

    let (status, output) = check(folder, &["--all", "--json"]);
    let said = documents(&output);
    assert_eq!((status, said.len()), (Some(1), 2), "Cleo's inventory is well, and not spoken of: {output}");
    assert_eq!((&said[0]["user"], &said[0]["repaired"]), (&ada.as_str().into(), &false.into()), "{output}");
    let mut kinds: Vec<_> = said[0]["findings"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, KINDS);
    assert_eq!(said[1], serde_json::json!({"users": 2, "with_findings": 1, "repaired": 0}));

    // Nobody is there to answer the question; with --all or --json none is asked.
    assert_eq!(check(folder, &[&ada, "--repair"]).0, Some(1));
    for words in [&["--all", "--repair"][..], &[&ada, "--repair", "--json"], &["--repair"], &["no-uuid"]] {
        assert_eq!(check(folder, words).0, Some(2), "{words:?}");
    }
    assert_eq!(everything(folder), before, "nothing has changed so far");

    let (status, output) = check(folder, &["--all", "--repair", "--yes"]);
    assert_eq!(status, Some(0), "{output}");
    assert!(output.ends_with("2 users, 1 with findings, 1 repaired\n"), "{output}");
    let (status, output) = check(folder, &[&ada]);
    assert_eq!((status, output.trim_end()), (Some(0), format!("{ada}: 24 folders, 1 items, all is well").as_str()));
    assert_eq!(check(folder, &["--all", "--json"]).1, "{\"repaired\":0,\"users\":2,\"with_findings\":0}\n");

    let lost_and_found = format!("SELECT folderID FROM inventoryfolders WHERE agentID = '{ADA}' AND type = 16");
    let lost_and_found = texts(folder, &lost_and_found).pop().unwrap();
    let rescued = format!("SELECT folderID FROM inventoryfolders WHERE parentFolderID = '{lost_and_found}' ORDER BY 1");
    assert_eq!(texts(folder, &rescued), [ORPHAN_FOLDER, CYCLE[0]].map(|id| id.to_string()));
    let items = format!("SELECT inventoryID FROM inventoryitems WHERE parentFolderID = '{lost_and_found}'");
    assert_eq!(texts(folder, &items), [ORPHAN_ITEM.to_string()]);
    let system = format!("SELECT folderName FROM inventoryfolders WHERE agentID = '{ADA}' AND type IN (0, 14) ORDER BY 1");
    assert_eq!(texts(folder, &system), ["Textures", "Trash"]);
}

#[test]
fn a_check_of_one_user_can_be_repaired_and_read_by_programs() {
    let folder = damaged();
    let ada = ADA.to_string();
    let (status, output) = check(folder.path(), &[&ada, "--repair", "--yes", "--json"]);
    let said = documents(&output);
    assert_eq!((status, said.len()), (Some(0), 2), "{output}");
    assert_eq!((&said[0]["repaired"], &said[0]["folders"], &said[0]["items"]), (&true.into(), &24.into(), &1.into()));
    assert_eq!(said[1], serde_json::json!({"users": 1, "with_findings": 1, "repaired": 1}));
    let (status, output) = check(folder.path(), &[&CLEO.to_string(), "--json"]);
    assert_eq!((status, documents(&output).len()), (Some(0), 1), "{output}");
}

#[test]
fn a_check_needs_an_inventory_service_and_its_database() {
    let folder = TempDir::new().unwrap();
    let ini = SQLITE.replace("${port}", "8003").replace("${admin}", "8009");
    std::fs::write(folder.path().join("Robust.ini"), &ini).unwrap();
    let (status, output) = check(folder.path(), &["--all"]);
    assert_eq!(status, Some(2));
    assert!(output.contains("lists no inventory connector"), "{output}");
    let (status, output) = run(folder.path(), &["inventory"]);
    assert_eq!(status, Some(2));
    assert!(output.contains("gridshell inventory check USER"), "{output}");
}

#[test]
fn the_console_checks_asks_and_repairs() {
    let shell = rest_console::start_in(damaged(), &ini(""), rest_console::KEYS);
    let session = open_session(&shell);
    read_until(&shell, &session, rest_console::NEXT_PROMPT);
    let before = everything(shell.folder.path());

    command(&shell, &session, "inventory check nobody");
    read_until(&shell, &session, "ERROR: nobody is not a valid ID format</Line>");
    command(&shell, &session, &format!("inventory check {CLEO}"));
    read_until(&shell, &session, &format!("{CLEO}: 21 folders, 0 items, all is well</Line>"));

    command(&shell, &session, &format!("inventory check {ADA}"));
    let said = read_until(&shell, &session, "Repair it [no]: </Line>");
    for line in [
        format!("{ADA}: 24 folders, 1 items, 5 findings"),
        format!("the folder {} is inside of itself", CYCLE[0]),
        format!("to repair: put the folder {ORPHAN_FOLDER} into Lost And Found"),
    ] {
        assert!(said.contains(&line), "{line:?}: {said}");
    }
    command(&shell, &session, "no");
    read_until(&shell, &session, rest_console::NEXT_PROMPT);
    assert_eq!(everything(shell.folder.path()), before, "it was not wanted");

    command(&shell, &session, &format!("inventory check {ADA}"));
    read_until(&shell, &session, "Repair it [no]: </Line>");
    command(&shell, &session, "yes");
    read_until(&shell, &session, ">Repaired</Line>");
    command(&shell, &session, &format!("inventory check {ADA}"));
    read_until(&shell, &session, &format!("{ADA}: 24 folders, 1 items, all is well</Line>"));
    // What a region sees at once.
    let lost_and_found = of_type(&skeleton(&shell, ADA), FolderType::LOST_AND_FOUND);
    assert_eq!(content(&shell, ADA, lost_and_found).items.len(), 1);
}

#[test]
fn the_library_is_loaded_and_shown() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("library")).unwrap();
    let notes = Uuid::from_u128(0x11);
    for (file, sections) in [
        ("Libraries.xml", "<Section Name=\"Notes\"><Key Name=\"foldersFile\" Value=\"Folders.xml\"/><Key Name=\"itemsFile\" Value=\"Items.xml\"/></Section>".to_owned()),
        ("Folders.xml", format!("<Section Name=\"Notes\"><Key Name=\"folderID\" Value=\"{notes}\"/><Key Name=\"name\" Value=\"Notes\"/></Section>")),
        ("Items.xml", format!(
            "<Section Name=\"One\"><Key Name=\"inventoryID\" Value=\"{}\"/><Key Name=\"folderID\" Value=\"{notes}\"/></Section>\n\
             <Section Name=\"Two\"><Key Name=\"inventoryID\" Value=\"{}\"/><Key Name=\"flags\" Value=\"many\"/></Section>",
            Uuid::from_u128(0x12), Uuid::from_u128(0x13)
        )),
    ] {
        std::fs::write(folder.path().join("library").join(file), format!("<Nini>\n{sections}\n</Nini>\n")).unwrap();
    }
    let library = "[LibraryService]\nLibraryName = \"Our Library\"\nDefaultLibrary = \"library/Libraries.xml\"";
    let shell = rest_console::start_in(folder, &format!("{}\n{library}\n", ini("")), rest_console::KEYS);
    let session = open_session(&shell);
    let log = read_until(&shell, &session, rest_console::NEXT_PROMPT);
    assert!(log.contains("Items.xml:3: section"), "the item whose flags are no number is named with its line: {log}");
    command(&shell, &session, "show library");
    let shown = read_until(&shell, &session, rest_console::NEXT_PROMPT);
    assert!(shown.contains(">00000112-000f-0000-0000-000100bba000 Our Library (0 items)</Line>"), "{shown}");
    assert!(shown.contains(&format!(">{notes} Notes (1 items)</Line>")), "{shown}");
}
