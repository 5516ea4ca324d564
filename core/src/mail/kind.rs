//! What mails are about.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[doc = $says:literal])+ $kind:ident = $name:literal,)+) => {
        /// What a mail is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum MailKind {
            $($(#[doc = $says])+ $kind,)+
        }

        impl MailKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The stable name, as in the files of a mail folder and of templates.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// Prove that the address is yours.
    VerifyEmail = "verify-email",
    /// Somebody signed up with your address, which has an account already.
    AlreadyRegistered = "already-registered",
    /// One-time passwords were switched on.
    TotpEnabled = "totp-enabled",
    /// One-time passwords were switched off.
    TotpDisabled = "totp-disabled",
    /// An administrator removed the account's one-time passwords.
    TotpReset = "totp-reset",
    /// A recovery code was used.
    RecoveryCodeUsed = "recovery-code-used",
    /// An administrator made an account: set its password.
    SetPassword = "set-password",
    /// Set another password.
    ResetPassword = "reset-password",
    /// Your password was changed.
    PasswordChanged = "password-changed",
    /// Prove that the address your account is to have is yours.
    ConfirmEmail = "confirm-email",
    /// Somebody wants your address for another account.
    AddressInUse = "address-in-use",
    /// Your account has another address.
    EmailChanged = "email-changed",
    /// Your password was right, and then codes were wrong.
    WrongCodes = "wrong-codes",
    /// Somebody logged in after failed attempts.
    LoginAfterFailures = "login-after-failures",
    /// Your login is restricted.
    LoginRestricted = "login-restricted",
    /// Your account was deleted.
    AccountDeleted = "account-deleted",
    /// Your account has its former address again.
    EmailRestored = "email-restored",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for kind in MailKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
