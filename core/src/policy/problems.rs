//! What makes a policy impossible: values out of bounds, contradictions, and what this build can't do.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::unavailable::{lookup, unavailable};
use super::{Policy, PolicyProblem};
use crate::duration::text;
use crate::email::Email;
use crate::lockout::Lockout;
use crate::login::IdentifierKind;
use crate::rate::RateLimit;
use crate::sign_up::{Demand, DocumentPolicy};
use crate::totp::TotpMode;
use crate::user::Role;

impl Policy {
    /// Every impossible value, every contradiction, and everything that is not available in this build; empty: the
    /// policy can come into force.
    ///
    /// ```
    /// use doorwarden_core::policy::Policy;
    ///
    /// let mut policy = Policy::default();
    /// assert!(policy.problems().is_empty());
    /// policy.session.max_concurrent = 0;
    /// assert_eq!(policy.problems()[0].to_string(), "session.max_concurrent = 0: allowed is 1 or more");
    /// ```
    pub fn problems(&self) -> Vec<PolicyProblem> {
        let settings = self.settings();
        let lacking = unavailable(&settings);
        let mut findings = Findings { settings, found: Vec::new() };
        findings.mail(self);
        findings.login(self);
        findings.sign_up(self);
        findings.fields(self);
        findings.password(self);
        findings.hashing(self);
        findings.lockout(self);
        findings.totp(self);
        findings.session(self);
        findings.recovery_keypairs_audit(self);
        // What can't be had at all needn't be well formed.
        findings.found.retain(|problem| lacking.iter().all(|lack| lack.key != problem.key));
        lacking.into_iter().chain(findings.found).collect()
    }
}

/// Names that sign-up requests use themselves.
const BUILT_IN_FIELDS: [&str; 7] = ["email", "password", "username", "full_name", "fields", "invitation", "accept"];
const MOST_FIELDS: usize = 64;
const LONGEST_NAME: usize = 100;
/// A count that no address or account reaches by itself, and that leaves arithmetic on it safe.
const MOST_FAILURES: u32 = 1_000_000;
const MORE_THAN_NONE: &str = "longer than 0s";
const LINE: &str = "1 to 100 characters on one line";

struct Findings {
    settings: Value,
    found: Vec<PolicyProblem>,
}

impl Findings {
    fn require(&mut self, holds: bool, key: &str, allowed: impl Into<String>) {
        if !holds {
            let value = lookup(&self.settings, key).unwrap_or(&Value::Null);
            self.found.push(PolicyProblem::new(key, value, allowed));
        }
    }

    fn require_against(&mut self, holds: bool, [key, other]: [&str; 2], allowed: impl Into<String>) {
        if !holds {
            self.require(false, key, allowed);
            if let Some(problem) = self.found.last_mut() {
                problem.against = Some(other.to_owned());
            }
        }
    }

    fn require_lasting(&mut self, duration: Duration, key: &str) {
        self.require(!duration.is_zero(), key, MORE_THAN_NONE);
    }

    fn mail(&mut self, policy: &Policy) {
        self.require(is_line(&policy.service), "console.name", LINE);
        self.require(
            policy.per_address_hour <= RateLimit::MOST,
            "web.per_address_hour",
            format!("0 to {}", RateLimit::MOST),
        );
        let mail = &policy.mail;
        self.require(Email::parse(&mail.from).is_ok(), "mail.from", "an e-mail address");
        // Twice as many in all must be a rate limit too.
        let most = RateLimit::MOST / 2;
        self.require((1..=most).contains(&mail.per_hour), "mail.per_hour", format!("1 to {most}"));
        let transport = mail.transport.as_str();
        let folder = transport.strip_prefix("dir:").is_some_and(|path| !path.is_empty());
        let named = transport.strip_prefix("env:").is_some_and(|name| !name.is_empty());
        let known = folder || named || transport == "none" || is_mail_server(transport);
        self.require(known, "mail.transport", "dir:PATH, smtp://…, smtps://…, env:NAME or none");
    }

    fn login(&mut self, policy: &Policy) {
        let login = &policy.login;
        self.require(
            !login.modes.is_empty() && are_distinct(&login.modes),
            "login.modes",
            "at least one mode, each once",
        );
        let identifiers = &login.identifiers;
        self.require(
            !identifiers.is_empty() && are_distinct(identifiers),
            "login.identifiers",
            "at least one kind of identifier, each once",
        );
        let only_names = identifiers.iter().all(|kind| *kind == IdentifierKind::Username) && !identifiers.is_empty();
        self.require_against(
            !only_names || policy.sign_up.username == Demand::Required,
            ["login.identifiers", "sign_up.username"],
            "a list with \"email\" unless sign_up.username is \"required\", since who has no username couldn't log in",
        );
        let hour = Duration::from_secs(3_600);
        self.require(!login.ticket.is_zero() && login.ticket <= hour, "login.ticket", "longer than 0s, up to 1h");
        let url = &login.endpoint.url;
        self.require(url.is_empty() || is_web(url), "login.endpoint.url", "an http or https address, or empty");
    }

    fn sign_up(&mut self, policy: &Policy) {
        let sign_up = &policy.sign_up;
        self.require_lasting(sign_up.verify_link, "sign_up.verify_link");
        let mut domains = HashSet::new();
        for (at, domain) in sign_up.domains.iter().enumerate() {
            let key = format!("sign_up.domains[{at}]");
            // An address is the one thing that says which domains can be part of one.
            match Email::parse(&format!("a@{domain}")) {
                Ok(email) => self.require(domains.insert(email.domain().to_owned()), &key, "each domain once"),
                Err(_) => self.require(false, &key, "a domain such as example.org"),
            }
        }
        self.document(&sign_up.terms, ["sign_up.terms.version", "sign_up.terms.url"]);
        self.document(&sign_up.privacy, ["sign_up.privacy.version", "sign_up.privacy.url"]);
    }

    fn document(&mut self, document: &DocumentPolicy, [version, url]: [&str; 2]) {
        let asked = document.is_asked();
        self.require_against(asked || document.url.is_empty(), [version, url], format!("{LINE} while {url} is set"));
        self.require_against(
            !asked || !document.url.is_empty(),
            [url, version],
            format!("an address while {version} is set"),
        );
        self.require(!asked || is_line(&document.version), version, LINE);
        let place = &document.url;
        let own_page =
            place.starts_with('/') && !place.starts_with("//") && Url::parse(&format!("https://a{place}")).is_ok();
        let well_formed = place.is_empty() || own_page && !place.contains('\\') || is_web(place);
        self.require(well_formed, url, "an http or https address, or a path such as /terms");
    }

    fn fields(&mut self, policy: &Policy) {
        let fields = &policy.sign_up.fields;
        if fields.len() > MOST_FIELDS {
            let problem = PolicyProblem::new("sign_up.fields", &Value::Null, format!("at most {MOST_FIELDS} fields"));
            self.found.push(PolicyProblem { seen: format!("[{} entries]", fields.len()), ..problem });
            return;
        }
        let mut names = HashSet::new();
        for (at, field) in fields.iter().enumerate() {
            let key = |part: &str| format!("sign_up.fields[{at}].{part}");
            let free = !BUILT_IN_FIELDS.contains(&field.name.as_str());
            self.require(is_field_name(&field.name), &key("name"), "1 to 64 of a-z, 0-9 and _");
            self.require(free, &key("name"), format!("a name other than {}", BUILT_IN_FIELDS.join(", ")));
            self.require(names.insert(&field.name), &key("name"), "each name once");
            self.require(is_line(&field.label), &key("label"), LINE);
            self.require((1..=10_000).contains(&field.max_length), &key("max_length"), "1 to 10000");
        }
    }

    fn password(&mut self, policy: &Policy) {
        let password = &policy.password;
        let (shortest, longest) = (password.min_length, password.max_length);
        self.require(
            (1..=64).contains(&shortest),
            "password.min_length",
            "1 to 64, since 64 characters must always be allowed",
        );
        self.require(
            (64..=512).contains(&longest),
            "password.max_length",
            "64 to 512, since 64 characters must always be allowed",
        );
        self.require(
            are_distinct(&password.require),
            "password.require",
            "\"letter\", \"digit\" and \"special\", each once",
        );
        self.require(password.max_age != Some(Duration::ZERO), "password.max_age", "\"never\", or longer than 0s");
        self.require((4..=16).contains(&password.bcrypt_cost), "password.bcrypt_cost", "4 to 16");
    }

    fn hashing(&mut self, policy: &Policy) {
        let hashing = &policy.hashing;
        self.require(hashing.threads <= 1_024, "hashing.threads", "0 to 1024");
        self.require((1..=65_536).contains(&hashing.queue), "hashing.queue", "1 to 65536");
        // A guess that waits longer than it may be in flight would count as failed without being looked at.
        let most = Lockout::SETTLE_WITHIN / 2;
        let holds = !hashing.max_wait.is_zero() && hashing.max_wait <= most;
        self.require(holds, "hashing.max_wait", format!("longer than 0s, up to {}", text(most)));
    }

    fn lockout(&mut self, policy: &Policy) {
        let lockout = &policy.lockout;
        let range = 1..=MOST_FAILURES;
        self.require(range.contains(&lockout.max_failures), "lockout.max_failures", format!("1 to {MOST_FAILURES}"));
        self.require_lasting(lockout.duration, "lockout.duration");
        self.require_lasting(lockout.forget_after, "lockout.forget_after");
        let per_address = &lockout.per_address;
        let holds = per_address.max_failures <= MOST_FAILURES;
        self.require(holds, "lockout.per_address.max_failures", format!("0 to {MOST_FAILURES}"));
        self.require_lasting(per_address.duration, "lockout.per_address.duration");
        self.require_lasting(per_address.window, "lockout.per_address.window");
    }

    fn totp(&mut self, policy: &Policy) {
        let totp = &policy.totp;
        self.require_against(
            totp.roles.is_empty() || totp.mode == TotpMode::Required,
            ["totp.roles", "totp.mode"],
            "[] unless totp.mode is \"required\"",
        );
        let roles = totp.roles.iter().all(|role| Role::parse(role).is_ok()) && are_distinct(&totp.roles);
        self.require(roles, "totp.roles", "names of roles, each once");
        // A colon separates issuer and account in the authenticator application's address.
        let issuer = is_line(&totp.issuer) && !totp.issuer.contains(':');
        self.require(issuer, "totp.issuer", format!("{LINE}, without a colon"));
        self.require(totp.drift <= 10, "totp.drift", "0 to 10");
        self.require(totp.recovery_codes <= 100, "totp.recovery_codes", "0 to 100");
        self.require(totp.max_failures <= MOST_FAILURES, "totp.max_failures", format!("0 to {MOST_FAILURES}"));
    }

    fn session(&mut self, policy: &Policy) {
        let session = &policy.session;
        self.require_lasting(session.lifetime, "session.lifetime");
        self.require_against(
            session.lifetime <= session.max_lifetime,
            ["session.lifetime", "session.max_lifetime"],
            format!("at most session.max_lifetime, which is \"{}\"", text(session.max_lifetime)),
        );
        // The time of last use is kept by the second.
        let idle = session.idle.is_none_or(|idle| idle >= Duration::from_secs(2));
        self.require(idle, "session.idle", "\"off\", or 2s or longer");
        self.require(session.max_concurrent >= 1, "session.max_concurrent", "1 or more");
        self.require(session.max_concurrent_api >= 1, "session.max_concurrent_api", "1 or more");
        self.require_lasting(session.fresh_proof, "session.fresh_proof");
        self.require_lasting(session.touch_every, "session.touch_every");
        self.require(session.cache != Some(Duration::ZERO), "session.cache", "\"off\", or longer than 0s");
    }

    fn recovery_keypairs_audit(&mut self, policy: &Policy) {
        let most = RateLimit::MOST;
        self.require_lasting(policy.recovery.link, "recovery.link");
        self.require((1..=most).contains(&policy.recovery.per_hour), "recovery.per_hour", format!("1 to {most}"));
        self.require(policy.keypairs.per_user <= 1_000, "keypairs.per_user", "0 to 1000");
        let (skew, day) = (policy.keypairs.clock_skew, Duration::from_secs(86_400));
        self.require(!skew.is_zero() && skew <= day, "keypairs.clock_skew", "longer than 0s, up to 1d");
        self.require(policy.audit.keep >= day, "audit.keep", "1d or longer");
    }
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= LONGEST_NAME && !text.contains(char::is_control)
}

fn is_field_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(known)
}

fn is_web(text: &str) -> bool {
    is_url(text, &["http", "https"])
        && Url::parse(text).is_ok_and(|url| url.username().is_empty() && url.password().is_none())
}

/// `smtp://` or `smtps://`, user and password together or neither, a host, a port; nothing after it.
fn is_mail_server(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    matches!(scheme, "smtp" | "smtps")
        && Url::parse(&format!("ftp://{rest}")).is_ok_and(|url| {
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            bare && url.username().is_empty() == url.password().is_none()
        })
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text)
        .is_ok_and(|url| schemes.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty()))
}

fn are_distinct<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(at, item)| !items.iter().take(at).any(|earlier| earlier == item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::changed;

    fn messages(changes: &[(&str, &str)]) -> Vec<String> {
        changed(changes).problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_defaults_have_no_problem() {
        assert_eq!(Policy::default().problems(), []);
    }

    #[test]
    fn cf1_both_sides_of_every_bound() {
        for (key, inside, outside, allowed) in [
            ("console.name", r#""x""#, r#"" ""#, LINE),
            ("console.name", r#""Corp""#, r#""a\nb""#, LINE),
            ("web.per_address_hour", "1000", "1001", "0 to 1000"),
            ("mail.from", r#""a@example.org""#, r#""a""#, "an e-mail address"),
            ("mail.per_hour", "1", "0", "1 to 500"),
            ("mail.per_hour", "500", "501", "1 to 500"),
            ("mail.transport", r#""none""#, r#""dir:""#, "dir:PATH, smtp://…, smtps://…, env:NAME or none"),
            ("login.modes", r#"["session"]"#, "[]", "at least one mode, each once"),
            ("login.modes", r#"["session"]"#, r#"["session", "session"]"#, "at least one mode, each once"),
            ("login.identifiers", r#"["email"]"#, "[]", "at least one kind of identifier, each once"),
            (
                "login.identifiers",
                r#"["username", "email"]"#,
                r#"["email", "email"]"#,
                "at least one kind of identifier, each once",
            ),
            ("login.ticket", r#""1ms""#, r#""0s""#, "longer than 0s, up to 1h"),
            ("login.ticket", r#""1h""#, r#""61m""#, "longer than 0s, up to 1h"),
            ("login.endpoint.url", r#""https://a.b/x""#, r#""ftp://a.b""#, "an http or https address, or empty"),
            ("login.endpoint.url", r#""http://a.b""#, r#""javascript:alert(1)""#, "an http or https address, or empty"),
            ("sign_up.verify_link", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("password.min_length", "1", "0", "1 to 64, since 64 characters must always be allowed"),
            ("password.min_length", "64", "65", "1 to 64, since 64 characters must always be allowed"),
            ("password.max_length", "64", "63", "64 to 512, since 64 characters must always be allowed"),
            ("password.max_length", "512", "513", "64 to 512, since 64 characters must always be allowed"),
            ("password.require", "[]", r#"["digit", "digit"]"#, "\"letter\", \"digit\" and \"special\", each once"),
            ("password.bcrypt_cost", "4", "3", "4 to 16"),
            ("password.bcrypt_cost", "16", "17", "4 to 16"),
            ("hashing.threads", "1024", "1025", "0 to 1024"),
            ("hashing.queue", "1", "0", "1 to 65536"),
            ("hashing.queue", "65536", "65537", "1 to 65536"),
            ("hashing.max_wait", r#""1ms""#, r#""0s""#, "longer than 0s, up to 30s"),
            ("hashing.max_wait", r#""30s""#, r#""31s""#, "longer than 0s, up to 30s"),
            ("lockout.max_failures", "1", "0", "1 to 1000000"),
            ("lockout.max_failures", "1000000", "1000001", "1 to 1000000"),
            ("lockout.duration", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("lockout.forget_after", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("lockout.per_address.max_failures", "1000000", "1000001", "0 to 1000000"),
            ("lockout.per_address.duration", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("lockout.per_address.window", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("totp.issuer", r#""Corp""#, r#""a:b""#, "1 to 100 characters on one line, without a colon"),
            ("totp.drift", "10", "11", "0 to 10"),
            ("totp.recovery_codes", "100", "101", "0 to 100"),
            ("session.lifetime", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("session.idle", r#""2s""#, r#""1999ms""#, "\"off\", or 2s or longer"),
            ("session.max_concurrent", "1", "0", "1 or more"),
            ("session.max_concurrent_api", "1", "0", "1 or more"),
            ("session.fresh_proof", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("session.touch_every", r#""1ms""#, r#""0s""#, MORE_THAN_NONE),
            ("recovery.link", r#""1s""#, r#""0s""#, MORE_THAN_NONE),
            ("recovery.per_hour", "1", "0", "1 to 1000"),
            ("recovery.per_hour", "1000", "1001", "1 to 1000"),
            ("keypairs.per_user", "1000", "1001", "0 to 1000"),
            ("keypairs.clock_skew", r#""1s""#, r#""0s""#, "longer than 0s, up to 1d"),
            ("keypairs.clock_skew", r#""1d""#, r#""25h""#, "longer than 0s, up to 1d"),
            ("audit.keep", r#""1d""#, r#""23h""#, "1d or longer"),
        ] {
            assert_eq!(messages(&[(key, inside)]), [""; 0], "{key} = {inside}");
            let spaced = outside.to_owned();
            assert_eq!(messages(&[(key, outside)]), [format!("{key} = {spaced}: allowed is {allowed}")], "{key}");
        }
    }

    #[test]
    fn cf1_contradictions_name_both_keys() {
        for (changes, key, against) in [
            (&[("session.lifetime", r#""8d""#)][..], "session.lifetime", "session.max_lifetime"),
            (&[("session.max_lifetime", r#""1h""#)], "session.lifetime", "session.max_lifetime"),
            (&[("login.identifiers", r#"["username"]"#)], "login.identifiers", "sign_up.username"),
            (
                &[("login.identifiers", r#"["username"]"#), ("sign_up.username", r#""off""#)],
                "login.identifiers",
                "sign_up.username",
            ),
            (&[("sign_up.terms.version", r#""1""#)], "sign_up.terms.url", "sign_up.terms.version"),
            (&[("sign_up.privacy.url", r#""https://a.b""#)], "sign_up.privacy.version", "sign_up.privacy.url"),
        ] {
            let problems = changed(changes).problems();
            let named: Vec<_> = problems.iter().map(|p| (p.key.as_str(), p.against.as_deref())).collect();
            assert_eq!(named, [(key, Some(against))], "{changes:?}");
        }
        assert_eq!(
            messages(&[("login.identifiers", r#"["username"]"#), ("sign_up.username", r#""required""#)]),
            [""; 0]
        );
    }

    #[test]
    fn a_document_is_read_at_a_web_address_or_a_page_of_the_host() {
        for (url, fits) in [
            ("https://example.org/terms", true),
            ("/terms", true),
            ("//evil.example", false),
            ("/\\\\evil.example", false),
            ("javascript:alert(1)", false),
            ("terms.html", false),
        ] {
            let url = format!("\"{url}\"");
            let found = messages(&[("sign_up.terms.version", r#""1""#), ("sign_up.terms.url", &url)]);
            assert_eq!(found.is_empty(), fits, "{url}: {found:?}");
        }
    }

    #[test]
    fn domains_are_valid_and_different() {
        let domains = r#"["example.org", "Bücher.example", "no domain", "EXAMPLE.org", "a@b.c", "b.c."]"#;
        let found: Vec<_> = messages(&[("sign_up.domains", domains)]);
        let not = "allowed is a domain such as example.org";
        assert_eq!(
            found,
            [
                format!("sign_up.domains[2] = \"no domain\": {not}"),
                "sign_up.domains[3] = \"EXAMPLE.org\": allowed is each domain once".to_owned(),
                format!("sign_up.domains[4] = \"a@b.c\": {not}"),
                format!("sign_up.domains[5] = \"b.c.\": {not}"),
            ]
        );
    }

    #[test]
    fn fields_have_names_of_their_own() {
        let fields = r#"[
            {"name": "team", "label": "Team"},
            {"name": "Team", "label": "Team"},
            {"name": "email", "label": "E-mail"},
            {"name": "team", "label": ""},
            {"name": "size", "label": "Size", "max_length": 0},
            {"name": "room", "label": "Room", "max_length": 10001}
        ]"#;
        let found = messages(&[("sign_up.fields", fields)]);
        assert_eq!(
            found,
            [
                r#"sign_up.fields[1].name = "Team": allowed is 1 to 64 of a-z, 0-9 and _"#,
                r#"sign_up.fields[2].name = "email": allowed is a name other than email, password, username, full_name, fields, invitation, accept"#,
                r#"sign_up.fields[3].name = "team": allowed is each name once"#,
                r#"sign_up.fields[3].label = "": allowed is 1 to 100 characters on one line"#,
                "sign_up.fields[4].max_length = 0: allowed is 1 to 10000",
                "sign_up.fields[5].max_length = 10001: allowed is 1 to 10000",
            ]
        );
        let many: Vec<_> = (0..65).map(|at| serde_json::json!({"name": format!("f{at}"), "label": "F"})).collect();
        let many = serde_json::to_string(&many).unwrap();
        assert_eq!(
            messages(&[("sign_up.fields", &many)]),
            ["sign_up.fields = [65 entries]: allowed is at most 64 fields"]
        );
    }

    #[test]
    fn roles_without_a_mode_that_reads_them_are_refused_by_both_rules() {
        let mut policy = Policy::default();
        policy.totp.roles = vec!["No Role".to_owned()];
        let mut findings = Findings { settings: policy.settings(), found: vec![] };
        findings.totp(&policy);
        let allowed: Vec<_> = findings.found.iter().map(|problem| problem.allowed.as_str()).collect();
        assert_eq!(allowed, ["[] unless totp.mode is \"required\"", "names of roles, each once"]);
    }

    #[test]
    fn all_problems_are_named_at_once_and_no_password_with_them() {
        let found = messages(&[
            ("mail.transport", r#""ftp://u:secret@h""#),
            ("session.touch_every", r#""0s""#),
            ("audit.keep", r#""0s""#),
        ]);
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|message| !message.contains("secret")), "{found:?}");
    }
}
