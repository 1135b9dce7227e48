//! `delete bakes` of the baked texture service (assets.md section 12).

use std::sync::Arc;

use async_trait::async_trait;
use gridshell_interfaces::baked_texture::BakedTextureService;
use gridshell_interfaces::ids::parse_uuid;

use crate::console::command::{Command, CommandHandler, CommandResult, Commands};
use crate::console::output::Output;

/// Registers the command for one baked texture service.
pub fn register_baked_texture_commands(commands: &Commands, service: Arc<dyn BakedTextureService>) {
    let command = Command::new("fs", "delete bakes", "delete bakes <ID>", "Delete the baked textures of an avatar");
    commands.register(command, DeleteBakes { service });
}

struct DeleteBakes {
    service: Arc<dyn BakedTextureService>,
}

#[async_trait]
impl CommandHandler for DeleteBakes {
    async fn run(&self, arguments: &[String], output: &Output) -> CommandResult {
        let [id, ..] = arguments else {
            output.line("Syntax: delete bakes <ID>");
            return Ok(());
        };
        let deleted = match parse_uuid(id) {
            Some(id) => self.service.delete(id).await?,
            None => false,
        };
        output.line(if deleted { "Bakes deleted" } else { "Bakes not found" });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gridshell_interfaces::{Result, ServiceError};
    use uuid::Uuid;

    use super::*;
    use crate::console::testing::run_line;

    const KEPT: Uuid = Uuid::from_u128(1);
    const BROKEN: Uuid = Uuid::from_u128(2);

    /// A store that holds the bakes of one avatar, however often they are deleted.
    struct OneAvatar;

    #[async_trait]
    impl BakedTextureService for OneAvatar {
        async fn get(&self, _: Uuid) -> Result<Option<Bytes>> {
            Ok(None)
        }

        async fn store(&self, _: Uuid, _: Bytes) -> Result<()> {
            Ok(())
        }

        async fn delete(&self, agent: Uuid) -> Result<bool> {
            if agent == BROKEN { Err(ServiceError::unavailable("the disk is gone")) } else { Ok(agent == KEPT) }
        }
    }

    #[tokio::test]
    async fn texts() {
        let commands = Commands::default();
        register_baked_texture_commands(&commands, Arc::new(OneAvatar));
        for (line, expected) in [
            ("delete bakes".to_owned(), "Syntax: delete bakes <ID>"),
            ("delete bakes x".to_owned(), "Bakes not found"),
            (format!("delete bakes {}", Uuid::from_u128(3)), "Bakes not found"),
            (format!("delete bakes {KEPT}"), "Bakes deleted"),
            (format!("delete bakes {BROKEN}"), "Command error: the disk is gone"),
        ] {
            assert_eq!(run_line(&commands, &line).await, [expected], "{line}");
        }
    }
}
