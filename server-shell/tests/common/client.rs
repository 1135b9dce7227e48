//! A way to a running shell for OUT connectors: every request goes over HTTP, through a real socket.

use std::io::BufReader;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gridshell_connectors::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use gridshell_connectors::transport::{Answer, Outgoing, Transport, TransportError};

use super::{connect, read_answer, write_request};

/// Speaks with a shell on this machine, over connections that are used again unless the shell closes them.
#[derive(Debug)]
pub struct HttpTransport {
    port: u16,
    idle: Arc<Mutex<Vec<BufReader<TcpStream>>>>,
}

impl HttpTransport {
    pub fn new(port: u16) -> Arc<Self> {
        Arc::new(Self { port, idle: Arc::default() })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Outgoing) -> Result<Answer, TransportError> {
        let (port, idle) = (self.port, self.idle.clone());
        let exchange = tokio::task::spawn_blocking(move || {
            let kept = idle.lock().unwrap().pop();
            let mut stream = match kept {
                Some(stream) => stream,
                None => BufReader::new(connect(port)?),
            };
            let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}\r\n", value.to_str().unwrap());
            let headers: String = request.headers.iter().map(line).collect();
            write_request(stream.get_mut(), request.method.as_str(), &request.target, &headers, &request.body)?;
            let answer = read_answer(&mut stream)?;
            if answer.header("Connection") != Some("close") {
                idle.lock().unwrap().push(stream);
            }
            Ok::<_, std::io::Error>(answer)
        });
        let answer = exchange.await.unwrap().map_err(|error| TransportError::Unavailable(error.to_string()))?;
        let status = StatusCode::from_u16(answer.status).map_err(|error| TransportError::Malformed(error.to_string()))?;
        Ok(Answer { status, headers: HeaderMap::new(), body: answer.body.into() })
    }
}
