//! Every event as it is stored, one file per aggregate. What is written here is in somebody's log: add to it, never
//! change it.

mod credit_account;
mod customer;
mod delivery;
mod hold;
mod holdings;
mod license;
mod order;
mod product;
mod provider;
mod subscription;
mod user_package;

use crate::credit_account::{Deducted, GrantSource, Granted, Spent, Taken};
use crate::credits::Credits;
use crate::customer::{Described, Erased, Locale};
use crate::delivery::{AttemptFailed, DeliveryStep, GivenUp, KeyCreated, MailSent, Requested, Retried, Withdrawn};
use crate::holdings::PackageAdded;
use crate::ids::{GrantId, OrderId, ProductId, RefundId, UserPackageId};
use crate::kinds::Event;
use crate::money::{Currency, Money};
use crate::order::{
    Cancelled, Checkout, CheckoutOpened, Delivered, Expired as OrderExpired, Failed, Fulfilled, Paid, Payment,
    PaymentDuplicated, PaymentMismatched, Placed, RefundFailed, RefundGivenUp, RefundRefused, RefundRequested,
    RefundRetried, Refunded, ReviewClosed, ReviewOutcome,
};
use crate::product::{
    PackageTerms, Period, PlanTerms, ProductContent, ProductKind, PutOnSale, TakenOffSale, UpgradePolicy,
};
use crate::spec::{day, id, time};
use crate::subscription::{
    CancelScheduled, CancelWithdrawn, Ended, PaidPeriod, PastDue, Plan, PlanChangeScheduled, PlanChanged, Renewed,
    Started, SubscriptionEnd,
};
use crate::user_package::{Activated, Consumed, DayRule, Expired};
use crate::{
    CreditAccountEvent, CustomerEvent, DeliveryEvent, HoldingsEvent, OrderEvent, ProductEvent, SubscriptionEvent,
    UserPackageEvent,
};

type Stored = Vec<(Event, &'static str)>;

pub(crate) fn stored() -> Stored {
    [
        credit_account::stored(),
        credit_account::of_debts_and_holds(),
        user_package::stored(),
        holdings::stored(),
        product::stored(),
        order::stored(),
        order::payments(),
        order::refunds(),
        delivery::stored(),
        customer::stored(),
        hold::stored(),
        license::stored(),
        subscription::stored(),
        provider::stored(),
    ]
    .concat()
}

fn labels() -> (Option<String>, Option<String>) {
    (Some("tokens".to_owned()), Some("call-7".to_owned()))
}

fn money(minor: i64, currency: &str) -> Money {
    Money::from_minor(minor, currency.parse::<Currency>().unwrap())
}

fn kind() -> ProductKind {
    ProductKind::Package(PackageTerms {
        duration_days: 30,
        daily_limit: Credits::whole(5),
        day: DayRule::Calendar,
        again: crate::Again::Extend,
    })
}
