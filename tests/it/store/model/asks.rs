//! What is asked, of books and store alike, and what is said about it afterwards. Accounts, packages, grants and commands
//! have small numbers here, so that the same ones are hit again and again; time is minutes since `START`.

use aggregates::credit_account::CreditAccountEvent;
use aggregates::user_package::{DEFAULT_TIME_ZONE, UserPackageEvent};
use aggregates::{
    AccountId, AggregateKind, Charge, Command, CommandId, CreditAccountCommand, DayRule, Event, GrantId, GrantSource,
    HoldingsEvent, ProductId, UserPackageCommand, UserPackageId,
};
use billing_ledger::store::{Receipt, UnitOfWork};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::units::micros;

pub(super) const ACCOUNTS: usize = 4;
pub(super) const PACKAGES: u8 = 3;
const START: &str = "2026-03-01T00:00:00Z";
const DAY: i64 = 24 * 60;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ask {
    Grant {
        grant: u32,
        amount: i64,
        expires: Option<i64>,
    },
    Spend {
        amount: i64,
    },
    Activate {
        package: u8,
        limit: i64,
        days: u32,
        anniversary: bool,
    },
    Consume {
        package: u8,
        amount: i64,
    },
    /// From all the packages that the account has running.
    Charge {
        amount: i64,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    pub(super) account: usize,
    pub(super) command: u32,
    pub(super) at: i64,
    pub(super) asks: Vec<Ask>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    Granted {
        grant: u32,
        amount: i64,
        balance: i64,
    },
    /// `from`: grant, amount, what it has left.
    Spent {
        amount: i64,
        from: Vec<(u32, i64, i64)>,
        balance: i64,
    },
    Activated {
        package: u8,
        starts: i64,
        left: i64,
    },
    /// Charges find it from now on.
    Held {
        package: u8,
        starts: i64,
        ends: i64,
    },
    Consumed {
        package: u8,
        amount: i64,
        day: i64,
        day_left: i64,
        left: i64,
    },
}

/// Something for one account, at a time near zero, with no command id yet.
pub(super) fn any_unit() -> impl Strategy<Value = Unit> {
    // Mostly minutes; sometimes over a midnight or a few, and back.
    let jump = prop_oneof![5 => -30..30_i64, 2 => -DAY..DAY, 1 => -2 * DAY..2 * DAY];
    let account = prop_oneof![2 => Just(0), 1 => 1..ACCOUNTS];
    let asks = prop_oneof![3 => prop::collection::vec(any_ask(), 1), 1 => prop::collection::vec(any_ask(), 2..4)];
    (account, jump, asks).prop_map(|(account, at, asks)| Unit { account, command: 0, at, asks })
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let amount = || prop_oneof![12 => 1..12_i64, 1 => Just(0)];
    let package = || 0..PACKAGES;
    prop_oneof![
        3 => (0..30_u32, 0..30_i64, prop::option::weighted(0.3, -10..3 * DAY))
            .prop_map(|(grant, amount, expires)| Ask::Grant { grant, amount, expires }),
        3 => amount().prop_map(|amount| Ask::Spend { amount }),
        2 => (package(), 0..15_i64, 0..4_u32, any::<bool>())
            .prop_map(|(package, limit, days, anniversary)| Ask::Activate { package, limit, days, anniversary }),
        2 => (package(), amount()).prop_map(|(package, amount)| Ask::Consume { package, amount }),
        4 => prop_oneof![3 => 1..12_i64, 1 => 12..40_i64].prop_map(|amount| Ask::Charge { amount }),
        1 => Just(Ask::Charge { amount: 0 }),
    ]
}

impl Unit {
    /// Moves it, and what it says about time, from around zero to around `now`.
    pub(super) fn shift(&mut self, now: i64) {
        self.at += now;
        for ask in &mut self.asks {
            if let Ask::Grant { expires: Some(expires), .. } = ask {
                *expires += now;
            }
        }
    }

    pub(super) fn of_work(&self, accounts: &[AccountId]) -> UnitOfWork {
        let command = CommandId::from_uuid(Uuid::from_u128(u128::from(self.command) + 1));
        let commands = self.asks.iter().map(|ask| ask.command(self.account)).collect();
        UnitOfWork::new(accounts[self.account].clone(), command, moment(self.at), commands).expect("JSON")
    }
}

impl Ask {
    /// Never refused, and never said before.
    pub(super) fn filler(number: u32) -> Self {
        Self::Grant { grant: 1_000 + number, amount: 1, expires: None }
    }

    fn command(&self, account: usize) -> Command {
        match self {
            Self::Grant { grant, amount, expires } => Command::CreditAccount(CreditAccountCommand::Grant {
                grant: GrantId::from_uuid(Uuid::from_u128(u128::from(*grant))),
                source: GrantSource::Promotion,
                amount: micros(*amount),
                expires_at: expires.map(moment),
                reason: None,
            }),
            Self::Spend { amount } => Command::CreditAccount(CreditAccountCommand::Spend {
                amount: micros(*amount),
                meter: None,
                reference: None,
            }),
            Self::Activate { package, limit, days, anniversary } => Command::UserPackage(
                package_of(account, *package),
                UserPackageCommand::Activate {
                    product: ProductId::from_uuid(Uuid::from_u128(1)),
                    daily_limit: micros(*limit),
                    duration_days: *days,
                    time_zone: DEFAULT_TIME_ZONE,
                    day: if *anniversary { DayRule::Anniversary } else { DayRule::Calendar },
                    starts_at: None,
                },
            ),
            Self::Consume { package, amount } => Command::UserPackage(
                package_of(account, *package),
                UserPackageCommand::Consume { amount: micros(*amount), meter: None, reference: None },
            ),
            Self::Charge { amount } => Command::Charge(Charge {
                amount: micros(*amount),
                meter: None,
                reference: None,
                overdraft: aggregates::Overdraft::Refuse,
            }),
        }
    }
}

pub(super) fn moment(minutes: i64) -> DateTime<Utc> {
    START.parse::<DateTime<Utc>>().expect("a time") + TimeDelta::minutes(minutes)
}

pub(super) fn package_of(account: usize, package: u8) -> UserPackageId {
    UserPackageId::from_uuid(Uuid::from_u128(account as u128 * 16 + u128::from(package)))
}

pub(super) fn lines_of(account: usize, receipt: &Receipt) -> Vec<Line> {
    receipt.events.iter().map(|recorded| line_of(account, recorded.aggregate.id, &recorded.event)).collect()
}

pub(super) fn line_of_row(account: usize, row: &(String, Uuid, String, i16, String)) -> Line {
    let (aggregate_type, id, event_type, schema_version, payload) = row;
    let kind = AggregateKind::from_name(aggregate_type).expect("known");
    line_of(account, *id, &Event::from_parts(kind, event_type, *schema_version, payload).expect("known"))
}

fn line_of(account: usize, aggregate: Uuid, event: &Event) -> Line {
    let number_of = |id: Uuid| (0..PACKAGES).find(|n| package_of(account, *n).uuid() == id).expect("one of ours");
    let package = || number_of(aggregate);
    let minutes = |at: DateTime<Utc>| (at - moment(0)).num_minutes();
    let number = |grant: GrantId| u32::try_from(grant.uuid().as_u128()).expect("small");
    match event {
        Event::CreditAccount(CreditAccountEvent::Granted(granted)) => Line::Granted {
            grant: number(granted.grant),
            amount: granted.amount.micros(),
            balance: granted.balance.micros(),
        },
        Event::CreditAccount(CreditAccountEvent::Spent(spent)) => Line::Spent {
            amount: spent.amount.micros(),
            from: spent
                .from
                .iter()
                .map(|taken| (number(taken.grant), taken.amount.micros(), taken.left.micros()))
                .collect(),
            balance: spent.balance.micros(),
        },
        Event::UserPackage(UserPackageEvent::Activated(activated)) => {
            let starts = minutes(activated.starts_at);
            Line::Activated { package: package(), starts, left: activated.left.micros() }
        }
        Event::Holdings(HoldingsEvent::PackageAdded(added)) => Line::Held {
            package: number_of(added.package.uuid()),
            starts: minutes(added.starts_at),
            ends: minutes(added.ends_at),
        },
        Event::UserPackage(UserPackageEvent::Consumed(consumed)) => Line::Consumed {
            package: package(),
            amount: consumed.amount.micros(),
            day: (consumed.day - NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date")).num_days(),
            day_left: consumed.day_left.micros(),
            left: consumed.left.micros(),
        },
        other => panic!("nobody asked for {other:?}"),
    }
}
