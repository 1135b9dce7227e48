//! Clients that go on reading, storing and changing, and note what went wrong.

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gridshell_connectors::inventory::codec;
use gridshell_interfaces::inventory::FolderContent;
use uuid::Uuid;

use crate::common::{Answer, PATIENCE, Shell, asset_document, connect, noise, post_form, request};

const READERS: u64 = 4;
const STORERS: u64 = 2;
const WRITERS: u64 = 2;

/// Whose inventory is changed.
const USER: Uuid = Uuid::from_u128(0xa55e_7000_0000_4000_8000_0000_0000_0a01);

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// What the clients know of the store, and what they have done to it.
pub struct Load {
    /// Paths, and the bytes that are answered there.
    known: Vec<(String, Vec<u8>)>,
    /// The folder that things are added to, as it was at first.
    root: Uuid,
    before: FolderContent,
    stop: AtomicBool,
    reads: AtomicUsize,
    stores: AtomicUsize,
    /// The number of the next asset or item.
    next: AtomicU64,
    /// Assets that were answered as stored.
    stored: Mutex<Vec<u64>>,
    /// Items and folders that were answered as added.
    added: Mutex<Vec<Uuid>>,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Fills a store with assets and an inventory.
    pub fn prepare(storage: &Shell) -> Self {
        let mut known = Vec::new();
        for number in 0..24 {
            store(&mut storage.connect(), number).unwrap();
            for path in [format!("/assets/{}", asset_id(number)), format!("/assets/{}/data", asset_id(number))] {
                let answer = storage.get(&path);
                assert_eq!(answer.status, 200, "{path}");
                known.push((path, answer.body));
            }
        }
        assert!(
            post_form(storage, "/xinventory", &format!("METHOD=CREATEUSERINVENTORY&PRINCIPAL={USER}")).text().contains("True")
        );
        let root = post_form(storage, "/xinventory", &format!("METHOD=GETROOTFOLDER&PRINCIPAL={USER}"));
        let root = codec::decode_folder(&root.body).unwrap().unwrap().id;
        Self {
            known,
            root,
            before: content(storage, root),
            stop: AtomicBool::new(false),
            reads: AtomicUsize::new(0),
            stores: AtomicUsize::new(0),
            next: AtomicU64::new(1000),
            stored: Mutex::default(),
            added: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Lets the clients work at `edge` while `work` is done.
    pub fn run(&self, edge: &Shell, work: impl FnOnce()) {
        self.stop.store(false, Ordering::Relaxed);
        // Also when the work panics: the clients would be waited for in vain.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        thread::scope(|scope| {
            let _stop = Stop(&self.stop);
            for number in 0..READERS {
                scope.spawn(move || self.read_on(edge, number));
            }
            for _ in 0..STORERS {
                scope.spawn(|| self.store_on(edge));
            }
            for _ in 0..WRITERS {
                scope.spawn(|| self.add_on(edge));
            }
            work();
        });
    }

    /// Waits until that many more reads, and a tenth of it in stores, are done. Fails when one of them was wrong.
    pub fn go_on(&self, reads: usize, when: &str) {
        let (reads, stores) = (self.reads.load(Ordering::Relaxed) + reads, self.stores.load(Ordering::Relaxed) + reads / 10);
        self.wait_until(when, || self.reads.load(Ordering::Relaxed) >= reads && self.stores.load(Ordering::Relaxed) >= stores);
    }

    /// Waits until something is so, under load. Fails when a read or store was wrong.
    pub fn wait_until(&self, when: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() && self.failures.lock().unwrap().is_empty() {
            assert!(Instant::now() < deadline, "it goes no further: {when}");
            thread::sleep(Duration::from_millis(5));
        }
        let failures = self.failures.lock().unwrap().clone();
        assert!(failures.is_empty(), "{when}: {} failures; the first: {}", failures.len(), failures[0]);
    }

    /// Everything that was acknowledged is there, and nothing was done twice.
    pub fn check(&self, storage: &Shell, arrivals: &crate::front::Arrivals) {
        for number in self.stored.lock().unwrap().iter() {
            let answer = storage.get(&format!("/assets/{}", asset_id(*number)));
            assert!(answer.text().contains(&format!("<Data>{}</Data>", base64(*number))), "asset {number}: {}", answer.text());
        }
        let after = content(storage, self.root);
        let there =
            |id: &Uuid| after.items.iter().any(|item| item.id == *id) || after.folders.iter().any(|folder| folder.id == *id);
        let added = self.added.lock().unwrap();
        let lost: Vec<&Uuid> = added.iter().filter(|id| !there(id)).collect();
        assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");
        assert!(added.len() > 20, "only {} additions were acknowledged", added.len());

        let twice: Vec<_> = arrivals.lock().unwrap().iter().filter(|(_, count)| **count > 1).map(|(id, _)| id.clone()).collect();
        assert!(twice.is_empty(), "sent more than once: {twice:?}");
        // The folder counts what was done to it (inventory.md section 4).
        let new = after.items.len() + after.folders.len() - self.before.items.len() - self.before.folders.len();
        assert_eq!(after.version.wrapping_sub(self.before.version), u16::try_from(new).unwrap(), "each addition was made once");
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.failures.lock().unwrap().is_empty()
    }

    fn failed(&self, what: impl Into<String>) {
        self.failures.lock().unwrap().push(what.into());
    }

    fn read_on(&self, edge: &Shell, number: u64) {
        let mut stream = edge.connect();
        let begin = usize::try_from(number).unwrap() * self.known.len() / usize::try_from(READERS).unwrap();
        for (path, bytes) in self.known.iter().cycle().skip(begin) {
            if !self.goes_on() {
                return;
            }
            match request(&mut stream, "GET", path, "", b"") {
                Ok(answer) if answer.status == 200 && answer.body == *bytes => {}
                Ok(answer) => self.failed(format!("GET {path}: {}, {} bytes", answer.status, answer.body.len())),
                Err(error) => self.failed(format!("GET {path}: {error}")),
            }
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn store_on(&self, edge: &Shell) {
        let mut stream = edge.connect();
        while self.goes_on() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            match store(&mut stream, number) {
                Ok(answer) if answer.status == 200 && answer.text().contains(&asset_id(number).to_string()) => {
                    self.stored.lock().unwrap().push(number);
                }
                Ok(answer) => self.failed(format!("the store of {number}: {} {}", answer.status, answer.text())),
                Err(error) => self.failed(format!("the store of {number}: {error}")),
            }
            self.stores.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Adds items and folders. Unlike reads and stores these may fail.
    fn add_on(&self, edge: &Shell) {
        let mut stream = connect(edge.port).unwrap();
        while self.goes_on() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let id = Uuid::from_u128(0xadd0_0000_0000_4000_8000_0000_0000_0000 + u128::from(number));
            let form = if number.is_multiple_of(4) { add_folder_form(id, self.root) } else { add_item_form(id, self.root) };
            match request(&mut stream, "POST", "/xinventory", FORM, form.as_bytes()) {
                Ok(answer) if answer.text().contains("<RESULT>True</RESULT>") => self.added.lock().unwrap().push(id),
                Ok(answer) if answer.text().contains("<RESULT>False</RESULT>") => {}
                Ok(answer) => self.failed(format!("the addition of {id}: {} {}", answer.status, answer.text())),
                Err(error) => self.failed(format!("the addition of {id}: {error}")),
            }
        }
    }
}

fn asset_id(number: u64) -> Uuid {
    Uuid::from_u128(0xa55e_7000_0000_4000_8000_0001_0000_0000 + u128::from(number))
}

/// The data of an asset, which are its number's alone.
fn base64(number: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let length = 40 + 240 * usize::try_from(number % 24).unwrap();
    noise(number, length).into_iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
}

fn store(stream: &mut TcpStream, number: u64) -> std::io::Result<Answer> {
    let document = asset_document(&asset_id(number).to_string(), &base64(number));
    request(stream, "POST", "/assets/", "Content-Type: text/xml\r\n", document.as_bytes())
}

fn content(storage: &Shell, folder: Uuid) -> FolderContent {
    let answer = post_form(storage, "/xinventory", &format!("METHOD=GETFOLDERCONTENT&PRINCIPAL={USER}&FOLDER={folder}"));
    codec::decode_folder_content(&answer.body, USER).unwrap().unwrap()
}

fn add_item_form(id: Uuid, folder: Uuid) -> String {
    let nil = Uuid::nil();
    format!(
        "AssetID={asset}&AssetType=7&Name=added&Owner={USER}&ID={id}&InvType=7&Folder={folder}&CreatorId={USER}&CreatorData&Description\
         &NextPermissions=581632&CurrentPermissions=647168&BasePermissions=647168&EveryOnePermissions=0&GroupPermissions=0&GroupID={nil}\
         &GroupOwned=False&SalePrice=0&SaleType=0&Flags=0&CreationDate=1700000000&METHOD=ADDITEM",
        asset = asset_id(0),
    )
}

fn add_folder_form(id: Uuid, parent: Uuid) -> String {
    format!("ParentID={parent}&Type=-1&Version=1&Name=added&Owner={USER}&ID={id}&METHOD=ADDFOLDER")
}
