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
        ending.scene.clock.advance(ending.ends_at - Utc::now() + TimeDelta::seconds(1));
        ending
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

    async fn runs(&self) -> Outcome {
        let key = format!("{}:{}", self.subscription, self.ends_at.to_rfc3339());
        let (kind, account_id) = (SUBSCRIPTION_PERIOD.to_owned(), Some("alice".to_owned()));
        let payload = serde_json::json!({});
        self.timer.run(&Job { id: 1, kind, key, account_id, payload, attempt: 1, tries: 1, last_error: None }).await
    }

    fn collected(payment_id: &str) -> Mood {
        let (provider, payment_id) = ("sandbox".to_owned(), payment_id.to_owned());
        let payment = Payment { provider, payment_id, amount: yuan("20.00"), method: None };
        Mood::Says(Some(PaymentNotice { order: "ORD202601050607090000beef".parse().expect("a number"), payment }))
    }
}

#[tokio::test]
async fn a_period_whose_notice_got_lost_is_asked_for_before_the_one_before_it_ends() {
    let ending = Ending::set().await;
    assert!(matches!(ending.runs().await, Outcome::NotBefore(_)), "it has not answered");
    ending.becomes(Ending::collected("p-2"));
    assert_eq!(ending.runs().await, Outcome::Done);
    assert_eq!(periods(&ending.scene, ending.subscription).await, 2);
    assert!(ending.state().await.expires_at().is_none(), "it is past due");
    // Told again, by itself or by asking, it is the same.
    assert_eq!(ending.runs().await, Outcome::Done);
    ending.scene.dispatcher.renew(&alice(), ending.subscription, &renewal("p-2"), None).await.expect("renewed");
    assert_eq!(periods(&ending.scene, ending.subscription).await, 2);
    ending.scene.end().await;
}

#[tokio::test]
async fn a_period_ends_where_nothing_was_collected_or_nobody_says_so_for_a_day() {
    for silent in [false, true] {
        let ending = Ending::set().await;
        if silent {
            assert!(matches!(ending.runs().await, Outcome::NotBefore(_)));
            ending.scene.clock.advance(TimeDelta::days(1));
        } else {
            ending.becomes(Mood::Says(None));
        }
        assert_eq!(ending.runs().await, Outcome::Done);
        assert!(ending.state().await.expires_at().is_some(), "it is not past due");
        assert_eq!(periods(&ending.scene, ending.subscription).await, 1);
        ending.scene.end().await;
    }
}
