//! `billing-ledger dev`: everything on one machine, with nothing to set up. Its data lives in one folder, and the next
//! start continues with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::demo;
use super::serve::{announce, stop_token};
use crate::config::{Layers, Settings, TokenKey};
use crate::embedded_postgres::{Durability, EmbeddedPostgres, Options};
use crate::forward::simulator::{Simulator, SimulatorOptions};
use crate::providers::{SPECS, Spec, simulator};
use crate::server::{Mailbox, Server};
use crate::web::auth::{Claims, Locale, Role, mint};

const DATABASE: &str = "postgres";
/// Where seed scripts and customers' programs look for the service that issues keys.
const FORWARD_PORT: u16 = 3000;
const TOKEN_SECONDS: u32 = 30 * 24 * 3_600;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Holds everything: the database, mail as files, the generated secrets.
    #[arg(long, default_value = "./data")]
    data_dir: PathBuf,
    /// Instead of LISTEN; port 0 picks one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Start with an empty catalogue and no accounts.
    #[arg(long)]
    no_demo: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // From here on: whoever stops it while it starts gets a clean end too.
    let stop = stop_token();
    std::fs::create_dir_all(&arguments.data_dir)
        .with_context(|| format!("{} cannot be made", arguments.data_dir.display()))?;
    let folder = arguments.data_dir.canonicalize()?;
    let postgres = start_postgres(folder.join("postgres")).await?;
    let served = serve(&arguments, &folder, &postgres, &stop).await;
    postgres.stop().await?;
    served.map(|()| ExitCode::SUCCESS)
}

async fn start_postgres(data_dir: PathBuf) -> anyhow::Result<EmbeddedPostgres> {
    let options = Options { data_dir, durability: Durability::On, settings: Vec::new(), tcp: false };
    let started =
        tokio::task::spawn_blocking(move || EmbeddedPostgres::start(&options, &mut |step| tracing::info!("{step}")));
    Ok(started.await??)
}

async fn serve(
    arguments: &Arguments,
    folder: &Path,
    postgres: &EmbeddedPostgres,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let connect = postgres.connect_options(DATABASE);
    crate::store::migrate(&connect).await?;
    let (simulator, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (mut settings, around) = settings(arguments, folder, postgres.url(DATABASE), &simulator, &tasks).await?;
    let stand_ins = bind_providers(&mut settings, &folder.join("simulators")).await?;
    let mail = folder.join("mail");
    std::fs::create_dir_all(&mail)?;
    let server = Server::start(settings.clone(), Mailbox::Folder(mail), None).await?;
    let providers = serve_providers(stand_ins, &server, &simulator, &tasks)?;
    let ready = async {
        if !arguments.no_demo {
            demo::set_up(server.app()).await?;
        }
        introduce(server.public_url(), &settings, &around, &providers)
    };
    let outcome = ready.await;
    if outcome.is_ok() {
        announce(&server);
        stop.cancelled().await;
    }
    server.stop().await;
    simulator.cancel();
    tasks.close();
    tasks.wait().await;
    outcome
}

async fn settings(
    arguments: &Arguments,
    folder: &Path,
    database_url: String,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<(Settings, Around)> {
    let mut layers: Layers = Settings::layers(None)?;
    layers.over("LISTEN", arguments.listen.map(|address| address.to_string()));
    let mut settings = Settings::for_dev(folder, database_url, layers.clone())?;
    settings.default_catalogue &= !arguments.no_demo;
    let mut around =
        Around { forward: without_credentials(settings.forward.url.clone()), mail: mail(folder, &settings) };
    if !layers.has("FORWARD_API_URL") {
        let simulator = bind_simulator(&settings).await?;
        let address = simulator.address();
        settings.forward.url = format!("http://{address}").parse()?;
        around.forward = format!("{} (a stand-in)", settings.forward.url);
        let stop = stop.clone();
        tasks.spawn(async move {
            if let Err(error) = simulator.serve(stop).await {
                tracing::error!(%error, "the stand-in for the forward service ended");
            }
        });
    }
    Ok((settings, around))
}

/// The services around the ledger, as somebody at a terminal is told of them: a stand-in, or the real ones.
struct Around {
    forward: String,
    mail: String,
}

fn mail(folder: &Path, settings: &Settings) -> String {
    match &settings.mail.smtp_url {
        None => folder.join("mail").display().to_string(),
        Some(url) => match Url::parse(url.expose_secret()) {
            Ok(url) => format!("{} (mail leaves for real)", without_credentials(url)),
            Err(_) => "SMTP_URL (mail leaves for real)".to_owned(),
        },
    }
}

/// An address that cannot be rid of its credentials is not shown.
fn without_credentials(mut url: Url) -> String {
    let hidden = url.set_username("").is_ok() && url.set_password(None).is_ok();
    if hidden { url.to_string() } else { "as set".to_owned() }
}

/// On its usual port if nobody else is there.
async fn bind_simulator(settings: &Settings) -> anyhow::Result<Simulator> {
    let options = || SimulatorOptions {
        admin_token: settings.forward.admin_token.clone(),
        signing_secret: settings.forward.signing_secret.clone(),
        ..SimulatorOptions::default()
    };
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    match Simulator::bind(at(FORWARD_PORT), options()).await {
        Ok(simulator) => Ok(simulator),
        Err(_) => Simulator::bind(at(0), options()).await.context("the stand-in for the forward service"),
    }
}

/// A stand-in for every payment provider that nobody has set up, and the settings that go with it.
async fn bind_providers(
    settings: &mut Settings,
    keys_dir: &Path,
) -> anyhow::Result<Vec<(&'static Spec, simulator::Simulator)>> {
    let mut stand_ins = Vec::with_capacity(SPECS.len());
    for spec in SPECS {
        if settings.providers.keys().any(|variable| variable.starts_with(spec.prefix)) {
            continue;
        }
        let stand_in = simulator::Simulator::bind(spec, SocketAddr::from(([127, 0, 0, 1], 0)), keys_dir).await?;
        let values = stand_in.settings();
        for name in values.names() {
            if let Some(value) = values.optional(name) {
                settings.providers.insert(spec.variable(name), value.into());
            }
        }
        stand_ins.push((*spec, stand_in));
    }
    Ok(stand_ins)
}

/// They send their notifications to this server, whatever it is called in public. What they are called, and where.
fn serve_providers(
    stand_ins: Vec<(&'static Spec, simulator::Simulator)>,
    server: &Server,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut addresses = Vec::with_capacity(stand_ins.len());
    for (spec, stand_in) in stand_ins {
        stand_in.sim().notify_at(server.local_url()?);
        addresses.push((spec.name.to_ascii_uppercase(), stand_in.base().to_owned()));
        let stop = stop.clone();
        tasks.spawn(async move {
            if let Err(error) = stand_in.serve(stop).await {
                tracing::error!(provider = spec.name, %error, "the stand-in for a payment provider ended");
            }
        });
    }
    Ok(addresses)
}

/// What somebody at a terminal needs to begin.
fn introduce(
    public_url: &Url,
    settings: &Settings,
    around: &Around,
    providers: &[(String, String)],
) -> anyhow::Result<()> {
    println!("address          {public_url}");
    println!("documentation    {}", public_url.join("api/docs")?);
    println!("forward service  {}", around.forward);
    println!("mail             {}", around.mail);
    println!();
    println!("export LEDGER={}", public_url.as_str().trim_end_matches('/'));
    for (name, role) in [("admin", Role::Admin), ("alice", Role::User), ("gateway", Role::Service)] {
        println!("export {}_TOKEN={}", name.to_uppercase(), token(settings, name, role)?);
    }
    for (provider, address) in providers {
        println!("export {provider}={address}");
    }
    println!();
    Ok(())
}

fn token(settings: &Settings, name: &str, role: Role) -> anyhow::Result<String> {
    let TokenKey::Secret(secret) = &settings.tokens.key else {
        anyhow::bail!("JWT_JWKS_URL is set: `dev` makes tokens with a secret of its own");
    };
    let claims = Claims {
        sub: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        name: Some(name.to_owned()),
        role,
        locale: Locale::default(),
    };
    let (issuer, audience) = (settings.tokens.issuer.as_deref(), settings.tokens.audience.as_deref());
    Ok(mint(secret.expose_secret().as_bytes(), &claims, TOKEN_SECONDS, issuer, audience)?)
}
