//! Products: the catalogue lives in the account `system`, and counts what it holds from 1.

use std::sync::Arc;

use aggregates::{
    AccountId, AggregateId, Command, CommandId, Decide, Decider, Halt, Product, ProductCommand, ProductContent,
    ProductId, Refusal, View, product::ProductError,
};

use super::{Actor, Ask, DispatchError, Dispatcher};
use crate::store::{Receipt, RequestHash};

/// How many taken numbers one creation looks past. The hint is never that far off.
const NUMBERS_TRIED_MAX: u32 = 1_000;

/// Creates a product under the next free number.
struct CreateProduct {
    /// Smaller numbers are taken.
    first: u32,
    content: ProductContent,
}

impl Decide for CreateProduct {
    fn decide(&self, view: &mut View<'_>) -> Result<(), Halt> {
        for number in (self.first.max(1)..).take(NUMBERS_TRIED_MAX as usize) {
            let id = AggregateId::product(ProductId::numbered(number));
            if *view.read::<Product>(id)? == Product::default() {
                return view.ask::<Product>(id, &ProductCommand::Create(self.content.clone()));
            }
        }
        Err(Refusal::from(ProductError::Exists).into())
    }
}

impl Dispatcher {
    /// `first_number` is a hint: where to start looking for a free number.
    ///
    /// # Errors
    /// When the content is refused, or the store cannot record it.
    pub async fn create_product(
        &self,
        actor: &Actor,
        id: CommandId,
        first_number: u32,
        content: ProductContent,
    ) -> Result<Receipt, DispatchError> {
        let hash = RequestHash::of(&serde_json::to_vec(&content)?);
        self.ask(Ask {
            account: AccountId::system(),
            actor: actor.clone(),
            id,
            hash,
            decision: Arc::new(CreateProduct { first: first_number, content }),
            claims: Vec::new(),
            about: None,
        })
        .await
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
}
