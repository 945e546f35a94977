//! A rendered mail as a MIME message: text and HTML, and headers that nobody's name can break out of.

use std::time::SystemTime;

use lettre::message::header::{self, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use uuid::Uuid;

use super::Recipient;
use super::error::{MailError, MailSetupError};
use super::templates::{Locale, Rendered};

const NAME_CHARS_MAX: usize = 100;
/// A Message-ID must fit where the log keeps it.
const DOMAIN_BYTES_MAX: usize = 80;
const DOMAIN_OTHERWISE: &str = "ledger";

#[derive(Clone)]
pub(super) struct Sender {
    mailbox: Mailbox,
    domain: String,
}

impl Sender {
    pub(super) fn try_new(from: &str) -> Result<Self, MailSetupError> {
        let mailbox: Mailbox = from.trim().parse().map_err(|_| MailSetupError::From)?;
        let domain = mailbox.email.domain();
        let usable = domain.len() <= DOMAIN_BYTES_MAX
            && domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        let domain = if usable { domain } else { DOMAIN_OTHERWISE }.to_owned();
        Ok(Self { mailbox, domain })
    }

    pub(super) fn message_id(&self, subject_id: Uuid) -> String {
        format!("{subject_id}@{}", self.domain)
    }

    pub(super) fn message(
        &self,
        message_id: &str,
        to: &Recipient,
        locale: Locale,
        rendered: &Rendered,
        at: SystemTime,
    ) -> Result<Message, MailError> {
        let address: Address = to.email.trim().parse().map_err(|_| MailError::BadAddress)?;
        let name = one_line(&to.name, NAME_CHARS_MAX);
        let extra = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        Message::builder()
            .from(self.mailbox.clone())
            .to(Mailbox::new((!name.is_empty()).then_some(name), address))
            .subject(rendered.subject.as_str())
            .message_id(Some(format!("<{message_id}>")))
            .date(at)
            .raw_header(extra("Content-Language", locale.as_str()))
            // Nobody's holiday reply comes back to it.
            .raw_header(extra("Auto-Submitted", "auto-generated"))
            .header(header::MIME_VERSION_1_0)
            .multipart(MultiPart::alternative_plain_html(rendered.text.clone(), rendered.html.clone()))
            .map_err(|_| MailError::Message)
    }
}

/// Without line breaks and other control characters, and not too long: fit for a header.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    fn sent(to: &Recipient, rendered: &Rendered) -> Vec<u8> {
        let sender = Sender::try_new("Ledger <billing@example.com>").unwrap();
        let id = sender.message_id(Uuid::from_u128(7));
        sender.message(&id, to, Locale::ZhCn, rendered, SystemTime::UNIX_EPOCH).unwrap().formatted()
    }

    fn rendered() -> Rendered {
        Rendered {
            subject: "套餐已开通".to_owned(), text: "纯文本".to_owned(), html: "<p>网页</p>".to_owned()
        }
    }

    #[test]
    fn a_message_has_both_forms_and_its_own_id() {
        let to = Recipient { name: "王小明".to_owned(), email: "wang@example.com".to_owned() };
        let bytes = sent(&to, &rendered());
        let message = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(message.message_id(), Some("00000000-0000-0000-0000-000000000007@example.com"));
        assert_eq!(message.subject(), Some("套餐已开通"));
        assert_eq!(message.body_text(0).unwrap().trim(), "纯文本");
        assert_eq!(message.body_html(0).unwrap().trim(), "<p>网页</p>");
        let to = message.to().unwrap().first().unwrap();
        assert_eq!((to.name(), to.address()), (Some("王小明"), Some("wang@example.com")));
        assert!(message.date().is_some());
    }

    #[test]
    fn a_name_or_subject_cannot_add_headers() {
        let name = "Eve\r\nBcc: all@example.com\r\n\r\nHello\u{0}".to_owned();
        let to = Recipient { name, email: "eve@example.com".to_owned() };
        let rendered = Rendered { subject: one_line("Hi\r\nBcc: x@example.com", 200), ..rendered() };
        let bytes = sent(&to, &rendered);
        let message = MessageParser::default().parse(&bytes).unwrap();
        assert!(message.bcc().is_none());
        assert_eq!(message.to().unwrap().iter().count(), 1);
        assert_eq!(message.subject(), Some("Hi Bcc: x@example.com"));
        assert_eq!(message.body_text(0).unwrap().trim(), "纯文本");
    }

    #[test]
    fn an_address_must_be_one() {
        let sender = Sender::try_new("billing@example.com").unwrap();
        for email in ["", "nobody", "a@b\r\nRCPT TO:<c@d>", "a b@c", "a@", "x@y>\r\nDATA"] {
            let to = Recipient { name: String::new(), email: email.to_owned() };
            let refused = sender.message("id", &to, Locale::En, &rendered(), SystemTime::now());
            assert_eq!(refused.unwrap_err(), MailError::BadAddress, "{email:?}");
        }
        assert!(Sender::try_new("not an address").is_err());
    }
}
