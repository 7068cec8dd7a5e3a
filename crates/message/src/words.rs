//! Encoded words (RFC 2047) and raw 8-bit text in header values.

use crate::charset;
use crate::charset::lossy;
use crate::content::Transfer;
use tamis_domain::outline::TransferEncoding;

/// Bytes of one encoded word looked at. RFC 2047 allows 75; programs in the field write a few hundred.
pub const WORD_BYTES_MAX: usize = 2048;

/// Decodes a header value: encoded words, blanks between two of them dropped, other bytes as UTF-8 or windows-1252.
///
/// Neighbouring words of one character set are joined before they are decoded, since some programs cut inside of
/// a character.
#[must_use]
pub fn decode(value: &[u8]) -> String {
    if memchr::memmem::find(value, b"=?").is_none() {
        return charset::decode(value, None).text;
    }
    let mut text = String::with_capacity(value.len());
    let mut open: Option<(String, Vec<u8>)> = None;
    let mut rest = value;
    while !rest.is_empty() {
        let at = find_word(rest);
        let (plain, behind) = rest.split_at(at.unwrap_or(rest.len()));
        let word = read_word(behind);
        let between_words = open.is_some() && word.is_some() && plain.trim_ascii().is_empty();
        let nothing = plain.is_empty() && word.is_some();
        if !(between_words || nothing) {
            close(&mut open, &mut text);
            text.push_str(&charset::decode(plain, None).text);
        }
        match word {
            Some(word) => {
                join(&mut open, &mut text, word.charset, word.bytes);
                rest = &behind[word.length..];
            }
            None => {
                // `=?` that begins no word is text.
                let skip = behind.len().min(2);
                close(&mut open, &mut text);
                text.push_str(&charset::decode(&behind[..skip], None).text);
                rest = &behind[skip..];
            }
        }
    }
    close(&mut open, &mut text);
    text
}

fn find_word(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"=?")
}

struct Word {
    charset: String,
    bytes: Vec<u8>,
    length: usize,
}

/// Reads `=?charset*language?B?text?=` at the start of `bytes`.
fn read_word(bytes: &[u8]) -> Option<Word> {
    let bytes = &bytes[..bytes.len().min(WORD_BYTES_MAX)];
    let inside = bytes.strip_prefix(b"=?")?;
    let charset_length = inside.iter().position(|&byte| byte == b'?')?;
    let (charset, rest) = inside.split_at(charset_length);
    let method = rest.get(1)?.to_ascii_lowercase();
    let payload = rest.get(2..)?.strip_prefix(b"?")?;
    let payload_length = payload.windows(2).position(|pair| pair == b"?=")?;
    let payload = &payload[..payload_length];
    let decoded = match method {
        b'b' => transfer(TransferEncoding::Base64, payload),
        b'q' => {
            let plain: Vec<u8> =
                payload.iter().map(|&byte| if byte == b'_' { b' ' } else { byte }).collect();
            q_decoded(&plain)
        }
        _ => return None,
    };
    if charset.is_empty() || charset.contains(&b' ') {
        return None;
    }
    let charset = lossy(charset);
    let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
    Some(Word { charset, bytes: decoded, length: 2 + charset_length + 3 + payload_length + 2 })
}

fn transfer(encoding: TransferEncoding, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut machine = Transfer::new(encoding);
    machine.push(payload, &mut |piece| bytes.extend_from_slice(piece));
    machine.finish(&mut |piece| bytes.extend_from_slice(piece));
    bytes
}

/// The Q encoding: like quoted-printable, but blanks at the end count.
fn q_decoded(payload: &[u8]) -> Vec<u8> {
    let mut bytes = transfer(TransferEncoding::QuotedPrintable, &[payload, b"."].concat());
    bytes.pop();
    bytes
}

fn join(open: &mut Option<(String, Vec<u8>)>, text: &mut String, charset: String, bytes: Vec<u8>) {
    match open {
        Some((same, joined)) if *same == charset && !charset.starts_with("iso-2022") => {
            joined.extend(bytes)
        }
        _ => {
            close(open, text);
            *open = Some((charset, bytes));
        }
    }
}

fn close(open: &mut Option<(String, Vec<u8>)>, text: &mut String) {
    if let Some((charset, bytes)) = open.take() {
        text.push_str(&charset::decode(&bytes, Some(&charset)).text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_and_all_else_stays() {
        for (value, expect) in [
            ("plain text", "plain text"),
            ("=?utf-8?q?caf=C3=A9?= au lait", "café au lait"),
            ("=?UTF-8?B?w6k=?= =?utf-8?B?dMOp?=", "été"),
            ("=?utf-8?B?w6k=?=\t =?iso-8859-1?Q?t=E9_?=", "été "),
            ("=?utf-8?B?ww==?= =?utf-8?B?qQ==?=", "é"),
            ("a =? b =?x", "a =? b =?x"),
            ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
            ("=?utf-8*en?Q?a?=b", "ab"),
            ("=?utf-8?q??= x", " x"),
            ("=?windows-1251?Q?=CF=F0?=", "Пр"),
        ] {
            assert_eq!(decode(value.as_bytes()), expect, "{value}");
        }
        assert_eq!(decode(b"caf\xe9"), "café");
        assert_eq!(decode("caf\u{e9}".as_bytes()), "café");
    }

    #[test]
    fn a_word_is_bounded_at_n_and_n_plus_1() {
        let word = |length: usize| format!("=?utf-8?Q?{}?=", "a".repeat(length - 12));
        assert!(decode(word(WORD_BYTES_MAX).as_bytes()).starts_with("aaa"));
        assert!(decode(word(WORD_BYTES_MAX + 1).as_bytes()).starts_with("=?utf"));
    }
}
