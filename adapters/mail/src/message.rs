//! One mail as an RFC 5322 message.

use doorwarden_core::error::Fault;
use doorwarden_core::mail::Mail;
#[cfg(feature = "smtp")]
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

/// The message of a mail: text and HTML alternatives, the recipient as it was parsed.
pub(crate) fn compose(mail: &Mail) -> Result<Message, Fault> {
    let (from, to) = (sender(mail)?, recipient(mail)?);
    let seconds = u64::try_from(mail.at.as_millis() / 1_000).unwrap_or_default();
    Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(&mail.subject)
        .date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
        .message_id(None)
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
                .singlepart(part(ContentType::TEXT_HTML, &mail.html)),
        )
        .map_err(|source| fault(mail, source))
}

/// Who sends it and who gets it, from the addresses as they were parsed: no header is read for it.
#[cfg(feature = "smtp")]
pub(crate) fn envelope(mail: &Mail) -> Result<Envelope, Fault> {
    Envelope::new(Some(sender(mail)?.email), vec![recipient(mail)?]).map_err(|source| fault(mail, source))
}

fn sender(mail: &Mail) -> Result<Mailbox, Fault> {
    mail.from.parse().map_err(|source: lettre::address::AddressError| fault(mail, source))
}

fn recipient(mail: &Mail) -> Result<Address, Fault> {
    let local = mail.to.typed().rsplit_once('@').map_or("", |(local, _)| local);
    Address::new(local, mail.to.domain()).map_err(|source| fault(mail, source))
}

fn fault(mail: &Mail, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::lasting("composing mail to", mail.to.masked(), source)
}

/// The longest line that a mail server must take, without its end (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 998;

/// Plain ASCII stays as it is, so that a link in a file can be read and copied whole.
fn part(kind: ContentType, text: &str) -> SinglePart {
    let plain = text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE);
    let body = match plain {
        true => {
            let lines: String = text.lines().flat_map(|line| [line, "\r\n"]).collect();
            Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
        }
        false => Body::new(text.to_owned()),
    };
    SinglePart::builder().header(kind).body(body)
}
