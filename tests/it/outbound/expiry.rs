//! What a provider in trouble, and a payment that cannot be taken, mean for an order whose time is over.

use std::sync::{Arc, Mutex};

use aggregates::{Currency, Money, OrderNumber, Payment};
use async_trait::async_trait;
use billing_ledger::dispatch::{DispatchError, Dispatcher, PaymentNotice, RefundNotice, Rules};
use billing_ledger::jobs::{Handler, Job, Outcome};
use billing_ledger::processes::kinds::{EXPIRE_ORDER, RECONCILE};
use billing_ledger::processes::{ExpireOrder, Reconcile};
use billing_ledger::providers::sandbox::Sandbox;
use billing_ledger::providers::{
    Acknowledgement, Arrived, Genuine, News, NoticeError, Opened, OrderRef, PaymentRequest, Provider, ProviderError,
    Providers, RefundRequest, RefundState,
};
use billing_ledger::store::ExecuteError;
use chrono::{DateTime, TimeDelta, Utc};

use super::scene::{Bought, Scene};

#[derive(Clone)]
pub(super) enum Mood {
    Unreachable,
    /// What it has for the order.
    Says(Option<PaymentNotice>),
}

/// The sandbox, but for what it says when it is asked.
pub(super) struct Moody(pub(super) Sandbox, pub(super) Arc<Mutex<Mood>>);

#[async_trait]
impl Provider for Moody {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn currency(&self) -> Currency {
        self.0.currency()
    }

    async fn create_payment(&self, request: &PaymentRequest) -> Result<Opened, ProviderError> {
        self.0.create_payment(request).await
    }

    fn verify(&self, arrived: &Arrived<'_>, now: DateTime<Utc>) -> Result<Genuine, NoticeError> {
        self.0.verify(arrived, now)
    }

    async fn read(&self, verified: &Arrived<'_>) -> Result<Vec<News>, NoticeError> {
        self.0.read(verified).await
    }

    async fn payments(&self, _order: &OrderRef) -> Result<Vec<PaymentNotice>, ProviderError> {
        match self.1.lock().unwrap().clone() {
            Mood::Unreachable => Err(ProviderError::Unreachable("as told".to_owned())),
            Mood::Says(paid) => Ok(paid.into_iter().collect()),
        }
    }

    async fn refunds(&self, order: &OrderRef, payment_id: &str) -> Result<Vec<RefundNotice>, ProviderError> {
        self.0.refunds(order, payment_id).await
    }

    async fn refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        self.0.refund(request).await
    }

    async fn query_refund(&self, request: &RefundRequest) -> Result<RefundState, ProviderError> {
        self.0.query_refund(request).await
    }

    async fn stop_collecting(&self, order: &OrderRef, stop: bool) -> Result<(), ProviderError> {
        self.0.stop_collecting(order, stop).await
    }

    fn collects(&self) -> bool {
        true
    }

    async fn last_period(&self, order: &OrderRef) -> Result<Option<PaymentNotice>, ProviderError> {
        self.payments(order).await.map(|paid| paid.into_iter().next())
    }

    async fn check(&self) -> Result<String, ProviderError> {
        self.0.check().await
    }

    fn acknowledge(&self) -> Acknowledgement {
        self.0.acknowledge()
    }
}

struct Late {
    scene: Scene,
    bought: Bought,
    timer: ExpireOrder,
    /// The other timer: asks, and ends nothing.
    asker: Reconcile,
    mood: Arc<Mutex<Mood>>,
}

impl Late {
    /// An order whose time is over, and its timer.
    async fn set() -> Self {
        let late = Self::placed().await;
        late.scene.clock.advance(TimeDelta::minutes(16));
        late
    }

    /// An order that waits, and its timers.
    async fn placed() -> Self {
        let scene = Scene::set().await;
        let bought = scene.order("alice").await;
        let mood = Arc::new(Mutex::new(Mood::Unreachable));
        let provider = Arc::new(Moody(scene.sandbox.clone(), mood.clone()));
        let rules = Rules { time_zone: chrono_tz::Asia::Shanghai, order_ttl: TimeDelta::minutes(15) };
        let (store, clock, vault) = (scene.dispatcher.store().clone(), scene.clock.clone(), scene.vault.clone());
        let dispatcher = Dispatcher::new(store, clock, vault, Providers::new(vec![provider]), rules);
        let (timer, asker) = (ExpireOrder::new(dispatcher.clone()), Reconcile::new(dispatcher));
        Self { scene, bought, timer, asker, mood }
    }

    async fn run(&self, tries: u32, last_error: Option<String>) -> Outcome {
        let job = self.bought.job(EXPIRE_ORDER, i32::try_from(tries).unwrap());
        self.timer.run(&Job { key: self.bought.order.to_string(), tries, last_error, ..job }).await
    }

    async fn asks(&self) -> Outcome {
        let job = self.bought.job(RECONCILE, 1);
        self.asker.run(&Job { key: self.bought.order.to_string(), ..job }).await
    }

    /// When the provider is asked next, in minutes after the order's time was over.
    async fn asks_again_after(&self) -> i64 {
        let Outcome::NotBefore(next) = self.asks().await else { panic!("not asked again") };
        let placed = self.scene.events(self.bought.order.uuid()).await;
        let (_, placed) = placed.first().expect("it was placed");
        (next - placed["expires_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap()).num_minutes()
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn paid_as(&self, payment_id: &str) -> Mood {
        self.paid("30.00", payment_id)
    }

    fn paid(&self, amount: &str, payment_id: &str) -> Mood {
        let amount = Money::parse(amount, self.scene.sandbox.currency()).unwrap();
        let (provider, payment_id) = ("sandbox".to_owned(), payment_id.to_owned());
        let payment = Payment { provider, payment_id, amount, method: None };
        let order = self.bought.number.parse().unwrap();
        Mood::Says(Some(PaymentNotice { order, payment }))
    }

    async fn history(&self) -> Vec<String> {
        self.scene.event_types(self.bought.order.uuid()).await
    }
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { reason } => reason,
        other => panic!("not a failure: {other:?}"),
    }
}

#[tokio::test]
async fn an_order_whose_provider_stays_silent_expires_after_a_few_tries() {
    let late = Late::set().await;
    let mut last = None;
    for tries in 1..=3 {
        last = Some(reason(late.run(tries, last).await));
        assert!(!late.history().await.contains(&"expired".to_owned()), "{tries}");
    }
    assert_eq!(late.run(4, last).await, Outcome::Done);
    assert_eq!(late.history().await.last().map(String::as_str), Some("expired"));
    late.scene.end().await;
}

#[tokio::test]
async fn an_order_known_to_be_paid_never_expires_however_often_its_payment_cannot_be_taken() {
    let late = Late::set().await;
    // Refused by the order: no payment has such a name.
    late.becomes(late.paid_as(""));
    let mut last = None;
    for tries in 1..=10 {
        last = Some(reason(late.run(tries, last).await));
    }
    // Nor when its provider falls silent after it has said so.
    late.becomes(Mood::Unreachable);
    for tries in 11..=15 {
        last = Some(reason(late.run(tries, last).await));
    }
    assert!(!late.history().await.contains(&"expired".to_owned()));

    late.becomes(late.paid_as("p-1"));
    assert_eq!(late.run(16, last).await, Outcome::Done);
    assert_eq!(late.history().await.last().map(String::as_str), Some("fulfilled"));
    late.scene.end().await;
}

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn a_provider_is_asked_three_times_after_the_end_and_its_last_silence_is_a_failure() {
    let late = Late::set().await;
    // Whether it says that nothing was paid or says nothing at all.
    assert_eq!(late.asks_again_after().await, 5);
    late.becomes(Mood::Says(None));
    assert_eq!(late.asks_again_after().await, 5);
    late.scene.clock.advance(TimeDelta::minutes(5));
    assert_eq!(late.asks_again_after().await, HOUR);
    late.scene.clock.advance(TimeDelta::minutes(HOUR));
    late.becomes(Mood::Unreachable);
    assert_eq!(late.asks_again_after().await, DAY);

    // The last time a silence is not taken for an answer, and the job shows it until somebody has looked.
    late.scene.clock.advance(TimeDelta::minutes(DAY));
    let why = reason(late.asks().await);
    assert!(why.contains("did not answer"), "{why}");
    let job = late.bought.job(RECONCILE, 1);
    late.asker.failed(&job, &why).await.unwrap();
    late.asker.gave_up(&job, &why).await.unwrap();
    assert_eq!(late.history().await, ["placed", "checkout_opened"], "asking alone changes nothing");
    late.becomes(Mood::Says(None));
    assert_eq!(late.asks().await, Outcome::Done);

    // A payment for review pays for nothing; the right one, found at last, does, and then there is nothing to ask.
    late.becomes(late.paid("0.01", "odd"));
    assert_eq!(late.asks().await, Outcome::Done);
    assert_eq!(late.history().await.last().map(String::as_str), Some("payment_mismatched"));
    late.becomes(late.paid_as("p-1"));
    assert_eq!(late.asks().await, Outcome::Done);
    assert_eq!(late.history().await.last().map(String::as_str), Some("fulfilled"));
    late.becomes(Mood::Unreachable);
    assert_eq!(late.asks().await, Outcome::Done);
    let number: OrderNumber = late.bought.number.parse().unwrap();
    assert!(late.scene.dispatcher.reconcile(&number, None).await.unwrap().is_none(), "whoever asks");
    late.scene.end().await;
}

#[tokio::test]
async fn a_payment_is_taken_although_more_went_back_than_it_was_and_that_is_said() {
    let late = Late::placed().await;
    let number: OrderNumber = late.bought.number.parse().unwrap();
    for entry in [
        "INSERT INTO sandbox.payments (payment_id, order_number, amount_minor, currency)
         SELECT 'p-1', order_number, amount_minor, currency FROM sandbox.orders WHERE order_number = $1",
        "INSERT INTO sandbox.refunds (refund_no, payment_id, amount_minor, currency)
         SELECT 'r-1', 'p-1', amount_minor + 1, currency FROM sandbox.orders WHERE order_number = $1",
    ] {
        sqlx::query(entry).bind(number.as_str()).execute(&late.scene.pool).await.unwrap();
    }
    let asked = late.scene.dispatcher.reconcile(&number, None).await;
    let Err(DispatchError::Execute(ExecuteError::Refused(refusal))) = asked else { panic!("{asked:?}") };
    assert_eq!(refusal.code(), "E4065");
    assert_eq!(late.history().await.last().map(String::as_str), Some("fulfilled"));
    late.scene.end().await;
}

#[tokio::test]
async fn a_provider_is_not_asked_before_its_time_nor_about_what_is_no_order() {
    let late = Late::placed().await;
    assert_eq!(late.asks_again_after().await, -14, "half a minute after the order was placed");
    let job = late.bought.job(RECONCILE, 1);
    let of = |key: &str| Job { key: key.to_owned(), ..job.clone() };
    assert_eq!(late.asker.run(&of(&uuid::Uuid::nil().to_string())).await, Outcome::Done);
    reason(late.asker.run(&of("x")).await);
    reason(late.asker.run(&Job { account_id: None, ..of(&late.bought.order.to_string()) }).await);
    late.scene.end().await;
}
