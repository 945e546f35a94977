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
    let (settings, around) = settings(arguments, folder, postgres.url(DATABASE), &simulator, &tasks).await?;
    let mail = folder.join("mail");
    std::fs::create_dir_all(&mail)?;
    let server = Server::start(settings.clone(), Mailbox::Folder(mail), None).await?;
    let ready = async {
        if !arguments.no_demo {
            demo::set_up(server.app()).await?;
        }
        introduce(server.public_url(), &settings, &around)
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

/// What somebody at a terminal needs to begin.
fn introduce(public_url: &Url, settings: &Settings, around: &Around) -> anyhow::Result<()> {
    println!("address          {public_url}");
    println!("documentation    {}", public_url.join("api/docs")?);
    println!("forward service  {}", around.forward);
    println!("mail             {}", around.mail);
    println!();
    println!("export LEDGER={}", public_url.as_str().trim_end_matches('/'));
    for (name, role) in [("admin", Role::Admin), ("alice", Role::User), ("gateway", Role::Service)] {
        println!("export {}_TOKEN={}", name.to_uppercase(), token(settings, name, role)?);
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
