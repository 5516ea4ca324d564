//! The language of mails to an applicant, from what the browser asks for (RFC 9110 §12.5.4, RFC 4647 §3.4).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

const MOST_RANGES: usize = 32;

/// The one of `locales` that the browser likes best; `None` if it likes none of them.
pub(crate) fn wanted(headers: &HeaderMap, locales: &[String]) -> Option<String> {
    let asked = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut ranges: Vec<_> = asked.split(',').take(MOST_RANGES).filter_map(range).collect();
    // Stable: of two liked alike the first counts.
    ranges.sort_by_key(|(_, quality)| std::cmp::Reverse(*quality));
    ranges.into_iter().find_map(|(tag, _)| look_up(tag, locales))
}

/// A language tag and how much it is liked, in thousandths.
fn range(written: &str) -> Option<(&str, u16)> {
    let (tag, weight) = written.split_once(';').map_or((written, None), |(tag, weight)| (tag, Some(weight)));
    let quality = match weight {
        None => 1.0,
        Some(weight) => weight.trim().strip_prefix("q=")?.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q))?,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    let thousandths = (quality * 1_000.0) as u16;
    (thousandths > 0).then_some((tag.trim(), thousandths))
}

/// Shortens the tag from its end until a locale fits.
fn look_up(tag: &str, locales: &[String]) -> Option<String> {
    let mut tag = tag;
    loop {
        if let Some(found) = locales.iter().find(|locale| locale.eq_ignore_ascii_case(tag)) {
            return Some(found.clone());
        }
        tag = tag.rsplit_once('-')?.0;
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_browsers_best_liked_language_of_ours_is_taken() {
        let locales = ["en".to_owned(), "ko".to_owned()];
        for (asked, expected) in [
            (None, None),
            (Some("ko"), Some("ko")),
            (Some("ko-KR,ko;q=0.9,en;q=0.8"), Some("ko")),
            (Some("fr, KO-Hang-KR ;q=0.5, en;q=0.4"), Some("ko")),
            (Some("en;q=0.4,ko;q=0.5"), Some("ko")),
            (Some("en,ko"), Some("en")),
            (Some("ko;q=0, en;q=0.1"), Some("en")),
            (Some("fr;q=1, de"), None),
            (Some("*"), None),
            (Some("ko;q=nan, en;q=2, ;;;,-"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(asked) = asked {
                headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(asked));
            }
            assert_eq!(wanted(&headers, &locales).as_deref(), expected, "{asked:?}");
        }
    }
}
