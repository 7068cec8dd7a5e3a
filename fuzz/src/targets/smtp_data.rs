//! Mail content on the wire: dots, line ends, and the one true end.

use bytes::BytesMut;
use tamis_mail_protocols::smtp::data::{
    BareLineEnd, ContentEnd, ContentFault, DataReader, DataWriter,
};

use crate::pick::Cuts;

/// Most bytes of content that the reader under test takes.
const SIZE_MAX: u64 = 3000;

/// Reads bytes as content under both policies, whatever the cuts; writes bytes as content and reads them back. Neither
/// side ever lets a look-alike of a line end out, so nobody behind us can see another end of the mail.
pub fn smtp_data(data: &[u8]) {
    for policy in [BareLineEnd::Reject, BareLineEnd::Normalise] {
        let whole = read(policy, &[data]);
        assert_eq!(whole, read(policy, &Cuts::of(data).pieces(data)), "cuts change content");
        let (content, end, rest) = whole;
        assert!(content.len() as u64 <= SIZE_MAX);
        let open = end.is_none();
        assert_true_line_ends(&content, open);
        if let Some(end) = end {
            assert_eq!(rest, data[data.len() - rest.len()..]);
            assert!(end.fault.is_some() || end.size == content.len() as u64);
            let over = matches!(end.fault, Some(ContentFault::TooBig { .. }));
            assert!(!over || end.size > SIZE_MAX);
            assert!(policy == BareLineEnd::Normalise || end.bare.none() || end.fault.is_some());
        }
    }
    there_and_back(data);
}

type Read = (Vec<u8>, Option<ContentEnd>, Vec<u8>);

fn read(policy: BareLineEnd, pieces: &[&[u8]]) -> Read {
    let (mut reader, mut input) = (DataReader::new(policy, SIZE_MAX), BytesMut::new());
    let (mut content, mut ended) = (Vec::new(), None);
    for piece in pieces {
        input.extend_from_slice(piece);
        if ended.is_some() {
            continue;
        }
        let (chunk, end) = reader.read(&mut input);
        content.extend_from_slice(&chunk);
        assert!(end.is_some() || input.is_empty(), "content stays behind");
        ended = end;
    }
    if ended.is_none_or(|end| end.fault.is_some()) {
        // How much was handed out before a fault depends on the cuts; that it is not used does not.
        content.truncate(0);
    }
    (content, ended, input.to_vec())
}

fn assert_true_line_ends(content: &[u8], open: bool) {
    for (at, byte) in content.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(content.get(at.wrapping_sub(1)), Some(&b'\r'), "bare LF at {at}"),
            b'\r' if open && at + 1 == content.len() => {}
            b'\r' => assert_eq!(content.get(at + 1), Some(&b'\n'), "bare CR at {at}"),
            _ => {}
        }
    }
}

fn write(pieces: &[&[u8]]) -> BytesMut {
    let (mut writer, mut wire) = (DataWriter::default(), BytesMut::new());
    for piece in pieces {
        writer.write(piece, &mut wire);
    }
    writer.finish(&mut wire);
    wire
}

fn there_and_back(content: &[u8]) {
    let mut wire = write(&[content]);
    assert_eq!(wire, write(&Cuts::of(content).pieces(content)), "cuts change the wire");
    assert!(wire.len() <= 2 * content.len() + 5);
    assert_true_line_ends(&wire, false);
    let ends = wire.windows(5).filter(|window| window == b"\r\n.\r\n").count();
    assert_eq!(ends + usize::from(wire.starts_with(b".\r\n")), 1, "the mail ends once");
    let sent = wire.clone();
    let (back, end) = DataReader::new(BareLineEnd::Reject, u64::MAX).read(&mut wire);
    let end = end.expect("the end that was written");
    assert!(end.fault.is_none() && end.bare.none() && wire.is_empty());
    assert_eq!(end.size, back.len() as u64);
    assert_eq!(write(&[&back]), sent, "what was read is what was written");
    let visible = |bytes: &[u8]| {
        bytes.iter().filter(|byte| !b"\r\n".contains(byte)).copied().collect::<Vec<u8>>()
    };
    assert_eq!(visible(&back), visible(content), "only line ends may change");
}
