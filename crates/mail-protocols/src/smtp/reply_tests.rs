use super::*;

fn read(bytes: &[u8], piece: usize) -> Vec<Result<Reply, ReplyFault>> {
    let (mut reader, mut input) = (ReplyReader::default(), BytesMut::new());
    let mut replies = Vec::new();
    for part in bytes.chunks(piece) {
        input.extend_from_slice(part);
        while let Some(reply) = reader.next(&mut input) {
            let broken = reply.is_err();
            replies.push(reply);
            if broken {
                return replies;
            }
        }
    }
    replies
}

#[test]
fn replies_read_are_replies_written_whatever_the_split() {
    let bytes = b"250-5.1.1 one\r\n250 two\r\n354 \r\n550 5.7.1 no\r\n";
    for piece in 1..=bytes.len() {
        let replies = read(bytes, piece);
        let again: Vec<u8> =
            replies.iter().flat_map(|reply| reply.as_ref().unwrap().to_bytes()).collect();
        assert_eq!(again, bytes, "pieces of {piece}");
    }
    assert_eq!(read(b"250\r\n", 5), [Ok(Reply::new(250, ""))]);
}

#[test]
fn what_is_no_reply_ends_the_talk() {
    for (bytes, fault) in [
        (&b"hello\r\n"[..], ReplyFault::Malformed),
        (b"25\r\n", ReplyFault::Malformed),
        (b"250_x\r\n", ReplyFault::Malformed),
        (b"150 x\r\n", ReplyFault::Malformed),
        (b"650 x\r\n", ReplyFault::Malformed),
        (b"250-a\r\n251 b\r\n", ReplyFault::MixedCodes),
        (b"250 a\n", ReplyFault::BareLineEnd),
        (b"250 a\rb\r\n", ReplyFault::BareLineEnd),
    ] {
        assert_eq!(read(bytes, 1).pop(), Some(Err(fault)), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn as_many_lines_as_the_limit_and_not_one_more() {
    let of = |lines: usize| format!("{}250 x\r\n", "250-x\r\n".repeat(lines - 1));
    let most = read(of(REPLY_LINES_MAX).as_bytes(), 1000);
    assert_eq!(most[0].as_ref().unwrap().lines().len(), REPLY_LINES_MAX);
    let more = read(of(REPLY_LINES_MAX + 1).as_bytes(), 1000);
    assert_eq!(more, [Err(ReplyFault::TooManyLines)]);
}

#[test]
fn a_line_of_the_limit_and_not_one_byte_more() {
    let of = |bytes: usize| format!("250 {}\r\n", "x".repeat(bytes - 6));
    assert!(read(of(REPLY_LINE_BYTES_MAX).as_bytes(), 100)[0].is_ok());
    let more = read(of(REPLY_LINE_BYTES_MAX + 1).as_bytes(), 100);
    assert_eq!(more, [Err(ReplyFault::LineTooLong)]);
}

#[test]
fn hostile_text_cannot_add_a_line_or_a_code() {
    let bytes = Reply::of_lines(550, vec!["no\r\n250 yes".into()]).to_bytes();
    assert_eq!(&bytes[..], b"550 no??250 yes\r\n");
    assert_eq!(Reply::new(99, "x").code(), 451);
    assert_eq!(Reply::new(600, "x").code(), 451);
    assert_eq!(&Reply::of_lines(250, vec![]).to_bytes()[..], b"250 \r\n");
}

#[test]
fn the_enhanced_code_stands_on_each_line() {
    let reply = Reply::new(554, "5.7.1 refused\r\nsee 5 pages\n5.7.1 bye");
    assert_eq!(reply.lines(), ["5.7.1 refused", "5.7.1 see 5 pages", "5.7.1 bye"]);
    assert_eq!(reply.enhanced(), Some(EnhancedCode { class: 5, subject: 7, detail: 1 }));
    assert_eq!(Reply::new(250, "5.7.1 odd").enhanced(), None);
    for text in ["", "5.7 x", "5.7.1.1 x", "3.7.1 x", "5.7777.1 x", "5..1", "a.b.c"] {
        assert_eq!(Reply::new(550, text).enhanced(), None, "{text}");
    }
}

#[test]
fn long_text_is_folded_at_the_limit() {
    let room = REPLY_LINE_BYTES_SENT_MAX - 6;
    let lines = |bytes: usize| Reply::new(250, &"x".repeat(bytes)).to_bytes();
    assert_eq!(lines(room).len(), REPLY_LINE_BYTES_SENT_MAX);
    assert_eq!(&lines(room + 1)[REPLY_LINE_BYTES_SENT_MAX..], b"250 x\r\n");
    let wide = Reply::new(250, &"\u{e9}".repeat(600)).to_bytes();
    for line in wide.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.len() <= REPLY_LINE_BYTES_SENT_MAX && std::str::from_utf8(line).is_ok());
    }
}
