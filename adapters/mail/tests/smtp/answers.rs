//! Mails handed to a mail server that answers as each test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use doorwarden_core::Timestamp;
use doorwarden_core::email::Email;
use doorwarden_core::mail::{Mail, MailKind, Mailer, Promptness};
use doorwarden_mail::{SmtpConfig, SmtpMailer};
use futures_executor::block_on;

/// How the server takes one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    /// Answers RCPT with this.
    Answers(&'static str),
    /// Says nothing more after the mail's text.
    Stalls,
    /// Ends the connection in the middle of a mail.
    HangsUp,
    /// Wants a log-in and refuses it.
    RefusesLogin,
}

#[derive(Debug, Default)]
struct Taken {
    commands: Vec<String>,
    mails: Vec<String>,
}

struct Server {
    port: u16,
    taken: Arc<Mutex<Taken>>,
}

impl Server {
    /// Takes one connection in each mood, then all in the last.
    fn start(moods: &'static [Mood]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken: Arc<Mutex<Taken>> = Arc::default();
        let shared = taken.clone();
        thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let mood = *moods.get(at).or(moods.last()).unwrap();
                let taken = shared.clone();
                thread::spawn(move || serve(stream.unwrap(), mood, &taken));
            }
        });
        Self { port, taken }
    }

    fn mailer(&self, credentials: &str) -> SmtpMailer {
        let config = SmtpConfig::parse(&format!("smtp://{credentials}127.0.0.1:{}", self.port)).unwrap();
        SmtpMailer::patient(&config, Duration::from_millis(500), Duration::from_secs(5)).unwrap()
    }

    fn mails(&self) -> Vec<String> {
        self.taken.lock().unwrap().mails.clone()
    }

    fn commands(&self) -> Vec<String> {
        self.taken.lock().unwrap().commands.clone()
    }
}

fn serve(stream: TcpStream, mood: Mood, taken: &Mutex<Taken>) {
    let mut out = stream.try_clone().unwrap();
    let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).unwrap_or_default();
    let mut lines = BufReader::new(stream).lines();
    say("220 mail.example.org ESMTP");
    while let Some(Ok(line)) = lines.next() {
        taken.lock().unwrap().commands.push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        match verb.as_str() {
            "EHLO" => say("250-mail.example.org\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN"),
            "AUTH" if mood == Mood::RefusesLogin => say("535 5.7.8 authentication failed"),
            "AUTH" => say("235 2.7.0 welcome"),
            "RCPT" => match mood {
                Mood::Answers(answer) => say(answer),
                Mood::HangsUp => return,
                Mood::Takes | Mood::Stalls | Mood::RefusesLogin => say("250 ok"),
            },
            "DATA" => {
                say("354 go on");
                let mail: Vec<_> = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                taken.lock().unwrap().mails.push(mail.join("\n"));
                if mood == Mood::Stalls {
                    // Until the client gives up.
                    lines.by_ref().map_while(Result::ok).for_each(drop);
                    return;
                }
                say("250 taken");
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok"),
        }
    }
}

fn mail(to: &str, subject: &str) -> Mail {
    Mail {
        kind: MailKind::VerifyEmail,
        from: "no-reply@example.org".to_owned(),
        to: Email::parse(to).unwrap(),
        subject: subject.to_owned(),
        text: "https://id.example.org/verify-email?token=dwl_x\n".to_owned(),
        html: "<p>https://id.example.org/verify-email?token=dwl_x</p>\n".to_owned(),
        at: Timestamp::from_millis(1_800_000_000_000),
        useless_from: None,
    }
}

fn ada() -> Mail {
    mail("ada@example.org", "One")
}

#[test]
fn a_mail_arrives_with_both_parts_over_one_connection() {
    let server = Server::start(&[Mood::Takes]);
    let mailer = server.mailer("user:p%40ss@");
    assert_eq!(mailer.promptness(), Promptness::AfterReply);
    block_on(mailer.send(&ada())).unwrap();
    block_on(mailer.send(&ada())).unwrap();
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    for part in ["Subject: One", "To: ada@example.org", "text/plain", "text/html", "verify-email?token=dwl_x"] {
        assert!(mails[0].contains(part), "{part} is missing in {}", mails[0]);
    }
    let count = |verb: &str| server.commands().iter().filter(|line| line.starts_with(verb)).count();
    assert_eq!((count("AUTH PLAIN "), count("RCPT TO:<ada@example.org>")), (1, 2), "{:?}", server.commands());
}

#[test]
fn na3_the_envelope_is_the_address_alone_whatever_a_header_says() {
    let server = Server::start(&[Mood::Takes]);
    block_on(server.mailer("").send(&mail("ada@example.org", "Hi\r\nTo: eve@example.org\r\nBcc: eve@example.org")))
        .unwrap();
    let commands = server.commands();
    let receivers: Vec<_> = commands.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(receivers, ["RCPT TO:<ada@example.org>"]);
    let mails = server.mails();
    let headers = mails[0].split("\n\n").next().unwrap();
    assert!(!headers.lines().any(|line| line.to_lowercase().starts_with("bcc:")), "{headers}");
}

#[test]
fn an_international_domain_goes_in_ascii_and_a_local_part_by_smtputf8() {
    let server = Server::start(&[Mood::Takes]);
    block_on(server.mailer("").send(&mail("ada@bücher.example", "One"))).unwrap();
    block_on(server.mailer("").send(&mail("에이다@example.org", "One"))).unwrap();
    let commands = server.commands().join("\n");
    assert!(commands.contains("RCPT TO:<ada@xn--bcher-kva.example>"), "{commands}");
    assert!(commands.contains("RCPT TO:<에이다@example.org>") && commands.contains("SMTPUTF8"), "{commands}");
}

#[test]
fn what_may_pass_is_worth_another_try_and_a_refusal_is_not() {
    for (mood, retryable) in [
        (Mood::Answers("451 4.7.1 greylisted, come later"), true),
        (Mood::Answers("550 5.1.1 no such user"), false),
        (Mood::HangsUp, true),
        (Mood::Stalls, true),
        (Mood::RefusesLogin, true),
    ] {
        let moods: &'static [Mood] = Box::leak(Box::new([mood, Mood::Takes]));
        let server = Server::start(moods);
        let mailer = server.mailer("user:hunter2@");
        let fault = block_on(mailer.send(&ada())).unwrap_err();
        assert_eq!(fault.retryable(), retryable, "{mood:?}: {fault}");
        let place = format!("sending mail by 127.0.0.1:{}: ", server.port);
        let shown = fault.to_string();
        assert!(shown.starts_with(&place) && !shown.contains("hunter2") && !shown.contains("ada@"), "{shown}");
        block_on(mailer.send(&ada())).unwrap_or_else(|fault| panic!("after {mood:?}: {fault}"));
    }
}

#[test]
fn a_server_that_is_away_and_comes_back_takes_the_mail_then() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = SmtpConfig::parse(&format!("smtp://127.0.0.1:{port}")).unwrap();
    let mailer = SmtpMailer::new(&config).unwrap();
    assert!(block_on(mailer.send(&ada())).unwrap_err().retryable());
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let taken: Arc<Mutex<Taken>> = Arc::default();
    let shared = taken.clone();
    thread::spawn(move || serve(listener.accept().unwrap().0, Mood::Takes, &shared));
    block_on(mailer.send(&ada())).unwrap();
    assert_eq!(taken.lock().unwrap().mails.len(), 1);
}

#[test]
fn a_server_without_encryption_gets_neither_password_nor_mail_when_it_is_demanded() {
    let server = Server::start(&[Mood::Takes]);
    let config = SmtpConfig::parse(&format!("smtp://user:hunter2@127.0.0.1:{}", server.port)).unwrap();
    let mailer = SmtpMailer::new(&config.always_encrypted()).unwrap();
    block_on(mailer.send(&ada())).unwrap_err();
    let commands = server.commands();
    assert!(commands.iter().all(|line| line.starts_with("EHLO") || line.starts_with("QUIT")), "{commands:?}");
}
