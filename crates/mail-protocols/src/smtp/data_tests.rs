use super::super::limits::HELD_CR_MAX;
use super::*;

/// Content, end, and what is left, reading `wire` in pieces.
fn read(
    policy: BareLineEnd,
    size_max: u64,
    wire: &[u8],
    piece: usize,
) -> (Vec<u8>, Option<ContentEnd>, Vec<u8>) {
    let mut reader = DataReader::new(policy, size_max);
    let (mut input, mut content, mut end) = (BytesMut::new(), Vec::new(), None);
    for part in wire.chunks(piece) {
        input.extend_from_slice(part);
        if end.is_none() {
            let (chunk, found) = reader.read(&mut input);
            content.extend_from_slice(&chunk);
            end = found;
        }
    }
    (content, end, input.to_vec())
}

fn write(content: &[u8], piece: usize) -> Vec<u8> {
    let (mut writer, mut wire) = (DataWriter::default(), BytesMut::new());
    content.chunks(piece).for_each(|part| writer.write(part, &mut wire));
    writer.finish(&mut wire);
    wire.to_vec()
}

#[test]
fn content_comes_out_as_it_went_in_whatever_the_split() {
    let long = [b"x".repeat(5000), b"\r\n".to_vec()].concat();
    let mails: [&[u8]; 9] = [
        b"",
        b"\r\n",
        b".\r\n",
        b"..\r\n.\r\n...\r\n",
        b"a\r\n.b\r\n\r\n",
        b"\x00\xff\x80 8-bit\r\n",
        b"ends with a dot .\r\n",
        b"\r\n\r\n\r\n",
        &long,
    ];
    for mail in mails {
        for piece in 1..=mail.len().clamp(1, 12) {
            let mut wire = write(mail, piece);
            wire.extend_from_slice(b"QUIT\r\n");
            let (content, end, left) = read(BareLineEnd::Reject, 10_000, &wire, piece);
            let end = end.expect("the end");
            assert_eq!((content.as_slice(), left.as_slice()), (mail, &b"QUIT\r\n"[..]));
            assert_eq!((end.size, end.fault, end.bare.none()), (mail.len() as u64, None, true));
        }
    }
}

/// Each of these ends the mail for some program; none does for us, and none leaves as it came.
const LOOK_ALIKES: [&[u8]; 12] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r.\r",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\r\n.\n",
    b"\r\n.\r\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n\r.\r\n",
];

#[test]
fn no_look_alike_ends_a_mail_and_none_leaves() {
    for look_alike in LOOK_ALIKES {
        let hidden = b"MAIL FROM:<evil@example.test>\r\nDATA\r\nhidden\r\n";
        let wire = [b"first", look_alike, hidden, b".\r\nQUIT\r\n"].concat();
        for piece in 1..=wire.len() {
            let (content, end, left) = read(BareLineEnd::Reject, 1000, &wire, piece);
            let end = end.expect("the end");
            assert_eq!(left, b"QUIT\r\n", "{look_alike:?}");
            let harmless = look_alike.contains(&0);
            assert_eq!(end.fault.is_none(), harmless, "{look_alike:?}");
            assert_eq!(end.bare.none(), harmless);
            assert!(harmless || !content.windows(6).any(|part| part == b"hidden"));

            let (content, end, left) = read(BareLineEnd::Normalise, 1000, &wire, piece);
            assert_eq!((left.as_slice(), end.map(|end| end.fault)), (&b"QUIT\r\n"[..], Some(None)));
            let sent = write(&content, piece);
            let (again, end, left) = read(BareLineEnd::Reject, 1000, &sent, 1);
            assert_eq!(again, content, "{look_alike:?}");
            assert!(left.is_empty() && end.is_some_and(|end| end.bare.none()));
            assert!(again.windows(6).any(|part| part == b"hidden"), "nothing is lost");
        }
    }
}

#[test]
fn the_writer_lets_no_look_alike_out_even_if_its_caller_brings_one() {
    for look_alike in LOOK_ALIKES {
        let content = [b"first", look_alike, b"rest"].concat();
        for piece in 1..=content.len() {
            let wire = write(&content, piece);
            let (_, end, left) = read(BareLineEnd::Reject, 1000, &wire, 1);
            assert!(end.is_some_and(|end| end.bare.none()), "{look_alike:?}");
            assert!(left.is_empty(), "{look_alike:?}");
        }
    }
}

#[test]
fn normalised_line_ends_are_counted_and_keep_the_lines() {
    let (content, end, _) = read(BareLineEnd::Normalise, 100, b"a\nb\rc\r\r\nd\r\re\r\n.\r\n", 3);
    assert_eq!(content, b"a\r\nb\r\nc\r\nd\r\n\r\ne\r\n");
    assert_eq!(end.map(|end| end.bare), Some(BareLineEnds { cr: 4, lf: 1 }));
}

#[test]
fn a_mail_without_last_line_end_gets_one() {
    assert_eq!(write(b"a", 1), b"a\r\n.\r\n");
    assert_eq!(write(b"", 1), b".\r\n");
    assert_eq!(write(b"a\r", 1), b"a\r\n.\r\n");
}

#[test]
fn a_mail_of_the_limit_passes_and_one_byte_more_does_not() {
    for piece in [1, 2, 5, 100] {
        let (content, end, left) = read(BareLineEnd::Reject, 6, b"..aaa\r\n.\r\nNOOP", piece);
        assert_eq!((content.as_slice(), left.as_slice()), (&b".aaa\r\n"[..], &b"NOOP"[..]));
        assert_eq!(end.map(|end| (end.size, end.fault)), Some((6, None)));
        let (content, end, left) = read(BareLineEnd::Reject, 6, b"..aaaa\r\n.\r\nNOOP", piece);
        assert!(content.len() <= 6 && left == b"NOOP");
        let fault = Some(ContentFault::TooBig { size_max: 6 });
        assert_eq!(end.map(|end| (end.size, end.fault)), Some((7, fault)));
    }
}

#[test]
fn runs_of_cr_are_held_to_the_limit_and_come_out_one_by_one_past_it() {
    let run = |count: usize| [&b"\r".repeat(count), &b"\n"[..], b".\r\n"].concat();
    let most = usize::from(HELD_CR_MAX);
    let (content, end, _) = read(BareLineEnd::Normalise, 1000, &run(most), 7);
    assert_eq!((content.as_slice(), end.map(|end| end.bare.cr)), (&b"\r\n"[..], Some(63)));
    let (content, end, _) = read(BareLineEnd::Normalise, 1000, &run(most + 1), 7);
    assert_eq!(content, b"\r\n\r\n");
    assert_eq!(end.map(|end| end.bare.cr), Some(64));
}
