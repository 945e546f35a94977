//! The client against Alipay's side of it, over a real socket.

use aggregates::Checkout;

use super::*;
use crate::providers::simulator::{Faults, Stage};

struct Scene {
    alipay: Alipay,
    stage: Stage,
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::new(&SPECIFICATION, (StatusCode::OK, wire::SUCCESS)).await;
        Self { alipay: alipay(&stage.settings), stage }
    }

    async fn create(&self) -> Checkout {
        self.alipay.create_payment(&request()).await.unwrap().checkout
    }

    /// Created and paid. Its payment.
    async fn paid(&mut self) -> PaymentNotice {
        self.create().await;
        self.stage.post(&format!("/pay/{NUMBER}"), "").await;
        let payments = self.alipay.payments(&order()).await.unwrap();
        let [payment] = &payments[..] else { panic!("{payments:?}") };
        assert_eq!(
            self.news().await,
            [News::Paid(PaidNews {
                order: name(),
                payment_id: payment.payment.payment_id.clone(),
                amount: payment.payment.amount,
                method: None,
            })]
        );
        payment.clone()
    }

    /// What the next notification says.
    async fn news(&mut self) -> Vec<News> {
        let heard = self.stage.heard().await;
        self.alipay.verify(&heard.arrived(), Utc::now()).unwrap();
        self.alipay.read(&heard.arrived()).await.unwrap()
    }
}

fn request() -> PaymentRequest {
    PaymentRequest {
        order: NUMBER.parse().unwrap(),
        product: aggregates::ProductId::numbered(1),
        product_code: None,
        recurring: false,
        subject: "月度会员 A&B=1 100%".to_owned(),
        amount: yuan("88.80"),
        expires_at: Utc::now() + chrono::TimeDelta::minutes(15),
        email: None,
    }
}

fn order() -> OrderRef {
    OrderRef { number: NUMBER.parse().unwrap(), reference: None, price: yuan("88.80") }
}

fn refund_of(paid: &PaymentNotice, refund: &str, amount: &str) -> RefundRequest {
    RefundRequest {
        order: paid.order.clone(),
        reference: None,
        payment_id: paid.payment.payment_id.clone(),
        paid: paid.payment.amount,
        refund: refund.to_owned(),
        amount: yuan(amount),
        reason: "误购".to_owned(),
    }
}

fn done(name: &str) -> RefundState {
    RefundState::Done { provider_refund: Some(name.to_owned()) }
}

#[tokio::test]
async fn an_order_is_paid_by_its_code_or_on_its_page() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.alipay.payments(&order()).await.unwrap(), []);
    let Checkout { url, qr, reference } = scene.create().await;
    let pay = format!("{}/pay/{NUMBER}", scene.stage.sim.base());
    assert_eq!((qr.as_deref(), reference), (Some(&*pay), None));
    let page = scene.stage.browser.get(url.unwrap()).send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["location"].to_str().unwrap()), (302, &*pay));
    assert_eq!(scene.alipay.payments(&order()).await.unwrap(), []);
    let paid = scene.paid().await;
    assert_eq!(paid.payment.amount, yuan("88.80"));
    assert!(matches!(scene.alipay.create_payment(&request()).await, Err(ProviderError::Refused(_))));
}

#[tokio::test]
async fn what_was_paid_wrongly_is_told_as_it_was_paid() {
    let mut scene = Scene::new().await;
    scene.stage.faults(Faults { wrong_amount: Some(100), ..Faults::default() }).await;
    assert_eq!(scene.paid().await.payment.amount, yuan("1.00"));
}

#[tokio::test]
async fn parts_go_back_once_under_each_number_and_each_is_told() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    let first = refund_of(&paid, "RF1", "30.00");
    assert_eq!(scene.alipay.query_refund(&first).await.unwrap(), RefundState::Unknown);
    for _ in 0..2 {
        assert_eq!(scene.alipay.refund(&first).await.unwrap(), done("RF1"));
        assert_eq!(scene.alipay.query_refund(&first).await.unwrap(), done("RF1"));
    }
    assert_eq!(scene.stage.sim.books().trade(NUMBER).unwrap().refunds.len(), 1);
    // In Alipay's console.
    scene.stage.post(&format!("/give-back/{NUMBER}"), r#"{"amount": 1000}"#).await;
    for (refund, amount) in [(Some("RF1"), "30.00"), (None, "10.00")] {
        let news = scene.news().await;
        let [News::Paid(_), News::Refunded(told)] = &news[..] else { panic!("{news:?}") };
        assert_eq!(told.amount, yuan(amount));
        assert!(refund.is_none_or(|refund| refund == told.refund));
    }
    let too_much = scene.alipay.refund(&refund_of(&paid, "RF3", "50.00")).await.unwrap();
    assert!(matches!(too_much, RefundState::Refused(why) if why.contains("more than is left")));
    assert_eq!(scene.alipay.refunds(&order(), &paid.payment.payment_id).await.unwrap(), []);
}

#[tokio::test]
async fn all_of_it_going_back_is_told_by_the_query_alone() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    let payment_id = &paid.payment.payment_id;
    scene.stage.post(&format!("/give-back/{NUMBER}"), "").await;
    let whole = format!("closed:{payment_id}");
    let told = scene.alipay.refunds(&order(), payment_id).await.unwrap();
    assert_eq!(told.iter().map(|told| (&*told.refund, told.amount)).collect::<Vec<_>>(), [(&*whole, yuan("88.80"))]);
    assert_eq!(scene.alipay.payments(&order()).await.unwrap(), []);
    assert!(scene.stage.is_silent());
}

#[tokio::test]
async fn a_whole_refund_has_the_name_that_the_query_gives_it() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    let request = refund_of(&paid, "RF1", "88.80");
    let state = done(&format!("closed:{}", paid.payment.payment_id));
    assert_eq!(scene.alipay.refund(&request).await.unwrap(), state);
    assert_eq!(scene.alipay.refund(&request).await.unwrap(), state);
    assert_eq!(scene.alipay.query_refund(&request).await.unwrap(), state);
}

#[tokio::test]
async fn what_got_lost_is_found_again_and_happens_once() {
    let mut scene = Scene::new().await;
    let faults = Faults { creates_fail_first: 1, create_answers_lost: 1, ..Faults::default() };
    scene.stage.faults(faults).await;
    for _ in 0..2 {
        let lost = scene.alipay.create_payment(&request()).await;
        assert!(matches!(lost, Err(ProviderError::Unreachable(_))), "{lost:?}");
    }
    let paid = scene.paid().await;
    let refund = refund_of(&paid, "RF1", "30.00");
    scene.stage.faults(Faults { refunds_fail_first: 1, refund_answers_lost: 1, ..Faults::default() }).await;
    for known in [RefundState::Unknown, done("RF1")] {
        let lost = scene.alipay.refund(&refund).await;
        assert!(matches!(lost, Err(ProviderError::Unreachable(_))), "{lost:?}");
        assert_eq!(scene.alipay.query_refund(&refund).await.unwrap(), known);
    }
    assert_eq!(scene.alipay.refund(&refund).await.unwrap(), done("RF1"));
    assert_eq!(scene.stage.sim.books().trade(NUMBER).unwrap().refunds.len(), 1);
}

#[tokio::test]
async fn a_refund_that_waits_there_waits_here() {
    let mut scene = Scene::new().await;
    let paid = scene.paid().await;
    scene.stage.faults(Faults { refunds_pending: true, ..Faults::default() }).await;
    let refund = refund_of(&paid, "RF1", "30.00");
    assert_eq!(scene.alipay.refund(&refund).await.unwrap(), RefundState::Pending);
    scene.stage.faults(Faults::default()).await;
    assert_eq!(scene.alipay.query_refund(&refund).await.unwrap(), done("RF1"));
    assert!(matches!(&scene.news().await[..], [News::Paid(_), News::Refunded(told)] if told.refund == "RF1"));
}

#[tokio::test]
async fn a_changed_notification_is_refused_and_a_check_tells_right_from_wrong() {
    let mut scene = Scene::new().await;
    scene.create().await;
    scene.stage.faults(Faults { tamper: true, ..Faults::default() }).await;
    scene.stage.post(&format!("/pay/{NUMBER}"), "").await;
    let heard = scene.stage.heard().await;
    assert_eq!(scene.alipay.verify(&heard.arrived(), Utc::now()), Err(NoticeError::BadSignature));

    scene.alipay.check().await.unwrap();
    let stranger = new_pair().unwrap();
    for (field, value) in
        [("private_key", stranger.private.as_str()), ("public_key", stranger.public.as_str()), ("app_id", "1")]
    {
        let mut settings = scene.stage.settings.clone();
        settings.set(field, value);
        let wrong = alipay(&settings);
        assert!(matches!(wrong.check().await, Err(ProviderError::Unreachable(_))), "{field}");
        assert!(matches!(wrong.create_payment(&request()).await, Err(ProviderError::Unreachable(_))), "{field}");
    }
}
