//! Dates of mail (RFC 5322 section 3.3), in the shapes that programs write.

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Words looked at. A date has eight at most.
const WORDS_MAX: usize = 16;

/// Seconds since 1970 of a date such as `Sat, 21 Nov 2026 22:16:52 +0100 (CET)`; also without day of week, seconds or
/// zone, with named zones, two-digit years (RFC 5322 section 4.3) and in the order of C's `asctime`.
#[must_use]
pub fn date_s(value: &str) -> Option<i64> {
    let (mut month, mut time, mut zone_s) = (None, None, 0);
    let mut numbers = Vec::new();
    let value = without_comments(value);
    let words =
        value.split(|c: char| c.is_ascii_whitespace() || c == ',').filter(|word| !word.is_empty());
    for word in words.take(WORDS_MAX) {
        if word.contains(':') && time.is_none() {
            time = Some(time_s(word)?);
        } else if let Some(zone) = zone_of(word).filter(|_| time.is_some()) {
            zone_s = zone;
        } else {
            for piece in word.split('-') {
                match piece.parse::<i64>() {
                    Ok(number) => numbers.push(number),
                    Err(_) => month = month.or_else(|| month_of(piece)),
                }
            }
        }
    }
    let [day, year, ..] = numbers[..] else { return None };
    let (day, year) = if day > 31 { (year, day) } else { (day, year) };
    let year = match year {
        0..=49 => year + 2000,
        50..=999 => year + 1900,
        1900..=9999 => year,
        _ => return None,
    };
    let days = days_since_1970(year, month?, (1..=31).contains(&day).then_some(day)?);
    Some(days * 86_400 + time.unwrap_or(0) - zone_s)
}

fn without_comments(value: &str) -> String {
    let mut depth = 0_u32;
    let outside = value.chars().filter(|&c| {
        depth += u32::from(c == '(');
        let outside = depth == 0;
        depth = depth.saturating_sub(u32::from(c == ')'));
        outside
    });
    outside.collect()
}

fn time_s(word: &str) -> Option<i64> {
    let mut parts =
        word.splitn(3, ':').map(|part| part.split('.').next().unwrap_or("").parse::<i64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let sane = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    sane.then(|| hour * 3600 + minute * 60 + second)
}

fn month_of(word: &str) -> Option<i64> {
    let start = word.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().position(|month| *month == start).and_then(|at| i64::try_from(at + 1).ok())
}

/// Offset east of Greenwich.
fn zone_of(word: &str) -> Option<i64> {
    let hours = match word.to_ascii_uppercase().as_str() {
        "GMT" | "UT" | "UTC" | "Z" => 0,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        "CET" => 1,
        "CEST" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "JST" => 9,
        _ => return numeric_zone(word),
    };
    Some(hours * 3600)
}

fn numeric_zone(word: &str) -> Option<i64> {
    let (sign, digits) = match word.as_bytes().first()? {
        b'+' => (1, &word[1..]),
        b'-' => (-1, &word[1..]),
        _ => return None,
    };
    let number = (digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse::<i64>().ok());
    number.flatten().map(|number| sign * (number / 100 * 3600 + number % 100 * 60))
}

/// Days of the proleptic Gregorian calendar: years begin in March, so that the leap day comes last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let days = year * 365 + year / 4 - year / 100 + year / 400;
    days + (month * 306 + 5) / 10 + day - 1 - 719_468
}
