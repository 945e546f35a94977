//! Commands, and a lane that is held up so that a test decides what goes into one batch.

use std::pin::Pin;

use aggregates::{
    AccountId, AggregateId, Charge, Command, Currency, CustomerCommand, DayRule, DeliveryCommand, DeliveryId,
    Described, LicenseKey, Locale, Money, OrderCommand, OrderId, OrderNumber, PackageTerms, Payment, PlaceOrder,
    ProductCommand, ProductContent, ProductId, ProductKind, ProviderCommand, ProviderSettings, Setting, TakePayment,
    UserPackageCommand, UserPackageId,
};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::store::{ExecuteError, Receipt, Store, StoreOptions, UnitOfWork};
use chrono::{TimeDelta, Utc};
use futures_util::future::poll_immediate;
use sqlx::{ConnectOptions, PgConnection, PgPool};
use uuid::Uuid;

use crate::support::units::{account, account_in, grant, micros, part_of, unit};
use crate::support::{eventually, plain_pool};

/// One lane: whatever waits together is decided together.
pub(super) fn one_lane() -> StoreOptions {
    StoreOptions { lanes: 1, readers: 2, ..StoreOptions::default() }
}

pub(super) async fn open(database: &TestDatabase, options: StoreOptions) -> Store {
    Store::open(database.connect_options(), options).await.expect("a store")
}

/// Past the store, as the owner of the tables.
pub(super) async fn owner(database: &TestDatabase) -> PgPool {
    plain_pool(database.connect_options()).await
}

/// `n` accounts of the same partition.
pub(super) fn neighbours<const N: usize>() -> [AccountId; N] {
    let first = account("neighbour-0");
    let part = part_of(&first);
    std::array::from_fn(|n| match n {
        0 => first.clone(),
        n => account_in(&format!("neighbour-{n}"), |other| other == part),
    })
}

pub(super) fn package(number: u128) -> UserPackageId {
    UserPackageId::from_uuid(Uuid::from_u128(number))
}

pub(super) fn credits_of(account: &AccountId) -> AggregateId {
    AggregateId::credit_account(account.key())
}

pub(super) fn activate(package: UserPackageId, daily_limit: i64, duration_days: u32) -> Command {
    let activate = UserPackageCommand::Activate {
        product: ProductId::from_uuid(Uuid::from_u128(1)),
        daily_limit: micros(daily_limit),
        duration_days,
        time_zone: aggregates::user_package::DEFAULT_TIME_ZONE,
        day: DayRule::Calendar,
        starts_at: None,
    };
    Command::UserPackage(package, activate)
}

pub(super) fn consume(package: UserPackageId, amount: i64) -> Command {
    Command::UserPackage(package, UserPackageCommand::Consume { amount: micros(amount), meter: None, reference: None })
}

/// From whatever the account holds.
pub(super) fn charge(amount: i64) -> Command {
    Command::Charge(Charge {
        amount: micros(amount),
        meter: None,
        reference: None,
        overdraft: aggregates::Overdraft::Refuse,
    })
}

fn month(daily_limit: i64) -> ProductKind {
    ProductKind::Package(PackageTerms {
        duration_days: 30,
        daily_limit: micros(daily_limit),
        day: DayRule::Calendar,
        again: aggregates::Again::Extend,
    })
}

fn yuan(minor: i64) -> Money {
    Money::from_minor(minor, Currency::iso("CNY").expect("yuan"))
}

/// Something in the catalogue, and somebody to pay for it.
pub(super) fn create_product(number: u32) -> UnitOfWork {
    let content = ProductContent {
        code: None,
        name: format!("month {number}"),
        description: String::new(),
        prices: vec![yuan(3_000)],
        sort_order: 1,
        kind: month(5),
    };
    let create = Command::Product(ProductId::numbered(number), ProductCommand::Create(content));
    let set = [("app_id".to_owned(), Setting::Plain(number.to_string()))].into();
    let configure = ProviderCommand::Configure { checked: ProviderSettings::default(), set, remove: [].into() };
    unit(&AccountId::system(), vec![create, Command::Provider(format!("provider{number}"), configure)])
}

/// An order with all that follows it, and who the customer is: every kind of aggregate that a customer has, but credits.
pub(super) fn purchase(number: u32, daily_limit: i64) -> Vec<Command> {
    let (order, bought) = bought(number, month(daily_limit));
    let key = DeliveryCommand::KeyCreated { key_id: "k-1".to_owned(), last_four: "a1b2".to_owned() };
    let described = Described { sealed: order.to_string(), digest: order.to_string(), locale: Locale::En };
    let follow_ups =
        [Command::Delivery(DeliveryId::of_order(order), key), Command::Customer(CustomerCommand::Describe(described))];
    bought.into_iter().chain(follow_ups).collect()
}

/// An order of this, placed and paid.
pub(super) fn bought(number: u32, kind: ProductKind) -> (OrderId, [Command; 2]) {
    let number = OrderNumber::new(Utc::now(), number);
    let order = OrderId::of_number(&number);
    let place = PlaceOrder {
        number,
        product: ProductId::numbered(1),
        name: "month".to_owned(),
        kind,
        time_zone: aggregates::user_package::DEFAULT_TIME_ZONE,
        price: yuan(3_000),
        provider: "sandbox".to_owned(),
        expires_at: Utc::now() + TimeDelta::minutes(15),
    };
    let payment =
        Payment { provider: "sandbox".to_owned(), payment_id: "p-1".to_owned(), amount: yuan(3_000), method: None };
    let license_key = Some(LicenseKey { sealed: "sealed".to_owned(), digest: order.to_string() });
    let pay = Command::TakePayment(TakePayment { order, payment, license_key });
    (order, [Command::Order(order, OrderCommand::Place(place)), pay])
}

/// The same command id and another body.
pub(super) fn reusing(unit: &UnitOfWork, of: UnitOfWork) -> UnitOfWork {
    UnitOfWork { command_id: of.command_id, ..unit.clone() }
}

pub(super) async fn events_in_log(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM ledger.events").fetch_one(pool).await.expect("a count")
}

/// How many connections to this database wait for a lock. Asked outside of any transaction: within one, the answer
/// stays what it was the first time.
pub(super) async fn waiting_for_locks(pool: &PgPool) -> i64 {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(waiting).fetch_one(pool).await.expect("a count")
}

pub(super) type Answer<'s> = Pin<Box<dyn Future<Output = Result<Receipt, ExecuteError>> + Send + 's>>;

/// Asks, and is in the queue when this returns.
pub(super) async fn ask(store: &Store, unit: UnitOfWork) -> Answer<'_> {
    let mut answer: Answer<'_> = Box::pin(store.execute(unit));
    if let Some(at_once) = poll_immediate(&mut answer).await {
        return Box::pin(std::future::ready(at_once));
    }
    answer
}

/// A store's only lane, held up in an append of its own: all that is asked meanwhile is one batch once it goes on.
pub(super) struct HeldLane<'s> {
    store: &'s Store,
    heads: PgConnection,
    plug: Answer<'s>,
}

impl<'s> HeldLane<'s> {
    pub(super) async fn hold(database: &TestDatabase, store: &'s Store) -> Self {
        let looking = owner(database).await;
        let plugged = account(&format!("plug-{}", Uuid::new_v4()));
        let heads = lock_head(database, &plugged).await;
        let plug = ask(store, grant(&plugged, 1)).await;
        eventually("the lane to wait for its head", async || (waiting_for_locks(&looking).await > 0).then_some(()))
            .await;
        Self { store, heads, plug }
    }

    pub(super) async fn ask(&self, unit: UnitOfWork) -> Answer<'s> {
        ask(self.store, unit).await
    }

    pub(super) async fn let_go(mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.heads).await.expect("unlocked");
        self.plug.await.expect("the plug goes through as well");
    }
}

/// A connection whose transaction holds the head of this account's partition.
pub(super) async fn lock_head(database: &TestDatabase, account: &AccountId) -> PgConnection {
    let mut connection = database.connect_options().connect().await.expect("a connection");
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.expect("begun");
    sqlx::query("SELECT FROM ledger.log_heads WHERE log_part = $1 FOR UPDATE")
        .bind(i16::from(part_of(account).number()))
        .execute(&mut connection)
        .await
        .expect("locked");
    connection
}
