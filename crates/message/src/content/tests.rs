use super::*;
use TransferEncoding::{Base64, Identity, QuotedPrintable, Uuencode};

fn span(encoding: TransferEncoding, form: Form, raw: &[u8]) -> Span {
    Span { start: 0, end: raw.len() as u64, wrappings: Vec::new(), encoding, form, returns: false }
}

/// Decodes whole, byte by byte and in pieces of three; all must agree.
#[track_caller]
fn check(encoding: TransferEncoding, form: Form, raw: &[u8], expect: &[u8]) {
    let span = span(encoding, form, raw);
    for size in [raw.len().max(1), 1, 3] {
        let mut content = Vec::new();
        let mut decoder = Decoder::new(&span);
        for piece in raw.chunks(size) {
            decoder.push(piece, &mut |bytes| content.extend_from_slice(bytes));
        }
        decoder.finish(&mut |bytes| content.extend_from_slice(bytes));
        let (got, expect) = (String::from_utf8_lossy(&content), String::from_utf8_lossy(expect));
        assert_eq!(got, expect, "{} in pieces of {size}", String::from_utf8_lossy(raw));
    }
}

#[test]
fn text_has_one_kind_of_line_end_and_none_at_the_end() {
    for raw in [&b"a\r\nb\r\n\r\n"[..], b"a\nb", b"a\nb\n\n\n", b"a\rb\r\n", b"a\r\nb\r"] {
        check(Identity, Form::Text, raw, b"a\nb");
    }
    // Both steps in turn: CR CR LF is CR LF, and that is LF; so a door that shows LF alone agrees.
    check(Identity, Form::Text, b"a\r\r\nb", b"a\nb");
    check(Identity, Form::Text, b"\r\n\r\n", b"");
    check(Identity, Form::Text, b"a\n \n", b"a\n ");
}

#[test]
fn bytes_that_travel_as_lines_keep_a_lone_cr() {
    check(Identity, Form::Lines, b"a\r\nb\rc\r\n", b"a\nb\rc");
    check(Identity, Form::Lines, b"a\r\r\nb\r", b"a\r\nb\r");
}

#[test]
fn base64_skips_junk_and_goes_on_behind_padding() {
    check(Base64, Form::Exact, b"aGVs\r\nbG8=\r\n", b"hello");
    check(Base64, Form::Exact, b"aGVsbG8", b"hello");
    check(Base64, Form::Exact, b"a-G!V s\nbG8", b"hello");
    check(Base64, Form::Exact, b"aGVsbG8=aGVsbG8=", b"hellohello");
    check(Base64, Form::Exact, b"aGVsbG8=a", b"hello");
    check(Base64, Form::Exact, b"====", b"");
    check(Base64, Form::Text, b"YQ0KYg0KDQo=", b"a\nb");
    check(Base64, Form::Exact, b"YQ0KYg0KDQo=", b"a\r\nb\r\n\r\n");
}

#[test]
fn quoted_printable_forgives() {
    check(QuotedPrintable, Form::Text, b"a=3D=3db=\r\nc  \r\nd =\nx=  \r\ny", b"a==bc\nd xy");
    check(QuotedPrintable, Form::Text, b"50=ZZ =4 = x=", b"50=ZZ =4 = x");
    check(QuotedPrintable, Form::Text, b"end=4", b"end=4");
    check(QuotedPrintable, Form::Text, b"end \t", b"end");
    check(QuotedPrintable, Form::Text, b"a=\rb \rc", b"a=\nb \nc");
    check(QuotedPrintable, Form::Exact, b"a=0D=0Ab\r\n", b"a\r\nb\n");
}

#[test]
fn blanks_are_held_up_to_n_and_let_go_at_n_plus_1() {
    let line = |count: usize| [b"x".to_vec(), vec![b' '; count], b"\r\ny".to_vec()].concat();
    check(QuotedPrintable, Form::Text, &line(BLANKS_HELD_MAX), b"x\ny");
    let kept = [b"x".to_vec(), vec![b' '; BLANKS_HELD_MAX], b"\ny".to_vec()].concat();
    check(QuotedPrintable, Form::Text, &line(BLANKS_HELD_MAX + 1), &kept);
}

#[test]
fn uuencode_is_decoded_inside_its_block_and_passed_outside() {
    check(
        Uuencode,
        Form::Exact,
        b"see:\r\n\r\nbegin 644 a b.txt\r\n%:&5L;&\\\r\n`\r\nend\r\nbye\r\n",
        b"see:\nhellobye\n",
    );
    check(Uuencode, Form::Exact, b"begin 644 x\n#  \nend", b"\0\0\0");
    check(Uuencode, Form::Text, b"no block at all\r\nhere", b"no block at all\nhere");
}

#[test]
fn a_uuencode_line_is_kept_up_to_n_and_passed_at_n_plus_1() {
    for length in
        [UUENCODE_LINE_BYTES_MAX, UUENCODE_LINE_BYTES_MAX + 1, 3 * UUENCODE_LINE_BYTES_MAX]
    {
        let line = vec![b'x'; length];
        check(Uuencode, Form::Text, &[&line[..], b"\r\ny"].concat(), &[&line[..], b"\ny"].concat());
    }
}

#[test]
fn a_wrapped_part_is_cut_out_of_the_decoded_message() {
    let raw = b"WFhZUTBLWWcwS1pa"; // base64 of "XXYQ0KYg0KZZ", which holds base64 of "a CR LF b CR LF"
    let span = Span {
        start: 0,
        end: raw.len() as u64,
        wrappings: vec![Wrapping { encoding: Base64, start: 2, end: 10, returns: false }],
        encoding: Base64,
        form: Form::Text,
        returns: false,
    };
    assert_eq!(decode(&span, raw), b"a\nb");
}

#[test]
fn held_line_feeds_cost_a_number_not_memory() {
    let mut decoder = Decoder::new(&span(Identity, Form::Text, b""));
    let (mut longest, mut total) = (0, 0);
    let mut out = |bytes: &[u8]| {
        longest = longest.max(bytes.len());
        total += bytes.len();
    };
    for _ in 0..1000 {
        decoder.push(&[b'\n'; 1000], &mut out);
    }
    decoder.push(b"x", &mut out);
    decoder.finish(&mut out);
    assert_eq!((longest, total), (256, 1_000_001));
}
