//! `doorwarden user add`: an account, for set-up and scripts on the machine itself.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use doorwarden::Engine;
use doorwarden::core::administration::{NewUser, NewUserRefusal};
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use doorwarden::core::password::{Password, UnmetRule};
use doorwarden::core::user::Role;
use futures_executor::block_on;

use super::tell;
use crate::Exit;
use crate::output::{Output, Refusal};

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
    /// Read its first password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Take the address as proved, without a mail
    #[arg(long)]
    verified: bool,
}

impl AddArguments {
    /// The arguments and the password that goes with them, before a store is opened.
    pub(super) fn form(self, output: &mut Output) -> Result<NewUser, Exit> {
        let password = self.password_stdin.then(|| first_password(output)).transpose()?;
        let Self { email, username, role, verified, .. } = self;
        Ok(NewUser { email, username, password, role, email_verified: verified })
    }
}

pub(super) fn run(engine: &Engine, form: NewUser, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = block_on(engine.add_user(form, &Client::default())).map_err(|failure| failure.map(told))?;
    let password = match user.password {
        Some(_) => "with a password",
        None => "without a password: nobody can log in with one",
    };
    tell(&user, &format!("added as {}, {password}", user.role), output);
    Ok(())
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
