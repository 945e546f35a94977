//! Every event as it is stored. What is written here is in somebody's log: add to it, never change it.

use crate::credit_account::{Deducted, GrantSource, Granted, Spent, Taken};
use crate::credits::Credits;
use crate::customer::{Described, Locale};
use crate::delivery::{AttemptFailed, DeliveryStep, GivenUp, KeyCreated, MailSent, Requested, Retried};
use crate::holdings::PackageAdded;
use crate::ids::{GrantId, OrderId, ProductId, UserPackageId};
use crate::kinds::Event;
use crate::money::{Currency, Money};
use crate::order::{
    Cancelled, Checkout, CheckoutOpened, Delivered, Expired as OrderExpired, Failed, Fulfilled, Paid, Payment,
    PaymentDuplicated, PaymentMismatched, Placed,
};
use crate::product::{PackageTerms, ProductContent, ProductKind, PutOnSale, TakenOffSale};
use crate::spec::{day, id, time};
use crate::user_package::{Activated, Consumed, DayRule, Expired};
use crate::{
    CreditAccountEvent, CustomerEvent, DeliveryEvent, HoldingsEvent, OrderEvent, ProductEvent, UserPackageEvent,
};

type Stored = Vec<(Event, &'static str)>;

pub(crate) fn stored() -> Stored {
    [credit_account(), user_package(), holdings(), product(), order(), order_payments(), delivery(), customer()]
        .concat()
}

fn labels() -> (Option<String>, Option<String>) {
    (Some("tokens".to_owned()), Some("call-7".to_owned()))
}

fn credit_account() -> Stored {
    let grant = id(1, GrantId::from_uuid);
    let granted = Granted {
        grant,
        source: GrantSource::Order,
        amount: Credits::whole(10),
        expires_at: None,
        balance: Credits::whole(12),
        reason: None,
    };
    let from = vec![Taken { grant, amount: Credits::whole(1), left: Credits::whole(9) }];
    let (amount, balance, reason) = (Credits::whole(1), Credits::whole(11), "误发".to_owned());
    let spent = Spent { amount, from: from.clone(), balance, meter: None, reference: None };
    let (meter, reference) = labels();
    vec![
        (
            CreditAccountEvent::Granted(granted.clone()).into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"order","amount":10000000,"balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Granted(Granted {
                source: GrantSource::SubscriptionPeriod,
                expires_at: Some(time("2026-02-04T06:00:00.000001Z")),
                ..granted.clone()
            })
            .into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"subscription_period","amount":10000000,"expires_at":"2026-02-04T06:00:00.000001Z","balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Granted(Granted {
                source: GrantSource::Admin,
                reason: Some("goodwill".to_owned()),
                ..granted.clone()
            })
            .into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"admin","amount":10000000,"balance":12000000,"reason":"goodwill"}"#,
        ),
        (
            CreditAccountEvent::Granted(Granted { source: GrantSource::Promotion, ..granted }).into(),
            r#"{"grant":"00000000-0000-0000-0000-000000000001","source":"promotion","amount":10000000,"balance":12000000}"#,
        ),
        (
            CreditAccountEvent::Spent(spent.clone()).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000}"#,
        ),
        (
            CreditAccountEvent::Spent(Spent { meter, reference, ..spent }).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000,"meter":"tokens","reference":"call-7"}"#,
        ),
        (
            CreditAccountEvent::Deducted(Deducted { amount, from, balance, reason }).into(),
            r#"{"amount":1000000,"from":[{"grant":"00000000-0000-0000-0000-000000000001","amount":1000000,"left":9000000}],"balance":11000000,"reason":"误发"}"#,
        ),
    ]
}

fn user_package() -> Stored {
    let activated = Activated {
        product: id(2, ProductId::from_uuid),
        daily_limit: Credits::whole(5),
        duration_days: 30,
        time_zone: chrono_tz::Asia::Shanghai,
        day: DayRule::Calendar,
        starts_at: time("2026-01-05T06:00:00Z"),
        ends_at: time("2026-02-04T06:00:00Z"),
        left: Credits::whole(150),
    };
    let consumed = Consumed {
        amount: Credits::whole(1),
        day: day("2026-01-05"),
        day_left: Credits::whole(4),
        left: Credits::whole(149),
        meter: None,
        reference: None,
    };
    let (meter, reference) = labels();
    vec![
        (
            UserPackageEvent::Activated(activated).into(),
            r#"{"product":"00000000-0000-0000-0000-000000000002","daily_limit":5000000,"duration_days":30,"time_zone":"Asia/Shanghai","day":"calendar","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","left":150000000}"#,
        ),
        (
            UserPackageEvent::Activated(Activated { day: DayRule::Anniversary, ..activated }).into(),
            r#"{"product":"00000000-0000-0000-0000-000000000002","daily_limit":5000000,"duration_days":30,"time_zone":"Asia/Shanghai","day":"anniversary","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","left":150000000}"#,
        ),
        (
            UserPackageEvent::Consumed(consumed.clone()).into(),
            r#"{"amount":1000000,"day":"2026-01-05","day_left":4000000,"left":149000000}"#,
        ),
        (
            UserPackageEvent::Consumed(Consumed { meter, reference, ..consumed }).into(),
            r#"{"amount":1000000,"day":"2026-01-05","day_left":4000000,"left":149000000,"meter":"tokens","reference":"call-7"}"#,
        ),
        (
            UserPackageEvent::Expired(Expired { at: time("2026-02-04T07:00:00Z") }).into(),
            r#"{"at":"2026-02-04T07:00:00Z"}"#,
        ),
    ]
}

fn holdings() -> Stored {
    let added = PackageAdded {
        package: id(3, UserPackageId::from_uuid),
        product: ProductId::numbered(4),
        starts_at: time("2026-01-05T06:00:00Z"),
        ends_at: time("2026-02-04T06:00:00Z"),
    };
    vec![(
        HoldingsEvent::PackageAdded(added).into(),
        r#"{"package":"00000000-0000-0000-0000-000000000003","product":"00000000-0000-0000-0000-000000000004","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z"}"#,
    )]
}

fn money(minor: i64, currency: &str) -> Money {
    Money::from_minor(minor, currency.parse::<Currency>().unwrap())
}

fn kind() -> ProductKind {
    ProductKind::Package(PackageTerms { duration_days: 30, daily_limit: Credits::whole(5), day: DayRule::Calendar })
}

fn product() -> Stored {
    let content = ProductContent {
        name: "月卡".to_owned(),
        description: "30 days,\n5.00 a day".to_owned(),
        prices: vec![money(3_000, "CNY"), money(1_250, "LDC/2")],
        sort_order: -1,
        kind: kind(),
    };
    let json = r#"{"name":"月卡","description":"30 days,\n5.00 a day","prices":[{"minor":3000,"currency":"CNY"},{"minor":1250,"currency":"LDC/2"}],"sort_order":-1,"kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar"}}}"#;
    vec![
        (ProductEvent::Created(content.clone()).into(), json),
        (ProductEvent::Changed(content).into(), json),
        (ProductEvent::TakenOffSale(TakenOffSale {}).into(), "{}"),
        (ProductEvent::PutOnSale(PutOnSale {}).into(), "{}"),
    ]
}

fn order() -> Stored {
    let placed = Placed {
        number: "ORD20260105060000deadbeef".parse().unwrap(),
        product: ProductId::numbered(4),
        name: "月卡".to_owned(),
        kind: kind(),
        time_zone: chrono_tz::Asia::Shanghai,
        price: money(3_000, "CNY"),
        provider: "alipay".to_owned(),
        placed_at: time("2026-01-05T06:00:00Z"),
        expires_at: time("2026-01-05T06:15:00Z"),
    };
    let opened = |url: Option<&str>, qr: Option<&str>| {
        let checkout = Checkout { url: url.map(str::to_owned), qr: qr.map(str::to_owned) };
        OrderEvent::CheckoutOpened(CheckoutOpened { checkout }).into()
    };
    let at = time("2026-01-05T06:20:00Z");
    vec![
        (
            OrderEvent::Placed(placed).into(),
            r#"{"number":"ORD20260105060000deadbeef","product":"00000000-0000-0000-0000-000000000004","name":"月卡","kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar"}},"time_zone":"Asia/Shanghai","price":{"minor":3000,"currency":"CNY"},"provider":"alipay","placed_at":"2026-01-05T06:00:00Z","expires_at":"2026-01-05T06:15:00Z"}"#,
        ),
        (opened(Some("https://pay.example/1"), None), r#"{"checkout":{"url":"https://pay.example/1"}}"#),
        (opened(None, Some("weixin://1")), r#"{"checkout":{"qr":"weixin://1"}}"#),
        (OrderEvent::Expired(OrderExpired { at }).into(), r#"{"at":"2026-01-05T06:20:00Z"}"#),
        (OrderEvent::Cancelled(Cancelled { at }).into(), r#"{"at":"2026-01-05T06:20:00Z"}"#),
        (
            OrderEvent::Failed(Failed { reason: "declined".to_owned(), at }).into(),
            r#"{"reason":"declined","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::Fulfilled(Fulfilled { delivered: Delivered::UserPackage(id(3, UserPackageId::from_uuid)), at })
                .into(),
            r#"{"delivered":{"user_package":"00000000-0000-0000-0000-000000000003"},"at":"2026-01-05T06:20:00Z"}"#,
        ),
    ]
}

fn order_payments() -> Stored {
    let at = time("2026-01-05T06:20:00Z");
    let payment = |minor, method: Option<&str>| Payment {
        provider: "alipay".to_owned(),
        payment_id: "p-1".to_owned(),
        amount: money(minor, "CNY"),
        method: method.map(str::to_owned),
    };
    vec![
        (
            OrderEvent::Paid(Paid { payment: payment(3_000, Some("wallet")), late: true, at }).into(),
            r#"{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":3000,"currency":"CNY"},"method":"wallet"},"late":true,"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::PaymentMismatched(PaymentMismatched { payment: payment(2_999, None), at }).into(),
            r#"{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":2999,"currency":"CNY"}},"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            OrderEvent::PaymentDuplicated(PaymentDuplicated { payment: payment(3_000, None), at }).into(),
            r#"{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":3000,"currency":"CNY"}},"at":"2026-01-05T06:20:00Z"}"#,
        ),
    ]
}

fn delivery() -> Stored {
    let at = time("2026-01-05T06:20:00Z");
    let (order, user_package) = (id(5, OrderId::from_uuid), id(3, UserPackageId::from_uuid));
    let (step, reason) = (DeliveryStep::CreateKey, "HTTP 502".to_owned());
    vec![
        (
            DeliveryEvent::Requested(Requested { order, user_package, at }).into(),
            r#"{"order":"00000000-0000-0000-0000-000000000005","user_package":"00000000-0000-0000-0000-000000000003","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::KeyCreated(KeyCreated { key_id: "k-1".to_owned(), last_four: "a1b2".to_owned(), at }).into(),
            r#"{"key_id":"k-1","last_four":"a1b2","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::MailSent(MailSent { message_id: "<1@mail.example>".to_owned(), at }).into(),
            r#"{"message_id":"<1@mail.example>","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::AttemptFailed(AttemptFailed { step, attempt: 3, reason, at }).into(),
            r#"{"step":"create_key","attempt":3,"reason":"HTTP 502","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::GivenUp(GivenUp { step: DeliveryStep::SendMail, attempts: 3, at }).into(),
            r#"{"step":"send_mail","attempts":3,"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (DeliveryEvent::Retried(Retried { step, at }).into(), r#"{"step":"create_key","at":"2026-01-05T06:20:00Z"}"#),
    ]
}

fn customer() -> Stored {
    let described = |locale| {
        CustomerEvent::Described(Described { sealed: "c2VhbGVk".to_owned(), digest: "ab12".to_owned(), locale }).into()
    };
    vec![
        (described(Locale::ZhCn), r#"{"sealed":"c2VhbGVk","digest":"ab12","locale":"zh-CN"}"#),
        (described(Locale::En), r#"{"sealed":"c2VhbGVk","digest":"ab12","locale":"en"}"#),
    ]
}
