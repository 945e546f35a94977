//! What is true of every answer.

use std::sync::atomic::Ordering;

use billing_ledger::web::auth::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Server, problem, refusal, token};

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with_if_it_is_fit_to_be_logged() {
    let server = Server::start().await;
    let id = async |sent: &str| {
        let response = server.get("/healthz").header("x-request-id", sent).send().await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("trace-1.2_3").await, "trace-1.2_3");
    for unfit in ["a b", "<script>", "", &"x".repeat(129)] {
        let made = id(unfit).await;
        assert!(made != unfit && made.parse::<uuid::Uuid>().is_ok(), "{made}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_that_protect_it() {
    let server = Server::start().await;
    for path in ["/healthz", "/nowhere", "/test/whoami"] {
        let response = server.get(path).send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!(header("cache-control").as_deref(), Some("no-store"));
        assert!(header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(header("access-control-allow-origin"), None);
        assert_eq!(header("strict-transport-security"), None);
    }
    let server = Server::with(&[("PUBLIC_URL", "https://ledger.example")]).await;
    let response = server.get("/healthz").send().await.unwrap();
    assert!(response.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let server = Server::start().await;
    assert_eq!(refusal(server.get("/nowhere")).await, (404, "E3001".to_owned()));
    assert_eq!(refusal(server.get("/api/docs/nowhere.js")).await, (404, "E3001".to_owned()));
    let found = refusal(server.get("/test/things/0").bearer_auth(token(Role::User))).await;
    assert_eq!(found, (404, "E3003".to_owned()));

    let response = server.client.delete(server.url("/test/whoami")).send().await.unwrap();
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(refusal(server.client.delete(server.url("/test/whoami"))).await, (405, "E3002".to_owned()));
}

#[tokio::test]
async fn a_panic_is_a_500_that_says_nothing_and_the_next_request_is_served() {
    let server = Server::start().await;
    let problem = problem(server.get("/test/panics")).await;
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(500), Some("E5100")));
    assert!(!problem.to_string().contains("hunter2"));
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
}

/// One a second over any number that arrives within less than a minute: somebody is turned away.
#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let server = Server::with(&[("RATE_LIMIT_PER_SECOND", "1")]).await;
    let turned_away = async |role: Option<Role>| {
        for _ in 0..60 {
            let request = server.get("/test/whoami");
            let request = match role {
                Some(role) => request.bearer_auth(token(role)),
                None => request,
            };
            let response = request.send().await.unwrap();
            if response.status() == 429 {
                let seconds: u32 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                assert!(seconds >= 1);
                let problem: serde_json::Value = response.json().await.unwrap();
                assert_eq!(problem["code"], "E4290");
                return true;
            }
        }
        false
    };
    assert!(turned_away(Some(Role::User)).await, "an account");
    assert!(turned_away(None).await, "an address");
    assert!(!turned_away(Some(Role::Service)).await, "a back end");
    assert!(!turned_away(Some(Role::Admin)).await, "an admin");
    for path in ["/healthz", "/readyz", "/metrics"] {
        for _ in 0..10 {
            assert_eq!(server.get(path).send().await.unwrap().status(), 200, "{path}");
        }
    }
}

/// As above; the proxy is this test.
#[tokio::test]
async fn behind_a_trusted_proxy_everybody_is_counted_for_themselves() {
    let status = async |server: &Server, client: &str| {
        let request = server.get("/test/whoami").header("x-forwarded-for", format!("203.0.113.1, {client}"));
        request.send().await.unwrap().status().as_u16()
    };
    let trusting = Server::with(&[("RATE_LIMIT_PER_SECOND", "1"), ("TRUSTED_PROXIES", "127.0.0.1")]).await;
    for n in 0..60 {
        assert_eq!(status(&trusting, &format!("198.51.100.{n}")).await, 401);
    }
    let strict = Server::with(&[("RATE_LIMIT_PER_SECOND", "1")]).await;
    let mut statuses = Vec::new();
    for n in 0..60 {
        statuses.push(status(&strict, &format!("198.51.100.{n}")).await);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn only_what_is_large_and_asked_for_is_compressed() {
    let server = Server::start().await;
    let encoding = async |path: &str| {
        let response = server.get(path).header("accept-encoding", "gzip").send().await.unwrap();
        response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(encoding("/test/large").await.as_deref(), Some("gzip"));
    assert_eq!(encoding("/healthz").await, None);
}

#[tokio::test]
async fn ready_names_what_is_not() {
    let server = Server::start().await;
    let ready = server.get("/readyz").send().await.unwrap();
    assert_eq!(ready.status(), 200);
    assert_eq!(ready.json::<serde_json::Value>().await.unwrap()["checks"]["database"], "ok");
    server.database_is_up.store(false, Ordering::SeqCst);
    let problem = problem(server.get("/readyz")).await;
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(503), Some("E5103")));
    assert_eq!(problem["errors"][0]["parameter"], "database");
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let server = Server::start().await;
    let response = server.get("/test/things/7").bearer_auth(token(Role::User)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    server.get("/nowhere/at/all").send().await.unwrap();
    let text = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    let counted = |labels: [&str; 3]| {
        let line =
            |line: &&str| line.starts_with("http_requests_total{") && labels.iter().all(|label| line.contains(label));
        text.lines().find(line).is_some()
    };
    assert!(counted([r#"route="/test/things/{number}""#, r#"method="GET""#, r#"status="200""#]), "{text}");
    assert!(counted([r#"route="none""#, r#"method="GET""#, r#"status="404""#]), "{text}");
    assert!(text.contains("http_request_duration_seconds_bucket"), "{text}");
    assert!(!text.contains("/nowhere"), "a path that anybody can make up is no label");
}

/// The request is on its way when the server is told to stop: it is answered, and nobody else is let in.
#[tokio::test]
async fn stopping_finishes_what_was_begun() {
    let server = Server::start().await;
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let body = r#"{"amount": 1}"#;
    let head = format!(
        "POST /test/charges HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        token(Role::User),
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // The handler has begun to read: it asks for the body.
    let mut begun = [0; 25];
    socket.read_exact(&mut begun).await.unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 100 Continue"));
    server.stop.cancel();
    socket.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}
