//! UTF-7 (RFC 2152), which browsers have dropped and some mail programs have not.

/// ASCII, with runs of base64 between `+` and whatever is not base64 that hold UTF-16. What cannot be read stays.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'+') {
        out.push_str(&String::from_utf8_lossy(&rest[..at]));
        let behind = &rest[at + 1..];
        let run = behind.iter().take_while(|byte| digit(**byte).is_some()).count();
        let ended = behind.get(run) == Some(&b'-');
        if run == 0 {
            out.push('+');
        } else {
            let units = units(&behind[..run]);
            let read = char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}'));
            out.extend(read);
        }
        rest = &behind[run + usize::from(ended)..];
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// The 16-bit units of a run; bits left over are padding.
fn units(run: &[u8]) -> Vec<u16> {
    let mut units = Vec::with_capacity(run.len() * 6 / 16);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for value in run.iter().filter_map(|byte| digit(*byte)) {
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push((bits >> held & 0xffff) as u16);
            bits &= (1 << held) - 1;
        }
    }
    units
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
