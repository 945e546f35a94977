//! The work that every system in the table does: accounts that hold a package and credits, and charges on them.
//!
//! A charge is the domain's: from the package up to what is left of today's quota, the remainder from credits.

use std::sync::Arc;

use aggregates::{
    AccountId, Charge, Command, CommandId, CreditAccountCommand, Credits, GrantId, GrantSource, ProductId,
    UserPackageCommand, UserPackageId,
};
use anyhow::Context;
use chrono::{DateTime, Utc};
use rand::distr::Distribution;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;
use uuid::Uuid;

use crate::store::{Store, UnitOfWork};

/// The two loads of the table.
pub const MANY: &str = "10,000, Zipf 1.0";
pub const ONE_HOT: &str = "one hot";
/// How many accounts share the load, unless it is one hot account.
pub const ACCOUNTS: u64 = 10_000;
const ZIPF_EXPONENT: f64 = 1.0;
/// More than a benchmark can use up in a day.
pub const DAILY_LIMIT_MICROS: i64 = 1_000_000_000_000;
pub const DURATION_DAYS: u32 = 365;
/// What one charge costs: 0.01.
pub const CHARGE_MICROS: i64 = 10_000;

/// A set of accounts, named apart from those of other sets.
#[derive(Debug, Clone)]
pub struct Workload {
    accounts: Arc<[Account]>,
    pub at: DateTime<Utc>,
    metadata: Arc<str>,
}

/// An account of the load, and the package it charges.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: AccountId,
    pub package: UserPackageId,
}

impl Workload {
    /// `count` accounts of the set `name`; the same name gives the same accounts in every process.
    ///
    /// # Errors
    /// When a name is no account id.
    pub fn new(name: &str, count: u64) -> anyhow::Result<Self> {
        let accounts = (0..count).map(|n| {
            let id = AccountId::try_new(&format!("{name}-{n:06}")).context("account id")?;
            let package = UserPackageId::from_uuid(derived(name, "package", n));
            Ok(Account { id, package })
        });
        Ok(Self {
            accounts: accounts.collect::<anyhow::Result<_>>()?,
            at: Utc::now(),
            metadata: Arc::from(r#"{"actor":"service"}"#),
        })
    }

    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Gives every account its package and its credits.
    ///
    /// # Errors
    /// When a unit of work is refused or the database fails.
    pub async fn set_up(&self, store: &Store) -> anyhow::Result<()> {
        const AT_ONCE: usize = 512;
        for chunk in self.accounts.chunks(AT_ONCE) {
            let mut tasks = tokio::task::JoinSet::new();
            for account in chunk {
                let unit = self.opening(account)?;
                let store = store.clone();
                tasks.spawn(async move { store.execute(unit).await });
            }
            while let Some(done) = tasks.join_next().await {
                done.context("set-up task")?.context("set-up")?;
            }
        }
        Ok(())
    }

    fn opening(&self, account: &Account) -> anyhow::Result<UnitOfWork> {
        let micros = |amount| Credits::from_micros(amount).context("an amount of credits");
        let id = |what| derived(account.id.as_str(), what, 0);
        let activate = UserPackageCommand::Activate {
            product: ProductId::from_uuid(id("product")),
            daily_limit: micros(DAILY_LIMIT_MICROS)?,
            duration_days: DURATION_DAYS,
            time_zone: chrono_tz::Asia::Shanghai,
            day: aggregates::DayRule::Calendar,
            starts_at: None,
        };
        let grant = CreditAccountCommand::Grant {
            grant: GrantId::from_uuid(id("grant")),
            source: GrantSource::Promotion,
            amount: micros(DAILY_LIMIT_MICROS)?,
            expires_at: None,
            reason: None,
        };
        let commands = vec![Command::UserPackage(account.package, activate), Command::CreditAccount(grant)];
        Ok(UnitOfWork::new(account.id.clone(), CommandId::from_uuid(id("opening")), self.at, commands)?)
    }

    /// One charge on one account.
    ///
    /// # Errors
    /// When the account does not exist in this set.
    pub fn charge(&self, account: usize, command_id: Uuid) -> anyhow::Result<UnitOfWork> {
        let account = self.accounts.get(account).context("no such account")?;
        let amount = Credits::from_micros(CHARGE_MICROS).context("an amount of credits")?;
        let charge = Charge { amount, meter: None, reference: None, overdraft: aggregates::Overdraft::Refuse };
        let command_id = CommandId::from_uuid(command_id);
        let mut unit = UnitOfWork::new(account.id.clone(), command_id, self.at, vec![Command::Charge(charge)])?;
        unit.metadata = self.metadata.clone();
        Ok(unit)
    }

    /// Draws accounts by Zipf's law, the first the most often.
    ///
    /// # Errors
    /// When the set is empty.
    pub fn picker(&self, seed: u64) -> anyhow::Result<Picker> {
        let law =
            (self.accounts.len() > 1).then(|| Zipf::new(self.accounts.len() as f64, ZIPF_EXPONENT)).transpose()?;
        Ok(Picker { law, random: SmallRng::seed_from_u64(seed) })
    }
}

/// A stream of accounts to charge.
pub struct Picker {
    law: Option<Zipf<f64>>,
    random: SmallRng,
}

impl Picker {
    /// The index of the next account.
    pub fn pick(&mut self) -> usize {
        let Some(law) = &self.law else { return 0 };
        (law.sample(&mut self.random) as usize).saturating_sub(1)
    }

    /// A new command id (UUIDv7), without asking the operating system for random bytes each time.
    pub fn command_id(&mut self) -> Uuid {
        let millis = u64::try_from(Utc::now().timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.random.random()).into_uuid()
    }
}

fn derived(name: &str, what: &str, n: u64) -> Uuid {
    use sha2::{Digest, Sha256};
    let digest = Sha256::new().chain_update(name).chain_update([0]).chain_update(what).chain_update(n.to_be_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    Uuid::from_bytes(digest.first_chunk::<16>().copied().unwrap_or_default())
}
