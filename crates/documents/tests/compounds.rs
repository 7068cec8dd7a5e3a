//! Compound files and what is in them: Word, Excel and PowerPoint of 1997 to 2003.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod made;

use made::{Item, atom, compound, record, word};
use tamis_documents::compound::ENTRIES_MAX;
use tamis_documents::document::{Document, Facts, read};
use tamis_documents::word::{FIELDS_MAX, PIECES_MAX};
use tamis_documents::work::{Budget, Cut};

fn document(items: &[Item]) -> Document {
    read(&compound(items, 0), &mut Budget::default()).expect("a document")
}

#[test]
fn the_text_of_all_pieces_is_read() {
    let pieces = [("one\rtwo\u{7}", false), ("dré\u{b}ї", true)];
    let expect = "one\ntwo\tdré\nї";
    assert_eq!(document(&word(&pieces, 0)).text, expect);
    let small = compound(&word(&pieces, 0), 4096);
    assert_eq!(
        read(&small, &mut Budget::default()).unwrap().text,
        expect,
        "among the small streams"
    );
}

#[test]
fn fields_are_links_with_what_is_shown_for_them() {
    let text = "see \u{13} HYPERLINK \"http://a.test/\" \u{14}www.b.test\u{15} and \u{13}PAGE\u{14}7\u{15}";
    let read = document(&word(&[(text, false)], 0));
    assert_eq!(read.text, "see www.b.test and 7");
    assert_eq!(
        (read.links[0].target.as_str(), read.links[0].shown.as_deref()),
        ("http://a.test/", Some("www.b.test"))
    );
    let dde = document(&word(&[("\u{13}DDEAUTO c:\\\\x.exe\u{14}\u{15}", false)], 0)).facts;
    assert!(dde.has_dde && dde.has_auto_action);
}

#[test]
fn what_is_inside_is_noted() {
    let with = |name: &'static str, kind| {
        let mut items = word(&[("a", false)], 0);
        items.push((name, kind, Vec::new()));
        document(&items).facts
    };
    assert_eq!(with("ObjectPool", 1), Facts::default(), "every document has one");
    assert!(with("_VBA_PROJECT_CUR", 1).has_macros);
    assert!(with("_1573545115", 1).has_embedded_files);
    assert!(with("\u{1}Ole10Native", 2).has_embedded_files);
    assert!(document(&[("EncryptedPackage", 2, vec![0; 9])]).facts.is_encrypted);
    let sealed = document(&word(&[("a", false)], 0x0100));
    assert!(sealed.facts.is_encrypted && sealed.text.is_empty());
}

#[test]
fn workbooks_are_read_across_the_ends_of_records() {
    let head = [3, 0, 0, 0, 3, 0, 0, 0];
    // "one" narrow, "t" narrow with "wo" wide in the next record, and a string with formatting behind it.
    let first = [&head[..], &[3, 0, 0, b'o', b'n', b'e', 3, 0, 0, b't']].concat();
    let second = [&[1, b'w', 0, b'o', 0][..], &[1, 0, 8, 1, 0, b'x', 9, 9, 9, 9]].concat();
    let book = [
        record(0x809, &[0; 16]),
        record(0xfc, &first),
        record(0x3c, &second),
        record(0x204, &[0, 0, 0, 0, 0, 0, 2, 0, 0, b'h', b'i']),
    ]
    .concat();
    let read = document(&[("Workbook", 2, book)]);
    assert_eq!((read.text.as_str(), read.facts), ("one\ntwo\nx\nhi\n", Facts::default()));
    let facts = |records: &[u8]| document(&[("Workbook", 2, records.to_vec())]).facts;
    assert!(facts(&record(0x2f, &[0, 0])).is_encrypted);
    assert!(facts(&record(0x85, &[0, 0, 0, 0, 0, 1, 1, 0, b'm'])).has_macros, "a sheet of macros");
    let program = [&[0, 0][..], &[8, 0, 0], b"cmd\x03/c x"].concat();
    assert!(facts(&record(0x1ae, &program)).has_dde);
    let moniker = [
        &[0; 32][..],
        &[0xe0, 0xc9, 0xea, 0x79, 0xf9, 0xba, 0xce, 0x11, 0x8c, 0x82, 0, 0xaa, 0, 0x4b, 0xa9, 0x0b],
        &[30, 0, 0, 0],
    ];
    let address: Vec<u8> = "http://a.test/\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let link = record(0x1b8, &[moniker.concat(), address].concat());
    assert_eq!(document(&[("Workbook", 2, link)]).links[0].target, "http://a.test/");
}

#[test]
fn slides_are_read_from_containers_within_containers() {
    let wide: Vec<u8> = "one\rtwo".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let address: Vec<u8> = "http://a.test/".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let inner =
        [atom(0, 0x0fa0, &wide), atom(0, 0x0fa8, b"three"), atom(0, 0x0fba, &address)].concat();
    let show = atom(0xf, 0x03e8, &atom(0xf, 0x0ff0, &inner));
    let read = document(&[("PowerPoint Document", 2, show)]);
    assert_eq!(
        (read.text.as_str(), read.links[0].target.as_str()),
        ("one\ntwo\nthree\n", "http://a.test/")
    );
    let deep = (0..40).fold(atom(0, 0x0fa8, b"x"), |inner, _| atom(0xf, 0x03e8, &inner));
    assert!(document(&[("PowerPoint Document", 2, deep)]).cuts.contains(&Cut::Depth));
}

#[test]
fn damage_is_read_as_far_as_it_goes_and_circles_end() {
    let whole = compound(&word(&[("some text", false)], 0), 0);
    for bytes in [8, 512, 600, 1024, 1536, whole.len() - 512] {
        let _ = read(&whole[..bytes], &mut Budget::default()).expect("still a document");
    }
    // Each sector follows itself.
    let mut circle = whole.clone();
    for (at, next) in (0_u32..).zip(circle[512..1024].chunks_exact_mut(4)) {
        next.copy_from_slice(&at.to_le_bytes());
    }
    let mut budget = Budget::default();
    let _ = read(&circle, &mut budget).expect("still a document");
    assert!(budget.spent() < 100 * whole.len() as u64, "{}", budget.spent());
    assert!(read(&whole[..100], &mut Budget::default()).unwrap().is_damaged);
}

#[test]
fn entries_pieces_and_fields_are_read_up_to_their_limits() {
    for (fields, is_cut) in [(FIELDS_MAX, false), (FIELDS_MAX + 1, true)] {
        let text = "\u{13}A".repeat(fields) + &"\u{15}".repeat(fields);
        assert_eq!(document(&word(&[(&text, false)], 0)).cuts.contains(&Cut::Depth), is_cut);
    }
    // These do not fit one sector of the table: the parts that count them are given more than they hold.
    for (pieces, is_cut) in [(PIECES_MAX, false), (PIECES_MAX + 1, true)] {
        let mut items = word(&[("a", false)], 0);
        let list = 4 * (pieces + 1) + 8 * pieces;
        let table = [&[2][..], &(list as u32).to_le_bytes(), &vec![0; list]].concat();
        items[0].2[0x01a6..0x01aa].copy_from_slice(&(table.len() as u32).to_le_bytes());
        items[1].2 = table;
        assert_eq!(large(&items).cuts.contains(&Cut::Count), is_cut);
    }
    for (entries, is_cut) in [(ENTRIES_MAX, false), (ENTRIES_MAX + 1, true)] {
        let items: Vec<Item> = (1..entries).map(|_| ("x", 1, Vec::new())).collect();
        assert_eq!(large(&items).cuts.contains(&Cut::Count), is_cut);
    }
}

/// Reads items of more sectors than one table holds: 4096 bytes to a sector.
fn large(items: &[Item]) -> Document {
    read(&made::compound_of_large_sectors(items), &mut Budget::default()).expect("a document")
}
