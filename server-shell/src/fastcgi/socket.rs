//! The sockets of FastCGI listeners: Unix, TCP, or one that was opened by whoever started the program.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{dup2_stdin, dup2_stdout};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::address::{Address, SocketMode};

/// A connection of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A listening socket.
pub struct ListeningSocket {
    kind: Kind,
    /// The file to remove at the end, when it is ours.
    _file: Option<SocketFile>,
}

enum Kind {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Descriptor 0 is no listening socket, so that nothing can be served on it.
#[derive(Debug, thiserror::Error)]
#[error(
    "[FastCGI] Listeners: descriptor 0 (standard input) is no listening socket, {0}. It has to be passed by the web server's process \
     manager, or by systemd with StandardInput=socket and Accept=no"
)]
pub struct NoSocket(String);

/// The listening socket that the program was given as descriptor 0, taken from there.
pub struct DescriptorZero(Socket);

impl DescriptorZero {
    /// Takes the socket away from descriptor 0, so that a console reads nothing there, and lets standard output be standard error:
    /// nothing may be printed to the former (name2key.md section 6.3).
    ///
    /// # Errors
    /// [`NoSocket`].
    pub fn take() -> Result<Self, NoSocket> {
        let failed = |error: io::Error| NoSocket(format!("or cannot be used: {error}"));
        let descriptor = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
        dup2_stdin(File::open("/dev/null").map_err(failed)?).map_err(|error| failed(error.into()))?;
        dup2_stdout(io::stderr()).map_err(|error| failed(error.into()))?;
        let socket = Socket::from(descriptor);
        if !socket.is_listener().map_err(|_| NoSocket("and no socket at all".to_owned()))? {
            return Err(NoSocket("but one that does not listen".to_owned()));
        }
        let address = socket.local_addr().map_err(failed)?;
        let known = [Domain::UNIX, Domain::IPV4, Domain::IPV6].contains(&address.domain());
        if !known || socket.r#type().map_err(failed)? != Type::STREAM {
            return Err(NoSocket("but one of another kind than a Unix or TCP stream".to_owned()));
        }
        Ok(Self(socket))
    }
}

impl ListeningSocket {
    /// Opens a listening socket, within a tokio runtime. `given` is the one for [`Address::DescriptorZero`].
    ///
    /// # Errors
    /// The address is taken or not permitted.
    pub fn open(address: &Address, mode: SocketMode, backlog: u32, given: Option<DescriptorZero>) -> io::Result<Self> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        match address {
            Address::Unix(path) => {
                let (socket, file) = listen_unix(path, mode, backlog)?;
                Self::new(socket, Some(file))
            }
            Address::Tcp(address) => Self::new(listen_tcp(*address, backlog)?, None),
            Address::DescriptorZero => {
                let DescriptorZero(socket) =
                    given.ok_or_else(|| io::Error::other("descriptor 0 was not taken, or is used twice"))?;
                Self::new(socket, None)
            }
        }
    }

    fn new(socket: Socket, file: Option<SocketFile>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let kind = if socket.local_addr()?.is_unix() {
            Kind::Unix(UnixListener::from_std(socket.into())?)
        } else {
            Kind::Tcp(TcpListener::from_std(socket.into())?)
        };
        Ok(Self { kind, _file: file })
    }

    /// The next connection.
    ///
    /// # Errors
    /// Those of the system, such as too many open files; the listener itself goes on.
    pub async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.kind {
            Kind::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
            Kind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
        }
    }
}

fn listen_tcp(address: SocketAddr, backlog: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

fn listen_unix(path: &Path, mode: SocketMode, backlog: i32) -> io::Result<(Socket, SocketFile)> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::new(path)?;
    // Nobody can connect before the socket listens, and so nobody slips in before the mode is set.
    fs::set_permissions(path, Permissions::from_mode(mode.0))?;
    socket.listen(backlog)?;
    Ok((socket, file))
}

/// Removes the socket that a dead process has left. One that answers is an error, as is anything else at the path.
fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something at this path that is no socket"));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // That it would have to be waited for means that many others wait already.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens on it")),
    }
}

/// The file of a Unix socket. It is removed when this is dropped, unless another has taken its place.
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("[FASTCGI]: cannot remove {}: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener as BlockingUnixListener, UnixStream as BlockingUnixStream};

    use tempfile::TempDir;

    use super::*;

    fn open(path: &Path) -> io::Result<ListeningSocket> {
        ListeningSocket::open(&Address::Unix(path.to_owned()), SocketMode(0o640), 5, None)
    }

    #[tokio::test]
    async fn a_unix_socket_and_its_file() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.sock");
        let socket = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        BlockingUnixStream::connect(&path).unwrap();
        assert_eq!(open(&path).err().unwrap().to_string(), "another program listens on it");
        drop(socket);
        assert!(!path.exists());

        // A process that was killed leaves its file.
        drop(BlockingUnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = open(&path).unwrap();
        // Another has taken the path meanwhile: what is there is not ours.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "something").unwrap();
        drop(socket);
        assert_eq!(fs::read_to_string(&path).unwrap(), "something");

        assert_eq!(open(&path).err().unwrap().to_string(), "there is something at this path that is no socket");
        assert_eq!(fs::read_to_string(&path).unwrap(), "something");
        assert_eq!(open(&folder.path().join("no/x.sock")).err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
