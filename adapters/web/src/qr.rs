//! A QR code as SVG, drawn here so that no page needs a library or another server for it.

use qrcode::render::svg::Color;
use qrcode::{EcLevel, QrCode};

use crate::problem::Problem;

/// The picture of `text`: black on white with its quiet zone, whatever the page's colours.
pub(crate) fn svg(text: &str) -> Result<String, Problem> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M);
    let code = code.map_err(|error| Problem::internal(&format!("drawing a QR code: {error}")))?;
    let drawn = code.render::<Color<'_>>().module_dimensions(4, 4).build();
    // Without the XML declaration it can stand in a page, too.
    Ok(drawn.split_once("?>").map_or(drawn.clone(), |(_, svg)| svg.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_plain_svg_and_holds_nothing_of_the_text() {
        let drawn = svg("otpauth://totp/x:ada?secret=GEZDGNBVGY3TQOJQ").unwrap();
        assert!(drawn.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && drawn.ends_with("</svg>"), "{drawn}");
        assert!(!drawn.contains("GEZDGN") && !drawn.contains("script") && !drawn.contains("style"));
    }

    #[test]
    fn the_longest_address_and_issuer_still_fit() {
        let longest = format!(
            "otpauth://totp/{0}:{1}?secret={2}&issuer={0}",
            "%EA%B0%80".repeat(100),
            "x".repeat(254),
            "A".repeat(32)
        );
        assert!(svg(&longest).is_ok(), "{}", longest.len());
    }
}
