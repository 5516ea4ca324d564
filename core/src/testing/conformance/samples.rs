//! Records for the suites: each made from a number, with a time that rises with the number.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::audit::{AuditEvent, AuditName, EventId};
use crate::client::Client;
use crate::delivery::{Delivery, DeliveryId, Parcel};
use crate::email::Email;
use crate::invitation::{Invitation, InvitationId, Invited};
use crate::keypair::{AccessKey, Keypair, KeypairId};
use crate::known_browser::BrowserStanding;
use crate::login::LoginProgress;
use crate::password::PasswordHash;
use crate::registration::{PendingRegistration, RegistrationId};
use crate::revision::Revision;
use crate::seal::{SealKeys, Sealed};
use crate::session::{EndReason, Session, SessionId, SessionMode};
use crate::testing::SeededRandom;
use crate::ticket::{Grant, Ticket};
use crate::time::Timestamp;
use crate::token::Digest;
use crate::totp::Totp;
use crate::user::{Acceptance, Acceptances, Role, User, UserId, UserStatus};
use crate::username::Username;

/// Texts that break what is put together carelessly; none holds NUL, which no parsed field can.
pub(super) fn hostile_texts() -> Vec<String> {
    let short = [
        "",
        " ",
        "'; DROP TABLE users; --",
        "\" OR \"\"=\"",
        "\\' \\\\ \\",
        "100 %_",
        "{\"$ne\": null}",
        "line\r\nbreak\ttab",
        "a\u{0301} Å 김하늘 محمد 𞤀𞤣",
        "\u{202E}tfel ot thgir\u{200B}",
        "👩‍🔬\u{FE0F}\u{FFFD}\u{10FFFF}",
        "\u{FEFF}null NULL true 0 1e999",
    ];
    let long = ["é".repeat(5_000), "'".repeat(10_240)];
    short.into_iter().map(str::to_owned).chain(long).collect()
}

/// A value with all that it holds: addresses and usernames compare as equal by their normal form alone.
pub(super) fn whole<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

/// `millis` after 2027-01-15T08:00:00Z.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis)
}

pub(super) fn user_id(number: u32) -> UserId {
    UserId::generate(at(number.into()), &SeededRandom::new(number.into())).unwrap()
}

pub(super) fn email(number: u32) -> Email {
    Email::parse(&format!("User{number}@Example.org")).unwrap()
}

pub(super) fn username(typed: &str) -> Username {
    Username::parse(typed).unwrap()
}

/// An account that holds only what it must.
pub(super) fn user(number: u32) -> User {
    User::new(user_id(number), email(number), Role::user(), at(number.into()))
}

pub(super) fn named_user(number: u32, name: &str) -> User {
    User { username: Some(username(name)), ..user(number) }
}

/// An account that holds all that it can, with `text` wherever any text may stand.
pub(super) fn full_user(number: u32, text: &str) -> User {
    User {
        email_verified_at: Some(at(1)),
        username: Some(username(&format!("Näme{number}"))),
        full_name: Some(text.to_owned()),
        fields: BTreeMap::from([("team".to_owned(), text.to_owned()), (text.to_owned(), String::new())]),
        password: Some(PasswordHash::dummy(4)),
        password_changed_at: Some(at(2)),
        totp: Some(totp(number)),
        status: UserStatus::Disabled,
        role: Role::parse("team-lead").unwrap(),
        acceptances: acceptances(text),
        locale: Some(text.to_owned()),
        ..user(number)
    }
}

fn totp(number: u32) -> Totp {
    let codes = [digest("recovery code", number), digest("another", number)];
    let kept = serde_json::json!({
        "seed": sealed(number), "last_step": u64::MAX, "enabled_at": at(4), "recovery_codes": codes, "wrong_codes": 7,
    });
    serde_json::from_value(kept).unwrap()
}

fn acceptances(text: &str) -> Acceptances {
    Acceptances { terms: Some(Acceptance { version: text.to_owned(), at: at(3) }), privacy: None }
}

pub(super) fn sealed(number: u32) -> Sealed {
    SealKeys::new(&[1; 32], &[]).seal(b"link", "sample", &number.to_be_bytes(), &SeededRandom::new(1)).unwrap()
}

pub(super) fn registration_id(number: u32) -> RegistrationId {
    RegistrationId::generate(at(number.into()), &SeededRandom::new(number.into())).unwrap()
}

/// A registration that holds only what it must and lapses a day after it was made.
pub(super) fn registration(number: u32) -> PendingRegistration {
    PendingRegistration {
        id: registration_id(number),
        email: email(number),
        username: None,
        full_name: None,
        fields: BTreeMap::new(),
        password: PasswordHash::dummy(4),
        fingerprint: digest("fingerprint", number),
        acceptances: Acceptances::default(),
        locale: None,
        role: Role::user(),
        invitation: None,
        link: digest("link", number),
        sealed_link: sealed(number),
        client: Client::default(),
        created_at: at(number.into()),
        expires_at: at(i64::from(number) + 86_400_000),
    }
}

pub(super) fn named_registration(number: u32, name: &str) -> PendingRegistration {
    PendingRegistration { username: Some(username(name)), ..registration(number) }
}

/// A registration that holds all that it can, with `text` wherever any text may stand.
pub(super) fn full_registration(number: u32, text: &str) -> PendingRegistration {
    PendingRegistration {
        username: Some(username(&format!("Wärter{number}"))),
        full_name: Some(text.to_owned()),
        fields: BTreeMap::from([(text.to_owned(), text.to_owned())]),
        acceptances: acceptances(text),
        locale: Some(text.to_owned()),
        role: Role::admin(),
        invitation: Some(invitation_id(number)),
        client: client(text),
        ..registration(number)
    }
}

pub(super) fn invitation_id(number: u32) -> InvitationId {
    InvitationId::generate(at(number.into()), &SeededRandom::new(number.into())).unwrap()
}

/// An invitation that holds only what it must and expires a day after it was made.
pub(super) fn invitation(number: u32) -> Invitation {
    Invitation {
        id: invitation_id(number),
        revision: Revision::FIRST,
        token: digest("invitation", number),
        max_uses: 1,
        uses: 0,
        expires_at: at(i64::from(number) + 86_400_000),
        invited: Invited::Anyone,
        role: None,
        note: None,
        created_by: None,
        created_at: at(number.into()),
        revoked_at: None,
    }
}

/// An invitation that holds all that it can, with `text` wherever any text may stand.
pub(super) fn full_invitation(number: u32, text: &str) -> Invitation {
    Invitation {
        max_uses: u32::MAX,
        uses: 7,
        invited: Invited::Email(email(number)),
        role: Some(Role::parse("team-lead").unwrap()),
        note: Some(text.to_owned()),
        created_by: Some(user_id(number)),
        revoked_at: Some(at(9)),
        ..invitation(number)
    }
}

pub(super) fn client(user_agent: &str) -> Client {
    let address = Some("2001:db8::7".parse().unwrap());
    Client { address, user_agent: Some(user_agent.to_owned()), ..Client::default() }
}

pub(super) fn digest(purpose: &str, number: u32) -> Digest {
    Digest::of(format!("{purpose} {number}").as_bytes())
}

pub(super) fn event(number: u32) -> AuditEvent {
    let id = EventId::generate(at(number.into()), &SeededRandom::new(number.into())).unwrap();
    AuditEvent::new(id, AuditName::LoginFailed, at(number.into()), Client::default())
}

/// An event that holds all that it can, with `text` wherever any text may stand.
pub(super) fn full_event(number: u32, text: &str) -> AuditEvent {
    let event = event(number).of_user(user_id(1)).of_subject(text).refused_by(text);
    let event = AuditEvent { actor: Some(user_id(2)), client: client(text), ..event };
    event.with(text, text).with("failures", 11).with("nested", serde_json::json!({ "list": [1, null, text] }))
}

pub(super) fn keypair_id(number: u32) -> KeypairId {
    KeypairId::generate(at(number.into()), &SeededRandom::new(number.into())).unwrap()
}

/// A keypair of the first user that holds only what it must.
pub(super) fn keypair(number: u32) -> Keypair {
    Keypair {
        id: keypair_id(number),
        revision: Revision::FIRST,
        user: user_id(1),
        access_key: AccessKey::parse(&format!("{number:020}")).unwrap(),
        secret: sealed(number),
        label: None,
        scopes: Vec::new(),
        active: true,
        created_at: at(number.into()),
        expires_at: None,
        last_used_at: None,
        replaced_until: None,
    }
}

/// A keypair that holds all that it can, with `text` wherever any text may stand.
pub(super) fn full_keypair(number: u32, text: &str) -> Keypair {
    Keypair {
        label: Some(text.to_owned()),
        scopes: vec![text.to_owned(), text.to_owned()],
        active: false,
        expires_at: Some(at(1)),
        last_used_at: Some(at(2)),
        replaced_until: Some(at(3)),
        ..keypair(number)
    }
}

/// A delivery that is due at `due_at`.
pub(super) fn delivery(number: u32, due_at: Timestamp) -> Delivery {
    Delivery {
        id: DeliveryId::generate(at(number.into()), &SeededRandom::new(number.into())).unwrap(),
        revision: Revision::FIRST,
        parcel: Parcel::EndSessions { user: user_id(number), except: None, reason: EndReason::PasswordChanged },
        created_at: at(number.into()),
        due_at,
        attempts: 3,
    }
}

pub(super) fn session_id(number: u32) -> SessionId {
    SessionId::generate(at(number.into()), &SeededRandom::new(number.into())).unwrap()
}

/// A session of `user`, opened `number` milliseconds after the start and expiring 8 hours later.
pub(super) fn session(user: UserId, number: u32) -> Session {
    let started_at = at(number.into());
    Session {
        id: session_id(number),
        revision: Revision::FIRST,
        user,
        token: digest("session", number),
        mode: SessionMode::Session,
        keypair: None,
        client: Client::default(),
        started_at,
        expires_at: at(i64::from(number) + 8 * 3_600_000),
        last_seen_at: started_at,
        proved_at: started_at,
        idle_until: None,
        ended: None,
    }
}

/// A ticket of `user` that expires at `expires_at`.
pub(super) fn ticket(user: UserId, expires_at: Timestamp) -> Ticket {
    let client = client("agent");
    let progress = LoginProgress {
        user,
        mode: SessionMode::Session,
        keypair: None,
        client,
        password_at: at(0),
        second_factor_at: None,
        password_set_at: None,
        browser: BrowserStanding::Forgetful,
        awaits: None,
    };
    Ticket::new(Grant::Login(progress), at(0), expires_at)
}
