//! Seeds of documents and codes: one of each format, each with what it can hold.

#[path = "../../../crates/documents/tests/made/mod.rs"]
mod made;

use made::{WORD, atom, compound, office, pdf, record, stored, word, zip};

use super::{Made, seed};

pub fn all() -> Vec<Made> {
    let mut all = vec![
        seed("documents", "letter.rtf", RTF.as_bytes().to_vec()),
        seed("documents", "meeting.ics", CALENDAR.as_bytes().to_vec()),
        seed("documents", "letter.docx", docx()),
        seed("documents", "book.xlsx", xlsx()),
        seed("documents", "text.odt", odt()),
        seed("documents", "letter.doc", doc()),
        seed("documents", "book.xls", xls()),
        seed("documents", "show.ppt", ppt()),
        seed("documents", "page.pdf", page()),
        seed("documents", "objects.pdf", objects()),
        seed("documents", "flat.xml", FLAT.as_bytes().to_vec()),
    ];
    all.extend(codes());
    all
}

const RTF: &str = "{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0\\fcharset0 A;}{\\f1\\fcharset204 B;}}{\\info{\\title x}}\
    \\f1\\'cf\\'f0\\par\\f0 caf\\'e9 \\u8364\\'80\\uc0\\u-10179\\u-8704{\\v hid}{\\field{\\*\\fldinst HYPERLINK \"http://a.test/\"}\
    {\\fldrslt b}}{\\object\\objupdate{\\*\\objdata 0105}}{\\pict\\bin3 }}}}{\\*\\template http://a.test/t}}";

const CALENDAR: &str = "BEGIN:VCALENDAR\r\nSUMMARY:Due\\, now\r\nDESCRIPTION:long\r\n  line\r\n\
    ORGANIZER;CN=\"A; B\":mailto:a@example.test\r\nURL:http://a.test/\r\nACTION:PROCEDURE\r\n\
    X-ALT-DESC:<a href=\"http://b.test/?a&amp;b\">\r\nEND:VCALENDAR\r\n";

const FLAT: &str = "<?xml version='1.0'?><w:d xmlns:w='http://schemas.microsoft.com/office/word/2003/wordml'>\
    <w:p><w:hlink w:dest='http://a.test/'><w:t>a&#65;</w:t></w:hlink><![CDATA[b]]></w:p></w:d>";

const RELATIONS: &str = "<r><Relationship Id=\"r1\" Type=\"x/hyperlink\" Target=\"http://a.test/\" TargetMode=\"External\"/>\
    <Relationship Id=\"r2\" Type=\"x/attachedTemplate\" Target=\"http://b.test/\" TargetMode=\"External\"/></r>";

fn docx() -> Vec<u8> {
    let text = "<w:p><w:hyperlink r:id=\"r1\"><w:r><w:t>one</w:t></w:r></w:hyperlink><w:r><w:rPr><w:vanish/></w:rPr>\
        <w:t>no</w:t></w:r><w:fldChar w:fldCharType=\"begin\"/><w:instrText>DDE a b</w:instrText>\
        <w:fldChar w:fldCharType=\"end\"/><mc:Fallback><w:t>x</w:t></mc:Fallback></w:p>";
    let others = [("word/_rels/document.xml.rels", RELATIONS), ("word/vbaProject.bin", "x")];
    office(&[("word/document.xml", WORD, text)], &others)
}

fn xlsx() -> Vec<u8> {
    let strings = "openxmlformats-officedocument.spreadsheetml.sharedStrings+xml";
    let sheet = "openxmlformats-officedocument.spreadsheetml.worksheet+xml";
    office(
        &[
            ("xl/sharedStrings.xml", strings, "<si><t>a</t><rPh><t>b</t></rPh></si>"),
            ("xl/worksheets/sheet1.xml", sheet, "<c><f>HYPERLINK(\"http://a.test/\")</f></c>"),
        ],
        &[],
    )
}

fn odt() -> Vec<u8> {
    zip(&stored(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        (
            "content.xml",
            "<text:p>a<text:s/><text:a xlink:href='http://a.test/'>b</text:a></text:p>",
        ),
        ("META-INF/manifest.xml", "<m/>"),
    ]))
}

fn doc() -> Vec<u8> {
    let text = "one\r\u{13}HYPERLINK \"http://a.test/\"\u{14}two\u{15}";
    compound(&word(&[(text, false), ("\u{457}", true)], 0), 4096)
}

fn xls() -> Vec<u8> {
    let strings = [2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, b'a', 2, 0, 0, b'b'];
    let book =
        [record(0xfc, &strings), record(0x3c, &[1, b'c', 0]), record(0x85, &[0; 8])].concat();
    compound(&[("Workbook", 2, book), ("_VBA_PROJECT_CUR", 1, Vec::new())], 4096)
}

fn ppt() -> Vec<u8> {
    let inner = [atom(0, 0x0fa0, b"a\0b\0"), atom(0, 0x0fa8, b"c")].concat();
    compound(&[("PowerPoint Document", 2, atom(0xf, 0x03e8, &inner))], 4096)
}

fn page() -> Vec<u8> {
    let content = "q 1 0 0 1 5 5 cm BT /F1 12 Tf 14 TL [(a) -300 (b)] TJ T* (c\\051) ' /F2 9 Tf <0001> Tj ET Q /X1 Do";
    let font = "<</Subtype/Type0/Encoding/Identity-H/ToUnicode 12 0 R/DescendantFonts[13 0 R]>>";
    let form = "<</Subtype/Form/Length 5>>stream\nBT ET\nendstream ";
    let map = "<</Length 33>>stream\n<0001><0002><0061> endbfrange     \nendstream ";
    pdf(
        content,
        &[font, form, map, "<</W[1[500]2 3 600]>>", "<</A<</S/URI/URI(http://a.test/)>>>>"],
    )
}

fn objects() -> Vec<u8> {
    let stream = "<</Type/ObjStm/N 2/First 10/Length 40>>stream\n20 0 21 9 <</JS(x)>><</S/Launch>>          \nendstream ";
    let packed = "<</Filter[/AHx/A85/LZW/RL]/Length 6>>stream\n3c7e>~\nendstream ";
    pdf(
        "",
        &[stream, packed, "<</OpenAction<</S/JavaScript/JS 10 0 R>>/AA<</O 13 0 R>>>>", "13 0 R"],
    )
}

/// A code, the same with one module wrong, and three corners that are none.
fn codes() -> Vec<Made> {
    let picture = |rows: &[&str]| -> Vec<u8> {
        let margin = 4;
        let side = rows.len() + 2 * margin;
        let at = |x: usize, y: usize| -> Option<bool> {
            let row = rows.get(y.checked_sub(margin)?)?;
            Some(*row.as_bytes().get(x.checked_sub(margin)?)? == b'#')
        };
        // Two pixels to a module.
        let pixel = |i: usize| {
            if at(i % (2 * side) / 2, i / (4 * side)).unwrap_or_default() { 0 } else { 255 }
        };
        std::iter::once((2 * side) as u8).chain((0..4 * side * side).map(pixel)).collect()
    };
    let code: Vec<&str> = CODE.lines().collect();
    let mut wrong: Vec<String> = CODE.lines().map(str::to_owned).collect();
    wrong[12].replace_range(10..13, "###");
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    let corners: Vec<&str> = CODE.lines().map(|row| &row[..8]).collect();
    vec![
        seed("codes", "code.luma", picture(&code)),
        seed("codes", "damaged.luma", picture(&wrong)),
        seed("codes", "corners.luma", picture(&corners)),
    ]
}

/// A code that says `https://pay.evil.test/invoice?7`.
const CODE: &str = include_str!("../../../crates/documents/src/qr/code.txt");
