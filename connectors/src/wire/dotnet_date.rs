//! Dates as serializer documents have them: ISO 8601, `2017-07-14T02:40:00Z` (transport.md section 7).

const SECONDS_PER_DAY: i64 = 86_400;
/// 9999-12-31T23:59:59Z, the last second that .NET knows.
const LAST: i64 = 253_402_300_799;
/// 0001-01-01T00:00:00Z, the first.
const FIRST: i64 = -62_135_596_800;
/// .NET's "no date".
const NO_DATE: &str = "0001-01-01T00:00:00";

/// Writes seconds since 1970 in UTC. `None`, and what is outside of .NET's years 1 to 9999, is its "no date".
pub fn write(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds.filter(|seconds| (FIRST..=LAST).contains(seconds)) else { return NO_DATE.to_owned() };
    let (year, month, day) = date_of(seconds.div_euclid(SECONDS_PER_DAY));
    let time = seconds.rem_euclid(SECONDS_PER_DAY);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

/// Reads a date with or without fraction (which is dropped), with `Z`, an offset, or nothing, which counts as UTC. The year 1 is
/// "no date".
///
/// # Errors
/// `None` when the text is no such date.
pub fn read(text: &str) -> Option<Option<i64>> {
    let text = text.trim();
    let (date, time) = text.split_at_checked(19)?;
    let bytes = date.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, separator)| bytes[at] != separator) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits(date.get(range)?);
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if year < 1
        || !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let offset = offset_of(without_fraction(time)?)?;
    if year == 1 {
        return Some(None);
    }
    Some(Some(day_of(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset))
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn without_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix('.') else { return Some(text) };
    let zone = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
    (zone.len() < fraction.len()).then_some(zone)
}

/// The seconds that a zone (`Z`, `+02:00`, nothing) is ahead of UTC.
fn offset_of(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes() {
        [] | [b'Z'] => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(zone.get(1..3)?)?, digits(zone.get(4..6)?)?);
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The days from 1970-01-01 to January 1st of a year.
fn first_day_of(year: i64) -> i64 {
    let before = year - 1;
    before * 365 + before / 4 - before / 100 + before / 400 - 719_162
}

fn day_of(year: i64, month: i64, day: i64) -> i64 {
    first_day_of(year) + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
}

/// Year, month and day of the month, for a day counted from 1970-01-01. For the years from 1 on.
fn date_of(day: i64) -> (i64, i64, i64) {
    // An estimate that is at most one year off, since a year has 365.2425 days on average.
    let mut year = (day + 719_162) * 400 / 146_097 + 1;
    if first_day_of(year) > day {
        year -= 1;
    } else if first_day_of(year + 1) <= day {
        year += 1;
    }
    let mut left = day - first_day_of(year);
    let mut month = 1;
    while left >= days_in(year, month) {
        left -= days_in(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_the_documents() {
        assert_eq!(write(Some(1_500_000_000)), "2017-07-14T02:40:00Z");
        assert_eq!(write(Some(0)), "1970-01-01T00:00:00Z");
        assert_eq!(write(Some(951_782_400)), "2000-02-29T00:00:00Z");
        assert_eq!(write(Some(-1)), "1969-12-31T23:59:59Z");
        assert_eq!(write(Some(LAST)), "9999-12-31T23:59:59Z");
        assert_eq!(write(None), "0001-01-01T00:00:00");
        assert_eq!(write(Some(i64::MAX)), "0001-01-01T00:00:00");
        assert_eq!(write(Some(i64::MIN)), "0001-01-01T00:00:00");

        assert_eq!(read("2017-07-14T02:40:00Z"), Some(Some(1_500_000_000)));
        assert_eq!(read(" 2017-07-14T02:40:00 "), Some(Some(1_500_000_000)));
        assert_eq!(read("2017-07-14T04:40:00.1234567+02:00"), Some(Some(1_500_000_000)));
        assert_eq!(read("2017-07-13T21:10:00-05:30"), Some(Some(1_500_000_000)));
        assert_eq!(read("0001-01-01T00:00:00"), Some(None));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "yesterday",
            "2017-07-14",
            "2017-07-14 02:40:00",
            "2017-02-29T00:00:00",
            "2017-13-01T00:00:00",
            "2017-00-01T00:00:00",
            "2017-07-14T24:00:00",
            "2017-07-14T02:40:00.",
            "2017-07-14T02:40:00+2",
            "2017-07-14T02:40:00z",
            "+017-07-14T02:40:00",
            "2017-07-14T02:40:00+aa:00",
            "2017-07-14T02:40:0é",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_second_from_the_year_2_comes_back(seconds in -62_104_060_800..=LAST) {
            prop_assert_eq!(read(&write(Some(seconds))), Some(Some(seconds)));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            read(&text);
        }
    }
}
