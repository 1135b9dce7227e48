//! Addresses of clients: networks, and which grid they belong to.

use std::net::IpAddr;
use std::str::FromStr;

use gridshell_interfaces::name2key::{Grid, MAX_GRID_BYTES};

/// A text that stands for no network, or for no network with its grid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is neither an address nor an address with a prefix length.
    #[error("{0:?} is no address and no network like 192.0.2.0/24")]
    Network(String),
    /// A network stands alone where its grid must follow.
    #[error("{0:?} lacks the grid: a network and a grid are expected, like 192.0.2.0/24 mygrid")]
    NoGrid(String),
    /// The grid is too long or has control characters.
    #[error("{0:?} is no grid: at most {MAX_GRID_BYTES} bytes without control characters")]
    Grid(String),
}

/// One address, or all addresses that begin alike: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// True for an address of this network. An IPv4 address that comes in the clothes of IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        // A shift by the whole width is a network of all addresses.
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.prefix).unwrap_or_default() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.prefix).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::Network(text.to_owned());
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(whole);
        if prefix > whole { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

/// Which grid the requests of an address come from, for grids that do not say it themselves (name2key.md section 12). Written as
/// `192.0.2.0/24 mygrid, 2001:db8::7 other.example:8002`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GridOfAddresses(Vec<(Network, Grid)>);

impl GridOfAddresses {
    /// The grid of an address: that of the smallest network that has it.
    pub fn grid_of(&self, address: IpAddr) -> Option<&Grid> {
        let networks = self.0.iter().filter(|(network, _)| network.contains(address));
        networks.max_by_key(|(network, _)| network.prefix).map(|(_, grid)| grid)
    }
}

impl FromStr for GridOfAddresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let entry = |entry: &str| {
            let (network, grid) = entry.split_once(char::is_whitespace).ok_or_else(|| AddressError::NoGrid(entry.to_owned()))?;
            let grid = Grid(grid.trim().to_owned());
            if grid.check().is_err() {
                return Err(AddressError::Grid(grid.0));
            }
            Ok((network.parse()?, grid))
        };
        Ok(Self(entries.map(entry).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_networks() {
        for (network, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/24", "192.0.2.1", "192.0.1.255"),
            ("192.0.2.0/31", "::ffff:192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
            ("::/0", "ffff::", "127.0.0.1"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network} has {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} has not {outside}");
        }
    }

    #[test]
    fn what_is_no_network() {
        for text in
            ["", "localhost", "192.0.2", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "2001:db8::/129", "/24", "1.2.3.4/2/3"]
        {
            assert_eq!(text.parse::<Network>(), Err(AddressError::Network(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn the_smallest_network_decides() {
        let grids: GridOfAddresses = " 192.0.2.0/24 mygrid,192.0.2.8/29\tOther Grid,\n2001:db8::/32 six ,".parse().unwrap();
        let grid_of = |address: &str| grids.grid_of(address.parse().unwrap()).map(|grid| grid.0.as_str());
        assert_eq!(grid_of("192.0.2.1"), Some("mygrid"));
        assert_eq!(grid_of("::ffff:192.0.2.9"), Some("Other Grid"));
        assert_eq!(grid_of("2001:db8::1"), Some("six"));
        assert_eq!(grid_of("192.0.3.1"), None);
        assert_eq!("".parse::<GridOfAddresses>(), Ok(GridOfAddresses::default()));
        assert_eq!("192.0.2.1".parse::<GridOfAddresses>(), Err(AddressError::NoGrid("192.0.2.1".to_owned())));
        assert_eq!("here mygrid".parse::<GridOfAddresses>(), Err(AddressError::Network("here".to_owned())));
        let long = "g".repeat(256);
        assert_eq!(format!("::1 {long}").parse::<GridOfAddresses>(), Err(AddressError::Grid(long)));
    }
}
