//! What would be in the log after so many charges: the columns of a batch, as the store would write them.

use std::sync::Arc;

use aggregates::user_package::DEFAULT_TIME_ZONE;
use aggregates::{
    AggregateKind, Credits, DayRule, Decider, Event, ProductId, UserPackage, UserPackageCommand, UserPackageEvent,
};
use anyhow::{Context, bail};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::bench::workload::{ACCOUNTS, CHARGE_MICROS, Picker, Workload};
use crate::bench::workload::{DAILY_LIMIT_MICROS, DURATION_DAYS};

const NAME: &str = "raw";

/// Makes rows for the partitions of one connection: every `shares`th, beginning with `share`.
pub(super) struct Generator {
    accounts: Vec<Option<Account>>,
    /// The last position of each partition.
    positions: Vec<i64>,
    picker: Picker,
    random: SmallRng,
    event: Sample,
    picked: Vec<usize>,
}

struct Account {
    log_part: i16,
    key: Uuid,
    package: Uuid,
    version: i64,
}

/// An event as the domain makes it. All rows share its payload: making JSON is not what is measured here.
struct Sample {
    event_type: &'static str,
    schema_version: i16,
    payload: String,
    metadata: Arc<str>,
}

/// Columns, an element per row; ascending by partition and position.
#[derive(Default)]
pub(super) struct Batch<'a> {
    pub(super) log_part: Vec<i16>,
    pub(super) position: Vec<i64>,
    pub(super) version: Vec<i64>,
    pub(super) leaf: Vec<i64>,
    pub(super) schema_version: Vec<i16>,
    pub(super) account: Vec<Uuid>,
    pub(super) aggregate_id: Vec<Uuid>,
    pub(super) command_id: Vec<Uuid>,
    pub(super) aggregate_type: Vec<&'static str>,
    pub(super) event_type: Vec<&'static str>,
    pub(super) payload: Vec<&'a str>,
    pub(super) metadata: Vec<&'a str>,
    pub(super) event_count: Vec<i16>,
    pub(super) request_hash: Vec<[u8; 16]>,
}

impl Generator {
    pub(super) fn new(share: u8, shares: u8) -> anyhow::Result<Self> {
        let workload = Workload::new(NAME, ACCOUNTS)?;
        let accounts = workload.accounts().iter().map(|account| {
            let key = account.id.key();
            let part = key.log_part().number();
            (part % shares.max(1) == share).then(|| Account {
                log_part: part.into(),
                key: key.uuid(),
                package: account.package.uuid(),
                version: 1,
            })
        });
        let accounts: Vec<_> = accounts.collect();
        if accounts.iter().all(Option::is_none) {
            bail!("no account in share {share} of {shares}");
        }
        Ok(Self {
            accounts,
            positions: vec![0; usize::from(u8::MAX) + 1],
            picker: workload.picker(share.into())?,
            random: SmallRng::seed_from_u64(share.into()),
            event: Sample::new(&workload)?,
            picked: Vec::new(),
        })
    }

    /// The next `rows` charges of these partitions.
    pub(super) fn batch(&mut self, rows: usize) -> Batch<'_> {
        self.pick(rows);
        let mut batch = Batch::default();
        for at in &self.picked {
            let Some(Some(account)) = self.accounts.get_mut(*at) else {
                continue;
            };
            let part = usize::try_from(account.log_part).unwrap_or_default();
            let Some(position) = self.positions.get_mut(part) else {
                continue;
            };
            account.version += 1;
            *position += 1;
            batch.add(account, *position, &self.event, &mut self.random);
        }
        batch
    }

    /// Accounts by Zipf's law, without those of other connections; in partition order, as the store would have them.
    fn pick(&mut self, rows: usize) {
        self.picked.clear();
        while self.picked.len() < rows {
            let at = self.picker.pick();
            if matches!(self.accounts.get(at), Some(Some(_))) {
                self.picked.push(at);
            }
        }
        let accounts = &self.accounts;
        self.picked.sort_by_key(|at| accounts.get(*at).and_then(Option::as_ref).map(|account| account.log_part));
    }
}

impl<'a> Batch<'a> {
    fn add(&mut self, account: &Account, position: i64, event: &'a Sample, random: &mut SmallRng) {
        self.log_part.push(account.log_part);
        self.position.push(position);
        self.version.push(account.version);
        self.leaf.push(random.random());
        self.schema_version.push(event.schema_version);
        self.account.push(account.key);
        self.aggregate_id.push(account.package);
        self.command_id.push(Uuid::now_v7());
        self.aggregate_type.push(AggregateKind::UserPackage.as_str());
        self.event_type.push(event.event_type);
        self.payload.push(&event.payload);
        self.metadata.push(&event.metadata);
        self.event_count.push(1);
        self.request_hash.push(random.random());
    }
}

impl Sample {
    /// A charge on a package of the workload.
    fn new(workload: &Workload) -> anyhow::Result<Self> {
        let micros = |amount| Credits::from_micros(amount).context("an amount of credits");
        let mut package = UserPackage::default();
        let activate = UserPackageCommand::Activate {
            product: ProductId::from_uuid(Uuid::nil()),
            daily_limit: micros(DAILY_LIMIT_MICROS)?,
            duration_days: DURATION_DAYS,
            time_zone: DEFAULT_TIME_ZONE,
            day: DayRule::Calendar,
            starts_at: None,
        };
        let consume = UserPackageCommand::Consume { amount: micros(CHARGE_MICROS)?, meter: None, reference: None };
        let mut last: Option<UserPackageEvent> = None;
        for command in [activate, consume] {
            for event in package.decide(workload.at, &command)? {
                Decider::apply(&mut package, &event);
                last = Some(event);
            }
        }
        let event = Event::from(last.context("a charge recorded nothing")?);
        Ok(Self {
            event_type: event.event_type(),
            schema_version: event.schema_version(),
            payload: event.payload()?,
            metadata: workload.charge(0, Uuid::nil())?.metadata,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn positions_and_versions_have_no_gaps_and_shares_do_not_meet() {
        for share in 0..2 {
            let mut generator = Generator::new(share, 2).unwrap();
            let (mut positions, mut versions) = (HashMap::new(), HashMap::new());
            for _ in 0..3 {
                let batch = generator.batch(1_000);
                assert_eq!(batch.position.len(), 1_000);
                assert!(batch.log_part.is_sorted());
                for row in 0..batch.position.len() {
                    let part = batch.log_part[row];
                    assert_eq!(part % 2, i16::from(share));
                    let position = positions.entry(part).or_insert(0);
                    *position += 1;
                    assert_eq!(batch.position[row], *position);
                    let version = versions.entry(batch.aggregate_id[row]).or_insert(1);
                    *version += 1;
                    assert_eq!(batch.version[row], *version);
                }
            }
        }
    }

    #[test]
    fn rows_are_events_of_the_domain() {
        let mut generator = Generator::new(0, 1).unwrap();
        let batch = generator.batch(1);
        let kind = AggregateKind::from_name(batch.aggregate_type[0]).unwrap();
        let event = Event::from_parts(kind, batch.event_type[0], batch.schema_version[0], batch.payload[0]).unwrap();
        assert_eq!(event.event_type(), "consumed");
    }
}
