//! Settings: typed, checked before anything starts, with secrets that no log or dump can show.
//!
//! ```text
//! mod.rs        what can be set, as types
//! layers.rs     where a value comes from: environment, then the TOML file, then what `dev` made up
//! read.rs       layers -> settings, each failure one line that names the setting
//! secret.rs     values nobody may print; the marker of development secrets
//! dev.rs        the secrets of a development instance, made on first use
//! ```
//!
//! The environment wins over the file; the file uses the same names in lower case. An empty variable counts as not
//! set, because that is what compose files make of a variable nobody gave. `serve` asks for [`Settings::for_serve`],
//! which refuses what only development may have; `dev` asks for [`Settings::for_dev`].

mod dev;
mod layers;
mod read;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use aggregates::Currency;
use chrono_tz::Tz;
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

pub use dev::SECRETS_FILE;
pub use layers::{Environment, Layers};
pub use secret::MasterKey;

/// Everything that can be set. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `DATABASE_URL`; may hold a password.
    pub database_url: SecretString,
    /// `LISTEN`
    pub listen: SocketAddr,
    /// `PUBLIC_URL`: how customers and providers reach this server.
    pub public_url: Url,
    pub tokens: Tokens,
    /// `LEDGER_MASTER_KEY`
    pub master_key: MasterKey,
    /// `BILLING_TIMEZONE`: whose midnight resets daily quotas.
    pub time_zone: Tz,
    /// `ORDER_TTL_SECONDS`
    pub order_ttl_seconds: u32,
    pub forward: Forward,
    pub mail: Mail,
    /// `CRON_SECRET`; without one the cron paths refuse everybody.
    pub cron_secret: Option<SecretString>,
    /// `VIDEO_MAX_CONCURRENT`
    pub video_max_concurrent: u32,
    /// `SANDBOX`: payments are simulated and the business clock can be moved.
    pub sandbox: bool,
    /// It is `dev`: simulated payments and stand-ins of real providers live side by side.
    pub development: bool,
    /// `DEFAULT_CATALOGUE`: an empty catalogue is filled when the server starts.
    pub default_catalogue: bool,
    /// `CURRENCY`: what a bare `price` is in.
    pub currency: Currency,
    /// `RATE_LIMIT_PER_SECOND`: of one account, or of one address where nobody is known.
    pub rate_limit_per_second: u32,
    /// `TRUSTED_PROXIES`: whose `X-Forwarded-For` says where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// Every `ALIPAY_*`, `WECHAT_*`, … that was set, by its upper-case name; each provider reads its own.
    pub providers: BTreeMap<String, SecretString>,
}

/// How bearer tokens are checked.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub key: TokenKey,
    /// `JWT_ISSUER`: where set, only its tokens count.
    pub issuer: Option<String>,
    /// `JWT_AUDIENCE`: where set, a token must be meant for it.
    pub audience: Option<String>,
}

/// One or the other: a server that took both would let the holder of either speak for everybody.
#[derive(Clone, Debug)]
pub enum TokenKey {
    /// `JWT_SECRET`: HS256.
    Secret(SecretString),
    /// `JWT_JWKS_URL`: RS256, ES256 or EdDSA, as each published key says.
    KeySet(Url),
}

/// The service that creates API keys.
#[derive(Clone, Debug)]
pub struct Forward {
    /// `FORWARD_API_URL`
    pub url: Url,
    /// `FORWARD_API_ADMIN_TOKEN`
    pub admin_token: Option<SecretString>,
    /// `FORWARD_API_SIGNING_SECRET`
    pub signing_secret: Option<SecretString>,
}

#[derive(Clone, Debug)]
pub struct Mail {
    /// `SMTP_URL`; may hold a password. Without one, `dev` writes mail as files, and workers of `serve` do not start.
    pub smtp_url: Option<SecretString>,
    /// `MAIL_FROM`
    pub from: String,
    /// `MAIL_TEMPLATES_DIR`: replaces the built-in templates, one by one.
    pub templates_dir: Option<PathBuf>,
}

/// Why there are no settings. One line; the value itself is never repeated, it may be a secret in the wrong place.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{name} is not set: {hint}")]
    Missing { name: &'static str, hint: &'static str },
    #[error("{name} {problem}")]
    Malformed { name: String, problem: String },
    #[error("{name} is a development secret; make one of your own before serving")]
    DevelopmentSecret { name: &'static str },
    #[error("{name} and {other} are both set; {because}")]
    Conflict { name: &'static str, other: String, because: &'static str },
    #[error("{}: {name:?} is not a setting", file.display())]
    Unknown { file: PathBuf, name: String },
    #[error("{} {problem}", file.display())]
    File { file: PathBuf, problem: String },
}
