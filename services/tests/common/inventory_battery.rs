//! What every inventory service promises, whatever stands between it and its database.

use gridshell_interfaces::ErrorKind;
use gridshell_interfaces::inventory::{
    FolderType, InventoryFolder, InventoryItem, InventoryService, ItemMove, MAX_FOLDERS_OF_ONE_CALL, MAX_IDS_OF_ONE_CALL,
    ROOT_FOLDER_NAME, asset_types, permissions,
};
use uuid::Uuid;

/// A folder of a new id, as a user makes it.
pub fn folder(owner: Uuid, parent: Uuid, name: &str) -> InventoryFolder {
    InventoryFolder { id: Uuid::new_v4(), parent, owner, folder_type: FolderType::NONE, version: 1, name: name.to_owned() }
}

/// An item of a new id.
pub fn item(owner: Uuid, folder: Uuid, name: &str) -> InventoryItem {
    InventoryItem {
        id: Uuid::new_v4(),
        asset_id: Uuid::new_v4(),
        asset_type: 7,
        inventory_type: 7,
        folder,
        owner,
        creator_id: owner.to_string(),
        creator_data: String::new(),
        name: name.to_owned(),
        description: "a description".to_owned(),
        next_permissions: permissions::FULL,
        current_permissions: permissions::FULL,
        base_permissions: permissions::FULL,
        everyone_permissions: 0,
        group_permissions: 0,
        group_id: Uuid::nil(),
        group_owned: false,
        sale_price: 0,
        sale_type: 0,
        flags: 0,
        creation_date: 1_700_000_000,
    }
}

/// A new user with an inventory: the user, and the root folder.
pub async fn user(service: &dyn InventoryService) -> (Uuid, Uuid) {
    let user = Uuid::new_v4();
    assert!(service.create_user_inventory(user).await.expect("create"));
    (user, service.root_folder(user).await.expect("root").expect("a root").id)
}

/// The folder of a type.
pub async fn of_type(service: &dyn InventoryService, user: Uuid, folder_type: FolderType) -> Uuid {
    service.folder_for_type(user, folder_type).await.expect("look-up").expect("a folder").id
}

/// The version of a folder.
pub async fn version(service: &dyn InventoryService, folder: Uuid) -> u16 {
    service.folder(folder, None).await.expect("look-up").expect("the folder").version
}

async fn add(service: &dyn InventoryService, item: &InventoryItem) {
    assert!(service.add_item(item.clone()).await.expect("add"));
}

async fn get(service: &dyn InventoryService, id: Uuid) -> Option<InventoryItem> {
    service.item(id, None).await.expect("look-up")
}

/// Adds a folder and gives its id.
pub async fn add_folder(service: &dyn InventoryService, owner: Uuid, parent: Uuid, name: &str) -> Uuid {
    let folder = folder(owner, parent, name);
    let id = folder.id;
    assert!(service.add_folder(folder).await.expect("add folder"));
    id
}

/// Checks the promises on a service with the default options.
pub async fn battery(service: &dyn InventoryService) {
    battery_over_the_wire(service).await;
    blank_names_are_kept(service).await;
    bad_values_are_refused(service).await;
}

/// Checks those promises that the wire of inventories can carry: it has no word for a change that is refused, and no blank names
/// (inventory.md section 2).
pub async fn battery_over_the_wire(service: &dyn InventoryService) {
    system_folders_are_made_once(service).await;
    what_does_not_exist_is_none(service).await;
    items_come_back_as_they_were(service).await;
    creators_from_elsewhere(service).await;
    texts_are_cut(service).await;
    folders_are_added_by_the_rules(service).await;
    folders_are_updated_by_the_rules(service).await;
    folders_are_moved_by_the_rules(service).await;
    items_are_updated_by_the_rules(service).await;
    items_are_moved(service).await;
    items_are_deleted(service).await;
    trash_is_emptied(service).await;
    lost_and_found_leaves_nothing_behind(service).await;
    folders_are_deleted_in_the_trash_only(service).await;
    principals_see_only_what_is_theirs(service).await;
    gestures_and_permissions(service).await;
    content_of_many_folders(service).await;
    long_lists(service).await;
}

async fn system_folders_are_made_once(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let folder = service.root_folder(user).await.expect("root").expect("a root");
    let expected = InventoryFolder {
        id: root,
        parent: Uuid::nil(),
        owner: user,
        folder_type: FolderType::ROOT,
        version: 19,
        name: ROOT_FOLDER_NAME.to_owned(),
    };
    assert_eq!(folder, expected);
    assert_eq!(service.folder_for_type(user, FolderType::ROOT).await.expect("look-up"), Some(expected));
    let skeleton = service.skeleton(user).await.expect("skeleton");
    let mut in_root: Vec<_> = skeleton
        .iter()
        .filter(|folder| folder.parent == root)
        .map(|folder| (folder.folder_type.0, folder.name.as_str(), folder.version))
        .collect();
    in_root.sort();
    let mut named = [
        (20, "Animations", 1),
        (13, "Body Parts", 1),
        (2, "Calling Cards", 2),
        (5, "Clothing", 1),
        (46, "Current Outfit", 1),
        (23, "Favorites", 1),
        (21, "Gestures", 1),
        (3, "Landmarks", 1),
        (16, "Lost And Found", 1),
        (7, "Notecards", 1),
        (6, "Objects", 1),
        (15, "Photo Album", 1),
        (10, "Scripts", 1),
        (1, "Sounds", 1),
        (0, "Textures", 1),
        (14, "Trash", 1),
        (56, "Settings", 1),
        (57, "Materials", 1),
    ];
    named.sort();
    assert_eq!(in_root, named);
    let cards = of_type(service, user, FolderType::CALLING_CARD).await;
    let friends = skeleton.iter().find(|folder| folder.parent == cards).expect("Friends");
    let all = skeleton.iter().find(|folder| folder.parent == friends.id).expect("All");
    assert_eq!((friends.name.as_str(), friends.folder_type.0, friends.version), ("Friends", 2, 2));
    assert_eq!((all.name.as_str(), all.folder_type.0, all.version), ("All", 2, 1));
    assert_eq!(skeleton.len(), 21);

    for _ in 0..3 {
        assert!(!service.create_user_inventory(user).await.expect("again"));
    }
    assert_eq!(service.skeleton(user).await.expect("skeleton").len(), 21, "nothing is made twice, Textures neither");
    assert_eq!(version(service, root).await, 19);

    // What is missing is added, and only that.
    let (trash, textures) = (of_type(service, user, FolderType::TRASH).await, of_type(service, user, FolderType::TEXTURE).await);
    assert!(service.move_folder(textures, trash, None).await.expect("move"));
    assert!(service.delete_folders(&[textures], Some(user)).await.expect("delete"));
    assert_eq!(service.folder_for_type(user, FolderType::TEXTURE).await.expect("look-up"), None);
    assert!(!service.create_user_inventory(user).await.expect("again"));
    assert_ne!(of_type(service, user, FolderType::TEXTURE).await, textures);
    assert_eq!(service.skeleton(user).await.expect("skeleton").len(), 21);
}

async fn what_does_not_exist_is_none(service: &dyn InventoryService) {
    let nobody = Uuid::new_v4();
    assert_eq!(service.root_folder(nobody).await.expect("root"), None);
    assert_eq!(service.folder_for_type(nobody, FolderType::TRASH).await.expect("look-up"), None);
    assert_eq!(service.skeleton(nobody).await.expect("skeleton"), []);
    assert_eq!(service.folder(nobody, None).await.expect("folder"), None);
    assert_eq!(service.item(nobody, None).await.expect("item"), None);
    assert_eq!(service.items(&[nobody, nobody], None).await.expect("items"), [None, None]);
    assert_eq!(service.items(&[], None).await.expect("items"), []);
    assert_eq!(service.folder_content(nobody, Some(nobody)).await.expect("content"), None);
    assert_eq!(service.folders_content(&[], Some(nobody)).await.expect("contents"), []);
    assert_eq!(service.folder_items(nobody, None).await.expect("items"), []);
    assert_eq!(service.active_gestures(nobody).await.expect("gestures"), []);
    assert_eq!(service.asset_permissions(nobody, nobody).await.expect("permissions"), 0);
    // The zero UUID is the parent of everybody's root folder.
    assert_eq!(service.folder_content(Uuid::nil(), None).await.expect("content"), None);
    assert_eq!(service.folder_items(Uuid::nil(), None).await.expect("items"), []);
    assert!(service.delete_items(&[nobody], None).await.expect("delete"));
    assert!(service.delete_folders(&[nobody, Uuid::nil()], None).await.expect("delete"));
    assert!(service.move_items(&[ItemMove { item: nobody, folder: nobody }], None).await.expect("move"));
    assert!(!service.purge_folder(nobody, None).await.expect("purge"));
    assert!(!service.purge_folder(Uuid::nil(), None).await.expect("purge"));
    assert!(!service.move_folder(nobody, Uuid::nil(), None).await.expect("move"));
    assert!(!service.update_item(item(nobody, nobody, "x")).await.expect("update"));
}

async fn items_come_back_as_they_were(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let mut plain = item(user, root, "Größe <5> & \"日本\" 'x' \\ %");
    plain.description = " blanks around ".to_owned();
    let full = InventoryItem {
        asset_type: -1,
        inventory_type: -1,
        next_permissions: 1,
        current_permissions: 2,
        base_permissions: permissions::LARGEST,
        everyone_permissions: 3,
        group_permissions: 4,
        group_id: Uuid::new_v4(),
        group_owned: true,
        sale_price: i32::MAX,
        sale_type: 3,
        flags: permissions::LARGEST,
        creation_date: -1,
        creator_id: String::new(),
        name: String::new(),
        description: String::new(),
        ..item(user, root, "")
    };
    let extreme = InventoryItem { asset_type: i32::MAX, inventory_type: i32::MIN, sale_price: -1, ..item(user, root, "x") };
    for item in [&plain, &full, &extreme] {
        let before = version(service, root).await;
        add(service, item).await;
        assert_eq!(version(service, root).await, before + 1);
        assert_eq!(get(service, item.id).await.as_ref(), Some(item));
    }
    // The same id again replaces it.
    let replaced = InventoryItem { name: "other".to_owned(), asset_type: 5, ..plain.clone() };
    add(service, &replaced).await;
    assert_eq!(get(service, plain.id).await, Some(replaced));
    assert_eq!(service.folder_items(root, Some(user)).await.expect("items").len(), 3);
    // In a folder that does not exist it is not lost either.
    let homeless = item(user, Uuid::new_v4(), "homeless");
    add(service, &homeless).await;
    assert_eq!(get(service, homeless.id).await, Some(homeless));
}

async fn creators_from_elsewhere(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    for (id, data, expected) in [
        ("uuid", "http://grid:8002/;John Doe", "http://grid:8002/;John Doe"),
        ("uuid", "http://grid:8002/", "http://grid:8002/;Unknown User"),
        ("uuid", "a;b;c", "a;b"),
        ("", "a;b", "a;b"),
    ] {
        let item = InventoryItem { creator_id: id.to_owned(), creator_data: data.to_owned(), ..item(user, root, "gift") };
        add(service, &item).await;
        let stored = get(service, item.id).await.expect("the item");
        assert_eq!((stored.creator_id.as_str(), stored.creator_data.as_str()), (id, expected));
    }
}

async fn texts_are_cut(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let id = add_folder(service, user, root, &"é".repeat(65)).await;
    assert_eq!(service.folder(id, None).await.expect("folder").expect("it").name, "é".repeat(64));
    let mut long = item(user, root, &"日".repeat(70));
    long.description = "n".repeat(129);
    add(service, &long).await;
    let stored = get(service, long.id).await.expect("the item");
    assert_eq!((stored.name, stored.description), ("日".repeat(64), "n".repeat(128)));
    let blank = InventoryItem { description: " \t ".to_owned(), ..item(user, root, "x") };
    add(service, &blank).await;
    assert_eq!(get(service, blank.id).await.expect("the item").description, "");
    let renamed = InventoryFolder { name: "x".repeat(100), ..service.folder(id, None).await.expect("folder").expect("it") };
    assert!(service.update_folder(renamed).await.expect("update"));
    assert_eq!(service.folder(id, None).await.expect("folder").expect("it").name.len(), 64);
}

async fn blank_names_are_kept(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let blank = item(user, root, "  ");
    add(service, &blank).await;
    assert_eq!(get(service, blank.id).await, Some(blank));
}

async fn bad_values_are_refused(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let good = item(user, root, "good");
    add(service, &good).await;
    let before = version(service, root).await;
    let too_large = permissions::LARGEST + 1;
    for bad in [
        InventoryItem { next_permissions: too_large, ..good.clone() },
        InventoryItem { current_permissions: u32::MAX, ..good.clone() },
        InventoryItem { base_permissions: too_large, ..good.clone() },
        InventoryItem { everyone_permissions: too_large, ..good.clone() },
        InventoryItem { group_permissions: too_large, ..good.clone() },
        InventoryItem { flags: too_large, ..good.clone() },
        InventoryItem { creator_data: "x".repeat(300), ..good.clone() },
    ] {
        let new = InventoryItem { id: Uuid::new_v4(), ..bad.clone() };
        let id = new.id;
        assert_eq!(service.add_item(new).await.expect_err("refused").kind, ErrorKind::Refused);
        assert_eq!(get(service, id).await, None);
        assert_eq!(service.update_item(bad).await.expect_err("refused").kind, ErrorKind::Refused);
    }
    assert_eq!(get(service, good.id).await, Some(good));
    assert_eq!(version(service, root).await, before);
}

async fn folders_are_added_by_the_rules(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let before = version(service, root).await;
    let plain = InventoryFolder { version: 65_535, ..folder(user, root, "Möbel & <Türen> \"日本\" 'x'") };
    assert!(service.add_folder(plain.clone()).await.expect("add"));
    assert_eq!(service.folder(plain.id, Some(user)).await.expect("folder"), Some(plain.clone()));
    assert_eq!(version(service, root).await, before + 1);
    let nobody = Uuid::new_v4();
    let (_, others_root) = self::user(service).await;
    let own_parent = Uuid::new_v4();
    for (why, refused) in [
        ("the id exists", plain.clone()),
        ("the parent does not exist", folder(user, Uuid::new_v4(), "x")),
        ("the parent is another user's", folder(user, others_root, "x")),
        ("the parent is itself", InventoryFolder { id: own_parent, ..folder(user, own_parent, "x") }),
        ("the id is zero", InventoryFolder { id: Uuid::nil(), ..folder(user, root, "x") }),
        ("a second trash", InventoryFolder { folder_type: FolderType::TRASH, ..folder(user, root, "x") }),
        ("a second root", InventoryFolder { folder_type: FolderType::ROOT, ..folder(user, root, "x") }),
        ("no root yet", InventoryFolder { folder_type: FolderType::CLOTHING, ..folder(nobody, Uuid::nil(), "x") }),
    ] {
        assert!(!service.add_folder(refused).await.expect(why), "{why}");
    }
    assert_eq!(service.folder(plain.id, None).await.expect("folder"), Some(plain.clone()));
    assert_eq!(version(service, root).await, before + 1);
    // Elsewhere than directly in the root folder a type may occur again.
    for folder_type in [FolderType::CLOTHING, FolderType::OUTFIT, FolderType::OUTFIT] {
        assert!(service.add_folder(InventoryFolder { folder_type, ..folder(user, plain.id, "x") }).await.expect("add"));
    }
    // The version wraps around.
    assert_eq!(version(service, plain.id).await, 2);
    // A user's first folder may be made by hand.
    let by_hand = InventoryFolder { name: ROOT_FOLDER_NAME.to_owned(), ..folder(nobody, Uuid::nil(), "") };
    assert!(service.add_folder(by_hand.clone()).await.expect("add"));
    assert!(service.add_folder(folder(nobody, Uuid::nil(), "A second one")).await.expect("add"));
    assert_eq!(service.folder_for_type(nobody, FolderType::ROOT).await.expect("root"), Some(by_hand));
}

async fn folders_are_updated_by_the_rules(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let mut plain = folder(user, root, "plain");
    plain.version = 5;
    // An unknown one is added.
    assert!(service.update_folder(plain.clone()).await.expect("add"));
    plain.name = "renamed".to_owned();
    plain.version = 3;
    let before = version(service, root).await;
    assert!(service.update_folder(plain.clone()).await.expect("update"));
    plain.version = 5;
    assert_eq!(service.folder(plain.id, None).await.expect("folder"), Some(plain.clone()), "the version does not fall");
    assert_eq!(version(service, root).await, before + 1);
    plain.version = 9;
    let inner = add_folder(service, user, plain.id, "inner").await;
    assert!(service.update_folder(plain.clone()).await.expect("update"));
    assert_eq!(service.folder(plain.id, None).await.expect("folder"), Some(plain.clone()));

    // It can be moved like this, but not out of the tree.
    let target = add_folder(service, user, root, "target").await;
    assert!(service.update_folder(InventoryFolder { parent: target, ..plain.clone() }).await.expect("update"));
    plain.parent = target;
    for parent in [inner, plain.id, Uuid::new_v4()] {
        let lost = InventoryFolder { parent, name: "no".to_owned(), version: 99, ..plain.clone() };
        assert!(!service.update_folder(lost).await.expect("update"));
    }
    let others = InventoryFolder { owner: Uuid::new_v4(), ..plain.clone() };
    assert!(!service.update_folder(others).await.expect("update"));
    assert_eq!(service.folder(plain.id, None).await.expect("folder"), Some(plain.clone()));

    // Of a system folder only the version changes, and so of a plain one that would become one.
    let trash = service.folder_for_type(user, FolderType::TRASH).await.expect("trash").expect("it");
    let changed = InventoryFolder { name: "no".to_owned(), parent: target, version: 30, ..trash.clone() };
    assert!(service.update_folder(changed.clone()).await.expect("update"));
    assert_eq!(service.folder(trash.id, None).await.expect("it"), Some(InventoryFolder { version: 30, ..trash.clone() }));
    assert!(!service.update_folder(InventoryFolder { version: 29, ..changed }).await.expect("update"));
    let typed = InventoryFolder { folder_type: FolderType::CLOTHING, name: "no".to_owned(), version: 40, ..plain.clone() };
    assert!(service.update_folder(typed).await.expect("update"));
    assert_eq!(service.folder(plain.id, None).await.expect("it"), Some(InventoryFolder { version: 40, ..plain }));
}

async fn folders_are_moved_by_the_rules(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let a = add_folder(service, user, root, "a").await;
    let b = add_folder(service, user, a, "b").await;
    let c = add_folder(service, user, b, "c").await;
    let (other, others_root) = self::user(service).await;
    let versions = [version(service, root).await, version(service, a).await, version(service, b).await];
    for (why, id, parent, principal) in [
        ("into itself", a, a, Some(user)),
        ("into its child", a, b, Some(user)),
        ("deep into itself", a, c, None),
        ("to nowhere", a, Uuid::new_v4(), Some(user)),
        ("of nobody", Uuid::new_v4(), root, Some(user)),
        ("by another user", a, root, Some(other)),
        ("to another user", a, others_root, Some(user)),
        ("to another user, by that one", a, others_root, Some(other)),
        ("to another user, by nobody", a, others_root, None),
    ] {
        assert!(!service.move_folder(id, parent, principal).await.expect(why), "{why}");
    }
    assert_eq!([version(service, root).await, version(service, a).await, version(service, b).await], versions);
    assert!(service.move_folder(c, root, Some(user)).await.expect("move"));
    assert_eq!(service.folder(c, None).await.expect("c").expect("c").parent, root);
    assert_eq!(
        [version(service, root).await, version(service, a).await, version(service, b).await],
        [versions[0] + 1, versions[1], versions[2] + 1]
    );
    // Now the other way round it is no cycle.
    assert!(service.move_folder(a, c, Some(Uuid::nil())).await.expect("move"));
    assert!(service.move_folder(b, Uuid::nil(), Some(user)).await.expect("move"));
    assert_eq!(service.folder(b, None).await.expect("b").expect("b").parent, Uuid::nil());
    assert_eq!(service.root_folder(user).await.expect("root").expect("root").id, root, "the one with the name");
}

async fn items_are_updated_by_the_rules(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let other = add_folder(service, user, root, "other").await;
    let mut stored = item(user, root, "before");
    stored.creator_data = "http://home.example:8002/;Far Away".to_owned();
    add(service, &stored).await;
    let before = version(service, root).await;
    let mut update = InventoryItem {
        name: "after".to_owned(),
        asset_id: Uuid::new_v4(),
        current_permissions: 5,
        flags: 77,
        sale_price: 10,
        sale_type: 2,
        group_id: Uuid::new_v4(),
        group_owned: true,
        creation_date: 9,
        ..stored.clone()
    };
    let expected = update.clone();
    update.asset_type = 10;
    update.inventory_type = 10;
    update.folder = other;
    update.creator_id = "somebody".to_owned();
    update.creator_data = String::new();
    assert!(service.update_item(update.clone()).await.expect("update"));
    assert_eq!(get(service, stored.id).await, Some(expected.clone()), "five fields stay");
    assert_eq!((version(service, root).await, version(service, other).await), (before + 1, 1));

    // An empty creator stays empty, too.
    let nameless = InventoryItem { creator_id: String::new(), ..item(user, root, "x") };
    add(service, &nameless).await;
    let claimed = InventoryItem { creator_id: "me".to_owned(), creator_data: "a;b".to_owned(), ..nameless.clone() };
    assert!(service.update_item(claimed).await.expect("update"));
    assert_eq!(get(service, nameless.id).await, Some(nameless));

    let foreign = InventoryItem { owner: Uuid::new_v4(), name: "mine".to_owned(), ..expected.clone() };
    assert!(!service.update_item(foreign.clone()).await.expect("update"), "another user's item");
    assert!(!service.add_item(foreign).await.expect("add"), "nor can it be replaced");
    assert_eq!(get(service, stored.id).await, Some(expected));
}

async fn items_are_moved(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let a = add_folder(service, user, root, "a").await;
    let b = add_folder(service, user, root, "b").await;
    let items: Vec<_> = (0..5).map(|number| item(user, a, &number.to_string())).collect();
    for item in &items {
        add(service, item).await;
    }
    let to = |item: &InventoryItem, folder| ItemMove { item: item.id, folder };
    let versions = [version(service, a).await, version(service, b).await, version(service, root).await];
    let unknown = ItemMove { item: Uuid::new_v4(), folder: b };
    let moves = [to(&items[0], b), to(&items[1], b), unknown, to(&items[2], root), to(&items[0], root)];
    assert!(service.move_items(&moves, Some(user)).await.expect("move"));
    let mut places = Vec::new();
    for item in &items {
        places.push(get(service, item.id).await.expect("not lost").folder);
    }
    assert_eq!(places, [root, b, root, a, a], "the last destination counts");
    let now = [version(service, a).await, version(service, b).await, version(service, root).await];
    assert_eq!(now, versions.map(|version| version + 1));
    // All or nothing.
    let (other, others_root) = self::user(service).await;
    for bad in [Uuid::new_v4(), Uuid::nil(), others_root] {
        assert!(!service.move_items(&[to(&items[3], b), to(&items[4], bad)], Some(user)).await.expect("move"));
    }
    assert!(service.move_items(&[to(&items[3], others_root)], Some(other)).await.expect("not there for others"));
    assert_eq!(get(service, items[3].id).await.expect("it").folder, a);
    assert_eq!([version(service, a).await, version(service, b).await, version(service, root).await], now);
    assert!(service.move_items(&[], Some(user)).await.expect("nothing to do"));
}

async fn items_are_deleted(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let a = add_folder(service, user, root, "a").await;
    let items: Vec<_> = (0..4).map(|number| item(user, if number == 3 { root } else { a }, "x")).collect();
    for item in &items {
        add(service, item).await;
    }
    let versions = [version(service, a).await, version(service, root).await];
    let ids: Vec<_> = items.iter().map(|item| item.id).collect();
    assert!(service.delete_items(&ids, Some(Uuid::new_v4())).await.expect("another user's"));
    assert_eq!([version(service, a).await, version(service, root).await], versions);
    let some = [ids[0], Uuid::new_v4(), ids[1], ids[0], ids[3]];
    assert!(service.delete_items(&some, Some(user)).await.expect("delete"));
    assert!(service.delete_items(&some, Some(user)).await.expect("again"));
    let found = service.items(&ids, None).await.expect("items");
    assert_eq!(found, [None, None, Some(items[2].clone()), None]);
    assert_eq!([version(service, a).await, version(service, root).await], [versions[0] + 2, versions[1] + 1]);
}

async fn trash_is_emptied(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let trash = of_type(service, user, FolderType::TRASH).await;
    let a = add_folder(service, user, trash, "a").await;
    let b = add_folder(service, user, a, "b").await;
    let kept = add_folder(service, user, root, "kept").await;
    let mut gone = Vec::new();
    for folder in [trash, a, b] {
        let item = item(user, folder, "x");
        add(service, &item).await;
        gone.push(item.id);
    }
    let stays = item(user, kept, "x");
    add(service, &stays).await;
    let (other, _) = self::user(service).await;
    assert!(!service.purge_folder(trash, Some(other)).await.expect("another user's"));
    assert!(!service.purge_folder(kept, Some(user)).await.expect("not in the trash"));
    assert!(!service.purge_folder(root, None).await.expect("not in the trash"));
    assert!(get(service, gone[2]).await.is_some());

    let before = version(service, a).await;
    assert!(service.purge_folder(a, Some(user)).await.expect("purge"));
    assert!(service.folder(b, None).await.expect("b").is_none());
    assert!(service.folder(a, None).await.expect("a").is_some(), "the folder itself stays");
    assert!(version(service, a).await > before);
    assert_eq!(service.items(&gone, None).await.expect("items").iter().flatten().count(), 1);
    assert!(service.purge_folder(trash, None).await.expect("purge"));
    assert!(service.folder(a, None).await.expect("a").is_none());
    assert_eq!(service.items(&gone, None).await.expect("items").iter().flatten().count(), 0);
    let before = version(service, trash).await;
    assert!(service.purge_folder(trash, Some(user)).await.expect("empty already"));
    assert_eq!(version(service, trash).await, before);
    assert_eq!(get(service, stays.id).await, Some(stays));
    assert_eq!(service.skeleton(user).await.expect("skeleton").len(), 22);
}

async fn lost_and_found_leaves_nothing_behind(service: &dyn InventoryService) {
    let (user, _) = user(service).await;
    let lost = of_type(service, user, FolderType::LOST_AND_FOUND).await;
    let a = add_folder(service, user, lost, "a").await;
    let b = add_folder(service, user, a, "b").await;
    let deep = item(user, b, "x");
    add(service, &deep).await;
    assert!(!service.purge_folder(a, Some(user)).await.expect("what is in it is not in the trash"));
    assert!(service.delete_folders(&[a], Some(user)).await.expect("skipped"));
    assert!(service.folder(b, None).await.expect("b").is_some());
    assert!(service.purge_folder(lost, Some(user)).await.expect("purge"));
    assert_eq!(get(service, deep.id).await, None);
    assert_eq!(service.skeleton(user).await.expect("skeleton").len(), 21, "no orphan is left");
}

async fn folders_are_deleted_in_the_trash_only(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let trash = of_type(service, user, FolderType::TRASH).await;
    let in_trash = add_folder(service, user, trash, "a").await;
    let deep = add_folder(service, user, in_trash, "b").await;
    let elsewhere = add_folder(service, user, root, "c").await;
    let doomed = item(user, deep, "x");
    add(service, &doomed).await;
    let ids = [in_trash, elsewhere, Uuid::new_v4(), in_trash, root];
    assert!(service.delete_folders(&ids, Some(Uuid::new_v4())).await.expect("another user's"));
    assert!(service.folder(deep, None).await.expect("deep").is_some());
    assert!(service.delete_folders(&ids, Some(user)).await.expect("delete"));
    for gone in [in_trash, deep] {
        assert_eq!(service.folder(gone, None).await.expect("gone"), None);
    }
    assert_eq!(get(service, doomed.id).await, None);
    for kept in [elsewhere, root, trash] {
        assert!(service.folder(kept, None).await.expect("kept").is_some());
    }
    // The trash itself can be deleted, and made again.
    assert!(service.delete_folders(&[trash], Some(user)).await.expect("delete"));
    assert_eq!(service.folder_for_type(user, FolderType::TRASH).await.expect("trash"), None);
    assert!(!service.create_user_inventory(user).await.expect("create"));
    assert!(service.folder_for_type(user, FolderType::TRASH).await.expect("trash").is_some());
}

async fn principals_see_only_what_is_theirs(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let (other, _) = self::user(service).await;
    let secret = item(user, root, "secret");
    add(service, &secret).await;
    for (principal, visible) in [(Some(user), true), (None, true), (Some(Uuid::nil()), true), (Some(other), false)] {
        assert_eq!(service.item(secret.id, principal).await.expect("item").is_some(), visible);
        assert_eq!(service.items(&[secret.id], principal).await.expect("items")[0].is_some(), visible);
        assert_eq!(service.folder(root, principal).await.expect("folder").is_some(), visible);
        assert_eq!(service.folder_items(root, principal).await.expect("items").is_empty(), !visible);
        let content = service.folder_content(root, principal).await.expect("content");
        assert_eq!(content.map(|content| content.items), visible.then(|| vec![secret.clone()]));
    }
}

async fn gestures_and_permissions(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let gesture = |flags| InventoryItem { asset_type: asset_types::GESTURE, flags, ..item(user, root, "wave") };
    let (active, also_active) = (gesture(1), gesture(5));
    for item in [&active, &gesture(0), &also_active, &gesture(2), &InventoryItem { flags: 1, ..item(user, root, "note") }] {
        add(service, item).await;
    }
    let mut found: Vec<_> =
        service.active_gestures(user).await.expect("gestures").into_iter().map(|gesture| gesture.id).collect();
    found.sort();
    let mut expected = [active.id, also_active.id];
    expected.sort();
    assert_eq!(found, expected);

    let asset = Uuid::new_v4();
    for current_permissions in [0x2000, 0x4000, permissions::LARGEST & !0xffff] {
        add(service, &InventoryItem { asset_id: asset, current_permissions, ..item(user, root, "x") }).await;
    }
    let all = service.asset_permissions(user, asset).await.expect("permissions");
    assert_eq!(all, (permissions::LARGEST & !0xffff) | 0x6000);
    assert_eq!(service.asset_permissions(Uuid::new_v4(), asset).await.expect("permissions"), 0);
}

async fn content_of_many_folders(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let (other, others_root) = self::user(service).await;
    let a = add_folder(service, user, root, "a").await;
    let b = add_folder(service, user, a, "b").await;
    let in_a = item(user, a, "x");
    add(service, &in_a).await;
    let asked = [a, Uuid::new_v4(), others_root, b, Uuid::nil(), a];
    let contents = service.folders_content(&asked, Some(user)).await.expect("contents");
    let [content_a, None, None, Some(content_b), None, None] = &contents[..] else { panic!("{contents:?}") };
    let content = content_a.clone().expect("a");
    assert_eq!((content.folder, content.owner, content.version), (a, user, version(service, a).await));
    assert_eq!(content.folders, [service.folder(b, None).await.expect("b").expect("b")]);
    assert_eq!(content.items, [in_a]);
    assert_eq!((content_b.folders.len(), content_b.items.len()), (0, 0));
    assert_eq!(service.folder_content(a, Some(user)).await.expect("content"), *content_a);
    assert!(service.folder_content(others_root, Some(other)).await.expect("content").is_some());
}

async fn long_lists(service: &dyn InventoryService) {
    let (user, root) = user(service).await;
    let (a, b) = (add_folder(service, user, root, "a").await, add_folder(service, user, root, "b").await);
    let mut known = Vec::new();
    for number in 0..40 {
        let item = item(user, a, &number.to_string());
        add(service, &item).await;
        known.push(item.id);
    }
    // 10,000 ids, of which every 250th exists.
    let mut ids: Vec<_> = (0..10_000).map(|_| Uuid::new_v4()).collect();
    for (number, id) in known.iter().enumerate() {
        ids[number * 250 + 7] = *id;
    }
    let found = service.items(&ids, Some(user)).await.expect("items");
    let places: Vec<_> =
        found.iter().enumerate().filter_map(|(place, item)| item.as_ref().map(|item| (place, item.id))).collect();
    assert_eq!(places, known.iter().enumerate().map(|(number, id)| (number * 250 + 7, *id)).collect::<Vec<_>>());
    let moves: Vec<_> = ids.iter().map(|id| ItemMove { item: *id, folder: b }).collect();
    assert!(service.move_items(&moves, Some(user)).await.expect("move"));
    assert_eq!(service.folder_items(b, Some(user)).await.expect("items").len(), 40);
    let mut folders = vec![a, b];
    folders.extend(&ids[..10_000]);
    assert_eq!(service.folders_content(&folders, Some(user)).await.expect("contents").iter().flatten().count(), 2);
    assert!(service.delete_folders(&ids, Some(user)).await.expect("delete"));
    assert!(service.delete_items(&ids, Some(user)).await.expect("delete"));
    assert_eq!(service.folder_items(b, Some(user)).await.expect("items"), []);

    let too_many = vec![root; MAX_IDS_OF_ONE_CALL + 1];
    let errors = [
        service.items(&too_many, None).await.expect_err("items").kind,
        service.folders_content(&too_many[..=MAX_FOLDERS_OF_ONE_CALL], None).await.expect_err("contents").kind,
        service.delete_items(&too_many, None).await.expect_err("delete").kind,
        service.delete_folders(&too_many, None).await.expect_err("delete").kind,
        service
            .move_items(&vec![ItemMove { item: root, folder: root }; MAX_IDS_OF_ONE_CALL + 1], None)
            .await
            .expect_err("move")
            .kind,
    ];
    assert_eq!(errors, [ErrorKind::Invalid; 5]);
}
