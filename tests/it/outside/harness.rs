//! One instance of the ledger as its operator runs it: server processes on a database, a forward service that is another
//! process, and a mail server. It is spoken to over HTTP only; SQL is for looking, and for letting time pass in the job
//! table.

use std::collections::HashMap;
use std::sync::Mutex;

use billing_ledger::embedded_postgres::shared::TestDatabase;
use chrono::{DateTime, Days, TimeZone, Utc};
use chrono_tz::Asia::Shanghai;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::http::{Answer, Caller, client};
use super::mail::{Mail, MailServer};
use super::program::{Env, Program, run_well};
use crate::support::{database, eventually, plain_pool};

pub(crate) const ADMIN_TOKEN: &str = "forward-admin-token-4711";
/// `whsec_` and base64, as the Standard Webhooks specification has it.
pub(crate) const SIGNING_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const JWT_SECRET: &str = "outside-jwt-secret-0123456789abcdef";
const MASTER_KEY: &str = "6f7574736964652d6d61737465722d6b65792d303132333435363738396162ff";
pub(crate) const PUBLIC_URL: &str = "https://billing.example.com";

pub(crate) struct Instance {
    pub(crate) pool: PgPool,
    pub(crate) forward: Forward,
    pub(crate) mail: MailServer,
    pub(crate) database: TestDatabase,
    servers: Vec<Server>,
    env: Env,
    http: reqwest::Client,
    tokens: Mutex<HashMap<String, String>>,
    /// What ended servers had logged.
    logs: Vec<String>,
}

struct Server {
    program: Program,
    base: String,
}

impl Instance {
    pub(crate) async fn start() -> Self {
        Self::with(Vec::new()).await
    }

    /// With settings over the usual ones.
    pub(crate) async fn with(settings: Env) -> Self {
        Self::with_servers(1, settings).await
    }

    /// So many processes, all started at once.
    pub(crate) async fn with_servers(count: usize, settings: Env) -> Self {
        let database = database().await;
        let pool = plain_pool(database.connect_options()).await;
        let (forward, mail) = (Forward::start().await, MailServer::start().await);
        let mut env: Env = vec![
            ("DATABASE_URL", database.url()),
            ("JWT_SECRET", JWT_SECRET.to_owned()),
            ("LEDGER_MASTER_KEY", MASTER_KEY.to_owned()),
            ("SANDBOX", "true".to_owned()),
            ("DEFAULT_CATALOGUE", "false".to_owned()),
            ("PUBLIC_URL", PUBLIC_URL.to_owned()),
            ("RATE_LIMIT_PER_SECOND", "100000".to_owned()),
            ("FORWARD_API_URL", forward.base.clone()),
            ("FORWARD_API_ADMIN_TOKEN", ADMIN_TOKEN.to_owned()),
            ("FORWARD_API_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
            ("SMTP_URL", mail.url()),
            ("MAIL_FROM", "Ledger <billing@example.com>".to_owned()),
        ];
        env.extend(settings);
        let (servers, http, tokens) = (Vec::new(), client(), Mutex::default());
        let mut instance = Self { pool, forward, mail, database, servers, env, http, tokens, logs: Vec::new() };
        instance.add_servers(count, &[]).await;
        instance
    }

    /// One process more on the same database.
    pub(crate) async fn add_server(&mut self) {
        self.add_servers(1, &[]).await;
    }

    /// One that answers requests and does nothing else.
    pub(crate) async fn add_web_server(&mut self) {
        self.add_servers(1, &["--only", "web"]).await;
    }

    pub(crate) async fn add_servers(&mut self, count: usize, arguments: &[&str]) {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let spawn = |_| Program::spawn(&arguments, &self.env);
        let programs: Vec<Program> = (0..count).map(spawn).collect();
        for mut program in programs {
            let base = program.listening().await;
            self.servers.push(Server { program, base });
        }
    }

    /// For servers that start from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.env.push((name, value.to_owned()));
    }

    /// `kill -9` for all of them.
    pub(crate) async fn kill(&mut self) {
        for server in std::mem::take(&mut self.servers) {
            self.logs.push(server.program.kill().await);
        }
    }

    /// SIGTERM for all of them; each ends cleanly.
    pub(crate) async fn stop(&mut self) {
        for server in std::mem::take(&mut self.servers) {
            let (status, log) = server.program.end(Signal::SIGTERM).await;
            assert!(status.success(), "{status}: {log}");
            self.logs.push(log);
        }
    }

    /// Everything that any server of this instance has logged.
    pub(crate) fn log(&self) -> String {
        let running = self.servers.iter().map(|server| server.program.err());
        self.logs.iter().cloned().chain(running).collect::<Vec<_>>().join("\n")
    }

    /// One of the program's other commands, on the same database with the same settings.
    pub(crate) async fn command(&self, arguments: &[&str]) -> String {
        run_well(arguments, &self.env).await
    }

    pub(crate) async fn token(&self, arguments: &[&str]) -> String {
        let key = arguments.join(" ");
        if let Some(known) = self.tokens.lock().expect("no panic").get(&key) {
            return known.clone();
        }
        let printed = run_well(&[&["token"], arguments].concat(), &self.env).await;
        let token = printed.trim().to_owned();
        self.tokens.lock().expect("no panic").insert(key, token.clone());
        token
    }

    pub(crate) async fn admin(&self) -> Caller {
        self.caller(&self.token(&["--role", "admin", "--sub", "root"]).await)
    }

    pub(crate) async fn auditor(&self) -> Caller {
        self.caller(&self.token(&["--role", "auditor", "--sub", "ada"]).await)
    }

    pub(crate) async fn service(&self) -> Caller {
        self.caller(&self.token(&["--role", "service", "--sub", "gateway"]).await)
    }

    /// Known to the ledger by an address and a name that follow from `sub`.
    pub(crate) async fn user(&self, sub: &str) -> Caller {
        let (email, name) = (email_of(sub), name_of(sub));
        self.caller(&self.token(&["--role", "user", "--sub", sub, "--email", &email, "--name", &name]).await)
    }

    pub(crate) fn caller(&self, token: &str) -> Caller {
        self.caller_at(0, Some(token))
    }

    pub(crate) fn nobody(&self) -> Caller {
        self.caller_at(0, None)
    }

    pub(crate) fn caller_at(&self, server: usize, token: Option<&str>) -> Caller {
        Caller::new(&self.http, &self.servers[server].base, token)
    }

    /// Where the first server listens.
    pub(crate) fn base(&self) -> &str {
        &self.servers[0].base
    }

    pub(crate) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// Moves the business clock of the instance.
    pub(crate) async fn set_clock(&self, now: DateTime<Utc>) {
        self.admin().await.put("/api/v1/sandbox/clock", json!({"now": now.to_rfc3339()})).await.ok();
    }

    /// Moves it to tomorrow at ten in the time zone of quotas: far from midnight, so that no test of a day's quota is ever
    /// run across one. Servers that are added later begin there; those that run follow after a while.
    pub(crate) async fn set_to_ten(&self) -> DateTime<Utc> {
        let tomorrow = Utc::now().with_timezone(&Shanghai).date_naive() + Days::new(1);
        let ten = tomorrow.and_hms_opt(10, 0, 0).expect("a time");
        let ten = Shanghai.from_local_datetime(&ten).single().expect("a time").to_utc();
        self.set_clock(ten).await;
        ten
    }

    /// What the sandbox's payment provider says: this order was paid.
    pub(crate) async fn pay(&self, order: &str, transaction: &str) -> Answer {
        self.nobody().post("/api/v1/payments/notify", payment(order, transaction)).await
    }

    /// The package of seed 001's curl, word for word.
    pub(crate) async fn create_package(&self) -> Answer {
        let body = SEED_PACKAGE.as_bytes().to_vec();
        self.admin().await.send(reqwest::Method::POST, "/api/admin/packages", Some(body)).await.ok()
    }

    /// A customer who has bought and paid the package: the number of the order.
    pub(crate) async fn bought(&self, sub: &str) -> String {
        let order = self.ordered(sub).await;
        self.pay(&order, &format!("txn-{order}")).await.ok();
        order
    }

    /// A customer who has ordered the package and not paid yet.
    pub(crate) async fn ordered(&self, sub: &str) -> String {
        let admin = self.admin().await;
        let known = admin.get("/api/admin/packages").await.ok().json();
        let first = || known["items"].as_array().or(known.as_array())?.first()?["id"].as_u64();
        let id = match first() {
            Some(id) => id,
            None => self.create_package().await.json()["id"].as_u64().expect("a number"),
        };
        let bought = self.user(sub).await.post_nothing(&format!("/api/packages/{id}/purchase")).await.ok();
        order_no(&bought)
    }

    /// Lets the time of waiting retries and of dead processes' leases pass.
    pub(crate) async fn hurry(&self) {
        let alive: Vec<String> = self.servers.iter().map(|server| format!("{}-%", server.program.id())).collect();
        sqlx::query(
            "UPDATE jobs.jobs SET run_at = clock_timestamp()
              WHERE state = 'queued' AND NOT by_business_clock AND run_at > clock_timestamp()",
        )
        .execute(&self.pool)
        .await
        .expect("the job table");
        sqlx::query(
            "UPDATE jobs.jobs SET lease_until = clock_timestamp() - interval '1 second'
              WHERE state = 'running' AND NOT (lease_owner LIKE ANY ($1)) AND lease_until > clock_timestamp()",
        )
        .bind(alive)
        .execute(&self.pool)
        .await
        .expect("the job table");
        sqlx::query(
            "UPDATE inbox.notifications SET due_at = clock_timestamp()
              WHERE state IN ('received', 'waiting') AND due_at > clock_timestamp()",
        )
        .execute(&self.pool)
        .await
        .expect("the inbox");
    }

    /// What admins see of the delivery of an order.
    pub(crate) async fn delivery(&self, order: &str) -> Option<Value> {
        let list = self.admin().await.get("/api/v1/admin/deliveries?limit=200").await.ok().json();
        let items = list["items"].as_array().expect("a list");
        items.iter().find(|delivery| delivery["order_no"] == order).cloned()
    }

    /// Waits until key and mail are out, without waiting for the pauses between attempts.
    pub(crate) async fn delivered(&self, order: &str) -> Value {
        eventually("a delivery", async || {
            self.hurry().await;
            self.delivery(order).await.filter(|delivery| delivery["state"] == "delivered")
        })
        .await
    }

    /// As its customer sees it, once they do.
    pub(crate) async fn order(&self, sub: &str, order: &str) -> Value {
        let user = self.user(sub).await;
        eventually("an order to be seen", async || {
            let answer = user.get(&format!("/api/v1/payments/orders/{order}")).await;
            (answer.status != 404).then(|| answer.ok().json())
        })
        .await
    }

    /// Waits until an order has a status.
    pub(crate) async fn order_is(&self, sub: &str, order: &str, status: &str) -> Value {
        eventually("a status of an order", async || {
            Some(self.order(sub, order).await).filter(|order| order["status"] == status)
        })
        .await
    }

    /// How many events of a kind an account has.
    pub(crate) async fn events_of(&self, sub: &str, aggregate: &str, event: &str) -> i64 {
        let account = crate::support::units::account(sub).key().uuid();
        sqlx::query_scalar(
            "SELECT count(*) FROM ledger.events WHERE account = $1 AND aggregate_type = $2 AND event_type = $3",
        )
        .bind(account)
        .bind(aggregate)
        .bind(event)
        .fetch_one(&self.pool)
        .await
        .expect("the log")
    }

    /// The requests that the forward service got for a customer.
    pub(crate) async fn forwarded(&self, sub: &str) -> Vec<Value> {
        let all = self.forward.requests().await;
        all.into_iter()
            .filter(|request| request["body"].as_str().is_some_and(|body| body.contains(&email_of(sub))))
            .collect()
    }

    /// Mail that the server has taken, for one customer.
    pub(crate) fn mail_to(&self, sub: &str) -> Vec<Mail> {
        self.mail.taken().into_iter().filter(|mail| mail.to == email_of(sub)).collect()
    }
}

/// The body of seed 001's curl.
pub(crate) const SEED_PACKAGE: &str = r#"{
    "name": "基础套餐",
    "description": "适合轻度使用",
    "price": 30.00,
    "duration_days": 30,
    "daily_limit": 5.00,
    "sort_order": 1
  }"#;

pub(crate) fn email_of(sub: &str) -> String {
    format!("{sub}@customers.example.org")
}

/// Nothing else in the ledger is called so.
pub(crate) fn name_of(sub: &str) -> String {
    format!("Zyx{sub}wvut")
}

pub(crate) fn payment(order: &str, transaction: &str) -> Value {
    json!({"order_no": order, "transaction_id": transaction, "payment_method": "alipay"})
}

#[track_caller]
pub(crate) fn order_no(purchase: &Answer) -> String {
    purchase.json()["order_no"].as_str().unwrap_or_else(|| panic!("no order_no: {}", purchase.text())).to_owned()
}

/// The forward service: `billing-ledger simulate forward`, another process.
pub(crate) struct Forward {
    pub(crate) base: String,
    http: reqwest::Client,
    _program: Program,
}

impl Forward {
    async fn start() -> Self {
        let env = vec![
            ("FORWARD_API_ADMIN_TOKEN", ADMIN_TOKEN.to_owned()),
            ("FORWARD_API_SIGNING_SECRET", SIGNING_SECRET.to_owned()),
        ];
        let arguments = ["simulate", "forward", "--listen", "127.0.0.1:0", "--slow-seconds", "3600"];
        let mut program = Program::spawn(&arguments, &env);
        let base = program.listening().await;
        Self { base, http: client(), _program: program }
    }

    pub(crate) async fn requests(&self) -> Vec<Value> {
        let answer = self.http.get(format!("{}/requests", self.base)).send().await.expect("an answer");
        answer.json().await.expect("a list")
    }

    /// `500x3,slow`: three times HTTP 500, then slow for ever. Nothing is no fault.
    pub(crate) async fn misbehave(&self, faults: &str) {
        let told = self.http.put(format!("{}/faults", self.base)).body(faults.to_owned()).send().await;
        assert!(told.expect("an answer").status().is_success(), "{faults}");
    }
}
