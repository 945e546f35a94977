//! The secrets of a development instance: made on first use, kept beside its data, refused by `serve`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::SettingsError;
use super::layers::{Layers, read_file};
use super::secret::{DEVELOPMENT_MARK, MASTER_KEY_BYTES};

/// Inside the data folder.
pub const SECRETS_FILE: &str = "secrets.toml";

const GENERATED: &[&str] = &["jwt_secret", "ledger_master_key", "forward_api_signing_secret", "cron_secret"];

impl Layers {
    /// Puts the secrets of the instance in `data_dir` under what was set, making them if there are none.
    ///
    /// # Errors
    /// When they can be neither read nor written.
    pub fn with_dev_secrets(self, data_dir: &Path) -> Result<Self, SettingsError> {
        create_secrets(&data_dir.join(SECRETS_FILE))?;
        self.with_existing_dev_secrets(data_dir)
    }

    /// As [`Layers::with_dev_secrets`], for who only wants to speak to an instance: nothing is made.
    ///
    /// # Errors
    /// When the instance has no secrets yet, or they cannot be read.
    pub fn with_existing_dev_secrets(mut self, data_dir: &Path) -> Result<Self, SettingsError> {
        for (name, secret) in read_file(&data_dir.join(SECRETS_FILE))? {
            // Where published keys check tokens, a secret of our own would be a second way in.
            if name != "JWT_SECRET" || !self.has("JWT_JWKS_URL") {
                self.under(&name, secret);
            }
        }
        Ok(self)
    }
}

/// Whole or not at all, and never over what is there: two starts at once must agree on one set, and what was encrypted
/// under a master key is lost with it.
fn create_secrets(path: &Path) -> Result<(), SettingsError> {
    let failed = |error: io::Error| SettingsError::File {
        file: path.to_path_buf(),
        problem: format!("cannot be written: {}", error.kind()),
    };
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let linked = write_private(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    linked.and(removed).map_err(failed)
}

fn write_private(path: &Path) -> io::Result<()> {
    let mut text = Zeroizing::new(String::from("# Made by `billing-ledger dev`. `serve` refuses these.\n"));
    for name in GENERATED {
        let mut bytes = Zeroizing::new([0_u8; MASTER_KEY_BYTES]);
        OsRng.try_fill_bytes(bytes.as_mut()).map_err(io::Error::other)?;
        let secret = Zeroizing::new(hex::encode(bytes.as_ref()));
        text.push_str(&format!("{name} = \"{DEVELOPMENT_MARK}{}\"\n", secret.as_str()));
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
