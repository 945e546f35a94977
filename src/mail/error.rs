//! What can go wrong with mail. The sentences of [`MailError`] are recorded in the log: no addresses, no names.

use std::path::PathBuf;

use super::templates::TemplateError;

/// A mail that was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    #[error("the mail server did not answer in time")]
    TimedOut,
    #[error("the mail server cannot be reached, or hung up")]
    Connection,
    #[error("no secure connection to the mail server")]
    Tls,
    #[error("the mail server hung up, or does not speak SMTP as it must")]
    Protocol,
    #[error("the mail server put us off with code {code}")]
    PutOff { code: String },
    #[error("the mail server does not let us send, with code {code}")]
    NotLetIn { code: String },
    #[error("the mail server refused the recipient for good with code {code}")]
    RefusedForGood { code: String },
    #[error("the customer's e-mail address is not one")]
    BadAddress,
    #[error("the template {file} cannot be rendered")]
    Template { file: String },
    #[error("the mail cannot be written as a message")]
    Message,
    #[error("the mail cannot be written to the mail folder: {0}")]
    Folder(std::io::ErrorKind),
}

impl MailError {
    /// Whether the same mail would fail again whoever tries, until somebody changes something about it.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::RefusedForGood { .. } | Self::BadAddress | Self::Template { .. } | Self::Message => true,
            Self::TimedOut
            | Self::Connection
            | Self::Tls
            | Self::Protocol
            | Self::PutOff { .. }
            | Self::NotLetIn { .. }
            | Self::Folder(_) => false,
        }
    }
}

/// Why no mail can be sent at all. Stops the start.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("MAIL_FROM must be an address, or a name and <an address>")]
    From,
    #[error("SMTP_URL must look like smtp://user:password@host:587?tls=required or smtps://user:password@host")]
    SmtpUrl,
    #[error(
        "SMTP_URL would send its password unencrypted: use smtps://, or add ?tls=required; only on this machine it may"
    )]
    SmtpReadable,
    #[error("the mail folder {path} cannot be made: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
}
