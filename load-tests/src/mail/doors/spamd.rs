//! SpamAssassin's protocol, version 1.5, as `spamc -c` speaks it: one mail a connection, an answer, the end.

use std::io;
use std::time::Instant;

use tokio::io::AsyncWriteExt as _;

use super::{Answer, Outcome, Wire, nonsense};
use crate::mail::model::Mail;

/// Says a mail and hears whether it was judged.
pub(super) async fn say(mut wire: Wire, mail: &Mail) -> io::Result<Answer> {
    let head = format!("CHECK SPAMC/1.5\r\nContent-length: {}\r\n\r\n", mail.bytes());
    wire.write(head.as_bytes()).await?;
    wire.dribble(&mail.whole()).await?;
    wire.stream.shutdown().await?;
    let said = Instant::now();
    loop {
        match wire.hear().await {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    let answer = String::from_utf8_lossy(&wire.heard);
    if !answer.starts_with("SPAMD/1.1 0") || !answer.contains("Spam:") {
        return Err(nonsense("no verdict of spamd"));
    }
    Ok(Answer { outcome: Outcome::Taken, said, heard: Instant::now() })
}
