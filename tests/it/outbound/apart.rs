//! A process that does only part of the work: its health is there all the same.

use billing_ledger::config::{Layers, Settings};
use billing_ledger::embedded_postgres::shared::TestDatabase;
use billing_ledger::server::{Mailbox, Part, Server};
use billing_ledger::store::{as_writer, pool};
use billing_ledger::vault::Vault;

use super::scene::MASTER_KEY;
use crate::support::{database, eventually};

const KEY: &str = "3f1c9a77d1e84b523f1c9a77d1e84b523f1c9a77d1e84b523f1c9a77d1e84b52";

fn settings(database: &TestDatabase) -> Settings {
    let url = database.url();
    let environment = move |name: &str| {
        let value = match name {
            "DATABASE_URL" => url.as_str(),
            "JWT_SECRET" => "0123456789abcdef0123456789abcdef-it",
            "LEDGER_MASTER_KEY" => KEY,
            "SANDBOX" => "true",
            "LISTEN" => "127.0.0.1:0",
            "FORWARD_API_URL" => "http://127.0.0.1:9",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Settings::for_serve(&Layers::load(None, &environment).unwrap()).unwrap()
}

async fn get(server: &Server, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", server.address().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_process_of_workers_shows_its_health_and_its_measures_and_nothing_else() {
    let (database, mail) = (database().await, tempfile::tempdir().unwrap());
    let mailbox = Mailbox::Folder(mail.path().to_owned());
    let server = Server::start(settings(&database), mailbox, Some(Part::Workers)).await.unwrap();
    assert_eq!(get(&server, "/readyz").await.0, 200);
    assert_eq!(get(&server, "/api/packages").await.0, 404);
    eventually("what the workers count", async || {
        let shown = get(&server, "/metrics").await.1;
        shown.contains("ledger_processes_lag_events").then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn another_master_key_does_not_start() {
    let database = database().await;
    let server = Server::start(settings(&database), Mailbox::None, Some(Part::Web)).await.unwrap();
    server.stop().await;
    let pool = pool(as_writer(database.connect_options()), 1).await.unwrap();
    let alice = aggregates::AccountId::try_new("alice").unwrap();
    Vault::try_new(MASTER_KEY, pool).unwrap().seal(alice.key(), "profile", "x").await.unwrap();

    let refused = Server::start(settings(&database), Mailbox::None, Some(Part::Web)).await;
    let said = format!("{:#}", refused.err().expect("it does not start"));
    assert!(said.contains("LEDGER_MASTER_KEY") && !said.contains('\n') && !said.contains(KEY), "{said}");
}
