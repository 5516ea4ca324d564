//! FA2: whatever stands in a place that others fill, reading it never panics, and reading back what was read is the same.

use std::str::FromStr;

use doorwarden_core::Timestamp;
use doorwarden_core::audit::{AuditEvent, AuditName, Checkpoint, EventRef};
use doorwarden_core::client::Client;
use doorwarden_core::email::Email;
use doorwarden_core::keypair::AccessKey;
use doorwarden_core::login::LoginProgress;
use doorwarden_core::network::Network;
use doorwarden_core::password::{Password, PasswordHash};
use doorwarden_core::policy::PublicUrl;
use doorwarden_core::random::SystemRandom;
use doorwarden_core::seal::{SealKeys, Sealed};
use doorwarden_core::session::Session;
use doorwarden_core::ticket::Ticket;
use doorwarden_core::token::{BrowserToken, Digest, InvitationToken, LinkToken, SessionToken, TicketToken};
use doorwarden_core::user::{Role, User, UserId};
use doorwarden_core::username::Username;
use proptest::prelude::*;
use proptest::sample::select;

/// Bytes at which readers change their minds, and some others.
fn edgy(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => select(b"\0\t\n\r \"\\';,=:.@-_+/%<>(){}[]$*#~|&?!\x7f\x80\xbf\xc0\xc2\xe2\xed\xf0\xf4\xff".to_vec()),
        3 => select(b"09azAZTZ".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..most)
}

/// Text of odd characters: of other widths, directions, cases and compositions, or none at all.
fn odd_text() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "＠",
        "；",
        "ſ",
        "K",
        "ı",
        "İ",
        "ß",
        "é",
        "e\u{301}",
        "а",
        "\u{200b}",
        "\u{202e}",
        "\u{feff}",
        "\u{0}",
        "\u{fffd}",
        "😀",
        "xn--",
        "..",
        "@",
        ".",
        "a",
        "dws_",
        "dwt_",
        "2027-01-15T08:00:00Z",
        "-",
        "+09:00",
        "9999",
        "::ffff:",
        "/128",
        "http://",
        "https://[",
        "%00",
        "$2b$",
        "$argon2id$",
        "imported:",
        "{",
        "\"",
        "1e999",
        "18446744073709551616",
    ]);
    let bytes = edgy(40).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let pieces = prop::collection::vec(odd, 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![pieces, bytes, "\\PC{0,40}"]
}

/// A text with some of its bytes replaced, removed or added.
fn mutated(text: String) -> impl Strategy<Value = String> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, edgy(3)), 0..4);
    changes.prop_map(move |changes| {
        let mut bytes = text.clone().into_bytes();
        for (place, kind, other) in changes {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let until = if kind == 0 { at } else { (at + usize::from(kind)).min(bytes.len()) };
            bytes.splice(at..until, other);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn reads_back<T: FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let again = read.to_string().parse::<T>().unwrap_or_else(|_| panic!("{read:?} isn't read back"));
        assert_eq!(again, read);
    }
}

/// Reads a stored record, and writes it again if it is one.
fn record<T: serde::Serialize + serde::de::DeserializeOwned>(text: &str) {
    if let Ok(read) = serde_json::from_str::<T>(text) {
        serde_json::to_string(&read).unwrap();
    }
}

fn records(text: &str) {
    record::<User>(text);
    record::<Session>(text);
    record::<Ticket>(text);
    record::<LoginProgress>(text);
    record::<AuditEvent>(text);
    record::<Client>(text);
    record::<Sealed>(text);
    record::<PasswordHash>(text);
    record::<Digest>(text);
}

/// A user as a store keeps it.
fn stored_user() -> String {
    let email = Email::parse("ada@example.org").unwrap();
    let user = User::new(UserId::from_bytes([7; 16]), email, Role::admin(), Timestamp::from_millis(1_800_000_000_000));
    serde_json::to_string(&user).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn fa2_no_name_address_token_time_or_network_panics(text in odd_text()) {
        if let Ok(email) = Email::parse(&text) {
            let again = Email::parse(email.key()).unwrap();
            prop_assert_eq!(again.key(), email.key());
        }
        if let Ok(name) = Username::parse(&text) {
            prop_assert!(!name.key().contains('@'));
        }
        prop_assert!(SessionToken::parse(&text).is_none_or(|token| *token.expose() == text));
        prop_assert!(TicketToken::parse(&text).is_none_or(|token| *token.expose() == text));
        prop_assert!(LinkToken::parse(&text).is_none_or(|token| *token.expose() == text));
        prop_assert!(BrowserToken::parse(&text).is_none_or(|token| *token.expose() == text));
        prop_assert!(InvitationToken::parse(&text).is_none_or(|token| *token.expose() == text));
        prop_assert!(AccessKey::parse(&text).is_ok() == (text.len() == 20 && text.bytes().all(|b| b.is_ascii_alphanumeric())));
        reads_back::<Timestamp>(&text);
        reads_back::<Network>(&text);
        reads_back::<UserId>(&text);
        reads_back::<Checkpoint>(&text);
        let _ = text.parse::<EventRef>();
        prop_assert!(AuditName::parse(&text).is_none_or(|name| name.name() == text));
        prop_assert!(Role::parse(&text).is_err() || text.len() <= 64);
        if let Ok(url) = PublicUrl::parse(&text) {
            prop_assert_eq!(PublicUrl::parse(url.origin()).unwrap(), url);
        }
        let _ = doorwarden_core::duration::parse(&text);
        let client = Client::new(None, Some(&text));
        prop_assert!(client.user_agent.is_none_or(|agent| agent.len() <= 256));
        let shown = format!("{:?}", Password::new(text.clone()));
        prop_assert!(text.len() < 12 || !shown.contains(&text));
    }

    #[test]
    fn fa2_no_stored_record_panics(text in prop_oneof![odd_text(), mutated(stored_user())]) {
        records(&text);
        records(&serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn fa2_f17_a_sealed_record_that_was_changed_never_opens_and_never_panics(
        text in prop_oneof![mutated(sealed()), odd_text()],
        context in select(vec!["seed", "other", ""]),
    ) {
        let keys = SealKeys::new(&[7; 32], &[[8; 32]]);
        if let Ok(read) = serde_json::from_value::<Sealed>(serde_json::Value::String(text.clone())) {
            let opened = keys.open(&read, context, b"ada");
            prop_assert_eq!(opened.is_ok(), text == *SEALED && context == "seed");
        }
    }
}

/// One sealed record, the same for a whole run.
static SEALED: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    let sealed = SealKeys::new(&[7; 32], &[]).seal(b"a seed", "seed", b"ada", &SystemRandom).unwrap();
    serde_json::to_value(sealed).unwrap().as_str().unwrap().to_owned()
});

fn sealed() -> String {
    SEALED.clone()
}
