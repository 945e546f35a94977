//! What `dev` starts with: something to buy, and somebody with credits. Asked for at every start and made once.

use aggregates::{
    AccountId, AggregateId, Command, CreditAccountCommand, Credits, Currency, DayRule, GrantId, GrantSource, Money,
    PackageTerms, Product, ProductContent, ProductId, ProductKind, State,
};

use crate::app::App;
use crate::dispatch::{Actor, ids};

pub(super) async fn set_up(app: &App) -> anyhow::Result<()> {
    let actor = Actor::system("demo");
    let first = AggregateId::product(ProductId::numbered(1));
    let there = app.dispatch.look(&AccountId::system(), first).await?;
    if there == State::Product(Product::NotCreated) {
        let id = ids::derived("demo", &["package"]);
        app.dispatch.create_product(&actor, id, 1, package(app.currency)?).await?;
    }
    let alice = AccountId::try_new("alice")?;
    let grant = CreditAccountCommand::Grant {
        grant: GrantId::from_uuid(ids::derived("demo", &["grant", "alice"]).uuid()),
        source: GrantSource::Promotion,
        amount: Credits::whole(10),
        expires_at: None,
        reason: Some("demo".to_owned()),
    };
    let id = ids::derived("demo", &["alice"]);
    app.dispatch.execute(&alice, &actor, id, vec![Command::CreditAccount(grant)]).await?;
    Ok(())
}

fn package(currency: Currency) -> anyhow::Result<ProductContent> {
    Ok(ProductContent {
        code: None,
        name: "基础套餐".to_owned(),
        description: "适合轻度使用".to_owned(),
        prices: vec![Money::parse("30", currency)?],
        sort_order: 1,
        kind: ProductKind::Package(PackageTerms {
            duration_days: 30,
            daily_limit: Credits::whole(5),
            day: DayRule::Calendar,
            again: aggregates::Again::Extend,
        }),
    })
}
