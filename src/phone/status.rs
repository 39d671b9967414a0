//! The status screen: what the phone says, in its own words, with its time stamp.

use std::time::Duration;

use super::profile::Stamp;
use crate::time::UnixSeconds;

/// Stamps a message as the phone does.
pub(super) fn stamped(text: &str, now: UnixSeconds, stamp: Stamp) -> String {
    let Ok(t) = der::DateTime::from_unix_duration(Duration::from_secs(now)) else {
        return text.to_owned();
    };
    let hour = match t.hour() % 12 {
        0 => 12,
        h => h,
    };
    let half = if t.hour() < 12 { "a" } else { "p" };
    let (minutes, seconds) = (t.minutes(), t.seconds());
    match stamp {
        Stamp::TimeAndDate => format!(
            "[{hour}:{minutes:02}:{seconds:02}{half}m {:02}/{:02}/{:02}] {text}",
            t.month(),
            t.day(),
            t.year() % 100
        ),
        Stamp::Time => format!("{hour}:{minutes:02}:{seconds:02}{half} {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_line_comes_out() {
        // 2019-10-01 08:52:30 UTC
        let now = 1_569_919_950;
        let line = stamped("ITL installed", now, Stamp::TimeAndDate);
        assert_eq!(line, "[8:52:30am 10/01/19] ITL installed");
        assert_eq!(
            stamped("ITL installed", now + 43_200, Stamp::Time),
            "8:52:30p ITL installed"
        );
    }
}
