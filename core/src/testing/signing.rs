//! Signing requests as a client does, apart from the code that checks them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use crate::keypair::{AccessKey, SecretKey};

/// What a client signs: HTTP Message Signatures (RFC 9421) in the form that the engine takes.
#[derive(Debug, Clone)]
pub struct ClientSignature<'a> {
    /// The keypair's public half.
    pub access_key: &'a AccessKey,
    /// Its secret half.
    pub secret_key: &'a SecretKey,
    /// The host and port that the client talks to.
    pub authority: &'a str,
    /// Seconds since 1970.
    pub created: i64,
    /// 16 to 64 characters.
    pub nonce: &'a str,
}

impl ClientSignature<'_> {
    /// The fields to add to a request for `target`, whose body, if there is one, is JSON.
    pub fn fields(&self, method: &str, target: &str, body: &[u8]) -> Vec<(String, String)> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let digest = format!("sha-256=:{}:", data_encoding::BASE64.encode(&Sha256::digest(body)));
        let mut covered = vec![
            ("@method", method.to_owned()),
            ("@authority", self.authority.to_owned()),
            ("@path", path.to_owned()),
            ("@query", format!("?{query}")),
        ];
        if !body.is_empty() {
            covered.push(("content-digest", digest.clone()));
            covered.push(("content-type", "application/json".to_owned()));
        }
        let names: Vec<_> = covered.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let (created, nonce) = (self.created, self.nonce);
        let params = format!(
            "({});created={created};keyid=\"{}\";alg=\"hmac-sha256\";nonce=\"{nonce}\";tag=\"doorwarden\"",
            names.join(" "),
            self.access_key,
        );
        let lines: String = covered.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
        let signature = Self::sign(self.secret_key, &format!("{lines}\"@signature-params\": {params}"));
        let mut fields = vec![
            ("signature-input".to_owned(), format!("sig1={params}")),
            ("signature".to_owned(), format!("sig1=:{signature}:")),
        ];
        if !body.is_empty() {
            fields.push(("content-digest".to_owned(), digest));
        }
        fields
    }

    /// The signature of a signing string, in base 64.
    pub fn sign(secret_key: &SecretKey, signing_string: &str) -> String {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret_key.expose().as_bytes());
        let made = mac.map(|mac| mac.chain_update(signing_string.as_bytes()).finalize().into_bytes());
        made.map_or_else(|_| String::new(), |made| data_encoding::BASE64.encode(&made))
    }
}
