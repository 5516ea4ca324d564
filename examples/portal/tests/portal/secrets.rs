//! A canary run: secrets that are easy to find, and a search for them wherever they mustn't be.

use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::process::{CHEAP, Folder, PORTAL, Portal, root};

const RIGHT: &str = "Canary-of-ada-1!";
const WRONG: &str = "Canary-that-is-wrong-2!";
const TYPED: &str = "Canary-in-the-wrong-field-3!";
const WEAK: &str = "canary-too-weak";
const UNREAD: &str = "Canary-in-a-broken-body-4!";

/// Four characters of the kind, and 48 bytes in base64url.
const TOKEN: usize = 4 + 64;

/// The secrets of a run.
struct Run {
    passwords: Vec<&'static str>,
    /// Session tokens, tickets, links.
    tokens: Vec<String>,
    /// Of these a digest must be in the store.
    kept: Vec<String>,
}

#[test]
fn fa4_no_password_or_token_is_in_the_store_the_trail_or_the_log() {
    let folder = Folder::new(CHEAP);
    // Louder than anybody runs it.
    let portal = Portal::listening(folder.command().env("RUST_LOG", "trace"));
    let administrator = portal.first_administrator().unwrap();
    let mut run = live(&folder, &portal);
    let said = portal.said.clone();
    let before_the_stop = stored(&folder);
    portal.stop();
    run.tokens.push(administrator.clone());

    assert!(said.complaint().contains("WARN"), "there is a log");
    let printed = said.out();
    assert_eq!(printed.matches(&administrator).count(), 1, "the link's place is this line alone");
    let trail = told(&folder, &["audit", "--json"]);
    assert!(trail.contains("login.failed") && trail.contains("user.verified"), "{trail}");
    let places = [
        ("standard output", printed.replace(&administrator, "").into_bytes()),
        ("standard error", said.complaint().into_bytes()),
        ("the audit trail", trail.into_bytes()),
        ("the audit table", told_for_people(&folder).into_bytes()),
        ("the list of users", told(&folder, &["user", "list", "--json"]).into_bytes()),
        ("the files while it ran", before_the_stop),
        ("the files", stored(&folder)),
    ];
    for (place, bytes) in &places {
        for secret in run.passwords.iter().flat_map(|password| spellings(password.as_bytes())) {
            assert!(!holds(bytes, &secret), "{:?} is in {place}", String::from_utf8_lossy(&secret));
        }
        for secret in run.tokens.iter().flat_map(|token| token_spellings(token)) {
            assert!(!holds(bytes, &secret), "{:?} is in {place}", String::from_utf8_lossy(&secret));
        }
    }
}

#[test]
fn f1_of_a_token_the_store_has_its_sha_256_alone() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
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

/// Uses every way in which a secret comes into this build.
fn live(folder: &Folder, portal: &Portal) -> Run {
    let form = |email: &str, password: &str| json!({ "email": email, "password": password, "username": null });
    portal.post("/sign-up", &form("ada@example.org", WEAK)).send().assert(422, "password_too_weak", "weak");
    portal.post("/sign-up", &form("ada@example.org", RIGHT)).send().assert(201, "verify_email", "ada");
    let used = folder.link("ada@example.org");
    portal.login("ada@example.org", RIGHT).assert(403, "email_unverified", "early");
    assert_eq!(portal.get(&format!("/verify-email?token={used}")).send().status, 200);
    assert_eq!(portal.post("/verify-email/show", &json!({ "token": used })).send().status, 200);
    assert_eq!(portal.verify(&used).status, 204);
    portal.post("/sign-up", &form("ada@example.org", RIGHT)).send().assert(201, "verify_email", "taken");

    portal.login("ada@example.org", WRONG).assert(401, "invalid_credentials", "wrong");
    portal.login(TYPED, RIGHT).assert(401, "invalid_credentials", "a password in the other field");
    let broken = format!("{{\"identifier\": \"ada@example.org\", \"password\": \"{UNREAD}\", \"{UNREAD}\": 1");
    portal.ask("/login").body("application/json", broken).send().assert(400, "invalid_request", "cut");
    let unknown = json!({ "identifier": "ada@example.org", "password": UNREAD, "more": UNREAD });
    portal.post("/login", &unknown).send().assert(400, "invalid_request", "unknown field");

    let first = portal.login("ada@example.org", RIGHT).member("token");
    assert_eq!(portal.session(&first).status, 200);
    assert_eq!(portal.get("/auth/session").cookie(&first).send().status, 200);
    let taken = portal.login("ada@example.org", RIGHT).member("ticket");
    let takeover = json!({ "ticket": taken, "proceed": true });
    let second = portal.post("/login/takeover", &takeover).send().member("token");
    let open = portal.login("ada@example.org", RIGHT).member("ticket");
    let prove = |password: &str| portal.post("/session/prove", &json!({ "password": password })).bearer(&second).send();
    prove(WRONG).assert(401, "invalid_credentials", "wrong");
    assert_eq!(prove(RIGHT).status, 204);

    portal.post("/sign-up", &form("bob@example.org", RIGHT)).send().assert(201, "verify_email", "bob");
    let waiting = folder.link("bob@example.org");
    let resent = portal.post("/verify-email/resend", &json!({ "email": "bob@example.org" })).send();
    assert_eq!(resent.status, 202);
    let resent = folder.link("bob@example.org");
    Run {
        passwords: vec![RIGHT, WRONG, TYPED, WEAK, UNREAD],
        kept: vec![first.clone(), second.clone(), open.clone(), resent.clone()],
        tokens: vec![used, first, taken, second, open, waiting, resent],
    }
}

/// All files but the mails, whose place the links are, one after the other.
fn stored(folder: &Folder) -> Vec<u8> {
    let files = std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    assert!(files.iter().any(|file| file.ends_with("doorwarden.db")), "{files:?}");
    files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect()
}

/// As it is, and as an encoder would write it.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let texts = [HEXLOWER.encode(secret), BASE64.encode(secret), BASE64URL_NOPAD.encode(secret)];
    std::iter::once(secret.to_vec()).chain(texts.map(|text| text.trim_end_matches('=').into())).collect()
}

/// The whole text, and its secret part without prefix and locator.
fn token_spellings(token: &str) -> Vec<Vec<u8>> {
    [vec![token.as_bytes()[..TOKEN].to_vec()], spellings(&decoded(token)[16..])].concat()
}

/// A token's locator and secret; a ticket says behind them what its caller wants.
fn decoded(token: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(&token.as_bytes()[4..TOKEN]).unwrap()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// What the `doorwarden` command says of the folder.
fn told(folder: &Folder, arguments: &[&str]) -> String {
    let mut command = Command::new(command());
    let output = command.arg("--config").arg(folder.configuration()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn told_for_people(folder: &Folder) -> String {
    told(folder, &["audit"])
}

/// The command, built beside the portal: cargo gives a test the programs of its own package only.
fn command() -> PathBuf {
    let profile = Path::new(PORTAL).parent().unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "doorwarden-cli", "--target-dir"]).arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.current_dir(root()).status().unwrap().success(), "the command can't be built");
    profile.join("doorwarden")
}
