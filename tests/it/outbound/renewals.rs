//! Renewals that a provider announces: each payment is one order and one period, however often and through however many
//! processes it is told.

use aggregates::{
    AccountId, AggregateId, Command, Credits, Currency, Money, OrderStatus, Payment, Period, PlanTerms, ProductContent,
    ProductId, ProductKind, State, SubscriptionCommand, SubscriptionId, UpgradePolicy,
};
use std::sync::{Arc, Mutex};

use billing_ledger::dispatch::{Actor, Buyer, Dispatcher, PaymentNotice, Profile, Purchase, Renewal, Rules, ids};
use billing_ledger::jobs::{Handler, Job, Outcome};
use billing_ledger::processes::SubscriptionPeriod;
use billing_ledger::processes::kinds::SUBSCRIPTION_PERIOD;
use billing_ledger::providers::Providers;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::expiry::{Mood, Moody};
use super::scene::{EMAIL, NAME, Scene};

const PLAN: u32 = 2;
const AT_ONCE: usize = 10;

fn yuan(text: &str) -> Money {
    Money::parse(text, Currency::iso("CNY").expect("a currency")).expect("a price")
}

fn alice() -> AccountId {
    AccountId::try_new("alice").expect("an account")
}

/// Alice pays for the first period.
async fn subscribed(scene: &Scene) -> SubscriptionId {
    subscribed_to(scene, PLAN).await
}

async fn subscribed_to(scene: &Scene, plan: u32) -> SubscriptionId {
    let (period, credits) = (Period::Months(1), Credits::whole(100));
    let upgrade_policy = UpgradePolicy::NextCycle;
    let terms = PlanTerms { period, credits, valid_days: None, upgrade_policy, grace_days: 3 };
    let content = ProductContent {
        code: None,
        name: "by the month".to_owned(),
        description: String::new(),
        prices: vec![yuan("20.00")],
        sort_order: 2,
        kind: ProductKind::Subscription(terms),
    };
    let admin = Actor::new("admin", "admin");
    scene.dispatcher.create_product(&admin, ids::fresh(), plan, content).await.expect("a product");
    let locale = aggregates::Locale::ZhCn;
    let profile = Profile { name: Some(NAME.to_owned()), email: Some(EMAIL.to_owned()), locale };
    let buyer = Buyer { account: alice(), actor: Actor::new("alice", "user"), profile };
    let wanted = Purchase { product: ProductId::numbered(plan), package: false, provider: None };
    let sale = scene.dispatcher.purchase(&buyer, ids::fresh(), wanted).await.expect("an order");
    let notice = scene.sandbox.pay(&sale.placed.number, "alipay").await.expect("books").expect("an order");
    scene.dispatcher.take_payment(notice).await.expect("taken");
    SubscriptionId::of_order(aggregates::OrderId::of_number(&sale.placed.number))
}

fn renewal(payment_id: &str) -> Renewal {
    Renewal { provider: "sandbox".to_owned(), payment_id: payment_id.to_owned() }
}

async fn periods(scene: &Scene, subscription: SubscriptionId) -> u32 {
    match scene.dispatcher.look(&alice(), AggregateId::subscription(subscription)).await {
        Ok(State::Subscription(state)) => state.period().expect("a period").number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_renews_once_however_often_and_at_once_it_is_told() {
    let scene = Scene::set().await;
    let subscription = subscribed(&scene).await;
    let tell = async |payment_id: &str| {
        scene.dispatcher.renew(&alice(), subscription, &renewal(payment_id), None).await.expect("renewed")
    };
    let told = join_all((0..AT_ONCE).map(|_| tell("p-2"))).await;
    assert!(told.iter().all(|taken| !taken.for_review && taken.receipt.position == told[0].receipt.position));
    assert_eq!(periods(&scene, subscription).await, 2);
    tell("p-3").await;
    tell("p-2").await;
    assert_eq!(periods(&scene, subscription).await, 3);
    let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger.events WHERE event_type = 'placed'")
        .fetch_one(&scene.pool)
        .await
        .expect("the log");
    assert_eq!(orders, 3, "one order for each payment");
    scene.end().await;
}

/// Without a name, the payment would renew whichever comes to the plan next.
#[tokio::test]
async fn of_two_subscriptions_the_one_that_the_provider_names_is_renewed() {
    let scene = Scene::set().await;
    let first = subscribed_to(&scene, PLAN).await;
    let second = subscribed_to(&scene, PLAN + 1).await;
    let Ok(State::Subscription(state)) = scene.dispatcher.look(&alice(), AggregateId::subscription(first)).await else {
        panic!("no subscription")
    };
    let change = SubscriptionCommand::ScheduleChange { plan: *state.plan().expect("a plan") };
    let commands = vec![Command::Subscription(second, change)];
    scene.dispatcher.execute(&alice(), &Actor::new("alice", "user"), ids::fresh(), commands).await.expect("scheduled");
    scene.dispatcher.renew(&alice(), first, &renewal("p-2"), None).await.expect("renewed");
    assert_eq!((periods(&scene, first).await, periods(&scene, second).await), (2, 1));
    scene.dispatcher.renew(&alice(), second, &renewal("p-3"), None).await.expect("renewed");
    assert_eq!((periods(&scene, first).await, periods(&scene, second).await), (2, 2));
    scene.end().await;
}

#[tokio::test]
async fn a_renewal_of_another_amount_waits_for_an_admin_and_renews_nothing() {
    let scene = Scene::set().await;
    let subscription = subscribed(&scene).await;
    let (account, renewal) = (alice(), renewal("too-little"));
    let taken = scene.dispatcher.renew(&account, subscription, &renewal, Some(yuan("19.99"))).await.expect("taken");
    assert!(taken.for_review);
    assert_eq!(periods(&scene, subscription).await, 1);
    let placed = scene.dispatcher.place_renewal(&account, subscription, &renewal).await.expect("the same order");
    let order = AggregateId::order(aggregates::OrderId::of_number(&placed.number));
    let Ok(State::Order(state)) = scene.dispatcher.look(&account, order).await else { panic!("no order") };
    assert_eq!(state.status(), Ok(OrderStatus::Pending));
    scene.end().await;
}

#[tokio::test]
async fn a_renewal_of_nothing_is_refused_and_a_payment_renews_one_subscription() {
    let scene = Scene::set().await;
    let subscription = subscribed(&scene).await;
    let bob = AccountId::try_new("bob").expect("an account");
    let refused = scene.dispatcher.renew(&bob, subscription, &renewal("p"), None).await.expect_err("not bob's");
    assert!(refused.to_string().contains("no such subscription"), "{refused}");
    scene.dispatcher.renew(&alice(), subscription, &renewal("p"), None).await.expect("renewed");
    let other = SubscriptionId::from_uuid(uuid::Uuid::from_u128(7));
    assert!(scene.dispatcher.renew(&alice(), other, &renewal("p"), None).await.is_err(), "it is another's");
    scene.end().await;
}

/// Alice's subscription, and the timer of its period's end, with a provider that says what it is told to.
struct Ending {
    scene: Scene,
    subscription: SubscriptionId,
    ends_at: DateTime<Utc>,
    timer: SubscriptionPeriod,
    mood: Arc<Mutex<Mood>>,
}

impl Ending {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let subscription = subscribed(&scene).await;
        let mood = Arc::new(Mutex::new(Mood::Unreachable));
        let provider = Arc::new(Moody(scene.sandbox.clone(), mood.clone()));
        let rules = Rules { time_zone: chrono_tz::Asia::Shanghai, order_ttl: TimeDelta::minutes(15) };
        let (store, clock, vault) = (scene.dispatcher.store().clone(), scene.clock.clone(), scene.vault.clone());
        let timer =
            SubscriptionPeriod::new(Dispatcher::new(store, clock, vault, Providers::new(vec![provider]), rules));
        let mut ending = Self { scene, subscription, ends_at: Utc::now(), timer, mood };
        ending.ends_at = ending.state().await.period().expect("a period").ends_at;
        ending.reaches(ending.ends_at);
        ending
    }

    fn reaches(&self, time: DateTime<Utc>) {
        self.scene.clock.advance(time - self.scene.clock.now());
    }

    async fn state(&self) -> aggregates::Subscription {
        match self.scene.dispatcher.look(&alice(), AggregateId::subscription(self.subscription)).await {
            Ok(State::Subscription(state)) => state,
            other => panic!("{other:?}"),
        }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().expect("a mood") = mood;
    }

    /// The timer of that time.
    async fn runs_at(&self, at: DateTime<Utc>) -> Outcome {
        let key = format!("{}:{}", self.subscription, at.to_rfc3339());
        let (kind, account_id) = (SUBSCRIPTION_PERIOD.to_owned(), Some("alice".to_owned()));
        let payload = serde_json::json!({});
        self.timer.run(&Job { id: 1, kind, key, account_id, payload, attempt: 1, tries: 1, last_error: None }).await
    }

    async fn runs(&self) -> Outcome {
        self.runs_at(self.ends_at).await
    }

    fn collected(payment_id: &str) -> Mood {
        let (provider, payment_id) = ("sandbox".to_owned(), payment_id.to_owned());
        let payment = Payment { provider, payment_id, amount: yuan("20.00"), method: None };
        Mood::Says(Some(PaymentNotice { order: "ORD202601050607090000beef".parse().expect("a number"), payment }))
    }

    /// What the first period was paid with: what the provider says as long as it has collected nothing more.
    async fn first(&self) -> Mood {
        let order = self.state().await.paid_orders().next().expect("an order");
        let order = self.scene.dispatcher.order(&alice(), order).await.expect("an order");
        Self::collected(&order.payment().expect("a payment").payment_id)
    }

    async fn is_past_due(&self) -> bool {
        self.state().await.expires_at().is_some()
    }

    /// Minutes after the period was over.
    fn asks_again_after(&self, outcome: Outcome) -> i64 {
        let Outcome::NotBefore(next) = outcome else { panic!("{outcome:?}") };
        (next - self.ends_at).num_minutes()
    }
}

#[tokio::test]
async fn a_period_whose_notice_got_lost_is_found_by_asking_when_the_one_before_it_is_over() {
    let ending = Ending::set().await;
    ending.becomes(Ending::collected("p-2"));
    assert_eq!(ending.runs().await, Outcome::Done);
    assert_eq!((periods(&ending.scene, ending.subscription).await, ending.is_past_due().await), (2, false));
    // Told again it is the same.
    ending.scene.dispatcher.renew(&alice(), ending.subscription, &renewal("p-2"), None).await.expect("renewed");
    assert_eq!(periods(&ending.scene, ending.subscription).await, 2);
    ending.scene.end().await;
}

#[tokio::test]
async fn or_later_as_long_as_the_grace_lasts() {
    let ending = Ending::set().await;
    // It does not answer.
    assert_eq!(ending.asks_again_after(ending.runs().await), 10);
    assert!(ending.is_past_due().await);
    ending.becomes(ending.first().await);
    let (hour, day) = (60, 24 * 60);
    for (now, next) in [(10, hour), (hour, 6 * hour), (6 * hour, day), (day, 2 * day), (2 * day, 3 * day - 30)] {
        ending.reaches(ending.ends_at + TimeDelta::minutes(now));
        assert_eq!(ending.asks_again_after(ending.runs().await), next);
    }
    assert_eq!((periods(&ending.scene, ending.subscription).await, ending.is_past_due().await), (1, true));
    ending.reaches(ending.ends_at + TimeDelta::minutes(3 * day - 30));
    ending.becomes(Ending::collected("p-2"));
    assert_eq!(ending.runs().await, Outcome::Done);
    assert_eq!((periods(&ending.scene, ending.subscription).await, ending.is_past_due().await), (2, false));
    ending.scene.end().await;
}

/// A payment without a name is none.
#[tokio::test]
async fn an_answer_that_cannot_be_taken_does_not_keep_a_period_from_ending() {
    let ending = Ending::set().await;
    ending.becomes(Ending::collected(""));
    assert_eq!(ending.asks_again_after(ending.runs().await), 10);
    assert_eq!((periods(&ending.scene, ending.subscription).await, ending.is_past_due().await), (1, true));
    ending.scene.end().await;
}

#[tokio::test]
async fn a_period_that_nobody_paid_for_ends_with_its_grace() {
    let ending = Ending::set().await;
    ending.becomes(ending.first().await);
    ending.asks_again_after(ending.runs().await);
    let expires_at = ending.state().await.expires_at().expect("a grace");
    ending.reaches(expires_at - TimeDelta::minutes(30));
    assert_eq!(ending.runs().await, Outcome::Done, "there is no time left to ask again");
    assert_eq!(ending.runs_at(expires_at).await, Outcome::NotBefore(expires_at));
    ending.reaches(expires_at);
    assert_eq!(ending.runs_at(expires_at).await, Outcome::Done);
    assert!(!ending.state().await.is_live());
    let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger.events WHERE event_type = 'placed'")
        .fetch_one(&ending.scene.pool)
        .await
        .expect("the log");
    assert_eq!(orders, 1, "nothing was taken twice");
    ending.scene.end().await;
}
