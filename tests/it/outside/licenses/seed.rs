//! The API section of seed 002, word for word: what it tells integrators to send is sent, with nothing but the token, the
//! order's number and the key filled in, and one of several words chosen where it offers some.

use reqwest::Method;

use super::*;

/// 获取产品列表
const PRODUCTS: &str = r#"
GET /api/v1/payments/products
Authorization: Bearer <JWT_TOKEN>
"#;

/// 创建订单
const ORDER: &str = r#"
POST /api/v1/payments/orders
Authorization: Bearer <JWT_TOKEN>
Content-Type: application/json

{
  "product_type": "basic" | "pro" | "enterprise"
}
"#;

/// 查询订单
const LOOK: &str = r#"
GET /api/v1/payments/orders/:order_no
Authorization: Bearer <JWT_TOKEN>
"#;

/// 支付回调（模拟）
const NOTIFY: &str = r#"
POST /api/v1/payments/notify
Content-Type: application/json

{
  "order_no": "ORD20250125123456abcd",
  "transaction_id": "TXN1234567890",
  "payment_method": "alipay" | "wechat"
}
"#;

/// 获取我的密钥
const KEYS: &str = r#"
GET /api/v1/keys
Authorization: Bearer <JWT_TOKEN>
"#;

/// 激活密钥
const ACTIVATION: &str = r#"
POST /api/v1/keys/activate
Authorization: Bearer <JWT_TOKEN>
Content-Type: application/json

{
  "key_code": "XXXX-XXXX-XXXX-XXXX"
}
"#;

/// 检查密钥状态
const STATE: &str = r#"
POST /api/v1/keys/check
Authorization: Bearer <JWT_TOKEN>
Content-Type: application/json

{
  "key_code": "XXXX-XXXX-XXXX-XXXX"
}
"#;

/// 使用密钥验证邮箱
const ADDRESSES: &str = r#"
POST /api/v1/emails/verify
Authorization: Bearer <JWT_TOKEN>
X-License-Key: XXXX-XXXX-XXXX-XXXX
Content-Type: application/json

{
  "mail": ["test@gmail.com", "test2@gmail.com"],
  "method": "smtp" | "api",
  "key": "gmailver_api_key" // 仅 API 方法需要
}
"#;

/// Somebody who reads the document, and what they have to fill in.
struct Reader<'a> {
    ledger: &'a Instance,
    token: String,
    order: String,
    key: String,
}

impl Reader<'_> {
    /// Sends what stands there. `choices` are the words taken of those it offers.
    async fn sends(&self, request: &str, choices: &[&str]) -> Answer {
        let filled = request
            .trim()
            .replace("<JWT_TOKEN>", &self.token)
            .replace(":order_no", &self.order)
            .replace("ORD20250125123456abcd", &self.order)
            .replace("XXXX-XXXX-XXXX-XXXX", &self.key);
        let (head, body) = filled.split_once("\n\n").map_or((filled.as_str(), None), |(head, body)| (head, Some(body)));
        let mut lines = head.lines();
        let (method, path) = lines.next().and_then(|line| line.split_once(' ')).expect("a method and a path");
        let headers = lines.map(|line| line.split_once(": ").expect("a header"));
        let caller =
            headers.fold(self.ledger.nobody(), |caller, (name, value)| caller.with(&name.to_lowercase(), value));
        let body = body.map(|body| chosen(body, choices).into_bytes());
        caller.send(method.parse::<Method>().expect("a method"), path, body).await
    }
}

/// `"a" | "b"` is one of them; what follows `//` is a remark.
fn chosen(body: &str, choices: &[&str]) -> String {
    let mut choices = choices.iter();
    let lines = body.lines().map(|line| {
        let line = line.split(" //").next().unwrap_or_default();
        let Some((name, _)) = line.split_once(": ").filter(|(_, offered)| offered.contains(" | ")) else {
            return line.to_owned();
        };
        let choice = choices.next().expect("a choice");
        assert!(line.contains(&format!("\"{choice}\"")), "{choice} is not offered in {line}");
        let comma = if line.ends_with(',') { "," } else { "" };
        format!("{name}: \"{choice}\"{comma}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_curl_of_the_document_works_as_it_stands_there() {
    let ledger = Instance::with(vec![("DEFAULT_CATALOGUE", "true".to_owned())]).await;
    let token = ledger.token(&["--role", "user", "--sub", "alice"]).await;
    let mut reader = Reader { ledger: &ledger, token, order: String::new(), key: String::new() };

    // 产品套餐: ¥10 for 100 uses, ¥30 for 500, ¥50 for 1000.
    let products = items(&reader.sends(PRODUCTS, &[]).await.expect(200).json());
    let licenses: Vec<_> = products.iter().filter(|product| product["type"] == "license").collect();
    let told: Vec<_> = licenses
        .iter()
        .map(|it| (text(it, "code"), it["prices"][0]["amount"].clone(), it["uses"].as_u64(), it["features"].clone()))
        .collect();
    let verify = json!(["email_verify"]);
    let pro = json!(["email_verify", "email_import", "task_management"]);
    let all = json!(["email_verify", "email_import", "task_management", "api_access", "priority_support"]);
    let expected = [("basic", "10.00", 100, verify), ("pro", "30.00", 500, pro), ("enterprise", "50.00", 1_000, all)];
    assert_eq!(
        told,
        expected.map(|(code, price, uses, features)| (code.to_owned(), json!(price), Some(uses), features))
    );

    for (product, method, transaction, quota) in [
        ("basic", "alipay", "TXN1234567890", 100),
        ("pro", "wechat", "TXN1234567891", 500),
        ("enterprise", "alipay", "TXN1234567892", 1_000),
    ] {
        let ordered = reader.sends(ORDER, &[product]).await.expect(201);
        reader.order = order_no(&ordered);
        assert!(reader.order.starts_with("ORD"), "{}", reader.order);
        assert_eq!(reader.sends(LOOK, &[]).await.expect(200).json()["status"], "pending");

        // Its provider names each payment once.
        let notice = NOTIFY.replace("TXN1234567890", transaction);
        reader.sends(&notice, &[method]).await.expect(200);
        let paid = reader.sends(LOOK, &[]).await.expect(200).json();
        assert_eq!(paid["status"], "fulfilled", "{paid}");

        // 支付成功后系统会自动把新 Key 设为当前使用 Key
        let keys = items(&reader.sends(KEYS, &[]).await.expect(200).json());
        let newest = keys.first().expect("a key");
        assert_eq!((&newest["product_type"], &newest["current"]), (&json!(product), &json!(true)));
        assert_eq!((&newest["quota_total"], &newest["status"]), (&json!(quota), &json!("active")));
        assert_eq!(newest["id"], paid["license"], "the order says what it delivered");
        reader.key = text(newest, "key_code");

        let activated = reader.sends(ACTIVATION, &[]).await.expect(200).json();
        assert_eq!(activated["bound"], true);
        for by in ["smtp", "api"] {
            let verified = reader.sends(ADDRESSES, &[by]).await.expect(200).json();
            assert_eq!(verified["results"].as_array().map(Vec::len), Some(2), "{verified}");
        }
        let state = reader.sends(STATE, &[]).await.expect(200).json();
        assert_eq!((&state["status"], &state["remaining"]), (&json!("active"), &json!(quota)), "nothing could be told");
    }
}
