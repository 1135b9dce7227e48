//! Where an upstream is.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// The largest weight.
pub const MAX_WEIGHT: u32 = 100;

/// The address of a shell: `http://host:8003`, or https, with a path before all that is asked for if there is one. A slash at the end
/// means nothing (transport.md section 12).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    https: bool,
    host: String,
    port: u16,
    base: String,
}

/// A text is no address of a shell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address of a shell: {reason}")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

impl Address {
    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host's name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the Host header says: the port only where it is not the scheme's.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// The target of a request for `path`, which begins with a slash.
    pub fn target(&self, path: &str) -> String {
        [&self.base, path].concat()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| AddressError { text: text.to_owned(), reason };
        if text.contains('#') {
            return Err(error("it must not have a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| error("it is malformed"))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(error("it has to begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| error("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(error("user name and password have options of their own"));
        }
        if uri.query().is_some() {
            return Err(error("it must not have a query string"));
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(error("it has no host"));
        }
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None | Some("") => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(|| error("its port is no port"))?,
        };
        let base = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { https, host: host.to_ascii_lowercase(), port, base })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.https { "https" } else { "http" }, self.authority(), self.base)
    }
}

/// A member of a group: where it is, and its share of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedAddress {
    /// Where it is.
    pub address: Address,
    /// Its share beside the others' weights; 1 to 100.
    pub weight: u32,
}

impl WeightedAddress {
    /// The members that a value of the configuration lists, separated by commas or blanks. `*3` behind an address is its weight, which
    /// is 1 else: `http://a:8003, http://b:8003*3`.
    ///
    /// # Errors
    /// The first entry that is no address, or whose weight is not 1 to 100. A list without entries is empty, not an error.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()).map(str::parse).collect()
    }
}

impl FromStr for WeightedAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((address, weight)) = text.rsplit_once('*') else {
            return Ok(Self { address: text.parse()?, weight: 1 });
        };
        let weight = weight.parse().ok().filter(|weight| (1..=MAX_WEIGHT).contains(weight));
        let reason = "its weight, behind the *, is not 1 to 100";
        let weight = weight.ok_or_else(|| AddressError { text: text.to_owned(), reason })?;
        Ok(Self { address: address.parse()?, weight })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written, authority, target) in [
            ("http://robust:8003", "http://robust:8003", "robust:8003", "/assets/x?a=b"),
            ("http://Robust:8003/", "http://robust:8003", "robust:8003", "/assets/x?a=b"),
            ("https://grid.example", "https://grid.example", "grid.example", "/assets/x?a=b"),
            ("https://grid.example:443/a/b/", "https://grid.example/a/b", "grid.example", "/a/b/assets/x?a=b"),
            ("http://[2001:db8::1]:8003/g", "http://[2001:db8::1]:8003/g", "[2001:db8::1]:8003", "/g/assets/x?a=b"),
            ("https://h:80", "https://h:80", "h:80", "/assets/x?a=b"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), written);
            assert_eq!(address.authority(), authority);
            assert_eq!(address.target("/assets/x?a=b"), target);
            assert_eq!(written.parse::<Address>().unwrap(), address);
        }
        let address: Address = "http://[::1]".parse().unwrap();
        assert_eq!((address.host(), address.port(), address.is_https()), ("::1", 80, false));
    }

    #[test]
    fn other_texts_are_refused_with_a_reason() {
        for (text, reason) in [
            ("robust:8003", "it has to begin with http:// or https://"),
            ("ftp://robust", "it has to begin with http:// or https://"),
            ("", "it is malformed"),
            ("http://", "it is malformed"),
            ("http://a b", "it is malformed"),
            ("http://me:secret@robust", "user name and password have options of their own"),
            ("http://robust/?a=b", "it must not have a query string"),
            ("http://robust/#a", "it must not have a fragment"),
            ("http://robust:0", "its port is no port"),
            ("http://robust:80031", "its port is no port"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error.to_string(), format!("{text:?} is no address of a shell: {reason}"));
        }
    }

    #[test]
    fn lists_carry_weights() {
        let list = WeightedAddress::parse_list(" http://a:8003,  http://b:8003*3\thttp://c/base*100 ,").unwrap();
        let list: Vec<_> = list.into_iter().map(|member| (member.address.to_string(), member.weight)).collect();
        let expected = [("http://a:8003", 1), ("http://b:8003", 3), ("http://c/base", 100)];
        assert_eq!(list, expected.map(|(address, weight)| (address.to_owned(), weight)));
        assert_eq!(WeightedAddress::parse_list(" , "), Ok(Vec::new()));
        for weight in ["0", "101", "", "x", "-1"] {
            assert!(WeightedAddress::parse_list(&format!("http://a, http://b*{weight}")).is_err(), "{weight}");
        }
    }
}
