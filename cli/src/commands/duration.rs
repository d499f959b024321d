//! Durations as they are written in flags.

use jiff::SignedDuration;
use std::time::Duration;

/// A duration with a unit, such as `3m` or `1h 30m`, or a plain number of seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let plain = text.trim().parse::<f64>().ok();
    let duration = match plain {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => text.parse::<SignedDuration>().ok().and_then(|duration| duration.try_into().ok()),
    };
    duration.ok_or_else(|| "write a number of seconds, or a number with a unit such as 500ms, 20s or 15m".to_owned())
}

/// As [`parse`], but only whole seconds, at least one.
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = parse(text)?;
    match duration.subsec_nanos() == 0 && u32::try_from(duration.as_secs()).is_ok_and(|seconds| seconds > 0) {
        true => Ok(duration),
        false => Err("write a whole number of seconds from 1 to 4294967295".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_need_no_unit() {
        for (text, milliseconds) in
            [("1", 1000), ("0", 0), ("0.5", 500), ("1s", 1000), ("3m", 180_000), ("1h 30m", 5_400_000), ("20ms", 20)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "-1", "-1s", "soon", "nan", "inf", "1e300"] {
            assert!(parse(text).unwrap_err().contains("20s"), "{text}");
        }
    }

    #[test]
    fn a_width_is_whole_seconds() {
        assert_eq!(whole_seconds("60"), whole_seconds("1m"));
        for text in ["0", "0s", "500ms", "1.5", "5000000000"] {
            assert!(whole_seconds(text).is_err(), "{text}");
        }
    }
}
