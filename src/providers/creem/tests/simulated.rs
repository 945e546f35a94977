//! Against the simulator, over a socket.

use super::*;
use crate::providers::simulator::{Faults, Stage};

struct World {
    provider: Arc<dyn Provider>,
    stage: Stage,
}

fn configured(settings: &Values) -> Arc<dyn Provider> {
    let site = Site { public_url: "https://ledger.example".parse().unwrap() };
    SPECIFICATION.configure(settings, &site).unwrap().provider
}

impl World {
    async fn start() -> Self {
        let stage = Stage::new(&SPECIFICATION, (StatusCode::OK, "")).await;
        Self { provider: configured(&stage.settings), stage }
    }

    async fn pay(&self) {
        self.stage.post(&format!("/pay/{}", order_no()), "").await;
    }

    /// Genuine, and read.
    async fn news(&mut self) -> News {
        let heard = self.stage.heard().await;
        let genuine = self.provider.verify(&heard.arrived(), Utc::now()).unwrap();
        assert!(genuine.key.starts_with("evt_"), "{genuine:?}");
        self.provider.read(&heard.arrived()).await.unwrap().remove(0)
    }

    async fn placed(&self, request: &PaymentRequest) -> OrderRef {
        let opened = self.provider.create_payment(request).await.unwrap();
        let Checkout { url, qr, reference } = opened.checkout;
        assert_eq!(url, Some(format!("{}/pay/{}", self.stage.sim.base(), reference.clone().unwrap())));
        assert!(qr.is_none() && opened.client_secret.is_none());
        OrderRef { number: request.order.clone(), reference, price: request.amount }
    }

    async fn paid(&self, order: &OrderRef) -> Payment {
        let found = self.provider.payments(order).await.unwrap();
        assert_eq!(found.len(), 1);
        found[0].payment.clone()
    }
}

fn request() -> PaymentRequest {
    PaymentRequest {
        order: order_no(),
        product: ProductId::numbered(5),
        product_code: Some("credits_10".parse().unwrap()),
        recurring: false,
        subject: "credits".to_owned(),
        amount: money("10.00", "USD"),
        expires_at: Utc::now() + TimeDelta::minutes(5),
        email: Some("buyer@example.test".into()),
    }
}

fn plan() -> PaymentRequest {
    PaymentRequest {
        product: ProductId::numbered(7),
        product_code: Some("plan_basic".parse().unwrap()),
        recurring: true,
        amount: money("3.50", "USD"),
        ..request()
    }
}

fn refund_of(order: &OrderRef, payment: &Payment) -> RefundRequest {
    RefundRequest {
        order: order.number.clone(),
        reference: order.reference.clone(),
        payment_id: payment.payment_id.clone(),
        paid: payment.amount,
        refund: "RF1".to_owned(),
        amount: payment.amount,
        reason: "because".to_owned(),
    }
}

fn done() -> RefundState {
    RefundState::Done { provider_refund: None }
}

#[tokio::test]
async fn an_order_is_created_paid_found_and_given_back_once() {
    let world = World::start().await;
    let order = world.placed(&request()).await;
    assert!(world.provider.payments(&order).await.unwrap().is_empty());
    world.pay().await;
    let payment = world.paid(&order).await;
    assert_eq!(payment.amount, money("10.00", "USD"));

    let refund = refund_of(&order, &payment);
    assert_eq!(world.provider.query_refund(&refund).await.unwrap(), RefundState::Unknown);
    for _ in 0..2 {
        assert_eq!(world.provider.refund(&refund).await.unwrap(), done());
        assert_eq!(world.provider.query_refund(&refund).await.unwrap(), done());
    }
    let trade = world.stage.sim.books().trade(order_no().as_str()).cloned().unwrap();
    assert_eq!((trade.refunds.len(), trade.given_back(&payment.payment_id)), (1, 1000));
    assert!(world.provider.refunds(&order, &payment.payment_id).await.unwrap().is_empty());
    assert!(world.provider.check().await.unwrap().contains("test mode"));

    let unknown = OrderRef { reference: Some("ch_unknown".to_owned()), ..order.clone() };
    assert!(world.provider.payments(&unknown).await.unwrap().is_empty());
    assert!(world.provider.payments(&OrderRef { reference: None, ..order }).await.unwrap().is_empty());
}

#[tokio::test]
async fn lost_answers_neither_lose_an_order_nor_give_back_twice() {
    let world = World::start().await;
    world.stage.faults(Faults { create_answers_lost: 1, refund_answers_lost: 1, ..Faults::default() }).await;
    let lost = world.provider.create_payment(&request()).await;
    assert!(matches!(lost, Err(ProviderError::Unreachable(_))));
    let order = world.placed(&request()).await;
    world.pay().await;
    let payment = world.paid(&order).await;
    let refund = refund_of(&order, &payment);
    assert!(matches!(world.provider.refund(&refund).await, Err(ProviderError::Unreachable(_))));
    assert_eq!(world.provider.query_refund(&refund).await.unwrap(), done());
    assert_eq!(world.provider.refund(&refund).await.unwrap(), done());
    assert_eq!(world.stage.sim.books().trade(order_no().as_str()).unwrap().refunds.len(), 1);

    world.stage.faults(Faults { silent_query: true, ..Faults::default() }).await;
    assert!(matches!(world.provider.payments(&order).await, Err(ProviderError::Unreachable(_))));
    assert!(matches!(world.provider.query_refund(&refund).await, Err(ProviderError::Unreachable(_))));
}

#[tokio::test]
async fn a_refund_that_is_under_way_is_waited_for() {
    let world = World::start().await;
    let order = world.placed(&request()).await;
    world.pay().await;
    let refund = refund_of(&order, &world.paid(&order).await);
    world.stage.faults(Faults { refunds_fail_first: 1, refunds_pending: true, ..Faults::default() }).await;
    assert!(matches!(world.provider.refund(&refund).await, Err(ProviderError::Unreachable(_))));
    assert_eq!(world.provider.refund(&refund).await.unwrap(), RefundState::Pending);
    assert_eq!(world.provider.query_refund(&refund).await.unwrap(), RefundState::Unknown);
    assert!(matches!(world.provider.refund(&refund).await, Err(ProviderError::Unreachable(_))));
    world.stage.faults(Faults::default()).await;
    assert_eq!(world.provider.query_refund(&refund).await.unwrap(), done());
}

#[tokio::test]
async fn only_all_that_is_left_can_be_given_back() {
    let world = World::start().await;
    let order = world.placed(&request()).await;
    world.pay().await;
    let payment = world.paid(&order).await;
    let whole = refund_of(&order, &payment);
    let part = RefundRequest { amount: money("4.00", "USD"), ..whole.clone() };
    assert!(matches!(world.provider.refund(&part).await, Ok(RefundState::Refused(_))));
    let path = format!("/give-back/{}", order.reference.as_deref().unwrap());
    world.stage.post(&path, r#"{"amount": 600}"#).await;
    assert!(matches!(world.provider.refund(&whole).await, Ok(RefundState::Refused(_))));
    assert_eq!(world.provider.query_refund(&whole).await.unwrap(), RefundState::Unknown);
    assert_eq!(world.provider.refund(&part).await.unwrap(), done());
    // Told by its notification, should anybody ask again.
    assert!(matches!(world.provider.refund(&part).await, Ok(RefundState::Refused(_))));
    let unknown = RefundRequest { payment_id: "tran_unknown".to_owned(), ..whole };
    assert!(matches!(world.provider.refund(&unknown).await, Ok(RefundState::Refused(_))));
    assert_eq!(world.provider.query_refund(&unknown).await.unwrap(), RefundState::Unknown);
}

#[tokio::test]
async fn what_is_not_sold_there_is_refused() {
    let world = World::start().await;
    let refused = async |provider: &dyn Provider, request| {
        let created = provider.create_payment(&request).await;
        assert!(matches!(created, Err(ProviderError::Refused(_))), "{:?}", created.err());
    };
    let yearly = PaymentRequest { product_code: Some("plan_yearly".parse().unwrap()), ..plan() };
    refused(&*world.provider, PaymentRequest { product: ProductId::numbered(99), ..yearly }).await;
    let mut settings = world.stage.settings.clone();
    settings.unset("product_id");
    refused(&*configured(&settings), request()).await;
    settings.set("product_ids", "5=prod_unknown");
    refused(&*configured(&settings), request()).await;
    settings.set("product_ids", "5=prod_any_price");
    assert!(configured(&settings).create_payment(&request()).await.is_ok());
}

#[tokio::test]
async fn another_key_is_not_taken() {
    let world = World::start().await;
    let order = world.placed(&request()).await;
    let mut settings = world.stage.settings.clone();
    settings.set("api_key", "creem_test_other");
    let stranger = configured(&settings);
    let created = stranger.create_payment(&request()).await;
    assert!(matches!(&created, Err(ProviderError::Unreachable(why)) if !why.contains("creem_test")));
    assert!(matches!(stranger.payments(&order).await, Err(ProviderError::Unreachable(_))));
    assert!(stranger.check().await.is_err());
}

#[tokio::test]
async fn a_subscription_stops_and_goes_on() {
    let world = World::start().await;
    let order = world.placed(&plan()).await;
    // Nobody pays for it yet.
    world.provider.stop_collecting(&order, true).await.unwrap();
    world.pay().await;
    assert_eq!(world.paid(&order).await.amount, money("3.50", "USD"));
    let ends = || world.stage.sim.books().trade(order_no().as_str()).unwrap().more.contains_key("ends");
    for stop in [true, true, false, false, true] {
        world.provider.stop_collecting(&order, stop).await.unwrap();
        assert_eq!(ends(), stop);
    }
    let one_time = OrderRef { reference: None, ..order };
    world.provider.stop_collecting(&one_time, true).await.unwrap();
}

#[tokio::test]
async fn its_notifications_are_genuine_and_say_what_happened() {
    let mut world = World::start().await;
    let number = OrderName::Number(order_no());
    let order = world.placed(&request()).await;
    world.pay().await;
    let payment = world.paid(&order).await;
    let paid = PaidNews {
        order: number.clone(),
        payment_id: payment.payment_id.clone(),
        amount: money("10.00", "USD"),
        method: None,
    };
    assert_eq!(world.news().await, News::Paid(paid));
    world.provider.refund(&refund_of(&order, &payment)).await.unwrap();
    let News::Refunded(back) = world.news().await else { panic!() };
    assert_eq!((&back.order, back.payment_id, back.amount), (&number, Some(payment.payment_id), payment.amount));
    assert_eq!(Some(back.refund), back.provider_refund);

    // Its second period is another payment of the same order, and not what pays for it.
    let order = world.placed(&plan()).await;
    world.pay().await;
    let first = world.news().await;
    world.pay().await;
    let (News::PeriodPaid(first), News::PeriodPaid(second)) = (first, world.news().await) else { panic!() };
    assert_eq!((&first.order, &second.order), (&number, &number));
    assert_eq!((first.amount, second.amount), (plan().amount, plan().amount));
    assert_ne!(first.payment_id, second.payment_id);
    assert_eq!(world.paid(&order).await.payment_id, first.payment_id);
}

#[tokio::test]
async fn the_last_period_is_known_by_asking() {
    let world = World::start().await;
    let one_time = world.placed(&request()).await;
    world.pay().await;
    assert_eq!(world.provider.last_period(&one_time).await.unwrap(), None);
    let order = world.placed(&plan()).await;
    assert_eq!(world.provider.last_period(&order).await.unwrap(), None);
    world.pay().await;
    let last = async || world.provider.last_period(&order).await.unwrap().unwrap().payment;
    let first = last().await;
    assert_eq!(first, world.paid(&order).await);
    world.pay().await;
    assert_eq!((last().await.amount, last().await.payment_id == first.payment_id), (plan().amount, false));
    world.stage.faults(Faults { silent_query: true, ..Faults::default() }).await;
    assert!(matches!(world.provider.last_period(&order).await, Err(ProviderError::Unreachable(_))));
}

#[tokio::test]
async fn changed_amounts_show_and_changed_notifications_do_not_count() {
    let mut world = World::start().await;
    world.stage.faults(Faults { wrong_amount: Some(999), ..Faults::default() }).await;
    let order = world.placed(&request()).await;
    world.pay().await;
    let news = world.news().await;
    assert!(matches!(&news, News::Paid(paid) if paid.amount == money("9.99", "USD")), "{news:?}");
    assert_eq!(world.paid(&order).await.amount, money("9.99", "USD"));

    world.stage.faults(Faults { tamper: true, ..Faults::default() }).await;
    world.pay().await;
    let heard = world.stage.heard().await;
    assert_eq!(world.provider.verify(&heard.arrived(), Utc::now()), Err(NoticeError::BadSignature));
}

/// Has one checkout, of a subscription whose first period's transaction is in this state.
async fn with_first_period(status: &'static str) -> Creem {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = move |uri: axum::http::Uri| async move {
        let transaction =
            |id: &str, status: &str| json!({"id": id, "amount": 350, "currency": "USD", "status": status});
        let order = json!({"id": "ord_1", "amount": 350, "currency": "USD", "status": "paid", "type": "recurring"});
        axum::Json(match uri.path() {
            "/v1/checkouts" => json!({"id": CHECKOUT, "order": order, "subscription": "sub_1"}),
            _ => json!({"items": [
                transaction("tran_3", "paid"), transaction("tran_2", status), transaction("tran_1", "declined"),
            ]}),
        })
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    creem(&[("api_url", &url)])
}

fn order_of(checkout: &str) -> OrderRef {
    OrderRef { number: order_no(), reference: Some(checkout.to_owned()), price: money("3.50", "USD") }
}

#[tokio::test]
async fn the_first_period_is_the_first_payment_whatever_became_of_it() {
    for status in ["paid", "partialRefund", "refunded"] {
        let found = with_first_period(status).await.payments(&order_of(CHECKOUT)).await.unwrap();
        assert_eq!(found.len(), 1, "{status}");
        assert_eq!(found[0].payment.payment_id, "tran_2", "{status}");
    }
    for status in ["chargedBack", "chargeback"] {
        let found = with_first_period(status).await.payments(&order_of(CHECKOUT)).await;
        assert!(
            matches!(&found, Err(ProviderError::Unreachable(why)) if why.contains("went back there")),
            "{status}: {found:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_about_another_checkout_is_not_believed() {
    let found = with_first_period("paid").await.payments(&order_of("ch_other")).await;
    assert!(matches!(&found, Err(ProviderError::Unreachable(why)) if why.contains("another checkout")), "{found:?}");
}
