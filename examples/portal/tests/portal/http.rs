//! A blocking HTTP/1.1 client: one request a connection, the reply as it came.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::Duration;

use serde_json::Value;

/// Longer than any reply takes; a server that hangs ends the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request about to be sent.
#[derive(Clone)]
pub(crate) struct Call {
    address: String,
    start: String,
    headers: String,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(address: &str, method: &str, path: &str) -> Self {
        let start = format!("{method} {path} HTTP/1.1\r\n");
        Self { address: address.to_owned(), start, headers: String::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("content-type", content_type).header("content-length", &length)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// As a browser sends it from a page of the service.
    pub(crate) fn cookie(self, token: &str) -> Self {
        self.header("cookie", &format!("dw_session={token}")).header("sec-fetch-site", "same-origin")
    }

    /// The reply, or what kept it from coming whole.
    pub(crate) fn attempt(self) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!("{}host: {}\r\nconnection: close\r\n{}\r\n", self.start, self.address, self.headers);
        stream.write_all(&[head.as_bytes(), &self.body].concat())?;
        let mut whole = Vec::new();
        stream.read_to_end(&mut whole)?;
        Reply::read(&whole).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    pub(crate) fn send(self) -> Reply {
        let what = self.start.clone();
        self.attempt().unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

/// A reply that was read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// `None` if it was cut.
    fn read(whole: &[u8]) -> Option<Self> {
        let end = whole.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&whole[..end]).ok()?.to_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let reply = Self { status, head, body: whole[end + 4..].to_vec() };
        let bodiless = matches!(status, 204 | 304);
        let body = match (reply.header("content-length"), reply.header("transfer-encoding")) {
            _ if bodiless => Vec::new(),
            (Some(length), _) => reply.body.get(..length.parse().ok()?)?.to_vec(),
            (None, Some("chunked")) => joined(&reply.body)?,
            _ => reply.body.clone(),
        };
        Some(Self { body, ..reply })
    }

    /// The header's value, which must not come twice.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.headers(name);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }

    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {:?}", self.head, self.body))
    }

    /// The problem's code, or the step of a login, or the status.
    pub(crate) fn outcome(&self) -> String {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let named = json["code"].as_str().or(json["status"].as_str());
        named.map_or_else(|| self.status.to_string(), str::to_owned)
    }

    /// A member of the body that is text.
    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {} {}", self.status, self.text())).to_owned()
    }

    /// The session token in the cookie that it sets.
    pub(crate) fn session_cookie(&self) -> String {
        let cookie = self.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {}", self.head));
        cookie.split(['=', ';']).nth(1).unwrap().to_owned()
    }

    pub(crate) fn assert(&self, status: u16, outcome: &str, case: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!((self.status, &*self.outcome()), (status, outcome), "{case}: {text}");
    }
}

fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend(chunks.get(end + 2..end + 2 + length)?);
        chunks = chunks.get(end + 4 + length..)?;
    }
}

/// Runs `one` on `callers` threads that start together; the answers in the callers' order.
pub(crate) fn at_once<T: Send>(callers: usize, one: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(callers);
    std::thread::scope(|scope| {
        let run = |n| {
            barrier.wait();
            one(n)
        };
        let threads: Vec<_> = (0..callers).map(|n| scope.spawn(move || run(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

pub(crate) fn count(answers: &[String], wanted: &str) -> usize {
    answers.iter().filter(|answer| *answer == wanted).count()
}
