//! Accounts, grants and spends.

use std::sync::{Arc, Mutex};

use aggregates::{
    AccountId, AggregateId, Command, CommandId, CreditAccountCommand, Credits, Decide, GrantId, GrantSource, Halt,
    LogPart, State, View,
};
use billing_ledger::store::{ExecuteError, Receipt, RequestHash, Store, UnitOfWork};
use chrono::Utc;
use tokio::time::Instant;
use uuid::Uuid;

use super::PATIENCE;

pub(crate) fn account(name: &str) -> AccountId {
    AccountId::try_new(name).expect("an account id")
}

/// An account whose partition `wanted` accepts.
pub(crate) fn account_in(prefix: &str, wanted: impl Fn(LogPart) -> bool) -> AccountId {
    (0..).map(|n| account(&format!("{prefix}-{n}"))).find(|account| wanted(account.key().log_part())).expect("endless")
}

pub(crate) fn part_of(account: &AccountId) -> LogPart {
    account.key().log_part()
}

pub(crate) fn command_id() -> CommandId {
    CommandId::from_uuid(Uuid::now_v7())
}

pub(crate) fn micros(amount: i64) -> Credits {
    Credits::from_micros(amount).expect("an amount")
}

/// Gives an account credits.
pub(crate) fn grant(account: &AccountId, amount: i64) -> UnitOfWork {
    let command = CreditAccountCommand::Grant {
        grant: GrantId::from_uuid(Uuid::now_v7()),
        source: GrantSource::Promotion,
        amount: micros(amount),
        expires_at: None,
        reason: None,
    };
    unit(account, vec![Command::CreditAccount(command)])
}

/// Takes credits of an account.
pub(crate) fn spend(account: &AccountId, amount: i64) -> UnitOfWork {
    let command = CreditAccountCommand::Spend { amount: micros(amount), meter: None, reference: None };
    unit(account, vec![Command::CreditAccount(command)])
}

pub(crate) fn unit(account: &AccountId, commands: Vec<Command>) -> UnitOfWork {
    UnitOfWork::new(account.clone(), command_id(), Utc::now(), commands).expect("commands are JSON")
}

/// Asks until it is answered, with the same command id: "busy", a lost race and an unknown outcome are no answers.
pub(crate) async fn insist(store: &Store, unit: &UnitOfWork) -> Result<Receipt, ExecuteError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store.execute(unit.clone()).await {
            Err(error) if error.is_transient() && !matches!(error, ExecuteError::Closed) => {
                assert!(Instant::now() < deadline, "asked for {PATIENCE:?}, and heard at last: {error}");
                tokio::task::yield_now().await;
            }
            answer => return answer,
        }
    }
}

/// The state a store would decide on: from its cache, or loaded cold.
pub(crate) async fn state_in(store: &Store, account: &AccountId, aggregate: AggregateId) -> State {
    let seen = Arc::new(Mutex::new(None));
    let look = Look { aggregate, seen: seen.clone() };
    let unit =
        UnitOfWork::deciding(account.clone(), command_id(), Utc::now(), RequestHash::of(b"look"), Arc::new(look));
    let receipt = insist(store, &unit).await.expect("looking is never refused");
    assert!(receipt.events.is_empty(), "looking changes nothing");
    let state = seen.lock().expect("no panic").take();
    state.expect("it was decided")
}

pub(crate) async fn balance_in(store: &Store, account: &AccountId) -> i64 {
    match state_in(store, account, AggregateId::credit_account(account.key())).await {
        State::CreditAccount(credits) => credits.balance().micros(),
        other => panic!("{other:?}"),
    }
}

/// Decides nothing and remembers what it was shown.
struct Look {
    aggregate: AggregateId,
    seen: Arc<Mutex<Option<State>>>,
}

impl Decide for Look {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        let state = view.state(self.aggregate)?.clone();
        *self.seen.lock().expect("no panic") = Some(state);
        Ok(())
    }
}
