//! `doorwarden invitations`: which there are, and their end.

use std::path::Path;

use clap::{Args, Subcommand};
use doorwarden::Engine;
use doorwarden::core::administration::PAGE;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use doorwarden::core::invitation::{Invitation, InvitationId, Invited, ListedInvitation};
use futures_executor::block_on;
use serde_json::{Value, json};

use crate::output::{Output, Refusal, Table, known};
use crate::user::to_the_second;
use crate::{Exit, ended, engine};

/// What to do with invitations; without a command they are listed.
#[derive(Debug, Args)]
pub(crate) struct InvitationsArguments {
    #[command(subcommand)]
    command: Option<InvitationsCommand>,
}

#[derive(Debug, Subcommand)]
enum InvitationsCommand {
    /// Revoke one: nobody signs up with it any more, and who waits for its mail can't prove the address
    Revoke {
        /// Its id, as the list shows it
        #[arg(value_name = "ID")]
        id: InvitationId,
    },
}

pub(crate) fn run(path: &Path, arguments: &InvitationsArguments, output: &mut Output) -> Exit {
    let engine = match engine(path, output) {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    let done = match &arguments.command {
        None => list(&engine, output),
        Some(InvitationsCommand::Revoke { id }) => revoke(&engine, *id, output),
    };
    ended(done, output)
}

/// Prints a page at a time.
fn list(engine: &Engine, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let mut table = Table::new(["status", "uses", "held", "of", "for", "role", "expires", "note", "id"]);
    let mut after = None;
    loop {
        let page = block_on(engine.invitations(after, PAGE))?;
        if output.is_json() {
            page.invitations
                .iter()
                .for_each(|one| output.json_line(&body(&one.invitation, one.held, one.state.name())));
        } else {
            table.print(page.invitations.iter().map(row), output);
        }
        after = page.next;
        if after.is_none() || output.is_lost() {
            return Ok(());
        }
    }
}

fn revoke(engine: &Engine, id: InvitationId, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let unknown =
        || Failure::Refused(Refusal::new("not_found", "no invitation has this id: look for it with `invitations`"));
    let revoked = block_on(engine.revoke_invitation(id, &Client::default()));
    let revoked = revoked.map_err(|failure| failure.map(|refusal| Refusal::new(refusal.code(), refusal)))?;
    let revoked = revoked.ok_or_else(unknown)?;
    if output.is_json() {
        output.json(&json!({ "invitation": body(&revoked, 0, "revoked") }));
    } else {
        output.line(&format!("{id}: revoked"));
    }
    Ok(())
}

fn row(listed: &ListedInvitation) -> [String; 9] {
    let ListedInvitation { invitation, held, state, .. } = listed;
    [
        state.name().to_owned(),
        invitation.uses.to_string(),
        held.to_string(),
        invitation.max_uses.to_string(),
        match &invitation.invited {
            Invited::Anyone => "anyone".to_owned(),
            Invited::Email(email) => email.typed().to_owned(),
            Invited::Domain(domain) => format!("@{domain}"),
        },
        invitation.role.as_ref().map_or_else(String::new, |role| role.name().to_owned()),
        to_the_second(invitation.expires_at),
        invitation.note.clone().unwrap_or_default(),
        invitation.id.to_string(),
    ]
}

/// An invitation as the HTTP API writes it.
pub(crate) fn body(invitation: &Invitation, held: u32, status: &str) -> Value {
    let (email, domain) = match &invitation.invited {
        Invited::Anyone => (None, None),
        Invited::Email(email) => (Some(email.typed()), None),
        Invited::Domain(domain) => (None, Some(domain)),
    };
    known(json!({
        "id": invitation.id,
        "status": status,
        "max_uses": invitation.max_uses,
        "uses": invitation.uses,
        "held": held,
        "expires_at": invitation.expires_at.to_string(),
        "email": email,
        "domain": domain,
        "role": invitation.role.as_ref().map(|role| role.name()),
        "note": invitation.note,
        "created_by": invitation.created_by,
        "created_at": invitation.created_at.to_string(),
        "revoked_at": invitation.revoked_at.map(|at| at.to_string()),
    }))
}
