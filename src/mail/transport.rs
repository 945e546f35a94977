//! The ways mail leaves: an SMTP server, or a folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::{AsyncSmtpTransportBuilder, Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

use super::error::{MailError, MailSetupError};

const CONNECTIONS_MAX: u32 = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

type Smtp = AsyncSmtpTransport<Tokio1Executor>;

#[derive(Clone)]
pub(super) enum Transport {
    Smtp(Arc<Server>),
    Folder(PathBuf),
}

pub(super) struct Server {
    settings: AsyncSmtpTransportBuilder,
    /// Its connections are kept for the next mail.
    connections: Mutex<Smtp>,
    patience: Duration,
}

impl Transport {
    pub(super) fn smtp(url: &SecretString, patience: Duration) -> Result<Self, MailSetupError> {
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(IDLE_TIMEOUT);
        let settings = Smtp::from_url(url.expose_secret()).map_err(|_| MailSetupError::SmtpUrl)?;
        let settings = settings.timeout(Some(patience)).pool_config(pool);
        let connections = Mutex::new(settings.clone().build());
        Ok(Self::Smtp(Arc::new(Server { settings, connections, patience })))
    }

    pub(super) fn folder(path: &Path) -> Result<Self, MailSetupError> {
        let cannot = |source| MailSetupError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(cannot)?;
        Ok(Self::Folder(path.to_owned()))
    }

    /// Returns once the server, or the disk, has taken the mail.
    pub(super) async fn send(&self, message_id: &str, message: Message) -> Result<(), MailError> {
        match self {
            Self::Smtp(server) => {
                let server = server.clone();
                // A conversation broken off in the middle would go back among the connections as it is. So it is a task
                // of its own, which ends by its own patience even where nobody waits for it any more.
                let sending = tokio::spawn(async move { server.send(message).await });
                sending.await.unwrap_or(Err(MailError::Protocol))
            }
            Self::Folder(folder) => {
                let path = folder.join(format!("{message_id}.eml"));
                let writing = tokio::task::spawn_blocking(move || write_whole(&path, &message.formatted()));
                let written = writing.await.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
                written.map_err(|error| MailError::Folder(error.kind()))
            }
        }
    }
}

impl Server {
    async fn send(&self, message: Message) -> Result<(), MailError> {
        let smtp = self.connections().clone();
        match tokio::time::timeout(self.patience, smtp.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(reason(&error)),
            // The library's own timeout ends when it has connected. What is left of this conversation must not be the
            // beginning of the next one: all connections go, and the next mail makes a new one.
            Err(_) => {
                *self.connections() = self.settings.clone().build();
                Err(MailError::TimedOut)
            }
        }
    }

    fn connections(&self) -> MutexGuard<'_, Smtp> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
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
