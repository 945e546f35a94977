//! Why a command was refused: one type over all aggregates, for the one place that turns it into an answer.
//!
//! A code is stable; clients branch on it. The sentence is for people, and may be reworded.
//!
//! | code | means |
//! |---|---|
//! | E4001 | not enough credits or quota; nothing was taken |
//! | E4002 | the amount is zero |
//! | E4003 | the result would be too large to count |
//! | E4004 | a meter or reference is empty, too long, or has control characters |
//! | E4005 | a reason is empty, too long, or has control characters |
//! | E4010 | this grant exists with other content |
//! | E4011 | the grant would already have expired |
//! | E4012 | the grant would expire too late to be written down |
//! | E4013 | the grant has not expired |
//! | E4020 | the daily limit is zero |
//! | E4021 | the duration is out of range |
//! | E4022 | this package exists with other terms |
//! | E4023 | the package has not been activated |
//! | E4024 | the package has not started |
//! | E4025 | the package has ended |
//! | E4026 | the package would run at a time that cannot be written down |
//! | E4027 | the package has not ended |
//! | E4028 | the package was revoked |
//! | E4029 | the package has started, or would start later than it does |
//! | E4030 | a product outside of the catalogue's account, or something else in it |
//! | E4031 | the package was bought with other orders |
//! | E4032 | so much of the package is not held |
//! | E4040 | there is no such product |
//! | E4041 | this number names another product |
//! | E4042 | a product cannot change its kind |
//! | E4043 | the product is not on sale |
//! | E4044 | the name of the product is not one |
//! | E4045 | the description of the product is too long or has control characters |
//! | E4046 | the prices of the product are none, too many, zero, or twice in one currency |
//! | E4047 | the code of a product never changes |
//! | E4048 | a license without uses or features |
//! | E4049 | credits that are none, or valid too long; a period that is none, or too long |
//! | E4050 | there is no such order |
//! | E4051 | this number names another order |
//! | E4052 | the price is zero |
//! | E4053 | the order would expire at a time that cannot be |
//! | E4054 | the name of the provider is not one |
//! | E4055 | the order is no longer pending |
//! | E4056 | the order has not expired yet |
//! | E4057 | the payment of this order is open elsewhere |
//! | E4058 | the payment lacks a name, or its amount is negative |
//! | E4059 | too many payments of this order wait for review |
//! | E4060 | name and e-mail did not arrive sealed |
//! | E4061 | the checkout has neither address nor QR code, or one that is too long |
//! | E4062 | the payment was reported before with another amount |
//! | E4063 | the order has no such payment, or nobody's decision about it is waited for |
//! | E4064 | there is no such refund |
//! | E4065 | more is to go back than is left of the payment |
//! | E4066 | the payment was made in another currency |
//! | E4067 | the refund was recorded with other content |
//! | E4068 | the order has too many refunds |
//! | E4069 | the refund is done or was refused |
//! | E4070 | there is no such delivery |
//! | E4071 | the order is delivered otherwise |
//! | E4072 | the API key was already created |
//! | E4073 | there is no API key to mail yet |
//! | E4074 | the delivery is done |
//! | E4075 | more of an API key than its last four characters |
//! | E4076 | the account was erased |
//! | E4077 | what was to be delivered was given back |
//! | E4080 | there is no such hold |
//! | E4081 | this number names another hold |
//! | E4082 | more than is held |
//! | E4083 | the hold was settled |
//! | E4084 | the hold was released |
//! | E4085 | the hold timed out |
//! | E4086 | the hold has not timed out |
//! | E4087 | the hold would time out too early or too late |
//! | E4088 | a back end reserved the hold, and a back end ends it |
//! | E4090 | there is no such license |
//! | E4091 | this license exists with other content |
//! | E4092 | the key, the note or the outcome of a license did not arrive sealed |
//! | E4093 | the license is bound to another account |
//! | E4094 | the license was revoked |
//! | E4095 | the license has fewer uses left than are needed |
//! | E4096 | the license does not include the feature |
//! | E4097 | this use was recorded with other content |
//! | E4098 | there is no such use, or it is too long ago |
//! | E4099 | the use has fewer units than it is to keep |
//! | E4100 | there is no such subscription |
//! | E4101 | this subscription exists with other content |
//! | E4102 | the subscription has ended |
//! | E4103 | the subscription is paid for until later |
//! | E4104 | a period would end at a time that cannot be written down |
//! | E4105 | the plan is paid in another currency |
//! | E4106 | the last period is unpaid |
//! | E4110 | too many settings of a provider, or one that is too long |
//! | E4111 | the provider was set up otherwise meanwhile |

use thiserror::Error;

use crate::charge::ChargeError;
use crate::credit_account::CreditAccountError;
use crate::customer::CustomerError;
use crate::delivery::DeliveryError;
use crate::desk::{Halt, WrongAccount};
use crate::hold::HoldError;
use crate::holdings::HoldingsError;
use crate::license::LicenseError;
use crate::order::OrderError;
use crate::product::ProductError;
use crate::provider::ProviderSettingsError;
use crate::subscription::SubscriptionError;
use crate::user_package::UserPackageError;

macro_rules! refusals {
    ($($variant:ident($error:ty),)*) => {
        /// Why a command was refused.
        #[derive(Clone, Debug, PartialEq, Eq, Error)]
        pub enum Refusal {
            $(#[error(transparent)] $variant(#[from] $error),)*
        }

        impl Refusal {
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant(error) => error.code(),)*
                }
            }
        }

        $(
            impl From<$error> for Halt {
                fn from(error: $error) -> Self {
                    Self::Refused(error.into())
                }
            }
        )*
    };
}

refusals! {
    CreditAccount(CreditAccountError),
    UserPackage(UserPackageError),
    Holdings(HoldingsError),
    Product(ProductError),
    Order(OrderError),
    Delivery(DeliveryError),
    Customer(CustomerError),
    Hold(HoldError),
    License(LicenseError),
    Subscription(SubscriptionError),
    ProviderSettings(ProviderSettingsError),
    Charge(ChargeError),
    WrongAccount(WrongAccount),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credits::Credits;
    use crate::ids::GrantId;
    use crate::label::BadLabel;
    use crate::money::{Currency, Money};
    use crate::order::{BadPayment, OrderStatus, RefundStage};
    use crate::reason::BadReason;
    use crate::spec::{id, time};

    fn cny() -> Currency {
        Currency::iso("CNY").unwrap()
    }

    fn all() -> Vec<Refusal> {
        [
            of_credits_and_packages(),
            of_holds(),
            of_the_shop(),
            of_deliveries_and_the_rest(),
            of_licenses(),
            of_subscriptions(),
        ]
        .concat()
    }

    fn of_credits_and_packages() -> Vec<Refusal> {
        let (some, none) = (Credits::whole(5), Credits::ZERO);
        let at = time("2026-01-05T06:00:00Z");
        vec![
            CreditAccountError::NotEnough { needed: some, available: none }.into(),
            CreditAccountError::AmountIsZero.into(),
            CreditAccountError::TooLarge.into(),
            CreditAccountError::BadLabel(BadLabel).into(),
            CreditAccountError::BadReason(BadReason).into(),
            CreditAccountError::GrantDiffers { grant: id(1, GrantId::from_uuid) }.into(),
            CreditAccountError::ExpiresInThePast { expires_at: at }.into(),
            CreditAccountError::ExpiresTooLate.into(),
            CreditAccountError::NotExpired { grant: id(1, GrantId::from_uuid) }.into(),
            UserPackageError::NotEnough { needed: some, left: none }.into(),
            UserPackageError::AmountIsZero.into(),
            UserPackageError::TooLarge.into(),
            UserPackageError::BadLabel(BadLabel).into(),
            UserPackageError::DailyLimitIsZero.into(),
            UserPackageError::DurationOutOfRange { days: 0 }.into(),
            UserPackageError::TermsDiffer.into(),
            UserPackageError::NotActivated.into(),
            UserPackageError::NotStarted { starts_at: at }.into(),
            UserPackageError::Ended { ended_at: at }.into(),
            UserPackageError::NotEnded { ends_at: at }.into(),
            UserPackageError::TimeOutOfRange.into(),
            UserPackageError::Revoked.into(),
            UserPackageError::NotSooner { starts_at: at }.into(),
            UserPackageError::NotItsOrder.into(),
            UserPackageError::NotHeld { day: at.date_naive() }.into(),
            UserPackageError::BadReason(BadReason).into(),
            ChargeError::NotEnough { needed: some, available: none }.into(),
            ChargeError::AmountIsZero.into(),
            ChargeError::BadLabel(BadLabel).into(),
        ]
    }

    fn of_holds() -> Vec<Refusal> {
        let (some, none) = (Credits::whole(5), Credits::ZERO);
        let expires_at = time("2026-01-05T06:00:00Z");
        vec![
            HoldError::NotEnough { needed: some, available: none }.into(),
            HoldError::AmountIsZero.into(),
            HoldError::BadLabel(BadLabel).into(),
            HoldError::NotReserved.into(),
            HoldError::Exists.into(),
            HoldError::MoreThanHeld { held: none, asked: some }.into(),
            HoldError::AlreadySettled { amount: some }.into(),
            HoldError::AlreadyReleased.into(),
            HoldError::TimedOut { expires_at }.into(),
            HoldError::NotTimedOut { expires_at }.into(),
            HoldError::BadExpiry.into(),
            HoldError::NotTheirs.into(),
        ]
    }

    fn of_the_shop() -> Vec<Refusal> {
        let at = time("2026-01-05T06:00:00Z");
        vec![
            ProductError::NotCreated.into(),
            ProductError::Exists.into(),
            ProductError::KindChanged.into(),
            ProductError::NotOnSale.into(),
            ProductError::BadName.into(),
            ProductError::BadDescription.into(),
            ProductError::BadPrices.into(),
            ProductError::CodeChanged.into(),
            ProductError::NotForSale.into(),
            ProductError::BadLicenseTerms.into(),
            ProductError::BadCredits.into(),
            ProductError::BadPeriod.into(),
            ProductError::Package(UserPackageError::DailyLimitIsZero).into(),
            OrderError::NotPlaced.into(),
            OrderError::Exists.into(),
            OrderError::PriceIsZero.into(),
            OrderError::BadExpiry.into(),
            OrderError::BadProvider.into(),
            OrderError::NotPending { status: OrderStatus::Paid }.into(),
            OrderError::NotYetExpired { expires_at: at }.into(),
            OrderError::CheckoutDiffers.into(),
            OrderError::BadPayment(BadPayment).into(),
            OrderError::TooManyReviews.into(),
            OrderError::BadCheckout.into(),
            OrderError::PaymentDiffers.into(),
            OrderError::NoSuchPayment.into(),
            OrderError::NoSuchRefund.into(),
            OrderError::RefundIsZero.into(),
            OrderError::RefundTooMuch { left: Money::zero(cny()) }.into(),
            OrderError::RefundCurrency { currency: cny() }.into(),
            OrderError::RefundDiffers.into(),
            OrderError::TooManyRefunds.into(),
            OrderError::RefundEnded { stage: RefundStage::Done }.into(),
            OrderError::Product(ProductError::BadName).into(),
            OrderError::BadReason(BadReason).into(),
        ]
    }

    fn of_deliveries_and_the_rest() -> Vec<Refusal> {
        vec![
            DeliveryError::NotRequested.into(),
            DeliveryError::Differs.into(),
            DeliveryError::KeyDiffers.into(),
            DeliveryError::NoKeyYet.into(),
            DeliveryError::Done.into(),
            DeliveryError::NotLastFour.into(),
            DeliveryError::Withdrawn.into(),
            DeliveryError::BadLabel(BadLabel).into(),
            DeliveryError::BadReason(BadReason).into(),
            CustomerError::BadProfile.into(),
            CustomerError::Erased.into(),
            CustomerError::BadReason(BadReason).into(),
            WrongAccount.into(),
        ]
    }

    fn of_licenses() -> Vec<Refusal> {
        vec![
            LicenseError::BadLabel(BadLabel).into(),
            LicenseError::BadReason(BadReason).into(),
            LicenseError::NoUnits.into(),
            LicenseError::NotIssued.into(),
            LicenseError::Exists.into(),
            LicenseError::NotSealed.into(),
            LicenseError::NotYours.into(),
            LicenseError::Revoked.into(),
            LicenseError::Exhausted { needed: 2, left: 1 }.into(),
            LicenseError::WithoutFeature { feature: crate::feature::Feature::EmailVerify }.into(),
            LicenseError::UseDiffers.into(),
            LicenseError::NoSuchUse.into(),
            LicenseError::KeepsMore { units: 1 }.into(),
        ]
    }

    fn of_subscriptions() -> Vec<Refusal> {
        vec![
            SubscriptionError::BadReason(BadReason).into(),
            SubscriptionError::NotStarted.into(),
            SubscriptionError::Exists.into(),
            SubscriptionError::Ended.into(),
            SubscriptionError::NotOver { ends_at: time("2026-01-05T06:00:00Z") }.into(),
            SubscriptionError::TimeOutOfRange.into(),
            SubscriptionError::OtherCurrency.into(),
            SubscriptionError::PastDue.into(),
            ProviderSettingsError::BadSetting.into(),
            ProviderSettingsError::Changed.into(),
        ]
    }

    #[test]
    fn every_code_is_in_the_table_and_every_row_is_used() {
        let table = include_str!("refusal.rs").lines().filter_map(|line| line.strip_prefix("//! | E"));
        let documented: Vec<_> = table.map(|row| format!("E{}", &row[..4])).collect();
        let used: std::collections::BTreeSet<_> = all().iter().map(|refusal| refusal.code().to_owned()).collect();
        assert_eq!(documented, used.into_iter().collect::<Vec<_>>(), "sorted by code");
    }

    #[test]
    fn not_enough_says_what_was_needed_and_what_there_was() {
        for refusal in all().into_iter().filter(|refusal| refusal.code() == "E4001") {
            let sentence = refusal.to_string();
            assert!(sentence.contains("5.00") && sentence.contains("0.00"), "{sentence}");
        }
    }
}
