//! `doorwarden user show`: all that an administrator may know of one account.

use doorwarden::Engine;
use doorwarden::core::Timestamp;
use doorwarden::core::administration::PAGE;
use doorwarden::core::error::Failure;
use doorwarden::core::keypair::Keypair;
use doorwarden::core::lockout::Restriction;
use doorwarden::core::user::User;
use futures_executor::block_on;
use serde_json::{Value, json};

use super::{body, found, to_the_second};
use crate::output::{Output, Refusal, Table, known};

pub(super) fn run(engine: &Engine, typed: &str, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    let restriction = block_on(engine.restriction_of(user.id))?;
    let keypairs = block_on(engine.keypairs(user.id, None, PAGE))?;
    if output.is_json() {
        output.json(&details(&user, restriction, &keypairs));
        return Ok(());
    }
    Table::new(["of the account", "is"]).print(rows(&user, restriction), output);
    if !keypairs.is_empty() {
        output.line("");
        let headings = ["access key", "label", "active", "made", "last used", "works until"];
        Table::new(headings).print(keypairs.iter().map(row), output);
    }
    Ok(())
}

fn rows(user: &User, restriction: Option<Restriction>) -> Vec<[String; 2]> {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let mut rows = vec![
        ("e-mail", user.email.typed().to_owned()),
        ("username", user.username.as_ref().map_or_else(String::new, |name| name.typed().to_owned())),
        ("full name", user.full_name.clone().unwrap_or_default()),
        ("role", user.role.name().to_owned()),
        ("status", user.status.name().to_owned()),
        ("verified", yes(user.email_verified_at.is_some())),
        ("password", yes(user.password.is_some())),
        ("one-time passwords", yes(user.totp.is_some())),
        ("must change the password", yes(user.must_change_password)),
        ("restricted", restricted(restriction)),
        ("created", to_the_second(user.created_at)),
        ("id", user.id.to_string()),
    ];
    let link = user.first_password.as_ref().map(|link| to_the_second(link.expires_at));
    rows.extend(link.map(|until| ("first password's link works until", until)));
    let own = user.fields.iter().map(|(name, value)| [format!("field {name}"), value.clone()]);
    rows.into_iter().map(|(name, value)| [name.to_owned(), value]).chain(own).collect()
}

fn restricted(restriction: Option<Restriction>) -> String {
    match restriction {
        None => "no".to_owned(),
        Some(Restriction::Until(until)) => format!("until {}", to_the_second(until)),
        Some(Restriction::Closed) => "until it is unlocked".to_owned(),
    }
}

fn row(keypair: &Keypair) -> [String; 6] {
    let ends = [keypair.expires_at, keypair.replaced_until].into_iter().flatten().min();
    [
        keypair.access_key.to_string(),
        keypair.label.clone().unwrap_or_default(),
        if keypair.active { "yes" } else { "no" }.to_owned(),
        to_the_second(keypair.created_at),
        keypair.last_used_at.map_or_else(String::new, to_the_second),
        ends.map_or_else(String::new, to_the_second),
    ]
}

/// The account as the HTTP API shows it to administrators, and its keypairs as it lists them.
fn details(user: &User, restriction: Option<Restriction>, keypairs: &[Keypair]) -> Value {
    let mut details = body(user);
    let until = match restriction {
        Some(Restriction::Until(until)) => Some(until.to_string()),
        Some(Restriction::Closed) | None => None,
    };
    let more = known(json!({
        "totp_enabled": user.totp.is_some(),
        "must_change_password": user.must_change_password,
        "first_password_link_until": user.first_password.as_ref().map(|link| link.expires_at.to_string()),
        "restricted": restriction.is_some(),
        "restricted_until": until,
    }));
    if let (Some(details), Value::Object(more)) = (details.as_object_mut(), more) {
        details.extend(more);
    }
    json!({ "user": details, "keypairs": keypairs.iter().map(listed).collect::<Vec<_>>() })
}

fn listed(keypair: &Keypair) -> Value {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let mut listed = json!({
        "access_key": keypair.access_key.to_string(),
        "label": keypair.label,
        "scopes": keypair.scopes,
        "active": keypair.active,
        "created_at": keypair.created_at.to_string(),
        "expires_at": text(keypair.expires_at),
        "last_used_at": text(keypair.last_used_at),
    });
    if let (Some(listed), Some(until)) = (listed.as_object_mut(), text(keypair.replaced_until)) {
        listed.insert("replaced_until".to_owned(), until.into());
    }
    listed
}
