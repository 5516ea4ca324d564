//! Over an encrypted connection to the server that it was meant for, or not at all.

use doorwarden_mail::SmtpConfig;

use crate::certificates::Authority;
use crate::process::{Options, Server};
use crate::world::World;

/// The address of a server on this machine, under the name that certificates have.
fn config(scheme: &str, login: &str, port: u16) -> SmtpConfig {
    SmtpConfig::parse(&format!("{scheme}://{login}localhost:{port}")).unwrap().always_encrypted()
}

/// By STARTTLS, and by TLS from the first byte.
const BOTH: [(&str, &str); 2] = [("smtp", "starttls"), ("smtps", "tls")];

#[test]
fn a_mail_and_its_log_in_go_encrypted_to_a_server_whose_certificate_is_right() {
    let authority = Authority::new();
    for (scheme, encryption) in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let certificate = authority.certify("localhost");
        let login = (encryption == "starttls").then_some("post:p@ss");
        let options = Options { encryption: Some((encryption, &certificate)), login, ..Options::default() };
        let server = Server::start(folder.path(), &options);
        let given = login.map_or("", |_| "post:p%40ss@");
        let world = World::of(&config(scheme, given, server.port).trusting(authority.pem()));
        world.write_to("ada@example.org");
        assert_eq!(world.deliver(), 0, "{encryption}");
        let user = login.map_or("-", |_| "post");
        let taken = server.taken();
        assert_eq!(taken[0].note, format!("to=ada@example.org encrypted=True user={user}"), "{encryption}");
        assert!(taken[0].text.contains("verify-email?token=3Ddwl_") || taken[0].text.contains("token=dwl_"));
    }
}

#[test]
fn a_mail_stays_in_the_outbox_where_the_certificate_is_not_the_server_s() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (scheme, encryption) in BOTH {
        for (what, name, trusted) in [
            ("another's name", "mail.example.org", Some(&authority)),
            ("an authority that nobody trusts", "localhost", None),
            ("another authority", "localhost", Some(&stranger)),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let certificate = authority.certify(name);
            let options = Options { encryption: Some((encryption, &certificate)), ..Options::default() };
            let server = Server::start(folder.path(), &options);
            let config = config(scheme, "", server.port);
            let config = trusted.map_or(config.clone(), |authority| config.trusting(authority.pem()));
            assert_kept(&World::of(&config), &server, &format!("{encryption}, {what}"));
        }
    }
}

#[test]
fn a_mail_stays_in_the_outbox_where_the_certificate_has_expired() {
    let authority = Authority::new();
    for (scheme, encryption) in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let certificate = authority.certify_expired("localhost");
        let options = Options { encryption: Some((encryption, &certificate)), ..Options::default() };
        let server = Server::start(folder.path(), &options);
        let world = World::of(&config(scheme, "", server.port).trusting(authority.pem()));
        assert_kept(&world, &server, encryption);
    }
}

#[test]
fn a_mail_stays_in_the_outbox_where_the_server_encrypts_nothing() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = Server::start(folder.path(), &Options::default());
    for (scheme, _) in BOTH {
        let world = World::of(&config(scheme, "", server.port).trusting(authority.pem()));
        assert_kept(&world, &server, scheme);
    }
}

/// The server gets no mail, now and later, and the outbox keeps it for when the certificate is mended.
fn assert_kept(world: &World, server: &Server, case: &str) {
    world.write_to("ada@example.org");
    assert_eq!(world.deliver(), 1, "{case}");
    world.pass(7_200);
    assert_eq!(world.deliver(), 1, "{case}: two hours later");
    assert_eq!(world.given_up(), [""; 0], "{case}");
    assert!(server.taken().is_empty(), "{case}");
}
