//! The vectors of `docs/reputation-sketches.md`: they are made here and compared with what stands there.
//!
//! With `TAMIS_WRITE_VECTORS=1` they are written instead.

use std::fmt::Write as _;
use std::path::Path;

use tamis_domain::digest::{Sketch, hex};

use crate::reading::{fold, render};
use crate::sketch::file::{file_sketch, piece_length};
use crate::sketch::image::look;
use crate::sketch::text::{TextName, text_name};
use crate::sketch::{FACTORS, KEY, fnv, mix};

const DOCUMENT: &str = "docs/reputation-sketches.md";
const BEGIN: &str = "<!-- vectors -->\n";
const END: &str = "<!-- end of vectors -->\n";

/// Enough words for a sketch, with what the rules change or pass over.
const TEXT: &str = "Dear Anna, the M\u{fc}ller g\u{430}rden rep0rt of 12 May is at https://a.example/r?id=7: young plum-trees survived \
winter under str\u{200b}aw, while old pears need careful pr.u.ning. Neighbours lend ladders; somebody brings warm soup, children gather \
fallen branches behind that crooked wooden fence. Pay 1,500 EUR (ref. A-4711) or write bob@b.example -- v1agra c@$h!!";

/// Its words, as the rules make them: written down by hand.
const WORDS: &str = "dear anna the muiier garden report of may is at young piumtrees survived winter under straw whiie oid pears need \
carefui pruning neighbours iend iadders somebody brings warm soup chiidren gather faiien branches behind that crooked wooden fence \
pay eur ref or write viagra";

/// Too few words for a sketch, enough for a name.
const SHORT: &str =
    "Your parcel waits: please confirm delivery address before Friday, otherwise returned sender.";

/// Chinese has no blanks: each two characters in a row are a word.
const UNSPACED: &str = "\u{4f1a}\u{8bae}\u{8bb0}\u{5f55}\u{9644}\u{5728}\u{540e}\u{9762}\u{6bcf}\u{5468}\u{4e00}\u{6837}";

const PAGE: &str = "<html><body><table width=600 cellpadding=0><tr><td align=center><a href='https://a.example/1'><img src=cid:1 \
width=200 height=80></a></td><td><p class=x>a<br>b</p></td></tr><tr><td width='50%'><h1>c</h1><p>d<b>e</b><i>f</i></p></td><td><ul>\
<li>g<li>h</ul></td></tr></table><div style=x><span>i</span><a href=mailto:b@b.example>j</a><hr></div><div><font color=red face=x>k</font>\
<center><img src='data:,' alt=l></center><blockquote><pre>m</pre></blockquote></div><form><input><select><option>n<option>o</select>\
<button>p</button></form><ol><li><em>q</em><li><strong>r</strong></ol></body></html>";

fn lanes(sketch: Option<Sketch>) -> String {
    sketch.map_or("none".to_owned(), |sketch| hex(&sketch.to_bytes()))
}

fn number(value: u64) -> String {
    format!("{value:016x}")
}

fn arithmetic(out: &mut String) {
    let _ = writeln!(out, "mix(1)          {}", number(mix(1)));
    let _ = writeln!(out, "mix(KEY)        {}", number(mix(KEY)));
    let _ = writeln!(out, "fnv(\"plum\")     {}", number(fnv("plum".bytes())));
    for lane in [0, 31] {
        let _ = writeln!(out, "factor({lane:<2})      {}", number(FACTORS[lane]));
    }
}

fn text(out: &mut String, what: &str, words: &[String], input: &str) {
    let TextName { exact, sketch } = text_name(&fold(input).text).unwrap();
    let features: Vec<u64> = words.iter().map(|word| mix(fnv(word.bytes()))).collect();
    let (a, b) = (features[0].min(features[1]), features[0].max(features[1]));
    let pair = mix(a.wrapping_mul(3).wrapping_add(b.wrapping_mul(5)));
    // The name is over all words in their order: so the words are those that stand here.
    let mut hasher = blake3::Hasher::new();
    features.iter().for_each(|feature| _ = hasher.update(&feature.to_be_bytes()));
    assert_eq!(exact.0, *hasher.finalize().as_bytes(), "{what}: other words than written");
    let _ = writeln!(out, "\n{what}\ninput           {}", input.escape_unicode_but_ascii());
    let _ = writeln!(out, "folded          {}", fold(input).text.escape_unicode_but_ascii());
    let _ = writeln!(out, "words           {}", words.join(" ").escape_unicode_but_ascii());
    let _ = writeln!(out, "first features  {} {}", number(features[0]), number(features[1]));
    let _ = writeln!(out, "first pair      {}", number(pair));
    let _ = writeln!(out, "exact name of   {}", hex(&exact.0));
    let _ = writeln!(out, "lanes           {}", lanes(sketch));
}

trait EscapeUnicode {
    /// Other characters than ASCII as `\u{...}`: what one cannot see is told apart.
    fn escape_unicode_but_ascii(&self) -> String;
}

impl EscapeUnicode for str {
    fn escape_unicode_but_ascii(&self) -> String {
        let one = |c: char| {
            if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }
        };
        self.chars().map(one).collect()
    }
}

fn page(out: &mut String) {
    let skeleton = render(PAGE).skeleton.unwrap();
    // The first three tokens, and the window that they make, by the rules as written.
    let names = |parent: &str, name: &str| {
        fnv(parent.bytes()).wrapping_add(fnv(name.bytes()).wrapping_mul(3))
    };
    let token =
        |parent, name, classes: u64| mix(names(parent, name).wrapping_add(classes.wrapping_mul(5)));
    // width=600: ten bits, class 2 + 5; bits of `cellpadding` and `width`, of `align`.
    let tokens = [
        token("", "table", 1 << 5 | 1 << 19 | 7 << 32),
        token("table", "tr", 0),
        token("tr", "td", 1),
    ];
    let sum = KEY
        .wrapping_add(tokens[0].wrapping_mul(3))
        .wrapping_add(tokens[1].wrapping_mul(5))
        .wrapping_add(tokens[2].wrapping_mul(7));
    let _ = writeln!(out, "\nA page\ninput           {PAGE}");
    let _ = writeln!(out, "first tokens    {}", tokens.map(number).join(" "));
    let _ = writeln!(out, "first window    {}", number(mix(sum)));
    let _ = writeln!(out, "exact name of   {}", hex(&skeleton.exact.0));
    let _ = writeln!(out, "lanes           {}", lanes(Some(skeleton.sketch)));
}

fn file(out: &mut String) {
    let content: Vec<u8> = (0..1024).flat_map(|at| mix(at).to_be_bytes()).collect();
    let first = piece_length(&content);
    let second = piece_length(&content[first..]);
    let feature = mix(fnv(content[..first].iter().copied()));
    let _ = writeln!(
        out,
        "\nA file\ninput           mix(0), mix(1), ... mix(1023), 8 bytes each, big-endian"
    );
    let _ = writeln!(out, "first pieces    {first} and {second} bytes");
    let _ = writeln!(out, "first feature   {}", number(feature));
    let _ = writeln!(out, "lanes           {}", lanes(file_sketch(&content)));
}

fn picture(out: &mut String) {
    let grey = |x: u32, y: u32| (mix(u64::from(18 * (y / 2) + x / 2)) & 0xff) as u8;
    let picture = ::image::GrayImage::from_fn(36, 36, |x, y| ::image::Luma([grey(x, y)]));
    let mut png = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut png, ::image::ImageFormat::Png).unwrap();
    let look = look(png.get_ref()).unwrap();
    let _ = writeln!(
        out,
        "\nA picture\ninput           36 x 36 pixels of grey, the one in column x and row y mix(18 * (y / 2) + x / 2) & 255, divisions rounded down"
    );
    let first: Vec<String> = (0..4).map(|x| (16 * u32::from(grey(2 * x, 0))).to_string()).collect();
    let _ = writeln!(out, "first cells     {}", first.join(" "));
    let _ = writeln!(out, "exact name of   {}", hex(&look.exact.0));
    let _ = writeln!(out, "lanes           {}", lanes(Some(look.sketch)));
}

fn vectors() -> String {
    let mut out = String::from("```\n");
    arithmetic(&mut out);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    text(&mut out, "A text", &words(WORDS), TEXT);
    let short =
        "your parcei waits piease confirm deiivery address before friday otherwise returned sender";
    text(&mut out, "A short text", &words(short), SHORT);
    let characters: Vec<char> = UNSPACED.chars().collect();
    let pairs: Vec<String> = characters.windows(2).map(|pair| pair.iter().collect()).collect();
    text(&mut out, "A text without blanks", &pairs, UNSPACED);
    page(&mut out);
    file(&mut out);
    picture(&mut out);
    out + "```\n"
}

#[test]
fn the_vectors_in_the_documents_are_what_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(DOCUMENT);
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("a place for vectors");
    let (said, after) = rest.split_once(END).expect("an end of the vectors");
    let made = vectors();
    if std::env::var_os("TAMIS_WRITE_VECTORS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(said, made, "{DOCUMENT} says otherwise; TAMIS_WRITE_VECTORS=1 writes it anew");
}
