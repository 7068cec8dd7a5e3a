use super::file::{FILE_BYTES_MAX, PIECES_MIN, file_sketch};
use super::image::{Budget, PICTURES_MAX, PIXELS_MAX, PIXELS_SUM_MAX, SIDE_MIN, look, look_within};
use super::skeleton::{FRAME, TOKENS_MAX, WINDOWS_MIN};
use super::text::{EXACT_WORDS_MIN, WORD_LETTERS_MAX, WORDS_MIN, text_name, text_sketch};
use super::*;
use crate::reading::{fold, render};

mod vectors;

/// SplitMix64 as a generator, for repeatable content.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A word of five letters or more, of a vocabulary of 3,000; lower numbers are more frequent, as in language.
    fn word(&mut self) -> String {
        let rank = self.below(3000).min(self.below(3000));
        let mut number = rank + 12_usize.pow(4);
        let mut word = String::new();
        while number > 0 {
            word.push(char::from(b"etaoinshrdmu"[number % 12]));
            number /= 12;
        }
        word
    }

    fn words(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.word()).collect()
    }
}

fn sketch(text: &str) -> Sketch {
    text_sketch(&fold(text).text).unwrap()
}

/// So many different words, without `l`, which has the shape of `i`.
fn distinct(count: usize) -> String {
    const LETTERS: [char; 25] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'o', 'p', 'q', 'r', 's',
        't', 'u', 'v', 'w', 'x', 'y', 'z',
    ];
    (0..count)
        .map(|at| {
            format!(
                "{}{} ",
                "word",
                [LETTERS[at / 25], LETTERS[at % 25]].iter().collect::<String>()
            )
        })
        .collect()
}

#[test]
fn what_a_person_reads_alike_has_one_name() {
    let body = Random(1).words(60).join(" ");
    let plain = text_name(&fold(&format!("Cheap viagra costs you nothing, {body}")).text);
    for copy in [
        "CHEAP  viagra\ncosts you nothing!",
        "cheap v1agra c0sts you nothing.",
        "ch\u{435}ap vi\u{430}gra costs you nothing",
        "cheap v\u{200b}ia\u{ad}gra costs you nothing",
        "ｃｈｅａｐ viágra cösts you nothing",
        "cheap v.iagra c-osts you not'hing",
        "cheap viagra 12.50 costs you #9922 nothing",
        "cheap viagra http://x.test/8 costs you joe@example.com nothing",
        "cheap vlagra costs you nothlng",
    ] {
        assert_eq!(text_name(&fold(&format!("{copy} {body}")).text), plain, "{copy}");
    }
    let other = text_name(&fold(&format!("cheap carpets cost you nothing {body}")).text);
    assert_ne!(other.unwrap().exact, plain.unwrap().exact);
}

#[test]
fn reordered_paragraphs_agree_because_sets_have_no_order() {
    let mut random = Random(2);
    let paragraphs: Vec<String> = (0..8).map(|_| random.words(40).join(" ")).collect();
    let turned: Vec<String> = paragraphs.iter().rev().cloned().collect();
    let agreement = sketch(&paragraphs.join(" ")).agreement(&sketch(&turned.join(" ")));
    assert!(agreement >= 30, "{agreement}");
}

/// 300 words, 100 new ones between them: words 24 lanes at 3/4 and more, pairs 8 lanes at about 0.4.
#[test]
fn a_third_of_noise_leaves_a_match() {
    let mut random = Random(3);
    for _ in 0..50 {
        let words = random.words(300);
        let noisy: Vec<String> = words
            .chunks(3)
            .flat_map(|three| [three.join(" "), format!("q{}", random.word())])
            .collect();
        let agreement = sketch(&words.join(" ")).agreement(&sketch(&noisy.join(" ")));
        assert!(agreement >= 12, "{agreement}");
    }
}

#[test]
fn unrelated_texts_do_not_agree() {
    let mut random = Random(5);
    let texts: Vec<Sketch> = (0..300).map(|_| sketch(&random.words(60).join(" "))).collect();
    for (at, one) in texts.iter().enumerate() {
        assert!(texts[..at].iter().all(|other| one.agreement(other) < 12));
    }
}

#[test]
fn a_text_needs_n_different_words() {
    let name = |count| text_name(&fold(&distinct(count)).text);
    assert!(name(WORDS_MIN).unwrap().sketch.is_some());
    assert!(name(WORDS_MIN - 1).unwrap().sketch.is_none());
    assert!(name(EXACT_WORDS_MIN).is_some());
    assert!(name(EXACT_WORDS_MIN - 1).is_none());
    assert!(name(0).is_none());
    assert!(text_sketch(&"buying nowadays ".repeat(100)).is_none());
}

#[test]
fn a_word_counts_up_to_n_letters() {
    let with = |word: String| text_name(&fold(&format!("{} {word}", distinct(40))).text).unwrap();
    let plain = with(String::new());
    assert_ne!(with("y".repeat(WORD_LETTERS_MAX)), plain);
    assert_eq!(with("y".repeat(WORD_LETTERS_MAX + 1)), plain);
}

#[test]
fn korean_splits_at_blanks_and_its_syllables_count_by_their_letters() {
    // Of 28 different words, of two syllables with two letters each, or of one with three.
    let syllable = |lead: usize, vowel: usize, tail: usize| {
        char::from_u32((0xac00 + (lead * 21 + vowel) * 28 + tail) as u32).unwrap()
    };
    let two = |at: usize| [syllable(at % 19, at / 19, 0), syllable(at / 19, at % 19, 0)];
    let pairs =
        |count: usize| -> Vec<String> { (0..count).map(|at| two(at).iter().collect()).collect() };
    let named = |words: &[String]| text_name(&fold(&words.join(" ")).text);
    let all = pairs(WORDS_MIN);
    let sketch = named(&all).unwrap().sketch.unwrap();
    assert!(named(&pairs(WORDS_MIN - 1)).unwrap().sketch.is_none());
    let mut turned = all.clone();
    turned.reverse();
    assert!(named(&turned).unwrap().sketch.unwrap().agreement(&sketch) >= 31, "words are a set");
    let joined = [all.concat()];
    assert_eq!(named(&joined), None, "without blanks it is one word");
    let short: Vec<String> = (0..60).map(|at| syllable(at % 19, at / 19, 1).into()).collect();
    assert_eq!(named(&short), None, "three letters are too few, in Korean as elsewhere");
}

#[test]
fn text_without_blanks_has_words_too() {
    let text: String = ('\u{4e00}'..'\u{4e40}').collect();
    let changed = text.replace('\u{4e10}', "\u{5e10}");
    let agreement = sketch(&text).agreement(&sketch(&changed));
    assert!((24..32).contains(&agreement), "{agreement}");
}

fn page(rows: usize, text: &str) -> String {
    let kinds = [
        "td width=600",
        "td bgcolor=red",
        "p align=center",
        "b",
        "a href=http://x.test",
        "img src=cid:x",
    ];
    let row =
        |at: usize| format!("<table><tr><{}><{}>{text}</table>", kinds[at % 6], kinds[at / 6 % 6]);
    (0..rows).map(row).collect()
}

#[test]
fn a_skeleton_is_of_tags_and_not_of_text_or_addresses() {
    let one = render(&page(40, "buy")).skeleton.unwrap();
    let other = page(40, "sell <!-- x -->").replace("x.test", "other.test/1").replace("600", "640");
    assert_eq!(render(&other).skeleton, Some(one.clone()));
    let changed = page(40, "buy").replacen("<b>", "<i>", 2);
    let changed = render(&changed).skeleton.unwrap();
    assert_ne!(changed.exact, one.exact);
    assert!((17..32).contains(&changed.sketch.agreement(&one.sketch)));
}

/// What browsers, webmails and mail programs do to a page that they pass on.
#[test]
fn a_page_that_is_written_anew_keeps_its_skeleton() {
    let page = page(40, "buy &amp; save");
    let skeleton = render(&page).skeleton.unwrap();
    let capitals = |page: &str| {
        let up = |piece: &str| {
            let name = piece.split([' ', '>']).next().unwrap_or_default().to_owned();
            format!("<{}{}", name.to_uppercase(), &piece[name.len()..])
        };
        page.split('<').skip(1).map(up).collect::<String>()
    };
    let tables = page.replace("</table>", "</tbody></table>");
    let head = "<title>x</title><meta charset=utf-8><style>p{}</style><link rel=icon href=/x>";
    for (what, written) in [
        ("capitals", capitals(&page)),
        ("quotes", page.replace('"', "'")),
        ("blanks", page.replace('>', "\r\n >").replace(" href", "\n\thref")),
        ("order", page.replace("<a href=", "<a title='t' x=1 href=")),
        ("references", page.replace("http", "&#104;ttp").replace("buy", "&#98;&#x75;y")),
        ("a frame", format!("<!DOCTYPE html><html><head>{head}</head><body>{page}</body></html>")),
        (
            "rows in a body",
            tables.replace("<table", "<!-- --><table").replace("<tr>", "<tbody><tr>"),
        ),
        ("a comment", page.replace("<td", "<!--[if mso]><table><![endif]--><td")),
    ] {
        assert_eq!(render(&written).skeleton, Some(skeleton.clone()), "{what}");
    }
    assert!(FRAME.is_sorted(), "searched by halves");
}

/// Lower seven bits to a quoted-printable body with a soft break behind each 60 characters.
fn quoted(page: &str) -> String {
    let escaped: Vec<String> = page
        .bytes()
        .map(|b| if b == b'=' || b > 126 { format!("={b:02X}") } else { char::from(b).into() })
        .collect();
    escaped.chunks(60).map(<[String]>::concat).collect::<Vec<_>>().join("=\r\n")
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |bytes: &[u8]| -> String {
        let bits = bytes.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b))
            << (8 * (3 - bytes.len()));
        (0..4)
            .map(|at| {
                if at > bytes.len() {
                    '='
                } else {
                    char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize])
                }
            })
            .collect()
    };
    let lines = bytes.chunks(54).map(|line| line.chunks(3).map(group).collect::<String>() + "\r\n");
    lines.collect()
}

#[test]
fn a_page_has_the_same_names_in_every_transfer_encoding() {
    let page = page(40, &(distinct(40) + "caf\u{e9}"));
    let named = |encoding: &str, body: String| {
        let mail = format!(
            "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{body}"
        );
        let read = crate::digesting::dissect(mail.as_bytes());
        let span = read.spans[0].as_ref().unwrap();
        let content = crate::content::decode(span, span.of(mail.as_bytes()));
        crate::reading::read_part(&read.outline.parts[0], &content).names
    };
    let plain = named("8bit", page.clone());
    assert_eq!(plain.len(), 2, "words and build");
    assert_eq!(named("quoted-printable", quoted(&page)), plain);
    assert_eq!(named("base64", base64(page.as_bytes())), plain);
}

#[test]
fn a_page_needs_enough_of_a_skeleton_and_too_much_is_cut() {
    assert!(render("<p>a<p>b<br>c").skeleton.is_none());
    assert!(
        render(&"<table><tr><td><p>".repeat(WINDOWS_MIN)).skeleton.is_none(),
        "few kinds of windows"
    );
    let long = |more: &str| {
        let start = page(40, "");
        let tags = "<b></b><i></i>".repeat(TOKENS_MAX / 2);
        render(&format!("{start}{tags}{more}")).skeleton.unwrap()
    };
    assert_eq!(long(""), long("<table><form>"));
    assert!(render(&"<div a=1 b=2>".repeat(200_000)).skeleton.is_none());
}

fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut random = Random(seed);
    (0..count).map(|_| random.next() as u8).collect()
}

#[test]
fn a_file_with_a_few_changes_agrees_and_another_does_not() {
    let file = bytes(1, 40_000);
    let mut changed = file.clone();
    changed.splice(20_000..20_010, *b"another");
    changed.splice(100..100, *b"inserted");
    let sketch = file_sketch(&file).unwrap();
    assert!(file_sketch(&changed).unwrap().agreement(&sketch) >= 28);
    assert!(file_sketch(&bytes(2, 40_000)).unwrap().agreement(&sketch) <= 2);
}

#[test]
fn padding_and_small_files_have_no_sketch_and_long_ones_are_cut() {
    assert!(file_sketch(&vec![0; 100_000]).is_none());
    assert!(file_sketch(&bytes(1, 32 * (PIECES_MIN - 1))).is_none());
    assert!(file_sketch(&[]).is_none());
    let mut long = bytes(3, FILE_BYTES_MAX);
    let sketch = file_sketch(&long);
    long.extend(bytes(4, 1000));
    assert_eq!(file_sketch(&long), sketch);
}

/// A picture of its own for each seed: some soft hills.
fn picture(seed: u64, width: u32, height: u32) -> ::image::DynamicImage {
    let mut random = Random(seed);
    let hills: Vec<[f32; 3]> =
        (0..12).map(|_| [0, 0, 0].map(|_| random.below(1000) as f32 / 1000.0)).collect();
    let value = |x: u32, y: u32| {
        let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
        let sum: f32 = hills
            .iter()
            .map(|[a, b, c]| {
                (0.5 - c) * 400.0 * (-60.0 * ((x - a).powi(2) + (y - b).powi(2))).exp()
            })
            .sum();
        (128.0 + sum).clamp(0.0, 255.0) as u8
    };
    ::image::GrayImage::from_fn(width, height, |x, y| ::image::Luma([value(x, y)])).into()
}

fn packed(picture: &::image::DynamicImage, format: ::image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn a_picture_packed_or_scaled_again_keeps_most_lanes_and_another_has_few() {
    use ::image::ImageFormat::{Gif, Jpeg, Png};
    let mut others = Vec::new();
    for seed in 1..8 {
        let first = picture(seed, 300, 200);
        let known = look(&packed(&first, Png)).unwrap();
        let jpeg = look(&packed(&first, Jpeg)).unwrap().sketch;
        let small = look(&packed(&picture(seed, 210, 140), Png)).unwrap().sketch;
        assert!(jpeg.agreement(&known.sketch) >= 20, "{seed}: {}", jpeg.agreement(&known.sketch));
        assert!(small.agreement(&known.sketch) >= 20, "{seed}: {}", small.agreement(&known.sketch));
        let rgb = ::image::DynamicImage::ImageRgba8(first.to_rgba8());
        assert_eq!(look(&packed(&rgb, Png)).unwrap(), known, "the same pixels in another form");
        assert!(look(&packed(&rgb, Gif)).is_some());
        for other in &others {
            assert!(known.sketch.agreement(other) < 8);
        }
        others.push(known.sketch);
    }
}

#[test]
fn flat_small_and_huge_pictures_have_no_look() {
    use ::image::ImageFormat::Png;
    let flat = ::image::DynamicImage::new_rgb8(200, 200);
    assert_eq!(look(&packed(&flat, Png)), None);
    let side = |width, height| look(&packed(&picture(7, width, height), Png)).is_some();
    assert!(
        side(SIDE_MIN, SIDE_MIN) && !side(SIDE_MIN - 1, SIDE_MIN) && !side(SIDE_MIN, SIDE_MIN - 1)
    );
    let width = 2048;
    let height = (PIXELS_MAX / 2048) as u32;
    assert!(side(width, height) && !side(width, height + 1));
}

#[test]
fn the_pictures_of_one_mail_are_decoded_up_to_n_and_the_rest_is_counted() {
    use ::image::ImageFormat::{Gif, Jpeg, Png};
    for format in [Png, Jpeg, Gif] {
        let content = packed(&picture(3, 64, 48).to_rgb8().into(), format);
        let mut budget = Budget::default();
        for _ in 0..PICTURES_MAX {
            assert!(look_within(&content, &mut budget).is_some(), "n");
        }
        assert_eq!(budget.left_out(), 0);
        for more in 1..300 {
            assert_eq!(look_within(&content, &mut budget), None, "n + {more}");
            assert_eq!(budget.left_out(), more);
        }
        assert_eq!(budget.decoded_pixels(), 64 * 48 * PICTURES_MAX as u64, "{format:?}");
    }
}

#[test]
fn the_pixels_of_one_mail_are_decoded_up_to_n_and_a_smaller_picture_may_still_fit() {
    let of = |width, height| packed(&picture(3, width, height), ::image::ImageFormat::Png);
    let (large, last) = (of(2048, (PIXELS_MAX / 2048) as u32), of(2048, 1023));
    let mut budget = Budget::default();
    for _ in 0..3 {
        assert!(look_within(&large, &mut budget).is_some());
    }
    assert!(look_within(&last, &mut budget).is_some());
    assert_eq!(look_within(&of(2049, 33), &mut budget), None, "past the sum");
    assert_eq!((budget.decoded_pixels(), budget.left_out()), (PIXELS_SUM_MAX - 2048, 1));
    assert!(look_within(&of(64, 32), &mut budget).is_some(), "the sum itself");
    assert_eq!((budget.decoded_pixels(), budget.left_out()), (PIXELS_SUM_MAX, 1));
}

#[test]
fn icons_and_giants_are_not_decoded_and_not_left_out() {
    let mut budget = Budget::default();
    for (width, height) in [(SIDE_MIN - 1, 100), (100, SIDE_MIN - 1), (2048, 1025)] {
        for format in [::image::ImageFormat::Png, ::image::ImageFormat::Jpeg] {
            let content = packed(&picture(3, width, height), format);
            assert_eq!(look_within(&content, &mut budget), None);
        }
    }
    assert_eq!(budget, Budget::default());
}

/// A header may promise four thousand million pixels: it is believed only as far as to refuse.
#[test]
fn bombs_and_torn_pictures_are_refused_at_once() {
    let good = packed(&picture(3, 200, 200), ::image::ImageFormat::Png);
    let mut giant = good.clone();
    giant[16..24].fill(0x7f);
    let began = std::time::Instant::now();
    assert_eq!(look(&giant), None);
    for format in [::image::ImageFormat::Png, ::image::ImageFormat::Jpeg, ::image::ImageFormat::Gif]
    {
        let whole = packed(&picture(3, 100, 100).to_rgb8().into(), format);
        for length in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let _ = look(&whole[..length]);
        }
    }
    for head in [
        &b"GIF89a\xff\xff\xff\xff\xf7\0\0"[..],
        b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03",
        b"\x89PNG\r\n\x1a\n",
    ] {
        assert_eq!(look(&[head, &[0xff; 2000]].concat()), None);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn ten_megabytes_of_anything_are_named_in_bounded_time() {
    let began = std::time::Instant::now();
    let text = Random(9).words(2000).join(" ").repeat(10 * 1024 * 1024 / 12_000);
    let _ = text_name(&text);
    let _ = text_name(&"v1agra.".repeat(10 * 1024 * 1024 / 7));
    let _ = file_sketch(text.as_bytes());
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
