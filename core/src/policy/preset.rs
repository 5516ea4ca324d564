//! The preset `nist`: the lines in which it differs from `classic`, which is what every key's default is.

use serde_json::{Value, json};

/// Every key that the preset `nist` sets, with its value as JSON writes it, by the advice of NIST SP 800-63B-4 and OWASP
/// ASVS 5.0. A file's own keys override it.
///
/// A password of 8 characters does where everybody has a second factor; alone it needs 15.
pub fn nist(totp_is_required_of_all: bool) -> Vec<(&'static str, Value)> {
    vec![
        ("password.min_length", json!(if totp_is_required_of_all { 8 } else { 15 })),
        ("password.require", json!([])),
        ("password.forbid_common", json!(true)),
        ("password.forbid_identifiers", json!(true)),
        ("lockout.escalate", json!(true)),
        ("lockout.known_browser", json!(true)),
        ("totp.mode", json!("required")),
        ("totp.max_failures", json!(20)),
        ("session.idle", json!("1h")),
        ("session.max_lifetime", json!("1d")),
        ("recovery.link", json!("10m")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::changed;
    use crate::policy::{Policy, unavailable};

    fn policy(totp_is_required_of_all: bool, others: &[(&str, &str)]) -> Policy {
        let lines = nist(totp_is_required_of_all);
        let lines: Vec<_> = lines.iter().map(|(key, value)| (*key, value.to_string())).collect();
        let lines: Vec<_> = lines.iter().map(|(key, value)| (*key, value.as_str())).collect();
        changed(&[lines.as_slice(), others].concat())
    }

    #[test]
    fn nist_changes_each_of_its_keys_follows_its_own_advice_and_has_no_problem() {
        let classic = Policy::default().settings();
        for (key, value) in nist(true) {
            let pointer = format!("/{}", key.replace('.', "/"));
            // Eight is the default, too.
            assert!(classic.pointer(&pointer) != Some(&value) || key == "password.min_length", "{key}");
        }
        let nist = policy(true, &[]);
        assert_eq!((nist.problems(), nist.weaknesses()), (vec![], vec![]));
        assert!(unavailable(&nist.settings()).is_empty());
        let left: Vec<_> = nist.advice().iter().flat_map(|note| note.keys.clone()).collect();
        for key in ["password.scheme", "lockout.notify", "lockout.tell"] {
            assert!(left.contains(&key), "{key} is left to the operator");
        }
        assert!(left.iter().all(|key| !super::nist(true).iter().any(|(own, _)| own == key)), "{left:?}");
        let alone = policy(false, &[("totp.mode", r#""optional""#)]);
        assert!(alone.advice().iter().all(|note| note.keys != ["password.min_length"]));
    }
}
