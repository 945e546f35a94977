//! Layers -> settings.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::layers::{Environment, Layers};
use super::secret::{MasterKey, is_development};
use super::{Forward, Mail, Settings, SettingsError, TokenKey, Tokens};

type Result<T> = std::result::Result<T, SettingsError>;

/// A shorter HMAC key is weaker than the hash it keys, and a shorter word in a header can be guessed.
const SECRET_BYTES_MIN: usize = 32;
const DAY_SECONDS: u32 = 86_400;
/// Of an IPv6 address before the IPv4 address that it may be.
const MAPPED_BITS: u8 = 96;

impl Settings {
    /// For production: no default stands in for a secret.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn for_serve(layers: &Layers) -> Result<Self> {
        let settings = Self::from_layers(layers)?;
        for name in ["JWT_SECRET", "LEDGER_MASTER_KEY", "FORWARD_API_SIGNING_SECRET", "CRON_SECRET"] {
            if layers.get(name).is_some_and(is_development) {
                return Err(SettingsError::DevelopmentSecret { name });
            }
        }
        if settings.sandbox
            && let Some(other) = settings.providers.keys().next()
        {
            let because = "real providers and simulated payments do not mix";
            return Err(SettingsError::Conflict { name: "SANDBOX", other: other.clone(), because });
        }
        Ok(settings)
    }

    /// For `dev`: secrets from `data_dir`, made on first use; the sandbox on; the database is the private one.
    ///
    /// # Errors
    /// One line that names the setting, or the file of secrets.
    pub fn for_dev(data_dir: &Path, database_url: String, layers: Layers) -> Result<Self> {
        let mut layers = layers.with_dev_secrets(data_dir)?;
        layers.over("DATABASE_URL", Some(database_url));
        layers.under("SANDBOX", "true".into());
        Ok(Self { development: true, ..Self::from_layers(&layers)? })
    }

    /// The file and the environment of this process.
    ///
    /// # Errors
    /// When the file cannot be read or names something that is not a setting.
    pub fn layers(file: Option<&Path>) -> Result<Layers> {
        let environment: Environment<'_> = &Layers::process_environment;
        let mut layers = Layers::load(file, environment)?;
        // Not `vars()`, which panics over a variable that is not UTF-8 and none of ours.
        let readable =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        layers.add_providers(readable);
        Ok(layers)
    }

    fn from_layers(layers: &Layers) -> Result<Self> {
        let listen = parsed(layers, "LISTEN", "an address such as 127.0.0.1:8080", "127.0.0.1:8080")?;
        let public_url = match layers.get("PUBLIC_URL") {
            Some(_) => web_address(layers, "PUBLIC_URL", "")?,
            None => parse_web_address("LISTEN", &format!("http://{listen}"))?,
        };
        Ok(Self {
            database_url: database_url(layers)?,
            listen,
            public_url,
            tokens: Tokens::read(layers)?,
            master_key: master_key(layers)?,
            time_zone: parsed(layers, "BILLING_TIMEZONE", "an IANA time zone such as Asia/Shanghai", "Asia/Shanghai")?,
            order_ttl_seconds: number(layers, "ORDER_TTL_SECONDS", 900, 1, 30 * DAY_SECONDS)?,
            forward: Forward {
                url: web_address(layers, "FORWARD_API_URL", "http://localhost:3000")?,
                admin_token: layers.secret("FORWARD_API_ADMIN_TOKEN"),
                signing_secret: layers.secret("FORWARD_API_SIGNING_SECRET"),
            },
            mail: mail(layers)?,
            cron_secret: layers.secret("CRON_SECRET").map(|secret| long_enough("CRON_SECRET", secret)).transpose()?,
            video_max_concurrent: number(layers, "VIDEO_MAX_CONCURRENT", 3, 1, 1_000)?,
            sandbox: switch(layers, "SANDBOX", false)?,
            development: false,
            default_catalogue: switch(layers, "DEFAULT_CATALOGUE", true)?,
            currency: parsed(layers, "CURRENCY", "an ISO 4217 code, or a unit such as LDC/2", "CNY")?,
            rate_limit_per_second: number(layers, "RATE_LIMIT_PER_SECOND", 200, 1, 1_000_000)?,
            trusted_proxies: networks(layers, "TRUSTED_PROXIES")?,
            providers: layers.providers(),
        })
    }
}

impl Tokens {
    /// Also what `token` needs, which needs nothing else.
    ///
    /// # Errors
    /// When there is no way to check a token, or more than one.
    pub fn read(layers: &Layers) -> Result<Self> {
        let key = match (layers.secret("JWT_SECRET"), layers.get("JWT_JWKS_URL")) {
            (Some(_), Some(_)) => {
                let because = "tokens are checked one way or the other";
                return Err(SettingsError::Conflict { name: "JWT_SECRET", other: "JWT_JWKS_URL".into(), because });
            }
            (Some(secret), None) => TokenKey::Secret(long_enough("JWT_SECRET", secret)?),
            (None, Some(_)) => TokenKey::KeySet(web_address(layers, "JWT_JWKS_URL", "")?),
            (None, None) => {
                let hint = "tokens are checked with it, or with the keys at JWT_JWKS_URL";
                return Err(SettingsError::Missing { name: "JWT_SECRET", hint });
            }
        };
        let text = |name| layers.get(name).map(str::to_owned);
        Ok(Self { key, issuer: text("JWT_ISSUER"), audience: text("JWT_AUDIENCE") })
    }
}

fn long_enough(name: &'static str, secret: SecretString) -> Result<SecretString> {
    if secret.expose_secret().len() < SECRET_BYTES_MIN {
        return Err(malformed(name, format!("has to have at least {SECRET_BYTES_MIN} bytes")));
    }
    Ok(secret)
}

fn master_key(layers: &Layers) -> Result<MasterKey> {
    let hint = "32 random bytes as hex or base64, such as `openssl rand -hex 32` prints";
    let text = layers.get("LEDGER_MASTER_KEY").ok_or(SettingsError::Missing { name: "LEDGER_MASTER_KEY", hint })?;
    MasterKey::parse(text).ok_or_else(|| malformed("LEDGER_MASTER_KEY", "is not 32 bytes as hex or base64".to_owned()))
}

fn database_url(layers: &Layers) -> Result<SecretString> {
    let hint = "where the ledger lives, as postgres://user@host/database";
    let url = layers.secret("DATABASE_URL").ok_or(SettingsError::Missing { name: "DATABASE_URL", hint })?;
    let text = url.expose_secret();
    // The driver's parser takes any scheme.
    let named = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if !named || text.parse::<sqlx::postgres::PgConnectOptions>().is_err() {
        let problem = "is not a PostgreSQL address such as postgres://user@host/database";
        return Err(malformed("DATABASE_URL", problem.to_owned()));
    }
    Ok(url)
}

fn mail(layers: &Layers) -> Result<Mail> {
    let smtp_url = layers.secret("SMTP_URL");
    if let Some(url) = &smtp_url
        && !Url::parse(url.expose_secret()).is_ok_and(|url| matches!(url.scheme(), "smtp" | "smtps"))
    {
        return Err(malformed("SMTP_URL", "is not an address such as smtps://user:password@host".to_owned()));
    }
    let from = layers.get("MAIL_FROM").unwrap_or("Billing <billing@localhost>").to_owned();
    from.parse::<lettre::message::Mailbox>()
        .map_err(|_| malformed("MAIL_FROM", "is not a mailbox such as Billing <billing@example.com>".to_owned()))?;
    Ok(Mail { smtp_url, from, templates_dir: layers.get("MAIL_TEMPLATES_DIR").map(Into::into) })
}

fn parsed<T: FromStr>(layers: &Layers, name: &'static str, what: &str, default: &str) -> Result<T> {
    let text = layers.get(name).unwrap_or(default);
    text.parse().map_err(|_| malformed(name, format!("is not {what}")))
}

fn number(layers: &Layers, name: &'static str, default: u32, min: u32, max: u32) -> Result<u32> {
    let Some(text) = layers.get(name) else {
        return Ok(default);
    };
    let inside = text.parse().ok().filter(|number| (min..=max).contains(number));
    inside.ok_or_else(|| malformed(name, format!("is not a whole number from {min} to {max}")))
}

/// Separated by commas; none unless set.
fn networks(layers: &Layers, name: &'static str) -> Result<Vec<IpNet>> {
    let listed = layers.get(name).unwrap_or_default().split(',').map(str::trim).filter(|text| !text.is_empty());
    let parsed: Option<_> = listed.map(network).collect();
    parsed.ok_or_else(|| {
        malformed(name, "is not a list of addresses or networks such as 10.0.0.1, 10.1.0.0/16".to_owned())
    })
}

/// An address is a network of one. IPv4 that is written as IPv6 is what it is, as the addresses are that it is compared to.
fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    match (network.addr().to_canonical(), network.prefix_len().checked_sub(MAPPED_BITS)) {
        (IpAddr::V4(address), Some(bits)) if network.addr().is_ipv6() => {
            Ipv4Net::new(address, bits).ok().map(IpNet::from)
        }
        _ => Some(network.trunc()),
    }
}

fn switch(layers: &Layers, name: &'static str, default: bool) -> Result<bool> {
    match layers.get(name).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(default),
        Some("false" | "0" | "off" | "no") => Ok(false),
        Some("true" | "1" | "on" | "yes") => Ok(true),
        Some(_) => Err(malformed(name, "is neither true nor false".to_owned())),
    }
}

fn web_address(layers: &Layers, name: &'static str, default: &str) -> Result<Url> {
    parse_web_address(name, layers.get(name).unwrap_or(default))
}

fn parse_web_address(name: &'static str, text: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| malformed(name, "is not an address with http:// or https://".to_owned()))?;
    // Addresses are logged; secrets have settings of their own.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(malformed(name, "holds a user or a password".to_owned()));
    }
    Ok(url)
}

fn malformed(name: impl Display, problem: String) -> SettingsError {
    SettingsError::Malformed { name: name.to_string(), problem }
}
