//! Where a policy departs from modern advice without being weaker than its figures: noted, never refused.

use std::time::Duration;

use super::unavailable::is_available;
use super::{Explanation, Policy};
use crate::duration::text;
use crate::password::HashScheme;
use crate::totp::TotpMode;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

impl Policy {
    /// Where the policy departs from the advice of NIST SP 800-63B-4, OWASP ASVS 5.0 and the OWASP cheat sheets.
    /// The defaults depart on purpose: they are the rules of `classic`.
    pub fn advice(&self) -> Vec<Explanation> {
        let mut notes = Notes(Vec::new());
        notes.passwords(self);
        notes.guessing(self);
        notes.sessions_and_recovery(self);
        notes.0
    }
}

struct Notes(Vec<Explanation>);

impl Notes {
    /// Notes that `key` departs, and what is advised instead: a value as JSON writes it.
    fn note(&mut self, departs: bool, key: &'static [&'static str; 1], advised: serde_json::Value, why: &str) {
        if departs {
            let [name] = key;
            let missing = if is_available(name, &advised) { "" } else { "; not available in this build" };
            self.0.push(Explanation::new(key, format!("advised is {advised}: {why}{missing}")));
        }
    }

    fn passwords(&mut self, policy: &Policy) {
        let password = &policy.password;
        let why = "NIST and ASVS 6.2.5 advise length instead of character classes";
        self.note(!password.require.is_empty(), &["password.require"], serde_json::json!([]), why);
        let enough = if policy.totp.mode == TotpMode::Required && policy.totp.roles.is_empty() { 8 } else { 15 };
        let why = "NIST, where the password is the only factor";
        self.note(password.min_length < enough, &["password.min_length"], enough.into(), why);
        let why = "NIST and ASVS 6.2.4 compare with a list of common passwords";
        self.note(!password.forbid_common, &["password.forbid_common"], true.into(), why);
        let why = "NIST refuses the service's and the user's own names";
        self.note(!password.forbid_identifiers, &["password.forbid_identifiers"], true.into(), why);
        let why = "NIST and ASVS 6.2.10 advise against passwords that expire";
        self.note(password.max_age.is_some(), &["password.max_age"], "never".into(), why);
        let why = "the OWASP cheat sheet on password storage puts it before bcrypt";
        self.note(password.scheme == HashScheme::Bcrypt, &["password.scheme"], "argon2id".into(), why);
    }

    fn guessing(&mut self, policy: &Policy) {
        let lockout = &policy.lockout;
        let a_day = u64::from(lockout.max_failures.saturating_add(1)).saturating_mul(86_400)
            / lockout.duration.as_secs().max(1);
        let why = format!("NIST allows 100 failures in a row in all; this is {a_day} guesses a day for ever");
        self.note(!lockout.escalate, &["lockout.escalate"], true.into(), &why);
        let why = "ASVS 6.1.1: anyone can lock a victim out, unless known browsers count apart";
        self.note(!lockout.known_browser, &["lockout.known_browser"], true.into(), why);
        let why = "ASVS 6.3.5: the owner hears of wrong codes after a right password, and of a login after failures";
        self.note(!lockout.notify, &["lockout.notify"], true.into(), why);
        let why = "others answer as for a wrong password, and mail the owner";
        self.note(lockout.tell, &["lockout.tell"], false.into(), why);
        let codes = policy.totp.mode != TotpMode::Off;
        let why = "whoever knows the password may otherwise guess codes for ever, within the lockout";
        self.note(codes && policy.totp.max_failures == 0, &["totp.max_failures"], 20.into(), why);
        let why = "ASVS 6.3.3 asks for a second factor";
        self.note(policy.totp.mode != TotpMode::Required, &["totp.mode"], "required".into(), why);
    }

    fn sessions_and_recovery(&mut self, policy: &Policy) {
        let session = &policy.session;
        let why = format!("NIST AAL2 ends a session after a day; this is {}", text(session.max_lifetime));
        self.note(session.max_lifetime > DAY, &["session.max_lifetime"], "24h".into(), &why);
        let why = "NIST AAL2 ends a session that isn't used for an hour";
        self.note(session.idle.is_none_or(|idle| idle > HOUR), &["session.idle"], "1h".into(), why);
        let long = policy.recovery.enabled && policy.recovery.link > Duration::from_secs(600);
        let why = "ASVS 6.5.5, if links count as out-of-band codes";
        self.note(long, &["recovery.link"], "10m".into(), why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::changed;

    fn noted(changes: &[(&str, &str)]) -> Vec<&'static str> {
        changed(changes).advice().iter().flat_map(|note| note.keys.iter().copied()).collect()
    }

    #[test]
    fn following_the_advice_takes_its_note_away() {
        let all = noted(&[]);
        for (key, advised) in [
            ("password.require", "[]"),
            ("password.min_length", "15"),
            ("password.forbid_common", "true"),
            ("password.forbid_identifiers", "true"),
            ("password.scheme", r#""argon2id""#),
            ("lockout.escalate", "true"),
            ("lockout.known_browser", "true"),
            ("lockout.notify", "true"),
            ("lockout.tell", "false"),
            ("totp.max_failures", "20"),
            ("session.max_lifetime", r#""24h""#),
            ("session.idle", r#""1h""#),
            ("recovery.link", r#""10m""#),
        ] {
            assert!(all.contains(&key), "{key}");
            let left: Vec<_> = all.iter().copied().filter(|noted| *noted != key).collect();
            assert_eq!(noted(&[(key, advised)]), left, "{key}");
        }
    }

    #[test]
    fn eight_characters_do_where_everybody_has_a_second_factor() {
        let with_totp = noted(&[("totp.mode", r#""required""#)]);
        assert!(!with_totp.contains(&"password.min_length") && !with_totp.contains(&"totp.mode"));
        assert!(
            noted(&[("totp.mode", r#""required""#), ("totp.roles", r#"["admin"]"#)]).contains(&"password.min_length")
        );
    }

    #[test]
    fn a_password_that_expires_is_advised_against() {
        assert!(noted(&[("password.max_age", r#""90d""#)]).contains(&"password.max_age"));
    }

    #[test]
    fn a_note_says_what_this_build_lacks() {
        let says = |key| Policy::default().advice().into_iter().find(|note| note.keys == [key]).unwrap().says;
        assert!(says("lockout.escalate").ends_with("792 guesses a day for ever"));
    }
}
