//! The key `web.metrics` opens the metrics of the whole program.

use crate::process::{Folder, PASSWORD, WITHOUT_MAILS};

#[test]
fn metrics_are_read_where_the_key_opens_them_and_nowhere_else() {
    let folder = Folder::new(WITHOUT_MAILS);
    let portal = folder.start();
    assert_eq!(portal.get("/auth/metrics").send().status, 404);
    portal.stop();
    folder.configure(&format!("{WITHOUT_MAILS}web.metrics = true\n"));
    let portal = folder.start();
    assert_eq!(portal.sign_up("ada@example.org").status, 201);
    let token = portal.login("ada@example.org", PASSWORD).member("token");
    let page = portal.get("/auth/metrics").send();
    assert_eq!(page.status, 200);
    for sample in [
        "doorwarden_sessions_opened_total 1\n",
        "doorwarden_login_steps_total{outcome=\"logged_in\"} 1\n",
        "doorwarden_outbox_waiting 0\n",
    ] {
        assert!(page.text().contains(sample), "{sample} is missing in {}", page.text());
    }
    for secret in [&*token, PASSWORD, "ada@"] {
        assert!(!page.text().contains(secret), "{secret}");
    }
}
