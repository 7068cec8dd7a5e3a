//! Packed streams of PDF (ISO 32000-1, section 7.4).

use crate::work::{Cut, Packing, STREAM_BYTES_MAX, Work, unpack};

use super::lexer::{Dict, Object, is_blank};

/// Filters laid over each other. One or two are honest.
pub const FILTERS_MAX: usize = 4;

/// What a stream is, unpacked as far as it is no picture.
pub(super) enum Unpacked {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Still packed, as JPEG.
    Jpeg(Vec<u8>),
    /// Packed in a way that is not read: fax, JPEG 2000, JBIG2.
    Other,
}

/// Undoes the filters that `filters` and `parameters` name, both already resolved.
pub(super) fn decode(
    data: &[u8],
    filters: &[&Object],
    parameters: &[Option<&Dict>],
    work: &mut Work,
) -> Unpacked {
    if filters.len() > FILTERS_MAX {
        work.cut(Cut::Depth);
        return Unpacked::Other;
    }
    if filters.is_empty() {
        return Unpacked::Bytes(work.take(&data[..data.len().min(STREAM_BYTES_MAX)]).to_vec());
    }
    let mut now = Vec::new();
    for (at, filter) in filters.iter().enumerate() {
        let input: &[u8] = if at == 0 { data } else { &now };
        let is_counted =
            matches!(filter.name(), Some(b"FlateDecode" | b"Fl" | b"DCTDecode" | b"DCT"));
        if !is_counted && !work.spend(input.len()) {
            return Unpacked::Other;
        }
        let out = match filter.name() {
            Some(b"FlateDecode" | b"Fl") => unpack(input, Packing::Zlib, work),
            Some(b"LZWDecode" | b"LZW") => {
                let early =
                    parameters.get(at).copied().flatten().and_then(|p| p.number("EarlyChange"));
                lzw(input, early != Some(0.0), work)
            }
            Some(b"ASCIIHexDecode" | b"AHx") => ascii_hex(input),
            Some(b"ASCII85Decode" | b"A85") => ascii_85(input),
            Some(b"RunLengthDecode" | b"RL") => run_length(input, work),
            Some(b"DCTDecode" | b"DCT") => return Unpacked::Jpeg(input.to_vec()),
            Some(b"Crypt") => input.to_vec(),
            _ => return Unpacked::Other,
        };
        now = match parameters.get(at).copied().flatten() {
            Some(parameters) => predicted(out, parameters),
            None => out,
        };
    }
    Unpacked::Bytes(now)
}

fn ascii_hex(input: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = input
        .iter()
        .take_while(|byte| **byte != b'>')
        .filter_map(|byte| char::from(*byte).to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or_default()).collect()
}

fn ascii_85(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len() / 5 * 4);
    let (mut value, mut count) = (0_u32, 0);
    let input = input.strip_prefix(b"<~").unwrap_or(input);
    for byte in input.iter().copied().filter(|byte| !is_blank(*byte)) {
        match byte {
            b'z' if count == 0 => out.extend([0; 4]),
            b'!'..=b'u' => {
                value = value.wrapping_mul(85).wrapping_add(u32::from(byte - b'!'));
                count += 1;
                if count == 5 {
                    out.extend(value.to_be_bytes());
                    (value, count) = (0, 0);
                }
            }
            _ => break,
        }
    }
    if count > 1 {
        for _ in count..5 {
            value = value.wrapping_mul(85).wrapping_add(84);
        }
        out.extend(&value.to_be_bytes()[..count - 1]);
    }
    out
}

fn run_length(input: &[u8], work: &mut Work) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = input;
    while let Some((&length, behind)) = rest.split_first() {
        let length = usize::from(length);
        if length == 128 || out.len() > STREAM_BYTES_MAX || !work.spend(128) {
            break;
        }
        if length < 128 {
            let (run, behind) = behind.split_at((length + 1).min(behind.len()));
            out.extend_from_slice(run);
            rest = behind;
        } else {
            let Some((&byte, behind)) = behind.split_first() else { break };
            out.resize(out.len() + 257 - length, byte);
            rest = behind;
        }
    }
    out
}

/// LZW with codes of 9 to 12 bits, 256 to start anew, 257 to end.
fn lzw(input: &[u8], is_early: bool, work: &mut Work) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    // Each entry is a piece of what was put out.
    let mut table: Vec<(usize, usize)> = Vec::new();
    let (mut bits, mut held, mut width) = (0_u32, 0, 9);
    let mut previous: Option<(usize, usize)> = None;
    for byte in input {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        if held < width {
            continue;
        }
        held -= width;
        let code = (bits >> held) as usize & ((1 << width) - 1);
        let start = out.len();
        match code {
            256 => {
                table.clear();
                (width, previous) = (9, None);
                continue;
            }
            257 => break,
            0..=255 => out.push(code as u8),
            _ => {
                let known = table.get(code - 258).copied();
                let Some((from, to)) = known.or_else(|| previous.map(|(f, t)| (f, t + 1))) else {
                    break;
                };
                if known.is_none() && code - 258 > table.len() {
                    break;
                }
                for at in from..to {
                    out.push(out[at]); // may read what it just wrote
                }
            }
        }
        if out.len() > STREAM_BYTES_MAX || !work.spend(out.len() - start) {
            break;
        }
        if let Some((from, to)) = previous
            && table.len() < 4096 - 258
        {
            table.push((from, to + 1));
        }
        previous = Some((start, out.len()));
        width = width_of(table.len() + 258 + usize::from(is_early));
    }
    out
}

const fn width_of(next: usize) -> u32 {
    match next {
        0..=511 => 9,
        512..=1023 => 10,
        1024..=2047 => 11,
        _ => 12,
    }
}

/// Undoes the differences between rows as in PNG (predictors 10 to 15).
fn predicted(data: Vec<u8>, parameters: &Dict) -> Vec<u8> {
    let number = |key: &str, default: f32| parameters.number(key).unwrap_or(default);
    if number("Predictor", 1.0) < 10.0 {
        return data;
    }
    let bits = number("Colors", 1.0) * number("BitsPerComponent", 8.0);
    let pixel = ((bits / 8.0).ceil() as usize).clamp(1, 32);
    let row = ((bits * number("Columns", 1.0) / 8.0).ceil() as usize).clamp(1, STREAM_BYTES_MAX);
    let mut out: Vec<u8> = Vec::with_capacity(data.len());
    for line in data.chunks(row + 1) {
        let Some((&kind, line)) = line.split_first() else { break };
        let start = out.len();
        for (at, &byte) in line.iter().enumerate() {
            let left = if at >= pixel { out[start + at - pixel] } else { 0 };
            let up = if start >= row { out[start + at - row] } else { 0 };
            let corner =
                if at >= pixel && start >= row { out[start + at - row - pixel] } else { 0 };
            let guess = match kind {
                1 => left,
                2 => up,
                3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                4 => paeth(left, up, corner),
                _ => 0,
            };
            out.push(byte.wrapping_add(guess));
        }
    }
    out
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(up) - i16::from(corner);
    let distance = |side: u8| (guess - i16::from(side)).abs();
    if distance(left) <= distance(up) && distance(left) <= distance(corner) {
        left
    } else if distance(up) <= distance(corner) {
        up
    } else {
        corner
    }
}

#[cfg(test)]
mod tests;
