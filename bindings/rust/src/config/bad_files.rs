use super::tests::REALMS;
use super::*;

fn refused(text: &str) -> Vec<String> {
    let error = Configuration::parse(text, "doorwarden.toml").map(|_| ()).unwrap_err();
    error.to_string().lines().map(|line| line.strip_prefix("doorwarden.toml:").unwrap_or(line).to_owned()).collect()
}

#[test]
fn cf1_a_bad_file_is_refused_with_file_line_key_value_and_what_is_allowed() {
    let sections = "audit, console, hashing, keypairs, lockout, login, mail, password, preset, public_url, recovery, session, sign_up, sso, store, totp, web";
    for (text, messages) in [
        ("session.max_concurrent = 0", &["1: session.max_concurrent = 0: allowed is 1 or more"][..]),
        (
            "\n[session]\n\nmax_concurrent = \"1\"",
            &["4: session.max_concurrent = \"1\": allowed is a whole number, 0 or more"],
        ),
        ("[session]\nmax_concurrent = -1", &["2: session.max_concurrent = -1: allowed is a whole number, 0 or more"]),
        ("[session]\nmax_concurrent = 1.5", &["2: session.max_concurrent = 1.5: allowed is a whole number, 0 or more"]),
        (
            "[session]\nmax_concurrent = 2000-01-01",
            &["2: session.max_concurrent = 2000-01-01: allowed is a whole number, 0 or more"],
        ),
        ("[session]\nextendable = 1", &["2: session.extendable = 1: allowed is true or false"]),
        ("[session]\nlifetime = 8", &["2: session.lifetime = 8: allowed is a text in quotes"]),
        (
            "[session]\nlifetime = \"8 hours\"",
            &[
                "2: session.lifetime = \"8 hours\": allowed is a whole number and a unit: ms, s, m, h or d, such as \"5m\"; at most 100 years",
            ],
        ),
        (
            "[session]\nidle = \"never\"",
            &[
                "2: session.idle = \"never\": allowed is \"off\", or a whole number and a unit: ms, s, m, h or d, such as \"5m\"; at most 100 years",
            ],
        ),
        (
            "[session]\non_conflict = \"kick\"",
            &["2: session.on_conflict = \"kick\": allowed is one of \"ask\", \"refuse\", \"end_oldest\", \"allow\""],
        ),
        (
            "[login]\nmodes = [\n  \"session\",\n  \"sesion\",\n]",
            &["4: login.modes[1] = \"sesion\": allowed is \"session\" or \"api\""],
        ),
        ("[login]\nmodes = \"session\"", &["2: login.modes = \"session\": allowed is a list in brackets"]),
        ("session = 3", &["1: session = 3: allowed is a table"]),
        (
            "[session]\nmax_lifetime = \"1h\"",
            &["2: session.lifetime = \"8h\": allowed is at most session.max_lifetime, which is \"1h\""],
        ),
        (
            "[session]\nlifetime = \"8d\"",
            &["2: session.lifetime = \"8d\": allowed is at most session.max_lifetime, which is \"7d\""],
        ),
        (
            "[session]\nlifetme = \"1h\"",
            &[
                "2: session.lifetme: unknown key: did you mean lifetime? allowed is cache, extendable, fresh_proof, idle, lifetime, max_concurrent, max_concurrent_api, max_lifetime, on_conflict, touch_every",
            ],
        ),
        (
            "max_concurrent = 1",
            &[&format!("1: max_concurrent: unknown key: did you mean session.max_concurrent? allowed is {sections}")],
        ),
        (
            "[sesion]\nlifetime = \"1h\"",
            &[&format!("1: sesion: unknown key: did you mean session? allowed is {sections}")],
        ),
        ("[a.b]", &[&format!("1: a: unknown key: allowed is {sections}")]),
        (
            "[sign_up]\nterms = { version = \"1\", link = \"x\" }",
            &["2: sign_up.terms.link: unknown key: did you mean recovery.link? allowed is url, version"],
        ),
        (
            "public_url = \"example.org\"",
            &[
                "1: public_url = \"example.org\": allowed is http:// or https://, a host and a port, without path, query or user",
            ],
        ),
        (
            "[store]\ndirectory = \"mysql://u:secret@h/d\"",
            &["2: store.directory = \"mysql://…@h/d\": allowed is sqlite:PATH, postgres://… or memory:"],
        ),
        (
            "[store]\nvolatile = \"redis-cluster://u:secret@h1,,h2\"",
            &[
                "2: store.volatile = \"redis-cluster://…@h1,,h2\": allowed is same, redis://…, rediss://… or redis-cluster://HOST,HOST",
            ],
        ),
        (
            "[store]\nseal_key = \"c2VjcmV0\"",
            &["2: store.seal_key = …: allowed is file:PATH or env:NAME, never the secret itself"],
        ),
        (
            "[store]\nseal_keys_old = [\"file:a\", \"c2VjcmV0\"]",
            &["2: store.seal_keys_old[1] = …: allowed is file:PATH or env:NAME, never the secret itself"],
        ),
        (
            "[store]\nseal_keys_old = [\"file:doorwarden.key\"]",
            &["2: store.seal_keys_old[0] = \"file:doorwarden.key\": allowed is each key once, and not store.seal_key"],
        ),
        (
            "[mail]\ntransport = \"none\"\n[sign_up]\nverify_email = true",
            &["4: sign_up.verify_email = true: allowed is false while mail.transport is \"none\""],
        ),
        (
            "[sign_up]\ndomains = [\n\"a.b\",\n\"no domain\",\n]",
            &["4: sign_up.domains[1] = \"no domain\": allowed is a domain such as example.org"],
        ),
        ("[[sign_up.fields]]\nname = \"a\"", &["1: sign_up.fields[0].label: missing"]),
        (
            "[[sign_up.fields]]\nname = \"a\"\nlabel = \"A\"\n[[sign_up.fields]]\nname = \"b\"\nlabel = 2",
            &["6: sign_up.fields[1].label = 2: allowed is a text in quotes"],
        ),
        (
            "[[sign_up.fields]]\nname = \"a\"\nlabel = \"A\"\n[[sign_up.fields]]\nname = \"a\"\nlabel = \"A\"",
            &["5: sign_up.fields[1].name = \"a\": allowed is each name once"],
        ),
        (
            "[[sign_up.fields]]\nname = \"a\"\nlabel = \"A\"\nmax = 3",
            &["4: sign_up.fields[0].max: unknown key: allowed is label, max_length, name, required"],
        ),
        (
            "[web]\nprefix = \"/auth/\"",
            &["2: web.prefix = \"/auth/\": allowed is a path such as /auth, without a slash at the end"],
        ),
        (
            "[web]\nprefix = \"/\"",
            &["2: web.prefix = \"/\": allowed is a path such as /auth, without a slash at the end"],
        ),
        (
            "[web]\ntrust_proxy = [\"10.0.0.1/8\"]",
            &[
                "2: web.trust_proxy[0] = \"10.0.0.1/8\": allowed is an IP address, or a range that begins at its first address, such as 10.0.0.0/8",
            ],
        ),
        ("[console]\naccent = \"blue\"", &["2: console.accent = \"blue\": allowed is a colour such as #2f6feb"]),
        (
            "[console]\nlocales = [\"en\", \"de\"]",
            &["2: console.locales = [\"en\", \"de\"]: allowed is at least one of \"en\", \"ko\", each once"],
        ),
        ("[console]\nlocales = []", &["2: console.locales = []: allowed is at least one of \"en\", \"ko\", each once"]),
        ("[console]\nlogo = \"logo.svg\"", &["2: console.logo = \"logo.svg\": allowed is file:PATH, or empty"]),
        ("[console]\nname = \"a\\nb\"", &["2: console.name = \"a\\nb\": allowed is 1 to 100 characters on one line"]),
        (
            "preset = \"nist\"\n[password]\nmax_age = \"90d\"",
            &[
                "3: password.max_age = \"90d\": allowed is \"never\" under preset = \"nist\": NIST SP 800-63B-4 wants no password to expire",
            ],
        ),
        (
            "preset = \"nist\"\n[session]\nlifetime = \"2d\"",
            &["3: session.lifetime = \"2d\": allowed is at most session.max_lifetime, which is \"1d\""],
        ),
        ("preset = \"strict\"", &["1: preset = \"strict\": allowed is \"classic\" or \"nist\""]),
        (
            "[session]\ncache = \"1s\"",
            &["2: session.cache = \"1s\": allowed is \"off\": anything else is not available in this build"],
        ),
        (
            REALMS,
            &[
                "2: sso.oidc = [1 entry]: allowed is []: anything else is not available in this build",
                "8: sso.saml = [1 entry]: allowed is []: anything else is not available in this build",
            ],
        ),
        (
            "[[sso.oidc]]\nid = \"c\"\nrealm_name = \"C\"\nissuer = \"https://a.b\"\nclient_id = \"d\"\nclient_secret = \"hunter2\"",
            &["6: sso.oidc[0].client_secret = …: allowed is file:PATH or env:NAME, never the secret itself"],
        ),
        ("[session\nlifetime = \"1h\"", &["1: unclosed table, expected `]`"]),
        ("[session]\nlifetime = \"1h\"\nlifetime = \"2h\"", &["3: duplicate key"]),
        (
            "[session]\nlifetime = 1h\nidle = off",
            &[
                "2: string values must be quoted, expected literal string",
                "3: string values must be quoted, expected literal string",
            ],
        ),
        ("[session]\nlifetime = \"1h", &["2: invalid basic string, expected `\"`"]),
        ("a = \"\\q\"", &["1: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\\`, `\"`, `x`, `u`, `U`"]),
        (
            "[login]\nmodes = [\"a\", \"b\"]",
            &[
                "2: login.modes[0] = \"a\": allowed is \"session\" or \"api\"",
                "2: login.modes[1] = \"b\": allowed is \"session\" or \"api\"",
            ],
        ),
    ] {
        assert_eq!(refused(text), messages, "{text}");
    }
}

#[test]
fn all_problems_are_named_at_once_in_the_order_of_the_file() {
    let text = "
[session]
max_concurrent = 0
lifetime = 8

[password]
bcrypt_cost = 99
min_lenght = 9

[web]
prefix = \"auth\"

[lockout]
duration = \"0s\"
max_failures = 0
";
    let keys: Vec<_> =
        refused(text).iter().map(|line| line.split([' ', '=']).take(2).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "3: session.max_concurrent",
        "4: session.lifetime",
        "7: password.bcrypt_cost",
        "8: password.min_lenght:",
        "11: web.prefix",
        "14: lockout.duration",
        "15: lockout.max_failures",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn fa4_no_message_holds_a_secret() {
    let text = "
[store]
directory = \"mysql://u:hunter2@h/d\"
volatile = \"redis://:hunter2@h\"
seal_key = \"hunter2\"
seal_keys_old = [\"hunter2\", 3]
[mail]
transport = \"smtp://u:hunter2@h\"
[[sso.oidc]]
client_secret = \"hunter2\"
";
    let messages = refused(text);
    assert!(messages.len() >= 4, "{messages:?}");
    assert!(messages.iter().all(|message| !message.contains("hunter2")), "{messages:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Configuration::load("/no/such/doorwarden.toml").map(|_| ()).unwrap_err();
    let expected = "/no/such/doorwarden.toml: the file can't be read: No such file or directory (os error 2)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_cut_anywhere_is_read_or_refused() {
    let file = Configuration::default_toml().replace("# [[", "[[").replace("\n# ", "\n");
    for at in (0..file.len()).step_by(13).filter(|at| file.is_char_boundary(*at)) {
        let _ = Configuration::parse(&file[..at], "f");
        let _ = Configuration::parse(&file[at..], "f");
    }
    let deep = format!("a = {}", "[".repeat(10_000));
    assert!(Configuration::parse(&deep, "f").is_err());
    assert!(Configuration::parse(&format!("[{}]", ["a"; 10_000].join(".")), "f").is_err());
}
