//! Secrets at rest: what must be readable again is sealed with a key that isn't in the store.
//!
//! XChaCha20-Poly1305 with a random 192-bit nonce; the key's id stands in front, and what the record is and whose is
//! bound in as associated data, so a sealed value moved to another place doesn't open.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::Fault;
use crate::random::{SecureRandom, draw};
use crate::token::Digest;

/// 32 bytes from outside the store, and what is derived from them.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct SealKey {
    seal: [u8; 32],
    fingerprint: [u8; 32],
    attest: [u8; 32],
    #[zeroize(skip)]
    id: [u8; 8],
}

/// The key that seals, and older ones that only open.
#[derive(Clone)]
pub struct SealKeys {
    current: SealKey,
    old: Vec<SealKey>,
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKeys({} old)", self.old.len())
    }
}

/// A value that only the key opens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

/// What only a holder of the key could say of a value: its HMAC-SHA-256, behind the key's id. No secret.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag([u8; 40]);

impl Tag {
    /// The tag with these bytes.
    pub const fn from_bytes(bytes: [u8; 40]) -> Self {
        Self(bytes)
    }

    /// The tag's 40 bytes.
    pub const fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        data_encoding::BASE64URL_NOPAD.encode(&tag.0)
    }
}

impl TryFrom<String> for Tag {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const EXPECTED: &str = "a tag is 40 bytes in base64url";
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| EXPECTED)?;
        bytes.try_into().map(Self).map_err(|_| EXPECTED)
    }
}

/// Why a sealed value doesn't open, or a tag isn't believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenRefused {
    /// The stored text isn't a sealed value.
    #[error("the sealed value is damaged")]
    Damaged,
    /// It was sealed with a key that isn't configured.
    #[error("the sealed value was made with another key: add it to store.seal_keys_old")]
    UnknownKey,
    /// The key is known but the value or its place was changed.
    #[error("the sealed value doesn't belong here or was changed")]
    Forged,
}

impl SealKeys {
    /// Keys from 32 secret bytes each; `old` ones open what they sealed before.
    pub fn new(current: &[u8; 32], old: &[[u8; 32]]) -> Self {
        Self { current: SealKey::derive(current), old: old.iter().map(SealKey::derive).collect() }
    }

    /// Seals `secret` to its place: `context` names the kind of record and field, `owner` the record's id.
    ///
    /// # Errors
    /// The generator is not available.
    pub fn seal(&self, secret: &[u8], context: &str, owner: &[u8], random: &dyn SecureRandom) -> Result<Sealed, Fault> {
        let nonce = draw::<24>(random)?;
        let place = place(context, owner);
        let payload = Payload { msg: secret, aad: &place };
        let boxed = cipher(&self.current)
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Fault::lasting("sealing", context, "the value is too long"))?;
        let whole = [&self.current.id[..], &nonce, &boxed].concat();
        Ok(Sealed(data_encoding::BASE64URL_NOPAD.encode(&whole)))
    }

    /// Opens what [`SealKeys::seal`] made for the same place.
    ///
    /// # Errors
    /// [`OpenRefused`] says whether the key is missing or the value was changed.
    pub fn open(&self, sealed: &Sealed, context: &str, owner: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenRefused> {
        let whole = data_encoding::BASE64URL_NOPAD.decode(sealed.0.as_bytes()).map_err(|_| OpenRefused::Damaged)?;
        let (id, rest) = whole.split_first_chunk::<8>().ok_or(OpenRefused::Damaged)?;
        let (nonce, boxed) = rest.split_first_chunk::<24>().ok_or(OpenRefused::Damaged)?;
        let mut keys = std::iter::once(&self.current).chain(&self.old);
        let key = keys.find(|key| key.id == *id).ok_or(OpenRefused::UnknownKey)?;
        let payload = Payload { msg: boxed, aad: &place(context, owner) };
        let opened = cipher(key).decrypt(&XNonce::from(*nonce), payload).map_err(|_| OpenRefused::Forged)?;
        Ok(Zeroizing::new(opened))
    }

    /// The same secret sealed by the current key; `None` if it is already.
    pub(crate) fn reseal(
        &self,
        sealed: &Sealed,
        context: &str,
        owner: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Option<Sealed>, Fault> {
        if self.is_sealed_anew(sealed) {
            return Ok(None);
        }
        let secret =
            self.open(sealed, context, owner).map_err(|source| Fault::lasting("resealing", context, source))?;
        self.seal(&secret, context, owner, random).map(Some)
    }

    /// Whether the current key sealed it.
    pub(crate) fn is_sealed_anew(&self, sealed: &Sealed) -> bool {
        let whole = data_encoding::BASE64URL_NOPAD.decode(sealed.0.as_bytes());
        whole.is_ok_and(|whole| whole.starts_with(&self.current.id))
    }

    /// HMAC-SHA-256 of `parts` under a key derived for `purpose`: recognises a value without storing it.
    pub fn fingerprint(&self, purpose: &str, parts: &[&[u8]]) -> Digest {
        Digest::from_bytes(mac(&self.current.fingerprint, purpose, parts).finalize().into_bytes().into())
    }

    /// Whether `fingerprint` is that of `parts`, by the current key or an old one. Takes the same time whatever it is.
    pub(crate) fn recognise(&self, fingerprint: &Digest, purpose: &str, parts: &[&[u8]]) -> bool {
        let keys = std::iter::once(&self.current).chain(&self.old);
        let made = keys.map(|key| mac(&key.fingerprint, purpose, parts));
        made.fold(false, |known, mac| known | mac.verify_slice(fingerprint.as_bytes()).is_ok())
    }

    /// A tag of `parts` by the current key; `purpose` keeps a tag of one kind from standing for another.
    pub(crate) fn attest(&self, purpose: &str, parts: &[&[u8]]) -> Tag {
        let mut tag = [0; 40];
        let (id, rest) = tag.split_at_mut(8);
        id.copy_from_slice(&self.current.id);
        rest.copy_from_slice(&mac(&self.current.attest, purpose, parts).finalize().into_bytes());
        Tag(tag)
    }

    /// Whether `tag` was made of `parts`, by the current key or an old one.
    pub(crate) fn verify(&self, tag: &Tag, purpose: &str, parts: &[&[u8]]) -> Result<(), OpenRefused> {
        let (id, code) = tag.0.split_first_chunk::<8>().ok_or(OpenRefused::Damaged)?;
        let mut keys = std::iter::once(&self.current).chain(&self.old);
        let key = keys.find(|key| key.id == *id).ok_or(OpenRefused::UnknownKey)?;
        // Compares in constant time.
        mac(&key.attest, purpose, parts).verify_slice(code).map_err(|_| OpenRefused::Forged)
    }

    /// Whether the current key made `tag`.
    pub(crate) fn is_current(&self, tag: &Tag) -> bool {
        tag.0.starts_with(&self.current.id)
    }
}

impl SealKey {
    fn derive(secret: &[u8; 32]) -> Self {
        let (mut seal, mut fingerprint, mut attest, mut id) = ([0; 32], [0; 32], [0; 32], [0; 8]);
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        // HKDF fails only for outputs over 255 hashes; these are one each.
        let _ = hkdf.expand(b"doorwarden seal", &mut seal);
        let _ = hkdf.expand(b"doorwarden fingerprint", &mut fingerprint);
        let _ = hkdf.expand(b"doorwarden audit chain", &mut attest);
        let _ = hkdf.expand(b"doorwarden key id", &mut id);
        Self { seal, fingerprint, attest, id }
    }
}

fn cipher(key: &SealKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&key.seal.into())
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of any length")
}

fn mac(key: &[u8; 32], purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = keyed(key);
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac
}

fn place(context: &str, owner: &[u8]) -> Vec<u8> {
    [context.as_bytes(), b"\0", owner].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn keys() -> SealKeys {
        SealKeys::new(&[1; 32], &[])
    }

    #[test]
    fn f17_a_sealed_value_opens_only_in_its_place() {
        let sealed = keys().seal(b"seed", "totp", b"ada", &SystemRandom).unwrap();
        assert_eq!(keys().open(&sealed, "totp", b"ada").unwrap().as_slice(), b"seed");
        assert_eq!(keys().open(&sealed, "totp", b"bob"), Err(OpenRefused::Forged));
        assert_eq!(keys().open(&sealed, "mail", b"ada"), Err(OpenRefused::Forged));
    }

    #[test]
    fn f17_a_changed_or_cut_value_does_not_open() {
        let sealed = keys().seal(b"seed", "totp", b"ada", &SystemRandom).unwrap();
        let mut flipped = sealed.0.clone().into_bytes();
        flipped[60] ^= 1;
        let flipped = Sealed(String::from_utf8(flipped).unwrap());
        assert!(keys().open(&flipped, "totp", b"ada").is_err());
        for cut in [0, 5, 40] {
            let cut = Sealed(sealed.0[..cut].to_owned());
            assert!(keys().open(&cut, "totp", b"ada").is_err());
        }
    }

    #[test]
    fn an_old_key_opens_and_a_missing_one_is_named() {
        let sealed = keys().seal(b"seed", "totp", b"ada", &SystemRandom).unwrap();
        let rotated = SealKeys::new(&[2; 32], &[[1; 32]]);
        assert!(rotated.open(&sealed, "totp", b"ada").is_ok());
        assert_eq!(SealKeys::new(&[2; 32], &[]).open(&sealed, "totp", b"ada"), Err(OpenRefused::UnknownKey));
    }

    #[test]
    fn fa7_a_tag_is_believed_of_its_value_purpose_and_key_alone() {
        let tag = keys().attest("head", &[b"ab", b"c"]);
        let rotated = SealKeys::new(&[2; 32], &[[1; 32]]);
        assert_eq!(keys().verify(&tag, "head", &[b"ab", b"c"]), Ok(()));
        assert_eq!(rotated.verify(&tag, "head", &[b"ab", b"c"]), Ok(()));
        assert_eq!(keys().verify(&tag, "head", &[b"a", b"bc"]), Err(OpenRefused::Forged));
        assert_eq!(keys().verify(&tag, "record", &[b"ab", b"c"]), Err(OpenRefused::Forged));
        assert_eq!(SealKeys::new(&[2; 32], &[]).verify(&tag, "head", &[b"ab", b"c"]), Err(OpenRefused::UnknownKey));
        assert!(keys().is_current(&tag) && !rotated.is_current(&tag));
    }

    #[test]
    fn a_fingerprint_depends_on_key_purpose_and_the_borders_of_its_parts() {
        let all = [
            keys().fingerprint("p", &[b"ab", b"c"]),
            keys().fingerprint("p", &[b"a", b"bc"]),
            keys().fingerprint("q", &[b"ab", b"c"]),
            SealKeys::new(&[2; 32], &[]).fingerprint("p", &[b"ab", b"c"]),
        ];
        let distinct: std::collections::HashSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), 4);
    }
}
