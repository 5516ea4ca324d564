//! scrypt (RFC 7914), as Django, Werkzeug, PHC strings and Spring write it: for imported hashes only.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use scrypt::Params;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hash::decimal;
use super::{HashRefusal, Verification};

/// A scrypt hash read from its text.
pub(super) struct Scrypt {
    params: Params,
    salt: Vec<u8>,
    derived: Vec<u8>,
}

const MOST_LOG_N: u8 = 20;
const MOST_R: u32 = 32;
const MOST_P: u32 = 16;
/// Bytes that one evaluation may take: as much as argon2 may.
const MOST_MEMORY: u64 = 256 * 1_024 * 1_024;
/// N × r × p: 16 times what a careful system asks for.
const MOST_WORK: u64 = 1 << 23;
const LONGEST: usize = 64;
const SPRING_PREFIXES: [&str; 2] = ["{scrypt}", "{scrypt@SpringSecurity_v5_8}"];

impl Scrypt {
    pub(super) fn is_meant(encoded: &str) -> bool {
        ["scrypt", "$scrypt", "{scrypt"].iter().any(|prefix| encoded.starts_with(prefix))
    }

    /// Reads any of the forms.
    pub(super) fn read(encoded: &str) -> Result<Self, HashRefusal> {
        let number = |text: &str| decimal(text).ok_or(MALFORMED);
        if let Some(rest) = encoded.strip_prefix("scrypt:") {
            let [costs, salt, derived] = fields(rest, '$')?;
            let [n, r, p] = fields(costs, ':')?;
            let derived = decoded(HEXLOWER_PERMISSIVE.decode(derived.as_bytes()))?;
            return Self::bounded(log2(number(n)?)?, number(r)?, number(p)?, salt.as_bytes().to_vec(), derived);
        }
        if let Some(rest) = encoded.strip_prefix("scrypt$") {
            let [n, salt, r, p, derived] = fields(rest, '$')?;
            let derived = decoded(BASE64.decode(derived.as_bytes()))?;
            return Self::bounded(log2(number(n)?)?, number(r)?, number(p)?, salt.as_bytes().to_vec(), derived);
        }
        if let Some(rest) = encoded.strip_prefix("$scrypt$") {
            let [costs, salt, derived] = fields(rest, '$')?;
            let [log_n, r, p] = fields(costs, ',')?;
            let named = |text: &str, name: &str| text.strip_prefix(name).ok_or(MALFORMED).and_then(number);
            let log_n = u8::try_from(named(log_n, "ln=")?).map_err(|_| OUT_OF_BOUNDS)?;
            let [salt, derived] = [salt, derived].map(|text| decoded(BASE64_NOPAD.decode(text.as_bytes())));
            return Self::bounded(log_n, named(r, "r=")?, named(p, "p=")?, salt?, derived?);
        }
        if let Some(rest) = SPRING_PREFIXES.iter().find_map(|prefix| encoded.strip_prefix(prefix)) {
            let ["", costs, salt, derived] = fields(rest, '$')? else { return Err(MALFORMED) };
            let hexadecimal = costs.len() <= 8 && costs.bytes().all(|byte| byte.is_ascii_hexdigit());
            let costs = hexadecimal.then(|| u32::from_str_radix(costs, 16).ok()).flatten().ok_or(MALFORMED)?;
            let [_, log_n, r, p] = costs.to_be_bytes();
            let log_n = if costs >> 24 == 0 { log_n } else { u8::MAX };
            let [salt, derived] = [salt, derived].map(|text| decoded(BASE64.decode(text.as_bytes())));
            return Self::bounded(log_n, r.into(), p.into(), salt?, derived?);
        }
        Err(HashRefusal::Unsupported("this form of scrypt"))
    }

    fn bounded(log_n: u8, r: u32, p: u32, salt: Vec<u8>, derived: Vec<u8>) -> Result<Self, HashRefusal> {
        let within = (1..=MOST_LOG_N).contains(&log_n) && (1..=MOST_R).contains(&r) && (1..=MOST_P).contains(&p);
        let blocks = if within { (1_u64 << log_n) * u64::from(r) } else { u64::MAX };
        if blocks.saturating_mul(128) > MOST_MEMORY || blocks.saturating_mul(p.into()) > MOST_WORK {
            return Err(OUT_OF_BOUNDS);
        }
        let fits = (1..=LONGEST).contains(&salt.len()) && (16..=LONGEST).contains(&derived.len());
        let params = Params::new(log_n, r, p).map_err(|_| MALFORMED)?;
        if fits { Ok(Self { params, salt, derived }) } else { Err(MALFORMED) }
    }

    /// N × r × p.
    pub(super) fn work(&self) -> u64 {
        self.params.n() * u64::from(self.params.r()) * u64::from(self.params.p())
    }

    /// Evaluates once, whatever the candidate; `None` matches nothing.
    pub(super) fn verify(&self, candidate: Option<&[u8]>) -> Verification {
        let mut made = Zeroizing::new(vec![0; self.derived.len()]);
        if scrypt::scrypt(candidate.unwrap_or_default(), &self.salt, &self.params, &mut made).is_err() {
            return Verification::Broken;
        }
        let equal = bool::from(made.as_slice().ct_eq(&self.derived));
        if equal && candidate.is_some() { Verification::Right } else { Verification::Wrong }
    }
}

const MALFORMED: HashRefusal = HashRefusal::Malformed("scrypt");
const OUT_OF_BOUNDS: HashRefusal = HashRefusal::OutOfBounds {
    what: "the cost of scrypt",
    allowed: "N up to 2^20, r up to 32, p up to 16, N·r up to 2^21 (256 MiB), N·r·p up to 2^23",
};

fn log2(n: u32) -> Result<u8, HashRefusal> {
    if !n.is_power_of_two() {
        return Err(MALFORMED);
    }
    u8::try_from(n.trailing_zeros()).map_err(|_| MALFORMED)
}

fn decoded(bytes: Result<Vec<u8>, data_encoding::DecodeError>) -> Result<Vec<u8>, HashRefusal> {
    bytes.map_err(|_| MALFORMED)
}

fn fields<const N: usize>(text: &str, by: char) -> Result<[&str; N], HashRefusal> {
    text.split(by).collect::<Vec<_>>().try_into().map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(encoded: &str, candidate: &str) -> Verification {
        Scrypt::read(encoded).map_or(Verification::Broken, |hash| hash.verify(Some(candidate.as_bytes())))
    }

    #[test]
    fn l4_hashes_of_django_werkzeug_passlib_and_spring_verify() {
        for (encoded, of) in [
            // Django 5.2.19, ScryptPasswordHasher with parallelism 2, encode(…, n=1024)
            (
                "scrypt$1024$saltsaltsaltsalt$8$2$/Bz93rISgxc4btJMAaUqsY08WBhLL3oLw8XMwWeisvCoE6N3Q7BXYYXGXrlTRnXEmV08CebUCBu7DWy7IeEgyA==",
                "pässword1!",
            ),
            // Werkzeug 3.1.9, generate_password_hash(…, method="scrypt:1024:8:1")
            (
                "scrypt:1024:8:1$5HbiydCs7EEIVcYD$28f63f475e18105ae063dc693eac95919ea1b581ed827544273eb09b93044158138e1796ef5d1bd2b15757ec8a9d0462c30e372c9392dae1d6bc51945921a4dc",
                "pässword1!",
            ),
            // passlib 1.7.4, scrypt.using(rounds=10)
            ("$scrypt$ln=10,r=8,p=1$03qvdQ5hLAWAcA4BQKjVmg$TGZ5rrddUpSgSLs5QNJRwFdNicFTgr84BRY2k3B8AN4", "pässword1!"),
            // The layout of Spring's SCryptPasswordEncoder; Python's hashlib
            ("{scrypt}$a0801$AAECAwQFBgcICQoLDA0ODw==$6XI0LUYEVcN2hukhliYaHrtwAWbjqeikLnTWI6hkhVo=", "pässword1!"),
            // Spring Security's reference manual, "Password Storage"
            (
                "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
                "password",
            ),
        ] {
            assert_eq!(verify(encoded, of), Verification::Right, "{encoded}");
            assert_eq!(verify(encoded, "pässword1?"), Verification::Wrong, "{encoded}");
            assert_eq!(Scrypt::read(encoded).unwrap().verify(None), Verification::Wrong, "{encoded}");
        }
    }

    #[test]
    fn pw4_costs_of_scrypt_are_bounded_before_any_work() {
        let derived = "AAAAAAAAAAAAAAAAAAAAAA==";
        let of = |n: u64, r: u64, p: u64| {
            let text = format!("scrypt${n}$salt${r}${p}${derived}");
            Scrypt::read(&text).map(|read| read.work()).map_err(|refusal| refusal.code())
        };
        assert_eq!(of(2, 1, 1), Ok(2));
        assert_eq!(of(1 << 18, 8, 4), Ok(1 << 23));
        assert_eq!(of(1 << 20, 2, 4), Ok(1 << 23));
        for (n, r, p) in [
            (1 << 21, 1, 1),
            (1 << 19, 8, 1),
            (1 << 20, 2, 5),
            (1 << 10, 33, 1),
            (1 << 10, 8, 17),
            (1, 8, 1),
            (1 << 10, 0, 1),
            (1 << 10, 8, 0),
        ] {
            assert_eq!(of(n, r, p), Err("hash_out_of_bounds"), "{n} {r} {p}");
        }
        assert_eq!(of(1_000, 8, 1), Err("hash_malformed"));
        assert_eq!(of(1 << 40, 8, 1), Err("hash_malformed"));
        for costs in ["10e0801", "ff0801", "ffffffff"] {
            let text = format!("{{scrypt}}${costs}$AAAA${derived}");
            assert_eq!(Scrypt::read(&text).err().map(|r| r.code()), Some("hash_out_of_bounds"), "{costs}");
        }
    }

    #[test]
    fn pw6_malformed_hashes_of_scrypt_are_refused() {
        let derived = "AAAAAAAAAAAAAAAAAAAAAA";
        for (encoded, code) in [
            ("scrypt".to_owned(), "hash_unsupported"),
            (format!("{{scrypt@other}}$e0801$AAAA${derived}=="), "hash_unsupported"),
            (format!("scrypt:1024:8$salt${derived}"), "hash_malformed"),
            ("scrypt:1024:8:1$salt$zz".to_owned(), "hash_malformed"),
            ("scrypt:1024:8:1$salt".to_owned(), "hash_malformed"),
            (format!("scrypt$1024$$8$1${derived}=="), "hash_malformed"),
            ("scrypt$1024$salt$8$1$AAAA".to_owned(), "hash_malformed"),
            (format!("$scrypt$ln=10,p=1,r=8$AAAA${derived}"), "hash_malformed"),
            (format!("$scrypt$ln=ü,r=8,p=1$AAAA${derived}"), "hash_malformed"),
            (format!("{{scrypt}}$+0801$AAAA${derived}=="), "hash_malformed"),
            (format!("{{scrypt}}e0801$AAAA${derived}=="), "hash_malformed"),
            (format!("{{scrypt}}$000e0801f$AAAA${derived}=="), "hash_malformed"),
        ] {
            assert_eq!(Scrypt::read(&encoded).err().map(|refusal| refusal.code()), Some(code), "{encoded}");
        }
    }
}
