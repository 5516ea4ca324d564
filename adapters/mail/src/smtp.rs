//! A mail server that takes each mail over SMTP (RFC 5321), encrypted unless it is on this machine.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::mail::{Mail, Mailer, Promptness};
use futures_channel::oneshot;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::message::{compose, envelope};

/// How long one exchange with the server may take.
const EXCHANGE: Duration = Duration::from_secs(10);
/// How long a whole mail may take: less than the lease that its delivery is under, or two processes would send it.
const WHOLE_MAIL: Duration = Duration::from_secs(40);
/// Connections at once; a mail that would need one more is tried again later.
const CONNECTIONS: usize = 4;
const IDLE: Duration = Duration::from_secs(30);
/// Authentication that is asked for, too weak, refused, or in need of encryption (RFC 4954): mended on a server.
const OF_AUTHENTICATION: [u16; 4] = [530, 534, 535, 538];

/// Where mails are handed over: `smtp://HOST` (STARTTLS, port 587; on this machine unencrypted, port 25) or
/// `smtps://HOST` (TLS from the start, port 465), each with `USER:PASSWORD@` before the host, percent-encoded, and
/// `:PORT` after it.
#[derive(Clone)]
pub struct SmtpConfig {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<(String, String)>,
    roots: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    FromTheStart,
    StartTls,
    None,
}

/// The text isn't the address of a mail server. The text itself may hold a password and is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a mail server: allowed is smtp:// or smtps://, USER:PASSWORD@ if need be, a host, a port")]
pub struct InvalidSmtpUrl;

impl fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpConfig({}:{}, {:?})", self.host, self.port, self.encryption)
    }
}

impl SmtpConfig {
    /// Reads an address.
    ///
    /// # Errors
    /// [`InvalidSmtpUrl`] for another scheme, without a host, with a user but no password, with path, query or fragment.
    pub fn parse(text: &str) -> Result<Self, InvalidSmtpUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidSmtpUrl)?;
        // Read as an address of the web, a host has its international form and IPv6 its brackets.
        let url = Url::parse(&format!("ftp://{rest}")).map_err(|_| InvalidSmtpUrl)?;
        let host = url.host().ok_or(InvalidSmtpUrl)?;
        let local = match &host {
            Host::Domain(name) => *name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let (encryption, port) = match (scheme, local) {
            ("smtps", _) => (Encryption::FromTheStart, 465),
            ("smtp", false) => (Encryption::StartTls, 587),
            ("smtp", true) => (Encryption::None, 25),
            _ => return Err(InvalidSmtpUrl),
        };
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let decoded = |part: &str| percent_decode_str(part).decode_utf8().map(String::from).map_err(|_| InvalidSmtpUrl);
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => Some((decoded(user)?, decoded(password)?)),
            _ => return Err(InvalidSmtpUrl),
        };
        if !bare {
            return Err(InvalidSmtpUrl);
        }
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), encryption, credentials, roots: Vec::new() })
    }

    /// Trusts the certificate authorities in `pem` as well as those that browsers trust.
    #[must_use]
    pub fn trusting(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Encrypts by STARTTLS on this machine, too.
    #[must_use]
    pub fn always_encrypted(mut self) -> Self {
        if self.encryption == Encryption::None {
            self.encryption = Encryption::StartTls;
        }
        self
    }

    fn place(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    fn tls(&self) -> Result<Tls, Fault> {
        let fault = |source| Fault::lasting("preparing TLS to mail server", self.place(), source);
        let mut parameters = TlsParameters::builder(self.host.clone());
        for pem in &self.roots {
            parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(fault)?);
        }
        Ok(match self.encryption {
            Encryption::FromTheStart => Tls::Wrapper(parameters.build().map_err(fault)?),
            Encryption::StartTls => Tls::Required(parameters.build().map_err(fault)?),
            Encryption::None => Tls::None,
        })
    }
}

/// Hands mails to a mail server, soon after the reply that promises them.
///
/// Each mail is sent on a thread of its own, at most four at once over pooled connections, and every wait is bounded. A
/// server that answers 4xx, doesn't answer, or can't be reached may take the mail later; 5xx refuses it, except where
/// the server refuses our log-in, which an operator mends. A mail whose last answer is lost comes twice, never not at all.
pub struct SmtpMailer {
    place: String,
    transport: SmtpTransport,
    busy: Arc<AtomicUsize>,
    whole_mail: Duration,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpMailer({})", self.place)
    }
}

impl SmtpMailer {
    /// A mailer to the server of `config`; it isn't called before the first mail.
    ///
    /// # Errors
    /// A certificate to trust can't be read.
    pub fn new(config: &SmtpConfig) -> Result<Self, Fault> {
        Self::patient(config, EXCHANGE, WHOLE_MAIL)
    }

    /// A mailer that waits for at most `exchange` and `whole_mail`.
    ///
    /// # Errors
    /// As [`SmtpMailer::new`].
    pub fn patient(config: &SmtpConfig, exchange: Duration, whole_mail: Duration) -> Result<Self, Fault> {
        let pool = PoolConfig::new().max_size(u32::try_from(CONNECTIONS).unwrap_or(1)).idle_timeout(IDLE);
        let builder = SmtpTransport::builder_dangerous(&config.host)
            .port(config.port)
            .tls(config.tls()?)
            .timeout(Some(exchange))
            .pool_config(pool);
        let builder = match &config.credentials {
            Some((user, password)) => builder.credentials(Credentials::new(user.clone(), password.clone())),
            None => builder,
        };
        Ok(Self { place: config.place(), transport: builder.build(), busy: Arc::default(), whole_mail })
    }

    /// The server, without credentials.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn fault(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
        Fault::new("sending mail by", &self.place, source)
    }

    fn told(&self, error: lettre::transport::smtp::Error) -> Fault {
        let mended = error.status().is_some_and(|code| OF_AUTHENTICATION.contains(&u16::from(code)));
        match error.is_permanent() && !mended {
            true => Fault::lasting("sending mail by", &self.place, error),
            false => self.fault(error),
        }
    }
}

/// One of the threads that may run at once; free again when it ends, however it ends.
struct Turn(Arc<AtomicUsize>);

impl Turn {
    fn take(busy: &Arc<AtomicUsize>) -> Option<Self> {
        let free = |taken| (taken < CONNECTIONS).then_some(taken + 1);
        busy.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        Some(Self(busy.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), Fault> {
        let (envelope, message) = (envelope(mail)?, compose(mail)?.formatted());
        let turn = Turn::take(&self.busy).ok_or_else(|| self.fault("all connections are busy"))?;
        let (tell, told) = oneshot::channel();
        let transport = self.transport.clone();
        let run = move || {
            let _turn = turn;
            // Nobody listens any more: the mail was too slow and comes again.
            drop(tell.send(transport.send_raw(&envelope, &message)));
        };
        std::thread::Builder::new()
            .name("doorwarden-smtp".to_owned())
            .spawn(run)
            .map_err(|source| Fault::new("starting thread", "doorwarden-smtp", source))?;
        match select(told, Delay::new(self.whole_mail)).await {
            Either::Left((Ok(outcome), _)) => outcome.map(drop).map_err(|error| self.told(error)),
            Either::Left((Err(_), _)) => Err(self.fault("the thread ended early")),
            Either::Right(_) => Err(self.fault("the server took too long")),
        }
    }

    fn promptness(&self) -> Promptness {
        Promptness::AfterReply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let config = SmtpConfig::parse(text).ok()?;
        Some(format!("{config:?} {:?}", config.credentials))
    }

    #[test]
    fn an_address_says_host_port_encryption_and_credentials() {
        for (text, config) in [
            ("smtp://mail.example.org", "SmtpConfig(mail.example.org:587, StartTls) None"),
            ("smtps://mail.example.org", "SmtpConfig(mail.example.org:465, FromTheStart) None"),
            ("smtp://localhost", "SmtpConfig(localhost:25, None) None"),
            ("smtp://127.0.0.1:2525/", "SmtpConfig(127.0.0.1:2525, None) None"),
            ("smtp://[::1]:2525", "SmtpConfig(::1:2525, None) None"),
            ("smtp://bücher.example", "SmtpConfig(xn--bcher-kva.example:587, StartTls) None"),
            (
                "smtp://no%2Dreply%40a.b:p%40ss%3A%2F@mail.example.org:2587",
                r#"SmtpConfig(mail.example.org:2587, StartTls) Some(("no-reply@a.b", "p@ss:/"))"#,
            ),
        ] {
            assert_eq!(shown(text).as_deref(), Some(config), "{text}");
        }
        for text in [
            "",
            "smtp",
            "smtp://",
            "http://a.b",
            "smtp://a.b/x",
            "smtp://a.b?tls=none",
            "smtp://a.b#x",
            "smtp://u@a.b",
            "smtp://:p@a.b",
            "smtp://u:%ff@a.b",
            "smtp://a.b:99999",
            "smtp://a b",
        ] {
            assert_eq!(SmtpConfig::parse(text).err(), Some(InvalidSmtpUrl), "{text}");
        }
    }

    #[test]
    fn fa4_neither_configuration_nor_mailer_shows_the_password() {
        let config = SmtpConfig::parse("smtp://user:hunter2@localhost:1").unwrap();
        let mailer = SmtpMailer::new(&config).unwrap();
        let refused = SmtpConfig::parse("smtp://user:hunter2@localhost:1/x").unwrap_err();
        let shown = format!("{config:?} {mailer:?} {refused:?} {refused}");
        assert!(!shown.contains("hunter2") && !shown.contains("user:"), "{shown}");
    }
}
