//! `doorwarden user add`: an account, for set-up and scripts on the machine itself.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use doorwarden::Engine;
use doorwarden::core::administration::{FirstPasswordLink, NewAccount, NewUser, NewUserRefusal};
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use doorwarden::core::password::{Password, UnmetRule};
use doorwarden::core::user::{Role, User};
use futures_executor::block_on;
use serde_json::json;

use super::{body, tell, to_the_second};
use crate::Exit;
use crate::output::{Output, Refusal, known};

/// Bytes of a line that are looked at: whatever is longer than a password may be, with room for rules to name.
const LONGEST_LINE: usize = 8 * Password::MAX_BYTES;

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The e-mail address
    #[arg(long)]
    email: String,
    /// The username, to log in with beside the address
    #[arg(long)]
    username: Option<String>,
    /// What the account may do: user, admin, or a name of your own
    #[arg(long, default_value = "user", value_parser = Role::parse)]
    role: Role,
    /// Read its first password from the first line of standard input; without this its owner is mailed a link to set it
    #[arg(long)]
    password_stdin: bool,
    /// Take the address as proved, without a mail
    #[arg(long, requires = "password_stdin")]
    verified: bool,
    /// Where no mails are sent, print the link to set the first password
    #[arg(long, conflicts_with = "password_stdin")]
    print_link: bool,
}

/// What is to be added.
#[derive(Debug)]
pub(super) enum Form {
    WithPassword(NewUser),
    WithLink { account: NewAccount, print: bool },
}

impl AddArguments {
    /// The arguments and the password that goes with them, before a store is opened.
    pub(super) fn form(self, output: &mut Output) -> Result<Form, Exit> {
        let Self { email, username, role, password_stdin, verified, print_link: print } = self;
        if !password_stdin {
            return Ok(Form::WithLink { account: NewAccount { email, username, full_name: None, role }, print });
        }
        let password = Some(first_password(output)?);
        Ok(Form::WithPassword(NewUser { email, username, password, role, email_verified: verified }))
    }
}

impl Form {
    /// The form, if its link would reach somebody; before anything is added.
    pub(super) fn fitting(self, engine: &Engine, output: &mut Output) -> Result<Self, Exit> {
        let mails = engine.policy().mail.is_on();
        let says = match &self {
            Self::WithLink { print: false, .. } if !mails => {
                "no mails are sent here: give a password with --password-stdin, or have the link with --print-link"
            }
            Self::WithLink { print: true, .. } if mails => {
                "--print-link: mails are sent here, and the link goes to its owner alone"
            }
            Self::WithLink { .. } | Self::WithPassword(_) => return Ok(self),
        };
        output.unusable(says);
        Err(Exit::Configuration)
    }
}

pub(super) fn run(engine: &Engine, form: Form, output: &mut Output) -> Result<(), Failure<Refusal>> {
    match form {
        Form::WithPassword(form) => {
            let user = block_on(engine.add_user(form, &Client::default())).map_err(|failure| failure.map(told))?;
            tell(&user, &format!("added as {}, with a password", user.role), output);
        }
        Form::WithLink { account, .. } => {
            let created = block_on(engine.create_user(account, &Client::default()));
            let (user, link) = created.map_err(|failure| failure.map(told))?;
            tell_link(&user, &link, output);
        }
    }
    Ok(())
}

fn tell_link(user: &User, link: &FirstPasswordLink, output: &mut Output) {
    let printed = match link {
        FirstPasswordLink::Told(link) => Some(link),
        _ => None,
    };
    let mailed = *link == FirstPasswordLink::Mailed;
    if output.is_json() {
        return output.json(&known(json!({ "user": body(user), "mailed": mailed, "link": printed })));
    }
    let until = user.first_password.as_ref().map_or_else(String::new, |link| to_the_second(link.expires_at));
    let how = if mailed { "its owner is mailed a link to set the password" } else { "the link sets its password" };
    tell(user, &format!("added as {}, {how}, once, until {until}", user.role), output);
    if let Some(link) = printed {
        output.line(&format!("link  {link}"));
    }
}

fn told(refusal: NewUserRefusal) -> Refusal {
    let unmet = match &refusal {
        NewUserRefusal::PasswordTooWeak(unmet) => unmet.iter().map(UnmetRule::code).collect(),
        _ => Vec::new(),
    };
    Refusal::new(refusal.code(), &refusal).with_unmet(unmet)
}

/// The first line of standard input without its end, or how the command ends.
fn first_password(output: &mut Output) -> Result<Password, Exit> {
    let mut unusable = |says: &str| {
        output.unusable(says);
        Exit::Configuration
    };
    if io::stdin().is_terminal() {
        return Err(unusable("--password-stdin: a terminal would show the password: pipe it in, or give a file"));
    }
    match first_line(io::stdin().lock()) {
        Ok(Some(line)) => line.map_err(|_| unusable("--password-stdin: standard input isn't UTF-8")),
        Ok(None) => {
            output.refuse(&told(NewUserRefusal::PasswordTooWeak(vec![UnmetRule::MaxLength])));
            Err(Exit::Refused)
        }
        Err(error) => Err(unusable(&format!("--password-stdin: reading standard input: {error}"))),
    }
}

/// The password on the first line; `None` for a line that is longer than any.
fn first_line(input: impl BufRead) -> io::Result<Option<Result<Password, NotUtf8>>> {
    // Read and kept in one piece of memory, which the password wipes.
    let mut line = Vec::with_capacity(LONGEST_LINE);
    input.take(LONGEST_LINE as u64).read_until(b'\n', &mut line)?;
    if line.len() == LONGEST_LINE {
        return Ok(None);
    }
    let end = [&b"\r\n"[..], b"\n"].into_iter().find(|end| line.ends_with(end)).map_or(0, <[u8]>::len);
    line.truncate(line.len() - end);
    Ok(Some(String::from_utf8(line).map(Password::new).map_err(|_| NotUtf8)))
}

/// The line isn't text.
#[derive(Debug, PartialEq, Eq)]
struct NotUtf8;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(input: &[u8]) -> Option<Result<String, NotUtf8>> {
        first_line(input).unwrap().map(|line| line.map(|password| password.expose().to_owned()))
    }

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        for (input, password) in [
            ("", ""),
            ("\n", ""),
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\r", "secret\r"),
            (" secret \n\n", " secret "),
            ("secret\nmore", "secret"),
        ] {
            assert_eq!(line(input.as_bytes()), Some(Ok(password.to_owned())), "{input:?}");
        }
        assert_eq!(line(b"\xff\n"), Some(Err(NotUtf8)));
    }

    #[test]
    fn a_line_without_an_end_is_not_read_for_ever() {
        assert_eq!(line(&vec![b'x'; LONGEST_LINE - 1]), Some(Ok("x".repeat(LONGEST_LINE - 1))));
        assert_eq!(line(&vec![b'x'; LONGEST_LINE]), None);
        assert!(first_line(io::BufReader::new(io::repeat(b'x'))).unwrap().is_none());
    }
}
