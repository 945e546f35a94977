//! The document and its viewer.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Server;

async fn document(server: &Server) -> Value {
    let response = server.get("/api/openapi.json").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    response.json().await.unwrap()
}

/// Every `$ref` of the document, wherever it is.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.insert(reference.clone());
            }
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => (),
    }
}

#[tokio::test]
async fn the_document_is_openapi_3_1_and_whole() {
    let server = Server::start().await;
    let document = document(&server).await;
    is_whole(&document);
}

/// Every reference leads somewhere.
pub(super) fn is_whole(document: &Value) {
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let mut found = BTreeSet::new();
    references(document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"));
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} is nowhere");
    }
}

#[tokio::test]
async fn every_operation_documents_what_may_go_wrong() {
    let server = Server::start().await;
    let document = document(&server).await;
    let statuses = |path: &str, method: &str| -> Vec<u16> {
        let responses = document["paths"][path][method]["responses"].as_object().expect(path);
        responses.keys().map(|status| status.parse().unwrap()).collect()
    };
    assert_eq!(statuses("/healthz", "get"), [200, 400, 500, 503]);
    assert_eq!(statuses("/test/whoami", "get"), [200, 400, 401, 403, 429, 500, 503]);
    assert_eq!(statuses("/test/things/{number}", "get"), [200, 400, 401, 403, 404, 429, 500, 503]);
    let write = [200, 400, 401, 402, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 503];
    assert_eq!(statuses("/test/charges", "post"), write);
    let of_429 = &document["components"]["responses"]["Problem429"]["content"];
    assert_eq!(of_429["application/problem+json"]["schema"]["$ref"], "#/components/schemas/Problem");
}

#[tokio::test]
async fn every_operation_documents_its_headers() {
    let server = Server::start().await;
    let document = document(&server).await;
    let sent = |path: &str, method: &str| -> Vec<String> {
        let parameters = document["paths"][path][method]["parameters"].as_array().expect(path);
        let headers = parameters.iter().filter(|parameter| parameter["in"] == "header");
        headers.map(|header| header["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(sent("/test/whoami", "get"), ["Ledger-Position", "X-Account-Id"]);
    assert_eq!(sent("/test/charges", "post"), ["Idempotency-Key", "X-Account-Id"]);
    let answered = &document["paths"]["/test/charges"]["post"]["responses"]["200"]["headers"];
    assert!(answered["Ledger-Position"].is_object() && answered["Idempotent-Replayed"].is_object(), "{answered}");
    assert!(document["paths"]["/test/whoami"]["get"]["responses"]["200"]["headers"].is_null());
}

/// Not one address of somebody else's in what the page is made of.
#[tokio::test]
async fn the_viewer_asks_nobody_but_us() {
    let server = Server::start().await;
    let index = server.get("/api/docs").send().await.unwrap();
    assert_eq!(index.status(), 303);
    assert_eq!(index.headers()["location"], "/api/docs/");
    let page = server.get("/api/docs/").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("http"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("//cdn"), "{page}");
    let mut parts: Vec<&str> =
        page.split(['"', '\'']).filter(|it| it.ends_with(".js") || it.ends_with(".css")).collect();
    parts.sort_unstable();
    assert!(parts.len() >= 3, "{parts:?}");
    for part in parts {
        let part = server.get(&format!("/api/docs/{}", part.trim_start_matches("./"))).send().await.unwrap();
        assert_eq!(part.status(), 200);
    }
    let initializer = server.get("/api/docs/swagger-initializer.js").send().await.unwrap().text().await.unwrap();
    assert!(
        initializer.contains("/api/openapi.json") && initializer.contains(r#""validatorUrl": "none""#),
        "{initializer}"
    );
    assert!(!initializer.contains("http://") && !initializer.contains("https://"), "{initializer}");
}
