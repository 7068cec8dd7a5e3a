//! Small documents, made byte by byte: containers with what a test puts into them.
#![allow(dead_code)]

/// A ZIP archive: name, how it is packed (0 or 8), packed content, and whether it says that it is encrypted.
pub struct Packed<'a> {
    pub name: &'a str,
    pub method: u16,
    pub content: Vec<u8>,
    pub is_encrypted: bool,
}

/// Entries as they are.
pub fn stored<'a>(entries: &[(&'a str, &str)]) -> Vec<Packed<'a>> {
    let entry = |(name, content): &(&'a str, &str)| Packed {
        name,
        method: 0,
        content: content.as_bytes().to_vec(),
        is_encrypted: false,
    };
    entries.iter().map(entry).collect()
}

/// A ZIP archive of these entries.
pub fn zip(entries: &[Packed]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = out.len() as u32;
        let size = (entry.content.len() as u32).to_le_bytes();
        let name = (entry.name.len() as u16).to_le_bytes();
        let flags = u16::from(entry.is_encrypted).to_le_bytes();
        let common = [
            &[20, 0][..],
            &flags,
            &entry.method.to_le_bytes(),
            &[0; 8], // time, date, checksum
            &size,
            &size,
            &name,
            &[0, 0],
        ]
        .concat();
        out.extend([b"PK\x03\x04", &common[..], entry.name.as_bytes(), &entry.content].concat());
        let rest = [&[0; 10][..], &offset.to_le_bytes()].concat();
        central.extend([b"PK\x01\x02\x14\0", &common[..], &rest, entry.name.as_bytes()].concat());
    }
    let (at, size) = (out.len() as u32, central.len() as u32);
    let count = (entries.len() as u16).to_le_bytes();
    out.extend(central);
    out.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count].concat());
    out.extend([&size.to_le_bytes()[..], &at.to_le_bytes(), &[0, 0]].concat());
    out
}

/// An Office Open XML archive: parts with their content types, and other entries.
pub fn office(parts: &[(&str, &str, &str)], others: &[(&str, &str)]) -> Vec<u8> {
    let part = |(name, kind, _): &(&str, &str, &str)| {
        format!("<Override PartName=\"/{name}\" ContentType=\"application/vnd.{kind}\"/>")
    };
    let types: String = parts.iter().map(part).collect();
    let types = format!("<?xml version=\"1.0\"?><Types>{types}</Types>");
    let mut entries = vec![("[Content_Types].xml", types.as_str())];
    entries.extend(parts.iter().map(|(name, _, content)| (*name, *content)));
    entries.extend(others);
    zip(&stored(&entries))
}

/// The content type of a Word document, behind `application/vnd.`.
pub const WORD: &str = "openxmlformats-officedocument.wordprocessingml.document.main+xml";

/// What a directory entry of a compound file is: 1 a storage, 2 a stream.
pub type Item<'a> = (&'a str, u8, Vec<u8>);

/// A compound file. Streams shorter than `small_below` stand among the small ones.
pub fn compound(items: &[Item], small_below: u32) -> Vec<u8> {
    compound_of(items, small_below, 512)
}

/// The same with large sectors, of which one table lists 4 MiB.
pub fn compound_of_large_sectors(items: &[Item]) -> Vec<u8> {
    compound_of(items, 0, 4096)
}

fn compound_of(items: &[Item], small_below: u32, size: usize) -> Vec<u8> {
    let is_small = |item: &Item| item.1 == 2 && item.2.len() < small_below as usize;
    let mut small: Vec<u8> = Vec::new();
    let mut small_table: Vec<u32> = Vec::new();
    let mut sectors: Vec<Vec<u8>> = Vec::new();
    let mut table: Vec<u32> = vec![0xffff_fffd]; // sector 0 is the table itself
    sectors.push(vec![0; size]);
    let mut starts = Vec::new();
    for item in items {
        starts.push(if is_small(item) {
            let start = small.len() / 64;
            chain(&mut small_table, start, item.2.len().div_ceil(64));
            small.extend(&item.2);
            small.resize(small.len().next_multiple_of(64), 0);
            start as u32
        } else {
            put(&mut sectors, &mut table, &item.2, size)
        });
    }
    let small_start = put(&mut sectors, &mut table, &small, size);
    let small_list: Vec<u8> = small_table.iter().flat_map(|next| next.to_le_bytes()).collect();
    let small_table_start = put(&mut sectors, &mut table, &small_list, size);
    let mut directory = entry("Root Entry", 5, small_start, small.len());
    for (item, start) in items.iter().zip(&starts) {
        directory.extend(entry(item.0, item.1, *start, item.2.len()));
    }
    let directory_start = put(&mut sectors, &mut table, &directory, size);
    assert!(table.len() <= size / 4, "more than one sector of the table");
    table.resize(size / 4, u32::MAX);
    for (place, next) in sectors[0].chunks_exact_mut(4).zip(&table) {
        place.copy_from_slice(&next.to_le_bytes());
    }
    let mut header = vec![0; size];
    header[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    header[76..512].fill(0xff);
    for (at, value) in [
        (30, size.ilog2()),
        (32, 6),
        (44, 1),
        (48, directory_start),
        (56, small_below),
        (60, small_table_start),
        (68, 0xffff_fffe),
        (76, 0),
    ] {
        let width = if at < 44 { 2 } else { 4 };
        header[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    [header, sectors.concat()].concat()
}

fn chain(table: &mut Vec<u32>, start: usize, count: usize) {
    for at in 1..=count {
        table.push(if at == count { 0xffff_fffe } else { (start + at) as u32 });
    }
}

fn put(sectors: &mut Vec<Vec<u8>>, table: &mut Vec<u32>, content: &[u8], size: usize) -> u32 {
    let start = sectors.len();
    chain(table, start, content.len().div_ceil(size));
    for piece in content.chunks(size) {
        let mut sector = vec![0; size];
        sector[..piece.len()].copy_from_slice(piece);
        sectors.push(sector);
    }
    if content.is_empty() { 0xffff_fffe } else { start as u32 }
}

fn entry(name: &str, kind: u8, start: u32, size: usize) -> Vec<u8> {
    let mut out: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = out.len() as u8 + 2;
    out.resize(128, 0);
    (out[64], out[66]) = (length, kind);
    out[116..120].copy_from_slice(&start.to_le_bytes());
    out[120..124].copy_from_slice(&(size as u32).to_le_bytes());
    out
}

/// The streams of a Word 97 document: pieces of text, each of one byte or two bytes a character.
pub fn word<'a>(pieces: &[(&str, bool)], flags: u16) -> Vec<Item<'a>> {
    let mut main = vec![0; 0x300];
    let (mut positions, mut places) = (vec![0_u32], Vec::new());
    for (text, is_wide) in pieces {
        let at = main.len() as u32;
        let units: Vec<u16> = text.encode_utf16().collect();
        positions.push(positions.last().unwrap_or(&0) + units.len() as u32);
        if *is_wide {
            main.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
            places.push(at);
        } else {
            main.extend(units.iter().map(|unit| *unit as u8));
            places.push((2 * at) | 0x4000_0000);
        }
        main.resize(main.len().next_multiple_of(2), 0);
    }
    let mut list: Vec<u8> = positions.iter().flat_map(|at| at.to_le_bytes()).collect();
    for place in places {
        list.extend([&[0, 0][..], &place.to_le_bytes(), &[0, 0]].concat());
    }
    // Formatting in front of the list is passed over.
    let table = [&[1, 2, 0, 9, 9, 2][..], &(list.len() as u32).to_le_bytes(), &list].concat();
    main[..4].copy_from_slice(&[0xec, 0xa5, 0xc1, 0]);
    main[10..12].copy_from_slice(&(flags | 0x0200).to_le_bytes());
    main[0x01a6..0x01aa].copy_from_slice(&(table.len() as u32).to_le_bytes());
    vec![("WordDocument", 2, main), ("1Table", 2, table)]
}

/// A record of a workbook.
pub fn record(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(body.len() as u16).to_le_bytes(), body].concat()
}

/// A record of a show.
pub fn atom(version: u16, kind: u16, body: &[u8]) -> Vec<u8> {
    let head = [version.to_le_bytes(), kind.to_le_bytes()].concat();
    [&head[..], &(body.len() as u32).to_le_bytes(), body].concat()
}

/// A PDF of one page with this content, and these other objects from number 10 on.
pub fn pdf(content: &str, others: &[&str]) -> Vec<u8> {
    let mut out = String::from("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n");
    out += "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n";
    out +=
        "3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R/F2 10 0 R>>";
    out += "/XObject<</X1 11 0 R>>>>>>endobj\n";
    out += &format!("4 0 obj<</Length {}>>stream\n{content}\nendstream endobj\n", content.len());
    out += "5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n";
    for (number, other) in (10..).zip(others) {
        out += &format!("{number} 0 obj{other}endobj\n");
    }
    out += "trailer<</Root 1 0 R>>\n%%EOF\n";
    out.into_bytes()
}
