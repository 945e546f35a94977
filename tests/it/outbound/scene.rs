//! A ledger with everything around it.

use std::sync::Arc;
use std::time::Duration;

use aggregates::{
    AccountId, AggregateId, Credits, Currency, DayRule, Delivery, DeliveryCommand, DeliveryId, Locale, Money, OrderId,
    PackageTerms, ProductContent, ProductId, ProductKind, State,
};
use billing_ledger::clock::Clock;
use billing_ledger::dispatch::{Actor, Buyer, Dispatcher, Profile, Purchase, RefundNotice, Rules, Use, ids};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::jobs::{Handler, Job};
use billing_ledger::mail::{MailOptions, Mailer, Via};
use billing_ledger::processes::{self, MailLinks};
use billing_ledger::providers::Providers;
use billing_ledger::providers::sandbox::Sandbox;
use billing_ledger::store::{Store, StoreOptions, as_writer, pool};
use billing_ledger::vault::Vault;
use billing_ledger::workers;
use billing_ledger::workers::jobs::{JobOptions, JobRunner};
use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::forward::ForwardService;
use crate::support::smtp::SmtpServer;
use crate::support::{database, eventually};

pub(crate) const MASTER_KEY: [u8; 32] = [42; 32];
pub(crate) const NAME: &str = "王小明";
pub(crate) const EMAIL: &str = "wang@example.com";

pub(crate) struct Scene {
    pub(crate) clock: Clock,
    pub(crate) pool: PgPool,
    pub(crate) vault: Vault,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) sandbox: Sandbox,
    pub(crate) forward: ForwardService,
    pub(crate) smtp: SmtpServer,
    pub(crate) handlers: Vec<Arc<dyn Handler>>,
    store: Store,
    shutdown: CancellationToken,
    workers: TaskTracker,
    database: TestDatabase,
}

/// An order, and what became of it.
pub(crate) struct Bought {
    pub(crate) account: AccountId,
    pub(crate) order: OrderId,
    pub(crate) number: String,
    pub(crate) delivery: DeliveryId,
}

impl Scene {
    /// Everything but the workers.
    pub(crate) async fn set() -> Self {
        let database = database().await;
        let clock = Clock::system();
        let options = StoreOptions { clock: clock.clone(), ..StoreOptions::default() };
        let store = Store::open(database.connect_options(), options).await.expect("a store");
        let pool = pool(as_writer(database.connect_options()), 10).await.expect("a pool");
        let vault = Vault::try_new(MASTER_KEY, pool.clone()).expect("a vault");
        let sandbox = Sandbox::new(pool.clone(), Currency::iso("CNY").expect("a currency"), "http://localhost");
        let rules = Rules { time_zone: chrono_tz::Asia::Shanghai, order_ttl: TimeDelta::minutes(15) };
        let providers = Providers::new(vec![Arc::new(sandbox.clone())]);
        let dispatcher = Dispatcher::new(store.clone(), clock.clone(), vault.clone(), providers, rules);
        let (forward, smtp) = (ForwardService::start().await, SmtpServer::start().await);
        let links = MailLinks { api_url: forward.url(), dashboard_url: "http://localhost/dashboard".to_owned() };
        let handlers = processes::handlers(&dispatcher, &vault, forward.client(), mailer(&smtp), links);
        let (shutdown, workers) = (CancellationToken::new(), TaskTracker::new());
        let scene = Self {
            clock,
            pool,
            vault,
            dispatcher,
            sandbox,
            forward,
            smtp,
            handlers,
            store,
            shutdown,
            workers,
            database,
        };
        scene.stock().await;
        scene
    }

    /// With workers.
    pub(crate) async fn at_work() -> Self {
        let scene = Self::set().await;
        scene.work();
        scene
    }

    /// One more set of workers, as another process would have them.
    pub(crate) fn work(&self) {
        let runner =
            JobRunner::new(self.pool.clone(), self.clock.clone(), self.handlers.clone(), JobOptions::default());
        let wake = runner.wake();
        self.workers.spawn(runner.run(self.shutdown.clone()));
        self.workers.spawn(workers::processes::run(self.pool.clone(), wake, self.shutdown.clone()));
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.workers.close();
        self.workers.wait().await;
        self.store.close().await;
    }

    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.database.connect_options()
    }

    /// So many charges, one after the other, from what the account has.
    pub(crate) async fn flood(&self, name: &str, charges: usize) {
        let account = AccountId::try_new(name).expect("an account");
        let amount: Credits = "0.001".parse().expect("an amount");
        for _ in 0..charges {
            let wanted =
                Use { amount, reference: None, meter: None, metadata: None, overdraft: aggregates::Overdraft::Refuse };
            let actor = Actor::new(name, "user");
            self.dispatcher.charge(&account, &actor, None, wanted).await.expect("charged");
        }
    }

    async fn stock(&self) {
        let terms = PackageTerms {
            duration_days: 30,
            daily_limit: Credits::whole(5),
            day: DayRule::Calendar,
            again: aggregates::Again::Extend,
        };
        let content = ProductContent {
            code: None,
            name: "基础套餐".to_owned(),
            description: "适合轻度使用".to_owned(),
            prices: vec![Money::parse("30.00", Currency::iso("CNY").expect("a currency")).expect("a price")],
            sort_order: 1,
            kind: ProductKind::Package(terms),
        };
        let admin = Actor::new("admin", "admin");
        self.dispatcher.create_product(&admin, ids::fresh(), 1, content).await.expect("a product");
    }

    pub(crate) async fn order(&self, name: &str) -> Bought {
        self.order_by(name, Some(EMAIL), Locale::ZhCn).await
    }

    pub(crate) async fn order_by(&self, name: &str, email: Option<&str>, locale: Locale) -> Bought {
        let account = AccountId::try_new(name).expect("an account");
        let profile = Profile { name: Some(NAME.to_owned()), email: email.map(str::to_owned), locale };
        let buyer = Buyer { account: account.clone(), actor: Actor::new(name, "user"), profile };
        let wanted = Purchase { product: ProductId::numbered(1), package: true, provider: None };
        let sale = self.dispatcher.purchase(&buyer, ids::fresh(), wanted).await.expect("an order");
        let order = OrderId::of_number(&sale.placed.number);
        Bought { account, order, number: sale.placed.number.to_string(), delivery: DeliveryId::of_order(order) }
    }

    pub(crate) async fn buy(&self, name: &str) -> Bought {
        let bought = self.order(name).await;
        self.pay(&bought).await;
        bought
    }

    pub(crate) async fn pay(&self, bought: &Bought) {
        let number = bought.number.parse().expect("a number");
        let notice = self.sandbox.pay(&number, "alipay").await.expect("books").expect("an order");
        self.dispatcher.take_payment(notice).await.expect("taken");
    }

    /// All of its money goes back.
    pub(crate) async fn refund(&self, bought: &Bought) {
        let order = self.dispatcher.look(&bought.account, AggregateId::order(bought.order)).await.expect("an order");
        let State::Order(order) = order else { panic!("no order") };
        let payment = order.payment().expect("paid").clone();
        let notice = RefundNotice {
            order: bought.number.parse().expect("a number"),
            provider: payment.provider,
            payment_id: payment.payment_id,
            refund: "theirs".to_owned(),
            amount: payment.amount,
            provider_refund: None,
            reason: Some("chargeback".to_owned()),
        };
        self.dispatcher.take_refund(notice).await.expect("taken back");
    }

    pub(crate) async fn retry(&self, bought: &Bought) {
        let command = aggregates::Command::Delivery(bought.delivery, DeliveryCommand::Retry);
        let admin = Actor::new("admin", "admin");
        self.dispatcher.execute(&bought.account, &admin, ids::fresh(), vec![command]).await.expect("retried");
    }

    pub(crate) async fn is_delivered(&self, bought: &Bought) -> bool {
        match self.dispatcher.look(&bought.account, AggregateId::delivery(bought.delivery)).await {
            Ok(State::Delivery(Delivery::Requested(progress))) => progress.next.is_none(),
            Ok(_) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until the customer has their key and nothing is left of it; back-off is not waited for.
    pub(crate) async fn delivers(&self, bought: &Bought) {
        eventually("a delivery", async || {
            self.hurry().await;
            (self.is_delivered(bought).await && self.secrets().await == 0).then_some(())
        })
        .await;
    }

    /// What pauses after a failure is ready now.
    pub(crate) async fn hurry(&self) {
        let sql = "UPDATE jobs.jobs SET run_at = clock_timestamp() WHERE state = 'queued' AND NOT by_business_clock
                      AND run_at > clock_timestamp()";
        sqlx::query(sql).execute(&self.pool).await.expect("jobs");
    }

    pub(crate) async fn secrets(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM vault.secrets").fetch_one(&self.pool).await.expect("secrets")
    }

    /// Types and payloads of an aggregate's events.
    pub(crate) async fn events(&self, aggregate: uuid::Uuid) -> Vec<(String, Value)> {
        let sql = "SELECT event_type, payload FROM ledger.events WHERE aggregate_id = $1 ORDER BY position";
        let rows = sqlx::query(sql).bind(aggregate).fetch_all(&self.pool).await.expect("events");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    pub(crate) async fn event_types(&self, aggregate: uuid::Uuid) -> Vec<String> {
        self.events(aggregate).await.into_iter().map(|(event_type, _)| event_type).collect()
    }

    /// Reasons of the attempts at a delivery that failed.
    pub(crate) async fn reasons(&self, bought: &Bought) -> Vec<String> {
        let events = self.events(bought.delivery.uuid()).await.into_iter();
        let failed = events.filter(|(event_type, _)| event_type == "attempt_failed");
        failed.map(|(_, payload)| payload["reason"].as_str().expect("a reason").to_owned()).collect()
    }

    pub(crate) fn handler(&self, kind: &str) -> Arc<dyn Handler> {
        self.handlers.iter().find(|handler| handler.kind() == kind).expect("a handler").clone()
    }

    pub(crate) async fn job_state(&self, kind: &str, key: &str) -> Option<String> {
        let sql = "SELECT state FROM jobs.jobs WHERE kind = $1 AND key = $2";
        sqlx::query_scalar(sql).bind(kind).bind(key).fetch_optional(&self.pool).await.expect("a job")
    }
}

impl Bought {
    /// A job about its delivery, as a runner would hand it over.
    pub(crate) fn job(&self, kind: &str, attempt: i32) -> Job {
        let (key, account_id) = (self.delivery.to_string(), Some(self.account.to_string()));
        let payload = serde_json::json!({});
        Job { id: 1, kind: kind.to_owned(), key, account_id, payload, attempt, tries: 1, last_error: None }
    }
}

pub(crate) fn mailer(smtp: &SmtpServer) -> Mailer {
    let via = Via::Smtp(SecretString::from(smtp.url()));
    let options = MailOptions { via, from: "Ledger <billing@ledger.example>".to_owned(), templates_dir: None };
    Mailer::try_patient(&options, Duration::from_secs(2)).expect("a mailer")
}
