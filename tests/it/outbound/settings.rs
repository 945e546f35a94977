//! How providers are set up, without an edge in front.

use aggregates::{CommandId, ProviderSettings, ProviderSettingsError};
use billing_ledger::dispatch::{Actor, DispatchError, SettingsChange};
use billing_ledger::providers::spec;
use billing_ledger::store::ExecuteError;
use uuid::Uuid;

use super::scene::Scene;

fn change(name: &str, value: &str) -> SettingsChange {
    SettingsChange { set: [(name.to_owned(), value.to_owned())].into(), remove: [].into() }
}

#[tokio::test]
async fn a_change_that_was_checked_with_other_settings_is_refused_and_one_that_was_recorded_is_known() {
    let scene = Scene::set().await;
    let spec = spec("linuxdo_credit").expect("a provider");
    let (dispatcher, actor) = (&scene.dispatcher, Actor::new("admin", "admin"));
    let [first, second] = [Uuid::now_v7(), Uuid::now_v7()].map(CommandId::from_uuid);
    let set = async |id, change: &SettingsChange| {
        dispatcher.configure_provider(&actor, id, spec, ProviderSettings::default(), change).await
    };
    let (key, pid) = (change("key", "a secret"), change("pid", "1"));
    let recorded = set(first, &key).await.expect("recorded");
    let refused = set(second, &pid).await.expect_err("another one came first");
    let DispatchError::Execute(ExecuteError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.code(), refusal), ("E4111", ProviderSettingsError::Changed.into()));

    let known = async |id, change: &SettingsChange| dispatcher.configured_before(id, spec, change).await;
    assert_eq!(known(first, &key).await.expect("an answer").expect("recorded").position, recorded.position);
    assert!(known(second, &pid).await.expect("an answer").is_none());
    let other = known(first, &pid).await;
    assert!(matches!(other, Err(DispatchError::Execute(ExecuteError::CommandReused(id))) if id == first), "{other:?}");
    scene.end().await;
}
