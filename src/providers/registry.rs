//! The list of providers there are, and which of them this instance has been set up for.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use aggregates::{Currency, Money, ProductContent, ProductId};
use axum::http::Method;

use super::Provider;
use super::settings::{BadSetting, Field, Site, Values, list};
use super::simulator::{KeyFile, Simulated};

/// A provider there is, whether or not it is set up here. To add one: its folder, and its line in [`SPECS`].
pub struct Spec {
    /// As orders and settings name it.
    pub name: &'static str,
    /// As people know it.
    pub title: &'static str,
    /// What the names of its settings begin with in the environment.
    pub prefix: &'static str,
    /// Beside those that every provider has.
    pub fields: &'static [Field],
    /// Where its notifications come in.
    pub webhooks: &'static [Webhook],
    pub build: fn(&Values, &Site) -> Built,
    /// Its side of it, for development and tests.
    pub simulate: fn(&mut KeyFile, base: &str) -> anyhow::Result<Simulated>,
}

/// A provider, or what is wrong with its settings.
pub type Built = Result<Arc<dyn Provider>, BadSetting>;

/// Where notifications come in.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub path: &'static str,
    pub methods: &'static [Method],
}

/// All of them, in the order in which they are offered.
pub const SPECS: &[&Spec] = &[
    &super::alipay::SPECIFICATION,
    &super::wechat::SPECIFICATION,
    &super::antom::SPECIFICATION,
    &super::crossmint::SPECIFICATION,
    &super::creem::SPECIFICATION,
    &super::linuxdo_credit::SPECIFICATION,
];

#[must_use]
pub fn spec(name: &str) -> Option<&'static Spec> {
    SPECS.iter().copied().find(|spec| spec.name == name)
}

/// `true` unless set: whether new orders may be paid with it. Those that were placed go on either way.
pub const ENABLED: &str = "enabled";
/// Which products it serves, by code or number, between commas; all unless set.
pub const PRODUCTS: &str = "products";

/// What every provider has.
pub const COMMON: &[Field] = &[
    Field::optional(ENABLED, "true or false: whether new orders may be paid with it"),
    Field::optional(PRODUCTS, "the codes or numbers of the products it serves, by commas; all unless set"),
];

impl Spec {
    /// All that can be set of it.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().chain(COMMON)
    }

    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.all_fields().find(|field| field.name == name)
    }

    /// As the environment names it.
    #[must_use]
    pub fn variable(&self, field: &str) -> String {
        format!("{}{}", self.prefix, field.to_ascii_uppercase())
    }

    /// # Errors
    /// Names what is wrong.
    pub fn configure(&self, values: &Values, site: &Site) -> Result<Configured, BadSetting> {
        if let Some(unknown) = values.names().find(|name| self.field(name).is_none()) {
            return Err(BadSetting::new(unknown, "is not a setting of this provider"));
        }
        let enabled = match values.optional(ENABLED) {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(BadSetting::new(ENABLED, "is true or false")),
        };
        let products = values.optional(PRODUCTS).map(|text| list(text).map(str::to_owned).collect());
        Ok(Configured { provider: (self.build)(values, site)?, enabled, products })
    }
}

/// A provider that is set up.
#[derive(Clone)]
pub struct Configured {
    pub provider: Arc<dyn Provider>,
    pub enabled: bool,
    /// Codes and numbers; `None`: all.
    pub products: Option<Vec<String>>,
}

impl Configured {
    /// Whether an order of this product may be paid with it.
    #[must_use]
    pub fn serves(&self, product: ProductId, content: &ProductContent) -> bool {
        let number = product.number().map(|number| number.to_string());
        self.serves_named(number.as_deref(), content.code.as_ref().map(aggregates::ProductCode::as_str))
    }

    fn serves_named(&self, number: Option<&str>, code: Option<&str>) -> bool {
        let is_named = |named: &String| [number, code].contains(&Some(named.as_str()));
        self.enabled && self.products.as_ref().is_none_or(|products| products.iter().any(is_named))
    }
}

/// Those that are set up. Clones share them; what an admin changes is there for all of them at once.
#[derive(Clone, Default)]
pub struct Providers {
    /// Set up by the program itself, before all others.
    built_in: Arc<[Configured]>,
    configured: Arc<RwLock<Arc<BTreeMap<&'static str, Configured>>>>,
}

impl Providers {
    /// Only these, for everything.
    #[must_use]
    pub fn new(list: Vec<Arc<dyn Provider>>) -> Self {
        let all = list.into_iter().map(|provider| Configured { provider, enabled: true, products: None });
        Self { built_in: all.collect(), configured: Arc::default() }
    }

    /// Takes the place of all that were set up by settings.
    pub fn replace(&self, configured: BTreeMap<&'static str, Configured>) {
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configured);
    }

    fn configured(&self) -> Arc<BTreeMap<&'static str, Configured>> {
        self.configured.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn all(&self) -> Vec<Configured> {
        let configured = self.configured();
        let listed = SPECS.iter().filter_map(|spec| configured.get(spec.name));
        self.built_in.iter().chain(listed).cloned().collect()
    }

    /// Whether or not it takes new orders.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.configured_as(name).map(|found| found.provider)
    }

    #[must_use]
    pub fn configured_as(&self, name: &str) -> Option<Configured> {
        let built_in = self.built_in.iter().find(|found| found.provider.name() == name).cloned();
        built_in.or_else(|| self.configured().get(name).cloned())
    }

    /// Who may be paid for this product, and how much, in the order in which they are offered.
    #[must_use]
    pub fn offers(&self, product: ProductId, content: &ProductContent) -> Vec<(Arc<dyn Provider>, Money)> {
        let offer = |it: Configured| {
            let price = content.price_in(it.provider.currency()).filter(|_| it.serves(product, content))?;
            Some((it.provider, price))
        };
        self.all().into_iter().filter_map(offer).collect()
    }

    /// Who may be paid for a product of this number and code that has prices in these currencies, by name.
    #[must_use]
    pub fn payable(&self, number: u32, code: Option<&str>, has_price_in: impl Fn(&str) -> bool) -> Vec<&'static str> {
        let number = number.to_string();
        let all = self.all().into_iter();
        let takes =
            |it: &Configured| it.serves_named(Some(&number), code) && has_price_in(it.provider.currency().code());
        all.filter(takes).map(|it| it.provider.name()).collect()
    }

    /// The first that serves a product, whatever it collects.
    #[must_use]
    pub fn serving(&self, product: ProductId, content: &ProductContent) -> Option<Arc<dyn Provider>> {
        self.all().into_iter().find(|it| it.serves(product, content)).map(|it| it.provider)
    }

    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.all().iter().map(|it| it.provider.name()).collect()
    }

    #[must_use]
    pub fn currencies(&self) -> Vec<Currency> {
        self.all().iter().map(|it| it.provider.currency()).collect()
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
