//! Against the simulator, over a socket.

use aggregates::{OrderNumber, ProductId};
use axum::http::StatusCode;
use chrono::TimeDelta;

use super::*;
use crate::providers::simulator::{Faults, Stage};

struct World {
    provider: std::sync::Arc<dyn Provider>,
    stage: Stage,
}

fn site() -> Site {
    Site { public_url: "https://ledger.example".parse().unwrap() }
}

impl World {
    async fn start() -> Self {
        let stage = Stage::new(&SPECIFICATION, (StatusCode::OK, "")).await;
        Self { provider: SPECIFICATION.configure(&stage.settings, &site()).unwrap().provider, stage }
    }

    async fn placed(&self) -> OrderRef {
        let opened = self.provider.create_payment(&request()).await.unwrap();
        assert!(opened.client_secret.is_some() && opened.checkout.url.is_none() && opened.checkout.qr.is_none());
        OrderRef { number: request().order, reference: opened.checkout.reference, price: usd("10.00") }
    }
}

fn request() -> PaymentRequest {
    PaymentRequest {
        order: OrderNumber::new(at(NOW), 7),
        product: ProductId::numbered(1),
        product_code: None,
        recurring: false,
        subject: "credits".to_owned(),
        amount: usd("10.00"),
        expires_at: at(NOW) + TimeDelta::minutes(5),
        email: Some("buyer@example.test".into()),
    }
}

#[tokio::test]
async fn an_order_is_created_paid_and_found_paid() {
    let world = World::start().await;
    let order = world.placed().await;
    let reference = order.reference.clone().unwrap();
    assert!(world.provider.payments(&order).await.unwrap().is_empty());
    world.stage.post(&format!("/pay/{reference}"), "").await;
    let found = world.provider.payments(&order).await.unwrap();
    assert_eq!(found.len(), 1);
    let payment = &found[0].payment;
    assert_eq!((&payment.payment_id, payment.amount, &found[0].order), (&reference, usd("10.00"), &order.number));
    assert!(world.provider.refunds(&order, &reference).await.unwrap().is_empty());
    assert_eq!(world.provider.check().await.unwrap(), "Crossmint answers and takes the API key");

    let unknown = OrderRef { reference: Some("0e7a2f0a-0000-4000-8000-000000000000".to_owned()), ..order.clone() };
    assert!(world.provider.payments(&unknown).await.unwrap().is_empty());
    let odd = OrderRef { reference: Some("../../collections".to_owned()), ..order.clone() };
    assert!(world.provider.payments(&odd).await.unwrap().is_empty());
    assert!(world.provider.payments(&OrderRef { reference: None, ..order }).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_answer_leaves_an_order_that_nobody_can_pay() {
    let world = World::start().await;
    world.stage.faults(Faults { create_answers_lost: 1, ..Faults::default() }).await;
    let lost = world.provider.create_payment(&request()).await;
    assert!(matches!(lost, Err(ProviderError::Unreachable(_))), "{:?}", lost.err());
    let order = world.placed().await;
    world.stage.post(&format!("/pay/{}", order.reference.as_deref().unwrap()), "").await;
    assert_eq!(world.provider.payments(&order).await.unwrap().len(), 1);

    world.stage.faults(Faults { silent_query: true, ..Faults::default() }).await;
    assert!(matches!(world.provider.payments(&order).await, Err(ProviderError::Unreachable(_))));
}

#[tokio::test]
async fn refunds_are_refused_and_those_it_made_itself_are_found() {
    let world = World::start().await;
    let order = world.placed().await;
    let reference = order.reference.clone().unwrap();
    world.stage.post(&format!("/pay/{reference}"), "").await;
    let request = RefundRequest {
        order: order.number.clone(),
        reference: order.reference.clone(),
        payment_id: reference.clone(),
        paid: usd("10.00"),
        refund: "RF1".to_owned(),
        amount: usd("10.00"),
        reason: "because".to_owned(),
    };
    for _ in 0..2 {
        assert!(matches!(world.provider.refund(&request).await, Ok(RefundState::Refused(_))));
        assert_eq!(world.provider.query_refund(&request).await.unwrap(), RefundState::Unknown);
    }
    world.stage.post(&format!("/give-back/{reference}"), "").await;
    let found = world.provider.refunds(&order, &reference).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].payment_id, found[0].amount), (&reference, usd("10.00")));
    assert!(world.provider.refunds(&order, "another").await.unwrap().is_empty());
}

#[tokio::test]
async fn another_key_is_not_taken() {
    let world = World::start().await;
    let mut settings = world.stage.settings.clone();
    settings.set("server_api_key", "sk_staging_other");
    let stranger = SPECIFICATION.configure(&settings, &site()).unwrap().provider;
    let created = stranger.create_payment(&request()).await;
    assert!(matches!(&created, Err(ProviderError::Unreachable(why)) if !why.contains("sk_staging")));
    assert!(stranger.check().await.is_err());
    let order = world.placed().await;
    assert!(matches!(stranger.payments(&order).await, Err(ProviderError::Unreachable(_))));

    let mut settings = world.stage.settings.clone();
    settings.set("collection_id", "another");
    let odd = SPECIFICATION.configure(&settings, &site()).unwrap().provider;
    assert!(matches!(odd.create_payment(&request()).await, Err(ProviderError::Refused(_))));
}

#[tokio::test]
async fn its_notifications_are_genuine_and_say_what_was_paid() {
    let mut world = World::start().await;
    for (faults, amount) in
        [(Faults::default(), "10.00"), (Faults { wrong_amount: Some(999), ..Faults::default() }, "9.99")]
    {
        world.stage.faults(faults).await;
        let order = world.placed().await;
        let reference = order.reference.clone().unwrap();
        world.stage.post(&format!("/pay/{reference}"), "").await;
        let heard = world.stage.heard().await;
        let genuine = world.provider.verify(&heard.arrived(), Utc::now()).unwrap();
        assert!(genuine.key.starts_with("msg_"), "{genuine:?}");
        let news = world.provider.read(&heard.arrived()).await.unwrap();
        let [News::Paid(paid)] = &news[..] else { panic!("{news:?}") };
        assert_eq!((&paid.order, paid.amount), (&OrderName::Reference(reference), usd(amount)));
    }
    world.stage.faults(Faults { tamper: true, ..Faults::default() }).await;
    let order = world.placed().await;
    world.stage.post(&format!("/pay/{}", order.reference.unwrap()), "").await;
    let heard = world.stage.heard().await;
    assert_eq!(world.provider.verify(&heard.arrived(), Utc::now()), Err(NoticeError::BadSignature));
}

#[tokio::test]
async fn a_notification_that_says_too_little_is_completed_by_asking() {
    let world = World::start().await;
    let order = world.placed().await;
    let reference = order.reference.clone().unwrap();
    let body = json!({"type": "order.paid", "data": {"orderId": reference}}).to_string();
    // It says so before it is so: then somebody asks again.
    let asked = OrderName::Reference(reference.clone());
    assert_eq!(read(&*world.provider, body.as_bytes()).await.unwrap(), [News::Ask(asked)]);
    world.stage.post(&format!("/pay/{reference}"), "").await;
    let news = read(&*world.provider, body.as_bytes()).await.unwrap();
    assert!(matches!(&news[..], [News::Paid(paid)] if paid.amount == usd("10.00")), "{news:?}");
}
