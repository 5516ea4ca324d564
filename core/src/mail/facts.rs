//! What a mail of each kind tells beside its text: the variables of its templates.
//!
//! A new mail is a kind, its facts here, and a template for each language; [`examples`] is what templates are tried on
//! before they are used.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::MailKind;
use crate::client::Client;
use crate::error::Fault;
use crate::keypair::Keypair;
use crate::time::Timestamp;

/// The facts of one kind of mail. Every text in them is stripped of control characters before a template sees it, and
/// escaped where the part is HTML; what an applicant typed is still never among those of a mail to an unproven address.
pub(crate) trait Facts: Serialize + Sized {
    const KIND: MailKind;

    /// How long it is worth sending: where all that it is for is a link, as long as that works.
    fn worth_sending_for(&self) -> Option<Duration> {
        None
    }

    /// One with everything and one with the least that there can be.
    fn examples() -> Vec<Self>;
}

/// The examples of a kind.
pub(crate) fn examples(kind: MailKind) -> Result<Vec<serde_json::Value>, Fault> {
    match kind {
        MailKind::VerifyEmail => written::<VerifyEmail>(),
        MailKind::AlreadyRegistered => written::<AlreadyRegistered>(),
        MailKind::SetPassword => written::<SetPassword>(),
        MailKind::ResetPassword => written::<ResetPassword>(),
        MailKind::PasswordChanged => written::<PasswordChanged>(),
        MailKind::ConfirmEmail => written::<ConfirmEmail>(),
        MailKind::AddressInUse => written::<AddressInUse>(),
        MailKind::EmailChanged => written::<EmailChanged>(),
        MailKind::EmailRestored => written::<EmailRestored>(),
        MailKind::WrongCodes => written::<WrongCodes>(),
        MailKind::LoginAfterFailures => written::<LoginAfterFailures>(),
        MailKind::LoginRestricted => written::<LoginRestricted>(),
        MailKind::AccountDeleted => written::<AccountDeleted>(),
        MailKind::TotpEnabled => written::<TotpEnabled>(),
        MailKind::TotpDisabled => written::<TotpDisabled>(),
        MailKind::TotpReset => written::<TotpReset>(),
        MailKind::RecoveryCodeUsed => written::<RecoveryCodeUsed>(),
    }
}

fn written<F: Facts>() -> Result<Vec<serde_json::Value>, Fault> {
    let write = |facts: &F| {
        serde_json::to_value(facts).map_err(|source| Fault::lasting("writing the facts of", F::KIND.name(), source))
    };
    F::examples().iter().map(write).collect()
}

/// A link that opens something, with when and where it was asked for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MailedLink {
    pub(crate) url: String,
    #[serde(serialize_with = "to_the_minute")]
    pub(crate) asked_at: Timestamp,
    pub(crate) from_address: Option<IpAddr>,
    /// Seconds, for the filter `lasting`.
    #[serde(serialize_with = "seconds")]
    pub(crate) works_for: Duration,
}

fn to_the_minute<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&super::to_the_minute(*at))
}

fn seconds<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(length.as_secs())
}

impl MailedLink {
    fn example(page: &str, from_address: Option<IpAddr>) -> Self {
        Self {
            url: format!("https://id.example.org/{page}?token=dwl_example"),
            asked_at: Timestamp::from_millis(1_800_000_000_000),
            from_address,
            works_for: Duration::from_secs(86_400),
        }
    }
}

const SOMEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

/// Of [`MailKind::VerifyEmail`]: a link for each pending registration, and nothing that the applicant typed.
#[derive(Debug, Serialize)]
pub(crate) struct VerifyEmail {
    pub(crate) links: Vec<MailedLink>,
}

impl Facts for VerifyEmail {
    const KIND: MailKind = MailKind::VerifyEmail;

    fn worth_sending_for(&self) -> Option<Duration> {
        self.links.iter().map(|link| link.works_for).max()
    }

    fn examples() -> Vec<Self> {
        let link = |from| MailedLink::example("verify-email", from);
        vec![Self { links: vec![link(Some(SOMEWHERE)), link(None)] }, Self { links: vec![link(None)] }]
    }
}

/// Of [`MailKind::AlreadyRegistered`].
#[derive(Debug, Serialize)]
pub(crate) struct AlreadyRegistered {}

impl Facts for AlreadyRegistered {
    const KIND: MailKind = MailKind::AlreadyRegistered;

    fn examples() -> Vec<Self> {
        vec![Self {}]
    }
}

/// Of [`MailKind::ResetPassword`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ResetPassword {
    pub(crate) link: MailedLink,
}

impl Facts for ResetPassword {
    const KIND: MailKind = MailKind::ResetPassword;

    fn worth_sending_for(&self) -> Option<Duration> {
        Some(self.link.works_for)
    }

    fn examples() -> Vec<Self> {
        [Some(SOMEWHERE), None].map(|from| Self { link: MailedLink::example("reset-password", from) }).to_vec()
    }
}

/// Of [`MailKind::SetPassword`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SetPassword {
    pub(crate) link: MailedLink,
}

impl Facts for SetPassword {
    const KIND: MailKind = MailKind::SetPassword;

    fn worth_sending_for(&self) -> Option<Duration> {
        Some(self.link.works_for)
    }

    fn examples() -> Vec<Self> {
        [Some(SOMEWHERE), None].map(|from| Self { link: MailedLink::example("reset-password", from) }).to_vec()
    }
}

/// Of [`MailKind::ConfirmEmail`]: nothing that anybody typed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConfirmEmail {
    pub(crate) link: MailedLink,
}

impl Facts for ConfirmEmail {
    const KIND: MailKind = MailKind::ConfirmEmail;

    fn worth_sending_for(&self) -> Option<Duration> {
        Some(self.link.works_for)
    }

    fn examples() -> Vec<Self> {
        [Some(SOMEWHERE), None].map(|from| Self { link: MailedLink::example("confirm-email", from) }).to_vec()
    }
}

/// Of [`MailKind::AddressInUse`].
#[derive(Debug, Serialize)]
pub(crate) struct AddressInUse {}

impl Facts for AddressInUse {
    const KIND: MailKind = MailKind::AddressInUse;

    fn examples() -> Vec<Self> {
        vec![Self {}]
    }
}

/// Of [`MailKind::EmailChanged`].
#[derive(Debug, Serialize)]
pub(crate) struct EmailChanged {
    /// Takes the address back.
    pub(crate) link: Option<MailedLink>,
}

impl Facts for EmailChanged {
    const KIND: MailKind = MailKind::EmailChanged;

    fn examples() -> Vec<Self> {
        let link = |from| MailedLink::example("undo-email", from);
        vec![Self { link: Some(link(Some(SOMEWHERE))) }, Self { link: Some(link(None)) }, Self { link: None }]
    }
}

/// Of [`MailKind::EmailRestored`], which goes to the address that the account has again and to the one it had.
#[derive(Debug, Serialize)]
pub(crate) struct EmailRestored {
    /// Whether the reader's address is the one that doesn't belong to the account any more.
    pub(crate) removed: bool,
    /// Sets a password.
    pub(crate) link: Option<MailedLink>,
}

impl Facts for EmailRestored {
    const KIND: MailKind = MailKind::EmailRestored;

    fn examples() -> Vec<Self> {
        let link = Some(MailedLink::example("reset-password", Some(SOMEWHERE)));
        let unlinked = |removed| Self { removed, link: None };
        vec![Self { removed: false, link }, unlinked(false), unlinked(true)]
    }
}

/// The facts of a notice that tells when (in every mail: `at`) and from where.
macro_rules! notices {
    ($($(#[doc = $says:literal])+ $kind:ident)+) => {
        $($(#[doc = $says])+
        #[derive(Debug, Clone, Serialize)]
        pub(crate) struct $kind {
            pub(crate) from_address: Option<IpAddr>,
        }

        impl Facts for $kind {
            const KIND: MailKind = MailKind::$kind;

            fn examples() -> Vec<Self> {
                [Some(SOMEWHERE), None].map(|from_address| Self { from_address }).to_vec()
            }
        })+
    };
}

notices! {
    /// Of [`MailKind::LoginRestricted`].
    LoginRestricted
    /// Of [`MailKind::AccountDeleted`].
    AccountDeleted
    /// Of [`MailKind::TotpEnabled`].
    TotpEnabled
    /// Of [`MailKind::TotpDisabled`].
    TotpDisabled
    /// Of [`MailKind::TotpReset`].
    TotpReset
}

/// A keypair, as its owner knows it again.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MailedKeypair {
    label: Option<String>,
    /// The first characters of its access key.
    begins: String,
    #[serde(serialize_with = "to_the_minute")]
    made_at: Timestamp,
}

/// Of [`MailKind::PasswordChanged`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PasswordChanged {
    from_address: Option<IpAddr>,
    /// Those that work without the password, oldest first.
    keypairs: Vec<MailedKeypair>,
    /// How many more there are.
    more_keypairs: usize,
}

impl PasswordChanged {
    const LISTED: usize = 20;
    const SHOWN_OF_A_KEY: usize = 6;

    /// Those of `keypairs` that work are listed.
    pub(crate) fn of(keypairs: &[Keypair], client: &Client, now: Timestamp) -> Self {
        let told = |keypair: &Keypair| MailedKeypair {
            label: keypair.label.clone(),
            begins: keypair.access_key.as_str().chars().take(Self::SHOWN_OF_A_KEY).collect(),
            made_at: keypair.created_at,
        };
        let mut keypairs: Vec<_> = keypairs.iter().filter(|keypair| keypair.standing(now).is_ok()).map(told).collect();
        let more_keypairs = keypairs.len().saturating_sub(Self::LISTED);
        keypairs.truncate(Self::LISTED);
        Self { from_address: client.address, keypairs, more_keypairs }
    }
}

impl Facts for PasswordChanged {
    const KIND: MailKind = MailKind::PasswordChanged;

    fn examples() -> Vec<Self> {
        let keypair = |label: Option<&str>| MailedKeypair {
            label: label.map(str::to_owned),
            begins: "0123AB".to_owned(),
            made_at: Timestamp::from_millis(1_800_000_000_000),
        };
        let keypairs = vec![keypair(Some("nightly build")), keypair(None)];
        let least = Self { from_address: None, keypairs: Vec::new(), more_keypairs: 0 };
        vec![Self { from_address: Some(SOMEWHERE), keypairs, more_keypairs: 3 }, least]
    }
}

/// Of [`MailKind::WrongCodes`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WrongCodes {
    pub(crate) from_address: Option<IpAddr>,
    /// How many codes were wrong in a row.
    pub(crate) count: u32,
}

impl Facts for WrongCodes {
    const KIND: MailKind = MailKind::WrongCodes;

    fn examples() -> Vec<Self> {
        [Some(SOMEWHERE), None].map(|from_address| Self { from_address, count: 7 }).to_vec()
    }
}

/// Of [`MailKind::LoginAfterFailures`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoginAfterFailures {
    pub(crate) from_address: Option<IpAddr>,
    /// How many attempts had failed before.
    pub(crate) count: u32,
}

impl Facts for LoginAfterFailures {
    const KIND: MailKind = MailKind::LoginAfterFailures;

    fn examples() -> Vec<Self> {
        [Some(SOMEWHERE), None].map(|from_address| Self { from_address, count: 7 }).to_vec()
    }
}

/// Of [`MailKind::RecoveryCodeUsed`].
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RecoveryCodeUsed {
    pub(crate) from_address: Option<IpAddr>,
    /// How many are left.
    pub(crate) left: usize,
}

impl Facts for RecoveryCodeUsed {
    const KIND: MailKind = MailKind::RecoveryCodeUsed;

    fn examples() -> Vec<Self> {
        [(Some(SOMEWHERE), 9), (None, 0)].map(|(from_address, left)| Self { from_address, left }).to_vec()
    }
}
