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
    see("<title>ti</title><style>s{}</style>x<script>1<2</script><!--co-->y", "xy", 2 + 2);
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

/// Characters in the colour of the ground, too small, off the screen; and what is left to see.
#[track_caller]
fn tricks(page: &str, visible: &str, (coloured, tiny, away): (u32, u32, u32)) {
    let found = render(page);
    let counts = (found.page.coloured_chars, found.page.tiny_chars, found.page.away_chars);
    assert_eq!((found.visible.as_str(), counts), (visible, (coloured, tiny, away)), "{page}");
}

#[test]
fn text_in_the_colour_of_its_ground_is_not_seen() {
    for hidden in [
        "<font color=white>xx</font>",
        "<font color='#FFFFFE'>xx</font>",
        "<span style='color:#fff'>xx</span>",
        "<span style='color: rgb(255, 255, 255) !important'>xx</span>",
        "<span style='color:transparent'>xx</span>",
        "<span style='color:rgba(0,0,0,0)'>xx</span>",
        "<span style='color:rgb(100%, 100% ,100%)'>xx</span>",
        "<span style='color:RGB(255 255  255)'>xx</span>",
        "<span style='color:rgb(0 0 0 / 0%)'>xx</span>",
        "<span style='color:hsl(0,0%,100%)'>xx</span>",
        "<span style='color:hsla(120deg 50% 50% / 0)'>xx</span>",
        "<span style='color:#0000'>xx</span>",
        "<span style='color:#12345600'>xx</span>",
        "<span style='color:#ffffffff'>xx</span>",
        "<span style='-webkit-text-fill-color: transparent'>xx</span>",
        "<span style='c\\6flor:\\77 hite'>xx</span>",
        "<style>@media screen{.w{color:#fff} .v{color:red}} @media all {}</style><b class=w>xx</b>",
        "<table bgcolor=black><td style='color:#000'>xx</td></table>",
        "<div style='background:#123456 none'><i style='color:#123456'>xx</i></div>",
        "<style>.w{color:#FFF}</style><b class='a w'>xx</b>",
        "<style>/*x*/ p, #w {color:white;}</style><b id=W>xx</b>",
        "<style>body{background-color:black}</style><body><p>xx</p></body>",
    ] {
        tricks(&format!("{hidden}<p style='color:red'>b"), "b", (2, 0, 0));
    }
    for shown in [
        "<table bgcolor=black><td style='color:#fff'>xx</td></table>",
        "<font color=gray>xx</font>",
        "<div style='background:url(x.png)'><i style='color:#fff'>xx</i></div>",
        "<td background=x.png><i style='color:#fff'>xx</i></td>",
        "<div style='background-image:linear-gradient(red,blue)'><i style='color:#fff'>xx</i></div>",
        "<div style='background:var(--x)'><i style='color:#fff'>xx</i></div>",
        "<style>td.h a{background:#000}</style><i style='color:#fff'>xx</i>",
        "<style>@media (max-width:9px){.w{color:#fff}}</style><i class=w>xx</i>",
        "<style>.w{color:#fff}</style><i class=w style='color:#000'>xx</i>",
        "<body bgcolor=black text=white>xx</body>",
        "<span style='color:rgb(0 0 0)'>xx</span>",
        "<b style='background:linear-gradient(a,b);-webkit-background-clip: text;color:transparent'>xx</b>",
        "<style>.a{} } .w{color:#fff}</style><i class=w>xx</i>",
        "<span style='color:hsl(0,0%,0%)'>xx</span>",
        "<span style='color:hsl(200 90% 95%)'>xx</span>",
        "<span style='color:#000f'>xx</span>",
        "<span style='color:#ffffff80'>xx</span>",
        "<style>@media screen{.w{color:#000}}</style><i class=w>xx</i>",
        "<style>@media screen and (max-width:9px){.w{color:#fff}} @media print{.w{color:#fff}}</style><i class=w>xx</i>",
        "<style>@media screen{@media print{.w{color:#fff}}}</style><i class=w>xx</i>",
        "<div bgcolor=blue><a style='x:y' href=http://a.test>xx</a></div>",
    ] {
        tricks(shown, "xx", (0, 0, 0));
    }
}

#[test]
fn text_too_small_or_off_the_screen_is_not_seen() {
    tricks("a<span style='font-size:1px'>x</span>", "a", (0, 1, 0));
    tricks("a<span style='font:0/0 a'>x</span>", "a", (0, 1, 0));
    tricks("a<style>.t{font-size:0px}</style><b class=t>x</b>", "a", (0, 1, 0));
    // Templates take the gaps between columns away like this, and set the size of the text inside.
    tricks("<td style='font-size:0px'><div style='font-size:13px'>x</div></td>", "x", (0, 0, 0));
    tricks(
        "a<b style='visibility:hidden'>x<i style='visibility:visible'>b</i></b>",
        "ab",
        (0, 0, 0),
    );
    for away in [
        "position:absolute;left:-9999px",
        "text-indent:-100em",
        "margin-left:-2000px",
        "margin:-2000px 0 0 0",
        "position:absolute;clip:rect(0 0 0 0)",
        "clip-path:inset(100%)",
        "transform:translateX(-9999px)",
        "transform: rotate(0deg) translate(0, -5000px)",
        "translate:-9999px 0",
    ] {
        tricks(&format!("a<b style='{away}'>x</b>"), "a", (0, 0, 1));
    }
    tricks("a<b style='margin-left:-20px;clip:rect(0,10px,10px,0)'>x</b>", "ax", (0, 0, 0));
    tricks("a<b style='transform:translate(-50%, -50%) scale(1)'>x</b>", "ax", (0, 0, 0));
    see("a<b style='opacity:0'>x</b><b style='transform:scale(0)'>y</b>", "a", 2);
    see(
        "<style>.h{display:none}</style>a<b class=h>x</b><b class=h style='display:inline'>b</b>",
        "ab",
        1,
    );
}

#[test]
fn comments_for_one_program_and_style_sheets_are_no_hidden_words() {
    see("a<!--[if mso]><table><tr><td>x</td><![endif]-->b<!-- <div>old</div> -->", "ab", 0);
    see("a<![if !mso]>b<![endif]>c<!-- buy this -->", "abc", 7);
    see("<noscript>a <b>b</b><i hidden>x</i></noscript>c", "a bc", 1);
    see("<template>x</template><input type=hidden value=y><input type=submit value=Go>", "Go", 1);
}

#[test]
fn what_a_page_does_is_counted() {
    let page = |page: &str| render(page).page;
    let found =
        page("<form action=http://a.test><input type=PASSWORD><input type=password></form>");
    assert_eq!((found.forms, found.password_fields), (1, 2));
    let found = page("<script>x</script><svg onload='x()'><script>y</script></svg><p one=1>");
    assert_eq!(found.scripts, 3);
    let pixel = "<img src=http://a.test/p width=1 height='1px'>";
    let found = page(&format!("{pixel}<img src=cid:x width=1 height=1><img src=http://a.test/l>"));
    assert_eq!(found.pixels, 1);
    assert!(page("<meta http-equiv=refresh content='0;url=http://a.test'>").refreshes);
    assert!(!page("<meta name=refresh>").refreshes);
}

#[test]
fn pages_within_addresses_are_read_for_their_links_up_to_n_pages() {
    // `<a href=http://in.test/>x</a>`
    let inside = "PGEgaHJlZj1odHRwOi8vaW4udGVzdC8+eDwvYT4=";
    for carried in [
        format!("<a href='data:text/html;base64,{inside}'>y</a>"),
        format!("<iframe src='DATA:text/html;charset=utf-8;base64,{inside}'></iframe>y"),
        "<a href='data:text/html,%3Ca%20href=http://in.test/%3Ex%3C/a%3E'>y</a>".to_owned(),
    ] {
        let found = render(&carried);
        assert!(found.links.iter().any(|link| link.host == "in.test"), "{carried}");
        assert_eq!((found.visible.as_str(), found.page.carried), ("y", 1), "{carried}");
    }
    assert_eq!(render("<img src='data:image/png;base64,xx'>").page.carried, 0);
    for (pages, links) in [(PAGES_MAX, PAGES_MAX), (PAGES_MAX + 1, PAGES_MAX)] {
        let carried: String = (0..pages)
            .map(|at| format!("<a href='data:text/html,<a href=http://h{at}.test/>x'>y</a>"))
            .collect();
        let found = render(&carried);
        let inside = found.links.iter().filter(|link| link.host.starts_with('h')).count();
        assert_eq!((inside, usize::from(found.page.carried)), (links, pages));
    }
}

#[test]
fn style_sheets_are_read_up_to_their_limits() {
    let sheet = |padding: usize| {
        let rule = ".w{display:none}";
        format!("<style>{}{rule}</style><b class=w>x</b>b", " ".repeat(padding - rule.len()))
    };
    see(&sheet(SHEET_BYTES_MAX), "b", 1);
    // An open rule ends with its sheet, so one byte less changes nothing; without its value it says nothing.
    see(&sheet(SHEET_BYTES_MAX + "none}".len()), "xb", 0);
    let rules = |before: usize| {
        let others: String = (0..before).map(|at| format!(".r{at}{{color:red}}")).collect();
        format!("<style>{others}.w{{display:none}}</style><b class=w>x</b>b")
    };
    see(&rules(SELECTORS_MAX - 1), "b", 1);
    see(&rules(SELECTORS_MAX), "xb", 0);
    let classes = |before: usize| {
        format!("<style>.w{{display:none}}</style><b class='{}w'>x</b>b", "r ".repeat(before))
    };
    see(&classes(CLASSES_MAX - 1), "b", 1);
    see(&classes(CLASSES_MAX), "xb", 0);
    let style = |bytes: usize| {
        let rule = "display:none";
        format!("<b style='{}{rule}'>x</b>b", ";".repeat(bytes - rule.len()))
    };
    see(&style(STYLE_BYTES_MAX), "b", 1);
    see(&style(STYLE_BYTES_MAX + 10), "xb", 0);
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
    let expect = Folded { text: text.to_owned(), invisible_chars, homoglyphs, ..Folded::default() };
    assert_eq!(folded, expect, "{visible}");
}

#[test]
fn what_looks_alike_becomes_alike() {
    folds("ＶＩＡＧＲＡ ﬁne Été", "viagra fine été", 0, 0);
    folds("vi\u{200b}ag\u{ad}ra", "viagra", 2, 0);
    folds("p\u{430}yp\u{430}l", "paypal", 0, 2);
    folds("раураl", "paypal", 0, 5);
    folds("ᴘᴀʏᴘᴀʟ", "paypal", 0, 6);
    folds("Привет мир", "привет мир", 0, 0);
    folds("cпасибо", "cпасибо", 0, 0);
    folds("сосо", "сосо", 0, 0);
    folds("kapı", "kapı", 0, 0);
    folds("Ελλάδα abc", "ελλάδα abc", 0, 0);
    folds("\u{200c}\u{a0}\u{200c}\u{a0}x", "  x", 0, 0);
    folds("\u{1f468}\u{200d}\u{1f469}\u{fe0f}", "\u{1f468}\u{1f469}", 0, 0);
    folds("می\u{200c}خواهم", "میخواهم", 0, 0);
}

#[test]
fn folded_text_is_bounded() {
    let folded = fold(&"\u{1d5a} ".repeat(TEXT_BYTES_MAX));
    assert!(folded.text.len() <= FOLDED_BYTES_MAX + 64 && folded.is_cut);
}

#[test]
fn a_text_grows_twice_when_it_is_folded_and_not_eleven_times() {
    let ligatures = |count| fold(&"\u{fdfa} ".repeat(count));
    let few = ligatures(100);
    assert_eq!((few.text.chars().count(), few.is_cut), (100 * 19, false), "of so few all is kept");
    let many = ligatures(10_000);
    assert!(many.is_cut && many.text.len() <= 2 * 40_000 + 4096 + 64, "{}", many.text.len());
    let at_once = fold(&"\u{fdfa}".repeat(10_000));
    assert!(at_once.is_cut && at_once.text.len() <= 2 * 30_000 + 4096 + 64);
}

#[test]
fn foreign_text_is_read_as_far_as_it_costs_no_more_than_a_text_of_ascii() {
    let fit = TEXT_BYTES_MAX / FOREIGN_COST;
    for (content, is_cut) in [
        ("\u{ac00}".repeat(fit / 3), false),
        ("\u{ac00}".repeat(fit / 3 + 1), true),
        ("a".repeat(TEXT_BYTES_MAX), false),
        ("a".repeat(TEXT_BYTES_MAX + 1), true),
    ] {
        let read =
            read_part(&part(PartKind::Text, "text/plain", Some("utf-8")), content.as_bytes());
        assert_eq!(read.is_cut, is_cut, "{} bytes", content.len());
        assert!(!read.text.unwrap().broken_charset, "what we cut in two is not the sender's doing");
    }
    let mixed = b"ab\xff\xffcd";
    for (cost, fits) in
        [(0, (0, 0)), (2, (2, 2)), (5, (2, 2)), (6, (3, 6)), (11, (5, 11)), (99, (6, 12))]
    {
        assert_eq!(affordable(mixed, cost), fits, "for {cost}");
    }
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
    let fit = TEXT_BYTES_MAX - 'é'.len_utf8() * (FOREIGN_COST - 1);
    assert!(read(fit).visible.ends_with('é'));
    let cut = read(fit + 1);
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
        let module = || {
            let row = CODE.lines().nth(y.checked_sub(5)?)?;
            Some(*row.as_bytes().get(x.checked_sub(5)?)? == b'#')
        };
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
const CODE: &str = include_str!("../../../documents/src/qr/code.txt");

#[test]
fn bytes_that_are_no_text_are_read_up_to_their_own_limit() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let noise: Vec<u8> = (0..2 * BINARY_BYTES_MAX as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 21) as u8)
        .collect();
    let without_nuls: Vec<u8> = noise.iter().copied().filter(|byte| *byte != 0).collect();
    let zeros = [&b"MZ"[..], &[0; 4096][..]].concat().repeat(BINARY_BYTES_MAX / 2048);
    for (name, content, is_cut) in [
        ("noise", noise.clone(), true),
        ("noise that fits", without_nuls[..BINARY_BYTES_MAX].to_vec(), false),
        ("noise of one byte more", without_nuls[..=BINARY_BYTES_MAX].to_vec(), true),
        ("noise read in two ways", noise[..BINARY_OTHER_BYTES_MAX].to_vec(), false),
        ("the same and a byte more", noise[..=BINARY_OTHER_BYTES_MAX].to_vec(), true),
        ("a program", zeros, true),
        ("UTF-16", wide("words ").repeat(BINARY_BYTES_MAX / 6), false),
        ("ISO 2022", b"\x1b$)C \x0e0!\x0f a ".repeat(BINARY_BYTES_MAX / 6), false),
        ("text", b"words\r\n".repeat(BINARY_BYTES_MAX / 3), false),
        ("8-bit", b"w\xf6rds\r\n".repeat(BINARY_BYTES_MAX / 3), false),
    ] {
        assert_eq!(
            read_part(&part(PartKind::Text, "text/plain", None), &content).is_cut,
            is_cut,
            "{name}"
        );
    }
}

#[test]
fn the_texts_of_a_mail_are_read_to_their_sum_and_a_byte_more_is_left_out() {
    let mut texts = Texts::default();
    let long = vec![b'a'; TEXT_SUM_BYTES_MAX - 1];
    assert_eq!(texts.take(&long), TEXT_SUM_BYTES_MAX - 1);
    assert_eq!((texts.take(b"a"), texts.take(b"")), (1, 0));
    let mut budget = Budget { texts, ..Budget::default() };
    assert_eq!(budget.left_out(), 0);
    let part = part(PartKind::Text, "text/plain", None);
    let read = read_part_within(&part, b"one more", &mut budget);
    assert_eq!((budget.left_out(), read.is_cut), (1, false), "alone it would be read");
    assert_eq!(read.text.unwrap().visible, "");
}
