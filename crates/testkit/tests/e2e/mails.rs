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
