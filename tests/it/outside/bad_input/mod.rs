//! What is malformed, out of range or not allowed: each is a 4xx with a code and a reason, and nothing at all is
//! recorded.
//!
//! ```text
//! usage.rs      charges: amounts, fields, bodies, encodings
//! shop.rs       packages, orders, payments
//! licenses.rs   keys, entitlements, addresses verified
//! admin.rs      credits by hand, deliveries, the clock
//! subscriptions.rs  plans paid by the period
//! refunds.rs    money back, confirmation, the sandbox
//! addresses.rs  paths, queries, headers
//! tokens.rs     who asks
//! ```
//!
//! Whoever is refused here could do the same thing well: Alice has quota, credits and a license, the package is on sale, Bob's order
//! waits. So nothing is refused for want of something else.

mod addresses;
mod admin;
mod licenses;
mod refunds;
mod shop;
mod subscriptions;
mod tokens;
mod usage;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use super::harness::Instance;
use super::http::Caller;
use crate::support::eventually;

/// At least so many of them.
const CASES_MIN: usize = 80;

/// Who asks.
#[derive(Clone)]
enum Who {
    Nobody,
    Alice,
    Service,
    Admin,
    Auditor,
    /// With this as the whole `Authorization` header.
    Bearing(String),
}

/// One request, and why it is refused.
#[derive(Clone)]
struct Case {
    name: String,
    who: Who,
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Option<Vec<u8>>,
    status: u16,
    code: &'static str,
}

fn case(
    name: impl Into<String>,
    who: Who,
    method: Method,
    path: impl Into<String>,
    refused: (u16, &'static str),
) -> Case {
    let (status, code) = refused;
    Case { name: name.into(), who, method, path: path.into(), headers: Vec::new(), body: None, status, code }
}

impl Case {
    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a case may speak of.
struct Scene {
    /// Bob's, and pending.
    order: String,
    /// Alice's, and done.
    delivery: String,
    /// Alice's, with that delivery.
    paid: String,
    /// Alice's, and her current one.
    license: String,
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_said_and_nothing_is_recorded() {
    let ledger = Instance::start().await;
    let scene = set_up(&ledger).await;
    let cases: Vec<Case> = [
        usage::cases(),
        shop::cases(&scene),
        licenses::cases(&scene),
        admin::cases(&scene),
        addresses::cases(&scene),
        tokens::cases(),
        subscriptions::cases(),
        refunds::cases(&scene),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut names = BTreeSet::new();
    for case in &cases {
        assert!(names.insert(case.name.as_str()), "there are two cases {:?}", case.name);
    }
    assert!(cases.len() >= CASES_MIN, "{}", cases.len());
    let mut before = recorded(&ledger.pool).await;
    let mut wrong = Vec::new();
    for case in &cases {
        if let Err(found) = check(&ledger, case).await {
            wrong.push(format!("{}: {found}", case.name));
        }
        let now = recorded(&ledger.pool).await;
        if now != before {
            wrong.push(format!("{}: something was recorded: {before:?} became {now:?}", case.name));
            before = now;
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    println!("{} cases", cases.len());
}

async fn set_up(ledger: &Instance) -> Scene {
    let paid = ledger.bought("alice").await;
    let delivery = ledger.delivered(&paid).await;
    let credits = json!({"amount": "100", "reason": "to have some"});
    ledger.admin().await.post("/api/v1/admin/accounts/alice/credits/adjust", credits).await.ok();
    let order = ledger.ordered("bob").await;
    let license = super::licenses::bought(ledger, "alice").await;
    // Alice's package has a timer, each of three orders two and each of two payments one, her key and mail are done.
    eventually("the processes to have asked for everything", async || {
        let jobs: i64 =
            sqlx::query_scalar("SELECT count(*) FROM jobs.jobs").fetch_one(&ledger.pool).await.expect("jobs");
        (jobs == 11).then_some(())
    })
    .await;
    Scene { order, delivery: delivery["id"].as_str().expect("an id").to_owned(), paid, license }
}

/// Events, names and jobs there are, and what the sandbox's provider has been told.
async fn recorded(pool: &PgPool) -> (i64, i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT sum(position)::int8 FROM ledger.log_heads), (SELECT count(*) FROM ledger.unique_keys),
                (SELECT count(*) FROM jobs.jobs), (SELECT count(*) FROM sandbox.payments)",
    )
    .fetch_one(pool)
    .await
    .expect("the database")
}

async fn check(ledger: &Instance, case: &Case) -> Result<(), String> {
    let caller = caller(ledger, case).await;
    let answer = caller.try_send(case.method.clone(), &case.path, case.body.clone()).await;
    let answer = answer.map_err(|error| format!("no answer: {error:?}"))?;
    if answer.status != case.status {
        return Err(format!("{} instead of {}: {}", answer.status, case.status, answer.text()));
    }
    let problem = answer.problem();
    if problem["code"] != case.code {
        return Err(format!("not {}: {problem}", case.code));
    }
    Ok(())
}

async fn caller(ledger: &Instance, case: &Case) -> Caller {
    let caller = match &case.who {
        Who::Nobody => ledger.nobody(),
        Who::Alice => ledger.user("alice").await,
        Who::Service => ledger.service().await,
        Who::Admin => ledger.admin().await,
        Who::Auditor => ledger.auditor().await,
        Who::Bearing(header) => ledger.nobody().with("authorization", header),
    };
    case.headers.iter().fold(caller, |caller, (name, value)| caller.with(name, value))
}
