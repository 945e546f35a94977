//! Where a value comes from.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Config, File, FileFormat, Value};
use secrecy::{ExposeSecret, SecretString};

use super::SettingsError;

/// Asked for a variable by name; tests bring their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Every setting there is, apart from those of providers.
pub(super) const NAMES: &[&str] = &[
    "BILLING_TIMEZONE",
    "CRON_SECRET",
    "CURRENCY",
    "DATABASE_URL",
    "DEFAULT_CATALOGUE",
    "FORWARD_API_ADMIN_TOKEN",
    "FORWARD_API_SIGNING_SECRET",
    "FORWARD_API_URL",
    "JWT_AUDIENCE",
    "JWT_ISSUER",
    "JWT_JWKS_URL",
    "JWT_SECRET",
    "LEDGER_MASTER_KEY",
    "LISTEN",
    "MAIL_FROM",
    "MAIL_TEMPLATES_DIR",
    "ORDER_TTL_SECONDS",
    "PUBLIC_URL",
    "RATE_LIMIT_PER_SECOND",
    "SANDBOX",
    "SMTP_URL",
    "TRUSTED_PROXIES",
    "VIDEO_MAX_CONCURRENT",
];

/// Names that belong to a payment provider.
pub(super) const PROVIDER_PREFIXES: &[&str] =
    &["ALIPAY_", "ANTOM_", "CREEM_", "CROSSMINT_", "LINUXDO_CREDIT_", "WECHAT_"];

/// Everything is kept as if it were a secret: before a name is understood, any value might be one.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    values: BTreeMap<String, SecretString>,
}

impl Layers {
    /// The file, if one was named, under the environment.
    ///
    /// # Errors
    /// When the file cannot be read or holds something that is not a setting.
    pub fn load(file: Option<&Path>, environment: Environment<'_>) -> Result<Self, SettingsError> {
        let mut layers = Self::default();
        if let Some(file) = file {
            layers.values = read_file(file)?;
        }
        for name in NAMES {
            layers.over(name, environment(name));
        }
        Ok(layers)
    }

    /// The environment of this process.
    #[must_use]
    pub fn process_environment(name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    /// Provider settings have no list of names, so the environment is searched for their prefixes.
    pub fn add_providers(&mut self, environment: impl Iterator<Item = (String, String)>) {
        for (name, value) in environment {
            if is_provider(&name) {
                self.over(&name, Some(value));
            }
        }
    }

    /// Whether somebody has set it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Puts a value on top of what was set, such as an argument of the command line.
    pub fn over(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.values.insert(name.to_owned(), value.into());
        }
    }

    /// Only where nothing was set.
    pub(super) fn under(&mut self, name: &str, value: SecretString) {
        self.values.entry(name.to_owned()).or_insert(value);
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret)
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.values.get(name).cloned()
    }

    pub(super) fn providers(&self) -> BTreeMap<String, SecretString> {
        self.values.iter().filter(|(name, _)| is_provider(name)).map(|(name, it)| (name.clone(), it.clone())).collect()
    }
}

fn is_provider(name: &str) -> bool {
    PROVIDER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

pub(super) fn read_file(file: &Path) -> Result<BTreeMap<String, SecretString>, SettingsError> {
    let failed = |problem: String| SettingsError::File { file: file.to_path_buf(), problem };
    let text = std::fs::read_to_string(file).map_err(|error| failed(format!("cannot be read: {}", error.kind())))?;
    let config = Config::builder()
        .add_source(File::from_str(&text, FileFormat::Toml))
        .build()
        // The parser's message goes on to quote the line, and the line may hold a secret.
        .map_err(|error| failed(format!("is not TOML: {}", error.to_string().lines().next().unwrap_or_default())))?;
    let values: BTreeMap<String, Value> =
        config.try_deserialize().map_err(|_| failed("is not a list of names and values".to_owned()))?;
    let mut read = BTreeMap::new();
    for (key, value) in values {
        let name = key.to_ascii_uppercase();
        if !NAMES.contains(&name.as_str()) && !is_provider(&name) {
            return Err(SettingsError::Unknown { file: file.to_path_buf(), name: key });
        }
        let value = value.into_string().map_err(|_| failed(format!("gives {key} something that is not one value")))?;
        if !value.is_empty() {
            read.insert(name, value.into());
        }
    }
    Ok(read)
}
