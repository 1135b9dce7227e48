//! A real nginx in a folder of its own, before a shell's FastCGI listeners.
//!
//! `GRIDSHELL_TEST_NGINX` names the program; a test that cannot start it then fails. Without the variable it is looked for where Debian
//! puts it, and tests that need it are left out when it is not there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::common::{PATIENCE, connect, free_port};

/// A running nginx. It is stopped when this is dropped.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    /// One for each of the sites, in their order.
    pub ports: Vec<u16>,
}

/// What a site passes its requests to.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// As nginx has it: `unix:PATH` or `ADDRESS:PORT`.
    pub address: &'a str,
    /// Connections are kept and used again.
    pub kept: bool,
    /// Bodies are passed on as they come, not when they are there whole.
    pub unbuffered: bool,
}

fn program() -> Option<PathBuf> {
    if let Ok(program) = std::env::var("GRIDSHELL_TEST_NGINX") {
        return Some(program.into());
    }
    let folders = std::env::var("PATH").unwrap_or_default();
    let mut places = folders.split(':').chain(["/usr/sbin"]).map(|folder| Path::new(folder).join("nginx"));
    let program = places.find(|place| place.exists());
    if program.is_none() {
        eprintln!("LEFT OUT: nginx is not covered by this test, since it is not installed and GRIDSHELL_TEST_NGINX is not set");
    }
    program
}

impl Nginx {
    /// Starts nginx with a server on a port of its own for each site; `None`, and a line that says so, where there is no nginx.
    pub fn start(sites: &[Site<'_>]) -> Option<Self> {
        let program = program()?;
        let folder = TempDir::new().unwrap();
        let ports: Vec<_> = sites.iter().map(|_| free_port()).collect();
        let servers: Vec<_> = sites.iter().zip(&ports).map(|(site, port)| server(*site, *port)).collect();
        let path = folder.path().display();
        // nginx that is started by root changes to another user, who may not use the shell's socket.
        let user = if fs::metadata(folder.path()).unwrap().uid() == 0 { "user root;" } else { "" };
        let configuration = format!(
            "{user}
            daemon off;
            worker_processes 2;
            pid {path}/pid;
            error_log {path}/error.log info;
            events {{ worker_connections 512; }}
            http {{
                access_log off;
                client_body_temp_path {path}/body;
                fastcgi_temp_path {path}/fastcgi;
                proxy_temp_path {path}/proxy;
                scgi_temp_path {path}/scgi;
                uwsgi_temp_path {path}/uwsgi;
                client_max_body_size 100m;
                keepalive_requests 100000;
                {}
            }}",
            servers.concat()
        );
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        let log = folder.path().join("error.log");
        let child = Command::new(&program)
            .args(["-p".as_ref(), folder.path().as_os_str()])
            .args(["-e".as_ref(), log.as_os_str(), "-c".as_ref(), folder.path().join("nginx.conf").as_os_str()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let mut nginx = Self { child, folder, ports };
        nginx.wait_until_ready();
        Some(nginx)
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.ports.iter().any(|port| connect(*port).is_err()) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "nginx does not start ({ended:?}): {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only when it is asked to end.
        let _ = kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A server that passes on everything, with the parameters that Debian's `fastcgi_params` has.
fn server(Site { address, kept, unbuffered }: Site<'_>, port: u16) -> String {
    let (keepalive, keep) = if kept { ("keepalive 16;", "fastcgi_keep_conn on;") } else { ("", "") };
    let buffering = if unbuffered { "fastcgi_request_buffering off; fastcgi_buffering off;" } else { "" };
    format!(
        "upstream shell_{port} {{ server {address}; {keepalive} }}
        server {{
            listen 127.0.0.1:{port};
            location / {{
                fastcgi_pass shell_{port};
                {keep} {buffering}
                fastcgi_param QUERY_STRING $query_string;
                fastcgi_param REQUEST_METHOD $request_method;
                fastcgi_param CONTENT_TYPE $content_type;
                fastcgi_param CONTENT_LENGTH $content_length;
                fastcgi_param SCRIPT_NAME $fastcgi_script_name;
                fastcgi_param REQUEST_URI $request_uri;
                fastcgi_param DOCUMENT_URI $document_uri;
                fastcgi_param DOCUMENT_ROOT $document_root;
                fastcgi_param SERVER_PROTOCOL $server_protocol;
                fastcgi_param REQUEST_SCHEME $scheme;
                fastcgi_param HTTPS $https if_not_empty;
                fastcgi_param GATEWAY_INTERFACE CGI/1.1;
                fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
                fastcgi_param REMOTE_ADDR $remote_addr;
                fastcgi_param REMOTE_PORT $remote_port;
                fastcgi_param SERVER_ADDR $server_addr;
                fastcgi_param SERVER_PORT $server_port;
                fastcgi_param SERVER_NAME $server_name;
            }}
        }}
        "
    )
}
