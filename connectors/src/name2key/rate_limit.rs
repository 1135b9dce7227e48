//! How often an address may ask.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Beyond so many addresses all share one allowance, so that memory stays bounded whoever asks.
const MAX_ADDRESSES: usize = 65_536;

/// After so many requests addresses are forgotten that have their whole allowance again.
const TIDY_EVERY: u32 = 1_024;

/// Lets each address ask so many times a minute; all at once, if it likes.
pub(super) struct RateLimit<C: Clock = DefaultClock> {
    limiter: RateLimiter<IpAddr, DashMapStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    asked: AtomicU32,
    full: AtomicBool,
}

impl RateLimit {
    /// `None` for 0, which is no limit.
    pub(super) fn per_minute(times: u32) -> Option<Self> {
        Self::with_clock(times, DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimit<C> {
    fn with_clock(times: u32, clock: C) -> Option<Self> {
        let quota = Quota::per_minute(NonZeroU32::new(times)?);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Some(Self { limiter, clock, asked: AtomicU32::new(0), full: AtomicBool::new(false) })
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// It has used its allowance up; the time until it may ask again.
    pub(super) fn check(&self, client: IpAddr) -> Result<(), Duration> {
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(TIDY_EVERY) {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            self.full.store(self.limiter.len() >= MAX_ADDRESSES, Ordering::Relaxed);
        }
        let key = if self.full.load(Ordering::Relaxed) { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { counted_as(client) };
        self.limiter.check_key(&key).map_err(|refusal| refusal.wait_time_from(self.clock.now()))
    }
}

/// One customer of an IPv6 provider has at least all addresses of a /64.
fn counted_as(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limit(times: u32) -> (RateLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (RateLimit::with_clock(times, clock.clone()).unwrap(), clock)
    }

    #[test]
    fn each_address_has_its_own_allowance() {
        let (limit, clock) = limit(2);
        let [one, same, other, neighbour]: [IpAddr; 4] =
            ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2"].map(|address| address.parse().unwrap());
        assert_eq!((limit.check(one), limit.check(same)), (Ok(()), Ok(())));
        assert_eq!(limit.check(one), Err(Duration::from_secs(30)));
        assert_eq!((limit.check(other), limit.check(neighbour)), (Ok(()), Ok(())));
        assert!(limit.check(neighbour).is_err());
        clock.advance(Duration::from_secs(30));
        assert_eq!(limit.check(one), Ok(()));
        assert!(limit.check(one).is_err());
    }

    #[test]
    fn none_is_no_limit() {
        assert!(RateLimit::per_minute(0).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let (limit, clock) = limit(1);
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        let all = (MAX_ADDRESSES as u32) + 10 * TIDY_EVERY;
        let refused = (0..all).filter(|number| limit.check(address(*number)).is_err()).count();
        assert!(refused > 0, "strangers share one allowance at last");
        assert!(limit.limiter.len() <= MAX_ADDRESSES + TIDY_EVERY as usize);
        // An address is forgotten when its allowance has been whole for a while.
        clock.advance(Duration::from_secs(121));
        let taken = (0..TIDY_EVERY).filter(|_| limit.check(address(all)).is_ok()).count();
        assert!((1..=2).contains(&taken), "once among strangers, once as itself");
        assert!(limit.limiter.len() <= 2);
        assert_eq!(limit.check(address(all + 1)), Ok(()));
    }
}
