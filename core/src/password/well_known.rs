//! Well-known passwords: the list that ships with the crate, and the variants of its entries.
//!
//! A password is common if, in lower case, it
//! 1. is on the list,
//! 2. is an entry with digits and signs behind it: up to five, or any number that are an entry themselves,
//! 3. is one entry repeated,
//!
//! each also where the entry is written with the usual signs for letters (`p@ssw0rd`).

use std::collections::HashSet;
use std::sync::LazyLock;

use zeroize::Zeroizing;

/// In lower case, one a line. First the 11,561 most used of the list of zxcvbn 4.4.2, the most used on top: 4,000 of them
/// have eight characters or more. Then all that it knows of fifteen or more, then forms written by hand. Its licence and
/// where it comes from stand in `NOTICE`.
const LIST: &str = include_str!("well_known/list.txt");

static ENTRIES: LazyLock<HashSet<&str>> = LazyLock::new(|| LIST.lines().collect());

/// The most characters that may stand behind an entry and be anything but letters.
const DECORATION: usize = 5;

/// Whether a password is on the list or a variant of what is.
pub(super) fn is_common(password: &str) -> bool {
    let lower = Zeroizing::new(password.to_lowercase());
    is_entry(&lower) || is_decorated(&lower) || is_repeated(&lower)
}

/// Whether it is an entry, be it with signs for letters.
fn is_entry(text: &str) -> bool {
    if ENTRIES.contains(text) {
        return true;
    }
    let plain = Zeroizing::new(text.chars().map(plain).collect::<String>());
    ENTRIES.contains(plain.as_str())
}

/// The letter that people write this sign for.
const fn plain(sign: char) -> char {
    match sign {
        '@' | '4' => 'a',
        '0' => 'o',
        '3' => 'e',
        '!' | '1' => 'i',
        '$' | '5' => 's',
        '7' => 't',
        other => other,
    }
}

fn is_decorated(text: &str) -> bool {
    let tails = text.char_indices().rev().take_while(|(_, c)| !c.is_alphabetic()).zip(1_usize..);
    tails.into_iter().any(|((at, _), length)| {
        let (head, tail) = text.split_at(at);
        (length <= DECORATION || ENTRIES.contains(tail)) && is_entry(head)
    })
}

fn is_repeated(text: &str) -> bool {
    let ends = text.char_indices().map(|(at, _)| at).skip(1).take_while(|end| 2 * end <= text.len());
    ends.into_iter().any(|end| {
        let (entry, rest) = text.split_at(end);
        text.len().is_multiple_of(end)
            && is_entry(entry)
            && rest.as_bytes().chunks(end).all(|part| part == entry.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_lower_case_without_doubles_and_ranked() {
        let lines: Vec<_> = LIST.lines().collect();
        assert_eq!(ENTRIES.len(), lines.len(), "one line twice");
        assert!(lines.iter().all(|line| line.len() >= 4 && line.to_lowercase() == *line && line.trim() == *line));
        assert_eq!(lines[..5], ["123456", "password", "12345678", "qwerty", "123456789"]);
    }

    #[test]
    fn more_than_the_3000_most_used_of_eight_characters_are_refused() {
        let most_used = LIST.lines().take(11_561).filter(|line| line.chars().count() >= 8);
        assert_eq!(most_used.clone().count(), 4_000);
        assert!(most_used.into_iter().all(is_common));
        assert!(LIST.len() < 128 * 1_024, "{} bytes in every program", LIST.len());
    }

    #[test]
    fn variants_of_an_entry_are_common_and_what_holds_one_is_not() {
        for (password, common) in [
            ("password", true),
            ("PassWord", true),
            ("P@ssw0rd", true),
            ("Sunshine2024!", true),
            ("sunshine20245!", false),
            ("football1234567890", true),
            ("football8391746", false),
            ("passwordpassword", true),
            ("P@sswordp@ssword", true),
            ("passwordpasswor", false),
            ("12345678!", true),
            ("passwordstandard", true),
            ("my password", false),
            ("correct horse 1!", false),
            ("sunshine and football", false),
            ("", false),
            ("!", false),
            ("ß1", false),
        ] {
            assert_eq!(is_common(password), common, "{password}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,600}|(ä1){0,300}") {
            is_common(&text);
        }
    }
}
