//! `billing-ledger bench notifications`: how many notifications of a payment provider a server takes, each signed as that
//! provider signs, verified, stored durably, acknowledged; while others of them are worked off and orders delivered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aggregates::{
    AccountId, AggregateId, Checkout, Command, CommandId, CreditPackTerms, Credits, Currency, Money, OrderCommand,
    OrderId, OrderNumber, PlaceOrder, ProductId, ProductKind,
};
use anyhow::{Context, ensure};
use chrono::{TimeDelta, Utc};
use hdrhistogram::Histogram;
use serde::Serialize;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::super::target::Target;
use super::server::Server;
use crate::loadtest::{Asked, Link, Unanswered};
use crate::providers::simulator::{Happened, KeyFile, Outgoing, PaidThere, Simulated, Trade};
use crate::providers::{SPECS, Spec};
use crate::store::{Claim, Store, StoreOptions, UnitOfWork};

const CONNECTIONS: usize = 64;
/// What must hold, in notifications a second: of providers that sign with RSA, and of all others.
const RSA_REQUIRED: f64 = 1_000.0;
const HMAC_REQUIRED: f64 = 2_000.0;
const P99_REQUIRED: Duration = Duration::from_millis(100);
const RSA: [&str; 3] = ["alipay", "wechat", "antom"];
const PRICE_MINOR: i64 = 1_000;
const PLACED_AT_ONCE: usize = 512;
const WORKED_OFF_WITHIN: Duration = Duration::from_secs(600);
/// Of each provider, before what is measured: PostgreSQL plans for the tables it knows, and these were empty.
const WARM_UP: usize = 500;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Notifications of each provider.
    #[arg(long, default_value_t = 10_000)]
    pub notifications: u32,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
    /// The program whose `serve` is started.
    #[arg(long, hide = true)]
    pub program: Option<std::path::PathBuf>,
}

/// What one provider's notifications came to.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub provider: &'static str,
    pub notifications: usize,
    pub acknowledged_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// From the first one sent to the last one's order delivered.
    pub worked_off_per_second: f64,
    pub required_per_second: f64,
    pub holds: bool,
}

/// Measures on a private PostgreSQL with durability on, prints a line for each provider, and says whether what is promised
/// holds.
///
/// # Errors
/// When there is no PostgreSQL to be had, the server does not start, or a notification is not acknowledged.
pub async fn run(options: &Options) -> anyhow::Result<bool> {
    let folder = super::super::folder()?;
    let postgres = super::super::private_postgres(folder.path()).await?;
    let measured = async {
        let (target, connection) = super::super::prepare(&postgres).await?;
        connection.close().await?;
        measure(&target, &postgres.url("postgres"), folder.path(), options).await
    };
    let rows = measured.await;
    postgres.stop().await?;
    let rows = rows?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        rows.iter().for_each(|row| println!("{}", said(row)));
    }
    Ok(rows.iter().all(|row| row.holds))
}

fn said(row: &Row) -> String {
    let Row { provider, notifications, acknowledged_per_second, p50_ms, p99_ms, worked_off_per_second, .. } = row;
    let verdict = if row.holds { "holds" } else { "does not hold" };
    format!(
        "{provider:<15} {notifications} notifications, {CONNECTIONS} connections: {acknowledged_per_second:.0}/s acknowledged, \
         p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms; {worked_off_per_second:.0}/s delivered; {:.0}/s and p99 {} ms required: {verdict}",
        row.required_per_second,
        P99_REQUIRED.as_millis(),
    )
}

async fn measure(target: &Target, url: &str, folder: &Path, options: &Options) -> anyhow::Result<Vec<Row>> {
    let mut faces = Vec::new();
    let mut environment = Vec::new();
    for spec in SPECS {
        let mut keys = KeyFile::open(&folder.join("keys"), spec.name)?;
        // Nobody is asked anything: notifications say everything.
        let Simulated { face, settings } = (spec.simulate)(&mut keys, "http://127.0.0.1:9")?;
        let set = settings.names().filter_map(|name| Some((spec.variable(name), settings.optional(name)?.to_owned())));
        environment.extend(set);
        faces.push((*spec, face));
    }
    let server = Server::start_with(options.program.as_deref(), url, &environment).await?;
    let address = server.under_load()?.url.socket_addrs(|| None)?.first().copied().context("an address")?;
    let store = Store::open(target.connect.clone(), StoreOptions::default()).await?;
    let mut connection = PgConnection::connect_with(&target.connect).await?;
    let mut rows = Vec::new();
    for (spec, face) in faces {
        let currency = currency_of(spec);
        let count = usize::try_from(options.notifications)? + WARM_UP;
        let trades = place(&store, spec, address, currency, u32::try_from(count)?).await?;
        let requests: anyhow::Result<Vec<Asked>> = trades
            .iter()
            .map(|trade| {
                let paid = trade.paid.first().context("a payment")?.clone();
                let event = Uuid::new_v4().to_string();
                let outgoing = face.notification(trade, &Happened::Paid(paid), &event).context("a notification")?;
                Ok(request(address, &outgoing))
            })
            .collect();
        let mut first = requests?;
        let requests = first.split_off(WARM_UP);
        load(spec, address, first, WARM_UP, &mut connection).await?;
        connection.execute("ANALYZE").await?;
        let row = load(spec, address, requests, count, &mut connection).await?;
        tracing::info!("measured: {}", said(&row));
        rows.push(row);
    }
    store.close().await;
    server.stop().await?;
    Ok(rows)
}

fn currency_of(spec: &Spec) -> &'static str {
    match spec.name {
        "alipay" | "wechat" => "CNY",
        "linuxdo_credit" => "LDC/2",
        _ => "USD",
    }
}

/// Orders that wait for their payment, each of a customer of its own, and the provider's side of them.
async fn place(
    store: &Store,
    spec: &Spec,
    address: SocketAddr,
    currency: &str,
    count: u32,
) -> anyhow::Result<Vec<Trade>> {
    let currency: Currency = currency.parse()?;
    let mut trades = Vec::new();
    let mut placing = JoinSet::new();
    for n in 0..count {
        let now = Utc::now();
        let number = OrderNumber::new(now, n);
        let reference = Uuid::new_v4().to_string();
        let account = AccountId::try_new(&format!("{}-{n:06}", spec.name))?;
        let unit = placed(spec, &account, &number, &reference, Money::from_minor(PRICE_MINOR, currency))?;
        let store = store.clone();
        placing.spawn(async move { store.execute(unit).await });
        if placing.len() >= PLACED_AT_ONCE {
            placing.join_next().await.context("an order")???;
        }
        let paid = PaidThere { payment_id: format!("pay-{}-{n}", spec.name), amount: PRICE_MINOR, at: now, nth: 1 };
        trades.push(Trade {
            number: number.to_string(),
            reference,
            subject: "bench".to_owned(),
            amount: PRICE_MINOR,
            currency: currency.code().to_owned(),
            notify_url: spec.webhooks.first().map(|webhook| format!("http://{address}{}", webhook.path)),
            created_at: now,
            closed: false,
            paid: vec![paid],
            refunds: Vec::new(),
            more: BTreeMap::new(),
        });
    }
    while let Some(placed) = placing.join_next().await {
        placed??;
    }
    Ok(trades)
}

fn placed(
    spec: &Spec,
    account: &AccountId,
    number: &OrderNumber,
    reference: &str,
    price: Money,
) -> anyhow::Result<UnitOfWork> {
    let (now, order) = (Utc::now(), OrderId::of_number(number));
    let place = OrderCommand::Place(PlaceOrder {
        number: number.clone(),
        product: ProductId::numbered(1),
        name: "bench".to_owned(),
        kind: ProductKind::CreditPack(CreditPackTerms { credits: Credits::whole(10), valid_days: None }),
        time_zone: chrono_tz::Asia::Shanghai,
        price,
        provider: spec.name.to_owned(),
        expires_at: now + TimeDelta::days(1),
    });
    let checkout = Checkout { url: None, qr: None, reference: Some(reference.to_owned()) };
    let commands = vec![Command::Order(order, place), Command::Order(order, OrderCommand::OpenCheckout(checkout))];
    let claim = |kind, key| Claim { kind, key, aggregate: AggregateId::order(order) };
    let unit = UnitOfWork::new(account.clone(), CommandId::from_uuid(Uuid::now_v7()), now, commands)?;
    Ok(unit
        .claiming(claim("order_number", number.to_string()))
        .claiming(claim("provider_order", format!("{}:{reference}", spec.name))))
}

/// As bytes, to be written as they are.
fn request(address: SocketAddr, outgoing: &Outgoing) -> Asked {
    let path = outgoing.url.parse::<url::Url>().map_or_else(
        |_| outgoing.url.clone(),
        |url| url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path())),
    );
    let mut head = format!("{} {path} HTTP/1.1\r\nHost: {address}\r\n", outgoing.method);
    for (name, value) in &outgoing.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", outgoing.body.len()));
    Asked::new([head.as_bytes(), &outgoing.body].concat())
}

/// `in_all`: what the inbox holds of this provider once these have come as well.
async fn load(
    spec: &'static Spec,
    address: SocketAddr,
    requests: Vec<Asked>,
    in_all: usize,
    connection: &mut PgConnection,
) -> anyhow::Result<Row> {
    let count = requests.len();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        callers.spawn(caller(address, requests.clone(), next.clone()));
    }
    let mut latencies = Histogram::<u64>::new(3)?;
    while let Some(called) = callers.join_next().await {
        latencies.add(called??)?;
    }
    let took = began.elapsed();
    worked_off(spec, in_all, connection).await?;
    let delivered = began.elapsed();
    let required = if RSA.contains(&spec.name) { RSA_REQUIRED } else { HMAC_REQUIRED };
    let per_second = count as f64 / took.as_secs_f64();
    let p99 = Duration::from_micros(latencies.value_at_quantile(0.99));
    Ok(Row {
        provider: spec.name,
        notifications: count,
        acknowledged_per_second: per_second,
        p50_ms: latencies.value_at_quantile(0.5) as f64 / 1e3,
        p99_ms: p99.as_secs_f64() * 1e3,
        worked_off_per_second: count as f64 / delivered.as_secs_f64(),
        required_per_second: required,
        holds: per_second >= required && p99 < P99_REQUIRED,
    })
}

/// One connection; every answer has to be a success.
async fn caller(
    address: SocketAddr,
    requests: Arc<Vec<Asked>>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3)?;
    let mut link = Link::open(address).await?;
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let asked = Instant::now();
        let status = match link.ask(request).await {
            Ok(status) => status,
            Err(Unanswered::NotSent) => anyhow::bail!("the server hung up"),
            Err(Unanswered::Lost) => anyhow::bail!("an answer was lost"),
        };
        ensure!(status.is_success(), "a notification was answered {status}");
        latencies.record(u64::try_from(asked.elapsed().as_micros())?)?;
    }
    Ok(latencies)
}

async fn worked_off(spec: &Spec, count: usize, connection: &mut PgConnection) -> anyhow::Result<()> {
    let deadline = Instant::now() + WORKED_OFF_WITHIN;
    loop {
        let (done, other): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state IN ('nothing', 'review', 'waiting'))
               FROM inbox.notifications WHERE provider = $1",
        )
        .bind(spec.name)
        .fetch_one(&mut *connection)
        .await?;
        ensure!(other == 0, "{other} notifications came to nothing");
        if usize::try_from(done)? == count {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "only {done} notifications were worked off in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
