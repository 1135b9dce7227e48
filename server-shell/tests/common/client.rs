//! The asset service of a running shell, as a region sees it: every call goes over HTTP. Says with the trait's own words what came
//! back, so that what is promised of a service can be checked through a real socket.

use std::io::BufReader;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gridshell_connectors::asset::codec;
use gridshell_connectors::wire::dotnet;
use gridshell_interfaces::asset::{Asset, AssetMetadata, AssetService};
use gridshell_interfaces::{Result, ServiceError};
use uuid::Uuid;

use super::{Answer, connect, read_answer, write_request};

/// Speaks with a shell on this machine. Clones share the idle connections.
#[derive(Clone, Debug)]
pub struct AssetClient {
    port: u16,
    idle: Arc<Mutex<Vec<BufReader<TcpStream>>>>,
}

impl AssetClient {
    pub fn new(port: u16) -> Self {
        Self { port, idle: Arc::default() }
    }

    /// One request; `None` for 404. Connections are used again unless the shell closes them.
    async fn send(&self, method: &'static str, path: String, body: Bytes) -> Result<Option<Answer>> {
        let client = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let idle = client.idle.lock().unwrap().pop();
            let mut stream = match idle {
                Some(stream) => stream,
                None => BufReader::new(connect(client.port)?),
            };
            write_request(stream.get_mut(), method, &path, "", &body)?;
            let answer = read_answer(&mut stream)?;
            if answer.header("Connection") != Some("close") {
                client.idle.lock().unwrap().push(stream);
            }
            Ok(answer)
        });
        let answer = answer.await.unwrap().map_err(|error: std::io::Error| ServiceError::unavailable(error.to_string()))?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            503 => Err(ServiceError::unavailable(answer.head)),
            400 => Err(ServiceError::invalid(answer.head)),
            _ => Err(ServiceError::internal(answer.head)),
        }
    }

    /// A request that is never answered 404.
    async fn ask(&self, method: &'static str, path: String, body: Bytes) -> Result<Bytes> {
        let answer = self.send(method, path, body).await?;
        answer.map(|answer| answer.body.into()).ok_or_else(|| ServiceError::internal("unexpected 404"))
    }
}

fn unreadable(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::internal(format!("the answer cannot be read: {error}"))
}

#[async_trait]
impl AssetService for AssetClient {
    async fn get(&self, id: Uuid) -> Result<Option<Asset>> {
        let Some(answer) = self.send("GET", format!("/assets/{id}"), Bytes::new()).await? else { return Ok(None) };
        Ok(Some(codec::decode_asset_answer(&answer.body).map_err(unreadable)?.asset))
    }

    async fn metadata(&self, id: Uuid) -> Result<Option<AssetMetadata>> {
        let Some(answer) = self.send("GET", format!("/assets/{id}/metadata"), Bytes::new()).await? else { return Ok(None) };
        codec::decode_metadata(&answer.body).map(Some).map_err(unreadable)
    }

    async fn data(&self, id: Uuid) -> Result<Option<Bytes>> {
        let answer = self.send("GET", format!("/assets/{id}/data"), Bytes::new()).await?;
        Ok(answer.map(|answer| answer.body.into()))
    }

    async fn exist(&self, ids: &[Uuid]) -> Result<Vec<bool>> {
        let ids: Vec<_> = ids.iter().map(Uuid::to_string).collect();
        let answer = self.ask("POST", "/get_assets_exist".to_owned(), dotnet::string_array_document(&ids)).await?;
        dotnet::read_boolean_array(&answer).map_err(unreadable)
    }

    async fn store(&self, asset: Asset) -> Result<Uuid> {
        let document =
            codec::encode_asset(&asset, dotnet::Style::Compact).map_err(|error| ServiceError::invalid(error.to_string()))?;
        let answer = self.ask("POST", "/assets/".to_owned(), document).await?;
        let id = dotnet::read_string(&answer).map_err(unreadable)?.parse().map_err(unreadable)?;
        // A refusal is the zero UUID (assets.md section 4).
        if id == Uuid::nil() { Err(ServiceError::refused("the zero UUID was answered")) } else { Ok(id) }
    }

    async fn delete(&self, id: Uuid) -> Result<bool> {
        let answer = self.ask("DELETE", format!("/assets/{id}"), Bytes::new()).await?;
        dotnet::read_boolean(&answer).map_err(unreadable)
    }

    async fn update_content(&self, id: Uuid, data: Bytes) -> Result<bool> {
        let metadata = AssetMetadata {
            id,
            name: String::new(),
            description: String::new(),
            created: None,
            asset_type: 0,
            local: false,
            temporary: false,
            creator: None,
            flags: Default::default(),
        };
        let asset = Asset { metadata, data: Some(data) };
        let document = codec::encode_asset(&asset, dotnet::Style::Compact).map_err(unreadable)?;
        let answer = self.ask("POST", format!("/assets/{id}"), document).await?;
        dotnet::read_boolean(&answer).map_err(unreadable)
    }
}
