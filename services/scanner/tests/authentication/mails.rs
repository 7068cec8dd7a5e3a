//! Mails of tests, signed with a key made for them.

use std::sync::LazyLock;

use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;

use crate::server::{Entry, txt};

/// Where the key stands.
pub(crate) const KEY_NAME: &str = "s1._domainkey.example.org";

static KEY: LazyLock<Vec<u8>> = LazyLock::new(|| Ed25519Key::generate_pkcs8().unwrap());

fn key() -> Ed25519Key {
    Ed25519Key::from_pkcs8_der(&KEY).unwrap()
}

/// The key's record.
pub(crate) fn key_record() -> Entry {
    txt(format!("v=DKIM1; k=ed25519; p={}", base64(&key().public_key())).as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at)) as usize & 63;
            out.push(if at <= chunk.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    out
}

/// A mail without a signature, with this host in its link.
pub(crate) fn plain(host: &str) -> String {
    format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: greetings\r\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-Id: <1@example.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n\
         Hello Bob,\r\nthe minutes are at http://{host}/minutes as every week.\r\nAnn\r\n"
    )
}

/// The same, signed by the author's domain.
pub(crate) fn signed() -> String {
    signed_with(&plain("www.example.org"), "example.org", &["From", "To", "Subject", "Date"])
}

/// A mail signed by this domain.
pub(crate) fn signed_with(mail: &str, domain: &str, names: &[&str]) -> String {
    let signature = DkimSigner::from_key(key())
        .domain(domain)
        .selector("s1")
        .headers(names.iter().copied())
        .sign(mail.as_bytes())
        .unwrap();
    format!("{}{mail}", signature.to_header())
}

/// A mail signed by the author's domain for some seconds from now.
pub(crate) fn signed_for(mail: &str, seconds: u64) -> String {
    let signature = DkimSigner::from_key(key())
        .domain("example.org")
        .selector("s1")
        .headers(["From"])
        .expiration(seconds)
        .sign(mail.as_bytes())
        .unwrap();
    format!("{}{mail}", signature.to_header())
}
