//! The ways mail leaves: an SMTP server, or a folder.

use std::error::Error as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::{AsyncSmtpTransportBuilder, Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

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
        if is_readable_on_the_way(url) {
            return Err(MailSetupError::SmtpReadable);
        }
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
            Self::Smtp(server) => server.send(message).await,
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
    /// Where nobody waits for it any more the conversation is broken off, and does not go on by itself.
    async fn send(&self, message: Message) -> Result<(), MailError> {
        let smtp = self.connections().clone();
        let mut sending = pin!(tokio::time::timeout(self.patience, smtp.send(message)));
        // Declared after the conversation, so dropped before it: its connection finds the others gone.
        let mut broken_off = BrokenOff { server: self, is_over: false };
        match sending.as_mut().await {
            Ok(answer) => {
                broken_off.is_over = true;
                answer.map(|_| ()).map_err(|error| reason(&error))
            }
            Err(_) => Err(MailError::TimedOut),
        }
    }

    fn connections(&self) -> MutexGuard<'_, Smtp> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The library puts the connection of a conversation that was broken off back among the others. What is left of it must
/// not be the beginning of the next one: all connections go, and the next mail makes a new one.
struct BrokenOff<'a> {
    server: &'a Server,
    is_over: bool,
}

impl Drop for BrokenOff<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            *self.server.connections() = self.server.settings.clone().build();
        }
    }
}

/// A password and our customers' keys, for everybody between us and the server.
fn is_readable_on_the_way(url: &SecretString) -> bool {
    let Ok(url) = Url::parse(url.expose_secret()) else { return false };
    let here = match url.host() {
        // Of a scheme that it does not know, the library takes even an IPv4 address for a name.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let is_required = url.query_pairs().any(|(name, value)| name == "tls" && value == "required");
    url.scheme() == "smtp" && has_credentials && !here && !is_required
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
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        return if error.is_permanent() && is_about_the_recipient(&code, &said) {
            MailError::RefusedForGood { code }
        } else if error.is_permanent() {
            MailError::NotLetIn { code }
        } else {
            MailError::PutOff { code }
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

/// Whether a refusal for good is about the customer's address, which only the customer can put right. Any other one (our
/// sender, our relay, our content) somebody here will put right, and until then it is tried again.
///
/// The enhanced code says it where there is one (RFC 3463: 5.1.x, but for the two that are about the sender). The plain
/// codes are given to a sender as well, and the library does not tell who was refused; the words do.
fn is_about_the_recipient(code: &str, said: &str) -> bool {
    if let Some(enhanced) = said.split_whitespace().next().filter(|word| is_enhanced(word)) {
        return enhanced.starts_with("5.1.") && !matches!(enhanced, "5.1.7" | "5.1.8");
    }
    let said = said.to_ascii_lowercase();
    matches!(code, "550" | "551" | "553") && !["sender", "relay"].iter().any(|word| said.contains(word))
}

fn is_enhanced(word: &str) -> bool {
    let numbers: Vec<&str> = word.split('.').collect();
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.len() == 3 && numbers.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_the_recipient_is_for_good() {
        for (code, said, is_for_good) in [
            ("550", "5.1.1 no such user", true),
            ("554", "5.1.1 no such user", true),
            ("550", "no such user", true),
            ("553", "mailbox name not allowed", true),
            ("550", "5.7.1 you may not send here", false),
            ("553", "5.1.8 the sender's domain does not exist", false),
            ("550", "Sender rejected", false),
            ("550", "Relaying denied", false),
            ("554", "relay access denied", false),
            ("554", "go away", false),
            ("552", "5.2.2 mailbox full", false),
            ("552", "too big", false),
            ("530", "log in first", false),
            ("550", "", true),
        ] {
            assert_eq!(is_about_the_recipient(code, said), is_for_good, "{code} {said}");
        }
    }

    #[test]
    fn a_password_travels_encrypted_or_not_far() {
        for (url, is_refused) in [
            ("smtp://me:pw@mail.example.com:587", true),
            ("smtp://me@mail.example.com", true),
            ("smtp://me:pw@192.0.2.1", true),
            ("smtp://me:pw@mail.example.com:587?tls=opportunistic", true),
            ("smtp://me:pw@mail.example.com:587?tls=required", false),
            ("smtps://me:pw@mail.example.com", false),
            ("smtp://me:pw@localhost:2525", false),
            ("smtp://me:pw@127.0.0.1:2525", false),
            ("smtp://me:pw@[::1]:2525", false),
            ("smtp://mail.example.com", false),
        ] {
            assert_eq!(is_readable_on_the_way(&SecretString::from(url)), is_refused, "{url}");
        }
    }
}
