//! A canary run: secrets that are easy to find, and a search for them wherever they mustn't be.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::canaries::{ADA, IMPORTED, Run, Secret, TOKEN, configuration, decoded, live, spellings, token_spellings};
use crate::mailbox::mails;
use crate::process::{CHEAP, Folder, PASSWORD, PORTAL, Portal, root, until};

/// A portal on a folder that has an administrator and an imported account.
fn prepared(folder: &Folder) -> (Portal, String) {
    let link = {
        let portal = Portal::listening(folder.command().env("RUST_LOG", "trace"));
        let link = portal.first_administrator().unwrap();
        let form = json!({ "token": link, "email": "root@example.org", "password": "Canary-of-root-8!" });
        assert_eq!(portal.post("/first-administrator", &form).send().status, 201);
        assert_eq!(portal.said.out().matches(&link).count(), 1, "the link's place is this line alone");
        assert!(!portal.said.complaint().contains(&link), "{}", portal.said.complaint());
        portal.stop();
        link
    };
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("users.csv");
    std::fs::write(&file, format!("email,password_hash\ndevise@example.org,{IMPORTED}\nbroken,{IMPORTED}\n")).unwrap();
    let mut command = Command::new(command());
    let output =
        command.arg("--config").arg(folder.configuration()).args(["import", "users"]).arg(file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(!holds(&said, IMPORTED.as_bytes()), "{}", String::from_utf8_lossy(&said));
    // Louder than anybody runs it.
    (Portal::listening(folder.command().env("RUST_LOG", "trace")), link)
}

#[test]
fn fa4_no_secret_is_in_the_store_the_trail_the_log_an_answer_or_another_mail() {
    let folder = Folder::new(&configuration());
    let (portal, administrator) = prepared(&folder);
    let mut run = live(&folder, &portal);
    let said = portal.said.clone();
    let before_the_stop = stored(&folder);
    portal.stop();
    run.token("the first administrator's link", &administrator);
    let seal_key = std::fs::read(folder.path("doorwarden.key")).unwrap();
    assert!(seal_key.len() >= 32, "{}", seal_key.len());
    run.add("the seal key", spellings(&seal_key));
    run.secrets.push(Secret {
        what: "an imported hash",
        spellings: spellings(IMPORTED.as_bytes()),
        mailed: None,
        stored: true,
    });

    assert!(said.complaint().contains("WARN"), "there is a log");
    let trail = told(&folder, &["audit", "--json"]);
    for name in
        ["login.failed", "user.verified", "totp.enabled", "keypair.rotated", "signature.refused", "password.reset"]
    {
        assert!(trail.contains(name), "{name}: {trail}");
    }
    let places = [
        ("standard output", said.out().into_bytes()),
        ("standard error", said.complaint().into_bytes()),
        ("the audit trail", trail.clone().into_bytes()),
        ("the audit table", told(&folder, &["audit"]).into_bytes()),
        ("the reasons", reasons(&folder, &trail).into_bytes()),
        ("the checkpoint", told(&folder, &["audit", "checkpoint"]).into_bytes()),
        ("the list of users", told(&folder, &["user", "list", "--json"]).into_bytes()),
        ("the invitations", told(&folder, &["invitations", "--json"]).into_bytes()),
        ("the policy in words", told(&folder, &["explain"]).into_bytes()),
        ("answers that are errors", run.errors.clone().into_bytes()),
        ("what is read back", run.read_back.clone().into_bytes()),
        ("the files while it ran", before_the_stop),
        ("the files", stored(&folder)),
    ];
    for (place, bytes) in &places {
        let kept = place.starts_with("the files");
        let found = found(&run, bytes, |secret| !(kept && secret.stored));
        assert!(found.is_empty(), "{found:?} in {place}");
    }
    let mails = mails(&folder.mail());
    assert!(mails.len() > 12, "{}", mails.len());
    for mail in &mails {
        let found = found(&run, mail.text.as_bytes(), |secret| secret.mailed.as_deref() != Some(mail.kind()));
        assert!(found.is_empty(), "{found:?} in {}", mail.name);
    }
}

/// Why each refusal was one.
fn reasons(folder: &Folder, trail: &str) -> String {
    let events = trail.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let refusals = events.filter(|event| event["outcome"] == "refusal");
    refusals.map(|event| told(folder, &["why", event["id"].as_str().unwrap()])).collect()
}

#[test]
fn f1_of_a_token_the_store_has_its_sha_256_alone() {
    let folder = Folder::new(&configuration());
    let (portal, _) = prepared(&folder);
    let run = live(&folder, &portal);
    let files = stored(&folder);
    for token in &run.kept {
        assert_eq!(decoded(token).len(), 16 + 32, "256 bits and a locator");
        assert!(holds(&files, &Sha256::digest(&token.as_bytes()[..TOKEN])), "{token:.4}…");
        for secret in token_spellings(token) {
            assert!(!holds(&files, &secret), "{token:.4}…");
        }
    }
    assert_eq!(run.kept.len(), 4);
}

#[test]
fn fa4_the_mail_servers_password_is_told_to_the_server_alone() {
    const MAIL: &str = "Canary-of-the-mail-server-11";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || refuse_whoever_logs_in(&listener));
    let configuration = format!("{CHEAP}mail.transport = \"smtp://robot:{MAIL}@127.0.0.1:{port}\"\n");
    let folder = Folder::new(&configuration);
    let portal = Portal::listening(folder.command().env("RUST_LOG", "trace"));
    portal.sign_up(ADA).assert(201, "verify_email", "mailed later");
    until("a try that fails", || portal.said.complaint().contains("a delivery failed").then_some(()));
    let plain = BASE64.encode(format!("\0robot\0{MAIL}").as_bytes());
    assert!(heard.join().unwrap().contains(&plain), "the server is told");
    let mut run = Run::default();
    run.add("the mail server's password", [spellings(MAIL.as_bytes()), vec![plain.into()]].concat());
    let options = portal.get("/auth/options").send();
    portal.login(ADA, PASSWORD).assert(403, "email_unverified", "the mail is on its way");
    let places = [
        ("standard error", portal.said.complaint()),
        ("standard output", portal.said.out()),
        ("the options", options.text().to_owned()),
        ("the audit trail", told(&folder, &["audit", "--json"])),
        ("the policy in words", told(&folder, &["explain"])),
        ("the check", told(&folder, &["check"])),
    ];
    for (place, text) in places {
        assert_eq!(found(&run, text.as_bytes(), |_| true), Vec::<&str>::new(), "{place}: {text}");
    }
    assert_eq!(found(&run, &stored(&folder), |_| true), Vec::<&str>::new(), "the store");
    portal.stop();
}

/// A mail server that takes one login and refuses it; what it heard.
fn refuse_whoever_logs_in(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut out = stream.try_clone().unwrap();
    let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).unwrap_or_default();
    say("220 mail.example.org ESMTP");
    let mut heard = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        heard += &format!("{line}\n");
        match line.get(..4).unwrap_or_default() {
            "EHLO" => say("250-mail.example.org\r\n250 AUTH PLAIN"),
            "AUTH" => {
                say("535 refused");
                break;
            }
            _ => say("250 ok"),
        }
    }
    heard
}

/// What is found of the secrets that `concern`, in one pass.
fn found(run: &Run, bytes: &[u8], concern: impl Fn(&Secret) -> bool) -> Vec<&'static str> {
    let mut by_beginning: HashMap<[u8; 4], Vec<(&Secret, &[u8])>> = HashMap::new();
    for secret in run.secrets.iter().filter(|secret| concern(secret)) {
        for spelling in &secret.spellings {
            by_beginning.entry(*spelling.first_chunk().unwrap()).or_default().push((secret, spelling));
        }
    }
    let mut found = Vec::new();
    for at in 0..bytes.len() {
        let Some(candidates) = bytes[at..].first_chunk().and_then(|four| by_beginning.get(four)) else { continue };
        let here = candidates.iter().filter(|(_, spelling)| bytes[at..].starts_with(spelling));
        found.extend(here.map(|(secret, _)| secret.what));
    }
    found
}

/// All files but the mails, whose place the links are, and the two that are there to hold a secret.
fn stored(folder: &Folder) -> Vec<u8> {
    let files = std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    assert!(files.iter().any(|file| file.ends_with("doorwarden.db")), "{files:?}");
    assert!(files.iter().any(|file| file.ends_with("doorwarden.key")), "{files:?}");
    let searched = files.iter().filter(|file| !file.ends_with("doorwarden.key") && !file.ends_with("auth.toml"));
    searched.flat_map(|file| std::fs::read(file).unwrap()).collect()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// What the `doorwarden` command says of the folder.
pub(crate) fn told(folder: &Folder, arguments: &[&str]) -> String {
    let mut command = Command::new(command());
    let output = command.arg("--config").arg(folder.configuration()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The command, built beside the portal: cargo gives a test the programs of its own package only. With all features and
/// tests among the targets, a run of the whole workspace has built it already.
pub(crate) fn command() -> PathBuf {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let build = || {
        let profile = Path::new(PORTAL).parent().unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["build", "--quiet", "--workspace", "--all-features", "--bins", "--tests", "--target-dir"])
            .arg(profile.parent().unwrap());
        // What cargo tells a test of its own package would make build scripts of dependencies run anew.
        let told = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in told.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(name);
        }
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(root()).status().unwrap().success(), "the command can't be built");
        profile.join("doorwarden")
    };
    BUILT.get_or_init(build).clone()
}
