//! A certificate authority that lives as long as a test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Authority(tempfile::TempDir);

/// The files of a server's certificate and its key.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

const NEW_KEY: [&str; 6] = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = ["-x509", "-subj", "/CN=authority", "-keyout", "authority.key", "-out", "authority.pem"];
        openssl(folder.path(), &[&NEW_KEY[..], &made].concat());
        Self(folder)
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        std::fs::read(self.0.path().join("authority.pem")).unwrap()
    }

    /// A certificate of that name, valid today.
    pub(crate) fn certify(&self, name: &str) -> Certificate {
        self.certify_for(name, "2")
    }

    /// A certificate of that name that ended yesterday.
    pub(crate) fn certify_expired(&self, name: &str) -> Certificate {
        self.certify_for(name, "-1")
    }

    fn certify_for(&self, name: &str, days: &str) -> Certificate {
        let folder = self.0.path();
        std::fs::write(folder.join("names"), format!("subjectAltName=DNS:{name}\n")).unwrap();
        let ask = ["-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"];
        openssl(folder, &[&NEW_KEY[..], &ask].concat());
        let sign = ["x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key"];
        let serial = ["-CAcreateserial", "-days", days, "-extfile", "names", "-out", "server.pem"];
        openssl(folder, &[&sign[..], &serial].concat());
        Certificate { chain: folder.join("server.pem"), key: folder.join("server.key") }
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    let done = done.unwrap_or_else(|e| panic!("openssl can't be started: {e}; `apt-get install openssl` brings it"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
