//! HTTP Message Signatures (RFC 9421), narrowed to one form: whatever departs from it is refused.
//!
//! ```text
//! Content-Digest:  sha-256=:<base64>:
//! Signature-Input: sig1=("@method" "@authority" "@path" "@query" "content-digest" "content-type");created=<seconds>;\
//!                  keyid="<access key>";alg="hmac-sha256";nonce="<16 to 64 characters>";tag="doorwarden"
//! Signature:       sig1=:<base64>:
//! ```
//!
//! The fields are read in the one spelling that RFC 8941 serialises them to, so nothing can be there twice, hidden in
//! white space or read differently by somebody else.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use crate::keypair::{AccessKey, SecretKey};
use crate::policy::PublicUrl;
use crate::signature::{Claim, InvalidSignature, RequestSignature, SignedRequest};
use crate::time::Timestamp;

/// RFC 9421 with HMAC-SHA-256 as the project's page on request signatures (docs/request-signatures.md) narrows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpMessageSignature;

const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const LABEL: &str = "sig1=";
const ALGORITHM: &str = "hmac-sha256";
const TAG: &str = "doorwarden";
/// Always covered.
const TARGET: [&str; 4] = ["@method", "@authority", "@path", "@query"];
/// Covered as well where there is a body.
const BODY: [&str; 2] = ["content-digest", "content-type"];
const MOST_COMPONENTS: usize = 32;

impl RequestSignature for HttpMessageSignature {
    fn is_carried_by(&self, request: &SignedRequest<'_>) -> bool {
        request.has(INPUT) || request.has(SIGNATURE)
    }

    fn read(&self, request: &SignedRequest<'_>, public_url: &PublicUrl) -> Result<Claim, InvalidSignature> {
        read(request, public_url).ok_or(InvalidSignature)
    }
}

fn read(request: &SignedRequest<'_>, public_url: &PublicUrl) -> Option<Claim> {
    let input = Input::read(text(request.field(INPUT).ok()??)?)?;
    let signature = text(request.field(SIGNATURE).ok()??)?;
    let signature = BASE64.decode(binary(signature.strip_prefix(LABEL)?)?.as_bytes()).ok()?;
    let covers = |name: &&str| input.components.contains(name);
    if !TARGET.iter().all(&covers) || !request.body.is_empty() && !BODY.iter().all(&covers) {
        return None;
    }
    if covers(&"content-digest") && text(request.field("content-digest").ok()??)? != digest_of(request.body) {
        return None;
    }
    let base = input.signing_string(request, public_url)?;
    let check = move |secret: &SecretKey| {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes());
        mac.is_ok_and(|mac| mac.chain_update(base.as_bytes()).verify_slice(&signature).is_ok())
    };
    let (access_key, nonce) = (input.access_key, input.nonce.as_bytes().to_vec());
    Some(Claim { access_key, created_at: input.created_at, nonce, check: Box::new(check) })
}

/// The only `Content-Digest` (RFC 9530) that a body has here.
fn digest_of(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(&Sha256::digest(body)))
}

/// A field's value, if it is printable ASCII.
fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| (0x20..=0x7e).contains(&b)))
}

/// What stands between the colons of a byte sequence.
fn binary(item: &str) -> Option<&str> {
    item.strip_prefix(':')?.strip_suffix(':')
}

/// What a signature covers, and its parameters.
#[derive(Debug)]
struct Input<'a> {
    components: Vec<&'a str>,
    /// The value of `@signature-params`: the rest of the field as it stands, since only its one spelling is read.
    params: &'a str,
    access_key: AccessKey,
    created_at: Timestamp,
    nonce: &'a str,
}

impl<'a> Input<'a> {
    fn read(field: &'a str) -> Option<Self> {
        let params = field.strip_prefix(LABEL)?;
        let (list, rest) = params.strip_prefix('(')?.split_once(')')?;
        let components: Vec<&str> = list.split(' ').map(component).collect::<Option<_>>()?;
        let twice = |(at, name): (usize, &&str)| components.iter().take(at).any(|before| before == name);
        if components.len() > MOST_COMPONENTS || components.iter().enumerate().any(twice) {
            return None;
        }
        let mut found = Parameters::default();
        found.read(rest)?;
        let known = found.alg.is_none_or(|alg| alg == ALGORITHM) && found.tag? == TAG;
        let nonce = found.nonce.filter(|nonce| (16..=64).contains(&nonce.len()))?;
        let access_key = AccessKey::parse(found.keyid?).ok()?;
        let created_at = Timestamp::from_millis(found.created?.checked_mul(1_000)?);
        known.then_some(Self { components, params, access_key, created_at, nonce })
    }

    /// The signature base (RFC 9421 §2.5).
    fn signing_string(&self, request: &SignedRequest<'_>, public_url: &PublicUrl) -> Option<String> {
        let mut base = String::new();
        for name in &self.components {
            let value = match *name {
                "@method" => request.method.to_owned(),
                "@authority" => public_url.authority().to_owned(),
                "@path" => request.path.to_owned(),
                "@query" => format!("?{}", request.query.unwrap_or_default()),
                name if name.starts_with('@') || name == INPUT || name == SIGNATURE => return None,
                name => text(request.field(name).ok()??)?.trim_matches(' ').to_owned(),
            };
            if !value.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
                return None;
            }
            base.push_str(&format!("\"{name}\": {value}\n"));
        }
        // An empty query would have the signing string of none.
        let told_apart = request.query != Some("") && request.path.starts_with('/');
        told_apart.then(|| format!("{base}\"@signature-params\": {}", self.params))
    }
}

/// A covered component: a name in quotes, without parameters.
fn component(item: &str) -> Option<&str> {
    let name = item.strip_prefix('"')?.strip_suffix('"')?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let rest = name.strip_prefix('@').unwrap_or(name);
    (!rest.is_empty() && rest.bytes().all(plain)).then_some(name)
}

#[derive(Debug, Default)]
struct Parameters<'a> {
    created: Option<i64>,
    keyid: Option<&'a str>,
    alg: Option<&'a str>,
    nonce: Option<&'a str>,
    tag: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    /// Reads `;name=value` to the end, each known name at most once.
    fn read(&mut self, mut rest: &'a str) -> Option<()> {
        while !rest.is_empty() {
            let (name, value) = rest.strip_prefix(';')?.split_once('=')?;
            if name == "created" {
                let end = value.find(';').unwrap_or(value.len());
                let (digits, behind) = value.split_at_checked(end)?;
                let whole = (1..=12).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                let canonical = whole && (digits == "0" || !digits.starts_with('0'));
                set(&mut self.created, digits.parse().ok().filter(|_| canonical)?)?;
                rest = behind;
                continue;
            }
            let (value, behind) = value.strip_prefix('"')?.split_once('"')?;
            let slot = match name {
                "keyid" => &mut self.keyid,
                "alg" => &mut self.alg,
                "nonce" => &mut self.nonce,
                "tag" => &mut self.tag,
                _ => return None,
            };
            // No value of ours needs a backslash, and without one a quote ends it for every reader.
            set(slot, Some(value).filter(|value| !value.contains('\\'))?)?;
            rest = behind;
        }
        Some(())
    }
}

/// Fills a slot that is empty.
fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests;
