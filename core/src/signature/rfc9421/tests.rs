//! The form, by vectors, tables of departures from it, and properties.

use proptest::prelude::*;

use super::*;
use crate::testing::ClientSignature;

const ACCESS_KEY: &str = "0123456789ABCDEFGHIJ";
const SECRET_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCD";
const NONCE: &str = "b3f1c6d2a4e85970";
const CREATED: i64 = 1_800_000_000;

fn public_url() -> PublicUrl {
    PublicUrl::parse("https://id.example.org").unwrap()
}

fn secret() -> SecretKey {
    SecretKey::new(SECRET_KEY.to_owned())
}

/// A request as text, so that a case can change any part of it.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sent {
    fn signed(method: &str, target: &str, body: &[u8]) -> Self {
        let (access_key, secret_key) = (AccessKey::parse(ACCESS_KEY).unwrap(), secret());
        let client = ClientSignature {
            access_key: &access_key,
            secret_key: &secret_key,
            authority: "id.example.org",
            created: CREATED,
            nonce: NONCE,
        };
        let fields = client.fields(method, target, body).into_iter().map(|(name, value)| (name, value.into_bytes()));
        let json = (!body.is_empty()).then(|| ("content-type".to_owned(), b"application/json".to_vec()));
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: json.into_iter().chain(fields).collect(),
            body: body.to_vec(),
        }
    }

    /// Signed anew over whatever its `Signature-Input` now says, as far as that can be read.
    fn signed_again(mut self, signing_string: &str) -> Self {
        let signature = ClientSignature::sign(&secret(), signing_string);
        self.set("signature", &format!("sig1=:{signature}:"));
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }

    fn field(&self, name: &str) -> String {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name).unwrap();
        String::from_utf8(value.clone()).unwrap()
    }

    fn with_request<T>(&self, look: impl FnOnce(&SignedRequest<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (method, path, query) = (&*self.method, &*self.path, self.query.as_deref());
        look(&SignedRequest { method, path, query, headers: &headers, body: &self.body })
    }

    fn accepted(&self) -> bool {
        let claim = self.with_request(|request| HttpMessageSignature.read(request, &public_url()));
        claim.is_ok_and(|claim| (claim.check)(&secret()))
    }

    fn signing_string(&self) -> Option<String> {
        let field = self.field("signature-input");
        let input = Input::read(&field)?;
        self.with_request(|request| input.signing_string(request, &public_url()))
    }
}

fn get() -> Sent {
    Sent::signed("GET", "/auth/keypairs?limit=2&cursor=%2F", b"")
}

fn post() -> Sent {
    Sent::signed("POST", "/auth/login", br#"{"a":1}"#)
}

#[test]
fn kp1_the_published_vectors_are_accepted_as_they_stand() {
    let page = include_str!("../../../../docs/request-signatures.md");
    let vectors: Vec<_> = page.split("```http\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let strings: Vec<_> =
        page.split("```signing-string\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert!(vectors.len() == 2 && strings.len() == 2, "{} vectors", vectors.len());
    assert!(page.contains(SECRET_KEY) && page.contains("https://id.example.org"));
    for (vector, string) in vectors.iter().zip(strings) {
        let (head, body) = vector.split_once("\n\n").unwrap_or((vector.trim_end(), ""));
        let mut lines = head.lines();
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q.to_owned())));
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.as_bytes().to_vec())
        };
        let sent = Sent {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            headers: lines.map(header).collect(),
            body: body.trim_end().as_bytes().to_vec(),
        };
        assert_eq!(sent.signing_string().as_deref(), Some(string), "{vector}");
        assert!(sent.accepted(), "{vector}");
    }
}

#[test]
fn kp1_a_right_signature_is_accepted_and_another_secret_isn_t() {
    for sent in [get(), post(), Sent::signed("DELETE", "/", b""), Sent::signed("GET", "/a%2Fb//c?a=1&a=1", b"")] {
        assert!(sent.accepted(), "{sent:?}");
        let claim = sent.with_request(|request| HttpMessageSignature.read(request, &public_url())).unwrap();
        assert!(!(claim.check)(&SecretKey::new(SECRET_KEY.to_uppercase())));
        assert_eq!((claim.access_key.as_str(), claim.created_at.as_millis()), (ACCESS_KEY, CREATED * 1_000));
        assert_eq!(claim.nonce, NONCE.as_bytes());
    }
}

#[test]
fn kp1_nothing_of_a_signed_request_can_be_changed() {
    type Change = fn(&mut Sent);
    let changes: [(&str, Change); 14] = [
        ("method", |s| s.method = "PUT".to_owned()),
        ("method's case", |s| s.method = "post".to_owned()),
        ("path", |s| s.path = "/auth/logout".to_owned()),
        ("path joined", |s| s.path = "/auth//login".to_owned()),
        ("path escaped", |s| s.path = "/auth%2Flogin".to_owned()),
        ("query", |s| s.query = Some("a=1".to_owned())),
        ("empty query", |s| s.query = Some(String::new())),
        ("body", |s| s.body = br#"{"a":2}"#.to_vec()),
        ("no body", |s| s.body = Vec::new()),
        ("content type", |s| s.set("content-type", "text/plain")),
        ("digest", |s| s.set("content-digest", &digest_of(b"other"))),
        ("time", |s| s.set("signature-input", &s.field("signature-input").replace("800000000", "800000001"))),
        ("nonce", |s| s.set("signature-input", &s.field("signature-input").replace("b3f1", "b3f2"))),
        ("key", |s| s.set("signature-input", &s.field("signature-input").replace("HIJ", "HIK"))),
    ];
    for (what, change) in changes {
        let mut sent = post();
        change(&mut sent);
        assert!(!sent.accepted(), "{what}");
    }
    let sent = post();
    let elsewhere = PublicUrl::parse("https://id.example.org:8443").unwrap();
    let claim = sent.with_request(|request| HttpMessageSignature.read(request, &elsewhere)).unwrap();
    assert!(!(claim.check)(&secret()), "signed for another host");
}

#[test]
fn kp1_kp5_what_departs_from_the_form_is_refused_even_signed_by_the_right_key() {
    let input = post().field("signature-input");
    for (what, changed) in [
        ("another label", input.replace("sig1=", "sig2=")),
        ("a second signature", format!("{input}, sig1={}", &input[5..])),
        ("a signature beside it", format!("{input}, proxy={}", &input[5..])),
        ("no @method", input.replace("\"@method\" ", "")),
        ("no @authority", input.replace("\"@authority\" ", "")),
        ("no @path", input.replace("\"@path\" ", "")),
        ("no @query", input.replace("\"@query\" ", "")),
        ("no content-digest", input.replace("\"content-digest\" ", "")),
        ("no content-type", input.replace(" \"content-type\"", "")),
        ("a component twice", input.replace("\"@path\"", "\"@path\" \"@path\"")),
        ("a field twice", input.replace("\"content-type\"", "\"content-type\" \"content-type\"")),
        ("an unknown component", input.replace("\"@path\"", "\"@path\" \"@scheme\"")),
        ("a component of its own", input.replace("\"@path\"", "\"@path\" \"signature\"")),
        ("a component with a parameter", input.replace("\"content-type\"", "\"content-type\";bs")),
        ("a field that isn't there", input.replace("\"content-type\"", "\"content-type\" \"date\"")),
        ("upper case", input.replace("\"content-type\"", "\"Content-Type\"")),
        ("two spaces", input.replace("\"@path\" ", "\"@path\"  ")),
        ("a space before a parameter", input.replace(";nonce", "; nonce")),
        ("no created", input.replace(&format!(";created={CREATED}"), "")),
        ("created twice", input.replace(";nonce", &format!(";created={CREATED};nonce"))),
        ("created as text", input.replace(&CREATED.to_string(), &format!("\"{CREATED}\""))),
        ("created with a zero", input.replace("created=1", "created=01")),
        ("created below zero", input.replace("created=1", "created=-1")),
        ("no nonce", input.replace(&format!(";nonce=\"{NONCE}\""), "")),
        ("a nonce twice", input.replace(";tag", &format!(";nonce=\"{NONCE}\";tag"))),
        ("a short nonce", input.replace(NONCE, &NONCE[1..])),
        ("a long nonce", input.replace(NONCE, &"n".repeat(65))),
        ("a nonce with a backslash", input.replace(NONCE, "aaaaaaaaaaaaaaaa\\\\")),
        ("no tag", input.replace(";tag=\"doorwarden\"", "")),
        ("another tag", input.replace("doorwarden", "other")),
        ("another algorithm", input.replace("hmac-sha256", "hmac-sha512")),
        ("no algorithm's name", input.replace("hmac-sha256", "none")),
        ("no keyid", input.replace(&format!(";keyid=\"{ACCESS_KEY}\""), "")),
        ("a keyid that is none", input.replace(ACCESS_KEY, "x")),
        ("an unknown parameter", format!("{input};expires=1900000000")),
        ("a parameter without value", format!("{input};x")),
        ("nothing", String::new()),
    ] {
        let mut sent = post();
        sent.set("signature-input", &changed);
        let lines = post().signing_string().unwrap();
        let (front, _) = lines.split_once("\"@signature-params\"").unwrap();
        let params = changed.strip_prefix("sig1=").unwrap_or(&changed);
        let resigned = sent.clone().signed_again(&format!("{front}\"@signature-params\": {params}"));
        assert!(!resigned.accepted(), "{what}");
        if let Some(string) = sent.signing_string() {
            assert!(!sent.signed_again(&string).accepted(), "{what}: signed as it reads");
        }
    }
    let mut without = post();
    without.set("signature-input", &input.replace(";alg=\"hmac-sha256\"", ""));
    let string = without.signing_string().unwrap();
    assert!(without.signed_again(&string).accepted(), "the algorithm needn't be named: there is one");
}

#[test]
fn kp5_fields_that_are_there_twice_or_not_at_all_are_refused() {
    for name in ["signature-input", "signature", "content-digest", "content-type"] {
        let mut twice = post();
        let value = twice.field(name);
        twice.headers.push((name.to_owned(), value.into_bytes()));
        assert!(!twice.accepted(), "{name} twice");
        let mut without = post();
        without.headers.retain(|(known, _)| known != name);
        assert!(!without.accepted(), "{name} missing");
    }
    for digest in ["sha-512=:AAAA:", "", "sha-256=::"] {
        let mut sent = post();
        sent.set("content-digest", digest);
        assert!(!sent.accepted(), "{digest}");
    }
    let mut two = post();
    let digest = two.field("content-digest");
    two.set("content-digest", &format!("{digest}, sha-512=:AAAA:"));
    let string = two.signing_string().unwrap();
    assert!(!two.signed_again(&string).accepted(), "two digests");
}

#[test]
fn kp1_a_query_that_is_empty_is_not_taken_for_none() {
    let none = Sent::signed("GET", "/a", b"");
    assert!(none.accepted());
    let empty = Sent { query: Some(String::new()), ..none };
    assert!(!empty.accepted());
}

fn target() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a"),
        Just("%2F"),
        Just("%2f"),
        Just("/"),
        Just("?"),
        Just("&"),
        Just("a=1"),
        Just("%20"),
        Just(".."),
        Just(";")
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    #[test]
    fn kp1_two_requests_that_differ_never_have_one_signing_string(
        one in target(), other in target(), methods in (0usize..2, 0usize..2), bodies in (0usize..2, 0usize..2),
    ) {
        let method = |n: usize| ["GET", "POST"][n];
        let body = |n: usize| [&br#"{"a":1}"#[..], br#"{"a":2}"#][n];
        let (one, other) = (Sent::signed(method(methods.0), &one, body(bodies.0)), Sent::signed(method(methods.1), &other, body(bodies.1)));
        if let (Some(first), Some(second)) = (one.signing_string(), other.signing_string()) {
            let same = (&one.method, &one.path, &one.query, &one.body) == (&other.method, &other.path, &other.query, &other.body);
            prop_assert_eq!(first == second, same);
        }
    }

    #[test]
    fn whatever_bytes_a_field_holds_nothing_panics(input in proptest::collection::vec(any::<u8>(), 0..200), signature in proptest::collection::vec(any::<u8>(), 0..100)) {
        let headers = [("signature-input", &*input), ("signature", &*signature)];
        let request = SignedRequest { method: "GET", path: "/", query: None, headers: &headers, body: b"" };
        prop_assert!(HttpMessageSignature.read(&request, &public_url()).is_err());
    }

    #[test]
    fn a_field_with_bytes_changed_is_never_accepted(at in 0usize..400, byte in any::<u8>()) {
        let mut sent = post();
        let index = at % 3 + 1;
        let (_, value) = &mut sent.headers[index];
        let at = at % value.len();
        prop_assume!(value[at] != byte);
        value[at] = byte;
        prop_assert!(!sent.accepted());
    }
}
