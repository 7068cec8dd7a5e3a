use std::borrow::Cow;

use super::*;
use crate::work::Budget;

fn work() -> Work {
    Budget::default().allow().expect("a fresh budget")
}

fn bytes(data: &[u8], filters: &[&str]) -> Option<Vec<u8>> {
    let names: Vec<Object> =
        filters.iter().map(|name| Object::Name(Cow::Borrowed(name.as_bytes()))).collect();
    match decode(data, &names.iter().collect::<Vec<_>>(), &[], &mut work()) {
        Unpacked::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

#[test]
fn each_filter_is_undone() {
    // From the standard's own example (section 7.4.4.2).
    let lzw = [0x80, 0x0b, 0x60, 0x50, 0x22, 0x0c, 0x0c, 0x85, 0x01];
    for (data, filter, expect) in [
        (&b"48 65 6c6C 6f7>xx"[..], "ASCIIHexDecode", &b"Hellop"[..]),
        (b"87cUR\nD]i,\"~>", "A85", b"Hello Wo"),
        (b"<~z!!~>", "ASCII85Decode", b"\0\0\0\0\0"),
        (b"\x02abc\xfed\x80x", "RunLengthDecode", b"abcddd"),
        (&lzw, "LZWDecode", b"-----A---B"),
        (b"plain", "Crypt", b"plain"),
    ] {
        assert_eq!(
            bytes(data, &[filter]).unwrap().escape_ascii().to_string(),
            expect.escape_ascii().to_string(),
            "{filter}"
        );
    }
    assert_eq!(bytes(b"x", &["JBIG2Decode"]), None);
}

#[test]
fn codes_of_lzw_grow_as_the_table_does() {
    let content: Vec<u8> = (0..6000_u32).map(|at| ((at * at) >> 3) as u8).collect();
    let packed = packed_lzw(&content);
    assert!(bytes(&packed, &["LZW"]).unwrap() == content);
}

/// The plainest packer: a table of all strings seen, anew when it is full.
fn packed_lzw(content: &[u8]) -> Vec<u8> {
    let mut table: std::collections::HashMap<Vec<u8>, u32> = std::collections::HashMap::new();
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u64, 0);
    let mut next = 258_u32;
    let mut put = |code: u32, next: u32| {
        let width = width_of(next as usize + 1).min(12);
        bits = bits << width | u64::from(code);
        held += width;
        while held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    };
    let code = |table: &std::collections::HashMap<Vec<u8>, u32>, text: &[u8]| match text {
        [byte] => Some(u32::from(*byte)),
        _ => table.get(text).copied(),
    };
    put(256, next);
    let mut held_text: Vec<u8> = Vec::new();
    for byte in content {
        let longer = [&held_text[..], &[*byte]].concat();
        if code(&table, &longer).is_some() {
            held_text = longer;
            continue;
        }
        put(code(&table, &held_text).unwrap(), next - 1);
        table.insert(longer, next);
        next += 1;
        held_text = vec![*byte];
        if next == 4094 {
            put(code(&table, &held_text).unwrap(), next - 1);
            put(256, next);
            table.clear();
            next = 258;
            held_text.clear();
        }
    }
    if !held_text.is_empty() {
        put(code(&table, &held_text).unwrap(), next - 1);
    }
    put(257, next);
    put(0, 4000);
    out
}

#[test]
fn filters_are_laid_over_each_other_up_to_the_limit() {
    let hex = |text: &[u8]| -> Vec<u8> {
        text.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
    };
    let data = (0..FILTERS_MAX).fold(b"x".to_vec(), |data, _| hex(&data));
    assert_eq!(bytes(&data, &["AHx"; FILTERS_MAX]).as_deref(), Some(&b"x"[..]));
    assert_eq!(bytes(&hex(&data), &["AHx"; FILTERS_MAX + 1]), None);
}

#[test]
fn rows_of_differences_are_undone_as_in_png() {
    let number = |value| Object::Number(value);
    let parameters = Dict(vec![
        (Cow::Borrowed(b"Predictor"), number(12.0)),
        (Cow::Borrowed(b"Columns"), number(3.0)),
    ]);
    let rows =
        [&[0, 1, 2, 3][..], &[1, 1, 1, 1], &[2, 1, 1, 1], &[3, 1, 1, 1], &[4, 1, 1, 1], &[0, 7]]
            .concat();
    let expect = [1, 2, 3, 1, 2, 3, 2, 3, 4, 2, 3, 4, 3, 4, 5, 7];
    assert_eq!(predicted(rows, &parameters), expect);
    let wild = Dict(vec![
        (Cow::Borrowed(b"Predictor"), number(15.0)),
        (Cow::Borrowed(b"Columns"), number(f32::MAX)),
        (Cow::Borrowed(b"Colors"), number(-1.0)),
    ]);
    assert_eq!(predicted(vec![0, 1, 2], &wild), [1]);
}
