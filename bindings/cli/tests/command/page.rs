//! The page `docs/command.md`: its examples do what they say, and it leaves nothing out.

use std::path::Path;
use std::process::Command;

use doorwarden::core::user::UserId;

use crate::machine::Machine;

const PAGE: &str = include_str!("../../../../docs/command.md");

#[cfg(unix)]
#[test]
fn every_example_prints_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut examples = 0;
    for block in PAGE.split("```console\n$ ").skip(1) {
        let (block, _) = block.split_once("\n```").unwrap();
        for example in block.split("\n$ ") {
            let (command, expected) = example.split_once('\n').unwrap_or((example, ""));
            assert_eq!(timeless(&shell(command, folder.path())), timeless(expected), "{command}");
            examples += 1;
        }
    }
    assert!(examples > 5, "{examples}");
}

#[cfg(unix)]
fn shell(command: &str, folder: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_doorwarden")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").arg("-c").arg(command).current_dir(folder).env("PATH", path).output().unwrap();
    assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The text with every id and time the same.
fn timeless(text: &str) -> String {
    let mut told = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let is_time = rest.get(..20).is_some_and(|time| time.starts_with("20") && time.contains('T'));
        if rest.get(..36).is_some_and(|id| id.parse::<UserId>().is_ok()) {
            told.push_str("<id>");
            rest = &rest[36..];
        } else if let Some(end) = rest.find('Z').filter(|end| is_time && *end < 24) {
            told.push_str("<time>");
            rest = &rest[end + 1..];
        } else {
            told.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    told
}

#[test]
fn every_subcommand_and_option_is_on_the_page() {
    let machine = Machine::new();
    let commands = |help: &str| -> Vec<String> {
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
        names.filter(|name| name != "help").collect()
    };
    let user = commands(&machine.done(&["user", "--help"])).into_iter().map(|name| format!("user {name}"));
    let all: Vec<_> =
        commands(&machine.done(&["--help"])).into_iter().filter(|name| name != "user").chain(user).collect();
    assert!(all.len() > 10, "{all:?}");
    for name in all {
        assert!(PAGE.contains(&format!("`{name}")), "{name}");
        let help = machine.done(&[&name.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat());
        let words = help.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '-'));
        for option in words.filter(|word| word.starts_with("--") && *word != "--help") {
            assert!(PAGE.contains(&format!("`{option}")), "{name} {option}");
        }
    }
}
