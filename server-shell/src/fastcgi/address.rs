//! Where a FastCGI listener listens, as the .ini says it: `[port/]address`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use gridshell_config::DefaultFor;
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// The longest path of a Unix socket in bytes; the system has no room for more.
const LONGEST_PATH: usize = 107;

/// One listener: the port whose connectors it serves, and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerName {
    /// The port; none is the main one, which is also what port 0 means, as in the connector list.
    pub port: Option<u16>,
    /// Where it listens.
    pub address: Address,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// A TCP socket.
    Tcp(SocketAddr),
    /// Descriptor 0, a listening socket that whoever started the program has opened.
    DescriptorZero,
}

/// Why a text names no listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoListener {
    /// What stands before the slash is out of range.
    #[error("has a port that is not 0 to 65535; [port/]unix:PATH, [port/]ADDRESS:PORT or [port/]fd:0 is meant")]
    Port,
    /// The path is empty, or longer than the system takes.
    #[error("has a path that is not 1 to {LONGEST_PATH} bytes long")]
    Path,
    /// Another descriptor than 0.
    #[error("names a descriptor other than 0, which is the only one that is passed on")]
    Descriptor,
    /// None of the forms.
    #[error("is no address; [port/]unix:PATH, [port/]ADDRESS:PORT or [port/]fd:0 is meant")]
    Form,
}

impl FromStr for ListenerName {
    type Err = NoListener;

    fn from_str(text: &str) -> Result<Self, NoListener> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (port, address) = match text.split_once('/') {
            Some((port, address)) if is_number(port) => {
                (Some(port.parse().map_err(|_| NoListener::Port)?).filter(|port| *port != 0), address)
            }
            _ => (None, text),
        };
        Ok(Self { port, address: address.parse()? })
    }
}

impl FromStr for Address {
    type Err = NoListener;

    fn from_str(text: &str) -> Result<Self, NoListener> {
        if let Some(path) = text.strip_prefix("unix:") {
            let fits = (1..=LONGEST_PATH).contains(&path.len()) && !path.contains('\0');
            return if fits { Ok(Self::Unix(path.into())) } else { Err(NoListener::Path) };
        }
        match text.strip_prefix("fd:") {
            Some("0") => Ok(Self::DescriptorZero),
            Some(_) => Err(NoListener::Descriptor),
            None => text.parse().map(Self::Tcp).map_err(|_| NoListener::Form),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
            Self::DescriptorZero => f.write_str("fd:0"),
        }
    }
}

impl<'de> Deserialize<'de> for ListenerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format!("{text} {error}")))
    }
}

/// Listeners, in the .ini separated by commas.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct ListenerNames(pub Vec<ListenerName>);

/// Ports, in the .ini separated by commas.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Ports(pub Vec<u16>);

/// Who may use a Unix socket, as `chmod` has it, in octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl SocketMode {
    fn read(text: &str) -> Option<Self> {
        let is_octal = (1..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777).map(Self)
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(text.trim()).ok_or_else(|| de::Error::custom("is no mode such as 660: octal digits, at most 777"))
    }
}

impl DefaultFor<SocketMode> for &str {
    fn into_default(self) -> SocketMode {
        // Without access for anybody but the owner, should the text be none.
        SocketMode::read(self).unwrap_or(SocketMode(0o600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar() {
        let unix = |path: &str| Address::Unix(path.into());
        for (text, port, address) in [
            ("3000/unix:/run/gridshell/name2key.sock", Some(3000), unix("/run/gridshell/name2key.sock")),
            ("unix:/run/x.sock", None, unix("/run/x.sock")),
            ("0/unix:x.sock", None, unix("x.sock")),
            ("8003/127.0.0.1:9000", Some(8003), Address::Tcp("127.0.0.1:9000".parse().unwrap())),
            ("127.0.0.1:9000", None, Address::Tcp("127.0.0.1:9000".parse().unwrap())),
            ("8003/[::1]:9000", Some(8003), Address::Tcp("[::1]:9000".parse().unwrap())),
            ("3000/fd:0", Some(3000), Address::DescriptorZero),
            ("fd:0", None, Address::DescriptorZero),
        ] {
            assert_eq!(text.parse(), Ok(ListenerName { port, address: address.clone() }), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, error) in [
            ("70000/fd:0", NoListener::Port),
            ("3000/unix:", NoListener::Path),
            ("unix:a\0b", NoListener::Path),
            ("fd:1", NoListener::Descriptor),
            ("fd:", NoListener::Descriptor),
            ("", NoListener::Form),
            ("3000/", NoListener::Form),
            ("3000/127.0.0.1", NoListener::Form),
            ("localhost:9000", NoListener::Form),
            ("/run/x.sock", NoListener::Form),
            ("-1/fd:0", NoListener::Form),
        ] {
            assert_eq!(text.parse::<ListenerName>(), Err(error), "{text}");
        }
        let path = |length| format!("unix:{}", "x".repeat(length)).parse::<ListenerName>();
        assert!(path(107).is_ok());
        assert_eq!(path(108), Err(NoListener::Path));
    }

    #[test]
    fn modes() {
        for (text, mode) in [("660", Some(0o660)), ("0666", Some(0o666)), ("0", Some(0)), ("777", Some(0o777))] {
            assert_eq!(SocketMode::read(text).map(|mode| mode.0), mode, "{text}");
        }
        for text in ["", "668", "1777", "+66", "rw-rw----", "00660"] {
            assert_eq!(SocketMode::read(text), None, "{text}");
        }
    }
}
