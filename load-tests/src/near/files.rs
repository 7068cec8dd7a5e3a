//! Pages, files and pictures changed in steps: what their sketches keep. Nothing of rspamd stands beside them: it knows
//! files and pictures by their exact bytes, and all of these changes change bytes.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, GenericImageView as _, ImageFormat};
use tamis_domain::digest::Sketch;
use tamis_message::reading::render;
use tamis_message::sketch::file::file_sketch;
use tamis_message::sketch::image::look;

use super::{Histogram, Random};

/// One change at one strength.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was done.
    pub change: &'static str,
    /// How much, in words.
    pub strength: String,
    /// Agreement of the changed with the first.
    pub kept: Histogram,
}

/// Puts tags into pages.
#[must_use]
pub fn pages(pages: &[&str], seed: u64) -> Vec<Run> {
    let known: Vec<(&str, Sketch)> = pages
        .iter()
        .filter_map(|page| render(page).skeleton.map(|skeleton| (*page, skeleton.sketch)))
        .collect();
    let changed = |strength: u8| {
        let mut random = Random(seed ^ u64::from(strength));
        let mut kept = Histogram::default();
        for (page, sketch) in &known {
            let mut mutant = String::with_capacity(2 * page.len());
            for piece in page.split_inclusive('>') {
                mutant.push_str(piece);
                if piece.ends_with('>') && random.chance(f64::from(strength) / 100.0) {
                    let tag: &&str = random.of(&["<br>", "<span></span>", "<p>", "<b></b>"]);
                    mutant.push_str(tag);
                }
            }
            kept.count(render(&mutant).skeleton.map_or(0, |it| it.sketch.agreement(sketch)));
        }
        Run { change: "html_tags", strength: format!("{strength} %"), kept }
    };
    let mut runs = [1, 2, 5, 10, 20].map(changed).to_vec();
    for (how, anew) in ANEW {
        let mut kept = Histogram::default();
        for (page, sketch) in &known {
            let written = each_tag(page, anew);
            kept.count(render(&written).skeleton.map_or(0, |it| it.sketch.agreement(sketch)));
        }
        runs.push(Run { change: "html_reencoded", strength: how.to_owned(), kept });
    }
    runs
}

/// Writes a tag anew; it comes with its angle brackets.
type Anew = fn(&str) -> String;

/// Ways to write tags anew.
const ANEW: [(&str, Anew); 4] = [
    ("capitals and blanks", |tag| tag.to_ascii_uppercase().replace('>', "\n>")),
    ("quotes", |tag| tag.replace('"', "'")),
    ("rows in a body", |tag| {
        let lower = tag.to_ascii_lowercase();
        match lower.as_str() {
            "</table>" => format!("</tbody>{tag}"),
            _ if lower.starts_with("<table") => format!("{tag}<tbody>"),
            _ => tag.to_owned(),
        }
    }),
    ("frame taken off", |tag| {
        let lower = tag.to_ascii_lowercase();
        let name = lower.trim_start_matches(['<', '/']);
        let is_off = ["html", "head>", "body", "meta"].iter().any(|off| name.starts_with(off));
        if is_off { String::new() } else { tag.to_owned() }
    }),
];

fn each_tag(page: &str, anew: Anew) -> String {
    let mut out = String::with_capacity(2 * page.len());
    for piece in page.split_inclusive('>') {
        let (before, tag) = piece.split_at(piece.rfind('<').unwrap_or(piece.len()));
        out.push_str(before);
        // A comment stays as it is: a blank in its end would leave it open.
        let is_tag = tag.ends_with('>') && !tag.ends_with("-->") && !tag.starts_with("<!");
        out.push_str(&if is_tag { anew(tag) } else { tag.to_owned() });
    }
    out
}

/// Overwrites and inserts bytes in files.
#[must_use]
pub fn files(files: &[&[u8]], seed: u64) -> Vec<Run> {
    let known: Vec<(&[u8], Sketch)> =
        files.iter().filter_map(|file| Some((*file, file_sketch(file)?))).collect();
    let changed = |edits: usize| {
        let mut random = Random(seed ^ edits as u64);
        let mut kept = Histogram::default();
        for (file, sketch) in &known {
            let mut mutant = file.to_vec();
            for _ in 0..edits {
                let at = random.below(mutant.len());
                let new: Vec<u8> = (0..random.below(12)).map(|_| random.word() as u8).collect();
                let end = (at + random.below(12)).min(mutant.len());
                mutant.splice(at..end, new);
            }
            kept.count(file_sketch(&mutant).map_or(0, |it| it.agreement(sketch)));
        }
        Run { change: "attachment_edits", strength: format!("{edits} places"), kept }
    };
    [1, 4, 16, 64].map(changed).to_vec()
}

/// Packs pictures again, scales them, draws on them; and compares each with all others.
#[must_use]
pub fn pictures(files: &[&[u8]], seed: u64) -> (Vec<Run>, Histogram) {
    let known: Vec<(DynamicImage, Sketch)> = files
        .iter()
        .filter_map(|file| Some((image::load_from_memory(file).ok()?, look(file)?.sketch)))
        .collect();
    let mut runs = Vec::new();
    let mut all =
        |change, strength: String, change_it: &dyn Fn(&DynamicImage) -> Option<Vec<u8>>| {
            let mut kept = Histogram::default();
            for (picture, sketch) in &known {
                let mutant = change_it(picture).and_then(|bytes| look(&bytes));
                kept.count(mutant.map_or(0, |it| it.sketch.agreement(sketch)));
            }
            runs.push(Run { change, strength, kept });
        };
    for quality in [90, 75, 50, 30] {
        all("image_jpeg", format!("quality {quality}"), &|it| jpeg(it, quality));
    }
    for percent in [90, 75, 50, 150] {
        all("image_scaled", format!("{percent} %"), &|it| {
            let (width, height) = it.dimensions();
            let (width, height) = (width * percent / 100, height * percent / 100);
            png(&it.resize_exact(width.max(1), height.max(1), FilterType::Triangle))
        });
    }
    for percent in [1, 2, 5] {
        all("image_cropped", format!("{percent} % a side"), &|it| {
            let (width, height) = it.dimensions();
            let (x, y) = (width * percent / 100, height * percent / 100);
            png(&it.crop_imm(x, y, width - 2 * x, height - 2 * y))
        });
    }
    for permille in [2, 10, 50] {
        all("image_dots", format!("{permille} per mille"), &|it| {
            let mut random = Random(seed ^ permille);
            let mut pixels = it.to_rgb8();
            for pixel in pixels.pixels_mut() {
                if random.chance(permille as f64 / 1000.0) {
                    pixel.0 = [random.word() as u8, random.word() as u8, random.word() as u8];
                }
            }
            png(&DynamicImage::ImageRgb8(pixels))
        });
    }
    (runs, strangers(&known))
}

/// Agreement of each picture with each other one. Copies of a campaign are taken out before.
fn strangers(known: &[(DynamicImage, Sketch)]) -> Histogram {
    let mut strangers = Histogram::default();
    for (at, (_, one)) in known.iter().enumerate() {
        known[..at].iter().for_each(|(_, other)| strangers.count(one.agreement(other)));
    }
    strangers
}

fn jpeg(picture: &DynamicImage, quality: u8) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    picture.to_rgb8().write_with_encoder(encoder).ok()?;
    Some(bytes)
}

fn png(picture: &DynamicImage) -> Option<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(bytes.into_inner())
}
