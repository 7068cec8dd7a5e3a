//! What a file is, told by its first bytes. An own small table of what matters in mail.

/// Bytes that suffice to tell every type but [`FileType::Iso`].
pub const MAGIC_BYTES: usize = 256;

/// Where an ISO 9660 image says what it is (ECMA-119 section 8: sector 16, byte 1).
const ISO_MARK_AT: usize = 0x8001;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// Windows or DOS program (`MZ`).
    Executable,
    /// Linux program or library.
    Elf,
    /// macOS program.
    MachO,
    /// Java class.
    JavaClass,
    /// Zip archive; also Java archives, and documents whose type another byte tells.
    Zip,
    /// Office Open XML document: a zip whose first entry is `[Content_Types].xml`, `_rels/`, `word/`, `xl/`, `ppt/` or `docProps/`.
    OfficeXml,
    /// `OpenDocument` file: a zip that begins with its `mimetype`.
    OpenDocument,
    /// OLE compound file: old Office documents, MSI packages, Outlook messages.
    Ole,
    /// PDF.
    Pdf,
    /// RTF.
    Rtf,
    /// HTML page.
    Html,
    /// Script that begins with `#!`.
    Script,
    /// RAR archive.
    Rar,
    /// 7-Zip archive.
    SevenZip,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// Microsoft cabinet.
    Cabinet,
    /// ARJ or ACE archive.
    OldArchive,
    /// tar archive.
    Tar,
    /// ISO 9660 disk image.
    Iso,
    /// Virtual disk: VHD, VHDX.
    VirtualDisk,
    /// Windows shortcut.
    Shortcut,
    /// Compiled HTML help.
    Chm,
    /// `OneNote` section.
    OneNote,
    /// TNEF (`winmail.dat`).
    Tnef,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// BMP.
    Bmp,
    /// TIFF.
    Tiff,
    /// WebP.
    Webp,
    /// SVG, which can carry scripts.
    Svg,
    /// XML of other kinds.
    Xml,
    /// PGP message or keys in ASCII armour.
    Pgp,
}

/// Marks at the very beginning.
const MARKS: [(&[u8], FileType); 38] = [
    (b"\x7fELF", FileType::Elf),
    (b"\xfe\xed\xfa\xce", FileType::MachO),
    (b"\xfe\xed\xfa\xcf", FileType::MachO),
    (b"\xce\xfa\xed\xfe", FileType::MachO),
    (b"\xcf\xfa\xed\xfe", FileType::MachO),
    (b"\xca\xfe\xba\xbe", FileType::JavaClass),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileType::Ole),
    (b"{\\rt", FileType::Rtf),
    (b"#!", FileType::Script),
    (b"Rar!\x1a\x07", FileType::Rar),
    (b"7z\xbc\xaf\x27\x1c", FileType::SevenZip),
    (b"\x1f\x8b", FileType::Gzip),
    (b"BZh", FileType::Bzip2),
    (b"\xfd7zXZ\0", FileType::Xz),
    (b"\x28\xb5\x2f\xfd", FileType::Zstd),
    (b"MSCF\0\0\0\0", FileType::Cabinet),
    (b"\x60\xea", FileType::OldArchive),
    (b"conectix", FileType::VirtualDisk),
    (b"vhdxfile", FileType::VirtualDisk),
    (b"L\0\0\0\x01\x14\x02\0", FileType::Shortcut),
    (b"ITSF", FileType::Chm),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", FileType::OneNote),
    (b"\x78\x9f\x3e\x22", FileType::Tnef),
    (b"\x89PNG\r\n\x1a\n", FileType::Png),
    (b"\xff\xd8\xff", FileType::Jpeg),
    (b"GIF87a", FileType::Gif),
    (b"GIF89a", FileType::Gif),
    (b"BM", FileType::Bmp),
    (b"II*\0", FileType::Tiff),
    (b"MM\0*", FileType::Tiff),
    (b"-----BEGIN PGP", FileType::Pgp),
    (b"PK\x05\x06", FileType::Zip),
    (b"PK\x07\x08", FileType::Zip),
    (b"PK\x03\x04", FileType::Zip),
    (b"MZ", FileType::Executable),
    (b"ZM", FileType::Executable),
    (b"%PDF-", FileType::Pdf),
    (b"%!PS", FileType::Script),
];

/// Tells the type of a file. The more of it is given the better; [`MAGIC_BYTES`] suffice for all but disk images.
#[must_use]
pub fn file_type(content: &[u8]) -> Option<FileType> {
    if content.starts_with(b"PK\x03\x04") {
        return Some(zip_type(content));
    }
    if content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP") {
        return Some(FileType::Webp);
    }
    if content.get(7..14) == Some(b"**ACE**") {
        return Some(FileType::OldArchive);
    }
    let marked = MARKS.iter().find(|(mark, _)| content.starts_with(mark)).map(|(_, found)| *found);
    // Two letters are thin evidence: a text may begin so.
    let thin =
        matches!(marked, Some(FileType::Bmp | FileType::Executable)) && looks_like_text(content);
    if let Some(found) = marked.filter(|_| !thin) {
        return Some(found);
    }
    if content.get(257..262) == Some(b"ustar") {
        return Some(FileType::Tar);
    }
    if content.get(ISO_MARK_AT..ISO_MARK_AT + 5) == Some(b"CD001") {
        return Some(FileType::Iso);
    }
    markup_type(content)
}

/// A zip by the name of its first entry (APPNOTE section 4.3.7: length at 26, name at 30).
fn zip_type(content: &[u8]) -> FileType {
    let name = content.get(30..).unwrap_or_default();
    let begins = |marks: &[&[u8]]| marks.iter().any(|mark| name.starts_with(mark));
    if begins(&[b"[Content_Types].xml", b"_rels/", b"word/", b"xl/", b"ppt/", b"docProps/"]) {
        FileType::OfficeXml
    } else if begins(&[b"mimetypeapplication/vnd.oasis"]) {
        FileType::OpenDocument
    } else {
        FileType::Zip
    }
}

fn looks_like_text(content: &[u8]) -> bool {
    let head = &content[..content.len().min(MAGIC_BYTES)];
    head.iter().all(|&byte| byte >= 32 || b"\t\r\n\x0c".contains(&byte))
}

/// Markup and PDF that do not begin at the first byte.
fn markup_type(content: &[u8]) -> Option<FileType> {
    let head = &content[..content.len().min(4 * MAGIC_BYTES)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if let Some(at) = head.iter().position(|&byte| byte == b'%')
        && head[at..].starts_with(b"%PDF-")
    {
        return Some(FileType::Pdf); // readers accept junk before the mark
    }
    if head.first() != Some(&b'<') {
        return None;
    }
    let lower = head.to_ascii_lowercase();
    let contains = |mark: &[u8]| lower.windows(mark.len()).any(|window| window == mark);
    if contains(b"<svg") {
        return Some(FileType::Svg);
    }
    const PAGE: [&[u8]; 10] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<body",
        b"<script",
        b"<meta",
        b"<title",
        b"<table",
        b"<iframe",
        b"<div",
    ];
    if PAGE.into_iter().any(contains) {
        return Some(FileType::Html);
    }
    lower.starts_with(b"<?xml").then_some(FileType::Xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let mut iso = vec![0; ISO_MARK_AT];
        iso.extend_from_slice(b"CD001");
        let mut tar = vec![b'x'; 257];
        tar.extend_from_slice(b"ustar");
        let office =
            [b"PK\x03\x04".to_vec(), vec![0; 26], b"[Content_Types].xml".to_vec()].concat();
        for (content, expect) in [
            (&b"MZ\x90\0\x03\0"[..], Some(FileType::Executable)),
            (b"MZ is a school in our town", None),
            (b"BMW for sale", None),
            (b"\x7fELF\x02", Some(FileType::Elf)),
            (b"PK\x03\x04\x14\0", Some(FileType::Zip)),
            (&office, Some(FileType::OfficeXml)),
            (b"junk\n%PDF-1.4", Some(FileType::Pdf)),
            (b"{\\rtf1", Some(FileType::Rtf)),
            (b"\xef\xbb\xbf \n<!DOCTYPE HTML>", Some(FileType::Html)),
            (b"<?xml version='1.0'?><svg/>", Some(FileType::Svg)),
            (b"<?xml version='1.0'?><a/>", Some(FileType::Xml)),
            (b"<3 hearts", None),
            (b"#!/bin/sh", Some(FileType::Script)),
            (&iso, Some(FileType::Iso)),
            (&tar, Some(FileType::Tar)),
            (b"", None),
        ] {
            assert_eq!(file_type(content), expect, "{:?}", content.get(..8));
        }
    }
}
