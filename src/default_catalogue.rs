//! What a new ledger sells, until its operator says otherwise: one product of every kind, and more.
//!
//! Each has a price in the usual currency, in US dollars, and in the credits of linux.do, so that every payment provider
//! has something to collect.
//!
//! | number | code | what |
//! |---|---|---|
//! | 1 | `package_30` | a package: 30 days of 5.00 |
//! | 2, 3, 4 | `basic`, `pro`, `enterprise` | licenses of 100, 500 and 1000 uses |
//! | 5, 6 | `credits_10`, `credits_100` | credit packs |
//! | 7, 8 | `plan_basic`, `plan_pro` | subscriptions, by the month |

use aggregates::{
    Again, CreditPackTerms, Credits, Currency, DayRule, Feature, LicenseTerms, Money, PackageTerms, Period, PlanTerms,
    ProductContent, ProductKind, UpgradePolicy,
};

use crate::dispatch::{Actor, Dispatcher};

/// Creates it where the catalogue is empty: once, however many processes start.
///
/// # Errors
/// When it cannot be recorded.
pub async fn set_up(dispatch: &Dispatcher, currency: Currency) -> anyhow::Result<()> {
    let products: Result<Vec<_>, _> =
        offers().into_iter().zip(1..).map(|(offer, n)| offer.content(n, currency)).collect();
    Ok(dispatch.fill_catalogue(&Actor::system("default_catalogue"), products?).await?)
}

/// As LINUX DO Credit counts.
const LDC: &str = "LDC/2";

struct Offer {
    code: &'static str,
    name: &'static str,
    description: &'static str,
    /// In the usual currency, and as many credits of linux.do.
    price: &'static str,
    usd: &'static str,
    kind: ProductKind,
}

impl Offer {
    fn content(self, sort_order: i32, currency: Currency) -> anyhow::Result<ProductContent> {
        let Self { code, name, description, price, usd, kind } = self;
        let mut prices = vec![Money::parse(price, currency)?];
        for (text, other) in [(usd, "USD"), (price, LDC)] {
            let other: Currency = other.parse()?;
            if other != currency {
                prices.push(Money::parse(text, other)?);
            }
        }
        Ok(ProductContent {
            code: Some(code.parse()?),
            name: name.to_owned(),
            description: description.to_owned(),
            prices,
            sort_order,
            kind,
        })
    }
}

fn offers() -> [Offer; 8] {
    let package = PackageTerms {
        duration_days: 30,
        daily_limit: Credits::whole(5),
        day: DayRule::Calendar,
        again: Again::Extend,
    };
    let pro = &[Feature::EmailVerify, Feature::EmailImport, Feature::TaskManagement];
    let pack =
        |credits, valid_days| ProductKind::CreditPack(CreditPackTerms { credits: Credits::whole(credits), valid_days });
    let offer = |code, name, description, (price, usd), kind| Offer { code, name, description, price, usd, kind };
    [
        offer("package_30", "基础套餐", "适合轻度使用", ("30", "4.20"), ProductKind::Package(package)),
        offer("basic", "基础版", "个人用户，少量验证需求", ("10", "1.40"), license(100, &[Feature::EmailVerify])),
        offer("pro", "专业版", "小团队，中等验证需求", ("30", "4.20"), license(500, pro)),
        offer("enterprise", "企业版", "企业用户，大量验证需求", ("50", "7.00"), license(1_000, Feature::ALL)),
        offer("credits_10", "10 积分", "一年内有效", ("10", "1.40"), pack(10, Some(365))),
        offer("credits_100", "100 积分", "一年内有效", ("90", "12.60"), pack(100, Some(365))),
        offer("plan_basic", "基础订阅", "每月 30 积分", ("25", "3.50"), plan(30, UpgradePolicy::NextCycle)),
        offer("plan_pro", "专业订阅", "每月 100 积分", ("75", "10.50"), plan(100, UpgradePolicy::Immediate)),
    ]
}

fn license(uses: u32, features: &[Feature]) -> ProductKind {
    ProductKind::License(LicenseTerms { uses, features: features.iter().copied().collect() })
}

/// What a month leaves over can be used for another one.
fn plan(credits: u32, upgrade_policy: UpgradePolicy) -> ProductKind {
    ProductKind::Subscription(PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(credits),
        valid_days: Some(60),
        upgrade_policy,
        grace_days: aggregates::product::DEFAULT_GRACE_DAYS,
    })
}
