//! The forward service's client against its stand-in, and the stand-in as a program.

use std::process::Stdio;
use std::time::Duration;

use billing_ledger::forward::{ForwardClient, ForwardError, ForwardOptions, IssuedKey, KeyRequest};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::forward::ForwardService;

fn request(delivery: u128) -> KeyRequest<'static> {
    let delivery = Uuid::from_u128(delivery);
    KeyRequest { delivery, user_id: "user-uuid", username: "user-name", email: "user@example.com" }
}

async fn asked(client: &ForwardClient, delivery: u128) -> Result<IssuedKey, ForwardError> {
    client.create_api_key(&request(delivery)).await
}

#[tokio::test]
async fn asked_again_the_service_answers_with_the_same_key() {
    let service = ForwardService::start().await;
    let client = service.client();
    let first = asked(&client, 1).await.unwrap();
    for delivery in [1, 2] {
        let again = asked(&client, delivery).await.unwrap();
        assert_eq!(again.key.expose_secret(), first.key.expose_secret(), "delivery {delivery}");
        assert_eq!(again.key_id, first.key_id);
    }
    assert!(first.key.expose_secret().ends_with(&first.last_four()));
    assert!(!format!("{first:?} {client:?} {:?}", request(1)).contains("sk-"));
}

#[tokio::test]
async fn every_way_to_misbehave_is_a_failure_of_its_kind() {
    let service = ForwardService::start().await;
    let client = service.client();
    for (fault, expected) in [
        ("downx1", "broke before its answer"),
        ("500x1", "HTTP 500: internal error"),
        ("success-falsex1", "refused: 创建 API Key 失败"),
        ("htmlx1", "HTML instead of JSON"),
        ("garbagex1", "no usable apiKey"),
        ("hugex1", "longer than 64 KiB"),
        ("lost-answerx1", "broke before its answer"),
        ("slowx1", "did not answer in time"),
    ] {
        service.misbehave(fault).await;
        let error = asked(&client, 1).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{fault}: {error}");
        asked(&client, 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_token_or_signature_is_not_let_in() {
    let service = ForwardService::start().await;
    let wrong = SecretString::from("wrong");
    for options in [
        ForwardOptions { admin_token: Some(wrong.clone()), ..service.options() },
        ForwardOptions { admin_token: None, ..service.options() },
        ForwardOptions { signing_secret: Some(wrong.clone()), ..service.options() },
        ForwardOptions { signing_secret: None, ..service.options() },
    ] {
        let client = ForwardClient::try_new(&options).unwrap();
        assert!(matches!(asked(&client, 1).await, Err(ForwardError::Status { status, .. }) if status == 401));
    }
}

#[tokio::test]
async fn nobody_there_is_told_from_silence() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let patience = Duration::from_millis(200);
    let options = ForwardOptions { timeout: patience, ..ForwardOptions::new(url.parse().unwrap()) };
    let client = ForwardClient::try_new(&options).unwrap();
    assert_eq!(asked(&client, 1).await.unwrap_err(), ForwardError::TimedOut);
    drop(listener);
    assert_eq!(asked(&client, 1).await.unwrap_err(), ForwardError::Unreachable);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let service = ForwardService::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer =
        format!("HTTP/1.1 307 Go\r\nLocation: {}/api/admin/create-apikey\r\nContent-Length: 0\r\n\r\n", service.url());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_buf(&mut Vec::with_capacity(4_096)).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let client = ForwardClient::try_new(&ForwardOptions::new(url.parse().unwrap())).unwrap();
    assert!(matches!(asked(&client, 1).await, Err(ForwardError::Status { status, .. }) if status == 307));
    assert!(service.requests().await.is_empty());
}

#[test]
fn a_setting_that_cannot_work_is_named_without_its_value() {
    let url = |text: &str| ForwardOptions::new(text.parse().unwrap());
    let secret = |text: &str| Some(SecretString::from(text));
    for (options, names) in [
        (url("ftp://example.com"), "FORWARD_API_URL"),
        (ForwardOptions { admin_token: secret("hidden\n"), ..url("http://a") }, "FORWARD_API_ADMIN_TOKEN"),
        (ForwardOptions { signing_secret: secret("whsec_hidden!"), ..url("http://a") }, "FORWARD_API_SIGNING_SECRET"),
    ] {
        let error = ForwardClient::try_new(&options).unwrap_err().to_string();
        assert!(error.contains(names) && !error.contains("hidden"), "{error}");
        assert!(!format!("{options:?}").contains("hidden"));
    }
}

#[tokio::test]
async fn the_stand_in_is_a_program_and_takes_the_contracts_curl() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_billing-ledger"))
        .args(["simulate", "forward", "--listen", "127.0.0.1:0", "--fault", "500x1"])
        .env_remove("FORWARD_API_ADMIN_TOKEN")
        .env_remove("FORWARD_API_SIGNING_SECRET")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap();
    let body =
        json!({"userId": "test-user-id", "username": "testuser", "email": "test@example.com", "name": "Test API Key"});
    let http = reqwest::Client::new();
    let ask = || async { http.post(format!("{url}/api/admin/create-apikey")).json(&body).send().await.unwrap() };
    assert_eq!(ask().await.status(), 500);
    let answer: Value = ask().await.json().await.unwrap();
    assert_eq!(answer["success"], true);
    assert!(answer["apiKey"].as_str().unwrap().starts_with("sk-"));
    assert!(answer["keyId"].is_string());
    let bad = http.put(format!("{url}/faults")).body("nonsense").send().await.unwrap();
    assert_eq!(bad.status(), 422);
    program.kill().await.unwrap();
}
