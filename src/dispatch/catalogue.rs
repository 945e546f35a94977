//! Products: the catalogue lives in the account `system`, and counts what it holds from 1.

use std::sync::Arc;

use aggregates::{
    AccountId, AggregateId, Command, CommandId, Decide, Decider, Halt, Product, ProductCode, ProductCommand,
    ProductContent, ProductId, Refusal, State, View, product::ProductError,
};

use super::{Actor, Ask, DispatchError, Dispatcher, ids};
use crate::store::{Claim, ExecuteError, Receipt, RequestHash};

/// What codes of products are claimed as.
const CODE_CLAIM: &str = "product_code";

/// How many taken numbers one creation looks past. The hint is never that far off.
const NUMBERS_TRIED_MAX: u32 = 1_000;

/// Creates products under these numbers, which must be free.
struct CreateProducts(Vec<(ProductId, ProductContent)>);

impl Decide for CreateProducts {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        view.need(self.0.iter().map(|(product, _)| AggregateId::product(*product)))?;
        for (product, content) in &self.0 {
            let id = AggregateId::product(*product);
            // Somebody else's product of the same content is not this one.
            if *view.read::<Product>(id)? != Product::default() {
                return Err(ProductError::Exists.into());
            }
            view.ask::<Product>(id, &ProductCommand::Create(content.clone()))?;
        }
        Ok(())
    }
}

impl Dispatcher {
    /// `first_number` is a hint: where to start looking for a free number.
    ///
    /// # Errors
    /// When the content is refused, its code belongs to another product, or the store cannot record it.
    pub async fn create_product(
        &self,
        actor: &Actor,
        id: CommandId,
        first_number: u32,
        content: ProductContent,
    ) -> Result<Receipt, DispatchError> {
        let hash = RequestHash::of(&serde_json::to_vec(&content)?);
        let first = first_number.max(1);
        for number in (first..).take(NUMBERS_TRIED_MAX as usize) {
            let product = ProductId::numbered(number);
            if self.product(product).await? != Product::NotCreated {
                continue;
            }
            match self.create(actor, id, hash, vec![(product, content.clone())]).await {
                // Taken meanwhile.
                Err(DispatchError::Execute(ExecuteError::Refused(Refusal::Product(ProductError::Exists)))) => {}
                created => return created,
            }
        }
        Err(ProductError::Exists.into())
    }

    /// Fills a catalogue that has nothing in it, numbered from 1. Every process may ask: it is done once.
    ///
    /// # Errors
    /// When the content is refused, or the store cannot record it.
    pub async fn fill_catalogue(&self, actor: &Actor, products: Vec<ProductContent>) -> Result<(), DispatchError> {
        if self.product(ProductId::numbered(1)).await? != Product::NotCreated {
            return Ok(());
        }
        let numbered = (1..).map(ProductId::numbered).zip(products).collect();
        // One command, whatever release or settings it is asked by.
        let (id, hash) = (ids::derived("fill_catalogue", &[]), RequestHash::of(b"fill_catalogue"));
        match self.create(actor, id, hash, numbered).await {
            // Somebody has begun another catalogue meanwhile.
            Err(DispatchError::Execute(
                ExecuteError::Refused(Refusal::Product(ProductError::Exists))
                | ExecuteError::KeyTaken { kind: CODE_CLAIM, .. },
            )) => Ok(()),
            filled => filled.map(drop),
        }
    }

    /// # Errors
    /// When the command is refused, or the store cannot record it.
    pub async fn change_product(
        &self,
        actor: &Actor,
        id: CommandId,
        product: ProductId,
        commands: impl IntoIterator<Item = <Product as Decider>::Command>,
    ) -> Result<Receipt, DispatchError> {
        let commands = commands.into_iter().map(|command| Command::Product(product, command)).collect();
        self.execute(&AccountId::system(), actor, id, commands).await
    }

    /// A product as it is now.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn product(&self, product: ProductId) -> Result<Product, DispatchError> {
        match self.look(&AccountId::system(), AggregateId::product(product)).await? {
            State::Product(product) => Ok(product),
            _ => Ok(Product::NotCreated),
        }
    }

    /// The product that integrators call so: as exact as the log, for money is asked for by it.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn product_by_code(&self, code: &ProductCode) -> Result<Option<ProductId>, DispatchError> {
        let holder = self.store.find_key(CODE_CLAIM, code.as_str()).await?;
        Ok(holder.map(|(_, product)| ProductId::from_uuid(product)))
    }

    async fn create(
        &self,
        actor: &Actor,
        id: CommandId,
        hash: RequestHash,
        products: Vec<(ProductId, ProductContent)>,
    ) -> Result<Receipt, DispatchError> {
        let claim = |(product, content): &(ProductId, ProductContent)| {
            let key = content.code.as_ref()?.to_string();
            Some(Claim { kind: CODE_CLAIM, key, aggregate: AggregateId::product(*product) })
        };
        let (account, claims) = (AccountId::system(), products.iter().filter_map(claim).collect());
        let decision = Arc::new(CreateProducts(products));
        self.ask(Ask { account, actor: actor.clone(), id, hash, decision, claims, about: None }).await
    }
}
