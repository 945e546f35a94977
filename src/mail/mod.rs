//! Mail: what is written, and how it leaves.
//!
//! ```text
//! templates.rs   subject, text and HTML, Chinese and English; a folder may replace them file by file
//! templates/     the ones that come with the ledger
//! message.rs     a rendered mail -> a MIME message
//! transport.rs   SMTP, or a folder of .eml files
//! error.rs       what can go wrong, in short sentences an admin may read
//! ```
//!
//! A mail's Message-ID follows from what it is about: whoever gets it twice, because a server's last word was lost, can
//! tell that it is one.

mod error;
mod message;
mod templates;
mod transport;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use secrecy::SecretString;
use uuid::Uuid;

pub use error::{MailError, MailSetupError};
pub use templates::{Locale, PackageReady, Rendered, TemplateError, Templates};
use transport::Transport;

/// How long a conversation with a mail server may take. Shutting down waits longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where mail goes, who it is from, and what replaces our templates.
#[derive(Debug, Clone)]
pub struct MailOptions {
    pub via: Via,
    /// `MAIL_FROM`: an address, or `Name <address>`.
    pub from: String,
    /// `MAIL_TEMPLATES_DIR`
    pub templates_dir: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub enum Via {
    /// `SMTP_URL`: `smtp://` or `smtps://`, with credentials where the server wants them.
    Smtp(SecretString),
    /// One `.eml` file per mail.
    Folder(PathBuf),
}

/// Whom a mail is for. `Debug` shows nothing of the person.
#[derive(Clone)]
pub struct Recipient {
    pub name: String,
    pub email: String,
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recipient(…)")
    }
}

/// Renders and sends; clones share connections.
#[derive(Clone)]
pub struct Mailer {
    templates: Templates,
    transport: Transport,
    from: message::Sender,
}

impl Mailer {
    /// Reads and checks every template, and the addresses. Connects to nobody yet.
    ///
    /// # Errors
    /// Names the setting or the file that is wrong.
    pub fn try_new(options: &MailOptions) -> Result<Self, MailSetupError> {
        Self::try_patient(options, PATIENCE)
    }

    /// As [`Mailer::try_new`], with another idea of how long a conversation with a mail server may take.
    ///
    /// # Errors
    /// Names the setting or the file that is wrong.
    pub fn try_patient(options: &MailOptions, patience: Duration) -> Result<Self, MailSetupError> {
        let templates = Templates::load(options.templates_dir.as_deref())?;
        let from = message::Sender::try_new(&options.from)?;
        let transport = match &options.via {
            Via::Smtp(url) => Transport::smtp(url, patience)?,
            Via::Folder(folder) => Transport::folder(folder)?,
        };
        Ok(Self { templates, transport, from })
    }

    /// The Message-ID of the mail about `subject_id`: always the same one, without its angle brackets.
    #[must_use]
    pub fn message_id(&self, subject_id: Uuid) -> String {
        self.from.message_id(subject_id)
    }

    /// Tells a customer that their package runs, with their key. Answers the Message-ID once the mail has been taken.
    ///
    /// # Errors
    /// See [`MailError`].
    pub async fn package_ready(
        &self,
        delivery: Uuid,
        to: &Recipient,
        locale: Locale,
        content: &PackageReady<'_>,
    ) -> Result<String, MailError> {
        let rendered = self.templates.package_ready(locale, content)?;
        let message_id = self.message_id(delivery);
        let message = self.from.message(&message_id, to, locale, &rendered, SystemTime::now())?;
        self.transport.send(&message_id, message).await?;
        Ok(message_id)
    }
}
