//! Keys and secrets of a simulator: made on first use, kept in a file that nobody else may read, the same ever after.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::providers::rsa;

/// Texts by name.
pub struct KeyFile {
    path: PathBuf,
    keys: BTreeMap<String, String>,
    is_new: bool,
}

impl KeyFile {
    /// Reads what was kept of a provider's simulator.
    ///
    /// # Errors
    /// When the folder cannot be made, or the file not be read.
    pub fn open(dir: &Path, provider: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let path = dir.join(format!("{provider}.json"));
        let (keys, is_new) = match fs::read(&path) {
            Ok(bytes) => {
                let keys = serde_json::from_slice(&bytes);
                (keys.with_context(|| format!("{} does not hold keys", path.display()))?, false)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (BTreeMap::new(), true),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        Ok(Self { path, keys, is_new })
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        if !self.is_new {
            return Ok(());
        }
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        file.write_all(serde_json::to_string_pretty(&self.keys)?.as_bytes())?;
        Ok(())
    }

    fn make(&mut self, name: &str, value: String) -> String {
        self.is_new = true;
        self.keys.insert(name.to_owned(), value.clone());
        value
    }

    /// A word that nobody guesses, behind `prefix`.
    pub fn secret(&mut self, name: &str, prefix: &str) -> String {
        match self.keys.get(name) {
            Some(known) => known.clone(),
            None => self.make(name, format!("{prefix}{}", hex::encode(rand::random::<[u8; 16]>()))),
        }
    }

    /// `whsec_` and base64 of 24 bytes.
    pub fn webhook_secret(&mut self, name: &str) -> String {
        match self.keys.get(name) {
            Some(known) => known.clone(),
            None => self.make(name, format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 24]>()))),
        }
    }

    /// Base64 of the 32 bytes that an Ed25519 key is made of.
    pub fn seed(&mut self, name: &str) -> String {
        match self.keys.get(name) {
            Some(known) => known.clone(),
            None => self.make(name, STANDARD.encode(rand::random::<[u8; 32]>())),
        }
    }

    /// A private key and its public half, as settings hold them.
    ///
    /// # Errors
    /// When none can be made.
    pub fn rsa(&mut self, name: &str) -> anyhow::Result<(String, String)> {
        let (private, public) = (format!("{name}_private"), format!("{name}_public"));
        if let (Some(private), Some(public)) = (self.keys.get(&private), self.keys.get(&public)) {
            return Ok((private.clone(), public.clone()));
        }
        let pair = rsa::new_pair().context("no RSA key could be made")?;
        Ok((self.make(&private, pair.private.to_string()), self.make(&public, pair.public)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_nobody_else_may_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let keys = || {
            let mut file = KeyFile::open(dir.path(), "example").unwrap();
            let keys = (file.secret("a", "x_"), file.webhook_secret("b"), file.rsa("c").unwrap(), file.seed("d"));
            file.save().unwrap();
            keys
        };
        assert_eq!(keys(), keys());
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(dir.path().join("example.json")).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}
