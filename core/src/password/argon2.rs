//! Argon2id (RFC 9106), and Argon2i for imported hashes, in the PHC string form.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashRefusal, Verification};

/// An Argon2 hash read from its text.
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// KiB of memory of our own hashes (OWASP cheat sheet on password storage: m 19 MiB, t 2, p 1).
const MEMORY: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const DIGEST_BYTES: usize = 32;
/// What a store or an import may ask for. Beside it the memory is bounded by the number of hashing threads.
const MOST_MEMORY: u32 = 256 * 1_024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;
const LONGEST: usize = 64;

impl Argon2Hash {
    /// Hashes a prepared password with our own parameters.
    pub(super) fn hash(prepared: &str, salt: [u8; 16]) -> Option<String> {
        let params = Params::new(MEMORY, PASSES, 1, Some(DIGEST_BYTES)).ok()?;
        let own = Self { algorithm: Algorithm::Argon2id, params, salt: salt.to_vec(), digest: vec![0; DIGEST_BYTES] };
        let digest = own.evaluate(prepared.as_bytes())?;
        let [salt, digest] = [salt.as_slice(), &digest].map(|bytes| BASE64_NOPAD.encode(bytes));
        Some(format!("$argon2id$v=19$m={MEMORY},t={PASSES},p=1${salt}${digest}"))
    }

    /// The least that a dummy can do.
    pub(super) const LEAST_WORK: u64 = Params::MIN_M_COST as u64 * PASSES as u64;

    /// The work of our own hashes.
    pub(super) const fn own_work() -> u64 {
        MEMORY as u64 * PASSES as u64
    }

    /// Well-formed and of about this work, at most that of our own hashes; its digest is all zeros.
    pub(super) fn dummy(work: u64) -> String {
        let memory = u32::try_from(work / u64::from(PASSES)).unwrap_or(MEMORY).clamp(Params::MIN_M_COST, MEMORY);
        let [salt, digest] = [16, DIGEST_BYTES].map(|bytes| BASE64_NOPAD.encode(&vec![0; bytes]));
        format!("$argon2id$v=19$m={memory},t={PASSES},p=1${salt}${digest}")
    }

    pub(super) fn is_meant(encoded: &str) -> bool {
        encoded.starts_with("$argon2")
    }

    /// Reads `$argon2id$v=19$m=…,t=…,p=…$salt$digest`.
    pub(super) fn read(encoded: &str) -> Result<Self, HashRefusal> {
        let parted: Option<[&str; 6]> = encoded.split('$').collect::<Vec<_>>().try_into().ok();
        let ["", name, version, params, salt, digest] = parted.ok_or(MALFORMED)? else { return Err(MALFORMED) };
        let algorithm = match name {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => return Err(HashRefusal::Unsupported("this variant of argon2")),
        };
        if version != "v=19" {
            return Err(HashRefusal::Unsupported("this version of argon2"));
        }
        let [memory, passes, lanes] = numbers(params).ok_or(MALFORMED)?;
        let within = |number: u32, most, what, allowed| {
            let fits = (1..=most).contains(&number);
            if fits { Ok(()) } else { Err(HashRefusal::OutOfBounds { what, allowed }) }
        };
        within(memory, MOST_MEMORY, "the memory of argon2", "up to 256 MiB")?;
        within(passes, MOST_PASSES, "the passes of argon2", "1 to 16")?;
        within(lanes, MOST_LANES, "the lanes of argon2", "1 to 16")?;
        let salt = bytes(salt, argon2::MIN_SALT_LEN)?;
        let digest = bytes(digest, 16)?;
        let params = Params::new(memory, passes, lanes, Some(digest.len())).map_err(|_| MALFORMED)?;
        Ok(Self { algorithm, params, salt, digest })
    }

    /// Passes over KiB of memory.
    pub(super) fn work(&self) -> u64 {
        u64::from(self.params.m_cost()) * u64::from(self.params.t_cost())
    }

    /// Whether it is of the variant that ours are of.
    pub(super) fn is_argon2id(&self) -> bool {
        self.algorithm == Algorithm::Argon2id
    }

    /// Evaluates once, whatever the candidate; `None` matches nothing.
    pub(super) fn verify(&self, candidate: Option<&[u8]>) -> Verification {
        let Some(made) = self.evaluate(candidate.unwrap_or_default()) else { return Verification::Broken };
        let equal = bool::from(made.as_slice().ct_eq(&self.digest));
        if equal && candidate.is_some() { Verification::Right } else { Verification::Wrong }
    }

    /// The lanes are filled one after the other on the caller's thread; the memory is wiped and given back.
    fn evaluate(&self, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut memory = Zeroizing::new(vec![Block::default(); self.params.block_count()]);
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        let argon2 = Argon2::new(self.algorithm, Version::V0x13, self.params.clone());
        argon2.hash_password_into_with_memory(password, &self.salt, &mut digest, memory.as_mut_slice()).ok()?;
        Some(digest)
    }
}

const MALFORMED: HashRefusal = HashRefusal::Malformed("argon2");

/// Memory, passes and lanes, in the one order that the PHC form has.
fn numbers(params: &str) -> Option<[u32; 3]> {
    let [memory, passes, lanes]: [&str; 3] = params.split(',').collect::<Vec<_>>().try_into().ok()?;
    let number = |text: &str, name: &str| super::hash::decimal(text.strip_prefix(name)?);
    Some([number(memory, "m=")?, number(passes, "t=")?, number(lanes, "p=")?])
}

fn bytes(encoded: &str, fewest: usize) -> Result<Vec<u8>, HashRefusal> {
    let bytes = BASE64_NOPAD.decode(encoded.as_bytes()).map_err(|_| MALFORMED)?;
    if (fewest..=LONGEST).contains(&bytes.len()) { Ok(bytes) } else { Err(MALFORMED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(encoded: &str, candidate: &str) -> Verification {
        Argon2Hash::read(encoded).map_or(Verification::Broken, |hash| hash.verify(Some(candidate.as_bytes())))
    }

    #[test]
    fn l4_hashes_of_argon2_cffi_and_passlib_verify() {
        for encoded in [
            // argon2-cffi 25.1.0, PasswordHasher(time_cost=3, memory_cost=128, parallelism=4)
            "$argon2id$v=19$m=128,t=3,p=4$S2HccX5x9zzvocIhjoSKYQ$q9bID2pcUpFGFHp1mgbwZM9S67frvImlHltUSy6unR8",
            // passlib 1.7.4, argon2.using(rounds=2, memory_cost=64, parallelism=1)
            "$argon2id$v=19$m=64,t=2,p=1$KyVESMlZixHCuHcOQQjBeA$KI/91KnPwKwjmzK1Zoq/LlQ98g1yQnHEFexwVUjSZCI",
            // argon2-cffi, type=Type.I
            "$argon2i$v=19$m=64,t=1,p=1$1oNRMZBsFUi1kwnvkocqKg$UOElL6v39BR3uuAQX74XhwV+a53i8qlzGIg3lyH8tnY",
        ] {
            assert_eq!(verify(encoded, "pässword1!"), Verification::Right, "{encoded}");
            assert_eq!(verify(encoded, "pässword1?"), Verification::Wrong, "{encoded}");
            assert_eq!(Argon2Hash::read(encoded).unwrap().verify(None), Verification::Wrong, "{encoded}");
        }
    }

    #[test]
    fn our_own_are_those_of_argon2_cffi_with_19_mib_two_passes_and_one_lane() {
        // argon2-cffi 25.1.0, PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(…, salt=bytes([7] * 16))
        let expected =
            "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$h9nhl2gBwCQEXe+Os63/KXhSWj4mkcuFYD7zOOdDbiw";
        assert_eq!(Argon2Hash::hash("pässword1!", [7; 16]).as_deref(), Some(expected));
        assert_eq!(Argon2Hash::read(expected).unwrap().work(), Argon2Hash::own_work());
    }

    #[test]
    fn a_dummy_has_the_work_that_was_asked_for_and_matches_nothing() {
        for (asked, work) in [(0, 16), (16, 16), (1_000, 1_000), (38_912, 38_912), (u64::MAX, 38_912)] {
            let dummy = Argon2Hash::dummy(asked);
            let read = Argon2Hash::read(&dummy).unwrap();
            assert_eq!(read.work(), work, "{asked}");
            assert_eq!(read.verify(None), Verification::Wrong);
        }
    }

    #[test]
    fn pw4_costs_of_argon2_are_bounded_before_any_work() {
        let of = |memory: u64, passes: u64, lanes: u64| {
            let text =
                format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA");
            Argon2Hash::read(&text).map(|read| read.work()).map_err(|refusal| refusal.code())
        };
        assert_eq!(of(262_144, 16, 16), Ok(4_194_304));
        for (memory, passes, lanes) in [(262_145, 1, 1), (64, 17, 1), (512, 1, 17), (0, 1, 1), (64, 0, 1), (64, 1, 0)] {
            assert_eq!(of(memory, passes, lanes), Err("hash_out_of_bounds"), "{memory} {passes} {lanes}");
        }
        assert_eq!(of(4_294_967_296, 1, 1), Err("hash_malformed"));
        assert_eq!(of(8, 1, 2), Err("hash_malformed"), "two lanes need 16 KiB");
    }

    #[test]
    fn pw6_malformed_hashes_of_argon2_are_refused() {
        let (salt, digest) = ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA");
        for (encoded, code) in [
            ("$argon2".to_owned(), "hash_malformed"),
            (format!("$argon2id$v=19$m=64,t=1,p=1${salt}"), "hash_malformed"),
            (format!("$argon2id$v=19$m=64,t=1,p=1${salt}${digest}$"), "hash_malformed"),
            (format!("$argon2id$v=19$m=64,t=1${salt}${digest}"), "hash_malformed"),
            (format!("$argon2id$v=19$t=1,m=64,p=1${salt}${digest}"), "hash_malformed"),
            (format!("$argon2id$v=19$m=+64,t=1,p=1${salt}${digest}"), "hash_malformed"),
            (format!("$argon2id$v=19$m=64,t=1,p=1$AAAA${digest}"), "hash_malformed"),
            (format!("$argon2id$v=19$m=64,t=1,p=1${salt}$AAAA"), "hash_malformed"),
            (format!("$argon2id$v=19$m=64,t=1,p=1${salt}${}", "A".repeat(88)), "hash_malformed"),
            (format!("$argon2id$v=19$m=64,t=1,p=1${salt}=${digest}"), "hash_malformed"),
            (format!("$argon2id$v=16$m=64,t=1,p=1${salt}${digest}"), "hash_unsupported"),
            (format!("$argon2d$v=19$m=64,t=1,p=1${salt}${digest}"), "hash_unsupported"),
        ] {
            assert_eq!(Argon2Hash::read(&encoded).err().map(|refusal| refusal.code()), Some(code), "{encoded}");
        }
    }
}
