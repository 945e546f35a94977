use super::*;
use crate::credits::Credits;
use crate::feature::Feature;
use crate::ids::SubscriptionId;
use crate::money::{Currency, Money};
use crate::spec::{Given, time};
use crate::user_package::{DayRule, UserPackageError};

fn given(events: impl IntoIterator<Item = ProductEvent>) -> Given<Product> {
    crate::spec::given(events)
}

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:00:00Z")
}

fn money(minor: i64, currency: &str) -> Money {
    Money::from_minor(minor, currency.parse::<Currency>().unwrap())
}

fn terms(daily_limit: Credits, duration_days: u32) -> ProductKind {
    ProductKind::Package(PackageTerms {
        duration_days,
        daily_limit,
        day: DayRule::Calendar,
        again: crate::Again::Extend,
    })
}

/// Most tests change one thing about it.
fn content() -> ProductContent {
    ProductContent {
        code: None,
        name: "月卡".to_owned(),
        description: "30 days,\n5.00 a day".to_owned(),
        prices: vec![money(3_000, "CNY"), money(1_250, "LDC/2")],
        sort_order: 1,
        kind: terms(Credits::whole(5), 30),
    }
}

fn created() -> ProductEvent {
    ProductEvent::Created(content())
}

fn off_sale() -> ProductEvent {
    ProductEvent::TakenOffSale(TakenOffSale {})
}

#[test]
fn a_product_is_created_and_on_sale_at_once() {
    let product = given([]).when(now(), ProductCommand::Create(content())).then([created()]).state();
    assert_eq!(product.offer(), Ok(&content()));
}

#[test]
fn creating_again_changes_nothing_and_another_product_needs_another_number() {
    let other = ProductContent { code: None, name: "年卡".to_owned(), ..content() };
    given([created()])
        .when(now(), ProductCommand::Create(content()))
        .then_nothing()
        .when(now(), ProductCommand::Create(other))
        .then_refused(ProductError::Exists);
}

#[test]
fn a_change_is_the_whole_content_anew() {
    let changed = ProductContent { prices: vec![money(2_500, "CNY")], sort_order: -3, ..content() };
    let product = given([created()])
        .when(now(), ProductCommand::Change(changed.clone()))
        .then([ProductEvent::Changed(changed.clone())])
        .when(now(), ProductCommand::Change(changed.clone()))
        .then_nothing()
        .state();
    assert_eq!(product.offer(), Ok(&changed));
}

#[test]
fn a_change_does_not_put_a_product_back_on_sale() {
    let changed = ProductContent { sort_order: 9, ..content() };
    let product = given([created(), off_sale(), ProductEvent::Changed(changed)]).state();
    assert_eq!(product.offer(), Err(ProductError::NotOnSale));
}

#[test]
fn what_is_off_sale_cannot_be_bought_until_it_is_put_back() {
    let product = given([created()])
        .when(now(), ProductCommand::PutOnSale)
        .then_nothing()
        .when(now(), ProductCommand::TakeOffSale)
        .then([off_sale()])
        .when(now(), ProductCommand::TakeOffSale)
        .then_nothing();
    let product = product.state();
    assert_eq!(product.offer(), Err(ProductError::NotOnSale));
    let product = given([created(), off_sale()])
        .when(now(), ProductCommand::PutOnSale)
        .then([ProductEvent::PutOnSale(PutOnSale {})])
        .state();
    assert_eq!(product.offer(), Ok(&content()));
}

#[test]
fn what_was_never_created_cannot_be_changed_sold_or_bought() {
    for command in [ProductCommand::Change(content()), ProductCommand::TakeOffSale, ProductCommand::PutOnSale] {
        given([]).when(now(), command).then_refused(ProductError::NotCreated);
    }
    assert_eq!(given([]).state().offer(), Err(ProductError::NotCreated));
}

/// Refused for a new product and for a change of one alike.
fn refused(content: ProductContent, error: ProductError) {
    given([]).when(now(), ProductCommand::Create(content.clone())).then_refused(error.clone());
    given([created()]).when(now(), ProductCommand::Change(content)).then_refused(error);
}

fn accepted(content: ProductContent) {
    given([]).when(now(), ProductCommand::Create(content.clone())).then([ProductEvent::Created(content)]);
}

#[test]
fn a_product_has_a_short_printable_name() {
    for name in ["", " ", "a\nb", &*"x".repeat(201)] {
        refused(ProductContent { code: None, name: name.to_owned(), ..content() }, ProductError::BadName);
    }
    accepted(ProductContent { code: None, name: "x".repeat(200), ..content() });
}

#[test]
fn a_description_is_bounded_and_may_have_line_breaks_only() {
    for description in ["a\tb", "a\r\nb", &*"x".repeat(4_001)] {
        refused(ProductContent { description: description.to_owned(), ..content() }, ProductError::BadDescription);
    }
    for description in ["", "a\n\nb", &*"x".repeat(4_000)] {
        accepted(ProductContent { description: description.to_owned(), ..content() });
    }
}

#[test]
fn a_product_has_one_price_above_zero_in_each_of_a_few_currencies() {
    let declared = |count: u8| (0..count).map(|n| money(1, &format!("UNIT{n}/2"))).collect::<Vec<_>>();
    for prices in [
        vec![],
        vec![money(0, "CNY")],
        vec![money(3_000, "CNY"), money(-1, "EUR")],
        vec![money(3_000, "CNY"), money(1_250, "LDC/2"), money(2_000, "CNY")],
        declared(9),
    ] {
        refused(ProductContent { prices, ..content() }, ProductError::BadPrices);
    }
    accepted(ProductContent { prices: declared(8), ..content() });
}

#[test]
fn the_price_is_the_one_in_the_currency_asked_for() {
    let (content, currency) = (content(), |code: &str| code.parse::<Currency>().unwrap());
    assert_eq!(content.price_in(currency("LDC/2")), Some(money(1_250, "LDC/2")));
    assert_eq!(content.price_in(currency("EUR")), None);
    assert_eq!(content.price_in(currency("LDC/3")), None, "another unit of the same name");
}

#[test]
fn a_package_that_could_not_be_activated_is_not_sold() {
    let most = Credits::MAX;
    for (kind, error) in [
        (terms(Credits::ZERO, 30), UserPackageError::DailyLimitIsZero),
        (terms(Credits::whole(5), 0), UserPackageError::DurationOutOfRange { days: 0 }),
        (terms(Credits::whole(5), 36_501), UserPackageError::DurationOutOfRange { days: 36_501 }),
        (terms(most, 2), UserPackageError::TooLarge),
    ] {
        refused(ProductContent { kind, ..content() }, error.into());
    }
    accepted(ProductContent { kind: terms(most, 1), ..content() });
}

fn credit_pack(credits: u32, valid_days: Option<u32>) -> ProductKind {
    ProductKind::CreditPack(CreditPackTerms { credits: Credits::whole(credits), valid_days })
}

fn plan() -> PlanTerms {
    PlanTerms {
        period: Period::Months(1),
        credits: Credits::whole(10),
        valid_days: None,
        upgrade_policy: UpgradePolicy::NextCycle,
        grace_days: DEFAULT_GRACE_DAYS,
    }
}

/// Of whatever kind: it is not sold.
fn not_sold(kind: ProductKind, error: ProductError) {
    given([]).when(now(), ProductCommand::Create(ProductContent { kind, ..content() })).then_refused(error);
}

fn sold(kind: ProductKind) {
    accepted(ProductContent { kind, ..content() });
}

#[test]
fn a_license_has_uses_and_features() {
    let license = |uses, features: &[Feature]| {
        ProductKind::License(LicenseTerms { uses, features: features.iter().copied().collect() })
    };
    not_sold(license(0, &[Feature::EmailVerify]), ProductError::BadLicenseTerms);
    not_sold(license(100, &[]), ProductError::BadLicenseTerms);
    sold(license(1, &[Feature::EmailVerify]));
    sold(license(u32::MAX, Feature::ALL));
}

#[test]
fn a_credit_pack_has_credits_that_are_valid_for_days_or_for_ever() {
    for kind in [credit_pack(0, None), credit_pack(1, Some(0)), credit_pack(1, Some(36_501))] {
        not_sold(kind, ProductError::BadCredits);
    }
    for kind in [credit_pack(1, None), credit_pack(CREDITS_MAX, Some(1)), credit_pack(1, Some(36_500))] {
        sold(kind);
    }
}

/// Or a payment could be refused because the account cannot count any more.
#[test]
fn a_product_has_no_more_credits_than_an_account_can_take() {
    let one_more = Credits::whole(CREDITS_MAX).checked_add(Credits::from_micros(1).unwrap()).unwrap();
    not_sold(
        ProductKind::CreditPack(CreditPackTerms { credits: one_more, valid_days: None }),
        ProductError::BadCredits,
    );
    let plan_of = |credits| ProductKind::Subscription(PlanTerms { credits, ..plan() });
    not_sold(plan_of(one_more), ProductError::BadCredits);
    sold(plan_of(Credits::whole(CREDITS_MAX)));
}

#[test]
fn a_plan_has_a_period_and_credits_for_it() {
    let with = |change: fn(&mut PlanTerms)| {
        let mut plan = plan();
        change(&mut plan);
        ProductKind::Subscription(plan)
    };
    for kind in [
        with(|plan| plan.period = Period::Months(0)),
        with(|plan| plan.period = Period::Months(121)),
        with(|plan| plan.period = Period::Days(0)),
        with(|plan| plan.period = Period::Days(36_501)),
        with(|plan| plan.grace_days = 366),
    ] {
        not_sold(kind, ProductError::BadPeriod);
    }
    not_sold(with(|plan| plan.credits = Credits::ZERO), ProductError::BadCredits);
    not_sold(with(|plan| plan.valid_days = Some(0)), ProductError::BadCredits);
    for kind in [
        with(|plan| plan.period = Period::Months(120)),
        with(|plan| plan.period = Period::Days(1)),
        with(|plan| plan.grace_days = 0),
        with(|plan| plan.upgrade_policy = UpgradePolicy::Immediate),
    ] {
        sold(kind);
    }
}

#[test]
fn a_change_of_plan_is_no_product() {
    let change = PlanChangeTerms {
        subscription: SubscriptionId::from_uuid(uuid::Uuid::nil()),
        plan: plan(),
        price: money(1, "CNY"),
        from: ProductId::numbered(1),
        credits: Credits::ZERO,
    };
    not_sold(ProductKind::PlanChange(change), ProductError::NotForSale);
    assert_eq!(check_kind(&ProductKind::PlanChange(change)), Ok(()), "an order may be for one");
}

#[test]
fn a_product_stays_what_it_is() {
    let kinds = [
        terms(Credits::whole(5), 30),
        ProductKind::License(LicenseTerms { uses: 1, features: [Feature::EmailVerify].into_iter().collect() }),
        credit_pack(1, None),
        ProductKind::Subscription(plan()),
    ];
    for (place, kind) in kinds.iter().enumerate() {
        let was = ProductContent { kind: *kind, ..content() };
        let other = ProductContent { kind: kinds[(place + 1) % kinds.len()], ..content() };
        given([ProductEvent::Created(was)])
            .when(now(), ProductCommand::Change(other))
            .then_refused(ProductError::KindChanged);
    }
}

#[test]
fn a_code_never_changes() {
    let with = |code: Option<&str>| ProductContent { code: code.map(|code| code.parse().unwrap()), ..content() };
    for (before, after) in [(Some("basic"), Some("pro")), (Some("basic"), None), (None, Some("basic"))] {
        given([ProductEvent::Created(with(before))])
            .when(now(), ProductCommand::Change(with(after)))
            .then_refused(ProductError::CodeChanged);
    }
    let changed = ProductContent { sort_order: 7, ..with(Some("basic")) };
    given([ProductEvent::Created(with(Some("basic")))])
        .when(now(), ProductCommand::Change(changed.clone()))
        .then([ProductEvent::Changed(changed)]);
}

#[test]
fn what_happens_to_a_product_that_never_was_changes_nothing() {
    for event in [ProductEvent::Changed(content()), off_sale(), ProductEvent::PutOnSale(PutOnSale {})] {
        assert_eq!(given([event]).state(), Product::NotCreated);
    }
}

#[test]
fn terms_that_are_not_said_are_the_usual_ones() {
    let package = r#"{"package":{"duration_days":30,"daily_limit":5000000}}"#;
    assert_eq!(serde_json::from_str::<ProductKind>(package).unwrap(), terms(Credits::whole(5), 30));
    let subscription = r#"{"subscription":{"period":{"months":1},"credits":10000000}}"#;
    assert_eq!(serde_json::from_str::<ProductKind>(subscription).unwrap(), ProductKind::Subscription(plan()));
}
