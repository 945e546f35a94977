//! How often somebody may ask: per account where one is known, per address where not.
//!
//! Services and admins are not counted: a back end charges for all its customers under one name. The number of keys
//! is bounded: [`RateLimiter::tidy`], called by a timer, forgets who has been quiet, and while there are still too many,
//! keys share buckets.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

use aggregates::AccountId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter as Governor};

use super::auth::{Caller, Role};
use super::problem::{Problem, Reason};

const KEYS_MAX: usize = 100_000;
/// What keys share once there are too many of them.
const SHARED_BUCKETS: u64 = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Hashed, so that a long name costs no more than a short one.
    Account(u64),
    Address(IpAddr),
    Shared(u64),
}

type Keyed<C> = Governor<Key, DefaultKeyedStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// One limit; a path that needs a stricter one has its own.
pub struct RateLimiter<C: Clock = DefaultClock> {
    limiter: Keyed<C>,
    clock: C,
    hasher: RandomState,
    crowded: AtomicBool,
}

impl RateLimiter {
    /// So many a second, and as many at once.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        Self::with_clock(Quota::per_second(at_least_one(requests)), DefaultClock::default())
    }

    /// So many a minute, and as many at once.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self::with_clock(Quota::per_minute(at_least_one(requests)), DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimiter<C> {
    fn with_clock(quota: Quota, clock: C) -> Self {
        let limiter = Governor::new(quota, DefaultKeyedStateStore::default(), clock.clone());
        Self { limiter, clock, hasher: RandomState::new(), crowded: AtomicBool::new(false) }
    }

    /// By role: services and admins pass.
    ///
    /// # Errors
    /// When this was one too many.
    pub fn check(&self, caller: Option<&Caller>, address: Option<IpAddr>) -> Result<(), Problem> {
        match caller {
            Some(caller) if matches!(caller.role, Role::Service | Role::Admin) => Ok(()),
            Some(caller) => self.check_account(&caller.account),
            None => address.map_or(Ok(()), |address| self.check_address(address)),
        }
    }

    /// # Errors
    /// When this was one too many.
    pub fn check_account(&self, account: &AccountId) -> Result<(), Problem> {
        self.count(Key::Account(self.hasher.hash_one(account)))
    }

    /// # Errors
    /// When this was one too many.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Problem> {
        self.count(Key::Address(network(address)))
    }

    /// Forgets who has been quiet.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
        self.crowded.store(self.limiter.len() > KEYS_MAX, Ordering::Relaxed);
    }

    fn count(&self, key: Key) -> Result<(), Problem> {
        let key = match self.crowded.load(Ordering::Relaxed) {
            true => Key::Shared(self.hasher.hash_one(key) % SHARED_BUCKETS),
            false => key,
        };
        self.limiter.check_key(&key).map_err(|early| {
            let wait = early.wait_time_from(self.clock.now());
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            Problem::new(Reason::TooManyRequests, format!("too many requests; try again in {seconds} s"))
                .retry_after(seconds)
        })
    }
}

fn at_least_one(requests: u32) -> NonZeroU32 {
    NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN)
}

/// Who has one IPv6 address has 2^64 of them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::super::auth::tests::caller;
    use super::*;

    fn two_a_second() -> (RateLimiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (RateLimiter::with_clock(Quota::per_second(at_least_one(2)), clock.clone()), clock)
    }

    #[test]
    fn one_too_many_is_told_when_to_come_back() {
        let (limiter, clock) = two_a_second();
        let user = caller();
        assert!(limiter.check(Some(&user), None).is_ok() && limiter.check(Some(&user), None).is_ok());
        let problem = limiter.check(Some(&user), None).unwrap_err();
        assert_eq!((problem.code(), problem.status().as_u16()), ("E4290", 429));
        clock.advance(Duration::from_secs(1));
        assert!(limiter.check(Some(&user), None).is_ok());
    }

    #[test]
    fn accounts_and_addresses_do_not_take_from_each_other() {
        let (limiter, _) = two_a_second();
        let other = Caller { account: AccountId::try_new("other").unwrap(), ..caller() };
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..2 {
            assert!(limiter.check(Some(&caller()), Some(address)).is_ok());
            assert!(limiter.check(Some(&other), Some(address)).is_ok());
            assert!(limiter.check(None, Some(address)).is_ok());
        }
        assert!(limiter.check(None, Some(address)).is_err());
    }

    #[test]
    fn a_service_charges_for_all_its_customers() {
        let (limiter, _) = two_a_second();
        let service = Caller { role: Role::Service, ..caller() };
        assert!((0..1_000).all(|_| limiter.check(Some(&service), None).is_ok()));
    }

    #[test]
    fn a_network_is_one_asker() {
        let network = |text: &str| super::network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn the_quiet_are_forgotten() {
        let (limiter, clock) = two_a_second();
        assert!(limiter.check(Some(&caller()), None).is_ok());
        clock.advance(Duration::from_secs(5));
        limiter.tidy();
        assert_eq!(limiter.limiter.len(), 0);
    }
}
