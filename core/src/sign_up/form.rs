//! What an applicant fills in, and the checks that need nothing but the policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::client::Client;
use crate::email::Email;
use crate::password::{Password, PasswordRule};
use crate::policy::Policy;
use crate::sign_up::{Demand, DocumentPolicy, SignUpPolicy, SignUpRefusal};
use crate::time::Timestamp;
use crate::token::InvitationToken;
use crate::user::{Acceptance, Acceptances};
use crate::username::Username;

/// The longest full name.
pub(crate) const FULL_NAME_CHARACTERS: usize = 200;

/// A filled-in sign-up form, as typed.
#[derive(Debug, Clone)]
pub struct SignUpForm {
    /// The e-mail address.
    pub email: String,
    /// The chosen password.
    pub password: Password,
    /// The chosen username.
    pub username: Option<String>,
    /// How the applicant wants to be called.
    pub full_name: Option<String>,
    /// The host's own fields, by name.
    pub fields: BTreeMap<String, String>,
    /// Which versions of the documents were accepted.
    pub accepted: AcceptedVersions,
    /// The invitation that the applicant holds.
    pub invitation: Option<PresentedInvitation>,
    /// The language of mails to the applicant, such as `ko`.
    pub locale: Option<String>,
    /// Where the request comes from.
    pub client: Client,
}

impl SignUpForm {
    /// A form with an address and a password and nothing else filled in.
    pub fn new(email: impl Into<String>, password: Password, client: Client) -> Self {
        Self {
            email: email.into(),
            password,
            username: None,
            full_name: None,
            fields: BTreeMap::new(),
            accepted: AcceptedVersions::default(),
            invitation: None,
            locale: None,
            client,
        }
    }

    /// Whether the door is open, and to whom: an invitation is asked for, may be given, or mustn't be.
    pub(super) fn check_door(&self, asked: &SignUpPolicy) -> Result<(), SignUpRefusal> {
        match (asked.invitation, &self.invitation) {
            (Demand::Off, _) | (_, None) if !asked.open => Err(SignUpRefusal::Closed),
            (Demand::Off, Some(_)) => Err(SignUpRefusal::FieldInvalid {
                field: "invitation".to_owned(),
                problem: "isn't asked for".to_owned(),
            }),
            (Demand::Required, None) => Err(SignUpRefusal::InvitationRequired),
            (Demand::Off | Demand::Optional, None) | (Demand::Optional | Demand::Required, Some(_)) => Ok(()),
        }
    }

    /// Reads the form and checks every rule of the policy on it.
    pub(super) fn check(&self, policy: &Policy, rules: &[Arc<dyn PasswordRule>]) -> Result<Applicant, SignUpRefusal> {
        let asked = &policy.sign_up;
        let email = Email::parse(&self.email).map_err(|why| SignUpRefusal::InvalidEmail(why.to_string()))?;
        check_domain(&email, asked)?;
        let username = demanded(asked.username, "username", self.username.as_deref())?
            .map(Username::parse)
            .transpose()
            .map_err(|why| SignUpRefusal::InvalidUsername(why.to_string()))?;
        let full_name = demanded(asked.full_name, "full_name", self.full_name.as_deref())?
            .map(|name| text("full_name", name, FULL_NAME_CHARACTERS))
            .transpose()?;
        let fields = self.check_fields(asked)?;
        if !self.accepted.are_current(asked) {
            return Err(SignUpRefusal::TermsNotAccepted);
        }
        let identifiers: Vec<&str> = std::iter::once(email.key()).chain(username.as_ref().map(Username::key)).collect();
        let unmet = policy.password.unmet(&self.password, &identifiers, rules);
        if !unmet.is_empty() {
            return Err(SignUpRefusal::PasswordTooWeak(unmet));
        }
        Ok(Applicant { email, username, full_name, fields })
    }

    fn check_fields(&self, asked: &SignUpPolicy) -> Result<BTreeMap<String, String>, SignUpRefusal> {
        if let Some(unknown) = self.fields.keys().find(|name| !asked.fields.iter().any(|f| f.name == **name)) {
            let field = format!("fields.{}", unknown.chars().take(64).collect::<String>());
            return Err(SignUpRefusal::FieldInvalid { field, problem: "isn't asked for".to_owned() });
        }
        let mut fields = BTreeMap::new();
        for field in &asked.fields {
            let (name, demand) =
                (format!("fields.{}", field.name), if field.required { Demand::Required } else { Demand::Optional });
            if let Some(value) = demanded(demand, &name, self.fields.get(&field.name).map(String::as_str))? {
                let longest = usize::try_from(field.max_length).unwrap_or(usize::MAX);
                fields.insert(field.name.clone(), text(&name, value, longest)?);
            }
        }
        Ok(fields)
    }
}

/// What an applicant gives as an invitation's token.
#[derive(Debug, Clone)]
pub enum PresentedInvitation {
    /// It has a token's form.
    Token(InvitationToken),
    /// It hasn't, and is answered like a token that nobody issued.
    Malformed,
}

impl PresentedInvitation {
    /// Reads what was typed; `None` if nothing was.
    pub fn read(typed: &str) -> Option<Self> {
        let typed = Some(typed.trim()).filter(|typed| !typed.is_empty())?;
        Some(InvitationToken::parse(typed).map_or(Self::Malformed, Self::Token))
    }
}

/// A form that was read and broke no rule.
#[derive(Debug)]
pub(super) struct Applicant {
    pub(super) email: Email,
    pub(super) username: Option<Username>,
    pub(super) full_name: Option<String>,
    pub(super) fields: BTreeMap<String, String>,
}

pub(crate) fn check_domain(email: &Email, asked: &SignUpPolicy) -> Result<(), SignUpRefusal> {
    let allowed = asked.admits_domain(email);
    let words = "addresses of this domain can't sign up: contact your administrator";
    allowed.then_some(()).ok_or_else(|| SignUpRefusal::Refused(words.to_owned()))
}

/// What was typed for a field, if it may be and anything was.
pub(crate) fn demanded<'a>(
    demand: Demand,
    field: &str,
    typed: Option<&'a str>,
) -> Result<Option<&'a str>, SignUpRefusal> {
    let typed = typed.map(str::trim).filter(|typed| !typed.is_empty());
    match (demand, typed) {
        (Demand::Required, None) => Err(SignUpRefusal::FieldRequired { field: field.to_owned() }),
        (Demand::Off, Some(_)) => {
            Err(SignUpRefusal::FieldInvalid { field: field.to_owned(), problem: "isn't asked for".to_owned() })
        }
        (_, typed) => Ok(typed),
    }
}

/// A full name as it is kept; nothing but space is none.
pub(crate) fn read_full_name(typed: Option<&str>) -> Result<Option<String>, SignUpRefusal> {
    let typed = typed.map(str::trim).filter(|typed| !typed.is_empty());
    typed.map(|name| text("full_name", name, FULL_NAME_CHARACTERS)).transpose()
}

/// What was typed, if it is short enough and has nothing in it that hides.
pub(crate) fn text(field: &str, typed: &str, longest: usize) -> Result<String, SignUpRefusal> {
    let refuse = |problem: String| Err(SignUpRefusal::FieldInvalid { field: field.to_owned(), problem });
    if typed.chars().count() > longest {
        return refuse(format!("may have at most {longest} characters"));
    }
    if typed.chars().any(hides) {
        return refuse("may not have control characters".to_owned());
    }
    Ok(typed.to_owned())
}

/// Whether a character breaks a line or turns the direction of what follows it.
pub(crate) fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Which version of each document was shown and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AcceptedVersions {
    /// Of the terms of service.
    pub terms: Option<String>,
    /// Of the privacy policy.
    pub privacy: Option<String>,
}

impl AcceptedVersions {
    /// Whether every document in force is accepted in its current version.
    pub(crate) fn are_current(&self, asked: &SignUpPolicy) -> bool {
        let current = |document: &DocumentPolicy, accepted: &Option<String>| {
            !document.is_asked() || accepted.as_deref() == Some(&document.version)
        };
        current(&asked.terms, &self.terms) && current(&asked.privacy, &self.privacy)
    }

    /// What an account keeps of it, beside what it accepted before: documents in force, nothing else.
    pub(crate) fn at(&self, now: Timestamp, before: Acceptances, asked: &SignUpPolicy) -> Acceptances {
        let newer = |document: &DocumentPolicy, version: &Option<String>, before: Option<Acceptance>| {
            let accepted = version.clone().filter(|version| document.is_asked() && *version == document.version);
            accepted.map(|version| Acceptance { version, at: now }).or(before)
        };
        Acceptances {
            terms: newer(&asked.terms, &self.terms, before.terms),
            privacy: newer(&asked.privacy, &self.privacy, before.privacy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_up::FieldPolicy;

    fn form() -> SignUpForm {
        SignUpForm::new("ada@example.org", Password::new("correct horse 1!".to_owned()), Client::default())
    }

    fn code(form: &SignUpForm, policy: &Policy) -> Option<(&'static str, String)> {
        form.check(policy, &[]).err().map(|refusal| (refusal.code(), refusal.to_string()))
    }

    #[test]
    fn s3_s5_the_door_is_open_by_policy_and_invitation() {
        use Demand::{Off, Optional, Required};
        for (open, invitation, given, expected) in [
            (true, Off, false, None),
            (true, Off, true, Some("invalid_request")),
            (true, Optional, false, None),
            (true, Optional, true, None),
            (true, Required, false, Some("invitation_required")),
            (true, Required, true, None),
            (false, Off, false, Some("sign_up_closed")),
            (false, Off, true, Some("sign_up_closed")),
            (false, Optional, false, Some("sign_up_closed")),
            (false, Optional, true, None),
            (false, Required, false, Some("sign_up_closed")),
            (false, Required, true, None),
        ] {
            let asked = SignUpPolicy { open, invitation, ..SignUpPolicy::default() };
            let given = given.then_some(PresentedInvitation::Malformed);
            let form = SignUpForm { invitation: given, ..form() };
            let refused = form.check_door(&asked).err().map(|refusal| refusal.code());
            assert_eq!(refused, expected, "{open} {invitation:?} {:?}", form.invitation);
        }
    }

    #[test]
    fn in1_what_has_no_token_s_form_is_kept_and_nothing_typed_is_none() {
        assert!(PresentedInvitation::read(" \t").is_none());
        for typed in ["x", "dwi_", "dwl_abc", "é"] {
            assert!(matches!(PresentedInvitation::read(typed), Some(PresentedInvitation::Malformed)), "{typed}");
        }
        let token = InvitationToken::generate([0; 16], &crate::random::SystemRandom).unwrap();
        let read = PresentedInvitation::read(&format!(" {} ", *token.expose()));
        assert!(matches!(read, Some(PresentedInvitation::Token(read)) if read.digest() == token.digest()));
    }

    #[test]
    fn s1_a_field_is_required_optional_or_refused_by_policy() {
        for (demand, typed, expected) in [
            (Demand::Required, None, Some("field_required")),
            (Demand::Required, Some("  "), Some("field_required")),
            (Demand::Required, Some("ada"), None),
            (Demand::Optional, None, None),
            (Demand::Off, None, None),
            (Demand::Off, Some("ada"), Some("invalid_request")),
        ] {
            let mut policy = Policy::default();
            policy.sign_up.username = demand;
            policy.sign_up.full_name = demand;
            let typed = typed.map(str::to_owned);
            for form in [
                SignUpForm {
                    username: typed.clone(),
                    full_name: Some("Ada".to_owned()).filter(|_| demand == Demand::Required),
                    ..form()
                },
                SignUpForm {
                    full_name: typed.clone(),
                    username: Some("ada".to_owned()).filter(|_| demand == Demand::Required),
                    ..form()
                },
            ] {
                assert_eq!(code(&form, &policy).map(|c| c.0), expected, "{demand:?} {typed:?}");
            }
        }
    }

    #[test]
    fn s1_the_hosts_own_fields_are_checked_and_unknown_ones_refused() {
        let mut policy = Policy::default();
        let field = |name: &str, required| FieldPolicy {
            name: name.to_owned(),
            label: name.to_owned(),
            required,
            max_length: 5,
        };
        policy.sign_up.fields = vec![field("lab", true), field("floor", false)];
        for (given, expected) in [
            (vec![], Some("field_required")),
            (vec![("lab", "x")], None),
            (vec![("lab", "ééééé")], None),
            (vec![("lab", "éééééé")], Some("invalid_request")),
            (vec![("lab", "a\nb")], Some("invalid_request")),
            (vec![("lab", "a\u{202e}b")], Some("invalid_request")),
            (vec![("lab", "x"), ("door", "1")], Some("invalid_request")),
        ] {
            let fields = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(code(&SignUpForm { fields, ..form() }, &policy).map(|c| c.0), expected, "{given:?}");
        }
    }

    #[test]
    fn s2_both_documents_are_accepted_in_their_current_version() {
        let mut policy = Policy::default();
        let document = |version: &str| DocumentPolicy { version: version.to_owned(), url: "https://x/".to_owned() };
        policy.sign_up.terms = document("3");
        policy.sign_up.privacy = document("7");
        for (terms, privacy, ok) in
            [(Some("3"), Some("7"), true), (Some("2"), Some("7"), false), (Some("3"), None, false), (None, None, false)]
        {
            let accepted = AcceptedVersions { terms: terms.map(str::to_owned), privacy: privacy.map(str::to_owned) };
            let expected = (!ok).then_some("terms_not_accepted");
            assert_eq!(
                code(&SignUpForm { accepted, ..form() }, &policy).map(|c| c.0),
                expected,
                "{terms:?} {privacy:?}"
            );
        }
    }

    #[test]
    fn only_the_domains_that_the_policy_lists_may_sign_up() {
        let mut policy = Policy::default();
        policy.sign_up.domains = vec!["Example.org".to_owned()];
        assert_eq!(code(&form(), &policy), None);
        for other in ["ada@sub.example.org", "ada@example.com"] {
            let form = SignUpForm { email: other.to_owned(), ..form() };
            assert_eq!(code(&form, &policy).map(|c| c.0), Some("sign_up_refused"), "{other}");
        }
    }

    #[test]
    fn what_was_accepted_is_kept_with_its_version_and_time() {
        let (before, now) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let earlier = Acceptances { terms: None, privacy: Some(Acceptance { version: "1".to_owned(), at: before }) };
        let document = DocumentPolicy { version: "3".to_owned(), url: "https://x/".to_owned() };
        let asked = SignUpPolicy { terms: document, ..SignUpPolicy::default() };
        let given = AcceptedVersions { terms: Some("3".to_owned()), privacy: Some("x".repeat(60_000)) };
        let accepted = given.at(now, earlier.clone(), &asked);
        assert_eq!(accepted.terms, Some(Acceptance { version: "3".to_owned(), at: now }));
        assert_eq!(accepted.privacy, earlier.privacy, "a document that isn't asked for is not kept");
    }
}
