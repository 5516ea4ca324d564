//! The policy in sentences, each with the keys that it comes from.

use std::fmt;
use std::time::Duration;

use super::Policy;
use crate::duration::text;
use crate::login::IdentifierKind;
use crate::password::{CharacterClass, HashScheme};
use crate::session::OnConflict;
use crate::sign_up::{Demand, DocumentPolicy};
use crate::totp::TotpMode;

/// One sentence about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The dotted keys that it comes from, the most telling first.
    pub keys: Vec<&'static str>,
    /// The sentence, without a full stop.
    pub says: String,
}

impl Explanation {
    /// `says` is what `keys` come to.
    pub fn new(keys: &[&'static str], says: impl Into<String>) -> Self {
        Self { keys: keys.to_vec(), says: says.into() }
    }

    /// The section of the file that it is about: `session` of `session.lifetime`.
    pub fn section(&self) -> &'static str {
        self.keys.first().and_then(|key| key.split('.').next()).unwrap_or_default()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.says, self.keys.join(", "))
    }
}

impl Policy {
    /// The policy in sentences, by section; every key is named at least once.
    pub fn explain(&self) -> Vec<Explanation> {
        let mut telling = Telling(Vec::new());
        telling.service(self);
        telling.mail(self);
        telling.login(self);
        telling.sign_up(self);
        telling.password(self);
        telling.hashing(self);
        telling.lockout(self);
        telling.totp(self);
        telling.session(self);
        telling.recovery_keypairs_audit(self);
        telling.0
    }
}

struct Telling(Vec<Explanation>);

impl Telling {
    fn say(&mut self, keys: &[&'static str], says: impl Into<String>) {
        self.0.push(Explanation::new(keys, says));
    }

    /// Says first that a section does nothing in this build, if so.
    fn service(&mut self, policy: &Policy) {
        let url = &policy.public_url;
        let safety = match (url.is_https(), url.is_loopback()) {
            (true, _) => "encrypted",
            (false, true) => "on this machine only",
            (false, false) => "unencrypted",
        };
        self.say(
            &["public_url"],
            format!("Browsers reach the service at {}, {safety}; links in mails begin with it", url.origin()),
        );
        self.say(&["console.name"], format!("The service calls itself {:?}", policy.service));
        self.say(&["console.accent"], format!("The accent colour of the portal and of mails is {}", policy.accent));
        self.say(&["console.locales"], format!("The portal and mails speak {}", policy.locales.join(", ")));
        let limit = match policy.per_address_hour {
            0 => "One client address may sign up and ask for mails without limit".to_owned(),
            count => format!("One client address may sign up, ask for mails and try invitations {count} times an hour"),
        };
        self.say(&["web.per_address_hour"], limit);
    }

    fn mail(&mut self, policy: &Policy) {
        let mail = &policy.mail;
        let transport = match mail.transport.strip_prefix("dir:") {
            Some(folder) => format!("Mails are written as files into {folder}"),
            None if mail.is_on() => "Mails are sent by SMTP".to_owned(),
            None => "No mails are sent".to_owned(),
        };
        self.say(&["mail.transport"], transport);
        self.say(&["mail.from"], format!("Mails come from {}", mail.from));
        let templates = match mail.templates.as_str() {
            "" => "Mails are written with the built-in templates".to_owned(),
            folder => format!("Templates in {folder} replace the built-in ones of mails"),
        };
        self.say(&["mail.templates"], templates);
        let (of_a_kind, in_all) = (mail.per_hour, mail.per_hour.saturating_mul(2));
        self.say(
            &["mail.per_hour"],
            format!("Strangers can cause {of_a_kind} mails of a kind and {in_all} in all to one address an hour"),
        );
    }

    fn login(&mut self, policy: &Policy) {
        let login = &policy.login;
        let modes: Vec<_> = login.modes.iter().map(|mode| mode.name()).collect();
        self.say(&["login.modes"], format!("One logs in in {} mode", listed(&modes)));
        let kinds: Vec<_> = login
            .identifiers
            .iter()
            .map(|kind| match kind {
                IdentifierKind::Email => "e-mail address",
                IdentifierKind::Username => "username",
            })
            .collect();
        self.say(&["login.identifiers"], format!("The login field accepts: {}", listed(&kinds)));
        self.say(&["login.ticket"], format!("A login may pause {} between two steps", text(login.ticket)));
        let endpoint = match (login.endpoint.url.as_str(), login.endpoint.pinned) {
            ("", true) => "The dialog shows no API endpoint; one that is set would be read-only".to_owned(),
            ("", false) => "The dialog shows no API endpoint; one that is set could be changed by the user".to_owned(),
            (url, true) => format!("The dialog shows the API endpoint {url}, read-only"),
            (url, false) => format!("The dialog shows the API endpoint {url}, and the user can change it"),
        };
        self.say(&["login.endpoint.url", "login.endpoint.pinned"], endpoint);
    }

    fn sign_up(&mut self, policy: &Policy) {
        let sign_up = &policy.sign_up;
        let open =
            if sign_up.open { "Anybody may sign up" } else { "Only administrators and invitations make accounts" };
        self.say(&["sign_up.open"], open);
        self.say(&["sign_up.invitation"], format!("An invitation is {}", asked(sign_up.invitation)));
        let verified = if policy.verifies_email() {
            "An address is proved by mail before its account exists"
        } else {
            "Addresses are not proved: an account exists at once"
        };
        self.say(&["sign_up.verify_email", "mail.transport"], verified);
        self.say(&["sign_up.verify_link"], format!("A verification link works for {}", text(sign_up.verify_link)));
        self.say(&["sign_up.username"], format!("A username is {}", asked(sign_up.username)));
        self.say(&["sign_up.full_name"], format!("A full name is {}", asked(sign_up.full_name)));
        let domains = match sign_up.domains.as_slice() {
            [] => "Addresses of any domain may sign up".to_owned(),
            domains => format!("Only addresses of these domains may sign up, sub-domains not: {}", listed(domains)),
        };
        self.say(&["sign_up.domains"], domains);
        let fields: Vec<_> = sign_up
            .fields
            .iter()
            .map(|field| {
                let demand = if field.required { "required" } else { "optional" };
                format!("{} ({:?}, {demand}, up to {} characters)", field.name, field.label, field.max_length)
            })
            .collect();
        let fields = if fields.is_empty() {
            "No further fields are asked for".to_owned()
        } else {
            format!("Further fields: {}", listed(&fields))
        };
        self.say(&["sign_up.fields"], fields);
        self.document("terms of service", &sign_up.terms, ["sign_up.terms.version", "sign_up.terms.url"]);
        self.document("privacy policy", &sign_up.privacy, ["sign_up.privacy.version", "sign_up.privacy.url"]);
        let again = if sign_up.ask_again_when_terms_change {
            "is asked for at the next login"
        } else {
            "is not asked of existing accounts"
        };
        self.say(&["sign_up.ask_again_when_terms_change"], format!("A newer version of a document {again}"));
    }

    fn document(&mut self, name: &str, document: &DocumentPolicy, keys: [&'static str; 2]) {
        let says = if document.is_asked() {
            format!("The {name} must be accepted in version {:?}, read at {}", document.version, document.url)
        } else {
            format!("No {name} must be accepted")
        };
        self.say(&keys, says);
    }

    fn password(&mut self, policy: &Policy) {
        let password = &policy.password;
        let (shortest, longest) = (password.min_length, password.max_length);
        self.say(
            &["password.min_length", "password.max_length"],
            format!("A password has {shortest} to {longest} characters"),
        );
        let classes: Vec<_> = password
            .require
            .iter()
            .map(|class| match class {
                CharacterClass::Letter => "a letter",
                CharacterClass::Digit => "a digit",
                CharacterClass::Special => "a special character",
            })
            .collect();
        let classes = if classes.is_empty() { "any characters".to_owned() } else { listed(&classes) };
        self.say(&["password.require"], format!("A password must have {classes}"));
        let common = if password.forbid_common { "are refused" } else { "are allowed" };
        self.say(&["password.forbid_common"], format!("Passwords from a list of common ones {common}"));
        let identifiers = if password.forbid_identifiers { "may not" } else { "may" };
        self.say(
            &["password.forbid_identifiers"],
            format!("A password {identifiers} contain the e-mail address or username"),
        );
        let age = password.max_age.map_or_else(
            || "never has to be changed for its age".to_owned(),
            |age| format!("must be changed after {}", text(age)),
        );
        self.say(&["password.max_age"], format!("A password {age}"));
        let scheme = match password.scheme {
            HashScheme::Bcrypt => format!("Passwords are hashed with bcrypt of cost {}", password.bcrypt_cost),
            HashScheme::Argon2id => {
                "Passwords are hashed with argon2id (19 MiB, two passes, one lane); password.bcrypt_cost has no effect"
                    .to_owned()
            }
        };
        self.say(&["password.scheme", "password.bcrypt_cost"], scheme);
    }

    fn hashing(&mut self, policy: &Policy) {
        let hashing = &policy.hashing;
        let threads = match hashing.threads {
            0 => "one thread less than the machine has cores".to_owned(),
            count => counted(count, "thread"),
        };
        self.say(&["hashing.threads"], format!("Passwords are hashed on {threads}"));
        let (queue, wait) = (hashing.queue, text(hashing.max_wait));
        self.say(
            &["hashing.queue", "hashing.max_wait"],
            format!("A login that would be behind {queue} others, or wait longer than {wait}, is answered busy"),
        );
    }

    fn lockout(&mut self, policy: &Policy) {
        let lockout = &policy.lockout;
        let (forgiven, duration) = (lockout.max_failures, text(lockout.duration));
        self.say(
            &["lockout.max_failures", "lockout.duration"],
            format!(
                "{} in a row are forgiven; the next one restricts the account's login for {duration}",
                counted(forgiven, "failure")
            ),
        );
        self.say(
            &["lockout.forget_after"],
            format!("A count that doesn't restrict is forgotten {} after its last failure", text(lockout.forget_after)),
        );
        let escalate = if lockout.escalate {
            "Each restriction doubles the last, up to 24h; at 100 failures only a reset or an administrator opens"
        } else {
            "Every restriction lasts equally long"
        };
        self.say(&["lockout.escalate"], escalate);
        let known = if lockout.known_browser {
            "A browser that logged in before has its own counter"
        } else {
            "All browsers share an account's counter"
        };
        self.say(&["lockout.known_browser"], known);
        let notify = if lockout.notify { "The owner gets a mail" } else { "The owner gets no mail" };
        self.say(&["lockout.notify"], format!("{notify} after 3 wrong codes, or a login that followed 5 failures"));
        let tell = if lockout.tell {
            "is told so, with the seconds left"
        } else {
            "is answered as if the password were wrong, and its owner gets a mail"
        };
        self.say(&["lockout.tell"], format!("A restricted login {tell}"));
        let address = &lockout.per_address;
        let (window, duration) = (text(address.window), text(address.duration));
        let says = match address.max_failures {
            0 => format!(
                "Failures aren't counted by client address; they would be within {window}, to restrict for {duration}"
            ),
            count => format!(
                "{} from one client address within {window} are forgiven; the next one restricts it for {duration}",
                counted(count, "failure")
            ),
        };
        self.say(
            &["lockout.per_address.max_failures", "lockout.per_address.window", "lockout.per_address.duration"],
            says,
        );
    }

    fn totp(&mut self, policy: &Policy) {
        let totp = &policy.totp;
        let mode = match (totp.mode, totp.roles.as_slice()) {
            (TotpMode::Off, _) => "Nobody can set up one-time passwords; who has them is asked all the same".to_owned(),
            (TotpMode::Optional, _) => "Whoever wants uses one-time passwords".to_owned(),
            (TotpMode::Required, []) => "Everybody must use one-time passwords".to_owned(),
            (TotpMode::Required, roles) => format!("These roles must use one-time passwords: {}", listed(roles)),
        };
        self.say(&["totp.mode", "totp.roles"], mode);
        self.say(&["totp.issuer"], format!("Authenticator applications show the issuer {:?}", totp.issuer));
        self.say(&["totp.drift"], format!("A code is accepted {} early or late", counted(totp.drift, "time step")));
        self.say(
            &["totp.recovery_codes"],
            format!("Setting it up gives {}", counted(totp.recovery_codes, "recovery code")),
        );
        let budget = match totp.max_failures {
            0 => "Wrong codes count as failed logins and have no lasting budget".to_owned(),
            count => format!(
                "After {} since the last login only a reset or an administrator opens",
                counted(count, "wrong code")
            ),
        };
        self.say(&["totp.max_failures"], budget);
    }

    fn session(&mut self, policy: &Policy) {
        let session = &policy.session;
        self.say(&["session.lifetime"], format!("A session lasts {}", text(session.lifetime)));
        let longest = text(session.max_lifetime);
        let extend = if session.extendable {
            format!("It can be extended, up to {longest} after the login")
        } else {
            format!("It can't be extended (the limit would be {longest})")
        };
        self.say(&["session.extendable", "session.max_lifetime"], extend);
        let idle = session.idle.map_or_else(
            || "It doesn't end for lack of use".to_owned(),
            |idle| format!("It ends when it isn't used for {}", text(idle)),
        );
        self.say(&["session.idle"], idle);
        let conflict = match session.on_conflict {
            OnConflict::Ask => "the user is asked whether to end the live ones",
            OnConflict::Refuse => "the login is refused",
            OnConflict::EndOldest => "the oldest ends",
            OnConflict::Allow => "it is allowed all the same",
        };
        let most = counted(session.max_concurrent, "session");
        self.say(
            &["session.max_concurrent", "session.on_conflict"],
            format!("An account has {most} at a time; at one more, {conflict}"),
        );
        let most = counted(session.max_concurrent_api, "session");
        self.say(
            &["session.max_concurrent_api"],
            format!("Logged in by keypair it has {most} at a time; at one more, the oldest ends"),
        );
        self.say(
            &["session.fresh_proof"],
            format!(
                "Sensitive changes ask for the password or a code again {} after the last time",
                text(session.fresh_proof)
            ),
        );
        self.say(
            &["session.touch_every"],
            format!("The time of last use is written every {} at most", text(session.touch_every)),
        );
        let cache = session.cache.map_or_else(
            || "Every check reads the store".to_owned(),
            |cache| format!("A check may be {} old", text(cache)),
        );
        self.say(&["session.cache"], cache);
    }

    fn recovery_keypairs_audit(&mut self, policy: &Policy) {
        let recovery = &policy.recovery;
        let reset = match (recovery.enabled, policy.mail.is_on()) {
            (true, true) => "A forgotten password can be reset by mail",
            (true, false) => "A forgotten password could be reset by mail, but no mails are sent",
            (false, _) => "A forgotten password can't be reset by mail: the administrator helps",
        };
        self.say(&["recovery.enabled"], reset);
        self.say(&["recovery.link"], format!("The mailed link works for {}", text(recovery.link)));
        self.say(
            &["recovery.per_hour"],
            format!("One address gets {} of that kind an hour", counted(recovery.per_hour, "mail")),
        );
        let keypairs = &policy.keypairs;
        self.say(&["keypairs.per_user"], format!("An account holds {}", counted(keypairs.per_user, "keypair")));
        self.say(&["keypairs.clock_skew"], format!("A signed request's time may be {} off", text(keypairs.clock_skew)));
        let overlap = match keypairs.rotation_overlap {
            Duration::ZERO => "A keypair that is rotated stops at once".to_owned(),
            overlap => format!("A keypair that is rotated works for another {}", text(overlap)),
        };
        self.say(&["keypairs.rotation_overlap"], overlap);
        self.say(&["audit.keep"], format!("Audit events are kept for {}", text(policy.audit.keep)));
    }
}

fn asked(demand: Demand) -> &'static str {
    match demand {
        Demand::Off => "not asked for, and refused if given",
        Demand::Optional => "asked for, and may be left out",
        Demand::Required => "required",
    }
}

fn counted(count: u32, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn listed<T: AsRef<str>>(items: &[T]) -> String {
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{OTHERS, changed, keys};

    #[test]
    fn every_key_is_in_the_table_of_other_values() {
        let mut table: Vec<_> = OTHERS.iter().map(|(key, _)| (*key).to_owned()).collect();
        let mut all = keys();
        table.sort();
        all.sort();
        assert_eq!(table, all);
    }

    #[test]
    fn changing_any_key_changes_what_is_said() {
        let said = |policy: &Policy| (policy.explain(), policy.problems());
        for (key, json) in OTHERS {
            assert_ne!(said(&changed(&[(key, json)])), said(&Policy::default()), "{key}");
        }
    }

    #[test]
    fn every_key_is_named_by_a_sentence_that_moves_with_it() {
        let naming = |policy: &Policy, key: &str| -> Vec<_> {
            policy.explain().into_iter().filter(|sentence| sentence.keys.contains(&key)).collect()
        };
        for (key, json) in OTHERS {
            let before = naming(&Policy::default(), key);
            assert!(!before.is_empty(), "{key}");
            // Half of a pair says nothing without the other.
            if !matches!(*key, "sign_up.terms.url" | "sign_up.privacy.url" | "totp.roles") {
                assert_ne!(before, naming(&changed(&[(key, json)]), key), "{key}");
            }
        }
    }

    #[test]
    fn sentences_are_grouped_by_section() {
        let sections: Vec<_> = Policy::default().explain().iter().map(Explanation::section).collect();
        let mut grouped = sections.clone();
        grouped.dedup();
        let mut distinct = grouped.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(grouped.len(), distinct.len(), "{grouped:?}");
    }

    #[test]
    fn the_default_lockout_reads_as_a_person_would_say_it() {
        let said: Vec<_> = Policy::default().explain().iter().map(ToString::to_string).collect();
        let lockout = "10 failures in a row are forgiven; the next one restricts the account's login for 20m (lockout.max_failures, lockout.duration)";
        assert!(said.iter().any(|sentence| sentence == lockout), "{said:#?}");
    }
}
