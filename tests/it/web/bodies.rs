//! What is read, and what is refused before anything is decided.

use billing_ledger::web::auth::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Server, problem, refusal, token};

const JSON: &str = "application/json";

#[tokio::test]
async fn an_amount_is_a_number_or_a_string() {
    let server = Server::start().await;
    for body in [r#"{"amount": 30}"#, r#"{"amount": 30.00}"#, r#"{"amount": "30.00"}"#] {
        let answer = server.charge().header("content-type", JSON).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"amount": "30.00", "meter": null}));
    }
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named_by_pointer() {
    let server = Server::start().await;
    for (body, status, code, pointer) in [
        (r#"{"amount": 1, "surprise": 1}"#, 422, "E1002", "/surprise"),
        (r#"{}"#, 422, "E1003", "/amount"),
        (r#"{"amount": true}"#, 422, "E1004", "/amount"),
        (r#"{"amount": 1, "meter": 7}"#, 422, "E1004", "/meter"),
        (r#"{"amount": -1}"#, 422, "E1005", "/amount"),
        (r#"{"amount": 1e3}"#, 422, "E1005", "/amount"),
        (r#"{"amount": 0.0000001}"#, 422, "E1005", "/amount"),
        (r#"{"amount": 99999999999999999999}"#, 422, "E1005", "/amount"),
        (r#"{"amount": 1, "amount": 1}"#, 422, "E1006", "/amount"),
    ] {
        let problem = problem(server.charge().header("content-type", JSON).body(body)).await;
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let server = Server::start().await;
    let refused = async |body: Vec<u8>| refusal(server.charge().header("content-type", JSON).body(body)).await;
    assert_eq!(refused(b"{\"amount\": 1".to_vec()).await, (400, "E1001".to_owned()));
    assert_eq!(refused(Vec::new()).await, (400, "E1001".to_owned()));
    assert_eq!(refused(b"{\"meter\": \"\xff\"}".to_vec()).await, (400, "E1009".to_owned()));
    assert_eq!(refused(b"{\"meter\": \"\\ud800\"}".to_vec()).await, (400, "E1001".to_owned()));
    let bomb = format!("{{\"meter\": {}", "[".repeat(200_000));
    assert_eq!(refused(bomb.into_bytes()).await, (400, "E1008".to_owned()));
    let objects = r#"{"a":"#.repeat(50_000);
    assert_eq!(refused(objects.into_bytes()).await, (400, "E1008".to_owned()));
}

#[tokio::test]
async fn a_body_of_another_kind_is_refused() {
    let server = Server::start().await;
    assert_eq!(refusal(server.charge().body("{}")).await, (415, "E1010".to_owned()));
    let form = server.charge().header("content-type", "application/x-www-form-urlencoded").body("amount=1");
    assert_eq!(refusal(form).await, (415, "E1010".to_owned()));
}

#[tokio::test]
async fn a_body_has_at_most_a_mebibyte() {
    let server = Server::start().await;
    let of = |bytes: usize| {
        let frame = r#"{"amount": 1, "meter": ""}"#.len();
        format!(r#"{{"amount": 1, "meter": "{}"}}"#, "x".repeat(bytes - frame))
    };
    let fits = server.charge().header("content-type", JSON).body(of(1 << 20)).send().await.unwrap();
    assert_eq!(fits.status(), 200);
    let too_large = server.charge().header("content-type", JSON).body(of((1 << 20) + 1));
    assert_eq!(refusal(too_large).await, (413, "E1007".to_owned()));
}

/// Without a length up front the limit holds as well.
#[tokio::test]
async fn a_body_in_chunks_has_at_most_a_mebibyte() {
    let server = Server::start().await;
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /test/charges HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {JSON}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        token(Role::User)
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut answer, mut sending) = socket.into_split();
    let sender = tokio::spawn(async move {
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        // Until the server has heard enough and hangs up.
        for _ in 0..17 {
            if sending.write_all(chunk.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut start = [0; 12];
    answer.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    sender.await.unwrap();
}

#[tokio::test]
async fn a_body_that_may_be_left_out_may_be_left_out() {
    let server = Server::start().await;
    let post = || server.post("/test/optional").bearer_auth(token(Role::User));
    assert_eq!(post().send().await.unwrap().json::<String>().await.unwrap(), "default");
    let chosen = post().json(&json!({"provider": "sandbox"})).send().await.unwrap();
    assert_eq!(chosen.json::<String>().await.unwrap(), "sandbox");
    assert_eq!(refusal(post().body("provider=x")).await, (415, "E1010".to_owned()));
    assert_eq!(refusal(post().json(&json!({"provder": "x"}))).await, (422, "E1002".to_owned()));
}

#[tokio::test]
async fn paths_queries_and_headers_are_as_strict() {
    let server = Server::start().await;
    let get = |path: &str| server.get(path).bearer_auth(token(Role::User));
    assert_eq!(get("/test/things/1?limit=7").send().await.unwrap().json::<u32>().await.unwrap(), 7);
    for path in ["/test/things/-1", "/test/things/x", "/test/things/99999999999", "/test/things/%ff"] {
        assert_eq!(refusal(get(path)).await, (400, "E1011".to_owned()), "{path}");
    }
    for query in ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "colour=red", "limit=%ff"] {
        let problem = problem(get(&format!("/test/things/1?{query}"))).await;
        assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(400), Some("E1012")), "{query}");
    }
    let whoami = |name: &str, value: &str| get("/test/whoami").header(name, value);
    assert_eq!(whoami("ledger-position", "17.4242").send().await.unwrap().status(), 200);
    assert_eq!(refusal(whoami("ledger-position", "latest")).await, (400, "E1013".to_owned()));
    assert_eq!(refusal(whoami("x-account-id", "system")).await, (400, "E1013".to_owned()));
    let key = server.charge().header("idempotency-key", "a b").json(&json!({"amount": 1}));
    assert_eq!(refusal(key).await, (400, "E1013".to_owned()));
}
