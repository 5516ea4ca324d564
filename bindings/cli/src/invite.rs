//! `doorwarden invite`: a token that lets its holder sign up. It is printed once and kept nowhere.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use doorwarden::core::invitation::{IssuedInvitation, NewInvitation};
use doorwarden::core::sign_up::Demand;
use doorwarden::core::user::Role;
use futures_executor::block_on;

use crate::invitations::body;
use crate::output::{Output, Refusal};
use crate::user::to_the_second;
use crate::{Exit, ended, engine};

/// What the invitation allows.
#[derive(Debug, Args)]
pub(crate) struct InviteArguments {
    /// How many accounts it may make
    #[arg(long, value_name = "N", default_value_t = 1)]
    max_uses: u32,
    /// How long it works, such as 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = works_for)]
    expires: Duration,
    /// The only address that may use it
    #[arg(long, value_name = "E")]
    email: Option<String>,
    /// The only domain whose addresses may use it, without its sub-domains
    #[arg(long, value_name = "D", conflicts_with = "email")]
    domain: Option<String>,
    /// What its accounts may do: user, admin, or a name of your own
    #[arg(long, value_name = "ROLE", value_parser = Role::parse)]
    role: Option<Role>,
    /// A word to yourself
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

fn works_for(typed: &str) -> Result<Duration, &'static str> {
    doorwarden::core::duration::parse(typed).ok_or("a whole number and a unit is expected: s, m, h or d, such as 7d")
}

pub(crate) fn run(path: &Path, arguments: InviteArguments, output: &mut Output) -> Exit {
    match engine(path, output) {
        Ok(engine) => ended(invite(&engine, arguments, output), output),
        Err(exit) => exit,
    }
}

fn invite(engine: &Engine, arguments: InviteArguments, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let InviteArguments { max_uses, expires, email, domain, role, note } = arguments;
    let (max_uses, expires_at) = (Some(max_uses), Some(engine.now().after(expires)));
    let form = NewInvitation { max_uses, expires_at, email, domain, role, note };
    let issued = block_on(engine.invite(form, &Client::default()));
    tell(&issued.map_err(|failure| failure.map(|refusal| Refusal::new(refusal.code(), &refusal)))?, output);
    if engine.policy().sign_up.invitation == Demand::Off {
        output.complain("sign_up.invitation is \"off\": nobody can use it before that is \"optional\" or \"required\"");
    }
    Ok(())
}

fn tell(issued: &IssuedInvitation, output: &mut Output) {
    let token = issued.token.expose();
    if output.is_json() {
        let mut body = body(&issued.invitation, 0, "open");
        if let Some(fields) = body.as_object_mut() {
            fields.insert("token".to_owned(), token.as_str().into());
            fields.insert("link".to_owned(), issued.link.as_str().into());
        }
        return output.json(&body);
    }
    let uses = match issued.invitation.max_uses {
        1 => "once".to_owned(),
        most => format!("{most} times"),
    };
    output.line(&format!("token  {}", *token));
    output.line(&format!("link   {}", *issued.link));
    output.line(&format!("works {uses}, until {}; it isn't shown again", to_the_second(issued.invitation.expires_at)));
}
