//! The catalogue, orders, payments for review, deliveries.

use aggregates::order::{OrderCommand, OrderStatus};
use aggregates::{
    AccountId, Checkout, Command, DeliveryCommand, DeliveryId, DeliveryStep, OrderNumber, ProductCommand, ProductId,
    UserPackageId,
};
use chrono::TimeDelta;
use projections::catalogue::query::Shown;
use projections::deliveries::query::{DeliveryFilter, DeliveryState};
use projections::orders::query::{OrderFilter, ReviewCursor, ReviewFilter};
use projections::{catalogue, deliveries, orders};

use super::scene::{Scene, create_product, monthly_card, pay, place, time};
use crate::support::units::account;

#[tokio::test]
async fn the_catalogue_is_what_was_said_of_each_product_last() {
    let scene = Scene::new().await;
    let (system, now) = (AccountId::system(), time("2026-01-05T06:00:00Z"));
    let told = vec![create_product(1, monthly_card("a", 2)), create_product(2, monthly_card("b", 1))];
    scene.tell(&system, now, told).await;
    scene.catch_up().await;
    let names = async || {
        let list = catalogue::query::list(&scene.pool, Shown::ON_SALE, None, 10).await.expect("products");
        list.into_iter().map(|it| (it.id, it.name)).collect::<Vec<_>>()
    };
    assert_eq!(names().await, [(2, "b".to_owned()), (1, "a".to_owned())]);

    let changed = ProductCommand::Change(monthly_card("c", 0));
    let product = |number, command| Command::Product(ProductId::numbered(number), command);
    scene.tell(&system, now, vec![product(1, changed), product(2, ProductCommand::TakeOffSale)]).await;
    scene.catch_up().await;
    assert_eq!(names().await, [(1, "c".to_owned())]);
    let all = catalogue::query::list(&scene.pool, Shown::ALL, None, 10).await.expect("products");
    assert_eq!(all.iter().map(|it| (it.id, it.on_sale)).collect::<Vec<_>>(), [(1, true), (2, false)]);

    let next = catalogue::query::list(&scene.pool, Shown::ALL, Some(all[0].place()), 10).await.expect("products");
    assert_eq!(next, all[1..], "a page goes on where the last one ended");
    assert_eq!(catalogue::query::newest(&scene.pool).await.expect("a number"), 2);

    // Changed while off sale, and in the same batch as it comes back.
    scene.tell(&system, now, vec![product(2, ProductCommand::Change(monthly_card("d", 9)))]).await;
    scene.catch_up().await;
    assert_eq!(names().await.len(), 1, "a change does not put it on sale");
    scene.tell(&system, now, vec![product(2, ProductCommand::PutOnSale)]).await;
    scene.catch_up().await;
    let one = catalogue::query::one(&scene.pool, 2).await.expect("products").expect("known");
    assert!(one.on_sale);
    assert_eq!((one.prices[0].amount.as_str(), one.prices[0].currency.as_str()), ("30.00", "CNY"));
    let terms = serde_json::to_value(&one.terms).expect("JSON");
    assert_eq!(
        (&terms["type"], &terms["duration_days"], &terms["daily_limit"]),
        (&"package".into(), &30.into(), &"5.00".into())
    );
    assert_eq!(catalogue::query::one(&scene.pool, 3).await.expect("products"), None);
}

#[tokio::test]
async fn an_order_shows_what_was_bought_and_what_became_of_it() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    let number = OrderNumber::new(now, 1);
    let (order, placed) = place(&number, now);
    let checkout = Checkout { url: Some("https://pay".to_owned()), qr: Some("qr".to_owned()), reference: None };
    scene.tell(&alice, now, vec![placed, Command::Order(order, OrderCommand::OpenCheckout(checkout))]).await;
    scene.catch_up().await;
    let seen = async || orders::query::by_number(&scene.pool, &number).await.expect("orders").expect("known");
    let pending = seen().await;
    assert_eq!((pending.status, pending.account.as_str(), pending.product), (OrderStatus::Pending, "alice", Some(1)));
    assert_eq!((pending.price.amount.as_str(), pending.name.as_str()), ("30.00", "月卡"));
    assert_eq!(pending.checkout_url.as_deref(), Some("https://pay"));
    assert_eq!(pending.expires_at, now + TimeDelta::minutes(15));

    // Expired, then paid all the same: money is money.
    scene.tell(&alice, now + TimeDelta::hours(1), vec![Command::Order(order, OrderCommand::Expire)]).await;
    scene.catch_up().await;
    assert_eq!(seen().await.status, OrderStatus::Expired);
    let paid_at = now + TimeDelta::hours(2);
    scene.tell(&alice, paid_at, vec![pay(order, "p-1", 3_000)]).await;
    scene.catch_up().await;
    let paid = seen().await;
    assert_eq!((paid.status, paid.late, paid.paid_at), (OrderStatus::Fulfilled, true, Some(paid_at)));
    assert_eq!(paid.user_package, Some(UserPackageId::of_order(order).uuid()));
    assert_eq!((paid.payment_id.as_deref(), paid.payment_method.as_deref()), (Some("p-1"), Some("alipay")));
    assert_eq!(paid.checkout_qr.as_deref(), Some("qr"), "what was known stays");
}

#[tokio::test]
async fn orders_are_listed_newest_first_by_what_is_asked() {
    let scene = Scene::new().await;
    let start = time("2026-01-05T06:00:00Z");
    let (alice, bob) = (account("alice"), account("bob"));
    for n in 0..7_u32 {
        let at = start + TimeDelta::hours(n.into());
        let (order, placed) = place(&OrderNumber::new(at, n), at);
        let who = if n % 2 == 0 { &alice } else { &bob };
        scene.tell(who, at, vec![placed]).await;
        if n < 3 {
            scene.tell(who, at, vec![Command::Order(order, OrderCommand::Cancel)]).await;
        }
    }
    scene.catch_up().await;
    let list = async |filter: OrderFilter, before: Option<&OrderNumber>, limit| {
        let page = orders::query::list(&scene.pool, &filter, before, limit).await.expect("orders");
        page.into_iter().map(|order| order.order_no).collect::<Vec<_>>()
    };
    let numbers = |hours: &[u32]| {
        let number = |n: &u32| OrderNumber::new(start + TimeDelta::hours((*n).into()), *n).as_str().to_owned();
        hours.iter().map(number).collect::<Vec<_>>()
    };
    let all = OrderFilter::default;
    assert_eq!(list(all(), None, 100).await, numbers(&[6, 5, 4, 3, 2, 1, 0]));
    assert_eq!(list(OrderFilter { account: Some(alice.key()), ..all() }, None, 100).await, numbers(&[6, 4, 2, 0]));
    let cancelled = OrderFilter { status: Some(OrderStatus::Cancelled), ..all() };
    assert_eq!(list(cancelled, None, 100).await, numbers(&[2, 1, 0]));
    let between =
        OrderFilter { from: Some(start + TimeDelta::hours(2)), to: Some(start + TimeDelta::hours(4)), ..all() };
    assert_eq!(list(between, None, 100).await, numbers(&[3, 2]));
    let first = list(all(), None, 3).await;
    assert_eq!(first, numbers(&[6, 5, 4]));
    let next = list(all(), Some(&first[2].parse().expect("a number")), 3).await;
    assert_eq!(next, numbers(&[3, 2, 1]));
}

#[tokio::test]
async fn a_payment_that_does_not_fit_is_there_to_be_looked_at() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    let number = OrderNumber::new(now, 1);
    let (order, placed) = place(&number, now);
    scene.tell(&alice, now, vec![placed, pay(order, "too-little", 2_999)]).await;
    scene.tell(&alice, now, vec![pay(order, "right", 3_000)]).await;
    scene.tell(&alice, now + TimeDelta::minutes(1), vec![pay(order, "again", 3_000)]).await;
    scene.catch_up().await;
    let reviews = orders::query::reviews(&scene.pool, &ReviewFilter::default(), None, 10).await.expect("reviews");
    let seen: Vec<_> = reviews
        .iter()
        .map(|it| (it.kind.as_str(), it.payment_id.as_str(), it.paid.amount.as_str(), it.expected.amount.as_str()))
        .collect();
    assert_eq!(seen, [("duplicate", "again", "30.00", "30.00"), ("mismatch", "too-little", "29.99", "30.00")]);
    let rest =
        orders::query::reviews(&scene.pool, &ReviewFilter::default(), Some(&ReviewCursor::from(&reviews[0])), 10).await;
    assert_eq!(rest.expect("reviews"), reviews[1..]);
}

#[tokio::test]
async fn a_delivery_shows_its_state_and_every_attempt_that_failed() {
    let scene = Scene::new().await;
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    let number = OrderNumber::new(now, 1);
    let (order, placed) = place(&number, now);
    let id = DeliveryId::of_order(order);
    let tell = async |commands: Vec<DeliveryCommand>| {
        let commands = commands.into_iter().map(|command| Command::Delivery(id, command)).collect();
        scene.tell(&alice, now, commands).await;
        scene.catch_up().await;
        deliveries::query::by_id(&scene.pool, id).await.expect("deliveries").expect("known")
    };
    scene.tell(&alice, now, vec![placed, pay(order, "p", 3_000)]).await;
    let failed = |step, attempt| DeliveryCommand::AttemptFailed { step, attempt, reason: format!("no {attempt}") };
    let step = DeliveryStep::CreateKey;
    let seen = tell(vec![failed(step, 1)]).await;
    assert_eq!((seen.state, seen.order_no.as_deref()), (DeliveryState::Requested, Some(number.as_str())));
    let seen = tell(vec![failed(step, 2), DeliveryCommand::GiveUp { step }]).await;
    assert_eq!(seen.state, DeliveryState::GivenUp);
    let reasons: Vec<_> = seen.attempts.iter().map(|it| (it.step.as_str(), it.attempt, it.reason.as_str())).collect();
    assert_eq!(reasons, [("create_key", Some(1), "no 1"), ("create_key", Some(2), "no 2")]);
    let list = async |state| {
        let filter = DeliveryFilter { state: Some(state), account: None };
        deliveries::query::list(&scene.pool, &filter, None, 10).await.expect("deliveries").len()
    };
    assert_eq!((list(DeliveryState::GivenUp).await, list(DeliveryState::Delivered).await), (1, 0));

    assert_eq!(tell(vec![DeliveryCommand::Retry]).await.state, DeliveryState::Requested);
    let key = DeliveryCommand::KeyCreated { key_id: "key-1".to_owned(), last_four: "beef".to_owned() };
    let seen = tell(vec![key]).await;
    assert_eq!((seen.state, seen.last_four.as_deref()), (DeliveryState::KeyCreated, Some("beef")));
    let seen = tell(vec![DeliveryCommand::MailSent { message_id: "m".to_owned() }]).await;
    assert_eq!((seen.state, seen.attempts.len()), (DeliveryState::Delivered, 2));
    let page = deliveries::query::list(&scene.pool, &DeliveryFilter::default(), Some((now, id)), 10).await;
    assert!(page.expect("deliveries").is_empty(), "nothing is older");
}

/// A key that was being made while the delivery was withdrawn: told with the withdrawal, or after it was written down.
#[tokio::test]
async fn a_withdrawn_delivery_is_the_same_however_its_events_fall_into_batches() {
    let (alice, now) = (account("alice"), time("2026-01-05T06:00:00Z"));
    let mut seen = Vec::new();
    for at_once in [true, false] {
        let scene = Scene::new().await;
        let (order, placed) = place(&OrderNumber::new(now, 1), now);
        let id = DeliveryId::of_order(order);
        scene.tell(&alice, now, vec![placed, pay(order, "p", 3_000)]).await;
        for command in [
            DeliveryCommand::Withdraw { reason: "given back".to_owned() },
            DeliveryCommand::KeyCreated { key_id: "key-1".to_owned(), last_four: "beef".to_owned() },
        ] {
            scene.tell(&alice, now, vec![Command::Delivery(id, command)]).await;
            if !at_once {
                scene.catch_up().await;
            }
        }
        if at_once {
            scene.catch_up().await;
        }
        seen.push(deliveries::query::by_id(&scene.pool, id).await.expect("deliveries").expect("known"));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!((seen[0].state, seen[0].step.as_str()), (DeliveryState::Withdrawn, "create_key"));
}
