//! ZIP archives and the documents in them: what is shown, where links lead, what acts by itself, what is cut.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod made;

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use made::{Packed, WORD, office, stored, zip};
use tamis_documents::archive::ENTRIES_MAX;
use tamis_documents::document::{Document, Facts, Format, read};
use tamis_documents::work::{
    BOMB_BYTES_MIN, BOMB_RATIO_MIN, Budget, Cut, DOCUMENT_WORK_MAX, DOCUMENTS_MAX, WORK_SUM_MAX,
};

fn document(content: &[u8]) -> Document {
    read(content, &mut Budget::default()).expect("a document")
}

fn word(body: &str, others: &[(&str, &str)]) -> Document {
    let part = format!("<w:document><w:body>{body}</w:body></w:document>");
    document(&office(&[("word/document.xml", WORD, &part)], others))
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_text_of_a_letter_is_what_is_shown() {
    for (body, expect) in [
        (
            "<w:p><w:r><w:t>one</w:t></w:r></w:p><w:p><w:r><w:t>t&amp;o</w:t></w:r></w:p>",
            "one\nt&o\n",
        ),
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>", "a\tb\nc\n"),
        ("<w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr><w:t>a</w:t>", "a\n"),
        ("<w:tr><w:tc><w:p><w:t>a</w:t></w:p></w:tc><w:tc><w:t>b</w:t></w:tc></w:tr>", "a\nb\n"),
        ("<w:t>a</w:t><mc:Fallback><w:t>again</w:t></mc:Fallback><w:t>b</w:t>", "ab\n"),
        ("<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:t>a</w:t>", "a\n"),
        ("<w:t>unclosed", "unclosed\n"),
    ] {
        assert_eq!(word(body, &[]).text, expect, "{body}");
    }
}

#[test]
fn hidden_runs_are_counted_and_not_shown() {
    let body = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r><w:r><w:t>a</w:t></w:r>\
                <w:r><w:rPr><w:vanish w:val=\"0\"/></w:rPr><w:t>b</w:t></w:r>";
    let read = word(body, &[]);
    assert_eq!((read.text.as_str(), read.hidden_chars), ("ab\n", 6));
}

const RELATIONS: &str = "<Relationships>\
    <Relationship Id=\"r1\" Type=\"http://x/hyperlink\" Target=\"http://a.test/x?a=1&amp;b=2\" TargetMode=\"External\"/>\
    <Relationship Id=\"r2\" Type=\"http://x/image\" Target=\"media/i.png\"/></Relationships>";

#[test]
fn links_have_their_target_and_what_is_shown_for_them() {
    let field = "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText> HYPER</w:instrText></w:r>\
        <w:r><w:instrText>LINK \"http://b.test/\" </w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>\
        <w:r><w:t>two</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r>";
    let body = format!(
        "<w:hyperlink r:id=\"r1\"><w:r><w:t>one</w:t></w:r></w:hyperlink><w:hyperlink w:anchor=\"top\">\
         <w:t>up</w:t></w:hyperlink>{field}<w:fldSimple w:instr=\"HYPERLINK &quot;http://c.test/&quot;\">\
         <w:t>three</w:t></w:fldSimple>"
    );
    let read = word(&body, &[("word/_rels/document.xml.rels", RELATIONS)]);
    let links: Vec<_> = read
        .links
        .iter()
        .map(|it| (it.target.as_str(), it.shown.as_deref().unwrap_or("")))
        .collect();
    let expect = [
        ("http://a.test/x?a=1&b=2", "one"),
        ("http://b.test/", "two"),
        ("http://c.test/", "three"),
    ];
    assert_eq!(links, expect);
    assert_eq!(read.text, "oneuptwothree\n");
}

#[test]
fn what_acts_by_itself_is_noted() {
    let plain = word("<w:t>a</w:t>", &[("word/_rels/document.xml.rels", RELATIONS)]);
    assert_eq!((plain.facts, plain.is_damaged), (Facts::default(), false));
    assert!(word("", &[("word/vbaProject.bin", "x")]).facts.has_macros);
    assert!(word("", &[("word/embeddings/oleObject1.bin", "x")]).facts.has_embedded_files);
    let template = "<Relationship Id=\"r\" Type=\"http://x/attachedTemplate\" Target=\"http://a.test/t.dotm\" \
                    TargetMode=\"External\"/>";
    let fetching = word("", &[("word/_rels/settings.xml.rels", template)]);
    assert!(fetching.facts.has_external_template);
    assert_eq!(fetching.links[0].target, "http://a.test/t.dotm");
    let local = template.replace("http://a.test", "file:///C:/x");
    assert!(!word("", &[("word/_rels/settings.xml.rels", &local)]).facts.has_external_template);
    let dde = word("<w:fldSimple w:instr=\"DDEAUTO c:\\\\cmd.exe &quot;/k x&quot;\"/>", &[]);
    assert!(dde.facts.has_dde && dde.facts.has_auto_action);
}

#[test]
fn sheets_and_slides_are_read_in_their_order() {
    let sheet = "openxmlformats-officedocument.spreadsheetml.";
    let (strings, table) = (format!("{sheet}sharedStrings+xml"), format!("{sheet}worksheet+xml"));
    let read = document(&office(
        &[
            (
                "xl/worksheets/sheet1.xml",
                &table,
                "<row><c><f>HYPERLINK(\"http://a.test/\",1)</f></c><c t=\"inlineStr\"><is><t>in</t></is></c></row>",
            ),
            (
                "xl/sharedStrings.xml",
                &strings,
                "<sst><si><t>one</t></si><si><r><t>t</t></r><r><t>wo</t></r><rPh><t>x</t></rPh></si></sst>",
            ),
        ],
        &[],
    ));
    assert_eq!(
        (read.text.as_str(), read.links[0].target.as_str()),
        ("one\ntwo\nin\n", "http://a.test/")
    );
    let slide = "openxmlformats-officedocument.presentationml.slide+xml";
    let text = |text: &str| {
        format!(
            "<p:sp><a:p><a:r><a:rPr><a:hlinkClick r:id=\"r1\"/></a:rPr><a:t>{text}</a:t></a:r></a:p></p:sp>"
        )
    };
    let (ten, two) = (text("ten"), text("two"));
    let read = document(&office(
        &[("ppt/slides/slide10.xml", slide, &ten), ("ppt/slides/slide2.xml", slide, &two)],
        &[("ppt/slides/_rels/slide2.xml.rels", RELATIONS)],
    ));
    assert_eq!(read.text, "two\nten\n");
    assert_eq!(read.links[0].shown.as_deref(), Some("two"));
}

#[test]
fn a_single_file_of_markup_is_read_too() {
    let flat = "<?xml version=\"1.0\"?><w:wordDocument xmlns:w=\"http://schemas.microsoft.com/office/word/2003/wordml\" \
        w:macrosPresent=\"yes\"><w:body><w:p><w:hlink w:dest=\"http://a.test/\"><w:r><w:t>one</w:t></w:r></w:hlink></w:p>\
        </w:body></w:wordDocument>";
    let read = document(flat.as_bytes());
    assert_eq!((read.text.as_str(), read.links[0].shown.as_deref()), ("one\n", Some("one")));
    assert!(read.facts.has_macros);
}

fn open_document(content: &str, manifest: &str) -> Document {
    document(&zip(&stored(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", content),
        ("META-INF/manifest.xml", manifest),
    ])))
}

#[test]
fn open_documents_are_read_to_text_links_and_facts() {
    let body = "<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>\
        <text:h>Head</text:h><text:p>a<text:s/>b<text:tab/>c<text:a xlink:href=\"http://a.test/\">link</text:a></text:p>\
        <text:p><text:hidden-text>no</text:hidden-text></text:p></office:text>";
    let read = open_document(body, "<m/>");
    assert_eq!((read.format, read.text.as_str()), (Format::OpenDocument, "Head\na b\tclink\n"));
    assert_eq!(
        (read.links[0].target.as_str(), read.links[0].shown.as_deref()),
        ("http://a.test/", Some("link"))
    );
    assert_eq!((read.hidden_chars, read.facts), (2, Facts::default()));
    let script = "<script:event-listener script:event-name=\"dom:load\"/><table:dde-source/>\
                  <text:section-source xlink:href=\"http://a.test/\"/>";
    let facts = open_document(script, "<m/>").facts;
    assert!(
        facts.has_macros && facts.has_auto_action && facts.has_dde && facts.has_external_template
    );
    let sealed = open_document("<text:p>x</text:p>", "<manifest:encryption-data/>");
    assert!(sealed.facts.is_encrypted && sealed.text.is_empty());
}

#[test]
fn an_archive_without_a_directory_is_walked_through() {
    let whole = office(&[("word/document.xml", WORD, "<w:t>text</w:t>")], &[]);
    let central = whole.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let read = document(&whole[..central]);
    assert_eq!((read.text.as_str(), read.is_damaged), ("text\n", true));
    let junk = [b"PK\x03\x04junk".to_vec(), whole].concat();
    assert_eq!(document(&junk).text, "text\n", "what stands before an archive is passed over");
    assert_eq!(read_none(b"PK\x03\x04"), None);
    assert_eq!(read_none(&zip(&stored(&[("a.txt", "x")]))), None, "an archive of anything");
}

fn read_none(content: &[u8]) -> Option<Document> {
    read(content, &mut Budget::default())
}

#[test]
fn encrypted_entries_are_said_and_not_read() {
    let mut entries = stored(&[("word/document.xml", "<w:t>x</w:t>")]);
    entries[0].is_encrypted = true;
    let read = document(&zip(&entries));
    assert!(read.facts.is_encrypted && read.text.is_empty());
}

#[test]
fn entries_are_looked_at_up_to_their_limit() {
    for (entries, is_cut) in [(ENTRIES_MAX, false), (ENTRIES_MAX + 1, true)] {
        let names: Vec<String> = (0..entries).map(|at| format!("xl/{at}")).collect();
        let mut all = vec![("word/document.xml", "<w:t>a</w:t>")];
        all.extend(names[1..].iter().map(|name| (name.as_str(), "")));
        let read = document(&zip(&stored(&all)));
        assert_eq!((read.text.as_str(), read.cuts.contains(&Cut::Count)), ("a\n", is_cut));
    }
}

#[test]
fn a_bomb_is_said_and_costs_no_more_than_a_document() {
    let blanks = |bytes: u64| {
        let content = deflated(&vec![b' '; bytes as usize]);
        let ratio = bytes / content.len() as u64;
        (
            zip(&[Packed { name: "word/document.xml", method: 8, content, is_encrypted: false }]),
            ratio,
        )
    };
    let (small, ratio) = blanks(BOMB_BYTES_MIN);
    assert!(ratio > BOMB_RATIO_MIN && !document(&small).cuts.contains(&Cut::Bomb));
    let (large, _) = blanks(BOMB_BYTES_MIN + 1);
    assert!(document(&large).cuts.contains(&Cut::Bomb));
    let (huge, _) = blanks(40 * BOMB_BYTES_MIN);
    let mut budget = Budget::default();
    assert!(read(&huge, &mut budget).unwrap().cuts.contains(&Cut::Bomb));
    assert!(budget.spent() < DOCUMENT_WORK_MAX);
}

#[test]
fn entries_that_lie_upon_each_other_are_a_bomb() {
    let mut content = zip(&stored(&[("word/document.xml", "<w:t>a</w:t>"), ("b", "x")]));
    let second = content.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    content[second + 20..second + 24].copy_from_slice(&10_000_u32.to_le_bytes());
    assert!(document(&content).cuts.contains(&Cut::Bomb));
}

#[test]
fn a_mail_has_a_budget_for_its_documents_and_what_it_leaves_out_is_counted() {
    let small = office(&[("word/document.xml", WORD, "<w:t>a</w:t>")], &[]);
    let mut budget = Budget::default();
    for _ in 0..DOCUMENTS_MAX {
        assert!(read(&small, &mut budget).is_some());
    }
    assert_eq!((read(&small, &mut budget), budget.left_out()), (None, 1), "one too many");
    // Each group costs twice what a token costs.
    let rtf = |groups: u64| format!("{{\\rtf1 {}}}", "{}".repeat(groups as usize));
    let long = rtf(DOCUMENT_WORK_MAX / 8);
    let mut budget = Budget::default();
    for _ in 0..WORK_SUM_MAX / DOCUMENT_WORK_MAX {
        let found = read(long.as_bytes(), &mut budget).unwrap();
        assert!(found.cuts.contains(&Cut::Work) && budget.left_out() == 0, "as alone");
    }
    assert_eq!((budget.spent(), read(&small, &mut budget)), (WORK_SUM_MAX, None));
    let almost = rtf(DOCUMENT_WORK_MAX / 12 - 10);
    let mut budget = Budget::default();
    for _ in 0..WORK_SUM_MAX / DOCUMENT_WORK_MAX {
        assert!(read(almost.as_bytes(), &mut budget).unwrap().cuts.is_empty());
    }
    assert!(read(long.as_bytes(), &mut budget).unwrap().cuts.contains(&Cut::Work));
    assert_eq!(budget.left_out(), 1, "less of it was read than of a mail's only document");
}
