use tamis_domain::limits::{LINKS_MAX, TEXT_BYTES_MAX};

use super::*;
use crate::digesting::dissect;

fn part(kind: PartKind, media_type: &str, charset: Option<&str>) -> Part {
    let mut part = dissect(b"\n").outline.parts.remove(0);
    (part.kind, part.media_type, part.charset) = (kind, media_type.into(), charset.map(Into::into));
    part
}

#[track_caller]
fn see(page: &str, visible: &str, hidden_chars: u32) {
    let rendered = render(page);
    assert_eq!(
        (rendered.visible.as_str(), rendered.hidden_chars),
        (visible, hidden_chars),
        "{page}"
    );
}

#[track_caller]
fn links(page: &str, expect: &[(&str, &str, Option<&str>)]) {
    let links = render(page).links;
    let found: Vec<_> = links
        .iter()
        .map(|link| (link.target.as_str(), link.host.as_str(), link.shown.as_deref()))
        .collect();
    assert_eq!(found, expect, "{page}");
}

#[test]
fn text_is_what_a_person_sees() {
    see("<p>a<p>b <b>c</b>d<br>e", "a\nb cd\ne", 0);
    see("a&amp;b&nbsp;&#x41;\n\n c", "a&b A c", 0);
    see("<table><tr><td>a</td><td>b</td></tr><tr><td>c</table>", "a b\nc", 0);
    see("<title>ti</title><style>s{}</style>x<script>1<2</script><!--co-->y", "xy", 2 + 3 + 3 + 2);
    see("V<span style='display:none'>xx</span>ia<i hidden>yy</i>g", "Viag", 4);
    see("a<span style=\"font-size : 0 px; color:red\">xx</span>b", "ab", 2);
    see(
        "a<span style='FONT-SIZE:0.5px'>x</span><i style='font-size:12px'>b</i><i style='font-size:0.9em'>c</i>",
        "abc",
        1,
    );
    see(
        "a<div style='max-height:0;overflow:hidden'>x</div><div style='max-height:0'>b</div>",
        "a\nb",
        1,
    );
    see("a<span style='dis/**/play:no/*x*/ne'>x</span>", "a", 1);
    see("a<span style='visibility: hidden'>x<b>y</span>b</b>", "ab", 2);
    see("<p style='display:none'>x<p>b", "b", 1);
    see("<table><td style='display:none'>x<td>b", "b", 1);
    see("<div hidden>x<br>y<img src=cid:1></div>b", "b", 2);
}

#[test]
fn links_are_found_with_what_is_shown_for_them() {
    links(
        "<a href='https://Example.COM/x'>go <b>here</b></a>",
        &[("https://Example.COM/x", "example.com", Some("go here"))],
    );
    links(
        "<a href=http://a.test><a href=http://b.test>x",
        &[("http://a.test", "a.test", Some("")), ("http://b.test", "b.test", Some("x"))],
    );
    links(
        "<a href=http://a.test>http://b.test</a> http://c.test.",
        &[("http://a.test", "a.test", Some("http://b.test")), ("http://c.test", "c.test", None)],
    );
    links(
        "<base href='http://a.test/d/e'><a href='f'>1</a><a href='/g'>2</a><a href='//h.test'>3</a>",
        &[
            ("http://a.test/d/f", "a.test", Some("1")),
            ("http://a.test/g", "a.test", Some("2")),
            ("http://h.test", "h.test", Some("3")),
        ],
    );
    links(
        "<form action=http://a.test/p><img src=http://b.test/i><img src=cid:x><img src='data:image/gif;x'><area href=http://c.test>",
        &[
            ("http://a.test/p", "a.test", None),
            ("http://b.test/i", "b.test", None),
            ("http://c.test", "c.test", None),
        ],
    );
    links(
        "<meta http-equiv=Refresh content='0; URL=\"http://a.test/\"'>",
        &[("http://a.test/", "a.test", None)],
    );
    links(
        "<a href=' ht\ntp://a.\ttest '>x</a><a href='#top'>y</a>",
        &[("http://a.test", "a.test", Some("x"))],
    );
    links(
        "<a href='http://a.test'><span style='display:none'>bank.test</span>x</a>",
        &[("http://a.test", "a.test", Some("x"))],
    );
}

#[test]
fn open_elements_are_followed_up_to_n_and_shown_beyond() {
    let page =
        |depth: usize| format!("{}<i hidden>x</i>{}y", "<b>".repeat(depth), "</b>".repeat(depth));
    see(&page(ELEMENTS_OPEN_MAX - 1), "y", 1);
    see(&page(ELEMENTS_OPEN_MAX), "xy", 0);
}

#[test]
fn shown_text_is_kept_up_to_n_bytes() {
    for length in [SHOWN_BYTES_MAX, SHOWN_BYTES_MAX + 1] {
        let page = format!("<a href=http://a.test>{}</a>", "é".repeat(length / 2 + 1));
        let shown = render(&page).links[0].shown.clone().unwrap();
        assert!(shown.len() <= SHOWN_BYTES_MAX && shown.len() >= SHOWN_BYTES_MAX - 1);
    }
}

#[track_caller]
fn folds(visible: &str, text: &str, invisible_chars: u32, homoglyphs: u32) {
    let folded = fold(visible);
    let expect = Folded { text: text.to_owned(), invisible_chars, homoglyphs };
    assert_eq!(folded, expect, "{visible}");
}

#[test]
fn what_looks_alike_becomes_alike() {
    folds("ＶＩＡＧＲＡ ﬁne Été", "viagra fine été", 0, 0);
    folds("vi\u{200b}ag\u{ad}ra", "viagra", 2, 0);
    folds("p\u{430}yp\u{430}l", "paypal", 0, 2);
    folds("Привет мир", "привет мир", 0, 0);
    folds("Ελλάδα abc", "ελλάδα abc", 0, 0);
    folds("\u{200c}\u{a0}\u{200c}\u{a0}x", "  x", 0, 0);
    folds("\u{1f468}\u{200d}\u{1f469}\u{fe0f}", "\u{1f468}\u{1f469}", 0, 0);
    folds("می\u{200c}خواهم", "میخواهم", 0, 0);
}

#[test]
fn folded_text_is_bounded() {
    let folded = fold(&"\u{fdfa} ".repeat(TEXT_BYTES_MAX / 4));
    assert!(folded.text.len() <= FOLDED_BYTES_MAX + 64);
}

#[test]
fn a_text_part_is_read_in_its_charset() {
    let reading = read_part(
        &part(PartKind::Text, "text/plain", Some("koi8-r")),
        b"\xf0\xd2\xc9\xd7\xc5\xd4  www.a.test",
    );
    let text = reading.text.unwrap();
    assert_eq!(
        (text.visible.as_str(), text.folded.as_str()),
        ("Привет www.a.test", "привет www.a.test")
    );
    assert!(!text.broken_charset);
    assert_eq!(reading.links[0].target, "http://www.a.test");
    assert_eq!(reading.sha256.len(), 64);
    let reading = read_part(
        &part(PartKind::Html, "text/html", None),
        b"<meta charset=windows-1251><p>\xcf\xf0",
    );
    assert_eq!(reading.text.unwrap().visible, "Пр");
}

#[test]
fn bytes_that_are_a_page_are_read_as_one_whatever_they_are_called() {
    let page = b"<html><a href=http://a.test>x</a>";
    let reading = read_part(&part(PartKind::Other, "application/octet-stream", None), page);
    assert_eq!(reading.links.len(), 1);
    assert_eq!(reading.head, page);
    let reading =
        read_part(&part(PartKind::Other, "application/octet-stream", None), b"http://a.test");
    assert_eq!((reading.text, reading.links.len()), (None, 0));
}

#[test]
fn text_is_read_up_to_n_bytes_and_a_cut_character_is_no_fault() {
    let read = |length: usize| {
        let content = format!("{}é", "x".repeat(length - 2));
        read_part(&part(PartKind::Text, "text/plain", Some("utf-8")), content.as_bytes())
            .text
            .unwrap()
    };
    assert!(read(TEXT_BYTES_MAX).visible.ends_with('é'));
    let cut = read(TEXT_BYTES_MAX + 1);
    assert_eq!((cut.visible.len() / 10, cut.broken_charset), (TEXT_BYTES_MAX / 10, false));
}

#[test]
fn the_head_and_the_links_are_bounded_at_n_and_n_plus_1() {
    for count in [LINKS_MAX, LINKS_MAX + 1] {
        let text: String = (0..count).map(|at| format!("http://h{at}.test/ ")).collect();
        let reading = read_part(&part(PartKind::Text, "text/plain", None), text.as_bytes());
        assert_eq!((reading.links.len(), reading.head.len()), (LINKS_MAX, HEAD_BYTES_MAX));
    }
}

#[test]
fn documents_are_read_to_text_links_and_facts_whatever_they_call_themselves() {
    let rtf = b"{\\rtf1 Pay at {\\field{\\*\\fldinst HYPERLINK \"http://a.test/x\"}{\\fldrslt here}} or www.b.test{\\object}}";
    for (kind, media_type) in [
        (PartKind::Other, "application/octet-stream"),
        (PartKind::Image, "image/png"),
        (PartKind::Text, "text/rtf"),
    ] {
        let read = read_part(&part(kind, media_type, None), rtf);
        assert_eq!(read.text.unwrap().visible, "Pay at here or www.b.test", "{media_type}");
        let hosts: Vec<_> = read.links.iter().map(|link| link.host.as_str()).collect();
        assert_eq!(hosts, ["a.test", "www.b.test"], "{media_type}");
        assert_eq!(read.links[0].shown.as_deref(), Some("here"));
        assert!(read.document.is_some());
    }
    let plain = read_part(&part(PartKind::Text, "text/plain", None), rtf);
    assert!(plain.document.is_none(), "mail programs do not sniff");
    let invitation =
        b"BEGIN:VCALENDAR\r\nSUMMARY:Due now\r\nURL:http://a.test/\r\nEND:VCALENDAR\r\n";
    let read = read_part(&part(PartKind::Text, "text/calendar", Some("utf-8")), invitation);
    assert_eq!((read.text.unwrap().visible.as_str(), read.links.len()), ("Due now", 1));
}

#[test]
fn codes_in_pictures_are_links_and_pictures_without_have_none() {
    use ::image::{GrayImage, ImageFormat, Luma};
    let packed = |is_dark: &dyn Fn(usize, usize) -> bool| {
        let pixel = |x, y| Luma([if is_dark(x as usize / 4, y as usize / 4) { 0 } else { 255 }]);
        let mut out = std::io::Cursor::new(Vec::new());
        GrayImage::from_fn(140, 140, pixel).write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
    };
    let code = packed(&|x, y| {
        let module =
            || Some(*CODE.get(y.checked_sub(5)?)?.as_bytes().get(x.checked_sub(5)?)? == b'#');
        module().unwrap_or_default()
    });
    let read = read_part(&part(PartKind::Image, "image/png", None), &code);
    assert_eq!(read.links.len(), 1);
    assert_eq!(read.links[0].host, "pay.evil.test");
    let document = read.document.unwrap();
    assert!(document.is_picture && document.code_links == 1);
    let none = read_part(&part(PartKind::Image, "image/png", None), &packed(&|x, y| x > y));
    assert!(none.links.is_empty() && none.document.is_none());
}

/// A code that says `https://pay.evil.test/invoice?7`.
const CODE: [&str; 25] = [
    "#######..#.##..#..#######",
    "#.....#...######..#.....#",
    "#.###.#.#.....##..#.###.#",
    "#.###.#....#..#...#.###.#",
    "#.###.#....#..###.#.###.#",
    "#.....#...######..#.....#",
    "#######.#.#.#.#.#.#######",
    "........###..####........",
    "###.#####.#.##.####...#..",
    "#.#.#..##...###.###.....#",
    "##..####.#...##...#.#.###",
    "..####.#...#.###...#...#.",
    ".##.####...###.#####.#.##",
    ".#####...#..###.#.#..#..#",
    "#.##..#####.....#..#..###",
    ".#..##.##.#.##..#...#..#.",
    "#.#####..######.######...",
    "........##..#...#...##.##",
    "#######.##..##.##.#.##.##",
    "#.....#.###.###.#...##..#",
    "#.###.#.#....#..######.#.",
    "#.###.#.....#....#.####..",
    "#.###.#.##..#.###...#...#",
    "#.....#.#.#.#####.#.##.#.",
    "#######.#.####.##..#...##",
];
