//! Products of every type made, changed, taken off sale. `admin_packages.rs` does the same for packages alone.

use std::sync::Arc;

use aggregates::product::ProductError;
use aggregates::{AccountId, AggregateId, Refusal, State as Aggregate};
use aggregates::{
    Again, CreditPackTerms, Currency, DayRule, Event, Feature, LicenseTerms, Money, PackageTerms, Period, PlanTerms,
    Product, ProductCode, ProductCommand, ProductContent, ProductEvent, ProductId, ProductKind, UpgradePolicy,
};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use projections::catalogue::query::{self as catalogue, ProductView, Shown};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::auth::{Admin, Auditor, Caller};
use super::super::decimal::{CreditsIn, PriceIn};
use super::super::idempotency::{IdempotencyKey, Written};
use super::super::json::Body;
use super::super::paging::{Page, Wants};
use super::super::problem::{Problem, Reason};
use super::super::query::{Named, Params};
use super::catalogue::{TypedProductsQuery, page_of_type};
use super::fresh::{Api, Fresh};
use super::{actor, whole};
use crate::app::App;
use crate::store::Receipt;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, replace, take_off_sale))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TypeIn {
    Package,
    License,
    CreditPack,
    Subscription,
}

impl TypeIn {
    const fn a(self) -> &'static str {
        match self {
            Self::Package => "a package",
            Self::License => "a license",
            Self::CreditPack => "a credit pack",
            Self::Subscription => "a subscription",
        }
    }
}

/// A product as an admin writes it: what every product has, and the terms of its own type.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProductIn {
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: TypeIn,
    /// What integrators call it: `{"product_type": "basic"}`. No two products have the same, and it never changes; left
    /// out when changing, it stays.
    #[schema(example = "basic", max_length = 32)]
    code: Option<String>,
    #[schema(example = "基础版", min_length = 1, max_length = 200)]
    name: String,
    #[serde(default)]
    #[schema(example = "个人用户，少量验证需求", max_length = 4000)]
    description: String,
    /// In the usual currency. Either this or `prices`.
    price: Option<PriceIn>,
    /// One for each currency it is sold in.
    #[serde(default)]
    prices: Vec<AmountIn>,
    /// Smaller numbers are shown first.
    #[serde(default)]
    #[schema(example = 1)]
    sort_order: i32,
    /// Only when changing: puts it on sale, or takes it off.
    on_sale: Option<bool>,
    /// Of a package.
    #[schema(minimum = 1)]
    duration_days: Option<u32>,
    /// Of a package.
    daily_limit: Option<CreditsIn>,
    /// Of a package: `calendar` (unless said) or `anniversary`.
    #[schema(value_type = Option<String>)]
    day: Option<DayRule>,
    /// Of a package, when it is bought again: `extend` (unless said), `parallel` or `queue`.
    #[schema(value_type = Option<String>)]
    again: Option<Again>,
    /// Of a license.
    #[schema(example = 100, minimum = 1)]
    uses: Option<u32>,
    /// Of a license: `email_verify`, `email_import`, `task_management`, `api_access`, `priority_support`.
    #[schema(value_type = Option<Vec<String>>, example = json!(["email_verify"]))]
    features: Option<Vec<Feature>>,
    /// Of a credit pack, or of each period of a subscription.
    credits: Option<CreditsIn>,
    /// Of a credit pack or a subscription: days that its credits are valid for; for ever unless said.
    #[schema(minimum = 1)]
    valid_days: Option<u32>,
    /// Of a subscription: `{"months": 1}` or `{"days": 30}`.
    #[schema(value_type = Option<Object>)]
    period: Option<Period>,
    /// Of a subscription: `next_cycle` (unless said) or `immediate`.
    #[schema(value_type = Option<String>)]
    upgrade_policy: Option<UpgradePolicy>,
    /// Of a subscription: days that a period may stay unpaid; 3 unless said.
    grace_days: Option<u32>,
}

/// An amount of money.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AmountIn {
    amount: PriceIn,
    #[schema(example = "CNY")]
    currency: String,
}

impl ProductIn {
    fn content(&self, usual: Currency) -> Result<ProductContent, Problem> {
        Ok(ProductContent {
            code: code(self.code.as_deref())?,
            name: self.name.clone(),
            description: self.description.clone(),
            prices: prices(self.price.as_ref(), &self.prices, usual)?,
            sort_order: self.sort_order,
            kind: self.kind()?,
        })
    }

    fn kind(&self) -> Result<ProductKind, Problem> {
        self.refuse_terms_of_other_types()?;
        Ok(match self.kind {
            TypeIn::Package => ProductKind::Package(PackageTerms {
                duration_days: needed(self.duration_days, "/duration_days")?,
                daily_limit: needed(self.daily_limit, "/daily_limit")?.0,
                day: self.day.unwrap_or_default(),
                again: self.again.unwrap_or_default(),
            }),
            TypeIn::License => ProductKind::License(LicenseTerms {
                uses: needed(self.uses, "/uses")?,
                features: needed(self.features.as_ref(), "/features")?.iter().copied().collect(),
            }),
            TypeIn::CreditPack => ProductKind::CreditPack(CreditPackTerms {
                credits: needed(self.credits, "/credits")?.0,
                valid_days: self.valid_days,
            }),
            TypeIn::Subscription => ProductKind::Subscription(PlanTerms {
                period: needed(self.period, "/period")?,
                credits: needed(self.credits, "/credits")?.0,
                valid_days: self.valid_days,
                upgrade_policy: self.upgrade_policy.unwrap_or_default(),
                grace_days: self.grace_days.unwrap_or(aggregates::product::DEFAULT_GRACE_DAYS),
            }),
        })
    }

    /// What was sent and would be forgotten is a mistake of who sent it.
    fn refuse_terms_of_other_types(&self) -> Result<(), Problem> {
        use TypeIn::{CreditPack, License, Package, Subscription};
        let terms: [(&str, bool, &[TypeIn]); 11] = [
            ("duration_days", self.duration_days.is_some(), &[Package]),
            ("daily_limit", self.daily_limit.is_some(), &[Package]),
            ("day", self.day.is_some(), &[Package]),
            ("again", self.again.is_some(), &[Package]),
            ("uses", self.uses.is_some(), &[License]),
            ("features", self.features.is_some(), &[License]),
            ("credits", self.credits.is_some(), &[CreditPack, Subscription]),
            ("valid_days", self.valid_days.is_some(), &[CreditPack, Subscription]),
            ("period", self.period.is_some(), &[Subscription]),
            ("upgrade_policy", self.upgrade_policy.is_some(), &[Subscription]),
            ("grace_days", self.grace_days.is_some(), &[Subscription]),
        ];
        match terms.into_iter().find(|(_, sent, types)| *sent && !types.contains(&self.kind)) {
            None => Ok(()),
            Some((name, ..)) => {
                let detail = format!("is no term of {}", self.kind.a());
                Err(Problem::field(Reason::UnknownField, format!("/{name}"), detail))
            }
        }
    }
}

fn needed<T>(sent: Option<T>, pointer: &str) -> Result<T, Problem> {
    sent.ok_or_else(|| Problem::field(Reason::MissingField, pointer, "is missing"))
}

pub(super) fn code(sent: Option<&str>) -> Result<Option<ProductCode>, Problem> {
    let code = sent.map(str::parse::<ProductCode>).transpose();
    code.map_err(|error| Problem::field(Reason::BadValue, "/code", error.to_string()))
}

pub(super) fn prices(price: Option<&PriceIn>, prices: &[AmountIn], usual: Currency) -> Result<Vec<Money>, Problem> {
    match (price, prices) {
        (Some(price), []) => Ok(vec![price.to_money(usual, "/price")?]),
        (None, []) => Err(Problem::field(Reason::MissingField, "/price", "is missing")),
        (Some(_), _) => Err(Problem::field(Reason::BadValue, "/prices", "send price or prices, not both")),
        (None, prices) => prices.iter().enumerate().map(|(at, price)| price.to_money(at, usual)).collect(),
    }
}

impl AmountIn {
    fn to_money(&self, at: usize, usual: Currency) -> Result<Money, Problem> {
        // A declared unit is known by its code here; its decimals are in the settings.
        let currency = if self.currency == usual.code() { Ok(usual) } else { Currency::iso(&self.currency) };
        let currency = currency
            .map_err(|error| Problem::field(Reason::BadValue, format!("/prices/{at}/currency"), error.to_string()))?;
        self.amount.to_money(currency, &format!("/prices/{at}/amount"))
    }
}

/// Every product there ever was, in the order they are shown in.
#[utoipa::path(
    get, path = "/api/v1/admin/products", tag = "products", params(TypedProductsQuery),
    responses((status = 200, content((Page<ProductView> = "application/json"), (String = "text/csv"))))
)]
async fn list(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    wants: Wants,
    Params(query): Params<TypedProductsQuery>,
) -> Result<Response, Problem> {
    let page = page_of_type(&app, Shown::ALL, query).await?;
    Ok(page.answer(wants))
}

/// One product, on sale or not.
#[utoipa::path(
    get, path = "/api/v1/admin/products/{id}", tag = "products",
    params(("id" = u32, Path)), responses((status = 200, body = ProductView))
)]
async fn one(
    _: Auditor,
    _: Fresh,
    State(app): State<App>,
    Named(number): Named<u32>,
) -> Result<Json<ProductView>, Problem> {
    let product = catalogue::one(&app.pool, number).await?;
    product.map(Json).ok_or_else(|| Problem::not_found("product"))
}

/// Creates a product, on sale at once.
#[utoipa::path(
    post, path = "/api/v1/admin/products", tag = "products",
    request_body = ProductIn, responses((status = 201, body = ProductView))
)]
async fn create(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Body(product): Body<ProductIn>,
) -> Result<Written<ProductView>, Problem> {
    let content = product.content(app.currency)?;
    let (receipt, view) = created(&app, admin, &key, product.on_sale, content).await?;
    Ok(Written::created(&receipt, view))
}

/// Replaces what a product is; its type and its code stay. Orders that were placed before keep what they bought.
#[utoipa::path(
    put, path = "/api/v1/admin/products/{id}", tag = "products",
    params(("id" = u32, Path)), request_body = ProductIn, responses((status = 200, body = ProductView))
)]
async fn replace(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(number): Named<u32>,
    Body(product): Body<ProductIn>,
) -> Result<Written<ProductView>, Problem> {
    let before = known(&app, number).await?;
    let commands = replacing(&before, product.content(app.currency)?, product.on_sale);
    let (receipt, view) = changed(&app, admin, &key, number, commands).await?;
    Ok(Written::ok(&receipt, view))
}

/// Takes a product off sale. Who has it keeps it.
#[utoipa::path(
    delete, path = "/api/v1/admin/products/{id}", tag = "products",
    params(("id" = u32, Path)), responses((status = 200, body = ProductView))
)]
async fn take_off_sale(
    Admin(admin): Admin,
    key: IdempotencyKey,
    State(app): State<App>,
    Named(number): Named<u32>,
) -> Result<Written<ProductView>, Problem> {
    let (receipt, view) = changed(&app, admin, &key, number, vec![ProductCommand::TakeOffSale]).await?;
    Ok(Written::ok(&receipt, view))
}

/// What is in the catalogue under a number now.
pub(super) async fn known(app: &App, number: u32) -> Result<ProductContent, Problem> {
    match app.dispatch.product(ProductId::numbered(number)).await? {
        Product::NotCreated => Err(Refusal::from(ProductError::NotCreated).into()),
        Product::Created { content, .. } => Ok(*content),
    }
}

/// The whole content anew, but for a code that was left out.
pub(super) fn replacing(
    before: &ProductContent,
    content: ProductContent,
    on_sale: Option<bool>,
) -> Vec<ProductCommand> {
    let sale = on_sale.map(|on_sale| match on_sale {
        true => ProductCommand::PutOnSale,
        false => ProductCommand::TakeOffSale,
    });
    let code = content.code.clone().or_else(|| before.code.clone());
    [ProductCommand::Change(ProductContent { code, ..content })].into_iter().chain(sale).collect()
}

pub(super) async fn created(
    app: &App,
    admin: Arc<Caller>,
    key: &IdempotencyKey,
    on_sale: Option<bool>,
    content: ProductContent,
) -> Result<(Receipt, ProductView), Problem> {
    if on_sale == Some(false) {
        return Err(Problem::field(Reason::BadValue, "/on_sale", "a new product is on sale"));
    }
    let next = catalogue::newest(&app.pool).await?.saturating_add(1);
    let id = key.command_id(admin.account.as_str());
    let dispatch = app.dispatch.clone();
    let receipt = whole(async move { dispatch.create_product(&actor(&admin), id, next, content).await }).await?;
    let view = receipt.events.iter().find_map(|recorded| match &recorded.event {
        Event::Product(ProductEvent::Created(content)) => {
            Some(ProductView::of(ProductId::from_uuid(recorded.aggregate.id).number()?, content, true))
        }
        _ => None,
    });
    let view = view.ok_or_else(|| Problem::internal("a product without its event"))?;
    Ok((receipt, view))
}

pub(super) async fn changed(
    app: &App,
    admin: Arc<Caller>,
    key: &IdempotencyKey,
    number: u32,
    commands: Vec<ProductCommand>,
) -> Result<(Receipt, ProductView), Problem> {
    let (id, product) = (key.command_id(admin.account.as_str()), ProductId::numbered(number));
    let dispatch = app.dispatch.clone();
    let receipt = whole(async move { dispatch.change_product(&actor(&admin), id, product, commands).await }).await?;
    let aggregate = AggregateId::product(product);
    let state = app.dispatch.look_after(&AccountId::system(), aggregate, &receipt).await?;
    let Aggregate::Product(Product::Created { content, on_sale }) = state else {
        return Err(Problem::not_found("product"));
    };
    let view = ProductView::of(number, &content, on_sale);
    Ok((receipt, view))
}
