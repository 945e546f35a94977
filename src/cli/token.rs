//! `billing-ledger token`: a bearer token for an instance whose secret is at hand.

use std::path::PathBuf;
use std::process::ExitCode;

use aggregates::Locale;
use anyhow::Context;
use secrecy::ExposeSecret;

use crate::config::{Settings, TokenKey, Tokens};
use crate::web::auth::{Claims, Role, mint};

const HOUR_SECONDS: u32 = 3_600;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder of the instance that `dev` made; without it, JWT_SECRET from the environment or the file is used.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Settings as TOML.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The account.
    #[arg(long)]
    sub: String,
    #[arg(long)]
    email: Option<String>,
    #[arg(long)]
    name: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    role: Role,
    /// The language of mails.
    #[arg(long, default_value = "zh-CN", value_parser = locale)]
    locale: Locale,
    /// How long it is good for.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    ttl_hours: u32,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// An address or a name given on the command line stays out of dumps of the arguments.
impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arguments").field("role", &self.role).finish_non_exhaustive()
    }
}

fn locale(text: &str) -> Result<Locale, String> {
    [Locale::ZhCn, Locale::En].into_iter().find(|locale| locale.as_str() == text).ok_or("zh-CN or en".to_owned())
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut layers = Settings::layers(arguments.config.as_deref())?;
    if let Some(folder) = &arguments.data_dir {
        let known = layers.with_existing_dev_secrets(folder);
        layers = known.context("this folder has no secrets yet; `billing-ledger dev` makes them")?;
    }
    let tokens = Tokens::read(&layers)?;
    let TokenKey::Secret(secret) = &tokens.key else {
        anyhow::bail!("JWT_JWKS_URL is set: only who publishes those keys can make tokens");
    };
    aggregates::AccountId::of_customer(&arguments.sub).context("--sub")?;
    let claims = Claims {
        sub: arguments.sub,
        email: arguments.email,
        name: arguments.name,
        role: arguments.role,
        locale: arguments.locale,
    };
    let seconds = arguments.ttl_hours.saturating_mul(HOUR_SECONDS);
    let secret = secret.expose_secret().as_bytes();
    let token = mint(secret, &claims, seconds, tokens.issuer.as_deref(), tokens.audience.as_deref())?;
    match arguments.json {
        true => println!("{}", serde_json::json!({ "token": token, "expires_in_seconds": seconds })),
        false => println!("{token}"),
    }
    Ok(ExitCode::SUCCESS)
}
