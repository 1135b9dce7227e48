//! `show asset`, `show digest`, `delete asset` and `dump asset` of an asset connector (assets.md section 11).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata, AssetService, asset_type_name, content_type_of};
use gridshell_interfaces::ids::parse_uuid;
use sha2::{Digest, Sha256};
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::console::command::{Command, CommandHandler, CommandResult, Commands};
use crate::console::output::Output;

const CATEGORY: &str = "Assets";

/// Bytes in a line of the hexadecimal view, and its most lines.
const ROW_BYTES: usize = 16;
const MAX_ROWS: usize = 5;

/// Called after an asset was deleted, so that caches can forget it.
pub type DeletedHook = Arc<dyn Fn(Uuid) + Send + Sync>;

/// What the commands of one asset connector work on.
#[derive(Clone)]
pub struct AssetCommandOptions {
    /// The service behind the connector.
    pub service: Arc<dyn AssetService>,
    /// Called after an asset was deleted.
    pub deleted: DeletedHook,
    /// Where `dump asset` writes; the original's is the working directory.
    pub dump_folder: PathBuf,
}

/// Registers the commands of one asset connector. With several connectors each command runs for all of them, in the order of
/// registration.
pub fn register_asset_commands(commands: &Commands, options: AssetCommandOptions) {
    let command = |words: &str, help: &str| Command::new(CATEGORY, words, &format!("{words} <ID>"), help);
    let service = options.service.clone();
    commands.register(
        command("show asset", "Show asset information"),
        Show { service: service.clone(), syntax: "Syntax: show asset <ID>", digest: false },
    );
    // The original has this command for FSAssets only, where the digest names the file.
    commands.register(
        command("show digest", "Show asset information with the SHA-256 digest of the data"),
        Show { service: service.clone(), syntax: "Syntax: show digest <ID>", digest: true },
    );
    commands.register(
        command("delete asset", "Delete asset from database"),
        Delete { service: service.clone(), deleted: options.deleted },
    );
    commands.register(command("dump asset", "Dump an asset to a file"), Dump { service, folder: options.dump_folder });
}

struct Show {
    service: Arc<dyn AssetService>,
    syntax: &'static str,
    digest: bool,
}

#[async_trait]
impl CommandHandler for Show {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [id, ..] = arguments else {
            output.line(self.syntax);
            return Ok(());
        };
        let asset = match parse_uuid(id) {
            Some(id) => self.service.get(id).await?,
            None => None,
        };
        match asset.filter(has_data) {
            Some(asset) => asset_lines(&asset, self.digest).iter().for_each(|line| output.line(line)),
            None => output.line("Asset not found"),
        }
        Ok(())
    }
}

/// An asset of zero bytes is shown as none.
fn has_data(asset: &Asset) -> bool {
    asset.data.as_ref().is_some_and(|data| !data.is_empty())
}

fn asset_lines(asset: &Asset, with_digest: bool) -> Vec<String> {
    let metadata = &asset.metadata;
    let data = asset.data.as_deref().unwrap_or_default();
    let number = metadata.asset_type;
    let type_name = asset_type_name(number).map_or_else(|| number.to_string(), str::to_owned);
    let mut lines = vec![
        format!("Name: {}", metadata.name),
        format!("Description: {}", metadata.description),
        format!("Type: {type_name} (type number = {number})"),
        format!("Content-type: {}", content_type_of(number)),
        format!("Size: {} bytes", data.len()),
        format!("Temporary: {}", if metadata.temporary { "yes" } else { "no" }),
        format!("Flags: {}", flag_text(metadata.flags)),
    ];
    if with_digest {
        lines.push(format!("Digest: {}", hex(&Sha256::digest(data), "")));
    }
    let rows = data.chunks(ROW_BYTES).take(MAX_ROWS).enumerate();
    lines.extend(rows.map(|(row, bytes)| format!("{:04x}: {}", row * ROW_BYTES, hex(bytes, "-"))));
    lines
}

/// The names of the flags separated by commas, or the number when one has no name.
fn flag_text(flags: AssetFlags) -> String {
    flags.names().map_or_else(|| flags.0.to_string(), |names| names.replace(' ', ", "))
}

fn hex(bytes: &[u8], separator: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(separator)
}

struct Delete {
    service: Arc<dyn AssetService>,
    deleted: DeletedHook,
}

#[async_trait]
impl CommandHandler for Delete {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [typed, ..] = arguments else {
            output.line("Syntax: delete asset <ID>");
            return Ok(());
        };
        let metadata = match parse_uuid(typed) {
            Some(id) => self.service.metadata(id).await?,
            None => None,
        };
        let Some(AssetMetadata { id, name, .. }) = metadata else {
            output.line(&format!("Could not find asset with ID {typed}"));
            return Ok(());
        };
        if self.service.delete(id).await? {
            (self.deleted)(id);
            output.line(&format!("Deleted asset {typed} {name}"));
        } else {
            output.line(&format!("ERROR: Could not delete asset {typed} {name}"));
        }
        Ok(())
    }
}

struct Dump {
    service: Arc<dyn AssetService>,
    folder: PathBuf,
}

#[async_trait]
impl CommandHandler for Dump {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [typed, ..] = arguments else {
            output.line("Usage is dump asset <ID>");
            return Ok(());
        };
        let Some(id) = parse_uuid(typed) else {
            output.line(&format!("ERROR: {typed} is not a valid ID format"));
            return Ok(());
        };
        let Some(data) = self.service.data(id).await? else {
            output.line(&format!("ERROR: No asset found with ID {typed}"));
            return Ok(());
        };
        // An id is only digits and hyphens once the blanks around it are gone, so the name cannot leave the folder.
        let name = typed.trim();
        let path = self.folder.join(name);
        match write_new(&path, &data).await {
            Ok(()) => output.line(&format!("Asset dumped to file {name}")),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                output.line(&format!("File {name} already exists.  Please move or remove it."));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
        Ok(())
    }
}

/// Writes a file that must not exist yet. A file that cannot be finished is taken away again.
async fn write_new(path: &Path, data: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).await?;
    let mut written = file.write_all(data).await;
    if written.is_ok() {
        written = file.flush().await;
    }
    if written.is_err() {
        // The first error is the one to tell.
        let _ = tokio::fs::remove_file(path).await;
    }
    written
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use bytes::Bytes;
    use gridshell_interfaces::{Result, ServiceError};

    use super::*;
    use crate::console::testing::run_line;

    const ID: &str = "a55e7000-0000-4000-8000-00000000abcd";

    /// Assets in memory; `refuses` makes it keep what should be deleted.
    #[derive(Debug, Default)]
    struct Memory {
        assets: Mutex<HashMap<Uuid, Asset>>,
        refuses: bool,
        broken: bool,
    }

    #[async_trait]
    impl AssetService for Memory {
        async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
            if self.broken {
                return Err(ServiceError::unavailable("no database"));
            }
            Ok(self.assets.lock().unwrap().get(&id).cloned())
        }

        async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
            let assets = self.assets.lock().unwrap();
            Ok(ids.iter().map(|id| assets.contains_key(id)).collect())
        }

        async fn store(&self, asset: Asset) -> Result<Uuid> {
            let id = asset.metadata.id;
            self.assets.lock().unwrap().insert(id, asset);
            Ok(id)
        }

        async fn delete(&self, id: Uuid) -> Result<bool> {
            Ok(!self.refuses && self.assets.lock().unwrap().remove(&id).is_some())
        }
    }

    fn asset(id: &str, asset_type: i8, flags: i32, data: &[u8]) -> Asset {
        let metadata = AssetMetadata {
            id: parse_uuid(id).unwrap(),
            name: "Bark".to_owned(),
            description: "of a tree".to_owned(),
            created: None,
            asset_type,
            local: false,
            temporary: flags != 0,
            creator: None,
            flags: AssetFlags(flags),
        };
        Asset { metadata, data: Some(Bytes::copy_from_slice(data)) }
    }

    struct Set {
        commands: Commands,
        folder: tempfile::TempDir,
        deleted: Arc<Mutex<Vec<Uuid>>>,
    }

    impl Set {
        fn new() -> Self {
            let (commands, folder) = (Commands::default(), tempfile::tempdir().unwrap());
            Self { commands, folder, deleted: Arc::default() }
        }

        fn with(self, memory: Memory) -> Self {
            let deleted = self.deleted.clone();
            register_asset_commands(
                &self.commands,
                AssetCommandOptions {
                    service: Arc::new(memory),
                    deleted: Arc::new(move |id| deleted.lock().unwrap().push(id)),
                    dump_folder: self.folder.path().to_owned(),
                },
            );
            self
        }

        async fn run(&self, line: &str) -> Vec<String> {
            run_line(&self.commands, line).await
        }
    }

    async fn memory(assets: &[Asset]) -> Memory {
        let memory = Memory::default();
        for asset in assets {
            memory.store(asset.clone()).await.unwrap();
        }
        memory
    }

    #[tokio::test]
    async fn show_asset_and_digest() {
        let data: Vec<u8> = (0xf0..=0xff).chain(0..100).collect();
        let other = "00000000-0000-0000-0000-000000000001";
        let set = Set::new().with(memory(&[asset(ID, 0, 0, &data), asset(other, 100, 5, b"abc")]).await);
        let head = |rest: &[&str]| {
            let common = ["Name: Bark", "Description: of a tree"];
            common.iter().chain(rest).map(|line| (*line).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            set.run(&format!("show asset {}", ID.to_uppercase())).await,
            head(&[
                "Type: Texture (type number = 0)",
                "Content-type: image/x-j2c",
                "Size: 116 bytes",
                "Temporary: no",
                "Flags: Normal",
                "0000: F0-F1-F2-F3-F4-F5-F6-F7-F8-F9-FA-FB-FC-FD-FE-FF",
                "0010: 00-01-02-03-04-05-06-07-08-09-0A-0B-0C-0D-0E-0F",
                "0020: 10-11-12-13-14-15-16-17-18-19-1A-1B-1C-1D-1E-1F",
                "0030: 20-21-22-23-24-25-26-27-28-29-2A-2B-2C-2D-2E-2F",
                "0040: 30-31-32-33-34-35-36-37-38-39-3A-3B-3C-3D-3E-3F",
            ])
        );
        assert_eq!(
            set.run(&format!("show digest {other}")).await,
            head(&[
                "Type: 100 (type number = 100)",
                "Content-type: application/octet-stream",
                "Size: 3 bytes",
                "Temporary: yes",
                "Flags: Maptile, Collectable",
                "Digest: BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
                "0000: 61-62-63",
            ])
        );
    }

    #[tokio::test]
    async fn nothing_to_show() {
        let set = Set::new().with(memory(&[asset(ID, 0, 0, b"")]).await);
        for (line, expected) in [
            ("show asset", "Syntax: show asset <ID>"),
            ("show digest", "Syntax: show digest <ID>"),
            ("delete asset", "Syntax: delete asset <ID>"),
            ("dump asset", "Usage is dump asset <ID>"),
            ("show asset x", "Asset not found"),
            (&format!("show asset {ID}"), "Asset not found"),
            ("delete asset x", "Could not find asset with ID x"),
            ("dump asset ../x", "ERROR: ../x is not a valid ID format"),
            ("dump asset 00000000000000000000000000000001", "ERROR: No asset found with ID 00000000000000000000000000000001"),
        ] {
            assert_eq!(set.run(line).await, [expected], "{line}");
        }
        let set = Set::new().with(Memory { broken: true, ..Memory::default() });
        assert_eq!(set.run(&format!("show asset {ID}")).await, ["Command error: no database"]);
    }

    #[tokio::test]
    async fn delete_runs_on_every_connector_and_tells_the_caches() {
        let refusing = Memory { refuses: true, ..memory(&[asset(ID, 0, 0, b"x")]).await };
        let set = Set::new().with(memory(&[asset(ID, 0, 0, b"x")]).await).with(refusing);
        let line = format!("delete asset {ID}");
        let deleted = format!("Deleted asset {ID} Bark");
        let refused = format!("ERROR: Could not delete asset {ID} Bark");
        assert_eq!(set.run(&line).await, [deleted.as_str(), &refused]);
        assert_eq!(*set.deleted.lock().unwrap(), [parse_uuid(ID).unwrap()]);
        assert_eq!(set.run(&line).await, [format!("Could not find asset with ID {ID}").as_str(), &refused]);
    }

    #[tokio::test]
    async fn dump_never_overwrites() {
        let set = Set::new().with(memory(&[asset(ID, 0, 0, b"\0data\xff")]).await);
        let line = format!("dump asset {ID}");
        assert_eq!(set.run(&line).await, [format!("Asset dumped to file {ID}")]);
        let path = set.folder.path().join(ID);
        assert_eq!(std::fs::read(&path).unwrap(), b"\0data\xff");
        std::fs::write(&path, "mine").unwrap();
        assert_eq!(set.run(&line).await, [format!("File {ID} already exists.  Please move or remove it.")]);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        drop(std::fs::remove_dir_all(set.folder.path()));
        let failed = set.run(&line).await;
        assert!(failed[0].starts_with("Command error: cannot write ") && failed[0].contains("No such file"), "{failed:?}");
    }
}
