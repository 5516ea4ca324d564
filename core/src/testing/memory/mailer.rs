//! Mails in memory: [`MemoryMailer`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::Fault;
use crate::mail::{Mail, Mailer, Promptness};

/// A mailbox that takes every mail, for tests to read; it can be told to fail.
///
/// ```
/// use doorwarden_core::mail::{Mailer, Promptness};
/// use doorwarden_core::testing::MemoryMailer;
///
/// let mailer = MemoryMailer::new(Promptness::AfterReply);
/// assert_eq!(mailer.promptness(), Promptness::AfterReply);
/// assert!(mailer.mails().is_empty());
/// ```
#[derive(Debug)]
pub struct MemoryMailer {
    promptness: Promptness,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mails: Vec<Mail>,
    failures_left: usize,
}

/// The failure was asked for by a test.
#[derive(Debug, thiserror::Error)]
#[error("a test asked for this failure")]
struct Asked;

impl Default for MemoryMailer {
    /// A mailer that takes mails before the reply, so that a test finds them there.
    fn default() -> Self {
        Self::new(Promptness::BeforeReply)
    }
}

impl MemoryMailer {
    /// An empty mailbox.
    pub fn new(promptness: Promptness) -> Self {
        Self { promptness, state: Mutex::default() }
    }

    /// The mails so far, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.state().mails.clone()
    }

    /// The mails so far, oldest first; the mailbox is empty then.
    pub fn take_mails(&self) -> Vec<Mail> {
        std::mem::take(&mut self.state().mails)
    }

    /// Lets the next `sends` fail; none of them puts a mail into the box.
    pub fn fail_next(&self, sends: usize) {
        self.state().failures_left = sends;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, mail: &Mail) -> Result<(), Fault> {
        let mut state = self.state();
        if let Some(left) = state.failures_left.checked_sub(1) {
            state.failures_left = left;
            return Err(Fault::new("sending mail to", mail.to.masked(), Asked));
        }
        state.mails.push(mail.clone());
        Ok(())
    }

    fn promptness(&self) -> Promptness {
        self.promptness
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::email::Email;
    use crate::mail::MailKind;
    use crate::time::Timestamp;

    fn mail(subject: &str) -> Mail {
        Mail {
            kind: MailKind::VerifyEmail,
            from: "no-reply@example.org".to_owned(),
            to: Email::parse("ada@example.org").unwrap(),
            subject: subject.to_owned(),
            text: String::new(),
            html: String::new(),
            at: Timestamp::from_millis(0),
            useless_from: None,
        }
    }

    #[test]
    fn mails_are_kept_in_order_until_they_are_taken() {
        let mailer = MemoryMailer::default();
        for subject in ["first", "second"] {
            block_on(mailer.send(&mail(subject))).unwrap();
        }
        assert_eq!(mailer.mails(), [mail("first"), mail("second")]);
        assert_eq!(mailer.take_mails().len(), 2);
        assert!(mailer.mails().is_empty());
    }

    #[test]
    fn it_fails_as_often_as_it_was_told_and_keeps_none_of_those() {
        let mailer = MemoryMailer::default();
        mailer.fail_next(2);
        let sent: Vec<bool> = (0..4).map(|_| block_on(mailer.send(&mail("any"))).is_ok()).collect();
        assert_eq!(sent, [false, false, true, true]);
        assert_eq!(mailer.mails().len(), 2);
    }
}
