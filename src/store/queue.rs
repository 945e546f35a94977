//! The work waiting in one lane: first come, first served within an account, round robin over accounts, so that one
//! busy account cannot starve its neighbours. Bounded by the permits that its entries hold (see `mod.rs`).

use std::collections::{HashMap, VecDeque};

use aggregates::AccountKey;

/// Entries per account, and the order in which accounts are served next.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    accounts: HashMap<AccountKey, VecDeque<T>>,
    turn: VecDeque<AccountKey>,
    len: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { accounts: HashMap::new(), turn: VecDeque::new(), len: 0 }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Accounts that have work waiting.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &AccountKey> {
        self.turn.iter()
    }

    pub(super) fn push(&mut self, account: AccountKey, entry: T) {
        self.line(account).push_back(entry);
        self.len += 1;
    }

    /// Puts back what could not be done yet; call in reverse order of taking to keep the order within each account.
    pub(super) fn put_back(&mut self, account: AccountKey, entry: T) {
        self.line(account).push_front(entry);
        self.len += 1;
    }

    fn line(&mut self, account: AccountKey) -> &mut VecDeque<T> {
        let turn = &mut self.turn;
        self.accounts.entry(account).or_insert_with(|| {
            turn.push_back(account);
            VecDeque::new()
        })
    }

    /// Takes up to `max` entries: one of each account that `wants` lets in, then another of each, and so on. Entries of
    /// one account come out in order; who was served last waits longest next time.
    pub(super) fn take(&mut self, max: usize, wants: impl Fn(&AccountKey) -> bool) -> Vec<(AccountKey, T)> {
        let mut taken = Vec::with_capacity(max.min(self.len));
        let mut passed_over = VecDeque::new();
        while taken.len() < max {
            let Some(account) = self.turn.pop_front() else { break };
            if !wants(&account) {
                passed_over.push_back(account);
                continue;
            }
            let Some(line) = self.accounts.get_mut(&account) else { continue };
            if let Some(entry) = line.pop_front() {
                self.len -= 1;
                taken.push((account, entry));
            }
            if line.is_empty() {
                self.accounts.remove(&account);
            } else {
                self.turn.push_back(account);
            }
        }
        passed_over.append(&mut self.turn);
        self.turn = passed_over;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn account(n: u128) -> AccountKey {
        AccountKey::from_uuid(Uuid::from_u128(n))
    }

    fn taken(queue: &mut FairQueue<u32>, max: usize) -> Vec<u32> {
        queue.take(max, |_| true).into_iter().map(|(_, entry)| entry).collect()
    }

    #[test]
    fn a_busy_account_does_not_starve_its_neighbours() {
        let mut queue = FairQueue::default();
        for n in 0..100 {
            queue.push(account(1), n);
        }
        queue.push(account(2), 1000);
        queue.push(account(3), 2000);
        assert_eq!(taken(&mut queue, 4), [0, 1000, 2000, 1]);
        assert_eq!(taken(&mut queue, 1000).len(), 98);
    }

    #[test]
    fn what_is_put_back_comes_out_first_and_in_order() {
        let mut queue = FairQueue::default();
        for n in 0..4 {
            queue.push(account(1), n);
        }
        let batch = queue.take(3, |_| true);
        for (account, entry) in batch.into_iter().rev() {
            queue.put_back(account, entry);
        }
        assert_eq!(taken(&mut queue, 10), [0, 1, 2, 3]);
        assert!(queue.is_empty());
    }

    #[test]
    fn accounts_that_are_not_wanted_keep_their_place() {
        let mut queue = FairQueue::default();
        for n in 1..=3 {
            queue.push(account(n.into()), n);
        }
        let wanted = queue.take(10, |key| *key == account(3));
        assert_eq!(wanted, [(account(3), 3)]);
        assert_eq!(taken(&mut queue, 10), [1, 2]);
    }
}
