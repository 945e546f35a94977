//! Calls over a socket, with their side simulated.

use super::*;
use crate::providers::rsa::new_pair;
use crate::providers::simulator::{Faults, Stage};

struct Scene {
    us: Antom,
    stage: Stage,
}

const TAKEN: &str = r#"{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"success"}}"#;

impl Scene {
    async fn new() -> Self {
        Self::with("ALIPAY_CN").await
    }

    async fn with(method: &str) -> Self {
        let mut stage = Stage::new(&SPECIFICATION, (StatusCode::OK, TAKEN)).await;
        stage.settings.set("payment_method", method);
        Self { us: provider(&stage.settings), stage }
    }

    /// Verified and read.
    async fn news(&mut self) -> News {
        let heard = self.stage.heard().await;
        self.us.verify(&heard.arrived(), Utc::now()).unwrap();
        self.us.read(&heard.arrived()).await.unwrap().remove(0)
    }

    async fn paid(&mut self) -> String {
        self.us.create_payment(&request()).await.unwrap();
        self.stage.post(&format!("/pay/{NUMBER}"), "").await;
        let News::Paid(paid) = self.news().await else { panic!("it was paid") };
        paid.payment_id
    }
}

fn request() -> PaymentRequest {
    PaymentRequest {
        order: number(),
        product: aggregates::ProductId::from_uuid(uuid::Uuid::nil()),
        product_code: None,
        recurring: false,
        subject: "1,000 credits".to_owned(),
        amount: usd(2999),
        expires_at: Utc::now() + chrono::TimeDelta::minutes(30),
        email: None,
    }
}

fn back(payment_id: &str, refund: &str, minor: i64) -> RefundRequest {
    RefundRequest {
        order: number(),
        reference: None,
        payment_id: payment_id.to_owned(),
        paid: usd(2999),
        refund: refund.to_owned(),
        amount: usd(minor),
        reason: String::new(),
    }
}

fn is_done(state: Result<RefundState, ProviderError>) -> bool {
    matches!(state, Ok(RefundState::Done { provider_refund: Some(_) }))
}

#[tokio::test]
async fn an_order_is_opened_paid_told_of_and_found() {
    let mut scene = Scene::new().await;
    let opened = scene.us.create_payment(&request()).await.unwrap();
    let Checkout { url: Some(url), qr: None, reference: None } = opened.checkout else { panic!("{opened:?}") };
    assert_eq!(url, format!("{}/pay/{NUMBER}", scene.stage.base()));
    // Asked again, it is the same page of the same order.
    assert_eq!(scene.us.create_payment(&request()).await.unwrap().checkout.url.as_deref(), Some(url.as_str()));
    assert_eq!(scene.us.payments(&order()).await.unwrap(), []);

    scene.stage.post(&format!("/pay/{NUMBER}"), "").await;
    let News::Paid(news) = scene.news().await else { panic!("it was paid") };
    assert_eq!((news.order, news.amount), (OrderName::Number(number()), usd(2999)));
    let found = scene.us.payments(&order()).await.unwrap();
    assert_eq!(found[0].payment.payment_id, news.payment_id);
    assert_eq!((found.len(), found[0].payment.amount), (1, usd(2999)));
    let refused = scene.us.create_payment(&request()).await;
    assert!(matches!(&refused, Err(ProviderError::Refused(code)) if code == "ORDER_IS_CLOSED"), "{refused:?}");
}

#[tokio::test]
async fn a_card_has_paid_what_was_captured() {
    let mut scene = Scene::with("CARD").await;
    scene.us.create_payment(&request()).await.unwrap();
    scene.stage.post(&format!("/pay/{NUMBER}"), "").await;
    let News::Paid(news) = scene.news().await else { panic!("it was captured") };
    assert_eq!((news.order, news.amount), (OrderName::Number(number()), usd(2999)));
    assert_eq!(news.method.as_deref(), Some("CARD"));
    let found = scene.us.payments(&order()).await.unwrap();
    assert_eq!((found[0].payment.payment_id.as_str(), found[0].payment.amount), (&*news.payment_id, usd(2999)));
}

#[tokio::test]
async fn an_order_they_never_heard_of_is_not_paid() {
    let scene = Scene::new().await;
    assert_eq!(scene.us.payments(&order()).await.unwrap(), []);
    assert_eq!(scene.us.refunds(&order(), "2026-1").await.unwrap(), []);
    assert!(scene.us.check().await.unwrap().contains("signature"));
}

#[tokio::test]
async fn money_goes_back_once_under_each_number() {
    let mut scene = Scene::new().await;
    let payment = scene.paid().await;
    assert_eq!(scene.us.query_refund(&back(&payment, "RF1", 1000)).await.unwrap(), RefundState::Unknown);
    for _ in 0..2 {
        assert!(is_done(scene.us.refund(&back(&payment, "RF1", 1000)).await));
    }
    let News::Refunded(news) = scene.news().await else { panic!("it went back") };
    assert_eq!((news.order, news.amount), (OrderName::Refund("RF1".to_owned()), usd(1000)));
    assert!(is_done(scene.us.query_refund(&back(&payment, "RF1", 1000)).await));

    let refused = scene.us.refund(&back(&payment, "RF2", 2000)).await.unwrap();
    assert_eq!(refused, RefundState::Refused("REFUND_AMOUNT_EXCEED".to_owned()));
    let other = scene.us.refund(&back(&payment, "RF1", 500)).await;
    assert!(matches!(other, Err(ProviderError::Unreachable(_))), "{other:?}");
    assert_eq!(scene.us.payments(&order()).await.unwrap()[0].payment.payment_id, payment);
    let told = scene.us.refunds(&order(), &payment).await.unwrap();
    assert_eq!((told.len(), told[0].refund.as_str(), told[0].amount), (1, "RF1", usd(1000)));
}

#[tokio::test]
async fn a_refund_that_is_taken_is_not_done_yet() {
    let mut scene = Scene::new().await;
    let payment = scene.paid().await;
    scene.stage.faults(Faults { refunds_pending: true, ..Faults::default() }).await;
    assert_eq!(scene.us.refund(&back(&payment, "RF1", 2999)).await.unwrap(), RefundState::Pending);
    assert_eq!(scene.us.query_refund(&back(&payment, "RF1", 2999)).await.unwrap(), RefundState::Pending);
    assert_eq!(scene.us.refunds(&order(), &payment).await.unwrap(), []);
    scene.stage.faults(Faults::default()).await;
    assert!(matches!(scene.news().await, News::Refunded(_)));
    assert!(is_done(scene.us.query_refund(&back(&payment, "RF1", 2999)).await));
}

#[tokio::test]
async fn a_refund_in_their_console_is_found_by_asking() {
    let mut scene = Scene::new().await;
    let payment = scene.paid().await;
    scene.stage.post(&format!("/give-back/{NUMBER}"), r#"{"amount":100}"#).await;
    let News::Refunded(news) = scene.news().await else { panic!("it went back") };
    let told = scene.us.refunds(&order(), &payment).await.unwrap();
    assert_eq!((told[0].refund.as_str(), told[0].amount), (news.refund.as_str(), usd(100)));
}

#[tokio::test]
async fn an_answer_that_was_lost_changes_nothing() {
    let mut scene = Scene::new().await;
    scene.stage.faults(Faults { create_answers_lost: 1, refund_answers_lost: 1, ..Faults::default() }).await;
    assert!(matches!(scene.us.create_payment(&request()).await, Err(ProviderError::Unreachable(_))));
    let payment = scene.paid().await;
    let lost = scene.us.refund(&back(&payment, "RF1", 1000)).await;
    assert!(matches!(lost, Err(ProviderError::Unreachable(_))), "{lost:?}");
    assert!(is_done(scene.us.query_refund(&back(&payment, "RF1", 1000)).await));
    assert!(is_done(scene.us.refund(&back(&payment, "RF1", 1000)).await));
    assert!(matches!(scene.news().await, News::Refunded(_)));
    assert!(scene.stage.is_silent(), "it went back twice");
}

#[tokio::test]
async fn trouble_over_there_decides_nothing() {
    let mut scene = Scene::new().await;
    let payment = scene.paid().await;
    scene.stage.faults(Faults { silent_query: true, refunds_fail_first: 1, ..Faults::default() }).await;
    assert!(matches!(scene.us.payments(&order()).await, Err(ProviderError::Unreachable(_))));
    assert!(matches!(scene.us.refund(&back(&payment, "RF1", 1)).await, Err(ProviderError::Unreachable(_))));
}

#[tokio::test]
async fn what_was_changed_on_its_way_is_refused() {
    let mut scene = Scene::new().await;
    scene.us.create_payment(&request()).await.unwrap();
    scene.stage.faults(Faults { tamper: true, ..Faults::default() }).await;
    scene.stage.post(&format!("/pay/{NUMBER}"), "").await;
    let heard = scene.stage.heard().await;
    assert_eq!(scene.us.verify(&heard.arrived(), Utc::now()), Err(NoticeError::BadSignature));
}

/// They say so without a signature of their own, so it is no result either.
#[tokio::test]
async fn they_refuse_a_signature_that_is_not_ours() {
    let mut scene = Scene::new().await;
    let payment = scene.paid().await;
    for (name, value) in [("private_key", new_pair().unwrap().private.as_str()), ("client_id", "SANDBOX_OTHER")] {
        let mut values = scene.stage.settings.clone();
        values.set(name, value);
        let refused = provider(&values).refund(&back(&payment, "RF1", 1)).await;
        assert!(matches!(&refused, Err(ProviderError::Unreachable(why)) if why.contains("not signed")), "{refused:?}");
    }
    assert_eq!(scene.us.query_refund(&back(&payment, "RF1", 1)).await.unwrap(), RefundState::Unknown);
}

#[tokio::test]
async fn an_answer_that_they_have_not_signed_is_none() {
    let mut scene = Scene::new().await;
    let payment = scene.paid().await;
    let mut values = scene.stage.settings.clone();
    values.set("public_key", &new_pair().unwrap().public);
    let other = provider(&values);
    for result in [
        other.payments(&order()).await.err(),
        other.create_payment(&request()).await.err(),
        other.query_refund(&back(&payment, "RF1", 1)).await.err(),
        other.check().await.err(),
    ] {
        assert!(matches!(result, Some(ProviderError::Unreachable(_))), "{result:?}");
    }
    values.set("public_key_previous", scene.stage.settings.required("public_key").unwrap());
    assert_eq!(provider(&values).payments(&order()).await.unwrap().len(), 1);
}
