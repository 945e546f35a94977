//! Process managers: when this happened, then ask for that.
//!
//! | when                       | then                                       |                       |
//! |----------------------------|--------------------------------------------|-----------------------|
//! | `order.placed`             | expire it at its time, unless it was paid  | `expire_order.rs`     |
//! | `order.placed`             | ask now and then whether it was paid       | `reconcile.rs`        |
//! | `order.paid`               | ask now and then whether it went back      | `watch_payment.rs`    |
//! | `order.payment_duplicated` | ask for the second payment back            | `refund_duplicate.rs` |
//! | `order.refund_requested`   | have the provider give it back             | `refund.rs`           |
//! | `order.refund_retried`     | try that again now                         | `refund.rs`           |
//! | `user_package.activated`   | record its end when it comes               | `expire_package.rs`   |
//! | `credit_account.granted`   | record its end when it comes, if it has one | `expire_grant.rs`     |
//! | `hold.reserved`            | release it at its time, unless it is over  | `release_hold.rs`     |
//! | `delivery.requested`       | have the API key made                      | `create_api_key.rs`   |
//! | `delivery.key_created`     | send the mail, then forget the key         | `send_mail.rs`        |
//! | `delivery.retried`         | try that step again now                    | both                  |
//! | `delivery.withdrawn`       | try whichever waits now: it ends, and forgets a key | both         |
//! | `subscription.started`, `renewed`, `past_due` | record the end of the period, or of the grace | `subscription_period.rs` |
//! | `subscription.cancel_scheduled`, `cancel_withdrawn`, `ended` | tell a provider that collects by itself | `tell_collector.rs` |
//! | `customer.erased`          | destroy what makes their data readable     | `forget_account.rs`   |
//!
//! `asks_of` is that table: pure. `runner.rs` reads the log forward and writes the jobs it asks for together with how far
//! it has read, so each event is answered once, by however many processes, and rebuilding a read model wakes nobody.
//! Each file of a job has its handler: outcomes return as commands whose ids follow from the job, so that a repeat
//! changes nothing.
//!
//! A new process: its rows here, its handler beside the others, and, where it listens to something new, the index that
//! `runner.rs` reads through.

mod create_api_key;
mod delivery;
mod expire_grant;
mod expire_order;
mod expire_package;
mod forget_account;
mod reconcile;
mod refund;
mod refund_duplicate;
mod release_hold;
mod runner;
mod send_mail;
mod subscription_period;
mod tell_collector;
mod watch_payment;

use std::sync::Arc;

use aggregates::credit_account::Granted;
use aggregates::order::PaymentDuplicated;
use aggregates::{
    AccountId, CreditAccountEvent, CustomerEvent, DeliveryEvent, DeliveryStep, Event, HoldEvent, OrderEvent, OrderId,
    Payment, RefundId, UserPackageEvent,
};
use serde_json::json;
use uuid::Uuid;

pub use create_api_key::CreateApiKey;
pub use expire_grant::ExpireGrant;
pub use expire_order::ExpireOrder;
pub use expire_package::ExpirePackage;
pub use forget_account::ForgetAccount;
pub use reconcile::Reconcile;
pub use refund::RefundPayment;
pub use refund_duplicate::RefundDuplicate;
pub use release_hold::ReleaseHold;
pub use runner::{Advanced, ProcessError, Stuck, advance, lag};
pub use send_mail::{MailLinks, SendMail};
pub use subscription_period::SubscriptionPeriod;
pub use tell_collector::TellCollector;
pub use watch_payment::WatchPayment;

use crate::dispatch::Dispatcher;
use crate::forward::ForwardClient;
use crate::jobs::{Handler, NewJob, When};
use crate::mail::Mailer;

/// Kinds of jobs.
pub mod kinds {
    pub const CREATE_API_KEY: &str = "create_api_key";
    pub const SEND_MAIL: &str = "send_mail";
    pub const EXPIRE_ORDER: &str = "expire_order";
    pub const EXPIRE_PACKAGE: &str = "expire_package";
    pub const RECONCILE: &str = "reconcile";
    pub const REFUND: &str = "refund";
    pub const REFUND_DUPLICATE: &str = "refund_duplicate";
    pub const SUBSCRIPTION_PERIOD: &str = "subscription_period";
    pub const TELL_COLLECTOR: &str = "tell_collector";
    pub const WATCH_PAYMENT: &str = "watch_payment";
    pub const FORGET_ACCOUNT: &str = "forget_account";
    pub const EXPIRE_GRANT: &str = "expire_grant";
    pub const RELEASE_HOLD: &str = "release_hold";
}

/// Something that happened, as far as processes care.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    pub account: AccountId,
    /// What it happened to.
    pub aggregate: Uuid,
    pub event: Event,
}

/// What a process asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Do(NewJob),
    RetryNow { kind: &'static str, key: String },
}

/// The table.
#[must_use]
pub fn asks_of(happened: &Happened) -> Vec<Ask> {
    let key = happened.aggregate.to_string();
    let job = |kind, when| {
        let account_id = Some(happened.account.as_str().to_owned());
        vec![Ask::Do(NewJob { kind, key: key.clone(), account_id, payload: json!({}), when })]
    };
    match &happened.event {
        Event::Order(OrderEvent::Placed(placed)) => {
            let expire = job(kinds::EXPIRE_ORDER, When::At(placed.expires_at));
            [expire, job(kinds::RECONCILE, When::At(reconcile::first(placed)))].concat()
        }
        Event::Order(event) => asks_about_money(happened, event).into_iter().collect(),
        Event::UserPackage(UserPackageEvent::Activated(run)) => job(kinds::EXPIRE_PACKAGE, When::At(run.ends_at)),
        Event::CreditAccount(CreditAccountEvent::Granted(Granted { grant, expires_at: Some(expires_at), .. })) => {
            let account_id = Some(happened.account.as_str().to_owned());
            let (key, payload) = (format!("{key}:{grant}"), json!({"grant": grant}));
            vec![Ask::Do(NewJob { kind: kinds::EXPIRE_GRANT, key, account_id, payload, when: When::At(*expires_at) })]
        }
        Event::Hold(HoldEvent::Reserved(reserved)) => job(kinds::RELEASE_HOLD, When::At(reserved.expires_at)),
        Event::Delivery(DeliveryEvent::Requested(_)) => job(kinds::CREATE_API_KEY, When::Now),
        Event::Delivery(DeliveryEvent::KeyCreated(_)) => job(kinds::SEND_MAIL, When::Now),
        Event::Delivery(DeliveryEvent::Retried(retried)) => {
            vec![Ask::RetryNow { kind: kind_of(retried.step), key }]
        }
        // Whichever of them waits ends now, and forgets a key that is kept.
        Event::Delivery(DeliveryEvent::Withdrawn(_)) => {
            [kinds::CREATE_API_KEY, kinds::SEND_MAIL].map(|kind| Ask::RetryNow { kind, key: key.clone() }).to_vec()
        }
        Event::Subscription(event) => {
            let timed = |kind, at, when| {
                let (account_id, key) =
                    (Some(happened.account.as_str().to_owned()), subscription_period::key(&key, at));
                Ask::Do(NewJob { kind, key, account_id, payload: json!({}), when })
            };
            let over = subscription_period::ends(event).map(|at| timed(kinds::SUBSCRIPTION_PERIOD, at, When::At(at)));
            let told = tell_collector::changed_at(event).map(|at| timed(kinds::TELL_COLLECTOR, at, When::Now));
            over.into_iter().chain(told).collect()
        }
        Event::Customer(CustomerEvent::Erased(_)) => job(kinds::FORGET_ACCOUNT, When::Now),
        // Nobody acts on the rest; the lists of what there is are in the domain.
        Event::UserPackage(_) | Event::Delivery(_) => vec![],
        Event::CreditAccount(_) | Event::Product(_) | Event::Holdings(_) | Event::Customer(_) => vec![],
        Event::Hold(_) | Event::License(_) | Event::ProviderSettings(_) => vec![],
    }
}

/// Money that goes back, or is to.
fn asks_about_money(happened: &Happened, event: &OrderEvent) -> Option<Ask> {
    let order = happened.aggregate;
    let job = |kind, refund: RefundId, payload| {
        let account_id = Some(happened.account.as_str().to_owned());
        Ask::Do(NewJob { kind, key: refund.to_string(), account_id, payload, when: When::Now })
    };
    match event {
        OrderEvent::Paid(paid) => {
            let first = watch_payment::next(paid.at, paid.at)?;
            let account_id = Some(happened.account.as_str().to_owned());
            let (kind, payload) = (kinds::WATCH_PAYMENT, json!({"paid_at": paid.at}));
            Some(Ask::Do(NewJob { kind, key: order.to_string(), account_id, payload, when: When::At(first) }))
        }
        OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, at: _ }) => {
            let Payment { provider, payment_id, .. } = payment;
            let refund = RefundId::of_payment(OrderId::from_uuid(order), provider, payment_id);
            let payload = json!({"order": order, "provider": provider, "payment_id": payment_id});
            Some(job(kinds::REFUND_DUPLICATE, refund, payload))
        }
        OrderEvent::RefundRequested(requested) => Some(job(kinds::REFUND, requested.refund, json!({"order": order}))),
        OrderEvent::RefundRetried(retried) => {
            Some(Ask::RetryNow { kind: kinds::REFUND, key: retried.refund.to_string() })
        }
        _ => None,
    }
}

const fn kind_of(step: DeliveryStep) -> &'static str {
    match step {
        DeliveryStep::CreateKey => kinds::CREATE_API_KEY,
        DeliveryStep::SendMail => kinds::SEND_MAIL,
    }
}

/// One handler for each kind of job above.
#[must_use]
pub fn handlers(
    dispatcher: &Dispatcher,
    vault: &crate::vault::Vault,
    forward: ForwardClient,
    mailer: Mailer,
    links: MailLinks,
) -> Vec<Arc<dyn Handler>> {
    vec![
        Arc::new(CreateApiKey::new(dispatcher.clone(), vault.clone(), forward)),
        Arc::new(SendMail::new(dispatcher.clone(), vault.clone(), mailer, links)),
        Arc::new(ExpireOrder::new(dispatcher.clone())),
        Arc::new(ExpirePackage::new(dispatcher.clone())),
        Arc::new(Reconcile::new(dispatcher.clone())),
        Arc::new(RefundPayment::new(dispatcher.clone())),
        Arc::new(RefundDuplicate::new(dispatcher.clone())),
        Arc::new(SubscriptionPeriod::new(dispatcher.clone())),
        Arc::new(TellCollector::new(dispatcher.clone())),
        Arc::new(WatchPayment::new(dispatcher.clone())),
        Arc::new(ForgetAccount::new(dispatcher.clone())),
        Arc::new(ExpireGrant::new(dispatcher.clone())),
        Arc::new(ReleaseHold::new(dispatcher.clone())),
    ]
}

/// Those of them that an operator's own timer may run as well.
#[must_use]
pub fn timers_of_credits(dispatcher: &Dispatcher) -> Vec<Arc<dyn Handler>> {
    vec![Arc::new(ExpireGrant::new(dispatcher.clone())), Arc::new(ReleaseHold::new(dispatcher.clone()))]
}

#[cfg(test)]
mod tests {
    use aggregates::delivery::{AttemptFailed, GivenUp, KeyCreated, MailSent, Requested, Retried};
    use aggregates::order::Placed;
    use aggregates::{Money, OrderId, UserPackageId};
    use chrono::{DateTime, Utc};

    use super::*;

    const AGGREGATE: Uuid = Uuid::from_u128(7);

    fn at() -> DateTime<Utc> {
        "2026-01-05T06:00:00Z".parse().unwrap()
    }

    fn asked(event: impl Into<Event>) -> Vec<Ask> {
        let account = AccountId::try_new("alice").unwrap();
        asks_of(&Happened { account, aggregate: AGGREGATE, event: event.into() })
    }

    fn job(kind: &'static str, when: When) -> Vec<Ask> {
        let (key, account_id) = (AGGREGATE.to_string(), Some("alice".to_owned()));
        vec![Ask::Do(NewJob { kind, key, account_id, payload: json!({}), when })]
    }

    #[test]
    fn a_delivery_asks_for_a_key_then_for_a_mail_then_for_nothing() {
        let (order, user_package) = (OrderId::from_uuid(AGGREGATE), UserPackageId::from_uuid(AGGREGATE));
        let requested = DeliveryEvent::Requested(Requested { order, user_package, at: at() });
        assert_eq!(asked(requested), job(kinds::CREATE_API_KEY, When::Now));
        let created = KeyCreated { key_id: "k".to_owned(), last_four: "abcd".to_owned(), at: at() };
        assert_eq!(asked(DeliveryEvent::KeyCreated(created)), job(kinds::SEND_MAIL, When::Now));
        let sent = MailSent { message_id: "m".to_owned(), at: at() };
        assert_eq!(asked(DeliveryEvent::MailSent(sent)), vec![]);
    }

    #[test]
    fn a_failure_asks_for_nothing_and_a_retry_by_hand_for_its_step() {
        let step = DeliveryStep::SendMail;
        let failed = AttemptFailed { step, attempt: 1, reason: "r".to_owned(), at: at() };
        assert_eq!(asked(DeliveryEvent::AttemptFailed(failed)), vec![]);
        assert_eq!(asked(DeliveryEvent::GivenUp(GivenUp { step, attempts: 1, at: at() })), vec![]);
        for (step, kind) in
            [(DeliveryStep::SendMail, kinds::SEND_MAIL), (DeliveryStep::CreateKey, kinds::CREATE_API_KEY)]
        {
            let retry = vec![Ask::RetryNow { kind, key: AGGREGATE.to_string() }];
            assert_eq!(asked(DeliveryEvent::Retried(Retried { step, at: at() })), retry);
        }
    }

    #[test]
    fn what_waits_of_a_withdrawn_delivery_ends_at_once() {
        let reason = "refunded".to_owned();
        let withdrawn = aggregates::delivery::Withdrawn { step: DeliveryStep::SendMail, reason, at: at() };
        let retry = |kind| Ask::RetryNow { kind, key: AGGREGATE.to_string() };
        let expected = [kinds::CREATE_API_KEY, kinds::SEND_MAIL].map(retry);
        assert_eq!(asked(DeliveryEvent::Withdrawn(withdrawn)), expected);
    }

    #[test]
    fn money_that_is_to_go_back_is_asked_for_and_asked_for_again_by_hand() {
        let (refund, order) = (RefundId::from_uuid(Uuid::from_u128(9)), json!(AGGREGATE));
        let (provider, payment_id) = ("alipay".to_owned(), "p-2".to_owned());
        let amount = Money::from_minor(1, "CNY".parse().unwrap());
        let due = |kind, key: RefundId, payload| {
            let account_id = Some("alice".to_owned());
            vec![Ask::Do(NewJob { kind, key: key.to_string(), account_id, payload, when: When::Now })]
        };
        let payment = Payment { provider: provider.clone(), payment_id: payment_id.clone(), amount, method: None };
        let of_payment = RefundId::of_payment(OrderId::from_uuid(AGGREGATE), &provider, &payment_id);
        let payload = json!({"order": order, "provider": provider, "payment_id": payment_id});
        let duplicated = OrderEvent::PaymentDuplicated(PaymentDuplicated { payment, at: at() });
        assert_eq!(asked(duplicated), due(kinds::REFUND_DUPLICATE, of_payment, payload));
        let requested = aggregates::order::RefundRequested {
            refund,
            provider,
            payment_id,
            amount,
            reason: "r".to_owned(),
            revoke: None,
            at: at(),
        };
        assert_eq!(asked(OrderEvent::RefundRequested(requested)), due(kinds::REFUND, refund, json!({"order": order})));
        let retried = aggregates::order::RefundRetried { refund, at: at() };
        let retry = vec![Ask::RetryNow { kind: kinds::REFUND, key: refund.to_string() }];
        assert_eq!(asked(OrderEvent::RefundRetried(retried)), retry);
    }

    #[test]
    fn an_erased_customer_is_forgotten_at_once() {
        let erased = aggregates::customer::Erased { reason: "r".to_owned(), at: at() };
        assert_eq!(asked(CustomerEvent::Erased(erased)), job(kinds::FORGET_ACCOUNT, When::Now));
    }

    #[test]
    fn what_ends_by_itself_is_a_timer() {
        let placed = serde_json::json!({
            "number": "ORD20260105060000abcdef01", "product": AGGREGATE, "name": "n",
            "kind": {"package": {"duration_days": 30, "daily_limit": 5_000_000}}, "time_zone": "Asia/Shanghai",
            "price": {"minor": 3000, "currency": "CNY"}, "provider": "sandbox",
            "placed_at": "2026-01-05T06:00:00Z", "expires_at": "2026-01-05T06:15:00Z",
        });
        let placed: Placed = serde_json::from_value(placed).unwrap();
        let expires_at = placed.expires_at;
        let half_a_minute_later = "2026-01-05T06:00:30Z".parse().unwrap();
        let expected =
            [job(kinds::EXPIRE_ORDER, When::At(expires_at)), job(kinds::RECONCILE, When::At(half_a_minute_later))];
        assert_eq!(asked(OrderEvent::Placed(placed)), expected.concat());
        let expires_at = at();
        let due = aggregates::subscription::PastDue { expires_at, at: at() };
        let key = format!("{AGGREGATE}:2026-01-05T06:00:00+00:00");
        let timer = NewJob {
            kind: kinds::SUBSCRIPTION_PERIOD,
            key,
            account_id: Some("alice".to_owned()),
            payload: json!({}),
            when: When::At(expires_at),
        };
        assert_eq!(asked(aggregates::SubscriptionEvent::PastDue(due)), vec![Ask::Do(timer.clone())]);
        // What has changed of it is told to a provider that collects by itself.
        let withdrawn = aggregates::subscription::CancelWithdrawn { at: at() };
        let told = NewJob { kind: kinds::TELL_COLLECTOR, when: When::Now, ..timer };
        assert_eq!(asked(aggregates::SubscriptionEvent::CancelWithdrawn(withdrawn)), vec![Ask::Do(told)]);
        let cancelled = aggregates::order::Cancelled { at: at() };
        assert_eq!(asked(OrderEvent::Cancelled(cancelled)), vec![]);
    }

    #[test]
    fn a_payment_is_watched_from_an_hour_after_it_was_made() {
        let amount = Money::from_minor(1, "CNY".parse().unwrap());
        let payment = Payment { provider: "alipay".to_owned(), payment_id: "p-1".to_owned(), amount, method: None };
        let paid = aggregates::order::Paid { payment, late: false, at: at() };
        let (kind, key) = (kinds::WATCH_PAYMENT, AGGREGATE.to_string());
        let (account_id, payload) = (Some("alice".to_owned()), json!({"paid_at": at()}));
        let when = When::At(at() + chrono::TimeDelta::hours(1));
        assert_eq!(asked(OrderEvent::Paid(paid)), vec![Ask::Do(NewJob { kind, key, account_id, payload, when })]);
    }

    #[test]
    fn a_grant_that_ends_and_a_hold_are_timers() {
        let granted = |expires_at: Option<DateTime<Utc>>| {
            let granted = serde_json::json!({
                "grant": Uuid::from_u128(1), "source": "order", "amount": 1, "balance": 1, "expires_at": expires_at,
            });
            CreditAccountEvent::Granted(serde_json::from_value(granted).unwrap())
        };
        assert_eq!(asked(granted(None)), vec![], "it never ends");
        let expected = NewJob {
            kind: kinds::EXPIRE_GRANT,
            key: format!("{AGGREGATE}:{}", Uuid::from_u128(1)),
            account_id: Some("alice".to_owned()),
            payload: json!({"grant": Uuid::from_u128(1)}),
            when: When::At(at()),
        };
        assert_eq!(asked(granted(Some(at()))), vec![Ask::Do(expected)]);

        let reserved = serde_json::json!({
            "reserved_by": "back_end",
            "amount": 1, "packages": [], "credits": [], "expires_at": at(), "at": at(),
        });
        let reserved = HoldEvent::Reserved(serde_json::from_value(reserved).unwrap());
        assert_eq!(asked(reserved), job(kinds::RELEASE_HOLD, When::At(at())));
        let released = HoldEvent::Released(aggregates::hold::Released { timed_out: false, at: at() });
        assert_eq!(asked(released), vec![]);
    }
}
