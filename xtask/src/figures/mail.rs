//! Mails of the loads, made by number: the same number is the same mail, byte for byte.

use std::io::{self, Write};

/// Characters of Base64, for bodies that no reader can shorten.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Characters in a line of Base64 (RFC 2045 section 6.8: at most 76).
const LINE_CHARACTERS: usize = 76;
/// Words of invented texts.
const WORDS: [&str; 16] = [
    "harbour", "letter", "winter", "copper", "garden", "window", "river", "ticket", "bread",
    "meeting", "cable", "orange", "ladder", "morning", "paper", "bridge",
];

/// Numbers without a pattern, always the same for the same seed (xorshift64*, Vigna 2016).
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

fn header(out: &mut dyn Write, number: u64) -> io::Result<()> {
    write!(
        out,
        "From: Sender <sender@example.com>\r\nTo: Recipient <recipient@example.org>\r\n\
         Subject: {} {number}\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n\
         Message-ID: <{number}@example.com>\r\nMIME-Version: 1.0\r\n",
        WORDS[(number % 16) as usize]
    )
}

fn words(out: &mut dyn Write, numbers: &mut Numbers, count: usize) -> io::Result<()> {
    for at in 1..=count {
        let word = WORDS[(numbers.next() % 16) as usize];
        write!(out, "{word}{}", if at % 10 == 0 || at == count { "\r\n" } else { " " })?;
    }
    Ok(())
}

/// A text of about 1,500 bytes: `number` names the copy, `campaign` the text.
pub(super) fn small(out: &mut dyn Write, number: u64, campaign: u64) -> io::Result<()> {
    header(out, number)?;
    out.write_all(b"Content-Type: text/plain; charset=us-ascii\r\n\r\n")?;
    words(out, &mut Numbers::new(campaign), 200)
}

/// A text with one attachment of `bytes` bytes, as they travel.
pub(super) fn with_attachment(
    out: &mut dyn Write,
    number: u64,
    campaign: u64,
    bytes: usize,
) -> io::Result<()> {
    header(out, number)?;
    out.write_all(
        b"Content-Type: multipart/mixed; boundary=\"=_part\"\r\n\r\n--=_part\r\n\
          Content-Type: text/plain; charset=us-ascii\r\n\r\n",
    )?;
    let mut numbers = Numbers::new(campaign);
    words(out, &mut numbers, 200)?;
    out.write_all(
        b"--=_part\r\nContent-Type: application/octet-stream\r\n\
          Content-Disposition: attachment; filename=\"data.bin\"\r\n\
          Content-Transfer-Encoding: base64\r\n\r\n",
    )?;
    let mut line = [b'\n'; LINE_CHARACTERS + 2];
    line[LINE_CHARACTERS] = b'\r';
    for _ in 0..bytes.div_ceil(LINE_CHARACTERS + 2) {
        for characters in line[..LINE_CHARACTERS].chunks_mut(10) {
            let mut bits = numbers.next();
            for character in characters {
                *character = BASE64[(bits & 63) as usize];
                bits >>= 6;
            }
        }
        out.write_all(&line)?;
    }
    out.write_all(b"--=_part--\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(write: impl Fn(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn copies_of_a_campaign_differ_in_their_header_alone() {
        let body = |number, campaign| {
            let mail = made(|out| with_attachment(out, number, campaign, 1000));
            mail.split_once("\r\n\r\n").unwrap().1.to_owned()
        };
        assert_eq!(body(1, 7), body(2, 7));
        assert_ne!(body(1, 7), body(1, 8));
        assert_ne!(made(|out| small(out, 1, 7)), made(|out| small(out, 2, 7)));
    }

    #[test]
    fn every_line_ends_with_cr_lf_and_none_begins_with_a_dot() {
        for mail in [made(|out| small(out, 1, 1)), made(|out| with_attachment(out, 1, 1, 5000))] {
            assert!(mail.ends_with("\r\n"));
            for line in mail.split_terminator("\r\n") {
                assert!(!line.contains(['\r', '\n']) && !line.starts_with('.') && line.len() < 100);
            }
        }
    }

    #[test]
    fn an_attachment_has_about_the_size_asked_for() {
        let mail = made(|out| with_attachment(out, 1, 1, 1_000_000));
        assert!((1_000_000..1_003_000).contains(&mail.len()), "{}", mail.len());
    }
}
