//! A ledger whose clock the test holds, and one call that brings its read models up.

use aggregates::{
    AccountId, Charge, Command, CreditAccountCommand, Credits, DayRule, GrantId, GrantSource, OrderCommand, OrderId,
    OrderNumber, PackageTerms, Payment, PlaceOrder, ProductCommand, ProductContent, ProductId, ProductKind,
    TakePayment, UserPackageCommand, UserPackageId,
};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::{Receipt, Store, UnitOfWork};
use billing_ledger::workers::projections::catch_up;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::units::{command_id, insist};
use crate::support::{database, open_store, plain_pool};

pub(super) const SHANGHAI: Tz = Tz::Asia__Shanghai;

pub(super) struct Scene {
    pub(super) database: TestDatabase,
    pub(super) store: Store,
    /// As the owner of the tables.
    pub(super) pool: PgPool,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let database = database().await;
        let store = open_store(database.connect_options()).await;
        let pool = plain_pool(database.connect_options()).await;
        Self { database, store, pool }
    }

    /// Records commands as decided at `at`.
    pub(super) async fn tell(&self, account: &AccountId, at: DateTime<Utc>, commands: Vec<Command>) -> Receipt {
        let unit = UnitOfWork::new(account.clone(), command_id(), at, commands).expect("commands are JSON");
        insist(&self.store, &unit).await.expect("recorded")
    }

    pub(super) async fn catch_up(&self) -> u64 {
        catch_up(self.database.connect_options()).await.expect("read models")
    }
}

/// `2026-01-05T06:00:00Z`
pub(super) fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

pub(super) fn credits(text: &str) -> Credits {
    text.parse().expect("credits")
}

pub(super) fn package(number: u128) -> UserPackageId {
    UserPackageId::from_uuid(Uuid::from_u128(number))
}

pub(super) fn grant(number: u128, amount: &str, expires_at: Option<DateTime<Utc>>) -> Command {
    Command::CreditAccount(CreditAccountCommand::Grant {
        grant: GrantId::from_uuid(Uuid::from_u128(number)),
        source: GrantSource::Promotion,
        amount: credits(amount),
        expires_at,
        reason: None,
    })
}

pub(super) fn spend(amount: &str) -> Command {
    let (meter, reference) = (Some("letters".to_owned()), Some("r-1".to_owned()));
    Command::CreditAccount(CreditAccountCommand::Spend { amount: credits(amount), meter, reference })
}

pub(super) fn charge(amount: Credits) -> Command {
    Command::Charge(Charge { amount, meter: None, reference: None, overdraft: aggregates::Overdraft::Refuse })
}

pub(super) fn activate(package: UserPackageId, daily_limit: &str, duration_days: u32, day: DayRule) -> Command {
    let activate = UserPackageCommand::Activate {
        product: ProductId::numbered(1),
        daily_limit: credits(daily_limit),
        duration_days,
        time_zone: SHANGHAI,
        day,
        starts_at: None,
    };
    Command::UserPackage(package, activate)
}

pub(super) fn consume(package: UserPackageId, amount: &str) -> Command {
    Command::UserPackage(package, UserPackageCommand::Consume { amount: credits(amount), meter: None, reference: None })
}

pub(super) fn create_product(number: u32, content: ProductContent) -> Command {
    Command::Product(ProductId::numbered(number), ProductCommand::Create(content))
}

pub(super) fn monthly_card(name: &str, sort_order: i32) -> ProductContent {
    ProductContent {
        code: None,
        name: name.to_owned(),
        description: "thirty days".to_owned(),
        prices: vec!["CNY".parse().map(|yuan| aggregates::Money::from_minor(3_000, yuan)).expect("a currency")],
        sort_order,
        kind: ProductKind::Package(PackageTerms {
            duration_days: 30,
            daily_limit: credits("5.00"),
            day: DayRule::Calendar,
            again: aggregates::Again::Extend,
        }),
    }
}

/// An order of the monthly card at ¥30, and its id.
pub(super) fn place(number: &OrderNumber, at: DateTime<Utc>) -> (OrderId, Command) {
    let content = monthly_card("月卡", 1);
    let order = OrderId::of_number(number);
    let place = PlaceOrder {
        number: number.clone(),
        product: ProductId::numbered(1),
        name: content.name,
        kind: content.kind,
        time_zone: SHANGHAI,
        price: content.prices[0],
        provider: "sandbox".to_owned(),
        expires_at: at + TimeDelta::minutes(15),
    };
    (order, Command::Order(order, OrderCommand::Place(place)))
}

pub(super) fn pay(order: OrderId, payment_id: &str, minor: i64) -> Command {
    let payment = Payment {
        provider: "sandbox".to_owned(),
        payment_id: payment_id.to_owned(),
        amount: aggregates::Money::from_minor(minor, "CNY".parse().expect("a currency")),
        method: Some("alipay".to_owned()),
    };
    Command::TakePayment(TakePayment { order, payment, license_key: None })
}
