use super::reading::Shape;
use super::*;

pub(super) const REALMS: &str = "
[[sso.oidc]]
id = \"corp\"
realm_name = \"Corp\"
issuer = \"https://id.example.org\"
client_id = \"doorwarden\"

[[sso.saml]]
id = \"campus\"
idp_metadata = \"file:idp.xml\"
";

/// Reads a file without judging its values, so that what this build lacks can be looked at too.
fn typed(text: &str) -> Configuration {
    toml::from_str(text).unwrap()
}

fn settings(text: &str) -> Value {
    serde_json::to_value(typed(text)).unwrap()
}

/// Every key, with a value that isn't its default; `sso` keys belong to the realms of [`REALMS`].
const OTHERS: &[(&str, &str)] = &[
    ("public_url", r#""https://id.example.org""#),
    ("preset", r#""nist""#),
    ("store.directory", r#""memory:""#),
    ("store.volatile", r#""redis://127.0.0.1""#),
    ("store.seal_key", r#""env:SEAL""#),
    ("store.seal_keys_old", r#"["file:old.key"]"#),
    ("mail.from", r#""id@example.org""#),
    ("mail.per_hour", "2"),
    ("mail.transport", r#""none""#),
    ("mail.templates", r#""mail-templates""#),
    ("login.modes", r#"["session", "api"]"#),
    ("login.identifiers", r#"["email"]"#),
    ("login.ticket", r#""1m""#),
    ("login.endpoint.url", r#""https://api.example.org""#),
    ("login.endpoint.pinned", "false"),
    ("sign_up.open", "false"),
    ("sign_up.invitation", r#""required""#),
    ("sign_up.verify_email", "false"),
    ("sign_up.username", r#""required""#),
    ("sign_up.full_name", r#""off""#),
    ("sign_up.domains", r#"["example.org"]"#),
    ("sign_up.fields", r#"[{ name = "team", label = "Team" }]"#),
    ("sign_up.fields[].name", r#""team""#),
    ("sign_up.fields[].label", r#""Team""#),
    ("sign_up.fields[].required", "true"),
    ("sign_up.fields[].max_length", "20"),
    ("sign_up.verify_link", r#""1h""#),
    ("sign_up.terms.version", r#""2""#),
    ("sign_up.terms.url", r#""https://example.org/terms""#),
    ("sign_up.privacy.version", r#""2""#),
    ("sign_up.privacy.url", r#""/privacy""#),
    ("sign_up.ask_again_when_terms_change", "false"),
    ("password.min_length", "10"),
    ("password.max_length", "64"),
    ("password.require", "[]"),
    ("password.forbid_common", "true"),
    ("password.forbid_identifiers", "true"),
    ("password.max_age", r#""90d""#),
    ("password.scheme", r#""argon2id""#),
    ("password.bcrypt_cost", "10"),
    ("hashing.threads", "2"),
    ("hashing.queue", "8"),
    ("hashing.max_wait", r#""1s""#),
    ("lockout.max_failures", "3"),
    ("lockout.duration", r#""1h""#),
    ("lockout.forget_after", r#""48h""#),
    ("lockout.escalate", "true"),
    ("lockout.known_browser", "true"),
    ("lockout.notify", "true"),
    ("lockout.tell", "false"),
    ("lockout.per_address.max_failures", "50"),
    ("lockout.per_address.duration", r#""1h""#),
    ("lockout.per_address.window", r#""1h""#),
    ("totp.mode", r#""off""#),
    ("totp.roles", r#"["admin"]"#),
    ("totp.issuer", r#""Corp""#),
    ("totp.drift", "0"),
    ("totp.recovery_codes", "8"),
    ("totp.max_failures", "20"),
    ("session.lifetime", r#""1h""#),
    ("session.idle", r#""1h""#),
    ("session.extendable", "false"),
    ("session.max_lifetime", r#""1d""#),
    ("session.max_concurrent", "3"),
    ("session.max_concurrent_api", "3"),
    ("session.on_conflict", r#""refuse""#),
    ("session.fresh_proof", r#""5m""#),
    ("session.touch_every", r#""10s""#),
    ("session.cache", r#""1s""#),
    ("recovery.enabled", "false"),
    ("recovery.link", r#""10m""#),
    ("recovery.per_hour", "1"),
    ("keypairs.per_user", "1"),
    ("keypairs.clock_skew", r#""1m""#),
    ("keypairs.rotation_overlap", r#""0s""#),
    ("audit.keep", r#""30d""#),
    ("web.prefix", r#""/id""#),
    ("web.trust_proxy", r#"["10.0.0.0/8"]"#),
    ("web.per_address_hour", "0"),
    ("web.metrics", "true"),
    ("console.name", r#""Corp""#),
    ("console.logo", r#""file:logo.svg""#),
    ("console.accent", r##""#00FF00""##),
    ("console.locales", r#"["ko"]"#),
    ("sso.oidc[].id", r#""other""#),
    ("sso.oidc[].realm_name", r#""Other""#),
    ("sso.oidc[].issuer", r#""https://other.example.org""#),
    ("sso.oidc[].client_id", r#""other""#),
    ("sso.oidc[].client_secret", r#""env:SECRET""#),
    ("sso.oidc[].scopes", r#"["openid"]"#),
    ("sso.oidc[].on_unknown", r#""refuse""#),
    ("sso.oidc[].role_claim", r#""groups""#),
    ("sso.oidc[].roles", r#"{ "it-admins" = "admin" }"#),
    ("sso.oidc[].second_factor", r#"["mfa"]"#),
    ("sso.saml[].id", r#""other""#),
    ("sso.saml[].label", r#""Login with Campus""#),
    ("sso.saml[].idp_metadata", r#""url:https://id.example.org/metadata""#),
    ("sso.saml[].entity_id", r#""https://sp.example.org""#),
    ("sso.saml[].sign_requests", "false"),
    ("sso.saml[].want_assertions_signed", "false"),
    ("sso.saml[].allow_idp_initiated", "true"),
    ("sso.saml[].attributes.email", r#""email""#),
    ("sso.saml[].attributes.full_name", r#""cn""#),
    ("sso.saml[].attributes.username", r#""sam""#),
    ("sso.saml[].role_claim", r#""groups""#),
    ("sso.saml[].roles", r#"{ "it-admins" = "admin" }"#),
    ("sso.saml[].second_factor", r#"["urn:mfa"]"#),
    ("sso.saml[].on_unknown", r#""link_verified_email""#),
];

/// A file with the realms and one custom field, and one key of it set.
fn with(key: &str, value: &str) -> String {
    let base = format!("sign_up.fields = [{{ name = \"room\", label = \"Room\" }}]\n{REALMS}");
    let mut table: toml::Table = toml::from_str(&base).unwrap();
    let value: toml::Table = toml::from_str(&format!("value = {value}")).unwrap();
    let mut at = &mut table;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            at.insert(part.to_owned(), value["value"].clone());
            break;
        }
        at = match part.strip_suffix("[]") {
            Some(list) => at[list].as_array_mut().unwrap()[0].as_table_mut().unwrap(),
            None => at.entry(part).or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap(),
        };
    }
    toml::to_string(&table).unwrap()
}

#[test]
fn every_key_of_the_schema_is_in_the_table_of_other_values() {
    let mut table: Vec<_> =
        OTHERS.iter().map(|(key, _)| (*key).to_owned()).filter(|key| key != "sign_up.fields").collect();
    let mut keys = Shape::of_file().keys();
    table.sort();
    keys.sort();
    assert_eq!(table, keys);
}

#[test]
fn every_key_is_read_and_changes_what_is_said() {
    let base = with("preset", "\"classic\"");
    let said = |configuration: &Configuration| (configuration.explain(), configuration.problems());
    for (key, value) in OTHERS {
        let changed = with(key, value);
        assert_ne!(settings(&changed), settings(&base), "{key}");
        assert_ne!(said(&typed(&changed)), said(&typed(&base)), "{key}");
        // Whatever else is refused, it is the key and its type that are understood.
        if let Err(error) = Configuration::parse(&changed, "f") {
            let lacks = |problem: &ConfigurationProblem| problem.says.contains("not available in this build");
            let pair = |problem: &ConfigurationProblem| {
                problem
                    .key
                    .as_deref()
                    .is_some_and(|key| key.contains("terms") || key.contains("privacy") || key.ends_with("roles"))
            };
            assert!(error.problems().iter().all(|problem| lacks(problem) || pair(problem)), "{key}: {error}");
        }
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    for (key, json) in [
        ("public_url", r#""http://127.0.0.1:8080""#),
        ("preset", r#""classic""#),
        (
            "store",
            r#"{"directory":"sqlite:doorwarden.db","volatile":"same","seal_key":"file:doorwarden.key","seal_keys_old":[]}"#,
        ),
        ("mail", r#"{"from":"no-reply@localhost","per_hour":3,"transport":"dir:mail","templates":""}"#),
        (
            "login",
            r#"{"modes":["session"],"identifiers":["email","username"],"ticket":"5m","endpoint":{"url":"","pinned":true}}"#,
        ),
        (
            "sign_up",
            r#"{"open":true,"invitation":"off","verify_email":true,"username":"optional","full_name":"optional","domains":[],"fields":[],"verify_link":"1d","terms":{"version":"","url":""},"privacy":{"version":"","url":""},"ask_again_when_terms_change":true}"#,
        ),
        (
            "password",
            r#"{"min_length":8,"max_length":128,"require":["letter","digit","special"],"forbid_common":false,"forbid_identifiers":false,"max_age":"never","scheme":"bcrypt","bcrypt_cost":12}"#,
        ),
        ("hashing", r#"{"threads":0,"queue":64,"max_wait":"5s"}"#),
        (
            "lockout",
            r#"{"max_failures":10,"duration":"20m","forget_after":"1d","escalate":false,"known_browser":false,"notify":false,"tell":true,"per_address":{"max_failures":0,"duration":"20m","window":"10m"}}"#,
        ),
        (
            "totp",
            r#"{"mode":"optional","roles":[],"issuer":"doorwarden","drift":1,"recovery_codes":10,"max_failures":0}"#,
        ),
        (
            "session",
            r#"{"lifetime":"8h","idle":"off","extendable":true,"max_lifetime":"7d","max_concurrent":1,"max_concurrent_api":10,"on_conflict":"ask","fresh_proof":"10m","touch_every":"1m","cache":"off"}"#,
        ),
        ("recovery", r#"{"enabled":true,"link":"30m","per_hour":3}"#),
        ("keypairs", r#"{"per_user":5,"clock_skew":"15m","rotation_overlap":"1d"}"#),
        ("audit", r#"{"keep":"400d"}"#),
        ("web", r#"{"prefix":"/auth","trust_proxy":[],"per_address_hour":60,"metrics":false}"#),
        ("console", r##"{"name":"doorwarden","logo":"","accent":"#2f6feb","locales":["en","ko"]}"##),
        ("sso", r#"{"oidc":[],"saml":[]}"#),
    ] {
        assert_eq!(settings("")[key], serde_json::from_str::<Value>(json).unwrap(), "{key}");
    }
    assert_eq!(settings("").as_object().unwrap().len(), 17);
    let realms = &settings(REALMS)["sso"];
    let oidc = r#"{"id":"corp","realm_name":"Corp","issuer":"https://id.example.org","client_id":"doorwarden","scopes":["openid","email","profile"],"on_unknown":"create","role_claim":"","roles":{},"second_factor":[]}"#;
    assert_eq!(realms["oidc"][0], serde_json::from_str::<Value>(oidc).unwrap());
    let saml = r#"{"id":"campus","label":"Login with SAML","idp_metadata":"file:idp.xml","entity_id":"","sign_requests":true,"want_assertions_signed":true,"allow_idp_initiated":false,"attributes":{"email":"mail","full_name":"displayName","username":"uid"},"role_claim":"","roles":{},"second_factor":[],"on_unknown":"create"}"#;
    assert_eq!(realms["saml"][0], serde_json::from_str::<Value>(saml).unwrap());
}

#[test]
fn the_default_file_says_the_defaults_with_every_key() {
    let file = Configuration::default_toml();
    let read = Configuration::parse(file, "doorwarden.toml").unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), settings(""));
    // The realms are commented out; taken in, they have every key too.
    let (_, realms) = file.split_once("# [[sso.oidc]]").unwrap();
    let realms: String =
        format!("# [[sso.oidc]]{realms}").lines().map(|line| format!("{}\n", line.trim_start_matches("# "))).collect();
    let table: toml::Table = toml::from_str(&format!("{file}\n{realms}")).unwrap();
    for key in Shape::of_file().keys().iter().filter(|key| !key.contains("fields[]")) {
        let pointer = format!("/{}", key.replace("[].", "/0/").replace('.', "/"));
        assert!(serde_json::to_value(&table).unwrap().pointer(&pointer).is_some(), "{key}");
    }
}

#[test]
fn the_default_policy_is_the_cores_own() {
    assert_eq!(Configuration::default().policy(), Policy::default());
    assert_eq!(Configuration::default().problems(), []);
    assert_eq!(Configuration::default().weaknesses(), []);
}

#[test]
fn relative_paths_begin_beside_the_file() {
    let text = "console.logo = \"file:img/logo.svg\"\nstore.directory = \"sqlite:/var/lib/dw.db\"";
    let configuration = Configuration::parse(text, "/etc/dw/doorwarden.toml").unwrap();
    assert_eq!(configuration.directory(), Some(DirectoryPlace::Sqlite("/var/lib/dw.db".into())));
    assert_eq!(configuration.logo(), Some("/etc/dw/img/logo.svg".into()));
    assert_eq!(configuration.mail_folder(), Some("/etc/dw/mail".into()));
    assert_eq!(configuration.policy().mail.transport, "dir:/etc/dw/mail");
    let data = Configuration::default_in("data");
    assert_eq!(data.directory(), Some(DirectoryPlace::Sqlite("data/doorwarden.db".into())));
    let folder = tempfile::tempdir().unwrap();
    Configuration::default_in(folder.path()).seal_keys().unwrap();
    assert!(folder.path().join("doorwarden.key").exists());
}

#[test]
fn what_the_file_sets_is_known_even_where_it_is_the_default() {
    let configuration = Configuration::parse("public_url = \"http://127.0.0.1:8080\"", "f").unwrap();
    assert!(configuration.is_given("public_url") && !configuration.is_given("preset"));
}

#[test]
fn without_mails_no_address_is_verified_and_check_says_so() {
    let configuration = Configuration::parse("mail.transport = \"none\"", "f").unwrap();
    assert!(!configuration.policy().sign_up.verify_email);
    assert!(configuration.weaknesses().iter().any(|weakness| weakness.row == "PH1"));
}

#[test]
fn gu9_a_proxy_range_of_everyone_is_named() {
    let configuration = Configuration::parse("web.trust_proxy = [\"::/0\"]", "f").unwrap();
    let named: Vec<_> = configuration.weaknesses().iter().map(|weakness| (weakness.row, weakness.key)).collect();
    assert_eq!(named, [("GU9", "web.trust_proxy")]);
}

#[test]
fn fa11_redis_on_another_machine_in_the_clear_is_named() {
    let named = |volatile: &str| {
        let text = format!("store.volatile = \"{volatile}\"");
        let configuration = Configuration::parse(&text, "f").unwrap_or_else(|error| panic!("{volatile}: {error}"));
        configuration.weaknesses().iter().map(|weakness| (weakness.row, weakness.key)).collect::<Vec<_>>()
    };
    for clear in ["redis://10.0.0.1", "redis://u:p@redis.example.org/2", "redis-cluster://127.0.0.1,10.0.0.1:7000"] {
        assert_eq!(named(clear), [("FA11", "store.volatile")], "{clear}");
    }
    let private =
        ["same", "redis://127.0.0.1:7000", "redis://[::1]", "redis://localhost", "rediss://10.0.0.1?cacert=ca"];
    for private in private.into_iter().chain(["rediss-cluster://u:p@a.example.org,b.example.org:7000"]) {
        assert_eq!(named(private), [], "{private}");
    }
}

#[test]
fn fa4_explain_says_where_redis_is_and_not_with_which_password() {
    let text = "store.volatile = \"redis-cluster://u:hunter2@a.example.org,b.example.org:7000\"";
    let sentences = Configuration::parse(text, "f").unwrap().explain();
    let sentence = sentences.iter().find(|sentence| sentence.keys == ["store.volatile"]).unwrap();
    assert_eq!(sentence.says, "Sessions, lockouts and tickets are kept in Redis at a.example.org, b.example.org:7000");
}

#[test]
fn sentences_follow_the_order_of_the_file() {
    let sections: Vec<_> = Configuration::default().explain().iter().map(|sentence| sentence.section()).collect();
    let mut grouped = sections.clone();
    grouped.dedup();
    let file: Vec<_> = ["public_url", "preset"]
        .into_iter()
        .chain(Configuration::default_toml().lines().filter_map(|line| {
            line.trim_start_matches("# ").strip_prefix('[')?.trim_start_matches('[').split([']', '.']).next()
        }))
        .collect();
    let mut order = file.clone();
    order.dedup();
    assert_eq!(grouped, order);
}

/// The reference's rows: key, type, default.
fn documented() -> Vec<(String, String)> {
    let (_, sections) = include_str!("../../../../docs/configuration.md").split_once("\n## ").unwrap();
    let rows = sections.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned()).collect();
        assert_eq!(cells.len(), 6, "{row}");
        (cells[0].clone(), cells[2].clone())
    })
    .collect()
}

#[test]
fn the_reference_has_every_key_and_no_other() {
    let mut keys = Shape::of_file().keys();
    let mut documented: Vec<_> = documented().into_iter().map(|(key, _)| key).collect();
    keys.sort();
    documented.sort();
    assert_eq!(documented, keys);
}

#[test]
fn the_reference_says_the_defaults() {
    let realms = format!("sign_up.fields = [{{ name = \"a\", label = \"A\" }}]\n{REALMS}");
    for (key, default) in documented().iter().filter(|(_, default)| !matches!(default.as_str(), "required" | "none")) {
        let read = if key.contains("[]") { settings(&realms) } else { settings("") };
        let pointer = format!("/{}", key.replace("[].", "/0/").replace('.', "/"));
        // Through the reader, which knows that 24h is 1d.
        let file = if key.contains("[]") { realms.clone() } else { format!("{key} = {default}") };
        let from_page = if key.contains("[]") {
            serde_json::from_str(default).unwrap()
        } else {
            settings(&file).pointer(&pointer).unwrap().clone()
        };
        assert_eq!(read.pointer(&pointer), Some(&from_page), "{key}");
    }
}

#[test]
fn the_preset_nist_applies_where_the_file_is_silent() {
    let read = |text: &str| Configuration::parse(text, "f").unwrap();
    let nist = read("preset = \"nist\"").policy();
    let (password, lockout, totp, session) = (&nist.password, &nist.lockout, &nist.totp, &nist.session);
    assert_eq!((password.min_length, password.require.len()), (8, 0), "everybody has a second factor");
    assert!(password.forbid_common && password.forbid_identifiers && lockout.escalate && lockout.known_browser);
    assert!(lockout.tell && !lockout.notify && lockout.max_failures == 10);
    assert_eq!((totp.mode, totp.max_failures), (doorwarden_core::totp::TotpMode::Required, 20));
    let hours = |hours: u64| std::time::Duration::from_secs(hours * 3_600);
    assert_eq!((session.lifetime, session.idle, session.max_lifetime), (hours(8), Some(hours(1)), hours(24)));
    assert_eq!(nist.recovery.link, std::time::Duration::from_secs(600));
    // Every other key is as under classic.
    let classic = Policy::default().settings();
    let mut back = nist.settings();
    for (key, _) in doorwarden_core::policy::nist(true) {
        let pointer = format!("/{}", key.replace('.', "/"));
        *back.pointer_mut(&pointer).unwrap() = classic.pointer(&pointer).unwrap().clone();
    }
    assert_eq!(back, classic);
}

#[test]
fn a_file_s_own_keys_override_the_preset_and_15_characters_stand_in_for_a_second_factor() {
    let min_length = |text: &str| {
        let text = format!("preset = \"nist\"\n{text}");
        Configuration::parse(&text, "f").unwrap().policy().password.min_length
    };
    for (text, expected) in [
        ("", 8),
        ("totp.mode = \"required\"", 8),
        ("totp.mode = \"optional\"", 15),
        ("totp.roles = [\"admin\"]", 15),
        ("totp.roles = []", 8),
        ("totp.mode = \"optional\"\npassword.min_length = 12", 12),
    ] {
        assert_eq!(min_length(text), expected, "{text}");
    }
    let policy = Configuration::parse("preset = \"nist\"\n[lockout]\nescalate = false\n", "f").unwrap().policy();
    assert!(!policy.lockout.escalate && policy.lockout.known_browser);
}

#[test]
fn explain_prints_the_difference_between_the_presets_and_what_holds() {
    let told = |text: &str| -> Vec<String> {
        Configuration::parse(text, "f").unwrap().explain().iter().map(ToString::to_string).collect()
    };
    for (text, sentence) in [
        ("", "lockout.escalate is false under classic and true under nist; here it is false (preset)"),
        ("preset = \"nist\"", "lockout.escalate is false under classic and true under nist; here it is true (preset)"),
        ("", "password.min_length is 8 under classic and 15 under nist; here it is 8 (preset)"),
        (
            "preset = \"nist\"",
            "recovery.link is \"30m\" under classic and \"10m\" under nist; here it is \"10m\" (preset)",
        ),
    ] {
        assert!(told(text).iter().any(|told| told == sentence), "{sentence}: {:#?}", told(text));
    }
}
