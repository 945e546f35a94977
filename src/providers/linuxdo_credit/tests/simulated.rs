//! The client against their side of it, over a real socket.

use super::*;
use crate::providers::simulator::{Faults, Stage};

struct Scene {
    credit: LinuxDoCredit,
    stage: Stage,
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::new(&SPECIFICATION, (StatusCode::OK, wire::SUCCESS)).await;
        Self { credit: credit(&stage.settings), stage }
    }

    /// What the customer's browser does with the address.
    async fn open(&self) -> reqwest::Response {
        let Checkout { url, qr, reference } = self.credit.create_payment(&request()).await.unwrap().checkout;
        assert_eq!((&url, reference), (&qr, None));
        self.stage.browser.get(url.unwrap()).send().await.unwrap()
    }

    async fn paid(&mut self) -> PaymentNotice {
        self.open().await;
        self.stage.post(&format!("/pay/{NUMBER}"), "").await;
        let payments = self.credit.payments(&order()).await.unwrap();
        let [payment] = &payments[..] else { panic!("{payments:?}") };
        let heard = self.stage.heard().await;
        self.credit.verify(&heard.arrived(), Utc::now()).unwrap();
        assert_eq!(
            self.credit.read(&heard.arrived()).await,
            Ok(vec![News::Paid(PaidNews {
                order: OrderName::Number(NUMBER.parse().unwrap()),
                payment_id: payment.payment.payment_id.clone(),
                amount: payment.payment.amount,
                method: None,
            })])
        );
        payment.clone()
    }
}

fn request() -> PaymentRequest {
    PaymentRequest {
        order: NUMBER.parse().unwrap(),
        product: aggregates::ProductId::numbered(1),
        product_code: None,
        recurring: false,
        subject: "月度会员 A&money=1 100%+".to_owned(),
        amount: credits("10.00"),
        expires_at: Utc::now() + chrono::TimeDelta::minutes(15),
        email: None,
    }
}

fn order() -> OrderRef {
    OrderRef { number: NUMBER.parse().unwrap(), reference: None, price: credits("10.00") }
}

fn refund_of(paid: &PaymentNotice, amount: &str) -> RefundRequest {
    RefundRequest {
        order: paid.order.clone(),
        reference: None,
        payment_id: paid.payment.payment_id.clone(),
        paid: paid.payment.amount,
        refund: "RF1".to_owned(),
        amount: credits(amount),
        reason: "误购".to_owned(),
    }
}

fn is_left_to_a_person<T: std::fmt::Debug>(answer: Result<T, ProviderError>) -> bool {
    matches!(&answer, Err(ProviderError::Unreachable(why)) if why.contains("refunded or is disputed"))
}

#[tokio::test]
async fn an_order_is_there_once_its_page_is_opened_and_is_paid_on_it() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.credit.payments(&order()).await.unwrap(), []);
    let page = scene.open().await;
    let pay = format!("{}/pay/{NUMBER}", scene.stage.sim.base());
    assert_eq!((page.status().as_u16(), page.headers()["location"].to_str().unwrap()), (302, &*pay));
    assert_eq!(scene.credit.payments(&order()).await.unwrap(), []);
    let paid = scene.paid().await;
    assert_eq!(paid.payment.amount, credits("10.00"));
    assert_eq!(scene.credit.refunds(&order(), &paid.payment.payment_id).await.unwrap(), []);
}

#[tokio::test]
async fn a_page_of_the_second_protocol_is_paid_and_told_as_any_other() {
    let mut scene = Scene::new().await;
    for (page_key, status) in [(STANDARD.encode([7; 32]), 401), (scene.stage.keys().seed("page_key"), 302)] {
        scene.stage.settings.set("page_key", &page_key);
        scene.credit = credit(&scene.stage.settings);
        let page = scene.open().await;
        assert!(page.url().query().unwrap().contains("type=ldcpay"));
        assert_eq!(page.status().as_u16(), status);
    }
    let paid = scene.paid().await;
    assert_eq!(scene.stage.sim.books().trade(NUMBER).unwrap().subject, map::name(&request().subject));
    let done = scene.credit.refund(&refund_of(&paid, "10.00")).await.unwrap();
    assert!(matches!(done, RefundState::Done { .. }));
}

#[tokio::test]
async fn what_was_paid_wrongly_is_told_as_it_was_paid() {
    let mut scene = Scene::new().await;
    scene.stage.faults(Faults { wrong_amount: Some(100), ..Faults::default() }).await;
    assert_eq!(scene.paid().await.payment.amount, credits("1.00"));
}

#[tokio::test]
async fn a_payment_goes_back_whole_or_not_at_all() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    let part = refund_of(&paid, "4.00");
    for state in [scene.credit.refund(&part).await.unwrap(), scene.credit.query_refund(&part).await.unwrap()] {
        assert!(matches!(state, RefundState::Refused(why) if why.contains("ask for 10.00")));
    }
    let whole = refund_of(&paid, "10.00");
    assert_eq!(scene.credit.query_refund(&whole).await.unwrap(), RefundState::Unknown);
    let name = format!("refund:{}", paid.payment.payment_id);
    assert_eq!(scene.credit.refund(&whole).await.unwrap(), RefundState::Done { provider_refund: Some(name) });
    // Once more is a no there, and here too: nothing is asked for again.
    let again = scene.credit.refund(&whole).await.unwrap();
    assert!(matches!(&again, RefundState::Refused(why) if why.contains("refunded there or is disputed")), "{again:?}");
    assert_eq!(scene.stage.sim.books().trade(NUMBER).unwrap().refunds.len(), 1);
    assert_eq!(scene.credit.payments(&order()).await.unwrap(), []);
    assert!(scene.stage.is_silent());
}

#[tokio::test]
async fn a_plain_no_is_one_while_the_order_is_paid() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    let wrong = RefundRequest { paid: credits("9.00"), ..refund_of(&paid, "9.00") };
    assert!(matches!(scene.credit.refund(&wrong).await.unwrap(), RefundState::Refused(_)));
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_done_once_the_order_is_not_paid_any_more() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    let whole = refund_of(&paid, "10.00");
    scene.stage.faults(Faults { refunds_fail_first: 1, refund_answers_lost: 1, ..Faults::default() }).await;
    assert!(matches!(scene.credit.refund(&whole).await, Err(ProviderError::Unreachable(_))));
    assert_eq!(scene.credit.query_refund(&whole).await.unwrap(), RefundState::Unknown);
    assert!(matches!(scene.credit.refund(&whole).await, Err(ProviderError::Unreachable(_))));
    assert!(matches!(scene.credit.query_refund(&whole).await.unwrap(), RefundState::Done { .. }));
    assert_eq!(scene.stage.sim.books().trade(NUMBER).unwrap().refunds.len(), 1);
}

#[tokio::test]
async fn what_went_back_or_is_disputed_there_is_left_to_a_person() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    scene.stage.post(&format!("/give-back/{NUMBER}"), "").await;
    assert!(is_left_to_a_person(scene.credit.refunds(&order(), &paid.payment.payment_id).await));
}

#[tokio::test]
async fn a_page_whose_answer_was_lost_opens_again() {
    let mut scene = Scene::new().await;
    scene.stage.faults(Faults { create_answers_lost: 1, silent_query: true, ..Faults::default() }).await;
    let url = scene.credit.create_payment(&request()).await.unwrap().checkout.url.unwrap();
    assert!(scene.stage.browser.get(url).send().await.is_err());
    assert!(matches!(scene.credit.payments(&order()).await, Err(ProviderError::Unreachable(_))));
    scene.stage.faults(Faults::default()).await;
    scene.paid().await;
}

#[tokio::test]
async fn a_changed_notification_is_refused_and_a_check_tells_right_from_wrong() {
    let mut scene = Scene::new().await;
    scene.open().await;
    scene.stage.faults(Faults { tamper: true, ..Faults::default() }).await;
    scene.stage.post(&format!("/pay/{NUMBER}"), "").await;
    let heard = scene.stage.heard().await;
    assert_eq!(scene.credit.verify(&heard.arrived(), Utc::now()), Err(NoticeError::BadSignature));

    scene.credit.check().await.unwrap();
    for field in ["pid", "key"] {
        let mut settings = scene.stage.settings.clone();
        settings.set(field, "wrong");
        let wrong = credit(&settings);
        let error = wrong.check().await.unwrap_err();
        assert!(!error.to_string().contains("wrong"), "{error}");
        let page = wrong.create_payment(&request()).await.unwrap().checkout.url.unwrap();
        assert_eq!(scene.stage.browser.get(page).send().await.unwrap().status().as_u16(), 401);
    }
}
