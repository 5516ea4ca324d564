//! An authenticator application beside a running portal.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::http::Reply;
use crate::process::{PASSWORD, Portal};

/// One that was set up with the secret that a reply shows. Each code is of a later step than the one before, so that
/// nobody waits: a code of the next step is accepted already.
#[derive(Clone)]
pub(crate) struct Authenticator {
    pub(crate) secret: String,
    began_at: u64,
}

impl Authenticator {
    pub(crate) fn of(reply: &Reply) -> Self {
        Self { secret: reply.member("secret"), began_at: Self::now() }
    }

    /// Seconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "an application reads the machine's clock, as the portal does")]
    pub(crate) fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    /// The code to confirm with.
    pub(crate) fn first(&self) -> String {
        self.at(self.began_at)
    }

    /// The code to log in with.
    pub(crate) fn second(&self) -> String {
        self.at(self.began_at + 30)
    }

    fn at(&self, seconds: u64) -> String {
        let secret = totp_rs::Secret::try_from_base32(&self.secret).unwrap();
        totp_rs::Builder::new().with_secret(secret).build().unwrap().generate(seconds).to_string()
    }
}

impl Portal {
    /// Sets up one-time passwords in a session: the authenticator, and the recovery codes.
    pub(crate) fn authenticator(&self, session: &str) -> (Authenticator, Vec<String>) {
        let shown = self.post("/totp/setup", &json!({ "password": PASSWORD })).bearer(session).send();
        let authenticator = Authenticator::of(&shown);
        let form = json!({ "ticket": shown.member("ticket"), "code": authenticator.first() });
        let confirmed = self.post("/totp/confirm", &form).bearer(session).send();
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        (authenticator, recovery_codes(&confirmed))
    }
}

pub(crate) fn recovery_codes(reply: &Reply) -> Vec<String> {
    let codes = reply.json()["recovery_codes"].as_array().unwrap_or_else(|| panic!("{}", reply.text())).clone();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}
