//! Selling: an order is placed, then its provider says where to pay.
//!
//! ```text
//!   purchase ──► the product as it is now ──► place (number reserved, customer described) ──► provider ──► checkout
//! ```
//!
//! Each arrow may be cut off; asking again with the same id goes on where it ended and places nothing twice.

use std::sync::Arc;

use aggregates::order::Placed;
use aggregates::{
    AccountId, AggregateId, Checkout, Command, CommandId, Decide, Event, Money, OrderCommand, OrderEvent, OrderId,
    OrderNumber, PlaceOrder, Product, ProductContent, ProductId, ProductKind, State,
};
use secrecy::SecretString;

use super::erasure::UnlessErased;
use super::{Actor, Ask, DispatchError, Dispatcher, Profile, ids};
use crate::providers::{Opened, PaymentRequest, Provider, ProviderError};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};
use crate::vault::VaultError;

pub(super) const CLAIM: &str = "order_number";
/// A provider's own name for an order.
pub(super) const REFERENCE_CLAIM: &str = "provider_order";

/// Two orders of one second get the same random digits once in four thousand million.
const NUMBERS_TRIED_MAX: usize = 3;

/// Who buys.
#[derive(Debug, Clone)]
pub struct Buyer {
    pub account: AccountId,
    pub actor: Actor,
    pub profile: Profile,
}

/// What is bought, and how it will be paid.
#[derive(Debug, Clone)]
pub struct Purchase {
    pub product: ProductId,
    /// Where only a package will do.
    pub package: bool,
    /// The usual one unless named.
    pub provider: Option<String>,
}

/// A placed order, ready to be paid.
#[derive(Debug, Clone)]
pub struct Sale {
    /// Of placing it; its position is where the checkout was recorded.
    pub receipt: Receipt,
    pub placed: Placed,
    pub checkout: Checkout,
    /// What the provider's own component pays with, where that is how it is paid.
    pub client_secret: Option<SecretString>,
}

impl Dispatcher {
    /// # Errors
    /// When the product is not on sale, the provider is unknown or silent, or the store cannot record it.
    pub async fn purchase(&self, buyer: &Buyer, id: CommandId, wanted: Purchase) -> Result<Sale, DispatchError> {
        let (receipt, order) = self.place(buyer, id, &wanted).await?;
        let State::Order(state) = self.look(&buyer.account, AggregateId::order(order)).await? else {
            return Err(DispatchError::NotFound("order"));
        };
        let placed = state.placed()?.clone();
        self.checkout_of(buyer, receipt, order, placed).await
    }

    /// Where a placed order is paid: as it was said before, or as its provider says now.
    pub(super) async fn checkout_of(
        &self,
        buyer: &Buyer,
        mut receipt: Receipt,
        order: OrderId,
        placed: Placed,
    ) -> Result<Sale, DispatchError> {
        let State::Order(state) = self.look(&buyer.account, AggregateId::order(order)).await? else {
            return Err(DispatchError::NotFound("order"));
        };
        // A repeat may have named no provider while another one has become the usual: the order's own counts.
        let provider = self.provider_called(&placed.provider)?;
        let opened = self.store.recorded(&buyer.account, opening(&placed.number)).await?;
        let (checkout, position) = match (state.checkout(), opened) {
            (Some(checkout), Some(opened)) => (checkout.clone(), opened.receipt.position),
            _ => self.open_checkout(buyer, order, &placed, provider.as_ref()).await?,
        };
        // Who reads so far sees where to pay, too.
        receipt.position = receipt.position.max(position);
        let client_secret = self.client_secret(&buyer.account, &placed.number, &checkout).await?;
        Ok(Sale { receipt, placed, checkout, client_secret })
    }

    /// # Errors
    /// When the order is no longer pending, or the store cannot record it.
    pub async fn cancel_order(
        &self,
        account: &AccountId,
        actor: &Actor,
        id: CommandId,
        order: OrderId,
    ) -> Result<Receipt, DispatchError> {
        self.execute(account, actor, id, vec![Command::Order(order, OrderCommand::Cancel)]).await
    }

    /// Whether or not it takes new orders.
    pub(super) fn provider_called(&self, name: &str) -> Result<Arc<dyn Provider>, DispatchError> {
        self.providers.get(name).ok_or_else(|| DispatchError::NoProvider(name.to_owned()))
    }

    /// Who collects for a product, and how much: the one that was asked for, or the first that can.
    fn collector(
        &self,
        product: ProductId,
        content: &ProductContent,
        name: Option<&str>,
    ) -> Result<(Arc<dyn Provider>, Money), DispatchError> {
        let no_price = |provider: &dyn Provider| DispatchError::NoPrice {
            provider: provider.name().to_owned(),
            currency: provider.currency().code().to_owned(),
        };
        let Some(name) = name else {
            let offered = self.providers.offers(product, content).into_iter().next();
            return offered.ok_or_else(|| match self.providers.serving(product, content) {
                Some(serving) => no_price(serving.as_ref()),
                None => DispatchError::NoProvider(String::new()),
            });
        };
        let configured = self.providers.configured_as(name).filter(|it| it.serves(product, content));
        let provider = configured.ok_or_else(|| DispatchError::NoProvider(name.to_owned()))?.provider;
        let price = content.price_in(provider.currency()).ok_or_else(|| no_price(provider.as_ref()))?;
        Ok((provider, price))
    }

    /// What the provider's own component pays an order with, while it can be paid.
    ///
    /// # Errors
    /// When the vault cannot be asked.
    pub async fn client_secret(
        &self,
        account: &AccountId,
        number: &OrderNumber,
        checkout: &Checkout,
    ) -> Result<Option<SecretString>, DispatchError> {
        match &checkout.reference {
            Some(reference) => match self.vault.peek(secret_id(number, reference), account.key()).await {
                Err(VaultError::Erased) => Ok(None),
                kept => Ok(kept?),
            },
            None => Ok(None),
        }
    }

    /// Nobody pays this order there any more.
    ///
    /// # Errors
    /// When the vault cannot be asked.
    pub async fn forget_client_secret(&self, number: &OrderNumber, checkout: &Checkout) -> Result<(), DispatchError> {
        match &checkout.reference {
            Some(reference) => Ok(self.vault.erase(secret_id(number, reference)).await?),
            None => Ok(()),
        }
    }

    pub(super) async fn offer(&self, product: ProductId) -> Result<ProductContent, DispatchError> {
        match self.product(product).await? {
            Product::NotCreated => Err(DispatchError::NotFound("product")),
            product => Ok(product.offer()?.clone()),
        }
    }

    async fn place(
        &self,
        buyer: &Buyer,
        id: CommandId,
        wanted: &Purchase,
    ) -> Result<(Receipt, OrderId), DispatchError> {
        let hash = RequestHash::of(&serde_json::to_vec(&(wanted.product, &wanted.provider))?);
        // Before anything is asked of the catalogue: what was sold then need not be on sale now.
        if let Some(first) = self.store.recorded(&buyer.account, id).await? {
            let placed = placed_in(&first.receipt).filter(|_| first.request_hash == hash);
            let order = placed.ok_or(ExecuteError::CommandReused(id))?;
            return Ok((first.receipt, order));
        }
        let content = self.offer(wanted.product).await?;
        if wanted.package && !matches!(content.kind, ProductKind::Package(_)) {
            return Err(DispatchError::NotFound("package"));
        }
        let (provider, price) = self.collector(wanted.product, &content, wanted.provider.as_deref())?;
        let describe = self.describe(&buyer.account, &buyer.profile).await?;
        let mut tried = 0;
        loop {
            let now = self.clock.now();
            let number = OrderNumber::new(now, rand::random());
            let order = OrderId::of_number(&number);
            let key = number.as_str().to_owned();
            let place = OrderCommand::Place(PlaceOrder {
                number,
                product: wanted.product,
                name: content.name.clone(),
                kind: content.kind,
                time_zone: self.rules.time_zone,
                price,
                provider: provider.name().to_owned(),
                expires_at: now + self.rules.order_ttl,
            });
            let commands: Vec<Command> = [Command::Order(order, place)].into_iter().chain(describe.clone()).collect();
            let decision: Arc<dyn Decide + Send + Sync> = Arc::new(UnlessErased(commands));
            let (account, actor) = (buyer.account.clone(), buyer.actor.clone());
            let number_claim = Claim { kind: CLAIM, key, aggregate: AggregateId::order(order) };
            let claims = actor.key_claim(&account, id).into_iter().chain([number_claim]).collect();
            let asked = self.ask(Ask { account, actor, id, hash, decision, claims, about: None }).await;
            tried += 1;
            match asked {
                Err(DispatchError::Execute(ExecuteError::KeyTaken { kind: CLAIM, .. }))
                    if tried < NUMBERS_TRIED_MAX => {}
                Err(error) => return Err(error),
                Ok(receipt) => {
                    // A repeat answers with the order that was placed first.
                    let placed = placed_in(&receipt).unwrap_or(order);
                    return Ok((receipt, placed));
                }
            }
        }
    }

    /// Where to pay, and where in the log that is.
    async fn open_checkout(
        &self,
        buyer: &Buyer,
        order: OrderId,
        placed: &Placed,
        provider: &dyn Provider,
    ) -> Result<(Checkout, i64), DispatchError> {
        let product_code = match self.product(placed.product).await? {
            Product::Created { content, .. } => content.code,
            Product::NotCreated => None,
        };
        let request = PaymentRequest {
            order: placed.number.clone(),
            product: placed.product,
            product_code,
            recurring: matches!(placed.kind, ProductKind::Subscription(_)),
            subject: placed.name.clone(),
            amount: placed.price,
            expires_at: placed.expires_at,
            email: buyer.profile.email.clone().map(Into::into),
        };
        let (account, actor, number) = (&buyer.account, Actor::system("checkout"), placed.number.to_string());
        match provider.create_payment(&request).await {
            Ok(opened) => self.record_checkout(account, actor, order, placed, opened).await,
            Err(source) => {
                if let ProviderError::Refused(reason) = &source {
                    let id = ids::derived("fail_order", &[&number]);
                    let command = OrderCommand::Fail { reason: aggregates::reason::from_outside(reason) };
                    self.execute(account, &actor, id, vec![Command::Order(order, command)]).await?;
                }
                Err(DispatchError::Provider { order: number, source })
            }
        }
    }
}

impl Dispatcher {
    /// The provider's own name for the order is claimed with it, so that a notification which knows no other finds it.
    async fn record_checkout(
        &self,
        account: &AccountId,
        actor: Actor,
        order: OrderId,
        placed: &Placed,
        Opened { checkout, client_secret }: Opened,
    ) -> Result<(Checkout, i64), DispatchError> {
        if let (Some(secret), Some(reference)) = (&client_secret, &checkout.reference) {
            self.vault.keep(secret_id(&placed.number, reference), account.key(), secret).await?;
        }
        let command = Command::Order(order, OrderCommand::OpenCheckout(checkout.clone()));
        let claims = checkout.reference.iter().map(|reference| Claim {
            kind: REFERENCE_CLAIM,
            key: format!("{}:{reference}", placed.provider),
            aggregate: AggregateId::order(order),
        });
        let receipt = self
            .ask(Ask {
                account: account.clone(),
                actor,
                id: opening(&placed.number),
                hash: RequestHash::of(&serde_json::to_vec(&checkout)?),
                claims: claims.collect(),
                decision: Arc::new(vec![command]),
                about: None,
            })
            .await?;
        Ok((checkout, receipt.position))
    }
}

/// Where the vault keeps what the provider's own component pays with.
fn secret_id(number: &OrderNumber, reference: &str) -> uuid::Uuid {
    ids::derived("client_secret", &[number.as_str(), reference]).uuid()
}

/// The command that records where an order is paid.
fn opening(number: &OrderNumber) -> CommandId {
    ids::derived("open_checkout", &[number.as_str()])
}

pub(super) fn placed_in(receipt: &Receipt) -> Option<OrderId> {
    receipt.events.iter().find_map(|recorded| match &recorded.event {
        Event::Order(OrderEvent::Placed(placed)) => Some(OrderId::of_number(&placed.number)),
        _ => None,
    })
}
