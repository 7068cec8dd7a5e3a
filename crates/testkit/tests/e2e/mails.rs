//! Invented mails, and how to look at what arrived.

/// The text by which spam filters are tried, in two halves so that no scanner stops this file.
pub fn gtube() -> String {
    ["XJS*C4JDBQADN1.NSBN3*2IDNEN*", "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"].concat()
}

/// A small mail with this subject and text, CRLF lines.
pub fn mail(subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: Ann <ann@sender.test>\r\nTo: Bob <bob@example.test>\r\nSubject: {subject}\r\n\
         Date: Fri, 02 Jan 2026 10:00:00 +0000\r\nMessage-Id: <{tag}@sender.test>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n",
        tag = subject.replace(' ', "."),
    )
    .into_bytes()
}

/// A mail that is spam to every installation.
pub fn spam(subject: &str) -> Vec<u8> {
    mail(subject, &gtube())
}

/// All values of a header field of the mail itself, unfolded, in order.
pub fn header(mail: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "\n");
    let head = text.split("\n\n").next().unwrap_or("").replace("\n ", " ").replace("\n\t", " ");
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// The one status of a mail that went through Tamis.
#[track_caller]
pub fn status(mail: &[u8]) -> String {
    let values = header(mail, "X-Tamis-Status");
    assert_eq!(values.len(), 1, "{}", String::from_utf8_lossy(mail));
    values[0].clone()
}

/// The file by which virus scanners are tried, in two halves so that no scanner stops this file.
pub fn eicar() -> String {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

/// A mail with this text and a file attached, in base64.
pub fn with_attachment(subject: &str, text: &str, file: &[u8]) -> Vec<u8> {
    let head =
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"edge of part\"\r\n\r\n";
    let plain = mail(subject, "");
    let plain = String::from_utf8_lossy(&plain);
    let kept = plain.split("MIME-Version").next().unwrap_or("");
    let mut lines = String::new();
    for line in base64(file).as_bytes().chunks(76) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push_str("\r\n");
    }
    format!(
        "{kept}{head}--edge of part\r\nContent-Type: text/plain\r\n\r\n{text}\r\n\
         --edge of part\r\nContent-Type: application/octet-stream\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"table.bin\"\r\n\r\n{lines}--edge of part--\r\n"
    )
    .into_bytes()
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Bytes without a pattern, the same for the same seed (Marsaglia's xorshift, 2003).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}
