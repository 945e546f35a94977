//! The ways mail leaves: an SMTP server, or a folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::error::{MailError, MailSetupError};

/// Of each step of the conversation.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECTIONS_MAX: u32 = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Transport(Kind);

#[derive(Clone)]
enum Kind {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

impl Transport {
    pub(super) fn smtp(url: &SecretString) -> Result<Self, MailSetupError> {
        Self::smtp_within(url, STEP_TIMEOUT)
    }

    /// # Errors
    /// When `url` is not the address of an SMTP server.
    pub fn smtp_within(url: &SecretString, step_timeout: Duration) -> Result<Self, MailSetupError> {
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(IDLE_TIMEOUT);
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
        let builder = builder.map_err(|_| MailSetupError::SmtpUrl)?;
        Ok(Self(Kind::Smtp(builder.timeout(Some(step_timeout)).pool_config(pool).build())))
    }

    pub(super) fn folder(path: &Path) -> Result<Self, MailSetupError> {
        let cannot = |source| MailSetupError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(cannot)?;
        Ok(Self(Kind::Folder(path.to_owned())))
    }

    /// Returns once the server, or the disk, has taken the mail.
    pub(super) async fn send(&self, message_id: &str, message: Message) -> Result<(), MailError> {
        match &self.0 {
            Kind::Smtp(smtp) => {
                let smtp = smtp.clone();
                // A conversation broken off in the middle would go back to the pool as it is. So it is a task of its
                // own, which ends by its timeouts even where nobody waits for it any more.
                let sending = tokio::spawn(async move { smtp.send(message).await });
                match sending.await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(reason(&error)),
                    Err(_) => Err(MailError::Protocol),
                }
            }
            Kind::Folder(folder) => {
                let path = folder.join(format!("{message_id}.eml"));
                let writing = tokio::task::spawn_blocking(move || write_whole(&path, &message.formatted()));
                let written = writing.await.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
                written.map_err(|error| MailError::Folder(error.kind()))
            }
        }
    }
}

/// The file is there as a whole or not at all; a repeat replaces it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().ok_or(std::io::ErrorKind::NotFound)?;
    let mut file = tempfile::Builder::new().prefix(".sending-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Only the kind and the code: what a server says quotes addresses.
fn reason(error: &SmtpError) -> MailError {
    if let Some(code) = error.status() {
        let code = code.to_string();
        return match code.as_str() {
            // Recipient and content, RFC 5321 section 4.2.3. Other refusals are about us (not let in, a command not
            // known), and somebody will put that right.
            "550" | "551" | "552" | "553" | "554" | "555" | "556" => MailError::RefusedForGood { code },
            _ if error.is_permanent() => MailError::NotLetIn { code },
            _ => MailError::PutOff { code },
        };
    }
    if error.is_timeout() {
        MailError::TimedOut
    } else if error.is_tls() {
        MailError::Tls
    } else if error.is_response() || error.is_client() {
        MailError::Protocol
    } else {
        MailError::Connection
    }
}
