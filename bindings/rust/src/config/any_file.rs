//! FA2: whatever a configuration file holds, it is read or refused, and a refusal repeats no secret.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// What changes a reader's mind: the edges of numbers, texts that begin something, other types, and no TOML at all.
const VALUES: [&str; 40] = [
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "1e308",
    "nan",
    "-inf",
    "0x7f",
    "1.5",
    "true",
    "\"\"",
    "\"\\u0000\"",
    "\"\\U0010FFFF\"",
    "\"ü\"",
    "\"\u{202e}\"",
    "'''\n'''",
    "\"env:\"",
    "\"file:\"",
    "\"0s\"",
    "\"1ms\"",
    "\"99999999999999999999d\"",
    "\"106751991167d\"",
    "\"never\"",
    "\"off\"",
    "\"http://[\"",
    "\"https://a@b\"",
    "\"smtp://u:hunter2@\"",
    "\"postgres://u:hunter2@h\"",
    "\"redis://:hunter2@h\"",
    "\"sqlite:\"",
    "[]",
    "[[]]",
    "[\"\"]",
    "{}",
    "{ version = \"1\" }",
    "[{ name = \"a\" }, { name = \"a\" }]",
    "1979-05-27T07:32:00Z",
    "",
];

fn lines() -> impl Strategy<Value = String> {
    let keys: Vec<String> = Configuration::default_toml()
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once(" = "))
        .map(|(key, _)| key.to_owned())
        .collect();
    let sections: Vec<String> = Configuration::default_toml()
        .lines()
        .map(|line| line.trim_start_matches("# ").to_owned())
        .filter(|line| line.starts_with('['))
        .collect();
    assert!(keys.len() > 40 && sections.len() > 10, "{keys:?} {sections:?}");
    let line = prop_oneof![
        8 => (select(keys), select(VALUES.to_vec())).prop_map(|(key, value)| format!("{key} = {value}")),
        3 => select(sections),
        1 => "\\PC{0,30}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn fa2_no_configuration_file_panics_and_no_refusal_repeats_a_secret(text in lines()) {
        match Configuration::parse(&text, "f") {
            Ok(configuration) => drop((configuration.explain(), configuration.problems())),
            Err(error) => prop_assert!(!error.to_string().contains("hunter2"), "{}", error),
        }
    }

    #[test]
    fn fa2_no_change_of_the_default_file_panics(
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        other in prop_oneof!["\\PC{0,10}", select(VALUES.to_vec()).prop_map(str::to_owned)],
    ) {
        let mut file = Configuration::default_toml().replace("# [[", "[[").replace("\n# ", "\n");
        let boundary = |at: usize| (at..=file.len()).find(|at| file.is_char_boundary(*at)).unwrap_or(file.len());
        let from = boundary(at.index(file.len()));
        let until = boundary((from + length).min(file.len()));
        file.replace_range(from..until, &other);
        let _ = Configuration::parse(&file, "f");
    }
}
