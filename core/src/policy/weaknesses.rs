//! What is weaker than the figures a policy should keep: allowed, but named at every check and start.

use std::fmt;
use std::time::Duration;

use super::Policy;
use crate::duration::text;
use crate::password::CharacterClass;
use crate::totp::TotpMode;

/// One setting that is weaker than its figure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weakness {
    /// The security requirement that it falls short of, such as `F9`.
    pub row: &'static str,
    /// The dotted key of the policy file.
    pub key: &'static str,
    /// What is weak about it, and what the figure is.
    pub says: String,
}

impl Weakness {
    /// `key` falls short of the requirement `row`.
    pub fn new(row: &'static str, key: &'static str, says: impl Into<String>) -> Self {
        Self { row, key, says: says.into() }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.key, self.says, self.row)
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

impl Policy {
    /// Every setting that is weaker than its figure; the defaults have none.
    ///
    /// ```
    /// use doorwarden_core::policy::Policy;
    ///
    /// let mut policy = Policy::default();
    /// assert!(policy.weaknesses().is_empty());
    /// policy.password.bcrypt_cost = 4;
    /// assert_eq!(policy.weaknesses()[0].row, "F9");
    /// ```
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let mut found = Found(Vec::new());
        found.reaching_the_host(self);
        found.guessing(self);
        found.passwords(self);
        found.lifetimes(self);
        found.mails(self);
        found.0
    }
}

struct Found(Vec<Weakness>);

impl Found {
    fn weak(&mut self, is_weak: bool, [row, key]: [&'static str; 2], says: impl FnOnce() -> String) {
        if is_weak {
            self.0.push(Weakness::new(row, key, says()));
        }
    }

    fn longer(&mut self, duration: Duration, figure: Duration, place: [&'static str; 2]) {
        self.weak(duration > figure, place, || format!("{} is longer than {}", text(duration), text(figure)));
    }

    fn shorter(&mut self, duration: Duration, figure: Duration, place: [&'static str; 2]) {
        self.weak(duration < figure, place, || format!("{} is shorter than {}", text(duration), text(figure)));
    }

    fn more(&mut self, count: u32, figure: u32, place: [&'static str; 2]) {
        self.weak(count > figure, place, || format!("{count} is more than {figure}"));
    }

    fn reaching_the_host(&mut self, policy: &Policy) {
        let url = &policy.public_url;
        self.weak(!url.is_https() && !url.is_loopback(), ["SE1", "public_url"], || {
            "passwords and session cookies travel unencrypted: use https, or a loopback address".to_owned()
        });
        let limit = policy.per_address_hour;
        self.weak(limit == 0, ["GU13", "web.per_address_hour"], || {
            "one address can sign up, ask for mails and try invitations without end".to_owned()
        });
        self.more(limit, 60, ["GU13", "web.per_address_hour"]);
    }

    fn guessing(&mut self, policy: &Policy) {
        let lockout = &policy.lockout;
        self.more(lockout.max_failures, 10, ["F8", "lockout.max_failures"]);
        self.shorter(lockout.duration, 20 * MINUTE, ["F8", "lockout.duration"]);
        self.shorter(lockout.forget_after, DAY, ["F8", "lockout.forget_after"]);
        self.more(policy.totp.drift, 1, ["F5", "totp.drift"]);
        self.longer(policy.keypairs.clock_skew, 15 * MINUTE, ["F15", "keypairs.clock_skew"]);
    }

    fn passwords(&mut self, policy: &Policy) {
        let password = &policy.password;
        let shortest = password.min_length;
        self.weak(shortest < 8, ["F10", "password.min_length"], || format!("{shortest} is shorter than 8 characters"));
        let classes = [CharacterClass::Letter, CharacterClass::Digit, CharacterClass::Special];
        let fewer = classes.iter().any(|class| !password.require.contains(class));
        // Length replaces classes from 15 characters on, and a second factor does (NIST SP 800-63B-4).
        let alone = policy.totp.mode != TotpMode::Required || !policy.totp.roles.is_empty();
        self.weak(fewer && alone && shortest < 15, ["F10", "password.require"], || {
            "passwords of fewer than 15 characters may lack letters, digits or special characters".to_owned()
        });
        let cost = password.bcrypt_cost;
        self.weak(cost < 10, ["F9", "password.bcrypt_cost"], || {
            format!(
                "{cost} is less than 10: a stolen hash is guessed {} times faster than at 12",
                1_u32 << (12 - cost.min(12))
            )
        });
    }

    fn lifetimes(&mut self, policy: &Policy) {
        let session = &policy.session;
        self.longer(policy.login.ticket, 5 * MINUTE, ["F6", "login.ticket"]);
        self.longer(session.lifetime, 8 * HOUR, ["F7", "session.lifetime"]);
        self.longer(session.max_lifetime, 7 * DAY, ["F7", "session.max_lifetime"]);
        self.longer(session.fresh_proof, 10 * MINUTE, ["SE8", "session.fresh_proof"]);
        self.longer(policy.sign_up.verify_link, DAY, ["F6", "sign_up.verify_link"]);
        self.longer(policy.recovery.link, 30 * MINUTE, ["F6", "recovery.link"]);
    }

    fn mails(&mut self, policy: &Policy) {
        self.weak(!policy.sign_up.verify_email, ["PH1", "sign_up.verify_email"], || {
            "an address that isn't proved can hold an account before its owner comes".to_owned()
        });
        self.weak(policy.sign_up.verify_email && !policy.mail.is_on(), ["PH1", "mail.transport"], || {
            "without mails no address is proved".to_owned()
        });
        self.more(policy.mail.per_hour, 3, ["F12", "mail.per_hour"]);
        self.more(policy.recovery.per_hour, 3, ["F12", "recovery.per_hour"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::changed;

    #[test]
    fn the_defaults_have_no_weakness() {
        assert_eq!(Policy::default().weaknesses(), []);
    }

    #[test]
    fn cf2_a_setting_weaker_than_its_figure_is_named_and_one_at_the_figure_is_not() {
        for (key, at_figure, beyond, message) in [
            (
                "public_url",
                r#""https://a.b""#,
                r#""http://a.b""#,
                "public_url: passwords and session cookies travel unencrypted: use https, or a loopback address (SE1)",
            ),
            ("web.per_address_hour", "60", "61", "web.per_address_hour: 61 is more than 60 (GU13)"),
            (
                "web.per_address_hour",
                "1",
                "0",
                "web.per_address_hour: one address can sign up, ask for mails and try invitations without end (GU13)",
            ),
            ("lockout.max_failures", "10", "11", "lockout.max_failures: 11 is more than 10 (F8)"),
            ("lockout.duration", r#""20m""#, r#""1199s""#, "lockout.duration: 1199s is shorter than 20m (F8)"),
            ("lockout.forget_after", r#""24h""#, r#""23h""#, "lockout.forget_after: 23h is shorter than 1d (F8)"),
            ("totp.drift", "1", "2", "totp.drift: 2 is more than 1 (F5)"),
            ("keypairs.clock_skew", r#""15m""#, r#""16m""#, "keypairs.clock_skew: 16m is longer than 15m (F15)"),
            ("password.min_length", "8", "7", "password.min_length: 7 is shorter than 8 characters (F10)"),
            (
                "password.bcrypt_cost",
                "10",
                "9",
                "password.bcrypt_cost: 9 is less than 10: a stolen hash is guessed 8 times faster than at 12 (F9)",
            ),
            ("login.ticket", r#""5m""#, r#""301s""#, "login.ticket: 301s is longer than 5m (F6)"),
            ("session.lifetime", r#""8h""#, r#""9h""#, "session.lifetime: 9h is longer than 8h (F7)"),
            ("session.max_lifetime", r#""7d""#, r#""8d""#, "session.max_lifetime: 8d is longer than 7d (F7)"),
            ("session.fresh_proof", r#""10m""#, r#""11m""#, "session.fresh_proof: 11m is longer than 10m (SE8)"),
            ("sign_up.verify_link", r#""24h""#, r#""25h""#, "sign_up.verify_link: 25h is longer than 1d (F6)"),
            ("recovery.link", r#""30m""#, r#""31m""#, "recovery.link: 31m is longer than 30m (F6)"),
            (
                "sign_up.verify_email",
                "true",
                "false",
                "sign_up.verify_email: an address that isn't proved can hold an account before its owner comes (PH1)",
            ),
            ("mail.transport", r#""dir:x""#, r#""none""#, "mail.transport: without mails no address is proved (PH1)"),
            ("mail.per_hour", "3", "4", "mail.per_hour: 4 is more than 3 (F12)"),
            ("recovery.per_hour", "3", "4", "recovery.per_hour: 4 is more than 3 (F12)"),
        ] {
            assert_eq!(changed(&[(key, at_figure)]).weaknesses(), [], "{key}");
            let messages: Vec<_> = changed(&[(key, beyond)]).weaknesses().iter().map(ToString::to_string).collect();
            assert_eq!(messages, [message], "{key}");
        }
    }

    #[test]
    fn length_replaces_character_classes() {
        let rows = |changes: &[_]| changed(changes).weaknesses().iter().map(|w| (w.row, w.key)).collect::<Vec<_>>();
        assert_eq!(rows(&[("password.require", r#"["letter", "digit"]"#)]), [("F10", "password.require")]);
        assert_eq!(rows(&[("password.require", "[]"), ("password.min_length", "15")]), []);
        let required = ("totp.mode", r#""required""#);
        assert_eq!(rows(&[("password.require", "[]"), required]), [], "and so does a second factor of everybody");
        let of_some = [("password.require", "[]"), required, ("totp.roles", r#"["admin"]"#)];
        assert_eq!(rows(&of_some), [("F10", "password.require")]);
    }
}
