//! A checkpoint: a signed line that says how far the trail reached, to be kept where the store isn't.
//!
//! ```text
//! dwcp1.NUMBER.POSITION.TIME.HASH.MADE_AT.TAG        numbers in decimal, times in milliseconds, the rest in base64url
//! ```
//!
//! Its holder sees that the trail was cut off or put back even if whoever did it put back the store's own head as well.

use std::fmt;
use std::str::FromStr;

use crate::audit::AuditPosition;
use crate::audit::chain::ChainPoint;
use crate::seal::{OpenRefused, SealKeys, Tag};
use crate::time::Timestamp;
use crate::token::Digest;

const PREFIX: &str = "dwcp1";
const CHECKPOINT: &str = "checkpoint";
/// Longer words aren't checkpoints.
const LONGEST: usize = 300;

/// How far the trail reached at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last linked record.
    pub point: ChainPoint,
    /// When this was said.
    pub made_at: Timestamp,
    tag: Tag,
}

/// The text isn't a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: dwcp1 and six values with dots between them are expected")]
pub struct NoCheckpoint;

impl Checkpoint {
    pub(super) fn sign(point: ChainPoint, made_at: Timestamp, keys: &SealKeys) -> Self {
        let tag = keys.attest(CHECKPOINT, &[&point.bytes(), &made_at.as_millis().to_be_bytes()]);
        Self { point, made_at, tag }
    }

    /// Whether the engine said so.
    pub(super) fn verify(&self, keys: &SealKeys) -> Result<(), OpenRefused> {
        keys.verify(&self.tag, CHECKPOINT, &[&self.point.bytes(), &self.made_at.as_millis().to_be_bytes()])
    }

    /// The checkpoints that a line of text holds, for example of a log.
    pub fn in_line(line: &str) -> impl Iterator<Item = Self> {
        let is_border = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        line.split(is_border).filter_map(|word| word.parse().ok())
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ChainPoint { number, position, hash, time } = self.point;
        let (time, made_at) = (time.as_millis(), self.made_at.as_millis());
        let (hash, tag) = (String::from(hash), String::from(self.tag));
        write!(f, "{PREFIX}.{number}.{}.{time}.{hash}.{made_at}.{tag}", position.0)
    }
}

impl FromStr for Checkpoint {
    type Err = NoCheckpoint;

    fn from_str(text: &str) -> Result<Self, NoCheckpoint> {
        let parts: Vec<&str> = if text.len() > LONGEST { Vec::new() } else { text.split('.').collect() };
        let [PREFIX, number, position, time, hash, made_at, tag] = *parts.as_slice() else { return Err(NoCheckpoint) };
        let moment = |text: &str| text.parse().map(Timestamp::from_millis).map_err(|_| NoCheckpoint);
        let point = ChainPoint {
            number: number.parse().map_err(|_| NoCheckpoint)?,
            position: AuditPosition(position.parse().map_err(|_| NoCheckpoint)?),
            hash: Digest::try_from(hash.to_owned()).map_err(|_| NoCheckpoint)?,
            time: moment(time)?,
        };
        let tag = Tag::try_from(tag.to_owned()).map_err(|_| NoCheckpoint)?;
        Ok(Self { point, made_at: moment(made_at)?, tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let time = Timestamp::from_millis(1_800_000_000_000);
        let point = ChainPoint { number: 41, position: AuditPosition(43), hash: Digest::of(b"record"), time };
        Checkpoint::sign(point, Timestamp::from_millis(1_800_000_000_007), &SealKeys::new(&[1; 32], &[]))
    }

    #[test]
    fn a_checkpoint_is_found_in_a_line_of_a_log_and_reads_back() {
        let text = checkpoint().to_string();
        assert_eq!(text.parse(), Ok(checkpoint()));
        let line = format!("2027-01-15T08:00:00Z INFO audit checkpoint=\"{text}\" and dwcp1.1.2 as well");
        assert_eq!(Checkpoint::in_line(&line).collect::<Vec<_>>(), [checkpoint()]);
    }

    #[test]
    fn what_is_no_checkpoint_is_left_out() {
        let text = checkpoint().to_string();
        for wrong in ["", "dwcp1", &text[1..], &text[..text.len() - 1], &format!("{text}.1"), &"dwcp1.".repeat(99)] {
            assert_eq!(wrong.parse::<Checkpoint>(), Err(NoCheckpoint), "{wrong}");
        }
    }

    #[test]
    fn fa7_each_value_of_a_checkpoint_is_signed() {
        let keys = SealKeys::new(&[1; 32], &[]);
        assert_eq!(checkpoint().verify(&keys), Ok(()));
        let text = checkpoint().to_string();
        let values: Vec<&str> = text.split('.').collect();
        for place in [1, 2, 3, 5] {
            let mut changed = values.clone();
            changed[place] = "40";
            let changed: Checkpoint = changed.join(".").parse().unwrap();
            assert_eq!(changed.verify(&keys), Err(OpenRefused::Forged), "value {place}");
        }
        let moved =
            Checkpoint { point: ChainPoint { hash: Digest::of(b"other"), ..checkpoint().point }, ..checkpoint() };
        assert_eq!(moved.verify(&keys), Err(OpenRefused::Forged));
    }
}
