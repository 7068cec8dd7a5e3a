use super::*;
use crate::work::{Budget, Cut};

fn document(content: &[u8]) -> Document {
    crate::document::read(content, &mut Budget::default()).unwrap()
}

fn text(body: &str) -> String {
    document(format!("{{\\rtf1\\ansi\\ansicpg1252 {body}}}").as_bytes()).text.trim_end().to_owned()
}

#[test]
fn text_is_what_a_word_processor_shows() {
    for (body, expect) in [
        ("plain\\par text", "plain\ntext"),
        ("caf\\'e9 na\\u239\\'efve", "café naïve"),
        ("\\uc0\\u-10179\\u-8704 x", "\u{1f600}x"),
        ("\\uc2\\u8364\\'80\\'80 x", "€ x"),
        ("\\u8364{\\f1 y}", "€y"),
        ("{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset204 Arial Cyr;}}\\f1\\'cf\\'f0", "Пр"),
        ("{\\fonttbl{\\f3\\fnil\\fcharset128 MS;}}{\\f3 \\'93\\'fa\\'96\\'7b}", "日本"),
        ("{\\stylesheet{\\s0 Normal;}}{\\info{\\title Hidden}}a", "a"),
        ("{\\*\\generator Riched20;}{\\*\\unknown x}{\\unknown y}", "y"),
        ("a{\\pict\\wmetafile8 0102}b", "ab"),
        ("a{\\pict\\bin3 }}}}b", "ab"),
        ("a\\~b\\-c\\_d\\\\\\{\\}", "a\u{a0}bc-d\\{}"),
        ("a\\cell b\\cell\\row c", "a\tb\nc"),
        ("\\ldblquote a\\rdblquote\\emdash", "\u{201c}a\u{201d}\u{2014}"),
        ("a\\\nb", "a\nb"),
        ("{{{a}}}", "a"),
    ] {
        assert_eq!(text(body), expect, "{body}");
    }
}

#[test]
fn hidden_text_is_counted_and_not_shown() {
    let read = document(b"{\\rtf1 a{\\v secret}\\v1 more\\v0 b\\v x\\plain c}");
    assert_eq!((read.text.as_str(), read.hidden_chars), ("abc", 11));
}

#[test]
fn text_that_was_html_is_read_once() {
    let body = "{\\*\\htmltag64 <p>}\\htmlrtf {\\htmlrtf0 one\\htmlrtf }\\htmlrtf0 two";
    assert_eq!(text(body), "onetwo");
}

#[test]
fn links_have_their_target_and_what_is_shown_for_them() {
    let body = "see {\\field{\\*\\fldinst{HYPERLINK \"http://a.test/x\"}}\
                {\\fldrslt{\\ul www.bank.test}}} now";
    let read = document(format!("{{\\rtf1 {body}}}").as_bytes());
    assert_eq!(read.text, "see www.bank.test now");
    assert_eq!(read.links.len(), 1);
    assert_eq!(read.links[0].target, "http://a.test/x");
    assert_eq!(read.links[0].shown.as_deref(), Some("www.bank.test"));
}

#[test]
fn what_acts_by_itself_is_noted() {
    let facts = |body: &str| document(format!("{{\\rtf1 {body}}}").as_bytes()).facts;
    let remote = facts("{\\*\\template http://a.test/t.dot}");
    assert!(remote.has_external_template);
    assert!(!facts("{\\*\\template C:\\\\t.dot}").has_external_template);
    let object = facts("{\\object\\objemb\\objupdate{\\*\\objclass Package}{\\*\\objdata 0105}}");
    assert!(object.has_embedded_files && object.has_auto_action);
    let dde = facts("{\\field{\\*\\fldinst DDEAUTO c:\\\\\\\\x.exe \"a\"}{\\fldrslt b}}");
    assert!(dde.has_dde && dde.has_auto_action);
    assert_eq!(facts("plain"), crate::document::Facts::default());
}

#[test]
fn damage_is_read_as_far_as_it_goes() {
    for (content, expect) in [
        (&b"{\\rt"[..], ""),
        (b"{\\rtf1 a}}}}}b", "ab"),
        (b"{\\rtf1 a{{{b", "ab"),
        (b"{\\rtf1 a\\bin99999 b", "a"),
        (b"{\\rtf1 a\\bin-1 b", "ab"),
        (b"{\\rtf1 a\\u", "a"),
        (b"{\\rtf1 a\\u55357 bc", "ac"),
        (b"{\\rtf1\\ansicpg99 a", "a"),
    ] {
        let read = document(content);
        assert_eq!(read.text.replace('\0', ""), expect, "{}", content.escape_ascii());
    }
}

#[test]
fn groups_and_fonts_have_their_limits() {
    for (groups, is_cut) in [(GROUPS_MAX, false), (GROUPS_MAX + 1, true)] {
        // The outermost group is one of them.
        let inner = groups - 1;
        let text = format!("{{\\rtf1{}a{}b}}", "{".repeat(inner), "}".repeat(inner));
        let read = document(text.as_bytes());
        assert_eq!((read.text.as_str(), read.cuts.contains(&Cut::Depth)), ("ab", is_cut));
    }
    for (fonts, is_cut) in [(FONTS_MAX, false), (FONTS_MAX + 1, true)] {
        let table: String = (0..fonts).map(|at| format!("{{\\f{at}\\fcharset204 x;}}")).collect();
        let read = document(format!("{{\\rtf1{{\\fonttbl{table}}}a}}").as_bytes());
        assert_eq!((read.text.as_str(), read.cuts.contains(&Cut::Depth)), ("a", is_cut));
    }
}

#[test]
fn an_instruction_is_kept_up_to_its_limit() {
    let target = "a".repeat(2 * SAID_BYTES_MAX);
    let read =
        document(format!("{{\\rtf1{{\\field{{\\*\\fldinst HYPERLINK {target}}}}}}}").as_bytes());
    assert!(read.links[0].target.len() <= SAID_BYTES_MAX);
}
