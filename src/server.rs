//! A running instance: from settings to loops and a socket, and back down in the reverse order.
//!
//! ```text
//!   settings ──► store, vault, providers ──► app ──► workers: read models, processes, jobs, timers
//!                                              └───► web: one listener, in a process of workers for its health alone
//!   stop ──► the listener closes, open requests are answered ──► the workers finish ──► the store closes
//! ```
//!
//! Workers have connections of their own. Each part of stopping has a bound: what does not end by then is left behind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use utoipa_axum::router::OpenApiRouter;

use crate::addresses::SyntaxOnly;
use crate::app::{App, Parts};
use crate::clock::Clock;
use crate::config::Settings;
use crate::default_catalogue;
use crate::dispatch::{Dispatcher, Rules};
use crate::forward::{ForwardClient, ForwardOptions};
use crate::inbox::{Arrivals, Intake, Refusals};
use crate::mail::{MailOptions, Mailer, Via};
use crate::processes::{self, MailLinks};
use crate::providers::sandbox::{self, Sandbox};
use crate::providers::settings::Site;
use crate::providers::{Provider, Providers, Setup};
use crate::store::{self, Store, StoreError, StoreOptions};
use crate::vault::{Vault, VaultError};
use crate::web;
use crate::workers::jobs::{JobOptions, JobRunner};
use crate::workers::read_gate::ReadGate;
use crate::workers::{self, projections};

/// What a process does of it all, where it does not do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Answers requests; workers run elsewhere.
    Web,
    /// Follows the log and does what it asks for; requests are answered elsewhere, but for health and metrics.
    Workers,
}

/// Where mail goes while there is no `SMTP_URL`.
#[derive(Debug, Clone)]
pub enum Mailbox {
    /// Nowhere: workers do not start.
    None,
    Folder(PathBuf),
}

/// Longer than a socket's and a worker's own wait: those say what they leave behind.
const STOP_WAIT: Duration = Duration::from_secs(60);

/// Started and answering.
pub struct Server {
    app: App,
    address: SocketAddr,
    public_url: Url,
    /// The workers' own connections.
    pool: PgPool,
    web: Loops,
    workers: Loops,
}

/// Tasks that end together.
#[derive(Default)]
struct Loops {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Loops {
    async fn end(&self, what: &'static str) {
        self.stop.cancel();
        self.tasks.close();
        within_bound(what, self.tasks.wait()).await;
    }
}

async fn within_bound(what: &'static str, ending: impl Future<Output = ()>) {
    if tokio::time::timeout(STOP_WAIT, ending).await.is_err() {
        tracing::warn!("{what} did not end within {} s and is left behind", STOP_WAIT.as_secs());
    }
}

impl Server {
    /// Connects, starts the loops, and listens. The database must have been migrated.
    ///
    /// # Errors
    /// One sentence about what is missing, malformed or out of reach.
    pub async fn start(mut settings: Settings, mailbox: Mailbox, only: Option<Part>) -> anyhow::Result<Self> {
        let listener = listen(&mut settings).await?;
        let url = settings.database_url.expose_secret();
        // The address may hold a password, so it is not repeated.
        let connect: PgConnectOptions =
            url.parse().map_err(|_| anyhow::anyhow!("DATABASE_URL is not a PostgreSQL address"))?;
        let clock = Clock::system();
        let options = StoreOptions { clock: clock.clone(), ..StoreOptions::default() };
        let store = Store::open(connect.clone(), options).await.context("the database cannot be reached")?;
        store::check_migrated(store.pool()).await?;
        let pool = store::pool(store::as_writer(connect.clone()), workers::CONNECTIONS).await?;
        let vault = Vault::try_new(*settings.master_key.expose(), store.pool().clone())?;
        vault.check_master_key().await.map_err(|error| match error {
            VaultError::WrongMasterKey => {
                anyhow::anyhow!("LEDGER_MASTER_KEY is not the key that this database was begun with")
            }
            error => anyhow::Error::new(error).context("the vault cannot be read"),
        })?;
        let follower = projections::Options { clock: clock.clone(), ..projections::Options::default() };
        let (follower, followed) = projections::Loop::new(connect, follower);
        let does_work = only != Some(Part::Web);
        let (app, storing) = app(&settings, store, vault.clone(), clock, does_work.then_some(followed)).await?;
        set_up_providers(&settings, &app).await?;

        if settings.default_catalogue {
            default_catalogue::set_up(&app.dispatch, settings.currency)
                .await
                .context("the catalogue cannot be filled")?;
        }
        let public_url = settings.public_url.clone();
        let address = listener.local_addr()?;
        let (web, workers) = (Loops::default(), Loops::default());
        let server = Self { app, address, public_url, pool, web, workers };
        server.listen_to_providers(storing);
        if does_work {
            server.work(&settings, mailbox, vault)?;
            server.follow(follower)?;
        }
        if server.app.sandbox.is_some() {
            let following =
                sandbox::clock::follow(server.pool.clone(), server.app.clock.clone(), server.web.stop.clone());
            server.web.tasks.spawn(following);
            if does_work {
                let to = notified_at(only, server.address, &server.public_url)?;
                server.workers.tasks.spawn(sandbox::send(server.pool.clone(), to, server.workers.stop.clone()));
            }
        }
        server.answer(&settings, listener, only)?;
        Ok(server)
    }

    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    /// Where this machine reaches it.
    ///
    /// # Errors
    /// When the address cannot be written as one.
    pub fn local_url(&self) -> anyhow::Result<Url> {
        at_this_machine(self.address)
    }

    /// How customers and providers reach it.
    #[must_use]
    pub fn public_url(&self) -> &Url {
        &self.public_url
    }

    /// Stops what was started, last things first. What was begun is finished, within each part's bound.
    pub async fn stop(self) {
        self.web.end("the web").await;
        self.workers.end("the workers").await;
        let closing = async {
            tokio::join!(self.pool.close(), self.app.dispatch.store().close());
        };
        within_bound("the store", closing).await;
    }

    /// The read models have a thread of their own: folding a big batch holds up nobody's sockets.
    fn follow(&self, follower: projections::Loop) -> anyhow::Result<()> {
        let (stop, token) = (self.workers.stop.clone(), self.workers.tasks.token());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("projections".to_owned()).spawn(move || {
            runtime.block_on(follower.run(stop));
            drop(token);
        })?;
        Ok(())
    }

    fn work(&self, settings: &Settings, mailbox: Mailbox, vault: Vault) -> anyhow::Result<()> {
        let Parts { dispatch, clock, .. } = &*self.app;
        let pool = &self.pool;
        let mailer = Mailer::try_new(&MailOptions {
            via: match (&settings.mail.smtp_url, mailbox) {
                (Some(url), _) => Via::Smtp(url.clone()),
                (None, Mailbox::Folder(folder)) => Via::Folder(folder),
                (None, Mailbox::None) => anyhow::bail!("SMTP_URL is not set: mail would go nowhere"),
            },
            from: settings.mail.from.clone(),
            templates_dir: settings.mail.templates_dir.clone(),
        })?;
        let forward = ForwardClient::try_new(&ForwardOptions {
            admin_token: settings.forward.admin_token.clone(),
            signing_secret: settings.forward.signing_secret.clone(),
            ..ForwardOptions::new(settings.forward.url.clone())
        })?;
        let links = MailLinks {
            api_url: settings.forward.url.to_string(),
            dashboard_url: settings.public_url.join("dashboard")?.to_string(),
        };
        let handlers = processes::handlers(dispatch, &vault, forward, mailer, links);
        let runner = JobRunner::new(pool.clone(), clock.clone(), handlers, JobOptions::default());
        let Loops { stop, tasks } = &self.workers;
        tasks.spawn(workers::processes::run(pool.clone(), runner.wake(), stop.clone()));
        tasks.spawn(runner.run(stop.clone()));
        let arrivals = self.app.arrivals.clone();
        tasks.spawn(workers::inbox::run(pool.clone(), dispatch.clone(), vault, arrivals, stop.clone()));
        tasks.spawn(workers::timers::run(pool.clone(), stop.clone()));
        tasks.spawn(workers::meters::jobs(pool.clone(), stop.clone()));
        tasks.spawn(workers::meters::processes(pool.clone(), stop.clone()));
        Ok(())
    }

    /// Stored by whoever answers requests, worked off by whoever works.
    fn listen_to_providers(&self, storing: impl Future<Output = ()> + Send + 'static) {
        let Loops { stop, tasks } = &self.web;
        // Ends with the last handle on it, once everything that was handed in is stored.
        tokio::spawn(storing);
        tasks.spawn(self.app.refusals.clone().keep(self.app.pool.clone(), stop.clone()));
        let following = self.app.setup.clone().follow(self.app.pool.clone(), self.app.dispatch.clone(), stop.clone());
        tasks.spawn(following);
    }

    fn answer(&self, settings: &Settings, listener: TcpListener, only: Option<Part>) -> anyhow::Result<()> {
        let metrics = web::metrics::install()?;
        let edge = web::Edge::new(settings);
        let Loops { stop, tasks } = &self.web;
        let readiness = readiness(&self.app, stop.clone());
        let api = if only == Some(Part::Workers) { OpenApiRouter::new() } else { web::api::routes(&self.app) };
        let router = web::assemble(api, edge.clone(), readiness, metrics.clone())?;
        tasks.spawn(edge.upkeep(metrics, stop.clone()));
        tasks.spawn(workers::meters::store(self.app.dispatch.store().clone(), stop.clone()));
        tasks.spawn(web::serve(listener, router, stop.clone()));
        Ok(())
    }
}

/// Where the sandbox sends its notices: to this very server, unless it only works.
fn notified_at(only: Option<Part>, address: SocketAddr, public_url: &Url) -> anyhow::Result<Url> {
    if only == Some(Part::Workers) {
        return Ok(public_url.clone());
    }
    at_this_machine(address)
}

fn at_this_machine(address: SocketAddr) -> anyhow::Result<Url> {
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    Ok(Url::parse(&format!("http://{}/", SocketAddr::new(host, address.port())))?)
}

/// Port 0 picks one, and the address that customers reach us at by default follows it.
async fn listen(settings: &mut Settings) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("LISTEN: {} cannot be listened on", settings.listen))?;
    let port = listener.local_addr()?.port();
    if settings.public_url.port() == Some(0) && settings.public_url.set_port(Some(port)).is_err() {
        anyhow::bail!("PUBLIC_URL cannot have a port");
    }
    Ok(listener)
}

async fn app(
    settings: &Settings,
    store: Store,
    vault: Vault,
    clock: Clock,
    followed: Option<projections::Handle>,
) -> anyhow::Result<(App, impl Future<Output = ()> + Send + 'static)> {
    let pool = store.pool().clone();
    let variables = Setup::of_environment(&settings.providers, Site { public_url: settings.public_url.clone() })?;
    let arrivals = Arrivals::default();
    let (intake, storing) = Intake::new(pool.clone(), vault.clone(), arrivals.clone());
    let refusals = Refusals::new(vault.clone());
    let sandbox = settings.sandbox.then(|| Sandbox::new(pool.clone(), settings.currency, settings.public_url.as_str()));
    if sandbox.is_some() {
        sandbox::clock::follow_once(&pool, &clock).await?;
    }
    let list = sandbox.iter().map(|sandbox| Arc::new(sandbox.clone()) as Arc<dyn Provider>).collect();
    let rules = Rules {
        time_zone: settings.time_zone,
        order_ttl: chrono::TimeDelta::seconds(settings.order_ttl_seconds.into()),
    };
    let dispatch = Dispatcher::new(store, clock.clone(), vault, Providers::new(list), rules);
    let app = App::new(Parts {
        setup: variables,
        may_configure: sandbox.is_none() || settings.development,
        intake,
        arrivals,
        refusals,
        dispatch,
        reads: ReadGate::new(pool.clone(), followed),
        pool,
        clock,
        sandbox,
        currency: settings.currency,
        time_zone: settings.time_zone,
        verifier: Arc::new(SyntaxOnly),
        trusted_proxies: settings.trusted_proxies.clone(),
        cron_secret: settings.cron_secret.clone(),
    });
    Ok((app, storing))
}

/// Before anybody can ask for them. What the environment sets must be right; what admins have set may have become wrong
/// since, and is said in the log.
async fn set_up_providers(settings: &Settings, app: &App) -> anyhow::Result<()> {
    app.setup.load(&app.dispatch).await.context("the settings of payment providers cannot be read")?;
    app.setup.check_environment()?;
    if !app.may_configure && app.dispatch.providers().names().len() > 1 {
        anyhow::bail!(
            "SANDBOX is on and real payment providers are set up: simulated payments and real ones do not mix"
        );
    }
    tracing::debug!(sandbox = settings.sandbox, providers = ?app.dispatch.providers(), "payment providers");
    Ok(())
}

/// What must hold before this server should be sent requests.
fn readiness(app: &App, stopping: CancellationToken) -> web::Readiness {
    let (asked, lagging) = (app.pool.clone(), app.pool.clone());
    web::Readiness::new(stopping)
        .with("database", move || {
            let pool = asked.clone();
            async move {
                store::check_migrated(&pool).await.map_err(|error| match error {
                    StoreError::NotMigrated => error.to_string(),
                    error => unanswered(&error),
                })
            }
        })
        .with("read_models", move || {
            let pool = lagging.clone();
            async move { read_models_keep_up(&pool).await }
        })
}

async fn read_models_keep_up(pool: &PgPool) -> Result<(), String> {
    const BEHIND_MAX: i64 = 100_000;
    let behind: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(h.position - c.position), 0)::int8
           FROM ledger.log_heads h JOIN read.checkpoints c USING (log_part)",
    )
    .fetch_one(pool)
    .await
    .map_err(|error| unanswered(&error))?;
    if behind > BEHIND_MAX { Err(format!("the read models are {behind} events behind")) } else { Ok(()) }
}

/// Anybody may read what is not ready; why is for the log.
fn unanswered(error: &dyn std::fmt::Display) -> String {
    tracing::warn!(%error, "not ready: the database cannot be asked");
    "the database cannot be asked".to_owned()
}
