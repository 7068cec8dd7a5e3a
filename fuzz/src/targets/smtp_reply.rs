//! Replies of a next hop, and ours.

use bytes::BytesMut;
use tamis_mail_protocols::smtp::extensions::Extensions;
use tamis_mail_protocols::smtp::limits::{
    REPLY_LINE_BYTES_MAX, REPLY_LINE_BYTES_SENT_MAX, REPLY_LINES_MAX,
};
use tamis_mail_protocols::smtp::reply::{Reply, ReplyFault, ReplyReader};

use crate::pick::{Cuts, Pick};

/// Reads bytes as replies whatever the cuts, writes each again and reads the same; makes a reply of any text and reads
/// it back in step.
pub fn smtp_reply(data: &[u8]) {
    let whole = replies(&[data]);
    assert_eq!(whole, replies(&Cuts::of(data).pieces(data)), "cuts change replies");
    for reply in whole.iter().flatten() {
        there_and_back(reply);
        let extensions = Extensions::learn(reply);
        let said = Reply::of_lines(250, [vec!["x".to_owned()], extensions.lines()].concat());
        assert_eq!(Extensions::learn(&said).lines(), extensions.lines());
    }
    let mut pick = Pick::new(data);
    let code = pick.u16();
    there_and_back(&Reply::new(code, &String::from_utf8_lossy(pick.rest())));
}

fn replies(pieces: &[&[u8]]) -> Vec<Result<Reply, ReplyFault>> {
    let (mut reader, mut input) = (ReplyReader::default(), BytesMut::new());
    let mut replies = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(reply) = reader.next(&mut input) {
            let over = reply.is_err();
            replies.push(reply);
            if over {
                return replies;
            }
        }
        assert!(input.len() < REPLY_LINE_BYTES_MAX, "an unfinished line is kept");
    }
    replies
}

fn there_and_back(reply: &Reply) {
    assert!((200..=599).contains(&reply.code()), "{}", reply.code());
    let wire = reply.to_bytes();
    let mut count = 0;
    for line in wire.split_inclusive(|byte| *byte == b'\n') {
        count += 1;
        assert!(line.len() <= REPLY_LINE_BYTES_SENT_MAX && line.ends_with(b"\r\n"));
        assert!(!line[..line.len() - 2].iter().any(u8::is_ascii_control), "{line:?}");
    }
    let read = replies(&[&wire]);
    if count > REPLY_LINES_MAX {
        return assert_eq!(read, [Err(ReplyFault::TooManyLines)]);
    }
    let [Ok(again)] = read.as_slice() else { panic!("{wire:?} reads back as {read:?}") };
    assert_eq!(again.code(), reply.code());
    // Long lines were folded; no character was lost.
    assert_eq!(again.lines().concat(), reply.lines().concat());
}
