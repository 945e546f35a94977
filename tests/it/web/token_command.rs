//! `billing-ledger token`.

use std::process::{Command, Output};

use super::{SECRET, Server};

fn run(arguments: &[&str], secret: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billing-ledger"));
    command.args(["token", "--sub", "alice"]).args(arguments).env_remove("JWT_SECRET").env_remove("JWT_JWKS_URL");
    if let Some(secret) = secret {
        command.env("JWT_SECRET", secret);
    }
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn a_token_of_the_same_secret_is_let_in() {
    let server = Server::start().await;
    let token = printed(&run(&["--role", "admin", "--email", "alice@example.com", "--locale", "en"], Some(SECRET)));
    let response = server.post("/test/admin").bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[test]
fn a_token_of_an_instance_is_made_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let refused = run(&["--data-dir", folder], None);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("billing-ledger dev"), "{said}");

    let database = "postgres://postgres@localhost/postgres".to_owned();
    let layers = billing_ledger::config::Layers::default();
    billing_ledger::config::Settings::for_dev(folder.as_ref(), database, layers).unwrap();
    assert_eq!(printed(&run(&["--data-dir", folder], None)).split('.').count(), 3);
}

#[test]
fn without_a_secret_the_setting_is_named() {
    let refused = run(&[], None);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("JWT_SECRET") && said.lines().count() == 1, "{said}");
}
