//! Aggregates that stay in memory, account by account, bounded by their number. What is in here is what the log said at
//! the lane's head of that partition; every commit proves it again by compare-and-swap.

use std::collections::VecDeque;

use aggregates::{AccountKey, AggregateId, CommandId, Desk, LogPart, Slot};
use hashlink::LruCache;

use super::unit::RequestHash;

/// Commands remembered per account, so that a prompt retry needs no look-up.
const RECENT_COMMANDS_MAX: usize = 8;

/// Where a command's events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) request_hash: RequestHash,
    pub(super) first_position: i64,
    pub(super) event_count: i16,
}

/// What a lane knows of one account.
#[derive(Debug)]
pub(super) struct CachedAccount {
    /// It has a row in `ledger.accounts`.
    pub(super) listed: bool,
    pub(super) desk: Desk,
    recent: VecDeque<(CommandId, Remembered)>,
}

impl CachedAccount {
    pub(super) fn new(account: AccountKey) -> Self {
        Self { listed: false, desk: Desk::new(account), recent: VecDeque::new() }
    }

    pub(super) fn recall(&self, command: CommandId) -> Option<Remembered> {
        self.recent.iter().find(|(known, _)| *known == command).map(|(_, remembered)| *remembered)
    }

    pub(super) fn remember(&mut self, command: CommandId, remembered: Remembered) {
        if self.recent.len() >= RECENT_COMMANDS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((command, remembered));
    }
}

/// Accounts, least recently used first to go.
#[derive(Debug)]
pub(super) struct Cache {
    accounts: LruCache<AccountKey, CachedAccount>,
    aggregates: usize,
    aggregates_max: usize,
}

impl Cache {
    pub(super) fn new(aggregates_max: usize) -> Self {
        Self { accounts: LruCache::new_unbounded(), aggregates: 0, aggregates_max }
    }

    /// Takes an account out, to work on it. Nothing else may change it meanwhile.
    pub(super) fn take(&mut self, account: AccountKey) -> Option<CachedAccount> {
        let cached = self.accounts.remove(&account)?;
        self.aggregates -= cached.desk.len();
        Some(cached)
    }

    /// Puts an account back as the most recently used one and lets go of the oldest beyond the bound.
    pub(super) fn put(&mut self, account: AccountKey, cached: CachedAccount) {
        self.aggregates += cached.desk.len();
        if let Some(replaced) = self.accounts.insert(account, cached) {
            self.aggregates -= replaced.desk.len();
        }
        while self.aggregates > self.aggregates_max {
            let Some((_, oldest)) = self.accounts.remove_lru() else { break };
            self.aggregates -= oldest.desk.len();
        }
    }

    /// A cached aggregate, without counting as a use.
    pub(super) fn slot_mut(&mut self, account: AccountKey, aggregate: AggregateId) -> Option<&mut Slot> {
        self.accounts.peek_mut(&account)?.desk.slot_mut(&aggregate)
    }

    pub(super) fn forget_account(&mut self, account: AccountKey) {
        self.take(account);
    }

    pub(super) fn clear(&mut self) {
        self.accounts.clear();
        self.aggregates = 0;
    }

    /// Forgets every account of a partition.
    pub(super) fn forget_part(&mut self, log_part: LogPart) {
        let gone: Vec<AccountKey> = self
            .accounts
            .iter()
            .map(|(account, _)| *account)
            .filter(|account| account.log_part() == log_part)
            .collect();
        for account in gone {
            self.take(account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aggregates::{AggregateKind, State};
    use uuid::Uuid;

    fn account(n: u128) -> AccountKey {
        AccountKey::from_uuid(Uuid::from_u128(n))
    }

    fn holding(aggregates: u128) -> CachedAccount {
        let mut cached = CachedAccount::new(account(0));
        for n in 0..aggregates {
            let id = AggregateId { kind: AggregateKind::UserPackage, id: Uuid::from_u128(n) };
            cached.desk.put(id, Slot { version: 0, state: State::empty(AggregateKind::UserPackage) });
        }
        cached
    }

    #[test]
    fn the_least_recently_used_account_goes_first_and_the_bound_holds() {
        let mut cache = Cache::new(5);
        cache.put(account(1), holding(2));
        cache.put(account(2), holding(2));
        let first = cache.take(account(1)).expect("cached");
        cache.put(account(1), first);
        cache.put(account(3), holding(2));
        assert!(cache.take(account(2)).is_none(), "the oldest made room");
        assert!(cache.take(account(1)).is_some());
        assert!(cache.take(account(3)).is_some());
        assert_eq!(cache.aggregates, 0);
    }

    #[test]
    fn forgetting_a_partition_leaves_the_others() {
        let mut cache = Cache::new(100);
        let (here, there) = (account(1 << 112), account(2 << 112));
        cache.put(here, holding(1));
        cache.put(there, holding(1));
        cache.forget_part(here.log_part());
        assert!(cache.take(here).is_none());
        assert!(cache.take(there).is_some());
    }

    #[test]
    fn only_the_latest_commands_are_remembered() {
        let mut cached = CachedAccount::new(account(1));
        let command = |n: usize| CommandId::from_uuid(Uuid::from_u128(n as u128));
        for n in 0..=RECENT_COMMANDS_MAX {
            let remembered = Remembered { request_hash: RequestHash([0; 16]), first_position: 1, event_count: 1 };
            cached.remember(command(n), remembered);
        }
        assert_eq!(cached.recall(command(0)), None);
        assert!(cached.recall(command(RECENT_COMMANDS_MAX)).is_some());
    }
}
