//! What `dev` starts with beside the catalogue: somebody with credits. Asked for at every start and made once.

use aggregates::{AccountId, Command, CreditAccountCommand, Credits, GrantId, GrantSource};

use crate::app::App;
use crate::dispatch::{Actor, ids};

pub(super) async fn set_up(app: &App) -> anyhow::Result<()> {
    let actor = Actor::system("demo");
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
