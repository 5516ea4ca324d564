//! Why: an event in sentences, from what it recorded and the policy in force now.

use crate::audit::{AuditEvent, AuditOutcome};
use crate::policy::Policy;

/// What a rule that refuses means.
struct Rule {
    /// As events name it: a policy key, or the code of the refusal.
    name: &'static str,
    /// What it saw, as the end of "it was refused since …".
    since: &'static str,
    /// The policy key whose line says more; empty if none.
    key: &'static str,
    /// What can be done.
    cure: &'static str,
}

const fn rule(name: &'static str, since: &'static str, key: &'static str, cure: &'static str) -> Rule {
    Rule { name, since, key, cure }
}

const RULES: &[Rule] = &[
    rule(
        "invalid_credentials",
        "the password was wrong, or no such account can log in with one",
        "lockout.max_failures",
        "try again with the right password, or set another one by \"forgot password\"",
    ),
    rule(
        "invalid_code",
        "the one-time password or recovery code was wrong, used already, or of another time",
        "totp.drift",
        "enter the code that is shown now, set the device's clock, or use a recovery code; an administrator can reset \
         two-factor authentication",
    ),
    rule(
        "lockout.max_failures",
        "too many guesses in a row had failed",
        "lockout.max_failures",
        "wait until the restriction ends, set another password by mail, or let an administrator unlock the account",
    ),
    rule(
        "lockout.escalate",
        "so many guesses have failed without a login that only a reset by mail or an administrator opens",
        "lockout.escalate",
        "set another password by mail, or let an administrator unlock the account",
    ),
    rule(
        "lockout.per_address",
        "too many guesses from that address had failed",
        "lockout.per_address",
        "wait until the restriction of the address ends, or log in from another one",
    ),
    rule(
        "signature.form",
        "the signed request departs from the one form that is taken, or its body isn't the one that was signed",
        "",
        "compare what the program sends with the vectors of docs/request-signatures.md",
    ),
    rule(
        "signature.wrong",
        "no keypair has that access key, or the signature wasn't made with its secret key over that request",
        "",
        "compare what the program signs with the vectors of docs/request-signatures.md, and see that nothing on the way \
         changes host, path or query",
    ),
    rule("signature.replayed", "its nonce was accepted before", "", "draw another nonce for each request"),
    rule(
        "signature.before_memory",
        "it is dated before the store began to remember nonces",
        "",
        "sign the request anew",
    ),
    rule(
        "keypairs.clock_skew",
        "the signed request's time is too far off",
        "keypairs.clock_skew",
        "set the clock of the program's machine, and sign each request when it is sent",
    ),
    rule("keypair.inactive", "the keypair is switched off", "", "its owner can switch it on again"),
    rule("keypair.expired", "the keypair's time was over", "", "make another keypair"),
    rule(
        "keypair.replaced",
        "the keypair was rotated, and the overlap is over",
        "keypairs.rotation_overlap",
        "use the keypair that took its place",
    ),
    rule(
        "keypairs.per_user",
        "the account has as many keypairs as it may",
        "keypairs.per_user",
        "delete a keypair, or wait until the overlap of a rotated one ends",
    ),
    rule(
        "session.fresh_proof",
        "no password or code had been given lately in that session",
        "session.fresh_proof",
        "give the password or a code again, then try the same once more",
    ),
    rule(
        "session.mode",
        "a session that was logged in with a keypair changes no keypairs",
        "",
        "log in with the password",
    ),
    rule("username_taken", "another account or sign-up has that username", "", "choose another username"),
    rule(
        "last_administrator",
        "it would have left no active administrator",
        "",
        "make another account an administrator first",
    ),
    rule("own_role", "nobody gives themselves another role", "", "ask another administrator"),
    rule(
        "forbidden",
        "whoever asked was no active administrator then, or the policy allows it to nobody",
        "",
        "ask an administrator",
    ),
    rule(
        "not_found",
        "there was no such account or thing, or it was somebody else's",
        "",
        "look for it with `doorwarden user list --query TEXT`",
    ),
    rule(
        "proof_required",
        "no password or code had been given lately in that session",
        "session.fresh_proof",
        "give the password or a code again, then try the same once more",
    ),
    rule(
        "invitation_invalid",
        "the invitation is unknown, used up, expired, revoked or meant for another address",
        "sign_up.invitation",
        "ask whoever sent it for another one",
    ),
    rule(
        "login.modes",
        "that way to log in isn't offered, or isn't any more since that login began",
        "login.modes",
        "log in in a mode that the policy lists",
    ),
    rule("user.status", "the account is disabled", "", "an administrator can enable it: `doorwarden user enable`"),
    rule(
        "sign_up.verify_email",
        "the address of that sign-up isn't proved yet",
        "sign_up.verify_email",
        "open the link in the mail, or ask for another one",
    ),
    rule(
        "sign_up.domains",
        "addresses of that domain aren't taken",
        "sign_up.domains",
        "use an address of a domain that the policy lists",
    ),
    rule(
        "session.on_conflict",
        "as many sessions are open as an account may have",
        "session.max_concurrent",
        "log out elsewhere, or let an administrator end the sessions: `doorwarden user end-sessions`",
    ),
    rule(
        "totp.max_failures",
        "too many wrong codes were entered since the last login",
        "totp.max_failures",
        "set another password by mail, or let an administrator unlock the account",
    ),
    rule(
        "password_changed",
        "the password was changed after this login had proved the former one",
        "",
        "log in again with the new password",
    ),
    rule("cancelled", "the user left the sessions elsewhere as they were and gave up this login", "", "log in again"),
    rule("overtaken", "another login of the same account was quicker", "session.max_concurrent", "log in again"),
    rule("email_taken", "an account has that address already", "", "log in to it, or use another address"),
    rule(
        "web.per_address_hour",
        "too many such requests came within the hour",
        "web.per_address_hour",
        "wait up to an hour",
    ),
    rule(
        "mail.link_lapsed",
        "the link in it had lapsed before the mail could be handed over",
        "mail.transport",
        "look in the log for what the mail server said, mend that, and ask for another mail",
    ),
    rule(
        "mail.refused",
        "the mail server had refused it for an hour",
        "mail.transport",
        "look in the log for what the mail server said; the address may have no mailbox",
    ),
    rule(
        "mail.unreachable",
        "no mail server had taken it for three days",
        "mail.transport",
        "look in the log for what the mail server said, mend that, and ask for another mail",
    ),
    rule(
        "undo_links",
        "too many changes of the address can still be undone",
        "",
        "wait until the links of earlier changes have lapsed",
    ),
    rule(
        "invalid_request",
        "the request wasn't what its endpoint takes",
        "",
        "compare it with the description at `GET /openapi.json`",
    ),
    rule(
        "session_required",
        "no session was shown that is known",
        "",
        "log in; who is logged in has shown two tokens, or an old one",
    ),
    rule(
        "session_expired",
        "the session's time was over",
        "session.lifetime",
        "log in again; extend a session in time",
    ),
    rule("session_idle", "the session wasn't used for too long", "session.idle", "log in again"),
    rule("session_ended", "the session had been ended", "", "log in again; the event of its end says by whom"),
    rule(
        "session_ended_elsewhere",
        "a newer login had taken the session's place",
        "session.on_conflict",
        "log in again, and see where else the account is logged in",
    ),
    rule(
        "sign_up_closed",
        "nobody signs up without an invitation",
        "sign_up.open",
        "invite whoever asks: `doorwarden invite`",
    ),
    rule(
        "sign_up_refused",
        "the host's gate or the list of domains refused the address",
        "sign_up.domains",
        "use another address, or let an administrator add the account",
    ),
    rule("recovery_disabled", "no password is reset by mail", "recovery.enabled", "let an administrator help"),
    rule("mode_disabled", "that way to log in isn't offered", "login.modes", "log in in a mode that the policy lists"),
    rule(
        "cross_site",
        "it came from a page of another origin, or from a browser that doesn't say from which",
        "public_url",
        "call from the service's own pages; see that `public_url` is the address that browsers show",
    ),
    rule(
        "not_extendable",
        "the session can't be extended, or not any further",
        "session.extendable",
        "log in again when it ends",
    ),
    rule("totp_already_enabled", "one-time passwords were set up already", "", "switch them off first"),
    rule("stale", "it had been changed meanwhile", "", "look at it again"),
    rule(
        "ticket_invalid",
        "the ticket was unknown, used, too old or for another step",
        "login.ticket",
        "begin the login anew",
    ),
    rule(
        "link_invalid",
        "the link was unknown, used, too old, or overtaken by a newer one",
        "",
        "ask for another link",
    ),
    rule(
        "password_too_weak",
        "the new password breaks a rule",
        "password.min_length",
        "choose one that meets all rules",
    ),
    rule("invalid_email", "it wasn't an address that mail goes to", "", "mend the address"),
    rule("invalid_username", "it can't be a username", "sign_up.username", "choose another"),
    rule(
        "invitation_required",
        "only who is invited signs up",
        "sign_up.invitation",
        "invite whoever asks: `doorwarden invite`",
    ),
    rule(
        "terms_not_accepted",
        "a document in force wasn't accepted in its current version",
        "sign_up.terms.version",
        "accept what is shown",
    ),
    rule("field_required", "a field that the policy demands was missing", "sign_up.fields", "fill it in"),
    rule(
        "too_many_requests",
        "too many such requests came from one client, or for one address",
        "web.per_address_hour",
        "wait as long as the reply says",
    ),
    rule(
        "busy",
        "too many passwords were to be hashed at once",
        "hashing.queue",
        "try again; raise `hashing.threads` or `hashing.queue` if it comes often",
    ),
];

/// Says what happened, to whom, by which rule and facts, what the policy says of it now, and what can be done.
///
/// Each is a sentence without a line end; the first one is always there.
pub fn why(event: &AuditEvent, policy: &Policy) -> Vec<String> {
    let mut sentences = vec![happened(event)];
    if let Some(name) = &event.rule {
        sentences.extend(refused(name, policy));
    }
    sentences.extend(facts(event));
    sentences
}

fn happened(event: &AuditEvent) -> String {
    let user = event.user.map(|user| format!(" to account {user}"));
    let subject = event.subject.as_ref().map(|subject| format!(" to \"{subject}\", which names no account"));
    let whom = user.or(subject).unwrap_or_default();
    let actor = event.actor.map_or_else(String::new, |actor| format!(", by account {actor}"));
    let from = event.client.address.map_or_else(String::new, |address| format!(", from {address}"));
    let meaning = event.name.meaning().trim_end_matches('.');
    let outcome = match event.outcome {
        AuditOutcome::Success => "",
        AuditOutcome::Refusal => " It was refused.",
    };
    format!("{}{whom}{actor}{from}: {} ({meaning}).{outcome}", event.time, event.name.name())
}

fn refused(name: &str, policy: &Policy) -> Vec<String> {
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        return vec![format!("It was refused by the rule {name}, of which this version knows no more.")];
    };
    let mut sentences = vec![format!("It was refused since {} (rule {name}).", rule.since)];
    let tells = |says: &crate::policy::Explanation| !rule.key.is_empty() && says.keys.contains(&rule.key);
    if let Some(line) = policy.explain().iter().find(|says| tells(says)) {
        sentences.push(format!("The policy says now ({}): {}.", rule.key, line.says));
    } else if !rule.key.is_empty() {
        sentences.push(format!("The policy's key is {}.", rule.key));
    }
    sentences.push(format!("What can be done: {}.", rule.cure));
    sentences
}

fn facts(event: &AuditEvent) -> Option<String> {
    let facts: Vec<String> = event.facts.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    (!facts.is_empty()).then(|| format!("It saw: {}.", facts.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::audit::{AuditName, EventId};
    use crate::client::Client;
    use crate::time::Timestamp;
    use crate::user::UserId;

    fn event(name: AuditName) -> AuditEvent {
        let time = Timestamp::from_millis(1_800_000_000_000);
        AuditEvent::new(EventId::from_bytes([7; 16]), name, time, Client::default())
    }

    #[test]
    fn a_restricted_login_is_answered_with_the_policy_s_line_and_a_way_out() {
        let event = event(AuditName::LoginRestricted).of_user(UserId::from_bytes([9; 16]));
        let event = event.refused_by("lockout.max_failures").with("until", "2027-01-15T08:20:00Z");
        let told = why(&event, &Policy::default()).join("\n");
        for part in [
            "2027-01-15T08:00:00Z to account 09090909-",
            "login.restricted",
            "too many guesses in a row had failed (rule lockout.max_failures)",
            "The policy says now (lockout.max_failures): ",
            "What can be done: wait until the restriction ends",
            "until = \"2027-01-15T08:20:00Z\"",
        ] {
            assert!(told.contains(part), "{part:?} is missing in\n{told}");
        }
    }

    #[test]
    fn an_unknown_rule_is_answered_honestly() {
        let told = why(&event(AuditName::LoginFailed).refused_by("rule.of_tomorrow"), &Policy::default());
        assert_eq!(told[1], "It was refused by the rule rule.of_tomorrow, of which this version knows no more.");
    }

    #[test]
    fn every_name_has_a_sentence() {
        for name in AuditName::ALL {
            assert!(name.meaning().ends_with('.') && name.meaning().len() > 10, "{}", name.name());
            assert!(why(&event(*name), &Policy::default())[0].contains(name.name()));
        }
    }

    #[test]
    fn every_rule_that_a_flow_writes_is_answered() {
        let mut written = BTreeSet::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut written);
        assert!(written.contains("overtaken") && written.contains("user.status"), "the search finds them: {written:?}");
        let known: BTreeSet<_> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
        let unknown: Vec<_> = written.difference(&known).collect();
        assert!(unknown.is_empty(), "RULES has no sentence for {unknown:?}");
    }

    /// The rules that sources name where they refuse: `refused_by("…")`, and `Refuse(…, "…")`.
    fn collect(folder: &Path, rules: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("testing") {
                collect(&path, rules);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("audit/why.rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                let source = source.split("#[cfg(test)]").next().unwrap_or_default();
                for begins in ["const fn rule(", "impl KeypairFlaw {"] {
                    let blocks = source.split(begins).skip(1).filter_map(|rest| rest.split("\n    }").next());
                    rules.extend(blocks.flat_map(|block| block.split('"').skip(1).step_by(2)).map(str::to_owned));
                }
                for after in source.split("refused_by(\"").skip(1) {
                    rules.extend(after.split('"').next().map(str::to_owned));
                }
                for line in source.lines().filter(|line| line.contains("Refusal::") && line.contains("\"")) {
                    let text = line.split('"').nth(1).unwrap_or_default();
                    let is_rule = text.contains('.') || text.contains('_');
                    let is_plain = text.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_'));
                    // A field that was wrong and a code are named there, too.
                    let is_other =
                        line.contains("=> \"") || line.contains("ImportRefusal") || line.contains("Invalid(\"");
                    rules.extend((is_rule && is_plain && !is_other).then(|| text.to_owned()));
                }
            }
        }
    }
}
