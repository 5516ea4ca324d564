//! Mails by a mail server: after the reply, however long the server takes, and after a crash.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::mailbox::Mail;
use crate::process::{CHEAP, Folder, PASSWORD, until};

/// A mail server that takes whatever comes.
struct MailServer(Arc<Mutex<Vec<String>>>);

impl MailServer {
    fn on(listener: TcpListener) -> Self {
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let shared = mails.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mails = shared.clone();
                std::thread::spawn(move || take(stream.unwrap(), &mails));
            }
        });
        Self(mails)
    }

    fn first(&self) -> Mail {
        let text = until("a mail", || self.0.lock().unwrap().first().cloned());
        Mail { name: "the mail".to_owned(), text: text.replace("=\r\n", "").replace("=3D", "=") }
    }
}

fn take(stream: TcpStream, mails: &Mutex<Vec<String>>) {
    let mut out = stream.try_clone().unwrap();
    let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).unwrap_or_default();
    let mut lines = BufReader::new(stream).lines();
    say("220 mail.example.org ESMTP");
    while let Some(Ok(line)) = lines.next() {
        match line.get(..4).unwrap_or_default() {
            "EHLO" => say("250-mail.example.org\r\n250 8BITMIME"),
            "DATA" => {
                say("354 go on");
                let mail: Vec<_> = lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                mails.lock().unwrap().push(mail.join("\r\n"));
                say("250 taken");
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok"),
        }
    }
}

fn configuration(port: u16) -> String {
    format!("{CHEAP}mail.transport = \"smtp://127.0.0.1:{port}\"\n")
}

#[test]
fn ex2_a_mail_server_is_asked_after_the_reply_and_the_mailed_link_works() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new(&configuration(listener.local_addr().unwrap().port()));
    let portal = folder.start();
    // The server accepts nothing yet: a reply that waited for it wouldn't come.
    portal.sign_up("ada@example.org").assert(201, "verify_email", "before the server says a word");
    let mail = MailServer::on(listener).first();
    assert_eq!(mail.to(), "ada@example.org");
    assert_eq!(portal.post("/verify-email", &serde_json::json!({ "token": mail.token() })).send().status, 204);
    portal.login("ada@example.org", PASSWORD).assert(200, "logged_in", "the address is proved");
}

#[test]
fn a_mail_outlives_a_kill_between_the_commit_and_its_sending() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let folder = Folder::new(&configuration(port));
    let mut portal = folder.start();
    portal.sign_up("ada@example.org").assert(201, "verify_email", "the server is away");
    until("a try that fails", || portal.said.complaint().contains("a delivery failed").then_some(()));
    assert!(!portal.said.complaint().contains("ada@"), "{}", portal.said.complaint());
    portal.kill();
    let server = MailServer::on(TcpListener::bind(("127.0.0.1", port)).unwrap());
    let portal = folder.start();
    let token = server.first().token();
    assert_eq!(portal.post("/verify-email", &serde_json::json!({ "token": token })).send().status, 204);
}
