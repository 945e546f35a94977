//! Claims of tokens that were checked a moment ago: a hot client pays for one digest, not for a signature and JSON.

use std::sync::{Arc, Mutex, PoisonError};

use hashlink::LruCache;
use sha2::{Digest, Sha256};

use super::Caller;

const ENTRIES_MAX: usize = 20_000;
/// A token is checked anew after so long, with the keys that are known then: a published key that its issuer withdrew
/// counts so much longer than `key_set.rs` keeps it.
const ENTRY_SECONDS_MAX: u64 = 300;

/// Tokens are not kept, only what they hash to.
pub(super) type TokenDigest = [u8; 32];

pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

struct Entry {
    caller: Arc<Caller>,
    until: u64,
}

pub(super) struct Cache {
    entries: Mutex<LruCache<TokenDigest, Entry>>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::new(LruCache::new(ENTRIES_MAX)) }
    }

    /// Times are seconds of the wall clock.
    pub(super) fn get(&self, digest: &TokenDigest, now: u64) -> Option<Arc<Caller>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(digest)?;
        if now < entry.until {
            return Some(entry.caller.clone());
        }
        entries.remove(digest);
        None
    }

    pub(super) fn put(&self, digest: TokenDigest, caller: Arc<Caller>, now: u64, expires: u64) {
        let until = expires.min(now.saturating_add(ENTRY_SECONDS_MAX));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(digest, Entry { caller, until });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::caller;
    use super::*;

    #[test]
    fn an_entry_dies_with_its_token_and_never_lives_long() {
        let cache = Cache::new();
        let (short, long) = (digest("short"), digest("long"));
        cache.put(short, Arc::new(caller()), 1_000, 1_010);
        cache.put(long, Arc::new(caller()), 1_000, u64::MAX);
        assert!(cache.get(&short, 1_009).is_some() && cache.get(&long, 1_009).is_some());
        assert!(cache.get(&short, 1_010).is_none());
        assert!(cache.get(&long, 1_000 + ENTRY_SECONDS_MAX).is_none());
        assert!(cache.get(&digest("other"), 1_000).is_none());
    }
}
