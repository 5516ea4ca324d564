//! What a stranger can ask for: so often from one client, so many mails to one address, and a reply that doesn't tell
//! by its time who is known here.

use std::time::Duration;

use crate::client::Client;
use crate::email::Email;
use crate::engine::Engine;
use crate::error::{Failure, Fault};
use crate::mail::MailKind;
use crate::rate::{Admission, RateKey, RateLimit};
use crate::time::Timestamp;

/// Replies that must not tell a known address from an unknown one leave at a multiple of this.
const UNIFORM_REPLY: Duration = Duration::from_millis(500);

impl Engine {
    /// Counts a request of a stranger against the limit of its client address; a refusal says when to try again.
    pub(crate) async fn admit_client(&self, client: &Client) -> Result<(), Failure<Duration>> {
        let limit = RateLimit::per_hour(self.policy().per_address_hour);
        let Some(network) = client.network().filter(|_| limit.count > 0) else { return Ok(()) };
        let key = RateKey(self.keys().fingerprint("requests of address", &[network.to_string().as_bytes()]));
        match self.lockouts().admit(&key, &limit, self.now()).await? {
            Admission::Admitted => Ok(()),
            Admission::Refused { retry_after } => Err(Failure::Refused(retry_after)),
        }
    }

    /// Whether one more mail that a stranger asked for may go to an address: `per_hour` of its kind, and twice
    /// `mail.per_hour` in all.
    pub(crate) async fn admit_mail(&self, kind: MailKind, per_hour: u32, to: &Email) -> Result<bool, Fault> {
        let in_all = self.policy().mail.per_hour.saturating_mul(2);
        for (purpose, count) in [(kind.name(), per_hour), ("all mails", in_all)] {
            let key = RateKey(self.keys().fingerprint(purpose, &[to.key().as_bytes()]));
            let admission = self.lockouts().admit(&key, &RateLimit::per_hour(count), self.now()).await?;
            if admission != Admission::Admitted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until the next whole multiple of [`UNIFORM_REPLY`] since `started`.
    pub(crate) async fn leave_uniformly(&self, started: Timestamp) {
        let (step, took) = (UNIFORM_REPLY.as_millis(), started.until(self.now()).as_millis());
        let left = (took / step + 1) * step - took;
        self.clock().sleep(Duration::from_millis(u64::try_from(left).unwrap_or_default())).await;
    }
}
