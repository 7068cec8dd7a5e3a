//! SMTP and LMTP, one mail a session.

use std::borrow::Cow;
use std::io;
use std::time::Instant;

use super::{Answer, CLIENT_NAME, Outcome, Wire, nonsense};
use crate::mail::model::Mail;

/// Says a mail and hears the answer to its dot.
pub(super) async fn say(mut wire: Wire, mail: &Mail, is_lmtp: bool) -> io::Result<Answer> {
    let hello = if is_lmtp { "LHLO" } else { "EHLO" };
    let envelope = [
        (String::new(), 220),
        (format!("{hello} {CLIENT_NAME}\r\n"), 250),
        (format!("MAIL FROM:<{}>\r\n", mail.sender), 250),
        (format!("RCPT TO:<{}>\r\n", mail.recipient), 250),
        ("DATA\r\n".to_owned(), 354),
    ];
    for (line, wanted) in envelope {
        wire.write(line.as_bytes()).await?;
        let code = reply(&mut wire).await?;
        if code != wanted {
            let now = Instant::now();
            return Ok(Answer { outcome: outcome(code)?, said: now, heard: now });
        }
    }
    wire.dribble(&stuffed(&mail.header)).await?;
    wire.dribble(b"\r\n").await?;
    for piece in &mail.body {
        wire.dribble(&stuffed(piece)).await?;
    }
    wire.write(b".\r\n").await?;
    let said = Instant::now();
    let outcome = outcome(reply(&mut wire).await?)?;
    let heard = Instant::now();
    wire.write(b"QUIT\r\n").await?;
    // The goodbye is waited for, so that no connection is torn while the far side writes; its words mean nothing.
    let _ = reply(&mut wire).await;
    Ok(Answer { outcome, said, heard })
}

fn outcome(code: u16) -> io::Result<Outcome> {
    match code {
        200..=299 => Ok(Outcome::Taken),
        400..=499 => Ok(Outcome::Deferred),
        500..=599 => Ok(Outcome::Refused),
        _ => Err(nonsense("a reply with another code")),
    }
}

/// The code of the next reply, of one line or several.
async fn reply(wire: &mut Wire) -> io::Result<u16> {
    loop {
        while let Some(end) = wire.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = wire.heard.drain(..=end).collect();
            if line.get(3) != Some(&b'-') {
                let code = line.get(..3).and_then(|code| std::str::from_utf8(code).ok());
                let code = code.and_then(|code| code.parse().ok());
                return code.ok_or_else(|| nonsense("a reply without a code"));
            }
        }
        wire.hear().await?;
    }
}

/// Whole lines with the dots at their beginnings doubled (RFC 5321 section 4.5.2).
fn stuffed(lines: &[u8]) -> Cow<'_, [u8]> {
    if !lines.contains(&b'.') {
        return Cow::Borrowed(lines);
    }
    let mut out = Vec::with_capacity(lines.len() + 16);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::mail::model::{Model, invented};
    use crate::mail::scenario::Mails;

    #[test]
    fn dots_are_doubled_where_a_line_begins_and_nowhere_else() {
        assert_eq!(&stuffed(b".a.\r\nb.\r\n..\r\n")[..], b"..a.\r\nb.\r\n...\r\n");
        assert!(matches!(stuffed(b"QUJD\r\n"), Cow::Borrowed(_)));
    }

    /// A door that takes its time over its goodbye once made each mail look 40 ms slower.
    #[test]
    fn the_goodbye_is_not_in_the_time_of_the_answer() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut out = stream.try_clone().unwrap();
            let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
            let mut seen = Vec::new();
            for code in ["220", "250", "250", "250", "354"] {
                out.write_all(format!("{code} x\r\n").as_bytes()).unwrap();
                if code != "354" {
                    seen.push(lines.next().unwrap());
                }
            }
            seen.extend(lines.by_ref().take_while(|line| line != "."));
            out.write_all(b"250 2.0.0 taken\r\n").unwrap();
            let goodbye = lines.next().unwrap();
            let at = Instant::now();
            out.write_all(b"221 bye\r\n").unwrap();
            (seen, goodbye, at)
        });
        let model = Model::new(Mails::default(), 0, invented(3));
        let mail = model.mail(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime
            .block_on(async { say(Wire::open(port, None).await?, &mail, false).await })
            .unwrap();
        let (seen, goodbye, at) = server.join().unwrap();
        assert_eq!((answer.outcome, goodbye.as_str()), (Outcome::Taken, "QUIT"));
        assert!(answer.said <= answer.heard && answer.heard <= at);
        assert_eq!(seen[3], "DATA");
        let said = seen[4..].join("\r\n") + "\r\n";
        assert_eq!(said.into_bytes(), mail.whole(), "the whole mail, and nothing else");
    }
}
