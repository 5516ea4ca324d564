use super::*;

fn letters() -> impl Iterator<Item = (MailKind, Language, Json, Letter)> {
    let cases = MailKind::ALL.iter().flat_map(|kind| Language::ALL.map(|language| (*kind, language)));
    cases.flat_map(|(kind, language)| {
        examples(kind).unwrap().into_iter().map(move |facts| {
            let context = Value::from(Serde(context(&EXAMPLE, language, &facts)));
            let letter = BUILT_IN.render(kind, language, &context);
            let letter = letter.unwrap_or_else(|error| panic!("{kind:?} {language:?}: {error:?}"));
            (kind, language, facts, letter)
        })
    })
}

#[test]
fn every_kind_has_a_template_in_every_language_and_every_template_a_kind() {
    let mut expected: BTreeSet<_> = ["layout.html", "layout.txt"].map(str::to_owned).into();
    for kind in MailKind::ALL {
        expected.extend(Language::ALL.map(|language| format!("{}.{}", kind.name(), language.tag())));
    }
    assert_eq!(OURS.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_mail_is_whole_in_every_language() {
    for (kind, language, facts, letter) in letters() {
        let shown = format!("{kind:?} {language:?}: {letter:#?}");
        assert_eq!(lack(&letter, &facts), None, "{shown}");
        assert_eq!(letter.subject.lines().count(), 1, "{shown}");
        assert!(letter.subject.starts_with("Example <dw-raw>: "), "{shown}");
        for part in [&letter.text, &letter.html] {
            assert!(!part.contains("{{") && !part.contains("{%"), "{shown}");
            let korean = part.chars().any(|c| ('가'..='힣').contains(&c));
            assert_eq!(korean, language == Language::Korean, "{shown}");
            // What a mail loads or leads to is the service itself.
            let addresses = part.match_indices("://").count();
            assert_eq!(part.matches("https://id.example.org").count(), addresses, "{shown}");
        }
        assert!(!letter.text.contains("none"), "{shown}");
        for never in ["<img", "<link", "<script", "@import", "url(", "src="] {
            assert!(!letter.html.contains(never), "{never}: {shown}");
        }
        assert!(letter.html.contains(&format!("<html lang=\"{}\">", language.tag())), "{shown}");
        assert!(letter.html.lines().chain(letter.text.lines()).all(|line| line.len() < 998), "{shown}");
    }
}

#[test]
fn ph5_each_link_stands_with_its_time_and_client_in_both_parts() {
    let link = |n: u32| {
        let url = format!("https://id.example.org/verify-email?token=dwl_{n}&x=<");
        serde_json::json!({ "url": url, "asked_at": EXAMPLE.at, "from_address": "203.0.113.9", "works_for": 86_400 })
    };
    let facts = serde_json::json!({ "links": [link(1), link(2)] });
    let written = |language| BUILT_IN.write(MailKind::VerifyEmail, language, &EXAMPLE, &facts).unwrap();
    let letter = written(Language::English);
    for n in 1..=2 {
        assert!(
            letter.text.contains(&format!("\nhttps://id.example.org/verify-email?token=dwl_{n}&x=<\n")),
            "{letter:?}"
        );
        assert!(letter.html.contains(&format!("token=dwl_{n}&amp;x=&lt;")), "{letter:?}");
    }
    let when = "asked for on 2027-01-15 08:00 UTC from 203.0.113.9; works for 24 h";
    assert_eq!(letter.text.matches(when).count(), 2, "{letter:?}");
    assert_eq!(letter.html.matches(when).count(), 2, "{letter:?}");
    assert!(written(Language::Korean).text.contains("요청 주소 203.0.113.9, 24시간 동안 유효"));
}

#[test]
fn english_mails_are_plain_ascii_so_that_a_link_in_a_file_can_be_copied() {
    for (_, _, _, letter) in letters().filter(|(_, language, ..)| *language == Language::English) {
        assert!(letter.text.is_ascii() && letter.html.is_ascii(), "{letter:?}");
    }
}

#[test]
fn re5_text_is_escaped_in_the_html_part() {
    let heading = Heading { service: "Ex\r\nBcc: eve@example.org <b>&\"'\u{202e}", ..EXAMPLE };
    let facts = examples(MailKind::TotpReset).unwrap().remove(0);
    let letter = MailTemplates::default().write(MailKind::TotpReset, Language::English, &heading, &facts).unwrap();
    assert_eq!(letter.subject, "Ex  Bcc: eve@example.org <b>&\"': two-factor authentication was reset");
    assert!(letter.html.contains("Ex  Bcc: eve@example.org &lt;b&gt;&amp;&quot;&#39;"), "{}", letter.html);
    assert!(!letter.text.lines().any(|line| line.starts_with("Bcc")), "{}", letter.text);
}

fn refused(file: &str, source: &str) -> Vec<String> {
    MailTemplates::replacing([(file, source)]).unwrap_err().iter().map(ToString::to_string).collect()
}

const HEAD: &str = "{% extends layout %}\n{% block subject %}Hi{% endblock %}\n";

#[test]
fn what_is_wrong_with_a_template_is_told_with_file_line_and_what_is_allowed() {
    let file = "reset-password.en.jinja";
    let allowed = "accent, at, language, link, on_accent, service, url";
    for (source, says) in [
        (format!("{HEAD}\n{{{{ nmae }}}}"), format!("{file}:4: unknown variable nmae: allowed is {allowed}")),
        (
            format!("{HEAD}{{% if false %}}{{{{ nmae }}}}{{% endif %}}"),
            format!("{file}:3: unknown variable nmae: allowed is {allowed}"),
        ),
        (
            format!("{HEAD}{{% block body %}}{{% endblock %}}"),
            format!(
                "{file}: the link \"https://id.example.org/reset-password?token=dwl_example\" is missing: allowed is button(link.url, \"label\") for each link"
            ),
        ),
    ] {
        assert_eq!(refused(file, &source), [says], "{source}");
    }
    for (body, line, says) in [
        ("{% block body %}\n{{ link.url", 4, "syntax error"),
        ("{% block body %}\n\n{{ link.uri }}{% endblock %}", 5, "undefined value"),
        ("{% block body %}{{ link | safe }}{% endblock %}", 3, "unknown filter"),
        ("{% block body %}{% for n in range(99999) %}{{ n }}{{ service }}{% endfor %}{% endblock %}", 3, "fuel"),
        ("{% block body %}{{ button(\"javascript:x\", \"y\") }}{% endblock %}", 3, "http or https address"),
    ] {
        let told = refused(file, &format!("{HEAD}{body}"));
        assert!(told[0].starts_with(&format!("{file}:{line}: ")) && told[0].contains(says), "{body}: {told:?}");
    }
}

#[test]
fn re5_a_template_that_switches_escaping_off_is_refused() {
    let body = "{% block body %}{% autoescape false %}{{ service }}{% endautoescape %}{{ button(link.url, \"x\") }}{% endblock %}";
    let told = refused("reset-password.en.jinja", &format!("{HEAD}{body}"));
    assert!(told[0].contains("isn't escaped"), "{told:?}");
}

#[test]
fn a_file_of_another_name_is_refused_and_the_names_are_told() {
    let told = refused("verify-mail.en.jinja", "");
    assert!(told[0].starts_with("verify-mail.en.jinja: no such template: allowed is layout.html.jinja, "), "{told:?}");
    assert!(refused("layout.txt.jinja", &"x".repeat(LARGEST_TEMPLATE + 1))[0].contains("at most 65536 bytes"));
}

#[test]
fn a_layout_is_tried_on_every_mail() {
    let told = refused("layout.html.jinja", "<html>{{ service }}</html>");
    assert!(told.iter().any(|says| says.contains("is missing")), "{told:?}");
    let own = "{% set body %}{% block body %}{% endblock %}{% endset %}{% block subject %}{% endblock %}<b>{{ body | paragraphs }}</b>";
    let templates = MailTemplates::replacing([("layout.html.jinja", own)]).unwrap();
    let facts = examples(MailKind::AlreadyRegistered).unwrap().remove(0);
    let letter = templates.write(MailKind::AlreadyRegistered, Language::Korean, &EXAMPLE, &facts).unwrap();
    assert!(letter.html.contains("<b><p>"), "{}", letter.html);
}

#[test]
fn a_template_that_fails_when_a_mail_is_written_gives_way_to_ours() {
    let source = format!(
        "{HEAD}{{% block body %}}{{{{ button(link.url, \"x\") }}}}{{% if service == \"Unlucky\" %}}{{{{ link.x }}}}{{% endif %}}{{% endblock %}}"
    );
    let templates = MailTemplates::replacing([("reset-password.en.jinja", source)]).unwrap();
    let facts = examples(MailKind::ResetPassword).unwrap().remove(0);
    let subject = |service| {
        let heading = Heading { service, ..EXAMPLE };
        templates.write(MailKind::ResetPassword, Language::English, &heading, &facts).unwrap().subject
    };
    assert_eq!(subject("Lucky"), "Hi");
    assert_eq!(subject("Unlucky"), "Unlucky: set a new password");
}

#[test]
fn ours_can_be_given_back_as_ones_own() {
    let all: Vec<_> = MailTemplates::file_names().map(|name| (name.clone(), MailTemplates::built_in(&name))).collect();
    MailTemplates::replacing(all.into_iter().map(|(name, source)| (name, source.unwrap()))).unwrap();
}
